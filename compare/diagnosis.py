"""What is wrong with a candidate that failed: the known mistake that answers as it does.

The first broken link says what to ask. The same questions are put to the candidate, to the
reference and to every mistaken network of `compare.mistakes`; one whose answers are the
candidate's to within rounding, where the right ones lie far away, is the diagnosis. Two questions
in a row show what a network should not remember. What no mistake explains is said to be unknown,
with the causally first tensor that is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compare.columns import Columns
from compare.difference import Link, Refused
from compare.host import Host
from compare.links import SETS
from compare.material import Material
from compare.mistakes import FORMATS, MISTAKES, STATED, Mistake, factors
from compare.trial import Trial
from model.parameters import Parameters

Array = NDArray[Any]
Answers = dict[str, Array]
Make = Callable[[Parameters], Any]
UNKNOWN = "none of the known mistakes"
# What an answer may be off by, relative to the largest entry of its tensor: some thousand unit
# roundoffs of float64, some hundred of float32 (so that TF32 stays far outside), a grid of 2**-21.
WITHIN = {"float64": 2.0**-41, "float32": 2.0**-16, "fixed-point": 2.0**-16}
EXACT = {"data": 2.0**-23, "initial weights": 0.0}  # handed out as they were taken over
LOOSE = {"training": 2.0**10}  # times that: an epoch of a few steps amplifies it a little
CLEARLY = 16.0  # times that is what a mistake must at least change
EPOCH, MINI_BATCH = 18, 5  # the epoch that is tried: a last mini-batch of three
ALIKE = 0.8  # correlation of errors that are those of one number format; chance gives 0.1
ENOUGH = 40  # entries of a tensor to tell that by
EDGE = 100  # rows at both ends of a set that stand for it


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong with a candidate: the name of a mistake, and what to change."""

    mistake: str
    sentence: str


@dataclass(frozen=True)
class Lesson:
    """The questions of one link, to a network that starts from given parameters."""

    link: str
    material: Material
    start: Parameters

    @property
    def m(self) -> int:
        """Examples in a mini-batch: a prime that is no size of a layer, and is no factor 10."""
        return next((m for m in (7, 11, 13) if m not in self.start.sizes), 7)

    def batch(self, k: int) -> tuple[Array, Array]:
        """Return the k-th mini-batch as fresh columns."""
        return self.material.batch(np.arange(k * self.m, (k + 1) * self.m))

    def answers(self, make: Make) -> Answers:
        """Return what a network answers, in causal order; without what it does not offer."""
        found: Answers = {}
        for name, value in LESSONS[self.link](self, make):
            found[name] = np.array(value, dtype=np.float64)
        return found

    def predicted(self, mistake: Mistake, strength: float) -> Answers:
        """Return what a mistaken network answers; the same for every candidate."""
        kept = self.material.__dict__.setdefault("_predicted", {})
        key = (mistake, strength, self.link, id(self.start))
        if key not in kept:
            kept[key] = self.answers(with_parameters(mistake.network(strength)))
        return dict(kept[key])

    def within(self) -> float:
        """Return what rounding explains, relative to the largest entry of a tensor."""
        return EXACT.get(self.link, WITHIN[self.material.dtype]) * LOOSE.get(self.link, 1.0)


Named = Iterator[tuple[str, Array]]


def ask_data(lesson: Lesson, make: Make) -> Named:
    """Yield the sizes of the sets, and both ends of each: the whole would take too long."""
    net, folder = make(lesson.start), str(lesson.material.folder)
    if isinstance(net, Columns):
        sets = [(len(v), net.pixels(ends(v)), net.digits(ends(w))) for v, w in net.sets(folder)]
    else:
        flat = net.load_data(folder)
        pairs = zip(flat[::2], flat[1::2], strict=True)
        sets = [(len(v), ends(v), ends(w)) for v, w in pairs]
    for k, (count, images, labels) in enumerate(sets):
        yield f"{SETS[2 * k]} count", np.array(count)
        yield SETS[2 * k], images
        yield SETS[2 * k + 1], labels


def ends(rows: Array) -> Array:
    return rows if len(rows) <= 2 * EDGE else np.concatenate([rows[:EDGE], rows[-EDGE:]])


def ask_start(lesson: Lesson, make: Make) -> Named:
    yield from exported(make(lesson.start))


def exported(net: Any) -> Named:
    weights, biases = net.export()
    yield from ((f"weights[{k}]", v) for k, v in enumerate(weights))
    yield from ((f"biases[{k}]", v) for k, v in enumerate(biases))


def ask_forward(lesson: Lesson, make: Make) -> Named:
    p = lesson.material
    other = make(p.trained if lesson.start is p.initial else p.initial)
    net, batches = make(lesson.start), [lesson.batch(0)[0], lesson.batch(1)[0]]
    for asked, which, x in ((other, 2, batches[0]), (net, 0, batches[0]), (net, 1, batches[1])):
        if offers(asked, "trace"):
            zs, activations = asked.trace(x)
            for k, (z, a) in enumerate(zip(zs, activations[1:], strict=True)):
                yield f"zs[{k}] #{which}", z
                yield f"activations[{k + 1}] #{which}", a
        yield f"output #{which}", asked.feedforward(x)
    if offers(net, "evaluate"):
        images = lesson.material.test_images.T.astype(np.float64)
        yield "evaluate", np.array(net.evaluate(images, lesson.material.test_labels))
    if offers(net, "held") and len(lesson.start.sizes) > 2:
        yield "held", net.held(batches[0], 0, 0.25)


def ask_gradients(lesson: Lesson, make: Make) -> Named:
    net = make(lesson.start)
    for k in (0, 1):
        nabla_b, nabla_w = net.backprop(*lesson.batch(k))
        for layer in reversed(range(len(nabla_b))):
            yield f"nabla_b[{layer}] #{k}", nabla_b[layer]
            yield f"nabla_w[{layer}] #{k}", nabla_w[layer]
    if offers(net, "trace"):
        net = make(lesson.start)
        net.trace(lesson.batch(0)[0])
        for layer, nabla in enumerate(net.backprop(*lesson.batch(1))[1]):
            yield f"nabla_w[{layer}] after trace", nabla
    if offers(net, "deltas"):
        for layer, delta in enumerate(make(lesson.start).deltas(*lesson.batch(0))):
            yield f"deltas[{layer}]", delta


def ask_update(lesson: Lesson, make: Make) -> Named:
    net = make(lesson.start)
    old = list(exported(net))
    for k in (0, 1):
        net.update_mini_batch(*lesson.batch(k), lesson.material.eta)
        new = list(exported(net))
        for (name, v), (_, w) in zip(old, new, strict=True):
            yield f"step of {name} #{k}", np.asarray(w) - np.asarray(v)
        old = new
    yield from ((f"new {name}", v) for name, v in old)


def ask_training(lesson: Lesson, make: Make) -> Named:
    net = make(lesson.start)
    if not offers(net, "train"):
        return
    order = np.random.default_rng(3).permutation(EPOCH)
    x, y = lesson.material.batch(np.arange(EPOCH))
    net.train(x, y, order, MINI_BATCH, lesson.material.eta)
    yield from exported(net)


LESSONS: dict[str, Callable[[Lesson, Make], Named]] = {
    "data": ask_data,
    "initial weights": ask_start,
    "forward": ask_forward,
    "gradients": ask_gradients,
    "update": ask_update,
    "training": ask_training,
}
# What is asked where a link broke, and whose mistakes may explain it.
ASKED = {
    "data": ("data",),
    "initial weights": ("initial weights",),
    "forward": ("forward",),
    "gradients": ("gradients",),
    "update": ("update",),
    "training": ("update", "training"),
    "predictions": ("forward",),
    "figures": ("forward",),
}
BESIDES = {"forward": ("predictions", "figures")}


def offers(net: Any, name: str) -> bool:
    """Return whether a network has a method, whether it is asked by way of a trial or not."""
    return bool(net.offers(name)) if isinstance(net, Trial) else callable(getattr(net, name, None))


def diagnose(
    host: Host, material: Material, link: Link, mistakes: Iterable[Mistake] = MISTAKES
) -> Diagnosis:
    """Return the known mistake that explains why a link is different."""
    if link.mistake:
        return Diagnosis(link.mistake, link.sentence)
    rows = list(mistakes)
    first = ""
    try:
        for question in ASKED.get(link.name, ()):
            for name, start in material.starts.items():
                if name == "zeros":  # nothing can be told apart there
                    continue
                found = examined(host, Lesson(question, material, start), rows)
                if isinstance(found, Diagnosis):
                    return found
                first = first or found
        alone = together_and_alone(host, material)
        if alone:
            return alone
    except Refused as refused:
        if refused.mistake:
            return Diagnosis(refused.mistake, str(refused))
        first = f"looking closer, {refused}"
    except Exception as error:  # whatever it is, the verdict stands
        first = f"looking closer, {error}"
    wrong = first or link.sentence
    return Diagnosis(UNKNOWN, f"{UNKNOWN} explains the numbers of the link {link.name}: {wrong}")


def examined(host: Host, lesson: Lesson, mistakes: list[Mistake]) -> Diagnosis | str:
    """Return what explains a candidate's answers, else which one is wrong first, in words."""

    def candidate(parameters: Parameters) -> Trial:
        return Trial(host, parameters)

    with np.errstate(all="ignore"):
        found = lesson.answers(candidate)
        right = lesson.answers(with_parameters(Columns))
        common = {name: right[name] for name in found}
        wrong = first_wrong(found, common, lesson.within())
        if wrong is None:
            return ""
        if lesson.link != "data" and first_wrong(lesson.answers(candidate), found, lesson.within()):
            return CHANGING
        links = (lesson.link, *BESIDES.get(lesson.link, ()))
        if lesson.link == "update" and not candidate(lesson.start).offers("backprop"):
            links = ("update", "gradients")
        rows = [m for link in links for m in mistakes if m.link == link]
        for explain in (all_zero, known, known_with_a_factor, in_a_format, *PROBES[lesson.link]):
            explained = explain(host, lesson, rows, found, common)
            if explained is not None:
                return explained
    return f"{wrong.split(' #')[0]} is the first that is wrong"


def with_parameters(network: Any) -> Make:
    return lambda p: network(list(p.sizes), list(p.weights), list(p.biases))


def first_wrong(found: Answers, right: Answers, within: float) -> str | None:
    """Return the causally first answer that is wrong, or None."""
    return next((n for n in found if apart(found[n], right[n]) > CLEARLY * within), None)


def apart(v: Array, w: Array) -> float:
    """Return the largest difference of any entry, relative to the largest entry."""
    if v.shape != w.shape or not v.size or not (np.isfinite(v).all() and np.isfinite(w).all()):
        return float(np.inf)
    size = max(float(np.abs(v).max()), float(np.abs(w).max()))
    return float(np.abs(v - w).max() / size) if size else 0.0


def misfit(found: Answers, predicted: Answers) -> float:
    """Return the largest difference of any answer."""
    return max((apart(v, predicted[name]) for name, v in found.items()), default=np.inf)


def explains(predicted: Answers, found: Answers, right: Answers, within: float) -> bool:
    """Return whether a prediction is what was found, and clearly not what is right."""
    return (
        misfit(found, predicted) <= within < misfit(predicted_of(predicted, found), right) / CLEARLY
    )


def predicted_of(predicted: Answers, found: Answers) -> Answers:
    return {name: predicted[name] for name in found}


def known(
    host: Host, lesson: Lesson, rows: list[Mistake], found: Answers, right: Answers
) -> Diagnosis | None:
    """Return the mistake whose network answers as the candidate does."""
    within = slack(lesson)
    for mistake in rows:
        if mistake.format:
            continue
        for strength in strengths_of(mistake, lesson, found, right):
            predicted = lesson.predicted(mistake, strength)
            if explains(predicted, found, right, max(within, mistake.tolerance)):
                return described(mistake, strength, lesson)
    return None


def slack(lesson: Lesson) -> float:
    return max(lesson.within(), 2.0**-52)


def strengths_of(
    mistake: Mistake, lesson: Lesson, found: Answers, right: Answers
) -> Iterator[float]:
    """Yield the strengths that a mistake may have, as far as the candidate's answers tell."""
    if mistake.strengths:
        yield from mistake.strengths
    elif mistake.read is not None:
        strength = mistake.read(found, lesson.material.eta)
        if strength is not None and np.isfinite(strength) and strength != 0:
            yield strength
    elif mistake.scaled:
        name = next(iter(found))
        one = lesson.predicted(mistake, 1.0)[name]
        yield float(np.vdot(one, found[name]) / np.vdot(one, one)) if one.any() else 0.0
    elif mistake.harmless is None:
        yield 1.0
    else:
        wrong = lesson.predicted(mistake, STATED)
        for name, v in found.items():  # the first answer that it changes is linear in it
            effect, by = wrong[name] - right[name], v - right[name]
            if effect.shape != by.shape or not np.isfinite(by).all():
                return
            if np.abs(effect).max() > CLEARLY * slack(lesson) * np.abs(right[name]).max():
                share = float(np.vdot(effect, by) / np.vdot(effect, effect))
                if abs(share) > CLEARLY * lesson.within():
                    yield mistake.harmless + (STATED - mistake.harmless) * share
                return


def described(mistake: Mistake, strength: float, lesson: Lesson) -> Diagnosis:
    """Return a mistake as a diagnosis, its strength told by what it stands for."""
    told = digits(strength)
    if not mistake.meanings:
        return Diagnosis(mistake.name.replace("{}", told), filled(mistake.advice, told))
    known = factors(lesson.m, lesson.start.sizes[-1], lesson.material.eta)
    meant = [row for row in known if row[1 + mistake.meanings] and same(row[1], strength, lesson)]
    name = meant[0][0] if meant else told
    means = "; or ".join(str(row[1 + mistake.meanings]) for row in meant)
    tried = f"{told} (a mini-batch of {lesson.m}, {lesson.start.sizes[-1]} digits)"
    where = "cost" if lesson.link == "gradients" else "step"
    advice = means or f"look for that number where the {where} is computed"
    return Diagnosis(mistake.name.replace("{}", name), mistake.advice.format(tried, advice))


def filled(advice: str, told: str) -> str:
    return advice.replace("{0}", told).replace("{}", told)


def same(value: float, strength: float, lesson: Lesson) -> bool:
    return abs(strength / value - 1) < 2.0**10 * lesson.within()


def digits(v: float) -> str:
    """Return a number with the digits that matter: those of its difference from 1, near 1."""
    if WITHIN["float64"] < abs(v - 1) < 1e-3:
        return f"1 {'+' if v > 1 else '-'} {abs(v - 1):.2g}"
    return f"{v:.6g}"


def known_with_a_factor(
    host: Host, lesson: Lesson, rows: list[Mistake], found: Answers, right: Answers
) -> Diagnosis | None:
    """Return a mistake of the gradient together with a known factor."""
    if lesson.link != "gradients":
        return None
    nablas = {name: v for name, v in found.items() if name.startswith("nabla")}
    for mistake in rows:
        if mistake.format or mistake.harmless is not None or mistake.read or mistake.strengths:
            continue
        predicted = lesson.predicted(mistake, STATED)
        name = next(iter(nablas))
        size = float(np.vdot(predicted[name], predicted[name]))
        c = float(np.vdot(predicted[name], nablas[name])) / size if size else 0.0
        for factor, value, meaning, _ in factors(lesson.m, lesson.start.sizes[-1], 0.5):
            both = {n: value * predicted[n] for n in nablas}
            if meaning and same(value, c, lesson) and explains(both, nablas, right, slack(lesson)):
                told = described(mistake, 1.0, lesson)
                return Diagnosis(
                    f"{told.mistake}, and factor {factor}",
                    f"{told.sentence}; besides, everything is {digits(c)} times that: {meaning}",
                )
    return None


def in_a_format(
    host: Host, lesson: Lesson, rows: list[Mistake], found: Answers, right: Answers
) -> Diagnosis | None:
    """Return the number format that reproduces the candidate's errors in the first wrong tensor.

    Either its errors are those of the same step in that format, or its numbers are all numbers of
    that format, and are off by as much as that step is.
    """
    many = {n: v for n, v in found.items() if v.size >= ENOUGH}
    wrong = str(first_wrong(many, right, lesson.within())).split(" #")[0]
    names = [n for n in many if n.split(" #")[0] == wrong]
    if not names or any(found[n].shape != right[n].shape for n in names):
        return None
    theirs, ours = ([v[n] for n in names] for v in (found, right))
    error = flat(theirs) - flat(ours)
    best: tuple[float, Mistake] | None = None
    for mistake in (m for m in rows if m.format and m.format != lesson.material.dtype):
        predicted = lesson.predicted(mistake, STATED)
        other = flat([predicted[n] for n in names]) - flat(ours)
        likeness = alike(error, other)
        to = FORMATS[mistake.format][0]
        written = all(v.any() and np.array_equal(to(v), v) for v in theirs)
        if written and not np.array_equal(to(ours[0]), ours[0]) and of_one_size(error, other, 3):
            likeness = max(likeness, 0.99)
        if likeness > (best[0] if best else ALIKE):
            best = likeness, mistake
    if best is None:
        return None
    return Diagnosis(best[1].name, f"{wrong} has the errors of {best[1].format}: {best[1].advice}")


def flat(arrays: list[Array]) -> Array:
    return np.concatenate([v.ravel() for v in arrays])


def of_one_size(error: Array, other: Array, factor: float) -> bool:
    """Return whether errors are neither 0 nor infinite, and of a size but for a factor."""
    sizes = [float(np.sqrt(np.mean(np.square(v)))) for v in (error, other)]
    return bool(np.isfinite(sizes).all() and 0 < max(sizes) <= factor * min(sizes))


def alike(error: Array, other: Array) -> float:
    """Return how errors correlate, 0 where they are of another size."""
    if not of_one_size(error, other, 2.5):
        return 0.0
    return float(error @ other / np.sqrt((error @ error) * (other @ other)))


CHANGING = Diagnosis(
    "answers that change from call to call",
    "the same question gets another answer the second time: switch off dropout (net.eval()) and "
    "noise, shuffle nothing by yourself, and keep nothing between networks",
)


# What no row can say, as it has no formula: probes of the candidate itself.


def by_company(
    host: Host, lesson: Lesson, rows: Any, found: Answers, right: Answers
) -> Diagnosis | None:
    """Find answers that depend on the other examples of the batch."""
    trial, x = Trial(host, lesson.start), lesson.batch(0)[0]
    if apart(trial.feedforward(x[:, :1]), trial.feedforward(x)[:, :1]) <= 1e-3:
        return None  # a sum in another order differs a little, in narrow formats
    return Diagnosis(
        "answers that depend on the rest of the batch",
        "an example gets another answer alone than in a batch: use no statistics of the batch, as "
        "batch normalisation does (net.eval()), and look at how a batch is cut up",
    )


def another_feedforward(
    host: Host, lesson: Lesson, rows: Any, found: Answers, right: Answers
) -> Diagnosis | None:
    """Find a feedforward that is not the output of trace."""
    wrong = {n for n in found if apart(found[n], right[n]) > CLEARLY * lesson.within()}
    if not wrong or any(not n.startswith("output") for n in wrong) or len(found) == len(wrong):
        return None
    return Diagnosis(
        "feedforward is not the output of trace",
        "trace is right and feedforward is not: return the last activation, its sigmoid included",
    )


def all_zero(
    host: Host, lesson: Lesson, rows: Any, found: Answers, right: Answers
) -> Diagnosis | None:
    """Find gradients, or steps, that are missing, the others being right."""
    if lesson.link not in ("gradients", "update"):
        return None
    empty = [n for n in found if not found[n].any() and right[n].any()]
    first = {n: v for n, v in found.items() if not n.startswith("new") and "#1" not in n}
    rest = {n: v for n, v in first.items() if n not in empty and "after" not in n}
    if not empty or (rest and misfit(rest, right) > CLEARLY * lesson.within() and len(rest) > 1):
        return None
    names = sorted({n.split(" #")[0].removeprefix("step of ") for n in empty})
    if lesson.link == "gradients":
        return Diagnosis(
            "no gradient in a layer",
            f"{', '.join(names)}: zero, and the rest is right: delta does not get there (a detach, "
            "torch.no_grad, requires_grad=False, a loop that ends early)",
        )
    kinds = {name.split("[")[0] for name in names}
    layers = len(lesson.start.weights)
    whole = len(kinds) == 1 and len(names) == layers
    return Diagnosis(
        f"{kinds.pop()} not updated" if whole else "a layer that is not updated",
        f"{', '.join(names)} did not move, and the rest is right: subtract (eta / m) nabla from "
        "every one",
    )


def a_few_entries(
    host: Host, lesson: Lesson, rows: Any, found: Answers, right: Answers
) -> Diagnosis | None:
    """Find a few wrong entries, one in a hundred at most, where the others are right."""
    first = {
        n: v
        for n, v in found.items()
        if not n.startswith(("new", "eval")) and "#1" not in n and "after" not in n
    }
    if any(v.shape != right[n].shape for n, v in first.items()):
        return None
    wrong = [
        (n, tuple(int(i) for i in where))
        for n, v in first.items()
        for where in np.argwhere(np.abs(v - right[n]) > lesson.within() * np.abs(right[n]).max())
    ]
    count = sum(v.size for v in first.values())
    if not 0 < len(wrong) <= max(1, count // 100):
        return None
    name, where = wrong[0]
    one = len(wrong) == 1
    return Diagnosis(
        "a single entry" if one else "a few entries",
        f"{len(wrong)} of {count:,} entries {'is' if one else 'are'} wrong, the first "
        f"{name.split(' #')[0]}{list(where)}, {float(found[name][where])!r} for "
        f"{float(right[name][where])!r}: look where entries are read or written one by one",
    )


def own_start(
    host: Host, lesson: Lesson, rows: Any, found: Answers, right: Answers
) -> Diagnosis | None:
    """Find parameters that have nothing to do with those handed in."""
    strange = []
    for kind in ("biases", "weights"):
        v, w = (np.concatenate([u[n].ravel() for n in u if n.startswith(kind)]) for u in
                (found, right))  # fmt: skip
        related = (v == w).any() or abs(np.corrcoef(v, w)[0, 1]) > 4 / np.sqrt(v.size)
        strange += [] if related else [kind]
    if len(strange) == 2:
        return Diagnosis(
            "its own random start",
            "its parameters have nothing to do with those handed in: take over weights and biases "
            "instead of drawing them",
        )
    if not strange or any(apart(found[n], right[n]) for n in found if not n.startswith(strange[0])):
        return None
    return Diagnosis(
        f"{strange[0]} not taken over",
        f"not one of the {strange[0]} is that handed in, and the others are: take them over too",
    )


def another_order(
    host: Host, lesson: Lesson, rows: Any, found: Answers, right: Answers
) -> Diagnosis | None:
    """Find an epoch that is right where order cannot matter: where every example is the same."""
    x, y = lesson.material.batch(np.zeros(EPOCH, dtype=np.intp))
    theirs = Trial(host, lesson.start)
    ours = with_parameters(Columns)(lesson.start)
    for net in (theirs, ours):
        net.train(x, y, np.arange(EPOCH), MINI_BATCH, lesson.material.eta)
    after = [dict(exported(net)) for net in (theirs, ours)]
    if misfit(*after) > lesson.within():
        return None
    return Diagnosis(
        "an order of its own",
        "an epoch of one example repeated, where order does not matter, is right, and another is "
        "not: look at which examples every mini-batch takes, in the order given",
    )


def shuffled(
    host: Host, lesson: Lesson, rows: Any, found: Answers, right: Answers
) -> Diagnosis | None:
    """Find a loader whose sets hold the right examples in another order."""
    theirs = Trial(host, lesson.start).load_data(lesson.material.folder)
    sets = with_parameters(Columns)(lesson.start).load_data(lesson.material.folder)
    for k, (images, labels) in enumerate(sets):
        both = [(theirs[2 * k], theirs[2 * k + 1]), (images, labels)]
        if len({sorted_rows(*pair) for pair in both}) > 1:
            return None
    return Diagnosis(
        "shuffled examples",
        "every set holds the right examples, in another order: the loader keeps that of the file",
    )


def sorted_rows(images: Array, labels: Array) -> int:
    """Return a hash of the examples that does not depend on their order."""
    rows = zip(np.asarray(images, dtype=np.float32), labels, strict=False)
    return sum(hash((v.tobytes(), int(label))) for v, label in rows)


def by_quotient(
    host: Host, lesson: Lesson, rows: Any, found: Answers, right: Answers
) -> Diagnosis | None:
    """Find a gradient by difference quotients: its errors are those of a step, by the biases."""
    x, y = lesson.batch(0)
    last = len(lesson.start.biases) - 1
    name = f"nabla_b[{last}] #0"
    error = (found[name] - right[name]).ravel()

    def cost(neuron: int, by: float) -> float:
        net = with_parameters(Columns)(lesson.start)
        net.biases[last][neuron] += by
        return float(np.sum((net.feedforward(x) - y) ** 2) / 2)

    for h in (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8):
        for above, below in ((h, -h), (h, 0.0), (0.0, -h)):
            slope = [(cost(n, above) - cost(n, below)) / (above - below) for n in range(error.size)]
            wrong = np.array(slope) - right[name].ravel()
            if error.any() and np.linalg.norm(error - wrong) < 0.3 * np.linalg.norm(error):
                return Diagnosis(
                    "finite differences",
                    f"the gradient is a difference quotient of the cost with a step of {h:g}: "
                    "derive it (BP1 to BP4), or keep the quotient for tests",
                )
    return None


def together_and_alone(host: Host, material: Material) -> Diagnosis | None:
    """Find test images that are answered wrong in one large batch, and right in a small one."""
    x, trained = material.test_images.T.astype(np.float64), material.trained
    trial, ours = Trial(host, trained), with_parameters(Columns)(trained)
    within = CLEARLY * WITHIN[material.dtype]
    for name, what in (("output", "large batches"), ("zs[0]", "hidden neurons in large batches")):

        def asked(net: Any, x: Array, name: str = name) -> Array:
            if name == "output":
                return np.asarray(net.feedforward(x))
            return np.asarray(net.trace(x)[0][0] if offers(net, "trace") else net.feedforward(x))

        found, right = asked(trial, x), asked(ours, x)
        size = float(np.abs(right).max())
        wrong = np.flatnonzero(np.abs(found - right).max(axis=0) > within * size)
        few = wrong[:7]
        if wrong.size and np.abs(asked(trial, x[:, few]) - right[:, few]).max() <= within * size:
            return Diagnosis(
                what,
                f"{wrong.size:,} of {x.shape[1]:,} test images get a wrong {name} together, the "
                f"first of them number {wrong[0]}, and the right one in a small batch: look at how "
                "the blocks of a large batch are cut up and put together",
            )
    return None


PROBES: dict[str, tuple[Callable[..., Diagnosis | None], ...]] = {
    "data": (shuffled,),
    "initial weights": (a_few_entries, own_start),
    "forward": (by_company, another_feedforward, a_few_entries),
    "gradients": (a_few_entries, by_quotient),
    "update": (a_few_entries,),
    "training": (another_order,),
}
