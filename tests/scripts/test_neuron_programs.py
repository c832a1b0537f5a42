"""The six programs that show neurons: their files, their words, one-line errors."""

import csv
import json
import re
from importlib import import_module

import numpy as np
import pytest

from model.export import to_json
from model.initial import initial_parameters
from model.parameters import Parameters
from reference.mnist_loader import load_data_wrapper
from scripts import opened
from scripts.command_line import parser

JALEBI = 'Neuron 1 ("Jalebi") fires'
NEURONS = ["neuron-00.png", "neuron-01.png"]
LAYER = ["firing-rates.png", "weights.png", "path.png", "run.png"]
FILES = {
    "visualize_weights": LAYER[1:2],
    "activations": [name.replace("neuron", "activations") for name in NEURONS],
    "analyze_neurons": ["neurons.csv", "neurons.json"],
    "fav_neuron": NEURONS[1:2],
    "figures": ["index.html", *LAYER, *NEURONS, "neurons.csv", "neurons.json"],
    "report": ["report.html", "report.pdf"],
}


def run(program, argv):
    more = ["1"] if program == "fav_neuron" else []
    return import_module(f"scripts.{program}").main([*more, *argv])


def open_with(argv):
    return opened.open_network(parser(None, *opened.OPTIONS).parse_args(argv))


# --- The programs ----------------------------------------------------------------------------


@pytest.mark.parametrize("program", ["visualize_weights", "activations", "fav_neuron"])
def test_a_program_writes_its_pictures_and_says_what_they_show(
    program, arguments_for, tmp_path, capsys
):
    assert run(program, arguments_for(784, 2, 10)) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == FILES[program]
    told = capsys.readouterr().out
    lines = [line for line in told.splitlines() if not line.startswith("  ")]
    names = [line.split(": ")[0].rstrip(":") for line in lines]
    assert names == [f"{tmp_path}/out/{name}" for name in FILES[program]]
    assert max(len(line) for line in told.splitlines() if " " in line.strip()) <= 100
    if program != "visualize_weights":
        assert f"-01.png: {JALEBI}" in " ".join(told.split())


def test_the_table_and_what_is_written_agree(arguments_for, tmp_path, capsys):
    assert run("analyze_neurons", arguments_for()) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines[:9])) <= 100
    assert lines[-1] == f"wrote {tmp_path}/out/neurons.json and {tmp_path}/out/neurons.csv"
    out = tmp_path / "out"
    assert sorted(path.name for path in out.iterdir()) == FILES["analyze_neurons"]
    record = json.loads((out / "neurons.json").read_text())["neurons"][1]
    assert lines[3].startswith("1 Jalebi")
    assert record["role"]["kind"] in lines[3]
    assert lines[3].endswith("".join(map(str, record["highest"]["labels"])))
    with (out / "neurons.csv").open(newline="") as file:
        assert [row["name"] for row in csv.DictReader(file)] == ["", "Jalebi", ""]


def test_pages_show_every_picture_whatever_the_file_says_or_is_called(
    arguments_for, network_file, tmp_path, capsys
):
    odd = {
        "neuron_names": {"0": "$\\frac{$", "1": "\x1b[2J\udcff\n<b>"},
        "arithmetic": "\x1b]0;x\x07",
        "epochs": 1,
        "mini_batch_size": 1,
        "eta": 1.0,
        "accuracy": {"validation": [10**30], "validation_of": 10**30},
    }
    path, out = tmp_path / "a\udcff$x^2$\x1b[1m.json", tmp_path / "out"
    argv = [*arguments_for(), "--model", str(path), "--limit", "20"]
    flat, deep = (784, 2, 10), (784, 2, 4, 10)
    programs = {"figures": flat, "analyze_neurons": deep, "fav_neuron": deep, "report": deep}
    for program, sizes in programs.items():
        honest = Parameters.load(network_file(*sizes))
        Parameters(sizes, honest.weights, honest.biases, odd).save(path)
        assert run(program, argv) == 0
    told = capsys.readouterr().out
    assert f"wrote {out}/index.html and what it shows\n" in told
    assert told.endswith(f"wrote {out}/report.pdf and {out}/report.html\n")
    assert {path.name for path in out.iterdir()} == {*FILES["figures"], *FILES["report"]}
    pages = [(out / name).read_text() for name in ("index.html", "report.html")]
    for text in (told, (out / "neurons.csv").read_text(), *pages):
        assert not [letter for letter in text if not letter.isprintable() and letter != "\n"]
    for page, sizes in zip(pages, ("784-2-10", "784-2-4-10"), strict=True):
        assert "<b>" not in page
        assert [
            words for words in (sizes, "20 test images", "not MNIST") if words not in page
        ] == []
    assert re.findall(r'<img src="([^"]+)"', pages[0]) == [*LAYER, *NEURONS]
    assert len(re.findall('<img src="data:image/png;base64,', pages[1])) == 5  # no path is shown
    pdf = (out / "report.pdf").read_bytes()
    assert pdf.startswith(b"%PDF-")
    assert b"/Count 5" in pdf  # findings, method, weights, run, and two sheets on one
    assert b"Date" not in pdf


# --- Opening a network -----------------------------------------------------------------------


@pytest.mark.parametrize(("split", "count"), [("training", 100), ("validation", 20), ("test", 30)])
def test_split_and_limit_decide_which_images_are_shown(arguments_for, few_digits, split, count):
    argv = [*arguments_for(), "--split", split]
    one, other = (open_with([*argv, "--backend", backend]) for backend in ("numpy", "torch"))
    assert one.records.examples == len(one.images) == count
    assert one.note.startswith(f"{count} {split} images; 784-3-10.json")
    assert one.note.endswith("accuracy on them is not MNIST's")
    assert to_json(one.records) == to_json(other.records)
    np.testing.assert_array_equal(one.images, other.images)
    assert one.note == other.note
    first = open_with([*argv, "--limit", "5"])
    assert first.records.highest.indices.shape == (3, 5)
    np.testing.assert_array_equal(first.images, one.images[:5])
    training = np.asarray(load_data_wrapper(few_digits)[0].x)  # never lit are those of training
    np.testing.assert_array_equal(first.records.never_lit, ~training.any(axis=0))


def test_a_start_is_found_by_its_fingerprint_or_given(arguments_for, tmp_path):
    records = open_with(arguments_for()).records
    start = initial_parameters((784, 3, 10), seed=1)
    np.testing.assert_array_equal(records.change, records.weights - start.weights[0])
    bare = tmp_path / "bare.json"
    Parameters(start.sizes, start.weights, start.biases).save(bare)
    argv = [*arguments_for(), "--model", str(bare)]
    assert open_with(argv).records.change is None
    assert not open_with([*argv, "--initial", str(bare)]).records.change.any()
