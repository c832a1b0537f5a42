"""What a hypothesis is, and when it explains a candidate's numbers.

A hypothesis is a known mistake and the numbers that it would lead to. It explains a candidate where
every tensor agrees with those numbers to within rounding, while the right numbers lie far away.
Both are measured relative to a tensor's own size; nothing is matched by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compare.candidates import declared_dtype
from compare.material import Material
from compare.reference_twin import reference_candidate
from model.parameters import Parameters

Array = NDArray[np.float64]
Arrays = list[Array]
Tensors = dict[str, Array]

UNKNOWN = "none of the known mistakes"
# What a hypothesis may be off by, relative to the largest entry of a tensor: some thousand unit
# roundoffs of float64, some hundred of float32 (so that TF32 stays far outside), a grid of 2**-21.
WITHIN = {"float64": 2.0**-41, "float32": 2.0**-16, "fixed-point": 2.0**-16}
CLEARLY = 16.0  # times that is what the mistake must at least change
BATCHES = (7, 11, 13)  # primes: a factor m is not taken for a factor 10


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong with a candidate.

    Parameters
    ----------
    mistake : str
        A short name, such as "transposed weights", or `UNKNOWN`.
    sentence : str
        What was found in the candidate's own numbers, and what to change.
    """

    mistake: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.mistake}: {self.sentence}"


@dataclass(frozen=True)
class Hypothesis:
    """A known mistake, and the numbers that it leads to.

    Parameters
    ----------
    mistake : str
    sentence : str
        Of the `Diagnosis`, if it is the one.
    predicted : dict of tensor name to ndarray
    tolerance : float
        Relative to the largest entry of a tensor; 0 for rounding alone.
    """

    mistake: str
    sentence: str
    predicted: Tensors
    tolerance: float = 0.0


@dataclass(frozen=True)
class Subject:
    """A candidate under examination: its class, where it starts, and what it is tried on.

    Parameters
    ----------
    candidate : class
    parameters : Parameters
    material : Material
    """

    candidate: type
    parameters: Parameters
    material: Material

    @property
    def m(self) -> int:
        """Examples in a mini-batch, a prime that is no size of a layer."""
        sizes = self.parameters.sizes
        return next((m for m in BATCHES if m not in sizes), BATCHES[0])

    @property
    def dtype(self) -> str:
        """The precision that the candidate declares."""
        return declared_dtype(self.candidate)

    @property
    def within(self) -> float:
        """What rounding explains, relative to the largest entry of a tensor."""
        return WITHIN[self.dtype]

    def batch(self, k: int) -> tuple[Array, Array]:
        """Return the k-th mini-batch of m examples as fresh columns."""
        return self.material.batch(slice(k * self.m, (k + 1) * self.m))

    def built(self) -> Any:
        """Return the candidate, built from copies of the parameters."""
        return build(self.candidate, self.parameters)

    def reference(self) -> Any:
        """Return the reference, built from the same parameters."""
        return build(reference_candidate(), self.parameters)


def build(candidate: type, parameters: Parameters) -> Any:
    """Return a network built from copies of the parameters.

    Parameters
    ----------
    candidate : class
    parameters : Parameters
    """
    weights, biases = (
        [np.array(v) for v in part] for part in (parameters.weights, parameters.biases)
    )
    return candidate(list(parameters.sizes), weights, biases)


def subjects(candidate: type, material: Material) -> Iterable[Subject]:
    """Yield the candidate with every start of the material, the initial one first.

    Parameters
    ----------
    candidate : class
    material : Material
    """
    material = material.for_dtype(declared_dtype(candidate))
    for name, parameters in material.starts.items():
        if name == "zeros":  # nothing can be told apart there
            continue
        yield Subject(candidate, parameters, material)


def tensors(**layers: Sequence[Any]) -> Tensors:
    """Return layers of several kinds by name, such as "zs[0]", as float64 copies.

    Parameters
    ----------
    **layers : list of array
    """
    return {
        f"{name}[{k}]": np.array(v, dtype=np.float64)
        for name, many in layers.items()
        for k, v in enumerate(many)
    }


def misfit(predicted: Tensors, found: Tensors) -> float:
    """Return the largest difference of any entry, relative to the largest entry of its tensor.

    Parameters
    ----------
    predicted, found : dict of tensor name to ndarray
        Only what both have is compared.

    Returns
    -------
    float
        Infinite where shapes differ, where there is a NaN, or nothing in common.
    """
    worst = [_apart(predicted[name], found[name]) for name in found if name in predicted]
    return max(worst, default=np.inf)


def _apart(v: Array, w: Array) -> float:
    if v.shape != w.shape or not v.size or not np.isfinite(w).all() or not np.isfinite(v).all():
        return float(np.inf)
    size = max(np.abs(v).max(), np.abs(w).max())
    return float(np.abs(v - w).max() / size) if size else 0.0


def first_that_explains(
    hypotheses: Iterable[Hypothesis], found: Tensors, right: Tensors, within: float
) -> Diagnosis | None:
    """Return the first hypothesis that explains what was found, as a diagnosis.

    Parameters
    ----------
    hypotheses : iterable of Hypothesis
        The more likely ones first.
    found, right : dict of tensor name to ndarray
        The candidate's numbers and the reference's.
    within : float
        What rounding explains, relative to the largest entry of a tensor.
    """
    for hypothesis in hypotheses:
        allowed = hypothesis.tolerance or within
        if misfit(hypothesis.predicted, found) > allowed:
            continue
        common = {name: v for name, v in hypothesis.predicted.items() if name in found}
        if misfit(common, right) > CLEARLY * min(allowed, within):
            return Diagnosis(hypothesis.mistake, hypothesis.sentence)
    return None


def all_but_a_few(found: Tensors, right: Tensors, within: float) -> Diagnosis | None:
    """Return the diagnosis of a few wrong entries, one in a hundred at most, the others right.

    Parameters
    ----------
    found, right : dict of tensor name to ndarray
    within : float
        What rounding explains, relative to the largest entry of a tensor.
    """
    if any(found[n].shape != right[n].shape for n in right):
        return None
    wrong = [
        (n, tuple(int(i) for i in where))
        for n, v in right.items()
        for where in np.argwhere(np.abs(found[n] - v) > within * np.abs(v).max())
    ]
    count = sum(v.size for v in right.values())
    if not 0 < len(wrong) <= max(1, count // 100):
        return None
    name, where = wrong[0]
    ours, theirs = float(found[name][where]), float(right[name][where])
    one = len(wrong) == 1
    return Diagnosis(
        "a single entry" if one else "a few entries",
        f"{len(wrong)} of {count:,} entries {'is' if one else 'are'} wrong, the first "
        f"{name}{list(where)}, {ours:.9g} for {theirs:.9g}: look where entries are read or written "
        "one by one",
    )


def square_or_reshaped(w: Array) -> Array:
    """Return a matrix transposed, or read in the wrong order where its shape forbids that.

    Parameters
    ----------
    w : ndarray (n_out, n_in)
    """
    return np.array(w.T) if w.shape[0] == w.shape[1] else w.T.reshape(w.shape)
