"""Link "training": is every step of a whole training run the same?

One candidate lives through the run. At every step its new weights and biases are held against the
reference's step from where the candidate itself stood, so that what a step should not remember
(momentum, a stale cache, a counter) is seen in the first step that it changes. A difference within
one rounding of the new value is within every bound; a larger one, and every fiftieth in any case,
is measured against its own bound. Beside it runs the reference, left free: how the two part is a
finding (`compare.divergence`), and is held against how the page of `compare.columns`, correct too,
parts from the reference. `train` is then held against the candidate's own steps; and in fixed-point
arithmetic, where nothing is rounded that summation could change, fingerprints must be equal.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compare.balls import FORMATS
from compare.child import Host
from compare.columns import Columns
from compare.difference import NotOffered
from compare.divergence import CALM, EVERY, LEFT_ROUNDING, PARTED, described, draw, in_words
from compare.material import Batch, Material, changed
from compare.standard import Expected, Standard, after_step
from compare.trial import Trial
from compare.twins import reference_net
from model.parameters import Parameters

Array = NDArray[np.float64]
Tensors = dict[str, Array]
Item = tuple[str, dict[str, Expected], Tensors]
ARITHMETICS = ("float64", "float32", "fixed-point")
# How many times further from the reference than our own correct variant a candidate may have come:
# what separates their rounding errors, grown alike.
FURTHER = 1000.0
SPREAD = 8.0  # of how a perturbation grows along other directions than the one that was measured


def training(host: Host, material: Material, notes: dict[str, Any]) -> Iterator[Item]:
    """every step of a training run is the same"""
    trial = Trial(host, material.initial)
    if not trial.offers("update_mini_batch"):
        raise NotOffered("update_mini_batch")
    told: list[str] = []
    runs = []
    etas = [(material.eta, material.steps)]
    if material.dtype != "fixed-point" and material.eta > CALM:
        etas.append((CALM, max(1, material.steps // 2)))
    for eta, steps in etas:
        walk = Walk(host, material, eta)
        for step in range(steps):
            yield from walk.step(step, last=step == steps - 1)
        runs.append(walk.described())
        told.append(f"every one of {steps:,} steps at eta {eta:g} is within its bound")
    if material.dtype != "fixed-point":
        told += [in_words(run) for run in runs]
        notes |= {"parted": runs[0]["parted_at"] is not None, "free": {"runs": runs}}
        if material.divergence is not None and len(runs) > 1:
            draw(runs, material.divergence)
    notes["steps"] = dict((f"eta {eta:g}", steps) for eta, steps in etas)
    if trial.offers("train"):
        for arithmetic in ARITHMETICS:
            yield from in_arithmetic(host, material, arithmetic, notes, told)
    else:
        notes["not_offered"] = ["train"]
    notes["sentence"] = "; ".join(told)


class Walk:
    """One candidate that takes every step of a run, the reference from where it stood, and free."""

    def __init__(self, host: Host, material: Material, eta: float) -> None:
        self.material, self.eta, start = material, eta, material.initial
        self.trial = Trial(host, start)
        self.here = Parameters(start.sizes, *self.trial.export())
        self.beside = reference_net(start, "fixed-point" if material.dtype == "fixed-point" else "float64")
        self.free = reference_net(start, material.dtype)
        self.variant = variant(start, material.dtype)
        self.gaps: list[float] = []
        self.own_gap = 0.0
        self.steps: list[int] = []

    def step(self, step: int, last: bool) -> Iterator[Item]:
        """Take a step with all, and yield what is to be measured of it."""
        x, y = self.material.mini_batch(step)
        before = self.here
        self.trial.update_mini_batch(x, y, self.eta)
        weights, biases = self.trial.export()
        self.here = Parameters(before.sizes, weights, biases)
        looked_at = last or step % EVERY == 0
        case = f"left to itself, eta {self.eta:g}, step {step + 1:,}"
        if looked_at or not self._as_near_as_can_be(before, (x, y)):
            expected = Standard(before, self.material.dtype).update(x, y, self.eta)
            yield case, expected, after_step(weights, biases)
        if self.material.dtype == "fixed-point":
            return
        self.free.update_mini_batch(x, y, self.eta)
        self.variant.update_mini_batch(x, y, self.eta)
        if looked_at:
            yield f"{case}, from the reference left free", *self._distance(step)

    def _as_near_as_can_be(self, before: Parameters, batch: Batch) -> bool:
        """Return whether no entry is further than one rounding of its value from the reference's.

        The bound of a step ends in that rounding, by (8) of `compare.balls`: none is smaller.
        """
        net = self.beside.net
        for v, w in zip([*net.weights, *net.biases], both(before), strict=True):
            v[...] = w
        self.beside.update_mini_batch(*batch, self.eta)
        ours = [*net.weights, *net.biases]
        if self.material.dtype == "fixed-point":
            return all(np.array_equal(v, w) for v, w in zip(both(self.here), ours, strict=True))
        u = 2 * FORMATS[self.material.dtype][0]
        return all(
            (np.abs(v - w) <= u * np.abs(w)).all()
            for v, w in zip(both(self.here), ours, strict=True)
        )

    def _distance(self, step: int) -> tuple[dict[str, Expected], Tensors]:
        """Return how far the candidate may have come from the reference, and how far it has."""
        free = self.free.export()
        self.own_gap = max(self.own_gap, gap(self.variant.export(), free))
        distance = gap((self.here.weights, self.here.biases), free)
        self.gaps.append(distance)
        self.steps.append(step + 1)
        allowed = LEFT_ROUNDING[self.material.dtype] / 10 + FURTHER * self.own_gap
        if allowed > PARTED[self.material.dtype]:
            allowed = float(np.finfo(np.float64).max)  # two correct ones are as far apart
        one = np.array([1.0])
        return {"distance": Expected(0 * one, allowed, values=one)}, {"distance": distance * one}

    def described(self) -> dict[str, Any]:
        """Return how the two parted."""
        if not self.gaps:
            return {"parted_at": None}
        per_epoch = len(self.material.images) // self.material.mini_batch_size
        found = described(self.eta, self.steps, self.gaps, self.material.dtype)
        return {**found, "steps_in_an_epoch": per_epoch}


def both(parameters: Parameters) -> list[Array]:
    return [*parameters.weights, *parameters.biases]


def gap(one: Any, other: Any) -> float:
    """Return the largest difference of any weight or bias."""
    pairs = zip([*one[0], *one[1]], [*other[0], *other[1]], strict=True)
    return max(float(np.abs(np.asarray(v, dtype=np.float64) - w).max()) for v, w in pairs)


def variant(parameters: Parameters, dtype: str) -> Columns:
    """Return the page of `compare.columns` in a candidate's format: correct, with other rounding."""
    numbers = np.float32 if dtype == "float32" else np.float64

    def cast(net: Columns, x: Array) -> Any:
        return np.asarray(x, dtype=numbers)

    changes = {"kept": lambda net, v: np.array(v, dtype=numbers), "seen": cast}
    made: Any = type("Variant", (Columns,), changes)
    return made(list(parameters.sizes), list(parameters.weights), list(parameters.biases))


# An epoch: train against the candidate's own steps.


def in_arithmetic(
    host: Host, material: Material, arithmetic: str, notes: dict[str, Any], told: list[str]
) -> Iterator[Item]:
    """Yield epochs in one arithmetic, where the candidate offers it."""
    own = arithmetic == material.dtype
    material = material.for_dtype(arithmetic)
    try:
        if not Trial(host, material.initial, arithmetic).offers("train"):
            raise NotOffered("train")
    except NotOffered:
        notes.setdefault("not_offered", []).append(f"training in {arithmetic}")
        return
    m, crowd = material.mini_batch_size, material.crowd
    cases = [(2 * m + m // 2 + 1, m, 3), (crowd, 33, 2), (7, 1, 1), (5, 2, 1)]
    if material.throng and (own or not material.quick):
        cases.append((material.throng, crowd, 1))
    for examples, size, epochs in cases:
        yield from epochs_of(host, material, arithmetic, (examples, size, epochs))
    told.append(f"in {arithmetic} train is the steps of its mini-batches, in the order given")
    if arithmetic == "fixed-point" and material.epochs:
        yield from fingerprints(host, material, notes, told)


def epochs_of(
    host: Host, material: Material, arithmetic: str, sizes: tuple[int, int, int]
) -> Iterator[Item]:
    """Yield where `train` leads after each of some calls, against the candidate's own steps.

    What two correct ways may differ by is the sum of their steps' bounds, times what becomes of a
    small difference on the way: that is measured on the reference.
    """
    examples, size, epochs = sizes
    start = material.initial
    whole, steps = (Trial(host, start, arithmetic) for _ in range(2))
    x, y = material.batch(np.arange(examples))
    rng = np.random.default_rng(material.seed)
    slack = Slack(start, arithmetic)
    eta = CALM if size > material.mini_batch_size else material.eta
    for epoch in range(epochs):
        order = rng.permutation(examples)
        whole.train(x, y, order, size, eta)
        for k in range(0, examples, size):
            batch = x[:, order[k : k + size]], y[:, order[k : k + size]]
            steps.update_mini_batch(*batch, eta)
            slack.step(*batch, eta)
        own = after_step(*steps.export())
        old = after_step(start.weights, start.biases)
        allowed = 0.0 if arithmetic == "fixed-point" else slack.allowed()
        expected = {name: Expected(v, allowed, values=v - old[name]) for name, v in own.items()}
        case = f"train in {arithmetic}, {examples:,} examples in mini-batches of {size}"
        yield f"{case}, epoch {epoch + 1}", expected, after_step(*whole.export())


class Slack:
    """How far two correct ways through the same steps may lead, in floating point."""

    def __init__(self, start: Parameters, dtype: str) -> None:
        self.dtype, self.nudge, self.bounds = dtype, 1e-6, 0.0
        rng = np.random.default_rng(0)
        nudged = changed(start, lambda v: v + self.nudge * rng.choice([-1.0, 1.0], v.shape))
        self.nets = [reference_net(p) for p in (start, nudged)] if dtype != "fixed-point" else []

    def step(self, x: Array, y: Array, eta: float) -> None:
        """Take a step from both places, and add its bound."""
        if not self.nets:
            return
        here = Parameters(self.nets[0].net.sizes, *self.nets[0].export())
        exact = changed(here, lambda v: v.astype(np.float32).astype(np.float64))
        place = exact if self.dtype == "float32" else here
        bound = Standard(place, self.dtype).bounds_of_step(x, y, eta)
        self.bounds += max(float(v.max()) for v in bound.values())
        for net in self.nets:
            net.update_mini_batch(x, y, eta)

    def allowed(self) -> float:
        """Return the sum of the bounds, grown as a small difference grew on the way."""
        grown = gap(*(net.export() for net in self.nets)) / self.nudge
        return SPREAD * max(1.0, grown) * self.bounds


def fingerprints(
    host: Host, material: Material, notes: dict[str, Any], told: list[str]
) -> Iterator[Item]:
    """Yield every weight and bias after each epoch of training in fixed-point, to be the same."""
    theirs = Trial(host, material.initial, "fixed-point")
    ours = reference_net(material.initial, "fixed-point")
    x, y = material.batch(slice(None))
    prints = []
    for epoch in range(material.epochs):
        order, size = material.order(epoch), material.mini_batch_size
        theirs.train(x, y, order, size, material.eta)
        ours.train(x, y, order, size, material.eta)
        right, found = ours.export(), theirs.export()
        pair = [Parameters(material.sizes, *v).fingerprint for v in (right, found)]
        prints.append({"epoch": epoch + 1, "reference": pair[0], "candidate": pair[1]})
        expected = {name: Expected(v) for name, v in after_step(*right).items()}
        yield f"fixed-point, after epoch {epoch + 1}", expected, after_step(*found)
    notes["fingerprints"] = prints
    epochs = "an epoch" if len(prints) == 1 else f"each of {len(prints)} epochs"
    told.append(
        f"in fixed-point the fingerprints are equal after {epochs} of {x.shape[1]:,} examples"
    )

