"""Our own two networks in the protocol of `compare.candidates`; PyTorch is imported when asked for.

The reference is what every candidate is held against; torch_impl's network is the candidate where
none is named, and is tried as any other.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

import reference.arithmetic
import reference.mnist_loader
import reference.network
from model.parameters import Parameters
from reference.border import Examples

Array = NDArray[Any]
Arrays = list[Array]
NUMBERS = {"float64": "Float64", "float32": "Float32", "fixed-point": "FixedPoint"}


class ReferenceTwin:
    """reference.network.Network."""

    dtype: ClassVar[str] = "float64"
    network: ClassVar[str] = "reference.network"
    where: ClassVar[str] = ""
    label: ClassVar[str] = "reference.network (float64)"

    def __init_subclass__(cls) -> None:
        cls.label = f"{cls.network} ({cls.dtype}{cls.where})"

    def __init__(self, sizes: list[int], weights: Arrays, biases: Arrays) -> None:
        self.net = self.built(Parameters(sizes, weights, biases))

    @classmethod
    def of(cls, parameters: Parameters) -> ReferenceTwin:
        """Return a network with parameters that have been looked at already."""
        net = cls.__new__(cls)
        net.net = net.built(parameters)
        return net

    def built(self, parameters: Parameters) -> Any:
        arithmetic = getattr(reference.arithmetic, NUMBERS[self.dtype])()
        return reference.network.Network.from_parameters(parameters, arithmetic)

    def given(self, columns: Array) -> Any:
        """Return columns as the network takes them."""
        return columns

    def rows(self, columns: Array) -> Any:
        """Return columns as data, an example in every row."""
        return columns.T

    def taken(self, examples: Any) -> Array:
        """Return what the network answers, an example in every column."""
        return np.asarray(examples)

    def export(self) -> tuple[Arrays, Arrays]:
        return self.net.export()

    def trace(self, x: Array) -> tuple[Arrays, Arrays]:
        zs, activations = self.net.trace(self.given(x))
        return [self.taken(z) for z in zs], [self.taken(a) for a in activations]

    def feedforward(self, x: Array) -> Array:
        return self.taken(self.net.feedforward(self.given(x)))

    def backprop(self, x: Array, y: Array) -> tuple[Arrays, Arrays]:
        nabla_b, nabla_w = self.net.backprop(self.given(x), self.given(y))
        return [np.asarray(b).reshape(-1, 1) for b in nabla_b], [np.asarray(w) for w in nabla_w]

    def deltas(self, x: Array, y: Array) -> Arrays:
        return [self.taken(d) for d in self.net.deltas(self.given(x), self.given(y))]

    def update_mini_batch(self, x: Array, y: Array, eta: float) -> None:
        self.net.update_mini_batch((self.given(x), self.given(y)), eta)

    def train(self, x: Array, y: Array, order: Array, mini_batch_size: int, eta: float) -> None:
        data = Examples(self.rows(x), self.rows(y))
        rng: Any = SimpleNamespace(permutation=lambda n: np.array(order))
        self.net.SGD(data, 1, mini_batch_size, eta, rng=rng, on_epoch=lambda *_: None)

    def evaluate(self, x: Array, labels: Array) -> int:
        return int(self.net.evaluate(Examples(self.rows(x), self.rows(labels))))

    def held(self, x: Array, neuron: int, value: float) -> Array:
        hidden = np.array(self.taken(self.net.trace(self.given(x))[1][1]))
        hidden[neuron] = value
        a: Any = self.given(hidden)
        for w, b in zip(self.net.weights[1:], self.net.biases[1:], strict=True):
            a = self.net.arithmetic.sigmoid(self.weighted(w, a, b))
        return self.taken(a)

    def weighted(self, w: Any, a: Any, b: Any) -> Any:
        return w @ a + b

    @staticmethod
    def load_data(path: Path) -> Any:
        return reference.mnist_loader.load_data(path)

    @classmethod
    def with_arithmetic(cls, name: str) -> type:
        return type(cls.__name__, (cls,), {"dtype": name})


class TorchTwin(ReferenceTwin):
    """torch_impl.network.Network, on one device: an example in every row."""

    network: ClassVar[str] = "torch_impl.network"
    device: ClassVar[str] = "cpu"
    where: ClassVar[str] = ", cpu"

    def built(self, parameters: Parameters) -> Any:
        import torch_impl.arithmetic
        import torch_impl.network

        arithmetic = getattr(torch_impl.arithmetic, NUMBERS[self.dtype])()
        network = torch_impl.network.Network
        return network.from_parameters(parameters, arithmetic, device=self.device)

    def given(self, columns: Array) -> Any:
        import torch

        return torch.from_numpy(columns.T)

    rows = given

    def taken(self, examples: Any) -> Array:
        return np.asarray(examples.detach().cpu().numpy().T)

    def backprop(self, x: Array, y: Array) -> tuple[Arrays, Arrays]:
        nabla_b, nabla_w = self.net.backprop(self.given(x), self.given(y))
        return [self.taken(b)[:, None] for b in nabla_b], [self.taken(w).T for w in nabla_w]

    def weighted(self, w: Any, a: Any, b: Any) -> Any:
        return a.to(w) @ w.T + b

    @staticmethod
    def load_data(path: Path) -> Any:
        import torch_impl.mnist_loader

        loaded = torch_impl.mnist_loader.load_data(path)
        return [tuple(v.numpy() for v in part) for part in loaded]

    @classmethod
    def with_device(cls, name: str) -> type:
        from torch_impl.device import choose_device

        choose_device(name)  # raises ValueError where there is none
        return type(cls.__name__, (cls,), {"device": name, "where": f", {name}"})


class CompiledTwin(TorchTwin):
    """torch_impl.network.Network, which takes several steps of training in one compiled call."""

    where: ClassVar[str] = ", cpu, compiled"

    def built(self, parameters: Parameters) -> Any:
        net = super().built(parameters)
        net.compiled = True
        return net

    @classmethod
    def with_device(cls, name: str) -> type:
        if name != "cpu":
            raise ValueError(f"--compile is for the cpu; received --device {name}")
        return cls


def reference_net(parameters: Parameters, dtype: str = "float64") -> Any:
    """Return the reference in the protocol, with these parameters."""
    twin: Any = ReferenceTwin if dtype == "float64" else ReferenceTwin.with_arithmetic(dtype)
    return twin.of(parameters)
