"""The network in NumPy: by hand, by complex step, and as the book uses it."""

import itertools
import math
import warnings

import numpy as np
import pytest

from compare.rounding import gradient_bounds
from model.initial import initial_parameters
from model.parameters import Parameters
from reference import network
from reference.arithmetic import FixedPoint, Float32, Float64
from reference.mnist_loader import Examples, load_data_wrapper, vectorized_result
from reference.network import Network

ARITHMETICS = [Float64, Float32, FixedPoint]
SMALL = [(2, 2, 1), (3, 4, 2), (4, 3, 3, 2), (1, 1, 1), (5, 2)]


def started(sizes, arithmetic=Float64, seed=0):
    return Network.from_parameters(initial_parameters(sizes, seed), arithmetic())


def drawn(sizes, m, seed=0):
    """Pixels, a third of them dark, and desired outputs."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 256, (sizes[0], m)) / 256 * (rng.random((sizes[0], m)) > 1 / 3)
    return x, np.eye(sizes[-1])[:, rng.integers(0, sizes[-1], m)]


def same_bits(one, other):
    """Whether two lists of arrays, or two pairs of them, hold the same numbers."""
    flat = [[v for part in parts for v in part] for parts in (one, other)]
    return all(np.array_equal(a, b) for a, b in zip(*flat, strict=True))


# --- By hand ------------------------------------------------------------------------------------

# Nielsen's equations for a 2-2-1 network, x = (1, 2), y = 1, with L = ln 3: sigmoid(0) = 1/2,
# sigmoid(L) = 3/4, sigmoid(-L) = 1/4, and sigmoid' = a (1 - a) is 1/4, 3/16 and 3/16.
#
#   W[0] = ( 2  -1 )    b[0] = ( 0 )    z[0] = ( 2 - 2 + 0 ) = ( 0 )    a[1] = ( 1/2 )
#          ( L   0 )           ( 0 )           ( L + 0 + 0 )   ( L )           ( 3/4 )
#
#   W[1] = ( 2L  -4L )  b[1] = ( L )    z[1] = L - 3L + L = -L          a[2] = 1/4
#
#   cost         (1/4 - 1)^2 / 2 = 9/32
#   BP1 delta[1] (1/4 - 1) 3/16 = -9/64
#   BP2 delta[0] W[1].T delta[1] = (-18L/64, 36L/64), times (1/4, 3/16) = (-9L/128, 27L/256)
#   BP3          nabla_b = delta
#   BP4 nabla_w  delta[0] x.T = ( -9L/128  -9L/64 )     delta[1] a[1].T = ( -9/128  -27/256 )
#                               ( 27L/256  27L/128 )
#   update       eta = 2, m = 1: w - 2 nabla_w
L = math.log(3)
W = [np.array([[2, -1], [L, 0]]), np.array([[2 * L, -4 * L]])]
B = [np.array([[0.0], [0.0]]), np.array([[L]])]
X, Y = np.array([[1.0], [2.0]]), np.array([[1.0]])
ZS = [np.array([[0], [L]]), np.array([[-L]])]
ACTIVATIONS = [X, np.array([[1 / 2], [3 / 4]]), np.array([[1 / 4]])]
DELTAS = [np.array([[-9 * L / 128], [27 * L / 256]]), np.array([[-9 / 64]])]
NABLA_W = [
    np.array([[-9 * L / 128, -9 * L / 64], [27 * L / 256, 27 * L / 128]]),
    np.array([[-9 / 128, -27 / 256]]),
]
NEW_W = [
    np.array([[2 + 9 * L / 64, -1 + 9 * L / 32], [L - 27 * L / 128, -27 * L / 64]]),
    np.array([[2 * L + 9 / 64, -4 * L + 27 / 128]]),
]
NEW_B = [np.array([[9 * L / 64], [-27 * L / 128]]), np.array([[L + 9 / 32]])]


@pytest.mark.parametrize("arithmetic", [Float64, Float32])
def test_a_2_2_1_network_worked_by_hand(arithmetic):
    net = Network.from_parameters(Parameters((2, 2, 1), W, B), arithmetic())

    def near(received, expected):
        for one, other in zip(received, expected, strict=True):
            np.testing.assert_allclose(
                one, other, rtol=8 * np.finfo(arithmetic.dtype).eps, atol=0, strict=False
            )
            assert one.shape == other.shape

    near(net.trace(X)[0], ZS)
    near(net.trace(X)[1], ACTIVATIONS)
    near([net.feedforward(X)], ACTIVATIONS[-1:])
    near([np.reshape(net.cost(X, Y), (1, 1))], [np.array([[9 / 32]])])
    near(net.deltas(X, Y), DELTAS)
    nabla_b, nabla_w = net.backprop(X, Y)
    near(nabla_b, DELTAS)
    near(nabla_w, NABLA_W)
    net.update_mini_batch([(X, Y)], 2.0)
    near(net.weights, NEW_W)
    near(net.biases, NEW_B)


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
def test_a_mini_batch_is_averaged(arithmetic):
    """Four times the same example make the same step as one."""
    x, y = drawn((3, 4, 2), 1)
    one, four = started((3, 4, 2), arithmetic), started((3, 4, 2), arithmetic)
    one.update_mini_batch((x, y), 2.0)
    four.update_mini_batch((np.repeat(x, 4, axis=1), np.repeat(y, 4, axis=1)), 2.0)
    if arithmetic is FixedPoint:
        assert same_bits(one.export(), four.export())
    for a, b in zip(one.weights, four.weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


# --- Against differentiation that shares no formula ---------------------------------------------


def cost_of(weights, biases, x, y):
    """The book's cost, for complex parameters too: equations (3) and (6) of chapter 1."""
    a = x
    for w, b in zip(weights, biases, strict=True):
        a = 1 / (1 + np.exp(-(w @ a + b)))
    return ((a - y) ** 2).sum() / 2


def complex_step(parameters, x, y):
    """The derivative of the cost by every bias and every weight, C'(w) = Im C(w + ih) / h."""
    lists = [[v.astype(complex) for v in part] for part in (parameters.weights, parameters.biases)]
    gradients = [[np.zeros(v.shape) for v in part] for part in lists]
    for part, gradient in zip(lists, gradients, strict=True):
        for v, g in zip(part, gradient, strict=True):
            for entry in np.ndindex(v.shape):
                v[entry] += 1e-100j
                g[entry] = cost_of(*lists, x, y).imag / 1e-100
                v[entry] = v[entry].real
    return gradients[1], gradients[0]


@pytest.mark.parametrize("sizes", SMALL)
@pytest.mark.parametrize("m", [1, 4])
def test_backprop_equals_complex_step(sizes, m):
    parameters, (x, y) = initial_parameters(sizes, 3), drawn(sizes, m)
    received = Network.from_parameters(parameters).backprop(x, y)
    expected = complex_step(parameters, x, y)
    bounds = gradient_bounds(parameters.weights, parameters.biases, x, y)
    for name, ours, theirs in zip(("nabla_b", "nabla_w"), received, expected, strict=True):
        for a, b, bound in zip(ours, theirs, getattr(bounds, name), strict=True):
            assert (np.abs(a - b) <= 1.5 * bound).all()  # a complex product rounds twice
            assert (bound < 1e-11).all()


@pytest.mark.parametrize("sizes", SMALL)
def test_backprop_in_fixed_point_is_near_that_of_float64(sizes):
    x, y = drawn(sizes, 4)
    fixed, exact = (started(sizes, kind, seed=3).backprop(x, y) for kind in (FixedPoint, Float64))
    for a, b in zip(itertools.chain(*fixed), itertools.chain(*exact), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
def test_nabla_b_is_the_sum_of_the_deltas(arithmetic):
    net, (x, y) = started((3, 4, 2), arithmetic), drawn((3, 4, 2), 5)
    for delta, nabla_b in zip(net.deltas(x, y), net.backprop(x, y)[0], strict=True):
        summed = delta.sum(axis=1, keepdims=True)
        bound = 5 * np.finfo(nabla_b.dtype).eps * np.abs(delta).sum(axis=1, keepdims=True)
        assert np.all(np.abs(summed - nabla_b) <= bound)  # the order of summation is free


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
def test_the_cost_is_half_the_squared_distance_summed(arithmetic):
    net, (x, y) = started((3, 4, 2), arithmetic), drawn((3, 4, 2), 5)
    expected = sum(
        np.linalg.norm(net.feedforward(x[:, [k]]) - y[:, [k]]) ** 2 / 2 for k in range(5)
    )
    assert net.cost(x, y) == pytest.approx(expected, rel=1e-6)


# --- The book's session -------------------------------------------------------------------------


@pytest.mark.parametrize("pairs", [list, tuple, lambda data: data, lambda data: list(data)[:77]])
def test_the_book_s_own_session_runs_verbatim(digits_folder, monkeypatch, capsys, pairs):
    """Nielsen, ch. 1; with Examples, with lists of pairs, and with fewer of them."""
    monkeypatch.setenv("MNIST_DIR", str(digits_folder))
    from reference import mnist_loader

    training_data, _validation_data, test_data = mnist_loader.load_data_wrapper()
    training_data, test_data = pairs(training_data), pairs(test_data)
    net = network.Network([784, 30, 10])
    net.SGD(training_data, 3, 10, 3.0, test_data=test_data)
    lines = capsys.readouterr().out.splitlines()
    n = len(test_data)
    assert [line.split(": ")[0] for line in lines] == ["Epoch 0", "Epoch 1", "Epoch 2"]
    assert all(line.endswith(f" / {n}") for line in lines)
    assert lines[2] == f"Epoch 2: {net.evaluate(test_data)} / {n}"
    net.SGD(training_data, 1, 10, 3.0)
    assert capsys.readouterr().out == "Epoch 0 complete\n"


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
def test_examples_and_pairs_train_the_same_network(digits_folder, arithmetic):
    training, _, test = load_data_wrapper(digits_folder)
    ends = []
    for kind in (lambda data: data, list, iter):
        net, counts = started((784, 12, 10), arithmetic), []
        net.SGD(
            kind(training),
            2,
            7,
            3.0,
            test_data=kind(test),
            rng=np.random.default_rng(1),
            on_epoch=lambda epoch, correct, counts=counts: counts.append((epoch, correct)),
        )
        ends.append((net.export(), counts))
    for end in ends[1:]:
        assert same_bits(end[0], ends[0][0])
        assert end[1] == ends[0][1]
    assert [epoch for epoch, _ in ends[0][1]] == [0, 1]


def test_pairs_of_columns_are_what_the_book_has():
    x, y = drawn((784, 10), 2)
    y[:, 0] = vectorized_result(3)[:, 0]
    pairs = [(x[:, [k]], y[:, [k]]) for k in range(2)]
    matrices = network.columns(pairs)
    assert np.array_equal(matrices[0], x)
    assert np.array_equal(matrices[1], y)


def test_it_learns(digits_folder):
    training, _, test = load_data_wrapper(digits_folder)
    for kind in ARITHMETICS:
        net = started((784, 20, 10), kind)
        before = net.evaluate(test)
        net.SGD(training, 8, 10, 3.0, rng=np.random.default_rng(0), on_epoch=lambda *_: None)
        assert net.evaluate(test) > before + 0.4 * len(test)


# --- SGD ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
@pytest.mark.parametrize("mini_batch_size", [1, 4, 5, 23])
def test_sgd_takes_one_permutation_an_epoch_in_consecutive_slices(arithmetic, mini_batch_size):
    """23 examples: the last mini-batch is smaller, and is divided by its own size."""
    x, y = drawn((3, 4, 2), 23)
    data = Examples(x.T.copy(), y.T.copy())
    ours, theirs = started((3, 4, 2), arithmetic), started((3, 4, 2), arithmetic)
    rng = np.random.default_rng(8)
    ours.SGD(data, 3, mini_batch_size, 0.7, rng=rng, on_epoch=lambda *_: None)
    order_rng = np.random.default_rng(8)
    for _ in range(3):
        order = order_rng.permutation(23)
        for k in range(0, 23, mini_batch_size):
            batch = order[k : k + mini_batch_size]
            theirs.update_mini_batch(
                [(x[:, [j]], y[:, [j]]) for j in batch],
                0.7,
            )
    if arithmetic is FixedPoint:
        assert same_bits(ours.export(), theirs.export())
    for a, b in zip(ours.weights + ours.biases, theirs.weights + theirs.biases, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    assert rng.bit_generator.state == order_rng.bit_generator.state


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
def test_one_step_is_w_minus_eta_over_m_times_nabla(arithmetic):
    net, (x, y) = started((3, 4, 2), arithmetic), drawn((3, 4, 2), 5)
    before = net.export()
    nabla_b, nabla_w = net.backprop(x, y)
    net.update_mini_batch((x, y), 0.7)
    for old, nabla, new in zip(
        before[0] + before[1], nabla_w + nabla_b, net.weights + net.biases, strict=True
    ):
        step = (np.asarray(0.7 / 5, arithmetic.dtype) * nabla).astype(arithmetic.dtype)
        if arithmetic is FixedPoint:
            scale = net.arithmetic.parameter_scale
            step = np.rint(step * scale) / scale
        assert np.array_equal(new, old.astype(arithmetic.dtype) - step)


def test_on_epoch_replaces_the_printed_lines(capsys):
    x, y = drawn((3, 4, 2), 6)
    data, test = Examples(x.T, y.T), Examples(x.T, np.argmax(y, axis=0))
    net, seen = started((3, 4, 2)), []
    net.SGD(data, 2, 3, 0.1, on_epoch=lambda *told: seen.append(told))
    assert seen == [(0, None), (1, None)]
    net.SGD(data, 1, 3, 0.1, test_data=test, on_epoch=lambda *told: seen.append(told))
    assert seen[2:] == [(0, net.evaluate(test))]
    assert capsys.readouterr().out == ""


def test_no_epochs_change_and_print_nothing(capsys):
    x, y = drawn((3, 4, 2), 6)
    net, rng = started((3, 4, 2)), np.random.default_rng(0)
    before = net.export()
    net.SGD(Examples(x.T, y.T), 0, 3, 0.1, rng=rng)
    assert same_bits(before, net.export())
    assert rng.bit_generator.state == np.random.default_rng(0).bit_generator.state
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
def test_training_leaves_the_data_alone(arithmetic):
    x, y = (v.T.copy() for v in drawn((3, 4, 2), 6))
    kept = x.copy(), y.copy()
    net = started((3, 4, 2), arithmetic)
    net.SGD(Examples(x, y), 2, 4, 3.0, on_epoch=lambda *_: None)
    net.update_mini_batch((x.T, y.T), 3.0)
    assert np.array_equal(x, kept[0])
    assert np.array_equal(y, kept[1])


def test_evaluate_counts_the_examples_it_gets_right():
    net = started((3, 4, 5))
    x = drawn((3, 5), 2500)[0]  # more than one block of a thousand
    digits = np.random.default_rng(0).integers(0, 5, 2500)
    expected = sum(
        int(np.argmax(net.feedforward(x[:, [k]]))) == digit for k, digit in enumerate(digits)
    )
    assert net.evaluate(Examples(x.T, digits)) == expected
    assert net.evaluate([(x[:, [k]], int(d)) for k, d in enumerate(digits)]) == expected
    assert 0 < expected < 2500


# --- Memory and state ---------------------------------------------------------------------------


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
def test_parameters_and_exports_share_no_memory_with_the_network(arithmetic):
    parameters = initial_parameters((3, 4, 2), 0)
    net = Network.from_parameters(parameters, arithmetic())
    kept = [v.copy() for v in (*parameters.weights, *parameters.biases)]
    weights, biases = net.export()
    exported = [v.copy() for v in weights + biases]
    net.update_mini_batch(drawn((3, 4, 2), 4), 3.0)
    for v, old in zip((*parameters.weights, *parameters.biases), kept, strict=True):
        assert np.array_equal(v, old)
    for v, old, inside in zip(weights + biases, exported, net.weights + net.biases, strict=True):
        assert np.array_equal(v, old)
        assert not np.array_equal(v, inside)
        assert v.dtype == np.float64
        assert v.flags.writeable
    weights[0][:] = 7.0
    assert not (net.weights[0] == 7).any()
    assert not same_bits(net.export(), (weights, biases))


def test_two_networks_share_nothing():
    parameters, arithmetic = initial_parameters((3, 4, 2), 0), FixedPoint()
    one, other = (Network.from_parameters(parameters, arithmetic) for _ in range(2))
    one.update_mini_batch(drawn((3, 4, 2), 4), 3.0)
    assert same_bits(other.export(), Network.from_parameters(parameters, arithmetic).export())
    assert one.arithmetic is not other.arithmetic


def test_initial_parameters_are_drawn_biases_first():
    rng, twin = np.random.default_rng(5), np.random.default_rng(5)
    net = Network([3, 4, 2], rng=rng)
    expected = initial_parameters((3, 4, 2), 5)
    assert same_bits((net.weights, net.biases), (expected.weights, expected.biases))
    drawn_here = [twin.standard_normal((n, 1)) for n in (4, 2)]
    assert same_bits([net.biases], [drawn_here])
    assert np.array_equal(net.weights[0], twin.standard_normal((4, 3)))


def test_the_global_random_numbers_and_error_handling_are_left_alone():
    before = np.random.get_state(legacy=False)  # noqa: NPY002
    errors = np.geterr()
    x, y = drawn((3, 4, 2), 6)
    Network([3, 4, 2]).SGD(Examples(x.T, y.T), 1, 2, 0.1, on_epoch=lambda *_: None)
    after = np.random.get_state(legacy=False)  # noqa: NPY002
    assert before["state"]["pos"] == after["state"]["pos"]
    assert np.array_equal(before["state"]["key"], after["state"]["key"])
    assert np.geterr() == errors


def test_the_trace_begins_with_x_and_has_every_layer():
    net, (x, _) = started((3, 4, 5, 2)), drawn((3, 2), 7)
    zs, activations = net.trace(x)
    assert [z.shape for z in zs] == [(4, 7), (5, 7), (2, 7)]
    assert [a.shape for a in activations] == [(3, 7), (4, 7), (5, 7), (2, 7)]
    assert activations[0] is x
    assert np.array_equal(activations[-1], net.feedforward(x))
    assert (net.sizes, net.num_layers) == ([3, 4, 5, 2], 4)


# --- No warning ---------------------------------------------------------------------------------


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
def test_saturated_neurons_raise_no_warning(arithmetic):
    """The book's sigmoid overflows at z < -709; z is 50,000 here, in either direction."""
    sizes, large = (784, 4, 2), 63.0
    sign = np.where(np.arange(4)[:, None] % 2, -large, large)
    parameters = Parameters(
        sizes,
        [np.repeat(sign, 784, axis=1), np.full((2, 4), large)],
        [sign, np.full((2, 1), large)],
    )
    net = Network.from_parameters(parameters, arithmetic())
    x, y = np.ones((784, 3)), np.eye(2)[:, [0, 1, 1]]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.abs(net.trace(x)[0][0]).min() > 49_000
        net.update_mini_batch((x, y), 0.001)
        nabla = net.backprop(x, y)
    assert all(np.isfinite(v).all() for part in nabla for v in part)


@pytest.mark.parametrize("arithmetic", [Float64, Float32])
def test_weights_without_bounds_raise_no_warning_in_floating_point(arithmetic):
    weights = [np.array([[1e30, -1e30]]), np.array([[-1e30]])]
    net = Network.from_parameters(
        Parameters((2, 1, 1), weights, [np.zeros((1, 1))] * 2), arithmetic()
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        net.SGD(
            [(np.array([[1.0], [0.0]]), np.array([[1.0]]))] * 4, 2, 2, 1.0, on_epoch=lambda *_: 0
        )
    assert all(np.isfinite(v).all() for v in net.weights)
