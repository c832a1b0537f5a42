"""Train Nielsen's network with either backend; the defaults are the book's.

    python -m scripts.train --backend torch --output mine.json
    python -m scripts.train --seeds 0-19 --output many

Without --seed and --initial it starts where the shipped network started, and so makes it again.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from model.atomic_write import sole_writer
from model.initial import initial_parameters
from model.parameters import Parameters, describe
from scripts.command_line import SHIPPED_START, command, find_data, parser, start, whole_number
from scripts.many_seeds import seeds, train_many
from scripts.programs import next_steps
from scripts.progress import Epochs, busy
from scripts.training import SIZES, Run, Settings, kept, report, validation_news

SETTINGS = ("backend", "device", "arithmetic", "epochs", "mini_batch_size", "eta")


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Train, save after every epoch, and print the accuracy and the fingerprint."""
    args = options().parse_args(argv)
    if args.seeds is not None:
        if args.seed is not None or args.initial is not None:
            raise ValueError("--seeds draws a start from each of them: leave --seed, --initial out")
        return train_many(args, {name: getattr(args, name) for name in SETTINGS})
    output = args.output or Path(f"trained-{args.backend}.json")
    with sole_writer(output):
        if output.exists() and not args.resume:
            raise ValueError(
                f"{output}: exists: go on with it by --resume, or choose another --output"
            )
        begin = starting_point(args)
        seed = order_seed(args, begin)
        settings = Settings(**{name: getattr(args, name) for name in SETTINGS}, seed=seed)
        with busy("reading the data"):
            files = find_data(args.data)
            run = Run(settings, begin, files, output, compile=args.compile)
            if args.resume:
                run.resume()
        try:
            with Epochs(settings.epochs, run.epochs_done) as progress:
                run.train(lambda done, saved: progress.advance(done, validation_news(saved)))
        except KeyboardInterrupt:
            raise KeyboardInterrupt(kept(run)) from None
    trained = run.parameters
    print(report(trained.metadata["accuracy"], trained.fingerprint, output, files.notice))
    data = ["--data", args.data] if args.data else []
    opened = ["--model", output, *data, "--output", Path("runs") / output.stem]
    steps = [("prove that PyTorch computes it alike", "compare", ["--model", output, *data])]
    if len(begin.sizes) > 2:
        steps.insert(0, ("open it: what its hidden neurons do, in pictures", "figures", opened))
    print(next_steps(*steps))
    return 0


def options() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    result = parser(__doc__, *SETTINGS, "compile", "data")
    add = result.add_argument
    add(
        "--sizes", type=whole_number(1), nargs="+", metavar="N",
        help="units of every layer (default: 784 20 10)",
    )  # fmt: skip
    add(
        "--seed", type=whole_number(0), metavar="N",
        help="of the initial weights and of the order of examples (default: the start's own, or 0)",
    )  # fmt: skip
    add(
        "--seeds", type=seeds, metavar="A-B",
        help="one network from each of these, such as 0-19, in a folder (default: one network)",
    )  # fmt: skip
    add(
        "--initial", type=Path, metavar="FILE",
        help="start from these parameters (default: the shipped start, or drawn from --seed)",
    )  # fmt: skip
    add(
        "--output",
        type=Path,
        metavar="FILE",
        help="(default: trained-BACKEND.json, or of --seeds trained-BACKEND-seeds)",
    )
    add(
        "--resume", action="store_true",
        help="go on where --output was stopped (default: refuse an --output that exists)",
    )  # fmt: skip
    return result


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


if __name__ == "__main__":
    start(main)
