"""Who can be put to the proof: the protocol of a candidate, with two complete examples.

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

The proof runs a candidate in a process of its own, hands every method fresh copies and spoils them
afterwards: it can neither compare a thing with itself nor hand back what it was given.
"""

from __future__ import annotations

from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Arrays = list[Array]
DTYPES = ("float64", "float32", "fixed-point")


class Candidate(Protocol):
    """What a re-implementation offers to be compared: five methods, and more if it likes.

    Wherever arrays are asked for, anything that `numpy.asarray` understands will do: nested
    lists, tensors, the arrays of another framework; wherever lists are, any iterable; a bias may be
    flat. Every `x` is (sizes[0], m) and every `y` (sizes[-1], m), float64, an example in every
    column; m may be 1.

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
        """Take one step: w - (eta / m) * nabla_w, and the same for the biases.

        The sum over the mini-batch comes first, then one subtraction: to subtract example after
        example rounds w each time.
        """

    # Further methods, each optional; what is offered is tried.
    #
    # feedforward(x) -> output activations (sizes[-1], m)
    # deltas(x, y)   -> the error of every layer, (n, m) each, the first hidden layer first
    # evaluate(x, labels) -> how many columns have their largest output at the digit of labels (m,)
    # train(x, y, order, mini_batch_size, eta): one epoch over the columns of x and y. The k-th
    #                example is column order[k]; mini-batches are consecutive slices of that
    #                order, the last one smaller where they do not divide it.
    # held(x, neuron, value) -> output activations while one neuron of the first hidden layer is
    #                held at a value, which may be any number; in fixed-point one of 0 to 1
    # load_data(path) -> (training, validation, test), a pair each of images (N, 784), byte / 256,
    #                and labels (N,). path is a folder with MNIST's four IDX files, unpacked.
    # with_arithmetic(name), with_device(name), class methods -> a class: the same candidate in
    #                another arithmetic (one of `DTYPES`), or on another device
