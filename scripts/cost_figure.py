"""What a step costs against the hidden units and the mini-batch, and what it is bound by."""

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from model.atomic_write import write_atomically
from model.initial import initial_parameters
from scripts.command_line import Settings, network
from scripts.yardsticks import timed

HIDDEN = 5, 10, 20, 40, 80, 160, 320
MINI_BATCHES = 1, 2, 5, 10, 30, 100, 300, 1000
STEPS, ROUNDS = 50, 9  # timed at once, and how often
WHAT = {"torch": "PyTorch, step by step", "numpy": "NumPy", "products": "its two large products"}
Cost = dict[str, list[float]]  # microseconds of a step, by what is timed


def measure(parts: dict[str, Any], tell: Callable[[str], object]) -> dict[str, Any]:
    """Return microseconds of a step in float32: medians of a few rounds, taken in turn."""
    panels = {}
    for name, values in (("hidden units", HIDDEN), ("examples in a mini-batch", MINI_BATCHES)):
        costs: Cost = {what: [] for what in WHAT}
        for value in values:
            tell(f"{value} {name}")
            hidden, m = (value, Settings.mini_batch_size) if name == "hidden units" else (20, value)
            for what, seconds in times_of(parts, hidden, m).items():
                costs[what].append(round(1e6 * statistics.median(seconds) / STEPS, 2))
        panels[name] = {"values": values, "microseconds": costs}
    return panels


def times_of(parts: dict[str, Any], hidden: int, m: int) -> dict[str, list[float]]:
    """Return the seconds of some steps in every round."""
    start = initial_parameters([784, hidden, 10], 0)
    contestants = {}
    for backend, data in parts.items():
        some = np.resize(np.arange(len(data)), STEPS * m)
        data = type(data)(data.x[some], data.y[some])
        contestants[backend] = network(start, backend, "float32", compile=False), data, m
    x, w, delta = (np.ones(shape, np.float32) for shape in ((m, 784), (hidden, 784), (m, hidden)))
    found: dict[str, list[float]] = {what: [] for what in WHAT}
    for _ in range(ROUNDS):
        for backend, one in contestants.items():
            found[backend].append(timed(*one).clock)
        begun = time.perf_counter()
        for _ in range(STEPS):
            np.dot(w, x.T)
            np.dot(delta.T, x)
        found["products"].append(time.perf_counter() - begun)
    return found


def draw(panels: dict[str, Any], path: Path) -> None:
    """Draw microseconds against hidden units and mini-batch, and write them beside as JSON."""
    from model import canvas

    with canvas.house_style():
        figure = canvas.new_figure(canvas.WIDTH, 3.6)
        top = 0.25 + canvas.write_title(
            figure,
            "A small step costs its calls, a large one its products",
            "Microseconds of a step of 784-h-10 in float32, one thread; left with mini-batches of "
            "10, right with 20 hidden units. Where a curve is flat it is bound by calls, where it "
            "runs beside the line of its products by arithmetic.",
        )
        width = (canvas.WIDTH - 1.9) / 2
        for k, (name, panel) in enumerate(panels.items()):
            left = 0.7 + k * (width + 0.35)
            axes = canvas.panel(figure, left, top, width, 3.05 - top)
            for (what, label), style in zip(WHAT.items(), ("-", "-", ":"), strict=True):
                color = canvas.FAINT if what == "torch" else canvas.INK
                costs = panel["microseconds"][what]
                axes.loglog(panel["values"], costs, style, color=color, lw=1.6)
                if not k:  # one panel says which curve is which
                    at, down = (0, 5) if style == "-" else (len(costs) // 2, -14)
                    place = panel["values"][at], costs[at]
                    axes.annotate(
                        label, place, xytext=(0, down), textcoords="offset points", color=color
                    )
            axes.set_xlabel(name)
            axes.set_xticks(panel["values"], [f"{v:,}" for v in panel["values"]], minor=False)
            axes.set_ylim(5, 10_000)
            axes.set_yticks([10, 100, 1000], ["10", "100", "1,000"])
            axes.minorticks_off()
            axes.grid(True, axis="y", color=canvas.QUIET, lw=0.4)
    data = json.dumps(panels, indent=1) + "\n"
    write_atomically(path.with_suffix(".json"), data.encode())
    canvas.save_png(figure, path)
