"""Draw what each hidden neuron responds to: top inputs, z by digit, class selectivity.

python -m scripts.activations --output runs/activations
"""

from model.pages import activations
from scripts.command_line import start
from scripts.opened import Opened, neuron_program


@neuron_program(__doc__, "runs/activations")
def main(opened: Opened) -> None:
    """Write a picture for each neuron, and say where."""
    for n in range(opened.records.hidden):
        opened.show(activations(opened.records, n, opened.images, opened.note))


if __name__ == "__main__":
    start(main)
