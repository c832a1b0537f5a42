"""The records as JSON and as CSV: the same numbers under names that other programs read."""

from __future__ import annotations

import csv
import io
import math
from typing import Any

import numpy as np

from model.neurons import SEED, NeuronRecords
from model.selectivity import IDLE_SHARE, NEAR_BEST, WEAK_BELOW
from model.words import headline

LOST = (
    "recall_lost recall_lost_interval correct accuracy_lost accuracy_lost_interval "
    "most_needed_digit mistaken_for"
)
#: What a neuron's JSON object holds: each part's keys, and the record's field where it has another.
PARTS = {
    "role": "kind=role digits=role_digits partition partition_holds",
    "responds_to": "z_mean z_sd z_quantiles z_histogram activation_mean activation_mean_all fired "
    "firing_rate firing_rate_interval firing_rate_all partition_mcc partition_mcc_interval "
    "digit_mcc auroc auroc_interval class_selectivity class_selectivity_interval preferred_digit "
    "saturated_low saturated_high divided_digits",
    "pushes_towards": "weights=output_weights to_digits",
    "frozen": LOST,
    "deleted": LOST,
    "weights": "weights bias change bias_change start_correlation start_share never_lit_share",
}
#: What is of the network: the same for all neurons.
SHARED = (
    "sizes examples shown z_edges never_lit confusion recall correct codes switched_correct "
    "saturated saturated_interval rarely_lit blanked_changes output_bias"
)
#: The columns of the table; those with a star stand for one column each digit (or next neuron).
COLUMNS = (
    "role digits=role_digits partition partition_holds partition_mcc class_selectivity "
    "preferred_digit firing_rate=firing_rate_all activation_mean=activation_mean_all saturated_low "
    "saturated_high bias start_correlation start_share never_lit_share "
    "next_weight*=output_weights firing_rate* auroc* z_mean* z_sd* activation_mean*"
)
HELD_COLUMNS = "correct accuracy_lost most_needed_digit mistaken_for recall_lost*"


def to_json(records: NeuronRecords) -> dict[str, Any]:
    """Turn records into dicts and lists, NaN into None."""
    shared = {name: _plain(getattr(records, name)) for name in SHARED.split()}
    return {
        "neurons": [_neuron(records, number) for number in range(records.hidden)],
        **shared,
        "splits": list(records.splits),
        "thresholds": {"idle": IDLE_SHARE, "weak": WEAK_BELOW, "single": NEAR_BEST},
        "resamples": records.resamples,
        "seed": SEED,
    }


def to_csv(records: NeuronRecords) -> str:
    """Turn records into a table with a line for each neuron, "" for no value.

    A column that ends in a number is of that digit, or, for `next_weight`, of that neuron of the
    next layer.
    """
    rows = []
    for number, name in enumerate(records.names):
        row = {"neuron": number, "name": name, **_cells(records, COLUMNS, number)}
        for way, part in records.ways.items():
            cells = _cells(part, HELD_COLUMNS, number)
            row |= {f"{way}_{key}": value for key, value in cells.items()}
        rows.append(row | {"headline": headline(records, number)})
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _neuron(records: NeuronRecords, number: int) -> dict[str, Any]:
    told: dict[str, Any] = {"number": number, "name": records.names[number]}
    for part, keys in PARTS.items():
        told[part] = dict(_entries(records.ways.get(part, records), keys, number))
    for ranking in ("highest", "lowest", "along"):
        indices = getattr(records, ranking)[number]
        told[ranking] = {
            "indices": _plain(indices),
            "labels": _plain(records.labels[indices]),
            "zs": _plain(records.z[number, indices]),
            "activations": _plain(records.activations[number, indices]),
        }
    told["divided"] = {"indices": _plain(records.divided[number])}
    by_split = zip(records.splits, records.split_roles, records.split_sets, strict=True)
    told["role"]["splits"] = {
        split: {"role": str(roles[number]), "partition": np.flatnonzero(sets[number]).tolist()}
        for split, roles, sets in by_split
    }
    return told | {"headline": headline(records, number)}


def _cells(part: Any, keys: str, number: int) -> dict[str, Any]:
    cells: dict[str, Any] = {}
    for key, value in _entries(part, keys, number):
        if key.endswith("*"):
            cells |= {f"{key[:-1]}_{place}": v for place, v in enumerate(value)}
        else:
            cells[key] = " ".join(map(str, value)) if isinstance(value, list) else value
    return cells


def _entries(part: Any, keys: str, number: int) -> list[tuple[str, Any]]:
    """Each key with the neuron's own value, as JSON has it."""
    found = []
    for entry in keys.split():
        key, _, field = entry.partition("=")
        value = getattr(part, field or key.rstrip("*"))
        value = value[number] if isinstance(value, np.ndarray) else value
        if np.ndim(value) and value.dtype == bool:  # a set of digits
            value = np.flatnonzero(value)
        found.append((key, _plain(value)))
    return found


def _plain(value: Any) -> Any:
    """Turn an array, or any part of one, into what JSON can hold."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, tuple | list):
        return [_plain(entry) for entry in value]
    return None if isinstance(value, float) and math.isnan(value) else value
