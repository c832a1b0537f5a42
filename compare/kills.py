"""The checker is checked: every known mistake must be caught, every correct variant must pass.

`python -m compare --self-test` puts four groups to the proof, on a small network and random images:
the rows of `compare.mistakes`, each at its link and with its own name; the same with their row
taken out of the table, which must then come out as unknown, or as a weaker name that is true too;
what stands in `compare.held_out`, written without the table; and correct variants.
"""

from __future__ import annotations

import functools
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from compare.diagnosis import UNKNOWN, Diagnosis, Lesson, described, diagnose
from compare.difference import Link, Verdict
from compare.host import InProcess
from compare.links import LINKS, run
from compare.material import Material, synthetic_material
from compare.mistakes import MISTAKES, VARIANTS, Mistake
from model.synthetic_digits import write_idx_files

SIZES = (25, 12, 12, 10)  # a square layer, where a transposition changes no shape
EXAMPLES = (60, 12)  # of the data files: training with validation, and test
CHAIN = [name for name in LINKS if name != "reference"]
GROUPS = ("table", "held out", "correct", "correct, held out")
# With its row taken out a mistake may be told by these: weaker, and true of it.
WEAKER = {
    "a cached answer": "answers that depend on the rest of the batch",
    "stale gradient": "momentum",
    "1 / m in float32": "step factor 1 + 4.5e-08",
}


@dataclass(frozen=True)
class Mutant:
    """A network with one known mistake, or a correct one written otherwise."""

    group: str
    name: str
    candidate: Any
    link: str  # that should catch it; "" for a correct one
    diagnosed: tuple[str, ...]  # what it may be called
    row: Mistake | None = None


@dataclass(frozen=True)
class Kill:
    """What the proof made of a mutant."""

    mutant: Mutant
    link: str
    found: Diagnosis
    left_out: Diagnosis | None = None  # with its own row out of the table

    @property
    def failure(self) -> str:
        """How the checker failed on it, or nothing."""
        wanted = self.mutant
        if self.link != wanted.link:
            expected = f"caught by {self.link or 'no link'}, not by {wanted.link}"
            return expected if wanted.link else f"rejected at {self.link}"
        if wanted.link and self.found.mistake not in wanted.diagnosed:
            return f"diagnosed as {self.found.mistake}, not as {' or '.join(wanted.diagnosed)}"
        return ""

    @property
    def falsely_named(self) -> str:
        """What it is called with its own row out of the table, where that is not true of it."""
        told = self.left_out.mistake if self.left_out else UNKNOWN
        true = {UNKNOWN, *self.mutant.diagnosed, *map(WEAKER.get, self.mutant.diagnosed)}
        if told in true or (self.mutant.link, told) == ("training", "an order of its own"):
            return ""
        return told


def mutants() -> Iterator[Mutant]:
    """Yield every mutant and every correct variant."""
    from compare import held_out

    material = synthetic_material(SIZES)
    for row in (*MISTAKES, *VARIANTS):
        told = described(row, row.example, Lesson(row.link, material, material.initial)).mistake
        group = "table" if row.link else "correct"
        yield Mutant(group, row.name, row.network(row.example), row.link, (told,), row)
    for c in held_out.mutants():
        group = "held out" if c.link else "correct, held out"
        yield Mutant(group, c.__doc__, c, c.link, c.diagnosed)


@functools.cache
def small_material(folder: Path) -> Material:
    """Return what mutants are tried on: a small network, random images, and files of drawn ones."""
    write_idx_files(folder, *EXAMPLES)
    return replace(synthetic_material(SIZES), folder=folder, steps=10, crowd=20, kept={})


def tried(mutant: Mutant, material: Material) -> Kill:
    """Return what the proof makes of one mutant: link by link, up to the first that breaks."""
    host = InProcess(mutant.candidate, notice="")
    material = material.for_dtype(host.dtype)
    broken = first_broken(host, material)
    if broken is None:
        return Kill(mutant, "", Diagnosis("", ""))
    found, left_out = diagnose(host, material, broken), None
    if mutant.row is not None and mutant.link:
        others = [row for row in MISTAKES if row is not mutant.row]
        left_out = diagnose(host, material, broken, others)
    return Kill(mutant, broken.name, found, left_out)


def first_broken(host: Any, material: Material) -> Link | None:
    """Return the first link that breaks, or None."""
    links = (run(name, host, material) for name in CHAIN)
    return next((v for v in links if v.verdict in (Verdict.DIFFERENT, Verdict.ERROR)), None)


def self_test(on_kill: Callable[[Kill], object] = lambda kill: None) -> list[Kill]:
    """Put every mutant to the proof, one process a core, and return what became of each."""
    every, kills = list(mutants()), list[Kill]()
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        answers = pool.map(answered, range(len(every)), chunksize=8)
        for mutant, answer in zip(every, answers, strict=True):
            kills.append(Kill(mutant, *answer))
            on_kill(kills[-1])
    return kills


def answered(number: int) -> tuple[str, Diagnosis, Diagnosis | None]:
    """Return what the proof makes of a mutant by its number: classes do not cross to a process."""
    every, folder = everything()
    kill = tried(every[number], small_material(Path(folder.name)))
    return kill.link, kill.found, kill.left_out


@functools.cache
def everything() -> tuple[list[Mutant], tempfile.TemporaryDirectory[str]]:
    return list(mutants()), tempfile.TemporaryDirectory()


def matrix(kills: list[Kill], width: int = 100) -> list[str]:
    """Return the kill matrix: a row for each network, what the checker failed on, the counts."""
    left = max(30, width - 48)
    lines, failures, counts = [], [], []
    for group in GROUPS:
        mine = [k for k in kills if k.mutant.group == group]
        counts.append(f"{group} {sum(not k.failure for k in mine)} of {len(mine)}")
        if mine:
            lines += ["", f"{group:<{left}}  {'caught by':<16}  diagnosis", "-" * width]
        for k in mine:
            untrue = f"with its row left out it is called {k.falsely_named}, which it is not"
            why = "; ".join(filter(None, (k.failure, untrue if k.falsely_named else "")))
            name = textwrap.shorten(k.mutant.name, left - 2, placeholder="...")
            row = f"{'! ' if why else '  '}{name:<{left - 2}}  {k.link or 'passes':<16}  "
            lines.append(f"{row}{k.found.mistake}"[:width].rstrip())
            if why:
                failures += ["", *textwrap.wrap(f"! {k.mutant.name}: {why}", width)]
    asked = [k for k in kills if k.left_out is not None]
    false = sum(bool(k.falsely_named) for k in asked)
    unknown = sum(k.left_out is not None and k.left_out.mistake == UNKNOWN for k in asked)
    total = (
        f"right about: {'; '.join(counts)}; with their own row left out of the table {unknown} of "
        f"{len(asked)} are unknown, {len(asked) - unknown - false} get a weaker name, {false} a "
        "false one"
    )
    return [*lines, *failures, "", *textwrap.wrap(total, width)]
