"""Link training: every step of one run, whole epochs, in fixed-point; each seen to fail."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from compare import divergence, training
from compare.chain import run_link
from compare.difference import Link, Verdict
from compare.divergence import described, draw, first_above, growth
from compare.evidence import Evidence
from compare.material import Material, synthetic_material
from compare.precision import unit_roundoff
from compare.reference_twin import reference_candidate
from compare.standard import Standard
from compare.torch_twin import torch_candidate


def run(candidate: type, material: Material) -> Link:
    return run_link(training, candidate, material.for_dtype(getattr(candidate, "dtype", "float64")))


def changed(base: type, **methods: Any) -> type:
    return type("Changed", (base,), methods)


@pytest.mark.parametrize("sizes", [(12, 6, 4), (9, 5, 4, 3)], ids=str)
@pytest.mark.parametrize("dtype", ["float64", "float32", "fixed-point"])
def test_the_twin_trains_as_the_reference_does(dtype: str, sizes: tuple[int, ...]) -> None:
    material = synthetic_material(sizes, steps=8, free_steps=60, epochs=2, eta=0.5)
    link = run(torch_candidate(dtype), material)
    exact = dtype == "fixed-point"
    assert link.verdict in ((Verdict.IDENTICAL,) if exact else (Verdict.IDENTICAL, Verdict.EQUAL))
    prints = link.details["fingerprints"]
    assert [p["epoch"] for p in prints] == [1, 2]
    assert all(p["reference"] == p["candidate"] and len(p["reference"]) == 64 for p in prints)
    assert prints[0]["reference"] != prints[1]["reference"]
    followed = [{"eta": 0.5, "steps": 60}, {"eta": 0.5, "steps": 36}]
    assert link.details["followed"] == followed[: 1 if exact else 2]


@pytest.mark.cuda
@pytest.mark.parametrize("dtype", ["float64", "fixed-point"])
def test_the_twin_on_cuda_trains_as_the_reference_does(dtype: str, material: Material) -> None:
    link = run(torch_candidate(dtype, "cuda"), material)
    assert link.verdict in (Verdict.IDENTICAL, Verdict.EQUAL), link.sentence


def test_the_reference_is_identical_to_itself(material: Material) -> None:
    assert run(reference_candidate(), material).verdict is Verdict.IDENTICAL


def test_what_lacks_train_and_fixed_point_is_held_to_its_steps(
    correct: type, material: Material
) -> None:
    link = run(correct, material)
    assert link.verdict in (Verdict.IDENTICAL, Verdict.EQUAL)
    assert link.details["train"] == link.details["fixed_point"] == "not offered"
    assert "every one of 60 steps in a row at eta 3 is within its bound" in link.sentence
    assert "fixed-point" not in link.sentence
    assert "order" not in link.sentence


def test_what_lacks_update_mini_batch_is_not_offered(correct: type, material: Material) -> None:
    link = run(changed(correct, update_mini_batch=None), material)
    assert link.verdict is Verdict.NOT_OFFERED


def epoch(order_of: Any, last: bool = True) -> Any:
    """Return a train that takes the examples in another order, or drops the last mini-batch."""

    def train(self: Any, x: Any, y: Any, order: Any, mini_batch_size: int, eta: float) -> None:
        order = order_of(order)
        end = len(order) if last else len(order) // mini_batch_size * mini_batch_size
        for k in range(0, end, mini_batch_size):
            batch = order[k : k + mini_batch_size]
            self.update_mini_batch(x[:, batch], y[:, batch], eta)

    return train


def test_train_is_tried_where_it_is_offered(correct: type, material: Material) -> None:
    link = run(changed(correct, train=epoch(lambda order: order)), material)
    assert link.verdict in (Verdict.IDENTICAL, Verdict.EQUAL)
    assert "train keeps the order and the last, smaller mini-batch" in link.sentence


@pytest.mark.parametrize(
    "train",
    [
        epoch(lambda order: order[::-1]),
        epoch(np.sort),
        epoch(lambda order: np.random.default_rng(5).permutation(order)),
        epoch(lambda order: order, last=False),
    ],
    ids=["reversed", "ignored", "reshuffled", "last dropped"],
)
def test_a_wrong_order_is_caught(train: Any, correct: type, material: Material) -> None:
    link = run(changed(correct, train=train), material)
    assert link.verdict is Verdict.DIFFERENT
    case = "train in float64, 26 examples in mini-batches of 10, epoch 1"
    assert link.broken[0].case == case


def test_one_bit_in_a_fixed_point_epoch_is_caught(material: Material) -> None:
    def train(self: Any, *given: Any) -> None:
        fixed.train(self, *given)
        self.net.weights[0][0, 0] += 2.0**-21

    fixed: Any = reference_candidate("fixed-point")
    one_bit = changed(fixed, train=train)

    def with_arithmetic(cls: type, name: str) -> type:
        return one_bit

    candidate = changed(reference_candidate(), with_arithmetic=classmethod(with_arithmetic))
    link = run(candidate, material)
    assert link.verdict is Verdict.DIFFERENT
    case = "train in fixed-point, 26 examples in mini-batches of 10, epoch 1"
    assert link.broken[0].case == case
    assert (link.broken[0].outside, link.broken[0].index) == (1, (0, 0))


def test_an_epoch_that_is_wrong_only_with_many_examples_is_caught_by_its_fingerprint() -> None:
    def train(self: Any, x: Any, *given: Any) -> None:
        fixed.train(self, x, *given)
        self.net.weights[0][0, 0] += 2.0**-21 * (x.shape[1] == 100)

    material = synthetic_material([12, 6, 4], examples=100, free_steps=60)
    fixed: Any = reference_candidate("fixed-point")
    link = run(changed(fixed, train=train), material)
    assert link.verdict is Verdict.DIFFERENT
    assert link.broken[0].case == "fixed-point, after epoch 1"
    [prints] = link.details["fingerprints"]
    assert prints["reference"] != prints["candidate"]


def test_epochs_0_leaves_fixed_point_out(material: Material) -> None:
    link = run(torch_candidate(), replace(material, epochs=0))
    assert link.details["fixed_point"] == "left out"


def test_a_mistake_that_depends_on_where_the_weights_are_is_caught(
    correct: type, material: Material
) -> None:
    """Wrong only where the weights have moved away from every start."""
    known = [p.weights[0][0, 0] for p in material.starts.values()]

    def update_mini_batch(self: Any, x: Any, y: Any, eta: float) -> None:
        moved = min(abs(self.weights[0][0, 0] - w) for w in known) > 1e-4
        correct.update_mini_batch(self, x, y, eta * (1 + 1e-9 * moved))  # type: ignore[attr-defined]

    link = run(changed(correct, update_mini_batch=update_mini_batch), material)
    assert link.verdict is Verdict.DIFFERENT
    assert link.broken[0].case == "left free, eta 3, step 2"
    assert link.details["followed"] == [{"eta": 3.0, "steps": 2}]


def test_a_mistake_that_needs_memory_is_caught_in_the_free_run(
    correct: type, material: Material
) -> None:
    """This one forgets itself after 40 steps, and the first wrong one is named."""

    def update_mini_batch(self: Any, x: Any, y: Any, eta: float) -> None:
        self.steps = getattr(self, "steps", 0) + 1
        correct.update_mini_batch(self, x, y, eta / 2 if self.steps > 40 else eta)  # type: ignore[attr-defined]

    link = run(changed(correct, update_mini_batch=update_mini_batch), material)
    assert link.verdict is Verdict.DIFFERENT
    assert link.broken[0].case == "left free, eta 3, step 41"
    assert "networks" not in link.sentence


def test_steps_within_their_bounds_that_drift_are_further_apart_than_correct_ones(
    material: Material, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every weight a last bit larger in every step: no step shows it, the distance does."""
    base: Any = reference_candidate()

    def update_mini_batch(self: Any, x: Any, y: Any, eta: float) -> None:
        base.update_mini_batch(self, x, y, eta)
        for w in self.net.weights:
            w[...] = np.nextafter(w, np.copysign(np.inf, w))

    monkeypatch.setattr(divergence, "FURTHER", 2.0)
    calm = replace(material, eta=0.5, free_steps=3000)
    assert run(base, calm).verdict is Verdict.IDENTICAL
    link = run(changed(base, update_mini_batch=update_mini_batch), calm)
    assert link.verdict is Verdict.DIFFERENT
    assert {d.tensor for d in link.broken} == {"distance"}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_one_rounding_of_a_new_value_is_within_its_bound(dtype: str, material: Material) -> None:
    """So a step that is no further away need not be measured."""
    adapted = material.for_dtype(dtype)
    for start in adapted.starts.values():
        for eta in (0.1, 3.0):
            expected = Standard(start, dtype).update(*adapted.mini_batch(0), eta)
            for v in expected.values():
                rounding = 2 * unit_roundoff(dtype) * np.abs(v.reference)
                assert (rounding <= v.allowed).all()
                assert v.probable is None or (rounding <= v.probable).all()


def test_an_order_kept_in_16_bits_is_caught(correct: type, material: Material) -> None:
    def train(self: Any, x: Any, y: Any, order: Any, size: int, eta: float) -> None:
        whole(self, x, y, order.astype(np.int16), size, eta)

    whole = epoch(lambda order: order)
    many = replace(material, free_steps=2, crowd=1100)
    assert run(changed(correct, train=train), many).verdict in (Verdict.IDENTICAL, Verdict.EQUAL)
    link = run(changed(correct, train=train), replace(many, throng=33_000))
    assert link.broken[0].case.startswith("train in float64, 33,000 examples")


def test_parted_is_said_only_when_every_step_is_equal(
    correct: type, material: Material, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(divergence.LEFT_ROUNDING, "float64", 0.0)
    monkeypatch.setitem(divergence.PARTED, "float64", 1e-18)
    link = run(correct, material)
    assert link.verdict is Verdict.PARTED
    assert not link.broken
    assert "are two networks from step" in link.sentence
    assert run(reference_candidate(), material).verdict is Verdict.IDENTICAL  # no difference at all


@pytest.mark.mnist
def test_with_a_large_eta_two_correct_networks_part_and_with_eta_half_they_do_not(
    mnist: Path, tmp_path: Path, correct: type
) -> None:
    """The finding itself, with eta 5 in place of 3, so that a short run shows it."""
    from compare.material import mnist_material

    material = mnist_material(mnist, [784, 20, 10])
    material = replace(material, eta=5.0, free_steps=2000, divergence=tmp_path / "parting.png")
    evidence = Evidence()
    words = divergence.followed(correct, material, evidence)
    fast, calm = evidence.details["free"]["runs"]
    assert fast["parted_at"] is not None, words
    assert calm["parted_at"] is None, words
    assert calm["differences"][-1] < 1e-12
    assert fast["growth_per_1000_steps"] > 1e3
    assert evidence.broken is None
    saved = json.loads((tmp_path / "parting.json").read_text())
    assert saved["runs"][0]["parted_at"] == fast["parted_at"]


def exponential(rate: float) -> tuple[list[int], list[float]]:
    steps = list(range(1, 4001, 50))
    return steps, [max(1e-15, 1e-16 * 10 ** (rate * s / 1000)) for s in steps]


def test_growth_is_the_factor_in_1000_steps() -> None:
    steps, gaps = exponential(4)
    assert growth(np.array(steps), np.array(gaps), 1e-12, 1e-3) == pytest.approx(1e4, rel=1e-6)
    assert first_above(steps, gaps, 1e-12) == 1001
    assert first_above(steps, gaps, 1e-3) == 3251


def test_growth_is_unknown_where_they_stay_together() -> None:
    steps, gaps = exponential(0)
    assert growth(np.array(steps), np.array(gaps), 1e-12, 1e-3) is None
    assert first_above(steps, gaps, 1e-12) is None


def test_they_have_parted_only_if_they_stay_apart() -> None:
    assert first_above([1, 2, 3, 4], [0, 9, 0, 9], 1) == 4
    assert first_above([1, 2, 3], [9, 9, 0], 1) is None


def runs() -> list[dict[str, Any]]:
    return [
        {**described(eta, *exponential(rate)), "steps_in_an_epoch": 5000}
        for eta, rate in ((3.0, 4), (0.5, 0))
    ]


def test_the_picture_is_the_same_file_each_time_and_its_data_lie_beside_it(tmp_path: Path) -> None:
    for name in ("one", "two"):
        draw(runs(), tmp_path / f"{name}.png")
    one, two = ((tmp_path / f"{name}.png").read_bytes() for name in ("one", "two"))
    assert one == two
    assert one.startswith(b"\x89PNG")
    assert json.loads((tmp_path / "one.json").read_text())["runs"][1]["eta"] == 0.5
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "one.json",
        "one.png",
        "two.json",
        "two.png",
    ]


def test_the_title_says_what_is_seen() -> None:
    both = runs()
    assert divergence.title(both) == (
        "With eta 3 two correct networks part, with eta 0.5 they stay together"
    )
    assert divergence.title(both[1:]) == "With eta 0.5 they stay together"


def test_drawing_leaves_no_figure_open(tmp_path: Path) -> None:
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    draw(runs(), tmp_path / "a.png")
    assert plt.get_fignums() == before
