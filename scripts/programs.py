"""The programs: what they are called, what they say they do, and the line that starts one."""

from __future__ import annotations

import ast
import os
import shlex
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).parent
INSTALLED = __package__ != "scripts"  # as a part of `jalebi`, and no longer in the checkout
# Those that the command calls by a shorter name, or that are no file of this folder.
ALIASES = {
    "prove": "compare.__main__",
    "open": "scripts.analyze_neurons",
    "neuron": "scripts.fav_neuron",
}


def programs() -> dict[str, str]:
    """Return every program's module, by the name that the command `jalebi` calls it by."""
    own = [path.stem for path in sorted(HERE.glob("*.py")) if path.stem != "__main__"]
    files = {name: HERE / f"{name}.py" for name in own}
    marked = [name for name in own if 'if __name__ == "__main__":' in files[name].read_text()]
    return {**ALIASES, **{name.replace("_", "-"): f"{__package__}.{name}" for name in marked}}


def summary(module: str) -> str:
    """Return the first line of a program's docstring, unimported: that takes seconds."""
    folder, name = module.split(".")[-2:]
    text = (HERE.parent / folder / f"{name}.py").read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(text)) or "").split("\n")[0]


def line(module: str, *options: object) -> str:
    """Return the line that starts a program from here, to be pasted into a shell.

    It names the interpreter in use, the only one that is known to have what the program needs.
    """
    if INSTALLED and _beside_python("jalebi"):
        name = next(name for name, own in programs().items() if own == module)
        words: list[object] = ["jalebi", name]
    else:
        words = [_relative(sys.executable), "-m", module.removesuffix(".__main__")]
    return shlex.join(map(str, [*words, *options]))


def _beside_python(command: str) -> bool:
    found = shutil.which(command)
    return found is not None and os.path.samefile(Path(found).parent, Path(sys.executable).parent)


def _relative(path: str) -> Path:
    here = Path.cwd()
    return Path(path).relative_to(here) if Path(path).is_relative_to(here) else Path(path)
