"""What kind of neuron it is: a stated rule over the counts of who makes it fire, and its stability.

Fires on < 2 % or > 98 % of the images: idle. Otherwise best Matthews correlation < 0.5: weak.
Otherwise a single digit, or all but one, within 0.05 of the best: class-selective, or anti-class;
where both are, the larger decides, and of equals the single digit. Otherwise feature-selective.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.selectivity import best_sets, digit_matthews, digits_of

IntArray = NDArray[np.int64]

IDLE = "idle"
WEAK = "weak"
CLASS_SELECTIVE = "class-selective"
ANTI_CLASS = "anti-class"
FEATURE_SELECTIVE = "feature-selective"

#: Every role, in the order in which tables and figures list them.
ROLES = (CLASS_SELECTIVE, ANTI_CLASS, FEATURE_SELECTIVE, WEAK, IDLE)


@dataclass(frozen=True)
class RoleThresholds:
    """The three numbers of the rule that gives a neuron its role.

    Parameters
    ----------
    idle
        A neuron that fires on less than this fraction of the images, or on more than one
        minus it, is idle; 0 to 0.5.
    weak
        A neuron whose best Matthews correlation is below this is weak; 0 to 1.
    single
        A neuron is class-selective where a single digit, and anti-class where all digits but
        one, come within this much of its best Matthews correlation; 0 to 1.
    """

    idle: float = 0.02
    weak: float = 0.5
    single: float = 0.05

    def __post_init__(self) -> None:
        limits = {"idle": (0.0, 0.5), "weak": (0.0, 1.0), "single": (0.0, 1.0)}
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(
                    f"thresholds: expected {name} from {low:g} to {high:g}, received {value!r}"
                )


@dataclass(frozen=True, eq=False)
class Role:
    """The role of one neuron and how often a bootstrap sample gives the same one.

    Parameters
    ----------
    kind
        One of ROLES.
    digits
        The digits that the role speaks of, ascending: class-selective, the one it fires for;
        anti-class, the one it is silent for; feature-selective and weak, the best set S; idle, ().
    stability
        Fraction of the resamples that give the same kind and the same digits; NaN for none.
    kind_stability
        Fraction of the resamples that give the same kind.
    shares
        Fraction of the resamples that give each kind, a key for every one of ROLES.
    """

    kind: str
    digits: tuple[int, ...]
    stability: float
    kind_stability: float
    shares: Mapping[str, float]


def role_of(
    fired: IntArray,
    shown: IntArray,
    thresholds: RoleThresholds | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> Role:
    """Give a neuron its role from how many images of each digit make it fire.

    Parameters
    ----------
    fired
        (digits,) number of the images of each digit on which it fires.
    shown
        (digits,) number of images of each digit.
    thresholds
        The rule's numbers; RoleThresholds() where None.
    resamples
        Number of bootstrap resamples; with 0 the fractions are NaN.
    seed
        Of the resamples, which are the same for every neuron with the same counts.
    """
    thresholds = thresholds or RoleThresholds()
    kind, digits = (int(row[0]) for row in _apply_rule(fired[None], shown[None], thresholds))
    kinds, sets = _apply_rule(*resampled_counts(fired, shown, resamples, seed), thresholds)
    return Role(
        kind=ROLES[kind],
        digits=digits_of(digits),
        stability=_fraction((kinds == kind) & (sets == digits)),
        kind_stability=_fraction(kinds == kind),
        shares={name: _fraction(kinds == place) for place, name in enumerate(ROLES)},
    )


def resampled_counts(
    fired: IntArray, shown: IntArray, resamples: int, seed: int
) -> tuple[IntArray, IntArray]:
    """Draw as many images with replacement, many times, and count again.

    The role depends on the images only through the (digit, fires) table, and drawing N images with
    replacement makes that table multinomial: so the table is drawn instead of the images, which is
    the same bootstrap and costs 20 numbers instead of 10,000.

    Returns
    -------
    fired, shown
        (resamples, digits) the counts of each resample.

    Source
    ------
    Efron 1979, "Bootstrap methods: another look at the jackknife", section 2.
    """
    if resamples < 0:
        raise ValueError(f"resamples: expected 0 or more, received {resamples}")
    table = np.concatenate([fired, shown - fired])
    # Empty cells stay out: the last cell takes what rounding leaves of the probabilities.
    cells = np.flatnonzero(table)
    drawn = np.zeros((resamples, len(table)), dtype=np.int64)
    total = int(table.sum())
    rng = np.random.default_rng(seed)
    drawn[:, cells] = rng.multinomial(total, table[cells] / total, size=resamples)
    again = drawn[:, : len(fired)]
    return again, again + drawn[:, len(fired) :]


def _apply_rule(
    fired: IntArray, shown: IntArray, thresholds: RoleThresholds
) -> tuple[IntArray, IntArray]:
    """Roles as places in ROLES and their digits as bits, for (rows, digits) counts."""
    best, sets = best_sets(fired, shown)
    by_digit = digit_matthews(fired, shown)
    single = np.where(shown > 0, by_digit, -np.inf)
    all_but = np.where(shown > 0, -by_digit, -np.inf)
    near = best - thresholds.single
    is_single = (single.max(axis=-1) >= near) & (single.max(axis=-1) >= all_but.max(axis=-1))
    is_all_but = all_but.max(axis=-1) >= near
    rate = fired.sum(axis=-1) / shown.sum(axis=-1)
    is_idle = (rate < thresholds.idle) | (rate > 1 - thresholds.idle)
    conditions = [is_idle, best < thresholds.weak, is_single, is_all_but]
    kinds = [ROLES.index(name) for name in (IDLE, WEAK, CLASS_SELECTIVE, ANTI_CLASS)]
    digits = [np.zeros_like(sets), sets, _bit_of_largest(single), _bit_of_largest(all_but)]
    return (
        np.select(conditions, kinds, default=ROLES.index(FEATURE_SELECTIVE)),
        np.select(conditions, digits, default=sets),
    )


def _bit_of_largest(values: NDArray[np.float64]) -> IntArray:
    """Set the bit of the largest entry of each row, the lowest digit of equals."""
    return np.left_shift(np.int64(1), np.argmax(values, axis=-1))


def _fraction(hits: NDArray[np.bool_]) -> float:
    """Fraction of the entries that are true; NaN of none."""
    return int(np.count_nonzero(hits)) / len(hits) if len(hits) else float("nan")
