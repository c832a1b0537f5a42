"""The border of both networks: what a caller hands in is checked there once, and not within.

What computes nothing stands once: torch_impl/ uses it too.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import os
from collections.abc import Callable, Iterator, Sequence
from threading import get_ident
from types import SimpleNamespace
from typing import Any, TypeVar

import numpy as np

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


def border(
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
            checked = check(*signature.bind(net, *arguments, **keywords).args)
            with inside(net), around():
                result = verb(net, *(checked if isinstance(checked, tuple) else (checked,)))
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
    from model.parameters import Parameters  # whose checks are those of this folder

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
    cells = [("layer", "weights", "largest", "largest bias")]
    for layer, (w, b) in enumerate(zip(*net.export(), strict=True), 1):
        cells += [
            (str(layer), f"{len(w)} x {w.shape[1]}", f"{abs(w).max():.3g}", f"{abs(b).max():.3g}")
        ]
    rows = ("".join(f"<td>{cell}</td>" for cell in row) for row in cells)
    return f"<p>{named(net)}</p><table>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"
