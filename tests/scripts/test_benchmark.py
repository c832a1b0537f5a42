"""The benchmark: what is timed takes the same steps, in turn, and what they cost is drawn."""

import json
import re
import sys

import numpy as np
import pytest

from model.initial import initial_parameters
from model.mnist_files import describe
from reference.network import Network
from scripts import benchmark, cost_figure, yardsticks
from scripts.benchmark import BOOK, NUMPY, check_equal, contestants, table
from scripts.command_line import load_examples
from scripts.yardsticks import Times

START = initial_parameters([784, 5, 10], 0)


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
    off = 1e-11 if dtype is np.float64 else 1e-3
    assert not np.array_equal(yardstick.weights[0], START.weights[0])
    pairs = zip([*net.weights, *net.biases], [*yardstick.weights, *yardstick.biases], strict=True)
    for ours, others in pairs:
        np.testing.assert_allclose(others.reshape(ours.shape), ours, rtol=0, atol=off)


def test_scikit_learn_learns_from_the_same_data(digits_folder):
    pytest.importorskip("sklearn")
    data = load_examples(describe(digits_folder), "numpy")[0]
    learner = yardsticks.ScikitLearn(START)
    learner.SGD(data, 20, 10, 3.0, np.random.default_rng(0), lambda *_: None)
    assert learner.classifier.score(data.x, data.y.argmax(axis=1)) > 0.9


def test_where_nothing_else_is_installed_only_the_networks_are_timed(monkeypatch):
    monkeypatch.setenv("CC", "no-such-compiler")
    for module in ("jax", "sklearn", "sklearn.neural_network"):
        monkeypatch.setitem(sys.modules, module, None)
    assert list(yardsticks.others(START)) == []
    with pytest.raises(ImportError, match=r"no C compiler .no-such-compiler."):
        yardsticks.InC(START)


def test_what_is_not_one_network_is_not_timed(digits_folder):
    parts, told = benchmark.training_examples(describe(digits_folder), 50), []
    found = contestants(START, parts, "cpu")
    assert [*found][:4] == [
        (BOOK, "float64"), (NUMPY, "fixed-point"), ("PyTorch, step by step", "fixed-point"),
        ("PyTorch, recorded", "fixed-point"),
    ]  # fmt: skip
    assert len(check_equal(found, told.append)) == 16
    assert told == [", ".join(key) for key in found]
    net, data = found[NUMPY, "fixed-point"]
    assert len(data) == 50
    net.weights[1][0, 0] += 2.0**-21
    with pytest.raises(ValueError, match="nothing is timed, for these are not one network: "):
        check_equal(found, told.append)


def test_ratios_are_medians_round_by_round():
    book, numpy = ([Times(t, 7 * t) for t in seconds] for seconds in ((2, 40, 3), (1, 10, 1)))
    times = {(BOOK, "float64"): book, (NUMPY, "float64"): numpy, ("C", "float32"): numpy[:1]}
    assert table(times, "clock").split("\n")[2:] == [
        f"| {BOOK} | 3.000 (3.0) |  |  |", "| NumPy | 1.000 |  |  |", "| C |  | 1.000 |  |",
    ]  # fmt: skip
    assert "| C |  | 7.000 |  |" in table(times, "processor")
    with pytest.raises(ValueError, match="zip"):
        table({**times, (BOOK, "float64"): book[:2]}, "clock")


def test_rounds_are_interleaved_and_the_tables_say_what_made_them(
    digits_folder, capsys, monkeypatch
):
    monkeypatch.setattr(benchmark, "others", lambda start: iter(()))
    arguments = ["--data", str(digits_folder), "--rounds", "2", "--examples", "20"]
    assert benchmark.main(arguments) == 0
    printed = capsys.readouterr()
    assert printed.out.count("\n|") == 11
    assert "All in fixed-point have the fingerprint" in printed.out
    assert f"numpy {np.__version__} (" in printed.out
    assert "not MNIST" in printed.err
    timed = [re.split("  +", line)[:2] for line in printed.err.splitlines() if ": epoch" in line]
    assert [done for done, _ in timed] == [f"timing: epoch {k}/20" for k in range(1, 21)]
    names = [name for _, name in timed]
    assert names == [*dict.fromkeys(names)] * 2


def test_the_cost_of_a_step_is_drawn_and_its_numbers_written(
    digits_folder, tmp_path, capsys, monkeypatch
):
    few = {"hidden units": (5, 10), "examples in a mini-batch": (1, 10, 20)}
    for name, value in zip(("HIDDEN", "MINI_BATCHES"), few.values(), strict=True):
        monkeypatch.setattr(cost_figure, name, value)
    monkeypatch.setattr(cost_figure, "ROUNDS", 1)
    path = tmp_path / "speed.png"
    assert benchmark.main(["--data", str(digits_folder), "--picture", str(path)]) == 0
    assert f"wrote {path} and the times beside it" in capsys.readouterr().out
    assert path.read_bytes().startswith(b"\x89PNG")
    panels = json.loads(path.with_suffix(".json").read_text())
    assert {name: tuple(panel["values"]) for name, panel in panels.items()} == few
    for panel in panels.values():
        for costs in panel["microseconds"].values():
            assert len(costs) == len(panel["values"])
            assert min(costs) > 0
