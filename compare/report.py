"""The proof for readers: words and a table for terminals, HTML, JSON, and JUnit's XML."""

from __future__ import annotations

import html
import io
import json
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from rich.console import Console
from rich.table import Table
from rich.text import Text

from compare.difference import ANSWERS, Link, Proof, Verdict
from model.atomic_write import write_atomically
from model.printable import printable

FORMAT = "jalebi-proof-2"
HEADINGS = ("link", "verdict", "worst", "allowed", "where", "power", "seconds")
LEGEND = (
    "worst: the largest difference, measured by what rounding allows there; power: the smallest "
    "mistake, relative to a tensor's largest entry, that was certain to be caught"
)
COLOURS = {Verdict.DIFFERENT: "red", Verdict.ERROR: "red", Verdict.NOT_OFFERED: "yellow",
           Verdict.NOT_TRIED: "yellow", Verdict.PARTED: "cyan"}  # fmt: skip
FURTHER = 4  # tensors that are broken too, in words


def as_text(proof: Proof, width: int = 100, colour: bool = False, brief: bool = False) -> str:
    """Return the conclusion, what broke and why, the findings in words, then the numbers.

    A brief one leaves out the findings of the links.
    """
    written = io.StringIO()
    console = Console(file=written, width=width, force_terminal=colour, no_color=not colour)
    for name, text in paragraphs(proof, brief):
        console.print(Text(filled(f"{name}: {text}" if name else text, width)))
    console.print()
    console.print(table(proof))
    console.print(Text(LEGEND, style="dim"))
    return "\n".join(line.rstrip() for line in written.getvalue().splitlines())


def filled(text: str, width: int) -> str:
    """Return a paragraph whose first line alone begins at the margin: no text can forge one."""
    lines = text.splitlines() or [""]
    indents = ["", *["  "] * len(lines)]
    return "\n".join(
        textwrap.fill(
            line, width, initial_indent=indent, subsequent_indent="    ", break_on_hyphens=False
        )
        for line, indent in zip(lines, indents, strict=False)
    )


def paragraphs(proof: Proof, brief: bool = False) -> Iterator[tuple[str, str]]:
    """Yield what is to be said, each with its name: the conclusion first."""
    yield "", conclusion(proof)
    broken = proof.first_broken
    if proof.diagnosis:
        yield "diagnosis", proof.diagnosis
    if broken is not None:
        yield f"first broken link: {broken.name}", broken.sentence
        also = {d.tensor: d for d in broken.broken[1:]}
        for d in list(also.values())[:FURTHER]:
            yield "also", d.in_words
        if broken.trace:
            yield "the candidate's own traceback", f"\n{broken.trace.rstrip()}"
    if proof.status == 0 and "sizes" in proof.settings:
        yield "covered", coverage(proof)
    if proof.not_offered:
        yield "not offered", ", ".join(proof.not_offered)
    if proof.notice:
        yield "notice", proof.notice
    if brief:
        return
    yield "", ""
    for link in proof:
        if link is not broken:
            yield link.name, link.sentence
    precision = in_float32(proof) if proof.settings.get("arithmetic") == "float32" else ""
    if precision:
        yield "float32, at most", precision


def conclusion(proof: Proof) -> str:
    """Return the first line: proved, disproved, or could not be tried."""
    broken = proof.first_broken
    if proof.status == 0:
        part = ", in what it offers" if proof.not_offered else ""
        return f"PROVED: {proof.candidate} is the reference network{part}"
    if proof.status == 1 and broken:
        return f"DISPROVED: {proof.candidate} parts from the reference at: {broken.name}"
    where = f" at: {broken.name}" if broken else ""
    if proof.strict and not broken and proof.not_offered:
        where = f" whole: not offered: {', '.join(proof.not_offered)} (--strict)"
    return f"COULD NOT BE TRIED: {proof.candidate}{where}"


def coverage(proof: Proof) -> str:
    """Return what a proof covers, in a line."""
    s = proof.settings
    answered = [link.name for link in proof if link.verdict in ANSWERS]
    sharp = power(max(link.power or 0.0 for link in proof if link.name != "reference"))
    followed = f"{s['steps']:,} steps in a row, each looked at"
    return (
        f"sizes {'-'.join(map(str, s['sizes']))} in {s['arithmetic']}, {s['data']}, "
        f"{'quick' if s['quick'] else 'full'}, {len(answered)} of {len(proof)} links, "
        f"{followed if 'training' in answered else 'no step'}; a mistake of {sharp} of a tensor's "
        "largest entry would have been caught"
    )


def in_float32(proof: Proof) -> str:
    """Return float32's three answers; nothing for other precisions."""
    told = []
    for link in proof:
        judged = [
            (d.share, d.probable_share or 0, d.ratio)
            for d in link.differences
            if d.ratio is not None
        ]
        if judged:
            worst, probable, ratio = map(max, zip(*judged, strict=True))
            told.append(
                f"{link.name}: {worst:.2g} of the worst-case bound, {probable:.2g} of the "
                f"probabilistic bound, error {ratio:.2g} times the reference's own"
            )
    return "; ".join(told)


def table(proof: Proof) -> Table:
    """Return the links as a table, which fits a terminal's width."""
    found = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for name in HEADINGS:
        right = name in ("worst", "allowed", "power", "seconds")
        wrap = name == "where"
        found.add_column(
            name, justify="right" if right else "left", no_wrap=not wrap, overflow="fold",
            min_width=12 if wrap else None,
        )  # fmt: skip
    for link in proof:
        cells = [Text(cell) for cell in row(link)]
        cells[1].stylize(COLOURS.get(link.verdict, "green"))
        found.add_row(*cells)
    return found


def row(link: Link) -> tuple[str, ...]:
    """Return a link as the cells of the table."""
    worst, numbers = link.worst, ["", "", ""]
    if worst is not None:
        both = (worst.worst, worst.allowed)
        numbers = [*("0" if value == 0 else f"{value:.1e}" for value in both), worst.place]
    return (link.name, str(link.verdict), *numbers, power(link.power), f"{link.seconds:.1f}")


def power(value: float | None) -> str:
    """Return the smallest mistake that would have been caught."""
    if value is None:
        return ""
    return "every bit" if value == 0 else f"{value:.1e}"


def as_html(proof: Proof) -> str:
    """Return the proof as notebooks show it: the conclusion, and the table."""
    told = [conclusion(proof), proof.diagnosis and f"diagnosis: {proof.diagnosis}"]
    words = "".join(f"<p>{html.escape(line)}</p>" for line in filter(None, told))
    cells = [HEADINGS, *(row(link) for link in proof)]
    rows = [
        "".join(f"<{kind}>{html.escape(cell)}</{kind}>" for cell in line)
        for line, kind in zip(cells, ["th", *["td"] * len(proof)], strict=True)
    ]
    return f"{words}<table>{''.join(f'<tr>{line}</tr>' for line in rows)}</table>"


def save_json(proof: Proof, path: Path) -> None:
    """Write every record as JSON."""
    document = {"format": FORMAT, **proof.as_json()}
    write_atomically(path, (json.dumps(document, indent=1, allow_nan=False) + "\n").encode())


def save_junit(proof: Proof, path: Path) -> None:
    """Write the links as the test cases of JUnit's XML, which every CI server reads."""
    content = ElementTree.tostring(junit(proof), encoding="utf-8", xml_declaration=True)
    write_atomically(path, content + b"\n")


def junit(proof: Proof) -> ElementTree.Element:
    """Return the proof as a testsuite element."""
    kinds = {Verdict.DIFFERENT: "failure", Verdict.ERROR: "error",
             Verdict.NOT_OFFERED: "skipped", Verdict.NOT_TRIED: "skipped"}  # fmt: skip
    found = [kinds.get(link.verdict) for link in proof]
    suite = ElementTree.Element(
        "testsuite",
        name="compare",
        timestamp=time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()),
        hostname="localhost",
        tests=str(len(proof)),
        failures=str(found.count("failure")),
        errors=str(found.count("error")),
        skipped=str(found.count("skipped")),
        time=f"{sum(link.seconds for link in proof):.3f}",
    )
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in {"candidate": proof.candidate, **proof.settings}.items():
        ElementTree.SubElement(properties, "property", name=name, value=printable(value))
    for link, kind in zip(proof, found, strict=True):
        seconds = f"{link.seconds:.3f}"
        case = ElementTree.SubElement(
            suite, "testcase", name=link.name, classname="compare", time=seconds
        )
        if kind is None:
            continue
        inner = ElementTree.SubElement(case, kind, message=printable(link.sentence, 2000))
        if kind != "skipped":
            inner.set("type", str(link.verdict))
            why = proof.diagnosis if link is proof.first_broken else ""
            parts = (f"{proof.candidate}: {link.sentence}", why, link.trace)
            inner.text = legible("\n".join(filter(None, parts)))
    ElementTree.SubElement(suite, "system-out").text = legible(as_text(proof))
    return suite


def legible(text: str) -> str:
    """Return a text, line by line, without the characters that XML forbids."""
    return "\n".join(printable(line, 2**20) for line in text.splitlines())
