"""What a link gathers while it runs: differences, further findings, progress."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compare.difference import Difference, Refused, Unusable, Verdict
from compare.standard import Expected

Array = NDArray[np.float64]
Tell = Callable[[str, float], object]


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
    """Keep the worst difference of every tensor.

    Parameters
    ----------
    worst : dict of tensor name to Difference
        Is updated.
    measured : iterable of Difference
    """
    for d in measured:
        kept = worst.get(d.tensor)
        if kept is None or (d.share, d.ratio or 0) > (kept.share, kept.ratio or 0):
            worst[d.tensor] = d


def refuse_cached(
    what: str,
    first: Mapping[str, Array],
    second: Mapping[str, Array],
    expected: tuple[Mapping[str, Expected], Mapping[str, Expected]],
) -> None:
    """Raise where a candidate gives one answer to two questions that have two.

    Parameters
    ----------
    what : str
        The method that was called.
    first, second : mapping of tensor name to ndarray
        Its answers.
    expected : pair of mappings of tensor name to Expected
        What they should have been.

    Raises
    ------
    Refused
        Every tensor of both answers is the same to the last bit, and should not be.
    """
    names = [n for n in first if n in second and n != "activations[0]"]
    if not all(np.array_equal(first[n], second[n]) for n in names):
        return
    if all(np.array_equal(expected[0][n].reference, expected[1][n].reference) for n in names):
        return  # saturated or tiny networks may well have one answer to two questions
    raise Refused(
        f"{what} gave the same answer, bit for bit, to two different inputs: a cached answer, "
        "not a computed one"
    )
