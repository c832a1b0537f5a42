"""Our own two networks in the protocol of `compare.candidates`; PyTorch is imported when asked for.

Each class wraps a `Network` and says nothing of its arithmetic: columns outside, and inside what
the twin takes. The reference is what every candidate is held against; torch_impl's network is the
candidate where none is named, and is tried as any other.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

import reference.arithmetic
import reference.mnist_loader
import reference.network
from model.parameters import Parameters

Array = NDArray[Any]
Arrays = list[Array]
NUMBERS = {"float64": "Float64", "float32": "Float32", "fixed-point": "FixedPoint"}


class ReferenceTwin:
    """reference.network.Network."""

    dtype: ClassVar[str] = "float64"
    label: ClassVar[str] = "reference.network (float64)"

    def __init__(self, sizes: list[int], weights: Arrays, biases: Arrays) -> None:
        arithmetic = getattr(reference.arithmetic, NUMBERS[self.dtype])()
        parameters = Parameters(sizes, weights, biases)
        self.net = reference.network.Network.from_parameters(parameters, arithmetic)

    def export(self) -> tuple[Arrays, Arrays]:
        return self.net.export()

    def trace(self, x: Array) -> tuple[Arrays, Arrays]:
        return self.net.trace(x)

    def feedforward(self, x: Array) -> Array:
        return self.net.feedforward(x)

    def backprop(self, x: Array, y: Array) -> tuple[Arrays, Arrays]:
        return self.net.backprop(x, y)

    def deltas(self, x: Array, y: Array) -> Arrays:
        return self.net.deltas(x, y)

    def update_mini_batch(self, x: Array, y: Array, eta: float) -> None:
        self.net.update_mini_batch((x, y), eta)

    def train(self, x: Array, y: Array, order: Array, mini_batch_size: int, eta: float) -> None:
        data: Any = Rows(x.T, y.T)
        self.net.SGD(data, 1, mini_batch_size, eta, rng=Given(order), on_epoch=silent)

    def evaluate(self, x: Array, labels: Array) -> int:
        data: Any = Rows(x.T, labels)
        return self.net.evaluate(data)

    def held(self, x: Array, neuron: int, value: float) -> Array:
        a = np.array(self.net.trace(x)[1][1])
        a[neuron] = value
        for w, b in zip(self.net.weights[1:], self.net.biases[1:], strict=True):
            a = self.net.arithmetic.sigmoid(w @ a + b)
        return a

    @staticmethod
    def load_data(path: Path) -> Any:
        return reference.mnist_loader.load_data(path)

    @classmethod
    def with_arithmetic(cls, name: str) -> type:
        return type(
            cls.__name__, (cls,), {"dtype": name, "label": f"reference.network ({name})"}
        )


class TorchTwin:
    """torch_impl.network.Network, on one device."""

    dtype: ClassVar[str] = "float64"
    device: ClassVar[str] = "cpu"
    label: ClassVar[str] = "torch_impl.network (float64, cpu)"

    def __init__(self, sizes: list[int], weights: Arrays, biases: Arrays) -> None:
        import torch

        import torch_impl.arithmetic
        import torch_impl.network

        arithmetic = getattr(torch_impl.arithmetic, NUMBERS[self.dtype])()
        parameters = Parameters(sizes, weights, biases)
        network = torch_impl.network.Network
        self.net = network.from_parameters(parameters, arithmetic, device=self.device)
        self.rows: Any = lambda columns: torch.from_numpy(columns.T)
        self.no_grad = torch.no_grad

    def export(self) -> tuple[Arrays, Arrays]:
        return self.net.export()

    def trace(self, x: Array) -> tuple[Arrays, Arrays]:
        zs, activations = self.net.trace(self.rows(x))
        return columns(zs), columns(activations)

    def feedforward(self, x: Array) -> Array:
        return columns([self.net.feedforward(self.rows(x))])[0]

    def backprop(self, x: Array, y: Array) -> tuple[Arrays, Arrays]:
        nabla_b, nabla_w = self.net.backprop(self.rows(x), self.rows(y))
        return [b[:, None] for b in arrays(nabla_b)], arrays(nabla_w)

    def deltas(self, x: Array, y: Array) -> Arrays:
        return columns(self.net.deltas(self.rows(x), self.rows(y)))

    def update_mini_batch(self, x: Array, y: Array, eta: float) -> None:
        self.net.update_mini_batch((self.rows(x), self.rows(y)), eta)

    def train(self, x: Array, y: Array, order: Array, mini_batch_size: int, eta: float) -> None:
        data: Any = Rows(self.rows(x), self.rows(y))
        self.net.SGD(data, 1, mini_batch_size, eta, rng=Given(order), on_epoch=silent)

    def evaluate(self, x: Array, labels: Array) -> int:
        data: Any = Rows(self.rows(x), self.rows(labels))
        return self.net.evaluate(data)

    def held(self, x: Array, neuron: int, value: float) -> Array:
        with self.no_grad():
            a = self.net.trace(self.rows(x))[1][1].clone()
            a[:, neuron] = value
            for w, b in zip(self.net.weights[1:], self.net.biases[1:], strict=True):
                a = self.net.arithmetic.sigmoid(a @ w.T + b)
        return columns([a])[0]

    @staticmethod
    def load_data(path: Path) -> Any:
        import torch_impl.mnist_loader

        loaded = torch_impl.mnist_loader.load_data(path)
        return [tuple(v.numpy() for v in part) for part in loaded]

    @classmethod
    def with_arithmetic(cls, name: str) -> type:
        return cls._derived(name, cls.device)

    @classmethod
    def with_device(cls, name: str) -> type:
        from torch_impl.device import choose_device

        choose_device(name)  # raises ValueError where there is none
        return cls._derived(cls.dtype, name)

    @classmethod
    def _derived(cls, dtype: str, device: str) -> type:
        label = f"torch_impl.network ({dtype}, {device})"
        return type(cls.__name__, (cls,), {"dtype": dtype, "device": device, "label": label})


def reference_net(parameters: Parameters, dtype: str = "float64") -> Any:
    """Return the reference in the protocol, with these parameters."""
    twin = ReferenceTwin if dtype == "float64" else ReferenceTwin.with_arithmetic(dtype)
    return twin(list(parameters.sizes), list(parameters.weights), list(parameters.biases))


class Rows:
    """Data as SGD and evaluate take them: arrays x and y with an example in every row."""

    def __init__(self, x: Any, y: Any) -> None:
        self.x, self.y = x, y

    def __len__(self) -> int:
        return len(self.x)


class Given(np.random.Generator):
    """A generator whose permutation is the order that was asked for."""

    def __init__(self, order: Array) -> None:
        super().__init__(np.random.PCG64(0))
        self.order = np.array(order)

    def permutation(self, x: Any, axis: int = 0) -> Any:
        if x != len(self.order):
            raise ValueError(f"expected an order of {x} examples, received {len(self.order)}")
        return self.order


def silent(epoch: int, correct: int | None) -> None:
    """Print nothing after an epoch."""


def arrays(tensors: Any) -> Arrays:
    """Return tensors as arrays, wherever they lie."""
    return [v.detach().cpu().numpy() for v in tensors]


def columns(tensors: Any) -> Arrays:
    """Return tensors of rows as arrays of columns."""
    return [v.T for v in arrays(tensors)]
