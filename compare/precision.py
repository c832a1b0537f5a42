"""What a floating-point format does to one number, and what n roundings add up to."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FAILURE = 1e-6  # probability that any product of roundings of a step leaves its bound
MODELS = ("worst-case", "probabilistic")
_ENLARGED = 1 + 2.0**-10  # room for the rounding of the bounds themselves


@dataclass(frozen=True)
class Precision:
    """What a floating-point format can do.

    Parameters
    ----------
    name : what messages call it; for a NumPy dtype, the dtype's name
    u : unit roundoff, the largest relative error of one rounding; 2**-53 or more
    tiny : smallest positive normal number
    largest : largest finite number
    """

    name: str
    u: float
    tiny: float
    largest: float


FLOAT64 = Precision("float64", 2.0**-53, 2.0**-1022, float(np.finfo(np.float64).max))
FLOAT32 = Precision("float32", 2.0**-24, 2.0**-126, float(np.finfo(np.float32).max))
_PRECISIONS = {"float64": FLOAT64, "float32": FLOAT32}


def unit_roundoff(dtype: object) -> float:
    """Return u, the largest relative error of one rounding in a format.

    Parameters
    ----------
    dtype : "float64", "float32", a NumPy or PyTorch dtype of those, or a `Precision`

    Returns
    -------
    float, 2**-53 for float64 and 2**-24 for float32

    Raises
    ------
    ValueError : for any other format

    Source: Higham, section 2.1.
    """
    return _precision(dtype).u


def gamma(n: int, u: float) -> float:
    """Return gamma_n = n u / (1 - n u), what n roundings can add up to.

    Parameters
    ----------
    n : number of roundings
    u : unit roundoff

    Returns
    -------
    float, a relative error

    Raises
    ------
    ValueError : where n u >= 1, so that no digit is certain

    Source: Higham, lemma 3.1.
    """
    if not n * u < 1:
        raise ValueError(
            f"gamma_n needs n u < 1: n = {n} roundings with u = {u:.3g} leave no certain digit; "
            "use a wider dtype or a smaller layer or mini-batch"
        )
    return n * u / (1 - n * u)


def probabilistic_gamma(n: int, u: float, lam: float) -> float:
    """Return what n independent roundings of mean zero add up to, but for rare exceptions.

    Parameters
    ----------
    n : number of roundings
    u : unit roundoff
    lam : lambda; the probability of an exception is 2 exp(-lambda^2 (1 - u)^2 / 2)

    Returns
    -------
    float, a relative error, about lambda sqrt(n) u

    Source: Higham and Mary 2019, theorem 2.4.
    """
    return math.expm1(lam * math.sqrt(n) * u + n * u * u / (1 - u))


@dataclass(frozen=True)
class Rules:
    """The standard model in numbers: u and tiny enlarged, and gamma_n in the chosen model."""

    name: str
    u: float
    tiny: float
    largest: float
    lam: float | None
    m: int

    def gamma(self, n: int) -> float:
        worst = gamma(n, self.u)
        if self.lam is None:
            return worst
        return min(worst, probabilistic_gamma(n, self.u, self.lam))

    def gammas(self, counts: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return gamma_n for every n of an array."""
        distinct, inverse = np.unique(counts, return_inverse=True)
        return np.array([self.gamma(int(n)) for n in distinct])[inverse]

    def underflow(self, terms: int) -> float:
        """Return what flushing to zero can do to a sum of products: two results a term.

        An implementation that averages and multiplies by m in the end does m times as much.
        """
        return 4 * (terms + 1) * self.m * self.tiny

    def refuse_inexact(self, what: str, array: NDArray[np.float64]) -> None:
        """Raise where rounding the input itself would already part two implementations."""
        if self.name != "float32":
            return
        with np.errstate(over="ignore", under="ignore"):
            wrong = array.astype(np.float32) != array
        if wrong.any():
            where = tuple(int(i) for i in np.argwhere(wrong)[0])
            raise ValueError(
                f"{what}{list(where)} = {float(array[where])!r} is not a float32: the bounds hold "
                "for inputs that are exact in both implementations; round it to float32 first"
            )

    def refuse_overflow(self, what: str, magnitude: float) -> None:
        if not magnitude <= self.largest:  # a NaN, from infinity - infinity, is refused too
            raise OverflowError(
                f"{what} may reach {magnitude:.3g}, beyond the largest {self.name} "
                f"{self.largest:.3g}: no bound holds; use smaller weights or a wider dtype"
            )


def rules_for(dtype: object, model: str, sizes: Sequence[int], m: int) -> Rules:
    """Return the rules for one step of a network.

    Parameters
    ----------
    dtype : "float64", "float32", a NumPy or PyTorch dtype of those, or a `Precision`
    model : one of `MODELS`
    sizes : units of every layer, the input layer first
    m : examples in the mini-batch

    Returns
    -------
    Rules

    Raises
    ------
    ValueError : for another format or model
    """
    if model not in MODELS:
        raise ValueError(f"model: expected one of {', '.join(MODELS)}, received {model!r}")
    precision = _precision(dtype)
    lam = _lambda(precision.u, sizes, m) if model == "probabilistic" else None
    u, tiny = precision.u * _ENLARGED, precision.tiny * _ENLARGED
    return Rules(precision.name, u, tiny, precision.largest, lam, m)


def _lambda(u: float, sizes: Sequence[int], m: int) -> float:
    """Return lambda such that all products of roundings of a step fail with `FAILURE` at most.

    Each parameter meets each example three times: going forward, going back, and in the sum that
    makes its gradient; and this in both implementations and in the centre. The elementwise
    products have few factors, where gamma_n is the smaller one and cannot fail.
    """
    parameters = sum(n_out * (n_in + 1) for n_in, n_out in itertools.pairwise(sizes))
    products = 3 * 3 * m * parameters
    return math.sqrt(2 * math.log(2 * products / FAILURE)) / (1 - u)


def _precision(dtype: object) -> Precision:
    if isinstance(dtype, Precision):
        if dtype.u < FLOAT64.u:
            raise ValueError(
                f"u: expected 2**-53 or more, received {dtype.u:.3g}: bounds are float64"
            )
        return dtype
    name = dtype if isinstance(dtype, str) else str(dtype).removeprefix("torch.")
    name = dtype.__name__ if isinstance(dtype, type) else name
    if name not in _PRECISIONS:
        raise ValueError(f"dtype: expected {' or '.join(_PRECISIONS)}, received {dtype!r}")
    return _PRECISIONS[name]
