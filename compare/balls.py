"""How far two correct implementations of Nielsen's network may differ: running-error arithmetic.

Nothing here is tuned. Every bound follows from the standard model of rounding,
``fl(v op w) = (v op w)(1 + d) + h`` with ``|d| <= u`` and ``|h| <= tiny`` (Higham, *Accuracy and
Stability of Numerical Algorithms*, 2nd ed., equations 2.4 and 2.8; ``tiny`` is the smallest
normal number, so that results flushed to zero are correct too). A product of n factors ``1 + d``
is ``1 + theta`` with ``|theta| <= gamma_n = n u / (1 - n u)`` (lemma 3.1), and a sum of products
is off by at most ``gamma_n |v|.|w|``, whatever the order of summation, with or without fused
multiply-add (section 3.1).

A `Ball` is a number and how far any correct implementation's may lie from the exact value. Weights,
biases, x, y and eta are exact: the same numbers for every implementation. Below, a plain letter is
the exact value, a hat marks any correct implementation's, and the *centre* is what is computed here
in float64. The centre is a correct implementation too, so one ``e`` serves for both:
``|a^ - a| <= e`` and ``|centre - a| <= e``, hence ``|a^| <= |centre| + 2 e``, which is called
*most*. Two implementations differ by at most ``2 e``, and that is the bound handed out. What runs
over the balls is the network of `compare.columns`:

(1) ``z = W a + b``. With n inputs that are not 0 there are n + 1 terms; a product meets one
    rounding of its own and at most n additions:
    ``e_z = |W| (e_a + gamma_{n+1} most_a) + gamma_{n+1} |b|``. Inputs that are 0 for certain, as
    most pixels are, do not count: adding 0 rounds nothing. So a sum of products remembers how many
    terms it has and their mass until it is used: that is what makes one run stand for every order.
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

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compare.columns import Columns, sigmoid

Array = NDArray[np.float64]

EXP_ULPS = 4  # libm and CUDA stay within 2, SIMD libraries within 4 (NumPy's own requirement)
SPARE = 4
FAILURE = 1e-6  # probability that any product of roundings of a step leaves its bound
ENLARGED = 1 + 2.0**-10  # room for the rounding of the bounds themselves
FORMATS = {
    "float64": (2.0**-53, 2.0**-1022, float(np.finfo(np.float64).max)),
    "float32": (2.0**-24, 2.0**-126, float(np.finfo(np.float32).max)),
}


@dataclass(frozen=True)
class Rules:
    """The standard model in numbers, for steps on m examples; probabilistic where lam is given."""

    name: str = "float64"
    m: int = 1
    lam: float | None = None

    @property
    def u(self) -> float:
        """Unit roundoff, the largest relative error of one rounding, enlarged."""
        return FORMATS[self.name][0] * ENLARGED

    @property
    def tiny(self) -> float:
        """Smallest positive normal number, enlarged."""
        return FORMATS[self.name][1] * ENLARGED

    def gamma(self, n: Any) -> Any:
        """Return what n roundings add up to, relative (Higham, lemma 3.1); n may be an array."""
        u = self.u
        if not (n if isinstance(n, int) else np.max(n)) * u < 1:
            raise ValueError(
                f"gamma_n needs n u < 1: {np.max(n)} roundings in {self.name} leave no certain "
                "digit; use float64, or a smaller layer or mini-batch"
            )
        worst = n * u / (1 - n * u)
        if self.lam is None:
            return worst
        return np.minimum(worst, np.expm1(self.lam * np.sqrt(n) * u + n * u * u / (1 - u)))

    def underflow(self, terms: int) -> float:
        """Return what flushing to zero can do to a sum of products: two results a term.

        An implementation that averages and multiplies by m in the end does m times as much.
        """
        return 4 * (terms + 1) * self.m * self.tiny


def rules_for(dtype: str, sizes: Sequence[int], m: int, probabilistic: bool = False) -> Rules:
    """Return the rules of one step: lambda is such that all its products fail with `FAILURE`.

    Each parameter meets each example three times: going forward, going back, and in the sum that
    makes its gradient; and this in both implementations and in the centre. The elementwise
    products have few factors, where gamma_n is the smaller one and cannot fail.
    """
    if dtype not in FORMATS:
        raise ValueError(f"dtype: expected {' or '.join(FORMATS)}, received {dtype!r}")
    if not probabilistic:
        return Rules(dtype, m)
    parameters = sum(n_out * (n_in + 1) for n_in, n_out in itertools.pairwise(sizes))
    products = 3 * 3 * m * parameters
    lam = math.sqrt(2 * math.log(2 * products / FAILURE)) / (1 - FORMATS[dtype][0])
    return Rules(dtype, m, lam)


class Ball:
    """A centre, and how far the exact value and every correct one lie around it.

    A sum of products keeps the mass of its terms (the sum of their magnitudes) and the number of
    roundings that each may meet, until it is used: see (1) at the head of this file.
    """

    __array_ufunc__ = None  # NumPy leaves every operator to this class

    def __init__(
        self, rules: Rules, centre: Array, error: Any = 0.0, mass: Any = None, terms: Any = 0
    ) -> None:
        self.rules, self.centre, self.inherited = rules, centre, error
        self.mass, self.terms = mass, terms

    @property
    def shape(self) -> tuple[int, ...]:
        return self.centre.shape

    @functools.cached_property
    def error(self) -> Any:
        """How far any correct value may be from the exact one."""
        own = 0.0 if self.mass is None else self.rules.gamma(self.terms) * self.mass
        error = self.inherited + own
        return error if np.shape(error) == self.shape else np.broadcast_to(error, self.shape)

    @functools.cached_property
    def most(self) -> Array:
        """No correct implementation's value is larger in magnitude."""
        return np.abs(self.centre) if self.exact else np.abs(self.centre) + 2 * self.error

    @property
    def exact(self) -> bool:
        """Whether it has no error, as the inputs have none."""
        return self.mass is None and np.shape(self.inherited) == () and self.inherited == 0

    @property
    def T(self) -> Ball:
        return Ball(self.rules, self.centre.T, 0.0 if self.exact else self.error.T)

    def rounded(self, centre: Array, arrived: Any, roundings: int, tiny: float) -> Ball:
        """Return the result of an elementwise operation: what arrived, and its own roundings."""
        most = np.abs(centre) + 2 * arrived
        return Ball(self.rules, centre, arrived + self.rules.gamma(roundings) * most + tiny)

    def __rmatmul__(self, w: Array) -> Ball:  # exact W times a: (1) and (5)
        most, size = self.most, np.abs(w)
        terms = np.count_nonzero(most, axis=0)
        error = self.rules.underflow(w.shape[1])
        if not self.exact:  # the input layer is, and is the largest
            error = size @ self.error + error
        return Ball(self.rules, w @ self.centre, error, size @ most, terms)

    def __add__(self, b: Array) -> Ball:  # one more term of a sum: (1)
        return Ball(
            self.rules, self.centre + b, self.inherited, self.mass + np.abs(b), self.terms + 1
        )

    def __matmul__(self, a: Ball) -> Ball:  # a sum over the mini-batch: (7)
        m, most = self.shape[1], a.most
        error = (self.error + self.rules.gamma(m + SPARE) * self.most) @ most
        if not a.exact:
            error += self.most @ a.error
        return Ball(self.rules, self.centre @ a.centre, error + self.rules.underflow(m))

    def sum(self, axis: int, keepdims: bool) -> Ball:  # (7)
        m = self.shape[axis]
        error = self.error + self.rules.gamma(m + SPARE) * self.most
        total = error.sum(axis=axis, keepdims=keepdims) + self.rules.underflow(m)
        return Ball(self.rules, self.centre.sum(axis=axis, keepdims=keepdims), total)

    def __sub__(self, y: Array) -> Ball:  # (4)
        return self.rounded(self.centre - y, self.error, 1, self.rules.tiny)

    def __mul__(self, other: Ball) -> Ball:  # (4) and (6)
        mine, its = self.most, other.most
        error = self.error * its + mine * other.error
        error = error + self.rules.gamma(1 + SPARE) * mine * its + self.rules.underflow(1)
        return Ball(self.rules, self.centre * other.centre, error)

    def __rmul__(self, rate: float) -> Ball:  # (eta / m) nabla: (8)
        grown = self.error + self.rules.gamma(3 + SPARE) * self.most + self.rules.underflow(1)
        return Ball(self.rules, rate * self.centre, abs(rate) * grown + self.rules.underflow(1))

    def __rsub__(self, w: Array) -> Ball:  # (8)
        return self.rounded(w - self.centre, self.error, 1, 0.0)

    def logistic(self) -> Ball:
        """Return sigmoid(z): (2)."""
        centre = sigmoid(self.centre)
        t = np.exp(-np.maximum(np.abs(self.centre) - 2 * self.error, 0.0))
        arrived = np.minimum(t / np.square(1.0 + t) * self.error, 1.0)  # the steepest slope
        most = np.minimum(centre + 2 * arrived, 1.0)
        own = self.rules.u * (EXP_ULPS + 1 + 2 * most) + self.rules.tiny
        return Ball(self.rules, centre, arrived + own)

    def times_complement(self) -> Ball:
        """Return a (1 - a) as one operation, sharper than its two: (3)."""
        arrived = self.error * (np.abs(1.0 - 2.0 * self.centre) + 4 * self.error)
        return self.rounded(self.centre * (1.0 - self.centre), arrived, 2, 2 * self.rules.tiny)


class Bounded(Columns):
    """The network over balls: its weights are exact, and so are x and y."""

    def fire(self, z: Ball, last: bool) -> Ball:
        return z.logistic()

    def slope(self, z: Ball, a: Ball, last: bool) -> Ball:
        return a.times_complement()

    def fixed(self, a: Ball, neuron: int, value: float) -> Ball:
        centre, error = a.centre.copy(), np.array(a.error)
        centre[neuron], error[neuron] = value, 2 * a.rules.u * abs(value)  # in its own format
        return Ball(a.rules, centre, error)


def named(**layers: Sequence[Any]) -> dict[str, Any]:
    """Return arrays by name, such as "zs[0]", layer by layer."""
    depth = range(max(map(len, layers.values())))
    kinds = layers.items()
    return {f"{name}[{k}]": v[k] for k in depth for name, v in kinds if k < len(v)}


def bounds(
    parameters: Any,
    x: Array,
    y: Array | None = None,
    eta: float | None = None,
    rules: Rules | None = None,
) -> dict[str, Array]:
    """Bound the difference of everything that a step computes, entry by entry and by name.

    The parameters (sizes, weights, biases), x and y are exact in the format of the rules. Without
    y there are zs and activations alone, without eta no new parameters. What is returned is the
    largest difference between two correct implementations; one of them is within half of it of the
    exact value, and a float32 one is within a float32 bound of a float64 one too. It raises where a
    number may leave the format, or no digit of a sum is certain. Source: lines (1) to (8) above.
    """
    rules = rules or Rules(m=x.shape[1])
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):  # reported below
        net = Bounded.of(parameters)
        zs, activations = net.trace(Ball(rules, x))
        found = named(activations=activations, zs=zs)
        if y is not None:
            deltas = net.backward(zs, activations, y)
            nabla_b, nabla_w = net.gradient(zs, activations, deltas)
            found |= named(deltas=deltas, nabla_b=nabla_b, nabla_w=nabla_w)
            if eta is not None:
                net.descend(nabla_b, nabla_w, eta, x.shape[1])
                found |= named(new_weights=net.weights, new_biases=net.biases)
        for name, ball in found.items():
            most = float(np.max(ball.most if ball.mass is None else ball.most + ball.mass))
            if not most <= FORMATS[rules.name][2]:  # NaN included
                raise OverflowError(
                    f"{name} may reach {most:.3g}, beyond the largest {rules.name} "
                    f"{FORMATS[rules.name][2]:.3g}: no bound holds; use smaller weights or a wider "
                    "dtype"
                )
        return {name: 2 * ball.error for name, ball in found.items()}
