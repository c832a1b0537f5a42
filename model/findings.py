"""Neuron records as words, as JSON and as table rows: everything said is read off the records.

Numbers are rounded where they are said; a loss under one point is never said to be one.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from model.records import NeuronRecord, NeuronRecords
from model.roles import ANTI_CLASS, CLASS_SELECTIVE, FEATURE_SELECTIVE, IDLE, ROLES, WEAK

#: A digit is lost where its recall falls by at least this much: one point.
ONE_POINT = 0.01

Cell = str | int | float


def headline(record: NeuronRecord) -> str:
    """Say in one clause what a neuron fires for and what is lost without it.

    For example "fires for 4 and 6; without it 93 points of recall on 4 are lost". Without ablated
    predictions the second half is left out.
    """
    lost = _loses(record)
    return _fires(record) + (f"; without it {lost}" if lost else "")


def story(record: NeuronRecord) -> list[str]:
    """Say in whole sentences what is known of one neuron, a sentence for each answer."""
    title = f"Neuron {record.number}" + (f' ("{record.name}")' if record.name else "")
    return [
        f"{title} is {record.role.kind}: it {_fires(record)}.",
        *_stability(record),
        *_firing(record),
        *_pushing(record),
        *_needing(record),
        *_learning(record),
    ]


def findings(records: NeuronRecords) -> list[str]:
    """Say in whole sentences what the layer is like, and how often the three answers differ."""
    told = _listed(f"{kind} {count}" for kind, count in role_counts(records).items())
    layer = "the hidden layer" if len(records.sizes) == 3 else "the first hidden layer"
    return [
        f"Neurons of {layer} by role, on {records.examples:,} images: {told} "
        f"of {len(records.neurons)}.",
        *_disagreement(records),
        *_noise(records),
    ]


def role_counts(records: NeuronRecords) -> dict[str, int]:
    """Count the neurons of each role, in the order of ROLES."""
    return {kind: sum(r.role.kind == kind for r in records.neurons) for kind in ROLES}


def role_order(records: NeuronRecords) -> list[int]:
    """List the neuron numbers by role (the order of ROLES), then digits, then number."""
    return [
        record.number
        for record in sorted(
            records.neurons, key=lambda r: (ROLES.index(r.role.kind), r.role.digits, r.number)
        )
    ]


def fires_for(record: NeuronRecord) -> tuple[int, ...]:
    """List the digits that a neuron fires for by its role; () for a weak or idle one."""
    if record.role.kind == ANTI_CLASS:
        return tuple(d for d in _seen(record) if d not in record.role.digits)
    return record.role.digits if record.role.kind in (CLASS_SELECTIVE, FEATURE_SELECTIVE) else ()


def to_json(records: NeuronRecords) -> dict[str, Any]:
    """Turn records into dicts and lists under the fields' names, NaN into None."""
    plain = _plain(records)
    for row, record in zip(plain["neurons"], records.neurons, strict=True):
        row["headline"] = headline(record)
    return plain


def csv_rows(records: NeuronRecords) -> list[dict[str, Cell]]:
    """Turn records into one flat row for each neuron, the same columns for all, "" for no value.

    A column that ends in a number is of that digit, or, for `next_weight`, of that neuron of the
    next layer.
    """
    return [_row(record) for record in records.neurons]


def _row(record: NeuronRecord) -> dict[str, Cell]:
    role, responds, weights = record.role, record.responds_to, record.weights
    cells: dict[str, Any] = {
        "neuron": record.number,
        "name": record.name,
        "role": role.kind,
        "digits": _spaced(role.digits),
        "stability": role.stability,
        "kind_stability": role.kind_stability,
        "best_set": _spaced(responds.best_set),
        "best_mcc": responds.best_mcc,
        "best_iou": responds.best_iou,
        "class_selectivity": responds.class_selectivity,
        "preferred_digit": responds.preferred_digit,
        "firing_rate": responds.firing_rate_all,
        "activation_mean": responds.activation_mean_all,
        "saturated_low": responds.saturated_low,
        "saturated_high": responds.saturated_high,
        "bias": weights.bias,
        "start_correlation": weights.start_correlation,
        "never_lit_share": weights.never_lit_share,
        **_columns("next_weight", record.pushes_towards.weights),
        **_cells_by_digit(record),
        **_cells_of_need(record),
        "headline": headline(record),
    }
    return {name: "" if _plain(value) is None else value for name, value in cells.items()}


def _cells_by_digit(record: NeuronRecord) -> dict[str, Any]:
    names = ("firing_rate", "auroc", "z_mean", "z_sd", "activation_mean")
    cells: dict[str, Any] = {}
    for name in names:
        cells |= _columns(name, getattr(record.responds_to, name))
    return cells


def _cells_of_need(record: NeuronRecord) -> dict[str, Any]:
    """What is lost without the neuron; no cells where it is not known, of any neuron then."""
    needed = record.needed_for
    if needed is None:
        return {}
    return {
        "correct_without": needed.correct,
        "accuracy_lost": needed.accuracy_lost,
        "most_needed_digit": needed.most_needed_digit,
        "mistaken_for": needed.mistaken_for,
        **_columns("recall_lost", needed.recall_lost),
    }


def _columns(name: str, values: Iterable[Any]) -> dict[str, Any]:
    return {f"{name}_{place}": _plain(value) for place, value in enumerate(values)}


def _plain(value: Any) -> Any:
    """Turn a record, or any part of one, into what JSON can hold."""
    if dataclasses.is_dataclass(value):
        fields = dataclasses.fields(value)
        return {field.name: _plain(getattr(value, field.name)) for field in fields}
    if isinstance(value, (np.ndarray, np.generic)):
        return _plain(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(entry) for entry in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _seen(record: NeuronRecord) -> tuple[int, ...]:
    """The digits of which there were images."""
    return tuple(np.flatnonzero(~np.isnan(record.responds_to.firing_rate)).tolist())


def _fires(record: NeuronRecord) -> str:
    kind, rate = record.role.kind, record.responds_to.firing_rate_all
    if kind == IDLE:
        return f"fires on {_share(rate)} of the images"
    if kind == WEAK:
        best = record.responds_to
        return f"fires for no clear set of digits (best: {_set(record)}, MCC {best.best_mcc:.2f})"
    return f"fires for {_set(record)}"


def _set(record: NeuronRecord) -> str:
    """The digits of a role in words, as an exception where that is shorter."""
    digits = record.role.digits if record.role.kind == WEAK else fires_for(record)
    seen = _seen(record)
    absent = len(seen) < len(record.responds_to.firing_rate)
    others = [digit for digit in seen if digit not in digits]
    if absent or len(others) >= len(digits) or not others:
        return _listed(digits)
    return f"all but {_listed(others)}"


def _loses(record: NeuronRecord) -> str:
    """What is lost without a neuron, in words; "" where it is not known."""
    needed = record.needed_for
    if needed is None:
        return ""
    lost = float(needed.recall_lost[needed.most_needed_digit])
    if lost < ONE_POINT:
        return "no digit loses a point of recall"
    points = f"{100 * lost:.0f}"
    verb = "point of recall on {} is lost" if points == "1" else "points of recall on {} are lost"
    return f"{points} {verb.format(needed.most_needed_digit)}"


def _stability(record: NeuronRecord) -> list[str]:
    role = record.role
    if math.isnan(role.stability):
        return []
    told = f"{_share(role.kind_stability).capitalize()} of the bootstrap resamples give that role"
    same = f", {_share(role.stability)} with the same digits" if role.digits else ""
    return [f"{told}{same}."]


def _firing(record: NeuronRecord) -> list[str]:
    responds = record.responds_to
    if record.role.kind == IDLE:
        return []
    rates = responds.firing_rate
    order = sorted(_seen(record), key=lambda digit: (-rates[digit], digit))
    told = _listed(f"{_share(float(rates[digit]))} of the {digit}s" for digit in order[:3])
    return [f"It fires on {told}; overall on {_share(responds.firing_rate_all)} of the images."]


def _pushing(record: NeuronRecord) -> list[str]:
    pushes = record.pushes_towards
    if not pushes.to_digits:
        return []
    up, down = int(np.argmax(pushes.weights)), int(np.argmin(pushes.weights))
    return [
        f"Its largest output weight is {pushes.weights[up]:+.1f}, to {up}, and its smallest "
        f"{pushes.weights[down]:+.1f}, to {down}."
    ]


def _needing(record: NeuronRecord) -> list[str]:
    needed = record.needed_for
    if needed is None:
        return []
    told = [f"Held at its mean activation, {_loses(record)}."]
    if _largest_loss(record) >= ONE_POINT and needed.mistaken_for >= 0:
        digit, wrong = needed.most_needed_digit, needed.mistaken_for
        told.append(f"Misread {digit}s are then most often taken for {wrong}s.")
    total = int(needed.confusion.sum())
    fewer = round(needed.accuracy_lost * total)
    change = f"{abs(fewer):,} {'fewer' if fewer > 0 else 'more'}" if fewer else "as many as before"
    return [*told, f"Of all {total:,} images, {change} are recognised."]


def _learning(record: NeuronRecord) -> list[str]:
    weights = record.weights
    told = []
    if weights.start_correlation is not None and not math.isnan(weights.start_correlation):
        told.append(f"Its weights correlate {weights.start_correlation:.2f} with their start.")
    if weights.never_lit_share is not None:
        told.append(
            f"{_share(weights.never_lit_share).capitalize()} of the sum of their magnitudes lies "
            "on pixels that no training image lights."
        )
    return told


def _disagreement(records: NeuronRecords) -> list[str]:
    """How often a neuron is needed for, or pushes towards, a digit that it does not fire for."""
    selective = [record for record in records.neurons if fires_for(record)]
    if not selective:
        return []
    told = []
    if records.neurons[0].pushes_towards.to_digits:
        away = [r for r in selective if np.argmax(r.pushes_towards.weights) not in fires_for(r)]
        told.append(
            "Selective neurons whose largest output weight goes to a digit that they do not fire "
            f"for: {len(away)} of {len(selective)}{_numbers(away)}."
        )
    costly = [r for r in selective if r.needed_for and _largest_loss(r) >= ONE_POINT]
    if costly:
        away = [r for r in costly if _most_needed(r) not in fires_for(r)]
        told.append(
            "Selective neurons that cost a point of recall or more, and cost most on a digit that "
            f"they do not fire for: {len(away)} of {len(costly)}{_numbers(away)}."
        )
    return told + _costliest(records)


def _costliest(records: NeuronRecords) -> list[str]:
    known = [record for record in records.neurons if record.needed_for]
    if not known:
        return []
    worst = max(known, key=_largest_loss)
    if _largest_loss(worst) < ONE_POINT:
        return ["There is no neuron without which a digit loses a point of recall."]
    return [f"The largest single loss is neuron {worst.number}'s: without it {_loses(worst)}."]


def _noise(records: NeuronRecords) -> list[str]:
    told = []
    if records.never_lit is not None:
        shares = [float(record.weights.never_lit_share or 0.0) for record in records.neurons]
        told.append(
            f"{int(records.never_lit.sum())} of {len(records.never_lit)} pixels are lit in no "
            f"training image; the median neuron has {_share(statistics.median(shares))} of the sum "
            "of its weights' magnitudes there, where no gradient reaches."
        )
    starts = [record.weights.start_correlation for record in records.neurons]
    known = [start for start in starts if start is not None and not math.isnan(start)]
    if known:
        told.append(
            f"Weights and initial weights correlate {statistics.median(known):.2f} in the median "
            f"neuron, from {min(known):.2f} to {max(known):.2f}."
        )
    return told


def _largest_loss(record: NeuronRecord) -> float:
    needed = record.needed_for
    return float(needed.recall_lost[needed.most_needed_digit]) if needed else -math.inf


def _most_needed(record: NeuronRecord) -> int:
    return record.needed_for.most_needed_digit if record.needed_for else -1


def _numbers(records: list[NeuronRecord]) -> str:
    """The neurons' numbers in brackets; "" for none."""
    return f" ({_listed(record.number for record in records)})" if records else ""


def _share(fraction: float) -> str:
    """A fraction as a percentage that never rounds to nothing or to all."""
    if fraction in (0.0, 1.0):
        return "none" if fraction == 0.0 else "all"
    percent = 100 * fraction
    digits = 0 if 10 <= percent <= 90 else 1
    rounded = f"{percent:.{digits}f}"
    if rounded in ("0.0", "100.0"):
        return "under 0.1 %" if percent < 50 else "over 99.9 %"
    return f"{rounded} %"


def _spaced(digits: tuple[int, ...]) -> str:
    return " ".join(str(digit) for digit in digits)


def _listed(parts: Iterable[Any]) -> str:
    """Join with commas and a last "and"."""
    words = [str(part) for part in parts]
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
