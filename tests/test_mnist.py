"""MNIST's files: what comes out, where they are looked for, what is said of every damage."""

import gzip
import hashlib
import io
import os
import pickle
import pickletools
import re
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
from tests.twin import REFERENCE, TORCH, TWINS, both, refusal

NAMES = TRAIN, LABELS, TESTS, TEST_LABELS = tuple(mnist_files.SHA256)
LOADERS = [twin.mnist_loader.load_data for twin in TWINS]
READERS = (*LOADERS, find_mnist)
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


def digests(folder):
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in NAMES}


def pack(folder):
    """The same files as .gz, in place."""
    for path in map(folder.joinpath, NAMES):
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()


def same_data(received, expected):
    """Bit for bit the same numbers, of the same kinds."""
    for ours, theirs in zip(received, expected, strict=True):
        for v, want, dtype in zip(ours, theirs, (np.float32, np.int64), strict=True):
            assert np.asarray(v).dtype == dtype
            np.testing.assert_array_equal(np.asarray(v), want)
    return True


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
def test_every_layout_and_every_pickle_gives_the_same_data(twin, folder, good, tmp_path):
    load, nested, path = twin.mnist_loader.load_data, tmp_path / "MNIST/raw", tmp_path / "a.pkl"
    shutil.copytree(folder, nested)
    assert same_data(load(tmp_path), good)
    assert same_data(load(str(nested)), good)
    pack(nested)
    assert same_data(load(tmp_path), good)
    shutil.copy(folder / TRAIN, nested)
    (nested / f"{TRAIN}.gz").write_bytes(b"damaged, but raw comes first")
    assert same_data(load(find_mnist(nested)), good)
    (x, y), *others = good
    kinds = [(np.asfortranarray(x.astype(">f8")), y.astype("u1")), *map(list, others)]
    for content in (
        old_pickle(good), *(pickle.dumps(v, k) for v in (good, kinds) for k in (1, 2, 3, 4, 5))
    ):  # fmt: skip
        path.write_bytes(content)
        path.with_suffix(".pkl.gz").write_bytes(gzip.compress(content, 1))
        assert same_data(load(path), good)
        assert same_data(load(path.with_suffix(".pkl.gz")), good)


@both
def test_the_wrapper_gives_arrays_and_nielsens_pairs(twin, folder, good):
    loader, axes = twin.mnist_loader, (() if twin.rows else (1,))
    training, validation, test = loader.load_data_wrapper(folder)
    assert [len(training), len(validation), len(test)] == [50, 10, 20]
    (images, labels), _, (test_images, test_labels) = good
    for (x, y), image, label in zip(training, images, labels, strict=True):
        np.testing.assert_array_equal(x, image.reshape(784, *axes))
        e = np.eye(10, dtype=np.float32)[label].reshape(10, *axes)
        np.testing.assert_array_equal(y, e)
        np.testing.assert_array_equal(loader.vectorized_result(int(label)), e)
    assert [y for _, y in test] == test_labels.tolist()
    assert type(test[3][1]) is int
    np.testing.assert_array_equal(test[3:5][-1][0], test_images[4].reshape(784, *axes))
    with pytest.raises(IndexError):
        training[50]
    for j in (-1, 10, 2.5):
        said = f"ValueError: a label is a digit from 0 to 9, received {j}"
        assert refusal(loader.vectorized_result, j) == said
    assert repr(test) == "Examples(x of shape (20, 784), y of shape (20,))"


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
    found, kept = describe(folder), digests(folder)
    assert (found.folder, found.kind, found.sha256) == (folder, "other", kept)
    assert found.notice == f"the digits in {folder} are not MNIST: accuracy on them is not MNIST's"
    pack(folder)
    assert describe(folder) == found
    path = tmp_path / "a\x1b[2J.pkl"
    path.write_bytes(pickle.dumps(good))
    packed = find_mnist(path)
    assert (packed.kind, packed.sha256) == ("other", found.sha256)
    assert "a\\x1b[2J.pkl are not MNIST" in packed.notice  # what steers a terminal is written out


# --- The search ---------------------------------------------------------------------------------


@pytest.fixture
def lone(tmp_path, drawn, monkeypatch):
    """A checkout without data, the current folder, and no MNIST_DIR; its data/ is returned.

    Synthetic digits are what was drawn once already.
    """
    monkeypatch.delenv("MNIST_DIR", raising=False)
    for name in ("checkout/reference", "spare", "elsewhere"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "checkout/pyproject.toml").touch()
    file = str(tmp_path / "checkout/reference/mnist_files.py")
    monkeypatch.setattr("reference.mnist_files.__file__", file)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "spare"))
    monkeypatch.chdir(tmp_path / "elsewhere")
    copy = lambda folder: shutil.copytree(drawn, folder, dirs_exist_ok=True)  # noqa: E731
    monkeypatch.setattr(synthetic_digits, "write_idx_files", copy)
    monkeypatch.setattr(synthetic_digits, "SHA256", digests(drawn))
    return tmp_path / "checkout/data"


def fails(folder):
    raise OSError("the download failed (no network)")


def test_data_is_taken_from_the_first_place_that_has_it(lone, folder, monkeypatch):
    named, here = folder.with_name("named"), Path("data")
    for images, place in ((8, named), (7, lone), (6, here)):
        write_idx_files(place, images, 1)

    def found(images, place):
        """Every way to ask for what lies where nobody gave a place."""
        assert find_mnist().folder == place
        for load in LOADERS:
            (x, _), (v, _), _ = load()
            assert len(x) + len(v) == images

    monkeypatch.setenv("MNIST_DIR", str(named))
    assert find_mnist(folder).folder == folder
    found(8, named)
    monkeypatch.setenv("MNIST_DIR", "")  # empty is as good as unset
    found(7, lone)
    (lone / TRAIN).write_bytes(b"")
    assert all("received 0 bytes" in refusal(load) for load in LOADERS)  # and not passed over
    shutil.rmtree(lone)
    found(6, here)
    shutil.rmtree(here)
    lacks = f"FileNotFoundError: {NOWHERE}; give a folder"
    assert all(refusal(load).startswith(lacks) for load in LOADERS)
    told = find_mnist(None, fails).notice
    assert told == SYNTHETIC.format(f"{NOWHERE}, and the download failed (no network)")
    fetched = find_mnist(None, lambda into: write_idx_files(into / "MNIST/raw", 9, 1))
    assert (fetched.folder, find_mnist(None, fails).folder) == (lone, lone)


def test_a_place_that_was_named_never_falls_back(lone, folder, monkeypatch):
    shutil.copytree(folder, lone)
    typo = folder.with_name("typo")
    said = f"FileNotFoundError: {typo}: no such file or folder; give a folder"
    assert refusal(find_mnist, typo, pytest.fail).startswith(said)
    monkeypatch.setenv("MNIST_DIR", str(typo))
    why = " (named by the environment variable MNIST_DIR: correct or unset it)"
    for read in (lambda: find_mnist(None, pytest.fail), *LOADERS):
        assert re.fullmatch(rf"{re.escape(said)}.*{re.escape(why)}", refusal(read))


def test_synthetic_digits_are_drawn_once_with_a_notice_where_data_can_be_written(lone, monkeypatch):
    found, asked = find_mnist(), find_mnist("synthetic")
    assert (found.folder, found.kind) == (lone / "synthetic", "synthetic")
    assert (found.sha256, found.notice) == (synthetic_digits.SHA256, SYNTHETIC.format(NOWHERE))
    assert (asked.notice, find_mnist(found.folder)) == (SYNTHETIC.format("asked for"), asked)
    sound = (found.folder / LABELS).read_bytes()
    for damage in (b"", sound[:-1] + b"\x07"):
        (found.folder / LABELS).write_bytes(damage)
        assert find_mnist() == found
        assert (found.folder / LABELS).read_bytes() == sound
    (lone.parent / "pyproject.toml").unlink()  # installed, among other people's packages
    assert find_mnist().folder == Path("data") / "synthetic"
    shutil.rmtree("data")
    Path("data").write_bytes(b"a file where the folder should be")  # stops root as well
    spare = find_mnist().folder
    assert spare.parent.parent == Path(tempfile.gettempdir())
    monkeypatch.setattr(synthetic_digits, "write_idx_files", pytest.fail)
    assert find_mnist().folder == spare  # drawn once
    monkeypatch.setattr(tempfile, "tempdir", str(Path("data").resolve()))
    nowhere = r"OSError: no folder for data can be written \(.*; .*\); free one,"
    assert re.match(nowhere, refusal(find_mnist))


# --- Damage, told in a line and in bounded memory -----------------------------------------------


def told(path, read=LOADERS[0]):
    """The kind of the error, and its one line behind the place, with which that begins."""
    kind, line = refusal(read, path).split(": ", 1)
    assert line.isprintable()
    assert line.startswith(f"{path}")
    return kind + line.removeprefix(f"{path}")


def call(function, *arguments):
    """What pickles into a call."""
    return type("", (), {"__reduce__": lambda self: (function, arguments)})()


def header(*numbers):
    return struct.pack(f">{len(numbers)}I", *numbers)


def part(good, x=None, y=None):
    """The three pairs, of which the first has other images or labels."""
    (images, labels), *others = good
    return ((images if x is None else x, labels if y is None else y), *others)


def long(code, number):
    return code + struct.pack("<Q", number)


def text(raw):
    """The bytes of a pickle that are a text, such as Python 3 makes of bytes for Python 2."""
    return b"X" + struct.pack("<I", len(raw)) + raw


# fmt: off
MOST = 1 << 24  # bytes of a pickle, while it is tested
IMAGES = "expected an IDX file of images that starts with 2051, N, 28, 28, N from 1 to 342,392"
DIGITS = "expected an IDX file of labels that starts with 2049, N, N from 1 to 268,435,448"
DAMAGED = "damaged or cut short ("
FILES = [  # the file that is damaged; what of its bytes is made of them; what is told
    (TRAIN, lambda b: b"", f"{IMAGES}, received 0 bytes;"),
    (TRAIN, lambda b: b[:7], f"{IMAGES}, received 7 bytes;"),
    (TRAIN, lambda b: b[:-5],
     "expected 47,056 bytes for the 60 images that its header promises, received 47,051;"),
    (LABELS, lambda b: b + b"\0",
     "expected 68 bytes for the 60 labels that its header promises, received 69"),
    (TRAIN, lambda b: header(2049, 60) + b[:60], f"{IMAGES}, received 2049, "),
    (TRAIN, lambda b: header(2051, 60, 14, 56) + b[16:], f"{IMAGES}, received 2051, 60, 14, 56;"),
    (LABELS, lambda b: header(2049, 0), f"{DIGITS}, received 2049, 0;"),
    (LABELS, lambda b: b[:-1] + b"\x0a", "expected labels from 0 to 9, received 10;"),
    (LABELS, lambda b: header(2049, 59) + b[8:-1],
     f"expected a label for each of the 60 images of {TRAIN}, received 59;"),
    (f"{TRAIN}.gz", lambda b: b[:-500], f"{DAMAGED}Compressed file ended before"),
    (f"{TRAIN}.gz", lambda b: b"<html>", f"{DAMAGED}Not a gzipped file"),
    (f"{TRAIN}.gz", lambda b: b[:3000] + bytes([b[3000] ^ 8]) + b[3001:], ""),
    (f"{TRAIN}.gz", lambda b: gzip.compress(header(2051, 1_000_000, 28, 28) + bytes(7840)),
     f"{IMAGES}, received 2051, 1000000, 28, 28;"),
]
PAIRS = "expected three pairs (images, labels), received something else"
SHAPES = "expected float images of shape (N, 784) and whole-number labels of shape (N,), received"
BYTES = "expected pixels that are a byte divided by 256, received"
NINE = "expected labels from 0 to 9, received"
CODED = b"c_codecs\nencode\n"
MANY = "which no array needs, or one too many"
WIDE = text(bytes(1 << 23))[:-4] + "\U0001f600".encode()
PICKLED = [  # what is pickled, or the pickle itself, made of MNIST's three pairs; what is told
    (lambda d: d[:2], PAIRS),
    (lambda d: (d[0], 5, d[1], d[2]), PAIRS),
    (lambda d: (*d, ()), PAIRS),
    (lambda d: call(np.ndarray, (1 << 30,)), PAIRS),
    (lambda d: part(d, np.dtype("f4")), f"{SHAPES} int64 (50,)"),
    (lambda d: part(d, [[1, 2]]), f"{SHAPES} int64 (50,)"),
    (lambda d: part(d, d[0][0][:, 1:]), f"{SHAPES} float32 (50, 783) and int64"),
    (lambda d: part(d, y=d[0][1][1:]), f"{SHAPES} float32 (50, 784) and int64 (49"),
    (lambda d: part(d, d[0][0].astype(int)), f"{SHAPES} int64 (50, 784) and int64"),
    (lambda d: part(d, d[0][0][:0], d[0][1][:0]), f"{SHAPES} float32 (0, 784) and"),
    (lambda d: part(d, y=d[0][1] * 0 + 12), f"{NINE} int64 from 12 to 12"),
    (lambda d: part(d, y=d[0][1] - 20), NINE),
    (lambda d: part(d, y=d[0][1] / 1), NINE),
    (lambda d: part(d, d[0][0] * np.float32(256 / 255)), BYTES),
    (lambda d: part(d, d[0][0] / 2), BYTES),  # all below 1
    (lambda d: part(d, d[0][0] + 1), f"{BYTES} 1.0"),
    (lambda d: part(d, d[0][0] - 1), f"{BYTES} -1.0"),
    (lambda d: part(d, d[0][0].astype(float) * 0 + 1e308), f"{BYTES} 1e+308"),
    (lambda d: part(d, d[0][0] * np.float32("nan")), f"{BYTES} nan"),
    (lambda d: np.array([None, "text"]), f"{DAMAGED}it holds an array of 'O8', not of"),
    # A stand-in is changed; a number and an array are called; something follows.
    (lambda d: b"\x80\x02cnumpy\ndtype\n(K\x01K\x02tb.", DAMAGED),
    (lambda d: b"\x80\x02K\x01)R.", f"{DAMAGED}'int' object is"),
    (lambda d: b"\x80\x02cnumpy\ndtype\nU\x02f4\x85R)R.", f"{DAMAGED}'_Dtype"),
    (lambda d: pickle.dumps(d) + b"more", f"{DAMAGED}more follows)"),
    *((lambda d, f=f, k=k: pickle.dumps(call(f, "touch touched"), k), f"{DAMAGED}it asks for ")
      for f in (os.system, eval, np.load, np.zeros) for k in (0, 4)),
    *((lambda d, n=n: pickle.dumps(d, 4)[:n], DAMAGED) for n in (0, 1, 2, 20, 50, 100, 1000, -1)),
    # A little on the disk that would take gigabytes: lists, marks, a far place in the memo, bytes
    # and a frame without end, letters beyond latin1, the same bytes once more, a line without end.
    (lambda d: b"]" * (1 << 20), f"{DAMAGED}instruction 93, {MANY}"),
    (lambda d: b"(" * (1 << 20), f"{DAMAGED}instruction 40, {MANY}"),
    (lambda d: b"]r\xff\xff\xff\x0f.", PAIRS),
    (lambda d: long(b"\x8e", 1 << 40), DAMAGED),
    (lambda d: long(b"\x96", 1 << 28), DAMAGED),
    (lambda d: long(b"\x80\4\x95", 1 << 40) + b"].", PAIRS),
    (lambda d: CODED + text("Ā".encode() * 200) + b"\x85R.", f"{DAMAGED}a text of 400 bytes, "),
    (lambda d: CODED + WIDE + b"\x85R.", f"{DAMAGED}a text of 8,388,608 bytes, which no array"),
    (lambda d: CODED + b"q\0" + text(256 * b"a") + b"q\1\x85Rh\0h\1\x85R.", PAIRS),
    (lambda d: b"S'" + bytes(MOST), f"{DAMAGED}more than 16,777,216 bytes"),
]
DAMAGES = FILES + [
    ("mnist.pkl", lambda d, make=make: made if isinstance(made := make(d), bytes)
     else pickle.dumps(made), line) for make, line in PICKLED
] + [
    ("mnist.pkl.gz", lambda d: gzip.compress(pickle.dumps(d))[:-8] + bytes(8),
     f"{DAMAGED}CRC check failed"),
    ("mnist.pkl.gz", lambda d: gzip.compress(bytes(30 << 20), 1), f"{DAMAGED}more than 16,777,216"),
]
# fmt: on


@pytest.mark.parametrize(("name", "make", "line"), DAMAGES)
def test_damage_is_told_in_one_line_and_takes_no_memory(
    name, make, line, folder, good, monkeypatch
):
    monkeypatch.chdir(folder)
    assert nielsen_pickle.MAX_BYTES == 1 << 28
    monkeypatch.setattr(nielsen_pickle, "MAX_BYTES", MOST)
    path, is_pickle = folder / name, ".pkl" in name
    if name.endswith("ubyte.gz"):
        pack(folder)
    path.write_bytes(make(good if is_pickle else path.read_bytes()))
    with memory_below(3 * MOST if is_pickle else 1 << 29):
        said = told(path if is_pickle else folder)
    assert said.startswith(f"ValueError{'' if is_pickle else f'/{name}'}: {line}"), said
    assert said.endswith("; replace it by the file of MNIST")
    assert not Path("touched").exists()
    assert {told(path if is_pickle else folder, read) for read in READERS} == {said}


def test_every_instruction_that_is_not_admitted_is_refused(tmp_path):
    """Of the 68 that Python knows; with an argument each that is long enough."""
    names = set()
    for code in pickletools.opcodes:
        (path := tmp_path / "mnist.pkl").write_bytes(
            b"]]" + code.code.encode("latin1") + b"1\n" * 9
        )
        if f"instruction {ord(code.code)}, which no array" in (refusal(LOADERS[0], path) or ""):
            names.add(code.name)
    assert len(names) == 28  # the other forty are what arrays are made of
    assert {"DICT", "EMPTY_DICT", "OBJ", "INST", "NEWOBJ", "DUP", "PERSID", "EXT1"} <= names


def test_a_place_without_the_files_is_told(folder, tmp_path):
    shutil.copytree(folder, folder / "MNIST" / "raw")
    (folder / "MNIST" / "raw" / LABELS).unlink()
    (folder / TRAIN).unlink()  # files of two layouts are never mixed
    lacks = f"FileNotFoundError: MNIST's files are missing here ({TRAIN}); give a folder with MNIST"
    assert told(folder).startswith(lacks)
    (folder / TRAIN).mkdir()
    assert told(folder).startswith(lacks)
    (folder / TRAIN).rmdir()
    (folder / TRAIN).symlink_to(folder / TRAIN)  # as with any error of the system's
    looped = "OSError: cannot be read, too many levels of symbolic links; let this user read it, or"
    assert told(folder).startswith(looped)
    write_idx_files(tmp_path / "five", 5, 3)
    five = "expected 6 images or more, of which a sixth is for validation, received 5; replace it"
    assert told(tmp_path / "five").startswith(f"ValueError/{TRAIN}: {five}")
    for name in ("nowhere", "nowhere.pkl.gz"):
        line = told(tmp_path / name)
        assert line.startswith("FileNotFoundError: no such file or folder; give a folder")
    (tmp_path / "file").write_bytes(b"")
    line = told(tmp_path / "file")
    assert line.startswith("FileNotFoundError: this is a file, expected a folder; give a folder")
    for name, shown in (
        ("a\x1b[2J", r"a\\x1b\[2J: no such"),
        (300 * "\x1b", r"\\x1b: cannot be read, file name too long"),
        ("a\0b", r"a\\x00b: damaged .*null"),
    ):
        assert re.search(shown, refusal(find_mnist, tmp_path / name))


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


ANOTHER = "its SHA-256 is not that of MNIST's"
FAILED = [  # what a file is, in place of what it should be; what is told
    (lambda packed: b"<html>log in first</html>", r"Not a gzipped file \(b'<h'\)"),
    (lambda packed: packed[:-9], "Compressed file ended before the end-of-stream marker was .*"),
    (lambda packed: silent, "timed out"),
    (lambda packed: slow, r"not done after \d+ bytes"),
    (lambda packed: lambda: bytes(1 << 20), r"not done after [\d,]{9,} bytes"),
    (lambda packed: gzip.compress(bytes(1 << 26), 1), ANOTHER),  # it unpacks to much
    (lambda packed: gzip.compress(gzip.decompress(packed) + b"a"), ANOTHER),
]  # fmt: skip


@pytest.mark.parametrize(("make", "why"), FAILED)
def test_a_download_that_fails_is_told_and_leaves_nothing(web, tmp_path, monkeypatch, make, why):
    web[LABELS] = make(web[LABELS])
    monkeypatch.setattr(TORCH.mnist_loader, "LIMIT", 0.2)
    monkeypatch.setattr(TORCH.mnist_loader, "LARGEST", 1 << 22)
    with memory_below(1 << 25):
        said = refusal(TORCH.mnist_loader.download, tmp_path / "root")
    assert re.fullmatch(rf"OSError: the download of {LABELS} failed \({why}\)", said)
    assert not (tmp_path / "root").exists()
