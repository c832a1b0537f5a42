"""The border of both networks: what a caller hands in is checked here once, and not within.

What computes nothing stands once: torch_impl/ uses it too. In which arrays examples lie, and how,
the twins say in their `examples.py`.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import math
import os
from collections.abc import Callable, Iterator, Sequence
from threading import get_ident
from types import SimpleNamespace
from typing import Any, TypeVar

import numpy as np

from reference.checks import check_settings

Verb = TypeVar("Verb", bound=Callable[..., Any])
# In place of a generator, where all that it would draw is given:
UNDRAWN: Any = SimpleNamespace(standard_normal=np.zeros)


class Examples(Sequence[Any]):
    """Inputs x and what is wanted of them, y: whole arrays, and also Nielsen's list of pairs.

    x has the shape (N, n_in); y (N, n_out), the wanted outputs, for training, or (N,), the labels
    as integers, for validation and test.
    """

    def __init__(self, x: Any, y: Any) -> None:
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
        x, y = self.x[index], self.y[index]
        if isinstance(index, slice):
            return type(self)(x, y)
        return self._alone(x), (int(y) if self.y.ndim == 1 else self._alone(y))

    def _alone(self, row: Any) -> Any:
        """One example: in NumPy a column, as in the book, in PyTorch a row."""
        return row[:, None] if isinstance(row, np.ndarray) else row

    def __repr__(self) -> str:
        return f"Examples(x of shape {tuple(self.x.shape)}, y of shape {tuple(self.y.shape)})"


def inputs(net: Any, x: Any) -> Any:
    """Return inputs as the network takes them, checked."""
    n, given, x = net.sizes[0], tuple(np.shape(x)), _laid(net, x)
    if x.ndim != 2 or 0 in x.shape or _turned(net, x).shape[1] != n:
        form = f"rows of shape (m, {n})" if net.examples.ROWS else f"columns of shape ({n}, m)"
        raise ValueError(
            f"inputs are {form}, one example in each, one or more; received shape {given}"
        )
    net.arithmetic.check_inputs(x)
    return net.examples.kept(net, x)


def desired(net: Any, y: Any, m: int) -> Any:
    """Return the desired outputs of m examples, checked."""
    given, y = tuple(np.shape(y)), net.examples.kept(net, _laid(net, y))
    expected = (m, net.sizes[-1]) if net.examples.ROWS else (net.sizes[-1], m)
    if tuple(y.shape) != expected:
        shapes = f"shape {expected}; received shape {given}"
        raise ValueError(f"desired outputs for {m} inputs have {shapes}")
    if not abs(y).max() < math.inf:  # nor is NaN
        raise ValueError("desired outputs are finite numbers; received NaN or infinity")
    return y


def inputs_and_desired(net: Any, x: Any, y: Any, *others: Any) -> tuple[Any, ...]:
    """Return inputs and their desired outputs as the network takes them, checked."""
    x = inputs(net, x)
    return x, desired(net, y, len(_turned(net, x))), *others


def mini_batch_and_eta(net: Any, mini_batch: Any, eta: float) -> tuple[Any, float]:
    """Return a mini-batch, two matrices or the book's list of pairs, as two, and eta, checked."""
    if not isinstance(mini_batch, tuple):
        mini_batch = [_turned(net, v) for v in rows(net, mini_batch)]
    checked = inputs_and_desired(net, *mini_batch)
    check_settings(1, 0, 1, eta)
    return checked, eta


def rows(net: Any, data: Any) -> tuple[Any, Any]:
    """Return Examples or pairs (x, y) as arrays (N, n_in) and (N, n_out), or (N,) of digits."""
    x, y = getattr(data, "x", None), getattr(data, "y", None)
    if x is None or y is None:
        pairs = list(data)
        if not pairs:
            raise ValueError("there are no examples in the data; expected at least one pair (x, y)")
        x, y = map(net.examples.stacked, zip(*pairs, strict=True))
    return net.examples.array(net, x), net.examples.array(net, y)


def training_rows(net: Any, training_data: Any) -> tuple[Any, Any]:
    """Return all inputs and desired outputs to train on, checked, an example in every row."""
    x, y = rows(net, training_data)
    if y.ndim != 2:
        raise ValueError(
            f"training data pairs every input with {net.sizes[-1]} desired outputs; received "
            f"digits: use the first of what load_data_wrapper returns, or vectorized_result"
        )
    inputs(net, _turned(net, x[:1]))
    net.arithmetic.check_inputs(x)
    return x, _turned(net, desired(net, _turned(net, y), len(x)))


def labelled(net: Any, test_data: Any) -> Examples:
    """Return the test data, checked: inputs in rows and a digit for each."""
    x, y = rows(net, test_data)
    if y.ndim != 1 or not len(y):
        raise ValueError(
            f"test data pairs every input with its digit and has one example or more; received "
            f"digits of shape {tuple(y.shape)}: use what load_data_wrapper returns second or third"
        )
    inputs(net, _turned(net, x[:1]))
    net.arithmetic.check_inputs(x)
    return Examples(x, y)


def _laid(net: Any, v: Any) -> Any:
    """Return v as an array of the network's; in rows, one example may come as the loader has it."""
    v = net.examples.array(net, v)
    return v[None] if net.examples.ROWS and v.ndim == 1 else v


def _turned(net: Any, v: Any) -> Any:
    """Return rows as the network has examples, or these as rows."""
    return v if net.examples.ROWS else v.T


def checked(
    check: Callable[..., Any], around: Callable[[], Any] = contextlib.nullcontext
) -> Callable[[Verb], Verb]:
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
            taken = check(*signature.bind(net, *arguments, **keywords).args)
            with inside(net), around():
                result = verb(net, *(taken if isinstance(taken, tuple) else (taken,)))
                net.arithmetic.check()
            return result

        return crossed  # type: ignore[return-value]

    return decorate


@contextlib.contextmanager
def inside(net: Any) -> Iterator[None]:
    """Let this thread call the verbs of the network with what has been checked already."""
    outer, net.within = net.within, get_ident()
    try:
        yield
    finally:
        net.within = outer


def save(net: Any, path: str | os.PathLike[str]) -> None:
    """Write the network to a JSON file, all of it or nothing, replacing one that exists."""
    from model.parameters import Parameters  # only here: all else needs NumPy alone

    Parameters.of(net).save(path)


def load(cls: Any, path: str | os.PathLike[str], *arguments: Any, **keywords: Any) -> Any:
    """Return the network that a JSON file holds, ours or one of the book's network2.

    What follows the path is handed to `from_parameters`.
    """
    from model.parameters import Parameters

    return cls.from_parameters(Parameters.load(path), *arguments, **keywords)


def named(net: Any) -> str:
    """Return the network in a few words: its sizes and arithmetic."""
    return f"Network({'-'.join(map(str, net.sizes))}, {net.arithmetic.name})"


def shown(net: Any) -> str:
    """Return the network as a notebook shows it: its sizes and arithmetic, and every layer."""
    rows = "<tr><td>layer</td><td>weights</td><td>largest</td><td>largest bias</td></tr>"
    for layer, (w, b) in enumerate(zip(*net.export(), strict=True), 1):
        cells = layer, f"{len(w)} x {w.shape[1]}", f"{abs(w).max():.3g}", f"{abs(b).max():.3g}"
        rows += f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
    return f"<p>{named(net)}</p><table>{rows}</table>"
