"""Every link from the initial weights to the update: proves what is right, catches its sabotage.

A sabotage is one method of the correct candidate replaced. Each is tried on the link that has to
catch it, and on those before it, which must not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from compare import forward, gradients, initial_weights, update
from compare.chain import run_link
from compare.difference import Link, Verdict
from compare.evidence import Evidence
from compare.material import Material, synthetic_material
from compare.reference_twin import reference_candidate
from compare.torch_twin import torch_candidate

LINKS = (initial_weights, forward, gradients, update)
OF_NAME = {module.NAME: module for module in LINKS}


def run(name: str, candidate: type, material: Material) -> Link:
    return run_link(OF_NAME[name], candidate, material)


@pytest.mark.parametrize("sizes", [(12, 6, 4), (2, 1), (9, 5, 4, 3), (784, 20, 10)], ids=str)
@pytest.mark.parametrize("dtype", ["float64", "float32", "fixed-point"])
@pytest.mark.parametrize("make", [torch_candidate, reference_candidate])
def test_both_twins_pass_every_link(
    make: Callable[[str], type], dtype: str, sizes: tuple[int, ...]
) -> None:
    material = synthetic_material(sizes).for_dtype(dtype)
    for module in LINKS:
        link = run_link(module, make(dtype), material)
        exact = make is reference_candidate or dtype == "fixed-point"
        allowed = (
            {Verdict.IDENTICAL}
            if exact and dtype != "float32"
            else {
                Verdict.IDENTICAL,
                Verdict.EQUAL,
            }
        )
        assert link.verdict in allowed, link.sentence
        assert link.power is not None
        assert link.power < 0.05


@pytest.mark.cuda
@pytest.mark.parametrize("dtype", ["float64", "float32", "fixed-point"])
def test_the_twin_on_cuda_passes_every_link(dtype: str) -> None:
    material = synthetic_material((784, 20, 10)).for_dtype(dtype)
    for module in LINKS:
        link = run_link(module, torch_candidate(dtype, "cuda"), material)
        assert link.verdict in (Verdict.IDENTICAL, Verdict.EQUAL), link.sentence


# One sabotage a line: the link that catches it, what it is called, and the methods it replaces.


def off_by_a_billionth(base: Any) -> dict[str, Any]:
    def __init__(self: Any, sizes: Any, weights: Any, biases: Any) -> None:
        base.__init__(self, sizes, weights, biases)
        self.weights[1][2, 3] += 1e-9

    return {"__init__": __init__}


def shared_by_all_networks(base: Any) -> dict[str, Any]:
    kept = SimpleNamespace()

    def __init__(self: Any, sizes: Any, weights: Any, biases: Any) -> None:
        kept.weights, kept.biases = [w.copy() for w in weights], [b.copy() for b in biases]

    return {
        "__init__": __init__,
        "weights": property(lambda self: kept.weights),
        "biases": property(lambda self: kept.biases),
    }


def sigmoid_of_half(base: Any) -> dict[str, Any]:
    def trace(self: Any, x: Any) -> Any:
        zs, activations = base.trace(self, x)
        return zs, [*activations[:-1], activations[-1] * (1 + 1e-13)]

    return {"trace": trace}


def all_zeros(base: Any) -> dict[str, Any]:
    def trace(self: Any, x: Any) -> Any:
        zs, activations = base.trace(self, x)
        return [0 * z for z in zs], activations

    return {"trace": trace}


def first_answer_kept(base: Any) -> dict[str, Any]:
    def trace(self: Any, x: Any) -> Any:
        kept = self.__dict__.setdefault("kept", {})
        return kept.setdefault(x.shape, base.trace(self, x.copy()))

    return {"trace": trace}


def answers_kept_by_input(base: Any) -> dict[str, Any]:
    kept: dict[bytes, Any] = {}

    def trace(self: Any, x: Any) -> Any:
        return kept.setdefault(x.tobytes(), base.trace(self, x.copy()))

    return {"trace": trace}


def forgets_the_second_question(base: Any) -> dict[str, Any]:
    def trace(self: Any, x: Any) -> Any:
        self.calls = getattr(self, "calls", 0) + 1
        zs, activations = base.trace(self, x)
        return zs, [a + (self.calls == 4) * 1e-9 * (a is not x) for a in activations]

    return {"trace": trace}


def one_weights_gradient(base: Any) -> dict[str, Any]:
    def backprop(self: Any, x: Any, y: Any) -> Any:
        nabla_b, nabla_w = base.backprop(self, x, y)
        nabla_w[0][5, 11] *= 1 + 1e-9
        return nabla_b, nabla_w

    return {"backprop": backprop, "update_mini_batch": own_update(base)}


def mean_gradient(base: Any) -> dict[str, Any]:
    def backprop(self: Any, x: Any, y: Any) -> Any:
        return [[n / x.shape[1] for n in nablas] for nablas in base.backprop(self, x, y)]

    return {"backprop": backprop, "update_mini_batch": own_update(base)}


def gradient_kept(base: Any) -> dict[str, Any]:
    def backprop(self: Any, x: Any, y: Any) -> Any:
        kept = self.__dict__.setdefault("kept", {})
        return kept.setdefault(x.shape, base.backprop(self, x, y))

    return {"backprop": backprop, "update_mini_batch": own_update(base)}


def gradient_added_up(base: Any) -> dict[str, Any]:
    def backprop(self: Any, x: Any, y: Any) -> Any:
        found = base.backprop(self, x, y)
        for part, before in zip(found, getattr(self, "before", ([0, 0], [0, 0])), strict=True):
            part[:] = [n + old for n, old in zip(part, before, strict=True)]
        self.before = found
        return found

    return {"backprop": backprop, "update_mini_batch": own_update(base)}


def no_gradient(base: Any) -> dict[str, Any]:
    def backprop(self: Any, x: Any, y: Any) -> Any:
        return [[0 * n for n in nablas] for nablas in base.backprop(self, x, y)]

    return {"backprop": backprop, "update_mini_batch": own_update(base)}


def wrong_deltas(base: Any) -> dict[str, Any]:
    def deltas(self: Any, x: Any, y: Any) -> Any:
        a = base.trace(self, x)[1]
        last = (a[2] - y) * a[2] * (1 - a[2])
        return [a[1] * (1 - a[1]), last]

    return {"deltas": deltas}


def ascent(base: Any) -> dict[str, Any]:
    def update_mini_batch(self: Any, x: Any, y: Any, eta: float) -> None:
        base.update_mini_batch(self, x, y, -eta)

    return {"update_mini_batch": update_mini_batch}


def eta_off_by_a_billionth(base: Any) -> dict[str, Any]:
    def update_mini_batch(self: Any, x: Any, y: Any, eta: float) -> None:
        base.update_mini_batch(self, x, y, eta * (1 + 1e-9))

    return {"update_mini_batch": update_mini_batch}


def momentum(base: Any) -> dict[str, Any]:
    def update_mini_batch(self: Any, x: Any, y: Any, eta: float) -> None:
        before = [w.copy() for w in self.weights]
        base.update_mini_batch(self, x, y, eta)
        pushes = getattr(self, "pushes", [0.0, 0.0])
        self.pushes = [
            w - b + 0.01 * p for w, b, p in zip(self.weights, before, pushes, strict=True)
        ]
        self.weights = [b + p for b, p in zip(before, self.pushes, strict=True)]

    return {"update_mini_batch": update_mini_batch}


def step_kept_by_mini_batch(base: Any) -> dict[str, Any]:
    def update_mini_batch(self: Any, x: Any, y: Any, eta: float) -> None:
        kept = self.__dict__.setdefault("kept", {})
        nablas = kept.setdefault(x.tobytes(), self.backprop(x, y))
        rate = eta / x.shape[1]
        self.biases = [b - rate * n for b, n in zip(self.biases, nablas[0], strict=True)]
        self.weights = [w - rate * n for w, n in zip(self.weights, nablas[1], strict=True)]

    return {"update_mini_batch": update_mini_batch}


def own_update(base: Any) -> Any:
    """Return an update that uses the correct gradient, whatever backprop returns."""

    def update_mini_batch(self: Any, x: Any, y: Any, eta: float) -> None:
        wrong, type(self).backprop = type(self).backprop, base.backprop
        base.update_mini_batch(self, x, y, eta)
        type(self).backprop = wrong

    return update_mini_batch


def feeds_forward_otherwise(base: Any) -> dict[str, Any]:
    return {"feedforward": lambda self, x: self.trace(x)[1][-1] * (1 + 1e-12)}


def wrong_with_33_examples(base: Any) -> dict[str, Any]:
    def backprop(self: Any, x: Any, y: Any) -> Any:
        nabla_b, nabla_w = base.backprop(self, x, y)
        return nabla_b, [n * (1 + 1e-9 * (x.shape[1] == 33)) for n in nabla_w]

    return {"backprop": backprop, "update_mini_batch": own_update(base)}


def wrong_where_z_is_0(base: Any) -> dict[str, Any]:
    def trace(self: Any, x: Any) -> Any:
        zs, activations = base.trace(self, x)
        fired = [np.where(z == 0, 0.0, a) for z, a in zip(zs, activations[1:], strict=True)]
        return zs, [x, *fired]

    return {"trace": trace}


def first_eta_kept(base: Any) -> dict[str, Any]:
    def update_mini_batch(self: Any, x: Any, y: Any, eta: float) -> None:
        self.eta = getattr(self, "eta", eta)
        base.update_mini_batch(self, x, y, self.eta)

    return {"update_mini_batch": update_mini_batch}


SABOTAGES = [
    ("initial weights", off_by_a_billionth, "1 of 24 entries of weights[1] differs from what was"),
    ("initial weights", shared_by_all_networks, "weights[0] changed though nothing was asked"),
    ("forward", sigmoid_of_half, "activations[2]"),
    ("forward", all_zeros, "all zeros"),
    ("forward", first_answer_kept, "trace of two different inputs gave the same answer"),
    ("forward", answers_kept_by_input, "trace of two networks with different parameters gave"),
    ("forward", forgets_the_second_question, "(initial, 2 examples)"),
    ("forward", feeds_forward_otherwise, "feedforward["),
    ("forward", wrong_where_z_is_0, "(zeros, one example)"),
    ("gradients", wrong_with_33_examples, "(initial, 33 examples)"),
    ("gradients", one_weights_gradient, "nabla_w[0][5, 11] is"),
    ("gradients", mean_gradient, "(initial, mini-batch of 10)"),
    ("gradients", gradient_kept, "backprop of two different inputs gave the same answer"),
    ("gradients", gradient_added_up, "(initial, mini-batch of 10)"),
    ("gradients", no_gradient, "all zeros"),
    ("gradients", wrong_deltas, "deltas[0]"),
    ("update", ascent, "(initial, one step, m = 10)"),
    ("update", eta_off_by_a_billionth, "new_weights"),
    ("update", first_eta_kept, "(initial, eta 0.5, m = 1)"),
    ("update", momentum, "(initial, eta 0.5, m = 1)"),
    ("update", step_kept_by_mini_batch, "(initial, eta 0.1, m = 10)"),
]


@pytest.mark.parametrize(
    ("caught_by", "sabotage", "words"), SABOTAGES, ids=[s[1].__name__ for s in SABOTAGES]
)
def test_each_link_catches_its_sabotage_and_no_link_before_it(
    caught_by: str, sabotage: Any, words: str, correct: type, material: Material
) -> None:
    candidate = type("Sabotaged", (correct,), sabotage(correct))
    for name in OF_NAME:
        link = run(name, candidate, material)
        if name == caught_by:
            break
        assert link.verdict in (Verdict.IDENTICAL, Verdict.EQUAL), (name, link.sentence)
    assert link.verdict is Verdict.DIFFERENT
    assert words in link.sentence
    assert "\n" not in link.sentence


def test_the_correct_candidate_passes_without_any_sabotage(
    correct: type, material: Material
) -> None:
    for name in OF_NAME:
        assert run(name, correct, material).verdict in (Verdict.IDENTICAL, Verdict.EQUAL)


@pytest.mark.parametrize(
    ("link", "scale"),
    [("forward", "zs[0]"), ("gradients", "nabla_w[0]"), ("update", "new_weights[0]")],
)
def test_a_mistake_of_the_stated_power_is_caught(
    link: str, scale: str, correct: type, material: Material
) -> None:
    """The power is a promise: one entry, changed by that much of the largest, in the best case."""
    measured = run(link, correct, material)
    best = min((d for d in measured.differences if d.tensor == scale), key=lambda d: d.power)
    module: Any = OF_NAME[link]
    evidence = Evidence()
    hold = evidence.hold

    def sabotaged(expected: Any, found: Any, case: str) -> Any:
        if case == best.case:
            e = expected[scale]
            values = e.reference if e.values is None else e.values
            found = {**found, scale: found[scale].copy()}
            found[scale][0, 0] += best.power * np.abs(values).max()
        return hold(expected, found, case)

    evidence.hold = sabotaged  # type: ignore[method-assign]
    module.gather(correct, material, evidence)
    broken = evidence.broken
    assert broken is not None
    assert (broken.tensor, broken.index, broken.case) == (scale, (0, 0), best.case)


def test_what_offers_feedforward_alone_is_held_to_its_outputs(
    correct: type, material: Material
) -> None:
    def feedforward(self: Any, x: Any) -> Any:
        return correct.trace(self, x)[1][-1]  # type: ignore[attr-defined]

    candidate = type("Outputs", (correct,), {"trace": None, "feedforward": feedforward})
    link = run("forward", candidate, material)
    assert link.verdict in (Verdict.IDENTICAL, Verdict.EQUAL)
    assert {d.tensor for d in link.differences} == {"activations[2]"}
    assert "trace not offered" in link.sentence


@pytest.mark.parametrize(
    ("name", "missing"), [("gradients", "backprop"), ("update", "update_mini_batch")]
)
def test_a_missing_method_is_not_offered(
    name: str, missing: str, correct: type, material: Material
) -> None:
    link = run(name, type("Less", (correct,), {missing: None}), material)
    assert (link.verdict, link.sentence) == (
        Verdict.NOT_OFFERED,
        f"the candidate has no method {missing}",
    )


def test_an_exception_keeps_what_was_found_before_it(correct: type, material: Material) -> None:
    def trace(self: Any, x: Any) -> Any:
        if self.weights[0].max() > 20:  # the saturated start
            raise RuntimeError("too large for me")
        return correct.trace(self, x)  # type: ignore[attr-defined]

    link = run("forward", type("Fails", (correct,), {"trace": trace}), material)
    assert link.verdict is Verdict.ERROR
    assert link.sentence == "the candidate's own error: trace raised RuntimeError: too large for me"
    assert "in trace" in link.trace
    assert {d.case.split(",")[0] for d in link.differences} == {"initial", "trained"}


def test_a_difference_found_before_an_exception_stays_one(
    correct: type, material: Material
) -> None:
    def trace(self: Any, x: Any) -> Any:
        zs, activations = correct.trace(self, x)  # type: ignore[attr-defined]
        if self.weights[0].max() > 20:  # the saturated start
            raise RuntimeError("too large for me")
        return [2 * z for z in zs], activations

    link = run("forward", type("Fails", (correct,), {"trace": trace}), material)
    assert link.verdict is Verdict.DIFFERENT
    assert link.sentence.startswith("zs[0][")
    assert link.sentence.endswith(
        "; then the candidate's own error: trace raised RuntimeError: too large for me"
    )


def test_float32_in_disguise_is_caught_where_bits_are_compared(
    correct: type, material: Material
) -> None:
    def __init__(self: Any, sizes: Any, weights: Any, biases: Any) -> None:
        self.weights = [np.array(w, np.float32) for w in weights]
        self.biases = [np.array(b, np.float32) for b in biases]

    def export(self: Any) -> Any:
        return [[v.astype(float) for v in part] for part in (self.weights, self.biases)]

    def trace(self: Any, x: Any) -> Any:
        return correct.trace(self, x.astype(np.float32))  # type: ignore[attr-defined]

    methods = {"__init__": __init__, "export": export, "trace": trace}
    candidate = type("Narrow", (correct,), methods)
    assert run("initial weights", candidate, material).verdict is Verdict.DIFFERENT
    in_float32 = replace(material.for_dtype("float32"), dtype="float64")
    assert run("initial weights", candidate, in_float32).verdict is Verdict.IDENTICAL
    assert "zs[0] is float32" in run("forward", candidate, in_float32).sentence


def test_tf32_is_caught_by_the_ratio_though_the_worst_case_allows_it() -> None:
    """TF32 keeps 11 bits of an operand's 24: within the worst case of 784 terms, and yet wrong."""
    base: Any = reference_candidate("float32")

    def trace(self: Any, x: Any) -> Any:
        self.net.weights = [rounded(w) for w in self.net.weights]
        return base.trace(self, rounded(np.asarray(x, np.float32)))

    material = synthetic_material((784, 20, 10)).for_dtype("float32")
    link = run("forward", type("TF32", (base,), {"trace": trace}), material)
    assert link.verdict is Verdict.DIFFERENT
    by_ratio = [d.ratio for d in link.broken if d.ratio is not None and d.outside == 0]
    assert by_ratio
    assert min(by_ratio) > 32
    assert "times the reference's in float32" in link.sentence


def rounded(v: np.ndarray) -> np.ndarray:
    """Return float32 numbers with the 11 significant bits that TF32 keeps."""
    bits = (v.view(np.uint32) + np.uint32(0x1000)) & np.uint32(0xFFFFE000)
    return bits.view(np.float32)
