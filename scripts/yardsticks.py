"""What the networks are timed beside, the book's loop, JAX, scikit-learn and C; and how all are."""

import ctypes
import os
import shutil
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from model.parameters import Parameters
from scripts.command_line import Settings

Arrays = list[np.ndarray]


class Times(NamedTuple):
    """Seconds of one epoch."""

    clock: float
    processor: float


def timed(net: Any, data: Any, mini_batch_size: int = Settings.mini_batch_size) -> Times:
    """Train two epochs and return how long the second took: the first warms what is kept."""
    ends: list[Times] = []

    def on_epoch(*_: object) -> None:
        ends.append(Times(time.perf_counter(), time.process_time()))

    rng = np.random.default_rng(0)
    net.SGD(data, 2, mini_batch_size, Settings.eta, rng=rng, on_epoch=on_epoch)
    return Times(*(after - before for before, after in zip(*ends, strict=True)))


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
        x, y = self.held(data.x), self.held(data.y)
        whole = len(x) // mini_batch_size * mini_batch_size
        for epoch in range(epochs):
            self.epoch(x, y, rng.permutation(len(x))[:whole].reshape(-1, mini_batch_size), eta)
            on_epoch(epoch, None)

    def held(self, v: Any) -> Any:
        """Data as they are computed with."""
        return np.ascontiguousarray(v, self.dtype)

    @abstractmethod
    def epoch(self, x: Any, y: Any, mini_batches: np.ndarray, eta: float) -> None:
        """Take a step for every row of places in x and y."""


class BookLoop(Yardstick):
    """Stochastic gradient descent as the book writes it out, example by example.

    Source: Nielsen, Neural Networks and Deep Learning, ch. 1 and 2: the loop over the examples of
    a mini-batch that the book leaves in, and asks the reader to replace by matrices.
    """

    def epoch(self, x: Any, y: Any, mini_batches: np.ndarray, eta: float) -> None:
        for mini_batch in mini_batches:
            nabla_b = [np.zeros(b.shape) for b in self.biases]
            nabla_w = [np.zeros(w.shape) for w in self.weights]
            for i in mini_batch:
                delta_nabla_b, delta_nabla_w = self.backprop(x[i][:, None], y[i][:, None])
                nabla_b = [nb + dnb for nb, dnb in zip(nabla_b, delta_nabla_b, strict=True)]
                nabla_w = [nw + dnw for nw, dnw in zip(nabla_w, delta_nabla_w, strict=True)]
            rate = eta / len(mini_batch)
            self.weights = [w - rate * nw for w, nw in zip(self.weights, nabla_w, strict=True)]
            self.biases = [b - rate * nb for b, nb in zip(self.biases, nabla_b, strict=True)]

    def backprop(self, x: np.ndarray, y: np.ndarray) -> tuple[Arrays, Arrays]:
        """Return the gradient of the cost of one example, nabla_b and nabla_w."""
        activations, zs = [x], []
        for b, w in zip(self.biases, self.weights, strict=True):
            zs.append(np.dot(w, activations[-1]) + b)
            activations.append(sigmoid(zs[-1]))
        delta = (activations[-1] - y) * sigmoid_prime(zs[-1])
        nabla_b, nabla_w = [delta], [np.dot(delta, activations[-2].T)]
        for layer in range(2, len(self.weights) + 1):
            delta = np.dot(self.weights[1 - layer].T, delta) * sigmoid_prime(zs[-layer])
            nabla_b.insert(0, delta)
            nabla_w.insert(0, np.dot(delta, activations[-layer - 1].T))
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

        def cost(parameters: Any, x: Any, y: Any) -> Any:
            for w, b in parameters:
                x = jax.nn.sigmoid(x @ w.T + b[:, 0])
            return ((x - y) ** 2).sum() / 2

        def epoch(parameters: Any, x: Any, y: Any, mini_batches: Any, rate: Any) -> Any:
            def step(v: Any, some: Any) -> Any:
                nablas = jax.grad(cost)(v, x[some], y[some])
                return jax.tree.map(lambda v, nabla: v - rate * nabla, v, nablas), None

            return jax.lax.scan(step, parameters, mini_batches)[0]

        self.on_device, self.compiled = jax.numpy.asarray, jax.jit(epoch)

    def held(self, v: Any) -> Any:
        return self.on_device(super().held(v))

    def epoch(self, x: Any, y: Any, mini_batches: np.ndarray, eta: float) -> None:
        parameters = list(zip(self.weights, self.biases, strict=True))
        rate = self.dtype(eta / mini_batches.shape[1])
        found = zip(*self.compiled(parameters, x, y, mini_batches, rate), strict=True)
        self.weights, self.biases = ([np.asarray(v) for v in each] for each in found)


class ScikitLearn(Yardstick):
    """Its own start, order and cost: cross-entropy on a softmax, learnt at a rate of 0.5."""

    def __init__(self, start: Parameters, dtype: type = np.float64) -> None:
        from sklearn.neural_network import MLPClassifier

        super().__init__(start, dtype)
        plain = {"solver": "sgd", "momentum": 0, "nesterovs_momentum": False, "alpha": 0}
        self.classifier = MLPClassifier(
            self.sizes[1:-1], activation="logistic", learning_rate_init=0.5, random_state=0, **plain
        )

    def epoch(self, x: Any, y: Any, mini_batches: np.ndarray, eta: float) -> None:
        self.classifier.set_params(batch_size=mini_batches.shape[1])
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

    def epoch(self, x: Any, y: Any, mini_batches: np.ndarray, eta: float) -> None:
        layers, (steps, m), at = len(self.weights), mini_batches.shape, ctypes.c_void_p
        w, b = ((at * layers)(*(v.ctypes.data for v in own)) for own in (self.weights, self.biases))
        order = np.ascontiguousarray(mini_batches, np.intp)
        data = [at(v.ctypes.data) for v in (x, y, order)]
        sizes = (ctypes.c_int * (layers + 1))(*self.sizes)
        self.call(layers, sizes, w, b, *data, ctypes.c_ssize_t(steps), m, self.number(eta / m))


def others(start: Parameters) -> Iterator[tuple[str, str, Yardstick]]:
    """Yield the name and the arithmetic of each that is installed here, and what trains so."""
    for name, kind in ("JAX", Jax), ("scikit-learn, cross-entropy", ScikitLearn), ("C", InC):
        for dtype in (np.float64, np.float32):
            try:
                yield name, dtype.__name__, kind(start, dtype)
            except ImportError:
                break
