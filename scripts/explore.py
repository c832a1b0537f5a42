"""Write a page to play with: a network, what its neurons do, and the twin that trains in a browser.

    python -m scripts.explore --model mine.json --output mine.html

The page is one file, opened by a double click; it asks nothing of the network.
"""

import argparse
import base64
import gzip
import html
import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from model import words
from model.atomic_write import check_target, write_atomically
from model.initial import initial_parameters
from model.parameters import Parameters
from scripts.command_line import Settings, network, program, start, twin
from scripts.opened import Opened, arithmetic_of, open_network
from scripts.progress import busy, counting
from scripts.training import Run

PARTS = Path(__file__).parent / "explorer"
MOST_HIDDEN = 100
RANKINGS = ("highest", "along", "lowest")


@program(
    __doc__, "model", "data", "split", "limit", "initial", "images", "epochs", "output",
    output="explore.html",
)  # fmt: skip
def main(args: argparse.Namespace) -> None:
    """Write the page, and say where."""
    check_target(args.output)
    parameters = Parameters.load(args.model)
    sizes = parameters.sizes
    if not (len(sizes) >= 3 and sizes[1] <= MOST_HIDDEN and sizes[-1] == 10):
        raise ValueError(
            f"sizes: expected 784 inputs, 1 to {MOST_HIDDEN} neurons in the first hidden layer and "
            f"10 outputs, received {list(sizes)}; choose another --model"
        )
    args.backend = "numpy"
    with busy("opening the network"):
        opened = open_network(args, parameters)
    content = page(*contents(opened))
    print(f"wrote {write_atomically(args.output, content)}: {len(content) / 1000:.0f} kB")


def contents(opened: Opened) -> tuple[dict[str, Any], list[np.ndarray]]:
    """What the page knows, and its arrays: weights and biases, those of the start, images."""
    records, parameters, args = opened.records, opened.parameters, opened.args
    rankings = {name: getattr(records, name).indices for name in RANKINGS}
    shown = np.unique(np.concatenate([v.ravel() for v in rankings.values()]))
    shown = np.union1d(shown, np.arange(min(args.images, len(opened.images))))
    begin = opened.initial or initial_parameters(parameters.sizes, 0)
    arithmetic, neurons = arithmetic_of(parameters), range(records.hidden)
    kept = network(parameters, "numpy", arithmetic).arithmetic
    fixed = network(begin, "numpy", "fixed-point")  # whatever the model's, the page trains in this
    start_layers = [v for layers in fixed.export() for v in layers]
    packs = [packed(v) for v in (*parameters.weights, *parameters.biases, *start_layers)]
    images = np.rint(opened.images[shown] * 256).astype(np.uint8)
    known: dict[str, Any] = {
        "title": words.page_title(records),
        "note": opened.note,
        "sizes": parameters.sizes,
        "arithmetic": "fixed-point" if arithmetic == "fixed-point" else "float64",
        "fingerprint": parameters.fingerprint,
        "arrays": [bits for bits, _ in packs],
        "names": records.names,
        "roles": [words.role_line(records, n) for n in neurons],
        "headlines": [words.headline(records, n) for n in neurons],
        "fires_for": records.fires_for,
        "firing_rate": records.firing_rate,
        "recall_lost": records.frozen.recall_lost,
        "held_at": kept.parameters(records.activation_mean_all),
        "never_lit": records.never_lit,
        "start_known": records.change is not None,
        "split": args.split,
        "places": shown,
        "labels": opened.labels[shown],
        "rankings": {name: np.searchsorted(shown, v) for name, v in rankings.items()},
        "training": trainings(opened, begin, shown),
    }
    return known, [*(v for _, v in packs), images]


def trainings(opened: Opened, begin: Parameters, shown: np.ndarray) -> dict[str, Any]:
    """What NumPy makes of the start in fixed-point, on the page's images and on the data set."""
    made, args = opened.parameters.metadata, opened.args
    told = {**made, "seed": begin.metadata.get("seed")}
    if args.epochs is not None:
        told["epochs"] = args.epochs
    names = ("epochs", "mini_batch_size", "eta", "seed")
    given: Any = {key: told[key] for key in names if type(told.get(key)) in (int, float)}
    settings = Settings(**given)
    examples = twin("numpy", "mnist_loader").Examples
    x, digits = opened.images[shown], opened.labels[shown]
    first = len(shown) - len(shown) // 6  # the last sixth is for validation, as in the train file
    desired = np.eye(begin.sizes[-1], dtype=np.float32)[digits]
    own = examples(x[:first], desired[:first]), *[examples(x[first:], digits[first:])] * 2
    return {
        **{name: getattr(settings, name) for name in names[1:]},
        "data": opened.files.sha256,
        "epochs": {
            "page": followed(Run(settings, begin, opened.files, data=own)),
            "mnist": followed(Run(settings, begin, opened.files, data=opened.data)),
        },
    }


def followed(run: Run) -> list[tuple[str, int]]:
    """Fingerprint and validation images recognised after each epoch of a run."""
    with counting(run.settings.epochs) as tell:
        trained = run.train(tell, test=False)
    return list(zip(run.fingerprints, trained.metadata["accuracy"]["validation"], strict=True))


def packed(v: np.ndarray) -> tuple[int | None, np.ndarray]:
    """Whole numbers of 32 bits and the b of 2**-b that they count, where there are such; else v."""
    for bits in range(31):
        scaled = v * 2.0**bits
        if np.array_equal(scaled, np.rint(scaled)) and np.abs(scaled).max() < 2**31:
            return bits, scaled.astype("<i4")
    return None, v.astype("<f8")


def page(known: dict[str, Any], arrays: list[np.ndarray]) -> bytes:
    """Put the parts of the page and what it knows into one file."""
    head = json.dumps(known, allow_nan=False, default=as_lists).encode()
    content = head + b"\n" + b"".join(v.tobytes() for v in arrays)
    parts = {path.name: path.read_text(encoding="utf-8") for path in PARTS.iterdir()}
    parts["network.js"] = re.sub(r"(?m)^export ", "", parts["network.js"])
    parts["data"] = base64.b64encode(gzip.compress(content, 9, mtime=0)).decode("ascii")
    parts["title"] = html.escape(known["title"])
    template = parts.pop("page.html")
    return re.sub(r"{{ ([\w.]+) }}", lambda match: parts[match[1]], template).encode()


def as_lists(v: np.ndarray) -> Any:
    """As JSON has it, with None for the NaN of a digit that no image shows."""
    return np.where(np.isnan(v), np.array(None), v).tolist()


if __name__ == "__main__":
    start(main)
