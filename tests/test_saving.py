"""Network.save and Network.load: one file for both networks, and for `Parameters`."""

import json
import os
import stat

import numpy as np
import pytest
import torch

from model.parameters import Parameters
from tests.twin import TWINS, both, every, fingerprint, flat, same_bits

SIZES = (3, 4, 2)


@every
@both
def test_what_one_network_saves_any_loads_bit_for_bit(twin, arithmetic, tmp_path):
    net, file = twin.start(SIZES, arithmetic), tmp_path / "net.json"
    net.save(file)
    for other in TWINS:
        again = other.Network.load(file, other.kept(arithmetic))
        assert same_bits(flat(again.export()), flat(net.export()))
    assert Parameters.load(file).fingerprint == fingerprint(net)
    assert [path.name for path in tmp_path.iterdir()] == ["net.json"]
    Parameters(SIZES, *net.export()).save(tmp_path / "other.json")
    assert (tmp_path / "other.json").read_bytes() == file.read_bytes()


@every
def test_a_notebook_shows_sizes_arithmetic_and_every_layer(arithmetic):
    pages = {twin.start(SIZES, arithmetic)._repr_html_() for twin in TWINS}
    assert len(pages) == 1
    [page] = pages
    assert page.startswith(f"<p>3-4-2, {TWINS[0].kept(arithmetic).name}</p><table><tr>")
    assert "<tr><td>2</td><td>2 x 4</td>" in page


@both
def test_the_books_own_file_loads(twin, tmp_path):
    biases = [[[0.5], [0.25]]]
    book = {"sizes": [1, 2], "weights": [[[1.5], [2]]], "biases": biases, "cost": "QuadraticCost"}
    (tmp_path / "book.json").write_text(json.dumps(book))
    net = twin.Network.load(tmp_path / "book.json")
    assert same_bits(flat(net.export()), [np.array([[1.5], [2.0]]), np.array(biases[0])])


SOUND = {"sizes": [1, 2], "weights": [[[1.5], [2.0]]], "biases": [[[0.5], [0.25]]]}


@pytest.mark.parametrize(
    "content",
    [
        "", "{", "[1]", json.dumps(SOUND)[:-5],
        *(json.dumps({k: v for k, v in SOUND.items() if k != key}) for key in SOUND),
        *(json.dumps(SOUND | change) for change in (
            {"sizes": [1, 3]}, {"sizes": [1]}, {"sizes": 3}, {"sizes": [1, 1, 2]},
            {"weights": [[[1.5], [float("nan")]]]}, {"weights": [[[1.5], [2.0, 3.0]]]},
            {"weights": [[["1.5"], ["2"]]]}, {"weights": [[[True], [False]]]}, {"weights": 1},
            {"biases": [[0.5, 0.25]]}, {"biases": []}, {"format": "jalebi-2"},
            {"fingerprint": 64 * "0"},
        )),
    ],
)  # fmt: skip
@both
def test_a_damaged_file_is_refused_in_one_line_that_names_it(twin, content, tmp_path):
    path = tmp_path / "net.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"^[^\n]*net\.json: [^\n]+restore the file or save the"):
        twin.Network.load(path)


@both
def test_what_cannot_be_saved_leaves_what_there_was(twin, tmp_path):
    net = twin.start(SIZES, "Float64")
    net.save(tmp_path / "net.json")
    before = (tmp_path / "net.json").read_bytes()
    with pytest.raises(OSError, match="nowhere"):
        net.save(tmp_path / "nowhere" / "net.json")
    with torch.no_grad():
        net.biases[0][0] = float("inf")
    with pytest.raises(ValueError, match="finite number"):
        net.save(tmp_path / "net.json")
    assert (tmp_path / "net.json").read_bytes() == before
    with pytest.raises(OSError, match=r"none\.json"):
        twin.Network.load(tmp_path / "none.json")


@both
def test_only_a_file_is_replaced_and_it_keeps_its_mode_and_the_link_to_it(twin, tmp_path):
    net, file, link, pipe = (twin.start(SIZES, "Float64"), *(tmp_path / n for n in "flp"))
    net.save(file)
    file.chmod(0o640)
    link.symlink_to(file)
    os.mkfifo(pipe)
    with torch.no_grad():
        net.biases[0] *= 0
    net.save(link)
    assert link.is_symlink()
    assert file.stat().st_mode & 0o777 == 0o640
    assert not twin.Network.load(file).biases[0].any()
    for no_file in (pipe, tmp_path):
        for ask in (net.save, twin.Network.load):
            with pytest.raises(OSError, match=r"expected .*received a (folder|pipe)"):
                ask(no_file)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    net.save(tmp_path / (255 * "n"))
    assert not list(tmp_path.glob(".jalebi*"))
