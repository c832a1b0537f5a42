"""Link "figures": are the neuron records made from either network, and their pictures, the same?

In floating point the records are held against the bounds of `compare.record_bounds`. In fixed-point
every field of every record, the JSON file and the pictures must be the same to the last bit.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

import reference.arithmetic
from compare.candidates import declared_dtype
from compare.difference import Difference, Refused, Untried, Unusable, measure
from compare.evidence import Evidence
from compare.material import PIXELS, Material
from compare.record_bounds import Reach, Room, rankings, reach, rooms
from compare.reference_twin import reference_candidate
from compare.trial import CandidateError, NotOffered, Trial
from model.export import to_json
from model.neurons import mean_activations, neuron_records, never_lit_pixels
from model.observe import observe
from model.parameters import Parameters
from model.selectivity import ROLES
from reference.network import Network

NAME = "figures"
IMAGES_A_STEP = 2  # test images for each step of training, so that a quick proof stays quick,
FEWEST = 100  # and no fewer than these, where there are so many
BLOCK = 1000  # images at a time stay in the cache
RESAMPLES = 100
FAVOURITE = 11  # whose sheet is drawn
ALL_PICTURES = 1000  # of fewer images one small picture is drawn, as a quick proof does
LISTED = 20  # open decisions that are listed
COUNTS = ("responds_to.fired", "responds_to.z_histogram", "needed_for.correct", "correct")
VALUES = {  # what they are called, and their bounds
    "zs": ("zs[0].T", "e_zs"),
    "activations": ("activations[1].T", "e_activations"),
    "held_at": ("held_at", "e_held"),
}
RECORDED = ("zs", "activations", "predictions", "ablated_predictions")
OWN = ("reference.network", "torch_impl.network")
NeuronRecords: TypeAlias = Any  # see `before`
Array = NDArray[np.float64]
Seen = dict[str, Any]
Tensors = dict[str, Array]


def gather(candidate: type, material: Material, evidence: Evidence) -> str:
    """Compare the neuron records, and in fixed-point the pictures drawn from them.

    Parameters
    ----------
    candidate : class
    material : Material
    evidence : Evidence
        Gets the differences, and the decisions that rounding could change.

    Returns
    -------
    str
        The finding in words.
    """
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
    """Return the candidate in fixed-point arithmetic, if it offers that.

    Parameters
    ----------
    candidate : class
    """
    if declared_dtype(candidate) == "fixed-point":
        return candidate
    make = getattr(candidate, "with_arithmetic", None)
    return make("fixed-point") if callable(make) else None


def in_floating_point(
    candidate: type, material: Material, images: NDArray[Any], evidence: Evidence
) -> str:
    """Compare the records within what rounding explains.

    Parameters
    ----------
    candidate : class
    material, evidence
        As in `gather`.
    images : ndarray (examples, pixels)
    """
    trial = Trial(candidate, material.trained)
    theirs, ours = shown_to(trial, images), shown_to_reference(material, images)
    near = reach(material.trained, images, material.dtype)
    case = f"{material.dtype}, {len(images):,} test images"
    hold_values(ours, theirs, near, case, evidence)
    labels = material.test_labels[: len(images)]
    records, found = both_records(material, trial.parameters(), ours, theirs, len(images))
    allowed = rooms(records, labels, near)
    fields = measured(records, found, allowed, near, case)
    # What rounding leaves free altogether proves nothing, and is not counted as compared.
    free = [d.tensor for d in fields if d.power >= 1 and not d.outside]
    evidence.differences += [d for d in fields if d.tensor not in free]
    evidence.details["undecided"] = {**undecided(near, records, allowed), "fields": free}
    return sentence(evidence, records, held="ablated_predictions" in theirs)


def to_the_last_bit(
    candidate: type, material: Material, images: NDArray[Any], evidence: Evidence
) -> str:
    """Compare records, JSON and pictures in fixed-point, where nothing may differ.

    Parameters
    ----------
    candidate, material, images, evidence
        As in `in_floating_point`.
    """
    trial = Trial(candidate, material.trained)
    theirs, ours = shown_to(trial, images), shown_to_reference(material, images)
    case = f"fixed-point, {len(images):,} test images"
    hold_values(ours, theirs, None, case, evidence)
    records, found = both_records(material, trial.parameters(), ours, theirs, len(images))
    evidence.differences += measured(records, found, {}, None, case)
    evidence.differences.append(same_file("neurons.json", as_json(found), as_json(records), case))
    if evidence.broken is not None:
        return ""
    evidence.tell("pictures", 0.3)
    names = hold_pictures(records, found, images, case, evidence)
    return (
        f"in fixed-point every field of every record, the JSON file and {names} are the same to "
        "the last bit"
    )


def shown_to(trial: Trial, images: NDArray[Any]) -> Seen:
    """Return what a candidate's first hidden layer does, in the words of `neuron_records`.

    Our own networks are looked at as the scripts do it, `model.observe.observe`; a stranger's
    by its trace, and what follows from a held neuron by the rest of its network, built as a network
    of its own. Where it does not take those sizes, or computes in fixed-point, whose formats depend
    on the sizes, that part is left out.

    Parameters
    ----------
    trial : Trial
    images : ndarray (examples, pixels)
    """
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
    """Return what a stranger's network answers while a neuron is held at its mean.

    Parameters
    ----------
    trial : Trial
    activations : ndarray (examples, hidden)

    Returns
    -------
    dict
        Empty where it does not take networks of these sizes.
    """
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
    """Return what the reference's first hidden layer does, in the words of `neuron_records`.

    Parameters
    ----------
    material : Material
    images : ndarray (examples, pixels)
    """
    exact = material.dtype == "fixed-point"
    arithmetic = reference.arithmetic.FixedPoint() if exact else reference.arithmetic.Float64()
    return dict(vars(observe(Network.from_parameters(material.trained, arithmetic), images)))


def hold_values(
    ours: Seen, theirs: Seen, near: Reach | None, case: str, evidence: Evidence
) -> None:
    """Measure z, the activations and where neurons are held, of which all records are made.

    Parameters
    ----------
    ours, theirs : dict
        Of the reference and of the candidate.
    near : Reach or None
        None in fixed-point.
    case : str
    evidence : Evidence
    """
    if not ours["zs"].any():
        raise Refused("every z is 0: records of nothing prove nothing")
    for name, tensor in VALUES.items():
        if name in theirs:
            allowed = 0.0 if near is None else getattr(near, tensor[1])
            found = measure(tensor[0], theirs[name], ours[name], allowed, case)
            evidence.differences.append(found)


def both_records(
    material: Material, exported: Parameters, ours: Seen, theirs: Seen, examples: int
) -> tuple[NeuronRecords, NeuronRecords]:
    """Return the reference's records and the candidate's, each of its own parameters.

    Parameters
    ----------
    material : Material
    exported : Parameters
        The candidate's.
    ours, theirs : dict
    examples : int
    """
    both = [k for k in RECORDED if k in theirs]
    own = Trial(reference_candidate(material.dtype), material.trained).parameters()
    known: Seen = {"never_lit": never_lit_pixels(material.images), "initial": material.initial}
    names = {k: v for k, v in material.trained.metadata.items() if k == "neuron_names"}
    first, second = (
        before(
            Parameters(p.sizes, p.weights, p.biases, names),
            labels=material.test_labels[:examples],
            resamples=RESAMPLES,
            **{k: seen[k] for k in both},
            **known,
        )
        for p, seen in ((own, ours), (exported, theirs))
    )
    return first, second


def before(*args: Any, **kwargs: Any) -> Any:
    """Return records in the shape that this link and its bounds still expect, with the new in it.

    Parameters
    ----------
    *args, **kwargs
        Of `neuron_records`.
    """
    records = neuron_records(*args, **kwargs)

    def tree(value: Any, key: str = "") -> Any:
        if isinstance(value, dict) and key != "shares":
            return SimpleNamespace(**{k: tree(v, k) for k, v in value.items() if k != "headline"})
        if isinstance(value, list) and value and isinstance(value[0], dict):
            return [tree(v) for v in value]
        if key in ("digits", "best_set"):
            return tuple(value)
        return np.array(value, dtype=np.float64) if isinstance(value, list) else value

    found = tree(to_json(records))
    found.shown = records.shown
    return SimpleNamespace(**vars(found), new=records)


def measured(
    ours: NeuronRecords,
    theirs: NeuronRecords,
    allowed: Mapping[str, Room],
    near: Reach | None,
    case: str,
) -> list[Difference]:
    """Measure every field of every record.

    Parameters
    ----------
    ours, theirs : NeuronRecords
    allowed : mapping of field to Room
        Fields that are not named must be the same to the last bit.
    near : Reach or None
    case : str
    """
    expected, found = tensors(ours), tensors(theirs)
    if list(expected) != list(found):
        other = sorted(set(expected) ^ set(found))
        raise Unusable(f"the records have different fields: {', '.join(other)}")
    differences = []
    for name, v in expected.items():
        room = allowed.get(name, Room())
        values = found[name]
        if room.undecided is not None and near is not None and values.shape == v.shape:
            values = settled(name, values, v, room.undecided, near)
        differences.append(measure_field(name, values, v, room, ours.examples, case))
    return differences


def measure_field(
    name: str, found: Array, expected: Array, room: Room, examples: int, case: str
) -> Difference:
    """Measure one field; where both have no value (NaN) there is none to compare.

    Parameters
    ----------
    name : str
    found, expected : ndarray
    room : Room
    examples : int
        What the power of counts is relative to; that of all else is to at least 1.
    case : str
    """
    if found.shape == expected.shape:
        neither = np.isnan(found) & np.isnan(expected)
        found, expected = (np.where(neither, 0.0, v) for v in (found, expected))
        if np.isnan(found).any() or np.isnan(expected).any():
            missing = np.isnan(found) != np.isnan(expected)
            where = tuple(int(i) for i in np.argwhere(missing)[0])
            raise Refused(f"{name}{list(where)} has a value in one of the two records alone")
    unit = examples if name in COUNTS or name.endswith("confusion") else 1
    allowed = np.broadcast_to(np.nan_to_num(room.allowed), expected.shape)
    return measure(name, found, expected, allowed, case, np.maximum(np.abs(expected), unit))


def settled(
    name: str, found: Array, expected: Array, undecided: NDArray[np.bool_], near: Reach
) -> Array:
    """Return a field with the reference's value where rounding may choose another.

    An image in a ranking must be one that rounding may put there; else it stays, and is found.

    Parameters
    ----------
    name : str
    found, expected : ndarray (hidden, ...)
    undecided : ndarray of bool
        Of the first axes.
    near : Reach
    """
    ranking, _, field = name.partition(".")
    if field == "indices":
        key = rankings(near)[ranking].T
        chosen = np.take_along_axis(key, found.astype(np.int64), axis=1)
        there = np.sort(key, axis=1)[:, : found.shape[1]]
        undecided = undecided & (np.abs(chosen - there) <= 2 * near.e_zs.max(axis=0)[:, None])
    shape = undecided.shape + (1,) * (found.ndim - undecided.ndim)
    return np.where(undecided.reshape(shape), expected, found)


def tensors(records: NeuronRecords) -> Tensors:
    """Return every field of the records as an array of numbers, those of neurons stacked.

    Parameters
    ----------
    records : NeuronRecords

    Returns
    -------
    dict of name, such as "responds_to.z_mean", to ndarray of float64
        A role is its place in ROLES, a digit set a 0 or 1 for every digit, a name its letters.
    """
    digits = len(records.shown)
    rows = [dict(leaves(neuron, "", digits)) for neuron in records.neurons]
    stacked = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    shared = {k: v for k, v in vars(records).items() if k not in ("neurons", "sizes", "new")}
    own = dict(leaves(shared, "", digits))
    return {**own, "sizes": np.array(records.sizes, dtype=np.float64), **stacked}


def leaves(value: Any, path: str, digits: int) -> list[tuple[str, Array]]:
    """Return the parts of a record that are no records, by their path.

    Parameters
    ----------
    value : record, dict, or a part of one
    path : str
        Where it was found.
    digits : int
        How many there are.
    """
    value = vars(value) if isinstance(value, SimpleNamespace) else value
    if isinstance(value, Mapping):
        inner = [(f"{path}.{name}" if path else str(name), v) for name, v in value.items()]
        return [leaf for name, v in inner for leaf in leaves(v, name, digits)]
    return [] if value is None else [(path, as_numbers(value, digits))]


def as_numbers(value: Any, digits: int) -> Array:
    """Return a number, an array, a digit set, a role or a name as numbers.

    Parameters
    ----------
    value : number, ndarray, tuple of digits, or str
    digits : int
    """
    if isinstance(value, str):
        letters = int.from_bytes(value.encode()[:6], "big")  # exact in float64
        return np.array(ROLES.index(value) if value in ROLES else letters, dtype=np.float64)
    if isinstance(value, tuple):
        return np.isin(np.arange(digits), value).astype(np.float64)
    return np.array(value, dtype=np.float64)


def as_json(records: NeuronRecords) -> bytes:
    """Return the records as the bytes of their JSON file.

    Parameters
    ----------
    records : NeuronRecords
    """
    return json.dumps(to_json(records.new), allow_nan=False).encode()


def same_file(name: str, found: bytes, expected: bytes, case: str) -> Difference:
    """Measure the bytes of two files, the shorter one filled up with -1.

    Parameters
    ----------
    name : str
    found, expected : bytes
    case : str
    """
    most = max(len(found), len(expected))
    theirs, ours = (
        np.pad(np.frombuffer(v, np.uint8).astype(np.float64), (0, most - len(v)),
               constant_values=-1)
        for v in (found, expected)
    )  # fmt: skip
    return measure(name, theirs, ours, 0.0, f"{case}, bytes of the file")


def hold_pictures(
    ours: NeuronRecords,
    theirs: NeuronRecords,
    images: NDArray[Any],
    case: str,
    evidence: Evidence,
) -> str:
    """Draw both records in memory, compare the pictures by pixel and byte, and name them.

    Parameters
    ----------
    ours, theirs : NeuronRecords
    images : ndarray (examples, pixels)
    case : str
    evidence : Evidence
    """
    expected, found = pictures(ours, images), pictures(theirs, images)
    for name, file in expected.items():
        pixels = [decoded(v) for v in (found[name], file)]
        evidence.differences.append(measure(name, pixels[0], pixels[1], 0.0, f"{case}, pixels"))
        evidence.differences.append(same_file(name, found[name], file, case))
    evidence.details["pictures"] = list(expected)
    return f"the picture{'s' if len(expected) > 1 else ''} {', '.join(expected)}"


def pictures(records: NeuronRecords, images: NDArray[Any]) -> dict[str, bytes]:
    """Return pictures of the records as PNG files: a small one of few images, else all.

    Parameters
    ----------
    records : NeuronRecords
    images : ndarray (examples, pixels)
    """
    from model import pages

    new = records.new
    number = min(FAVOURITE, new.hidden - 1)
    if len(images) < ALL_PICTURES:
        drawn = [pages.distribution(new, number)]
    elif new.sizes[0] != PIXELS:
        drawn = [pages.firing_rates(new)]
    else:
        drawn = [pages.firing_rates(new), pages.weights(new), pages.sheet(new, number, images)]
    return {picture.file: picture.png() for picture in drawn}


def decoded(file: bytes) -> Array:
    """Return the pixels of a PNG file, (rows, columns), as red * 65536 + green * 256 + blue.

    Parameters
    ----------
    file : bytes
    """
    from matplotlib.image import imread

    image = imread(io.BytesIO(file), format="png")
    levels = np.rint(255 * image[..., :3]).astype(np.float64)
    return np.asarray(levels @ (65536.0, 256.0, 1.0))


def undecided(near: Reach, records: NeuronRecords, allowed: Mapping[str, Room]) -> dict[str, Any]:
    """Return which decisions lie so near a threshold or a neighbour that rounding may choose.

    Parameters
    ----------
    near : Reach
    records : NeuronRecords
        The reference's.
    allowed : mapping of field to Room
    """
    firing = np.argwhere(near.open_firing)
    places = {n: np.argwhere(np.asarray(allowed[f"{n}.indices"].undecided)) for n in rankings(near)}
    held = np.argwhere(near.open_held) if records.neurons[0].needed_for else np.empty((0, 2), int)
    listed = [f"whether neuron {n} fires on image {k}" for k, n in firing]
    listed += [f"place {k} of neuron {n}'s {name}" for name, v in places.items() for n, k in v]
    listed += [f"the digit of image {k}" for k in np.flatnonzero(near.open_digits)]
    listed += [f"the digit of image {k} with neuron {n} held" for n, k in held]
    return {
        "firing": len(firing),
        "ranks": sum(len(v) for v in places.values()),
        "digits": int(near.open_digits.sum()) + len(held),
        "roles": int(near.open_firing.any(axis=0).sum()),
        "where": listed[:LISTED],
    }


def sentence(evidence: Evidence, records: NeuronRecords, held: bool) -> str:
    """Return the finding in floating point, in words.

    Parameters
    ----------
    evidence : Evidence
    records : NeuronRecords
    held : bool
        Whether the candidate could be asked what it answers while a neuron is held.
    """
    found = evidence.details["undecided"]
    neurons = "one neuron" if len(records.neurons) == 1 else f"{len(records.neurons)} neurons"
    who = f"the records of {neurons} on {records.examples:,} images"
    some = sum(found[name] for name in ("firing", "ranks", "digits"))
    near = "nothing lies so near a threshold or a neighbour that rounding could have chosen"
    if some:
        near = (
            f"rounding may choose {found['firing']} firings, {found['ranks']} ranks and "
            f"{found['digits']} digits, such as {found['where'][0]}"
        )
    left = "" if held else "; what they are needed for was not offered"
    return f"{who} are within rounding of the reference's, and {near}{left}"
