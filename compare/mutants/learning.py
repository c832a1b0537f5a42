"""Networks in NumPy with one known mistake each in learning; see `correct`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from compare.mutants.correct import Array, Arrays, Columns

# Update.


class SumForMean(Columns):
    """The step is not divided by the size of the mini-batch."""

    caught_by = "update"
    diagnosed = "step factor m"

    def descend(self, nabla_b: Arrays, nabla_w: Arrays, eta: float, m: int) -> None:
        super().descend(nabla_b, nabla_w, eta, 1)


class DividedTwice(Columns):
    """The step is divided by the size of the mini-batch twice."""

    caught_by = "update"
    diagnosed = "step factor 1 / m"

    def descend(self, nabla_b: Arrays, nabla_w: Arrays, eta: float, m: int) -> None:
        super().descend(nabla_b, nabla_w, eta / m, m)


class Ascent(Columns):
    """The step is added instead of subtracted."""

    caught_by = "update"
    diagnosed = "step factor -1"

    def descend(self, nabla_b: Arrays, nabla_w: Arrays, eta: float, m: int) -> None:
        super().descend(nabla_b, nabla_w, -eta, m)


class BiasesNotUpdated(Columns):
    """The step leaves the biases as they were."""

    caught_by = "update"
    diagnosed = "biases not updated"

    def descend(self, nabla_b: Arrays, nabla_w: Arrays, eta: float, m: int) -> None:
        super().descend([0 * n for n in nabla_b], nabla_w, eta, m)


class LateBiases(Columns):
    """The biases' gradient is computed after the weights have moved."""

    caught_by = "update"
    diagnosed = "late bias update"

    def update_mini_batch(self, x: Array, y: Array, eta: float) -> None:
        nabla_b, nabla_w = self.backprop(x, y)
        self.descend([0 * n for n in nabla_b], nabla_w, eta, x.shape[1])
        nabla_b, nabla_w = self.backprop(x, y)
        self.descend(nabla_b, [0 * n for n in nabla_w], eta, x.shape[1])


class UpdatedOnTheWayBack(Columns):
    """Every layer moves before delta is pulled back through it."""

    caught_by = "update"
    diagnosed = "weights updated before delta is pulled back"

    def update_mini_batch(self, x: Array, y: Array, eta: float) -> None:
        zs, activations = self.trace(x)
        rate = eta / x.shape[1]
        delta = self.output_delta(zs[-1], activations[-1], y)
        for layer in reversed(self.layers):
            self.weights[layer] = self.weights[layer] - rate * (delta @ activations[layer].T)
            self.biases[layer] = self.biases[layer] - rate * delta.sum(axis=1, keepdims=True)
            if layer:
                delta = self.pulled_back(layer - 1, delta) * self.slope(zs[layer - 1])


class StepForEachExample(Columns):
    """The weights move after every example of the mini-batch."""

    caught_by = "update"
    diagnosed = "one step for each example"

    def update_mini_batch(self, x: Array, y: Array, eta: float) -> None:
        for k in range(x.shape[1]):
            nabla_b, nabla_w = self.backprop(x[:, [k]], y[:, [k]])
            self.descend(nabla_b, nabla_w, eta, x.shape[1])


class WeightDecay(Columns):
    """The weights decay by eta * 0.001 in every step, as with L2 regularisation."""

    caught_by = "update"
    diagnosed = "weight decay"

    def descend(self, nabla_b: Arrays, nabla_w: Arrays, eta: float, m: int) -> None:
        old = self.weights
        super().descend(nabla_b, nabla_w, eta, m)
        self.weights = [w - eta * 1e-3 * v for w, v in zip(self.weights, old, strict=True)]


class OnlyTheOutputLayer(Columns):
    """The step moves the last layer alone."""

    caught_by = "update"
    diagnosed = "a layer that is not updated"

    def descend(self, nabla_b: Arrays, nabla_w: Arrays, eta: float, m: int) -> None:
        first_b, first_w = self.biases[:-1], self.weights[:-1]
        super().descend(nabla_b, nabla_w, eta, m)
        self.biases[:-1], self.weights[:-1] = first_b, first_w


class UpdatedInFloat32(Columns):
    """The new parameters are rounded to float32."""

    caught_by = "update"
    diagnosed = "float32"

    def descend(self, nabla_b: Arrays, nabla_w: Arrays, eta: float, m: int) -> None:
        super().descend(nabla_b, nabla_w, eta, m)
        self.weights = [w.astype(np.float32).astype(np.float64) for w in self.weights]
        self.biases = [b.astype(np.float32).astype(np.float64) for b in self.biases]


# Training.


class Momentum(Columns):
    """Every step adds 0.9 of the step before it."""

    caught_by = "update"
    diagnosed = "momentum"

    def descend(self, nabla_b: Arrays, nabla_w: Arrays, eta: float, m: int) -> None:
        v = getattr(self, "velocity", ([0.0] * len(nabla_b), [0.0] * len(nabla_w)))
        v_b = [0.9 * old + n for old, n in zip(v[0], nabla_b, strict=True)]
        v_w = [0.9 * old + n for old, n in zip(v[1], nabla_w, strict=True)]
        self.velocity = (v_b, v_w)
        super().descend(v_b, v_w, eta, m)


class ReversedOrder(Columns):
    """The examples are taken in reverse order."""

    caught_by = "training"
    diagnosed = "reversed order"

    def mini_batches(self, order: Array, mini_batch_size: int) -> Iterator[Array]:
        return super().mini_batches(order[::-1], mini_batch_size)


class IgnoredOrder(Columns):
    """The order is ignored: the examples are taken as they are stored."""

    caught_by = "training"
    diagnosed = "order ignored"

    def mini_batches(self, order: Array, mini_batch_size: int) -> Iterator[Array]:
        return super().mini_batches(np.arange(len(order)), mini_batch_size)


class OwnShuffle(Columns):
    """The examples are shuffled once more, by a generator of its own."""

    caught_by = "training"
    diagnosed = "an order of its own"

    def mini_batches(self, order: Array, mini_batch_size: int) -> Iterator[Array]:
        return super().mini_batches(np.random.default_rng(5).permutation(order), mini_batch_size)


class ShuffledTwice(Columns):
    """The order is applied to data that are already in that order."""

    caught_by = "training"
    diagnosed = "order applied twice"

    def mini_batches(self, order: Array, mini_batch_size: int) -> Iterator[Array]:
        return super().mini_batches(order[order], mini_batch_size)


class LabelsLeftBehind(Columns):
    """The images are shuffled and their labels are not."""

    caught_by = "training"
    diagnosed = "labels not shuffled with the images"

    def train(self, x: Array, y: Array, order: Array, mini_batch_size: int, eta: float) -> None:
        super().train(x[:, order], y, np.arange(len(order)), mini_batch_size, eta)


class LastMiniBatchDropped(Columns):
    """The last mini-batch of an epoch is dropped where it is smaller."""

    caught_by = "training"
    diagnosed = "last mini-batch dropped"

    def mini_batches(self, order: Array, mini_batch_size: int) -> Iterator[Array]:
        whole = len(order) - len(order) % mini_batch_size
        return super().mini_batches(order[:whole], mini_batch_size)


class LastMiniBatchDiluted(Columns):
    """The last, smaller mini-batch is divided by mini_batch_size instead of its own size."""

    caught_by = "training"
    diagnosed = "last mini-batch divided by the size of the others"

    def train(self, x: Array, y: Array, order: Array, mini_batch_size: int, eta: float) -> None:
        for chosen in self.mini_batches(order, mini_batch_size):
            share = len(chosen) / mini_batch_size
            self.update_mini_batch(x[:, chosen], y[:, chosen], eta * share)


class FrozenForward(Columns):
    """An epoch's gradients are all computed from the weights that it began with."""

    caught_by = "training"
    diagnosed = "gradients of the weights that the epoch began with"

    def train(self, x: Array, y: Array, order: Array, mini_batch_size: int, eta: float) -> None:
        batches = list(self.mini_batches(order, mini_batch_size))
        gradients = [self.backprop(x[:, chosen], y[:, chosen]) for chosen in batches]
        for chosen, (nabla_b, nabla_w) in zip(batches, gradients, strict=True):
            self.descend(nabla_b, nabla_w, eta, len(chosen))
