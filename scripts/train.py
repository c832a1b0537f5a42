"""Train Nielsen's network with either backend; the defaults are the book's.

    python -m scripts.train --backend torch --output mine.json
    python -m scripts.train --seeds 0-19 --output many

Without --seed and --initial it starts where the shipped network started, and so makes it again.
"""

import argparse
import statistics
from pathlib import Path
from typing import Any

from model.atomic_write import sole_writer
from model.initial import initial_parameters
from model.parameters import Parameters, describe
from scripts.command_line import SHIPPED_START, Settings, find_data, make_folder, program, start
from scripts.programs import next_steps
from scripts.progress import busy, counting
from scripts.training import SIZES, Run, check_new, percent, report, train_all

SETTINGS = ("backend", "device", "arithmetic", "epochs", "mini_batch_size", "eta", "compile")
OTHERS = ("data", "sizes", "seed", "seeds", "initial", "output", "resume")


@program(__doc__, *SETTINGS, *OTHERS)
def main(args: argparse.Namespace) -> None:
    """Train, save after every epoch, and print the accuracy and the fingerprint."""
    given = {name: getattr(args, name) for name in SETTINGS}
    if args.seeds is not None:
        if args.seed is not None or args.initial is not None:
            raise ValueError("--seeds draws a start from each of them: leave --seed, --initial out")
        train_many(args, given)
        return
    output = args.output or Path(f"trained-{args.backend}.json")
    with sole_writer(output):
        check_new(output, args.resume)
        begin = starting_point(args)
        settings = Settings(**given, seed=order_seed(args, begin))
        with busy("reading the data"):
            files = find_data(args.data)
            run = Run(settings, begin, files, output)
            if args.resume:
                run.resume()
        try:
            with counting(settings.epochs, {"training": run.epochs_done}) as tell:
                run.train(tell)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(run.kept()) from None
    trained = run.parameters
    print(report(trained.metadata["accuracy"], trained.fingerprint, output))
    model = ["--model", output, *(["--data", args.data] if args.data else [])]
    opened = [*model, "--output", Path("runs") / output.stem]
    steps = [("prove that PyTorch computes it alike", "compare", model)]
    if len(begin.sizes) > 2:
        steps.insert(0, ("open it: what its hidden neurons do, in pictures", "figures", opened))
    print(next_steps(files.notice, *steps))


def starting_point(args: argparse.Namespace) -> Parameters:
    """Return the parameters to train from: given, drawn from a seed, or the shipped ones."""
    if args.initial is not None:
        given = Parameters.load(args.initial)
        if args.sizes not in (None, list(given.sizes)):
            raise ValueError(
                f"{args.initial}: has sizes {list(given.sizes)}, --sizes asks for {args.sizes}"
            )
        return given
    if args.seed is None and args.sizes in (None, list(SIZES)):
        return Parameters.load(SHIPPED_START)
    return initial_parameters(args.sizes or SIZES, args.seed or 0)


def order_seed(args: argparse.Namespace, begin: Parameters) -> int:
    """Return the seed of the order of examples: given, else that of the start, else 0."""
    seed = begin.metadata.get("seed", 0) if args.seed is None else args.seed
    if type(seed) is not int or seed < 0:
        raise ValueError(
            f"{args.initial}: seed: expected a whole number, 0 or more, received "
            f"{describe(seed)}: give one with --seed"
        )
    return seed


def train_many(args: argparse.Namespace, settings: dict[str, Any]) -> None:
    """Train from every seed, keep each network in a file of its own, and print how they went."""
    folder, jobs = args.output or Path(f"trained-{args.backend}-seeds"), {}
    for seed in args.seeds:
        output = folder / f"seed-{seed}.json"
        check_new(output, args.resume)
        begin = initial_parameters(args.sizes or SIZES, seed)
        jobs[f"seed {seed}"] = Settings(**settings, seed=seed), begin, output
    make_folder(folder)
    with busy("reading the data"):
        files = find_data(args.data)
    try:
        trained = train_all(jobs, files)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"{folder} keeps every finished epoch: --resume goes on") from None
    if all(one.failure for one in trained.values()):
        raise OverflowError(next(iter(trained.values())).failure)
    print(table(trained), f"saved in {folder}", *filter(None, [files.notice]), sep="\n")


def table(trained: dict[str, Run]) -> str:
    """Return how every run went, and how the accuracies are spread."""
    row, tested = "{:<12}{:<10}{:<12}{}".format, []
    lines = [row("", "test", "validation", "fingerprint")]
    for name, one in trained.items():
        if one.failure:
            lines.append(f"{name:<12}{one.failure}")
            continue
        accuracy, mark = one.parameters.metadata["accuracy"], one.parameters.fingerprint[:16]
        tested.append(100 * accuracy["test"] / accuracy["test_of"])
        last = [percent(right, accuracy["validation_of"]) for right in accuracy["validation"][-1:]]
        lines.append(row(name, f"{tested[-1]:.2f} %", "".join(last), mark))
    if len(tested) > 1:
        lines.append(
            f"median {statistics.median(tested):.2f} %, from {min(tested):.2f} to "
            f"{max(tested):.2f}, standard deviation {statistics.stdev(tested):.2f}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    start(main)
