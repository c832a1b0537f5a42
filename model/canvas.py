"""Where figures are drawn: one house style, one set of colours, and files without time stamps.

Only matplotlib's Figure objects are used, never pyplot, and the style holds while a figure is being
drawn or saved and is then gone: what the user has set in matplotlib neither changes a picture nor
is changed by one. Text is text: no `$` in a name is mathematics.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import textwrap
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# A backend that matplotlib does not know stops its import, though a Figure needs none.
_backend = "" if "matplotlib" in sys.modules else os.environ.pop("MPLBACKEND", "")
import matplotlib  # noqa: E402
import numpy as np  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from PIL import Image  # noqa: E402

from model.atomic_write import write_atomically  # noqa: E402

if _backend:
    os.environ["MPLBACKEND"] = _backend
    with contextlib.suppress(ValueError):  # one that it knows stays the user's choice
        matplotlib.rcParams["backend"] = _backend

# Few steps, which the eye does not see, so that a whole figure keeps to 256 colours.
#: Red is positive and excites, blue is negative and inhibits: a pair that stays apart for
#: red-green blindness (Brewer, RdBu).
DIVERGING = matplotlib.colormaps["RdBu_r"].resampled(65)
EXCITES = "#b2182b"
INHIBITS = "#2166ac"
#: Ink: white to dark, lightness alone tells the steps apart.
SEQUENTIAL = matplotlib.colormaps["Greys"].resampled(33)
#: Orange is what is lost without a neuron, and nothing else is orange.
LOST, LOST_PALE = "#e66101", "#fdb863"
#: What fires is dark, what is silent is pale.
FIRES, QUIET = "#3d444d", "#c3c8ce"
#: What was chosen among configurations.
CHOSEN = "#00707d"
ZONE = "#f0f1f3"
NEVER_LIT = "#b4b4b4"
INK = "#1f2328"
FAINT = "#57606a"

#: Pixels per inch of every picture: pages are 8 inches wide, so twice the 800 that a page shows.
DPI, WIDTH = 200, 8.0
#: Of a letter's size, the width of an average one in DejaVu Sans, plain and bold.
LETTER, BOLD_LETTER = 0.51, 0.57

STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans", "font.size": 8.5, "text.color": INK, "text.parse_math": False,
    "axes.titlesize": 9, "axes.titleweight": "bold", "axes.titlelocation": "left",
    "axes.labelsize": 8.5, "axes.labelcolor": INK, "axes.edgecolor": FAINT, "axes.linewidth": 0.7,
    "axes.spines.top": False, "axes.spines.right": False, "pdf.fonttype": 42,
    **{f"{axis}tick.labelsize": 8 for axis in "xy"},
    **{f"{axis}tick.color": INK for axis in "xy"},
    **{f"{axis}tick.major.width": 0.7 for axis in "xy"},
}  # fmt: skip


@contextmanager
def house_style() -> Iterator[None]:
    """Hold matplotlib's defaults and the house style for a block or, as a decorator, a function."""
    with matplotlib.rc_context(), warnings.catch_warnings():
        # A letter that the font lacks, of a name in Chinese for example, is drawn as a box.
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        yield


def new_figure(width: float, height: float) -> Figure:
    """Make an empty figure of that many inches."""
    if int(height * DPI) < round(height * DPI):  # matplotlib 3.9 would cut off a row of pixels
        height = (round(height * DPI) + 0.01) / DPI
    return Figure(figsize=(width, height), dpi=DPI)


def panel(
    figure: Figure, left: float, top: float, width: float, height: float, **shared: Any
) -> Axes:
    """Make axes at a place in inches, measured from the top left corner."""
    across, down = figure.get_size_inches()
    place = left / across, 1 - (top + height) / down, width / across, height / down
    return figure.add_axes(place, **shared)


def write(figure: Figure, left: float, top: float, words: str, **style: Any) -> None:
    """Write words at a place in inches from the top left corner."""
    across, down = figure.get_size_inches()
    figure.text(left / across, 1 - top / down, words, **{"va": "top", **style})


def wrapped(text: str, width: float, size: float, letter: float = LETTER) -> str:
    """Break a text into lines of so many inches, in letters of so many points."""
    letters = max(12, int(width * 72 / (size * letter)))
    return "\n".join(textwrap.wrap(text, letters, break_long_words=False))


def write_title(figure: Figure, title: str, subtitle: str = "", top: float = 0.0) -> float:
    """Write the finding in bold, how to read it below; return the inches down to their end."""
    left, width = 0.15, figure.get_size_inches()[0] - 0.3
    bold = wrapped(title, width, 11.5, BOLD_LETTER)
    write(figure, left, top + 0.14, bold, size=11.5, weight="bold")
    top += 0.14 + 0.2 * len(bold.splitlines()) + 0.06
    plain = wrapped(subtitle, width, 8.5)
    write(figure, left, top, plain, size=8.5, color=FAINT)
    return top + 0.155 * len(plain.splitlines())


def write_footer(figure: Figure, note: str) -> None:
    """Write small print along the bottom: which model, which images."""
    down = figure.get_size_inches()[1]
    write(figure, 0.15, down - 0.07, note, size=7, color=FAINT, va="bottom")


@house_style()
def png_bytes(figure: Figure) -> bytes:
    """Render a figure as a PNG file that holds the picture and nothing else; equal if it is."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=DPI, pil_kwargs={"compress_level": 1})
    drawn = np.asarray(Image.open(file).convert("RGB"))
    file = io.BytesIO()
    indexed(drawn).save(file, format="png", optimize=True)
    return file.getvalue()


def exact_colours() -> NDArray[np.uint32]:
    """Colours that mean something, packed: those of the scales, and the lost ones."""
    scales = [scale(np.arange(scale.N), bytes=True) for scale in (DIVERGING, SEQUENTIAL)]
    others = matplotlib.colors.to_rgba_array([LOST, LOST_PALE, EXCITES, INHIBITS, INK, FAINT])
    return packed(np.concatenate([*scales, np.rint(255 * others).astype(np.uint8)])[:, :3])


def packed(rgb: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """(..., 3) red, green, blue as one number."""
    return rgb.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], dtype=np.uint32)


def indexed(picture: NDArray[np.uint8]) -> Image.Image:
    """Reduce (rows, columns, 3) red, green, blue to 256 colours: a third of the file.

    Colours that mean something and the most frequent ones stay exact; what is replaced by the
    nearest of them are blends at the edges of letters and lines.
    """
    colours, place, counts = np.unique(packed(picture), return_inverse=True, return_counts=True)
    rgb = np.stack([colours >> 16, colours >> 8 & 255, colours & 255], axis=1).astype(np.int32)
    counts[np.isin(colours, exact_colours())] += picture.size
    kept = rgb[np.argsort(-counts, kind="stable")[:256]]
    nearest = [np.argmin(np.square(kept - colour).sum(axis=1)) for colour in rgb]
    image = Image.fromarray(np.array(nearest, dtype=np.uint8)[place.reshape(picture.shape[:2])])
    image.putpalette(kept.astype(np.uint8).tobytes())
    return image


def save_png(figure: Figure, path: Path) -> Path:
    """Write a figure as a PNG file and return its path; equal pictures are equal files."""
    return write_atomically(path, png_bytes(figure))


@house_style()
def save_pdf(figures: Iterable[Figure], path: Path, title: str) -> Path:
    """Write figures as the pages of one PDF file, without time stamps, and return its path."""
    stamps = {"CreationDate": None, "ModDate": None, "Producer": None, "Creator": None}
    file = io.BytesIO()
    from matplotlib.backends.backend_pdf import PdfPages  # only here: it loads a font library

    with PdfPages(file, metadata={**stamps, "Title": title}) as pages:
        for figure in figures:
            pages.savefig(figure, dpi=DPI)
    return write_atomically(path, file.getvalue())
