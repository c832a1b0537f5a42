"""Try configurations with several seeds each and choose one by its validation accuracy.

    python -m scripts.tune
    python -m scripts.tune --hidden 20 30 --mini-batch-size 10 20 --eta 2.5 3.0 --seeds 5

Without a grid the three configurations of the seed study are tried. It can be stopped at any
moment: the same command goes on, and one with more seeds, epochs or configurations adds to it.
"""

import argparse
import json

from model.atomic_write import sole_writer, write_atomically
from model.canvas import png_bytes
from model.tuning_figure import tuning_figure
from scripts import tuning
from scripts.command_line import Settings, find_data, make_folder, program, start
from scripts.programs import next_steps
from scripts.progress import busy, counting

SETTINGS = ("backend", "device", "arithmetic", "compile", "epochs")
GRID = ("hidden", "mini_batch_size", "eta", "configuration")


@program(__doc__, *SETTINGS[:-1], "data", *GRID, "seeds", "epochs", "output", output="runs/tune")
def main(args: argparse.Namespace) -> None:
    """Train, write results.json and draw tuning.png from it, and print who won."""
    folder, results = args.output, args.output / "results.json"
    single = tuning.asked_for(*(getattr(args, name) for name in GRID))
    settings = Settings(**{name: getattr(args, name) for name in SETTINGS})
    with busy("reading the data"):
        files = find_data(args.data)
    make_folder(folder)
    with sole_writer(results):
        with busy("looking at what there is"):
            runs = tuning.plan(single, range(args.seeds), settings, files, folder)
        done, total = tuning.epochs(runs)
        try:
            with counting(total, done, "tuning") as tell:
                tuning.train_all(runs, tell)
            found = json.dumps(tuning.results(runs, files), indent=1) + "\n"
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


if __name__ == "__main__":
    start(main)
