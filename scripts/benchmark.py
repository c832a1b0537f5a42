"""Time one epoch of each network beside the book's loop, JAX, scikit-learn and C, interleaved.

python -m scripts.benchmark --rounds 5
"""

from __future__ import annotations

import argparse
import os
from importlib.metadata import PackageNotFoundError, version

import numpy as np

from model.atomic_write import check_target
from model.parameters import Parameters
from model.printable import printable
from scripts import note
from scripts.command_line import ROUNDS, SHIPPED_START, find_data, program, start
from scripts.progress import Epochs, busy
from scripts.timing import check_equal, contestants, interleaved, table, training_examples


@program(__doc__, "device", "compile", "data", "rounds", "examples", "picture")
def main(args: argparse.Namespace) -> None:
    """Print the tables of seconds and ratios, and what made them."""
    if args.picture:
        if (args.device, args.compile, args.rounds) != ("cpu", None, ROUNDS):
            raise ValueError("--picture takes no other option than --data and --examples")
        if args.picture.suffix != ".png":
            raise ValueError(
                f"--picture: expected a name that ends in .png, received {args.picture}"
            )
        check_target(args.picture)
    with busy("reading the data"):
        files = find_data(args.data)
        parts = training_examples(files, args.examples)
    if args.picture:
        from scripts.cost_figure import draw, measure

        with busy("timing") as tell:
            draw(measure(parts, tell), args.picture)
        print(f"wrote {printable(args.picture)} and the times beside it")
        return
    with busy("comparing fingerprints") as tell:
        found = contestants(Parameters.load(SHIPPED_START), parts, args.device, args.compile)
        equal = check_equal(found, tell)
    with Epochs(args.rounds * len(found), 0, "timing") as progress:
        times = interleaved(found, args.rounds, progress.advance)
    print(table(times, "clock"), table(times, "processor"), sep="\n\n", end="\n\n")
    print(f"All in fixed-point have the fingerprint {equal}.")
    print(made_by())
    if files.notice:
        note(files.notice)


def made_by() -> str:
    """Return the versions and the threads that the times depend on."""
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    told = [f"numpy {np.__version__} ({blas['name']} {blas['version']})"]
    for package in ("torch", "jax", "scikit-learn"):
        try:
            told.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            told.append(f"no {package}")
    return f"{', '.join(told)}; OMP_NUM_THREADS is {os.environ.get('OMP_NUM_THREADS', 'not set')}"


if __name__ == "__main__":
    start(main)
