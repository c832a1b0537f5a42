"""The proof of the reference, and that each of its three witnesses can say no."""

import numpy as np
import pytest

from compare.difference import Verdict
from compare.reference_proof import (
    Complex128,
    by_complex_step,
    by_digits,
    by_directions,
    by_hand,
    comparisons,
    complex_step,
    handful,
    large_case,
    prove_reference,
    small_cases,
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
        largest = np.argmax(np.abs(nabla_w[0]))
        nabla_w[0].flat[largest] *= 1 + 1e-6
        return nabla_b, nabla_w


class LastExampleOnly(Network):
    """nabla_b forgets the sum over the mini-batch."""

    def backprop(self, x, y):
        _, nabla_w = super().backprop(x, y)
        return [d[:, -1:] for d in self.deltas(x, y)], nabla_w


class SumForMean(Network):
    """The step is not divided by the size of the mini-batch."""

    def update_mini_batch(self, mini_batch, eta):
        super().update_mini_batch(mini_batch, eta * mini_batch[0].shape[1])


class RealCost(Network):
    """A cast drops the imaginary part of the cost."""

    def cost(self, x, y):
        return float(np.real(super().cost(x, y)))


class Careless(Network):
    """Activations that are off by 1e-12, forward and therefore in the cost as well."""

    def trace(self, x):
        zs, activations = super().trace(x)
        return zs, [x, *(a + 1e-12 for a in activations[1:])]


def test_reference_is_proved_by_all_three_witnesses():
    link = prove_reference()
    assert link.name == "reference"
    assert link.verdict is Verdict.EQUAL
    assert {d.case.rsplit(", ", 1)[1] for d in link.differences} == {
        "by hand",
        "complex step",
        "50 digits",
    }
    assert link.worst.share < 0.5
    assert link.power < 1e-6
    assert link.sentence.startswith("its gradient is that of its own cost by complex step")


def test_every_weight_and_bias_of_small_nets_is_compared_with_the_complex_step():
    for case in CASES:
        compared = [d for d in by_complex_step(Network, case) if d.tensor.startswith("nabla")]
        parameters = sum(v.size for v in [*case.weights, *case.biases])
        assert sum(d.entries for d in compared) == parameters


def test_network_worked_by_hand_comes_out_exactly():
    found = list(by_hand())
    assert {d.verdict for d in found} == {Verdict.IDENTICAL}
    assert {d.allowed for d in found} == {0.0}


def test_backprop_of_single_examples_gives_the_deltas_of_the_complex_step():
    tensors = [d.tensor for d in by_complex_step(Network, CASES[0])]
    assert [t for t in tensors if t.startswith("deltas")] == ["deltas[0]", "deltas[1]"]


def test_complex_step_and_fifty_digits_agree_with_each_other():
    # Two witnesses that share nothing but the parameters: neither leans on backpropagation.
    case = CASES[-1]
    step_b, _ = complex_step(Network, case)
    digits = {d.tensor: d for d in by_digits(Network, case)}
    for layer, step in enumerate(step_b):
        d = digits[f"nabla_b[{layer}]"]
        assert step[d.index[0], 0] == pytest.approx(d.reference, rel=1e-12, abs=1e-300)


def test_complex_step_and_fifty_digits_see_a_delta_that_is_off_by_one_part_in_a_billion():
    for case in CASES:
        if "saturated" not in case.name:
            assert outside(by_complex_step(SlightlyWrongDelta, case))
            assert outside(by_digits(SlightlyWrongDelta, case))


def test_directions_see_a_single_wrong_entry_among_15_910():
    assert not outside(by_directions(Network, large_case()))
    assert len(outside(by_directions(OneWrongEntry, large_case()))) == 4


def test_complex_step_sees_a_gradient_of_the_last_example_only():
    three = [case for case in CASES if "m = 3" in case.name and "saturated" not in case.name]
    for case in three:
        assert outside(by_complex_step(LastExampleOnly, case))


def test_cost_and_gradient_wrong_together_escape_the_complex_step_but_not_the_others():
    case = CASES[0]
    assert not outside(by_complex_step(TwiceTheCost, case))
    assert outside(by_digits(TwiceTheCost, case))
    assert "cost[0]" in outside(by_hand(TwiceTheCost))


def test_fifty_digits_see_a_wrong_activation():
    assert "activations[2]" in outside(by_digits(Careless, CASES[0]))
    assert "activations[2]" in outside(by_digits(TanhForward, CASES[0]))
    large = large_case()
    assert "activations[2]" in outside(by_digits(Careless, large, handful(large)))


def test_network_worked_by_hand_sees_the_sum_for_the_mean():
    found = outside(by_hand(SumForMean))
    assert found == ["new_weights[0]", "new_weights[1]", "new_biases[0]", "new_biases[1]"]


@pytest.mark.parametrize(
    "wrong", [TwiceTheCost, TanhForward, SlightlyWrongDelta, LastExampleOnly, SumForMean, Careless]
)
def test_link_is_different_for_a_wrong_reference(wrong):
    link = prove_reference(wrong)
    assert link.verdict is Verdict.DIFFERENT
    assert "the reference has" in link.sentence
    assert link.broken[0].place in link.sentence


def test_cast_that_drops_the_imaginary_part_is_named():
    with pytest.raises(TypeError) as caught:
        list(comparisons(RealCost))
    assert str(caught.value) == (
        "the cost of complex parameters is complex; received float: "
        "a cast in cost() or in the forward pass drops the imaginary part"
    )


def test_complex_arithmetic_keeps_imaginary_parts_as_small_as_the_step():
    z = np.array([0.3 + 1e-100j])
    a = Complex128().sigmoid(z)
    s = 1 / (1 + np.exp(-0.3))
    assert a.imag[0] / 1e-100 == pytest.approx(s * (1 - s), rel=1e-14)


def test_mpmath_precision_of_others_is_left_alone():
    mpmath = pytest.importorskip("mpmath")
    before = mpmath.mp.dps
    list(by_digits(Network, CASES[0]))
    assert mpmath.mp.dps == before
