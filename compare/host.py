"""Where a candidate lives: in a process of its own, or in this one where it cannot be sent to one.

The candidate can do what it likes to its own process. It can patch NumPy, close files, exit, hang
or take all memory: the parent sees an end of file or a time limit, and nothing has been proved.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.machinery import PathFinder
from pathlib import Path
from typing import IO, Any

from compare import THREADS
from compare.candidates import DTYPES
from compare.difference import CandidateError, Refused, Unusable
from compare.pipes import Array, Message, Timed, receive, send
from compare.supervision import Supervised, chosen
from model.printable import printable

ROOT = Path(__file__).resolve().parents[len(__package__.split("."))]  # of the package's own folder
TIMEOUT = 60.0  # seconds for each call
MEMORY = 8.0  # GiB of data
MOST_PRINTED, LONGEST_PRINTED = 200, 500  # lines of what it prints, and bytes of one
MARK = "JALEBI_CANDIDATE"  # in the environment of a candidate, and of all that it starts
DOING = {"describe": "started", "build": "built", "call": "computed", "forget": "let go"}
# What makes glibc keep the memory of large arrays for the next ones: fresh pages cost as much as
# the arithmetic. By name in an environment, by number in mallopt(3).
KEPT = {"MALLOC_TRIM_THRESHOLD_": (-1, 2**31 - 1), "MALLOC_MMAP_MAX_": (-4, 0)}
PATIENCE = 1.0  # seconds that a process may take to end by itself
TOGETHER = (
    "the candidate was tried in this process, as it has no name by which another could import it: "
    "what it does to this process (to NumPy, say) is not kept from the proof"
)


class Host(ABC):
    """One candidate, and the networks that are built from it."""

    gone = ""  # why it can no longer be asked
    notice = ""  # what every result must repeat

    def __init__(self, name: str) -> None:
        self.name = name
        self.built, self.forgotten = 0, list[int]()  # networks so far; those nobody asks any more
        self.one_at_a_time = threading.Lock()
        self.described = self.beside(self.describe)

    @property
    def label(self) -> str:
        """What the candidate calls itself."""
        return self.described()[0]

    @property
    def dtype(self) -> str:
        """What it computes in."""
        return self.described()[1]

    def describe(self) -> tuple[str, str]:
        """Return the label and the dtype of the candidate."""
        try:
            described, _ = self.ask({"do": "describe"})
        except (CandidateError, Refused) as error:
            raise Unusable(f"{self.name}: {error}") from None
        label, dtype = printable(described.get("label", self.name)), described.get("dtype")
        if dtype not in DTYPES:
            expected = f"expected one of {', '.join(DTYPES)}, received {dtype!r:.80}"
            raise Unusable(f"{label}.dtype: {expected}")
        return label, str(dtype)

    def beside(self, ask: Callable[[], Any]) -> Callable[[], Any]:
        """Return what will return ask(); where another process answers, it is asked at once."""
        return functools.cache(ask)

    def ask(self, message: Message, arrays: Sequence[Array] = ()) -> tuple[Message, list[Array]]:
        """Send a request and return its answer, or raise the failure that it tells of."""
        with self.one_at_a_time:
            message, found = self._answer(message, list(arrays))
        if "error" not in message:
            return message, found
        text = printable(message.get("text", "it failed and does not say why"), 1000)
        if message["error"] == "refused":
            raise Refused(text, str(message.get("mistake", "")))
        if message["error"] == "raised":
            trace = str(message.get("trace", "")).splitlines()
            raise CandidateError(text, "\n".join(map(printable, trace)) + "\n" if trace else "")
        raise Unusable(text)

    @abstractmethod
    def _answer(self, message: Message, arrays: list[Array]) -> Any:
        """Return an answer, a message and its arrays, whatever it tells of."""

    @abstractmethod
    def close(self) -> None:
        """Let the candidate go."""


class Child(Host):
    """A candidate in a process of its own: a Python class by name, or a program in any language."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        timeout: float = TIMEOUT,
        memory: float = MEMORY,
        **environ: str,
    ) -> None:
        self.timeout = timeout
        self.mark = f"{MARK}={os.getpid()}.{time.monotonic_ns()}"
        environ[MARK] = self.mark.partition("=")[2]
        try:
            self.process = subprocess.Popen(
                list(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={
                    **dict.fromkeys(THREADS, "1"),
                    **{name: str(value) for name, (_, value) in KEPT.items()},
                    **os.environ,
                    **environ,
                },
                start_new_session=True,  # Ctrl-C is for this process
                pipesize=2**20,  # large arrays cross in fewer pieces
            )
        except OSError as error:
            raise Unusable(f"{name} cannot be started: {error.strerror or error}") from None
        limit_memory(self.process.pid, memory)
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.listener = threading.Thread(target=repeat, args=(self.process.stderr,), daemon=True)
        self.listener.start()
        self.ends = Timed(self.process.stdin.fileno()), Timed(self.process.stdout.fileno())
        self.requests = io.BufferedWriter(self.ends[0])
        self.answers = io.BufferedReader(self.ends[1])
        self.asker = ThreadPoolExecutor(1)
        super().__init__(name)

    def beside(self, ask: Callable[[], Any]) -> Callable[[], Any]:
        return self.asker.submit(ask).result

    def _answer(self, message: Message, arrays: list[Array]) -> Any:
        if self.gone:
            raise CandidateError(self.gone)
        found, why, late = None, "", False
        for end in self.ends:
            end.deadline = time.monotonic() + self.timeout
        try:
            send(self.requests, message, arrays)
            found = receive(self.answers)
        except OSError as error:  # else its end of the pipe is closed
            late = isinstance(error, TimeoutError)
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            why = f" after it wrote what is no answer ({printable(error)})"
        if found is None:
            self.close()
            code = self.process.returncode
            how = f"ended with exit status {code}"
            if code is not None and code < 0:
                how = f"was ended by signal {-code} ({signal.strsignal(-code)})"
            if late:
                how = f"did not answer within {self.timeout:g} s (see --timeout) and was ended"
            what = f"{message.get('method', 'it')} was {DOING[message['do']]}"
            self.gone = f"the candidate's process {how}{why} while {what}"
            raise CandidateError(self.gone)
        return found

    def close(self) -> None:
        """End the process, and all that it started, in sessions of their own too."""
        for end in self.ends:
            end.deadline = 0.0  # what was not sent stays unsent
        for stream in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):
                if stream:
                    stream.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(PATIENCE)
        with contextlib.suppress(OSError):
            if hasattr(os, "killpg"):  # and all that it started
                os.killpg(self.process.pid, signal.SIGKILL)
            else:
                self.process.kill()
        self.process.wait()
        for environ in Path("/proc").glob("[0-9]*/environ"):  # where the system shows it
            with contextlib.suppress(OSError):
                if self.mark.encode() in environ.read_bytes().split(b"\0"):
                    os.kill(int(environ.parent.name), signal.SIGKILL)
        self.listener.join(PATIENCE)
        self.asker.shutdown(wait=False)


def keep_memory() -> None:
    """Keep the memory of large arrays for the next ones, where the system's library can."""
    with contextlib.suppress(ImportError, OSError, AttributeError, TypeError):
        import ctypes

        for number, value in KEPT.values():
            ctypes.CDLL(None).mallopt(number, value)


def limit_memory(process: int, gigabytes: float) -> None:
    """Let a process take no more, and leave no core, where the system can say so."""
    with contextlib.suppress(ImportError, AttributeError, ValueError, OSError, OverflowError):
        import resource

        most = int(gigabytes * 2**30)
        resource.prlimit(process, resource.RLIMIT_CORE, (0, 0))
        resource.prlimit(process, resource.RLIMIT_DATA, (most, most))


def repeat(stream: IO[bytes]) -> None:
    """Repeat what a candidate prints, legibly: no escape or forged verdict reaches the terminal."""
    with stream:
        for number, line in enumerate(iter(lambda: stream.readline(LONGEST_PRINTED), b"")):
            text = printable(line.decode(errors="replace").rstrip(), LONGEST_PRINTED)
            if number < MOST_PRINTED:  # what comes later is read, as a full pipe would stop it
                with contextlib.suppress(OSError, ValueError):  # nobody reads it
                    print(f"the candidate prints: {text}", file=sys.stderr)


class InProcess(Host):
    """A candidate in this process: our own network, or a class made in a function."""

    def __init__(self, candidate: Any, notice: str = TOGETHER) -> None:
        self.supervised = Supervised(lambda: candidate, ours=not notice)
        self.notice, self.environ = notice, dict(os.environ)
        super().__init__("--candidate")

    def _answer(self, message: Message, arrays: list[Array]) -> Any:
        return self.supervised.answer(message, arrays)

    def close(self) -> None:
        """Let its networks go, and put back what the candidate did to the environment."""
        self.supervised.nets.clear()
        if self.environ != dict(os.environ):
            os.environ.clear()
            os.environ.update(self.environ)


def hosted(
    candidate: Any,
    arithmetic: str | None = None,
    device: str | None = None,
    timeout: float = TIMEOUT,
    memory: float = MEMORY,
) -> Host:
    """Return the host of a class, or of its name: a process, wherever it can be sent to one.

    What is named is imported there while other work is done.
    """
    name = candidate if isinstance(candidate, str) else sendable(candidate)
    if name is not None:
        asked = json.dumps([name, arithmetic, device, sys.path])
        known = [v for v in os.environ.get("PYTHONPATH", "").split(os.pathsep) if v]
        path = os.pathsep.join([str(ROOT), *known])
        command = [sys.executable, "-P", "-m", f"{__package__}.supervision", asked]
        host = Child(f"--candidate: {name}", command, timeout, memory, PYTHONPATH=path)
        if name is candidate:
            return host
        try:
            host.described()
            return host
        except BaseException as error:
            host.close()
            if not isinstance(error, Unusable):
                raise
    return InProcess(chosen(candidate, arithmetic, device))


def program(command: str, timeout: float = TIMEOUT, memory: float = MEMORY) -> Host:
    """Return the host of a program in any language, which speaks as docs/programs.md says."""
    words = shlex.split(command)
    if not words:
        raise Unusable("--program: expected a command, received nothing")
    return Child(f"--program: {words[0]}", words, timeout, memory)


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
