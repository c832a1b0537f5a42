"""A page of HTML that shows figures with their findings in words; no scripts, no network."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

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
    sections: Sequence[tuple[str, Sequence[str]]],
    table: Sequence[str],
    pictures: Sequence[tuple[str, str]],
    note: str,
) -> bytes:
    """Fill page.html with plain text, which it escapes.

    Parameters
    ----------
    sections
        Headings, each with its sentences.
    table
        Lines of plain text.
    pictures
        Addresses, of files or `embedded`, each with its caption, which is also the text for those
        who cannot see it.
    """
    filled = PAGES.get_template("page.html").render(
        title=title, sections=sections, table=table, pictures=pictures, note=note
    )
    return filled.encode()


def embedded(png: bytes) -> str:
    """Turn a PNG file into an address that holds it."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
