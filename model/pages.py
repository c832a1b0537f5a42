"""Puts figures together on pages: the sheet of one neuron, its activations, the layer, a run.

`n` is a neuron's number, `note` the small print, `images` the (examples, pixels) that the records
were measured on, 0 to 1. Places are in inches from the top left corner of the page; every page is
8 inches wide, so that it can be read at 800 pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import chain

import numpy as np

from model import canvas, figures, words
from model.canvas import WIDTH, Figure, panel
from model.figures import Array
from model.neurons import FIRING_ACTIVATION, NeuronRecords

#: Heights of a sheet, of the activations of one neuron, of a run, and of a page of the report.
SHEET, ACTIVATIONS, RUN, PAGE = 5.5, 5.6, 4.6, 11.3


Part = tuple[float, Callable[[Figure, float], object]]  # inches tall, and drawn from a top on


@dataclass(frozen=True, eq=False)
class Picture:
    """A page of one part, the name of its file, and what it shows in a sentence."""

    file: str
    name: str  # in a list: of a neuron its number
    title: str  # the sentence without its stop
    part: Part
    note: str = ""

    @property
    def caption(self) -> str:
        """What it shows, for those who cannot see it."""
        return f"{self.title}."

    @cached_property
    def figure(self) -> Figure:
        """The page, drawn when it is first asked for."""
        return page(self.note, self.part)

    def png(self) -> bytes:
        """The bytes of the file."""
        return canvas.png_bytes(self.figure)


@canvas.house_style()
def page(note: str, *parts: Part, least: float = 0.0) -> Figure:
    """Draw parts below each other on a page that is as tall as they need."""
    figure, top = canvas.new_figure(WIDTH, max(least, sum(tall for tall, _ in parts))), 0.0
    for tall, draw in parts:
        draw(figure, top)
        top += tall
    canvas.write_footer(figure, note)
    return figure


def sheet(records: NeuronRecords, n: int, images: Array, note: str = "") -> Picture:
    """All that is known of one neuron: its weights, its images, its push, and what is lost."""
    figures.check_neuron(n, records.hidden)

    def draw(figure: Figure, top: float) -> None:
        title = f"{words.name(records, n)} {words.fires(records, n)}"
        canvas.write_title(figure, title, words.role_line(records, n), top)
        limit = figures.colour_limit(records.weights, records.never_lit)
        maps = figures.heatmaps(records, n)
        for column, (caption, values) in enumerate(maps, 1 if len(maps) == 1 else 0):
            axes = panel(figure, 0.2 + 1.42 * column, top + 1.05, 1.32, 1.32)
            figures.draw_heatmap(axes, values, limit, records.never_lit)
            axes.set_title(caption, pad=3)
        bar = panel(figure, 1.25, top + 2.5, 2.0, 0.09)
        figures.draw_colour_bar(bar, limit, maps, "inhibits", "excites")
        figures.draw_output_weights(panel(figure, 5.2, top + 1.05, 2.65, 0.75), records, n)
        figures.draw_losses(panel(figure, 5.2, top + 2.2, 2.65, 0.95), records, n)
        canvas.write(figure, 0.2, top + 2.9, "Images along z", size=9, weight="bold")
        figures.draw_along(panel(figure, 0.6, top + 3.1, 3.7, 0.42), records, n, images)
        figures.draw_z_by_digit(panel(figure, 0.6, top + 3.62, 3.7, 1.22), records, n)
        canvas.write(
            figure, 5.0, top + 3.45, "Handwriting on either side of it", size=9, weight="bold"
        )
        both = (records.divided[n] >= 0).any(axis=-1).all(axis=-1)
        for place in np.flatnonzero(both).tolist():
            axes = panel(figure, 5.0, top + 3.87 + 0.65 * place, 2.85, 0.36)
            figures.draw_divided(axes, records, n, place, images)
        if not both.any():
            canvas.write(figure, 5.0, top + 3.75, "Every digit is on one side alone.", size=8)

    return Picture(f"neuron-{n:02d}.png", f"{n}", words.title(records, n), (SHEET, draw), note)


def activations(records: NeuronRecords, n: int, images: Array, note: str = "") -> Picture:
    """What one neuron responds to: top inputs, z by digit, and its class selectivity."""
    title = words.title(records, n)

    def draw(figure: Figure, _: float) -> None:
        canvas.write_title(figure, title, words.role_line(records, n))
        told = figures.ranked_title(records, n)
        canvas.write(figure, 0.3, 1.05, told, size=9, weight="bold")
        figures.draw_ranked(panel(figure, 0.3, 1.25, 7.4, 0.82), records, n, images)
        figures.draw_z_by_digit(panel(figure, 0.6, 2.85, 3.5, 2.1), records, n)
        figures.draw_class_selectivity(panel(figure, 5.1, 2.85, 2.7, 2.1), records, n)

    return Picture(f"activations-{n:02d}.png", f"{n}", title, (ACTIVATIONS, draw), note)


def firing_rates(records: NeuronRecords, note: str = "") -> Picture:
    """The switch chart: each neuron a row, its digits by firing rate, sized by what is lost."""
    tall = 1.65 + 0.285 * records.hidden
    costly, on_it = words.rarer(records, records.frozen)
    title = "Each neuron is a switch between two sides of the digits"
    if costly:
        are = f"{costly} neurons {'is' if on_it == 1 else 'are'}"
        title = f"Frozen, {on_it} of {are} missed most on the rarer side of the switch"

    def draw(figure: Figure, _: float) -> None:
        how = (
            "Each digit stands where so many of its images make the neuron fire (odds, so that the "
            "ends are wide). Upright: the switch, with the digits that it fires for on its right, "
            "bold; dotted where other images put it elsewhere."
        )
        top = 0.3 + canvas.write_title(figure, title, how)
        figures.draw_switches(panel(figure, 1.4, top, WIDTH - 3.1, tall - top - 0.6), records)
        axes = panel(figure, 1.4, tall - 0.5, WIDTH - 2.0, 0.3)  # what the discs are, by three
        axes.set_axis_off()
        axes.set(xlim=(0, WIDTH - 2.0), ylim=(-1, 1))
        axes.text(0, 0, "Points of recall that a digit loses while frozen:", va="center", size=8)
        largest = max(3, math.ceil(100 * np.nanmax(records.frozen.recall_lost)))
        for place, points in enumerate((1, max(2, largest // 3), largest)):
            left = 2.95 + 0.65 * place
            area = figures.disc_area(records) * points
            axes.scatter([left], [0], s=area, c=canvas.LOST_PALE)
            axes.text(left + 0.22, 0, f"{points}", va="center", size=8)

    return Picture("firing-rates.png", "Switches", title, (tall, draw), note)


def weights(records: NeuronRecords, note: str = "") -> Picture:
    """The heatmaps of all neurons: start, what training changed, and weights, side by side."""
    every = [figures.heatmaps(records, n) for n in range(records.hidden)]
    each = len(every[0])
    columns = min(records.hidden, 3 if each == 3 else 5)
    width = (WIDTH - 0.3) / columns
    side = min((width - 0.14) / each - 0.03, 1.4)
    tall = 1.8 + math.ceil(records.hidden / columns) * (side + 0.3)
    layer, limit = words.layer(records), figures.colour_limit(records.weights, records.never_lit)
    how = f"Weights into each neuron of {layer}, pixel by pixel, on one colour scale"
    if figures.beyond(chain(*every), limit):
        how += f"; beyond {limit:.1f} they have its end colours"
    title = f"The weights of {layer}"
    if each == 3:
        how += ". Left to right: start, change, weights"
        title = "Start, plus what training changed, is the weights"

    def draw(figure: Figure, _: float) -> None:
        top = 0.3 + canvas.write_title(figure, title, f"{how}.")
        for n, maps in enumerate(every):
            row, column = divmod(n, columns)
            left, above = 0.15 + column * width, top + row * (side + 0.3)
            name = f"{words.short_name(records, n, 18)}   {words.partition(records, n)}"
            canvas.write(figure, left, above - 0.04, name, size=8.5, va="bottom")
            for place, (_step, values) in enumerate(maps):
                axes = panel(figure, left + place * (side + 0.03), above, side, side)
                figures.draw_heatmap(axes, values, limit, records.never_lit)
        down = figure.get_size_inches()[1]
        bar = panel(figure, WIDTH / 2 - 1.2, down - 0.74, 2.4, 0.12)
        ends = "blue, dashed: ink\nthere lowers z", "red: ink there\nraises z"
        figures.draw_colour_bar(bar, limit, chain(*every), *ends)
        if grey := figures.never_lit_legend(records):
            canvas.write(figure, 0.15, down - 0.36, "■", size=8, color=canvas.NEVER_LIT)
            canvas.write(figure, 0.3, down - 0.36, grey, size=8)

    return Picture("weights.png", "Weights", title, (tall, draw), note)


def path(records: NeuronRecords, image: Array, digit: int, on_it: Array, note: str = "") -> Picture:
    """One image's way through the network: each neuron's answer, and what it adds to each digit.

    The image is (pixels,), `digit` the one that it shows, `on_it` the (hidden,) activations on it.
    """
    tall = 1.5 + 0.235 * (max(records.hidden, 6) + 2)
    read = int(figures.added(records, on_it)[1].argmax())
    many = f"{records.hidden} questions" if records.hidden > 1 else "One question"
    title = f"{many} about one image: a {digit}, read as {read}"

    def draw(figure: Figure, _: float) -> None:
        how = (
            "A dark lamp: the neuron fires, its answer is yes to the left of the bar. Beside it, "
            "what it adds to the weighted input of each output: activation times weight, red for, "
            "blue against. The largest sum is what is read."
        )
        top = 0.3 + canvas.write_title(figure, title, how)
        axes = panel(figure, 3.3, top, WIDTH - 3.45, tall - top - 0.3)
        figures.draw_path(axes, records, on_it)
        figures.draw_image(panel(figure, 0.15, top, 1.3, 1.3), image)
        fires = int((on_it > FIRING_ACTIVATION).sum())
        told = f"{fires} of {records.hidden} fire;\nread as {read}"
        canvas.write(figure, 0.15, top + 1.4, told, size=9, linespacing=1.4)

    return Picture("path.png", "One image", title, (tall, draw), note)


def run(records: NeuronRecords, correct: Sequence[int], examples: int, note: str = "") -> Picture:
    """How a run went: accuracy after each epoch, where known, and which digits are mistaken."""
    title = f"{records.correct:,} of {records.examples:,} images are recognised"
    wrong = records.confusion * (1 - np.eye(len(records.confusion), dtype=int))
    if wrong.any():
        shown, read = divmod(int(wrong.argmax()), len(wrong))
        title += f"; most often {shown} is read as {read} ({wrong.max()})"

    def draw(figure: Figure, top: float) -> None:
        canvas.write_title(figure, title, "On the diagonal: read rightly.", top)
        if correct:
            beside = panel(figure, 0.65, top + 1.0, 2.9, 2.85)
            figures.draw_accuracy(beside, correct, examples, "validation")
        axes = panel(figure, 4.15, top + 1.0, 3.7, 2.85)
        figures.draw_confusion(axes, records)
        axes.set_aspect("auto")

    return Picture("run.png", "Run", title, (RUN, draw), note)


def first_page(records: NeuronRecords, told: Sequence[str], note: str) -> Figure:
    """The switch chart, and below it what was found."""
    below = 0.75 * len(told), partial(_write_sentences, told)
    return page(note, firing_rates(records).part, below, least=PAGE)


def text_page(title: str, parts: Sequence[words.Section], note: str) -> Figure:
    """Headings and sentences on a page."""

    def draw(figure: Figure, top: float) -> None:
        top = canvas.write_title(figure, title, top=top) + 0.15
        for heading, sentences in parts:
            canvas.write(figure, 0.2, top, heading, size=10, weight="bold")
            top = 0.12 + _write_sentences(sentences, figure, top + 0.22)

    return page(note, (PAGE, draw))


def _write_sentences(sentences: Sequence[str], figure: Figure, top: float) -> float:
    """Write a paragraph for each sentence, and return the inches down to their end."""
    for sentence in sentences:
        lines = canvas.wrapped(sentence, WIDTH - 0.6, 9)
        canvas.write(figure, 0.3, top, lines, size=9, linespacing=1.25)
        top += 0.165 * len(lines.splitlines()) + 0.045
    return top


def run_page(
    records: NeuronRecords,
    one: tuple[Array, int, Array],
    history: tuple[Sequence[int], int],
    note: str,
) -> Figure:
    """An image's way, where there are digits to add to, and below it how the run went."""
    above = [path(records, *one).part] if records.to_digits else []
    return page(note, *above, run(records, *history).part, least=PAGE)


def sheets(records: NeuronRecords, images: Array, note: str = "") -> list[Figure]:
    """The sheets of all neurons, two on a page."""
    parts = [(SHEET + 0.1, sheet(records, n, images).part[1]) for n in range(records.hidden)]
    return [page(note, *parts[n : n + 2], least=PAGE) for n in range(0, len(parts), 2)]
