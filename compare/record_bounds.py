"""How far the neuron records of two correct implementations may lie apart, field by field.

Every implementation's z and activations lie within the bounds e of `compare.rounding` around what
is computed there, the centre. What follows from them continuously then has a bound of its own:

- a mean moves by at most the mean of e, a standard deviation by the root mean square of e (it is
  a seminorm), an order statistic by the largest e, a value between two of them no further;
- the class selectivity index rises with one mean and falls with the other: its bound is at the
  corners;
- the arithmetic of the records themselves adds a few roundings, `ROUNDED`.

What follows discontinuously is the same wherever nothing lies within its bound of a threshold, and
else can change by no more than what does lie there. A neuron fires, a bin or a tail counts an
image, for certain, or the image is *open*. A place in a ranking is certain where the keys beside
it are more than 2 e away. Of an AUROC the pairs are open that are less than 2 e apart. A digit is
certain where the largest output leads by more than twice what is allowed. A role depends on how
many images of each digit make the neuron fire, and on nothing else: so it is the same where none
of these is open.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from compare.precision import unit_roundoff
from compare.rounding import EXP_ULPS, forward_bounds
from model.neurons import BINS, FIRING_ACTIVATION, SATURATED_Z, mean_activations
from model.parameters import Parameters
from model.selectivity import ROLES

NeuronRecords: TypeAlias = Any  # see compare.figures.before
Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Margins = tuple[Array, Array]

BLOCK = 1000  # images at a time stay in the cache
ROUNDED = 16 * unit_roundoff("float64")  # twice what a mean, a deviation or an edge rounds
STEEPEST = 0.25  # the sigmoid's slope at 0
DEPENDS_ON_FIRING = (
    "role.kind",
    "role.digits",
    "role.stability",
    "role.kind_stability",
    *(f"role.shares.{kind}" for kind in ROLES),
    "responds_to.best_set",
    "responds_to.best_mcc",
    "responds_to.best_iou",
    "responds_to.digit_mcc",
)


@dataclass(frozen=True)
class Room:
    """What rounding may do to one tensor of the records.

    Parameters
    ----------
    allowed : ndarray or float
        The largest difference of every entry that rounding explains.
    undecided : ndarray of bool, optional
        Entries that may be anything, because what they are chosen by lies too near.
    """

    allowed: Array | float = 0.0
    undecided: Mask | None = None


@dataclass(frozen=True)
class Reach:
    """Where the values lie that the records are made of, and how far rounding may carry them.

    Rows are examples, as in the records' own input; `held` has one for every neuron.

    Parameters
    ----------
    zs, activations : ndarray (examples, hidden)
        The centres.
    e_zs, e_activations : ndarray (examples, hidden)
        No two correct implementations are further apart, and none is further from the centre.
    open_digits : ndarray (examples,) of bool
        Images whose digit rounding could change.
    open_held : ndarray (hidden, examples) of bool
        The same while a neuron is held at its mean.
    e_held : ndarray (hidden,)
        Of the mean at which it is held.
    """

    zs: Array
    activations: Array
    e_zs: Array
    e_activations: Array
    open_digits: Mask
    open_held: Mask
    e_held: Array

    @property
    def open_firing(self) -> Mask:
        """Where rounding could change whether a neuron fires, (examples, hidden)."""
        return np.abs(self.activations - FIRING_ACTIVATION) <= self.e_activations


def reach(parameters: Parameters, images: NDArray[Any], dtype: str) -> Reach:
    """Return how far rounding may carry what a first hidden layer does on some images.

    Parameters
    ----------
    parameters : Parameters
        In float32 exact in float32, as the images are.
    images : ndarray (examples, pixels)
    dtype : str
        float64 or float32.
    """
    parts = []
    for start in range(0, len(images), BLOCK):
        x = images[start : start + BLOCK].T.astype(np.float64)
        bounds = forward_bounds(parameters.weights, parameters.biases, x, dtype=dtype)
        centre = bounds.centre
        undecided = margins_open(centre.activations[-1], bounds.activations[-1])
        found = (centre.zs[0], centre.activations[1], bounds.zs[0], bounds.activations[1])
        parts.append((*(v.T for v in found), undecided))
    zs, activations, e_zs, e_activations, digits = (
        np.concatenate(part) for part in zip(*parts, strict=True)
    )
    e_held = e_activations.mean(axis=0) + 2 * unit_roundoff(dtype) + ROUNDED
    held = open_while_held(parameters, activations, e_activations, e_held, dtype)
    return Reach(zs, activations, e_zs, e_activations, digits, held, e_held)


def margins_open(outputs: Array, e: Array) -> Mask:
    """Return for which images rounding could choose another digit.

    Parameters
    ----------
    outputs, e : ndarray (digits, examples)
    """
    second, first = np.sort(outputs, axis=0)[-2:]
    return np.asarray(first - second <= 2 * e.max(axis=0))


def open_while_held(
    parameters: Parameters, activations: Array, e: Array, e_mean: Array, dtype: str
) -> Mask:
    """Return for which images rounding could choose another digit while a neuron is held.

    Parameters
    ----------
    parameters : Parameters
    activations, e : ndarray (examples, hidden)
    e_mean : ndarray (hidden,)
        Of the mean activations.
    dtype : str

    Returns
    -------
    ndarray (hidden, examples) of bool
    """
    found = []
    for number, mean in enumerate(mean_activations(activations)):
        held, e_held = activations.copy(), e.copy()
        held[:, number], e_held[:, number] = mean, e_mean[number]
        found.append(margins_open(*carried(parameters, held.T, e_held.T, dtype)))
    return np.array(found)


def carried(parameters: Parameters, a: Array, e: Array, dtype: str) -> Margins:
    """Return the output activations for hidden ones that are known within e, and their bound.

    Two implementations that get inputs e apart differ by what they would from one input, by
    |W| e, and by what rounding adds for inputs so much larger, which is far less than |W| e.

    Parameters
    ----------
    parameters : Parameters
    a, e : ndarray (hidden, examples)
    dtype : str
    """
    u = unit_roundoff(dtype)
    for w, b in zip(parameters.weights[1:], parameters.biases[1:], strict=True):
        if dtype == "float32":  # bounds are of inputs that the format holds
            a = a.astype(np.float32).astype(np.float64)
            e = e + 2 * u
        bounds = forward_bounds([w], [b], a, dtype=dtype)
        e = STEEPEST * (bounds.zs[0] + 2 * np.abs(w) @ e) + 2 * u * (EXP_ULPS + 3)
        a = bounds.centre.activations[1]
    return a, e


def rooms(records: NeuronRecords, labels: NDArray[np.int64], near: Reach) -> dict[str, Room]:
    """Return what rounding may do to every tensor of the records; what is not named, nothing.

    Parameters
    ----------
    records : NeuronRecords
        The reference's.
    labels : ndarray (examples,) of int
    near : Reach
    """
    shown = [labels == digit for digit in range(len(records.shown))]
    found = {"z_edges": Room(near.e_zs.max() + ROUNDED * np.abs(near.zs).max())}
    found |= of_z(records, shown, near) | of_activations(records, shown, near)
    found |= of_firing(records, shown, near) | of_need(records, shown, near)
    for name, key in rankings(near).items():
        found |= of_ranking(records, name, key, near)
    return found


def of_z(records: NeuronRecords, shown: list[Mask], near: Reach) -> dict[str, Room]:
    """Return what rounding may do to what is said of z by digit, and to its tails.

    Parameters
    ----------
    records, near
        As in `rooms`.
    shown : list of ndarray (examples,) of bool
        The images of every digit; here and below.
    """
    largest = np.abs(near.zs).max()
    tails = {"low": near.zs + SATURATED_Z, "high": near.zs - SATURATED_Z}
    found = {
        f"responds_to.saturated_{tail}": Room(
            part((np.abs(v) <= near.e_zs).sum(axis=0), records.examples)
        )
        for tail, v in tails.items()
    }
    named = {"z_mean": np.mean, "z_sd": root_mean_square, "z_quantiles": np.max}
    for name, norm in named.items():
        e = by_digit(near.e_zs, shown, norm) + ROUNDED * largest
        found[f"responds_to.{name}"] = Room(e[:, :, None] if name == "z_quantiles" else e)
    found["responds_to.z_histogram"] = Room(open_bins(records.z_edges, shown, near))
    found["responds_to.auroc"] = Room(open_pairs(shown, near))
    return found


def of_activations(records: NeuronRecords, shown: list[Mask], near: Reach) -> dict[str, Room]:
    """Return what rounding may do to mean activations and to the index made of them."""
    e = by_digit(near.e_activations, shown, np.mean) + ROUNDED
    means = np.array([r.responds_to.activation_mean for r in records.neurons])
    index, preferred = of_selectivity(means, e)
    return {
        "responds_to.activation_mean": Room(e),
        "responds_to.activation_mean_all": Room(near.e_activations.mean(axis=0) + ROUNDED),
        "responds_to.class_selectivity": Room(index),
        "responds_to.preferred_digit": Room(undecided=preferred),
    }


def of_selectivity(means: Array, e: Array) -> tuple[Array, Mask]:
    """Return what rounding may do to the class selectivity index, and where to its digit.

    The largest mean moves by no more than the largest e, whichever digit then has it, and the sum
    of all by no more than theirs.

    Parameters
    ----------
    means, e : ndarray (hidden, digits)
        NaN for a digit without images.
    """
    there = np.isfinite(means)
    e = np.where(there, e, 0.0)
    others = np.maximum(there.sum(axis=1) - 1, 1)
    top, e_top = np.nanmax(means, axis=1), e.max(axis=1)
    o = (np.nansum(means, axis=1) - top) / others
    e_o = (e.sum(axis=1) + e_top) / others
    high = selectivity(top + e_top, np.maximum(o - e_o, 0.0))
    low = selectivity(np.maximum(top - e_top, 0.0), o + e_o)
    return high - low + ROUNDED, runner_up(means, e)


def selectivity(top: Array, other: Array) -> Array:
    """Return the class selectivity index of two means (Morcos et al. 2018, section 2.3)."""
    total = top + other
    return np.divide(top - other, total, out=np.zeros_like(total), where=total > 0)


def of_firing(records: NeuronRecords, shown: list[Mask], near: Reach) -> dict[str, Room]:
    """Return what rounding may do to firing, and to the roles that follow from it."""
    undecided = by_digit(near.open_firing.astype(np.float64), shown, np.sum)
    found = {
        "responds_to.fired": Room(undecided),
        "responds_to.firing_rate": Room(part(undecided, np.maximum(records.shown, 1))),
        "responds_to.firing_rate_all": Room(part(undecided.sum(axis=1), records.examples)),
    }
    chosen = np.asarray(near.open_firing.any(axis=0))
    return found | {name: Room(undecided=chosen) for name in DEPENDS_ON_FIRING}


def of_need(records: NeuronRecords, shown: list[Mask], near: Reach) -> dict[str, Room]:
    """Return what rounding may do to what the network answers, whole and with a neuron held."""
    counts = np.maximum(records.shown, 1)
    intact = np.array([near.open_digits[mask].sum() for mask in shown], dtype=np.float64)
    held = by_digit(near.open_held.T.astype(np.float64), shown, np.sum)
    lost = part(intact + held, counts)
    lost_of_all = part(intact.sum() + held.sum(axis=1), records.examples)
    found = {
        "confusion": Room(intact[:, None]),
        "recall": Room(part(intact, counts)),
        "correct": Room(float(intact.sum())),
        "needed_for.confusion": Room(held[:, :, None]),
        "needed_for.recall": Room(part(held, counts)),
        "needed_for.correct": Room(held.sum(axis=1)),
        "needed_for.recall_lost": Room(lost),
        "needed_for.accuracy_lost": Room(lost_of_all),
    }
    if records.neurons[0].needed_for is None:
        return found
    recall_lost = [r.needed_for.recall_lost for r in records.neurons if r.needed_for]
    digit = runner_up(np.array(recall_lost), lost)
    needed = [r.needed_for.most_needed_digit for r in records.neurons if r.needed_for]
    found["needed_for.most_needed_digit"] = Room(undecided=digit)
    found["needed_for.mistaken_for"] = Room(
        undecided=digit | (held[np.arange(len(held)), needed] > 0)
    )
    return found


def runner_up(values: Array, e: Array) -> Mask:
    """Return in which rows another entry may be the largest.

    Parameters
    ----------
    values, e : ndarray (hidden, digits)
        Where both bounds are 0, of equals the first is the largest, for certain.
    """
    values = np.where(np.isnan(values), -np.inf, values)
    rows, first = np.arange(len(values)), values.argmax(axis=1)
    together = e + e[rows, first][:, None]
    near = (values[rows, first][:, None] - values <= together) & (together > 0)
    near[rows, first] = False
    return np.asarray(near.any(axis=1))


def rankings(near: Reach) -> dict[str, Array]:
    """Return what every ranking is by, smallest first, (examples, hidden)."""
    return {"highest": -near.zs, "lowest": near.zs, "nearest_zero": np.abs(near.zs)}


def of_ranking(records: NeuronRecords, name: str, key: Array, near: Reach) -> dict[str, Room]:
    """Return what rounding may do to one ranking: its places, and the values there.

    Parameters
    ----------
    records, near
        As in `rooms`.
    name : str
        The record's field.
    key : ndarray (examples, hidden)
    """
    places = len(getattr(records.neurons[0], name).indices)
    undecided = open_places(key, near, places)
    e_z, e_a = (e.max(axis=0)[:, None] for e in (near.e_zs, near.e_activations))
    return {
        f"{name}.indices": Room(undecided=undecided),
        f"{name}.labels": Room(undecided=undecided),
        f"{name}.zs": Room(e_z, undecided),
        f"{name}.activations": Room(e_a, undecided),
    }


def open_places(key: Array, near: Reach, places: int) -> Mask:
    """Return which places of a ranking could go to another image, (hidden, places).

    Parameters
    ----------
    key : ndarray (examples, hidden)
    near : Reach
    places : int
    """
    ordered = np.sort(key, axis=0)[: places + 1]
    close = np.diff(ordered, axis=0) <= 2 * near.e_zs.max(axis=0)
    undecided = np.zeros((places, key.shape[1]), dtype=bool)
    undecided[: len(close)] |= close[:places]
    undecided[1:] |= close[: places - 1]
    return undecided.T


def open_bins(edges: Array, shown: list[Mask], near: Reach) -> Array:
    """Return how many images may lie in either of several bins, by neuron, digit and bin.

    Parameters
    ----------
    edges : ndarray (BINS + 1,)
        The reference's; another's are within the largest e of them.
    """
    room = near.e_zs + near.e_zs.max() + ROUNDED * np.abs(near.zs).max()
    low, high = (
        np.clip(np.searchsorted(edges, v, side="right") - 1, 0, BINS - 1)
        for v in (near.zs - room, near.zs + room)
    )
    found = np.zeros((near.zs.shape[1], len(shown), BINS))
    for example, neuron in np.argwhere(low != high):
        digit = next(d for d, mask in enumerate(shown) if mask[example])
        found[neuron, digit, low[example, neuron] : high[example, neuron] + 1] += 1
    return found


def open_pairs(shown: list[Mask], near: Reach) -> Array:
    """Return the share of open pairs of an image of a digit and one of another.

    Returns
    -------
    ndarray (hidden, digits)
    """
    e = 2 * near.e_zs.max(axis=0)
    found = np.zeros((near.zs.shape[1], len(shown)))
    for neuron, z in enumerate(near.zs.T):
        if np.diff(np.sort(z)).min(initial=np.inf) > e[neuron]:
            continue  # as in float64 nearly always
        for digit, mask in enumerate(shown):
            inside, outside = z[mask], np.sort(z[~mask])
            below = np.searchsorted(outside, inside - e[neuron], side="left").sum()
            upto = np.searchsorted(outside, inside + e[neuron], side="right").sum()
            found[neuron, digit] = part(upto - below, max(inside.size * outside.size, 1))
    return found


def part(count: Any, whole: Any) -> Array:
    """Return a count over the whole, and what dividing rounds; 0 where the count is.

    Parameters
    ----------
    count, whole : ndarray or number
    """
    return np.asarray(np.where(np.asarray(count) > 0, count / whole + ROUNDED, 0.0))


def by_digit(values: Array, shown: list[Mask], norm: Any) -> Array:
    """Return a norm of the images of every digit, (hidden, digits); 0 where there are none.

    Parameters
    ----------
    values : ndarray (examples, hidden)
    norm : callable (values, axis=0)
    """
    nothing = np.zeros(values.shape[1])
    parts = [norm(values[mask], axis=0) if mask.any() else nothing for mask in shown]
    return np.array(parts, dtype=np.float64).T


def root_mean_square(values: Array, axis: int) -> Array:
    """Return the root of the mean of the squares."""
    return np.asarray(np.sqrt(np.mean(np.square(values), axis=axis)))
