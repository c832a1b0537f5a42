"""The bounds hold for every correct implementation, and no line of their derivation is idle.

Run these alone: python -m pytest tests/compare/test_balls.py
"""

import inspect
import itertools
import sys
import types
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from compare import balls
from compare.balls import named, rules_for
from compare.columns import Columns
from compare.material import in_float32, synthetic_material, warmed_up
from compare.standard import Standard
from model.parameters import Parameters

ROUGH = {  # unit roundoff, smallest and largest number
    "coarse": (2.0**-10, 0.0, 1e300),
    "coarser": (2.0**-7, 0.0, 1e300),
    "flushing": (2.0**-10, 2.0**-8, 1e300),
}


@pytest.fixture(autouse=True)
def rough_formats(monkeypatch):
    for name, numbers in ROUGH.items():
        monkeypatch.setitem(balls.FORMATS, name, numbers)


def bounds(case, dtype="float64", probabilistic=False, module=balls):
    rules = module.rules_for(dtype, case.sizes, case.x.shape[1], probabilistic)
    return module.bounds(case, case.x, case.y, case.eta, rules)


def step(case, network=Columns):
    """Work a step on the page of compare.columns: in float64, the centre of every ball."""
    net, x, y = network.of(case), case.x, case.y
    with np.errstate(all="ignore"):
        zs, activations = net.trace(x)
        deltas = net.backward(zs, activations, y)
        nabla_b, nabla_w = net.gradient(zs, activations, deltas)
        net.descend(nabla_b, nabla_w, case.eta, x.shape[1])
    found = named(zs=zs, activations=activations, deltas=deltas, nabla_b=nabla_b)
    return found | named(nabla_w=nabla_w, new_weights=net.weights, new_biases=net.biases)


# ---- correct implementations: orders of summation, sigmoids, derivatives, updates ----------------


def recursive(terms, arithmetic):
    total = terms[0]
    for term in terms[1:]:
        total = arithmetic.add(total, term)
    return total


def backwards(terms, arithmetic):
    return recursive(terms[::-1], arithmetic)


def pairwise(terms, arithmetic):
    while len(terms) > 1:
        half = len(terms) // 2
        sums = arithmetic.add(terms[:half], terms[half : 2 * half])
        terms = np.concatenate([sums, terms[2 * half :]])
    return terms[0]


def blocked(terms, arithmetic):
    blocks = [recursive(terms[i : i + 4], arithmetic) for i in range(0, len(terms), 4)]
    return pairwise(np.stack(blocks), arithmetic)


ORDERS = (recursive, backwards, pairwise, blocked)


def by_exp(z, arithmetic):
    return arithmetic.round(1 / arithmetic.round(1 + arithmetic.exp(-z)))


def by_stable_exp(z, arithmetic):
    t = arithmetic.exp(-np.abs(z))
    top = np.where(z >= 0, np.ones_like(t), t)
    return arithmetic.round(top / arithmetic.round(1 + t))


SIGMOIDS = (
    by_exp,
    by_stable_exp,
    lambda z, arithmetic: by_exp(np.clip(z, -40, 40), arithmetic),
    lambda z, arithmetic: arithmetic.round(1 + arithmetic.tanh(z / 2)) / 2,
)


@dataclass
class Arithmetic:
    """NumPy's own rounding in a dtype."""

    dtype: type = np.float64
    round = staticmethod(lambda v: v)
    add, exp, tanh = (staticmethod(f) for f in (np.add, np.exp, np.tanh))

    def stored(self, v):
        return np.asarray(v, dtype=self.dtype)


@dataclass
class Adversary(Arithmetic):
    """Errs by the whole of u at every operation, in float64, where u is coarse by comparison."""

    u: float = 2.0**-10
    tiny: float = 0.0
    habit: str = "away"
    library: float = 1.0
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))

    def round(self, v):
        v = np.asarray(v)
        signs = {
            "away": 1.0,
            "towards": -1.0,
            "up": np.sign(v),
            "down": -np.sign(v),
            "random": self.rng.choice([-1.0, 1.0], v.shape),
        }
        v = v * (1 + self.u * signs[self.habit])
        return np.where(np.abs(v) < self.tiny, 0.0, v)

    def add(self, v, w):
        """Round the sum, except where one of the two is 0: no arithmetic errs there."""
        return np.where((v == 0) | (w == 0), v + w, self.round(v + w))

    def exp(self, z, f=np.exp):
        return f(z) * (1 + 2 * balls.EXP_ULPS * self.u * self.library)

    def tanh(self, z):
        return self.exp(z, np.tanh)


DERIVATIVES = ("a (1 - a)", "v a first", "tanh", "exp")


def implementation(
    by, order=recursive, sigmoid=by_exp, derivative=DERIVATIVES[0], bias_first=False, averages=False
):
    """Return the page with one correct way to compute each of its equations."""
    r, stored = by.round, by.stored

    def dot(left, right, *extra):
        terms = r(np.moveaxis(left[:, :, None] * right[None], 1, 0))
        more = [np.broadcast_to(v, terms.shape[1:])[None] for v in extra]
        return order(np.concatenate([*more, terms] if bias_first else [terms, *more]), by)

    def prime_times(v, z, a):
        if derivative == "a (1 - a)":
            return r(v * r(a * r(1 - a)))
        if derivative == "v a first":
            return r(r(v * a) * r(1 - a))
        if derivative == "tanh":
            t = by.tanh(z / 2)
            return r(v * (r(1 - r(t * t)) / 4))
        e = by.exp(-np.abs(z))
        return r(v * r(e / r(np.square(r(1 + e)))))

    def averaged(law, v, m):  # a mean, multiplied by m in the end
        return r(law(r(v / stored(m))) * stored(m)) if averages else law(v)

    class Way(Columns):
        kept, seen = (lambda net, v: stored(v),) * 2
        weighted = staticmethod(dot)
        fire = staticmethod(lambda z, last: sigmoid(z, by))

        def backward(self, zs, activations, y):
            m, d = y.shape[1], r(activations[-1] - stored(y))
            deltas = [averaged(lambda v: prime_times(v, zs[-1], activations[-1]), d, m)]
            for w, z, a in zip(self.weights[:0:-1], zs[-2::-1], activations[-2:0:-1], strict=True):
                deltas.insert(0, prime_times(dot(w.T, deltas[0]), z, a))
            return deltas

        def nabla_b(self, delta):
            return averaged(lambda v: order(v.T, by)[:, None], delta, delta.shape[1])

        def nabla_w(self, delta, a):
            return averaged(lambda v: dot(v, a.T), delta, delta.shape[1])

        def descend(self, nabla_b, nabla_w, eta, m):
            eta, m = stored(eta), stored(m)
            part = (lambda n: r(eta * r(n / m))) if averages else (lambda n: r(r(eta / m) * n))
            pairs = zip((self.weights, self.biases), (nabla_w, nabla_b), strict=True)
            self.take(*([r(v - part(n)) for v, n in zip(*pair, strict=True)] for pair in pairs))

    return Way


def some_implementation(rng, arithmetic):
    ways = [w[rng.integers(len(w))] for w in (ORDERS, SIGMOIDS, DERIVATIVES)]
    return implementation(arithmetic, *ways, bool(rng.integers(2)), bool(rng.integers(2)))


# ---- cases ---------------------------------------------------------------------------------------


@dataclass
class Case:
    weights: list
    biases: list
    x: np.ndarray
    y: np.ndarray
    eta: float

    @property
    def sizes(self):
        return [len(self.x), *(len(w) for w in self.weights)]


def some_case(rng, largest_layer=9, largest_batch=64):
    """Draw sizes with 1-unit layers among them, weights up to saturation, pixels partly 0."""
    sizes = rng.integers(1, largest_layer, rng.integers(2, 6)).tolist()
    sizes[-1] = int(rng.choice([sizes[-1], 48], p=[0.9, 0.1]))
    m = int(rng.choice([1, 2, 3, 10, largest_batch]))
    scale = 10.0 ** rng.uniform(-2, 2)
    signs = rng.choice([-1.0, 0.0, 1.0])  # all negative, mixed, all positive

    def drawn(*shape):
        v = scale * rng.standard_normal(shape)
        return (np.abs(v) * signs if signs else v).astype(np.float32).astype(np.float64)

    pairs = list(itertools.pairwise(sizes))
    pixels = rng.integers(0, 256, (sizes[0], m)) / 256 * (rng.random((sizes[0], m)) < 0.7)
    y = np.eye(sizes[-1])[:, rng.integers(0, sizes[-1], m)]
    eta = float(np.float32(rng.choice([0.1, 0.5, 3.0])))
    return Case([drawn(o, i) for i, o in pairs], [drawn(o, 1) for o in sizes[1:]], pixels, y, eta)


def excess(one, other, allowed, share=1.0):
    """Return the largest difference as a part of share of the bound, and where; NaN is infinite."""
    worst = (0.0, "")
    assert set(one) == set(other) == set(allowed)
    for name, a in one.items():
        b, bound = other[name], allowed[name]
        assert a.shape == b.shape == bound.shape, name
        gap = np.abs(a - b).astype(np.float64)
        with np.errstate(all="ignore"):
            used = np.where(gap == 0, 0.0, gap / (share * bound))
        worst = max(worst, (float(np.nan_to_num(used, nan=np.inf).max()), name))
    return worst


DIGITS = synthetic_material((784, 20, 10))


def started(p):
    """784-20-10 from given parameters, and a mini-batch whose pixels are mostly dark."""
    return Case(list(p.weights), list(p.biases), *DIGITS.batch(np.arange(10)), 3.0)


STARTS = {"initial": started(DIGITS.initial), "trained": started(warmed_up(DIGITS))}


def stored_in(dtype, case):
    """Round the parameters first where the dtype cannot hold them: inputs must be exact."""
    if dtype == "float64":
        return case
    p = in_float32(Parameters(case.sizes, case.weights, case.biases))
    return replace(case, weights=list(p.weights), biases=list(p.biases))


# ---- claims --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_no_correct_implementation_is_outside_the_bound(dtype):
    """500 cases, two implementations each, every entry of every quantity."""
    rng = np.random.default_rng(1)
    numbers = np.dtype(dtype).type
    for _ in range(500):
        case = some_case(rng)
        allowed = bounds(case, dtype)
        first, second = (step(case, some_implementation(rng, Arithmetic(numbers))) for _ in "12")
        assert excess(first, second, allowed)[0] <= 1, case
        assert excess(first, step(case), allowed)[0] <= 1, case


HABITS = ("away", "towards", "up", "down", "random")


@pytest.fixture(scope="module")
def adversaries():
    """Computations that err as much as the standard model lets them, at every operation."""
    rng = np.random.default_rng(3)
    found = [(case, "coarse", step(case, way)) for case, way in awkward()]
    for k in range(500):
        dtype = ("coarse", "coarse", "coarser", "flushing")[k % 4]
        u, tiny, _ = ROUGH[dtype]
        case = some_case(rng, largest_batch=40)
        habit, library = str(rng.choice(HABITS)), float(rng.choice([-1, 1]))
        arithmetic = Adversary(u=u, tiny=tiny, habit=habit, library=library)
        found.append((case, dtype, step(case, some_implementation(rng, arithmetic))))
    return found


def awkward():
    """Yield what chance seldom finds: a sum that cancels, and a layer much wider than the last."""
    zero, one = np.zeros((1, 1)), np.ones((1, 1))
    signs = np.array([[200.0, -200.0] * 4])
    cancels = Case([signs, 0.01 * one], [zero, zero], np.full((8, 1), 0.5), one, 3.0)
    yield cancels, implementation(Adversary(habit="up"))
    column = np.ones((200, 1))
    broad = Case([0.01 * one, 0.01 * column], [zero, 0 * column], one, 0 * column, 3.0)
    yield broad, implementation(Adversary(habit="away"))


def outside(module, adversaries):
    """Count the adversaries that leave half the bound, which holds for one implementation."""
    for case, dtype, quantities in adversaries:
        allowed = bounds(case, dtype, module=module)
        yield excess(quantities, step(case), allowed, share=0.5)[0] > 1


def test_an_adversary_that_errs_by_u_at_every_operation_stays_within(adversaries):
    assert not any(outside(balls, adversaries))


# fmt: off
WEAKER = {
    "n in place of n + 1": ("self.mass + np.abs(b), self.terms + 1",
        "self.mass + np.abs(b), self.terms"),
    "z: no error of the activation": ("error = size @ self.error + error", "pass"),
    "z: no rounding of the products": ("self.rules.gamma(self.terms) * self.mass",
        "0.0 * self.mass"),
    "z: no rounding of the bias": ("self.mass + np.abs(b), ", "self.mass, "),
    "z: no underflow": ("error = self.rules.underflow(w.shape[1])", "error = 0.0"),
    "slope at the centre": (" - 2 * self.error, 0.0))", ", 0.0))"),
    "no slope": ("np.minimum(t / np.square(1.0 + t) * self.error, 1.0)", "0.0 * self.error"),
    "an exact sigmoid": ("self.rules.u * (EXP_ULPS + 1 + 2 * most)", "0.0"),
    "a sigmoid with a relative error": ("(EXP_ULPS + 1 + 2 * most)", "(EXP_ULPS + 3) * most"),
    "an exp within half an ulp": ("(EXP_ULPS + 1 + 2 * most)", "(1 + 2 * most)"),
    "a (1 - a): no error of a": ("arrived = self.error * (np.abs", "arrived = 0.0 * (np.abs"),
    "a (1 - a): no square of the error": (" + 4 * self.error)", ")"),
    "a - y: no error of a": ("self.rounded(self.centre - y, self.error,",
        "self.rounded(self.centre - y, 0.0 * self.error,"),
    "product: no error of the left": ("self.error * its + mine", "mine"),
    "product: no error of the right": ("self.error * its + mine * other.error", "self.error * its"),
    "product: first order only": ("self.error * its + mine * other.error",
        "self.error * np.abs(other.centre) + np.abs(self.centre) * other.error"),
    "W.T delta: no rounding": ("self.error * its + mine * other.error",
        "(self.error if self.mass is None else self.inherited) * its + mine * other.error"),
    "nabla_b: no error of delta": (
        "error = self.error + self.rules.gamma(m + SPARE) * self.most\n        total",
        "error = self.rules.gamma(m + SPARE) * self.most\n        total"),
    "nabla_b: no rounding of the sum": (
        "error = self.error + self.rules.gamma(m + SPARE) * self.most\n        total",
        "error = self.error\n        total"),
    "nabla_w: no error of delta": ("(self.error + self.rules.gamma(m + SPARE) * self.most) @ most",
        "(self.rules.gamma(m + SPARE) * self.most) @ most"),
    "nabla_w: no rounding of the sum": (
        "(self.error + self.rules.gamma(m + SPARE) * self.most) @ most",
        "self.error @ most"),
    "nabla_w: no error of the activation": ("error += self.most @ a.error", "pass"),
    "update: no error of the gradient": ("grown = self.error + self", "grown = self"),
    "update: no rounding of the difference": (
        "return self.rounded(w - self.centre, self.error, 1, 0.0)",
        "return self.rounded(w - self.centre, self.error, 0, 0.0)"),
    "the error of one, not of two": ("{name: 2 * ball.error for", "{name: ball.error for"),
}
# fmt: on


@pytest.mark.parametrize("name", WEAKER)
def test_no_part_of_the_derivation_can_be_left_out(name, adversaries, monkeypatch):
    """The file itself, with one term less, no longer holds the adversaries."""
    assert any(outside(weakened(name, monkeypatch), adversaries))


def weakened(name, monkeypatch):
    source, (old, new) = inspect.getsource(balls), WEAKER[name]
    assert source.count(old) == 1, f"{old!r} is not in the file exactly once"
    module = types.ModuleType("weakened")
    monkeypatch.setitem(sys.modules, "weakened", module)  # dataclasses look themselves up
    exec(compile(source.replace(old, new), "weakened", "exec"), module.__dict__)
    module.FORMATS.update(ROUGH)
    return module


LOOSE = 5000  # measured: 2,500 in the sum of deltas, 1.3 in the new weights


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("start", STARTS)
def test_the_bound_is_not_loose_by_more_than_a_stated_factor(dtype, start):
    """In every tensor of 784-20-10 some entry uses 1/5,000 of its bound; in some tensor, 1/2."""
    case = stored_in(dtype, STARTS[start])
    allowed = bounds(case, dtype)
    by = Arithmetic(np.dtype(dtype).type)
    ways = itertools.product(ORDERS, SIGMOIDS)
    first, *others = [step(case, implementation(by, *way)) for way in ways]
    used = {
        name: max(excess({name: first[name]}, {name: o[name]}, {name: bound})[0] for o in others)
        for name, bound in allowed.items()
        if name != "activations[0]"
    }
    assert min(used.values()) >= 1 / LOOSE, used
    assert 1 >= max(used.values()) >= 1 / 2, used


def test_the_probabilistic_bound_is_sharper_and_holds():
    case = stored_in("float32", STARTS["trained"])
    worst, likely = bounds(case, "float32"), bounds(case, "float32", probabilistic=True)
    assert all((likely[name] <= v).all() for name, v in worst.items())
    assert likely["nabla_w[0]"].max() < 0.7 * worst["nabla_w[0]"].max()
    for order, sigmoid in itertools.product(ORDERS, SIGMOIDS):
        ours = step(case, implementation(Arithmetic(np.float32), order, sigmoid))
        assert excess(ours, step(case), likely)[0] <= 1


def test_pixels_that_are_0_do_not_widen_the_bound():
    initial = STARTS["initial"]
    lit = initial.x.any(axis=1)
    weights = [initial.weights[0][:, lit], initial.weights[1]]
    cropped = replace(initial, weights=weights, x=initial.x[lit])
    np.testing.assert_allclose(bounds(initial)["zs[0]"], bounds(cropped)["zs[0]"], rtol=1e-12)


@pytest.mark.parametrize(
    ("weight", "pixel", "eta", "dtype", "words"),
    [
        (2.0**127, 1.0, 1.0, "float32", r"zs[0] may reach 1.02e+39, beyond the largest float32"),
        (2.0**1023, 1.0, 1.0, "float64", r"zs[0] may reach inf, beyond the largest float64"),
        (0.0, 1e200, 1e200, "float64", "new_weights[0] may reach inf"),
    ],
)
def test_sums_and_steps_that_overflow_are_refused(weight, pixel, eta, dtype, words):
    bias, x, y = np.ones((2, 1)), np.full((3, 4), pixel), np.zeros((2, 4))
    case = Case([np.full((2, 3), weight)], [bias], x, y, eta)
    with pytest.raises(OverflowError) as refused:
        bounds(case, dtype)
    assert str(refused.value).startswith(words)


def test_a_sum_without_a_certain_digit_is_refused():
    with pytest.raises(ValueError, match="gamma_n needs n u < 1"):
        rules_for("float32", [2, 2], 1).gamma(2**24)


def test_what_a_step_computes_stands_in_the_order_of_its_causes():
    case = STARTS["initial"]
    standard = Standard(Parameters(case.sizes, case.weights, case.biases))
    found = [list(standard._expected(*asked)) for asked in (
        (case.x,), (case.x, case.y), (case.x, case.y, case.eta))]  # fmt: skip
    assert found[0] == ["activations[0]", "zs[0]", "activations[1]", "zs[1]", "activations[2]"]
    assert found[1][:4] == ["deltas[1]", "nabla_b[1]", "nabla_w[1]", "deltas[0]"]
    assert found[2] == ["new_weights[0]", "new_biases[0]", "new_weights[1]", "new_biases[1]"]
