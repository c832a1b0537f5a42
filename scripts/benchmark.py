"""Time one epoch of each network beside the book's loop, JAX, scikit-learn and C, interleaved.

python -m scripts.benchmark --rounds 5
"""

import argparse
import os
import statistics
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from model.atomic_write import check_target
from model.mnist_files import MnistFiles
from model.parameters import Parameters
from scripts import note
from scripts.command_line import (
    ARITHMETICS,
    PACKAGES,
    ROUNDS,
    SHIPPED_START,
    Settings,
    find_data,
    load_examples,
    network,
    program,
    start,
    twin,
)
from scripts.cost_figure import draw, measure
from scripts.progress import busy, counting
from scripts.yardsticks import BookLoop, Times, others, timed

BOOK, NUMPY = "the book's loop", "NumPy"
TORCH = {  # how PyTorch's network takes its steps, as `compile` says it
    "PyTorch, step by step": False,
    "PyTorch, recorded": None,
    "PyTorch, compiled": True,
}
Key = tuple[str, str]  # who trains, and in which arithmetic
Contestant = tuple[Any, Any]  # a network, and the data that it trains on


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
        with busy("timing") as tell:
            draw(measure(parts, tell), args.picture)
        print(f"wrote {args.picture} and the times beside it")
        return
    with busy("comparing fingerprints") as tell:
        found = contestants(Parameters.load(SHIPPED_START), parts, args.device, args.compile)
        equal = check_equal(found, tell)
    with counting(args.rounds * len(found), {"timing": 0}) as tell:
        times = interleaved(found, args.rounds, tell)
    print(table(times, "clock"), table(times, "processor"), sep="\n\n", end="\n\n")
    print(f"All in fixed-point have the fingerprint {equal}.")
    print(made_by())
    if files.notice:
        note(files.notice)


def training_examples(files: MnistFiles, examples: int | None) -> dict[str, Any]:
    """Return the first of the training examples, as each backend has them."""
    parts = {}
    for backend in PACKAGES:
        data = load_examples(files, backend)[0]
        if examples is not None and examples > len(data):
            raise ValueError(
                f"--examples {examples}: the training data have {len(data)}: ask for fewer"
            )
        parts[backend] = type(data)(data.x[:examples], data.y[:examples])
    return parts


def contestants(
    start: Parameters, parts: dict[str, Any], device: str, compiled: bool | None = False
) -> dict[Key, Contestant]:
    """Return what is timed; the device is the PyTorch networks'.

    A compiled network is there if asked for; what the compiler took is said, and no part of it.
    """
    found: dict[Key, Contestant] = {(BOOK, "float64"): (BookLoop(start), parts["numpy"])}
    for arithmetic in ARITHMETICS:  # twins one after the other
        found[NUMPY, arithmetic] = network(start, "numpy", arithmetic), parts["numpy"]
        for name, compile in TORCH.items():
            if compile and not compiled:
                continue
            net = network(start, "torch", arithmetic, device, compile)
            if compile:
                seconds = twin("torch", "compiled").prepare(net, Settings.mini_batch_size)
                if not net.compiled:
                    raise ValueError("--compile: nothing can be compiled here: leave it out")
                note(f"{name}, {arithmetic}: in {seconds:.0f} s")
            found[name, arithmetic] = net, parts["torch"]
    return found | {(who, kept): (net, parts["numpy"]) for who, kept, net in others(start)}


def check_equal(found: dict[Key, Contestant], tell: Callable[[str], object]) -> str:
    """Return the fingerprint of all in fixed-point after two epochs, or raise where two differ.

    Everybody takes these steps before any is timed: PyTorch's networks record theirs meanwhile.
    """
    marks = {}
    for (name, arithmetic), (net, data) in found.items():
        tell(f"{name}, {arithmetic}")
        timed(net, data)
        if arithmetic == "fixed-point":
            marks[name] = Parameters(net.sizes, *net.export()).fingerprint[:16]
    if len(set(marks.values())) > 1:
        raise ValueError(f"nothing is timed, for these are not one network: {marks}")
    return next(iter(marks.values()))


def interleaved(
    found: dict[Key, Contestant], rounds: int, on_epoch: Callable[[int, str], object]
) -> dict[Key, list[Times]]:
    """Return the times of every contestant in every round, each round one epoch of each.

    `on_epoch` is told how many epochs have been timed, and of which contestant the last one was.
    """
    times: dict[Key, list[Times]] = {key: [] for key in found}
    for done, (key, contestant) in enumerate(list(found.items()) * rounds, 1):
        times[key].append(timed(*contestant))
        on_epoch(done, ", ".join(key))
    return times


def table(times: dict[Key, list[Times]], of: str) -> str:
    """Return medians of the clock's or the processor's seconds as a Markdown table.

    In brackets are times NumPy's, as medians of the ratios round by round: what slows the machine
    slows both sides.
    """
    heads = ["float64", "float32", "fixed-point"]
    lines = [f"| {of}: seconds (times NumPy) | {' | '.join(heads)} |", "|---" * 4 + "|"]
    seconds = {key: [getattr(one, of) for one in rounds] for key, rounds in times.items()}
    for name in dict.fromkeys(name for name, _ in times):
        cells = []
        for head in heads:
            own, numpy = (seconds.get((who, head), []) for who in (name, NUMPY))
            cell = f"{statistics.median(own):.3f}" if own else ""
            if own and numpy and name != NUMPY:
                ratios = [a / b for a, b in zip(own, numpy, strict=True)]
                cell += f" ({statistics.median(ratios):.1f})"
            cells.append(cell)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


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
