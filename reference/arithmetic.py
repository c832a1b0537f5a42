"""How a network keeps its numbers: float64, float32, or fixed-point.

An arithmetic gives a network its sigmoid and its rounding of parameters, deltas and steps. In
floating point the roundings are the identity. In fixed-point every number lies on a grid that is
coarse enough for every sum of products to be exact in float64, so that no order of summation, BLAS,
number of threads or device can change a result: two implementations then agree to the last bit,
over a whole training run.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reference.checks import check_bits, check_magnitude, no_pixel
from reference.exact_sigmoid import exact_sigmoid

SIGNIFICAND_BITS = 53  # of a float64: integers up to 2**53 are exact
PARAMETER_RANGE_BITS = 6  # weights and biases stay below 2**6 in magnitude
PIXEL_BITS = 8  # pixels are multiples of 2**-8
FAST_SIGMOID_ERROR = 2.0**-49  # the platform's sigmoid and the exact one differ by far less


class Float64:
    """IEEE double precision, the arithmetic of the book."""

    name = "float64"
    dtype: type[np.floating] = np.float64
    one = np.array(1.0)  # as an array: NumPy takes it faster than one of Python's numbers
    largest_exponent = np.array(700.0)  # e**700 is finite

    def for_network(self, sizes: Sequence[int]) -> Float64:
        """Return the arithmetic that a network of these sizes computes in."""
        return self

    def check_inputs(self, x: np.ndarray) -> None:
        """Raise ValueError if inputs are not what this arithmetic can compute with."""
        if not np.isfinite(x).all():
            raise ValueError("inputs are finite numbers; received NaN or infinity")

    def parameters(self, v: np.ndarray) -> np.ndarray:
        """Return a fresh array of weights or biases as this arithmetic keeps them."""
        return np.array(v, dtype=self.dtype)

    def sigmoid(self, z: np.ndarray) -> np.ndarray:
        """Return the activation 1 / (1 + exp(-z)).

        Where exp(-z) would overflow it is held, and the activation is 0 to all purposes.
        """
        a = np.negative(z)
        np.minimum(a, self.largest_exponent, out=a)
        np.exp(a, out=a)
        a += self.one
        return np.divide(self.one, a, out=a)

    def round_delta(self, delta: np.ndarray) -> np.ndarray:
        """Return a delta as this arithmetic keeps it."""
        return delta

    def steps(self, nablas: list[np.ndarray], rate: float) -> list[np.ndarray]:
        """Return rate * nabla for every gradient, in its place, as this arithmetic keeps it."""
        factor = np.array(rate, self.dtype)
        for nabla in nablas:
            nabla *= factor
        return nablas

    def watch(self, parameters: list[np.ndarray]) -> None:
        """Note the magnitude of weights or biases that were just updated."""

    def check(self) -> None:
        """Raise OverflowError if a magnitude has left its range since the last check."""


class Float32(Float64):
    """IEEE single precision."""

    name = "float32"
    dtype = np.float32
    one = np.array(1.0, np.float32)
    largest_exponent = np.array(80.0, np.float32)


class FixedPoint(Float64):
    """Multiples of 2**-f held in float64, such that every sum of products is exact.

    A network fills in its sizes; ValueError where fewer than 12 fractional bits would be left.
    """

    name = "fixed-point"

    def __init__(self, sizes: Sequence[int] | None = None) -> None:
        self.m = 0  # examples in the last mini-batch
        self.peak_parameter = 0.0
        self.peak_delta = 0.0
        self.room = 0.0  # how far any parameter may still move within its range
        self.reach = 0.0  # and how far one can have moved since it was looked at
        if sizes is not None:
            self.sizes = tuple(sizes)
            self.parameter_bits = parameter_bits(sizes)
            check_bits(self.parameter_bits, "weights and activations", sizes)
            self.parameter_scale = 2.0**self.parameter_bits
            self.delta_scales: dict[int, float] = {}

    def for_network(self, sizes: Sequence[int]) -> FixedPoint:
        return type(self)(sizes)

    def check_inputs(self, x: np.ndarray) -> None:
        """Raise ValueError unless inputs are multiples of 2**-8 between -1 and 1."""
        for start in range(0, len(x), 1000):  # rows at a time: temporaries stay in the cache
            block = x[start : start + 1000]
            inside = np.clip(block, -1.0, 1.0)
            scaled = inside * 2.0**PIXEL_BITS
            wrong = (inside != block) | (scaled != np.rint(scaled))
            if wrong.any():
                raise no_pixel(block[wrong][0])

    def parameters(self, v: np.ndarray) -> np.ndarray:
        v = on_grid(np.array(v, dtype=self.dtype), self.parameter_scale)
        self.watch([v])
        self.check()
        return v

    def sigmoid(self, z: np.ndarray) -> np.ndarray:
        """Return the activation 1 / (1 + exp(-z)), of + - * / alone, rounded to the grid."""
        return rounded_sigmoid(z, self.parameter_scale)

    def round_delta(self, delta: np.ndarray) -> np.ndarray:
        self.m = delta.shape[1]
        delta = on_grid(delta, self.delta_scale(self.m))
        self.peak_delta = _peak(delta, self.peak_delta)
        return delta

    def steps(self, nablas: list[np.ndarray], rate: float) -> list[np.ndarray]:
        # |nabla| <= m max|delta|, as no input or activation exceeds 1: no parameter moves further.
        self.reach += abs(rate) * self.m * self.peak_delta + 1.0 / self.parameter_scale
        return [on_grid(nabla, self.parameter_scale, rate) for nabla in nablas]

    def watch(self, parameters: list[np.ndarray]) -> None:
        if self.reach < self.room:  # none can have left its range since the last look
            return
        for v in parameters:
            self.peak_parameter = _peak(v, self.peak_parameter)
        self.room = 2.0**PARAMETER_RANGE_BITS - self.peak_parameter
        self.reach = 0.0

    def check(self) -> None:
        parameter, delta = self.peak_parameter, self.peak_delta
        self.peak_parameter = self.peak_delta = self.room = self.reach = 0.0
        check_magnitude("weight or bias", parameter, 2.0**PARAMETER_RANGE_BITS)
        check_magnitude("delta", delta, 1.0)

    def delta_scale(self, m: int) -> float:
        """Return 2**f for the deltas of a mini-batch of m examples."""
        if m not in self.delta_scales:
            bits = delta_bits(self.sizes, self.parameter_bits, m)
            check_bits(bits, f"deltas in mini-batches of {m}", self.sizes)
            self.delta_scales[m] = 2.0**bits
        return self.delta_scales[m]


def parameter_bits(sizes: Sequence[int]) -> int:
    """Return the fractional bits of weights, biases and activations that keep every z exact.

    The first layer sums n_in products of a weight and a pixel, and a bias; every later one n_in
    products of a weight and an activation, which share what bits there are.
    """
    available = SIGNIFICAND_BITS - PARAMETER_RANGE_BITS
    first = available - PIXEL_BITS - ceil_log2(sizes[0] + 1)
    later = [(available - ceil_log2(n_in + 1)) // 2 for n_in in sizes[1:-1]]
    return min([first, *later])


def delta_bits(sizes: Sequence[int], parameter_bits: int, m: int) -> int:
    """Return the fractional bits of deltas that keep every w.T @ delta and every gradient exact."""
    available = SIGNIFICAND_BITS - parameter_bits
    back = [available - PARAMETER_RANGE_BITS - ceil_log2(n_out) for n_out in sizes[2:]]
    return min([available - ceil_log2(m), *back])


def ceil_log2(n: int) -> int:
    """Return the smallest k with 2**k >= n, for n of 1 or more."""
    return (n - 1).bit_length()


def _peak(v: np.ndarray, least: float) -> float:
    """Return the largest magnitude in v or least, whichever is larger; NaN is larger than all."""
    peak = np.abs(v).max()
    return least if peak <= least else np.maximum(peak, least)


def on_grid(v: np.ndarray, scale: float, factor: float = 1.0) -> np.ndarray:
    """Round factor * v in place to the nearest multiple of 1 / scale, half to even."""
    v *= factor * scale  # scale is a power of two: multiplying by it is exact
    np.rint(v, out=v)
    v *= 1.0 / scale
    return v


FAST = Float64()


def rounded_sigmoid(z: np.ndarray, scale: float) -> np.ndarray:
    """Return `exact_sigmoid` rounded to multiples of 1 / scale.

    The platform's exp is fast but not the same everywhere. It decides the rounding only where its
    error cannot change it; where a value lies too near a tie, `exact_sigmoid` decides (the rounding
    test of Ziv, ACM TOMS 17, 1991).
    """
    scaled = FAST.sigmoid(z)
    scaled *= scale
    a: np.ndarray = np.rint(scaled)
    scaled -= a
    if np.abs(scaled, out=scaled).max() > 0.5 - FAST_SIGMOID_ERROR * scale:
        a = np.rint(exact_sigmoid(z) * scale)
    a *= 1.0 / scale
    return a
