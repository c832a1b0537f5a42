"""Link "training": is every step of a whole training run the same?

One candidate lives through the run (`compare.divergence`). At every step its new weights and biases
are held against the reference's step from where the candidate itself stood, so that what a step
should not remember (momentum, a stale cache, a counter) is seen in the first step that it changes.
Left free, two floating-point networks part even when every single step is equal, because training
amplifies rounding. `train` is then held against the candidate's own steps; and in fixed-point
arithmetic, where nothing is rounded that summation could change, fingerprints must be equal.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from compare.candidates import declared_dtype
from compare.difference import NotOffered, Unusable, Verdict
from compare.divergence import CALM, followed, gap, nudged
from compare.evidence import Array, Evidence
from compare.material import Material, in_float32
from compare.reference_twin import reference_candidate, reference_net
from compare.rounding import update_bounds
from compare.standard import Expected, after_step
from compare.trial import Trial
from model.parameters import Parameters

NAME = "training"
ARITHMETICS = ("float64", "float32", "fixed-point")
NUDGE = 1e-6  # the small difference whose growth is measured
SPREAD = 8.0  # of its growth along other directions than the one that was measured


def gather(candidate: type, material: Material, evidence: Evidence) -> str:
    """Compare training: every step of one run, whole epochs, and in fixed-point.

    Parameters
    ----------
    candidate : class
    material : Material
    evidence : Evidence
        Gets the differences, the fingerprints, and how two networks left free part.

    Returns
    -------
    str
        The finding in words.
    """
    trial = Trial(candidate, material.initial)
    if not trial.offers("update_mini_batch"):
        raise NotOffered("update_mini_batch")
    found = []
    for part in (followed, in_epochs, in_fixed_point):
        found.append(part(candidate, material, evidence))
        if evidence.broken is not None:
            return evidence.broken.in_words
    if evidence.details.get("free", {}).get("parted"):
        evidence.verdict = Verdict.PARTED
    return "; ".join(filter(None, found))


def in_epochs(candidate: type, material: Material, evidence: Evidence) -> str:
    """Hold `train` against the candidate's own steps, in every arithmetic that it offers.

    Epochs of several sizes, more than one call, mini-batches of other sizes, a last one that is
    short. What two correct ways may differ by is the sum of their steps' bounds, times what becomes
    of a small difference on the way: that is measured on the reference.
    """
    told = []
    for place, arithmetic in enumerate(ARITHMETICS):
        own = arithmetic == declared_dtype(candidate)
        if material.dtype == "fixed-point" and not own:
            continue  # what declares exact numbers is held to them
        make = getattr(candidate, "with_arithmetic", None)
        asked: Any = candidate if own else made(make, arithmetic)
        if asked is None or not Trial(asked, material.for_dtype(arithmetic).initial).offers(
            "train"
        ):
            continue
        adapted = material.for_dtype(arithmetic)
        m, crowd = material.mini_batch_size, min(material.crowd, adapted.most)
        some = min(33, adapted.most)
        cases = [(2 * m + m // 2 + 1, m, 3), (material.crowd, some, 2), (7, 1, 1), (5, 2, 1)]
        if material.throng and own:
            cases.append((material.throng, crowd, 1))
        for k, case in enumerate(cases):
            evidence.tell(f"train in {arithmetic}", 0.6 + 0.08 * place + 0.015 * k)
            epochs_of(asked, adapted, case, evidence)
            if evidence.broken is not None:
                return ""
        told.append(arithmetic)
    if not told:
        evidence.details["train"] = "not offered"
        return ""
    return (
        f"train keeps the order and the last, smaller mini-batch (in {', '.join(told)}, over more "
        "than one epoch)"
    )


def made(make: Any, arithmetic: str) -> Any:
    """Return the candidate in another arithmetic, or None where it does not offer that."""
    try:
        return make(arithmetic) if callable(make) else None
    except (ValueError, KeyError, NotOffered, Unusable):
        return None


def epochs_of(
    candidate: type, material: Material, sizes: tuple[int, int, int], evidence: Evidence
) -> None:
    """Compare where `train` leads after each of some calls with the candidate's own steps."""
    examples, size, epochs = sizes
    start, dtype = material.initial, material.dtype
    whole, steps = Trial(candidate, start), Trial(candidate, start)
    x, y = material.batch(np.arange(examples) % len(material.images))
    rng = np.random.default_rng(material.seed)
    slack = Slack(start, dtype)
    eta = CALM if size > material.mini_batch_size else material.eta
    old = after_step(start.weights, start.biases)
    for epoch in range(epochs):
        order = rng.permutation(examples)
        whole.train(x, y, order, size, eta)
        for k in range(0, examples, size):
            batch = x[:, order[k : k + size]], y[:, order[k : k + size]]
            steps.update_mini_batch(*batch, eta)
            slack.step(*batch, eta)
        own = after_step(*steps.export())
        allowed = slack.allowed()
        expected = {
            name: Expected(name, v, np.full(v.shape, allowed), values=v - old[name])
            for name, v in own.items()
        }
        case = f"train in {dtype}, {examples:,} examples in mini-batches of {size}"
        found = after_step(*whole.export())
        evidence.hold(expected, found, f"{case}, epoch {epoch + 1}")
        if evidence.broken is not None:
            return


class Slack:
    """How far two correct ways through the same steps may lead."""

    def __init__(self, start: Parameters, dtype: str) -> None:
        self.dtype, self.bounds, self.nets = dtype, 0.0, []
        if dtype != "fixed-point":
            both = (start, nudged(start, lambda v: np.full(v.shape, NUDGE)))
            self.nets = [reference_net(p) for p in both]

    def step(self, x: Array, y: Array, eta: float) -> None:
        """Take a step from both places, and add its bound."""
        if not self.nets:
            return
        here = Parameters(self.nets[0].net.sizes, *self.nets[0].export())
        here = in_float32(here) if self.dtype == "float32" else here
        found = update_bounds(here.weights, here.biases, x, y, eta, dtype=self.dtype)
        self.bounds += max(float(v.max()) for v in (*found.new_weights, *found.new_biases))
        for net in self.nets:
            net.update_mini_batch(x, y, eta)

    def allowed(self) -> float:
        """Return the sum of the bounds, grown as a small difference grew on the way."""
        if not self.nets:
            return 0.0
        grown = gap(*(net.export() for net in self.nets)) / NUDGE
        return SPREAD * max(1.0, grown) * self.bounds


def in_fixed_point(candidate: type, material: Material, evidence: Evidence) -> str:
    """Compare fingerprints after every epoch of training in fixed-point arithmetic.

    Parameters
    ----------
    candidate : class
    material : Material
    evidence : Evidence
        Gets the differences and the fingerprints.
    """
    fixed = fixed_point(candidate)
    if fixed is None or not material.epochs:
        evidence.details["fixed_point"] = "not offered" if fixed is None else "left out"
        return ""
    in_range = material.for_dtype("fixed-point")
    theirs = Trial(fixed, in_range.initial)
    ours = Trial(reference_candidate("fixed-point"), in_range.initial)
    x, y = material.batch(slice(None))
    prints = []
    for epoch in range(material.epochs):
        order = material.order(epoch)
        for k, trial in enumerate((ours, theirs)):
            evidence.tell(
                f"fixed-point, epoch {epoch + 1} of {material.epochs}",
                0.85 + 0.15 * (epoch + k / 2) / material.epochs,
            )
            trial.train(x, y, order, material.mini_batch_size, material.eta)
        prints.append(compare_fingerprints(ours, theirs, epoch, evidence))
        if evidence.broken:
            break
    evidence.details["fingerprints"] = prints
    epochs = "an epoch" if len(prints) == 1 else f"each of {len(prints)} epochs"
    return f"in fixed-point the fingerprints are equal after {epochs} of {x.shape[1]:,} examples"


def fixed_point(candidate: type) -> type | None:
    """Return the candidate in fixed-point arithmetic, if it offers that.

    Parameters
    ----------
    candidate : class
    """
    found: Any = candidate
    if declared_dtype(candidate) != "fixed-point":
        make = getattr(candidate, "with_arithmetic", None)
        found = make("fixed-point") if callable(make) else None
    return found if found is not None and callable(getattr(found, "train", None)) else None


def compare_fingerprints(
    ours: Trial, theirs: Trial, epoch: int, evidence: Evidence
) -> dict[str, Any]:
    """Compare every weight and bias after an epoch, bit for bit, and return both fingerprints.

    Parameters
    ----------
    ours, theirs : Trial
    epoch : int
    evidence : Evidence
    """
    reference, candidate = ours.parameters(), theirs.parameters()
    exact = after_step(reference.weights, reference.biases)
    expected = {name: Expected(name, v) for name, v in exact.items()}
    found = after_step(candidate.weights, candidate.biases)
    evidence.hold(expected, found, f"fixed-point, after epoch {epoch + 1}")
    return {
        "epoch": epoch + 1,
        "reference": reference.fingerprint,
        "candidate": candidate.fingerprint,
    }
