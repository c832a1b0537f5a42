"""The heatmaps are written, the same from either backend, for any network."""

import pytest

from scripts.visualize_weights import main


@pytest.mark.parametrize("sizes", [(784, 1, 10), (784, 3, 10), (784, 3, 4, 10)])
def test_the_heatmaps_are_written_and_said(arguments_for, tmp_path, capsys, sizes):
    assert main(arguments_for(*sizes)) == 0
    out = tmp_path / "out"
    assert sorted(path.name for path in out.iterdir()) == ["change.png", "weights.png"]
    told = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[0] for line in told] == [
        str(out / "weights.png"),
        str(out / "change.png"),
    ]


def test_pictures_from_either_backend_are_equal_files(arguments_for, tmp_path):
    drawn = []
    for backend in ("numpy", "torch"):
        assert main([*arguments_for(), "--backend", backend]) == 0
        drawn.append([path.read_bytes() for path in sorted((tmp_path / "out").iterdir())])
    assert drawn[0] == drawn[1]
