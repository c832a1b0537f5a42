"""Known mistakes of the forward pass."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from compare.diagnosis.hypothesis import (
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
from compare.diagnosis.precision import in_disguise

Change = Callable[[Array], Array]

MUCH = 1e-3
CACHED = Diagnosis(
    "a cached answer",
    "a second input gets the answer of the first, bit for bit: compute every answer from its "
    "own input",
)
OLD = (
    "the answer is that of other parameters, which another network had: keep no answers, "
    "neither in the class nor in its module"
)
CHANGING = Diagnosis(
    "answers that change from call to call",
    "the same input gets another answer the second time: switch off dropout (net.eval()) and "
    "noise, "
    "and keep nothing between calls",
)
OVERFLOW = Diagnosis(
    "overflow",
    "an activation is NaN or infinite where z is large: write the sigmoid so that exp does not "
    "overflow, "
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
    return explained or by_precision(subject, found, right) or by_company(subject, net, x, found)


def by_company(subject: Subject, net: Any, x: Array, found: Tensors) -> Diagnosis | None:
    """Return the diagnosis of answers that depend on the other examples of the batch.

    Parameters
    ----------
    subject : Subject
    net : candidate
    x : ndarray (sizes[0], m)
    found : dict of tensor name to ndarray
        Its answers to x.
    """
    alone = answer(net, x[:, :1])
    if misfit(alone, {name: v[:, :1] for name, v in found.items()}) <= MUCH:
        return None  # a sum in another order differs a little, in narrow formats
    return Diagnosis(
        "answers that depend on the rest of the batch",
        "an example gets another answer alone than in a batch: use no statistics of the batch, as "
        "batch normalisation does (net.eval()), and look at how a batch is cut up",
    )


def diagnose_predictions(subject: Subject) -> Diagnosis | None:
    """Return the diagnosis of test images that are answered wrong in one large batch, right alone.

    Parameters
    ----------
    subject : Subject
    """
    x = subject.material.test_images.astype(np.float64).T
    found = outputs(subject.built(), x)
    right = outputs(subject.reference(), x)
    wrong = np.flatnonzero(np.abs(found - right).max(axis=0) > subject.within)
    if not wrong.size:
        return None
    few = x[:, wrong[: subject.m]]
    if np.abs(outputs(subject.built(), few) - right[:, wrong[: subject.m]]).max() > subject.within:
        return diagnose_forward(subject)
    return Diagnosis(
        "large batches",
        f"{wrong.size:,} of {x.shape[1]:,} test images get a wrong answer together, the first of "
        f"them number {wrong[0]}, and a right one in a small batch: look at how a large batch is "
        "cut up",
    )


def outputs(net: Any, x: Array) -> Array:
    """Return a network's output activations.

    Parameters
    ----------
    net : candidate
    x : ndarray (sizes[0], m)
    """
    return list(answer(net, x).values())[-1]


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


def same(v: Array) -> Array:
    """Return the array itself.

    Parameters
    ----------
    v : ndarray of any shape
    """
    return v


def exchanged(x: Array) -> Array:
    """Return square images with rows and columns exchanged; others as they are.

    Parameters
    ----------
    x : ndarray (pixels, m)
    """
    side = math.isqrt(len(x))
    if side * side != len(x):
        return x
    return x.reshape(side, side, -1).transpose(1, 0, 2).reshape(x.shape)


def sigmoid(z: Array) -> Array:
    """Return 1 / (1 + exp(-z)).

    Parameters
    ----------
    z : ndarray of any shape
    """
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-z))


def relu(z: Array) -> Array:
    """Return max(z, 0).

    Parameters
    ----------
    z : ndarray of any shape
    """
    return np.maximum(z, 0)


def hard(z: Array) -> Array:
    """Return torch's hardsigmoid.

    Parameters
    ----------
    z : ndarray of any shape
    """
    return np.clip(z / 6 + 0.5, 0, 1)


def softmax(z: Array) -> Array:
    """Return the softmax of every column.

    Parameters
    ----------
    z : ndarray (n, m)
    """
    e = np.exp(z - z.max(axis=0))
    return e / e.sum(axis=0)


# Mistake, sentence, what becomes of a layer's weights and of its biases.
PARAMETERS: tuple[tuple[str, str, Change, Change], ...] = (
    (
        "no biases in the forward pass",
        "z is w a without b in every layer: add the biases",
        same,
        np.zeros_like,
    ),
    (
        "biases subtracted",
        "z is w a - b: add the biases (some books subtract a threshold instead)",
        same,
        np.negative,
    ),
    (
        "biases added twice",
        "z is w a + 2 b: add the biases once",
        same,
        lambda b: 2 * b,
    ),
    (
        "transposed weights in the forward pass",
        "z comes from the weights read the other way round: weights[l][j, k] leads from neuron "
        "k to neuron j, so z = np.dot(w, a) + b",
        square_or_reshaped,
        same,
    ),
)

# Mistake, sentence, what the network sees in place of the pixels.
PIXELS: tuple[tuple[str, str, Change], ...] = (
    (
        "pixels divided by 255",
        "z is that of pixels 256/255 times as bright: divide the bytes by 256, as Nielsen's "
        "files do",
        lambda x: x * 256 / 255,
    ),
    (
        "pixels not divided",
        "z is that of the bytes, 256 times the pixels: divide the bytes by 256",
        lambda x: x * 256,
    ),
    (
        "pixels divided twice",
        "z is that of pixels divided by 256 once more: they are byte / 256 already",
        lambda x: x / 256,
    ),
    (
        "pixels divided twice",
        "z is that of pixels divided by 255 once more: they are byte / 256 already",
        lambda x: x / 255,
    ),
    (
        "normalised pixels",
        "z is that of pixels less 0.1307, divided by 0.3081: leave out the normalisation",
        lambda x: (x - 0.1307) / 0.3081,
    ),
    (
        "normalised pixels",
        "z is that of pixels stretched from -1 to 1: leave out the normalisation",
        lambda x: (x - 0.5) / 0.5,
    ),
    (
        "inverted pixels",
        "z is that of 255/256 - x, black on white: ink is bright in MNIST",
        lambda x: 255 / 256 - x,
    ),
    (
        "inverted pixels",
        "z is that of 1 - x, black on white: ink is bright in MNIST",
        lambda x: 1 - x,
    ),
    (
        "binary pixels",
        "z is that of pixels made black or white: keep the greys",
        lambda x: (x > 0.5).astype(np.float64),
    ),
    (
        "transposed images",
        "z is that of images with rows and columns exchanged: read the pixels row by row",
        exchanged,
    ),
)

# Mistake, sentence, the activation of z in the hidden layers and in the last one.
NEURONS: tuple[tuple[str, str, Change, Change], ...] = (
    (
        "softmax output",
        "the output activations are the softmax of z: take its sigmoid, as in every layer",
        sigmoid,
        softmax,
    ),
    ("tanh neurons", "every activation is tanh(z): use the sigmoid", np.tanh, np.tanh),
    (
        "tanh hidden neurons",
        "the hidden activations are tanh(z): use the sigmoid",
        np.tanh,
        sigmoid,
    ),
    (
        "relu hidden neurons",
        "the hidden activations are max(z, 0): use the sigmoid",
        relu,
        sigmoid,
    ),
    ("relu neurons", "every activation is max(z, 0): use the sigmoid", relu, relu),
    (
        "linear output",
        "the output activations are z itself: apply the sigmoid to the last layer too",
        sigmoid,
        same,
    ),
    (
        "linear hidden neurons",
        "the hidden activations are z itself: apply the sigmoid in every layer",
        same,
        sigmoid,
    ),
    (
        "sigmoid of -z",
        "the activations are 1 - sigmoid(z): the sigmoid is 1 / (1 + exp(-z)), with a minus",
        lambda z: sigmoid(-z),
        lambda z: sigmoid(-z),
    ),
    (
        "sigmoid of 2 z",
        "the activations are sigmoid(2 z): the tanh form is (1 + tanh(z / 2)) / 2",
        lambda z: sigmoid(2 * z),
        lambda z: sigmoid(2 * z),
    ),
    (
        "sigmoid twice",
        "the output activations are sigmoid(sigmoid(z)): a loss or a layer applies it once more",
        sigmoid,
        lambda z: sigmoid(sigmoid(z)),
    ),
    (
        "hard sigmoid",
        "the activations are clip(z / 6 + 1/2, 0, 1), torch's hardsigmoid: use the sigmoid",
        hard,
        hard,
    ),
)


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
    for mistake, sentence, of_w, of_b in PARAMETERS:
        changed = [of_w(w) for w in weights], [of_b(b) for b in biases]
        yield Hypothesis(mistake, sentence, run(*changed, x))
    for mistake, sentence, seen in PIXELS:
        yield Hypothesis(mistake, sentence, run(weights, biases, seen(x)))
    for other in subject.material.starts.values():
        yield Hypothesis(CACHED.mistake, OLD, run(list(other.weights), list(other.biases), x))
    for mistake, sentence, hidden, output in (*NEURONS, *clipped(found)):
        yield Hypothesis(mistake, sentence, run(weights, biases, x, hidden, output))


def clipped(found: Tensors) -> Iterator[tuple[str, str, Change, Change]]:
    """Yield the sigmoid of a clipped z, the threshold read from the activations.

    Parameters
    ----------
    found : dict of tensor name to ndarray
    """
    fired = [v for name, v in found.items() if not name.startswith("zs")]
    top = max(float(np.abs(v - 0.5).max()) for v in fired) + 0.5
    if not 0.5 < top < 1:
        return
    edge = math.log(top / (1 - top))
    edge = round(edge, 6) if abs(edge - round(edge, 6)) < 1e-9 else edge

    def fire(z: Array) -> Array:
        return sigmoid(np.clip(z, -edge, edge))

    yield (
        "clipped z",
        f"the activations are those of z clipped to [-{edge:g}, {edge:g}]: do not clip; "
        "where exp(-z) overflows to infinity, the sigmoid is rightly 0",
        fire,
        fire,
    )


def run(
    weights: Arrays, biases: Arrays, x: Array, hidden: Change = sigmoid, output: Change = sigmoid
) -> Tensors:
    """Return zs and activations by name of a forward pass written here.

    Parameters
    ----------
    weights, biases : list of ndarray
    x : ndarray (sizes[0], m)
    hidden, output : callable (z)
        The activation, in the hidden layers and in the last one.
    """
    zs: Arrays = []
    activations = [x]
    for w, b in zip(weights, biases, strict=True):
        zs.append(w @ activations[-1] + b)
        last = len(zs) == len(weights)
        activations.append((output if last else hidden)(zs[-1]))
    named = with_output(tensors(zs=zs, activations=activations))
    return {**named, "output": activations[-1]}
