"""Networks in NumPy with one known mistake each in backpropagation; see `correct`."""

from __future__ import annotations

import numpy as np

from compare.mutants.correct import Array, Arrays, Columns, sigmoid, sigmoid_prime


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


class OneEntryOfMany(Columns):
    """A single entry of nabla_w is off by one part in a million."""

    caught_by = "gradients"
    diagnosed = "a single entry"

    def nabla(self, zs: Arrays, activations: Arrays, deltas: Arrays) -> tuple[Arrays, Arrays]:
        nabla_b, nabla_w = super().nabla(zs, activations, deltas)
        nabla_w[1][2, 3] *= 1 + 1e-6
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
