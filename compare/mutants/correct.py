"""The network in NumPy that mutants are made of, and correct ones written otherwise.

`Columns` is the network without a mistake, written afresh. Every class here, in `forward`,
`gradients` and `learning` overrides a small method or two of it. The docstring says
what the mistake is; `caught_by` is the link that should see it first, `diagnosed` the name that
`compare.diagnosis` should give it. Where `caught_by` is empty the class is a known-good variant: it
differs in rounding alone, and must pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Arrays = list[Array]


def sigmoid(z: Array) -> Array:
    """Return 1 / (1 + exp(-z)), from the side that cannot overflow."""
    t = np.exp(-np.abs(z))
    return np.where(z < 0, t, 1.0) / (1.0 + t)


def sigmoid_prime(z: Array) -> Array:
    """Return the derivative of the sigmoid at z, as the book's function of that name does."""
    return sigmoid(z) * (1 - sigmoid(z))


class Columns:
    """The network without a mistake: NumPy, float64, an example in every column."""

    caught_by: ClassVar[str] = ""
    diagnosed: ClassVar[str] = ""

    def __init__(self, sizes: list[int], weights: Arrays, biases: Arrays) -> None:
        self.layers = range(len(weights))
        self.weights = [self.kept(w) for w in weights]
        self.biases = [self.kept(b) for b in biases]

    def kept(self, v: Array) -> Array:
        return np.array(v)

    def export(self) -> tuple[Arrays, Arrays]:
        return self.weights, self.biases

    # Forward.

    def trace(self, x: Array) -> tuple[Arrays, Arrays]:
        zs: Arrays = []
        activations = [self.pixels(x)]
        for layer in self.layers:
            zs.append(self.weighted(layer, activations[-1]))
            activations.append(self.fire(layer, zs[-1]))
        return zs, [x, *activations[1:]]

    def pixels(self, x: Array) -> Array:
        return x

    def weighted(self, layer: int, a: Array) -> Array:
        return self.weights[layer] @ a + self.biases[layer]

    def fire(self, layer: int, z: Array) -> Array:
        return sigmoid(z)

    # Backward.

    def deltas(self, x: Array, y: Array) -> Arrays:
        return self.backward(*self.trace(x), y)

    def backward(self, zs: Arrays, activations: Arrays, y: Array) -> Arrays:
        deltas = [self.output_delta(zs[-1], activations[-1], y)]
        for layer in reversed(self.layers[:-1]):
            deltas.insert(0, self.pulled_back(layer, deltas[0]) * self.slope(zs[layer]))
        return deltas

    def output_delta(self, z: Array, a: Array, y: Array) -> Array:
        return (a - y) * sigmoid_prime(z)

    def pulled_back(self, layer: int, delta: Array) -> Array:
        return self.weights[layer + 1].T @ delta

    def slope(self, z: Array) -> Array:
        return sigmoid_prime(z)

    def backprop(self, x: Array, y: Array) -> tuple[Arrays, Arrays]:
        zs, activations = self.trace(x)
        return self.nabla(zs, activations, self.backward(zs, activations, y))

    def nabla(self, zs: Arrays, activations: Arrays, deltas: Arrays) -> tuple[Arrays, Arrays]:
        nabla_b = [delta.sum(axis=1, keepdims=True) for delta in deltas]
        return nabla_b, [d @ a.T for d, a in zip(deltas, activations[:-1], strict=True)]

    # Learning.

    def update_mini_batch(self, x: Array, y: Array, eta: float) -> None:
        nabla_b, nabla_w = self.backprop(x, y)
        self.descend(nabla_b, nabla_w, eta, x.shape[1])

    def descend(self, nabla_b: Arrays, nabla_w: Arrays, eta: float, m: int) -> None:
        self.weights = [w - eta / m * nabla for w, nabla in zip(self.weights, nabla_w, strict=True)]
        self.biases = [b - eta / m * nabla for b, nabla in zip(self.biases, nabla_b, strict=True)]

    def train(self, x: Array, y: Array, order: Array, mini_batch_size: int, eta: float) -> None:
        for chosen in self.mini_batches(order, mini_batch_size):
            self.update_mini_batch(x[:, chosen], y[:, chosen], eta)

    def mini_batches(self, order: Array, mini_batch_size: int) -> Iterator[Array]:
        for k in range(0, len(order), mini_batch_size):
            yield order[k : k + mini_batch_size]


# Known-good variants.


class ReversedSums(Columns):
    """Correct: every sum runs from the last term to the first."""

    def weighted(self, layer: int, a: Array) -> Array:
        return self.biases[layer] + self.weights[layer][:, ::-1] @ a[::-1]

    def pulled_back(self, layer: int, delta: Array) -> Array:
        return self.weights[layer + 1][::-1].T @ delta[::-1]

    def nabla(self, zs: Arrays, activations: Arrays, deltas: Arrays) -> tuple[Arrays, Arrays]:
        backwards = [a[:, ::-1] for a in activations]
        return super().nabla(zs, backwards, [d[:, ::-1] for d in deltas])


class PairwiseSums(Columns):
    """Correct: the products are made first and summed pairwise, without BLAS."""

    def weighted(self, layer: int, a: Array) -> Array:
        products = self.weights[layer][:, :, None] * a
        return np.add.reduce(products, axis=1) + self.biases[layer]

    def nabla(self, zs: Arrays, activations: Arrays, deltas: Arrays) -> tuple[Arrays, Arrays]:
        nabla_w = [
            np.add.reduce(d[:, None] * a[None], axis=2)
            for d, a in zip(deltas, activations[:-1], strict=True)
        ]
        return super().nabla(zs, activations, deltas)[0], nabla_w


class OneByOne(Columns):
    """Correct: one example after the other, as the book's backprop does, added up."""

    def backprop(self, x: Array, y: Array) -> tuple[Arrays, Arrays]:
        nabla_b, nabla_w = super().backprop(x[:, :1], y[:, :1])
        for k in range(1, x.shape[1]):
            more_b, more_w = super().backprop(x[:, k : k + 1], y[:, k : k + 1])
            nabla_b = [old + new for old, new in zip(nabla_b, more_b, strict=True)]
            nabla_w = [old + new for old, new in zip(nabla_w, more_w, strict=True)]
        return nabla_b, nabla_w


class FortranOrder(Columns):
    """Correct: column-major matrices."""

    def kept(self, v: Array) -> Array:
        return np.array(v, order="F")

    def pixels(self, x: Array) -> Array:
        return np.asfortranarray(x)


class ExamplesInRows(Columns):
    """Correct: an example in every row, a @ w.T in place of w @ a."""

    def weighted(self, layer: int, a: Array) -> Array:
        by_row = np.ascontiguousarray(a.T) @ np.ascontiguousarray(self.weights[layer].T)
        return (by_row + self.biases[layer][:, 0]).T


class ByEinsum(Columns):
    """Correct: every product is an einsum."""

    def weighted(self, layer: int, a: Array) -> Array:
        return np.einsum("jk,km->jm", self.weights[layer], a) + self.biases[layer]

    def pulled_back(self, layer: int, delta: Array) -> Array:
        return np.einsum("jk,jm->km", self.weights[layer + 1], delta)

    def nabla(self, zs: Arrays, activations: Arrays, deltas: Arrays) -> tuple[Arrays, Arrays]:
        pairs = zip(deltas, activations[:-1], strict=True)
        nabla_w = [np.einsum("jm,km->jk", d, a) for d, a in pairs]
        return [np.einsum("jm->j", d)[:, None] for d in deltas], nabla_w


class TanhForm(Columns):
    """Correct: the sigmoid is (1 + tanh(z / 2)) / 2, and its derivative a (1 - a)."""

    def fire(self, layer: int, z: Array) -> Array:
        return (1 + np.tanh(z / 2)) / 2

    def output_delta(self, z: Array, a: Array, y: Array) -> Array:
        return (a - y) * (a * (1 - a))


class BookSigmoid(Columns):
    """Correct: the book's 1 / (1 + exp(-z)), which overflows to the right answer."""

    def fire(self, layer: int, z: Array) -> Array:
        with np.errstate(over="ignore"):
            return 1.0 / (1.0 + np.exp(-z))


class DeclaredFloat32(Columns):
    """Correct: everything in float32, and the class says so."""

    dtype = "float32"

    def kept(self, v: Array) -> Array:
        return np.array(v, dtype=np.float32)

    def update_mini_batch(self, x: Array, y: Array, eta: float) -> None:
        super().update_mini_batch(x.astype(np.float32), y.astype(np.float32), eta)

    def trace(self, x: Array) -> tuple[Arrays, Arrays]:
        return super().trace(x.astype(np.float32))

    def backprop(self, x: Array, y: Array) -> tuple[Arrays, Arrays]:
        return super().backprop(x.astype(np.float32), y.astype(np.float32))


class StepByPart(Columns):
    """Correct: eta and m are applied to the gradient one after the other."""

    def descend(self, nabla_b: Arrays, nabla_w: Arrays, eta: float, m: int) -> None:
        self.weights = [w - eta * (n / m) for w, n in zip(self.weights, nabla_w, strict=True)]
        self.biases = [b - (eta * n) / m for b, n in zip(self.biases, nabla_b, strict=True)]
