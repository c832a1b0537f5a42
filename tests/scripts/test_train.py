"""A training run: equal backends, resumed without a trace, one line for what cannot be trained."""

import itertools
import os
import shlex
import shutil
from pathlib import Path

import pytest

import torch_impl.compiled
import torch_impl.network
from model.initial import initial_parameters
from model.parameters import Parameters
from scripts import figures, programs, train
from scripts.opened import Opened


@pytest.fixture
def arguments(small_run, tmp_path):
    """The command line of a small run of 3 epochs, which saves to out.json."""
    return [*small_run.arguments, "--output", str(tmp_path / "out.json")]


@pytest.fixture
def trained(small_run, tmp_path):
    """What that command line makes, uninterrupted, at its place."""
    return Path(shutil.copy(small_run.output, tmp_path / "out.json"))


def without_start(arguments):
    return arguments[arguments.index("--epochs") :]


def fingerprint(path):
    return Parameters.load(path).fingerprint


# --- What it does -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("backend", "arithmetic"),
    [
        ("numpy", "fixed-point"),
        ("torch", "fixed-point"),
        ("numpy", "float32"),
        ("torch", "float64"),
    ],
)
def test_it_trains_says_how_and_resumes_without_a_trace(
    arguments, small_run, tmp_path, backend, arithmetic
):
    arguments = [*arguments, "--backend", backend, "--arithmetic", arithmetic]
    assert train.main(arguments) == 0
    saved, begin = Parameters.load(tmp_path / "out.json"), initial_parameters([784, 5, 10], 1)
    assert saved.fingerprint != begin.fingerprint
    fixed = arithmetic == "fixed-point"
    assert (saved.fingerprint == fingerprint(small_run.output)) == fixed
    expected = {
        "backend": backend, "device": "cpu", "arithmetic": arithmetic, "epochs": 3,
        "mini_batch_size": 10, "eta": 3.0, "seed": 1, "initial": begin.fingerprint,
        "data_kind": "other",
    }  # fmt: skip
    assert {key: saved.metadata[key] for key in expected} == expected
    accuracy = saved.metadata["accuracy"]
    assert len(accuracy["validation"]) == 3
    assert (accuracy["validation_of"], accuracy["test_of"]) == (20, 30)
    there = [*arguments, "--output", str(tmp_path / "resumed.json"), "--resume"]
    other = {"numpy": "torch", "torch": "numpy"}[backend] if fixed else backend
    for epochs, by in (("0", backend), ("1", other), ("3", backend), ("3", other)):
        assert train.main([*there, "--epochs", epochs, "--backend", by]) == 0
    assert (tmp_path / "resumed.json").read_bytes() == (tmp_path / "out.json").read_bytes()


def test_it_prints_accuracy_fingerprint_and_place_and_repeats_what_the_data_are(
    small_run, few_digits
):
    saved = Parameters.load(small_run.output)
    counts, right = (saved.metadata["accuracy"][key] for key in ("validation", "test"))
    notice = f"the digits in {few_digits} are not MNIST: accuracy on them is not MNIST's"
    model = ["--model", small_run.output, "--data", few_digits]
    assert small_run.out.splitlines() == [
        f"test accuracy  {100 * right / 30:.2f} %  ({right} of 30)",
        f"fingerprint    {saved.fingerprint}",
        f"saved in       {small_run.output}",
        notice,
        "Next:",
        "  # open it: what its hidden neurons do, in pictures",
        f"  {programs.line('figures', *model, '--output', 'runs/out')}",
        "  # prove that PyTorch computes it alike",
        f"  {programs.line('compare', *model)}",
    ]
    assert [line.rsplit("  ", 1)[0] for line in small_run.err.splitlines()[1:]] == [
        f"training: epoch {epoch}/3  validation {100 * count / 20:.2f} %"
        for epoch, count in enumerate(counts, 1)
    ]


def test_what_it_says_can_be_done_next_can_be_done_by_pasting(
    arguments, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    pictures = Opened.pictures  # one is enough: drawing takes seconds
    monkeypatch.setattr(Opened, "pictures", lambda self: itertools.islice(pictures(self), 1))
    one = [*arguments, "--sizes", "784", "1", "10", "--output", "my net.json"]
    assert train.main(one) == 0
    lines = capsys.readouterr().out.split("Next:\n")[1].splitlines()[1::2]
    (*opening, _, _), proving = (shlex.split(line)[1:] for line in lines)
    assert (opening[:2], proving[:2]) == (["-m", "scripts.figures"], ["-m", "compare"])
    assert opening[2:] == proving[2:]
    assert figures.main(shlex.split(lines[0])[3:]) == 0
    assert (tmp_path / "runs" / "my net" / "index.html").exists()


@pytest.mark.parametrize(
    ("option", "obstacle", "said"),
    [
        ("--compile", "", ["steps were compiled in 3 s"]),
        ("--compile", "no compiler", ["steps are not compiled: no compiler"]),
        ("--no-compile", "", []),
    ],
)
def test_steps_are_compiled_if_asked_and_where_they_can_be(
    arguments, tmp_path, capsys, monkeypatch, option, obstacle, said
):
    monkeypatch.setattr(torch_impl.compiled, "prepare", lambda net, m: m / 10)
    for module in (torch_impl.compiled, torch_impl.network):
        monkeypatch.setattr(module, "obstacle", lambda device: obstacle)
    few = ["--mini-batch-size", "30"]  # too few steps for a call
    assert train.main([*arguments, "--backend", "torch", option, *few]) == 0
    told = capsys.readouterr().err.splitlines()
    assert [line for line in told if line.startswith("steps")] == said
    assert "compile" not in Parameters.load(tmp_path / "out.json").metadata


@pytest.mark.parametrize("given", [True, False])
def test_a_start_is_trained_from_with_its_seed_or_the_given_and_what_is_known_of_it_is_kept(
    arguments, small_run, tmp_path, monkeypatch, given
):
    drawn, start = initial_parameters([784, 5, 10], 1), tmp_path / "start.json"
    known = {"seed": 7 if given else 1, "names": {"3": "Jalebi"}, "accuracy": {"validation": [1]}}
    Parameters(drawn.sizes, drawn.weights, drawn.biases, known).save(start)
    if not given:  # the shipped network's
        monkeypatch.setattr(train, "SHIPPED_START", start)
        monkeypatch.setattr(train, "SIZES", (784, 5, 10))
    option = ["--initial", str(start), "--seed", "1"] if given else []
    assert train.main([*without_start(arguments), *option]) == 0
    one, other = (Parameters.load(path) for path in (small_run.output, tmp_path / "out.json"))
    assert one.fingerprint == other.fingerprint
    assert other.metadata == {**one.metadata, "names": {"3": "Jalebi"}}


# --- Refused ------------------------------------------------------------------------------------

NOT_THIS = "was not made by this run: its {}: resume with the settings that it "
NOT_THIS += "was begun with, or choose another --output"
INITIAL = [initial_parameters([784, n, 10], 1).fingerprint for n in (5, 6)]
EACH = "expected its epochs and a validation accuracy for each, received"
COUNTS = "expected validation accuracies from 0 to 20, received"
STRANGER = "its weights and biases are not those of this run after"
RESTORE = ": restore the file, or choose another --output"
FILE = "train-images-idx3-ubyte"
FLOAT = "--arithmetic float64"
DAMAGES = [  # what the file holds that this run had not saved, what is asked for, what is said
    ({}, "--eta 2.5", NOT_THIS.format("eta is 3.0, asked for is 2.5")),
    ({}, "--mini-batch-size 20", NOT_THIS.format("mini_batch_size is 10, asked for is 20")),
    ({}, FLOAT, NOT_THIS.format("arithmetic is fixed-point, asked for is float64")),
    ({}, "--seed 2", NOT_THIS.format("seed is 1, asked for is 2")),
    ({}, "--sizes 784 6 10", NOT_THIS.format("initial is {}, asked for is {}".format(*INITIAL))),
    ({}, "--epochs 2", "holds 3 epochs, more than the 2 asked for: ask for 3 or more, or choose "
                       "another --output"),
    ({"epochs": "three"}, "", f'{EACH} epochs "three" and a list of 3{RESTORE}'),
    ({"epochs": 2}, "", f"{EACH} epochs 2 and a list of 3{RESTORE}"),
    ({"accuracy": 0.9}, "", f"{EACH} epochs 3 and null{RESTORE}"),
    ({"accuracy": {"validation": 5}}, "", f"{EACH} epochs 3 and 5{RESTORE}"),
    ({"accuracy": {"validation": [1, 21, 3], "validation_of": 20}}, "", f"{COUNTS} 21{RESTORE}"),
    ({"accuracy": {"validation": [1, 2, "3"], "validation_of": 20}}, "", f'{COUNTS} "3"{RESTORE}'),
    ({"accuracy": {"validation": [1, 2, 3]}}, "", f"{COUNTS} null{RESTORE}"),
    ({"epochs": 0, "accuracy": {"validation": []}}, "", f"{STRANGER} 0 epochs{RESTORE}"),
    ({"weights": 2.0**-30}, "", f"{STRANGER} 3 epochs{RESTORE}"),
    # A run in floating point is its backend's and its device's own.
    ({"arithmetic": "float64", "backend": "torch"}, FLOAT,
     NOT_THIS.format("backend is torch, asked for is numpy")),
    ({"arithmetic": "float64", "device": "cuda:1"}, FLOAT,
     NOT_THIS.format("device is cuda:1, asked for is cpu")),
    *(({"data": data}, "", NOT_THIS.format(f"{FILE} is {was}, asked for is {{data[{FILE}]}}"))
      for data, was in ((5, None), ({FILE: "ab"}, "ab"))),
    ({"sizes": [784, 6, 10]}, "",
     NOT_THIS.format("sizes is [784, 6, 10], asked for is [784, 5, 10]")),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "options", "line"), DAMAGES, ids=repr)
def test_a_file_that_this_run_did_not_make_is_not_resumed(
    arguments, trained, refused, changes, options, line
):
    saved, rest = Parameters.load(trained), dict(changes)
    shift, sizes = rest.pop("weights", 0), rest.pop("sizes", saved.sizes)
    like = saved if sizes == saved.sizes else initial_parameters(sizes, 1)
    weights = [w + shift for w in like.weights]
    Parameters(sizes, weights, like.biases, {**saved.metadata, **rest}).save(trained)
    expected = line.format(data=saved.metadata["data"])
    assert refused(train, *arguments, "--resume", *options.split()) == f"{trained}: {expected}"


def test_overflow_later_on_keeps_the_epochs_before_it(arguments, tmp_path, capsys):
    begin = initial_parameters([784, 5, 10], 1)
    weights, biases = ([v.copy() for v in group] for group in (begin.weights, begin.biases))
    biases[0][0], weights[0][0] = 63.965, -0.365  # a neuron that still learns, close to the edge
    Parameters(begin.sizes, weights, biases).save(tmp_path / "edge.json")
    assert train.main([*without_start(arguments), "--initial", str(tmp_path / "edge.json")]) == 2
    err = capsys.readouterr().err
    assert err.count("training: epoch ") == 2
    assert err.splitlines()[-1] == (
        "error: fixed-point overflow: the largest weight or bias reached 64.008 in magnitude and "
        "must stay below 64: use float64 arithmetic, or a smaller eta"
    )
    assert Parameters.load(tmp_path / "out.json").metadata["epochs"] == 2
    assert sorted(os.listdir(tmp_path)) == ["edge.json", "out.json"]


# --- Many seeds ---------------------------------------------------------------------------------

SMALL = ["--sizes", "784", "4", "10", "--epochs", "2"]


@pytest.fixture
def many_seeds(few_digits, tmp_path):
    return [*SMALL, "--data", str(few_digits), "--output", str(tmp_path / "many")]


def test_each_file_is_byte_for_byte_that_of_its_own_run_and_resume_makes_what_is_missing(
    many_seeds, few_digits, tmp_path, capsys
):
    many, folder = [*many_seeds, "--seeds", "3,5-6"], tmp_path / "many"
    assert train.main(many) == 0
    out = capsys.readouterr().out
    assert [line.split()[1] for line in out.splitlines() if line.startswith("seed")] == list("356")
    assert "standard deviation" in out
    made = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert sorted(made) == ["seed-3.json", "seed-5.json", "seed-6.json"]
    own = [*SMALL, "--data", str(few_digits), "--seed", "5", "--output", str(tmp_path / "5.json")]
    assert train.main(own) == 0
    assert (tmp_path / "5.json").read_bytes() == made["seed-5.json"]
    (folder / "seed-6.json").unlink()
    assert train.main([*many, "--resume"]) == 0
    assert made == {path.name: path.read_bytes() for path in folder.iterdir()}


def test_one_that_overflows_leaves_the_others_alone(many_seeds, capsys, tmp_path):
    """In fixed-point a weight ends at 64: with this eta seed 2 comes there, and seed 1 does not."""
    assert train.main([*many_seeds, "--eta", "500", "--seeds", "1-2"]) == 0
    table = capsys.readouterr().out
    assert "seed 2      fixed-point overflow: the largest weight or bias" in table
    assert [path.name for path in (tmp_path / "many").iterdir()] == ["seed-1.json"]
    assert train.main([*many_seeds, "--eta", "500", "--seeds", "2"]) == 2
    assert "error: fixed-point overflow" in capsys.readouterr().err
