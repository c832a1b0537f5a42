"""A network opened: its records on some images, as every program that shows neurons needs them."""

import argparse
import functools
import json
import shutil
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model import pages, universality, webpage, words
from model.atlas import atlas
from model.atomic_write import write_atomically
from model.canvas import save_png
from model.export import to_csv, to_json
from model.figures import check_pixels
from model.initial import initial_parameters
from model.mnist_files import MnistFiles
from model.neurons import NeuronRecords, firing_counts, neuron_records
from model.observe import observe, trace
from model.pages import Picture
from model.parameters import Parameters
from model.universality import Study
from scripts import Main
from scripts.command_line import (
    ARITHMETICS,
    MODEL,
    SHIPPED_MODEL,
    SHIPPED_START,
    find_data,
    load_examples,
    make_folder,
    network,
    parser,
    program,
)
from scripts.progress import busy

OPTIONS = ("model", "backend", "data", "split", "limit", "initial", "output")
SPLITS = ("training", "validation", "test")
#: Roles are computed on the first of these and held to the others.
ROLES_ON = ("validation", "test", "training")
RARELY = 0.01  # of the training images
SEEDS = MODEL / "seeds.json"
STUDY_NOTE = "10,000 validation images; model/seeds.json, made by scripts.seeds"
#: What the pictures of the whole layer are called in a page.
NAMES = {"firing-rates": "Switches", "weights": "Weights", "path": "One image"}
NAMES |= {"run": "Run", "seeds": "Seeds"}


@dataclass(frozen=True, eq=False)
class Opened:
    """A network, what its hidden neurons do on some images, and those images."""

    args: argparse.Namespace
    parameters: Parameters
    initial: Parameters | None  # what it was trained from, where that is known
    records: NeuronRecords
    images: NDArray[Any]  # (examples, pixels)
    labels: NDArray[Any]  # (examples,)
    data: tuple[Any, Any, Any]  # training, validation and test examples, of which those are some
    files: MnistFiles
    first: tuple[NDArray[Any], int, NDArray[Any]]  # an image, its digit, the layer's activations
    study: Study | None  # that it is of
    note: str  # which images and which model these are: the small print of every figure

    def pictures(self) -> Iterator[Picture]:
        """All pictures: the layer and its run, the study that it is of, a sheet for each neuron."""
        records, note = self.records, self.note
        yield pages.firing_rates(records, note)
        yield pages.weights(records, note)
        if records.to_digits:
            yield pages.path(records, *self.first, note)
        yield pages.run(records, *words.history(self.parameters.metadata), note)
        if self.study is not None:
            yield atlas(self.study, STUDY_NOTE)
        for n in range(records.hidden):
            yield pages.sheet(records, n, self.images, note)

    @property
    def found(self) -> list[words.Section]:
        """What the layer is like, and what the study of seeds found."""
        layer = words.findings(self.records)
        if self.study is None:
            return [("What was found", layer)]
        many = "Over many networks", universality.findings(self.study)
        return [("What was found", [*layer, universality.causes(self.study)]), many]

    def page(self, sections: Sequence[words.Section], address: Callable[[Picture], str]) -> bytes:
        """A page of HTML with these sections and all pictures, each at the address it is given."""
        shown = []
        with busy("drawing") as tell:
            for picture in self.pictures():
                tell(picture.file)
                stem, source = Path(picture.file).stem, address(picture)
                name = NAMES.get(stem) or f"{int(stem.removeprefix('neuron-'))}"
                captioned = stem not in NAMES  # the others say it in their titles
                shown.append(webpage.Shown(name, stem, source, picture.caption, captioned))
        title, table = words.page_title(self.records), words.columns(self.records)
        return webpage.page(title, sections, table, shown, self.note)

    def save(self, picture: Picture) -> Path:
        """Write a picture to the output folder and return its path."""
        return save_png(picture.figure, self.args.output / picture.file)

    def show(self, picture: Picture) -> None:
        """Write a picture to the output folder, and say where and what it shows."""
        print(wrapped(f"{self.save(picture)}: {picture.caption}"))

    def write_records(self) -> list[Path]:
        """Write the records as neurons.json and neurons.csv and return their paths."""
        whole = json.dumps(to_json(self.records), allow_nan=False) + "\n"
        files = {"neurons.json": whole, "neurons.csv": to_csv(self.records)}
        return [write_atomically(self.args.output / n, v.encode()) for n, v in files.items()]


def terminal_width() -> int:
    """Return how many columns there are to write in, from 60 to 200."""
    return min(200, max(60, shutil.get_terminal_size((100, 24)).columns))


def wrapped(text: str) -> str:
    """Return a paragraph that fits the terminal; no file's name is cut."""
    layout = textwrap.TextWrapper(terminal_width(), subsequent_indent="  ")
    layout.break_on_hyphens = layout.break_long_words = False
    return layout.fill(text)


def neuron_program(
    description: str | None, output: str, *more: str
) -> Callable[[Callable[[Opened], None]], Main]:
    """Turn a function that shows an opened network into a program's main function.

    `description` is the program's docstring, `output` the folder that it writes to by default, and
    `more` are options besides those of all these programs.
    """

    def decorate(show: Callable[[Opened], None]) -> Main:
        @program(description, *OPTIONS, *more, output=output)
        @functools.wraps(show)
        def main(args: argparse.Namespace) -> None:
            make_folder(args.output)
            with busy("opening the network"):
                opened = open_network(args)
            show(opened)

        return main

    return decorate


def open_neurons(model: Any, data: str | None = None, limit: int | None = None) -> NeuronRecords:
    """What the neurons of a network's first hidden layer do on the test images, or the first few.

    Parameters
    ----------
    model : Parameters, Network of either backend, str or Path
        The network, or the file that it is in.
    data
        As --data of every program.
    """
    args = parser(None, *OPTIONS).parse_args([])
    args.data, args.limit = data, limit
    return open_network(args, Parameters.of(model)).records


def open_network(args: argparse.Namespace, parameters: Parameters | None = None) -> Opened:
    """Load a network, where it is not handed in, and its images, and measure its neurons."""
    parameters = parameters or Parameters.load(args.model)
    check_pixels(parameters.sizes)
    files = find_data(args.data)
    data = load_examples(files, args.backend)
    splits = {split: shown(one, args.limit) for split, one in zip(SPLITS, data, strict=True)}
    images, labels = splits[args.split]
    kept = arithmetic_of(parameters)
    net = network(parameters, args.backend, kept)
    seen = observe(net, images)
    initial = start_of(parameters, args.initial)
    untrained = None if initial is None else network(initial, args.backend, kept)
    lit = np.mean(np.asarray(data[0].x) > 0, axis=0)
    records = neuron_records(
        parameters,
        seen,
        labels,
        never_lit=lit == 0,
        rarely_lit=int(np.sum(lit < RARELY)),
        blanked=trace(net, np.where(lit < RARELY, 0, images))[2].argmax(axis=1),
        initial=initial,
        start_zs=None if untrained is None else trace(untrained, images)[0],
        counts={
            split: firing_counts(trace(net, splits[split][0])[1], splits[split][1], net.sizes[-1])
            for split in ROLES_ON
        },
    )
    note = words.note(records, args.split, args.model.name, parameters.fingerprint, files.notice)
    first = images[0], int(labels[0]), seen.activations[0]
    shipped = parameters.fingerprint == Parameters.load(SHIPPED_MODEL).fingerprint
    study = Study.load(SEEDS) if shipped else None  # it is of networks made alike
    return Opened(
        args, parameters, initial, records, images, labels, data, files, first, study, note
    )


def shown(data: Any, limit: int | None) -> tuple[NDArray[Any], NDArray[Any]]:
    """The first images of a split and their digits."""
    images, labels = (np.asarray(part[:limit]) for part in (data.x, data.y))
    return images, labels if labels.ndim == 1 else labels.argmax(axis=1)  # training's are columns


def arithmetic_of(parameters: Parameters) -> str:
    """The arithmetic that a network was trained in, float64 where its file does not say."""
    name = parameters.metadata.get("arithmetic")
    return name if isinstance(name, str) and name in ARITHMETICS else "float64"


def start_of(parameters: Parameters, given: Path | None) -> Parameters | None:
    """What a network was trained from: as given, or the shipped or its seed's if it was that."""
    wanted = parameters.metadata.get("initial")
    if given is not None:
        start = Parameters.load(given)
        if wanted not in (None, start.fingerprint):
            raise ValueError(
                f"--initial {given}: is not what this model was trained from: leave it out"
            )
        return start
    starts = [Parameters.load(SHIPPED_START)]
    seed = parameters.metadata.get("seed")
    if isinstance(seed, int):
        starts.append(initial_parameters(parameters.sizes, seed))
    return next((start for start in starts if start.fingerprint == wanted), None)
