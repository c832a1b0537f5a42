"""What a caller hands in, checked, and put in columns."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from reference.border import Examples
from reference.checks import check_desired, check_digits, check_settings

MINI_BATCHES_AT_ONCE = 10  # gathered from the data


def rows(data: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return Examples or pairs (x, y) as arrays (N, n_in) and (N, n_out), or (N,) of digits."""
    if hasattr(data, "x") and hasattr(data, "y"):
        return data.x, data.y
    pairs = list(data)
    if not pairs:
        raise ValueError("there are no examples in the data; expected at least one pair (x, y)")
    x, y = zip(*pairs, strict=True)
    return np.stack([*map(np.ravel, x)]), np.stack([np.ravel(v) if np.ndim(v) else v for v in y])


def mini_batches(
    x: np.ndarray, y: np.ndarray, order: np.ndarray, mini_batch_size: int, dtype: type
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the mini-batches (x, y) of one epoch, two matrices each.

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


def inputs(net: Any, x: Any) -> np.ndarray:
    """Return inputs as the network takes them, checked."""
    x = np.asarray(x)
    if x.ndim != 2 or x.shape[0] != net.sizes[0] or not x.size:
        columns = f"columns of shape ({net.sizes[0]}, m), one example in each, one or more"
        raise ValueError(f"inputs are {columns}; received shape {x.shape}")
    net.arithmetic.check_inputs(x)
    return x.astype(net.arithmetic.dtype, copy=False)


def inputs_and_desired(net: Any, x: Any, y: Any, *others: Any) -> tuple[Any, ...]:
    """Return inputs and their desired outputs as the network takes them, checked."""
    x = inputs(net, x)
    return x, desired(net, y, x.shape[1]), *others


def desired(net: Any, y: Any, m: int) -> np.ndarray:
    """Return the desired outputs of m examples, checked."""
    y = np.asarray(y, dtype=net.arithmetic.dtype)
    if y.shape != (net.sizes[-1], m):
        shapes = f"shape {(net.sizes[-1], m)}; received shape {y.shape}"
        raise ValueError(f"desired outputs for {m} inputs have {shapes}")
    if not np.isfinite(y).all():
        raise ValueError("desired outputs are finite numbers; received NaN or infinity")
    return y


def mini_batch_and_eta(net: Any, mini_batch: Any, eta: float) -> tuple[Any, float]:
    """Return a mini-batch, two matrices or the book's list of pairs, as two, and eta, checked."""
    pair = mini_batch if isinstance(mini_batch, tuple) else [v.T for v in rows(mini_batch)]
    checked = inputs_and_desired(net, *pair)
    check_settings(1, 0, 1, eta)
    return checked, eta


def training_rows(net: Any, training_data: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return all inputs and desired outputs to train on, checked, an example in every row."""
    x, y = rows(training_data)
    check_desired(y.shape, net.sizes[-1])
    inputs(net, x[:1].T)
    net.arithmetic.check_inputs(x)
    return x, desired(net, y.T, len(x)).T


def labelled(net: Any, test_data: Iterable[Any]) -> Examples:
    """Return the test data, checked: inputs in rows and a digit for each."""
    x, y = rows(test_data)
    check_digits(y.shape)
    inputs(net, x[:1].T)
    net.arithmetic.check_inputs(x)
    return Examples(x, y)
