"""Neuron records: cases worked by hand, invariances, odd neurons, and what bad arrays get."""

import csv
import io
import json
import math
import re

import numpy as np
import pytest

from model.export import to_csv, to_json
from model.neurons import (
    BINS,
    QUANTILES,
    RANKED,
    SATURATED_Z,
    firing_counts,
    mean_activations,
    neuron_records,
    never_lit_pixels,
)
from model.parameters import Parameters
from tests.model.conftest import parameters_of

DIGITS = 10
RANKINGS = ("highest", "lowest")


def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


def case(hidden=5, examples=300, seed=0):
    """Keyword arguments of neuron_records for a random network and images."""
    rng = np.random.default_rng(seed)
    zs = rng.normal(scale=4, size=(examples, hidden)).round(2)  # rounded: ties happen
    return {
        "parameters": parameters_of((12, hidden, DIGITS), seed),
        "zs": zs,
        "activations": sigmoid(zs),
        "labels": rng.integers(0, DIGITS, examples),
        "predictions": rng.integers(0, DIGITS, examples),
        "ablated_predictions": rng.integers(0, DIGITS, (hidden, examples)),
        "deleted_predictions": rng.integers(0, DIGITS, (hidden, examples)),
        "switched_predictions": rng.integers(0, DIGITS, examples),
        "blanked_predictions": rng.integers(0, DIGITS, examples),
        "start_zs": rng.normal(size=(examples, hidden)),
        "never_lit": np.arange(12) < 3,
        "initial": parameters_of((12, hidden, DIGITS), seed + 1),
        "resamples": 40,
    }


def text(records):
    """Everything in the records, every bit of it, as text."""
    return json.dumps(to_json(records))


@pytest.fixture(scope="module")
def by_hand():
    """The records of one hidden neuron, six examples and three digits."""
    start = [[[1.0, -1.0, 1.0, 2.0]], np.zeros((3, 1))], [[[1.0]], np.zeros((3, 1))]
    return neuron_records(
        Parameters(
            (4, 1, 3),
            [[[1.0, -3.0, 0.0, 4.0]], [[2.0], [-1.0], [0.5]]],
            [[[0.25]], np.zeros((3, 1))],
            {"neuron_names": {"0": "Jalebi"}},
        ),
        zs=[[3.0], [-1.0], [5.0], [-5.0], [0.0], [1.0]],
        activations=[[0.9], [0.2], [0.99], [0.01], [0.5], [0.7]],
        labels=[0, 0, 1, 2, 2, 1],
        predictions=[0, 0, 1, 2, 2, 1],
        ablated_predictions=[[0, 0, 2, 2, 0, 2]],
        deleted_predictions=[[1, 1, 1, 2, 2, 1]],
        switched_predictions=[0, 1, 1, 2, 2, 1],
        blanked_predictions=[0, 0, 1, 2, 2, 0],
        start_zs=[[1.0], [-1.0], [1.0], [-1.0], [1.0], [-1.0]],
        never_lit=[True, False, True, False],
        initial=Parameters((4, 1, 3), *start),
    )


def test_responses_worked_by_hand(by_hand):
    assert by_hand.names == ("Jalebi",)
    assert by_hand.shown.tolist() == [2, 2, 2]
    assert by_hand.z_mean.tolist() == [[1.0, 3.0, -2.5]]
    assert by_hand.z_sd.tolist() == [[2.0, 2.0, 2.5]]
    assert by_hand.z_quantiles[0, :, [0, 3, 6]].T.tolist() == [[-1, 1, 3], [1, 3, 5], [-5, -2.5, 0]]
    assert by_hand.activation_mean.tolist() == [[0.55, 0.845, 0.255]]
    assert by_hand.activation_mean_all == pytest.approx(0.55, abs=1e-15)
    assert by_hand.fired.tolist() == [[1, 2, 0]]  # 0.5 itself does not fire
    assert by_hand.firing_rate.tolist() == [[0.5, 1.0, 0.0]]
    assert by_hand.firing_rate_all == 0.5
    # {1}: tp 2, fp 1, fn 0, tn 3; {0, 1} has the mirrored table and one digit more.
    assert by_hand.partition.tolist() == [[False, True, False]]
    assert by_hand.partition_mcc == pytest.approx(6 / math.sqrt(3 * 2 * 4 * 3), rel=1e-15)
    assert by_hand.rarer_side.tolist() == [
        [True, False, True]
    ]  # it fires on half: silence is rarer
    assert by_hand.codes == 2
    assert by_hand.auroc.tolist() == [[4 / 8, 7 / 8, 1 / 8]]
    assert by_hand.preferred_digit == 1
    assert by_hand.class_selectivity == pytest.approx((0.845 - 0.4025) / (0.845 + 0.4025))
    assert by_hand.saturated_low == by_hand.saturated_high == 1 / 6
    assert sigmoid(SATURATED_Z) == pytest.approx(0.99, abs=1e-15)
    assert by_hand.fires_for.tolist() == [[False, True, False]]


def test_weights_and_needs_worked_by_hand(by_hand):
    assert by_hand.output_weights.tolist() == [[2.0, -1.0, 0.5]]
    frozen, deleted = by_hand.frozen, by_hand.deleted
    assert frozen.recall_lost.tolist() == [[0.0, 1.0, 0.5]]
    assert deleted.recall_lost.tolist() == [[1.0, 0.0, 0.0]]
    assert (by_hand.correct, by_hand.recall.tolist()) == (6, [1.0, 1.0, 1.0])
    assert (frozen.correct, frozen.accuracy_lost) == (3, 0.5)
    assert (frozen.most_needed_digit, frozen.mistaken_for) == (1, 2)
    assert (deleted.most_needed_digit, deleted.mistaken_for) == (0, 1)
    assert (by_hand.switched_correct, by_hand.blanked_changes) == (5, 1)
    # Agresti and Min: 2 of 2 lost, so 2.5 and 0.5 of 4, give or take 1.96 sqrt(3 - 4 / 4) / 4.
    reach = 1.959963984540054 * math.sqrt(2) / 4
    np.testing.assert_allclose(frozen.recall_lost_interval[0, 1], [0.5 - reach, 0.5 + reach])
    assert by_hand.start_share == pytest.approx(1 / np.var([3.0, -1, 5, -5, 0, 1]))
    assert by_hand.change.tolist() == [[0.0, -2.0, -1.0, 2.0]]
    assert (by_hand.bias, by_hand.bias_change) == (0.25, -0.75)
    assert by_hand.never_lit_share == 1 / 8
    expected = np.corrcoef(by_hand.weights[0], [1.0, -1.0, 1.0, 2.0])[0, 1]
    assert by_hand.start_correlation == pytest.approx(expected, abs=1e-15)


def test_ranked_examples_worked_by_hand(by_hand):
    assert by_hand.highest.indices.tolist() == [[2, 0, 5, 4, 1, 3]]
    assert by_hand.highest.labels.tolist() == [[1, 0, 1, 2, 0, 2]]
    assert by_hand.highest.zs.tolist() == [[5.0, 3.0, 1.0, 0.0, -1.0, -5.0]]
    assert by_hand.highest.activations.tolist() == [[0.99, 0.9, 0.7, 0.5, 0.2, 0.01]]
    assert by_hand.lowest.indices.tolist() == [[3, 1, 4, 5, 0, 2]]
    assert by_hand.along.zs.tolist() == [
        [-5.0, -1.0, -1.0, 1.0, 3.0, 5.0]
    ]  # -3 is as far from both
    assert by_hand.divided_digits.tolist() == [[0, 1]]
    assert by_hand.divided.indices[0, 0].tolist() == [[1, -1, -1, -1], [0, -1, -1, -1]]
    assert by_hand.divided.indices[0, 1].tolist() == [[-1] * 4, [2, 5, -1, -1]]


def test_rankings_are_sorted_and_of_equals_the_lower_index_comes_first():
    hand = case(examples=500)
    hand["activations"] = np.rint(hand["activations"])  # saturated: many are equal
    records = neuron_records(**hand)
    keys = (-hand["zs"], hand["zs"])
    for name, key in zip(RANKINGS, keys, strict=True):
        ranking = getattr(records, name)
        for n in range(5):
            best = sorted(range(500), key=lambda k, n=n, key=key: (key[k, n], k))[:RANKED]
            assert ranking.indices[n].tolist() == best
            assert np.array_equal(ranking.zs[n], hand["zs"][best, n])
            assert np.array_equal(ranking.labels[n], hand["labels"][best])
            assert np.array_equal(ranking.activations[n], hand["activations"][best, n])


def test_the_order_of_the_examples_decides_nothing_but_their_indices():
    hand = case()
    hand["zs"] = hand["zs"] + np.arange(300)[:, None] * 1e-6  # no ties, which the index settles
    order = np.random.default_rng(9).permutation(300)
    names = "zs activations labels predictions switched_predictions blanked_predictions start_zs"
    turned = {**hand, **{name: np.asfortranarray(hand[name][order]) for name in names.split()}}
    for name in ("ablated_predictions", "deleted_predictions"):
        turned[name] = hand[name][:, order]
    before, after = (dict(neuron_records(**one).arrays()) for one in (hand, turned))
    for name, array in after.items():
        indices = name.endswith(".indices")
        if indices:
            array = np.where(array < 0, -1, order[array])
        if not name.startswith("divided."):  # of what is as far from the median, the first comes
            np.testing.assert_array_equal(array, before[name], name)


def test_permuting_the_neurons_permutes_the_records():
    hand, order = case(), np.array([3, 0, 4, 1, 2])

    def permuted(p):
        weights = [p.weights[0][order], p.weights[1][:, order]]
        return Parameters(p.sizes, weights, [p.biases[0][order], p.biases[1]])

    turned = {name: permuted(hand[name]) for name in ("parameters", "initial")}
    turned |= {name: hand[name][:, order] for name in ("zs", "activations", "start_zs")}
    for name in ("ablated_predictions", "deleted_predictions"):
        turned[name] = hand[name][order]
    before, after = (dict(neuron_records(**{**hand, **more}).arrays()) for more in ({}, turned))
    for name, array in after.items():
        ours = before[name]
        if name.startswith("split_"):
            ours, array = ours[0], array[0]
        np.testing.assert_array_equal(array, ours[order] if len(ours) == 5 else ours, name)


def test_rescaling_z_changes_no_rank_no_firing_and_no_role():
    hand = case()
    before, after = (neuron_records(**{**hand, "zs": scale * hand["zs"]}) for scale in (1, 8))
    for name in ("role", "auroc", "z_histogram", "fired"):
        np.testing.assert_array_equal(getattr(before, name), getattr(after, name))
    for name in RANKINGS:
        np.testing.assert_array_equal(getattr(before, name).indices, getattr(after, name).indices)
    np.testing.assert_array_equal(8 * before.z_mean, after.z_mean)
    np.testing.assert_array_equal(8 * before.z_sd, after.z_sd)


def test_histograms_and_quantiles_are_those_of_numpy():
    hand = case()
    records = neuron_records(**hand)
    assert records.z_histogram.shape == (5, DIGITS, BINS)
    for n, digit in np.ndindex(5, DIGITS):
        z = hand["zs"][hand["labels"] == digit, n]
        expected = np.histogram(z, records.z_edges)[0]
        np.testing.assert_array_equal(records.z_histogram[n, digit], expected)
        np.testing.assert_array_equal(records.z_quantiles[n, digit], np.quantile(z, QUANTILES))
    hand = case(hidden=1, examples=BINS + 1) | {"zs": np.arange(BINS + 1.0)[:, None]}
    counted = neuron_records(**hand).z_histogram.sum(axis=(0, 1))
    assert counted.tolist() == [1] * (BINS - 1) + [2]  # on an edge: the bin above, at last the last


def counted(*percent):
    """Counts of neurons that fire on so many of the 100 images of each digit, else on none."""
    fired = np.array([[own.get(digit, 0) for digit in range(DIGITS)] for own in percent])
    return fired, np.full(DIGITS, 100)


def test_a_role_is_stated_only_where_all_splits_agree():
    first = counted({4: 100}, {4: 60, 6: 60}, {4: 60}, {})
    second = counted({4: 90}, {4: 60, 6: 50, 9: 50}, {4: 24}, {})
    records = neuron_records(**case(hidden=4), counts={"one": first, "other": second})
    assert records.splits == ("one", "other")
    assert records.role.tolist() == ["class-selective", "between", "between", "idle"]
    assert records.split_roles[:, 2].tolist() == ["class-selective", "weak"]
    assert records.partition_holds.tolist() == [True, False, True, True]
    fires = [np.flatnonzero(row).tolist() for row in records.fires_for]
    assert fires == [[4], [4, 6], [4], []]
    alone = neuron_records(**case(hidden=4), counts={"one": first})
    expected = ["class-selective", "feature-selective", "class-selective", "idle"]
    assert alone.role.tolist() == expected


def test_the_correlation_is_that_of_the_set_that_is_named():
    hand = case(hidden=1)
    hand["activations"][:, 0] = np.where(np.isin(hand["labels"], (5, 6)), 0.9, 0.1)
    own = firing_counts(hand["activations"], hand["labels"], DIGITS)
    six = np.where(np.arange(DIGITS) == 6, own[0], 0), own[1]
    records = neuron_records(**hand, counts={"first": six, "these": own})
    assert np.flatnonzero(records.partition[0]).tolist() == [6]
    inside = hand["labels"] == 6
    expected = np.corrcoef(inside, hand["activations"][:, 0] > 0.5)[0, 1]
    assert records.partition_mcc[0] == pytest.approx(expected)
    low, high = records.partition_mcc_interval[0]
    assert low < expected < high < low + 0.3
    assert np.isnan(neuron_records(**{**hand, "resamples": 0}).partition_mcc_interval).all()


@pytest.mark.parametrize("z", [-800.0, 0.0, 800.0, 3.25])
def test_a_dead_or_constant_neuron_has_a_record(z):
    hand = case(hidden=2)
    hand["zs"][:, 0] = z
    hand["activations"][:, 0] = 0.0 if z < 0 else 1.0 if z == 800 else sigmoid(z)
    records = neuron_records(**hand)
    assert records.role[0] == "idle"
    assert records.auroc[0].tolist() == [0.5] * DIGITS
    assert records.class_selectivity[0] == pytest.approx(0.0, abs=1e-15)
    assert records.z_sd[0].tolist() == [0.0] * DIGITS
    assert records.highest.indices[0].tolist() == list(range(RANKED))
    alone = neuron_records(**{**hand, "zs": np.full((300, 2), z)})
    assert (np.diff(alone.z_edges) > 0).all()
    np.testing.assert_array_equal(alone.z_histogram.sum(axis=2), [alone.shown] * 2)


def test_weights_that_are_all_zero_have_a_record():
    zero = Parameters((12, 1, 10), [np.zeros((1, 12)), np.zeros((10, 1))], [[[0.0]], [[0.0]] * 10])
    records = neuron_records(**{**case(hidden=1), "parameters": zero})
    assert records.never_lit_share == 0.0
    assert np.isnan(records.start_correlation).all()


def test_digits_missing_from_the_sample_are_nan_and_the_rest_is_not():
    hand = case(examples=200)
    hand["labels"] = np.where(hand["labels"] < 5, 3, 7)
    records = neuron_records(**hand)
    missing = ~np.isin(np.arange(DIGITS), (3, 7))
    names = ("z_mean", "z_sd", "z_quantiles", "activation_mean", "firing_rate", "auroc")
    needed = records.frozen
    for values in (*(getattr(records, name) for name in names), needed.recall_lost):
        assert np.isnan(values[:, missing]).all()
        assert not np.isnan(values[:, ~missing]).any()
    assert not records.partition[:, missing].any()
    assert set(needed.most_needed_digit) <= {3, 7}
    assert np.isnan(records.recall[missing]).all()


@pytest.mark.parametrize(("hidden", "examples"), [(1, 60), (100, 60), (3, 1)])
def test_any_number_of_neurons_and_one_example_are_enough(hidden, examples):
    records = neuron_records(**case(hidden, examples))
    assert records.hidden == len(to_json(records)["neurons"]) == hidden
    assert records.highest.indices.shape == (hidden, min(RANKED, examples))
    assert json.loads(json.dumps(to_json(records), allow_nan=False)) == to_json(records)


def test_what_was_not_handed_in_is_none():
    names = ("parameters", "zs", "activations", "labels")
    records = neuron_records(**{name: case()[name] for name in names})
    unknown = ("never_lit", "confusion", "recall", "correct", "frozen", "deleted", "change")
    for name in (*unknown, "start_share", "start_correlation", "switched_correct"):
        assert getattr(records, name) is None, name
    (row, *_) = csv.DictReader(io.StringIO(to_csv(records)))
    assert "frozen_recall_lost_0" not in row
    assert (row["start_correlation"], row["role"]) == ("", records.role[0])
    assert to_json(records)["neurons"][0]["frozen"] is None


def test_a_notebook_shows_a_line_and_a_table():
    named = Parameters((12, 2, 10), *parameters_layers(2), {"neuron_names": {"1": "<b>"}})
    records = neuron_records(**case(hidden=2) | {"parameters": named})
    assert repr(records) == "NeuronRecords(2 neurons of 12-2-10, 300 images)"
    table = records._repr_html_()
    assert table.count("<tr>") == 3
    assert f"<td>1 &lt;b&gt;</td><td>{records.role[1]}</td>" in table
    assert repr(named) == f"Parameters(12-2-10, fingerprint {named.fingerprint[:16]})"
    hostile = Parameters((12, 2, 10), *parameters_layers(2), {"<i>": "<u>", "long": [1] * 99})
    told = hostile._repr_html_()
    assert "<th>&lt;i&gt;</th><td>&lt;u&gt;</td>" in told
    assert "long" not in told


def parameters_layers(hidden):
    made = parameters_of((12, hidden, DIGITS))
    return made.weights, made.biases


def test_a_deeper_network_shows_its_first_hidden_layer():
    deeper = parameters_of((12, 5, 7, DIGITS))
    records = neuron_records(**{**case(), "parameters": deeper, "initial": None})
    assert (records.sizes, records.to_digits) == ((12, 5, 7, 10), False)
    np.testing.assert_array_equal(records.output_weights, deeper.weights[1].T)


def test_no_array_can_be_written_or_is_shared_with_the_caller():
    hand, untouched = case(), case()
    given = [value for value in hand.values() if isinstance(value, np.ndarray)]
    given += [*hand["parameters"].weights, *hand["parameters"].biases]
    found = dict(neuron_records(**hand).arrays())
    assert len(found) > 40
    for name, array in found.items():
        assert not array.flags.writeable, name
        assert not any(np.shares_memory(array, other) for other in given), name
    for name, value in hand.items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(value, untouched[name])


def test_float32_arrays_and_lists_are_taken_too():
    hand = case(hidden=2, examples=40)
    single = {name: hand[name].astype(np.float32) for name in ("zs", "activations")}
    double = {name: single[name].astype(np.float64).tolist() for name in single}
    assert text(neuron_records(**{**hand, **single})) == text(neuron_records(**{**hand, **double}))


def test_json_and_csv_hold_the_records():
    records = neuron_records(**case(hidden=3))
    told, rows = to_json(records), list(csv.DictReader(io.StringIO(to_csv(records))))
    for n, (one, row) in enumerate(zip(told["neurons"], rows, strict=True)):
        assert (one["number"], row["neuron"]) == (n, str(n))
        assert one["role"]["kind"] == row["role"] == records.role[n]
        assert one["role"]["digits"] == np.flatnonzero(records.role_digits[n]).tolist()
        assert row["partition"] == " ".join(map(str, one["role"]["partition"]))
        assert one["role"]["splits"]["these images"]["role"] == records.role[n]
        assert one["responds_to"]["z_histogram"] == records.z_histogram[n].tolist()
        assert one["along"]["zs"] == records.along.zs[n].tolist()
        for held in ("frozen", "deleted"):
            lost = getattr(records, held).recall_lost[n]
            assert one[held]["recall_lost"] == lost.tolist()
            assert float(row[f"{held}_recall_lost_4"]) == lost[4]
        assert float(row["firing_rate_6"]) == records.firing_rate[n, 6]
        assert float(row["next_weight_9"]) == records.output_weights[n, 9]
        assert one["headline"] == row["headline"] != ""
    assert told["thresholds"] == {"idle": 0.02, "weak": 0.5, "single": 0.05}
    assert (told["confusion"], told["seed"]) == (records.confusion.tolist(), 0)


def test_means_and_never_lit_pixels():
    hand = case()
    means = mean_activations(hand["activations"])
    np.testing.assert_array_equal(means, neuron_records(**hand).activation_mean_all)
    assert never_lit_pixels([[0.0, 0.5, 0.0], [0.0, 0.0, 0.25]]).tolist() == [True, False, False]
    for shape in ((0, 3), (3,)):
        for name, measure in (("activations", mean_activations), ("images", never_lit_pixels)):
            with pytest.raises(ValueError, match=rf"^{name}: expected shape .* \({shape[0]},"):
                measure(np.zeros(shape))


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("\x1b[2J\x9b31m\r\n", "�[2J�31m��"),
        ("a\u202eb\udcff", "a�b�"),
        ("$x^2$ é 糖", "$x^2$ é 糖"),
        ("n" * 100, "n" * 63 + "…"),
        (["no", "text"], "['no', 'text']"),
    ],
)
def test_a_name_keeps_only_what_can_be_shown(name, kept):
    hand = case(hidden=1, examples=20)
    named = parameters_of((12, 1, DIGITS), neuron_names={"0": name})
    records = neuron_records(**{**hand, "parameters": named})
    assert records.names == (kept,)
    assert kept in to_csv(records).encode().decode()
    for names in (None, ["a"], {"1": "other"}):
        named = parameters_of((12, 1, DIGITS), neuron_names=names)
        assert neuron_records(**{**hand, "parameters": named}).names == ("",)


NAN = np.zeros((300, 5))
NAN[7, 2] = np.nan


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"zs": np.zeros((300, 4))}, "zs: expected shape (300, 5), received (300, 4)"),
        (
            {"activations": NAN + 1.5},
            "activations: expected numbers from 0 to 1, received 1.5 at",
        ),
        ({"zs": NAN}, "received nan at [7, 2]"),
        ({"zs": 1e200 + np.zeros((300, 5))}, "zs: expected numbers from -1e+100 to 1e+100"),
        ({"labels": np.full(300, 10)}, "labels: expected integers from 0 to 9, received 10"),
        ({"labels": np.full(300, -1)}, "labels: expected integers from 0 to 9, received -1"),
        ({"labels": np.full(300, 1.0)}, "labels: expected integers, received float64"),
        ({"labels": np.array([], dtype=int)}, "labels: expected shape (1 or more,), received (0,)"),
        ({"predictions": np.zeros(301, int)}, "predictions: expected shape (300,), received (301,"),
        ({"ablated_predictions": np.zeros((300, 5), dtype=int)},
         "ablated_predictions: expected shape (5, 300), received (300, 5)"),
        ({"predictions": None}, "there is nothing to compare with; hand in predictions too"),
        ({"never_lit": np.zeros(12)}, "never_lit: expected bools, received float64"),
        ({"initial": parameters_of((12, 4, 10))},
         "initial: expected the sizes of the trained network, [12, 5, 10], received [12, 4, 10]"),
        ({"parameters": parameters_of((12, 10))}, "this network has no hidden neuron to look at"),
        ({"parameters": parameters_of((12, 5, 63))}, "expected 2 to 62 outputs, received 63"),
    ],
)  # fmt: skip
def test_arrays_that_do_not_fit_are_refused(changed, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        neuron_records(**{**case(), **changed})
