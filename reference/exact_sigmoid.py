"""The sigmoid of elementwise + - * / alone: the same bits on every machine."""

from __future__ import annotations

import math

import numpy as np

LOG2_E = float.fromhex("0x1.71547652b82fep+0")
LN2_HI = float.fromhex("0x1.62e42feep-1")  # the leading bits of ln 2: k * LN2_HI is exact
LN2_LO = float.fromhex("0x1.a39ef35793c76p-33")  # and the rest
SATURATION = 40.0  # sigmoid(40) = 1 - 4e-18 is 1 on every grid used here
TAYLOR = tuple(1.0 / math.factorial(j) for j in range(13, -1, -1))  # of e**r, the highest first


def exact_sigmoid(z: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + exp(-z)) in elementwise + - * / alone, the same bits on every machine."""
    return 1.0 / (1.0 + exp(-z))


def exp(t: np.ndarray) -> np.ndarray:
    """Return e**t in elementwise + - * alone, the same bits on every machine.

    t is clipped to [-40, 40], reduced to r = t - k ln 2 with |r| <= ln(2) / 2, and e**t = 2**k e**r
    with the Taylor polynomial of degree 13 for e**r, whose error is less than a rounding (Cody and
    Waite, Software Manual for the Elementary Functions, 1980, ch. 6, has the ln 2 in two parts).
    """
    t = np.minimum(np.maximum(t, -SATURATION), SATURATION)
    k = t * LOG2_E
    np.rint(k, out=k)
    r = t - k * LN2_HI
    r -= k * LN2_LO
    p = r * TAYLOR[0]
    for coefficient in TAYLOR[1:-1]:
        p += coefficient
        p *= r
    p += TAYLOR[-1]
    return np.ldexp(p, k.astype(np.int32))  # exact
