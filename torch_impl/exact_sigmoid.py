"""The sigmoid of elementwise + - * / alone: the same bits on every machine.

The twin of `reference/exact_sigmoid.py`. Every operation is a kernel of its own, so that no
multiplication is fused with an addition.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

INVERSE_LN2 = float.fromhex("0x1.71547652b82fep+0")
LN2_UPPER = float.fromhex("0x1.62e42feep-1")
LN2_LOWER = float.fromhex("0x1.a39ef35793c76p-33")
LARGEST_EXPONENT = 40.0
TAYLOR_COEFFICIENTS = torch.tensor(
    [1.0 / math.factorial(j) for j in range(13, -1, -1)], dtype=torch.float64
).unbind()  # tensors of no axes: on the CPU they cost less than Python's numbers


def exact_sigmoid(z: Tensor) -> Tensor:
    """Return 1 / (1 + exp(-z)) in elementwise + - * / alone, the same bits on every machine."""
    return exp(-z).add_(1.0).reciprocal_()


def exp(t: Tensor) -> Tensor:
    """Return e**t in elementwise + - * alone, the same bits on every machine."""
    t = t.clamp(-LARGEST_EXPONENT, LARGEST_EXPONENT)
    k = torch.mul(t, INVERSE_LN2).round_()
    r = t.sub_(k * LN2_UPPER).sub_(k * LN2_LOWER)
    leading, *middle, constant = TAYLOR_COEFFICIENTS
    p = r * leading
    for coefficient in middle:
        p.add_(coefficient).mul_(r)
    exponent_bits = (k + 1023.0).mul_(2.0**52).to(torch.int64)  # of 2**k: exact everywhere
    return p.add_(constant).mul_(exponent_bits.view(torch.float64))
