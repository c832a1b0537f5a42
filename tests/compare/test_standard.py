"""What a candidate is held against: tensors by name, and what each precision allows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from compare.difference import Verdict, measure
from compare.material import Material
from compare.standard import Standard, judged_in_float32

NEAR = measure("zs[0]", np.full(4, 1 + 1e-9), np.ones(4), 1e-8)


@pytest.mark.parametrize(
    ("share", "ratio", "verdict"),
    [
        (0.1, 1.0, Verdict.EQUAL),
        (0.99, 16.0, Verdict.EQUAL),
        (0.25, 3000.0, Verdict.EQUAL),  # the reference's good luck
        (0.9, 64.0, Verdict.DIFFERENT),
        (1.01, 1.0, Verdict.DIFFERENT),
    ],
)
def test_float32_is_judged_by_the_probabilistic_bound_and_the_ratio(
    share: float, ratio: float, verdict: Verdict
) -> None:
    found = judged_in_float32(replace(NEAR, probable_share=share, ratio=ratio))
    assert found.verdict is verdict
    assert ("in float32" in found.note) == (verdict is Verdict.DIFFERENT)


def test_what_the_worst_case_refuses_stays_different() -> None:
    far = measure("zs[0]", np.full(4, 2.0), np.ones(4), 1e-8)
    kept = judged_in_float32(replace(far, probable_share=0.1, ratio=1.0))
    assert kept.verdict is Verdict.DIFFERENT


def test_every_tensor_of_a_step_is_named_in_the_books_words(material: Material) -> None:
    x, y = material.mini_batch(0)
    standard = Standard(material.initial)
    assert list(standard.forward(x)) == [
        "zs[0]",
        "zs[1]",
        "activations[0]",
        "activations[1]",
        "activations[2]",
    ]
    names = [f"{name}[{k}]" for name in ("deltas", "nabla_b", "nabla_w") for k in (0, 1)]
    assert list(standard.gradients(x, y)) == names
    assert list(standard.update(x, y, 3.0)) == [
        "new_weights[0]",
        "new_weights[1]",
        "new_biases[0]",
        "new_biases[1]",
    ]


def test_asking_leaves_the_standard_as_it_was(material: Material) -> None:
    x, y = material.mini_batch(0)
    standard = Standard(material.initial)
    first = standard.update(x, y, 3.0)
    again = standard.update(x, y, 3.0)
    for name, one in first.items():
        assert (one.reference == again[name].reference).all()


def test_the_input_itself_must_be_the_same_to_the_last_bit(material: Material) -> None:
    x, _ = material.mini_batch(0)
    first = Standard(material.initial).forward(x)["activations[0]"]
    assert not np.any(first.allowed)
    assert (first.reference == x).all()


@pytest.mark.parametrize(
    ("dtype", "low", "high"), [("float64", 1e-17, 1e-12), ("float32", 1e-9, 1e-3)]
)
def test_what_is_allowed_follows_the_precision(
    dtype: str, low: float, high: float, material: Material
) -> None:
    material = material.for_dtype(dtype)
    expected = Standard(material.initial, dtype).forward(material.mini_batch(0)[0])
    for name in ("zs[0]", "activations[2]"):
        assert low < np.max(expected[name].allowed) < high
    assert (expected["zs[0]"].probable is None) == (dtype == "float64")
    assert (expected["zs[0]"].peer is None) == (dtype == "float64")


def test_fixed_point_allows_nothing(material: Material) -> None:
    material = material.for_dtype("fixed-point")
    standard = Standard(material.initial, "fixed-point")
    for expected in standard.update(*material.mini_batch(0), 3.0).values():
        assert expected.allowed == 0.0


def test_the_power_of_an_update_is_relative_to_its_step(material: Material) -> None:
    x, y = material.mini_batch(0)
    small, large = (
        Standard(material.initial).update(x, y, eta)["new_weights[0]"] for eta in (1e-3, 3.0)
    )
    powers = [e.measure(e.reference.copy(), "").power for e in (small, large)]
    assert powers[0] > 100 * powers[1]
