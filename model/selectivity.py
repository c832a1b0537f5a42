"""How selective a neuron is for digits: the measures of the literature, in counts where possible.

Axis words: *examples* N, *digits* 10. Integers are counted exactly and divided once; sums of floats
are `math.fsum`, correctly rounded, so no result depends on the order of the examples.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Matthews correlations closer than this are equal: rounding must not choose between digit sets.
TIE = 1e-12


def mean(values: FloatArray) -> float:
    """Mean of the values, correctly summed; NaN of none."""
    return math.fsum(values.tolist()) / len(values) if len(values) else math.nan


def standard_deviation(values: FloatArray) -> float:
    """Population standard deviation of the values; NaN of none."""
    return math.sqrt(mean((values - mean(values)) ** 2)) if len(values) else math.nan


def correlation(a: FloatArray, b: FloatArray) -> float:
    """Pearson correlation of two vectors of one length; NaN where one of them is constant."""
    if not (np.ptp(a) > 0 and np.ptp(b) > 0):
        return math.nan
    # The scale drops out; taking it out first keeps the squares from overflowing.
    a, b = a / np.abs(a).max(), b / np.abs(b).max()
    a, b = a - mean(a), b - mean(b)
    spread = math.sqrt(math.fsum((a * a).tolist())) * math.sqrt(math.fsum((b * b).tolist()))
    return max(-1.0, min(1.0, math.fsum((a * b).tolist()) / spread)) if spread > 0 else math.nan


def rates(part: IntArray, whole: IntArray) -> FloatArray:
    """Part / whole by digit, NaN where the whole is 0."""
    return np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0)


def matthews(
    inside_fired: IntArray, inside_shown: IntArray, fired: IntArray, shown: IntArray
) -> FloatArray:
    """Matthews correlation of "is in the set" with "fires", 0 where either never changes.

    Parameters
    ----------
    inside_fired, inside_shown
        Number of images of the set's digits on which the neuron fires, and in all.
    fired, shown
        The same for all images; the four broadcast.

    Source
    ------
    Matthews 1975, Biochim. Biophys. Acta 405, 442. With TP = inside_fired, the numerator
    TP TN - FP FN is shown * TP - fired * inside_shown.
    """
    above = shown * inside_fired - fired * inside_shown
    below = np.sqrt(inside_shown * (shown - inside_shown)) * np.sqrt(fired * (shown - fired))
    return np.divide(above, below, out=np.zeros(np.shape(below)), where=below > 0)


def digit_matthews(fired: IntArray, shown: IntArray) -> FloatArray:
    """Matthews correlation of "is this digit" with "fires": two (..., digits) counts to another."""
    return matthews(
        fired, shown, fired.sum(axis=-1, keepdims=True), shown.sum(axis=-1, keepdims=True)
    )


def best_sets(fired: IntArray, shown: IntArray) -> tuple[FloatArray, IntArray]:
    """Find the digit set whose membership best predicts firing, for many count tables at once.

    The best of all 2^digits - 2 sets is among the first k digits in order of firing rate, k = 1, 2,
    ...: the square of the Matthews correlation is the decrease of the Gini impurity over its start,
    for which Breiman et al. prove it. Of equal sets the one with fewest digits is taken, then the
    lexicographically smallest; digits without an image are in no set.

    Parameters
    ----------
    fired, shown
        (..., digits) number of images of each digit on which the neuron fires, and in all.

    Returns
    -------
    mcc
        (...) the largest Matthews correlation, 0 to 1.
    sets
        (...) the set as an integer, bit d for digit d.

    Source
    ------
    Matthews 1975; Breiman, Friedman, Olshen and Stone 1984, *Classification and Regression Trees*,
    theorem 4.5. Labelling a unit by the best of all candidate concepts: Bau et al. 2017, "Network
    Dissection", section 2.
    """
    rate = np.divide(fired, shown, out=np.full(shown.shape, -1.0), where=shown > 0)
    order = np.argsort(-rate, axis=-1, kind="stable")
    first_fired = np.cumsum(np.take_along_axis(fired, order, axis=-1), axis=-1)
    first_shown = np.cumsum(np.take_along_axis(shown, order, axis=-1), axis=-1)
    mcc = matthews(first_fired, first_shown, first_fired[..., -1:], first_shown[..., -1:])
    # The set of all digits, no proper one, has 0 and comes last, so it is never taken.
    size = np.argmax(mcc >= mcc.max(axis=-1, keepdims=True) - TIE, axis=-1)
    sets = np.cumsum(np.left_shift(np.int64(1), order), axis=-1)
    chosen = size[..., None]
    return (
        np.take_along_axis(mcc, chosen, axis=-1)[..., 0],
        np.take_along_axis(sets, chosen, axis=-1)[..., 0],
    )


def digits_of(bits: int) -> tuple[int, ...]:
    """Turn a set as an integer, bit d for digit d, into its digits, ascending."""
    return tuple(digit for digit in range(int(bits).bit_length()) if int(bits) >> digit & 1)


def intersection_over_union(digits: tuple[int, ...], fired: IntArray, shown: IntArray) -> float:
    """Images in the set that fire, over images in the set or firing; 0 where there are none.

    Source
    ------
    Bau et al. 2017, "Network Dissection", equation 1, with images in place of pixels.
    """
    chosen = list(digits)
    both = int(fired[chosen].sum())
    either = int(shown[chosen].sum()) + int(fired.sum()) - both
    return both / either if either else 0.0


def auroc_by_digit(z: FloatArray, labels: IntArray, shown: IntArray) -> FloatArray:
    """Area under the ROC curve of z as a detector of each digit, ties counted half.

    The area is the Mann-Whitney U over its largest value, n_d (N - n_d), with U from the sum of the
    midranks of the digit's images. Midranks are kept doubled, as integers, so nothing is rounded
    before the one division.

    Parameters
    ----------
    z
        (examples,) scores.
    labels
        (examples,) digits.
    shown
        (digits,) number of images of each digit.

    Returns
    -------
    (digits,) areas, 0 to 1; NaN for a digit with no image, or with all of them.

    Source
    ------
    Hanley and McNeil 1982, Radiology 143, 29.
    """
    _, place, count = np.unique(z, return_inverse=True, return_counts=True)
    doubled = (2 * np.cumsum(count) - count + 1)[place]
    ranks = np.array([doubled[labels == digit].sum() for digit in range(len(shown))])
    return rates(ranks - shown * (shown + 1), 2 * shown * (shown.sum() - shown))


def class_selectivity(means: FloatArray) -> tuple[float, int]:
    """Class selectivity index (m - o) / (m + o), and the digit with the largest mean activation m.

    Here o is the mean of the other digits' mean activations.

    Parameters
    ----------
    means
        (digits,) mean activation by digit, at least 0; NaN for a digit with no image.

    Returns
    -------
    The index, 0 (all means equal) to 1 (only one digit activates it), NaN where fewer than two
    digits have images; and the digit, the lowest of equals.

    Source
    ------
    Morcos et al. 2018, "On the importance of single directions for generalization", section 2.3.
    """
    digit = int(np.nanargmax(means))
    others = np.delete(means, digit)
    other = mean(others[~np.isnan(others)])
    total = float(means[digit]) + other
    return ((float(means[digit]) - other) / total if total != 0 else 0.0), digit
