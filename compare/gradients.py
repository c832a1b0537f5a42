"""Link "gradients": is every nabla_w, nabla_b and delta the same?"""

from __future__ import annotations

from compare.evidence import Array, Evidence, refuse_repetition
from compare.material import Material
from compare.standard import Standard, named
from compare.trial import Trial

NAME = "gradients"
Batch = tuple[Array, Array]


def gather(candidate: type, material: Material, evidence: Evidence) -> str:
    """Compare the gradients of single examples and of mini-batches, from every start.

    Parameters
    ----------
    candidate : class
    material : Material
    evidence : Evidence
        Gets the differences.

    Returns
    -------
    str
        The finding in words.
    """
    before = None
    for start, parameters in material.starts.items():
        trial = Trial(candidate, parameters)
        standard = Standard(parameters, material.dtype)
        expected, found = {}, {}
        for name, batch in batches(material).items():
            expected[name] = standard.gradients(*batch)
            found[name] = gradients_of(trial, *batch)
        refuse_repetition("backprop", (expected, found), before)
        before = expected, found
        for name in expected:
            evidence.hold(expected[name], found[name], f"{start}, {name}")
    return sentence(evidence)


def batches(material: Material) -> dict[str, Batch]:
    """Return what gradients are taken of, by name: the first once more at the end.

    Parameters
    ----------
    material : Material
    """
    m = material.mini_batch_size
    one = material.batch([0])
    return {
        "one example": one,
        f"mini-batch of {m}": material.mini_batch(0),
        f"another mini-batch of {m}": material.mini_batch(1),
        "2 examples": material.batch([1, 2]),
        "33 examples": material.many(33),
        f"{material.crowd:,} examples": material.many(material.crowd),
        "one example again": one,
    }


def gradients_of(trial: Trial, x: Array, y: Array) -> dict[str, Array]:
    """Return a candidate's nabla_b and nabla_w by name, and its deltas where it offers them.

    Parameters
    ----------
    trial : Trial
    x : ndarray (sizes[0], m)
    y : ndarray (sizes[-1], m)
    """
    nabla_b, nabla_w = trial.backprop(x, y)
    deltas = named("deltas", trial.deltas(x, y)) if trial.offers("deltas") else {}
    return {**deltas, **named("nabla_b", nabla_b), **named("nabla_w", nabla_w)}


def sentence(evidence: Evidence) -> str:
    """Return the finding in words.

    Parameters
    ----------
    evidence : Evidence
    """
    if evidence.broken is not None:
        return evidence.broken.in_words
    deltas = any(d.tensor.startswith("deltas") for d in evidence.differences)
    what = "nabla_w, nabla_b and delta" if deltas else "nabla_w and nabla_b (deltas not offered)"
    return f"every {what} is within rounding of the reference's"
