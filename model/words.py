"""Neuron records in words: everything said is read off the records, or off the parameters' file.

Numbers are rounded where they are said; a loss under one point is never said to be one, and what a
file does not say is not claimed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from model import selectivity
from model.neurons import FIRING_ACTIVATION, Ablation, NeuronRecords
from model.parameters import Parameters
from model.printable import printable
from model.selectivity import BETWEEN, CLASS_SELECTIVE, IDLE, ROLES, WEAK, wilson

Section = tuple[str, list[str]]

#: A digit is lost where its recall falls by at least this much: one point.
ONE_POINT = 0.01
#: More images than anybody counts: what a file states beyond is not believed.
MOST_IMAGES = 10**9
LEGEND = {  # by the column that is the last to be left out
    "partition": "partition: it fires left of the bar; ?: other images give another.",
    "MCC": "MCC: Matthews correlation of the two sides with firing.",
    "deleted": "frozen, deleted: points of recall lost by the digit that loses most while the "
    "neuron is held at its mean activation, or at 0.",
}
NUMBERS = "MCC", "fires", "frozen", "deleted"
LEFT_OUT = "top 8", "fires", "frozen", "deleted", "MCC"  # in this order, where there is no room


def name(records: NeuronRecords, n: int) -> str:
    """A neuron's number, and its informal name where it has one."""
    return f"Neuron {n}" + (f' ("{records.names[n]}")' if records.names[n] else "")


def title(records: NeuronRecords, n: int) -> str:
    """What a neuron fires for and what is lost without it, as a sentence without its stop."""
    return f"{name(records, n)} {headline(records, n)}"


def headline(records: NeuronRecords, n: int) -> str:
    """The same without its name: "fires for 5 and 6; frozen, 5 loses 2.1 points; deleted, ..."."""
    told = [fires(records, n)]
    for way, held in records.ways.items():
        lost = largest_loss(held)[n]
        loses = f"{held.most_needed_digit[n]} loses {100 * lost:.1f} points"
        told.append(f"{way}, {loses if lost >= ONE_POINT else 'no digit loses a point'}")
    return "; ".join(told)


def fires(records: NeuronRecords, n: int) -> str:
    """What a neuron fires for, in one clause."""
    roles = set(records.split_roles[:, n])
    if roles == {IDLE}:
        return f"fires on {share(records.firing_rate_all[n])} of the images"
    if roles <= {IDLE, WEAK}:
        return f"fires for no clear set of digits (best: {sides(records, n)})"
    told = f"fires for {_set(records, records.split_sets[:, n].all(axis=0))}"
    some = records.split_sets[:, n].any(axis=0) & ~records.split_sets[:, n].all(axis=0)
    return f"{told}, on some images also for {listed(np.flatnonzero(some))}" if some.any() else told


def sides(records: NeuronRecords, n: int, digits: Any = None) -> str:
    """The two sides of a switch, the side that it fires for first: "{4 7 9} | rest"."""
    own = records.partition[n] if digits is None else digits
    seen = records.shown > 0
    inside, outside = (np.flatnonzero(v & seen).tolist() for v in (own, ~own))
    if len(inside) <= len(outside):
        return f"{{{' '.join(map(str, inside))}}} | rest"
    return f"rest | {{{' '.join(map(str, outside))}}}"


def partition(records: NeuronRecords, n: int) -> str:
    """The same for a table: "idle" of an idle neuron, a mark where the splits disagree."""
    if (records.split_roles[:, n] == IDLE).all():
        return IDLE
    return sides(records, n) + ("" if records.partition_holds[n] else " ?")


def role(records: NeuronRecords, n: int) -> str:
    """A neuron's role, where it is class-selective with its digit: "class-selective (7)"."""
    kind = str(records.role[n])
    own = f" ({np.flatnonzero(records.role_digits[n])[0]})" if kind == CLASS_SELECTIVE else ""
    return kind + own


def role_line(records: NeuronRecords, n: int) -> str:
    """A neuron's role and its partition, and on which images that holds, as a sentence."""
    told = role(records, n).capitalize()
    kinds, sets = records.split_roles[:, n].tolist(), records.split_sets[:, n]
    if records.role[n] == BETWEEN:
        found = [f"{k}, {sides(records, n, own)}" for k, own in zip(kinds, sets, strict=True)]
        holds = records.partition_holds[n]
        told = f"Between {' and '.join(dict.fromkeys(kinds if holds else found))}"
        told += f", {sides(records, n)}" if holds else ""
    elif records.role[n] != IDLE:
        told += f", {partition(records, n)}"
    told += f", on {listed(records.splits)}" + (" images" if records.splits[1:] else "")
    if (records.split_roles[:, n] == IDLE).all():
        return f"{told}."
    mcc = interval_of(records.partition_mcc[n], records.partition_mcc_interval[n])
    return f"{told}; Matthews correlation of {sides(records, n)}: {mcc}."


def largest_loss(held: Ablation) -> Any:
    """The recall that each neuron's most needed digit loses without it."""
    return np.nanmax(held.recall_lost, axis=1)


def interval_of(value: float, bounds: Any, places: int = 2) -> str:
    """A number with its 95 % interval, where there is one: "0.59 (0.57 to 0.61)"."""
    told, low, high = (f"{v:.{places}f}" for v in (value, *bounds))
    return told if np.isnan(bounds).any() else f"{told} ({low} to {high})"


def _set(records: NeuronRecords, digits: Any) -> str:
    """Digits in words, as an exception where that is shorter."""
    shown = records.shown > 0
    others = shown & ~digits
    if not shown.all() or others.sum() >= digits.sum() or not others.any():
        return listed(np.flatnonzero(digits & shown)) or "no digit"
    return f"all but {listed(np.flatnonzero(others))}"


def layer(records: NeuronRecords) -> str:
    """Which layer of which network is shown."""
    many = len(records.sizes) - 2
    which = "the hidden layer" if many == 1 else f"the first of the {many} hidden layers"
    return f"{which} of a {'-'.join(map(str, records.sizes))} network"


def page_title(records: NeuronRecords) -> str:
    """What a page about all neurons is about."""
    many = records.hidden > 1
    return f"What {records.hidden} hidden neurons do" if many else "What one hidden neuron does"


def roles(records: NeuronRecords) -> dict[str, list[int]]:
    """The neurons of each role that there is."""
    found = {kind: np.flatnonzero(records.role == kind).tolist() for kind in (*ROLES, BETWEEN)}
    return {kind: own for kind, own in found.items() if own}


def findings(records: NeuronRecords) -> list[str]:
    """Say in whole sentences what the layer is like."""
    first, *others = records.splits
    where = f"computed on {first} and confirmed on {listed(others)} images" if others else "here"
    told = listed(f"{len(own)} {kind} ({listed(own)})" for kind, own in roles(records).items())
    by_role = f"Roles, {where}: {told} of {records.hidden}."
    return [_switches(records), by_role, *_needed(records), _start(records)]


def _switches(records: NeuronRecords) -> str:
    ends = interval_of(100 * records.saturated, 100 * records.saturated_interval, 1)
    switched, intact = (
        recognised(records, correct) for correct in (records.switched_correct, records.correct)
    )
    codes = f"{records.codes:,} different set{'' if records.codes == 1 else 's'} of firing neurons"
    return (
        f"The neurons are switches: {ends} % of the activations are under 0.01 or over 0.99, and "
        f"with each rounded to 0 or 1 the network reads {switched}, intact {intact}. It uses "
        f"{codes} on {records.examples:,} images."
    )


def recognised(records: NeuronRecords, correct: int) -> str:
    """The share of the images that are recognised, in per cent, with its interval."""
    bounds = 100 * wilson(np.array(correct), np.array(records.examples))
    return f"{interval_of(100 * correct / records.examples, bounds)} %"


def rarer(records: NeuronRecords, held: Ablation) -> tuple[int, int]:
    """Neurons that cost a point or more and have a partition; most needed on its rarer side."""
    costly = (largest_loss(held) >= ONE_POINT) & records.fires_for.any(axis=1)
    inside = records.partition[np.arange(records.hidden), held.most_needed_digit]
    on_it = inside == (records.firing_rate_all < 0.5)
    return int(costly.sum()), int((costly & on_it).sum())


def _needed(records: NeuronRecords) -> list[str]:
    """On which side of the switch the most needed digit is, and what idle neurons cost."""
    counts = {way: rarer(records, held) for way, held in records.ways.items()}
    told = [f"{way}, {on_it} of {costly}" for way, (costly, on_it) in counts.items() if costly]
    if not told:
        return []
    say = f"Most needed is a digit on the rarer side of the switch: {'; '.join(told)}."
    if idle := roles(records).get(IDLE, []):
        lost = listed(f"{100 * records.deleted.accuracy_lost[n]:.1f}" for n in idle)
        say += f" Idle is not useless: deleted, {listed(idle)} costs {lost} points of all images."
    return [say]


def _start(records: NeuronRecords) -> str:
    """How much of the start is left in the weights, and how little of it in z."""
    told = []
    starts: list[Any] = [records.start_correlation, records.start_share]
    if not any(v is None or np.isnan(v).all() for v in starts):
        known, made = np.nanmedian(starts, axis=1)
        told.append(
            f"Weights correlate {known:.2f} with their start in the median "
            f"neuron, but the start alone would make {share(made)} of the variance of z."
        )
    told.append(
        f"Where the {records.rarely_lit} pixels lit in under 1 % of the training images are "
        f"blank, {records.blanked_changes} of {records.examples:,} answers change."
    )
    return " ".join(told)


def table(records: NeuronRecords, width: int = 100) -> list[str]:
    """Set the neurons in lines of plain text, with the columns that fit in."""
    neurons = range(records.hidden)
    lost: dict[str, list[str]] = {}
    for way, held in records.ways.items():
        most = zip(100 * largest_loss(held), held.most_needed_digit, strict=True)
        lost[way] = [f"{points:.1f} on {digit}" for points, digit in most]
    columns = {
        "neuron": [short_name(records, n, 15) for n in neurons],
        "role": [role(records, n) for n in neurons],
        "partition": [cut(partition(records, n), 20) for n in neurons],
        "MCC": [f"{mcc:.2f}" for mcc in records.partition_mcc],
        "fires": [percent(rate) for rate in records.firing_rate_all],
        **lost,
        "top 8": ["".join(map(str, own)) for own in records.labels[records.highest]],
    }
    widths = {name: max(map(len, [name, *cells])) for name, cells in columns.items()}
    for name in LEFT_OUT:
        if sum(widths.values()) + len(widths) - 1 > width:
            del widths[name]
    lines = [
        " ".join(
            cell.rjust(widths[name]) if name in NUMBERS else cell.ljust(widths[name])
            for name, cell in zip(columns, row, strict=True)
            if name in widths
        ).rstrip()
        for row in [list(columns), *zip(*columns.values(), strict=True)]
    ]
    return [lines[0], "-" * max(map(len, lines)), *lines[1:]]


def columns(records: NeuronRecords) -> list[list[str]]:
    """The same with intervals, as cells: a row of heads, then one for each neuron."""
    rows = [["neuron", "partition", "role", "correlation", "fires"]]
    rows[0] += [f"{way}: points lost" for way in records.ways]
    for n in range(records.hidden):
        mcc = interval_of(records.partition_mcc[n], records.partition_mcc_interval[n])
        row = [f"{n} {records.names[n]}".strip(), partition(records, n), role(records, n), mcc]
        row.append(percent(records.firing_rate_all[n]))
        for held in records.ways.values():
            digit = held.most_needed_digit[n]
            bounds = 100 * held.recall_lost_interval[n, digit]
            row.append(f"{interval_of(100 * held.recall_lost[n, digit], bounds, 1)} on {digit}")
        rows.append(row)
    return rows


def note(records: NeuronRecords, split: str, model: str, fingerprint: str, notice: str) -> str:
    """The small print of a figure: which images and which model, what the images are not."""
    plural = "" if records.examples == 1 else "s"
    told = f"{records.examples:,} {split} image{plural}; {printable(model)}, fingerprint"
    # Why the images are not MNIST, in brackets, is for the terminal: a figure has no room for it.
    short = printable(re.sub(r" [(].*[)](?=:)", "", notice, flags=re.DOTALL))
    return f"{told} {fingerprint[:12]}" + (f"; {short}" if notice else "")


def history(metadata: Mapping[str, Any]) -> tuple[list[int], int]:
    """Validation images recognised after each epoch, and out of how many; ([], 0) if not told."""
    return _counted(metadata, "validation", list)


def _counted(metadata: Mapping[str, Any], split: str, kind: type) -> tuple[list[int], int]:
    """What a file says, where it can be, of images of a split recognised, and out of how many."""
    accuracy = metadata.get("accuracy")
    told: Mapping[str, Any] = accuracy if isinstance(accuracy, Mapping) else {}
    found, examples = told.get(split), told.get(f"{split}_of", 0)
    counts: Any = found if kind is list else [found]
    if not isinstance(found, kind) or not all(type(v) is int for v in (examples, *counts)):
        return [], 0
    known = 0 < examples <= MOST_IMAGES and all(0 <= count <= examples for count in counts)
    return (counts, examples) if known else ([], 0)


def sections(parameters: Parameters, records: NeuronRecords) -> list[Section]:
    """Write the report as headings, each with its sentences."""
    network = [
        f"This report opens {layer(records)}.",
        f"Of the {records.examples:,} images looked at here the network recognises "
        f"{records.correct:,}, {recognised(records, records.correct)}.",
    ]
    return [
        ("The network", [*network, *_training(parameters.metadata)]),
        ("How it was measured", _method(records)),
        ("How a neuron gets its role", _rule(records)),
    ]


def _training(metadata: Mapping[str, Any]) -> list[str]:
    made = [metadata.get(key) for key in ("epochs", "mini_batch_size", "eta")]
    if not all(type(value) in (int, float) for value in made):
        return ["How it was trained, its file does not say."]
    epochs, mini_batch_size, eta = (printable(value, 20) for value in made)
    arithmetic = metadata.get("arithmetic")
    exactly = f", in {printable(arithmetic, 40)} arithmetic" if arithmetic else ""
    told = [
        f"It was trained for {epochs} epochs of stochastic gradient descent on the quadratic cost, "
        f"with mini-batches of {mini_batch_size} and a learning rate eta of {eta}{exactly}."
    ]
    counts, examples = _counted(metadata, "test", int)
    for correct in counts:
        of = f"{correct:,} of {examples:,} test images ({percent(correct / examples, 2)})"
        told.append(f"After training it recognised {of}.")
    return told


def _method(records: NeuronRecords) -> list[str]:
    return [
        "Three questions are asked of every neuron, and their answers often differ.",
        "What does it respond to? Its weighted input z on every image, by digit; the share of the "
        f"images on which it fires (activation over {FIRING_ACTIVATION}); the partition of the "
        "digits that best predicts firing, by Matthews correlation (Matthews 1975).",
        "What does it push towards? Its weights into the next layer.",
        "What is it needed for? The recall of each digit that is lost while the neuron is frozen "
        "at its mean activation (Morcos et al. 2018, Zhou et al. 2018), or deleted, held at 0. "
        "Freezing moves a neuron furthest on the rarer side of its switch, so which digit is "
        "missed is in part the ablation's doing; what holds of both is the neuron's.",
        "How selective a neuron is says little of how much it is needed (Morcos et al. 2018; "
        "Leavitt and Morcos 2020): so neither is concluded from the other.",
        "Intervals are of 95 %: Wilson's for rates, Agresti and Min's for losses, the bootstrap's "
        "for correlations. Images are ranked by z, not by activation, which saturates and ties.",
        "The start of this network is not at hand: what training changed is not shown."
        if records.change is None
        else "Beside the weights stands what training changed: the weights minus the weights that "
        "training started from. Pixels that no training image lights are grey.",
    ]


def _rule(records: NeuronRecords) -> list[str]:
    low, high = percent(selectivity.IDLE_SHARE), percent(1 - selectivity.IDLE_SHARE)
    first, *others = records.splits
    held = f", each on {first} images, held to {listed(others)} images" if others else ""
    return [
        f"Fires on less than {low} or more than {high} of the images: idle.",
        f"Otherwise, best Matthews correlation under {selectivity.WEAK_BELOW:g}: weak.",
        f"Otherwise, a single digit within {selectivity.NEAR_BEST:g} of the best: "
        "class-selective; all digits but one: anti-class.",
        "Otherwise: feature-selective.",
        f"A role is stated only where all sets of images agree{held}; else it is between.",
    ]


def percent(fraction: float, places: int = 0) -> str:
    """A fraction in per cent for titles and tables, that never rounds to nothing or to all."""
    smallest = 10.0**-places
    if 0 < fraction < 0.005 * smallest:
        return f"<{smallest:g} %"
    if 1 - 0.005 * smallest < fraction < 1:
        return f">{100 - smallest:g} %"
    return f"{100 * fraction:.{places}f} %"


def share(fraction: float) -> str:
    """The same for sentences: "all", "none", and a tenth more near the ends."""
    if fraction in (0.0, 1.0):
        return "none" if fraction == 0.0 else "all"
    places = 0 if 10 <= 100 * fraction <= 90 else 1
    rounded = f"{100 * fraction:.{places}f}"
    if rounded in ("0.0", "100.0"):
        return "under 0.1 %" if fraction < 0.5 else "over 99.9 %"
    return f"{rounded} %"


def listed(parts: Iterable[Any]) -> str:
    """Join with commas and a last "and"."""
    words = [str(part) for part in parts]
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def short_name(records: NeuronRecords, n: int, width: int) -> str:
    """A neuron's number and name, as short as it can be, cut to a width."""
    return cut(f"{n} {records.names[n]}".strip(), width)


def cut(text: str, width: int) -> str:
    """The text, its end left out where it is longer than the width."""
    return text if len(text) <= width else text[: width - 2] + ".."
