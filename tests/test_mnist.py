"""MNIST's files: what comes out of them, where they are looked for, what is said of every damage.

Whoever reads them, NumPy's loader, PyTorch's or a program, says the same.
"""

import gzip
import hashlib
import io
import os
import pickle
import pickletools
import shutil
import struct
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.datasets import MNIST

from model import mnist_files, synthetic_digits
from model.mnist_files import describe, find_mnist
from model.synthetic_digits import draw_digits, write_idx_files
from reference import nielsen_pickle
from scripts.command_line import find_data, load_examples
from tests.conftest import memory_below
from tests.twin import REFERENCE, TORCH, both, refusal

NAMES = TRAIN, LABELS, TESTS, TEST_LABELS = tuple(mnist_files.SHA256)
LOADERS = [twin.mnist_loader.load_data for twin in (REFERENCE, TORCH)]
NOWHERE = "MNIST is neither in data/ nor named by the environment variable MNIST_DIR"
SYNTHETIC = "synthetic digits, not MNIST ({}): accuracy on them is not MNIST's"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A small data set that no test changes."""
    write_idx_files(folder := tmp_path_factory.mktemp("drawn"), 60, 20)
    return folder


@pytest.fixture
def folder(drawn, tmp_path):
    """A copy of it, to be damaged."""
    return Path(shutil.copytree(drawn, tmp_path / "data"))


@pytest.fixture(scope="module")
def good(drawn):
    return REFERENCE.mnist_loader.load_data(drawn)


def same_data(received, expected):
    """Bit for bit the same numbers, of the same kinds."""
    for ours, theirs in zip(received, expected, strict=True):
        for v, want, dtype in zip(ours, theirs, (np.float32, np.int64), strict=True):
            assert np.asarray(v).dtype == dtype
            np.testing.assert_array_equal(np.asarray(v), want)
    return True


def pickled(path, parts, protocol=4):
    content = parts if isinstance(parts, bytes) else pickle.dumps(parts, protocol)
    path.write_bytes(gzip.compress(content, 1) if path.suffix == ".gz" else content)
    return path


# --- What comes out -----------------------------------------------------------------------------


@both
def test_pixels_are_bytes_over_256_and_the_last_sixth_is_for_validation(twin, tmp_path):
    write_idx_files(tmp_path, 65, 20)  # a sixth of them, rounded down
    images, labels = draw_digits(65)
    x, (test_images, test_labels) = images.reshape(65, 784) / 256, draw_digits(20, part=1)
    tested = test_images.reshape(20, 784) / 256, test_labels
    expected = [(x[:55], labels[:55]), (x[55:], labels[55:]), tested]
    torch.set_default_dtype(torch.float64)  # which decides nothing here
    try:
        received = twin.mnist_loader.load_data(tmp_path)
        assert same_data(received, expected)
        received[0][0][0, 0] = 0.5  # memory of its own, and not the file's
        assert same_data(twin.mnist_loader.load_data(tmp_path), expected)
        assert twin.numpy(twin.mnist_loader.load_data_wrapper(tmp_path)[0].y).dtype == np.float32
    finally:
        torch.set_default_dtype(torch.float32)


@both
def test_every_layout_gives_the_same_data(twin, folder, good, tmp_path):
    load, nested = twin.mnist_loader.load_data, tmp_path / "root" / "MNIST" / "raw"
    shutil.copytree(folder, nested)
    assert same_data(load(tmp_path / "root"), good)
    assert same_data(load(str(nested)), good)
    for path in list(nested.iterdir()):
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    assert same_data(load(tmp_path / "root"), good)
    shutil.copy(folder / TRAIN, nested)
    (nested / f"{TRAIN}.gz").write_bytes(b"damaged, but raw comes first")
    assert same_data(load(find_mnist(nested)), good)


def old_pickle(parts):
    """A pickle as Python 2 and NumPy 1 wrote it: bytes as str, the old names of modules."""

    def array(a):
        raw, code = a.tobytes(), a.dtype.str[1:].encode()
        shape = b"".join(b"J" + struct.pack("<i", n) for n in a.shape)
        return (
            b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR"
            b"(K\x01(" + shape + b"tcnumpy\ndtype\n(U\x02" + code + b"K\x00K\x01tR(K\x03U\x01<NNNJ"
            b"\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
            b"I00\nT" + struct.pack("<i", len(raw)) + raw + b"tb"
        )

    return b"\x80\x02(" + b"".join(b"(" + array(x) + array(y) + b"t" for x, y in parts) + b"t."


@both
@pytest.mark.parametrize("protocol", [1, 2, 3, 4, 5])
def test_a_pickle_of_python_2_or_3_gives_the_same_data(twin, good, tmp_path, protocol):
    (x, y), *others = good
    kinds = [(np.asfortranarray(x.astype(">f8")), y.astype("u1")), *map(list, others)]
    for name, parts in (("a.pkl.gz", good), ("b.pkl", kinds), ("c.pkl.gz", old_pickle(good))):
        path = pickled(tmp_path / name, parts, protocol)
        assert same_data(twin.mnist_loader.load_data(path), good)


@both
def test_the_wrapper_gives_arrays_and_nielsens_pairs(twin, folder, good):
    loader, axes = twin.mnist_loader, (() if twin.rows else (1,))
    parts = loader.load_data_wrapper(folder)
    assert [len(part) for part in parts] == [50, 10, 20]
    for part, (images, labels) in zip(parts, good, strict=True):
        for (x, y), image, label in zip(part, images, labels, strict=True):
            np.testing.assert_array_equal(x, image.reshape(784, *axes))
            if part is parts[0]:
                e = np.eye(10, dtype=np.float32)[label].reshape(10, *axes)
                np.testing.assert_array_equal(y, e)
                np.testing.assert_array_equal(loader.vectorized_result(int(label)), e)
            else:
                assert (type(y), y) == (int, label)
    training_data, _, test_data = parts
    np.testing.assert_array_equal(training_data[-1][0], training_data[49][0])
    assert test_data[3:5][1][1] == test_data[4][1]
    assert len(test_data[:7]) == 7
    with pytest.raises(IndexError):
        training_data[50]
    for j in (-1, 10, 2.5):
        said = f"ValueError: a label is a digit from 0 to 9, received {j}"
        assert refusal(loader.vectorized_result, j) == said
    assert repr(test_data) == "Examples(x of shape (20, 784), y of shape (20,))"


@pytest.mark.mnist
def test_mnist_is_what_it_is_known_to_be(mnist):
    found = find_mnist(mnist)
    assert (found.kind, found.notice, found.sha256) == ("mnist", "", mnist_files.SHA256)
    parts = training, validation, test = REFERENCE.mnist_loader.load_data(mnist)
    assert same_data(TORCH.mnist_loader.load_data(found), parts)
    assert [len(x) for x, _ in parts] == [50_000, 10_000, 10_000]
    assert (training[1][:5].tolist(), test[1][:5].tolist()) == ([5, 0, 4, 1, 9], [7, 2, 1, 0, 4])
    counts = np.bincount(np.concatenate([training[1], validation[1]]))
    assert counts.tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert training[0].max() == np.float32(255 / 256)


def test_the_programs_read_each_file_once(drawn, monkeypatch):
    opened, really = [], Path.open
    monkeypatch.setattr(
        Path, "open", lambda path, *mode: opened.append(path) or really(path, *mode)
    )
    for backend in ("numpy", "torch"):
        opened.clear()
        load_examples(find_data(str(drawn)), backend)
        assert sorted(opened) == sorted(drawn / name for name in NAMES)


def test_other_digits_are_called_other_however_they_are_kept(folder, good, tmp_path):
    found = describe(folder)
    assert (found.folder, found.kind) == (folder, "other")
    assert found.notice == f"the digits in {folder} are not MNIST: accuracy on them is not MNIST's"
    assert found.sha256 == digests(folder)
    for name in NAMES:
        (folder / f"{name}.gz").write_bytes(gzip.compress((folder / name).read_bytes()))
        (folder / name).unlink()
    assert describe(folder) == found
    packed = find_mnist(pickled(tmp_path / "a\x1b[2J.pkl", good))
    assert (packed.kind, packed.sha256) == ("other", found.sha256)
    assert "a\\x1b[2J.pkl are not MNIST" in packed.notice  # what steers a terminal is written out


# --- The search ---------------------------------------------------------------------------------


@pytest.fixture
def lone(tmp_path, monkeypatch):
    """A checkout without data, the current folder, and no MNIST_DIR; its data/ is returned."""
    monkeypatch.delenv("MNIST_DIR", raising=False)
    for name in ("checkout/reference", "spare", "elsewhere"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "checkout/pyproject.toml").touch()
    file = str(tmp_path / "checkout/reference/mnist_files.py")
    monkeypatch.setattr("reference.mnist_files.__file__", file)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "spare"))
    monkeypatch.chdir(tmp_path / "elsewhere")
    return tmp_path / "checkout/data"


def digests(folder):
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in NAMES}


@pytest.fixture
def into(drawn, monkeypatch):
    """Synthetic digits are what was drawn once already; the folders they are put into."""
    folders = []

    def copy(folder):
        folders.append(folder)
        shutil.copytree(drawn, folder, dirs_exist_ok=True)

    monkeypatch.setattr(synthetic_digits, "write_idx_files", copy)
    monkeypatch.setattr(synthetic_digits, "SHA256", digests(drawn))
    return folders


def fails(folder):
    raise OSError("the download failed (no network)")


def test_a_place_that_was_named_never_falls_back(lone, folder, monkeypatch):
    shutil.copytree(folder, lone)

    def download(folder):
        raise AssertionError("nothing is to be fetched")

    typo = folder.with_name("typo")
    with pytest.raises(FileNotFoundError, match=r"typo: no such file or folder; give a folder"):
        find_mnist(typo, download)
    monkeypatch.setenv("MNIST_DIR", str(typo))
    expected = r"typo: .*\(named by the environment variable MNIST_DIR: correct or unset it\)$"
    for read in (lambda: find_mnist(None, download), *LOADERS):
        with pytest.raises(FileNotFoundError, match=expected):
            read()


def test_an_argument_comes_before_mnist_dir_and_that_before_data(lone, folder, monkeypatch):
    for load in LOADERS:
        with pytest.raises(FileNotFoundError, match=f"^{NOWHERE}; give a folder"):
            load()
    write_idx_files(lone, 6, 1)
    write_idx_files("data", 7, 1)  # in the current folder

    def found(images, folder):
        """Every way to ask for what lies where nobody named a place."""
        assert find_mnist().folder == folder
        for load in LOADERS:
            (x, _), (v, _), _ = load()
            assert len(x) + len(v) == images

    found(6, lone)
    (lone / TRAIN).write_bytes(b"")
    for load in LOADERS:  # damage is told, not passed over
        with pytest.raises(ValueError, match=f"{TRAIN}: .* received 0 bytes"):
            load()
    shutil.rmtree(lone)
    found(7, Path("data"))
    monkeypatch.setenv("MNIST_DIR", str(folder))
    found(60, folder)
    write_idx_files(folder.with_name("named"), 8, 1)
    assert find_mnist(folder.with_name("named")).folder == folder.with_name("named")
    monkeypatch.setenv("MNIST_DIR", "")  # empty is as good as unset
    found(7, Path("data"))


def test_without_mnist_synthetic_digits_are_drawn_once_with_a_notice(lone, into):
    found = find_mnist()
    assert (found.folder, found.kind) == (lone / "synthetic", "synthetic")
    assert found.sha256 == synthetic_digits.SHA256
    assert found.notice == SYNTHETIC.format(NOWHERE)
    assert find_mnist() == found
    asked = find_mnist("synthetic")
    assert asked.notice == SYNTHETIC.format("asked for")
    assert find_mnist(found.folder) == asked
    assert into == [found.folder]
    for damage in (b"", (found.folder / LABELS).read_bytes()[:-1] + b"\x07"):
        (found.folder / LABELS).write_bytes(damage)
        assert find_mnist() == found
    assert len(into) == 3


def test_a_download_is_used_and_a_failed_one_is_told(lone, folder, into):
    assert find_mnist(None, fails).notice == SYNTHETIC.format(
        f"{NOWHERE}, and the download failed (no network)"
    )
    fetched = find_mnist(None, lambda into: shutil.copytree(folder, into / "MNIST/raw"))
    assert fetched.folder == lone
    assert find_mnist(None, fails).folder == lone


def test_where_data_cannot_be_written_another_folder_serves(lone, into, monkeypatch):
    lone.write_bytes(b"a file where the folder should be")  # stops root as well
    found = find_mnist()
    assert found.kind == "synthetic"
    assert found.folder.parent.parent == Path(tempfile.gettempdir())
    assert find_mnist() == found
    assert len(into) == 1
    monkeypatch.setattr(tempfile, "tempdir", str(lone))
    with pytest.raises(OSError, match=r"no folder for data can be written \(.*; .*\); free one,"):
        find_mnist()


def test_an_installed_copy_never_writes_among_other_packages(lone, into):
    (lone.parent / "pyproject.toml").unlink()
    assert find_mnist().folder == Path("data") / "synthetic"
    assert not lone.exists()


# --- Damage, told by all in the same words ------------------------------------------------------


def told(path, kind=ValueError):
    """What all readers say of what they refuse: the same line, which begins with the place."""
    lines = set()
    for read in (*LOADERS, find_mnist):
        with pytest.raises(kind) as caught:
            read(path)
        lines.add(str(caught.value))
    [line] = lines
    assert line.isprintable()
    assert line.startswith(f"{path}")
    return line.removeprefix(f"{path}")


def header(*numbers):
    return struct.pack(f">{len(numbers)}I", *numbers)


# fmt: off
IMAGES = "expected an IDX file of images that starts with 2051, N, 28, 28, N from 1 to 342,392"
DIGITS = "expected an IDX file of labels that starts with 2049, N, N from 1 to 268,435,448"
DAMAGED = "damaged or cut short ("
DAMAGES = {  # the file that is damaged; what of its bytes is made of them; what is told
    "empty": (TRAIN, lambda b: b"", f"{IMAGES}, received 0 bytes;"),
    "half a header": (TRAIN, lambda b: b[:7], f"{IMAGES}, received 7 bytes;"),
    "cut short": (TRAIN, lambda b: b[:-5], "expected 47,056 bytes for the 60 images that its "
                  "header promises, received 47,051;"),
    "too long": (LABELS, lambda b: b + b"\0", "expected 68 bytes for the 60 labels that its header "
                 "promises, received 69"),
    "labels for images": (TRAIN, lambda b: header(2049, 60) + b[:60], f"{IMAGES}, received 2049, "),
    "other sides": (TRAIN, lambda b: header(2051, 60, 14, 56) + b[16:],
                    f"{IMAGES}, received 2051, 60, 14, 56;"),
    "no labels": (LABELS, lambda b: header(2049, 0), f"{DIGITS}, received 2049, 0;"),
    "a label of 10": (LABELS, lambda b: b[:-1] + b"\x0a",
                      "expected labels from 0 to 9, received 10;"),
    "a label missing": (LABELS, lambda b: header(2049, 59) + b[8:-1],
                        f"expected a label for each of the 60 images of {TRAIN}, received 59;"),
    "gz cut short": (f"{TRAIN}.gz", lambda b: b[:-500], f"{DAMAGED}Compressed file ended before"),
    "gz that is none": (f"{TRAIN}.gz", lambda b: b"<html>", f"{DAMAGED}Not a gzipped file"),
    "gz with a flipped bit": (f"{TRAIN}.gz", lambda b: b[:3000] + bytes([b[3000] ^ 8]) + b[3001:],
                              ""),
    "a million images": (f"{TRAIN}.gz",
                         lambda b: gzip.compress(header(2051, 1_000_000, 28, 28) + bytes(7840)),
                         f"{IMAGES}, received 2051, 1000000, 28, 28;"),
}
# fmt: on
REPLACE = "; replace it by the file of MNIST"


@pytest.mark.parametrize("what", DAMAGES)
def test_damage_is_told_in_one_line(what, folder):
    name, make, text = DAMAGES[what]
    path = folder / name
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(path.with_suffix("").read_bytes()))
        path.with_suffix("").unlink()
    path.write_bytes(make(path.read_bytes()))
    line = told(folder)
    assert line.startswith(f"/{name}: {text}"), line
    assert line.endswith(REPLACE)


def test_a_folder_that_lacks_a_file_or_has_too_few_images_is_told(folder, tmp_path):
    shutil.copytree(folder, folder / "MNIST" / "raw")
    (folder / "MNIST" / "raw" / LABELS).unlink()
    (folder / TRAIN).unlink()  # files of two layouts are never mixed
    said = f": MNIST's files are missing here ({TRAIN}); give a folder with MNIST's four IDX files"
    assert told(folder, FileNotFoundError).startswith(said)
    (folder / TRAIN).mkdir()
    assert told(folder, FileNotFoundError).startswith(said)
    (folder / TRAIN).rmdir()
    (folder / TRAIN).symlink_to(folder / TRAIN)  # as with any error of the system's
    said = ": cannot be read, too many levels of symbolic links; let this user read it, or give a"
    assert told(folder, OSError).startswith(said)
    write_idx_files(tmp_path / "five", 5, 3)
    said = "expected 6 images or more, of which a sixth is for validation, received 5"
    assert told(tmp_path / "five") == f"/{TRAIN}: {said}{REPLACE}"


def test_a_place_that_is_not_there_is_told(tmp_path):
    for name in ("nowhere", "nowhere.pkl.gz"):
        line = told(tmp_path / name, FileNotFoundError)
        assert line.startswith(": no such file or folder; give a folder")
    (tmp_path / "file").write_bytes(b"")
    line = told(tmp_path / "file", FileNotFoundError)
    assert line.startswith(": this is a file, expected a folder; give a folder")
    for name, shown in (
        ("a\x1b[2J", r"a\\x1b\[2J: no such"),
        (300 * "\x1b", r"\\x1b: cannot be read, file name too long"),
        ("a\0b", r"a\\x00b: damaged .*null"),
    ):
        for read in (*LOADERS, find_mnist):
            with pytest.raises((OSError, ValueError), match=shown):
                read(tmp_path / name)


# --- Pickles ------------------------------------------------------------------------------------


class Calls:
    """Pickles into a call."""

    def __init__(self, function, *arguments):
        self.made = function, arguments

    def __reduce__(self):
        return self.made


def part(good, x=None, y=None):
    """The three pairs, of which the first has other images or labels."""
    (images, labels), *others = good
    return ((images if x is None else x, labels if y is None else y), *others)


def text(raw):
    """The bytes of a pickle that are a text, such as Python 3 makes of bytes for Python 2."""
    return b"X" + struct.pack("<I", len(raw)) + raw


# fmt: off
PAIRS = "expected three pairs (images, labels), received something else"
SHAPES = "expected float images of shape (N, 784) and whole-number labels of shape (N,), received"
BYTES = "expected pixels that are a byte divided by 256, received"
NINE = "expected labels from 0 to 9, received"
ASKS = f"{DAMAGED}it asks for "
CODED = b"c_codecs\nencode\n"
OTHER_THINGS = {  # what is pickled, or the pickle itself, made of MNIST's three pairs; what is told
    "two pairs": (lambda d: d[:2], PAIRS),
    "five in the midst": (lambda d: (d[0], 5, d[1], d[2]), PAIRS),
    "a part too many": (lambda d: (*d, ()), PAIRS),
    "memory": (lambda d: Calls(np.ndarray, (1 << 30,)), PAIRS),
    "a dtype for images": (lambda d: part(d, np.dtype("f4")), f"{SHAPES} int64 (50,)"),
    "a list for images": (lambda d: part(d, [[1, 2]]), f"{SHAPES} int64 (50,)"),
    "783 pixels": (lambda d: part(d, d[0][0][:, 1:]), f"{SHAPES} float32 (50, 783) and int64"),
    "a label less": (lambda d: part(d, y=d[0][1][1:]), f"{SHAPES} float32 (50, 784) and int64 (49"),
    "whole images": (lambda d: part(d, d[0][0].astype(int)), f"{SHAPES} int64 (50, 784) and int64"),
    "no images": (lambda d: part(d, d[0][0][:0], d[0][1][:0]), f"{SHAPES} float32 (0, 784) and"),
    "labels of 12": (lambda d: part(d, y=d[0][1] * 0 + 12), f"{NINE} int64 from 12 to 12"),
    "labels of -1": (lambda d: part(d, y=d[0][1] - 20), NINE),
    "labels of 1.0": (lambda d: part(d, y=d[0][1] / 1), NINE),
    "bytes over 255": (lambda d: part(d, d[0][0] * np.float32(256 / 255)), BYTES),
    "pixels above 1": (lambda d: part(d, d[0][0] + 1), f"{BYTES} 1.0"),
    "pixels below 0": (lambda d: part(d, d[0][0] - 1), f"{BYTES} -1.0"),
    "pixels of 1e308": (lambda d: part(d, d[0][0].astype(float) * 0 + 1e308), f"{BYTES} 1e+308"),
    "no numbers": (lambda d: part(d, d[0][0] * np.float32("nan")), f"{BYTES} nan"),
    "objects": (lambda d: np.array([None, "text"]), f"{DAMAGED}it holds an array of 'O8', not of"),
    "a stand-in changed": (lambda d: b"\x80\x02cnumpy\ndtype\n(K\x01K\x02tb.", DAMAGED),
    "a number called": (lambda d: b"\x80\x02K\x01)R.", f"{DAMAGED}'int' object is"),
    "an array called": (lambda d: b"\x80\x02cnumpy\ndtype\nU\x02f4\x85R)R.", f"{DAMAGED}'_Dtype"),
    "wide letters": (lambda d: CODED + text("Ā".encode() * 200) + b"\x85R.",
                     f"{DAMAGED}a text of 400 bytes, which no array needs"),
    "bytes once more": (lambda d: CODED + b"q\0" + text(256 * b"a") + b"q\1\x85Rh\0h\1\x85R.",
                        PAIRS),
    "more after it": (lambda d: pickle.dumps(d) + b"more", f"{DAMAGED}more follows)"),
    **{f"{f.__module__}.{f.__name__}, {protocol}": (lambda d, f=f, protocol=protocol:
        pickle.dumps(Calls(f, "touch touched"), protocol), ASKS)
       for f in (os.system, eval, np.load, np.zeros) for protocol in (0, 4)},
}
# fmt: on


@pytest.mark.parametrize("what", OTHER_THINGS)
def test_a_pickle_of_other_things_is_told(what, good, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make, text = OTHER_THINGS[what]
    line = told(pickled(tmp_path / "mnist.pkl", make(good)))
    assert line.startswith(f": {text}"), line
    assert line.endswith(REPLACE)
    assert not Path("touched").exists()


def test_a_pickle_cut_anywhere_or_with_a_changed_bit_is_told(good, tmp_path):
    whole, path = pickle.dumps(good, 4), tmp_path / "mnist.pkl"
    for length in [0, 1, 2, 20, 50, 100, 1000, len(whole) // 2, len(whole) - 1]:
        path.write_bytes(whole[:length])
        assert told(path).startswith(f": {DAMAGED}")
    path = pickled(tmp_path / "mnist.pkl.gz", good)
    whole = path.read_bytes()
    path.write_bytes(whole[:-8] + bytes([whole[-8] ^ 1]) + whole[-7:])  # of its CRC
    assert told(path).startswith(f": {DAMAGED}CRC check failed")


def test_every_instruction_that_is_not_admitted_is_refused(tmp_path):
    """Of the 68 that Python knows; with an argument each that is long enough."""
    names = {
        code.name
        for code in pickletools.opcodes
        for content in [b"]]" + code.code.encode("latin1") + b"1\n" * 9]
        if f"instruction {ord(code.code)}, which no array needs"
        in (refusal(LOADERS[0], pickled(tmp_path / "mnist.pkl", content)) or "")
    }
    assert len(names) == 28  # the other forty are what arrays are made of
    assert {"DICT", "EMPTY_DICT", "OBJ", "INST", "NEWOBJ", "DUP", "PERSID", "EXT1"} <= names


def packed_number(code, number):
    return code + struct.pack("<Q", number)


MANY, SHORT = "or one too many", "damaged or cut short"
WIDE = [text(bytes(1 << 23))[:-4], "\U0001f600".encode()]
GROW = {  # a little on disk that would take gigabytes
    "lists": ([b"]" * (1 << 20)], MANY),
    "marks": ([b"(" * (1 << 20)], MANY),
    "a far place in the memo": ([b"]r\xff\xff\xff\x0f."], "expected three pairs"),
    "bytes without end": ([packed_number(b"\x8e", 1 << 40)], SHORT),
    "changeable bytes without end": ([packed_number(b"\x96", 1 << 28)], SHORT),
    "a frame without end": ([packed_number(b"\x80\4\x95", 1 << 40), b"]."], "three pairs"),
    "wide text": ([*WIDE, b"."], "a text of 8,388,608 bytes, which no"),
    "wide bytes": ([CODED, *WIDE, b"\x85R."], "a text of 8,388,608 bytes, which no"),
    "a line without end": ([b"S'", *[bytes(1 << 20)] * 30], "more than 16,777,216 bytes"),
}  # fmt: skip


@pytest.mark.parametrize("what", GROW)
def test_a_pickle_that_would_grow_is_refused_in_bounded_memory(tmp_path, monkeypatch, what):
    assert nielsen_pickle.MAX_BYTES == 1 << 28
    monkeypatch.setattr(nielsen_pickle, "MAX_BYTES", 1 << 24)
    pieces, why = GROW[what]
    path = pickled(tmp_path / "mnist.pkl.gz", b"".join(pieces))
    with memory_below(3 << 24):
        assert why in refusal(LOADERS[0], path)


# --- The download -------------------------------------------------------------------------------


class Answer(io.BytesIO):
    """What a server sends; where that is a function, what it returns, again and again."""

    def __init__(self, content):
        super().__init__(b"" if callable(content) else content)
        self.read1 = content if callable(content) else self.read


@pytest.fixture
def web(drawn, monkeypatch):
    """What is served in place of MNIST's files: name to bytes; the first mirror has nothing."""
    files = {name: gzip.compress((drawn / name).read_bytes()) for name in NAMES}

    def urlopen(url, timeout):
        if url.startswith("none") or timeout != TORCH.mnist_loader.WAIT:
            raise urllib.error.HTTPError(url, 404, "File not found", None, None)
        return Answer(files[url.removeprefix("mirror/").removesuffix(".gz")])

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    monkeypatch.setattr(MNIST, "mirrors", ["none/", "mirror/"])
    monkeypatch.setattr(TORCH.mnist_loader, "SHA256", digests(drawn))
    return files


def test_download_puts_the_files_where_torchvision_keeps_them(web, drawn, tmp_path, capfd):
    root = tmp_path / "new" / "root"
    TORCH.mnist_loader.download(root)
    assert [path.name for path in root.iterdir()] == ["MNIST"]
    assert digests(root / "MNIST/raw") == digests(drawn)
    assert len(MNIST(str(root), train=True)) == 60
    assert capfd.readouterr() == ("", "")


def silent():
    raise TimeoutError("timed out")


def slow():
    """Bytes that come often enough for no wait to be too long, and never end."""
    time.sleep(0.02)
    return b"a"


CUT = "Compressed file ended before the end-of-stream marker was reached"
ANOTHER = "its SHA-256 is not that of MNIST's"
FAILED = {  # what a file is, in place of what it should be; what is told
    "a web page": (lambda packed: b"<html>log in first</html>", r"Not a gzipped file \(b'<h'\)"),
    "cut short": (lambda packed: packed[:-9], CUT),
    "silent": (lambda packed: silent, "timed out"),
    "slow": (lambda packed: slow, r"not done after \d+ bytes"),
    "without end": (lambda packed: lambda: bytes(1 << 20), r"not done after [\d,]{9,} bytes"),
    "a little that unpacks to much": (lambda packed: gzip.compress(bytes(1 << 26), 1), ANOTHER),
    "another": (lambda packed: gzip.compress(gzip.decompress(packed) + b"a"), ANOTHER),
}  # fmt: skip


@pytest.mark.parametrize("what", FAILED)
def test_a_download_that_fails_is_told_and_leaves_nothing(web, tmp_path, monkeypatch, what):
    make, why = FAILED[what]
    web[LABELS] = make(web[LABELS])
    monkeypatch.setattr(TORCH.mnist_loader, "LIMIT", 0.2)
    monkeypatch.setattr(TORCH.mnist_loader, "LARGEST", 1 << 22)
    said = rf"^the download of {LABELS} failed \({why}\)$"
    with memory_below(1 << 25), pytest.raises(OSError, match=said):
        TORCH.mnist_loader.download(tmp_path / "root")
    assert not (tmp_path / "root").exists()
