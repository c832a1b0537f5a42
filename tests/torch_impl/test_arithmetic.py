"""The arithmetics in PyTorch: number formats, rounding, the sigmoid, and what autograd sees."""

import math
import re
import warnings

import numpy as np
import pytest
import torch

from torch_impl import arithmetic
from torch_impl.arithmetic import (
    EXACT_BITS,
    SIGMOID_ERROR,
    TAYLOR_COEFFICIENTS,
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

mpmath = pytest.importorskip("mpmath")

MNIST = (784, 20, 10)
SIZES = [MNIST, (784, 10), (784, 30, 10), (784, 20, 16, 10), (1, 1), (2, 1), (3, 1, 1), (7, 100, 3)]
LIMIT = 2**53  # every integer up to it is a float64


def drawn_z(number: int = 2_000_000, seed: int = 0) -> torch.Tensor:
    """Weighted inputs near 0, over the range that counts, and far out."""
    rng = np.random.default_rng(seed)
    near, middle = rng.standard_normal(number // 4), rng.uniform(-20, 20, number // 2)
    return torch.tensor(np.concatenate([near, middle, rng.uniform(-45, 45, number // 4)]))


def near_ties(bits: int, ks: np.ndarray, seed: int = 0) -> torch.Tensor:
    """z whose sigmoid lies within some 2**-49 of half-way between k and k + 1 grid units."""
    a = (ks + 0.5) * 2.0**-bits
    offsets = np.random.default_rng(seed).uniform(-4, 4, len(ks)) * 2.0**-50 / (a * (1 - a))
    return torch.tensor(np.log(a) - np.log1p(-a) + offsets)


def exactly_rounded(z: torch.Tensor, scale: float) -> torch.Tensor:
    return torch.round(exact_sigmoid(z) * scale) / scale


# --- Number formats -----------------------------------------------------------------------------


def test_the_formats_of_784_20_10_are_21_21_and_22_bits():
    assert EXACT_BITS == 53
    assert parameter_bits(MNIST) == 21  # of weights, biases and activations
    assert [delta_bits(MNIST, 21, m) for m in (1, 10, 1000)] == [22, 22, 22]
    fixed = FixedPoint(MNIST)
    assert (fixed.parameter_scale, fixed.delta_scale(10)) == (2.0**21, 2.0**22)


def exact_parameters(sizes: tuple[int, ...], f: int) -> bool:
    """Whether every z fits: (n_in + 1) products of less than 2**6 and at most 1, in grid units."""
    first = (sizes[0] + 1) * 2**6 * 2 ** (f + 8) <= LIMIT  # pixels are multiples of 2**-8
    return first and all((n + 1) * 2**6 * 2 ** (2 * f) <= LIMIT for n in sizes[1:-1])


def exact_deltas(sizes: tuple[int, ...], f: int, f_d: int, m: int) -> bool:
    """Whether every delta @ w and every sum of delta * a over the mini-batch fits."""
    back = all(n * 2**6 * 2 ** (f + f_d) <= LIMIT for n in sizes[2:])
    return back and m * 2 ** (f_d + f) <= LIMIT and m * 2 ** (f_d + 8) <= LIMIT


@pytest.mark.parametrize("sizes", SIZES)
def test_the_formats_are_the_finest_whose_largest_sums_are_exact(sizes):
    f = parameter_bits(sizes)
    assert f == max(k for k in range(60) if exact_parameters(sizes, k))
    for m in (1, 3, 10, 16, 100):
        expected = max(k for k in range(60) if exact_deltas(sizes, f, k, m))
        assert delta_bits(sizes, f, m) == expected


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
        FixedPoint((2, 1)).round_delta(torch.zeros((17, 1)))
    FixedPoint((2, 1)).round_delta(torch.zeros((16, 1), dtype=torch.float64))  # the last


# --- Rounding -----------------------------------------------------------------------------------


def test_rounding_is_to_the_nearest_and_half_to_even():
    v = torch.tensor([0.5, 1.5, 2.5, -0.5, -1.5, 0.49, 0.51, -2.75], dtype=torch.float64) / 8
    assert (on_grid(v, 8.0) * 8).tolist() == [0, 2, 2, -0.0, -2, 0, 1, -3]


def test_steps_are_rounded_after_the_product():
    fixed = FixedPoint((784, 20, 10))
    nablas = [torch.tensor([[3.0, -0.7]]).double(), torch.tensor([[1 / 3]]).double()]
    expected = [torch.round(0.3 * v * 2**21) / 2**21 for v in nablas]
    parameters = [torch.zeros_like(v) for v in nablas]
    fixed.descend(parameters, nablas, -0.3)
    for v, want in zip(parameters, expected, strict=True):
        assert torch.equal(v, want)


def test_floating_point_rounds_nothing():
    for net in (Float64(), Float32()):
        assert net.for_network(MNIST) is net
        delta = torch.tensor([[1 / 3, 5.0]], dtype=net.dtype)
        assert net.round_delta(delta) is delta
        assert net.parameters(np.array([1 / 3])).dtype == net.dtype
        v = torch.tensor([3 * 2.0**100])
        net.descend([v], [torch.tensor([2.0**100])], 3.0)
        assert v.item() == 0
        net.check()


def test_a_rate_beyond_the_range_of_float32_is_infinite():
    v = torch.ones(1)
    Float32().descend([v], [torch.ones(1)], 1e300)
    assert v.item() == -math.inf


@pytest.mark.parametrize("kind", [Float64, Float32, FixedPoint])
@pytest.mark.parametrize("make", [np.array, torch.tensor])
def test_parameters_are_a_fresh_tensor(kind, make):
    v = make([[0.5, 0.25]], dtype=kind.dtype if make is torch.tensor else None)
    kept = kind().for_network(MNIST).parameters(v)
    v[0, 0] = 7.0
    assert kept.tolist() == [[0.5, 0.25]]


def test_read_only_arrays_are_copied_without_a_warning():
    v = np.array([[0.5, 0.25]])
    v.flags.writeable = False
    assert Float64().parameters(v).tolist() == [[0.5, 0.25]]


# --- The sigmoid --------------------------------------------------------------------------------


def test_exp_and_sigmoid_are_right_to_a_rounding_or_two():
    with mpmath.workdps(50):
        z = torch.linspace(-39.9, 39.9, 1501, dtype=torch.float64)
        for v, e, s in zip(z.tolist(), exp(z).tolist(), exact_sigmoid(z).tolist(), strict=True):
            true = mpmath.exp(v)
            assert abs(mpmath.mpf(e) / true - 1) < 1.5 * 2.0**-52
            assert abs(mpmath.mpf(s) * (1 + true) / true - 1) < 1.5 * 2.0**-52


def test_the_constants_are_those_of_ln_2_and_of_the_exponential_series():
    with mpmath.workdps(60):
        rest = mpmath.ln(2) - arithmetic.LN2_UPPER - arithmetic.LN2_LOWER
        assert abs(rest) < 2.0**-86
        assert float(1 / mpmath.ln(2)) == arithmetic.INVERSE_LN2
    assert arithmetic.LN2_UPPER * 2**32 % 1 == 0  # k * LN2_UPPER is exact for |k| < 2**21
    assert [v.item() for v in reversed(TAYLOR_COEFFICIENTS)] == [
        1 / math.factorial(j) for j in range(14)
    ]


def test_power_of_two_is_exact():
    k = np.arange(-1022.0, 1024.0)
    assert np.array_equal(power_of_two(torch.tensor(k)), np.ldexp(1.0, k.astype(int)))


def test_the_fast_sigmoid_errs_by_a_quarter_of_what_is_allowed_at_most():
    z = drawn_z()
    error = (torch.sigmoid(z) - exact_sigmoid(z)).abs()
    assert error.max() <= SIGMOID_ERROR / 4


def test_the_rounded_sigmoid_is_the_exact_one_rounded_for_millions_of_z():
    z = drawn_z(seed=1)
    for scale in (2.0**21, 2.0**12, 2.0**37):
        expected = exactly_rounded(z, scale)
        for block, want in zip(z.split(250), expected.split(250), strict=True):
            assert torch.equal(rounded_sigmoid(block, scale), want)


def test_the_rounded_sigmoid_is_the_exact_one_at_every_tie_of_the_grid():
    z = near_ties(21, np.arange(2**21))  # every one of them between 0 and 1
    assert torch.equal(rounded_sigmoid(z, 2.0**21), exactly_rounded(z, 2.0**21))


def test_the_rounded_sigmoid_is_the_exact_one_at_ties_taken_one_at_a_time():
    """With others beside it a tie would send them all to the exact sigmoid."""
    z = near_ties(21, np.random.default_rng(2).integers(0, 2**21, 20_000))
    received = torch.cat([rounded_sigmoid(v, 2.0**21) for v in z.split(1)])
    assert torch.equal(received, exactly_rounded(z, 2.0**21))


@pytest.mark.parametrize("kind", [Float64, Float32, FixedPoint])
def test_the_sigmoid_saturates_at_0_and_1_without_a_warning(kind):
    net = kind().for_network(MNIST)
    largest = torch.finfo(kind.dtype).max
    far = torch.tensor([40.0, 50.0, 710.0, 1e4, largest, math.inf], dtype=kind.dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert net.sigmoid(far).tolist() == [1.0] * 6
        low = net.sigmoid(-far)
        assert net.sigmoid(torch.zeros(1, dtype=kind.dtype)).item() == 0.5
    assert (low.abs() < 1e-15).all()
    assert low.dtype == kind.dtype


def test_the_exact_sigmoid_stands_still_beyond_40():
    far = torch.tensor([40.0, 41.0, 709.0, 1e308, math.inf], dtype=torch.float64)
    for bits in range(12, 39):  # on every grid there can be
        assert (rounded_sigmoid(far, 2.0**bits) == 1).all()
        assert (rounded_sigmoid(-far, 2.0**bits) == 0).all()
    assert (exact_sigmoid(far) == exact_sigmoid(far[:1])).all()
    assert (exact_sigmoid(-far) == exact_sigmoid(-far[:1])).all()


def test_the_functions_leave_their_argument_alone():
    z = drawn_z(400)
    kept = z.clone()
    for function in (exp, exact_sigmoid, power_of_two, lambda v: rounded_sigmoid(v, 2.0**21)):
        function(z)
        assert torch.equal(z, kept)


def test_autograd_sees_the_rounded_delta():
    """The gradient by z is round(g * (a * (1 - a))), noted for the check of magnitudes."""
    fixed = FixedPoint(MNIST)
    z = torch.tensor([[0.3, -2.0], [8.0, 50.0]], dtype=torch.float64, requires_grad=True)
    gradient = torch.tensor([[0.37, -1.0], [5.0, 9.0]], dtype=torch.float64)
    a = fixed.sigmoid(z)
    (received,) = torch.autograd.grad(a, z, gradient)
    expected = torch.round(gradient * (a * (1 - a)) * 2**22) / 2**22
    assert torch.equal(received, expected.detach())
    fixed.check()
    (_,) = torch.autograd.grad(fixed.sigmoid(z), z, 100 * gradient)
    with pytest.raises(OverflowError, match="the largest delta reached 10"):
        fixed.check()


# --- What is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Float64, Float32])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_inputs_that_are_no_finite_numbers_are_refused(kind, bad):
    with pytest.raises(ValueError, match=r"^inputs are finite numbers; received NaN or infinity$"):
        kind().check_inputs(torch.tensor([[0.0, bad]]))


@pytest.mark.parametrize(
    ("bad", "dtype"),
    [
        *((bad, torch.float64) for bad in (0.3, 1.5, -1.00390625, 2**-9, 1e308)),
        *((bad, torch.float64) for bad in (math.nan, math.inf)),
        (300.0, torch.float16),
        (2, torch.uint8),
        (-(2**63), torch.int64),
    ],
)
def test_inputs_off_the_grid_of_pixels_are_refused_without_a_warning(bad, dtype):
    x = torch.zeros((1500, 3), dtype=dtype)
    x[1400, 1] = bad  # not among the first thousand rows
    text = (
        "fixed-point inputs are multiples of 2**-8 between -1 and 1, such as byte / 256; received "
        f"{bad}: scale them, or use float64"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        FixedPoint().check_inputs(x)


def test_bytes_divided_by_256_are_inputs():
    x = torch.arange(257) / 256
    for dtype in (torch.float16, torch.float32, torch.float64):
        FixedPoint().check_inputs(x.to(dtype))
        FixedPoint().check_inputs(-x.to(dtype))
    FixedPoint().check_inputs(torch.tensor([0, 1], dtype=torch.uint8))
    FixedPoint().check_inputs(torch.tensor([False, True]))


def overflow(quantity: str, value: str, limit: int) -> str:
    return (
        f"fixed-point overflow: the largest {quantity} reached {value} in magnitude and must stay "
        f"below {limit}: use float64 arithmetic, or a smaller eta"
    )


def doubles(*values: float) -> torch.Tensor:
    return torch.tensor([values], dtype=torch.float64)


@pytest.mark.parametrize(("value", "said"), [(64.0, "64"), (-70.5, "70.5"), (math.inf, "inf")])
def test_a_weight_out_of_range_is_told_once(value, said):
    fixed = FixedPoint(MNIST)
    fixed.watch([doubles(1.0), doubles(0.0, value), doubles(2.0)])
    with pytest.raises(OverflowError) as error:
        fixed.check()
    assert str(error.value) == overflow("weight or bias", said, 64)
    fixed.check()  # the check begins anew
    with pytest.raises(OverflowError):
        fixed.parameters(doubles(value))


@pytest.mark.parametrize(("value", "said"), [(1.0, "1"), (-3.25, "3.25"), (-math.inf, "inf")])
def test_a_delta_out_of_range_is_told(value, said):
    fixed = FixedPoint(MNIST)
    fixed.round_delta(doubles(0.5, value))
    fixed.round_delta(doubles(0.25, 0.0))  # what comes later does not hide it
    with pytest.raises(OverflowError) as error:
        fixed.check()
    assert str(error.value) == overflow("delta", said, 1)


def test_magnitudes_just_inside_their_range_are_allowed():
    fixed = FixedPoint(MNIST)
    fixed.watch([doubles(64 - 2.0**-21, 2.0**-21 - 64)])
    fixed.round_delta(doubles(1 - 2.0**-22, 2.0**-22 - 1))
    fixed.check()


@pytest.mark.parametrize("later", [0.5, 63.0])
def test_a_nan_is_out_of_range_whatever_comes_before_and_after(later):
    fixed = FixedPoint(MNIST)
    fixed.watch([doubles(0.5), doubles(math.nan, 1.0), doubles(later)])
    fixed.watch([doubles(later)] * 3)
    with pytest.raises(OverflowError, match="weight or bias"):
        fixed.check()
    fixed.round_delta(doubles(math.nan, 0.5))
    fixed.round_delta(doubles(0.25, 0.5))
    with pytest.raises(OverflowError, match="delta"):
        fixed.check()


def test_of_two_overflows_the_weight_is_told_first():
    fixed = FixedPoint(MNIST)
    fixed.round_delta(doubles(2.0))
    fixed.watch([doubles(65.0)])
    with pytest.raises(OverflowError, match="the largest weight or bias reached 65"):
        fixed.check()
