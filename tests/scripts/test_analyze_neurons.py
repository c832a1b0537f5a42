"""The table fits the terminal, and what is printed is what is written."""

import json

import pytest

from scripts.analyze_neurons import main


@pytest.mark.parametrize("sizes", [(784, 1, 10), (784, 12, 10), (784, 3, 4, 10)])
def test_the_table_fits_the_terminal(arguments_for, tmp_path, capsys, sizes):
    assert main(arguments_for(*sizes)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines[: sizes[1] + 5])) <= 100
    assert [line.split()[0] for line in lines[2 : 2 + sizes[1]]] == list(map(str, range(sizes[1])))
    assert lines[-1] == f"wrote {tmp_path}/out/neurons.json and {tmp_path}/out/neurons.csv"


def test_what_is_printed_is_what_is_written(arguments_for, tmp_path, capsys):
    assert main(arguments_for()) == 0
    line = capsys.readouterr().out.splitlines()[3]
    record = json.loads((tmp_path / "out" / "neurons.json").read_text())["neurons"][1]
    assert line.startswith("1 Jalebi")
    assert record["role"]["kind"] in line
    assert line.endswith("".join(map(str, record["highest"]["labels"])))
