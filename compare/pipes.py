"""What crosses a pipe to a candidate: a line of JSON, then the raw bytes of its arrays.

Nothing is unpickled, and a program in any language can sit at the other end: docs/programs.md
specifies every message, with a conversation.
"""

from __future__ import annotations

import io
import json
import os
import select
import time
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Message = dict[str, Any]
LONGEST_LINE = 2**22
MOST_BYTES = 2**31  # of the arrays of one message
MOST_ARRAYS = 10_000
LONGEST_WAIT = 1e6  # seconds
DTYPES = {"<f8", "<f4", "<i8", "<i4", "|i1", "|u1"}


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
        if left <= 0 or not any(select.select(reading, writing, [], min(left, LONGEST_WAIT))):
            raise TimeoutError


def send(stream: IO[bytes], message: Message, arrays: list[Array]) -> None:
    """Write a message and its arrays."""
    little = [v.astype(v.dtype.newbyteorder("<"), copy=False) for v in arrays]
    orders = ["F" if v.flags.f_contiguous and not v.flags.c_contiguous else "C" for v in little]
    kinds = [[v.dtype.str, v.shape, order] for v, order in zip(little, orders, strict=True)]
    stream.write(json.dumps({**message, "arrays": kinds}).encode() + b"\n")
    for v, order in zip(little, orders, strict=True):
        stream.write(np.ascontiguousarray(v.T if order == "F" else v).data)
    stream.flush()


def receive(stream: Any) -> tuple[Message, list[Array]] | None:
    """Read a message and its arrays, None at the end of the file; raise where it is no message."""
    line = stream.readline(LONGEST_LINE)
    if not line:
        return None
    message = json.loads(line)
    if not isinstance(message, dict) or not isinstance(message.get("arrays"), list):
        raise ValueError("expected an object with arrays")
    arrays, left = [], MOST_BYTES
    if len(message["arrays"]) > MOST_ARRAYS:
        raise ValueError(f"more than {MOST_ARRAYS:,} arrays")
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
