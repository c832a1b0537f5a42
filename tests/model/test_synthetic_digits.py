"""The stand-in digits: the same bytes everywhere, made as MNIST was, learnable."""

import hashlib
import struct

import numpy as np
import pytest

from model import synthetic_digits
from model.synthetic_digits import draw_digits, idx_bytes, write_idx_files
from reference.mnist_loader import load_data_wrapper
from reference.network import Network


@pytest.fixture(scope="module")
def default_files(tmp_path_factory):
    return write_idx_files(tmp_path_factory.mktemp("drawn") / "new" / "folder")


def test_the_default_files_are_these_bytes_on_every_machine(default_files):
    digests = {n: hashlib.sha256(p.read_bytes()).hexdigest() for n, p in default_files.items()}
    assert digests == synthetic_digits.SHA256
    folder = default_files["t10k-images-idx3-ubyte"].parent
    assert sorted(p.name for p in folder.iterdir()) == sorted(default_files)


def test_seed_and_part_decide_the_digits_and_a_smaller_set_begins_a_larger_one():
    drawn, (images, labels) = draw_digits(600), draw_digits(37)
    np.testing.assert_array_equal(images, drawn[0][:37])
    np.testing.assert_array_equal(labels, drawn[1][:37])
    assert (draw_digits(600, seed=1)[0] != drawn[0]).any(axis=(1, 2)).all()
    parts = drawn, draw_digits(600, part=1)
    training, test = ({image.tobytes() for image in part[0]} for part in parts)
    assert len(training) == len(test) == 600
    assert not training & test


def test_the_network_learns_them_in_a_few_epochs_but_not_perfectly(default_files):
    training, _, test = load_data_wrapper(default_files["t10k-images-idx3-ubyte"].parent)
    net = Network([784, 20, 10], rng=np.random.default_rng(0))
    rng, silent = np.random.default_rng(0), lambda *_: None
    net.SGD(training, 4, 10, 3.0, rng=rng, on_epoch=silent)
    assert 0.92 < net.evaluate(test) / len(test) < 0.98  # 0.949 where it was measured


@pytest.mark.parametrize(("number", "seed"), [(0, 0), (-1, 0), (5, -1)])
def test_nothing_to_draw_is_refused(number, seed):
    expected = (
        "synthetic digits need a number of images of 1 or more and a seed of 0 or more, "
        f"received number={number} and seed={seed}"
    )
    with pytest.raises(ValueError, match=expected):
        draw_digits(number, seed)


def test_idx_bytes_are_magic_lengths_and_bytes():
    array = np.arange(12, dtype=np.uint8).reshape(3, 2, 2)
    assert idx_bytes(array) == struct.pack(">4I", 2051, 3, 2, 2) + bytes(range(12))
    assert idx_bytes(array.ravel()) == struct.pack(">2I", 2049, 12) + bytes(range(12))
    with pytest.raises(ValueError, match=r"holds uint8, received an array of float64"):
        idx_bytes(array.astype(float))


def test_a_folder_that_is_a_file_is_an_os_error(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="file"):
        write_idx_files(tmp_path / "file", 6, 1)
