"""Recognise a number format in disguise: by what its numbers can be, and by the size of its "
"errors."""

from __future__ import annotations

import math

import numpy as np

from compare.diagnosis.hypothesis import Array, Diagnosis

SCATTER = 0.3  # of the errors at least must be neither one factor nor one amount
ENOUGH = 12  # entries; fewer could be representable, or wrong, by chance
# Significant bits lost to rounding the factors of a product, and a few more to adding them up.
FORMATS = (
    ("float32", 19.0, 28.0),
    ("TF32", 10.3, 14.5),
    ("bfloat16", 5.5, 10.3),
)
SENTENCES = {
    "float32": "float32 (24 bits): a dtype=torch.float32 or numpy.float32 is left somewhere",
    "TF32": "TF32 (11 bits in the factors, float32 in the sums): set "
    "torch.backends.cuda.matmul.allow_tf32 "
    "to False, and compute in float64",
    "bfloat16": "bfloat16 (8 bits): leave out .bfloat16() or autocast",
    "float16": "float16 (11 bits): leave out .half() or autocast",
}


def in_disguise(tensor: str, found: Array, right: Array, declared: str) -> Diagnosis | None:
    """Return the narrow format whose rounding explains the errors of a tensor.

    Parameters
    ----------
    tensor : str
        Its name.
    found, right : ndarray of one shape
        The candidate's numbers and the reference's.
    declared : str
        The format that the candidate says it computes in, which is no disguise.
    """
    bits = lost_bits(found, right)
    if bits is None:
        return None
    name = rounded_to(found) if bits < FORMATS[0][1] else None
    by_size = (format_ for format_, low, high in FORMATS if low <= bits < high)
    name = name or next(by_size, None)
    if name in (None, declared):
        return None
    return Diagnosis(
        name,
        f"{tensor} is right to about {bits:.0f} bits in every entry, as if computed in "
        f"{SENTENCES[name]}",
    )


def lost_bits(found: Array, right: Array) -> float | None:
    """Return how many leading bits agree, if the errors look like rounding, else None.

    They do where nearly every entry is off, and not all by one factor, or by one amount.

    Parameters
    ----------
    found, right : ndarray of one shape
    """
    seen = right != 0
    if found.shape != right.shape or np.count_nonzero(seen) < ENOUGH:
        return None
    error, size = (found - right)[seen], right[seen]
    top = rms(error) / rms(size)
    if not 0 < top < 0.05 or np.count_nonzero(error) < 0.7 * error.size:
        return None
    return -math.log2(top) if unexplained(error, size) > SCATTER else None


def unexplained(error: Array, size: Array) -> float:
    """Return the part of the errors that one factor and one amount for all do not explain.

    Parameters
    ----------
    error, size : ndarray (n,)
    """
    line = np.column_stack([size, np.ones_like(size)])
    rest = error - line @ np.linalg.lstsq(line, error, rcond=None)[0]
    return rms(rest) / rms(error)


def rms(v: Array) -> float:
    """Return the root mean square.

    Parameters
    ----------
    v : ndarray (n,)
    """
    return float(np.sqrt(np.mean(np.square(v))))


def rounded_to(v: Array) -> str | None:
    """Return the 16-bit format in which every number of an array can be written, if there is one.

    Parameters
    ----------
    v : ndarray of any shape
    """
    if np.unique(v).size < ENOUGH:
        return None
    # Most numbers of bfloat16 are numbers of float16 too, not the other way round.
    if np.array_equal(to_bfloat16(v), v):
        return "bfloat16"
    return "float16" if np.array_equal(to_float16(v), v) else None


def to_float32(v: Array) -> Array:
    """Return an array rounded to float32, as float64.

    Parameters
    ----------
    v : ndarray of any shape
    """
    with np.errstate(over="ignore"):
        return v.astype(np.float32).astype(np.float64)


def to_float16(v: Array) -> Array:
    """Return an array rounded to float16, as float64.

    Parameters
    ----------
    v : ndarray of any shape
    """
    with np.errstate(over="ignore"):
        return v.astype(np.float16).astype(np.float64)


def to_bfloat16(v: Array) -> Array:
    """Return an array rounded to bfloat16, half to even, as float64.

    Parameters
    ----------
    v : ndarray of any shape
    """
    bits = np.ascontiguousarray(v, dtype=np.float32).view(np.uint32)
    bits = (bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)
    return bits.view(np.float32).astype(np.float64)
