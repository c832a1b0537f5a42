"""The programs: what they are called, what they say they do, and the line that starts one."""

import ast
import shlex
import shutil
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from scripts import EXTRAS, installing

HERE = Path(__file__).parent
PREFIX = (__package__ or "").removesuffix("scripts")  # "jalebi." in an installed copy
PROOF = "compare"
# Those that the command `jalebi` calls by a shorter name.
SHORT = {PROOF: "prove", "analyze_neurons": "open", "fav_neuron": "neuron"}

FIRST = "train", PROOF, "figures", "analyze_neurons", "fav_neuron", "explore"  # the way of a reader

# What the next step may lack, where only the core is installed.
NEEDS = {"figures": "matplotlib", "fav_neuron": "matplotlib", PROOF: "torch"}


def programs() -> dict[str, str]:
    """Return every program by the name that the command calls it by, `compare` too."""
    marked = [
        path.stem
        for path in sorted(HERE.glob("[!_]*.py"))
        if '\nif __name__ == "__main__":' in path.read_text(encoding="utf-8")
    ]
    names = dict.fromkeys([*FIRST, *marked])
    return {SHORT.get(name, name.replace("_", "-")): name for name in names}


def module(program: str) -> str:
    """Return the module that a program is, as this copy imports it."""
    return f"{PREFIX}{program}" if program == PROOF else f"{PREFIX}scripts.{program}"


def summary(program: str) -> str:
    """Return the first line of a program's docstring, unimported: that takes seconds."""
    path = HERE.parent / PROOF / "__init__.py" if program == PROOF else HERE / f"{program}.py"
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n")[0]


def line(program: str, *options: object) -> str:
    """Return the line that starts a program from here, to be pasted into a shell.

    It names the interpreter in use, the one that is known to have what the program needs.
    """
    here, python = Path.cwd(), Path(sys.executable)
    shown = python.relative_to(here) if python.is_relative_to(here) else python
    words: list[object] = [shown, "-m", module(program)]
    command = shutil.which("jalebi") if PREFIX else None
    if command and Path(command).parent.samefile(python.parent):
        words = ["jalebi", SHORT.get(program, program.replace("_", "-"))]
    return shlex.join(map(str, [*words, *options]))


def next_steps(notice: str, *steps: tuple[str, str, Sequence[object]]) -> str:
    """Return what the data are not, and what can be done next, to be pasted.

    Each step is a comment, a program and its options.
    """
    told = [notice, "Next:"] if notice else ["Next:"]
    for what, program, options in steps:
        library = NEEDS.get(program, "numpy")
        first = f"; first {installing(EXTRAS[library])}" if find_spec(library) is None else ""
        told += [f"  # {what}{first}", f"  {line(program, *options)}"]
    return "\n".join(told)
