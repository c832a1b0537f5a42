"""Link "forward": is every weighted input z and every activation the same?"""

from __future__ import annotations

from dataclasses import replace

from compare.evidence import Array, Evidence, refuse_repetition
from compare.material import Material
from compare.standard import Standard, named
from compare.trial import Trial

NAME = "forward"


def gather(candidate: type, material: Material, evidence: Evidence) -> str:
    """Compare every z and activation, of single examples and of batches, from every start.

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
    m = material.mini_batch_size
    batches = {
        "one example": material.batch([0])[0],
        f"batch of {m}": material.mini_batch(0)[0],
        f"another {m}": material.mini_batch(1)[0],
        "2 examples": material.batch([1, 2])[0],
        "33 examples": material.many(33)[0],
        f"{material.crowd:,} examples": material.many(material.crowd)[0],
        "one example again": material.batch([0])[0],
    }
    before = None
    for start, parameters in material.starts.items():
        trial = Trial(candidate, parameters)
        standard = Standard(parameters, material.dtype)
        expected = {name: standard.forward(x) for name, x in batches.items()}
        for v in expected.values():
            v["feedforward"] = replace(
                v[f"activations[{len(material.sizes) - 1}]"], tensor="feedforward"
            )
        found = {name: traced(trial, x) for name, x in batches.items()}
        refuse_repetition("trace", (expected, found), before)
        before = expected, found
        for name in batches:
            evidence.hold(expected[name], found[name], f"{start}, {name}")
    return sentence(evidence)


def traced(trial: Trial, x: Array) -> dict[str, Array]:
    """Return a candidate's zs and activations by name; the last activations where that is all.

    Parameters
    ----------
    trial : Trial
    x : ndarray (sizes[0], m)
    """
    if not trial.offers("trace"):
        return {f"activations[{len(trial.sizes) - 1}]": trial.feedforward(x)}
    zs, activations = trial.trace(x)
    found = {**named("zs", zs), **named("activations", activations)}
    if trial.offers("feedforward"):
        found["feedforward"] = trial.outputs(x)
    return found


def sentence(evidence: Evidence) -> str:
    """Return the finding in words.

    Parameters
    ----------
    evidence : Evidence
    """
    wrong = evidence.broken
    if wrong is not None:
        return wrong.in_words
    traced_all = any(d.tensor.startswith("zs") for d in evidence.differences)
    what = "every z and activation" if traced_all else "every output activation (trace not offered)"
    return f"{what} is within rounding of the reference's"
