"""Reads Nielsen's mnist.pkl.gz: nothing in it can be called, changed, or grow without bounds.

A pickle is a program for a machine with a stack. Python's own machine, written in Python, runs it
here with the instructions that arrays in tuples and lists are made of, no others, and only so many
of them. What computes nothing stands once: model/ reads with it too.

Source
------
CPython, Lib/pickle.py and pickletools.py; Nielsen, src/mnist_loader.py (the three pairs).
"""

import gzip
import io
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np

from reference.checks import refusal, wrong

MAX_BYTES = 1 << 28  # unpacked, MNIST's file has 220 MB
MAX_STEPS = 10_000  # MNIST's file takes some 150
ADMITTED = b"N\x88\x89KMJIUTCBS)]tlghjcR(aepqrb.\x80\x85\x86\x87\x8c\x8e\x93\x94\x95"
PYTHONS: Any = pickle._Unpickler


class _Dtype:
    """What numpy.dtype is called for: numbers of a kind and a size, and nothing else."""

    __slots__ = ("value",)

    def __init__(self, code: Any, *_: Any) -> None:
        code = _string(code)
        if not re.fullmatch("[<>=|]?[fiu][1248]", code):
            raise ValueError(f"it holds an array of {code[:20]!r}, not of numbers")
        self.value = np.dtype(code)

    def __setstate__(self, state: Any) -> None:
        self.value = self.value.newbyteorder(_string(state[1]))


class _Array:
    """An array, which is made once its state is known: with it, as protocol 5 does, or later."""

    __slots__ = ("value",)

    def __init__(self, *given: Any) -> None:
        self.value: Any = None
        if len(given) == 4:
            raw, dtype, shape, order = given
            self.__setstate__((1, shape, dtype, order == "F", raw))

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, by_columns, raw = state
        order: Any = "F" if by_columns else "C"
        self.value = np.frombuffer(raw, dtype.value).reshape(shape, order=order)


STAND_INS = {
    "numpy.core.multiarray._reconstruct": _Array,
    "numpy.core.numeric._frombuffer": _Array,
    "numpy.ndarray": _Array,  # an argument of the first
    "numpy.dtype": _Dtype,
    "_codecs.encode": lambda v, *_: v if isinstance(v, bytes) else v.encode("latin1"),
}


def _string(v: Any) -> Any:
    return v.decode() if isinstance(v, bytes) else v  # what Python 2 calls str is bytes here


def _text(machine: Any) -> None:
    """Take a text; one too long for a name is bytes, as Python 3 writes them for Python 2."""
    raw = machine.read(int.from_bytes(machine.read(4), "little"))
    if len(raw) >= 256 and np.frombuffer(raw, np.uint8).max() > 0xC3:  # beyond latin1
        raise ValueError(f"a text of {len(raw):,} bytes, which no array needs")
    text = raw.decode()
    machine.append(text if len(raw) < 256 else text.encode("latin1"))


class _Instructions(dict[int, Any]):
    """What the machine can do, and so many times."""

    left = MAX_STEPS

    def __getitem__(self, code: int) -> Any:
        self.left -= 1
        if code not in self or self.left < 0:
            raise ValueError(f"instruction {code}, which no array needs, or one too many")
        return super().__getitem__(code)


class _Machine(PYTHONS):  # type: ignore[misc]
    def __init__(self, content: bytes) -> None:
        super().__init__(io.BytesIO(content), encoding="bytes")
        self.dispatch = _Instructions({code: PYTHONS.dispatch[code] for code in ADMITTED})
        self.dispatch[0x96] = PYTHONS.dispatch[0x8E]  # a bytearray need not be one
        self.dispatch[ord("X")] = _text

    def find_class(self, module: str, name: str) -> Any:
        stand_in = STAND_INS.get(f"{module}.{name}".replace("numpy._core.", "numpy.core."))
        if stand_in is None:
            raise ValueError(f"it asks for {module[:40]}.{name[:40]}, only arrays are admitted")
        return stand_in


def read_pickle(path: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the training, validation and test pairs of a pickle as bytes (N, 784) and (N,)."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)  # at its end a .gz says whether a bit has changed
        if len(content) > MAX_BYTES:
            raise ValueError(f"more than {MAX_BYTES:,} bytes")
        machine = _Machine(content)
        parts = machine.load()
        if machine.read(1):
            raise ValueError("more follows")
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
