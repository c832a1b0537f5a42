"""Every figure, for any number of neurons, dead and constant ones, and what is not known."""

import numpy as np
import pytest

from model import figures
from model.canvas import house_style, new_figure, png_bytes
from model.findings import role_order

HIDDEN = [1, 2, 20, 100]
OF_A_NEURON = {
    "z": figures.draw_z_by_digit,
    "selectivity": lambda axes, record, _: figures.draw_class_selectivity(axes, record),
    "auroc": lambda axes, record, _: figures.draw_auroc(axes, record),
    "output": figures.draw_output_weights,
    "lost": figures.draw_recall_lost,
}
OF_THE_LAYER = {
    "rates": figures.draw_firing_rates,
    "pushes": figures.draw_pushes,
    "losses": figures.draw_losses,
    "confusion": figures.draw_confusion,
}


def axes_of(width=4.0, height=3.0):
    with house_style():
        return new_figure(width, height).add_axes((0.3, 0.2, 0.6, 0.6))


def rendered(axes):
    return png_bytes(axes.figure, dpi=40)


def words(axes):
    return [axes.title.get_text(), axes.get_title("left"), *(t.get_text() for t in axes.texts)]


@pytest.mark.parametrize("draw", OF_A_NEURON.values(), ids=OF_A_NEURON)
@pytest.mark.parametrize("hidden", HIDDEN)
def test_a_neuron_is_drawn_whatever_it_does(records_of, draw, hidden):
    records = records_of(hidden)
    for record in records.neurons[:3]:  # for 6, dead, constant
        axes = axes_of()
        draw(axes, record, records)
        assert axes.get_title("left")
        assert rendered(axes)


@pytest.mark.parametrize("draw", OF_THE_LAYER.values(), ids=OF_THE_LAYER)
@pytest.mark.parametrize("hidden", HIDDEN)
def test_a_layer_is_drawn_whatever_its_size(records_of, draw, hidden):
    axes = axes_of()
    draw(axes, records_of(hidden))
    assert axes.get_title("left")
    assert rendered(axes)


@pytest.mark.parametrize("draw", OF_A_NEURON.values(), ids=OF_A_NEURON)
def test_digits_without_images_are_drawn_as_missing(records_of, draw):
    records = records_of(3, digits=7)
    for record in records.neurons:
        axes = axes_of()
        draw(axes, record, records)
        assert rendered(axes)


def test_a_digit_without_images_is_named(records_of):
    records = records_of(3, digits=7)
    axes = axes_of()
    figures.draw_z_by_digit(axes, records.neurons[0], records)
    assert words(axes).count(" no images") == 3


@pytest.mark.parametrize("draw", [figures.draw_losses, figures.draw_confusion])
def test_what_was_not_measured_is_said(records_of, draw):
    axes = axes_of()
    draw(axes, records_of(2, ablated=False))
    assert "not measured" in words(axes)
    records = records_of(2, ablated=False)
    axes = axes_of()
    figures.draw_recall_lost(axes, records.neurons[0], records)
    assert "not measured" in words(axes)


def test_small_multiples_share_their_axes(records_of):
    records = records_of(4)
    for draw in (figures.draw_z_by_digit, figures.draw_output_weights, figures.draw_recall_lost):
        ranges = set()
        for record in records.neurons:
            axes = axes_of()
            draw(axes, record, records)
            ranges.add((axes.get_xlim(), axes.get_ylim()))
        assert len(ranges) == 1
    axes = axes_of()
    figures.draw_z_by_digit(axes, records.neurons[0], records)
    assert axes.get_xlim() == (records.z_edges[0], records.z_edges[-1])


def test_the_digits_it_fires_for_stand_out_by_colour_and_by_weight(records_of):
    records = records_of(3)
    axes = axes_of()
    figures.draw_class_selectivity(axes, records.neurons[0])
    bold = [t.get_text() for t in axes.get_xticklabels() if t.get_fontweight() == "bold"]
    assert bold == ["6"]
    colours = [bar.get_facecolor() for bar in axes.patches]
    assert len(set(colours)) == 2
    assert colours.count(colours[6]) == 1


def test_the_distributions_of_the_digits_it_fires_for_stand_out(records_of):
    records = records_of(3)
    axes = axes_of()
    figures.draw_z_by_digit(axes, records.neurons[0], records)
    colours = [tuple(shape.get_facecolor()[0]) for shape in axes.collections]
    assert len(colours) == 10
    assert [digit for digit in range(10) if colours.count(colours[digit]) == 1] == [6]


def test_bars_are_as_high_as_the_record_says(records_of):
    records = records_of(3)
    record = records.neurons[0]
    axes = axes_of()
    figures.draw_recall_lost(axes, record, records)
    heights = [bar.get_height() for bar in axes.patches]
    np.testing.assert_array_equal(heights, 100 * record.needed_for.recall_lost)
    axes = axes_of()
    figures.draw_auroc(axes, record)
    tops = [bar.get_y() + bar.get_height() for bar in axes.patches]
    np.testing.assert_allclose(tops, record.responds_to.auroc)


def test_output_weights_are_red_above_and_blue_below(records_of):
    records = records_of(3)
    axes = axes_of()
    figures.draw_output_weights(axes, records.neurons[0], records)
    for bar in axes.patches:
        red, _, blue, _ = bar.get_facecolor()
        assert (red > blue) == (bar.get_height() > 0)


def test_the_rows_of_the_matrix_are_the_neurons_by_role(records_of):
    records = records_of(20)
    axes = axes_of()
    figures.draw_firing_rates(axes, records)
    order = role_order(records)
    assert [label.get_text() for label in axes.get_yticklabels()] == [str(n) for n in order]
    drawn = axes.images[0].get_array()
    wanted = [100 * records.neurons[n].responds_to.firing_rate for n in order]
    np.testing.assert_array_equal(drawn, np.array(wanted))


def test_matrix_cells_carry_numbers_until_there_are_too_many(records_of):
    for hidden, numbers in ((20, 200), (100, 0)):
        axes = axes_of()
        figures.draw_firing_rates(axes, records_of(hidden), labels=False)
        assert len(axes.texts) == numbers


def test_a_deeper_network_pushes_neurons_and_not_digits(records_of):
    records = records_of(sizes=(784, 4, 7, 10))
    axes = axes_of()
    figures.draw_output_weights(axes, records.neurons[0], records)
    assert axes.get_xlabel() == "neuron of the next layer"
    assert len(axes.patches) == 7


def test_the_accuracy_is_drawn_for_every_epoch():
    axes = axes_of()
    figures.draw_accuracy(axes, [50, 80, 75], 100, "validation")
    np.testing.assert_array_equal(axes.lines[0].get_xydata(), [[1, 50], [2, 80], [3, 75]])
    assert axes.get_title("left") == "75.00 % after 3 epochs (best 80.00 %)"


def test_the_confusion_matrix_names_the_most_frequent_mistake(records_of):
    records = records_of(3)
    axes = axes_of()
    figures.draw_confusion(axes, records)
    assert f"{records.correct} of 120 images are recognised" in axes.get_title("left")
    assert words(axes).count(str(records.confusion[0, 0])) >= 1
