"""What a bound is said to catch is caught; the self-calibrating ratio tells right from wrong."""

import math

import numpy as np
import pytest

from compare.power import error_ratio, power
from compare.rounding import update_bounds

SIZES = (784, 20, 10)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def step(weights, biases, x, y, stored=np.float64, order=slice(None)):
    """Return nabla_w of the quadratic cost, every operation in one dtype, in an order of inputs."""
    weights, biases = [stored(w) for w in weights], [stored(b) for b in biases]
    x, y = stored(x), stored(y)
    hidden = sigmoid(weights[0][:, order] @ x[order] + biases[0])
    outputs = sigmoid(weights[1] @ hidden + biases[1])
    delta = (outputs - y) * outputs * (1 - outputs)
    below = (weights[1].T @ delta) * hidden * (1 - hidden)
    return [below @ x.T, delta @ hidden.T]


def narrow(v):
    """Keep 11 significant bits in a float32, as TF32 and float16 do."""
    mantissa, exponent = np.frexp(np.asarray(v, dtype=np.float64))
    return np.ldexp(np.rint(mantissa * 2**11), exponent - 11).astype(np.float32)


@pytest.fixture(scope="module")
def case():
    rng = np.random.default_rng(0)
    weights = [rng.standard_normal((o, i)).astype(np.float32) for i, o in ((784, 20), (20, 10))]
    biases = [rng.standard_normal((o, 1)).astype(np.float32) for o in SIZES[1:]]
    x = rng.integers(1, 256, (784, 10)) / 256 * (rng.random((784, 10)) < 0.2)
    return weights, biases, x, np.eye(10)


@pytest.fixture(scope="module")
def bounds(case):
    return update_bounds(*case, 3.0)


def caught(candidate, reference, bound):
    return bool((np.abs(candidate - reference) > bound).any())


def test_any_single_entry_wrong_by_more_than_the_power_is_caught(case, bounds):
    """1 % above is caught whatever rounding does, hence ten times as much all the more."""
    rng, reference = np.random.default_rng(1), step(*case)
    other = step(*case, order=slice(None, None, -1))
    for theirs, ours, bound in zip(reference, other, bounds.nabla_w, strict=True):
        scale = np.abs(theirs).max()
        assert not caught(ours, theirs, bound)
        for part in (1.01, -1.01, 10, -10):
            for _ in range(50):
                wrong = ours.copy()
                entry = tuple(rng.integers(wrong.shape))
                wrong[entry] += part * power(bound, theirs).entry * scale
                assert caught(wrong, theirs, bound)


def test_a_factor_on_the_whole_tensor_above_the_power_is_caught(case, bounds):
    reference = step(*case)
    for theirs, bound in zip(reference, bounds.nabla_w, strict=True):
        f = power(bound, theirs).factor
        assert f <= power(bound, theirs).entry
        assert caught(theirs * (1 + 1.01 * f), theirs, bound)
        assert caught(theirs * (1 - 1.01 * f), theirs, bound)


def test_a_mistake_far_below_the_power_passes(case, bounds):
    """Or the power would be understated: it is the bound that decides, not the check of it."""
    theirs, bound = step(*case)[0], bounds.nabla_w[0]
    entry = np.unravel_index(np.argmax(bound), bound.shape)
    wrong = theirs.copy()
    wrong[entry] += 0.4 * power(bound, theirs).entry * np.abs(theirs).max()
    assert not caught(wrong, theirs, bound)


def test_power_by_hand():
    found = power([[1e-3, 2e-3]], [[-4.0, 2.0]])
    assert found.entry == pytest.approx(2 * 2e-3 / 4)
    assert found.factor == pytest.approx(2 * 1e-3 / 4)


def test_no_relative_mistake_is_visible_in_zeros():
    assert power(np.ones(3), np.zeros(3)).entry == math.inf
    assert power(np.ones(3), np.zeros(3)).factor == math.inf


def test_correct_float32_has_a_ratio_near_1(case):
    exact, reference = step(*case), step(*case, stored=np.float32)
    rng = np.random.default_rng(2)
    for _ in range(50):
        ours = step(*case, stored=np.float32, order=rng.permutation(784))
        for a, b, c in zip(ours, reference, exact, strict=True):
            ratio = error_ratio(a, b, c)
            assert 1 / 4 < ratio.rms < 4
            assert 1 / 4 < ratio.largest < 4


def test_tf32_in_disguise_has_a_ratio_far_above_1(case):
    exact, reference = step(*case), step(*case, stored=np.float32)
    for a, b, c in zip(step(*case, stored=narrow), reference, exact, strict=True):
        assert error_ratio(a, b, c).rms > 50


def test_float64_in_disguise_has_a_ratio_below_1(case):
    exact, reference = step(*case), step(*case, stored=np.float32)
    ours = step(*case, order=slice(None, None, -1))
    for a, b, c in zip(ours, reference, exact, strict=True):
        assert error_ratio(a, b, c).rms < 0.8


def test_one_wrong_entry_stands_out_in_the_largest(case):
    exact, reference = step(*case), step(*case, stored=np.float32)
    wrong = reference[0].copy()
    wrong[3, np.argmax(np.abs(exact[0][3]))] *= 1.001
    assert error_ratio(wrong, reference[0], exact[0]).largest > 10


def test_a_reference_without_error_gives_a_finite_ratio():
    exact = np.ones(4)
    assert error_ratio(exact, exact, exact).rms == 1
    assert error_ratio(exact + 2.0**-24, exact, exact).largest == pytest.approx(2)
    assert error_ratio(exact + 2.0**-24, exact, exact).rms == pytest.approx(2)
    assert error_ratio(np.zeros(4), np.zeros(4), np.zeros(4)).largest == 1
    assert error_ratio(np.full(4, 1e-30), np.zeros(4), np.zeros(4)).largest == math.inf
    assert math.isnan(error_ratio(np.full(4, np.nan), exact, exact).largest)
    assert error_ratio(np.full(4, np.inf), exact, exact).rms == math.inf


def test_huge_and_tiny_errors_neither_overflow_nor_vanish():
    exact = np.zeros(4)
    assert error_ratio(np.full(4, 2e300), np.full(4, 1e300), exact).rms == pytest.approx(2)
    assert error_ratio(np.full(4, 2e-300), np.full(4, 1e-300), exact).rms == pytest.approx(2)


def test_shapes_are_compared_before_values():
    with pytest.raises(ValueError, match="one shape") as refused:
        power(np.ones((2, 1)), np.ones(2))
    assert str(refused.value) == (
        "expected arrays of one shape, received bound (2, 1), values (2,)"
    )
    with pytest.raises(ValueError, match="one shape"):
        error_ratio(np.ones((10, 1)), np.ones(10), np.ones((10, 1)))


def test_a_comparison_of_nothing_is_refused():
    with pytest.raises(ValueError, match=r"^expected at least one entry, received bound \(0,\)"):
        power(np.ones(0), np.ones(0))
