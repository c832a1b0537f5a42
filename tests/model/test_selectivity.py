"""Selectivity measures and roles against brute force, cases worked by hand, and invariances."""

import itertools
import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from model import selectivity
from model.selectivity import ANTI_CLASS, CLASS_SELECTIVE, FEATURE_SELECTIVE, IDLE, WEAK
from tests.model.conftest import row


def ints(*values):
    return np.array(values, dtype=np.int64)


def digits_in(members):
    return tuple(np.flatnonzero(members).tolist())


def matthews_from_scratch(digits, fired, shown):
    """The formula over the four cells."""
    inside, silent = np.isin(np.arange(len(shown)), digits), shown - fired
    cells = fired[inside], fired[~inside], silent[inside], silent[~inside]
    tp, fp, fn, tn = (int(cell.sum()) for cell in cells)
    below = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
    return (tp * tn - fp * fn) / math.sqrt(below) if below else 0.0


def test_best_set_equals_the_best_of_all_sets_with_ties_and_absent_digits():
    rng = np.random.default_rng(7)
    for case in range(300):
        many, most = (10, 1200) if case < 10 else (rng.integers(2, 7), 6)
        shown = rng.integers(case < 10, most, many)
        shown[rng.integers(many)] += 1  # one digit at least is there
        fired = rng.binomial(shown, rng.random(many))
        digits = np.flatnonzero(shown).tolist()  # nonempty proper sets, by size and then by digits
        sizes = range(1, max(2, len(digits)))
        sets = [chosen for size in sizes for chosen in itertools.combinations(digits, size)]
        scores = [matthews_from_scratch(chosen, fired, shown) for chosen in sets]
        best = [score >= max(scores) - selectivity.TIE for score in scores].index(True)
        mcc, found = selectivity.best_sets(fired, shown)
        assert digits_in(found) == sets[best]
        assert mcc == pytest.approx(scores[best], abs=1e-12)


def test_rounding_does_not_choose_between_equal_sets():
    # {1} and {1, 3} tie exactly, at 1 / sqrt(10), and differ in their last bit in float64.
    mcc, found = selectivity.best_sets(ints(0, 1, 0, 1), ints(2, 3, 6, 7))
    one, two = (
        selectivity.matthews(ints(yes), ints(total), ints(2), ints(18))[0]
        for yes, total in ((1, 3), (2, 10))
    )
    assert one < two
    assert (digits_in(found), mcc) == ((1,), one)


def test_intervals_are_those_of_their_papers():
    # Newcombe 1998, table I: Wilson's interval for 81 of 263, and for 0 of 20.
    found = selectivity.wilson(np.array([81, 0, 0]), np.array([263, 20, 0]))
    assert_allclose(found[:2], [[0.2553, 0.3662], [0, 0.1611]], atol=5e-5)
    assert np.isnan(found[2]).all()
    # No image lost or gained: 0, give or take 1.96 sqrt(0.5 + 0.5) / (98 + 2).
    none = selectivity.paired_difference(np.array(0), np.array(0), np.array(98))
    assert_allclose(none, [-0.0196, 0.0196], atol=1e-5)
    one, other = selectivity.paired_difference(np.array([9, 3]), np.array([3, 9]), np.array(500))
    assert_allclose(one, -other[::-1])
    assert 0 < 6 / 502 - one[0] == pytest.approx(one[1] - 6 / 502)


def test_auroc_equals_counting_pairs_with_ties_and_absent_digits():
    rng = np.random.default_rng(11)
    for size in (1, 2, 5, 60):
        z, labels = rng.integers(-4, 5, size) / 2, rng.integers(0, 3, size)
        shown = np.bincount(labels, minlength=4)
        for digit, area in enumerate(selectivity.auroc_by_digit(z, labels, shown)):
            pairs = np.subtract.outer(z[labels == digit], z[labels != digit])
            expected = (np.sign(pairs) / 2 + 0.5).mean() if pairs.size else math.nan
            assert area == pytest.approx(expected, rel=0, abs=1e-15, nan_ok=True)


@pytest.mark.parametrize(
    ("means", "index", "digit"),
    [
        ([0.05, 0.15, 0.9, 0.1], 0.8, 2),  # (0.9 - 0.1) / (0.9 + 0.1)
        ([0.4, 0.4, 0.4], 0.0, 0),
        ([0.0, 0.0, 0.0], 0.0, 0),
        ([math.nan, 0.7, 0.0], 1.0, 1),
        ([math.nan, 0.7], math.nan, 1),
    ],
)
def test_class_selectivity_by_hand_and_at_its_ends(means, index, digit):
    *found, _ = selectivity.class_selectivity(np.array(means), np.zeros(len(means)))
    assert found == [pytest.approx(index, rel=1e-15, nan_ok=True), digit]


def test_intervals_are_as_wide_as_those_of_drawing_images_again():
    rng = np.random.default_rng(3)
    labels = np.repeat(np.arange(3), (120, 200, 160))
    z = rng.normal(size=480) + np.array([1.0, 0.0, -0.4])[labels]
    a = 1 / (1 + np.exp(-z))

    def found(order):
        shown = np.bincount(labels[order], minlength=3)
        groups = [a[order][labels[order] == digit] for digit in range(3)]
        means, sds = (np.array([f(v) for v in groups]) for f in (np.mean, np.std))
        area = selectivity.auroc_by_digit(z[order], labels[order], shown)
        return area, means, sds, shown

    area, means, sds, shown = found(np.arange(480))
    again = [found(rng.integers(0, 480, 480)) for _ in range(600)]
    index, _, held = selectivity.class_selectivity(means, sds**2 / shown)
    reach = 1.96 * np.std([selectivity.class_selectivity(one[1], sds)[0] for one in again])
    assert_allclose(held, [index - reach, index + reach], atol=0.15 * reach)
    reach = 1.96 * np.std([one[0] for one in again], axis=0)
    bounds = selectivity.auroc_interval(area, shown)
    assert_allclose(bounds[:, 1] - bounds[:, 0], 2 * reach, rtol=0.15)
    assert_allclose(bounds.mean(axis=1), area, atol=1e-12)
    reach = 1.959963984540054 * np.std(a) / math.sqrt(480)
    assert_allclose(selectivity.mean_interval(a), [a.mean() - reach, a.mean() + reach])


def test_correlation_agrees_with_numpy_and_stays_within_one():
    a, b = np.random.default_rng(2).normal(size=(2, 784))
    expected = pytest.approx(np.corrcoef(a, b)[0, 1], abs=1e-12)
    assert selectivity.correlation(a, b) == selectivity.correlation(1e300 * a, b) == expected
    assert 1 - 1e-15 <= selectivity.correlation(a, a) <= 1.0
    assert -1.0 <= selectivity.correlation(a, -a) <= -1.0 + 1e-15
    assert math.isnan(selectivity.correlation(np.ones(4), np.arange(4.0)))


@pytest.mark.parametrize(
    ("fired", "shown", "kind", "digits"),
    [
        (row(d0=19), [100] * 10, IDLE, ()),
        (row(d0=20), [100] * 10, WEAK, (0,)),  # at 2 % it is idle no more
        (row(rest=100, d0=81), [100] * 10, IDLE, ()),
        (row(rest=100, d0=80), [100] * 10, WEAK, (1, 2, 3, 4, 5, 6, 7, 8, 9)),
        (row(rest=50), [100] * 10, WEAK, (0,)),
        (row(d0=60, d1=60, rest=40), [100] * 10, WEAK, (0, 1)),
        (row(d4=98, d9=50, rest=2), [100] * 10, CLASS_SELECTIVE, (4,)),  # {4, 9}: 0.04 better
        (row(d4=98, d9=52, rest=2), [100] * 10, FEATURE_SELECTIVE, (4, 9)),  # and here 0.06
        (row(d4=5, rest=98), [100] * 10, ANTI_CLASS, (4,)),
        (row(d1=0, d7=0, rest=95), [100] * 10, FEATURE_SELECTIVE, (0, 2, 3, 4, 5, 6, 8, 9)),
        ([22, 2, 6], [26, 17, 11], ANTI_CLASS, (1,)),  # {0} has 0.564, all but 1 has 0.597
        ([9, 1], [10, 10], CLASS_SELECTIVE, (0,)),  # of equals the single digit
        ([0, 10, 0, 0], [0, 10, 10, 0], CLASS_SELECTIVE, (1,)),  # never one without images
        ([0, 5], [0, 10], WEAK, (1,)),  # one digit alone says nothing
    ],
)
def test_each_role_is_reached(fired, shown, kind, digits):
    (found,), (spoken,), _ = selectivity.roles_of(ints(fired), ints(shown))
    assert (found, digits_in(spoken)) == (kind, digits)


def test_drawing_counts_has_the_moments_of_drawing_images_and_the_seed_decides():
    fired, shown = np.array([8, 0, 3]), np.array([10, 6, 3])
    labels = np.repeat(np.arange(3), shown)
    fires = np.concatenate([np.arange(n) < f for f, n in zip(fired, shown, strict=True)])
    drawn = np.random.default_rng(1).integers(0, len(labels), (20000, len(labels)))
    by_image = np.stack([((labels == d) & fires)[drawn].sum(axis=1) for d in range(3)], axis=1)
    by_count, totals = selectivity.resampled_counts(fired, shown, 20000, seed=2)
    assert (totals.sum(axis=1) == shown.sum()).all()
    assert_allclose(by_count.mean(axis=0), by_image.mean(axis=0), atol=0.1)
    assert_allclose(np.cov(by_count.T), np.cov(by_image.T), atol=0.2)
    assert not by_count[:, 1].any()  # a cell without images is never drawn
    assert_array_equal(by_count[:, 2], totals[:, 2])
    same, other = (selectivity.resampled_counts(fired, shown, 20000, n)[1] for n in (2, 1))
    assert_array_equal(same, totals)
    assert (other != totals).any()
