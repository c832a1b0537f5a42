"""How examples lie in NumPy's arrays, one in every column, and how mini-batches are taken."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

ROWS = False  # an example is a column
MINI_BATCHES_AT_ONCE = 10  # gathered from the data


def array(net: Any, v: Any) -> np.ndarray:
    """Return v as one of the network's arrays."""
    return np.asarray(v)


def kept(net: Any, v: np.ndarray) -> np.ndarray:
    """Return v in the numbers that the network computes in."""
    return v.astype(net.arithmetic.dtype, copy=False)


def stacked(several: Sequence[Any]) -> np.ndarray:
    """Return vectors, or digits, as the rows of one array."""
    return np.stack([np.ravel(v) if np.ndim(v) else v for v in several])


def mini_batches(
    x: np.ndarray, y: np.ndarray, order: np.ndarray, mini_batch_size: int, dtype: type
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the mini-batches (x, y) of examples in an order, two matrices each.

    A few are gathered at once: a call less for each, and they stay in the cache. A shuffled copy of
    all the data would cost more in page faults than the training itself.
    """
    several = MINI_BATCHES_AT_ONCE * mini_batch_size
    for start in range(0, len(order), several):
        examples = order[start : start + several]
        x_taken: np.ndarray = x.take(examples, axis=0).astype(dtype, copy=False)
        y_taken = y.take(examples, axis=0)
        for k in range(0, len(examples), mini_batch_size):
            yield x_taken[k : k + mini_batch_size].T, y_taken[k : k + mini_batch_size].T


@functools.cache
def ones(m: int, dtype: np.dtype) -> np.ndarray:
    """Return an array (m, 1) that is 1 everywhere: the input that a bias is the weight of."""
    return np.ones((m, 1), dtype)
