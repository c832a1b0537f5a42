"""Neurons are matched as well as can be; what a study says and draws is what its networks are."""

import itertools

import numpy as np
import pytest

from model import universality
from model.atlas import ARMS, atlas
from model.universality import Study, assignment, correlations, in_words, matched, partitions

SHOWN = np.full(10, 100)


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


def test_a_partition_is_the_same_from_either_side():
    fired = np.zeros((5, 10), dtype=int)
    fired[0, [4, 7, 9]] = 95
    fired[1] = 100 - fired[0]
    fired[2, :5], fired[3, 5:] = 90, 90
    found = partitions(fired, SHOWN)
    assert found[0] == found[1] == 0b1010010000
    assert found[2] == found[3]
    assert found[4] == -1
    assert (in_words(found[0]), in_words(1)) == ("{4 7 9} | rest", "{0} | rest")


def test_an_interval_holds_the_mean_and_shrinks():
    values = np.random.default_rng(1).normal(size=(400, 1))
    mean, (low, high) = universality.interval(values)
    assert low < mean < high
    assert high - low == pytest.approx(2 * 1.96 / 20, rel=0.15)
    assert np.ptp(universality.interval(values[:40])[1]) > 2 * (high - low)


def network(arm, seed, hidden=6):
    rng = np.random.default_rng(seed)
    fired = np.where(rng.random((hidden, 10)) < 0.3, 95, 2)
    fired[0] = [5, 5, 5, 5, 90, 5, 5, 90, 5, 90]  # {4 7 9} in all of them
    held = [[int(row.argmax()), 0.05] for row in fired]
    steps = {step: {"kept": 1, "alike": 0.9, "correct": 5} for step in ("1", "0.5")}
    common = {"arm": arm, "seed": seed, "hidden": hidden, "fired": fired.tolist()}
    return {**common, "frozen": held, "deleted": held, "early": steps, "pruned": steps}


@pytest.fixture
def study():
    rng = np.random.default_rng(0)
    pairs = [{"seed": s, **{arm: rng.uniform(-1, 1, 6).tolist() for arm in ARMS}} for s in range(4)]
    networks = [network("base", s) for s in range(4)] + [network("width", 9, 3)]
    return Study({"shown": SHOWN.tolist(), "networks": networks, "pairs": pairs})


def test_the_atlas_and_its_words_say_the_same_the_most_frequent_partition_first(study):
    picture = atlas(study, "the small print")
    words = " ".join(text.get_text() for text in picture.figure.texts)
    middle = f"{np.median(study.alike('rounding')):.2f}"
    assert f"rounding {middle}" in picture.caption
    assert middle in universality.causes(study)
    assert "the small print" in words
    found = universality.findings(study)
    assert "{4 7 9} | rest in 1.00 (" in found[0]
    assert {"6: ", "3: "} <= {found[4][k : k + 3] for k in range(len(found[4]))}
    axes, holding = picture.figure.axes[1], study.holding()
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels[0] == "{4 7 9} | rest"
    assert labels == [in_words(p) for p in list(holding)[: len(labels)]]
    dots = [line.get_xdata()[0] for line in axes.lines if line.get_markersize() == 5]
    assert dots == [100 * has.mean() for has in list(holding.values())[: len(labels)]]


def test_most_needed_on_the_rarer_side_is_counted(study):
    for costly, on_it in study.rarer("frozen"):
        assert 0 < on_it <= costly <= 6
    for one in study.data["networks"]:
        one["frozen"] = [[digit, 0.009] for digit, _ in one["frozen"]]
    assert not study.rarer("frozen").any()
    own = [(partitions(np.array(n["fired"]), SHOWN) >= 0).sum() for n in study.networks("base")]
    np.testing.assert_array_equal(study.kept("early")["1"], 1 / np.array(own))
