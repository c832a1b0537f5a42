"""Draw everything into one folder, with an index.html that shows it.

python -m scripts.figures --output visuals
"""

from __future__ import annotations

from collections.abc import Sequence

from model import captions, report, webpage
from model.atomic_write import write_atomically
from model.canvas import save_png
from model.findings import findings
from model.sheets import layer_pictures
from scripts.command_line import command, start
from scripts.opened import open_network, options, sheets, write_records


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Write the pictures, the records and index.html, and say where."""
    args = options(__doc__, "runs/figures").parse_args(argv)
    opened = open_network(args)
    records, run = opened.records, report.history(opened.parameters.metadata)
    parts = [
        webpage.section("What was found", findings(records)),
        webpage.table("The neurons", [*captions.table(records), "", *captions.table_legend()]),
    ]
    for picture in (*layer_pictures(records, *run, opened.note), *sheets(opened)):
        save_png(picture.figure, args.output / picture.file)
        parts.append(webpage.picture(picture.file, picture.caption))
    write_records(records, args.output)
    page = webpage.page(captions.page_title(records), parts, opened.note)
    index = write_atomically(args.output / "index.html", page.encode())
    print(f"wrote {index} and what it shows")
    return 0


if __name__ == "__main__":
    start(main)
