"""How a network keeps its numbers: float64, float32, or fixed-point.

The twin of `reference/arithmetic.py`, every formula and every constant written anew. The rounding
and the sigmoid of fixed-point are a `torch.autograd.Function`, so gradients come from autograd here
too. In training nothing reads a value back from the device but `check`, once for an epoch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reference.checks import check_bits, check_magnitude, no_pixel
from torch_impl.exact_sigmoid import exact_sigmoid

EXACT_BITS = 53
RANGE_BITS = 6
INPUT_BITS = 8
MOST_UNSEEN = 100  # deltas, looked at together
SIGMOID_ERROR = math.ldexp(1.0, -49)  # torch.sigmoid and the exact one differ by far less


class Float64:
    """IEEE double precision, the arithmetic of the book."""

    name = "float64"
    dtype = torch.float64

    def for_network(self, sizes: Sequence[int]) -> Float64:
        """Return the arithmetic that a network of these sizes computes in."""
        return self

    def check_inputs(self, x: Tensor) -> None:
        """Raise ValueError if inputs are not what this arithmetic can compute with."""
        # A sum is finite where all are, unless it overflows itself: then each is looked at.
        if not torch.isfinite(x.sum()) and not torch.isfinite(x).all():
            raise ValueError("inputs are finite numbers; received NaN or infinity")

    def parameters(self, v: np.ndarray | Tensor) -> Tensor:
        """Return a fresh tensor of weights or biases as this arithmetic keeps them."""
        if isinstance(v, Tensor):
            return v.detach().to(self.dtype, copy=True)
        return torch.tensor(np.array(v), dtype=self.dtype)

    def sigmoid(self, z: Tensor) -> Tensor:
        """Return the activation 1 / (1 + exp(-z))."""
        return torch.sigmoid(z)

    def round_delta(self, delta: Tensor) -> Tensor:
        """Return a delta as this arithmetic keeps it."""
        return delta

    def steps(self, nablas: list[Tensor], rate: Any) -> tuple[list[Tensor], Any]:
        """Return rate * nabla for every gradient, in its place, as this arithmetic keeps it.

        What is returned second is still to be multiplied by: the subtraction does it on its way.
        """
        return nablas, rate if isinstance(rate, Tensor) else _rounded(rate, self.dtype)

    def watch(self, parameters: list[Tensor]) -> None:
        """Note the magnitude of weights or biases that were just updated."""

    def check(self) -> None:
        """Raise OverflowError if a magnitude has left its range since the last check."""


class Float32(Float64):
    """IEEE single precision."""

    name = "float32"
    dtype = torch.float32


class FixedPoint(Float64):
    """Multiples of 2**-f held in float64, such that every sum of products is exact.

    A network fills in its sizes; ValueError where fewer than 12 fractional bits would be left.
    """

    name = "fixed-point"

    def __init__(self, sizes: Sequence[int] | None = None) -> None:
        self.peaks: dict[str, Tensor] = {}
        self.unseen: list[Tensor] = []  # deltas that are still to be looked at
        self.m = 0  # examples in the last mini-batch
        self.room = 0.0  # how far any parameter may still move within its range
        self.reach = 0.0  # and how far one can have moved since it was looked at
        if sizes is not None:
            self.sizes = tuple(sizes)
            self.parameter_bits = parameter_bits(sizes)
            check_bits(self.parameter_bits, "weights and activations", sizes)
            self.parameter_scale = math.ldexp(1.0, self.parameter_bits)
            self.delta_scales: dict[int, float] = {}

    def for_network(self, sizes: Sequence[int]) -> FixedPoint:
        return type(self)(sizes)

    def check_inputs(self, x: Tensor) -> None:
        """Raise ValueError unless inputs are multiples of 2**-8 between -1 and 1."""
        for block in x.split(1000):
            inside = block.clamp(-1.0, 1.0)
            scaled = inside * 2**INPUT_BITS
            wrong = (inside != block) | (scaled != torch.round(scaled))
            if wrong.any():
                raise no_pixel(block[wrong][0].item())

    def parameters(self, v: np.ndarray | Tensor) -> Tensor:
        kept = on_grid(super().parameters(v), self.parameter_scale)
        self.watch([kept])
        self.check()
        return kept

    def sigmoid(self, z: Tensor) -> Tensor:
        """Return the activation 1 / (1 + exp(-z)), of + - * / alone, rounded to the grid."""
        return RoundedSigmoid.apply(z, self)

    def round_delta(self, delta: Tensor) -> Tensor:
        self.m = len(delta)
        delta = on_grid(delta, self.delta_scale(self.m))
        self.unseen.append(delta)
        return delta

    def steps(self, nablas: list[Tensor], rate: float) -> tuple[list[Tensor], float]:
        self.reach += self._furthest(rate * self.m)
        factor = _constant(rate * self.parameter_scale, nablas[0].device)
        torch._foreach_mul_(nablas, factor)
        torch._foreach_round_(nablas)
        return nablas, 1.0 / self.parameter_scale

    def watch(self, parameters: list[Tensor]) -> None:
        if self.reach < self.room and len(self.unseen) < MOST_UNSEEN:
            return  # no parameter can have left its range since the last look
        self._look()
        self._note("weight or bias", parameters)
        if parameters[0].device.type == "cpu":  # elsewhere to read it would be to wait
            self.room = math.ldexp(1.0, RANGE_BITS) - self.peaks["weight or bias"].item()
            self.reach = 0.0

    def check(self) -> None:
        self._look()
        peaks, self.peaks = self.peaks, {}
        self.room = self.reach = 0.0
        for quantity, limit in (("weight or bias", math.ldexp(1.0, RANGE_BITS)), ("delta", 1.0)):
            check_magnitude(quantity, peaks[quantity].item() if quantity in peaks else 0.0, limit)

    def delta_scale(self, m: int) -> float:
        """Return 2**f for the deltas of a mini-batch of m examples."""
        if m not in self.delta_scales:
            bits = delta_bits(self.sizes, self.parameter_bits, m)
            check_bits(bits, f"deltas in mini-batches of {m}", self.sizes)
            self.delta_scales[m] = math.ldexp(1.0, bits)
        return self.delta_scales[m]

    def _furthest(self, eta: float) -> float:
        """Return how far one step can move a parameter: |nabla| <= m, as no delta exceeds 1."""
        return abs(eta) + 1.0 / self.parameter_scale

    def _activation(self, z: Tensor) -> Tensor:
        """Return the rounded sigmoid, out of autograd's sight."""
        return rounded_sigmoid(z, self.parameter_scale)

    def _look(self) -> None:
        if self.unseen:
            self._note("delta", self.unseen)
            self.unseen = []

    def _note(self, quantity: str, values: list[Tensor]) -> None:
        largest = torch.cat([v.detach().reshape(-1) for v in values]).abs_().amax()
        self.peaks[quantity] = torch.maximum(self.peaks.get(quantity, largest), largest)


class RoundedSigmoid(torch.autograd.Function):
    """The fixed-point sigmoid, and the rounded delta on the way back."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, arithmetic: FixedPoint) -> Tensor:
        """Return the rounded activation."""
        a = arithmetic._activation(z)
        ctx.save_for_backward(a)
        ctx.arithmetic = arithmetic
        return a

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """Return the rounded delta, given the derivative of the cost by the activation."""
        (a,) = ctx.saved_tensors
        slope = 1.0 - a
        slope *= a
        return ctx.arithmetic.round_delta(gradient * slope), None


def parameter_bits(sizes: Sequence[int]) -> int:
    """Return the fractional bits of weights, biases and activations that keep every z exact."""
    bits = EXACT_BITS - RANGE_BITS - INPUT_BITS - ceil_log2(sizes[0] + 1)
    for n_in in sizes[1:-1]:
        bits = min(bits, (EXACT_BITS - RANGE_BITS - ceil_log2(n_in + 1)) // 2)
    return bits


def delta_bits(sizes: Sequence[int], parameter_bits: int, m: int) -> int:
    """Return the fractional bits of deltas that keep every w.T @ delta and every gradient exact."""
    bits = EXACT_BITS - parameter_bits - ceil_log2(m)
    for n_out in sizes[2:]:
        bits = min(bits, EXACT_BITS - RANGE_BITS - parameter_bits - ceil_log2(n_out))
    return bits


def ceil_log2(n: int) -> int:
    """Return the smallest k with 2**k >= n, for n of 1 or more."""
    k = 0
    while 2**k < n:
        k += 1
    return k


@lru_cache(maxsize=64)
def _rounded(value: float, dtype: torch.dtype) -> float:
    """Return a number as dtype holds it: beyond the range of float32 infinite, as in NumPy."""
    return torch.tensor(value, dtype=torch.float64).to(dtype).item()


@lru_cache(maxsize=64)
def _constant(value: float, device: torch.device) -> Tensor:
    """Return a number as a tensor, filled on its device: it costs less than Python's number."""
    return torch.full((), value, dtype=torch.float64, device=device)


def on_grid(v: Tensor, scale: float, factor: float = 1.0) -> Tensor:
    """Round factor * v in place to the nearest multiple of 1 / scale, half to even."""
    return v.mul_(factor * scale).round_().mul_(1.0 / scale)


def rounded_sigmoid(z: Tensor, scale: float) -> Tensor:
    """Return `exact_sigmoid` rounded to multiples of 1 / scale.

    On the CPU by way of the platform's own sigmoid, wherever that does not lie so near a tie that
    its error could matter. On a GPU the exact one always: to look would be to wait for the device.
    """
    if z.device.type != "cpu":
        return on_grid(exact_sigmoid(z), scale)
    scaled = torch.sigmoid(z).mul_(scale)
    a = scaled.round()
    if scaled.sub_(a).abs_().max().item() > 0.5 - SIGMOID_ERROR * scale:
        a = exact_sigmoid(z).mul_(scale).round_()
    return a.mul_(1.0 / scale)
