"""Nielsen's network: feedforward, backpropagation and stochastic gradient descent, in PyTorch.

The twin of `reference/network.py`: the same verbs in the same order, an `nn.Module` with gradients
from autograd. Inside it speaks PyTorch's way: an example is a row, a bias has no second axis.

    weights[l], nabla_w[l]    (sizes[l + 1], sizes[l])
    biases[l], nabla_b[l]     (sizes[l + 1],)
    zs[l], deltas[l]          (m, sizes[l + 1])
    activations[l]            (m, sizes[l]), of which the first is the input x
    y                         (m, sizes[-1])

What a caller hands in is checked once, at the border (`reference/border.py`), and not here.

    >>> net = Network([784, 30, 10], device="cuda")    # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

import reference.border as border
from reference.checks import book_lines, check_settings, check_shapes, checked_sizes
from torch_impl import examples
from torch_impl.arithmetic import Float64
from torch_impl.compiled import obstacle, update_mini_batches
from torch_impl.device import choose_device

Tensors = list[Tensor]


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
    compile : bool, optional
        Ten steps in a compiled call, or each by itself; by default recorded (`compiled.py`).
    """

    within, examples = 0, examples  # the thread that has crossed the border; how arrays lie
    save, load, _repr_html_ = border.save, classmethod(border.load), border.shown

    def __init__(
        self,
        sizes: Sequence[int],
        arithmetic: Float64 = Float64(),
        rng: np.random.Generator | None = None,
        device: str | torch.device = "cpu",
        compile: bool | None = None,
    ) -> None:
        super().__init__()
        self.sizes = checked_sizes(sizes)
        self.num_layers = len(self.sizes)
        self.arithmetic = arithmetic.for_network(self.sizes)
        self.device = choose_device(device)
        self.compiled = None if compile and obstacle(self.device) else compile
        shapes = list(zip(self.sizes[:-1], self.sizes[1:], strict=True))
        with torch.random.fork_rng(devices=[]):  # the layers' own start, which is not used
            layers = [nn.Linear(*shape, dtype=arithmetic.dtype) for shape in shapes]
        self.layers = nn.ModuleList(layers).to(self.device)
        self.register_load_state_dict_post_hook(_after_loading)
        self._list_parameters()
        rng = rng or np.random.default_rng()
        biases = [rng.standard_normal(n_out) for _, n_out in shapes]
        self._assign([rng.standard_normal((n_out, n_in)) for n_in, n_out in shapes], biases)

    def forward(self, a: Tensor) -> Tensor:
        """Return the output activations for the input a, as a module that autograd can follow."""
        with border.inside(self):
            return self.trace(a)[1][-1]

    @border.checked(border.inputs, torch.no_grad)
    def feedforward(self, a: Tensor) -> Tensor:
        """Return the output activations for the inputs a."""
        return self.trace(a)[1][-1]

    @border.checked(border.inputs, torch.no_grad)
    def trace(self, x: Tensor) -> tuple[Tensors, Tensors]:
        """Return (zs, activations): the weighted inputs and the activations of every layer."""
        zs, activations = [], [x]
        for b, w in zip(self.biases, self.weights, strict=True):
            zs.append(functional.linear(activations[-1], w, b))
            activations.append(self.arithmetic.sigmoid(zs[-1]))
        return zs, activations

    @border.checked(border.inputs_and_desired, torch.enable_grad)
    def deltas(self, x: Tensor, y: Tensor) -> Tensors:
        """Return the error delta, the derivative of the cost by z, of every layer."""
        zs, activations = self.trace(x)
        derivative = self.cost_derivative(activations[-1].detach(), y)
        return list(torch.autograd.grad(activations[-1], zs, derivative))

    @border.checked(border.inputs_and_desired, torch.enable_grad)
    def backprop(self, x: Tensor, y: Tensor) -> tuple[Tensors, Tensors]:
        """Return (nabla_b, nabla_w): the gradient of the cost, summed over the mini-batch."""
        output = self.trace(x)[1][-1]
        derivative = self.cost_derivative(output.detach(), y)
        nablas = torch.autograd.grad(output, [*self.biases, *self.weights], derivative)  # BP1 - BP4
        return list(nablas[: len(self.biases)]), list(nablas[len(self.biases) :])

    @border.checked(border.mini_batch_and_eta, torch.enable_grad)
    def update_mini_batch(self, mini_batch: Any, eta: float) -> None:
        """Take one step of gradient descent on (x, y), two matrices, or on a list of pairs."""
        x, y = mini_batch
        nabla_b, nabla_w = self.backprop(x, y)
        parameters = [v.data for v in [*self.biases, *self.weights]]  # out of autograd's sight
        steps, unit = self.arithmetic.steps([*nabla_b, *nabla_w], eta / len(x))
        torch._foreach_sub_(parameters, steps, alpha=unit)  # w - (eta / m) nabla_w
        self.arithmetic.watch(parameters)

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
        training_data : Examples, or pairs (x, y) of rows
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
            order = torch.from_numpy(rng.permutation(len(x))).to(self.device)
            with border.inside(self), torch.enable_grad():
                update_mini_batches(self, x, y, order, mini_batch_size, eta)
                self.arithmetic.check()
            with border.inside(self), torch.no_grad():
                correct = None if test is None else self.evaluate(test)
            report(epoch, correct)

    @border.checked(border.labelled, torch.no_grad)
    def evaluate(self, test_data: Iterable[tuple[Tensor, int]]) -> int:
        """Return the number of examples whose digit is the index of the largest output."""
        x, y = border.rows(self, test_data)
        digits = [self.feedforward(a.to(self.weights[0])).argmax(dim=1) for a in x.split(1000)]
        return int((torch.cat(digits) == y).sum())

    @border.checked(border.inputs_and_desired, torch.no_grad)
    def cost(self, x: Tensor, y: Tensor) -> float:
        """Return the quadratic cost, half the squared distance to y, summed over the examples."""
        return float(((self.feedforward(x) - y) ** 2).sum() / 2)

    def cost_derivative(self, output_activations: Tensor, y: Tensor) -> Tensor:
        """Return the derivative of the cost by the output activations."""
        return output_activations - y

    @classmethod
    def from_parameters(
        cls,
        parameters: Any,
        arithmetic: Float64 = Float64(),
        device: str | torch.device = "cpu",
        compile: bool | None = None,
    ) -> Network:
        """Return a network that starts from parameters: any object with sizes, weights, biases."""
        net = cls(parameters.sizes, arithmetic, border.UNDRAWN, device, compile)
        weights, biases = list(parameters.weights), list(parameters.biases)
        check_shapes(net.sizes, weights, biases)
        net._assign(weights, [b[:, 0] for b in biases])
        return net

    def export(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Return the weights and the biases as fresh float64 arrays, the biases as columns."""
        weights = [w.detach().cpu().numpy().astype(np.float64) for w in self.weights]
        return weights, [b.detach().cpu().numpy().astype(np.float64)[:, None] for b in self.biases]

    def _list_parameters(self) -> None:
        """Keep the parameters in two lists: to ask nn.Module for them costs a quarter of a step."""
        self.biases = [layer.get_parameter("bias") for layer in self.layers]
        self.weights = [layer.get_parameter("weight") for layer in self.layers]

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Network:
        super()._apply(fn, recurse)  # the way that .to(device) and .cuda() take
        self._list_parameters()
        self.device = choose_device(self.weights[0].device)  # turns TF32 off
        return self

    @torch.no_grad()
    def _assign(self, weights: Sequence[Any], biases: Sequence[Any]) -> None:
        for old, new in zip([*self.weights, *self.biases], [*weights, *biases], strict=True):
            old.copy_(self.arithmetic.parameters(new))


def _after_loading(net: Network, _: Any) -> None:
    """Keep what load_state_dict brought as the network's arithmetic keeps it."""
    net._list_parameters()  # with assign=True they are other tensors
    net._assign(net.weights, net.biases)
