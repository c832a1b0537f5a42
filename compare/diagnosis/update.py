"""Known mistakes of a step of gradient descent, and of two in a row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from compare.diagnosis.forward import CHANGING
from compare.diagnosis.gradients import RIGHT, common_factor, gradient, tried_on
from compare.diagnosis.hypothesis import (
    Diagnosis,
    Hypothesis,
    Subject,
    Tensors,
    all_but_a_few,
    first_that_explains,
    misfit,
    tensors,
)
from compare.diagnosis.precision import in_disguise, rounded_to, to_float32


def diagnose_update(subject: Subject) -> Diagnosis | None:
    """Return the known mistake that explains where one step of the candidate leads, or two.

    Parameters
    ----------
    subject : Subject
    """
    net = subject.built()
    old, right = parameters(net), stepped(subject, [0])
    step(net, subject, 0)
    found = parameters(net)
    if misfit(stepped(subject, [0], subject.candidate), found) > subject.within:
        return CHANGING
    if misfit(right, found) <= subject.within:
        return diagnose_second_step(subject)
    moved, expected = minus(found, old), minus(right, old)
    size = max(float(np.abs(v).max()) for v in old.values()) * subject.within
    return (
        factor_of_step(moved, expected, size, subject)
        or first_that_explains(
            mistakes(subject, old, expected, found), found, right, subject.within
        )
        or all_but_a_few(found, right, subject.within)
        or by_precision(subject, found, right, moved, expected)
    )


def parameters(net: Any) -> Tensors:
    """Return a network's parameters by name.

    Parameters
    ----------
    net : candidate
    """
    weights, biases = net.export()
    return tensors(biases=biases, weights=weights)


def step(net: Any, subject: Subject, k: int) -> None:
    """Let a network take one step on the k-th mini-batch.

    Parameters
    ----------
    net : candidate
    subject : Subject
    k : int
    """
    net.update_mini_batch(*subject.batch(k), subject.material.eta)


def stepped(subject: Subject, batches: Sequence[int], candidate: type | None = None) -> Tensors:
    """Return the parameters after steps on these mini-batches, by the reference or a candidate.

    Parameters
    ----------
    subject : Subject
    batches : sequence of int
    candidate : class, optional
    """
    net = subject.built() if candidate else subject.reference()
    for k in batches:
        step(net, subject, k)
    return parameters(net)


def minus(v: Tensors, w: Tensors) -> Tensors:
    """Return v - w, tensor by tensor.

    Parameters
    ----------
    v, w : dict of tensor name to ndarray
    """
    return {name: v[name] - w[name] for name in v}


def plus(v: Tensors, w: Tensors, factor: float = 1.0) -> Tensors:
    """Return v + factor w, tensor by tensor.

    Parameters
    ----------
    v, w : dict of tensor name to ndarray
    factor : float
    """
    return {name: v[name] + factor * w[name] for name in v}


def factor_of_step(
    moved: Tensors, expected: Tensors, size: float, subject: Subject
) -> Diagnosis | None:
    """Return the constant factor that explains a step, if one does.

    Parameters
    ----------
    moved, expected : dict of tensor name to ndarray
        What a step changed, and should have changed.
    size : float
        What rounding may do to a change: a change is a difference of two larger numbers.
    subject : Subject
    """
    c = common_factor(moved, expected)
    apart = max(float(np.abs(moved[n] - c * expected[n]).max()) for n in moved)
    if not c or apart > size * max(1.0, abs(c)):
        return None
    m, eta = subject.m, subject.material.eta
    largest = max(float(np.abs(v).max()) for v in expected.values())
    for name, value, advice in STEP_FACTORS:
        known = value(m, eta, subject.parameters.sizes[-1])
        if abs(c - known) * largest <= 2 * size * max(1.0, abs(c)):
            return Diagnosis(
                f"step factor {name}",
                f"the step is {c:.6f} times {tried_on(subject)}: {advice}",
            )
    return clipped(subject, c) or Diagnosis(
        f"step factor {c:.6g}",
        f"the step is {c:.6g} times {tried_on(subject)}: it is (eta / m) nabla",
    )


# Name, value for a mini-batch of m, eta and d digits, what it means.
STEP_FACTORS: tuple[tuple[str, Callable[[int, float, int], float], str], ...] = (
    ("-1", lambda m, eta, d: -1.0, "the step is added: subtract it"),
    (
        "m",
        lambda m, eta, d: m,
        "it is not divided by the size of the mini-batch: w - (eta / m) nabla_w",
    ),
    (
        "1 / m",
        lambda m, eta, d: 1 / m,
        "it is divided by the size of the mini-batch twice: (eta / m) times the sum",
    ),
    (
        "1 / eta",
        lambda m, eta, d: 1 / eta,
        "the learning rate is left out: w - (eta / m) nabla_w",
    ),
    (
        "m / eta",
        lambda m, eta, d: m / eta,
        "both eta and the division by m are left out: w - (eta / m) nabla_w",
    ),
    ("2", lambda m, eta, d: 2.0, "it is taken twice, or the cost has no 1/2"),
    (
        "1 / 2",
        lambda m, eta, d: 0.5,
        "it is halved: the 1/2 of the cost is gone once that is differentiated",
    ),
    (
        "1 / digits",
        lambda m, eta, d: 1 / d,
        "the cost is averaged over the digits: sum over them",
    ),
    (
        "2 / digits",
        lambda m, eta, d: 2 / d,
        "the cost is nn.MSELoss(), averaged over the digits without 1/2",
    ),
    (
        "2 / (digits m)",
        lambda m, eta, d: 2 / (m * d),
        "the cost is nn.MSELoss(), averaged already, and the step divides by m once more",
    ),
)


def clipped(subject: Subject, first: float) -> Diagnosis | None:
    """Return the diagnosis of a clipped gradient: two steps of one length that should have two.

    Parameters
    ----------
    subject : Subject
    first : float
        The factor of the first step.
    """
    old = parameters(subject.built())
    lengths = []
    for k in (0, 1):
        moved = minus(stepped(subject, [k], subject.candidate), old)
        expected = minus(stepped(subject, [k]), old)
        lengths.append((length(moved), length(expected)))
    (ours, theirs), (ours_too, theirs_too) = lengths
    if abs(ours / ours_too - 1) > 1e-4 or abs(theirs / theirs_too - 1) < 1e-2:
        return None
    nabla = ours * subject.m / subject.material.eta
    return Diagnosis(
        "clipped gradient",
        f"the step is {first:.6g} times the reference's, and the gradient is {nabla:.4g} long "
        "whatever "
        "the mini-batch: leave out the clipping or normalising",
    )


def length(v: Tensors) -> float:
    """Return the Euclidean length of all tensors together.

    Parameters
    ----------
    v : dict of tensor name to ndarray
    """
    return float(np.sqrt(sum(np.vdot(entry, entry) for entry in v.values())))


# The hypotheses for one step.


def mistakes(
    subject: Subject, old: Tensors, expected: Tensors, found: Tensors
) -> Iterator[Hypothesis]:
    """Yield what each known mistake of one step leads to.

    Parameters
    ----------
    subject : Subject
    old, expected : dict of tensor name to ndarray
        The parameters before the step, and the right change.
    found : dict of tensor name to ndarray
        The candidate's parameters after it.
    """
    yield from still(old, expected, found)
    yield from late(subject, old, expected)
    yield from decayed(old, expected, found)
    yield from adaptive(subject, old)
    yield from one_by_one(subject)
    yield from rounded(plus(old, expected), found)


def rounded(right: Tensors, found: Tensors) -> Iterator[Hypothesis]:
    """Yield the hypothesis of new parameters in float32, where every one of them is such a number.

    Parameters
    ----------
    right, found : dict of tensor name to ndarray
    """
    if all(np.array_equal(to_float32(v), v) for v in found.values()):
        yield Hypothesis(
            "float32",
            "the new parameters are the right ones rounded to float32: keep them in float64",
            {name: to_float32(v) for name, v in right.items()},
            2.0**-24,  # a tie may be rounded either way
        )


def still(old: Tensors, expected: Tensors, found: Tensors) -> Iterator[Hypothesis]:
    """Yield the hypothesis that tensors which did not move were left out, the others being right.

    Parameters
    ----------
    old, expected, found : dict of tensor name to ndarray
    """
    left = [n for n in old if np.array_equal(found[n], old[n]) and expected[n].any()]
    names = ", ".join(left)
    kinds = {name.split("[")[0] for name in left}
    whole = [n for n in old if n.split("[")[0] in kinds]
    if left:
        only = kinds.pop() if len(kinds) == 1 and left == whole else "a layer"
        yield Hypothesis(
            f"{only} not updated" if only != "a layer" else "a layer that is not updated",
            f"{names} did not move, and the rest is right: subtract (eta / m) nabla from every one",
            {n: v if n in left else v + expected[n] for n, v in old.items()},
        )


def late(subject: Subject, old: Tensors, expected: Tensors) -> Iterator[Hypothesis]:
    """Yield the mistakes of moving some parameters before all gradients are known.

    Parameters
    ----------
    subject : Subject
    old, expected : dict of tensor name to ndarray
    """
    for first, then in (("weights", "biases"), ("biases", "weights")):
        halfway = {n: v + expected[n] if n.startswith(first) else v for n, v in old.items()}
        change = change_from(subject, halfway)
        yield Hypothesis(
            f"late {'bias' if then == 'biases' else 'weight'} update",
            f"the {then} move along the gradient at the {first} already moved: compute all "
            "gradients "
            "first, then take the step",
            {n: v if n.startswith(first) else v + change[n] for n, v in halfway.items()},
        )
    yield Hypothesis(
        "weights updated before delta is pulled back",
        "delta is pulled back through weights that have moved already: finish backprop, then "
        "take the step",
        back_through_moved(subject, old, expected),
    )
    again = change_from(subject, plus(old, expected))
    yield Hypothesis(
        "the step is taken twice",
        "one call of update_mini_batch takes two steps, one after the other: take one",
        plus(plus(old, expected), again),
    )


def one_by_one(subject: Subject) -> Iterator[Hypothesis]:
    """Yield where a step leads that is taken for every example of the mini-batch instead.

    Parameters
    ----------
    subject : Subject
    """
    x, y = subject.batch(0)
    for divided in (True, False):
        net = subject.reference()
        eta = subject.material.eta / (subject.m if divided else 1)
        for k in range(subject.m):
            net.update_mini_batch(x[:, [k]], y[:, [k]], eta)
        yield Hypothesis(
            "one step for each example",
            f"the weights move after every example, by {'eta / m' if divided else 'eta'}: add "
            "up the "
            "gradients of the mini-batch, then take one step",
            parameters(net),
        )


def change_from(subject: Subject, place: Tensors) -> Tensors:
    """Return the right change from other parameters than the start.

    Parameters
    ----------
    subject : Subject
    place : dict of tensor name to ndarray
    """
    net = moved_reference(subject, place)
    step(net, subject, 0)
    return minus(parameters(net), place)


def moved_reference(subject: Subject, place: Tensors) -> Any:
    """Return the reference with these parameters.

    Parameters
    ----------
    subject : Subject
    place : dict of tensor name to ndarray
    """
    layers = range(len(subject.parameters.weights))
    weights = [np.array(place[f"weights[{k}]"]) for k in layers]
    biases = [np.array(place[f"biases[{k}]"]) for k in layers]
    return type(subject.reference())(list(subject.parameters.sizes), weights, biases)


def back_through_moved(subject: Subject, old: Tensors, expected: Tensors) -> Tensors:
    """Return where a step leads whose layers move one by one, the last one first.

    Parameters
    ----------
    subject : Subject
    old, expected : dict of tensor name to ndarray
    """
    x, y = subject.batch(0)
    zs, activations = subject.reference().trace(x)
    weights = list(subject.parameters.weights)
    rate = subject.material.eta / subject.m
    place = dict(old)
    for layer in reversed(range(len(weights))):
        nabla = RIGHT.gradient(weights, zs, activations, y)
        for name in ("weights", "biases"):
            key = f"{name}[{layer}]"
            place[key] = old[key] - rate * nabla[f"nabla_{name[0]}[{layer}]"]
        weights[layer] = place[f"weights[{layer}]"]
    return place


def decayed(old: Tensors, expected: Tensors, found: Tensors) -> Iterator[Hypothesis]:
    """Yield the hypothesis of a weight decay, its strength read from the candidate's own step.

    Parameters
    ----------
    old, expected, found : dict of tensor name to ndarray
    """
    extra = minus(minus(found, old), expected)
    for kinds in (("weights",), ("weights", "biases")):
        of = {n: v for n, v in old.items() if n.split("[")[0] in kinds}
        for law, shape in (("", of), (" (L1)", {n: np.sign(v) for n, v in of.items()})):
            rate = common_factor({n: extra[n] for n in of}, shape)
            yield Hypothesis(
                f"weight decay{law}",
                f"besides the step, {' and '.join(kinds)} shrink by {-rate:.6g} "
                f"{'of themselves' if not law else 'each'}: leave out the regularisation",
                {
                    n: v + expected[n] + (rate * shape[n] if n in shape else 0.0)
                    for n, v in old.items()
                },
            )


def adaptive(subject: Subject, old: Tensors) -> Iterator[Hypothesis]:
    """Yield what the first step of an adaptive optimizer is.

    Parameters
    ----------
    subject : Subject
    old : dict of tensor name to ndarray
    """
    nabla = gradient(subject.reference(), *subject.batch(0))
    eta, m = subject.material.eta, subject.m
    for scale in (1.0, 1 / m):
        g = {n: scale * nabla[f"nabla_{n[0]}[{n.split('[')[1]}"] for n in old}
        for name, law in (
            ("Adam", lambda v: v / (np.abs(v) + 1e-8)),
            ("RMSprop", lambda v: v / (0.1 * np.abs(v) + 1e-8)),
            ("Adagrad", lambda v: v / (np.abs(v) + 1e-10)),
            ("the sign of the gradient", np.sign),
        ):
            yield Hypothesis(
                name,
                f"every entry moves by about eta whatever its gradient, as with {name}: use "
                "plain "
                "gradient descent, torch.optim.SGD",
                {n: v - eta * law(g[n]) for n, v in old.items()},
                1e-7,
            )


def by_precision(
    subject: Subject, found: Tensors, right: Tensors, moved: Tensors, expected: Tensors
) -> Diagnosis | None:
    """Return the narrow format that explains new parameters, or the step that led to them.

    Parameters
    ----------
    subject : Subject
    found, right, moved, expected : dict of tensor name to ndarray
        The new parameters and the change.
    """
    for name in (n for n in found if n.startswith("weights")):
        narrow = rounded_to(found[name])
        if narrow is not None and rounded_to(right[name]) is None:
            return Diagnosis(narrow, f"every new weight is a {narrow} number: keep them in float64")
        step_of = in_disguise(f"the step of {name}", moved[name], expected[name], subject.dtype)
        if step_of:
            return step_of
    return None


# Two steps.


def diagnose_second_step(subject: Subject) -> Diagnosis | None:
    """Return what the first step did to the second, where the first one is right.

    Parameters
    ----------
    subject : Subject
    """
    start, once = parameters(subject.reference()), stepped(subject, [0])
    right = stepped(subject, [0, 1])
    found = stepped(subject, [0, 1], subject.candidate)
    first = minus(once, start)
    if misfit(right, found) <= subject.within:
        return None
    return first_that_explains(
        leftovers(subject, start, first, right, found), found, right, subject.within
    )


def leftovers(
    subject: Subject, start: Tensors, first: Tensors, right: Tensors, found: Tensors
) -> Iterator[Hypothesis]:
    """Yield what a second step is where something of the first is left over.

    Parameters
    ----------
    subject : Subject
    start, first, right, found : dict of tensor name to ndarray
        The start, the first step, where two right steps lead, where the candidate's lead.
    """
    share = common_factor(minus(found, right), first)
    again = plus(right, first, share)
    if abs(share - 1) < 1e-9:
        yield Hypothesis(
            "stale gradient",
            "the second step takes the first gradient once more: clear it before each backward "
            "(optimizer.zero_grad())",
            again,
        )
    yield Hypothesis(
        "momentum",
        f"the second step adds {share:.6g} times the first: leave out the momentum",
        again,
    )
    once = plus(start, first)
    unmoved = minus(stepped(subject, [1]), start)
    yield Hypothesis(
        "stale weights",
        "the second step takes the gradient at the weights before the first: use the new ones",
        plus(once, unmoved),
    )
    yield Hypothesis(
        "a cached answer",
        "the second step repeats the first, whatever its mini-batch",
        plus(once, first),
    )
