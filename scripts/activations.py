"""Draw what each hidden neuron responds to: top inputs, z by digit, class selectivity.

python -m scripts.activations --output runs/activations
"""

from __future__ import annotations

from collections.abc import Sequence

from model.canvas import save_png
from model.sheets import activations
from scripts.command_line import command, start
from scripts.opened import open_network, options


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Write a picture for each neuron, and say where."""
    args = options(__doc__, "runs/activations").parse_args(argv)
    opened = open_network(args)
    for record in opened.records.neurons:
        images = opened.ranked_images(record)
        picture = activations(record, opened.records, images, opened.note)
        print(f"{save_png(picture.figure, args.output / picture.file)}: {picture.caption}")
    return 0


if __name__ == "__main__":
    start(main)
