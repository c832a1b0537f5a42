"""How selective neurons are for digits, and the role that follows: the measures of the literature.

Counts of images are (..., digits): `fired`, those on which a neuron fires, of `shown`, which may be
(digits,). Integers are counted exactly and divided once; sums of floats are `math.fsum`, correctly
rounded, so no result depends on the order of the examples. A digit set is (..., digits) bool.

The rule: fires on < 2 % or > 98 % of the images: idle. Otherwise best Matthews correlation < 0.5:
weak. Otherwise a single digit, or all but one, within 0.05 of the best: class-selective, or
anti-class; where both are, the larger decides, and of equals the single digit. Otherwise
feature-selective.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

IDLE, WEAK, FEATURE_SELECTIVE = "idle", "weak", "feature-selective"
CLASS_SELECTIVE, ANTI_CLASS = "class-selective", "anti-class"
BETWEEN = "between"  # what the role of a neuron is called on which two sets of images disagree
#: Every role, in the order in which tables and figures list them.
ROLES = (CLASS_SELECTIVE, ANTI_CLASS, FEATURE_SELECTIVE, WEAK, IDLE)
#: The numbers of the rule: a share of the images, and two Matthews correlations.
IDLE_SHARE, WEAK_BELOW, NEAR_BEST = 0.02, 0.5, 0.05
#: Of the normal distribution, for intervals of 95 %.
NORMAL = 1.959963984540054
#: Matthews correlations closer than this are equal: rounding must not choose between digit sets.
TIE = 1e-12


def mean(values: Array) -> float:
    """Mean of the values, correctly summed; NaN of none."""
    return math.fsum(values.tolist()) / len(values) if len(values) else math.nan


def standard_deviation(values: Array) -> float:
    """Population standard deviation of the values; NaN of none."""
    return math.sqrt(mean((values - mean(values)) ** 2)) if len(values) else math.nan


def correlation(a: Array, b: Array) -> float:
    """Pearson correlation of two vectors of one length; NaN where one of them is constant."""
    if not (np.ptp(a) > 0 and np.ptp(b) > 0):
        return math.nan
    # The scale drops out; taking it out first keeps the squares from overflowing.
    a, b = a / np.abs(a).max(), b / np.abs(b).max()
    a, b = a - mean(a), b - mean(b)
    spread = math.sqrt(math.fsum((a * a).tolist())) * math.sqrt(math.fsum((b * b).tolist()))
    return max(-1.0, min(1.0, math.fsum((a * b).tolist()) / spread)) if spread > 0 else math.nan


def rates(part: Array, whole: Array) -> Array:
    """Part / whole, NaN where the whole is 0."""
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)


def matthews(inside_fired: Array, inside_shown: Array, fired: Array, shown: Array) -> Array:
    """Matthews correlation of "is in the set" with "fires", 0 where either never changes.

    The first two count the images of the set's digits, the others all images. Matthews 1975,
    Biochim. Biophys. Acta 405, 442: with TP = inside_fired, the numerator TP TN - FP FN is
    shown * TP - fired * inside_shown.
    """
    above = shown * inside_fired - fired * inside_shown
    below = np.sqrt(inside_shown * (shown - inside_shown)) * np.sqrt(fired * (shown - fired))
    return np.divide(above, below, out=np.zeros(np.shape(below)), where=below > 0)


def digit_matthews(fired: Array, shown: Array) -> Array:
    """Matthews correlation of "is this digit" with "fires", (..., digits)."""
    return matthews(
        fired, shown, fired.sum(axis=-1, keepdims=True), shown.sum(axis=-1, keepdims=True)
    )


def best_sets(fired: Array, shown: Array) -> tuple[Array, Array]:
    """The largest Matthews correlation (...), 0 to 1, and the digit set (..., digits) that has it.

    The best of all 2^digits - 2 sets is among the first k digits in order of firing rate, k = 1, 2,
    ...: the square of the Matthews correlation is the decrease of the Gini impurity over its start,
    for which Breiman, Friedman, Olshen and Stone 1984, *Classification and Regression Trees*,
    theorem 4.5, prove it. Of equal sets the one with fewest digits is taken, then the
    lexicographically smallest; digits without an image are in no set. Labelling a unit by the best
    of all candidate concepts: Bau et al. 2017, "Network Dissection", section 2.
    """
    shown = np.broadcast_to(shown, fired.shape)
    rate = np.divide(fired, shown, out=np.full(shown.shape, -1.0), where=shown > 0)
    order = np.argsort(-rate, axis=-1, kind="stable")
    first_fired = np.cumsum(np.take_along_axis(fired, order, axis=-1), axis=-1)
    first_shown = np.cumsum(np.take_along_axis(shown, order, axis=-1), axis=-1)
    mcc = matthews(first_fired, first_shown, first_fired[..., -1:], first_shown[..., -1:])
    # The set of all digits, no proper one, has 0 and comes last, so it is never taken.
    last = np.argmax(mcc >= mcc.max(axis=-1, keepdims=True) - TIE, axis=-1)[..., None]
    return np.take_along_axis(mcc, last, axis=-1)[..., 0], np.argsort(order, axis=-1) <= last


def matthews_of(inside: Array, fired: Array, shown: Array) -> Array:
    """Matthews correlation of "is in this set" with "fires", of (..., digits) bools and counts."""
    both, own = (np.where(inside, part, 0).sum(axis=-1) for part in (fired, shown))
    return matthews(both, own, fired.sum(axis=-1), shown.sum(axis=-1))


def wilson(part: Array, whole: Array) -> Array:
    """The 95 % interval of part / whole, (..., 2); NaN where the whole is 0.

    Wilson 1927, "Probable inference, the law of succession, and statistical inference".
    """
    n, rate = np.where(whole > 0, whole, np.nan), rates(part, whole)
    middle = rate + NORMAL**2 / (2 * n)
    reach = NORMAL * np.sqrt(rate * (1 - rate) / n + NORMAL**2 / (4 * n**2))
    bounds = [middle - reach, middle + reach]
    return np.clip(np.stack(bounds, axis=-1) / (1 + NORMAL**2 / n)[..., None], 0, 1)


def paired_difference(lost: Array, gained: Array, whole: Array) -> Array:
    """The 95 % interval of (lost - gained) / whole, two counts of the same images, (..., 2).

    Agresti and Min 2005, "Simple improved confidence intervals for comparing matched proportions":
    half an image is added to either count, and two to the whole.
    """
    n, b, c = np.where(whole > 0, whole, np.nan) + 2.0, lost + 0.5, gained + 0.5
    reach = NORMAL * np.sqrt(b + c - (b - c) ** 2 / n) / n
    return np.stack([(b - c) / n - reach, (b - c) / n + reach], axis=-1)


def auroc_by_digit(z: Array, labels: Array, shown: Array) -> Array:
    """Area under the ROC curve of z as a detector of each digit, ties counted half, (digits,).

    The area is the Mann-Whitney U over its largest value, n_d (N - n_d), with U from the sum of the
    midranks of the digit's images (Hanley and McNeil 1982, Radiology 143, 29); NaN for a digit with
    no image, or with all of them. Midranks are kept doubled, as integers, so nothing is rounded
    before the one division.
    """
    _, place, count = np.unique(z, return_inverse=True, return_counts=True)
    doubled = (2 * np.cumsum(count) - count + 1)[place]
    ranks = np.array([doubled[labels == digit].sum() for digit in range(len(shown))])
    return rates(ranks - shown * (shown + 1), 2 * shown * (shown.sum() - shown))


def auroc_interval(area: Array, shown: Array) -> Array:
    """The 95 % interval of an AUROC of each digit, (..., digits, 2).

    The standard error of Hanley and McNeil 1982, equation 2; exact at no area, near at all.
    """
    both, other = np.where(shown > 0, shown, np.nan), shown.sum() - shown
    first, second = area / (2 - area), 2 * area**2 / (1 + area)
    spread = area * (1 - area) + (both - 1) * (first - area**2) + (other - 1) * (second - area**2)
    reach = NORMAL * np.sqrt(np.maximum(rates(spread, both * other), 0))
    return np.clip(np.stack([area - reach, area + reach], axis=-1), 0, 1)


def class_selectivity(means: Array, errors: Array) -> tuple[float, int, Array]:
    """Class selectivity index (m - o) / (m + o), the digit with the largest mean m, an interval.

    Here o is the mean of the other digits' mean activations; the index is NaN where fewer than two
    digits have images. Morcos et al. 2018, "On the importance of single directions for
    generalization", section 2.3. The interval, of 95 %, is by the delta method: the index moves by
    its slope times the error of each mean, `errors` being squares.
    """
    digit = int(np.nanargmax(means))
    most, others = means[digit], np.delete(means, digit)
    other = mean(others[~np.isnan(others)])
    total = most + other
    index = float((most - other) / total) if total != 0 else 0.0
    rest = np.nansum(np.delete(errors, digit)) / max((~np.isnan(others)).sum(), 1) ** 2
    slope = 2 / max(total**2, TIE)
    reach = NORMAL * slope * math.sqrt(other**2 * errors[digit] + most**2 * rest)
    return index, digit, np.clip([index - reach, index + reach], 0, 1)


def mean_interval(values: Array) -> Array:
    """The 95 % interval of a mean of many values, (2,)."""
    reach = NORMAL * standard_deviation(values) / math.sqrt(len(values))
    return np.array([mean(values) - reach, mean(values) + reach])


def roles_of(fired: Array, shown: Array) -> tuple[Array, Array, Array]:
    """Roles, the digit sets that they speak of, and the best sets.

    Class-selective: the digit it fires for; anti-class: the one it is silent for; feature-selective
    and weak: the best set; idle: none.
    """
    best, sets = best_sets(fired, shown)
    by_digit = digit_matthews(fired, shown)
    single = np.where(shown > 0, by_digit, -np.inf)
    all_but = np.where(shown > 0, -by_digit, -np.inf)
    near = best - NEAR_BEST
    is_single = (single.max(axis=-1) >= near) & (single.max(axis=-1) >= all_but.max(axis=-1))
    is_all_but = all_but.max(axis=-1) >= near
    rate = fired.sum(axis=-1) / shown.sum(axis=-1)
    is_idle = (rate < IDLE_SHARE) | (rate > 1 - IDLE_SHARE)
    conditions = [is_idle, best < WEAK_BELOW, is_single, is_all_but]
    one = np.eye(shown.shape[-1], dtype=bool)
    spoken = [~sets & sets, sets, one[single.argmax(axis=-1)], one[all_but.argmax(axis=-1)]]
    rows = [condition[..., None] for condition in conditions]
    kinds = [IDLE, WEAK, CLASS_SELECTIVE, ANTI_CLASS]
    role = np.select(conditions, kinds, default=FEATURE_SELECTIVE)
    return role, np.select(rows, spoken, default=sets), sets


def resampled_counts(fired: Array, shown: Array, resamples: int, seed: int) -> tuple[Array, Array]:
    """Draw as many images with replacement, many times, and count again, (resamples, digits).

    The role depends on the images only through the (digit, fires) table, and drawing N images with
    replacement makes that table multinomial: so the table is drawn instead of the images, which is
    the same bootstrap and costs 20 numbers instead of 10,000. Efron 1979, "Bootstrap methods:
    another look at the jackknife", section 2.
    """
    table = np.concatenate([fired, shown - fired])
    # Empty cells stay out: the last cell takes what rounding leaves of the probabilities.
    cells = np.flatnonzero(table)
    drawn = np.zeros((resamples, len(table)), dtype=np.int64)
    total = int(table.sum())
    rng = np.random.default_rng(seed)
    drawn[:, cells] = rng.multinomial(total, table[cells] / total, size=resamples)
    again = drawn[:, : len(fired)]
    return again, again + drawn[:, len(fired) :]
