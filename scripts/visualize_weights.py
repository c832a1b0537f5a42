"""Draw the weights of every hidden neuron, and what training changed in them.

python -m scripts.visualize_weights --output runs/weights
"""

from model.pages import weights
from scripts.command_line import start
from scripts.opened import Opened, neuron_program


@neuron_program(__doc__, "runs/weights")
def main(opened: Opened) -> None:
    """Write weights.png, and say where."""
    opened.show(weights(opened.records, opened.note))


if __name__ == "__main__":
    start(main)
