"""Draws what each hidden neuron responds to, pushes towards and is needed for, and how a run went.

Every function takes Axes, or a Figure, and the records, and draws: all numbers are in the records.
`n` is a neuron's number. Red is positive and excites, blue is negative and inhibits, orange is what
is lost without a neuron; dark fires, pale is silent. Nothing here sets the style: `model.pages`
draws within `canvas.house_style`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from model import canvas  # before matplotlib, which is imported with care there

# isort: split
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, ListedColormap, Normalize
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from model import neurons, words
from model.neurons import NeuronRecords
from model.parameters import Parameters
from model.selectivity import Array
from model.words import ONE_POINT, percent, short_name

Heatmap = tuple[str, Array]  # with its name

#: Pixels along the side of an image.
SIDE = 28
#: Colours end at this quantile of the magnitudes, so that a single weight does not pale all others.
FULL_COLOUR = 0.995
#: Of that, from where on a blue pixel carries a minus.
STRONG = 0.4
#: The switch chart ends at this firing rate and at one minus it; its axis is the logarithm of the
#: odds, on which an hundredth is as far from a tenth as ninety hundredths from ninety-nine.
LEAST_RATE = 0.002
RATES = (0.01, 0.1, 0.5, 0.9, 0.99)
#: Room between two digits of a row, and the area of a disc in square points for one point lost.
DIGIT_ROOM, AREA = 0.36, 20.0
LARGEST_AREA = 420.0


def draw_switches(axes: Axes, records: NeuronRecords) -> None:
    """Draw every neuron as a row, its digits placed by firing rate and sized by what is lost.

    The upright line is the switch: left of it are the digits that it is silent for, right of it
    those that it fires for. A disc is what a digit loses while the neuron is frozen.
    """
    rows = records.by_rate
    area = disc_area(records)
    axes.axvspan(_odds(LEAST_RATE) - 0.4, 0, color=canvas.ZONE, lw=0)
    for rate in RATES:
        axes.axvline(_odds(rate), color=canvas.QUIET, lw=0.6, zorder=0)
    beside: Any = {"transform": axes.get_yaxis_transform(), "va": "center", "color": canvas.FAINT}
    for row, n in enumerate(rows):
        axes.text(1.03, row, words.role(records, n), size=8.5, **beside)
        axes.axhline(row, color=canvas.QUIET, lw=0.4, zorder=0)
        digits = np.flatnonzero(records.shown)
        digits = digits[np.argsort(records.firing_rate[n, digits], kind="stable")]
        across = _apart(_odds(records.firing_rate[n, digits]), DIGIT_ROOM)
        fires = records.partition[n, digits] & records.fires_for[n].any()
        lost = 100 * records.frozen.recall_lost[n, digits]
        big = lost >= 100 * ONE_POINT
        discs: Any = {"s": area * lost[big], "c": canvas.LOST_PALE}
        axes.scatter(across[big], np.full(big.sum(), row), **discs)
        for digit, place, own in zip(digits, across, fires, strict=True):
            style: Any = {"weight": "bold", "color": canvas.INK} if own else {"color": canvas.FAINT}
            axes.text(place, row, f"{digit}", ha="center", va="center_baseline", size=9, **style)
        if fires.any() and not fires.all():
            cut = (across[~fires].max() + across[fires].min()) / 2
            line = "-" if records.partition_holds[n] else ":"
            axes.plot([cut, cut], [row - 0.4, row + 0.4], line, color=canvas.INK, lw=1.6)
    end = 0.4 - _odds(LEAST_RATE)
    axes.set(xlim=(-end, end), ylim=(len(rows) - 0.4, -0.6))
    axes.set_xticks([_odds(rate) for rate in RATES], [percent(rate) for rate in RATES])
    axes.set_yticks(range(len(rows)), [short_name(records, n, 17) for n in rows])
    axes.tick_params(length=0)
    axes.xaxis.tick_top()
    axes.spines[:].set_visible(False)


def disc_area(records: NeuronRecords) -> float:
    """Square points of a disc for each point lost: less where a digit loses very many."""
    return float(min(AREA, LARGEST_AREA / max(1.0, 100 * np.nanmax(records.frozen.recall_lost))))


def added(records: NeuronRecords, activations: Array) -> tuple[Array, Array]:
    """What each neuron adds to each digit by its activation, (hidden, digits), and the sums."""
    parts = activations[:, None] * records.output_weights
    return parts, parts.sum(axis=0) + records.output_bias


def draw_path(axes: Axes, records: NeuronRecords, activations: Array) -> None:
    """Draw what each neuron answers to one image, (hidden,) activations, and adds to each digit."""
    rows = records.by_rate
    parts, sums = added(records, activations)
    cells = np.vstack([parts[rows], records.output_bias, sums])
    limit = float(np.abs(cells).max()) or 1.0
    norm = Normalize(-limit, limit)
    axes.imshow(cells, cmap=canvas.DIVERGING, norm=norm, aspect="auto")
    for (row, column), value in np.ndenumerate(cells):
        # Dark or white, whichever is read on the colour: the weights of ITU-R BT.709.
        light = np.dot(canvas.DIVERGING(norm(value))[:3], (0.2126, 0.7152, 0.0722)) > 0.5
        ink = canvas.INK if light else "white"
        bold = "bold" if row == len(cells) - 1 else "normal"
        told = f"{value:+.1f}".replace("-", "\N{MINUS SIGN}") if round(value, 1) else ""
        style: Any = {"ha": "center", "va": "center", "size": 8, "color": ink, "weight": bold}
        axes.text(column, row, told, **style)
    for line in (len(rows) - 0.5, len(rows) + 0.5):
        axes.axhline(line, color=canvas.INK, lw=1)
    axes.set_xticks(range(len(sums)))
    axes.xaxis.tick_top()
    asked = [f"{words.partition(records, n)}   {n}" for n in rows]
    axes.set_yticks(range(len(cells)), [*asked, "bias", "sum"])
    axes.tick_params(length=0, pad=20)
    axes.tick_params(axis="x", pad=3)
    beside = axes.get_yaxis_transform()
    fires = activations[rows] > neurons.FIRING_ACTIVATION
    colours = [canvas.FIRES if on else "white" for on in fires]
    lamps: Any = {"s": 70, "lw": 1, "edgecolors": canvas.FAINT, "clip_on": False}
    axes.scatter([-0.033] * len(rows), range(len(rows)), c=colours, transform=beside, **lamps)
    read = int(sums.argmax())
    axes.get_xticklabels()[read].set_fontweight("bold")
    frame = (read - 0.5, len(rows) + 0.5), 1, 1
    axes.add_patch(Rectangle(*frame, fill=False, lw=2, ec=canvas.INK, clip_on=False))
    axes.spines[:].set(visible=True, linewidth=0.4)


def draw_confusion(axes: Axes, records: NeuronRecords) -> None:
    """Draw how many images of each digit the network reads as each digit; right ones are bold."""
    wrong = records.confusion.astype(float)
    np.fill_diagonal(wrong, 0)
    axes.imshow(wrong, cmap=canvas.SEQUENTIAL, norm=Normalize(0, max(1.0, 1.6 * wrong.max())))
    for (shown, read), count in np.ndenumerate(records.confusion):
        weight = "bold" if shown == read else "normal"
        told = f"{count}" if count else ""
        axes.text(read, shown, told, ha="center", va="center", size=8, weight=weight)
    axes.set(xticks=range(len(wrong)), yticks=range(len(wrong)))
    axes.tick_params(length=0)
    axes.set(xlabel="read as", ylabel="digit shown", title="Images of each digit, as they are read")


def draw_accuracy(axes: Axes, correct: Sequence[int], examples: int, split: str) -> None:
    """Draw the accuracy after each epoch of a run: `correct` images recognised of `examples`."""
    epochs, rates = np.arange(1, len(correct) + 1), 100 * np.array(correct) / examples
    axes.plot(epochs, rates, "o-", color=canvas.INK, ms=3, lw=1.2)
    axes.grid(axis="y", lw=0.4, color=canvas.QUIET)
    axes.set(xlabel="epoch", ylabel=f"% of {examples:,} {split} images")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    last, best = (percent(count / examples, 2) for count in (correct[-1], max(correct)))
    many = f"{len(correct)} epochs" if len(correct) > 1 else "one epoch"
    axes.set_title(f"{last} after {many}" + (f" (best {best})" if best != last else ""))


def draw_z_by_digit(axes: Axes, records: NeuronRecords, n: int) -> None:
    """Draw the distribution of a neuron's z for each digit, and where its sigmoid is active.

    A shape is the histogram of the images of one digit, scaled to its own peak; the thick bar is
    the middle half of the images, the thin one the middle 90 %, the white mark the median.
    """
    axes.axvspan(-neurons.SATURATED_Z, neurons.SATURATED_Z, color=canvas.ZONE, lw=0)
    axes.axvline(0, color=canvas.FAINT, lw=0.7)
    edges, beside = records.z_edges, axes.get_yaxis_transform()
    for digit, counts in enumerate(records.z_histogram[n]):
        if not counts.any():
            axes.text(0, digit, " no images", va="center", size=7, color=canvas.FAINT)
            continue
        half = 0.43 * np.append(counts, 0) / counts.max()
        colour = _digit_colours(records, n)[digit]
        axes.fill_between(edges, digit - half, digit + half, step="post", color=colour, lw=0)
        _, low, lower, middle, upper, high, _ = records.z_quantiles[n, digit]
        axes.plot([low, high], [digit, digit], color=canvas.INK, lw=0.8)
        axes.plot([lower, upper], [digit, digit], color=canvas.INK, lw=2.4, solid_capstyle="butt")
        axes.plot([middle], [digit], "|", color="white", ms=4, mew=1.4)
        rate = percent(records.firing_rate[n, digit])
        axes.text(1.01, digit, rate, transform=beside, va="center", size=8)
    axes.set_xlim(*z_limits(records, n))
    _label_digits(axes, records, n, vertical=True)
    axes.text(1.01, -0.9, "fires", transform=beside, va="bottom", size=8)
    axes.set_xlabel("z: it fires right of 0 (grey: the sigmoid's active zone)")


def z_limits(records: NeuronRecords, n: int) -> tuple[float, float]:
    """Where a neuron's z begin and end, with some room."""
    low, high = min(records.z[n].min(), -1.0), max(records.z[n].max(), 1.0)
    room = 0.04 * (high - low)
    return low - room, high + room


def draw_class_selectivity(axes: Axes, records: NeuronRecords, n: int) -> None:
    """Draw a neuron's mean activation for each digit, and its firing rate as marks."""
    means, rates = records.activation_mean[n], records.firing_rate[n]
    axes.bar(np.arange(len(means)), means, color=_digit_colours(records, n), width=0.75)
    _label_digits(axes, records, n)
    axes.plot(np.arange(len(rates)), rates, "_", color=canvas.INK, ms=9, mew=1.4)
    axes.set_ylim(0, 1.02)
    axes.set_ylabel("mean activation\n(marks: firing rate)", size=8)
    index, bounds = records.class_selectivity[n], records.class_selectivity_interval[n]
    most = "" if index < 0.005 else f", for {records.preferred_digit[n]}"
    axes.set_title(f"Selectivity {words.interval_of(index, bounds)}{most}")


def draw_output_weights(axes: Axes, records: NeuronRecords, n: int) -> None:
    """Draw the weights with which a neuron acts on the next layer; red pushes towards."""
    weights = records.output_weights[n]
    reach = 1.08 * np.abs(records.output_weights).max() or 1.0
    colours = [canvas.EXCITES if weight > 0 else canvas.INHIBITS for weight in weights]
    axes.bar(np.arange(len(weights)), weights, color=colours, width=0.75)
    axes.axhline(0, color=canvas.FAINT, lw=0.7)
    axes.set_ylim(-reach, reach)
    if records.to_digits:
        _label_digits(axes, records, n)
        axes.set_title("Pushes to (red), from (blue)")
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_title("Weights to the next layer")
    axes.set_ylabel("output weight", size=8)


def draw_losses(axes: Axes, records: NeuronRecords, n: int) -> None:
    """Draw the points of recall that each digit loses with a neuron frozen and deleted."""
    marks = {"frozen": ("o", canvas.LOST_PALE, -0.16), "deleted": ("D", canvas.LOST, 0.16)}
    axes.axhline(0, color=canvas.FAINT, lw=0.7)
    for way, held in records.ways.items():
        mark, colour, aside = marks[way]
        lost, bounds = 100 * held.recall_lost[n], 100 * held.recall_lost_interval[n]
        place = np.arange(len(lost)) + aside
        axes.vlines(place, bounds[:, 0], bounds[:, 1], color=colour, lw=1.6)
        axes.plot(place, lost, mark, color=colour, ms=4.5, label=way, mec=canvas.LOST, mew=0.7)
    _label_digits(axes, records, n)
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, -1.0), max(high, 4.0))
    axes.set_ylabel("points of recall", size=8)
    axes.set_title("Lost without it")
    where: Any = {"loc": "lower right", "bbox_to_anchor": (1.0, 0.98)}
    axes.legend(ncols=2, frameon=False, fontsize=8, handletextpad=0, borderpad=0, **where)


def draw_ranked(axes: Axes, records: NeuronRecords, n: int, images: Array) -> None:
    """Draw a neuron's ranked images in a row, with digit, z and index below each."""
    axes.set_axis_off()
    for place, index in enumerate(records.highest[n]):
        left = 1.12 * place * SIDE
        _image(axes, images[index], (left, left + SIDE, SIDE, 0.0))
        z = f"{records.z[n, index]:z.0f}".replace("-", "\N{MINUS SIGN}")
        told = f"{records.labels[index]} · z {z}\nimage {index}"
        axes.text(left + SIDE / 2, SIDE + 2, told, size=8, ha="center", va="top")
    axes.set(xlim=(-0.2, 1.12 * neurons.RANKED * SIDE), ylim=(SIDE + 0.2, -0.2), anchor="NW")


def draw_along(axes: Axes, records: NeuronRecords, n: int, images: Array) -> None:
    """Draw the images nearest to equal steps of z above the z that they have."""
    axes.set_axis_off()
    low, high = z_limits(records, n)
    place = axes.get_window_extent()
    width = (high - low) * place.height / place.width
    axes.set(xlim=(low, high), ylim=(0, 1))
    for index in dict.fromkeys(records.along[n]):
        z = records.z[n, index]
        left = min(max(z - width / 2, low), high - width)
        _image(axes, images[index], (left, left + width, 0.0, 1.0))
    axes.set_aspect("auto")


def draw_divided(axes: Axes, records: NeuronRecords, n: int, which: int, images: Array) -> None:
    """Draw images of one digit on either side of the switch, nearest to their side's median z."""
    axes.set_axis_off()
    digit = records.divided_digits[n, which]
    gap = 0.8 * SIDE
    for (side, place), index in np.ndenumerate(records.divided[n, which]):
        left = side * (neurons.OF_EACH * SIDE * 1.06 + gap) + 1.06 * place * SIDE
        if index >= 0:
            _image(axes, images[index], (left, left + SIDE, SIDE, 0.0))
    rate = records.firing_rate[n, digit]
    end = 2 * neurons.OF_EACH * SIDE * 1.06 + gap
    style: dict[str, Any] = {"size": 8, "va": "bottom"}
    axes.text(0, -3, f"{digit}: silent on {percent(1 - rate)}", **style)
    axes.text(end, -3, f"fires on {percent(rate)}", ha="right", weight="bold", **style)
    axes.set(xlim=(-0.2, end + 0.2), ylim=(SIDE + 0.2, -0.2), anchor="NW")


def ranked_title(records: NeuronRecords, n: int) -> str:
    """Which digits are among a neuron's ranked images, the most frequent first."""
    labels = records.labels[records.highest[n]].tolist()
    if labels[1:] and len(set(labels)) == 1:
        return f"Largest z: all {len(labels)} show {labels[0]}"
    counts = Counter(sorted(labels)).most_common()
    told = [f"{d} ({count} of {len(labels)})" if count > 1 else f"{d}" for d, count in counts]
    return f"Largest z: {', '.join(told)}"


def check_pixels(sizes: tuple[int, ...]) -> None:
    """Refuse a network that does not look at images of 28 by 28 pixels."""
    if sizes[0] != SIDE * SIDE:
        raise ValueError(
            f"sizes: expected {SIDE * SIDE} inputs, one for each of the 28 by 28 pixels, received "
            f"{sizes[0]} in {list(sizes)}; only networks that read MNIST images can be drawn"
        )


def check_neuron(n: int, hidden: int) -> None:
    """Refuse a number that no neuron has."""
    if not 0 <= n < hidden:
        raise ValueError(
            f"neuron: expected a number from 0 to {hidden - 1}, received {n}; "
            f"the first hidden layer of this model has {hidden}"
        )


def draw_neuron(n: int, model: Any, ax: Axes | None = None) -> Axes:
    """Draw the weights into a neuron of the first hidden layer: red excites, blue inhibits.

    Parameters
    ----------
    model : Parameters, Network of either backend, str or Path
        The network, or the file that it is in.
    ax
        Where to draw; pyplot's own current Axes by default.
    """
    parameters = Parameters.of(model)
    check_pixels(parameters.sizes)
    check_neuron(n, parameters.sizes[1])
    if ax is None:
        from matplotlib import pyplot

        ax = pyplot.gca()
    weights, nothing = parameters.weights[0], np.zeros(SIDE * SIDE, dtype=bool)
    draw_heatmap(ax, weights[n], colour_limit(weights, nothing), nothing)
    ax.set_title(f"{n} {neurons.name_of(parameters.metadata, n)}".strip(), parse_math=False)
    return ax


def colour_limit(weights: Array, never_lit: Array) -> float:
    """Where the one scale of all (hidden, pixels) ends; never-lit pixels do not count."""
    drawn = np.abs(weights[:, ~never_lit])
    limit = float(np.quantile(drawn, FULL_COLOUR)) if drawn.size else 0.0
    return limit or 1.0


def draw_heatmap(axes: Axes, values: Array, limit: float, never_lit: Array) -> None:
    """Draw one number for each pixel, red above zero and blue below, never-lit pixels grey.

    In grey red and blue are alike: so where blue is strong it carries a minus. `limit` is the
    magnitude at which the colours end.
    """
    _bare(axes)
    _pixels(axes, values, canvas.DIVERGING, Normalize(-limit, limit))
    rows, columns = np.divmod(np.flatnonzero((values < -STRONG * limit) & ~never_lit), SIDE)
    axes.hlines(rows, columns - 0.28, columns + 0.28, color="white", lw=0.6)
    mask = np.ma.masked_where(~never_lit, np.ones(len(never_lit)))
    _pixels(axes, mask, ListedColormap([canvas.NEVER_LIT]))


def heatmaps(records: NeuronRecords, n: int) -> list[Heatmap]:
    """A neuron's weights, where its start is known as the sum that they are; 0 where it is grey."""
    weights = ~records.never_lit * records.weights[n]
    if records.change is None:
        return [("weights", weights)]
    change = ~records.never_lit * records.change[n]
    return [("start", weights - change), ("+ change", change), ("= weights", weights)]


def beyond(maps: Iterable[Heatmap], limit: float) -> bool:
    """Whether any of them has a value that its colour does not tell."""
    return any(bool((np.abs(values) > limit).any()) for _, values in maps)


def draw_colour_bar(axes: Axes, limit: float, maps: Iterable[Heatmap], low: str, high: str) -> None:
    """Draw the colour scale of some maps, with the meaning of blue and red in words at its ends."""
    bar = axes.figure.colorbar(
        ScalarMappable(Normalize(-limit, limit), canvas.DIVERGING),
        cax=axes,
        orientation="horizontal",
        extend="both" if beyond(maps, limit) else "neither",
    )
    bar.outline.set_linewidth(0.4)
    bar.ax.tick_params(labelsize=8, length=2)
    style: Any = {"transform": axes.transAxes, "va": "center"}
    axes.text(-0.08, 0.5, low, color=canvas.INHIBITS, ha="right", **style)
    axes.text(1.08, 0.5, high, color=canvas.EXCITES, ha="left", **style)


def never_lit_legend(records: NeuronRecords) -> str:
    """What the grey pixels are; "" where there are none."""
    if not records.never_lit.any():
        return ""
    told = f"grey: the {int(records.never_lit.sum())} pixels that no training image lights"
    # A start that was rounded to a grid has moved by less than this: not by learning.
    moved = 1.0 if records.change is None else np.abs(records.change[:, records.never_lit]).max()
    return f"{told} (their weights never moved)" if moved < 1e-6 else told


def _odds(rate: Any) -> Any:
    """The logarithm of the odds of a rate, which is kept between the ends of the chart."""
    inside = np.clip(rate, LEAST_RATE, 1 - LEAST_RATE)
    return np.log(inside / (1 - inside))


def _apart(places: Array, room: float) -> Array:
    """Ascending places moved as little as is simple so that two have room between them."""
    moved, ends = places.astype(float), (_odds(LEAST_RATE), -_odds(LEAST_RATE))
    for _ in range(300):  # push apart, hold within the ends, until nothing moves
        before = moved.copy()
        for k in range(1, len(moved)):
            short = room - (moved[k] - moved[k - 1])
            if short > 0:
                moved[k - 1] -= short / 2
                moved[k] += short / 2
        moved = np.clip(moved, *(end + 0.3 * sign for end, sign in zip(ends, (-1, 1), strict=True)))
        if np.abs(moved - before).max() < 1e-3:
            break
    return moved


def _label_digits(axes: Axes, records: NeuronRecords, n: int, vertical: bool = False) -> None:
    """Put the digits along an axis, bold those that the neuron fires for."""
    firing = records.fires_for[n]
    axis = axes.yaxis if vertical else axes.xaxis
    axis.set_ticks(range(len(firing)), labels=[str(digit) for digit in range(len(firing))])
    for fires_for, label in zip(firing, axis.get_ticklabels(), strict=True):
        label.set_fontweight("bold" if fires_for else "normal")
    axis.set_tick_params(length=0)
    if vertical:
        axes.set(ylim=(len(firing) - 0.4, -0.6), ylabel="digit shown")
    else:
        axes.set_xlim(-0.6, len(firing) - 0.4)


def _digit_colours(records: NeuronRecords, n: int) -> list[str]:
    return [canvas.FIRES if fires_for else canvas.QUIET for fires_for in records.fires_for[n]]


def draw_image(axes: Axes, image: Array) -> None:
    """Draw one image, ink dark."""
    _bare(axes)
    _pixels(axes, image, canvas.SEQUENTIAL, Normalize(0, 1))


def _image(axes: Axes, image: Array, extent: tuple[float, float, float, float]) -> None:
    """An image in its frame, ink dark; `extent` is left, right, bottom, top."""
    _pixels(axes, image, canvas.SEQUENTIAL, Normalize(0, 1), extent=extent)
    left, right, bottom, top = extent
    frame = (left, bottom), right - left, top - bottom
    axes.add_patch(Rectangle(*frame, fill=False, lw=0.4, ec=canvas.FAINT, clip_on=False))


def _bare(axes: Axes) -> None:
    """Leave no ticks and a thin frame."""
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set(visible=True, linewidth=0.4, color=canvas.FAINT)


def _pixels(
    axes: Axes, values: Array, colours: Colormap, norm: Normalize | None = None, **place: Any
) -> None:
    square = values.reshape(SIDE, SIDE)
    axes.imshow(square, cmap=colours, norm=norm, interpolation="nearest", **place)
