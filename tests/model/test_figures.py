"""Every figure and page: for any number of neurons, dead and constant ones, and what is unknown."""

import io
import os
import struct
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from model import canvas, figures, pages, words
from model.canvas import house_style, new_figure, png_bytes

HIDDEN = [1, 2, 20, 100]
OF_A_NEURON = {
    "z": figures.draw_z_by_digit,
    "selectivity": figures.draw_class_selectivity,
    "auroc": figures.draw_auroc,
    "output": figures.draw_output_weights,
    "lost": figures.draw_recall_lost,
}
OF_THE_LAYER = {
    "rates": figures.draw_firing_rates,
    "pushes": figures.draw_pushes,
    "losses": figures.draw_losses,
    "confusion": figures.draw_confusion,
}


def drawn(draw, *args, **kwargs):
    """The Axes that something was drawn on."""
    with house_style():
        axes = new_figure(4, 3).add_axes((0.3, 0.2, 0.6, 0.6))
        draw(axes, *args, **kwargs)
    return axes


def title(axes):
    return axes.get_title("left")


def told(figure):
    """All words on a figure."""
    parts = [text.get_text() for text in figure.texts]
    parts += [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    for axes in figure.axes:
        parts += [title(axes), *(text.get_text() for text in axes.texts)]
    return " ".join(parts).replace("\n", " ")


def overlapping(figure):
    """Pairs of panel titles that are drawn over each other, and those that leave the page."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    texts = figure.findobj(lambda artist: hasattr(artist, "get_text"))
    titles = [t for t in texts if t.get_text() in {title(axes) for axes in figure.axes} - {""}]
    boxes = [t.get_window_extent(renderer) for t in titles]
    pairs = [(a, b) for n, a in enumerate(boxes) for b in boxes[n + 1 :] if a.overlaps(b)]
    return pairs + [box for box in boxes if box.x1 > figure.bbox.width or box.x0 < 0]


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


# --- One neuron and the layer ----------------------------------------------------------------


@pytest.mark.parametrize("draw", OF_A_NEURON.values(), ids=OF_A_NEURON)
@pytest.mark.parametrize(("hidden", "digits"), [(1, 10), (3, 10), (100, 10), (3, 7)])
def test_a_neuron_is_drawn_whatever_it_does(records_of, draw, hidden, digits):
    records = records_of(hidden, digits=digits)
    for n in range(min(hidden, 3)):  # for 6, dead, constant
        axes = drawn(draw, records, n)
        assert title(axes)
        assert png_bytes(axes.figure, dpi=40)


@pytest.mark.parametrize("draw", OF_THE_LAYER.values(), ids=OF_THE_LAYER)
@pytest.mark.parametrize("hidden", HIDDEN)
def test_a_layer_is_drawn_whatever_its_size(records_of, draw, hidden):
    axes = drawn(draw, records_of(hidden))
    assert png_bytes(axes.figure, dpi=40)


def test_what_is_missing_is_said(records_of):
    assert told(drawn(figures.draw_z_by_digit, records_of(3, digits=7), 0).figure).count(
        " no images"
    ) == len("789")
    unknown = records_of(2, ablated=False)
    for draw in (figures.draw_losses, figures.draw_confusion):
        assert "not measured" in told(drawn(draw, unknown).figure)
    assert title(drawn(figures.draw_recall_lost, unknown, 0)) == "Without it: not measured"
    assert "start unknown" in told(drawn(figures.draw_heatmap, None, 1.0, None).figure)


def test_small_multiples_share_their_axes(records_of):
    records = records_of(4)
    for draw in (figures.draw_z_by_digit, figures.draw_output_weights, figures.draw_recall_lost):
        ranges = {(a.get_xlim(), a.get_ylim()) for a in (drawn(draw, records, n) for n in range(4))}
        assert len(ranges) == 1
    limits = drawn(figures.draw_z_by_digit, records, 0).get_xlim()
    assert limits == (records.z_edges[0], records.z_edges[-1])


def test_the_digits_it_fires_for_stand_out_by_colour_and_by_weight(records_of):
    axes = drawn(figures.draw_class_selectivity, records_of(3), 0)
    assert [t.get_text() for t in axes.get_xticklabels() if t.get_weight() == "bold"] == ["6"]
    shapes = drawn(figures.draw_z_by_digit, records_of(3), 0).collections
    for colours in (
        [bar.get_facecolor() for bar in axes.patches],
        [tuple(shape.get_facecolor()[0]) for shape in shapes],
    ):
        assert len(colours) == 10
        assert [digit for digit in range(10) if colours.count(colours[digit]) == 1] == [6]


def test_bars_are_as_high_as_the_records_say(records_of):
    records = records_of(3)
    bars = drawn(figures.draw_recall_lost, records, 0).patches
    lost = 100 * records.needed_for.recall_lost[0]
    np.testing.assert_array_equal([bar.get_height() for bar in bars], lost)
    bars = drawn(figures.draw_auroc, records, 0).patches
    tops = [bar.get_y() + bar.get_height() for bar in bars]
    np.testing.assert_allclose(tops, records.auroc[0])
    for bar in drawn(figures.draw_output_weights, records, 0).patches:
        red, _, blue, _ = bar.get_facecolor()
        assert (red > blue) == (bar.get_height() > 0)


def test_titles_say_what_the_records_hold(records_of):
    records = records_of(3)
    lost = 100 * records.needed_for.recall_lost[0, 6]
    rate = words.percent(records.firing_rate_all[0])
    for n, draw, expected in (
        (0, figures.draw_recall_lost, f"Without it 6 loses {lost:.0f} points"),
        (1, figures.draw_recall_lost, "Without it no digit loses a point"),
        (0, figures.draw_z_by_digit, f"It fires on {rate} of all images, most on 6 (100 %)"),
        (1, figures.draw_z_by_digit, "It fires on 0 % of all images"),
        (0, figures.draw_auroc, "z tells 6 best: AUROC 1.00"),
        (0, figures.draw_class_selectivity, "Class selectivity 1.00, for 6"),
        (2, figures.draw_class_selectivity, "Class selectivity 0.00"),
    ):
        assert title(drawn(draw, records, n)) == expected
    alone = drawn(figures.draw_auroc, records_of(3, digits=1), 0)
    assert title(alone) == "There is one digit alone: no AUROC"


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ([1, -2, 0], "To 0 (+1.0), away from 1 (−2.0)"),
        ([1, 2, 3], "Towards all, most 2 (+3.0)"),
        ([-1, -2, -3], "Away from all, most 2 (−3.0)"),
    ],
)
def test_what_it_pushes_towards_follows_the_signs(records_of, weights, expected):
    weights = np.tile(np.array(weights + [weights[-1]] * 7, float), (3, 1))
    weights[:, 3:] *= 0.5
    records = replace(records_of(3), output_weights=weights)
    assert title(drawn(figures.draw_output_weights, records, 0)) == expected
    deeper = drawn(figures.draw_output_weights, records_of(sizes=(784, 4, 7, 10)), 0)
    assert deeper.get_xlabel() == "neuron of the next layer"
    assert len(deeper.patches) == 7
    assert "neuron " in title(deeper)


def test_the_rows_of_a_matrix_are_the_neurons_by_role(records_of):
    records = records_of(20)
    axes = drawn(figures.draw_firing_rates, records)
    assert [t.get_text() for t in axes.get_yticklabels()] == [str(n) for n in records.by_role]
    expected = 100 * records.firing_rate[records.by_role]
    np.testing.assert_array_equal(axes.images[0].get_array(), expected)
    for hidden, numbers in ((20, 200), (100, 0)):
        assert len(drawn(figures.draw_firing_rates, records_of(hidden), False).texts) == numbers


def test_the_accuracy_is_drawn_for_every_epoch():
    axes = drawn(figures.draw_accuracy, [50, 80, 75], 100, "validation")
    np.testing.assert_array_equal(axes.lines[0].get_xydata(), [[1, 50], [2, 80], [3, 75]])
    assert title(axes) == "75.00 % after 3 epochs (best 80.00 %)"
    assert title(drawn(figures.draw_accuracy, [50], 100, "")) == "50.00 % after one epoch"


def test_the_confusion_matrix_holds_every_count(records_of):
    records = records_of(3)
    counts = [text.get_text() for text in drawn(figures.draw_confusion, records).texts]
    assert counts == [f"{count or ''}" for count in records.confusion.ravel()]


@pytest.mark.parametrize(("number", "expected"), [(-0.4, "0"), (-1.2, "−1"), (2.6, "3")])
def test_whole_numbers_have_a_true_minus_and_no_minus_zero(number, expected):
    assert figures.whole(number) == expected


# --- Heatmaps --------------------------------------------------------------------------------


def square_of(values, never_lit=None):
    figure = new_figure(1, 1)
    figures.draw_heatmap(figure.add_axes((0, 0, 1, 1)), values.ravel(), 1.0, never_lit)
    return pixels(png_bytes(figure, dpi=56))  # a pixel is 2 by 2


def test_red_is_positive_blue_is_negative_and_the_first_pixel_is_top_left():
    values = np.zeros((28, 28))
    values[1, 20], values[14, 21] = 1, -1
    picture = square_of(values)
    redder = picture[..., 0] - picture[..., 2]
    assert redder[3, 41] > 60
    assert redder[29, 43] < -60
    assert abs(redder[40, 40]) < 3


def test_never_lit_pixels_are_grey_whatever_their_weight():
    mask = np.zeros((28, 28), dtype=bool)
    mask[14] = True
    picture = square_of(np.ones(784), mask.ravel())
    assert np.ptp(picture[29, 29]) < 3
    assert 150 < picture[29, 29].mean() < 210
    assert picture[25, 29, 0] > picture[25, 29, 2] + 60


def test_the_scale_leaves_out_what_is_not_drawn_and_is_never_empty():
    values, mask = np.ones((1, 784)), np.arange(784) < 10
    values[:, :10] = 1000
    assert figures.colour_limit(values, mask) == 1
    assert figures.colour_limit(np.zeros((1, 784)), None) == 1
    assert figures.colour_limit(values, np.ones(784, dtype=bool)) == 1


@pytest.mark.parametrize("draw", [pages.weights, pages.change])
@pytest.mark.parametrize("hidden", HIDDEN)
def test_every_neuron_is_drawn_on_one_symmetric_scale(records_of, draw, hidden):
    picture = draw(records_of(hidden), "the small print")
    *maps, bar = picture.figure.axes
    ((low, high),) = {(i.norm.vmin, i.norm.vmax) for axes in maps for i in axes.images[:1]}
    assert low == -high < 0
    assert len(maps) == hidden
    shown = told(picture.figure)
    for part in ("the small print", picture.caption.rstrip("."), "the largest, beyond", "grey: "):
        assert part in shown
    assert {text.get_text()[:4] for text in bar.texts} == {"blue", "red:"}
    assert png_bytes(picture.figure, dpi=40)


def test_grids_say_what_they_can(records_of):
    records = records_of(20)
    moved = np.linalg.norm(records.change, axis=1)
    most, least = moved.argmax(), moved.argmin()
    caption = f"Training changed neuron {most} most and neuron {least} least."
    assert pages.change(records).caption == caption
    assert figures.never_lit_legend(records).endswith("56 pixels that no training image lights")
    unknown = pages.change(records_of(2, start=False, never_lit=False)).figure
    assert len(unknown.axes) == 2
    assert "not known: the start" in told(unknown)
    assert figures.never_lit_legend(records_of(2, never_lit=False)) == ""
    assert (figures.grid_shape(20), figures.grid_shape(100)) == ((4, 5), (10, 10))
    with pytest.raises(ValueError, match="expected 784 inputs, one for each of the 28 by 28"):
        figures.check_pixels((100, 20, 10))


def test_ranked_images_carry_their_digit_and_z(records_of, images):
    ranking = records_of(3).highest
    axes = drawn(figures.draw_ranked, ranking, 0, images, indices=True)
    assert len(axes.images) == len(axes.texts) == 8
    for place, index in enumerate(ranking.indices[0]):
        np.testing.assert_array_equal(axes.images[place].get_array().ravel(), images[index])
        expected = f"{ranking.labels[0, place]} · z {ranking.zs[0, place]:.0f}\nimage {index}"
        assert axes.texts[place].get_text() == expected
    assert figures.ranked_title(ranking, 0, "Largest z") == "Largest z: all 8 show 6"
    mixed = figures.Ranking(*[np.array([[8, 3, 8, 5, 8, 7, 8, 8]])] * 4)
    assert figures.ranked_title(mixed, 0, "Largest z") == "Largest z: 8 (5 of 8), 3, 5, 7"


# --- Pages -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("hidden", "numbers"), [(1, [0]), (3, [0, 1, 2]), (100, [99])])
def test_a_sheet_tells_the_whole_story_of_any_neuron(records_of, images, hidden, numbers):
    records = records_of(hidden)
    for n in numbers:  # of 3: for 6, dead, constant
        for draw, panels in ((pages.sheet, 11), (pages.activations, 4)):
            picture = draw(records, n, images, "the small print")
            assert len(picture.figure.axes) == panels
            for part in (words.title(records, n), words.role_line(records, n), "the small print"):
                assert part in told(picture.figure)
            assert picture.caption == words.title(records, n) + "."
            assert not overlapping(picture.figure)
        assert " ".join(words.story(records, n)[1:]) in told(pages.sheet(records, n, images).figure)
        assert pages.distribution(records, n).png()


def test_a_sheet_is_drawn_where_little_is_known(records_of, images):
    little = {"start": False, "ablated": False, "never_lit": False}
    shown = told(pages.sheet(records_of(3, **little), 0, images).figure)
    assert "What training changed: not known" in shown
    assert "Without it: not measured" in shown
    deeper = pages.sheet(records_of(sizes=(784, 4, 7, 10)), 3, images).figure
    assert "the first of the 2 hidden layers" in told(deeper)
    assert not overlapping(deeper)
    for n in (-1, 3):
        with pytest.raises(
            ValueError, match=f"^neuron: expected a number from 0 to 2, received {n};"
        ):
            pages.sheet(records_of(3), n, images)


@pytest.mark.parametrize("hidden", [1, 20])
def test_the_layer_is_shown_in_five_pictures(records_of, hidden):
    pictures = list(pages.layer_pictures(records_of(hidden), [90, 95], 100, "note"))
    names = ["weights.png", "change.png", "answers.png", "firing-rates.png", "run.png"]
    assert [picture.file for picture in pictures] == names
    for picture in pictures:
        assert picture.caption.rstrip(".") in told(picture.figure)
        assert not overlapping(picture.figure)
    assert len(pages.run(records_of(2), [], 0).figure.axes) == 1
    assert pages.three_answers(records_of(1)).caption == (
        "Neuron 0 is not needed most for a digit that it does not fire for."
    )
    assert pages.firing_rates(records_of(3)).caption == (
        "Of 3 hidden neurons, 1 is class-selective and 2 idle."
    )
    assert pages.run(records_of(3), [], 0).caption.startswith(
        f"{records_of(3).correct} of 120 images are recognised; the most frequent mistake is a "
    )


def test_the_words_of_the_report_fit_their_page(records_of):
    records = records_of(20)
    title, table = "a title of many words " * 9, words.table(records_of(100))
    made = type("Made", (), {"metadata": {"epochs": 30, "mini_batch_size": 10, "eta": 3.0}})
    for figure in (
        pages.text_page(title, words.sections(made, records), "the small print"),
        pages.table_page(title, table, "the small print"),
    ):
        renderer = FigureCanvasAgg(figure).get_renderer()
        boxes = [text.get_window_extent(renderer) for text in figure.texts if text.get_text()]
        assert min(box.y0 for box in boxes) >= 0
        assert max(box.x1 for box in boxes) <= figure.bbox.width
        assert not [(a, b) for a, b in pairwise(boxes) if a.overlaps(b)]


# --- The canvas ------------------------------------------------------------------------------


def drawing(words="a finding"):
    axes = drawn(lambda axes: axes.set_title(words))
    axes.plot([0, 1, 2], [0, -1, 3])
    return axes.figure


def test_files_hold_the_picture_and_no_time(tmp_path):
    png, names, at = png_bytes(drawing()), set(), 8
    while at < len(png):
        names.add(png[at + 4 : at + 8].decode())
        at += 12 + struct.unpack(">I", png[at : at + 4])[0]
    assert names == {"IHDR", "PLTE", "IDAT", "IEND"}
    assert canvas.save_png(drawing(), tmp_path / "a.png").read_bytes() == png
    one, two = (
        canvas.save_pdf([drawing()] * 2, tmp_path / f"{n}.pdf", "t").read_bytes() for n in "12"
    )
    assert one == two
    assert b"/Count 2" in one
    assert b"Date" not in one
    with pytest.raises(OSError, match="the folder does not exist"):
        canvas.save_png(drawing(), tmp_path / "nowhere" / "a.png")


def test_the_most_frequent_colours_stay_exact_and_the_others_become_their_nearest():
    picture = np.zeros((20, 30, 3), dtype=np.uint8)
    picture.reshape(-1, 3)[:512, 0] = np.arange(512) // 2  # 256 colours, two pixels of each
    picture[-1, -1] = (100, 3, 0)
    reduced = np.array(canvas.indexed(picture).convert("RGB"))
    assert tuple(reduced[-1, -1]) == (100, 0, 0)
    np.testing.assert_array_equal(reduced.reshape(-1, 3)[:-1], picture.reshape(-1, 3)[:-1])


def test_what_the_user_set_in_matplotlib_neither_changes_a_picture_nor_is_changed():
    before = png_bytes(drawing())
    unusual = {"font.size": 20, "axes.grid": True, "savefig.transparent": True}
    with matplotlib.rc_context(unusual):
        held = dict(matplotlib.rcParams)
        assert png_bytes(drawing()) == before
        assert dict(matplotlib.rcParams) == held


@pytest.mark.parametrize("backend", [None, "nonsense", "svg"])
@pytest.mark.parametrize("module", ["figures", "tuning_figure"])
def test_no_backend_is_chosen_and_none_stops_the_drawing(module, backend):
    environment = {k: v for k, v in os.environ.items() if k != "MPLBACKEND"}
    environment |= {"MPLBACKEND": backend} if backend else {}
    code = (
        f"import os, sys, model.{module}, model.canvas as c, matplotlib as m\n"
        "assert c.png_bytes(c.new_figure(1, 1)) and 'matplotlib.pyplot' not in sys.modules\n"
        "known = dict.__getitem__(m.rcParams, 'backend')\n"
        "print(os.environ.get('MPLBACKEND'), known if isinstance(known, str) else None)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        cwd=Path(canvas.__file__).parent.parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.stdout == f"{backend} {'svg' if backend == 'svg' else None}\n", run.stderr


def test_names_are_drawn_letter_by_letter_whatever_they_are(records_of, images):
    odd = {"0": "$\\frac{$", "1": "a$x^2$b", "2": "\x1b[1m\udcff\n糖"}
    records = records_of(3, neuron_names=odd)
    for n in range(3):
        sheet = pages.sheet(records, n, images, words.note(records, "test", "$\\a$\udcff", "", ""))
        assert png_bytes(sheet.figure, dpi=40)
        assert records.names[n] in told(sheet.figure)
    assert [png_bytes(p.figure, dpi=40) for p in pages.layer_pictures(records, [1], 2)]
    with house_style():
        renderer = FigureCanvasAgg(figure := new_figure(4, 1)).get_renderer()
        plain, power = (figure.text(0, 0, f"a{s}x^2{s}b") for s in ("", "$"))
        widths = [text.get_window_extent(renderer).width for text in (plain, power)]
    assert widths[1] > widths[0]  # as mathematics the dollars would be gone
