"""The main job: both backends side by side, and the proof."""

import multiprocessing
import os
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from compare.difference import Link, Proof, Verdict
from model.initial import initial_parameters
from model.mnist_files import MnistFiles, describe
from model.parameters import Parameters
from scripts import processes, reproduce
from scripts.command_line import SHIPPED_MODEL, Settings
from scripts.reproduce import train_both

BEGIN = initial_parameters([784, 2, 10], 0)
NO_FILES = MnistFiles(Path(), "other", {}, "", [])


def trained(numpy, torch):
    """Two runs with these fingerprints, one for each epoch, what was read, and the proof."""
    accuracy = {"validation": [9], "validation_of": 10, "test": 8, "test_of": 10}
    made = Parameters(BEGIN.sizes, BEGIN.weights, BEGIN.biases, {"accuracy": accuracy})
    runs = {
        name: SimpleNamespace(fingerprints=marks, seconds=1.0, parameters=made)
        for name, marks in (("numpy", numpy), ("torch", torch))
    }
    read = {"numpy": np.array([1, 2]), "torch": np.array([1, 3]), "labels": np.array([1, 2])}
    proof = Proof("torch_impl", (Link("forward", Verdict.EQUAL, "fine"),))
    return {**runs, "read": read, "proof": proof}


def test_main_job_proves_both_backends_equal(few_digits, capsys):
    assert reproduce.main(["--quick", "--data", str(few_digits)]) == 0
    out, err = capsys.readouterr()
    assert "equal after each of 2 epochs" in out
    assert "PROVED" in out
    assert "not MNIST" in out
    shown = [line.split("  ")[0] for line in err.splitlines()[1:]]
    epochs = sorted(line for line in shown if "epoch" in line)
    assert epochs == [f"{name}: epoch {k}/2" for name in ("numpy", "torch") for k in (1, 2)]
    assert "proof: training" in shown


SHIPPED = Parameters.load(SHIPPED_MODEL).fingerprint


@pytest.mark.parametrize(
    ("torch", "status", "said"),
    [
        (["ab", "axe"], 1, "DIFFER from epoch 2"),
        (["ab", SHIPPED], 0, "equal after each of 2 epochs"),
    ],
)
def test_both_runs_and_how_images_are_read_are_a_table_and_a_difference_is_status_1(
    monkeypatch, few_digits, capsys, torch, status, said
):
    monkeypatch.setattr(reproduce, "train_both", lambda *_: trained(["ab", SHIPPED], torch))
    assert reproduce.main(["--quick", "--data", str(few_digits)]) == status
    lines = capsys.readouterr().out.splitlines()[1:10]
    assert lines == [
        "                NumPy              PyTorch, cpu",
        f"fingerprint     {SHIPPED[:16]}   {torch[-1][:16]}",
        "validation      90.00 %            90.00 %",
        "test accuracy   80.00 %            80.00 %",
        "seconds         1                  1",
        "shipped model   100.00 %           50.00 %",
        f"Fingerprints: {said}.",
        "Shipped model: 1 of 2 test images read alike.",
        "This is model/train.json, trained again to the last bit.",
    ]


# --- In a process each ----------------------------------------------------------------------------


def test_only_the_pytorch_network_and_the_proof_go_to_the_device(digits_folder, monkeypatch):
    monkeypatch.setattr(processes, "run_all", lambda jobs, *_: jobs)
    files, asked = describe(digits_folder), Settings("torch", "cuda", compile=True)
    jobs = train_both(asked, BEGIN, files, print, "data")
    assert {name: work[1:] for name, work in jobs.items()} == {
        "proof": ("data", "cuda"),
        "torch": ("torch", asked, BEGIN),
        "numpy": ("numpy", Settings(), BEGIN),
        "read": ("cuda",),
    }


@pytest.mark.parametrize(
    ("wrong", "waiting", "error", "line"),
    [
        ((int, "three"), "abcdef", ValueError, "invalid literal for int"),
        ((os._exit, 1), "", ChildProcessError, "a process was ended from outside"),
    ],
)
def test_what_fails_stops_all_and_no_other_process(wrong, waiting, error, line):
    other = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(60,))
    other.start()
    begun = time.monotonic()
    sleep = time.sleep, 60
    jobs = {"long": sleep, "wrong": wrong, **dict.fromkeys(waiting, sleep)}
    with pytest.raises(error, match=line):
        processes.run_all(jobs, NO_FILES, print, 2)
    assert multiprocessing.active_children() == [other]
    other.kill()
    other.join()
    assert time.monotonic() - begun < 60
