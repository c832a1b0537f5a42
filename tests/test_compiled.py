"""Compiled training: the same bits in fixed-point, rounding in floating point, and ways back."""

import numpy as np
import pytest
import torch

import torch_impl.compiled
from model.initial import initial_parameters
from model.parameters import Parameters
from tests.twin import CUDA, REFERENCE, TORCH, drawn, fingerprint, flat

SIZES = (7, 5, 4, 3)
EXAMPLES, M = 131, 3  # four calls, then three steps and one that is smaller
needs_compiler = pytest.mark.skipif(
    torch_impl.compiled.obstacle(torch.device("cpu")) != "", reason="no C++ compiler"
)


@pytest.fixture
def eager_steps(monkeypatch):
    """The steps that were taken eagerly."""
    taken, step = [], TORCH.Network.update_mini_batch

    def counted(net, mini_batch, eta):
        taken.append(len(mini_batch[0]))
        return step(net, mini_batch, eta)

    monkeypatch.setattr(TORCH.Network, "update_mini_batch", counted)
    return taken


def network(arithmetic="FixedPoint", **keywords):
    start = initial_parameters(SIZES, 0)
    return TORCH.Network.from_parameters(start, TORCH.kept(arithmetic), compile=True, **keywords)


def trained(twin, net, eta=3.0, epochs=2):
    return twin.sgd(net, *drawn(SIZES, EXAMPLES), epochs, M, eta)


@needs_compiler
def test_in_fixed_point_every_epoch_ends_with_the_bits_of_the_reference(eager_steps):
    expected = trained(REFERENCE, REFERENCE.start(SIZES))
    assert trained(TORCH, network()) == expected
    assert eager_steps == [3, 3, 3, 2] * 2


@needs_compiler
def test_in_floating_point_compiled_steps_are_near(eager_steps):
    nets = network("Float32"), TORCH.start(SIZES, "Float32")
    for net in nets:
        trained(TORCH, net, 0.5, 1)
    assert len(eager_steps) == 4 + 44
    for one, other in zip(flat(nets[0].export()), flat(nets[1].export()), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=200 * np.finfo(np.float32).eps)


@needs_compiler
def test_a_subclass_takes_its_own_steps():
    class Halved(TORCH.Network):
        def update_mini_batch(self, mini_batch, eta):
            super().update_mini_batch(mini_batch, eta / 2)

    start = initial_parameters(SIZES, 0)
    net = Halved.from_parameters(start, TORCH.kept("FixedPoint"), compile=True)
    assert trained(TORCH, net, 3.0) == trained(REFERENCE, REFERENCE.start(SIZES), 1.5)


@needs_compiler
def test_what_comes_near_a_tie_is_done_again_eagerly(monkeypatch, eager_steps):
    monkeypatch.setattr(torch_impl.compiled, "SIGMOID_ERROR", 0.4 / 2.0**21)
    assert trained(TORCH, network()) == trained(REFERENCE, REFERENCE.start(SIZES))
    assert len(eager_steps) > 8


@needs_compiler
@pytest.mark.parametrize("eta", [30.0, 2000.0])
def test_overflow_is_refused_in_the_words_of_the_eager_network(eta):
    said = []
    for net in (network(), TORCH.start(SIZES)):
        try:
            trained(TORCH, net, eta, 5)
        except OverflowError as error:
            said.append(str(error))
        else:
            said.append(fingerprint(net))
    assert said[0] == said[1]
    if eta > 1000:
        assert "fixed-point overflow: the largest weight or bias reached" in said[0]


@needs_compiler
def test_a_parameter_that_could_leave_its_range_within_a_call_is_watched(eager_steps):
    start = initial_parameters(SIZES, 0)
    weights, biases = [np.array(w) for w in start.weights], [np.array(b) for b in start.biases]
    biases[1][:] = 60.0  # so the last hidden layer is all 1, and the outputs are 1 / 2
    weights[2][:], biases[2][:] = [63.9, -63.9, 0.0, 0.0], 0.0
    net = TORCH.Network.from_parameters(
        Parameters(SIZES, weights, biases), TORCH.kept("FixedPoint"), compile=True
    )
    x, y = drawn(SIZES, torch_impl.compiled.STEPS * M)  # one call
    with pytest.raises(OverflowError, match=r"the largest weight or bias reached 6[45]"):
        TORCH.sgd(net, x, np.ones_like(y), 1, M, 3.0)
    assert len(eager_steps) == torch_impl.compiled.STEPS


def test_without_a_compiler_steps_are_taken_eagerly(monkeypatch, tmp_path, eager_steps):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    assert "no C++ compiler (g++ or clang++)" in torch_impl.compiled.obstacle(torch.device("cpu"))
    assert trained(TORCH, network()) == trained(REFERENCE, REFERENCE.start(SIZES))
    assert len(eager_steps) == 88


def test_a_compiler_that_fails_is_said_once_and_changes_nothing(monkeypatch, eager_steps):
    def fails(*_, **__):
        raise RuntimeError("broken\nin two lines")

    monkeypatch.setattr(torch_impl.compiled, "_calls", {})
    monkeypatch.setattr(torch, "compile", fails)
    monkeypatch.setattr(torch_impl.compiled, "obstacle", lambda _: "")
    monkeypatch.setattr(TORCH.network, "obstacle", lambda _: "")
    with pytest.warns(UserWarning, match="taken eagerly: broken in two lines") as told:
        fingerprints = trained(TORCH, network())
    assert fingerprints == trained(REFERENCE, REFERENCE.start(SIZES))
    assert len(told) == 1
    assert len(eager_steps) == 88


@pytest.mark.parametrize("device", [CUDA])
def test_on_a_gpu_nothing_is_compiled(device):
    assert "on cuda" in torch_impl.compiled.obstacle(torch.device(device))
    assert not network(device=device).compiled
