"""How the pages are built: `make docs`."""

import ast
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent

project = "Jalebi"
author = "the authors of Jalebi"
copyright = f"2026, {author}"
release = re.findall('__version__ = "(.+)"', (ROOT / "jalebi.py").read_text(encoding="utf-8"))[0]
extensions = ["myst_parser"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
highlight_language = "text"
html_theme = "furo"
html_title = "Jalebi"
html_copy_source = False
html_show_sourcelink = False


def section(title: str) -> str:
    """Return what stands below a heading of the README, its links seen from this folder."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    [found] = re.findall(rf"^## {title}\n(.*?)(?=^## )", readme, re.MULTILINE | re.DOTALL)
    found = re.sub(r"\[([^]]+)\]\([^):]+\.html\)", r"\1", found)  # alone, without its pictures
    return re.sub(r"\]\((?!\w+:|#)", "](../", found)


def docstring(file: str) -> str:
    """Return the docstring of a file: ours are Markdown, their code is indented."""
    return ast.get_docstring(ast.parse((ROOT / file).read_text(encoding="utf-8"))) or ""


def fill(app: Any, page: str, source: list[str]) -> None:
    """Put what a line names in its place: a section of the README, or a file's docstring."""
    kinds = {"README": section, "DOCSTRING": docstring}
    named = re.compile(r"^(README|DOCSTRING): (.+)$", re.MULTILINE)
    source[0] = named.sub(lambda m: kinds[m[1]](m[2]), source[0])


def setup(app: Any) -> None:
    """Have Sphinx fill the pages as it reads them."""
    app.connect("source-read", fill)
