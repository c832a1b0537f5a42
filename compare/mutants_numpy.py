"""Networks in NumPy with exactly one known mistake each, and correct ones written otherwise.

`Columns` is the network without a mistake, written afresh. Every class below overrides one small
method of it. The docstring says what the mistake is; `caught_by` is the link that should see it
first, `diagnosed` the name that `compare.diagnosis` should give it. Where `caught_by` is empty the
class is a known-good variant: it differs in rounding alone, and must pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Arrays = list[Array]


def sigmoid(z: Array) -> Array:
    """Return 1 / (1 + exp(-z)), from the side that cannot overflow."""
    t = np.exp(-np.abs(z))
    return np.where(z < 0, t, 1.0) / (1.0 + t)


def sigmoid_prime(z: Array) -> Array:
    """Return the derivative of the sigmoid at z, as the book's function of that name does."""
    return sigmoid(z) * (1 - sigmoid(z))


class Columns:
    """The network without a mistake: NumPy, float64, an example in every column."""

    caught_by: ClassVar[str] = ""
    diagnosed: ClassVar[str] = ""

    def __init__(self, sizes: list[int], weights: Arrays, biases: Arrays) -> None:
        self.layers = range(len(weights))
        self.weights = [self.kept(w) for w in weights]
        self.biases = [self.kept(b) for b in biases]

    def kept(self, v: Array) -> Array:
        return np.array(v)

    def export(self) -> tuple[Arrays, Arrays]:
        return self.weights, self.biases

    # Forward.

    def trace(self, x: Array) -> tuple[Arrays, Arrays]:
        zs: Arrays = []
        activations = [self.pixels(x)]
        for layer in self.layers:
            zs.append(self.weighted(layer, activations[-1]))
            activations.append(self.fire(layer, zs[-1]))
        return zs, [x, *activations[1:]]

    def pixels(self, x: Array) -> Array:
        return x

    def weighted(self, layer: int, a: Array) -> Array:
        return self.weights[layer] @ a + self.biases[layer]

    def fire(self, layer: int, z: Array) -> Array:
        return sigmoid(z)

    # Backward.

    def deltas(self, x: Array, y: Array) -> Arrays:
        return self.backward(*self.trace(x), y)

    def backward(self, zs: Arrays, activations: Arrays, y: Array) -> Arrays:
        deltas = [self.output_delta(zs[-1], activations[-1], y)]
        for layer in reversed(self.layers[:-1]):
            deltas.insert(0, self.pulled_back(layer, deltas[0]) * self.slope(zs[layer]))
        return deltas

    def output_delta(self, z: Array, a: Array, y: Array) -> Array:
        return (a - y) * sigmoid_prime(z)

    def pulled_back(self, layer: int, delta: Array) -> Array:
        return self.weights[layer + 1].T @ delta

    def slope(self, z: Array) -> Array:
        return sigmoid_prime(z)

    def backprop(self, x: Array, y: Array) -> tuple[Arrays, Arrays]:
        zs, activations = self.trace(x)
        return self.nabla(zs, activations, self.backward(zs, activations, y))

    def nabla(self, zs: Arrays, activations: Arrays, deltas: Arrays) -> tuple[Arrays, Arrays]:
        nabla_b = [delta.sum(axis=1, keepdims=True) for delta in deltas]
        return nabla_b, [d @ a.T for d, a in zip(deltas, activations[:-1], strict=True)]

    # Learning.

    def update_mini_batch(self, x: Array, y: Array, eta: float) -> None:
        nabla_b, nabla_w = self.backprop(x, y)
        self.descend(nabla_b, nabla_w, eta, x.shape[1])

    def descend(self, nabla_b: Arrays, nabla_w: Arrays, eta: float, m: int) -> None:
        self.weights = [w - eta / m * nabla for w, nabla in zip(self.weights, nabla_w, strict=True)]
        self.biases = [b - eta / m * nabla for b, nabla in zip(self.biases, nabla_b, strict=True)]

    def train(self, x: Array, y: Array, order: Array, mini_batch_size: int, eta: float) -> None:
        for chosen in self.mini_batches(order, mini_batch_size):
            self.update_mini_batch(x[:, chosen], y[:, chosen], eta)

    def mini_batches(self, order: Array, mini_batch_size: int) -> Iterator[Array]:
        for k in range(0, len(order), mini_batch_size):
            yield order[k : k + mini_batch_size]


# Initial weights.


class TransposedOnLoading(Columns):
    """Weights saved as (n_in, n_out) are reshaped instead of transposed."""

    caught_by = "initial weights"
    diagnosed = "transposed weights"

    def kept(self, v: Array) -> Array:
        return np.array(v.T).reshape(v.shape)


class WeightOffByABillionth(Columns):
    """One weight of the first layer is off by 1e-9."""

    caught_by = "initial weights"
    diagnosed = "a single entry"

    def __init__(self, sizes: list[int], weights: Arrays, biases: Arrays) -> None:
        super().__init__(sizes, weights, biases)
        self.weights[0][1, 2] += 1e-9


class SharedMemory(Columns):
    """The arrays handed in are kept instead of copied."""

    caught_by = "initial weights"
    diagnosed = "shared memory"

    def kept(self, v: Array) -> Array:
        return np.asarray(v)


class StoredInFloat32(Columns):
    """The parameters are stored in float32 and handed out as float64."""

    caught_by = "initial weights"
    diagnosed = "float32"

    def kept(self, v: Array) -> Array:
        return v.astype(np.float32).astype(np.float64)


class ScaledStart(Columns):
    """The initial weights are divided by sqrt(n_in), as network2.py of the book does."""

    caught_by = "initial weights"
    diagnosed = "weights scaled by 1 / sqrt(n_in)"

    def __init__(self, sizes: list[int], weights: Arrays, biases: Arrays) -> None:
        scaled = [w / np.sqrt(w.shape[1]) for w in weights]
        super().__init__(sizes, scaled, biases)


class OwnStart(Columns):
    """The parameters handed in are ignored: the network draws its own."""

    caught_by = "initial weights"
    diagnosed = "its own random start"

    def __init__(self, sizes: list[int], weights: Arrays, biases: Arrays) -> None:
        rng = np.random.default_rng(12345)
        drawn = [[rng.standard_normal(v.shape) for v in part] for part in (weights, biases)]
        super().__init__(sizes, *drawn)


class BiasesFromZero(Columns):
    """The biases handed in are forgotten and start from zero."""

    caught_by = "initial weights"
    diagnosed = "biases start from zero"

    def __init__(self, sizes: list[int], weights: Arrays, biases: Arrays) -> None:
        super().__init__(sizes, weights, [np.zeros_like(b) for b in biases])


# Forward.


class NoBias(Columns):
    """The forward pass forgets the biases."""

    caught_by = "forward"
    diagnosed = "no biases in the forward pass"

    def weighted(self, layer: int, a: Array) -> Array:
        return self.weights[layer] @ a


class SoftmaxOutput(Columns):
    """The output layer is a softmax."""

    caught_by = "forward"
    diagnosed = "softmax output"

    def fire(self, layer: int, z: Array) -> Array:
        if layer != self.layers[-1]:
            return sigmoid(z)
        e = np.exp(z - z.max(axis=0))
        return e / e.sum(axis=0)


class TanhNeurons(Columns):
    """Every neuron is a tanh."""

    caught_by = "forward"
    diagnosed = "tanh neurons"

    def fire(self, layer: int, z: Array) -> Array:
        return np.tanh(z)


class ReluHidden(Columns):
    """The hidden neurons are rectified linear units."""

    caught_by = "forward"
    diagnosed = "relu hidden neurons"

    def fire(self, layer: int, z: Array) -> Array:
        return sigmoid(z) if layer == self.layers[-1] else np.maximum(z, 0)


class FiresUpsideDown(Columns):
    """The sigmoid lacks its minus: 1 / (1 + exp(z))."""

    caught_by = "forward"
    diagnosed = "sigmoid of -z"

    def fire(self, layer: int, z: Array) -> Array:
        return sigmoid(-z)


class TransposedInTheProduct(Columns):
    """Square weight matrices are used transposed, np.dot(a, w) for np.dot(w, a)."""

    caught_by = "forward"
    diagnosed = "transposed weights in the forward pass"

    def weighted(self, layer: int, a: Array) -> Array:
        w = self.weights[layer]
        used = w.T if w.shape[0] == w.shape[1] else w.T.reshape(w.shape)
        return used @ a + self.biases[layer]


class PixelsOf255(Columns):
    """Pixels are rescaled to byte / 255 where they enter."""

    caught_by = "forward"
    diagnosed = "pixels divided by 255"

    def pixels(self, x: Array) -> Array:
        return x * (256 / 255)


class CachedAnswer(Columns):
    """The first answer is kept and given again, whatever the input."""

    caught_by = "forward"
    diagnosed = "a cached answer"
    zs: Arrays

    def trace(self, x: Array) -> tuple[Arrays, Arrays]:
        if not hasattr(self, "zs") or self.zs[0].shape[1] != x.shape[1]:
            self.zs, self.activations = super().trace(x)
        return self.zs, [x, *self.activations[1:]]


class InFloat32(Columns):
    """The forward pass computes in float32 and hands out float64."""

    caught_by = "forward"
    diagnosed = "float32"

    def weighted(self, layer: int, a: Array) -> Array:
        w, b = (v.astype(np.float32) for v in (self.weights[layer], self.biases[layer]))
        return (w @ a.astype(np.float32) + b).astype(np.float64)


class InFloat16(Columns):
    """The forward pass computes in float16 and hands out float64."""

    caught_by = "forward"
    diagnosed = "float16"

    def weighted(self, layer: int, a: Array) -> Array:
        w, b = (v.astype(np.float16) for v in (self.weights[layer], self.biases[layer]))
        return (w @ a.astype(np.float16) + b).astype(np.float64)

    def fire(self, layer: int, z: Array) -> Array:
        return sigmoid(z.astype(np.float16)).astype(np.float64)


class ClippedZ(Columns):
    """z is clipped to [-5, 5] against overflow, which costs the saturated neurons their values."""

    caught_by = "forward"
    diagnosed = "clipped z"

    def fire(self, layer: int, z: Array) -> Array:
        return sigmoid(np.clip(z, -5, 5))


class LastBlockRepeated(Columns):
    """A batch of more than 32 is cut into blocks, and the last ones answer for each other."""

    caught_by = "predictions"
    diagnosed = "large batches"

    def trace(self, x: Array) -> tuple[Arrays, Arrays]:
        zs, activations = super().trace(x)
        for v in (*zs, *activations[1:]):
            v[:, 32:] = v[:, 31:-1]
        return zs, activations


# Gradients.


class NoOutputPrime(Columns):
    """The output layer's delta lacks sigma'(z)."""

    caught_by = "gradients"
    diagnosed = "no sigma prime in the output layer"

    def output_delta(self, z: Array, a: Array, y: Array) -> Array:
        return a - y


class NoHiddenPrime(Columns):
    """The hidden layers' delta lacks sigma'(z)."""

    caught_by = "gradients"
    diagnosed = "no sigma prime in the hidden layers"

    def slope(self, z: Array) -> Array:
        return np.ones_like(z)


class PrimeOfActivation(Columns):
    """sigma' is taken of the activation instead of z, in every layer."""

    caught_by = "gradients"
    diagnosed = "sigma prime of a"

    def output_delta(self, z: Array, a: Array, y: Array) -> Array:
        return (a - y) * sigmoid_prime(a)

    def slope(self, z: Array) -> Array:
        return sigmoid_prime(sigmoid(z))


class NoHalf(Columns):
    """The cost lacks its 1/2, so that its derivative is 2 (a - y)."""

    caught_by = "gradients"
    diagnosed = "factor 2"

    def output_delta(self, z: Array, a: Array, y: Array) -> Array:
        return 2 * (a - y) * sigmoid_prime(z)


class MeanGradient(Columns):
    """The gradient is the mean over the mini-batch instead of the sum."""

    caught_by = "gradients"
    diagnosed = "factor 1 / m"

    def nabla(self, zs: Arrays, activations: Arrays, deltas: Arrays) -> tuple[Arrays, Arrays]:
        m = zs[0].shape[1]
        return super().nabla(zs, activations, [delta / m for delta in deltas])


class UpsideDownCost(Columns):
    """The derivative of the cost is y - a."""

    caught_by = "gradients"
    diagnosed = "factor -1"

    def output_delta(self, z: Array, a: Array, y: Array) -> Array:
        return (y - a) * sigmoid_prime(z)


class ZsForActivations(Columns):
    """nabla_w multiplies delta by z of the layer before instead of its activation."""

    caught_by = "gradients"
    diagnosed = "z in place of a in nabla_w"

    def nabla(self, zs: Arrays, activations: Arrays, deltas: Arrays) -> tuple[Arrays, Arrays]:
        return super().nabla(zs, [activations[0], *zs], deltas)


class ForgottenTranspose(Columns):
    """Delta is pulled back through w instead of w.T, where w is square."""

    caught_by = "gradients"
    diagnosed = "w in place of w.T going back"

    def pulled_back(self, layer: int, delta: Array) -> Array:
        w = self.weights[layer + 1]
        return (w if w.shape[0] == w.shape[1] else w.T) @ delta


class BiasOfTheLastExample(Columns):
    """nabla_b is the delta of the last example instead of the sum over the mini-batch."""

    caught_by = "gradients"
    diagnosed = "nabla_b of the last example alone"

    def nabla(self, zs: Arrays, activations: Arrays, deltas: Arrays) -> tuple[Arrays, Arrays]:
        return [d[:, -1:] for d in deltas], super().nabla(zs, activations, deltas)[1]


class Broadcasting(Columns):
    """Flat (n,) minus column (n, 1) is (n, n): every output meets every desired output."""

    caught_by = "gradients"
    diagnosed = "broadcasting"

    def output_delta(self, z: Array, a: Array, y: Array) -> Array:
        columns = [
            (a[:, [k]] - y[:, k]).sum(axis=1, keepdims=True) * sigmoid_prime(z[:, [k]])
            for k in range(a.shape[1])
        ]
        return np.concatenate(columns, axis=1)


class LabelsOffByOne(Columns):
    """The desired output is that of the next digit, as with labels from 1 to 10."""

    caught_by = "gradients"
    diagnosed = "labels off by one"

    def output_delta(self, z: Array, a: Array, y: Array) -> Array:
        return (a - np.roll(y, 1, axis=0)) * sigmoid_prime(z)


class LoopEndsEarly(Columns):
    """The loop over the layers ends before the first, whose gradient stays zero."""

    caught_by = "gradients"
    diagnosed = "no gradient in a layer"

    def nabla(self, zs: Arrays, activations: Arrays, deltas: Arrays) -> tuple[Arrays, Arrays]:
        return super().nabla(zs, activations, [0 * deltas[0], *deltas[1:]])


class DesiredOutputSpoilt(Columns):
    """y -= a, in place, turns the desired output that was handed in into something else."""

    caught_by = "gradients"
    diagnosed = "inputs changed in place"

    def output_delta(self, z: Array, a: Array, y: Array) -> Array:
        y -= a
        return -y * sigmoid_prime(z)


class NeverCleared(Columns):
    """nabla_b and nabla_w are made once, and added to for ever."""

    caught_by = "gradients"
    diagnosed = "stale gradient"

    def backprop(self, x: Array, y: Array) -> tuple[Arrays, Arrays]:
        nablas = super().backprop(x, y)
        old = getattr(self, "old", ([0.0] * len(nablas[0]), [0.0] * len(nablas[1])))
        nabla_b, nabla_w = (
            [v + w for v, w in zip(*pair, strict=True)] for pair in zip(old, nablas, strict=True)
        )
        self.old = nabla_b, nabla_w
        return nabla_b, nabla_w


class StaleActivations(Columns):
    """Backpropagation takes the activations that an earlier forward pass left behind."""

    caught_by = "gradients"
    diagnosed = "stale activations"
    left: tuple[Arrays, Arrays]

    def backprop(self, x: Array, y: Array) -> tuple[Arrays, Arrays]:
        if not hasattr(self, "left") or self.left[0][0].shape[1] != x.shape[1]:
            zs, activations = super().trace(x)
            self.left = zs, [np.array(a) for a in activations]
        zs, activations = self.left
        return self.nabla(zs, activations, self.backward(zs, activations, y))


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


# Known-good variants.


class ReversedSums(Columns):
    """Correct: every sum runs from the last term to the first."""

    def weighted(self, layer: int, a: Array) -> Array:
        return self.biases[layer] + self.weights[layer][:, ::-1] @ a[::-1]

    def pulled_back(self, layer: int, delta: Array) -> Array:
        return self.weights[layer + 1][::-1].T @ delta[::-1]

    def nabla(self, zs: Arrays, activations: Arrays, deltas: Arrays) -> tuple[Arrays, Arrays]:
        backwards = [a[:, ::-1] for a in activations]
        return super().nabla(zs, backwards, [d[:, ::-1] for d in deltas])


class PairwiseSums(Columns):
    """Correct: the products are made first and summed pairwise, without BLAS."""

    def weighted(self, layer: int, a: Array) -> Array:
        products = self.weights[layer][:, :, None] * a
        return np.add.reduce(products, axis=1) + self.biases[layer]

    def nabla(self, zs: Arrays, activations: Arrays, deltas: Arrays) -> tuple[Arrays, Arrays]:
        nabla_w = [
            np.add.reduce(d[:, None] * a[None], axis=2)
            for d, a in zip(deltas, activations[:-1], strict=True)
        ]
        return super().nabla(zs, activations, deltas)[0], nabla_w


class OneByOne(Columns):
    """Correct: one example after the other, as the book's backprop does, added up."""

    def backprop(self, x: Array, y: Array) -> tuple[Arrays, Arrays]:
        nabla_b, nabla_w = super().backprop(x[:, :1], y[:, :1])
        for k in range(1, x.shape[1]):
            more_b, more_w = super().backprop(x[:, k : k + 1], y[:, k : k + 1])
            nabla_b = [old + new for old, new in zip(nabla_b, more_b, strict=True)]
            nabla_w = [old + new for old, new in zip(nabla_w, more_w, strict=True)]
        return nabla_b, nabla_w


class FortranOrder(Columns):
    """Correct: column-major matrices."""

    def kept(self, v: Array) -> Array:
        return np.array(v, order="F")

    def pixels(self, x: Array) -> Array:
        return np.asfortranarray(x)


class ExamplesInRows(Columns):
    """Correct: an example in every row, a @ w.T in place of w @ a."""

    def weighted(self, layer: int, a: Array) -> Array:
        by_row = np.ascontiguousarray(a.T) @ np.ascontiguousarray(self.weights[layer].T)
        return (by_row + self.biases[layer][:, 0]).T


class ByEinsum(Columns):
    """Correct: every product is an einsum."""

    def weighted(self, layer: int, a: Array) -> Array:
        return np.einsum("jk,km->jm", self.weights[layer], a) + self.biases[layer]

    def pulled_back(self, layer: int, delta: Array) -> Array:
        return np.einsum("jk,jm->km", self.weights[layer + 1], delta)

    def nabla(self, zs: Arrays, activations: Arrays, deltas: Arrays) -> tuple[Arrays, Arrays]:
        pairs = zip(deltas, activations[:-1], strict=True)
        nabla_w = [np.einsum("jm,km->jk", d, a) for d, a in pairs]
        return [np.einsum("jm->j", d)[:, None] for d in deltas], nabla_w


class TanhForm(Columns):
    """Correct: the sigmoid is (1 + tanh(z / 2)) / 2, and its derivative a (1 - a)."""

    def fire(self, layer: int, z: Array) -> Array:
        return (1 + np.tanh(z / 2)) / 2

    def output_delta(self, z: Array, a: Array, y: Array) -> Array:
        return (a - y) * (a * (1 - a))


class BookSigmoid(Columns):
    """Correct: the book's 1 / (1 + exp(-z)), which overflows to the right answer."""

    def fire(self, layer: int, z: Array) -> Array:
        with np.errstate(over="ignore"):
            return 1.0 / (1.0 + np.exp(-z))


class DeclaredFloat32(Columns):
    """Correct: everything in float32, and the class says so."""

    dtype = "float32"

    def kept(self, v: Array) -> Array:
        return np.array(v, dtype=np.float32)

    def update_mini_batch(self, x: Array, y: Array, eta: float) -> None:
        super().update_mini_batch(x.astype(np.float32), y.astype(np.float32), eta)

    def trace(self, x: Array) -> tuple[Arrays, Arrays]:
        return super().trace(x.astype(np.float32))

    def backprop(self, x: Array, y: Array) -> tuple[Arrays, Arrays]:
        return super().backprop(x.astype(np.float32), y.astype(np.float32))


class StepByPart(Columns):
    """Correct: eta and m are applied to the gradient one after the other."""

    def descend(self, nabla_b: Arrays, nabla_w: Arrays, eta: float, m: int) -> None:
        self.weights = [w - eta * (n / m) for w, n in zip(self.weights, nabla_w, strict=True)]
        self.biases = [b - (eta * n) / m for b, n in zip(self.biases, nabla_b, strict=True)]
