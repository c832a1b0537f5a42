"""Neurons are matched as well as can be; what a study says is what its networks are."""

import html
import itertools

import numpy as np
import pytest

from model import universality
from model.universality import Study, assignment, correlations, matched, partitions
from scripts.command_line import MODEL
from scripts.opened import SEEDS


def test_no_other_assignment_is_cheaper():
    rng = np.random.default_rng(0)
    for n in [1, 2, 3, 6] * 30:
        cost = rng.normal(size=(n, n)).round(1)  # with ties
        chosen = assignment(cost)
        assert sorted(chosen) == list(range(n))
        best = min(cost[np.arange(n), list(p)].sum() for p in itertools.permutations(range(n)))
        assert cost[np.arange(n), chosen].sum() == pytest.approx(best)


def test_a_shuffled_and_turned_layer_is_found_again():
    rng = np.random.default_rng(0)
    z, order, sign = rng.normal(size=(300, 20)), rng.permutation(20), rng.choice([-1, 1], 20)
    r = matched(correlations(z, (z * sign)[:, order] * 3 + 1))
    np.testing.assert_allclose(r, sign, atol=1e-12)
    expected = np.corrcoef(z[:, :3].T, z[:, 3:5].T)[:3, 3:]
    np.testing.assert_allclose(correlations(z[:, :3], z[:, 3:5]), expected)
    assert not correlations(z, np.ones((300, 1))).any()  # constant: 0, not NaN


def test_a_partition_in_halves_is_the_same_from_either_side():
    """Others, and how they are said: the shipped page."""
    fired = np.repeat([[90, 0], [0, 90]], 5, axis=1)
    assert partitions(fired, np.full(10, 100)).tolist() == [0b11111, 0b11111]


def test_the_shipped_page_says_what_the_study_holds():
    """Intervals and all; its picture: tests/test_shipped.py."""
    study = Study.load(SEEDS)
    page = html.unescape((MODEL.parent / "visuals" / "index.html").read_text())
    told = [universality.causes(study), *universality.findings(study)]
    assert [sentence for sentence in told if f"<li>{sentence}</li>" not in page] == []
