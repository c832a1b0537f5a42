"""Who proves the reference? Three witnesses that share no formula with its backpropagation.

- A network worked by hand: 2-2-2, chosen so that every number is exact in binary.
- Complex-step differentiation of the reference's own cost. For an analytic cost C of a real
  parameter w, ``C(w + i h) = C(w) + i h C'(w) - h^2 C''(w) / 2 - ...``, so ``C'(w)`` is
  ``Im C(w + i h) / h`` to within h^2: nothing is subtracted, nothing cancels, and h can be so
  small that the derivative is right to the last bits of float64. (Squire and Trapp, *Using
  complex variables to estimate derivatives of real functions*, SIAM Review 40(1), 1998.) By every
  parameter of small nets, and by random directions for 784-20-10.
- The cost written a second time, from the book's equations (3) and (6), in 50-digit arithmetic,
  and its difference quotient. A cost and a gradient that were wrong together are found here.

Allowed against the 50 digits is half of what `compare.rounding` allows two implementations: one
implementation is within half of it of the exact value. A complex step has the same products and
sums as backpropagation, taken from the first layer to the last; a complex product whose imaginary
part is as small as h rounds at most twice as often as a real one. So it is within twice that
half, and the two are within one and a half of the bound.
"""

from __future__ import annotations

import functools
import itertools
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compare.difference import Difference, Link, Untried, Verdict, measure, summary
from compare.evidence import Evidence
from compare.fifty_digits import DIGITS, Digits
from compare.material import Material
from compare.rounding import forward_bounds, gradient_bounds
from reference.arithmetic import Float64
from reference.network import Network

Array = NDArray[np.float64]
Arrays = list[Array]

NAME = "reference"
STEP = 1e-100  # h: its square is far below the last bit of every number here
SMALL = ((2, 2, 1), (3, 4, 2), (4, 3, 3, 2))
LARGE = (784, 20, 10)
DIRECTIONS = 4


class Complex128(Float64):
    """Complex double precision, in which the reference differentiates its own cost."""

    name = "complex128"
    dtype = np.complex128  # type: ignore[assignment]


@dataclass(frozen=True)
class Case:
    """A network, a mini-batch, and what the two are called.

    Parameters
    ----------
    name : str
    sizes : tuple of int
    weights : list of ndarray (sizes[l + 1], sizes[l])
    biases : list of ndarray (sizes[l + 1], 1)
    x : ndarray (sizes[0], m)
    y : ndarray (sizes[-1], m)
    """

    name: str
    sizes: tuple[int, ...]
    weights: Arrays
    biases: Arrays
    x: Array
    y: Array


def gather(candidate: type, material: Material, evidence: Evidence) -> str:
    """Hold the reference itself against its witnesses: it is what every candidate is held against.

    Parameters
    ----------
    candidate : class
    material : Material
        Neither has a part in it.
    evidence : Evidence
        Gets the differences.

    Returns
    -------
    str
        The finding in words.

    Raises
    ------
    Untried
        mpmath is not installed.
    """
    try:
        found = prove_reference()
    except ImportError as error:
        raise Untried(f"the witness in many digits is missing: {error}") from error
    evidence.differences += found.differences
    return found.sentence


def prove_reference(network: type[Network] = Network) -> Link:
    """Return what the three witnesses say of the reference.

    Parameters
    ----------
    network : type
        The reference's `Network`, or a class derived from it.

    Raises
    ------
    TypeError
        When the cost of complex parameters is not complex.
    Refused, Unusable
        When the reference returns what cannot be compared.
    """
    start = time.perf_counter()
    differences = tuple(comparisons(network))
    verdict = summary(differences)
    link = Link(NAME, verdict, "", differences, time.perf_counter() - start)
    return replace(link, sentence=sentence(link))


def sentence(link: Link) -> str:
    """Return the finding of the link in words.

    Parameters
    ----------
    link : Link
    """
    if link.verdict is not Verdict.DIFFERENT:
        return (
            "its gradient is that of its own cost by complex step, and of the book's cost in "
            f"{DIGITS} digits, and a network worked by hand comes out exactly"
        )
    first = link.broken[0]
    return (
        f"{first.place} of {first.case}: the reference has {first.candidate!r}, "
        f"the witness {first.reference!r}"
    )


def comparisons(network: type[Network] = Network) -> Iterator[Difference]:
    """Yield every comparison of the reference with its three witnesses.

    In each Difference the candidate is the reference, and the reference is the witness.

    Parameters
    ----------
    network : type
    """
    yield from by_hand(network)
    for case in small_cases():
        yield from by_complex_step(network, case)
        yield from by_digits(network, case)
    large = large_case()
    yield from by_directions(network, large)
    yield from by_digits(network, large, handful(large))


# A network worked by hand.


def by_hand(network: type[Network] = Network) -> Iterator[Difference]:
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

    Parameters
    ----------
    network : type
    """
    w = [np.array([[2.0, -1.0], [1.0, 0.0]]), np.array([[3.0, 1.0], [-1.0, 2.0]])]
    b = [np.array([[0.0], [-1.0]]), np.array([[-2.0], [-0.5]])]
    case = Case("2-2-2", (2, 2, 2), w, b, np.array([[1.0], [2.0]]), np.array([[0.0], [1.0]]))
    nabla_w = [np.array([[4.0, 8.0], [-1.0, -2.0]]) / 32, np.array([[1.0, 1.0], [-1.0, -1.0]]) / 16]
    nabla_b = [np.array([[4.0], [-1.0]]) / 32, np.array([[1.0], [-1.0]]) / 8]
    net = built(network, case)
    new = built(network, case)
    new.update_mini_batch((np.repeat(case.x, 4, 1), np.repeat(case.y, 4, 1)), 2.0)
    half = np.full((2, 1), 0.5)
    lists = (
        ("activations", net.trace(case.x)[1][1:], [half, half]),
        ("cost", [np.array([net.cost(case.x, case.y)])], [np.array([0.25])]),
        ("deltas", net.deltas(case.x, case.y), nabla_b),
        ("nabla_b", net.backprop(case.x, case.y)[0], nabla_b),
        ("nabla_w", net.backprop(case.x, case.y)[1], nabla_w),
        ("new_weights", new.weights, [v - 2 * n for v, n in zip(w, nabla_w, strict=True)]),
        ("new_biases", new.biases, [v - 2 * n for v, n in zip(b, nabla_b, strict=True)]),
    )
    for name, received, expected in lists:
        nothing = [np.zeros(v.shape) for v in expected]
        yield from each(name, case, "by hand", received, expected, nothing)


# Complex step.


def by_complex_step(network: type[Network], case: Case) -> Iterator[Difference]:
    """Yield nabla_b and nabla_w against the complex step by every weight and bias.

    Parameters
    ----------
    network : type
    case : Case
    """
    bounds = gradient_bounds(case.weights, case.biases, case.x, case.y)
    net = built(network, case)
    nabla_b, nabla_w = net.backprop(case.x, case.y)
    step_b, step_w = complex_step(network, case)
    lists = [
        ("nabla_b", nabla_b, step_b, bounds.nabla_b),
        ("nabla_w", nabla_w, step_w, bounds.nabla_w),
    ]
    if case.x.shape[1] == 1:  # delta is the derivative by the bias of a single example
        lists.append(("deltas", net.deltas(case.x, case.y), step_b, bounds.nabla_b))
    for name, received, expected, bound in lists:
        allowed = [1.5 * v for v in bound]
        yield from each(name, case, "complex step", received, expected, allowed)


def complex_step(network: type[Network], case: Case) -> tuple[Arrays, Arrays]:
    """Return the gradient of the reference's cost, by a complex step in every weight and bias.

    Parameters
    ----------
    network : type
    case : Case

    Returns
    -------
    nabla_b : list of ndarray (sizes[l + 1], 1)
    nabla_w : list of ndarray (sizes[l + 1], sizes[l])

    Raises
    ------
    TypeError
        When the cost drops the imaginary part.

    Source
    ------
    Squire and Trapp 1998.
    """
    net = built(network, case, Complex128())
    gradients = [[np.zeros(v.shape) for v in part] for part in (case.biases, case.weights)]
    for part, gradient in zip((net.biases, net.weights), gradients, strict=True):
        for v, g in zip(part, gradient, strict=True):
            for entry in np.ndindex(v.shape):
                kept = v[entry]
                v[entry] = kept + 1j * STEP
                g[entry] = imaginary_cost(net, case) / STEP
                v[entry] = kept
    return gradients[0], gradients[1]


def by_directions(network: type[Network], case: Case) -> Iterator[Difference]:
    """Yield the gradient's share of random directions against a complex step along them.

    Each direction changes every weight and bias at once, so that a wrong entry cannot hide.

    Parameters
    ----------
    network : type
    case : Case
    """
    bounds = gradient_bounds(case.weights, case.biases, case.x, case.y)
    nabla_b, nabla_w = built(network, case).backprop(case.x, case.y)
    gradient, bound = flat([*nabla_b, *nabla_w]), flat([*bounds.nabla_b, *bounds.nabla_w])
    for k in range(DIRECTIONS):
        direction = np.random.default_rng(k).standard_normal(gradient.size)
        net = built(network, case, Complex128())
        parts = np.split(direction, np.cumsum([v.size for v in [*net.biases, *net.weights]])[:-1])
        for v, part in zip([*net.biases, *net.weights], parts, strict=True):
            v += 1j * STEP * part.reshape(v.shape)
        yield measure(
            f"gradient along direction {k}",
            np.array([math.fsum(gradient * direction)]),
            np.array([imaginary_cost(net, case) / STEP]),
            1.5 * math.fsum(bound * np.abs(direction)),
            f"{case.name}, complex step",
        )


def imaginary_cost(net: Network, case: Case) -> float:
    """Return the imaginary part of the reference's cost.

    Parameters
    ----------
    net : Network
        With complex weights or biases.
    case : Case
        Its mini-batch.
    """
    cost: Any = net.cost(case.x, case.y)
    if not np.iscomplexobj(cost):
        raise TypeError(
            f"the cost of complex parameters is complex; received {type(cost).__name__}: "
            "a cast in cost() or in the forward pass drops the imaginary part"
        )
    return float(cost.imag)


# Fifty digits.


def by_digits(
    network: type[Network], case: Case, entries: Sequence[tuple[str, int, tuple[int, ...]]] = ()
) -> Iterator[Difference]:
    """Yield the outputs, the cost's gradient, in 50-digit arithmetic, against the reference's.

    Parameters
    ----------
    network : type
    case : Case
    entries : sequence of (name, layer, index), optional
        The entries of nabla_w and nabla_b to differentiate by; every one if not given.

    Source
    ------
    Nielsen, ch. 1, equations (3) and (6).
    """
    exact = Digits(case.weights, case.biases, case.x, case.y)
    net = built(network, case)
    outputs = np.array([[float(a) for a in column] for column in exact.outputs()]).T
    allowed = forward_bounds(case.weights, case.biases, case.x).activations[-1] / 2
    name, label = f"activations[{len(case.sizes) - 1}]", f"{case.name}, {DIGITS} digits"
    yield measure(name, net.feedforward(case.x), outputs, allowed, label)
    bounds = gradient_bounds(case.weights, case.biases, case.x, case.y)
    nabla_b, nabla_w = net.backprop(case.x, case.y)
    nablas = {"nabla_b": (nabla_b, bounds.nabla_b), "nabla_w": (nabla_w, bounds.nabla_w)}
    by_tensor = itertools.groupby(entries or every_entry(case), key=lambda entry: entry[:2])
    for (name, layer), group in by_tensor:
        where = tuple(np.array([index for _, _, index in group]).T)
        expected = [exact.quotient(name, layer, tuple(index)) for index in zip(*where, strict=True)]
        received, bound = (part[layer][where] for part in nablas[name])
        yield measure(f"{name}[{layer}]", received, np.array(expected), bound / 2 + 1e-30, label)


# The cases.


def small_cases() -> Iterator[Case]:
    """Yield the small networks, initial and saturated, with one example and with three."""
    for seed, (sizes, scale, m) in enumerate(itertools.product(SMALL, (1.0, 6.0), (1, 3))):
        rng = np.random.default_rng(seed)
        kind = "" if scale == 1 else ", saturated"
        yield drawn(f"{'-'.join(map(str, sizes))}, m = {m}{kind}", sizes, scale, m, rng)


@functools.cache
def large_case() -> Case:
    """Return 784-20-10 with a mini-batch of three, four pixels in five dark as in MNIST."""
    rng = np.random.default_rng(784)
    case = drawn("784-20-10, m = 3", LARGE, 1.0, 3, rng)
    lit = rng.random(case.x.shape) < 0.2
    return Case(case.name, LARGE, case.weights, case.biases, case.x * lit, case.y)


def drawn(
    name: str, sizes: tuple[int, ...], scale: float, m: int, rng: np.random.Generator
) -> Case:
    """Return a case with parameters from N(0, scale^2), pixels byte / 256, and one-hot y.

    Parameters
    ----------
    name : str
    sizes : tuple of int
    scale : float
    m : int
        Examples.
    rng : numpy.random.Generator
    """
    weights = [
        scale * rng.standard_normal((n_out, n_in)) for n_in, n_out in itertools.pairwise(sizes)
    ]
    biases = [scale * rng.standard_normal((n, 1)) for n in sizes[1:]]
    x = rng.integers(0, 256, (sizes[0], m)) / 256
    return Case(name, sizes, weights, biases, x, np.eye(sizes[-1])[rng.integers(0, sizes[-1], m)].T)


def every_entry(case: Case) -> list[tuple[str, int, tuple[int, ...]]]:
    """Return name, layer and index of every weight and bias.

    Parameters
    ----------
    case : Case
    """
    return [
        (name, layer, index)
        for name, part in (("nabla_b", case.biases), ("nabla_w", case.weights))
        for layer, v in enumerate(part)
        for index in np.ndindex(v.shape)
    ]


def handful(case: Case) -> list[tuple[str, int, tuple[int, ...]]]:
    """Return name, layer and index of one weight and bias of every layer, at lit inputs.

    Parameters
    ----------
    case : Case
    """
    pixel = int(np.argmax(case.x[:, 0]))
    weights = [("nabla_w", layer, (3, 7 if layer else pixel)) for layer in range(len(case.weights))]
    return [*weights, *(("nabla_b", layer, (5, 0)) for layer in range(len(case.biases)))]


def built(network: type[Network], case: Case, arithmetic: Float64 | None = None) -> Network:
    """Return the reference with the parameters of a case.

    Parameters
    ----------
    network : type
    case : Case
    arithmetic : Float64, optional
    """
    return network.from_parameters(case, arithmetic or Float64())


def each(
    name: str, case: Case, witness: str, received: Arrays, expected: Arrays, allowed: Arrays
) -> Iterator[Difference]:
    """Yield the comparisons of two lists of tensors, layer by layer.

    Parameters
    ----------
    name : str
    case : Case
    witness : str
    received, expected, allowed : list of ndarray, each of the same shape
    """
    for layer, (ours, theirs, bound) in enumerate(zip(received, expected, allowed, strict=True)):
        yield measure(f"{name}[{layer}]", ours, theirs, bound, f"{case.name}, {witness}")


def flat(arrays: Arrays) -> Array:
    """Return the entries of all arrays, one after the other.

    Parameters
    ----------
    arrays : list of ndarray
    """
    return np.concatenate([np.ravel(v) for v in arrays])
