"""Tuning from the command line: chosen by validation alone, stopped and resumed without a trace."""

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from model.parameters import Parameters
from model.synthetic_digits import write_idx_files
from scripts import train, tune

ROOT = Path(__file__).parents[2]
GRID = ["--hidden", "3", "6", "--eta", "3.0", "--mini-batch-size", "10", "--configuration", "4,5,2"]
NAMES = [
    f"hidden-{rest}.json"
    for seed in (0, 1)
    for rest in (
        f"4_mini-batch-5_eta-2.0_seed-{seed}",
        f"3_mini-batch-10_eta-3.0_seed-{seed}",
        f"6_mini-batch-10_eta-3.0_seed-{seed}",
    )
]


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    folder = tmp_path_factory.mktemp("digits")
    write_idx_files(folder, training=240, test=30)
    return folder


@pytest.fixture
def arguments(digits, tmp_path):
    """The command line of a small tuning: three configurations, 2 seeds each, 3 epochs."""
    return command_line(digits, tmp_path / "tune")


def command_line(digits, folder):
    options = ["--seeds", "2", "--epochs", "3", "--data", str(digits)]
    return [*GRID, *options, "--output", str(folder)]


@pytest.fixture(scope="module")
def uninterrupted(digits, tmp_path_factory):
    """What that tuning writes and prints."""
    folder = tmp_path_factory.mktemp("whole") / "tune"
    command = [sys.executable, "-m", "scripts.tune", *command_line(digits, folder)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return folder, run.stdout, run.stderr


@pytest.fixture
def tuned(uninterrupted, tmp_path):
    """A copy of its folder, where another run of the same command would write."""
    return Path(shutil.copytree(uninterrupted[0], tmp_path / "tune"))


def contents(folder):
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def read(folder):
    return json.loads((folder / "results.json").read_text())


def test_every_run_the_results_and_the_figure_are_written(tuned):
    assert sorted(os.listdir(tuned)) == sorted([*NAMES, "results.json", "tuning.png"])


def test_the_numbers_are_those_of_the_runs(tuned):
    found = read(tuned)
    assert [one["name"] for one in found["configurations"]] == [
        "4 hidden, mini-batch 5, eta 2.0",
        "3 hidden, mini-batch 10, eta 3.0",
        "6 hidden, mini-batch 10, eta 3.0",
    ]
    for k, one in enumerate(found["configurations"]):
        for seed in (0, 1):
            run = Parameters.load(tuned / NAMES[k + 3 * seed]).metadata
            shares = [correct / 40 for correct in run["accuracy"]["validation"]]
            assert one["by_epoch"][seed] == shares
            assert one["final"][seed] == shares[-1]
            settings = {"hidden": one["hidden"], "seed": seed, "epochs": 3}
            assert settings == {key: run.get(key, one["hidden"]) for key in settings}
            assert (run["eta"], run["mini_batch_size"]) == (one["eta"], one["mini_batch_size"])


def test_a_run_is_what_train_makes_of_the_same_settings(tuned, digits, tmp_path):
    options = ["--sizes", "784", "4", "10", "--mini-batch-size", "5", "--eta", "2", "--seed", "1"]
    out = tmp_path / "train.json"
    assert train.main([*options, "--epochs", "3", "--data", str(digits), "--output", str(out)]) == 0
    assert Parameters.load(out).fingerprint == Parameters.load(tuned / NAMES[3]).fingerprint


def test_the_best_mean_is_chosen_and_of_it_the_best_seed(tuned):
    found = read(tuned)
    means = [one["accuracy"]["mean"] for one in found["configurations"]]
    best = found["chosen"]["configuration"]
    assert means[best] == max(means)
    assert best == means.index(max(means))
    final = found["configurations"][best]["final"]
    assert found["chosen"]["seed"] == final.index(max(final))
    chosen = Parameters.load(tuned / found["chosen"]["file"])
    assert chosen.fingerprint == found["chosen"]["fingerprint"]
    assert chosen.metadata["accuracy"]["test"] == found["chosen"]["test"]


def test_the_test_data_are_shown_to_the_chosen_network_alone(tuned):
    shown = [name for name in NAMES if "test" in Parameters.load(tuned / name).metadata["accuracy"]]
    assert shown == [read(tuned)["chosen"]["file"]]


def test_it_prints_a_table_and_what_was_written_where(uninterrupted, digits):
    folder, out, err = uninterrupted
    found, lines = read(folder), out.splitlines()
    assert lines[0] == "validation accuracy after epoch 3, of 2 seeds"
    assert [line.split()[:3] for line in lines[2:5]] == [
        ["4", "5", "2.0"],
        ["3", "10", "3.0"],
        ["6", "10", "3.0"],
    ]
    assert [line.endswith("<- chosen") for line in lines[2:5]].index(True) == found["chosen"][
        "configuration"
    ]
    assert " ".join(lines[5:7]).strip() == found["finding"]
    assert lines[-3:] == [
        f"results        {folder / 'results.json'}",
        f"figure         {folder / 'tuning.png'}",
        f"the digits in {digits} are not MNIST: accuracy on them is not MNIST's",
    ]
    shown = [line for line in err.splitlines() if line.startswith("tuning: ")]
    assert len(shown) == 18
    assert re.fullmatch(
        r"tuning: epoch 1/18  4 hidden, mini-batch 5, eta 2.0, seed 0: validation \d+.\d\d %  "
        r"\d+ s left",
        shown[0],
    )
    assert shown[-1].startswith("tuning: epoch 18/18  6 hidden, mini-batch 10, eta 3.0, seed 1: ")


def test_both_backends_choose_the_same_network(arguments, tuned, tmp_path):
    assert tune.main([*arguments, "--backend", "torch", "--output", str(tmp_path / "torch")]) == 0
    one, other = read(tuned), read(tmp_path / "torch")
    assert one["configurations"] == other["configurations"]
    assert one["chosen"]["fingerprint"] == other["chosen"]["fingerprint"]
    assert one["chosen"]["test"] == other["chosen"]["test"]
    assert (tuned / "tuning.png").read_bytes() == (tmp_path / "torch" / "tuning.png").read_bytes()


# --- Stopped, resumed, extended -----------------------------------------------------------------

# Runs the program and sends it a signal just before the nth call of one of its functions.
STOPPED = """
import importlib, os, signal, sys
module, name, nth, number = sys.argv[1:5]
del sys.argv[1:5]
owner = importlib.import_module(module)
real, left = getattr(owner, name), [int(nth)]
def stopped(*args, **kwargs):
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), int(number))
    return real(*args, **kwargs)
setattr(owner, name, stopped)
from scripts import tune
from scripts.command_line import start
start(tune.main)
"""
# The function, which of its calls, how many of 18 epochs are saved by then.
MOMENTS = {
    "while saving the fifth epoch": ("os", "replace", 5, 4),
    "before choosing": ("scripts.tuning", "record", 1, 18),
    "while saving the test of the chosen one": ("os", "replace", 19, 18),
    "while writing the results": ("os", "replace", 20, 18),
    "while writing the figure": ("os", "replace", 21, 18),
}


@pytest.mark.parametrize(
    ("moment", "number"),
    [
        ("while saving the fifth epoch", signal.SIGKILL),
        ("while saving the fifth epoch", signal.SIGTERM),
        ("before choosing", signal.SIGTERM),
        ("while saving the test of the chosen one", signal.SIGKILL),
        ("while writing the results", signal.SIGKILL),
        ("while writing the figure", signal.SIGTERM),
    ],
)
def test_stopped_at_any_moment_it_goes_on_without_a_trace(
    arguments, tuned, tmp_path, moment, number
):
    *where, saved = MOMENTS[moment]
    folder = tmp_path / "stopped"
    arguments = [*arguments, "--output", str(folder)]
    run = subprocess.run(
        [sys.executable, "-c", STOPPED, *map(str, where), str(int(number)), *arguments],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    runs = [Parameters.load(folder / name) for name in NAMES if (folder / name).exists()]
    assert sum(one.metadata["epochs"] for one in runs) == saved
    assert "Traceback" not in run.stderr
    assert run.returncode == (-signal.SIGKILL if number == signal.SIGKILL else 130)
    if number == signal.SIGTERM:
        assert not [name for name in os.listdir(folder) if name.startswith(".")]
        assert run.stderr.splitlines()[-1] == (
            f"interrupted: {folder} holds {saved} of 18 epochs: the same command goes on"
        )
    assert tune.main(arguments) == 0
    left = {name: text for name, text in contents(folder).items() if not name.startswith(".")}
    assert left == contents(tuned)


def test_the_same_command_again_trains_nothing_and_changes_nothing(arguments, tuned, capsys):
    before = contents(tuned)
    assert tune.main(arguments) == 0
    assert "tuning: epoch" not in capsys.readouterr().err
    assert contents(tuned) == before


def test_more_seeds_and_more_epochs_add_to_what_is_there(arguments, tuned, tmp_path, capsys):
    more = [*arguments, "--seeds", "3", "--epochs", "4"]
    assert tune.main(more) == 0
    shown = capsys.readouterr().err.count("tuning: epoch")
    assert shown == 3 * 3 * 4 - 3 * 2 * 3
    assert tune.main([*more, "--output", str(tmp_path / "anew")]) == 0
    assert read(tuned)["configurations"] == read(tmp_path / "anew")["configurations"]


# --- Refused ------------------------------------------------------------------------------------


def refusal(capsys, arguments):
    assert tune.main([str(argument) for argument in arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    *before, line = err.splitlines()
    assert all("not MNIST" in each or each.startswith("tuning: epoch") for each in before)
    assert line.startswith("error: ")
    return line.removeprefix("error: ")


def test_runs_of_other_settings_are_refused_and_untouched(arguments, tuned, capsys):
    before = contents(tuned)
    assert refusal(capsys, [*arguments, "--arithmetic", "float64"]) == (
        f"{tuned / NAMES[0]}: was not made by this run: its arithmetic is fixed-point, asked for "
        f"is float64: resume with the settings that it was begun with, or choose another --output"
    )
    assert refusal(capsys, [*arguments, "--epochs", "2"]) == (
        f"{tuned / NAMES[0]}: holds 3 epochs, more than the 2 asked for: ask for 3 or more, or "
        f"choose another --output"
    )
    assert contents(tuned) == before


@pytest.mark.parametrize(
    ("bad", "line"),
    [
        (["--seeds", "0"],
         "argument --seeds: expected a whole number, 1 or more; received 0: see --help"),
        (["--epochs", "0"],
         "argument --epochs: expected a whole number, 1 or more; received 0: see --help"),
        (["--eta", "3", "nan"],
         "argument --eta: expected a finite number such as 3.0; received nan: see --help"),
        (["--configuration", "3,3"],
         "argument --configuration: expected HIDDEN,MINI_BATCH_SIZE,ETA such as 25,20,3.0; "
         "received 3,3: see --help"),
    ],
)  # fmt: skip
def test_settings_that_no_tuning_has_are_refused(arguments, tmp_path, capsys, bad, line):
    assert refusal(capsys, [*arguments, *bad]) == line
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("bad", "line"),
    [
        (["--mini-batch-size", "10", "201"],
         "mini_batch_size lies between 1 and the number of training examples, 200; received 201"),
        (["--hidden", "3", "70000"],
         "sizes[1]: expected a whole number from 1 to 65,536, received 70000"),
        (["--device", "cuda"], "--device cuda needs --backend torch; NumPy computes on the cpu"),
    ],
)  # fmt: skip
def test_one_configuration_that_cannot_be_trained_stops_all_before_any_is(
    arguments, tmp_path, capsys, bad, line
):
    assert refusal(capsys, [*arguments, *bad]) == line
    assert os.listdir(tmp_path / "tune") == []


def test_an_output_that_is_a_file_is_refused(arguments, tmp_path, capsys):
    (tmp_path / "tune").write_text("not a folder")
    assert refusal(capsys, arguments) == (
        f"{tmp_path / 'tune'}: no folder to write to (File exists): choose another --output"
    )
    assert (tmp_path / "tune").read_text() == "not a folder"


def test_missing_data_are_refused_before_a_folder_is_made(arguments, tmp_path, capsys):
    line = refusal(capsys, [*arguments, "--data", tmp_path / "absent"])
    assert line.startswith(f"{tmp_path / 'absent'}: no such file or folder; give a folder with ")
    assert os.listdir(tmp_path) == []


def test_a_full_disk_loses_no_run(arguments, tuned, capsys):
    before = contents(tuned)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, hard))  # no file may grow beyond
    try:
        line = refusal(capsys, [*arguments, "--epochs", "4"])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert line == (
        f"{tuned / NAMES[0]}: cannot be written: File too large; what stood there is untouched; "
        f"make room or choose another place"
    )
    assert contents(tuned) == before


# --- On MNIST -----------------------------------------------------------------------------------


@pytest.mark.mnist
def test_on_mnist_no_notice_is_repeated(mnist, tmp_path, capsys):
    options = ["--data", str(mnist), "--configuration", "3,500,3", "--seeds", "1", "--epochs", "1"]
    assert tune.main([*options, "--output", str(tmp_path)]) == 0
    out, err = capsys.readouterr()
    assert "not MNIST" not in out + err
    found = read(tmp_path)
    assert (found["data_kind"], found["notice"], found["chosen"]["test_of"]) == (
        "mnist",
        "",
        10_000,
    )
