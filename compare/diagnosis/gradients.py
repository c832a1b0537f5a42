"""Known mistakes of backpropagation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from compare.diagnosis.forward import CHANGING, OVERFLOW, by_precision, sigmoid, softmax
from compare.diagnosis.hypothesis import (
    Array,
    Arrays,
    Diagnosis,
    Hypothesis,
    Subject,
    Tensors,
    all_but_a_few,
    first_that_explains,
    misfit,
    tensors,
)

Slope = Callable[[Array, Array], Array]  # (z, a) -> what delta is multiplied by


def true_slope(z: Array, a: Array) -> Array:
    """Return sigma'(z), from the activation.

    Parameters
    ----------
    z, a : ndarray (n, m)
    """
    return a * (1 - a)


def no_slope(z: Array, a: Array) -> Array:
    """Return ones: sigma'(z) forgotten.

    Parameters
    ----------
    z, a : ndarray (n, m)
    """
    return np.ones_like(a)


def slope_at_a(z: Array, a: Array) -> Array:
    """Return sigma'(a): the book's sigmoid_prime, handed an activation.

    Parameters
    ----------
    z, a : ndarray (n, m)
    """
    return sigmoid(a) * (1 - sigmoid(a))


def difference(a: Array, y: Array) -> Array:
    """Return a - y, the derivative of the quadratic cost.

    Parameters
    ----------
    a, y : ndarray (digits, m)
    """
    return a - y


@dataclass(frozen=True)
class Recipe:
    """Backpropagation written here, with a place for every known mistake.

    Parameters
    ----------
    error : callable (a, y)
        The derivative of the cost by the output activations.
    output_slope, hidden_slope : callable (z, a)
    pulls : callable (w)
        The matrix that delta is pulled back through.
    inputs : str
        What nabla_w multiplies delta by: "a", or "z" of the layer before.
    bias : callable (delta)
        nabla_b of a layer, (n, 1).
    turned : bool
        Whether square nabla_w are transposed.
    """

    error: Callable[[Array, Array], Array] = difference
    output_slope: Slope = true_slope
    hidden_slope: Slope = true_slope
    pulls: Callable[[Array], Array] = np.transpose
    inputs: str = "a"
    bias: Callable[[Array], Array] = lambda delta: delta.sum(axis=1, keepdims=True)
    turned: bool = False

    def gradient(self, weights: Arrays, zs: Arrays, activations: Arrays, y: Array) -> Tensors:
        """Return nabla_b and nabla_w by name.

        Parameters
        ----------
        weights : list of ndarray (sizes[l + 1], sizes[l])
        zs, activations : list of ndarray (n, m), x the first of the activations
        y : ndarray (sizes[-1], m)
        """
        delta = self.error(activations[-1], y) * self.output_slope(zs[-1], activations[-1])
        deltas = [delta]
        for layer in range(len(weights) - 1, 0, -1):
            slope = self.hidden_slope(zs[layer - 1], activations[layer])
            deltas.insert(0, (self.pulls(weights[layer]) @ deltas[0]) * slope)
        befores = activations[:-1] if self.inputs == "a" else [activations[0], *zs[:-1]]
        nabla_w = [d @ before.T for d, before in zip(deltas, befores, strict=True)]
        if self.turned:
            nabla_w = [n.T if n.shape[0] == n.shape[1] else n for n in nabla_w]
        return tensors(nabla_b=[self.bias(d) for d in deltas], nabla_w=nabla_w)


RIGHT = Recipe()

# Mistake, sentence, recipe.
RECIPES: tuple[tuple[str, str, Recipe], ...] = (
    (
        "no sigma prime in the output layer",
        "the output delta is a - y, the cross-entropy's: for the quadratic cost it is (a - y) "
        "sigma'(z) (BP1)",
        Recipe(output_slope=no_slope),
    ),
    (
        "no sigma prime in the hidden layers",
        "the hidden delta is w.T delta: multiply it by sigma'(z) (BP2)",
        Recipe(hidden_slope=no_slope),
    ),
    (
        "no sigma prime at all",
        "delta is never multiplied by sigma'(z): it is in every layer (BP1, BP2)",
        Recipe(output_slope=no_slope, hidden_slope=no_slope),
    ),
    (
        "sigma prime of a",
        "delta is multiplied by sigma'(a): sigmoid_prime wants z, or write a (1 - a)",
        Recipe(output_slope=slope_at_a, hidden_slope=slope_at_a),
    ),
    (
        "sigma prime of a in the output layer",
        "the output delta is multiplied by sigma'(a): sigmoid_prime wants z, or write a (1 - a)",
        Recipe(output_slope=slope_at_a),
    ),
    (
        "sigma prime of a in the hidden layers",
        "the hidden delta is multiplied by sigma'(a): sigmoid_prime wants z, or write a (1 - a)",
        Recipe(hidden_slope=slope_at_a),
    ),
    (
        "the slope of tanh",
        "the hidden delta is multiplied by 1 - a^2, the slope of tanh: that of the sigmoid is "
        "a (1 - a)",
        Recipe(hidden_slope=lambda z, a: 1 - a * a),
    ),
    (
        "the slope of relu",
        "the hidden delta is multiplied by 1 where z > 0, the slope of relu: that of the "
        "sigmoid is a (1 - a)",
        Recipe(hidden_slope=lambda z, a: (z > 0).astype(np.float64)),
    ),
    (
        "labels off by one",
        "the gradient is that of the digit after the right one: digit j is output j, counted "
        "from 0",
        Recipe(error=lambda a, y: a - np.roll(y, 1, axis=0)),
    ),
    (
        "labels off by one",
        "the gradient is that of the digit before the right one: digit j is output j, counted "
        "from 0",
        Recipe(error=lambda a, y: a - np.roll(y, -1, axis=0)),
    ),
    (
        "broadcasting",
        "every a[i] met every y[j]: (n,) - (n, 1) is (n, n); give a and y one shape before the "
        "minus",
        Recipe(error=lambda a, y: len(a) * a - y.sum(axis=0)),
    ),
    (
        "broadcasting",
        "every y[i] met every a[j]: (n,) - (n, 1) is (n, n); give a and y one shape before the "
        "minus",
        Recipe(error=lambda a, y: a.sum(axis=0) - len(a) * y),
    ),
    (
        "softmax cross-entropy of the activations",
        "the cost is nn.CrossEntropyLoss of the output activations, which takes a softmax of "
        "its own: use half the squared distance",
        Recipe(error=lambda a, y: softmax(a) - y),
    ),
    (
        "desired outputs 0.01 and 0.99",
        "the desired outputs are 0.01 and 0.99: here they are 0 and 1",
        Recipe(error=lambda a, y: a - (0.01 + 0.98 * y)),
    ),
    (
        "desired outputs 0.1 and 0.9",
        "the desired outputs are 0.1 and 0.9: here they are 0 and 1",
        Recipe(error=lambda a, y: a - (0.1 + 0.8 * y)),
    ),
    (
        "absolute error",
        "the derivative of the cost is the sign of a - y, as with nn.L1Loss: it is a - y itself",
        Recipe(error=lambda a, y: np.sign(a - y)),
    ),
    (
        "z in place of a in nabla_w",
        "nabla_w is delta times z of the layer before: it is delta times its activation a (BP4)",
        Recipe(inputs="z"),
    ),
    (
        "w in place of w.T going back",
        "delta is pulled back through square w: it takes w.T (BP2)",
        Recipe(pulls=lambda w: w if w.shape[0] == w.shape[1] else w.T),
    ),
    (
        "transposed nabla_w",
        "nabla_w of square layers is a delta.T: it is delta a.T (BP4)",
        Recipe(turned=True),
    ),
    (
        "nabla_b of the last example alone",
        "nabla_b is the delta of the last example: it is the sum over the mini-batch (BP3)",
        Recipe(bias=lambda delta: delta[:, -1:]),
    ),
    (
        "nabla_b of the first example alone",
        "nabla_b is the delta of the first example: it is the sum over the mini-batch (BP3)",
        Recipe(bias=lambda delta: delta[:, :1]),
    ),
)


def diagnose_gradients(subject: Subject) -> Diagnosis | None:
    """Return the known mistake that explains the candidate's gradients.

    Parameters
    ----------
    subject : Subject
    """
    x, y = subject.batch(0)
    found = gradient(subject.built(), x, y)
    if not all(np.isfinite(v).all() for v in found.values()):
        return OVERFLOW
    if misfit(gradient(subject.built(), x, y), found) > subject.within:
        return CHANGING
    reference = subject.reference()
    right = gradient(reference, x, y)
    if misfit(right, found) <= subject.within:
        return diagnose_memory(subject) or diagnose_deltas(subject)
    zs, activations = reference.trace(x)
    tried = list(mistakes(list(subject.parameters.weights), zs, activations, y, found))
    return (
        factor_of(found, right, subject)
        or first_that_explains(tried, found, right, subject.within)
        or with_a_factor(tried, found, right, subject)
        or all_but_a_few(found, right, subject.within)
        or by_precision(subject, found, right)
    )


def gradient(net: Any, x: Array, y: Array) -> Tensors:
    """Return a network's nabla_b and nabla_w by name.

    Parameters
    ----------
    net : candidate
    x, y : ndarray (n, m)
    """
    nabla_b, nabla_w = net.backprop(np.array(x), np.array(y))
    return tensors(nabla_b=nabla_b, nabla_w=nabla_w)


# Constant factors.


# Name, value for a mini-batch of m and d digits, what it means.
FACTORS: tuple[tuple[str, Callable[[int, int], float], str], ...] = (
    ("-1", lambda m, d: -1, "the derivative of the cost is y - a: it is a - y"),
    (
        "2",
        lambda m, d: 2,
        "the cost has no 1/2, as in nn.MSELoss(reduction='sum'): divide it by 2",
    ),
    (
        "1 / 2",
        lambda m, d: 1 / 2,
        "the cost has its 1/2 twice, or 1/2 is applied to its derivative too",
    ),
    (
        "1 / m",
        lambda m, d: 1 / m,
        "the gradient is the mean over the mini-batch: return the sum, and divide by m in the "
        "step alone",
    ),
    (
        "2 / (digits m)",
        lambda m, d: 2 / (d * m),
        "the cost is nn.MSELoss(), a mean over the digits and the mini-batch without 1/2: use "
        "nn.MSELoss(reduction='sum') / 2",
    ),
    (
        "1 / (digits m)",
        lambda m, d: 1 / (d * m),
        "the cost is averaged over the digits and the mini-batch: sum over both",
    ),
    (
        "1 / digits",
        lambda m, d: 1 / d,
        "the cost is averaged over the digits: sum over them",
    ),
    (
        "2 / digits",
        lambda m, d: 2 / d,
        "the cost is averaged over the digits and has no 1/2: sum over them, and halve it",
    ),
    (
        "2 / m",
        lambda m, d: 2 / m,
        "the gradient is a mean over the mini-batch, and the cost has no 1/2",
    ),
    (
        "m",
        lambda m, d: m,
        "the gradient is multiplied by the size of the mini-batch, or summed over it twice",
    ),
    ("digits", lambda m, d: d, "the gradient is multiplied by the number of digits"),
    (
        "1 / m^2",
        lambda m, d: 1 / m**2,
        "the gradient is divided by the size of the mini-batch twice",
    ),
)


def named_factor(c: float, m: int, digits: int, within: float) -> tuple[str, str] | None:
    """Return name and meaning of a factor, or None where it is not one of the known.

    Parameters
    ----------
    c : float
    m, digits : int
    within : float
        What rounding explains.
    """
    meant = [
        (name, meaning)
        for name, value, meaning in FACTORS
        if abs(c / value(m, digits) - 1) < within
    ]
    if not meant:
        return None
    return meant[0][0], "; or ".join(meaning for _, meaning in meant)


def common_factor(found: Tensors, right: Tensors) -> float:
    """Return the factor that comes nearest to turning the right tensors into those found.

    Parameters
    ----------
    found, right : dict of tensor name to ndarray
    """
    names = [name for name in found if name in right and found[name].shape == right[name].shape]
    above = sum(float(np.vdot(right[name], found[name])) for name in names)
    below = sum(float(np.vdot(right[name], right[name])) for name in names)
    return above / below if below else 0.0


def factor_of(found: Tensors, right: Tensors, subject: Subject) -> Diagnosis | None:
    """Return the constant factor that explains a gradient, if one does.

    Parameters
    ----------
    found, right : dict of tensor name to ndarray
    subject : Subject
    """
    for part in ("nabla", "nabla_b", "nabla_w"):  # everything, or one of the two alone
        names = [name for name in found if name.startswith(part)]
        c = common_factor({n: found[n] for n in names}, {n: right[n] for n in names})
        predicted = {n: c * v if n in names else v for n, v in right.items()}
        if not c or misfit(predicted, found) > subject.within:
            continue
        meaning = named_factor(c, subject.m, subject.parameters.sizes[-1], subject.within)
        what = {"nabla": "nabla_b and nabla_w are"}.get(part, f"{part} alone is")
        name, advice = meaning or (f"{c:.6g}", "look for that number where the cost is computed")
        label = f"factor {name}" if part == "nabla" else f"factor {name} in {part}"
        return Diagnosis(label, f"{what} {c:.6f} times {tried_on(subject)}: {advice}")
    return None


def tried_on(subject: Subject) -> str:
    """Return in words where a factor was found, so that it can be told what it stands for.

    Parameters
    ----------
    subject : Subject
    """
    digits = subject.parameters.sizes[-1]
    return f"the reference's in every entry (a mini-batch of {subject.m}, {digits} digits)"


def with_a_factor(
    hypotheses: Sequence[Hypothesis], found: Tensors, right: Tensors, subject: Subject
) -> Diagnosis | None:
    """Return a known mistake together with a known factor, if the two explain a gradient.

    Parameters
    ----------
    hypotheses : sequence of Hypothesis
    found, right : dict of tensor name to ndarray
    subject : Subject
    """
    for hypothesis in hypotheses:
        c = common_factor(found, hypothesis.predicted)
        meaning = named_factor(c, subject.m, subject.parameters.sizes[-1], subject.within)
        if meaning is None:
            continue
        both = Hypothesis(
            f"{hypothesis.mistake}, and factor {meaning[0]}",
            f"{hypothesis.sentence}; besides, everything is {c:.6f} times that: {meaning[1]}",
            {name: c * v for name, v in hypothesis.predicted.items()},
        )
        explained = first_that_explains([both], found, right, subject.within)
        if explained:
            return explained
    return None


# The hypotheses.


def mistakes(
    weights: Arrays, zs: Arrays, activations: Arrays, y: Array, found: Tensors
) -> Iterator[Hypothesis]:
    """Yield what each known mistake of backpropagation leads to.

    Parameters
    ----------
    weights, zs, activations : list of ndarray
        The right ones.
    y : ndarray (digits, m)
    found : dict of tensor name to ndarray
        The candidate's own.
    """
    for mistake, sentence, recipe in RECIPES:
        yield Hypothesis(mistake, sentence, recipe.gradient(weights, zs, activations, y))
    right = RIGHT.gradient(weights, zs, activations, y)
    yield from empty_layers(found, right)


def empty_layers(found: Tensors, right: Tensors) -> Iterator[Hypothesis]:
    """Yield the hypothesis that gradients which are all zero are missing, the others being right.

    Parameters
    ----------
    found, right : dict of tensor name to ndarray
    """
    empty = [name for name in found if not found[name].any() and right[name].any()]
    if empty:
        yield Hypothesis(
            "no gradient in a layer",
            f"{', '.join(empty)} {'is' if len(empty) == 1 else 'are'} zero and the rest is "
            "right: "
            "delta does not get there (a detach, torch.no_grad, requires_grad=False, a loop "
            "that ends early)",
            {n: np.zeros_like(v) if n in empty else v for n, v in right.items()},
        )


# What a candidate remembers.


def diagnose_memory(subject: Subject) -> Diagnosis | None:
    """Return what an earlier call did to a later gradient, where the first one is right.

    Parameters
    ----------
    subject : Subject
    """
    (x, y), (other, wanted) = subject.batch(0), subject.batch(1)
    net, reference = subject.built(), subject.reference()
    first = gradient(net, x, y)
    found = gradient(net, other, wanted)
    right = gradient(reference, other, wanted)
    if misfit(right, found) > subject.within:
        zs, activations = reference.trace(x)
        tried = remembered(subject, first, right, zs, activations, wanted)
        return first_that_explains(tried, found, right, subject.within)
    net = subject.built()
    net.trace(np.array(x))
    found = gradient(net, other, wanted)
    zs, activations = reference.trace(x)
    tried = remembered(subject, first, right, zs, activations, wanted)
    return first_that_explains(tried, found, right, subject.within)


def remembered(
    subject: Subject, first: Tensors, right: Tensors, zs: Arrays, activations: Arrays, y: Array
) -> Iterator[Hypothesis]:
    """Yield what a second gradient is where something of the first call is left over.

    Parameters
    ----------
    subject : Subject
    first, right : dict of tensor name to ndarray
        The gradients of the first call and of the second.
    zs, activations : list of ndarray
        Of the first call.
    y : ndarray (digits, m)
        Of the second.
    """
    yield Hypothesis(
        "stale gradient",
        "the second gradient is the sum of the first and the second: clear it before each "
        "backward "
        "(optimizer.zero_grad())",
        {name: first[name] + v for name, v in right.items()},
    )
    stale = RIGHT.gradient(list(subject.parameters.weights), zs, activations, y)
    yield Hypothesis(
        "stale activations",
        "the second gradient is computed from the activations of an earlier forward pass: run "
        "the "
        "forward pass inside backprop, on its own x",
        stale,
    )
    yield Hypothesis(
        "a cached answer",
        "a second mini-batch gets the gradient of the first: compute every answer from its own "
        "input",
        first,
    )


def diagnose_deltas(subject: Subject) -> Diagnosis | None:
    """Return what is wrong with the deltas, where the gradients are right.

    Parameters
    ----------
    subject : Subject
    """
    net = subject.built()
    if not callable(getattr(net, "deltas", None)):
        return None
    x, y = subject.batch(0)
    found = tensors(deltas=net.deltas(np.array(x), np.array(y)))
    right = tensors(deltas=subject.reference().deltas(x, y))
    c = common_factor(found, right)
    scaled = {name: c * v for name, v in right.items()}
    if misfit(right, found) <= subject.within or misfit(scaled, found) > subject.within:
        return None
    return Diagnosis(
        "factor in deltas",
        f"deltas are {c:.6f} times {tried_on(subject)}, and the gradients are right: "
        "delta is the derivative of the summed cost by z of each example",
    )
