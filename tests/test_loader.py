"""Where MNIST is looked for, what comes out of its files, and what is said of every damage."""

import contextlib
import gzip
import os
import pickle
import pickletools
import re
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch

from model import mnist_files
from model.mnist_files import find_mnist
from model.synthetic_digits import draw_digits, write_idx_files
from tests.twin import REFERENCE, TORCH, both, refusal

ROOT = Path(__file__).parent.parent
NAMES = tuple(mnist_files.SHA256)
TRAIN, LABELS, TESTS, TEST_LABELS = NAMES
READERS = {
    "reference": REFERENCE.mnist_loader.load_data,
    "torch_impl": TORCH.mnist_loader.load_data,
    "find_mnist": find_mnist,
}
by_all = pytest.mark.parametrize("reader", READERS)
posix = pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")


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


@contextlib.contextmanager
def an_ordinary_user():
    """Permissions do not bind root, so root steps down meanwhile."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def pickled(path, parts, protocol=4):
    content = parts if isinstance(parts, bytes) else pickle.dumps(parts, protocol)
    path.write_bytes(gzip.compress(content, 1) if path.suffix == ".gz" else content)
    return path


def told(reader, path, kind=ValueError):
    """What a reader says of what it refuses: one line that begins with the place."""
    with pytest.raises(kind) as caught:
        READERS[reader](path)
    line = str(caught.value)
    assert line.isprintable()
    assert line.startswith(f"{path}")
    return line.removeprefix(f"{path}")


def same_data(received, expected):
    """Bit for bit the same numbers, of the same kinds."""
    for ours, theirs in zip(received, expected, strict=True):
        for v, want, dtype in zip(ours, theirs, (np.float32, np.int64), strict=True):
            v = np.asarray(v)
            assert v.dtype == dtype
            np.testing.assert_array_equal(v, want)
    return True


# --- What comes out -----------------------------------------------------------------------------


@both
def test_pixels_are_bytes_over_256_and_the_last_sixth_is_for_validation(twin, tmp_path):
    write_idx_files(tmp_path, 65, 20)  # a sixth of them, rounded down
    images, labels = draw_digits(65)
    x, (test_images, test_labels) = images.reshape(65, 784) / 256, draw_digits(20, part=1)
    tested = test_images.reshape(20, 784) / 256, test_labels
    expected = [(x[:55], labels[:55]), (x[55:], labels[55:]), tested]
    received = twin.mnist_loader.load_data(tmp_path)
    assert same_data(received, expected)
    received[0][0][0, 0] = 0.5  # memory of its own, and not the file's
    assert same_data(twin.mnist_loader.load_data(tmp_path), expected)


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
    assert same_data(load(nested), good)
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
@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_a_pickle_of_python_2_or_3_gives_the_same_data(twin, good, tmp_path, protocol):
    (x, y), *others = good
    kinds = [(np.asfortranarray(x.astype(">f8")), y.astype("u1")), *map(list, others)]
    for name, parts in (("a.pkl.gz", good), ("b.pkl", kinds), ("c.pkl.gz", old_pickle(good))):
        path = pickled(tmp_path / name, parts, protocol)
        assert same_data(twin.mnist_loader.load_data(path), good)


@both
def test_the_wrapper_gives_arrays_and_nielsens_pairs(twin, folder, good):
    loader, shape = twin.mnist_loader, ((784,) if twin.rows else (784, 1))
    parts = loader.load_data_wrapper(folder)
    assert [len(part) for part in parts] == [50, 10, 20]
    for part, (images, labels) in zip(parts, good, strict=True):
        for k, (x, y) in enumerate(part):
            assert x.shape == shape
            np.testing.assert_array_equal(np.ravel(x), images[k])
            if part is parts[0]:
                e = np.eye(10, dtype=np.float32)[labels[k]].reshape(y.shape)
                assert y.shape == (10, *shape[1:])
                for one in (y, loader.vectorized_result(int(labels[k]))):
                    np.testing.assert_array_equal(one, e)
            else:
                assert (type(y), y) == (int, labels[k])
    training_data, _, test_data = parts
    np.testing.assert_array_equal(training_data[-1][0], training_data[49][0])
    assert test_data[3:5][1][1] == test_data[4][1]
    assert len(test_data[:7]) == len(list(test_data[:7])) == 7
    with pytest.raises(IndexError):
        training_data[50]
    for j in (-1, 10, 2.5):
        said = f"ValueError: a label is a digit from 0 to 9, received {j}"
        assert refusal(loader.vectorized_result, j) == said
    assert repr(test_data) == "Examples(x of shape (20, 784), y of shape (20,))"


def test_the_result_does_not_depend_on_the_default_dtype(folder, good):
    before = torch.get_default_dtype()
    try:
        torch.set_default_dtype(torch.float64)
        assert same_data(TORCH.mnist_loader.load_data(folder), good)
        assert TORCH.mnist_loader.load_data_wrapper(folder)[0].y.dtype == torch.float32
    finally:
        torch.set_default_dtype(before)


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


OPENED = """
import collections, os, sys
counts = collections.Counter()
sys.addaudithook(lambda event, given: event == "open" and counts.update([str(given[0])]))
from scripts.command_line import find_data, load_examples
for backend in ("numpy", "torch"):
    counts.clear()
    load_examples(find_data(sys.argv[1]), backend)
    print(*sorted(counts[os.path.join(sys.argv[1], name)] for name in os.listdir(sys.argv[1])))
"""


def test_the_programs_read_each_file_once(folder):
    run = [sys.executable, "-c", OPENED, str(folder)]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == 2 * "1 1 1 1\n"


# --- Damage, told by all in the same words ------------------------------------------------------


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


@by_all
@pytest.mark.parametrize("what", DAMAGES)
def test_damage_is_told_in_one_line(reader, what, folder):
    name, make, text = DAMAGES[what]
    path = folder / name
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(path.with_suffix("").read_bytes()))
        path.with_suffix("").unlink()
    path.write_bytes(make(path.read_bytes()))
    line = told(reader, folder)
    assert line.startswith(f"/{name}: {text}"), line
    assert line.endswith(REPLACE)


@by_all
def test_a_folder_that_lacks_a_file_or_has_too_few_images_is_told(reader, folder, tmp_path):
    shutil.copytree(folder, folder / "MNIST" / "raw")
    (folder / "MNIST" / "raw" / LABELS).unlink()
    (folder / TRAIN).unlink()  # files of two layouts are never mixed
    said = f": MNIST's files are missing here ({TRAIN}); give a folder with MNIST's four IDX files"
    assert told(reader, folder, FileNotFoundError).startswith(said)
    (folder / TRAIN).mkdir()
    assert told(reader, folder, FileNotFoundError).startswith(said)
    write_idx_files(tmp_path / "five", 5, 3)
    said = "expected 6 images or more, of which a sixth is for validation, received 5"
    assert told(reader, tmp_path / "five") == f"/{TRAIN}: {said}{REPLACE}"


@by_all
def test_a_place_that_is_not_there_is_told(reader, tmp_path):
    for name in ("nowhere", "nowhere.pkl.gz", "a\x1b[2J"):
        with pytest.raises(FileNotFoundError) as caught:
            READERS[reader](tmp_path / name)
        shown = f"{tmp_path}/{name}".replace("\x1b", "\\x1b")
        assert str(caught.value).startswith(f"{shown}: no such file or folder; give a folder")
    (tmp_path / "file").write_bytes(b"")
    line = told(reader, tmp_path / "file", FileNotFoundError)
    assert line.startswith(": this is a file, expected a folder; give a folder")
    with pytest.raises(ValueError, match=r"a\\x00b: damaged or cut short \(.*null"):
        READERS[reader](tmp_path / "a\0b")


@posix
@by_all
def test_a_file_or_folder_that_may_not_be_read_is_told(reader, folder, good):
    with tempfile.TemporaryDirectory() as outside:
        os.chmod(outside, 0o755)
        copy = Path(shutil.copytree(folder, Path(outside) / "data"))
        pickled(copy / "mnist.pkl", good)
        for path in (copy, *copy.iterdir()):
            os.chmod(path, 0o755)
        for forbidden in (copy / TRAIN, copy / "mnist.pkl", copy):
            os.chmod(forbidden, 0)
            asked = forbidden if forbidden.suffix else copy
            with an_ordinary_user():
                line = told(reader, asked, PermissionError)
            place = str(forbidden).removeprefix(str(asked))
            said = f"{place}: cannot be read, permission denied; let this user read it, or give a"
            assert line.startswith(said)
            os.chmod(forbidden, 0o755)


# --- Pickles ------------------------------------------------------------------------------------


class Calls:
    """Pickles into a call, and into a state for what it returned."""

    def __init__(self, *call, state=None):
        self.made = (call[0], call[1:]) if state is None else (call[0], call[1:], state)

    def __reduce__(self):
        return self.made


def part(good, x=None, y=None):
    """The three pairs, of which the first has other images or labels."""
    (images, labels), *others = good
    return ((images if x is None else x, labels if y is None else y), *others)


# fmt: off
PAIRS = "expected three pairs (images, labels), received something else"
SHAPES = "expected float images of shape (N, 784) and whole-number labels of shape (N,), received"
BYTES = "expected pixels that are a byte divided by 256, received"
NINE = "expected labels from 0 to 9, received"
OTHER_THINGS = {  # what is pickled, or the pickle itself, made of MNIST's three pairs; what is told
    "two pairs": (lambda d: d[:2], PAIRS),
    "five in the midst": (lambda d: (d[0], 5, d[1], d[2]), PAIRS),
    "a part too many": (lambda d: (*d, ()), PAIRS),
    "memory": (lambda d: Calls(np.ndarray, (1 << 30,)), PAIRS),
    "a dict": (lambda d: (*d, {}), f"{DAMAGED}instruction 125, which no array needs"),
    "a dtype for images": (lambda d: part(d, np.dtype("f4")), f"{SHAPES} int64 (50,)"),
    "a list for images": (lambda d: part(d, [[1, 2]]), f"{SHAPES} int64 (50,)"),
    "fractions": (lambda d: part(d, [0.5]), f"{DAMAGED}instruction 71, which no array needs"),
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
    "a text": (lambda d: "a" * 255, PAIRS),
    "a long text of Python 3.0": (lambda d: pickle.dumps("a" * 256, 3),
                                  f"{DAMAGED}a text of 256 bytes, which no"),
}
# fmt: on
CALLED = [os.system, eval, np.load, np.zeros]


@by_all
@pytest.mark.parametrize("what", OTHER_THINGS)
def test_a_pickle_of_other_things_is_told(reader, what, good, tmp_path):
    make, text = OTHER_THINGS[what]
    line = told(reader, pickled(tmp_path / "mnist.pkl", make(good)))
    assert line.startswith(f": {text}"), line
    assert line.endswith(REPLACE)
    assert same_data(REFERENCE.mnist_loader.load_data(pickled(tmp_path / "m.pkl", good)), good)


@by_all
@pytest.mark.parametrize("function", CALLED)
@pytest.mark.parametrize("protocol", [0, 4])
def test_a_pickle_that_calls_anything_is_refused(reader, tmp_path, function, protocol):
    touched = tmp_path / "touched"
    path = pickled(tmp_path / "mnist.pkl.gz", Calls(function, f"touch {touched}"), protocol)
    assert re.match(r": damaged or cut short \(it asks for .*, only arrays are", told(reader, path))
    assert not touched.exists()


@by_all
def test_a_pickle_cut_anywhere_is_told(reader, good, tmp_path):
    whole, path = pickle.dumps(good, 4), tmp_path / "mnist.pkl"
    for length in [0, 1, 2, 20, 50, 100, 1000, len(whole) // 2, len(whole) - 1]:
        path.write_bytes(whole[:length])
        assert told(reader, path).startswith(f": {DAMAGED}")


@by_all
def test_a_bit_that_changed_in_a_packed_pickle_and_what_follows_one_are_told(
    reader, good, tmp_path
):
    path = pickled(tmp_path / "mnist.pkl.gz", good)
    whole = path.read_bytes()
    path.write_bytes(whole[:-8] + bytes([whole[-8] ^ 1]) + whole[-7:])  # of its CRC
    assert told(reader, path).startswith(f": {DAMAGED}CRC check failed")
    pickled(path, pickle.dumps(good) + b"more")
    assert told(reader, path).startswith(f": {DAMAGED}more follows)")


def test_every_instruction_that_is_not_admitted_is_refused(tmp_path):
    """Of the 68 that Python knows; with an argument each that is long enough."""
    names = {
        code.name
        for code in pickletools.opcodes
        for content in [b"]]" + code.code.encode("latin1") + b"1\n" * 9]
        if f"instruction {ord(code.code)}, which no array needs"
        in told("reference", pickled(tmp_path / "mnist.pkl", content))
    }
    assert len(names) == 28  # the other forty are what arrays are made of
    assert {"DICT", "EMPTY_DICT", "OBJ", "INST", "NEWOBJ", "DUP", "PERSID", "EXT1"} <= names


def packed_number(code, number):
    return code + struct.pack("<Q", number)


MANY, SHORT = "or one too many", "damaged or cut short"
GROW = {  # a few megabytes on disk that would take gigabytes
    "lists": ([b"]" * (1 << 20)], MANY),
    "marks": ([b"(" * (1 << 20)], MANY),
    "a far place in the memo": ([b"]r\xff\xff\xff\x0f."], "expected three pairs"),
    "bytes without end": ([packed_number(b"\x8e", 1 << 40)], SHORT),
    "changeable bytes without end": ([packed_number(b"\x96", 1 << 36)], SHORT),
    "a frame without end": ([packed_number(b"\x80\4\x95", 1 << 40), b"]."], "three pairs"),
    "wide text": ([b"X\0\0\0\x08", b"a" * ((1 << 27) - 4), "\U0001f600.".encode()], "a text of"),
    "a line without end": ([b"S'", *[b"a" * (1 << 20)] * 300], "more than 268,435,456 bytes"),
}  # fmt: skip
PEAK = """
import resource, sys
from reference.mnist_loader import load_data
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in sys.argv[1:]:
    try:
        load_data(path)
    except ValueError as error:
        print(error)
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@posix
def test_pickles_that_would_grow_are_refused_in_bounded_memory(tmp_path):
    paths = [tmp_path / f"{k}.pkl.gz" for k in range(len(GROW))]
    for path, (pieces, _) in zip(paths, GROW.values(), strict=True):
        with gzip.open(path, "wb", compresslevel=1) as file:
            file.writelines(pieces)
    run = [sys.executable, "-c", PEAK, *map(str, paths)]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    told = zip(paths, GROW.values(), lines[::2], lines[1::2], strict=True)
    for path, (_, why), line, megabytes in told:
        assert line.startswith(f"{path}: ")
        assert why in line
        assert int(megabytes) < 800
