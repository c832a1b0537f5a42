"""What a network shows of a hidden layer is its trace, and holding a neuron is what it says.

That both show the same: tests/scripts/test_neuron_programs.py, and the figures of the proof.
"""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from model import observe as observing
from model.initial import initial_parameters
from model.neurons import mean_activations
from model.observe import TOGETHER, observe
from model.parameters import Parameters
from tests.twin import REFERENCE, both

IMAGES = (np.random.default_rng(0).integers(0, 256, (300, 784)) / 256 - 0.5).astype(np.float32)
SIZES = (784, 5, 10)


def softened(sizes):
    """A network whose neurons do not saturate and whose answers differ."""
    start = initial_parameters(sizes, seed=3)
    first, *rest = start.weights
    return Parameters(sizes, [first / 4, *rest], [b / 4 for b in start.biases])


def answers(net, hidden):
    """The digits that follow from (examples, hidden) activations: the sigmoid keeps the order."""
    weights, biases = net.export()
    return np.argmax(hidden @ weights[1].T + biases[1].T, axis=1)


@pytest.mark.parametrize("sizes", [(784, 1, 10), SIZES, (784, 4, 6, 10)])
def test_what_is_shown_is_the_trace_of_the_whole_network(sizes):
    net = REFERENCE.start(softened(sizes), "Float64")
    zs, activations = net.trace(IMAGES.T)
    seen = observe(net, IMAGES)
    assert_array_equal(seen.predictions, np.argmax(activations[-1], axis=0))
    assert_array_equal(seen.zs, zs[0].T)
    assert_array_equal(seen.activations, activations[1].T)
    alone = observe(net, IMAGES[:1])  # its own mean: held there it answers as before
    assert_array_equal(alone.frozen, [alone.predictions] * sizes[1])
    with pytest.raises(ValueError, match="expected one or more, received none"):
        observe(net, np.empty((0, 784)))


@both
def test_a_held_neuron_stays_where_it_is_held_and_the_others_go_on(twin):
    net = twin.start(softened(SIZES), "Float64")
    seen = observe(net, IMAGES)
    means = mean_activations(seen.activations)
    for held, values in ((seen.frozen, means), (seen.deleted, np.zeros(5))):
        for number in range(5):
            hidden = np.where(np.arange(5) == number, values, seen.activations)
            assert_array_equal(held[number], answers(net, hidden))
        assert (held != seen.predictions).any()
    assert (seen.deleted != seen.frozen).any()
    assert len(np.unique(seen.predictions)) > 3
    assert_array_equal(seen.switched, answers(net, seen.activations > 0.5))


def test_in_fixed_point_the_mean_is_rounded_as_activations_are(monkeypatch):
    net, held = REFERENCE.start(softened(SIZES)), []
    answer = observing._answers
    monkeypatch.setattr(observing, "_answers", lambda net, a: held.append(a) or answer(net, a))
    means = mean_activations(observe(net, IMAGES).activations) * net.arithmetic.parameter_scale
    frozen = np.array([held[n][0, n] for n in range(5)]) * net.arithmetic.parameter_scale
    assert_array_equal(frozen, np.rint(means))
    assert (frozen != means).any()


@both
def test_more_images_than_are_looked_at_together_are_all_seen(twin):
    images = np.tile(IMAGES[:50], (TOGETHER // 50 + 1, 1))
    zs = observe(twin.start(softened((784, 2, 10))), images).zs
    assert len(zs) == len(images)
    assert_array_equal(zs[-50:], zs[:50])
