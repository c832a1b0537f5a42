"""The reference in the protocol of `compare.candidates`: what others are held against."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np

import reference.mnist_loader
from compare.candidates import Array, Arrays
from model.parameters import Parameters
from reference.arithmetic import FixedPoint, Float32, Float64
from reference.network import Network

NUMBERS: dict[str, type[Float64]] = {
    "float64": Float64,
    "float32": Float32,
    "fixed-point": FixedPoint,
}


class ReferenceTwin:
    """reference.network.Network; `reference_candidate` gives it its arithmetic."""

    dtype: ClassVar[str] = "float64"
    label: ClassVar[str] = "reference.network (float64)"

    def __init__(self, sizes: list[int], weights: Arrays, biases: Arrays) -> None:
        parameters = Parameters(sizes, weights, biases)
        self.net = Network.from_parameters(parameters, NUMBERS[self.dtype]())

    def export(self) -> tuple[Arrays, Arrays]:
        """Return the weights and the biases."""
        return self.net.export()

    def trace(self, x: Array) -> tuple[Arrays, Arrays]:
        """Return zs and activations."""
        return self.net.trace(x)

    def feedforward(self, x: Array) -> Array:
        """Return the output activations."""
        return self.net.feedforward(x)

    def backprop(self, x: Array, y: Array) -> tuple[Arrays, Arrays]:
        """Return nabla_b and nabla_w."""
        return self.net.backprop(x, y)

    def deltas(self, x: Array, y: Array) -> Arrays:
        """Return the error of every layer."""
        return self.net.deltas(x, y)

    def update_mini_batch(self, x: Array, y: Array, eta: float) -> None:
        """Take one step."""
        self.net.update_mini_batch((x, y), eta)

    def train(self, x: Array, y: Array, order: Array, mini_batch_size: int, eta: float) -> None:
        """Train for one epoch in the given order, by SGD itself."""
        data: Any = Rows(x.T, y.T)
        self.net.SGD(data, 1, mini_batch_size, eta, rng=Given(order), on_epoch=silent)

    @staticmethod
    def load_data(path: Path) -> Any:
        """Return training, validation and test data."""
        return reference.mnist_loader.load_data(path)

    @classmethod
    def with_arithmetic(cls, name: str) -> type:
        """Return the same network in another arithmetic."""
        return reference_candidate(name)


def reference_candidate(arithmetic: str = "float64") -> type:
    """Return the reference itself in the protocol.

    Parameters
    ----------
    arithmetic : str
        float64, float32 or fixed-point.
    """
    label = f"reference.network ({arithmetic})"
    return type("Reference", (ReferenceTwin,), {"dtype": arithmetic, "label": label})


def reference_net(parameters: Parameters, arithmetic: str = "float64") -> Any:
    """Return the reference in the protocol, with these parameters."""
    weights, biases = list(parameters.weights), list(parameters.biases)
    return reference_candidate(arithmetic)(list(parameters.sizes), weights, biases)


class Rows:
    """Training data as SGD takes it: arrays x and y with an example in every row.

    Parameters
    ----------
    x : array (N, sizes[0])
    y : array (N, sizes[-1])
    """

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


def silent(epoch: int, correct: int | None) -> None:
    """Print nothing after an epoch.

    Parameters
    ----------
    epoch : int
    correct : int or None
    """
