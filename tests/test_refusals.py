"""What the networks refuse, and how they say it: both twins in the same words."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from model.parameters import Parameters
from tests.twin import both, every, fingerprint, overflow, refusal

SIZES = (2, 3, 4)
X, Y, DIGITS = np.zeros((2, 3)), np.zeros((4, 3)), np.array([0, 1, 2])
NAN, INF = math.nan, math.inf
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


def unchecked(weights, biases):
    """Parameters of these shapes that nobody has checked."""
    layers = {"weights": list(map(np.zeros, weights)), "biases": list(map(np.zeros, biases))}
    return SimpleNamespace(sizes=(2, 3, 1), **layers)


class Asked:
    """A network, and calls of its verbs: each a function and its arguments."""

    def __init__(self, twin, arithmetic):
        self.twin, self.net = twin, twin.start(SIZES, arithmetic)

    def read(self, x):
        return [(verb, self.twin.native(x)) for verb in (self.net.feedforward, self.net.trace)]

    def learn(self, x, y, eta=1.0):
        x, y = self.twin.native(x), self.twin.native(y)
        verbs = (self.net.backprop, self.net.deltas, self.net.cost)
        return [*((verb, x, y) for verb in verbs), (self.net.update_mini_batch, (x, y), eta)]

    def train(self, x, y, epochs=1, mini_batch_size=1, eta=1.0):
        return [(self.net.SGD, self.twin.data(x, y), epochs, mini_batch_size, eta)]

    def evaluate(self, x, digits):
        data, test = self.twin.data(X, Y), self.twin.data(x, digits)
        return [(self.net.evaluate, test), (self.net.SGD, data, 1, 1, 1.0, test)]


def refused(n):
    """What is asked of a network in vain: calls, and what is said to each."""
    yield from refused_sizes(n)
    yield from refused_shapes(n)
    yield from refused_numbers(n)


def refused_sizes(n):
    twin, zeros = n.twin, np.zeros
    for sizes in ([], [784], [784, 0, 10], [-1, 2], [784, 20.0, 10], ["784", "10"], [784, True]):
        yield [(twin.Network, sizes)], f"{NO_SIZES}received {sizes}"
    for name, weights, biases, said in (
        ("weights", [(3, 2), (3, 1)], [], "[(3, 2), (1, 3)]; received [(3, 2), (3, 1)]"),
        ("biases", [(3, 2), (1, 3)], [(3,), (1,)], "[(3, 1), (1, 1)]; received [(3,), (1,)]"),
        ("biases", [(3, 2), (1, 3)], [(3, 1)], "[(3, 1), (1, 1)]; received [(3, 1)]"),
    ):
        asked = [(twin.start, unchecked(weights, biases))]
        yield asked, f"{name} of these sizes have the shapes {said}"
    large = TOO_LARGE.format([784, 2**24, 10], "weights and activations")
    yield [(twin.arithmetic.FixedPoint, (784, 2**24, 10))], large
    round_delta = twin.kept("FixedPoint", (2, 1)).round_delta
    large = TOO_LARGE.format([2, 1], "deltas in mini-batches of 17")
    yield [(round_delta, twin.native(zeros((1, 17))))], large


def refused_shapes(n):
    twin, net, zeros = n.twin, n.net, np.zeros
    form = "rows of shape (m, 2)" if twin.rows else "columns of shape (2, m)"
    inputs = f"inputs are {form}, one example in each, one or more; received shape"
    for shape in ((3, 1), (1, 2), (3,), (2, 0), (2, 3, 1)):
        x = zeros(shape)
        yield n.read(x) + n.learn(x, Y), f"{inputs} {twin.shape(shape)}"
    yield n.train(X[:1], Y) + n.evaluate(X[:1], DIGITS), f"{inputs} (1, 1)"
    desired = "desired outputs for {} inputs have shape {}; received shape {}".format
    for shape in ((4, 4), (3, 5), (1, 5), (4, 1)):  # the last two would broadcast
        said = desired(5, twin.shape((4, 5)), twin.shape(shape))
        yield n.learn(zeros((2, 5)), zeros(shape)), said
    pairs = [(net.update_mini_batch, twin.pairs(X, Y[:3]), 1.0)]
    yield n.train(X, Y[:3]) + pairs, desired(3, twin.shape((4, 3)), (3, 3))
    nothing = [(net.SGD, [], 1, 1, 1.0), (net.update_mini_batch, [], 1.0), (net.evaluate, iter([]))]
    yield nothing, "there are no examples in the data; expected at least one pair (x, y)"
    for second, said in (((X,), "shorter"), ((X, Y, Y), "longer")):  # not cut to the shortest
        asked = [(net.SGD, [(X, Y), second], 1, 1, 1.0)]
        yield asked, f"zip() argument 2 is {said} than argument 1"
    yield n.train(X, DIGITS), NOT_DESIRED
    yield n.evaluate(X, Y), NO_DIGITS.format((3, 4))
    yield n.evaluate(X[:, :0], DIGITS[:0]), NO_DIGITS.format((0,))
    for x, y in (((3, 4), (2,)), ((3,), (3,)), ((3, 4), (3, 2, 1)), ((3, 4), ())):
        asked = [(twin.Examples, twin.array(zeros(x)), twin.array(zeros(y)))]
        yield asked, f"{EXAMPLES}, received {x} and {y}"


def refused_numbers(n):
    fixed = n.net.arithmetic.name == "fixed-point"
    for bad in (NAN, INF, -INF, *((0.3, 255.0, -1.00390625, 2**-9, 1e308) if fixed else ())):
        x, pixels = other(X, 5, bad), f"{PIXELS} {bad}: scale them, or use float64"
        asked = n.read(x) + n.learn(x, Y) + n.train(x, Y) + n.evaluate(x, DIGITS)
        yield asked, pixels if fixed else NUMBERS.format("inputs")
    for bad in (NAN, INF, -INF):
        y = other(Y, 11, bad)
        yield n.learn(X, y) + n.train(X, y), NUMBERS.format("desired outputs")
        asked = n.train(X, Y, eta=bad) + n.learn(X, Y, bad)[-1:]
        yield asked, f"eta is a finite learning rate such as 3.0; received {bad}"
    for epochs in (-1, 1.5):
        said = f"epochs is a whole number, 0 or more; received {epochs}"
        yield n.train(X, Y, epochs), said
    sizes = "mini_batch_size lies between 1 and the number of training examples, 3; received"
    for m in (0, -1, 4, 1.5):
        yield n.train(X, Y, 1, m), f"{sizes} {m}"


@both
@every
def test_what_is_refused_and_how_it_is_said(twin, arithmetic):
    asked = Asked(twin, arithmetic)
    before = fingerprint(asked.net)
    for calls, said in refused(asked):
        for function, *arguments in calls:
            assert refusal(function, *arguments) == f"ValueError: {said}", function
    assert fingerprint(asked.net) == before


# --- Overflow is never silent -------------------------------------------------------------------


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
    zeros = Parameters((2, 1), [np.zeros((1, 2))], [np.zeros((1, 1))])
    net, step = twin.start(zeros), verb == "update_mini_batch"
    for _ in range(1 if step else 2):  # a step has been taken, reading changes nothing
        told = refusal(getattr(net, verb), *(((x, y), 0.1) if step else (x, y)))
        assert told == overflow("delta", 2, 1)
