"""Nielsen's network: feedforward, backpropagation and stochastic gradient descent, in PyTorch.

The twin of `reference/network.py`: the same verbs in the same order, an `nn.Module` with gradients
from autograd. Inside it speaks PyTorch's way: an example is a row, a bias has no second axis.

    >>> net = Network([784, 30, 10], device="cuda")    # doctest: +SKIP
    >>> net.SGD(training_data, 30, 10, 3.0, test_data=test_data)    # doctest: +SKIP
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from torch_impl.arithmetic import Float64
from torch_impl.device import choose_device

Tensors = list[Tensor]

MINI_BATCHES_AT_ONCE = 10  # gathered from the data


class Network(nn.Module):
    """A feedforward network of sigmoid neurons that learns by stochastic gradient descent.

    Parameters
    ----------
    sizes : sequence of int
        Units of every layer, the input layer first; two layers or more.
    arithmetic : Float64, Float32 or FixedPoint
        How numbers are kept.
    rng : numpy.random.Generator, optional
        Draws the initial biases, then the initial weights, all from N(0, 1).
    device : str or torch.device
        "cpu", "cuda" or "cuda:N".

    Attributes
    ----------
    weights : list of tensor (sizes[l + 1], sizes[l])
    biases : list of tensor (sizes[l + 1],)

    Source
    ------
    Nielsen, Neural Networks and Deep Learning, ch. 1, "Implementing our network to classify
    digits".
    """

    arithmetic: Float64
    device: torch.device
    biases: Tensors
    weights: Tensors

    def __init__(
        self,
        sizes: Sequence[int],
        arithmetic: Float64 = Float64(),
        rng: np.random.Generator | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        super().__init__()
        self.sizes = checked_sizes(sizes)
        self.num_layers = len(self.sizes)
        self.arithmetic = arithmetic.for_network(self.sizes)
        self.device = choose_device(device)
        shapes = list(zip(self.sizes[:-1], self.sizes[1:], strict=True))
        layers = [
            nn.utils.skip_init(nn.Linear, n_in, n_out, dtype=arithmetic.dtype, device=self.device)
            for n_in, n_out in shapes
        ]
        self.layers = nn.ModuleList(layers)
        self.register_load_state_dict_post_hook(_after_loading)
        self._list_parameters()
        rng = rng or np.random.default_rng()
        biases = [rng.standard_normal(n_out) for _, n_out in shapes]
        self._assign([rng.standard_normal((n_out, n_in)) for n_in, n_out in shapes], biases)

    @classmethod
    def from_parameters(
        cls,
        parameters: Any,
        arithmetic: Float64 = Float64(),
        device: str | torch.device = "cpu",
    ) -> Network:
        """Return a network that starts from given parameters.

        Parameters
        ----------
        parameters : object with sizes, weights and biases
            weights[l] of shape (sizes[l + 1], sizes[l]), biases[l] of shape (sizes[l + 1], 1).
        arithmetic : Float64, Float32 or FixedPoint
        device : str or torch.device

        Raises
        ------
        ValueError
            When a shape does not fit the sizes.
        """
        net = cls(parameters.sizes, arithmetic, device=device)
        columns: list[tuple[int, ...]] = [(n, 1) for n in net.sizes[1:]]
        check_shapes(
            "weights", [tuple(w.shape) for w in net.weights], [w.shape for w in parameters.weights]
        )
        check_shapes("biases", columns, [b.shape for b in parameters.biases])
        net._assign(parameters.weights, [b[:, 0] for b in parameters.biases])
        return net

    def export(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Return the weights and the biases as fresh float64 arrays, the biases as columns.

        Returns
        -------
        weights : list of ndarray (sizes[l + 1], sizes[l])
        biases : list of ndarray (sizes[l + 1], 1)
        """
        weights = [w.detach().cpu().numpy().astype(np.float64) for w in self.weights]
        return weights, [b.detach().cpu().numpy().astype(np.float64)[:, None] for b in self.biases]

    def forward(self, a: Tensor) -> Tensor:
        """Return the output activations for the input a, as a module that autograd can follow.

        Parameters
        ----------
        a : tensor (m, sizes[0])

        Returns
        -------
        tensor (m, sizes[-1])
        """
        return self._trace(a)[1][-1]

    def feedforward(self, a: Tensor) -> Tensor:
        """Return the output activations for the input a.

        Parameters
        ----------
        a : tensor (m, sizes[0])
            One example in every row.

        Returns
        -------
        tensor (m, sizes[-1])
        """
        return self.trace(a)[1][-1]

    @torch.no_grad()
    def trace(self, x: Tensor) -> tuple[Tensors, Tensors]:
        """Return the weighted inputs and the activations of every layer.

        Parameters
        ----------
        x : tensor (m, sizes[0])

        Returns
        -------
        zs : list of tensor (m, n)
            One for every layer but the input.
        activations : list of tensor (m, n)
            One for every layer, the input x first.
        """
        return self._trace(self._inputs(x))

    def SGD(
        self,
        training_data: Iterable[tuple[Tensor, Tensor]],
        epochs: int,
        mini_batch_size: int,
        eta: float,
        test_data: Iterable[tuple[Tensor, int]] | None = None,
        rng: np.random.Generator | None = None,
        on_epoch: Callable[[int, int | None], object] | None = None,
    ) -> None:
        """Train by mini-batch stochastic gradient descent.

        Parameters
        ----------
        training_data : Examples, or pairs (x, y)
            Inputs of shape (sizes[0],) and desired outputs of shape (sizes[-1],).
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
            order = torch.from_numpy(rng.permutation(len(x))).to(self.device)
            values = self._values()
            for mini_batch in mini_batches(x, y, order, mini_batch_size, self.arithmetic.dtype):
                self._update(values, *mini_batch, eta)
            self.arithmetic.check()
            report(epoch, None if test_data is None else self.evaluate(test_data))

    def update_mini_batch(self, mini_batch: Any, eta: float) -> None:
        """Take one step of gradient descent on one mini-batch.

        Parameters
        ----------
        mini_batch : tuple (x, y) of matrices, or list of pairs
            x of shape (m, sizes[0]), y of shape (m, sizes[-1]).
        eta : float
            Learning rate.
        """
        x, y = mini_batch if isinstance(mini_batch, tuple) else rows(mini_batch)
        check_settings(len(x), 1, 1, eta)
        self._update(self._values(), *self._inputs_and_targets(x, y), eta)
        self.arithmetic.check()

    def backprop(self, x: Tensor, y: Tensor) -> tuple[Tensors, Tensors]:
        """Return the gradient of the cost, summed over the mini-batch.

        Parameters
        ----------
        x : tensor (m, sizes[0])
        y : tensor (m, sizes[-1])

        Returns
        -------
        nabla_b : list of tensor (sizes[l + 1],)
        nabla_w : list of tensor (sizes[l + 1], sizes[l])

        Source
        ------
        Nielsen, ch. 2, equations BP1 to BP4, left to autograd.
        """
        nablas = self._backprop(*self._inputs_and_targets(x, y))
        self.arithmetic.check()
        return nablas

    def deltas(self, x: Tensor, y: Tensor) -> Tensors:
        """Return the error delta, the derivative of the cost by z, of every layer.

        Parameters
        ----------
        x : tensor (m, sizes[0])
        y : tensor (m, sizes[-1])

        Returns
        -------
        list of tensor (m, sizes[l + 1])
            The first hidden layer first.
        """
        x, y = self._inputs_and_targets(x, y)
        zs, activations = self._trace(x)
        derivative = self.cost_derivative(activations[-1].detach(), y)
        deltas = torch.autograd.grad(activations[-1], zs, grad_outputs=derivative)
        self.arithmetic.check()
        return list(deltas)

    @torch.no_grad()
    def evaluate(self, test_data: Iterable[tuple[Tensor, int]]) -> int:
        """Return the number of examples whose digit the network gets right.

        Parameters
        ----------
        test_data : Examples, or pairs (x, digit)
            The digit is the index of the output that should be largest.
        """
        x, y = rows(test_data)
        check_digits(y.shape)
        digits = [self.feedforward(block).argmax(dim=1) for block in x.split(1000)]
        return int((torch.cat(digits) == y.to(self.device)).sum())

    @torch.no_grad()
    def cost(self, x: Tensor, y: Tensor) -> float:
        """Return the quadratic cost, half the squared distance to y, summed over the examples.

        Parameters
        ----------
        x : tensor (m, sizes[0])
        y : tensor (m, sizes[-1])

        Source
        ------
        Nielsen, ch. 1, equation (6), without its division by the number of examples.
        """
        x, y = self._inputs_and_targets(x, y)
        return float(((self._trace(x)[1][-1] - y) ** 2).sum() / 2)

    def cost_derivative(self, output_activations: Tensor, y: Tensor) -> Tensor:
        """Return the derivative of the cost by the output activations.

        Parameters
        ----------
        output_activations : tensor (m, sizes[-1])
        y : tensor (m, sizes[-1])
        """
        return output_activations - y

    def _list_parameters(self) -> None:
        self.biases = [layer.get_parameter("bias") for layer in self.layers]
        self.weights = [layer.get_parameter("weight") for layer in self.layers]

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Network:
        super()._apply(fn, recurse)  # the way that .to(device) and .cuda() take
        self._list_parameters()
        self.device = self.weights[0].device
        return self

    # The three below are the network alone: what is handed to them has been checked.

    def _trace(self, x: Tensor) -> tuple[Tensors, Tensors]:
        activation = x
        activations = [x]
        zs = []
        for b, w in zip(self.biases, self.weights, strict=True):
            z = functional.linear(activation, w, b)
            zs.append(z)
            activation = self.arithmetic.sigmoid(z)
            activations.append(activation)
        return zs, activations

    def _backprop(self, x: Tensor, y: Tensor) -> tuple[Tensors, Tensors]:
        _, activations = self._trace(x)
        output = activations[-1]
        nablas = torch.autograd.grad(
            output,
            [*self.biases, *self.weights],
            grad_outputs=self.cost_derivative(output.detach(), y),
        )
        return list(nablas[: len(self.biases)]), list(nablas[len(self.biases) :])

    def _update(self, values: Tensors, x: Tensor, y: Tensor, eta: float) -> None:
        nabla_b, nabla_w = self._backprop(x, y)
        self.arithmetic.descend(values, [*nabla_b, *nabla_w], eta / x.shape[0])

    def _values(self) -> Tensors:
        """Return the biases and the weights, in their own memory but out of autograd's sight."""
        return [v.detach() for v in [*self.biases, *self.weights]]

    @torch.no_grad()
    def _assign(self, weights: Sequence[Any], biases: Sequence[Any]) -> None:
        for old, new in zip([*self.weights, *self.biases], [*weights, *biases], strict=True):
            old.copy_(self.arithmetic.parameters(new))

    def _inputs(self, x: Any) -> Tensor:
        x = tensor(x).to(self.device)
        if x.ndim != 2 or x.shape[1] != self.sizes[0] or not x.numel():
            raise ValueError(
                f"inputs are rows of shape (m, {self.sizes[0]}), one example in each, one or "
                f"more; received shape {tuple(x.shape)}"
            )
        self.arithmetic.check_inputs(x)
        return x.to(self.arithmetic.dtype)

    def _inputs_and_targets(self, x: Any, y: Any) -> tuple[Tensor, Tensor]:
        x = self._inputs(x)
        return x, self._targets(y, len(x))

    def _targets(self, y: Any, m: int) -> Tensor:
        y = tensor(y).to(self.device, self.arithmetic.dtype)
        if y.shape != (m, self.sizes[-1]):
            raise ValueError(
                f"desired outputs for {m} inputs have shape {(m, self.sizes[-1])}; received shape "
                f"{tuple(y.shape)}"
            )
        if not torch.isfinite(y).all():
            raise ValueError("desired outputs are finite numbers; received NaN or infinity")
        return y

    def _rows(self, training_data: Any) -> tuple[Tensor, Tensor]:
        x, y = (v.to(self.device) for v in rows(training_data))
        if y.ndim != 2:
            raise ValueError(
                f"training data pairs every input with {self.sizes[-1]} desired outputs; received "
                f"digits: use the first of what load_data_wrapper returns, or vectorized_result"
            )
        self._inputs(x[:1])
        self.arithmetic.check_inputs(x)
        return x, self._targets(y, len(x))


def _after_loading(net: Network, _: Any) -> None:
    """Keep what load_state_dict brought as the network's arithmetic keeps it."""
    net._list_parameters()  # with assign=True they are other tensors
    net._assign(net.weights, net.biases)


def tensor(v: Any) -> Tensor:
    """Return v as a tensor that shares no memory with a NumPy array.

    Parameters
    ----------
    v : tensor or ndarray of any shape
    """
    return v if isinstance(v, Tensor) else torch.tensor(np.asarray(v))


def rows(data: Any) -> tuple[Tensor, Tensor]:
    """Return examples as arrays with one example in every row.

    Parameters
    ----------
    data : Examples, or pairs (x, y)
        With Examples the arrays are its own; pairs are stacked.

    Returns
    -------
    x : tensor (N, sizes[0])
    y : tensor (N, sizes[-1]) of desired outputs, or (N,) of digits
    """
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
    """Yield the mini-batches of one epoch as matrices.

    A few are gathered at once: a call less for each, and they stay in the cache. A shuffled copy of
    all the data would cost more in page faults than the training itself.

    Parameters
    ----------
    x : tensor (N, sizes[0])
    y : tensor (N, sizes[-1])
    order : tensor (N,) of int
        A permutation of the examples.
    mini_batch_size : int
    dtype : torch.dtype
        Of the matrices.

    Yields
    ------
    x : tensor (m, sizes[0])
    y : tensor (m, sizes[-1])
    """
    for examples in order.split(MINI_BATCHES_AT_ONCE * mini_batch_size):
        x_taken = x.index_select(0, examples).to(dtype)
        y_taken = y.index_select(0, examples)
        yield from zip(x_taken.split(mini_batch_size), y_taken.split(mini_batch_size), strict=True)


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
