"""A candidate, asked where it lives: what it is handed is private, what it returns is looked at.

This half of a proof stands beside the candidate (`compare.host` says where that is). It hands out
private copies, sees that they are left alone and spoils them later, and turns answers into arrays.
It decides nothing: numbers are judged by whoever asks (`compare.trial`).
"""

from __future__ import annotations

import contextlib
import difflib
import importlib
import importlib.util
import inspect
import itertools
import json
import os
import sys
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from compare.difference import Refused, Unusable
from compare.pipes import DTYPES, Array, Message, receive, send

# Methods of the protocol and how many arguments they take; those that return a pair of lists.
METHODS = {"export": 0, "trace": 1, "feedforward": 1, "backprop": 2, "deltas": 2, "held": 3,
           "update_mini_batch": 3, "train": 5, "evaluate": 2, "load_data": 1}  # fmt: skip
PAIRS = {"export": "weights, biases", "trace": "zs, activations", "backprop": "nabla_b, nabla_w"}
REQUIRED = ("export", "trace", "backprop", "update_mini_batch")
CLASS_METHODS = ("with_arithmetic", "with_device")
MOST = 1000  # parts of an answer: an iterator may never end


class Supervised:
    """One candidate, and the networks built from it, each by its number."""

    def __init__(self, make: Callable[[], Any], ours: bool = False) -> None:
        self.make, self.ours = make, ours
        self.candidate: Any = None
        self.nets: dict[int, Asked] = {}
        self.offered: dict[Any, Message] = {}  # in each arithmetic: every network offers the same

    def answer(self, message: Message, arrays: list[Array]) -> tuple[Message, list[Array]]:
        """Do what a message asks; whatever the candidate's own code raises is an answer too."""
        what = "the constructor" if message["do"] == "build" else message.get("method", "it")
        try:
            # The book's sigmoid overflows in exp(-z) on its way to the right answer, 0.
            with np.errstate(over="ignore", under="ignore"), warnings.catch_warnings():
                return self._done(message, arrays)
        except Refused as refused:
            return {"error": "refused", "text": str(refused), "mistake": refused.mistake}, []
        except Unusable as error:
            return {"error": "unusable", "text": str(error)}, []
        except BaseException as error:  # SystemExit among them: a candidate may call sys.exit
            if self.ours and isinstance(error, KeyboardInterrupt):  # that is Ctrl-C
                raise
            text = f"{what} raised {one_line(error)}"
            return {"error": "raised", "text": text, "trace": own_trace(error)}, []

    def _done(self, message: Message, arrays: list[Array]) -> tuple[Message, list[Array]]:
        if message["do"] == "describe":
            self.candidate = self.make()
            return {"label": name_of(self.candidate), "dtype": dtype_of(self.candidate)}, []
        number = message["net"]
        if message["do"] == "forget":
            self.nets.pop(number, None)
            return {}, []
        if message["do"] == "call":
            return self.nets[number].call(message["method"], arrays, message["numbers"])
        candidate, name = self.candidate, message["arithmetic"]
        if name is not None:
            try:
                candidate = derived(candidate, "with_arithmetic", name)
            except (ValueError, NotImplementedError, KeyError):
                return {"missing": f"with_arithmetic({name!r})"}, []
        net = self.nets[number] = Asked(candidate, message["sizes"], arrays)
        if name not in self.offered:
            self.offered[name] = {**net.offers(), "dtype": dtype_of(candidate)}
        return self.offered[name], []


class Asked:
    """One network, built from private copies of what it is handed."""

    def __init__(self, candidate: Any, sizes: list[int], arrays: list[Array]) -> None:
        self.lent: list[Array] = []  # not yet spoilt
        self.answered = False
        half = len(arrays) // 2
        try:
            self.net = self._ask(
                "the constructor",
                lambda *v: candidate(list(sizes), list(v[:half]), list(v[half:])),
                arrays,
            )
        except ValueError as error:
            raise Unusable(f"the candidate does not take sizes {sizes}: {error}") from error

    def offers(self) -> Message:
        """Return the methods offered, and those that are nearly: by another name, or signature."""
        offered, near = list[str](), dict[str, str]()
        for name, count in METHODS.items():
            method = getattr(self.net, name, None)
            if callable(method) and (name in REQUIRED or takes(method, count)):
                offered.append(name)
            elif callable(method):
                takes_instead = inspect.signature(method)
                near[name] = f"its {name} takes {takes_instead}: the protocol's is another"
        missing = [name for name in (*METHODS, *CLASS_METHODS) if name not in offered]
        for own in dir(self.net):
            if own.startswith("_") or own in METHODS or own in CLASS_METHODS:
                continue
            for name in difflib.get_close_matches(own.lower(), missing, 1, 0.75):
                if callable(inspect.getattr_static(self.net, own, None)):
                    near.setdefault(name, f"it has {own}: rename it")
        return {"offers": offered, "near": near}

    def call(
        self, name: str, given: list[Array], numbers: list[Any]
    ) -> tuple[Message, list[Array]]:
        """Call a method, and return what it answers as lists of arrays."""
        method = getattr(self.net, name)
        last = [Path(v) if name == "load_data" else v for v in numbers]
        answer = self._ask(name, lambda *arrays: method(*arrays, *last), given)
        if name in ("update_mini_batch", "train"):  # not yet done, perhaps: see _ask
            return {"answer": []}, []
        lists = parts_of(name, answer)
        named = ((f"{part}[{k}]", v) for part, many in lists for k, v in enumerate(many))
        arrays = [as_array(*pair) for pair in named]
        self.answered = True
        return {"answer": [len(many) for _, many in lists]}, arrays

    def _ask(self, what: str, call: Callable[..., Any], given: list[Array]) -> Any:
        """Call the candidate with private copies, and see that it left them alone."""
        # What was lent is filled with NaN: who kept it instead of a copy is found out. Some
        # frameworks compute, and even copy, later: once an answer has been read, that is done.
        if self.answered:
            for array in self.lent:
                array.fill(np.nan if array.dtype.kind == "f" else 0)
            self.lent, self.answered = [], False
        self.handed = [np.array(v, order="K") for v in given]
        self.lent += self.handed
        answer = call(*self.handed)
        for copy, original in zip(self.handed, given, strict=True):
            if not np.array_equal(copy, original):
                raise Refused(
                    f"{what} changed an array of shape {copy.shape} that it was handed: write "
                    "v = v - ... for v -= ..., or work on a copy",
                    "inputs changed in place",
                )
        return answer


def takes(method: Any, count: int) -> bool:
    """Return whether a method can be called with so many arguments, as far as can be seen."""
    try:
        with contextlib.suppress(ValueError):  # compiled: it does not say
            inspect.signature(method).bind(*[None] * count)
    except TypeError:
        return False
    return True


def parts_of(name: str, answer: Any) -> list[tuple[str, list[Any]]]:
    """Return the named lists that an answer consists of."""
    if name not in (*PAIRS, "load_data"):
        return [(name, listed(name, answer) if name == "deltas" else [answer])]
    lists, wanted = listed(name, answer), f"the pair ({PAIRS.get(name)}),"
    if name == "load_data":
        wanted = "(training, validation, test), a pair (images, labels) each;"
        if len(lists) == 3 and all(isinstance(v, tuple | list) and len(v) == 2 for v in lists):
            return [(name, [v for pair in lists for v in pair])]
    elif len(lists) == 2:
        parts = PAIRS[name].split(", ")
        return [(part, listed(part, v)) for part, v in zip(parts, lists, strict=True)]
    raise Unusable(f"{name}: expected {wanted} received {kind_of(answer)}")


def listed(name: str, values: Any) -> list[Any]:
    """Return a list of arrays, whatever kind of sequence or iterator it comes as."""
    if not hasattr(values, "__array__") and not isinstance(values, str | bytes | dict):
        with contextlib.suppress(TypeError):
            return list(itertools.islice(iter(values), MOST))
    raise Unusable(f"{name}: expected a list of arrays, received {kind_of(values)}")


def as_array(name: str, value: Any) -> Array:
    """Return numbers as an array; a tensor is taken off its graph and device first."""
    try:
        if callable(getattr(value, "detach", None)):
            value = value.detach().cpu()
        array = np.asarray(value)
        if array.dtype.kind == "O":
            array = array.astype(np.float64)
    except Exception as error:
        raise Unusable(
            f"{name}: expected an array of numbers: {one_line(error)}; return what numpy.asarray "
            "understands"
        ) from error
    if array.dtype.kind not in "fiu":
        raise Unusable(f"{name}: expected an array of real numbers, received dtype {array.dtype}")
    if array.dtype.newbyteorder("<").str in DTYPES:
        return array
    if array.dtype.kind == "f":  # float16, or wider than float64
        return array.astype(np.float32 if array.dtype == np.float16 else np.float64)
    return array.astype(np.int64)


def name_of(candidate: Any) -> str:
    """Return what reports call a candidate."""
    named = f"{getattr(candidate, '__module__', '?')}:{getattr(candidate, '__qualname__', '?')}"
    return str(getattr(candidate, "label", None) or named)


def dtype_of(candidate: Any) -> str:
    """Return the precision that a candidate declares; float64 where it does not say."""
    return str(getattr(candidate, "dtype", "float64"))


def derived(candidate: Any, method: str, value: str) -> Any:
    """Return what with_arithmetic or with_device makes of a candidate."""
    make = getattr(candidate, method, None)
    made = make(value) if callable(make) else None
    if made is None:
        raise Unusable(f"{name_of(candidate)} does not offer {method}({value!r})")
    return made


def chosen(candidate: Any, arithmetic: str | None, device: str | None) -> Any:
    """Return the candidate in the arithmetic and on the device that were asked for."""
    other = arithmetic if arithmetic != dtype_of(candidate) else None
    for option, value in (("arithmetic", other), ("device", device)):
        try:
            candidate = derived(candidate, f"with_{option}", value) if value else candidate
        except Exception as error:
            told = error if isinstance(error, Unusable) else one_line(error)
            raise Unusable(f"--{option} {value}: {told}") from error
    return candidate


def find(name: str) -> Any:
    """Return the class that is named "package.module:Class" or "path/to/file.py:Class"."""
    place, _, attribute = name.rpartition(":")
    if not place or not attribute:
        raise Unusable(
            "--candidate: expected package.module:Class or path/to/file.py:Class, "
            f"received {name!r}"
        )
    try:
        if place.endswith(".py"):
            path = Path(place)
            sys.path.insert(0, str(path.resolve().parent))  # as by python
            spec: Any = importlib.util.spec_from_file_location(path.stem, path)
            found: Any = importlib.util.module_from_spec(spec)
            sys.modules.setdefault(path.stem, found)  # dataclasses look their module up there
            spec.loader.exec_module(found)
        else:
            if "" not in sys.path:  # as `python -m` has it, one beside the caller is found
                sys.path.insert(0, "")
            found = importlib.import_module(place)
    except BaseException as error:  # SystemExit among them
        raise Unusable(f"--candidate: cannot import {place}: {one_line(error)}") from error
    for part in attribute.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        raise Unusable(f"--candidate: {place} has no class {attribute}")
    return found


def own_trace(error: BaseException) -> str:
    """Return the traceback, from the candidate's first frame on."""
    frames = error.__traceback__
    while frames and frames.tb_frame.f_code.co_filename == __file__ and frames.tb_next:
        frames = frames.tb_next
    return "".join(traceback.format_exception(type(error), error, frames))


def one_line(error: BaseException) -> str:
    """Return the first line of an exception, with its type."""
    first: list[str] = []
    with contextlib.suppress(Exception):  # its own __str__ may fail
        first = str(error).strip().splitlines()
    return f"{type(error).__name__}: {first[0][:300]}" if first else type(error).__name__


def kind_of(value: Any) -> str:
    """Return the type of a value, and its length."""
    size = f" of {len(value)}" if isinstance(value, tuple | list | dict) else ""
    return f"{type(value).__name__}{size}"


# A process of its own: `python -m compare.supervision`, started by `compare.host`.


def serve(asked: str) -> None:
    """Answer requests until there are no more: the process's whole life."""
    name, arithmetic, device, path = json.loads(asked)
    sys.path[:] = path
    # What the candidate prints goes to standard error: these two are for messages alone.
    with os.fdopen(os.dup(0), "rb") as requests, os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        supervised = Supervised(lambda: chosen(find(name), arithmetic, device))
        while (request := receive(requests)) is not None:
            answer = supervised.answer(*request)
            with contextlib.suppress(OSError):  # nobody waits for the answer any more
                send(answers, *answer)


if __name__ == "__main__":
    serve(sys.argv[1])
