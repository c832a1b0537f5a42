"""Neuron records as words, as JSON and as table rows: everything said is read off the records."""

from __future__ import annotations

from typing import Any

from model.neurons import NeuronRecord, NeuronRecords


def headline(record: NeuronRecord) -> str:
    """One clause for a title, such as "fires for 4 and 6; without it 93 points of recall on 4 are lost"."""  # noqa: E501
    raise NotImplementedError


def story(record: NeuronRecord) -> list[str]:
    """Whole sentences on one neuron, for the report."""
    raise NotImplementedError


def findings(records: NeuronRecords) -> list[str]:
    """Whole sentences on the layer: how many of each role, where the three answers differ, noise."""
    raise NotImplementedError


def role_counts(records: NeuronRecords) -> dict[str, int]:
    """Number of neurons of each role, in the order of ROLES."""
    raise NotImplementedError


def role_order(records: NeuronRecords) -> list[int]:
    """Neuron numbers by role (the order of ROLES), then by digits, then by number."""
    raise NotImplementedError


def to_json(records: NeuronRecords) -> dict[str, Any]:
    """Records as JSON-able dicts and lists under the fields' names, NaN as None."""
    raise NotImplementedError


def csv_rows(records: NeuronRecords) -> list[dict[str, str | int | float]]:
    """One flat row for each neuron, the same columns in the same order; "" where there is no value."""
    raise NotImplementedError
