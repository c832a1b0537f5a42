"""The cost of a network in 50-digit arithmetic: what the reference's numbers are held against."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Arrays = list[Array]

DIGITS = 50
QUOTIENT_STEP = "1e-17"  # the central difference is then right to about 1e-33


class Digits:
    """The cost of a network, written from the book's equations in 50-digit arithmetic.

    Parameters
    ----------
    weights : list of ndarray (sizes[l + 1], sizes[l])
    biases : list of ndarray (sizes[l + 1], 1)
    x : ndarray (sizes[0], m)
    y : ndarray (sizes[-1], m)

    Source
    ------
    Nielsen, ch. 1, equations (3) and (6).
    """

    def __init__(self, weights: Arrays, biases: Arrays, x: Array, y: Array) -> None:
        import mpmath

        self.context = mpmath.mp.clone()  # its own precision: mpmath's is global
        self.context.dps = DIGITS
        exact = np.frompyfunc(lambda v: self.context.mpf(float(v)), 1, 1)
        self.x, self.y = x, y
        self.weights = [exact(w) for w in weights]
        self.biases = [exact(b) for b in biases]

    def outputs(self) -> list[list[Any]]:
        """Return the output activations of every example."""
        return [self.feedforward([self.context.mpf(float(v)) for v in x]) for x in self.x.T]

    def feedforward(self, a: list[Any]) -> list[Any]:
        """Return the output activations for the input a.

        Parameters
        ----------
        a : list of mpf (sizes[0],)
        """
        for w, b in zip(self.weights, self.biases, strict=True):
            lit = [(j, v) for j, v in enumerate(a) if v]  # most pixels are 0
            zs = [
                self.context.fdot((row[j], v) for j, v in lit) + bias[0]
                for row, bias in zip(w, b, strict=True)
            ]
            a = [1 / (1 + self.context.exp(-z)) for z in zs]
        return a

    def cost(self) -> Any:
        """Return half the squared distance to y, summed over the examples."""
        distances = (
            (a - float(y)) ** 2
            for outputs, desired in zip(self.outputs(), self.y.T, strict=True)
            for a, y in zip(outputs, desired, strict=True)
        )
        return self.context.fsum(distances) / 2

    def quotient(self, name: str, layer: int, index: tuple[int, ...]) -> float:
        """Return the central difference quotient of the cost by one weight or bias.

        Parameters
        ----------
        name : str
            "nabla_w" or "nabla_b".
        layer : int
        index : tuple of int
        """
        v = (self.weights if name == "nabla_w" else self.biases)[layer]
        kept, h = v[index], self.context.mpf(QUOTIENT_STEP)
        v[index] = kept + h
        above = self.cost()
        v[index] = kept - h
        below = self.cost()
        v[index] = kept
        return float((above - below) / (2 * h))
