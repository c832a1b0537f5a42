"""Draws the study of seeds: what start, order and rounding decide, what is universal, and when."""

from __future__ import annotations

from typing import Any

import numpy as np

from model import canvas
from model.canvas import Axes, Figure
from model.pages import Picture
from model.selectivity import Array, wilson
from model.universality import UNIVERSAL, Study, in_words, interval

#: What each row compares with a base network, from alike to chance.
ARMS = {
    "rounding": "one grid unit\nin one weight",
    "order": "another order\nof the examples",
    "start": "another start",
    "random": "a random layer",
    "both random": "two random layers",
}
MOST_PARTITIONS = 20
BAR: dict[str, Any] = {"solid_capstyle": "butt", "color": canvas.INK}


def atlas(study: Study, note: str = "") -> Picture:
    """The study in five panels."""
    alike = {arm: float(np.median(study.alike(arm))) for arm in ("rounding", "order", "start")}
    told = ", ".join(f"{arm} {r:.2f}" for arm, r in alike.items())
    title = f"How alike a network's neurons stay when one thing differs: {told}"
    bases = len(study.networks("base"))
    how = (
        f"{len(study.data['networks'])} networks of 30 epochs, {bases} starts; z of the validation "
        "images, neurons matched one to one. Bars at a point are 95 % intervals over starts."
    )
    pruned = {f"{100 * float(zero):.0f}%": v for zero, v in study.kept("pruned").items()}

    def draw(figure: Figure, _: float) -> None:
        top = canvas.write_title(figure, title, how) + 0.35
        draw_causes(canvas.panel(figure, 1.35, top, 2.5, 2.4), study)
        draw_partitions(canvas.panel(figure, 5.6, top, 2.2, 5.55), study)
        early = canvas.panel(figure, 0.55, top + 3.25, 1.05, 2.1)
        draw_steps(early, study.kept("early"), "epochs", "Over time")
        early.set_ylabel("% with the final partition")
        middle = canvas.panel(figure, 1.95, top + 3.25, 0.8, 2.1)
        draw_steps(middle, pruned, "weights zero", "Pruned")
        right = canvas.panel(figure, 3.1, top + 3.25, 1.05, 2.1)
        draw_steps(right, study.single(), "hidden neurons", "% for one digit")

    return Picture("seeds.png", "Seeds", title, (7.3, draw), note)


def draw_causes(axes: Axes, study: Study) -> None:
    """Draw |correlation of z| of matched neurons: quartiles, the middle 90 %, and the median."""
    for row, arm in enumerate(ARMS):
        values = study.alike(arm)
        low, lower, upper, high = np.quantile(values, (0.05, 0.25, 0.75, 0.95))
        axes.plot([low, high], [row, row], lw=1, **BAR)
        axes.plot([lower, upper], [row, row], lw=7, solid_capstyle="butt", color=canvas.QUIET)
        middle, bounds = interval(values, np.median)
        axes.plot(bounds, [row, row], lw=4, **BAR)
        axes.plot([middle], [row], "o", color="white", mec=canvas.INK, ms=6)
        axes.text(middle, row - 0.3, f"{middle:.2f}", ha="center", size=8)
    axes.set_yticks(range(len(ARMS)), list(ARMS.values()))
    axes.tick_params(axis="y", length=0)
    axes.set(xlim=(0, 1.02), ylim=(len(ARMS) - 0.5, -0.7), title="Against a network with")
    axes.set_xlabel("|correlation of z|: 5, 25, 50, 75, 95 %")


def draw_partitions(axes: Axes, study: Study) -> None:
    """Draw in which share of the networks each partition is, of even and of odd seeds."""
    holding = study.holding()
    halves = study.holding(0), study.holding(1)
    rows = list(holding)[:MOST_PARTITIONS]
    for row, partition in enumerate(rows):
        has = holding[partition]
        share, bounds = has.mean(), wilson(has.sum(), np.array(len(has)))
        axes.plot(100 * bounds, [row, row], lw=3, solid_capstyle="butt", color=canvas.QUIET)
        axes.plot([100 * share], [row], "o", color=canvas.INK, ms=5)
        for half, mark in zip(halves, "<>", strict=True):
            if partition in half:
                place = 100 * half[partition].mean()
                axes.plot([place], [row], mark, color="none", mec=canvas.FAINT, ms=6, mew=0.8)
    axes.axvline(100 * UNIVERSAL, color=canvas.FAINT, lw=0.8, ls=":")
    axes.set_yticks(range(len(rows)), [in_words(p) for p in rows])
    axes.tick_params(axis="y", length=0)
    axes.set(xlim=(0, 103), ylim=(len(rows) - 0.5, -0.7), title="Which partitions form")
    axes.set_xlabel("% of the starts (◁ even, ▷ odd seeds)")


def draw_steps(axes: Axes, steps: dict[str, Array], across: str, title: str) -> None:
    """Draw shares of neurons, with their intervals, along some steps."""
    for place, values in enumerate(steps.values()):
        share, bounds = interval(values)
        axes.plot([place, place], 100 * bounds, lw=3, solid_capstyle="butt", color=canvas.QUIET)
        axes.plot([place], [100 * share], "o", color=canvas.INK, ms=5)
        axes.text(place, 100 * share + 5, f"{100 * share:.0f}", ha="center", size=8)
    axes.set_xticks(range(len(steps)), list(steps))
    axes.set(xlim=(-0.5, len(steps) - 0.5), ylim=(0, 108), xlabel=across, title=title)
