"""The command `jalebi`, or `python -m scripts`: every program by its name."""

import difflib
import os
import shutil
import sys
import textwrap
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from scripts import command, start
from scripts.programs import PREFIX, PROOF, SHORT, module, programs, summary

USAGE = "usage: jalebi COMMAND [options]\n       jalebi COMMAND --help\n       jalebi --version"


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Run the program that the first word names, with the words after it."""
    first, *rest = (sys.argv[1:] if argv is None else argv) or ["--help"]
    known = programs()
    if first in ("-h", "--help"):
        print(USAGE, *(told(name, summary(program)) for name, program in known.items()), sep="\n")
        return 0
    if first == "--version":
        print(f"jalebi {import_module(PREFIX.rstrip('.') or 'jalebi').__version__}")
        return 0
    module_name = first.replace("-", "_")
    program = known.get(first, module_name if module_name in known.values() else "")
    if not program:
        near = difflib.get_close_matches(first, known, 1)
        meant = f"did you mean {near[0]}?" if near else "see jalebi --help"
        raise ValueError(f"{first}: no such command: {meant}")
    file = f"{module(program)}.__main__" if program == PROOF else module(program)
    status: int = import_module(file).main(rest)
    return status


def told(name: str, what: str) -> str:
    """Return a command and what it does, in the width of the terminal."""
    width, indent = shutil.get_terminal_size().columns - 1, " " * 21
    return textwrap.fill(what, width, initial_indent=f"  {name:<19}", subsequent_indent=indent)


def run() -> NoReturn:
    """Run the command and leave with its exit status."""
    if sys.argv[1:2] == [SHORT[PROOF]]:
        sys.path.insert(0, os.getcwd())  # as `python -m` has it: what a candidate imports is found
        sys.exit(main(None))  # it says itself how it ended, and in colour
    start(main)


if __name__ == "__main__":
    run()
