"""A network opened: its records on some images, as every program that shows neurons needs them."""

from __future__ import annotations

import argparse
import functools
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model import words
from model.atomic_write import write_atomically
from model.canvas import save_png
from model.export import to_csv, to_json
from model.figures import check_pixels
from model.initial import initial_parameters
from model.mnist_files import MnistFiles
from model.neurons import NeuronRecords, neuron_records, never_lit_pixels
from model.observe import observe
from model.pages import Picture, layer_pictures, sheet
from model.parameters import Parameters
from model.printable import printable
from scripts import Main, command_line
from scripts.command_line import command

SPLITS = ("training", "validation", "test")


@dataclass(frozen=True, eq=False)
class Opened:
    """A network, what its hidden neurons do on some images, and those images."""

    args: argparse.Namespace
    parameters: Parameters
    records: NeuronRecords
    images: NDArray[Any]  # (examples, pixels)
    labels: NDArray[Any]  # (examples,)
    data: tuple[Any, Any, Any]  # training, validation and test examples, of which those are some
    files: MnistFiles
    note: str  # which images and which model these are: the small print of every figure

    def pictures(self) -> Iterator[Picture]:
        """All pictures: the layer and its run, and a sheet for each neuron."""
        run = words.history(self.parameters.metadata)
        yield from layer_pictures(self.records, *run, self.note)
        for n in range(self.records.hidden):
            yield sheet(self.records, n, self.images, self.note)

    def show(self, picture: Picture) -> None:
        """Write a picture to the output folder, and say where and what it shows."""
        path = save_png(picture.figure, self.args.output / picture.file)
        print(f"{printable(path)}: {picture.caption}")

    def write_records(self) -> list[Path]:
        """Write the records as neurons.json and neurons.csv and return their paths."""
        whole = json.dumps(to_json(self.records), allow_nan=False) + "\n"
        files = {"neurons.json": whole, "neurons.csv": to_csv(self.records)}
        return [write_atomically(self.args.output / n, v.encode()) for n, v in files.items()]


def neuron_program(
    description: str | None, output: str, *, neuron: bool = False
) -> Callable[[Callable[[Opened], None]], Main]:
    """Turn a function that shows an opened network into a program's main function.

    `description` is the program's docstring, `output` the folder that it writes to by default, and
    `neuron` says whether it takes a neuron's number.
    """

    def decorate(show: Callable[[Opened], None]) -> Main:
        @command
        @functools.wraps(show)
        def main(argv: Sequence[str] | None = None) -> int:
            show(open_network(options(description, output, neuron).parse_args(argv)))
            return 0

        return main

    return decorate


def options(description: str | None, output: str, neuron: bool = False) -> argparse.ArgumentParser:
    """The options that every program with neurons takes."""
    result = command_line.parser(description, "model", "backend", "data", "split", "limit")
    result.add_argument(
        "--initial",
        type=Path,
        metavar="FILE",
        help="what training started from (default: the shipped start or its seed, where they fit)",
    )
    result.add_argument(
        "--output",
        type=Path,
        default=Path(output),
        metavar="FOLDER",
        help="written to (default: %(default)s)",
    )
    if neuron:
        result.add_argument("neuron", nargs="?", type=int, default=11, help="default: %(default)s")
    return result


def open_network(args: argparse.Namespace) -> Opened:
    """Load a network and its images, run it, and measure its hidden neurons."""
    command_line.make_folder(args.output)
    parameters = Parameters.load(args.model)
    check_pixels(parameters.sizes)
    files = command_line.find_data(args.data)
    data = command_line.load_examples(files, args.backend)
    shown = data[SPLITS.index(args.split)]
    images, labels = (np.asarray(part[: args.limit]) for part in (shown.x, shown.y))
    labels = labels if labels.ndim == 1 else labels.argmax(axis=1)  # training learns from columns
    seen = observe(
        command_line.network(parameters, args.backend, arithmetic_of(parameters)), images
    )
    records = neuron_records(
        parameters,
        seen.zs,
        seen.activations,
        labels,
        predictions=seen.predictions,
        ablated_predictions=seen.ablated_predictions,
        never_lit=never_lit_pixels(np.asarray(data[0].x)),
        initial=start_of(parameters, args.initial),
    )
    note = words.note(records, args.split, args.model.name, parameters.fingerprint, files.notice)
    return Opened(args, parameters, records, images, labels, data, files, note)


def arithmetic_of(parameters: Parameters) -> str:
    """The arithmetic that a network was trained in, float64 where its file does not say."""
    name = parameters.metadata.get("arithmetic")
    return name if isinstance(name, str) and name in command_line.ARITHMETICS else "float64"


def start_of(parameters: Parameters, given: Path | None) -> Parameters | None:
    """What a network was trained from: as given, or the shipped or its seed's if it was that."""
    if given is not None:
        return Parameters.load(given)
    starts = (
        [Parameters.load(command_line.SHIPPED_START)] if command_line.SHIPPED_START.exists() else []
    )
    seed = parameters.metadata.get("seed")
    if isinstance(seed, int):
        starts.append(initial_parameters(parameters.sizes, seed))
    wanted = parameters.metadata.get("initial")
    return next((start for start in starts if start.fingerprint == wanted), None)
