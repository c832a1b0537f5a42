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
from model.parameters import MAX_FILE_BYTES, MAX_METADATA_DEPTH, MAX_OTHER_BYTES, Parameters

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


WHOLE = "expected a whole number from 1 to 65,536, received"
LAYERS = "expected a list of layers, 2 layers for sizes [2, 3, 1], received"
NUMBERS = "expected numbers that float64 can hold, received dtype"
FINITE = "expected a finite number (float64, up to 1.8e308), received"
NEWER = "a newer version of jalebi may have written it"
MISSING = "expected sizes, weights, biases, received"
FINGERPRINT = "ddd2014a03b9936fefd9467808b8d48a2536a6ca182a99fc857e13b81ee20cbe"
OTHER = (
    f"fingerprint: the weights and biases have {FINGERPRINT}, the file says {{}}: a number in it "
    f"was changed"
)

# What is wrong in a file, and the line that says so.
DOCUMENTS = [
    ({"biases": None}, f'missing key biases: {MISSING} "sizes", "weights"'),
    ({"sizes": None, "weights": None, "biases": None},
     f"missing keys sizes, weights, biases: {MISSING} none"),
    ({"weights": None, "biases": None, "layers": 3},
     f'missing keys weights, biases: {MISSING} "sizes", "layers"'),
    ({"format": "jalebi-2"}, f'format: expected "jalebi-1", received "jalebi-2"; {NEWER}'),
    ({"format": 1}, f'format: expected "jalebi-1", received 1; {NEWER}'),
    ({"fingerprint": "a" * 64}, OTHER.format("a" * 64)),
    ({"fingerprint": 5}, OTHER.format("5")),
    ({"fingerprint": "a" * 65}, OTHER.format(f'"{"a" * 40}..."')),
    ({"sizes": 784},
     "sizes: expected a list of whole numbers such as [784, 20, 10], received 784"),
    ({"sizes": "9" * 10_000}, "sizes: expected a list of whole numbers such as [784, 20, 10], "
     f'received "{"9" * 40}..."'),
    ({"sizes": [784]}, "sizes: expected 2 to 100 layers, received 1"),
    ({"sizes": []}, "sizes: expected 2 to 100 layers, received 0"),
    ({"sizes": [1] * 101}, "sizes: expected 2 to 100 layers, received 101"),
    ({"sizes": [2, 3.0, 1]}, f"sizes[1]: {WHOLE} 3.0"),
    ({"sizes": [2, "3", 1]}, f'sizes[1]: {WHOLE} "3"'),
    ({"sizes": [2, 3, True]}, f"sizes[2]: {WHOLE} true"),
    ({"sizes": [0, 3, 1]}, f"sizes[0]: {WHOLE} 0"),
    ({"sizes": [2, -3, 1]}, f"sizes[1]: {WHOLE} -3"),
    ({"sizes": [2, 65_537, 1]}, f"sizes[1]: {WHOLE} 65537"),
    ({"sizes": [2, 10**30, 1]}, f"sizes[1]: {WHOLE} a whole number of 100 bits"),
    ({"sizes": [60_000, 60_000, 10]},
     "sizes: expected at most 1,000,000 weights and biases in all, received 3,600,660,010"),
    ({"weights": WEIGHTS[:1]}, "weights: expected 2 layers for sizes [2, 3, 1], received 1"),
    ({"biases": [*BIASES, [[1.0]]]}, "biases: expected 2 layers for sizes [2, 3, 1], received 3"),
    ({"weights": 5}, f"weights: {LAYERS} 5"),
    ({"biases": {"0": BIASES[0]}}, f"biases: {LAYERS} a dict (JSON object)"),
    ({"weights": [WEIGHTS[0][:2], WEIGHTS[1]]}, "weights[0]: expected 3 rows, received 2"),
    ({"weights": [WEIGHTS[0], "w"]}, 'weights[1]: expected a list of 1 row, received "w"'),
    ({"sizes": [2, 3, 2]}, "weights[1]: expected 2 rows, received 1"),
    ({"sizes": [3, 3, 1]}, "weights[0], row 0: expected 3 numbers, received 2"),
    ({"weights": [[[0.5, -1.0], [2.0], [0.0, 3.0]], WEIGHTS[1]]},
     "weights[0], row 1: expected 2 numbers, received 1"),
    ({"weights": [[[0.5, -1.0], [2.0, 1.0], 3.0], WEIGHTS[1]]},
     "weights[0], row 2: expected a list of 2 numbers, received 3.0"),
    ({"biases": [[0.125, -2.0, 1.0], [0.75]]},
     "biases[0], row 0: expected a list of 1 number, received 0.125"),
    ({"biases": [[[0.125, -2.0, 1.0]], [[0.75]]]}, "biases[0]: expected 3 rows, received 1"),
    ({"accuracy": {"test": [1, float("nan")]}}, 'metadata["accuracy"]["test"][1]: expected text, '
     "a finite number, true, false, null, a list or a dict, received nan"),
    ({"note": json.loads("[" * MAX_METADATA_DEPTH + "]" * MAX_METADATA_DEPTH)},
     f"metadata: expected at most {MAX_METADATA_DEPTH} levels of nesting"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "line"), DOCUMENTS, ids=short)
def test_document_that_is_no_network_is_refused(tmp_path, changes, line):
    assert refused_file(tmp_path, json.dumps(document(**changes))) == line


@pytest.mark.parametrize("key", ["weights", "biases"])
@pytest.mark.parametrize(
    ("written", "received"),
    [
        ('"0.5"', '"0.5"'), ("true", "true"), ("false", "false"), ("null", "null"),
        ("[1.0]", "a list of 1"), ("{}", "a dict (JSON object)"), ("NaN", "nan"),
        ("Infinity", "inf"), ("-Infinity", "-inf"), ("1e999", "inf"), ("-1e309", "-inf"),
        ("1" + "0" * 350, "a whole number of 1163 bits"),
        ("1" + "0" * 9999, "inf"), ("-1" + "0" * 9999, "-inf"),
    ],
    ids=short,
)  # fmt: skip
def test_entry_that_is_no_finite_number_is_refused(tmp_path, key, written, received):
    layers = json.loads(json.dumps(document()[key]))
    layers[0][1][0] = "@"
    content = json.dumps(document(**{key: layers})).replace('"@"', written)
    assert refused_file(tmp_path, content) == f"{key}[0], row 1, column 0: {FINITE} {received}"


OBJECT = "expected a JSON object with the keys sizes, weights, biases, received"
ELSE = "expected JSON, received something else at line"
DEEP = "expected lists three levels deep, received far deeper nesting"


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("", "the file is empty; expected a JSON object"),
        ("[1, 2]", f"{OBJECT} a list of 2"),
        ("null", f"{OBJECT} null"),
        ("3", f"{OBJECT} 3"),
        ('"text"', f'{OBJECT} "text"'),
        (" \n ", f"{ELSE} 2, column 2 (Expecting value)"),
        ("sizes: [784, 20, 10]\n", f"{ELSE} 1, column 1 (Expecting value)"),
        ('{"sizes": [2, 3, 1],\n"weights": [,]}', f"{ELSE} 2, column 13 (Expecting value)"),
        ("{}\n{}", f"{ELSE} 2, column 1 (Extra data)"),
        (b"\x80\x04\x95pickle", "expected JSON in UTF-8, received other bytes at 0"),
        (b'{"note": "\xff"}', "expected JSON in UTF-8, received other bytes at 10"),
        ('{"sizes": [2], "sizes": [3]}', 'the key "sizes" stands twice; expected it once'),
        ('{"data": {"a": 1, "a": 2}}', 'the key "a" stands twice; expected it once'),
        ('{"weights": ' + "[" * 100_000, DEEP),
        ('{"a":' * 100_000, DEEP),
    ],
    ids=short,
)
def test_file_that_is_no_json_object_is_refused(tmp_path, content, line):
    assert refused_file(tmp_path, content) == line


def test_file_cut_at_any_byte_is_refused(tmp_path):
    Parameters(SIZES, WEIGHTS, BIASES, {"seed": 7}).save(tmp_path / "small.json")
    whole = (tmp_path / "small.json").read_bytes().rstrip()
    for length in range(1, len(whole)):
        line = whole[:length].count(b"\n") + 1
        assert refused_file(tmp_path, whole[:length]) == (
            f"expected a whole JSON object, but the file breaks off in line {line}"
        )


def test_a_changed_digit_is_noticed(tmp_path):
    path = tmp_path / "small.json"
    Parameters(SIZES, WEIGHTS, BIASES).save(path)
    changed = re.sub(r"0\.25", "0.26", path.read_text())
    assert refused_file(tmp_path, changed).endswith(": a number in it was changed")


# --- Hostile files: little memory is spent on them ------------------------------------------------

ROOM = f"expected at most {MAX_OTHER_BYTES:,} bytes beside the numbers of weights and biases"
NETWORK = '"sizes": [1, 1], "weights": [[[1]]], "biases": [[[0]]]'
MILLIONS = MAX_FILE_BYTES - 200
BOMBS = {
    "lists": (f'{{{NETWORK}, "note": [{"[]," * (MILLIONS // 3)}[]]}}', ROOM),
    "dicts": (f'{{{NETWORK}, "note": [{"{}," * (MILLIONS // 3)}{{}}]}}', ROOM),
    "dicts for weights": (f'{{"sizes": [1, 1], "weights": [{"{}," * (MILLIONS // 3)}1]}}', ROOM),
    "lists for weights": (f'{{"sizes": [1, 1], "weights": [{"[]," * (MILLIONS // 3)}[]]}}',
                          "expected at most 2,000,000 lists, received more"),
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


def test_file_that_load_would_refuse_is_not_written(tmp_path):
    path = tmp_path / "p.json"
    p = Parameters(SIZES, WEIGHTS, BIASES, {"note": "x" * MAX_OTHER_BYTES})
    line = refused(p.save, path)
    assert line.startswith(f"{path}: the file would have 1,04")
    assert line.endswith(
        " bytes beside its weights and biases, more than the limit of 1,048,576; keep less in its "
        "metadata"
    )
    assert os.listdir(tmp_path) == []


def test_file_over_the_size_limit_is_refused_unread(tmp_path):
    with open(tmp_path / "large.json", "wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)  # a sparse file: no space is used
    assert refused(Parameters.load, file.name) == (
        f"{file.name}: expected at most 33,554,432 bytes, received 33,554,433; "
        f"is this a parameter file?"
    )


# --- What is no file ----------------------------------------------------------------------------


def test_what_is_no_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    os.mkfifo(tmp_path / "pipe")
    for name, kind, line in [
        ("absent", FileNotFoundError,
         "no such file; expected a parameter file such as model/train.json"),
        (".", IsADirectoryError, "expected a parameter file, received a folder"),
        ("file/p.json", NotADirectoryError, "cannot be read: Not a directory"),
        ("pipe", OSError, "expected a parameter file, received a pipe or device"),
    ]:  # fmt: skip
        with pytest.raises(kind) as caught:
            Parameters.load(tmp_path / name)
        assert str(caught.value) == f"{tmp_path / name}: {line}"


# --- Arrays, metadata, seeds --------------------------------------------------------------------

ROW = np.zeros((1, 3))
JSON = "expected text, a finite number, true, false, null, a list or a dict, received"
SEED = "seed: expected a whole number from 0 to 9223372036854775807, received"


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"biases": [np.zeros(3), np.zeros((1, 1))]},
         "biases[0]: expected shape (3, 1), received (3,)"),
        ({"weights": [np.zeros((2, 3)), ROW]},
         "weights[0]: expected shape (3, 2), received (2, 3)"),
        ({"weights": [np.zeros((3, 2), dtype=bool), ROW]}, f"weights[0]: {NUMBERS} bool"),
        ({"weights": [np.zeros((3, 2), dtype=complex), ROW]}, f"weights[0]: {NUMBERS} complex128"),
        ({"weights": [np.full((3, 2), "1"), ROW]}, f"weights[0]: {NUMBERS} <U1"),
        ({"weights": [np.full((3, 2), np.nan), ROW]}, f"weights[0], row 0, column 0: {FINITE} nan"),
        ({"weights": [[[1.0, 2.0], [10**400, 0.0], [0.0, 0.0]], ROW]},
         f"weights[0], row 1, column 0: {FINITE} a whole number of 1329 bits"),
        ({"weights": np.zeros((2, 3, 2))}, f"weights: {LAYERS} ndarray"),
        *(({"metadata": {key: 1}}, f'metadata: the key "{key}" is reserved; choose another name')
          for key in ("format", "fingerprint", "sizes", "weights", "biases")),
        ({"metadata": {"a": np.int64(9415)}}, f'metadata["a"]: {JSON} int64'),
        ({"metadata": {"a": [0.5, np.float64(0.5)]}}, f'metadata["a"][1]: {JSON} float64'),
        ({"metadata": {"a": {"b": Path("x")}}},
         f'metadata["a"]["b"]: {JSON} {type(Path()).__name__}'),
        ({"metadata": {"eta": float("inf")}}, f'metadata["eta"]: {JSON} inf'),
        ({"metadata": {"seed": 10**400}}, f'metadata["seed"]: {JSON} a whole number of 1329 bits'),
        ({"metadata": {3: "x"}}, "metadata: expected keys of text, received 3"),
        ({"metadata": {"a": {None: 1}}}, 'metadata["a"]: expected keys of text, received null'),
        ({"metadata": [1]}, "metadata: expected a dict, received a list of 1"),
    ],
    ids=short,
)  # fmt: skip
def test_what_no_network_has_is_refused(changes, line):
    assert refused(lambda: Parameters(**document(**changes))) == line


def test_metadata_are_checked_again_on_saving_and_loops_are_found(tmp_path):
    p = Parameters(SIZES, WEIGHTS, BIASES)
    p.metadata["sizes"] = [1, 1]
    assert 'the key "sizes" is reserved' in refused(p.save, tmp_path / "p.json")
    loop = {}
    loop["again"] = loop
    line = refused(Parameters, SIZES, WEIGHTS, BIASES, loop)
    assert line == "metadata: expected at most 20 levels of nesting"
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("sizes", "seed", "line"),
    [
        *(([2, 1], seed, f"{SEED} {received}")
          for seed, received in [
              (-1, "-1"), (2**63, "9223372036854775808"), (10**30, "a whole number of 100 bits"),
              (0.0, "0.0"), (True, "true"), (None, "null"), ("0", '"0"'), ([0], "a list of 1")]),
        ([784, 0, 10], 0, f"sizes[1]: {WHOLE} 0"),
        ([65_536, 65_536], 0,
         "sizes: expected at most 1,000,000 weights and biases in all, received 4,295,032,832"),
    ],
    ids=short,
)  # fmt: skip
def test_a_start_that_cannot_be_drawn_is_refused(sizes, seed, line):
    assert refused(initial_parameters, sizes, seed) == line
