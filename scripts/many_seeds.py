"""Trains a network from each of many seeds, one process a core, as runs of their own would."""

import argparse
import statistics
from pathlib import Path
from typing import Any

from model.initial import initial_parameters
from scripts.command_line import Settings, find_data, make_folder
from scripts.processes import run_all
from scripts.progress import Epochs, busy
from scripts.side_by_side import Job, Trained, train_one
from scripts.training import SIZES, check_new, percent


def train_many(args: argparse.Namespace, settings: dict[str, Any]) -> None:
    """Train from every seed, keep each network in a file of its own, and print how they went."""
    folder = args.output or Path(f"trained-{args.backend}-seeds")
    outputs = {seed: folder / f"seed-{seed}.json" for seed in args.seeds}
    for output in outputs.values():
        check_new(output, args.resume)
    make_folder(folder)
    with busy("reading the data"):
        files = find_data(args.data)
    jobs = {}
    for seed, output in outputs.items():
        name, begin = f"seed {seed}", initial_parameters(args.sizes or SIZES, seed)
        own = Settings(**settings, seed=seed)
        jobs[name] = train_one, Job(name, own, begin, output)
    try:
        with Epochs(args.epochs, 0, *jobs) as progress:
            trained = run_all(
                jobs, files, lambda name, done, news: progress.advance(done, news, name)
            )
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"{folder} keeps every finished epoch: --resume goes on") from None
    if all(one.failure for one in trained.values()):
        raise OverflowError(next(iter(trained.values())).failure)
    print(table(trained), f"saved in {folder}", sep="\n")
    if files.notice:
        print(files.notice)


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
