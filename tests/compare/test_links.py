"""Every link proves what is right, and catches its sabotage at once: it is the first that does."""

from __future__ import annotations

import gzip
import pickle
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from compare import divergence, figures, links, prove, training
from compare.columns import Columns, sigmoid
from compare.diagnosis import diagnose
from compare.difference import Verdict
from compare.host import InProcess
from compare.links import LINKS, run
from compare.material import Material, synthetic_material
from compare.mistakes import by, slices, step, with_velocity
from compare.standard import undecided
from compare.twins import ReferenceTwin, TorchTwin
from model.mnist_files import SHA256
from model.parameters import Parameters

DTYPES = ["float64", "float32", "fixed-point"]
RIGHT = (Verdict.IDENTICAL, Verdict.EQUAL)


@pytest.fixture(scope="module")
def crowded(material: Material) -> Material:
    """Larger mini-batches and longer epochs; what is right is computed once for all sabotages."""
    tests = {k: np.concatenate([getattr(material, k)] * 2) for k in ("test_images", "test_labels")}
    return replace(material, crowd=300, throng=300, kept={}, **tests)


def changed(base: Any, **methods: Any) -> Any:
    """Return a class with some methods replaced."""
    return type("Changed", (base,), methods)


@pytest.mark.parametrize(
    ("device", "dtype", "sizes"),
    [
        *(("cpu", dtype, sizes) for dtype in DTYPES for sizes in ((2, 1), (784, 20, 10))),
        ("cpu", "float32", (9, 5, 4, 3)),
        *(pytest.param("cuda", dtype, (784, 20, 10), marks=pytest.mark.cuda) for dtype in DTYPES),
    ],
)
def test_the_twin_passes_every_link(linked, device: str, dtype: str, sizes: Any) -> None:
    material = synthetic_material(sizes, eta=0.5)
    candidate: Any = TorchTwin.with_device(device)
    candidate = candidate.with_arithmetic(dtype)
    for name in list(LINKS)[1:]:
        link = linked(name, candidate, material)
        if name == "data" or (name == "figures" and len(sizes) < 3):
            assert link.verdict is Verdict.NOT_TRIED
            continue
        assert link.verdict in RIGHT, link.sentence
        if dtype == "fixed-point":
            assert link.verdict is Verdict.IDENTICAL
        assert link.power is not None
        assert link.power <= 0.05


def test_steps_taken_ten_in_a_recorded_call_are_proved_too(linked, monkeypatch) -> None:
    """In every arithmetic: training in float64 tries the others as well."""
    calls: dict[Any, Any] = {}
    monkeypatch.setattr("torch_impl.compiled._calls", calls)
    monkeypatch.setattr("torch_impl.compiled.RECORDED_FROM", 0)
    material = synthetic_material((12, 6, 4), crowd=300, throng=300, steps=2)
    link = linked("training", TorchTwin, material)
    assert link.verdict in RIGHT, link.sentence
    assert all(f"in {dtype} train is the steps" in link.sentence for dtype in DTYPES)
    assert calls


# A sabotage is a method or two of the page replaced; those of the table are in test_mistakes.


def added(v: Any, index: Any, much: float) -> Any:
    v = np.array(v)
    v[index] += much
    return v


def count(net: Any, name: str) -> int:
    net.__dict__[name] = found = net.__dict__.get(name, 0) + 1
    return found


def in_the_module(name: str) -> Any:
    """Parameters that all networks share."""
    own: Any = SimpleNamespace()
    return property(lambda net: getattr(own, name), lambda net, v: setattr(own, name, v))


def traced(change: Any) -> Any:
    """change(net, zs, activations) returns what trace answers."""
    return {"trace": lambda net, x: change(net, *Columns.trace(net, np.array(x)))}


def in_a_batch_of(images: int, layer: int) -> Any:
    """One activation is wrong, in a batch of so many images."""
    return traced(lambda net, zs, a: (zs, [
        added(v, (0, 7), 1e-9) if k == layer and v.shape[1] == images else v
        for k, v in enumerate(a)
    ]))  # fmt: skip


def gradient(factor: Any) -> Any:
    """Every nabla is factor(examples) times too large."""
    return {"gradient": lambda net, zs, a, deltas: Columns.gradient(
        net, zs, a, [factor(d.shape[1]) * d for d in deltas])}  # fmt: skip


def steps(factor: Any) -> Any:
    """The k-th step of a network, counted from 1, is factor(k, eta) times too long."""
    return {"update_mini_batch": lambda net, x, y, eta: Columns.update_mini_batch(
        net, x, y, eta * factor(count(net, "taken"), eta))}  # fmt: skip


def epochs(factor: Any) -> Any:
    """The k-th step of an epoch, both counted from 0, is factor(epoch, k) times too long."""

    def train(net: Any, x: Any, y: Any, order: Any, size: int, eta: float) -> None:
        epoch = count(net, "epochs")
        for k, chosen in enumerate(slices(order, size)):
            net.update_mini_batch(x[:, chosen], y[:, chosen], eta * factor(epoch, k))

    return {"train": train}


def order(change: Any) -> Any:
    return {"mini_batches": lambda net, order, size: change(order, size)}


def as_it_was_built(method: str) -> Any:
    """It answers by the parameters that it had when it was first asked."""

    def answered(net: Any, *given: Any) -> Any:
        now = net.weights, net.biases
        net.weights, net.biases = net.__dict__.setdefault("built", now)
        answer = getattr(Columns, method)(net, *given)
        net.weights, net.biases = now
        return answer

    return {method: answered}


def until_exported() -> Any:
    """A step is not seen before the parameters are asked for."""

    def update_mini_batch(net: Any, x: Any, y: Any, eta: float) -> None:
        old = net.export()
        Columns.update_mini_batch(net, x, y, eta)
        net.__dict__["new"] = net.weights, net.biases
        net.weights, net.biases = old

    def export(net: Any) -> Any:
        net.weights, net.biases = net.__dict__.pop("new", (net.weights, net.biases))
        return net.weights, net.biases

    return {"update_mini_batch": update_mini_batch, "export": export}


def train_that_keeps(kept: slice) -> Any:
    """These arguments of train are those of its first call."""

    def train(net: Any, *given: Any) -> None:
        first = net.__dict__.setdefault("given", [np.array(v) for v in given])
        x, y, *others = (first[k] if k in range(5)[kept] else v for k, v in enumerate(given))
        Columns.train(net, x, y, others[0] % x.shape[1], *others[1:])

    return {"train": train}


def deltas_of_the_last_backprop() -> Any:
    def backprop(net: Any, x: Any, y: Any) -> Any:
        net.__dict__["last"] = Columns.deltas(net, x, y)
        return Columns.backprop(net, x, y)

    def deltas(net: Any, x: Any, y: Any) -> Any:
        last = net.__dict__.get("last", [x])
        return last if last[-1].shape == y.shape else Columns.deltas(net, x, y)

    return {"backprop": backprop, "deltas": deltas}


def with_what_backprop_left() -> Any:
    """The first step of train adds the gradient of a backprop since the last step."""

    def backprop(net: Any, x: Any, y: Any) -> Any:
        net.__dict__["left"] = Columns.backprop(net, x, y)
        return net.left

    def update_mini_batch(net: Any, x: Any, y: Any, eta: float) -> None:
        net.__dict__.pop("left", None)
        Columns.descend(net, *Columns.backprop(net, x, y), eta, x.shape[1])

    def train(net: Any, x: Any, y: Any, order: Any, size: int, eta: float) -> None:
        nablas = net.__dict__.pop("left", None)
        for chosen in slices(order, size):
            if nablas:
                Columns.descend(net, *nablas, eta, len(chosen))
                nablas = None
            update_mini_batch(net, x[:, chosen], y[:, chosen], eta)

    return {"backprop": backprop, "update_mini_batch": update_mini_batch, "train": train}


def held_for_good(net: Any, x: Any, neuron: int, value: float) -> Any:
    found = Columns.held(net, x, neuron, value)
    net.weights[1][:, neuron] += 1e-9 * (value == 1.5)  # the last that is asked in a row
    return found


@np.errstate(over="ignore", invalid="ignore")
def naive_sigmoid(z: Any) -> Any:
    return np.exp(z) / (1 + np.exp(z))


def held_by_shape() -> Any:
    """It takes the hidden layer of what it was asked since the last step, if that had one shape."""

    def held(net: Any, x: Any, neuron: int, value: float) -> Any:
        kept = net.__dict__.setdefault("kept", {}).setdefault(x.shape, Columns.trace(net, x)[1][1])
        return Columns.onward(net, Columns.fixed(net, kept, neuron, value))

    def descend(net: Any, *given: Any) -> None:
        net.__dict__.pop("kept", None)
        Columns.descend(net, *given)

    return {"held": held, "descend": descend}


def whole_pairs(net: Any, x: Any, labels: Any) -> int:
    many = max(1, len(labels) // 2 * 2)
    return Columns.evaluate(net, x[:, :many], labels[:many])


def evaluate_that_forgets(net: Any, x: Any, labels: Any) -> int:
    right = Columns.evaluate(net, x, labels)
    net.weights = [0 * w for w in net.weights]
    return right


# fmt: off
SABOTAGES = [
    ("initial weights", "weights[1][2, 3] is", {"kept": lambda net, v: added(v, (2, 3), 1e-9)
        if v.shape == (4, 6) else np.array(v)}),
    ("initial weights", "(initial, after another network was built)", {
        name: in_the_module(name) for name in ("weights", "biases")}),
    ("forward", "activations[2][", {"fire": lambda net, z, last: sigmoid(z) * (1 + 1e-13 * last)}),
    ("forward", "all zeros", traced(lambda net, zs, a: ([0 * z for z in zs], a))),
    # feedforward asks it too:
    ("forward", "(initial, a blank image and a full one)", traced(lambda net, zs, a: (
        zs, [a[0], *(v + 1e-9 * (k == 7) for k in [count(net, "calls")] for v in a[1:])]))),
    ("forward", "(initial, a blank image and a full one)", traced(lambda net, zs, a: (
        zs, [a[0], *(np.where(a[0].any(axis=0), v, 0.1) for v in a[1:])]))),
    ("forward", "(zeros, one example)", {"fire": lambda net, z, last:
        np.where(z == 0, 0.0, sigmoid(z))}),
    ("forward", "33 examples, the last first", {"feedforward": lambda net, x:
        net.__dict__.setdefault(f"of sum {x.sum()}", Columns.feedforward(net, x))}),
    ("forward", "feedforward[", {"feedforward": lambda net, x:
        Columns.feedforward(net, x) * (1 + 1e-12)}),
    ("gradients", "nabla_w[0][5, 11] is", {"nabla_w": lambda net, d, a: added(
        d @ a.T, (5, 11), 1e-9 * (d @ a.T)[5, 11]) if len(a) == 12 else d @ a.T}),
    ("gradients", "(initial, 33 examples)", gradient(lambda m: 1 + 1e-9 * (m == 33))),
    ("gradients", "(initial, 300 examples at once)", gradient(lambda m: 1 + 1e-9 * (m > 257))),
    ("gradients", "(initial, 100 examples)", gradient(lambda m: 1 + 1e-9 * (34 <= m < 257))),
    ("gradients", "5 examples that are no images)", {"backprop": lambda net, x, y:
        Columns.backprop(net, np.rint(x * 256) / 256, y)}),
    ("gradients", "5 examples that are no images)", {"nabla_w": lambda net, d, a:
        np.clip(d @ a.T, -100, 100)}),
    ("gradients", "deltas[0]", {"deltas": lambda net, x, y: [
        d * (1 + 1e-9 * (len(d) == 6)) for d in Columns.deltas(net, x, y)]}),
    ("update", "(initial, step 1 in a row, one example, eta 3)", steps(lambda k, eta: -1)),
    ("update", "new_weights", steps(lambda k, eta: 1 + 1e-9)),
    ("update", "eta 30)", steps(lambda k, eta: min(eta, 5.0) / eta)),
    ("update", "eta 100)", steps(lambda k, eta: min(eta, 50.0) / eta)),
    ("forward", "which equals nothing", {"fire": lambda net, z, last: naive_sigmoid(z)}),
    ("update", "(initial, step 3 in a row, another mini-batch of 10, eta 0.5)", {
        "update_mini_batch": lambda net, x, y, eta: Columns.update_mini_batch(
            net, x, y, net.__dict__.setdefault("eta", eta))}),
    ("update", "(initial, step 2 in a row, mini-batch of 10, eta 3)", {
        "descend": by(step, partial(with_velocity, False)), "strength": 0.01}),
    ("update", "eta 3, asked afterwards)", as_it_was_built("trace")),
    ("update", "feedforward[", as_it_was_built("feedforward")),
    ("update", "asked afterwards", until_exported()),
    ("update", "5 examples that are no images", {"descend": lambda net, b, w, *given:
        Columns.descend(net, b, [np.clip(v, -100, 100) for v in w], *given)}),
    ("training", "(left free, eta 3, step 41)", steps(lambda k, eta: 1 / (1 + (k == 41)))),
    ("training", "(left free, eta 3, step 20)", steps(lambda k, eta: 1 / (1 + (k % 20 == 0)))),
    ("training", "a mini-batch of 7 at eta", gradient(lambda m: 1 + 1e-9 * (m == 7))),
    ("training", "one after the other", steps(lambda k, eta: 1 + 1e-9 * (5 < eta < 9))),
    ("training", "64 examples in mini-batches of 8", order(lambda v, size: slices(
        v[:-1] if len(v) == 64 else v, size))),
    ("training", "train in float64, 26 examples", order(lambda v, size: slices(np.sort(v), size))),
    ("training", "mini-batches of 10 at eta 3, epoch 1", order(lambda v, size: slices(
        np.random.default_rng(5).permutation(v), size))),
    ("training", "mini-batches of 2 at eta 3, epoch 4", epochs(
        lambda epoch, k: 1 / (1 + (epoch > 3)))),
    ("training", "300 examples in mini-batches of 3", epochs(lambda epoch, k: 1 / (1 + (k > 39)))),
    ("training", "epoch 2", train_that_keeps(slice(2))),
    ("training", "epoch 2", train_that_keeps(slice(4, 5))),
    ("training", "on one network, deltas after", deltas_of_the_last_backprop()),
    ("training", "on one network, train after backprop", with_what_backprop_left()),
    ("training", "a step afterwards)", {**epochs(lambda epoch, k: 1), "feedforward": lambda net, x:
        Columns.feedforward(net, x) * ("epochs" not in net.__dict__)}),
    ("predictions", "outputs[0, 7]", in_a_batch_of(80, 2)),
    ("predictions", "labels that are the digits read)", {"evaluate": evaluate_that_forgets}),
    ("predictions", "evaluate[", {"evaluate": lambda *given: Columns.evaluate(*given) + 1}),
    ("predictions", "(evaluate of 7 test images)", {"evaluate": whole_pairs}),
    ("predictions", "(evaluate of 7 test images)", {"evaluate": lambda net, x, labels:
        Columns.evaluate(net, x.ravel("K").reshape(x.shape), labels)}),
    ("predictions", "(evaluate of 7 test images", {"evaluate": lambda net, x, labels: int(np.sum(
        net.__dict__.setdefault("read", {}).setdefault(len(labels), Columns.feedforward(net, x)
            .argmax(axis=0)) == labels))}),
    ("predictions", "(evaluate of outputs that all but tie)", {"evaluate": lambda net, x, labels:
        int(np.sum(Columns.feedforward(net, x).round(7).argmax(axis=0) == labels))}),
    ("predictions", "labels that are the digits read)", {"evaluate": lambda net, *given:
        net.__dict__.setdefault("right", Columns.evaluate(net, *given))}),
    ("predictions", "on one network, evaluate after", {"evaluate": lambda net, x, labels:
        net.__dict__.setdefault(labels.tobytes(), Columns.evaluate(net, x, labels))}),
    ("predictions", "on one network, evaluate after", {**steps(lambda k, eta: 1), "evaluate":
        lambda net, *given: net.__dict__.setdefault(
            "right" if "taken" in net.__dict__ else given[1].tobytes(),
            Columns.evaluate(net, *given))}),
    ("figures", "activations[1][0, 7]", in_a_batch_of(80, 1)),
    ("figures", "outputs while held[", {"held": lambda net, x, neuron, value:
        Columns.held(net, x, neuron - 1, value)}),
    ("figures", "on one network, held after", as_it_was_built("held")),
    ("figures", "on one network, held after", held_by_shape()),
    ("figures", " after held", {"held": held_for_good}),
]
# fmt: on


@pytest.mark.parametrize(
    ("caught_by", "words", "changes"), SABOTAGES, ids=[f"{s[0]} {s[1]}" for s in SABOTAGES]
)
def test_each_link_catches_its_sabotage_and_no_link_before_it(
    linked, caught_by: str, words: str, changes: Any, crowded: Material
) -> None:
    if caught_by not in ("update", "training"):
        crowded = replace(crowded, steps=2, throng=0)
    for name in list(LINKS)[2:]:
        link = linked(name, changed(Columns, **changes), crowded)
        if name == caught_by:
            break
        assert link.verdict in RIGHT, (name, link.sentence)
    assert link.verdict is Verdict.DIFFERENT
    assert words in link.sentence
    assert "\n" not in link.sentence


def test_errors_that_a_caller_asked_numpy_to_raise_are_not_the_proofs(correct, material) -> None:
    with np.errstate(all="raise"):
        proof = prove(correct, material=material, links=["reference", "forward", "gradients"])
        assert {link.verdict for link in proof} <= set(RIGHT)
        assert np.geterr()["under"] == "raise"


def test_the_correct_candidate_passes_with_and_without_train(linked, correct, material) -> None:
    for candidate in (correct, Columns):
        found = {name: linked(name, candidate, material) for name in list(LINKS)[2:]}
        assert {link.verdict for link in found.values()} <= set(RIGHT)
    link = found["training"]
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


def test_where_backprop_fails_what_needs_none_is_judged_all_the_same(linked, material) -> None:
    def failing(much: float) -> Any:
        def update_mini_batch(net: Any, x: Any, y: Any, eta: float) -> None:
            net.descend(*Columns.backprop(net, x, y), much * eta, x.shape[1])

        fails = {"backprop": lambda net, x, y: net.grad}
        return changed(Columns, update_mini_batch=update_mini_batch, **fails)

    found = {name: linked(name, failing(1.0), material).verdict for name in list(LINKS)[2:]}
    errs = [name for name, verdict in found.items() if verdict is Verdict.ERROR]
    assert errs == ["gradients", "update", "training"]
    assert linked("update", failing(1.1), material).verdict is Verdict.DIFFERENT


def test_train_in_another_arithmetic_is_held_to_the_reference(linked, correct, material) -> None:
    class Narrow(correct):  # type: ignore[misc]
        """In float32 its steps, and so its epochs, are too long."""

        dtype = "float64"

        def train(self, x: Any, y: Any, order: Any, size: int, eta: float) -> None:
            for k in range(0, len(order), size):
                chosen = order[k : k + size]
                self.update_mini_batch(x[:, chosen], y[:, chosen], eta)

        def update_mini_batch(self, x: Any, y: Any, eta: float) -> None:
            narrow = self.dtype == "float32"
            correct.update_mini_batch(self, x, y, 1.1 * eta if narrow else eta)
            if narrow:
                self.weights = [w.astype(np.float32) for w in self.weights]
                self.biases = [b.astype(np.float32) for b in self.biases]

        @classmethod
        def with_arithmetic(cls, name: str) -> type:
            if name != "float32":
                raise ValueError(name)
            return type("Narrow", (cls,), {"dtype": name})

    link = linked("training", Narrow, material)
    assert link.verdict is Verdict.DIFFERENT
    assert "(train in float32" in link.sentence


def test_an_exception_keeps_what_was_found_before_it(linked, correct, material) -> None:
    def trace(self: Any, x: Any) -> Any:
        if self.weights[0].max() > 20:  # the saturated start
            raise RuntimeError("too large for me")
        return correct.trace(self, x)

    link = linked("forward", changed(correct, trace=trace), material)
    assert link.verdict is Verdict.ERROR
    assert link.sentence == (
        "the candidate's own error: trace raised RuntimeError: too large for me "
        "(after trained, 5 examples that are no images)"
    )
    assert "in trace" in link.trace
    assert {d.case.split(",")[0] for d in link.differences} <= {"initial", "trained"}


@pytest.mark.parametrize("lost", [13, 8])
def test_lost_bits_are_caught_by_the_ratio_though_the_worst_case_allows_them(linked, lost) -> None:
    """TF32 loses 13 of an operand's 24: within the worst case of 784 terms, and yet wrong."""
    base: Any = ReferenceTwin.with_arithmetic("float32")

    def rounded(v: Any) -> Any:
        bits = v.view(np.uint32) + np.uint32(1 << lost - 1)
        return (bits & np.uint32(2**32 - (1 << lost))).view(np.float32)

    def trace(self: Any, x: Any) -> Any:
        self.net.weights = [rounded(w) for w in self.net.weights]
        zs, activations = base.trace(self, rounded(np.asarray(x, np.float32)))
        return zs, [x, *activations[1:]]

    candidate = changed(base, trace=trace, feedforward=None)
    link = linked("forward", candidate, synthetic_material((784, 20, 10)))
    assert link.verdict is Verdict.DIFFERENT
    broken = [d for d in link.broken if d.outside == 0]
    assert min(d.ratio or 0 for d in broken) > 32
    if lost == 8:  # the probabilistic bound alone allows one of them
        assert min(d.probable_share or 0 for d in broken) <= 1
    assert "times the reference's in float32" in link.sentence


# Data.


@pytest.mark.parametrize(
    ("verdict", "words", "spoil"),
    [
        ("different", "training images[",
         lambda sets: [(x * np.float32(256 / 255), y) for x, y in sets]),
        ("different", "training labels[", lambda sets: [(x, (y + 1) % 10) for x, y in sets]),
        ("different", "expected 6, received 9: it is split elsewhere",
         lambda sets: [sets[0], sets[2], sets[1]]),
        ("error", "expected (30, 784), received (30, 28, 28)",
         lambda sets: [(x.reshape(-1, 28, 28), y) for x, y in sets]),
        ("error", "expected floating-point numbers",
         lambda sets: [(x.astype(int), y) for x, y in sets]),
        ("error", "a pair (images, labels) each; received list of 2", lambda sets: sets[:2]),
    ],
)  # fmt: skip
def test_a_loader_that_differs_is_caught(
    linked, verdict, words, spoil, correct, digits_material
) -> None:
    def load_data(self: Any, path: Any) -> Any:
        return spoil([tuple(np.array(v) for v in part) for part in ReferenceTwin.load_data(path)])

    link = linked("data", changed(correct, load_data=load_data), digits_material)
    assert link.verdict == verdict
    assert words in link.sentence


def test_a_loader_is_called_twice_where_there_is_time(linked, correct, digits_material) -> None:
    def load_data(self: Any, path: Any, calls: list[None] = []) -> Any:  # noqa: B006
        calls.append(None)
        return ReferenceTwin.load_data(path)[:: 1 if len(calls) < 2 else -1]

    link = linked(
        "data", changed(correct, load_data=load_data), replace(digits_material, quick=False)
    )
    assert link.verdict is Verdict.DIFFERENT
    assert "called again" in link.sentence


@pytest.mark.parametrize("packed", ["plain", "torchvision", "gz", "pickle"])
def test_a_candidate_is_handed_a_folder_of_four_plain_files(
    linked, packed, correct, digits_material, tmp_path
) -> None:
    """However MNIST came, when it is diagnosed too: a loader need not search, or unpack."""
    names = list(SHA256)
    for name in names:
        content = (digits_material.folder / name).read_bytes()
        place = tmp_path / "MNIST" / "raw" / name if packed == "torchvision" else tmp_path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if packed == "gz":
            place, content = place.with_name(f"{name}.gz"), gzip.compress(content)
        place.write_bytes(content)
    folder = tmp_path
    if packed == "pickle":
        sets = [(np.array(x), np.array(y)) for x, y in ReferenceTwin.load_data(tmp_path)]
        folder = tmp_path / "mnist.pkl"
        folder.write_bytes(pickle.dumps(sets))
    seen: list[list[str]] = []

    def load_data(self: Any, path: Path) -> Any:
        seen.append(sorted(file.name for file in path.iterdir() if file.name in names))
        return ReferenceTwin.load_data(path)

    material = replace(digits_material, folder=folder, loaded=None)
    link = linked("data", changed(correct, load_data=load_data), material)
    assert link.verdict is Verdict.IDENTICAL, link.sentence
    assert seen == [sorted(names)]
    brighter = {"load_data": lambda net, path: [
        (v * np.float32(256 / 255), labels) for v, labels in load_data(net, path)]}  # fmt: skip
    host = InProcess(changed(correct, **brighter), "")
    told = diagnose(host, material, run("data", host, material))
    assert told.mistake == "pixels divided by 255"


def test_a_reference_loader_that_errs_is_caught_by_the_files_own_bytes(
    linked, digits_material
) -> None:
    sets = [(x + np.float32(1 / 256), y) for x, y in digits_material.loaded]
    link = linked("data", ReferenceTwin, replace(digits_material, loaded=sets))
    assert link.verdict is Verdict.DIFFERENT
    assert "the reference's loader" in link.sentence


# Training.


@pytest.mark.parametrize(
    ("examples", "case"),
    [(26, "train in fixed-point, 26 examples"), (100, "fixed-point, after epoch 1")],
)
def test_one_bit_in_a_fixed_point_epoch_is_caught(linked, examples: int, case: str) -> None:
    """In an epoch of all 100 examples by its fingerprint."""
    fixed: Any = ReferenceTwin.with_arithmetic("fixed-point")

    def train(self: Any, x: Any, *given: Any) -> None:
        fixed.train(self, x, *given)
        self.net.weights[0][0, 0] += 2.0**-21 * (x.shape[1] == examples)

    one_bit = changed(fixed, train=train)
    candidate = changed(ReferenceTwin, with_arithmetic=lambda name: {"fixed-point": one_bit}[name])
    link = linked("training", candidate, synthetic_material([12, 6, 4], examples=100))
    assert link.verdict is Verdict.DIFFERENT
    assert link.broken[0].case.startswith(case)
    assert (link.broken[0].outside, link.broken[0].index) == (1, (0, 0))
    for prints in link.details.get("fingerprints", ()):
        assert prints["reference"] != prints["candidate"]
    assert ("fingerprints" in link.details) == (examples == 100)


@pytest.mark.parametrize(
    ("change", "settings"),
    [
        (order(lambda v, size: slices(v.astype(np.int16), size)), {"throng": 33_000}),
        (order(lambda v, size: slices(v, size)[:205]), {"throng": 2_100, "quick": False}),
    ],
    ids=["an order kept in 16 bits", "mini-batches left out of a long epoch"],
)
def test_what_goes_wrong_in_long_epochs_alone_is_caught(linked, change, settings, material) -> None:
    candidate, many = changed(Columns, **change), replace(material, steps=2, crowd=600)
    assert linked("training", candidate, many).verdict in RIGHT
    link = linked("training", candidate, replace(many, **settings))
    assert f", {settings['throng']:,} examples in mini-batches" in link.broken[0].case


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
    monkeypatch.setitem(divergence.LEFT_ROUNDING, "float64", 1e-14)
    calm = replace(material, eta=0.5, steps=200)
    assert linked("training", ReferenceTwin, calm).verdict in RIGHT
    link = linked("training", changed(ReferenceTwin, update_mini_batch=update_mini_batch), calm)
    assert {d.tensor for d in link.broken} == {"distance"}


def test_with_a_large_eta_two_correct_networks_part_and_with_eta_half_they_do_not(
    linked, tmp_path, correct, material
) -> None:
    """The finding itself, with so large an eta that a short run of a small network shows it."""
    far = replace(material, eta=40.0, steps=400, divergence=tmp_path / "parting.png")
    link = linked("training", correct, far)
    assert link.verdict is Verdict.PARTED, link.sentence
    assert not link.broken
    assert "are two networks from step" in link.sentence
    fast, calm = link.details["free"]["runs"]
    assert fast["growth_per_1000_steps"] > 1e3
    assert calm["parted_at"] is None
    assert calm["differences"][-1] < 1e-12
    assert (tmp_path / "parting.png").read_bytes().startswith(b"\x89PNG")
    twice = linked("training", ReferenceTwin, replace(far, steps=350, divergence=None))
    assert twice.verdict in RIGHT


# Figures.


def test_a_digit_is_open_where_its_margin_is_within_what_two_outputs_may_be_off() -> None:
    outputs = np.array([[0.5, 0.5, 0.9], [0.5 + 1.9e-9, 0.5 + 2.1e-9, 0.1], [0.1, 0.1, 0.2]])
    allowed = np.full_like(outputs, 1e-9)
    assert undecided(outputs, allowed).tolist() == [True, False, False]


def test_where_rounding_may_choose_it_may_and_it_is_said_where(
    linked, correct, material, monkeypatch
) -> None:
    monkeypatch.setattr(figures, "BLOCK", 15)
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
    assert found["where"][16] == "the role of neuron 2, as it may fire on image 16"
    assert "rounding may choose 40 firings" in link.sentence


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("neurons.json", lambda v: v + b" "),
        ("neurons.json", lambda v: v.replace(b"role", b"rule", 1)),
        ("run.png", lambda v: v[:-20] + bytes([v[-20] ^ 1]) + v[-19:]),
    ],
)
def test_one_byte_of_a_file_is_found(linked, name, spoil, material, monkeypatch) -> None:
    made: list[dict[str, bytes]] = []
    honest = figures.files_of

    def files_of(*given: Any) -> dict[str, bytes]:
        made.append(honest(*given))
        return made[-1] if len(made) == 1 else {**made[-1], name: spoil(made[-1][name])}

    monkeypatch.setattr(figures, "files_of", files_of)
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


@pytest.mark.parametrize(
    ("shape", "files"),
    [("images", ["weights.png", "neuron-03.png"]), ("other", ["firing-rates.png"])],
)
def test_of_many_images_all_pictures_are_the_same_files(
    linked, shape, files, material, digits_material, monkeypatch
) -> None:
    monkeypatch.setattr(figures, "ALL_PICTURES", 5)
    seen = digits_material if shape == "images" else material
    link = linked("figures", TorchTwin.with_arithmetic("fixed-point"), seen)
    assert link.verdict is Verdict.IDENTICAL, link.sentence
    assert link.details["files"] == ["neurons.json", *files]
