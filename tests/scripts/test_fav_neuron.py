"""One neuron on one page: 11 unless another is asked for, and one that is there."""

import pytest

from scripts.fav_neuron import main


def test_the_neuron_asked_for_is_drawn(arguments_for, tmp_path, capsys):
    assert main(["1", *arguments_for()]) == 0
    (page,) = (tmp_path / "out").iterdir()
    assert page.name == "neuron-01.png"
    assert capsys.readouterr().out.startswith(f'{page}: Neuron 1 ("Jalebi") fires')


def test_the_favourite_is_number_11(arguments_for, tmp_path):
    assert main(arguments_for(784, 12, 10)) == 0
    assert [page.name for page in (tmp_path / "out").iterdir()] == ["neuron-11.png"]


@pytest.mark.parametrize(("argv", "number"), [([], 11), (["3"], 3), (["--", "-1"], -1)])
def test_a_neuron_that_is_not_there_is_one_line_and_status_2(
    arguments_for, tmp_path, capsys, argv, number
):
    assert main([*arguments_for(), *argv]) == 2
    told = capsys.readouterr().err.splitlines()[-1]
    assert told == (
        f"error: neuron: expected a number from 0 to 2, received {number}; "
        "the first hidden layer of this model has 3"
    )
    assert not list((tmp_path / "out").iterdir())


def test_pages_from_either_backend_are_equal_files(arguments_for, tmp_path):
    drawn = []
    for backend in ("numpy", "torch"):
        assert main(["2", *arguments_for(), "--backend", backend]) == 0
        drawn.append((tmp_path / "out" / "neuron-02.png").read_bytes())
    assert drawn[0] == drawn[1]
