"""How examples lie in PyTorch's tensors, one in every row, and how mini-batches are taken."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

ROWS = True  # an example is a row


def tensor(v: Any) -> Tensor:
    """Return v as a tensor that shares no memory with a NumPy array."""
    return v if isinstance(v, Tensor) else torch.tensor(np.asarray(v))


def array(net: Any, v: Any) -> Tensor:
    """Return v as one of the network's tensors."""
    return tensor(v).to(net.device)


def kept(net: Any, v: Tensor) -> Tensor:
    """Return v in the numbers that the network computes in."""
    return v.to(net.arithmetic.dtype)


def stacked(several: Sequence[Any]) -> Tensor:
    """Return vectors, or digits, as the rows of one tensor."""
    return torch.stack([v.ravel() if v.ndim else v for v in map(tensor, several)])


def mini_batches(
    x: Tensor, y: Tensor, order: Tensor, mini_batch_size: int, dtype: torch.dtype
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the mini-batches (x, y) of examples in an order, two matrices each.

    All are gathered at once: `compiled.py` asks for a few.
    """
    x_taken, y_taken = x.index_select(0, order).to(dtype), y.index_select(0, order)
    yield from zip(x_taken.split(mini_batch_size), y_taken.split(mini_batch_size), strict=True)
