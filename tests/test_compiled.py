"""Ten steps in a call: recorded the same bits, compiled those of fixed-point; and ways back."""

import functools
from collections import Counter

import numpy as np
import pytest
import torch

import torch_impl.compiled
from model.initial import initial_parameters
from tests.twin import REFERENCE, TORCH, drawn, fingerprint, flat, refusal

SIZES = (7, 5, 4, 3)
EXAMPLES, M = 131, 3  # four calls, then three steps and one that is smaller
needs_compiler = pytest.mark.skipif(
    torch_impl.compiled.obstacle(torch.device("cpu")) != "", reason="no C++ compiler"
)


@pytest.fixture(params=["recorded", pytest.param("compiled", marks=needs_compiler)])
def network(request, monkeypatch):
    """Return a network that takes ten steps in a call, from the first on."""
    monkeypatch.setattr(torch_impl.compiled, "RECORDED_FROM", 0)
    compiled = True if request.param == "compiled" else None
    return lambda arithmetic="FixedPoint", **keywords: at_once(arithmetic, compiled, **keywords)


@pytest.fixture
def eager_steps(monkeypatch):
    """The steps that were taken eagerly."""
    taken, step = [], TORCH.Network.update_mini_batch

    @functools.wraps(step)  # by its name it is still ours
    def counted(net, mini_batch, eta):
        taken.append(len(mini_batch[0]))
        return step(net, mini_batch, eta)

    monkeypatch.setattr(TORCH.Network, "update_mini_batch", counted)
    return taken


def at_once(arithmetic="FixedPoint", compile=True, kind=TORCH.Network, **keywords):
    start = initial_parameters(SIZES, 0)
    return kind.from_parameters(start, TORCH.kept(arithmetic), compile=compile, **keywords)


def trained(twin, net, eta=3.0, epochs=2):
    return twin.sgd(net, *drawn(SIZES, EXAMPLES), epochs, M, eta)


def test_in_fixed_point_every_epoch_ends_with_the_bits_of_the_reference(network, eager_steps):
    expected = trained(REFERENCE, REFERENCE.start(SIZES))
    assert trained(TORCH, network()) == expected
    assert eager_steps == [3, 3, 3, 2] * 2


def test_what_was_prepared_takes_the_same_steps(network, monkeypatch):
    monkeypatch.setattr(torch_impl.compiled, "_calls", {})
    net = network()
    assert torch_impl.compiled.prepare(net, M) > 0
    assert len(torch_impl.compiled._calls) == 1
    assert trained(TORCH, net) == trained(REFERENCE, REFERENCE.start(SIZES))


@pytest.mark.parametrize("arithmetic", ["Float32", "Float64"])
def test_in_floating_point_recorded_steps_have_the_bits_of_each_by_itself_compiled_are_near(
    arithmetic, network, eager_steps
):
    nets = network(arithmetic), at_once(arithmetic, compile=False)
    for net in nets:
        trained(TORCH, net, 0.5, 1)
    assert len(eager_steps) == 4 + 44
    off = 200 * np.finfo(arithmetic.lower()).eps if nets[0].compiled else 0
    for one, other in zip(flat(nets[0].export()), flat(nets[1].export()), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=off)


@pytest.mark.parametrize("compile", [None, False])
def test_few_steps_are_taken_one_by_one(compile, monkeypatch, eager_steps):
    monkeypatch.setattr(torch_impl.compiled, "RECORDED_FROM", 50)
    monkeypatch.setattr(torch_impl.compiled, "_taken", Counter())
    trained(TORCH, at_once(compile=compile))  # two epochs of 44
    assert len(eager_steps) == (88 if compile is False else 44 + 10 + 4)


class Halved(TORCH.Network):
    def update_mini_batch(self, mini_batch, eta):
        super().update_mini_batch(mini_batch, eta / 2)


class Twice(TORCH.arithmetic.FixedPoint):
    def steps(self, nablas, rate):
        return super().steps(nablas, 2 * rate)


def doubled(net, output_activations, y):
    return 2 * (output_activations - y)


@pytest.mark.parametrize("changed", ["subclass", "arithmetic", "class", "network"])
def test_what_is_changed_in_a_step_is_not_left_out_of_those_that_were_recorded(
    changed, network, monkeypatch, eager_steps
):
    before = trained(TORCH, network())  # recorded by now
    eager_steps.clear()
    net = at_once(compile=None, kind=Halved if changed == "subclass" else TORCH.Network)
    if changed == "arithmetic":
        net = TORCH.Network.from_parameters(initial_parameters(SIZES, 0), Twice())
    elif changed == "class":
        monkeypatch.setattr(TORCH.Network, "cost_derivative", doubled)
    elif changed == "network":
        net.cost_derivative = functools.partial(doubled, net)
    assert trained(TORCH, net) != before
    assert len(eager_steps) == 88


def test_a_subclass_that_changes_nothing_is_recorded_too(network, eager_steps):
    net = network(kind=type("Other", (TORCH.Network,), {}))
    assert trained(TORCH, net) == trained(REFERENCE, REFERENCE.start(SIZES))
    assert len(eager_steps) == 8


def test_what_comes_near_a_tie_is_done_again_eagerly(network, monkeypatch, eager_steps):
    monkeypatch.setattr(torch_impl.compiled, "SIGMOID_ERROR", 0.4 / 2.0**21)
    assert trained(TORCH, network()) == trained(REFERENCE, REFERENCE.start(SIZES))
    assert len(eager_steps) > 8


@pytest.mark.parametrize("eta", [30.0, 2000.0])
def test_overflow_is_refused_in_the_words_of_the_eager_network(eta, network):
    nets = network(), at_once(compile=False)
    said = [refusal(trained, TORCH, net, eta, 5) or fingerprint(net) for net in nets]
    assert said[0] == said[1]
    assert eta < 1000 or "fixed-point overflow: the largest weight or bias reached" in said[0]


def test_a_parameter_that_could_leave_its_range_within_a_call_is_watched(network, eager_steps):
    net = network()
    weights, biases = net.export()
    biases[1][:] = 60.0  # so the last hidden layer is all 1, and the outputs are 1 / 2
    weights[2][:], biases[2][:] = [63.9, -63.9, 0.0, 0.0], 0.0
    net._assign(weights, [b[:, 0] for b in biases])
    x, y = drawn(SIZES, torch_impl.compiled.STEPS * M)  # one call
    with pytest.raises(OverflowError, match=r"the largest weight or bias reached 6[45]"):
        TORCH.sgd(net, x, np.ones_like(y), 1, M, 3.0)
    assert len(eager_steps) == torch_impl.compiled.STEPS


WITHOUT = [
    ("cpu", "no C++ compiler (g++ or clang++)"),
    pytest.param("cuda", "on cuda", marks=pytest.mark.cuda),
]


@pytest.mark.parametrize(("device", "why"), WITHOUT)
def test_where_nothing_can_be_compiled_nothing_is(device, why, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    assert why in torch_impl.compiled.obstacle(torch.device(device))
    assert not at_once(device=device).compiled


@pytest.mark.parametrize("asked", [True, None])
def test_a_compiler_that_fails_changes_nothing_and_is_said_once_if_asked(
    asked, monkeypatch, eager_steps, recwarn
):
    def fails(*_, **__):
        raise RuntimeError("broken\nin two lines")

    monkeypatch.setattr(torch_impl.compiled, "_calls", {})
    monkeypatch.setattr(torch_impl.compiled, "RECORDED_FROM", 0)
    monkeypatch.setattr(torch, "compile", fails)
    monkeypatch.setattr(torch.jit, "trace", fails)
    monkeypatch.setattr(TORCH.network, "obstacle", lambda _: "")
    fingerprints = trained(TORCH, at_once(compile=asked))
    assert fingerprints == trained(REFERENCE, REFERENCE.start(SIZES))
    said = ["steps cannot be compiled, and are taken one by one: broken in two lines"]
    assert [str(w.message) for w in recwarn] == (said if asked else [])
    assert len(eager_steps) == 88
