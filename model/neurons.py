"""What each neuron of the first hidden layer responds to, pushes towards, and is needed for.

One record for the layer, arrays with a row for each neuron; no drawing and no forward pass. Every
sum over examples or pixels is `math.fsum`, which is correctly rounded: so no BLAS and no backend
changes anything, and equal inputs give records that are equal to the last bit.

Axes: *hidden* 20, *pixels* 784, *digits* 10, *examples* N, *inputs* 8 (ranked images), *bins* 64,
*quantiles* 7, *next* the width of the next layer (the digits, where there is one hidden layer),
*splits* the sets of images that a role is held against, *bounds* 2, of a 95 % interval.
Where a mean, a rate, a recall or an AUROC is of a digit with no image, it is NaN.

What a neuron responds to says little of what it is needed for: Morcos et al. 2018, Zhou et al.
2018, and Leavitt and Morcos 2020, "Selectivity considered harmful". So both are measured, and what
is lost in two ways: frozen at its mean activation, and deleted, its activation 0.
"""

from __future__ import annotations

import html
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from model import selectivity
from model.parameters import Parameters
from model.printable import printable
from model.selectivity import BETWEEN, IDLE, WEAK, Array, mean

Counts = tuple[Array, Array]  # images that a neuron fires on (hidden, digits), and shown (digits,)

#: A neuron fires on an image where its activation is above this.
FIRING_ACTIVATION = 0.5
#: Levels of `z_quantiles`, bins of `z_histogram`, images in a ranking where there are so many.
QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
BINS = 64
RANKED = 8
#: Digits whose images are shown on either side of the switch, and how many of them.
DIVIDED, OF_EACH = 2, 4
#: ln 99: beyond it the activation is under 0.01 or over 0.99 and the sigmoid's slope under 1 %.
SATURATED_Z = 4.59511985013459
MOST_DIGITS = 62  # partitions of a study are kept as the bits of an int64
LARGEST_Z = 1e100  # beyond, its square would overflow
SEED = 0  # of the bootstrap: the same resamples for every neuron with the same counts
NAME_LENGTH = 64
NONE = np.array([math.nan])  # of which every quantile is NaN
HELD = ("frozen", "deleted")  # how a neuron is held: at its mean activation, or at 0


@dataclass(frozen=True, eq=False)
class Observation:
    """What a network answers, digits, and what its first hidden layer does on some images."""

    zs: Array  # (examples, hidden)
    activations: Array  # (examples, hidden)
    predictions: Array  # (examples,) of the intact network
    frozen: Array  # (hidden, examples) with each neuron held at its mean activation
    deleted: Array  # (hidden, examples) with each neuron held at 0
    switched: Array  # (examples,) with every activation made 0 or 1


class Ablation:
    """What the network loses while a neuron is held at one value: frozen at its mean, or deleted.

    Class by class: Zhou et al. 2018, "Revisiting the importance of individual units in CNNs via
    ablation"; a direction clamped to a fixed value: Morcos et al. 2018, section 2.2. Freezing moves
    a neuron furthest on the images of the rarer side of its switch, deleting only where it fires.
    """

    def __init__(
        self,
        held: Array,  # (hidden, examples) digits answered
        intact: Array,  # (examples,) digits answered with no neuron held
        labels: Array,  # (examples,) digits shown
        shown: Array,  # (digits,) images of each
    ) -> None:
        digits, neurons = len(shown), np.arange(len(held))
        was, now = intact == labels, held == labels
        lost, gained = (_of_each_digit(v, labels, digits) for v in (was & ~now, now & ~was))
        # (hidden, digits), negative where holding it helps, and (hidden, digits, bounds)
        self.recall_lost = selectivity.rates(lost - gained, shown)
        self.recall_lost_interval = selectivity.paired_difference(lost, gained, shown)
        self.correct = now.sum(axis=1)  # (hidden,) images recognised
        # (hidden,) share of all images no longer recognised, net of those gained; (hidden, bounds)
        self.accuracy_lost = (was.sum() - self.correct) / len(labels)
        self.accuracy_lost_interval = selectivity.paired_difference(
            lost.sum(axis=1), gained.sum(axis=1), np.array(len(labels))
        )
        # (hidden,) of the largest recall_lost, the lowest of equals
        self.most_needed_digit = most_needed = np.nanargmax(self.recall_lost, axis=1)
        wrong = np.array([_confusion(row, labels, digits) for row in held])[neurons, most_needed]
        wrong[neurons, most_needed] = 0
        # (hidden,) what its images are then most often misread as, -1: nothing
        self.mistaken_for = np.where(wrong.any(axis=1), wrong.argmax(axis=1), -1)


class NeuronRecords:
    """All that is known of the neurons of a first hidden layer; read-only, a row for each neuron.

    What speaks of the start is None where that is not known. The role is computed on the first of
    `counts` and confirmed on the others; by default, on the images at hand alone. ValueError says
    which array does not fit.
    """

    def __init__(
        self,
        parameters: Parameters,  # metadata["neuron_names"], if there, maps "11" to an informal name
        seen: Observation,
        labels: Array,  # (examples,) the digits shown
        *,
        never_lit: Array,  # (pixels,) bool, 0 in training: their weights never left their start
        rarely_lit: int,
        blanked: Array,  # (examples,) the digits answered with the `rarely_lit` pixels blank
        initial: Parameters | None = None,  # that training started from
        start_zs: Array | None = None,  # (examples, hidden) of the untrained network
        counts: Mapping[str, Counts] | None = None,  # `firing_counts` by the name of the images
        resamples: int = 1000,  # of the bootstrap
    ) -> None:
        _check_network(parameters, initial)
        self.sizes = tuple(parameters.sizes)
        self.names = tuple(name_of(parameters.metadata, n) for n in range(self.sizes[1]))  # or ""
        digits = self.sizes[-1]
        self.labels = _within("labels", np.array(labels, dtype=np.int64), 0, digits - 1)
        self.z = _turned("zs", seen.zs, -LARGEST_Z, LARGEST_Z)  # (hidden, examples)
        self.activations = _turned("activations", seen.activations, 0.0, 1.0)
        self.examples, self.resamples = len(self.labels), resamples
        # (hidden, digits) images with activation > FIRING_ACTIVATION, (digits,) images of each
        self.fired, self.shown = firing_counts(seen.activations, self.labels, digits)
        self._tell_roles(counts or {"these images": (self.fired, self.shown)})
        self._measure_responses()
        self._find_images()
        self._measure_weights(parameters, initial, np.array(never_lit))
        # (hidden,) variance of z under the initial weights, over that of z
        self.start_share = None if start_zs is None else _start_share(self.z, start_zs)
        self._measure_answers(seen)
        self.rarely_lit, self.blanked_changes = rarely_lit, int((blanked != seen.predictions).sum())
        for value in (v for part in (self, *self.ways.values()) for v in vars(part).values()):
            if isinstance(value, np.ndarray):
                value.flags.writeable = False

    def _tell_roles(self, counts: Mapping[str, Counts]) -> None:
        """The role and the partition of each neuron, as far as all splits agree on them."""
        every = (selectivity.roles_of(*own) for own in counts.values())
        kinds, digits, sets = map(np.array, zip(*every, strict=True))
        agree = (kinds == kinds[0]).all(axis=0) & (digits == digits[0]).all(axis=(0, 2))
        self.splits = tuple(counts)  # the images it is computed on, then those it is held to
        self.split_roles = kinds  # (splits, hidden) one of ROLES
        self.split_sets = sets  # (splits, hidden, digits) bool, what best predicts firing
        self.role = np.where(agree, kinds[0], BETWEEN)
        self.role_digits = digits[0]  # (hidden, digits) bool, what the first split's role speaks of
        self.partition = sets[0]  # (hidden, digits) bool, one side of its switch
        self.partition_holds = (sets == sets[0]).all(axis=(0, 2))  # on all splits

    def _measure_responses(self) -> None:
        """Which images each neuron responds to."""
        z, a, fired, shown = self.z, self.activations, self.fired, self.shown
        groups = [self.labels == digit for digit in range(len(shown))]
        deviation = selectivity.standard_deviation  # of the population
        self.z_mean = _by_digit(mean, z, groups)  # (hidden, digits)
        self.z_sd = _by_digit(deviation, z, groups)
        # (hidden, digits, quantiles) linear between order statistics
        quantiles = partial(np.quantile, q=QUANTILES)
        self.z_quantiles = _by_digit(lambda v: quantiles(v if len(v) else NONE), z, groups)
        self.z_edges = np.histogram_bin_edges(z, BINS)  # (bins + 1,) shared by all
        # (hidden, digits, bins) images in each bin
        self.z_histogram = _by_digit(lambda v: np.histogram(v, self.z_edges)[0], z, groups)
        self.activation_mean = _by_digit(mean, a, groups)  # the seed study's measure
        self.activation_mean_all = mean_activations(a.T)  # at which a neuron is frozen
        self.firing_rate = selectivity.rates(fired, shown)
        self.firing_rate_interval = selectivity.wilson(fired, shown)  # (hidden, digits, bounds)
        self.firing_rate_all = fired.sum(axis=1) / self.examples
        # Matthews correlation of "is in `partition`" with "fires", and its bootstrap.
        self.partition_mcc = selectivity.matthews_of(self.partition, fired, shown)
        again = [selectivity.resampled_counts(v, shown, self.resamples, SEED) for v in fired]
        pairs = zip(self.partition, again, strict=True)
        drawn = [selectivity.matthews_of(inside, *counted) for inside, counted in pairs]
        self.partition_mcc_interval = np.quantile(drawn, (0.025, 0.975), axis=1).T
        self.digit_mcc = selectivity.digit_matthews(fired, shown)
        # z larger on this digit than on another; 0.5 is chance
        self.auroc = np.array([selectivity.auroc_by_digit(v, self.labels, shown) for v in z])
        self.auroc_interval = selectivity.auroc_interval(self.auroc, shown)
        # The index of Morcos et al. 2018, 0 to 1, of the digit with the largest mean activation.
        errors = selectivity.rates(_by_digit(deviation, a, groups) ** 2, shown)
        means = zip(self.activation_mean, errors, strict=True)
        every = zip(*(selectivity.class_selectivity(*v) for v in means), strict=True)
        index, self.preferred_digit, self.class_selectivity_interval = map(np.array, every)
        self.class_selectivity = index
        self.saturated_low = (z < -SATURATED_Z).sum(axis=1) / self.examples
        self.saturated_high = (z > SATURATED_Z).sum(axis=1) / self.examples

    def _find_images(self) -> None:
        """Places, from 0, of the images that show what a neuron does; of equals the lower first."""
        z, fires = self.z, self.activations > FIRING_ACTIVATION
        # (hidden, inputs), by z, never by activation, which saturates
        self.highest = np.argsort(-z, axis=1, kind="stable")[:, :RANKED]
        self.lowest = np.argsort(z, axis=1, kind="stable")[:, :RANKED]
        # (hidden, inputs) nearest to equal steps of z, from the smallest to the largest
        steps = np.linspace(z.min(axis=1), z.max(axis=1), min(RANKED, self.examples), axis=1)
        nearest = [np.abs(z - step[:, None]).argmin(axis=1) for step in steps.T]
        self.along = np.stack(nearest, axis=1)
        # (hidden, up to DIVIDED) digits of which most images are on either side of the switch
        either = np.minimum(self.fired, self.shown - self.fired)
        self.divided_digits = np.argsort(-either, axis=1, kind="stable")[:, :DIVIDED]
        # (hidden, up to DIVIDED, 2, OF_EACH) nearest to the median of a side; -1: none
        self.divided = np.full((*self.divided_digits.shape, 2, OF_EACH), -1)
        for n, place, side in np.ndindex(self.divided.shape[:3]):
            of_digit = self.labels == self.divided_digits[n, place]
            mine = np.flatnonzero(of_digit & (fires[n] == bool(side)))
            if len(mine):
                far = np.abs(z[n, mine] - np.median(z[n, mine]))
                first = mine[np.argsort(far, kind="stable")[:OF_EACH]]
                self.divided[n, place, side, : len(first)] = first

    def _measure_weights(
        self, parameters: Parameters, initial: Parameters | None, never_lit: Array
    ) -> None:
        """The weights, what training made of them, and how much of them is noise."""
        self.weights, bias = (np.array(v[0]) for v in (parameters.weights, parameters.biases))
        self.bias = bias.ravel()
        self.output_weights = np.array(parameters.weights[1].T, order="C")  # (hidden, next)
        self.output_bias = parameters.biases[1].flatten()  # (next,)
        self.never_lit = never_lit
        # (hidden,) of the sum of |weight|, on pixels no image lights
        sums = [[math.fsum(np.abs(v).tolist()) for v in (w[never_lit], w)] for w in self.weights]
        self.never_lit_share = np.array([part / whole if whole else 0.0 for part, whole in sums])
        # weights and bias minus the initial ones, and (hidden,) Pearson of both; NaN: none
        self.change = self.bias_change = self.start_correlation = None
        if initial is not None:
            pairs = zip(self.weights, initial.weights[0], strict=True)
            self.change = self.weights - initial.weights[0]
            self.bias_change = (bias - initial.biases[0]).ravel()
            self.start_correlation = np.array([selectivity.correlation(*pair) for pair in pairs])

    def _measure_answers(self, seen: Observation) -> None:
        """What the network reads, and what is lost where neurons are switches, or held."""
        saturated = (np.abs(self.z) > SATURATED_Z).sum(axis=0) / self.hidden  # of each image's
        self.saturated = mean(saturated)
        self.saturated_interval = selectivity.mean_interval(saturated)
        self.codes = len(np.unique(self.activations > FIRING_ACTIVATION, axis=1).T)  # different
        # (digits, digits) images of each digit (row) read as each (column)
        self.confusion = _confusion(seen.predictions, self.labels, len(self.shown))
        self.recall = selectivity.rates(np.diag(self.confusion), self.shown)
        self.correct = int(np.diag(self.confusion).sum())
        self.switched_correct = int((seen.switched == self.labels).sum())
        answers = seen.predictions, self.labels, self.shown
        self.frozen = Ablation(seen.frozen, *answers)  # at its mean activation
        self.deleted = Ablation(seen.deleted, *answers)  # at 0

    @property
    def hidden(self) -> int:
        """How many neurons there are."""
        return len(self.names)

    @property
    def to_digits(self) -> bool:
        """Whether the next layer is the output, so that `output_weights` are of digits."""
        return len(self.sizes) == 3

    @property
    def ways(self) -> dict[str, Ablation]:
        """What is lost without each neuron, by the way in which it is held."""
        return {way: getattr(self, way) for way in HELD}

    @property
    def fires_for(self) -> Array:
        """The digits that each neuron fires for on all splits, (hidden, digits) bool."""
        selective = np.array([not {*roles} <= {IDLE, WEAK} for roles in self.split_roles.T])
        return selective[:, None] & self.split_sets.all(axis=0)

    @property
    def by_rate(self) -> list[int]:
        """The neurons' numbers, those that fire on fewest images first."""
        return np.argsort(self.firing_rate_all, kind="stable").tolist()

    def __repr__(self) -> str:
        network = "-".join(map(str, self.sizes))
        return f"NeuronRecords({self.hidden} neurons of {network}, {self.examples:,} images)"

    def _repr_html_(self) -> str:
        """A notebook's table: each neuron, its role, its digits, and how well they agree."""
        rows = ["<th>neuron</th><th>role</th><th>digits</th><th>correlation</th><th>fires</th>"]
        for n, name in enumerate(self.names):
            digits = " ".join(map(str, np.flatnonzero(self.partition[n])))
            told = f"{self.partition_mcc[n]:.2f}", f"{100 * self.firing_rate_all[n]:.1f} %"
            cells = f"{n} {name}".strip(), str(self.role[n]), digits, *told
            rows.append("".join(f"<td>{html.escape(cell)}</td>" for cell in cells))
        return f"<p>{self!r}</p><table>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"


def mean_activations(activations: Array) -> Array:
    """Mean of each column of (examples, hidden), at which mean-ablation holds that neuron."""
    return np.array([mean(column) for column in activations.T])


def firing_counts(activations: Array, labels: Array, digits: int) -> Counts:
    """Images of each digit that each neuron fires on (hidden, digits), and shown (digits,)."""
    fires = (activations > FIRING_ACTIVATION).T
    return _of_each_digit(fires, labels, digits), np.bincount(labels, minlength=digits)


def _of_each_digit(rows: Array, labels: Array, digits: int) -> Array:
    """How many images of each digit are in each of the (rows, examples) bools, (rows, digits)."""
    return np.stack([rows[:, labels == digit].sum(axis=1) for digit in range(digits)], axis=1)


def _start_share(z: Array, start_zs: Array) -> Array:
    """How much of z's variance the initial weights alone would make, NaN of a constant z."""
    both = _turned("start_zs", start_zs, -LARGEST_Z, LARGEST_Z), z
    drawn, own = (np.array([selectivity.standard_deviation(row) ** 2 for row in v]) for v in both)
    return selectivity.rates(drawn, own)


def _by_digit(measure: Any, values: Array, groups: list[Array]) -> Array:
    """The measure of each neuron's values on the images of each digit, (hidden, digits, ...)."""
    by_digit = [values[:, group] for group in groups]
    return np.array([[measure(group[n]) for group in by_digit] for n in range(len(values))])


def _confusion(predictions: Array, labels: Array, digits: int) -> Array:
    """Images of each digit (row) answered as each digit (column)."""
    cells = np.bincount(labels * digits + predictions, minlength=digits**2)
    return cells.reshape(digits, digits)


def name_of(metadata: Mapping[str, Any], number: int) -> str:
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


def _turned(name: str, values: Array, low: float, high: float) -> Array:
    """Numbers of (examples, hidden), checked and turned, (hidden, examples)."""
    return np.array(_within(name, np.asarray(values, dtype=np.float64), low, high).T, order="C")


def _within(name: str, values: Array, low: float, high: float) -> Array:
    """The values, where all lie in a range."""
    for place in np.argwhere(~((values >= low) & (values <= high))).tolist():
        kind = "integers" if values.dtype.kind == "i" else "numbers"
        expected = f"{kind} from {low:g} to {high:g}"
        raise ValueError(f"{name}: expected {expected}, received {values[*place]} at {place}")
    return values
