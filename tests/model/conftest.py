"""What the tests of the neurons share: records of small, odd networks on random images."""

from __future__ import annotations

import numpy as np
import pytest

from model.neurons import NeuronRecords, Observation, neuron_records
from model.parameters import Parameters

EXAMPLES = 120
EDGE = np.zeros((28, 28), dtype=bool)
EDGE[0] = EDGE[-1] = True


def parameters_of(sizes, seed=0, **metadata) -> Parameters:
    rng = np.random.default_rng(seed)
    pairs = list(zip(sizes[1:], sizes[:-1], strict=True))
    weights = [rng.standard_normal(pair) for pair in pairs]
    return Parameters(sizes, weights, [rng.standard_normal((n, 1)) for n, _ in pairs], metadata)


@pytest.fixture(scope="session")
def records_of():
    """Records of random numbers; neuron 0 is for 6, the second dead, the third constant."""
    made: dict[str, NeuronRecords] = {}

    def records_of(*args, **kwargs) -> NeuronRecords:
        key = f"{args} {kwargs}"
        made[key] = made.get(key) or make_records(*args, **kwargs)
        return made[key]

    return records_of


def make_records(hidden=3, *, sizes=None, start=True, digits=10, **metadata) -> NeuronRecords:
    rng = np.random.default_rng(hidden)
    sizes = sizes or (784, hidden, 10)
    labels = np.arange(EXAMPLES) % digits
    zs = rng.normal(scale=9, size=(EXAMPLES, sizes[1]))
    zs[:, 0] = np.where(labels == 6, 12, -12) + rng.normal(size=EXAMPLES)
    zs[:, 1:2] = -40.0 + rng.random((EXAMPLES, 1))
    zs[:, 2:3] = 0.0
    predictions = np.where(rng.random(EXAMPLES) < 0.9, labels, rng.integers(0, 10, EXAMPLES))
    held = np.tile(predictions, (sizes[1], 1))
    held[0, labels == 6] = 4
    return neuron_records(
        parameters_of(sizes, 0, **metadata),
        Observation(zs, 1 / (1 + np.exp(-zs)), predictions, held, held, predictions),
        labels,
        never_lit=EDGE.ravel(),
        rarely_lit=7,
        blanked=predictions,
        initial=parameters_of(sizes, 1) if start else None,
        resamples=20,
    )


@pytest.fixture(scope="session")
def images():
    """The pixels of the images behind any of those records."""
    return np.random.default_rng(0).random((EXAMPLES, 784))
