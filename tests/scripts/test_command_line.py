"""What the programs share: options, both backends, data, and how progress is shown."""

import contextlib
import io
import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from model.initial import initial_parameters
from scripts import command_line, progress
from scripts.command_line import (
    Settings,
    find_data,
    load_examples,
    network,
    parser,
    twin,
)
from scripts.programs import programs, summary
from scripts.progress import Epochs

ROOT = Path(__file__).parents[2]


# --- Options ------------------------------------------------------------------------------------


def test_a_parser_has_the_options_asked_for_and_their_defaults_those_of_a_run():
    settings = [name for name in vars(Settings()) if name != "seed"]  # that is the start's own
    result = parser("What it does.\n\nAnd more.", *settings, "model", "data", "output", output="x")
    assert result.description == "What it does."
    given = vars(result.parse_args([]))
    assert given == {
        "backend": "numpy", "device": "cpu", "arithmetic": "fixed-point", "epochs": 30,
        "mini_batch_size": 10, "eta": 3.0, "compile": None,
        "model": command_line.SHIPPED_MODEL, "data": None, "output": Path("x"),
    }  # fmt: skip
    assert Settings(**{name: given[name] for name in settings}) == Settings()


@pytest.mark.parametrize("program", [name for name in programs().values() if name != "compare"])
def test_every_program_is_started_and_names_its_defaults_and_an_example(
    program, capsys, monkeypatch
):
    started = []
    monkeypatch.setattr(command_line, "start", started.append)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delitem(sys.modules, f"scripts.{program}", raising=False)
    runpy.run_module(f"scripts.{program}", run_name="__main__")
    with pytest.raises(SystemExit, match=r"^0$"):
        started[0](["--help"])
    [first, options, examples] = re.split("options:|for example:", capsys.readouterr().out)
    assert summary(program) in first
    assert f"-m scripts.{program}" in examples
    described = re.split(r"\n  (?=-)", options.rstrip())[2:]  # without --help
    assert [one for one in described if "(default" not in one] == []


# --- Backends and data --------------------------------------------------------------------------


@pytest.mark.parametrize(("backend", "package"), [("numpy", "reference"), ("torch", "torch_impl")])
def test_a_backend_is_its_package_and_reads_the_data_itself(few_digits, backend, package):
    for module in ("network", "arithmetic", "mnist_loader"):
        assert twin(backend, module).__name__ == f"{package}.{module}"
    training, validation, test = load_examples(find_data(str(few_digits)), backend)
    assert [len(part) for part in (training, validation, test)] == [100, 20, 30]
    assert type(training.x).__module__ == {"reference": "numpy", "torch_impl": "torch"}[package]


@pytest.mark.parametrize("backend", ["numpy", "torch"])
@pytest.mark.parametrize("arithmetic", ["fixed-point", "float64", "float32"])
def test_a_network_has_the_parameters_and_the_arithmetic(backend, arithmetic):
    begin = initial_parameters([6, 5, 3], 0)
    net = network(begin, backend, arithmetic)
    assert net.arithmetic.name == arithmetic
    tolerance = {"fixed-point": 2.0**-17, "float64": 0, "float32": 1e-6}[arithmetic]
    for exported, given in zip(net.export(), (begin.weights, begin.biases), strict=True):
        for one, other in zip(exported, given, strict=True):
            np.testing.assert_allclose(one, other, rtol=0, atol=tolerance)


def test_numpy_alone_never_loads_torch(few_digits, tmp_path):
    out = tmp_path / "out.json"
    code = (
        "import sys; from scripts import train; "
        f"s = train.main(['--data', {str(few_digits)!r}, '--epochs', '1', '--seed', '1', "
        f"'--output', {str(out)!r}]); "
        "print(s, 'torch' in sys.modules, 'matplotlib' in sys.modules)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert run.stdout.splitlines()[-1] == "0 False False"


@pytest.mark.mnist
def test_of_mnist_nothing_is_said(mnist, capsys):
    assert find_data(str(mnist)).kind == "mnist"
    assert capsys.readouterr() == ("", "")


# --- Progress -----------------------------------------------------------------------------------


def test_away_from_a_terminal_every_epoch_of_every_run_is_a_line(capsys):
    with Epochs(2, 0, "numpy", "torch") as shown:
        shown.advance(1, "a", "torch")
        shown.advance(1, "b", "numpy")
        shown.advance(2, "c")
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.split("  ")[:2] for line in err.splitlines()] == [
        ["torch: epoch 1/2", "a"],
        ["numpy: epoch 1/2", "b"],
        ["numpy: epoch 2/2", "c"],
    ]


@pytest.mark.parametrize(
    ("done", "now", "total", "runs", "left"),
    [(0, 1, 30, 1, 290), (0, 10, 30, 1, 20), (20, 25, 30, 1, 10), (20, 25, 30, 2, 30)],
)
def test_the_time_left_is_that_of_the_epochs_since_it_began(
    capsys, monkeypatch, done, now, total, runs, left
):
    clock = iter([1000.0, 1010.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    with Epochs(total, done, *("training", "other")[:runs]) as shown:
        shown.advance(now, "news")
    assert capsys.readouterr().err == f"training: epoch {now}/{total}  news  {left} s left\n"


@pytest.mark.parametrize(("term", "drawn"), [("xterm", True), ("dumb", False)])
def test_what_takes_seconds_is_shown_and_taken_away_before_an_error(monkeypatch, term, drawn):
    monkeypatch.setenv("TERM", term)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(sys, "stderr", Terminal())
    with pytest.raises(ValueError, match="bad"), progress.busy("reading the data"):
        raise ValueError("bad")
    received = sys.stderr.getvalue()
    assert ("reading the data" in received) == drawn
    assert not re.search(r"\x1b\[[0-9;]*3\dm", received)  # no colour
    if drawn:
        assert received.endswith("\x1b[2K")  # the line is empty again


def test_elsewhere_what_takes_longer_is_told_every_three_seconds(monkeypatch, capsys):
    now = iter([0.0, 1.0, 2.9, 2.9, 4.0, 6.0, 6.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(now))
    with progress.busy("drawing") as tell:
        for page in "abcd":
            tell(page)
    assert capsys.readouterr().err == "drawing: b\ndrawing: d\n"


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(("term", "drawn"), [("xterm", True), ("dumb", False)])
def test_on_a_terminal_a_bar_is_drawn_and_the_cursor_given_back(monkeypatch, term, drawn):
    monkeypatch.setenv("TERM", term)
    monkeypatch.setattr(sys, "stderr", Terminal())
    with contextlib.suppress(KeyboardInterrupt), Epochs(3, 1) as shown:
        shown.advance(2, "validation 90.00 %")
        raise KeyboardInterrupt
    received = sys.stderr.getvalue()
    assert (received == "training: epoch 2/3  validation 90.00 %  0 s left\n") != drawn
    if drawn:
        assert re.search(r"training .* epoch 2/3 validation 90.00 % ", received)
        assert received.rindex("\x1b[?25h") > received.rindex("\x1b[?25l")
