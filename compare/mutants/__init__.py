"""The checker is checked: every known mistake must be caught, every correct variant must pass.

`python -m compare --self-test` puts each network of this package to the proof, on a small network
and random images, and prints the kill matrix: the mistake, the first link that caught it, and what
the diagnosis made of it.
"""

from __future__ import annotations

import tempfile
import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from compare.candidates import declared_dtype
from compare.chain import chosen_links, run_link
from compare.diagnosis import Diagnosis, diagnose
from compare.difference import Link, Verdict
from compare.material import Material, synthetic_material
from compare.mutants import correct, data, forward, gradients, in_torch, learning
from model.synthetic_digits import idx_bytes

SIZES = (25, 12, 12, 10)  # a square layer, where a transposition changes no shape
IMAGES = {"train": 60, "t10k": 12}
WIDTH = 100
CHAIN = (
    "data",
    "initial weights",
    "forward",
    "gradients",
    "update",
    "training",
    "predictions",
    "figures",
)
SOURCES: tuple[tuple[str, ModuleType], ...] = (
    ("NumPy", forward),
    ("NumPy", gradients),
    ("NumPy", learning),
    ("NumPy", correct),
    ("PyTorch", in_torch),
    ("loader", data),
)


@dataclass(frozen=True)
class Mutant:
    """A network with one known mistake, or a correct one written otherwise.

    Parameters
    ----------
    name : str
        Its class.
    kind : str
        "NumPy", "PyTorch" or "loader".
    sentence : str
        What is wrong with it, or otherwise.
    candidate : class
        As in `compare.candidates.Candidate`.
    caught_by : str
        The link that should catch it first; empty for a correct one.
    diagnosed : str
        The mistake that the diagnosis should name; empty for a correct one.
    """

    name: str
    kind: str
    sentence: str
    candidate: type
    caught_by: str
    diagnosed: str


@dataclass(frozen=True)
class Kill:
    """What the proof made of a mutant.

    Parameters
    ----------
    mutant : Mutant
    caught_by : str
        The first link that found a difference; empty where all passed.
    mistake : str
        The mistake that the diagnosis named; empty where all passed.
    advice : str
        What the diagnosis said.
    """

    mutant: Mutant
    caught_by: str
    mistake: str
    advice: str

    @property
    def verdict(self) -> str:
        """How it went: caught, passed, or what went wrong."""
        wanted = self.mutant
        if not wanted.caught_by:
            return "rejected" if self.caught_by else "passed"
        if not self.caught_by:
            return "survived"
        if self.caught_by != wanted.caught_by:
            return "wrong link"
        return "caught" if self.mistake == wanted.diagnosed else "wrong diagnosis"

    @property
    def failed(self) -> bool:
        """Whether the checker failed on it."""
        return self.verdict not in ("caught", "passed")

    def as_json(self) -> dict[str, str]:
        """Return the record as JSON has it."""
        m = self.mutant
        return {
            "name": m.name,
            "kind": m.kind,
            "sentence": m.sentence,
            "verdict": self.verdict,
            "caught_by": self.caught_by,
            "expected_link": m.caught_by,
            "diagnosis": self.mistake,
            "expected_diagnosis": m.diagnosed,
            "advice": self.advice,
        }


def mutants() -> list[Mutant]:
    """Return every network with a known mistake and every correct variant, the mistakes "
    "first."""
    every = [
        described(kind, found)
        for kind, module in SOURCES
        for found in vars(module).values()
        if isinstance(found, type) and found.__module__ == module.__name__
        if hasattr(found, "diagnosed")
    ]
    return sorted(every, key=lambda m: CHAIN.index(m.caught_by) if m.caught_by else len(CHAIN))


def described(kind: str, candidate: Any) -> Mutant:
    """Return a class of the lists as a mutant.

    Parameters
    ----------
    kind : str
    candidate : class with caught_by, diagnosed and a docstring
    """
    sentence = str(candidate.__doc__).strip().splitlines()[0]
    name, link, mistake = candidate.__name__, candidate.caught_by, candidate.diagnosed
    return Mutant(name, kind, sentence, candidate, link, mistake)


def self_test(
    chosen: Iterable[Mutant] | None = None, on_kill: Callable[[Kill], object] | None = None
) -> tuple[Kill, ...]:
    """Put every mutant to the proof, and return what became of each.

    Parameters
    ----------
    chosen : iterable of Mutant, optional
        All of them if not given.
    on_kill : callable (kill), optional
        Called with each as it ends.

    Returns
    -------
    tuple of Kill
        The checker holds if none of them `failed`.
    """
    kills = []
    with tempfile.TemporaryDirectory() as folder:
        material = small_material(Path(folder))
        for mutant in mutants() if chosen is None else chosen:
            kills.append(tried(mutant, material))
            if on_kill is not None:
                on_kill(kills[-1])
    return tuple(kills)


def main() -> int:
    """Print the kill matrix, a row as soon as it is known; return 0 where the checker holds."""
    shown: list[Kill] = []

    def show(kill: Kill) -> None:
        if not shown or bool(shown[-1].mutant.caught_by) != bool(kill.mutant.caught_by):
            print("\n".join(heading(kill)))
        print("\n".join(kill_row(kill)), flush=True)
        shown.append(kill)

    kills = self_test(on_kill=show)
    print("\n".join(conclusion(kills)))
    return int(any(kill.failed for kill in kills))


def small_material(folder: Path) -> Material:
    """Return what mutants are tried on: a small network, random images, and files of them.

    Parameters
    ----------
    folder : Path
        Where to write the four files.
    """
    rng = np.random.default_rng(11)
    for name, count in IMAGES.items():
        images = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = rng.integers(0, 10, count, dtype=np.uint8)
        (folder / f"{name}-images-idx3-ubyte").write_bytes(idx_bytes(images))
        (folder / f"{name}-labels-idx1-ubyte").write_bytes(idx_bytes(labels))
    return replace(synthetic_material(SIZES), folder=folder, steps=5, free_steps=10, crowd=20)


def tried(mutant: Mutant, material: Material) -> Kill:
    """Return what the proof makes of one mutant: link by link, up to the first that breaks.

    Parameters
    ----------
    mutant : Mutant
    material : Material
    """
    broken = first_broken(mutant.candidate, material)
    if broken is None:
        return Kill(mutant, "", "", "")
    found: Diagnosis = diagnose(mutant.candidate, material, broken)
    return Kill(mutant, broken.name, found.mistake, found.sentence)


def first_broken(candidate: type, material: Material) -> Link | None:
    """Return the first link that breaks, or None.

    Parameters
    ----------
    candidate : class
    material : Material
    """
    material = material.for_dtype(declared_dtype(candidate))
    for module in chosen_links(CHAIN):
        link = run_link(module, candidate, material)
        if link.verdict in (Verdict.DIFFERENT, Verdict.ERROR):
            return link
    return None


# In words.


def matrix(kills: Sequence[Kill]) -> list[str]:
    """Return the kill matrix as lines of at most 100 columns.

    Parameters
    ----------
    kills : sequence of Kill
    """
    lines: list[str] = []
    for k, before in zip(kills, [None, *kills], strict=False):
        if before is None or bool(before.mutant.caught_by) != bool(k.mutant.caught_by):
            lines += heading(k)
        lines += kill_row(k)
    return [*lines, *conclusion(kills)]


def heading(kill: Kill) -> list[str]:
    """Return what stands above the mistakes, or above the correct variants.

    Parameters
    ----------
    kill : Kill
        The first of them.
    """
    if kill.mutant.caught_by:
        return [*row("", "mistake", "caught by", "diagnosis"), "-" * WIDTH]
    return ["", *row("", "correct variant", "", ""), "-" * WIDTH]


def conclusion(kills: Sequence[Kill]) -> list[str]:
    """Return the lines below the matrix: what failed, and how many did not.

    Parameters
    ----------
    kills : sequence of Kill
    """
    lines = [line for k in kills if k.failed for line in ("", *explained(k))]
    return [*lines, "", *textwrap.wrap(total(kills), WIDTH)]


def kill_row(kill: Kill) -> list[str]:
    """Return one row of the matrix, as one line or more.

    Parameters
    ----------
    kill : Kill
    """
    sentence = kill.mutant.sentence.removeprefix("Correct: ")
    result = kill.caught_by or ("not caught" if kill.mutant.caught_by else "passes")
    return row("!" if kill.failed else "", sentence, result, kill.mistake, kill.mutant.kind)


def row(mark: str, what: str, link: str, mistake: str, kind: str = "") -> list[str]:
    """Return the columns of a row, the long ones wrapped.

    Parameters
    ----------
    mark, what, link, mistake, kind : str
    """
    left, right = textwrap.wrap(what, 45), textwrap.wrap(mistake, 27)
    count = max(len(left), len(right), 1)
    left += [""] * (count - len(left))
    right += [""] * (count - len(right))
    first = [(mark, kind, link), *[("", "", "")] * (count - 1)]
    return [
        f"{sign:<2}{group:<8}{text:<46}{where:<16} {name}".rstrip()
        for (sign, group, where), text, name in zip(first, left, right, strict=True)
    ]


def explained(kill: Kill) -> list[str]:
    """Return the lines that say how the checker failed on a mutant.

    Parameters
    ----------
    kill : Kill
    """
    wanted = kill.mutant
    expected = ", ".join(filter(None, (wanted.caught_by or "to pass", wanted.diagnosed)))
    received = ", ".join(filter(None, (kill.caught_by or "no difference", kill.mistake)))
    text = (
        f"! {wanted.name} ({wanted.kind}), {kill.verdict}: expected {expected}; received {received}"
    )
    return textwrap.wrap(
        ": ".join(filter(None, (text, kill.advice))), WIDTH, subsequent_indent="  "
    )


def total(kills: Sequence[Kill]) -> str:
    """Return the last line: how many were caught, and how many correct ones passed.

    Parameters
    ----------
    kills : sequence of Kill
    """
    verdicts = [k.verdict for k in kills]
    mistakes = sum(1 for k in kills if k.mutant.caught_by)
    return (
        f"{verdicts.count('caught')} of {mistakes} mistakes caught at the right link with the "
        f"right diagnosis; {verdicts.count('passed')} of {len(kills) - mistakes} correct variants "
        "passed"
    )
