"""Link "update": does one step of gradient descent lead to the same weights and biases?"""

from __future__ import annotations

from dataclasses import replace

from compare.evidence import Array, Evidence
from compare.material import Material
from compare.standard import Standard, after_step
from compare.trial import Trial
from model.parameters import Parameters

NAME = "update"
ETAS = (3.0, 0.5, 3.0, 0.1)  # one after the other: a step takes the eta that it is handed
IN_A_ROW = (0, 1, 0)  # mini-batches: the first again at the end, from other parameters


def gather(candidate: type, material: Material, evidence: Evidence) -> str:
    """Compare every new weight and bias after one step, and after each of a few in a row.

    In a row, each step is held against the reference's from where the candidate stood: what a step
    should not remember (momentum, gradients that were not cleared, what the same mini-batch gave
    before) shows from the second on.

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
    steps = [(m, material.many(m)) for m in sizes_of_batches(material)]
    for start, parameters in material.starts.items():
        for m, batch in steps:
            trial = Trial(candidate, parameters)
            step(trial, parameters, batch, material, evidence, f"{start}, one step, m = {m}")
        trial, here = Trial(candidate, parameters), parameters
        for eta, (m, batch) in zip(ETAS, steps[:3] * 2, strict=False):
            case, other = f"{start}, eta {eta:g}, m = {m}", replace(material, eta=eta)
            here = step(trial, here, batch, other, evidence, case)
    trial, here = Trial(candidate, material.initial), material.initial
    for k, which in enumerate(IN_A_ROW, start=1):
        batch, case = material.mini_batch(which), f"step {k} of {len(IN_A_ROW)} in a row"
        here = step(trial, here, batch, material, evidence, case)
    return sentence(evidence)


def sizes_of_batches(material: Material) -> list[int]:
    """Return the mini-batch sizes to try: the usual one, one example, and an odd one.

    Parameters
    ----------
    material : Material
    """
    m = material.mini_batch_size
    return list(dict.fromkeys([m, 1, m // 2 + 2, 2, 33, material.crowd]))


def step(
    trial: Trial,
    here: Parameters,
    batch: tuple[Array, Array],
    material: Material,
    evidence: Evidence,
    case: str,
) -> Parameters:
    """Take one step, compare where it led, and return that.

    Parameters
    ----------
    trial : Trial
        A candidate with the parameters `here`.
    here : Parameters
    batch : tuple (x, y)
    material : Material
    evidence : Evidence
        Gets the differences.
    case : str
    """
    expected = Standard(here, material.dtype).update(*batch, material.eta)
    trial.update_mini_batch(*batch, material.eta)
    there = trial.parameters()
    evidence.hold(expected, after_step(there.weights, there.biases), case)
    return there


def sentence(evidence: Evidence) -> str:
    """Return the finding in words.

    Parameters
    ----------
    evidence : Evidence
    """
    if evidence.broken is not None:
        return evidence.broken.in_words
    return (
        f"one step, and each of {len(IN_A_ROW)} in a row, leads to weights and biases within "
        "rounding of the reference's"
    )
