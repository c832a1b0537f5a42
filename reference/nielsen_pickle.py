"""Reads Nielsen's mnist.pkl.gz: nothing in it can be called, changed, or grow without bounds.

A pickle is a program for a machine with a stack. Python's own machine, written in Python, runs it
here with the instructions that arrays in tuples and lists are made of, and no others; what is read
and made, and the steps, are limited. What computes nothing stands once: model/ reads with it too.

Source
------
CPython, Lib/pickle.py and pickletools.py; Nielsen, src/mnist_loader.py (the three pairs).
"""

import gzip
import pickle
import re
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from reference.checks import refusal, wrong

MAX_BYTES = 1 << 28  # read, and as many made of them: unpacked, MNIST's file has 220 MB
MAX_READS = 20_000  # one or two for an instruction: MNIST's file takes some 300
ADMITTED = b"N\x88\x89KMJIUTCBS)]tlghjcR(aepqrb.\x80\x85\x86\x87\x8e\x93\x94"
PYTHONS: Any = pickle._Unpickler
FUNCTIONS = {
    "numpy.core.multiarray._reconstruct": "array",
    "numpy.core.numeric._frombuffer": "of_buffer",
    "numpy.ndarray": "array",  # an argument of the first
    "numpy.dtype": "dtype",
    "_codecs.encode": "encode",
}


class _StandIn:
    """For a function one of the machine's; for a dtype or an array the real one, once known."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __call__(self, *arguments: Any) -> Any:
        return self.value(*arguments)

    def __setstate__(self, state: Any) -> None:
        if isinstance(self.value, np.dtype):
            self.value = self.value.newbyteorder(_string(state[1]))
        elif self.value is None:
            _, shape, dtype, by_columns, raw = state
            self.value = _array(raw, dtype, shape, "F" if by_columns else "C")
        else:
            raise ValueError("it completes what is no array")


class _Limited:
    """A file that is read so far, and so often, and no more."""

    def __init__(self, file: Any) -> None:
        self.file, self.left, self.reads = file, MAX_BYTES, MAX_READS

    def took(self, count: int) -> None:
        self.left, self.reads = self.left - count, self.reads - 1
        if self.left < 0 or not self.reads:
            raise ValueError(f"more than {MAX_BYTES:,} bytes or {MAX_READS:,} pieces")

    def read(self, count: int) -> bytes:
        self.took(count)
        content: bytes = self.file.read(count)
        if len(content) < count:
            raise EOFError("it ends too early")
        return content

    def readline(self) -> bytes:
        content: bytes = self.file.readline(self.left + 1)
        self.took(len(content))
        return content


class _Machine(PYTHONS):  # type: ignore[misc]
    dispatch: ClassVar[Any] = {
        **{code: PYTHONS.dispatch[code] for code in ADMITTED},
        0x95: lambda m: m.read(8),  # the length of a frame
        0x96: PYTHONS.dispatch[0x8E],  # a bytearray need not be one
        ord("X"): lambda m: m.counted(4),
        0x8C: lambda m: m.counted(1),
        ord("V"): lambda m: m.text(m.readline()[:-1], "raw-unicode-escape", rb"\\U|\\u(?!00)"),
    }
    room = MAX_BYTES  # for what is made: the same text could be encoded again and again

    def find_class(self, module: str, name: str) -> _StandIn:
        known = FUNCTIONS.get(f"{module}.{name}".replace("numpy._core.", "numpy.core."))
        if known is None:
            raise ValueError(f"it asks for {module[:40]}.{name[:40]}, only arrays are admitted")
        return _StandIn(getattr(self, known))

    def array(self, *_: Any) -> _StandIn:
        return _StandIn(None)

    def of_buffer(self, raw: bytes, dtype: _StandIn, shape: Any, order: str) -> _StandIn:
        return _StandIn(_array(raw, dtype, shape, order))

    def dtype(self, code: Any, *_: Any) -> _StandIn:
        code = _string(code)
        if not re.fullmatch("[<>=|]?[fiu][1248]", code):
            raise ValueError(f"it holds an array of {code[:20]!r}, not of numbers")
        return _StandIn(np.dtype(code))

    def encode(self, content: str, _: Any) -> bytes:
        self.room -= len(content)
        if self.room < 0:
            raise ValueError(f"more than {MAX_BYTES:,} bytes")
        return content.encode("latin1")

    def text(self, content: bytes, codec: str, foreign: bytes = rb"[\xc4-\xff]") -> None:
        if re.search(foreign, content):  # one such letter makes all of them four bytes wide
            raise ValueError("text beyond Latin-1")
        self.stack.append(content.decode(codec))

    def counted(self, count: int) -> None:
        self.text(self.read(int.from_bytes(self.read(count), "little")), "utf-8")

    def load(self) -> Any:
        try:
            return super().load()
        except KeyError as error:
            raise ValueError(f"instruction {error}, which no array needs") from None


def _string(v: Any) -> Any:
    return v.decode() if isinstance(v, bytes) else v  # what Python 2 calls str is bytes here


def _array(raw: bytes, dtype: _StandIn, shape: Any, order: Any) -> np.ndarray:
    return np.frombuffer(raw, dtype.value).reshape(shape, order=order)


def read_pickle(path: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the training, validation and test pairs of a pickle as bytes (N, 784) and (N,)."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            parts = _Machine(_Limited(file), encoding="bytes").load()
    except Exception as error:  # a damaged pickle can make the machine stumble anywhere
        raise refusal(path, error) from None
    pairs = parts if isinstance(parts, tuple | list) else ()
    if [len(pair) if isinstance(pair, tuple | list) else 0 for pair in pairs] != [2, 2, 2]:
        raise wrong(path, "three pairs (images, labels)", "something else")
    return [_bytes(path, *(getattr(v, "value", None) for v in pair)) for pair in pairs]


def _bytes(path: Path, x: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    """The pixels and the labels as bytes, if they are that in value: divided by 256, not by 255."""
    arrays = [v for v in (x, y) if isinstance(v, np.ndarray)]
    count = len(y) if len(arrays) == 2 and y.ndim else 0
    if not count or (x.dtype.kind, x.shape, y.shape) != ("f", (count, 784), (count,)):
        expected = "float images of shape (N, 784) and whole-number labels of shape (N,)"
        received = " and ".join(f"{v.dtype} {v.shape}" for v in arrays)
        raise wrong(path, expected, received or "no arrays")
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
