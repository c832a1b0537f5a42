"""The stand-in digits: the same bytes everywhere, made as MNIST was, learnable."""

import hashlib
import struct
from pathlib import Path

import numpy as np
import pytest

from model import synthetic_digits
from model.synthetic_digits import draw_digits, idx_bytes, write_idx_files
from reference.mnist_loader import load_data_wrapper
from reference.network import Network


@pytest.fixture(scope="module")
def drawn():
    return draw_digits(600)


def test_the_default_files_are_these_bytes_on_every_machine(tmp_path: Path) -> None:
    files = write_idx_files(tmp_path / "new" / "folder")
    digests = {n: hashlib.sha256(p.read_bytes()).hexdigest() for n, p in files.items()}
    assert digests == synthetic_digits.SHA256
    assert sorted(p.name for p in files["t10k-images-idx3-ubyte"].parent.iterdir()) == sorted(files)


def test_the_same_seed_gives_the_same_digits_and_another_seed_others(drawn) -> None:
    again, other = draw_digits(600), draw_digits(600, seed=1)
    np.testing.assert_array_equal(again[0], drawn[0])
    np.testing.assert_array_equal(again[1], drawn[1])
    assert (other[0] != drawn[0]).any(axis=(1, 2)).all()


def test_training_and_test_digits_share_nothing(drawn) -> None:
    training = {image.tobytes() for image in drawn[0]}
    test = {image.tobytes() for image in draw_digits(600, part=1)[0]}
    assert len(training) == len(test) == 600
    assert not training & test


def test_a_smaller_set_is_the_beginning_of_a_larger_one(drawn) -> None:
    images, labels = draw_digits(37)
    np.testing.assert_array_equal(images, drawn[0][:37])
    np.testing.assert_array_equal(labels, drawn[1][:37])


def test_every_digit_is_drawn_about_equally_often(drawn) -> None:
    counts = np.bincount(drawn[1], minlength=10)
    assert counts.sum() == 600
    assert counts.min() > 35
    assert counts.max() < 85


def test_ink_fits_20_pixels_and_is_centred_by_mass_as_in_mnist(drawn) -> None:
    middles = np.arange(28) + 0.5
    for image in drawn[0]:
        for lines in (image.any(axis=0), image.any(axis=1)):
            lit = np.flatnonzero(lines)
            assert lit[-1] - lit[0] < 20
        for axis in (0, 1):
            centre = (image.sum(axis=axis) * middles).sum() / image.sum()
            assert abs(centre - 14) <= 0.5


def test_strokes_are_black_inside_and_grey_at_the_edge(drawn) -> None:
    images = drawn[0]
    assert images.dtype == np.uint8
    assert (images.max(axis=(1, 2)) == 255).mean() > 0.95
    lit = images[images > 0]
    assert 0.2 < (lit < 255).mean() < 0.8


def test_the_network_learns_them_in_a_few_epochs_but_not_perfectly(tmp_path: Path) -> None:
    write_idx_files(tmp_path)
    training_data, _, test_data = load_data_wrapper(tmp_path)
    net = Network([784, 20, 10], rng=np.random.default_rng(0))
    correct: list[int] = []
    net.SGD(
        training_data,
        4,
        10,
        3.0,
        test_data=test_data,
        rng=np.random.default_rng(0),
        on_epoch=lambda epoch, count: correct.append(count),
    )
    assert 0.92 < correct[-1] / len(test_data) < 0.98  # 0.949 where it was measured


@pytest.mark.parametrize(("number", "seed"), [(0, 0), (-1, 0), (5, -1)])
def test_nothing_to_draw_is_refused(number: int, seed: int) -> None:
    expected = (
        "synthetic digits need a number of images of 1 or more and a seed of 0 or more, "
        f"received number={number} and seed={seed}"
    )
    with pytest.raises(ValueError, match=expected):
        draw_digits(number, seed)


def test_idx_bytes_are_magic_lengths_and_bytes() -> None:
    array = np.arange(12, dtype=np.uint8).reshape(3, 2, 2)
    assert idx_bytes(array) == struct.pack(">4I", 2051, 3, 2, 2) + bytes(range(12))
    assert idx_bytes(array.ravel()) == struct.pack(">2I", 2049, 12) + bytes(range(12))
    with pytest.raises(ValueError, match=r"holds uint8, received an array of float64"):
        idx_bytes(array.astype(float))  # type: ignore[arg-type]


def test_a_folder_that_is_a_file_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="file"):
        write_idx_files(tmp_path / "file", 6, 1)
