"""What the tests of the neurons share: records of small, odd networks on random images."""

from __future__ import annotations

import copy
import functools
from dataclasses import fields

import numpy as np
import pytest

from model.neurons import HELD, NeuronRecords, Observation
from model.parameters import Parameters

DIGITS = 10
PREDICTED = ("predictions", "switched", "blanked")
UNKNOWN = {"initial": None, "start_zs": None}
EXAMPLES = 120
EDGE = np.zeros((28, 28), dtype=bool)
EDGE[0] = EDGE[-1] = True


def refused(call, *arguments):
    """The one line with which something is refused."""
    with pytest.raises((ValueError, OSError)) as caught:
        call(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def row(rest=0, **digits):
    """So many of the 100 images of each digit: d4=90 for 90 of digit 4, rest for the others."""
    return [digits.get(f"d{digit}", rest) for digit in range(DIGITS)]


def counts(*rows):
    """Counts of neurons that fire on so many of the 100 images of each digit."""
    return np.array(rows), np.full(DIGITS, 100)


def parameters_of(sizes, seed=0, **metadata) -> Parameters:
    rng = np.random.default_rng(seed)
    pairs = list(zip(sizes[1:], sizes[:-1], strict=True))
    weights = [rng.standard_normal(pair) for pair in pairs]
    return Parameters(sizes, weights, [rng.standard_normal((n, 1)) for n, _ in pairs], metadata)


def record(parameters, labels, **given) -> NeuronRecords:
    """The records of these arguments, those of an Observation among them."""
    seen = Observation(*(np.asarray(given.pop(field.name)) for field in fields(Observation)))
    return NeuronRecords(parameters, seen, labels, **given)


def but(records, **given):
    """The same records but for these."""
    other = copy.copy(records)
    vars(other).update(given)
    return other


def case(hidden=5, examples=300, sizes=None, metadata=None, **more):
    """Arguments of `record` for a random network and images, but for those that are given."""
    rng, sizes = np.random.default_rng(0), sizes or (12, hidden, DIGITS)
    zs = rng.normal(scale=4, size=(examples, hidden)).round(2)  # rounded: ties happen
    return {
        "parameters": parameters_of(sizes, 0, **metadata or {}),
        "zs": zs,
        "activations": 1 / (1 + np.exp(-np.asarray(more.get("zs", zs)))),
        "labels": rng.integers(0, DIGITS, examples),
        **{name: rng.integers(0, DIGITS, examples) for name in PREDICTED},
        **{name: rng.integers(0, DIGITS, (hidden, examples)) for name in HELD},
        "start_zs": rng.normal(size=(examples, hidden)),
        "rarely_lit": 7,
        "never_lit": np.arange(sizes[0]) < 3,
        "initial": parameters_of(sizes, 1),
        "resamples": 40,
        **more,
    }


@pytest.fixture(scope="session")
def records_of():
    """Records of random numbers; neuron 0 is for 6, the second dead, the third constant."""
    return functools.cache(make_records)


def make_records(hidden=3, sizes=None, start=True, digits=10, named="") -> NeuronRecords:
    rng = np.random.default_rng(hidden)
    labels = np.arange(EXAMPLES) % digits
    zs = rng.normal(scale=9, size=(EXAMPLES, hidden))
    zs[:, 0] = np.where(labels == 6, 12, -12) + rng.normal(size=EXAMPLES)
    zs[:, 1:2] = -40.0 + rng.random((EXAMPLES, 1))
    zs[:, 2:3] = 0.0
    predictions = np.where(rng.random(EXAMPLES) < 0.9, labels, rng.integers(0, 10, EXAMPLES))
    held = np.tile(predictions, (hidden, 1))
    held[0, labels == 6] = 4
    names = {"neuron_names": {str(n): named for n in range(hidden)}}
    given = {"predictions": predictions, "frozen": held, "deleted": held, "never_lit": EDGE.ravel()}
    sizes = sizes or (784, hidden, 10)
    hand = case(hidden, EXAMPLES, sizes, names, zs=zs, labels=labels, **given)
    return record(**hand if start else hand | UNKNOWN)


@pytest.fixture(scope="session")
def images():
    """The pixels of the images behind any of those records."""
    return np.random.default_rng(0).random((EXAMPLES, 784))
