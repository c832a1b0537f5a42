"""The role rule, a constructed neuron for every role, and its bootstrap against drawing images."""

import math

import numpy as np
import pytest

from model.roles import (
    ANTI_CLASS,
    CLASS_SELECTIVE,
    FEATURE_SELECTIVE,
    IDLE,
    ROLES,
    WEAK,
    RoleThresholds,
    resampled_counts,
    role_of,
)

SHOWN = np.full(10, 100)


def rates(**percent):
    """(10,) images of 100 that fire: d4=90 for 90 of digit 4, rest for the others."""
    fired = np.full(10, percent.pop("rest", 0))
    for name, count in percent.items():
        fired[int(name[1:])] = count
    return fired


@pytest.mark.parametrize(
    ("fired", "kind", "digits"),
    [
        (rates(), IDLE, ()),
        (rates(rest=100), IDLE, ()),
        (rates(rest=1), IDLE, ()),
        (rates(rest=99), IDLE, ()),
        (rates(rest=50), WEAK, (0,)),
        (rates(d0=60, d1=60, rest=40), WEAK, (0, 1)),
        (rates(d4=95, rest=2), CLASS_SELECTIVE, (4,)),
        (rates(d4=5, rest=98), ANTI_CLASS, (4,)),
        (rates(d4=95, d6=95, rest=2), FEATURE_SELECTIVE, (4, 6)),
        (rates(d1=0, d7=0, rest=95), FEATURE_SELECTIVE, (0, 2, 3, 4, 5, 6, 8, 9)),
    ],
)
def test_each_role_is_reached(fired, kind, digits):
    role = role_of(fired, SHOWN)
    assert (role.kind, role.digits) == (kind, digits)


def test_idle_begins_below_the_threshold_and_not_at_it():
    thresholds = RoleThresholds(idle=0.02)
    assert role_of(rates(d0=19), SHOWN, thresholds).kind == IDLE
    assert role_of(rates(d0=20), SHOWN, thresholds).kind != IDLE
    assert role_of(rates(rest=100, d0=80), SHOWN, thresholds).kind != IDLE
    assert role_of(rates(rest=100, d0=81), SHOWN, thresholds).kind == IDLE


def test_a_digit_near_the_best_set_is_enough_to_be_class_selective():
    # {4, 9} has 0.785 and {4} alone 0.729: near or not as the threshold says.
    fired = rates(d4=98, d9=52, rest=2)
    near = role_of(fired, SHOWN, RoleThresholds(single=0.06))
    assert (near.kind, near.digits) == (CLASS_SELECTIVE, (4,))
    far = role_of(fired, SHOWN, RoleThresholds(single=0.05))
    assert (far.kind, far.digits) == (FEATURE_SELECTIVE, (4, 9))


def test_where_one_digit_and_all_but_one_are_both_near_the_larger_decides():
    # {0} has 0.564, all but 1 has 0.597.
    role = role_of(np.array([22, 2, 6]), np.array([26, 17, 11]))
    assert (role.kind, role.digits) == (ANTI_CLASS, (1,))


def test_with_two_digits_a_neuron_is_class_selective_rather_than_anti_class():
    role = role_of(np.array([9, 1]), np.array([10, 10]))
    assert (role.kind, role.digits) == (CLASS_SELECTIVE, (0,))


def test_a_digit_without_images_is_never_named():
    shown = np.array([0, 10, 10, 0])
    for fired in ([0, 10, 0, 0], [0, 5, 5, 0], [0, 0, 10, 0]):
        role = role_of(np.array(fired), shown, RoleThresholds(weak=0.0))
        assert set(role.digits) <= {1, 2}


def test_one_digit_alone_says_nothing():
    role = role_of(np.array([0, 5]), np.array([0, 10]))
    assert (role.kind, role.digits) == (WEAK, (1,))


def test_a_clear_neuron_is_stable_and_a_borderline_one_is_not():
    assert role_of(rates(d4=100), SHOWN).stability == 1.0
    border = role_of(rates(d0=20), SHOWN)  # fires on exactly 2 % of the images
    assert 0.3 < border.shares[IDLE] < 0.7


def test_a_neuron_can_be_sure_of_its_kind_and_not_of_its_digits():
    role = role_of(rates(d4=98, d6=98, d9=46, rest=2), SHOWN)
    assert role.kind == FEATURE_SELECTIVE
    assert role.kind_stability == 1.0
    assert 0.2 < role.stability < 0.8


def test_shares_count_every_resample_once():
    role = role_of(rates(d0=20, d1=3), SHOWN, resamples=64)
    assert tuple(role.shares) == ROLES
    assert sum(role.shares.values()) == 1.0
    assert role.kind_stability == role.shares[role.kind]
    assert role.stability <= role.kind_stability


def test_without_resamples_the_fractions_are_unknown():
    role = role_of(rates(d4=95), SHOWN, resamples=0)
    assert role.kind == CLASS_SELECTIVE
    assert math.isnan(role.stability)
    assert all(math.isnan(share) for share in role.shares.values())


def test_the_bootstrap_is_seeded():
    fired = rates(d4=70, d9=35, rest=5)
    first, again = (role_of(fired, SHOWN, seed=4) for _ in range(2))
    assert first.shares == again.shares
    assert first.stability == again.stability
    other = resampled_counts(fired, SHOWN, 50, seed=5)[0]
    assert not np.array_equal(resampled_counts(fired, SHOWN, 50, seed=4)[0], other)


def test_drawing_counts_has_the_moments_of_drawing_images():
    fired, shown = np.array([8, 0, 3]), np.array([10, 6, 3])
    labels = np.repeat(np.arange(3), shown)
    fires = np.concatenate([np.arange(n) < f for f, n in zip(fired, shown, strict=True)])
    rng = np.random.default_rng(1)
    drawn = rng.integers(0, len(labels), (20000, len(labels)))
    by_image = np.stack([((labels == d) & fires)[drawn].sum(axis=1) for d in range(3)], axis=1)
    by_count, totals = resampled_counts(fired, shown, 20000, seed=2)
    assert (totals.sum(axis=1) == shown.sum()).all()
    np.testing.assert_allclose(by_count.mean(axis=0), by_image.mean(axis=0), atol=0.1)
    np.testing.assert_allclose(np.cov(by_count.T), np.cov(by_image.T), atol=0.2)


def test_cells_without_images_are_never_drawn():
    fired, shown = np.array([0, 7, 0]), np.array([0, 7, 5])
    again, totals = resampled_counts(fired, shown, 2000, seed=0)
    assert not totals[:, 0].any()
    assert np.array_equal(again[:, 1], totals[:, 1])
    assert not again[:, 2].any()


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"idle": 0.6}, "thresholds: expected idle from 0 to 0.5, received 0.6"),
        ({"weak": -0.1}, "thresholds: expected weak from 0 to 1, received -0.1"),
        ({"single": math.nan}, "thresholds: expected single from 0 to 1, received nan"),
    ],
)
def test_thresholds_out_of_range_are_refused(bad, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        RoleThresholds(**bad)


def test_a_negative_number_of_resamples_is_refused():
    with pytest.raises(ValueError, match=r"^resamples: expected 0 or more, received -1$"):
        role_of(rates(d4=95), SHOWN, resamples=-1)
