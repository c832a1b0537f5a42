"""Networks in PyTorch with exactly one known mistake each, and correct ones written otherwise.

`Sequential` is the network without a mistake: nn.Sequential, autograd and torch.optim.SGD in
float64. Every class below overrides one small method of it; see `compare.mutants.correct`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Array = NDArray[Any]
Arrays = list[Array]


class Sequential:
    """The network without a mistake: PyTorch, float64, an example in every row."""

    caught_by: ClassVar[str] = ""
    diagnosed: ClassVar[str] = ""

    def __init__(self, sizes: list[int], weights: Arrays, biases: Arrays) -> None:
        self.linear = [nn.Linear(*reversed(w.shape)).double() for w in weights]
        for linear, w, b in zip(self.linear, weights, biases, strict=True):
            linear.weight = nn.Parameter(self.kept(w))
            linear.bias = nn.Parameter(self.kept(b[:, 0]))
        self.net = nn.Sequential(*self.modules())
        self.optimizer = self.optimized(list(self.net.parameters()))

    def kept(self, v: Array) -> Tensor:
        return torch.tensor(v)

    def modules(self) -> list[nn.Module]:
        return [module for linear in self.linear for module in (linear, nn.Sigmoid())]

    def optimized(self, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.SGD(parameters, lr=1.0)

    def export(self) -> tuple[Arrays, Arrays]:
        weights = [array(linear.weight) for linear in self.linear]
        return weights, [array(linear.bias)[:, None] for linear in self.linear]

    # Forward.

    def pixels(self, x: Tensor) -> Tensor:
        return x

    def forward(self, x: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        a, zs, activations = self.pixels(x), [], [x]
        for module in self.net:
            a = module(a)
            if isinstance(module, nn.Linear):
                zs.append(a)
            elif isinstance(module, nn.Sigmoid):
                activations.append(a)
        return zs, activations

    def trace(self, x: Array) -> tuple[Arrays, Arrays]:
        with torch.no_grad():
            zs, activations = self.forward(rows(x))
        return [array(z).T for z in zs], [x, *(array(a).T for a in activations[1:])]

    # Backward.

    def cost(self, a: Tensor, y: Tensor) -> Tensor:
        return ((a - y) ** 2).sum() / 2

    def clear(self) -> None:
        self.net.zero_grad()

    def backprop(self, x: Array, y: Array) -> tuple[Arrays, Arrays]:
        self.backward(x, y)
        nabla_w = [self.grad(linear.weight) for linear in self.linear]
        return [self.grad(linear.bias)[:, None] for linear in self.linear], nabla_w

    def grad(self, parameter: Tensor) -> Array:
        return array(torch.zeros_like(parameter) if parameter.grad is None else parameter.grad)

    def backward(self, x: Array, y: Array) -> None:
        self.clear()
        self.cost(self.forward(rows(x))[1][-1], rows(y)).backward()

    # Learning.

    def rate(self, eta: float, m: int) -> float:
        return eta / m

    def update_mini_batch(self, x: Array, y: Array, eta: float) -> None:
        self.backward(x, y)
        self.before_step()
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate(eta, x.shape[1])
        self.optimizer.step()

    def before_step(self) -> None:
        pass

    def train(self, x: Array, y: Array, order: Array, mini_batch_size: int, eta: float) -> None:
        for k in range(0, len(order), mini_batch_size):
            chosen = order[k : k + mini_batch_size]
            self.update_mini_batch(x[:, chosen], y[:, chosen], eta)


def rows(columns: Array) -> Tensor:
    """Return columns as rows of a tensor of its own."""
    return torch.tensor(columns.T)


def array(tensor: Tensor) -> Array:
    """Return a tensor as an array of its own."""
    return np.array(tensor.detach().numpy())


# Initial weights.


class TorchSharedMemory(Sequential):
    """torch.from_numpy keeps the memory of the arrays handed in."""

    caught_by = "initial weights"
    diagnosed = "shared memory"

    def kept(self, v: Array) -> Tensor:
        return torch.from_numpy(v)


class TorchDefaultFloat(Sequential):
    """The parameters pass through torch's default, float32."""

    caught_by = "initial weights"
    diagnosed = "float32"

    def kept(self, v: Array) -> Tensor:
        return torch.Tensor(v).double()


class TorchDefaultBiases(Sequential):
    """The weights are copied, and the biases stay as nn.Linear drew them."""

    caught_by = "initial weights"
    diagnosed = "biases not taken over"

    def __init__(self, sizes: list[int], weights: Arrays, biases: Arrays) -> None:
        generator = torch.Generator().manual_seed(1)
        drawn = [
            torch.empty(b.shape, dtype=torch.float64).uniform_(-0.1, 0.1, generator=generator)
            for b in biases
        ]
        super().__init__(sizes, weights, [array(b) for b in drawn])


# Forward.


class Rounded(nn.Linear):
    """A linear layer that rounds what it multiplies and adds up in float32."""

    narrowed: Callable[[Tensor], Tensor]

    def forward(self, a: Tensor) -> Tensor:
        product = self.narrowed(a) @ self.narrowed(self.weight).T
        return product.double() + self.bias


class TorchTF32(Sequential):
    """Matrix products take TF32: a significand of 11 bits, sums in float32."""

    caught_by = "forward"
    diagnosed = "TF32"

    def modules(self) -> list[nn.Module]:
        for linear in self.linear:
            linear.__class__ = Rounded
            linear.narrowed = tf32  # type: ignore[assignment]
        return super().modules()


class TorchTF32AsFloat32(TorchTF32):
    """TF32 where float32 is declared, as on a GPU that is allowed to."""

    dtype = "float32"


def tf32(v: Tensor) -> Tensor:
    """Round to the 11 significant bits of TF32, half away from zero, held in float32."""
    bits = v.detach().float().view(torch.int32)
    return ((bits + 0x1000) & ~0x1FFF).view(torch.float32)


class TorchBfloat16(Sequential):
    """The forward pass computes in bfloat16."""

    caught_by = "forward"
    diagnosed = "bfloat16"

    def forward(self, x: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        zs, activations = [], [x.bfloat16()]
        for linear in self.linear:
            w, b = linear.weight.bfloat16(), linear.bias.bfloat16()
            zs.append(activations[-1] @ w.T + b)
            activations.append(torch.sigmoid(zs[-1]))
        return [z.double() for z in zs], [x, *(a.double() for a in activations[1:])]


class TorchDropout(Sequential):
    """Dropout is left on: every answer is another one."""

    caught_by = "forward"
    diagnosed = "answers that change from call to call"

    def pixels(self, x: Tensor) -> Tensor:
        self.calls = getattr(self, "calls", 0) + 1
        generator = torch.Generator().manual_seed(self.calls)
        return x * torch.empty_like(x).bernoulli_(0.9, generator=generator) / 0.9


class TorchNormalised(Sequential):
    """Inputs are normalised with MNIST's mean and deviation, as in many tutorials."""

    caught_by = "forward"
    diagnosed = "normalised pixels"

    def pixels(self, x: Tensor) -> Tensor:
        return (x - 0.1307) / 0.3081


class TorchBatchStatistics(Sequential):
    """Pixels are normalised by the mean of their batch, as BatchNorm does while it trains."""

    caught_by = "forward"
    diagnosed = "answers that depend on the rest of the batch"

    def pixels(self, x: Tensor) -> Tensor:
        return x - x.mean(dim=0)


class TorchSoftmax(Sequential):
    """A softmax ends the network in place of the last sigmoid."""

    caught_by = "forward"
    diagnosed = "softmax output"

    def forward(self, x: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        zs, activations = super().forward(x)
        return zs, [*activations[:-1], torch.softmax(zs[-1], dim=1)]


# Gradients.


class TorchMSELoss(Sequential):
    """nn.MSELoss() is the mean over the mini-batch and the digits, without 1/2."""

    caught_by = "gradients"
    diagnosed = "factor 2 / (digits m)"

    def cost(self, a: Tensor, y: Tensor) -> Tensor:
        return nn.MSELoss()(a, y)


class TorchSquaredError(Sequential):
    """nn.MSELoss(reduction="sum") lacks the 1/2."""

    caught_by = "gradients"
    diagnosed = "factor 2"

    def cost(self, a: Tensor, y: Tensor) -> Tensor:
        return nn.MSELoss(reduction="sum")(a, y)


class TorchMeanOverDigits(Sequential):
    """The cost is averaged over the digits, summed over the mini-batch."""

    caught_by = "gradients"
    diagnosed = "factor 1 / digits"

    def cost(self, a: Tensor, y: Tensor) -> Tensor:
        return ((a - y) ** 2).mean(dim=1).sum() / 2


class TorchCrossEntropy(Sequential):
    """The cost is the binary cross-entropy: delta is a - y."""

    caught_by = "gradients"
    diagnosed = "no sigma prime in the output layer"

    def backward(self, x: Array, y: Array) -> None:
        self.clear()
        zs, _ = self.forward(rows(x))
        nn.BCEWithLogitsLoss(reduction="sum")(zs[-1], rows(y)).backward()


class TorchSoftmaxCost(Sequential):
    """nn.CrossEntropyLoss is applied to the sigmoids, as if they were logits."""

    caught_by = "gradients"
    diagnosed = "softmax cross-entropy of the activations"

    def cost(self, a: Tensor, y: Tensor) -> Tensor:
        return nn.CrossEntropyLoss(reduction="sum")(a, y)


class TorchForgottenZeroGrad(Sequential):
    """zero_grad is forgotten: every gradient is added to those before it."""

    caught_by = "gradients"
    diagnosed = "stale gradient"

    def clear(self) -> None:
        pass


class TorchDetached(Sequential):
    """The hidden activations are detached, so that only the last layer has a gradient."""

    caught_by = "gradients"
    diagnosed = "no gradient in a layer"

    def forward(self, x: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        zs, activations = super().forward(x)
        z = self.linear[-1](activations[-2].detach())
        return [*zs[:-1], z], [*activations[:-1], torch.sigmoid(z)]


# Update.


class TorchLearningRate(Sequential):
    """The learning rate is eta, of a cost that is summed over the mini-batch."""

    caught_by = "update"
    diagnosed = "step factor m"

    def rate(self, eta: float, m: int) -> float:
        return eta


class TorchAdam(Sequential):
    """The optimizer is Adam."""

    caught_by = "update"
    diagnosed = "Adam"

    def optimized(self, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.Adam(parameters)

    def rate(self, eta: float, m: int) -> float:
        return eta


class TorchWeightDecay(Sequential):
    """The optimizer decays weights and biases."""

    caught_by = "update"
    diagnosed = "weight decay"

    def optimized(self, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.SGD(parameters, lr=1.0, weight_decay=0.01)


class TorchClipped(Sequential):
    """The gradient is clipped to a length of 0.1."""

    caught_by = "update"
    diagnosed = "clipped gradient"

    def before_step(self) -> None:
        nn.utils.clip_grad_norm_(self.net.parameters(), 0.1)


# Training.


class TorchMomentum(Sequential):
    """The optimizer has momentum."""

    caught_by = "update"
    diagnosed = "momentum"

    def optimized(self, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.SGD(parameters, lr=1.0, momentum=0.9)


# Known-good variants.


class TorchFunctional(Sequential):
    """Correct: torch.func.grad of a function of the parameters."""

    def backprop(self, x: Array, y: Array) -> tuple[Arrays, Arrays]:
        def cost(parameters: dict[str, Tensor]) -> Tensor:
            return self.cost(torch.func.functional_call(self.net, parameters, rows(x)), rows(y))

        named = {name: p.detach() for name, p in self.net.named_parameters()}
        nablas = [array(v) for v in torch.func.grad(cost)(named).values()]
        return [b[:, None] for b in nablas[1::2]], nablas[::2]


class TorchMeanCost(Sequential):
    """Correct: the optimizer's own mean, multiplied by m where the sum is asked for."""

    def cost(self, a: Tensor, y: Tensor) -> Tensor:
        return nn.MSELoss()(a, y) * y.numel() / 2


class TorchByHand(Sequential):
    """Correct: the equations BP1 to BP4 in torch, without autograd, by einsum."""

    def backprop(self, x: Array, y: Array) -> tuple[Arrays, Arrays]:
        with torch.no_grad():
            _, activations = self.forward(rows(x))
        delta = (activations[-1] - rows(y)) * activations[-1] * (1 - activations[-1])
        nabla_b: Arrays = []
        nabla_w: Arrays = []
        for linear, a in zip(reversed(self.linear), reversed(activations[:-1]), strict=True):
            nabla_b.insert(0, array(delta.sum(dim=0))[:, None])
            nabla_w.insert(0, array(torch.einsum("mj,mk->jk", delta, a)))
            delta = torch.einsum("mj,jk->mk", delta, linear.weight.detach()) * a * (1 - a)
        return nabla_b, nabla_w
