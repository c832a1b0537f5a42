"""Who can be put to the proof: the protocol of a candidate, and finding the one that was named.

A candidate is a class with five small methods, in the book's words, over NumPy columns (an
example in every column). It may lack the later ones; their links then say "not offered". A
complete one, to copy:

    import numpy as np

    class MyNetwork:
        def __init__(self, sizes, weights, biases):
            self.weights = [np.array(w) for w in weights]  # copies: what is handed in is lent
            self.biases = [np.array(b) for b in biases]

        def export(self):
            return self.weights, self.biases

        def trace(self, x):
            zs, activations = [], [x]
            for w, b in zip(self.weights, self.biases):
                zs.append(w @ activations[-1] + b)
                activations.append(1 / (1 + np.exp(-zs[-1])))
            return zs, activations

        def backprop(self, x, y):
            _, activations = self.trace(x)
            a = activations[-1]
            delta = (a - y) * a * (1 - a)
            nabla_b, nabla_w = [], []
            for layer in reversed(range(len(self.weights))):
                a = activations[layer]
                nabla_b.insert(0, delta.sum(axis=1, keepdims=True))
                nabla_w.insert(0, delta @ a.T)
                delta = (self.weights[layer].T @ delta) * a * (1 - a)
            return nabla_b, nabla_w

        def update_mini_batch(self, x, y, eta):
            nabla_b, nabla_w = self.backprop(x, y)
            self.weights = [w - eta / x.shape[1] * n for w, n in zip(self.weights, nabla_w)]
            self.biases = [b - eta / x.shape[1] * n for b, n in zip(self.biases, nabla_b)]

The same in another framework, JAX, which differentiates the cost itself:

    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)

    def run(parameters, x):
        zs, activations = [], [x]
        for w, b in parameters:
            zs.append(w @ activations[-1] + b)
            activations.append(jax.nn.sigmoid(zs[-1]))
        return zs, activations

    def cost(parameters, x, y):
        return jnp.sum((run(parameters, x)[1][-1] - y) ** 2) / 2

    gradient = jax.jit(jax.grad(cost))

    class InJax:
        def __init__(self, sizes, weights, biases):
            self.parameters = [(jnp.array(w), jnp.array(b)) for w, b in zip(weights, biases)]

        def export(self):
            return [w for w, _ in self.parameters], [b for _, b in self.parameters]

        def trace(self, x):
            return run(self.parameters, jnp.array(x))

        def backprop(self, x, y):
            nablas = gradient(self.parameters, jnp.array(x), jnp.array(y))
            return [nabla_b for _, nabla_b in nablas], [nabla_w for nabla_w, _ in nablas]

        def update_mini_batch(self, x, y, eta):
            nabla_b, nabla_w = self.backprop(x, y)
            self.parameters = [
                (w - eta / x.shape[1] * nw, b - eta / x.shape[1] * nb)
                for (w, b), nw, nb in zip(self.parameters, nabla_w, nabla_b)
            ]

The proof hands every method fresh copies and spoils them afterwards, so that a candidate can
neither compare a thing with itself nor hand back what it was given.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any, ClassVar, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from compare.difference import Unusable
from model.printable import printable

Array = NDArray[np.float64]
Arrays = list[Array]
DTYPES = ("float64", "float32", "fixed-point")


class Candidate(Protocol):
    """What a re-implementation offers to be compared: five methods, and more if it likes.

    Wherever arrays are asked for, anything that `numpy.asarray` understands will do: nested
    lists, or the arrays of another framework. Every `x` is (sizes[0], m) and every `y`
    (sizes[-1], m), float64, an example in every column; m may be 1.

    Parameters
    ----------
    sizes : list of int
        Units of every layer, the input layer first. Raise ValueError for sizes that are not
        supported.
    weights : list of ndarray (sizes[l + 1], sizes[l])
    biases : list of ndarray (sizes[l + 1], 1)
        Both float64. Copy them: the arrays are spoilt after the call.

    Attributes
    ----------
    dtype : "float64", "float32" or "fixed-point", optional
        What the candidate computes in; float64 where it does not say. It decides what rounding
        may explain. With float32 everything handed in is exact in float32; fixed-point must agree
        in every bit.
    """

    dtype: ClassVar[str] = "float64"

    def __init__(self, sizes: list[int], weights: Arrays, biases: Arrays) -> None: ...

    def export(self) -> tuple[Arrays, Arrays]:
        """Return the weights and the biases, in the shapes that they were handed in."""

    def trace(self, x: Array) -> tuple[Arrays, Arrays]:
        """Return zs, (n, m) for every layer but the input, and activations, x first.

        A candidate may offer `feedforward(x)`, the output activations alone, in its place.
        """

    def backprop(self, x: Array, y: Array) -> tuple[Arrays, Arrays]:
        """Return nabla_b and nabla_w, shaped as biases and weights: the sum over the mini-batch."""

    def update_mini_batch(self, x: Array, y: Array, eta: float) -> None:
        """Take one step: w - (eta / m) * nabla_w, and the same for the biases."""

    # Further methods, each optional:
    #
    # feedforward(x) -> output activations (sizes[-1], m)
    # deltas(x, y)   -> the error of every layer, (n, m) each, the first hidden layer first
    # train(x, y, order, mini_batch_size, eta): one epoch over the columns of x and y. The k-th
    #                example is column order[k]; mini-batches are consecutive slices of that
    #                order, the last one smaller where they do not divide it.
    # load_data(path) -> (training, validation, test), a pair each of images (N, 784), byte / 256,
    #                and labels (N,). path is a folder with MNIST's four IDX files.
    # with_arithmetic(name), a classmethod -> a class: the same candidate in another arithmetic


def declared_dtype(candidate: type) -> str:
    """Return the precision that a candidate declares.

    Parameters
    ----------
    candidate : class

    Raises
    ------
    Unusable
        It is none of `DTYPES`.
    """
    dtype = getattr(candidate, "dtype", "float64")
    if dtype not in DTYPES:
        raise Unusable(
            f"{name_of(candidate)}.dtype: expected one of {', '.join(DTYPES)}, received {dtype!r}"
        )
    return cast(str, dtype)


def name_of(candidate: type) -> str:
    """Return what reports call a candidate.

    Parameters
    ----------
    candidate : class
    """
    return printable(
        getattr(candidate, "label", None) or f"{candidate.__module__}:{candidate.__qualname__}"
    )


def find_candidate(name: str) -> type:
    """Return the class that a command line names.

    Parameters
    ----------
    name : str
        "package.module:Class", or "path/to/file.py:Class".

    Raises
    ------
    Unusable
        There is no such module, file or class, or it raises an exception when it is imported.
    """
    place, _, attribute = name.rpartition(":")
    if not place or not attribute:
        raise Unusable(
            "--candidate: expected package.module:Class or path/to/file.py:Class, "
            f"received {name!r}"
        )
    try:
        module = _import_file(Path(place)) if place.endswith(".py") else _import_name(place)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit among them
        raise Unusable(f"--candidate: cannot import {place}: {one_line(error)}") from error
    found = getattr(module, attribute, None)
    if not callable(found):
        raise Unusable(f"--candidate: {place} has no class {attribute}")
    return cast(type, found)


def check_offer(candidate: type) -> None:
    """Raise unless a candidate offers enough to be tried at all.

    Parameters
    ----------
    candidate : class

    Raises
    ------
    Unusable
        It lacks export, or has neither trace nor feedforward.
    """
    if not callable(getattr(candidate, "export", None)):
        raise Unusable(f"{name_of(candidate)} lacks the method export() -> (weights, biases)")
    if not any(callable(getattr(candidate, name, None)) for name in ("trace", "feedforward")):
        raise Unusable(
            f"{name_of(candidate)} lacks the method trace(x) -> (zs, activations), "
            "or feedforward(x) -> outputs"
        )
    declared_dtype(candidate)


METHODS = (
    "export",
    "trace",
    "feedforward",
    "backprop",
    "deltas",
    "update_mini_batch",
    "train",
    "load_data",
)


def in_arithmetic(candidate: Any, arithmetic: str | None) -> Any:
    """Return the candidate in the arithmetic asked for; by default in what it declares."""
    if arithmetic in (None, declared_dtype(candidate)):
        return candidate
    make = getattr(candidate, "with_arithmetic", None)
    if not callable(make):
        raise Unusable(
            f"--arithmetic: {name_of(candidate)} computes in {declared_dtype(candidate)} and does "
            f"not offer with_arithmetic({arithmetic!r})"
        )
    return make(arithmetic)


def nearly(candidate: Any) -> dict[str, str]:
    """Return methods that are named nearly as one of the protocol's that is missing."""
    if hasattr(candidate, "near"):  # of a candidate in another process, found there
        return dict(candidate.near)
    known = (*METHODS, "with_arithmetic")
    missing = [name for name in known if not callable(getattr(candidate, name, None))]
    own = [n for n in dir(candidate) if not n.startswith("_") and n not in known]
    close = {n: difflib.get_close_matches(n.lower(), missing, 1, 0.75) for n in own}
    return {found[0]: n for n, found in close.items() if found}


def _import_file(path: Path) -> Any:
    if not path.is_file():
        raise FileNotFoundError("no such file")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError("not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(path.stem, module)  # dataclasses look their module up there
    spec.loader.exec_module(module)
    return module


def _import_name(name: str) -> Any:
    if "" not in sys.path:  # as `python -m` has it: a candidate beside the caller is found
        sys.path.insert(0, "")
    return importlib.import_module(name)


def one_line(error: BaseException) -> str:
    first = str(error).strip().splitlines()
    return printable(f"{type(error).__name__}: {first[0]}" if first else type(error).__name__)
