"""What the programs share: options, both backends, data, and how progress is shown."""

import contextlib
import io
import re
import runpy
import sys

import pytest

from model.initial import initial_parameters
from scripts import command_line, progress
from scripts.command_line import find_data, load_examples, network
from scripts.programs import programs, summary
from scripts.progress import counting

# --- Options ------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_a_backend_is_a_package_that_reads_and_computes_itself(few_digits, backend):
    package = {"numpy": "reference", "torch": "torch_impl"}[backend]
    training, validation, test = load_examples(find_data(str(few_digits)), backend)
    assert [len(part) for part in (training, validation, test)] == [100, 20, 30]
    assert type(training.x).__module__ == backend
    for arithmetic in ("fixed-point", "float64", "float32"):
        net = network(initial_parameters([6, 5, 3], 0), backend, arithmetic)
        assert (type(net).__module__, net.arithmetic.name) == (f"{package}.network", arithmetic)


@pytest.mark.mnist
def test_of_mnist_nothing_is_said(mnist, capsys):
    assert find_data(str(mnist)).kind == "mnist"
    assert capsys.readouterr() == ("", "")


# --- Progress -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("done", "now", "total", "runs", "left"),
    [(0, 1, 30, 1, 290), (0, 10, 30, 1, 20), (20, 25, 30, 1, 10), (20, 25, 30, 2, 50)],
)
def test_the_time_left_is_that_of_the_epochs_since_it_began(
    capsys, monkeypatch, done, now, total, runs, left
):
    clock = iter([1000.0, 1010.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    other = {"other": 10} if runs == 2 else {}  # which was less far
    with counting(total, {**other, "training": done}) as tell:
        tell(now, "news", "training")
    told = f"training: epoch {now}/{total}  news  {left} s left\n"
    assert capsys.readouterr() == ("", told)


def test_what_takes_longer_is_told_every_three_seconds(monkeypatch, capsys):
    now = iter([0.0, 1.0, 2.9, 2.9, 4.0, 6.0, 6.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(now))
    with progress.busy("drawing") as tell:
        for page in "abcd":
            tell(page)
    assert capsys.readouterr().err == "drawing: b\ndrawing: d\n"


@pytest.mark.parametrize(("term", "drawn"), [("xterm", True), ("dumb", False)])
def test_on_a_terminal_all_is_drawn_and_the_cursor_given_back(monkeypatch, term, drawn):
    monkeypatch.setenv("TERM", term)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(sys, "stderr", Terminal())
    with pytest.raises(ValueError, match="bad"), progress.busy("reading the data"):
        raise ValueError("bad")
    read = sys.stderr.getvalue()
    with contextlib.suppress(KeyboardInterrupt), counting(3, {"training": 1}) as tell:
        tell(2, "validation 90.00 %")
        raise KeyboardInterrupt
    trained = sys.stderr.getvalue().removeprefix(read)
    if not drawn:
        assert (read, trained) == ("", "training: epoch 2/3  validation 90.00 %  0 s left\n")
        return
    assert "reading the data" in read
    assert read.endswith("\x1b[2K")  # the line is empty again
    assert not re.search(r"\x1b\[[0-9;]*3\dm", read)  # no colour
    assert re.search(r"training .* epoch 2/3 validation 90.00 % ", trained)
    assert trained.rindex("\x1b[?25h") > trained.rindex("\x1b[?25l")


class Terminal(io.StringIO):
    def isatty(self):
        return True
