"""What is no network is refused in one line: where it is wrong, what was expected and received."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from model.initial import initial_parameters
from model.parameters import MAX_FILE_BYTES, MAX_OTHER_BYTES, Parameters

SIZES = [2, 3, 1]
WEIGHTS = [[[0.5, -1.0], [2.0, 0.25], [0.0, 3.0]], [[1.0, -0.5, 4.0]]]
BIASES = [[[0.125], [-2.0], [1.0]], [[0.75]]]
RESTORE = "; restore the file or save the network again"


def document(**changes):
    """The small network as a JSON object, with some keys changed; None leaves a key out."""
    keys = {"sizes": SIZES, "weights": WEIGHTS, "biases": BIASES, **changes}
    return {key: value for key, value in keys.items() if value is not None}


def refused(call, *arguments):
    """The one line with which something is refused."""
    with pytest.raises((ValueError, OSError)) as caught:
        call(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def refused_file(tmp_path, content):
    """The line with which a file is refused, without the path and the advice."""
    path = tmp_path / "bad.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    line = refused(Parameters.load, path)
    assert line.startswith(f"{path}: ")
    assert line.endswith(RESTORE)
    return line.removeprefix(f"{path}: ").removesuffix(RESTORE)


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
FINGERPRINT = "ddd2014a03b9936fefd9467808b8d48a2536a6ca182a99fc857e13b81ee20cbe"
OTHER = (
    f"fingerprint: the weights and biases have {FINGERPRINT}, the file says {{}}: a number in it "
    f"was changed"
)

ROW = [[0.0, 0.0, 0.0]]
# What is wrong in a file or in the arguments, and the line that says so.
DOCUMENTS = [
    ({"sizes": 784}, f"{LIST} 784"),
    ({"sizes": "9" * 10_000}, f'{LIST} "{"9" * 40}..."'),
    ({"sizes": [784]}, f"{LIST} a list of 1"),
    ({"sizes": [1] * 101}, f"{LIST} a list of 101"),
    ({"sizes": [2, 3.0, 1]}, f"sizes[1]: {WHOLE} 3.0"),
    ({"sizes": [2, "3", 1]}, f'sizes[1]: {WHOLE} "3"'),
    ({"sizes": [2, 3, True]}, f"sizes[2]: {WHOLE} true"),
    ({"sizes": [0, 3, 1]}, f"sizes[0]: {WHOLE} 0"),
    ({"sizes": [2, 65_537, 1]}, f"sizes[1]: {WHOLE} 65537"),
    ({"sizes": [2, 10**30, 1]}, f"sizes[1]: {WHOLE} a whole number of 100 bits"),
    ({"sizes": [1000, 1000, 1]}, f"{MILLION} 1,002,001"),
    ({"weights": WEIGHTS[:1]}, f"weights: {LAYERS} a list of 1"),
    ({"weights": 5}, f"weights: {LAYERS} 5"),
    ({"biases": {"0": BIASES[0]}}, f"biases: {LAYERS} a dict (JSON object)"),
    ({"weights": ["w", WEIGHTS[1]]}, f'weights[0]: {SHAPE} "w"'),
    ({"weights": [WEIGHTS[0][:2], WEIGHTS[1]]}, f"weights[0]: {SHAPE} shape (2, 2)"),
    ({"weights": [[[0.5, 1.0], [2.0], [0.0, 3.0]], ROW]}, f"weights[0]: {SHAPE} shape (3,)"),
    ({"biases": [[0.125, -2.0, 1.0], [0.75]]}, f"biases[0]: {COLUMN} shape (3,)"),
    ({"biases": [[[0.125, -2.0, 1.0]], [[0.75]]]}, f"biases[0]: {COLUMN} shape (1, 3)"),
]  # fmt: skip
FILES = [
    ({"biases": None}, f'{OBJECT} "sizes", "weights"'),
    ({"sizes": None, "weights": None, "biases": None}, f"{OBJECT} none"),
    ({"format": "jalebi-2"}, f'format: expected "jalebi-1", received "jalebi-2"; {NEWER}'),
    ({"format": 1}, f'format: expected "jalebi-1", received 1; {NEWER}'),
    ({"fingerprint": "a" * 64}, OTHER.format(f'"{"a" * 64}"')),
    ({"fingerprint": "a" * 65}, OTHER.format(f'"{"a" * 40}..."')),
    ({"fingerprint": 5}, OTHER.format("5")),
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
]  # fmt: skip


@pytest.mark.parametrize(("changes", "line"), [*DOCUMENTS, *FILES], ids=short)
def test_document_that_is_no_network_is_refused(tmp_path, changes, line):
    assert refused_file(tmp_path, json.dumps(document(**changes))) == line


@pytest.mark.parametrize(("changes", "line"), [*DOCUMENTS, *ARRAYS], ids=short)
def test_what_no_network_has_is_refused(changes, line):
    assert refused(lambda: Parameters(**document(**changes))) == line


@pytest.mark.parametrize("key", ["weights", "biases"])
@pytest.mark.parametrize(
    ("written", "received"),
    [
        ('"0.5"', '"0.5"'), ("true", "true"), ("null", "null"), ("[1.0]", "a list of 1"),
        ("{}", "a dict (JSON object)"), ("NaN", "nan"), ("-Infinity", "-inf"), ("1e999", "inf"),
        ("1" + "0" * 350, "a whole number of 1163 bits"),
    ],
    ids=short,
)  # fmt: skip
def test_entry_that_is_no_finite_number_is_refused(tmp_path, key, written, received):
    layers = json.loads(json.dumps(document()[key]))
    layers[0][1][0] = "@"
    content = json.dumps(document(**{key: layers})).replace('"@"', written)
    assert refused_file(tmp_path, content) == f"{key}[0], row 1, column 0: {FINITE} {received}"


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("", f"{JSON} Expecting value: line 1"),
        ("[1, 2]", f"{OBJECT} a list of 2"),
        ("null", f"{OBJECT} null"),
        ('{"sizes": [2, 3, 1],\n"weights": [,]}', f"{JSON} Expecting value: line 2 column 13"),
        ("{}\n{}", f"{JSON} Extra data: line 2"),
        (b'{"note": "\xff"}', f"{JSON} 'utf-8' codec can't decode byte 0xff in position 10"),
        ('{"data": {"a": 1, "a": 2}}', 'the key "a" stands twice; expected it once'),
        ('{"weights": ' + "[" * 100_000, "maximum recursion depth exceeded"),
        ('{"weights": 1' + "0" * 9999, "Exceeds the limit (4300 digits) for integer"),
    ],
    ids=short,
)
def test_file_that_is_no_json_object_is_refused(tmp_path, content, line):
    assert refused_file(tmp_path, content).startswith(line)


def test_file_that_is_cut_or_changed_is_refused(tmp_path):
    Parameters(SIZES, WEIGHTS, BIASES, {"seed": 7}).save(tmp_path / "small.json")
    whole = (tmp_path / "small.json").read_bytes().rstrip()
    for length in range(1, len(whole)):
        assert refused_file(tmp_path, whole[:length]).startswith(JSON)
    changed = re.sub(rb"0\.25", b"0.26", whole)
    assert refused_file(tmp_path, changed).endswith(": a number in it was changed")


# --- Hostile files: little memory is spent on them ------------------------------------------------

ROOM = f"expected at most {MAX_OTHER_BYTES:,} bytes beside the numbers of weights and biases"
NETWORK = '"sizes": [1, 1], "weights": [[[1]]], "biases": [[[0]]]'
MILLIONS = MAX_FILE_BYTES - 200
BOMBS = {
    "lists": (f'{{{NETWORK}, "note": [{"[]," * (MILLIONS // 3)}[]]}}', ROOM),
    "dicts for weights": (f'{{"sizes": [1, 1], "weights": [{"{}," * (MILLIONS // 3)}1]}}', ROOM),
    "lists for weights": (f'{{"sizes": [1, 1], "weights": [{"[]," * (MILLIONS // 3)}[]]}}',
                          "expected at most 2,000,000 lists, received more"),
    "numbers for weights": (f'{{"sizes": [1, 1], "biases": 1, "weights": [[{"1," * 10**7}1]]}}',
                            "weights[0]: expected shape (1, 1)"),
    "weights in metadata": (f'{{{NETWORK}, "note": {{"weights": [{"1," * 2_000_000}1]}}}}', ROOM),
}  # fmt: skip
LOADED = """
import resource, sys
from model.parameters import Parameters
resource.setrlimit(resource.RLIMIT_AS, (1_000_000_000, 1_000_000_000))
Parameters.load(sys.argv[1])
"""


@pytest.mark.parametrize("bomb", BOMBS)
def test_what_would_take_gigabytes_is_refused(tmp_path, bomb):
    content, line = BOMBS[bomb]
    path = tmp_path / "bomb.json"
    path.write_text(content)
    run = subprocess.run(
        [sys.executable, "-c", LOADED, path],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert run.stderr.splitlines()[-1].startswith(f"ValueError: {path}: {line}")


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


# --- Metadata and seeds -------------------------------------------------------------------------

loop = {}
loop["again"] = loop


@pytest.mark.parametrize(
    "value", [np.int64(9415), {"b": Path("x")}, float("inf"), 10**5000, loop], ids=type
)
def test_metadata_that_json_cannot_hold_are_refused(value):
    line = refused(Parameters, SIZES, WEIGHTS, BIASES, {"a": value})
    assert line.startswith("metadata: expected what JSON can hold: ")


def test_file_that_load_would_refuse_is_not_written(tmp_path):
    p = Parameters(SIZES, WEIGHTS, BIASES, {"note": "x" * MAX_OTHER_BYTES})
    assert refused(p.save, tmp_path / "p.json").startswith(ROOM)
    p = Parameters(SIZES, WEIGHTS, BIASES)
    p.metadata["sizes"] = [1, 1]
    assert 'the key "sizes" is reserved' in refused(p.save, tmp_path / "p.json")
    assert os.listdir(tmp_path) == []


SEED = "seed: expected a whole number from 0 to 9223372036854775807, received"


@pytest.mark.parametrize(
    ("sizes", "seed", "line"),
    [
        ([2, 1], -1, f"{SEED} -1"),
        ([2, 1], 2**63, f"{SEED} 9223372036854775808"),
        ([2, 1], 0.0, f"{SEED} 0.0"),
        ([2, 1], True, f"{SEED} true"),
        ([2, 1], None, f"{SEED} null"),
        ([784, 0, 10], 0, f"sizes[1]: {WHOLE} 0"),
    ],
)
def test_a_start_that_cannot_be_drawn_is_refused(sizes, seed, line):
    assert refused(initial_parameters, sizes, seed) == line
