"""Those of `compare.held_out` that are in PyTorch: a wrong call of it, and correct ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from compare.held_out import Array, Arrays, correct, mistake


def rows(columns: Array) -> Tensor:
    return torch.tensor(columns.T)


def array(tensor: Tensor) -> Array:
    return np.array(tensor.detach().numpy())


@correct
class Sequential:
    """nn.Sequential, autograd and torch.optim.SGD"""

    def __init__(self, sizes: list[int], weights: Arrays, biases: Arrays) -> None:
        self.linear = [nn.Linear(*reversed(w.shape)).double() for w in weights]
        for linear, w, b in zip(self.linear, weights, biases, strict=True):
            linear.weight = nn.Parameter(self.kept(w))
            linear.bias = nn.Parameter(self.kept(b[:, 0]))
        both = [module for linear in self.linear for module in (linear, nn.Sigmoid())]
        self.net = nn.Sequential(*both)
        self.optimizer = self.optimized(list(self.net.parameters()))

    def kept(self, v: Array) -> Tensor:
        return torch.tensor(v)

    def optimized(self, parameters: Any) -> Any:
        return torch.optim.SGD(parameters, lr=1.0)

    def export(self) -> tuple[Arrays, Arrays]:
        weights = [array(linear.weight) for linear in self.linear]
        return weights, [array(linear.bias) for linear in self.linear]

    def pixels(self, x: Tensor) -> Tensor:
        return x

    def forward(self, x: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        a, zs, activations = self.pixels(x), list[Tensor](), [x]
        for module in self.net:
            a = module(a)
            (zs if isinstance(module, nn.Linear) else activations).append(a)
        return zs, activations

    def trace(self, x: Array) -> tuple[Any, Any]:
        zs, activations = self.forward(rows(x))
        return [z.T for z in zs], [x, *(a.T for a in activations[1:])]

    def cost(self, a: Tensor, y: Tensor) -> Tensor:
        return ((a - y) ** 2).sum() / 2

    def clear(self) -> None:
        self.net.zero_grad()

    def backward(self, x: Array, y: Array) -> None:
        self.clear()
        self.cost(self.forward(rows(x))[1][-1], rows(y)).backward()

    def backprop(self, x: Array, y: Array) -> tuple[Arrays, Arrays]:
        self.backward(x, y)
        nablas = [
            array(torch.zeros_like(p) if p.grad is None else p.grad) for p in self.net.parameters()
        ]
        return nablas[1::2], nablas[::2]

    def rate(self, eta: float, m: int) -> float:
        return eta / m

    def before_step(self) -> None:
        pass

    def update_mini_batch(self, x: Array, y: Array, eta: float) -> None:
        self.backward(x, y)
        self.before_step()
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate(eta, x.shape[1])
        self.optimizer.step()

    def train(self, x: Array, y: Array, order: Array, size: int, eta: float) -> None:
        for k in range(0, len(order), size):
            chosen = order[k : k + size]
            self.update_mini_batch(x[:, chosen], y[:, chosen], eta)


@correct
class Functional(Sequential):
    """torch.func.grad of a function of the parameters"""

    def backprop(self, x: Array, y: Array) -> tuple[Arrays, Arrays]:
        def cost(parameters: dict[str, Tensor]) -> Tensor:
            return self.cost(torch.func.functional_call(self.net, parameters, rows(x)), rows(y))

        named = {name: p.detach() for name, p in self.net.named_parameters()}
        nablas = [array(v) for v in torch.func.grad(cost)(named).values()]
        return nablas[1::2], nablas[::2]


@correct
class MeanCost(Sequential):
    """nn.MSELoss(), multiplied by what it was divided by"""

    def cost(self, a: Tensor, y: Tensor) -> Tensor:
        return nn.MSELoss()(a, y) * y.numel() / 2


@mistake("initial weights", "shared memory")
class FromNumpy(Sequential):
    """torch.from_numpy keeps the memory of the arrays handed in"""

    def kept(self, v: Array) -> Tensor:
        return torch.from_numpy(v)


@mistake("initial weights", "float32")
class DefaultFloat(Sequential):
    """the parameters pass through torch's default, float32"""

    def kept(self, v: Array) -> Tensor:
        return torch.Tensor(v).double()


@mistake("initial weights", "float16")
class HalfWeights(Sequential):
    """the parameters pass through float16"""

    def kept(self, v: Array) -> Tensor:
        return torch.tensor(v).half().double()


@mistake("initial weights", "biases not taken over")
class DefaultBiases(Sequential):
    """the weights are copied, and the biases stay as nn.Linear drew them"""

    def __init__(self, sizes: list[int], weights: Arrays, biases: Arrays) -> None:
        generator = torch.Generator().manual_seed(1)
        drawn = [torch.rand(b.shape, generator=generator).double() - 0.5 for b in biases]
        super().__init__(sizes, weights, [array(b) for b in drawn])


@mistake("initial weights", "its own random start")
class OwnStart(Sequential):
    """nn.Linear's own start is kept"""

    def kept(self, v: Array) -> Tensor:
        torch.manual_seed(0)
        return torch.rand(v.shape, dtype=torch.float64) - 0.5


@mistake("forward", "bfloat16")
class Bfloat16(Sequential):
    """the forward pass computes in bfloat16"""

    def forward(self, x: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        zs, activations = list[Tensor](), [x.bfloat16()]
        for linear in self.linear:
            w, b = linear.weight.bfloat16(), linear.bias.bfloat16()
            zs.append(activations[-1] @ w.T + b)
            activations.append(torch.sigmoid(zs[-1]))
        return [z.double() for z in zs], [x, *(a.double() for a in activations[1:])]


@mistake("forward", "float32")
class SinglePrecision(Sequential):
    """the forward pass computes in float32"""

    def forward(self, x: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        zs, activations = list[Tensor](), [x.float()]
        for linear in self.linear:
            z = nn.functional.linear(activations[-1], linear.weight.float(), linear.bias.float())
            zs.append(z)
            activations.append(torch.sigmoid(z))
        return [z.double() for z in zs], [x, *(a.double() for a in activations[1:])]


class TF32(Sequential):
    """matrix products take TF32"""

    def forward(self, x: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        def rounded(v: Tensor) -> Tensor:  # half away from zero, as the hardware
            bits = v.detach().float().view(torch.int32)
            return ((bits + 0x1000) & ~0x1FFF).view(torch.float32)

        zs: list[Tensor] = []
        activations = [x]
        for linear in self.linear:
            product = rounded(activations[-1]) @ rounded(linear.weight).T
            zs.append(product.double() + linear.bias)
            activations.append(torch.sigmoid(zs[-1]))
        return zs, activations


@mistake("forward", "TF32", "float16")
class TF32InFloat64(TF32):
    """matrix products take TF32 where float64 is declared"""


@mistake("forward", "TF32", "float16")
class TF32InFloat32(TF32):
    """matrix products take TF32 where float32 is declared, as on a GPU that is allowed to"""

    dtype = "float32"

    def export(self) -> tuple[Arrays, Arrays]:
        weights, biases = super().export()
        return [w.astype("f4") for w in weights], [b.astype("f4") for b in biases]


@mistake("forward", "answers that change from call to call")
class Dropout(Sequential):
    """dropout is left on"""

    calls = 0

    def pixels(self, x: Tensor) -> Tensor:
        Dropout.calls += 1
        generator = torch.Generator().manual_seed(Dropout.calls)
        return x * torch.empty_like(x).bernoulli_(0.9, generator=generator) / 0.9


@mistake("forward", "normalised pixels")
class Normalised(Sequential):
    """transforms.Normalize((0.1307,), (0.3081,)), as in many tutorials"""

    def pixels(self, x: Tensor) -> Tensor:
        return (x - 0.1307) / 0.3081


@mistake("forward", "answers that depend on the rest of the batch")
class BatchStatistics(Sequential):
    """pixels are centred by their batch, as nn.BatchNorm1d does while it trains"""

    def pixels(self, x: Tensor) -> Tensor:
        return x - x.mean(dim=0)


@mistake("forward", "softmax output")
class Softmax(Sequential):
    """a softmax ends the network in place of the last sigmoid"""

    def forward(self, x: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        zs, activations = super().forward(x)
        return zs, [*activations[:-1], torch.softmax(zs[-1], dim=1)]


def costing(link: str, diagnosed: str, doc: str, cost: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Mark a network with another cost."""
    methods = {"cost": lambda self, a, y: cost(a, y), "__doc__": doc}
    mistake(link, diagnosed)(type("Costing", (Sequential,), methods))


costing("gradients", "factor 2 / (digits m)", "nn.MSELoss()", nn.MSELoss())
costing("gradients", "factor 2", "nn.MSELoss(reduction='sum')", nn.MSELoss(reduction="sum"))
costing("gradients", "factor 1 / digits", "a mean over the digits",
        lambda a, y: ((a - y) ** 2).mean(dim=1).sum() / 2)  # fmt: skip
costing("gradients", "no sigma prime in the output layer", "nn.BCELoss(reduction='sum')",
        nn.BCELoss(reduction="sum"))  # fmt: skip
costing("gradients", "softmax cross-entropy of the activations", "nn.CrossEntropyLoss",
        nn.CrossEntropyLoss(reduction="sum"))  # fmt: skip
costing("gradients", "Huber cost", "nn.HuberLoss(delta=0.25)",
        nn.HuberLoss(reduction="sum", delta=0.25))  # fmt: skip
costing("gradients", "absolute error", "nn.L1Loss", nn.L1Loss(reduction="sum"))
costing("gradients", "label smoothing", "label smoothing of 0.1",
        lambda a, y: ((a - (0.9 * y + 0.01)) ** 2).sum() / 2)  # fmt: skip


@mistake("gradients", "stale gradient")
class NoZeroGrad(Sequential):
    """zero_grad is forgotten"""

    def clear(self) -> None:
        pass


@mistake("gradients", "no gradient in a layer")
class Detached(Sequential):
    """a detach too many"""

    def forward(self, x: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        zs, activations = super().forward(x)
        z = self.linear[-1](activations[-2].detach())
        return [*zs[:-1], z], [*activations[:-1], torch.sigmoid(z)]


@mistake("update", "step factor m")
class Eta(Sequential):
    """lr=eta, of a cost that is summed over the mini-batch"""

    def rate(self, eta: float, m: int) -> float:
        return eta


def optimizing(diagnosed: str, doc: str, make: Callable[[Any], Any]) -> None:
    """Mark a network with another optimizer."""
    methods = {"optimized": lambda self, p: make(p), "__doc__": doc}
    mistake("update", diagnosed)(type("Optimizing", (Sequential,), methods))


optimizing("Adam", "torch.optim.Adam", torch.optim.Adam)
optimizing("RMSprop", "torch.optim.RMSprop", torch.optim.RMSprop)
optimizing(
    "weight decay", "weight_decay=0.01", lambda p: torch.optim.SGD(p, lr=1, weight_decay=0.01)
)
optimizing("momentum", "momentum=0.9", lambda p: torch.optim.SGD(p, lr=1, momentum=0.9))
optimizing("Nesterov momentum", "momentum=0.9, nesterov=True",
           lambda p: torch.optim.SGD(p, lr=1, momentum=0.9, nesterov=True))  # fmt: skip


@mistake("update", "clipped gradient")
class Clipped(Sequential):
    """clip_grad_norm_ to a length of 0.1"""

    def before_step(self) -> None:
        nn.utils.clip_grad_norm_(self.net.parameters(), 0.1)
