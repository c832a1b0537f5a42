"""A network opened: its records on some images, as every program that shows neurons needs them."""

from __future__ import annotations

import argparse
import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compare.observation import observe
from model import captions, report
from model.atomic_write import write_atomically
from model.findings import csv_rows, to_json
from model.initial import initial_parameters
from model.neurons import neuron_records, never_lit_pixels
from model.parameters import Parameters
from model.records import NeuronRecord, NeuronRecords
from model.sheets import NeuronImages, Picture, sheet
from scripts.command_line import (
    ARITHMETICS,
    SHIPPED_START,
    find_data,
    load_examples,
    make_folder,
    network,
    parser,
)

SPLITS = ("training", "validation", "test")


@dataclass(frozen=True, eq=False)
class Opened:
    """A network, what its hidden neurons do on some images, and those images.

    Parameters
    ----------
    parameters : Parameters
    records : NeuronRecords
    images : ndarray (examples, pixels)
    note : str
        Which images and which model these are: the small print of every figure.
    """

    parameters: Parameters
    records: NeuronRecords
    images: NDArray[Any]
    note: str

    def ranked_images(self, record: NeuronRecord) -> NeuronImages:
        """Return the pixels of the images that a record ranks."""
        rankings = (record.highest, record.nearest_zero, record.lowest)
        return NeuronImages(*(self.images[ranked.indices] for ranked in rankings))


def options(description: str | None, output: str) -> argparse.ArgumentParser:
    """Return a parser with the options that every program with neurons takes.

    Parameters
    ----------
    description : str or None
        The program's docstring.
    output : str
        The folder that it writes to by default.
    """
    result = parser(description, "model", "backend", "data", "split", "limit")
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
    return result


def open_network(args: argparse.Namespace) -> Opened:
    """Load a network and its images, run it, and measure its hidden neurons.

    Parameters
    ----------
    args : Namespace
        Of the `options`.
    """
    make_folder(args.output)
    parameters = Parameters.load(args.model)
    captions.check_pixels(parameters.sizes)
    files = find_data(args.data)
    data = load_examples(files, args.backend)
    shown = data[SPLITS.index(args.split)]
    images, labels = (np.asarray(part[: args.limit]) for part in (shown.x, shown.y))
    records = measured(parameters, start_of(parameters, args.initial), args.backend, images,
                       digits_of(labels), np.asarray(data[0].x))  # fmt: skip
    note = report.note(records, args.split, args.model.name, parameters.fingerprint, files.notice)
    return Opened(parameters, records, images, note)


def measured(
    parameters: Parameters,
    start: Parameters | None,
    backend: str,
    images: NDArray[Any],
    labels: NDArray[Any],
    training_images: NDArray[Any],
) -> NeuronRecords:
    """Run a network on images and measure its hidden neurons.

    Parameters
    ----------
    parameters, start : Parameters
        After and before training; the start may be None.
    backend : str
        "numpy" or "torch".
    images : ndarray (examples, pixels)
    labels : ndarray (examples,)
    training_images : ndarray (N, pixels)
    """
    seen = observe(network(parameters, backend, arithmetic_of(parameters)), images)
    return neuron_records(
        parameters,
        seen.zs,
        seen.activations,
        labels,
        predictions=seen.predictions,
        ablated_predictions=seen.ablated_predictions,
        never_lit=never_lit_pixels(training_images),
        initial=start,
    )


def arithmetic_of(parameters: Parameters) -> str:
    """Return the arithmetic that a network was trained in, float64 where its file does not say."""
    name = parameters.metadata.get("arithmetic")
    return name if isinstance(name, str) and name in ARITHMETICS else "float64"


def start_of(parameters: Parameters, given: Path | None) -> Parameters | None:
    """Return the parameters that a network was trained from; None where they are not at hand.

    Parameters
    ----------
    parameters : Parameters
        Its metadata hold the fingerprint of its start, if it was trained here.
    given : Path or None
        A file that the user says is the start.
    """
    if given is not None:
        return Parameters.load(given)
    wanted = parameters.metadata.get("initial")
    found = (start for start in known_starts(parameters) if start.fingerprint == wanted)
    return next(found, None)


def known_starts(parameters: Parameters) -> list[Parameters]:
    """Return the starts that a network may have been trained from: the shipped one, its seed's."""
    starts = [Parameters.load(SHIPPED_START)] if SHIPPED_START.exists() else []
    seed = parameters.metadata.get("seed")
    return (
        [*starts, initial_parameters(parameters.sizes, seed)] if isinstance(seed, int) else starts
    )


def digits_of(labels: NDArray[Any]) -> NDArray[np.int64]:
    """Return digits for digits, and for the columns that are to be learned from.

    Parameters
    ----------
    labels : ndarray (examples,) or (examples, digits)
    """
    return labels if labels.ndim == 1 else np.argmax(labels, axis=1)


def sheets(opened: Opened) -> Iterator[Picture]:
    """Yield the page of every neuron.

    Parameters
    ----------
    opened : Opened
    """
    for record in opened.records.neurons:
        yield sheet(record, opened.records, opened.ranked_images(record), opened.note)


def write_records(records: NeuronRecords, folder: Path) -> list[Path]:
    """Write the records as neurons.json and neurons.csv and return their paths.

    Parameters
    ----------
    records : NeuronRecords
    folder : Path
        There already.
    """
    cells, rows = csv_rows(records), io.StringIO(newline="")
    writer = csv.DictWriter(rows, list(cells[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(cells)
    whole = json.dumps(to_json(records), allow_nan=False) + "\n"
    return [
        write_atomically(folder / "neurons.json", whole.encode()),
        write_atomically(folder / "neurons.csv", rows.getvalue().encode()),
    ]
