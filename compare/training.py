"""Link "training": is every step of a whole training run the same?

Two answers are proofs. In fixed-point arithmetic nothing is rounded that summation could change, so
the fingerprints of both networks must be equal after every epoch. In floating point both networks
take every step of an epoch from the same weights, the reference's, and every new weight and bias
must lie within its bound. Left free, two floating-point networks part even when every single step
is equal, because training amplifies rounding: `compare.divergence` measures that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compare.candidates import declared_dtype
from compare.difference import Difference, Verdict
from compare.divergence import left_free
from compare.evidence import Array, Evidence
from compare.material import Material
from compare.standard import Expected, Standard, named
from compare.trial import NotOffered, Trial
from compare.twins import reference_candidate
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
    found = [in_order(candidate, material, evidence), in_fixed_point(candidate, material, evidence)]
    if evidence.broken is None:
        found.append(in_lock_step(candidate, material, evidence))
    if evidence.broken is not None:
        return f"{evidence.broken.case}: {evidence.broken.in_words}"
    if material.dtype != "fixed-point":
        found.append(left_free(candidate, material, evidence))
        if evidence.details["free"]["parted"]:
            evidence.verdict = Verdict.PARTED
    return "; ".join(filter(None, found))


def in_order(candidate: type, material: Material, evidence: Evidence) -> str:
    """Compare a short epoch: the order given is kept, and a last smaller mini-batch is used.

    The candidate trains on the first mini-batch alone, on the first two, and so on, each time from
    the start. So each step is known by where it starts and where it ends, and is held against the
    reference's from the same place.

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
        evidence.hold(expected, there, case)
        here = as_parameters(material.sizes, there)
    return "train keeps the order and the last, smaller mini-batch"


def trained_on(
    candidate: type, material: Material, x: Array, y: Array, order: NDArray[np.int64]
) -> dict[str, Array]:
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
    return parameters_of(trial)


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
    epochs = "epoch" if len(prints) == 1 else f"each of {len(prints)} epochs"
    return f"in fixed-point the fingerprints are equal after {'the ' * (len(prints) == 1)}{epochs}"


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
    reference, candidate = parameters_of(ours), parameters_of(theirs)
    expected = {name: Expected(name, v) for name, v in reference.items()}
    evidence.hold(expected, candidate, f"fixed-point, after epoch {epoch + 1}")
    return {
        "epoch": epoch + 1,
        "reference": as_parameters(ours.sizes, reference).fingerprint,
        "candidate": as_parameters(theirs.sizes, candidate).fingerprint,
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
        measured = measure_step(expected, parameters_of(trial), f"lock-step, step {step:,}")
        keep_worst(worst, measured)
        if any(d.verdict is Verdict.DIFFERENT for d in measured):
            break
        if step % 100 == 0:
            evidence.tell("lock-step", between("fixed", "lock-step", step / material.steps))
        here = as_parameters(material.sizes, {n: e.reference for n, e in expected.items()})
    evidence.differences += worst.values()
    evidence.details["lock_step"] = {"steps": step + 1}
    return f"in lock-step every one of {step + 1:,} steps is within its bound"


def measure_step(
    expected: dict[str, Expected], found: dict[str, Array], case: str
) -> list[Difference]:
    """Return the differences after one step.

    Parameters
    ----------
    expected : dict of tensor name to Expected
    found : dict of tensor name to ndarray
    case : str
    """
    return [e.measure(found[name], case) for name, e in expected.items()]


def keep_worst(worst: dict[str, Difference], measured: Sequence[Difference]) -> None:
    """Keep the worst difference of every tensor.

    Parameters
    ----------
    worst : dict of tensor name to Difference
        Is updated.
    measured : sequence of Difference
    """
    for d in measured:
        kept = worst.get(d.tensor)
        if kept is None or (d.share, d.ratio or 0) > (kept.share, kept.ratio or 0):
            worst[d.tensor] = d


def parameters_of(trial: Trial) -> dict[str, Array]:
    """Return a candidate's parameters by the names that they have after a step.

    Parameters
    ----------
    trial : Trial
    """
    weights, biases = trial.export()
    return {**named("new_weights", weights), **named("new_biases", biases)}


def as_parameters(sizes: Sequence[int], tensors: dict[str, Array]) -> Parameters:
    """Return named tensors as parameters.

    Parameters
    ----------
    sizes : sequence of int
    tensors : dict of tensor name to ndarray
    """
    layers = range(len(sizes) - 1)
    return Parameters(
        sizes,
        [tensors[f"new_weights[{layer}]"] for layer in layers],
        [tensors[f"new_biases[{layer}]"] for layer in layers],
    )


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
