"""A candidate in a process of its own, at the other end of two pipes.

A message is a line of JSON, then the raw bytes of its arrays: the line's "arrays" lists a dtype, a
shape and an order ("C" or "F") for each. Requests are `describe`, `build` (sizes; arrays: weights,
then biases) and `call` (method, numbers; arrays); each gets one answer. Nothing is unpickled, and a
program in any language could answer.

The candidate can do what it likes to its own process. It can patch NumPy, close files, exit, hang
or take all memory: the parent sees an end of file or a time limit, and nothing has been proved.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import select
import signal
import subprocess
import sys
import time
from importlib.machinery import PathFinder
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from compare.candidates import (
    METHODS,
    check_offer,
    declared_dtype,
    find_candidate,
    in_arithmetic,
    name_of,
    nearly,
    one_line,
)
from compare.data import by_name
from compare.difference import CandidateError, NotOffered, Refused, Unusable
from compare.trial import Trial, lines
from model.parameters import Parameters
from model.printable import printable

Array = NDArray[Any]
Arrays = list[Array]
Message = dict[str, Any]
ROOT = Path(__file__).resolve().parent.parent
LONGEST_LINE = 2**22
MOST_BYTES = 2**31  # of the arrays of one message
TIMEOUT = 60.0  # seconds for each call
MEMORY = 8.0  # GiB of data
PATIENCE = 1.0  # seconds that a process may take to end by itself
DTYPES = {"<f8", "<f4", "<i8", "<i4", "|i1", "|u1"}
PAIRS = ("export", "trace", "backprop")


class Gone(CandidateError):
    """The candidate's process has ended: how."""


class Timed(io.RawIOBase):
    """An end of a pipe, waited for until a deadline and no longer.

    That the process has ended is not enough: what it started may still hold the other end.
    """

    deadline = 0.0

    def __init__(self, file: int) -> None:
        self.file = file
        os.set_blocking(file, False)

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int:
        self._wait([self.file], [])
        return os.readv(self.file, [into])

    def write(self, content: Any) -> int:
        self._wait([], [self.file])
        return os.write(self.file, content)

    def _wait(self, reading: list[int], writing: list[int]) -> None:
        left = self.deadline - time.monotonic()
        if left <= 0 or not any(select.select(reading, writing, [], left)):
            raise TimeoutError


def send(stream: IO[bytes], message: Message, arrays: Arrays) -> None:
    """Write a message and its arrays."""
    little = [v.astype(v.dtype.newbyteorder("<"), copy=False) for v in arrays]
    orders = ["F" if v.flags.f_contiguous and not v.flags.c_contiguous else "C" for v in little]
    kinds = [[v.dtype.str, v.shape, order] for v, order in zip(little, orders, strict=True)]
    stream.write(json.dumps({**message, "arrays": kinds}).encode() + b"\n")
    for v, order in zip(little, orders, strict=True):
        stream.write(np.ascontiguousarray(v.T if order == "F" else v).data)
    stream.flush()


def receive(stream: Any) -> tuple[Message, Arrays] | None:
    """Read a message and its arrays; None at the end of the file.

    Raises
    ------
    ValueError
        It is no message.
    """
    line = stream.readline(LONGEST_LINE)
    if not line:
        return None
    message = json.loads(line)
    if not isinstance(message, dict) or not isinstance(message.get("arrays"), list):
        raise ValueError("expected an object with arrays")
    arrays, left = [], MOST_BYTES
    for dtype, shape, order in message.pop("arrays"):
        if dtype not in DTYPES or order not in ("C", "F") or not all(n >= 0 for n in shape):
            raise ValueError(f"an array of dtype {dtype!r} and shape {shape}")
        size = int(np.prod([int(n) for n in shape], dtype=object)) * np.dtype(dtype).itemsize
        left -= size
        if left < 0:
            raise ValueError(f"arrays of more than {MOST_BYTES:,} bytes")
        content, done = bytearray(size), 0
        while done < size:
            read = stream.readinto(memoryview(content)[done:])
            if not read:
                return None
            done += read
        arrays.append(np.frombuffer(content, dtype).reshape(shape, order=order))
    return message, arrays


class Child:
    """A candidate that is named, in a process of its own; ends with the `with` block.

    Raises
    ------
    Unusable
        It cannot be imported or lacks what every candidate has, or its process ends on the way.
    """

    def __init__(
        self,
        name: str,
        arithmetic: str | None = None,
        timeout: float = TIMEOUT,
        memory: float = MEMORY,
    ) -> None:
        self.timeout, self.gone, self.built = timeout, "", 0
        self.forgotten: list[int] = []  # networks that nobody asks any more
        asked = json.dumps([name, arithmetic, memory, sys.path])
        known = [v for v in os.environ.get("PYTHONPATH", "").split(os.pathsep) if v]
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "compare.child", asked],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *known])},
            start_new_session=True,  # Ctrl-C is for this process
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.ends = Timed(self.process.stdin.fileno()), Timed(self.process.stdout.fileno())
        self.requests, self.answers = (
            io.BufferedWriter(self.ends[0]),
            io.BufferedReader(self.ends[1]),
        )
        try:
            described, _ = self.ask({"do": "describe"}, [], "it was imported")
            self.candidate = remote(self, described, None)
        except BaseException as error:
            self.close()
            if isinstance(error, Gone):
                raise Unusable(f"--candidate: {name}: {error}") from None
            raise

    def ask(self, message: Message, arrays: Arrays, what: str) -> tuple[Message, Arrays]:
        """Send a request and return its answer, or raise what the candidate's failure is.

        Raises
        ------
        Gone
            The process has ended or did not answer in time.
        CandidateError, Refused, Unusable, NotOffered
            The candidate raised an exception, or its answer cannot be taken.
        """
        if self.gone:
            raise Gone(self.gone)
        message, self.forgotten = {**message, "forget": self.forgotten}, []
        found, why, late = None, "", False
        for end in self.ends:
            end.deadline = time.monotonic() + self.timeout
        try:
            send(self.requests, message, arrays)
            found = receive(self.answers)
        except OSError as error:  # else its end of the pipe is closed
            late = isinstance(error, TimeoutError)
        except (ValueError, TypeError, OverflowError) as error:
            why = f" after it wrote what is no answer ({one_line(error)})"
        if found is None:
            self.close()
            self.gone = f"the candidate's process {self._end(late)}{why} while {what}"
            raise Gone(self.gone)
        return checked(*found)

    def _end(self, late: bool) -> str:
        if late:
            return f"did not answer within {self.timeout:g} s (see --timeout) and was ended"
        code = self.process.returncode
        if code is not None and code < 0:
            return f"was ended by signal {-code} ({signal.strsignal(-code)})"
        return f"ended with exit status {code}"

    def _kill(self) -> None:
        with contextlib.suppress(OSError):
            if hasattr(os, "killpg"):  # and all that it started
                os.killpg(self.process.pid, signal.SIGKILL)
            else:
                self.process.kill()

    def close(self) -> None:
        """End the process, and all that it started."""
        for end in self.ends:
            end.deadline = 0.0  # what was not sent stays unsent
        for stream in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):
                if stream:
                    stream.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(PATIENCE)
        self._kill()
        self.process.wait()

    def __enter__(self) -> type:
        return self.candidate

    def __exit__(self, *_: Any) -> None:
        self.close()


class Remote:
    """A network at the other end: what `remote` makes a class of has the methods offered there."""

    child: Child
    arithmetic: str | None = None

    def __init__(self, sizes: list[int], weights: Arrays, biases: Arrays) -> None:
        self.child.built += 1
        self.number = self.child.built
        message = {"do": "build", "net": self.number, "sizes": sizes, "in": self.arithmetic}
        self.child.ask(message, [*weights, *biases], "it was built")

    def __del__(self) -> None:
        self.child.forgotten.append(self.number)

    def _call(self, method: str, *given: Any) -> Any:
        arrays = [v for v in given if isinstance(v, np.ndarray)]
        numbers = [v for v in given if not isinstance(v, np.ndarray)]
        message = {"do": "call", "net": self.number, "method": method, "numbers": numbers}
        answer, found = self.child.ask(message, arrays, f"it computed {method}")
        first = int(answer.get("first", 0))
        if method in PAIRS:
            return found[:first], found[first:]
        if method == "load_data":
            return list(zip(found[::2], found[1::2], strict=True))
        return found[0] if method == "feedforward" else found


def remote(child: Child, described: Message, arithmetic: str | None) -> type:
    """Return a candidate at the other end as a class of this process."""

    def forwarding(name: str) -> Any:
        def method(self: Remote, *given: Any) -> Any:
            given = tuple(str(v) if isinstance(v, Path) else v for v in given)
            return self._call(name, *given)

        return method

    def with_arithmetic(name: str) -> type:
        answer, _ = child.ask({"do": "describe", "in": name}, [], "it changed its arithmetic")
        return remote(child, answer, name)

    fields: dict[str, Any] = {name: forwarding(name) for name in described["offers"]}
    if described["changes"]:
        fields["with_arithmetic"] = staticmethod(with_arithmetic)
    own = {name: described[name] for name in ("dtype", "label", "near")}
    return type("Remote", (Remote,), {**fields, **own, "child": child, "arithmetic": arithmetic})


def checked(message: Message, arrays: Arrays) -> tuple[Message, Arrays]:
    """Return an answer, or raise the failure that it tells of."""
    if "error" not in message:
        return message, arrays
    text = printable(message.get("text"), 1000)
    if message["error"] == "refused":
        raise Refused(text, str(message.get("mistake", "")))
    if message["error"] == "raised":
        raise CandidateError(text, lines(str(message.get("trace", ""))))
    raise (NotOffered if message["error"] == "not offered" else Unusable)(text)


def sendable(candidate: Any) -> str | None:
    """Return the name by which another process finds a class, or None where it has none."""
    name, module = getattr(candidate, "__qualname__", ""), getattr(candidate, "__module__", "")
    file = getattr(sys.modules.get(module), "__file__", None)
    if not name or "<locals>" in name or not file or not file.endswith(".py"):
        return None
    found: Any = sys.modules[module]
    for part in name.split("."):
        found = getattr(found, part, None)
    if found is not candidate:
        return None
    return f"{module if importable(module, file) else file}:{name}"


def importable(module: str, file: str) -> bool:
    """Return whether a fresh interpreter with this path finds the same file under that name."""
    path = spec = None
    for k, _ in enumerate(parts := module.split(".")):
        spec = PathFinder.find_spec(".".join(parts[: k + 1]), path)
        if spec is None:
            return False
        path = spec.submodule_search_locations
    return module != "__main__" and spec is not None and spec.origin == file


# The other end.


def serve(asked: str) -> None:
    """Answer requests until there are no more: the child's whole life."""
    name, arithmetic, memory, path = json.loads(asked)
    sys.path[:] = path
    # What the candidate prints goes to standard error: these two are for messages alone.
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    limit_memory(memory)
    nets: dict[int, Trial] = {}
    candidate: Any = None
    while (request := receive(requests)) is not None:
        message, arrays = request
        for number in message["forget"]:
            nets.pop(number, None)
        try:
            if candidate is None:
                candidate = found_in(name, arithmetic)
            answer, arrays = done(candidate, nets, message, arrays)
        except BaseException as error:  # SystemExit and KeyboardInterrupt of the candidate's own
            answer, arrays = failure(error), []
        send(answers, answer, arrays)


def found_in(name: str, arithmetic: str | None) -> Any:
    """Return the candidate in the arithmetic that was asked for."""
    try:
        candidate = find_candidate(name)
    except KeyboardInterrupt:  # raised by the file itself: Ctrl-C is for the parent
        raise Unusable(f"--candidate: cannot import {name}: KeyboardInterrupt") from None
    return in_arithmetic(candidate, arithmetic)


def done(
    candidate: Any, nets: dict[int, Trial], message: Message, arrays: Arrays
) -> tuple[Message, Arrays]:
    """Do what a message asks, and return the answer."""
    if message["do"] != "call":
        name = message.get("in")
        asked = candidate if name is None else candidate.with_arithmetic(name)
        if message["do"] == "describe":
            return description(asked), []
        half = len(arrays) // 2
        parameters = Parameters(message["sizes"], arrays[:half], arrays[half:])
        nets[message["net"]] = Trial(asked, parameters)
        return {}, []
    name, numbers = message["method"], message["numbers"]
    method = "outputs" if name == "feedforward" else name  # its own, not by way of trace
    answer = getattr(nets[message["net"]], method)(*arrays, *numbers)
    if name in PAIRS:
        return {"first": len(answer[0])}, [*answer[0], *answer[1]]
    if name == "load_data":
        return {}, list(by_name(answer).values())
    if name == "feedforward":
        return {}, [answer]
    return {}, list(answer or [])


def description(candidate: Any) -> Message:
    """Return what the parent must know of a candidate."""
    check_offer(candidate)
    return {
        "label": name_of(candidate),
        "dtype": declared_dtype(candidate),
        "offers": [name for name in METHODS if callable(getattr(candidate, name, None))],
        "near": nearly(candidate),
        "changes": callable(getattr(candidate, "with_arithmetic", None)),
    }


def failure(error: BaseException) -> Message:
    """Return what went wrong as a message."""
    if isinstance(error, Refused):
        return {"error": "refused", "text": str(error), "mistake": error.mistake}
    if isinstance(error, CandidateError):
        return {"error": "raised", "text": str(error), "trace": error.trace}
    if isinstance(error, NotOffered):
        return {"error": "not offered", "text": str(error)}
    text = str(error) if isinstance(error, ValueError) else f"it raised {one_line(error)}"
    return {"error": "unusable", "text": text}


def limit_memory(gigabytes: float) -> None:
    """Let no more than this be taken, where the system can say so."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        most = int(gigabytes * 2**30)
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    serve(sys.argv[1])
