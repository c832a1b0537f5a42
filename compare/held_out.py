"""Mistakes by natural causes, and correct networks written otherwise, to check the checker with.

Nothing here knows the page or the table of mistakes (a test sees to that): what errs, errs as a
student's code does, by a wrong call of PyTorch, a line of the book's loop, or a loader.
"""

from __future__ import annotations

import contextlib
import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Arrays = list[Array]
Kind = TypeVar("Kind", bound=type)
FOUND: list[Any] = []


def mistake(link: str, *diagnosed: str) -> Callable[[Kind], Kind]:
    """Mark a class: the link that should catch it, and what it may be called; a correct one: ""."""

    def marked(candidate: Any) -> Any:
        candidate.link, candidate.diagnosed = link, diagnosed
        FOUND.append(candidate)
        return candidate

    return marked


correct = mistake("")


def mutants() -> list[Any]:
    """Return every marked class; those in PyTorch where it is installed."""
    with contextlib.suppress(ImportError):
        from compare import held_out_torch  # noqa: F401
    return list(FOUND)


# The book's network.py, one example after the other.


@correct
class Book:
    """the book's loop, example by example"""

    def __init__(self, sizes: list[int], weights: Arrays, biases: Arrays) -> None:
        self.num_layers = len(sizes)
        self.weights = [np.array(w) for w in weights]
        self.biases = [np.array(b) for b in biases]

    def export(self) -> tuple[Arrays, Arrays]:
        return self.weights, self.biases

    def sigmoid(self, z: Array) -> Array:
        with np.errstate(over="ignore"):
            return np.asarray(1.0 / (1.0 + np.exp(-z)))

    def sigmoid_prime(self, z: Array) -> Array:
        return self.sigmoid(z) * (1 - self.sigmoid(z))

    def cost_derivative(self, output_activations: Array, y: Array) -> Array:
        return output_activations - y

    def trace(self, x: Array) -> tuple[Arrays, Arrays]:
        zs, activations = [], [x]
        for b, w in zip(self.biases, self.weights, strict=True):
            zs.append(np.dot(w, activations[-1]) + b)
            activations.append(self.sigmoid(zs[-1]))
        return zs, activations

    def one(self, x: Array, y: Array) -> tuple[Arrays, Arrays]:
        nabla_b = [np.zeros(b.shape) for b in self.biases]
        nabla_w = [np.zeros(w.shape) for w in self.weights]
        zs, activations = self.trace(x)
        delta = self.cost_derivative(activations[-1], y) * self.sigmoid_prime(zs[-1])
        nabla_b[-1] = delta
        nabla_w[-1] = np.dot(delta, activations[-2].transpose())
        for layer in range(2, self.num_layers):
            delta = np.dot(self.weights[-layer + 1].transpose(), delta)
            delta = delta * self.sigmoid_prime(zs[-layer])
            nabla_b[-layer] = delta
            nabla_w[-layer] = np.dot(delta, activations[-layer - 1].transpose())
        return nabla_b, nabla_w

    def backprop(self, x: Array, y: Array) -> tuple[Arrays, Arrays]:
        nabla_b = [np.zeros(b.shape) for b in self.biases]
        nabla_w = [np.zeros(w.shape) for w in self.weights]
        for k in range(x.shape[1]):
            delta_b, delta_w = self.one(x[:, [k]], y[:, [k]])
            nabla_b = [nb + dnb for nb, dnb in zip(nabla_b, delta_b, strict=True)]
            nabla_w = [nw + dnw for nw, dnw in zip(nabla_w, delta_w, strict=True)]
        return nabla_b, nabla_w

    def update_mini_batch(self, x: Array, y: Array, eta: float) -> None:
        nabla_b, nabla_w = self.backprop(x, y)
        rate = eta / x.shape[1]
        self.weights = [w - rate * nw for w, nw in zip(self.weights, nabla_w, strict=True)]
        self.biases = [b - rate * nb for b, nb in zip(self.biases, nabla_b, strict=True)]

    def train(self, x: Array, y: Array, order: Array, mini_batch_size: int, eta: float) -> None:
        for k in range(0, len(order), mini_batch_size):
            chosen = order[k : k + mini_batch_size]
            self.update_mini_batch(x[:, chosen], y[:, chosen], eta)


@correct
class InFloat32(Book):
    """float32, and the class says so"""

    dtype = "float32"

    def __init__(self, sizes: list[int], weights: Arrays, biases: Arrays) -> None:
        super().__init__(sizes, [w.astype("f4") for w in weights], [b.astype("f4") for b in biases])

    def trace(self, x: Array) -> tuple[Arrays, Arrays]:
        return super().trace(x.astype("f4"))

    def backprop(self, x: Array, y: Array) -> tuple[Arrays, Arrays]:
        return super().backprop(x.astype("f4"), y.astype("f4"))

    def update_mini_batch(self, x: Array, y: Array, eta: float) -> None:
        super().update_mini_batch(x, y, eta)
        self.weights = [w.astype("f4") for w in self.weights]
        self.biases = [b.astype("f4") for b in self.biases]


@mistake("gradients", "the last example alone")
class Assigned(Book):
    """nabla_b = dnb in the loop, for nabla_b = nb + dnb"""

    def backprop(self, x: Array, y: Array) -> tuple[Arrays, Arrays]:
        for k in range(x.shape[1]):
            nablas = self.one(x[:, [k]], y[:, [k]])
        return nablas


@mistake("gradients", "sigma prime of a")
class PrimeOfA(Book):
    """sigmoid_prime is handed the activation"""

    def sigmoid_prime(self, z: Array) -> Array:
        return super().sigmoid_prime(self.sigmoid(z))


@mistake("gradients", "factor -1")
class TargetFirst(Book):
    """cost_derivative returns y - a"""

    def cost_derivative(self, output_activations: Array, y: Array) -> Array:
        return y - output_activations


@mistake(
    "gradients", "factor 1 / 2 in the hidden sigma prime", "factor 0.5 in the hidden sigma prime"
)
class HalfASlope(Book):
    """the hidden layers' slope is halved, as if the cost's 1/2 were due there"""

    def one(self, x: Array, y: Array) -> tuple[Arrays, Arrays]:
        zs, activations = self.trace(x)
        delta = (activations[-1] - y) * self.sigmoid_prime(zs[-1])
        nabla_b, nabla_w = [delta], [delta @ activations[-2].T]
        for layer in range(2, self.num_layers):
            delta = self.weights[-layer + 1].T @ delta * (self.sigmoid_prime(zs[-layer]) / 2)
            nabla_b.insert(0, delta)
            nabla_w.insert(0, delta @ activations[-layer - 1].T)
        return nabla_b, nabla_w


@mistake("gradients", "finite differences")
class Quotients(Book):
    """the gradient is a difference quotient of the cost"""

    def cost(self, x: Array, y: Array) -> float:
        return float(np.sum((self.trace(x)[1][-1] - y) ** 2) / 2)

    def backprop(self, x: Array, y: Array) -> tuple[Arrays, Arrays]:
        nablas: tuple[Arrays, Arrays] = ([], [])
        for part, nabla in zip((self.biases, self.weights), nablas, strict=True):
            for v in part:
                nabla.append(np.zeros(v.shape))
                for entry in np.ndindex(v.shape):
                    kept, before = v[entry], self.cost(x, y)
                    v[entry] = kept + 1e-5
                    nabla[-1][entry] = (self.cost(x, y) - before) / 1e-5
                    v[entry] = kept
        return nablas


@mistake("update", "one step for each example")
class StepInsideTheLoop(Book):
    """the step stands inside the loop over the mini-batch"""

    def update_mini_batch(self, x: Array, y: Array, eta: float) -> None:
        for k in range(x.shape[1]):
            nabla_b, nabla_w = self.one(x[:, [k]], y[:, [k]])
            self.weights = [
                w - eta / x.shape[1] * nw for w, nw in zip(self.weights, nabla_w, strict=True)
            ]
            self.biases = [
                b - eta / x.shape[1] * nb for b, nb in zip(self.biases, nabla_b, strict=True)
            ]


@mistake("update", "weight decay")
class NetworkTwo(Book):
    """the update of network2.py, with its L2 regularisation"""

    def update_mini_batch(self, x: Array, y: Array, eta: float) -> None:
        self.weights = [(1 - eta * (5.0 / 50_000)) * w for w in self.weights]
        gradient = super().backprop
        kept = self.weights
        self.weights = [w / (1 - eta * (5.0 / 50_000)) for w in kept]
        nabla_b, nabla_w = gradient(x, y)
        self.weights = [w - eta / x.shape[1] * nw for w, nw in zip(kept, nabla_w, strict=True)]
        self.biases = [
            b - eta / x.shape[1] * nb for b, nb in zip(self.biases, nabla_b, strict=True)
        ]


@mistake("training", "none of the known mistakes")
class LostSteps(Book):
    """every tenth step is lost"""

    steps = 0

    def update_mini_batch(self, x: Array, y: Array, eta: float) -> None:
        self.steps += 1
        if self.steps % 10:
            super().update_mini_batch(x, y, eta)


@mistake("training", "an order of its own")
class OwnShuffle(Book):
    """np.random.shuffle, as in the book's SGD, after the order was given"""

    def train(self, x: Array, y: Array, order: Array, mini_batch_size: int, eta: float) -> None:
        super().train(x, y, np.random.default_rng(5).permutation(order), mini_batch_size, eta)


@mistake("predictions", "large batches")
class BlocksOf36(Book):
    """a batch of more than 36 is cut into blocks, and the last answers for all behind it"""

    def trace(self, x: Array) -> tuple[Arrays, Arrays]:
        zs, activations = super().trace(x)
        for v in (*zs, *activations[1:]):
            v[:, 36:] = v[:, 35:-1]
        return zs, activations


@mistake("figures", "hidden neurons in large batches")
class BlocksBackwards(Book):
    """the blocks of a large batch are joined backwards, in the hidden layers alone"""

    def trace(self, x: Array) -> tuple[Arrays, Arrays]:
        zs, activations = super().trace(x)
        if x.shape[1] > 34:
            for v in (*zs[:-1], *activations[1:-1]):
                v[...] = np.roll(v, 6, axis=1)
        return zs, activations


# Loaders.


@correct
class Loader(Book):
    """a loader of IDX files"""

    first, last = slice(0, -10), slice(-10, None)

    def load_data(self, path: Path) -> Any:
        images, labels = self.pair(path, "train")
        kept = len(images) - len(images) // 6
        training, validation = self.split(kept)
        both = [(images[part], labels[part]) for part in (training, validation)]
        return [*both, self.pair(path, "t10k")]

    def split(self, kept: int) -> tuple[slice, slice]:
        return slice(0, kept), slice(kept, None)

    def pair(self, path: Path, name: str) -> tuple[Array, Array]:
        images = idx(path, f"{name}-images-idx3-ubyte", 16).reshape(-1, 28, 28)
        labels = self.digits(idx(path, f"{name}-labels-idx1-ubyte", 8).astype(np.int64))
        return self.pixels(images).reshape(len(labels), 784), labels

    def pixels(self, images: Array) -> Array:
        return images.astype(np.float32) / 256

    def digits(self, labels: Array) -> Array:
        return labels


def idx(path: Path, name: str, header: int) -> Array:
    """Return the bytes of an IDX file, raw or .gz, flat or in torchvision's layout."""
    for folder in (path, path / "MNIST" / "raw"):
        for file, opened in ((folder / name, open), (folder / f"{name}.gz", gzip.open)):
            if file.exists():
                with opened(file, "rb") as stream:
                    return np.frombuffer(stream.read(), np.uint8, offset=header)
    raise FileNotFoundError(f"{path} has no {name}")


@mistake("data", "pixels divided by 255")
class ToTensor(Loader):
    """torchvision's ToTensor divides bytes by 255"""

    def pixels(self, images: Array) -> Array:
        return images.astype(np.float32) / 255


@mistake("data", "inverted pixels")
class Negative(Loader):
    """black on white"""

    def pixels(self, images: Array) -> Array:
        return (255 - images).astype(np.float32) / 256


@mistake("data", "transposed images")
class ColumnMajor(Loader):
    """images are read column by column"""

    def pixels(self, images: Array) -> Array:
        return super().pixels(images.transpose(0, 2, 1))


@mistake("data", "labels off by one")
class FromOne(Loader):
    """labels are counted from 1"""

    def digits(self, labels: Array) -> Array:
        return (labels + 1) % 10


@mistake("data", "another split")
class AllOfIt(Loader):
    """all images are training images, the last sixth validation besides"""

    def split(self, kept: int) -> tuple[slice, slice]:
        return slice(None), slice(kept, None)


@mistake("data", "shuffled examples")
class Shuffled(Loader):
    """DataLoader(shuffle=True) hands out every set in another order"""

    def pair(self, path: Path, name: str) -> tuple[Array, Array]:
        images, labels = super().pair(path, name)
        order = np.random.default_rng(2).permutation(len(images))
        return images[order], labels[order]

    def load_data(self, path: Path) -> Any:
        sets = Loader([1], [], []).load_data(path)
        rng = np.random.default_rng(2)
        orders = [rng.permutation(len(labels)) for _, labels in sets]
        return [(v[order], w[order]) for (v, w), order in zip(sets, orders, strict=True)]
