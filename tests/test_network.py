"""The networks: as the book uses them, what comes in, is kept and saved, PyTorch's as a module.

That they compute what the book says is witnessed in tests/compare/test_witnesses.py, by hand and by
complex step, and that both compute the same in test_specification.py.
"""

import copy
import io
import pickle
import threading

import numpy as np
import pytest
import torch

from model.initial import initial_parameters
from model.parameters import Parameters
from reference.border import inside
from tests.twin import (
    TORCH,
    TWINS,
    both,
    drawn,
    every,
    fingerprint,
    flat,
    overflow,
    refusal,
    same_bits,
    silent,
)

SIZES = (3, 4, 2)


@pytest.fixture(autouse=True)
def no_global_state_is_changed():
    def state():
        return (
            np.random.get_state(legacy=True)[1].tolist(),  # noqa: NPY002
            np.geterr(),
            torch.get_rng_state().tolist(),
            torch.get_num_threads(),
            torch.get_default_dtype(),
            torch.is_grad_enabled(),
            torch.backends.cuda.matmul.allow_tf32,
            torch.get_float32_matmul_precision(),
            torch.are_deterministic_algorithms_enabled(),
        )

    before = state()
    yield
    assert state() == before


# --- The book's session, and what goes in -------------------------------------------------------


@both
def test_the_book_s_own_session_runs_verbatim(twin, digits_folder, monkeypatch, capsys):
    """Nielsen, ch. 1."""
    monkeypatch.setenv("MNIST_DIR", str(digits_folder))
    network, mnist_loader = twin.network, twin.mnist_loader
    training_data, _validation_data, test_data = mnist_loader.load_data_wrapper()
    net = network.Network([784, 30, 10])
    net.SGD(training_data, 3, 10, 3.0, test_data=test_data)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[0] for line in lines] == [f"Epoch {k}" for k in range(3)]
    assert all(line.endswith(" / 100") for line in lines)
    assert lines[2] == f"Epoch 2: {net.evaluate(test_data)} / 100"
    net.SGD(training_data, 1, 10, 3.0)
    assert capsys.readouterr().out == "Epoch 0 complete\n"


@both
@every
def test_examples_pairs_columns_and_one_example_are_taken_alike(twin, digits_folder, arithmetic):
    training, _, test = twin.mnist_loader.load_data_wrapper(digits_folder)

    def columns(data):  # the book's own pairs: NumPy columns
        for x, y in data:
            column = np.asarray(x).reshape(-1, 1)
            yield column, y if isinstance(y, int) else np.asarray(y).reshape(-1, 1)

    ends = []
    for kind in (lambda data: data, list, iter, columns):
        net, told = twin.start((784, 12, 10), arithmetic), []
        note = lambda *each, told=told: told.append(each)  # noqa: E731
        net.SGD(kind(training), 2, 7, 3.0, kind(test), np.random.default_rng(1), note)
        net.update_mini_batch(list(kind(training[:1])), 0.5)
        ends.append((told, flat(net.export())))
    assert [epoch for epoch, _ in ends[0][0]] == [0, 1]
    assert all(told == ends[0][0] and same_bits(v, ends[0][1]) for told, v in ends)
    alone, whole = training[0], [twin.native(np.asarray(v[:1]).T) for v in (training.x, training.y)]
    found = [[*net.deltas(*given), *flat(net.backprop(*given))] for given in (alone, whole)]
    assert same_bits(*(map(twin.numpy, each) for each in found))
    deltas, nabla_b = ([np.ravel(twin.numpy(v)) for v in found[0][k : k + 2]] for k in (0, 2))
    assert same_bits(deltas, nabla_b)  # of one example
    output, desired = twin.columns(net.feedforward(alone[0])), np.asarray(training.y[:1]).T
    assert np.array_equal(output, twin.columns(net.trace(whole[0])[1][-1]))
    assert net.cost(*alone) == net.cost(*whole)
    assert net.cost(*alone) == pytest.approx(((output - desired) ** 2).sum() / 2, rel=1e-5)
    for mini_batch in (alone, [alone]):
        other = twin.start((784, 12, 10), arithmetic)
        other.update_mini_batch(mini_batch, 0.5)
        ends.append(fingerprint(other))
    assert ends[-2] == ends[-1]


# --- SGD ----------------------------------------------------------------------------------------


@both
@every
def test_sgd_takes_one_permutation_an_epoch_and_tells_on_epoch(twin, arithmetic, capsys):
    """23 examples: the last mini-batch is smaller, and is divided by its own size."""
    x, y = drawn(SIZES, 23)
    ours, theirs, seen = twin.start(SIZES, arithmetic), twin.start(SIZES, arithmetic), []
    rng, order_rng = np.random.default_rng(8), np.random.default_rng(8)
    for epochs in (0, 2):
        ours.SGD(twin.data(x, y), epochs, 4, 0.7, rng=rng, on_epoch=lambda *told: seen.append(told))
    for _ in range(2):
        order = order_rng.permutation(23)
        for k in range(0, 23, 4):
            batch = order[k : k + 4]
            theirs.update_mini_batch(twin.pairs(x[:, batch], y[:, batch]), 0.7)
    for a, b in zip(flat(ours.export()), flat(theirs.export()), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    assert rng.bit_generator.state == order_rng.bit_generator.state
    assert (seen, capsys.readouterr().out) == ([(0, None), (1, None)], "")


@both
def test_evaluate_counts_the_examples_it_gets_right(twin):
    net, x = twin.start((3, 4, 5)), drawn((3, 5), 2500)[0]  # more than one block of a thousand
    digits = np.random.default_rng(0).integers(0, 5, 2500)
    outputs = twin.columns(net.feedforward(twin.native(x)))
    expected = int(np.sum(outputs.argmax(axis=0) == digits))
    correct = net.evaluate(twin.data(x, digits))
    assert (type(correct), correct) == (int, expected)
    assert 0 < expected < 2500


# --- Checked where a caller comes in, and nowhere else ------------------------------------------


@both
@every
def test_what_comes_in_is_checked_once(twin, arithmetic, monkeypatch):
    net, (x, y) = twin.start(SIZES, arithmetic), drawn(SIZES, 12)
    checks, test = [], twin.data(x, np.argmax(y, axis=0))
    kind = type(net.arithmetic)
    real = kind.check_inputs
    monkeypatch.setattr(kind, "check_inputs", lambda self, v: (checks.append(v), real(self, v)))
    net.update_mini_batch((twin.native(x), twin.native(y)), 0.1)
    net.cost(twin.native(x), twin.native(y))
    net.evaluate(test)
    assert len(checks) == 4  # evaluate looks at the first example's shape, then at all
    net.SGD(twin.data(x, y), 5, 3, 0.1, test_data=test, on_epoch=silent)
    assert len(checks) == 8


@both
def test_what_on_epoch_or_another_thread_hands_in_is_checked_as_well(twin):
    net, (x, y), told = twin.start(SIZES), drawn(SIZES, 6), []
    wrong = twin.native(np.full((3, 1), 0.3))
    tell = lambda *_: told.append(refusal(net.feedforward, wrong) or "")  # noqa: E731
    net.SGD(twin.data(x, y), 1, 3, 0.1, on_epoch=tell)
    with inside(net):
        (other := threading.Thread(target=tell)).start()
        other.join()
        assert refusal(net.feedforward, wrong) is None
    tell()
    assert ["multiples of 2**-8" in line for line in told] == [True] * 3


@both
def test_verbs_of_a_subclass_are_the_ones_that_train(twin):
    """So a mistake, or a better idea, is a changed method."""
    calls = []

    class Told(twin.Network):
        def backprop(self, x, y):
            calls.append("backprop")
            return super().backprop(x=x, y=y)

        def update_mini_batch(self, mini_batch, eta):
            calls.append("update")
            super().update_mini_batch(mini_batch, eta=eta)

    x, y = drawn(SIZES, 6)
    net, plain = (kind(SIZES, rng=np.random.default_rng(0)) for kind in (Told, twin.Network))
    for one in (net, plain):
        one.SGD(twin.data(x, y), 1, 3, 0.5, rng=np.random.default_rng(1), on_epoch=silent)
    assert calls == ["update", "backprop"] * 2
    assert same_bits(flat(net.export()), flat(plain.export()))


# --- Memory and state ---------------------------------------------------------------------------


@both
@every
def test_parameters_exports_and_data_share_no_memory_with_the_network(twin, arithmetic):
    """`torch.from_numpy` and `.numpy()` share theirs; a step would then change both."""
    source, (x, y) = initial_parameters(SIZES, 0), drawn(SIZES, 6)
    net, other = (twin.start(source, arithmetic) for _ in range(2))
    kept = [v.copy() for v in (*source.weights, *source.biases)]
    weights, biases = net.export()
    exported = [v.copy() for v in weights + biases]
    data = twin.data(x, y)
    net.SGD(data, 2, 4, 3.0, on_epoch=silent)
    twin.step(net, x, y, 3.0)
    assert same_bits(kept, [*source.weights, *source.biases])
    assert same_bits(exported, weights + biases)
    assert same_bits([twin.numpy(data.x), twin.numpy(data.y)], [x.T, y.T])
    assert not same_bits(exported, flat(net.export()))
    assert [b.shape for b in biases] == [(4, 1), (2, 1)]
    assert all(v.dtype == np.float64 and v.flags.writeable for v in weights + biases)
    weights[0][:] = 7.0
    assert not (net.export()[0][0] == 7).any()
    assert same_bits(exported, flat(other.export()))
    assert arithmetic != "FixedPoint" or net.arithmetic is not other.arithmetic


@both
def test_initial_parameters_are_drawn_biases_first(twin):
    rng = np.random.default_rng(5)
    net = twin.Network([3, 4, 2], rng=np.random.default_rng(5))
    assert same_bits(net.export()[1], [rng.standard_normal((n, 1)) for n in (4, 2)])
    assert np.array_equal(net.export()[0][0], rng.standard_normal((4, 3)))


# --- In a file ----------------------------------------------------------------------------------


@every
@both
def test_what_one_network_saves_any_loads_bit_for_bit(twin, arithmetic, tmp_path):
    net, file = twin.start(SIZES, arithmetic), tmp_path / "net.json"
    net.save(file)
    page = net._repr_html_()  # as a notebook shows it
    for other in TWINS:
        again = other.Network.load(file, arithmetic=other.kept(arithmetic))
        assert same_bits(flat(again.export()), flat(net.export()))
        assert again._repr_html_() == page
    assert Parameters.load(file).fingerprint == fingerprint(net)
    assert [path.name for path in tmp_path.iterdir()] == ["net.json"]
    Parameters(SIZES, *net.export()).save(tmp_path / "other.json")
    assert (tmp_path / "other.json").read_bytes() == file.read_bytes()
    named = f"Network(3-4-2, {net.arithmetic.name})"
    assert page.startswith(f"<p>{named}</p><table><tr>")
    assert repr(TWINS[0].start(SIZES, arithmetic)) == named
    assert "<tr><td>2</td><td>2 x 4</td>" in page


# --- PyTorch's: autograd, and a module among modules --------------------------------------------


def torch_drawn(sizes, m=6):
    return tuple(TORCH.native(v) for v in drawn(sizes, m))


@every
def test_forward_can_be_differentiated_and_what_is_read_carries_no_graph(arithmetic):
    net, exact = (TORCH.start((5, 4, 2), each) for each in (arithmetic, "Float64"))
    x, y = (v.to(net.arithmetic.dtype) for v in torch_drawn((5, 4, 2)))
    registered = dict(net.named_parameters())
    assert list(registered) == [f"layers.{k}.{v}" for k in (0, 1) for v in ("weight", "bias")]
    output = net(x.requires_grad_())
    assert torch.equal(output.detach(), net.feedforward(x))
    found, expected = (torch.autograd.grad(a[0, 1], x)[0] for a in (output, exact(x.double())))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-3)
    assert found[0].abs().min() > 0
    (((net(x) - y) ** 2).sum() / 2).backward()  # by the parameters, as an optimiser asks
    nablas = flat(net.backprop(x, y))
    for p, nabla in zip([*net.biases, *net.weights], nablas, strict=True):
        torch.testing.assert_close(p.grad, nabla)
        p.grad = None
    read = [net.feedforward(x), *net.trace(x)[0], *net.deltas(x, y), *nablas]
    with torch.no_grad():
        assert same_bits(flat(net.backprop(x, y)), nablas)
        assert not net(x).requires_grad
    net.update_mini_batch((x, y), 3.0)
    assert not any(v.requires_grad for v in read)
    assert all(p.requires_grad and p.grad is None for p in net.parameters())


def from_file(net, arithmetic, assign=False):
    torch.save(net.state_dict(), file := io.BytesIO())
    file.seek(0)
    other = TORCH.start(initial_parameters(net.sizes, 1), arithmetic)
    other.load_state_dict(torch.load(file, weights_only=True), assign=assign)
    return other


def exchanged(net, _):
    """Steps are taken out of autograd's sight; what they are taken on must not be a stale copy."""
    net = copy.deepcopy(net)
    net.layers[0].weight.data = net.layers[0].weight.data.clone()
    return net


COPIES = {
    "file": from_file,
    "file, assigned": lambda net, arithmetic: from_file(net, arithmetic, assign=True),
    "pickle": lambda net, _: pickle.loads(pickle.dumps(net)),
    "to": lambda net, _: copy.deepcopy(net).to("cpu").to(net.arithmetic.dtype).cpu(),
    "exchanged": exchanged,
}


@every
@pytest.mark.parametrize("way", COPIES)
def test_a_copy_computes_and_trains_as_the_original(arithmetic, way):
    net, (x, y) = TORCH.start((5, 4, 2), arithmetic), torch_drawn((5, 4, 2))
    net.update_mini_batch((x, y), 3.0)
    twin, before = COPIES[way](net, arithmetic), flat(net.export())
    assert same_bits(flat(twin.export()), before)

    def trained(net):
        net.update_mini_batch((x, y), 3.0)
        net.SGD(TORCH.Examples(x, y), 2, 4, 3.0, rng=np.random.default_rng(0), on_epoch=silent)
        return flat(net.export())

    after = trained(twin)
    assert same_bits(before, flat(net.export()))  # no memory is shared
    assert same_bits(after, trained(net))
    assert not same_bits(before, after)
    assert {id(p) for p in twin.parameters()} == {id(p) for p in [*twin.weights, *twin.biases]}


@pytest.mark.parametrize("assign", [False, True])
def test_what_is_loaded_is_kept_as_the_arithmetic_keeps_it(assign):
    """Numbers off the grid would make sums inexact, and nobody would notice."""
    start = initial_parameters((5, 4, 2), 1)
    exact, net = TORCH.start(start, "Float64"), TORCH.start((5, 4, 2))
    net.load_state_dict(exact.state_dict(), assign=assign)
    assert same_bits(flat(net.export()), flat(TORCH.start(start).export()))
    with torch.no_grad():
        exact.weights[1][0, 0] = 64.0
    told = refusal(net.load_state_dict, exact.state_dict(), assign=assign)
    assert told == overflow("weight or bias", 64, 64)


def test_arrays_that_are_handed_in_are_copied():
    v, kept = np.array([[0.5, 0.25]]), torch.zeros(2)
    t = TORCH.examples.tensor(v)
    v[:] = 7.0
    assert t.tolist() == [[0.5, 0.25]]
    assert TORCH.examples.tensor(kept) is kept


# --- Devices ------------------------------------------------------------------------------------

choose = TORCH.network.choose_device


@pytest.fixture
def tf32():
    """Allowed, and afterwards as it was; whether it still is."""
    matmul = torch.backends.cuda.matmul
    before = matmul.allow_tf32
    matmul.allow_tf32 = True
    yield lambda: matmul.allow_tf32
    matmul.allow_tf32 = before


DEVICES = [  # what is asked for; how many there are; what is told
    *((name, 0, None) for name in ("cpu", "cpu:0", torch.device("cpu"))),
    *((name, 2, f"device is cpu, cuda or cuda:N; received {str(name)!r}")
      for name in ("mps", "CPU", "", "cpu:", "cpu:1", "cuda:", "cuda:-1", "cuda:01", "cuda:²",
                   " cpu", None)),
    ("cuda:7", 0, "device 'cuda:7' needs CUDA, and PyTorch finds none here: use cpu"),
    ("cuda:2", 2, "device 'cuda:2' does not exist; PyTorch finds 2, numbered from 0"),
    *((name, 2, None) for name in ("cuda", torch.device("cuda", 1))),
]  # fmt: skip


@pytest.mark.parametrize(("device", "cards", "told"), DEVICES)
def test_a_device_is_there_or_refused_and_cuda_turns_tf32_off(
    device, cards, told, monkeypatch, tf32
):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cards > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: cards)
    assert refusal(choose, device) == (told and f"ValueError: {told}")
    assert tf32() == (bool(told) or "cuda" not in str(device))
    assert told or choose(device) == torch.device(device)


@pytest.mark.parametrize(("hidden", "threads"), [(60, 1), (70, 2)])
def test_small_products_are_trained_on_one_thread(hidden, threads, monkeypatch):
    seen, before = [], torch.get_num_threads()

    def cost_derivative(net, a, y):
        seen.append(torch.get_num_threads())
        return a - y

    monkeypatch.setattr(TORCH.Network, "cost_derivative", cost_derivative)
    torch.set_num_threads(2)
    try:
        TORCH.sgd(TORCH.start((784, hidden, 2)), *drawn((784, hidden, 2), 20), 1, 10, 3.0)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert set(seen) == {threads}


def test_a_network_that_is_moved_is_asked_the_same(monkeypatch):
    net, asked = TORCH.start(SIZES), []
    monkeypatch.setattr(TORCH.network, "choose_device", lambda device: asked.append(device) or 5)
    assert net.to("cpu").device == 5
    assert asked == [torch.device("cpu")]


@pytest.mark.cuda
@pytest.mark.filterwarnings("ignore")  # the sync debug mode calls itself a prototype
@every
def test_training_steps_on_cuda_never_wait_for_the_device(arithmetic):
    net = TORCH.Network((784, 20, 10), TORCH.kept(arithmetic), device="cuda")
    x, y = (v.cuda().to(net.arithmetic.dtype) for v in torch_drawn((784, 20, 10), 64))
    order = torch.randperm(64, device="cuda")
    with inside(net), torch.enable_grad():
        net.update_mini_batch((x[:10], y[:10]), 3.0)  # what is made once is made here
        torch.cuda.set_sync_debug_mode("error")
        try:
            for batch in TORCH.examples.mini_batches(x, y, order, 10, net.arithmetic.dtype):
                net.update_mini_batch(batch, 3.0)
            with pytest.raises(RuntimeError, match="synchroniz"):
                x[0, 0].item()  # it would be noticed
        finally:
            torch.cuda.set_sync_debug_mode("default")
    net.arithmetic.check()


@pytest.mark.cuda
def test_a_network_can_be_moved_to_cuda(tf32):
    net, (x, y) = TORCH.start((5, 4, 2)), torch_drawn((5, 4, 2))
    twin = copy.deepcopy(net).to("cuda")
    assert not tf32()
    assert twin.device.type == "cuda"
    for one in (net, twin):
        one.update_mini_batch((x, y), 3.0)
    assert same_bits(flat(net.export()), flat(twin.export()))
