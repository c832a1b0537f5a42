"""Every known mistake, once: a row is a changed method or two of the page `compare.columns`.

The mistaken network is a mutant, which the proof must catch at the row's link (`compare.kills`),
and a hypothesis, which explains a candidate that answers as it does (`compare.diagnosis`). What a
mistake leaves open, such as a factor, is the network's `strength`: the first answer that it changes
is linear in it, or likely values are tried. Correct variants, rows too, must pass.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial, partialmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compare.columns import Columns, sigmoid

Array = NDArray[Any]
Arrays = list[Array]
Net = Any
by = partialmethod  # a method, the first of its arguments given
STATED = 2.0  # a strength to try a mistake with, before it is known
OF_COST = "look where the cost is computed"
OF_STEP = "look at eta / m, and at what is done to the parameters after the step"
OF_PART = "look where it is computed"


@dataclass(frozen=True, eq=False)
class Mistake:
    """A network with one mistake."""

    link: str  # that should catch it; "" for a correct variant
    name: str  # with {} for its strength
    advice: str
    changes: dict[str, Any]  # methods of `Columns`, by name
    linear: bool = False  # its strength is open, and the first answer that changes is linear in it
    strengths: tuple[float, ...] = ()  # tried in turn, where it is open and not linear
    measured: Any = None  # or what tells it: a function of the steps that are taken, and of eta
    factor: str = ""  # where to look if its strength is a factor that `factors` does not explain
    tolerance: float = 0.0  # relative, where libraries do it with another small constant
    example: float = STATED  # the strength of the mutant

    @classmethod
    def of(cls, link: str, name: str, advice: str, **given: Any) -> Mistake:
        """Return a mistake by the methods that it changes, and by its other fields."""
        changes = {k: given.pop(k) for k in list(given) if hasattr(Columns, k)}
        if "strengths" in given:
            given["example"] = given["strengths"][0]
        return cls(link, name, advice, changes, **given)

    def network(self, strength: float = STATED) -> Any:
        """Return the mistaken network as a class."""
        return type(self.name, (Columns,), {**self.changes, "strength": strength})


def factors(m: int, digits: int, eta: float, of_cost: bool = True) -> list[tuple[str, float, str]]:
    """Return known factors, of a cost or of anything else: name, value, and what it means."""
    d = digits
    # fmt: off
    costs = [
        ("2", 2, "the cost has no 1/2, as in nn.MSELoss(reduction='sum'): divide it by 2"),
        ("1 / 2", 1 / 2, "the cost has its 1/2 twice, or it is applied to its derivative too"),
        ("2 / m", 2 / m, "it is averaged over the mini-batch, and the cost has no 1/2"),
        ("digits", d, "it is multiplied by the number of digits"),
        ("1 / digits", 1 / d, "the cost is averaged over the digits: sum over them"),
        ("2 / digits", 2 / d, "the cost is averaged over the digits, without 1/2: sum, and halve"),
        ("1 / (digits m)", 1 / (d * m), "the cost is averaged over the digits and the mini-batch: "
         "sum over both"),
        ("2 / (digits m)", 2 / (d * m), "the cost is nn.MSELoss(), a mean over the digits and the "
         "mini-batch: use nn.MSELoss(reduction='sum') / 2"),
    ]
    return [*(costs if of_cost else []),
        ("0", 0, "it gets no further (a detach, torch.no_grad, a line left out), or moves nothing"),
        ("-1", -1, "the derivative of the cost is a - y, and the step is subtracted"),
        ("m", m, "it is not divided by the size of the mini-batch, or is summed twice"),
        ("1 / m", 1 / m, "it is averaged over the mini-batch: sum, and divide by m in the step, "
         "once"),
        ("1 / m^2", 1 / m**2, "it is divided by m two times more than it should be"),
        ("1 / 10", 1 / 10, "it is divided by 10, whatever the mini-batch: leave that out"),
        ("1 / eta", 1 / eta, "the learning rate is left out: w - (eta / m) nabla_w"),
        ("m / eta", m / eta, "eta and the division by m are left out: w - (eta / m) nabla_w"),
        ("m / 10", m / 10, "it is divided by 10 whatever the mini-batch: divide by m"),
    ]
    # fmt: on


# Rows of one kind, by what alone differs between them.

data, start, forward, gradients, update, training, predictions, figures = (
    partial(Mistake.of, link) for link in ("data", "initial weights", "forward", "gradients",
    "update", "training", "predictions", "figures"))  # fmt: skip


def fires(name: str, what: str, hidden: Any, output: Any) -> Mistake:
    """Neurons of another kind: functions of z, or None for the sigmoid."""

    def fire(net: Net, z: Array, last: bool) -> Any:
        return ((output if last else hidden) or sigmoid)(z)

    return forward(name, f"{what}: use the sigmoid in every layer", fire=fire)


def cost(name: str, what: str, derivative: Any, **fields: Any) -> Mistake:
    """Another derivative of the cost: a function of a, y and the strength."""
    advice = f"the derivative of the cost is {what}: it is a - y"
    method = lambda net, a, y: derivative(a, y, net.strength)  # noqa: E731
    return gradients(name, advice, cost_derivative=method, **fields)


def sloped(name: str, what: str, layer: str, function: Any) -> Mistake:
    """Another slope in the output layer, the hidden layers or every layer: a function of z, a."""
    advice = f"delta in {layer} is multiplied by {what}: it is by sigma'(z) = a (1 - a) (BP1, BP2)"
    right = {"the output layer": False, "the hidden layers": True}.get(layer)  # last, where right
    method = lambda net, z, a, last: a * (1 - a) if last is right else function(z, a)  # noqa: E731
    return gradients(f"{name} in {layer}", advice, slope=method)


def ordered(name: str, advice: str, slices: Any) -> Mistake:
    """Other mini-batches: a function of the order and their size."""
    return training(name, f"{name}: {advice}", mini_batches=lambda net, *given: slices(*given))


# What the rows are made of.


def turned(w: Array) -> Array:
    """Return a matrix transposed, or read in the wrong order where its shape forbids that."""
    return np.array(w.T) if w.shape[0] == w.shape[1] else w.T.reshape(w.shape)


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


def flat(*layers: Array) -> Array:
    return np.concatenate([v.ravel() for v in layers])


def step(net: Net, law: Any, nabla_b: Arrays, nabla_w: Arrays, eta: float, m: int) -> None:
    """Take another step: a function of net, the mean gradient as one vector, eta and m."""
    nablas = [*nabla_b, *nabla_w]
    parts = np.split(law(net, flat(*nablas) / m, eta, m), np.cumsum([n.size for n in nablas])[:-1])
    steps = [v.reshape(n.shape) for v, n in zip(parts, nablas, strict=True)]
    Columns.descend(net, steps[: len(nabla_b)], steps[len(nabla_b) :], 1.0, 1)


def scaled(net: Net, part: int, *both: Arrays) -> Any:
    """Return two lists, of weights and of biases, one of them times the strength."""
    return [[net.strength * v if k == part else v for v in vs] for k, vs in enumerate(both)]


def but_one(net: Net, layers: Arrays) -> Arrays:
    """Return the layers, the one whose number is the strength with zeros."""
    return [v * (k != net.strength) for k, v in enumerate(layers)]


def zeros(layers: Iterable[Array]) -> Arrays:
    return [0.0 * v for v in layers]


ANSWERS: dict[Any, Any] = {}


def cached(net: Net, x: Array) -> Any:
    """Give an input's first answer again, whatever the parameters are now."""
    key = type(net), x.tobytes()
    if key not in ANSWERS:
        ANSWERS[key] = Columns.trace(net, np.array(x))
    return ANSWERS[key]


def never_cleared(net: Net, x: Array, y: Array) -> Any:
    """Return a gradient added to what was left behind, and leave the sum behind."""
    new = Columns.backprop(net, x, y)
    pairs = zip(net.__dict__.get("old") or map(zeros, new), new, strict=True)
    net.old = [[*map(np.add, *pair)] for pair in pairs]
    return net.old


def leaving_it(net: Net, x: Array, y: Array) -> Any:
    """Leave the gradient behind."""
    net.old = Columns.backprop(net, x, y)
    return net.old


def uncleared_step(net: Net, after: bool, x: Array, y: Array, eta: float) -> None:
    """Take a step along what was left behind too, which is cleared after the step, or never."""
    stepping_along(net, never_cleared, x, y, eta)
    if after:
        net.old = None


def uncleared_epoch(net: Net, before: bool, after: bool, *given: Any) -> None:
    """Take such steps; what was left behind is cleared before the first one, or not."""
    x, y, order, size, eta = given
    if before:
        net.old = None
    for chosen in slices(order, size):
        uncleared_step(net, after, x[:, chosen], y[:, chosen], eta)


def at_the_start(net: Net, x: Array, y: Array) -> Any:
    begun = net.__dict__.setdefault("begun", Columns.of(net))
    return begun.backprop(x, y)


def stepping_along(net: Net, gradient: Any, x: Array, y: Array, eta: float) -> None:
    """Take a step along another gradient than backprop's."""
    net.descend(*gradient(net, x, y), eta, x.shape[1])


def regularised(net: Net, shape: Callable[[Array], Array], x: Array, y: Array) -> Any:
    """Return a gradient with a term of the weights in it."""
    b, w = Columns.backprop(net, x, y)
    return b, [n + net.strength * shape(v) for n, v in zip(w, net.weights, strict=True)]


def of_some(net: Net, some: slice, zs: Arrays, a: Arrays, d: Arrays) -> Any:
    """Return the gradient of some examples alone."""
    return Columns.gradient(net, zs, [v[:, some] for v in a], [v[:, some] for v in d])


def with_old_activations(net: Net, x: Array, y: Array) -> Any:
    if "left" not in net.__dict__ or net.left[0][0].shape[1] != x.shape[1]:
        net.left = Columns.trace(net, np.array(x))
    return net.gradient(*net.left, net.backward(*net.left, y))


def left_by_trace(net: Net, x: Array) -> Any:
    net.left = zs, activations = Columns.trace(net, np.array(x))
    return list(zs), list(activations)


def last_layer_first(net: Net, x: Array, y: Array, eta: float) -> None:
    zs, activations = net.trace(x)
    for k in reversed(range(len(net.weights))):
        nabla_b, nabla_w = net.gradient(zs, activations, net.backward(zs, activations, y))
        net.weights[k] = net.weights[k] - eta / x.shape[1] * nabla_w[k]
        net.biases[k] = net.biases[k] - eta / x.shape[1] * nabla_b[k]


def one_part_late(net: Net, first: str, x: Array, y: Array, eta: float) -> None:
    for weights in (first == "weights", first != "weights"):
        nabla_b, nabla_w = net.backprop(x, y)
        b, w = (zeros(nabla_b), nabla_w) if weights else (nabla_b, zeros(nabla_w))
        Columns.descend(net, b, w, eta, x.shape[1])


def steps(net: Net, parts: Any, x: Array, y: Array, eta: float) -> None:
    """Take other steps than one: of m examples, which, and by what share of eta."""
    for columns, share in parts(x.shape[1]):
        Columns.update_mini_batch(net, x[:, columns], y[:, columns], share * eta)


def decayed(both: bool, shape: Any, net: Net, g: Array, eta: float, m: int) -> Array:
    """Return a step in which the weights, or the biases too, shrink."""
    shrinking = np.append(both * flat(*net.biases), flat(*net.weights))
    return eta * (g + net.strength * shape(shrinking))


def with_velocity(nesterov: bool, net: Net, g: Array, eta: float, m: int) -> Array:
    net.velocity = net.strength * net.__dict__.get("velocity", 0.0) + eta * g
    return eta * g + net.strength * net.velocity if nesterov else net.velocity


def adaptive(law: Any, mean: bool, net: Net, g: Array, eta: float, m: int) -> Array:
    """Return a step whose length does not follow the gradient's."""
    return eta * net.strength * law(g if mean else m * g, net.__dict__.setdefault("memory", {}))


def adam(g: Array, kept: dict[str, Any]) -> Array:
    kept["t"] = t = kept.get("t", 0) + 1
    kept["first"] = first = 0.9 * kept.get("first", 0.0) + 0.1 * g
    kept["second"] = second = 0.999 * kept.get("second", 0.0) + 0.001 * g * g
    return np.asarray(first / (1 - 0.9**t) / (np.sqrt(second / (1 - 0.999**t)) + 1e-8))


def by_squares(old: float, new: float, least: float, g: Array, kept: dict[str, Any]) -> Array:
    """Return what RMSprop, or Adagrad, which forgets nothing, makes of a gradient."""
    kept["square"] = square = old * kept.get("square", 0.0) + new * g * g
    return np.asarray(g / (np.sqrt(square) + least))


def clipped(norm: float, net: Net, g: Array, eta: float, m: int) -> Array:
    """Return a step along a gradient of a limited length, or of limited entries."""
    if norm == np.inf:
        return eta * np.clip(g, -net.strength, net.strength)
    return eta * min(1.0, net.strength / (np.linalg.norm(g) + 1e-300)) * g


def longest(norm: float, steps: Iterable[Arrays], eta: float) -> float:
    """Return the largest norm of a gradient that a step was taken along."""
    return float(max(np.linalg.norm(flat(*step), norm) for step in steps) / eta)


def changing_eta(law: Any, net: Net, g: Array, eta: float, m: int) -> Array:
    net.taken = net.__dict__.get("taken", -1) + 1
    return eta * g * (law(net.strength, net.taken) if net.taken else 1)


def diluted(net: Net, x: Array, y: Array, order: Array, size: int, eta: float) -> None:
    for chosen in slices(order, size):
        net.update_mini_batch(x[:, chosen], y[:, chosen], eta * len(chosen) / size)


def two_orders(net: Net, images: bool, x: Array, y: Array, order: Array, *given: Any) -> None:
    x, y = (x[:, order], y) if images else (x, y[:, order])
    Columns.train(net, x, y, np.arange(len(order)), *given)


def slices(order: Array, size: int, length: int = 0) -> Arrays:
    """Return what begins at every size-th example, size long or of another length."""
    return [order[k : k + (length or size)] for k in range(0, len(order), size)]


def cut(bits: int, v: Array) -> Array:
    """Return float32 numbers rounded to fewer significant bits, half to even, as float64."""
    raw = np.ascontiguousarray(v, dtype=np.float32).view(np.uint32)
    drop = np.uint32(24 - bits)
    raw = raw + (np.uint32(1) << (drop - 1)) - 1 + ((raw >> drop) & 1)
    return (raw & ~((np.uint32(1) << drop) - np.uint32(1))).view(np.float32).astype(np.float64)


# The table.

# fmt: off
PIXELS: list[tuple[str, str, Any, tuple[float, ...]]] = [  # by x and the strength
    ("pixels divided by 255", "pixels are 256/255 times as bright: divide the bytes by 256, as "
     "Nielsen's files do", lambda x, s: x * (256 / s), (255,)),
    ("pixels divided once too often, or never", "pixels are {} times as bright: divide the bytes "
     "by 256, once", lambda x, s: x * s, (256, 1 / 256, 1 / 255)),
    ("normalised pixels", "bytes / {} are less 0.1307, divided by 0.3081: leave out the "
     "normalisation, and divide by 256", lambda x, s: (x * (256 / s) - 0.1307) / 0.3081,
     (256, 255)),
    ("normalised pixels", "bytes / {} are stretched from -1 to 1: leave that out, and divide by "
     "256", lambda x, s: 2 * (x * (256 / s)) - 1, (256, 255)),
    ("inverted pixels", "pixels are {} - x: ink is bright in MNIST", lambda x, s: s - x,
     (255 / 256, 1)),
    ("binary pixels", "pixels are made black or white: keep the greys",
     lambda x, s: 1.0 * (x > s), (0.5, 0)),
    ("transposed images", "rows and columns of every image are exchanged: read the pixels row by "
     "row", lambda x, s: squares(lambda v: v.transpose(1, 0, 2), x), (1,)),
]
SPLITS: list[tuple[str, Callable[[int, int], Any]]] = [  # by all examples, and a sixth of them
    ("validation is the first sixth of the file", lambda n, k: (slice(k, n), slice(0, k))),
    ("training holds the validation examples too", lambda n, k: (slice(n), slice(n - k, n))),
    ("training holds all, and validation is the test set", lambda n, k: (slice(n), None)),
    ("training and validation are exchanged", lambda n, k: (slice(n - k, n), slice(0, n - k))),
]
SLOPES: list[tuple[str, str, Callable[[Array, Array], Array]]] = [  # by z and a
    ("no sigma prime", "nothing", lambda z, a: np.ones_like(a)),
    ("sigma prime of a", "sigma'(a)", lambda z, a: prime(a)),
    ("a in place of sigma prime", "a", lambda z, a: a),
    ("1 - a in place of sigma prime", "1 - a", lambda z, a: 1 - a),
    ("z in sigma prime", "z (1 - z)", lambda z, a: z * (1 - z)),
    ("the slope of tanh", "1 - a^2", lambda z, a: 1 - a * a),
    ("the slope of relu", "1 where z > 0, else by 0", lambda z, a: 1.0 * (z > 0)),
]
LAWS: list[tuple[str, Callable[[Array, Any], Array]]] = [
    ("Adam", adam), ("RMSprop", partial(by_squares, 0.99, 0.01, 1e-8)),
    ("Adagrad", partial(by_squares, 1, 1, 1e-10)),
    ("the sign of the gradient", lambda g, _: np.sign(g)),
]
CLEAR = "clear it before each backward (optimizer.zero_grad())"
LEFT = {"backprop": leaving_it}
NETWORK2 = "(the book's network2.py has it on purpose)"

MISTAKES: list[Mistake] = [
    *(data(name, advice, strengths=tried, pixels=lambda net, images, f=f:
        f(Columns.pixels(net, images).T, net.strength).T) for name, advice, f, tried in PIXELS),
    data("labels off by one", "labels are the digit + {}: they are the digit, 0 to 9",
        digits=lambda net, labels: (labels.astype(np.int64) + net.strength) % 10,
        strengths=(1, -1)),
    *(data("another split", f"{how}: validation is the last sixth of the file",
        split=lambda net, n, f=f: f(n, n // 6)) for how, f in SPLITS),

    start("transposed weights", "every weight is there in another place, those of w.T: weights[l] "
        "is (n_out, n_in); transpose it, and do not reshape",
        take=lambda net, w, b: Columns.take(net, [turned(v) for v in w], b)),
    start("weights scaled by 1 / sqrt(n_in)", f"the weights are divided by sqrt(n_in) {NETWORK2}: "
        "take them as they are",
        take=lambda net, w, b: Columns.take(net, [v / math.sqrt(v.shape[1]) for v in w], b)),
    *(start(f"factor {{}} in the {part}", f"the {part} are {{}} times those given: take them over",
        take=lambda net, *both, k=k: Columns.take(net, *scaled(net, k, *both)),
        linear=True, example=0) for k, part in enumerate(("weights", "biases"))),

    forward("factor {} in the biases", "z is w a and {} times b: add the biases, once",
        weighted=lambda net, w, a, b: w @ a + net.strength * b, linear=True, example=0),
    forward("factor {} in the weights", "z is {} times w a, and b: take the weights as they are",
        weighted=lambda net, w, a, b: net.strength * (w @ a) + b, linear=True),
    forward("no biases in layer {}", "z of layer {} (counted from 0) is w a without b: add its "
        "biases (bias=False is left somewhere)",
        weighted=lambda net, w, a, b:
            w @ a + b * (w is not net.weights[net.strength % len(net.weights)]),
        strengths=(1, 0, 2, 3)),
    forward("TF32", "matrix products round what they multiply to 11 bits: set "
        "torch.backends.cuda.matmul.allow_tf32 to False, and compute in float64",
        weighted=lambda net, w, a, b: cut(11, w) @ cut(11, a) + b, tolerance=2.0**-19),
    forward("transposed weights in the forward pass", "z comes from the weights read the other "
        "way round: weights[l][j, k] leads from neuron k to neuron j, so z = np.dot(w, a) + b",
        weighted=lambda net, w, a, b: turned(w) @ a + b),
    *(forward(name, f"z is that of other pixels: {advice}", strengths=tried,
        seen=lambda net, x, f=f: f(x, net.strength)) for name, advice, f, tried in PIXELS),
    forward("a cached answer", "the answer is that of other parameters, which another network "
        "had: keep no answers, neither in the class nor in its module", trace=cached),
    *(fires(f"{kind} {which}", f"{where} activations are {what}", f, f if where == "all" else None)
      for kind, what, f in (("tanh", "tanh(z)", np.tanh), ("linear", "z itself", np.positive),
        ("relu", "max(z, 0)", lambda z: np.maximum(z, 0)),
        ("leaky relu", "z, or a hundredth of it below 0", lambda z: np.maximum(z, 0.01 * z)))
      for which, where in (("neurons", "all"), ("hidden neurons", "the hidden"))),
    fires("linear output", "the output activations are z itself", None, np.positive),
    fires("softmax output", "the output activations are the softmax of z, as in the book's "
        "chapter 3", None, softmax),
    fires("sigmoid twice", "the output activations are sigmoid(sigmoid(z)): a loss or a layer "
        "applies it once more", None, lambda z: sigmoid(sigmoid(z))),
    *(forward(name, f"the activations are {what}", strengths=tried,
        fire=lambda net, z, last, f=f: f(z, net.strength)) for name, what, f, tried in (
        ("sigmoid of {} z", "sigmoid({} z): the sigmoid is 1 / (1 + exp(-z)), its tanh form (1 + "
         "tanh(z / 2)) / 2", lambda z, s: sigmoid(s * z), (-1, 2, 0.5)),
        ("hard sigmoid", "clip({} z + 1/2, 0, 1), as torch's hardsigmoid or Keras's hard_sigmoid: "
         "use the sigmoid", lambda z, s: np.clip(s * z + 0.5, 0, 1), (0.2, 1 / 6, 0.25)),
        ("clipped z", "those of z clipped to [-{}, {}]: do not clip; where exp(-z) overflows to "
         "infinity, the sigmoid is rightly 0", lambda z, s: sigmoid(np.clip(z, -s, s)),
         (5, 1, 2, 3, 4, 6, 8, 10, 12, 15, 16, 20)),
        ("sigmoid from a table", "those of z rounded to multiples of {}: compute the sigmoid "
         "instead of looking it up", lambda z, s: sigmoid(np.rint(z / s) * s),
         (*2.0 ** -np.arange(11), 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001)))),

    *(gradients(f"no gradient {where} layer {{}}", f"nabla_b and nabla_w are 0 {where} layer {{}} "
        f"(counted from 0): let delta get there ({why}, or a loop that ends early)",
        gradient=lambda net, zs, a, deltas, gets=gets: Columns.gradient(net, zs, a,
            [d * gets(k, net.strength) for k, d in enumerate(deltas)]), strengths=layers)
      for where, why, gets, layers in (
        ("in", "requires_grad=False", operator.ne, (1, 0, 2, 3)),
        ("up to", "a detach, torch.no_grad", operator.gt, (1, 2, 3)))),
    cost("factor {}", "{} times that, and so is the gradient", lambda a, y, s: s * (a - y),
        linear=True, factor=OF_COST),
    gradients("factor {}", "nabla_b and nabla_w are {} times the reference's, and deltas are not",
        gradient=lambda net, zs, a, deltas:
            Columns.gradient(net, zs, a, [net.strength * d for d in deltas]),
        linear=True, factor=OF_COST, example=1 / 7),
    *(gradients(f"factor {{}} in {part}", f"{part} alone is {{}} times the reference's",
        gradient=lambda net, *given, k=k: scaled(net, k, *Columns.gradient(net, *given)),
        linear=True, factor=OF_PART, example=0.5)
      for k, part in enumerate(("nabla_b", "nabla_w"))),
    gradients("factor {} in deltas", "deltas are {} times the reference's, and the gradients are "
        "right: delta is the derivative of the summed cost by z of each example",
        deltas=lambda net, x, y: [net.strength * d for d in Columns.deltas(net, x, y)],
        linear=True, example=0.1),
    gradients("factor {} in the hidden sigma prime", "the hidden delta is {} times w.T delta "
        "sigma'(z): sigma'(z) is a (1 - a)",
        slope=lambda net, z, a, last: a * (1 - a) * (1 if last else net.strength),
        linear=True, example=0.5),
    gradients("no sigma prime in the output layer", "the output delta is a - y, the "
        "cross-entropy's, which is network2.py's choice, and no mistake there: for the quadratic "
        "cost it is (a - y) sigma'(z) (BP1)",
        slope=lambda net, z, a, last: 1.0 if last else a * (1 - a)),
    *(sloped(name, what, layer, f) for name, what, f in SLOPES
      for layer in ("the output layer", "the hidden layers", "every layer")
      if (name, layer) != ("no sigma prime", "the output layer")),
    cost("labels off by one", "that of the digit {} places on (digit j is output j, counted from "
        "0)", lambda a, y, s: a - np.roll(y, s, axis=0), strengths=(1, -1)),
    *(cost("broadcasting", f"the sum of a[i] - y[j] over {which}, as (n,) - (n, 1) is (n, n)", f)
      for which, f in (("j", lambda a, y, s: len(a) * a - y.sum(axis=0)),
                       ("i", lambda a, y, s: a.sum(axis=0) - len(a) * y))),
    cost("desired outputs {} and 1 - {}", "that of desired outputs {} and 1 - {}, not 0 and 1",
        lambda a, y, s: a - (s + (1 - 2 * s) * y), linear=True, example=0.1),
    cost("desired outputs -1 and 1", "that of desired outputs -1 and 1, not 0 and 1",
        lambda a, y, s: a - (2 * y - 1)),
    cost("label smoothing", "that of desired outputs y (1 - s) + s / digits with s = {}",
        lambda a, y, s: a - (y * (1 - s) + s / len(y)), linear=True, example=0.1),
    cost("softmax cross-entropy of the activations", "softmax(a) - y, as with nn.CrossEntropyLoss, "
        "which takes a softmax of its own", lambda a, y, s: softmax(a) - y),
    cost("cross-entropy of a second sigmoid", "sigmoid(a) - y, as with nn.BCEWithLogitsLoss, which "
        "takes a sigmoid of its own", lambda a, y, s: sigmoid(a) - y),
    cost("logarithm of the right output alone", "-y / a, as with nn.NLLLoss of log(a)",
        lambda a, y, s: -y / a),
    cost("absolute error", "the sign of a - y, as with nn.L1Loss", lambda a, y, s: np.sign(a - y)),
    cost("Huber cost", "a - y clipped to [-{}, {}], as with nn.HuberLoss",
        lambda a, y, s: np.clip(a - y, -s, s),
        strengths=(0.25, 0.5, 0.2, 0.1, 0.75, 0.05)),
    gradients("softmax cross-entropy of z", "the cost is nn.CrossEntropyLoss of the last z (the "
        "book's chapter 3 has it, with a softmax output): use half the squared distance of a",
        backward=lambda net, zs, a, y: Columns.backward(net, zs, [*a[:-1], softmax(zs[-1])], y),
        slope=lambda net, z, a, last: 1.0 if last else a * (1 - a)),
    gradients("z in place of a in nabla_w", "nabla_w is delta times z of the layer before: it is "
        "delta times its activation a (BP4)",
        gradient=lambda net, zs, a, deltas: Columns.gradient(net, zs, [a[0], *zs], deltas)),
    gradients("w in place of w.T going back", "delta is pulled back through square w: it takes "
        "w.T (BP2)", pulled_back=lambda net, w, d: (w if w.shape[0] == w.shape[1] else w.T) @ d),
    gradients("transposed nabla_w", "nabla_w of square layers is a delta.T: it is delta a.T (BP4)",
        nabla_w=lambda net, d, a: a @ d.T if len(a) == len(d) else d @ a.T),
    *(gradients(f"nabla_b of the {which} example alone", f"nabla_b is the delta of the {which} "
        "example: it is the sum over the mini-batch (BP3)", nabla_b=lambda net, d, k=k: d[:, k])
      for which, k in (("first", slice(1)), ("last", slice(-1, None)))),
    gradients("the first example alone", "the gradient is that of the first example: a return "
        "inside the loop over the mini-batch", gradient=by(of_some, slice(1))),
    gradients("the last example alone", "the gradient is that of the last example: add up those "
        "of all (nabla_b = nb + dnb, not nabla_b = dnb)", gradient=by(of_some, slice(-1, None))),
    *(gradients("an example left out", f"the {which} example of the mini-batch is left out: {look}",
        backprop=lambda net, x, y, part=part: Columns.backprop(net, x[:, part], y[:, part]))
      for which, part, look in (
          ("last", slice(-1), "look at the end of the loop or of the slice"),
          ("first", slice(1, None), "count from 0"))),
    gradients("a product of sums", "nabla_w is the sum of delta times the sum of a: multiply "
        "first, example by example, then add up (delta @ a.T)",
        nabla_w=lambda net, d, a: d.sum(axis=1, keepdims=True) @ a.sum(axis=1, keepdims=True).T),
    *(gradients(f"an {name} term", f"nabla_w has {{}} times {what} in it: leave out the "
        f"regularisation {NETWORK2}", backprop=by(regularised, shape), linear=True, example=0.1)
      for name, what, shape in (("L2", "w", np.positive), ("L1", "the sign of w", np.sign))),
    gradients("stale gradient", "the second gradient is the sum of the first and the second: "
        + CLEAR, backprop=never_cleared),
    gradients("stale activations", "the gradient is computed from the activations that trace left "
        "behind: run the forward pass inside backprop, on its own x",
        backprop=with_old_activations, trace=left_by_trace),

    *(update(f"{what} in float32", f"{what} is rounded to float32: keep it a float64 number",
        descend=lambda net, b, w, eta, m, f=f: Columns.descend(net, b, w, f(eta, m), 1))
      for what, f in (("eta", lambda eta, m: float(np.float32(eta)) / m),
                      ("eta / m", lambda eta, m: float(np.float32(eta / m))),
                      ("1 / m", lambda eta, m: eta * float(np.float32(1 / m))))),
    update("step factor {}", "the step is {} times the reference's",
        descend=lambda net, b, w, eta, m: Columns.descend(net, b, w, net.strength * eta, m),
        linear=True, factor=OF_STEP, example=7),
    update("eta ignored", "every step takes eta = {}, or {/m} for eta / m, whatever is asked: take "
        "the eta that is handed in", linear=True, example=0.1,
        descend=lambda net, b, w, eta, m: Columns.descend(net, b, w, net.strength, m)),
    *(update(f"step factor {{}} in the {part}", f"the step of the {part} alone is {{}} times the "
        "reference's", descend=lambda net, b, w, *rate, k=k:
            Columns.descend(net, *scaled(net, k, b, w), *rate),
        linear=True, factor=OF_PART, example=0) for k, part in enumerate(("biases", "weights"))),
    update("layer {} is not updated", "weights and biases of layer {} (counted from 0) do not "
        "move: subtract (eta / m) nabla from every one", descend=lambda net, b, w, *rate:
            Columns.descend(net, but_one(net, b), but_one(net, w), *rate),
        strengths=(1, 0, 2, 3)),
    *(update(f"late update of the {late}", f"the {late} move along the gradient at the {first} "
        "already moved: compute all gradients first, then step",
        update_mini_batch=by(one_part_late, first))
      for first, late in (("weights", "biases"), ("biases", "weights"))),
    update("weights updated before delta is pulled back", "delta is pulled back through weights "
        "that have moved already: finish backprop, then take the step",
        update_mini_batch=last_layer_first),
    *(update(name, advice, update_mini_batch=by(steps, parts)) for name, advice, parts in (
        ("the step is taken twice", "one call of update_mini_batch takes two steps: take one",
         lambda m: [(slice(None), 1)] * 2),
        ("one step for each example", "the weights move after every example, by eta / m: add up "
         "the gradients, then take one step", lambda m: [([k], 1 / m) for k in range(m)]),
        ("one step for each example", "the weights move after every example, by eta: add up the "
         "gradients, then take one step", lambda m: [([k], 1) for k in range(m)]),
        ("an example left out", "the last example of the mini-batch is left out: look at the end "
         "of the loop or of the slice", lambda m: [(slice(max(1, m - 1)), 1)]),
        ("an example left out", "the last example of the mini-batch is left out, and counted in "
         "m: look at the end of the loop", lambda m: [(slice(max(1, m - 1)), max(1, m - 1) / m)]),
        ("an example left out", "the first example of the mini-batch is left out: count from 0",
         lambda m: [(slice(min(1, m - 1), None), 1)]))),
    *(update(name, f"{which} shrink by eta times {{}}, or eta / m times {{m}}, {what}: leave out "
        f"the weight decay {NETWORK2}", descend=by(step, partial(decayed, both, shape)),
        linear=True, example=0.001)
      for name, what, shape in (("weight decay", "of themselves", np.positive),
                                ("weight decay (L1)", "each", np.sign))
      for which, both in (("the weights", False), ("weights and biases", True))),
    *(update("stale gradient", f"{what} once more: {CLEAR}",
        update_mini_batch=by(uncleared_step, after), **changes) for what, after, changes in (
        ("the second step takes the first gradient", False, {}),
        ("a step takes every gradient before it, backprop's too,", False, LEFT),
        ("a step takes the gradient that backprop left behind", True, LEFT))),
    *(update(name, f"the gradient is {how} {{}} (of the mean over a mini-batch; {{m}} of the sum): "
        "leave out the clipping", descend=by(step, partial(clipped, norm)),
        measured=partial(longest, norm), tolerance=1e-4, example=0.01)
      for name, how, norm in (("clipped gradient", "shortened to a length of", 2),
                              ("clipped entries", "clipped, entry by entry, to +/-", np.inf))),
    update("normalised gradient", "the gradient is scaled to a length of {} (of the mean over a "
        "mini-batch; {m} of the sum), be it longer or shorter: take it as it is",
        descend=by(step, partial(adaptive, lambda g, _: g / np.linalg.norm(g), True)),
        linear=True, tolerance=1e-4, example=0.01),
    update("momentum", "the second step adds {} times the first: leave out the momentum",
        descend=by(step, partial(with_velocity, False)), linear=True, example=0.9),
    update("Nesterov momentum", "the first step is 1 + {} times as long, and the second adds to "
        "it: leave out the momentum",
        descend=by(step, partial(with_velocity, True)), linear=True, example=0.9),
    *(update("a learning rate that changes", "the second step is {} times as long as eta asks: "
        "take eta as it is handed in",
        descend=by(step, partial(changing_eta, law)), linear=True, example=0.9)
      for law in (lambda s, t: s**t, lambda s, t: s / (s + (1 - s) * t), lambda s, t: s)),
    update("stale weights", "the second step takes the gradient at the weights before the first: "
        "use the new ones", update_mini_batch=by(stepping_along, at_the_start)),
    *(update(name, "every entry moves by a like amount whatever its gradient: use torch.optim.SGD",
        descend=by(step, partial(adaptive, law, mean)), linear=True, tolerance=1e-07, example=0.1)
      for mean in (True, False) for name, law in LAWS),

    ordered("reversed order", "the examples are taken from the last to the first",
        lambda o, n: slices(o[::-1], n)),
    ordered("order ignored", "the examples are taken as they are stored: follow the order",
        lambda o, n: slices(np.arange(len(o)), n)),
    ordered("order applied twice", "the data are in that order already: apply it once",
        lambda o, n: slices(o[o], n)),
    ordered("inverse order", "example k is put in place order[k]: the k-th example is order[k]",
        lambda o, n: slices(np.argsort(o), n)),
    ordered("reversed mini-batches", "take the first one first", lambda o, n: slices(o, n)[::-1]),
    ordered("last mini-batch dropped", "use the last, smaller one too (drop_last=False)",
        lambda o, n: slices(o[: len(o) // n * n], n)),
    ordered("first mini-batch alone", "there is a return or a break inside the loop",
        lambda o, n: slices(o, n)[:1]),
    ordered("first mini-batch skipped", "count from 0", lambda o, n: slices(o, n)[1:]),
    ordered("overlapping mini-batches", "they begin one example apart: range(0, n, "
        "mini_batch_size)", lambda o, n: slices(o, 1, n)),
    ordered("overlapping mini-batches", "they are one example too long: order[k : k + "
        "mini_batch_size]", lambda o, n: slices(o, n, n + 1)),
    ordered("mini-batches too short", "they lack their last example: order[k : k + "
        "mini_batch_size]", lambda o, n: slices(o, n, max(1, n - 1))),
    ordered("every mini-batch is the first", "the slice does not move",
        lambda o, n: [o[:n] for _ in range(0, len(o), n)]),
    ordered("mini-batches by stride", "a mini-batch is every n-th example: it is a slice",
        lambda o, n: [o[k :: -(-len(o) // n)] for k in range(-(-len(o) // n))]),
    ordered("mini_batch_size ignored", "mini-batches have 10 examples, whatever is asked for",
        lambda o, n: slices(o, 10)),
    ordered("one step for each example", "add up the mini-batch first", lambda o, n: slices(o, 1)),
    ordered("an epoch twice over", "train goes over the examples once",
        lambda o, n: [*slices(o, n), *slices(o, n)]),
    ordered("one step for the whole epoch", "take one for each mini-batch", lambda o, n: [o]),
    *(training(f"{one} not shuffled with the {other}", "images and labels are taken in two "
        "orders: shuffle both with the same one", train=by(two_orders, other == "images"))
      for one, other in (("labels", "images"), ("images", "labels"))),
    *(training("stale gradient", f"{what}: {CLEAR}", train=by(uncleared_epoch, before, after),
        **LEFT) for what, before, after in (
        ("the steps of an epoch add up all its gradients", True, False),
        ("the steps of an epoch add up all gradients, backprop's too", False, False),
        ("the first step of an epoch adds the gradient that backprop left behind", False, True))),
    training("last mini-batch divided by the size of the others", "the step of the last, smaller "
        "mini-batch is divided by mini_batch_size: divide it by its own size", train=diluted),

    predictions("evaluate returns a share", "evaluate returns the share of right answers: return "
        "how many there are",
        evaluate=lambda net, x, labels: Columns.evaluate(net, x, labels) / x.shape[1]),
    predictions("evaluate counts mistakes", "evaluate returns how many are wrong: return how many "
        "are right", evaluate=lambda net, x, labels: x.shape[1] - Columns.evaluate(net, x, labels)),

    *(figures(f"the neuron {other} it is held", f"held changes the neuron {other} the one asked "
        "for: count from 0", held=lambda net, x, k, value, by=by:
            Columns.held(net, x, (k + by) % net.sizes[1], value))
      for other, by in (("before", -1), ("after", 1))),
    figures("z is held in place of the activation", "held sets z, not the activation: set it "
        "after the sigmoid",
        held=lambda net, x, k, value: Columns.held(net, x, k, float(sigmoid(np.float64(value))))),
]
# fmt: on


# Correct variants: other roundings, and nothing else.


def step_by_part(net: Net, b: Arrays, w: Arrays, eta: float, m: int) -> None:
    net.weights = [v - eta * (n / m) for v, n in zip(net.weights, w, strict=True)]
    net.biases = [v - (eta * n) / m for v, n in zip(net.biases, b, strict=True)]


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
    ("column-major matrices", {"kept": lambda net, v: np.array(v, order="F"),
                               "seen": lambda net, x: np.asfortranarray(x)}),
    ("an example in every row", {"weighted": lambda net, w, a, b:
        (np.ascontiguousarray(a.T) @ np.ascontiguousarray(w.T) + b[:, 0]).T}),
    ("the tanh form", {"fire": lambda net, z, last: (1 + np.tanh(z / 2)) / 2}),
    ("the slope from z", {"slope": lambda net, z, a, last: prime(z)}),
    ("eta and m applied one after the other", {"descend": step_by_part}),
)]
# fmt: on
