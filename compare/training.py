"""Link "training": is every step of a whole training run the same?

Two answers are proofs. In fixed-point arithmetic nothing is rounded that summation could change,
so the fingerprints of both networks must be equal after every epoch. In floating point both
networks take every step of an epoch from the same weights, the reference's, and every new weight
and bias must lie within its bound. Left free, two floating-point networks part even when every
single step is equal, because training amplifies rounding: `compare.divergence` measures that.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from compare.candidates import declared_dtype
from compare.difference import Difference, Verdict
from compare.divergence import left_free
from compare.evidence import Array, Evidence, keep_worst
from compare.material import Material, in_float32
from compare.reference_twin import reference_candidate
from compare.standard import Expected, Standard, after_step
from compare.trial import NotOffered, Trial
from model.parameters import Parameters

NAME = "training"
SHARES = {"order": 0.05, "fixed": 0.45, "lock-step": 0.9, "free": 1.0}  # of the progress shown


def gather(candidate: type, material: Material, evidence: Evidence) -> str:
    """Compare training: its order, in fixed-point, in lock-step, and left free.

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
    parts = [in_order, in_fixed_point, in_lock_step]
    if material.dtype != "fixed-point":
        parts.append(left_free)
    found = []
    for part in parts:
        found.append(part(candidate, material, evidence))
        if evidence.broken is not None:
            return evidence.broken.in_words
    if evidence.details.get("free", {}).get("parted"):
        evidence.verdict = Verdict.PARTED
    return "; ".join(filter(None, found))


def in_order(candidate: type, material: Material, evidence: Evidence) -> str:
    """Compare a short epoch: the order given is kept, and a last smaller mini-batch is used.

    The candidate trains on the first mini-batch alone, on the first two, and so on, each time
    from the start. So each step is known by where it starts and where it ends, and is held
    against the reference's from the same place.

    Parameters
    ----------
    candidate : class
    material : Material
    evidence : Evidence
        Gets the differences.
    """
    if not Trial(candidate, material.initial).offers("train"):
        evidence.details["train"] = "not offered"
        return ""
    m = material.mini_batch_size
    examples = material.order()[: 2 * m + m // 2 + 1]
    x, y = material.batch(examples)
    # The order within these: neither sorted nor the same backwards.
    order = np.roll(np.arange(len(examples))[::-1], 1)
    here = material.initial
    for start in range(0, len(order), m):
        done = order[: start + m]
        case = f"train, order of {len(order)} examples, step {start // m + 1}"
        there = trained_on(candidate, material, x, y, done)
        step = done[start:]
        expected = Standard(here, material.dtype).update(x[:, step], y[:, step], material.eta)
        evidence.hold(expected, after_step(there.weights, there.biases), case)
        here = there
    return "train keeps the order and the last, smaller mini-batch"


def trained_on(
    candidate: type, material: Material, x: Array, y: Array, order: NDArray[np.int64]
) -> Parameters:
    """Return where a candidate gets by an epoch over the examples of an order.

    Parameters
    ----------
    candidate : class
    material : Material
    x : ndarray (sizes[0], N)
    y : ndarray (sizes[-1], N)
    order : ndarray of int
        It may leave out examples: the candidate is handed those of the order alone.
    """
    trial = Trial(candidate, material.initial)
    kept = np.sort(order)
    place = np.searchsorted(kept, order)
    trial.train(x[:, kept], y[:, kept], place, material.mini_batch_size, material.eta)
    return trial.parameters()


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
                SHARES["order"] + (epoch + k / 2) / material.epochs * (SHARES["fixed"] - 0.05),
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


def in_lock_step(candidate: type, material: Material, evidence: Evidence) -> str:
    """Compare every step of a training run, each from the reference's weights.

    Of the steps, those with the largest share of what is allowed are kept, one for each tensor.

    Parameters
    ----------
    candidate : class
    material : Material
    evidence : Evidence
        Gets the differences.
    """
    worst: dict[str, Difference] = {}
    here = material.initial
    for step in range(material.steps):
        batch = material.mini_batch(step)
        expected = Standard(here, material.dtype).update(*batch, material.eta)
        trial = Trial(candidate, here)
        trial.update_mini_batch(*batch, material.eta)
        found = after_step(*trial.export())
        case = f"lock-step, step {step:,}"
        measured = [e.measure(found[name], case) for name, e in expected.items()]
        keep_worst(worst, measured)
        if any(d.verdict is Verdict.DIFFERENT for d in measured):
            break
        if step % 100 == 0:
            evidence.tell("lock-step", between("fixed", "lock-step", step / material.steps))
        here = moved(here, expected, material.dtype)
    evidence.differences += worst.values()
    evidence.details["lock_step"] = {"steps": step + 1}
    return f"in lock-step every one of {step + 1:,} steps is within its bound"


def moved(here: Parameters, expected: dict[str, Expected], dtype: str) -> Parameters:
    """Return where the reference's step led.

    Parameters
    ----------
    here : Parameters
        Where it began.
    expected : dict of tensor name to Expected
    dtype : str
        In float32 the next step must begin at numbers that float32 has.
    """
    layers = range(len(here.weights))
    there = Parameters(
        here.sizes,
        [expected[f"new_weights[{layer}]"].reference for layer in layers],
        [expected[f"new_biases[{layer}]"].reference for layer in layers],
    )
    return in_float32(there) if dtype == "float32" else there


def between(first: str, last: str, part: float) -> float:
    """Return how far the link has come, where a part of a section is done.

    Parameters
    ----------
    first, last : str
        The section before, and this one.
    part : float
        0 to 1.
    """
    return SHARES[first] + part * (SHARES[last] - SHARES[first])
