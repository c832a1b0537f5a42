"""The programs, run as `python -m scripts.NAME`, and how each of them begins and ends.

It stands here because Python imports this before the program itself, whose imports take seconds:
from the first moment on, whatever happens ends in one line and the right exit status.
"""

# ruff: noqa: E402
from __future__ import annotations

import os
import signal
import sys


def _heed(handler: Any) -> None:
    """Have a program end so when it is stopped; what is ignored, as under nohup, stays ignored."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)


def _stop_early(number: int, frame: object) -> None:
    """End at once: nothing is to be tidied up, and some imports hide an exception."""
    try:
        print("interrupted", file=sys.stderr or open(os.devnull, "w"), flush=True)  # noqa: SIM115
    finally:
        os._exit(130)


if sys.argv[:1] == ["-m"]:  # Python has found this folder and is looking for the program in it
    _heed(_stop_early)  # before the imports that take time

import contextlib
import functools
import io
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

from reference.checks import printable as escaped

# At this size a second BLAS thread gains nothing, and beside other work it can lose a factor of
# ten. The libraries read these once, when they are imported; what the user has set stays.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

# What the core does without, and the extra that it comes with.
EXTRAS = {
    "torch": "torch", "torchvision": "torch",
    "matplotlib": "figures", "PIL": "figures", "jinja2": "figures",
}  # fmt: skip

Main = Callable[[Sequence[str] | None], int]


def command(main: Main) -> Main:
    """Wrap a main function so that bad input ends it with one line and exit status 2."""

    @functools.wraps(main)
    def guarded(argv: Sequence[str] | None = None) -> int:
        try:
            return main(argv)
        except KeyboardInterrupt as stop:
            note(f"interrupted: {stop}".removesuffix(": "))
            return 130
        except Exception as error:
            known = isinstance(error, ValueError | OSError | OverflowError)
            if not (known or _is_lack_of_memory(error) or _extra(error)):
                raise  # a mistake of ours
            note(f"error: {one_line(error)}")
            return 2

    return guarded


def one_line(error: BaseException) -> str:
    """Return what went wrong in one line, with the file for an error of the operating system."""
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{os.fsdecode(error.filename)}: {error.strerror}"
    text = " ".join(str(error).split())
    if extra := _extra(error):
        return f"{getattr(error, 'name', '')} is not installed: {installing(extra)}"
    return f"not enough memory: {text}".removesuffix(": ") if _is_lack_of_memory(error) else text


def installing(extra: str) -> str:
    """Return the command that installs an extra."""
    what = "-e '." if __package__ == "scripts" else "'jalebi"
    return f"pip install {what}[{extra}]'"


def _extra(error: BaseException) -> str:
    """Return the extra that brings the library that is missing, "" where none is."""
    name = getattr(error, "name", None) if isinstance(error, ModuleNotFoundError) else None
    return EXTRAS.get(str(name).split(".")[0], "")


def _is_lack_of_memory(error: BaseException) -> bool:
    # PyTorch raises a RuntimeError, a library that cannot be loaded an ImportError.
    words = "allocate memory", "out of memory", "failed to map segment"
    said = isinstance(error, RuntimeError | ImportError) and any(w in str(error) for w in words)
    return said or isinstance(error, MemoryError)


def note(text: str) -> None:
    """Print a line beside the results: an error, a notice, progress. Nothing fails where it cannot.

    Control characters in it, from the name of a file or from what the file holds, are written out.
    """
    if sys.stderr is None:  # closed; print would turn to standard output
        return
    try:
        print(escaped(text), file=sys.stderr, flush=True)
    except OSError:
        _give_up(sys.stderr)


def _give_up(stream: Any) -> None:
    """Let what is left in the buffer of a stream go nowhere, or Python would try again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


class _Output(io.TextIOWrapper):
    """Standard output: control characters are written out, and an error says whose it is."""

    def write(self, text: str) -> int:
        with self._said():
            return super().write("\n".join(map(escaped, text.split("\n"))))

    def flush(self) -> None:
        with self._said():
            super().flush()

    @contextlib.contextmanager
    def _said(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            _give_up(self)
            raise type(error)(f"standard output cannot be written: {error.strerror}") from None


def start(main: Main) -> NoReturn:
    """Run a program and leave with its exit status; SIGTERM ends it as tidily as Ctrl-C."""

    @command
    def whole(argv: Sequence[str] | None) -> int:
        if sys.stdout is None:
            raise OSError("standard output is closed, the results would be lost: open it, >FILE")
        sys.stdout = _Output(
            sys.stdout.buffer, sys.stdout.encoding, "backslashreplace",
            line_buffering=sys.stdout.isatty(),
        )  # fmt: skip
        try:
            return main(argv)
        finally:
            sys.stdout.flush()

    status = 130
    try:
        _heed(_stop)
        status = whole(None)
    except KeyboardInterrupt:  # before the program began, or when it had ended
        note("interrupted")
    finally:
        _heed(signal.SIG_DFL)
    sys.exit(status)


def _stop(number: int, frame: object) -> NoReturn:
    # A second Ctrl-C, while the program is tidying up, ends it at once and without a traceback.
    _heed(signal.SIG_DFL)
    raise KeyboardInterrupt


def _fail_early(kind: type[BaseException], error: BaseException, traceback: Any) -> None:
    if not isinstance(error, MemoryError | ImportError | OSError):
        sys.__excepthook__(kind, error, traceback)
        return
    note(f"error: {one_line(error)}")
    os._exit(2)


if sys.argv[:1] == ["-m"]:
    sys.excepthook = _fail_early
