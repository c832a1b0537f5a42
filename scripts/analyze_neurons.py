"""Measure what each hidden neuron does: roles and top inputs as a table, as JSON and as CSV.

python -m scripts.analyze_neurons --output runs/neurons
"""

from __future__ import annotations

from collections.abc import Sequence

from model import captions
from model.findings import findings
from scripts.command_line import command, start
from scripts.opened import open_network, options, write_records


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Print the table and the findings, write the records, and say where."""
    args = options(__doc__, "runs/neurons").parse_args(argv)
    opened = open_network(args)
    print("\n".join([*captions.table(opened.records), "", *captions.table_legend(), ""]))
    print("\n".join(findings(opened.records)))
    print(opened.note)
    print(f"wrote {' and '.join(map(str, write_records(opened.records, args.output)))}")
    return 0


if __name__ == "__main__":
    start(main)
