"""The proof for readers: a table for terminals, JSON, and JUnit's XML. Nothing is computed."""

from __future__ import annotations

import json
import shutil
import textwrap
import time
from pathlib import Path
from typing import TextIO
from xml.etree import ElementTree

from compare.difference import ANSWERS, Difference, Link, Proof, Verdict
from model.atomic_write import write_atomically

WIDTH = 100
FORMAT = "jalebi-proof-1"
COLOURS = {
    Verdict.IDENTICAL: "32",
    Verdict.EQUAL: "32",
    Verdict.PARTED: "36",
    Verdict.DIFFERENT: "31",
    Verdict.ERROR: "31",
    Verdict.NOT_OFFERED: "33",
    Verdict.NOT_TRIED: "33",
}
HEADINGS = ("link", "verdict", "worst", "allowed", "where", "power", "seconds")
ROW = "{:<15}  {:<11}  {:>8}  {:>8}  {:<30}  {:>9}  {:>7}"


def heading() -> str:
    """Return the line above the table."""
    return ROW.format(*HEADINGS)


def row(link: Link, colour: bool = False) -> str:
    """Return a link as a line of the table, at most `WIDTH` columns wide.

    Parameters
    ----------
    link : Link
    colour : bool
        Whether the verdict is coloured, as terminals show it.
    """
    worst = link.worst
    line = ROW.format(
        link.name,
        link.verdict,
        number(worst.worst) if worst else "",
        number(worst.allowed) if worst else "",
        shortened(worst.place, 30) if worst else "",
        power(link.power),
        f"{link.seconds:.1f}",
    )
    return painted(line, link.verdict) if colour else line


def painted(line: str, verdict: Verdict) -> str:
    """Return a line with its verdict coloured.

    Parameters
    ----------
    line : str
    verdict : Verdict
    """
    return line.replace(verdict, f"\x1b[{COLOURS[verdict]}m{verdict}\x1b[0m", 1)


def number(value: float) -> str:
    """Return a number in at most eight columns.

    Parameters
    ----------
    value : float
    """
    return "0" if value == 0 else f"{value:.1e}"


def power(value: float | None) -> str:
    """Return the smallest mistake that would have been caught, in words where it is none.

    Parameters
    ----------
    value : float or None
    """
    if value is None:
        return ""
    return "every bit" if value == 0 else f"{value:.1e}"


def shortened(text: str, width: int) -> str:
    """Return a text cut off in its middle, so that it fits.

    Parameters
    ----------
    text : str
    width : int
    """
    if len(text) <= width:
        return text
    return f"{text[: width - 16]}...{text[-13:]}"


def in_words(proof: Proof) -> str:
    """Return what stands below the table: the first broken link, every finding, the conclusion.

    Parameters
    ----------
    proof : Proof
    """
    parts = []
    broken = proof.first_broken
    if broken is not None:
        parts.append(first_break(broken))
    if proof.diagnosis:
        parts.append(wrapped("diagnosis", proof.diagnosis))
    parts += [wrapped(link.name, link.sentence) for link in proof if link is not broken]
    parts += [precision_in_words(proof)]
    if proof.notice:
        parts.append(wrapped("notice", proof.notice))
    return "\n".join([*filter(None, parts), "", *coverage(proof), conclusion(proof)])


def coverage(proof: Proof) -> list[str]:
    """Return what a proof covers, in a line; nothing where there is none."""
    if proof.status or "sizes" not in proof.settings:
        return []
    s = proof.settings
    answered = [link.name for link in proof if link.verdict in ANSWERS]
    sharp = max(link.power or 0.0 for link in proof)
    return [
        wrapped(
            "covered",
            f"sizes {'-'.join(map(str, s['sizes']))} in {s['arithmetic']}, {s['data']}, "
            f"{len(answered)} of {len(proof)} links, {s['steps']:,} steps in a row, each "
            f"looked at; a mistake of {power(sharp)} of a tensor's largest entry would have been "
            "caught",
        )
    ]


def first_break(link: Link) -> str:
    """Return the first broken link in words, with the candidate's own traceback if there is one.

    Parameters
    ----------
    link : Link
    """
    lines = [wrapped(f"first broken link: {link.name}", link.sentence)]
    for d in further(link)[:4]:
        lines.append(wrapped("", f"also {d.in_words}"))
    if link.trace:
        lines += ["the candidate's own traceback:", textwrap.indent(link.trace.rstrip(), "  ")]
    return "\n".join(lines)


def further(link: Link) -> list[Difference]:
    """Return the first difference of every other tensor that is broken.

    Parameters
    ----------
    link : Link
    """
    first: dict[str, Difference] = {}
    for d in link.broken:
        first.setdefault(d.tensor, d)
    return list(first.values())[1:]


def precision_in_words(proof: Proof) -> str:
    """Return float32's three answers; nothing for other precisions.

    Parameters
    ----------
    proof : Proof
    """
    lines = []
    for link in proof:
        judged = [d for d in link.differences if d.ratio is not None]
        if judged:
            worst = max(d.share for d in judged)
            probable = max(d.probable_share or 0 for d in judged)
            ratio = max(d.ratio or 0 for d in judged)
            lines.append(
                f"{link.name}: {worst:.2g} of the worst-case bound, {probable:.2g} of the "
                f"probabilistic bound, error {ratio:.2g} times the reference's own"
            )
    return wrapped("float32, at most", "; ".join(lines)) if lines else ""


def conclusion(proof: Proof) -> str:
    """Return the last line: proved, disproved, or could not be tried.

    Parameters
    ----------
    proof : Proof
    """
    if proof.status == 0:
        missing = [n.name for n in proof if n.verdict is Verdict.NOT_OFFERED]
        but = f" (not offered: {', '.join(missing)})" if missing else ""
        return f"PROVED: {proof.candidate} is the reference network{but}"
    broken = proof.first_broken
    if proof.status == 1 and broken:
        return f"DISPROVED: {proof.candidate} parts from the reference at: {broken.name}"
    where = f" at: {broken.name}" if broken else ""
    if not broken and proof.not_offered:
        where = f" whole: not offered: {', '.join(proof.not_offered)} (--strict)"
    return f"COULD NOT BE TRIED: {proof.candidate}{where}"


def wrapped(name: str, text: str) -> str:
    """Return a finding as lines of at most `WIDTH` columns.

    Parameters
    ----------
    name : str
    text : str
    """
    first = f"{name}: " if name else "  "
    return textwrap.fill(
        text, WIDTH, initial_indent=first, subsequent_indent="    ", break_on_hyphens=False
    )


class Progress:
    """The progress of a link, on one line of a terminal that is written over.

    Parameters
    ----------
    stream : file
        Nothing is written where it is no terminal.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.shown = stream.isatty()
        self.next = 0.0

    def tell(self, what: str, done: float) -> None:
        """Show what is being done, ten times a second at most."""
        if not self.shown or time.monotonic() < self.next:
            return
        self.next = time.monotonic() + 0.1
        width = shutil.get_terminal_size().columns - 1
        bar = "#" * round(20 * done)
        self.stream.write(f"\r\x1b[K{f'[{bar:<20}] {done:4.0%} {what}'[:width]}")
        self.stream.flush()

    def clear(self) -> None:
        """Take the line away."""
        if self.shown:
            self.stream.write("\r\x1b[K")
            self.stream.flush()


def save_json(proof: Proof, path: Path) -> None:
    """Write every record as JSON.

    Parameters
    ----------
    proof : Proof
    path : Path

    Raises
    ------
    OSError
        It cannot be written.
    """
    document = {"format": FORMAT, **proof.as_json()}
    write_atomically(path, (json.dumps(document, indent=1, allow_nan=False) + "\n").encode())


def save_junit(proof: Proof, path: Path) -> None:
    """Write the links as the test cases of JUnit's XML, which every CI server reads.

    Parameters
    ----------
    proof : Proof
    path : Path

    Raises
    ------
    OSError
        It cannot be written.
    """
    content = ElementTree.tostring(junit(proof), encoding="utf-8", xml_declaration=True)
    write_atomically(path, content + b"\n")


def junit(proof: Proof) -> ElementTree.Element:
    """Return the proof as a testsuite element.

    Parameters
    ----------
    proof : Proof
    """
    verdicts = [link.verdict for link in proof]
    skipped = verdicts.count(Verdict.NOT_OFFERED) + verdicts.count(Verdict.NOT_TRIED)
    suite = ElementTree.Element(
        "testsuite",
        name="compare",
        timestamp=time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()),
        hostname="localhost",
        tests=str(len(proof)),
        failures=str(verdicts.count(Verdict.DIFFERENT)),
        errors=str(verdicts.count(Verdict.ERROR)),
        skipped=str(skipped),
        time=f"{sum(link.seconds for link in proof):.3f}",
    )
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in {"candidate": proof.candidate, **proof.settings}.items():
        ElementTree.SubElement(properties, "property", name=name, value=legible(str(value)))
    for link in proof:
        suite.append(case(link, proof.candidate))
    ElementTree.SubElement(suite, "system-out").text = legible(in_words(proof))
    ElementTree.SubElement(suite, "system-err").text = legible(proof.notice)
    return suite


def case(link: Link, candidate: str) -> ElementTree.Element:
    """Return a link as a testcase element.

    Parameters
    ----------
    link : Link
    candidate : str
    """
    found = ElementTree.Element(
        "testcase", name=link.name, classname="compare", time=f"{link.seconds:.3f}"
    )
    kinds = {
        Verdict.DIFFERENT: "failure",
        Verdict.ERROR: "error",
        Verdict.NOT_OFFERED: "skipped",
        Verdict.NOT_TRIED: "skipped",
    }
    if link.verdict in kinds:
        inner = ElementTree.SubElement(found, kinds[link.verdict], message=legible(link.sentence))
        if kinds[link.verdict] != "skipped":
            inner.set("type", str(link.verdict))
            inner.text = legible(f"{candidate}: {link.sentence}\n{link.trace}")
    return found


def legible(text: str) -> str:
    """Return a text without the control characters that XML forbids.

    Parameters
    ----------
    text : str
    """
    return "".join(c if c in "\n\t" or " " <= c <= "\ufffd" else "?" for c in text)
