"""Draw all that is known of one hidden neuron on one page; 11, "Jalebi", by default.

python -m scripts.fav_neuron 8
"""

from model.pages import sheet
from scripts.command_line import start
from scripts.opened import Opened, neuron_program


@neuron_program(__doc__, "runs", "neuron")
def main(opened: Opened) -> None:
    """Write the neuron's sheet, and say where."""
    opened.show(sheet(opened.records, opened.args.neuron, opened.images, opened.note))


if __name__ == "__main__":
    start(main)
