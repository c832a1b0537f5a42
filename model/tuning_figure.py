"""Draws how configurations compare: validation accuracy by epoch, and how far the seeds spread.

`one` and `chosen` are entries of `configurations` in results.json, as `scripts.tune` writes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from model import canvas  # before matplotlib, which is imported with care there
from model.canvas import Axes, Figure
from model.printable import printable

# isort: split
from matplotlib.ticker import MaxNLocator

Configuration = dict[str, Any]

#: Configurations that get a panel of their own; every one has its row in the spread below.
MOST_PANELS = 12
COLUMNS = 3
#: Percentage points behind the chosen one at which the spread ends.
MOST_BEHIND = 10.0
#: Inches.
WIDTH, LEFT, GAP, PANEL_HEIGHT, ROW_HEIGHT, NAMES = 9.0, 0.75, 0.3, 1.75, 0.24, 2.65

SUBTITLE = (
    "Above: validation accuracy after each epoch, a thin line for each seed, the mean thick; the "
    "dotted line is the mean of the chosen one. Below: after the last epoch, a dot for each seed, "
    "an upright bar for the mean, an arrow for what lies further left."
)


@canvas.house_style()
def tuning_figure(results: dict[str, Any]) -> Figure:
    """Draw results.json, as `scripts.tune` writes it."""
    chosen = results["configurations"][results["chosen"]["configuration"]]
    ranked = sorted(results["configurations"], key=lambda one: -one["accuracy"]["mean"])
    panels = ranked[:MOST_PANELS]
    middle = -(-len(panels) // COLUMNS) * (PANEL_HEIGHT + 0.55) + 0.2
    spread = ROW_HEIGHT * len(ranked)
    figure = canvas.new_figure(WIDTH, 1.1 + middle + spread + 1.1)
    top = canvas.write_title(figure, results["finding"], SUBTITLE) + 0.4
    draw_panels(figure, top, panels, chosen)
    place = NAMES, top + middle, WIDTH - NAMES - 0.95, spread + 0.1
    draw_spread(canvas.panel(figure, *place), ranked, chosen)
    made = f"{results['epochs']} epochs, seeds {', '.join(map(str, results['seeds']))}"
    data = printable(results["notice"]) or "MNIST, validation images"
    left_out = f"; the best {len(panels)} of {len(ranked)} by epoch" if panels != ranked else ""
    canvas.write_footer(figure, f"{made}, {results['arithmetic']}; {data}{left_out}")
    return figure


def draw_panels(
    figure: Figure, top: float, panels: Sequence[Configuration], chosen: Configuration
) -> None:
    """Draw accuracies by epoch beside each other on shared axes, `top` inches from above."""
    width = (WIDTH - LEFT - 0.2 - GAP * (COLUMNS - 1)) / COLUMNS
    first: Axes | None = None
    for k, one in enumerate(panels):
        row, column = divmod(k, COLUMNS)
        place = LEFT + column * (width + GAP), top + row * (PANEL_HEIGHT + 0.55)
        axes = canvas.panel(figure, *place, width, PANEL_HEIGHT, sharex=first, sharey=first)
        first = first or axes
        draw_by_epoch(axes, one, chosen)
        axes.tick_params(labelleft=not column)
        axes.set_ylabel("" if column else "validation accuracy, %")
        axes.set_xlabel("epoch" if k + COLUMNS >= len(panels) else "")


def draw_by_epoch(axes: Axes, one: Configuration, chosen: Configuration) -> None:
    """Draw one configuration's accuracy by epoch, each seed and the mean."""
    epochs = range(1, len(one["mean_by_epoch"]) + 1)
    mark = "o" if len(epochs) == 1 else ""
    colour = canvas.CHOSEN if one is chosen else canvas.INK
    of_chosen, mean = (100 * np.array(c["mean_by_epoch"]) for c in (chosen, one))
    axes.plot(epochs, of_chosen, ":", color=canvas.CHOSEN, lw=1.2)
    axes.plot(epochs, mean, marker=mark, ms=8, color=colour, lw=3, alpha=0.4)
    for shares in 100 * np.array(one["by_epoch"]):
        axes.plot(epochs, shares, marker=mark, ms=3, color=colour, lw=0.7)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.grid(axis="y", color=canvas.QUIET, alpha=0.3, lw=0.6)
    axes.set_title(one["name"], color=colour, size=8.5)


def draw_spread(axes: Axes, ranked: Sequence[Configuration], chosen: Configuration) -> None:
    """Draw the final accuracy of every seed of every configuration, the best on top."""
    edge = 100 * chosen["accuracy"]["mean"] - MOST_BEHIND
    beside: Any = {"transform": axes.get_yaxis_transform(), "va": "center", "size": 8}
    for row, one in enumerate(ranked):
        colour, accuracy = canvas.CHOSEN if one is chosen else canvas.INK, one["accuracy"]
        least, mean, most = (100 * accuracy[key] for key in ("min", "mean", "max"))
        axes.plot([least, most], [row, row], color=canvas.QUIET, lw=1)
        axes.plot(100 * np.array(one["final"]), [row] * len(one["final"]), "o", color=colour, ms=3)
        axes.plot([mean], [row], "|", color=colour, ms=12, mew=3, alpha=0.4)
        if least < edge:
            axes.plot([edge], [row], "<", color=colour, ms=5, clip_on=False)
        sd = "" if accuracy["sd"] is None else f" ± {100 * accuracy['sd']:.2f}"
        axes.text(1.015, row, f"{mean:.2f}{sd}", color=colour, **beside)
    if 100 * min(one["accuracy"]["min"] for one in ranked) < edge:
        axes.set_xlim(left=edge)
    axes.set_yticks(range(len(ranked)), [one["name"] for one in ranked])
    axes.get_yticklabels()[ranked.index(chosen)].set(color=canvas.CHOSEN, weight="bold")
    axes.set(ylim=(len(ranked) - 0.5, -0.5), xlabel="validation accuracy after the last epoch, %")
    axes.tick_params(axis="y", length=0, pad=8)
    axes.grid(axis="x", color=canvas.QUIET, alpha=0.3, lw=0.6)
    above: Any = {"transform": axes.transAxes, "va": "bottom", "size": 7.5}
    axes.text(1.015, 1.02, "mean ± sd", color=canvas.FAINT, **above)
