"""What each neuron of the first hidden layer responds to, pushes towards, and is needed for.

Records, no drawing and no forward pass: `neuron_records` takes parameters, and arrays that either
backend hands in, and returns frozen dataclasses (`model.records`). Every sum over examples or
pixels is `math.fsum`, which is correctly rounded, and examples are taken in the order of their
dataset index: so the order in which they come, a BLAS or a backend changes nothing, and equal
inputs give records that are equal to the last bit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from model.records import (
    BINS,
    FIRING_ACTIVATION,
    QUANTILES,
    RANKED,
    SATURATED_Z,
    BoolArray,
    FloatArray,
    IntArray,
    NeededFor,
    NeuronRecord,
    NeuronRecords,
    PushesTowards,
    RankedInputs,
    RespondsTo,
    Weights,
)
from model.roles import RoleThresholds, role_of
from model.sample import ParametersLike, Sample, check_network, checked_sample, pixel_mask
from model.selectivity import (
    auroc_by_digit,
    best_sets,
    class_selectivity,
    correlation,
    digit_matthews,
    digits_of,
    intersection_over_union,
    mean,
    rates,
    standard_deviation,
)

__all__ = [
    "BINS",
    "FIRING_ACTIVATION",
    "QUANTILES",
    "RANKED",
    "SATURATED_Z",
    "NeededFor",
    "NeuronRecord",
    "NeuronRecords",
    "PushesTowards",
    "RankedInputs",
    "RespondsTo",
    "Weights",
    "mean_activations",
    "neuron_records",
    "never_lit_pixels",
]


@dataclass(frozen=True, eq=False)
class _Work:
    """What is to be measured, checked, and what all neurons share of it."""

    parameters: ParametersLike
    sample: Sample
    never_lit: BoolArray | None
    initial: ParametersLike | None
    thresholds: RoleThresholds
    resamples: int
    seed: int

    @cached_property
    def z_edges(self) -> FloatArray:
        return _bin_edges(self.sample.zs)

    @cached_property
    def confusion(self) -> IntArray | None:
        """Confusion of the intact network, (digits, digits)."""
        intact = self.sample.predictions
        return None if intact is None else _confusion(self.sample, intact)


def neuron_records(
    parameters: ParametersLike,
    zs: ArrayLike,
    activations: ArrayLike,
    labels: ArrayLike,
    *,
    indices: ArrayLike | None = None,
    predictions: ArrayLike | None = None,
    ablated_predictions: ArrayLike | None = None,
    never_lit: ArrayLike | None = None,
    initial: ParametersLike | None = None,
    thresholds: RoleThresholds | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> NeuronRecords:
    """Measure every neuron of the first hidden layer.

    Parameters
    ----------
    parameters
        The network; metadata["neuron_names"], if there, maps "11" to an informal name.
    zs, activations
        (examples, hidden) weighted inputs and activations of the first hidden layer.
    labels
        (examples,) integers, 0 to digits - 1.
    indices
        (examples,) dataset index of each example; 0, 1, ... where None.
    predictions
        (examples,) digits that the intact network answers.
    ablated_predictions
        (hidden, examples) digits that it answers while that one hidden neuron is held at its mean
        activation, which is `mean_activations(activations)` (rounded, in fixed-point, as any
        activation is); needs `predictions`.
    never_lit
        (pixels,) bool, from `never_lit_pixels(training images)`.
    initial
        The parameters that training started from; None where unknown.
    thresholds
        Of the role rule; RoleThresholds() where None.
    resamples, seed
        Of the bootstrap; 0 resamples leave its fractions NaN.

    Returns
    -------
    NeuronRecords
        One record for each hidden neuron, and what they share.

    Raises
    ------
    ValueError
        Where there is no hidden layer or no example, or arrays do not fit the network or each
        other.
    """
    check_network(parameters, initial)
    sample = checked_sample(
        (parameters.sizes[1], parameters.sizes[-1]),
        (zs, activations, labels),
        indices=indices,
        predictions=predictions,
        ablated=ablated_predictions,
    )
    return _measured(
        _Work(
            parameters=parameters,
            sample=sample,
            never_lit=None if never_lit is None else pixel_mask(never_lit, parameters.sizes[0]),
            initial=initial,
            thresholds=thresholds or RoleThresholds(),
            resamples=resamples,
            seed=seed,
        )
    )


def mean_activations(activations: ArrayLike) -> FloatArray:
    """Mean activation of each hidden neuron, at which mean-ablation holds it.

    Parameters
    ----------
    activations
        (examples, hidden).

    Returns
    -------
    (hidden,) means, their sums correctly rounded.
    """
    columns = np.asarray(activations, dtype=np.float64)
    if columns.ndim != 2 or not len(columns):
        raise ValueError(
            "activations: expected shape (examples, hidden) with at least one example, "
            f"received {columns.shape}"
        )
    return _frozen(np.array([mean(column) for column in columns.T]))


def never_lit_pixels(images: ArrayLike) -> BoolArray:
    """Mark the pixels that are 0 in every image: their weights never left their start.

    Parameters
    ----------
    images
        (examples, pixels), the training images, 0 where dark.

    Returns
    -------
    (pixels,) bool.
    """
    rows = np.asarray(images)
    if rows.ndim != 2 or not len(rows):
        raise ValueError(
            f"images: expected shape (examples, pixels) with at least one example, "
            f"received {rows.shape}"
        )
    return _frozen(np.logical_not(rows.any(axis=0)))


def _measured(work: _Work) -> NeuronRecords:
    shown, confusion = work.sample.shown, work.confusion
    hidden = work.parameters.sizes[1]
    return NeuronRecords(
        neurons=tuple(_record(work, number) for number in range(hidden)),
        sizes=tuple(work.parameters.sizes),
        examples=len(work.sample.labels),
        shown=_frozen(shown),
        z_edges=_frozen(work.z_edges),
        never_lit=work.never_lit,
        confusion=confusion,
        recall=None if confusion is None else _frozen(rates(np.diag(confusion), shown)),
        correct=None if confusion is None else int(np.trace(confusion)),
        thresholds=work.thresholds,
        resamples=work.resamples,
        seed=work.seed,
    )


def _record(work: _Work, number: int) -> NeuronRecord:
    parameters, sample = work.parameters, work.sample
    responds_to = _responds_to(sample, number, work.z_edges)
    z = sample.zs[number]
    return NeuronRecord(
        number=number,
        name=_name(parameters, number),
        role=role_of(responds_to.fired, sample.shown, work.thresholds, work.resamples, work.seed),
        responds_to=responds_to,
        pushes_towards=PushesTowards(
            weights=_frozen(parameters.weights[1][:, number]),
            to_digits=len(parameters.sizes) == 3,
        ),
        needed_for=_needed_for(sample, number, work.confusion),
        weights=_weights(work, number),
        highest=_ranked(sample, number, -z),
        lowest=_ranked(sample, number, z),
        nearest_zero=_ranked(sample, number, np.abs(z)),
    )


def _responds_to(sample: Sample, number: int, edges: FloatArray) -> RespondsTo:
    z, activation, shown = sample.zs[number], sample.activations[number], sample.shown
    groups = [z[mask] for mask in sample.by_digit]
    fired = np.bincount(sample.labels[activation > FIRING_ACTIVATION], minlength=sample.digits)
    means = np.array([mean(activation[mask]) for mask in sample.by_digit])
    best_mcc, bits = best_sets(fired, shown)
    best_set = digits_of(int(bits))
    selectivity, preferred = class_selectivity(means)
    return RespondsTo(
        z_mean=_frozen(np.array([mean(group) for group in groups])),
        z_sd=_frozen(np.array([standard_deviation(group) for group in groups])),
        z_quantiles=_frozen(np.array([_quantiles(group) for group in groups])),
        z_histogram=_frozen(np.array([_histogram(group, edges) for group in groups])),
        activation_mean=_frozen(means),
        activation_mean_all=mean(activation),
        fired=_frozen(fired),
        firing_rate=_frozen(rates(fired, shown)),
        firing_rate_all=int(fired.sum()) / len(z),
        best_set=best_set,
        best_mcc=float(best_mcc),
        best_iou=intersection_over_union(best_set, fired, shown),
        digit_mcc=_frozen(digit_matthews(fired, shown)),
        auroc=_frozen(auroc_by_digit(z, sample.labels, shown)),
        class_selectivity=selectivity,
        preferred_digit=preferred,
        saturated_low=int(np.count_nonzero(z < -SATURATED_Z)) / len(z),
        saturated_high=int(np.count_nonzero(z > SATURATED_Z)) / len(z),
    )


def _needed_for(sample: Sample, number: int, intact: IntArray | None) -> NeededFor | None:
    """What is lost with the neuron held at its mean activation.

    Source: class by class, Zhou et al. 2018, "Revisiting the importance of individual units in CNNs
    via ablation"; a direction clamped to a fixed value, Morcos et al. 2018, section 2.2.
    """
    if sample.ablated is None or intact is None:
        return None
    confusion = _confusion(sample, sample.ablated[number])
    lost = rates(np.diag(intact) - np.diag(confusion), sample.shown)
    most_needed = int(np.nanargmax(lost))
    wrong = confusion[most_needed].copy()
    wrong[most_needed] = 0
    correct = int(np.trace(confusion))
    return NeededFor(
        recall=_frozen(rates(np.diag(confusion), sample.shown)),
        recall_lost=_frozen(lost),
        correct=correct,
        accuracy_lost=(int(np.trace(intact)) - correct) / len(sample.labels),
        confusion=confusion,
        most_needed_digit=most_needed,
        mistaken_for=int(np.argmax(wrong)) if wrong.any() else -1,
    )


def _weights(work: _Work, number: int) -> Weights:
    weights = work.parameters.weights[0][number]
    bias = float(np.ravel(work.parameters.biases[0])[number])
    share = None if work.never_lit is None else _share(np.abs(weights), work.never_lit)
    if work.initial is None:
        return Weights(_frozen(weights), bias, None, None, None, share)
    start = work.initial.weights[0][number]
    return Weights(
        weights=_frozen(weights),
        bias=bias,
        change=_frozen(weights - start),
        bias_change=bias - float(np.ravel(work.initial.biases[0])[number]),
        start_correlation=correlation(weights, start),
        never_lit_share=share,
    )


def _ranked(sample: Sample, number: int, key: FloatArray) -> RankedInputs:
    """The examples with the smallest key; the sort is stable, so the lower index comes first."""
    first = np.argsort(key, kind="stable")[:RANKED]
    return RankedInputs(
        indices=_frozen(sample.indices[first]),
        labels=_frozen(sample.labels[first]),
        zs=_frozen(sample.zs[number][first]),
        activations=_frozen(sample.activations[number][first]),
    )


def _confusion(sample: Sample, predictions: IntArray) -> IntArray:
    """Images of each digit (row) answered as each digit (column)."""
    cells = np.bincount(sample.labels * sample.digits + predictions, minlength=sample.digits**2)
    return _frozen(cells.reshape(sample.digits, sample.digits))


def _quantiles(values: FloatArray) -> FloatArray:
    return np.quantile(values, QUANTILES) if len(values) else np.full(len(QUANTILES), math.nan)


def _histogram(values: FloatArray, edges: FloatArray) -> IntArray:
    place = np.searchsorted(edges, values, side="right") - 1
    return np.bincount(np.clip(place, 0, BINS - 1), minlength=BINS)


def _bin_edges(zs: FloatArray) -> FloatArray:
    """Equal bins over all z of all neurons; a width even where there is only one value."""
    low, high = float(zs.min()), float(zs.max())
    room = 0.5 * max(1.0, abs(low)) if low == high else 0.0
    return np.linspace(low - room, high + room, BINS + 1)


def _share(values: FloatArray, mask: BoolArray) -> float:
    """Share of the sum that lies under the mask; 0 of nothing."""
    total = math.fsum(values.tolist())
    return math.fsum(values[mask].tolist()) / total if total > 0 else 0.0


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    """Copy the array, contiguous and read-only."""
    copy = np.array(array, order="C")
    copy.flags.writeable = False
    return copy


def _name(parameters: ParametersLike, number: int) -> str:
    """The informal name that the metadata gives a neuron; "" where it gives none."""
    names = parameters.metadata.get("neuron_names", {})
    return str(names.get(str(number), "")) if isinstance(names, dict) else ""
