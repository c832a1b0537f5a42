"""Measure what each hidden neuron does: roles and top inputs as a table, as JSON and as CSV.

python -m scripts.analyze_neurons --output runs/neurons
"""

from model.words import LEGEND, table
from scripts.command_line import start
from scripts.opened import Opened, neuron_program, terminal_width, wrapped


@neuron_program(__doc__, "runs/neurons")
def main(opened: Opened) -> None:
    """Print the table and the findings, write the records, and say where."""
    found = [sentence for _, told in opened.found for sentence in told]
    lines = table(opened.records, terminal_width())
    legend = " ".join(text for column, text in LEGEND.items() if column in lines[0])
    print("\n".join([*lines, "", *map(wrapped, [legend, "", *found, opened.note])]))
    print(f"wrote {' and '.join(map(str, opened.write_records()))}")


if __name__ == "__main__":
    start(main)
