"""Draw everything into one folder, with an index.html that shows it.

python -m scripts.figures --output visuals
"""

from __future__ import annotations

from model.atomic_write import write_atomically
from model.canvas import save_png
from model.printable import printable
from scripts.command_line import start
from scripts.opened import Opened, neuron_program
from scripts.progress import busy


@neuron_program(__doc__, "runs/figures")
def main(opened: Opened) -> None:
    """Write the pictures, the records and index.html, and say where."""
    folder, shown = opened.args.output, []
    with busy("drawing") as tell:
        for picture in opened.pictures():
            tell(picture.file)
            save_png(picture.figure, folder / picture.file)
            shown.append((picture, picture.file))
    opened.write_records()
    page = opened.page(opened.found, shown)
    print(f"wrote {printable(write_atomically(folder / 'index.html', page))} and what it shows")


if __name__ == "__main__":
    start(main)
