"""Opening a network: its records from either backend, its start, and one line for what is wrong."""

import argparse
import csv
import json

import numpy as np
import pytest

from model.findings import to_json
from model.initial import initial_parameters
from model.parameters import Parameters
from model.records import RANKED
from scripts import analyze_neurons, fav_neuron, opened, visualize_weights


def open_with(argv):
    return opened.open_network(opened.options("words", "runs").parse_args(argv))


def text(records):
    return json.dumps(to_json(records))


def test_both_backends_open_a_network_to_the_same_records_bit_by_bit(arguments_for):
    one = open_with([*arguments_for(), "--backend", "numpy"])
    other = open_with([*arguments_for(), "--backend", "torch"])
    assert text(one.records) == text(other.records)
    np.testing.assert_array_equal(one.images, other.images)
    assert one.note == other.note


@pytest.mark.parametrize(("split", "count"), [("training", 200), ("validation", 40), ("test", 80)])
def test_the_split_decides_which_images_are_shown(arguments_for, split, count):
    for backend in ("numpy", "torch"):
        seen = open_with([*arguments_for(), "--split", split, "--backend", backend])
        assert seen.records.examples == len(seen.images) == count
        assert seen.note.startswith(f"{count} {split} images; 784-3-10.json")
        assert seen.note.endswith("accuracy on them is not MNIST's")


def test_the_limit_takes_the_first_images(arguments_for):
    whole, first = open_with(arguments_for()), open_with([*arguments_for(), "--limit", "5"])
    assert first.records.examples == 5
    np.testing.assert_array_equal(first.images, whole.images[:5])
    record = first.records.neurons[0]
    images = first.ranked_images(record)
    assert len(images.highest) == 5 < RANKED
    np.testing.assert_array_equal(images.lowest, whole.images[record.lowest.indices])


def test_never_lit_pixels_are_those_of_the_training_images(arguments_for):
    training = open_with([*arguments_for(), "--split", "training"])
    shown = open_with([*arguments_for(), "--limit", "5"])
    np.testing.assert_array_equal(shown.records.never_lit, ~training.images.any(axis=0))


def test_a_start_is_found_by_its_fingerprint(arguments_for):
    weights = open_with(arguments_for()).records.neurons[0].weights
    start = initial_parameters((784, 3, 10), seed=1)
    np.testing.assert_array_equal(weights.change, weights.weights - start.weights[0][0])


def test_a_network_without_a_known_start_has_none_unless_it_is_given(arguments_for, tmp_path):
    bare = tmp_path / "bare.json"
    start = initial_parameters((784, 3, 10), seed=5)
    Parameters(start.sizes, start.weights, start.biases).save(bare)
    argv = [*arguments_for(), "--model", str(bare)]
    assert open_with(argv).records.neurons[0].weights.change is None
    known = open_with([*argv, "--initial", str(bare)]).records.neurons[0].weights
    assert not known.change.any()


def test_the_arithmetic_is_the_one_that_the_file_names():
    def named(**metadata):
        start = initial_parameters((784, 1, 10), seed=0)
        return opened.arithmetic_of(Parameters(start.sizes, start.weights, start.biases, metadata))

    assert named(arithmetic="fixed-point") == "fixed-point"
    assert named(arithmetic=["float64"]) == named(arithmetic="octal") == named() == "float64"


def test_records_are_written_as_json_and_as_csv(arguments_for, tmp_path):
    records = open_with(arguments_for()).records
    whole, rows = opened.write_records(records, tmp_path)
    assert json.loads(whole.read_text()) == json.loads(text(records))
    with rows.open(newline="") as file:
        read = list(csv.DictReader(file))
    assert [row["neuron"] for row in read] == ["0", "1", "2"]
    assert read[1]["name"] == "Jalebi"


@pytest.mark.parametrize("program", [analyze_neurons, fav_neuron, visualize_weights])
def test_a_folder_that_cannot_be_made_is_one_line_and_status_2(
    program, arguments_for, tmp_path, capsys
):
    (tmp_path / "file").write_text("")
    assert program.main([*arguments_for(), "--output", str(tmp_path / "file" / "out")]) == 2
    told = capsys.readouterr().err.splitlines()[-1]
    assert told.startswith(f"error: {tmp_path}/file/out: no folder to write to (Not a directory)")
    assert told.endswith("choose another --output")


def test_a_network_that_does_not_read_mnist_is_one_line_and_status_2(
    arguments_for, tmp_path, capsys
):
    other = tmp_path / "other.json"
    initial_parameters((100, 3, 10), seed=0).save(other)
    assert visualize_weights.main([*arguments_for(), "--model", str(other)]) == 2
    (told,) = capsys.readouterr().err.splitlines()
    assert told.startswith("error: sizes: expected 784 inputs")


def test_a_network_without_a_hidden_layer_is_one_line_and_status_2(arguments_for, tmp_path, capsys):
    other = tmp_path / "flat.json"
    initial_parameters((784, 10), seed=0).save(other)
    assert visualize_weights.main([*arguments_for(), "--model", str(other)]) == 2
    assert "no hidden neuron to look at" in capsys.readouterr().err.splitlines()[-1]


def test_a_start_of_other_sizes_is_one_line_and_status_2(arguments_for, tmp_path, capsys):
    other = tmp_path / "other.json"
    initial_parameters((784, 4, 10), seed=0).save(other)
    assert visualize_weights.main([*arguments_for(), "--initial", str(other)]) == 2
    told = capsys.readouterr().err.splitlines()[-1]
    assert "initial: expected the sizes of the trained network" in told


def test_options_have_the_programs_first_line_and_a_folder():
    parser = opened.options("Draw a thing.\n\nMore.", "runs/thing")
    assert isinstance(parser, argparse.ArgumentParser)
    assert parser.description == "Draw a thing."
    assert str(parser.parse_args([]).output) == "runs/thing"
