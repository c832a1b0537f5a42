"""Draw everything into one folder, with an index.html that shows it.

python -m scripts.figures --output visuals
"""

from model.atomic_write import write_atomically
from scripts.command_line import start
from scripts.opened import Opened, neuron_program


@neuron_program(__doc__, "runs/figures")
def main(opened: Opened) -> None:
    """Write the pictures, the records and index.html, and say where."""
    page = opened.page(opened.found, lambda picture: opened.save(picture).name)
    opened.write_records()
    path = write_atomically(opened.args.output / "index.html", page)
    print(f"wrote {path} and what it shows")


if __name__ == "__main__":
    start(main)
