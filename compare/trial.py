"""One candidate asked through its host: every answer is counted, shaped and copied here.

What was handed and what shares memory is looked at where the candidate lives
(`compare.supervision`); numbers are judged on this side alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compare.candidates import DTYPES
from compare.child import Host
from compare.difference import CandidateError, NotOffered, Refused, Unusable
from model.parameters import Parameters

Array = NDArray[np.float64]
Arrays = list[Array]
Order = NDArray[np.int64]


class Trial:
    """A candidate built from given parameters; its methods are those of `Candidate`.

    Raises
    ------
    Unusable
        It does not take these sizes, or an answer is no such thing as was asked for.
    CandidateError
        It raised an exception, or its process ended. Here and in every method.
    Refused
        Arrays handed in were changed or came back, or an answer is NaN. Here and in every method.
    NotOffered
        It lacks the method, or the arithmetic.
    """

    def __init__(self, host: Host, parameters: Parameters, arithmetic: str | None = None) -> None:
        host.numbers += 1
        self.host, self.number = host, host.numbers
        self.sizes = list(parameters.sizes)
        self.shapes = [w.shape for w in parameters.weights]
        handed = [*parameters.weights, *parameters.biases]
        message = {"do": "build", "net": self.number, "sizes": self.sizes, "arithmetic": arithmetic}
        built, _ = host.ask(message, handed, "it was built")
        if "missing" in built:
            raise NotOffered(f"with_arithmetic({arithmetic!r})")
        self.offered = frozenset(built["offers"])
        self.near: dict[str, str] = built["near"]
        self.dtype = declared(host.label, built["dtype"])

    def offers(self, name: str) -> bool:
        """Return whether the candidate has a method."""
        return name in self.offered

    def export(self) -> tuple[Arrays, Arrays]:
        """Return the candidate's weights and biases."""
        columns = [(n, 1) for n, _ in self.shapes]
        weights, biases = self._ask("export", ("weights", self.shapes), ("biases", columns))
        if self.dtype == "float32":
            self._refuse_wider([*weights, *biases])
        return weights, biases

    def parameters(self) -> Parameters:
        """Return what the candidate exports, as parameters."""
        return Parameters(self.sizes, *self.export())

    def trace(self, x: Array) -> tuple[Arrays, Arrays]:
        """Return zs and activations, x first; without zs where only feedforward is offered."""
        if not self.offers("trace"):
            if not self.offers("feedforward"):
                raise NotOffered("trace")
            return [], [self.feedforward(x)]
        shapes = [(n, x.shape[1]) for n in self.sizes]
        zs, activations = self._ask(
            "trace", ("zs", shapes[1:]), ("activations", shapes), given=[x]
        )
        return zs, activations

    def feedforward(self, x: Array) -> Array:
        """Return the output activations, by trace where feedforward is not offered."""
        if not self.offers("feedforward"):
            return self.trace(x)[1][-1]
        shapes = [(self.sizes[-1], x.shape[1])]
        return self._ask("feedforward", ("output activations", shapes), given=[x])[0][0]

    def held(self, x: Array, neuron: int, value: float) -> Array:
        """Return the output activations while a neuron of the first hidden layer is held."""
        shapes = [(self.sizes[-1], x.shape[1])]
        asked = ("output activations", shapes)
        return self._ask("held", asked, given=[x], numbers=[neuron, value])[0][0]

    def backprop(self, x: Array, y: Array) -> tuple[Arrays, Arrays]:
        """Return nabla_b and nabla_w."""
        columns = [(n, 1) for n, _ in self.shapes]
        nabla_b, nabla_w = self._ask(
            "backprop", ("nabla_b", columns), ("nabla_w", self.shapes), given=[x, y]
        )
        return nabla_b, nabla_w

    def deltas(self, x: Array, y: Array) -> Arrays:
        """Return the error of every layer, the first hidden layer first."""
        shapes = [(n, x.shape[1]) for n in self.sizes[1:]]
        return self._ask("deltas", ("deltas", shapes), given=[x, y])[0]

    def update_mini_batch(self, x: Array, y: Array, eta: float) -> None:
        """Take one step."""
        self._ask("update_mini_batch", given=[x, y], numbers=[eta])

    def train(self, x: Array, y: Array, order: Order, mini_batch_size: int, eta: float) -> None:
        """Train for one epoch over the columns of x and y in the given order."""
        self._ask("train", given=[x, y, order], numbers=[mini_batch_size, eta])

    def evaluate(self, x: Array, labels: Order) -> int:
        """Return how many columns are read as their labels."""
        return int(self._call("evaluate", [x, labels], [])[0]["answer"])

    def load_data(self, path: Any) -> list[NDArray[Any]]:
        """Return training, validation and test images and labels, in turn."""
        return self._call("load_data", [], [str(path)])[1]

    def forget(self) -> None:
        """Let the candidate go."""
        self.host.ask({"do": "forget", "net": self.number}, [], "it was let go")

    def _call(self, name: str, given: list[Any], numbers: list[Any]) -> Any:
        message = {"do": "call", "net": self.number, "method": name, "numbers": numbers}
        answer, arrays = self.host.ask(message, given, f"{name} was computed")
        if "missing" in answer:
            raise NotOffered(name)
        return answer, arrays

    def _ask(
        self,
        name: str,
        *lists: tuple[str, Sequence[tuple[int, ...]]],
        given: Sequence[Any] = (),
        numbers: Sequence[Any] = (),
    ) -> list[Arrays]:
        """Ask for lists of arrays of these shapes, and return them checked."""
        answer, arrays = self._call(name, list(given), list(numbers))
        if not lists:
            return []
        counts, found = answer["answer"], []
        if len(counts) != len(lists) or sum(counts) != len(arrays):
            raise CandidateError(f"{name} was answered with {counts} arrays")
        for (label, shapes), count in zip(lists, counts, strict=True):
            if count != len(shapes):
                raise Unusable(f"{label}: expected {len(shapes)} arrays, received {count}")
            part, arrays = arrays[:count], arrays[count:]
            places = [label] if label == "output activations" else [
                f"{label}[{k}]" for k in range(count)
            ]
            found.append([self._checked(*v) for v in zip(places, part, shapes, strict=True)])
        return found

    def _checked(self, name: str, array: NDArray[Any], shape: tuple[int, ...]) -> Array:
        if array.shape != shape:
            advice = shape_advice(array.shape, shape)
            raise Unusable(f"{name}: expected shape {shape}, received {array.shape}{advice}")
        if array.dtype != np.float64 and self.dtype != "float32" and name != "activations[0]":
            raise Refused(
                f"{name} is {array.dtype}, and the candidate declares {self.dtype}: return "
                'float64, or declare dtype = "float32" in the class',
                "another dtype than declared",
            )
        finite = np.isfinite(array)
        if not finite.all():
            where = tuple(int(i) for i in np.argwhere(~finite)[0])
            raise Refused(
                f"{name}{list(where)} is {array[where]}, which equals nothing: the candidate "
                "overflows, or keeps an array that it was handed instead of a copy",
                "an array kept, or overflow",
            )
        return np.array(array, dtype=np.float64)

    def _refuse_wider(self, exported: Arrays) -> None:
        if any((v != v.astype(np.float32)).any() for v in exported):
            raise Unusable(
                "export: the candidate declares float32, and its parameters are no float32 "
                "numbers: compute in float32, or declare float64"
            )


def shape_advice(received: tuple[int, ...], expected: tuple[int, ...]) -> str:
    """Return what to write where a shape is wrong in a way that is often met."""
    if received == expected[:1] and expected[1:] == (1,):
        return ": a column is wanted; write v.reshape(-1, 1)"
    if received == expected[::-1]:
        return ": an example belongs in every column; write v.T"
    if len(expected) == 2 and received == (expected[0], expected[0]) and expected[1] == 1:
        return ": (n,) with (n, 1) broadcasts to (n, n); keep biases, a and y as columns"
    return ""


def declared(label: str, dtype: Any) -> str:
    """Return the precision that a candidate declares, or raise where it is none of them."""
    if dtype not in DTYPES:
        raise Unusable(f"{label}.dtype: expected one of {', '.join(DTYPES)}, received {dtype!r}")
    return str(dtype)
