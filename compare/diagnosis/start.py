"""Known mistakes before the first forward pass: in the data, and in taking over the "
"parameters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import reference.mnist_loader
from compare.diagnosis.forward import PIXELS, Change
from compare.diagnosis.hypothesis import (
    Array,
    Diagnosis,
    Hypothesis,
    Subject,
    Tensors,
    all_but_a_few,
    first_that_explains,
    misfit,
    square_or_reshaped,
    tensors,
)
from compare.diagnosis.precision import to_bfloat16, to_float16, to_float32

SETS = ("training", "validation", "test")
HALF_A_BIT = 2.0**-23  # relative: pixels are handed out in float32
EXACT = 1e-300  # parameters are handed out as they were taken over, to the last bit
Named = dict[str, Array]


# Parameters.


def diagnose_initial_weights(subject: Subject) -> Diagnosis | None:
    """Return the known mistake that explains the parameters that a candidate starts from.

    Parameters
    ----------
    subject : Subject
    """
    shared = diagnose_sharing(subject)
    if shared:
        return shared
    found, right = exported(subject.built()), given(subject)
    explained = first_that_explains(starts(subject, found, right), found, right, 2.0**-53)
    return explained or all_but_a_few(found, right, 0.0) or unrelated(found, right)


def exported(net: Any) -> Tensors:
    """Return the parameters that a network exports, by name.

    Parameters
    ----------
    net : candidate
    """
    weights, biases = net.export()
    return tensors(weights=weights, biases=biases)


def given(subject: Subject) -> Tensors:
    """Return the parameters that a candidate is handed, by name.

    Parameters
    ----------
    subject : Subject
    """
    return tensors(weights=subject.parameters.weights, biases=subject.parameters.biases)


def diagnose_sharing(subject: Subject) -> Diagnosis | None:
    """Return the diagnosis of a candidate that keeps the arrays it is handed, if it does.

    Parameters
    ----------
    subject : Subject
    """
    p = subject.parameters
    weights, biases = ([np.array(v) for v in part] for part in (p.weights, p.biases))
    net = subject.candidate(list(p.sizes), weights, biases)
    before = exported(net)
    for v in [*weights, *biases]:
        v += 1.0
    if misfit(before, exported(net)) == 0:
        return None
    return Diagnosis(
        "shared memory",
        "its parameters change when the arrays that it was handed change: copy them, as in "
        "numpy.array(w) or torch.tensor(w), not numpy.asarray(w) or torch.from_numpy(w)",
    )


def starts(subject: Subject, found: Tensors, right: Tensors) -> Iterator[Hypothesis]:
    """Yield what each known mistake makes of the parameters that were handed in.

    Parameters
    ----------
    subject : Subject
    found, right : dict of tensor name to ndarray
    """
    yield Hypothesis(
        "transposed weights",
        "every weight is there in another place, those of w.T: weights[l] is (n_out, n_in); "
        "transpose it, and do not reshape",
        {n: square_or_reshaped(v) if n[0] == "w" else v for n, v in right.items()},
    )
    for name, to in (("float32", to_float32), ("float16", to_float16), ("bfloat16", to_bfloat16)):
        yield Hypothesis(
            name,
            f"the parameters are the given ones rounded to {name}: keep them in float64",
            {n: to(v) for n, v in right.items()},
            EXACT,
        )
    yield Hypothesis(
        "weights scaled by 1 / sqrt(n_in)",
        "the weights are divided by sqrt(n_in), as in the book's network2.py: take them as "
        "they are",
        {n: v / np.sqrt(v.shape[1]) if n[0] == "w" else v for n, v in right.items()},
    )
    yield Hypothesis(
        "biases start from zero",
        "the weights are those given, and the biases are zero: take over the biases too",
        {n: np.zeros_like(v) if n[0] == "b" else v for n, v in right.items()},
    )
    yield from one_kind_left(found, right)


def one_kind_left(found: Tensors, right: Tensors) -> Iterator[Hypothesis]:
    """Yield the hypothesis that weights or biases are unrelated to those given, the others right.

    Parameters
    ----------
    found, right : dict of tensor name to ndarray
    """
    for kind, other in (("biases", "weights"), ("weights", "biases")):
        names = [n for n in right if n.startswith(kind)]
        equal = sum(int(np.count_nonzero(found[n] == right[n])) for n in names)
        if not equal and not looks_related(flat(found, names), flat(right, names)):
            yield Hypothesis(
                f"{kind} not taken over",
                f"the {other} are those given, and not one of the {kind} is: take over the "
                f"{kind} too",
                {n: found[n] if n in names else v for n, v in right.items()},
                EXACT,
            )


def unrelated(found: Tensors, right: Tensors) -> Diagnosis | None:
    """Return the diagnosis of parameters that have nothing to do with those handed in.

    Parameters
    ----------
    found, right : dict of tensor name to ndarray
    """
    if sorted(found) != sorted(right):
        return None
    if looks_related(flat(found, list(right)), flat(right, list(right))):
        return None
    return Diagnosis(
        "its own random start",
        "its parameters have nothing to do with those handed in: take over weights and biases "
        "instead of drawing them",
    )


def looks_related(v: Array, w: Array) -> bool:
    """Return whether two samples are correlated, beyond four deviations of chance.

    Parameters
    ----------
    v, w : ndarray (n,)
    """
    if v.std() == 0 or w.std() == 0:
        return False
    return abs(float(np.corrcoef(v, w)[0, 1])) > 4 / np.sqrt(v.size) or bool((v == w).any())


def flat(named: Tensors, names: list[str]) -> Array:
    """Return the entries of some tensors, one after the other.

    Parameters
    ----------
    named : dict of tensor name to ndarray
    names : list of str
    """
    return np.concatenate([np.ravel(named[n]) for n in names])


# Data.


def diagnose_data(subject: Subject) -> Diagnosis | None:
    """Return the known mistake that explains what a candidate's loader returns.

    Parameters
    ----------
    subject : Subject
    """
    folder = subject.material.folder
    if folder is None:
        return None
    found = sets(subject.built().load_data(folder))
    right = sets(reference.mnist_loader.load_data(folder))
    return first_that_explains(loaders(found, right), found, right, HALF_A_BIT)


def sets(parts: Any) -> Named:
    """Return the images and the labels of three sets by name.

    Parameters
    ----------
    parts : (training, validation, test), a pair (images, labels) each
    """
    return {
        f"{name} {what}": np.array(v, dtype=np.float64)
        for name, part in zip(SETS, parts, strict=True)
        for what, v in zip(("images", "labels"), part, strict=True)
    }


def loaders(found: Named, right: Named) -> Iterator[Hypothesis]:
    """Yield what each known mistake of a loader returns.

    Parameters
    ----------
    found, right : dict of name to ndarray
    """
    for mistake, sentence, seen in PIXELS:
        said = sentence.replace("z is that of", "the loader returns", 1)
        yield Hypothesis(mistake, said, with_images(seen, right))
    for step, advice in ((1, "one more"), (-1, "one less")):
        yield Hypothesis(
            "labels off by one",
            f"every label is {advice} than the digit: labels are the digits, 0 to 9",
            {n: (v + step) % 10 if n.endswith("labels") else v for n, v in right.items()},
        )
    yield from splits(right)
    yield from other_order(found, right)


def with_images(seen: Change, right: Named) -> Named:
    """Return the sets with every image changed.

    Parameters
    ----------
    seen : callable (pixels in columns)
    right : dict of name to ndarray
    """
    return {n: seen(v.T).T if n.endswith("images") else v for n, v in right.items()}


def splits(right: Named) -> Iterator[Hypothesis]:
    """Yield what other ways to part training from validation lead to.

    Parameters
    ----------
    right : dict of name to ndarray
    """
    kinds = ("images", "labels")
    both = {k: np.concatenate([right[f"training {k}"], right[f"validation {k}"]]) for k in kinds}
    kept = len(right["validation labels"])
    last, rest = slice(len(both["labels"]) - kept, None), slice(0, len(both["labels"]) - kept)
    first, others = slice(0, kept), slice(kept, None)
    for training, validation, how in (
        (others, first, "validation is the first sixth of the file: it is the last"),
        (slice(None), last, "training holds the validation examples too: leave them out"),
        (slice(None), None, "training holds the whole file, and validation is the test set"),
        (last, rest, "training and validation are exchanged"),
    ):
        predicted = dict(right)
        for k in kinds:
            predicted[f"training {k}"] = both[k][training]
            predicted[f"validation {k}"] = (
                right[f"test {k}"] if validation is None else both[k][validation]
            )
        yield Hypothesis("another split", how, predicted)


def other_order(found: Named, right: Named) -> Iterator[Hypothesis]:
    """Yield the hypothesis that every set holds the right examples in another order.

    Parameters
    ----------
    found, right : dict of name to ndarray
    """
    if any(found[n].shape != right[n].shape for n in right):
        return
    if all(rows_in_order(found, s) == rows_in_order(right, s) for s in SETS):
        yield Hypothesis(
            "shuffled examples",
            "every set holds the right examples, in another order: the loader keeps that of "
            "the file",
            dict(found),
        )


def rows_in_order(named: Named, name: str) -> list[bytes]:
    """Return the examples of a set as bytes, sorted.

    Parameters
    ----------
    named : dict of name to ndarray
    name : str
        Of the set.
    """
    images, labels = named[f"{name} images"], named[f"{name} labels"]
    both = np.column_stack([images.reshape(len(images), -1), labels])
    return sorted(row.tobytes() for row in both)
