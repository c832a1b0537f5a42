"""The table of mistakes, the diagnosis that reads it backwards, and what checks both."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from typing import Any

import numpy as np
import pytest

from compare import diagnosis, kills
from compare.columns import Columns, sigmoid
from compare.diagnosis import FORMATS, UNKNOWN, Diagnosis, Lesson, misfit
from compare.difference import Link, Verdict
from compare.host import InProcess
from compare.kills import Mutant, mutants, small_material, tried
from compare.material import synthetic_material
from compare.mistakes import MISTAKES, VARIANTS, factors, slices, softmax
from compare.supervision import chosen
from compare.twins import TorchTwin

ALL = list(mutants())
MATERIALS = {sizes: synthetic_material(sizes) for sizes in ((784, 20, 10), (30, 17, 12, 5))}
SMALL = synthetic_material((25, 12, 12, 10))


def diagnosed(candidate: Any, link: str, material: Any = SMALL) -> Diagnosis:
    host = InProcess(candidate, "")
    found = Link(link, Verdict.DIFFERENT, "it differs")
    return diagnosis.diagnose(host, material.for_dtype(host.dtype), found)


def changed(**changes: Any) -> Any:
    return type("Changed", (Columns,), changes)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return small_material(tmp_path_factory.mktemp("files"))


@pytest.mark.parametrize("mutant", ALL, ids=lambda m: f"{m.group}: {m.link}: {m.name}"[:70])
def test_every_mistake_is_caught_and_named_and_with_its_row_left_out_not_falsely(
    mutant: Mutant, tiny: Any
) -> None:
    kill = tried(mutant, tiny)
    assert kill.failure == "", kill.found.sentence
    assert kill.falsely_named == "", kill.left_out


def test_every_link_has_its_mistakes_and_every_row_its_advice() -> None:
    links = Counter(row.link for row in MISTAKES)
    assert set(links) == set(kills.CHAIN)
    assert len(MISTAKES) > 150
    for row in MISTAKES:
        assert len(row.advice) > 20, row.name
        assert set(row.changes) <= set(dir(Columns)), row.name
        assert "none" not in row.name.lower()
    assert len(VARIANTS) > 7


def test_what_is_held_out_knows_neither_the_page_nor_the_table() -> None:
    """It imports nothing of ours, in an interpreter of its own."""
    code = "import sys; from compare import held_out; held_out.mutants(); print(*sys.modules)"
    asked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    ours = {m for m in asked.stdout.split() if re.match("compare|model|reference|torch_impl", m)}
    assert ours == {"compare", "compare.held_out", "compare.held_out_torch"}


def test_a_mistake_that_is_not_caught_or_wrongly_named_fails_the_self_test(tiny: Any) -> None:
    caught = next(m for m in ALL if m.name == "tanh neurons")
    correct = next(m for m in ALL if m.group == "correct")
    for mutant, link, called, failure in (
        (caught, "forward", "tanh neurons", ""),
        (correct, "", "", ""),
        (caught, "", "x", "rejected at forward"),
        (correct, "forward", "x", "caught by no link, not by forward"),
        (caught, "gradients", "x", "caught by forward, not by gradients"),
        (caught, "forward", "relu", "diagnosed as tanh neurons, not as relu"),
    ):
        kill = tried(Mutant("table", "x", mutant.candidate, link, (called,)), tiny)
        assert kill.failure == failure
    lines = kills.matrix([kill, tried(correct, tiny)], 80)
    assert any(line.startswith("! ") for line in lines)
    assert max(map(len, lines)) <= 80
    assert "table 0 of 1" in " ".join(lines)


@pytest.mark.parametrize("sizes", MATERIALS, ids=str)
@pytest.mark.parametrize(
    "row",
    [r for r in MISTAKES if r.link not in ("data", "predictions", "figures")],
    ids=lambda r: f"{r.link}: {r.name}",
)
def test_a_mistake_is_recognised_at_other_sizes(row: Any, sizes: Any) -> None:
    material = MATERIALS[sizes]
    lesson = Lesson(row.link, material, material.initial)
    seen = [lesson.answers(Columns.of)]
    for strength in row.strengths or (row.example,):
        said = lesson.predicted(row, strength)
        if all(misfit(said, other) for other in seen):
            found = diagnosed(row.network(strength), row.link, material)
            assert found == diagnosis.described(row, strength, lesson)
            seen.append(said)
    if len(seen) == 1:
        pytest.skip("no square layer, or no square images: this is no mistake at these sizes")


@pytest.mark.parametrize("link", ["initial weights", "forward", "gradients", "update", "training"])
@pytest.mark.parametrize("mutant", [m for m in ALL if not m.link], ids=lambda m: m.name)
def test_nothing_is_found_in_a_correct_network(mutant: Mutant, link: str) -> None:
    assert diagnosed(mutant.candidate, link).sentence.endswith(f"of the link {link}: it differs")


@pytest.mark.parametrize("dtype", ["float32", "fixed-point"])
def test_mistakes_are_told_from_rounding_in_narrow_formats(dtype: str) -> None:
    right: Any = chosen(TorchTwin, dtype, None)
    for link, change, mistake in (
        ("update", {}, UNKNOWN),
        ("update", {"update_mini_batch": lambda net, x, y, eta:
            right.update_mini_batch(net, x, y, 0.9 * eta)}, "step factor 0.9"),
        ("training", {"train": lambda net, x, y, order, *given:
            right.train(net, x, y, order[::-1].copy(), *given)}, "reversed order"),
    ):  # fmt: skip
        found = diagnosed(type("Changed", (right,), change), link)
        assert found.mistake.startswith(mistake), found.sentence
        assert found.sentence.endswith(": it differs") == (not change)


def one_entry_larger(net: Any, d: Any, a: Any) -> Any:
    found = d @ a.T
    found[2, 3] *= 1 + 1e-6 * (found.shape == (12, 12))
    return found


def shortened(b: Any, w: Any, most: float) -> Any:
    length = np.sqrt(sum(float(np.square(v).sum()) for v in (*b, *w)))
    return ([min(1.0, most / length) * v for v in part] for part in (b, w))


def first_activations_larger(net: Any, x: Any) -> Any:
    zs, activations = Columns.trace(net, x)
    hidden = activations[1] + 1e-6 * np.sin(50 * zs[0])
    later = Columns(net.sizes[1:], net.weights[1:], net.biases[1:]).trace(hidden)
    return [zs[0], *later[0]], [x, *later[1]]


def fired(fire: Any) -> Any:
    return lambda net, x: changed(fire=lambda net, z, last: fire(z, last)).of(net).trace(x)


def step_of_twice_the_cost(net: Any, x: Any, y: Any, eta: float) -> None:
    net.descend(*Columns.backprop(net, x, y), 2 * eta, x.shape[1])


def fails(net: Any, *given: Any) -> Any:
    raise RuntimeError("no such layer\nsecond line")


def in_the_class(first: bool) -> dict[str, Any]:
    """Parameters that all networks share: those of the first one, or of the last."""
    own: dict[str, Any] = {}

    def kept(name: str) -> Any:
        put = own.setdefault if first else own.__setitem__
        return property(lambda net: own[name], lambda net, v: put(name, v))

    return {name: kept(name) for name in ("weights", "biases")}


# What is wrong, what it is called, and what is said. What no row knows is given no name, and of it
# the first wrong tensor is described.
NUMBERS = f"{UNKNOWN} explains the numbers of the link"
# fmt: off
TOLD: list[tuple[str, dict[str, Any], str, str]] = [
    ("forward", {"fire": lambda net, z, last: np.sin(z)}, UNKNOWN, f"{NUMBERS} forward: "),
    ("forward", {"fire": lambda net, z, last: sigmoid(z) + 1e-5 * np.sin(50 * z)}, UNKNOWN,
     NUMBERS),
    ("gradients", {"cost_derivative": lambda net, a, y: a - (0.005 + 0.97 * y)}, UNKNOWN, NUMBERS),
    ("gradients", {"cost_derivative": lambda net, a, y: (a - y) * (1 + 1e-9 * a)}, UNKNOWN,
     f"{NUMBERS} gradients: "),
    ("forward", {"fire": lambda net, z, last: 0.5 * sigmoid(z)}, UNKNOWN,
     "0.5 times what it should be"),
    ("forward", {"fire": lambda net, z, last: sigmoid(z).round(3)}, UNKNOWN,
     "rounded to 3 decimals"),
    ("gradients", {"nabla_w": lambda net, d, a: (d @ a.T)[::-1]}, UNKNOWN,
     "right ones, in other places"),
    ("gradients", {"nabla_b": lambda net, d: abs(d.sum(axis=1, keepdims=True))}, UNKNOWN,
     "but for signs"),
    ("update", {"descend": lambda net, b, w, eta, m: Columns.descend(
        net, b, w, min(eta, 1.0), m)}, UNKNOWN, "0.333333 times what it should be"),
    ("initial weights", {"kept": lambda net, v: np.clip(v, -2, 2)}, UNKNOWN,
     "clipped to at least -2 and at most 2"),
    ("initial weights", {"kept": lambda net, v: v - 0.25}, UNKNOWN, "-0.25 more than it should be"),
    ("initial weights", {"kept": lambda net, v: 0 * v + 3}, UNKNOWN, "it is 3 in every entry"),
    ("update", {"descend": lambda net, b, w, eta, m: Columns.descend(net, b, w, 0.3 * m, m)},
     "eta ignored", "eta = 2.1, or 0.3 for eta / m, whatever is asked"),
    ("initial weights", in_the_class(True), "another network's parameters", "keep them in self"),
    ("initial weights", in_the_class(False), "another network's parameters", "keep them in self"),
    ("predictions", {"evaluate": lambda net, x, labels: 99}, UNKNOWN,
     "evaluate is the first that is wrong"),
    ("forward", {"fire": lambda net, z, last: np.rint(256 * sigmoid(z)) / 256}, UNKNOWN, NUMBERS),
    ("gradients", {"backprop": fails}, UNKNOWN,
     "looking closer, backprop raised RuntimeError: no such layer"),
    ("gradients", {
        "slope": lambda net, z, a, last: a * (1 - a) if last else np.ones_like(a),
        "gradient": lambda net, zs, a, deltas: Columns.gradient(
            net, zs, a, [d / d.shape[1] for d in deltas])},
     "no sigma prime in the hidden layers, and factor 1 / m",
     "besides, everything is 0.142857 times that"),
    ("gradients", {"cost_derivative": lambda net, a, y: (1 + 1e-9) * (a - y)},
     "factor 1 + 1e-09", ""),
    ("gradients", {"nabla_w": one_entry_larger}, "a single entry",
     "entries is wrong, the first nabla_w[1][2, 3], "),
    *(("gradients", {"nabla_w": lambda net, d, a, to=to: to(d @ a.T)}, name,
       f"nabla_w[2] holds nothing but numbers of {name}: {advice}")
      for name, (to, _, advice) in FORMATS.items()),
    # A factor of a step, or of a part, has nothing to do with the cost, where the rest is right.
    ("update", {"descend": lambda net, b, w, *rate: Columns.descend(
        net, [n / 2 for n in b], w, *rate)}, "step factor 0.5 in the biases",
     "0.5 times the reference's (a mini-batch of 7, 10 digits): look where it is computed"),
    ("update", {"descend": lambda net, b, w, eta, m: Columns.descend(net, b, w, 2 * eta, m)},
     "step factor 2", "(a mini-batch of 7, 10 digits): look at eta / m, and at what"),
    ("update", {"backprop": None, "update_mini_batch": step_of_twice_the_cost}, "step factor 2",
     "the cost has no 1/2"),
    ("gradients", {"cost_derivative": lambda net, a, y: (a - y) / 10}, "factor 1 / digits",
     "averaged over the digits: sum over them; or it is divided by 10, whatever the mini-batch"),
    ("update", {"descend": lambda net, b, w, eta, m: Columns.descend(net, b, w, 0.999 * eta, m)},
     "step factor 0.999", "look at eta / m, and at what is done to the parameters after"),
    # The causally first tensor speaks, and a method that errs nowhere hides no mistake of another.
    ("forward", {"trace": first_activations_larger}, UNKNOWN, "activations[1] is the first that"),
    ("gradients", {"cost_derivative": lambda net, a, y: a - y + 1e-5 * np.sin(40 * (a - y))},
     UNKNOWN, "deltas[2] is the first that is wrong"),
    *(("forward", {"trace": trace, "held": lambda net, x, *held:
        Columns.of(net).held(x, *held)}, name, "use the sigmoid")
      for name, trace in (("hard sigmoid", fired(lambda z, last: np.clip(z / 6 + 0.5, 0, 1))),
                          ("softmax output", fired(lambda z, last: softmax(z) if last
                                                   else sigmoid(z))))),
    # An epoch may be right in another order, or wrong in a way that no order explains.
    ("training", {"mini_batches": lambda net, order, size: slices(
        np.random.default_rng(1).permutation(order), size)},
     "an order of its own", "right in another order than the one given"),
    ("training", {"mini_batches": lambda net, order, size: [
        v[v != 0] for v in slices(order, size) if (v != 0).any()]}, UNKNOWN, NUMBERS),
    ("training", {"mini_batches": lambda net, order, size: slices(
        order[: len(order) - (len(order) > 9)], size)}, UNKNOWN, NUMBERS),
    ("update", {"descend": lambda net, b, w, eta, m: Columns.descend(net, *shortened(b, w, 30 * m),
        eta, m)}, "clipped gradient", "a length of 30 (of the mean over a mini-batch; 210 of the"),
    ("update", {"descend": lambda net, b, w, eta, m: Columns.descend(net, *shortened(b, w, 0.7),
        eta, m)}, "clipped gradient", "a length of 0.1 (of the mean over a mini-batch; 0.7 of the"),
    ("update", {"descend": lambda net, b, w, eta, m: Columns.descend(net, *shortened(b, w, 0.3 * m),
        eta, m)}, "clipped gradient", "a length of 0.3 (of the mean over a mini-batch; 2.1 of the"),
]
# fmt: on


@pytest.mark.parametrize(
    ("link", "changes", "mistake", "words"), TOLD, ids=[f"{t[0]}: {t[3][-40:]}" for t in TOLD]
)
def test_what_is_wrong_is_told_with_what_matters(link, changes, mistake, words) -> None:
    found = diagnosed(changed(**changes), link)
    assert (found.mistake, words in found.sentence) == (mistake, True), found.sentence
    assert "second line" not in found.sentence


@pytest.mark.parametrize(
    "row", [row for row in factors(7, 10, 3.0) if row[1]], ids=lambda row: row[0]
)
def test_every_factor_of_a_gradient_is_recognised(row: Any) -> None:
    def backprop(net: Any, x: Any, y: Any) -> Any:
        return tuple([row[1] * v for v in part] for part in Columns.backprop(net, x, y))

    found = diagnosed(changed(backprop=backprop), "gradients")
    assert found.mistake == f"factor {'1 / digits' if row[0] == '1 / 10' else row[0]}"
    assert row[2] in found.sentence


def test_fixed_point_parameters_that_are_not_rounded_to_the_grid_are_told() -> None:
    found = diagnosed(changed(dtype="fixed-point"), "initial weights")
    assert "round them to the grid" in found.sentence


def test_a_mini_batch_is_no_size_of_a_layer_so_that_factors_stay_apart() -> None:
    for sizes in ((25, 12, 12, 10), (7, 11, 10), (30, 13, 7)):
        material = synthetic_material(sizes)
        assert Lesson("update", material, material.initial).m not in sizes
