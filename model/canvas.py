"""Where figures are drawn: one house style, one set of colours, and files without time stamps.

Only matplotlib's Figure objects are used, never pyplot, and the style holds while a figure is being
drawn or saved and is then gone: what the user has set in matplotlib neither changes a picture nor
is changed by one.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray
from PIL import Image

from model.atomic_write import write_atomically

# Few steps, which the eye does not see, so that a whole figure keeps to 256 colours.
#: Red is positive and excites, blue is negative and inhibits: a pair that stays apart for
#: red-green blindness (Brewer, RdBu).
DIVERGING = matplotlib.colormaps["RdBu_r"].resampled(65)
#: Orange is lost, purple is gained: another pair that stays apart, not to be taken for signs.
LOST_OR_GAINED = matplotlib.colormaps["PuOr_r"].resampled(65)
EXCITES = "#b2182b"
INHIBITS = "#2166ac"
#: Shares of images: white to dark, lightness alone tells them apart.
SEQUENTIAL = matplotlib.colormaps["Greys"].resampled(33)
MISTAKES = matplotlib.colormaps["Oranges"].resampled(33)
#: Digits that a neuron fires for stand out by this, by lightness too, and by bold labels.
FIRES = "#d95f02"
QUIET = "#a3a9b0"
ZONE = "#fdf2cc"
NEVER_LIT = "#b4b4b4"
INK = "#1f2328"
FAINT = "#57606a"

#: Pixels per inch of every picture.
DPI = 150
#: Of a letter's size, the width of an average one in DejaVu Sans, plain and bold.
LETTER, BOLD_LETTER = 0.51, 0.57

STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 8.5,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "hatch.linewidth": 0.5,
    "pdf.fonttype": 42,
}


_holds: ContextVar[bool] = ContextVar("house_style", default=False)


@contextmanager
def house_style() -> Iterator[None]:
    """Hold matplotlib's defaults and the house style for a block or, as a decorator, a function."""
    if _holds.get():  # within another block: setting it again would take more time than drawing
        yield
        return
    token = _holds.set(True)
    try:
        with matplotlib.rc_context():
            matplotlib.rcdefaults()
            matplotlib.rcParams.update(STYLE)
            yield
    finally:
        _holds.reset(token)


@house_style()
def new_figure(width: float, height: float) -> Figure:
    """Make an empty figure.

    Parameters
    ----------
    width, height
        Inches.
    """
    return Figure(figsize=(width, height), dpi=DPI)


def inches(figure: Figure | SubFigure) -> tuple[float, float]:
    """Width and height of a figure, or of a part of one, in inches."""
    return figure.bbox.width / figure.dpi, figure.bbox.height / figure.dpi


def box(
    figure: Figure | SubFigure, left: float, top: float, width: float, height: float
) -> tuple[float, float, float, float]:
    """Turn a place in inches, measured from the top left corner, into what add_axes takes."""
    across, down = inches(figure)
    return left / across, 1 - (top + height) / down, width / across, height / down


def wrapped(text: str, width: float, size: float, letter: float = LETTER) -> str:
    """Break a text into lines.

    Parameters
    ----------
    width
        Inches that a line may take.
    size
        Of the letters, in points.
    letter
        Width of an average letter, as a share of its size.
    """
    letters = max(12, int(width * 72 / (size * letter)))
    return "\n".join(textwrap.wrap(text, letters, break_long_words=False))


def write_title(figure: Figure | SubFigure, title: str, subtitle: str = "") -> float:
    """Write what a figure shows across its top, the finding in bold, how to read it below.

    Returns
    -------
    The inches that it takes.
    """
    across, down = inches(figure)
    left = 0.15
    bold = wrapped(title, across - 2 * left, 11.5, BOLD_LETTER)
    figure.text(left / across, 1 - 0.14 / down, bold, size=11.5, weight="bold", va="top")
    top = 0.14 + 0.2 * len(bold.splitlines()) + 0.06
    plain = wrapped(subtitle, across - 2 * left, 8.5)
    figure.text(left / across, 1 - top / down, plain, size=8.5, color=FAINT, va="top")
    return top + 0.155 * len(plain.splitlines())


def write_footer(figure: Figure | SubFigure, note: str) -> None:
    """Write small print along the bottom: which model, which images."""
    across, down = inches(figure)
    figure.text(0.15 / across, 0.07 / down, note, size=7, color=FAINT, va="bottom")


@house_style()
def png_bytes(figure: Figure, dpi: int = DPI) -> bytes:
    """Render a figure as a PNG file that holds the picture and nothing else."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=dpi, pil_kwargs={"compress_level": 1})
    drawn = np.asarray(Image.open(file).convert("RGB"))
    file = io.BytesIO()
    indexed(drawn).save(file, format="png", optimize=True)
    return file.getvalue()


def indexed(picture: NDArray[np.uint8]) -> Image.Image:
    """Reduce a picture to its 256 most frequent colours, a third of the file.

    Areas keep their colours exactly; what is replaced by the nearest of them are blends at the
    edges of letters and lines.

    Parameters
    ----------
    picture
        (rows, columns, 3) red, green and blue.
    """
    packed = picture.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], dtype=np.uint32)
    colours, place, counts = np.unique(packed, return_inverse=True, return_counts=True)
    rgb = np.stack([colours >> 16, colours >> 8 & 255, colours & 255], axis=1).astype(np.int32)
    kept = rgb[np.argsort(-counts, kind="stable")[:256]]
    nearest = [np.argmin(np.square(kept - colour).sum(axis=1)) for colour in rgb]
    image = Image.fromarray(np.array(nearest, dtype=np.uint8)[place.reshape(packed.shape)])
    image.putpalette(kept.astype(np.uint8).tobytes())
    return image


def save_png(figure: Figure, path: Path, dpi: int = DPI) -> Path:
    """Write a figure as a PNG file and return its path; equal pictures are equal files.

    Raises
    ------
    OSError
        Where the file cannot be written.
    """
    return write_atomically(path, png_bytes(figure, dpi))


@house_style()
def save_pdf(figures: Iterable[Figure], path: Path, title: str) -> Path:
    """Write figures as the pages of one PDF file, without time stamps, and return its path.

    Raises
    ------
    OSError
        Where the file cannot be written.
    """
    stamps = {"CreationDate": None, "ModDate": None, "Producer": None, "Creator": None}
    file = io.BytesIO()
    from matplotlib.backends.backend_pdf import PdfPages  # only here: it loads a font library

    with PdfPages(file, metadata={**stamps, "Title": title}) as pages:
        for figure in figures:
            pages.savefig(figure, dpi=DPI)
    return write_atomically(path, file.getvalue())
