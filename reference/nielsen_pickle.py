"""Reads Nielsen's mnist.pkl.gz without Python's unpickler: nothing in it can be called, or grow.

A pickle is a program for a machine with a stack. This machine knows the instructions that arrays in
tuples and lists are made of, and no others; what it reads and makes, and its steps, are limited.
This file lies in `reference/` and in `model/`, byte for byte the same.

Source
------
CPython, Lib/pickletools.py (the instructions); Nielsen, src/mnist_loader.py (the three pairs).
"""

import codecs
import gzip
import re
from pathlib import Path
from typing import Any

import numpy as np

from .checks import refusal, wrong

MAX_BYTES = 1 << 28  # read, and as many made of them: unpacked, MNIST's file has 220 MB
MAX_STEPS = 10_000  # MNIST's takes some 200
FUNCTIONS = {
    "numpy.core.multiarray._reconstruct": "array",
    "numpy.core.numeric._frombuffer": "of_buffer",
    "numpy.ndarray": "an argument of the first",
    "numpy.dtype": "dtype",
    "_codecs.encode": "encode",
}


class _StandIn:
    """For a function its name; for a dtype or an array the real one, once it is known."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


class _Machine:
    def __init__(self, file: Any) -> None:
        self.file, self.left, self.room = file, MAX_BYTES, MAX_BYTES
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        for _ in range(MAX_STEPS):
            instruction = self.read(1)
            if instruction == b".":
                return self.stack.pop()
            if instruction in PUSHING:
                self.stack.append(PUSHING[instruction](self))
            elif instruction in OTHERS:
                OTHERS[instruction](self)
            else:
                raise ValueError(f"instruction {instruction!r}, which no array needs")
        raise ValueError(f"more than {MAX_STEPS:,} instructions")

    def read(self, count: int) -> bytes:
        if count > self.left:
            raise ValueError(f"more than {MAX_BYTES:,} bytes")
        self.left -= count
        content: bytes = self.file.read(count)
        if len(content) < count:
            raise EOFError("it ends too early")
        return content

    def line(self) -> bytes:
        content: bytes = self.file.readline(self.left)
        self.left -= len(content)
        return content.rstrip(b"\n")

    def number(self, count: int) -> int:
        return int.from_bytes(self.read(count), "little", signed=count == 4)

    def counted(self, count: int) -> bytes:
        return self.read(int.from_bytes(self.read(count), "little"))

    def text(self, content: bytes, codec: str, foreign: bytes = rb"[\xc4-\xff]") -> str:
        if re.search(foreign, content):  # one such letter makes all of them four bytes wide
            raise ValueError("text beyond Latin-1")
        return content.decode(codec)

    def above(self, start: int) -> list[Any]:
        things = self.stack[start:]
        del self.stack[start:]
        return things

    def extend(self, things: list[Any]) -> None:
        self.stack[-1].extend(things)

    def remember(self, number: int) -> None:
        self.memo[number] = self.stack[-1]

    def function(self, module: str, name: str) -> _StandIn:
        known = FUNCTIONS.get(f"{module}.{name}".replace("numpy._core.", "numpy.core."))
        if known is None:
            raise ValueError(f"it asks for {module[:40]}.{name[:40]}, only arrays are admitted")
        return _StandIn(known)

    def call(self) -> Any:
        function, arguments = self.above(-2)
        match function.value, arguments:
            case "array", _:
                return _StandIn(None)
            case "of_buffer", (raw, dtype, shape, order):
                return _StandIn(_array(raw, dtype, shape, order == "F"))
            case "dtype", (code, *_):
                return _StandIn(_dtype(_string(code)))
            case "encode", (str(content), _):
                self.room -= len(content)  # the same text could be encoded again and again
                if self.room < 0:
                    raise ValueError(f"more than {MAX_BYTES:,} bytes")
                return content.encode("latin1")
        raise ValueError("it calls what is no function")

    def build(self) -> None:
        [state] = self.above(-1)
        thing = self.stack[-1]
        if isinstance(thing.value, np.dtype):
            thing.value = thing.value.newbyteorder(_string(state[1]))
        elif thing.value is None:
            _, shape, dtype, by_columns, raw = state
            thing.value = _array(raw, dtype, shape, by_columns)
        else:
            raise ValueError("it completes what is no array")


# fmt: off
PUSHING: dict[bytes, Any] = {  # what Python 2 calls str is bytes here
    b"N": lambda m: None, b"\x88": lambda m: True, b"\x89": lambda m: False,
    b"K": lambda m: m.number(1), b"M": lambda m: m.number(2), b"J": lambda m: m.number(4),
    b"I": lambda m: int(m.line()),
    b"U": lambda m: m.counted(1), b"T": lambda m: m.counted(4), b"C": lambda m: m.counted(1),
    b"B": lambda m: m.counted(4), b"\x8e": lambda m: m.counted(8), b"\x96": lambda m: m.counted(8),
    b"S": lambda m: codecs.escape_decode(m.line()[1:-1])[0],
    b"V": lambda m: m.text(m.line(), "raw-unicode-escape", rb"\\U|\\u(?!00)"),
    b"X": lambda m: m.text(m.counted(4), "utf-8"), b"\x8c": lambda m: m.text(m.counted(1), "utf-8"),
    b")": lambda m: (), b"]": lambda m: [],
    b"t": lambda m: tuple(m.above(m.marks.pop())), b"l": lambda m: m.above(m.marks.pop()),
    b"\x85": lambda m: tuple(m.above(-1)), b"\x86": lambda m: tuple(m.above(-2)),
    b"\x87": lambda m: tuple(m.above(-3)),
    b"g": lambda m: m.memo[int(m.line())], b"h": lambda m: m.memo[m.number(1)],
    b"j": lambda m: m.memo[m.number(4)],
    b"c": lambda m: m.function(m.line().decode(), m.line().decode()),
    b"\x93": lambda m: m.function(*m.above(-2)), b"R": _Machine.call,
}
OTHERS: dict[bytes, Any] = {
    b"\x80": lambda m: m.read(1), b"\x95": lambda m: m.read(8),  # protocol, length of a frame
    b"(": lambda m: m.marks.append(len(m.stack)),
    b"a": lambda m: m.extend(m.above(-1)), b"e": lambda m: m.extend(m.above(m.marks.pop())),
    b"p": lambda m: m.remember(int(m.line())), b"q": lambda m: m.remember(m.number(1)),
    b"r": lambda m: m.remember(m.number(4)), b"\x94": lambda m: m.remember(len(m.memo)),
    b"b": _Machine.build,
}
# fmt: on


def _string(v: Any) -> Any:
    return v.decode() if isinstance(v, bytes) else v


def _dtype(code: str) -> np.dtype:
    if not re.fullmatch("[<>=|]?[fiu][1248]", code):
        raise ValueError(f"it holds an array of {code[:20]!r}, not of numbers")
    return np.dtype(code)


def _array(raw: bytes, dtype: _StandIn, shape: Any, by_columns: bool) -> np.ndarray:
    return np.frombuffer(raw, dtype.value).reshape(shape, order="F" if by_columns else "C")


def read_pickle(path: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the training, validation and test pairs of a pickle as bytes (N, 784) and (N,)."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            parts = _Machine(file).run()
    except Exception as error:  # a damaged pickle can make the machine stumble anywhere
        raise refusal(path, error) from None
    pairs = parts if isinstance(parts, tuple | list) else ()
    if [len(pair) if isinstance(pair, tuple | list) else 0 for pair in pairs] != [2, 2, 2]:
        raise wrong(path, "three pairs (images, labels)", "something else")
    return [_bytes(path, *(getattr(v, "value", None) for v in pair)) for pair in pairs]


def _bytes(path: Path, x: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    """The pixels and the labels as bytes, if they are that in value: divided by 256, not by 255."""
    x, y = (v if isinstance(v, np.ndarray) else np.array("no array") for v in (x, y))
    count = len(x) if x.ndim else 0
    if not count or (x.dtype.kind, x.shape, y.shape) != ("f", (count, 784), (count,)):
        expected = "float images of shape (N, 784) and whole-number labels of shape (N,)"
        raise wrong(path, expected, f"{x.dtype} {x.shape} and {y.dtype} {y.shape}")
    if y.dtype.kind not in "iu" or y.min() < 0 or y.max() > 9:
        raise wrong(path, "labels from 0 to 9", f"{y.dtype} from {y.min()} to {y.max()}")
    pixels = np.empty(x.shape, np.uint8)
    for k in range(0, count, 1000):
        block = x[k : k + 1000]
        inside = (block >= 0) & (block < 1)
        scaled = np.where(inside, block, 0) * x.dtype.type(256)
        pixels[k : k + 1000] = scaled
        broken = ~inside | (pixels[k : k + 1000] != scaled)
        if broken.any():
            raise wrong(path, "pixels that are a byte divided by 256", block[broken][0])
    return pixels, y.astype(np.uint8)
