"""Pages: complete for any network, their titles from the records, their words on the page."""

import io
from itertools import pairwise

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from model import captions, report, sheets
from model.canvas import indexed, png_bytes


def words(figure):
    own = [text.get_text() for text in figure.texts]
    titles = [axes.get_title("left") for axes in figure.axes]
    return " ".join(own + titles).replace("\n", " ")


def overlapping(figure):
    """Pairs of panel titles that are drawn over each other, or that leave the page."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    titles = [axes._left_title for axes in figure.axes if axes.get_title("left")]
    boxes = [title.get_window_extent(renderer) for title in titles]
    pairs = [(a, b) for n, a in enumerate(boxes) for b in boxes[n + 1 :] if a.overlaps(b)]
    outside = [box for box in boxes if box.x1 > figure.bbox.width or box.x0 < 0]
    return pairs + outside


@pytest.mark.parametrize(("hidden", "numbers"), [(1, [0]), (3, [0, 1, 2]), (20, [19]), (100, [99])])
def test_a_sheet_tells_the_whole_story_of_any_neuron(records_of, images, hidden, numbers):
    records = records_of(hidden)
    for record in (records.neurons[number] for number in numbers):  # of 3: for 6, dead, constant
        picture = sheets.sheet(record, records, images, "the small print")
        told = words(picture.figure)
        assert captions.title(record) in told
        assert "the small print" in told
        assert picture.file == f"neuron-{record.number:02d}.png"
        assert not overlapping(picture.figure)
        assert png_bytes(picture.figure, dpi=30)


def test_a_sheet_is_drawn_where_nothing_more_is_known(records_of, images):
    records = records_of(3, start=False, ablated=False, never_lit=False)
    told = words(sheets.sheet(records.neurons[0], records, images, "").figure)
    assert "What training changed: not known" in told
    assert "Without it: not measured" in told


def test_a_sheet_of_a_deeper_network_says_which_layer_it_shows(records_of, images):
    records = records_of(sizes=(784, 4, 7, 10))
    picture = sheets.sheet(records.neurons[3], records, images, "")
    assert "the first of the 2 hidden layers" in words(picture.figure)
    assert not overlapping(picture.figure)


def test_the_activations_of_a_neuron_are_one_figure(records_of, images):
    records = records_of(3)
    for record in records.neurons:
        picture = sheets.activations(record, records, images, "")
        assert captions.title(record) in words(picture.figure)
        assert len(picture.figure.axes) == 1 + 3
        assert not overlapping(picture.figure)


@pytest.mark.parametrize("hidden", [1, 20])
def test_the_layer_is_shown_in_five_pictures(records_of, hidden):
    pictures = list(sheets.layer_pictures(records_of(hidden), [90, 95], 100, "note"))
    names = ["weights.png", "change.png", "answers.png", "firing-rates.png", "run.png"]
    assert [picture.file for picture in pictures] == names
    for picture in pictures:
        assert picture.caption.rstrip(".") in words(picture.figure)
        assert png_bytes(picture.figure, dpi=30)
    assert not overlapping(pictures[2].figure)
    assert not overlapping(pictures[4].figure)


def test_a_run_without_a_history_shows_the_confusion_alone(records_of):
    *_, run = sheets.layer_pictures(records_of(2), [], 0, "")
    assert len(run.figure.axes) == 1


def test_no_area_of_a_page_changes_its_colour_for_the_sake_of_a_small_file(records_of, images):
    records = records_of(20)
    answers = list(sheets.layer_pictures(records, [90, 95], 100, ""))[2]
    for page in (sheets.sheet(records.neurons[0], records, images, ""), answers):
        file = io.BytesIO()
        page.figure.savefig(file, format="png", dpi=100)
        drawn = np.asarray(Image.open(file).convert("RGB")).astype(int)
        kept = np.asarray(indexed(drawn.astype(np.uint8)).convert("RGB"))
        shifted = [np.roll(drawn, step, axis) for step in (-1, 1) for axis in (0, 1)]
        inside = np.all([(drawn == other).all(axis=2) for other in shifted], axis=0)
        assert inside.mean() > 0.5
        assert np.abs(kept[inside] - drawn[inside]).max() <= 2, page.file  # of 255


def test_equal_records_are_equal_pictures(records_of, images):
    records = records_of(2)
    one, two = (sheets.sheet(records.neurons[0], records, images, "") for _ in range(2))
    assert png_bytes(one.figure, dpi=50) == png_bytes(two.figure, dpi=50)


def test_the_words_of_the_report_fit_their_page(records_of):
    records = records_of(20)

    class Parameters:
        metadata = {"epochs": 30, "mini_batch_size": 10, "eta": 3.0}  # noqa: RUF012

    figure = sheets.text_page("title", report.sections(Parameters, records), "the small print")
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [text.get_window_extent(renderer) for text in figure.texts if text.get_text()]
    assert min(box.y0 for box in boxes) >= 0
    assert max(box.x1 for box in boxes) <= figure.bbox.width
    assert not [(a, b) for a, b in pairwise(boxes) if a.overlaps(b)]


@pytest.mark.parametrize("hidden", [2, 100])
def test_a_table_has_room_on_its_page(records_of, hidden):
    figure = sheets.table_page("The neurons", captions.table(records_of(hidden)), "note")
    renderer = FigureCanvasAgg(figure).get_renderer()
    title, _, table, note = (text.get_window_extent(renderer) for text in figure.texts)
    assert table.x1 < figure.bbox.width
    assert table.y0 > note.y1
    assert table.y1 < title.y0
