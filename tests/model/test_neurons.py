"""Neuron records: cases worked by hand, invariances, odd neurons, and what bad arrays get."""

import dataclasses
import json
import math
import re

import numpy as np
import pytest

from model import neurons
from model.findings import csv_rows, headline, to_json
from model.parameters import Parameters
from model.records import BINS, QUANTILES, RANKED, SATURATED_Z

DIGITS = 10


def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


def network(hidden, seed=0, sizes=None):
    rng = np.random.default_rng(seed)
    sizes = sizes or (12, hidden, DIGITS)
    pairs = list(zip(sizes[1:], sizes[:-1], strict=True))
    return Parameters(
        sizes,
        tuple(rng.normal(size=pair) for pair in pairs),
        tuple(rng.normal(size=(pair[0], 1)) for pair in pairs),
    )


def case(hidden=5, examples=300, seed=0):
    """Keyword arguments of neuron_records for a random network and images."""
    rng = np.random.default_rng(seed)
    zs = rng.normal(scale=4, size=(examples, hidden)).round(2)  # rounded: ties happen
    return {
        "parameters": network(hidden, seed),
        "zs": zs,
        "activations": sigmoid(zs),
        "labels": rng.integers(0, DIGITS, examples),
        "indices": np.arange(examples),
        "predictions": rng.integers(0, DIGITS, examples),
        "ablated_predictions": rng.integers(0, DIGITS, (hidden, examples)),
        "never_lit": np.arange(12) < 3,
        "initial": network(hidden, seed + 1),
        "resamples": 40,
    }


def text(record):
    """Everything in a record, every bit of it, as text."""
    return json.dumps(to_json(record), sort_keys=True)


def neuron_text(record):
    return json.dumps({**record, "number": 0}, sort_keys=True)


@pytest.fixture(scope="module")
def worked_by_hand():
    """The records of one hidden neuron, six examples and three digits."""
    zs = np.array([[3.0], [-1.0], [5.0], [-5.0], [0.0], [1.0]])
    activations = np.array([[0.9], [0.2], [0.99], [0.01], [0.5], [0.7]])
    labels = np.array([0, 0, 1, 2, 2, 1])
    parameters = Parameters(
        (4, 1, 3),
        (np.array([[1.0, -3.0, 0.0, 4.0]]), np.array([[2.0], [-1.0], [0.5]])),
        (np.array([[0.25]]), np.zeros((3, 1))),
        {"neuron_names": {"0": "Jalebi"}},
    )
    initial = Parameters(
        (4, 1, 3),
        (np.array([[1.0, -1.0, 1.0, 2.0]]), np.zeros((3, 1))),
        (np.array([[1.0]]), np.zeros((3, 1))),
    )
    return neurons.neuron_records(
        parameters,
        zs,
        activations,
        labels,
        predictions=np.array([0, 0, 1, 2, 2, 1]),
        ablated_predictions=np.array([[0, 0, 2, 2, 0, 2]]),
        never_lit=np.array([True, False, True, False]),
        initial=initial,
    )


def test_responses_worked_by_hand(worked_by_hand):
    (record,) = worked_by_hand.neurons
    responds = record.responds_to
    assert (record.number, record.name) == (0, "Jalebi")
    assert worked_by_hand.shown.tolist() == [2, 2, 2]
    assert responds.z_mean.tolist() == [1.0, 3.0, -2.5]
    assert responds.z_sd.tolist() == [2.0, 2.0, 2.5]
    assert responds.z_quantiles[:, [0, 3, 6]].tolist() == [[-1, 1, 3], [1, 3, 5], [-5, -2.5, 0]]
    assert responds.activation_mean.tolist() == [0.55, 0.845, 0.255]
    assert responds.activation_mean_all == pytest.approx(0.55, abs=1e-15)
    assert responds.fired.tolist() == [1, 2, 0]  # 0.5 itself does not fire
    assert responds.firing_rate.tolist() == [0.5, 1.0, 0.0]
    assert responds.firing_rate_all == 0.5
    # {1}: tp 2, fp 1, fn 0, tn 3; {0, 1} has the mirrored table and one digit more.
    assert responds.best_set == (1,)
    assert responds.best_mcc == pytest.approx(6 / math.sqrt(3 * 2 * 4 * 3), rel=1e-15)
    assert responds.best_iou == 2 / 3
    assert responds.auroc.tolist() == [4 / 8, 7 / 8, 1 / 8]
    assert responds.preferred_digit == 1
    assert responds.class_selectivity == pytest.approx((0.845 - 0.4025) / (0.845 + 0.4025))
    assert (responds.saturated_low, responds.saturated_high) == (1 / 6, 1 / 6)


def test_weights_and_needs_worked_by_hand(worked_by_hand):
    (record,) = worked_by_hand.neurons
    assert record.pushes_towards.weights.tolist() == [2.0, -1.0, 0.5]
    assert record.pushes_towards.to_digits
    needed = record.needed_for
    assert needed.confusion.tolist() == [[2, 0, 0], [0, 0, 2], [1, 0, 1]]
    assert needed.recall.tolist() == [1.0, 0.0, 0.5]
    assert needed.recall_lost.tolist() == [0.0, 1.0, 0.5]
    assert (worked_by_hand.correct, worked_by_hand.recall.tolist()) == (6, [1.0, 1.0, 1.0])
    assert (needed.correct, needed.accuracy_lost) == (3, 0.5)
    assert (needed.most_needed_digit, needed.mistaken_for) == (1, 2)
    weights = record.weights
    assert weights.change.tolist() == [0.0, -2.0, -1.0, 2.0]
    assert (weights.bias, weights.bias_change) == (0.25, -0.75)
    assert weights.never_lit_share == 1 / 8
    expected = np.corrcoef(weights.weights, [1.0, -1.0, 1.0, 2.0])[0, 1]
    assert weights.start_correlation == pytest.approx(expected, abs=1e-15)


def test_ranked_examples_worked_by_hand(worked_by_hand):
    (record,) = worked_by_hand.neurons
    assert record.highest.indices.tolist() == [2, 0, 5, 4, 1, 3]
    assert record.highest.labels.tolist() == [1, 0, 1, 2, 0, 2]
    assert record.highest.zs.tolist() == [5.0, 3.0, 1.0, 0.0, -1.0, -5.0]
    assert record.highest.activations.tolist() == [0.99, 0.9, 0.7, 0.5, 0.2, 0.01]
    assert record.lowest.indices.tolist() == [3, 1, 4, 5, 0, 2]
    assert record.nearest_zero.indices.tolist() == [4, 1, 5, 0, 2, 3]
    assert headline(record) == "fires for 1; without it 100 points of recall on 1 are lost"


def test_equal_z_are_ranked_by_the_lower_dataset_index():
    hand = case(hidden=1, examples=20)
    hand.update(zs=np.ones((20, 1)), indices=np.arange(100, 80, -1))
    (record,) = neurons.neuron_records(**hand).neurons
    for ranked in (record.highest, record.lowest, record.nearest_zero):
        assert ranked.indices.tolist() == list(range(81, 81 + RANKED))


def test_rankings_are_sorted_and_say_what_the_arrays_say():
    hand = case(examples=500)
    hand["indices"] = np.arange(500) * 3
    for record in neurons.neuron_records(**hand).neurons:
        z = hand["zs"][:, record.number]
        for ranked, key in (
            (record.highest, -z),
            (record.lowest, z),
            (record.nearest_zero, np.abs(z)),
        ):
            best = sorted(range(500), key=lambda example: (key[example], example))[:RANKED]
            assert ranked.indices.tolist() == [3 * example for example in best]
            assert np.array_equal(ranked.zs, z[best])
            assert np.array_equal(ranked.labels, hand["labels"][best])
            assert np.array_equal(ranked.activations, hand["activations"][best, record.number])


def test_records_do_not_depend_on_the_order_of_the_examples():
    hand = case()
    order = np.random.default_rng(9).permutation(len(hand["labels"]))
    turned = dict(hand)
    for name in ("zs", "activations", "labels", "indices", "predictions"):
        turned[name] = hand[name][order]
    turned["ablated_predictions"] = hand["ablated_predictions"][:, order]
    assert text(neurons.neuron_records(**turned)) == text(neurons.neuron_records(**hand))


def test_without_indices_permuting_the_examples_permutes_the_indices_only():
    hand = case()
    hand["indices"] = None
    hand["zs"] = hand["zs"] + np.arange(300)[:, None] * 1e-6  # no ties, which index would settle
    order = np.random.default_rng(9).permutation(300)
    turned = dict(hand, ablated_predictions=hand["ablated_predictions"][:, order])
    for name in ("zs", "activations", "labels", "predictions"):
        turned[name] = hand[name][order]
    before, after = neurons.neuron_records(**hand), neurons.neuron_records(**turned)
    for old, new in zip(before.neurons, after.neurons, strict=True):
        assert np.array_equal(order[new.highest.indices], old.highest.indices)
        assert np.array_equal(new.highest.zs, old.highest.zs)
        assert np.array_equal(new.responds_to.z_sd, old.responds_to.z_sd)


def test_permuting_the_neurons_permutes_the_records():
    hand = case()
    order = np.array([3, 0, 4, 1, 2])

    def permuted(parameters):
        weights, biases = parameters.weights, parameters.biases
        return Parameters(
            parameters.sizes,
            (weights[0][order], weights[1][:, order]),
            (biases[0][order], biases[1]),
        )

    turned = dict(
        hand,
        parameters=permuted(hand["parameters"]),
        initial=permuted(hand["initial"]),
        zs=hand["zs"][:, order],
        activations=hand["activations"][:, order],
        ablated_predictions=hand["ablated_predictions"][order],
    )
    before = to_json(neurons.neuron_records(**hand))["neurons"]
    after = to_json(neurons.neuron_records(**turned))["neurons"]
    assert [neuron_text(row) for row in after] == [neuron_text(before[old]) for old in order]


def test_rescaling_z_changes_no_rank_no_firing_and_no_role():
    hand = case()
    scaled = dict(hand, zs=8 * hand["zs"])
    before, after = neurons.neuron_records(**hand), neurons.neuron_records(**scaled)
    for old, new in zip(before.neurons, after.neurons, strict=True):
        for name in ("highest", "lowest", "nearest_zero"):
            assert np.array_equal(getattr(old, name).indices, getattr(new, name).indices)
        assert np.array_equal(old.responds_to.auroc, new.responds_to.auroc)
        assert np.array_equal(old.responds_to.z_histogram, new.responds_to.z_histogram)
        assert np.array_equal(8 * old.responds_to.z_mean, new.responds_to.z_mean)
        assert np.array_equal(8 * old.responds_to.z_sd, new.responds_to.z_sd)
        assert (old.role.kind, old.role.digits) == (new.role.kind, new.role.digits)


def test_layout_of_the_arrays_in_memory_changes_nothing():
    hand = case()
    turned = dict(
        hand, zs=np.asfortranarray(hand["zs"]), activations=np.asfortranarray(hand["activations"])
    )
    assert text(neurons.neuron_records(**turned)) == text(neurons.neuron_records(**hand))


def test_histograms_count_every_image_once_on_shared_edges():
    records = neurons.neuron_records(**case())
    assert records.z_edges.shape == (BINS + 1,)
    for record in records.neurons:
        histogram = record.responds_to.z_histogram
        assert histogram.shape == (DIGITS, BINS)
        assert np.array_equal(histogram.sum(axis=1), records.shown)
    hand = case()
    everything = sum(record.responds_to.z_histogram.sum(axis=0) for record in records.neurons)
    assert np.array_equal(everything, np.histogram(hand["zs"], records.z_edges)[0])


def test_a_z_on_an_edge_belongs_to_the_bin_above_it_and_the_last_to_the_last_bin():
    hand = case(hidden=1, examples=BINS + 1)
    hand["zs"] = np.arange(BINS + 1.0)[:, None]
    records = neurons.neuron_records(**hand)
    assert np.array_equal(records.z_edges, np.arange(BINS + 1.0))
    counted = records.neurons[0].responds_to.z_histogram.sum(axis=0)
    assert counted.tolist() == [1] * (BINS - 1) + [2]


def test_quantiles_equal_those_of_numpy():
    hand = case()
    records = neurons.neuron_records(**hand)
    z = hand["zs"][hand["labels"] == 4, 2]
    assert np.array_equal(records.neurons[2].responds_to.z_quantiles[4], np.quantile(z, QUANTILES))


def test_saturation_begins_where_the_sigmoid_is_99_percent_through():
    assert sigmoid(SATURATED_Z) == pytest.approx(0.99, abs=1e-15)


@pytest.mark.parametrize("hidden", [1, 2, 20, 100])
def test_any_number_of_hidden_neurons(hidden):
    records = neurons.neuron_records(**case(hidden, examples=60))
    assert [record.number for record in records.neurons] == list(range(hidden))
    assert len(csv_rows(records)) == hidden


@pytest.mark.parametrize("z", [-800.0, 0.0, 800.0, 3.25])
def test_a_dead_or_constant_neuron_has_a_record(z):
    hand = case(hidden=2)
    hand["zs"][:, 0] = z
    hand["activations"][:, 0] = 0.0 if z < 0 else 1.0 if z == 800 else sigmoid(z)
    record = neurons.neuron_records(**hand).neurons[0]
    assert record.role.kind == "idle"
    assert record.responds_to.auroc.tolist() == [0.5] * DIGITS
    assert record.responds_to.class_selectivity == pytest.approx(0.0, abs=1e-15)
    assert record.responds_to.z_sd.tolist() == [0.0] * DIGITS
    assert record.highest.indices.tolist() == list(range(RANKED))


@pytest.mark.parametrize("value", [-800.0, 0.0, 1e99])
def test_a_layer_where_every_z_is_the_same_has_a_histogram(value):
    hand = case(hidden=2)
    hand["zs"][:] = value
    records = neurons.neuron_records(**hand)
    assert (np.diff(records.z_edges) > 0).all()
    for record in records.neurons:
        assert np.array_equal(record.responds_to.z_histogram.sum(axis=1), records.shown)


def test_weights_that_are_all_zero_have_a_record():
    hand = case(hidden=1)
    zero = Parameters((12, 1, 10), (np.zeros((1, 12)), np.zeros((10, 1))), ([[0.0]], [[0.0]] * 10))
    (record,) = neurons.neuron_records(**{**hand, "parameters": zero}).neurons
    assert record.weights.never_lit_share == 0.0
    assert math.isnan(record.weights.start_correlation)


def test_digits_missing_from_the_sample_are_nan_and_the_rest_is_not():
    hand = case(examples=200)
    hand["labels"] = np.where(hand["labels"] < 5, 3, 7)
    records = neurons.neuron_records(**hand)
    absent = [digit for digit in range(DIGITS) if digit not in (3, 7)]
    for record in records.neurons:
        for values in (
            record.responds_to.z_mean,
            record.responds_to.z_sd,
            record.responds_to.z_quantiles,
            record.responds_to.activation_mean,
            record.responds_to.firing_rate,
            record.responds_to.auroc,
            record.needed_for.recall,
            record.needed_for.recall_lost,
        ):
            assert np.isnan(values[absent]).all()
            assert not np.isnan(values[[3, 7]]).any()
        assert set(record.responds_to.best_set) <= {3, 7}
        assert record.needed_for.most_needed_digit in (3, 7)
    assert np.isnan(records.recall[absent]).all()


def test_one_example_is_enough():
    hand = case(hidden=3, examples=1)
    records = neurons.neuron_records(**hand)
    assert records.examples == 1
    assert [len(record.highest.indices) for record in records.neurons] == [1, 1, 1]
    json.dumps(to_json(records), allow_nan=False)


def test_what_was_not_handed_in_is_none():
    hand = case()
    names = ("parameters", "zs", "activations", "labels")
    records = neurons.neuron_records(**{name: hand[name] for name in names})
    assert records.never_lit is records.confusion is records.recall is records.correct is None
    for record in records.neurons:
        assert record.needed_for is None
        assert record.weights.change is record.weights.bias_change is None
        assert record.weights.start_correlation is record.weights.never_lit_share is None
    assert {column for row in csv_rows(records) for column in row} >= {"neuron", "role", "headline"}


def test_a_deeper_network_shows_its_first_hidden_layer():
    hand = case(hidden=5)
    deeper = network(5, sizes=(12, 5, 7, DIGITS))
    records = neurons.neuron_records(**{**hand, "parameters": deeper, "initial": None})
    assert records.sizes == (12, 5, 7, 10)
    for record in records.neurons:
        assert not record.pushes_towards.to_digits
        assert np.array_equal(record.pushes_towards.weights, deeper.weights[1][:, record.number])


def arrays_in(record):
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        parts = value if isinstance(value, tuple) else (value,)
        for part in parts:
            if dataclasses.is_dataclass(part):
                yield from arrays_in(part)
            elif isinstance(part, np.ndarray):
                yield f"{type(record).__name__}.{field.name}", part


def test_no_array_can_be_written_or_is_shared_with_the_caller():
    hand = case()
    records = neurons.neuron_records(**hand)
    given = [value for value in hand.values() if isinstance(value, np.ndarray)]
    given += [*hand["parameters"].weights, *hand["parameters"].biases]
    found = list(arrays_in(records))
    assert len(found) > 100
    for name, array in found:
        assert not array.flags.writeable, name
        assert array.dtype in (np.float64, np.int64, np.bool_), name
        assert not any(np.shares_memory(array, other) for other in given), name


def test_inputs_are_left_as_they_were():
    hand, untouched = case(), case()
    neurons.neuron_records(**hand)
    for name, value in hand.items():
        if isinstance(value, np.ndarray):
            assert np.array_equal(value, untouched[name])


def test_float32_arrays_and_lists_are_taken_too():
    hand = case(hidden=2, examples=40)
    single = {name: hand[name].astype(np.float32) for name in ("zs", "activations")}
    double = {name: single[name].astype(np.float64).tolist() for name in single}
    assert text(neurons.neuron_records(**{**hand, **single})) == text(
        neurons.neuron_records(**{**hand, **double})
    )


def test_mean_activations_are_the_ones_in_the_records():
    hand = case()
    means = neurons.mean_activations(hand["activations"])
    records = neurons.neuron_records(**hand)
    assert means.tolist() == [r.responds_to.activation_mean_all for r in records.neurons]
    order = np.random.default_rng(0).permutation(300)
    assert np.array_equal(means, neurons.mean_activations(hand["activations"][order]))


def test_never_lit_pixels_by_hand():
    images = np.array([[0.0, 0.5, 0.0], [0.0, 0.0, 0.25]], dtype=np.float32)
    assert neurons.never_lit_pixels(images).tolist() == [True, False, False]


MANY = 300
NAN = np.zeros((MANY, 5))
NAN[7, 2] = np.nan
BAD_CASES = [
    (
        {"zs": np.zeros((MANY, 4))},
        "zs: expected shape (300, 5), (examples, hidden), received (300, 4)",
    ),
    (
        {"activations": np.full((MANY, 5), 1.5)},
        "activations: expected numbers from 0 to 1, received 1.5 (example 0, neuron 0)",
    ),
    (
        {"zs": NAN},
        "zs: expected numbers from -1e+100 to 1e+100, received nan (example 7, neuron 2)",
    ),
    ({"labels": np.full(MANY, 10)}, "labels: expected integers from 0 to 9, received 10"),
    ({"labels": np.full(MANY, 1.0)}, "labels: expected integers, received float64"),
    (
        {"labels": np.array([], dtype=int)},
        "labels: expected shape (examples,) with at least one example, received (0,)",
    ),
    (
        {"indices": np.zeros(MANY, dtype=int)},
        "indices: expected every dataset index once, received 0 more than once",
    ),
    ({"indices": np.arange(MANY) - 1}, "indices: expected integers from 0, received -1"),
    (
        {"predictions": np.zeros(MANY + 1, dtype=int)},
        "predictions: expected shape (300,), received (301,)",
    ),
    (
        {"ablated_predictions": np.zeros((MANY, 5), dtype=int)},
        "ablated_predictions: expected shape (5, 300), received (300, 5)",
    ),
    (
        {"predictions": None},
        "ablated_predictions: without the intact network's predictions there is nothing to compare "
        "with; hand in predictions too",
    ),
    (
        {"never_lit": np.zeros(12)},
        "never_lit: expected bools of shape (12,), received float64 of shape (12,); hand in "
        "never_lit_pixels(training images)",
    ),
    (
        {"initial": network(4)},
        "initial: expected the sizes of the trained network, [12, 5, 10], received [12, 4, 10]; "
        "hand in the parameters that training started from",
    ),
    (
        {"parameters": network(5, sizes=(12, 10))},
        "sizes: expected inputs, at least one hidden layer and outputs, received [12, 10]; this "
        "network has no hidden neuron to look at",
    ),
    (
        {"parameters": network(5, sizes=(12, 5, 63))},
        "sizes: expected 2 to 62 outputs, received 63",
    ),
]


@pytest.mark.parametrize(("changed", "message"), BAD_CASES)
def test_arrays_that_do_not_fit_are_refused(changed, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        neurons.neuron_records(**{**case(), **changed})


@pytest.mark.parametrize("shape", [(0, 3), (3,)])
def test_means_and_pixels_of_nothing_are_refused(shape):
    for name, measure in (
        ("activations", neurons.mean_activations),
        ("images", neurons.never_lit_pixels),
    ):
        with pytest.raises(ValueError, match=rf"^{name}: expected shape .* received \({shape[0]},"):
            measure(np.zeros(shape))
