"""What a link gathers: nothing is dropped on the way, and a kept answer is named."""

from __future__ import annotations

import numpy as np
import pytest

from compare.difference import Difference, Refused, Unusable, Verdict, measure
from compare.evidence import Evidence, keep_worst, refuse_cached
from compare.standard import Expected

ONES = np.ones((2, 2))


def expected(*names: str, value: float = 1.0) -> dict[str, Expected]:
    return {name: Expected(name, value * ONES, 0.25) for name in names}


def test_every_tensor_found_is_measured() -> None:
    evidence = Evidence()
    found = {"b": ONES + 0.1, "a": ONES + 1}
    evidence.hold(expected("a", "b", "c"), found, "a case")
    assert [(d.tensor, d.verdict, d.case) for d in evidence.differences] == [
        ("a", Verdict.DIFFERENT, "a case"),
        ("b", Verdict.EQUAL, "a case"),
    ]
    assert evidence.broken is evidence.differences[0]


def test_nothing_found_is_refused_and_so_is_a_stranger() -> None:
    with pytest.raises(Refused, match="a case: nothing was compared"):
        Evidence().hold(expected("a"), {}, "a case")
    with pytest.raises(Unusable, match="a case: nothing to hold b against"):
        Evidence().hold(expected("a"), {"a": ONES, "b": ONES}, "a case")


def test_the_worst_is_kept_with_the_best_power() -> None:
    mild, sharp = measure("a", ONES + 0.1, ONES, 0.25), measure("a", ONES + 0, ONES, 0.125)
    other = measure("b", ONES + 0.2, ONES, 0.25)
    for order in ([mild, sharp, other], [other, sharp, mild]):
        worst: dict[str, Difference] = {}
        keep_worst(worst, order)
        assert worst["a"].worst == mild.worst
        assert worst["a"].power == sharp.power < mild.power
        assert worst["b"] == other


def test_one_answer_to_two_questions_is_refused_unless_both_have_it() -> None:
    one, two = expected("a"), expected("a", value=2.0)
    same = {"a": ONES.copy()}
    with pytest.raises(Refused, match="trace gave the same answer, bit for bit: it was kept"):
        refuse_cached("trace", (one, same), (two, {"a": ONES.copy()}))
    refuse_cached("trace", (one, same), (one, {"a": ONES.copy()}))
    refuse_cached("trace", (one, same), (two, {"a": 2 * ONES}))


def test_of_all_zeros_it_is_said_that_they_are_zeros() -> None:
    zeros = {"a": 0 * ONES}
    refuse_cached("trace", (expected("a"), zeros), (expected("a", value=2.0), zeros))
