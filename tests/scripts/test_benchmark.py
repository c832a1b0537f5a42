"""The benchmark: what is timed takes the same steps, in turn, and what they cost is drawn."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from model.initial import initial_parameters
from model.mnist_files import describe
from reference.network import Network
from scripts import benchmark, cost_figure, yardsticks
from scripts.command_line import load_examples
from scripts.timing import (
    BOOK,
    NUMPY,
    Times,
    check_equal,
    contestants,
    interleaved,
    ratio,
    table,
    training_examples,
)  # fmt: skip

START = initial_parameters([784, 5, 10], 0)


def close(net, expected, off):
    """Whether a yardstick's parameters are those of a network, within so much."""
    assert not np.array_equal(net.weights[0], START.weights[0])
    pairs = zip([*expected.weights, *expected.biases], [*net.weights, *net.biases], strict=True)
    for ours, others in pairs:
        np.testing.assert_allclose(others.reshape(ours.shape), ours, rtol=0, atol=off)


@pytest.mark.parametrize("kind", [yardsticks.BookLoop, yardsticks.InC, yardsticks.Jax])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_yardstick_takes_the_steps_of_the_reference(kind, dtype, digits_folder):
    try:
        yardstick = kind(START, dtype)
    except ImportError as missing:
        pytest.skip(str(missing))
    data = load_examples(describe(digits_folder), "numpy")[0]
    net = Network.from_parameters(START)
    for one in (yardstick, net):
        one.SGD(data, 2, 10, 3.0, rng=np.random.default_rng(3), on_epoch=lambda *_: None)
    close(yardstick, net, 1e-11 if dtype is np.float64 else 1e-3)


def test_scikit_learn_learns_from_the_same_data(digits_folder):
    pytest.importorskip("sklearn")
    data = load_examples(describe(digits_folder), "numpy")[0]
    learner = yardsticks.ScikitLearn(START)
    learner.SGD(data, 20, 10, 3.0, np.random.default_rng(0), lambda *_: None)
    assert learner.classifier.score(data.x, data.y.argmax(axis=1)) > 0.9


def test_where_nothing_else_is_installed_only_the_networks_are_timed(monkeypatch):
    monkeypatch.setenv("CC", "no-such-compiler")
    for module in ("jax", "sklearn", "sklearn.neural_network"):
        monkeypatch.setitem(__import__("sys").modules, module, None)
    assert list(yardsticks.others(START)) == []
    with pytest.raises(ImportError, match=r"no C compiler .no-such-compiler."):
        yardsticks.InC(START)


def test_what_has_no_room_in_c_is_refused():
    for sizes, m in (([3, 40, 2], 2000), ([3] * 9, 10), ([3, 4, 2], 10_000)):
        with pytest.raises(ValueError, match="no room for so many layers"):
            yardsticks.InC(initial_parameters(sizes, 0)).epoch(*[np.zeros((m, 3))] * 3, m, 1.0)


def test_what_is_not_one_network_is_not_timed(digits_folder):
    parts, told = training_examples(describe(digits_folder), 50), []
    found = contestants(START, parts, "cpu")
    assert [*found][:4] == [
        (BOOK, "float64"), (NUMPY, "fixed-point"), ("PyTorch, step by step", "fixed-point"),
        ("PyTorch, recorded", "fixed-point"),
    ]  # fmt: skip
    assert all(len(one.data) == 50 and min(one.epoch()) > 0 for one in found.values())
    found = contestants(START, parts, "cpu")
    assert len(check_equal(found, told.append)) == 16
    assert told == [", ".join(key) for key in found]
    found[NUMPY, "fixed-point"].net.weights[1][0, 0] += 2.0**-21
    with pytest.raises(ValueError, match="nothing is timed, for these are not one network: "):
        check_equal(found, told.append)


def test_rounds_are_interleaved_and_ratios_are_medians_round_by_round():
    order, one = [], Times(1.0, 0.5)

    def contestant(name):
        return SimpleNamespace(epoch=lambda: order.append(name) or one)

    told = lambda done, name: order.append((done, name))  # noqa: E731
    times = interleaved({("a", "x"): contestant("a"), ("b", "x"): contestant("b")}, 2, told)
    assert order == ["a", (1, "a, x"), "b", (2, "b, x"), "a", (3, "a, x"), "b", (4, "b, x")]
    assert times == {("a", "x"): [one] * 2, ("b", "x"): [one] * 2}
    three = [Times(2.0, 0), Times(40.0, 0), Times(3.0, 0)]
    assert ratio(three, [Times(1.0, 9), Times(10.0, 9), Times(1.0, 9)]) == 3.0
    with pytest.raises(ValueError, match="zip"):
        ratio([one], [one] * 2)
    times = {(BOOK, "float64"): [Times(8.0, 7.0)], (NUMPY, "float64"): [Times(1.0, 0.5)]}
    lines = table({**times, ("C", "float32"): [Times(4.0, 3.0)]}, "processor").split("\n")
    assert lines[2] == f"| {BOOK} | 7.000 (14.0) |  |  |"
    assert lines[3] == "| NumPy | 0.500 |  |  |"
    assert lines[4] == "| C |  | 3.000 |  |"


@pytest.mark.parametrize(
    ("option", "value", "line"),
    [
        ("--examples", "501", "--examples 501: the training data have 500: ask for fewer"),
        ("--picture", "a.json", "--picture: expected a name that ends in .png, received a.json"),
        ("--picture", "no/a.png", "no/a.png: the folder does not exist; make it first: mkdir -p "),
    ],
)
def test_what_cannot_be_timed_or_written_is_refused_at_once(
    option, value, line, digits_folder, capsys, monkeypatch
):
    monkeypatch.setattr(cost_figure, "measure", None)
    assert benchmark.main(["--data", str(digits_folder), option, value]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith(f"error: {line}")


def test_benchmark_prints_its_tables_and_what_made_them(digits_folder, capsys, monkeypatch):
    monkeypatch.setattr("scripts.timing.others", lambda start: iter(()))
    arguments = ["--data", str(digits_folder), "--rounds", "1", "--examples", "20"]
    assert benchmark.main(arguments) == 0
    printed = capsys.readouterr()
    assert printed.out.count("\n|") == 11
    assert "All in fixed-point have the fingerprint" in printed.out
    assert f"numpy {np.__version__} (" in printed.out
    assert "not MNIST" in printed.err
    assert "timing: epoch 10/10  PyTorch, recorded, float32" in printed.err


def test_the_cost_of_a_step_is_drawn_and_its_numbers_written(
    digits_folder, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(cost_figure, "HIDDEN", (5, 10))
    monkeypatch.setattr(cost_figure, "MINI_BATCHES", (1, 10, 20))
    monkeypatch.setattr(cost_figure, "ROUNDS", 1)
    path = tmp_path / "speed.png"
    assert benchmark.main(["--data", str(digits_folder), "--picture", str(path)]) == 0
    assert f"wrote {path} and the times beside it" in capsys.readouterr().out
    assert path.read_bytes().startswith(b"\x89PNG")
    panels = json.loads(path.with_suffix(".json").read_text())
    for name, values in (("hidden units", [5, 10]), ("examples in a mini-batch", [1, 10, 20])):
        assert panels[name]["values"] == values
        for costs in panels[name]["microseconds"].values():
            assert len(costs) == len(values)
            assert min(costs) > 0
