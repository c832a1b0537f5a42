"""The proof of the reference, and that each of its three witnesses can say no."""

from __future__ import annotations

import decimal
from typing import Any

import numpy as np
import pytest

from compare.difference import Verdict
from compare.witnesses import (
    Complex128,
    by_complex_step,
    by_digits,
    by_directions,
    by_hand,
    every_entry,
    handful,
    large_case,
    small_cases,
    witnesses,
)
from reference.network import Network

CASES = list(small_cases())


def outside(differences):
    return [d.tensor for d in differences if d.verdict is Verdict.DIFFERENT]


# Networks that are wrong in one place each.


class TwiceTheCost(Network):
    """No 1/2, in the cost and in its derivative: the two agree with each other."""

    def cost(self, x, y):
        return 2 * super().cost(x, y)

    def cost_derivative(self, output_activations, y):
        return 2 * super().cost_derivative(output_activations, y)


class TanhForward(Network):
    """Another activation, before the same backpropagation."""

    def trace(self, x):
        zs, _ = super().trace(x)
        return zs, [x, *(np.tanh(z) for z in zs)]


class SlightlyWrongDelta(Network):
    """The first layer's delta is 1 + 1e-9 times what it should be."""

    def deltas(self, x, y, activations=None):
        first, *others = super().deltas(x, y, activations)
        return [first * (1 + 1e-9), *others]


class OneWrongEntry(Network):
    """A single entry of nabla_w[0] is off by a part in a million."""

    def backprop(self, x, y):
        nabla_b, nabla_w = super().backprop(x, y)
        nabla_w[0].flat[np.argmax(np.abs(nabla_w[0]))] *= 1 + 1e-6
        return nabla_b, nabla_w


class LastExampleOnly(Network):
    """nabla_b forgets the sum over the mini-batch."""

    def backprop(self, x, y):
        return [d[:, -1:] for d in self.deltas(x, y)], super().backprop(x, y)[1]


class SumForMean(Network):
    """The step is not divided by the size of the mini-batch."""

    def update_mini_batch(self, mini_batch, eta):
        super().update_mini_batch(mini_batch, eta * mini_batch[0].shape[1])


class Careless(Network):
    """Activations that are off by 1e-12, forward and therefore in the cost as well."""

    def trace(self, x):
        zs, activations = super().trace(x)
        return zs, [x, *(a + 1e-12 for a in activations[1:])]


class RealCost(Network):
    """A cast drops the imaginary part of the cost."""

    def cost(self, x, y):
        return float(np.real(super().cost(x, y)))


def test_the_reference_is_proved_by_all_three_witnesses(material, linked):
    link = linked("reference", Network, material)
    assert link.verdict is Verdict.EQUAL
    cases = {d.case.rsplit(", ", 1)[1] for d in witnesses()}
    assert cases == {"by hand", "complex step", "50 digits"}
    assert link.worst.share < 0.75  # half a bound, and the step's own
    assert link.power < 1e-6
    assert link.sentence.startswith("its gradient is that of its own cost by complex step")


def test_every_weight_and_bias_of_small_nets_is_compared():
    for case in CASES:
        parameters = sum(v.size for v in [*case.weights, *case.biases])
        for found in (by_complex_step(Network, case), by_digits(Network, case, every_entry(case))):
            assert sum(d.entries for d in found if d.tensor.startswith("nabla")) == parameters


def test_a_network_worked_by_hand_comes_out_exactly():
    found = list(by_hand(Network))
    assert {(d.verdict, d.allowed) for d in found} == {(Verdict.IDENTICAL, 0.0)}
    assert len(found) == 13


CAUGHT: list[tuple[type, Any, list[str]]] = [
    (TwiceTheCost, lambda n: by_digits(n, CASES[0], every_entry(CASES[0])), ["nabla_b[0]"]),
    (TwiceTheCost, by_hand, ["cost[0]"]),
    (TanhForward, lambda n: by_digits(n, CASES[0], []), ["activations[2]"]),
    (Careless, lambda n: by_digits(n, CASES[0], []), ["activations[2]"]),
    (Careless, lambda n: by_digits(n, large_case(), handful(large_case())), ["activations[2]"]),
    (SlightlyWrongDelta, lambda n: by_complex_step(n, CASES[0]), ["nabla_w[0]"]),
    (SlightlyWrongDelta, lambda n: by_digits(n, CASES[0], every_entry(CASES[0])), ["nabla_w[0]"]),
    (LastExampleOnly, lambda n: by_complex_step(n, CASES[1]), ["nabla_b[0]", "nabla_b[1]"]),
    (OneWrongEntry, lambda n: by_directions(n, large_case()), ["gradient along direction 3"]),
    (SumForMean, by_hand, ["new_weights[0]", "new_biases[1]"]),
]


@pytest.mark.parametrize(("wrong", "witness", "tensors"), CAUGHT)
def test_each_witness_sees_what_is_wrong_and_nothing_in_what_is_right(wrong, witness, tensors):
    assert not outside(witness(Network))
    assert set(tensors) <= set(outside(witness(wrong)))


def test_cost_and_gradient_wrong_together_escape_the_complex_step_alone():
    assert not outside(by_complex_step(TwiceTheCost, CASES[0]))


@pytest.mark.parametrize(
    "wrong", [TwiceTheCost, TanhForward, SlightlyWrongDelta, LastExampleOnly, SumForMean, Careless]
)
def test_a_wrong_reference_is_different(wrong):
    assert outside(witnesses(wrong))


def test_a_cast_that_drops_the_imaginary_part_is_named():
    with pytest.raises(
        TypeError, match="the cost of complex parameters is complex; received float"
    ):
        list(witnesses(RealCost))


def test_complex_arithmetic_keeps_imaginary_parts_as_small_as_the_step():
    s = 1 / (1 + np.exp(-0.3))
    a = Complex128().sigmoid(np.array([0.3 + 1e-100j]))
    assert a.imag[0] / 1e-100 == pytest.approx(s * (1 - s), rel=1e-14)


def test_the_precision_of_decimal_numbers_is_left_as_it_was():
    before = decimal.getcontext().prec
    for _ in by_digits(Network, CASES[0], every_entry(CASES[0])):
        assert decimal.getcontext().prec == before
