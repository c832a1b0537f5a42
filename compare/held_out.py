"""Mistakes by natural causes, and correct networks written otherwise, to check the checker with.

Nothing here knows the page or the table of mistakes (a test sees to that): what errs, errs as a
student's code does, by a wrong call of PyTorch, a line of the book's loop, or a loader.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Arrays = list[Array]
FOUND: list[Any] = []
COMPANY = "answers that depend on the rest of the batch"


def written(base: Any, doc: str, link: str = "", diagnosed: Any = (), **methods: Any) -> None:
    """Add a class: the link that should catch it, and what it may be called; a correct one: ""."""
    names = (diagnosed,) if isinstance(diagnosed, str) else diagnosed
    marks = {"__doc__": doc, "link": link, "diagnosed": names}
    FOUND.append(type(base.__name__, (base,), methods | marks))


def mutants() -> list[Any]:
    """Return every class; those in PyTorch where it is installed."""
    with contextlib.suppress(ImportError):
        from compare import held_out_torch  # noqa: F401
    return list(FOUND)


class Book:
    """The book's network.py, one example after the other."""

    def __init__(self, sizes: list[int], weights: Arrays, biases: Arrays) -> None:
        self.num_layers = len(sizes)
        self.weights = [self.kept(w) for w in weights]
        self.biases = [self.kept(b) for b in biases]

    def kept(self, v: Array) -> Array:
        return np.array(v)

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

    def step(self, nabla_b: Arrays, nabla_w: Arrays, rate: float) -> None:
        pairs = zip(self.weights, nabla_w, strict=True)
        self.weights = [self.kept(w - rate * nw) for w, nw in pairs]
        self.biases = [self.kept(b - rate * nb) for b, nb in zip(self.biases, nabla_b, strict=True)]

    def update_mini_batch(self, x: Array, y: Array, eta: float) -> None:
        self.step(*self.backprop(x, y), eta / x.shape[1])

    def train(self, x: Array, y: Array, order: Any, mini_batch_size: int, eta: float) -> None:
        for k in range(0, len(order), mini_batch_size):
            chosen = order[k : k + mini_batch_size]
            self.update_mini_batch(x[:, chosen], y[:, chosen], eta)


def quotients(net: Book, x: Array, y: Array) -> tuple[Arrays, Arrays]:
    def cost() -> float:
        return float(np.sum((net.trace(x)[1][-1] - y) ** 2) / 2)

    nablas: tuple[Arrays, Arrays] = ([], [])
    for part, nabla in zip((net.biases, net.weights), nablas, strict=True):
        for v in part:
            nabla.append(np.zeros(v.shape))
            for entry in np.ndindex(v.shape):
                kept, before = v[entry], cost()
                v[entry] = kept + 1e-5
                nabla[-1][entry] = (cost() - before) / 1e-5
                v[entry] = kept
    return nablas


def network2(net: Book, x: Array, y: Array, eta: float) -> None:
    nablas = net.backprop(x, y)
    net.weights = [(1 - eta * (5.0 / 50_000)) * w for w in net.weights]
    net.step(*nablas, eta / x.shape[1])


def all_but_every_twelfth(net: Any, x: Array, y: Array, eta: float) -> None:
    net.steps = net.__dict__.get("steps", 0) + 1
    if net.steps % 12:
        Book.update_mini_batch(net, x, y, eta)


def hidden_blocks_backwards(net: Book, x: Array) -> tuple[Arrays, Arrays]:
    zs, activations = Book.trace(net, x)
    if x.shape[1] > 34:
        for v in (*zs[:-1], *activations[1:-1]):
            v[...] = np.roll(v, 6, axis=1)
    return zs, activations


# fmt: off
written(Book, "the book's loop, example by example")
written(Book, "float32, and the class says so", dtype="float32",
        kept=lambda net, v: np.array(v, "f4"),
        trace=lambda net, x: Book.trace(net, x.astype("f4")),
        one=lambda net, x, y: Book.one(net, x.astype("f4"), y.astype("f4")))
written(Book, "nabla_b = dnb in the loop, for nabla_b = nb + dnb", "gradients",
        "the last example alone",
        backprop=lambda net, x, y: net.one(x[:, -1:], y[:, -1:]))
written(Book, "sigmoid_prime is handed the activation", "gradients",
        "sigma prime of a in every layer",
        sigmoid_prime=lambda net, z: Book.sigmoid_prime(net, net.sigmoid(z)))
written(Book, "cost_derivative returns y - a", "gradients", "factor -1",
        cost_derivative=lambda net, a, y: y - a)
written(Book, "the gradient is a difference quotient of the cost", "gradients",
        "finite differences", backprop=quotients)
written(Book, "the step stands inside the loop over the mini-batch", "update",
        "one step for each example", update_mini_batch=lambda net, x, y, eta: [
            net.step(*net.one(x[:, [k]], y[:, [k]]), eta / x.shape[1]) for k in range(x.shape[1])])
written(Book, "the update of network2.py, with its L2 regularisation", "update", "weight decay",
        update_mini_batch=network2)
written(Book, "eta is 3.0, whatever is asked", "update", "eta ignored",
        update_mini_batch=lambda net, x, y, eta: Book.update_mini_batch(net, x, y, 3.0))
written(Book, "a step along a gradient of almost 0 is left out", "update",
        "none of the known mistakes", step=lambda net, b, w, rate:
        Book.step(net, b, w, rate * (max(float(np.abs(nw).max()) for nw in w) > 1e-4)))
written(Book, "every twelfth step is lost", "training", "none of the known mistakes",
        update_mini_batch=all_but_every_twelfth)
written(Book, "np.random.shuffle, as in the book's SGD, after the order was given", "training",
        "an order of its own", train=lambda net, x, y, order, size, eta:
        Book.train(net, x, y, np.random.default_rng(5).permutation(order), size, eta))
written(Book, "the blocks of a large batch are joined backwards, in the hidden layers alone",
        "figures", COMPANY, trace=hidden_blocks_backwards)
# fmt: on


class Loader(Book):
    """A loader of IDX files."""

    def load_data(self, path: Path) -> Any:
        images, labels = self.pair(path, "train")
        sets = [(images[part], labels[part]) for part in self.split(len(images) * 5 // 6)]
        return [*sets, self.pair(path, "t10k")]

    def split(self, kept: int) -> tuple[slice, slice]:
        return slice(0, kept), slice(kept, None)

    def pair(self, path: Path, name: str) -> tuple[Any, Any]:
        images = np.fromfile(path / f"{name}-images-idx3-ubyte", np.uint8, offset=16)
        labels = np.fromfile(path / f"{name}-labels-idx1-ubyte", np.uint8, offset=8)
        pixels = self.pixels(images.reshape(-1, 28, 28))
        return pixels.reshape(-1, 784), self.digits(labels.astype(np.int64))

    def pixels(self, images: Any) -> Any:
        return images.astype(np.float32) / 256

    def digits(self, labels: Any) -> Any:
        return labels


def shuffled(net: Loader, path: Path) -> Any:
    rng = np.random.default_rng(2)
    sets = Loader.load_data(net, path)
    orders = [rng.permutation(len(labels)) for _, labels in sets]
    return [(v[order], w[order]) for (v, w), order in zip(sets, orders, strict=True)]


# fmt: off
written(Loader, "a loader of IDX files")
written(Loader, "torchvision's ToTensor divides bytes by 255", "data", "pixels divided by 255",
        pixels=lambda net, images: images.astype(np.float32) / 255)
written(Loader, "black on white", "data", "inverted pixels",
        pixels=lambda net, images: (255 - images).astype(np.float32) / 256)
written(Loader, "images are read column by column", "data", "transposed images",
        pixels=lambda net, images: Loader.pixels(net, images.transpose(0, 2, 1)))
written(Loader, "labels are counted from 1", "data", "labels off by one",
        digits=lambda net, labels: (labels + 1) % 10)
written(Loader, "all images are training images, the last sixth validation besides", "data",
        "another split", split=lambda net, kept: (slice(None), slice(kept, None)))
written(Loader, "DataLoader(shuffle=True) hands out every set in another order", "data",
        "shuffled examples", load_data=shuffled)
# fmt: on
