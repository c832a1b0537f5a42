"""Link "training": is every step of a whole training run the same?

One candidate lives through the run. At every step its new weights and biases are held against the
reference's step from where the candidate itself stood, so that what a step should not remember
(momentum, a stale cache, a counter) is seen in the first step that it changes. Beside it runs the
reference, left free: how the two part is a finding (`compare.divergence`). `train` is then held
against the reference's steps; and in fixed-point arithmetic, where nothing is rounded that
summation could change, fingerprints must be equal.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compare.balls import FORMATS
from compare.calls import in_every_order
from compare.candidates import DTYPES
from compare.difference import Difference, NotOffered
from compare.divergence import CALM, EVERY, LEFT_ROUNDING, PARTED, described, draw, in_words
from compare.host import Host
from compare.material import Material, changed, in_float32
from compare.standard import Expected, Standard, after_step
from compare.trial import Trial
from compare.twins import reference_net
from model.parameters import Parameters

Array = NDArray[np.float64]
Tensors = dict[str, Array]
Item = Difference | tuple[str, dict[str, Expected], Tensors]
Epoch = tuple[Array, Array, int, float]  # x, y, examples in a mini-batch, eta
# How many times further a candidate may come than the reference from a start one rounding away:
# roundings come anew in every step.
FURTHER = 1000.0
NUDGE = 1e-6  # a small difference, whose growth is measured
LITTLE = {"float64": 2.0**-30, "float32": 2.0**-16}  # of an output, left to learn
SIZES = 64  # mini-batches of 1 to so many examples are tried, four times as many where not quick
SPREAD = 8.0  # of its growth along other directions than the one that was measured


def training(host: Host, material: Material, notes: dict[str, Any]) -> Iterator[Item]:
    """every step of a training run is the same"""
    trial = Trial(host, material.initial)
    if not trial.offers("update_mini_batch"):
        raise NotOffered(trial.missing("update_mini_batch"))
    told: list[str] = []
    runs: list[dict[str, Any]] = []
    floating = material.dtype != "fixed-point"
    etas = {material.eta: material.steps}
    if floating:
        etas.setdefault(CALM, -(-3 * material.steps // 5))
    for eta, steps in etas.items():
        yield from walk(host, material, eta, steps, runs)
        told.append(f"every one of {steps:,} steps in a row at eta {eta:g} is within its bound")
        notes.setdefault("followed", []).append({"eta": eta, "steps": steps})
    yield from of_every_size(host, material, told)
    if floating:
        told += [in_words(run) for run in runs]
        notes |= {"parted": runs[0]["parted_at"] is not None, "free": {"runs": runs}}
        if material.divergence is not None:
            draw(runs, material.divergence)
    if trial.offers("train"):
        for arithmetic in DTYPES if floating else ("fixed-point",):
            yield from in_arithmetic(host, material, arithmetic, notes, told)
    else:
        notes["not_offered"] = [trial.missing("train")]
    yield from in_every_order(host, material)
    notes["sentence"] = "; ".join(told)


def walk(
    host: Host, material: Material, eta: float, steps: int, runs: list[dict[str, Any]]
) -> Iterator[Item]:
    """Yield every step of one candidate, from where it stood; note how it and a free one part.

    It may be no further from the reference left free than what became of a single rounding of every
    initial weight of the reference itself, but for a factor. Where two correct ones are two
    networks, nothing is held.
    """
    start, dtype, trial = material.initial, material.dtype, Trial(host, material.initial)
    here = Parameters(start.sizes, *trial.export())
    u = FORMATS.get(dtype, FORMATS["float64"])[0]
    free, other = (reference_net(p, dtype) for p in (start, nudged(start, 2 * u)))
    own_gap, one = 0.0, np.ones(1)
    seen: list[int] = []
    gaps: list[float] = []
    for step in range(steps):
        x, y = material.mini_batch(step)
        case = f"left free, eta {eta:g}, step {step + 1:,}"
        here = yield from stepped(case, host, trial, here, x, y, eta)
        if dtype == "fixed-point":
            continue
        for net in (free, other):
            net.update_mini_batch(x, y, eta)
        if step % EVERY and step < steps - 1:
            continue
        own_gap = max(own_gap, gap(other.export(), free.export()))
        seen.append(step + 1)
        gaps.append(gap((here.weights, here.biases), free.export()))
        allowed = LEFT_ROUNDING[dtype] / 10 + FURTHER * own_gap
        if allowed <= PARTED[dtype]:
            expected = {"distance": Expected(0 * one, allowed, values=one)}
            yield case, expected, {"distance": gaps[-1] * one}
    if gaps:
        runs.append(described(host.label, eta, seen, gaps, dtype))
        runs[-1]["steps_in_an_epoch"] = len(material.images) // material.mini_batch_size


def stepped(
    case: str, host: Host, trial: Trial, here: Parameters, x: Array, y: Array, eta: float
) -> Generator[Item, None, Parameters]:
    """Yield the candidate's step from where it stands, and return where it stands then."""
    found = host.beside(partial(trial.step, x, y, eta))
    expected = Standard(here, trial.dtype).update(x, y, eta)
    weights, biases = found()
    yield case, expected, after_step(weights, biases)
    return Parameters(here.sizes, weights, biases)


def of_every_size(host: Host, material: Material, told: list[str]) -> Iterator[Item]:
    """Yield all of one candidate's steps on mini-batches of every size, each with another eta."""
    trial, rng = Trial(host, material.initial), np.random.default_rng(material.seed)
    here = Parameters(material.sizes, *trial.export())
    largest = min(SIZES if material.quick else 4 * SIZES, material.steps, material.most)
    room = min(material.crowd, material.most)
    others = [m for m in (128, 256, material.sizes[0], 1024) if m <= room]
    for size in (*rng.permutation(largest) + 1, *others):
        x, y = material.batch(rng.integers(len(material.images), size=size))
        eta = float(f"{10.0 ** rng.uniform(-2, 1):.6g}")
        found = host.beside(partial(trial.whole_step, x, y, eta))
        expected = Standard(here, trial.dtype).step(x, y, eta)
        answer, new = found()
        yield f"one after the other, a mini-batch of {size} at eta {eta:g}", expected, answer
        here = Parameters(here.sizes, *new)
    told.append(f"so is one on a mini-batch of every size to {largest}, each at another eta")


def all_but_learnt(here: Parameters, material: Material) -> tuple[Array, Array]:
    """Return examples whose desired outputs are nearly what the network answers already."""
    x, _ = material.batch(np.arange(5))
    outputs = Standard(here, material.dtype).forward(x)["feedforward"].reference
    little = LITTLE[material.dtype]
    y = outputs + np.where(outputs < 0.5, little, -little)
    return x, y.astype(np.float32).astype(np.float64) if material.dtype == "float32" else y


def nudged(parameters: Parameters, relative: float = 0.0) -> Parameters:
    """Return the parameters, each larger or smaller by so much of itself, or by `NUDGE`."""
    rng = np.random.default_rng(0)

    def moved(v: Array) -> Array:
        by = relative * v if relative else NUDGE
        return v + by * rng.choice([-1.0, 1.0], v.shape)

    return changed(parameters, moved)


def gap(one: Any, other: Any) -> float:
    """Return the largest difference of any weight or bias."""
    pairs = zip([*one[0], *one[1]], [*other[0], *other[1]], strict=True)
    return max(float(np.abs(np.asarray(v, dtype=np.float64) - w).max()) for v, w in pairs)


# An epoch: train against the steps of its mini-batches.


def in_arithmetic(
    host: Host, material: Material, arithmetic: str, notes: dict[str, Any], told: list[str]
) -> Iterator[Item]:
    """Yield epochs in one arithmetic, where the candidate offers it.

    Epochs of several sizes, more than one call, mini-batches of other sizes, a last one that is
    short, one that is the whole epoch.
    """
    own = arithmetic == material.dtype
    material = material.for_dtype(arithmetic)
    try:
        if not Trial(host, material.initial, arithmetic).offers("train"):
            return
    except NotOffered:
        return
    m, crowd, most = material.mini_batch_size, material.crowd, material.most
    sizes = [(2 * m + m // 2 + 1, m, 3), (crowd, min(33, most), 2), (7, 1, 1), (5, 2, 1), (m, m, 1)]
    if own:
        several = range(3, min(13, material.steps))
        sizes += [(7, 7, 1), (5, 2, 31), *((8 * n + n % 4, n, 1) for n in several)]
    if material.throng and own:
        sizes += [(crowd, 3, 1), (material.throng, min(crowd, most), 1)]
        sizes += [(material.sizes[0], min(33, material.sizes[0], most), 1)]  # x is a square matrix
        sizes += [] if material.quick else [(material.throng, m, 1)]
    for examples, size, epochs in sizes:
        eta = CALM if size > m or examples > crowd else material.eta
        epoch = (*material.batch(np.arange(examples)), size, eta)
        yield from epochs_of(host, material, arithmetic, [epoch] * epochs)
    if own:
        yield from epochs_of(host, material, arithmetic, each_another(material))
    told.append(f"in {arithmetic} train is the steps of its mini-batches, in the order given")
    if arithmetic == "fixed-point" and material.epochs:
        yield from fingerprints(host, material, notes, told)


def each_another(material: Material) -> list[Epoch]:
    """Return epochs of which each has other examples, sizes and eta: none is to be remembered."""
    m, count = material.mini_batch_size, min(31, len(material.images))
    few, many = (material.batch(k + np.arange(count)) for k in (0, count))
    found = [(*few, m, material.eta), (*many, m, CALM), (*many, 3, CALM / 5)]
    if material.dtype != "fixed-point":  # whose numbers a large eta could take out of range
        learnt = all_but_learnt(material.initial, material)
        strange = material.batches["5 examples that are no images"]
        found = [(*learnt, 2, CALM), *found, (*few, 7, 10 * material.eta), (*strange, 2, 0.01)]
    return found


def epochs_of(
    host: Host, material: Material, arithmetic: str, epochs: list[Epoch]
) -> Iterator[Item]:
    """Yield where `train` leads after each of some calls, against the reference's steps.

    What two correct ways may differ by is the sum of their steps' bounds, times what becomes of a
    small difference on the way: that is measured on the reference. Between the calls it takes a
    step. An epoch of one step is held against the reference's as any other step.
    """
    start, fixed = material.initial, arithmetic == "fixed-point"
    trial, rng = Trial(host, start, arithmetic), np.random.default_rng(material.seed)
    ours = [reference_net(start, arithmetic if fixed else "float64")]
    ours += [] if fixed else [reference_net(nudged(start))]
    bound, grown = 0.0, 1.0
    old = after_step(start.weights, start.biases)

    def followed(batch: tuple[Array, Array], eta: float) -> float:
        here = Parameters(start.sizes, *ours[0].export())
        for net in ours:
            net.update_mini_batch(*batch, eta)
        here = in_float32(here) if arithmetic == "float32" else here
        return 0.0 if fixed else Standard(here, arithmetic).bound_of_step(*batch, eta)

    def asked(*given: Any) -> Any:
        trial.train(*given)
        return trial.export()

    for number, (x, y, size, eta) in enumerate(epochs, 1):
        order = rng.permutation(x.shape[1])
        columns = x if number % 2 else np.ascontiguousarray(x)  # as it lies in memory: either
        found = host.beside(partial(asked, columns, y, order, size, eta))
        bound += sum(followed(batch, eta) for batch in batches(x, y, order, size))
        if not fixed:
            grown = max(1.0, gap(*(net.export() for net in ours)) / NUDGE)
        after, allowed = found(), SPREAD * grown * bound
        right = after_step(*ours[0].export())
        expected = {name: Expected(v, allowed, values=v - old[name]) for name, v in right.items()}
        if len(epochs) == 1 and size >= len(order):
            expected = Standard(start, arithmetic).update(x[:, order], y[:, order], eta)
        case = f"train in {arithmetic}, {len(order):,} examples in mini-batches of {size}"
        case = f"{case} at eta {eta:g}, epoch {number}"
        yield case, expected, after_step(*after)
        if number < len(epochs):
            one = x[:, :1], y[:, :1]
            bound += followed(one, eta)
            trial.update_mini_batch(*one, eta)
    here = Standard(Parameters(start.sizes, *after), arithmetic)
    x, y = x[:, :size], y[:, :size]
    yield f"{case}, a step afterwards", here.step(x, y, CALM), trial.whole_step(x, y, CALM)[0]


def batches(x: Array, y: Array, order: Any, size: int) -> Iterator[tuple[Array, Array]]:
    """Yield the mini-batches of an epoch, consecutive slices of the order."""
    for k in range(0, len(order), size):
        yield x[:, order[k : k + size]], y[:, order[k : k + size]]


def fingerprints(
    host: Host, material: Material, notes: dict[str, Any], told: list[str]
) -> Iterator[Item]:
    """Yield every weight and bias after each epoch of training in fixed-point, to be the same."""
    theirs = Trial(host, material.initial, "fixed-point")
    ours = reference_net(material.initial, "fixed-point")
    x, y = material.batch(slice(None))
    prints = notes["fingerprints"] = []
    for epoch in range(material.epochs):
        order, size = material.order(epoch), material.mini_batch_size
        trained = host.beside(partial(theirs.train, x, y, order, size, material.eta))
        ours.train(x, y, order, size, material.eta)
        trained()
        right, found = ours.export(), theirs.export()
        pair = [Parameters(material.sizes, *v).fingerprint for v in (right, found)]
        prints.append({"epoch": epoch + 1, "reference": pair[0], "candidate": pair[1]})
        expected = {name: Expected(v) for name, v in after_step(*right).items()}
        yield f"fixed-point, after epoch {epoch + 1}", expected, after_step(*found)
    epochs = "an epoch" if len(prints) == 1 else f"each of {len(prints)} epochs"
    told.append(
        f"in fixed-point the fingerprints are equal after {epochs} of {x.shape[1]:,} examples"
    )
