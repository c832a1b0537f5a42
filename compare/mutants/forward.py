"""Networks in NumPy with one known mistake each, up to the output; see `correct`."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from compare.mutants.correct import Array, Arrays, Columns, sigmoid

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


class CachedByInput(Columns):
    """Answers are kept by input, in the class, whatever the parameters have become."""

    caught_by = "forward"
    diagnosed = "a cached answer"
    answers: ClassVar[dict[bytes, tuple[Arrays, Arrays]]] = {}

    def trace(self, x: Array) -> tuple[Arrays, Arrays]:
        key = x.tobytes()
        if key not in self.answers:
            self.answers[key] = super().trace(np.array(x))
        zs, activations = self.answers[key]
        return zs, [x, *activations[1:]]


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
    """A batch of more than 36 is cut into blocks, and the last ones answer for each other."""

    caught_by = "predictions"
    diagnosed = "large batches"

    def trace(self, x: Array) -> tuple[Arrays, Arrays]:
        zs, activations = super().trace(x)
        for v in (*zs, *activations[1:]):
            v[:, 36:] = v[:, 35:-1]
        return zs, activations


class BlocksJoinedBackwards(Columns):
    """A batch of more than 34 is cut into blocks, and their hidden layers are joined backwards."""

    caught_by = "figures"
    diagnosed = "hidden neurons in large batches"

    def trace(self, x: Array) -> tuple[Arrays, Arrays]:
        blocks = [super(BlocksJoinedBackwards, self).trace(x[:, k : k + 34])
                  for k in range(0, x.shape[1], 34)]  # fmt: skip
        last = np.concatenate([activations[-1] for _, activations in blocks], axis=1)
        zs, activations = (
            [np.concatenate(layer[::-1], axis=1) for layer in zip(*parts, strict=True)]
            for parts in zip(*blocks, strict=True)
        )
        return zs, [x, *activations[1:-1], last]
