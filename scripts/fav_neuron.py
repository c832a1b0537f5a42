"""Draw all that is known of one hidden neuron on one page; 11, "Jalebi", by default.

python -m scripts.fav_neuron 8
"""

from __future__ import annotations

from collections.abc import Sequence

from model import captions
from model.canvas import save_png
from model.sheets import sheet
from scripts.command_line import command, start
from scripts.opened import open_network, options


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Write the neuron's sheet, and say where."""
    parser = options(__doc__, "runs")
    parser.add_argument("neuron", nargs="?", type=int, default=11, help="default: %(default)s")
    args = parser.parse_args(argv)
    opened = open_network(args)
    record = captions.neuron(opened.records, args.neuron)
    picture = sheet(record, opened.records, opened.ranked_images(record), opened.note)
    print(f"{save_png(picture.figure, args.output / picture.file)}: {picture.caption}")
    return 0


if __name__ == "__main__":
    start(main)
