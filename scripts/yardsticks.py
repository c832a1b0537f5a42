"""What the networks are timed beside: the book's loop, JAX, scikit-learn and C."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from model.parameters import Parameters

Arrays = list[np.ndarray]
MOST_IN_C = 8, 2**13  # layers, and examples in a mini-batch: room in epoch.c


class Yardstick(ABC):
    """Trains as `Network.SGD` does, on whole mini-batches alone."""

    def __init__(self, start: Parameters, dtype: type = np.float64) -> None:
        self.sizes, self.dtype = start.sizes, dtype
        self.weights: Arrays = [np.array(w, dtype, order="C") for w in start.weights]
        self.biases: Arrays = [np.array(b, dtype, order="C") for b in start.biases]

    def SGD(
        self, data: Any, epochs: int, mini_batch_size: int, eta: float, rng: np.random.Generator,
        on_epoch: Callable[[int, None], object],
    ) -> None:  # fmt: skip
        """Train on data with x (N, n_in) and y (N, n_out)."""
        x: np.ndarray = np.ascontiguousarray(data.x, self.dtype)
        y: np.ndarray = np.ascontiguousarray(data.y, self.dtype)
        for epoch in range(epochs):
            order = rng.permutation(len(x))
            self.epoch(
                x, y, order[: len(x) // mini_batch_size * mini_batch_size], mini_batch_size, eta
            )
            on_epoch(epoch, None)

    @abstractmethod
    def epoch(self, x: np.ndarray, y: np.ndarray, order: np.ndarray, m: int, eta: float) -> None:
        """Take a step for every m examples of the order."""


class BookLoop(Yardstick):
    """Stochastic gradient descent as the book writes it out, example by example.

    Source: Nielsen, Neural Networks and Deep Learning, ch. 1 and 2: the loop over the examples of
    a mini-batch that the book leaves in, and asks the reader to replace by matrices.
    """

    def epoch(self, x: np.ndarray, y: np.ndarray, order: np.ndarray, m: int, eta: float) -> None:
        for k in range(0, len(order), m):
            mini_batch = [(x[i][:, None], y[i][:, None]) for i in order[k : k + m]]
            self.update_mini_batch(mini_batch, eta)

    def update_mini_batch(
        self, mini_batch: list[tuple[np.ndarray, np.ndarray]], eta: float
    ) -> None:
        """Take one step of gradient descent on one mini-batch."""
        nabla_b = [np.zeros(b.shape) for b in self.biases]
        nabla_w = [np.zeros(w.shape) for w in self.weights]
        for x, y in mini_batch:
            delta_nabla_b, delta_nabla_w = self.backprop(x, y)
            nabla_b = [nb + dnb for nb, dnb in zip(nabla_b, delta_nabla_b, strict=True)]
            nabla_w = [nw + dnw for nw, dnw in zip(nabla_w, delta_nabla_w, strict=True)]
        rate = eta / len(mini_batch)
        self.weights = [w - rate * nw for w, nw in zip(self.weights, nabla_w, strict=True)]
        self.biases = [b - rate * nb for b, nb in zip(self.biases, nabla_b, strict=True)]

    def backprop(self, x: np.ndarray, y: np.ndarray) -> tuple[Arrays, Arrays]:
        """Return the gradient of the cost of one example, nabla_b and nabla_w."""
        nabla_b = [np.zeros(b.shape) for b in self.biases]
        nabla_w = [np.zeros(w.shape) for w in self.weights]
        activations, zs = [x], []
        for b, w in zip(self.biases, self.weights, strict=True):
            zs.append(np.dot(w, activations[-1]) + b)
            activations.append(sigmoid(zs[-1]))
        delta = (activations[-1] - y) * sigmoid_prime(zs[-1])
        nabla_b[-1] = delta
        nabla_w[-1] = np.dot(delta, activations[-2].T)
        for layer in range(2, len(self.weights) + 1):
            delta = np.dot(self.weights[1 - layer].T, delta) * sigmoid_prime(zs[-layer])
            nabla_b[-layer] = delta
            nabla_w[-layer] = np.dot(delta, activations[-layer - 1].T)
        return nabla_b, nabla_w


def sigmoid(z: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + exp(-z))."""
    return 1.0 / (1.0 + np.exp(-z))


def sigmoid_prime(z: np.ndarray) -> np.ndarray:
    """Return the derivative of the sigmoid, from z as the book has it."""
    return sigmoid(z) * (1 - sigmoid(z))


class Jax(Yardstick):
    """An epoch in one call: `lax.scan` over the steps, gradients by `jax.grad`."""

    def __init__(self, start: Parameters, dtype: type = np.float64) -> None:
        import jax

        jax.config.update("jax_enable_x64", True)
        super().__init__(start, dtype)
        self.given: tuple[np.ndarray, Any, Any] | None = None  # the data, and as JAX holds them

        def cost(parameters: Any, x: Any, y: Any) -> Any:
            for w, b in parameters:
                x = jax.nn.sigmoid(x @ w.T + b[:, 0])
            return ((x - y) ** 2).sum() / 2

        def epoch(parameters: Any, x: Any, y: Any, order: Any, rate: Any) -> Any:
            def step(v: Any, some: Any) -> Any:
                nablas = jax.grad(cost)(v, x[some], y[some])
                return jax.tree.map(lambda v, nabla: v - rate * nabla, v, nablas), None

            return jax.lax.scan(step, parameters, order)[0]

        self.on_device, self.compiled = jax.numpy.asarray, jax.jit(epoch)

    def epoch(self, x: np.ndarray, y: np.ndarray, order: np.ndarray, m: int, eta: float) -> None:
        if self.given is None or self.given[0] is not x:
            self.given = x, self.on_device(x), self.on_device(y)
        parameters = list(zip(self.weights, self.biases, strict=True))
        found = self.compiled(
            parameters, *self.given[1:], order.reshape(-1, m), self.dtype(eta / m)
        )
        self.weights, self.biases = (
            [np.asarray(v) for v in each] for each in zip(*found, strict=True)
        )


class ScikitLearn(Yardstick):
    """Its own start, order and cost: cross-entropy on a softmax, learnt at a rate of 0.5."""

    def __init__(self, start: Parameters, dtype: type = np.float64) -> None:
        from sklearn.neural_network import MLPClassifier

        super().__init__(start, dtype)
        plain = {"solver": "sgd", "momentum": 0, "nesterovs_momentum": False, "alpha": 0}
        self.classifier = MLPClassifier(
            self.sizes[1:-1], activation="logistic", learning_rate_init=0.5, random_state=0, **plain
        )

    def epoch(self, x: np.ndarray, y: np.ndarray, order: np.ndarray, m: int, eta: float) -> None:
        self.classifier.set_params(batch_size=m)
        self.classifier.partial_fit(x, y.argmax(axis=1), classes=range(self.sizes[-1]))


class InC(Yardstick):
    """`epoch.c`, by the machine's own C compiler."""

    def __init__(self, start: Parameters, dtype: type = np.float64) -> None:
        super().__init__(start, dtype)
        compiler = os.environ.get("CC") or "cc"
        if not shutil.which(compiler):
            raise ImportError(f"no C compiler ({compiler})")
        real = "float" if dtype is np.float32 else "double"
        with tempfile.TemporaryDirectory() as folder:
            flags = ["-O3", "-march=native", "-ffast-math", "-shared", "-fPIC", f"-DREAL={real}"]
            source, library = Path(__file__).with_name("epoch.c"), Path(folder, "epoch.so")
            made = subprocess.run([compiler, *flags, source, "-o", library, "-lm"])
            if made.returncode:
                raise ImportError(f"{compiler} does not make a library of epoch.c")
            self.call = ctypes.CDLL(str(library)).epoch
        self.number = ctypes.c_float if dtype is np.float32 else ctypes.c_double

    def epoch(self, x: np.ndarray, y: np.ndarray, order: np.ndarray, m: int, eta: float) -> None:
        layers, at = len(self.weights), ctypes.c_void_p
        if layers >= MOST_IN_C[0] or m > MOST_IN_C[1] or m * max(self.sizes[1:]) > 2**16:
            raise ValueError(
                "the loop in C has no room for so many layers, or for such mini-batches"
            )
        w, b = ((at * layers)(*(v.ctypes.data for v in own)) for own in (self.weights, self.biases))
        sizes, order = (
            np.ascontiguousarray(v, t) for v, t in ((self.sizes, np.intc), (order, np.intp))
        )
        where = [at(v.ctypes.data) for v in (sizes, x, y, order)]
        steps = ctypes.c_ssize_t(len(order) // m)
        self.call(layers, where[0], w, b, *where[1:], steps, m, self.number(eta / m))


def others(start: Parameters) -> Iterator[tuple[str, str, Yardstick]]:
    """Yield the name and the arithmetic of each that is installed here, and what trains so."""
    for name, kind, dtypes in (
        ("JAX", Jax, (np.float64, np.float32)),
        ("scikit-learn, cross-entropy", ScikitLearn, (np.float64, np.float32)),
        ("C", InC, (np.float64, np.float32)),
    ):
        for dtype in dtypes:
            try:
                yield name, dtype.__name__, kind(start, dtype)
            except ImportError:
                break
