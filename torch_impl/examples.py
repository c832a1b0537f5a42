"""What a caller hands in, checked, and put in rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reference.border import Examples
from reference.checks import check_desired, check_digits, check_settings

MINI_BATCHES_AT_ONCE = 10  # gathered from the data


def tensor(v: Any) -> Tensor:
    """Return v as a tensor that shares no memory with a NumPy array."""
    return v if isinstance(v, Tensor) else torch.tensor(np.asarray(v))


def rows(data: Any) -> tuple[Tensor, Tensor]:
    """Return Examples or pairs (x, y) as tensors (N, n_in) and (N, n_out), or (N,) of digits."""
    if hasattr(data, "x") and hasattr(data, "y"):
        return tensor(data.x), tensor(data.y)
    pairs = list(data)
    if not pairs:
        raise ValueError("there are no examples in the data; expected at least one pair (x, y)")
    x, y = zip(*pairs, strict=True)
    return torch.stack([tensor(v).ravel() for v in x]), torch.stack(
        [tensor(v).ravel() if np.ndim(v) else tensor(v) for v in y]
    )


def mini_batches(
    x: Tensor, y: Tensor, order: Tensor, mini_batch_size: int, dtype: torch.dtype
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the mini-batches (x, y) of one epoch, two matrices each.

    A few are gathered at once: a call less for each, and they stay in the cache. A shuffled copy of
    all the data would cost more in page faults than the training itself.
    """
    for examples in order.split(MINI_BATCHES_AT_ONCE * mini_batch_size):
        x_taken = x.index_select(0, examples).to(dtype)
        y_taken = y.index_select(0, examples)
        yield from zip(x_taken.split(mini_batch_size), y_taken.split(mini_batch_size), strict=True)


def inputs(net: Any, x: Any) -> Tensor:
    """Return inputs as the network takes them, checked."""
    x = tensor(x).to(net.device)
    x = x[None] if x.shape == (net.sizes[0],) else x
    if x.ndim != 2 or x.shape[1] != net.sizes[0] or not x.numel():
        rows_ = f"rows of shape (m, {net.sizes[0]}), one example in each, one or more"
        raise ValueError(f"inputs are {rows_}; received shape {tuple(x.shape)}")
    net.arithmetic.check_inputs(x)
    return x.to(net.arithmetic.dtype)


def inputs_and_desired(net: Any, x: Any, y: Any) -> tuple[Any, ...]:
    """Return inputs and their desired outputs as the network takes them, checked."""
    alone = np.ndim(x) == 1  # one example as the loader has it
    x = inputs(net, x)
    return x, desired(net, tensor(y)[None] if alone else y, len(x))


def desired(net: Any, y: Any, m: int) -> Tensor:
    """Return the desired outputs of m examples, checked."""
    y = tensor(y).to(net.device, net.arithmetic.dtype)
    if y.shape != (m, net.sizes[-1]):
        shapes = f"shape {(m, net.sizes[-1])}; received shape {tuple(y.shape)}"
        raise ValueError(f"desired outputs for {m} inputs have {shapes}")
    if not torch.isfinite(y).all():
        raise ValueError("desired outputs are finite numbers; received NaN or infinity")
    return y


def mini_batch_and_eta(net: Any, mini_batch: Any, eta: float) -> tuple[Any, float]:
    """Return a mini-batch, two matrices or the book's list of pairs, as two, and eta, checked."""
    pair = mini_batch if isinstance(mini_batch, tuple) else rows(mini_batch)
    checked = inputs_and_desired(net, *pair)
    check_settings(1, 0, 1, eta)
    return checked, eta


def training_rows(net: Any, training_data: Any) -> tuple[Tensor, Tensor]:
    """Return all inputs and desired outputs to train on, checked, an example in every row."""
    x, y = (v.to(net.device) for v in rows(training_data))
    check_desired(y.shape, net.sizes[-1])
    inputs(net, x[:1])
    net.arithmetic.check_inputs(x)
    return x, desired(net, y, len(x))


def labelled(net: Any, test_data: Iterable[Any]) -> Examples:
    """Return the test data, checked: inputs in rows and a digit for each."""
    x, y = (v.to(net.device) for v in rows(test_data))
    check_digits(y.shape)
    inputs(net, x[:1])
    net.arithmetic.check_inputs(x)
    return Examples(x, y)
