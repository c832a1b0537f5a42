"""Draws what each hidden neuron responds to, pushes towards and is needed for, and how a run went.

Every function takes a record and Axes, and draws: all numbers are in the record. Axes that stand
beside each other for several neurons get the same ranges from the records of all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, Normalize
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from model import captions
from model.canvas import (
    DIVERGING,
    EXCITES,
    FAINT,
    FIRES,
    INHIBITS,
    INK,
    LOST_OR_GAINED,
    MISTAKES,
    QUIET,
    SEQUENTIAL,
    ZONE,
    house_style,
)
from model.findings import role_order
from model.records import SATURATED_Z, FloatArray, NeuronRecord, NeuronRecords

#: Rows and columns of a matrix above which its cells carry no numbers.
MOST_NUMBERED_ROWS, MOST_NUMBERED_COLUMNS = 60, 15
#: Inches to the left of a matrix at which the roles stand.
ROLE_INDENT = 2.1


@house_style()
def draw_z_by_digit(axes: Axes, record: NeuronRecord, records: NeuronRecords) -> None:
    """Draw the distribution of a neuron's z for each digit, and where its sigmoid is active.

    A shape is the histogram of the images of one digit, scaled to its own peak; the thick bar is
    the middle half of the images, the thin one the middle 90 %, the white mark the median.

    Parameters
    ----------
    axes
        Where to draw; its z axis is the same for every neuron of `records`.
    record
        The neuron, one of those in `records`.
    """
    responds = record.responds_to
    axes.axvspan(-SATURATED_Z, SATURATED_Z, color=ZONE, lw=0)
    axes.axvline(0, color=FAINT, lw=0.7)
    for digit, counts in enumerate(responds.z_histogram):
        colour = FIRES if captions.fires(record, digit) else QUIET
        if not counts.any():
            axes.text(0, digit, " no images", va="center", size=7, color=FAINT)
            continue
        half = 0.43 * np.append(counts, 0) / counts.max()
        axes.fill_between(
            records.z_edges, digit - half, digit + half, step="post", color=colour, alpha=0.75, lw=0
        )
        _draw_quantiles(axes, responds.z_quantiles[digit], digit)
        rate = captions.percent(responds.firing_rate[digit])
        axes.text(1.01, digit, rate, transform=axes.get_yaxis_transform(), va="center", size=7.5)
    axes.set_xlim(records.z_edges[0], records.z_edges[-1])
    _label_digits(axes, record, len(responds.z_histogram), vertical=True)
    axes.text(1.01, -1.0, "fires", transform=axes.get_yaxis_transform(), va="center", size=7.5)
    axes.set_xlabel(
        "z, the weighted input; it fires right of 0 (yellow: the sigmoid's active zone)"
    )
    axes.set_title(captions.firing_title(record))


@house_style()
def draw_class_selectivity(axes: Axes, record: NeuronRecord) -> None:
    """Draw a neuron's mean activation for each digit, and its firing rate as marks."""
    responds = record.responds_to
    places = np.arange(len(responds.activation_mean))
    axes.bar(places, responds.activation_mean, color=_digit_colours(record), width=0.75)
    axes.plot(places, responds.firing_rate, "_", color=INK, ms=9, mew=1.4)
    axes.set_ylim(0, 1.02)
    axes.set_ylabel("mean activation\n(marks: firing rate)", size=7.5)
    _label_digits(axes, record, len(places))
    axes.set_title(captions.selectivity_title(record))


@house_style()
def draw_auroc(axes: Axes, record: NeuronRecord) -> None:
    """Draw how well a neuron's z tells each digit from the others, from chance up or down."""
    auroc = record.responds_to.auroc
    places = np.arange(len(auroc))
    axes.bar(places, auroc - 0.5, bottom=0.5, color=_digit_colours(record), width=0.75)
    axes.axhline(0.5, color=FAINT, lw=0.7)
    axes.set_ylim(0, 1.02)
    axes.set_yticks([0, 0.5, 1], ["0", "chance", "1"])
    _label_digits(axes, record, len(places))
    axes.set_title(captions.auroc_title(record))


@house_style()
def draw_output_weights(axes: Axes, record: NeuronRecord, records: NeuronRecords) -> None:
    """Draw the weights with which a neuron acts on the next layer; red pushes towards."""
    weights = record.pushes_towards.weights
    largest = max(np.abs(r.pushes_towards.weights).max() for r in records.neurons)
    colours = [EXCITES if weight > 0 else INHIBITS for weight in weights]
    axes.bar(np.arange(len(weights)), weights, color=colours, width=0.75)
    axes.axhline(0, color=FAINT, lw=0.7)
    axes.set_ylim(_symmetric(largest))
    if record.pushes_towards.to_digits:
        axes.set_ylabel("output weight")
        _label_digits(axes, record, len(weights))
    else:
        axes.set_ylabel("weight")
        axes.set_xlabel("neuron of the next layer")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_title(captions.pushes_title(record))


@house_style()
def draw_recall_lost(axes: Axes, record: NeuronRecord, records: NeuronRecords) -> None:
    """Draw the points of recall that each digit loses while a neuron is held at its mean."""
    axes.set_title(captions.loss_title(record))
    needed = record.needed_for
    if needed is None:
        _say(axes, "not measured")
        return
    places = np.arange(len(needed.recall_lost))
    axes.bar(places, 100 * needed.recall_lost, color=_digit_colours(record), width=0.75)
    axes.axhline(0, color=FAINT, lw=0.7)
    axes.set_ylim(loss_range(records))
    axes.set_ylabel("points lost")
    _label_digits(axes, record, len(places))


def loss_range(records: NeuronRecords) -> tuple[float, float]:
    """The range of the points of recall lost that holds every neuron's."""
    losses = [100 * r.needed_for.recall_lost for r in records.neurons if r.needed_for]
    low = min((float(np.nanmin(loss)) for loss in losses), default=0.0)
    high = max((float(np.nanmax(loss)) for loss in losses), default=0.0)
    return min(1.08 * low, -1.0), max(1.08 * high, 2.0)


@house_style()
def draw_firing_rates(axes: Axes, records: NeuronRecords, labels: bool = True) -> None:
    """Draw the share of each digit's images on which each neuron fires, neurons by role."""
    rates = np.array([records.neurons[n].responds_to.firing_rate for n in role_order(records)])
    _draw_matrix(axes, 100 * rates, SEQUENTIAL, Normalize(0, 120))
    axes.set_title("responds to:\n% of the images on which it fires")
    _label_neurons(axes, records, labels)


@house_style()
def draw_pushes(axes: Axes, records: NeuronRecords, labels: bool = True) -> None:
    """Draw every neuron's weights into the next layer, neurons by role."""
    weights = np.array([records.neurons[n].pushes_towards.weights for n in role_order(records)])
    largest = float(np.abs(weights).max()) or 1.0
    _draw_matrix(axes, weights, DIVERGING, Normalize(-largest, largest))
    axes.set_title("pushes to (red), away from (blue):\noutput weight")
    if not records.neurons[0].pushes_towards.to_digits:
        axes.set_title("excites (red), inhibits (blue):\nneurons of the next layer")
    _label_neurons(axes, records, labels)


@house_style()
def draw_losses(axes: Axes, records: NeuronRecords, labels: bool = True) -> None:
    """Draw the points of recall that each digit loses without each neuron, neurons by role."""
    axes.set_title("needed for (orange):\npoints of recall lost without it")
    known = [records.neurons[n].needed_for for n in role_order(records)]
    losses = [100 * needed.recall_lost for needed in known if needed is not None]
    if not losses:
        _say(axes, "not measured")
        return
    largest = max(float(np.nanmax(np.abs(losses))), 1.0)
    _draw_matrix(
        axes,
        np.array(losses),
        LOST_OR_GAINED,
        Normalize(-largest, largest),
        captions.whole_or_blank,
    )
    _label_neurons(axes, records, labels)


@house_style()
def draw_accuracy(axes: Axes, correct: Sequence[int], examples: int, split: str) -> None:
    """Draw the accuracy after each epoch of a run.

    Parameters
    ----------
    correct
        Number of images recognised after each epoch.
    examples
        Out of how many.
    split
        Of which images: "validation", for example.
    """
    epochs = np.arange(1, len(correct) + 1)
    shares = 100 * np.array(correct) / examples
    axes.plot(epochs, shares, "o-", color=INHIBITS, ms=3, lw=1.2)
    axes.grid(axis="y", lw=0.4, color="#d0d4d9")
    axes.set_xlabel("epoch")
    axes.set_ylabel(f"% of {examples:,} {split} images".replace("  ", " "))
    axes.set_title(captions.accuracy_title(list(correct), examples))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


@house_style()
def draw_confusion(axes: Axes, records: NeuronRecords) -> None:
    """Draw how many images of each digit the network reads as each digit; right ones are framed."""
    axes.set_title(captions.confusion_title(records))
    if records.confusion is None:
        _say(axes, "not measured")
        return
    wrong = records.confusion.astype(float)
    np.fill_diagonal(wrong, 0)
    axes.imshow(wrong, cmap=MISTAKES, norm=Normalize(0, max(1.0, 1.25 * wrong.max())))
    for shown, row in enumerate(records.confusion):
        for read, count in enumerate(row):
            weight = "bold" if shown == read else "normal"
            colour = FAINT if shown == read else INK
            told = f"{count}" if count else ""
            axes.text(
                read, shown, told, ha="center", va="center", size=7.5, weight=weight, color=colour
            )
    axes.set_xticks(range(len(wrong)))
    axes.set_yticks(range(len(wrong)))
    axes.tick_params(length=0)
    axes.set_xlabel("read as")
    axes.set_ylabel("digit shown")


def _draw_quantiles(axes: Axes, quantiles: FloatArray, digit: int) -> None:
    """Mark 5 to 95 %, 25 to 75 % and the median of one digit's z."""
    _, low, lower, middle, upper, high, _ = quantiles
    axes.plot([low, high], [digit, digit], color=INK, lw=0.8)
    axes.plot([lower, upper], [digit, digit], color=INK, lw=3, solid_capstyle="butt")
    axes.plot([middle], [digit], "|", color="white", ms=5, mew=1.4)


def _draw_matrix(
    axes: Axes,
    cells: FloatArray,
    colours: Colormap,
    norm: Normalize,
    write: Callable[[float], str] = captions.whole,
) -> None:
    """Draw a row for each neuron and a column for each digit, with the numbers in the cells."""
    image = axes.imshow(cells, cmap=colours, norm=norm, aspect="auto")
    axes.set_xticks(range(0, cells.shape[1], 1 if cells.shape[1] <= MOST_NUMBERED_COLUMNS else 10))
    axes.xaxis.tick_top()
    axes.tick_params(length=0, pad=2)
    for spine in axes.spines.values():
        spine.set(visible=True, linewidth=0.4)
    if len(cells) > MOST_NUMBERED_ROWS or cells.shape[1] > MOST_NUMBERED_COLUMNS:
        return
    for (row, column), value in np.ndenumerate(cells):
        if np.isnan(value):
            continue
        light = _luminance(image.cmap(norm(value))) > 0.5
        axes.text(
            column,
            row,
            write(value),
            ha="center",
            va="center",
            size=7,
            color=INK if light else "white",
        )


def _label_neurons(axes: Axes, records: NeuronRecords, labels: bool) -> None:
    """Number the rows, name each role once, and draw a line between roles."""
    order = [records.neurons[number] for number in role_order(records)]
    kinds = [record.role.kind for record in order]
    for row, (above, below) in enumerate(pairwise(kinds)):
        if above != below:
            axes.axhline(row + 0.5, color=INK, lw=1.2)
    if not labels:
        axes.set_yticks([])
        return
    axes.set_yticks(range(len(order)), [captions.label(record) for record in order])
    for row, kind in enumerate(kinds):
        if row == 0 or kinds[row - 1] != kind:
            axes.annotate(
                kind,
                xy=(0, row),
                xycoords=axes.get_yaxis_transform(),
                xytext=(-ROLE_INDENT * 72, 0),
                textcoords="offset points",
                va="center",
                size=8,
            )


def _label_digits(axes: Axes, record: NeuronRecord, digits: int, vertical: bool = False) -> None:
    """Put the digits along an axis, bold those that the neuron fires for."""
    axis = axes.yaxis if vertical else axes.xaxis
    axis.set_ticks(range(digits), labels=[str(digit) for digit in range(digits)])
    for digit, label in enumerate(axis.get_ticklabels()):
        label.set_fontweight("bold" if captions.fires(record, digit) else "normal")
    axis.set_tick_params(length=0)
    if vertical:
        axes.set_ylim(digits - 0.4, -0.6)
        axes.set_ylabel("digit shown")
    else:
        axes.set_xlim(-0.6, digits - 0.4)


def _digit_colours(record: NeuronRecord) -> list[str]:
    digits = len(record.responds_to.firing_rate)
    return [FIRES if captions.fires(record, digit) else QUIET for digit in range(digits)]


def _say(axes: Axes, words: str) -> None:
    """Write words where there is nothing to draw."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", va="center", color=FAINT)


def _symmetric(largest: float) -> tuple[float, float]:
    reach = 1.08 * largest if largest > 0 else 1.0
    return -reach, reach


def _luminance(colour: ArrayLike) -> float:
    """How light a colour is, 0 to 1 (the weights of ITU-R BT.709)."""
    red, green, blue, _ = np.asarray(colour, dtype=float)
    return float(0.2126 * red + 0.7152 * green + 0.0722 * blue)
