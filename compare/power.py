"""How sharp a comparison is: what a bound would have caught, and a ratio that calibrates itself."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from compare.precision import unit_roundoff


@dataclass(frozen=True)
class Power:
    """The smallest mistakes that a bound is certain to catch.

    Two correct implementations may differ by the whole bound, in either direction, so a mistake
    is certain to be caught once it exceeds twice the bound, whatever rounding does.

    Parameters
    ----------
    entry : a change of any single entry by more than this, relative to the tensor's largest entry
    factor : a factor 1 + f on the whole tensor with a magnitude of f above this; at most `entry`
    """

    entry: float
    factor: float


@dataclass(frozen=True)
class Ratio:
    """Error of the candidate over error of the reference, both against higher precision.

    Parameters
    ----------
    rms : ratio of the root mean squares over the whole tensor: near 1 is right
    largest : ratio of the largest errors: sensitive to a single entry, scatters more

    Correct float32 implementations of 784-20-10 were seen between 0.2 and 3; the fewer entries a
    tensor has, the more the ratio scatters. Eleven bits in place of 24, as in TF32, give above 50.
    """

    rms: float
    largest: float


def power(bound: ArrayLike, values: ArrayLike) -> Power:
    """Return the smallest relative mistakes that a bound is certain to catch.

    Parameters
    ----------
    bound : array of any shape, the allowed difference of every entry
    values : array of that shape, the tensor itself

    Returns
    -------
    Power; infinite where the tensor is all zeros, since no relative mistake is visible there.
    To judge an update, hand in the step (new minus old) as values.

    Raises
    ------
    ValueError : where the shapes differ or there are no entries
    """
    allowed, size = _paired(bound=bound, values=values)
    size = np.abs(size)
    largest = float(size.max())
    if largest == 0:
        return Power(math.inf, math.inf)
    seen = size > 0
    return Power(2 * float(allowed.max()) / largest, 2 * float((allowed[seen] / size[seen]).min()))


def error_ratio(
    candidate: ArrayLike, reference: ArrayLike, exact: ArrayLike, dtype: object = "float32"
) -> Ratio:
    """Return the error of a candidate over the error of the reference in the same dtype.

    One unit roundoff of the tensor's own size (its root mean square, its largest entry) is added
    to both errors: a reference that happens to be exact, as in saturated layers, then gives a
    finite ratio, and errors that no format could avoid are no reproach.

    Parameters
    ----------
    candidate, reference : arrays of one shape, both computed in `dtype`
    exact : array of that shape, computed in a wider format
    dtype : the format of the two

    Returns
    -------
    Ratio; about 1 for equals, far above 1 for a mistake or a narrower format, below 1 for a
    wider one; exactly 1 where all three are zero; infinite or NaN where the candidate is

    Raises
    ------
    ValueError : where the shapes differ or there are no entries
    """
    ours, theirs, truth = _paired(candidate=candidate, reference=reference, exact=exact)
    u = unit_roundoff(dtype)
    return Ratio(
        _ratio(_rms(ours - truth), _rms(theirs - truth), u * _rms(truth)),
        _ratio(_top(ours - truth), _top(theirs - truth), u * _top(truth)),
    )


def _ratio(error: float, reference_error: float, floor: float) -> float:
    if error == reference_error:  # all zero, or both infinite
        return 1.0
    return (error + floor) / (reference_error + floor) if reference_error + floor else math.inf


def _top(v: NDArray[np.float64]) -> float:
    return float(np.abs(v).max())


def _rms(v: NDArray[np.float64]) -> float:
    """Return the root mean square, without overflow or underflow of the squares."""
    top = _top(v)
    if top == 0 or not math.isfinite(top):
        return top
    return top * float(np.sqrt(np.mean(np.square(v / top))))


def _paired(**named: ArrayLike) -> list[NDArray[np.float64]]:
    """Return the arrays as float64, refusing what would broadcast or compares nothing."""
    arrays = [np.asarray(value, dtype=np.float64) for value in named.values()]
    shapes = ", ".join(f"{name} {a.shape}" for name, a in zip(named, arrays, strict=True))
    if len({a.shape for a in arrays}) != 1:
        raise ValueError(f"expected arrays of one shape, received {shapes}")
    if arrays[0].size == 0:
        raise ValueError(f"expected at least one entry, received {shapes}")
    return arrays
