"""The shipped network is what it says: drawn, renumbered, trained, counted and named as stated."""

import numpy as np
import pytest

from model.initial import initial_parameters
from model.mnist_files import SHA256
from model.parameters import Parameters
from scripts.command_line import SHIPPED_MODEL, SHIPPED_START
from scripts.train import main as train
from tests.twin import REFERENCE, both, fingerprint

SIZES = (784, 20, 10)
SHIPPED, BEGIN = Parameters.load(SHIPPED_MODEL), Parameters.load(SHIPPED_START)
STATED = SHIPPED.metadata["accuracy"]


def renumbered(parameters, order):
    """The same network with its hidden neurons in another order."""
    (first, second), (hidden, outputs) = parameters.weights, parameters.biases
    return Parameters(SIZES, [first[order], second[:, order]], [hidden[order], outputs])


def test_the_start_is_drawn_from_its_seed_and_renumbered_which_changes_no_answer():
    order, drawn = BEGIN.metadata["permutation"], initial_parameters(SIZES, BEGIN.metadata["seed"])
    assert sorted(order) == list(range(SIZES[1]))
    assert renumbered(drawn, order).fingerprint == BEGIN.fingerprint
    # And no other order would do: neither none at all, nor this one backwards.
    backwards = np.argsort(order).tolist()
    assert BEGIN.fingerprint not in {drawn.fingerprint, renumbered(drawn, backwards).fingerprint}
    x = np.random.default_rng(0).integers(0, 256, (784, 50)) / 256
    one, other = (REFERENCE.start(parameters).feedforward(x) for parameters in (drawn, BEGIN))
    np.testing.assert_array_equal(one, other)


def test_the_shipped_network_was_trained_from_the_shipped_start():
    made = SHIPPED.metadata
    assert made.items() >= BEGIN.metadata.items()
    assert (SHIPPED.sizes, made["initial"]) == (SIZES, BEGIN.fingerprint)
    assert (made["arithmetic"], made["epochs"]) == ("fixed-point", 30)
    assert (made["mini_batch_size"], made["eta"]) == (10, 3.0)
    assert (made["data_kind"], made["data"]) == ("mnist", dict(SHA256))
    assert fingerprint(REFERENCE.start(SHIPPED)) == SHIPPED.fingerprint  # all lies on the grid
    assert set(made["neuron_names"]) <= {str(number) for number in range(SIZES[1])}
    assert made["neuron_names"]["11"] == "Jalebi"
    assert (STATED["test_of"], STATED["validation_of"]) == (10_000, 10_000)
    assert len(STATED["validation"]) == made["epochs"]


@both
@pytest.mark.mnist
def test_both_backends_count_the_accuracy_that_is_stated(twin, mnist):
    _, *unseen = twin.mnist_loader.load_data_wrapper(mnist)
    net = twin.start(SHIPPED)
    assert [net.evaluate(part) for part in unseen] == [STATED["validation"][-1], STATED["test"]]


@pytest.mark.mnist
def test_training_makes_the_shipped_file_again(mnist, tmp_path, capsys):
    made = tmp_path / "train.json"
    assert train(["--data", str(mnist), "--output", str(made)]) == 0
    assert made.read_bytes() == SHIPPED_MODEL.read_bytes()
    assert SHIPPED.fingerprint in capsys.readouterr().out
