"""A candidate is asked under supervision: every way out is shut, and has been tried."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from compare.difference import CandidateError, NotOffered, Refused, Unusable
from compare.host import InProcess
from compare.trial import Trial


@pytest.fixture
def build(correct, material):
    """Return a trial of the correct candidate with some methods replaced."""

    def build(**methods: Any) -> Trial:
        return Trial(InProcess(type("Changed", (correct,), methods)), material.initial)

    return build


def lists(self: Any) -> Any:
    return [w.tolist() for w in self.weights], [b.tolist() for b in self.biases]


def iterators(self: Any) -> Any:
    return iter((map(np.array, self.weights), (b[:, 0].copy() for b in self.biases)))


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


def tensors(self: Any) -> Any:
    return [Tensor(w) for w in self.weights], [Tensor(b) for b in self.biases]


@pytest.mark.parametrize("export", [lists, iterators, tensors, None])
def test_lists_iterators_flat_biases_and_tensors_are_understood(build, export, material) -> None:
    trial = build(**({"export": export} if export else {}))
    weights, biases = trial.export()
    for found, given in ((weights, material.initial.weights), (biases, material.initial.biases)):
        assert all(np.array_equal(v, w) and v.dtype == np.float64 for v, w in
                   zip(found, given, strict=True))  # fmt: skip
    weights[0][:] = 7
    assert not (trial.export()[0][0] == 7).any()


def swapped(self: Any, x: Any, y: Any) -> Any:
    return [np.ones((6, 12)), np.ones((4, 6))], [np.ones((6, 1)), np.ones((4, 1))]


def appended(self: Any, x: Any, y: Any) -> Any:
    return [np.ones((4, 1)), np.ones((6, 1))], [np.ones((4, 6)), np.ones((6, 12))]


def turned(self: Any, x: Any, y: Any) -> Any:
    return [np.ones((6, 1)), np.ones((4, 1))], [np.ones((12, 6)), np.ones((6, 4))]


def broadcast(self: Any, x: Any, y: Any) -> Any:
    return [np.ones((6, 6)), np.ones((4, 4))], [np.ones((6, 12)), np.ones((4, 6))]


@pytest.mark.parametrize(
    ("backprop", "advice"),
    [
        (
            swapped,
            "nabla_b[0]: expected shape (6, 1), received (6, 12): return nabla_b, then nabla",
        ),
        (appended, "the layers from last to first: write insert(0, ...) for append(...)"),
        (turned, "nabla_w[0]: expected shape (6, 12), received (12, 6): write v.T; an example"),
        (broadcast, "(n,) with (n, 1) broadcasts to (n, n); keep biases, a and y as columns"),
    ],
)
def test_a_shape_that_is_often_wrong_gets_one_line_of_advice(build, backprop, advice, material):
    with pytest.raises(Unusable) as raised:
        build(backprop=backprop).backprop(*material.mini_batch(0))
    assert advice in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        (None, r"export: expected a list of arrays, received NoneType"),
        ([1, 2, 3], r"export: expected the pair \(weights, biases\), received list of 3"),
        ((np.ones((2, 6, 12)), []), r"weights: expected a list of arrays, received ndarray"),
        (([], []), r"weights: expected 2 arrays, received 0"),
        (([np.ones((12, 6)), np.ones((4, 6))], []), r"weights\[0\]: expected shape \(6, 12\), rec"),
        (([np.ones((6, 12)), [[1], [1, 2]]], []), r"weights\[1\]: expected an array of numbers"),
        (([np.ones((6, 12), complex), 1], []), r"weights\[0\]: expected an array of real numbers"),
        (([np.full((6, 12), "a"), 1], []), r"weights\[0\]: expected an array of real numbers"),
        (({"a": 1}, []), r"weights: expected a list of arrays, received dict of 1"),
    ],
)
def test_what_cannot_be_compared_gets_one_line(build, answer: Any, line: str) -> None:
    with pytest.raises(Unusable, match=line) as raised:
        build(export=lambda self: answer).export()
    assert "\n" not in str(raised.value)


def fails(self: Any, *_: Any) -> Any:
    return 1 / 0


def test_an_exception_is_the_candidates_own_with_its_traceback(build, material) -> None:
    with pytest.raises(CandidateError, match=r"backprop raised ZeroDivisionError") as raised:
        build(backprop=fails).backprop(*material.mini_batch(0))
    assert "return 1 / 0" in raised.value.trace
    assert "_ask" not in raised.value.trace  # its own frames, not ours


def raises(error: BaseException) -> Any:
    def method(self: Any, *_: Any) -> Any:
        raise error

    return method


@pytest.mark.parametrize(
    ("name", "error", "kind", "line"),
    [
        ("__init__", ValueError("784 only"), Unusable, r"take sizes \[12, 6, 4\]: 784 only"),
        ("__init__", TypeError("hm"), CandidateError, "the constructor raised TypeError: hm"),
        ("export", ValueError("hm"), CandidateError, "export raised ValueError: hm"),
        ("export", SystemExit(0), CandidateError, "export raised SystemExit: 0"),
        ("export", KeyboardInterrupt(), CandidateError, "export raised KeyboardInterrupt"),
    ],
)
def test_whatever_it_raises_is_its_own(build, name, error, kind, line) -> None:
    with pytest.raises(kind, match=line):
        build(**{name: raises(error)}).export()


def keeps(self: Any, sizes: Any, weights: Any, biases: Any) -> None:
    self.weights, self.biases = weights, biases


def copies(self: Any) -> Any:
    return [w.copy() for w in self.weights], [b.copy() for b in self.biases]


def test_keeping_or_handing_back_what_was_lent_is_refused(build, correct, material) -> None:
    x = material.mini_batch(0)[0]
    with pytest.raises(Refused, match="is memory that the candidate was handed") as refused:
        build(__init__=keeps).export()
    assert refused.value.mistake == "shared memory"
    trial = build(__init__=keeps, export=copies)
    trial.export()
    with pytest.raises(Refused, match=r"nan.* keeps an array that it was handed") as refused:
        trial.export()
    assert refused.value.mistake == "shared memory"
    view = build(trace=lambda self, x: (correct.trace(self, x)[0], [x, x[:6], x[6:10]]))
    with pytest.raises(Refused, match=r"activations\[1\]\[?0?\]? is memory"):
        view.trace(x)


@pytest.mark.parametrize("which", [0, 1])
def test_changing_what_was_handed_in_is_refused(build, correct, material, which: int) -> None:
    def backprop(self: Any, *xy: Any) -> Any:
        found = correct.backprop(self, *xy)
        xy[which][0, 0] += 1e-12
        return found

    with pytest.raises(Refused, match=r"backprop changed an array of shape .* work on a copy") as e:
        build(backprop=backprop).backprop(*material.mini_batch(0))
    assert e.value.mistake == "inputs changed in place"


def test_a_framework_may_compute_later_than_it_is_called(build, correct, material) -> None:
    def update_mini_batch(self: Any, x: Any, y: Any, eta: float) -> None:
        self.todo = (x, y, eta)  # not copied: read when the answer is

    def export(self: Any) -> Any:
        if hasattr(self, "todo"):
            correct.update_mini_batch(self, *self.__dict__.pop("todo"))
        return self.weights, self.biases

    trial = build(update_mini_batch=update_mini_batch, export=export)
    trial.export()
    trial.update_mini_batch(*material.mini_batch(0), 3.0)
    weights, _ = trial.export()
    assert np.isfinite(weights[0]).all()
    assert (weights[0] != material.initial.weights[0]).any()


def test_a_precision_that_is_not_what_is_declared_is_refused(build, correct, material) -> None:
    def narrow(self: Any) -> Any:
        return [w.astype(np.float32) for w in self.weights], self.biases

    with pytest.raises(Refused, match=r"weights\[0\] is float32, and the candidate declares float"):
        build(export=narrow).export()
    with pytest.raises(Unusable, match="declares float32, and its parameters are no float32"):
        build(dtype="float32").export()
    with pytest.raises(Unusable, match=r"Changed.dtype: expected one of .*, received 'float16'"):
        build(dtype="float16")


def test_nan_is_refused_by_name_and_place(build, correct, material) -> None:
    def feedforward(self: Any, x: Any) -> Any:
        found = correct.trace(self, x)[1][-1]
        found[2, 1] = np.nan
        return found

    with pytest.raises(Refused, match=r"feedforward\[0\]\[2, 1\] is nan, which equals nothing"):
        build(feedforward=feedforward).feedforward(material.mini_batch(0)[0])


def test_what_is_missing_or_nearly_there_is_named(build, material) -> None:
    trial = build(updateMiniBatch=len, update_mini_batch=None, evaluate=lambda self, data: 3)
    assert not trial.offers("deltas")
    assert not trial.offers("evaluate")
    assert "evaluate (its evaluate takes (data): the protocol's" in trial.missing("evaluate")
    with pytest.raises(NotOffered, match=r"update_mini_batch .it has updateMiniBatch: rename it"):
        trial.update_mini_batch(*material.mini_batch(0), 3.0)
    with pytest.raises(NotOffered, match="trace"):
        build(trace=None).trace(material.mini_batch(0)[0])


def test_an_overflow_on_the_way_to_the_right_answer_is_no_error(build, material) -> None:
    def feedforward(self: Any, x: Any) -> Any:
        return 1 / (1 + np.exp(np.full((4, x.shape[1]), 1e4)))

    assert not build(feedforward=feedforward).feedforward(material.mini_batch(0)[0]).any()
