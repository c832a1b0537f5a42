"""Link predictions: every digit and every output activation, and the margins where they differ."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from compare import predictions
from compare.chain import run_link
from compare.difference import Link, Verdict
from compare.material import Material
from compare.predictions import digits, margins
from compare.standard import Expected
from compare.torch_twin import torch_candidate


def run(candidate: type, material: Material) -> Link:
    return run_link(predictions, candidate, material)


def test_the_twin_sees_the_same_digits(material: Material) -> None:
    link = run(torch_candidate(), material)
    assert link.verdict in (Verdict.IDENTICAL, Verdict.EQUAL)
    assert link.details["same_digit"] == link.details["images"] == 40
    assert link.details["correct"] == link.details["reference_correct"]
    assert "40 of 40 digits are the same, and no margin is so small" in link.sentence


def test_blocks_of_images_are_put_together_in_order(
    correct: type, material: Material, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(correct, material)
    monkeypatch.setattr(predictions, "BLOCK", 7)
    cut = run(correct, material)
    assert cut.details == whole.details
    assert cut.differences[0].entries == whole.differences[0].entries == 160


def test_a_wrong_output_is_caught_and_its_digit_listed(correct: type, material: Material) -> None:
    def trace(self: Any, x: Any) -> Any:
        zs, activations = correct.trace(self, x)  # type: ignore[attr-defined]
        activations[-1][:, 5] = activations[-1][::-1, 5]
        return zs, activations

    link = run(type("Wrong", (correct,), {"trace": trace}), material)
    assert link.verdict is Verdict.DIFFERENT
    [other] = link.details["other_digits"]
    assert other["image"] == 5
    assert other["label"] == material.test_labels[5]
    assert other["candidate"] == 3 - other["reference"]
    assert link.sentence.startswith("39 of 40 digits are the same; outputs[")


def test_where_rounding_may_choose_another_digit_is_no_difference() -> None:
    reference = np.array([[0.5, 0.9], [0.5 - 1e-16, 0.1]])
    outputs = np.array([[0.5 - 1e-16, 0.9], [0.5, 0.1]])
    found = digits(outputs, Expected("outputs", reference, 1e-15), np.array([0, 0]))
    assert (found["same_digit"], found["digits_that_rounding_could_change"]) == (1, 1)
    assert found["other_digits"][0]["margin"] == pytest.approx(1e-16, rel=0.2)


def test_margins_are_between_the_two_largest() -> None:
    assert margins(np.array([[0.1], [0.7], [0.4]])).tolist() == pytest.approx([0.3])
    assert margins(np.array([[0.1, 0.2]])).tolist() == [np.inf, np.inf]


def test_no_test_images_prove_nothing(correct: type, material: Material) -> None:
    none = replace(material, test_images=material.test_images[:0], test_labels=np.zeros(0, int))
    link = run(correct, none)
    assert link.verdict is Verdict.DIFFERENT
    assert link.sentence == "refused: there are no test images, which proves nothing"
