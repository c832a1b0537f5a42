"""Write the report on a network: one PDF, and one HTML file that holds its pictures.

python -m scripts.report --output report
"""

from __future__ import annotations

from collections.abc import Sequence

from model import captions, report, webpage
from model.atomic_write import write_atomically
from model.canvas import png_bytes, save_pdf
from model.sheets import layer_pictures, table_page, text_page
from scripts.command_line import command, start
from scripts.opened import open_network, options, sheets


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Write report.pdf and report.html, and say where."""
    args = options(__doc__, "runs/report").parse_args(argv)
    opened = open_network(args)
    records, run = opened.records, report.history(opened.parameters.metadata)
    title, words = captions.page_title(records), report.sections(opened.parameters, records)
    table = [*captions.table(records), "", *captions.table_legend()]
    pictures = [*layer_pictures(records, *run, opened.note), *sheets(opened)]
    parts = [webpage.section(*part) for part in words] + [webpage.table("The neurons", table)]
    for picture in pictures:
        source = webpage.embedded(png_bytes(picture.figure))
        parts.append(webpage.picture(source, picture.caption))
    page = webpage.page(title, parts, opened.note)
    html = write_atomically(args.output / "report.html", page.encode())
    text = [text_page(title, words, opened.note), table_page("The neurons", table, opened.note)]
    pages = [*text, *(picture.figure for picture in pictures)]
    print(f"wrote {save_pdf(pages, args.output / 'report.pdf', title)} and {html}")
    return 0


if __name__ == "__main__":
    start(main)
