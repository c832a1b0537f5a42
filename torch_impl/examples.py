"""The border of the network: what a caller hands in is checked here, once, and put in rows."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from threading import get_ident
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from reference.checks import check_desired, check_digits, check_settings

Verb = TypeVar("Verb", bound=Callable[..., Any])

MINI_BATCHES_AT_ONCE = 10  # gathered from the data


class Examples(Sequence[tuple[Tensor, Any]]):
    """Inputs x and what is wanted of them, y: whole arrays, and also Nielsen's list of pairs.

    Parameters
    ----------
    x : tensor of shape (N, n_in)
    y : tensor of shape (N, n_out), or of integers of shape (N,)
        The wanted outputs, for training; or labels, for validation and test.
    """

    def __init__(self, x: Tensor, y: Tensor) -> None:
        if x.ndim != 2 or y.ndim not in (1, 2) or len(x) != len(y):
            raise ValueError(
                "examples need x of shape (N, n_in) and y of shape (N, n_out) or (N,), "
                f"received {tuple(x.shape)} and {tuple(y.shape)}"
            )
        self.x, self.y = x, y

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: Any) -> Any:
        """One example's pair (x, y), y an int if it is a label; of a slice, Examples."""
        if isinstance(index, slice):
            return Examples(self.x[index], self.y[index])
        x, y = self.x[index], self.y[index]
        return x, (int(y) if self.y.ndim == 1 else y)

    def __repr__(self) -> str:
        return f"Examples(x of shape {tuple(self.x.shape)}, y of shape {tuple(self.y.shape)})"


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


def border(check: Callable[..., Any], grad: bool = False) -> Callable[[Verb], Verb]:
    """Return a decorator for a verb of the network, to which it hands what check makes of it all.

    A call from outside crosses the border: checked on the way in, and on the way out for what has
    left its range. A verb that another verb calls is the verb alone.
    """

    def decorate(verb: Verb) -> Verb:
        signature = inspect.signature(verb)

        @functools.wraps(verb)
        def crossed(net: Any, *arguments: Any, **keywords: Any) -> Any:
            if net.within == get_ident() and not keywords:
                return verb(net, *arguments)
            checked = check(*signature.bind(net, *arguments, **keywords).args)
            with inside(net, grad):
                result = verb(net, *(checked if isinstance(checked, tuple) else (checked,)))
                net.arithmetic.check()
            return result

        return crossed  # type: ignore[return-value]

    return decorate


@contextlib.contextmanager
def inside(net: Any, grad: bool | None = None) -> Iterator[None]:
    """Let this thread call the verbs of the network with what has been checked already."""
    outer, net.within = net.within, get_ident()
    try:
        with torch.set_grad_enabled(torch.is_grad_enabled() if grad is None else grad):
            yield
    finally:
        net.within = outer


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
