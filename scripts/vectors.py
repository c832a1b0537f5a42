"""Write test vectors: a 4-3-2 network, one epoch of three steps, every number of every step.

    python -m scripts.vectors --output docs/vectors

Whoever writes the network in another language can start from these files, without Python.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from model.atomic_write import write_atomically
from model.initial import initial_parameters
from scripts.command_line import ARITHMETICS, command, make_folder, network, parser, start

SIZES, SEED, EXAMPLES, MINI_BATCH_SIZE, ETA = (4, 3, 2), 0, 5, 2, 3.0
ABOUT = (
    "The network starts from weights and biases and takes three steps: a mini-batch for each, "
    "examples picked from inputs and desired in the order that is given; the last one is smaller. "
    "Matrices are lists of rows and hold one example in every column, weights[l] is "
    "(sizes[l+1], sizes[l]). A gradient is the sum over the mini-batch; new_weights are weights - "
    "(eta / m) nabla_w. In fixed-point every number is exact; in float64 and float32 another order "
    "of summation may differ in the last digits."
)


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Write one file for each arithmetic, and say where."""
    options = parser(__doc__)
    options.add_argument("--output", type=Path, default=Path("docs/vectors"), metavar="FOLDER")
    folder = options.parse_args(argv).output
    make_folder(folder)
    for name in ARITHMETICS:
        print(f"wrote {write_atomically(folder / f'{name}.json', lines(vectors(name)).encode())}")
    return 0


def vectors(arithmetic: str) -> dict[str, Any]:
    """The start, the data and the three steps in one arithmetic."""
    net = network(initial_parameters(SIZES, SEED), "numpy", arithmetic)
    rng = np.random.default_rng(SEED)
    x = rng.integers(0, 256, (SIZES[0], EXAMPLES)) / 256
    y = np.eye(SIZES[-1])[:, rng.integers(0, SIZES[-1], EXAMPLES)]
    order = rng.permutation(EXAMPLES)
    made: dict[str, Any] = {"about": ABOUT, "arithmetic": arithmetic, "sizes": SIZES, "eta": ETA}
    made |= {"inputs": x, "desired": y, "order": order, "weights": net.export()[0]}
    made |= {"biases": net.export()[1], "steps": []}
    for k in range(0, EXAMPLES, MINI_BATCH_SIZE):
        batch = x[:, order[k : k + MINI_BATCH_SIZE]], y[:, order[k : k + MINI_BATCH_SIZE]]
        zs, activations = net.trace(batch[0])
        step = {"x": batch[0], "y": batch[1], "zs": zs, "activations": activations}
        step |= {"cost": net.cost(*batch), "deltas": net.deltas(*batch)}
        step |= dict(zip(("nabla_b", "nabla_w"), net.backprop(*batch), strict=True))
        net.update_mini_batch(batch, ETA)
        step |= dict(zip(("new_weights", "new_biases"), net.export(), strict=True))
        made["steps"].append(step)
    return made


def lines(made: dict[str, Any]) -> str:
    """JSON with a key on a line, every number as the shortest decimal that reads back the same."""
    plain: Any = lambda v: v.tolist() if isinstance(v, np.ndarray) else float(v)  # noqa: E731
    steps = [rows(step, plain) for step in made.pop("steps")]
    return rows(made, plain)[:-2] + ',\n"steps": [\n' + ",\n".join(steps) + "\n]\n}\n"


def rows(part: dict[str, Any], plain: Any) -> str:
    """A JSON object with a key on a line."""
    told = (f'"{key}": {json.dumps(value, default=plain)}' for key, value in part.items())
    return "{\n" + ",\n".join(told) + "\n}"


if __name__ == "__main__":
    start(main)
