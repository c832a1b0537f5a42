"""Neuron records in words: everything said is read off the records, or off the parameters' file.

Numbers are rounded where they are said; a loss under one point is never said to be one, and what a
file does not say is not claimed.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from model.neurons import FIRING_ACTIVATION, NeuronRecords
from model.parameters import Parameters
from model.printable import printable
from model.selectivity import ANTI_CLASS, IDLE, IDLE_SHARE, NEAR_BEST, ROLES, WEAK, WEAK_BELOW

Section = tuple[str, list[str]]

#: A digit is lost where its recall falls by at least this much: one point.
ONE_POINT = 0.01
#: More images than anybody counts: what a file states beyond is not believed.
MOST_IMAGES = 10**9
LEGEND = (
    "digits: what the role speaks of. MCC: Matthews correlation of those digits with firing.",
    "stable: bootstrap resamples with the same role and digits. CSI: class selectivity index.",
    "lost: points of recall on the digit that loses most while the neuron is held at its mean.",
)


# --- One neuron ------------------------------------------------------------------------------


def name(records: NeuronRecords, n: int) -> str:
    """A neuron's number, and its informal name where it has one."""
    return f"Neuron {n}" + (f' ("{records.names[n]}")' if records.names[n] else "")


def title(records: NeuronRecords, n: int) -> str:
    """What a neuron fires for and what is lost without it, as a sentence without its stop."""
    return f"{name(records, n)} {headline(records, n)}"


def headline(records: NeuronRecords, n: int) -> str:
    """The same without its name: "fires for 4 and 6; without it 93 points of recall on 4 are lost".

    Without ablated predictions the second half is left out.
    """
    lost = _loses(records, n)
    return fires(records, n) + (f"; without it {lost}" if lost else "")


def fires(records: NeuronRecords, n: int) -> str:
    """What a neuron fires for, in one clause."""
    if records.role[n] == IDLE:
        return f"fires on {share(records.firing_rate_all[n])} of the images"
    if records.role[n] == WEAK:
        best = f"(best: {_set(records, records.role_digits[n])}, MCC {records.best_mcc[n]:.2f})"
        return f"fires for no clear set of digits {best}"
    return f"fires for {_set(records, records.fires_for[n])}"


def story(records: NeuronRecords, n: int) -> list[str]:
    """Say in whole sentences what is known of one neuron, a sentence for each answer."""
    told = [f"{name(records, n)} is {records.role[n]}: it {fires(records, n)}."]
    if not np.isnan(records.stability[n]):
        sure = share(records.kind_stability[n]).capitalize()
        same = f", {share(records.stability[n])} with the same digits"
        digits = same if records.role_digits[n].any() else ""
        told.append(f"{sure} of the bootstrap resamples give that role{digits}.")
    if records.role[n] != IDLE:
        rates = records.firing_rate[n]
        order = sorted(np.flatnonzero(records.shown), key=lambda digit: (-rates[digit], digit))
        most = listed(f"{share(rates[digit])} of the {digit}s" for digit in order[:3])
        overall = share(records.firing_rate_all[n])
        told.append(f"It fires on {most}; overall on {overall} of the images.")
    if records.to_digits:
        weights = records.output_weights[n]
        up, down = weights.argmax(), weights.argmin()
        told.append(
            f"Its largest output weight is {weights[up]:+.1f}, to {up}, and its smallest "
            f"{weights[down]:+.1f}, to {down}."
        )
    return [*told, *_needing(records, n), *_learning(records, n)]


def role_line(records: NeuronRecords, n: int) -> str:
    """A neuron's role, its digits, and how sure that is, as a sentence."""
    told = f"Role: {records.role[n]}"
    if records.role_digits[n].any():
        told += f" ({short_digits(records, n)}), Matthews correlation {records.best_mcc[n]:.2f}"
    if np.isnan(records.stability[n]):
        return told + "."
    return f"{told}; the same in {percent(records.stability[n])} of the bootstrap resamples."


def short_digits(records: NeuronRecords, n: int) -> str:
    """The digits of a role: "4 6", "not 4" for an anti-class neuron, "-" for an idle one."""
    own, shown = records.role_digits[n], records.shown > 0
    others = shown & ~own
    short = shown.sum() == 10 and 0 < others.sum() <= 3 and records.role[n] != ANTI_CLASS
    digits = " ".join(map(str, np.flatnonzero(others if short else own)))
    before = "not " if records.role[n] == ANTI_CLASS else "all but " if short else ""
    return before + digits or "-"


def largest_loss(records: NeuronRecords) -> Any:
    """The recall that each neuron's most needed digit loses without it, -inf where unknown."""
    if records.needed_for is None:
        return np.full(records.hidden, -np.inf)
    return np.nanmax(records.needed_for.recall_lost, axis=1)


def _set(records: NeuronRecords, digits: Any) -> str:
    """Digits in words, as an exception where that is shorter."""
    shown = records.shown > 0
    others = shown & ~digits
    if not shown.all() or others.sum() >= digits.sum() or not others.any():
        return listed(np.flatnonzero(digits))
    return f"all but {listed(np.flatnonzero(others))}"


def _loses(records: NeuronRecords, n: int) -> str:
    """What is lost without a neuron; "" where it is not known."""
    if records.needed_for is None:
        return ""
    lost = largest_loss(records)[n]
    if lost < ONE_POINT:
        return "no digit loses a point of recall"
    points, digit = f"{100 * lost:.0f}", records.needed_for.most_needed_digit[n]
    what, verb = ("point", "is") if points == "1" else ("points", "are")
    return f"{points} {what} of recall on {digit} {verb} lost"


def _needing(records: NeuronRecords, n: int) -> list[str]:
    needed = records.needed_for
    if needed is None:
        return []
    told = [f"Held at its mean activation, {_loses(records, n)}."]
    digit, wrong = needed.most_needed_digit[n], needed.mistaken_for[n]
    if largest_loss(records)[n] >= ONE_POINT and wrong >= 0:
        told.append(f"Misread {digit}s are then most often taken for {wrong}s.")
    fewer = (records.correct or 0) - needed.correct[n]
    change = f"{abs(fewer):,} {'fewer' if fewer > 0 else 'more'}" if fewer else "as many as before"
    return [*told, f"Of all {records.examples:,} images, {change} are recognised."]


def _learning(records: NeuronRecords, n: int) -> list[str]:
    told = []
    if records.start_correlation is not None and not np.isnan(records.start_correlation[n]):
        told.append(f"Its weights correlate {records.start_correlation[n]:.2f} with their start.")
    if records.never_lit_share is not None:
        told.append(
            f"{share(records.never_lit_share[n]).capitalize()} of the sum of their magnitudes lies "
            "on pixels that no training image lights."
        )
    return told


# --- The layer -------------------------------------------------------------------------------


def layer(records: NeuronRecords) -> str:
    """Which layer of which network is shown."""
    sizes = "-".join(map(str, records.sizes))
    if len(records.sizes) > 3:
        return f"the first of the {len(records.sizes) - 2} hidden layers of a {sizes} network"
    return f"the hidden layer of a {sizes} network"


def page_title(records: NeuronRecords) -> str:
    """What a page about all neurons is about."""
    many = records.hidden > 1
    return f"What {records.hidden} hidden neurons do" if many else "What one hidden neuron does"


def role_counts(records: NeuronRecords) -> dict[str, int]:
    """Count the neurons of each role, in the order of ROLES."""
    return {kind: int((records.role == kind).sum()) for kind in ROLES}


def findings(records: NeuronRecords) -> list[str]:
    """Say in whole sentences what the layer is like, and how often the three answers differ."""
    told = listed(f"{kind} {count}" for kind, count in role_counts(records).items())
    which = "the hidden layer" if records.to_digits else "the first hidden layer"
    return [
        f"Neurons of {which} by role, on {records.examples:,} images: {told} of {records.hidden}.",
        *_disagreement(records),
        *_noise(records),
    ]


def table(records: NeuronRecords) -> list[str]:
    """Set the neurons in lines of plain text, at most 100 columns wide, with a legend below."""
    head = (
        f"{'neuron':<19} {'role':<17} {'digits':<14} {'MCC':>5} {'stable':>6} {'CSI':>5} "
        f"{'fires':>5} {'lost':>7} {'top 8 inputs':<12}"
    ).rstrip()
    lines = [head, "-" * len(head)]
    for n in range(records.hidden):
        needed, lost = records.needed_for, "-"
        if needed is not None:
            lost = f"{100 * largest_loss(records)[n]:.0f} on {needed.most_needed_digit[n]}"
        stable = "-" if np.isnan(records.stability[n]) else percent(records.stability[n])
        top = "".join(map(str, records.highest.labels[n]))
        lines.append(
            f"{short_name(records, n, 19):<19} {records.role[n]:<17} "
            f"{cut(short_digits(records, n), 14):<14} {records.best_mcc[n]:5.2f} {stable:>6} "
            f"{records.class_selectivity[n]:5.2f} {percent(records.firing_rate_all[n]):>5} "
            f"{lost:>7} {top}"
        )
    return [*lines, "", *LEGEND]


def _disagreement(records: NeuronRecords) -> list[str]:
    """How often a neuron is needed for, or pushes towards, a digit that it does not fire for."""
    selective = np.flatnonzero(records.fires_for.any(axis=1)).tolist()
    if not selective:
        return []
    told = []
    if records.to_digits:
        up = records.output_weights.argmax(axis=1)
        away = [n for n in selective if not records.fires_for[n, up[n]]]
        told.append(
            "Selective neurons whose largest output weight goes to a digit that they do not fire "
            f"for: {len(away)} of {len(selective)}{_numbers(away)}."
        )
    if records.needed_for is None:
        return told
    costly, away = needed_elsewhere(records)
    if costly:
        told.append(
            "Selective neurons that cost a point of recall or more, and cost most on a digit that "
            f"they do not fire for: {len(away)} of {len(costly)}{_numbers(away)}."
        )
    worst = int(largest_loss(records).argmax())
    if largest_loss(records)[worst] < ONE_POINT:
        return [*told, "There is no neuron without which a digit loses a point of recall."]
    lost = _loses(records, worst)
    return [*told, f"The largest single loss is neuron {worst}'s: without it {lost}."]


def needed_elsewhere(records: NeuronRecords) -> tuple[list[int], list[int]]:
    """Selective neurons that cost a point or more; those that cost most on a digit not theirs."""
    if records.needed_for is None:
        return [], []
    firing, digit = records.fires_for, records.needed_for.most_needed_digit
    costly = np.flatnonzero(firing.any(axis=1) & (largest_loss(records) >= ONE_POINT)).tolist()
    return costly, [n for n in costly if not firing[n, digit[n]]]


def _noise(records: NeuronRecords) -> list[str]:
    told = []
    if records.never_lit is not None and records.never_lit_share is not None:
        median = share(statistics.median(records.never_lit_share.tolist()))
        told.append(
            f"{int(records.never_lit.sum())} of {len(records.never_lit)} pixels are lit in no "
            f"training image; the median neuron has {median} of the sum "
            "of its weights' magnitudes there, where no gradient reaches."
        )
    known = start_correlations(records)
    if known:
        told.append(
            f"Weights and initial weights correlate {statistics.median(known):.2f} in the median "
            f"neuron, from {min(known):.2f} to {max(known):.2f}."
        )
    return told


def start_correlations(records: NeuronRecords) -> list[float]:
    """The correlations of weights and start that there are."""
    starts = records.start_correlation
    return [] if starts is None else starts[~np.isnan(starts)].tolist()


# --- The report, and what a file says --------------------------------------------------------


def note(records: NeuronRecords, split: str, model: str, fingerprint: str, notice: str) -> str:
    """The small print of a figure: which images and which model, what the images are not."""
    plural = "" if records.examples == 1 else "s"
    told = f"{records.examples:,} {split} image{plural}; {printable(model)}, fingerprint"
    # Why the images are not MNIST, in brackets, is for the terminal: a figure has no room for it.
    short = printable(re.sub(r" [(].*[)](?=:)", "", notice, flags=re.DOTALL))
    return f"{told} {fingerprint[:12]}" + (f"; {short}" if notice else "")


def history(metadata: Mapping[str, Any]) -> tuple[list[int], int]:
    """Validation images recognised after each epoch, and out of how many; ([], 0) if not told."""
    accuracy = metadata.get("accuracy")
    told = accuracy if isinstance(accuracy, Mapping) else {}
    correct, examples = told.get("validation"), told.get("validation_of", 0)
    if not isinstance(correct, list) or not all(_is_part(count, examples) for count in correct):
        return [], 0
    return correct, examples


def sections(parameters: Parameters, records: NeuronRecords) -> list[Section]:
    """Write the report as headings, each with its sentences."""
    network = [f"This report opens {layer(records)}."]
    if records.correct is not None:
        network.append(
            f"Of the {records.examples:,} images looked at here the network recognises "
            f"{records.correct:,} ({percent(records.correct / records.examples, 2)})."
        )
    return [
        ("The network", [*network, *_training(parameters.metadata)]),
        ("What was found", findings(records)),
        ("How it was measured", _method(records)),
        ("How a neuron gets its role", _rule(records)),
    ]


def _training(metadata: Mapping[str, Any]) -> list[str]:
    made = [metadata.get(key) for key in ("epochs", "mini_batch_size", "eta")]
    if not all(type(value) in (int, float) for value in made):
        return ["How it was trained, its file does not say."]
    epochs, mini_batch_size, eta = (printable(value, 20) for value in made)
    told = (
        f"It was trained for {epochs} epochs of stochastic gradient descent on the quadratic cost, "
        f"with mini-batches of {mini_batch_size} and a learning rate eta of {eta}"
    )
    arithmetic, accuracy = metadata.get("arithmetic"), metadata.get("accuracy")
    trained = f"{told}, in {printable(arithmetic, 40)} arithmetic." if arithmetic else f"{told}."
    counted = accuracy if isinstance(accuracy, Mapping) else {}
    correct, examples = counted.get("test", 0), counted.get("test_of", 0)
    if not _is_part(correct, examples):
        return [trained]
    rate = percent(correct / examples, 2)
    return [
        trained,
        f"After training it recognised {correct:,} of {examples:,} test images ({rate}).",
    ]


def _is_part(count: Any, examples: Any) -> bool:
    """Whether a file can mean that so many of so many images were recognised."""
    whole = type(count) is int and type(examples) is int
    return whole and 0 <= count <= examples and 0 < examples <= MOST_IMAGES


def _method(records: NeuronRecords) -> list[str]:
    return [
        "Three questions are asked of every neuron, and their answers often differ.",
        "What does it respond to? Its weighted input z on every image, by digit; the share of the "
        f"images on which it fires (activation over {FIRING_ACTIVATION}); the set of digits whose "
        "membership best predicts firing, by Matthews correlation (Matthews 1975) over all sets; "
        "how well z tells each digit from the others, by AUROC (Hanley and McNeil 1982); and the "
        "class selectivity index of its mean activations (Morcos et al. 2018).",
        "What does it push towards? Its weights into the next layer.",
        "What is it needed for? The recall of each digit that is lost while the neuron is held at "
        "its mean activation (mean-ablation; Morcos et al. 2018, Zhou et al. 2018).",
        "Images are ranked by z, not by activation, which saturates and ties.",
        "The start of this network is not at hand: what training changed is not shown."
        if records.change is None
        else "Beside the weights stands what training changed: the weights minus the weights that "
        "training started from. Pixels that no training image lights are grey.",
    ]


def _rule(records: NeuronRecords) -> list[str]:
    low, high = percent(IDLE_SHARE), percent(1 - IDLE_SHARE)
    told = [
        f"Fires on less than {low} or more than {high} of the images: idle.",
        f"Otherwise, best Matthews correlation under {WEAK_BELOW:g}: weak.",
        f"Otherwise, a single digit within {NEAR_BEST:g} of the best: class-selective; all "
        "digits but one: anti-class.",
        "Otherwise: feature-selective, named by its best set of digits.",
    ]
    if records.resamples:
        told.append(
            f"Each role is tried again on {records.resamples:,} bootstrap resamples of the images; "
            "its stability is the share of them that give the same role and digits."
        )
    return told


# --- Numbers and lists -----------------------------------------------------------------------


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


def _numbers(neurons: list[int]) -> str:
    """The neurons' numbers in brackets; "" for none."""
    return f" ({listed(neurons)})" if neurons else ""
