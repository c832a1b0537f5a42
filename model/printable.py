"""Text that comes from outside, a file's name or what a file says, made safe to show."""

from __future__ import annotations


def printable(text: object, most: int = 255) -> str:
    """The text with every control, format and surrogate character replaced, and cut to a length.

    What is left cannot move a terminal's cursor, turn the direction of a line or fail to encode.
    """
    shown = str(text)
    shown = shown if len(shown) <= most else shown[: most - 1] + "…"
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in shown)
