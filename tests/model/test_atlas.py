"""The atlas is drawn of any study, and its marks are where the study says."""

import numpy as np
import pytest

from model import universality
from model.atlas import ARMS, atlas, draw_partitions
from model.canvas import house_style, new_figure
from model.universality import Study, causes, findings, in_words

SHOWN = np.full(10, 100)


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


def test_the_atlas_and_its_words_say_the_same(study):
    picture = atlas(study, "the small print")
    assert picture.png()
    words = " ".join(text.get_text() for text in picture.figure.texts)
    middle = f"{np.median(study.alike('rounding')):.2f}"
    assert f"rounding {middle}" in picture.caption
    assert middle in causes(study)
    assert "the small print" in words
    assert "{4 7 9} | rest in 1.00 (" in findings(study)[0]
    assert "6: " in findings(study)[4]
    assert "3: " in findings(study)[4]


def test_a_share_is_drawn_for_each_partition_the_most_frequent_first(study):
    with house_style():
        axes = new_figure(3, 3).add_axes((0.3, 0.1, 0.6, 0.8))
        draw_partitions(axes, study)
    labels = [label.get_text() for label in axes.get_yticklabels()]
    holding = study.holding()
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
    kept = study.kept("early")["1"]
    own = [
        (universality.partitions(np.array(n["fired"]), SHOWN) >= 0).sum()
        for n in study.networks("base")
    ]
    np.testing.assert_array_equal(kept, 1 / np.array(own))
