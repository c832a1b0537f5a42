"""The arrays that a backend hands in, checked against the network and against each other.

Axis words: *examples* N, *hidden* 20, *digits* 10, *pixels* 784.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from model.records import BoolArray, FloatArray, IntArray

#: The widest output layer: a digit set is kept as the bits of an int64.
MOST_DIGITS = 62
#: Larger magnitudes of z would overflow when they are squared.
LARGEST_Z = 1e100


class ParametersLike(Protocol):
    """The part of `model.parameters.Parameters` that the records read."""

    @property
    def sizes(self) -> tuple[int, ...]: ...
    @property
    def weights(self) -> tuple[NDArray[Any], ...]: ...
    @property
    def biases(self) -> tuple[NDArray[Any], ...]: ...
    @property
    def metadata(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True, eq=False)
class Sample:
    """The examples by ascending dataset index, a row for each neuron; everything checked."""

    zs: FloatArray  # (hidden, examples)
    activations: FloatArray  # (hidden, examples)
    labels: IntArray  # (examples,)
    indices: IntArray  # (examples,)
    predictions: IntArray | None  # (examples,)
    ablated: IntArray | None  # (hidden, examples)
    digits: int

    @cached_property
    def shown(self) -> IntArray:
        """Number of images of each digit, (digits,)."""
        return np.bincount(self.labels, minlength=self.digits)

    @cached_property
    def by_digit(self) -> list[BoolArray]:
        """Which examples show each digit, a mask (examples,) for every digit."""
        return [self.labels == digit for digit in range(self.digits)]


def check_network(parameters: ParametersLike, initial: ParametersLike | None) -> None:
    """Refuse a network without hidden neurons, or a start of another shape.

    Raises
    ------
    ValueError
        Naming the sizes that were expected and received.
    """
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


def checked_sample(
    sizes: tuple[int, int],
    arrays: tuple[ArrayLike, ArrayLike, ArrayLike],
    *,
    indices: ArrayLike | None,
    predictions: ArrayLike | None,
    ablated: ArrayLike | None,
) -> Sample:
    """Check the arrays against the network and each other, and order them by dataset index.

    Parameters
    ----------
    sizes
        hidden and digits.
    arrays
        zs and activations, (examples, hidden), and labels, (examples,).
    indices, predictions
        (examples,), each or None.
    ablated
        (hidden, examples) or None.

    Raises
    ------
    ValueError
        Naming the first array that does not fit.
    """
    (hidden, digits), (zs, activations, labels) = sizes, arrays
    checked = _integers("labels", labels, None, digits)
    count = len(checked)
    if ablated is not None and predictions is None:
        raise ValueError(
            "ablated_predictions: without the intact network's predictions there is nothing to "
            "compare with; hand in predictions too"
        )
    places = np.arange(count) if indices is None else _integers("indices", indices, (count,), None)
    order = _order(places)

    def answers(name: str, values: ArrayLike | None, shape: tuple[int, ...]) -> IntArray | None:
        return None if values is None else _integers(name, values, shape, digits)[..., order]

    return Sample(
        zs=_columns("zs", zs, (count, hidden), -LARGEST_Z, LARGEST_Z)[:, order],
        activations=_columns("activations", activations, (count, hidden), 0.0, 1.0)[:, order],
        labels=checked[order],
        indices=places[order],
        predictions=answers("predictions", predictions, (count,)),
        ablated=answers("ablated_predictions", ablated, (hidden, count)),
        digits=digits,
    )


def _order(indices: IntArray) -> IntArray:
    """The order that sorts the dataset indices, of which none may come twice."""
    order = np.argsort(indices, kind="stable")
    repeated = indices[order][1:][np.diff(indices[order]) == 0]
    if len(repeated):
        raise ValueError(
            f"indices: expected every dataset index once, received {repeated[0]} more than once"
        )
    return order


def pixel_mask(values: ArrayLike, pixels: int) -> BoolArray:
    """Check a (pixels,) mask of never-lit pixels and copy it, read-only.

    Raises
    ------
    ValueError
        Where it is no vector of that many bools.
    """
    mask = np.array(values)
    if mask.shape != (pixels,) or mask.dtype != np.bool_:
        raise ValueError(
            f"never_lit: expected bools of shape ({pixels},), received {mask.dtype} of shape "
            f"{mask.shape}; hand in never_lit_pixels(training images)"
        )
    mask.flags.writeable = False
    return mask


def _columns(
    name: str, values: ArrayLike, shape: tuple[int, int], low: float, high: float
) -> FloatArray:
    """Check (examples, hidden) numbers and turn them to (hidden, examples)."""
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


def _integers(
    name: str, values: ArrayLike, shape: tuple[int, ...] | None, below: int | None
) -> IntArray:
    """Check integers of that shape (None: any vector but an empty one), from 0 to below."""
    array = np.asarray(values)
    if (array.ndim != 1 or not len(array)) if shape is None else array.shape != shape:
        expected = "(examples,) with at least one example" if shape is None else f"{shape}"
        raise ValueError(f"{name}: expected shape {expected}, received {array.shape}")
    if array.dtype.kind not in "iu":
        raise ValueError(f"{name}: expected integers, received {array.dtype}")
    wrong = array[(array < 0) | (array >= (below if below is not None else np.inf))]
    if wrong.size:
        end = "" if below is None else f" to {below - 1}"
        raise ValueError(f"{name}: expected integers from 0{end}, received {wrong.flat[0]}")
    return array.astype(np.int64)
