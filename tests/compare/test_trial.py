"""A candidate is asked under supervision: every way out is shut, and has been tried."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from compare.difference import Refused, Unusable
from compare.material import Material
from compare.trial import CandidateError, NotOffered, Trial


def build(correct: type, material: Material, **methods: Any) -> Trial:
    """Return a trial of the correct candidate with some methods replaced."""
    return Trial(type("Changed", (correct,), methods), material.initial)


def test_answers_are_copies_in_float64(correct: type, material: Material) -> None:
    trial = build(correct, material)
    weights, biases = trial.export()
    assert [w.shape for w in weights] == [(6, 12), (4, 6)]
    assert [b.shape for b in biases] == [(6, 1), (4, 1)]
    weights[0][:] = 7
    assert not (trial.export()[0][0] == 7).any()


def test_nested_lists_will_do(correct: type, material: Material) -> None:
    def export(self: Any) -> Any:
        return [w.tolist() for w in self.weights], [b.tolist() for b in self.biases]

    weights, _ = build(correct, material, export=export).export()
    assert (weights[0] == material.initial.weights[0]).all()


def test_sizes_that_are_not_supported_give_one_line(correct: type, material: Material) -> None:
    def __init__(self: Any, sizes: Any, weights: Any, biases: Any) -> None:
        raise ValueError("only 784-20-10, sorry")

    with pytest.raises(Unusable, match=r"does not take sizes \[12, 6, 4\]: only 784-20-10, sorry"):
        build(correct, material, __init__=__init__)


def test_an_exception_is_the_candidates_own_with_its_traceback(
    correct: type, material: Material
) -> None:
    def backprop(self: Any, x: Any, y: Any) -> Any:
        return 1 / 0

    with pytest.raises(CandidateError, match=r"backprop raised ZeroDivisionError") as raised:
        build(correct, material, backprop=backprop).backprop(*material.mini_batch(0))
    assert "return 1 / 0" in raised.value.trace
    assert "_ask" not in raised.value.trace  # its own frames, not ours


def test_an_exception_in_the_constructor_is_its_own_too(correct: type, material: Material) -> None:
    def __init__(self: Any, sizes: Any, weights: Any) -> None: ...

    with pytest.raises(CandidateError, match="the constructor raised TypeError"):
        build(correct, material, __init__=__init__)


def test_a_value_error_of_a_method_is_its_own(correct: type, material: Material) -> None:
    def export(self: Any) -> Any:
        raise ValueError("hm")

    with pytest.raises(CandidateError, match="export raised ValueError: hm"):
        build(correct, material, export=export).export()


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        (None, r"export: expected to return the pair \(weights, biases\), received NoneType"),
        ([1, 2, 3], r"export: expected to return the pair .* received list of 3"),
        ((np.ones((2, 6, 12)), []), r"weights: expected a list of 2 arrays, received ndarray"),
        (([], []), r"weights: expected 2 arrays, received 0"),
        (([np.ones((12, 6)), np.ones((4, 6))], []), r"weights\[0\]: expected shape \(6, 12\), rec"),
        (([np.ones((6, 12)), [[1], [1, 2]]], []), r"weights\[1\]: expected an array of numbers"),
        (([np.ones((6, 12), complex), 1], []), r"weights\[0\]: expected an array of real numbers"),
        (([np.full((6, 12), "a"), 1], []), r"weights\[0\]: expected an array of real numbers"),
    ],
)
def test_what_cannot_be_compared_gets_one_line(
    correct: type, material: Material, answer: Any, line: str
) -> None:
    trial = build(correct, material, export=lambda self: answer)
    with pytest.raises(Unusable, match=line) as raised:
        trial.export()
    assert "\n" not in str(raised.value)


def test_biases_without_a_second_axis_are_named(correct: type, material: Material) -> None:
    def export(self: Any) -> Any:
        return self.weights, [b[:, 0] for b in self.biases]

    with pytest.raises(Unusable, match=r"biases\[0\]: expected shape \(6, 1\), received \(6,\)"):
        build(correct, material, export=export).export()


def test_float32_in_place_of_float64_is_refused_by_name(correct: type, material: Material) -> None:
    def export(self: Any) -> Any:
        return [w.astype(np.float32) for w in self.weights], self.biases

    with pytest.raises(Refused, match=r"weights\[0\] is float32, and the candidate declares float"):
        build(correct, material, export=export).export()


def test_parameters_wider_than_declared_are_refused(correct: type, material: Material) -> None:
    with pytest.raises(Unusable, match="declares float32, and its parameters are no float32"):
        build(correct, material, dtype="float32").export()


def test_nan_is_refused_by_name_and_place(correct: type, material: Material) -> None:
    def feedforward(self: Any, x: Any) -> Any:
        found = correct.trace(self, x)[1][-1]  # type: ignore[attr-defined]
        found[2, 1] = np.nan
        return found

    trial = build(correct, material, trace=None, feedforward=feedforward)
    with pytest.raises(Refused, match=r"output activations\[2, 1\] is nan, which equals nothing"):
        trial.feedforward(material.mini_batch(0)[0])


def test_handing_back_what_was_handed_in_is_refused(correct: type, material: Material) -> None:
    def __init__(self: Any, sizes: Any, weights: Any, biases: Any) -> None:
        self.weights, self.biases = weights, biases

    with pytest.raises(Refused, match=r"weights\[0\] is memory that the candidate was handed"):
        build(correct, material, __init__=__init__).export()


def test_a_view_of_what_was_handed_in_is_refused(correct: type, material: Material) -> None:
    def trace(self: Any, x: Any) -> Any:
        return correct.trace(self, x)[0], [x, x[:6], x[6:10]]  # type: ignore[attr-defined]

    with pytest.raises(Refused, match=r"activations\[1\] is memory that the candidate was handed"):
        build(correct, material, trace=trace).trace(material.mini_batch(0)[0])


def test_keeping_what_was_lent_is_found_out(correct: type, material: Material) -> None:
    def __init__(self: Any, sizes: Any, weights: Any, biases: Any) -> None:
        self.weights, self.biases = weights, biases

    def export(self: Any) -> Any:
        return [w.copy() for w in self.weights], [b.copy() for b in self.biases]

    trial = build(correct, material, __init__=__init__, export=export)
    trial.export()
    with pytest.raises(Refused, match=r"weights\[0\]\[0, 0\] is nan.* keeps an array that it was"):
        trial.export()


def test_a_framework_may_compute_later_than_it_is_called(correct: type, material: Material) -> None:
    def update_mini_batch(self: Any, x: Any, y: Any, eta: float) -> None:
        self.todo = (x, y, eta)  # not copied: read when the answer is

    def export(self: Any) -> Any:
        if hasattr(self, "todo"):
            correct.update_mini_batch(self, *self.__dict__.pop("todo"))  # type: ignore[attr-defined]
        return self.weights, self.biases

    trial = build(correct, material, update_mini_batch=update_mini_batch, export=export)
    trial.export()
    trial.update_mini_batch(*material.mini_batch(0), 3.0)
    weights, _ = trial.export()
    assert np.isfinite(weights[0]).all()
    assert (weights[0] != material.initial.weights[0]).any()


@pytest.mark.parametrize("which", [0, 1])
def test_changing_what_was_handed_in_is_refused(
    correct: type, material: Material, which: int
) -> None:
    def backprop(self: Any, *xy: Any) -> Any:
        found = correct.backprop(self, *xy)  # type: ignore[attr-defined]
        xy[which][0, 0] += 1e-12
        return found

    with pytest.raises(Refused, match=r"backprop changed an array of shape .* work on a copy"):
        build(correct, material, backprop=backprop).backprop(*material.mini_batch(0))


def test_changing_the_weights_handed_in_is_refused(correct: type, material: Material) -> None:
    def __init__(self: Any, sizes: Any, weights: Any, biases: Any) -> None:
        correct.__init__(self, sizes, weights, biases)  # type: ignore[misc]
        weights[0] *= 2

    with pytest.raises(Refused, match="the constructor changed an array of shape"):
        build(correct, material, __init__=__init__)


def test_a_missing_method_is_not_offered(correct: type, material: Material) -> None:
    trial = build(correct, material)
    assert trial.offers("deltas") is None
    with pytest.raises(NotOffered, match="deltas"):
        trial.deltas(*material.mini_batch(0))
    with pytest.raises(NotOffered, match="trace"):
        build(correct, material, trace=None).trace(material.mini_batch(0)[0])


def test_an_overflow_on_the_way_to_the_right_answer_is_no_error(
    correct: type, material: Material
) -> None:
    def feedforward(self: Any, x: Any) -> Any:
        return 1 / (1 + np.exp(np.full((4, x.shape[1]), 1e4)))

    trial = build(correct, material, trace=None, feedforward=feedforward)
    assert not trial.feedforward(material.mini_batch(0)[0]).any()
