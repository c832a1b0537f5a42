"""Write the report on a network: one PDF, and one HTML file that holds its pictures.

python -m scripts.report --output report
"""

from model import webpage, words
from model.atlas import atlas
from model.atomic_write import write_atomically
from model.canvas import save_pdf
from model.pages import first_page, run_page, sheets, text_page, weights
from scripts.command_line import start
from scripts.opened import STUDY_NOTE, Opened, neuron_program
from scripts.progress import busy


@neuron_program(__doc__, "runs/report")
def main(opened: Opened) -> None:
    """Write report.pdf and report.html, and say where."""
    note, records, folder = opened.note, opened.records, opened.args.output
    told = words.sections(opened.parameters, records)
    page = opened.page([*opened.found, *told], lambda picture: webpage.embedded(picture.png()))
    html = write_atomically(folder / "report.html", page)
    with busy("drawing report.pdf"):
        pages = [
            first_page(records, opened.found[0][1], note),
            text_page(words.page_title(records), [*told, *opened.found[1:]], note),
            weights(records, note).figure,
            run_page(records, opened.first, words.history(opened.parameters.metadata), note),
            *([] if opened.study is None else [atlas(opened.study, STUDY_NOTE).figure]),
            *sheets(records, opened.images, note),
        ]
        pdf = save_pdf(pages, folder / "report.pdf", words.page_title(records))
    print(f"wrote {pdf} and {html}")


if __name__ == "__main__":
    start(main)
