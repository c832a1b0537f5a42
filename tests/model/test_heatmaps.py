"""Heatmaps: red is positive, one scale is shared, never-lit pixels are grey, unknown is said."""

import io

import numpy as np
import pytest
from PIL import Image

from model import heatmaps
from model.canvas import new_figure, png_bytes


def rendered(figure):
    return np.asarray(Image.open(io.BytesIO(png_bytes(figure, dpi=56))).convert("RGB")).astype(int)


def square_of(values, never_lit=None, limit=1.0):
    figure = new_figure(1, 1)
    heatmaps.draw_heatmap(figure.add_axes((0, 0, 1, 1)), values, limit, never_lit)
    return rendered(figure)  # 56 by 56: a pixel is 2 by 2


def words(figure):
    own = [text.get_text() for text in figure.texts]
    return " ".join(own + [t.get_text() for axes in figure.axes for t in axes.texts])


def test_red_is_positive_blue_is_negative_and_zero_is_neither():
    values = np.zeros((28, 28))
    values[14, 7], values[14, 21] = 1, -1
    picture = square_of(values.ravel())
    red, _, blue = picture[29, 15]
    assert red > blue + 60
    red, _, blue = picture[29, 43]
    assert blue > red + 60
    red, _, blue = picture[40, 40]
    assert abs(red - blue) < 3


def test_the_first_pixel_is_top_left_and_rows_go_down():
    values = np.zeros(784)
    values[1 * 28 + 20] = 1
    red, _, blue = square_of(values)[3, 41]
    assert red > blue + 60


def test_never_lit_pixels_are_grey_whatever_their_weight():
    values, mask = np.ones(784), np.zeros((28, 28), dtype=bool)
    mask[14] = True
    picture = square_of(values, mask.ravel())
    assert np.ptp(picture[29, 29]) < 3
    assert 150 < picture[29, 29].mean() < 210
    red, _, blue = picture[25, 29]
    assert red > blue + 60


def test_an_unknown_start_is_said_in_words():
    figure = new_figure(1, 1)
    heatmaps.draw_heatmap(figure.add_axes((0, 0, 1, 1)), None, 1.0, None)
    assert "start unknown" in words(figure)


def norms(figure):
    return {(i.norm.vmin, i.norm.vmax) for axes in figure.axes[:-1] for i in axes.images[:1]}


@pytest.mark.parametrize("draw", [heatmaps.draw_weight_grid, heatmaps.draw_change_grid])
@pytest.mark.parametrize("hidden", [1, 2, 20, 100])
def test_every_neuron_is_drawn_on_one_symmetric_scale(records_of, draw, hidden):
    figure = new_figure(*heatmaps.grid_inches(hidden))
    draw(figure, records_of(hidden), "the small print")
    (norm,) = norms(figure)
    assert norm[0] == -norm[1] < 0
    assert len(figure.axes) == hidden + 1
    assert "the small print" in words(figure)
    assert png_bytes(figure, dpi=40)


def test_twenty_neurons_are_four_rows_of_five():
    assert heatmaps.grid_shape(20) == (4, 5)
    assert heatmaps.grid_shape(1) == (1, 1)
    assert heatmaps.grid_shape(100) == (10, 10)


def test_the_sign_stands_in_words_beside_the_scale(records_of):
    figure = new_figure(8, 8)
    heatmaps.draw_weight_grid(figure, records_of(2))
    told = words(figure)
    assert "red: excites" in told
    assert "blue: inhibits" in told


def test_a_grid_without_a_start_says_so_and_has_no_scale(records_of):
    figure = new_figure(8, 8)
    heatmaps.draw_change_grid(figure, records_of(2, start=False))
    assert len(figure.axes) == 2
    assert "not known: the start" in words(figure)


def test_where_the_colours_end_is_said_when_weights_lie_beyond(records_of):
    figure = new_figure(9, 8)
    heatmaps.draw_weight_grid(figure, records_of(2))
    assert "the largest, beyond" in words(figure).replace("\n", " ")


def test_the_scale_leaves_out_what_is_not_drawn_and_is_never_empty():
    values, mask = np.ones(784), np.arange(784) < 10
    values[:10] = 1000
    assert heatmaps.colour_limit([values], mask) == 1
    assert heatmaps.colour_limit([np.zeros(784)], None) == 1
    assert heatmaps.colour_limit([values], np.ones(784, dtype=bool)) == 1


def test_ranked_images_carry_their_digit_and_z(records_of, images):
    ranked = records_of(3).neurons[0].highest
    axes = new_figure(8, 2).add_axes((0, 0.2, 1, 0.5))
    heatmaps.draw_ranked(axes, ranked, images.highest, indices=True)
    assert len(axes.images) == len(axes.texts) == 8
    for place, (image, text) in enumerate(zip(axes.images, axes.texts, strict=True)):
        shown = image.get_array().ravel()
        np.testing.assert_array_equal(shown, images.highest[place])
        told = f"{ranked.labels[place]} · z {ranked.zs[place]:.0f}\nimage {ranked.indices[place]}"
        assert text.get_text() == told
