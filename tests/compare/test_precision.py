"""The constants of the standard model, and what is refused."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch

from compare.precision import (
    FAILURE,
    Precision,
    gamma,
    probabilistic_gamma,
    rules_for,
    unit_roundoff,
)


def test_the_unit_roundoff_is_half_the_spacing_above_1():
    for name in ("float64", "float32"):
        spacing = float(np.finfo(name).eps)
        for dtype in (name, np.dtype(name), np.dtype(name).type, getattr(torch, name)):
            assert unit_roundoff(dtype) == spacing / 2


@pytest.mark.parametrize("dtype", ["float16", "int64", None, np.complex128])
def test_other_formats_are_refused(dtype):
    with pytest.raises(ValueError, match=r"^dtype: expected float64 or float32, received "):
        unit_roundoff(dtype)


def test_a_format_finer_than_float64_is_refused():
    finer = Precision("extended", 2.0**-64, 0.0, 1e300)
    with pytest.raises(ValueError, match=r"^u: expected 2\*\*-53 or more, received 5.42e-20"):
        unit_roundoff(finer)


def test_gamma_bounds_every_product_of_n_roundings():
    for u in (2.0**-4, 2.0**-24, 2.0**-53):
        for n in (1, 2, 10):
            allowed = gamma(n, Fraction(u))  # exactly: the two are equal for n = 1
            assert (1 + Fraction(u)) ** n - 1 <= allowed
            assert (1 - Fraction(u)) ** -n - 1 <= allowed  # roundings that divide
            assert gamma(n, u) == pytest.approx(float(allowed), rel=1e-15)


def test_gamma_is_refused_where_no_digit_is_certain():
    with pytest.raises(ValueError, match="gamma_n") as refused:
        gamma(1024, 2.0**-10)
    assert str(refused.value) == (
        "gamma_n needs n u < 1: n = 1024 roundings with u = 0.000977 leave no certain digit; "
        "use a wider dtype or a smaller layer or mini-batch"
    )


def test_random_roundings_obey_the_probabilistic_gamma_as_often_as_stated():
    """lambda = 2 allows 27 % of exceptions by theorem; uniform roundings stay far below."""
    rng, u, lam, n = np.random.default_rng(0), 2.0**-24, 2.0, 784
    theta = np.expm1(np.log1p(rng.uniform(-u, u, (20_000, n))).sum(axis=1))
    outside = np.mean(np.abs(theta) > probabilistic_gamma(n, u, lam))
    assert outside <= 2 * math.exp(-(lam**2) * (1 - u) ** 2 / 2)
    signs = np.expm1(np.log1p(u * rng.choice([-1.0, 1.0], (20_000, n))).sum(axis=1))
    outside = np.mean(np.abs(signs) > probabilistic_gamma(n, u, lam))
    assert 0.01 < outside <= 2 * math.exp(-(lam**2) * (1 - u) ** 2 / 2)


def test_lambda_makes_a_whole_step_fail_as_seldom_as_stated():
    rules = rules_for("float32", "probabilistic", [784, 20, 10], 10)
    products = 3 * 3 * 10 * (20 * 785 + 10 * 21)
    assert products * 2 * math.exp(-(rules.lam**2) / 2) == pytest.approx(FAILURE, rel=1e-4)
    assert 7 < rules.lam < 9


def test_the_probabilistic_gamma_never_exceeds_the_certain_one():
    likely = rules_for("float32", "probabilistic", [784, 20, 10], 10)
    certain = rules_for("float32", "worst-case", [784, 20, 10], 10)
    for n in (1, 10, 50, 100, 785):
        assert likely.gamma(n) <= certain.gamma(n)
    assert likely.gamma(785) < 0.35 * certain.gamma(785)
    counts = np.array([[785, 1], [1, 3]])
    expected = [[certain.gamma(785), certain.gamma(1)], [certain.gamma(1), certain.gamma(3)]]
    np.testing.assert_array_equal(certain.gammas(counts), expected)


def test_another_model_is_refused():
    with pytest.raises(ValueError, match="model") as refused:
        rules_for("float32", "hopeful", [2, 1], 1)
    assert str(refused.value) == (
        "model: expected one of worst-case, probabilistic, received 'hopeful'"
    )
