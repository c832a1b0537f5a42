"""The proof of the reference, and that each of its three witnesses can say no."""

from __future__ import annotations

import decimal
from typing import Any

import numpy as np
import pytest

from compare.difference import Verdict
from compare.witnesses import by_complex_step, by_digits, by_hand, cases, witnesses
from reference.arithmetic import Float64
from reference.network import Network

SMALL, OTHER, *_, LARGE = CASES = list(cases())  # each with what it is differentiated by


def outside(differences):
    return [d.tensor for d in differences if d.verdict is Verdict.DIFFERENT]


# Networks that are wrong in one place each.


def wrong(**methods: Any) -> type[Network]:
    return type("Wrong", (Network,), methods)


def first_delta_larger(net, *given):
    first, *others = Network.deltas(net, *given)
    return [first * (1 + 1e-9), *others]


def one_entry_larger(net, x, y):
    nabla_b, nabla_w = Network.backprop(net, x, y)
    nabla_w[0].flat[np.argmax(np.abs(nabla_w[0]))] *= 1 + 1e-6
    return nabla_b, nabla_w


def right_gradient(net, x, y):
    return Network.from_parameters(net, Float64()).backprop(x, y)


# fmt: off
TWICE_THE_COST = wrong(  # cost and derivative agree with each other
    cost=lambda net, x, y: 2 * Network.cost(net, x, y),
    cost_derivative=lambda net, a, y: 2 * Network.cost_derivative(net, a, y))
TANH = wrong(trace=lambda net, x: (zs := Network.trace(net, x)[0], [x, *map(np.tanh, zs)]))
CARELESS = wrong(  # in the forward pass, and therefore in the cost as well
    trace=lambda net, x: (Network.trace(net, x)[0],
                          [x, *(a + 1e-12 for a in Network.trace(net, x)[1][1:])]))
SLIGHTLY_WRONG_DELTA = wrong(deltas=first_delta_larger)
DELTA_ALONE = wrong(deltas=first_delta_larger, backprop=right_gradient)
ONE_WRONG_ENTRY = wrong(backprop=one_entry_larger)
LAST_EXAMPLE_ONLY = wrong(
    backprop=lambda net, x, y: (
        [d[:, -1:] for d in net.deltas(x, y)], Network.backprop(net, x, y)[1]))
SUM_FOR_MEAN = wrong(
    update_mini_batch=lambda net, pair, eta: Network.update_mini_batch(
        net, pair, eta * pair[0].shape[1]))
# fmt: on


def test_the_reference_is_proved_by_all_three_witnesses(material, linked):
    link = linked("reference", Network, material)
    assert link.verdict is Verdict.EQUAL
    cases = {d.case.rsplit(", ", 1)[1] for d in witnesses()}
    assert cases == {"by hand", "complex step", "50 digits"}
    assert link.worst.share < 0.75  # half a bound, and the step's own
    assert link.power < 1e-6
    assert link.sentence.startswith("its gradient is that of its own cost by complex step")


def test_every_weight_and_bias_of_small_nets_is_compared():
    for case, entries in CASES[:-1]:
        parameters = sum(v.size for v in [*case.weights, *case.biases])
        found = by_digits(Network, case, entries)
        assert sum(d.entries for d in found if d.tensor.startswith("nabla")) == parameters


def test_a_network_worked_by_hand_comes_out_exactly():
    found = list(by_hand(Network))
    assert {(d.verdict, d.allowed) for d in found} == {(Verdict.IDENTICAL, 0.0)}
    assert len(found) == 13


# fmt: off
CAUGHT: list[tuple[type, Any, list[str]]] = [
    (TWICE_THE_COST, by_hand, ["cost[0]"]),
    (TWICE_THE_COST, lambda n: by_digits(n, *SMALL), ["nabla_b[0]"]),
    (TANH, lambda n: by_digits(n, *SMALL), ["activations[2]"]),
    (CARELESS, lambda n: by_digits(n, *SMALL), ["activations[2]"]),
    (CARELESS, lambda n: by_digits(n, *LARGE), ["activations[2]"]),
    (SLIGHTLY_WRONG_DELTA, lambda n: by_complex_step(n, SMALL[0]), ["gradient along direction 0"]),
    (SLIGHTLY_WRONG_DELTA, lambda n: by_digits(n, *SMALL), ["nabla_w[0]"]),
    (DELTA_ALONE, lambda n: by_digits(n, *SMALL), ["deltas[0]"]),
    (LAST_EXAMPLE_ONLY, lambda n: by_complex_step(n, OTHER[0]), ["gradient along direction 3"]),
    (ONE_WRONG_ENTRY, lambda n: by_complex_step(n, LARGE[0]), ["gradient along direction 3"]),
    (SUM_FOR_MEAN, by_hand, ["new_weights[0]", "new_biases[1]"]),
]
# fmt: on


@pytest.mark.parametrize(("network", "witness", "tensors"), CAUGHT)
def test_each_witness_sees_what_is_wrong_and_nothing_in_what_is_right(network, witness, tensors):
    assert not outside(witness(Network))
    assert set(tensors) <= set(outside(witness(network)))
    assert outside(witnesses(network))


def test_a_cast_that_drops_the_imaginary_part_is_named():
    real = wrong(cost=lambda net, x, y: float(np.real(Network.cost(net, x, y))))
    with pytest.raises(TypeError, match="cost of complex parameters is complex; received float"):
        list(witnesses(real))


def test_the_precision_of_decimal_numbers_is_left_as_it_was():
    before = decimal.getcontext().prec
    for _ in by_digits(Network, *SMALL):
        assert decimal.getcontext().prec == before
