"""Whatever rounding may do to z and to activations, the records stay in their room, and no further.

The adversaries here move every z and every activation by any part of what rounding allows, and
choose anew whatever that leaves undecided.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from model.records import NeuronRecords

from compare.difference import Verdict
from compare.figures import measured
from compare.material import Material, synthetic_material
from compare.record_bounds import (
    Reach,
    carried,
    margins_open,
    of_selectivity,
    open_places,
    reach,
    rooms,
    runner_up,
)
from model.neurons import neuron_records

SIZES = [(12, 6, 4), (9, 5, 4, 3), (30, 1, 2), (784, 20, 10)]


def seen(material: Material, near: Reach) -> dict[str, Any]:
    """What the centre itself would be seen to do."""
    rng = np.random.default_rng(1)
    digits, hidden = material.sizes[-1], material.sizes[1]
    examples = len(near.zs)
    return {
        "zs": near.zs,
        "activations": near.activations,
        "predictions": rng.integers(0, digits, examples),
        "ablated_predictions": rng.integers(0, digits, (hidden, examples)),
    }


def moved(base: dict[str, Any], near: Reach, digits: int, seed: int) -> dict[str, Any]:
    """The same as an adversary sees it, each value moved within half its bound, or all of it."""
    rng = np.random.default_rng(seed)

    def move(e: Any) -> Any:
        ends = rng.choice([-1.0, 1.0], e.shape) if seed % 2 else rng.uniform(-1, 1, e.shape)
        return ends * e * 0.4999  # the moved values are rounded too

    def chosen(values: Any, free: Any) -> Any:
        return np.where(free, rng.integers(0, digits, values.shape), values)

    return {
        "zs": base["zs"] + move(near.e_zs),
        "activations": np.clip(base["activations"] + move(near.e_activations), 0, 1),
        "predictions": chosen(base["predictions"], near.open_digits),
        "ablated_predictions": chosen(base["ablated_predictions"], near.open_held),
    }


def records_of(material: Material, values: dict[str, Any]) -> NeuronRecords:
    labels = material.test_labels[: len(values["zs"])]
    return neuron_records(material.trained, labels=labels, resamples=20, **values)


def widened(near: Reach, factor: float) -> Reach:
    """The same with larger bounds, and what they leave undecided."""
    return replace(
        near,
        e_zs=factor * near.e_zs,
        e_activations=factor * near.e_activations,
        open_digits=near.open_digits | (np.arange(len(near.zs)) % 7 == 0),
        open_held=near.open_held | (np.arange(len(near.zs)) % 5 == 0),
    )


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("factor", [1, 1e4], ids=["as they are", "10,000 times"])
def test_no_adversary_within_the_bounds_leaves_the_room(
    sizes: tuple[int, ...], factor: float
) -> None:
    material = synthetic_material(sizes, tests=60).for_dtype("float32")
    images = material.test_images
    near = widened(reach(material.trained, images, "float32"), factor)
    base = seen(material, near)
    for seed in range(6):
        one = records_of(material, moved(base, near, sizes[-1], seed))
        other = records_of(material, moved(base, near, sizes[-1], seed + 100))
        room = rooms(one, material.test_labels, near)
        # Each is within half a bound of the centre, so the two are within one of each other.
        outside = [d for d in measured(one, other, room, near, "") if d.outside]
        assert not outside, outside[0].in_words


def test_the_room_is_not_loose() -> None:
    material = synthetic_material((784, 20, 10)).for_dtype("float64")
    near = reach(material.trained, material.test_images, "float64")
    records = records_of(material, seen(material, near))
    values = seen(material, near)
    values["zs"] = values["zs"] + 1e-9
    shifted = records_of(material, values)
    room = rooms(records, material.test_labels, near)
    found = {d.tensor for d in measured(records, shifted, room, near, "") if d.outside}
    assert {"responds_to.z_mean", "responds_to.z_quantiles", "z_edges", "highest.zs"} <= found
    assert "highest.indices" not in found  # a shift of all changes no order
    assert "responds_to.fired" not in found


def test_in_float64_nothing_is_left_to_rounding() -> None:
    # Every pixel lit, so that no two images have the same z.
    material = synthetic_material((40, 8, 4), tests=100)
    images = np.random.default_rng(5).integers(1, 256, (100, 40)).astype(np.float32) / 256
    near = reach(material.trained, images, "float64")
    assert not near.open_firing.any()
    assert not near.open_digits.any()
    assert not near.open_held.any()
    for key in (near.zs, -near.zs, np.abs(near.zs)):
        assert not open_places(key, near, 8).any()


def a_reach(zs: list[float], e: float) -> Reach:
    z = np.array(zs)[:, None]
    bound = np.full(z.shape, e)
    none = np.zeros(len(z), dtype=bool)
    return Reach(z, 1 / (1 + np.exp(-z)), bound, bound / 4, none, none[None], bound[0])


def test_places_are_open_where_a_neighbour_is_within_twice_the_bound() -> None:
    near = a_reach([0.0, 1.0, 1.15, 3.0, 4.0], 0.1)
    assert open_places(near.zs, near, 4).tolist() == [[False, True, True, False]]
    # The fifth is the neighbour of the fourth, though it has no place itself.
    near = a_reach([0.0, 1.0, 2.0, 3.0, 3.1], 0.1)
    assert open_places(near.zs, near, 4).tolist() == [[False, False, False, True]]
    assert open_places(near.zs, near, 5).tolist() == [[False, False, False, True, True]]
    assert open_places(near.zs[:1], near, 1).tolist() == [[False]]


def test_a_digit_is_open_where_it_leads_by_no_more_than_both_bounds() -> None:
    outputs = np.array([[0.9, 0.9, 0.5], [0.1, 0.85, 0.5]])
    assert margins_open(outputs, np.full(outputs.shape, 0.03)).tolist() == [False, True, True]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("e", [0.0, 1e-6, 1e-2])
def test_what_hidden_activations_may_differ_by_is_carried_to_the_outputs(
    e: float, dtype: str
) -> None:
    material = synthetic_material((9, 5, 4, 3)).for_dtype(dtype)
    rng = np.random.default_rng(0)
    a = rng.uniform(0, 1, (5, 200))
    outputs, bound = carried(material.trained, a, np.full(a.shape, e), dtype)
    largest = 0.0
    for _ in range(5):
        other = np.clip(a + rng.choice([-e, e], a.shape), 0, 1).astype(dtype)
        for w, b in zip(material.trained.weights[1:], material.trained.biases[1:], strict=True):
            other = 1 / (1 + np.exp(-(w.astype(dtype) @ other + b.astype(dtype))))
        largest = max(largest, float((np.abs(other - outputs) / bound).max()))
    assert 0.001 < largest <= 1


def test_equals_without_a_bound_are_decided() -> None:
    values = np.array([[1.0, 1.0, 0.0], [1.0, 0.5, np.nan]])
    assert runner_up(values, np.zeros((2, 3))).tolist() == [False, False]
    assert runner_up(values, np.full((2, 3), 0.1)).tolist() == [True, False]


def test_selectivity_moves_by_its_corners() -> None:
    means, e = np.array([[0.8, 0.2, 0.2]]), np.full((1, 3), 0.01)
    room, preferred = of_selectivity(means, e)
    assert not preferred.any()
    assert 0.02 < room[0] < 0.08  # by hand: (0.8 - 0.2) / 1, each mean moved by 0.01 to 0.02
    for move in ([0.01, -0.01, -0.01], [-0.01, 0.01, 0.01]):
        a = (means + move)[0]
        index = (a[0] - a[1:].mean()) / (a[0] + a[1:].mean())
        assert abs(index - 0.6) <= room[0]


def test_verdicts_of_the_room_are_of_every_field() -> None:
    material = synthetic_material((12, 6, 4))
    near = reach(material.trained, material.test_images, "float64")
    records = records_of(material, seen(material, near))
    again = records_of(material, seen(material, near))
    found = measured(records, again, rooms(records, material.test_labels, near), near, "")
    assert {d.verdict for d in found} == {Verdict.IDENTICAL}
    assert set(rooms(records, material.test_labels, near)) <= {d.tensor for d in found}
