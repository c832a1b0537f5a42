"""Times an epoch of every network and of what it is compared with, in turn, so that ratios hold."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from model.mnist_files import MnistFiles
from model.parameters import Parameters
from scripts import note
from scripts.command_line import ARITHMETICS, PACKAGES, Settings, load_examples, network, twin
from scripts.yardsticks import BookLoop, others

BOOK, NUMPY = "the book's loop", "NumPy"
TORCH = {  # how PyTorch's network takes its steps, as `compile` says it
    "PyTorch, step by step": False,
    "PyTorch, recorded": None,
    "PyTorch, compiled": True,
}


class Times(NamedTuple):
    """Seconds of one epoch."""

    clock: float
    processor: float


Key = tuple[str, str]  # who trains, and in which arithmetic


class Contestant:
    """What is timed: a network, and the data that it trains on."""

    def __init__(self, net: Any, data: Any) -> None:
        self.net, self.data = net, data

    def epoch(self, mini_batch_size: int = Settings.mini_batch_size, epochs: int = 2) -> Times:
        """Train some epochs and return how long the last took.

        Checking the data and warming the caches is not training.
        """
        ends: list[Times] = []

        def on_epoch(*_: object) -> None:
            ends.append(Times(time.perf_counter(), time.process_time()))

        rng = np.random.default_rng(0)
        self.net.SGD(self.data, epochs, mini_batch_size, Settings.eta, rng=rng, on_epoch=on_epoch)
        return Times(*(after - before for before, after in zip(*ends[-2:], strict=True)))


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
    found = {(BOOK, "float64"): Contestant(BookLoop(start), parts["numpy"])}
    for arithmetic in ARITHMETICS:  # twins one after the other
        found[NUMPY, arithmetic] = Contestant(network(start, "numpy", arithmetic), parts["numpy"])
        for name, compile in TORCH.items():
            if compile and not compiled:
                continue
            net = network(start, "torch", arithmetic, device, compile)
            if compile:
                seconds = twin("torch", "compiled").prepare(net, Settings.mini_batch_size)
                if not net.compiled:
                    raise ValueError("--compile: nothing can be compiled here: leave it out")
                note(f"{name}, {arithmetic}: in {seconds:.0f} s")
            found[name, arithmetic] = Contestant(net, parts["torch"])
    for name, arithmetic, other in others(start):
        found[name, arithmetic] = Contestant(other, parts["numpy"])
    return found


def check_equal(found: dict[Key, Contestant], tell: Callable[[str], object]) -> str:
    """Return the fingerprint of all in fixed-point after two epochs, or raise where two differ.

    Everybody takes these steps before any is timed: PyTorch's networks record theirs meanwhile.
    """
    marks = {}
    for (name, arithmetic), one in found.items():
        tell(f"{name}, {arithmetic}")
        one.epoch()
        if arithmetic == "fixed-point":
            marks[name] = Parameters(one.net.sizes, *one.net.export()).fingerprint[:16]
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
    for done, (key, one) in enumerate(list(found.items()) * rounds, 1):
        times[key].append(one.epoch())
        on_epoch(done, ", ".join(key))
    return times


def table(times: dict[Key, list[Times]], of: str) -> str:
    """Return medians of the clock's or the processor's seconds as a Markdown table.

    In brackets are times NumPy's, as medians of the ratios round by round: what slows the machine
    slows both sides.
    """
    heads = ["float64", "float32", "fixed-point"]
    lines = [f"| {of}: seconds (times NumPy) | {' | '.join(heads)} |", "|---" * 4 + "|"]
    for name in dict.fromkeys(name for name, _ in times):
        cells = []
        for head in heads:
            own, numpy = (times.get((who, head), []) for who in (name, NUMPY))
            median = statistics.median(getattr(t, of) for t in own) if own else None
            by = f" ({ratio(own, numpy, of):.1f})" if own and numpy and name != NUMPY else ""
            cells.append("" if median is None else f"{median:.3f}{by}")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def ratio(above: Sequence[Times], below: Sequence[Times], of: str = "clock") -> float:
    """Return the median of the ratios of seconds, round by round."""
    pairs = zip(above, below, strict=True)
    return statistics.median(getattr(a, of) / getattr(b, of) for a, b in pairs)
