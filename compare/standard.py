"""What a candidate is held against: the reference's numbers, and how far rounding may carry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compare.balls import FORMATS, Ball, Bounded, bounds, named, rules_for
from compare.difference import Difference, Unusable, Verdict, measure
from compare.twins import reference_net
from model.parameters import Parameters

Array = NDArray[np.float64]
RATIO_LIMIT = 32.0  # float32: summing 784 terms in another order explains 6; TF32 makes thousands
RATIO_SHARE = 0.5  # of the probabilistic bound: below it a large ratio is the reference's good luck
U32 = FORMATS["float32"][0]


@dataclass(frozen=True)
class Expected:
    """What one tensor should be, and how far rounding may carry it."""

    reference: Array  # in float64 or in fixed-point
    allowed: Array | float = 0.0  # 0.0 asks for the same bits
    probable: Array | None = None  # the same in the probabilistic model (float32)
    peer: Array | None = None  # the reference's in the candidate's own precision (float32)
    values: Array | None = None  # what the power is relative to: of an update, its step

    def measure(self, tensor: str, candidate: Array, case: str) -> Difference:
        """Return how far the candidate's tensor lies from this; raises as `measure` does.

        In float32 the worst case alone is too wide: it allows a narrower format. The probabilistic
        bound is sharper. So is the candidate's error over the reference's own, where the error is
        more than a small part of that bound: below, the reference's own error in the few entries of
        a small tensor may be small by chance.
        """
        found = measure(tensor, candidate, self.reference, self.allowed, case, self.values)
        if self.probable is None or self.peer is None:
            return found
        gap = np.abs(candidate - self.reference)
        share = float((gap / np.maximum(self.probable, np.finfo(np.float64).tiny)).max())
        ratio = error_ratio(candidate, self.peer, self.reference)
        # The smallest relative mistake in an entry that the ratio is certain to catch:
        size = np.abs(self.reference if self.values is None else self.values).max()
        floor = U32 * np.abs(self.reference).max()
        by_ratio = RATIO_LIMIT * (np.abs(self.peer - self.reference).max() + floor)
        most = self.probable.max()
        caught = 2 * min(max(by_ratio, RATIO_SHARE * most), most)
        power = min(found.power, float(caught / size) if size else np.inf)
        found = replace(found, probable_share=share, ratio=ratio, power=power)
        if share > 1 or (ratio > RATIO_LIMIT and share > RATIO_SHARE):
            note = (
                f"{share:.2g} of the probabilistic bound, error {ratio:.3g} times the reference's "
                "in float32"
            )
            return replace(found, verdict=Verdict.DIFFERENT, note=note)
        return found


def error_ratio(candidate: Array, peer: Array, exact: Array) -> float:
    """Return the error of a candidate over that of the reference in float32: about 1 for equals.

    The larger of the ratios of root mean squares and of the largest errors. One unit roundoff of
    the tensor's own size is added to both errors: a reference that happens to be exact, as in
    saturated layers, then gives a finite ratio. Correct implementations of 784-20-10 were seen
    between 0.2 and 3; eleven bits in place of 24, as in TF32, give above 50.
    """
    with np.errstate(over="ignore", under="ignore"):
        error, own, floor = (
            np.array([np.sqrt(np.mean(np.square(v))), np.abs(v).max()])
            for v in (candidate - exact, peer - exact, U32 * exact)
        )
        ratio = np.divide(error + floor, own + floor, out=np.full(2, np.inf), where=own + floor > 0)
    return float(np.where(error == own, 1.0, ratio).max())


class Standard:
    """The reference, built from given parameters, with the bounds of a candidate's precision.

    In float32 the parameters and the inputs must be exact in float32.
    """

    def __init__(self, parameters: Parameters, dtype: str = "float64") -> None:
        self.parameters, self.dtype = parameters, dtype

    def forward(self, x: Array) -> dict[str, Expected]:
        """Return what every z and activation should be, and feedforward, which is the last one."""

        found = self._expected(x)
        return {**found, "feedforward": found[f"activations[{len(self.parameters.weights)}]"]}

    def gradients(self, x: Array, y: Array) -> dict[str, Expected]:
        """Return what every delta, nabla_b and nabla_w should be."""
        return self._expected(x, y)

    def update(self, x: Array, y: Array, eta: float) -> dict[str, Expected]:
        """Return what every new weight and bias should be after one step."""
        return self._expected(x, y, eta)

    def step(self, x: Array, y: Array, eta: float) -> dict[str, Expected]:
        """Return what everything should be that one step computes."""
        found = self._expected(x, y, eta, whole=True)
        return {**found, "feedforward": found[f"activations[{len(self.parameters.weights)}]"]}

    def bound_of_step(self, x: Array, y: Array, eta: float) -> float:
        """Return how far two correct steps may lead any parameter, without taking one."""
        p = self.parameters
        found = bounds(p, x, y, eta, rules_for(self.dtype, p.sizes, x.shape[1]))
        return max(float(v.max()) for name, v in found.items() if name.startswith("new"))

    def held(self, x: Array, held: Sequence[tuple[int, float]]) -> Expected:
        """Return what the outputs should be while one neuron after the other is held at a value."""
        p, fixed = self.parameters, self.dtype == "fixed-point"
        net = reference_net(p, self.dtype if fixed else "float64")
        right = np.array([net.held(x, neuron, value) for neuron, value in held])
        if fixed:
            return Expected(right)
        page = Bounded.of(p)
        hidden = page.trace(Ball(rules_for(self.dtype, p.sizes, x.shape[1]), x))[1][1]
        balls = (page.onward(page.fixed(hidden, neuron, value)) for neuron, value in held)
        return Expected(right, np.array([2 * ball.error for ball in balls]))

    def start(self) -> dict[str, Expected]:
        """Return what a candidate should export first: the same bits, in fixed-point on a grid."""
        weights, biases = reference_net(self.parameters, self.dtype).export()
        return {name: Expected(v) for name, v in named(weights=weights, biases=biases).items()}

    def _expected(
        self, x: Array, y: Array | None = None, eta: float | None = None, whole: bool = False
    ) -> dict[str, Expected]:
        def run(net: Any) -> dict[str, Array]:  # in causal order
            found: dict[str, Array] = {}
            if whole or y is None:
                zs, activations = net.trace(x)
                found |= named(activations=activations, zs=zs)
            if whole or (y is not None and eta is None):
                nabla_b, nabla_w = net.backprop(x, y)
                back = named(nabla_w=nabla_w, nabla_b=nabla_b, deltas=net.deltas(x, y))
                found |= dict(reversed(back.items()))
            if eta is not None:
                net.update_mini_batch(x, y, eta)
                found |= after_step(*net.export())
            return found

        p, dtype = self.parameters, self.dtype
        exact = run(reference_net(p, "float64" if dtype == "float32" else dtype))
        allowed: dict[str, Any] = dict.fromkeys(exact, 0.0)
        probable: dict[str, Any] = {}
        peers: dict[str, Any] = {}
        if dtype != "fixed-point":
            allowed = bounds(p, x, y, eta, rules_for(dtype, p.sizes, x.shape[1]))
        if dtype == "float32":
            probable = bounds(p, x, y, eta, rules_for(dtype, p.sizes, x.shape[1], True))
            peers = run(reference_net(p, "float32"))
        old = after_step(p.weights, p.biases)
        found = {}
        for name, v in exact.items():
            peer = np.asarray(peers[name], dtype=np.float64) if peers else None
            step = v - old[name] if name in old else None
            found[name] = Expected(v, allowed[name], probable.get(name), peer, step)
        return found


def after_step(weights: Any, biases: Any) -> dict[str, Array]:
    """Return weights and biases by the names that they have after a step."""
    return named(new_weights=weights, new_biases=biases)


def undecided(outputs: Array, allowed: Array | float) -> NDArray[np.bool_]:
    """Return for which images (..., outputs, images) rounding may choose the digit.

    A margin above twice what is allowed of each output leaves rounding no choice.
    """
    second, first = np.moveaxis(np.sort(outputs, axis=-2), -2, 0)[-2:]
    most = np.broadcast_to(allowed, outputs.shape).max(axis=-2)
    return np.asarray(first - second <= 2 * most)


def could_change(outputs: Expected) -> int:
    """Return how many digits rounding could change: in fixed-point, and of one output, none."""
    if len(outputs.reference) < 2 or not np.any(outputs.allowed):
        return 0
    return int(np.sum(undecided(outputs.reference, outputs.allowed)))


def counted(outputs: Array, labels: NDArray[np.int64], open_ones: int) -> Expected:
    """Return how many images evaluate should count as read right."""
    right = np.array([float(np.sum(outputs.argmax(axis=0) == labels))])
    return Expected(right, float(open_ones), values=np.array([float(len(labels))]))


def measured(
    case: str, expected: Mapping[str, Expected], found: Mapping[str, Array]
) -> list[Difference]:
    """Measure every tensor that was found against what was expected, in causal order."""
    unknown = set(found) - set(expected)
    if unknown or not found:
        what = ", ".join(sorted(unknown)) or "anything: nothing was found"
        raise Unusable(f"{case}: nothing to hold {what} against")
    return [expected[name].measure(name, found[name], case) for name in expected if name in found]
