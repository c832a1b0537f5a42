"""The page of HTML that shows figures with their findings in words; no scripts, no network."""

from __future__ import annotations

import base64
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

#: To be rendered with what page.html says at its top.
PAGE = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
).get_template("page.html")


def embedded(png: bytes) -> str:
    """Turn a PNG file into an address that holds it."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
