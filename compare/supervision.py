"""A candidate, asked where it lives: what it is handed is private, what it returns is looked at.

This is the half of a proof that stands beside the candidate, in a child process (`compare.child`)
or, for a class that cannot be sent to one, in this one. It hands out private copies, sees that they
are left alone and spoils them later, and turns answers into arrays. It decides nothing: numbers
are judged in the parent (`compare.trial`). Requests and answers are plain messages, dicts as JSON
has them, and a list of arrays beside each.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import itertools
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compare.difference import CandidateError, Refused, Unusable

Array = NDArray[Any]
Message = dict[str, Any]
PAIRS = {
    "export": "weights, biases",
    "trace": "zs, activations",
    "backprop": "nabla_b, nabla_w",
}
METHODS = (*PAIRS, "feedforward", "deltas", "update_mini_batch", "train", "evaluate", "held")
OPTIONAL = (*METHODS, "load_data", "with_arithmetic", "with_device")
MOST = 1000  # parts of an answer: an iterator may never end


class Supervised:
    """One candidate, and the networks built from it, each by its number."""

    def __init__(self, candidate: Any) -> None:
        self.candidate = candidate
        self.nets: dict[int, Asked] = {}

    def answer(self, message: Message, arrays: list[Array]) -> tuple[Message, list[Array]]:
        """Do what a message asks; a failure of the candidate's is an answer too."""
        try:
            return self._done(message, arrays)
        except Refused as refused:
            return {"error": "refused", "text": str(refused), "mistake": refused.mistake}, []
        except Unusable as error:
            return {"error": "unusable", "text": str(error)}, []
        except CandidateError as error:
            return {"error": "raised", "text": str(error), "trace": error.trace}, []

    def _done(self, message: Message, arrays: list[Array]) -> tuple[Message, list[Array]]:
        number = message.get("net", 0)
        if message["do"] == "describe":
            return {"label": name_of(self.candidate), "dtype": dtype_of(self.candidate)}, []
        if message["do"] == "forget":
            self.nets.pop(number, None)
            return {}, []
        if message["do"] == "build":
            candidate, name = self.candidate, message.get("arithmetic")
            if name not in (None, dtype_of(candidate)):
                candidate = in_arithmetic(candidate, name)
                if candidate is None:
                    return {"missing": "with_arithmetic"}, []
            self.nets[number] = net = Asked(candidate, message["sizes"], arrays)
            return {"offers": net.offers(), "near": net.nearly(), "dtype": dtype_of(candidate)}, []
        return self.nets[number].call(message["method"], arrays, message.get("numbers", []))


class Asked:
    """One network, built from private copies of what it is handed."""

    def __init__(self, candidate: Any, sizes: list[int], arrays: list[Array]) -> None:
        self.lent: list[Array] = []  # not yet spoilt
        self.start: list[Array] = []
        self.answered = False
        half = len(arrays) // 2
        self.net = self._ask(
            "the constructor",
            lambda *v: candidate(list(sizes), list(v[:half]), list(v[half:])),
            arrays,
            sizes,
        )
        self.start = self.handed

    def offers(self) -> list[str]:
        return [name for name in OPTIONAL if callable(getattr(self.net, name, None))]

    def nearly(self) -> dict[str, str]:
        """Return methods that are named nearly as one of the protocol that is missing."""
        missing = [name for name in OPTIONAL if name not in self.offers()]
        own = [n for n in dir(self.net) if not n.startswith("_") and n not in OPTIONAL]
        close = {n: difflib.get_close_matches(n.lower(), missing, 1, 0.75) for n in own}
        return {n: found[0] for n, found in close.items() if found and callable_in(self.net, n)}

    def call(self, name: str, given: list[Array], numbers: list[Any]) -> tuple[Message, list[Array]]:
        method = getattr(self.net, name, None)
        if not callable(method):
            return {"missing": name}, []
        last = [Path(v) if name == "load_data" else v for v in numbers]
        answer = self._ask(name, lambda *arrays: method(*arrays, *last), given)
        if name in ("update_mini_batch", "train"):
            self.answered = True
            return {"answer": None}, []
        if name == "evaluate":
            return {"answer": count_of(answer)}, []
        if name == "load_data":
            return loaded(answer)
        lists = [(part, listed(part, v)) for part, v in parts_of(name, answer)]
        named = [(f"{part}[{k}]", v) for part, many in lists for k, v in enumerate(many)]
        arrays = [as_array(what, v) for what, v in named]
        for (what, _), array in zip(named, arrays, strict=True):
            if what != "activations[0]":  # the input itself, in the book too: it may come back
                self._refuse_shared(what, array)
        self.answered = True
        return {"answer": [len(many) for _, many in lists]}, arrays

    def _ask(
        self, what: str, call: Callable[..., Any], given: list[Array], sizes: Any = None
    ) -> Any:
        """Call the candidate with private copies, and see that it left them alone."""
        self._spoil()
        self.handed = [np.array(v, order="K") for v in given]
        self.lent += self.handed
        try:
            # The book's sigmoid overflows in exp(-z) on its way to the right answer, 0.
            with np.errstate(over="ignore", under="ignore"), warnings.catch_warnings():
                answer = call(*self.handed)
        except ValueError as error:
            if sizes is None:
                raise CandidateError(*own_error(what, error)) from error
            raise Unusable(f"the candidate does not take sizes {sizes}: {error}") from error
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # SystemExit among them: a candidate may call sys.exit
            raise CandidateError(*own_error(what, error)) from error
        for copy, original in zip(self.handed, given, strict=True):
            if not np.array_equal(copy, original):
                raise Refused(
                    f"{what} changed an array of shape {copy.shape} that it was handed: write "
                    "v = v - ... for v -= ..., or work on a copy",
                    "inputs changed in place",
                )
        return answer

    def _spoil(self) -> None:
        """Fill what was lent with NaN: who kept it instead of a copy is found out.

        Some frameworks compute, and even copy, later than they are called. Once an answer has
        been read, all that it depends on is done.
        """
        if not self.answered:
            return
        for array in self.lent:
            array.fill(np.nan if array.dtype.kind == "f" else 0)
        self.lent, self.answered = [], False

    def _refuse_shared(self, name: str, array: Array) -> None:
        # What was handed is contiguous and private: overlapping extents are shared memory.
        if any(np.may_share_memory(array, handed) for handed in [*self.start, *self.handed]):
            raise Refused(
                f"{name} is memory that the candidate was handed, not its own: a comparison "
                "would compare a thing with itself; copy, as in numpy.array(w) or "
                "torch.tensor(w), not numpy.asarray(w) or torch.from_numpy(w)",
                "shared memory",
            )


def find(name: str) -> Any:
    """Return the class that is named "package.module:Class" or "path/to/file.py:Class".

    Raises
    ------
    Unusable
        There is no such module, file or class, or it cannot be imported.
    """
    place, _, attribute = name.rpartition(":")
    if not place or not attribute:
        raise Unusable(
            "--candidate: expected package.module:Class or path/to/file.py:Class, "
            f"received {name!r}"
        )
    try:
        found: Any = imported_file(Path(place)) if place.endswith(".py") else imported(place)
    except BaseException as error:  # SystemExit among them
        raise Unusable(f"--candidate: cannot import {place}: {one_line(error)}") from error
    for part in attribute.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        raise Unusable(f"--candidate: {place} has no class {attribute}")
    return found


def imported_file(path: Path) -> Any:
    """Return a file as a module."""
    if not path.is_file():
        raise FileNotFoundError("no such file")
    sys.path.insert(0, str(path.resolve().parent))  # what lies beside it is found, as by python
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError("not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(path.stem, module)  # dataclasses look their module up there
    spec.loader.exec_module(module)
    return module


def imported(name: str) -> Any:
    """Return a module by name; as `python -m` has it, one beside the caller is found."""
    if "" not in sys.path:
        sys.path.insert(0, "")
    return importlib.import_module(name)


def name_of(candidate: Any) -> str:
    """Return what reports call a candidate."""
    named = f"{getattr(candidate, '__module__', '?')}:{getattr(candidate, '__qualname__', '?')}"
    return str(getattr(candidate, "label", None) or named)


def dtype_of(candidate: Any) -> Any:
    """Return the precision that a candidate declares; float64 where it does not say."""
    return getattr(candidate, "dtype", "float64")


def in_arithmetic(candidate: Any, name: str) -> Any:
    """Return the candidate in another arithmetic, or None where it does not offer that."""
    make = getattr(candidate, "with_arithmetic", None)
    try:
        return make(name) if callable(make) else None
    except (ValueError, NotImplementedError, KeyError):
        return None


def parts_of(name: str, answer: Any) -> Iterable[tuple[str, Any]]:
    """Return the named lists that an answer consists of."""
    if name not in PAIRS:
        label = "output activations" if name in ("feedforward", "held") else name
        return [(label, [answer] if label != name else answer)]
    answer = answer if isinstance(answer, tuple | list) else iterated(answer)
    if answer is None or len(answer) != 2:
        raise Unusable(
            f"{name}: expected to return the pair ({PAIRS[name]}), received {described(answer)}"
        )
    return list(zip(PAIRS[name].split(", "), answer, strict=True))


def listed(name: str, values: Any) -> list[Any]:
    """Return a list of arrays, whatever kind of sequence or iterator it comes as."""
    found = values if isinstance(values, list | tuple) else iterated(values)
    if found is None:
        raise Unusable(f"{name}: expected a list of arrays, received {described(values)}")
    return list(found)


def iterated(values: Any) -> list[Any] | None:
    """Return what an iterator yields; None for arrays and for what cannot be iterated."""
    if hasattr(values, "__array__") or isinstance(values, str | bytes | dict):
        return None
    try:
        return list(itertools.islice(iter(values), MOST))
    except TypeError:
        return None


def as_array(name: str, value: Any) -> Array:
    """Return numbers as an array; a tensor is taken off its graph and device first."""
    try:
        if callable(getattr(value, "detach", None)):
            value = value.detach().cpu()
        array = np.asarray(value)
    except Exception as error:
        raise Unusable(
            f"{name}: expected an array of numbers: {one_line(error)}; return what numpy.asarray "
            "understands"
        ) from error
    if array.dtype.kind not in "fiu" or array.dtype.itemsize > 8:
        raise Unusable(f"{name}: expected an array of real numbers, received dtype {array.dtype}")
    if isinstance(value, list | tuple):  # nested lists of whole numbers
        return array.astype(np.float64)
    return array


def loaded(parts: Any) -> tuple[Message, list[Array]]:
    """Return what a loader returned: training, validation and test, images and labels each."""
    parts = parts if isinstance(parts, list | tuple) else iterated(parts)
    sets = "(training, validation, test), a pair (images, labels) each"
    if parts is None or len(parts) != 3:
        raise Unusable(f"load_data: expected {sets}, received {described(parts)}")
    if any(not isinstance(part, tuple | list) or len(part) != 2 for part in parts):
        raise Unusable(f"load_data: expected {sets}")
    return {"answer": None}, [as_array("load_data", v) for part in parts for v in part]


def count_of(answer: Any) -> int:
    """Return a count as a whole number."""
    try:
        return int(answer)
    except (TypeError, ValueError) as error:
        raise Unusable(f"evaluate: expected a whole number, received {described(answer)}") from error


def callable_in(net: Any, name: str) -> bool:
    try:
        return callable(getattr(net, name))
    except Exception:  # a property that fails is no method
        return False


def own_error(what: str, error: BaseException) -> tuple[str, str]:
    """Return one line and the traceback, from the candidate's first frame on."""
    frames = error.__traceback__
    while frames and frames.tb_frame.f_code.co_filename == __file__ and frames.tb_next:
        frames = frames.tb_next
    trace = "".join(traceback.format_exception(type(error), error, frames))
    return f"{what} raised {one_line(error)}", trace


def one_line(error: BaseException) -> str:
    first = str(error).strip().splitlines()
    return f"{type(error).__name__}: {first[0][:300]}" if first else type(error).__name__


def described(value: Any) -> str:
    size = f" of {len(value)}" if isinstance(value, tuple | list | dict) else ""
    return f"{type(value).__name__}{size}"
