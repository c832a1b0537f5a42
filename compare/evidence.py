"""What a link gathers while it runs: differences, further findings, progress."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compare.difference import Difference, Refused, Unusable, Verdict
from compare.standard import Expected

Array = NDArray[np.float64]
Tell = Callable[[str, float], object]
Answer = tuple[Mapping[str, Expected], Mapping[str, Array]]
Answers = tuple[Mapping[str, Mapping[str, Expected]], Mapping[str, Mapping[str, Array]]]


def nobody(what: str, done: float) -> None:
    """Take note of progress, and tell nobody.

    Parameters
    ----------
    what : str
        What is being done.
    done : float
        Which part of it is done, 0 to 1.
    """


class Evidence:
    """The findings of one link, kept even where the link breaks off.

    Parameters
    ----------
    tell : callable (what, done)
        Called now and then with what is being done and which part of it is done.

    Attributes
    ----------
    differences : list of Difference
    details : dict
        Further findings, as in JSON.
    verdict : Verdict or None
        Set where the differences alone do not say it, as for "parted".
    """

    def __init__(self, tell: Tell = nobody) -> None:
        self.tell = tell
        self.differences: list[Difference] = []
        self.details: dict[str, Any] = {}
        self.verdict: Verdict | None = None

    def hold(
        self, expected: Mapping[str, Expected], found: Mapping[str, Array], case: str
    ) -> list[Difference]:
        """Measure every tensor that was found against what was expected, and keep the differences.

        Parameters
        ----------
        expected : mapping of tensor name to Expected
        found : mapping of tensor name to ndarray
            The candidate's; it may lack some that are expected, never the other way round.
        case : str
            What they were computed from.

        Raises
        ------
        Unusable, Refused
            As in `compare.difference.measure`; nothing found at all is refused.
        """
        if not found:
            raise Refused(f"{case}: nothing was compared, which proves nothing")
        unknown = set(found) - set(expected)
        if unknown:
            raise Unusable(f"{case}: nothing to hold {', '.join(sorted(unknown))} against")
        measured = [expected[name].measure(found[name], case) for name in expected if name in found]
        self.differences += measured
        return measured

    @property
    def broken(self) -> Difference | None:
        """The first difference that rounding does not explain."""
        return next((d for d in self.differences if d.verdict is Verdict.DIFFERENT), None)


def keep_worst(worst: dict[str, Difference], measured: Iterable[Difference]) -> None:
    """Keep the worst difference of every tensor, with the best power of all.

    Parameters
    ----------
    worst : dict of tensor name to Difference
        Is updated.
    measured : iterable of Difference
    """
    for d in measured:
        kept = worst.get(d.tensor, d)
        worse = max(kept, d, key=lambda one: (one.share, one.ratio or 0))
        worst[d.tensor] = replace(worse, power=min(kept.power, d.power))


def refuse_repetition(what: str, now: Answers, before: Answers | None) -> None:
    """Raise where a candidate gave one answer to two inputs, or with two different parameters.

    Parameters
    ----------
    what : str
        The method that was called.
    now : pair of mappings of case to (tensor name to Expected) and to (tensor name to ndarray)
        What its answers should be, and what they are: of the second case and of the third, which
        have the same shapes and different inputs.
    before : such a pair, or None
        The same of a network with other parameters.

    Raises
    ------
    Refused
        A cached answer.
    """
    expected, found = now
    one, other = list(found)[1:3]
    refuse_cached(
        f"{what} of two different inputs",
        (expected[one], found[one]),
        (expected[other], found[other]),
    )
    if before is not None:
        refuse_cached(
            f"{what} of two networks with different parameters",
            (expected[one], found[one]),
            (before[0][one], before[1][one]),
        )


def refuse_cached(what: str, first: Answer, second: Answer) -> None:
    """Raise where two answers are the same to the last bit and should not be.

    Parameters
    ----------
    what : str
        The method that was called, and the two questions.
    first, second : pair of mappings of tensor name to Expected, and to ndarray
        What the answer should be, and what it is.

    Raises
    ------
    Refused
    """
    names = [n for n in first[1] if n in second[1] and n != "activations[0]"]
    if not any(first[1][n].any() for n in names):
        return  # all zeros: that is what will be said of them
    if not all(np.array_equal(first[1][n], second[1][n]) for n in names):
        return
    if all(np.array_equal(first[0][n].reference, second[0][n].reference) for n in names):
        return  # saturated or tiny networks may well have one answer to two questions
    raise Refused(f"{what} gave the same answer, bit for bit: it was kept, not computed")
