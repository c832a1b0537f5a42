"""The shipped network is what it says: drawn, renumbered, trained, counted and named as stated.

MNIST_DIR=... python -m pytest tests/test_shipped.py        about half a minute
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import reference.mnist_loader
import torch_impl.mnist_loader
from model.initial import initial_parameters
from model.mnist_files import SHA256
from model.parameters import Parameters
from reference.arithmetic import FixedPoint
from reference.network import Network
from scripts.command_line import SHIPPED_MODEL, SHIPPED_START
from scripts.train import main as train
from torch_impl.arithmetic import FixedPoint as TorchFixedPoint
from torch_impl.network import Network as TorchNetwork

SIZES = (784, 20, 10)
LEAST_ACCURACY = 9410  # of 10,000


@pytest.fixture(scope="module")
def shipped() -> Parameters:
    return Parameters.load(SHIPPED_MODEL)


@pytest.fixture(scope="module")
def begin() -> Parameters:
    return Parameters.load(SHIPPED_START)


def renumbered(parameters: Parameters, order: list[int]) -> Parameters:
    """The same network with its hidden neurons in another order."""
    (first, second), (hidden, outputs) = parameters.weights, parameters.biases
    weights = [first[order], second[:, order]]
    return Parameters(parameters.sizes, weights, [hidden[order], outputs])


def test_the_start_is_drawn_from_its_seed_and_renumbered(begin: Parameters) -> None:
    assert begin.sizes == SIZES
    order = begin.metadata["permutation"]
    assert sorted(order) == list(range(SIZES[1]))
    drawn = initial_parameters(SIZES, begin.metadata["seed"])
    assert renumbered(drawn, order).fingerprint == begin.fingerprint
    # And no other order would do: neither none at all, nor this one backwards.
    backwards = np.argsort(order).tolist()
    assert begin.fingerprint not in {drawn.fingerprint, renumbered(drawn, backwards).fingerprint}


def test_renumbering_changes_no_answer(begin: Parameters) -> None:
    x = np.random.default_rng(0).integers(0, 256, (784, 50)) / 256
    drawn = initial_parameters(SIZES, begin.metadata["seed"])
    one, other = (Network.from_parameters(p, FixedPoint()) for p in (drawn, begin))
    np.testing.assert_array_equal(one.feedforward(x), other.feedforward(x))


def test_the_shipped_network_was_trained_from_the_shipped_start(
    shipped: Parameters, begin: Parameters
) -> None:
    made = shipped.metadata
    assert shipped.sizes == SIZES
    assert made["initial"] == begin.fingerprint
    assert {key: made[key] for key in begin.metadata} == begin.metadata
    assert (made["arithmetic"], made["epochs"]) == ("fixed-point", 30)
    assert (made["mini_batch_size"], made["eta"]) == (10, 3.0)
    assert made["data_kind"] == "mnist"
    assert made["data"] == dict(SHA256)


def test_every_shipped_number_is_on_the_grid(shipped: Parameters) -> None:
    again = Network.from_parameters(shipped, FixedPoint()).export()
    assert Parameters(SIZES, *again).fingerprint == shipped.fingerprint


def test_names_are_of_neurons_that_there_are(shipped: Parameters) -> None:
    names = shipped.metadata["neuron_names"]
    assert names["11"] == "Jalebi"
    for number, name in names.items():
        assert number == str(int(number))
        assert 0 <= int(number) < SIZES[1]
        assert name.strip() == name != ""


def test_the_accuracy_that_is_stated_is_that_of_a_good_network(shipped: Parameters) -> None:
    stated = shipped.metadata["accuracy"]
    assert (stated["test_of"], stated["validation_of"]) == (10_000, 10_000)
    assert stated["test"] >= LEAST_ACCURACY
    assert len(stated["validation"]) == shipped.metadata["epochs"]


@pytest.mark.mnist
def test_both_backends_count_the_accuracy_that_is_stated(shipped: Parameters, mnist: Path) -> None:
    stated = shipped.metadata["accuracy"]
    expected = [stated["validation"][-1], stated["test"]]
    ours = Network.from_parameters(shipped, FixedPoint())
    theirs = TorchNetwork.from_parameters(shipped, TorchFixedPoint())
    for net, loader in ((ours, reference.mnist_loader), (theirs, torch_impl.mnist_loader)):
        _, *unseen = loader.load_data_wrapper(mnist)
        assert [net.evaluate(part) for part in unseen] == expected


@pytest.mark.mnist
def test_training_makes_the_shipped_file_again(
    shipped: Parameters, mnist: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = tmp_path / "train.json"
    assert train(["--data", str(mnist), "--output", str(made)]) == 0
    again = Parameters.load(made)
    assert again.fingerprint == shipped.fingerprint
    assert again.metadata == shipped.metadata
    assert made.read_bytes() == SHIPPED_MODEL.read_bytes()
    assert shipped.fingerprint in capsys.readouterr().out
