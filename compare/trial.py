"""One candidate asked through its host: every answer is counted, shaped and copied here.

What was handed is looked at where the candidate lives
(`compare.supervision`); numbers are judged on this side alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compare.balls import named
from compare.difference import CandidateError, NotOffered, Refused, Unusable
from compare.host import Host
from model.parameters import Parameters
from model.printable import printable

Array = NDArray[np.float64]
Arrays = list[Array]
Shapes = Sequence[tuple[int, ...]]
Order = NDArray[np.int64]


class Trial:
    """A candidate built from given parameters; its methods are those of `Candidate`.

    Each raises Unusable where an answer is no such thing as was asked for, Refused where it proves
    nothing, CandidateError where the candidate failed, NotOffered where it lacks the method.
    """

    def __init__(self, host: Host, parameters: Parameters, arithmetic: str | None = None) -> None:
        host.built += 1
        self.host, self.number, self.stepped = host, host.built, False
        while host.forgotten:
            host.ask({"do": "forget", "net": host.forgotten.pop()})
        self.sizes = list(parameters.sizes)
        self.shapes = [w.shape for w in parameters.weights]
        self.columns = [(n, 1) for n, _ in self.shapes]
        other = arithmetic if arithmetic != host.dtype else None
        message = {"do": "build", "net": self.number, "sizes": self.sizes, "arithmetic": other}
        built, _ = host.ask(message, [*parameters.weights, *parameters.biases])
        if "missing" in built or (arithmetic and built.get("dtype") != arithmetic):
            raise NotOffered(f"with_arithmetic({arithmetic!r})")
        offers, near = built.get("offers"), built.get("near", {})
        if not isinstance(offers, list) or not isinstance(near, dict):
            raise CandidateError("it was built, and does not say what it offers")
        self.offered = frozenset(map(str, offers))
        self.near = {str(k): printable(v) for k, v in near.items()}
        self.dtype = arithmetic or host.dtype

    def offers(self, name: str) -> bool:
        """Return whether the candidate has a method."""
        return name in self.offered

    def missing(self, name: str) -> str:
        """Return the name of a method that the candidate lacks, and what comes near to it."""
        return f"{name} ({self.near[name]})" if name in self.near else name

    def export(self) -> tuple[Arrays, Arrays]:
        weights, biases = self._ask("export")
        both = (*weights, *biases)
        if self.dtype == "float32" and any((v != v.astype(np.float32)).any() for v in both):
            raise Unusable(
                "export: the candidate declares float32, and its parameters are no float32 "
                "numbers: compute in float32, or declare float64"
            )
        return weights, biases

    def trace(self, x: Array) -> tuple[Arrays, Arrays]:
        return self._ask("trace", x)

    def feedforward(self, x: Array) -> Array:
        """Return the output activations, by trace where feedforward is not offered."""
        offered = self.offers("feedforward")
        return self._ask("feedforward", x)[0][0] if offered else self.trace(x)[1][-1]

    def forward(self, x: Array) -> dict[str, Array]:
        """Return zs, activations and what feedforward says by name, as far as they are offered."""
        found: dict[str, Array] = {}
        if self.offers("trace"):
            zs, activations = self.trace(x)
            found = named(zs=zs, activations=activations)
        if self.offers("feedforward"):
            found["feedforward"] = self.feedforward(x)
        return found

    def backward(self, x: Array, y: Array) -> dict[str, Array]:
        """Return nabla_b, nabla_w and deltas by name, as far as they are offered."""
        found: dict[str, Array] = {}
        if self.offers("backprop"):
            nabla_b, nabla_w = self.backprop(x, y)
            found = named(nabla_b=nabla_b, nabla_w=nabla_w)
        if self.offers("deltas"):
            found |= named(deltas=self.deltas(x, y))
        return found

    def held(self, x: Array, neuron: int, value: float) -> Array:
        return self._ask("held", x, neuron, value)[0][0]

    def backprop(self, x: Array, y: Array) -> tuple[Arrays, Arrays]:
        return self._ask("backprop", x, y)

    def deltas(self, x: Array, y: Array) -> Arrays:
        return self._ask("deltas", x, y)[0]

    def update_mini_batch(self, x: Array, y: Array, eta: float) -> None:
        self.stepped = True
        self._ask("update_mini_batch", x, y, eta)

    def step(self, x: Array, y: Array, eta: float) -> tuple[Arrays, Arrays]:
        """Take a step, and return where it leads."""
        self.update_mini_batch(x, y, eta)
        return self.export()

    def whole_step(self, x: Array, y: Array, eta: float) -> tuple[dict[str, Array], Any]:
        """Return everything that a step computes by name, as it is offered, and where it leads."""
        before = self.forward(x) | self.backward(x, y)
        weights, biases = self.step(x, y, eta)
        return before | named(new_weights=weights, new_biases=biases), (weights, biases)

    def step_asked_for(self, x: Array, y: Array, eta: float, late: bool) -> Any:
        """Take a step, and return where it leads and what is computed there, the former last.

        Where a backprop fails its error is returned, as "failed": the step is judged before.
        """
        self.update_mini_batch(x, y, eta)
        there = None if late else self.export()
        forth, back = self.forward(x), dict[str, Any]()
        try:
            back = self.backward(x, y)
        except CandidateError as error:
            if self.host.gone:
                raise
            back = {"failed": error}
        return forth, back, there or self.export()

    def train(self, x: Array, y: Array, order: Order, mini_batch_size: int, eta: float) -> None:
        self.stepped = True
        self._ask("train", x, y, order, mini_batch_size, eta)

    def evaluate(self, x: Array, labels: Order) -> float:
        return float(self._ask("evaluate", x, labels)[0][0])

    def load_data(self, path: Any) -> list[NDArray[Any]]:
        """Return training, validation and test images and labels, in turn."""
        found = self._call("load_data", str(path))[1]
        if len(found) != 6:
            raise CandidateError(f"load_data was answered with {len(found)} arrays")
        return found

    def __del__(self) -> None:
        self.host.forgotten.append(self.number)  # told before the next one is built: not in between

    def _call(self, name: str, *given: Any) -> tuple[Any, list[Any]]:
        if not self.offers(name):
            raise NotOffered(self.missing(name))
        arrays = [v for v in given if isinstance(v, np.ndarray)]
        numbers = given[len(arrays) :]  # they come last
        message = {"do": "call", "net": self.number, "method": name, "numbers": numbers}
        answer, found = self.host.ask(message, arrays)
        return answer.get("answer"), found

    def _ask(self, name: str, *given: Any) -> Any:
        """Ask for lists of arrays, and return them, every shape and number checked."""
        layers = [(n, given[0].shape[1] if given else 0) for n in self.sizes]
        lists: dict[str, dict[str, Shapes]] = {
            "export": {"weights": self.shapes, "biases": self.columns},
            "trace": {"zs": layers[1:], "activations": layers},
            "feedforward": {"feedforward": layers[-1:]},
            "held": {"held": layers[-1:]},
            "backprop": {"nabla_b": self.columns, "nabla_w": self.shapes},
            "deltas": {"deltas": layers[1:]},
            "evaluate": {"evaluate": [()]},
        }
        wanted = lists.get(name, {})
        counts, left = self._call(name, *given)
        whole = isinstance(counts, list) and all(isinstance(n, int) and n >= 0 for n in counts)
        if not whole or sum(counts) != len(left) or len(counts) != len(wanted):
            raise CandidateError(f"{name} was answered with {len(left)} arrays: {counts!r:.80}")
        ends = np.cumsum(counts)
        parts = zip(wanted.items(), counts, ends, strict=True)
        return tuple(self._taken(*want, left[end - n : end]) for want, n, end in parts)

    def _taken(self, label: str, shapes: Shapes, answered: list[NDArray[Any]]) -> Arrays:
        """Return a list of the answer, every shape and number checked."""
        if len(answered) != len(shapes):
            raise Unusable(f"{label}: expected {len(shapes)} arrays, received {len(answered)}")
        found = []
        for k, (array, shape) in enumerate(zip(answered, shapes, strict=True)):
            name, narrow = f"{label}[{k}]", array.dtype == np.float32 and self.dtype != "float32"
            if shape not in (array.shape, (*array.shape, 1)):
                advice = shape_advice(label, [v.shape for v in answered], list(shapes), k)
                raise Unusable(f"{name}: expected shape {shape}, received {array.shape}{advice}")
            if narrow and name not in ("activations[0]", "evaluate[0]"):
                raise Refused(
                    f"{name} is {array.dtype}, and the candidate declares {self.dtype}: return "
                    'float64, or declare dtype = "float32" in the class',
                    "another dtype than declared",
                )
            for where in np.argwhere(~np.isfinite(array))[:1].tolist():
                kept = "keeps an array that it was handed instead of a copy, as numpy.array(w) or "
                kept += "torch.tensor(w) would be, not numpy.asarray(w) or torch.from_numpy(w)"
                why, mistake = f"overflows, or {kept}", "an array kept, or overflow"
                if np.isinf(array[tuple(where)]):  # what is spoilt is not a number
                    why, mistake = "overflows", "overflow"
                elif label in ("weights", "biases") and not self.stepped:
                    why, mistake = kept, "shared memory"
                nothing = f"{name}{where} is {array[tuple(where)]}, which equals nothing"
                raise Refused(f"{nothing}: the candidate {why}", mistake)
            found.append(np.array(array, dtype=np.float64).reshape(shape))  # a bias may be flat
        return found


def shape_advice(label: str, received: list[Any], shapes: list[Any], k: int) -> str:
    """Return what to write where a shape is wrong in a way that is often met."""
    shape, wanted = received[k], shapes[k]
    if len(received) > 1 and received[::-1] == shapes:
        return ", the layers from last to first: write insert(0, ...) for append(...)"
    if len(wanted) == 2 and shape == (wanted[0], wanted[0]) and wanted[1] == 1:
        return ": (n,) with (n, 1) broadcasts to (n, n); keep biases, a and y as columns"
    if label.startswith("nabla") and (len(shape) > 1 and shape[1:] != (1,)) != (wanted[1:] != (1,)):
        return ": return nabla_b, then nabla_w"
    if shape == wanted[::-1]:
        return ": write v.T; an example belongs in every column, and weights are (n_out, n_in)"
    return ""
