"""Parameters: the record, its fingerprint, its file, and how what is no network is refused."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from model.initial import initial_parameters
from model.parameters import MAX_FILE_BYTES, MAX_OTHER_BYTES, MAX_PARAMETERS, Parameters
from tests.conftest import CHECKOUT, memory_below
from tests.model.conftest import refused

# A 2-3-1 network; every number is exact in binary, so that it can be typed here.
SIZES = [2, 3, 1]
WEIGHTS = [[[0.5, -1.0], [2.0, 0.25], [0.0, 3.0]], [[1.0, -0.5, 4.0]]]
BIASES = [[[0.125], [-2.0], [1.0]], [[0.75]]]
# As `sha256sum` has it of its 128 bytes; the same in plain Python: tests/test_specification.py
FINGERPRINT = "ddd2014a03b9936fefd9467808b8d48a2536a6ca182a99fc857e13b81ee20cbe"


def document(**changes):
    """The small network as a JSON object, with some keys changed; None leaves a key out."""
    keys = {"sizes": SIZES, "weights": WEIGHTS, "biases": BIASES, **changes}
    return {key: value for key, value in keys.items() if value is not None}


def bits(p):
    """Sizes and every bit, the sign of zero included."""
    return p.sizes, [v.tobytes() for v in (*p.weights, *p.biases)]


SMALL = Parameters(**document())


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f8", np.int64])
def test_arrays_of_any_dtype_and_layout_are_copied_exactly_and_read_only(dtype):
    given = np.asfortranarray(np.array([[3, -1], [2, 5]], dtype)), np.array([[1], [2]], dtype)
    metadata = {"accuracy": {"test": 9415}, "shape": (2, 3)}
    p = Parameters(np.array([2, 2]), given[:1], given[1:], metadata)
    before = p.fingerprint
    for array in given:
        array[:] = 9
    metadata["accuracy"]["test"] = 0
    assert p.metadata == {"accuracy": {"test": 9415}, "shape": [2, 3]}
    assert (p.weights[0].tolist(), p.biases[0].tolist()) == ([[3, -1], [2, 5]], [[1], [2]])
    assert p.fingerprint == before
    assert [type(units) for units in p.sizes] == [int, int]
    for array in (*p.weights, *p.biases):
        assert (array.dtype, array.flags.c_contiguous) == (np.dtype("=f8"), True)
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 1.0
    with pytest.raises(AttributeError):
        p.sizes = (2, 3)


def test_the_fingerprint_does_not_see_the_sign_of_zero():
    weights = [[[0.5, -1.0], [2.0, 0.25], [-0.0, 3.0]], WEIGHTS[1]]
    negative = Parameters(SIZES, weights, BIASES, {"seed": 1})
    assert negative.fingerprint == SMALL.fingerprint == FINGERPRINT
    assert bits(negative) != bits(SMALL)


def test_a_file_is_the_same_bytes_whatever_the_order_of_metadata(tmp_path):
    """The shipped one is the golden text."""
    path, shipped = tmp_path / "again.json", CHECKOUT / "model" / "train.json"
    p = Parameters.load(shipped)
    turned = {key: p.metadata[key] for key in [*p.metadata][::-1]}
    turned["accuracy"] = dict([*turned["accuracy"].items()][::-1])
    for metadata, place in ((p.metadata, path), (turned, str(path))):
        Parameters(p.sizes, p.weights, p.biases, metadata).save(place)
        assert path.read_bytes() == shipped.read_bytes()


def test_files_of_other_writers_load(tmp_path):
    path = tmp_path / "free.json"
    # network2.save: json.dump({"sizes": ..., ..., "cost": str(self.cost.__name__)}, f)
    path.write_text(json.dumps(document(cost="CrossEntropyCost")))
    p = Parameters.load(path)
    assert (bits(p), p.metadata) == (bits(SMALL), {"cost": "CrossEntropyCost"})
    keys = {"biases": [[[1], [2], [3]], [[4]]], "weights": WEIGHTS, "sizes": SIZES}
    path.write_bytes(b"\xef\xbb\xbf\r\n\t" + json.dumps(keys, indent=3).encode() + b"\n\n")
    assert Parameters.load(path).biases[0].tolist() == [[1.0], [2.0], [3.0]]


def test_odd_numbers_and_metadata_come_back_bit_for_bit(tmp_path):
    edges = [-0.0, 5e-324, -5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, -1e308]
    edges += [0.1, 1 / 3, 2.0**53 + 2, 1e22, 1e16, 123456789.12345679]
    odd = {"": None, "\ud800\u2028é": ['\x00"\\', {"": [True, -(10**30), 1e-7]}], "cost": {}}
    p = Parameters([len(edges), 1], [[edges]], [[[-0.0]]], odd)
    p.save(tmp_path / "p.json")
    loaded = Parameters.load(tmp_path / "p.json")
    loaded.save(tmp_path / "q.json")
    assert (bits(loaded), loaded.metadata) == (bits(p), odd)
    assert (tmp_path / "p.json").read_bytes() == (tmp_path / "q.json").read_bytes()


def test_a_large_network_loads_whatever_its_layout_and_the_largest_fits(tmp_path):
    weights, biases = [np.ones((300, 500)) / 3, np.ones((2, 300))], [[[1]] * 300, [[1]] * 2]
    p = Parameters([500, 300, 2], weights, biases, {"note": "x" * 900_000})
    p.save(tmp_path / "p.json")
    assert (tmp_path / "p.json").stat().st_size > 3 * MAX_OTHER_BYTES
    document = json.loads((tmp_path / "p.json").read_text())
    (tmp_path / "q.json").write_text(json.dumps(document, indent=1, sort_keys=True))
    assert bits(Parameters.load(tmp_path / "q.json")) == bits(p)
    # As long as any number, with the comma and the space or end of line behind it; and brackets.
    longest = len(json.dumps(-1.2345678901234567e-308)) + 2
    assert (longest + 2) * MAX_PARAMETERS + MAX_OTHER_BYTES < MAX_FILE_BYTES


def test_a_seed_decides_the_start_and_nothing_else_does():
    """To which numbers: tests/test_shipped.py."""
    before = np.random.get_state()[1].tolist()  # noqa: NPY002 the global state is what is watched
    prints = [initial_parameters([3, 2], seed).fingerprint for seed in (0, 0, 1, 2**63 - 1)]
    assert (prints[0], len(set(prints))) == (prints[1], 3)
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002
    assert repr(initial_parameters([2, 1], np.int64(3)).metadata) == "{'seed': 3}"


def refused_file(tmp_path, content):
    """The line with which a file is refused, without the path and the advice."""
    path, restore = tmp_path / "bad.json", "; restore the file or save the network again"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    line = refused(Parameters.load, path)
    assert (line[: len(f"{path}: ")], line[-len(restore) :]) == (f"{path}: ", restore)
    return line.removeprefix(f"{path}: ").removesuffix(restore)


def short(value):
    """The name of a case: some of these files are too long to print."""
    return repr(value)[:30]


LIST = "sizes: expected a list of 2 to 100 whole numbers such as [784, 20, 10], received"
WHOLE = "expected a whole number from 1 to 65,536, received"
MILLION = "sizes: expected at most 1,000,000 weights and biases in all, received"
LAYERS = "expected a list of 2 layers for sizes [2, 3, 1], received"
SHAPE = "expected shape (3, 2), rows of one length, received"
COLUMN = SHAPE.replace("2", "1")
FINITE = "expected a finite number (float64, up to 1.8e308), received"
NEWER = "a newer version of jalebi may have written it"
OBJECT = "expected a JSON object with the keys sizes, weights, biases, received"
JSON = "expected a JSON object in UTF-8:"
OTHER = f"fingerprint: the weights and biases have {FINGERPRINT}, the file says"
CHANGED = "a number in it was changed"
ROW = [[0.0, 0.0, 0.0]]
ENTRY = "[0], row 1, column 0"
# fmt: off
DOCUMENTS = [  # what is wrong in a file or in the arguments, and the line that says so
    ({"sizes": 784}, f"{LIST} 784"),
    ({"sizes": "9" * 10_000}, f'{LIST} "{"9" * 40}..."'),
    ({"sizes": [784]}, f"{LIST} a list of 1"),
    ({"sizes": [1] * 101}, f"{LIST} a list of 101"),
    ({"sizes": [2, 3.0, 1]}, f"sizes[1]: {WHOLE} 3.0"),
    ({"sizes": [2, 3, True]}, f"sizes[2]: {WHOLE} true"),
    ({"sizes": [0, 3, 1]}, f"sizes[0]: {WHOLE} 0"),
    ({"sizes": [2, 65_537, 1]}, f"sizes[1]: {WHOLE} 65537"),
    ({"sizes": [1000, 1000, 1]}, f"{MILLION} 1,002,001"),
    ({"weights": WEIGHTS[:1]}, f"weights: {LAYERS} a list of 1"),
    ({"biases": {"0": BIASES[0]}}, f"biases: {LAYERS} a dict (JSON object)"),
    ({"weights": ["w", WEIGHTS[1]]}, f'weights[0]: {SHAPE} "w"'),
    ({"weights": [[[0.5, 1.0], [2.0], [0.0, 3.0]], ROW]}, f"weights[0]: {SHAPE} shape (3,)"),
]
FILES = [
    *((json.dumps(document(**changes)), line) for changes, line in [
        *DOCUMENTS,
        ({"biases": None}, f'{OBJECT} "sizes", "weights"'),
        ({"sizes": None, "weights": None, "biases": None}, f"{OBJECT} none"),
        ({"format": "jalebi-2"}, f'format: expected "jalebi-1", received "jalebi-2"; {NEWER}'),
        ({"fingerprint": "a" * 64}, f'{OTHER} "{"a" * 64}": {CHANGED}'),
    ]),
    *((json.dumps(document()).replace("2.0", written, 1), f"weights{ENTRY}: {FINITE} {received}")
      for written, received in [
          ('"0.5"', '"0.5"'), ("true", "true"), ("null", "null"), ("[1.0]", "a list of 1"),
          ("{}", "a dict (JSON object)"), ("NaN", "nan"), ("-Infinity", "-inf"), ("1e999", "inf"),
          ("1" + "0" * 350, "a whole number of 1163 bits"),
      ]),
    (json.dumps(document()).replace("-2.0", "null"), f"biases{ENTRY}: {FINITE} null"),
]
ARRAYS = [
    ({"biases": [np.zeros(3), np.zeros((1, 1))]}, f"biases[0]: {COLUMN} shape (3,)"),
    ({"weights": [np.zeros((2, 3)), ROW]}, f"weights[0]: {SHAPE} shape (2, 3)"),
    *(({"weights": [np.full((3, 2), value), ROW]}, f"weights[0], row 0, column 0: {FINITE} {what}")
      for value, what in [(np.nan, "nan"), (True, "true"), (1j, "complex"), ("1", '"1"')]),
    ({"weights": np.zeros((2, 3, 2))}, f"weights: {LAYERS} ndarray"),
    *(({"metadata": {key: 1}}, f'metadata: the key "{key}" is reserved; choose another name')
      for key in ("format", "fingerprint", "sizes", "weights", "biases")),
    ({"metadata": [1]}, "metadata: expected a dict, received a list of 1"),
]
SEEDS = [
    *(([2, 1], seed, f"seed: expected a whole number from 0 to {2**63 - 1}, received {told}")
      for seed, told in [(-1, "-1"), (2**63, f"{2**63}"), (0.0, "0.0"), (True, "true")]),
    ([784, 0, 10], 0, f"sizes[1]: {WHOLE} 0"),
]
NO_JSON = [
    ("", f"{JSON} Expecting value: line 1"),
    ("[1, 2]", f"{OBJECT} a list of 2"),
    ('{"sizes": [2, 3, 1],\n"weights": [,]}', f"{JSON} Expecting value: line 2 column 13"),
    ("{}\n{}", f"{JSON} Extra data: line 2"),
    (b'{"note": "\xff"}', f"{JSON} 'utf-8' codec can't decode byte 0xff in position 10"),
    ('{"data": {"a": 1, "a": 2}}', 'the key "a" stands twice; expected it once'),
    ('{"weights": ' + "[" * 100_000, "maximum recursion depth exceeded"),
    ('{"weights": 1' + "0" * 9999, "Exceeds the limit (4300 digits) for integer"),
]
# fmt: on


@pytest.mark.parametrize(("content", "line"), [*FILES, *NO_JSON], ids=short)
def test_file_that_is_no_network_is_refused(tmp_path, content, line):
    told = refused_file(tmp_path, content)
    assert told.startswith(line) if (content, line) in NO_JSON else told == line


@pytest.mark.parametrize(("changes", "line"), [*DOCUMENTS, *ARRAYS], ids=short)
def test_what_no_network_has_is_refused(changes, line):
    assert refused(lambda: Parameters(**document(**changes))) == line


@pytest.mark.parametrize(("sizes", "seed", "line"), SEEDS, ids=short)
def test_a_start_that_cannot_be_drawn_is_refused(sizes, seed, line):
    assert refused(initial_parameters, sizes, seed) == line


ROOM = f"expected at most {MAX_OTHER_BYTES:,} bytes beside the numbers of weights and biases"
NETWORK = '"sizes": [1, 1], "weights": [[[1]]], "biases": [[[0]]]'
MANY = 2_500_000
BOMBS = [
    (f'{{{NETWORK}, "note": [{"[]," * MANY}[]]}}', ROOM),
    (f'{{"sizes": [1, 1], "weights": [{"{}," * MANY}1]}}', ROOM),
    (f'{{"sizes": [1, 1], "weights": [{"[]," * MANY}[]]}}', "expected at most 2,000,000 lists"),
    (f'{{"sizes": [1, 1], "biases": 1, "weights": [[{"1," * 10**5}1]]}}', "weights[0]: expected"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "line"), BOMBS, ids=short)
def test_what_would_take_gigabytes_is_refused(tmp_path, content, line):
    with memory_below(2**26):  # as lists and dicts it is three times that
        assert refused_file(tmp_path, content).startswith(line)


def test_what_is_no_file_is_refused_unread(tmp_path):
    (tmp_path / "file").write_text("")
    os.mkfifo(tmp_path / "pipe")
    with open(tmp_path / "large", "wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)  # a sparse file: no space is used
    least = "expected a file of at most 33,554,432 bytes, received"
    for name, line in [
        ("absent", "no such file; expected a parameter file such as model/train.json"),
        (".", f"{least} a folder"),
        ("file/p.json", "cannot be read: Not a directory"),
        ("pipe", f"{least} a pipe or device"),
        ("large", f"{least} 33,554,433 bytes"),
    ]:
        assert refused(Parameters.load, tmp_path / name) == f"{tmp_path / name}: {line}"


LOOP = {}
LOOP["again"] = LOOP


@pytest.mark.parametrize(
    "value", [np.int64(9415), {"b": Path("x")}, float("inf"), 10**5000, LOOP], ids=type
)
def test_metadata_that_json_cannot_hold_are_refused(value):
    line = refused(Parameters, SIZES, WEIGHTS, BIASES, {"a": value})
    assert line.startswith("metadata: expected what JSON can hold: ")


def test_file_that_load_would_refuse_is_not_written(tmp_path):
    p = Parameters(SIZES, WEIGHTS, BIASES, {"note": "x" * MAX_OTHER_BYTES})
    assert refused(p.save, tmp_path / "p.json").startswith(ROOM)
    p.metadata.clear()
    p.metadata["sizes"] = [1, 1]
    assert 'the key "sizes" is reserved' in refused(p.save, tmp_path / "p.json")
    assert os.listdir(tmp_path) == []
    beside = f'{{{NETWORK}, "note": {{"weights": [{"1," * 600_000}1]}}}}'
    assert refused_file(tmp_path, beside).startswith(ROOM)
