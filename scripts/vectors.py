"""Write test vectors: a 4-3-2 network, one epoch of three steps, every number of every step.

    python -m scripts.vectors --output docs/vectors

Whoever writes the network in another language can start from these files, without Python.
"""

import argparse
import json
from typing import Any

import numpy as np

from model.atomic_write import write_atomically
from model.initial import initial_parameters
from scripts.command_line import ARITHMETICS, make_folder, network, program, start

SIZES, SEED, EXAMPLES, MINI_BATCH_SIZE, ETA = (4, 3, 2), 0, 5, 2, 3.0
ABOUT = (
    "The network starts from weights and biases and takes three steps: a mini-batch for each, "
    "examples picked from inputs and desired in the order that is given; the last one is smaller. "
    "Matrices are lists of rows and hold one example in every column, weights[l] is "
    "(sizes[l+1], sizes[l]). A gradient is the sum over the mini-batch; new_weights are weights - "
    "(eta / m) nabla_w. In fixed-point every number is exact; in float64 and float32 another order "
    "of summation may differ in the last digits."
)


@program(__doc__, "output", output="docs/vectors")
def main(args: argparse.Namespace) -> None:
    """Write one file for each arithmetic, and say where."""
    make_folder(args.output)
    for name in ARITHMETICS:
        content = f"{lines(vectors(name))}\n".encode()
        print(f"wrote {write_atomically(args.output / f'{name}.json', content)}")


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
        step |= {"cost": float(net.cost(*batch)), "deltas": net.deltas(*batch)}
        step |= dict(zip(("nabla_b", "nabla_w"), net.backprop(*batch), strict=True))
        net.update_mini_batch(batch, ETA)
        step |= dict(zip(("new_weights", "new_biases"), net.export(), strict=True))
        made["steps"].append(step)
    return made


def lines(part: Any) -> str:
    """JSON with a key on a line, every number as the shortest decimal that reads back the same."""
    if isinstance(part, dict):
        return "{\n" + ",\n".join(f'"{key}": {lines(value)}' for key, value in part.items()) + "\n}"
    if isinstance(part, list) and isinstance(part[0], dict):
        return f"[{','.join(map(lines, part))}]"
    return json.dumps(part, default=lambda v: v.tolist())


if __name__ == "__main__":
    start(main)
