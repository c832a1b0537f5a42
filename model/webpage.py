"""Writes pages of HTML that show figures with their findings in words; no scripts, no network."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1f2328; background: #fff;
       max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.5rem; }
figure { margin: 1.5rem 0; } img { max-width: 100%; height: auto; border: 1px solid #d0d7de; }
figcaption, footer { color: #57606a; font-size: .9rem; }
pre { overflow-x: auto; background: #f6f8fa; padding: 1rem; font-size: .8rem; line-height: 1.35; }
"""


def page(title: str, parts: Sequence[str], note: str) -> str:
    """Put parts, already HTML, together to a whole page.

    Parameters
    ----------
    title, note
        Plain text: the heading, and the small print at the end.
    """
    body = "\n".join(parts)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{escape(title)}</h1>\n{body}\n<footer>{escape(note)}</footer>\n</body>\n</html>\n"
    )


def section(heading: str, sentences: Sequence[str]) -> str:
    """Turn a heading and its sentences, plain text, into HTML."""
    told = "\n".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    return f"<h2>{escape(heading)}</h2>\n<ul>\n{told}\n</ul>"


def table(heading: str, lines: Sequence[str]) -> str:
    """Turn a heading and lines of a table in plain text into HTML."""
    return f"<h2>{escape(heading)}</h2>\n<pre>{escape(chr(10).join(lines))}</pre>"


def picture(source: str, caption: str) -> str:
    """Show a picture with its finding as caption and as text for those who cannot see it.

    Parameters
    ----------
    source
        Address of the file, or what `embedded` returns.
    """
    told = escape(caption, quote=True)
    image = f'<img src="{escape(source, quote=True)}" alt="{told}" loading="lazy">'
    return f"<figure>\n{image}\n<figcaption>{told}</figcaption>\n</figure>"


def embedded(png: bytes) -> str:
    """Turn a PNG file into an address that holds it."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
