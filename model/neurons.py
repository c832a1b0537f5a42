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

import dataclasses
import html
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from model import selectivity
from model.parameters import Parameters
from model.printable import printable
from model.selectivity import BETWEEN, IDLE, WEAK, Array, mean

Arrays = dict[str, Any]
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


@dataclass(frozen=True, eq=False)
class Ablation:
    """What the network loses while a neuron is held at one value: frozen at its mean, or deleted.

    Class by class: Zhou et al. 2018, "Revisiting the importance of individual units in CNNs via
    ablation"; a direction clamped to a fixed value: Morcos et al. 2018, section 2.2. Freezing moves
    a neuron furthest on the images of the rarer side of its switch, deleting only where it fires.
    """

    recall_lost: Array  # (hidden, digits) negative where holding it helps
    recall_lost_interval: Array  # (hidden, digits, bounds)
    correct: Array  # (hidden,) images recognised
    accuracy_lost: Array  # (hidden,) share of all images no longer recognised, net of those gained
    accuracy_lost_interval: Array  # (hidden, bounds)
    most_needed_digit: Array  # (hidden,) largest recall_lost, the lowest of equals
    mistaken_for: Array  # (hidden,) what its images are then most often misread as, -1: nothing


@dataclass(frozen=True, eq=False)
class NeuronRecords:
    """All that is known of the neurons of a first hidden layer; read-only, a row for each neuron.

    What speaks of the start is None where that is not known.
    """

    names: tuple[str, ...]  # informal, from the parameters' metadata; "" for none
    splits: tuple[str, ...]  # the images that the role was computed on, then those it was held to
    split_roles: Array  # (splits, hidden) one of ROLES
    split_sets: Array  # (splits, hidden, digits) bool, the digit set that best predicts firing
    role: Array  # (hidden,) one of ROLES where all splits agree, else BETWEEN
    role_digits: Array  # (hidden, digits) bool, what the first split's role speaks of
    partition: Array  # (hidden, digits) bool, the first split's best set; the rest: its other side
    partition_holds: Array  # (hidden,) bool, whether it is that of all splits

    z: Array  # (hidden, examples)
    activations: Array  # (hidden, examples)
    labels: Array  # (examples,) the digit on each
    z_mean: Array  # (hidden, digits)
    z_sd: Array  # (hidden, digits) population standard deviation
    z_quantiles: Array  # (hidden, digits, quantiles) linear between order statistics
    z_histogram: Array  # (hidden, digits, bins) images in each bin of z_edges
    activation_mean: Array  # (hidden, digits) the seed study's measure
    activation_mean_all: Array  # (hidden,) at which mean-ablation holds the neuron
    fired: Array  # (hidden, digits) images with activation > FIRING_ACTIVATION
    firing_rate: Array  # (hidden, digits) fired / shown
    firing_rate_interval: Array  # (hidden, digits, bounds)
    firing_rate_all: Array  # (hidden,) share of all images on which it fires
    partition_mcc: Array  # (hidden,) Matthews correlation of "is in `partition`" with "fires"
    partition_mcc_interval: Array  # (hidden, bounds) bootstrap
    digit_mcc: Array  # (hidden, digits) Matthews correlation of "is this digit" with "fires"
    auroc: Array  # (hidden, digits) z larger on this digit than on another; 0.5 is chance
    auroc_interval: Array  # (hidden, digits, bounds)
    class_selectivity: Array  # (hidden,) Morcos et al. 2018, 0 (none) to 1
    class_selectivity_interval: Array  # (hidden, bounds)
    preferred_digit: Array  # (hidden,) largest mean activation, of which the index speaks
    saturated_low: Array  # (hidden,) share of all images with z < -SATURATED_Z
    saturated_high: Array  # (hidden,) share of all images with z > SATURATED_Z
    divided_digits: Array  # (hidden, up to DIVIDED) of which most images are on either side

    output_weights: Array  # (hidden, next) positive pushes towards
    frozen: Ablation  # at its mean activation
    deleted: Ablation  # at 0

    weights: Array  # (hidden, pixels) row by row; positive excites
    bias: Array  # (hidden,)
    change: Array | None  # (hidden, pixels) weights minus initial weights
    bias_change: Array | None  # (hidden,)
    start_correlation: Array | None  # (hidden,) Pearson, of weights and initial weights; NaN: none
    start_share: Array | None  # (hidden,) variance of z under the initial weights, over that of z
    never_lit_share: Array  # (hidden,) of the sum of |weight|, on pixels no image lights

    # Places among the examples, counted from 0; of equals the lower one comes first.
    highest: Array  # (hidden, inputs) largest z first; never by activation, which saturates
    lowest: Array  # (hidden, inputs) smallest z first
    along: Array  # (hidden, inputs) nearest to equal steps of z, from the smallest to the largest
    divided: Array  # (hidden, up to DIVIDED, 2, OF_EACH) nearest to a side's median; -1: none

    sizes: tuple[int, ...]  # of the network
    examples: int  # N, the number of images behind every figure here
    shown: Array  # (digits,) images of each digit
    z_edges: Array  # (bins + 1,) ascending, shared by all neurons and digits
    never_lit: Array  # (pixels,) bool
    confusion: Array  # (digits, digits) images of each digit (row) read as each (column)
    recall: Array  # (digits,) of the intact network
    correct: int  # images that the intact network recognises
    codes: int  # different sets of firing neurons
    switched_correct: int  # recognised where every activation is rounded to 0 or 1
    saturated: float  # share of all activations, on either side
    saturated_interval: Array  # (bounds,)
    rarely_lit: int  # pixels that are blank
    blanked_changes: int  # when so many answers change
    output_bias: Array  # (next,)
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
    def ways(self) -> dict[str, Ablation]:
        """What is lost without each neuron, by the way in which it is held."""
        return {way: getattr(self, way) for way in HELD}

    @property
    def fires_for(self) -> Array:
        """The digits that each neuron fires for on all splits, (hidden, digits) bool."""
        selective = np.array([not {*roles} <= {IDLE, WEAK} for roles in self.split_roles.T])
        return selective[:, None] & self.split_sets.all(axis=0)

    @property
    def rarer_side(self) -> Array:
        """The digits on the side of each switch that fewer images are on, (hidden, digits) bool."""
        return np.where(self.firing_rate_all[:, None] < 0.5, self.partition, ~self.partition)

    @property
    def by_rate(self) -> list[int]:
        """The neurons' numbers, those that fire on fewest images first."""
        return np.argsort(self.firing_rate_all, kind="stable").tolist()

    def arrays(self) -> Iterator[tuple[str, Array]]:
        """Every array with its name, those of the parts as "highest.zs"."""
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray):
                yield field.name, value
            elif dataclasses.is_dataclass(value):
                yield from ((f"{field.name}.{part}", v) for part, v in vars(value).items())

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

    def __post_init__(self) -> None:
        for _, array in self.arrays():
            array.flags.writeable = False


def neuron_records(
    parameters: Parameters,  # metadata["neuron_names"], if there, maps "11" to an informal name
    seen: Observation,
    labels: Array,  # (examples,) the digits shown
    *,
    never_lit: Array,  # (pixels,) bool, `never_lit_pixels` of training images
    rarely_lit: int,
    blanked: Array,  # (examples,) the digits answered with the `rarely_lit` pixels blank
    initial: Parameters | None = None,  # that training started from
    start_zs: Array | None = None,  # (examples, hidden) of the untrained network
    counts: Mapping[str, Counts] | None = None,  # `firing_counts` by the name of the images
    resamples: int = 1000,  # of the bootstrap
) -> NeuronRecords:
    """Measure every neuron of the first hidden layer; ValueError says which array does not fit.

    The role is computed on the first of `counts` and confirmed on the others; by default, on the
    images at hand alone.
    """
    _check_network(parameters, initial)
    digits, hidden = parameters.sizes[-1], parameters.sizes[1]
    labels = _within("labels", np.array(labels, dtype=np.int64), 0, digits - 1)
    z = _turned("zs", seen.zs, -LARGEST_Z, LARGEST_Z)
    a = _turned("activations", seen.activations, 0.0, 1.0)
    own = firing_counts(seen.activations, labels, digits)
    split = _roles(counts or {"these images": own})
    saturated = (np.abs(z) > SATURATED_Z).sum(axis=0) / hidden  # of an image's activations
    return NeuronRecords(
        names=tuple(name_of(parameters.metadata, number) for number in range(hidden)),
        **split,
        **_responds_to(z, a, labels, own, split["partition"], resamples),
        **_weights(parameters, initial, never_lit),
        **_images(z, a, labels, own),
        z=z,
        activations=a,
        labels=labels,
        **_answered(seen, blanked, labels, own[1]),
        start_share=None if start_zs is None else _start_share(z, start_zs),
        sizes=tuple(parameters.sizes),
        examples=len(labels),
        shown=own[1],
        codes=len(np.unique(a > FIRING_ACTIVATION, axis=1).T),
        saturated=mean(saturated),
        saturated_interval=selectivity.mean_interval(saturated),
        rarely_lit=rarely_lit,
        resamples=resamples,
    )


def mean_activations(activations: Array) -> Array:
    """Mean of each column of (examples, hidden), at which mean-ablation holds that neuron."""
    return np.array([mean(column) for column in activations.T])


def never_lit_pixels(images: Array) -> Array:
    """Which pixels are 0 in all of the (examples, pixels): their weights never left their start."""
    return np.logical_not(images.any(axis=0))


def firing_counts(activations: Array, labels: Array, digits: int) -> Counts:
    """Images of each digit that each neuron fires on (hidden, digits), and shown (digits,)."""
    fires = (activations > FIRING_ACTIVATION).T
    return _of_each_digit(fires, labels, digits), np.bincount(labels, minlength=digits)


def _of_each_digit(rows: Array, labels: Array, digits: int) -> Array:
    """How many images of each digit are in each of the (rows, examples) bools, (rows, digits)."""
    return np.stack([rows[:, labels == digit].sum(axis=1) for digit in range(digits)], axis=1)


def _roles(counts: Mapping[str, Counts]) -> Arrays:
    """The role and the partition of each neuron, as far as all splits agree on them."""
    every = (selectivity.roles_of(*own) for own in counts.values())
    kinds, digits, sets = map(np.array, zip(*every, strict=True))
    agree = (kinds == kinds[0]).all(axis=0) & (digits == digits[0]).all(axis=(0, 2))
    return {
        "splits": tuple(counts),
        "split_roles": kinds,
        "split_sets": sets,
        "role": np.where(agree, kinds[0], BETWEEN),
        "role_digits": digits[0],
        "partition": sets[0].copy(),
        "partition_holds": (sets == sets[0]).all(axis=(0, 2)),
    }


def _responds_to(
    z: Array, a: Array, labels: Array, counts: Counts, partition: Array, resamples: int
) -> Arrays:
    """Which images each neuron responds to; z and a are (hidden, examples)."""
    fired, shown = counts
    groups = [labels == digit for digit in range(len(shown))]
    means = _by_digit(mean, a, groups)
    errors = selectivity.rates(_by_digit(selectivity.standard_deviation, a, groups) ** 2, shown)
    selective = (selectivity.class_selectivity(*v) for v in zip(means, errors, strict=True))
    index, preferred, bounds = map(np.array, zip(*selective, strict=True))
    areas = np.array([selectivity.auroc_by_digit(row, labels, shown) for row in z])
    again = [selectivity.resampled_counts(own, shown, resamples, SEED) for own in fired]
    pairs = zip(partition, again, strict=True)
    drawn = [selectivity.matthews_of(inside, *counted) for inside, counted in pairs]
    edges = np.histogram_bin_edges(z, BINS)
    return {
        "z_mean": _by_digit(mean, z, groups),
        "z_sd": _by_digit(selectivity.standard_deviation, z, groups),
        "z_quantiles": _by_digit(
            lambda v: np.quantile(v if len(v) else NONE, QUANTILES), z, groups
        ),
        "z_histogram": _by_digit(lambda values: np.histogram(values, edges)[0], z, groups),
        "z_edges": edges,
        "activation_mean": means,
        "activation_mean_all": mean_activations(a.T),
        "fired": fired,
        "firing_rate": selectivity.rates(fired, shown),
        "firing_rate_interval": selectivity.wilson(fired, shown),
        "firing_rate_all": fired.sum(axis=1) / len(labels),
        "partition_mcc": selectivity.matthews_of(partition, fired, shown),
        "partition_mcc_interval": np.quantile(drawn, (0.025, 0.975), axis=1).T,
        "digit_mcc": selectivity.digit_matthews(fired, shown),
        "auroc": areas,
        "auroc_interval": selectivity.auroc_interval(areas, shown),
        "class_selectivity": index,
        "class_selectivity_interval": bounds,
        "preferred_digit": preferred,
        "saturated_low": (z < -SATURATED_Z).sum(axis=1) / len(labels),
        "saturated_high": (z > SATURATED_Z).sum(axis=1) / len(labels),
    }


def _answered(seen: Observation, blanked: Array, labels: Array, shown: Array) -> Arrays:
    """What the network reads, and what is lost with neurons held or switched, or pixels blank."""
    intact = seen.predictions
    confusion = _confusion(intact, labels, len(shown))
    right = np.diag(confusion)
    return {
        "confusion": confusion,
        "recall": selectivity.rates(right, shown),
        "correct": int(right.sum()),
        "switched_correct": int((seen.switched == labels).sum()),
        "blanked_changes": int((blanked != intact).sum()),
        **{way: ablation(getattr(seen, way), intact, labels, shown) for way in HELD},
    }


def ablation(held: Array, intact: Array, labels: Array, shown: Array) -> Ablation:
    """What is lost, from (hidden, examples) digits answered and (examples,) answered intact."""
    digits, neurons = len(shown), np.arange(len(held))
    was, now = intact == labels, held == labels
    lost, gained = (_of_each_digit(v, labels, digits) for v in (was & ~now, now & ~was))
    recall_lost = selectivity.rates(lost - gained, shown)
    most_needed = np.nanargmax(recall_lost, axis=1)
    confusion = np.array([_confusion(row, labels, digits) for row in held])
    wrong = confusion[neurons, most_needed]
    wrong[neurons, most_needed] = 0
    correct, every = now.sum(axis=1), np.array(len(labels))
    return Ablation(
        recall_lost=recall_lost,
        recall_lost_interval=selectivity.paired_difference(lost, gained, shown),
        correct=correct,
        accuracy_lost=(was.sum() - correct) / len(labels),
        accuracy_lost_interval=selectivity.paired_difference(
            lost.sum(axis=1), gained.sum(axis=1), every
        ),
        most_needed_digit=most_needed,
        mistaken_for=np.where(wrong.any(axis=1), wrong.argmax(axis=1), -1),
    )


def _start_share(z: Array, start_zs: Array) -> Array:
    """How much of z's variance the initial weights alone would make, NaN of a constant z."""
    both = _turned("start_zs", start_zs, -LARGEST_Z, LARGEST_Z), z
    drawn, own = (np.array([selectivity.standard_deviation(row) ** 2 for row in v]) for v in both)
    return selectivity.rates(drawn, own)


def _images(z: Array, a: Array, labels: Array, counts: Counts) -> Arrays:
    """Places of the images that show what a neuron does."""
    low, high = z.min(axis=1), z.max(axis=1)
    steps = np.linspace(low, high, min(RANKED, z.shape[1]), axis=1)
    along = np.stack([np.abs(z - step[:, None]).argmin(axis=1) for step in steps.T], axis=1)
    either = np.minimum(counts[0], counts[1] - counts[0])
    digits = np.argsort(-either, axis=1, kind="stable")[:, :DIVIDED]
    divided = np.full((*digits.shape, 2, OF_EACH), -1)
    for n, place in np.ndindex(digits.shape):
        for side in (0, 1):
            fires = (a[n] > FIRING_ACTIVATION) == bool(side)
            mine = np.flatnonzero((labels == digits[n, place]) & fires)
            if len(mine):
                far = np.abs(z[n, mine] - np.median(z[n, mine]))
                first = mine[np.argsort(far, kind="stable")[:OF_EACH]]
                divided[n, place, side, : len(first)] = first
    return {
        "highest": np.argsort(-z, axis=1, kind="stable")[:, :RANKED],
        "lowest": np.argsort(z, axis=1, kind="stable")[:, :RANKED],
        "along": along,
        "divided_digits": digits,
        "divided": divided,
    }


def _weights(parameters: Parameters, initial: Parameters | None, never_lit: Array) -> Arrays:
    """The weights, what training made of them, and how much of them is noise."""
    weights, bias = (np.array(v[0]) for v in (parameters.weights, parameters.biases))
    mask = np.array(never_lit)
    sums = [[math.fsum(np.abs(v).tolist()) for v in (w[mask], w)] for w in weights]
    found: Arrays = {
        "weights": weights,
        "bias": bias.ravel(),
        "output_weights": np.array(parameters.weights[1].T, order="C"),
        "output_bias": parameters.biases[1].flatten(),
        "never_lit": mask,
        "never_lit_share": np.array([part / whole if whole else 0.0 for part, whole in sums]),
    }
    if initial is None:
        return found | dict.fromkeys(("change", "bias_change", "start_correlation"))
    start = initial.weights[0]
    pairs = zip(weights, start, strict=True)
    found["change"] = weights - start
    found["bias_change"] = (bias - initial.biases[0]).ravel()
    found["start_correlation"] = np.array([selectivity.correlation(*pair) for pair in pairs])
    return found


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
