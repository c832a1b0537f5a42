"""Known mistakes of the forward pass."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from compare.diagnosis_precision import in_disguise
from compare.hypothesis import (
    Array,
    Arrays,
    Diagnosis,
    Hypothesis,
    Subject,
    Tensors,
    first_that_explains,
    misfit,
    square_or_reshaped,
    tensors,
)

Fire = Callable[[Array, bool], Array]  # (z, whether this is the output layer) -> activation
CACHED = Diagnosis(
    "a cached answer",
    "a second input gets the answer of the first, bit for bit: compute every answer from its own input",
)
CHANGING = Diagnosis(
    "answers that change from call to call",
    "the same input gets another answer the second time: switch off dropout (net.eval()) and noise, "
    "and keep nothing between calls",
)
OVERFLOW = Diagnosis(
    "overflow",
    "an activation is NaN or infinite where z is large: write the sigmoid so that exp does not overflow, "
    "as 1 / (1 + exp(-z))",
)


def diagnose_forward(subject: Subject) -> Diagnosis | None:
    """Return the known mistake that explains the candidate's zs and activations.

    Parameters
    ----------
    subject : Subject
    """
    (x, _), (other, _) = subject.batch(0), subject.batch(1)
    net = subject.built()
    found = answer(net, x)
    if not all(np.isfinite(v).all() for v in found.values()):
        return OVERFLOW
    if misfit(answer(net, x), found) > subject.within:
        return CHANGING
    right = answer(subject.reference(), x)
    if misfit(right, found) <= subject.within:
        second, truth = answer(net, other), answer(subject.reference(), other)
        stuck = misfit(second, found) == 0 and misfit(truth, right) > 0
        return CACHED if stuck else None
    explained = first_that_explains(mistakes(subject, x, found), found, right, subject.within)
    return explained or by_precision(subject, found, right)


def answer(net: Any, x: Array) -> Tensors:
    """Return zs and activations by name, without the input; or the output alone.

    Parameters
    ----------
    net : candidate
    x : ndarray (sizes[0], m)
    """
    if not callable(getattr(net, "trace", None)):
        return {"output": np.array(net.feedforward(np.array(x)), dtype=np.float64)}
    zs, activations = net.trace(np.array(x))
    return with_output(tensors(zs=zs, activations=list(activations)))


def with_output(named: Tensors) -> Tensors:
    """Return the tensors without the input layer.

    Parameters
    ----------
    named : dict of tensor name to ndarray
    """
    return {name: v for name, v in named.items() if name != "activations[0]"}


def by_precision(subject: Subject, found: Tensors, right: Tensors) -> Diagnosis | None:
    """Return the narrow format that explains the first tensor that differs.

    Parameters
    ----------
    subject : Subject
    found, right : dict of tensor name to ndarray
    """
    for name, v in found.items():
        if name in right and misfit({name: right[name]}, {name: v}) > 0:
            return in_disguise(name, v, right[name], subject.dtype)
    return None


# The hypotheses.


def mistakes(subject: Subject, x: Array, found: Tensors) -> Iterator[Hypothesis]:
    """Yield what each known mistake of the forward pass leads to.

    Parameters
    ----------
    subject : Subject
    x : ndarray (sizes[0], m)
    found : dict of tensor name to ndarray
        The candidate's own, from which one hypothesis takes its threshold.
    """
    weights, biases = list(subject.parameters.weights), list(subject.parameters.biases)
    nothing = [np.zeros_like(b) for b in biases]
    for mistake, sentence, (w, b) in (
        (
            "no biases in the forward pass",
            "z is w a without b in every layer: add the biases",
            (weights, nothing),
        ),
        (
            "biases subtracted",
            "z is w a - b: add the biases (some books subtract a threshold instead)",
            (weights, [-b for b in biases]),
        ),
        (
            "biases added twice",
            "z is w a + 2 b: add the biases once",
            (weights, [2 * b for b in biases]),
        ),
        (
            "transposed weights in the forward pass",
            "z comes from the weights read the other way round: weights[l][j, k] leads from neuron k to "
            "neuron j, so z = np.dot(w, a) + b",
            ([square_or_reshaped(w) for w in weights], biases),
        ),
    ):
        yield Hypothesis(mistake, sentence, run(w, b, x))
    for mistake, sentence, seen in pixels(x):
        yield Hypothesis(mistake, sentence, run(weights, biases, seen))
    for mistake, sentence, fire in neurons(found):
        yield Hypothesis(mistake, sentence, run(weights, biases, x, fire))


def pixels(x: Array) -> Iterator[tuple[str, str, Array]]:
    """Yield the known ways to take pixels for others: mistake, sentence, what the network sees.

    Parameters
    ----------
    x : ndarray of pixels, multiples of 1/256
    """
    yield (
        "pixels divided by 255",
        "z is that of pixels 256/255 times as bright: divide the bytes by 256, as Nielsen's files do",
        x * 256 / 255,
    )
    yield (
        "pixels not divided",
        "z is that of the bytes, 256 times the pixels: divide the bytes by 256",
        x * 256,
    )
    yield (
        "pixels divided twice",
        "z is that of pixels divided by 256 once more: they are byte / 256 already",
        x / 256,
    )
    yield (
        "pixels divided twice",
        "z is that of pixels divided by 255 once more: they are byte / 256 already",
        x / 255,
    )
    yield (
        "normalised pixels",
        "z is that of pixels with 0.1307 subtracted and divided by 0.3081: leave out the normalisation",
        (x - 0.1307) / 0.3081,
    )
    yield (
        "inverted pixels",
        "z is that of 255/256 - x, black on white: ink is bright in MNIST",
        255 / 256 - x,
    )
    yield ("inverted pixels", "z is that of 1 - x, black on white: ink is bright in MNIST", 1 - x)
    yield (
        "binary pixels",
        "z is that of pixels made black or white: keep the greys",
        (x > 0.5).astype(np.float64),
    )
    side = math.isqrt(len(x))
    if side * side == len(x):
        turned = x.reshape(side, side, -1).transpose(1, 0, 2).reshape(x.shape)
        yield (
            "transposed images",
            "z is that of images with rows and columns exchanged: read the pixels row by row",
            turned,
        )


def neurons(found: Tensors) -> Iterator[tuple[str, str, Fire]]:
    """Yield the known wrong activation functions: mistake, sentence, function.

    Parameters
    ----------
    found : dict of tensor name to ndarray
        The candidate's own.
    """
    yield (
        "softmax output",
        "the output activations are the softmax of z: they should be its sigmoid, as in every layer",
        lambda z, last: softmax(z) if last else sigmoid(z),
    )
    yield (
        "tanh neurons",
        "every activation is tanh(z): use the sigmoid",
        lambda z, last: np.tanh(z),
    )
    yield (
        "tanh hidden neurons",
        "the hidden activations are tanh(z): use the sigmoid",
        lambda z, last: sigmoid(z) if last else np.tanh(z),
    )
    yield (
        "relu hidden neurons",
        "the hidden activations are max(z, 0): use the sigmoid",
        lambda z, last: sigmoid(z) if last else np.maximum(z, 0),
    )
    yield (
        "relu neurons",
        "every activation is max(z, 0): use the sigmoid",
        lambda z, last: np.maximum(z, 0),
    )
    yield (
        "linear output",
        "the output activations are z itself: apply the sigmoid to the last layer too",
        lambda z, last: z if last else sigmoid(z),
    )
    yield (
        "linear hidden neurons",
        "the hidden activations are z itself: apply the sigmoid in every layer",
        lambda z, last: sigmoid(z) if last else z,
    )
    yield (
        "sigmoid of -z",
        "the activations are 1 - sigmoid(z): the sigmoid is 1 / (1 + exp(-z)), with a minus",
        lambda z, last: sigmoid(-z),
    )
    yield (
        "sigmoid of 2 z",
        "the activations are sigmoid(2 z): the tanh form is (1 + tanh(z / 2)) / 2",
        lambda z, last: sigmoid(2 * z),
    )
    yield (
        "sigmoid twice",
        "the output activations are sigmoid(sigmoid(z)): a loss or a layer applies it once more",
        lambda z, last: sigmoid(sigmoid(z)) if last else sigmoid(z),
    )
    yield (
        "hard sigmoid",
        "the activations are clip(z / 6 + 1/2, 0, 1), torch's hardsigmoid: use the sigmoid",
        lambda z, last: np.clip(z / 6 + 0.5, 0, 1),
    )
    yield from clipped(found)


def clipped(found: Tensors) -> Iterator[tuple[str, str, Fire]]:
    """Yield the sigmoid of a clipped z, the threshold read from the largest activation.

    Parameters
    ----------
    found : dict of tensor name to ndarray
    """
    top = max(float(v.max()) for name, v in found.items() if not name.startswith("zs"))
    if 0.5 < top < 1:
        edge = math.log(top / (1 - top))
        edge = round(edge, 6) if abs(edge - round(edge, 6)) < 1e-9 else edge
        yield (
            "clipped z",
            f"the activations are those of z clipped to [-{edge:g}, {edge:g}]: exp(-z) may overflow to "
            "infinity, and the sigmoid is then rightly 0; do not clip",
            lambda z, last: sigmoid(np.clip(z, -edge, edge)),
        )


def run(weights: Arrays, biases: Arrays, x: Array, fire: Fire | None = None) -> Tensors:
    """Return zs and activations by name of a forward pass written here.

    Parameters
    ----------
    weights, biases : list of ndarray
    x : ndarray (sizes[0], m)
    fire : callable (z, whether this is the last layer)
    """
    a, zs, activations = x, [], [x]
    for layer, (w, b) in enumerate(zip(weights, biases, strict=True)):
        zs.append(w @ a + b)
        last = layer == len(weights) - 1
        a = fire(zs[-1], last) if fire else sigmoid(zs[-1])
        activations.append(a)
    named = with_output(tensors(zs=zs, activations=activations))
    return {**named, "output": activations[-1]}


def sigmoid(z: Array) -> Array:
    """Return 1 / (1 + exp(-z)).

    Parameters
    ----------
    z : ndarray of any shape
    """
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-z))


def softmax(z: Array) -> Array:
    """Return the softmax of every column.

    Parameters
    ----------
    z : ndarray (n, m)
    """
    e = np.exp(z - z.max(axis=0))
    return e / e.sum(axis=0)
