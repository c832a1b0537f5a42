"""Link "data": is every byte of every image, every label and the split the same?"""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import reference.mnist_loader
from compare.difference import Difference, Refused, Untried, Unusable, measure
from compare.evidence import Evidence
from compare.material import Material
from compare.trial import NotOffered, Trial
from model import mnist_files

NAME = "data"
BLOCK = 1000
PARTS = ("training", "validation", "test")
Pairs = dict[str, NDArray[Any]]


def gather(candidate: type, material: Material, evidence: Evidence) -> str:
    """Compare what the candidate's loader reads with what the reference's reads.

    The reference's is compared with the bytes of the files themselves, read a third way.

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
    if material.folder is None:
        raise Untried(f"{material.source}: no data files to load")
    trial = Trial(candidate, material.initial)
    if not trial.offers("load_data"):
        raise NotOffered("load_data")
    ours = by_name(material.loaded or reference.mnist_loader.load_data(material.folder))
    theirs = by_name(trial.load_data(material.folder))
    evidence.tell("loaded", 0.5)
    if not mnist_files.is_pickle(material.folder):
        for name, raw in from_bytes(material.folder).items():
            evidence.differences.append(measure_exactly(name, ours[name], raw, "reference"))
    for name, v in ours.items():
        evidence.differences.append(measure_exactly(name, theirs[name], v, "candidate"))
    evidence.details["examples"] = {part: len(ours[f"{part} labels"]) for part in PARTS}
    return sentence(evidence, material)


def by_name(parts: Any) -> Pairs:
    """Return what a loader returned as arrays by name, checked.

    Parameters
    ----------
    parts : tuple of three pairs (images, labels)

    Raises
    ------
    Unusable
        It is something else.
    """
    if not isinstance(parts, tuple | list) or len(parts) != len(PARTS):
        raise Unusable(
            "load_data: expected (training, validation, test), a pair (images, labels) each, "
            f"received {type(parts).__name__}"
        )
    found = {}
    for part, pair in zip(PARTS, parts, strict=True):
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise Unusable(f"load_data: expected {part} to be a pair (images, labels)")
        for kind, values in zip(("images", "labels"), pair, strict=True):
            found[f"{part} {kind}"] = numbers(f"{part} {kind}", values)
    return found


def numbers(name: str, values: Any) -> NDArray[Any]:
    """Return images or labels as an array of real numbers.

    Parameters
    ----------
    name : str
    values : array or nested list

    Raises
    ------
    Unusable
        They are no numbers; labels are not integers.
    """
    array = np.asarray(values)
    kinds = "iu" if name.endswith("labels") else "f"
    if array.dtype.kind not in kinds:
        wanted = "integers (N,)" if kinds == "iu" else "floating-point numbers (N, 784), byte / 256"
        raise Unusable(f"load_data: {name}: expected {wanted}, received dtype {array.dtype}")
    return array


def from_bytes(folder: Path) -> Pairs:
    """Return the bytes of the four IDX files, read with nothing but their specified layout.

    An image file is 16 bytes of header and then a byte for each pixel; a label file is 8 bytes of
    header and then a byte for each label.

    Parameters
    ----------
    folder : Path

    Source
    ------
    LeCun, Cortes and Burges, The MNIST database of handwritten digits (file formats).
    """
    files = mnist_files.locate(folder)
    images, labels, test_images, test_labels = (
        np.frombuffer(content(files[name]), dtype=np.uint8) for name in mnist_files.SHA256
    )
    count = len(labels) - 8
    first = count - count // 6
    pixels = images[16:].reshape(count, -1)
    labels = labels[8:]
    return {
        "training images": pixels[:first],
        "training labels": labels[:first],
        "validation images": pixels[first:],
        "validation labels": labels[first:],
        "test images": test_images[16:].reshape(len(test_labels) - 8, -1),
        "test labels": test_labels[8:],
    }


def content(path: Path) -> bytes:
    """Return a file's bytes, uncompressed.

    Parameters
    ----------
    path : Path
    """
    if path.suffix == ".gz":
        with gzip.open(path) as file:
            return file.read()
    return path.read_bytes()


def measure_exactly(
    name: str, candidate: NDArray[Any], expected: NDArray[Any], whose: str
) -> Difference:
    """Measure large arrays that should be equal: only rows that differ are turned to float64.

    Parameters
    ----------
    name : str
    candidate, expected : ndarray (N, ...)
    whose : str
        "candidate", or "reference" where that is held against the files.

    Raises
    ------
    Unusable, Refused
        As in `compare.difference.measure`.
    """
    case = f"the {whose}'s loader"
    if candidate.shape != expected.shape:
        raise Unusable(f"{name} ({case}): expected {expected.shape}, received {candidate.shape}")
    if not expected.size:
        raise Refused(f"{name}: no examples, which proves nothing")
    if not expected.any() and len(expected) > 1:
        raise Refused(f"{name}: all zeros, which proves nothing")
    rows = unequal_rows(candidate, expected)
    some = rows if len(rows) else np.arange(1)
    a, b = (as_pixels(v[some]).astype(np.float64) for v in (candidate, expected))
    found = measure(name, a, b, 0.0, case, values=np.ones_like(b))
    index = (int(some[found.index[0]]), *found.index[1:])
    return Difference(**{**vars(found), "index": index, "entries": int(expected.size)})


def unequal_rows(candidate: NDArray[Any], expected: NDArray[Any]) -> NDArray[np.intp]:
    """Return the examples that differ, compared a block at a time, which stays in the cache.

    Parameters
    ----------
    candidate, expected : ndarray (N, ...) of one shape
    """
    found = []
    for start in range(0, len(expected), BLOCK):
        block = slice(start, start + BLOCK)
        unequal = as_pixels(candidate[block]) != as_pixels(expected[block])
        found.append(start + np.flatnonzero(unequal.reshape(len(unequal), -1).any(axis=1)))
    return np.concatenate(found)


def as_pixels(values: NDArray[Any]) -> NDArray[Any]:
    """Return images as pixels in [0, 1), where they are bytes; labels as they are.

    Parameters
    ----------
    values : ndarray (N, 784) or (N,)
    """
    if values.ndim == 2 and values.dtype == np.uint8:
        return values / np.float32(256)
    return values


def sentence(evidence: Evidence, material: Material) -> str:
    """Return the finding in words.

    Parameters
    ----------
    evidence : Evidence
    material : Material
    """
    wrong = evidence.broken
    if wrong is not None:
        return f"{wrong.outside:,} of {wrong.entries:,} {wrong.tensor} differ: {wrong.in_words}"
    counts = " + ".join(f"{n:,}" for n in evidence.details["examples"].values())
    return f"every pixel and label of {counts} images, and the split, are the same"
