"""Link "reference": who proves the reference, which every candidate is held against?

Three witnesses: a network worked by hand, where nothing may differ; the reference's own cost,
differentiated by complex step (Squire and Trapp, *Using complex variables to estimate derivatives
of real functions*, SIAM Rev. 40(1), 1998), which has no cancellation and so no step to choose; and
the page of `compare.columns` over numbers of fifty digits, whose cost is differentiated by
difference quotients. In each Difference the candidate is the reference, and the reference is the
witness.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Context, Decimal, localcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compare.balls import bounds, named
from compare.columns import Columns
from compare.difference import Difference, measure
from reference.arithmetic import Float64
from reference.network import Network

Array = NDArray[np.float64]
Entries = dict[str, list[Any]]  # places in a tensor, by its name
STEP = 1e-100  # h: its square is far below the last bit of every number here
DIGITS = 50
QUOTIENT_STEP = Decimal("1e-17")  # the central difference is then right to about 1e-33
SMALL = ((2, 2, 1), (3, 4, 2), (4, 3, 3, 2))
LARGE = (784, 20, 10)
DIRECTIONS = 4


class Complex128(Float64):
    """Complex double precision, in which the reference differentiates its own cost."""

    name = "complex128"
    dtype = np.complex128  # type: ignore[assignment]


@dataclass(frozen=True)
class Case:
    """A network, a mini-batch, and what the two are called."""

    name: str
    sizes: tuple[int, ...]
    weights: list[Array]
    biases: list[Array]
    x: Array
    y: Array

    def built(self, network: type[Network], arithmetic: Float64 | None = None) -> Network:
        """Return the reference with these parameters."""
        return network.from_parameters(self, arithmetic or Float64())

    def gradient(self, network: type[Network]) -> dict[str, Array]:
        """Return the reference's gradient by name."""
        nabla_b, nabla_w = self.built(network).backprop(self.x, self.y)
        return named(nabla_b=nabla_b, nabla_w=nabla_w)


def witnesses(network: type[Network] = Network) -> Iterator[Difference]:
    """its gradient is that of its own cost by complex step, and of the book's cost in 50 digits, \
and a network worked by hand comes out exactly"""
    yield from by_hand(network)
    for case, entries in cases():
        yield from by_complex_step(network, case)
        yield from by_digits(network, case, entries)


def by_hand(network: type[Network]) -> Iterator[Difference]:
    """Yield the comparisons with a 2-2-2 network worked by hand, where nothing may differ.

    Every z is 0, so every activation is 1/2 and every sigma'(z) is 1/4::

        x = (1, 2)            z[0] = (2 - 2 + 0, 1 + 0 - 1) = 0        a[1] = (1/2, 1/2)
        y = (0, 1)            z[1] = (3/2 + 1/2 - 2, -1/2 + 1 - 1/2) = 0   a[2] = (1/2, 1/2)
        BP1  delta[1] = (1/2 - 0, 1/2 - 1) / 4 = (1/8, -1/8)
        BP2  W.T delta[1] = (3/8 + 1/8, 1/8 - 2/8) = (1/2, -1/8);  / 4 = (1/8, -1/32)
        BP3  nabla_b = delta          BP4  nabla_w[l] = delta[l] a[l].T
        the cost is (1/4 + 1/4) / 2 = 1/4

    and, with eta = 2 and the same example four times, every step is 2 nabla, since the sum of
    four is divided by four.
    """
    w = [np.array([[2.0, -1.0], [1.0, 0.0]]), np.array([[3.0, 1.0], [-1.0, 2.0]])]
    b = [np.array([[0.0], [-1.0]]), np.array([[-2.0], [-0.5]])]
    x, y = np.array([[1.0], [2.0]]), np.array([[0.0], [1.0]])
    case = Case("2-2-2, by hand", (2, 2, 2), w, b, x, y)
    nabla_w = [np.array([[4.0, 8.0], [-1.0, -2.0]]) / 32, np.array([[1.0, 1.0], [-1.0, -1.0]]) / 16]
    nabla_b = [np.array([[4.0], [-1.0]]) / 32, np.array([[1.0], [-1.0]]) / 8]
    net, new, half = case.built(network), case.built(network), np.full((2, 1), 0.5)
    new.update_mini_batch((np.repeat(x, 4, 1), np.repeat(y, 4, 1)), 2.0)
    found_b, found_w = net.backprop(x, y)
    lists = (
        ("activations", net.trace(x)[1][1:], [half, half]),
        ("cost", [np.array([net.cost(x, y)])], [np.array([0.25])]),
        ("deltas", net.deltas(x, y), nabla_b),
        ("nabla_b", found_b, nabla_b),
        ("nabla_w", found_w, nabla_w),
        ("new_weights", new.weights, [v - 2 * n for v, n in zip(w, nabla_w, strict=True)]),
        ("new_biases", new.biases, [v - 2 * n for v, n in zip(b, nabla_b, strict=True)]),
    )
    for name, received, expected in lists:
        for layer, pair in enumerate(zip(received, expected, strict=True)):
            yield measure(f"{name}[{layer}]", *pair, 0.0, case.name)


def by_complex_step(network: type[Network], case: Case) -> Iterator[Difference]:
    """Yield the gradient's share of random directions against a complex step along them.

    Each direction changes every weight and bias at once, so that a wrong entry cannot hide. The
    step's own rounding, by half as much as the reference's, is granted too.
    """
    allowed, gradient = bounds(case, case.x, case.y), case.gradient(network)
    for k in range(DIRECTIONS):
        rng = np.random.default_rng(k)
        net = case.built(network, Complex128())
        share, room = [], []
        for name, v in named(nabla_b=net.biases, nabla_w=net.weights).items():
            direction = rng.standard_normal(v.shape)
            v += 1j * STEP * direction
            share.append((gradient[name] * direction).ravel())
            room.append(float((allowed[name] * np.abs(direction)).sum()))
        yield measure(
            f"gradient along direction {k}",
            np.array([math.fsum(np.concatenate(share))]),
            np.array([imaginary_cost(net, case) / STEP]),
            1.5 * math.fsum(room),
            f"{case.name}, complex step",
        )


def imaginary_cost(net: Network, case: Case) -> float:
    """Return the imaginary part of the cost of a network of complex parameters."""
    cost: Any = net.cost(case.x, case.y)
    if not np.iscomplexobj(cost):
        raise TypeError(
            f"the cost of complex parameters is complex; received {type(cost).__name__}: "
            "a cast in cost() or in the forward pass drops the imaginary part"
        )
    return float(cost.imag)


def by_digits(network: type[Network], case: Case, entries: Entries) -> Iterator[Difference]:
    """Yield outputs and difference quotients of the cost, in fifty digits, against the reference.

    Source: Nielsen, ch. 1, equations (3) and (6).
    """
    outputs, quotients = in_digits(case, entries)
    ours, allowed = case.built(network), bounds(case, case.x, case.y)
    last, label = f"activations[{len(case.sizes) - 1}]", f"{case.name}, {DIGITS} digits"
    yield measure(last, ours.feedforward(case.x), outputs, allowed[last] / 2, label)
    found = case.gradient(network)
    for name, expected in quotients.items():
        where = tuple(np.array(entries[name]).T)
        yield measure(name, found[name][where], expected, allowed[name][where] / 2 + 1e-30, label)
    if case.x.shape[1] == 1:  # delta is nabla_b of a single example
        for k, delta in enumerate(ours.deltas(case.x, case.y)):
            yield measure(f"deltas[{k}]", delta, found[f"nabla_b[{k}]"], 0.0, label)


def in_digits(case: Case, entries: Entries) -> tuple[Array, dict[str, Array]]:
    """Return what the page of `compare.columns` makes of a case over numbers of fifty digits.

    The outputs, and central difference quotients of the cost by some weights and biases.
    """
    exact = np.frompyfunc(Decimal, 1, 1)  # every float is a decimal number
    exp = np.frompyfunc(Decimal.exp, 1, 1)
    changes = {"kept": lambda _, v: exact(v), "fire": lambda _, z, last: 1 / (1 + exp(-z))}
    page: Any = type("Page", (Columns,), changes)
    net, x, y, quotients = page.of(case), exact(case.x), exact(case.y), {}
    with localcontext(Context(prec=DIGITS)):
        outputs = net.feedforward(x).astype(np.float64)
        layers = named(nabla_b=net.biases, nabla_w=net.weights)
        for name, places in entries.items():
            slopes = np.zeros(len(places))
            for k, (place, v) in enumerate((place, layers[name]) for place in places):
                kept, costs = v[place], []
                for moved in (kept + QUOTIENT_STEP, kept - QUOTIENT_STEP):
                    v[place] = moved
                    costs.append(((net.feedforward(x) - y) ** 2).sum() / 2)
                v[place] = kept
                slopes[k] = (costs[0] - costs[1]) / (2 * QUOTIENT_STEP)
            quotients[name] = slopes
    return outputs, quotients


def cases() -> Iterator[tuple[Case, Entries]]:
    """Yield networks, and the weights and biases by which their cost is differentiated one by one.

    Small ones, initial and saturated, with one example and with three: all of them. 784-20-10 with
    four pixels in five dark, as in MNIST: one weight and bias of every layer, at lit inputs.
    """
    for seed, (sizes, scale, m) in enumerate(itertools.product(SMALL, (1.0, 6.0), (1, 3))):
        kind = "" if scale == 1 else ", saturated"
        name = f"{'-'.join(map(str, sizes))}, m = {m}{kind}"
        case = drawn(name, sizes, scale, m, np.random.default_rng(seed))
        shapes = named(nabla_b=case.biases, nabla_w=case.weights)
        yield case, {name: list(np.ndindex(v.shape)) for name, v in shapes.items()}
    rng = np.random.default_rng(784)
    case = drawn("784-20-10, m = 3", LARGE, 1.0, 3, rng)
    case = replace(case, x=case.x * (rng.random(case.x.shape) < 0.2))
    weights = [[(3, 7 if k else int(np.argmax(case.x[:, 0])))] for k in range(len(case.weights))]
    yield case, named(nabla_w=weights, nabla_b=[[(5, 0)] for _ in case.biases])


def drawn(name: str, sizes: tuple[int, ...], scale: float, m: int, rng: Any) -> Case:
    """Return a case with parameters from N(0, scale^2), pixels byte / 256, and one-hot y."""
    weights = [scale * rng.standard_normal((n, k)) for k, n in itertools.pairwise(sizes)]
    biases = [scale * rng.standard_normal((n, 1)) for n in sizes[1:]]
    x = rng.integers(0, 256, (sizes[0], m)) / 256
    return Case(name, sizes, weights, biases, x, np.eye(sizes[-1])[rng.integers(0, sizes[-1], m)].T)
