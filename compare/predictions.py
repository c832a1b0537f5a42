"""Link "predictions": does the trained network see the same digit in every test image?"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from compare.difference import Refused
from compare.evidence import Array, Evidence
from compare.material import Material
from compare.standard import Expected, Standard
from compare.trial import Trial

NAME = "predictions"
BLOCK = 1000  # images at a time stay in the cache
LISTED = 20  # images with another digit that are listed


def gather(candidate: type, material: Material, evidence: Evidence) -> str:
    """Compare the output activations and the digit of every test image.

    Parameters
    ----------
    candidate : class
    material : Material
    evidence : Evidence
        Gets the differences, and the images whose digits differ.

    Returns
    -------
    str
        The finding in words.
    """
    trial = Trial(candidate, material.trained)
    standard = Standard(material.trained, material.dtype)
    images = material.test_images
    last = f"activations[{len(material.sizes) - 1}]"
    if not len(images):
        raise Refused("there are no test images, which proves nothing")
    parts = []
    for start in range(0, len(images), BLOCK):
        x = images[start : start + BLOCK].T.astype(np.float64)
        parts.append((standard.forward(x)[last], trial.feedforward(x)))
        evidence.tell("test images", min(1.0, (start + BLOCK) / len(images)))
    whole = joined([expected for expected, _ in parts])
    outputs = np.concatenate([found for _, found in parts], axis=1)
    evidence.differences.append(whole.measure(outputs, f"{len(images):,} test images, trained"))
    evidence.details.update(digits(outputs, whole, material.test_labels))
    return sentence(evidence)


def joined(parts: list[Expected]) -> Expected:
    """Return what was expected of blocks of images as one.

    Parameters
    ----------
    parts : list of Expected
    """

    def join(name: str) -> Any:
        values = [getattr(part, name) for part in parts]
        return np.concatenate(values, axis=1) if isinstance(values[0], np.ndarray) else values[0]

    return Expected("outputs", join("reference"), join("allowed"), join("probable"), join("peer"))


def digits(outputs: Array, expected: Expected, labels: NDArray[np.int64]) -> dict[str, Any]:
    """Return how many digits are the same, and what is known of those that are not.

    Parameters
    ----------
    outputs : ndarray (sizes[-1], T)
        The candidate's.
    expected : Expected
        The reference's.
    labels : ndarray (T,) of int
    """
    ours, theirs = expected.reference.argmax(axis=0), outputs.argmax(axis=0)
    margin = margins(expected.reference)
    allowed = np.broadcast_to(expected.allowed, outputs.shape).max(axis=0)
    other = np.flatnonzero(ours != theirs)
    return {
        "images": len(ours),
        "same_digit": int(np.sum(ours == theirs)),
        "correct": int(np.sum(theirs == labels)),
        "reference_correct": int(np.sum(ours == labels)),
        "smallest_margin": float(margin.min()),
        # A margin above twice what is allowed of each output leaves rounding no choice of digit.
        "digits_that_rounding_could_change": int(np.sum(margin <= 2 * allowed)),
        "other_digits": [
            {
                "image": int(k),
                "label": int(labels[k]),
                "reference": int(ours[k]),
                "candidate": int(theirs[k]),
                "margin": float(margin[k]),
            }
            for k in other[:LISTED]
        ],
    }


def margins(outputs: Array) -> Array:
    """Return how far the largest output lies above the second largest, for every image.

    Parameters
    ----------
    outputs : ndarray (sizes[-1], T)

    Returns
    -------
    ndarray (T,); infinite where there is one output alone
    """
    if len(outputs) == 1:
        return np.full(outputs.shape[1], np.inf)
    second, first = np.sort(outputs, axis=0)[-2:]
    return first - second


def sentence(evidence: Evidence) -> str:
    """Return the finding in words.

    Parameters
    ----------
    evidence : Evidence
    """
    d = evidence.details
    same = f"{d['same_digit']:,} of {d['images']:,} digits are the same"
    if evidence.broken is not None:
        return f"{same}; {evidence.broken.in_words}"
    open_ones = d["digits_that_rounding_could_change"]
    if open_ones:
        return f"{same}; {open_ones} have margins so small that rounding may choose"
    return f"{same}, and no margin is so small that rounding could have chosen another"
