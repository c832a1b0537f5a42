"""What is said of a record is true of it: words, JSON and rows against the arrays behind them."""

import dataclasses
import json
import re

import numpy as np
import pytest

from model import findings
from model.neurons import NeuronRecords, neuron_records
from model.parameters import Parameters
from model.roles import ROLES

SHOWN = 100


def records_of(percent, lost=None, sizes=None, names=None, **more) -> NeuronRecords:
    """Records of neurons that fire on so many of the 100 images of each digit.

    `percent` has a row of ten for each neuron; `lost` such a row of images that are taken for the
    next digit while the neuron is held.
    """
    percent = np.array(percent)
    hidden = len(percent)
    labels = np.repeat(np.arange(10), SHOWN)
    place = np.tile(np.arange(SHOWN), 10)
    fires = place < percent[:, labels]
    zs = np.where(fires, 6.0, -6.0).T
    sizes = sizes or (4, hidden, 10)
    rng = np.random.default_rng(0)
    pairs = list(zip(sizes[1:], sizes[:-1], strict=True))
    parameters = Parameters(
        sizes,
        tuple(rng.normal(size=pair) for pair in pairs),
        tuple(np.zeros((pair[0], 1)) for pair in pairs),
        {"neuron_names": names or {}},
    )
    if lost is not None:
        gone = place < np.array(lost)[:, labels]
        more["ablated_predictions"] = np.where(gone, (labels + 1) % 10, labels)
        more["predictions"] = labels
    return neuron_records(parameters, zs, 1 / (1 + np.exp(-zs)), labels, resamples=20, **more)


def row(rest=0, **digits):
    return [digits.get(f"d{digit}", rest) for digit in range(10)]


@pytest.mark.parametrize(
    ("percent", "lost", "expected"),
    [
        (
            row(d4=98, d6=97, rest=1),
            row(d4=93),
            "fires for 4 and 6; without it 93 points of recall on 4 are lost",
        ),
        (row(d0=98, rest=1), row(d3=1), "fires for 0; without it 1 point of recall on 3 is lost"),
        (row(d0=98), row(), "fires for 0; without it no digit loses a point of recall"),
        (row(d0=98), None, "fires for 0"),
        (row(d1=0, rest=99), None, "fires for all but 1"),
        (row(d1=0, d7=0, rest=99), None, "fires for all but 1 and 7"),
        (row(d1=99, d3=99, d5=99, d7=99, d9=99), None, "fires for 1, 3, 5, 7 and 9"),
        (row(), None, "fires on none of the images"),
        (row(rest=100), None, "fires on all of the images"),
        (row(d2=4), None, "fires on 0.4 % of the images"),
        (row(rest=99, d0=100), None, "fires on 99.1 % of the images"),
        (
            row(d0=60, d1=60, rest=40),
            None,
            "fires for no clear set of digits (best: 0 and 1, MCC 0.16)",
        ),
        (
            row(d0=20, rest=50),
            None,
            "fires for no clear set of digits (best: all but 0, MCC 0.18)",
        ),
    ],
)
def test_headlines_say_what_the_record_holds(percent, lost, expected):
    (record,) = records_of([percent], None if lost is None else [lost]).neurons
    assert findings.headline(record) == expected


def test_a_gain_is_not_told_as_a_loss():
    labels = np.repeat(np.arange(10), SHOWN)
    wrong = np.where(labels == 4, 9, labels)
    records = records_of([row(d4=98)], predictions=wrong, ablated_predictions=labels[None])
    (record,) = records.neurons
    assert record.needed_for.recall_lost.min() == -1.0
    assert findings.headline(record).endswith("without it no digit loses a point of recall")
    assert "Of all 1,000 images, 100 more are recognised." in findings.story(record)


def test_every_headline_and_finding_agrees_with_the_arrays():
    rng = np.random.default_rng(6)
    percent = np.where(rng.random((60, 10)) < 0.4, rng.integers(70, 101, (60, 10)), 3)
    lost = rng.integers(0, 40, (60, 10)) * (rng.random((60, 10)) < 0.2)
    records = records_of(percent, lost)
    for record in records.neurons:
        said = findings.headline(record)
        loss = re.search(r"without it (\d+) points? of recall on (\d)", said)
        if loss:
            points, digit = int(loss[1]), int(loss[2])
            assert points == lost[record.number].max()
            assert points == lost[record.number][digit]
        else:
            assert lost[record.number].max() == 0
        single = re.match(r"fires for ((?:\d(?:, | and )?)+);", said)
        if single:
            digits = [int(digit) for digit in re.findall(r"\d", single[1])]
            others = [digit for digit in range(10) if digit not in digits]
            assert percent[record.number][digits].mean() > percent[record.number][others].mean()


def test_all_but_is_never_said_of_digits_that_were_not_shown():
    few = records_of([row(d1=0, rest=99)])
    (record,) = few.neurons
    rate = record.responds_to.firing_rate.copy()
    rate[9] = np.nan
    unseen = dataclasses.replace(
        record, responds_to=dataclasses.replace(record.responds_to, firing_rate=rate)
    )
    assert findings.headline(unseen) == "fires for 0, 2, 3, 4, 5, 6, 7 and 8"


def test_a_story_names_the_neuron_and_tells_each_answer():
    records = records_of(
        [row(d4=98, d6=97, rest=1)],
        [row(d4=93)],
        names={"0": "Jalebi"},
        never_lit=np.array([True, False, False, False]),
    )
    (record,) = records.neurons
    told = findings.story(record)
    assert told[:3] == [
        'Neuron 0 ("Jalebi") is feature-selective: it fires for 4 and 6.',
        "All of the bootstrap resamples give that role, all with the same digits.",
        "It fires on 98.0 % of the 4s, 97.0 % of the 6s and 1.0 % of the 0s; overall on 20 % of "
        "the images.",
    ]
    assert "Held at its mean activation, 93 points of recall on 4 are lost." in told
    assert "Misread 4s are then most often taken for 5s." in told
    assert "Of all 1,000 images, 93 fewer are recognised." in told
    output = record.pushes_towards.weights
    assert (
        f"Its largest output weight is {output.max():+.1f}, to {output.argmax()}, and its smallest "
        f"{output.min():+.1f}, to {output.argmin()}."
    ) in told
    assert any("on pixels that no training image lights" in sentence for sentence in told)


def test_a_digit_is_not_taken_for_itself():
    (record,) = records_of([row(d4=98)], [row(d5=30)]).neurons
    assert "Misread 5s are then most often taken for 6s." in findings.story(record)


def test_a_story_leaves_out_what_is_not_known():
    deep = records_of([row(d4=98)], sizes=(4, 1, 3, 10))
    told = " ".join(findings.story(deep.neurons[0]))
    for word in ("output weight", "Held", "start", "training image"):
        assert word not in told


def test_findings_count_the_roles():
    percent = [row(), row(d4=98), row(d4=98, d6=98), row(d1=0, rest=99), row(d0=60, rest=40)]
    records = records_of(percent)
    assert findings.role_counts(records) == {
        "class-selective": 1,
        "anti-class": 1,
        "feature-selective": 1,
        "weak": 1,
        "idle": 1,
    }
    assert findings.findings(records)[0] == (
        "Neurons of the hidden layer by role, on 1,000 images: class-selective 1, anti-class 1, "
        "feature-selective 1, weak 1 and idle 1 of 5."
    )


def test_findings_name_the_neurons_needed_for_what_they_do_not_fire_for():
    records = records_of([row(d4=98), row(d4=98), row(d4=98)], [row(d4=9), row(d5=30), row()])
    told = findings.findings(records)
    assert (
        "Selective neurons that cost a point of recall or more, and cost most on a digit that they "
        "do not fire for: 1 of 2 (1)."
    ) in told
    assert (
        "The largest single loss is neuron 1's: without it 30 points of recall on 5 are lost."
    ) in told


def test_findings_of_a_harmless_layer_say_so():
    told = findings.findings(records_of([row(d4=98)], [row()]))
    assert "There is no neuron without which a digit loses a point of recall." in told


def test_findings_measure_the_noise():
    percent = [row(d4=98)]
    start = records_of(percent)
    parameters = Parameters(
        (4, 1, 10),
        (start.neurons[0].weights.weights[None], np.zeros((10, 1))),
        (np.zeros((1, 1)), np.zeros((10, 1))),
    )
    told = findings.findings(
        records_of(percent, never_lit=np.array([True, True, False, False]), initial=parameters)
    )
    assert (
        "Weights and initial weights correlate 1.00 in the median neuron, from 1.00 to 1.00."
        in (told)
    )
    assert any(
        sentence.startswith("2 of 4 pixels are lit in no training image") for sentence in told
    )


def test_role_order_is_by_role_then_digits_then_number():
    percent = [row(), row(d6=98), row(d4=98), row(d1=0, rest=99), row(d4=98), row(d0=98, d1=98)]
    records = records_of(percent)
    order = findings.role_order(records)
    assert order == [2, 4, 1, 3, 5, 0]
    kinds = [ROLES.index(records.neurons[number].role.kind) for number in order]
    assert kinds == sorted(kinds)


def test_json_holds_every_field_and_no_nan():
    records = records_of([row(d4=98), row()], [row(d4=9), row()])
    plain = findings.to_json(records)
    again = json.loads(json.dumps(plain, allow_nan=False))
    assert again == plain
    assert set(plain) == {field.name for field in dataclasses.fields(records)}
    record = plain["neurons"][0]
    expected = {field.name for field in dataclasses.fields(records.neurons[0])} | {"headline"}
    assert set(record) == expected
    assert record["responds_to"]["fired"] == records.neurons[0].responds_to.fired.tolist()
    assert record["role"]["kind"] == "class-selective"
    assert record["headline"] == findings.headline(records.neurons[0])


def test_rows_are_flat_and_have_the_same_columns():
    rows = findings.csv_rows(records_of([row(d4=98, d6=98), row()], [row(d4=9), row()]))
    assert [list(cells) for cells in rows] == [list(rows[0])] * 2
    assert all(isinstance(cell, (str, int, float)) for cells in rows for cell in cells.values())
    assert rows[0]["digits"] == "4 6"
    assert rows[1]["digits"] == ""
    assert rows[0]["recall_lost_4"] == 0.09
    assert rows[0]["firing_rate_6"] == 0.98
    assert rows[0]["start_correlation"] == ""


def test_rows_leave_unknown_numbers_empty():
    records = records_of([row(d4=98)])
    record = records.neurons[0]
    unknown = dataclasses.replace(
        record, role=dataclasses.replace(record.role, stability=float("nan"))
    )
    (cells,) = findings.csv_rows(dataclasses.replace(records, neurons=(unknown,)))
    assert cells["stability"] == ""
