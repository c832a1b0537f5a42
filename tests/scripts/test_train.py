"""Training from the command line: equal backends, stops at any moment, one line for bad input."""

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from model import mnist_files
from model.initial import initial_parameters
from model.parameters import Parameters
from model.synthetic_digits import write_idx_files
from scripts import train

ROOT = Path(__file__).parents[2]
IMAGES = "train-images-idx3-ubyte"
LABELS = "train-labels-idx1-ubyte"


@pytest.fixture(scope="session")
def digits(tmp_path_factory):
    """A folder with small digits: 100 for training, 20 for validation, 30 for the test."""
    folder = tmp_path_factory.mktemp("digits")
    write_idx_files(folder, training=120, test=30)
    return folder


@pytest.fixture
def arguments(digits, tmp_path):
    """The command line of a small run of 3 epochs, which saves to out.json."""
    sizes = ["--sizes", "784", "5", "10", "--seed", "1"]
    return [*sizes, "--data", str(digits), "--epochs", "3", "--output", str(tmp_path / "out.json")]


@pytest.fixture
def trained(arguments, tmp_path, capsys):
    """The file of that run, uninterrupted, with what it printed thrown away."""
    assert train.main(arguments) == 0
    capsys.readouterr()
    return tmp_path / "out.json"


def fingerprint(path):
    return Parameters.load(path).fingerprint


def contents(folder):
    """Every file of a folder, by name: what must be the same when nothing may have changed."""
    return {path.name: path.read_bytes() for path in Path(folder).iterdir() if path.is_file()}


# --- What it does -------------------------------------------------------------------------------


def test_both_backends_end_with_the_same_fingerprint(arguments, trained, tmp_path):
    there = tmp_path / "torch.json"
    assert train.main([*arguments, "--backend", "torch", "--output", str(there)]) == 0
    assert fingerprint(there) == fingerprint(trained)
    one, other = (Parameters.load(path).metadata for path in (trained, there))
    assert one["accuracy"] == other["accuracy"]
    assert (one["backend"], other["backend"]) == ("numpy", "torch")


@pytest.mark.parametrize("backend", ["numpy", "torch"])
@pytest.mark.parametrize("arithmetic", ["fixed-point", "float64", "float32"])
def test_training_changes_what_it_started_from_and_says_how(
    arguments, tmp_path, backend, arithmetic
):
    assert train.main([*arguments, "--backend", backend, "--arithmetic", arithmetic]) == 0
    saved = Parameters.load(tmp_path / "out.json")
    begin = initial_parameters([784, 5, 10], 1)
    assert saved.fingerprint != begin.fingerprint
    expected = {
        "backend": backend,
        "device": "cpu",
        "arithmetic": arithmetic,
        "epochs": 3,
        "mini_batch_size": 10,
        "eta": 3.0,
        "seed": 1,
        "initial": begin.fingerprint,
        "data_kind": "other",
    }
    assert {key: saved.metadata[key] for key in expected} == expected
    accuracy = saved.metadata["accuracy"]
    assert len(accuracy["validation"]) == 3
    assert (accuracy["validation_of"], accuracy["test_of"]) == (20, 30)


def test_it_prints_accuracy_fingerprint_and_place_and_repeats_what_the_data_are(
    arguments, digits, tmp_path, capsys
):
    assert train.main(arguments) == 0
    out, err = capsys.readouterr()
    saved = Parameters.load(tmp_path / "out.json")
    right = saved.metadata["accuracy"]["test"]
    notice = f"the digits in {digits} are not MNIST: accuracy on them is not MNIST's"
    assert out.splitlines() == [
        f"test accuracy  {100 * right / 30:.2f} %  ({right} of 30)",
        f"fingerprint    {saved.fingerprint}",
        f"saved in       {tmp_path / 'out.json'}",
        notice,
    ]
    assert err.splitlines()[0] == notice
    assert [line.split("  ")[0] for line in err.splitlines()[1:]] == [
        f"training: epoch {epoch}/3" for epoch in (1, 2, 3)
    ]


def test_without_seed_and_start_it_begins_where_the_shipped_network_began(
    arguments, tmp_path, monkeypatch
):
    begin = initial_parameters([784, 20, 10], 7)
    begin.save(tmp_path / "initial.json")
    monkeypatch.setattr(train, "SHIPPED_START", tmp_path / "initial.json")
    plain = [*arguments[arguments.index("--data") :], "--epochs", "1"]
    assert train.main(plain) == 0
    saved = Parameters.load(tmp_path / "out.json")
    assert saved.metadata["initial"] == begin.fingerprint
    assert saved.metadata["seed"] == 7


def test_a_given_start_is_trained_from_with_the_seed_that_it_was_drawn_from(
    arguments, trained, tmp_path
):
    initial_parameters([784, 5, 10], 1).save(tmp_path / "start.json")
    plain = arguments[arguments.index("--data") :]
    again = ["--initial", str(tmp_path / "start.json"), "--output", str(tmp_path / "again.json")]
    assert train.main([*plain, *again]) == 0
    assert fingerprint(tmp_path / "again.json") == fingerprint(trained)


def test_no_epochs_leave_the_start_as_the_arithmetic_keeps_it(arguments, tmp_path):
    assert train.main([*arguments, "--epochs", "0", "--arithmetic", "float64"]) == 0
    assert fingerprint(tmp_path / "out.json") == initial_parameters([784, 5, 10], 1).fingerprint


# --- Stopped and resumed ------------------------------------------------------------------------

# Runs the program and sends it a signal just before the nth call of one of its functions.
STOPPED = """
import importlib, os, signal, sys
module, path, nth, number = sys.argv[1:5]
del sys.argv[1:5]
owner = importlib.import_module(module)
*between, name = path.split(".")
for step in between:
    owner = getattr(owner, step)
real, left = getattr(owner, name), [int(nth)]
def stopped(*args, **kwargs):
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), int(number))
    return real(*args, **kwargs)
setattr(owner, name, staticmethod(stopped) if name == "backward" else stopped)
from scripts import train
from scripts.command_line import start
start(train.main)
"""
# When it happens: the function, which of its calls, and how many epochs must be saved by then.
MOMENTS = {
    "in the first epoch": ("reference.arithmetic", "FixedPoint.descend", 4, 0),
    "in the third epoch": ("reference.arithmetic", "FixedPoint.descend", 25, 2),
    "while saving the second, before it is on the disk": ("os", "fsync", 3, 1),
    "while saving the second, before it has its name": ("os", "replace", 2, 1),
    "while saving the second, when it has its name": ("os", "fsync", 4, 2),
}


def environment():
    """Warnings are errors, but for a folder that PyTorch 2.6 leaves to be cleaned up at exit."""
    warnings = "error,ignore:Implicitly cleaning up:ResourceWarning"
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": warnings}


def ended(code, arguments, timeout=120):
    """Run some code with a command line in a process of its own, in which Ctrl-C is not ignored."""
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout,
        env=environment(),
        check=False,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def epochs_shown(err):
    return err.count("training: epoch ")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("moment", MOMENTS)
def test_stopped_at_any_moment_it_loses_one_epoch_and_resumes_without_a_trace(
    arguments, trained, tmp_path, moment, number
):
    module, function, nth, saved = MOMENTS[moment]
    out = tmp_path / "stopped" / "out.json"
    out.parent.mkdir()
    arguments = [*arguments, "--output", str(out)]
    run = ended(STOPPED, [module, function, nth, int(number), *arguments])

    assert out.exists() == (saved > 0)
    assert not saved or Parameters.load(out).metadata["epochs"] == saved
    assert epochs_shown(run.stderr) <= saved <= epochs_shown(run.stderr) + 1
    if number == signal.SIGKILL:
        assert run.returncode == -signal.SIGKILL
    else:
        kept = f"{out} holds {saved} of 3 epochs: --resume goes on"
        assert run.returncode == 130
        assert run.stderr.splitlines()[-1] == (
            f"interrupted: {kept if saved else 'no epoch was finished yet'}"
        )
        assert "Traceback" not in run.stderr
        assert os.listdir(out.parent) == ["out.json"] * (saved > 0)  # no half-written file

    assert train.main([*arguments, "--resume"]) == 0
    assert out.read_bytes() == trained.read_bytes()


def test_stopped_within_autograd_it_resumes_without_a_trace(arguments, trained, tmp_path):
    out = tmp_path / "torch.json"
    arguments = [*arguments, "--backend", "torch", "--output", str(out)]
    backward = ["torch_impl.arithmetic", "RoundedSigmoid.backward", 55, int(signal.SIGTERM)]
    run = ended(STOPPED, [*backward, *arguments])
    assert run.returncode == 130
    assert run.stderr.splitlines()[-1] == (
        f"interrupted: {out} holds 2 of 3 epochs: --resume goes on"
    )
    assert "Traceback" not in run.stderr
    assert train.main([*arguments, "--resume"]) == 0
    assert fingerprint(out) == fingerprint(trained)


def test_killed_again_and_again_at_no_chosen_moment_it_still_arrives(digits, tmp_path):
    out, whole = tmp_path / "killed.json", tmp_path / "whole.json"
    options = ["--data", digits, "--sizes", 784, 20, 10, "--seed", 1, "--epochs", 60]
    options = [*map(str, options), "--mini-batch-size", "1"]
    assert train.main([*options, "--output", str(whole)]) == 0
    rng, kills, epochs = random.Random(0), 0, 0
    for _ in range(5):
        command = [sys.executable, "-m", "scripts.train", *options, "--output", str(out)]
        with subprocess.Popen(
            [*command, "--resume"], env=environment(), cwd=ROOT, stderr=subprocess.DEVNULL
        ) as process:
            wait_for_an_epoch_beyond(epochs, out, process)
            time.sleep(rng.uniform(0, 0.03))
            process.kill()
        kills += process.returncode == -signal.SIGKILL
        done = Parameters.load(out).metadata["epochs"]
        assert done > epochs
        epochs = done
    assert kills == 5
    assert train.main([*options, "--output", str(out), "--resume"]) == 0
    assert out.read_bytes() == whole.read_bytes()


def wait_for_an_epoch_beyond(epochs, out, process):
    end = time.monotonic() + 60
    while not (out.exists() and Parameters.load(out).metadata["epochs"] > epochs):
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < end
        time.sleep(0.001)


@pytest.mark.parametrize(("first", "second"), [("numpy", "torch"), ("torch", "numpy")])
def test_a_fixed_point_run_goes_on_in_the_other_backend(
    arguments, trained, tmp_path, first, second
):
    there = [*arguments, "--output", str(tmp_path / "other.json")]
    assert train.main([*there, "--backend", first, "--epochs", "1"]) == 0
    assert train.main([*there, "--backend", second, "--resume"]) == 0
    assert fingerprint(tmp_path / "other.json") == fingerprint(trained)


@pytest.mark.parametrize("backend", ["numpy", "torch"])
@pytest.mark.parametrize("arithmetic", ["float64", "float32"])
def test_a_floating_point_run_resumes_without_a_trace(arguments, tmp_path, arithmetic, backend):
    options = [*arguments, "--arithmetic", arithmetic, "--backend", backend]
    there = [*options, "--output", str(tmp_path / "resumed.json")]
    assert train.main(options) == 0
    assert train.main([*there, "--epochs", "1"]) == 0
    assert train.main([*there, "--resume"]) == 0
    assert fingerprint(tmp_path / "resumed.json") == fingerprint(tmp_path / "out.json")


def test_a_finished_run_resumed_stays_as_it_is(arguments, trained):
    before = trained.read_bytes()
    assert train.main([*arguments, "--resume"]) == 0
    assert trained.read_bytes() == before


def test_resuming_what_was_never_begun_begins_it(arguments, trained, tmp_path):
    assert train.main([*arguments, "--output", str(tmp_path / "new.json"), "--resume"]) == 0
    assert (tmp_path / "new.json").read_bytes() == trained.read_bytes()


# --- Refused ------------------------------------------------------------------------------------


def refusal(capsys, arguments):
    """The one line with which the program refuses, checked to be that and to end with status 2."""
    assert train.main([str(argument) for argument in arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    *notices, line = err.splitlines()
    assert all("not MNIST" in notice for notice in notices)
    assert line.startswith("error: ")
    return line.removeprefix("error: ")


def test_an_existing_output_is_refused_and_untouched(arguments, trained, tmp_path, capsys):
    before = contents(tmp_path)
    assert refusal(capsys, arguments) == (
        f"{trained}: exists: go on with it by --resume, or choose another --output"
    )
    assert contents(tmp_path) == before


OTHER_RUN = "resume with the settings that it was begun with, or choose another --output"


@pytest.mark.parametrize(
    ("other", "difference"),
    [
        (["--eta", "2.5"], "its eta is 3.0, asked for is 2.5"),
        (["--mini-batch-size", "20"], "its mini_batch_size is 10, asked for is 20"),
        (["--arithmetic", "float64"], "its arithmetic is fixed-point, asked for is float64"),
        (["--seed", "2"], "its seed is 1, asked for is 2"),
    ],
)
def test_resuming_with_other_settings_is_refused(
    arguments, trained, tmp_path, capsys, other, difference
):
    before = contents(tmp_path)
    assert refusal(capsys, [*arguments, "--resume", *other]) == (
        f"{trained}: was not made by this run: {difference}: {OTHER_RUN}"
    )
    assert contents(tmp_path) == before


def test_resuming_from_another_start_is_refused(arguments, trained, capsys):
    was = initial_parameters([784, 5, 10], 1).fingerprint
    asked = initial_parameters([784, 6, 10], 1).fingerprint
    assert refusal(capsys, [*arguments, "--resume", "--sizes", "784", "6", "10"]) == (
        f"{trained}: was not made by this run: its initial is {was}, asked for is {asked}: "
        f"{OTHER_RUN}"
    )


def test_resuming_on_other_data_is_refused(arguments, trained, digits, tmp_path, capsys):
    write_idx_files(tmp_path / "others", training=120, test=31)
    name = "t10k-images-idx3-ubyte"
    was, asked = (
        mnist_files.describe(folder).sha256[name] for folder in (digits, tmp_path / "others")
    )
    assert refusal(capsys, [*arguments, "--resume", "--data", tmp_path / "others"]) == (
        f"{trained}: was not made by this run: its {name} is {was}, asked for is {asked}: "
        f"{OTHER_RUN}"
    )


def test_a_floating_point_run_is_not_resumed_in_the_other_backend(arguments, tmp_path, capsys):
    arguments = [*arguments, "--arithmetic", "float64"]
    assert train.main([*arguments, "--epochs", "1"]) == 0
    capsys.readouterr()
    assert refusal(capsys, [*arguments, "--backend", "torch", "--resume"]) == (
        f"{tmp_path / 'out.json'}: was not made by this run: its backend is numpy, asked for is "
        f"torch: {OTHER_RUN}"
    )


def test_resuming_for_fewer_epochs_than_there_are_is_refused(arguments, trained, capsys):
    assert refusal(capsys, [*arguments, "--resume", "--epochs", "1"]) == (
        f"{trained}: holds 3 epochs, more than the 1 asked for: ask for 3 or more, or choose "
        f"another --output"
    )


def test_resuming_a_file_that_no_run_made_is_refused(arguments, tmp_path, capsys):
    initial_parameters([784, 5, 10], 1).save(tmp_path / "out.json")
    assert refusal(capsys, [*arguments, "--resume"]) == (
        f"{tmp_path / 'out.json'}: was not made by this run: its arithmetic is None, asked for is "
        f"fixed-point: {OTHER_RUN}"
    )


@pytest.mark.parametrize(
    ("key", "value", "received"),
    [
        ("epochs", "three", 'epochs "three" and a list of 3'),
        ("epochs", 2, "epochs 2 and a list of 3"),
        ("epochs", None, "epochs null and a list of 3"),
        ("accuracy", 0.9, "epochs 3 and null"),
        ("accuracy", {"validation": 5}, "epochs 3 and 5"),
    ],
)
def test_resuming_a_file_with_a_damaged_history_is_refused(
    arguments, trained, tmp_path, capsys, key, value, received
):
    trained.write_text(json.dumps({**json.loads(trained.read_text()), key: value}))
    before = contents(tmp_path)
    assert refusal(capsys, [*arguments, "--resume"]) == (
        f"{trained}: expected its epochs and a validation accuracy for each, received {received}: "
        f"restore the file, or choose another --output"
    )
    assert contents(tmp_path) == before


@pytest.mark.parametrize("keep", [0, 1000])
def test_resuming_a_damaged_file_is_refused_and_leaves_it(
    arguments, trained, tmp_path, capsys, keep
):
    trained.write_bytes(trained.read_bytes()[:keep])
    before = contents(tmp_path)
    line = refusal(capsys, [*arguments, "--resume"])
    assert line.startswith(f"{trained}: ")
    assert line.endswith("; restore the file or save the network again")
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("bad", "line"),
    [
        (["--eta", "nan"], "argument --eta: expected a finite number such as 3.0; received nan"),
        (["--eta", "-inf"], "argument --eta: expected a finite number such as 3.0; received -inf"),
        (["--eta", "fast"], "argument --eta: expected a finite number such as 3.0; received fast"),
        (["--epochs", "-1"], "argument --epochs: expected a whole number, 0 or more; received -1"),
        (
            ["--epochs", "2.5"],
            "argument --epochs: expected a whole number, 0 or more; received 2.5",
        ),
        (
            ["--mini-batch-size", "0"],
            "argument --mini-batch-size: expected a whole number, 1 or more; received 0",
        ),
        (["--sizes", "784", "0", "10"],
         "argument --sizes: expected a whole number, 1 or more; received 0"),
        (["--seed", "-1"], "argument --seed: expected a whole number, 0 or more; received -1"),
        (["--resum", "--rate", "3"], "unrecognized arguments: --rate 3"),
    ],
)  # fmt: skip
def test_settings_that_no_run_has_are_refused(arguments, tmp_path, capsys, bad, line):
    bad = [f"{bad[0]}={bad[1]}"] if bad[1].startswith("-i") else bad  # not an option of its own
    assert refusal(capsys, [*arguments, *bad]) == f"{line}: see --help"
    assert contents(tmp_path) == {}


DO_NOT_FIT = (
    "do not fit the data: expected 784 first, a unit for each pixel, and 10 last, one for each "
    "digit, such as [784, 20, 10]"
)


@pytest.mark.parametrize("backend", ["numpy", "torch"])
@pytest.mark.parametrize("sizes", [[100, 5, 10], [784, 5, 12], [784, 5, 8], [10, 784]])
def test_sizes_that_do_not_fit_digits_are_refused(arguments, tmp_path, capsys, backend, sizes):
    options = ["--backend", backend, "--sizes", *sizes]
    assert refusal(capsys, [*arguments, *options]) == f"sizes {sizes} {DO_NOT_FIT}"
    assert contents(tmp_path) == {}


@pytest.mark.parametrize(
    ("bad", "line"),
    [
        (["--sizes", 784], "sizes: expected 2 to 100 layers, received 1"),
        (
            ["--mini-batch-size", 101],
            "mini_batch_size lies between 1 and the number of training examples, 100; received 101",
        ),
        (
            ["--mini-batch-size", 101, "--backend", "torch"],
            "mini_batch_size lies between 1 and the number of training examples, 100; received 101",
        ),
        (["--device", "cuda"], "--device cuda needs --backend torch; NumPy computes on the cpu"),
        (
            ["--device", "tpu", "--backend", "torch"],
            "device is cpu, cuda or cuda:N; received 'tpu'",
        ),
        (
            ["--device", "cpu:", "--backend", "torch"],
            "device is cpu, cuda or cuda:N; received 'cpu:'",
        ),
        (
            ["--eta", "1e6"],
            "fixed-point overflow: the largest weight or bias reached 126931 in magnitude and must "
            "stay below 64: use float64 arithmetic, or a smaller eta",
        ),
        (
            ["--eta", "1e39", "--arithmetic", "float32", "--mini-batch-size", 1],
            "training diverged in epoch 1: weights are no longer finite numbers with eta 1e+39: "
            "use a smaller eta",
        ),
    ],
)
def test_settings_that_cannot_be_trained_with_are_refused(arguments, tmp_path, capsys, bad, line):
    assert refusal(capsys, [*arguments, *bad]) == line
    assert contents(tmp_path) == {}


def test_cuda_is_refused_where_there_is_none(arguments, tmp_path, capsys, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert refusal(capsys, [*arguments, "--backend", "torch", "--device", "cuda"]) == (
        "device 'cuda' needs CUDA, and PyTorch finds none here: use cpu"
    )
    assert contents(tmp_path) == {}


def test_overflow_later_on_keeps_the_epochs_before_it(arguments, tmp_path, capsys):
    begin = initial_parameters([784, 5, 10], 1)
    weights, biases = ([v.copy() for v in group] for group in (begin.weights, begin.biases))
    biases[0][0], weights[0][0] = 63.99, -0.5  # a neuron that still learns, close to the edge
    Parameters(begin.sizes, weights, biases).save(tmp_path / "edge.json")
    plain = [*arguments[arguments.index("--data") :], "--initial", str(tmp_path / "edge.json")]
    assert train.main(plain) == 2
    err = capsys.readouterr().err
    assert epochs_shown(err) == 2
    assert err.splitlines()[-1] == (
        "error: fixed-point overflow: the largest weight or bias reached 64.0042 in magnitude and "
        "must stay below 64: use float64 arithmetic, or a smaller eta"
    )
    assert Parameters.load(tmp_path / "out.json").metadata["epochs"] == 2
    assert sorted(os.listdir(tmp_path)) == ["edge.json", "out.json"]


@pytest.mark.parametrize(
    ("damage", "line"),
    [
        (lambda folder: shutil.rmtree(folder), "{folder}: no such file or folder; {advice}"),
        (
            lambda folder: (folder / IMAGES).unlink(),
            "{folder}: MNIST's files are missing here (train-images-idx3-ubyte); {advice}",
        ),
        (
            lambda folder: os.truncate(folder / IMAGES, 1000),
            "{folder}/train-images-idx3-ubyte: expected 94,096 bytes for the 120 images that its "
            "header promises, received 1,000; {repair}",
        ),
        (
            lambda folder: (folder / LABELS).write_bytes(b"no digits"),
            "{folder}/train-labels-idx1-ubyte: expected an IDX file of labels that starts with the "
            "number 2049, received 1852776548; {repair}",
        ),
        (
            lambda folder: (folder / LABELS).write_bytes(
                (folder / LABELS).read_bytes()[:-1] + b"\x0b"
            ),
            "{folder}/train-labels-idx1-ubyte: expected labels from 0 to 9, received 11; {repair}",
        ),
    ],
)
@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_data_that_are_missing_or_damaged_are_refused(
    arguments, digits, tmp_path, capsys, damage, line, backend
):
    folder = Path(shutil.copytree(digits, tmp_path / "damaged"))
    damage(folder)
    expected = line.format(folder=folder, advice=mnist_files.ADVICE, repair=mnist_files.REPAIR)
    assert refusal(capsys, [*arguments, "--data", folder, "--backend", backend]) == expected
    assert contents(tmp_path) == {}


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (None, "no such file; expected a parameter file such as model/train.json"),
        ("", "the file is empty; expected a JSON object; {restore}"),
        ('{"sizes": [784, 5', "expected a whole JSON object, but the file breaks off in line 1; "
         "{restore}"),
        ('{"sizes": [2, 1], "weights": [[[1, NaN]]], "biases": [[[0]]]}',
         "weights[0], row 0, column 1: expected a finite number (float64, up to 1.8e308), "
         "received nan; {restore}"),
        ('{"sizes": [2, 3], "weights": [[[1, 2]]], "biases": [[[0]]]}',
         "weights[0]: expected 3 rows, received 1; {restore}"),
    ],
)  # fmt: skip
def test_a_start_that_is_missing_or_damaged_is_refused(arguments, tmp_path, capsys, content, line):
    path = tmp_path / "start.json"
    if content is not None:
        path.write_text(content)
    before = contents(tmp_path)
    plain = arguments[arguments.index("--data") :]
    expected = line.format(restore="restore the file or save the network again")
    assert refusal(capsys, [*plain, "--initial", path]) == f"{path}: {expected}"
    assert contents(tmp_path) == before


def test_a_start_of_other_sizes_than_those_asked_for_is_refused(arguments, tmp_path, capsys):
    path = tmp_path / "start.json"
    initial_parameters([784, 6, 10], 1).save(path)
    assert refusal(capsys, [*arguments, "--initial", path]) == (
        f"{path}: has sizes [784, 6, 10], --sizes asks for [784, 5, 10]"
    )


@pytest.mark.parametrize(("seed", "received"), [("one", '"one"'), (-1, "-1"), (1.5, "1.5")])
def test_a_start_with_a_seed_that_is_none_is_refused(arguments, tmp_path, capsys, seed, received):
    path = tmp_path / "start.json"
    begin = initial_parameters([784, 5, 10], 1)
    Parameters(begin.sizes, begin.weights, begin.biases, {"seed": seed}).save(path)
    plain = arguments[arguments.index("--data") :]
    assert refusal(capsys, [*plain, "--initial", path]) == (
        f"{path}: seed: expected a whole number, 0 or more, received {received}: "
        f"give one with --seed"
    )
    assert train.main([*plain, "--initial", str(path), "--seed", "1"]) == 0


def test_an_output_folder_that_does_not_exist_is_refused(arguments, tmp_path, capsys):
    out = tmp_path / "absent" / "out.json"
    assert refusal(capsys, [*arguments, "--output", out]) == (
        f"{out}: the folder does not exist; make it first: mkdir -p {out.parent}"
    )
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("resume", [[], ["--resume"]])
def test_an_output_that_is_a_folder_is_refused(arguments, tmp_path, capsys, resume):
    assert refusal(capsys, [*arguments, "--output", tmp_path, *resume]) == (
        f"{tmp_path}: expected the name of a file to write, received a folder"
    )


def test_a_full_disk_ends_it_and_loses_nothing(arguments, tmp_path, capsys):
    assert train.main([*arguments, "--epochs", "1"]) == 0
    capsys.readouterr()
    before = contents(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))  # no file may grow beyond
    try:
        line = refusal(capsys, [*arguments, "--resume"])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert line == (
        f"{tmp_path / 'out.json'}: cannot be written: File too large; what stood there is "
        f"untouched; make room or choose another place"
    )
    assert contents(tmp_path) == before
    assert train.main([*arguments, "--resume"]) == 0


@pytest.fixture
def without_privileges(digits):
    """A folder with digits that this process, no longer the superuser, may read and not write."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(digits, Path(folder) / "digits")
        user = os.geteuid()
        os.chmod(Path(folder) / "digits", 0o755)
        os.chmod(folder, 0o555)
        if user == 0:
            os.seteuid(65534)
        try:
            yield Path(folder)
        finally:
            os.seteuid(user)
            os.chmod(folder, 0o755)


def test_a_folder_without_permission_ends_it(arguments, without_privileges, capsys):
    out = without_privileges / "out.json"
    places = ["--data", without_privileges / "digits", "--output", out]
    assert refusal(capsys, [*arguments, *places]) in (
        f"{out}: no permission to write in {out.parent}; choose another",
        f"{out}: cannot be written: Permission denied; what stood there is untouched; "
        f"make room or choose another place",  # one who was root a moment ago may seem to have it
    )
    assert os.listdir(without_privileges) == ["digits"]


def test_bad_input_ends_the_process_with_status_2_and_no_traceback(arguments, tmp_path):
    command = [sys.executable, "-m", "scripts.train", *arguments, "--eta", "nan"]
    run = subprocess.run(
        command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr == (
        "error: argument --eta: expected a finite number such as 3.0; received nan: see --help\n"
    )
    assert contents(tmp_path) == {}


# --- On MNIST -----------------------------------------------------------------------------------


@pytest.mark.mnist
def test_one_epoch_of_mnist_gives_the_same_bits_in_both_backends(mnist, tmp_path):
    options = ["--data", str(mnist), "--sizes", "784", "20", "10", "--seed", "0", "--epochs", "1"]
    outputs = [tmp_path / f"{backend}.json" for backend in ("numpy", "torch")]
    for out in outputs:
        assert train.main([*options, "--backend", out.stem, "--output", str(out)]) == 0
    assert fingerprint(outputs[0]) == fingerprint(outputs[1])
    accuracy = Parameters.load(outputs[0]).metadata["accuracy"]
    assert (accuracy["validation_of"], accuracy["test_of"]) == (10_000, 10_000)
    assert accuracy["test"] > 8_000
