"""What readers get: a table that fits, JSON without NaN, JUnit as its schema has it."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from compare import report
from compare.difference import Link, Proof, Verdict, measure
from compare.report import Progress

FAR = measure("training images", np.zeros((2, 3)), np.full((2, 3), 1e-300), 0.0, "a case")
NEAR = measure("new_weights[1]", np.full((100, 900), 1 + 1e-16), np.ones((100, 900)), 2e-16)
LINKS = (
    Link("initial weights", Verdict.IDENTICAL, "every weight is the same", (NEAR,), 0.123),
    Link("forward", Verdict.NOT_OFFERED, "the candidate has no method trace"),
    Link("gradients", Verdict.DIFFERENT, FAR.in_words, (FAR, NEAR), 12.5),
    Link("update", Verdict.ERROR, "the candidate's own error", (), 1.0, {}, "Traceback\n  \x07!"),
    Link("figures", Verdict.NOT_TRIED, "left out"),
)
PROOF = Proof("mine:Net", LINKS, {"sizes": [3, 2]}, "not MNIST", "transpose it")


def test_every_row_fits_100_columns_and_stands_below_its_heading() -> None:
    lines = [report.heading(), *(report.row(link) for link in LINKS)]
    assert max(len(line.rstrip()) for line in lines) <= 100
    for line in lines[1:]:
        assert line.startswith(tuple(link.name for link in LINKS))
    assert "12.5" in lines[3]
    assert "1.0e-300" in lines[3]


def test_the_longest_tensor_still_fits() -> None:
    long = measure("a very long name of a tensor, with many words", np.ones(9), np.ones(9), 1e-9)
    line = report.row(Link("link", Verdict.EQUAL, "", (long,), 99999.9))
    assert len(line) <= 100
    assert "..." in line


def test_words_fit_100_columns() -> None:
    text = report.in_words(PROOF)
    assert max(map(len, text.splitlines())) <= 100


def test_the_first_broken_link_comes_first_and_the_conclusion_last() -> None:
    lines = report.in_words(PROOF).splitlines()
    assert lines[0].startswith("first broken link: gradients: training images[0, 0] is 0.0, the")
    assert "diagnosis: transpose it" in lines
    assert "notice: not MNIST" in lines
    assert lines[-1] == "DISPROVED: mine:Net parts from the reference at: gradients"


def test_the_candidates_own_traceback_is_shown() -> None:
    failed = Proof("mine:Net", (LINKS[3],))
    text = report.in_words(failed)
    assert "the candidate's own traceback:\n  Traceback" in text
    assert text.endswith("COULD NOT BE TRIED: mine:Net at: update")


def test_what_was_proved_says_what_was_not_offered() -> None:
    text = report.in_words(Proof("mine:Net", LINKS[:2]))
    assert text.endswith("PROVED: mine:Net is the reference network (not offered: forward)")


def test_further_tensors_are_named_once() -> None:
    other = measure("nabla_b[0]", np.zeros(2), np.ones(2), 0.0)
    link = Link("gradients", Verdict.DIFFERENT, "first", (FAR, FAR, other, other))
    assert [d.tensor for d in report.further(link)] == ["nabla_b[0]"]
    assert report.first_break(link).count("also") == 1


def test_colour_is_on_the_verdict_alone() -> None:
    plain, painted = report.row(LINKS[2]), report.row(LINKS[2], colour=True)
    assert "\x1b" not in plain
    assert "\x1b[31mdifferent\x1b[0m" in painted
    assert re.sub(r"\x1b\[\d*m", "", painted) == plain


def test_json_holds_every_record(tmp_path: Path) -> None:
    report.save_json(PROOF, tmp_path / "proof.json")
    found = json.loads((tmp_path / "proof.json").read_text())
    assert found["format"] == "jalebi-proof-1"
    assert [link["name"] for link in found["links"]] == [link.name for link in LINKS]
    assert found["links"][2]["differences"][0]["index"] == [0, 0]
    assert found["status"] == 1
    assert [p.name for p in tmp_path.iterdir()] == ["proof.json"]


# From the two schemas in use, windyroad's for Ant and Jenkins' xunit plugin: what both ask for.
SUITE = {"name", "timestamp", "hostname", "tests", "failures", "errors", "skipped", "time"}
ORDER = ["properties", "testcase", "system-out", "system-err"]


def test_junit_is_as_its_schemas_have_it(tmp_path: Path) -> None:
    report.save_junit(PROOF, tmp_path / "proof.xml")
    suite = ElementTree.parse(tmp_path / "proof.xml").getroot()
    assert suite.tag == "testsuite"
    assert set(suite.attrib) == SUITE
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", suite.attrib["timestamp"])
    counts = [int(suite.attrib[k]) for k in ("tests", "failures", "errors", "skipped")]
    assert counts == [5, 1, 1, 2]
    tags = [child.tag for child in suite]
    assert sorted(tags, key=ORDER.index) == tags
    assert tags.count("properties") == tags.count("system-out") == tags.count("system-err") == 1


def test_junit_has_a_test_case_for_every_link() -> None:
    cases = report.junit(PROOF).findall("testcase")
    assert [case.attrib["name"] for case in cases] == [link.name for link in LINKS]
    inner = [[child.tag for child in case] for case in cases]
    assert inner == [[], ["skipped"], ["failure"], ["error"], ["skipped"]]
    for case in cases:
        assert set(case.attrib) == {"name", "classname", "time"}
        assert re.fullmatch(r"\d+\.\d{3}", case.attrib["time"])
    failure = cases[2][0]
    assert failure.attrib["type"] == "different"
    assert FAR.in_words in failure.attrib["message"]


def test_control_characters_do_not_break_the_xml(tmp_path: Path) -> None:
    report.save_junit(PROOF, tmp_path / "proof.xml")
    text = ElementTree.parse(tmp_path / "proof.xml").findtext("testcase[@name='update']/error")
    assert text is not None
    assert text.endswith("Traceback\n  ?!")


def test_what_cannot_be_written_gets_one_line(tmp_path: Path) -> None:
    with pytest.raises(
        OSError, match=r"nowhere/proof.json: the folder does not exist; make it first"
    ):
        report.save_json(PROOF, tmp_path / "nowhere" / "proof.json")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_shown_on_a_terminal_and_taken_away() -> None:
    stream = Terminal()
    progress = Progress(stream)
    progress.tell("training: lock-step", 0.5)
    progress.tell("training: lock-step", 0.51)  # too soon after
    progress.clear()
    assert stream.getvalue().count("\r") == 2
    assert "[##########          ]  50% training: lock-step" in stream.getvalue()
    assert stream.getvalue().endswith("\r\x1b[K")


def test_progress_is_silent_elsewhere() -> None:
    stream = io.StringIO()
    progress = Progress(stream)
    progress.tell("training", 0.5)
    progress.clear()
    assert stream.getvalue() == ""
