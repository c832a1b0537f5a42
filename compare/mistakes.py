"""Every known mistake, once: a row is a changed method or two of the page `compare.columns`.

The mistaken network is a mutant, which the proof must catch at the row's link (`compare.kills`),
and a hypothesis, which explains a candidate that answers as it does (`compare.diagnosis`). What a
mistake leaves open, such as a factor, is the network's `strength`: the first answer that it changes
is linear in it, or a row says how to read it. Correct variants, rows too, must pass.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial, partialmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compare.columns import Columns, sigmoid

Array = NDArray[Any]
Arrays = list[Array]
Answers = dict[str, Array]
Steps = Iterable[Array]
Net = Any
by = partialmethod  # a method, the first of its arguments given
STATED = 2.0  # a strength to try a mistake with, before it is read


@dataclass(frozen=True, eq=False)
class Mistake:
    """A network with one mistake."""

    link: str  # that should catch it; "" for a correct variant
    name: str  # with {} or {0} for its strength
    advice: str
    changes: dict[str, Any]  # methods of `Columns`, by name
    linear: bool = False  # its strength is open, and the first answer that changes is linear in it
    read: Callable[[Answers, float], float | None] | None = None  # its strength: found, eta
    strengths: tuple[float, ...] = ()  # tried in turn, where it cannot be read
    tolerance: float = 0.0  # relative, where libraries do it with another small constant
    meanings: int = 0  # which column of `factors` explains a strength; 0: none does
    format: str = ""  # of the numbers, where the mistake is to compute in it
    example: float = STATED  # the strength of the mutant
    square: bool = False  # it changes nothing but square layers

    @classmethod
    def of(cls, link: str, name: str, advice: str, **given: Any) -> Mistake:
        """Return a mistake by the methods that it changes, and by its other fields."""
        changes = {k: given.pop(k) for k in list(given) if hasattr(Columns, k)}
        return cls(link, name, advice, changes, **given)

    def network(self, strength: float = STATED) -> Any:
        """Return the mistaken network as a class."""
        return type(self.name, (Columns,), {**self.changes, "strength": strength})


def factors(m: int, digits: int, eta: float) -> list[tuple[str, float, str, str]]:
    """Return known factors: name, value, and what each means in a gradient and in a step."""
    d = digits
    # fmt: off
    return [
        ("-1", -1, "the derivative of the cost is y - a: it is a - y",
         "the step is added: subtract it"),
        ("2", 2, "the cost has no 1/2, as in nn.MSELoss(reduction='sum'): divide it by 2",
         "it is taken twice, or the cost has no 1/2"),
        ("1 / 2", 1 / 2, "the cost has its 1/2 twice, or it is applied to its derivative too",
         "it is halved: the 1/2 of the cost is gone once that is differentiated"),
        ("1 / m", 1 / m, "the gradient is the mean over the mini-batch: return the sum, and divide "
         "by m in the step alone", "it is divided by the size of the mini-batch twice"),
        ("2 / (digits m)", 2 / (d * m), "the cost is nn.MSELoss(), a mean over the digits and the "
         "mini-batch without 1/2: use nn.MSELoss(reduction='sum') / 2",
         "the cost is nn.MSELoss(), averaged already, and the step divides by m once more"),
        ("1 / (digits m)", 1 / (d * m), "the cost is averaged over the digits and the mini-batch: "
         "sum over both", "the cost is averaged already, and the step divides by m once more"),
        ("1 / digits", 1 / d, "the cost is averaged over the digits: sum over them",
         "the cost is averaged over the digits: sum over them"),
        ("2 / digits", 2 / d, "the cost is averaged over the digits and has no 1/2: sum, and halve",
         "the cost is nn.MSELoss(), averaged over the digits without 1/2"),
        ("2 / m", 2 / m, "the gradient is a mean over the mini-batch, and the cost has no 1/2",
         "it is divided by m twice, and the cost has no 1/2"),
        ("m", m, "the gradient is multiplied by the size of the mini-batch, or summed twice",
         "it is not divided by the size of the mini-batch: w - (eta / m) nabla_w"),
        ("digits", d, "the gradient is multiplied by the number of digits",
         "it is multiplied by the number of digits"),
        ("1 / m^2", 1 / m**2, "the gradient is divided by the size of the mini-batch twice",
         "it is divided by the size of the mini-batch three times"),
        ("1 / eta", 1 / eta, "the gradient is divided by eta",
         "the learning rate is left out: w - (eta / m) nabla_w"),
        ("m / eta", m / eta, "", "both eta and the division by m are left out: (eta / m) nabla_w"),
        ("m / 10", m / 10, "", "it is divided by 10 whatever the mini-batch: divide by m"),
    ]
    # fmt: on


# What the rows are made of.


def turned(w: Array) -> Array:
    """Return a matrix transposed, or read in the wrong order where its shape forbids that."""
    return np.array(w.T) if w.shape[0] == w.shape[1] else w.T.reshape(w.shape)


def relu(z: Array) -> Array:
    return np.maximum(z, 0)


def softmax(z: Array) -> Array:
    e = np.exp(z - z.max(axis=0))
    return e / e.sum(axis=0)


def prime(z: Array) -> Array:
    """Return sigma'(z), as the book's sigmoid_prime does."""
    return sigmoid(z) * (1 - sigmoid(z))


def squares(turned: Callable[[Array], Array], x: Array) -> Array:
    """Change square images, (rows, columns, examples), as they are turned, and no others."""
    side = math.isqrt(len(x))
    return turned(x.reshape(side, side, -1)).reshape(x.shape) if side**2 == len(x) else x


def neurons(hidden: Callable[[Array], Array], output: Any = None) -> dict[str, Any]:
    """Return the change to neurons of other kinds; without an output, in every layer."""
    return {"fire": lambda net, z, last: (output if last and output else hidden)(z)}


def slope(net: Net, z: Array, a: Array, last: bool, every: Any = None, **of: Any) -> Array:
    """Return another slope, a function of z and a, in some layers."""
    changed = every or of.get("output" if last else "hidden")
    return np.asarray(changed(z, a) if changed else a * (1 - a))


def started(net: Net, by_w: Any, by_b: Any, weights: Arrays, biases: Arrays) -> None:
    """Start from other weights, or other biases, or both."""
    net.weights = [np.array(by_w(w) if by_w else w) for w in weights]
    net.biases = [np.array(by_b(b) if by_b else b) for b in biases]


def step(net: Net, law: Any, nabla_b: Arrays, nabla_w: Arrays, eta: float, m: int) -> None:
    """Take another step: a function of net, nablas (the biases' first), eta and m."""
    steps = list(law(net, [*nabla_b, *nabla_w], eta, m))
    Columns.descend(net, steps[: len(nabla_b)], steps[len(nabla_b) :], 1.0, 1)


def zeros(layers: Iterable[Array]) -> Arrays:
    return [0.0 * v for v in layers]


def kept_from(method: str, in_the_class: bool = False) -> Callable[..., Any]:
    """Return a method whose first answer is given again, whatever it is asked.

    Kept in the class by input, it is given again whatever the parameters have become.
    """
    by_all: dict[Any, Any] = {}

    def answered(net: Net, x: Array, *others: Array) -> Any:
        answers = by_all if in_the_class else net.__dict__.setdefault("answers", {})
        key = (type(net), x.tobytes()) if in_the_class else x.shape
        if key not in answers:
            answers[key] = getattr(Columns, method)(net, np.array(x), *others)
        return answers[key]

    return answered


def never_cleared(net: Net, x: Array, y: Array) -> Any:
    new = Columns.backprop(net, x, y)
    old = net.__dict__.get("old") or tuple(map(zeros, new))
    pairs = zip(old, new, strict=True)
    net.old = tuple([v + w for v, w in zip(*pair, strict=True)] for pair in pairs)
    return net.old


def at_the_start(net: Net, x: Array, y: Array) -> Any:
    begun = net.__dict__.setdefault("begun", Columns.of(net))
    return begun.backprop(x, y)


def stepping_along(net: Net, gradient: Any, x: Array, y: Array, eta: float) -> None:
    """Take a step along another gradient than backprop's."""
    nabla_b, nabla_w = gradient(net, x, y)
    Columns.descend(net, nabla_b, nabla_w, eta, x.shape[1])


def regularised(net: Net, shape: Callable[[Array], Array], x: Array, y: Array) -> Any:
    """Return a gradient with a term of the weights in it."""
    b, w = Columns.backprop(net, x, y)
    return b, [n + net.strength * shape(v) for n, v in zip(w, net.weights, strict=True)]


def with_old_activations(net: Net, x: Array, y: Array) -> Any:
    if "left" not in net.__dict__ or net.left[0][0].shape[1] != x.shape[1]:
        net.left = Columns.trace(net, np.array(x))
    return net.gradient(*net.left, net.backward(*net.left, y))


def left_by_trace(net: Net, x: Array) -> Any:
    net.left = zs, activations = Columns.trace(net, np.array(x))
    return list(zs), list(activations)


def last_layer_first(net: Net, x: Array, y: Array, eta: float) -> None:
    zs, activations = net.trace(x)
    rate, delta = eta / x.shape[1], net.cost_derivative(activations[-1], y)
    delta = delta * net.slope(zs[-1], activations[-1], True)
    for k in reversed(range(len(net.weights))):
        net.weights[k] = net.weights[k] - rate * net.nabla_w(delta, activations[k])
        net.biases[k] = net.biases[k] - rate * net.nabla_b(delta)
        if k:
            delta = net.pulled_back(net.weights[k], delta)
            delta = delta * net.slope(zs[k - 1], activations[k], False)


def one_part_late(net: Net, weights_first: bool, x: Array, y: Array, eta: float) -> None:
    for weights in (weights_first, not weights_first):
        nabla_b, nabla_w = net.backprop(x, y)
        b, w = (zeros(nabla_b), nabla_w) if weights else (nabla_b, zeros(nabla_w))
        Columns.descend(net, b, w, eta, x.shape[1])


def steps(net: Net, parts: Any, x: Array, y: Array, eta: float) -> None:
    """Take other steps than one: of m examples, which, and by what share of eta."""
    for columns, share in parts(x.shape[1]):
        Columns.update_mini_batch(net, x[:, columns], y[:, columns], share * eta)


def decayed(biases: bool, shape: Any, net: Net, nablas: Arrays, eta: float, m: int) -> Steps:
    """Yield steps by which the weights, or the biases too, shrink."""
    for k, (n, v) in enumerate(zip(nablas, (*net.biases, *net.weights), strict=True)):
        shrinks = biases or 2 * k >= len(nablas)
        yield eta / m * n + shrinks * eta * net.strength * shape(v)


def with_velocity(nesterov: bool, net: Net, nablas: Arrays, eta: float, m: int) -> Steps:
    plain = [eta / m * n for n in nablas]
    old = net.__dict__.get("velocity") or zeros(plain)
    net.velocity = [net.strength * v + n for v, n in zip(old, plain, strict=True)]
    ahead = zip(net.velocity, plain, strict=True)
    return [n + net.strength * v for v, n in ahead] if nesterov else net.velocity


def adaptive(law: Any, mean: bool, net: Net, nablas: Arrays, eta: float, m: int) -> Steps:
    """Return steps whose length does not follow the gradient's."""
    memory = net.__dict__.setdefault("memory", [{} for _ in nablas])
    pairs = zip(nablas, memory, strict=True)
    return [eta * net.strength * law(n / m if mean else n, kept) for n, kept in pairs]


def adam(g: Array, kept: dict[str, Any]) -> Array:
    kept["t"] = t = kept.get("t", 0) + 1
    kept["first"] = first = 0.9 * kept.get("first", 0.0) + 0.1 * g
    kept["second"] = second = 0.999 * kept.get("second", 0.0) + 0.001 * g * g
    return np.asarray(first / (1 - 0.9**t) / (np.sqrt(second / (1 - 0.999**t)) + 1e-8))


def by_squares(old: float, new: float, least: float, g: Array, kept: dict[str, Any]) -> Array:
    """Return what RMSprop, or Adagrad, which forgets nothing, makes of a gradient."""
    kept["square"] = square = old * kept.get("square", 0.0) + new * g * g
    return np.asarray(g / (np.sqrt(square) + least))


def shortened(net: Net, nablas: Arrays, eta: float, m: int) -> Steps:
    length = math.sqrt(sum(float(np.vdot(n, n)) for n in nablas)) / m
    shrink = min(1.0, net.strength / (length + 1e-300))
    return [shrink * eta / m * n for n in nablas]


def shrinking_eta(net: Net, nablas: Arrays, eta: float, m: int) -> Steps:
    net.taken = net.__dict__.get("taken", -1) + 1
    return [eta * net.strength**net.taken / m * n for n in nablas]


def in_one_step(net: Net, x: Array, y: Array, order: Array, size: int, eta: float) -> None:
    """Take every gradient of an epoch at the weights that it began with."""
    begun = Columns.of(net)
    for chosen in slices(order, size):
        nabla_b, nabla_w = begun.backprop(x[:, chosen], y[:, chosen])
        net.descend(nabla_b, nabla_w, eta, len(chosen))


def diluted(net: Net, x: Array, y: Array, order: Array, size: int, eta: float) -> None:
    for chosen in slices(order, size):
        net.update_mini_batch(x[:, chosen], y[:, chosen], eta * len(chosen) / size)


def two_orders(
    net: Net, images: bool, x: Array, y: Array, order: Array, size: int, eta: float
) -> None:
    x, y = (x[:, order], y) if images else (x, y[:, order])
    Columns.train(net, x, y, np.arange(len(order)), size, eta)


def slices(order: Array, size: int) -> Arrays:
    return [order[k : k + size] for k in range(0, len(order), size)]


# How some strengths are read.


def edge_of_z(found: Answers, eta: float) -> float | None:
    """Read where z is clipped from the activation furthest from 1/2."""
    fired = [v for name, v in found.items() if name.startswith(("activations", "output"))]
    top = max((float(np.abs(v - 0.5).max()) for v in fired), default=0.5) + 0.5
    return round(math.log(top / (1 - top)), 6) if 0.5 < top < 1 else None


def inverted(found: Answers) -> tuple[Array, Array] | None:
    """Return the z that the first layer's activations are the sigmoids of, and its own z.

    Only where the sigmoid is steep enough to tell; None where both are not known.
    """
    z, a = found.get("zs[0] #0"), found.get("activations[1] #0")
    if z is None or a is None or a.shape != z.shape:
        return None
    steep = (a > 1e-3) & (a < 1 - 1e-3)
    return (np.log(a[steep] / (1 - a[steep])), z[steep]) if steep.sum() > 9 else None


def scale_of_z(found: Answers, eta: float) -> float | None:
    """Read what z is multiplied by from the first layer."""
    seen = inverted(found)
    return None if seen is None else float(np.median(seen[0] / seen[1]))


def grid_of_z(found: Answers, eta: float) -> float | None:
    """Read the spacing of a table of sigmoids from the first layer."""
    seen = inverted(found)
    places = np.unique(np.round(seen[0], 9)) if seen is not None else np.zeros(0)
    repeated = seen is not None and 3 < len(places) < 0.9 * seen[0].size
    return float(round(np.diff(places).min(), 9)) if repeated else None


def first_step(found: Answers) -> Array:
    """Return every entry of the first step."""
    steps = [v for name, v in found.items() if name.startswith("step") and name.endswith("#0")]
    return np.concatenate([v.ravel() for v in steps]) if steps else np.zeros(1)


# The table.

# fmt: off
PIXELS: list[tuple[str, str, Callable[[Array], Array]]] = [
    ("pixels divided by 255", "pixels are 256/255 times as bright: divide the bytes by 256, as "
     "Nielsen's files do", lambda x: x * (256 / 255)),
    ("pixels not divided", "pixels are bytes, 256 times as bright: divide them by 256",
     lambda x: x * 256),
    ("pixels divided twice", "pixels are divided by 256 once more: they are byte / 256 already",
     lambda x: x / 256),
    ("pixels divided twice", "pixels are divided by 255 once more: they are byte / 256 already",
     lambda x: x / 255),
    ("normalised pixels", "pixels are less 0.1307, divided by 0.3081: leave out the normalisation",
     lambda x: (x - 0.1307) / 0.3081),
    ("normalised pixels", "bytes / 255 are less 0.1307, divided by 0.3081: leave out both",
     lambda x: (x * (256 / 255) - 0.1307) / 0.3081),
    ("normalised pixels", "pixels are stretched from -1 to 1: leave out the normalisation",
     lambda x: (x - 0.5) / 0.5),
    ("inverted pixels", "pixels are 255/256 - x, black on white: ink is bright in MNIST",
     lambda x: 255 / 256 - x),
    ("inverted pixels", "pixels are 1 - x, black on white: ink is bright in MNIST",
     lambda x: 1 - x),
    ("binary pixels", "pixels are made black or white: keep the greys",
     lambda x: (x > 0.5).astype(np.float64)),
    ("transposed images", "rows and columns of every image are exchanged: read the pixels row by "
     "row", partial(squares, lambda v: v.transpose(1, 0, 2))),
    ("mirrored images", "every image is mirrored, left for right: read every row from the left",
     partial(squares, lambda v: v[:, ::-1])),
    ("images upside down", "every image stands on its head: read the rows from the top",
     partial(squares, lambda v: v[::-1])),
]
SPLITS = [
    ("validation is the first sixth of the file: it is the last",
     lambda n: (slice(n // 6, None), slice(0, n // 6))),
    ("training holds the validation examples too: leave them out",
     lambda n: (slice(None), slice(n - n // 6, None))),
    ("training holds the whole file, and validation is the test set",
     lambda n: (slice(None), None)),
    ("training and validation are exchanged",
     lambda n: (slice(n - n // 6, None), slice(0, n - n // 6))),
]
SIGMA = "is multiplied by sigma'(a): sigmoid_prime wants z, or write a (1 - a)"
LATE = "move along the gradient at the {} already moved: compute all gradients first, then step"
PLAIN = "every entry moves by a like amount whatever its gradient: use torch.optim.SGD"
LAWS: list[tuple[str, Callable[[Array, Any], Array]]] = [
    ("Adam", adam), ("RMSprop", partial(by_squares, 0.99, 0.01, 1e-8)),
    ("Adagrad", partial(by_squares, 1, 1, 1e-10)),
    ("the sign of the gradient", lambda g, _: np.sign(g)),
]
NETWORK2 = "(the book's network2.py has it on purpose)"

data, start, forward, gradients, update, training, predictions, figures = (
    partial(Mistake.of, link) for link in ("data", "initial weights", "forward", "gradients",
                                           "update", "training", "predictions", "figures"))
TABLE: list[Mistake] = [
    *(data(name, advice, pixels=lambda net, images, c=c: c(Columns.pixels(net, images).T).T)
      for name, advice, c in PIXELS),
    *(data("labels off by one", f"every label is one {what} than the digit: labels are 0 to 9",
        digits=lambda net, labels, k=k: (labels.astype(np.int64) + k) % 10)
      for what, k in (("more", 1), ("less", -1))),
    *(data("another split", how, split=lambda net, n, cut=cut: cut(n)) for how, cut in SPLITS),

    start("transposed weights", "every weight is there in another place, those of w.T: weights[l] "
        "is (n_out, n_in); transpose it, and do not reshape", take=by(started, turned, None)),
    start("weights scaled by 1 / sqrt(n_in)", f"the weights are divided by sqrt(n_in) {NETWORK2}: "
        f"take them as they are", take=by(started, lambda w: w / np.sqrt(w.shape[1]), None)),
    start("biases start from zero", "the weights are those given, and the biases are zero: take "
        "over the biases too", take=by(started, None, np.zeros_like)),
    start("weights start from zero", "the biases are those given, and the weights are zero: take "
        "over the weights too", take=by(started, np.zeros_like, None)),
    start("biases negated", "the biases are given with the other sign: take them as they are, and "
        "add them", take=by(started, None, np.negative)),

    forward("no biases in the forward pass", "z is w a without b in every layer: add the biases",
        weighted=lambda net, w, a, b: w @ a),
    forward("biases subtracted", "z is w a - b: add the biases (some books subtract a threshold "
        "instead)", weighted=lambda net, w, a, b: w @ a - b),
    forward("factor {} in the biases", "z is w a and {} times b: add the biases once",
        weighted=lambda net, w, a, b: w @ a + net.strength * b, linear=True),
    forward("no biases in layer {}", "z of layer {} (counted from 0) is w a without b: add its "
        "biases (bias=False is left somewhere)",
        weighted=lambda net, w, a, b:
            w @ a + b * (w is not net.weights[int(net.strength) % len(net.weights)]),
        strengths=(0, 1, 2, 3), example=1),
    forward("factor {} in the weights", "z is {} times w a, and b: take the weights as they are",
        weighted=lambda net, w, a, b: net.strength * (w @ a) + b, linear=True),
    forward("transposed weights in the forward pass", "z comes from the weights read the other "
        "way round: weights[l][j, k] leads from neuron k to neuron j, so z = np.dot(w, a) + b",
        weighted=lambda net, w, a, b: turned(w) @ a + b),
    *(forward(name, f"z is that of other pixels: {advice}", seen=lambda net, x, c=c: c(x))
      for name, advice, c in PIXELS),
    forward("a cached answer", "a second input gets the answer of the first: compute every answer "
        "from its own input", trace=kept_from("trace")),
    forward("a cached answer", "the answer is that of other parameters, which another network "
        "had: keep no answers, neither in the class nor in its module",
        trace=kept_from("trace", True)),
    forward("softmax output", "the output activations are the softmax of z: take its sigmoid, as "
        "in every layer (a softmax output is the book's chapter 3)", **neurons(sigmoid, softmax)),
    *(forward(f"{kind} {which}", f"{activations} {what}: use the sigmoid",
        **neurons(fire, fire if which == "neurons" else sigmoid))
      for kind, what, fire in (("tanh", "tanh(z)", np.tanh), ("relu", "max(z, 0)", relu),
                               ("linear", "z itself", lambda z: z))
      for which, activations in (("neurons", "every activation is"),
                                 ("hidden neurons", "the hidden activations are"))),
    forward("leaky relu hidden neurons", "the hidden activations are z, or a hundredth of it "
        "below 0: use the sigmoid", **neurons(lambda z: np.where(z > 0, z, 0.01 * z), sigmoid)),
    forward("linear output", "the output activations are z itself: apply the sigmoid to the last "
        "layer too", **neurons(sigmoid, lambda z: z)),
    forward("sigmoid of -z", "the activations are 1 - sigmoid(z): the sigmoid is 1 / (1 + "
        "exp(-z)), with a minus", **neurons(lambda z: sigmoid(-z))),
    forward("sigmoid of 2 z", "the activations are sigmoid(2 z): the tanh form is (1 + tanh(z / "
        "2)) / 2", **neurons(lambda z: sigmoid(2 * z))),
    forward("sigmoid of {} z", "the activations are sigmoid({} z): take z as it is",
        fire=lambda net, z, last: sigmoid(net.strength * z), read=scale_of_z, example=1.01),
    forward("sigmoid twice", "the output activations are sigmoid(sigmoid(z)): a loss or a layer "
        "applies it once more", **neurons(sigmoid, lambda z: sigmoid(sigmoid(z)))),
    forward("hard sigmoid", "the activations are clip(z / 6 + 1/2, 0, 1), torch's hardsigmoid: "
        "use the sigmoid", **neurons(lambda z: np.clip(z / 6 + 0.5, 0, 1))),
    forward("hard sigmoid", "the activations are clip(0.2 z + 1/2, 0, 1), Keras's hard_sigmoid: "
        "use the sigmoid", **neurons(lambda z: np.clip(0.2 * z + 0.5, 0, 1))),
    forward("clipped z", "the activations are those of z clipped to [-{0}, {0}]: do not clip; "
        "where exp(-z) overflows to infinity, the sigmoid is rightly 0",
        fire=lambda net, z, last: sigmoid(np.clip(z, -net.strength, net.strength)), read=edge_of_z,
        example=2.5),
    forward("sigmoid from a table", "the activations are those of z rounded to multiples of {}: "
        "compute the sigmoid instead of looking it up",
        fire=lambda net, z, last: sigmoid(np.rint(z / net.strength) * net.strength), read=grid_of_z,
        example=0.25),

    gradients("factor {}", "the gradient is {} times the reference's: {}",
        cost_derivative=lambda net, a, y: net.strength * (a - y), linear=True, meanings=1,
        example=2.0),
    gradients("factor {}", "nabla_b and nabla_w are {} times the reference's: {}",
        gradient=lambda net, zs, a, deltas:
            Columns.gradient(net, zs, a, [net.strength * d for d in deltas]), linear=True,
        meanings=1, example=1 / 7),
    gradients("factor {} in nabla_b", "nabla_b alone is {} times the reference's: {}",
        nabla_b=lambda net, d: net.strength * d.sum(axis=1, keepdims=True), linear=True, meanings=1,
        example=0.5),
    gradients("factor {} in nabla_w", "nabla_w alone is {} times the reference's: {}",
        nabla_w=lambda net, d, a: net.strength * (d @ a.T), linear=True, meanings=1, example=0.5),
    gradients("factor {} in deltas", "deltas are {} times the reference's, and the gradients are "
        "right: delta is the derivative of the summed cost by z of each example",
        deltas=lambda net, x, y: [net.strength * d for d in Columns.deltas(net, x, y)], linear=True,
        example=0.1),
    gradients("no sigma prime in the output layer", "the output delta is a - y, the "
        "cross-entropy's, which is network2.py's choice, and no mistake there: for the quadratic "
        "cost it is (a - y) sigma'(z) (BP1)", slope=by(slope, output=lambda z, a: np.ones_like(a))),
    gradients("no sigma prime in the hidden layers", "the hidden delta is w.T delta: multiply it "
        "by sigma'(z) (BP2)", slope=by(slope, hidden=lambda z, a: np.ones_like(a))),
    gradients("no sigma prime at all", "delta is never multiplied by sigma'(z): it is in every "
        "layer (BP1, BP2)", slope=by(slope, every=lambda z, a: np.ones_like(a))),
    gradients("sigma prime of a", f"delta {SIGMA}", slope=by(slope, every=lambda z, a: prime(a))),
    gradients("sigma prime of a in the output layer", f"the output delta {SIGMA}",
        slope=by(slope, output=lambda z, a: prime(a))),
    gradients("sigma prime of a in the hidden layers", f"the hidden delta {SIGMA}",
        slope=by(slope, hidden=lambda z, a: prime(a))),
    gradients("factor {} in the hidden sigma prime", "the hidden delta is {} times w.T delta "
        "sigma'(z): sigma'(z) is a (1 - a)",
        slope=lambda net, z, a, last: a * (1 - a) * (1 if last else net.strength), linear=True,
        example=0.5),
    gradients("a in place of sigma prime", "delta is multiplied by a: sigma'(z) is a (1 - a)",
        slope=by(slope, every=lambda z, a: a)),
    gradients("1 - a in place of sigma prime", "delta is multiplied by 1 - a: sigma'(z) is a (1 - "
        "a)", slope=by(slope, every=lambda z, a: 1 - a)),
    gradients("z in sigma prime", "delta is multiplied by z (1 - z): sigma'(z) is a (1 - a), with "
        "a = sigmoid(z)", slope=by(slope, every=lambda z, a: z * (1 - z))),
    gradients("the slope of tanh", "the hidden delta is multiplied by 1 - a^2, the slope of tanh: "
        "that of the sigmoid is a (1 - a)", slope=by(slope, hidden=lambda z, a: 1 - a * a)),
    gradients("the slope of tanh", "delta is multiplied by 1 - a^2, the slope of tanh: that of "
        "the sigmoid is a (1 - a)", slope=by(slope, every=lambda z, a: 1 - a * a)),
    gradients("the slope of relu", "the hidden delta is multiplied by 1 where z > 0, the slope of "
        "relu: that of the sigmoid is a (1 - a)",
        slope=by(slope, hidden=lambda z, a: 1.0 * (z > 0))),
    gradients("labels off by one", "the gradient is that of the digit after the right one: digit "
        "j is output j, counted from 0",
        cost_derivative=lambda net, a, y: a - np.roll(y, 1, axis=0)),
    gradients("labels off by one", "the gradient is that of the digit before the right one: digit "
        "j is output j, counted from 0",
        cost_derivative=lambda net, a, y: a - np.roll(y, -1, axis=0)),
    gradients("broadcasting", "every a[i] met every y[j]: (n,) - (n, 1) is (n, n); give a and y "
        "one shape before the minus", cost_derivative=lambda net, a, y: len(a) * a - y.sum(axis=0)),
    gradients("broadcasting", "every y[i] met every a[j]: (n,) - (n, 1) is (n, n); give a and y "
        "one shape before the minus", cost_derivative=lambda net, a, y: a.sum(axis=0) - len(a) * y),
    gradients("softmax cross-entropy of the activations", "the cost is nn.CrossEntropyLoss of the "
        "output activations, which takes a softmax of its own: use half the squared distance",
        cost_derivative=lambda net, a, y: softmax(a) - y),
    *(gradients(f"desired outputs {low} and {high}", f"the desired outputs are {low} and {high}: "
        f"here they are 0 and 1",
        cost_derivative=lambda net, a, y, low=low, high=high: a - (low + (high - low) * y))
      for low, high in ((0.01, 0.99), (0.1, 0.9), (-1, 1))),
    gradients("cross-entropy of a second sigmoid", "the cost is nn.BCEWithLogitsLoss of the "
        "output activations, which takes a sigmoid of its own: use half the squared distance",
        cost_derivative=lambda net, a, y: sigmoid(a) - y),
    gradients("softmax cross-entropy of z", "the cost is nn.CrossEntropyLoss of the last z (the "
        "book's chapter 3 has it, with a softmax output): use half the squared distance of a",
        backward=lambda net, zs, a, y: Columns.backward(net, zs, [*a[:-1], softmax(zs[-1])], y),
        slope=by(slope, output=lambda z, a: np.ones_like(a))),
    gradients("logarithm of the right output alone", "the cost is -y ln a, as with nn.NLLLoss of "
        "log(a): use half the squared distance", cost_derivative=lambda net, a, y: -y / a),
    gradients("desired outputs {0} and 1 - {0}", "the desired outputs are {0} and 1 - {0}: here "
        "they are 0 and 1",
        cost_derivative=lambda net, a, y: a - (net.strength + (1 - 2 * net.strength) * y),
        linear=True, example=0.2),
    gradients("label smoothing", "the desired outputs are y (1 - s) + s / digits with s = {}: "
        "here they are 0 and 1",
        cost_derivative=lambda net, a, y: a - (y * (1 - net.strength) + net.strength / len(y)),
        linear=True, example=0.1),
    gradients("absolute error", "the derivative of the cost is the sign of a - y, as with "
        "nn.L1Loss: it is a - y itself", cost_derivative=lambda net, a, y: np.sign(a - y)),
    gradients("Huber cost", "the derivative of the cost is a - y clipped to [-{0}, {0}], as with "
        "nn.HuberLoss: it is a - y itself",
        cost_derivative=lambda net, a, y: np.clip(a - y, -net.strength, net.strength),
        strengths=(0.5, 0.25, 0.2, 0.1, 0.75, 0.05), example=0.25),
    gradients("smooth absolute error", "the derivative of the cost is (a - y) / {0}, clipped to "
        "[-1, 1], as with nn.SmoothL1Loss: it is a - y itself",
        cost_derivative=lambda net, a, y: np.clip((a - y) / net.strength, -1, 1),
        strengths=(0.5, 0.25, 0.1, 0.2), example=0.5),
    gradients("cubed error", "the derivative of the cost is (a - y)^3: it is a - y itself",
        cost_derivative=lambda net, a, y: (a - y) ** 3),
    gradients("z in place of a in nabla_w", "nabla_w is delta times z of the layer before: it is "
        "delta times its activation a (BP4)",
        gradient=lambda net, zs, a, deltas: Columns.gradient(net, zs, [a[0], *zs], deltas)),
    gradients("w in place of w.T going back", "delta is pulled back through square w: it takes "
        "w.T (BP2)", pulled_back=lambda net, w, d: (w if w.shape[0] == w.shape[1] else w.T) @ d,
        square=True),
    gradients("transposed nabla_w", "nabla_w of square layers is a delta.T: it is delta a.T (BP4)",
        nabla_w=lambda net, d, a: a @ d.T if len(a) == len(d) else d @ a.T, square=True),
    *(gradients(f"nabla_b of the {which} example alone", f"nabla_b is the delta of the {which} "
        f"example: it is the sum over the mini-batch (BP3)", nabla_b=lambda net, d, k=k: d[:, k])
      for which, k in (("last", slice(-1, None)), ("first", slice(1)))),
    gradients("the last example alone", "the gradient is that of the last example: add up those "
        "of all (nabla_b = nb + dnb, not nabla_b = dnb)",
        gradient=lambda net, zs, a, deltas:
            Columns.gradient(net, zs, [v[:, -1:] for v in a], [d[:, -1:] for d in deltas])),
    gradients("the first example alone", "the gradient is that of the first example: a return "
        "inside the loop over the mini-batch",
        gradient=lambda net, zs, a, deltas:
            Columns.gradient(net, zs, [v[:, :1] for v in a], [d[:, :1] for d in deltas])),
    gradients("a product of sums", "nabla_w is the sum of delta times the sum of a: multiply "
        "first, example by example, then add up (delta @ a.T)",
        nabla_w=lambda net, d, a: d.sum(axis=1, keepdims=True) @ a.sum(axis=1, keepdims=True).T),
    gradients("an L2 term", f"nabla_w has {{}} times w in it: leave out the regularisation "
        f"{NETWORK2}", backprop=by(regularised, lambda w: w), linear=True, example=0.1),
    gradients("an L1 term", "nabla_w has {} times the sign of w in it: leave out the "
        "regularisation", backprop=by(regularised, np.sign), linear=True, example=0.1),
    gradients("stale gradient", "the second gradient is the sum of the first and the second: "
        "clear it before each backward (optimizer.zero_grad())", backprop=never_cleared),
    gradients("stale activations", "the gradient is computed from the activations of an earlier "
        "forward pass: run the forward pass inside backprop, on its own x",
        backprop=with_old_activations),
    gradients("stale activations", "the gradient is computed from the activations that trace left "
        "behind: run the forward pass inside backprop, on its own x", backprop=with_old_activations,
        trace=left_by_trace),
    gradients("a cached answer", "a second mini-batch gets the gradient of the first: compute "
        "every answer from its own input", backprop=kept_from("backprop")),

    update("step factor {}", "the step is {} times the reference's: {}",
        descend=lambda net, b, w, eta, m: Columns.descend(net, b, w, net.strength * eta, m),
        linear=True, meanings=2, example=7.0),
    update("eta ignored", "every step takes eta = {}, whatever is asked: take the eta that is "
        "handed in", descend=lambda net, b, w, eta, m: Columns.descend(net, b, w, net.strength, m),
        linear=True, example=0.1),
    update("step factor {} in the biases", "the step of the biases alone is {} times the "
        "reference's: {}",
        descend=lambda net, b, w, eta, m:
            Columns.descend(net, [net.strength * n for n in b], w, eta, m), linear=True, meanings=2,
        example=0.5),
    update("step factor {} in the weights", "the step of the weights alone is {} times the "
        "reference's: {}",
        descend=lambda net, b, w, eta, m:
            Columns.descend(net, b, [net.strength * n for n in w], eta, m), linear=True, meanings=2,
        example=0.5),
    update("late bias update", f"the biases {LATE.format('weights')}",
        update_mini_batch=by(one_part_late, True)),
    update("late weight update", f"the weights {LATE.format('biases')}",
        update_mini_batch=by(one_part_late, False)),
    update("weights updated before delta is pulled back", "delta is pulled back through weights "
        "that have moved already: finish backprop, then take the step",
        update_mini_batch=last_layer_first),
    update("the step is taken twice", "one call of update_mini_batch takes two steps, one after "
        "the other: take one", update_mini_batch=by(steps, lambda m: [(slice(None), 1)] * 2)),
    update("one step for each example", "the weights move after every example, by eta / m: add up "
        "the gradients of the mini-batch, then take one step",
        update_mini_batch=by(steps, lambda m: [([k], 1 / m) for k in range(m)])),
    update("one step for each example", "the weights move after every example, by eta: add up the "
        "gradients of the mini-batch, then take one step",
        update_mini_batch=by(steps, lambda m: [([k], 1) for k in range(m)])),
    update("an example left out", "the last example of the mini-batch is left out: look at the "
        "end of the loop or of the slice",
        update_mini_batch=by(steps, lambda m: [(slice(0, max(1, m - 1)), 1)])),
    update("an example left out", "the first example of the mini-batch is left out: count from 0",
        update_mini_batch=by(steps, lambda m: [(slice(min(1, m - 1), None), 1)])),
    update("an example left out", "the last example of the mini-batch is left out, and counted in "
        "m: look at the end of the loop",
        update_mini_batch=by(steps, lambda m: [(slice(0, max(1, m - 1)), max(1, m - 1) / m)])),
    *(update(name, f"besides the step, {what}: leave out the {which}",
        descend=by(step, partial(decayed, biases, shape)), linear=True, example=0.001)
      for name, what, which, biases, shape in (
        ("weight decay", "the weights shrink by eta times {} of themselves",
         f"regularisation {NETWORK2}", False, np.asarray),
        ("weight decay", "weights and biases shrink by eta times {} of themselves",
         "optimizer's weight_decay", True, np.asarray),
        ("weight decay (L1)", "the weights shrink by eta times {} each",
         "regularisation", False, np.sign),
        ("weight decay (L1)", "weights and biases shrink by eta times {} each",
         "regularisation", True, np.sign))),
    update("stale gradient", "the second step takes the first gradient once more: clear it before "
        "each backward (optimizer.zero_grad())",
        update_mini_batch=by(stepping_along, never_cleared)),
    update("momentum", "the second step adds {} times the first: leave out the momentum",
        descend=by(step, partial(with_velocity, False)), linear=True, example=0.9),
    update("Nesterov momentum", "the first step is 1 + {} times as long, and the second adds to "
        "it: leave out the momentum", descend=by(step, partial(with_velocity, True)), linear=True,
        example=0.9),
    update("a learning rate that changes", "the second step is {} times as long as eta asks: take "
        "eta as it is handed in, in every step", descend=by(step, shrinking_eta), linear=True,
        example=0.9),
    update("stale weights", "the second step takes the gradient at the weights before the first: "
        "use the new ones", update_mini_batch=by(stepping_along, at_the_start)),
    update("a cached answer", "the second step repeats the first, whatever its mini-batch",
        update_mini_batch=by(stepping_along, kept_from("backprop"))),
    *(update(name, PLAIN, descend=by(step, partial(adaptive, law, mean)), linear=True,
        tolerance=1e-07, example=0.1)
      for mean in (True, False) for name, law in LAWS),
    update("clipped gradient", "the mean gradient is shortened to a length of {}: leave out the "
        "clipping", descend=by(step, shortened),
        read=lambda found, eta: float(np.linalg.norm(first_step(found))) / eta, tolerance=0.0001,
        example=0.05),
    update("clipped entries", "the mean gradient is clipped, entry by entry, to [-{0}, {0}]: "
        "leave out the clipping",
        descend=by(step, lambda net, nablas, eta, m:
            [eta * np.clip(n / m, -net.strength, net.strength) for n in nablas]),
        read=lambda found, eta: float(np.abs(first_step(found)).max()) / eta, example=0.01),

    training("reversed order", "the examples are taken from the last to the first",
        mini_batches=lambda net, order, size: slices(order[::-1], size)),
    training("order ignored", "the examples are taken as they are stored: follow the order",
        mini_batches=lambda net, order, size: slices(np.arange(len(order)), size)),
    training("order applied twice", "the order is applied to data that are in that order already: "
        "apply it once, to the examples as they are stored",
        mini_batches=lambda net, order, size: slices(order[order], size)),
    training("inverse order", "example k is put in place order[k]: the k-th example is order[k]",
        mini_batches=lambda net, order, size: slices(np.argsort(order), size)),
    training("reversed mini-batches", "the mini-batches are taken from the last to the first",
        mini_batches=lambda net, order, size: slices(order, size)[::-1]),
    training("last mini-batch dropped", "the last, smaller mini-batch is dropped: use it too "
        "(drop_last=False)",
        mini_batches=lambda net, order, size: slices(order[:len(order) - len(order) % size], size)),
    training("first mini-batch alone", "only the first mini-batch is used: a return or a break "
        "inside the loop", mini_batches=lambda net, order, size: slices(order, size)[:1]),
    training("first mini-batch skipped", "the first mini-batch is skipped: count from 0",
        mini_batches=lambda net, order, size: slices(order, size)[1:]),
    training("overlapping mini-batches", "mini-batches begin one example apart: range(0, n, "
        "mini_batch_size)",
        mini_batches=lambda net, order, size: [order[k:k + size] for k in range(len(order))]),
    training("overlapping mini-batches", "mini-batches are one example too long: order[k : k + "
        "mini_batch_size]",
        mini_batches=lambda net, order, size:
            [order[k:k + size + 1] for k in range(0, len(order), size)]),
    training("mini-batches too short", "mini-batches lack their last example: order[k : k + "
        "mini_batch_size]",
        mini_batches=lambda net, order, size:
            [order[k:k + max(1, size - 1)] for k in range(0, len(order), size)]),
    training("every mini-batch is the first", "every step takes the first mini-batch: the slice "
        "does not move",
        mini_batches=lambda net, order, size: [order[:size] for _ in range(0, len(order), size)]),
    training("mini-batches by stride", "a mini-batch is every n-th example: mini-batches are "
        "consecutive slices",
        mini_batches=lambda net, order, size:
            [order[k::-(-len(order) // size)] for k in range(-(-len(order) // size))]),
    training("mini_batch_size ignored", "mini-batches have 10 examples whatever is asked for",
        mini_batches=lambda net, order, size: slices(order, 10)),
    training("labels not shuffled with the images", "images and labels are taken in two orders: "
        "shuffle both with the same one", train=by(two_orders, True)),
    training("images not shuffled with the labels", "images and labels are taken in two orders: "
        "shuffle both with the same one", train=by(two_orders, False)),
    training("last mini-batch divided by the size of the others", "the step of the last, smaller "
        "mini-batch is divided by mini_batch_size: divide it by its own size", train=diluted),
    training("gradients of the weights that the epoch began with", "every step of the epoch takes "
        "the gradient at the weights that the epoch began with: compute each from the weights "
        "after the step before", train=in_one_step),
    training("one step for each example", "the weights move after every example: add up the "
        "mini-batch first", mini_batches=lambda net, order, size: slices(order, 1)),
    training("one step for the whole epoch", "the whole epoch is one mini-batch: take a step for "
        "each mini-batch", mini_batches=lambda net, order, size: [order]),

    predictions("evaluate returns a share", "evaluate returns the share of right answers: return "
        "how many there are",
        evaluate=lambda net, x, labels: Columns.evaluate(net, x, labels) / x.shape[1]),
    predictions("evaluate counts mistakes", "evaluate returns how many are wrong: return how many "
        "are right", evaluate=lambda net, x, labels: x.shape[1] - Columns.evaluate(net, x, labels)),
    predictions("evaluate takes the smallest output", "evaluate compares with argmin: the digit "
        "is the largest output",
        evaluate=lambda net, x, labels: int(np.sum(net.feedforward(x).argmin(axis=0) == labels))),

    figures("the neuron after it is held", "held changes the neuron after the one asked for: "
        "count from 0",
        held=lambda net, x, k, value: Columns.held(net, x, (k + 1) % net.sizes[1], value)),
    figures("z is held in place of the activation", "held sets z, not the activation: set it "
        "after the sigmoid",
        held=lambda net, x, k, value: Columns.held(net, x, k, float(sigmoid(np.float64(value))))),
]
# fmt: on


# Number formats: named only where computing in one reproduces the candidate's errors.


def rounded(dtype: Any, v: Array) -> Array:
    with np.errstate(over="ignore"):
        return np.asarray(v, dtype=dtype).astype(np.float64)


to_float32 = partial(rounded, np.float32)


def cut(v: Array, bits: int) -> Array:
    """Return float32 numbers rounded to fewer significant bits, half to even, as float64."""
    raw = np.ascontiguousarray(v, dtype=np.float32).view(np.uint32)
    drop = np.uint32(24 - bits)
    raw = raw + (np.uint32(1) << (drop - 1)) - 1 + ((raw >> drop) & 1)
    return (raw & ~((np.uint32(1) << drop) - np.uint32(1))).view(np.float32).astype(np.float64)


FORMATS: dict[str, tuple[Callable[[Array], Array], str]] = {
    "float32": (to_float32, "a dtype=torch.float32 or numpy.float32 is left somewhere"),
    "float16": (partial(rounded, np.float16), "leave out .half() or autocast"),
    "bfloat16": (lambda v: cut(v, 8), "leave out .bfloat16() or autocast"),
    "TF32": (
        lambda v: cut(v, 11),
        "set torch.backends.cuda.matmul.allow_tf32 to False, and compute in float64",
    ),
}


def in_format(name: str) -> Iterable[Mistake]:
    """Yield what computing in a format does: at the start, forward, back, and in a step."""
    to, advice = FORMATS[name]
    single = name in ("float32", "TF32")

    def product(v: Array, w: Array) -> Array:
        v, w = (np.asarray(to(u), dtype=np.float32) if single else to(u) for u in (v, w))
        return (v @ w).astype(np.float64)

    def stored(net: Net, *arguments: Any) -> None:
        Columns.descend(net, *arguments)
        net.weights, net.biases = [to(w) for w in net.weights], [to(b) for b in net.biases]

    rounds = to_float32 if single else to
    places: list[tuple[str, str, dict[str, Any]]] = [
        ("initial weights", "the parameters are rounded to", {"take": by(started, to, to)}),
        ("forward", "z is computed in",
         {"weighted": lambda net, w, a, b: rounds(product(w, a) + to(b))}),
        ("forward", "products of weights are in",
         {"weighted": lambda net, w, a, b: product(w, a) + b}),
        ("forward", "the sigmoid is computed in",
         {"fire": lambda net, z, last: to(sigmoid(to(z)))}),
        ("gradients", "the gradient is computed in", {
            "cost_derivative": lambda net, a, y: to(to(a) - to(y)),
            "slope": lambda net, z, a, last: to(to(a) * to(1 - to(a))),
            "pulled_back": lambda net, w, d: rounds(product(w.T, d)),
            "nabla_w": lambda net, d, a: rounds(product(d, a.T)),
            "nabla_b": lambda net, d: rounds(to(d).sum(axis=1, keepdims=True))}),
        ("gradients", "the gradient is rounded to", {
            "nabla_w": lambda net, d, a: to(d @ a.T),
            "nabla_b": lambda net, d: to(d.sum(axis=1, keepdims=True))}),
        ("update", "the new parameters are rounded to", {"descend": stored}),
        ("update", "the step is taken along a gradient in",
         {"descend": by(step, lambda net, nablas, eta, m: [eta / m * to(n) for n in nablas])}),
    ]  # fmt: skip
    for link, what, changes in places:
        if name != "TF32" or "product" in what or what.startswith("z "):
            yield Mistake(link, name, f"{what} {name}: {advice}", changes, format=name)


MISTAKES: list[Mistake] = [*TABLE, *(row for name in FORMATS for row in in_format(name))]


# Correct variants: other roundings, and nothing else.


def one_by_one(net: Net, x: Array, y: Array) -> Any:
    alone = [Columns.backprop(net, x[:, [k]], y[:, [k]]) for k in range(x.shape[1])]
    lists = zip(*alone, strict=True)  # nabla_b of every example, nabla_w of every example
    return tuple([sum(layer) for layer in zip(*one, strict=True)] for one in lists)


def step_by_part(net: Net, b: Arrays, w: Arrays, eta: float, m: int) -> None:
    net.weights = [v - eta * (n / m) for v, n in zip(net.weights, w, strict=True)]
    net.biases = [v - (eta * n) / m for v, n in zip(net.biases, b, strict=True)]


def plain_sigmoid(net: Net, z: Array, last: bool) -> Array:
    with np.errstate(over="ignore"):
        return np.asarray(1.0 / (1.0 + np.exp(-z)))


# fmt: off
VARIANTS = [Mistake("", name, "", changes) for name, changes in (
    ("the page as it is", {}),
    ("every sum runs from the last term to the first", {
        "weighted": lambda net, w, a, b: b + w[:, ::-1] @ a[::-1],
        "pulled_back": lambda net, w, d: w[::-1].T @ d[::-1],
        "nabla_w": lambda net, d, a: d[:, ::-1] @ a[:, ::-1].T,
        "nabla_b": lambda net, d: d[:, ::-1].sum(axis=1, keepdims=True)}),
    ("products summed pairwise, without BLAS", {
        "weighted": lambda net, w, a, b: np.add.reduce(w[:, :, None] * a, axis=1) + b,
        "nabla_w": lambda net, d, a: np.add.reduce(d[:, None] * a[None], axis=2)}),
    ("one example after the other, as in the book", {"backprop": one_by_one}),
    ("column-major matrices", {"kept": lambda net, v: np.array(v, order="F"),
                               "seen": lambda net, x: np.asfortranarray(x)}),
    ("an example in every row", {"weighted": lambda net, w, a, b:
        (np.ascontiguousarray(a.T) @ np.ascontiguousarray(w.T) + b[:, 0]).T}),
    ("every product is an einsum", {
        "weighted": lambda net, w, a, b: np.einsum("jk,km->jm", w, a) + b,
        "pulled_back": lambda net, w, d: np.einsum("jk,jm->km", w, d),
        "nabla_w": lambda net, d, a: np.einsum("jm,km->jk", d, a)}),
    ("the tanh form", {"fire": lambda net, z, last: (1 + np.tanh(z / 2)) / 2}),
    ("the book's sigmoid", {"fire": plain_sigmoid}),
    ("the slope from z", {"slope": lambda net, z, a, last: prime(z)}),
    ("eta and m applied one after the other", {"descend": step_by_part}),
)]
# fmt: on
