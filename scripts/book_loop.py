"""The book's training loop, one example at a time: the yardstick of the benchmark."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from model.parameters import Parameters

Pairs = Sequence[tuple[np.ndarray, np.ndarray]]  # columns (784, 1) and (10, 1)
Arrays = list[np.ndarray]


class BookLoop:
    """Stochastic gradient descent as the book writes it out, example by example.

    Source: Nielsen, Neural Networks and Deep Learning, ch. 1 and 2: the loop over the examples of
    a mini-batch that the book leaves in, and asks the reader to replace by matrices.
    """

    def __init__(self, parameters: Parameters) -> None:
        self.weights = [np.array(w) for w in parameters.weights]
        self.biases = [np.array(b) for b in parameters.biases]

    def SGD(
        self, training_data: Pairs, epochs: int, mini_batch_size: int, eta: float, rng: Any,
        on_epoch: Callable[[int, None], object],
    ) -> None:  # fmt: skip
        """Train as `Network.SGD` does."""
        for epoch in range(epochs):
            order = rng.permutation(len(training_data))
            for k in range(0, len(order), mini_batch_size):
                some = order[k : k + mini_batch_size]
                self.update_mini_batch([training_data[i] for i in some], eta)
            on_epoch(epoch, None)

    def update_mini_batch(self, mini_batch: Pairs, eta: float) -> None:
        """Take one step of gradient descent on one mini-batch."""
        nabla_b = [np.zeros(b.shape) for b in self.biases]
        nabla_w = [np.zeros(w.shape) for w in self.weights]
        for x, y in mini_batch:
            delta_nabla_b, delta_nabla_w = self.backprop(x, y)
            nabla_b = [nb + dnb for nb, dnb in zip(nabla_b, delta_nabla_b, strict=True)]
            nabla_w = [nw + dnw for nw, dnw in zip(nabla_w, delta_nabla_w, strict=True)]
        rate = eta / len(mini_batch)
        self.weights = [w - rate * nw for w, nw in zip(self.weights, nabla_w, strict=True)]
        self.biases = [b - rate * nb for b, nb in zip(self.biases, nabla_b, strict=True)]

    def backprop(self, x: np.ndarray, y: np.ndarray) -> tuple[Arrays, Arrays]:
        """Return the gradient of the cost of one example, nabla_b and nabla_w."""
        nabla_b = [np.zeros(b.shape) for b in self.biases]
        nabla_w = [np.zeros(w.shape) for w in self.weights]
        activations, zs = [x], []
        for b, w in zip(self.biases, self.weights, strict=True):
            zs.append(np.dot(w, activations[-1]) + b)
            activations.append(sigmoid(zs[-1]))
        delta = (activations[-1] - y) * sigmoid_prime(zs[-1])
        nabla_b[-1] = delta
        nabla_w[-1] = np.dot(delta, activations[-2].T)
        for layer in range(2, len(self.weights) + 1):
            delta = np.dot(self.weights[1 - layer].T, delta) * sigmoid_prime(zs[-layer])
            nabla_b[-layer] = delta
            nabla_w[-layer] = np.dot(delta, activations[-layer - 1].T)
        return nabla_b, nabla_w


def sigmoid(z: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + exp(-z))."""
    return 1.0 / (1.0 + np.exp(-z))


def sigmoid_prime(z: np.ndarray) -> np.ndarray:
    """Return the derivative of the sigmoid, from z as the book has it."""
    return sigmoid(z) * (1 - sigmoid(z))
