"""What is wrong with a candidate that failed: the known mistake that answers as it does.

The first broken link says what to ask. The same questions are put to the candidate, to the
reference and to every mistaken network of `compare.mistakes`; one whose answers are the
candidate's to within rounding, where the right ones lie far away, is the diagnosis. Two questions
in a row show what a network should not remember. What no mistake explains is said to be unknown,
with the causally first tensor that is wrong.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compare.balls import named
from compare.columns import Columns
from compare.difference import Link, Refused
from compare.host import Host
from compare.links import SETS, exported
from compare.material import Material
from compare.mistakes import MISTAKES, OF_COST, OF_STEP, STATED, Mistake, cut, factors
from compare.trial import Trial
from model.parameters import Parameters

Array = NDArray[Any]
Answers = dict[str, Array]
Named = Iterator[tuple[str, Array]]
Make = Callable[[Parameters], Any]
UNKNOWN = "none of the known mistakes"
# What an answer may be off by, relative to the largest entry of its tensor: some thousand unit
# roundoffs of float64, some hundred of float32 (so that TF32 stays far outside), a grid of 2**-21.
WITHIN = {"float64": 2.0**-41, "float32": 2.0**-16, "fixed-point": 2.0**-16}
EXACT = {"data": 2.0**-23, "initial weights": 2.0**-52}  # handed out as they were taken over
LOOSE = {"training": 2.0**4}  # times that: an epoch of a few steps amplifies it a little
CLEARLY = 16.0  # times that is what a mistake must at least change
NOTHING = 2.0**-50  # a strength that is 0 but for rounding
STEPS = 3  # in a row: a learning rate that falls is otherwise a gradient that is clipped
LOUD = 256.0  # errors a - y so many times as large, which a limit changes
QUIET = {"float64": 2.0**-12, "float32": 2.0**-4, "fixed-point": 1.0}  # and which none does
EPOCH, MINI_BATCH = 18, 5  # the epoch that is tried: a last mini-batch of three
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
    blind: bool = False  # gradients are seen in steps alone

    @property
    def m(self) -> int:
        """Examples in a mini-batch: a prime that is no size of a layer, and is no factor 10."""
        return next((m for m in (7, 11, 13) if m not in self.start.sizes), 7)

    @property
    def other(self) -> Parameters:
        """Another start."""
        p = self.material
        return p.trained if self.start is p.initial else p.initial

    @property
    def within(self) -> float:
        """What rounding explains, relative to the largest entry of a tensor."""
        return EXACT.get(self.link, WITHIN[self.material.dtype]) * LOOSE.get(self.link, 1.0)

    def batch(self, k: int, error: float = 1.0) -> tuple[Array, Array]:
        """Return the k-th mini-batch as fresh columns, a - y at the start times a number."""
        x, y = self.material.batch(np.arange(k * self.m, (k + 1) * self.m))
        if error != 1:
            a = Columns.of(self.start).feedforward(x)
            y = a + error * (y - a)
            y = rounded(np.float32, y) if self.material.dtype == "float32" else y
        return x, y

    def rooms(self, right: Answers) -> dict[str, float]:
        """Return what rounding explains of every answer, relative to its largest entry.

        Parameters are rounded after a step, in fixed-point deltas are too, however small these are.
        """
        new = (float(np.abs(v).max()) for name, v in right.items() if name.startswith("new"))
        largest, fixed = max(new, default=0.0), self.material.dtype == "fixed-point"
        last_bit = 2.0**-22 if self.material.dtype == "float32" else 2.0**-51
        grain = 2.0**-19 if fixed else last_bit * largest
        kinds = ("step", "nabla", "deltas") if fixed else ("step",)
        rooms = dict.fromkeys(right, self.within)
        for name, v in right.items():
            if name.startswith(kinds) and v.any():
                rooms[name] = max(self.within, grain / float(np.abs(v).max()))
        return rooms

    def answers(self, make: Make) -> Answers:
        """Return what a network answers, in causal order; without what it does not offer."""
        asked = LESSONS[self.link](self, make)
        return {name: np.array(value, dtype=np.float64) for name, value in asked}

    def predicted(self, mistake: Mistake, strength: float) -> Answers:
        """Return what a mistaken network answers; the same for every candidate."""
        kept = self.material.__dict__.setdefault("_predicted", {})
        key = (mistake, strength, self.link, id(self.start))
        if key not in kept:
            kept[key] = self.answers(mistake.network(strength).of)
        return dict(kept[key])


def offers(net: Any, name: str) -> bool:
    """Return whether a network has a method, whether it is asked by way of a trial or not."""
    return bool(net.offers(name)) if isinstance(net, Trial) else callable(getattr(net, name, None))


# What is asked.


def ask_data(lesson: Lesson, make: Make) -> Named:
    """Yield the sizes of the sets, and both ends of each: the whole would take too long."""

    def ends(rows: Array) -> Array:
        return rows if len(rows) <= 2 * EDGE else np.concatenate([rows[:EDGE], rows[-EDGE:]])

    net, folder = make(lesson.start), str(lesson.material.plain_folder)
    if isinstance(net, Columns):
        sets = [(len(v), net.pixels(ends(v)), net.digits(ends(w))) for v, w in net.sets(folder)]
    else:
        flat = net.load_data(folder)
        sets = [(len(v), ends(v), ends(w)) for v, w in zip(flat[::2], flat[1::2], strict=True)]
    for k, (count, images, labels) in enumerate(sets):
        yield f"{SETS[2 * k]} count", np.array(count)
        yield SETS[2 * k], images
        yield SETS[2 * k + 1], labels


def forward(net: Any, x: Array) -> Named:
    """Yield everything that a network computes of x."""
    if offers(net, "trace"):
        zs, activations = net.trace(x)
        layers = named(activations=activations, zs=zs)
        del layers["activations[0]"]  # x, however it is seen
        yield from layers.items()
    yield "feedforward", net.feedforward(x)


def ask_start(lesson: Lesson, make: Make) -> Named:
    net = make(lesson.start)
    yield from exported(net).items()
    make(lesson.other)
    yield from ((f"{name} after another was built", v) for name, v in exported(net).items())


def ask_forward(lesson: Lesson, make: Make) -> Named:
    p, (x, _), (y, _) = lesson.material, lesson.batch(0), lesson.batch(1)
    other = make(p.trained if lesson.start is p.initial else p.initial)
    net = make(lesson.start)
    for k, (asked, columns) in enumerate(((other, x), (net, x), (net, y))):
        yield from ((f"{name} #{k}", v) for name, v in forward(asked, columns))
    if offers(net, "evaluate"):
        images = p.test_images.T.astype(np.float64)
        yield "evaluate", np.array(net.evaluate(images, p.test_labels))
    if offers(net, "held") and len(lesson.start.sizes) > 2:
        yield "held", net.held(x, 0, 0.25)


def ask_gradients(lesson: Lesson, make: Make) -> Named:
    net = make(lesson.start)
    for k in (0, 1):
        nabla_b, nabla_w = net.backprop(*lesson.batch(k))
        layers = {"nabla_w": nabla_w, "nabla_b": nabla_b}
        if k == 0 and offers(net, "deltas"):
            layers["deltas"] = make(lesson.start).deltas(*lesson.batch(0))
        yield from ((f"{name} #{k}", v) for name, v in reversed(named(**layers).items()))
    if offers(net, "trace"):
        net = make(lesson.start)
        net.trace(lesson.batch(0)[0])
        for layer, nabla in enumerate(net.backprop(*lesson.batch(1))[1]):
            yield f"nabla_w[{layer}] after trace", nabla


def ask_update(lesson: Lesson, make: Make) -> Named:
    eta, floating = lesson.material.eta, lesson.material.dtype != "fixed-point"
    net = make(lesson.start)
    start = here = exported(net)

    def step(net: Any, here: Answers, batch: tuple[Array, Array], eta: float, when: str) -> Answers:
        net.update_mini_batch(*batch, eta)
        return {f"step of {name} {when}": v - here[name] for name, v in exported(net).items()}

    for k in range(STEPS):
        yield from step(net, here, lesson.batch(k), eta, f"#{k}").items()
        here = exported(net)
    yield from ((f"new {name}", v) for name, v in here.items())
    if floating:
        yield from step(net, here, lesson.batch(STEPS, LOUD), eta, f"#{STEPS}").items()
    quiet, other = lesson.batch(0, QUIET[lesson.material.dtype]), eta / 10  # no float32 number
    yield from step(make(lesson.start), start, quiet, other, "at another eta").items()
    if offers(net, "backprop"):
        net = make(lesson.start)
        net.backprop(*lesson.batch(1))
        yield from step(net, start, lesson.batch(0), eta, "after backprop").items()


def ask_training(lesson: Lesson, make: Make) -> Named:
    for after in ("", " after backprop"):
        net = make(lesson.start)
        if not offers(net, "train") or (after and not offers(net, "backprop")):
            return
        if after:
            net.backprop(*lesson.batch(1))
        order = np.random.default_rng(3).permutation(EPOCH)
        x, y = lesson.material.batch(np.arange(EPOCH))
        net.train(x, y, order, MINI_BATCH, lesson.material.eta)
        yield from ((f"{name}{after}", v) for name, v in exported(net).items())


LESSONS: dict[str, Callable[[Lesson, Make], Named]] = {
    "data": ask_data,
    "initial weights": ask_start,
    "forward": ask_forward,
    "gradients": ask_gradients,
    "update": ask_update,
    "training": ask_training,
}
# What is asked where a link broke, if not its own lesson, and whose mistakes may explain it too.
ASKED = {"training": ("update", "training"), "predictions": ("forward",), "figures": ("forward",)}
BESIDES = {"forward": ("predictions", "figures"), "blind": ("gradients",)}


def diagnose(
    host: Host, material: Material, link: Link, mistakes: Iterable[Mistake] = MISTAKES
) -> Diagnosis:
    """Return the known mistake that explains why a link is different."""
    if link.mistake:
        return Diagnosis(link.mistake, link.sentence)
    rows, first = list(mistakes), ""
    try:
        for question in ASKED.get(link.name, (link.name,)):
            for name, start in material.starts.items():
                if name == "zeros":  # nothing can be told apart there
                    continue
                blind = question == "update" and not Trial(host, start).offers("backprop")
                found = examined(host, Lesson(question, material, start, blind), rows)
                if isinstance(found, Diagnosis):
                    return found
                first = first or found
        if not first and (material.dtype, link.name) == ("fixed-point", "initial weights"):
            told = "parameters are exported as they were handed in: round them to the grid of "
            return Diagnosis("not on the grid", f"{told}fixed-point numbers (docs/arithmetic.md)")
        x = material.test_images.T.astype(np.float64)
        alone = by_company(host, Lesson("predictions", material, material.trained), x)
        if alone:
            return alone
    except Refused as refused:
        if refused.mistake and not first:  # what is wrong without overflow is not that
            return Diagnosis(refused.mistake, str(refused))
        first = first or f"looking closer, {refused}"
    except Exception as error:  # whatever it is, the verdict stands
        first = f"looking closer, {error}"
    wrong = first or link.sentence
    return Diagnosis(UNKNOWN, f"{UNKNOWN} explains the numbers of the link {link.name}: {wrong}")


@dataclass(frozen=True)
class Case:
    """What a candidate answered in a lesson, what is right, and which mistakes may explain it."""

    host: Host
    lesson: Lesson
    rows: list[Mistake]
    found: Answers
    right: Answers
    rooms: dict[str, float]

    def trial(self) -> Trial:
        return Trial(self.host, self.lesson.start)

    def explained(self, predicted: Answers, names: Iterable[str], within: float) -> bool:
        """Return whether a prediction is what was found, and clearly not what is right."""
        room = {name: max(within, self.rooms[name]) for name in names}
        fits = all(apart(self.found[n], predicted[n]) <= room[n] for n in room)
        return fits and first_wrong(predicted, self.right, room) is not None


def examined(host: Host, lesson: Lesson, mistakes: list[Mistake]) -> Diagnosis | str:
    """Return what explains a candidate's answers, else which one is wrong first, in words."""
    candidate = functools.partial(Trial, host)
    with np.errstate(all="ignore"):
        found, right = lesson.answers(candidate), lesson.answers(Columns.of)
        right = {name: right[name] for name in found}
        rooms = lesson.rooms(right)
        wrong = first_wrong(found, right, rooms)
        if wrong is None:
            return ""
        if lesson.link != "data" and first_wrong(lesson.answers(candidate), found, rooms):
            return CHANGING
        links = (lesson.link, *BESIDES.get("blind" if lesson.blind else lesson.link, ()))
        rows = [m for link in links for m in mistakes if m.link == link]
        case = Case(host, lesson, rows, found, right, rooms)
        alone = replace(case, found=of_wrong_methods(case))
        for explain in (known, lambda case: known(alone), in_a_format, *PROBES[lesson.link]):
            explained = explain(case)
            if explained is not None:
                return explained
    how = related(found[wrong], right[wrong], lesson.within)
    return f"{wrong.split(' #')[0]} is the first that is wrong{how}"


def first_wrong(found: Answers, right: Answers, rooms: dict[str, float]) -> str | None:
    """Return the causally first answer that is wrong, of those that have room, or None."""
    return next(
        (n for n, room in rooms.items() if apart(found[n], right[n]) > CLEARLY * room), None
    )


def of_wrong_methods(case: Case) -> Answers:
    """Return the answers of a forward pass without those of a method that errs nowhere."""

    def method(name: str) -> str:
        return "trace" if name.startswith(("zs", "activations")) else name.split(" #")[0]

    errs = {n: apart(v, case.right[n]) > CLEARLY * case.rooms[n] for n, v in case.found.items()}
    wrong = {method(n) for n in errs if errs[n]}
    if not wrong & {"trace", "feedforward"}:  # a count alone would be explained by chance
        return case.found
    return {n: v for n, v in case.found.items() if method(n) in wrong}


def apart(v: Array, w: Array) -> float:
    """Return the largest difference of any entry, relative to the largest entry."""
    if v.shape != w.shape or not v.size or not (np.isfinite(v).all() and np.isfinite(w).all()):
        return float(np.inf)
    size = max(float(np.abs(v).max()), float(np.abs(w).max()))
    return float(np.abs(v - w).max() / size) if size else 0.0


def misfit(found: Answers, predicted: Answers) -> float:
    """Return the largest difference of any answer."""
    return max((apart(v, predicted[name]) for name, v in found.items()), default=np.inf)


def related(found: Array, right: Array, within: float) -> str:
    """Return in words how a wrong tensor comes from the right one, where that is simple."""
    if found.shape != right.shape or not right.any() or not np.isfinite(found).all():
        return ""
    size, low, high = float(np.abs(right).max()), float(found.min()), float(found.max())
    if low == high:
        return f": it is {low:.6g} in every entry" if found.size > 1 else f": {low:g} for {size:g}"
    c, more = share(right, found), float(np.mean(found - right))
    room = within * size
    limits = [f"at least {digits(low)}"] * bool(right.min() < low - room)
    limits += [f"at most {digits(high)}"] * bool(right.max() > high + room)
    for words, made in (
        (f"{digits(c)} times what it should be, in every entry", c * right),
        (f"{digits(more)} more than it should be, in every entry", right + more),
        ("right but for signs", np.copysign(right, found)),
        (f"what it should be, clipped to {' and '.join(limits)}", np.clip(right, low, high)),
        *((f"what it should be, rounded to {k} decimals", right.round(k)) for k in range(1, 8)),
    ):
        if np.abs(found - made).max() <= room:
            return f": it is {words}"
    same = np.abs(np.sort(found, axis=None) - np.sort(right, axis=None)).max() <= room
    return ": its numbers are the right ones, in other places" if same else ""


# Known mistakes.


def known(case: Case) -> Diagnosis | None:
    """Return the mistake whose network answers as the candidate does, alone or with a factor."""
    lesson = case.lesson
    for row in case.rows:
        for strength in strengths_of(row, case):
            within = max(lesson.within, row.tolerance)
            if case.explained(lesson.predicted(row, strength), case.found, within):
                return described(row, strength, lesson)
    nablas = [name for name in case.found if name.startswith("nabla")]
    for row in case.rows if nablas else ():
        if row.linear or row.strengths:
            continue
        predicted = lesson.predicted(row, STATED)
        c = share(predicted[nablas[0]], case.found[nablas[0]])
        scaled = {n: c * predicted[n] for n in nablas}
        if c and case.explained(scaled, nablas, lesson.within):
            for factor, meaning in meanings(c, lesson):
                told = described(row, STATED, lesson)
                besides = f"besides, everything is {digits(c)} times that: {meaning}"
                name = f"{told.mistake}, and factor {factor}"
                return Diagnosis(name, f"{told.sentence}; {besides}")
    return None


def share(effect: Array, found: Array) -> float:
    """Return by what an effect is to be multiplied to come nearest to what was found."""
    return float(np.vdot(effect, found) / np.vdot(effect, effect)) if effect.any() else 0.0


def strengths_of(mistake: Mistake, case: Case) -> Iterator[float]:
    """Yield the strengths that a mistake may have, as far as the candidate's answers tell."""
    if mistake.measured:
        parts = (
            [v for n, v in case.found.items() if n.endswith(f"#{k}")] for k in range(STEPS + 1)
        )
        yield mistake.measured(filter(None, parts), case.lesson.material.eta)
        return
    if not mistake.linear:
        yield from mistake.strengths or (STATED,)
        return
    without, once = (case.lesson.predicted(mistake, strength) for strength in (0.0, 1.0))
    for name, v in case.found.items():  # the first answer that it changes is linear in it
        if v.shape != without[name].shape or not np.isfinite(v).all():
            return
        effect, size = once[name] - without[name], np.abs(case.right[name]).max()
        if np.abs(effect).max() > CLEARLY * case.lesson.within * size:
            strength = share(effect, v - without[name])
            yield strength if abs(strength) > NOTHING else 0.0
            return


def described(mistake: Mistake, strength: float, lesson: Lesson) -> Diagnosis:
    """Return a mistake as a diagnosis, its strength told by what it stands for."""
    write: Callable[[float], str] = "{:.4g}".format if mistake.measured else digits
    told = {"{}": strength, "{m}": strength * lesson.m, "{/m}": strength / lesson.m}
    name, sentence = mistake.name, mistake.advice
    for mark, v in told.items():
        name, sentence = (text.replace(mark, write(v)) for text in (name, sentence))
    if mistake.factor:
        of_cost = mistake.factor == OF_COST or (lesson.blind and mistake.factor == OF_STEP)
        meant = meanings(strength, lesson, of_cost)
        name = mistake.name.replace("{}", meant[0][0]) if meant else name
        batch = f"a mini-batch of {lesson.m}, {lesson.start.sizes[-1]} digits"
        means = "; or ".join(means for _, means in meant) or mistake.factor
        sentence = f"{sentence} ({batch}): {means}"
    return Diagnosis(name, sentence)


def meanings(factor: float, lesson: Lesson, of_cost: bool = True) -> list[tuple[str, str]]:
    """Return the names of a factor, and what it may mean."""
    rows = factors(lesson.m, lesson.start.sizes[-1], lesson.material.eta, of_cost)
    near = 2.0**10 * lesson.within
    return [(name, means) for name, v, means in rows if abs(factor - v) <= near * abs(v)]


def digits(v: float) -> str:
    """Return a number with the digits that matter: those of its difference from 1, near 1."""
    if WITHIN["float64"] < abs(v - 1) < 1e-3:
        return f"1 {'+' if v > 1 else '-'} {abs(v - 1):.2g}"
    return f"{v:.6g}"


# What no row can say, as it has no formula: probes of the candidate itself.


def rounded(dtype: Any, v: Array) -> Array:
    with np.errstate(over="ignore"):
        return np.asarray(v, dtype=dtype).astype(np.float64)


# Number formats: how numbers are rounded to one, its unit roundoff, and what to do.
FORMATS: dict[str, tuple[Callable[[Array], Array], float, str]] = {
    "bfloat16": (functools.partial(cut, 8), 2.0**-8, "leave out .bfloat16() or autocast"),
    "float16": (functools.partial(rounded, np.float16), 2.0**-11, "leave out .half() or autocast"),
    "float32": (functools.partial(rounded, np.float32), 2.0**-24,
                "a dtype=torch.float32 or numpy.float32 is left somewhere"),
}  # fmt: skip


def in_a_format(case: Case) -> Diagnosis | None:
    """Find numbers that are all of one format, and right as far as that format goes."""
    wrong = first_wrong(case.found, case.right, case.rooms) or ""
    tensor = wrong.split(" #")[0].replace("step of", "new")
    found = {n: v for n, v in case.found.items() if n.split(" #")[0] == tensor}
    for name, (to, unit, advice) in FORMATS.items():
        written, due = (
            all(np.array_equal(to(v[n]), v[n]) for n in found) for v in (case.found, case.right)
        )
        # Numbers that have no finer bits than half the last one of the largest are on a grid.
        last = {n: unit * 2.0 ** (np.frexp(np.abs(v).max())[1] - 1) for n, v in found.items()}
        floats = any(np.remainder(v, last[n]).any() for n, v in found.items())
        own = name == case.lesson.material.dtype
        if written and floats and not (own or due) and misfit(found, case.right) <= CLEARLY * unit:
            return Diagnosis(name, f"{tensor} holds nothing but numbers of {name}: {advice}")
    return None


def a_few_entries(case: Case) -> Diagnosis | None:
    """Find a few wrong entries, one in a hundred at most, where the others are right."""
    right, rooms = case.right, case.rooms
    # What was asked of a new network: no answer that an earlier one may have changed.
    once = {n: v for n, v in case.found.items() if not re.search("new|eval|#[1-9]|after", n)}
    if any(v.shape != right[n].shape for n, v in once.items()):
        return None
    gaps = {n: np.abs(v - right[n]) > rooms[n] * np.abs(right[n]).max() for n, v in once.items()}
    wrong = [(n, tuple(map(int, place))) for n, gap in gaps.items() for place in np.argwhere(gap)]
    count = sum(v.size for v in once.values())
    most = any(gap.sum() > max(1, gap.size // 10) for gap in gaps.values())
    if most or not 0 < len(wrong) <= max(1, count // 100):
        return None
    name, place = wrong[0]
    kind, verb = ("a single entry", "is") if len(wrong) == 1 else ("a few entries", "are")
    return Diagnosis(
        kind,
        f"{len(wrong)} of {count:,} entries {verb} wrong, the first {name.split(' #')[0]}"
        f"{list(place)}, {float(once[name][place])!r} for {float(right[name][place])!r}: look "
        "where entries are read, written or clipped one by one",
    )


def own_start(case: Case) -> Diagnosis | None:
    """Find parameters that have nothing to do with those handed in, and others that are right."""
    theirs = case.lesson.answers(lambda _: Columns.of(case.lesson.other))
    if any(all(np.array_equal(case.found[n], theirs[n]) for n in theirs if n.endswith(when))
           for when in ("]", "built")):  # fmt: skip
        return Diagnosis(
            "another network's parameters",
            "they are those of another network that was built: keep them in self, neither in the "
            "class nor in its module",
        )
    strange = []
    for kind in ("biases", "weights"):
        names = [name for name in case.found if name.startswith(kind)]
        v, w = (np.concatenate([u[n].ravel() for n in names]) for u in (case.found, case.right))
        if not (v == w).any() and abs(np.corrcoef(v, w)[0, 1]) <= 4 / np.sqrt(v.size):
            strange.append(kind)
        elif (v != w).any():
            return None
    if not strange:
        return None
    return Diagnosis(
        "its own random start" if len(strange) == 2 else f"{strange[0]} not taken over",
        f"{' and '.join(strange)} have nothing to do with those handed in: take them over, instead "
        "of drawing them",
    )


def another_order(case: Case) -> Diagnosis | None:
    """Find epochs of five examples that are those of another order, which it then gives."""
    lesson, other = case.lesson, False
    x, y = lesson.material.batch(np.arange(5))

    def led(net: Any, order: Iterable[int]) -> Answers:
        net.train(x, y, np.array(order), 2, lesson.material.eta)
        return exported(net)

    orders = list(itertools.permutations(range(5)))
    pages = [led(Columns.of(lesson.start), order) for order in orders]
    for order in orders[::30]:
        found = led(case.trial(), order)
        if not any(misfit(found, page) <= lesson.within for page in pages):
            return None
        right = pages[orders.index(order)]
        other |= misfit(found, right) > CLEARLY * lesson.within
    if not other:
        return None
    return Diagnosis(
        "an order of its own",
        "epochs of five examples are right in another order than the one given: look at which "
        "examples every mini-batch takes",
    )


def shuffled(case: Case) -> Diagnosis | None:
    """Find a loader whose sets hold the right examples in another order."""

    def examples(images: Array, labels: Array) -> list[Any]:
        rows = zip(np.asarray(images, dtype=np.float32), labels, strict=False)
        return sorted((int(label), v.tobytes()) for v, label in rows)

    folder = case.lesson.material.plain_folder
    theirs = case.trial().load_data(folder)
    ours = Columns.of(case.lesson.start).load_data(folder)
    pairs = zip(theirs[::2], theirs[1::2], ours, strict=True)
    if any(examples(v, w) != examples(*right) for v, w, right in pairs):
        return None
    return Diagnosis(
        "shuffled examples",
        "every set holds the right examples, in another order: the loader keeps that of the file",
    )


def by_quotient(case: Case) -> Diagnosis | None:
    """Find a gradient by difference quotients: its errors are those of a step, by the biases."""
    x, y = case.lesson.batch(0)
    name = f"nabla_b[{len(case.lesson.start.biases) - 1}] #0"
    right, found = case.right[name].ravel(), case.found[name].ravel()

    def cost(neuron: int, by: float) -> float:
        net = Columns.of(case.lesson.start)
        net.biases[-1][neuron] += by
        return float(np.sum((net.feedforward(x) - y) ** 2) / 2)

    for h in (10.0**-k for k in range(1, 9)):
        noise = 2.0**-48 * cost(0, 0.0) / h
        for below in (-h, 0.0):
            slope = np.array(
                [(cost(n, h) - cost(n, below)) / (h - below) for n in range(len(right))]
            )
            if np.abs(found - slope).max() <= noise < np.abs(slope - right).max() / CLEARLY:
                return Diagnosis(
                    "finite differences",
                    f"the gradient is a difference quotient of the cost with a step of {h:g}: "
                    "derive it (BP1 to BP4), or keep the quotient for tests",
                )
    return None


def by_company(host: Host, lesson: Lesson, x: Array) -> Diagnosis | None:
    """Find answers to a batch that depend on the other examples in it."""
    trial, right = Trial(host, lesson.start), dict(forward(Columns.of(lesson.start), x))
    for name, found in forward(trial, x):
        size = CLEARLY * WITHIN[lesson.material.dtype] * float(np.abs(right[name]).max())
        wrong = np.flatnonzero(np.abs(found - right[name]).max(axis=0) > size)
        if not wrong.size:
            continue
        alone = dict(forward(trial, x[:, wrong[:1]]))[name]
        if apart(alone, found[:, wrong[:1]]) > 1e-3:  # sums in another order differ a little
            return Diagnosis(
                "answers that depend on the rest of the batch",
                f"{wrong.size:,} of {x.shape[1]:,} examples are answered wrong in one batch, and "
                f"the first of them, number {wrong[0]}, otherwise alone: use no statistics of the "
                "batch, as batch normalisation does (net.eval()), and look at how a large one is "
                "cut up and put together",
            )
    return None


PROBES: dict[str, list[Callable[[Case], Diagnosis | None]]] = {
    "data": [shuffled],
    "initial weights": [a_few_entries, own_start],
    "forward": [lambda case: by_company(case.host, case.lesson, case.lesson.batch(0)[0]),
                a_few_entries],
    "gradients": [a_few_entries, by_quotient],
    "update": [a_few_entries],
    "training": [another_order],
}  # fmt: skip
CHANGING = Diagnosis(
    "answers that change from call to call",
    "the same question gets another answer the second time: switch off dropout (net.eval()) and "
    "noise, shuffle nothing by yourself, and keep nothing between networks",
)
