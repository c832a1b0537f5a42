"""Draw everything into one folder, with an index.html that shows it.

python -m scripts.figures --output visuals
"""

from __future__ import annotations

from model import webpage, words
from model.atomic_write import write_atomically
from model.canvas import save_png
from model.printable import printable
from scripts.command_line import start
from scripts.opened import Opened, neuron_program


@neuron_program(__doc__, "runs/figures")
def main(opened: Opened) -> None:
    """Write the pictures, the records and index.html, and say where."""
    records, folder, shown = opened.records, opened.args.output, []
    for picture in opened.pictures():
        save_png(picture.figure, folder / picture.file)
        shown.append((picture.file, picture.caption))
    opened.write_records()
    found, table = [("What was found", words.findings(records))], words.table(records)
    page = webpage.page(words.page_title(records), found, table, shown, opened.note)
    print(f"wrote {printable(write_atomically(folder / 'index.html', page))} and what it shows")


if __name__ == "__main__":
    start(main)
