"""Choosing a configuration: several seeds of each, compared by their validation accuracy alone."""

from __future__ import annotations

import argparse
import itertools
import json
import math
import statistics
import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from model.initial import initial_parameters
from model.mnist_files import MnistFiles
from model.parameters import Parameters
from scripts.command_line import learning_rate, load_examples, make_folder, whole_number
from scripts.training import DIGITS, PIXELS, Run, Settings, percent, validation_news

FORMAT = "jalebi-tuning-1"
HIDDEN, MINI_BATCH_SIZE, ETA = 20, 10, 3.0  # what the seed study settled on
TERMINAL = 100  # columns
CLEAR = 2.0  # standard errors from which on a lead is called more than luck


@dataclass(frozen=True)
class Configuration:
    """What is tuned.

    Parameters
    ----------
    hidden : int
        Units of the hidden layer.
    mini_batch_size : int
    eta : float
        Learning rate.
    """

    hidden: int = HIDDEN
    mini_batch_size: int = MINI_BATCH_SIZE
    eta: float = ETA

    def __str__(self) -> str:
        return f"{self.hidden} hidden, mini-batch {self.mini_batch_size}, eta {self.eta}"

    def file_name(self, seed: int) -> str:
        """Return the name of the file that a run of this configuration is kept in.

        Parameters
        ----------
        seed : int
        """
        return (
            f"hidden-{self.hidden}_mini-batch-{self.mini_batch_size}_eta-{self.eta}_seed-{seed}"
            f".json"
        )


#: Those that the seed study tried.
SEED_STUDY = (
    Configuration(25, 20, 3.0),
    Configuration(30, 20, 2.5),
    Configuration(30, 10, 3.0),
)
Plan = dict[Configuration, list[Run]]


def configuration(text: str) -> Configuration:
    """Return the configuration that is written as HIDDEN,MINI_BATCH_SIZE,ETA, for argparse.

    Parameters
    ----------
    text : str
        Such as "25,20,3.0".
    """
    parts = text.split(",")
    if len(parts) != 3:
        raise argparse.ArgumentTypeError(
            f"expected HIDDEN,MINI_BATCH_SIZE,ETA such as 25,20,3.0; received {text}"
        )
    whole = whole_number(1)
    return Configuration(whole(parts[0]), whole(parts[1]), learning_rate(parts[2]))


def asked_for(
    hidden: Sequence[int] | None,
    mini_batch_sizes: Sequence[int] | None,
    etas: Sequence[float] | None,
    single: Iterable[Configuration] | None,
) -> list[Configuration]:
    """Return the configurations to try, each once: a grid, single ones, or the seed study's.

    Parameters
    ----------
    hidden, mini_batch_sizes, etas : sequence or None
        All combinations are tried; what is not given has one value, the seed study's.
    single : iterable of Configuration or None
    """
    result = list(single or ())
    if hidden or mini_batch_sizes or etas:
        axes = hidden or [HIDDEN], mini_batch_sizes or [MINI_BATCH_SIZE], etas or [ETA]
        result += itertools.starmap(Configuration, itertools.product(*axes))
    return list(dict.fromkeys(result or SEED_STUDY))


def plan(
    configurations: Iterable[Configuration],
    seeds: Iterable[int],
    settings: Settings,
    files: MnistFiles,
    folder: Path,
) -> Plan:
    """Return the runs of every configuration, one for each seed, as far as they have come.

    Parameters
    ----------
    configurations : iterable of Configuration
    seeds : iterable of int
    settings : Settings
        What the runs have in common.
    files : MnistFiles
    folder : Path
        Made if it is not there; every run is a file in it.

    Raises
    ------
    ValueError, OSError
        When one of the runs cannot be trained or resumed, before any is.
    """
    make_folder(folder)
    data = load_examples(files, settings.backend)
    seeds = list(seeds)

    def run(one: Configuration, seed: int) -> Run:
        own = replace(settings, mini_batch_size=one.mini_batch_size, eta=one.eta, seed=seed)
        begin = initial_parameters([PIXELS, one.hidden, DIGITS], seed)
        result = Run(own, begin, files, folder / one.file_name(seed), data)
        result.resume()
        return result

    return {one: [run(one, seed) for seed in seeds] for one in configurations}


def epochs_done(runs: Plan) -> int:
    """Return the epochs that all runs have behind them.

    Parameters
    ----------
    runs : Plan
    """
    return sum(run.epochs_done for run in itertools.chain(*runs.values()))


def epochs_in_all(runs: Plan) -> int:
    """Return the epochs that all runs will have.

    Parameters
    ----------
    runs : Plan
    """
    return sum(run.settings.epochs for run in itertools.chain(*runs.values()))


def train_all(runs: Plan, on_epoch: Callable[[int, str], object]) -> None:
    """Train what is left of every run, leaving the test data alone.

    Parameters
    ----------
    runs : Plan
    on_epoch : callable (epochs done in all, news)
        Called after every epoch.
    """

    def tell(label: str, _: int, saved: Parameters) -> None:
        on_epoch(epochs_done(runs), f"{label}: {validation_news(saved)}")

    for one, several in runs.items():
        for run in several:
            run.train(partial(tell, f"{one}, seed {run.settings.seed}"), test=False)


def results(runs: Plan, files: MnistFiles) -> dict[str, Any]:
    """Return what the tuning came to, and test the one network that it chose.

    The configuration with the best mean validation accuracy is chosen, of it the seed with the best
    one; of equals, the first. The test data see that network alone.

    Parameters
    ----------
    runs : Plan
        All trained.
    files : MnistFiles

    Returns
    -------
    dict
        JSON values. Accuracies are shares of the images; what is listed by seed stands in the
        order of `seeds`, what is listed by epoch begins with the first.
    """
    records = [record(one, several) for one, several in runs.items()]
    best = best_of(records)
    final = records[best]["final"]
    run = list(runs.values())[best][final.index(max(final))]
    return {
        "format": FORMAT,
        **{key: getattr(run.settings, key) for key in ("backend", "arithmetic", "epochs")},
        "seeds": [one.settings.seed for one in next(iter(runs.values()))],
        "data": files.sha256,
        "data_kind": files.kind,
        "notice": files.notice,
        "configurations": records,
        "chosen": {"configuration": best, **tested(run)},
        "finding": finding(records, best),
    }


def record(one: Configuration, runs: Sequence[Run]) -> dict[str, Any]:
    """Return how the runs of one configuration went, as JSON values.

    Parameters
    ----------
    one : Configuration
    runs : sequence of Run
    """
    accuracies = [run.parameters.metadata["accuracy"] for run in runs]
    by_epoch = [
        [correct / accuracy["validation_of"] for correct in accuracy["validation"]]
        for accuracy in accuracies
    ]
    final = [shares[-1] for shares in by_epoch]
    return {
        "name": str(one),
        **asdict(one),
        "by_epoch": by_epoch,
        "mean_by_epoch": [statistics.fmean(shares) for shares in zip(*by_epoch, strict=True)],
        "final": final,
        "accuracy": spread(final),
    }


def best_of(records: Sequence[dict[str, Any]]) -> int:
    """Return the index of the configuration with the best mean, the first of equals.

    Parameters
    ----------
    records : sequence of dict
        As `record` returns.
    """
    return max(range(len(records)), key=lambda k: records[k]["accuracy"]["mean"])


def spread(values: Sequence[float]) -> dict[str, float | None]:
    """Return the mean, the sample standard deviation and the range of some values.

    Parameters
    ----------
    values : sequence of float
        One or more.

    Returns
    -------
    dict
        mean, sd (None of a single value: it has no spread), min, max.
    """
    sd = statistics.stdev(values) if len(values) > 1 else None
    return {"mean": statistics.fmean(values), "sd": sd, "min": min(values), "max": max(values)}


def tested(run: Run) -> dict[str, Any]:
    """Return which network was chosen and what it reaches on the test data.

    Parameters
    ----------
    run : Run
        Trained to its end.
    """
    parameters = run.train()
    accuracy = parameters.metadata["accuracy"]
    return {
        "seed": run.settings.seed,
        "test": accuracy["test"],
        "test_of": accuracy["test_of"],
        "fingerprint": parameters.fingerprint,
        "file": Path(run.output).name if run.output else "",
    }


def finding(records: Sequence[dict[str, Any]], best: int) -> str:
    """Return in a sentence which configuration is best, and whether its lead is more than luck.

    Parameters
    ----------
    records : sequence of dict
        As `record` returns.
    best : int
        Index of the best.
    """
    name, accuracy = records[best]["name"], records[best]["accuracy"]
    reached = f"{name}: {100 * accuracy['mean']:.2f} % of the validation images on average"
    others = [one for k, one in enumerate(records) if k != best]
    if not others:
        return f"{reached}, with nothing to compare it with"
    second = max(others, key=lambda one: one["accuracy"]["mean"])
    lead = accuracy["mean"] - second["accuracy"]["mean"]
    error = standard_error(records[best]["final"], second["final"])
    ahead = f"{reached}, {100 * lead:.2f} points ahead of the next"
    if error is None:
        return f"{ahead}, which one seed cannot tell from luck"
    verdict = "more than luck" if lead > CLEAR * error else "which may be luck"
    return f"{ahead}, {verdict} (standard error {100 * error:.2f})"


def standard_error(one: Sequence[float], other: Sequence[float]) -> float | None:
    """Return the standard error of the difference of two means, None where there is no spread.

    Parameters
    ----------
    one, other : sequence of float

    Source
    ------
    Welch, The generalization of "Student's" problem when several different population variances are
    involved, Biometrika 34, 1947.
    """
    if len(one) < 2 or len(other) < 2:
        return None
    return math.sqrt(sum(statistics.variance(values) / len(values) for values in (one, other)))


def to_json(found: dict[str, Any]) -> bytes:
    """Return results as they stand in a file.

    Parameters
    ----------
    found : dict
        As `results` returns.
    """
    return (json.dumps(found, indent=1) + "\n").encode()


def table(found: dict[str, Any]) -> str:
    """Return results as a table for the terminal.

    Parameters
    ----------
    found : dict
        As `results` returns.
    """
    seeds = len(found["seeds"])
    many = f"{seeds} seeds" if seeds > 1 else "one seed"
    heads = f"{'hidden':>6}  {'mini-batch':>10}  {'eta':>8}"
    chosen = found["configurations"][found["chosen"]["configuration"]]
    rows = [row(one) + ("  <- chosen" if one is chosen else "") for one in found["configurations"]]
    lines = [
        f"validation accuracy after epoch {found['epochs']}, of {many}",
        f"{heads}  {'mean':>8}  {'sd':>5}  {'min':>8}  {'max':>8}",
        *rows,
        *textwrap.wrap(found["finding"], TERMINAL),
    ]
    return "\n".join(lines)


def row(one: dict[str, Any]) -> str:
    """Return one configuration's line of the table.

    Parameters
    ----------
    one : dict
        As `record` returns.
    """
    accuracy = one["accuracy"]
    mean, least, most = (f"{100 * accuracy[key]:.2f} %" for key in ("mean", "min", "max"))
    sd = "-" if accuracy["sd"] is None else f"{100 * accuracy['sd']:.2f}"
    settings = f"{one['hidden']:>6}  {one['mini_batch_size']:>10}  {one['eta']:>8}"
    return f"{settings}  {mean:>8}  {sd:>5}  {least:>8}  {most:>8}"


def chosen_report(found: dict[str, Any], folder: Path) -> str:
    """Return what the chosen network reaches on the test data, in a few lines.

    Parameters
    ----------
    found : dict
        As `results` returns.
    folder : Path
        Where the runs are.
    """
    chosen = found["chosen"]
    name = found["configurations"][chosen["configuration"]]["name"]
    accuracy = percent(chosen["test"], chosen["test_of"])
    lines = [
        f"chosen         {name}; of its seeds the best, {chosen['seed']}",
        f"test accuracy  {accuracy}  ({chosen['test']} of {chosen['test_of']})",
        f"fingerprint    {chosen['fingerprint']}",
        f"saved in       {folder / chosen['file']}",
    ]
    return "\n".join(lines)
