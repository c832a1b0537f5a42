"""A page of HTML that shows figures with their findings in words; no scripts, no network."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

PAGES = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


def page(
    title: str,
    sections: Sequence[tuple[str, Sequence[str]]],  # headings, each with its sentences
    table: Sequence[Sequence[str]],  # rows of cells, the heads first
    pictures: Sequence[
        tuple[Any, str]
    ],  # each a pages.Picture, with its address: a file's, or `embedded`
    note: str,
) -> bytes:
    """Fill page.html with plain text, which it escapes; the first picture stands at the top."""
    told = {"title": title, "sections": sections, "table": table, "pictures": pictures}
    return PAGES.get_template("page.html").render(told, note=note).encode()


def embedded(png: bytes) -> str:
    """Turn a PNG file into an address that holds it."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
