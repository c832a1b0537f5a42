"""How far two correct implementations of Nielsen's network may differ, entry by entry.

Nothing here is tuned. Every bound follows from the standard model of rounding,
``fl(v op w) = (v op w)(1 + d) + h`` with ``|d| <= u`` and ``|h| <= tiny`` (Higham, *Accuracy and
Stability of Numerical Algorithms*, 2nd ed., equations 2.4 and 2.8; ``tiny`` is the smallest normal
number, so that results flushed to zero are correct too). A product of n factors ``1 + d`` is
``1 + theta`` with ``|theta| <= gamma_n = n u / (1 - n u)`` (lemma 3.1), and a sum of products is
off by at most ``gamma_n |v|.|w|``, whatever the order of summation, with or without fused
multiply-add (section 3.1).

Weights, biases, x, y and eta are exact: the same numbers for every implementation. Below, a plain
letter is the exact value, a hat marks any correct implementation's, and the *centre* is what this
file computes in float64. The centre is a correct implementation too, so one ``e`` serves for both:
``|a^ - a| <= e`` and ``|centre - a| <= e``, hence ``|a^| <= |centre| + 2 e``, which is called
*most*. Two implementations differ by at most ``2 e``, and that is the bound handed out.

(1) ``z = W a + b``. A product meets 1 rounding of its own and at most n additions among n + 1
    terms: ``e_z = |W| (e_a + gamma_{n+1} most_a) + gamma_{n+1} |b|``.
(2) ``a = sigmoid(z)``. By the mean value theorem the error of z arrives multiplied by at most the
    steepest slope on ``[centre - 2 e_z, centre + 2 e_z]``, and never exceeds 1. The sigmoid's own
    error is at most ``u (k + 1 + 2 a)`` for an exp or tanh within k ulp, which is 2 k u:
    ``1 / (1 + exp(-z))`` and ``exp(z) / (1 + exp(z))`` are off by ``u (2 k a (1 - a) + 2 a)``;
    ``(1 + tanh(z / 2)) / 2`` by ``u (k |2 a - 1| + a)``, an absolute error even where a is small;
    a sigmoid within 3 ulp of its value by ``6 u a``; arguments clipped to +-40 by ``exp(-40)``.
(3) ``p = a (1 - a)``: ``|a^ (1 - a^) - a (1 - a)| = |a^ - a| |1 - a^ - a|``, at most
    ``e_a (|1 - 2 centre| + 4 e_a)``, and 2 roundings. The derivative of the tanh form,
    ``(1 - t^2) / 4``, is off by ``u (k + 1/4) t^2``, within the same.
(4) ``d = a - y``: e_a and 1 rounding. Products: ``e_v most_w + most_v e_w`` and 1 rounding.
(5) ``s = W.T delta`` for a layer of n outputs: 1 rounding of the product and n - 1 additions:
    ``e_s = |W|.T (e_delta + gamma_n most_delta)``.
(6) ``delta = d p`` for the last layer and ``s p`` before it (BP1, BP2), as in (4). The roundings
    are factors, so the order of multiplication is free.
(7) ``nabla_b``, the sum of delta over the m examples, and ``nabla_w = delta a.T`` (BP3, BP4): at
    most m roundings in each term, as in (1).
(8) ``w - (eta / m) nabla``: a rounding each for eta, the quotient, the product, the difference.

Some correct implementations scale on the way (a mean over the batch, multiplied by m at the
end): (6), (7) and (8) grant `SPARE` more roundings for that.

These bounds are computed in rounding arithmetic themselves. They only add and multiply
non-negative numbers, each proportional to u or tiny, so u and tiny are enlarged by 1/1024 at the
start, far more than float64 can lose in sums of any length that fits a memory.

The probabilistic model replaces gamma_n by ``exp(lambda sqrt(n) u + n u^2 / (1 - u)) - 1``, about
``lambda sqrt(n) u`` (Higham and Mary, *A new approach to probabilistic rounding error analysis*,
SIAM J. Sci. Comput. 41(5), 2019, theorem 2.4): if rounding errors were independent with mean
zero, each product of factors would obey it but for a probability of
``2 exp(-lambda^2 (1 - u)^2 / 2)``. lambda is chosen so that all of a step's products together
fail with a probability of at most `FAILURE`; where gamma_n is smaller it stays.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

EXP_ULPS = 4  # libm and CUDA stay within 2, SIMD libraries within 4 (NumPy's own requirement)
SPARE = 4
FAILURE = 1e-6
MODELS = ("worst-case", "probabilistic")
_ENLARGED = 1 + 2.0**-10


@dataclass(frozen=True)
class Precision:
    """What a floating-point format can do.

    Parameters
    ----------
    name : what messages call it; for a NumPy dtype, the dtype's name
    u : unit roundoff, the largest relative error of one rounding
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


@dataclass(frozen=True)
class Quantities:
    """Everything that one training step computes, in Nielsen's words and in columns.

    Parameters
    ----------
    zs : one (sizes[l+1], m) array per layer
    activations : x, (sizes[0], m), then one (sizes[l+1], m) array per layer
    deltas : one (sizes[l+1], m) array per layer, first hidden layer first
    nabla_b : one (sizes[l+1], 1) array per layer, summed over the batch
    nabla_w : one (sizes[l+1], sizes[l]) array per layer, summed over the batch
    new_weights, new_biases : the parameters after the step, shaped as nabla_w and nabla_b

    Lists that were not asked for are empty.
    """

    zs: list[Array] = field(default_factory=list)
    activations: list[Array] = field(default_factory=list)
    deltas: list[Array] = field(default_factory=list)
    nabla_b: list[Array] = field(default_factory=list)
    nabla_w: list[Array] = field(default_factory=list)
    new_weights: list[Array] = field(default_factory=list)
    new_biases: list[Array] = field(default_factory=list)

    def named(self) -> Iterator[tuple[str, Array]]:
        """Yield every array with its name, such as ("zs[0]", array), in the order computed."""
        for entry in fields(Quantities):
            for layer, array in enumerate(getattr(self, entry.name)):
                yield f"{entry.name}[{layer}]", array


@dataclass(frozen=True)
class Bounds(Quantities):
    """The largest difference between two correct implementations, for every entry.

    The arrays are those of `Quantities`. One implementation is within half a bound of the exact
    value. A float32 implementation is within a float32 bound of a float64 one too.

    Parameters
    ----------
    centre : Quantities
        the same arrays as computed here in float64: themselves within half a bound of the exact
    """

    centre: Quantities = field(default_factory=Quantities)


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


def forward_bounds(
    weights: Sequence[ArrayLike],
    biases: Sequence[ArrayLike],
    x: ArrayLike,
    dtype: object = "float64",
    model: str = "worst-case",
) -> Bounds:
    """Bound the difference of every z and every activation.

    Parameters
    ----------
    weights : one (sizes[l+1], sizes[l]) array per layer
    biases : one (sizes[l+1], 1) array per layer
    x : (sizes[0], m) columns
    dtype : the format of the less precise of the two implementations; a `Precision` will do
    model : "worst-case", or "probabilistic" (see `FAILURE`)

    Returns
    -------
    Bounds, with zs and activations

    Raises
    ------
    ValueError : shapes that do not chain, no examples, NaN, numbers that dtype cannot hold
    OverflowError : sums that dtype cannot hold

    Source: lines (1) and (2) at the head of this file.
    """
    step = _Step(weights, biases, x, None, dtype, model)
    return _bounds(step.forward())


def gradient_bounds(
    weights: Sequence[ArrayLike],
    biases: Sequence[ArrayLike],
    x: ArrayLike,
    y: ArrayLike,
    dtype: object = "float64",
    model: str = "worst-case",
) -> Bounds:
    """Bound the difference of every z, activation, delta, nabla_b and nabla_w.

    Parameters
    ----------
    weights, biases, x, dtype, model : as in `forward_bounds`
    y : (sizes[-1], m) columns, the desired outputs

    Returns
    -------
    Bounds, with all but new_weights and new_biases; gradients are sums over the batch

    Raises
    ------
    ValueError, OverflowError : as in `forward_bounds`

    Source: lines (1) to (7) at the head of this file; Nielsen, ch. 2, BP1 to BP4.
    """
    step = _Step(weights, biases, x, y, dtype, model)
    return _bounds(step.gradient())


def update_bounds(
    weights: Sequence[ArrayLike],
    biases: Sequence[ArrayLike],
    x: ArrayLike,
    y: ArrayLike,
    eta: float,
    dtype: object = "float64",
    model: str = "worst-case",
) -> Bounds:
    """Bound the difference of everything that one step computes, the new parameters included.

    Parameters
    ----------
    weights, biases, x, y, dtype, model : as in `gradient_bounds`
    eta : learning rate; the step is (eta / m) times the summed gradient

    Returns
    -------
    Bounds, complete

    Raises
    ------
    ValueError, OverflowError : as in `forward_bounds`

    Source: lines (1) to (8) at the head of this file.
    """
    step = _Step(weights, biases, x, y, dtype, model)
    return _bounds(step.update(eta))


@dataclass(frozen=True)
class _Ball:
    """A centre and e: the exact value and every correct one lie around it (head of this file)."""

    centre: Array
    error: Array

    @property
    def most(self) -> Array:
        """No correct implementation's value is larger in magnitude."""
        return np.abs(self.centre) + 2 * self.error


@dataclass(frozen=True)
class _Rules:
    """The standard model in numbers: u and tiny enlarged, and gamma_n in the chosen model."""

    name: str
    u: float
    tiny: float
    largest: float
    lam: float | None

    def gamma(self, n: int) -> float:
        worst = gamma(n, self.u)
        if self.lam is None:
            return worst
        return min(worst, probabilistic_gamma(n, self.u, self.lam))

    def underflow(self, terms: int) -> float:
        """Return what flushing to zero can do to a sum of products: two results a term."""
        return 4 * (terms + 1) * self.tiny

    def refuse_overflow(self, what: str, magnitude: float) -> None:
        if not magnitude <= self.largest:  # a NaN, from infinity - infinity, is refused too
            raise OverflowError(
                f"{what} may reach {magnitude:.3g}, beyond the largest {self.name} "
                f"{self.largest:.3g}: no bound holds; use smaller weights or a wider dtype"
            )
