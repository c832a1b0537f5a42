"""Trains networks at once, in a process each: both backends and the proof of one, or many seeds."""

import functools
import os
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from model.atomic_write import sole_writer
from model.mnist_files import MnistFiles
from model.parameters import Parameters
from scripts import processes
from scripts.command_line import PACKAGES, SHIPPED_MODEL, Settings, load_examples, network
from scripts.processes import run_all, tell
from scripts.training import Run, percent, validation_news

OnNews = Callable[[str, int, str], object]  # of a run: epochs done, the validation accuracy


@dataclass(frozen=True)
class Trained:
    """How one run went."""

    fingerprints: list[str]  # after every epoch
    seconds: float  # of its training, the time to start left out
    parameters: Parameters  # after the last epoch
    failure: str = ""  # what ended it early


def train_both(
    settings: Settings,
    start: Parameters,
    files: MnistFiles,
    on_news: OnNews,
    data: str | None = None,
) -> dict[str, Any]:
    """Train both backends from the same start and return how each went, by name.

    With them the proof, and what both read with the shipped network's parameters. The device is
    the PyTorch network's. What stops one of these stops all, and is raised here.
    """
    numpy = replace(settings, backend="numpy", device="cpu", compile=None)
    jobs = {  # on two cores the first two begin, and "numpy" where one of them has ended
        "proof": (prove_quickly, data, settings.device),
        "torch": (train_one, "torch", replace(settings, backend="torch"), start),
        "numpy": (train_one, "numpy", numpy, start),
        "read": (predictions, settings.device),
    }
    return run_all(jobs, replace(files, pairs=[]), on_news, max(2, os.cpu_count() or 1))


def train_one(
    name: str, settings: Settings, start: Parameters, output: Path | None = None
) -> Trained:
    """Train one network in a process of its own and tell about every epoch.

    What has an output is kept there and taken up where it was stopped; where it overflows it leaves
    the others alone: its `failure` says so.
    """
    fingerprints: list[str] = []
    with nullcontext() if output is None else sole_writer(output):
        run = Run(settings, start, processes.given, output, read(settings.backend))
        run.resume()
        begun = time.monotonic()

        def on_epoch(done: int, parameters: Parameters) -> None:
            fingerprints.append(parameters.fingerprint)
            tell(name, done, validation_news(parameters))

        try:
            run.train(on_epoch)
        except OverflowError as error:
            if output is None:
                raise
            run.failure = str(error)
    return Trained(fingerprints, time.monotonic() - begun, run.parameters, run.failure)


def prove_quickly(data: str | None, device: str) -> Any:
    """Return the proof of the PyTorch network, and tell which link it is at."""
    from compare import prove

    return prove(
        data=data, device=device, epochs=0, on_link=lambda link: tell("proof", 0, link.name)
    )


@functools.cache
def read(backend: str) -> tuple[Any, Any, Any]:
    """Return the examples, which a process reads once for all that it trains.

    They are not handed to it: that would keep its parent until it has begun, deaf to Ctrl-C.
    """
    return load_examples(processes.given.folder, backend)


def first_difference(trained: dict[str, Trained]) -> int | None:
    """Return the first epoch, counted from 1, after which the two differ, or None."""
    pairs = zip(*(trained[backend].fingerprints for backend in PACKAGES), strict=True)
    return next((epoch for epoch, (a, b) in enumerate(pairs, 1) if a != b), None)


def predictions(device: str) -> dict[str, np.ndarray]:
    """Return the digit (N,) that each backend reads in every test image, and the "labels"."""
    shipped, test = Parameters.load(SHIPPED_MODEL), read("numpy")[2]
    numpy_net = network(shipped, "numpy")
    torch_net = network(shipped, "torch", device=device)
    return {
        "numpy": numpy_net.feedforward(test.x.T).argmax(axis=0),
        "torch": torch_net.feedforward(test.x).argmax(dim=1).cpu().numpy(),
        "labels": test.y,
    }


def table(trained: dict[str, Any], shipped: Parameters, device: str) -> str:
    """Return what `train_both` found as a table."""
    runs = [trained[backend] for backend in PACKAGES]
    accuracy = [one.parameters.metadata["accuracy"] for one in runs]
    read = trained["read"]
    labels = read["labels"]
    right = [percent(int(np.sum(read[name] == labels)), len(labels)) for name in PACKAGES]
    agree = int(np.sum(read["numpy"] == read["torch"]))
    rows = [
        ("", "NumPy", f"PyTorch, {device}"),
        ("fingerprint", *(one.fingerprints[-1][:16] for one in runs)),
        ("validation", *(percent(a["validation"][-1], a["validation_of"]) for a in accuracy)),
        ("test accuracy", *(percent(a["test"], a["test_of"]) for a in accuracy)),
        ("seconds", *(f"{one.seconds:.0f}" for one in runs)),
        ("shipped model", *right),
    ]
    lines = [f"{name:<16}{one:<19}{two}".rstrip() for name, one, two in rows]
    lines += [verdict(trained), f"Shipped model: {agree} of {len(labels)} test images read alike."]
    if runs[0].fingerprints[-1] == shipped.fingerprint:
        lines.append("This is model/train.json, trained again to the last bit.")
    return "\n".join(lines)


def verdict(trained: dict[str, Trained]) -> str:
    """Return in words whether the two runs were the same."""
    parted, epochs = first_difference(trained), len(trained["numpy"].fingerprints)
    if parted is None:
        return f"Fingerprints: equal after each of {epochs} epochs."
    return f"Fingerprints: DIFFER from epoch {parted}."
