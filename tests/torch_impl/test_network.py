"""The network in PyTorch: by hand, as the book uses it, and as a module among modules."""

import contextlib
import copy
import io
import math
import pickle
import warnings

import numpy as np
import pytest
import torch

from compare.rounding import gradient_bounds
from model.initial import initial_parameters
from model.parameters import Parameters
from torch_impl import network
from torch_impl.arithmetic import FixedPoint, Float32, Float64
from torch_impl.mnist_loader import Examples, load_data_wrapper
from torch_impl.network import Network

ARITHMETICS = [Float64, Float32, FixedPoint]


def started(sizes, arithmetic=Float64, seed=0, device="cpu"):
    return Network.from_parameters(initial_parameters(sizes, seed), arithmetic(), device)


def drawn(sizes, m, seed=0):
    """Pixels, a third of them dark, and desired outputs."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 256, (m, sizes[0])) / 256 * (rng.random((m, sizes[0])) > 1 / 3)
    return torch.tensor(x), torch.eye(sizes[-1]).double()[rng.integers(0, sizes[-1], m)]


def same_bits(one, other):
    """Whether two pairs of lists of arrays hold the same numbers."""
    flat = [[np.asarray(v) for part in parts for v in part] for parts in (one, other)]
    return all(np.array_equal(a, b) for a, b in zip(*flat, strict=True))


# --- By hand ------------------------------------------------------------------------------------

# Nielsen's equations for a 2-2-1 network, x = (1, 2), y = 1, with L = ln 3: sigmoid(0) = 1/2,
# sigmoid(L) = 3/4, sigmoid(-L) = 1/4, and sigmoid' = a (1 - a) is 1/4, 3/16 and 3/16. In rows:
#
#   W[0] = ( 2  -1 )    b[0] = (0, 0)    z[0] = (2 - 2 + 0, L + 0 + 0) = (0, L)   a[1] = (1/2, 3/4)
#          ( L   0 )
#   W[1] = ( 2L  -4L )  b[1] = L         z[1] = L - 3L + L = -L                   a[2] = 1/4
#
#   cost         (1/4 - 1)^2 / 2 = 9/32
#   BP1 delta[1] (1/4 - 1) 3/16 = -9/64
#   BP2 delta[0] delta[1] W[1] = (-18L/64, 36L/64), times (1/4, 3/16) = (-9L/128, 27L/256)
#   BP3          nabla_b = delta
#   BP4 nabla_w  delta[0].T x = ( -9L/128  -9L/64 )     delta[1].T a[1] = ( -9/128  -27/256 )
#                               ( 27L/256  27L/128 )
#   update       eta = 2, m = 1: w - 2 nabla_w
L = math.log(3)
PARAMETERS = Parameters(
    (2, 2, 1),
    [np.array([[2, -1], [L, 0]]), np.array([[2 * L, -4 * L]])],
    [np.zeros((2, 1)), np.array([[L]])],
)
X, Y = torch.tensor([[1.0, 2.0]]).double(), torch.tensor([[1.0]]).double()
ZS = [[[0, L]], [[-L]]]
ACTIVATIONS = [[[1.0, 2.0]], [[1 / 2, 3 / 4]], [[1 / 4]]]
DELTAS = [[[-9 * L / 128, 27 * L / 256]], [[-9 / 64]]]
NABLA_W = [
    [[-9 * L / 128, -9 * L / 64], [27 * L / 256, 27 * L / 128]],
    [[-9 / 128, -27 / 256]],
]
NEW_W = [
    [[2 + 9 * L / 64, -1 + 9 * L / 32], [L - 27 * L / 128, -27 * L / 64]],
    [[2 * L + 9 / 64, -4 * L + 27 / 128]],
]
NEW_B = [[9 * L / 64, -27 * L / 128], [L + 9 / 32]]


@pytest.mark.parametrize("arithmetic", [Float64, Float32])
def test_a_2_2_1_network_worked_by_hand(arithmetic):
    net = Network.from_parameters(PARAMETERS, arithmetic())

    def near(received, expected):
        for one, other in zip(received, expected, strict=True):
            other = torch.tensor(other, dtype=arithmetic.dtype)
            eps = torch.finfo(arithmetic.dtype).eps
            torch.testing.assert_close(one.detach(), other, rtol=8 * eps, atol=0)

    near(net.trace(X)[0], ZS)
    near(net.trace(X)[1], ACTIVATIONS)
    near([net.feedforward(X)], ACTIVATIONS[-1:])
    assert net.cost(X, Y) == pytest.approx(9 / 32, rel=1e-6)
    near(net.deltas(X, Y), DELTAS)
    nabla_b, nabla_w = net.backprop(X, Y)
    near(nabla_b, [rows[0] for rows in DELTAS])
    near(nabla_w, NABLA_W)
    net.update_mini_batch([(X[0], Y[0])], 2.0)
    near(net.weights, NEW_W)
    near(net.biases, NEW_B)


# --- Autograd -----------------------------------------------------------------------------------


def test_the_cost_s_own_backward_is_the_gradient_that_backprop_returns():
    """No derivative of the cost by hand: autograd goes through the cost itself."""
    net, (x, y) = started((5, 4, 3, 2)), drawn((5, 4, 3, 2), 6)
    (((net(x) - y) ** 2).sum() / 2).backward()
    bounds = gradient_bounds(*net.export(), x.T.numpy(), y.T.numpy())
    nabla_b, nabla_w = net.backprop(x, y)
    for layer in range(3):
        difference = (net.weights[layer].grad - nabla_w[layer]).abs().numpy()
        assert (difference <= bounds.nabla_w[layer]).all()
        difference = (net.biases[layer].grad - nabla_b[layer]).abs().numpy()
        assert (difference <= bounds.nabla_b[layer][:, 0]).all()


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
def test_forward_can_be_differentiated_by_the_input(arithmetic):
    net, (x, _) = started((5, 4, 2), arithmetic), drawn((5, 4, 2), 1)
    x = x.to(arithmetic.dtype).requires_grad_()
    output = net(x)
    assert torch.equal(output.detach(), net.feedforward(x))
    (gradient,) = torch.autograd.grad(output[0, 1], x)
    exact = started((5, 4, 2))
    (expected,) = torch.autograd.grad(exact(x.double())[0, 1], x)
    torch.testing.assert_close(gradient, expected, atol=1e-5, rtol=1e-3)
    assert gradient.abs().min() > 0


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
def test_deltas_sum_to_nabla_b_and_make_nabla_w(arithmetic):
    net, (x, y) = started((5, 4, 2), arithmetic), drawn((5, 4, 2), 6)
    nabla_b, nabla_w = net.backprop(x, y)
    _, activations = net.trace(x)
    for layer, delta in enumerate(net.deltas(x, y)):
        torch.testing.assert_close(delta.sum(dim=0), nabla_b[layer])
        torch.testing.assert_close(delta.T @ activations[layer], nabla_w[layer])


def test_what_is_read_carries_no_graph_and_leaves_no_grad():
    net, (x, y) = started((5, 4, 2), FixedPoint), drawn((5, 4, 2), 6)
    read = [net.feedforward(x), *net.trace(x)[0], *net.deltas(x, y)]
    read += [v for part in net.backprop(x, y) for v in part]
    net.update_mini_batch((x, y), 3.0)
    assert not any(v.requires_grad for v in read)
    assert all(p.grad is None for p in net.parameters())


# --- A module among modules ---------------------------------------------------------------------


def test_weights_and_biases_are_the_registered_parameters():
    net = started((5, 4, 2))
    registered = {id(p) for p in net.parameters()}
    assert registered == {id(p) for p in [*net.weights, *net.biases]}
    assert all(p.requires_grad for p in net.parameters())
    assert list(net.state_dict()) == [
        f"layers.{k}.{name}" for k in (0, 1) for name in ("weight", "bias")
    ]


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
@pytest.mark.parametrize("way", ["state_dict", "file", "deepcopy", "pickle", "to"])
def test_a_copy_computes_and_trains_as_the_original(arithmetic, way):
    net, (x, y) = started((5, 4, 2), arithmetic), drawn((5, 4, 2), 6)
    net.update_mini_batch((x, y), 3.0)
    if way == "deepcopy":
        twin = copy.deepcopy(net)
    elif way == "pickle":
        twin = pickle.loads(pickle.dumps(net))
    elif way == "to":
        twin = copy.deepcopy(net).to("cpu").to(arithmetic.dtype).cpu()
    else:
        twin = started((5, 4, 2), arithmetic, seed=1)
        state = net.state_dict()
        if way == "file":
            file = io.BytesIO()
            torch.save(state, file)
            file.seek(0)
            state = torch.load(file, weights_only=True)
        twin.load_state_dict(state)
    assert same_bits(twin.export(), net.export())
    before = net.export()
    twin.update_mini_batch((x, y), 3.0)
    assert same_bits(before, net.export())  # no memory is shared
    net.update_mini_batch((x, y), 3.0)
    assert same_bits(twin.export(), net.export())
    assert not same_bits(before, net.export())
    assert {id(p) for p in twin.parameters()} == {id(p) for p in [*twin.weights, *twin.biases]}


@pytest.mark.parametrize("assign", [False, True])
def test_what_is_loaded_is_kept_as_the_arithmetic_keeps_it(assign):
    """Numbers off the grid would make sums inexact, and nobody would notice."""
    exact, net = started((5, 4, 2), Float64, seed=1), started((5, 4, 2), FixedPoint)
    net.load_state_dict(exact.state_dict(), assign=assign)
    assert same_bits(net.export(), started((5, 4, 2), FixedPoint, seed=1).export())
    net.update_mini_batch(drawn((5, 4, 2), 6), 3.0)
    assert torch.equal(net.layers[0].weight, net.weights[0])
    with torch.no_grad():
        exact.weights[1][0, 0] = 64.0
    with pytest.raises(OverflowError, match="the largest weight or bias reached 64"):
        net.load_state_dict(exact.state_dict(), assign=assign)


def test_a_weight_whose_memory_was_exchanged_is_trained_on():
    """Steps are taken out of autograd's sight; what they are taken on must not be a stale copy."""
    net, twin, (x, y) = started((5, 4, 2)), started((5, 4, 2)), drawn((5, 4, 2), 6)
    for train in (
        lambda net: net.update_mini_batch((x, y), 3.0),
        lambda net: net.SGD(Examples(x, y), 2, 4, 3.0, rng=np.random.default_rng(0)),
    ):
        net.layers[0].weight.data = net.layers[0].weight.data.clone()
        train(net)
        train(twin)
        assert same_bits(net.export(), twin.export())


def test_the_optimiser_of_pytorch_can_train_it():
    """Its step is ours when the mini-batch's gradient is divided by m."""
    net, twin, (x, y) = started((5, 4, 2)), started((5, 4, 2)), drawn((5, 4, 2), 6)
    optimiser = torch.optim.SGD(net.parameters(), lr=3.0)
    (((net(x) - y) ** 2).sum() / 2 / len(x)).backward()
    optimiser.step()
    twin.update_mini_batch((x, y), 3.0)
    for a, b in zip(net.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_initial_parameters_are_drawn_biases_first():
    net = Network([3, 4, 2], rng=np.random.default_rng(5))
    expected = initial_parameters((3, 4, 2), 5)
    assert same_bits(net.export(), (expected.weights, expected.biases))


# --- Memory and state ---------------------------------------------------------------------------


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
def test_parameters_and_exports_share_no_memory_with_the_network(arithmetic):
    """`torch.from_numpy` and `.numpy()` share theirs; a step would then change both."""
    source = initial_parameters((3, 4, 2), 0)
    net = Network.from_parameters(source, arithmetic())
    kept = [v.copy() for v in (*source.weights, *source.biases)]
    weights, biases = net.export()
    exported = [v.copy() for v in weights + biases]
    net.update_mini_batch(drawn((3, 4, 2), 4), 3.0)
    for v, old in zip((*source.weights, *source.biases), kept, strict=True):
        assert np.array_equal(v, old)
    for v, old, inside in zip(weights + biases, exported, [*net.weights, *net.biases], strict=True):
        assert np.array_equal(v, old)
        assert not np.array_equal(v.ravel(), inside.detach().numpy().ravel())
        assert (v.dtype, v.flags.writeable) == (np.float64, True)
    assert [b.shape for b in biases] == [(4, 1), (2, 1)]
    weights[0][:] = 7.0
    assert not (net.weights[0] == 7).any()


def test_arrays_that_are_handed_in_are_copied():
    v = np.array([[0.5, 0.25]])
    t = network.tensor(v)
    v[:] = 7.0
    assert t.tolist() == [[0.5, 0.25]]
    kept = torch.zeros(2)
    assert network.tensor(kept) is kept


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
def test_training_leaves_the_data_alone(arithmetic):
    x, y = drawn((3, 4, 2), 6)
    kept = x.clone(), y.clone()
    net = started((3, 4, 2), arithmetic)
    net.SGD(Examples(x, y), 2, 4, 3.0, on_epoch=lambda *_: None)
    net.update_mini_batch((x, y), 3.0)
    assert torch.equal(x, kept[0])
    assert torch.equal(y, kept[1])


def global_state():
    return (
        torch.get_rng_state().tolist(),
        np.random.get_state(legacy=True)[1].tolist(),  # noqa: NPY002
        torch.get_num_threads(),
        torch.get_default_dtype(),
        torch.is_grad_enabled(),
        torch.backends.cuda.matmul.allow_tf32,
        torch.get_float32_matmul_precision(),
        torch.are_deterministic_algorithms_enabled(),
    )


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
def test_no_global_state_is_changed(arithmetic):
    before = global_state()
    net, (x, y) = Network([3, 4, 2], arithmetic()), drawn((3, 4, 2), 6)
    net.SGD(Examples(x, y), 1, 2, 0.1, on_epoch=lambda *_: None)
    net.evaluate(Examples(x, y.argmax(dim=1)))
    assert global_state() == before


def test_the_trace_begins_with_x_and_has_every_layer():
    net, (x, _) = started((3, 4, 5, 2)), drawn((3, 2), 7)
    zs, activations = net.trace(x)
    assert [tuple(z.shape) for z in zs] == [(7, 4), (7, 5), (7, 2)]
    assert [tuple(a.shape) for a in activations] == [(7, 3), (7, 4), (7, 5), (7, 2)]
    assert activations[0] is x
    assert torch.equal(activations[-1], net.feedforward(x))
    assert (net.sizes, net.num_layers, net.device) == ([3, 4, 5, 2], 4, torch.device("cpu"))


# --- The book's session -------------------------------------------------------------------------


@pytest.mark.parametrize("pairs", [list, tuple, lambda data: data, lambda data: list(data)[:77]])
def test_the_book_s_own_session_runs_verbatim(digits_folder, monkeypatch, capsys, pairs):
    """Nielsen, ch. 1; with Examples, with lists of pairs, and with fewer of them."""
    monkeypatch.setenv("MNIST_DIR", str(digits_folder))
    from torch_impl import mnist_loader

    training_data, _validation_data, test_data = mnist_loader.load_data_wrapper()
    training_data, test_data = pairs(training_data), pairs(test_data)
    net = network.Network([784, 30, 10])
    net.SGD(training_data, 2, 10, 3.0, test_data=test_data)
    n = len(test_data)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[0] for line in lines] == ["Epoch 0", "Epoch 1"]
    assert lines[1] == f"Epoch 1: {net.evaluate(test_data)} / {n}"
    net.SGD(training_data, 1, 10, 3.0)
    assert capsys.readouterr().out == "Epoch 0 complete\n"


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
def test_examples_and_pairs_and_columns_train_the_same_network(digits_folder, arithmetic):
    training, _, test = load_data_wrapper(digits_folder)

    def columns(data):  # the book's own pairs: NumPy columns
        return [(x.numpy()[:, None], y if isinstance(y, int) else y.numpy()[:, None])
                for x, y in data]  # fmt: skip

    ends = []
    for kind in (lambda data: data, list, iter, columns):
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


# --- SGD ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
@pytest.mark.parametrize("mini_batch_size", [1, 4, 5, 23])
def test_sgd_takes_one_permutation_an_epoch_in_consecutive_slices(arithmetic, mini_batch_size):
    """23 examples: the last mini-batch is smaller, and is divided by its own size."""
    x, y = drawn((3, 4, 2), 23)
    ours, theirs = started((3, 4, 2), arithmetic), started((3, 4, 2), arithmetic)
    rng, order_rng = np.random.default_rng(8), np.random.default_rng(8)
    ours.SGD(Examples(x, y), 3, mini_batch_size, 0.7, rng=rng, on_epoch=lambda *_: None)
    for _ in range(3):
        order = order_rng.permutation(23)
        for k in range(0, 23, mini_batch_size):
            batch = order[k : k + mini_batch_size]
            theirs.update_mini_batch([(x[j], y[j]) for j in batch], 0.7)
    if arithmetic is FixedPoint:
        assert same_bits(ours.export(), theirs.export())
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b)
    assert rng.bit_generator.state == order_rng.bit_generator.state


def test_on_epoch_replaces_the_printed_lines(capsys):
    x, y = drawn((3, 4, 2), 6)
    net, seen = started((3, 4, 2)), []
    net.SGD(Examples(x, y), 2, 3, 0.1, on_epoch=lambda *told: seen.append(told))
    assert seen == [(0, None), (1, None)]
    test = Examples(x, y.argmax(dim=1))
    net.SGD(Examples(x, y), 1, 3, 0.1, test_data=test, on_epoch=lambda *told: seen.append(told))
    assert seen[2:] == [(0, net.evaluate(test))]
    assert capsys.readouterr().out == ""


def test_no_epochs_change_and_print_nothing(capsys):
    x, y = drawn((3, 4, 2), 6)
    net, rng = started((3, 4, 2)), np.random.default_rng(0)
    before = net.export()
    net.SGD(Examples(x, y), 0, 3, 0.1, rng=rng)
    assert same_bits(before, net.export())
    assert rng.bit_generator.state == np.random.default_rng(0).bit_generator.state
    assert capsys.readouterr().out == ""


def test_evaluate_counts_the_examples_it_gets_right():
    net = started((3, 4, 5))
    x = drawn((3, 5), 2500)[0]  # more than one block of a thousand
    digits = torch.tensor(np.random.default_rng(0).integers(0, 5, 2500))
    expected = sum(
        int(net.feedforward(x[[k]]).argmax()) == digit for k, digit in enumerate(digits.tolist())
    )
    assert net.evaluate(Examples(x, digits)) == expected
    assert net.evaluate([(x[k], int(d)) for k, d in enumerate(digits)]) == expected
    assert isinstance(net.evaluate(Examples(x, digits)), int)
    assert 0 < expected < 2500


def test_a_refusal_in_the_middle_leaves_nothing_behind():
    """An overflow is told once; the network can be trained on afterwards."""
    net, (x, y) = started((3, 4, 2), FixedPoint), drawn((3, 4, 2), 6)
    with pytest.raises(OverflowError):
        net.backprop(x, 1000 * y)
    net.backprop(x, y)


# --- No warning ---------------------------------------------------------------------------------


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
def test_saturated_neurons_raise_no_warning(arithmetic):
    """z is 50,000, in either direction."""
    large = 63.0
    sign = np.where(np.arange(4)[:, None] % 2, -large, large)
    parameters = Parameters(
        (784, 4, 2),
        [np.repeat(sign, 784, axis=1), np.full((2, 4), large)],
        [sign, np.full((2, 1), large)],
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        net = Network.from_parameters(parameters, arithmetic())
        x, y = torch.ones((3, 784)), torch.eye(2)[[0, 1, 1]]
        assert net.trace(x)[0][0].abs().min() > 49_000
        net.update_mini_batch((x, y), 0.001)
        nabla = net.backprop(x, y)
        net.export()
    assert all(torch.isfinite(v).all() for part in nabla for v in part)


# --- CUDA ---------------------------------------------------------------------------------------


@contextlib.contextmanager
def no_synchronisation():
    """In here, waiting for the device is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it calls itself a prototype
        torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.cuda
@pytest.mark.parametrize("arithmetic", ARITHMETICS)
def test_training_steps_on_cuda_never_wait_for_the_device(arithmetic):
    net = started((784, 20, 10), arithmetic, device="cuda")
    x, y = (v.cuda().to(arithmetic.dtype) for v in drawn((784, 20, 10), 64))
    order = torch.randperm(64, device="cuda")
    values = net._values()
    net._update(values, x[:10], y[:10], 3.0)  # what is made once is made here
    with no_synchronisation():
        for mini_batch in network.mini_batches(x, y, order, 10, arithmetic.dtype):
            net._update(values, *mini_batch, 3.0)
    net.arithmetic.check()


@pytest.mark.cuda
def test_a_synchronisation_would_be_noticed():
    v = torch.ones(1, device="cuda")
    with no_synchronisation(), pytest.raises(RuntimeError, match="synchroniz"):
        v.item()


@pytest.mark.cuda
def test_a_network_can_be_moved_to_cuda():
    net, (x, y) = started((5, 4, 2), FixedPoint), drawn((5, 4, 2), 6)
    twin = copy.deepcopy(net).to("cuda")
    assert twin.device.type == "cuda"
    for one in (net, twin):
        one.update_mini_batch((x, y), 3.0)
    assert same_bits(net.export(), twin.export())
