"""Draws what each hidden neuron responds to, pushes towards and is needed for, and how a run went.

Every function takes Axes, or a Figure, and the records, and draws: all numbers are in the records.
`n` is a neuron's number. Axes that stand beside each other for several neurons get the same ranges
from the records of all. In heatmaps red is positive (ink there excites) and blue is negative (ink
there inhibits), and all neurons share one symmetric scale, so that a pale one is weak. Nothing here
sets the style: `model.pages` draws within `canvas.house_style`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model import canvas  # before matplotlib, which is imported with care there

# isort: split
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import MaxNLocator

from model.neurons import RANKED, SATURATED_Z, NeuronRecords, Ranking
from model.selectivity import IDLE
from model.words import ONE_POINT, fires, largest_loss, percent, short_name

Array = NDArray[Any]

#: Pixels along the side of an image.
SIDE = 28
#: Rows and columns of a matrix above which its cells carry no numbers.
MOST_NUMBERED_ROWS, MOST_NUMBERED_COLUMNS = 60, 15
#: Inches to the left of a matrix at which the roles stand.
ROLE_INDENT = 2.1
#: Colours end at this quantile of the magnitudes, so that a single weight does not pale all others.
FULL_COLOUR = 0.995
#: Inches around a grid: at either side, for the title, and for the colour scale and legend.
SIDES, TOP, BOTTOM = 0.15, 0.85, 0.95
LEGEND: dict[str, Any] = {
    "loc": "lower left",
    "frameon": False,
    "fontsize": 7.5,
    "handlelength": 1,
    "handleheight": 1,
    "borderpad": 0,
}


# --- One neuron ------------------------------------------------------------------------------


def draw_z_by_digit(axes: Axes, records: NeuronRecords, n: int) -> None:
    """Draw the distribution of a neuron's z for each digit, and where its sigmoid is active.

    A shape is the histogram of the images of one digit, scaled to its own peak; the thick bar is
    the middle half of the images, the thin one the middle 90 %, the white mark the median.
    """
    axes.axvspan(-SATURATED_Z, SATURATED_Z, color=canvas.ZONE, lw=0)
    axes.axvline(0, color=canvas.FAINT, lw=0.7)
    edges, beside = records.z_edges, axes.get_yaxis_transform()
    for digit, counts in enumerate(records.z_histogram[n]):
        if not counts.any():
            axes.text(0, digit, " no images", va="center", size=7, color=canvas.FAINT)
            continue
        half = 0.43 * np.append(counts, 0) / counts.max()
        colour = _digit_colours(records, n)[digit]
        axes.fill_between(
            edges, digit - half, digit + half, step="post", color=colour, alpha=0.75, lw=0
        )
        _, low, lower, middle, upper, high, _ = records.z_quantiles[n, digit]
        axes.plot([low, high], [digit, digit], color=canvas.INK, lw=0.8)
        axes.plot([lower, upper], [digit, digit], color=canvas.INK, lw=3, solid_capstyle="butt")
        axes.plot([middle], [digit], "|", color="white", ms=5, mew=1.4)
        rate = percent(records.firing_rate[n, digit])
        axes.text(1.01, digit, rate, transform=beside, va="center", size=7.5)
    axes.set_xlim(edges[0], edges[-1])
    _label_digits(axes, records, n, vertical=True)
    axes.text(1.01, -1.0, "fires", transform=beside, va="center", size=7.5)
    axes.set_xlabel(
        "z, the weighted input; it fires right of 0 (yellow: the sigmoid's active zone)"
    )
    told = f"It fires on {percent(records.firing_rate_all[n])} of all images"
    if records.role[n] != IDLE:
        most = np.nanargmax(records.firing_rate[n])
        told += f", most on {most} ({percent(records.firing_rate[n, most])})"
    axes.set_title(told)


def draw_class_selectivity(axes: Axes, records: NeuronRecords, n: int) -> None:
    """Draw a neuron's mean activation for each digit, and its firing rate as marks."""
    _bars(axes, records, n, records.activation_mean[n])
    rates = records.firing_rate[n]
    axes.plot(np.arange(len(rates)), rates, "_", color=canvas.INK, ms=9, mew=1.4)
    axes.set_ylim(0, 1.02)
    axes.set_ylabel("mean activation\n(marks: firing rate)", size=7.5)
    told = f"Class selectivity {records.class_selectivity[n]:.2f}"
    most = "" if told.endswith("0.00") else f", for {records.preferred_digit[n]}"
    axes.set_title(told + most)


def draw_auroc(axes: Axes, records: NeuronRecords, n: int) -> None:
    """Draw how well a neuron's z tells each digit from the others, from chance up or down."""
    auroc = records.auroc[n]
    _bars(axes, records, n, auroc - 0.5, bottom=0.5)
    axes.axhline(0.5, color=canvas.FAINT, lw=0.7)
    axes.set_ylim(0, 1.02)
    axes.set_yticks([0, 0.5, 1], ["0", "chance", "1"])
    if np.isnan(auroc).all():
        axes.set_title("There is one digit alone: no AUROC")
        return
    best = np.nanargmax(np.abs(auroc - 0.5))
    low = " (z is low)" if auroc[best] < 0.5 else ""
    axes.set_title(f"z tells {best} best: AUROC {auroc[best]:.2f}{low}")


def draw_output_weights(axes: Axes, records: NeuronRecords, n: int) -> None:
    """Draw the weights with which a neuron acts on the next layer; red pushes towards."""
    weights, largest = records.output_weights[n], np.abs(records.output_weights).max()
    colours = [canvas.EXCITES if weight > 0 else canvas.INHIBITS for weight in weights]
    axes.bar(np.arange(len(weights)), weights, color=colours, width=0.75)
    axes.axhline(0, color=canvas.FAINT, lw=0.7)
    reach = 1.08 * largest if largest > 0 else 1.0
    axes.set_ylim(-reach, reach)
    axes.set_ylabel("output weight" if records.to_digits else "weight")
    if records.to_digits:
        _label_digits(axes, records, n)
    else:
        axes.set_xlabel("neuron of the next layer")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    what = "" if records.to_digits else "neuron "
    up, down = (f"{what}{k} ({signed(weights[k])})" for k in (weights.argmax(), weights.argmin()))
    told = f"To {up}, away from {down.removeprefix(what)}"
    if weights.max() <= 0:
        told = f"Away from all, most {down}"
    elif weights.min() >= 0:
        told = f"Towards all, most {up}"
    axes.set_title(told)


def draw_recall_lost(axes: Axes, records: NeuronRecords, n: int) -> None:
    """Draw the points of recall that each digit loses while a neuron is held at its mean."""
    needed = records.needed_for
    if needed is None:
        axes.set_title("Without it: not measured")
        _not_measured(axes)
        return
    _bars(axes, records, n, 100 * needed.recall_lost[n])
    axes.axhline(0, color=canvas.FAINT, lw=0.7)
    axes.set_ylim(
        min(1.08 * (100 * np.nanmin(needed.recall_lost)), -1.0),
        max(1.08 * (100 * np.nanmax(needed.recall_lost)), 2.0),
    )
    axes.set_ylabel("points lost")
    lost = largest_loss(records)[n]
    points = f"{whole(100 * lost)} point" + ("" if whole(100 * lost) == "1" else "s")
    told = f"Without it {needed.most_needed_digit[n]} loses {points}"
    axes.set_title(told if lost >= ONE_POINT else "Without it no digit loses a point")


def draw_ranked(axes: Axes, ranking: Ranking, n: int, images: Array, indices: bool = False) -> None:
    """Draw a neuron's ranked images in a row, ink dark, each with its digit and its z under it.

    Parameters
    ----------
    axes
        A low, wide place; images stand at its top, and their words below it.
    images
        (examples, pixels) that the ranking speaks of, 0 to 1.
    indices
        Whether the dataset index stands there too.
    """
    _bare(axes)
    axes.set_axis_off()
    for place, index in enumerate(ranking.indices[n]):
        left = 1.12 * place * SIDE
        extent = left, left + SIDE, SIDE, 0.0
        _pixels(axes, images[index], canvas.SEQUENTIAL, Normalize(0, 1), extent=extent)
        axes.add_patch(Rectangle((left, 0), SIDE, SIDE, fill=False, lw=0.4, ec=canvas.FAINT))
        told = f"{ranking.labels[n, place]} · z {whole(ranking.zs[n, place])}"
        told += f"\nimage {index}" if indices else ""
        axes.text(left + SIDE / 2, SIDE + 2, told, size=7, ha="center", va="top")
    axes.set_xlim(-0.2, 1.12 * RANKED * SIDE)
    axes.set_ylim(SIDE + 0.2, -0.2)
    axes.set_anchor("NW")


def ranked_title(ranking: Ranking, n: int, what: str) -> str:
    """Which digits are among a neuron's ranked images, the most frequent first."""
    labels = ranking.labels[n].tolist()
    counts = sorted(Counter(labels).items(), key=lambda pair: (-pair[1], pair[0]))
    if len(counts) == 1:
        return (
            f"{what}: all {len(labels)} show {labels[0]}" if labels[1:] else f"{what}: {labels[0]}"
        )
    told = [f"{d} ({count} of {len(labels)})" if count > 1 else f"{d}" for d, count in counts]
    return f"{what}: {', '.join(told)}"


# --- Matrices --------------------------------------------------------------------------------


def draw_firing_rates(axes: Axes, records: NeuronRecords, labels: bool = True) -> None:
    """Draw the share of each digit's images on which each neuron fires, neurons by role."""
    rates = 100 * records.firing_rate[records.by_role]
    _draw_matrix(axes, rates, canvas.SEQUENTIAL, Normalize(0, 120), whole)
    axes.set_title("responds to:\n% of the images on which it fires")
    _label_neurons(axes, records, labels)


def draw_pushes(axes: Axes, records: NeuronRecords, labels: bool = True) -> None:
    """Draw every neuron's weights into the next layer, neurons by role."""
    largest = float(np.abs(records.output_weights).max()) or 1.0
    weights = records.output_weights[records.by_role]
    _draw_matrix(axes, weights, canvas.DIVERGING, Normalize(-largest, largest), whole)
    axes.set_title(
        "pushes to (red), away from (blue):\noutput weight"
        if records.to_digits
        else "excites (red), inhibits (blue):\nneurons of the next layer"
    )
    _label_neurons(axes, records, labels)


def draw_losses(axes: Axes, records: NeuronRecords, labels: bool = True) -> None:
    """Draw the points of recall that each digit loses without each neuron, neurons by role."""
    axes.set_title("needed for (orange):\npoints of recall lost without it")
    if records.needed_for is None:
        _not_measured(axes)
        return
    losses = 100 * records.needed_for.recall_lost[records.by_role]
    largest = max(float(np.nanmax(np.abs(losses))), 1.0)
    norm = Normalize(-largest, largest)
    _draw_matrix(axes, losses, canvas.LOST_OR_GAINED, norm, lambda v: whole(v) if round(v) else "")
    _label_neurons(axes, records, labels)


def draw_confusion(axes: Axes, records: NeuronRecords) -> None:
    """Draw how many images of each digit the network reads as each digit; right ones are bold."""
    if records.confusion is None:
        _not_measured(axes)
        return
    wrong = records.confusion.astype(float)
    np.fill_diagonal(wrong, 0)
    axes.imshow(wrong, cmap=canvas.MISTAKES, norm=Normalize(0, max(1.0, 1.25 * wrong.max())))
    for (shown, read), count in np.ndenumerate(records.confusion):
        weight, ink = ("bold", canvas.FAINT) if shown == read else ("normal", canvas.INK)
        told = f"{count}" if count else ""
        axes.text(read, shown, told, ha="center", va="center", size=7.5, weight=weight, color=ink)
    axes.set_xticks(range(len(wrong)))
    axes.set_yticks(range(len(wrong)))
    axes.tick_params(length=0)
    axes.set_xlabel("read as")
    axes.set_ylabel("digit shown")


def draw_accuracy(axes: Axes, correct: Sequence[int], examples: int, split: str) -> None:
    """Draw the accuracy after each epoch of a run: `correct` images recognised of `examples`."""
    epochs = np.arange(1, len(correct) + 1)
    axes.plot(epochs, 100 * np.array(correct) / examples, "o-", color=canvas.INHIBITS, ms=3, lw=1.2)
    axes.grid(axis="y", lw=0.4, color="#d0d4d9")
    axes.set_xlabel("epoch")
    axes.set_ylabel(f"% of {examples:,} {split} images")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    last, best = (percent(count / examples, 2) for count in (correct[-1], max(correct)))
    told = f"{last} after {len(correct)} epochs" + (f" (best {best})" if best != last else "")
    axes.set_title(told if len(correct) > 1 else f"{last} after one epoch")


# --- Heatmaps --------------------------------------------------------------------------------


def check_pixels(sizes: tuple[int, ...]) -> None:
    """Refuse a network that does not look at images of 28 by 28 pixels."""
    if sizes[0] != SIDE * SIDE:
        raise ValueError(
            f"sizes: expected {SIDE * SIDE} inputs, one for each of the 28 by 28 pixels, received "
            f"{sizes[0]} in {list(sizes)}; only networks that read MNIST images can be drawn"
        )


def colour_limit(values: Array | None, never_lit: Array | None) -> float:
    """Where the colours of the scale that all rows share end, on either side of zero.

    Parameters
    ----------
    values
        (hidden, pixels); None where unknown.
    never_lit
        (pixels,) pixels that are not drawn and do not count; None for none.
    """
    if values is None:
        return 1.0
    drawn = np.abs(values if never_lit is None else values[:, ~never_lit])
    limit = float(np.quantile(drawn, FULL_COLOUR)) if drawn.size else 0.0
    return limit if limit > 0 else 1.0


def draw_heatmap(axes: Axes, values: Array | None, limit: float, never_lit: Array | None) -> None:
    """Draw one number for each pixel, red above zero and blue below, never-lit pixels grey.

    Parameters
    ----------
    values
        (pixels,) row by row; None is drawn as words that say it is unknown.
    limit
        The magnitude at which the colours end.
    never_lit
        (pixels,) True where no training image lights the pixel; None where unknown.
    """
    _bare(axes)
    if values is None:
        _say(axes, "start unknown", size=8)
        axes.set_box_aspect(1)
        return
    _pixels(axes, values, canvas.DIVERGING, Normalize(-limit, limit))
    if never_lit is not None:
        mask = np.ma.masked_where(~never_lit, np.ones(len(never_lit)))
        _pixels(axes, mask, ListedColormap([canvas.NEVER_LIT]))


def draw_colour_bar(axes: Axes, limit: float, clipped: bool, low: str, high: str) -> None:
    """Draw the colour scale, with the meaning of blue and red in words at its ends."""
    bar = axes.figure.colorbar(
        ScalarMappable(Normalize(-limit, limit), canvas.DIVERGING),
        cax=axes,
        orientation="horizontal",
        extend="both" if clipped else "neither",
    )
    bar.outline.set_linewidth(0.4)
    bar.ax.tick_params(labelsize=7.5, length=2)
    style: Any = {"transform": axes.transAxes, "va": "center"}
    axes.text(-0.08, 0.5, low, color=canvas.INHIBITS, ha="right", **style)
    axes.text(1.08, 0.5, high, color=canvas.EXCITES, ha="left", **style)


def grid_shape(neurons: int) -> tuple[int, int]:
    """Rows and columns of a grid of neurons: 4 by 5 for 20."""
    columns = neurons if neurons <= 5 else 5 if neurons <= 30 else math.ceil(math.sqrt(neurons))
    return math.ceil(neurons / columns), columns


def grid_inches(neurons: int) -> tuple[float, float]:
    """Width and height that a grid of neurons needs, in inches."""
    rows, columns = grid_shape(neurons)
    width = max(7.2, min(1.75, 11.0 / columns) * columns + 2 * SIDES)
    cell = min(1.9 if neurons > 2 else 3.2, (width - 2 * SIDES) / columns)
    return width, rows * (cell + _caption_height(columns)) + TOP + BOTTOM


def draw_grid(
    figure: Figure, records: NeuronRecords, values: Array | None, top: float, low: str, high: str
) -> None:
    """Draw a heatmap for each neuron, and below them what the colours mean.

    Parameters
    ----------
    values
        (hidden, pixels); None where unknown.
    top
        Inches that the title takes.
    """
    rows, columns = grid_shape(records.hidden)
    limit = colour_limit(values, records.never_lit)
    across, down = canvas.inches(figure)
    width, height = (across - 2 * SIDES) / columns, (down - top - BOTTOM) / rows
    caption = _caption_height(columns)
    side = min(0.93 * width, height - caption)
    for n in range(records.hidden):
        row, column = divmod(n, columns)
        place = SIDES + column * width, top + row * height + caption
        axes = figure.add_axes(canvas.box(figure, *place, side, side))
        own = None if values is None else values[n]
        draw_heatmap(axes, own, limit, records.never_lit)
        _write_caption(axes, records, n, width, detailed=columns <= 5)
    if values is not None:
        bar = figure.add_axes(canvas.box(figure, across / 2 - 1.3, down - 0.72, 2.6, 0.13))
        draw_colour_bar(bar, limit, bool((np.abs(values) > limit).any()), low, high)
        grey = never_lit_legend(records)
        if grey:
            patch = Patch(color=canvas.NEVER_LIT, label=grey)
            figure.legend(handles=[patch], bbox_to_anchor=(0.1 / across, 0.18 / down), **LEGEND)


def never_lit_legend(records: NeuronRecords) -> str:
    """What the grey pixels are; "" where there are none or it is not known."""
    if records.never_lit is None or not records.never_lit.any():
        return ""
    told = f"grey: the {int(records.never_lit.sum())} pixels that no training image lights"
    change = records.change
    # A start that was rounded to a grid has moved by less than this: not by learning.
    still = change is not None and np.abs(change[:, records.never_lit]).max() < 1e-6
    return f"{told} (their weights never moved)" if still else told


# --- Parts of all these ----------------------------------------------------------------------


def whole(number: float) -> str:
    """A number without decimals, a true minus, and no minus zero."""
    return f"{round(number) + 0:d}".replace("-", "\N{MINUS SIGN}")


def signed(number: float) -> str:
    """A number with its sign, a true minus."""
    return f"{number:+.1f}".replace("-", "\N{MINUS SIGN}")


def _bars(axes: Axes, records: NeuronRecords, n: int, heights: Array, bottom: float = 0) -> None:
    """A bar for each digit, those that the neuron fires for in their own colour."""
    colours = _digit_colours(records, n)
    axes.bar(np.arange(len(heights)), heights, bottom=bottom, color=colours, width=0.75)
    _label_digits(axes, records, n)


def _draw_matrix(
    axes: Axes, cells: Array, colours: Colormap, norm: Normalize, write: Callable[[float], str]
) -> None:
    """Draw a row for each neuron and a column for each digit, with the numbers in the cells."""
    axes.imshow(cells, cmap=colours, norm=norm, aspect="auto")
    axes.set_xticks(range(0, cells.shape[1], 1 if cells.shape[1] <= MOST_NUMBERED_COLUMNS else 10))
    axes.xaxis.tick_top()
    axes.tick_params(length=0, pad=2)
    for spine in axes.spines.values():
        spine.set(visible=True, linewidth=0.4)
    if len(cells) > MOST_NUMBERED_ROWS or cells.shape[1] > MOST_NUMBERED_COLUMNS:
        return
    for (row, column), value in np.ndenumerate(cells):
        if not np.isnan(value):
            # How light the cell is: the weights of ITU-R BT.709.
            light = np.dot(colours(norm(value))[:3], (0.2126, 0.7152, 0.0722)) > 0.5
            ink = canvas.INK if light else "white"
            axes.text(column, row, write(value), ha="center", va="center", size=7, color=ink)


def _label_neurons(axes: Axes, records: NeuronRecords, labels: bool) -> None:
    """Number the rows, name each role once, and draw a line between roles."""
    order = records.by_role
    kinds = [str(records.role[n]) for n in order]
    for row, (above, below) in enumerate(pairwise(kinds)):
        if above != below:
            axes.axhline(row + 0.5, color=canvas.INK, lw=1.2)
    if not labels:
        axes.set_yticks([])
        return
    axes.set_yticks(range(len(order)), [short_name(records, n, 22) for n in order])
    for row, kind in enumerate(kinds):
        if kind not in kinds[:row]:
            place = (0, row), (-ROLE_INDENT * 72, 0), axes.get_yaxis_transform(), "offset points"
            axes.annotate(kind, *place, va="center", size=8)


def _label_digits(axes: Axes, records: NeuronRecords, n: int, vertical: bool = False) -> None:
    """Put the digits along an axis, bold those that the neuron fires for."""
    firing = records.fires_for[n]
    axis = axes.yaxis if vertical else axes.xaxis
    axis.set_ticks(range(len(firing)), labels=[str(digit) for digit in range(len(firing))])
    for fires_for, label in zip(firing, axis.get_ticklabels(), strict=True):
        label.set_fontweight("bold" if fires_for else "normal")
    axis.set_tick_params(length=0)
    if vertical:
        axes.set_ylim(len(firing) - 0.4, -0.6)
        axes.set_ylabel("digit shown")
    else:
        axes.set_xlim(-0.6, len(firing) - 0.4)


def _digit_colours(records: NeuronRecords, n: int) -> list[str]:
    return [canvas.FIRES if fires_for else canvas.QUIET for fires_for in records.fires_for[n]]


def _write_caption(
    axes: Axes, records: NeuronRecords, n: int, width: float, detailed: bool
) -> None:
    """Number, name and digits above a small heatmap; the number alone where there is no room."""
    if not detailed:
        axes.set_title(f"{n}", size=7.5, pad=2)
        return
    axes.set_title(short_name(records, n, 80), size=9, pad=14)
    told = fires(records, n) if records.fires_for[n].any() else str(records.role[n])
    first, *more = canvas.wrapped(told, width, 7.5).splitlines()
    told = first + ("…" if more else "")
    place = (0, 1), (0, 3), "axes fraction", "offset points"
    axes.annotate(told, *place, size=7.5, color=canvas.FAINT, va="bottom")


def _caption_height(columns: int) -> float:
    return 0.36 if columns <= 5 else 0.2


def _say(axes: Axes, words: str, **style: Any) -> None:
    """Write words where there is nothing to draw."""
    axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", va="center", **style)


def _not_measured(axes: Axes) -> None:
    axes.set_axis_off()
    _say(axes, "not measured", color=canvas.FAINT)


def _bare(axes: Axes) -> None:
    """Leave no ticks, a thin frame, and as much room for a box as its neighbours have."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set(visible=True, linewidth=0.4, color=canvas.FAINT)


def _pixels(
    axes: Axes, values: Array, colours: Colormap, norm: Normalize | None = None, **place: Any
) -> None:
    square = values.reshape(SIDE, SIDE)
    axes.imshow(square, cmap=colours, norm=norm, interpolation="nearest", **place)
