"""Nielsen's network: feedforward, backpropagation and stochastic gradient descent, in NumPy.

The names and the verbs are those of `network.py` in Michael Nielsen's *Neural Networks and Deep
Learning*, chapters 1 and 2. One thing is left to the reader there and done here: a mini-batch is
one matrix, an example in every column, and goes through BP1 to BP4 at once.

    weights[l], nabla_w[l]    (sizes[l + 1], sizes[l])
    biases[l], nabla_b[l]     (sizes[l + 1], 1)
    zs[l], deltas[l]          (sizes[l + 1], m)
    activations[l]            (sizes[l], m), of which the first is the input x
    y                         (sizes[-1], m)

What a caller hands in is checked once, at the border (`border.py`), and not here.

    >>> net = Network([784, 30, 10])
    >>> net.SGD(training_data, 30, 10, 3.0, test_data=test_data)    # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from reference import border, examples
from reference.arithmetic import Float64
from reference.checks import book_lines, check_settings, check_shapes, checked_sizes
from reference.examples import mini_batches, ones

Arrays = list[np.ndarray]


class Network:
    """A feedforward network of sigmoid neurons that learns by stochastic gradient descent.

    Parameters
    ----------
    sizes : sequence of int
        Units of every layer, the input layer first; two layers or more.
    arithmetic : Float64, Float32 or FixedPoint
        How numbers are kept.
    rng : numpy.random.Generator, optional
        Draws the initial biases, then the initial weights, all from N(0, 1).
    """

    within, examples = 0, examples  # the thread that has crossed the border; how arrays lie
    save, load = border.save, classmethod(border.load)
    __repr__, _repr_html_ = border.named, border.shown

    def __init__(
        self,
        sizes: Sequence[int],
        arithmetic: Float64 = Float64(),
        rng: np.random.Generator | None = None,
    ) -> None:
        self.sizes = checked_sizes(sizes)
        self.num_layers = len(self.sizes)
        self.arithmetic = arithmetic.for_network(self.sizes)
        rng = rng or np.random.default_rng()
        biases = [rng.standard_normal((n, 1)) for n in self.sizes[1:]]
        weights = [rng.standard_normal((n, m)) for m, n in zip(self.sizes[:-1], self.sizes[1:])]
        self.biases = [self.arithmetic.parameters(b) for b in biases]
        self.weights = [self.arithmetic.parameters(w) for w in weights]

    @border.checked(border.inputs)
    def feedforward(self, a: np.ndarray) -> np.ndarray:
        """Return the output activations for the inputs a."""
        return self.trace(a)[1][-1]

    @border.checked(border.inputs)
    def trace(self, x: np.ndarray) -> tuple[Arrays, Arrays]:
        """Return (zs, activations): the weighted inputs and the activations of every layer."""
        zs, activations = [], [x]
        for b, w in zip(self.biases, self.weights):
            z = w.dot(activations[-1])
            z += b
            zs.append(z)
            activations.append(self.arithmetic.sigmoid(z))
        return zs, activations

    @border.checked(border.inputs_and_desired)
    def deltas(self, x: np.ndarray, y: np.ndarray, activations: Arrays | None = None) -> Arrays:
        """Return the error delta, the derivative of the cost by z, of every layer.

        What trace(x) returned as activations may be handed in, where it is known.
        """
        activations = activations or self.trace(x)[1]
        a = activations[-1]
        delta = self.arithmetic.round_delta(self.cost_derivative(a, y) * sigmoid_prime(a))  # BP1
        deltas = [delta]
        for w, a in zip(self.weights[:0:-1], activations[-2:0:-1]):
            delta = self.arithmetic.round_delta(w.T.dot(delta) * sigmoid_prime(a))  # BP2
            deltas.append(delta)
        return deltas[::-1]

    @border.checked(border.inputs_and_desired)
    def backprop(self, x: np.ndarray, y: np.ndarray) -> tuple[Arrays, Arrays]:
        """Return (nabla_b, nabla_w): the gradient of the cost, summed over the mini-batch."""
        _, activations = self.trace(x)
        deltas = self.deltas(x, y, activations)
        one = ones(x.shape[1], x.dtype)  # (m, 1), the input that a bias is the weight of
        nabla_b = [delta.dot(one) for delta in deltas]  # BP3, summed
        nabla_w = [delta.dot(a.T) for delta, a in zip(deltas, activations)]  # BP4, summed
        return nabla_b, nabla_w

    @border.checked(border.mini_batch_and_eta)
    def update_mini_batch(self, mini_batch: Any, eta: float) -> None:
        """Take one step of gradient descent on (x, y), two matrices, or on a list of pairs."""
        x, y = mini_batch
        nabla_b, nabla_w = self.backprop(x, y)
        parameters = [*self.biases, *self.weights]
        steps = self.arithmetic.steps([*nabla_b, *nabla_w], eta / x.shape[1])
        for v, step in zip(parameters, steps):
            v -= step  # w - (eta / m) nabla_w
        self.arithmetic.watch(parameters)

    def SGD(
        self,
        training_data: Iterable[tuple[np.ndarray, np.ndarray]],
        epochs: int,
        mini_batch_size: int,
        eta: float,
        test_data: Iterable[tuple[np.ndarray, int]] | None = None,
        rng: np.random.Generator | None = None,
        on_epoch: Callable[[int, int | None], object] | None = None,
    ) -> None:
        """Train by mini-batch stochastic gradient descent.

        Parameters
        ----------
        training_data : Examples, or pairs (x, y) of columns
        mini_batch_size : int
            Examples in a mini-batch; the last one of an epoch may be smaller.
        test_data : Examples, or pairs (x, digit), optional
            Evaluated after every epoch.
        rng : numpy.random.Generator, optional
            Draws the order of the examples, one permutation for each epoch.
        on_epoch : callable (epoch, correct), optional
            Called after every epoch in place of the book's printed lines; correct is None without
            test data.

        Raises
        ------
        ValueError
            When a setting or the data cannot be trained with.
        OverflowError
            When a fixed-point magnitude leaves its range, before the epoch is reported.
        """
        x, y = border.training_rows(self, training_data)
        check_settings(len(x), epochs, mini_batch_size, eta)
        test = None if test_data is None else border.labelled(self, test_data)
        report = on_epoch or book_lines(None if test is None else len(test))
        rng = rng or np.random.default_rng()
        for epoch in range(epochs):
            order = rng.permutation(len(x))
            with border.inside(self):
                for mini_batch in mini_batches(x, y, order, mini_batch_size, self.arithmetic.dtype):
                    self.update_mini_batch(mini_batch, eta)
                self.arithmetic.check()
                correct = None if test is None else self.evaluate(test)
            report(epoch, correct)

    @border.checked(border.labelled)
    def evaluate(self, test_data: Iterable[tuple[np.ndarray, int]]) -> int:
        """Return the number of examples whose digit is the index of the largest output."""
        x, y = border.rows(self, test_data)
        blocks = (x[k : k + 1000].astype(self.arithmetic.dtype).T for k in range(0, len(x), 1000))
        digits = [self.feedforward(a).argmax(axis=0) for a in blocks]  # blocks stay in the cache
        return int(np.sum(np.concatenate(digits) == y))

    @border.checked(border.inputs_and_desired)
    def cost(self, x: np.ndarray, y: np.ndarray) -> float:
        """Return the quadratic cost, half the squared distance to y, summed over the examples."""
        return np.sum((self.feedforward(x) - y) ** 2) / 2

    def cost_derivative(self, output_activations: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return the derivative of the cost by the output activations."""
        return output_activations - y

    @classmethod
    def from_parameters(cls, parameters: Any, arithmetic: Float64 = Float64()) -> Network:
        """Return a network that starts from parameters: any object with sizes, weights, biases."""
        net = cls(parameters.sizes, arithmetic, border.UNDRAWN)
        weights, biases = list(parameters.weights), list(parameters.biases)
        check_shapes(net.sizes, weights, biases)
        net.weights = [net.arithmetic.parameters(w) for w in weights]
        net.biases = [net.arithmetic.parameters(b) for b in biases]
        return net

    def export(self) -> tuple[Arrays, Arrays]:
        """Return the weights and the biases as fresh float64 arrays, the biases as columns."""
        weights = [np.array(w, dtype=np.float64) for w in self.weights]
        return weights, [np.array(b, dtype=np.float64) for b in self.biases]


def sigmoid_prime(a: np.ndarray) -> np.ndarray:
    """Return the derivative of the sigmoid, given the activation a = sigmoid(z)."""
    return a * (1.0 - a)
