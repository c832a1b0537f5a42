"""Try configurations with several seeds each and choose one by its validation accuracy.

    python -m scripts.tune
    python -m scripts.tune --hidden 20 30 --mini-batch-size 10 20 --eta 2.5 3.0 --seeds 5

Without a grid the three configurations of the seed study are tried. It can be stopped at any
moment: the same command goes on, and one with more seeds, epochs or configurations adds to it.
"""

import argparse
import itertools
import json
import math
import shutil
import statistics
import textwrap
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from model.atomic_write import sole_writer, write_atomically
from model.canvas import png_bytes
from model.initial import initial_parameters
from model.mnist_files import MnistFiles
from model.tuning_figure import tuning_figure
from scripts.command_line import Settings, find_data, load_examples, make_folder, program, start
from scripts.programs import next_steps
from scripts.progress import busy
from scripts.training import SIZES, Run, report, train_all

SETTINGS = ("backend", "device", "arithmetic", "compile", "epochs")
GRID = ("hidden", "mini_batch_size", "eta", "configuration")
FORMAT = "jalebi-tuning-1"
TERMINAL = 100  # columns
CLEAR = 2.0  # standard errors from which on a lead is called more than luck


@dataclass(frozen=True)
class Configuration:
    """What is tuned; the defaults are what the seed study settled on."""

    hidden: int = SIZES[1]
    mini_batch_size: int = Settings.mini_batch_size
    eta: float = Settings.eta

    def __str__(self) -> str:
        return f"{self.hidden} hidden, mini-batch {self.mini_batch_size}, eta {self.eta}"

    def file_name(self, seed: int) -> str:
        """Return the name of the file that a run of this configuration is kept in."""
        settings = f"hidden-{self.hidden}_mini-batch-{self.mini_batch_size}_eta-{self.eta}"
        return f"{settings}_seed-{seed}.json"


# Those that the seed study tried.
SEED_STUDY = Configuration(25, 20, 3.0), Configuration(30, 20, 2.5), Configuration(30, 10, 3.0)


@program(__doc__, *SETTINGS[:-1], "data", *GRID, "seeds", "epochs", "output", output="runs/tune")
def main(args: argparse.Namespace) -> None:
    """Train, write results.json and draw tuning.png from it, and print who won."""
    folder, results = args.output, args.output / "results.json"
    tried = asked_for(*(getattr(args, name) for name in GRID))
    settings = Settings(**{name: getattr(args, name) for name in SETTINGS})
    with busy("reading the data"):
        files = find_data(args.data)
    make_folder(folder)
    jobs = {}
    for one, seed in itertools.product(tried, range(args.seeds)):
        own = replace(settings, mini_batch_size=one.mini_batch_size, eta=one.eta, seed=seed)
        begin = initial_parameters([SIZES[0], one.hidden, SIZES[-1]], seed)
        jobs[f"{one}, seed {seed}"] = own, begin, folder / one.file_name(seed)
    with sole_writer(results):
        try:
            trained = iter(train_all(jobs, files, test=False).values())
            runs = {one: list(itertools.islice(trained, args.seeds)) for one in tried}
            found = json.dumps(outcome(runs, files), indent=1) + "\n"
            written = json.loads(write_atomically(results, found.encode()).read_bytes())
            picture = write_atomically(folder / "tuning.png", png_bytes(tuning_figure(written)))
        except KeyboardInterrupt:
            kept = f"{folder} keeps every finished epoch: the same command goes on"
            raise KeyboardInterrupt(kept) from None
    print(table(written), chosen_report(written, folder), sep="\n\n")
    print(f"results        {results}\nfigure         {picture}")
    chosen, data = folder / written["chosen"]["file"], ["--data", args.data] if args.data else []
    opened = ["--model", chosen, *data, "--output", folder / "figures"]
    what = "open the chosen one: what its hidden neurons do"
    print(next_steps(files.notice, (what, "figures", opened)))


def asked_for(
    hidden: list[int] | None,
    mini_batch_size: list[int] | None,
    eta: list[float] | None,
    configuration: list[tuple[int, int, float]] | None,
) -> list[Configuration]:
    """Return the configurations to try, each once: single ones, all of a grid, the seed study's."""
    tried, usual = list(configuration or ()), Configuration()
    if hidden or mini_batch_size or eta:
        axes = hidden or [usual.hidden], mini_batch_size or [usual.mini_batch_size]
        tried += itertools.product(*axes, eta or [usual.eta])
    return list(dict.fromkeys(itertools.starmap(Configuration, tried))) or [*SEED_STUDY]


def outcome(runs: dict[Configuration, list[Run]], files: MnistFiles) -> dict[str, Any]:
    """Return as JSON values what the tuning came to, and test the one network that it chose.

    The configuration with the best mean validation accuracy is chosen, of it the seed with the best
    one; of equals, the first. The test data see that network alone. Accuracies are shares of the
    images; what is listed by seed stands in the order of `seeds`. A configuration of which a run
    has failed is none to choose: it stands apart, under "failed".
    """
    records, failed = [], []
    for one, several in runs.items():
        about, ended = {"name": str(one), **asdict(one)}, [run for run in several if run.failure]
        if ended:
            failed.append(about | {"by_seed": {run.settings.seed: run.failure for run in ended}})
        else:
            records.append(about | record(several))
    if not records:
        [said, *_] = failed[0]["by_seed"].values()
        raise OverflowError(f"no configuration could be trained; {failed[0]['name']}: {said}")
    best = max(records, key=mean)
    several = next(several for one, several in runs.items() if str(one) == best["name"])
    run = several[best["final"].index(max(best["final"]))]
    run.data = load_examples(files, run.settings.backend)
    trained = run.train()  # nothing is left to train: the test images are read
    accuracy = trained.metadata["accuracy"]
    return {
        "format": FORMAT,
        **{key: getattr(run.settings, key) for key in ("backend", "arithmetic", "epochs")},
        "seeds": [one.settings.seed for one in several],
        "data": files.sha256,
        "data_kind": files.kind,
        "notice": files.notice,
        "configurations": records,
        "failed": failed,
        "chosen": {
            "configuration": records.index(best),
            "seed": run.settings.seed,
            **{key: accuracy[key] for key in ("test", "test_of")},
            "fingerprint": trained.fingerprint,
            "file": run.output.name if run.output else "",
        },
        "finding": finding(records),
    }


def record(runs: Sequence[Run]) -> dict[str, Any]:
    """Return how the runs of one configuration went, as JSON values."""
    accuracies = [run.parameters.metadata["accuracy"] for run in runs]
    by_epoch = [[count / a["validation_of"] for count in a["validation"]] for a in accuracies]
    final = [shares[-1] for shares in by_epoch]
    means = [statistics.fmean(shares) for shares in zip(*by_epoch, strict=True)]
    return {
        "by_epoch": by_epoch, "mean_by_epoch": means, "final": final, "accuracy": spread(final),
    }  # fmt: skip


def spread(values: Sequence[float]) -> dict[str, float | None]:
    """Return mean, sample standard deviation (None of a single value), least and most."""
    sd = statistics.stdev(values) if len(values) > 1 else None
    return {"mean": statistics.fmean(values), "sd": sd, "min": min(values), "max": max(values)}


def mean(record: dict[str, Any]) -> float:
    """Return the mean validation accuracy of a record."""
    return float(record["accuracy"]["mean"])


def finding(records: Sequence[dict[str, Any]]) -> str:
    """Return in a sentence which record is best, and whether its lead is more than luck.

    The standard error of the difference is Welch's, The generalization of "Student's" problem when
    several different population variances are involved, Biometrika 34, 1947.
    """
    best, *others = sorted(records, key=mean, reverse=True)
    reached = f"{best['name']}: {100 * mean(best):.2f} % of the validation images on average"
    if not others:
        return f"{reached}, with nothing to compare it with"
    lead, finals = mean(best) - mean(others[0]), (best["final"], others[0]["final"])
    ahead = f"{reached}, {100 * lead:.2f} points ahead of the next"
    if len(best["final"]) == 1:
        return f"{ahead}, which one seed cannot tell from luck"
    error = math.sqrt(sum(statistics.variance(shares) / len(shares) for shares in finals))
    verdict = "more than luck" if lead > CLEAR * error else "which may be luck"
    return f"{ahead}, {verdict} (standard error {100 * error:.2f})"


def table(found: dict[str, Any]) -> str:
    """Return results as a table for the terminal."""
    seeds = len(found["seeds"])
    many = f"{seeds} seeds" if seeds > 1 else "one seed"
    row = "{:>6}  {:>5}  {:>6}  {:>8}  {:>5}  {:>8}  {:>8}".format
    lines = [
        f"validation accuracy after epoch {found['epochs']}, of {many}",
        row("hidden", "batch", "eta", "mean", "sd", "min", "max"),
    ]
    for k, one in enumerate(found["configurations"]):
        accuracy = one["accuracy"]
        mean, least, most = (f"{100 * accuracy[key]:.2f} %" for key in ("mean", "min", "max"))
        sd = "-" if accuracy["sd"] is None else f"{100 * accuracy['sd']:.2f}"
        cells = one["hidden"], one["mini_batch_size"], one["eta"], mean, sd, least, most
        lines.append(row(*cells) + " *" * (k == found["chosen"]["configuration"]))
    told = [f"* {found['finding']}"]
    told += [
        f"{one['name']}: could not be trained, seed {seed}: {said}"
        for one in found["failed"]
        for seed, said in one["by_seed"].items()
    ]
    width = min(shutil.get_terminal_size().columns, TERMINAL)
    for text in told:
        lines += textwrap.wrap(text, width, subsequent_indent="  ", break_on_hyphens=False)
    return "\n".join(lines)


def chosen_report(found: dict[str, Any], folder: Path) -> str:
    """Return what the chosen network, whose file lies in the folder, reaches on the test data."""
    chosen = found["chosen"]
    name = found["configurations"][chosen["configuration"]]["name"]
    which = f"chosen         {name}; of its seeds the best, {chosen['seed']}"
    return f"{which}\n{report(chosen, chosen['fingerprint'], folder / chosen['file'])}"


if __name__ == "__main__":
    start(main)
