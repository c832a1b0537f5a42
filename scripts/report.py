"""Write the report on a network: one PDF, and one HTML file that holds its pictures.

python -m scripts.report --output report
"""

from __future__ import annotations

from model import webpage, words
from model.atlas import atlas
from model.atomic_write import write_atomically
from model.canvas import save_pdf
from model.pages import first_page, run_page, sheets, text_page, weights
from model.printable import printable
from scripts.command_line import start
from scripts.opened import Opened, neuron_program
from scripts.progress import busy


@neuron_program(__doc__, "runs/report")
def main(opened: Opened) -> None:
    """Write report.pdf and report.html, and say where."""
    note, records, folder = opened.note, opened.records, opened.args.output
    told = words.sections(opened.parameters, records)
    with busy("drawing") as tell:
        shown = []
        for picture in opened.pictures():
            tell(picture.file)
            shown.append((picture, webpage.embedded(picture.png())))
        page = opened.page([*opened.found, *told], shown)
        html = write_atomically(folder / "report.html", page)
        history = words.history(opened.parameters.metadata)
        tell("report.pdf")
        pages = [
            first_page(records, opened.found[0][1], note),
            text_page(words.page_title(records), [*told, *opened.found[1:]], note),
            weights(records, note).figure,
            run_page(records, opened.first, history, note),
            *([] if opened.study is None else [atlas(opened.study, opened.study_note).figure]),
            *sheets(records, opened.images, note),
        ]
        pdf = save_pdf(pages, folder / "report.pdf", words.page_title(records))
    print(f"wrote {printable(pdf)} and {printable(html)}")


if __name__ == "__main__":
    start(main)
