"""Write a page to play with: a network, what its neurons do, and the twin that trains in a browser.

    python -m scripts.explore --model model/train.json --output explore.html

The page is one file, opened by a double click; it asks nothing of the network.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import html
import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from model import words
from model.atomic_write import check_target, write_atomically
from model.figures import check_pixels
from model.initial import initial_parameters
from model.parameters import Parameters
from model.printable import printable
from scripts import command_line
from scripts.command_line import Settings, command, network, start, twin, whole_number
from scripts.opened import Opened, arithmetic_of, open_network, start_of
from scripts.progress import Epochs
from scripts.training import Run

PARTS = Path(__file__).parent / "explorer"
MOST_HIDDEN = 100
RANKINGS = ("highest", "nearest_zero", "lowest")


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Write the page, and say where."""
    args = options().parse_args(argv)
    check_target(args.output)
    check_sizes(Parameters.load(args.model).sizes)
    folder = {"output": args.output.parent, "backend": "numpy"}
    opened = open_network(argparse.Namespace(**{**vars(args), **folder}))
    content = page(*contents(opened))
    print(
        f"wrote {printable(write_atomically(args.output, content))}: {len(content) / 1000:.0f} kB"
    )
    return 0


def options() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    result = command_line.parser(__doc__, "model", "data", "split", "limit")
    add = result.add_argument
    add(
        "--initial", type=Path, metavar="FILE", help="what training started from, where it is known"
    )
    add(
        "--images",
        type=whole_number(0),
        default=0,
        metavar="N",
        help="put the first N images into the page, beside those that the pictures show",
    )
    add(
        "--epochs",
        type=whole_number(0),
        metavar="N",
        help="train that long, for the fingerprints to compare with (default: as the model was)",
    )
    add(
        "--output",
        type=Path,
        default=Path("explore.html"),
        metavar="FILE",
        help="(default: %(default)s)",
    )
    return result  # fmt: skip


def check_sizes(sizes: Sequence[int]) -> None:
    """Refuse a network that the page has no room for."""
    check_pixels(tuple(sizes))
    if not (len(sizes) >= 3 and sizes[1] <= MOST_HIDDEN and sizes[-1] == 10):
        raise ValueError(
            f"sizes: expected 784 inputs, 1 to {MOST_HIDDEN} neurons in the first hidden layer and "
            f"10 outputs, received {list(sizes)}; choose another --model"
        )


def contents(opened: Opened) -> tuple[dict[str, Any], list[np.ndarray]]:
    """What the page knows, and its arrays: weights and biases, those of the start, images."""
    records, parameters, args = opened.records, opened.parameters, opened.args
    rankings = {name: getattr(records, name).indices for name in RANKINGS}
    shown = np.unique(np.concatenate([v.ravel() for v in rankings.values()]))
    shown = np.union1d(shown, np.arange(min(args.images, len(opened.images))))
    begin = start_of(parameters, args.initial) or initial_parameters(parameters.sizes, 0)
    arithmetic = arithmetic_of(parameters)
    neurons = range(records.hidden)
    kept = network(parameters, "numpy", arithmetic).arithmetic
    known: dict[str, Any] = {
        "sizes": parameters.sizes,
        "arithmetic": "fixed-point" if arithmetic == "fixed-point" else "float64",
        "fingerprint": parameters.fingerprint,
        "note": opened.note,
        "title": words.page_title(records),
        "names": records.names,
        "roles": [words.role_line(records, n) for n in neurons],
        "headlines": [words.headline(records, n) for n in neurons],
        "fires_for": records.fires_for,
        "firing_rate": records.firing_rate,
        "recall_lost": records.needed_for and records.needed_for.recall_lost,
        "held_at": kept.parameters(records.activation_mean_all),
        "never_lit": records.never_lit,
        "start_known": records.change is not None,
        "split": args.split,
        "places": shown,
        "labels": opened.labels[shown],
        "rankings": {name: np.searchsorted(shown, v) for name, v in rankings.items()},
        "training": trainings(opened, begin, shown),
    }
    grid = twin("numpy", "arithmetic").FixedPoint(parameters.sizes)
    start_layers = [grid.parameters(v) for v in (*begin.weights, *begin.biases)]
    layers = [*parameters.weights, *parameters.biases, *start_layers]
    images = np.rint(opened.images[shown] * 256).astype(np.uint8)
    known["arrays"], arrays = zip(*map(packed, layers), strict=True)
    return known, [*arrays, images]


def trainings(opened: Opened, begin: Parameters, shown: np.ndarray) -> dict[str, Any]:
    """What NumPy makes of the start in fixed-point, on the page's images and on the data set."""
    made, args = opened.parameters.metadata, opened.args
    told = {"seed": begin.metadata.get("seed"), "epochs": made.get("epochs")}
    told |= {key: made.get(key) for key in ("eta", "mini_batch_size")}
    if args.epochs is not None:
        told["epochs"] = args.epochs
    given: Any = {key: value for key, value in told.items() if type(value) in (int, float)}
    settings = Settings(**given)
    examples = twin("numpy", "mnist_loader").Examples
    x, digits = opened.images[shown], opened.labels[shown]
    first = len(shown) - len(shown) // 6  # the last sixth is for validation, as in the train file
    desired = np.eye(begin.sizes[-1], dtype=np.float32)[digits]
    own = examples(x[:first], desired[:first]), *[examples(x[first:], digits[first:])] * 2
    return {
        "eta": settings.eta,
        "mini_batch_size": settings.mini_batch_size,
        "seed": settings.seed,
        "data": opened.files.sha256,
        "epochs": {
            "page": followed(Run(settings, begin, opened.files, data=own)),
            "mnist": followed(Run(settings, begin, opened.files, data=opened.data)),
        },
    }


def followed(run: Run) -> list[tuple[str, int]]:
    """Fingerprint and validation images recognised after each epoch of a run."""
    found: list[tuple[str, int]] = []

    def note(done: int, parameters: Parameters) -> None:
        found.append((parameters.fingerprint, parameters.metadata["accuracy"]["validation"][-1]))
        progress.advance(done, f"validation {found[-1][1]}")

    with Epochs(run.settings.epochs) as progress:
        run.train(note, test=False)
    return found


def packed(v: np.ndarray) -> tuple[int | None, np.ndarray]:
    """Whole numbers of 32 bits and the b of 2**-b that they count, where there are such; else v."""
    for bits in range(31):
        scaled = v * 2.0**bits
        if np.array_equal(scaled, np.rint(scaled)) and np.abs(scaled).max() < 2**31:
            return bits, scaled.astype("<i4")
    return None, v.astype("<f8")


def page(known: dict[str, Any], arrays: list[np.ndarray]) -> bytes:
    """Put the parts of the page and what it knows into one file."""
    head = json.dumps(plain(known), allow_nan=False).encode()
    content = b"\n".join([head, b"".join(v.tobytes() for v in arrays)])
    parts = {path.name: path.read_text(encoding="utf-8") for path in PARTS.iterdir()}
    parts["network.js"] = re.sub(r"(?m)^export ", "", parts["network.js"])
    parts["data"] = base64.b64encode(gzip.compress(content, 9, mtime=0)).decode("ascii")
    parts["title"] = html.escape(known["title"])
    template = parts.pop("page.html")
    return re.sub(r"{{ ([\w.]+) }}", lambda match: parts[match[1]], template).encode()


def plain(value: Any) -> Any:
    """Arrays as lists, NaN (a digit with no image) as None: what JSON can say."""
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    return None if isinstance(value, float) and math.isnan(value) else value


if __name__ == "__main__":
    start(main)
