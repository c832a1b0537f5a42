"""Everything in one folder, and an index.html that shows all of it."""

import re

from scripts.figures import main


def test_the_index_shows_every_picture_in_the_folder(arguments_for, tmp_path, capsys):
    assert main(arguments_for(784, 2, 10)) == 0
    out = tmp_path / "out"
    index = (out / "index.html").read_text()
    shown = re.findall(r'<img src="([^"]+)"', index)
    assert sorted(shown) == sorted(path.name for path in out.glob("*.png"))
    assert len(shown) == 5 + 2
    assert {path.name for path in out.iterdir()} == {
        *shown,
        "index.html",
        "neurons.json",
        "neurons.csv",
    }
    assert capsys.readouterr().out == f"wrote {out / 'index.html'} and what it shows\n"


def test_a_deeper_network_is_said_to_be_one(arguments_for, tmp_path):
    assert main([*arguments_for(784, 1, 4, 10), "--limit", "30"]) == 0
    index = (tmp_path / "out" / "index.html").read_text()
    assert "784-1-4-10" in index
    assert "30 test images" in index
    assert "not MNIST" in index
