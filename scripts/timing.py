"""Times one epoch of every network beside the book's loop, in turn, so that ratios hold."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from model.mnist_files import MnistFiles
from model.parameters import Parameters
from scripts import note
from scripts.book_loop import BookLoop
from scripts.command_line import PACKAGES, Settings, load_examples, network, twin

BOOK = "the book's loop"
RATES = Settings.mini_batch_size, Settings.eta
Times = tuple[float, float]  # seconds of the clock, and of the processor


class Contestant:
    """What is timed: a network, and the data that it trains on."""

    def __init__(self, net: Any, data: Any) -> None:
        self.net, self.data = net, data

    def epoch(self) -> Times:
        """Train two epochs and return how long the second took.

        Checking the data and warming the caches is not training.
        """
        ends: list[Times] = []

        def on_epoch(*_: object) -> None:
            ends.append((time.perf_counter(), time.process_time()))

        self.net.SGD(self.data, 2, *RATES, rng=np.random.default_rng(0), on_epoch=on_epoch)
        return ends[1][0] - ends[0][0], ends[1][1] - ends[0][1]


def contestants(
    start: Parameters,
    files: MnistFiles,
    device: str,
    examples: int | None,
    compiled: bool | None = False,
) -> dict[str, Contestant]:
    """Return by name what is timed, on so many examples; the device is the PyTorch networks'.

    A compiled network is there if asked for; what the compiler took is said, and no part of it.
    """
    parts = {}
    for backend in PACKAGES:
        data = load_examples(files, backend)[0]
        if examples is not None and examples > len(data):
            raise ValueError(
                f"--examples {examples}: the training data have {len(data)}: ask for fewer"
            )
        parts[backend] = type(data)(data.x[:examples], data.y[:examples])
    pairs = [(x.astype(np.float64), y.astype(np.float64)) for x, y in parts["numpy"]]
    found = {BOOK: Contestant(BookLoop(start), pairs)}
    on = "" if device == "cpu" else f" on {device}"
    for arithmetic in ("float64", "float32", "fixed-point"):  # twins one after the other
        found[f"numpy {arithmetic}"] = Contestant(
            network(start, "numpy", arithmetic), parts["numpy"]
        )
        for how, compile in (("", None), (", step by step", False), (", compiled", True)):
            if compile and not compiled:
                continue
            net = network(start, "torch", arithmetic, device, compile)
            if compile:
                seconds = twin("torch", "compiled").prepare(net, Settings.mini_batch_size)
                if not net.compiled:
                    raise ValueError("--compile: nothing can be compiled here: leave it out")
                note(f"torch {arithmetic}: compiled in {seconds:.0f} s")
            found[f"torch {arithmetic}{how}{on}"] = Contestant(net, parts["torch"])
    return found


def check_equal(found: dict[str, Contestant]) -> str:
    """Return the fingerprint of all in fixed-point after two epochs, or raise where two differ.

    Everybody takes these steps before any is timed: PyTorch's networks record theirs meanwhile.
    """
    marks = {}
    for name, one in found.items():
        one.epoch()
        if "fixed-point" in name:
            marks[name] = Parameters(one.net.sizes, *one.net.export()).fingerprint[:16]
    if len(set(marks.values())) > 1:
        raise ValueError(f"nothing is timed, for these are not one network: {marks}")
    return next(iter(marks.values()))


def interleaved(
    found: dict[str, Contestant], rounds: int, on_epoch: Callable[[int, str], object]
) -> dict[str, list[Times]]:
    """Return the times of every contestant in every round, each round one epoch of each.

    `on_epoch` is told how many epochs have been timed, and of which contestant the last one was.
    """
    times: dict[str, list[Times]] = {name: [] for name in found}
    for done, (name, one) in enumerate(list(found.items()) * rounds, 1):
        times[name].append(one.epoch())
        on_epoch(done, name)
    return times


def table(times: dict[str, list[Times]]) -> str:
    """Return the medians and ratios as a Markdown table.

    Ratios are medians of the ratios round by round: what slows the machine slows both sides.
    """
    lines = [
        "| one epoch | seconds | of the processor | faster than the book | times NumPy |",
        "|---|---|---|---|---|",
    ]
    for name, own in times.items():
        clock, processor = (statistics.median(each) for each in zip(*own, strict=True))
        numpy = times.get(name.split(" on ")[0].split(", ")[0].replace("torch", "numpy"))
        slower = f"{ratio(own, numpy):.1f}" if name.startswith("torch") and numpy else ""
        faster = ratio(times[BOOK], own)
        lines.append(f"| {name} | {clock:.3f} | {processor:.3f} | {faster:.1f} | {slower} |")
    return "\n".join(lines)


def ratio(above: list[Times], below: list[Times]) -> float:
    """Return the median of the ratios of seconds, round by round."""
    return statistics.median(a[0] / b[0] for a, b in zip(above, below, strict=True))
