"""Every figure and page: for any number of neurons, dead and constant ones, and what is unknown.

What they show of the shipped network, pixel by pixel: tests/test_shipped.py.
"""

import os
import re
import struct
import subprocess
import sys
from itertools import combinations, pairwise

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from numpy.testing import assert_array_equal

from model import canvas, figures, pages, words
from model.canvas import house_style, new_figure, png_bytes
from model.figures import draw_neuron
from model.parameters import Parameters
from reference.network import Network
from tests.conftest import CHECKOUT
from tests.model.conftest import but

NOTE = "the small print"


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
    for axes in figure.axes:
        parts += [title(axes), *(text.get_text() for text in axes.texts)]
    return " ".join(parts).replace("\n", " ")


def boxes(figure, texts):
    renderer = FigureCanvasAgg(figure).get_renderer()
    return [text.get_window_extent(renderer) for text in texts]


def overlapping(figure):
    """Pairs of panel titles that are drawn over each other, and those that leave the page."""
    texts = figure.findobj(lambda artist: hasattr(artist, "get_text"))
    names = {title(axes) for axes in figure.axes} - {""}
    found = boxes(figure, [text for text in texts if text.get_text() in names])
    pairs = [(a, b) for a, b in combinations(found, 2) if a.overlaps(b)]
    return pairs + [box for box in found if box.x1 > figure.bbox.width or box.x0 < 0]


def test_what_is_missing_is_said(records_of):
    seven = drawn(figures.draw_z_by_digit, records_of(3, digits=7), 0)
    assert told(seven.figure).count(" no images") == len("789")
    assert [name for name, _ in figures.heatmaps(records_of(2, start=False), 0)] == ["weights"]


def test_the_digits_it_fires_for_stand_out_by_colour_and_by_weight(records_of):
    axes = drawn(figures.draw_class_selectivity, records_of(3), 0)
    assert [t.get_text() for t in axes.get_xticklabels() if t.get_weight() == "bold"] == ["6"]
    colours = [bar.get_facecolor() for bar in axes.patches]
    assert [digit for digit in range(10) if colours.count(colours[digit]) == 1] == [6]
    expected = "Selectivity 1.00 (1.00 to 1.00), for 6", "Selectivity 0.00 (0.00 to 0.00)"
    for n, said in zip((0, 2), expected, strict=True):
        assert title(drawn(figures.draw_class_selectivity, records_of(3), n)) == said


def test_titles_say_how_a_run_ended_and_digits_of_one_rate_stand_apart():
    for correct, said in (
        ([50, 80, 75], "75.00 % after 3 epochs (best 80.00 %)"), ([50], "50.00 % after one epoch"),
    ):  # fmt: skip
        assert title(drawn(figures.draw_accuracy, correct, 100, "validation")) == said
    for count in (2, 10):
        apart = figures._apart(np.full(count, 6.0), 0.36)
        assert np.diff(apart).min() > 0.34
        assert apart.max() <= 6.6
    assert_array_equal(figures._apart(np.array([-3.0, 0, 3]), 0.36), [-3, 0, 3])


def test_a_weight_that_is_grey_is_not_said_to_be_beyond_the_colours(records_of):
    records = records_of(3)
    for maps in (figures.heatmaps(records, 0), figures.heatmaps(records_of(3, start=False), 0)):
        assert not any(values[records.never_lit].any() for _, values in maps)
        assert all(values[~records.never_lit].all() for _, values in maps)
    largest = max(np.abs(values).max() for _, values in maps)
    assert figures.beyond(maps, largest - 1e-9)
    assert not figures.beyond(maps, largest)


def test_a_neuron_of_anything_that_holds_a_network_is_drawn_on_the_users_axes(tmp_path):
    network = Network([784, 3, 10])
    parameters = Parameters(network.sizes, *network.export(), {"neuron_names": {"1": "a $b$"}})
    parameters.save(tmp_path / "a.json")
    for model, name in ((parameters, "1 a $b$"), (network, "1"), (tmp_path / "a.json", "1 a $b$")):
        axes = new_figure(1, 1).add_subplot()
        assert draw_neuron(1, model, ax=axes) is axes
        assert_array_equal(axes.images[0].get_array().ravel(), network.weights[0][1])
        assert axes.get_title() == name
        assert not axes.title.get_parse_math()
        with pytest.raises(ValueError, match="expected a number from 0 to 2, received 3"):
            draw_neuron(3, model, ax=axes)
    with pytest.raises(ValueError, match="expected 784 inputs, one for each of the 28 by 28"):
        draw_neuron(0, Network([100, 20, 10]), ax=axes)


def test_the_scale_leaves_out_a_single_weight_and_what_is_not_drawn_and_is_never_empty():
    values, mask = np.ones((1, 784)), np.arange(784) < 10
    values[:, :10], values[:, 400] = 1000, 50
    assert figures.colour_limit(values, mask) == 1
    assert figures.colour_limit(np.zeros((1, 784)), mask) == 1
    assert figures.colour_limit(values, np.ones(784, dtype=bool)) == 1


def test_images_carry_their_digit_and_z(records_of, images):
    records = records_of(3)
    axes = drawn(figures.draw_ranked, records, 0, images)
    assert len(axes.images) == len(axes.texts) == 8
    for place, index in enumerate(records.highest[0]):
        assert_array_equal(axes.images[place].get_array().ravel(), images[index])
    assert figures.ranked_title(records, 0) == "Largest z: all 8 show 6"
    odd = but(
        records,
        z=np.array([[-0.4, -1.2, *[2.6] * 118]]),
        labels=np.array([3, 5, 7, *[8] * 117]),
        highest=np.array([[9, 0, 8, 1, 7, 2, 6, 5]]),
    )
    assert figures.ranked_title(odd, 0) == "Largest z: 8 (5 of 8), 3, 5, 7"
    texts = [text.get_text() for text in drawn(figures.draw_ranked, odd, 0, images).texts]
    assert texts[:2] == ["8 · z 3\nimage 9", "3 · z 0\nimage 0"]
    assert texts[3] == "5 · z −1\nimage 1"


@pytest.mark.parametrize(
    "layer",
    [
        {"hidden": 1},
        {"hidden": 3},
        {"hidden": 20, "start": False},
        {"hidden": 4, "sizes": (784, 4, 7, 10)},
    ],
    ids=str,
)
def test_every_picture_of_any_layer_says_what_it_shows_on_its_page(records_of, images, layer):
    records = records_of(**layer)
    pictures = [pages.firing_rates(records, NOTE), pages.weights(records, NOTE)]
    pictures += [pages.run(records, [90, 95], 100, NOTE), pages.run(records, [], 0, NOTE)]
    if records.to_digits:
        on_it = np.linspace(0, 1, records.hidden)
        pictures.append(pages.path(records, np.zeros(784), 7, on_it, NOTE))
    expected = {picture: [picture.caption.rstrip(".")] for picture in pictures}
    maps = len(figures.heatmaps(records, 0))
    for n in range(min(records.hidden, 4)):  # for 6, dead, constant, any other
        both = int((records.divided[n] >= 0).any(axis=-1).all(axis=-1).sum())
        for draw, panels in ((pages.sheet, maps + 5 + both), (pages.activations, 3)):
            picture = draw(records, n, images, NOTE)
            assert len(picture.figure.axes) == panels
            assert picture.caption == words.title(records, n) + "."
            expected[picture] = [words.fires(records, n), words.role_line(records, n)]
    for picture, parts in expected.items():
        said = told(picture.figure)
        assert [part for part in (*parts, NOTE) if part not in said] == []
        assert not overlapping(picture.figure)
        assert picture.figure.get_figwidth() == canvas.WIDTH


def test_a_sheet_is_drawn_where_little_is_known(records_of, images):
    picture = pages.sheet(records_of(3, start=False), 0, images)
    assert [axes for axes in picture.figure.axes if title(axes) == "weights"]
    assert "Every digit is on one side alone." in told(picture.figure)
    deeper = pages.sheet(records_of(4, (784, 4, 7, 10)), 2, images).figure
    assert "Weights to the next layer" in told(deeper)


@pytest.mark.parametrize(("hidden", "start"), [(1, True), (20, False)])
def test_heatmaps_have_one_symmetric_scale(records_of, hidden, start):
    weights = pages.weights(records_of(hidden, start=start)).figure
    *maps, bar = weights.axes
    ((low, high),) = {(i.norm.vmin, i.norm.vmax) for axes in maps for i in axes.images[:1]}
    assert low == -high < 0
    assert len(maps) == hidden * (3 if start else 1)
    assert {text.get_text()[:4] for text in bar.texts} == {"blue", "red:"}
    assert "grey: the 56 pixels that no training image lights" in told(weights)


def test_a_run_names_the_most_frequent_confusion(records_of):
    caption = pages.run(records_of(3), [], 0).caption
    many = f"{records_of(3).correct} of 120 images are recognised; most often "
    assert re.fullmatch(rf"{many}(\d) is read as (?!\1)\d \(\d+\)\.", caption)


def test_the_words_of_the_report_and_a_long_title_fit_their_page(records_of):
    made = type("Made", (), {"metadata": {"epochs": 30, "mini_batch_size": 10, "eta": 3.0}})
    figure = pages.text_page("A title", words.sections(made, records_of(20)), "the small print")
    found = boxes(figure, [text for text in figure.texts if text.get_text()])
    assert all(box.y0 >= 0 and box.x1 <= figure.bbox.width for box in found)
    assert not [(a, b) for a, b in pairwise(found) if a.overlaps(b)]
    figure = new_figure(4, 2)
    with house_style():
        canvas.write_title(figure, "a finding of many words " * 5, "and how to read it " * 8)
        assert max(box.x1 for box in boxes(figure, figure.texts)) <= figure.bbox.width


def drawing(words="a finding"):
    axes = drawn(lambda axes: axes.set_title(words))
    axes.plot([0, 1, 2], [0, -1, 3])
    return axes.figure


def test_files_hold_the_picture_and_no_time_whatever_the_user_set_in_matplotlib(tmp_path):
    png, names, at = png_bytes(drawing()), set(), 8
    while at < len(png):
        names.add(png[at + 4 : at + 8].decode())
        at += 12 + struct.unpack(">I", png[at : at + 4])[0]
    assert names == {"IHDR", "PLTE", "IDAT", "IEND"}
    with matplotlib.rc_context({"font.size": 20, "axes.grid": True, "savefig.transparent": True}):
        held = dict(matplotlib.rcParams)
        assert canvas.save_png(drawing(), tmp_path / "a.png").read_bytes() == png
        assert dict(matplotlib.rcParams) == held
    one, two = (
        canvas.save_pdf([drawing()] * 2, tmp_path / f"{n}.pdf", "t").read_bytes() for n in "12"
    )
    assert one == two
    assert (b"/Count 2" in one, b"Date" in one) == (True, False)


def test_frequent_colours_and_those_that_mean_something_stay_exact_others_become_their_nearest():
    picture = np.zeros((20, 30, 3), dtype=np.uint8)
    flat = picture.reshape(-1, 3)
    flat[:512, 0] = np.arange(512) // 4  # 256 colours, two pixels of each
    flat[:512, 1] = np.arange(512) // 2 % 2 * 255
    flat[-1] = (100, 250, 3)
    reduced = np.array(canvas.indexed(picture).convert("RGB")).reshape(-1, 3)
    assert tuple(reduced[-1]) == (100, 255, 0)
    assert_array_equal(reduced[:-1], flat[:-1])
    meant, picture = canvas.exact_colours(), np.zeros((60, 60, 3), dtype=np.uint8)
    flat = picture.reshape(-1, 3)
    flat[:, 1] = np.arange(3600) % 240  # frequent greens, more than are kept
    flat[1800:, 0] = 7
    flat[: len(meant)] = np.stack([meant >> 16, meant >> 8 & 255, meant & 255], axis=1)
    kept = np.array(canvas.indexed(picture).convert("RGB"))
    assert_array_equal(canvas.packed(kept).ravel()[: len(meant)], meant)
    assert len(np.unique(canvas.packed(picture))) > 256 > len(np.unique(meant)) > 90


@pytest.mark.parametrize(("module", "backend"), [("figures", "nonsense"), ("atlas", "svg")])
def test_no_backend_is_chosen_and_none_stops_the_drawing(module, backend):
    environment = os.environ | {"MPLBACKEND": backend}
    code = (
        f"import os, sys, model.{module}, model.canvas as c, matplotlib as m\n"
        "assert c.png_bytes(c.new_figure(1, 1)) and 'matplotlib.pyplot' not in sys.modules\n"
        "known = dict.__getitem__(m.rcParams, 'backend')\n"
        "print(os.environ.get('MPLBACKEND'), known if isinstance(known, str) else None)"
    )
    told = subprocess.check_output([sys.executable, "-c", code], env=environment, cwd=CHECKOUT)
    assert told.decode() == f"{backend} {'svg' if backend == 'svg' else None}\n"
