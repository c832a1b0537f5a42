"""What the tests of the programs share: small digits, and a small network that learned them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from model.initial import initial_parameters
from model.parameters import Parameters
from model.synthetic_digits import write_idx_files
from reference.arithmetic import FixedPoint
from reference.mnist_loader import load_data_wrapper
from reference.network import Network
from scripts import train


def trained(folder: Path, sizes: tuple[int, ...]) -> Parameters:
    start = initial_parameters(sizes, seed=1)
    net = Network.from_parameters(start, FixedPoint())
    training, _, _ = load_data_wrapper(folder)
    net.SGD(training, 1, 10, 3.0, rng=np.random.default_rng(1), on_epoch=lambda *_: None)
    made = {
        "arithmetic": "fixed-point",
        "seed": 1,
        "initial": start.fingerprint,
        "neuron_names": {"1": "Jalebi"},
        "accuracy": {"validation": [20], "validation_of": 40},
    }
    return Parameters(sizes, *net.export(), made)


@pytest.fixture(scope="session")
def few_digits(tmp_path_factory) -> Path:
    """A folder with 100 digits for training, 20 for validation and 30 for the test."""
    folder = tmp_path_factory.mktemp("few")
    write_idx_files(folder, training=120, test=30)
    return folder


@pytest.fixture(scope="session")
def small_run(few_digits, tmp_path_factory) -> tuple[list[str], Path]:
    """The command line of a small training of 3 epochs, but for its output, and what it makes."""
    out = tmp_path_factory.mktemp("whole") / "out.json"
    arguments = ["--sizes", "784", "5", "10", "--seed", "1", "--epochs", "3"]
    arguments += ["--data", str(few_digits)]
    assert train.main([*arguments, "--output", str(out)]) == 0
    return arguments, out


@pytest.fixture(scope="session")
def drawn_digits(tmp_path_factory) -> Path:
    """A folder with 200 digits for training, 40 for validation and 80 for the test."""
    folder = tmp_path_factory.mktemp("drawn")
    write_idx_files(folder, training=240, test=80)
    return folder


@pytest.fixture(scope="session")
def network_file(drawn_digits, tmp_path_factory) -> Callable[..., Path]:
    """A function that trains a network of some sizes and returns its file."""
    folder = tmp_path_factory.mktemp("networks")

    def make(*sizes: int) -> Path:
        path = folder / ("-".join(map(str, sizes)) + ".json")
        if not path.exists():
            trained(drawn_digits, sizes).save(path)
        return path

    return make


@pytest.fixture
def arguments_for(drawn_digits, network_file, tmp_path) -> Callable[..., list[str]]:
    """A function that returns the command line for a network; the output is tmp_path / "out"."""

    def make(*sizes: int) -> list[str]:
        model = network_file(*(sizes or (784, 3, 10)))
        where = ["--data", str(drawn_digits), "--output", str(tmp_path / "out")]
        return ["--model", str(model), *where]

    return make
