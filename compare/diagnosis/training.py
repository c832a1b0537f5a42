"""Known mistakes of an epoch: its order, its mini-batches, what is kept from step to step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compare.diagnosis.hypothesis import (
    Diagnosis,
    Hypothesis,
    Subject,
    Tensors,
    first_that_explains,
    misfit,
)
from compare.diagnosis.update import minus, parameters, plus

Order = NDArray[Any]

EXAMPLES, MINI_BATCH = 18, 5  # the epoch that is tried: a last mini-batch of three
LOOSE = 2.0**10  # times what rounding explains: an epoch of a few steps amplifies it a little


def diagnose_training(subject: Subject) -> Diagnosis | None:
    """Return the known mistake that explains where an epoch of the candidate leads.

    Parameters
    ----------
    subject : Subject
    """
    if not callable(getattr(subject.built(), "train", None)):
        return None
    order = np.random.default_rng(3).permutation(EXAMPLES)
    found = trained(subject, order, MINI_BATCH)
    if misfit(trained(subject, order, MINI_BATCH), found) > LOOSE * subject.within:
        return Diagnosis(
            "an order of its own",
            "two epochs from the same start differ: take the examples in the order given",
        )
    right = epoch(subject, cut(order))
    within = LOOSE * subject.within
    if misfit(right, found) <= within:
        return None
    return first_that_explains(orders(subject, order), found, right, within) or own_order(subject)


def trained(subject: Subject, order: Order, mini_batch_size: int) -> Tensors:
    """Return the candidate's parameters after an epoch.

    Parameters
    ----------
    subject : Subject
    order : ndarray (N,) of int
    mini_batch_size : int
    """
    net = subject.built()
    x, y = subject.material.batch(slice(0, EXAMPLES))
    net.train(x, y, np.array(order), mini_batch_size, subject.material.eta)
    return parameters(net)


def cut(order: Order, size: int = MINI_BATCH) -> list[Order]:
    """Return the mini-batches of an order.

    Parameters
    ----------
    order : ndarray (N,) of int
    size : int
    """
    return [order[k : k + size] for k in range(0, len(order), size)]


def epoch(
    subject: Subject, batches: Sequence[Order], labels: Sequence[Order] = (), full: int = 0
) -> Tensors:
    """Return the reference's parameters after steps on these mini-batches.

    Parameters
    ----------
    subject : Subject
    batches : sequence of ndarray of int
        The examples of every mini-batch.
    labels : sequence of ndarray of int
        The examples that the desired outputs are taken from, where these are others.
    full : int
        What to divide every step by, where it is not the size of the mini-batch.
    """
    net = subject.reference()
    x, y = subject.material.batch(slice(0, EXAMPLES))
    for batch, wanted in zip(batches, labels or batches, strict=True):
        eta = subject.material.eta * (len(batch) / full if full else 1.0)
        net.update_mini_batch(x[:, batch], y[:, wanted], eta)
    return parameters(net)


# Mistake, sentence, the order that is followed in place of the one asked for.
ORDERS: tuple[tuple[str, str, Callable[[Order], Order]], ...] = (
    (
        "reversed order",
        "the examples are taken from the last to the first",
        lambda order: order[::-1],
    ),
    (
        "order ignored",
        "the examples are taken as they are stored: follow the order",
        lambda order: np.arange(len(order)),
    ),
    (
        "order applied twice",
        "the order is applied to data that are in that order already: apply it once, to the "
        "examples as they are stored",
        lambda order: order[order],
    ),
    (
        "inverse order",
        "example k is put in place order[k]: the k-th example is order[k]",
        lambda order: np.argsort(order),
    ),
)
TWO_ORDERS = "images and labels are taken in two orders: shuffle both with the same one"


def orders(subject: Subject, order: Order) -> Iterator[Hypothesis]:
    """Yield where the known mistakes in the order of an epoch lead.

    Parameters
    ----------
    subject : Subject
    order : ndarray (N,) of int
        The order that was asked for.
    """
    for mistake, sentence, other in ORDERS:
        yield Hypothesis(mistake, sentence, epoch(subject, cut(other(order))))
    here, stored = cut(order), cut(np.arange(len(order)))
    for mistake, sentence, batches, labels in (
        (
            "reversed mini-batches",
            "the mini-batches are taken from the last to the first",
            here[::-1],
            (),
        ),
        (
            "last mini-batch dropped",
            "the last, smaller mini-batch is dropped: use it too (drop_last=False)",
            here[:-1],
            (),
        ),
        ("labels not shuffled with the images", TWO_ORDERS, here, stored),
        ("images not shuffled with the labels", TWO_ORDERS, stored, here),
    ):
        yield Hypothesis(mistake, sentence, epoch(subject, batches, labels))
    yield Hypothesis(
        "last mini-batch divided by the size of the others",
        "the step of the last, smaller mini-batch is divided by mini_batch_size: divide it by "
        "its own size",
        epoch(subject, here, full=MINI_BATCH),
    )
    yield from steps_of_another_kind(subject, order)


def steps_of_another_kind(subject: Subject, order: Order) -> Iterator[Hypothesis]:
    """Yield where an epoch leads whose steps are wrong, not its order.

    Parameters
    ----------
    subject : Subject
    order : ndarray (N,) of int
    """
    start = parameters(subject.reference())
    frozen = dict(start)
    for batch in cut(order):
        frozen = plus(frozen, minus(epoch(subject, [batch]), start))
    yield Hypothesis(
        "gradients of the weights that the epoch began with",
        "every step of the epoch takes the gradient at the weights that the epoch began with: "
        "compute each from the weights after the step before",
        frozen,
    )
    yield Hypothesis(
        "one step for each example",
        "the weights move after every example: add up the mini-batch first",
        epoch(subject, cut(order, 1)),
    )
    yield Hypothesis(
        "one step for the whole epoch",
        "the whole epoch is one mini-batch: take a step for each mini-batch",
        epoch(subject, [order]),
    )
    yield Hypothesis(
        "first mini-batch alone",
        "only the first mini-batch is used: a return or a break inside the loop",
        epoch(subject, cut(order)[:1]),
    )


def own_order(subject: Subject) -> Diagnosis | None:
    """Return the diagnosis of an unknown order, if the epoch is right where order cannot matter.

    That is where every example is the same one.

    Parameters
    ----------
    subject : Subject
    """
    one = np.zeros(EXAMPLES, dtype=np.intp)
    order = np.arange(EXAMPLES)
    x, y = subject.material.batch(one)
    net = subject.built()
    net.train(x, y, order, MINI_BATCH, subject.material.eta)
    if misfit(epoch(subject, cut(one)), parameters(net)) > LOOSE * subject.within:
        return None
    return Diagnosis(
        "an order of its own",
        "an epoch of one example repeated, where order does not matter, is right, and another is "
        "not: take the examples in the order given, without shuffling them once more",
    )
