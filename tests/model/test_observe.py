"""What both networks show of a hidden layer is the same, and holding a neuron is what it says."""

import numpy as np
import pytest

from model.initial import initial_parameters
from model.neurons import mean_activations
from model.observe import TOGETHER, ablated, observe, switched
from model.parameters import Parameters
from reference import arithmetic as numpy_arithmetic
from reference.network import Network
from torch_impl import arithmetic as torch_arithmetic
from torch_impl.network import Network as Twin

IMAGES = (np.random.default_rng(0).integers(0, 256, (300, 784)) / 256 - 0.5).astype(np.float32)
SIZES = [(784, 1, 10), (784, 5, 10), (784, 4, 6, 10)]


def networks(sizes, arithmetic):
    """Both twins of a network whose neurons do not saturate and whose answers differ."""
    start = initial_parameters(sizes, seed=3)
    first, *rest = start.weights
    softened = Parameters(sizes, [first / 4, *rest], [b / 4 for b in start.biases])
    return [
        kind.from_parameters(softened, getattr(module, arithmetic)())
        for kind, module in ((Network, numpy_arithmetic), (Twin, torch_arithmetic))
    ]


@pytest.mark.parametrize("sizes", SIZES)
def test_both_networks_show_the_same_bits_in_fixed_point(sizes):
    first, second = (vars(observe(net, IMAGES)) for net in networks(sizes, "FixedPoint"))
    assert list(first) == list(second)
    for field, values in first.items():
        assert values.dtype == second[field].dtype
        np.testing.assert_array_equal(values, second[field], err_msg=field)


@pytest.mark.parametrize(("name", "room"), [("Float64", 1e-12), ("Float32", 1e-3)])
def test_both_networks_show_the_same_up_to_rounding_in_floating_point(name, room):
    one, other = (observe(net, IMAGES) for net in networks((784, 5, 10), name))
    np.testing.assert_allclose(one.zs, other.zs, rtol=0, atol=room)
    assert one.zs.dtype == other.zs.dtype == other.held_at.dtype == np.float64


@pytest.mark.parametrize("sizes", SIZES)
def test_what_is_shown_is_the_trace_of_the_whole_network(sizes):
    net = networks(sizes, "Float64")[0]
    zs, activations = net.trace(IMAGES.T)
    seen = observe(net, IMAGES)
    np.testing.assert_array_equal(seen.predictions, np.argmax(activations[-1], axis=0))
    np.testing.assert_array_equal(seen.zs, zs[0].T)
    np.testing.assert_array_equal(seen.activations, activations[1].T)
    alone = observe(net, IMAGES[:1])  # its own mean: held there it answers as before
    np.testing.assert_array_equal(alone.ablated_predictions, [alone.predictions] * sizes[1])


@pytest.mark.parametrize("twin", [0, 1])
def test_a_held_neuron_stays_at_its_mean_and_the_others_go_on(twin):
    net = networks((784, 5, 10), "Float64")[twin]
    seen = observe(net, IMAGES)
    np.testing.assert_array_equal(seen.held_at, mean_activations(seen.activations))
    weights, biases = net.export()
    for number in range(5):
        hidden = seen.activations.copy()
        hidden[:, number] = seen.held_at[number]
        z = hidden @ weights[1].T + biases[1].T  # the sigmoid keeps the order
        np.testing.assert_array_equal(seen.ablated_predictions[number], np.argmax(z, axis=1))
    assert (seen.ablated_predictions != seen.predictions).any()
    assert len(np.unique(seen.predictions)) > 3


def test_in_fixed_point_the_mean_is_rounded_as_activations_are():
    net = networks((784, 5, 10), "FixedPoint")[0]
    seen = observe(net, IMAGES)
    means = mean_activations(seen.activations) * net.arithmetic.parameter_scale
    held = seen.held_at * net.arithmetic.parameter_scale
    np.testing.assert_array_equal(held, np.rint(means))
    assert (held != means).any()


def test_more_images_than_are_looked_at_together_are_all_seen():
    images = np.tile(IMAGES[:50], (TOGETHER // 50 + 1, 1))
    for net in networks((784, 2, 10), "FixedPoint"):
        zs = observe(net, images).zs
        assert len(zs) == len(images)
        np.testing.assert_array_equal(zs[-50:], zs[:50])


def test_no_images_are_refused():
    with pytest.raises(ValueError, match="expected one or more, received none"):
        observe(networks((784, 2, 10), "Float64")[0], np.empty((0, 784)))


def test_a_switched_layer_is_all_or_nothing():
    net = networks((784, 5, 10), "Float64")[0]
    seen = observe(net, IMAGES)
    weights, biases = net.export()
    expected = np.argmax((seen.activations > 0.5) @ weights[1].T + biases[1].T, axis=1)
    np.testing.assert_array_equal(switched(net, seen.activations), expected)
    deleted = ablated(net, seen.activations, np.zeros(5))
    hidden = np.where(np.arange(5) == 2, 0, seen.activations)
    assert (deleted[2] == np.argmax(hidden @ weights[1].T + biases[1].T, axis=1)).all()
    assert (deleted != seen.ablated_predictions).any()
