"""Neuron records: cases worked by hand, invariances, odd neurons, and what bad arrays get."""

import csv
import io
import json
import math
import re

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from model import neurons
from model.export import to_csv, to_json
from model.neurons import HELD, RANKED
from model.parameters import Parameters
from tests.conftest import CHECKOUT
from tests.model.conftest import (
    DIGITS,
    PREDICTED,
    UNKNOWN,
    case,
    counts,
    parameters_of,
    record,
    row,
)


def arrays(records):
    """Every array with its name, those of the parts as "frozen.correct"."""
    parts = {"": records, **{f"{way}.": held for way, held in records.ways.items()}}
    named = {head + name: v for head, part in parts.items() for name, v in vars(part).items()}
    return {name: v for name, v in named.items() if isinstance(v, np.ndarray)}


def rows_of(records):
    return list(csv.DictReader(io.StringIO(to_csv(records))))


# fmt: off
BY_HAND = {  # of the record of one hidden neuron, six examples and three digits
    "names": ("Jalebi",), "shown": [2, 2, 2], "codes": 2, "correct": 6, "recall": [1, 1, 1],
    "z_mean": [[1, 3, -2.5]], "z_sd": [[2, 2, 2.5]],
    "activation_mean": [[0.55, 0.845, 0.255]], "activation_mean_all": [0.55],
    "fired": [[1, 2, 0]],  # 0.5 itself does not fire
    "firing_rate": [[0.5, 1, 0]], "firing_rate_all": [0.5],
    # {1}: tp 2, fp 1, fn 0, tn 3; {0, 1} has the mirrored table and one digit more.
    "partition": [[False, True, False]], "partition_mcc": [6 / math.sqrt(3 * 2 * 4 * 3)],
    "fires_for": [[False, True, False]],
    "auroc": [[4 / 8, 7 / 8, 1 / 8]], "preferred_digit": [1],
    "class_selectivity": [(0.845 - 0.4025) / (0.845 + 0.4025)],
    "saturated_low": [1 / 6], "saturated_high": [1 / 6], "saturated": 1 / 3,
    "output_weights": [[2, -1, 0.5]], "switched_correct": 5, "blanked_changes": 1,
    "start_share": [1 / np.var([3.0, -1, 5, -5, 0, 1])], "change": [[0, -2, -1, 2]],
    "bias": [0.25], "bias_change": [-0.75], "never_lit_share": [1 / 8],
    "start_correlation": [np.corrcoef([1, -3, 0, 4], [1, -1, 1, 2])[0, 1]],
    "frozen.recall_lost": [[0, 1, 0.5]], "deleted.recall_lost": [[1, 0, 0]],
    "frozen.correct": [3], "frozen.accuracy_lost": [0.5],
    "frozen.most_needed_digit": [1], "frozen.mistaken_for": [2],
    "deleted.most_needed_digit": [0], "deleted.mistaken_for": [1],
    "highest": [[2, 0, 5, 4, 1, 3]], "lowest": [[3, 1, 4, 5, 0, 2]],
    "along": [[3, 1, 1, 5, 0, 2]],  # z -5, -1, -1, 1, 3, 5: -3 is as far from both
    "z": [[3, -1, 5, -5, 0, 1]], "activations": [[0.9, 0.2, 0.99, 0.01, 0.5, 0.7]],
    "divided_digits": [[0, 1]],
    "divided": [[[[1, -1, -1, -1], [0, -1, -1, -1]], [[-1] * 4, [2, 5, -1, -1]]]],
}
# fmt: on


def test_a_record_worked_by_hand():
    start = [[[1.0, -1.0, 1.0, 2.0]], np.zeros((3, 1))], [[[1.0]], np.zeros((3, 1))]
    weights = [[[1.0, -3.0, 0.0, 4.0]], [[2.0], [-1.0], [0.5]]]
    named = {"neuron_names": {"0": "Jalebi"}}
    records = record(
        parameters=Parameters((4, 1, 3), weights, [[[0.25]], np.zeros((3, 1))], named),
        zs=[[3.0], [-1.0], [5.0], [-5.0], [0.0], [1.0]],
        activations=[[0.9], [0.2], [0.99], [0.01], [0.5], [0.7]],
        labels=[0, 0, 1, 2, 2, 1],
        predictions=[0, 0, 1, 2, 2, 1],
        frozen=[[0, 0, 2, 2, 0, 2]],
        deleted=[[1, 1, 1, 2, 2, 1]],
        switched=[0, 1, 1, 2, 2, 1],
        blanked=[0, 0, 1, 2, 2, 0],
        rarely_lit=2,
        start_zs=np.array([[1.0], [-1.0]] * 3),
        never_lit=[True, False, True, False],
        initial=Parameters((4, 1, 3), *start),
    )
    for name, expected in BY_HAND.items():
        part, _, inner = name.rpartition(".")
        found = getattr(getattr(records, part) if part else records, inner)
        if isinstance(found, np.ndarray) and found.dtype == float:
            np.testing.assert_allclose(found, expected, rtol=2e-15, err_msg=name)
        else:
            assert_array_equal(found, expected, name)
    middle = records.z_quantiles[0, :, [0, 3, 6]].T.tolist()
    assert middle == [[-1, 1, 3], [1, 3, 5], [-5, -2.5, 0]]
    # Agresti and Min: 2 of 2 lost, so 2.5 and 0.5 of 4, give or take 1.96 sqrt(3 - 4 / 4) / 4.
    reach = 1.959963984540054 * math.sqrt(2) / 4
    interval = records.frozen.recall_lost_interval[0, 1]
    np.testing.assert_allclose(interval, [0.5 - reach, 0.5 + reach])
    assert 1 / (1 + math.exp(-neurons.SATURATED_Z)) == pytest.approx(0.99, abs=1e-15)


def test_images_are_ranked_by_z_and_of_equals_the_lower_index_comes_first():
    hand = case(examples=500)
    hand["activations"] = np.rint(hand["activations"])  # saturated: many are equal
    records = record(**hand)
    for ranked, key in ((records.highest, -hand["zs"]), (records.lowest, hand["zs"])):
        for n, own in enumerate(key.T):
            best = np.lexsort((np.arange(500), own))[:RANKED]
            assert_array_equal(ranked[n], best)


def test_images_on_either_side_of_the_switch_are_those_nearest_to_its_median():
    zs = np.array([[-1.0, -2, -30, 1, 2, 3, 4, 100, 0]]).T
    hand = case(1, 9, zs=zs, activations=(zs > 0) * 1.0, labels=np.array([0] * 8 + [1]))
    records = record(**hand)
    assert records.divided_digits[0, 0] == 0
    assert records.divided[0, 0].tolist() == [[1, 0, 2, -1], [5, 4, 6, 3]]


def test_the_order_of_examples_decides_nothing():
    hand = case()
    hand["zs"] = hand["zs"] + np.arange(300)[:, None] * 1e-6  # no ties, which the index settles
    before, order = arrays(record(**hand)), np.random.default_rng(9).permutation(300)
    for name in ("zs", "activations", "labels", "start_zs", *PREDICTED):
        hand[name] = np.asfortranarray(hand[name][order])
    hand |= {name: hand[name][:, order] for name in HELD}
    for name, array in arrays(record(**hand)).items():
        if name in ("highest", "lowest", "along"):
            assert_array_equal(order[array], before[name], name)
        elif name in ("z", "activations", "labels"):
            assert_array_equal(array, before[name][..., order], name)
        elif name != "divided":  # of what is as far from the median, the first comes
            assert_array_equal(array, before[name], name)


def test_a_role_is_stated_only_where_all_splits_agree():
    first = counts(row(d4=100), row(d4=60, d6=60), row(d4=60), row())
    second = counts(row(d4=90), row(d4=60, d6=50, d9=50), row(d4=24), row())
    hand = case(hidden=4)
    records = record(**hand, counts={"one": first, "other": second})
    assert records.splits == ("one", "other")
    assert records.role.tolist() == ["class-selective", "between", "between", "idle"]
    assert records.split_roles[:, 2].tolist() == ["class-selective", "weak"]
    assert records.partition_holds.tolist() == [True, False, True, True]
    assert_array_equal(records.partition, records.split_sets[0])
    fires = [np.flatnonzero(row).tolist() for row in records.fires_for]
    assert fires == [[4], [4, 6], [4], []]
    for n in range(3):  # on the images at hand, of the set that is named
        named = records.partition[n][hand["labels"]]
        expected = np.corrcoef(named, hand["activations"][:, n] > 0.5)[0, 1]
        assert records.partition_mcc[n] == pytest.approx(expected)
        low, high = records.partition_mcc_interval[n]
        assert low < expected < high < low + 0.3
    alone = record(**hand, counts={"one": first})
    expected = ["class-selective", "feature-selective", "class-selective", "idle"]
    assert alone.role.tolist() == expected


@pytest.mark.parametrize("z", [-800.0, 0.0, 800.0])
def test_a_dead_or_constant_neuron_has_a_record(z):
    hand = case(hidden=2)
    hand["zs"][:, 0] = z
    hand["activations"][:, 0] = 0.5 + np.sign(z) / 2
    records = record(**hand)
    assert records.role[0] == "idle"
    assert records.auroc[0].tolist() == [0.5] * DIGITS
    assert records.class_selectivity[0] == pytest.approx(0.0, abs=1e-15)
    assert records.z_sd[0].tolist() == [0.0] * DIGITS
    assert records.highest[0].tolist() == list(range(RANKED))
    alone = record(**{**hand, "zs": np.full((300, 2), z)})
    assert (np.diff(alone.z_edges) > 0).all()
    assert_array_equal(alone.z_histogram.sum(axis=2), [alone.shown] * 2)


def test_digits_missing_from_the_sample_are_nan_and_the_rest_is_not():
    hand = case(examples=200)
    hand["labels"] = np.where(hand["labels"] < 5, 3, 7)
    records = record(**hand)
    missing = ~np.isin(np.arange(DIGITS), (3, 7))
    names = ("z_mean", "z_sd", "z_quantiles", "activation_mean", "firing_rate", "auroc")
    for values in (*(getattr(records, name) for name in names), records.frozen.recall_lost):
        assert np.isnan(values[:, missing]).all()
        assert not np.isnan(values[:, ~missing]).any()
    assert not records.partition[:, missing].any()
    assert set(records.frozen.most_needed_digit) <= {3, 7}
    assert np.isnan(records.recall[missing]).all()


@pytest.mark.parametrize(("hidden", "examples"), [(1, 60), (100, 60), (3, 1)])
def test_any_number_of_neurons_and_one_example_are_enough(hidden, examples):
    records = record(**case(hidden, examples))
    told = to_json(records)
    assert records.hidden == len(told["neurons"]) == hidden
    assert records.highest.shape == (hidden, min(RANKED, examples))
    assert json.loads(json.dumps(told, allow_nan=False)) == told


def test_what_speaks_of_an_unknown_start_is_none_and_zeros_have_a_record():
    records = record(**case(**UNKNOWN))
    for name in ("change", "bias_change", "start_share", "start_correlation"):
        assert getattr(records, name) is None, name
    (cells, *_) = rows_of(records)
    assert (cells["start_correlation"], cells["role"]) == ("", records.role[0])
    assert to_json(records)["neurons"][0]["weights"]["change"] is None
    zero = Parameters((12, 1, 10), [np.zeros((1, 12)), np.zeros((10, 1))], [[[0.0]], [[0.0]] * 10])
    records = record(**case(hidden=1, parameters=zero))
    assert records.never_lit_share == 0.0
    assert np.isnan(records.start_correlation).all()
    deeper = parameters_of((12, 5, 7, DIGITS))
    records = record(**case(parameters=deeper, initial=None))
    assert (records.sizes, records.to_digits) == ((12, 5, 7, 10), False)
    assert_array_equal(records.output_weights, deeper.weights[1].T)


def test_a_notebook_shows_a_line_and_a_table():
    odd = {"neuron_names": {"1": "<b>"}, "<i>": "<u>", "long": [1] * 99}
    named = parameters_of((12, 2, 10), **odd)
    records = record(**case(hidden=2, parameters=named))
    assert repr(records) == "NeuronRecords(2 neurons of 12-2-10, 300 images)"
    table = records._repr_html_()
    assert table.count("<tr>") == 3
    assert f"<td>1 &lt;b&gt;</td><td>{records.role[1]}</td>" in table
    assert repr(named) == f"Parameters(12-2-10, fingerprint {named.fingerprint[:16]})"
    told = named._repr_html_()
    assert "<th>&lt;i&gt;</th><td>&lt;u&gt;</td>" in told
    assert "<td>[12, 2, 10]</td>" in told
    assert "long" not in told


def test_no_array_can_be_written_or_is_shared_with_the_caller():
    hand, untouched = case(), case()
    hand["zs"] = untouched["zs"] = hand["zs"].astype(np.float32)
    given = [value for value in hand.values() if isinstance(value, np.ndarray)]
    given += [*hand["parameters"].weights, *hand["parameters"].biases]
    found = arrays(record(**hand))
    assert len(found) > 40
    assert "frozen.correct" in found
    for name, array in found.items():
        assert not array.flags.writeable, name
        assert not any(np.shares_memory(array, other) for other in given), name
    for name, value in hand.items():
        if isinstance(value, np.ndarray):
            assert_array_equal(value, untouched[name])


def test_json_and_csv_hold_the_records():
    """Every number of both: the shipped network's, in tests/test_shipped.py."""
    records = record(**case(hidden=3))
    told = to_json(records)
    shipped = json.loads((CHECKOUT / "visuals" / "neurons.json").read_text())
    assert list(told) == list(shipped)
    for name, part in shipped["neurons"][0].items():
        assert not isinstance(part, dict) or list(told["neurons"][0][name]) == list(part)
    for n, (one, cells) in enumerate(zip(told["neurons"], rows_of(records), strict=True)):
        assert (one["number"], cells["neuron"]) == (n, str(n))
        assert one["role"]["kind"] == cells["role"] == records.role[n]
        assert one["role"]["digits"] == np.flatnonzero(records.role_digits[n]).tolist()
        assert one["responds_to"]["z_histogram"] == records.z_histogram[n].tolist()
        places = one["lowest"]["indices"]
        assert places == records.lowest[n].tolist()
        told = (one["lowest"][key] for key in ("labels", "zs", "activations"))
        assert_array_equal(
            [*told],
            [v[..., places] for v in (records.labels, records.z[n], records.activations[n])],
        )
        for way, held in records.ways.items():
            assert one[way]["recall_lost"] == held.recall_lost[n].tolist()
            assert float(cells[f"{way}_recall_lost_4"]) == held.recall_lost[n, 4]
        assert one["headline"] == cells["headline"] != ""


@pytest.mark.parametrize(
    ("names", "kept"),
    [
        ({"0": "\x1b[2J\x9b31m\r\n"}, "�[2J�31m��"),
        ({"0": "a\u202eb\udcff"}, "a�b�"),
        ({"0": "$x^2$ é 糖"}, "$x^2$ é 糖"),
        ({"0": "n" * 100}, "n" * 63 + "…"),
        ({"0": ["no", "text"]}, "['no', 'text']"),
        *((names, "") for names in (None, ["a"], {"1": "other"})),
    ],
)
def test_a_name_keeps_only_what_can_be_shown(names, kept):
    named = parameters_of((12, 1, DIGITS), neuron_names=names)
    records = record(**case(hidden=1, examples=20, parameters=named))
    assert records.names == (kept,)
    assert kept in to_csv(records).encode().decode()


NAN = np.zeros((300, 5))
NAN[7, 2] = np.nan


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"activations": NAN + 1.5}, "activations: expected numbers from 0 to 1, received 1.5 at"),
        ({"zs": NAN}, "received nan at [7, 2]"),
        ({"zs": 1e200 + np.zeros((300, 5))}, "zs: expected numbers from -1e+100 to 1e+100"),
        ({"labels": np.full(300, 10)}, "labels: expected integers from 0 to 9, received 10"),
        ({"labels": np.full(300, -1)}, "labels: expected integers from 0 to 9, received -1"),
        ({"initial": parameters_of((12, 4, 10))},
         "initial: expected the sizes of the trained network, [12, 5, 10], received [12, 4, 10]"),
        ({"parameters": parameters_of((12, 10))}, "this network has no hidden neuron to look at"),
        ({"parameters": parameters_of((12, 5, 63))}, "expected 2 to 62 outputs, received 63"),
    ],
)  # fmt: skip
def test_arrays_that_do_not_fit_are_refused(changed, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        record(**case(**changed))
