"""The arithmetics in NumPy: number formats, rounding, the sigmoid that is the same everywhere."""

import decimal
import math
import re
import warnings

import numpy as np
import pytest

from reference import arithmetic
from reference.arithmetic import (
    FAST_SIGMOID_ERROR,
    TAYLOR,
    FixedPoint,
    Float32,
    Float64,
    ceil_log2,
    delta_bits,
    exact_sigmoid,
    exp,
    on_grid,
    parameter_bits,
    power_of_two,
    rounded_sigmoid,
)

MNIST = (784, 20, 10)
SIZES = [MNIST, (784, 10), (784, 30, 10), (784, 20, 16, 10), (1, 1), (2, 1), (3, 1, 1), (7, 100, 3)]
LIMIT = 2**53  # every integer up to it is a float64


def drawn_z(number: int = 2_000_000, seed: int = 0) -> np.ndarray:
    """Weighted inputs near 0, over the range that counts, and far out."""
    rng = np.random.default_rng(seed)
    near, middle = rng.standard_normal(number // 4), rng.uniform(-20, 20, number // 2)
    return np.concatenate([near, middle, rng.uniform(-45, 45, number // 4)])


def near_ties(bits: int, ks: np.ndarray, seed: int = 0) -> np.ndarray:
    """z whose sigmoid lies within some 2**-49 of half-way between k and k + 1 grid units."""
    a = (ks + 0.5) * 2.0**-bits
    offsets = np.random.default_rng(seed).uniform(-4, 4, len(ks)) * 2.0**-50 / (a * (1 - a))
    return np.log(a) - np.log1p(-a) + offsets


def precise(function: str, z: float) -> decimal.Decimal:
    """exp(z) or sigmoid(z) in 60 digits."""
    with decimal.localcontext(prec=60):
        e = decimal.Decimal(z).exp()
        return e if function == "exp" else e / (1 + e)


# --- Number formats -----------------------------------------------------------------------------


def test_the_formats_of_784_20_10_are_21_21_and_22_bits():
    assert parameter_bits(MNIST) == 21  # of weights, biases and activations
    assert [delta_bits(MNIST, 21, m) for m in (1, 10, 1000)] == [22, 22, 22]
    fixed = FixedPoint(MNIST)
    assert (fixed.parameter_scale, fixed.delta_scale(10)) == (2.0**21, 2.0**22)


def exact_parameters(sizes: tuple[int, ...], f: int) -> bool:
    """Whether every z fits: (n_in + 1) products of less than 2**6 and at most 1, in grid units."""
    first = (sizes[0] + 1) * 2**6 * 2 ** (f + 8) <= LIMIT  # pixels are multiples of 2**-8
    return first and all((n + 1) * 2**6 * 2 ** (2 * f) <= LIMIT for n in sizes[1:-1])


def exact_deltas(sizes: tuple[int, ...], f: int, f_d: int, m: int) -> bool:
    """Whether every w.T @ delta and every sum of delta * a over the mini-batch fits."""
    back = all(n * 2**6 * 2 ** (f + f_d) <= LIMIT for n in sizes[2:])
    return back and m * 2 ** (f_d + f) <= LIMIT and m * 2 ** (f_d + 8) <= LIMIT


@pytest.mark.parametrize("sizes", SIZES)
def test_the_formats_are_the_finest_whose_largest_sums_are_exact(sizes):
    f = parameter_bits(sizes)
    assert f == max(k for k in range(60) if exact_parameters(sizes, k))
    for m in (1, 3, 10, 16, 100):
        expected = max(k for k in range(60) if exact_deltas(sizes, f, k, m))
        assert delta_bits(sizes, f, m) == expected


@pytest.mark.parametrize("sizes", [(784, 20, 10), (784, 30, 12, 10), (63, 127, 4)])
@pytest.mark.parametrize("m", [1, 10, 16])
def test_the_largest_magnitudes_make_sums_that_are_exact(sizes, m):
    fixed = FixedPoint(sizes)
    w = 2.0**6 - 1 / fixed.parameter_scale  # the largest weight
    delta = 1.0 - 1 / fixed.delta_scale(m)  # and the largest delta
    units = [(sizes[0] * w + w) * fixed.parameter_scale * 2**8]
    units += [(n * w + w) * fixed.parameter_scale**2 for n in sizes[1:-1]]
    units += [n * w * delta * fixed.parameter_scale * fixed.delta_scale(m) for n in sizes[2:]]
    units += [m * delta * fixed.parameter_scale * fixed.delta_scale(m)]
    assert max(units) < LIMIT
    assert max(units) > LIMIT / 8  # not a bit or two wasted


def test_ceil_log2_is_the_smallest_sufficient_power():
    for n in range(1, 1030):
        assert 2 ** ceil_log2(n) >= n
        assert n == 1 or 2 ** (ceil_log2(n) - 1) < n


def test_networks_too_large_for_a_fine_grid_are_refused():
    text = (
        "sizes [784, 16777216, 10] are too large for fixed-point arithmetic: weights and "
        "activations would keep 11 fractional bits and need at least 12: use float64 arithmetic, "
        "or smaller layers or mini-batches"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        FixedPoint((784, 2**24, 10))
    text = (
        "sizes [2, 1] are too large for fixed-point arithmetic: deltas in mini-batches of 17 would "
        "keep 11 fractional bits and need at least 12: use float64 arithmetic, or smaller layers "
        "or mini-batches"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        FixedPoint((2, 1)).round_delta(np.zeros((1, 17)))
    FixedPoint((2, 1)).round_delta(np.zeros((1, 16)))  # the last that is not


# --- Rounding -----------------------------------------------------------------------------------


def test_rounding_is_to_the_nearest_and_half_to_even():
    v = np.array([0.5, 1.5, 2.5, -0.5, -1.5, 0.49, 0.51, -2.75]) / 8
    assert np.array_equal(on_grid(v.copy(), 8.0) * 8, [0, 2, 2, -0.0, -2, 0, 1, -3])


def test_steps_are_rounded_after_the_product():
    fixed = FixedPoint((784, 20, 10))
    nablas = [np.array([[3.0, -0.7]]), np.array([[1 / 3]])]
    expected = [np.rint(0.3 * v * 2**21) / 2**21 for v in nablas]
    parameters = [np.zeros_like(v) for v in nablas]
    fixed.descend(parameters, nablas, -0.3)
    for v, want in zip(parameters, expected, strict=True):
        assert np.array_equal(v, want)


def test_floating_point_rounds_nothing():
    for net in (Float64(), Float32()):
        assert net.for_network(MNIST) is net
        delta = np.array([[1 / 3, 5.0]], net.dtype)
        assert net.round_delta(delta) is delta
        assert net.parameters(np.array([1 / 3])).dtype == net.dtype
        v = np.array([3 * 2.0**100])
        net.descend([v], [np.array([2.0**100])], 3.0)
        assert v.item() == 0
        net.check()


def test_a_rate_beyond_the_range_of_float32_is_infinite():
    v = np.ones(1, np.float32)
    with np.errstate(over="ignore"):
        Float32().descend([v], [np.ones(1, np.float32)], 1e300)
    assert v.item() == -math.inf


@pytest.mark.parametrize("kind", [Float64, Float32, FixedPoint])
def test_parameters_are_a_fresh_array(kind):
    v = np.array([[0.5, 0.25]], dtype=kind.dtype)
    kept = kind().for_network(MNIST).parameters(v)
    assert not np.shares_memory(kept, v)
    assert np.array_equal(kept, v)


# --- The sigmoid --------------------------------------------------------------------------------


def test_exp_is_right_to_a_rounding():
    for z in [0.0, 1.0, -1.0, 0.5 * math.log(2), *np.linspace(-40, 40, 1501)]:
        error = abs(decimal.Decimal(float(exp(np.array([z]))[0])) / precise("exp", z) - 1)
        assert error < 1.5 * 2.0**-52


def test_the_exact_sigmoid_is_right_to_two_roundings():
    for z in np.concatenate([np.linspace(-39.9, 39.9, 1501), [1e-300, -1e-10, 0.0]]):
        error = abs(decimal.Decimal(float(exact_sigmoid(np.array([z]))[0])) - precise("", z))
        assert error < precise("", z) * decimal.Decimal(1.5 * 2.0**-52)


def test_the_constants_are_those_of_ln_2_and_of_the_exponential_series():
    with decimal.localcontext(prec=60):
        ln2 = decimal.Decimal(2).ln()
        rest = ln2 - decimal.Decimal(arithmetic.LN2_HI) - decimal.Decimal(arithmetic.LN2_LO)
        assert abs(rest) < decimal.Decimal(2.0**-86)
        assert float(1 / ln2) == arithmetic.LOG2_E
    assert arithmetic.LN2_HI * 2**32 % 1 == 0  # so that k * LN2_HI is exact for |k| < 2**21
    assert tuple(reversed(TAYLOR)) == tuple(1 / math.factorial(j) for j in range(14))


def test_power_of_two_is_exact():
    k = np.arange(-1022.0, 1024.0)
    assert np.array_equal(power_of_two(k), np.ldexp(1.0, k.astype(int)))


def test_the_fast_sigmoid_errs_by_a_quarter_of_what_is_allowed_at_most():
    z = drawn_z()
    error = np.abs(Float64().sigmoid(z) - exact_sigmoid(z))
    assert error.max() <= FAST_SIGMOID_ERROR / 4


def test_the_rounded_sigmoid_is_the_exact_one_rounded_for_millions_of_z():
    z = drawn_z(seed=1)
    for scale in (2.0**21, 2.0**12, 2.0**37):
        expected = np.rint(exact_sigmoid(z) * scale) / scale
        for block, want in zip(z.reshape(-1, 200), expected.reshape(-1, 200), strict=True):
            assert np.array_equal(rounded_sigmoid(block, scale), want)


def test_the_rounded_sigmoid_is_the_exact_one_at_every_tie_of_the_grid():
    z = near_ties(21, np.arange(2**21))  # every one of them between 0 and 1
    expected = np.rint(exact_sigmoid(z) * 2**21) / 2**21
    assert np.array_equal(rounded_sigmoid(z, 2.0**21), expected)


def test_the_rounded_sigmoid_is_the_exact_one_at_ties_taken_one_at_a_time():
    """With others beside it a tie would send them all to the exact sigmoid."""
    ks = np.random.default_rng(2).integers(0, 2**21, 20_000)
    z = near_ties(21, ks)
    expected = np.rint(exact_sigmoid(z) * 2**21) / 2**21
    received = [rounded_sigmoid(z[k : k + 1], 2.0**21)[0] for k in range(len(z))]
    assert np.array_equal(received, expected)


def test_ties_are_where_the_fast_sigmoid_alone_would_be_wrong():
    z = near_ties(21, np.arange(2**21))
    fast = np.rint(Float64().sigmoid(z) * 2**21)
    assert (fast != np.rint(exact_sigmoid(z) * 2**21)).any()


@pytest.mark.parametrize("kind", [Float64, Float32, FixedPoint])
def test_the_sigmoid_saturates_at_0_and_1_without_a_warning(kind):
    net = kind().for_network(MNIST)
    far = [40.0, 50.0, 710.0, 1e4, float(np.finfo(kind.dtype).max), np.inf]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(net.sigmoid(np.array(far, kind.dtype)), np.ones(6))
        low = net.sigmoid(-np.array(far, kind.dtype))
        assert net.sigmoid(np.zeros(1, kind.dtype))[0] == 0.5
    assert (np.abs(low) < 1e-15).all()
    assert low.dtype == kind.dtype


def test_the_exact_sigmoid_stands_still_beyond_40():
    far = np.array([40.0, 41.0, 709.0, 1e308, np.inf])
    assert (exact_sigmoid(far) == exact_sigmoid(np.array([40.0]))).all()
    assert (exact_sigmoid(-far) == exact_sigmoid(np.array([-40.0]))).all()
    for bits in range(12, 39):  # on every grid there can be
        assert (rounded_sigmoid(far, 2.0**bits) == 1).all()
        assert (rounded_sigmoid(-far, 2.0**bits) == 0).all()


def test_the_rounded_sigmoid_is_monotone():
    z = np.sort(drawn_z(200_000))
    assert (np.diff(rounded_sigmoid(z, 2.0**21)) >= 0).all()


# --- What is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Float64, Float32])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_inputs_that_are_no_finite_numbers_are_refused(kind, bad):
    with pytest.raises(ValueError, match=r"^inputs are finite numbers; received NaN or infinity$"):
        kind().check_inputs(np.array([[0.0, bad]]))


@pytest.mark.parametrize(
    ("bad", "dtype"),
    [
        *((bad, np.float64) for bad in (0.3, 1.5, -1.00390625, 2**-9, 1e308, np.nan, np.inf)),
        (300.0, np.float16),
        (2, np.uint8),
        (-(2**63), np.int64),
    ],
)
def test_inputs_off_the_grid_of_pixels_are_refused_without_a_warning(bad, dtype):
    x = np.zeros((1500, 3), dtype)
    x[1400, 1] = bad  # not among the first thousand rows
    text = (
        "fixed-point inputs are multiples of 2**-8 between -1 and 1, such as byte / 256; received "
        f"{x[1400, 1]}: scale them, or use float64"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        FixedPoint().check_inputs(x)


def test_bytes_divided_by_256_are_inputs():
    x = np.arange(257) / 256
    for dtype in (np.float16, np.float32, np.float64):
        FixedPoint().check_inputs(x.astype(dtype))
        FixedPoint().check_inputs(-x.astype(dtype))
    FixedPoint().check_inputs(np.array([0, 1], np.uint8))
    FixedPoint().check_inputs(np.array([False, True]))


def overflow(quantity: str, value: str, limit: int) -> str:
    return (
        f"fixed-point overflow: the largest {quantity} reached {value} in magnitude and must stay "
        f"below {limit}: use float64 arithmetic, or a smaller eta"
    )


@pytest.mark.parametrize(("value", "said"), [(64.0, "64"), (-70.5, "70.5"), (np.inf, "inf")])
def test_a_weight_out_of_range_is_told_once(value, said):
    fixed = FixedPoint(MNIST)
    fixed.watch([np.array([[1.0]]), np.array([[0.0, value]]), np.array([[2.0]])])
    with pytest.raises(OverflowError) as error:
        fixed.check()
    assert str(error.value) == overflow("weight or bias", said, 64)
    fixed.check()  # the check begins anew
    with pytest.raises(OverflowError):
        fixed.parameters(np.array([value]))


@pytest.mark.parametrize(("value", "said"), [(1.0, "1"), (-3.25, "3.25"), (-np.inf, "inf")])
def test_a_delta_out_of_range_is_told(value, said):
    fixed = FixedPoint(MNIST)
    fixed.round_delta(np.array([[0.5, value]]))
    fixed.round_delta(np.array([[0.25, 0.0]]))  # what comes later does not hide it
    with pytest.raises(OverflowError) as error:
        fixed.check()
    assert str(error.value) == overflow("delta", said, 1)


def test_magnitudes_just_inside_their_range_are_allowed():
    fixed = FixedPoint(MNIST)
    fixed.watch([np.array([64 - 2.0**-21, 2.0**-21 - 64])])
    fixed.round_delta(np.array([[1 - 2.0**-22, 2.0**-22 - 1]]))
    fixed.check()


@pytest.mark.parametrize("later", [0.5, 63.0])
def test_a_nan_is_out_of_range_whatever_comes_before_and_after(later):
    fixed = FixedPoint(MNIST)
    fixed.watch([np.array([0.5]), np.array([np.nan, 1.0]), np.array([later])])
    fixed.watch([np.array([later])])
    with pytest.raises(OverflowError, match="weight or bias"):
        fixed.check()
    fixed.round_delta(np.array([[np.nan, 0.5]]))
    fixed.round_delta(np.array([[0.25, 0.5]]))
    with pytest.raises(OverflowError, match="delta"):
        fixed.check()
