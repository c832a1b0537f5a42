"""The arithmetics of both twins: number formats, rounding, and the sigmoid."""

import math

import numpy as np
import pytest

from tests.twin import both, every, overflow, refusal

MNIST = (784, 20, 10)
SIGMOID_ERROR = 2.0**-49  # of the platform's own, at most


def drawn_z(number=1_000_000, seed=0):
    """Weighted inputs near 0, over the range that counts, and far out."""
    rng = np.random.default_rng(seed)
    near, middle = rng.standard_normal(number // 4), rng.uniform(-20, 20, number // 2)
    return np.concatenate([near, middle, rng.uniform(-45, 45, number // 4)])


def near_ties(bits, ks):
    """z whose sigmoid lies within some 2**-49 of half-way between k and k + 1 grid units."""
    a = (ks + 0.5) * 2.0**-bits
    offsets = np.random.default_rng(0).uniform(-4, 4, len(ks)) * 2.0**-50 / (a * (1 - a))
    return np.log(a) - np.log1p(-a) + offsets


def called(twin, function, z, *arguments):
    """A function of this twin on an array of NumPy's."""
    return twin.numpy(getattr(twin.arithmetic, function)(twin.array(z), *arguments))


def exactly_rounded(twin, z, scale):
    return np.rint(called(twin, "exact_sigmoid", z) * scale) / scale


# --- Rounding -----------------------------------------------------------------------------------


def stepped(twin, arithmetic, v, nabla, rate):
    """v after a step, by what the arithmetic returns."""
    steps = twin.kept(arithmetic, MNIST).steps([twin.array(nabla)], rate)
    [step], unit = steps if twin.rows else (steps, 1.0)
    return v - unit * twin.numpy(step)


@both
@pytest.mark.parametrize("arithmetic", ["Float64", "Float32"])
def test_floating_point_rounds_nothing(twin, arithmetic):
    kept, small = twin.kept(arithmetic), np.float32 if arithmetic == "Float32" else np.float64
    assert kept.for_network(MNIST) is kept
    delta = twin.array([[1 / 3, 5.0]])
    assert kept.round_delta(delta) is delta
    fresh = kept.parameters(delta)
    fresh[0, 0] = 7.0
    assert (fresh.dtype, delta[0, 0]) == (kept.dtype, 1 / 3)
    assert stepped(twin, arithmetic, 3 * 2.0**100, np.array([2.0**100], small), 3.0).item() == 0
    kept.watch([delta])
    kept.check()
    with np.errstate(over="ignore"):
        v = stepped(twin, arithmetic, np.ones(1), np.ones(1, small), 1e300)
    assert v.item() == (-math.inf if small is np.float32 else -1e300)


# --- The sigmoid --------------------------------------------------------------------------------


@both
def test_the_fast_sigmoid_errs_by_a_quarter_of_what_is_allowed_at_most(twin):
    z = drawn_z()
    fast = twin.numpy(twin.kept("Float64").sigmoid(twin.array(z)))
    assert np.abs(fast - called(twin, "exact_sigmoid", z)).max() <= SIGMOID_ERROR / 4
    name = "SIGMOID_ERROR" if twin.rows else "FAST_SIGMOID_ERROR"
    assert getattr(twin.arithmetic, name) == SIGMOID_ERROR


@both
def test_the_rounded_sigmoid_is_the_exact_one_rounded(twin):
    """In blocks, at every eighth tie of the grid, and at ties taken one at a time."""
    z, ties = drawn_z(200_000, seed=1), near_ties(21, np.arange(0, 2**21, 8))
    for scale in (2.0**21, 2.0**12, 2.0**37):
        expected = exactly_rounded(twin, z, scale)
        for block, want in zip(z.reshape(-1, 250), expected.reshape(-1, 250), strict=True):
            assert np.array_equal(called(twin, "rounded_sigmoid", block, scale), want)
    expected = exactly_rounded(twin, ties, 2.0**21)
    assert np.array_equal(called(twin, "rounded_sigmoid", ties, 2.0**21), expected)
    fast = twin.numpy(twin.kept("Float64").sigmoid(twin.array(ties)))
    assert (np.rint(fast * 2**21) / 2**21 != expected).any()  # it alone would be wrong there
    for k in range(0, len(ties), 64):  # others would hide a mistake
        assert called(twin, "rounded_sigmoid", ties[k : k + 1], 2.0**21)[0] == expected[k]


@both
@every
def test_the_sigmoid_saturates_at_0_and_1_without_a_warning(twin, arithmetic):
    kept, dtype = twin.kept(arithmetic, MNIST), np.float32 if arithmetic == "Float32" else float
    far = np.array([40.0, 50.0, 710.0, 1e4, float(np.finfo(dtype).max), np.inf], dtype)
    assert twin.numpy(kept.sigmoid(twin.array(far))).tolist() == [1.0] * 6
    low = twin.numpy(kept.sigmoid(twin.array(-far)))
    assert kept.sigmoid(twin.array(np.zeros(1, dtype))).tolist() == [0.5]
    assert (np.abs(low) < 1e-15).all()
    assert low.dtype == dtype
    for sign, end in ((1, 1), (-1, 0)):
        z = sign * far.astype(float)
        values = called(twin, "exact_sigmoid", z)
        assert (values == values[0]).all()
        for bits in range(12, 39):  # on every grid there can be
            assert (called(twin, "rounded_sigmoid", z, 2.0**bits) == end).all()


# --- What is refused ----------------------------------------------------------------------------


@both
def test_inputs_of_every_kind_are_looked_at_to_the_last(twin):
    """What is said of them, all that are refused: in test_refusals.py."""
    check = twin.kept("FixedPoint").check_inputs
    for kind in ("f2", "f4", "f8"):
        check(twin.array(np.arange(-256, 257).reshape(-1, 3) / 256, kind))
    check(twin.array([[0, 1]], "u1"))
    check(twin.array([[False, True]]))
    for bad, kind in ((300, "f2"), (2, "u1"), (-(2**63), "i8")):
        assert "multiples of 2**-8" in refusal(check, twin.array([[0, bad]], kind))
    x = np.zeros((1500, 3))
    x[1400, 1] = 0.3  # not among the first thousand rows
    assert refusal(check, twin.array(x)).endswith("received 0.3: scale them, or use float64")
    x[1400, 1] = 1e308  # their sum is infinite, and they are not
    x[1401, 1] = 1e308
    assert refusal(twin.kept("Float64").check_inputs, twin.array(x)) is None


# What comes one after the other, in units of what must not be reached; what is told.
TOLD = [
    ([[1.0]], 1),
    ([[0.5], [0.0, -1.25], [0.25]], 1.25),
    ([[-math.inf]], math.inf),
    ([[0.5], [math.nan, 0.25], [0.75]], math.nan),
    ([[1 - 2.0**-22, 2.0**-22 - 1]], None),
]


@both
@pytest.mark.parametrize(("values", "peak"), TOLD)
def test_a_magnitude_out_of_its_range_is_told_once(twin, values, peak):
    fixed = twin.kept("FixedPoint", MNIST)
    weights, deltas = ([twin.array([v]) * limit for v in values] for limit in (64, 1))
    fixed.watch(weights)
    fixed.watch([twin.array([[0.5]])] * len(values))  # what comes later does not hide it
    assert refusal(fixed.check) == (peak and overflow("weight or bias", f"{64 * peak:g}", 64))
    for delta in deltas:
        fixed.round_delta(delta)
    assert refusal(fixed.check) == (peak and overflow("delta", f"{peak:g}", 1))
    fixed.check()  # the check begins anew
    if peak:
        assert "weight or bias" in refusal(fixed.parameters, np.array([64 * peak]))
