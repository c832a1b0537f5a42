"""A candidate is asked under supervision: every way out is shut, and has been tried."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from compare.columns import Columns
from compare.difference import CandidateError, NotOffered, Refused, Unusable
from compare.host import InProcess
from compare.trial import Trial


@pytest.fixture
def build(material):
    """Return a trial of the page with some methods replaced."""

    def build(**methods: Any) -> Trial:
        return Trial(InProcess(type("Changed", (Columns,), methods)), material.initial)

    return build


@pytest.fixture
def asked(build, material):
    """Return what a method answers, some being replaced, on a mini-batch."""

    def asked(name: str, **methods: Any) -> Any:
        x, y = material.mini_batch(0)
        given = {"backprop": (x, y), "update_mini_batch": (x, y, 3.0), "export": ()}.get(name, (x,))
        return getattr(build(**methods), name)(*given)

    return asked


class Tensor:
    """As torch's, it cannot be turned into an array before it is detached."""

    def __init__(self, v: Any) -> None:
        self.v = v

    def detach(self) -> Any:
        return self

    def cpu(self) -> Any:
        return np.array(self.v)

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise RuntimeError("call detach first")


@pytest.mark.parametrize(
    "export",
    [
        lambda net: ([w.tolist() for w in net.weights], [b.tolist() for b in net.biases]),
        lambda net: iter((map(np.array, net.weights), (b[:, 0].copy() for b in net.biases))),
        lambda net: ([np.longdouble(w) for w in net.weights], net.biases),
        lambda net: ([w.astype(object) for w in net.weights], net.biases),
        lambda net: ([Tensor(w) for w in net.weights], [Tensor(b) for b in net.biases]),
        Columns.export,
    ],
)
def test_lists_iterators_flat_biases_and_tensors_are_understood(build, export, material) -> None:
    trial = build(export=export)
    weights, biases = trial.export()
    for found, given in ((weights, material.initial.weights), (biases, material.initial.biases)):
        for v, w in zip(found, given, strict=True):
            assert v.dtype == np.float64
            assert np.array_equal(v, w)
    weights[0][:] = 7
    assert not (trial.export()[0][0] == 7).any()


def ones(*shapes: tuple[int, int]) -> Any:
    return [np.ones(shape) for shape in shapes]


def answers(first: Any, second: Any = ()) -> Any:
    return lambda net, *given: (first, second)


def raises(error: BaseException) -> Any:
    def method(net: Any, *given: Any) -> Any:
        raise error

    return method


def keeps(net: Any, sizes: Any, weights: Any, biases: Any) -> None:
    net.weights, net.biases = weights, biases


def changes(which: int) -> Any:
    def backprop(net: Any, *xy: Any) -> Any:
        found = Columns.backprop(net, *xy)
        xy[which][0, 0] += 1e-12
        return found

    return backprop


def with_a(value: float) -> Any:
    def feedforward(net: Any, x: Any) -> Any:
        found = np.array(Columns.feedforward(net, x))
        found[2, 1] = value
        return found

    return feedforward


def narrow(net: Any) -> Any:
    return [w.astype(np.float32) for w in net.weights], net.biases


B, W = ((6, 1), (4, 1)), ((6, 12), (4, 6))  # the shapes of biases and weights
# What is asked, what is replaced, the exception and its words; of a refusal the mistake as well.
# fmt: off
SHUT: list[tuple[str, dict[str, Any], type, str]] = [
    ("backprop", {"backprop": answers(ones(*W), ones(*B))}, Unusable,
     "nabla_b[0]: expected shape (6, 1), received (6, 12): return nabla_b, then nabla"),
    ("backprop", {"backprop": answers(ones(*B[::-1]), ones(*W[::-1]))}, Unusable,
     "the layers from last to first: write insert(0, ...) for append(...)"),
    ("backprop", {"backprop": answers(ones(*B), ones((12, 6), (6, 4)))}, Unusable,
     "nabla_w[0]: expected shape (6, 12), received (12, 6): write v.T; an example"),
    ("backprop", {"backprop": answers(ones((6, 6), (4, 4)), ones(*W))}, Unusable,
     "(n,) with (n, 1) broadcasts to (n, n); keep biases, a and y as columns"),
    ("export", {"export": lambda net: None}, Unusable,
     "export: expected a list of arrays, received NoneType"),
    ("export", {"export": lambda net: [1, 2, 3]}, Unusable,
     "export: expected the pair (weights, biases), received list of 3"),
    ("export", {"export": answers(np.ones((2, 6, 12)), [])}, Unusable,
     "weights: expected a list of arrays, received ndarray"),
    ("export", {"export": answers({"a": 1}, [])}, Unusable,
     "weights: expected a list of arrays, received dict of 1"),
    ("export", {"export": answers([], [])}, Unusable, "weights: expected 2 arrays, received 0"),
    ("export", {"export": answers(ones((12, 6), (4, 6)), [])}, Unusable,
     "weights[0]: expected shape (6, 12), rec"),
    ("export", {"export": answers([np.ones((6, 12)), [[1], [1, 2]]], [])}, Unusable,
     "weights[1]: expected an array of numbers"),
    ("export", {"export": answers([np.ones((6, 12), complex), 1], [])}, Unusable,
     "weights[0]: expected an array of real numbers"),
    ("export", {"export": answers([np.full((6, 12), "a"), 1], [])}, Unusable,
     "weights[0]: expected an array of real numbers"),
    ("export", {"__init__": raises(ValueError("784 only"))}, Unusable,
     "take sizes [12, 6, 4]: 784 only"),
    ("export", {"__init__": raises(TypeError("hm"))}, CandidateError,
     "the constructor raised TypeError: hm"),
    ("export", {"export": raises(ValueError("hm"))}, CandidateError, "export raised ValueError"),
    ("export", {"export": raises(SystemExit(0))}, CandidateError, "export raised SystemExit: 0"),
    ("export", {"export": raises(KeyboardInterrupt())}, CandidateError,
     "export raised KeyboardInterrupt"),
    ("export", {"dtype": "float32"}, Unusable,
     "declares float32, and its parameters are no float32"),
    ("export", {"dtype": "float16"}, Unusable,
     "Changed.dtype: expected one of float64, float32, fixed-point, received 'float16'"),
    ("update_mini_batch", {"updateMiniBatch": len, "update_mini_batch": None}, NotOffered,
     "update_mini_batch (it has updateMiniBatch: rename it)"),
    ("trace", {"trace": None, "feedforward": None}, NotOffered, "trace"),
    ("backprop", {"backprop": changes(0)}, Refused,
     "backprop changed an array of shape (12, 10) that it was|inputs changed in place"),
    ("backprop", {"backprop": changes(1)}, Refused,
     "backprop changed an array of shape (4, 10) that it was|inputs changed in place"),
    ("export", {"export": narrow}, Refused,
     "weights[0] is float32, and the candidate declares float|another dtype than declared"),
    ("feedforward", {"feedforward": with_a(np.inf)}, Refused,
     "feedforward[0][2, 1] is inf, which equals nothing: the candidate overflows|overflow"),
    ("feedforward", {"feedforward": with_a(np.nan)}, Refused,
     "feedforward[0][2, 1] is nan, which equals nothing|an array kept, or overflow"),
]
# fmt: on


@pytest.mark.parametrize(("name", "methods", "kind", "words"), SHUT, ids=[s[3][:50] for s in SHUT])
def test_every_way_out_is_shut_with_one_line(asked, name, methods, kind, words) -> None:
    with pytest.raises(kind) as raised:
        asked(name, **methods)
    words, _, mistake = words.partition("|")
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)
    assert getattr(raised.value, "mistake", "") == mistake


def test_an_exception_that_cannot_be_told_is_one_all_the_same(asked) -> None:
    silent = type("Silent", (Exception,), {"__str__": lambda error: 1 / 0})
    with pytest.raises(CandidateError, match=r"backprop raised Silent$"):
        asked("backprop", backprop=raises(silent()))


def test_an_exception_has_the_candidates_own_traceback(asked) -> None:
    with pytest.raises(CandidateError, match=r"backprop raised ZeroDivisionError") as raised:
        asked("backprop", backprop=lambda net, x, y: 1 / 0)
    assert "1 / 0" in raised.value.trace
    assert "_ask" not in raised.value.trace  # its own frames, not ours


def test_what_was_kept_is_spoilt_once_an_answer_was_read(build) -> None:
    copies = {"export": lambda net: ([*map(np.copy, net.weights)], [*map(np.copy, net.biases)])}
    trial = build(__init__=keeps, **copies)
    trial.export()
    with pytest.raises(Refused, match=r"nan.* keeps an array that it was handed") as refused:
        trial.export()
    assert refused.value.mistake == "shared memory"


def test_a_framework_may_compute_later_than_it_is_called(build, material) -> None:
    def update_mini_batch(net: Any, x: Any, y: Any, eta: float) -> None:
        net.todo = (x, y, eta)  # not copied: read when the answer is

    def export(net: Any) -> Any:
        if hasattr(net, "todo"):
            Columns.update_mini_batch(net, *net.__dict__.pop("todo"))
        return net.weights, net.biases

    trial = build(update_mini_batch=update_mini_batch, export=export)
    trial.export()
    trial.update_mini_batch(*material.mini_batch(0), 3.0)
    weights, _ = trial.export()
    assert np.isfinite(weights[0]).all()
    assert (weights[0] != material.initial.weights[0]).any()


def test_what_is_missing_or_nearly_there_is_named(build) -> None:
    trial = build(deltas=None, evaluate=lambda self, data: 3)
    assert not trial.offers("deltas")
    assert not trial.offers("evaluate")
    assert "evaluate (its evaluate takes (data): the protocol's" in trial.missing("evaluate")


def test_an_overflow_on_the_way_to_the_right_answer_is_no_error(asked) -> None:
    overflows = lambda net, x: 1 / (1 + np.exp(np.full((4, x.shape[1]), 1e4)))  # noqa: E731
    assert not asked("feedforward", feedforward=overflows).any()
