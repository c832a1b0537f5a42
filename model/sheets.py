"""Puts figures together on pages: the sheet of one neuron, its activations, the layer, a run.

Places are in inches from the top left corner of the page.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure, SubFigure

from model import captions, figures, heatmaps
from model.canvas import (
    FAINT,
    box,
    house_style,
    inches,
    new_figure,
    wrapped,
    write_footer,
    write_title,
)
from model.findings import story
from model.records import FloatArray, NeuronRecord, NeuronRecords

#: A4, lying.
PAGE = (11.69, 8.27)
#: The figure of one neuron's activations, in inches.
ACTIVATIONS = (9.0, 5.6)
#: The figure of a run, in inches.
RUN = (9.6, 4.6)


@dataclass(frozen=True, eq=False)
class NeuronImages:
    """The pixels of a neuron's ranked images, in the order of the record's rankings.

    Parameters
    ----------
    highest, nearest_zero, lowest
        (inputs, pixels) 0 to 1.
    """

    highest: FloatArray
    nearest_zero: FloatArray
    lowest: FloatArray


@dataclass(frozen=True, eq=False)
class Picture:
    """A figure, the name of its file, and what it shows in a sentence."""

    file: str
    caption: str
    figure: Figure


@house_style()
def draw_sheet(
    figure: Figure | SubFigure,
    record: NeuronRecord,
    records: NeuronRecords,
    images: NeuronImages,
    note: str = "",
) -> None:
    """Draw all that is known of one neuron on one page of the size PAGE."""
    write_title(
        figure,
        captions.title(record),
        f"{captions.role_line(record)} One neuron of {captions.layer(records)}.",
    )
    _draw_pixels(figure, record, records)
    rows = [
        (record.highest, images.highest, "Largest z"),
        (record.nearest_zero, images.nearest_zero, "Nearest z = 0, between firing and not"),
        (record.lowest, images.lowest, "Smallest z"),
    ]
    for row, (ranked, pixels, what) in enumerate(rows):
        top = 0.86 + 1.05 * row
        _heading(figure, 5.55, top, captions.inputs_title(ranked, what))
        axes = figure.add_axes(box(figure, 5.55, top + 0.08, 5.95, 0.66))
        heatmaps.draw_ranked(axes, ranked, pixels)
    figures.draw_z_by_digit(figure.add_axes(box(figure, 0.62, 4.5, 3.9, 2.42)), record, records)
    _draw_four(figure, record, records)
    told = wrapped(" ".join(story(record)[1:]), PAGE[0] - 0.4, 8.5)
    across, down = inches(figure)
    figure.text(0.2 / across, 1 - 7.47 / down, told, size=8.5, va="top", linespacing=1.3)
    write_footer(figure, note)


@house_style()
def draw_activations(
    figure: Figure | SubFigure,
    record: NeuronRecord,
    records: NeuronRecords,
    highest: FloatArray,
    note: str = "",
) -> None:
    """Draw what one neuron responds to: top inputs, z by digit, and its class selectivity.

    Parameters
    ----------
    highest
        (inputs, pixels) the images of `record.highest`, 0 to 1.
    """
    write_title(figure, captions.title(record), captions.role_line(record))
    _heading(figure, 0.35, 0.85, captions.inputs_title(record.highest, "Largest z"))
    axes = figure.add_axes(box(figure, 0.35, 0.93, 8.4, 0.93))
    heatmaps.draw_ranked(axes, record.highest, highest, indices=True)
    figures.draw_z_by_digit(figure.add_axes(box(figure, 0.6, 2.5, 4.0, 2.4)), record, records)
    figures.draw_class_selectivity(figure.add_axes(box(figure, 5.75, 2.5, 3.0, 0.95)), record)
    figures.draw_auroc(figure.add_axes(box(figure, 5.75, 3.95, 3.0, 0.95)), record)
    write_footer(figure, note)


@house_style()
def draw_three_answers(figure: Figure | SubFigure, records: NeuronRecords, note: str = "") -> None:
    """Draw what all neurons respond to, push towards and are needed for, rows in one order."""
    top = write_title(
        figure,
        captions.answers_title(records),
        f"{captions.roles_title(records)}, in {captions.layer(records)}. "
        "A row is a neuron, a column a digit; rows are in one order, by role.",
    )
    across, down = inches(figure)
    left, width, gap = 2.25, (across - 2.25 - 0.2 - 0.4) / 3, 0.2
    top, height = top + 0.65, down - top - 0.65 - 0.35
    draws = (figures.draw_firing_rates, figures.draw_pushes, figures.draw_losses)
    for place, draw in enumerate(draws):
        axes = figure.add_axes(box(figure, left + place * (width + gap), top, width, height))
        draw(axes, records, labels=place == 0)
    write_footer(figure, note)


def answers_inches(neurons: int) -> tuple[float, float]:
    """Width and height that the three answers need, in inches."""
    return 10.4, 1.75 + 0.25 * max(neurons, 4)


@house_style()
def draw_firing_matrix(figure: Figure | SubFigure, records: NeuronRecords, note: str = "") -> None:
    """Draw the share of each digit's images on which each neuron fires, ordered by role."""
    top = write_title(figure, captions.roles_title(records), f"In {captions.layer(records)}.")
    across, down = inches(figure)
    place = (2.25, top + 0.65, across - 2.45, down - top - 0.65 - 0.35)
    figures.draw_firing_rates(figure.add_axes(box(figure, *place)), records)
    write_footer(figure, note)


def matrix_inches(neurons: int) -> tuple[float, float]:
    """Width and height that the firing-rate matrix needs, in inches."""
    return 7.0, 1.75 + 0.25 * max(neurons, 4)


@house_style()
def draw_run(
    figure: Figure | SubFigure,
    records: NeuronRecords,
    correct: Sequence[int],
    examples: int,
    note: str = "",
) -> None:
    """Draw how a run went: accuracy after each epoch, and which digits are mistaken for which.

    Parameters
    ----------
    correct
        Validation images recognised after each epoch; empty where that is not known.
    examples
        Out of how many.
    """
    write_title(figure, captions.confusion_title(records), "On the diagonal: read rightly.")
    if correct:
        figures.draw_accuracy(
            figure.add_axes(box(figure, 0.7, 1.05, 3.6, 2.9)), correct, examples, "validation"
        )
    axes = figure.add_axes(box(figure, 5.3, 1.05, 4.0, 2.9))
    figures.draw_confusion(axes, records)
    axes.set_aspect("auto")
    axes.set_title("confusion: images of each digit, as they are read")
    write_footer(figure, note)


def sheet(record: NeuronRecord, records: NeuronRecords, images: NeuronImages, note: str) -> Picture:
    """One neuron's page."""
    figure = new_figure(*PAGE)
    draw_sheet(figure, record, records, images, note)
    return Picture(f"neuron-{record.number:02d}.png", captions.title(record) + ".", figure)


def activations(
    record: NeuronRecord, records: NeuronRecords, images: NeuronImages, note: str
) -> Picture:
    """One neuron's activations."""
    figure = new_figure(*ACTIVATIONS)
    draw_activations(figure, record, records, images.highest, note)
    return Picture(f"activations-{record.number:02d}.png", captions.title(record) + ".", figure)


def weight_pictures(records: NeuronRecords, note: str) -> Iterator[Picture]:
    """The heatmaps of all neurons: the weights, and what training changed."""
    size = heatmaps.grid_inches(len(records.neurons))
    figure = new_figure(*size)
    heatmaps.draw_weight_grid(figure, records, note)
    yield Picture("weights.png", captions.weights_title(records) + ".", figure)
    figure = new_figure(*size)
    heatmaps.draw_change_grid(figure, records, note)
    yield Picture("change.png", captions.change_title(records) + ".", figure)


def layer_pictures(
    records: NeuronRecords, correct: Sequence[int], examples: int, note: str
) -> Iterator[Picture]:
    """All that shows the layer as a whole, and the run.

    Parameters
    ----------
    correct, examples
        Of the run, as for `draw_run`.
    """
    yield from weight_pictures(records, note)
    figure = new_figure(*answers_inches(len(records.neurons)))
    draw_three_answers(figure, records, note)
    yield Picture("answers.png", captions.answers_title(records) + ".", figure)
    figure = new_figure(*matrix_inches(len(records.neurons)))
    draw_firing_matrix(figure, records, note)
    yield Picture("firing-rates.png", captions.roles_title(records) + ".", figure)
    figure = new_figure(*RUN)
    draw_run(figure, records, correct, examples, note)
    yield Picture("run.png", captions.confusion_title(records) + ".", figure)


@house_style()
def text_page(title: str, parts: Sequence[tuple[str, Sequence[str]]], note: str) -> Figure:
    """Set headings and sentences on a page of the size PAGE."""
    figure = new_figure(*PAGE)
    across, down = inches(figure)
    top = write_title(figure, title) + 0.15
    for heading, sentences in parts:
        figure.text(0.2 / across, 1 - top / down, heading, size=10, weight="bold", va="top")
        top += 0.22
        for sentence in sentences:
            lines = wrapped(sentence, across - 0.6, 9)
            figure.text(0.3 / across, 1 - top / down, lines, size=9, va="top", linespacing=1.25)
            top += 0.165 * len(lines.splitlines()) + 0.045
        top += 0.12
    write_footer(figure, note)
    return figure


@house_style()
def table_page(title: str, lines: Sequence[str], note: str) -> Figure:
    """Set lines of a table on a page, as long as the table."""
    figure = new_figure(PAGE[0], max(PAGE[1], 1.2 + 0.21 * len(lines)))
    across, down = inches(figure)
    top = write_title(figure, title) + 0.15
    told = "\n".join(lines)
    figure.text(
        0.2 / across,
        1 - top / down,
        told,
        size=10,
        va="top",
        family="DejaVu Sans Mono",
        linespacing=1.4,
    )
    write_footer(figure, note)
    return figure


def _draw_pixels(figure: Figure | SubFigure, record: NeuronRecord, records: NeuronRecords) -> None:
    """The weights and what training changed in them, on one scale."""
    limit = heatmaps.weights_limit(records)
    parts = [
        (record.weights.weights, captions.weights_caption(record)),
        (record.weights.change, captions.change_caption(record)),
    ]
    for column, (values, caption) in enumerate(parts):
        axes = figure.add_axes(box(figure, 0.2 + 2.6 * column, 0.95, 2.4, 2.4))
        heatmaps.draw_heatmap(axes, values, limit, records.never_lit)
        axes.set_title(caption, size=8.5, pad=4)
    bar = figure.add_axes(box(figure, 1.75, 3.5, 2.0, 0.1))
    heatmaps.draw_colour_bar(
        bar, limit, heatmaps.beyond([part[0] for part in parts], limit), "both"
    )
    across, down = inches(figure)
    told = captions.never_lit_legend(records)
    figure.text(0.2 / across, 1 - 3.98 / down, told, size=7.5, color=FAINT, va="top")


def _draw_four(figure: Figure | SubFigure, record: NeuronRecord, records: NeuronRecords) -> None:
    """What it responds to, pushes towards and is needed for, as four small panels."""
    places = [(5.75, 4.5), (8.85, 4.5), (5.75, 5.97), (8.85, 5.97)]
    first, second, third, fourth = (
        figure.add_axes(box(figure, left, top, 2.5, 0.95)) for left, top in places
    )
    figures.draw_class_selectivity(first, record)
    figures.draw_auroc(second, record)
    figures.draw_output_weights(third, record, records)
    figures.draw_recall_lost(fourth, record, records)
    for axes in (first, second, third, fourth):
        axes.title.set_fontsize(8.5)


def _heading(figure: Figure | SubFigure, left: float, top: float, words: str) -> None:
    across, down = inches(figure)
    figure.text(left / across, 1 - top / down, words, size=9, weight="bold", va="bottom")
