"""A candidate in a process of its own, at the other end of two pipes.

A message is a line of JSON, then the raw bytes of its arrays: the line's "arrays" lists a dtype, a
shape and an order ("C" or "F") for each. Requests are `describe`, `build` (sizes; arrays: weights,
then biases), `call` (method, numbers; arrays), `forget`; each gets one answer, `offers`, `answer`,
`missing` or `error`. Nothing is unpickled, and a program in any language could answer.

The candidate can do what it likes to its own process. It can patch NumPy, close files, exit, hang
or take all memory: the parent sees an end of file or a time limit, and nothing has been proved.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from compare.difference import CandidateError, Refused, Unusable
from compare.supervision import Message, Supervised, find, name_of, own_error

Array = NDArray[Any]
ROOT = Path(__file__).resolve().parent.parent
LONGEST_LINE = 2**22
MOST_BYTES = 2**31  # of the arrays of one answer
TIMEOUT = 60.0  # seconds for each call
MEMORY = 8.0  # GiB of data
DTYPES = {"<f8", "<f4", "<f2", "<i8", "<i4", "<i2", "|i1", "|u1", "<u2", "<u4", "<u8"}


class Gone(CandidateError):
    """The candidate's process has ended: how."""


def send(stream: IO[bytes], message: Message, arrays: list[Array]) -> None:
    """Write a message and its arrays."""
    little = [v.astype(v.dtype.newbyteorder("<"), copy=False) for v in arrays]
    orders = ["F" if v.flags.f_contiguous and not v.flags.c_contiguous else "C" for v in little]
    kinds = [[v.dtype.str, v.shape, order] for v, order in zip(little, orders, strict=True)]
    stream.write(json.dumps({**message, "arrays": kinds}).encode() + b"\n")
    for v, order in zip(little, orders, strict=True):
        stream.write(np.ascontiguousarray(v.T if order == "F" else v).data)
    stream.flush()


def receive(stream: IO[bytes]) -> tuple[Message, list[Array]] | None:
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
    arrays = []
    left = MOST_BYTES
    for dtype, shape, order in message.pop("arrays"):
        if dtype not in DTYPES or order not in ("C", "F") or any(n < 0 for n in shape):
            raise ValueError(f"an array of dtype {dtype}, shape {shape}")
        size = int(np.prod([int(n) for n in shape], dtype=object)) * np.dtype(dtype).itemsize
        left -= size
        if left < 0:
            raise ValueError(f"arrays of more than {MOST_BYTES:,} bytes")
        content = bytearray(size)
        view, done = memoryview(content), 0
        while done < size:
            read = stream.readinto(view[done:])  # type: ignore[attr-defined]
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
        It cannot be imported, or its process ends on the way.
    """

    in_process = False

    def __init__(
        self,
        name: str,
        arithmetic: str | None = None,
        device: str | None = None,
        timeout: float = TIMEOUT,
        memory: float = MEMORY,
    ) -> None:
        self.timeout, self.gone = timeout, ""
        self.deadline: float | None = None
        asked = json.dumps([name, arithmetic, device, memory, sys.path])
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "compare.child", asked],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *python_path()])},
            start_new_session=True,  # Ctrl-C is for this process
        )
        threading.Thread(target=self._watch, daemon=True).start()
        self.numbers = 0
        try:
            described, _ = self.ask({"do": "describe"}, [], "being imported")
        except Gone as error:
            self.close()
            raise Unusable(f"{name}: {error}") from None
        except BaseException:
            self.close()
            raise
        self.label, self.dtype = str(described["label"]), described["dtype"]

    def ask(self, message: Message, arrays: list[Array], what: str) -> tuple[Message, list[Array]]:
        """Send a request and return its answer, or raise what the candidate's failure is.

        Raises
        ------
        Gone
            The process has ended or did not answer in time.
        CandidateError, Refused, Unusable
            The candidate raised an exception, or its answer cannot be taken.
        """
        if self.gone:
            raise Gone(self.gone)
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin is not None and stdout is not None
        self.deadline = time.monotonic() + self.timeout
        found, why = None, ""
        try:
            send(stdin, message, arrays)
            found = receive(stdout)
        except (OSError, ValueError, KeyError, TypeError) as error:
            why = f" and wrote what is no answer ({error})" if isinstance(error, ValueError) else ""
        late = self.deadline is None
        self.deadline = None
        if found is None:
            self.close()
            self.gone = f"the candidate's process {self._end(late)}{why} while {what}"
            raise Gone(self.gone)
        return checked(*found)

    def _end(self, late: bool) -> str:
        if late:
            return f"did not answer within {self.timeout:g} s (--timeout) and was ended"
        code = self.process.returncode
        if code is not None and code < 0:
            return f"was ended by signal {-code} ({signal.strsignal(-code)})"
        return f"ended (exit status {code})"

    def _watch(self) -> None:
        """End the process once an answer is late."""
        while self.process.poll() is None:
            if self.deadline is not None and time.monotonic() > self.deadline:
                self.deadline = None
                self._kill()
                return
            time.sleep(0.05)

    def _kill(self) -> None:
        with contextlib.suppress(OSError):
            if hasattr(os, "killpg"):
                os.killpg(self.process.pid, signal.SIGKILL)
            else:
                self.process.kill()

    def close(self) -> None:
        """End the process, and all that it started."""
        late_exit = 1.0 if self.process.poll() is None and not self.gone else 0.0
        for stream in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):
                if stream:
                    stream.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(late_exit)
        self._kill()
        self.process.wait()

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


class InProcess:
    """A candidate that cannot be sent to a process of its own, as a class made in a test."""

    in_process = True
    gone = ""

    def __init__(self, candidate: Any) -> None:
        self.supervised = Supervised(candidate)
        self.numbers = 0
        self.label, self.dtype = name_of(candidate), getattr(candidate, "dtype", "float64")

    def ask(self, message: Message, arrays: list[Array], what: str) -> tuple[Message, list[Array]]:
        """Ask the candidate here, and put back what it did to the environment."""
        before = dict(os.environ)
        try:
            found = self.supervised.answer(message, arrays)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise CandidateError(*own_error(what, error)) from error
        finally:
            if before != dict(os.environ):
                os.environ.clear()
                os.environ.update(before)
        return checked(*found)

    def __enter__(self) -> InProcess:
        return self

    def __exit__(self, *_: Any) -> None:
        self.supervised.nets.clear()


Host = Child | InProcess


def python_path() -> list[str]:
    return [v for v in os.environ.get("PYTHONPATH", "").split(os.pathsep) if v]


def checked(message: Message, arrays: list[Array]) -> tuple[Message, list[Array]]:
    """Return an answer, or raise the failure that it tells of."""
    if "error" not in message:
        return message, arrays
    text = str(message.get("text", ""))
    if message["error"] == "refused":
        raise Refused(text, str(message.get("mistake", "")))
    if message["error"] == "unusable":
        raise Unusable(text)
    raise CandidateError(text, str(message.get("trace", "")))


def sendable(candidate: Any) -> str | None:
    """Return the name by which another process finds a class, or None where it has none."""
    name, module = getattr(candidate, "__qualname__", ""), getattr(candidate, "__module__", "")
    file = getattr(sys.modules.get(module), "__file__", None)
    if not name or "<locals>" in name or not file:
        return None
    found: Any = sys.modules[module]
    for part in name.split("."):
        found = getattr(found, part, None)
    if found is not candidate:
        return None
    spec = getattr(sys.modules[module], "__spec__", None)
    by_name = spec is not None and module != "__main__" and importable(module, file)
    return f"{module if by_name else file}:{name}"


def importable(module: str, file: str) -> bool:
    """Return whether a fresh interpreter with this path finds the same file under that name."""
    from importlib.machinery import PathFinder

    parts, path = module.split("."), None
    for k in range(len(parts)):
        spec = PathFinder.find_spec(".".join(parts[: k + 1]), path)
        if spec is None:
            return False
        path = spec.submodule_search_locations
    return spec is not None and spec.origin == file


def serve(asked: str) -> None:
    """Answer requests until there are no more: the child's whole life."""
    name, arithmetic, device, memory, path = json.loads(asked)
    sys.path[:] = path
    # What the candidate prints goes to standard error: these two are for messages alone.
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    limit_memory(memory)
    try:
        supervised: Any = Supervised(chosen(find(name), arithmetic, device))
    except Unusable as error:
        supervised, refusal = None, {"error": "unusable", "text": str(error)}
    while (request := receive(requests)) is not None:
        try:
            answer, arrays = supervised.answer(*request) if supervised else (refusal, [])
        except BaseException as error:  # KeyboardInterrupt of the candidate's own
            answer, arrays = {"error": "raised", "text": f"it raised {type(error).__name__}"}, []
        send(answers, answer, arrays)


def chosen(candidate: Any, arithmetic: str | None, device: str | None) -> Any:
    """Return the candidate in the arithmetic and on the device that were asked for."""
    for option, value, method in (
        ("--arithmetic", arithmetic, "with_arithmetic"),
        ("--device", device, "with_device"),
    ):
        if value is None or (option == "--arithmetic" and value == getattr(candidate, "dtype", "float64")):
            continue
        make = getattr(candidate, method, None)
        if not callable(make):
            raise Unusable(f"{option}: {name_of(candidate)} does not offer {method}({value!r})")
        try:
            candidate = make(value)
        except Exception as error:
            raise Unusable(f"{option} {value}: {error}") from error
    return candidate


def limit_memory(gigabytes: float) -> None:
    """Let no more than this be taken, where the system can say so."""
    try:
        import resource

        most = int(gigabytes * 2**30)
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ImportError, ValueError, OSError):
        pass


if __name__ == "__main__":
    serve(sys.argv[1])
