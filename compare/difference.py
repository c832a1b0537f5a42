"""What comparisons find: a `Difference` for a tensor; a `Link` of them; a `Proof` of links.

No comparison here returns a bool. It measures, or it raises: `Refused` where a comparison would
prove nothing (NaN, shared memory), `Unusable` where the two cannot be compared at all (wrong
shapes, a missing method, nothing to compare). Shapes and dtypes are looked at before values.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
LISTED = 5  # broken tensors of a link that are written down whole


class Verdict(StrEnum):
    """What a link says; the first four are answers, the others say why there is none."""

    IDENTICAL = "identical"  # the same bits
    EQUAL = "equal"  # within what rounding explains
    PARTED = "parted"  # chaotic: apart in the end, though every single step was equal
    DIFFERENT = "different"  # beyond what rounding explains, or refused
    NOT_OFFERED = "not offered"  # the candidate lacks the method
    ERROR = "error"  # the candidate failed to answer, or what it returned cannot be compared
    NOT_TRIED = "not tried"  # left out, or impossible after an earlier error


ANSWERS = (Verdict.IDENTICAL, Verdict.EQUAL, Verdict.PARTED, Verdict.DIFFERENT)


class Refused(Exception):
    """A comparison that would prove nothing: what was refused, and which known mistake that is."""

    def __init__(self, text: str, mistake: str = "") -> None:
        super().__init__(text)
        self.mistake = mistake


class Untried(Exception):
    """There is nothing to try a link on: why."""


class NotOffered(Exception):
    """The candidate lacks a method: its name."""


class Unusable(ValueError):
    """Something that cannot be compared at all: one line of what was expected and received."""


class CandidateError(Exception):
    """The candidate failed to answer: what it was asked for and why, in one line; its traceback."""

    def __init__(self, text: str, trace: str = "") -> None:
        super().__init__(text)
        self.trace = trace


class Disproved(AssertionError):
    """Raised by `Proof.require`: what broke and why, as a terminal shows it."""


@dataclass(frozen=True)
class Difference:
    """How far one tensor of the candidate lies from the reference's, and where the worst entry is.

    The worst entry is the one with the largest share of what is allowed there.
    """

    tensor: str  # name and layer, such as "nabla_w[1]"
    case: str  # what it was computed from, such as "trained, mini-batch of 10"
    verdict: Verdict  # identical, equal or different
    worst: float  # the difference at `index`, candidate minus reference, without its sign
    allowed: float  # what rounding explains there; 0 where bits must be the same
    index: tuple[int, ...]
    candidate: float  # both values there
    reference: float
    share: float  # worst / allowed: above 1 is a difference
    # The smallest mistake in any entry, relative to the tensor's largest entry, that was certain to
    # be caught; 0 means every bit, 1 or more that this tensor proves nothing.
    power: float
    entries: int
    outside: int  # entries that lay outside what is allowed
    probable_share: float | None = None  # of the probabilistic bound (float32)
    ratio: float | None = None  # the candidate's error over the reference's own (float32)
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
    """What one link of the chain found: the worst difference of every tensor, and in words."""

    name: str
    verdict: Verdict
    sentence: str
    differences: tuple[Difference, ...] = ()
    seconds: float = 0.0
    details: dict[str, Any] = field(default_factory=dict)  # further findings, as in JSON
    trace: str = ""  # the candidate's own traceback, where it raised an exception
    mistake: str = ""  # the known mistake, where what was refused is one

    @property
    def worst(self) -> Difference | None:
        """The difference with the largest share of what is allowed; None without any."""
        return max(self.differences, key=lambda d: (d.share, d.worst), default=None)

    @property
    def broken(self) -> tuple[Difference, ...]:
        """The differences that rounding does not explain, in causal order."""
        return tuple(d for d in self.differences if d.verdict is Verdict.DIFFERENT)

    @property
    def power(self) -> float | None:
        """Smallest relative mistake, in any tensor, that some case was certain to catch."""
        return max((d.power for d in self.differences), default=None)

    def as_json(self) -> dict[str, Any]:
        """Return the finding as dicts: the worst and the broken tensors whole, the others short."""
        short = ("verdict", "worst", "allowed", "share", "power")
        whole = ("name", "verdict", "sentence", "power", "details")
        return {
            **{name: getattr(self, name) for name in whole},
            "seconds": round(self.seconds, 3),
            "worst": asdict(self.worst) if self.worst else None,
            "broken": [asdict(d) for d in self.broken[:LISTED]],
            "tensors": {d.tensor: {k: getattr(d, k) for k in short} for d in self.differences[:40]},
            "trace": self.trace[-4000:],
        }


@dataclass(frozen=True, repr=False)
class Proof:
    """The whole chain: one record for every link, in causal order. Iterate it to get the links."""

    candidate: str  # what was put to the proof
    links: tuple[Link, ...]
    settings: dict[str, Any] = field(default_factory=dict)  # what it was tried on
    notice: str = ""  # what every result must repeat, such as that the data are not MNIST
    diagnosis: str = ""  # what is wrong with a candidate that failed, and what to change
    strict: bool = False  # whether a method that is not offered is a failure

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

    def __repr__(self) -> str:
        where = f" at {self.first_broken.name}" if self.first_broken else ""
        return f"<Proof of {self.candidate}: {self.conclusion}{where}, {len(self)} links>"

    def _repr_html_(self) -> str:
        from compare.report import as_html

        return as_html(self)

    @property
    def not_offered(self) -> list[str]:
        """The links, and parts of links, for which the candidate lacks a method."""
        missing = [link.name for link in self if link.verdict is Verdict.NOT_OFFERED]
        return missing + [m for link in self for m in link.details.get("not_offered", ())]

    @property
    def first_broken(self) -> Link | None:
        """The first link that found a difference, else the first that could not be tried."""
        failures = (Verdict.DIFFERENT, Verdict.ERROR)
        return next((v for verdict in failures for v in self if v.verdict is verdict), None)

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
    def conclusion(self) -> str:
        """The status in words."""
        return ("PROVED", "DISPROVED", "COULD NOT BE TRIED")[self.status]

    def require(self) -> Proof:
        """Return itself; else raise Disproved, or Unusable if it could not be tried: in a test."""
        if self.status == 0:
            return self
        from compare.report import as_text

        raise (Disproved if self.status == 1 else Unusable)(as_text(self, brief=True))

    def as_json(self) -> dict[str, Any]:
        """Return everything as dicts, lists, text and finite numbers, as JSON has them."""
        told = ("candidate", "status", "conclusion", "diagnosis", "notice", "settings",
                "not_offered")  # fmt: skip
        broken = self.first_broken
        found = {name: getattr(self, name) for name in told}
        links = [link.as_json() for link in self.links]
        return plain({**found, "first_broken": broken and broken.name, "links": links})


def measure(
    tensor: str,
    candidate: Array,
    reference: Array,
    allowed: Array | float,
    case: str = "",
    values: Array | None = None,
) -> Difference:
    """Measure how far one tensor of the candidate lies from the reference's.

    allowed is the largest difference that rounding explains, 0.0 for the same bits; values are what
    `power` is relative to, by default the reference's: an update is judged by its step.
    """
    check_comparable(tensor, candidate, reference)
    bound = np.broadcast_to(np.asarray(allowed, dtype=np.float64), reference.shape)
    with np.errstate(over="ignore"):  # what is that far apart is different all the same
        gap = np.abs(candidate - reference)
        share = np.divide(gap, bound, out=np.where(gap > 0, np.inf, 0.0), where=bound > 0)
    # Where several entries have the largest share (infinite, or 0), the largest gap tells more.
    top = np.where(share == share.max(), gap, -1.0)
    where = tuple(int(i) for i in np.unravel_index(int(top.argmax()), top.shape))
    outside = int(np.count_nonzero(gap > bound))
    equal = Verdict.EQUAL if gap.max() else Verdict.IDENTICAL
    zeros = bool(outside) and reference.any() and not candidate.any()
    return Difference(
        tensor=tensor,
        case=case,
        verdict=Verdict.DIFFERENT if outside else equal,
        worst=float(gap[where]),
        allowed=float(bound[where]),
        index=where,
        candidate=float(candidate[where]),
        reference=float(reference[where]),
        share=float(share[where]),
        power=power(bound, reference if values is None else values),
        entries=int(reference.size),
        outside=outside,
        note="all zeros" if zeros else "",
    )


def power(bound: Array, values: Array) -> float:
    """Return the smallest mistake in an entry, relative to the largest, that is sure to be caught.

    Two correct implementations may differ by the whole bound, in either direction, so a mistake
    is certain to be caught once it exceeds twice the bound, whatever rounding does. Where nothing
    but 0 is right (the deltas of a network of zeros), every bit is looked at.
    """
    largest = float(np.abs(values).max())
    if largest == 0:
        return 0.0 if float(bound.max()) < 1e-250 else np.inf
    return 2 * float(bound.max()) / largest


def check_comparable(tensor: str, candidate: Array, reference: Array) -> None:
    """Raise unless a comparison of the two would mean something, as `measure` says."""
    if candidate.shape != reference.shape:
        raise Unusable(f"{tensor}: expected shape {reference.shape}, received {candidate.shape}")
    if reference.size == 0:
        raise Unusable(f"{tensor} is empty: a comparison of nothing proves nothing")
    if np.shares_memory(candidate, reference):
        raise Refused(f"{tensor} is the reference's own array: shared memory proves nothing")
    for whose, array in (("candidate's", candidate), ("reference's", reference)):
        finite = np.isfinite(array)
        if not finite.all():
            where = tuple(int(i) for i in np.argwhere(~finite)[0])
            raise Refused(
                f"the {whose} {tensor}{list(where)} is {array[where]}, not a number to compare",
                "overflow",
            )


def keep_worst(worst: dict[str, Difference], measured: Sequence[Difference]) -> None:
    """Keep the worst difference of every tensor, with the best power of all: what JSON shows."""
    for d in measured:
        kept = worst.get(d.tensor, d)
        worse = max(kept, d, key=lambda v: (v.verdict == "different", v.share, v.ratio or 0))
        worst[d.tensor] = replace(worse, power=min(kept.power, d.power))


def summary(differences: Sequence[Difference]) -> Verdict:
    """Return what the worst differences of a link's tensors say together, if anything."""
    if not differences:
        raise Unusable("nothing was compared, which proves nothing")
    verdicts = {d.verdict for d in differences}
    if Verdict.DIFFERENT in verdicts:
        return Verdict.DIFFERENT
    for d in differences:
        if d.power >= 1:
            zero = f"{d.tensor} is zero within its rounding in every case"
            raise Unusable(f"{zero}: equal to nothing")
    return Verdict.IDENTICAL if verdicts == {Verdict.IDENTICAL} else Verdict.EQUAL


def plain(value: Any) -> Any:
    """Return a value as strict JSON has them: NaN and infinities as text, tuples as lists."""
    return json.loads(json.dumps(value, default=np.generic.item), parse_constant=str)
