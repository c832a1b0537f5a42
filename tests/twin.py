"""The two networks spoken to alike: in columns and NumPy, whatever they speak inside."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
import torch

from model.initial import initial_parameters
from model.parameters import Parameters
from reference.border import Examples

ARITHMETICS = ["Float64", "Float32", "FixedPoint"]


class Twin:
    """One of the two."""

    def __init__(self, name: str, device: str | None = None) -> None:
        self.name, self.rows = name, name == "torch_impl"
        self.keywords = {"device": device} if device else {}
        for module in ("network", "arithmetic", "exact_sigmoid", "examples", "mnist_loader"):
            setattr(self, module, importlib.import_module(f"{name}.{module}"))
        self.Examples, self.Network = Examples, self.network.Network

    def __repr__(self) -> str:
        return "-".join([self.name, *self.keywords.values()])

    def start(self, parameters: Any, arithmetic: str = "FixedPoint") -> Any:
        """A network with these parameters, or drawn with the sizes that are given."""
        if isinstance(parameters, tuple):
            parameters = initial_parameters(parameters, 0)
        return self.Network.from_parameters(parameters, self.kept(arithmetic), **self.keywords)

    def kept(self, arithmetic: str, sizes: tuple[int, ...] | None = None) -> Any:
        made = getattr(self.arithmetic, arithmetic)()
        return made.for_network(sizes) if sizes else made

    def array(self, v: Any, dtype: Any = None) -> Any:
        """An array as this twin has them, not transposed."""
        v = np.array(v, dtype)
        return torch.tensor(v).to(self.keywords.get("device", "cpu")) if self.rows else v

    def native(self, columns: Any) -> Any:
        """Columns as this twin takes them; the book's (n, 1) as it has one example."""
        return self.array(np.ascontiguousarray(np.asarray(columns).T if self.rows else columns))

    def numpy(self, v: Any) -> np.ndarray:
        return v.detach().cpu().numpy() if self.rows else v

    def columns(self, v: Any) -> np.ndarray:
        return self.numpy(v).T if self.rows else v

    def shape(self, columns: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of columns as this twin has them."""
        return columns[::-1] if self.rows else columns

    def pairs(self, x: np.ndarray, y: np.ndarray) -> list[Any]:
        """The book's list, of columns or of what this twin has in place of them."""
        made = [(self.native(x[:, [k]]), self.native(y[:, [k]])) for k in range(x.shape[1])]
        return [(a[0], b[0]) for a, b in made] if self.rows else made

    def data(self, x: np.ndarray, y: np.ndarray) -> Any:
        """Columns x and columns or digits y as Examples."""
        return self.Examples(*(self.array(np.ascontiguousarray(v.T)) for v in (x, y)))

    def step(self, net: Any, x: np.ndarray, y: np.ndarray, eta: float) -> list[np.ndarray]:
        """The weights and biases after one step."""
        net.update_mini_batch((self.native(x), self.native(y)), eta)
        return flat(net.export())

    def sgd(self, net: Any, x: Any, y: Any, epochs: int, m: int, eta: float, seed=1) -> list[str]:
        """The fingerprints after every epoch."""
        told: list[str] = []
        rng = np.random.default_rng(seed)
        note = lambda *_: told.append(fingerprint(net))  # noqa: E731
        net.SGD(self.data(x, y), epochs, m, eta, rng=rng, on_epoch=note)
        return told


REFERENCE, TORCH = Twin("reference"), Twin("torch_impl")
TWINS = [REFERENCE, TORCH]
both = pytest.mark.parametrize("twin", TWINS, ids=repr)
every = pytest.mark.parametrize("arithmetic", ARITHMETICS)


def flat(parts: Any) -> list[Any]:
    return [v for part in parts for v in part]


def same_bits(one: Any, other: Any) -> bool:
    """Whether two lists of arrays hold the same numbers in the same shapes."""
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def fingerprint(net: Any) -> str:
    return Parameters(net.sizes, *net.export()).fingerprint


def drawn(sizes: Any, m: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Pixels, four in five dark as in MNIST, and desired outputs, in columns."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 256, (sizes[0], m)) / 256 * (rng.random((sizes[0], m)) > 0.8)
    return x, np.eye(sizes[-1])[:, rng.integers(0, sizes[-1], m)]


def refusal(function: Any, *arguments: Any, **keywords: Any) -> str | None:
    """The text of the error, or None."""
    try:
        function(*arguments, **keywords)
    except (ValueError, OverflowError, OSError) as error:
        return f"{type(error).__name__}: {error}"
    return None


def overflow(quantity: str, value: Any, limit: int) -> str:
    return (
        f"OverflowError: fixed-point overflow: the largest {quantity} reached {value} in magnitude "
        f"and must stay below {limit}: use float64 arithmetic, or a smaller eta"
    )
