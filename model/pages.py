"""Puts figures together on pages: the sheet of one neuron, its activations, the layer, a run.

`n` is a neuron's number, `note` the small print, `images` the (examples, pixels) that the records
were measured on, 0 to 1. Places are in inches from the top left corner of the page.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from model import figures, words
from model.canvas import (
    FAINT,
    box,
    house_style,
    inches,
    new_figure,
    png_bytes,
    wrapped,
    write,
    write_footer,
    write_title,
)
from model.figures import Array, Figure
from model.neurons import NeuronRecords

#: A4, lying; the activations of one neuron; a run; one small picture.
PAGE, ACTIVATIONS, RUN, SMALL = (11.69, 8.27), (9.0, 5.6), (9.6, 4.6), (5.0, 3.4)


@dataclass(frozen=True, eq=False)
class Picture:
    """A figure, the name of its file, and what it shows in a sentence."""

    file: str
    caption: str
    figure: Figure

    def png(self) -> bytes:
        """The bytes of the file."""
        return png_bytes(self.figure)


@house_style()
def sheet(records: NeuronRecords, n: int, images: Array, note: str = "") -> Picture:
    """All that is known of one neuron, on one page."""
    if not 0 <= n < records.hidden:
        raise ValueError(
            f"neuron: expected a number from 0 to {records.hidden - 1}, received {n}; "
            f"the first hidden layer of this model has {records.hidden}"
        )
    figure, title = new_figure(*PAGE), words.title(records, n)
    role = f"{words.role_line(records, n)} One neuron of {words.layer(records)}."
    write_title(figure, title, role)
    _draw_pixels(figure, records, n)
    rankings = [
        (records.highest, "Largest z"),
        (records.nearest_zero, "Nearest z = 0, between firing and not"),
        (records.lowest, "Smallest z"),
    ]
    for row, (ranking, what) in enumerate(rankings):
        top = 0.86 + 1.05 * row
        _heading(figure, 5.55, top, figures.ranked_title(ranking, n, what))
        axes = figure.add_axes(box(figure, 5.55, top + 0.08, 5.95, 0.66))
        figures.draw_ranked(axes, ranking, n, images)
    figures.draw_z_by_digit(figure.add_axes(box(figure, 0.62, 4.5, 3.9, 2.42)), records, n)
    panels = [
        (figures.draw_class_selectivity, 5.75, 4.5),
        (figures.draw_auroc, 8.85, 4.5),
        (figures.draw_output_weights, 5.75, 5.97),
        (figures.draw_recall_lost, 8.85, 5.97),
    ]
    for draw, left, top in panels:
        axes = figure.add_axes(box(figure, left, top, 2.5, 0.95))
        draw(axes, records, n)
        axes.title.set_fontsize(8.5)
    told = wrapped(" ".join(words.story(records, n)[1:]), PAGE[0] - 0.4, 8.5)
    write(figure, 0.2, 7.47, told, size=8.5, linespacing=1.3)
    write_footer(figure, note)
    return Picture(f"neuron-{n:02d}.png", title + ".", figure)


@house_style()
def activations(records: NeuronRecords, n: int, images: Array, note: str = "") -> Picture:
    """What one neuron responds to: top inputs, z by digit, and its class selectivity."""
    figure, title = new_figure(*ACTIVATIONS), words.title(records, n)
    write_title(figure, title, words.role_line(records, n))
    _heading(figure, 0.35, 0.85, figures.ranked_title(records.highest, n, "Largest z"))
    axes = figure.add_axes(box(figure, 0.35, 0.93, 8.4, 0.93))
    figures.draw_ranked(axes, records.highest, n, images, indices=True)
    figures.draw_z_by_digit(figure.add_axes(box(figure, 0.6, 2.5, 4.0, 2.4)), records, n)
    figures.draw_class_selectivity(figure.add_axes(box(figure, 5.75, 2.5, 3.0, 0.95)), records, n)
    figures.draw_auroc(figure.add_axes(box(figure, 5.75, 3.95, 3.0, 0.95)), records, n)
    write_footer(figure, note)
    return Picture(f"activations-{n:02d}.png", title + ".", figure)


@house_style()
def distribution(records: NeuronRecords, n: int) -> Picture:
    """One small picture of a neuron: its z by digit."""
    figure = new_figure(*SMALL)
    figures.draw_z_by_digit(figure.add_axes((0.12, 0.15, 0.76, 0.7)), records, n)
    return Picture(f"z-{n:02d}.png", words.title(records, n) + ".", figure)


def layer_pictures(
    records: NeuronRecords, correct: Sequence[int], examples: int, note: str = ""
) -> Iterator[Picture]:
    """All that shows the layer as a whole, and the run: images recognised after each epoch."""
    yield weights(records, note)
    yield change(records, note)
    yield three_answers(records, note)
    yield firing_rates(records, note)
    yield run(records, correct, examples, note)


@house_style()
def weights(records: NeuronRecords, note: str = "") -> Picture:
    """The heatmaps of all neurons' weights."""
    starts = words.start_correlations(records)
    title = f"The weights of {words.layer(records)}"
    if starts:
        where = " in the median neuron" if len(starts) > 1 else ""
        told = f"weights and start correlate {statistics.median(starts):.2f}"
        title = f"How much of the start is left: {told}{where}"
    how = f"Weights into each neuron of {words.layer(records)}, pixel by pixel"
    ends = "blue: inhibits\n(ink there lowers z)", "red: excites\n(ink there raises z)"
    figure = _grid(records, records.weights, title, how, ends, note)
    return Picture("weights.png", title + ".", figure)


@house_style()
def change(records: NeuronRecords, note: str = "") -> Picture:
    """The heatmaps of what training changed in all neurons' weights."""
    title = "What training changed is not known: the start of this network is not at hand"
    if records.change is not None:
        moved = [float(np.linalg.norm(own)) for own in records.change]
        most, least = int(np.argmax(moved)), int(np.argmin(moved))
        title = "What training changed: the weights minus their random start"
        if len(moved) > 1:
            title = f"Training changed neuron {most} most and neuron {least} least"
    how = f"Weights minus initial weights, for each neuron of {words.layer(records)}"
    ends = "blue: training lowered\nthe weight", "red: training raised\nthe weight"
    figure = _grid(records, records.change, title, how, ends, note)
    return Picture("change.png", title + ".", figure)


@house_style()
def three_answers(records: NeuronRecords, note: str = "") -> Picture:
    """What all neurons respond to, push towards and are needed for, rows in one order."""
    title = _answers_title(records)
    figure = new_figure(10.4, 1.75 + 0.25 * max(records.hidden, 4))
    across, down = inches(figure)
    titled = write_title(
        figure,
        title,
        f"{_roles_title(records)}, in {words.layer(records)}. "
        "A row is a neuron, a column a digit; rows are in one order, by role.",
    )
    width, gap, height = (across - 2.25 - 0.2 - 0.4) / 3, 0.2, down - titled - 0.65 - 0.35
    draws = (figures.draw_firing_rates, figures.draw_pushes, figures.draw_losses)
    for place, draw in enumerate(draws):
        left = 2.25 + place * (width + gap)
        axes = figure.add_axes(box(figure, left, titled + 0.65, width, height))
        draw(axes, records, labels=place == 0)
    write_footer(figure, note)
    return Picture("answers.png", title + ".", figure)


@house_style()
def firing_rates(records: NeuronRecords, note: str = "") -> Picture:
    """The share of each digit's images on which each neuron fires, ordered by role."""
    title = _roles_title(records)
    figure = new_figure(7.0, 1.75 + 0.25 * max(records.hidden, 4))
    across, down = inches(figure)
    top = 0.65 + write_title(figure, title, f"In {words.layer(records)}.")
    axes = figure.add_axes(box(figure, 2.25, top, across - 2.45, down - top - 0.35))
    figures.draw_firing_rates(axes, records)
    write_footer(figure, note)
    return Picture("firing-rates.png", title + ".", figure)


@house_style()
def run(records: NeuronRecords, correct: Sequence[int], examples: int, note: str = "") -> Picture:
    """How a run went: accuracy after each epoch, where known, and which digits are mistaken."""
    title = _mistakes_title(records)
    figure = new_figure(*RUN)
    write_title(figure, title, "On the diagonal: read rightly.")
    if correct:
        axes = figure.add_axes(box(figure, 0.7, 1.05, 3.6, 2.9))
        figures.draw_accuracy(axes, correct, examples, "validation")
    axes = figure.add_axes(box(figure, 5.3, 1.05, 4.0, 2.9))
    figures.draw_confusion(axes, records)
    axes.set_aspect("auto")
    axes.set_title("confusion: images of each digit, as they are read")
    write_footer(figure, note)
    return Picture("run.png", title + ".", figure)


@house_style()
def text_page(title: str, parts: Sequence[words.Section], note: str) -> Figure:
    """Headings and sentences on a page."""
    figure = new_figure(*PAGE)
    top = write_title(figure, title) + 0.15
    for heading, sentences in parts:
        write(figure, 0.2, top, heading, size=10, weight="bold")
        top += 0.22
        for sentence in sentences:
            lines = wrapped(sentence, PAGE[0] - 0.6, 9)
            write(figure, 0.3, top, lines, size=9, linespacing=1.25)
            top += 0.165 * len(lines.splitlines()) + 0.045
        top += 0.12
    write_footer(figure, note)
    return figure


@house_style()
def table_page(title: str, lines: Sequence[str], note: str) -> Figure:
    """Lines of a table on a page, as long as the table."""
    figure = new_figure(PAGE[0], max(PAGE[1], 1.2 + 0.21 * len(lines)))
    top = write_title(figure, title) + 0.15
    mono = {"family": "DejaVu Sans Mono", "linespacing": 1.4}
    write(figure, 0.2, top, "\n".join(lines), size=10, **mono)
    write_footer(figure, note)
    return figure


def _grid(
    records: NeuronRecords,
    values: Array | None,
    title: str,
    how: str,
    ends: tuple[str, str],
    note: str,
) -> Figure:
    """A grid of heatmaps; how to read it says where the colours end if anything lies beyond."""
    figure = new_figure(*figures.grid_inches(records.hidden))
    if values is not None:
        limit = figures.colour_limit(values, records.never_lit)
        how += ". One colour scale for all"
        if np.abs(values).max() > limit:
            how += f"; the largest, beyond {limit:.1f}, have its end colours"
    top = write_title(figure, title, how + ".") + 0.1
    figures.draw_grid(figure, records, values, top, *ends)
    write_footer(figure, note)
    return figure


def _draw_pixels(figure: Figure, records: NeuronRecords, n: int) -> None:
    """A neuron's weights and what training changed in them, on one scale."""
    limit = figures.colour_limit(records.weights, records.never_lit)
    share, moved = records.never_lit_share, records.change
    grey = "" if share is None else f" ({words.percent(share[n])} on grey pixels)"
    parts = [
        (records.weights[n], f"Its weights{grey}"),
        (None, "What training changed: not known")
        if moved is None
        else (moved[n], "What training changed"),
    ]
    for column, (values, caption) in enumerate(parts):
        axes = figure.add_axes(box(figure, 0.2 + 2.6 * column, 0.95, 2.4, 2.4))
        figures.draw_heatmap(axes, values, limit, records.never_lit)
        axes.set_title(caption, size=8.5, pad=4)
    bar = figure.add_axes(box(figure, 1.75, 3.5, 2.0, 0.1))
    clipped = any(v is not None and bool((np.abs(v) > limit).any()) for v, _ in parts)
    ends = "blue: inhibits\n(or was lowered)", "red: excites\n(or was raised)"
    figures.draw_colour_bar(bar, limit, clipped, *ends)
    write(figure, 0.2, 3.98, figures.never_lit_legend(records), size=7.5, color=FAINT)


def _heading(figure: Figure, left: float, top: float, told: str) -> None:
    write(figure, left, top, told, size=9, weight="bold", va="bottom")


def _roles_title(records: NeuronRecords) -> str:
    """How many neurons have which role."""
    counts = [(count, kind) for kind, count in words.role_counts(records).items() if count]
    if records.hidden == 1:
        return f"The hidden neuron is {counts[0][1]}"
    (count, kind), *others = counts
    told = [f"{count} {'is' if count == 1 else 'are'} {kind}", *(f"{n} {k}" for n, k in others)]
    return f"Of {records.hidden} hidden neurons, {words.listed(told)}"


def _answers_title(records: NeuronRecords) -> str:
    """How many neurons cost most on a digit that they do not fire for."""
    costly, away = words.needed_elsewhere(records)
    if not costly:
        return "What the neurons respond to, push towards and are needed for"
    if len(costly) == 1:
        is_not = "is" if away else "is not"
        return f"Neuron {costly[0]} {is_not} needed most for a digit that it does not fire for"
    verb = "is" if len(away) == 1 else "are"
    return (
        f"Of the {len(costly)} selective neurons that some digit needs, {len(away)} {verb} needed "
        "most for a digit that they do not fire for"
    )


def _mistakes_title(records: NeuronRecords) -> str:
    """How many images are recognised and which mistake is the most frequent."""
    if records.confusion is None:
        return "What the network reads was not measured"
    told = f"{records.correct:,} of {records.examples:,} images are recognised"
    wrong = records.confusion.copy()
    np.fill_diagonal(wrong, 0)
    if not wrong.any():
        return told
    shown, read = divmod(int(wrong.argmax()), len(wrong))
    return f"{told}; the most frequent mistake is a {shown} read as {read} ({wrong.max()})"
