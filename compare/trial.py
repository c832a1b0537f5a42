"""One candidate, asked under supervision: what it is handed is private, what it returns is checked.

A candidate can then neither hand back what it was given, nor compare a thing with itself, nor
return NaN, other shapes or another precision unnoticed; and an exception of its own is reported
as its own.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compare.candidates import declared_dtype, one_line
from compare.difference import CandidateError, NotOffered, Refused, Unusable
from model.parameters import Parameters
from model.printable import printable

Array = NDArray[np.float64]
Arrays = list[Array]
Order = NDArray[np.int64]
LAYERED = ("weights", "biases", "zs", "activations", "nabla_b", "nabla_w", "deltas")


class Trial:
    """One candidate built from given parameters and asked under supervision.

    Every array handed in is a private copy, writable, and looked at again afterwards; every array
    that comes back is checked (count, shape, dtype, memory, NaN) and copied. Methods are those of
    `Candidate`.

    Parameters
    ----------
    candidate : class
        Built as candidate(sizes, weights, biases).
    parameters : Parameters
        Its start.

    Raises
    ------
    Unusable
        The constructor raised ValueError, such as for sizes that it does not support.
    CandidateError
        It raised anything else. Here and in every method.
    Refused
        The arrays handed in were changed. Here and in every method.
    """

    def __init__(self, candidate: type, parameters: Parameters) -> None:
        self.candidate = candidate
        self.dtype = declared_dtype(candidate)
        self.sizes = list(parameters.sizes)
        self.shapes = [w.shape for w in parameters.weights]
        self.lent: list[NDArray[Any]] = []  # not yet spoilt
        self.answered = False
        handed = [*parameters.weights, *parameters.biases]
        count = len(self.shapes)
        self.net = self._ask(
            "the constructor",
            lambda *v: candidate(list(self.sizes), list(v[:count]), list(v[count:])),
            *handed,
            keep=True,
        )

    def offers(self, name: str) -> str | None:
        """Return the name of the method if the candidate has it, else None."""
        return name if callable(getattr(self.net, name, None)) else None

    def export(self) -> tuple[Arrays, Arrays]:
        """Return the candidate's weights and biases, copied."""
        weights, biases = self._pair("export", "weights, biases")
        columns = [(n, 1) for n, _ in self.shapes]
        found = (
            self._arrays("weights", weights, self.shapes),
            self._arrays("biases", biases, columns),
        )
        if self.dtype == "float32":
            refuse_wider([*found[0], *found[1]])
        return found

    def parameters(self) -> Parameters:
        """Return what the candidate exports, as parameters."""
        return Parameters(self.sizes, *self.export())

    def trace(self, x: Array) -> tuple[Arrays, Arrays]:
        """Return zs and activations, x first; without zs where only feedforward is offered."""
        m = x.shape[1]
        if not self.offers("trace"):
            if not self.offers("feedforward"):
                raise NotOffered("trace")
            output = self._call("feedforward", x)
            return [], self._arrays("output activations", [output], [(self.sizes[-1], m)])
        zs, activations = self._pair("trace", "zs, activations", x)
        shapes = [(n, m) for n in self.sizes]
        zs = self._arrays("zs", zs, shapes[1:])
        # activations[0] is the input itself, in the book too: the one array that may come back.
        return zs, self._arrays("activations", activations, shapes, returned_input=True)

    def feedforward(self, x: Array) -> Array:
        """Return the output activations."""
        return self.trace(x)[1][-1]

    def outputs(self, x: Array) -> Array:
        """Return the output activations by the candidate's own feedforward."""
        shapes = [(self.sizes[-1], x.shape[1])]
        return self._arrays("feedforward", [self._call("feedforward", x)], shapes)[0]

    def backprop(self, x: Array, y: Array) -> tuple[Arrays, Arrays]:
        """Return nabla_b and nabla_w."""
        nabla_b, nabla_w = self._pair("backprop", "nabla_b, nabla_w", x, y)
        columns = [(n, 1) for n, _ in self.shapes]
        return (
            self._arrays("nabla_b", nabla_b, columns),
            self._arrays("nabla_w", nabla_w, self.shapes),
        )

    def deltas(self, x: Array, y: Array) -> Arrays:
        """Return the error of every layer, the first hidden layer first."""
        shapes = [(n, x.shape[1]) for n in self.sizes[1:]]
        return self._arrays("deltas", self._call("deltas", x, y), shapes)

    def update_mini_batch(self, x: Array, y: Array, eta: float) -> None:
        """Take one step."""
        self._call("update_mini_batch", x, y, last=(eta,))

    def train(self, x: Array, y: Array, order: Order, mini_batch_size: int, eta: float) -> None:
        """Train for one epoch over the columns of x and y in the given order."""
        self._call("train", x, y, order, last=(mini_batch_size, eta))

    def load_data(self, path: Path) -> Any:
        """Return what the candidate's loader returns, unchecked."""
        return self._call("load_data", last=(path,))

    # What supervision consists of.

    def _ask(
        self, what: str, call: Callable[..., Any], *given: NDArray[Any], keep: bool = False
    ) -> Any:
        """Call the candidate with private copies, and see that it left them alone."""
        self._spoil()
        self.handed = [np.array(v, order="K") for v in given]
        self.lent += self.handed
        try:
            # The book's sigmoid overflows in exp(-z) on its way to the right answer, 0.
            with np.errstate(over="ignore", under="ignore"):
                answer = call(*self.handed)
        except (CandidateError, NotOffered, Refused, Unusable, KeyboardInterrupt):
            raise  # of a candidate in another process, looked at there; or the user's own
        except ValueError as error:
            if not keep:
                raise CandidateError(*_own_error(what, error)) from error
            raise Unusable(f"the candidate does not take sizes {self.sizes}: {error}") from error
        except BaseException as error:  # SystemExit among them: a candidate may call sys.exit
            raise CandidateError(*_own_error(what, error)) from error
        if keep:
            self.start = self.handed
        for copy, original in zip(self.handed, given, strict=True):
            if not np.array_equal(copy, original):
                raise Refused(
                    f"{what} changed an array of shape {copy.shape} that it was handed: "
                    "work on a copy",
                    "inputs changed in place",
                )
        return answer

    def _spoil(self) -> None:
        """Fill what was lent with NaN: who kept it instead of a copy is found out.

        Some frameworks compute, and even copy, later than they are called. Once an answer has
        been read, all that it depends on is done.
        """
        if not self.answered:
            return
        for array in self.lent:
            array.fill(np.nan if array.dtype.kind == "f" else 0)
        self.lent, self.answered = [], False

    def _call(self, name: str, *given: NDArray[Any], last: tuple[Any, ...] = ()) -> Any:
        method = getattr(self.net, name, None)
        if not callable(method):
            raise NotOffered(name)
        return self._ask(name, lambda *arrays: method(*arrays, *last), *given)

    def _pair(self, name: str, names: str, *given: Array) -> tuple[Any, Any]:
        answer = self._call(name, *given)
        if not isinstance(answer, tuple | list) or len(answer) != 2:
            raise Unusable(
                f"{name}: expected to return the pair ({names}), received {_describe(answer)}"
            )
        return answer[0], answer[1]

    def _arrays(
        self,
        name: str,
        values: Any,
        shapes: Sequence[tuple[int, ...]],
        returned_input: bool = False,
    ) -> Arrays:
        """Return a list of arrays as float64 copies, checked."""
        if isinstance(values, np.ndarray) or not hasattr(values, "__len__"):
            raise Unusable(
                f"{name}: expected a list of {len(shapes)} arrays, received {_describe(values)}"
            )
        if len(values) != len(shapes):
            raise Unusable(f"{name}: expected {len(shapes)} arrays, received {len(values)}")
        label = f"{name}[{{}}]" if len(shapes) > 1 or name in LAYERED else name
        return [
            self._array(label.format(k), v, shape, returned_input and k == 0)
            for k, (v, shape) in enumerate(zip(values, shapes, strict=True))
        ]

    def _array(self, name: str, value: Any, shape: tuple[int, ...], returned_input: bool) -> Array:
        array = _as_numbers(name, value)
        if array.shape != shape:
            raise Unusable(f"{name}: expected shape {shape}, received {array.shape}")
        self._check_dtype(name, array, isinstance(value, list | tuple) or returned_input)
        if not returned_input:
            self._check_memory(name, array)
        finite = np.isfinite(array)
        if not finite.all():
            where = tuple(int(i) for i in np.argwhere(~finite)[0])
            raise Refused(
                f"{name}{list(where)} is {array[where]}, which equals nothing: the candidate "
                "overflows, or keeps an array that it was handed instead of a copy",
                "an array kept, or overflow",
            )
        self.answered = True
        return np.array(array, dtype=np.float64)

    def _check_dtype(self, name: str, array: NDArray[Any], lenient: bool) -> None:
        if self.dtype == "float32" or lenient or array.dtype == np.float64:
            return
        raise Refused(
            f"{name} is {array.dtype}, and the candidate declares float64: return float64, or "
            'declare dtype = "float32" in the class'
        )

    def _check_memory(self, name: str, array: NDArray[Any]) -> None:
        # What was handed is contiguous and private: overlapping extents are shared memory.
        for handed in [*self.start, *self.handed]:
            if np.may_share_memory(array, handed):
                raise Refused(
                    f"{name} is memory that the candidate was handed, not its own: a comparison "
                    "would compare a thing with itself; copy, as in numpy.array(w)",
                    "shared memory",
                )


def refuse_wider(exported: Arrays) -> None:
    """Raise where a candidate that declares float32 keeps more than float32 can hold.

    Parameters
    ----------
    exported : list of ndarray

    Raises
    ------
    Unusable
    """
    if any((v != v.astype(np.float32)).any() for v in exported):
        raise Unusable(
            "export: the candidate declares float32, and its parameters are no float32 numbers: "
            "compute in float32, or declare float64"
        )


def _own_error(what: str, error: BaseException) -> tuple[str, str]:
    """Return one line and the traceback, from the candidate's first frame on."""
    frames = error.__traceback__
    while frames and frames.tb_frame.f_code.co_filename == __file__ and frames.tb_next:
        frames = frames.tb_next
    trace = "".join(traceback.format_exception(type(error), error, frames))
    return f"{what} raised {one_line(error)}", lines(trace)


def lines(text: str) -> str:
    """Return text of a candidate's own, line by line, with nothing that a terminal would obey."""
    return "\n".join(printable(line) for line in text.splitlines()) + "\n"


def _as_numbers(name: str, value: Any) -> NDArray[Any]:
    try:
        array = np.asarray(value)
    except Exception as error:
        raise Unusable(f"{name}: expected an array of numbers: {one_line(error)}") from error
    if array.dtype.kind not in "fiu":
        raise Unusable(f"{name}: expected an array of real numbers, received dtype {array.dtype}")
    return array


def _describe(value: Any) -> str:
    size = f" of {len(value)}" if isinstance(value, tuple | list | dict) else ""
    return f"{type(value).__name__}{size}"
