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
Epoch = Callable[[], float]  # trains one epoch, returns its seconds


def contestants(
    start: Parameters,
    files: MnistFiles,
    device: str,
    examples: int | None,
    compiled: bool | None = False,
) -> dict[str, Epoch]:
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
    epochs = {BOOK: book_epoch(start, parts["numpy"])}
    for arithmetic in ("float64", "float32", "fixed-point"):
        for backend, where in (("numpy", "cpu"), ("torch", device)):  # twins one after the other
            net = network(start, backend, arithmetic, where)
            name = f"{backend} {arithmetic}" + (f" on {where}" if where != "cpu" else "")
            epochs[name] = network_epoch(net, parts[backend])
        if compiled:
            net = network(start, "torch", arithmetic, device, compiled=True)
            seconds = twin("torch", "compiled").prepare(net, Settings.mini_batch_size)
            if not net.compiled:
                raise ValueError("--compile: nothing can be compiled here: leave it out")
            note(f"torch {arithmetic}: compiled in {seconds:.0f} s")
            epochs[f"torch {arithmetic} compiled"] = network_epoch(net, parts["torch"])
    return epochs


def book_epoch(start: Parameters, data: Any) -> Epoch:
    """Return a function that trains the book's loop for one epoch and returns its seconds."""
    pairs = [(x.astype(np.float64), y.astype(np.float64)) for x, y in data]
    loop = BookLoop(start)
    order = np.random.default_rng(0).permutation(len(pairs))

    def epoch() -> float:
        begun = time.perf_counter()
        loop.train_epoch(pairs, order, *RATES)
        return time.perf_counter() - begun

    return epoch


def network_epoch(net: Any, data: Any) -> Epoch:
    """Return a function that trains a network for one epoch and returns its seconds.

    It trains two and times the second: checking the data and warming the caches is not training.
    """

    def epoch() -> float:
        finished: list[float] = []
        rng = np.random.default_rng(0)
        net.SGD(data, 2, *RATES, rng=rng, on_epoch=lambda *_: finished.append(time.perf_counter()))
        return finished[1] - finished[0]

    return epoch


def interleaved(
    epochs: dict[str, Epoch], rounds: int, on_epoch: Callable[[int, str], object]
) -> dict[str, list[float]]:
    """Return the seconds of every contestant in every round, each round one epoch of each.

    `on_epoch` is told how many epochs have been timed, and of which contestant the last one was.
    """
    seconds: dict[str, list[float]] = {name: [] for name in epochs}
    for done, (name, epoch) in enumerate(list(epochs.items()) * rounds, 1):
        seconds[name].append(epoch())
        on_epoch(done, name)
    return seconds


def table(seconds: dict[str, list[float]]) -> str:
    """Return the medians and ratios as a Markdown table.

    Ratios are medians of the ratios round by round: what slows the machine slows both sides.
    """
    lines = [
        "| one epoch | seconds | faster than the book | times NumPy |",
        "|---|---|---|---|",
    ]
    for name, times in seconds.items():
        faster = ratio(seconds[BOOK], times)
        numpy = seconds.get(
            name.split(" on ")[0].removesuffix(" compiled").replace("torch", "numpy")
        )
        slower = f"{ratio(times, numpy):.1f}" if name.startswith("torch") and numpy else ""
        lines.append(f"| {name} | {statistics.median(times):.3f} | {faster:.1f} | {slower} |")
    return "\n".join(lines)


def ratio(above: list[float], below: list[float]) -> float:
    """Return the median of the ratios of seconds, round by round."""
    return statistics.median(a / b for a, b in zip(above, below, strict=True))
