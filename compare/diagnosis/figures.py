"""What is wrong with a network whose hidden neurons alone go wrong, in a batch of many images."""

from __future__ import annotations

import numpy as np

from compare.diagnosis.forward import answer
from compare.diagnosis.hypothesis import Array, Diagnosis, Subject


def diagnose_figures(subject: Subject) -> Diagnosis | None:
    """Return the diagnosis of hidden zs that are wrong in one large batch, and right alone.

    Parameters
    ----------
    subject : Subject
    """
    x = subject.material.test_images.astype(np.float64).T
    found, right = (answer(net, x) for net in (subject.built(), subject.reference()))
    if "zs[0]" not in found:
        return None
    z, expected = found["zs[0]"], right["zs[0]"]
    within = subject.within * np.abs(expected).max()
    wrong = np.flatnonzero(np.abs(z - expected).max(axis=0) > within)
    if not wrong.size:
        return None
    few = wrong[: subject.m]
    alone = answer(subject.built(), x[:, few])["zs[0]"]
    if np.abs(alone - expected[:, few]).max() > within:
        return None
    others = order_of(z, expected, within)
    what = "are those of other images, in another order" if others else "are no image's"
    return Diagnosis(
        "hidden neurons in large batches",
        f"of {x.shape[1]:,} test images together {wrong.size:,} get a wrong zs[0], the first of "
        f"them number {wrong[0]}, and the right one in a small batch; the columns {what}: look at "
        "how the blocks of a large batch are put together, for the hidden layers too",
    )


def order_of(z: Array, expected: Array, within: float) -> bool:
    """Return whether the columns are the expected ones in another order.

    Parameters
    ----------
    z, expected : ndarray (hidden, examples)
    within : float
    """
    one, other = (v[:, np.lexsort(v)] for v in (z, expected))
    return bool(np.abs(one - other).max() <= within)
