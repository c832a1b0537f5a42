"""What the tests of the programs share: small digits, and small networks that learned them."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest

from model.initial import initial_parameters
from model.mnist_files import describe
from model.parameters import Parameters
from model.synthetic_digits import write_idx_files
from scripts import train, tune
from scripts.command_line import Settings
from scripts.training import Run


@pytest.fixture(scope="session")
def few_digits(tmp_path_factory) -> Path:
    """A folder with 100 digits for training, 20 for validation and 30 for the test."""
    folder = tmp_path_factory.mktemp("few")
    write_idx_files(folder, training=120, test=30)
    return folder


class Made(NamedTuple):
    """A program that was run: its command line but for --output, what it made, what it printed."""

    arguments: list[str]
    output: Path
    out: str
    err: str


def made(program: ModuleType, arguments: list[str], output: Path) -> Made:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        assert program.main([*arguments, "--output", str(output)]) == 0
    return Made(arguments, output, out.getvalue(), err.getvalue())


@pytest.fixture(scope="session")
def small_run(few_digits, tmp_path_factory) -> Made:
    """A small training of 3 epochs."""
    arguments = ["--sizes", "784", "5", "10", "--seed", "1", "--epochs", "3"]
    arguments += ["--data", str(few_digits)]
    return made(train, arguments, tmp_path_factory.mktemp("whole") / "out.json")


@pytest.fixture(scope="session")
def small_tuning(few_digits, tmp_path_factory) -> Made:
    """A small tuning: three configurations, 2 seeds each, 3 epochs."""
    arguments = ["--hidden", "6", "15", "--eta", "3.0", "--mini-batch-size", "10"]
    arguments += ["--configuration", "4,5,2", "--seeds", "2", "--epochs", "3"]
    arguments += ["--data", str(few_digits)]
    return made(tune, arguments, tmp_path_factory.mktemp("whole") / "tune")


@pytest.fixture(scope="session")
def network_file(few_digits, tmp_path_factory) -> Callable[..., Path]:
    """A function that trains a network of some sizes and returns its file."""
    folder = tmp_path_factory.mktemp("networks")

    def make(*sizes: int) -> Path:
        path = folder / ("-".join(map(str, sizes)) + ".json")
        if not path.exists():
            drawn = initial_parameters(sizes, seed=1)
            known = {"seed": 1, "neuron_names": {"1": "Jalebi"}}
            start = Parameters(sizes, drawn.weights, drawn.biases, known)
            Run(Settings(epochs=1, seed=1), start, describe(few_digits), path).train()
        return path

    return make


@pytest.fixture
def arguments_for(few_digits, network_file, tmp_path) -> Callable[..., list[str]]:
    """A function that returns the command line for a network; the output is tmp_path / "out"."""

    def make(*sizes: int) -> list[str]:
        model = network_file(*(sizes or (784, 3, 10)))
        where = ["--data", str(few_digits), "--output", str(tmp_path / "out")]
        return ["--model", str(model), *where]

    return make


@pytest.fixture
def refused(capsys, tmp_path) -> Callable[..., str]:
    """A function that returns the one line with which a program refuses and changes no file."""

    def contents() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    def line(program: ModuleType, *arguments: object) -> str:
        before = contents()
        assert program.main([*map(str, arguments)]) == 2
        out, err = capsys.readouterr()
        *notices, last = err.splitlines()
        assert (out, contents()) == ("", before)
        assert all("not MNIST" in notice for notice in notices)
        assert last.startswith("error: ")
        return last.removeprefix("error: ")

    return line
