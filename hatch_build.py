"""Builds the wheel: the folders as one package, `jalebi`, so that their names stay everybody's own.

In the checkout the folders are imported by their own names, `from model import ...`. In the wheel
they lie in `jalebi`, and every mention of a module of ours is written so: `from jalebi.model ...`.
An editable installation is the checkout as it is.
"""

from __future__ import annotations

import ast
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NAME = "jalebi"
FOLDERS = ("reference", "torch_impl", "compare", "model", "scripts")
IGNORED = shutil.ignore_patterns("__pycache__", "*.pyc")


class CustomBuildHook(BuildHookInterface[Any]):
    """Puts the rewritten folders into a wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write `jalebi` beside the wheel and hand it to the builder."""
        if version == "editable":
            return
        package = Path(self.directory) / "package"
        shutil.rmtree(package, ignore_errors=True)
        write_package(Path(self.root), package)
        build_data["force_include"][str(package)] = NAME

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Take away what the wheel was made of."""
        shutil.rmtree(Path(self.directory) / "package", ignore_errors=True)


def write_package(checkout: Path, package: Path) -> None:
    """Write the one package that the folders of a checkout become."""
    for folder in FOLDERS:
        shutil.copytree(checkout / folder, package / folder, ignore=IGNORED)
    shutil.copy(checkout / f"{NAME}.py", package / "__init__.py")
    (package / "docs").mkdir()
    shutil.copy(checkout / "docs" / "programs.md", package / "docs")  # which --program speaks of
    (package / "py.typed").touch()  # PEP 561: its annotations are for others to use
    modules = {
        ".".join(path.relative_to(package).with_suffix("").parts) for path in package.rglob("*.py")
    }
    for path in package.rglob("*.py"):
        path.write_text(rewritten(path.read_text(encoding="utf-8"), modules), encoding="utf-8")


def rewritten(source: str, modules: set[str]) -> str:
    """Return a source in which our modules are named as parts of the package.

    These are `from model import x`, `import model.x`, and a string that is exactly the dotted name
    of a module, such as "compare.supervision".
    """
    lines = source.splitlines(keepends=True)
    for number, old, new in replacements(ast.parse(source), modules):
        line = lines[number - 1]
        if line.count(old) != 1:
            raise ValueError(f"line {number}: expected {old!r} once in {line!r}")
        lines[number - 1] = line.replace(old, new)
    return "".join(lines)


def replacements(tree: ast.AST, modules: set[str]) -> Iterator[tuple[int, str, str]]:
    """Yield the line, the old and the new text of everything that names one of our modules."""
    dotted = {name for name in modules if "." in name}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            name = node.module or ""
            if not node.level and name.split(".")[0] in FOLDERS:
                yield node.lineno, f"from {name} import", f"from {NAME}.{name} import"
        elif isinstance(node, ast.Import):
            for alias in node.names:
                folder = alias.name.split(".")[0]
                if folder in FOLDERS:
                    found = f"import {NAME}.{alias.name}"
                    if alias.asname is None:  # which binds the folder's name
                        found += f"; from {NAME} import {folder}"
                    yield node.lineno, f"import {alias.name}", found
        elif isinstance(node, ast.Constant) and node.value in dotted:
            yield node.lineno, f'"{node.value}"', f'"{NAME}.{node.value}"'
