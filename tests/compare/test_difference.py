"""compare.difference measures or raises, and has been seen to do both."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from compare.difference import (
    Difference,
    Disproved,
    Link,
    Proof,
    Refused,
    Unusable,
    Verdict,
    measure,
    plain,
    summary,
)

ONES = np.ones((2, 3))


def changed(by: float, where: tuple[int, int] = (1, 2)) -> np.ndarray:
    found = ONES.copy()
    found[where] += by
    return found


def test_equal_bits_are_identical() -> None:
    found = measure("w", ONES.copy(), ONES, 0.0)
    assert (found.verdict, found.worst, found.outside) == (Verdict.IDENTICAL, 0.0, 0)


def test_minus_zero_is_the_same_number_as_zero() -> None:
    assert measure("w", -np.zeros(2), np.zeros(2), 0.0).verdict is Verdict.IDENTICAL


def test_a_difference_within_its_bound_is_equal_and_still_shown() -> None:
    found = measure("w", changed(0.25), ONES, 0.5, "a case")
    assert found.verdict is Verdict.EQUAL
    assert (found.worst, found.allowed, found.share, found.index) == (0.25, 0.5, 0.5, (1, 2))
    assert (found.candidate, found.reference, found.place) == (1.25, 1.0, "w[1, 2]")


def test_one_entry_outside_its_bound_is_different() -> None:
    found = measure("w", changed(2.0**-50), ONES, 2.0**-51)
    assert (found.verdict, found.outside, found.entries) == (Verdict.DIFFERENT, 1, 6)


def test_one_bit_is_different_where_bits_are_asked_for() -> None:
    found = measure("w", np.nextafter(ONES, 2), ONES, 0.0)
    assert (found.verdict, found.outside, found.share) == (Verdict.DIFFERENT, 6, math.inf)


def test_the_worst_entry_is_that_with_the_largest_share_of_what_is_allowed() -> None:
    candidate = changed(0.5, (0, 0))
    candidate[1, 1] += 0.1
    allowed = np.full((2, 3), 1.0)
    allowed[1, 1] = 0.01
    found = measure("w", candidate, ONES, allowed)
    assert found.index == (1, 1)
    assert found.share == pytest.approx(10)


def test_power_is_twice_the_bound_over_the_largest_entry() -> None:
    assert measure("w", ONES.copy(), 4 * ONES - 3, 0.125).power == 0.25
    assert measure("w", ONES.copy(), ONES, 0.125, values=ONES / 2).power == 0.5


def test_shapes_are_compared_before_values() -> None:
    with pytest.raises(Unusable, match=r"^w: expected shape \(2, 3\), received \(3, 2\)$"):
        measure("w", ONES.T.copy(), ONES, 0.0)
    with pytest.raises(Unusable, match=r"received \(1, 3\)"):  # would broadcast
        measure("w", ONES[:1].copy(), ONES, 0.0)


def test_a_comparison_of_nothing_is_refused() -> None:
    with pytest.raises(Refused, match=r"^w is empty: a comparison of nothing proves nothing$"):
        measure("w", np.zeros((0, 3)), np.zeros((0, 3)), 0.0)
    with pytest.raises(Refused, match="nothing was compared"):
        summary([])


def test_shared_memory_is_refused() -> None:
    with pytest.raises(Refused, match="w is the reference's own array: shared memory"):
        measure("w", ONES, ONES, 0.0)
    with pytest.raises(Refused, match="shared memory"):
        measure("w", ONES[::-1], ONES, 0.0)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_a_number_equals_nothing(value: float) -> None:
    with pytest.raises(Refused, match=rf"the candidate's w\[1, 2\] is {value}"):
        measure("w", changed(value), ONES, math.inf)
    with pytest.raises(Refused, match="the reference's w"):
        measure("w", ONES, changed(value), math.inf)


def test_all_zeros_are_named() -> None:
    found = measure("w", np.zeros((2, 3)), ONES, 0.1)
    assert (found.verdict, found.note) == (Verdict.DIFFERENT, "all zeros")
    assert "all zeros" in found.in_words


def test_a_tensor_without_power_in_any_case_proves_nothing() -> None:
    powerless = measure("w", np.zeros(2), np.zeros(2), 0.0)
    loose = measure("v", np.ones(2), np.ones(2), 0.6)
    sharp = measure("w", np.ones(2), np.ones(2), 0.0)
    with pytest.raises(Refused, match=r"^v is zero within its rounding in every case"):
        summary([loose, sharp])
    with pytest.raises(Refused, match=r"^w is zero within its rounding in every case"):
        summary([powerless])
    assert summary([powerless, sharp]) is Verdict.IDENTICAL


def test_the_worst_verdict_counts() -> None:
    same, near, far = (measure("w", changed(by), ONES, 0.25) for by in (0, 0.1, 1))
    assert summary([same, same]) is Verdict.IDENTICAL
    assert summary([same, near]) is Verdict.EQUAL
    assert summary([far, same, near]) is Verdict.DIFFERENT


def link(verdict: Verdict, name: str = "forward", *differences: Difference) -> Link:
    return Link(name, verdict, f"the sentence of {name}", differences)


def test_power_of_a_link_is_that_of_its_weakest_tensor_in_its_best_case() -> None:
    def found(tensor: str, bound: float) -> Difference:
        return measure(tensor, ONES.copy(), ONES, bound)

    both = link(Verdict.EQUAL, "x", found("a", 0.25), found("a", 0.125), found("b", 0.5))
    assert both.power == 1.0
    assert link(Verdict.EQUAL).power is None
    assert link(Verdict.EQUAL).worst is None


@pytest.mark.parametrize(
    ("verdicts", "status"),
    [
        ([Verdict.IDENTICAL, Verdict.EQUAL, Verdict.PARTED], 0),
        ([Verdict.EQUAL, Verdict.NOT_OFFERED, Verdict.NOT_TRIED], 0),
        ([Verdict.ERROR, Verdict.DIFFERENT, Verdict.EQUAL], 1),
        ([Verdict.EQUAL, Verdict.ERROR], 2),
        ([Verdict.NOT_OFFERED, Verdict.NOT_TRIED], 2),
        ([], 2),
    ],
)
def test_exit_status_is_0_proved_1_disproved_2_not_tried(
    verdicts: list[Verdict], status: int
) -> None:
    proof = Proof("mine", tuple(link(v, str(k)) for k, v in enumerate(verdicts)))
    assert proof.status == status


def test_the_first_difference_is_reported_before_errors() -> None:
    proof = Proof(
        "mine",
        (link(Verdict.ERROR, "a"), link(Verdict.DIFFERENT, "b"), link(Verdict.DIFFERENT, "c")),
    )
    assert proof.first_broken is proof["b"]


def test_require_returns_what_is_proved_and_raises_what_is_not() -> None:
    proved = Proof("mine", (link(Verdict.EQUAL),))
    assert proved.require() is proved
    wrong = Proof("mine", (link(Verdict.DIFFERENT),), diagnosis="transpose it")
    with pytest.raises(
        Disproved, match=r"mine: forward: the sentence of forward\ntranspose it"
    ) as raised:
        wrong.require()
    assert isinstance(raised.value, AssertionError)
    with pytest.raises(Unusable, match="mine: forward: the sentence"):
        Proof("mine", (link(Verdict.ERROR),)).require()
    with pytest.raises(Unusable, match="not one link could be tried"):
        Proof("mine", ()).require()


def test_a_proof_is_its_links() -> None:
    proof = Proof("mine", (link(Verdict.EQUAL, "a"), link(Verdict.EQUAL, "b")))
    assert [each.name for each in proof] == ["a", "b"]
    assert len(proof) == 2
    with pytest.raises(KeyError, match="expected one of a, b"):
        proof["c"]


def test_records_are_json_without_nan() -> None:
    far = measure("w", np.nextafter(ONES, 2), ONES, 0.0)
    proof = Proof("mine", (link(Verdict.DIFFERENT, "x", far),), {"sizes": (2, 3)})
    text = json.dumps(proof.as_json(), allow_nan=False)
    back = json.loads(text)
    assert back["links"][0]["differences"][0]["share"] == "inf"
    assert back["links"][0]["verdict"] == "different"
    assert back["settings"]["sizes"] == [2, 3]
    assert back["status"] == 1


def test_plain_values_are_those_of_json() -> None:
    value = {"a": (np.float64(1.5), np.int64(2), math.nan), "b": Verdict.EQUAL, "c": None}
    assert plain(value) == {"a": [1.5, 2, "nan"], "b": "equal", "c": None}
