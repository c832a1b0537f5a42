"""What both backends show of a hidden layer is the same, and holding a neuron is what it says."""

import numpy as np
import pytest

from compare.observation import TOGETHER, observe
from model.initial import initial_parameters
from model.neurons import mean_activations
from model.parameters import Parameters
from reference import arithmetic as numpy_arithmetic
from reference.network import Network
from torch_impl import arithmetic as torch_arithmetic
from torch_impl.network import Network as Twin

FIELDS = ("zs", "activations", "predictions", "held_at", "ablated_predictions")
SIZES = [(784, 1, 10), (784, 5, 10), (784, 4, 6, 10)]


def some_images(count=300):
    pixels = np.random.default_rng(0).integers(0, 256, (count, 784)) / 256
    return (pixels - 0.5).astype(np.float32)


def softened(sizes):
    """A start whose neurons do not saturate and whose answers differ from image to image."""
    start = initial_parameters(sizes, seed=3)
    first, *rest = start.weights
    return Parameters(sizes, [first / 4, *rest], [b / 4 for b in start.biases])


@pytest.mark.parametrize("sizes", SIZES)
def test_both_backends_show_the_same_bits_in_fixed_point(sizes):
    parameters = softened(sizes)
    one = Network.from_parameters(parameters, numpy_arithmetic.FixedPoint())
    other = Twin.from_parameters(parameters, torch_arithmetic.FixedPoint())
    first, second = observe(one, some_images()), observe(other, some_images())
    for field in FIELDS:
        left, right = getattr(first, field), getattr(second, field)
        assert left.dtype == right.dtype
        np.testing.assert_array_equal(left, right, err_msg=field)


@pytest.mark.parametrize("name", ["Float64", "Float32"])
def test_both_backends_show_the_same_up_to_rounding_in_floating_point(name):
    parameters = softened((784, 5, 10))
    one = observe(
        Network.from_parameters(parameters, getattr(numpy_arithmetic, name)()), some_images()
    )
    other = observe(
        Twin.from_parameters(parameters, getattr(torch_arithmetic, name)()), some_images()
    )
    room = {"Float64": 1e-12, "Float32": 1e-3}[name]
    np.testing.assert_allclose(one.zs, other.zs, rtol=0, atol=room)
    assert one.zs.dtype == other.zs.dtype == np.float64


@pytest.mark.parametrize("sizes", SIZES)
def test_predictions_are_those_of_the_whole_network(sizes):
    net = Network.from_parameters(softened(sizes))
    images = some_images()
    zs, activations = net.trace(images.T)
    seen = observe(net, images)
    np.testing.assert_array_equal(seen.predictions, np.argmax(activations[-1], axis=0))
    np.testing.assert_array_equal(seen.zs, zs[0].T)
    np.testing.assert_array_equal(seen.activations, activations[1].T)


def test_a_held_neuron_stays_at_its_mean_and_the_others_go_on():
    net = Network.from_parameters(softened((784, 5, 10)))
    seen = observe(net, some_images())
    for number in range(5):
        hidden = seen.activations.copy()
        hidden[:, number] = seen.held_at[number]
        z = hidden @ net.weights[1].T + net.biases[1].T  # the sigmoid keeps the order
        np.testing.assert_array_equal(seen.ablated_predictions[number], np.argmax(z, axis=1))
    assert (seen.ablated_predictions != seen.predictions).any()
    assert len(np.unique(seen.predictions)) > 3


def test_in_fixed_point_the_mean_is_rounded_as_activations_are():
    net = Network.from_parameters(softened((784, 5, 10)), numpy_arithmetic.FixedPoint())
    seen = observe(net, some_images())
    means = mean_activations(seen.activations)
    scaled = seen.held_at * net.arithmetic.parameter_scale
    np.testing.assert_array_equal(scaled, np.rint(scaled))
    np.testing.assert_allclose(
        seen.held_at, means, rtol=0, atol=0.5 / net.arithmetic.parameter_scale
    )
    assert (seen.held_at != means).any()


def test_more_images_than_are_looked_at_together_are_all_seen():
    net = Network.from_parameters(softened((784, 2, 10)), numpy_arithmetic.FixedPoint())
    images = np.tile(some_images(50), (TOGETHER // 50 + 1, 1))
    seen = observe(net, images)
    assert len(seen.zs) == len(images)
    np.testing.assert_array_equal(seen.zs[-50:], seen.zs[:50])


def test_no_images_are_refused():
    net = Network.from_parameters(softened((784, 2, 10)))
    with pytest.raises(ValueError, match="expected one or more, received none"):
        observe(net, np.empty((0, 784)))
