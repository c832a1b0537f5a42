"""Files are written whole or not at all; `test_parameters.py` has the same for saved networks."""

import os

import pytest

from model.atomic_write import write_atomically
from model.canvas import new_figure, save_pdf, save_png

WRITERS = {
    "bytes": lambda path: write_atomically(path, b"new"),
    "png": lambda path: save_png(new_figure(2, 2), path),
    "pdf": lambda path: save_pdf([new_figure(2, 2)], path, "title"),
}


@pytest.fixture(params=WRITERS)
def write(request):
    return WRITERS[request.param]


def test_the_path_comes_back_and_holds_the_new_file_alone(write, tmp_path):
    (tmp_path / "file").write_bytes(b"old")
    assert write(tmp_path / "file") == tmp_path / "file"
    assert (tmp_path / "file").read_bytes() != b"old"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "no space left")], ids=repr)
def test_a_write_that_fails_leaves_the_old_file_alone(write, error, tmp_path, monkeypatch):
    def failing(descriptor):
        raise error

    (tmp_path / "file").write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(type(error)):
        write(tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_what_is_no_bytes_is_refused_and_leaves_the_old_file_alone(tmp_path):
    write_atomically(tmp_path / "file", b"old")
    with pytest.raises(TypeError):
        write_atomically(tmp_path / "file", "text")
    assert (tmp_path / "file").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]
