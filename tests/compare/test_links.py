"""Every link proves what is right, and catches its sabotage at once: it is the first that does.

A sabotage is a method or two of the correct candidate replaced.
"""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from compare import divergence, figures, links, training
from compare.difference import Verdict
from compare.links import LINKS
from compare.material import Material, mnist_material, synthetic_material
from compare.twins import ReferenceTwin, TorchTwin
from model.parameters import Parameters

DTYPES = ["float64", "float32", "fixed-point"]
RIGHT = (Verdict.IDENTICAL, Verdict.EQUAL)


def changed(base: Any, **methods: Any) -> Any:
    """Return a class with some methods replaced."""
    return type("Changed", (base,), methods)


@pytest.mark.parametrize("sizes", [(12, 6, 4), (2, 1), (9, 5, 4, 3), (784, 20, 10)], ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("twin", [TorchTwin, ReferenceTwin])
def test_both_twins_pass_every_link(linked, twin: Any, dtype: str, sizes: tuple[int, ...]) -> None:
    material = synthetic_material(sizes, eta=0.5)
    for name in LINKS:
        link = linked(name, twin.with_arithmetic(dtype), material)
        if name == "data" or (name == "figures" and len(sizes) < 3):
            assert link.verdict is Verdict.NOT_TRIED
            continue
        assert link.verdict in RIGHT, link.sentence
        if dtype == "fixed-point" and name != "reference":
            assert link.verdict is Verdict.IDENTICAL
        assert link.power is not None
        assert link.power <= 0.05


@pytest.mark.cuda
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_twin_on_cuda_passes_every_link(linked, dtype: str) -> None:
    candidate = TorchTwin.with_device("cuda").with_arithmetic(dtype)  # type: ignore[attr-defined]
    for name in LINKS:
        link = linked(name, candidate, synthetic_material((784, 20, 10)))
        assert link.verdict in (*RIGHT, Verdict.NOT_TRIED), link.sentence


# One sabotage a line: a function of the correct class that returns the methods it replaces.


def method(name: str) -> Any:
    """Turn f(base, self, *arguments) into a sabotage of that method."""

    def sabotage(f: Any) -> Any:
        def made(base: Any) -> dict[str, Any]:
            replaced = {name: lambda self, *given: f(base, self, *given)}
            if name == "backprop":  # the step stays right
                replaced["update_mini_batch"] = right_step(base)
            return replaced

        made.__name__ = f.__name__
        return made

    return sabotage


def right_step(base: Any) -> Any:
    def update_mini_batch(self: Any, x: Any, y: Any, eta: float) -> None:
        nabla_b, nabla_w = base.backprop(self, x, y)
        rate = eta / x.shape[1]
        self.weights = [w - rate * n for w, n in zip(self.weights, nabla_w, strict=True)]
        self.biases = [b - rate * n for b, n in zip(self.biases, nabla_b, strict=True)]

    return update_mini_batch


def scaled(nablas: Any, c: float) -> Any:
    return tuple([c * n for n in part] for part in nablas)


def shared_by_all_networks(base: Any) -> dict[str, Any]:
    kept = SimpleNamespace()

    def __init__(self: Any, sizes: Any, weights: Any, biases: Any) -> None:
        kept.weights, kept.biases = [w.copy() for w in weights], [b.copy() for b in biases]

    def part(name: str) -> Any:
        return property(lambda self: getattr(kept, name))

    return {"__init__": __init__, "weights": part("weights"), "biases": part("biases")}


@method("__init__")
def off_by_a_billionth(base, self, sizes, weights, biases):
    base.__init__(self, sizes, weights, biases)
    self.weights[1][2, 3] += 1e-9


@method("trace")
def a_last_place(base, self, x):
    zs, activations = base.trace(self, x)
    return zs, [*activations[:-1], activations[-1] * (1 + 1e-13)]


@method("trace")
def all_zeros(base, self, x):
    zs, activations = base.trace(self, x)
    return [0 * z for z in zs], activations


@method("trace")
def first_answer_kept(base, self, x):
    kept = self.__dict__.setdefault("kept", {})
    zs, activations = kept.setdefault(x.shape, base.trace(self, x.copy()))
    return zs, [x, *activations[1:]]


@method("trace")
def wrong_the_fourth_time(base, self, x):
    self.calls = getattr(self, "calls", 0) + 1
    zs, activations = base.trace(self, x)
    return zs, [a + (self.calls == 4) * 1e-9 * (a is not x) for a in activations]


@method("trace")
def wrong_where_z_is_0(base, self, x):
    zs, activations = base.trace(self, x)
    fired = [np.where(z == 0, 0.0, a) for z, a in zip(zs, activations[1:], strict=True)]
    return zs, [x, *fired]


@method("feedforward")
def another_feedforward(base, self, x):
    return base.trace(self, x)[1][-1] * (1 + 1e-12)


def answers_kept_by_input(base: Any) -> dict[str, Any]:
    kept: dict[bytes, Any] = {}

    def trace(self: Any, x: Any) -> Any:
        zs, activations = kept.setdefault(x.tobytes(), base.trace(self, x.copy()))
        return zs, [x, *activations[1:]]

    return {"trace": trace}


@method("backprop")
def one_weights_gradient(base, self, x, y):
    nabla_b, nabla_w = base.backprop(self, x, y)
    nabla_w[0][5, 11] *= 1 + 1e-9
    return nabla_b, nabla_w


@method("backprop")
def mean_gradient(base, self, x, y):
    return scaled(base.backprop(self, x, y), 1 / x.shape[1])


@method("backprop")
def wrong_with_33_examples(base, self, x, y):
    return scaled(base.backprop(self, x, y), 1 + 1e-9 * (x.shape[1] == 33))


@method("backprop")
def wrong_with_many_examples(base, self, x, y):
    return scaled(base.backprop(self, x, y), 1 + 1e-9 * (x.shape[1] > 1000))


@method("backprop")
def gradient_kept(base, self, x, y):
    kept = self.__dict__.setdefault("kept", {})
    return kept.setdefault(x.shape, base.backprop(self, x, y))


@method("backprop")
def gradient_added_up(base, self, x, y):
    found = base.backprop(self, x, y)
    before = getattr(self, "before", scaled(found, 0.0))
    pairs = zip(found, before, strict=True)
    self.before = tuple([n + o for n, o in zip(*pair, strict=True)] for pair in pairs)
    return self.before


@method("deltas")
def no_w_going_back(base, self, x, y):
    a = base.trace(self, x)[1]
    return [a[1] * (1 - a[1]), (a[2] - y) * a[2] * (1 - a[2])]


@method("update_mini_batch")
def ascent(base, self, x, y, eta):
    base.update_mini_batch(self, x, y, -eta)


@method("update_mini_batch")
def eta_off_by_a_billionth(base, self, x, y, eta):
    base.update_mini_batch(self, x, y, eta * (1 + 1e-9))


@method("update_mini_batch")
def first_eta_kept(base, self, x, y, eta):
    self.eta = getattr(self, "eta", eta)
    base.update_mini_batch(self, x, y, self.eta)


@method("update_mini_batch")
def momentum(base, self, x, y, eta):
    before = [w.copy() for w in self.weights]
    base.update_mini_batch(self, x, y, eta)
    pushes = getattr(self, "pushes", [0.0, 0.0])
    self.pushes = [w - b + 0.01 * p for w, b, p in zip(self.weights, before, pushes, strict=True)]
    self.weights = [b + p for b, p in zip(before, self.pushes, strict=True)]


def after_steps(wrong: Any) -> Any:
    """Return a sabotage whose step is halved where wrong(step, self) says so."""

    @method("update_mini_batch")
    def sabotage(base, self, x, y, eta):
        self.steps = getattr(self, "steps", 0) + 1
        base.update_mini_batch(self, x, y, eta / 2 if wrong(self.steps, self) else eta)

    return sabotage


def in_train(order_of: Any, last: bool = True) -> Any:
    """Return a sabotage that takes the examples otherwise."""

    @method("train")
    def sabotage(base, self, x, y, order, size, eta):
        order = order_of(order)
        end = len(order) if last else len(order) // size * size
        for k in range(0, end, size):
            batch = order[k : k + size]
            self.update_mini_batch(x[:, batch], y[:, batch], eta)

    return sabotage


right_train = in_train(lambda order: order)


def in_a_batch_of(count: int, layer: int) -> Any:
    """Return a sabotage of one z and activation, in a batch of so many images."""

    @method("trace")
    def sabotage(base, self, x):
        zs, activations = base.trace(self, x)
        if x.shape[1] == count:
            activations[layer][0, 7] += 1e-9
        return zs, activations

    return sabotage


@method("trace")
def answers_as_it_was_built(base, self, x):
    built = self.__dict__.setdefault("built", ([*self.weights], [*self.biases]))
    now, (self.weights, self.biases) = (self.weights, self.biases), built
    answer = base.trace(self, x)
    self.weights, self.biases = now
    return answer


@method("update_mini_batch")
def eta_of_at_most_5(base, self, x, y, eta):
    base.update_mini_batch(self, x, y, min(eta, 5.0))


@method("backprop")
def pixels_rounded_to_bytes(base, self, x, y):
    return base.backprop(self, np.rint(x * 256) / 256, y)


@method("train")
def half_as_fast_after_40_steps(base, self, x, y, order, size, eta):
    for k in range(0, len(order), size):
        batch = order[k : k + size]
        self.update_mini_batch(x[:, batch], y[:, batch], eta / (1 + (k // size >= 40)))


@method("train")
def half_as_fast_from_the_fourth_epoch(base, self, x, y, order, size, eta):
    self.epochs = getattr(self, "epochs", 0) + 1
    for k in range(0, len(order), size):
        batch = order[k : k + size]
        self.update_mini_batch(x[:, batch], y[:, batch], eta / (1 + (self.epochs > 3)))


def mute_after_train(base):
    def feedforward(self, x):
        return base.trace(self, x)[1][-1] * (not getattr(self, "trained", False))

    def train(self, *given):
        right_train(base)["train"](self, *given)
        self.trained = True

    return {"feedforward": feedforward, "train": train}


@method("backprop")
def wrong_between_34_and_1000_examples(base, self, x, y):
    return scaled(base.backprop(self, x, y), 1 + 1e-9 * (34 <= x.shape[1] < 1000))


@method("evaluate")
def evaluate_that_forgets(base, self, x, labels):
    count = int(np.sum(base.trace(self, x)[1][-1].argmax(axis=0) == labels))
    self.weights = [0 * w for w in self.weights]
    return count


@method("evaluate")
def evaluate_one_more(base, self, x, labels):
    return int(np.sum(base.trace(self, x)[1][-1].argmax(axis=0) == labels)) + 1


@method("held")
def another_neuron_held(base, self, x, neuron, value):
    a = base.trace(self, x)[1][1].copy()
    a[neuron - 1] = value
    return 1 / (1 + np.exp(-(self.weights[1] @ a + self.biases[1])))


SABOTAGES = [
    ("initial weights", off_by_a_billionth, "weights[1][2, 3] is"),
    ("initial weights", shared_by_all_networks, "(initial, after another network was built)"),
    ("forward", a_last_place, "activations[2]["),
    ("forward", all_zeros, "all zeros"),
    ("forward", first_answer_kept, "(initial, another mini-batch of 10)"),
    ("forward", answers_kept_by_input, "(trained, one example)"),
    ("forward", wrong_the_fourth_time, "(initial, 2 examples)"),
    ("forward", wrong_where_z_is_0, "(zeros, one example)"),
    ("forward", another_feedforward, "feedforward["),
    ("gradients", one_weights_gradient, "nabla_w[0][5, 11] is"),
    ("gradients", mean_gradient, "(initial, mini-batch of 10)"),
    ("gradients", wrong_with_33_examples, "(initial, 33 examples)"),
    ("gradients", wrong_with_many_examples, "(initial, 1,100 examples at once)"),
    ("gradients", gradient_kept, "(initial, another mini-batch of 10)"),
    ("gradients", gradient_added_up, "(initial, mini-batch of 10)"),
    ("gradients", no_w_going_back, "deltas[0]"),
    ("update", ascent, "(initial, step 1 in a row, one example, eta 3)"),
    ("update", eta_off_by_a_billionth, "new_weights"),
    ("update", first_eta_kept, "(initial, step 3 in a row, another mini-batch of 10, eta 0.5)"),
    ("update", momentum, "(initial, step 2 in a row, mini-batch of 10, eta 3)"),
    ("training", after_steps(lambda k, _: k == 41), "(left free, eta 3, step 41)"),
    ("training", after_steps(lambda k, _: k % 20 == 0), "(left free, eta 3, step 20)"),
    (
        "training",
        after_steps(lambda k, net: 14 < k < 16),
        "(left free, eta 3, step 15)",
    ),
    ("training", in_train(lambda order: order[::-1]), "train in float64, 26 examples"),
    ("training", in_train(np.sort), "train in float64, 26 examples"),
    ("training", in_train(np.random.default_rng(5).permutation), "mini-batches of 10, epoch 1"),
    ("training", in_train(lambda order: order, last=False), "mini-batches of 10, epoch 1"),
    ("predictions", in_a_batch_of(40, 2), "outputs[0, 7]"),
    ("update", eta_of_at_most_5, "eta 30)"),
    ("update", answers_as_it_was_built, "eta 3, asked afterwards)"),
    ("gradients", pixels_rounded_to_bytes, "5 examples that are no images)"),
    ("gradients", wrong_between_34_and_1000_examples, "(initial, 100 examples)"),
    ("training", half_as_fast_from_the_fourth_epoch, "mini-batches of 2, epoch 4"),
    ("training", mute_after_train, "asked afterwards)"),
    ("training", half_as_fast_after_40_steps, "1,100 examples in mini-batches of 3"),
    ("predictions", evaluate_that_forgets, "(after evaluate)"),
    ("predictions", evaluate_one_more, "evaluate["),
    ("figures", in_a_batch_of(40, 1), "activations[1][0, 7]"),
    ("figures", another_neuron_held, "outputs while held["),
]


@pytest.mark.parametrize(
    ("caught_by", "sabotage", "words"), SABOTAGES, ids=[f"{s[0]} {s[2]}" for s in SABOTAGES]
)
def test_each_link_catches_its_sabotage_and_no_link_before_it(
    linked, caught_by: str, sabotage: Any, words: str, correct: Any, material: Material
) -> None:
    candidate = changed(correct, **sabotage(correct))
    many = replace(material, crowd=1100, throng=1100)
    for name in list(LINKS)[2:]:
        link = linked(name, candidate, many)
        if name == caught_by:
            break
        assert link.verdict in RIGHT, (name, link.sentence)
    assert link.verdict is Verdict.DIFFERENT
    assert words in link.sentence
    assert "\n" not in link.sentence


def test_the_correct_candidate_passes_with_and_without_train(linked, correct, material) -> None:
    for candidate in (correct, changed(correct, **right_train(correct))):
        for name in list(LINKS)[2:]:
            assert linked(name, candidate, material).verdict in RIGHT
    link = linked("training", candidate, material)
    assert "in float64 train is the steps of its mini-batches, in the order given" in link.sentence
    assert [f["steps"] for f in link.details["followed"]] == [60, 36]


@pytest.mark.parametrize(
    ("name", "tensor"),
    [("forward", "zs[0]"), ("gradients", "nabla_w[0]"), ("update", "new_weights[0]")],
)
def test_a_mistake_of_the_stated_power_is_caught(
    linked, name: str, tensor: str, correct, material: Material, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The power is a promise: one entry, changed by that much of the largest, in the best case."""
    best: list[Any] = [np.inf, None, None]
    measured = links.held

    def watched(item: Any) -> Any:
        found = measured(item)
        for d in found:
            if d.tensor == tensor and 0 < d.power < best[0]:
                expected = item[1][tensor]
                values = expected.reference if expected.values is None else expected.values
                best[:] = d.power, d.case, np.abs(values).max()
        return found

    def sabotaged(item: Any) -> Any:
        case, expected, found = item
        if case == best[1]:
            found = {**found, tensor: found[tensor].copy()}
            found[tensor][0, 0] += best[0] * best[2]
        return measured((case, expected, found))

    monkeypatch.setattr(links, "held", watched)
    assert linked(name, correct, material).verdict in RIGHT
    monkeypatch.setattr(links, "held", sabotaged)
    broken = linked(name, correct, material).broken
    assert [(d.tensor, d.index, d.case) for d in broken] == [(tensor, (0, 0), best[1])]


def test_what_offers_feedforward_alone_is_held_to_its_outputs(linked, correct, material) -> None:
    candidate = changed(
        correct, trace=None, feedforward=lambda self, x: correct.trace(self, x)[1][-1]
    )
    link = linked("forward", candidate, material)
    assert link.verdict in RIGHT
    assert {d.tensor for d in link.differences} == {"feedforward"}
    assert linked("figures", candidate, material).verdict is Verdict.NOT_OFFERED


@pytest.mark.parametrize(
    ("name", "missing"),
    [("gradients", "backprop"), ("update", "update_mini_batch"), ("data", "load_data")],
)
def test_a_missing_method_is_not_offered(linked, name, missing, correct, digits_material) -> None:
    link = linked(name, changed(correct, **{missing: None}), digits_material)
    assert link.verdict is Verdict.NOT_OFFERED
    assert link.sentence == f"the candidate has no method {missing}"


def test_an_exception_keeps_what_was_found_before_it(linked, correct, material) -> None:
    def trace(self: Any, x: Any) -> Any:
        if self.weights[0].max() > 20:  # the saturated start
            raise RuntimeError("too large for me")
        return correct.trace(self, x)

    link = linked("forward", changed(correct, trace=trace), material)
    assert link.verdict is Verdict.ERROR
    assert link.sentence == "the candidate's own error: trace raised RuntimeError: too large for me"
    assert "in trace" in link.trace
    assert {d.case.split(",")[0] for d in link.differences} <= {"initial", "trained"}


def test_tf32_is_caught_by_the_ratio_though_the_worst_case_allows_it(linked) -> None:
    """TF32 keeps 11 bits of an operand's 24: within the worst case of 784 terms, and yet wrong."""
    base: Any = ReferenceTwin.with_arithmetic("float32")

    def trace(self: Any, x: Any) -> Any:
        self.net.weights = [rounded(w) for w in self.net.weights]
        return base.trace(self, rounded(np.asarray(x, np.float32)))

    link = linked("forward", changed(base, trace=trace), synthetic_material((784, 20, 10)))
    assert link.verdict is Verdict.DIFFERENT
    by_ratio = [d.ratio for d in link.broken if d.ratio is not None and d.outside == 0]
    assert min(by_ratio) > 32
    assert "times the reference's in float32" in link.sentence


def rounded(v: Any) -> Any:
    """Return float32 numbers with the 11 significant bits that TF32 keeps."""
    bits = (v.view(np.uint32) + np.uint32(0x1000)) & np.uint32(0xFFFFE000)
    return bits.view(np.float32)


# Data.


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda sets: [(x * np.float32(256 / 255), y) for x, y in sets], "training images["),
        (lambda sets: [(x, (y + 1) % 10) for x, y in sets], "training labels["),
        (lambda sets: [sets[0], sets[2], sets[1]], "expected (6, 784), received (9, 784)"),
        (lambda sets: [(x.astype(int), y) for x, y in sets], "expected floating-point numbers"),
        (lambda sets: sets[:2], "a pair (images, labels) each; received list of 2"),
    ],
)
def test_a_loader_that_differs_is_caught(linked, spoil, words, correct, digits_material) -> None:
    def load_data(self: Any, path: Any) -> Any:
        return spoil([tuple(np.array(v) for v in part) for part in ReferenceTwin.load_data(path)])

    link = linked("data", changed(correct, load_data=load_data), digits_material)
    assert link.verdict in (Verdict.DIFFERENT, Verdict.ERROR)
    assert words in link.sentence


def test_a_reference_loader_that_errs_is_caught_by_the_files_own_bytes(
    linked, digits_material
) -> None:
    sets = [(x + np.float32(1 / 256), y) for x, y in digits_material.loaded]
    link = linked("data", ReferenceTwin, replace(digits_material, loaded=sets))
    assert link.verdict is Verdict.DIFFERENT
    assert "the reference's loader" in link.sentence


# Training.


def test_one_bit_in_a_fixed_point_epoch_is_caught(linked, material: Material) -> None:
    fixed: Any = ReferenceTwin.with_arithmetic("fixed-point")

    def train(self: Any, x: Any, *given: Any) -> None:
        fixed.train(self, x, *given)
        self.net.weights[0][0, 0] += 2.0**-21

    one_bit = changed(fixed, train=train)
    candidate = changed(ReferenceTwin, with_arithmetic=lambda name: {"fixed-point": one_bit}[name])
    link = linked("training", candidate, material)
    assert link.verdict is Verdict.DIFFERENT
    assert link.broken[0].case.startswith("train in fixed-point, 26 examples")
    assert (link.broken[0].outside, link.broken[0].index) == (1, (0, 0))


def test_an_epoch_wrong_only_with_all_examples_is_caught_by_its_fingerprint(linked) -> None:
    fixed: Any = ReferenceTwin.with_arithmetic("fixed-point")

    def train(self: Any, x: Any, *given: Any) -> None:
        fixed.train(self, x, *given)
        self.net.weights[0][0, 0] += 2.0**-21 * (x.shape[1] == 100)

    link = linked(
        "training", changed(fixed, train=train), synthetic_material([12, 6, 4], examples=100)
    )
    assert link.broken[0].case == "fixed-point, after epoch 1"
    [prints] = link.details["fingerprints"]
    assert prints["reference"] != prints["candidate"]


def test_an_order_kept_in_16_bits_is_caught(linked, correct, material) -> None:
    short = in_train(lambda order: order.astype(np.int16))
    candidate, many = changed(correct, **short(correct)), replace(material, steps=2, crowd=1100)
    assert linked("training", candidate, many).verdict in RIGHT
    link = linked("training", candidate, replace(many, throng=33_000))
    assert link.broken[0].case.startswith("train in float64, 33,000 examples")


def test_a_mistake_that_depends_on_where_the_weights_are_is_caught(
    linked, correct, material
) -> None:
    known = [p.weights[0][0, 0] for p in material.starts.values()]

    def update_mini_batch(self: Any, x: Any, y: Any, eta: float) -> None:
        moved = min(abs(self.weights[0][0, 0] - w) for w in known) > 1e-4
        correct.update_mini_batch(self, x, y, eta * (1 + 1e-9 * moved))

    candidate = changed(correct, update_mini_batch=update_mini_batch)
    link = linked("training", candidate, material)
    assert link.verdict is Verdict.DIFFERENT
    assert link.broken[0].case == "left free, eta 3, step 2"


def test_steps_within_their_bounds_that_drift_are_further_apart_than_correct_ones(
    linked, material: Material, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every weight a last bit larger in every step: no step shows it, the distance does."""

    def update_mini_batch(self: Any, x: Any, y: Any, eta: float) -> None:
        ReferenceTwin.update_mini_batch(self, x, y, eta)
        for w in self.net.weights:
            w[...] = np.nextafter(w, np.copysign(np.inf, w))

    monkeypatch.setattr(training, "FURTHER", 2.0)
    calm = replace(material, eta=0.5, steps=3000)
    assert linked("training", ReferenceTwin, calm).verdict in RIGHT
    link = linked("training", changed(ReferenceTwin, update_mini_batch=update_mini_batch), calm)
    assert {d.tensor for d in link.broken} == {"distance"}


def test_parted_is_said_only_when_every_step_is_equal(
    linked, correct, material, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(divergence.LEFT_ROUNDING, "float64", 0.0)
    monkeypatch.setitem(divergence.PARTED, "float64", 1e-18)
    link = linked("training", correct, material)
    assert link.verdict is Verdict.PARTED
    assert not link.broken
    assert "are two networks from step" in link.sentence
    assert linked("training", ReferenceTwin, material).verdict in RIGHT


@pytest.mark.mnist
def test_with_a_large_eta_two_correct_networks_part_and_with_eta_half_they_do_not(
    linked, mnist, tmp_path, correct
) -> None:
    """The finding itself, with eta 5 in place of 3, so that a short run shows it."""
    settings = {"eta": 5.0, "steps": 2000, "epochs": 0, "divergence": tmp_path / "parting.png"}
    link = linked("training", correct, mnist_material(mnist, [784, 20, 10], **settings))
    assert link.verdict is Verdict.PARTED, link.sentence
    fast, calm = link.details["free"]["runs"]
    assert fast["growth_per_1000_steps"] > 1e3
    assert calm["parted_at"] is None
    assert calm["differences"][-1] < 1e-12
    assert (tmp_path / "parting.png").read_bytes().startswith(b"\x89PNG")


# Figures.


def test_where_rounding_may_choose_it_may_and_it_is_said_where(linked, correct, material) -> None:
    p = material.trained
    weights, biases = [np.array(w) for w in p.weights], [np.array(b) for b in p.biases]
    weights[0][2], biases[0][2] = 0, 0  # neuron 2 fires by a hair on every image, or not
    starts = {**material.starts, "trained": Parameters(p.sizes, weights, biases)}
    edge = replace(material, starts=starts)
    for hair, verdicts in ((2.0**-53, RIGHT), (1e-12, (Verdict.DIFFERENT,))):

        def trace(self: Any, x: Any, hair: float = hair) -> Any:
            zs, activations = correct.trace(self, x)
            activations[1][2] += hair
            return zs, activations

        link = linked("figures", changed(correct, trace=trace), edge)
        assert link.verdict in verdicts, link.sentence
    link = linked("figures", correct, edge)
    found = link.details["undecided"]
    assert (found["firing"], found["roles"]) == (len(material.test_images), [2])
    assert found["where"][0] == "the role of neuron 2, as it may fire on image 0"
    assert "rounding may choose 40 firings" in link.sentence


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("neurons.json", lambda v: v + b" "),
        ("neurons.json", lambda v: v.replace(b"role", b"rule", 1)),
        ("z-05.png", lambda v: v[:-20] + bytes([v[-20] ^ 1]) + v[-19:]),
    ],
)
def test_one_byte_of_a_file_is_found(linked, name, spoil, material, monkeypatch) -> None:
    made: list[dict[str, bytes]] = []
    honest = figures.files_of

    def files_of(*given: Any) -> dict[str, bytes]:
        made.append(honest(*given))
        return made[-1] if len(made) == 1 else {**made[-1], name: spoil(made[-1][name])}

    monkeypatch.setattr(figures, "files_of", files_of)
    monkeypatch.setattr(figures, "decoded", lambda file: np.ones((1, 1)))
    link = linked("figures", ReferenceTwin.with_arithmetic("fixed-point"), material)
    assert link.verdict is Verdict.DIFFERENT
    assert link.sentence.startswith(name)
    assert "bytes of the file" in link.sentence


def test_a_network_of_zeros_proves_nothing(linked, material) -> None:
    zeros = replace(material, starts={**material.starts, "trained": material.starts["zeros"]})
    nothing = replace(zeros, test_images=0 * material.test_images)
    link = linked("figures", ReferenceTwin.with_arithmetic("fixed-point"), nothing)
    assert link.verdict is Verdict.DIFFERENT
    assert "records of nothing prove nothing" in link.sentence


@pytest.mark.mnist
def test_on_mnist_pictures_are_the_same_file(linked, mnist) -> None:
    material = mnist_material(mnist, (784, 20, 10), shown=1000)
    link = linked("figures", TorchTwin.with_arithmetic("fixed-point"), material)
    assert link.verdict is Verdict.IDENTICAL, link.sentence
    assert link.details["files"] == ["neurons.json", "weights.png", "neuron-11.png"]
