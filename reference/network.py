"""Nielsen's network: feedforward, backpropagation and stochastic gradient descent, in NumPy.

The names, the verbs and their order are those of `network.py` in Michael Nielsen's *Neural Networks
and Deep Learning*, chapters 1 and 2. One thing is left to the reader there and done here: a
mini-batch is one matrix, an example in every column, and goes through BP1 to BP4 at once.

    >>> net = Network([784, 30, 10])
    >>> net.SGD(training_data, 30, 10, 3.0, test_data=test_data)    # doctest: +SKIP
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np

from reference.arithmetic import Float64

Arrays = list[np.ndarray]

MINI_BATCHES_AT_ONCE = 10  # gathered from the data


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

    Attributes
    ----------
    weights : list of ndarray (sizes[l + 1], sizes[l])
    biases : list of ndarray (sizes[l + 1], 1)

    Source
    ------
    Nielsen, Neural Networks and Deep Learning, ch. 1, "Implementing our network to classify
    digits".
    """

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
        weights = [
            rng.standard_normal((n_out, n_in))
            for n_in, n_out in zip(self.sizes[:-1], self.sizes[1:], strict=True)
        ]
        self.biases = [self.arithmetic.parameters(b) for b in biases]
        self.weights = [self.arithmetic.parameters(w) for w in weights]

    @classmethod
    def from_parameters(cls, parameters: Any, arithmetic: Float64 = Float64()) -> Network:
        """Return a network that starts from given parameters.

        Parameters
        ----------
        parameters : object with sizes, weights and biases
            weights[l] of shape (sizes[l + 1], sizes[l]), biases[l] of shape (sizes[l + 1], 1).
        arithmetic : Float64, Float32 or FixedPoint

        Raises
        ------
        ValueError
            When a shape does not fit the sizes.
        """
        net = cls(parameters.sizes, arithmetic)
        for name, old in (("weights", net.weights), ("biases", net.biases)):
            new = getattr(parameters, name)
            check_shapes(name, [v.shape for v in old], [np.shape(v) for v in new])
            setattr(net, name, [net.arithmetic.parameters(v) for v in new])
        return net

    def export(self) -> tuple[Arrays, Arrays]:
        """Return the weights and the biases as fresh float64 arrays, the biases as columns.

        Returns
        -------
        weights : list of ndarray (sizes[l + 1], sizes[l])
        biases : list of ndarray (sizes[l + 1], 1)
        """
        weights = [np.array(w, dtype=np.float64) for w in self.weights]
        return weights, [np.array(b, dtype=np.float64) for b in self.biases]

    def feedforward(self, a: np.ndarray) -> np.ndarray:
        """Return the output activations for the input a.

        Parameters
        ----------
        a : ndarray (sizes[0], m)
            One example in every column.

        Returns
        -------
        ndarray (sizes[-1], m)
        """
        return self.trace(a)[1][-1]

    def trace(self, x: np.ndarray) -> tuple[Arrays, Arrays]:
        """Return the weighted inputs and the activations of every layer.

        Parameters
        ----------
        x : ndarray (sizes[0], m)

        Returns
        -------
        zs : list of ndarray (n, m)
            One for every layer but the input.
        activations : list of ndarray (n, m)
            One for every layer, the input x first.
        """
        return self._trace(self._inputs(x))

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
        training_data : Examples, or pairs (x, y)
            Inputs of shape (sizes[0], 1) and desired outputs of shape (sizes[-1], 1).
        epochs : int
            Passes over the training data.
        mini_batch_size : int
            Examples in a mini-batch; the last one of an epoch may be smaller.
        eta : float
            Learning rate.
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
        x, y = self._rows(training_data)
        check_settings(len(x), epochs, mini_batch_size, eta)
        if test_data is not None and not hasattr(test_data, "x"):
            test_data = list(test_data)  # a zip can be read only once
        report = on_epoch or book_lines(None if test_data is None else len(rows(test_data)[1]))
        rng = rng or np.random.default_rng()
        for epoch in range(epochs):
            order = rng.permutation(len(x))
            for mini_batch in mini_batches(x, y, order, mini_batch_size, self.arithmetic.dtype):
                self._update(*mini_batch, eta)
            self.arithmetic.check()
            report(epoch, None if test_data is None else self.evaluate(test_data))

    def update_mini_batch(self, mini_batch: Any, eta: float) -> None:
        """Take one step of gradient descent on one mini-batch.

        Parameters
        ----------
        mini_batch : tuple (x, y) of matrices, or list of pairs
            x of shape (sizes[0], m), y of shape (sizes[-1], m).
        eta : float
            Learning rate.
        """
        x, y = mini_batch if isinstance(mini_batch, tuple) else columns(mini_batch)
        check_settings(np.shape(x)[-1], 1, 1, eta)
        self._update(*self._inputs_and_targets(x, y), eta)
        self.arithmetic.check()

    def backprop(self, x: np.ndarray, y: np.ndarray) -> tuple[Arrays, Arrays]:
        """Return the gradient of the cost, summed over the mini-batch.

        Parameters
        ----------
        x : ndarray (sizes[0], m)
        y : ndarray (sizes[-1], m)

        Returns
        -------
        nabla_b : list of ndarray (sizes[l + 1], 1)
        nabla_w : list of ndarray (sizes[l + 1], sizes[l])

        Source
        ------
        Nielsen, ch. 2, equations BP1 to BP4.
        """
        nablas = self._backprop(*self._inputs_and_targets(x, y))
        self.arithmetic.check()
        return nablas

    def deltas(self, x: np.ndarray, y: np.ndarray) -> Arrays:
        """Return the error delta, the derivative of the cost by z, of every layer.

        Parameters
        ----------
        x : ndarray (sizes[0], m)
        y : ndarray (sizes[-1], m)

        Returns
        -------
        list of ndarray (sizes[l + 1], m)
            The first hidden layer first.
        """
        x, y = self._inputs_and_targets(x, y)
        deltas = self._deltas(self._trace(x)[1], y)
        self.arithmetic.check()
        return deltas

    def evaluate(self, test_data: Iterable[tuple[np.ndarray, int]]) -> int:
        """Return the number of examples whose digit the network gets right.

        Parameters
        ----------
        test_data : Examples, or pairs (x, digit)
            The digit is the index of the output that should be largest.
        """
        x, y = rows(test_data)
        check_digits(y.shape)
        digits = [
            np.argmax(self.feedforward(x[k : k + 1000].T), axis=0) for k in range(0, len(x), 1000)
        ]  # a thousand at a time stay in the cache
        return int(np.sum(np.concatenate(digits) == y))

    def cost(self, x: np.ndarray, y: np.ndarray) -> float:
        """Return the quadratic cost, half the squared distance to y, summed over the examples.

        Parameters
        ----------
        x : ndarray (sizes[0], m)
        y : ndarray (sizes[-1], m)

        Source
        ------
        Nielsen, ch. 1, equation (6), without its division by the number of examples.
        """
        x, y = self._inputs_and_targets(x, y)
        return np.sum((self._trace(x)[1][-1] - y) ** 2) / 2

    def cost_derivative(self, output_activations: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return the derivative of the cost by the output activations.

        Parameters
        ----------
        output_activations : ndarray (sizes[-1], m)
        y : ndarray (sizes[-1], m)
        """
        return output_activations - y

    # The four below are the equations alone: what is handed to them has been checked.

    def _trace(self, x: np.ndarray) -> tuple[Arrays, Arrays]:
        activation = x
        activations = [x]
        zs = []
        for b, w in zip(self.biases, self.weights):
            z = w.dot(activation)
            z += b
            zs.append(z)
            activation = self.arithmetic.sigmoid(z)
            activations.append(activation)
        return zs, activations

    def _deltas(self, activations: Arrays, y: np.ndarray) -> Arrays:
        derivative = self.cost_derivative(activations[-1], y)
        delta = self.arithmetic.round_delta(derivative * sigmoid_prime(activations[-1]))  # BP1
        deltas = [delta]
        for w, a in zip(self.weights[:0:-1], activations[-2:0:-1]):
            delta = self.arithmetic.round_delta(w.T.dot(delta) * sigmoid_prime(a))  # BP2
            deltas.append(delta)
        return deltas[::-1]

    def _backprop(self, x: np.ndarray, y: np.ndarray) -> tuple[Arrays, Arrays]:
        _, activations = self._trace(x)
        deltas = self._deltas(activations, y)
        ones = column_of_ones(x.shape[1], x.dtype)
        nabla_b = [delta.dot(ones) for delta in deltas]  # BP3, and the sum over the mini-batch
        nabla_w = [delta.dot(a.T) for delta, a in zip(deltas, activations)]  # BP4
        return nabla_b, nabla_w

    def _update(self, x: np.ndarray, y: np.ndarray, eta: float) -> None:
        nabla_b, nabla_w = self._backprop(x, y)
        parameters = [*self.biases, *self.weights]
        self.arithmetic.descend(parameters, [*nabla_b, *nabla_w], eta / x.shape[1])

    def _inputs(self, x: np.ndarray) -> np.ndarray:
        x = np.asarray(x)
        if x.ndim != 2 or x.shape[0] != self.sizes[0] or not x.size:
            raise ValueError(
                f"inputs are columns of shape ({self.sizes[0]}, m), one example in each, one or "
                f"more; received shape {x.shape}"
            )
        self.arithmetic.check_inputs(x)
        return x.astype(self.arithmetic.dtype, copy=False)

    def _inputs_and_targets(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x = self._inputs(x)
        return x, self._targets(y, x.shape[1])

    def _targets(self, y: np.ndarray, m: int) -> np.ndarray:
        y = np.asarray(y, dtype=self.arithmetic.dtype)
        if y.shape != (self.sizes[-1], m):
            raise ValueError(
                f"desired outputs for {m} inputs have shape {(self.sizes[-1], m)}; received shape "
                f"{y.shape}"
            )
        if not np.isfinite(y).all():
            raise ValueError("desired outputs are finite numbers; received NaN or infinity")
        return y

    def _rows(self, training_data: Any) -> tuple[np.ndarray, np.ndarray]:
        x, y = rows(training_data)
        if y.ndim != 2:
            raise ValueError(
                f"training data pairs every input with {self.sizes[-1]} desired outputs; received "
                f"digits: use the first of what load_data_wrapper returns, or vectorized_result"
            )
        self._inputs(x[:1].T)
        self.arithmetic.check_inputs(x)
        return x, self._targets(y.T, len(x)).T


def sigmoid_prime(a: np.ndarray) -> np.ndarray:
    """Return the derivative of the sigmoid, given the activation a = sigmoid(z).

    Parameters
    ----------
    a : ndarray of any shape
    """
    return a * (1.0 - a)


def rows(data: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return examples as arrays with one example in every row.

    Parameters
    ----------
    data : Examples, or pairs (x, y)
        With Examples the arrays are its own; pairs are stacked.

    Returns
    -------
    x : ndarray (N, sizes[0])
    y : ndarray (N, sizes[-1]) of desired outputs, or (N,) of digits
    """
    if hasattr(data, "x") and hasattr(data, "y"):
        return data.x, data.y
    pairs = list(data)
    if not pairs:
        raise ValueError("there are no examples in the data; expected at least one pair (x, y)")
    x, y = zip(*pairs, strict=True)
    return np.stack([np.ravel(v) for v in x]), np.stack(
        [np.ravel(v) if np.ndim(v) else v for v in y]
    )


def mini_batches(
    x: np.ndarray, y: np.ndarray, order: np.ndarray, mini_batch_size: int, dtype: type
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the mini-batches of one epoch as matrices.

    A few are gathered at once: a call less for each, and they stay in the cache. A shuffled copy of
    all the data would cost more in page faults than the training itself.

    Parameters
    ----------
    x : ndarray (N, sizes[0])
    y : ndarray (N, sizes[-1])
    order : ndarray (N,) of int
        A permutation of the examples.
    mini_batch_size : int
    dtype : type
        Of the matrices.

    Yields
    ------
    x : ndarray (sizes[0], m)
    y : ndarray (sizes[-1], m)
    """
    several = MINI_BATCHES_AT_ONCE * mini_batch_size
    for start in range(0, len(order), several):
        examples = order[start : start + several]
        x_taken: np.ndarray = x.take(examples, axis=0).astype(dtype, copy=False)
        y_taken = y.take(examples, axis=0)
        for k in range(0, len(examples), mini_batch_size):
            yield x_taken[k : k + mini_batch_size].T, y_taken[k : k + mini_batch_size].T


@cache
def column_of_ones(m: int, dtype: np.dtype) -> np.ndarray:
    """Return an array of shape (m, 1) that is 1 everywhere: the input that a bias is a weight of.

    Parameters
    ----------
    m : int
    dtype : numpy.dtype
    """
    return np.ones((m, 1), dtype)


def columns(pairs: Iterable[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Return a list of pairs as two matrices with one example in every column.

    Parameters
    ----------
    pairs : iterable of (x, y)
        Columns (sizes[0], 1) and (sizes[-1], 1).

    Returns
    -------
    x : ndarray (sizes[0], m)
    y : ndarray (sizes[-1], m)
    """
    x, y = rows(pairs)
    return x.T, y.T


def checked_sizes(sizes: Sequence[int]) -> list[int]:
    """Return the sizes as a list, or raise ValueError if no network has them.

    Parameters
    ----------
    sizes : sequence of int
    """
    if len(sizes) < 2 or not all(isinstance(n, int | np.integer) and n >= 1 for n in sizes):
        raise ValueError(
            f"sizes are two or more whole numbers of units, each at least 1, such as "
            f"[784, 20, 10]; received {sizes}"
        )
    return [int(n) for n in sizes]


def check_shapes(
    name: str, expected: list[tuple[int, ...]], received: list[tuple[int, ...]]
) -> None:
    """Raise ValueError unless the shapes of weights or biases are those expected.

    Parameters
    ----------
    name : str
        "weights" or "biases".
    expected, received : list of tuple of int
    """
    if expected != received:
        raise ValueError(f"{name} of these sizes have the shapes {expected}; received {received}")


def check_settings(examples: int, epochs: int, mini_batch_size: int, eta: float) -> None:
    """Raise ValueError unless one can train with these settings.

    Parameters
    ----------
    examples : int
        In the training data.
    epochs, mini_batch_size : int
    eta : float
    """
    if epochs < 0:
        raise ValueError(f"epochs is a whole number, 0 or more; received {epochs}")
    if not 1 <= mini_batch_size <= examples:
        raise ValueError(
            f"mini_batch_size lies between 1 and the number of training examples, {examples}; "
            f"received {mini_batch_size}"
        )
    if not math.isfinite(eta):
        raise ValueError(f"eta is a finite learning rate such as 3.0; received {eta}")


def check_digits(shape: tuple[int, ...]) -> None:
    """Raise ValueError unless y holds one digit for each of one or more examples.

    Parameters
    ----------
    shape : tuple of int
        Of y.
    """
    if len(shape) != 1 or not shape[0]:
        raise ValueError(
            f"test data pairs every input with its digit and has one example or more; received "
            f"digits of shape {tuple(shape)}: use what load_data_wrapper returns second or third"
        )


def book_lines(tests: int | None) -> Callable[[int, int | None], None]:
    """Return a function that prints the book's progress line after an epoch.

    Parameters
    ----------
    tests : int or None
        Examples in the test data, if there is any.
    """

    def report(epoch: int, correct: int | None) -> None:
        print(f"Epoch {epoch} complete" if tests is None else f"Epoch {epoch}: {correct} / {tests}")

    return report
