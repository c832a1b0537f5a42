"""The two networks of this project in the protocol of `compare.candidates`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import reference.arithmetic
import reference.mnist_loader
from compare.candidates import Array, Arrays
from compare.difference import Unusable
from model.parameters import Parameters
from reference.network import Network


def reference_candidate(arithmetic: str = "float64") -> type:
    """Return the reference itself in the protocol: what every candidate is measured against.

    Parameters
    ----------
    arithmetic : str
        One of `DTYPES`.
    """
    numbers = {
        "float64": reference.arithmetic.Float64,
        "float32": reference.arithmetic.Float32,
        "fixed-point": reference.arithmetic.FixedPoint,
    }[arithmetic]

    class Reference:
        """reference.network.Network, columns in and columns out."""

        dtype = arithmetic
        label = f"reference.network ({arithmetic})"
        load_data = staticmethod(reference.mnist_loader.load_data)

        def __init__(self, sizes: list[int], weights: Arrays, biases: Arrays) -> None:
            self.net = Network.from_parameters(Parameters(sizes, weights, biases), numbers())

        def export(self) -> tuple[Arrays, Arrays]:
            return self.net.export()

        def trace(self, x: Array) -> tuple[Arrays, Arrays]:
            return self.net.trace(x)

        def backprop(self, x: Array, y: Array) -> tuple[Arrays, Arrays]:
            return self.net.backprop(x, y)

        def deltas(self, x: Array, y: Array) -> Arrays:
            return self.net.deltas(x, y)

        def update_mini_batch(self, x: Array, y: Array, eta: float) -> None:
            self.net.update_mini_batch((x, y), eta)

        def train(self, x: Array, y: Array, order: Array, mini_batch_size: int, eta: float) -> None:
            data: Any = Rows(x.T, y.T)
            self.net.SGD(data, 1, mini_batch_size, eta, rng=Given(order), on_epoch=_silent)

        @classmethod
        def with_arithmetic(cls, name: str) -> type:
            return reference_candidate(name)

    return Reference


def torch_candidate(arithmetic: str = "float64", device: str = "cpu") -> type:
    """Return torch_impl's network in the protocol: columns outside, rows inside.

    Parameters
    ----------
    arithmetic : str
        One of `DTYPES`.
    device : str
        cpu, cuda or cuda:N.

    Raises
    ------
    Unusable
        PyTorch is not installed.
    ValueError
        There is no such device.
    """
    try:
        import torch

        import torch_impl.arithmetic
        from torch_impl import mnist_loader, network
        from torch_impl.device import choose_device
    except ImportError as error:
        raise Unusable(
            f"torch_impl cannot be imported: {error}; install PyTorch, or name another --candidate"
        ) from error
    choose_device(device)
    numbers = {
        "float64": torch_impl.arithmetic.Float64,
        "float32": torch_impl.arithmetic.Float32,
        "fixed-point": torch_impl.arithmetic.FixedPoint,
    }[arithmetic]

    class TorchTwin:
        """torch_impl.network.Network over NumPy columns."""

        dtype = arithmetic
        label = f"torch_impl.network ({arithmetic}, {device})"

        def __init__(self, sizes: list[int], weights: Arrays, biases: Arrays) -> None:
            parameters = Parameters(sizes, weights, biases)
            self.net = network.Network.from_parameters(parameters, numbers(), device=device)

        def export(self) -> tuple[Arrays, Arrays]:
            return self.net.export()

        def trace(self, x: Array) -> tuple[Arrays, Arrays]:
            zs, activations = self.net.trace(torch.from_numpy(x.T))
            return columns(zs), columns(activations)

        def backprop(self, x: Array, y: Array) -> tuple[Arrays, Arrays]:
            nabla_b, nabla_w = self.net.backprop(torch.from_numpy(x.T), torch.from_numpy(y.T))
            return [b[:, None] for b in arrays(nabla_b)], arrays(nabla_w)

        def deltas(self, x: Array, y: Array) -> Arrays:
            return columns(self.net.deltas(torch.from_numpy(x.T), torch.from_numpy(y.T)))

        def update_mini_batch(self, x: Array, y: Array, eta: float) -> None:
            self.net.update_mini_batch((torch.from_numpy(x.T), torch.from_numpy(y.T)), eta)

        def train(self, x: Array, y: Array, order: Array, mini_batch_size: int, eta: float) -> None:
            data: Any = Rows(torch.from_numpy(x.T), torch.from_numpy(y.T))
            self.net.SGD(data, 1, mini_batch_size, eta, rng=Given(order), on_epoch=_silent)

        @staticmethod
        def load_data(path: Path) -> Any:
            parts = mnist_loader.load_data(path)
            return [tuple(v.numpy() for v in part) for part in parts]

        @classmethod
        def with_arithmetic(cls, name: str) -> type:
            return torch_candidate(name, device)

    def arrays(tensors: Sequence[Any]) -> Arrays:
        return [v.detach().cpu().numpy() for v in tensors]

    def columns(tensors: Sequence[Any]) -> Arrays:
        return [v.T for v in arrays(tensors)]

    return TorchTwin


class Rows:
    """Training data as SGD takes it: arrays x and y with an example in every row."""

    def __init__(self, x: Any, y: Any) -> None:
        self.x, self.y = x, y

    def __len__(self) -> int:
        return len(self.x)


class Given(np.random.Generator):
    """A generator whose permutation is the order that was asked for.

    Parameters
    ----------
    order : ndarray (N,) of int
    """

    def __init__(self, order: Array) -> None:
        super().__init__(np.random.PCG64(0))
        self.order = np.array(order)

    def permutation(self, x: Any, axis: int = 0) -> Any:
        """Return the order, which must be one of x examples."""
        if x != len(self.order):
            raise ValueError(f"expected an order of {x} examples, received {len(self.order)}")
        return self.order


def _silent(epoch: int, correct: int | None) -> None:
    pass
