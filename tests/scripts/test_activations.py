"""A picture of its activations is written for each neuron."""

from scripts.activations import main


def test_every_neuron_has_its_file(arguments_for, tmp_path, capsys):
    assert main(arguments_for()) == 0
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == [f"activations-0{number}.png" for number in range(3)]
    told = capsys.readouterr().out.splitlines()
    assert len(told) == 3
    assert 'activations-01.png: Neuron 1 ("Jalebi") fires' in told[1]
