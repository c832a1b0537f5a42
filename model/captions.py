"""What the titles of the figures say, and the table of the neurons: words read off the records."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable

import numpy as np

from model.findings import ONE_POINT, fires_for, headline, role_counts
from model.records import NeuronRecord, NeuronRecords, RankedInputs
from model.roles import ANTI_CLASS, IDLE

#: Pixels along the side of an image.
SIDE = 28


def check_pixels(sizes: tuple[int, ...]) -> None:
    """Refuse a network that does not look at images of 28 by 28 pixels.

    Raises
    ------
    ValueError
        Naming the number of inputs that was received.
    """
    if sizes[0] != SIDE * SIDE:
        raise ValueError(
            f"sizes: expected {SIDE * SIDE} inputs, one for each of the 28 by 28 pixels, received "
            f"{sizes[0]} in {list(sizes)}; only networks that read MNIST images can be drawn"
        )


def neuron(records: NeuronRecords, number: int) -> NeuronRecord:
    """Return the record of one neuron.

    Raises
    ------
    ValueError
        Where there is no neuron of that number.
    """
    if not 0 <= number < len(records.neurons):
        last = len(records.neurons) - 1
        raise ValueError(
            f"neuron: expected a number from 0 to {last}, received {number}; "
            f"the first hidden layer of this model has {last + 1}"
        )
    return records.neurons[number]


def name(record: NeuronRecord) -> str:
    """A neuron's number, and its informal name where it has one."""
    return f"Neuron {record.number}" + (f' ("{record.name}")' if record.name else "")


def short_name(record: NeuronRecord) -> str:
    """The same, as short as it can be."""
    return f"{record.number} {record.name}".strip()


def label(record: NeuronRecord) -> str:
    """The same, cut to what a row of a matrix has room for."""
    return _cut(short_name(record), 22)


def title(record: NeuronRecord) -> str:
    """What a neuron fires for and what is lost without it, as a sentence."""
    return f"{name(record)} {headline(record)}"


def digits(record: NeuronRecord) -> str:
    """The digits of a role, short: "4 6", "not 4" for an anti-class neuron, "-" for an idle one."""
    if record.role.kind == ANTI_CLASS:
        return "not " + _spaced(record.role.digits)
    shown = np.flatnonzero(~np.isnan(record.responds_to.firing_rate)).tolist()
    others = [digit for digit in shown if digit not in record.role.digits]
    if len(shown) == 10 and 0 < len(others) <= 3:
        return "all but " + _spaced(others)
    return _spaced(record.role.digits) or "-"


def layer(records: NeuronRecords) -> str:
    """Which layer of which network is shown."""
    sizes = "-".join(map(str, records.sizes))
    if len(records.sizes) > 3:
        return f"the first of the {len(records.sizes) - 2} hidden layers of a {sizes} network"
    return f"the hidden layer of a {sizes} network"


def page_title(records: NeuronRecords) -> str:
    """What a page about all neurons is about."""
    neurons = len(records.neurons)
    return f"What {neurons} hidden neurons do" if neurons > 1 else "What one hidden neuron does"


def roles_title(records: NeuronRecords) -> str:
    """How many neurons have which role."""
    counts = [(count, kind) for kind, count in role_counts(records).items() if count]
    if len(records.neurons) == 1:
        return f"The hidden neuron is {counts[0][1]}"
    (count, kind), *others = counts
    told = [f"{count} {'is' if count == 1 else 'are'} {kind}", *(f"{n} {k}" for n, k in others)]
    return f"Of {len(records.neurons)} hidden neurons, {_listed(told)}"


def weights_title(records: NeuronRecords) -> str:
    """How much of the weights still is what was drawn at random."""
    starts = _start_correlations(records)
    if not starts:
        return f"The weights of {layer(records)}"
    told = f"weights and start correlate {statistics.median(starts):.2f}"
    where = " in the median neuron" if len(starts) > 1 else ""
    return f"How much of the start is left: {told}{where}"


def change_title(records: NeuronRecords) -> str:
    """What the grid of changes shows."""
    changes = [record.weights.change for record in records.neurons]
    moved = [float(np.linalg.norm(change)) for change in changes if change is not None]
    if not moved:
        return "What training changed is not known: the start of this network is not at hand"
    if len(moved) == 1:
        return "What training changed: the weights minus their random start"
    most, least = int(np.argmax(moved)), int(np.argmin(moved))
    return f"Training changed neuron {most} most and neuron {least} least"


def never_lit_legend(records: NeuronRecords) -> str:
    """What the grey pixels are; "" where it is not known."""
    if records.never_lit is None:
        return ""
    if not records.never_lit.any():
        return ""
    told = f"grey: the {int(records.never_lit.sum())} pixels that no training image lights"
    changes = [record.weights.change for record in records.neurons]
    # A start that was rounded to a grid has moved by less than this: not by learning.
    still = all(c is not None and np.abs(c[records.never_lit]).max() < 1e-6 for c in changes)
    return f"{told} (their weights never moved)" if still else told


def role_line(record: NeuronRecord) -> str:
    """A neuron's role, its digits, and how sure that is, as a sentence."""
    role = record.role
    told = f"Role: {role.kind}" + (f" ({digits(record)})" if role.digits else "")
    if role.digits:
        told += f", Matthews correlation {record.responds_to.best_mcc:.2f}"
    if np.isnan(role.stability):
        return told + "."
    return f"{told}; the same in {percent(role.stability)} of the bootstrap resamples."


def answers_title(records: NeuronRecords) -> str:
    """How many neurons cost most on a digit that they do not fire for."""
    costly = [
        record
        for record in records.neurons
        if record.needed_for and fires_for(record) and _loses_a_point(record)
    ]
    if not costly:
        return "What the neurons respond to, push towards and are needed for"
    away = sum(not fires(r, r.needed_for.most_needed_digit) for r in costly if r.needed_for)
    what = "needed most for a digit that it does not fire for"
    if len(costly) == 1:
        return f"Neuron {costly[0].number} is{'' if away else ' not'} {what}"
    what = what.replace("it does", "they do")
    verb = "is" if away == 1 else "are"
    return f"Of the {len(costly)} selective neurons that some digit needs, {away} {verb} {what}"


def weights_caption(record: NeuronRecord) -> str:
    """What share of a neuron's weights lies where no image ever is."""
    share = record.weights.never_lit_share
    if share is None:
        return "Its weights"
    return f"Its weights ({percent(share)} on grey pixels)"


def change_caption(record: NeuronRecord) -> str:
    """What stands beside a neuron's weights."""
    known = record.weights.change is not None
    return "What training changed" if known else "What training changed: not known"


def inputs_title(ranked: RankedInputs, what: str) -> str:
    """Which digits are among ranked images, the most frequent first."""
    counts = sorted(Counter(ranked.labels.tolist()).items(), key=lambda pair: (-pair[1], pair[0]))
    total = len(ranked.labels)
    if len(counts) == 1:
        return (
            f"{what}: all {total} show {counts[0][0]}" if total > 1 else f"{what}: {counts[0][0]}"
        )
    told = [f"{digit} ({count} of {total})" if count > 1 else f"{digit}" for digit, count in counts]
    return f"{what}: {', '.join(told)}"


def firing_title(record: NeuronRecord) -> str:
    """On which share of the images a neuron fires, and on which digit most."""
    responds = record.responds_to
    told = f"It fires on {percent(responds.firing_rate_all)} of all images"
    if record.role.kind == IDLE:
        return told
    most = int(np.nanargmax(responds.firing_rate))
    return f"{told}, most on {most} ({percent(responds.firing_rate[most])})"


def selectivity_title(record: NeuronRecord) -> str:
    """The class selectivity index and its digit."""
    responds = record.responds_to
    told = f"Class selectivity {responds.class_selectivity:.2f}"
    return told if told.endswith("0.00") else f"{told}, for {responds.preferred_digit}"


def auroc_title(record: NeuronRecord) -> str:
    """The digit that z tells best from the others."""
    auroc = record.responds_to.auroc
    if np.isnan(auroc).all():
        return "There is one digit alone: no AUROC"
    best = int(np.nanargmax(np.abs(auroc - 0.5)))
    low = " (z is low)" if auroc[best] < 0.5 else ""
    return f"z tells {best} best: AUROC {auroc[best]:.2f}{low}"


def pushes_title(record: NeuronRecord) -> str:
    """What a neuron pushes most towards and most away from."""
    weights = record.pushes_towards.weights
    up, down = int(np.argmax(weights)), int(np.argmin(weights))
    what = "" if record.pushes_towards.to_digits else "neuron "
    if weights[up] <= 0:
        return f"Away from all, most {what}{down} ({signed(weights[down])})"
    if weights[down] >= 0:
        return f"Towards all, most {what}{up} ({signed(weights[up])})"
    return f"To {what}{up} ({signed(weights[up])}), away from {down} ({signed(weights[down])})"


def loss_title(record: NeuronRecord) -> str:
    """What is lost without a neuron."""
    needed = record.needed_for
    if needed is None:
        return "Without it: not measured"
    if not _loses_a_point(record):
        return "Without it no digit loses a point"
    digit = needed.most_needed_digit
    points = whole(100 * needed.recall_lost[digit])
    return f"Without it {digit} loses {points} point" + ("" if points == "1" else "s")


def confusion_title(records: NeuronRecords) -> str:
    """How many images are recognised and which mistake is the most frequent."""
    if records.confusion is None:
        return "What the network reads was not measured"
    told = f"{records.correct:,} of {records.examples:,} images are recognised"
    wrong = records.confusion.copy()
    np.fill_diagonal(wrong, 0)
    if not wrong.any():
        return told
    shown, read = divmod(int(np.argmax(wrong)), len(wrong))
    return f"{told}; the most frequent mistake is a {shown} read as {read} ({wrong.max()})"


def accuracy_title(correct: list[int], examples: int) -> str:
    """Where the accuracy ended, and the best on the way."""
    last, best = (percent(count / examples, 2) for count in (correct[-1], max(correct)))
    if len(correct) == 1:
        return f"{last} after one epoch"
    return f"{last} after {len(correct)} epochs" + (f" (best {best})" if best != last else "")


def percent(fraction: float, places: int = 0) -> str:
    """A fraction in per cent, that never rounds to nothing or to all."""
    smallest = 10.0**-places
    if 0 < fraction < 0.005 * smallest:
        return f"<{smallest:g} %"
    if 1 - 0.005 * smallest < fraction < 1:
        return f">{100 - smallest:g} %"
    return f"{100 * fraction:.{places}f} %"


def whole(number: float) -> str:
    """A number without decimals, a true minus, and no minus zero."""
    return f"{round(number) + 0:d}".replace("-", "\N{MINUS SIGN}")


def whole_or_blank(number: float) -> str:
    """The same, nothing for zero."""
    return whole(number) if round(number) else ""


def signed(number: float) -> str:
    """A number with its sign, a true minus."""
    return f"{number:+.1f}".replace("-", "\N{MINUS SIGN}")


def table(records: NeuronRecords) -> list[str]:
    """Set the neurons in lines of plain text, at most 100 columns wide, by number."""
    head = (
        f"{'neuron':<19} {'role':<17} {'digits':<14} {'MCC':>5} {'stable':>6} {'CSI':>5} "
        f"{'fires':>5} {'lost':>7} {'top 8 inputs':<12}"
    ).rstrip()
    return [head, "-" * len(head), *(_line(record) for record in records.neurons)]


def table_legend() -> list[str]:
    """Say what the columns of the table are."""
    return [
        "digits: what the role speaks of. MCC: Matthews correlation of those digits with firing.",
        "stable: bootstrap resamples with the same role and digits. CSI: class selectivity index.",
        "lost: points of recall on the digit that loses most while the neuron is held at its mean.",
    ]


def _line(record: NeuronRecord) -> str:
    responds, needed, role = record.responds_to, record.needed_for, record.role
    lost = "-"
    if needed is not None:
        most = needed.most_needed_digit
        lost = f"{100 * needed.recall_lost[most]:.0f} on {most}"
    stable = "-" if np.isnan(role.stability) else percent(role.stability)
    top = "".join(map(str, record.highest.labels.tolist()))
    return (
        f"{_cut(short_name(record), 19):<19} {role.kind:<17} {_cut(digits(record), 14):<14} "
        f"{responds.best_mcc:5.2f} {stable:>6} {responds.class_selectivity:5.2f} "
        f"{percent(responds.firing_rate_all):>5} {lost:>7} {top}"
    )


def grid_caption(record: NeuronRecord) -> str:
    """What a neuron fires for, as short as it can be."""
    if fires_for(record):
        return headline(record).partition("; ")[0]
    return record.role.kind


def fires(record: NeuronRecord, digit: int) -> bool:
    """Whether a digit is one of those that a neuron fires for by its role."""
    return digit in fires_for(record)


def _loses_a_point(record: NeuronRecord) -> bool:
    needed = record.needed_for
    return needed is not None and needed.recall_lost[needed.most_needed_digit] >= ONE_POINT


def _spaced(numbers: Iterable[int]) -> str:
    return " ".join(map(str, numbers))


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 2] + ".."


def _start_correlations(records: NeuronRecords) -> list[float]:
    starts = [record.weights.start_correlation for record in records.neurons]
    return [start for start in starts if start is not None and not np.isnan(start)]


def _listed(parts: list[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else parts[0]
