"""Link "initial weights": does the candidate start from the parameters that it was handed?"""

from __future__ import annotations

from compare.difference import Refused
from compare.evidence import Array, Evidence
from compare.material import Material
from compare.standard import Standard, named
from compare.trial import Trial

NAME = "initial weights"


def gather(candidate: type, material: Material, evidence: Evidence) -> str:
    """Compare every exported weight and bias with what was handed in: bit for bit.

    A second candidate with other parameters is built in between: two networks share nothing.

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
    first = Trial(candidate, material.initial)
    before = exported(first)
    evidence.hold(Standard(material.initial, material.dtype).start(), before, "initial")
    second = Trial(candidate, material.trained)
    evidence.hold(Standard(material.trained, material.dtype).start(), exported(second), "trained")
    refuse_changed(before, exported(first))
    return sentence(evidence)


def exported(trial: Trial) -> dict[str, Array]:
    """Return a candidate's parameters by name.

    Parameters
    ----------
    trial : Trial
    """
    weights, biases = trial.export()
    return {**named("weights", weights), **named("biases", biases)}


def refuse_changed(before: dict[str, Array], after: dict[str, Array]) -> None:
    """Raise where building another network, or time, changed this one.

    Parameters
    ----------
    before, after : dict of tensor name to ndarray
    """
    for name, v in before.items():
        if (v != after[name]).any():
            raise Refused(
                f"{name} changed though nothing was asked of the network: it keeps an array that "
                "it was handed, or shares its parameters with another network"
            )


def sentence(evidence: Evidence) -> str:
    """Return the finding in words.

    Parameters
    ----------
    evidence : Evidence
    """
    wrong = evidence.broken
    if wrong is None:
        return "every weight and bias is the one handed in, to the last bit"
    verb = "differ" if wrong.outside > 1 else "differs"
    return (
        f"{wrong.outside:,} of {wrong.entries:,} entries of {wrong.tensor} {verb} from what was "
        f"handed in ({wrong.case})"
    )
