"""How two correct networks part: each trained freely from the same start, in the same order.

Rounding makes them differ by about 1e-16 after a step. Where training is chaotic (eta 3.0) every
further thousand steps multiplies that, until they are different networks of the same accuracy;
where it is not (eta 0.5) they stay together. Both are measured and drawn.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compare.difference import plain
from model.atomic_write import write_atomically

CALM = 0.5  # a learning rate at which training is not chaotic
EVERY = 50  # steps between two measurements
# Beyond the first no single step's rounding explains a difference; beyond the second they are two
# networks. Between the two the curve is straight on a logarithmic axis.
LEFT_ROUNDING = {"float64": 1e-12, "float32": 1e-4}
PARTED = {"float64": 1e-3, "float32": 1e-1}
COMPARED = "reference.network and {}, both left free: the same start, examples and order."
NO_DIFFERENCE = 1e-17  # stands for 0 on a logarithmic axis: below the last bit


def described(
    candidate: str, eta: float, steps: list[int], gaps: list[float], dtype: str
) -> dict[str, Any]:
    """Return what was measured of one run, and what it says."""
    left, parted = LEFT_ROUNDING[dtype], PARTED[dtype]
    return {
        "candidate": candidate,
        "eta": eta,
        "limits": [left, parted],
        "steps": steps,
        "differences": gaps,
        "left_rounding_at": first_above(steps, gaps, left),
        "parted_at": first_above(steps, gaps, parted),
        "growth_per_1000_steps": growth(np.array(steps), np.array(gaps), left, parted),
    }


def first_above(steps: list[int], gaps: list[float], limit: float) -> int | None:
    """Return the first step measured from which on the difference stays above a limit."""
    found = None
    for step, g in zip(reversed(steps), reversed(gaps), strict=True):
        if g <= limit:
            break
        found = step
    return found


def growth(steps: NDArray[Any], gaps: NDArray[Any], low: float, high: float) -> float | None:
    """Return the factor by which the difference grows in 1,000 steps, once it grows.

    A straight line on the logarithmic axis, by least squares, from where the difference has left
    rounding for good to where it is two networks'; None where that is never, or too short.
    """
    above = np.flatnonzero(gaps > high)
    end = above[0] if len(above) else len(gaps)
    below = np.flatnonzero(gaps[:end] <= low)
    start = below[-1] + 1 if len(below) else 0
    if end - start < 4:
        return None
    line = np.polyfit(steps[start:end], np.log10(gaps[start:end]), 1)
    return float(10 ** (1000 * line[0]))


def in_words(run: dict[str, Any]) -> str:
    """Return the finding of one run in words."""
    steps, last = run["steps"][-1], run["differences"][-1]
    if run["parted_at"] is None:
        return f"left free with eta {run['eta']:g} they are {last:.1g} apart after {steps:,} steps"
    rate = run["growth_per_1000_steps"]
    fast = f", growing {rate:,.0f} times in 1,000 steps" if rate else ""
    return (
        f"left free with eta {run['eta']:g} they leave rounding at step "
        f"{run['left_rounding_at']:,}{fast}, and are two networks from step {run['parted_at']:,} on"
    )


def draw(runs: list[dict[str, Any]], path: Path) -> None:
    """Draw the difference against the step, and write the data beside the picture as JSON."""
    from model import canvas

    with canvas.house_style():
        figure = canvas.new_figure(canvas.WIDTH, 4.6)
        top = canvas.write_title(figure, title(runs), COMPARED.format(runs[0]["candidate"])) + 0.25
        axes = canvas.panel(figure, 0.75, top, canvas.WIDTH - 0.95, 4.05 - top)
        for run, style in zip(runs, ("-", "--"), strict=False):
            shown = np.maximum(run["differences"], NO_DIFFERENCE)
            axes.semilogy(run["steps"], shown, style, color=canvas.INK, lw=1.6)
            end, label = (run["steps"][-1], shown[-1]), f"eta {run['eta']:g}"
            axes.annotate(label, end, xytext=(4, 0), textcoords="offset points", va="center")
        low, high = runs[0]["limits"]
        last = 1.1 * runs[0]["steps"][-1]
        for limit, text, x, side in (
            (low, "rounding explains what lies below", 0.99, "right"),  # where no curve crosses
            (high, "two different networks above", 0.01, "left"),
        ):
            axes.axhline(limit, color=canvas.FAINT, lw=0.8, ls=":")
            axes.text(x * last, limit, text, color=canvas.FAINT, ha=side, va="bottom")
        axes.set_xlabel(f"step ({runs[0]['steps_in_an_epoch']:,} in an epoch)")
        axes.set_ylabel("largest difference of any weight or bias")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0e}")
        axes.grid(True, axis="y", color=canvas.QUIET, lw=0.4)
        axes.set_xlim(0, last)
    data = json.dumps(plain({"runs": runs}), indent=1) + "\n"
    write_atomically(path.with_suffix(".json"), data.encode())
    canvas.save_png(figure, path)


def title(runs: list[dict[str, Any]]) -> str:
    """Return what the picture shows, in a sentence."""
    found: dict[str, list[str]] = {"two correct networks part": [], "they stay together": []}
    parted, stayed = found.values()
    for run in runs:
        (stayed if run["parted_at"] is None else parted).append(f"{run['eta']:g}")
    words = [f"with eta {' and '.join(etas)} {what}" for what, etas in found.items() if etas]
    return ", ".join(words).capitalize()
