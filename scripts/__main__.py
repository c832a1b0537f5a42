"""The command `jalebi`, or `python -m scripts`: every program by its name."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from scripts import command, start
from scripts.programs import ALIASES, programs, summary

PROOF = "compare.__main__"
HEAD = "usage: jalebi COMMAND [options]; jalebi COMMAND --help; jalebi --version"


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Run the program that the first word names, with the words after it."""
    first, *rest = (sys.argv[1:] if argv is None else argv) or ["--help"]
    known = programs()
    if first in ("-h", "--help"):
        print(f"{HEAD}\n")
        for name, module in known.items():
            if name in ALIASES or module not in ALIASES.values():
                print(f"  {name:<18} {summary(module)}")
        return 0
    if first == "--version":
        from jalebi import __version__

        print(f"jalebi {__version__}")
        return 0
    name = first.replace("_", "-")
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        meant = f"did you mean {near[0]}?" if near else "see jalebi --help"
        raise ValueError(f"{first}: no such command: {meant}")
    program = import_module(known[name])
    status: int = program.main(rest)
    return status


def run() -> NoReturn:
    """Run the command and leave with its exit status."""
    if sys.argv[1:2] == ["prove"]:  # it says itself how it ends, and in colour
        sys.exit(main(None))
    start(main)


if __name__ == "__main__":
    run()
