"""The links of the chain, in causal order, each a generator of what is compared; and their runner.

A link yields (case, what every tensor should be, what it is), or a `Difference` that it measured
itself. Its docstring is its finding in words where all is well.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

import reference.mnist_loader
from compare.balls import named
from compare.calls import SOME, in_every_order
from compare.columns import Columns
from compare.difference import (
    CandidateError,
    Difference,
    Link,
    NotOffered,
    Refused,
    Untried,
    Unusable,
    Verdict,
    keep_worst,
    measure,
    summary,
)
from compare.figures import figures
from compare.host import Host
from compare.material import Material, changed
from compare.standard import Expected, Standard, after_step, could_change, counted, measured
from compare.training import LITTLE, all_but_learnt, training
from compare.trial import Trial
from compare.witnesses import witnesses
from model.mnist_files import is_pickle
from model.parameters import Parameters

Array = NDArray[np.float64]
Tensors = dict[str, Array]
Notes = dict[str, Any]
Item = Difference | tuple[str, Mapping[str, Expected], Tensors]
Tell = Callable[[str], object]
# Taken in turn: a step takes the eta that it is handed.
ETAS = (3.0, 0.5, 30.0, 0.1, 0.001, 100.0, 1e-6)
BLOCK = 1000  # images at a time stay in the cache
LISTED = 20  # images with another digit that are listed
SETS = ("training images", "training labels", "validation images", "validation labels",
        "test images", "test labels")  # fmt: skip


def nobody(what: str) -> None:
    """Take note of progress, and tell nobody."""


def data(host: Host, material: Material, notes: Notes) -> Iterator[Item]:
    """every pixel and label, and the split, are the same"""
    if material.folder is None:
        raise Untried(f"{material.source}: no data files to load")
    trial = Trial(host, material.initial)
    loaded = material.loaded or reference.mnist_loader.load_data(material.folder)
    ours = [v for part in loaded for v in part]
    theirs = trial.load_data(material.plain_folder)
    again = theirs if material.quick else trial.load_data(material.plain_folder)
    if not is_pickle(material.folder):  # the files' bytes, read a third way
        third = Columns([1], [], []).load_data(material.folder)
        for name, v, raw in zip(SETS, ours, (v for part in third for v in part), strict=True):
            yield from exactly(name, v, raw, "the reference's loader")
    for name, found, second, v in zip(SETS, theirs, again, ours, strict=True):
        yield from exactly(name, found, v, "the candidate's loader")
        if second is not found:
            yield from exactly(name, second, v, "the candidate's loader, called again")
    counts = " + ".join(f"{len(v):,}" for v in ours[1::2])
    notes["sentence"] = f"every pixel and label of {counts} images, and the split, are the same"


def exactly(
    name: str, found: NDArray[Any], expected: NDArray[Any], whose: str
) -> Iterator[Difference]:
    """Yield large arrays that should be equal, block by block; those that are count as measured."""
    kinds = "iu" if name.endswith("labels") else "f"
    if found.dtype.kind not in kinds:
        wanted = "integers (N,)" if kinds == "iu" else "floating-point numbers (N, 784), byte / 256"
        raise Unusable(f"load_data: {name}: expected {wanted}, received dtype {found.dtype}")
    if found.shape[1:] != expected.shape[1:]:
        raise Unusable(f"{name} ({whose}): expected {expected.shape}, received {found.shape}")
    if len(found) != len(expected):
        counts = f"expected {len(expected):,}, received {len(found):,}"
        raise Refused(f"{name} ({whose}): {counts}: it is split elsewhere")
    for start in range(0, len(expected), BLOCK):
        part = slice(start, start + BLOCK)
        if start and np.array_equal(found[part], expected[part]):
            continue
        a, b = found[part].astype(np.float64), expected[part].astype(np.float64)
        try:
            d = measure(name, a, b, 0.0, whose, np.ones_like(b))
        except Refused as refused:
            raise Refused(f"{refused} ({whose}, counted from image {start:,})") from None
        yield replace(d, index=(start + d.index[0], *d.index[1:]))


def initial_weights(host: Host, material: Material, notes: Notes) -> Iterator[Item]:
    """every weight and bias is the one handed in, to the last bit"""
    first = Trial(host, material.initial)
    expected = Standard(material.initial, material.dtype).start()
    yield "initial", expected, exported(first)
    second = Trial(host, material.trained)
    yield "trained", Standard(material.trained, material.dtype).start(), exported(second)
    yield "initial, after another network was built", expected, exported(first)


def exported(net: Any) -> Tensors:
    weights, biases = net.export()
    return named(weights=weights, biases=biases)


def forward(host: Host, material: Material, notes: Notes) -> Iterator[Item]:
    """every z and activation is within rounding of the reference's"""
    for start, parameters in material.starts.items():
        trial = Trial(host, parameters)
        standard = Standard(parameters, material.dtype)
        for case, (x, _) in material.batches.items():
            found = host.beside(partial(trial.forward, x))
            expected = material.once(("forward", start, case), standard.forward, x)
            yield f"{start}, {case}", expected, found()
    note_missing(notes, trial, "trace", "feedforward")
    if not trial.offers("trace"):
        notes["sentence"] = "every output activation is within rounding of the reference's"


def gradients(host: Host, material: Material, notes: Notes) -> Iterator[Item]:
    """every delta, nabla_b and nabla_w is within rounding of the reference's"""
    for start, parameters in material.starts.items():
        trial = Trial(host, parameters)
        if not trial.offers("backprop"):
            raise NotOffered(trial.missing("backprop"))
        standard = Standard(parameters, material.dtype)
        for case, (x, y) in material.batches.items():
            found = host.beside(partial(trial.backward, x, y))
            expected = material.once(("gradients", start, case), standard.gradients, x, y)
            yield f"{start}, {case}", expected, found()
        other = np.roll(y, 1, axis=0)
        case = f"{start}, {case}, other labels"
        yield case, standard.gradients(x, other), trial.backward(x, other)
    note_missing(notes, trial, "deltas")
    if not trial.offers("deltas"):
        notes["sentence"] = "every nabla_b and nabla_w is within rounding of the reference's"


def update(host: Host, material: Material, notes: Notes) -> Iterator[Item]:
    """one step after the other, of any size and eta, leads within rounding of the reference's"""
    for start, here in material.starts.items():
        trial = Trial(host, here)
        etas = (material.eta, *ETAS)
        batches: dict[str, Any] = {**material.batches}
        if material.dtype != "fixed-point":
            batches["5 examples that are all but learnt"] = None  # a step is due, however small
            batches["5 examples that are no images"] = batches.pop("5 examples that are no images")
        for k, (case, batch) in enumerate(batches.items()):
            eta, (x, y) = etas[k % len(etas)], batch or all_but_learnt(here, material)
            case = f"{start}, step {k + 1} in a row, {case}, eta {eta:g}"
            found = host.beside(partial(trial.step_asked_for, x, y, eta, k % 2 == 1))
            expected = Standard(here, material.dtype).update(x, y, eta)
            forth, back, (weights, biases) = found()
            yield case, expected, after_step(weights, biases)
            here = Parameters(here.sizes, weights, biases)
            moved = Standard(here, material.dtype)  # it must not answer as it was built
            yield f"{case}, asked afterwards", moved.forward(x), forth
            if "failed" in back:
                raise back["failed"]
            if back:
                yield f"{case}, asked afterwards", moved.gradients(x, y), back


def predictions(host: Host, material: Material, notes: Notes) -> Iterator[Item]:
    """every test image is read alike"""
    trial, parameters = Trial(host, material.trained), material.trained
    standard = Standard(parameters, material.dtype)
    images, labels = material.test_images, material.test_labels
    if not len(images):
        raise Unusable("there are no test images, which proves nothing")
    ours, theirs, open_ones = list[Array](), list[Array](), 0
    columns = images.T.astype(np.float64)
    asked = [slice(0, BLOCK), slice(BLOCK, None)] if len(images) > BLOCK else [slice(None)]
    answers = [host.beside(partial(trial.feedforward, columns[:, part])) for part in asked]
    for start in range(0, len(images), BLOCK):
        expected = standard.forward(columns[:, start : start + BLOCK])["feedforward"]
        if start in (0, BLOCK):  # then all that are left, at once
            theirs.append(answers[len(theirs)]())
        first = start and start - BLOCK
        block = {"outputs": theirs[-1][:, first : first + BLOCK]}
        yield f"test images from {start:,}, trained", {"outputs": expected}, block
        ours.append(expected.reference)
        open_ones += could_change(expected)
    outputs, found = (np.concatenate(v, axis=1) for v in (ours, theirs))
    notes |= digits(outputs, found, labels, open_ones)
    if trial.offers("evaluate"):
        yield from evaluated(trial, material, outputs, open_ones)
        yield from in_every_order(host, material, "evaluate")
    note_missing(notes, trial, "evaluate")


def evaluated(trial: Trial, material: Material, outputs: Array, open_ones: int) -> Iterator[Item]:
    """Yield how many images evaluate counts as read right: of all, of parts, of a near tie."""
    columns, labels = material.test_images.T.astype(np.float64), material.test_labels
    read = outputs.argmax(axis=0)  # as labels, every one counts
    ends = (None, None), (0, 1), (1, 8), (8, 15), (8, 265), (0, material.sizes[0])
    for some in itertools.starmap(slice, (*ends, (-BLOCK, None), (0, BLOCK))):
        for told, wanted in (("", labels), (", labels that are the digits read", read)):
            right = counted(outputs[:, some], wanted[some], open_ones)
            x = columns[:, some]
            x = x if x.shape[1] % 2 else np.ascontiguousarray(x)  # as it lies in memory: either
            found = np.array([trial.evaluate(x, wanted[some])])
            case = f"evaluate of {x.shape[1]:,} test images{told}"
            yield case, {"evaluate": right}, {"evaluate": found}
    tied, x = all_but_tied(material), columns[:, :SOME]
    close = Standard(tied, material.dtype).forward(x)["feedforward"]
    read = close.reference.argmax(axis=0)
    right = counted(close.reference, read, could_change(close))
    found = np.array([Trial(trial.host, tied).evaluate(x, read)])
    yield "evaluate of outputs that all but tie", {"evaluate": right}, {"evaluate": found}


def all_but_tied(material: Material) -> Parameters:
    """Return parameters by which no two outputs are equal, and none far from another."""
    little = LITTLE["float64" if material.dtype == "float64" else "float32"]
    none = changed(material.initial, np.zeros_like)
    order = np.random.default_rng(material.seed).permutation(material.sizes[-1])
    return Parameters(none.sizes, none.weights, [*none.biases[:-1], little * order[:, None]])


def digits(ours: Array, theirs: Array, labels: NDArray[np.int64], open_ones: int) -> Notes:
    """Return how many digits are the same, and what is known of those that are not."""
    right, read = ours.argmax(axis=0), theirs.argmax(axis=0)
    other = np.flatnonzero(right != read)
    same = f"{len(right) - len(other):,} of {len(right):,} digits are the same"
    near = "no margin is so small that rounding could have chosen another"
    if open_ones:
        near = f"{open_ones} have margins so small that rounding may choose"
    return {
        "images": len(right),
        "same_digit": len(right) - len(other),
        "correct": int(np.sum(read == labels)),
        "reference_correct": int(np.sum(right == labels)),
        "wantedthat_rounding_could_change": open_ones,
        "other_digits": [
            {"image": int(k), "label": int(labels[k]), "reference": int(right[k]),
             "candidate": int(read[k])}
            for k in other[:LISTED]
        ],
        "sentence": f"{same}, and {near}",
    }  # fmt: skip


def note_missing(notes: Notes, trial: Trial, *names: str) -> None:
    """Note which optional methods the candidate lacks."""
    missing = [trial.missing(name) for name in names if not trial.offers(name)]
    if missing:
        notes.setdefault("not_offered", []).extend(missing)


LINKS: dict[str, Callable[[Host, Material, Notes], Iterator[Item]]] = {
    "reference": lambda host, material, notes: witnesses(),
    "data": data,
    "initial weights": initial_weights,
    "forward": forward,
    "gradients": gradients,
    "update": update,
    "training": training,
    "predictions": predictions,
    "figures": figures,
}


def run(name: str, host: Host, material: Material, tell: Tell = nobody) -> Link:
    """Run one link to its end, or to the first case that is different, and return what it found."""
    if host.gone and name != "reference":
        return Link(name, Verdict.NOT_TRIED, f"not tried: {host.gone}")
    notes: Notes = {}
    worst: dict[str, Difference] = {}
    start = time.perf_counter()
    trace = mistake = after = ""
    try:
        for item in LINKS[name](host, material, notes):
            found = held(item)
            keep_worst(worst, found)
            after = f" (after {found[0].case})"
            tell(f"{name}: {found[0].case}")
            if any(d.verdict is Verdict.DIFFERENT for d in found):
                break
        verdict = summary(list(worst.values()))
        sentence = notes.pop("sentence", "") or str(LINKS[name].__doc__ or witnesses.__doc__)
        if verdict is Verdict.DIFFERENT:
            sentence = next(d.in_words for d in worst.values() if d.verdict is verdict)
        elif notes.get("parted"):
            verdict = Verdict.PARTED
    except NotOffered as missing:
        verdict, sentence = Verdict.NOT_OFFERED, f"the candidate has no method {missing}"
    except Untried as why:
        verdict, sentence = Verdict.NOT_TRIED, str(why)
    except Refused as refused:
        verdict, sentence = Verdict.DIFFERENT, f"refused: {refused}{after}"
        mistake = refused.mistake
    except CandidateError as error:
        own = "" if host.gone else "the candidate's own error: "
        verdict, sentence, trace = Verdict.ERROR, f"{own}{error}{after}", error.trace
    except (ValueError, OverflowError, OSError) as error:  # Unusable is a ValueError
        verdict, sentence = Verdict.ERROR, f"{error}{after}"
    seconds = time.perf_counter() - start
    notes.pop("sentence", None)
    return Link(name, verdict, sentence, tuple(worst.values()), seconds, notes, trace, mistake)


def held(item: Item) -> list[Difference]:
    """Measure every tensor that was found against what was expected, in causal order."""
    return [item] if isinstance(item, Difference) else measured(*item)
