"""What each neuron of the first hidden layer responds to, pushes towards, and is needed for.

One record for the layer, arrays with a row for each neuron; no drawing and no forward pass. Every
sum over examples or pixels is `math.fsum`, which is correctly rounded: so no BLAS and no backend
changes anything, and equal inputs give records that are equal to the last bit.

Axes: *hidden* 20, *pixels* 784, *digits* 10, *examples* N, *inputs* 8 (ranked images), *bins* 64,
*quantiles* 7, *next* the width of the next layer (the digits, where there is one hidden layer).
Where a mean, a rate, a recall or an AUROC is of a digit with no image, it is NaN.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from model import selectivity
from model.parameters import Parameters
from model.printable import printable
from model.selectivity import ANTI_CLASS, CLASS_SELECTIVE, FEATURE_SELECTIVE, ROLES, Array, mean

Arrays = dict[str, Any]

#: A neuron fires on an image where its activation is above this.
FIRING_ACTIVATION = 0.5
#: Levels of `z_quantiles`, bins of `z_histogram`, images in a ranking where there are so many.
QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
BINS = 64
RANKED = 8
#: ln 99: beyond it the activation is under 0.01 or over 0.99 and the sigmoid's slope under 1 %.
SATURATED_Z = 4.59511985013459
MOST_DIGITS = 62  # a digit set is kept as the bits of an int64
LARGEST_Z = 1e100  # beyond, its square would overflow
SEED = 0  # of the bootstrap: the same resamples for every neuron with the same counts
NAME_LENGTH = 64


@dataclass(frozen=True, eq=False)
class Ranking:
    """Images in an order, a row for each neuron; of equals the lower index comes first."""

    indices: Array  # (hidden, inputs) places among the examples, counted from 0
    labels: Array  # (hidden, inputs) the digit on each
    zs: Array  # (hidden, inputs) the neuron's z on each
    activations: Array  # (hidden, inputs) its activation on each


@dataclass(frozen=True, eq=False)
class NeededFor:
    """What the network loses while a neuron is held at its mean activation.

    Class by class: Zhou et al. 2018, "Revisiting the importance of individual units in CNNs via
    ablation"; a direction clamped to a fixed value: Morcos et al. 2018, section 2.2.
    """

    recall: Array  # (hidden, digits) with the neuron held
    recall_lost: Array  # (hidden, digits) intact recall minus that; negative where holding it helps
    correct: Array  # (hidden,) images recognised
    accuracy_lost: Array  # (hidden,) share of all images no longer recognised, net of those gained
    confusion: Array  # (hidden, digits, digits) images of each digit (row) read as each (column)
    most_needed_digit: Array  # (hidden,) largest recall_lost, the lowest of equals
    mistaken_for: Array  # (hidden,) what its images are then most often misread as, -1: nothing


@dataclass(frozen=True, eq=False)
class NeuronRecords:
    """All that is known of the neurons of a first hidden layer; read-only, a row for each neuron.

    Fields that need what was not handed in (a start, training images, predictions) are None.
    """

    names: tuple[str, ...]  # informal, from the parameters' metadata; "" for none
    role: Array  # (hidden,) one of ROLES
    role_digits: Array  # (hidden, digits) bool, what the role speaks of: see `roles_of`
    stability: Array  # (hidden,) share of the resamples with the same role and digits
    kind_stability: Array  # (hidden,) share of the resamples with the same role
    shares: Array  # (hidden, roles) share of the resamples that give each of ROLES

    z_mean: Array  # (hidden, digits)
    z_sd: Array  # (hidden, digits) population standard deviation
    z_quantiles: Array  # (hidden, digits, quantiles) linear between order statistics
    z_histogram: Array  # (hidden, digits, bins) images in each bin of z_edges
    activation_mean: Array  # (hidden, digits) the seed study's measure
    activation_mean_all: Array  # (hidden,) at which mean-ablation holds the neuron
    fired: Array  # (hidden, digits) images with activation > FIRING_ACTIVATION
    firing_rate: Array  # (hidden, digits) fired / shown
    firing_rate_all: Array  # (hidden,) share of all images on which it fires
    best_set: Array  # (hidden, digits) bool, the digit set that best predicts firing
    best_mcc: Array  # (hidden,) Matthews correlation of "is in it" with "fires", 0 to 1
    best_iou: Array  # (hidden,) Bau et al. 2017, equation 1, with images for pixels
    digit_mcc: Array  # (hidden, digits) Matthews correlation of "is this digit" with "fires"
    auroc: Array  # (hidden, digits) z larger on this digit than on another; 0.5 is chance
    class_selectivity: Array  # (hidden,) Morcos et al. 2018, 0 (none) to 1
    preferred_digit: Array  # (hidden,) largest mean activation, of which the index speaks
    saturated_low: Array  # (hidden,) share of all images with z < -SATURATED_Z
    saturated_high: Array  # (hidden,) share of all images with z > SATURATED_Z

    output_weights: Array  # (hidden, next) positive pushes towards
    needed_for: NeededFor | None

    weights: Array  # (hidden, pixels) row by row; positive excites
    bias: Array  # (hidden,)
    change: Array | None  # (hidden, pixels) weights minus initial weights
    bias_change: Array | None  # (hidden,)
    start_correlation: Array | None  # (hidden,) Pearson, of weights and initial weights; NaN: none
    never_lit_share: Array | None  # (hidden,) of the sum of |weight|, on pixels no image lights

    highest: Ranking  # largest z first; never by activation, which saturates and ties
    lowest: Ranking  # smallest z first
    nearest_zero: Ranking  # smallest |z| first: on the edge between firing and not

    sizes: tuple[int, ...]  # of the network
    examples: int  # N, the number of images behind every figure here
    shown: Array  # (digits,) images of each digit
    z_edges: Array  # (bins + 1,) ascending, shared by all neurons and digits
    never_lit: Array | None  # (pixels,) bool
    confusion: Array | None  # (digits, digits) of the intact network, as in NeededFor
    recall: Array | None  # (digits,) of the intact network
    correct: int | None  # images that the intact network recognises
    resamples: int  # of the bootstrap

    @property
    def hidden(self) -> int:
        """How many neurons there are."""
        return len(self.names)

    @property
    def to_digits(self) -> bool:
        """Whether the next layer is the output, so that `output_weights` are of digits."""
        return len(self.sizes) == 3

    @property
    def fires_for(self) -> Array:
        """The digits that each neuron fires for by its role, (hidden, digits) bool."""
        selective = np.isin(self.role, (CLASS_SELECTIVE, FEATURE_SELECTIVE))[:, None]
        silent = (self.role == ANTI_CLASS)[:, None] & (self.shown > 0)
        return (selective & self.role_digits) | (silent & ~self.role_digits)

    @property
    def by_role(self) -> list[int]:
        """The neurons' numbers by role (the order of ROLES), then digits, then number."""
        digits = [tuple(np.flatnonzero(row)) for row in self.role_digits]
        return sorted(range(self.hidden), key=lambda n: (ROLES.index(self.role[n]), digits[n], n))

    def arrays(self) -> Iterator[tuple[str, Array]]:
        """Every array with its name, those of the parts as "highest.zs"."""
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray):
                yield field.name, value
            elif dataclasses.is_dataclass(value):
                yield from ((f"{field.name}.{part}", v) for part, v in vars(value).items())

    def __post_init__(self) -> None:
        for _, array in self.arrays():
            array.flags.writeable = False


def neuron_records(
    parameters: Parameters,
    zs: ArrayLike,
    activations: ArrayLike,
    labels: ArrayLike,
    *,
    predictions: ArrayLike | None = None,
    ablated_predictions: ArrayLike | None = None,
    never_lit: ArrayLike | None = None,
    initial: Parameters | None = None,
    resamples: int = 1000,
) -> NeuronRecords:
    """Measure every neuron of the first hidden layer.

    Parameters
    ----------
    parameters
        The network; metadata["neuron_names"], if there, maps "11" to an informal name.
    zs, activations
        (examples, hidden) of the first hidden layer.
    labels, predictions
        (examples,) digits: those shown, and those that the intact network answers.
    ablated_predictions
        (hidden, examples) digits that it answers while that one hidden neuron is held at its mean
        activation, as `model.observe` holds it; needs `predictions`.
    never_lit
        (pixels,) bool, from `never_lit_pixels(training images)`.
    initial
        The parameters that training started from.
    resamples
        Of the bootstrap; 0 leave its fractions NaN.

    Raises
    ------
    ValueError
        Where there is no hidden layer or no example, or arrays do not fit the network or each
        other.
    """
    _check_network(parameters, initial)
    digits, hidden = parameters.sizes[-1], parameters.sizes[1]
    labels = _integers("labels", labels, None, digits)
    shape = (len(labels), hidden)
    z = _numbers("zs", zs, shape, -LARGEST_Z, LARGEST_Z)
    a = _numbers("activations", activations, shape, 0.0, 1.0)
    shown = np.bincount(labels, minlength=digits)
    return NeuronRecords(
        names=tuple(_name(parameters.metadata, number) for number in range(hidden)),
        **_responds_to(z, a, labels, shown, resamples),
        **_weights(parameters, initial, never_lit),
        **_needs(predictions, ablated_predictions, labels, shown, hidden),
        highest=_ranked(-z, z, a, labels),
        lowest=_ranked(z, z, a, labels),
        nearest_zero=_ranked(np.abs(z), z, a, labels),
        sizes=tuple(parameters.sizes),
        examples=len(labels),
        shown=shown,
        resamples=resamples,
    )


def mean_activations(activations: ArrayLike) -> Array:
    """Mean of each column of (examples, hidden), at which mean-ablation holds that neuron."""
    return np.array([mean(column) for column in _rows("activations", activations, "hidden").T])


def never_lit_pixels(images: ArrayLike) -> Array:
    """Which pixels are 0 in all of the (examples, pixels): their weights never left their start."""
    return np.logical_not(_rows("images", images, "pixels").any(axis=0))


def _responds_to(z: Array, a: Array, labels: Array, shown: Array, resamples: int) -> Arrays:
    """Which images each neuron responds to, and its role; z and a are (hidden, examples)."""
    groups = [labels == digit for digit in range(len(shown))]
    all_shown = np.broadcast_to(shown, (len(z), len(shown)))
    fires = a > FIRING_ACTIVATION
    fired = np.stack([fires[:, group].sum(axis=1) for group in groups], axis=1)
    best_mcc, sets = selectivity.best_sets(fired, all_shown)
    best_set = selectivity.members(sets, len(shown))
    means = _by_digit(mean, a, groups)
    selective = [selectivity.class_selectivity(row) for row in means]
    edges = _bin_edges(z)
    return {
        **_roles(fired, all_shown, resamples),
        "z_mean": _by_digit(mean, z, groups),
        "z_sd": _by_digit(selectivity.standard_deviation, z, groups),
        "z_quantiles": _by_digit(_quantiles, z, groups),
        "z_histogram": _by_digit(lambda values: _histogram(values, edges), z, groups),
        "z_edges": edges,
        "activation_mean": means,
        "activation_mean_all": np.array([mean(row) for row in a]),
        "fired": fired,
        "firing_rate": selectivity.rates(fired, all_shown),
        "firing_rate_all": fires.sum(axis=1) / len(labels),
        "best_set": best_set,
        "best_mcc": best_mcc,
        "best_iou": selectivity.intersection_over_union(best_set, fired, shown),
        "digit_mcc": selectivity.digit_matthews(fired, all_shown),
        "auroc": np.array([selectivity.auroc_by_digit(row, labels, shown) for row in z]),
        "class_selectivity": np.array([index for index, _ in selective]),
        "preferred_digit": np.array([digit for _, digit in selective]),
        "saturated_low": (z < -SATURATED_Z).sum(axis=1) / len(labels),
        "saturated_high": (z > SATURATED_Z).sum(axis=1) / len(labels),
    }


def _roles(fired: Array, shown: Array, resamples: int) -> Arrays:
    """The role of each neuron, and how often a bootstrap sample gives the same one."""
    kinds, sets = selectivity.roles_of(fired, shown)
    stability = np.full((2, len(fired)), math.nan)
    shares = np.full((len(fired), len(ROLES)), math.nan)
    for n in range(len(fired)):
        again, sets_again = selectivity.roles_of(
            *selectivity.resampled_counts(fired[n], shown[n], resamples, SEED)
        )
        if resamples:
            same = again == kinds[n]
            stability[:, n] = np.mean([same & (sets_again == sets[n]), same], axis=1)
            shares[n] = np.bincount(again, minlength=len(ROLES)) / resamples
    return {
        "role": np.array(ROLES)[kinds],
        "role_digits": selectivity.members(sets, fired.shape[1]),
        "stability": stability[0],
        "kind_stability": stability[1],
        "shares": shares,
    }


def _needs(
    predictions: ArrayLike | None,
    ablated: ArrayLike | None,
    labels: Array,
    shown: Array,
    hidden: int,
) -> Arrays:
    """What the intact network reads, and what is lost with each neuron held."""
    digits = len(shown)
    if predictions is None:
        if ablated is not None:
            raise ValueError(
                "ablated_predictions: without the intact network's predictions there is nothing to "
                "compare with; hand in predictions too"
            )
        return dict.fromkeys(("confusion", "recall", "correct", "needed_for"))
    intact = _confusion(_integers("predictions", predictions, labels.shape, digits), labels, digits)
    needed_for = None
    if ablated is not None:
        held = _integers("ablated_predictions", ablated, (hidden, len(labels)), digits)
        needed_for = _needed_for(held, intact, labels, shown)
    return {
        "confusion": intact,
        "recall": selectivity.rates(np.diag(intact), shown),
        "correct": int(np.trace(intact)),
        "needed_for": needed_for,
    }


def _needed_for(held: Array, intact: Array, labels: Array, shown: Array) -> NeededFor:
    confusion = np.array([_confusion(row, labels, len(shown)) for row in held])
    right, neurons = np.diagonal(confusion, axis1=1, axis2=2), np.arange(len(confusion))
    all_shown = np.broadcast_to(shown, right.shape)
    lost = selectivity.rates(np.diag(intact) - right, all_shown)
    most_needed = np.nanargmax(lost, axis=1)
    wrong = confusion[neurons, most_needed]
    wrong[neurons, most_needed] = 0
    correct = right.sum(axis=1)
    return NeededFor(
        recall=selectivity.rates(right, all_shown),
        recall_lost=lost,
        correct=correct,
        accuracy_lost=(np.trace(intact) - correct) / len(labels),
        confusion=confusion,
        most_needed_digit=most_needed,
        mistaken_for=np.where(wrong.any(axis=1), wrong.argmax(axis=1), -1),
    )


def _weights(
    parameters: Parameters, initial: Parameters | None, never_lit: ArrayLike | None
) -> Arrays:
    """The weights, what training made of them, and how much of them is noise."""
    weights, bias = (np.array(v[0]) for v in (parameters.weights, parameters.biases))
    found: Arrays = {"weights": weights, "bias": bias.ravel(), "never_lit": None}
    found["output_weights"] = np.array(parameters.weights[1].T, order="C")
    found |= dict.fromkeys(("change", "bias_change", "start_correlation", "never_lit_share"))
    if initial is not None:
        start = initial.weights[0]
        found["change"] = weights - start
        found["bias_change"] = (bias - initial.biases[0]).ravel()
        found["start_correlation"] = np.array(
            [selectivity.correlation(own, drawn) for own, drawn in zip(weights, start, strict=True)]
        )
    if never_lit is not None:
        mask = np.array(never_lit)
        if mask.shape != weights.shape[1:] or mask.dtype != np.bool_:
            raise ValueError(
                f"never_lit: expected bools of shape {weights.shape[1:]}, received {mask.dtype} of "
                f"shape {mask.shape}; hand in never_lit_pixels(training images)"
            )
        found["never_lit"] = mask
        found["never_lit_share"] = np.array([_share(np.abs(w), mask) for w in weights])
    return found


def _ranked(key: Array, z: Array, a: Array, labels: Array) -> Ranking:
    """The examples with the smallest key; the sort is stable, so the lower index comes first."""
    first = np.argsort(key, axis=1, kind="stable")[:, :RANKED]
    zs, activations = (np.take_along_axis(v, first, axis=1) for v in (z, a))
    return Ranking(np.array(first, order="C"), labels[first], zs, activations)


def _by_digit(measure: Any, values: Array, groups: list[Array]) -> Array:
    """The measure of each neuron's values on the images of each digit, (hidden, digits, ...)."""
    by_digit = [values[:, group] for group in groups]
    return np.array([[measure(group[n]) for group in by_digit] for n in range(len(values))])


def _confusion(predictions: Array, labels: Array, digits: int) -> Array:
    """Images of each digit (row) answered as each digit (column)."""
    cells = np.bincount(labels * digits + predictions, minlength=digits**2)
    return cells.reshape(digits, digits)


def _quantiles(values: Array) -> Array:
    return np.quantile(values, QUANTILES) if len(values) else np.full(len(QUANTILES), math.nan)


def _histogram(values: Array, edges: Array) -> Array:
    place = np.searchsorted(edges, values, side="right") - 1
    return np.bincount(np.clip(place, 0, BINS - 1), minlength=BINS)


def _bin_edges(zs: Array) -> Array:
    """Equal bins over all z of all neurons; a width even where there is only one value."""
    low, high = float(zs.min()), float(zs.max())
    room = 0.5 * max(1.0, abs(low)) if low == high else 0.0
    return np.linspace(low - room, high + room, BINS + 1)


def _share(values: Array, mask: Array) -> float:
    """Share of the sum that lies under the mask; 0 of nothing."""
    total = math.fsum(values.tolist())
    return math.fsum(values[mask].tolist()) / total if total > 0 else 0.0


def _name(metadata: Mapping[str, Any], number: int) -> str:
    """The informal name that the metadata gives a neuron; "" where it gives none."""
    names = metadata.get("neuron_names", {})
    return printable(names.get(str(number), ""), NAME_LENGTH) if isinstance(names, dict) else ""


def _check_network(parameters: Parameters, initial: Parameters | None) -> None:
    sizes = list(parameters.sizes)
    if len(sizes) < 3:
        raise ValueError(
            f"sizes: expected inputs, at least one hidden layer and outputs, received {sizes}; "
            "this network has no hidden neuron to look at"
        )
    if not 2 <= sizes[-1] <= MOST_DIGITS:
        raise ValueError(f"sizes: expected 2 to {MOST_DIGITS} outputs, received {sizes[-1]}")
    if initial is not None and list(initial.sizes) != sizes:
        raise ValueError(
            f"initial: expected the sizes of the trained network, {sizes}, "
            f"received {list(initial.sizes)}; hand in the parameters that training started from"
        )


def _rows(name: str, values: ArrayLike, columns: str) -> Array:
    array = np.asarray(values)
    if array.ndim != 2 or not len(array):
        raise ValueError(
            f"{name}: expected shape (examples, {columns}) with at least one example, "
            f"received {array.shape}"
        )
    return array


def _numbers(
    name: str, values: ArrayLike, shape: tuple[int, int], low: float, high: float
) -> Array:
    """Check numbers of shape (examples, hidden) and turn them, (hidden, examples)."""
    array = np.asarray(values, dtype=np.float64)
    if array.shape != shape:
        raise ValueError(
            f"{name}: expected shape {shape}, (examples, hidden), received {array.shape}"
        )
    bad = ~((array >= low) & (array <= high))
    if bad.any():
        example, neuron = (int(place) for place in np.argwhere(bad)[0])
        raise ValueError(
            f"{name}: expected numbers from {low:g} to {high:g}, received "
            f"{array[example, neuron]} (example {example}, neuron {neuron})"
        )
    return np.ascontiguousarray(array.T)


def _integers(name: str, values: ArrayLike, shape: tuple[int, ...] | None, below: int) -> Array:
    """Check integers of that shape (None: any vector but an empty one), from 0 to below."""
    array = np.asarray(values)
    if (array.ndim != 1 or not len(array)) if shape is None else array.shape != shape:
        expected = "(examples,) with at least one example" if shape is None else f"{shape}"
        raise ValueError(f"{name}: expected shape {expected}, received {array.shape}")
    if array.dtype.kind not in "iu":
        raise ValueError(f"{name}: expected integers, received {array.dtype}")
    wrong = array[(array < 0) | (array >= below)]
    if wrong.size:
        raise ValueError(f"{name}: expected integers from 0 to {below - 1}, received {wrong[0]}")
    return array.astype(np.int64)
