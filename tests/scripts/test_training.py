"""A training run as an object: its checks, what it keeps, and that others can share its data."""

import os
import warnings
from dataclasses import replace

import numpy as np
import pytest

from model import mnist_files
from model.initial import initial_parameters
from model.parameters import Parameters
from model.synthetic_digits import write_idx_files
from scripts.command_line import load_examples
from scripts.training import (
    Run,
    Settings,
    check_same_run,
    kept,
    percent,
    validation_news,
)

SETTINGS = Settings(epochs=2, seed=1)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("digits")
    write_idx_files(folder, training=120, test=30)
    return mnist_files.describe(folder)


@pytest.fixture
def begin():
    return initial_parameters([784, 4, 10], 1)


def test_without_an_output_nothing_is_written(files, begin, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = Run(SETTINGS, begin, files)
    assert run.resume() is False
    assert run.train().metadata["epochs"] == 2
    assert os.listdir(tmp_path) == []


def test_every_epoch_is_saved_before_it_is_reported(files, begin, tmp_path):
    out = tmp_path / "out.json"
    reported = []

    def on_epoch(done, parameters):
        saved = Parameters.load(out)
        reported.append((done, saved.metadata["epochs"]))
        assert saved.fingerprint == parameters.fingerprint

    Run(SETTINGS, begin, files, out).train(on_epoch)
    assert reported == [(1, 1), (2, 2)]


def test_a_save_that_fails_leaves_the_run_where_the_file_is(files, begin, tmp_path, monkeypatch):
    run = Run(SETTINGS, begin, files, tmp_path / "out.json")
    monkeypatch.setattr(os, "replace", failing_the_second_time(os.replace))
    with pytest.raises(OSError, match="cannot be written: no more room"):
        run.train()
    assert run.epochs_done == Parameters.load(run.output).metadata["epochs"] == 1


def failing_the_second_time(real):
    calls = []

    def replaced(*args):
        calls.append(args)
        if len(calls) == 2:
            raise OSError(28, "no more room")
        return real(*args)

    return replaced


@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_runs_that_share_their_data_leave_them_as_they_were(files, begin, backend):
    settings = replace(SETTINGS, backend=backend)
    data = load_examples(files, backend)
    before = [np.asarray(part.x).copy() for part in data]
    shared = [Run(settings, begin, files, data=data).train().fingerprint for _ in range(2)]
    assert shared == [Run(settings, begin, files).train().fingerprint] * 2
    for part, was in zip(data, before, strict=True):
        np.testing.assert_array_equal(np.asarray(part.x), was)


def test_the_test_data_can_be_left_alone(files, begin):
    run = Run(SETTINGS, begin, files)
    assert set(run.train(test=False).metadata["accuracy"]) == {"validation", "validation_of"}
    before = run.parameters
    after = run.train()
    assert {"test", "test_of"} < set(after.metadata["accuracy"])
    assert after.fingerprint == before.fingerprint
    assert after.metadata["epochs"] == 2


def test_a_longer_run_forgets_the_test_of_the_shorter(files, begin, tmp_path):
    out = tmp_path / "out.json"
    Run(SETTINGS, begin, files, out).train()
    longer = Run(replace(SETTINGS, epochs=3), begin, files, out)
    assert longer.resume() is True
    longer.train(test=False)
    accuracy = Parameters.load(out).metadata["accuracy"]
    assert len(accuracy["validation"]) == 3
    assert "test" not in accuracy


def test_what_is_known_of_the_start_is_kept(files, begin):
    names = {"seed": 1, "names": {"3": "Jalebi"}, "accuracy": {"test": 1}}
    named = Parameters(begin.sizes, begin.weights, begin.biases, names)
    trained = Run(SETTINGS, named, files).train()
    assert trained.metadata["names"] == {"3": "Jalebi"}
    assert trained.metadata["data"] == files.sha256
    assert len(trained.metadata["accuracy"]["validation"]) == 2


def test_the_order_of_examples_is_one_permutation_for_each_epoch(files, begin):
    """Two epochs are what two runs of one epoch make of the seed's two permutations."""
    training, _, _ = data = load_examples(files, "numpy")
    rng = np.random.default_rng(SETTINGS.seed)
    from reference.arithmetic import FixedPoint
    from reference.network import Network

    net = Network.from_parameters(begin, FixedPoint())
    for _ in range(2):
        order = rng.permutation(len(training))
        for k in range(0, len(order), 10):
            some = order[k : k + 10]
            net.update_mini_batch((training.x[some].T, training.y[some].T), 3.0)
    by_hand = Parameters(begin.sizes, *net.export())
    assert Run(SETTINGS, begin, files, data=data).train().fingerprint == by_hand.fingerprint


@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_training_that_diverges_ends_without_a_warning(files, begin, backend):
    settings = replace(SETTINGS, backend=backend, arithmetic="float32", eta=1e39, mini_batch_size=1)
    with warnings.catch_warnings(record=True) as raised:
        warnings.simplefilter("always")
        with pytest.raises(
            OverflowError,
            match=r"^training diverged in epoch 1: weights are no longer finite numbers with eta "
            r"1e\+39: use a smaller eta$",
        ):
            Run(settings, begin, files).train()
    assert raised == []


@pytest.mark.parametrize(
    ("settings", "sizes", "text"),
    [
        (replace(SETTINGS, eta=float("nan")), [784, 4, 10], "eta is a finite learning rate"),
        (replace(SETTINGS, epochs=-1), [784, 4, 10], "epochs is a whole number, 0 or more"),
        (replace(SETTINGS, mini_batch_size=101), [784, 4, 10], "mini_batch_size lies between 1 "),
        (replace(SETTINGS, device="cuda"), [784, 4, 10], "--device cuda needs --backend torch"),
        (SETTINGS, [783, 4, 10], r"sizes \[783, 4, 10\] do not fit the data: expected 784 first"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_any_work(files, tmp_path, settings, sizes, text):
    with pytest.raises(ValueError, match=f"^{text}"):
        Run(settings, initial_parameters(sizes, 1), files, tmp_path / "out.json")
    assert os.listdir(tmp_path) == []


def made(**metadata):
    known = {
        "arithmetic": "float64",
        "mini_batch_size": 10,
        "eta": 3.0,
        "seed": 1,
        "initial": "abc",
        "data": {"a": "1", "b": "2"},
        "backend": "numpy",
        "device": "cpu",
    }
    return Parameters([1, 1], [[[1.0]]], [[[1.0]]], {**known, **metadata})


@pytest.mark.parametrize(
    ("other", "text"),
    [
        ({"eta": 1.0}, "its eta is 1.0, asked for is 3.0"),
        ({"data": {"a": "1", "b": "3"}}, "its b is 3, asked for is 2"),
        ({"data": {"a": "1"}}, "its b is None, asked for is 2"),
        ({"data": None}, "its data is None, asked for is {'a': '1', 'b': '2'}"),
        ({"device": "cuda"}, "its device is cuda, asked for is cpu"),
    ],
)
def test_the_first_setting_that_differs_is_named(tmp_path, other, text):
    with pytest.raises(ValueError) as caught:  # noqa: PT011  (the whole text is compared)
        check_same_run(tmp_path, made(**other), made())
    assert str(caught.value) == (
        f"{tmp_path}: was not made by this run: {text}: resume with the settings that it was begun "
        f"with, or choose another --output"
    )


def test_in_fixed_point_the_backend_is_no_difference(tmp_path):
    there = made(arithmetic="fixed-point", backend="torch", device="cuda")
    check_same_run(tmp_path, there, made(arithmetic="fixed-point"))


def test_what_an_interrupted_run_leaves_is_read_from_its_file(files, begin, tmp_path):
    run = Run(SETTINGS, begin, files, tmp_path / "out.json")
    assert kept(run) == "no epoch was finished yet"
    other = Run(SETTINGS, begin, files, tmp_path / "out.json")
    other.train(test=False)
    assert kept(run) == f"{tmp_path / 'out.json'} holds 2 of 2 epochs: --resume goes on"


def test_results_are_said_in_words(files, begin, tmp_path):
    trained = Run(SETTINGS, begin, files).train()
    accuracy = trained.metadata["accuracy"]
    last = accuracy["validation"][-1]
    assert validation_news(trained) == f"validation {100 * last / 20:.2f} %"
    assert percent(9412, 10_000) == "94.12 %"
    lines = trained_report(trained, tmp_path, files.notice).splitlines()
    assert lines[0].endswith(f"({accuracy['test']} of 30)")
    assert lines[1].split() == ["fingerprint", trained.fingerprint]
    assert lines[3] == files.notice
    assert len(trained_report(trained, tmp_path, "").splitlines()) == 3
