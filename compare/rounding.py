"""How far two correct implementations of Nielsen's network may differ, entry by entry.

Nothing here is tuned. Every bound follows from the standard model of rounding,
``fl(v op w) = (v op w)(1 + d) + h`` with ``|d| <= u`` and ``|h| <= tiny`` (Higham, *Accuracy and
Stability of Numerical Algorithms*, 2nd ed., equations 2.4 and 2.8; ``tiny`` is the smallest
normal number, so that results flushed to zero are correct too). A product of n factors ``1 + d``
is ``1 + theta`` with ``|theta| <= gamma_n = n u / (1 - n u)`` (lemma 3.1), and a sum of products
is off by at most ``gamma_n |v|.|w|``, whatever the order of summation, with or without fused
multiply-add (section 3.1).

Weights, biases, x, y and eta are exact: the same numbers for every implementation. Below, a plain
letter is the exact value, a hat marks any correct implementation's, and the *centre* is what this
file computes in float64. The centre is a correct implementation too, so one ``e`` serves for
both: ``|a^ - a| <= e`` and ``|centre - a| <= e``, hence ``|a^| <= |centre| + 2 e``, which is
called *most*. Two implementations differ by at most ``2 e``, and that is the bound handed out.

(1) ``z = W a + b``. With n inputs that are not 0 there are n + 1 terms; a product meets one
    rounding of its own and at most n additions:
    ``e_z = |W| (e_a + gamma_{n+1} most_a) + gamma_{n+1} |b|``. Inputs that are 0 for certain, as
    most pixels are, do not count: adding 0 rounds nothing.
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

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import ArrayLike, NDArray

from compare.precision import Rules, rules_for

Array = NDArray[np.float64]

EXP_ULPS = 4  # libm and CUDA stay within 2, SIMD libraries within 4 (NumPy's own requirement)
SPARE = 4


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
    net = _checked(weights, biases, x, None, dtype, model)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):  # refuse_overflow reports
        zs, activations = _forward(net)
        return _bounds(net.rules, zs=zs, activations=activations)


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
    net = _checked(weights, biases, x, y, dtype, model)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        return _bounds(net.rules, **_gradient(net))


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
    net = _checked(weights, biases, x, y, dtype, model)
    if not np.isfinite(eta):
        raise ValueError(f"eta: expected a finite number, received {eta}")
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        balls = _gradient(net)
        balls["new_weights"] = _descend(net.weights, balls["nabla_w"], eta, net)
        balls["new_biases"] = _descend(net.biases, balls["nabla_b"], eta, net)
        return _bounds(net.rules, **balls)


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
class _Net:
    """The exact inputs, checked, as float64."""

    weights: list[Array]
    biases: list[Array]
    x: Array
    y: Array
    rules: Rules


def _bounds(rules: Rules, **balls: list[_Ball]) -> Bounds:
    """Return twice the errors: the two implementations may err in opposite directions."""
    for name, many in balls.items():
        for layer, ball in enumerate(many):
            rules.refuse_overflow(f"{name}[{layer}]", float(ball.most.max()))
    centre = Quantities(**{name: [b.centre for b in many] for name, many in balls.items()})
    doubled = {name: [2 * b.error for b in many] for name, many in balls.items()}
    return Bounds(**doubled, centre=centre)


def _forward(net: _Net) -> tuple[list[_Ball], list[_Ball]]:
    zs: list[_Ball] = []
    activations = [_exact(net.x)]
    for layer, (w, b) in enumerate(zip(net.weights, net.biases, strict=True)):
        zs.append(_affine(w, b, activations[-1], net.rules, f"zs[{layer}]"))
        activations.append(_sigmoid(zs[-1], net.rules))
    return zs, activations


def _gradient(net: _Net) -> dict[str, list[_Ball]]:
    zs, activations = _forward(net)
    deltas = _backward(net, activations)
    nabla_b = [_sum_over_batch(d, net.rules) for d in deltas]
    nabla_w = [_outer(d, a, net.rules) for d, a in zip(deltas, activations[:-1], strict=True)]
    return {
        "zs": zs,
        "activations": activations,
        "deltas": deltas,
        "nabla_b": nabla_b,
        "nabla_w": nabla_w,
    }


def _backward(net: _Net, activations: list[_Ball]) -> list[_Ball]:
    """Return the delta of every layer, first hidden layer first: line (6)."""
    rules = net.rules
    outputs = activations[-1]
    deltas = [_product(_minus(outputs, net.y, rules), _sigmoid_prime(outputs, rules), rules)]
    for layer in range(len(net.weights) - 1, 0, -1):
        s = _pull_back(net.weights[layer], deltas[0], rules, f"weights[{layer}].T @ delta")
        deltas.insert(0, _product(s, _sigmoid_prime(activations[layer], rules), rules))
    return deltas


def _exact(v: Array) -> _Ball:
    return _Ball(v, np.zeros_like(v))


def _affine(w: Array, b: Array, a: _Ball, rules: Rules, what: str) -> _Ball:
    """Return W a + b: line (1)."""
    most = a.most
    g = rules.gammas(np.count_nonzero(most, axis=0) + 1)  # (m,), one for each example
    error = np.abs(w) @ (a.error + g * most) + g * np.abs(b) + rules.underflow(w.shape[1])
    rules.refuse_overflow(what, float((error / g).max()))  # error / g >= |W| |a| + |b|
    return _Ball(w @ a.centre + b, error)


def _sigmoid(z: _Ball, rules: Rules) -> _Ball:
    """Return sigmoid(z): line (2)."""
    centre = _logistic(z.centre)
    slope = _steepest(z)
    arrived = np.minimum(slope * z.error, 1.0)
    most = np.minimum(centre + 2 * arrived, 1.0)
    return _Ball(centre, arrived + rules.u * (EXP_ULPS + 1 + 2 * most) + rules.tiny)


def _logistic(z: Array) -> Array:
    t = np.exp(-np.abs(z))
    return np.where(z >= 0, 1.0, t) / (1.0 + t)


def _steepest(z: _Ball) -> Array:
    """Return the sigmoid's largest slope on the interval: it falls with the distance from 0."""
    t = np.exp(-np.maximum(np.abs(z.centre) - 2 * z.error, 0.0))
    return t / np.square(1.0 + t)


def _sigmoid_prime(a: _Ball, rules: Rules) -> _Ball:
    """Return a (1 - a): line (3)."""
    centre = a.centre * (1.0 - a.centre)
    arrived = a.error * (np.abs(1.0 - 2.0 * a.centre) + 4 * a.error)
    most = centre + 2 * arrived
    return _Ball(centre, arrived + rules.gamma(2) * most + 2 * rules.tiny)


def _minus(a: _Ball, y: Array, rules: Rules) -> _Ball:
    """Return a - y: line (4)."""
    centre = a.centre - y
    return _Ball(centre, a.error + rules.gamma(1) * (np.abs(centre) + 2 * a.error) + rules.tiny)


def _product(v: _Ball, w: _Ball, rules: Rules) -> _Ball:
    """Return v w, entry by entry: lines (4) and (6)."""
    v_most, w_most = v.most, w.most
    arrived = v.error * w_most + v_most * w.error
    return _Ball(
        v.centre * w.centre,
        arrived + rules.gamma(1 + SPARE) * v_most * w_most + rules.underflow(1),
    )


def _pull_back(w: Array, delta: _Ball, rules: Rules, what: str) -> _Ball:
    """Return W.T delta: line (5)."""
    n_out = w.shape[0]
    g = rules.gamma(n_out)
    error = np.abs(w).T @ (delta.error + g * delta.most) + rules.underflow(n_out)
    rules.refuse_overflow(what, float(error.max()) / g)
    return _Ball(w.T @ delta.centre, error)


def _sum_over_batch(delta: _Ball, rules: Rules) -> _Ball:
    """Return the sum of delta over the examples: line (7)."""
    m = delta.centre.shape[1]
    error = delta.error + rules.gamma(m + SPARE) * delta.most
    total = delta.centre.sum(axis=1, keepdims=True)
    return _Ball(total, error.sum(axis=1, keepdims=True) + rules.underflow(m))


def _outer(delta: _Ball, a: _Ball, rules: Rules) -> _Ball:
    """Return delta a.T, the sum over the examples of their outer products: line (7)."""
    m = delta.centre.shape[1]
    error = (delta.error + rules.gamma(m + SPARE) * delta.most) @ a.most.T
    if a.error.any():  # the input layer has none, and is the largest
        error += delta.most @ a.error.T
    return _Ball(delta.centre @ a.centre.T, error + rules.underflow(m))


def _descend(old: list[Array], nablas: list[_Ball], eta: float, net: _Net) -> list[_Ball]:
    """Return v - (eta / m) nabla for every layer: line (8)."""
    rate = eta / net.x.shape[1]
    return [_step(v, nabla, rate, net.rules) for v, nabla in zip(old, nablas, strict=True)]


def _step(v: Array, nabla: _Ball, rate: float, rules: Rules) -> _Ball:
    step = nabla.error + rules.gamma(3 + SPARE) * nabla.most + rules.underflow(1)
    error = abs(rate) * step + rules.underflow(1)
    centre = v - rate * nabla.centre
    return _Ball(centre, error + rules.gamma(1) * (np.abs(centre) + 2 * error))


def _checked(
    weights: Sequence[ArrayLike],
    biases: Sequence[ArrayLike],
    x: ArrayLike,
    y: ArrayLike | None,
    dtype: object,
    model: str,
) -> _Net:
    x = _array("x", x, None, None)
    sizes, m = [x.shape[0]], x.shape[1]
    if not len(weights) == len(biases) > 0:
        raise ValueError(
            "expected one array of weights and one of biases per layer, at least one layer, "
            f"received {len(weights)} and {len(biases)}"
        )
    checked_weights, checked_biases = [], []
    for layer, (w, b) in enumerate(zip(weights, biases, strict=True)):
        checked_weights.append(_array(f"weights[{layer}]", w, None, sizes[-1]))
        sizes.append(checked_weights[-1].shape[0])
        checked_biases.append(_array(f"biases[{layer}]", b, sizes[-1], 1))
    desired = np.zeros((sizes[-1], m)) if y is None else _array("y", y, sizes[-1], m)
    rules = rules_for(dtype, model, sizes, m)
    for name, array in _named_inputs(checked_weights, checked_biases, x, desired):
        rules.refuse_inexact(name, array)
    return _Net(checked_weights, checked_biases, x, desired, rules)


def _named_inputs(
    weights: list[Array], biases: list[Array], x: Array, y: Array
) -> Iterator[tuple[str, Array]]:
    yield from ((f"weights[{layer}]", w) for layer, w in enumerate(weights))
    yield from ((f"biases[{layer}]", b) for layer, b in enumerate(biases))
    yield from (("x", x), ("y", y))


def _array(name: str, value: ArrayLike, rows: int | None, columns: int | None) -> Array:
    array = np.array(value, dtype=np.float64)  # a copy: x is handed out as a centre
    expected = f"({rows or 'n'}, {columns or 'm'})"
    fits = array.ndim == 2 and array.size > 0
    if not fits or (rows or array.shape[0], columns or array.shape[1]) != array.shape:
        raise ValueError(f"{name}: expected shape {expected}, received {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name}: expected finite numbers, received NaN or infinity")
    return array
