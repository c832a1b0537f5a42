"""Selectivity measures against brute force, cases worked by hand, and invariances."""

import itertools
import math

import numpy as np
import pytest

from model import selectivity


def counts(*values):
    return np.array(values, dtype=np.int64)


def matthews_from_scratch(digits, fired, shown):
    """The formula over the four cells, one image class at a time."""
    cells = {"tp": 0, "fp": 0, "fn": 0, "tn": 0}
    for digit, (yes, total) in enumerate(zip(fired.tolist(), shown.tolist(), strict=True)):
        inside = digit in digits
        cells["tp" if inside else "fp"] += yes
        cells["fn" if inside else "tn"] += total - yes
    tp, fp, fn, tn = (cells[name] for name in ("tp", "fp", "fn", "tn"))
    below = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
    return (tp * tn - fp * fn) / math.sqrt(below) if below else 0.0


def best_set_by_trying_all(fired, shown):
    """Every nonempty proper subset of the digits, in order of size and then of digits."""
    digits = [digit for digit in range(len(shown)) if shown[digit]]
    sets = [
        chosen
        for size in range(1, max(2, len(digits)))
        for chosen in itertools.combinations(digits, size)
    ]
    scores = [matthews_from_scratch(chosen, fired, shown) for chosen in sets]
    return next(
        (score, chosen)
        for score, chosen in zip(scores, sets, strict=True)
        if score >= max(scores) - selectivity.TIE
    )


def auroc_by_counting_pairs(z, labels, digit):
    pairs = [(a, b) for a in z[labels == digit] for b in z[labels != digit]]
    wins = sum(1.0 if a > b else 0.5 if a == b else 0.0 for a, b in pairs)
    return wins / len(pairs) if pairs else math.nan


def test_matthews_of_a_table_worked_by_hand():
    # 10 images in the set, 8 of them fire; 20 outside, 2 of them fire:
    # (8*18 - 2*2) / sqrt(10*10*20*20) = 140 / 200
    got = selectivity.matthews(counts(8), counts(10), counts(10), counts(30))
    assert got.tolist() == [0.7]


@pytest.mark.parametrize("fired", [0, 30])
def test_matthews_of_a_neuron_that_never_changes_is_zero(fired):
    inside = counts(10 if fired else 0)
    assert selectivity.matthews(inside, counts(10), counts(fired), counts(30)).tolist() == [0.0]


def test_best_set_equals_the_best_of_all_1022_sets():
    rng = np.random.default_rng(7)
    for _ in range(30):
        shown = rng.integers(1, 1200, 10)
        fired = rng.binomial(shown, rng.random(10))
        mcc, bits = selectivity.best_sets(fired, shown)
        score, digits = best_set_by_trying_all(fired, shown)
        assert selectivity.digits_of(bits) == digits
        assert mcc == pytest.approx(score, abs=1e-12)


def test_best_set_equals_the_best_of_all_sets_with_ties_and_absent_digits():
    hypothesis = pytest.importorskip("hypothesis")
    from hypothesis import strategies as st

    tables = st.lists(
        st.integers(0, 5).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
        min_size=2,
        max_size=6,
    ).filter(lambda rows: any(total for _, total in rows))

    @hypothesis.settings(max_examples=300, deadline=None, derandomize=True)
    @hypothesis.given(tables)
    def check(rows):
        fired, shown = counts(*(row[0] for row in rows)), counts(*(row[1] for row in rows))
        mcc, bits = selectivity.best_sets(fired, shown)
        score, digits = best_set_by_trying_all(fired, shown)
        assert mcc == pytest.approx(score, abs=1e-12)
        assert selectivity.digits_of(bits) == digits

    check()


def test_equal_sets_give_way_to_the_one_with_fewest_digits():
    # {0} and {0, 1} tie at 150 / sqrt(200 * 225): the smaller is taken.
    mcc, bits = selectivity.best_sets(counts(10, 5, 0), counts(10, 10, 10))
    assert selectivity.digits_of(bits) == (0,)
    assert mcc == pytest.approx(150 / math.sqrt(200 * 225), rel=1e-15)


def test_rounding_does_not_choose_between_equal_sets():
    # {1} and {1, 3} tie exactly, at 1 / sqrt(10), and differ in their last bit in float64.
    mcc, bits = selectivity.best_sets(counts(0, 1, 0, 1), counts(2, 3, 6, 7))
    one, two = (
        selectivity.matthews(counts(yes), counts(total), counts(2), counts(18))[0]
        for yes, total in ((1, 3), (2, 10))
    )
    assert one < two
    assert selectivity.digits_of(bits) == (1,)
    assert mcc == one


def test_many_tables_at_once_give_what_each_gives_alone():
    rng = np.random.default_rng(3)
    shown = rng.integers(0, 30, (4, 5, 10))
    fired = rng.binomial(shown, rng.random((4, 5, 10)))
    together = selectivity.best_sets(fired, shown)
    for place in np.ndindex(4, 5):
        alone = selectivity.best_sets(fired[place], shown[place])
        assert (together[0][place], together[1][place]) == alone


def test_digit_matthews_equals_the_formula_for_each_digit():
    fired, shown = counts(3, 9, 0, 4), counts(10, 10, 0, 7)
    expected = [matthews_from_scratch((digit,), fired, shown) for digit in range(4)]
    assert selectivity.digit_matthews(fired, shown) == pytest.approx(expected, abs=1e-15)


def test_digits_of_reads_bits():
    assert selectivity.digits_of(0b1001010000) == (4, 6, 9)
    assert selectivity.digits_of(0) == ()


def test_intersection_over_union_by_hand():
    # The set {1} holds 5 images, 4 of which fire; 2 more fire outside: 4 / (5 + 2).
    assert selectivity.intersection_over_union((1,), counts(2, 4), counts(9, 5)) == 4 / 7
    assert selectivity.intersection_over_union((0,), counts(0, 0), counts(0, 5)) == 0.0


def test_auroc_equals_counting_pairs_with_ties_and_absent_digits():
    rng = np.random.default_rng(11)
    for size in (1, 2, 5, 60):
        z = rng.integers(-4, 5, size) / 2  # many ties
        labels = rng.integers(0, 3, size)
        shown = np.bincount(labels, minlength=4)
        got = selectivity.auroc_by_digit(z, labels, shown)
        expected = [auroc_by_counting_pairs(z, labels, digit) for digit in range(4)]
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-15, equal_nan=True)


def test_auroc_of_a_constant_is_one_half():
    labels = np.array([0, 0, 1, 2])
    got = selectivity.auroc_by_digit(np.full(4, 3.5), labels, np.bincount(labels))
    assert got.tolist() == [0.5, 0.5, 0.5]


def test_auroc_does_not_change_when_z_is_rescaled():
    rng = np.random.default_rng(5)
    z, labels = rng.normal(size=200), rng.integers(0, 10, 200)
    shown = np.bincount(labels, minlength=10)
    got = selectivity.auroc_by_digit(z, labels, shown)
    assert np.array_equal(got, selectivity.auroc_by_digit(1024 * z, labels, shown))
    # z turned round: the digit's images lose every pair that they won.
    np.testing.assert_allclose(
        selectivity.auroc_by_digit(-z, labels, shown), 1 - got, rtol=0, atol=1e-15
    )


def test_class_selectivity_by_hand():
    # (0.9 - 0.1) / (0.9 + 0.1), where 0.1 is the mean of 0.05, 0.15 and 0.1
    index, digit = selectivity.class_selectivity(np.array([0.05, 0.15, 0.9, 0.1]))
    assert index == pytest.approx(0.8, rel=1e-15)
    assert digit == 2


@pytest.mark.parametrize(
    ("means", "index", "digit"),
    [
        ([0.4, 0.4, 0.4], 0.0, 0),
        ([0.0, 0.0, 0.0], 0.0, 0),
        ([0.0, 0.7, 0.0], 1.0, 1),
        ([math.nan, 0.7, 0.0], 1.0, 1),
    ],
)
def test_class_selectivity_at_its_ends(means, index, digit):
    assert selectivity.class_selectivity(np.array(means)) == (index, digit)


def test_class_selectivity_of_one_digit_alone_is_unknown():
    index, digit = selectivity.class_selectivity(np.array([math.nan, 0.7]))
    assert math.isnan(index)
    assert digit == 1


def test_mean_does_not_depend_on_the_order_of_summation():
    values = np.array([1e16, 1.0, -1e16, 1.0])
    means = {selectivity.mean(np.array(order)) for order in itertools.permutations(values)}
    assert means == {0.5}


def test_statistics_of_nothing_are_nan():
    assert math.isnan(selectivity.mean(np.array([])))
    assert math.isnan(selectivity.standard_deviation(np.array([])))
    assert selectivity.standard_deviation(np.array([2.0])) == 0.0


def test_correlation_agrees_with_numpy_and_stays_within_one():
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=784), rng.normal(size=784)
    assert selectivity.correlation(a, b) == pytest.approx(np.corrcoef(a, b)[0, 1], abs=1e-12)
    assert selectivity.correlation(a, a) == pytest.approx(1.0, abs=1e-15)
    assert selectivity.correlation(a, -a) >= -1.0
    assert selectivity.correlation(1e300 * a, b) == pytest.approx(
        selectivity.correlation(a, b), abs=1e-12
    )


def test_correlation_with_a_constant_is_unknown():
    assert math.isnan(selectivity.correlation(np.ones(4), np.arange(4.0)))
