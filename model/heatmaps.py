"""Draws what lies on the 28 by 28 pixels: weights, what training changed in them, and images.

Red is positive (ink there excites), blue is negative (ink there inhibits), and all neurons of a
network share one symmetric scale, so that a pale one is weak. Nothing is computed here but places.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Patch, Rectangle
from numpy.typing import NDArray

from model import captions
from model.canvas import (
    DIVERGING,
    EXCITES,
    FAINT,
    INHIBITS,
    NEVER_LIT,
    SEQUENTIAL,
    box,
    house_style,
    inches,
    wrapped,
    write_footer,
    write_title,
)
from model.captions import SIDE
from model.records import RANKED, BoolArray, FloatArray, NeuronRecord, NeuronRecords, RankedInputs

#: Colours end at this quantile of the magnitudes, so that a single weight does not pale all others.
FULL_COLOUR = 0.995
#: Inches around a grid: at either side, for the title, and for the colour scale and legend.
SIDES, TOP, BOTTOM = 0.15, 0.85, 0.95


def colour_limit(values: list[FloatArray], never_lit: BoolArray | None) -> float:
    """Where the colours of the shared scale end, on either side of zero.

    Parameters
    ----------
    values
        (pixels,) for every neuron.
    never_lit
        (pixels,) pixels that are not drawn and do not count; None for none.
    """
    magnitudes = np.abs(np.array(values))
    drawn = magnitudes if never_lit is None else magnitudes[:, ~never_lit]
    limit = float(np.quantile(drawn, FULL_COLOUR)) if drawn.size else 0.0
    return limit if limit > 0 else 1.0


def weights_limit(records: NeuronRecords) -> float:
    """The colour limit of a network's weights."""
    return colour_limit([r.weights.weights for r in records.neurons], records.never_lit)


def change_limit(records: NeuronRecords) -> float:
    """The colour limit of what training changed; 1 where that is not known."""
    changes = [r.weights.change for r in records.neurons]
    known = [change for change in changes if change is not None]
    return colour_limit(known, records.never_lit) if known else 1.0


@house_style()
def draw_heatmap(
    axes: Axes, values: FloatArray | None, limit: float, never_lit: BoolArray | None
) -> None:
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
        axes.text(
            0.5, 0.5, "start unknown", transform=axes.transAxes, ha="center", va="center", size=8
        )
        axes.set_box_aspect(1)
        return
    axes.imshow(
        _square(values), cmap=DIVERGING, norm=Normalize(-limit, limit), interpolation="nearest"
    )
    if never_lit is not None:
        mask = np.ma.masked_where(~_square(never_lit), np.ones((SIDE, SIDE)))
        axes.imshow(mask, cmap=ListedColormap([NEVER_LIT]), interpolation="nearest")


@house_style()
def draw_colour_bar(axes: Axes, limit: float, clipped: bool, what: str) -> None:
    """Draw the colour scale with the meaning of the signs in words at its ends.

    Parameters
    ----------
    axes
        A low, wide place.
    limit
        Where the colours end.
    clipped
        Whether some weights lie beyond.
    what
        "weight", "change", or "both".
    """
    words = {
        "weight": ("blue: inhibits\n(ink there lowers z)", "red: excites\n(ink there raises z)"),
        "both": ("blue: inhibits\n(or was lowered)", "red: excites\n(or was raised)"),
        "change": ("blue: training lowered\nthe weight", "red: training raised\nthe weight"),
    }
    figure = axes.figure
    bar = figure.colorbar(
        ScalarMappable(Normalize(-limit, limit), DIVERGING),
        cax=axes,
        orientation="horizontal",
        extend="both" if clipped else "neither",
    )
    bar.outline.set_linewidth(0.4)
    bar.ax.tick_params(labelsize=7.5, length=2)
    low, high = words[what]
    axes.text(-0.08, 0.5, low, transform=axes.transAxes, color=INHIBITS, ha="right", va="center")
    axes.text(1.08, 0.5, high, transform=axes.transAxes, color=EXCITES, ha="left", va="center")


def grid_shape(neurons: int) -> tuple[int, int]:
    """Rows and columns of a grid of neurons: 4 by 5 for 20."""
    columns = neurons if neurons <= 5 else 5 if neurons <= 30 else math.ceil(math.sqrt(neurons))
    return math.ceil(neurons / columns), columns


def grid_inches(neurons: int) -> tuple[float, float]:
    """Width and height that a grid of neurons needs, in inches."""
    rows, columns = grid_shape(neurons)
    width = max(7.2, min(1.75, 11.0 / columns) * columns + 2 * SIDES)
    cell = min(1.9 if neurons > 2 else 3.2, (width - 2 * SIDES) / columns)
    return width, rows * (cell + _caption_height(neurons)) + TOP + BOTTOM


@house_style()
def draw_weight_grid(figure: Figure | SubFigure, records: NeuronRecords, note: str = "") -> None:
    """Draw the weights of every neuron on one shared scale."""
    values = [record.weights.weights for record in records.neurons]
    limit = weights_limit(records)
    how = f"Weights into each neuron of {captions.layer(records)}, pixel by pixel"
    top = write_title(figure, captions.weights_title(records), _reading(how, values, limit))
    _draw_grid(figure, records, values, limit, "weight", note, top + 0.1)


@house_style()
def draw_change_grid(figure: Figure | SubFigure, records: NeuronRecords, note: str = "") -> None:
    """Draw what training changed in every neuron's weights on one shared scale."""
    values = [record.weights.change for record in records.neurons]
    limit = change_limit(records)
    how = f"Weights minus initial weights, for each neuron of {captions.layer(records)}"
    top = write_title(figure, captions.change_title(records), _reading(how, values, limit))
    _draw_grid(figure, records, values, limit, "change", note, top + 0.1)


@house_style()
def draw_ranked(
    axes: Axes, ranked: RankedInputs, images: FloatArray, indices: bool = False
) -> None:
    """Draw ranked images in a row, ink dark, each with its digit and its z under it.

    Parameters
    ----------
    axes
        A low, wide place; images stand at its top, and their words below it.
    ranked
        The ranking.
    images
        (inputs, pixels) the images, in its order, 0 to 1.
    indices
        Whether the dataset index stands there too.
    """
    _bare(axes)
    axes.set_axis_off()
    for place, image in enumerate(images):
        left = 1.12 * place * SIDE
        extent = (left, left + SIDE, SIDE, 0.0)
        shown = _square(image)
        axes.imshow(
            shown, cmap=SEQUENTIAL, norm=Normalize(0, 1), interpolation="nearest", extent=extent
        )
        axes.add_patch(Rectangle((left, 0), SIDE, SIDE, fill=False, lw=0.4, ec=FAINT))
        told = f"{ranked.labels[place]} · z {captions.whole(ranked.zs[place])}"
        told += f"\nimage {ranked.indices[place]}" if indices else ""
        axes.text(left + SIDE / 2, SIDE + 2, told, size=7, ha="center", va="top")
    axes.set_xlim(-0.2, 1.12 * RANKED * SIDE)
    axes.set_ylim(SIDE + 0.2, -0.2)
    axes.set_anchor("NW")


def _draw_grid(
    figure: Figure | SubFigure,
    records: NeuronRecords,
    values: Sequence[FloatArray | None],
    limit: float,
    what: str,
    note: str,
    top_margin: float,
) -> None:
    rows, columns = grid_shape(len(records.neurons))
    across, down = inches(figure)
    cell_width = (across - 2 * SIDES) / columns
    cell_height = (down - top_margin - BOTTOM) / rows
    caption = _caption_height(len(records.neurons))
    side = min(0.93 * cell_width, cell_height - caption)
    for place, (record, own) in enumerate(zip(records.neurons, values, strict=True)):
        row, column = divmod(place, columns)
        left = SIDES + column * cell_width
        top = top_margin + row * cell_height + caption
        axes = figure.add_axes(box(figure, left, top, side, side))
        draw_heatmap(axes, own, limit, records.never_lit)
        _write_caption(axes, record, cell_width, detailed=columns <= 5)
    if any(own is not None for own in values):
        bar = figure.add_axes(box(figure, across / 2 - 1.3, down - 0.72, 2.6, 0.13))
        draw_colour_bar(bar, limit, beyond(values, limit), what)
        _draw_legend(figure, records)
    write_footer(figure, note)


def _reading(how: str, values: Sequence[FloatArray | None], limit: float) -> str:
    """How to read a grid; where the colours end is said if anything lies beyond."""
    if not any(own is not None for own in values):
        return how + "."
    if not beyond(values, limit):
        return f"{how}. One colour scale for all."
    return (
        f"{how}. One colour scale for all; the largest, beyond {limit:.1f}, have its end colours."
    )


def beyond(values: Sequence[FloatArray | None], limit: float) -> bool:
    """Whether any magnitude lies beyond the limit."""
    return any(own is not None and bool(np.any(np.abs(own) > limit)) for own in values)


def _write_caption(axes: Axes, record: NeuronRecord, width: float, detailed: bool) -> None:
    """Number, name and digits above a small heatmap; the number alone where there is no room."""
    if not detailed:
        axes.set_title(f"{record.number}", size=7.5, pad=2)
        return
    axes.set_title(captions.short_name(record), size=9, pad=14)
    fires = wrapped(captions.grid_caption(record), width, 7.5).splitlines()
    told = fires[0] + ("…" if len(fires) > 1 else "")
    axes.annotate(
        told, (0, 1), (0, 3), "axes fraction", "offset points", size=7.5, color=FAINT, va="bottom"
    )


def _draw_legend(figure: Figure | SubFigure, records: NeuronRecords) -> None:
    told = captions.never_lit_legend(records)
    if told:
        across, down = inches(figure)
        figure.legend(
            handles=[Patch(color=NEVER_LIT, label=told)],
            loc="lower left",
            bbox_to_anchor=(0.1 / across, 0.18 / down),
            frameon=False,
            fontsize=7.5,
            handlelength=1,
            handleheight=1,
            borderpad=0,
        )


def _caption_height(neurons: int) -> float:
    return 0.36 if grid_shape(neurons)[1] <= 5 else 0.2


def _bare(axes: Axes) -> None:
    """Leave no ticks, a thin frame, and as much room for a box as its neighbours have."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set(visible=True, linewidth=0.4, color=FAINT)


def _square(values: NDArray[Any]) -> NDArray[Any]:
    return values.reshape(SIDE, SIDE)
