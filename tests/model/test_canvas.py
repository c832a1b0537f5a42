"""Files without time stamps, a style that is gone after drawing, and no global state."""

import struct
import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from model import canvas

MODEL = Path(canvas.__file__).parent


def drawing():
    figure = canvas.new_figure(2, 1.5)
    with canvas.house_style():
        axes = figure.add_axes((0.2, 0.2, 0.7, 0.6))
        axes.plot([0, 1, 2], [0, -1, 3])
        axes.set_title("a finding")
    return figure


def chunks(png):
    names, at = [], 8
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        names.append(png[at + 4 : at + 8].decode())
        at += 12 + length
    return names


def test_a_png_holds_the_picture_and_nothing_else():
    assert set(chunks(canvas.png_bytes(drawing()))) == {"IHDR", "PLTE", "IDAT", "IEND"}


def test_the_most_frequent_colours_stay_exact_and_the_others_become_their_nearest():
    picture = np.zeros((20, 30, 3), dtype=np.uint8)
    picture.reshape(-1, 3)[:512, 0] = np.arange(512) // 2  # 256 colours, two pixels of each
    picture[-1, -1] = (100, 3, 0)
    reduced = np.asarray(canvas.indexed(picture).convert("RGB"))
    assert tuple(reduced[-1, -1]) == (100, 0, 0)
    reduced = reduced.copy()
    reduced[-1, -1] = picture[-1, -1]
    np.testing.assert_array_equal(reduced, picture)


def test_equal_pictures_are_equal_files(tmp_path):
    one = canvas.save_png(drawing(), tmp_path / "one.png").read_bytes()
    assert one == canvas.save_png(drawing(), tmp_path / "two.png").read_bytes()
    other = drawing()
    other.axes[0].plot([0, 1], [1, 1])
    assert one != canvas.png_bytes(other)


def test_equal_pages_are_equal_pdf_files_without_dates(tmp_path):
    one = canvas.save_pdf([drawing(), drawing()], tmp_path / "one.pdf", "title").read_bytes()
    two = canvas.save_pdf([drawing(), drawing()], tmp_path / "two.pdf", "title").read_bytes()
    assert one == two
    assert one.startswith(b"%PDF-")
    assert b"/Count 2" in one
    assert b"Date" not in one


def test_what_the_user_set_in_matplotlib_neither_changes_a_picture_nor_is_changed():
    before = canvas.png_bytes(drawing())
    unusual = {
        "font.size": 20,
        "lines.linewidth": 9,
        "savefig.transparent": True,
        "axes.grid": True,
    }
    with matplotlib.rc_context(unusual):
        held = dict(matplotlib.rcParams)
        assert canvas.png_bytes(drawing()) == before
        assert dict(matplotlib.rcParams) == held


def test_neither_pyplot_nor_a_backend_is_chosen():
    code = (
        "import sys, model.sheets, matplotlib as m; "
        "assert 'matplotlib.pyplot' not in sys.modules; "
        "assert not isinstance(dict.__getitem__(m.rcParams, 'backend'), str)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=MODEL.parent, timeout=60)


@pytest.mark.parametrize("forbidden", ["pyplot", "matplotlib.use", "plt."])
def test_no_file_that_draws_speaks_of_global_figures(forbidden):
    for name in ("figures", "heatmaps", "sheets"):
        assert forbidden not in (MODEL / f"{name}.py").read_text()


def test_a_place_in_inches_is_measured_from_the_top_left():
    figure = canvas.new_figure(10, 5)
    assert canvas.box(figure, 1, 1, 5, 2) == pytest.approx((0.1, 0.4, 0.5, 0.4))
    assert canvas.inches(figure) == pytest.approx((10, 5))


def test_a_long_title_is_broken_within_the_figure():
    figure = canvas.new_figure(4, 2)
    with canvas.house_style():
        canvas.write_title(figure, "a finding of many words " * 5, "and how to read it " * 8)
        renderer = FigureCanvasAgg(figure).get_renderer()
        widths = [text.get_window_extent(renderer).x1 for text in figure.texts]
    assert max(widths) <= figure.bbox.width


def test_a_picture_that_cannot_be_written_is_an_error_of_the_system(tmp_path):
    with pytest.raises(OSError, match="the folder does not exist"):
        canvas.save_png(drawing(), tmp_path / "nowhere" / "a.png")
