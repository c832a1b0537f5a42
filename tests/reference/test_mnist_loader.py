"""Reading MNIST with NumPy: what comes out, and what is said of every kind of damage."""

import contextlib
import gzip
import os
import pickle
import re
import shutil
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from model.synthetic_digits import draw_digits, idx_bytes, write_idx_files
from reference import mnist_loader
from reference.mnist_loader import Examples, load_data, load_data_wrapper, vectorized_result

TRAIN = "train-images-idx3-ubyte"
LABELS = "train-labels-idx1-ubyte"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small data set that no test changes."""
    folder = tmp_path_factory.mktemp("drawn")
    write_idx_files(folder, 60, 20)
    return folder


@pytest.fixture
def folder(drawn: Path, tmp_path: Path) -> Path:
    """A copy of it, to be damaged."""
    return Path(shutil.copytree(drawn, tmp_path / "data"))


@contextlib.contextmanager
def an_ordinary_user() -> Iterator[None]:
    """Permissions do not bind root, so root steps down meanwhile."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def pickled(path: Path, parts: object, protocol: int = 2) -> Path:
    with gzip.open(path, "wb") as file:
        pickle.dump(parts, file, protocol=protocol)
    return path


def assert_same_data(received, expected) -> None:
    for (x, y), (expected_x, expected_y) in zip(received, expected, strict=True):
        assert (x.dtype, y.dtype) == (np.float32, np.int64)
        np.testing.assert_array_equal(x, expected_x)
        np.testing.assert_array_equal(y, expected_y)


def test_pixels_are_bytes_over_256_and_the_last_sixth_is_for_validation(folder: Path) -> None:
    images, labels = draw_digits(60)
    test_images, test_labels = draw_digits(20, part=1)
    x = images.reshape(60, 784) / 256
    expected = [
        (x[:50], labels[:50]),
        (x[50:], labels[50:]),
        (test_images.reshape(20, 784) / 256, test_labels),
    ]
    assert_same_data(load_data(folder), expected)


def test_every_layout_gives_the_same_data(folder: Path, tmp_path: Path) -> None:
    expected = load_data(folder)
    nested = tmp_path / "root" / "MNIST" / "raw"
    shutil.copytree(folder, nested)
    assert_same_data(load_data(tmp_path / "root"), expected)
    assert_same_data(load_data(str(nested)), expected)
    for path in list(nested.iterdir()):
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    assert_same_data(load_data(tmp_path / "root"), expected)
    assert_same_data(load_data(nested), expected)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_a_pickle_of_any_protocol_gives_the_same_data(
    folder: Path, tmp_path: Path, protocol: int
) -> None:
    expected = load_data(folder)
    path = pickled(tmp_path / "mnist.pkl.gz", expected, protocol)
    assert_same_data(load_data(path), expected)


def python_2_pickle(parts) -> bytes:
    """A pickle as Python 2 and NumPy 1 wrote it: bytes as str, the old names of modules."""

    def array(a: np.ndarray) -> bytes:
        raw = a.tobytes()
        shape = b"".join(b"J" + struct.pack("<i", n) for n in a.shape)
        code = a.dtype.str[1:].encode()
        return b"".join(
            [
                b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR",
                b"(K\x01(" + shape + b"t",
                b"cnumpy\ndtype\n(U\x02" + code + b"K\x00K\x01tR(K\x03U\x01<NNNJ",
                b"\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb",
                b"I00\nT" + struct.pack("<i", len(raw)) + raw + b"tb",
            ]
        )

    pairs = [b"(" + array(x) + array(y) + b"t" for x, y in parts]
    return b"\x80\x02(" + b"".join(pairs) + b"t."


def test_nielsens_own_kind_of_pickle_is_read(folder: Path, tmp_path: Path) -> None:
    expected = load_data(folder)
    path = tmp_path / "mnist.pkl.gz"
    path.write_bytes(gzip.compress(python_2_pickle(expected)))
    assert_same_data(load_data(path), expected)


def test_load_data_wrapper_gives_arrays_and_nielsens_pairs(folder: Path) -> None:
    training_data, validation_data, test_data = load_data_wrapper(folder)
    (images, labels), _, (test_images, test_labels) = load_data(folder)
    assert (len(training_data), len(validation_data), len(test_data)) == (50, 10, 20)
    np.testing.assert_array_equal(training_data.y.argmax(axis=1), labels)
    np.testing.assert_array_equal(training_data.y.sum(axis=1), 1)
    for i, (x, y) in enumerate(training_data):
        np.testing.assert_array_equal(x, images[i][:, None])
        np.testing.assert_array_equal(y, vectorized_result(labels[i]))
    for i, (x, y) in enumerate(test_data):
        np.testing.assert_array_equal(x, test_images[i][:, None])
        assert type(y) is int
        assert y == test_labels[i]


def test_examples_index_slice_and_print_as_a_list_does(folder: Path) -> None:
    training_data, _, test_data = load_data_wrapper(folder)
    np.testing.assert_array_equal(training_data[-1][0], training_data[49][0])
    assert test_data[3:5][1][1] == test_data[4][1]
    assert len(test_data[:7]) == len(list(test_data[:7])) == 7
    with pytest.raises(IndexError):
        training_data[50]
    assert repr(test_data) == "Examples(x of shape (20, 784), y of shape (20,))"


@pytest.mark.parametrize(
    ("x", "y"), [((3, 4), (2,)), ((3,), (3,)), ((3, 4), (3, 2, 1)), ((3, 4), ())]
)
def test_examples_whose_shapes_do_not_fit_are_refused(x: tuple, y: tuple) -> None:
    with pytest.raises(ValueError, match=r"\(N, n_out\) or \(N,\), received"):
        Examples(np.zeros(x), np.zeros(y))


def test_vectorized_result_has_its_one_at_the_digit() -> None:
    for j in range(10):
        e = vectorized_result(j)
        assert e.shape == (10, 1)
        assert e.dtype == np.float32
        assert e.argmax() == j
        assert e.sum() == 1


@pytest.mark.parametrize("j", [-1, 10, 2.5])
def test_vectorized_result_of_no_digit_is_refused(j: int) -> None:
    with pytest.raises(ValueError, match=f"a label is a digit from 0 to 9, received {j}"):
        vectorized_result(j)


def test_idx_files_of_any_content_are_read_back() -> None:
    hypothesis = pytest.importorskip("hypothesis")
    st = pytest.importorskip("hypothesis.strategies")

    @hypothesis.settings(deadline=None, max_examples=25)
    @hypothesis.given(st.integers(6, 40), st.integers(1, 9), st.integers(0, 2**32), st.booleans())
    def read_back(training: int, test: int, seed: int, packed: bool) -> None:
        rng = np.random.default_rng(seed)
        with tempfile.TemporaryDirectory() as folder:
            made = []
            for part, count in (("train", training), ("t10k", test)):
                images = rng.integers(0, 256, (count, 28, 28)).astype(np.uint8)
                labels = rng.integers(0, 10, count).astype(np.uint8)
                made.append((images.reshape(count, 784) / 256, labels))
                for name, array in (("images-idx3", images), ("labels-idx1", labels)):
                    path = Path(folder, f"{part}-{name}-ubyte")
                    content = idx_bytes(array)
                    if packed:
                        path, content = path.with_name(path.name + ".gz"), gzip.compress(content)
                    path.write_bytes(content)
            received = load_data(folder)
        first = training - training // 6
        (x, y), tested = made
        assert_same_data(received, [(x[:first], y[:first]), (x[first:], y[first:]), tested])

    read_back()


def change(name: str, make):
    """A damage: the file's bytes replaced by make(bytes)."""

    def damage(folder: Path) -> None:
        (folder / name).write_bytes(make((folder / name).read_bytes()))

    return damage


def pack_and(make):
    """A damage: the training images packed, and the .gz replaced by make(bytes)."""

    def damage(folder: Path) -> None:
        path = folder / TRAIN
        path.with_name(f"{TRAIN}.gz").write_bytes(make(gzip.compress(path.read_bytes())))
        path.unlink()

    return damage


def header(*numbers: int) -> bytes:
    return struct.pack(f">{len(numbers)}I", *numbers)


DAMAGES = {
    "missing file": (
        lambda folder: (folder / LABELS).unlink(),
        FileNotFoundError,
        f"{{}}: MNIST's files are missing here ({LABELS}); give a folder with MNIST's four IDX",
    ),
    "a folder of that name": (
        lambda folder: ((folder / LABELS).unlink(), (folder / LABELS).mkdir()),
        FileNotFoundError,
        f"{{}}: MNIST's files are missing here ({LABELS}); give a folder",
    ),
    "empty file": (
        change(TRAIN, lambda b: b""),
        ValueError,
        f"{{}}/{TRAIN}: is empty, expected an IDX file of images; replace it by the file of MNIST",
    ),
    "half a header": (
        change(TRAIN, lambda b: b[:7]),
        ValueError,
        f"{{}}/{TRAIN}: ends after 7 bytes, inside its header, expected an IDX file of images",
    ),
    "cut short": (
        change(TRAIN, lambda b: b[:-5]),
        ValueError,
        f"{{}}/{TRAIN}: expected 47,056 bytes for the 60 images that its header promises, "
        "received 47,051; replace it by the file of MNIST",
    ),
    "too long": (
        change(LABELS, lambda b: b + b"\0"),
        ValueError,
        f"{{}}/{LABELS}: expected 68 bytes for the 60 labels that its header promises, received 69",
    ),
    "labels for images": (
        lambda folder: shutil.copy(folder / LABELS, folder / TRAIN),
        ValueError,
        f"{{}}/{TRAIN}: expected an IDX file of images that starts with the number 2051, "
        "received 2049",
    ),
    "a web page": (
        change(LABELS, lambda b: b"<!DOCTYPE html><html>Not found</html>"),
        ValueError,
        f"{{}}/{LABELS}: expected an IDX file of labels that starts with the number 2049, received",
    ),
    "other sides": (
        change(TRAIN, lambda b: header(2051, 60, 14, 56) + b[16:]),
        ValueError,
        f"{{}}/{TRAIN}: expected images of 28 x 28 pixels, received 14 x 56",
    ),
    "no labels": (
        change(LABELS, lambda b: header(2049, 0)),
        ValueError,
        f"{{}}/{LABELS}: expected labels, received an IDX file of none; replace it",
    ),
    "a label of 10": (
        change(LABELS, lambda b: b[:-1] + b"\x0a"),
        ValueError,
        f"{{}}/{LABELS}: expected labels from 0 to 9, received 10",
    ),
    "a label missing": (
        change(LABELS, lambda b: header(2049, 59) + b[8:-1]),
        ValueError,
        f"{{}}/{LABELS}: expected a label for each of the 60 images of {TRAIN}, received 59",
    ),
    "fewer than six": (
        lambda folder: write_idx_files(folder, 5, 3),
        ValueError,
        f"{{}}/{TRAIN}: expected 6 images or more, of which a sixth is for validation, received 5",
    ),
    "gz cut short": (
        pack_and(lambda b: b[:-500]),
        ValueError,
        f"{{}}/{TRAIN}.gz: damaged or cut short (Compressed file ended before",
    ),
    "gz that is none": (
        pack_and(lambda b: b"no gzip at all"),
        ValueError,
        f"{{}}/{TRAIN}.gz: damaged or cut short (Not a gzipped file",
    ),
    "gz with a flipped bit": (
        pack_and(lambda b: b[:3000] + bytes([b[3000] ^ 8]) + b[3001:]),
        ValueError,
        f"{{}}/{TRAIN}.gz: ",
    ),
    "a promise of billions": (
        change(TRAIN, lambda b: header(2051, 2**32 - 1, 28, 28) + b[16:]),
        ValueError,
        f"{{}}/{TRAIN}: expected 3,367,254,359,296 bytes",
    ),
}


@pytest.mark.parametrize("what", DAMAGES)
def test_damage_is_told_in_one_line(what: str, folder: Path) -> None:
    damage, kind, text = DAMAGES[what]
    damage(folder)
    with pytest.raises(kind) as caught:
        load_data(folder)
    assert str(caught.value).startswith(text.format(folder)), str(caught.value)
    assert "\n" not in str(caught.value)
    assert "; " in str(caught.value)


def test_a_place_that_is_not_there_is_told(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere", tmp_path / "nowhere.pkl.gz", tmp_path / "a\0b"):
        with pytest.raises((FileNotFoundError, ValueError)) as caught:
            load_data(path)
        assert str(caught.value).startswith(f"{path}: ")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(FileNotFoundError, match="file: this is a file, expected a folder; give"):
        load_data(tmp_path / "file")


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_a_file_or_folder_that_may_not_be_read_is_told(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as outside:
        os.chmod(outside, 0o755)
        copy = Path(shutil.copytree(folder, Path(outside) / "data"))
        os.chmod(copy, 0o755)
        for path in copy.iterdir():
            os.chmod(path, 0o644)
        for forbidden in (copy / TRAIN, copy):
            os.chmod(forbidden, 0)
            expected = f"^{forbidden}: cannot be read, permission denied; let this user read it, or"
            with an_ordinary_user(), pytest.raises(PermissionError, match=expected):
                load_data(copy)
            os.chmod(forbidden, 0o755)


class Evil:
    """Pickles into a call."""

    def __init__(self, function, *arguments) -> None:
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    "function", [os.system, eval, getattr, np.load, np.lib.format.open_memmap, np.zeros]
)
def test_a_pickle_that_calls_anything_is_refused(tmp_path: Path, function) -> None:
    touched = tmp_path / "touched"
    path = pickled(tmp_path / "mnist.pkl.gz", Evil(function, f"touch {touched}"))
    with pytest.raises(ValueError, match=r"it asks for .*, only arrays are admitted"):
        load_data(path)
    assert not touched.exists()


def test_a_pickle_cannot_ask_for_memory_or_objects(folder: Path, tmp_path: Path) -> None:
    path = pickled(tmp_path / "mnist.pkl.gz", Evil(np.ndarray, (1 << 50,)))
    with pytest.raises(ValueError, match="damaged or cut short"):
        load_data(path)
    pickled(path, np.array([None, "text"], dtype=object))
    with pytest.raises(ValueError, match=r"\(it holds an array of 'O8', not of numbers\); replace"):
        load_data(path)


def test_a_pickle_of_other_things_is_told(folder: Path, tmp_path: Path) -> None:
    good = load_data(folder)
    (x, y), validation, test = good
    path = tmp_path / "mnist.pkl.gz"
    shapes = "expected float images of shape (N, 784) and whole-number labels of shape (N,), "
    wrong = {
        "expected three pairs (images, labels)": [good[:2], "text", [1, 2, 3], {}],
        shapes + "received float32 (50, 783) and int64 (50,)": [((x[:, 1:], y), validation, test)],
        shapes + "received float32 (50, 784) and int64 (49,)": [((x, y[1:]), validation, test)],
        shapes + "received int and int64 (50,)": [((1, y), validation, test)],
        "expected labels from 0 to 9, received 12": [((x, y + 12 - y[0]), validation, test)],
        "expected labels from 0 to 9, received -1": [((x, y * 0 - 1), validation, test)],
        "expected pixels that are a byte divided by 256, received": [
            ((x * np.float32(256 / 255), y), validation, test),
            ((x + 1, y), validation, test),
            ((x - 1, y), validation, test),
            ((x * np.float32(np.nan), y), validation, test),
        ],
    }
    for text, cases in wrong.items():
        for case in cases:
            with pytest.raises(ValueError, match="^" + re.escape(f"{path}: {text}")):
                load_data(pickled(path, case))


def test_a_pickle_cut_anywhere_is_told(folder: Path, tmp_path: Path) -> None:
    whole = gzip.decompress(pickled(tmp_path / "whole.pkl.gz", load_data(folder)).read_bytes())
    path = tmp_path / "mnist.pkl"
    for length in [0, 1, 2, 20, 50, 100, 1000, len(whole) // 2, len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"mnist.pkl: damaged or cut short \("):
            load_data(path)


def test_without_a_path_mnist_dir_decides(folder: Path, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MNIST_DIR", str(folder))
    assert_same_data(load_data(), load_data(folder))
    monkeypatch.setenv("MNIST_DIR", str(tmp_path / "typo"))
    expected = (
        r"typo: no such file or folder; .* "
        r"\(named by the environment variable MNIST_DIR: correct or unset it\)$"
    )
    with pytest.raises(FileNotFoundError, match=expected):
        load_data()


def test_without_a_path_and_mnist_dir_data_is_searched(
    folder: Path, monkeypatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("MNIST_DIR", raising=False)
    # as if the checkout lay where there is no data/
    monkeypatch.setattr(mnist_loader, "__file__", str(tmp_path / "away" / "x" / "loader.py"))
    monkeypatch.chdir(folder.parent)
    assert_same_data(load_data(), load_data(folder))
    monkeypatch.chdir(folder)
    with pytest.raises(FileNotFoundError, match=r"^MNIST is neither in data/ nor named by"):
        load_data()


@pytest.mark.mnist
def test_mnist_is_what_it_is_known_to_be() -> None:
    training, validation, test = load_data()
    assert [len(x) for x, _ in (training, validation, test)] == [50_000, 10_000, 10_000]
    assert training[1][:5].tolist() == [5, 0, 4, 1, 9]
    assert test[1][:5].tolist() == [7, 2, 1, 0, 4]
    counts = np.bincount(np.concatenate([training[1], validation[1]]))
    assert counts.tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert training[0].max() == np.float32(255 / 256)
