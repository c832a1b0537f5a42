"""What the networks refuse, and how they say it: one table, both twins, the same words."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from model.parameters import Parameters
from tests.twin import both, drawn, fingerprint, overflow, refusal

SIZES = (2, 3, 4)
X, Y, DIGITS = np.zeros((2, 3)), np.zeros((4, 3)), np.array([0, 1, 2])
NAN, INF = math.nan, math.inf
NO_PAIRS = "there are no examples in the data; expected at least one pair (x, y)"
PIXELS = "fixed-point inputs are multiples of 2**-8 between -1 and 1, such as byte / 256; received"
NUMBERS = "{} are finite numbers; received NaN or infinity"
NO_SIZES = "sizes are two or more whole numbers of units, each at least 1, such as [784, 20, 10]; "
EXAMPLES = "examples need x of shape (N, n_in) and y of shape (N, n_out) or (N,)"
TOO_LARGE = (
    "sizes {} are too large for fixed-point arithmetic: {} would keep 11 fractional bits and need "
    "at least 12: use float64 arithmetic, or smaller layers or mini-batches"
)
NO_DIGITS = (
    "test data pairs every input with its digit and has one example or more; received digits of "
    "shape {}: use what load_data_wrapper returns second or third"
)
NOT_DESIRED = (
    "training data pairs every input with 4 desired outputs; received digits: use the first of "
    "what load_data_wrapper returns, or vectorized_result"
)


def other(v, k, value):
    """The same array with another number in the k-th place."""
    v = v.copy()
    v.flat[k] = value
    return v


def verbs(twin, net, x, y):
    """Every verb that takes columns x and y."""
    x, y = twin.native(x), twin.native(y)
    yield from ((net.backprop, x, y), (net.deltas, x, y), (net.cost, x, y))
    yield net.update_mini_batch, (x, y), 1.0


def reading(twin, net, x):
    x = twin.native(x)
    yield from ((net.feedforward, x), (net.trace, x))


def training(twin, net, x, y, *settings):
    yield net.SGD, twin.data(x, y), *(settings or (1, 1, 1.0))


def evaluating(twin, net, x, digits):
    yield net.evaluate, twin.data(x, digits)
    yield net.SGD, twin.data(X, Y), 1, 1, 1.0, twin.data(x, digits)


def inputs_said(shape):
    def said(twin):
        form = "rows of shape (m, 2)" if twin.rows else "columns of shape (2, m)"
        received = f"received shape {twin.shape(shape)}"
        return f"inputs are {form}, one example in each, one or more; {received}"

    return said


def all_verbs(twin, net, x):
    """Every verb that takes inputs, with the sixth of them exchanged."""
    x = other(X, 5, x)
    yield from (*reading(twin, net, x), *verbs(twin, net, x, Y))
    yield from (*training(twin, net, x, Y), *evaluating(twin, net, x, DIGITS))


def desired_said(m, shape):
    def said(twin):
        received = f"received shape {twin.shape(shape)}"
        return f"desired outputs for {m} inputs have shape {twin.shape((4, m))}; {received}"

    return said


def unchecked(weights, biases):
    """Parameters of these shapes that nobody has checked."""
    layers = {"weights": list(map(np.zeros, weights)), "biases": list(map(np.zeros, biases))}
    return SimpleNamespace(sizes=(2, 3, 1), **layers)


# fmt: off
REFUSED = [  # the arithmetics it holds for; what is called; what is said
    *((None, lambda t, net, s=s: [(t.Network, s)], f"{NO_SIZES}received {s}")
      for s in ([], [784], [784, 0, 10], [784, -1], [784, 20.0, 10], ["784", "10"])),
    *((None, lambda t, net, p=p: [(t.start, unchecked(*p))],
       f"{name} of these sizes have the shapes {said}")
      for name, p, said in (
          ("weights", ([(3, 2), (3, 1)], []), "[(3, 2), (1, 3)]; received [(3, 2), (3, 1)]"),
          ("biases", ([(3, 2), (1, 3)], [(3,), (1,)]), "[(3, 1), (1, 1)]; received [(3,), (1,)]"),
          ("biases", ([(3, 2), (1, 3)], [(3, 1)]), "[(3, 1), (1, 1)]; received [(3, 1)]"))),
    (None, lambda t, net: [(t.arithmetic.FixedPoint, (784, 2**24, 10))],
     TOO_LARGE.format([784, 2**24, 10], "weights and activations")),
    (None, lambda t, net: [(t.kept("FixedPoint", (2, 1)).round_delta, t.native(np.zeros((1, 17))))],
     TOO_LARGE.format([2, 1], "deltas in mini-batches of 17")),
    *((None, lambda t, net, s=s: [*reading(t, net, np.zeros(s)), *verbs(t, net, np.zeros(s), Y)],
       inputs_said(s))
      for s in ((3, 1), (1, 2), (3,), (2, 0), (2, 3, 1))),
    *((None, lambda t, net, s=s: verbs(t, net, np.zeros((2, 5)), np.zeros(s)), desired_said(5, s))
      for s in ((4, 4), (3, 5), (1, 5), (4, 1))),  # the last two would broadcast
    (None, lambda t, net: training(t, net, X, Y[:3]), desired_said(3, (3, 3))),
    (None, lambda t, net: [(net.update_mini_batch, t.pairs(X, Y[:3]), 1.0)],
     desired_said(3, (3, 3))),
    (None, lambda t, net: [(net.SGD, [], 1, 1, 1.0), (net.update_mini_batch, [], 1.0),
                           (net.evaluate, iter([]))], NO_PAIRS),
    (None, lambda t, net: training(t, net, X, DIGITS), NOT_DESIRED),
    (None, lambda t, net: evaluating(t, net, X, Y), NO_DIGITS.format((3, 4))),
    (None, lambda t, net: evaluating(t, net, X[:, :0], DIGITS[:0]), NO_DIGITS.format((0,))),
    (None, lambda t, net: training(t, net, X[:1], Y), inputs_said((1, 1))),
    (None, lambda t, net: evaluating(t, net, X[:1], DIGITS), inputs_said((1, 1))),
    *((None, lambda t, net, bad=bad: [*verbs(t, net, X, other(Y, 11, bad)),
                                      *training(t, net, X, other(Y, 11, bad))],
       NUMBERS.format("desired outputs")) for bad in (NAN, INF, -INF)),
    *((a, lambda t, net, bad=bad: all_verbs(t, net, bad), NUMBERS.format("inputs"))
      for bad in (NAN, INF, -INF) for a in ("Float64", "Float32")),
    *(("FixedPoint", lambda t, net, bad=bad: all_verbs(t, net, bad),
       f"{PIXELS} {bad}: scale them, or use float64")
      for bad in (0.3, 255.0, -1.00390625, 2**-9, 1e308, NAN, INF, -INF)),
    *((None, lambda t, net, e=e: training(t, net, X, Y, e, 1, 1.0),
       f"epochs is a whole number, 0 or more; received {e}") for e in (-1, 1.5)),
    *((None, lambda t, net, m=m: training(t, net, X, Y, 1, m, 1.0),
       f"mini_batch_size lies between 1 and the number of training examples, 3; received {m}")
      for m in (0, -1, 4, 1.5)),
    *((None, lambda t, net, eta=eta: [*training(t, net, X, Y, 1, 1, eta),
                                      (net.update_mini_batch, (t.native(X), t.native(Y)), eta)],
       f"eta is a finite learning rate such as 3.0; received {eta}") for eta in (NAN, INF, -INF)),
    *((None, lambda t, net, x=x, y=y: [(t.Examples, t.array(np.zeros(x)), t.array(np.zeros(y)))],
       f"{EXAMPLES}, received {x} and {y}")
      for x, y in (((3, 4), (2,)), ((3,), (3,)), ((3, 4), (3, 2, 1)), ((3, 4), ()))),
]
# fmt: on


@both
@pytest.mark.parametrize("row", range(len(REFUSED)))
def test_what_is_refused_and_how_it_is_said(twin, row):
    arithmetic, calls, said = REFUSED[row]
    net = twin.start(SIZES, arithmetic or "FixedPoint")
    before, tried = fingerprint(net), 0
    for function, *arguments in calls(twin, net):
        told = refusal(function, *arguments)
        assert told == f"ValueError: {said(twin) if callable(said) else said}", function
        tried += 1
    assert tried
    assert fingerprint(net) == before


@both
def test_pairs_of_two_lengths_are_refused_not_cut(twin):
    """A `zip` that is silently as long as its shortest would train on less."""
    x, y = X[:, :1], Y[:, :1]
    for pairs, said in (([(x, y), (x,)], "is shorter"), ([(x, y), (x, y, y)], "is longer")):
        with pytest.raises(ValueError, match=said):
            twin.start(SIZES).SGD(pairs, 1, 1, 1.0)


# --- Overflow is never silent -------------------------------------------------------------------


def zeros():
    """A network of zeros, whose outputs are all 1/2."""
    return Parameters((2, 1), [np.zeros((1, 2))], [np.zeros((1, 1))])


@both
def test_a_bias_that_is_trained_out_of_range_is_told(twin):
    """All a = 1/2; delta = -1/8; b moves by eta / 8, past 64 where eta is 600."""
    pair = twin.native(np.zeros((2, 1))), twin.native(np.ones((1, 1)))
    for sign in (1, -1):
        assert refusal(twin.start(zeros()).update_mini_batch, pair, sign * 500) is None  # 62.5
        told = refusal(twin.start(zeros()).update_mini_batch, pair, sign * 600)
        assert told == overflow("weight or bias", 75, 64)


@both
def test_a_magnitude_out_of_range_for_some_steps_in_the_middle_is_told(twin):
    """The bias starts at -63.5 and moves by 1/8 at most: down in ten steps, then up in ten."""
    start = Parameters((1, 1), [np.array([[63.5]])], [np.array([[-63.5]])])
    x, y = np.ones((1, 80)), np.repeat([[0.0, 1.0]], 40, axis=1)  # z = 63.5 - 63.5 = 0

    class AsTheyAre:
        permutation = staticmethod(np.arange)

    net, biases = twin.start(start, "Float64"), []
    for k in range(0, 80, 4):
        biases.append(float(twin.step(net, x[:, k : k + 4], y[:, k : k + 4], 1.0)[1].item()))
    assert min(biases) < -64.1 < -63.9 < biases[-1]
    net, reported = twin.start(start), []
    keywords = {"rng": AsTheyAre(), "on_epoch": lambda *told: reported.append(told)}
    told = refusal(net.SGD, twin.data(x, y), 1, 4, 1.0, **keywords) or ""
    assert told.startswith("OverflowError: fixed-point overflow: the largest weight or bias")
    assert f"reached {-min(biases):.4g}" in told
    assert reported == []


@both
@pytest.mark.parametrize("verb", ["backprop", "deltas", "update_mini_batch"])
def test_a_delta_out_of_range_is_told(twin, verb):
    """a = 1/2, so delta = (1/2 - y) / 4 = -2 where y is 8.5."""
    x, y = twin.native(np.zeros((2, 2))), twin.native(np.array([[0.0, 8.5]]))
    net, step = twin.start(zeros()), verb == "update_mini_batch"
    for _ in range(1 if step else 2):  # a step has been taken, reading changes nothing
        told = refusal(getattr(net, verb), *(((x, y), 0.1) if step else (x, y)))
        assert told == overflow("delta", 2, 1)


@both
@pytest.mark.parametrize("eta", [1e3, 1e300])
def test_a_chaotic_eta_ends_in_an_error_without_a_warning(twin, eta):
    x, y = drawn((784, 20, 10), 60)
    net, rng = twin.start((784, 20, 10)), np.random.default_rng(0)
    told = refusal(net.SGD, twin.data(x, y), 1, 10, eta, rng=rng, on_epoch=print)
    assert told.startswith("OverflowError: fixed-point overflow: the largest weight or bias")
