"""Every method after every other, on one network: what one call leaves behind, no other sees."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compare.balls import named
from compare.difference import CandidateError, Difference, Verdict
from compare.host import Host
from compare.material import Batch, Material
from compare.standard import Expected, Standard, after_step, could_change, counted, measured
from compare.supervision import METHODS as ARGUMENTS
from compare.trial import Trial
from model.parameters import Parameters

Array = NDArray[np.float64]
Item = Difference | tuple[str, dict[str, Expected], dict[str, Array]]
STEPS = ("update_mini_batch", "train")
METHODS = (*STEPS, "trace", "feedforward", "backprop", "deltas", "export")
SOME = 200  # test images that are counted
HELD = "outputs while held"
VALUES = (0.0, 0.25, 0.75, 1.0, -0.5, 1.5)  # in fixed-point held are activations: the first four


def in_every_order(host: Host, material: Material, *more: str) -> Iterator[Item]:
    """Yield what each method answers after each, itself too, and where each step leads.

    Examples, labels and eta change from call to call, and some come again; other networks are built
    and trained between the calls. Many calls follow the last step.
    """
    start, dtype = material.initial, material.dtype
    trial, rng = Trial(host, start, dtype), np.random.default_rng(material.seed)
    few = [material.batch(rows) for rows in ([0, 1, 2], [0, 2, 3], [4, 5, 6], np.arange(5))]
    here = Parameters(start.sizes, *trial.export())
    offered = [name for name in (*METHODS, *more) if trial.offers(name)]
    if more:  # what fails by itself is told of where it is asked first
        offered = [name for name in offered if name in more or works(name, host, material, few[0])]
    before = "export"
    for number, name in enumerate(every_pair(offered), 1):
        x, y = few[rng.integers(len(few))]
        y = np.roll(y, rng.integers(2), axis=0)
        if rng.integers(4) == 0:
            other = Trial(host, material.trained, dtype)
            other.forward(x)
            if trial.offers(STEPS[0]):
                other.update_mini_batch(x, y, material.eta)
        case = f"call {number} on one network, {name} after {before}"
        before, standard = name, Standard(here, dtype)
        if name in STEPS:
            eta = float(rng.choice([0.1, 0.5, material.eta]))
            order = (rng.permutation(x.shape[1]), x.shape[1]) if name == "train" else ()
            getattr(trial, name)(x, y, *order, eta)
            new = trial.export()
            here = Parameters(start.sizes, *new)
            item = (f"{case}, eta {eta:g}", standard.update(x, y, eta), after_step(*new))
        else:
            item = (case, *asked(name, trial, standard, material, (x, y), rng))
        if more and name not in more:  # of what other links are about, no more than what is wrong
            yield from (d for d in measured(*item) if d.verdict is Verdict.DIFFERENT)
        else:
            yield item


def every_pair(names: Sequence[str]) -> Iterator[str]:
    """Yield names so that each comes after each, itself too (a de Bruijn sequence of order 2)."""
    for k, name in enumerate(names):
        yield name
        for later in names[k + 1 :]:
            yield name
            yield later
    yield names[0]


def works(name: str, host: Host, material: Material, batch: Batch) -> bool:
    """Return whether a new network answers at all, rightly or not."""
    trial, order = Trial(host, material.initial, material.dtype), np.arange(batch[0].shape[1])
    try:
        if name in STEPS:
            given = (order, len(order)) if name == "train" else ()
            getattr(trial, name)(*batch, *given, material.eta)
        else:
            getattr(trial, name)(*batch[: ARGUMENTS[name]])
    except CandidateError:
        return False
    return True


def asked(
    name: str, trial: Trial, standard: Standard, material: Material, batch: Batch, rng: Any
) -> tuple[dict[str, Expected], dict[str, Array]]:
    """Return what a method should answer, and what it answers."""
    x, y = batch
    if name == "export":
        weights, biases = trial.export()
        return standard.start(), named(weights=weights, biases=biases)
    if name == "trace":
        zs, activations = trial.trace(x)
        return standard.forward(x), named(zs=zs, activations=activations)
    if name == "feedforward":
        return standard.forward(x), {name: trial.feedforward(x)}
    if name == "backprop":
        nabla_b, nabla_w = trial.backprop(x, y)
        return standard.gradients(x, y), named(nabla_b=nabla_b, nabla_w=nabla_w)
    if name == "deltas":
        return standard.gradients(x, y), named(deltas=trial.deltas(x, y))
    if name == "held":
        neuron = int(rng.integers(material.sizes[1]))
        held = [(neuron, value) for value in VALUES[: 4 if trial.dtype == "fixed-point" else 6]]
        return {HELD: standard.held(x, held)}, {HELD: np.array([trial.held(x, *v) for v in held])}
    rows = slice(int(rng.integers(2)), SOME)  # evaluate
    x, labels = material.test_images[rows].T.astype(np.float64), material.test_labels[rows]
    labels = (labels + rng.integers(2)) % material.sizes[-1]
    now = standard.forward(x)["feedforward"]
    right = counted(now.reference, labels, could_change(now))
    return {name: right}, {name: np.array([trial.evaluate(x, labels)])}
