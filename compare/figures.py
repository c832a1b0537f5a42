"""Link "figures": are the neuron records made from either network, and their pictures, the same?

Records are a function of what is compared here: z and activations of the first hidden layer, the
digits read, and the digits read while a neuron is held at its mean. In floating point these are
held within their bounds, and the roles and digits that rounding could change are named. In
fixed-point the JSON file of the records and the pictures must be the same byte for byte.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import reference.arithmetic
from compare.candidates import declared_dtype
from compare.difference import (
    CandidateError,
    Difference,
    NotOffered,
    Refused,
    Untried,
    Unusable,
    measure,
)
from compare.evidence import Evidence
from compare.material import PIXELS, Material
from compare.precision import unit_roundoff
from compare.reference_twin import reference_candidate
from compare.rounding import EXP_ULPS, forward_bounds
from compare.trial import Trial
from model.export import to_json
from model.neurons import (
    FIRING_ACTIVATION,
    NeuronRecords,
    mean_activations,
    neuron_records,
    never_lit_pixels,
)
from model.observe import observe
from model.parameters import Parameters
from reference.network import Network

NAME = "figures"
IMAGES_A_STEP = 2  # test images for each step of training, so that a quick proof stays quick,
FEWEST = 100  # and no fewer than these, where there are so many
BLOCK = 1000  # images at a time stay in the cache
RESAMPLES = 100
FAVOURITE = 11  # whose sheet is drawn
ALL_PICTURES = 1000  # of fewer images one small picture is drawn, as a quick proof does
LISTED = 20  # open decisions that are listed
ROUNDED = 16 * unit_roundoff("float64")  # twice what a mean rounds
STEEPEST = 0.25  # the sigmoid's slope at 0
VALUES = {  # what they are called, and their bounds
    "zs": ("zs[0].T", "e_zs"),
    "activations": ("activations[1].T", "e_activations"),
    "held_at": ("held_at", "e_held"),
}
DIGITS = {"predictions": "open_digits", "ablated_predictions": "open_held"}
RECORDED = ("zs", "activations", "predictions", "ablated_predictions")
OWN = ("reference.network", "torch_impl.network")
Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Margins = tuple[Array, Array]
Seen = dict[str, Any]


def gather(candidate: type, material: Material, evidence: Evidence) -> str:
    """Compare what records are made of, and in fixed-point records and pictures themselves."""
    if len(material.sizes) < 3 or material.sizes[-1] < 2:
        raise Untried(f"sizes {list(material.sizes)}: no hidden neuron that tells digits apart")
    images = material.test_images[: max(FEWEST, IMAGES_A_STEP * material.steps)]
    told = []
    if material.dtype != "fixed-point":
        told.append(in_floating_point(candidate, material, images, evidence))
    fixed = in_fixed_point(candidate)
    if evidence.broken is None and fixed is not None:
        exact = material.for_dtype("fixed-point")
        told.append(to_the_last_bit(fixed, exact, images, evidence))
    elif fixed is None:
        evidence.details["fixed_point"] = "not offered"
    return evidence.broken.in_words if evidence.broken is not None else "; ".join(told)


def in_fixed_point(candidate: type) -> type | None:
    """Return the candidate in fixed-point arithmetic, if it offers that."""
    if declared_dtype(candidate) == "fixed-point":
        return candidate
    make = getattr(candidate, "with_arithmetic", None)
    return make("fixed-point") if callable(make) else None


def in_floating_point(
    candidate: type, material: Material, images: NDArray[Any], evidence: Evidence
) -> str:
    """Compare what records are made of within what rounding explains."""
    theirs = shown_to(Trial(candidate, material.trained), images)
    ours = shown_to_reference(material, images)
    near = reach(material.trained, images, material.dtype)
    hold_values(ours, theirs, near, f"{material.dtype}, {len(images):,} test images", evidence)
    evidence.details["undecided"] = found = undecided(near)
    hidden = len(ours["held_at"])
    who = f"the records of {'one neuron' if hidden == 1 else f'{hidden} neurons'}"
    some = (
        f"rounding may choose {found['firing']} firings and {found['digits']} digits, such as "
        f"{found['where'][0]}"
        if found["where"]
        else "nothing lies so near a threshold that rounding could have chosen a role or a digit"
    )
    left = "" if "held_at" in theirs else "; what they are needed for was not offered"
    return (
        f"what {who} on {len(images):,} images are made of is within rounding of the reference's, "
        f"and {some}{left}"
    )


def to_the_last_bit(
    candidate: type, material: Material, images: NDArray[Any], evidence: Evidence
) -> str:
    """Compare records and pictures in fixed-point, where no byte may differ."""
    trial = Trial(candidate, material.trained)
    theirs, ours = shown_to(trial, images), shown_to_reference(material, images)
    case = f"fixed-point, {len(images):,} test images"
    hold_values(ours, theirs, None, case, evidence)
    records, found = both_records(material, trial.parameters(), ours, theirs, len(images))
    evidence.differences.append(same_file("neurons.json", as_json(found), as_json(records), case))
    if evidence.broken is not None:
        return ""
    evidence.tell("pictures", 0.3)
    expected, drawn = pictures(records, images), pictures(found, images)
    for name, file in expected.items():
        pixels = [decoded(v) for v in (drawn[name], file)]
        evidence.differences.append(measure(name, pixels[0], pixels[1], 0.0, f"{case}, pixels"))
        evidence.differences.append(same_file(name, drawn[name], file, case))
    evidence.details["pictures"] = list(expected)
    names = f"the picture{'s' if len(expected) > 1 else ''} {', '.join(expected)}"
    return f"in fixed-point every record, the JSON file and {names} are the same to the last bit"


@dataclass(frozen=True)
class Reach:
    """How far rounding may carry the values that records are made of; rows are examples."""

    activations: Array  # (examples, hidden), the centres
    e_zs: Array  # (examples, hidden): no two correct implementations are further apart
    e_activations: Array
    open_digits: Mask  # (examples,): images whose digit rounding could change
    open_held: Mask  # (hidden, examples): the same while a neuron is held at its mean
    e_held: Array  # (hidden,), of that mean

    @property
    def open_firing(self) -> Mask:
        """Where rounding could change whether a neuron fires, (examples, hidden)."""
        return np.abs(self.activations - FIRING_ACTIVATION) <= self.e_activations


def reach(parameters: Parameters, images: NDArray[Any], dtype: str) -> Reach:
    """Return how far rounding may carry what a first hidden layer does on some images."""
    parts = []
    for start in range(0, len(images), BLOCK):
        x = images[start : start + BLOCK].T.astype(np.float64)
        bounds = forward_bounds(parameters.weights, parameters.biases, x, dtype=dtype)
        centre = bounds.centre
        undecided = margins_open(centre.activations[-1], bounds.activations[-1])
        found = (centre.activations[1], bounds.zs[0], bounds.activations[1])
        parts.append((*(v.T for v in found), undecided))
    activations, e_zs, e_activations, digits = (
        np.concatenate(part) for part in zip(*parts, strict=True)
    )
    e_held = e_activations.mean(axis=0) + 2 * unit_roundoff(dtype) + ROUNDED
    held = open_while_held(parameters, activations, e_activations, e_held, dtype)
    return Reach(activations, e_zs, e_activations, digits, held, e_held)


def margins_open(outputs: Array, e: Array) -> Mask:
    """Return for which images rounding could choose another digit."""
    second, first = np.sort(outputs, axis=0)[-2:]
    return np.asarray(first - second <= 2 * e.max(axis=0))


def open_while_held(
    parameters: Parameters, activations: Array, e: Array, e_mean: Array, dtype: str
) -> Mask:
    """Return for which images rounding could choose another digit while a neuron is held."""
    found = []
    for number, mean in enumerate(mean_activations(activations)):
        held, e_held = activations.copy(), e.copy()
        held[:, number], e_held[:, number] = mean, e_mean[number]
        found.append(margins_open(*carried(parameters, held.T, e_held.T, dtype)))
    return np.array(found)


def carried(parameters: Parameters, a: Array, e: Array, dtype: str) -> Margins:
    """Return the output activations for hidden ones that are known within e, and their bound.

    Two implementations that get inputs e apart differ by what they would from one input, by
    |W| e, and by what rounding adds for inputs so much larger, which is far less than |W| e."""
    u = unit_roundoff(dtype)
    for w, b in zip(parameters.weights[1:], parameters.biases[1:], strict=True):
        if dtype == "float32":  # bounds are of inputs that the format holds
            a = a.astype(np.float32).astype(np.float64)
            e = e + 2 * u
        bounds = forward_bounds([w], [b], a, dtype=dtype)
        e = STEEPEST * (bounds.zs[0] + 2 * np.abs(w) @ e) + 2 * u * (EXP_ULPS + 3)
        a = bounds.centre.activations[1]
    return a, e


def shown_to(trial: Trial, images: NDArray[Any]) -> Seen:
    """Return what a candidate's first hidden layer does, in the words of `neuron_records`.

    Our own networks are looked at as the scripts do it, `model.observe.observe`; a stranger's
    by its trace, and what follows from a held neuron by the rest of its network, built as a network
    of its own. Where it does not take those sizes, or computes in fixed-point, whose formats depend
    on the sizes, that part is left out."""
    net = getattr(trial.net, "net", None)
    if type(net).__module__ in OWN:
        return {k: np.array(v) for k, v in vars(observe(net, images.copy())).items()}
    parts = []
    for start in range(0, len(images), BLOCK):
        zs, activations = trial.trace(images[start : start + BLOCK].T.astype(np.float64))
        if not zs:
            raise NotOffered("trace")
        parts.append((zs[0].T, activations[1].T, activations[-1].argmax(axis=0)))
    z, a, digits = (np.concatenate(part) for part in zip(*parts, strict=True))
    held = {} if trial.dtype == "fixed-point" else held_by(trial, a)
    return {"zs": z, "activations": a, "predictions": digits, **held}


def held_by(trial: Trial, activations: Array) -> Seen:
    """Return what a stranger's network answers while a neuron is held at its mean."""
    whole, numbers = trial.parameters(), np.dtype(trial.dtype)
    rest = Parameters(whole.sizes[1:], whole.weights[1:], whole.biases[1:])
    means = mean_activations(activations).astype(numbers).astype(np.float64)
    found = []
    try:
        part = Trial(trial.candidate, rest)
        for number, mean in enumerate(means):
            held = activations.copy()
            held[:, number] = mean
            found.append(part.feedforward(held.T).argmax(axis=0))
    except (CandidateError, Unusable, NotOffered):
        return {}
    return {"held_at": means, "ablated_predictions": np.array(found)}


def shown_to_reference(material: Material, images: NDArray[Any]) -> Seen:
    """Return what the reference's first hidden layer does, in the words of `neuron_records`."""
    exact = material.dtype == "fixed-point"
    arithmetic = reference.arithmetic.FixedPoint() if exact else reference.arithmetic.Float64()
    return dict(vars(observe(Network.from_parameters(material.trained, arithmetic), images)))


def hold_values(
    ours: Seen, theirs: Seen, near: Reach | None, case: str, evidence: Evidence
) -> None:
    """Measure z, the activations, where neurons are held, and the digits that are read.

    A digit that rounding may choose is no difference."""
    if not ours["zs"].any():
        raise Refused("every z is 0: records of nothing prove nothing")
    for name, tensor in VALUES.items():
        if name in theirs:
            allowed = 0.0 if near is None else getattr(near, tensor[1])
            found = measure(tensor[0], theirs[name], ours[name], allowed, case)
            evidence.differences.append(found)
    for name, mask in DIGITS.items():
        if name in theirs:
            right, read = (np.asarray(v[name], dtype=np.float64) for v in (ours, theirs))
            if near is not None and read.shape == right.shape:
                read = np.where(getattr(near, mask), right, read)
            one = np.ones_like(right)
            evidence.differences.append(measure(name, read, right, 0.0, case, one))


def both_records(
    material: Material, exported: Parameters, ours: Seen, theirs: Seen, examples: int
) -> tuple[NeuronRecords, NeuronRecords]:
    """Return the reference's records and the candidate's, each of its own parameters."""
    both = [k for k in RECORDED if k in theirs]
    own = Trial(reference_candidate(material.dtype), material.trained).parameters()
    known: Seen = {"never_lit": never_lit_pixels(material.images), "initial": material.initial}
    names = {k: v for k, v in material.trained.metadata.items() if k == "neuron_names"}
    first, second = (
        neuron_records(
            Parameters(p.sizes, p.weights, p.biases, names),
            labels=material.test_labels[:examples],
            resamples=RESAMPLES,
            **{k: seen[k] for k in both},
            **known,
        )
        for p, seen in ((own, ours), (exported, theirs))
    )
    return first, second


def as_json(records: NeuronRecords) -> bytes:
    """Return the records as the bytes of their JSON file."""
    return json.dumps(to_json(records), allow_nan=False).encode()


def pictures(records: NeuronRecords, images: NDArray[Any]) -> dict[str, bytes]:
    """Return pictures of the records as PNG files: a small one of few images, else all."""
    from model import pages

    number = min(FAVOURITE, records.hidden - 1)
    if len(images) < ALL_PICTURES:
        drawn = [pages.distribution(records, number)]
    elif records.sizes[0] != PIXELS:
        drawn = [pages.firing_rates(records)]
    else:
        drawn = [
            pages.firing_rates(records),
            pages.weights(records),
            pages.sheet(records, number, images),
        ]
    return {picture.file: picture.png() for picture in drawn}


def undecided(near: Reach) -> dict[str, Any]:
    """Return which decisions lie so near a threshold that rounding may choose.

    A role depends on which images make its neuron fire, and on nothing else."""
    firing, held = np.argwhere(near.open_firing), np.argwhere(near.open_held)
    listed = [f"the role of neuron {n}, as it may fire on image {k}" for k, n in firing]
    listed += [f"the digit of image {k}" for k in np.flatnonzero(near.open_digits)]
    listed += [f"the digit of image {k} with neuron {n} held" for n, k in held]
    return {
        "firing": len(firing),
        "roles": sorted({int(n) for _, n in firing}),
        "digits": int(near.open_digits.sum()) + len(held),
        "where": listed[:LISTED],
    }


def same_file(name: str, found: bytes, expected: bytes, case: str) -> Difference:
    """Measure the bytes of two files, the shorter one filled up with -1."""
    most = max(len(found), len(expected))
    theirs, ours = (
        np.pad(np.frombuffer(v, np.uint8).astype(np.float64), (0, most - len(v)),
               constant_values=-1)
        for v in (found, expected)
    )  # fmt: skip
    return measure(name, theirs, ours, 0.0, f"{case}, bytes of the file")


def decoded(file: bytes) -> Array:
    """Return the pixels of a PNG file, (rows, columns), as red * 65536 + green * 256 + blue."""
    from matplotlib.image import imread

    image = imread(io.BytesIO(file), format="png")
    levels = np.rint(255 * image[..., :3]).astype(np.float64)
    return np.asarray(levels @ (65536.0, 256.0, 1.0))
