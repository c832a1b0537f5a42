"""What the programs share: one line and exit status 2 for bad input, tidy ends, both backends."""

import argparse
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from model.initial import initial_parameters
from model.synthetic_digits import write_idx_files
from scripts import command_line, one_line
from scripts.command_line import (
    command,
    find_data,
    learning_rate,
    load_examples,
    network,
    
    parser,
    twin,
    whole_number,
)

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (ValueError("eta is finite; received nan"), 2, "error: eta is finite; received nan"),
        (ValueError("two\n  lines"), 2, "error: two lines"),
        (OverflowError("too large"), 2, "error: too large"),
        (FileNotFoundError("x.json: no such file"), 2, "error: x.json: no such file"),
        (
            PermissionError(13, "Permission denied", "x.json"),
            2,
            "error: x.json: Permission denied",
        ),
        (OSError(28, "No space left on device"), 2, "error: [Errno 28] No space left on device"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (KeyboardInterrupt("3 epochs are saved"), 130, "interrupted: 3 epochs are saved"),
    ],
)
def test_bad_input_ends_a_program_with_one_line(capsys, error, status, line):
    @command
    def main(argv=None):
        raise error

    assert main([]) == status
    assert capsys.readouterr() == ("", line + "\n")


def test_a_mistake_of_ours_keeps_its_traceback():
    @command
    def main(argv=None):
        raise TypeError("a defect, not bad input")

    with pytest.raises(TypeError):
        main([])


def test_a_program_that_works_keeps_its_status_its_name_and_its_arguments():
    @command
    def main(argv=None):
        """What it does."""
        return len(argv)

    assert main(["a", "b", "c"]) == 3
    assert (main.__name__, main.__doc__) == ("main", "What it does.")


def test_the_line_of_an_error_names_the_file_and_says_why():
    with pytest.raises(FileNotFoundError) as caught:
        Path("/absent/file").read_bytes()
    assert one_line(caught.value) == "/absent/file: No such file or directory"


# --- Ending -------------------------------------------------------------------------------------

STARTED = """
import os, signal, sys, time
from scripts.command_line import command, start
@command
def main(argv):
    try:
        {inside}
    finally:
        {ending}
start(main)
"""


def ended(inside, ending="pass", ignore=()):
    """Start a program that runs some code and, however that ends, some more."""

    def settle():
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN if number in ignore else signal.SIG_DFL)

    code = STARTED.format(inside=inside, ending=ending)
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT, capture_output=True, text=True, check=False, preexec_fn=settle, timeout=60,
    )  # fmt: skip


def kill(number):
    return f"os.kill(os.getpid(), {int(number)}); time.sleep(10)"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_program_tidily(number):
    run = ended(kill(number), 'print("tidied up")')
    assert (run.returncode, run.stdout, run.stderr) == (130, "tidied up\n", "interrupted\n")


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_it_at_once_without_a_traceback(first, second):
    run = ended(kill(first), kill(second))
    assert (run.returncode, run.stdout, run.stderr) == (-second, "", "")


def test_what_nohup_ignores_stays_ignored():
    run = ended("os.kill(os.getpid(), 2); return 0", ignore=[signal.SIGINT])
    assert (run.returncode, run.stderr) == (0, "")


def test_the_exit_status_is_what_main_returns():
    assert ended("return 5").returncode == 5


# --- Options ------------------------------------------------------------------------------------


def test_a_parser_has_the_options_asked_for_and_their_defaults():
    result = parser("What it does.\n\nAnd more.", *command_line.OPTIONS)
    assert result.description == "What it does."
    given = vars(result.parse_args([]))
    assert given == {
        "model": command_line.SHIPPED_MODEL,
        "backend": "numpy",
        "device": "cpu",
        "arithmetic": "fixed-point",
        "data": None,
        "split": "test",
        "limit": None,
    }


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (
            ["--limit", "0"],
            "argument --limit: expected a whole number, 1 or more; received 0: see --help",
        ),
        (["--limit"], "argument --limit: expected one argument: see --help"),
        (["--speed", "1"], "unrecognized arguments: --speed 1: see --help"),
    ],
)
def test_a_parser_complains_in_one_line(argv, line):
    with pytest.raises(ValueError) as caught:  # noqa: PT011  (the whole text is compared)
        parser(None, "limit").parse_args(argv)
    assert str(caught.value) == line


def test_help_is_no_error(capsys):
    with pytest.raises(SystemExit) as caught:
        parser("What it does.", "backend").parse_args(["--help"])
    assert caught.value.code == 0
    assert "What it does." in capsys.readouterr().out


@pytest.mark.parametrize("text", ["0", "7", "1_000", str(10**40)])
def test_whole_numbers_are_taken(text):
    assert whole_number(0)(text) == int(text)


@pytest.mark.parametrize("text", ["-1", "1.5", "one", "", "1e3", "9" * 5000])
def test_what_is_no_whole_number_is_refused(text):
    with pytest.raises(argparse.ArgumentTypeError) as caught:
        whole_number(0)(text)
    assert str(caught.value) == f"expected a whole number, 0 or more; received {text}"


@pytest.mark.parametrize(("text", "eta"), [("3", 3.0), ("2.5", 2.5), ("1e-3", 0.001), ("0", 0.0)])
def test_learning_rates_are_taken(text, eta):
    assert learning_rate(text) == eta


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1e999", "fast", ""])
def test_what_is_no_learning_rate_is_refused(text):
    with pytest.raises(argparse.ArgumentTypeError) as caught:
        learning_rate(text)
    assert str(caught.value) == f"expected a finite number such as 3.0; received {text}"


# --- Backends and data --------------------------------------------------------------------------


@pytest.mark.parametrize(("backend", "package"), [("numpy", "reference"), ("torch", "torch_impl")])
def test_a_backend_is_its_package(backend, package):
    for module in ("network", "arithmetic", "mnist_loader"):
        assert twin(backend, module).__name__ == f"{package}.{module}"


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


def test_numpy_has_no_other_device():
    with pytest.raises(
        ValueError, match=r"^--device cuda:1 needs --backend torch; NumPy computes "
    ):
        network(initial_parameters([6, 3], 0), "numpy", "float64", "cuda:1")


def test_numpy_alone_never_loads_torch(tmp_path):
    write_idx_files(tmp_path, training=12, test=3)
    code = (
        "import sys; from scripts import train; "
        f"s = train.main(['--data', {str(tmp_path)!r}, '--epochs', '1', '--seed', '1', "
        f"'--output', {str(tmp_path / 'out.json')!r}]); "
        "print(s, 'torch' in sys.modules, 'matplotlib' in sys.modules)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert run.stdout.splitlines()[-1] == "0 False False"


def test_what_the_data_are_not_is_said(tmp_path, capsys):
    write_idx_files(tmp_path, training=12, test=3)
    files = find_data(str(tmp_path))
    notice = f"the digits in {tmp_path} are not MNIST: accuracy on them is not MNIST's"
    assert (files.kind, files.notice) == ("other", notice)
    assert capsys.readouterr().err == notice + "\n"


@pytest.mark.mnist
def test_of_mnist_nothing_is_said(mnist, capsys):
    assert find_data(str(mnist)).kind == "mnist"
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_examples_are_read_by_the_backend_itself(tmp_path, backend):
    write_idx_files(tmp_path, training=12, test=3)
    training, validation, test = load_examples(find_data(str(tmp_path)), backend)
    assert [len(part) for part in (training, validation, test)] == [10, 2, 3]
    assert type(training).__module__.startswith(command_line.PACKAGES[backend])


@pytest.mark.parametrize("given", [None, "3"])
def test_the_programs_run_on_one_thread_unless_the_user_says_otherwise(given):
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    settings = {key: value for key, value in os.environ.items() if key not in names}
    settings.update(dict.fromkeys(names, given) if given else {})
    code = f"import os, scripts; print(*[os.environ[name] for name in {names}])"
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT, env=settings, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert run.stdout.split() == [given or "1"] * 3
