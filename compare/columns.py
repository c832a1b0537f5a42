"""Nielsen's network on one page: every equation a method, over whatever numbers it is handed.

Written afresh from the book (chapter 1: the forward pass and the step, chapter 2: BP1 to BP4),
independent of `reference/`, against which it must itself pass the proof. Four things run it:

- over plain numbers it is a correct variant;
- with one method changed it is a known mistake, a mutant and a hypothesis (`compare.mistakes`);
- over running-error numbers it gives the bounds (`compare.balls`);
- over 50-digit numbers it is a witness against the reference (`compare.witnesses`).

Everything is in columns: x is (sizes[0], m), y (sizes[-1], m), weights[l] (sizes[l + 1], sizes[l]),
biases[l] (sizes[l + 1], 1). A gradient is the sum over the mini-batch.
"""

from __future__ import annotations

import functools
import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from model.mnist_files import SHA256, locate

Numbers = Any  # an array of floats, of decimal numbers, or a Ball
Layers = list[Numbers]


def sigmoid(z: Numbers) -> Numbers:
    """Return 1 / (1 + exp(-z)), from the side that cannot overflow."""
    t = np.exp(-np.abs(z))
    return np.where(z < 0, t, 1.0) / (1.0 + t)


class Columns:
    """The network without a mistake: an example in every column."""

    def __init__(self, sizes: list[int], weights: Layers, biases: Layers) -> None:
        self.sizes = list(sizes)
        self.take(weights, biases)

    @classmethod
    def of(cls, p: Any) -> Any:
        """Return a network with parameters: any object with sizes, weights, biases."""
        return cls(list(p.sizes), list(p.weights), list(p.biases))

    def take(self, weights: Layers, biases: Layers) -> None:
        self.weights = [self.kept(w) for w in weights]
        self.biases = [self.kept(b) for b in biases]

    def kept(self, v: Numbers) -> Numbers:
        return np.array(v)

    def export(self) -> tuple[Layers, Layers]:
        return self.weights, self.biases

    # Forward: z = w a + b, a = sigmoid(z).

    def seen(self, x: Numbers) -> Numbers:
        return x

    def weighted(self, w: Numbers, a: Numbers, b: Numbers) -> Numbers:
        return w @ a + b

    def fire(self, z: Numbers, last: bool) -> Numbers:
        return sigmoid(z)

    def trace(self, x: Numbers) -> tuple[Layers, Layers]:
        zs: Layers = []
        activations = [self.seen(x)]
        for w, b in zip(self.weights, self.biases, strict=True):
            zs.append(self.weighted(w, activations[-1], b))
            activations.append(self.fire(zs[-1], len(zs) == len(self.weights)))
        return zs, activations

    def feedforward(self, x: Numbers) -> Numbers:
        return self.trace(x)[1][-1]

    def evaluate(self, x: Numbers, labels: Numbers) -> int:
        return int(np.sum(self.feedforward(x).argmax(axis=0) == labels))

    def held(self, x: Numbers, neuron: int, value: float) -> Numbers:
        return self.onward(self.fixed(self.trace(x)[1][1], neuron, value))

    def fixed(self, a: Numbers, neuron: int, value: float) -> Numbers:
        a = np.array(a)
        a[neuron] = value
        return a

    def onward(self, a: Numbers) -> Numbers:
        for k, (w, b) in enumerate(zip(self.weights[1:], self.biases[1:], strict=True), 2):
            a = self.fire(self.weighted(w, a, b), k == len(self.weights))
        return a

    # Backward: BP1 to BP4.

    def cost_derivative(self, a: Numbers, y: Numbers) -> Numbers:
        return a - y

    def slope(self, z: Numbers, a: Numbers, last: bool) -> Numbers:
        return a * (1 - a)

    def pulled_back(self, w: Numbers, delta: Numbers) -> Numbers:
        return w.T @ delta

    def backward(self, zs: Layers, activations: Layers, y: Numbers) -> Layers:
        error = self.cost_derivative(activations[-1], y)
        deltas = [error * self.slope(zs[-1], activations[-1], True)]  # BP1
        for w, z, a in zip(self.weights[:0:-1], zs[-2::-1], activations[-2:0:-1], strict=True):
            deltas.insert(0, self.pulled_back(w, deltas[0]) * self.slope(z, a, False))  # BP2
        return deltas

    def nabla_b(self, delta: Numbers) -> Numbers:
        return delta.sum(axis=1, keepdims=True)  # BP3

    def nabla_w(self, delta: Numbers, a: Numbers) -> Numbers:
        return delta @ a.T  # BP4

    def gradient(self, zs: Layers, activations: Layers, deltas: Layers) -> tuple[Layers, Layers]:
        pairs = zip(deltas, activations[:-1], strict=True)
        return [self.nabla_b(d) for d in deltas], [self.nabla_w(d, a) for d, a in pairs]

    def deltas(self, x: Numbers, y: Numbers) -> Layers:
        return self.backward(*self.trace(x), y)

    def backprop(self, x: Numbers, y: Numbers) -> tuple[Layers, Layers]:
        zs, activations = self.trace(x)
        return self.gradient(zs, activations, self.backward(zs, activations, y))

    # Learning: w - (eta / m) nabla_w, mini-batch after mini-batch.

    def descend(self, nabla_b: Layers, nabla_w: Layers, eta: float, m: int) -> None:
        self.weights = [w - eta / m * n for w, n in zip(self.weights, nabla_w, strict=True)]
        self.biases = [b - eta / m * n for b, n in zip(self.biases, nabla_b, strict=True)]

    def update_mini_batch(self, x: Numbers, y: Numbers, eta: float) -> None:
        nabla_b, nabla_w = self.backprop(x, y)
        self.descend(nabla_b, nabla_w, eta, x.shape[1])

    def mini_batches(self, order: Numbers, mini_batch_size: int) -> Iterator[Numbers]:
        for k in range(0, len(order), mini_batch_size):
            yield order[k : k + mini_batch_size]

    def train(self, x: Numbers, y: Numbers, order: Numbers, size: int, eta: float) -> None:
        for chosen in self.mini_batches(order, size):
            self.update_mini_batch(x[:, chosen], y[:, chosen], eta)

    # Data: IDX files, read with nothing but their layout (a header of 16 bytes, or 8 for labels).

    def pixels(self, images: Numbers) -> Numbers:
        return np.divide(images.reshape(len(images), -1), 256, dtype=np.float32)

    def digits(self, labels: Numbers) -> Numbers:
        return labels.astype(np.int64)

    def split(self, count: int) -> tuple[slice, slice | None]:
        first = count - count // 6
        return slice(0, first), slice(first, count)

    def sets(self, path: str | Path) -> list[tuple[Numbers, Numbers]]:
        images, labels, tests, answers = read(str(path))
        training, validation = self.split(len(labels))
        last = (tests, answers) if validation is None else (images[validation], labels[validation])
        return [(images[training], labels[training]), last, (tests, answers)]

    def load_data(self, path: str | Path) -> list[tuple[Numbers, Numbers]]:
        return [(self.pixels(v), self.digits(w)) for v, w in self.sets(path)]


@functools.lru_cache(maxsize=1)
def read(path: str) -> tuple[Numbers, ...]:
    """Return the bytes of training images and labels, and of test images and labels."""
    raw = []
    files = locate(Path(path))
    for name, header in zip(SHA256, (16, 8, 16, 8), strict=True):
        file = files[name]
        content = file.read_bytes()
        content = gzip.decompress(content) if file.suffix == ".gz" else content
        values = np.frombuffer(content, np.uint8, offset=header)
        raw.append(values if header == 8 else values.reshape(-1, 28, 28))
    return tuple(raw)
