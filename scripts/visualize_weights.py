"""Draw the weights of every hidden neuron, and what training changed in them.

python -m scripts.visualize_weights --output runs/weights
"""

from __future__ import annotations

from collections.abc import Sequence

from model.canvas import save_png
from model.sheets import weight_pictures
from scripts.command_line import command, start
from scripts.opened import open_network, options


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Write weights.png and change.png, and say where."""
    args = options(__doc__, "runs/weights").parse_args(argv)
    opened = open_network(args)
    for picture in weight_pictures(opened.records, opened.note):
        print(f"{save_png(picture.figure, args.output / picture.file)}: {picture.caption}")
    return 0


if __name__ == "__main__":
    start(main)
