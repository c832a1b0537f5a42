"""Titles are true of the record at hand, and the table fits the terminal."""

import re

import numpy as np
import pytest

from model import captions
from model.findings import headline


def test_a_title_is_the_neurons_number_name_and_headline(records_of):
    record = records_of(3, neuron_names={"0": "Jalebi"}).neurons[0]
    assert captions.title(record) == f'Neuron 0 ("Jalebi") {headline(record)}'
    assert captions.title(record).startswith('Neuron 0 ("Jalebi") fires for 6; without it ')
    assert captions.short_name(record) == "0 Jalebi"


def test_the_loss_in_a_title_is_the_largest_of_the_record(records_of):
    record = records_of(3).neurons[0]
    lost = record.needed_for.recall_lost
    assert np.argmax(lost) == 6
    assert captions.loss_title(record) == f"Without it 6 loses {100 * lost[6]:.0f} points"
    assert captions.loss_title(records_of(3).neurons[1]) == "Without it no digit loses a point"
    unknown = records_of(3, ablated=False).neurons[0]
    assert captions.loss_title(unknown) == "Without it: not measured"


def test_dead_and_constant_neurons_are_called_idle(records_of):
    records = records_of(3)
    assert captions.firing_title(records.neurons[1]) == "It fires on 0 % of all images"
    assert captions.grid_caption(records.neurons[1]) == "idle"
    assert captions.digits(records.neurons[2]) == "-"
    assert captions.role_line(records.neurons[2]).startswith("Role: idle;")


def test_the_auroc_title_says_when_z_is_low(records_of):
    assert captions.auroc_title(records_of(3).neurons[0]) == "z tells 6 best: AUROC 1.00"
    assert captions.auroc_title(records_of(3, digits=1).neurons[0]).startswith("There is one digit")


@pytest.mark.parametrize(
    ("weights", "told"),
    [
        ([1, -2, 0], "To 0 (+1.0), away from 1 (−2.0)"),
        ([1, 2, 3], "Towards all, most 2 (+3.0)"),
        ([-1, -2, -3], "Away from all, most 2 (−3.0)"),
    ],
)
def test_what_it_pushes_towards_follows_the_signs(records_of, weights, told):
    import dataclasses

    record = records_of(3).neurons[0]
    pushes = dataclasses.replace(record.pushes_towards, weights=np.array(weights, float))
    assert captions.pushes_title(dataclasses.replace(record, pushes_towards=pushes)) == told


def test_ranked_images_are_counted_by_digit(records_of):
    import dataclasses

    ranked = records_of(3).neurons[0].highest
    mixed = dataclasses.replace(ranked, labels=np.array([8, 3, 8, 5, 8, 7, 8, 8]))
    assert captions.inputs_title(mixed, "Largest z") == "Largest z: 8 (5 of 8), 3, 5, 7"
    alike = dataclasses.replace(ranked, labels=np.full(8, 2))
    assert captions.inputs_title(alike, "Largest z") == "Largest z: all 8 show 2"


@pytest.mark.parametrize("hidden", [1, 2, 20, 100])
def test_the_table_has_a_line_for_each_neuron_and_fits_100_columns(records_of, hidden):
    names = {str(n): "a name that is far too long for any table" for n in range(hidden)}
    records = records_of(hidden, neuron_names=names)
    lines = captions.table(records)
    assert len(lines) == hidden + 2
    assert max(map(len, [*lines, *captions.table_legend()])) <= 100
    assert all(line.isascii() for line in lines)
    assert all(line.startswith(str(n)) for n, line in enumerate(lines[2:]))


def test_the_table_says_what_was_not_measured(records_of):
    line = captions.table(records_of(3, ablated=False))[2]
    assert re.search(r" - +6{8}$", line)


def test_the_roles_in_a_title_are_those_of_the_records(records_of):
    assert captions.roles_title(records_of(1)) == "The hidden neuron is class-selective"
    told = captions.roles_title(records_of(3))
    assert told == "Of 3 hidden neurons, 1 is class-selective and 2 idle"


def test_which_layer_is_shown_is_said(records_of):
    assert captions.layer(records_of(3)) == "the hidden layer of a 784-3-10 network"
    deeper = captions.layer(records_of(sizes=(784, 4, 7, 10)))
    assert deeper == "the first of the 2 hidden layers of a 784-4-7-10 network"


def test_a_network_that_does_not_read_28_by_28_pixels_is_refused():
    with pytest.raises(ValueError, match=re.escape("expected 784 inputs, one for each of the 28")):
        captions.check_pixels((100, 20, 10))
    captions.check_pixels((784, 1, 10))


@pytest.mark.parametrize("number", [-1, 3, 100])
def test_a_neuron_that_is_not_there_is_refused(records_of, number):
    told = f"neuron: expected a number from 0 to 2, received {number}; the first hidden layer"
    with pytest.raises(ValueError, match=re.escape(told)):
        captions.neuron(records_of(3), number)


def test_never_lit_pixels_are_said_not_to_have_moved_only_if_they_did_not(records_of):
    moved = captions.never_lit_legend(records_of(3))  # its start is another random draw
    assert moved == "grey: the 56 pixels that no training image lights"
    assert captions.never_lit_legend(records_of(3, never_lit=False)) == ""


@pytest.mark.parametrize(
    ("fraction", "told"),
    [(0, "0 %"), (1, "100 %"), (0.004, "<1 %"), (0.996, ">99 %"), (0.5, "50 %"), (0.994, "99 %")],
)
def test_a_share_never_rounds_to_nothing_or_to_all(fraction, told):
    assert captions.percent(fraction) == told


@pytest.mark.parametrize(("number", "told"), [(-0.4, "0"), (-1.2, "−1"), (2.6, "3")])
def test_whole_numbers_have_a_true_minus_and_no_minus_zero(number, told):
    assert captions.whole(number) == told
    assert captions.whole_or_blank(number) == ("" if told == "0" else told)


def test_what_training_changed_names_the_extremes_of_the_record(records_of):
    records = records_of(20)
    moved = [np.linalg.norm(record.weights.change) for record in records.neurons]
    told = f"Training changed neuron {np.argmax(moved)} most and neuron {np.argmin(moved)} least"
    assert captions.change_title(records) == told
    assert "not known" in captions.change_title(records_of(3, start=False))


def test_a_neuron_needed_for_what_it_does_not_fire_for_is_counted(records_of):
    assert captions.answers_title(records_of(1)) == (
        "Neuron 0 is not needed most for a digit that it does not fire for"
    )
    assert captions.answers_title(records_of(1, ablated=False)).startswith("What the neurons")
