"""Write the report on a network: one PDF, and one HTML file that holds its pictures.

python -m scripts.report --output report
"""

from __future__ import annotations

from model import webpage, words
from model.atomic_write import write_atomically
from model.canvas import save_pdf
from model.pages import sheets, text_page
from model.printable import printable
from scripts.command_line import start
from scripts.opened import Opened, neuron_program


@neuron_program(__doc__, "runs/report")
def main(opened: Opened) -> None:
    """Write report.pdf and report.html, and say where."""
    note, title = opened.note, words.page_title(opened.records)
    told, table = words.sections(opened.parameters, opened.records), words.table(opened.records)
    pictures = list(opened.pictures())
    shown = [(webpage.embedded(picture.png()), picture.caption) for picture in pictures]
    page = webpage.page(title, told, table, shown, note)
    html = write_atomically(opened.args.output / "report.html", page)
    pages = [text_page(title, told, note)]
    pages += [picture.figure for picture in pictures if not picture.file.startswith("neuron-")]
    pages += sheets(opened.records, opened.images, note)
    pdf = save_pdf(pages, opened.args.output / "report.pdf", title)
    print(f"wrote {printable(pdf)} and {printable(html)}")


if __name__ == "__main__":
    start(main)
