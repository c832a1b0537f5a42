"""The proof for readers: words and a table for terminals, HTML, JSON, and JUnit's XML."""

from __future__ import annotations

import io
import json
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from rich.console import Console
from rich.table import Table
from rich.text import Text

from compare.difference import ANSWERS, Proof, Verdict
from model.atomic_write import write_atomically
from model.printable import printable

FORMAT = "jalebi-proof-2"
LEGEND = (
    "worst: the largest difference, measured by what rounding allows there; power: the smallest "
    "mistake, relative to a tensor's largest entry, that was certain to be caught"
)
COLOURS = {Verdict.DIFFERENT: "red", Verdict.ERROR: "red", Verdict.NOT_OFFERED: "yellow",
           Verdict.NOT_TRIED: "yellow", Verdict.PARTED: "cyan"}  # fmt: skip
FURTHER = 4  # tensors that are broken too, in words


def as_text(proof: Proof, width: int = 100, colour: bool = False, brief: bool = False) -> str:
    """Return the conclusion, what broke and why, the findings in words, then the numbers.

    In colour where standard output is a terminal that wants it. A brief one leaves out the findings
    of the links.
    """
    console = Console(width=width, color_system="auto" if colour else None, force_jupyter=False)
    with console.capture() as written:
        show(proof, console, brief)
    return "\n".join(line.rstrip() for line in written.get().splitlines())


def as_html(proof: Proof) -> str:
    """Return the same as notebooks show it."""
    console = Console(width=100, file=io.StringIO(), record=True, force_jupyter=False)
    show(proof, console)
    return console.export_html(code_format="<pre>{code}</pre>", inline_styles=True)


def show(proof: Proof, console: Console, brief: bool = False) -> None:
    """Print the paragraphs, each with its name, and the table."""
    for name, text in paragraphs(proof, brief):
        console.print(Text(filled(f"{name}: {text}" if name else text, console.width)))
    console.print()
    console.print(table(proof))
    console.print(Text(LEGEND, style="dim"))


def filled(text: str, width: int) -> str:
    """Return a paragraph whose first line alone begins at the margin: no text can forge one."""
    settings: dict[str, Any] = {"subsequent_indent": "    ", "break_on_hyphens": False}
    first, *others = text.splitlines() or [""]
    lines = [textwrap.fill(line, width, initial_indent="  ", **settings) for line in others]
    return "\n".join([textwrap.fill(first, width, **settings), *lines])


def paragraphs(proof: Proof, brief: bool = False) -> Iterator[tuple[str, str]]:
    """Yield what is to be said, each with its name: the conclusion first."""
    yield "", conclusion(proof)
    broken = proof.first_broken
    if proof.diagnosis:
        yield "diagnosis", proof.diagnosis
    if broken is not None:
        yield f"first broken link: {broken.name}", broken.sentence
        yield from (("also", d.in_words) for d in broken.broken[1 : 1 + FURTHER])
        if broken.trace:
            yield "the candidate's own traceback", f"\n{broken.trace.rstrip()}"
    if proof.status == 0 and "sizes" in proof.settings:
        yield "covered", coverage(proof)
    if proof.not_offered:
        yield "not offered", ", ".join(proof.not_offered)
    if proof.notice:
        yield "notice", proof.notice
    if not brief:
        yield "", ""
        yield from ((link.name, link.sentence) for link in proof if link is not broken)
        if precision := in_float32(proof):
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
    sharp = max(link.power or 0.0 for link in proof if link.name != "reference")
    least = f"of {power(sharp)} of a tensor's largest entry" if sharp else "in any bit"
    followed = f"{s['steps']:,} steps in a row, each looked at"
    return (
        f"sizes {'-'.join(map(str, s['sizes']))} in {s['arithmetic']}, {s['data']}, "
        f"{'quick' if s['quick'] else 'full'}, {len(answered)} of {len(proof)} links, "
        f"{followed if 'training' in answered else 'no step'}; a mistake {least} would "
        "have been caught"
    )


def in_float32(proof: Proof) -> str:
    """Return float32's three answers; nothing for other precisions."""
    told = []
    for link in proof if proof.settings.get("arithmetic") == "float32" else ():
        if judged := [d for d in link.differences if d.ratio is not None]:
            told.append(
                f"{link.name}: {max(d.share for d in judged):.2g} of the worst-case bound, "
                f"{max(d.probable_share or 0 for d in judged):.2g} of the probabilistic bound, "
                f"error {max(d.ratio or 0 for d in judged):.2g} times the reference's own"
            )
    return "; ".join(told)


def table(proof: Proof) -> Table:
    """Return the links as a table, which fits a terminal's width."""
    found = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for name in ("link", "verdict", "worst", "allowed", "where", "power", "seconds"):
        looks: dict[str, Any] = {"min_width": 12} if name == "where" else {"no_wrap": True}
        looks["justify"] = "right" if name in ("worst", "allowed", "power", "seconds") else "left"
        found.add_column(name, overflow="fold", **looks)
    for link in proof:
        cells, worst = ["", "", ""], link.worst
        if worst is not None:
            both = (worst.worst, worst.allowed)
            cells = [*("0" if value == 0 else f"{value:.1e}" for value in both), worst.place]
        verdict = Text(link.verdict, COLOURS.get(link.verdict, "green"))
        cells += [power(link.power), f"{link.seconds:.1f}"]
        found.add_row(Text(link.name), verdict, *map(Text, cells))
    return found


def power(value: float | None) -> str:
    """Return the smallest mistake that would have been caught."""
    if value is None:
        return ""
    return "every bit" if value == 0 else f"{value:.1e}"


def save_json(proof: Proof, path: Path) -> None:
    """Write every record as JSON."""
    document = {"format": FORMAT, **proof.as_json()}
    write_atomically(path, (json.dumps(document, indent=1, allow_nan=False) + "\n").encode())


def save_junit(proof: Proof, path: Path) -> None:
    """Write the links as the test cases of JUnit's XML, which every CI server reads."""
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
        about = {"name": link.name, "classname": "compare", "time": f"{link.seconds:.3f}"}
        case = ElementTree.SubElement(suite, "testcase", about)
        if kind is None:
            continue
        told = {"message": printable(link.sentence, 2000), "type": str(link.verdict)}
        inner = ElementTree.SubElement(case, kind, told)
        if kind != "skipped":
            why = proof.diagnosis if link is proof.first_broken else ""
            parts = (f"{proof.candidate}: {link.sentence}", why, link.trace)
            inner.text = legible("\n".join(filter(None, parts)))
    ElementTree.SubElement(suite, "system-out").text = legible(as_text(proof))
    content = ElementTree.tostring(suite, encoding="utf-8", xml_declaration=True)
    write_atomically(path, content + b"\n")


def legible(text: str) -> str:
    """Return a text, line by line, without the characters that XML forbids."""
    return "\n".join(printable(line, 2**20) for line in text.splitlines())
