"""Trains a network from each of many seeds, one process a core, as runs of their own would."""

from __future__ import annotations

import argparse
import os
import statistics
from pathlib import Path

from model.initial import initial_parameters
from scripts.command_line import find_data, make_folder
from scripts.progress import Epochs, busy
from scripts.side_by_side import Job, Trained, train_all
from scripts.training import SIZES, Settings, percent


def seeds(text: str) -> list[int]:
    """Return the seeds that a command line gives, such as 0-19 or 3,5,8-10."""
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        if not (first.isdecimal() and (last or first).isdecimal() and part.isascii()):
            raise argparse.ArgumentTypeError(f"expected seeds such as 0-19 or 3,5; received {text}")
        found += range(int(first), int(last or first) + 1)
    if not found or len(set(found)) < len(found):
        raise argparse.ArgumentTypeError(f"expected each seed once, as in 0-19; received {text}")
    return found


def train_many(args: argparse.Namespace, settings: dict[str, object]) -> int:
    """Train from every seed, keep each network in a file of its own, and print how they went."""
    folder = args.output or Path(f"trained-{args.backend}-seeds")
    outputs = {seed: folder / f"seed-{seed}.json" for seed in args.seeds}
    for output in outputs.values():
        if output.exists() and not args.resume:
            raise ValueError(
                f"{output}: exists: go on with it by --resume, or choose another --output"
            )
    make_folder(folder)
    with busy("reading the data"):
        files = find_data(args.data)
    jobs = {
        f"seed {seed}": Job(
            Settings(**settings, seed=seed),  # type: ignore[arg-type]
            initial_parameters(args.sizes or SIZES, seed),
            output,
            args.compile,
        )
        for seed, output in outputs.items()
    }
    processes = min(len(jobs), os.cpu_count() or 1)
    try:
        with Epochs(args.epochs, 0, *jobs) as progress:
            trained = train_all(
                jobs, files, processes, lambda name, done, text: progress.advance(done, text, name)
            )
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"{folder} keeps every finished epoch: --resume goes on") from None
    if all(one.failure for one in trained.values()):
        raise OverflowError(next(iter(trained.values())).failure)
    print(table(trained))
    print(f"saved in {folder}")
    if files.notice:
        print(files.notice)
    return 0


def table(trained: dict[str, Trained]) -> str:
    """Return how every run went, and how the accuracies are spread."""
    lines, tested = [f"{'':<12}{'test':<10}{'validation':<12}fingerprint"], []
    for name, one in trained.items():
        accuracy = one.parameters.metadata["accuracy"]
        if one.failure:
            lines.append(f"{name:<12}{one.failure}")
            continue
        tested.append(100 * accuracy["test"] / accuracy["test_of"])
        history = accuracy["validation"]
        last = percent(history[-1], accuracy["validation_of"]) if history else ""
        mark = one.parameters.fingerprint[:16]
        lines.append(f"{name:<12}{f'{tested[-1]:.2f} %':<10}{last:<12}{mark}")
    if len(tested) > 1:
        middle, spread = statistics.median(tested), statistics.stdev(tested)
        lines.append(
            f"median {middle:.2f} %, from {min(tested):.2f} to {max(tested):.2f}, "
            f"standard deviation {spread:.2f}"
        )
    return "\n".join(lines)
