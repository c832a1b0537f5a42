"""torch_impl's network in the protocol of `compare.candidates`: columns outside, rows inside."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch

from compare.candidates import Array, Arrays
from compare.reference_twin import Given, Rows, silent
from model.parameters import Parameters
from torch_impl import mnist_loader
from torch_impl.arithmetic import FixedPoint, Float32, Float64
from torch_impl.device import choose_device
from torch_impl.network import Network

NUMBERS: dict[str, type[Float64]] = {
    "float64": Float64,
    "float32": Float32,
    "fixed-point": FixedPoint,
}


class TorchTwin:
    """torch_impl.network.Network; `torch_candidate` gives it its arithmetic and its device."""

    dtype: ClassVar[str] = "float64"
    device: ClassVar[str] = "cpu"
    label: ClassVar[str] = "torch_impl.network (float64, cpu)"

    def __init__(self, sizes: list[int], weights: Arrays, biases: Arrays) -> None:
        parameters = Parameters(sizes, weights, biases)
        numbers = NUMBERS[self.dtype]()
        self.net = Network.from_parameters(parameters, numbers, device=self.device)

    def export(self) -> tuple[Arrays, Arrays]:
        """Return the weights and the biases."""
        return self.net.export()

    def trace(self, x: Array) -> tuple[Arrays, Arrays]:
        """Return zs and activations."""
        zs, activations = self.net.trace(rows(x))
        return columns(zs), columns(activations)

    def feedforward(self, x: Array) -> Array:
        """Return the output activations."""
        return columns([self.net.feedforward(rows(x))])[0]

    def backprop(self, x: Array, y: Array) -> tuple[Arrays, Arrays]:
        """Return nabla_b and nabla_w."""
        nabla_b, nabla_w = self.net.backprop(rows(x), rows(y))
        return [b[:, None] for b in arrays(nabla_b)], arrays(nabla_w)

    def deltas(self, x: Array, y: Array) -> Arrays:
        """Return the error of every layer."""
        return columns(self.net.deltas(rows(x), rows(y)))

    def update_mini_batch(self, x: Array, y: Array, eta: float) -> None:
        """Take one step."""
        self.net.update_mini_batch((rows(x), rows(y)), eta)

    def train(self, x: Array, y: Array, order: Array, mini_batch_size: int, eta: float) -> None:
        """Train for one epoch in the given order, by SGD itself."""
        data: Any = Rows(rows(x), rows(y))
        self.net.SGD(data, 1, mini_batch_size, eta, rng=Given(order), on_epoch=silent)

    @staticmethod
    def load_data(path: Path) -> Any:
        """Return training, validation and test data as NumPy arrays."""
        return [tuple(v.numpy() for v in part) for part in mnist_loader.load_data(path)]

    @classmethod
    def with_arithmetic(cls, name: str) -> type:
        """Return the same network on the same device in another arithmetic."""
        return torch_candidate(name, cls.device)


def torch_candidate(arithmetic: str = "float64", device: str = "cpu") -> type:
    """Return torch_impl's network in the protocol.

    Parameters
    ----------
    arithmetic : str
        float64, float32 or fixed-point.
    device : str
        cpu, cuda or cuda:N.

    Raises
    ------
    ValueError
        There is no such device.
    """
    choose_device(device)
    label = f"torch_impl.network ({arithmetic}, {device})"
    return type("Torch", (TorchTwin,), {"dtype": arithmetic, "device": device, "label": label})


def rows(v: Array) -> torch.Tensor:
    """Return columns as a tensor of rows.

    Parameters
    ----------
    v : ndarray (n, m)
    """
    return torch.from_numpy(v.T)


def arrays(tensors: Sequence[torch.Tensor]) -> Arrays:
    """Return tensors as arrays, wherever they lie.

    Parameters
    ----------
    tensors : sequence of tensor
    """
    return [v.detach().cpu().numpy() for v in tensors]


def columns(tensors: Sequence[torch.Tensor]) -> Arrays:
    """Return tensors of rows as arrays of columns.

    Parameters
    ----------
    tensors : sequence of tensor (m, n)
    """
    return [v.T for v in arrays(tensors)]
