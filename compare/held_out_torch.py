"""Those of `compare.held_out` that are in PyTorch: a wrong call of it, and correct ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from compare.held_out import COMPANY, Array, Arrays, Book, written


def rows(columns: Array) -> Tensor:
    return torch.tensor(columns.T)


def array(tensor: Tensor) -> Array:
    return np.array(tensor.detach().numpy())


class Sequential(Book):
    """nn.Sequential, autograd and torch.optim.SGD."""

    def __init__(self, sizes: list[int], weights: Arrays, biases: Arrays) -> None:
        self.linear = [nn.Linear(*reversed(w.shape)).double() for w in weights]
        for linear, w, b in zip(self.linear, weights, biases, strict=True):
            linear.weight = nn.Parameter(self.kept(w))
            linear.bias = nn.Parameter(self.kept(b[:, 0]))
        both = [module for linear in self.linear for module in (linear, nn.Sigmoid())]
        self.net = nn.Sequential(*both)
        self.optimizer = self.optimized(list(self.net.parameters()))

    def kept(self, v: Array) -> Any:
        return torch.tensor(v)

    def optimized(self, parameters: Any) -> Any:
        return torch.optim.SGD(parameters, lr=1.0)

    def export(self) -> tuple[Arrays, Arrays]:
        weights = [array(linear.weight) for linear in self.linear]
        return weights, [array(linear.bias) for linear in self.linear]

    def pixels(self, x: Tensor) -> Tensor:
        return x

    def called(self, module: Any, a: Tensor) -> Tensor:
        return module(a)

    def forward(self, x: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        found = [self.pixels(x)]
        for module in self.net:
            found.append(self.called(module, found[-1]))
        return found[1::2], found[::2]

    def trace(self, x: Array) -> tuple[Any, Any]:
        zs, activations = self.forward(rows(x))
        return [z.T.double() for z in zs], [x, *(a.T.double() for a in activations[1:])]

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

    after_step = before_step

    def update_mini_batch(self, x: Array, y: Array, eta: float) -> None:
        self.backward(x, y)
        self.before_step()
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate(eta, x.shape[1])
        self.optimizer.step()
        self.after_step()


def drawn(net: Any, v: Array) -> Tensor:
    generator = torch.Generator().manual_seed(v.size)
    return torch.rand(v.shape, generator=generator, dtype=torch.float64) - 0.5


def through(dtype: torch.dtype) -> Any:
    """Return how a module is called in a dtype."""

    def called(net: Sequential, module: Any, a: Tensor) -> Tensor:
        parameters = {name: v.to(dtype) for name, v in module.named_parameters()}
        return torch.func.functional_call(module, parameters, (a.to(dtype),))

    return called


def tf32(net: Sequential, module: Any, a: Tensor) -> Tensor:
    def rounded(v: Tensor) -> Tensor:  # half away from zero, as the hardware
        bits = v.detach().float().view(torch.int32)
        return ((bits + 0x1000) & ~0x1FFF).view(torch.float32)

    if isinstance(module, nn.Sigmoid):
        return module(a)
    return (rounded(a) @ rounded(module.weight).T).double() + module.bias


def exported_in_float32(net: Sequential) -> Any:
    return tuple([v.astype("f4") for v in part] for part in Sequential.export(net))


# fmt: off
written(Sequential, "nn.Sequential, autograd and torch.optim.SGD")
written(Sequential, "nn.MSELoss(), multiplied by what it was divided by",
        cost=lambda net, a, y: nn.MSELoss()(a, y) * y.numel() / 2)
for doc, link, diagnosed, method, change in (
    ("torch.from_numpy keeps the memory of the arrays handed in", "initial weights",
     "shared memory", "kept", lambda net, v: torch.from_numpy(v)),
    ("the parameters pass through torch's default, float32", "initial weights", "float32", "kept",
     lambda net, v: torch.Tensor(v).double()),
    ("the weights are copied, and the biases stay as nn.Linear drew them", "initial weights",
     "biases not taken over", "kept", lambda net, v: drawn(net, v) if v.ndim == 1 else
     torch.tensor(v)),
    ("nn.Linear's own start is kept", "initial weights", "its own random start", "kept", drawn),
    *((f"the forward pass computes in {name}", "forward", name, "called",
       through(getattr(torch, name))) for name in ("bfloat16", "float16", "float32")),
    ("the parameters are rounded to float32 after every step", "update", "float32", "after_step",
     lambda net: net.net.float().double()),
    ("dropout is left on", "forward", "answers that change from call to call", "pixels",
     lambda net, x: nn.functional.dropout(x, 0.1)),
    ("transforms.Normalize((0.1307,), (0.3081,)), as in many tutorials", "forward",
     "normalised pixels", "pixels", lambda net, x: (x - 0.1307) / 0.3081),
    ("pixels are centred by their batch, as nn.BatchNorm1d does while it trains", "forward",
     COMPANY, "pixels", lambda net, x: x - x.mean(dim=0)),
    ("a softmax ends the network in place of the last sigmoid", "forward", "softmax output",
     "called", lambda net, module, a: torch.softmax(a, 1) if module is net.net[-1] else module(a)),
    ("zero_grad is forgotten", "gradients", "stale gradient", "clear", lambda net: None),
    ("a detach too many", "gradients", "no gradient up to layer 1", "called",
     lambda net, module, a: module(a.detach() if module is net.linear[-1] else a)),
    ("lr=eta, of a cost that is summed over the mini-batch", "update", "step factor m", "rate",
     lambda net, eta, m: eta),
    ("the optimizer is given the weights alone", "update", "step factor 0 in the biases",
     "optimized", lambda net, p: torch.optim.SGD(p[::2], lr=1.0)),
    ("clip_grad_value_ to 0.1", "update", "clipped entries", "before_step",
     lambda net: nn.utils.clip_grad_value_(net.net.parameters(), 0.1)),
    ("clip_grad_norm_ to a length of 0.1", "update", "clipped gradient", "before_step",
     lambda net: nn.utils.clip_grad_norm_(net.net.parameters(), 0.1)),
):
    written(Sequential, doc, link, diagnosed, **{method: change})
written(Sequential, "matrix products take TF32 where float32 is declared, as on a GPU that is "
        "allowed to", "forward", "TF32", dtype="float32", called=tf32,
        export=exported_in_float32)
for doc, diagnosed, cost in (
    ("nn.MSELoss()", "factor 2 / (digits m)", nn.MSELoss()),
    ("nn.MSELoss(reduction='sum')", "factor 2", nn.MSELoss(reduction="sum")),
    ("nn.BCELoss(reduction='sum')", "no sigma prime in the output layer",
     nn.BCELoss(reduction="sum")),
    ("nn.BCEWithLogitsLoss of the activations", "cross-entropy of a second sigmoid",
     nn.BCEWithLogitsLoss(reduction="sum")),
    ("nn.NLLLoss of log(a)", "logarithm of the right output alone",
     lambda a, y: -(torch.log(a) * y).sum()),
    ("nn.CrossEntropyLoss", "softmax cross-entropy of the activations",
     nn.CrossEntropyLoss(reduction="sum")),
    ("nn.HuberLoss(delta=0.25)", "Huber cost", nn.HuberLoss(reduction="sum", delta=0.25)),
    ("nn.L1Loss", "absolute error", nn.L1Loss(reduction="sum")),
    ("label smoothing of 0.1", "label smoothing",
     lambda a, y: ((a - (0.9 * y + 0.01)) ** 2).sum() / 2),
):
    written(Sequential, doc, "gradients", diagnosed, cost=lambda net, a, y, cost=cost: cost(a, y))
for diagnosed, kind, options in (
    ("Adam", torch.optim.Adam, {}), ("RMSprop", torch.optim.RMSprop, {}),
    ("weight decay", torch.optim.SGD, {"weight_decay": 0.01}),
    ("momentum", torch.optim.SGD, {"momentum": 0.9}),
    ("Nesterov momentum", torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
):
    told = ", ".join(f"{name}={value}" for name, value in options.items())
    written(Sequential, f"torch.optim.{kind.__name__}({told})", "update", diagnosed,
            optimized=lambda net, p, kind=kind, options=options: kind(p, lr=1.0, **options))
# fmt: on
