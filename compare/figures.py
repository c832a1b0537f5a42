"""Link "figures": are the neuron records made from either network, and their pictures, the same?

Records are a function of what is compared here: z and activations of every layer, and the outputs
while a neuron is held at its mean. In floating point these are held within their bounds, and the
roles and digits that rounding could change are named. In fixed-point the JSON file of the records
and the pictures must be the same byte for byte.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compare.calls import HELD, in_every_order
from compare.difference import Difference, NotOffered, Refused, Untried
from compare.host import Host
from compare.material import PIXELS, Material
from compare.standard import Expected, Standard, undecided
from compare.trial import Trial
from compare.twins import reference_net
from model.export import to_json
from model.neurons import (
    FIRING_ACTIVATION,
    NeuronRecords,
    Observation,
    mean_activations,
)
from model.parameters import Parameters

BLOCK = 1000  # images at a time stay in the cache
RESAMPLES = 100
FAVOURITE = 11  # whose sheet is drawn
ALL_PICTURES = 1000  # of fewer images one small picture is drawn, as a quick proof does
LISTED = 20  # open decisions that are listed
FIXED = "fixed-point"
Array = NDArray[np.float64]
Tensors = dict[str, Array]
Block = tuple[dict[str, Expected], Tensors]  # of images: what both networks do
Item = tuple[str, dict[str, Expected], Tensors]


def figures(host: Host, material: Material, notes: dict[str, Any]) -> Iterator[Item | Difference]:
    """records and pictures are the same"""
    if len(material.sizes) < 3 or material.sizes[-1] < 2:
        raise Untried(f"sizes {list(material.sizes)}: no hidden neuron that tells digits apart")
    told, missing = [], list[str]()
    for arithmetic in dict.fromkeys((material.dtype, FIXED)):
        asked, blocks = material.for_dtype(arithmetic), list[Block]()
        try:
            trial = Trial(host, asked.trained, arithmetic)
        except NotOffered:
            missing.append("figures in fixed-point")
            continue
        for item in shown(trial, asked):
            blocks.append(item[1:])
            yield item
        if arithmetic == FIXED:
            yield (item := same_files(trial, asked, blocks))
            notes["files"] = list(item[1])
            told.append(f"in fixed-point {', '.join(item[1])} are the same byte for byte")
        else:
            if not trial.offers("held"):
                missing.append(trial.missing("held"))
            notes["undecided"] = undecided = open_decisions(blocks)
            some = (
                "nothing lies so near a threshold that rounding could have chosen a role or digit"
            )
            if undecided["where"]:
                counts = f"{undecided['firing']} firings and {undecided['digits']} digits"
                some = f"rounding may choose {counts}, such as {undecided['where'][0]}"
            told.append(
                f"what the records of {asked.sizes[1]} hidden neurons on "
                f"{min(asked.shown, len(asked.test_images)):,} images are made of is within "
                f"rounding of the reference's, and {some}"
            )
        if trial.offers("held"):
            yield from in_every_order(host, asked, "evaluate", "held")
    notes["sentence"] = "; ".join(told)
    if missing:
        notes["not_offered"] = missing


def shown(trial: Trial, material: Material) -> Iterator[Item]:
    """Yield what both networks do on test images, and while each neuron is held at its mean."""
    if not trial.offers("trace"):
        raise NotOffered("trace")
    standard = Standard(material.trained, material.dtype)
    images = material.test_images[: material.shown]
    net = reference_net(material.trained, FIXED if material.dtype == FIXED else "float64")
    means = mean_activations(net.trace(images.T.astype(np.float64))[1][1].T)
    held = [*enumerate(np.asarray(net.net.arithmetic.parameters(means), np.float64).tolist())]
    for start in range(0, len(images), BLOCK):
        x = images[start : start + BLOCK].T.astype(np.float64)
        found, expected = trial.host.beside(partial(seen_by, trial, x, held)), standard.forward(x)
        if trial.offers("held"):
            expected[HELD] = standard.held(x, held)
        yield f"{material.dtype}, test images from {start:,}, trained", expected, found()


def seen_by(trial: Trial, x: Array, held: list[tuple[int, float]]) -> Tensors:
    """Return what a candidate does, and its outputs while one neuron after the other is held."""
    found = trial.forward(x)
    if trial.offers("held"):
        found[HELD] = np.array([trial.held(x, neuron, value) for neuron, value in held])
    return found


def open_decisions(blocks: list[Block]) -> dict[str, Any]:
    """Return which decisions lie so near a threshold that rounding may choose.

    A role depends on which images make its neuron fire, and on nothing else.
    """
    firing, digits = list[list[int]](), list[str]()
    for k, (expected, _) in enumerate(blocks):
        a, outputs, first = expected["activations[1]"], expected["feedforward"], k * BLOCK
        near = np.argwhere(np.abs(a.reference - FIRING_ACTIVATION) <= a.allowed)
        firing += np.add(near, (0, first)).tolist()
        for (image,) in np.argwhere(undecided(outputs.reference, outputs.allowed)):
            digits.append(f"the digit of image {first + image}")
        if held := expected.get(HELD):
            for neuron, image in np.argwhere(undecided(held.reference, held.allowed)):
                digits.append(f"the digit of image {first + image} with neuron {neuron} held")
    roles = [f"the role of neuron {n}, as it may fire on image {image}" for n, image in firing]
    return {
        "firing": len(firing),
        "roles": sorted({n for n, _ in firing}),
        "digits": len(digits),
        "where": (roles + digits)[:LISTED],
    }


def same_files(trial: Trial, material: Material, blocks: list[Block]) -> Item:
    """Return the bytes of the files that either network's records are written and drawn in."""
    ours = joined([{k: e.reference for k, e in expected.items()} for expected, _ in blocks])
    if not ours["zs[0]"].any():
        raise Refused("every z is 0: records of nothing prove nothing")
    own = reference_net(material.trained, material.dtype).export()
    right = files_of(material, own, ours)
    found = files_of(material, trial.export(), joined([found for _, found in blocks]))
    expected, bytes_found = dict[str, Expected](), Tensors()
    for name in right:
        both = [np.frombuffer(v[name], np.uint8).astype(np.float64) for v in (right, found)]
        most = max(map(len, both))
        both = [np.pad(v, (0, most - len(v)), constant_values=-1) for v in both]
        expected[name], bytes_found[name] = Expected(both[0]), both[1]
    return f"{FIXED}, trained, bytes of the file", expected, bytes_found


def joined(blocks: list[Tensors]) -> Tensors:
    """Return tensors of all images from those of blocks of them."""
    return {name: np.concatenate([b[name] for b in blocks], axis=-1) for name in blocks[0]}


def files_of(material: Material, exported: Any, seen: Tensors) -> dict[str, bytes]:
    """Return the records of a network as files: JSON, and PNG pictures; a small one of few images.

    They are made from what it exports and what it does.
    """
    from model import pages

    names = {k: v for k, v in material.trained.metadata.items() if k == "neuron_names"}
    images, number = material.test_images[: material.shown], min(FAVOURITE, material.sizes[1] - 1)
    digits = seen[f"activations[{len(material.sizes) - 1}]"].argmax(axis=0)
    held = np.tile(digits, (material.sizes[1], 1))  # where a candidate does not offer to hold any
    if HELD in seen:
        held = seen[HELD].argmax(axis=1)
    zs, activations = seen["zs[0]"].T, seen["activations[1]"].T
    records = NeuronRecords(
        Parameters(material.sizes, exported[0], exported[1], names),
        Observation(zs, activations, digits, frozen=held, deleted=held, switched=digits),
        material.test_labels[: material.shown],
        never_lit=np.logical_not(material.images.any(axis=0)),
        rarely_lit=0,
        blanked=digits,
        initial=material.initial,
        resamples=RESAMPLES,
    )
    if len(images) < ALL_PICTURES:
        drawn = [pages.run(records, [], 0)]
    elif records.sizes[0] != PIXELS:
        drawn = [pages.firing_rates(records)]
    else:
        drawn = [pages.weights(records), pages.sheet(records, number, images)]
    text = json.dumps(to_json(records), allow_nan=False)
    return {"neurons.json": text.encode()} | {picture.file: picture.png() for picture in drawn}
