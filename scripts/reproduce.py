"""The main job: train both networks from one start and show that they are the same to the last bit.

python -m scripts.reproduce            30 epochs of each, then the proof, link by link
python -m scripts.reproduce --quick    2 epochs
"""

import argparse
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from compare import report
from model.mnist_files import MnistFiles
from model.parameters import Parameters
from scripts import note, processes
from scripts.command_line import (
    PACKAGES,
    SHIPPED_MODEL,
    SHIPPED_START,
    Settings,
    find_data,
    network,
    program,
    start,
    twin,
)
from scripts.programs import next_steps
from scripts.progress import busy, counting
from scripts.training import Run, percent, read, train_one

DATA = {"mnist": "MNIST", "synthetic": "synthetic digits", "other": "digits that are not MNIST"}


@program(__doc__, "device", "compile", "data", "quick")
def main(args: argparse.Namespace) -> int:
    """Train both, print what they came to, and put the PyTorch network to the proof."""
    with busy("reading the data"):
        if args.device != Settings.device:  # refused before any training
            twin("torch", "device").choose_device(args.device)
        files = find_data(args.data)
    begin, shipped = Parameters.load(SHIPPED_START), Parameters.load(SHIPPED_MODEL)
    epochs = 2 if args.quick else Settings.epochs
    asked = {"device": args.device, "compile": args.compile}
    settings = Settings(epochs=epochs, seed=begin.metadata["seed"], **asked)
    print(f"Training 784-20-10 twice, {epochs} epochs of {DATA[files.kind]}, from one start")
    with counting(epochs, dict.fromkeys(PACKAGES, 0)) as tell:

        def on_news(done: int, text: str, name: str) -> None:
            if name == "proof":
                note(f"proof: {text}")
            else:
                tell(done, text, name)

        trained = train_both(settings, begin, files, on_news, args.data)
    print(table(trained, shipped, args.device))
    proof = trained["proof"]
    print(f"\n{report.as_text(proof, shutil.get_terminal_size((100, 24)).columns, brief=True)}\n")
    data = ["--data", args.data] if args.data else []
    told = next_steps(
        files.notice,
        ("the whole proof, or of your own class: --candidate", "compare", data),
        ("the story of neuron 11, called Jalebi", "fav_neuron", data),
        ("every figure, in one page to open in a browser", "figures", [*data, "--output", "out"]),
        ("train it your own way", "train", ["--help"]),
    )
    print(told)
    return 0 if first_difference(trained) is None and proof.status == 0 else 1


def train_both(
    settings: Settings,
    start: Parameters,
    files: MnistFiles,
    on_news: Callable[[int, str, str], object],
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
    return processes.run_all(jobs, files, on_news, max(2, os.cpu_count() or 1))


def prove_quickly(data: str | None, device: str) -> Any:
    """Return the proof of the PyTorch network, and tell which link it is at."""
    from compare import prove

    tell = processes.tell
    return prove(data=data, device=device, epochs=0, on_link=lambda e: tell(0, e.name, "proof"))


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


def first_difference(trained: dict[str, Run]) -> int | None:
    """Return the first epoch, counted from 1, after which the two differ, or None."""
    pairs = zip(*(trained[backend].fingerprints for backend in PACKAGES), strict=True)
    return next((epoch for epoch, (a, b) in enumerate(pairs, 1) if a != b), None)


def table(trained: dict[str, Any], shipped: Parameters, device: str) -> str:
    """Return what `train_both` found as a table, and in words whether the two were the same."""
    runs = [trained[backend] for backend in PACKAGES]
    accuracy = [one.parameters.metadata["accuracy"] for one in runs]
    read, parted = trained["read"], first_difference(trained)
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
    equal = f"equal after each of {len(runs[0].fingerprints)} epochs"
    lines += [
        f"Fingerprints: {equal if parted is None else f'DIFFER from epoch {parted}'}.",
        f"Shipped model: {agree} of {len(labels)} test images read alike.",
    ]
    if runs[0].fingerprints[-1] == shipped.fingerprint:
        lines.append("This is model/train.json, trained again to the last bit.")
    return "\n".join(lines)


if __name__ == "__main__":
    start(main)
