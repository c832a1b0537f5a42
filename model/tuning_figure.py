"""Draws how configurations compare: validation accuracy by epoch, and how far the seeds spread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from model.canvas import (
    FAINT,
    FIRES,
    INK,
    QUIET,
    box,
    house_style,
    new_figure,
    write_footer,
    write_title,
)

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


@house_style()
def tuning_figure(results: dict[str, Any]) -> Figure:
    """Draw results as `scripts.tune` writes them.

    Parameters
    ----------
    results : dict
        Of results.json: `configurations`, `chosen`, `seeds`, `epochs`, `finding`, `notice`.
    """
    chosen = results["configurations"][results["chosen"]["configuration"]]
    ranked = sorted(results["configurations"], key=lambda one: -one["accuracy"]["mean"])
    panels = ranked[:MOST_PANELS]
    rows = -(-len(panels) // COLUMNS)
    middle = rows * (PANEL_HEIGHT + 0.55) + 0.2
    figure = new_figure(WIDTH, 1.1 + middle + ROW_HEIGHT * len(ranked) + 1.1)
    top = write_title(figure, results["finding"], SUBTITLE) + 0.4
    draw_panels(figure, top, panels, chosen)
    axes = figure.add_axes(
        box(figure, NAMES, top + middle, WIDTH - NAMES - 0.95, ROW_HEIGHT * len(ranked) + 0.1)
    )
    draw_spread(axes, ranked, chosen)
    left_out = f"; the best {len(panels)} of {len(ranked)} by epoch" if panels != ranked else ""
    write_footer(figure, f"{footer(results)}{left_out}")
    return figure


def footer(results: dict[str, Any]) -> str:
    """Return the small print: how the runs were made, on what data.

    Parameters
    ----------
    results : dict
    """
    made = f"{results['epochs']} epochs, seeds {', '.join(map(str, results['seeds']))}"
    return f"{made}, {results['arithmetic']}; {results['notice'] or 'MNIST, validation images'}"


def draw_panels(
    figure: Figure, top: float, panels: Sequence[dict[str, Any]], chosen: dict[str, Any]
) -> None:
    """Draw the accuracy by epoch of some configurations beside each other, on shared axes.

    Parameters
    ----------
    figure : Figure
    top : float
        Inches above the first row.
    panels : sequence of dict
        Of `configurations`.
    chosen : dict
        The one of them that was chosen.
    """
    width = (WIDTH - LEFT - 0.2 - GAP * (COLUMNS - 1)) / COLUMNS
    first: Axes | None = None
    for k, one in enumerate(panels):
        row, column = divmod(k, COLUMNS)
        place = LEFT + column * (width + GAP), top + row * (PANEL_HEIGHT + 0.55)
        axes = figure.add_axes(box(figure, *place, width, PANEL_HEIGHT), sharex=first, sharey=first)
        first = first or axes
        draw_by_epoch(axes, one, chosen)
        if column:
            axes.tick_params(labelleft=False)
        else:
            axes.set_ylabel("validation accuracy, %")
        if k + COLUMNS >= len(panels):
            axes.set_xlabel("epoch")


def draw_by_epoch(axes: Axes, one: dict[str, Any], chosen: dict[str, Any]) -> None:
    """Draw one configuration's accuracy by epoch, each seed and the mean.

    Parameters
    ----------
    axes : Axes
    one, chosen : dict
        Of `configurations`.
    """
    epochs = range(1, len(one["mean_by_epoch"]) + 1)
    mark = "o" if len(epochs) == 1 else ""
    colour = FIRES if one is chosen else INK
    axes.plot(epochs, percents(chosen["mean_by_epoch"]), ":", color=FIRES, lw=1.2)
    mean = percents(one["mean_by_epoch"])
    axes.plot(epochs, mean, marker=mark, ms=8, color=colour, lw=3, alpha=0.4)
    for shares in one["by_epoch"]:
        axes.plot(epochs, percents(shares), marker=mark, ms=3, color=colour, lw=0.7)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.grid(axis="y", color=QUIET, alpha=0.3, lw=0.6)
    axes.set_title(one["name"], color=colour, size=8.5)


def draw_spread(axes: Axes, ranked: Sequence[dict[str, Any]], chosen: dict[str, Any]) -> None:
    """Draw the final accuracy of every seed of every configuration, the best on top.

    Parameters
    ----------
    axes : Axes
    ranked : sequence of dict
        Of `configurations`, in the order of the rows.
    chosen : dict
    """
    edge = 100 * chosen["accuracy"]["mean"] - MOST_BEHIND
    for row, one in enumerate(ranked):
        colour = FIRES if one is chosen else INK
        draw_row(axes, row, one, colour, edge)
        accuracy = one["accuracy"]
        sd = "" if accuracy["sd"] is None else f" ± {100 * accuracy['sd']:.2f}"
        axes.text(
            1.015, row, f"{100 * accuracy['mean']:.2f}{sd}", transform=axes.get_yaxis_transform(),
            va="center", size=8, color=colour,
        )  # fmt: skip
    if 100 * min(one["accuracy"]["min"] for one in ranked) < edge:
        axes.set_xlim(left=edge)
    axes.set_yticks(range(len(ranked)), [one["name"] for one in ranked])
    axes.get_yticklabels()[ranked.index(chosen)].set(color=FIRES, weight="bold")
    axes.set_ylim(len(ranked) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0, pad=8)
    axes.grid(axis="x", color=QUIET, alpha=0.3, lw=0.6)
    axes.set_xlabel("validation accuracy after the last epoch, %")
    axes.text(
        1.015, 1.02, "mean ± sd", transform=axes.transAxes, va="bottom", size=7.5, color=FAINT
    )


def draw_row(axes: Axes, row: int, one: dict[str, Any], colour: str, edge: float) -> None:
    """Draw the final accuracy of one configuration's seeds, and where they lie beyond the edge.

    Parameters
    ----------
    axes : Axes
    row : int
    one : dict
        Of `configurations`.
    colour : str
    edge : float
        Percent; what lies to the left of it becomes an arrow.
    """
    least, mean, most = percents([one["accuracy"][key] for key in ("min", "mean", "max")])
    axes.plot([max(least, edge), max(most, edge)], [row, row], color=QUIET, lw=1)
    seeds = [share for share in percents(one["final"]) if share >= edge]
    axes.plot(seeds, [row] * len(seeds), "o", color=colour, ms=3)
    if mean >= edge:
        axes.plot([mean], [row], "|", color=colour, ms=12, mew=3, alpha=0.4)
    if least < edge:
        axes.plot([edge], [row], "<", color=colour, ms=5, clip_on=False)


def percents(shares: Sequence[float]) -> list[float]:
    """Return shares as the axes show them.

    Parameters
    ----------
    shares : sequence of float
    """
    return [100 * share for share in shares]
