"""What is wrong with a candidate that failed, found by trying known mistakes on its own numbers.

The first broken link says where to look. There the candidate is run again on small mini-batches,
and each known mistake is a hypothesis: what would the numbers be if that were the mistake? One that
gives the candidate's numbers to within rounding is the diagnosis. What no hypothesis explains is
said to be none of the known mistakes.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from compare.diagnosis.figures import diagnose_figures
from compare.diagnosis.forward import diagnose_forward, diagnose_predictions
from compare.diagnosis.gradients import diagnose_gradients
from compare.diagnosis.hypothesis import UNKNOWN, Diagnosis, Subject, subjects
from compare.diagnosis.start import diagnose_data, diagnose_initial_weights, diagnose_sharing
from compare.diagnosis.training import diagnose_training
from compare.diagnosis.update import diagnose_update
from compare.difference import Link, Refused
from compare.material import Material

__all__ = ["UNKNOWN", "Diagnosis", "diagnose"]

Examine = Callable[[Subject], Diagnosis | None]

BY_LINK: dict[str, tuple[Examine, ...]] = {
    "data": (diagnose_data,),
    "initial weights": (diagnose_initial_weights,),
    "forward": (diagnose_forward, diagnose_predictions, diagnose_figures),
    "gradients": (diagnose_gradients,),
    "update": (diagnose_update,),
    "training": (diagnose_update, diagnose_training),
    "predictions": (diagnose_predictions,),
    "figures": (diagnose_figures,),
}


def diagnose(candidate: type, material: Material, link: Link) -> Diagnosis:
    """Return the known mistake that explains a candidate's numbers.

    Parameters
    ----------
    candidate : class
        As in `compare.candidates.Candidate`.
    material : Material
        What the proof was tried on.
    link : Link
        The first broken link.

    Returns
    -------
    Diagnosis
        Its mistake is `UNKNOWN` where no hypothesis explains the numbers. No exception of the
        candidate's leaves this function.
    """
    try:
        for subject in subjects(candidate, material):
            for examine in (spoiled_inputs, diagnose_sharing, *BY_LINK.get(link.name, ())):
                with np.errstate(all="ignore"):
                    found = examine(subject)
                if found:
                    return found
    except Refused as refused:
        if refused.mistake:
            return Diagnosis(refused.mistake, str(refused))
        return unknown(link, f"; looking closer, {refused}")
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # whatever a stranger's code raises
        line = (str(error).splitlines() or [""])[0]
        return unknown(link, f"; looking closer, it raised {type(error).__name__}: {line}")
    return unknown(link)


def spoiled_inputs(subject: Subject) -> Diagnosis | None:
    """Return the diagnosis of a candidate that changes the arrays it is handed, if it does.

    Parameters
    ----------
    subject : Subject
    """
    net = subject.built()
    calls: dict[str, tuple[object, ...]] = {
        "trace": (),
        "feedforward": (),
        "backprop": (1,),
        "update_mini_batch": (1, subject.material.eta),
    }
    for name, others in calls.items():
        method = getattr(net, name, None)
        if not callable(method):
            continue
        x, y = subject.batch(0)
        before = x.copy(), y.copy()
        method(x, y, *others[1:]) if others else method(x)
        if not (np.array_equal(x, before[0]) and np.array_equal(y, before[1])):
            which = "x" if not np.array_equal(x, before[0]) else "y"
            return Diagnosis(
                "inputs changed in place",
                f"{name} changes the {which} that it is handed: write {which} = {which} - ... "
                "for "
                f"{which} -= ..., or work on a copy",
            )
    return None


def unknown(link: Link, more: str = "") -> Diagnosis:
    """Return the diagnosis that there is none.

    Parameters
    ----------
    link : Link
        The first broken link.
    more : str
        What else happened.
    """
    return Diagnosis(
        UNKNOWN,
        f"none of the known mistakes explains the numbers of the link {link.name}{more}",
    )
