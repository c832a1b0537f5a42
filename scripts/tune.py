"""Try configurations with several seeds each and choose one by its validation accuracy.

    python -m scripts.tune
    python -m scripts.tune --hidden 20 30 --mini-batch-size 10 20 --eta 2.5 3.0 --seeds 5

Without a grid the three configurations of the seed study are tried. It can be stopped at any
moment: the same command goes on, and one with more seeds, epochs or configurations adds to it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from model.atomic_write import sole_writer, write_atomically
from model.canvas import png_bytes
from model.tuning_figure import tuning_figure
from scripts import tuning
from scripts.command_line import (
    command,
    find_data,
    learning_rate,
    make_folder,
    parser,
    start,
    whole_number,
)
from scripts.programs import next_steps
from scripts.progress import Epochs, busy
from scripts.training import Settings

SETTINGS = ("backend", "device", "arithmetic", "epochs")


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Train, write results.json and draw tuning.png from it, and print who won."""
    args = options().parse_args(argv)
    folder, results = args.output, args.output / "results.json"
    single = tuning.asked_for(args.hidden, args.mini_batch_size, args.eta, args.configuration)
    settings = Settings(**{name: getattr(args, name) for name in SETTINGS})
    with busy("reading the data"):
        files = find_data(args.data)
    make_folder(folder)
    with sole_writer(results):
        with busy("looking at what there is"):
            runs = tuning.plan(single, range(args.seeds), settings, files, folder, args.compile)
        done, total = tuning.epochs(runs)
        try:
            with Epochs(total, done, "tuning") as progress:
                failed = tuning.train_all(runs, progress.advance)
            found = json.dumps(tuning.results(runs, files, failed), indent=1) + "\n"
            written = json.loads(write_atomically(results, found.encode()).read_bytes())
            picture = write_atomically(folder / "tuning.png", png_bytes(tuning_figure(written)))
        except KeyboardInterrupt:
            held = f"{tuning.epochs(runs)[0]} of {total} epochs"
            raise KeyboardInterrupt(f"{folder} holds {held}: the same command goes on") from None
    print(tuning.table(written), tuning.chosen_report(written, folder), sep="\n\n")
    print(f"results        {results}\nfigure         {picture}")
    if files.notice:
        print(files.notice)
    chosen, data = folder / written["chosen"]["file"], ["--data", args.data] if args.data else []
    opened = ["--model", chosen, *data, "--output", folder / "figures"]
    print(next_steps(("open the chosen one: what its hidden neurons do", "figures", opened)))
    return 0


def options() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    result = parser(__doc__, "backend", "device", "arithmetic", "compile", "data")
    add = result.add_argument
    add("--hidden", type=whole_number(1), nargs="+", metavar="N", help="hidden units (default: 20)")
    add("--mini-batch-size", type=whole_number(1), nargs="+", metavar="M", help="(default: 10)")
    add(
        "--eta", type=learning_rate, nargs="+",
        help="learning rates (default: 3.0); all combinations of these three are tried",
    )  # fmt: skip
    add(
        "--configuration", type=tuning.configuration, action="append", metavar="HIDDEN,M,ETA",
        help="one to try, may be repeated (default, without a grid: those of the seed study)",
    )  # fmt: skip
    add("--seeds", type=whole_number(1), default=3, metavar="N", help="0 to N - 1 (default: 3)")
    add(
        "--epochs",
        type=whole_number(1),
        default=Settings.epochs,
        help="of each run (default: %(default)s)",
    )
    add(
        "--output", type=Path, default=Path("runs/tune"), metavar="FOLDER",
        help="for runs and results (default: %(default)s)",
    )  # fmt: skip
    return result


if __name__ == "__main__":
    start(main)
