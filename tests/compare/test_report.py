"""Measures and their record: what is refused, what is said, JSON, JUnit, HTML, the picture."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from compare import divergence, report
from compare.difference import (
    Difference,
    Disproved,
    Link,
    Proof,
    Refused,
    Unusable,
    Verdict,
    keep_worst,
    measure,
    power,
    summary,
)

ONES = np.ones((2, 3))


def some(verdict: Verdict = Verdict.EQUAL, **changes: Any) -> Difference:
    found = measure("nabla_w[0]", ONES + 1e-16 * np.arange(6).reshape(2, 3), ONES, 1e-15, "a case")
    return Difference(**{**vars(found), "verdict": verdict, **changes})


@pytest.mark.parametrize(
    ("candidate", "reference", "kind", "text"),
    [
        (ONES.T, ONES, Unusable, "v: expected shape (2, 3), received (3, 2)"),
        (ONES[:0], ONES[:0], Unusable, "v is empty: a comparison of nothing proves nothing"),
        (ONES, ONES, Refused, "v is the reference's own array: shared memory proves nothing"),
        (ONES * np.nan, ONES + 0, Refused, "the candidate's v[0, 0] is nan, not a number"),
        (ONES + 0, ONES * np.inf, Refused, "the reference's v[0, 0] is inf, not a number"),
    ],
)
def test_a_comparison_that_would_prove_nothing_is_refused(candidate, reference, kind, text) -> None:
    with pytest.raises(kind) as refused:
        measure("v", candidate, reference, 0.0)
    assert str(refused.value).startswith(text)


def test_the_worst_entry_is_the_one_with_the_largest_share_of_its_bound() -> None:
    reference = np.array([1.0, 2.0, 3.0])
    found = measure(
        "v", reference + np.array([5e-10, 3e-9, 2e-9]), reference, np.array([1e-9, 9e-9, 1e-9])
    )
    assert (found.index, found.outside, found.verdict) == ((2,), 1, Verdict.DIFFERENT)
    assert found.share == pytest.approx(2, rel=1e-6)
    assert measure("v", reference + 0, reference, 0.0).verdict is Verdict.IDENTICAL
    assert measure("v", reference + 1e-16, reference - 2.0**-53, 1e-9).verdict is Verdict.EQUAL
    bits = measure("v", np.nextafter(reference, 9), reference, 0.0)
    assert (bits.verdict, bits.outside, bits.share) == (Verdict.DIFFERENT, 3, np.inf)
    assert measure("v", reference + np.array([1.0, 3.0, 2.0]), reference, 0.0).index == (1,)
    assert measure("v", 0 * reference, reference, 0.0).note == "all zeros"


def test_power_is_what_is_sure_to_be_caught_and_nothing_is_equal_to_nothing() -> None:
    assert power(np.array([1e-3, 2e-3]), np.array([4.0, -8.0])) == 5e-4
    assert power(np.zeros(2), np.array([4.0, 0.0])) == 0
    assert power(np.full(2, 1e-9), np.zeros(2)) == np.inf
    with pytest.raises(Unusable, match="zero within its rounding in every case: equal to nothing"):
        summary([measure("v", np.full(2, 1e-9), np.zeros(2), 1e-8)])
    with pytest.raises(Unusable, match="nothing was compared"):
        summary([])


def test_of_every_tensor_the_worst_is_kept_with_the_best_power() -> None:
    kept: dict[str, Difference] = {}
    keep_worst(kept, [some(share=0.5, power=1e-3), some(share=0.1, power=1e-9)])
    assert (kept["nabla_w[0]"].share, kept["nabla_w[0]"].power) == (0.5, 1e-9)
    keep_worst(kept, [some(Verdict.DIFFERENT, share=0.2)])
    assert kept["nabla_w[0]"].verdict is Verdict.DIFFERENT


def proof(*verdicts: Verdict, **fields: Any) -> Proof:
    names = ("data", "forward", "gradients", "update")
    links = [
        Link(name, v, f"{name} is {v}", (some(v),) if v in ("equal", "different") else (), 0.5)
        for name, v in zip(names, verdicts, strict=False)
    ]
    settings = {"sizes": [784, 20, 10], "arithmetic": "float64", "data": "MNIST", "quick": True}
    settings |= {"steps": 600, "seed": 0, "eta": 3.0, "mini_batch_size": 10}
    return Proof("mine:Net", tuple(links), settings, **fields)


EQUAL, DIFFERENT, ERROR = Verdict.EQUAL, Verdict.DIFFERENT, Verdict.ERROR
MISSING, UNTRIED = Verdict.NOT_OFFERED, Verdict.NOT_TRIED


@pytest.mark.parametrize(
    ("verdicts", "status", "broken"),
    [
        ((EQUAL, EQUAL), 0, None),
        ((MISSING, EQUAL), 0, None),
        ((Verdict.PARTED, UNTRIED), 0, None),
        ((EQUAL, DIFFERENT, ERROR), 1, "forward"),
        ((ERROR, EQUAL, DIFFERENT), 1, "gradients"),
        ((EQUAL, ERROR), 2, "forward"),
        ((MISSING, UNTRIED), 2, None),
        ((), 2, None),
    ],
)
def test_only_a_complete_proof_is_one(verdicts, status: int, broken: str | None) -> None:
    found = proof(*verdicts)
    assert found.status == status
    assert (found.first_broken.name if found.first_broken else None) == broken
    text = report.as_text(found)
    assert text.startswith(("PROVED: ", "DISPROVED: ", "COULD NOT BE TRIED: ")[status])
    assert "\nPROVED" not in text
    if status == 0:
        assert found.require() is found
    else:
        with pytest.raises(Disproved if status == 1 else Unusable):
            found.require()


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_the_words_come_first_and_everything_fits_the_terminal(width: int, monkeypatch) -> None:
    found = proof(EQUAL, DIFFERENT, MISSING, diagnosis="halve it " * 20, notice="digits, not MNIST")
    lines = report.as_text(found, width).splitlines()
    assert max(map(len, lines)) <= width
    assert lines[0].startswith("DISPROVED: mine:Net parts from the reference at: forward")
    joined = "\n".join(lines)
    assert joined.index("diagnosis: ") < joined.index("first broken link: forward")
    assert joined.index("first broken link") < joined.index("worst  ")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    assert "\x1b" not in report.as_text(found, width)
    assert "\x1b[31m" in report.as_text(found, width, colour=True)


def test_a_proof_says_what_it_covers() -> None:
    found = proof(EQUAL, MISSING)
    text = " ".join(report.as_text(found).split())
    assert "covered: sizes 784-20-10 in float64, MNIST, quick, 1 of 2 links, no step; a" in text
    assert "not offered: forward" in text
    assert report.conclusion(found).endswith("network, in what it offers")
    exact = replace(found, links=(replace(found["data"], differences=(some(power=0.0),)),))
    assert "; a mistake in any bit would" in " ".join(report.as_text(exact).split())
    trained = report.as_text(replace(found, links=(replace(found["data"], name="training"),)))
    assert "1 of 1 links, 600 steps in a row, each looked at" in " ".join(trained.split())
    judged = replace(found, links=(Link("training", EQUAL, "fine", (some(ratio=1.0),)),))
    for arithmetic in ("float64", "float32"):
        told = report.as_text(
            replace(judged, settings={**found.settings, "arithmetic": arithmetic})
        )
        assert ("float32, at most: training: " in told) == (arithmetic == "float32")


def test_the_record_is_short_and_shows_in_a_notebook() -> None:
    found = proof(EQUAL, DIFFERENT, diagnosis="<b>halve</b> it")
    assert repr(found) == "<Proof of mine:Net: DISPROVED at forward, 2 links>"
    shown = found._repr_html_()
    assert "<pre>" in shown
    assert "&lt;b&gt;halve&lt;/b&gt; it" in shown


def test_json_names_the_first_broken_link_and_its_settings_and_is_small(tmp_path) -> None:
    many = tuple(some(DIFFERENT, tensor=f"nabla_w[{k}]", power=np.inf) for k in range(300))
    found = proof(EQUAL, diagnosis="halve it")
    links = [*found.links, Link("gradients", DIFFERENT, "it differs", many, trace="x" * 10**6)]
    report.save_json(Proof("mine:Net", tuple(links * 4), found.settings), tmp_path / "a.json")
    saved = json.loads((tmp_path / "a.json").read_text())
    assert (tmp_path / "a.json").stat().st_size < 100_000
    assert (saved["first_broken"], saved["status"], saved["settings"]["eta"]) == ("gradients", 1, 3)
    assert saved["links"][1]["worst"]["power"] == "Infinity"
    assert saved["format"] == report.FORMAT


def test_junit_carries_the_diagnosis_and_nothing_that_xml_forbids(tmp_path) -> None:
    found = proof(EQUAL, DIFFERENT, MISSING, ERROR, diagnosis="halve \x00 it")
    report.save_junit(found, tmp_path / "a.xml")
    suite = ElementTree.parse(tmp_path / "a.xml").getroot()
    counts = {k: suite.attrib[k] for k in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": "4", "failures": "1", "errors": "1", "skipped": "1"}
    failure = suite.find("testcase[@name='forward']/failure")
    assert failure is not None
    assert "halve � it" in str(failure.text)
    assert suite.find("testcase[@name='data']/*") is None


# How two networks part.


def exponential(rate: float) -> tuple[list[int], list[float]]:
    steps = list(range(1, 4001, 50))
    return steps, [max(1e-15, 1e-16 * 10 ** (rate * s / 1000)) for s in steps]


def test_growth_is_the_factor_in_1000_steps_and_unknown_where_they_stay_together() -> None:
    for rate, grown, left in ((4, pytest.approx(1e4, rel=1e-6), 1001), (0, None, None)):
        steps, gaps = exponential(rate)
        assert divergence.growth(np.array(steps), np.array(gaps), 1e-12, 1e-3) == grown
        assert divergence.first_above(steps, gaps, 1e-12) == left
    assert divergence.growth(np.arange(3), np.array([1e-9, 1e-8, 1e-7]), 1e-12, 1e-3) is None
    assert divergence.first_above([1, 2, 3, 4], [0, 9, 0, 9], 1) == 4
    assert divergence.first_above([1, 2, 3], [9, 9, 0], 1) is None


def test_the_data_of_the_picture_lie_beside_it(tmp_path) -> None:
    runs = [
        divergence.described("mine", eta, *exponential(rate), "float64")
        | {"steps_in_an_epoch": 5000}
        for eta, rate in ((3.0, 4), (0.5, 0))
    ]
    divergence.draw(runs, tmp_path / "one.png")
    assert (tmp_path / "one.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((tmp_path / "one.json").read_text()) == {"runs": runs}
    assert divergence.title(runs) == (
        "With eta 3 two correct networks part, with eta 0.5 they stay together"
    )
