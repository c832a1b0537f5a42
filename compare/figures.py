"""Link "figures": are the neuron records made from either network, and their pictures, the same?

Records are a function of what is compared here: z and activations of the first hidden layer, the
outputs, and the outputs while a neuron is held at its mean. In floating point these are held within
their bounds, and the roles and digits that rounding could change are named. In fixed-point the JSON
file of the records and the pictures must be the same byte for byte.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compare.balls import Ball, Bounded, rules_for
from compare.difference import Difference, NotOffered, Refused, Untried, measure
from compare.host import Host
from compare.material import PIXELS, Material
from compare.standard import Standard
from compare.trial import Trial
from compare.twins import reference_net
from model.export import to_json
from model.neurons import (
    FIRING_ACTIVATION,
    Observation,
    mean_activations,
    neuron_records,
    never_lit_pixels,
)
from model.parameters import Parameters

BLOCK = 1000  # images at a time stay in the cache
RESAMPLES = 100
FAVOURITE = 11  # whose sheet is drawn
ALL_PICTURES = 1000  # of fewer images one small picture is drawn, as a quick proof does
LISTED = 20  # open decisions that are listed
Array = NDArray[np.float64]
Seen = dict[str, Array]  # an image in every column; with the outputs while each neuron is held


def figures(host: Host, material: Material, notes: dict[str, Any]) -> Iterator[Difference]:
    """records and pictures are the same"""
    if len(material.sizes) < 3 or material.sizes[-1] < 2:
        raise Untried(f"sizes {list(material.sizes)}: no hidden neuron that tells digits apart")
    told: list[str] = []
    if material.dtype != "fixed-point":
        yield from in_floating_point(host, material, notes, told)
    try:
        trial = Trial(host, material.for_dtype("fixed-point").trained, "fixed-point")
    except NotOffered:
        notes["not_offered"] = [*notes.get("not_offered", ()), "figures in fixed-point"]
    else:
        yield from to_the_last_bit(trial, material.for_dtype("fixed-point"), notes, told)
    notes["sentence"] = "; ".join(told)


def seen_by(net: Any, images: NDArray[Any]) -> Seen:
    """Show a network some images."""
    blocks = [images[k : k + BLOCK].T.astype(np.float64) for k in range(0, len(images), BLOCK)]
    traced = [net.trace(x) for x in blocks]
    if not traced[0][0]:
        raise NotOffered("trace")
    layers = [(zs[0], activations[1], activations[-1]) for zs, activations in traced]
    joined = (np.concatenate(v, axis=1, dtype=np.float64) for v in zip(*layers, strict=True))
    return dict(zip(("zs[0]", "activations[1]", "outputs"), joined, strict=True))


def shown(trial: Trial, material: Material) -> tuple[Seen, Seen, Array]:
    """Return what candidate and reference do on test images, and where neurons were held."""
    images = material.test_images[: material.shown]
    reference = reference_net(material.trained, material.dtype)
    theirs, ours = seen_by(trial, images), seen_by(reference, images)
    means = mean_activations(ours["activations[1]"].T)
    means = np.asarray(reference.net.arithmetic.parameters(means))
    if not trial.offers("held"):
        return theirs, ours, means.astype(np.float64)
    for net, seen in ((trial, theirs), (reference, ours)):
        blocks = [images[k : k + BLOCK].T.astype(np.float64) for k in range(0, len(images), BLOCK)]
        held = [[net.held(x, n, float(v)) for x in blocks] for n, v in enumerate(means)]
        seen["outputs while held"] = np.array([np.concatenate(v, axis=1) for v in held], np.float64)
    return theirs, ours, means.astype(np.float64)


def in_floating_point(
    host: Host, material: Material, notes: dict[str, Any], told: list[str]
) -> Iterator[Difference]:
    """Yield what records are made of, within what rounding explains."""
    trial = Trial(host, material.trained)
    exactly = replace(material, dtype="float64")  # which float32 is held against too
    theirs, ours, means = shown(trial, exactly)
    near, count = reach(material, means), ours["zs[0]"].shape[1]
    for name, right in ours.items():
        case = f"{material.dtype}, {count:,} test images, trained"
        yield measure(name, theirs[name], right, near[name], case)
    notes["undecided"] = undecided = open_decisions(ours, near)
    some = "nothing lies so near a threshold that rounding could have chosen a role or a digit"
    if undecided["where"]:
        counts = f"{undecided['firing']} firings and {undecided['digits']} digits"
        some = f"rounding may choose {counts}, such as {undecided['where'][0]}"
    if not trial.offers("held"):
        notes.setdefault("not_offered", []).append(trial.missing("held"))
    yield from when_moved(trial, material)
    told.append(
        f"what the records of {len(means)} hidden neurons on {count:,} images are made "
        f"of is within rounding of the reference's, and {some}"
    )


def when_moved(trial: Trial, material: Material) -> Iterator[Difference]:
    """Yield the outputs while neurons are held, deleted too, of a network that has taken a step."""
    if not (trial.offers("held") and trial.offers("update_mini_batch")):
        return
    trial.update_mini_batch(*material.mini_batch(0), material.eta)
    moved = Standard(Parameters(material.sizes, *trial.export()), material.dtype)
    x = material.test_images[: min(BLOCK, material.shown)].T.astype(np.float64)
    last = material.sizes[1] - 1
    # Any number can be held, but fixed-point numbers are activations, between 0 and 1.
    large = 1.0 if material.dtype == "fixed-point" else 1.5
    for neuron, value in ((0, 0.0), (last, large), (last // 2, 0.25)):
        case = f"{material.dtype}, after a step, neuron {neuron} held at {value:g}"
        found = trial.held(x, neuron, value)
        yield moved.held(x, neuron, value).measure("outputs while held", found, case)


def reach(material: Material, means: Array) -> dict[str, Array]:
    """Return how far rounding may carry a hidden layer, and the outputs while a neuron is held."""
    rules, net = rules_for(material.dtype, material.sizes, 1), Bounded.of(material.trained)
    parts = []
    for start in range(0, min(len(material.test_images), material.shown), BLOCK):
        x = material.test_images[start : min(start + BLOCK, material.shown)].T.astype(np.float64)
        zs, activations = net.trace(Ball(rules, x))
        frozen = (net.fixed(activations[1], n, float(mean)) for n, mean in enumerate(means))
        held = np.array([2 * net.onward(a).error for a in frozen])
        parts.append((2 * zs[0].error, 2 * activations[1].error, 2 * activations[-1].error, held))
    names = ("zs[0]", "activations[1]", "outputs", "outputs while held")
    joined = (np.concatenate(v, axis=-1) for v in zip(*parts, strict=True))
    return dict(zip(names, joined, strict=True))


def open_decisions(ours: Seen, near: dict[str, Array]) -> dict[str, Any]:
    """Return which decisions lie so near a threshold that rounding may choose.

    A role depends on which images make its neuron fire, and on nothing else.
    """
    gap = np.abs(ours["activations[1]"] - FIRING_ACTIVATION)
    firing = np.argwhere(gap <= near["activations[1]"])
    listed = [f"the role of neuron {n}, as it may fire on image {k}" for n, k in firing]
    outputs = [("", ours["outputs"], near["outputs"])]
    pairs = zip(ours.get("outputs while held", ()), near["outputs while held"], strict=False)
    outputs += [(f" with neuron {n} held", *pair) for n, pair in enumerate(pairs)]
    for how, answers, allowed in outputs:
        images = np.flatnonzero(undecided(answers, allowed))
        listed += [f"the digit of image {k}{how}" for k in images]
    roles, digits = sorted({int(n) for n, _ in firing}), len(listed) - len(firing)
    return {"firing": len(firing), "roles": roles, "digits": digits, "where": listed[:LISTED]}


def undecided(outputs: Array, allowed: Array) -> NDArray[np.bool_]:
    """Return which images have margins so small that rounding may choose the digit.

    A margin above twice what is allowed of each output leaves rounding no choice.
    """
    second, first = np.sort(outputs, axis=0)[-2:]
    return np.asarray(first - second <= 2 * allowed.max(axis=0))


def to_the_last_bit(
    trial: Trial, material: Material, notes: dict[str, Any], told: list[str]
) -> Iterator[Difference]:
    """Yield records and pictures in fixed-point, where no byte may differ."""
    theirs, ours, _ = shown(trial, material)
    case = f"fixed-point, {ours['zs[0]'].shape[1]:,} test images, trained"
    if not ours["zs[0]"].any():
        raise Refused("every z is 0: records of nothing prove nothing")
    for name, right in ours.items():
        yield measure(name, theirs[name], right, 0.0, case)
    own = reference_net(material.trained, material.dtype).export()
    records = [records_of(material, *pair) for pair in ((own, ours), (trial.export(), theirs))]
    files = [files_of(v, material) for v in records]
    for name, file in files[0].items():
        most = max(len(file), len(files[1][name]))
        both = (np.frombuffer(v, np.uint8).astype(float) for v in (files[1][name], file))
        found, right = (np.pad(v, (0, most - len(v)), constant_values=-1) for v in both)
        yield measure(name, found, right, 0.0, f"{case}, bytes of the file")
    notes["files"] = list(files[0])
    yield from when_moved(trial, material)
    told.append(f"in fixed-point {', '.join(files[0])} are the same byte for byte")


def records_of(material: Material, exported: Any, seen: Seen) -> Any:
    """Return the neuron records of a network from what it exports and what it does."""
    names = {k: v for k, v in material.trained.metadata.items() if k == "neuron_names"}
    digits = seen["outputs"].argmax(axis=0)
    held = np.tile(digits, (material.sizes[1], 1))  # where a candidate does not offer to hold any
    if "outputs while held" in seen:
        held = seen["outputs while held"].argmax(axis=1)
    zs, activations = seen["zs[0]"].T, seen["activations[1]"].T
    return neuron_records(
        Parameters(material.sizes, exported[0], exported[1], names),
        Observation(zs, activations, digits, frozen=held, deleted=held, switched=digits),
        material.test_labels[: material.shown],
        never_lit=never_lit_pixels(material.images),
        rarely_lit=0,
        blanked=digits,
        initial=material.initial,
        resamples=RESAMPLES,
    )


def files_of(records: Any, material: Material) -> dict[str, bytes]:
    """Return the records as files: JSON, and PNG pictures; a small one of few images, else all."""
    from model import pages

    number = min(FAVOURITE, records.hidden - 1)
    images = material.test_images[: material.shown]
    if len(images) < ALL_PICTURES:
        drawn = [pages.run(records, [], 0)]
    elif records.sizes[0] != PIXELS:
        drawn = [pages.firing_rates(records)]
    else:
        drawn = [pages.weights(records), pages.sheet(records, number, images)]
    text = json.dumps(to_json(records), allow_nan=False)
    return {"neurons.json": text.encode()} | {picture.file: picture.png() for picture in drawn}
