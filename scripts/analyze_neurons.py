"""Measure what each hidden neuron does: roles and top inputs as a table, as JSON and as CSV.

python -m scripts.analyze_neurons --output runs/neurons
"""

from model.printable import printable
from model.words import table
from scripts.command_line import start
from scripts.opened import Opened, neuron_program, wrapped


@neuron_program(__doc__, "runs/neurons")
def main(opened: Opened) -> None:
    """Print the table and the findings, write the records, and say where."""
    print(
        "\n".join(
            [
                *table(opened.records),
                "",
                *(wrapped(sentence) for _, told in opened.found for sentence in told),
                opened.note,
            ]
        )
    )
    print(f"wrote {' and '.join(map(printable, opened.write_records()))}")


if __name__ == "__main__":
    start(main)
