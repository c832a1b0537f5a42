"""What comparisons find: a `Difference` for a tensor; a `Link` of them; a `Proof` of links.

No comparison here returns a bool. It measures, or it raises: `Refused` where a comparison would
prove nothing (NaN, shared memory, nothing to compare), `Unusable` where the two cannot be
compared at all (wrong shapes, a missing method). Shapes and dtypes are looked at before values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compare.power import power

Array = NDArray[np.float64]


class Verdict(StrEnum):
    """What a link says; the first four are answers, the others say why there is none."""

    IDENTICAL = "identical"  # the same bits
    EQUAL = "equal"  # within what rounding explains
    PARTED = "parted"  # chaotic: apart in the end, though every single step was equal
    DIFFERENT = "different"  # beyond what rounding explains, or refused
    NOT_OFFERED = "not offered"  # the candidate lacks the method
    ERROR = "error"  # the candidate raised an exception, or what it returned cannot be compared
    NOT_TRIED = "not tried"  # left out, or impossible after an earlier error


ANSWERS = (Verdict.IDENTICAL, Verdict.EQUAL, Verdict.PARTED, Verdict.DIFFERENT)


class Refused(Exception):
    """A comparison that would prove nothing: what was refused, and the known mistake that it is."""

    def __init__(self, text: str, mistake: str = "") -> None:
        super().__init__(text)
        self.mistake = mistake


class NotOffered(Exception):
    """The candidate lacks a method: its name."""


class CandidateError(Exception):
    """The candidate failed to answer: what it was asked for and why, in one line; its traceback."""

    def __init__(self, text: str, trace: str = "") -> None:
        super().__init__(text)
        self.trace = trace


class Untried(Exception):
    """There is nothing to try a link on: why."""


class Unusable(ValueError):
    """Something that cannot be compared at all: one line of what was expected and received."""


class Disproved(AssertionError):
    """Raised by `Proof.require`: the first broken link, in words."""


@dataclass(frozen=True)
class Difference:
    """How far one tensor of the candidate lies from the reference's, and where the worst entry is.

    The worst entry is the one with the largest share of what is allowed there.

    Parameters
    ----------
    tensor : str
        Name and layer, such as "nabla_w[1]".
    case : str
        What it was computed from, such as "trained, mini-batch of 10".
    verdict : Verdict
        identical, equal or different.
    worst : float
        The difference at `index`, candidate minus reference, without its sign.
    allowed : float
        The largest difference there that rounding explains; 0 where bits must be the same.
    index : tuple of int
        The worst entry.
    candidate, reference : float
        Both values there.
    share : float
        worst / allowed: above 1 is a difference.
    power : float
        Smallest mistake in any single entry, relative to the tensor's largest entry, that was
        certain to be caught; 0 means every bit, 1 or more means that this tensor proves nothing.
    entries, outside : int
        Entries compared, and how many lay outside what is allowed.
    probable_share : float, optional
        Largest share of the probabilistic bound (float32).
    ratio : float, optional
        Error of the candidate over error of the reference in the same format, both against
        float64 (float32).
    note : str
        What is remarkable about it, such as "all zeros".
    """

    tensor: str
    case: str
    verdict: Verdict
    worst: float
    allowed: float
    index: tuple[int, ...]
    candidate: float
    reference: float
    share: float
    power: float
    entries: int
    outside: int
    probable_share: float | None = None
    ratio: float | None = None
    note: str = ""

    @property
    def place(self) -> str:
        """The tensor and the worst entry, such as "nabla_w[1][3, 7]"."""
        return f"{self.tensor}[{', '.join(map(str, self.index))}]"

    @property
    def in_words(self) -> str:
        """Where the worst entry is, both values there, and what was allowed."""
        note = f", {self.note}" if self.note else ""
        return (
            f"{self.place} is {self.candidate!r}, the reference has {self.reference!r}: "
            f"{self.worst:.3g} apart, {self.allowed:.3g} allowed{note} ({self.case})"
        )


@dataclass(frozen=True)
class Link:
    """What one link of the chain found.

    Parameters
    ----------
    name : str
        data, initial weights, forward, gradients, update, training, predictions, figures, ...
    verdict : Verdict
    sentence : str
        The finding in words.
    differences : tuple of Difference
        One for every tensor and case that was compared, in the order computed.
    seconds : float
        What the link took.
    details : dict
        Further findings of this link: numbers, text, lists and dicts, as in JSON.
    trace : str
        The candidate's own traceback, where it raised an exception.
    """

    name: str
    verdict: Verdict
    sentence: str
    differences: tuple[Difference, ...] = ()
    seconds: float = 0.0
    details: dict[str, Any] = field(default_factory=dict)
    trace: str = ""

    @property
    def worst(self) -> Difference | None:
        """The difference with the largest share of what is allowed; None without any."""
        return max(self.differences, key=lambda d: (d.share, d.worst), default=None)

    @property
    def broken(self) -> tuple[Difference, ...]:
        """The differences that rounding does not explain, in the order computed."""
        return tuple(d for d in self.differences if d.verdict is Verdict.DIFFERENT)

    @property
    def power(self) -> float | None:
        """Smallest relative mistake, in any tensor, that some case was certain to catch."""
        return max(best_powers(self.differences).values(), default=None)


@dataclass(frozen=True, repr=False)
class Proof:
    """The whole chain: one record for every link, in causal order. Iterate it to get the links.

    Parameters
    ----------
    candidate : str
        What was put to the proof.
    links : tuple of Link
    settings : dict
        sizes, arithmetic, device, data, ...: what it was tried on.
    notice : str
        What every result must repeat, such as that the data are not MNIST; often empty.
    diagnosis : str
        What is wrong with a candidate that failed, and what to change.
    strict : bool
        Whether a method that is not offered is a failure.
    """

    candidate: str
    links: tuple[Link, ...]
    settings: dict[str, Any] = field(default_factory=dict)
    notice: str = ""
    diagnosis: str = ""
    strict: bool = False

    def __iter__(self) -> Iterator[Link]:
        return iter(self.links)

    def __len__(self) -> int:
        return len(self.links)

    def __getitem__(self, name: str) -> Link:
        """Return the link of that name."""
        for link in self.links:
            if link.name == name:
                return link
        raise KeyError(f"{name}: expected one of {', '.join(link.name for link in self.links)}")

    @property
    def first_broken(self) -> Link | None:
        """The first link that found a difference, else the first that could not be tried."""
        for verdict in (Verdict.DIFFERENT, Verdict.ERROR):
            for link in self.links:
                if link.verdict is verdict:
                    return link
        return None

    @property
    def status(self) -> int:
        """Exit status: 0 proved, 1 disproved, 2 could not be tried."""
        verdicts = {link.verdict for link in self.links}
        if Verdict.DIFFERENT in verdicts:
            return 1
        if Verdict.ERROR in verdicts or not verdicts & set(ANSWERS):
            return 2
        return 2 if self.strict and self.not_offered else 0

    @property
    def not_offered(self) -> list[str]:
        """The links, and parts of links, for which the candidate lacks a method."""
        missing = [link.name for link in self if link.verdict is Verdict.NOT_OFFERED]
        parts = [(k, v) for link in self for k, v in link.details.items()]
        return missing + [k.replace("_", "-") for k, v in parts if v == "not offered"]

    def __repr__(self) -> str:
        where = f" at {self.first_broken.name}" if self.first_broken else ""
        said = ("PROVED", "DISPROVED", "COULD NOT BE TRIED")[self.status]
        return f"<Proof of {self.candidate}: {said}{where}, {len(self)} links>"

    def require(self) -> Proof:
        """Return the proof itself, or raise where it failed, for use in a test.

        Raises
        ------
        Disproved
            The first broken link and the diagnosis, in words.
        Unusable
            The candidate could not be tried.
        """
        if self.status == 0:
            return self
        broken = self.first_broken
        text = f"{broken.name}: {broken.sentence}" if broken else "not one link could be tried"
        if broken is None and self.not_offered:
            text = f"not offered: {', '.join(self.not_offered)}"
        text = "\n".join(filter(None, (f"{self.candidate}: {text}", self.diagnosis)))
        raise Disproved(text) if self.status == 1 else Unusable(text)

    def as_json(self) -> dict[str, Any]:
        """Return everything as dicts, lists, text and finite numbers, as JSON has them."""
        return plain({**asdict(self), "status": self.status})


def measure(
    tensor: str,
    candidate: Array,
    reference: Array,
    allowed: Array | float,
    case: str = "",
    values: Array | None = None,
) -> Difference:
    """Measure how far one tensor of the candidate lies from the reference's.

    Parameters
    ----------
    tensor : str
        What to call it.
    candidate, reference : ndarray of one shape
    allowed : ndarray of that shape, or 0.0
        The largest difference that rounding explains; 0.0 asks for the same bits.
    case : str
        What it was computed from.
    values : ndarray of that shape, optional
        What `power` is relative to; by default the reference's tensor. An update is judged by its
        step.

    Returns
    -------
    Difference

    Raises
    ------
    Unusable
        The shapes differ.
    Refused
        There is nothing to compare, NaN or infinity, or both are the same memory.
    """
    check_comparable(tensor, candidate, reference)
    bound = np.broadcast_to(np.asarray(allowed, dtype=np.float64), reference.shape)
    with np.errstate(over="ignore"):  # what is that far apart is different all the same
        gap = np.abs(candidate - reference)
        share = np.divide(gap, bound, out=np.where(gap > 0, np.inf, 0.0), where=bound > 0)
    where = _worst_entry(share, gap)
    outside = int(np.count_nonzero(gap > bound))
    return Difference(
        tensor=tensor,
        case=case,
        verdict=_verdict(float(gap.max()), outside),
        worst=float(gap[where]),
        allowed=float(bound[where]),
        index=where,
        candidate=float(candidate[where]),
        reference=float(reference[where]),
        share=float(share[where]),
        power=power(bound, reference if values is None else values).entry,
        entries=int(reference.size),
        outside=outside,
        note=_note(candidate, reference) if outside else "",
    )


def check_comparable(tensor: str, candidate: Array, reference: Array) -> None:
    """Raise unless a comparison of the two would mean something.

    Parameters
    ----------
    tensor : str
        What the error calls it.
    candidate, reference : ndarray

    Raises
    ------
    Unusable, Refused
        As in `measure`.
    """
    if candidate.shape != reference.shape:
        raise Unusable(f"{tensor}: expected shape {reference.shape}, received {candidate.shape}")
    if reference.size == 0:
        raise Refused(f"{tensor} is empty: a comparison of nothing proves nothing")
    if np.shares_memory(candidate, reference):
        raise Refused(f"{tensor} is the reference's own array: shared memory proves nothing")
    for whose, array in (("candidate's", candidate), ("reference's", reference)):
        finite = np.isfinite(array)
        if not finite.all():
            where = tuple(int(i) for i in np.argwhere(~finite)[0])
            raise Refused(
                f"the {whose} {tensor}{list(where)} is {array[where]}, not a number to compare"
            )


def summary(differences: Sequence[Difference]) -> Verdict:
    """Return what many differences say together.

    Parameters
    ----------
    differences : sequence of Difference

    Raises
    ------
    Refused
        There is none, or in a tensor no case had the power to catch anything.
    """
    if not differences:
        raise Refused("nothing was compared, which proves nothing")
    verdicts = {d.verdict for d in differences}
    if Verdict.DIFFERENT in verdicts:
        return Verdict.DIFFERENT
    for tensor, best in best_powers(differences).items():
        if best >= 1:
            raise Refused(f"{tensor} is zero within its rounding in every case: equal to nothing")
    return Verdict.IDENTICAL if verdicts == {Verdict.IDENTICAL} else Verdict.EQUAL


def best_powers(differences: Sequence[Difference]) -> dict[str, float]:
    """Return the smallest relative mistake in every tensor that some case was certain to catch.

    Parameters
    ----------
    differences : sequence of Difference
    """
    best: dict[str, float] = {}
    for d in differences:
        best[d.tensor] = min(d.power, best.get(d.tensor, np.inf))
    return best


def plain(value: Any) -> Any:
    """Return a value as JSON has them: NaN and infinities as text, tuples as lists.

    Parameters
    ----------
    value : dict, list, tuple, text, number, or None
    """
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not np.isfinite(value):
        return str(value)
    return str(value) if isinstance(value, StrEnum) else value


def _worst_entry(share: Array, gap: Array) -> tuple[int, ...]:
    # Where several entries have the largest share (infinite, or 0), the largest gap tells more.
    top = np.where(share == share.max(), gap, -1.0)
    return tuple(int(i) for i in np.unravel_index(int(top.argmax()), top.shape))


def _verdict(largest_gap: float, outside: int) -> Verdict:
    if outside:
        return Verdict.DIFFERENT
    return Verdict.EQUAL if largest_gap else Verdict.IDENTICAL


def _note(candidate: Array, reference: Array) -> str:
    return "all zeros" if reference.any() and not candidate.any() else ""
