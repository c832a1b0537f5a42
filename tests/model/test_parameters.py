"""Parameters: what a file may hold, what is refused and in which words, and saving."""

import hashlib
import json
import os
import resource
import stat
import tempfile
import threading
from pathlib import Path

import numpy as np
import pytest

from model import parameters as parameters_module
from model.parameters import MAX_FILE_BYTES, MAX_METADATA_DEPTH, Parameters

# A 2-3-1 network; every number is exact in binary, so that it can be typed here.
SIZES = [2, 3, 1]
WEIGHTS = [[[0.5, -1.0], [2.0, 0.25], [0.0, 3.0]], [[1.0, -0.5, 4.0]]]
BIASES = [[[0.125], [-2.0], [1.0]], [[0.75]]]

SMALL_FILE = """\
{
"format": "jalebi-1",
"sizes": [2, 3, 1],
"accuracy": {"out_of": 10000, "test": 9415},
"seed": 7,
"weights": [
[
[0.5, -1.0],
[2.0, 0.25],
[0.0, 3.0]
],
[
[1.0, -0.5, 4.0]
]
],
"biases": [
[
[0.125],
[-2.0],
[1.0]
],
[
[0.75]
]
]
}
"""

# The 128 bytes that the docstring of `fingerprint` describes, written out by hand with
# `struct.pack("<3q", 2, 3, 1)` and `struct.pack("<d", v)` for 0.5, -1, 2, 0.25, 0, 3, then
# 0.125, -2, 1, then 1, -0.5, 4, then 0.75; and their SHA-256 as `sha256sum` prints it.
SMALL_BYTES = bytes.fromhex(
    "0200000000000000 0300000000000000 0100000000000000"
    "000000000000e03f 000000000000f0bf 0000000000000040"
    "000000000000d03f 0000000000000000 0000000000000840"
    "000000000000c03f 00000000000000c0 000000000000f03f"
    "000000000000f03f 000000000000e0bf 0000000000001040"
    "000000000000e83f"
)
SMALL_FINGERPRINT = "ddd2014a03b9936fefd9467808b8d48a2536a6ca182a99fc857e13b81ee20cbe"


def small(**metadata):
    return Parameters(SIZES, WEIGHTS, BIASES, metadata)


def document(**changes):
    """The small network as a JSON object, with some keys changed; None leaves a key out."""
    keys = {"sizes": SIZES, "weights": WEIGHTS, "biases": BIASES, **changes}
    return {key: value for key, value in keys.items() if value is not None}


def with_entry(layers, layer, row, column, value):
    """A deep copy of layers with one number replaced."""
    copy = json.loads(json.dumps(layers))
    copy[layer][row][column] = value
    return copy


def short(value):
    """The name of a case: some of these files are too long to print."""
    return repr(value)[:30]


def constructor_refusal(*arguments):
    with pytest.raises(ValueError, match=":") as caught:
        Parameters(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def refusal(path):
    """The message with which loading `path` fails, without the path itself."""
    with pytest.raises((ValueError, OSError)) as caught:
        Parameters.load(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert "\n" not in text
    return text.removeprefix(f"{path}: ")


def refusal_of(tmp_path, content):
    path = tmp_path / "bad.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    text = refusal(path)
    hint = "; restore the file or save the network again"
    assert text.endswith(hint)
    return text.removesuffix(hint)


def same_bits(one, other):
    """Whether two networks hold the same bits, the sign of zero included."""
    pairs = zip((*one.weights, *one.biases), (*other.weights, *other.biases), strict=True)
    return one.sizes == other.sizes and all(a.tobytes() == b.tobytes() for a, b in pairs)


# --- The record ---------------------------------------------------------------------------------


def test_arrays_have_the_documented_types_and_shapes():
    p = small(seed=7)
    assert p.sizes == (2, 3, 1)
    assert [w.shape for w in p.weights] == [(3, 2), (1, 3)]
    assert [b.shape for b in p.biases] == [(3, 1), (1, 1)]
    assert isinstance(p.weights, tuple)
    assert isinstance(p.biases, tuple)
    assert all(a.dtype == np.float64 and a.flags.c_contiguous for a in p.weights + p.biases)
    assert p.metadata == {"seed": 7}


def test_arrays_are_read_only():
    for array in small().weights + small().biases:
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 1.0


def test_fields_cannot_be_replaced():
    with pytest.raises(AttributeError):
        small().sizes = (2, 3, 2)


def test_nothing_is_shared_with_the_caller():
    weights = [np.array(w) for w in WEIGHTS]
    biases = [np.array(b) for b in BIASES]
    metadata = {"accuracy": {"test": 9415}}
    p = Parameters(SIZES, weights, biases, metadata)
    before = p.fingerprint
    for array in weights + biases:
        assert not any(np.shares_memory(array, own) for own in p.weights + p.biases)
        array[:] = 9.0
    metadata["accuracy"]["test"] = 0
    assert p.fingerprint == before
    assert p.metadata == {"accuracy": {"test": 9415}}


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f8", np.int64])
def test_arrays_of_any_narrower_dtype_and_layout_are_taken_exactly(dtype):
    w = [np.asfortranarray(np.array([[3, -1], [2, 5]], dtype=dtype))]
    p = Parameters([2, 2], w, [np.array([[1], [2]], dtype=dtype)])
    assert p.weights[0].tolist() == [[3.0, -1.0], [2.0, 5.0]]
    assert p.weights[0].flags.c_contiguous
    assert p.weights[0].dtype == np.dtype("=f8")


def test_sizes_may_be_numpy_integers():
    p = Parameters(np.array(SIZES), WEIGHTS, BIASES)
    assert p.sizes == (2, 3, 1)
    assert all(type(units) is int for units in p.sizes)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            {"biases": [np.zeros(3), np.zeros((1, 1))]},
            "biases[0]: expected shape (3, 1), received (3,)",
        ),
        (
            {"weights": [np.zeros((2, 3)), np.zeros((1, 3))]},
            "weights[0]: expected shape (3, 2), received (2, 3)",
        ),
        (
            {"weights": [np.zeros((3, 2), dtype=bool), np.zeros((1, 3))]},
            "weights[0]: expected numbers that float64 can hold, received dtype bool",
        ),
        (
            {"weights": [np.zeros((3, 2), dtype=complex), np.zeros((1, 3))]},
            "weights[0]: expected numbers that float64 can hold, received dtype complex128",
        ),
        (
            {"weights": [np.full((3, 2), "1"), np.zeros((1, 3))]},
            "weights[0]: expected numbers that float64 can hold, received dtype <U1",
        ),
        (
            {"weights": [np.full((3, 2), np.nan), np.zeros((1, 3))]},
            "weights[0], row 0, column 0: expected a finite number (float64, up to 1.8e308), "
            "received nan",
        ),
        (
            {"weights": [[[1.0, 2.0], [10**400, 0.0], [0.0, 0.0]], np.zeros((1, 3))]},
            "weights[0], row 1, column 0: expected a finite number (float64, up to 1.8e308), "
            "received a whole number of 1329 bits",
        ),
        (
            {"weights": np.zeros((2, 3, 2))},
            "weights: expected a list of layers, 2 layers for sizes [2, 3, 1], received ndarray",
        ),
    ],
)
def test_arrays_that_are_no_network_are_refused(changes, text):
    assert constructor_refusal(*document(**changes).values()) == text


# --- The fingerprint ----------------------------------------------------------------------------


def test_fingerprint_is_the_sha256_of_the_documented_bytes():
    assert hashlib.sha256(SMALL_BYTES).hexdigest() == SMALL_FINGERPRINT
    assert small().fingerprint == SMALL_FINGERPRINT


def test_fingerprint_ignores_metadata_and_layout():
    w = [np.asfortranarray(np.array(w, dtype=">f8")) for w in WEIGHTS]
    p = Parameters(SIZES, w, BIASES, {"seed": 1, "note": "other"})
    assert p.fingerprint == SMALL_FINGERPRINT


def test_fingerprint_sees_one_bit_of_any_number():
    prints = {small().fingerprint}
    for key, layers in (("weights", WEIGHTS), ("biases", BIASES)):
        for layer, rows in enumerate(layers):
            for row, numbers in enumerate(rows):
                for column, value in enumerate(numbers):
                    moved = with_entry(layers, layer, row, column, np.nextafter(value, np.inf))
                    prints.add(Parameters(**document(**{key: moved})).fingerprint)
    assert len(prints) == 1 + 9 + 4


def test_fingerprint_tells_equal_numbers_in_other_shapes_apart():
    one = Parameters([1, 2], [[[0.0], [0.0]]], [[[0.0], [0.0]]])
    other = Parameters([3, 1], [[[0.0, 0.0, 0.0]]], [[[0.0]]])
    assert one.fingerprint != other.fingerprint


def test_fingerprint_takes_negative_zero_for_zero_and_files_keep_it(tmp_path):
    negative = Parameters(**document(weights=with_entry(WEIGHTS, 0, 2, 0, -0.0)))
    assert np.signbit(negative.weights[0][2, 0])
    assert negative.fingerprint == SMALL_FINGERPRINT
    negative.save(tmp_path / "a.json")
    assert np.signbit(Parameters.load(tmp_path / "a.json").weights[0][2, 0])


# --- Files: the format --------------------------------------------------------------------------


def test_saved_file_is_the_golden_text(tmp_path):
    path = tmp_path / "small.json"
    small(seed=7, accuracy={"test": 9415, "out_of": 10000}).save(path)
    assert path.read_text() == SMALL_FILE


def test_order_of_metadata_does_not_change_the_file(tmp_path):
    small(seed=7, accuracy={"out_of": 10000, "test": 9415}).save(tmp_path / "a.json")
    small(accuracy={"test": 9415, "out_of": 10000}, seed=7).save(tmp_path / "b.json")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_golden_text_loads(tmp_path):
    path = tmp_path / "small.json"
    path.write_text(SMALL_FILE)
    p = Parameters.load(str(path))
    assert same_bits(p, small())
    assert p.metadata == {"seed": 7, "accuracy": {"test": 9415, "out_of": 10000}}


def test_file_of_nielsens_network2_loads(tmp_path):
    # network2.save: json.dump({"sizes": ..., "weights": [w.tolist() ...], "biases": [b.tolist()
    # ...], "cost": str(self.cost.__name__)}, f): one line, no format key.
    path = tmp_path / "nielsen.json"
    path.write_text(json.dumps(document(cost="CrossEntropyCost")))
    p = Parameters.load(path)
    assert same_bits(p, small())
    assert p.metadata == {"cost": "CrossEntropyCost"}


def test_saved_file_loads_in_nielsens_network2(tmp_path):
    # What network2.load does with a file: json.load, then np.array of every layer.
    small(cost="QuadraticCost").save(tmp_path / "ours.json")
    data = json.loads((tmp_path / "ours.json").read_text())
    assert data["cost"] == "QuadraticCost"
    assert data["sizes"] == SIZES
    assert [np.array(w).tolist() for w in data["weights"]] == WEIGHTS
    assert [np.array(b).shape for b in data["biases"]] == [(3, 1), (1, 1)]


def test_order_of_keys_whole_numbers_spaces_and_byte_order_mark_are_free(tmp_path):
    path = tmp_path / "free.json"
    keys = {"biases": [[[1], [2], [3]], [[4]]], "weights": WEIGHTS, "sizes": SIZES}
    path.write_bytes(b"\xef\xbb\xbf\r\n\t" + json.dumps(keys, indent=3).encode() + b"\n\n")
    assert Parameters.load(path).biases[0].tolist() == [[1.0], [2.0], [3.0]]


EDGES = [
    -0.0, 5e-324, -5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 1e308, -1e308,
    0.1, 1 / 3, 2.0**53 + 2, 1e22, 1e16, 123456789.12345679,
]  # fmt: skip


def test_edge_numbers_survive_save_and_load_bit_for_bit(tmp_path):
    p = Parameters([len(EDGES), 1], [[EDGES]], [[[-0.0]]])
    p.save(tmp_path / "edges.json")
    assert same_bits(Parameters.load(tmp_path / "edges.json"), p)


# --- Files: what is refused ---------------------------------------------------------------------

NUMBER = "expected a finite number (float64, up to 1.8e308), received"
NOT_NUMBERS = [
    ('"0.5"', '"0.5"'),
    ("true", "true"),
    ("false", "false"),
    ("null", "null"),
    ("[1.0]", "a list of 1"),
    ("{}", "a dict (JSON object)"),
    ("NaN", "nan"),
    ("Infinity", "inf"),
    ("-Infinity", "-inf"),
    ("1e999", "inf"),
    ("-1e309", "-inf"),
    ("1" + "0" * 350, "a whole number of 1163 bits"),
    ("1" + "0" * 9999, "inf"),
    ("-1" + "0" * 9999, "-inf"),
]


@pytest.mark.parametrize(("written", "received"), NOT_NUMBERS, ids=short)
def test_entry_that_is_no_finite_number_is_refused(tmp_path, written, received):
    marked = json.dumps(document(weights=with_entry(WEIGHTS, 0, 1, 1, "@")))
    text = refusal_of(tmp_path, marked.replace('"@"', written))
    assert text == f"weights[0], row 1, column 1: {NUMBER} {received}"


@pytest.mark.parametrize(("written", "received"), NOT_NUMBERS, ids=short)
def test_bias_that_is_no_finite_number_is_refused(tmp_path, written, received):
    marked = json.dumps(document(biases=with_entry(BIASES, 0, 2, 0, "@")))
    text = refusal_of(tmp_path, marked.replace('"@"', written))
    assert text == f"biases[0], row 2, column 0: {NUMBER} {received}"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        # missing keys
        (
            {"biases": None},
            'missing key biases: expected sizes, weights, biases, received "sizes", "weights"',
        ),
        (
            {"sizes": None, "weights": None, "biases": None},
            "missing keys sizes, weights, biases: expected sizes, weights, biases, received none",
        ),
        (
            {"weights": None, "biases": None, "layers": 3},
            "missing keys weights, biases: expected sizes, weights, biases, "
            'received "sizes", "layers"',
        ),
        # the format key
        (
            {"format": "jalebi-2"},
            'format: expected "jalebi-1", received "jalebi-2"; '
            "a newer version of jalebi may have written it",
        ),
        (
            {"format": 1},
            'format: expected "jalebi-1", received 1; '
            "a newer version of jalebi may have written it",
        ),
        # sizes
        (
            {"sizes": 784},
            "sizes: expected a list of whole numbers such as [784, 20, 10], received 784",
        ),
        ({"sizes": [784]}, "sizes: expected 2 to 100 layers, received 1"),
        ({"sizes": []}, "sizes: expected 2 to 100 layers, received 0"),
        ({"sizes": [1] * 101}, "sizes: expected 2 to 100 layers, received 101"),
        (
            {"sizes": [2, 3.0, 1]},
            "sizes[1]: expected a whole number from 1 to 65,536, received 3.0",
        ),
        (
            {"sizes": [2, "3", 1]},
            'sizes[1]: expected a whole number from 1 to 65,536, received "3"',
        ),
        (
            {"sizes": [2, 3, True]},
            "sizes[2]: expected a whole number from 1 to 65,536, received true",
        ),
        ({"sizes": [0, 3, 1]}, "sizes[0]: expected a whole number from 1 to 65,536, received 0"),
        ({"sizes": [2, -3, 1]}, "sizes[1]: expected a whole number from 1 to 65,536, received -3"),
        (
            {"sizes": [2, 65_537, 1]},
            "sizes[1]: expected a whole number from 1 to 65,536, received 65537",
        ),
        (
            {"sizes": [2, 10**30, 1]},
            "sizes[1]: expected a whole number from 1 to 65,536, "
            "received a whole number of 100 bits",
        ),
        (
            {"sizes": [60_000, 60_000, 10]},
            "sizes: expected at most 1,000,000 weights and biases in all, received 3,600,660,010",
        ),
        # layers
        (
            {"weights": WEIGHTS[:1]},
            "weights: expected 2 layers for sizes [2, 3, 1], received 1",
        ),
        (
            {"biases": [*BIASES, [[1.0]]]},
            "biases: expected 2 layers for sizes [2, 3, 1], received 3",
        ),
        (
            {"weights": 5},
            "weights: expected a list of layers, 2 layers for sizes [2, 3, 1], received 5",
        ),
        (
            {"biases": {"0": BIASES[0]}},
            "biases: expected a list of layers, 2 layers for sizes [2, 3, 1], "
            "received a dict (JSON object)",
        ),
        # rows: shapes that do not chain, ragged rows
        ({"weights": [WEIGHTS[0][:2], WEIGHTS[1]]}, "weights[0]: expected 3 rows, received 2"),
        ({"weights": [WEIGHTS[0], "w"]}, 'weights[1]: expected a list of 1 row, received "w"'),
        (
            {"sizes": [2, 3, 2], "weights": WEIGHTS},
            "weights[1]: expected 2 rows, received 1",
        ),
        (
            {"sizes": [3, 3, 1]},
            "weights[0], row 0: expected 3 numbers, received 2",
        ),
        (
            {"weights": [[[0.5, -1.0], [2.0], [0.0, 3.0]], WEIGHTS[1]]},
            "weights[0], row 1: expected 2 numbers, received 1",
        ),
        (
            {"weights": [[[0.5, -1.0], [2.0, 1.0], 3.0], WEIGHTS[1]]},
            "weights[0], row 2: expected a list of 2 numbers, received 3.0",
        ),
        (
            {"biases": [[0.125, -2.0, 1.0], [0.75]]},
            "biases[0], row 0: expected a list of 1 number, received 0.125",
        ),
        (
            {"biases": [[[0.125, -2.0, 1.0]], [[0.75]]]},
            "biases[0]: expected 3 rows, received 1",
        ),
        # a very long piece of text is shown in part
        ({"sizes": "9" * 10_000}, f"sizes: expected a list of whole numbers such as "
         f'[784, 20, 10], received "{"9" * 40}..."'),
    ],
)  # fmt: skip
def test_document_that_is_no_network_is_refused(tmp_path, changes, text):
    assert refusal_of(tmp_path, json.dumps(document(**changes))) == text


NOT_ONE_OBJECT = "expected a JSON object with the keys sizes, weights, biases, received"


@pytest.mark.parametrize(
    ("content", "text"),
    ids=short,
    argvalues=[
        ("", "the file is empty; expected a JSON object"),
        ("[1, 2]", f"{NOT_ONE_OBJECT} a list of 2"),
        ("null", f"{NOT_ONE_OBJECT} null"),
        ("3", f"{NOT_ONE_OBJECT} 3"),
        ('"text"', f'{NOT_ONE_OBJECT} "text"'),
        (
            " \n ",
            "expected JSON, received something else at line 2, column 2 (Expecting value)",
        ),
        (
            "sizes: [784, 20, 10]\n",
            "expected JSON, received something else at line 1, column 1 (Expecting value)",
        ),
        (
            '{"sizes": [2, 3, 1],\n"weights": [,]}',
            "expected JSON, received something else at line 2, column 13 (Expecting value)",
        ),
        (
            SMALL_FILE + SMALL_FILE,
            "expected JSON, received something else at line 27, column 1 (Extra data)",
        ),
        (b"\x80\x04\x95pickle", "expected JSON in UTF-8, received other bytes at 0"),
        ("{}".encode("utf-16"), "expected JSON in UTF-8, received other bytes at 0"),
        (b'{"note": "\xff"}', "expected JSON in UTF-8, received other bytes at 10"),
        ('{"sizes": [2], "sizes": [3]}', 'the key "sizes" stands twice; expected it once'),
        (
            '{"data": {"test": 1, "test": 2}}',
            'the key "test" stands twice; expected it once',
        ),
        (
            '{"weights": ' + "[" * 100_000,
            "expected lists three levels deep, received far deeper nesting",
        ),
        (
            '{"a":' * 100_000,
            "expected lists three levels deep, received far deeper nesting",
        ),
    ],
)  # fmt: skip
def test_file_that_is_no_json_object_is_refused(tmp_path, content, text):
    assert refusal_of(tmp_path, content) == text


def test_file_cut_at_any_byte_is_refused(tmp_path):
    whole = SMALL_FILE.rstrip().encode()
    for length in range(1, len(whole)):
        text = refusal_of(tmp_path, whole[:length])
        line = whole[:length].count(b"\n") + 1
        assert text == f"expected a whole JSON object, but the file breaks off in line {line}"


def test_cut_file_names_the_line_in_which_it_breaks_off(tmp_path):
    text = refusal_of(tmp_path, SMALL_FILE[: SMALL_FILE.index("0.25")])
    assert text == "expected a whole JSON object, but the file breaks off in line 9"


def test_metadata_that_are_not_finite_are_refused(tmp_path):
    text = refusal_of(tmp_path, json.dumps(document(accuracy={"test": [1, float("nan")]})))
    assert text == (
        'metadata["accuracy"]["test"][1]: expected text, a finite number, true, false, null, '
        "a list or a dict, received nan"
    )


def test_metadata_nested_too_deeply_are_refused(tmp_path):
    nested = json.loads("[" * MAX_METADATA_DEPTH + "]" * MAX_METADATA_DEPTH)
    text = refusal_of(tmp_path, json.dumps(document(note=nested)))
    assert text == f"metadata: expected at most {MAX_METADATA_DEPTH} levels of nesting"


def test_largest_network_fits_in_the_largest_file():
    widest = max(len(json.dumps(number)) for number in (-1.2345678901234567e-308, *EDGES))
    assert widest == 24
    assert (widest + len(", ")) * parameters_module.MAX_PARAMETERS < MAX_FILE_BYTES


def test_file_over_the_size_limit_is_refused_unread(tmp_path):
    path = tmp_path / "large.json"
    with open(path, "wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)  # a sparse file: no space is used
    assert refusal(path) == (
        "expected at most 33,554,432 bytes, received 33,554,433; is this a parameter file?"
    )


def test_absent_file_is_refused(tmp_path):
    path = tmp_path / "absent.json"
    with pytest.raises(FileNotFoundError):
        Parameters.load(path)
    assert refusal(path) == "no such file; expected a parameter file such as model/train.json"


def test_folder_is_refused(tmp_path):
    with pytest.raises(IsADirectoryError):
        Parameters.load(tmp_path)
    assert refusal(tmp_path) == "expected a parameter file, received a folder"


def test_path_through_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    assert refusal(tmp_path / "file" / "p.json") == "cannot be read: Not a directory"


def test_pipe_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert refusal(tmp_path / "pipe") == "expected a parameter file, received a pipe or device"


@pytest.fixture
def without_privileges():
    """A folder that anybody may enter, in which this test is not the superuser."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)
        try:
            yield Path(folder)
        finally:
            os.seteuid(user)


def test_file_without_permission_is_refused(without_privileges):
    path = without_privileges / "secret.json"
    user = os.geteuid()
    os.seteuid(os.getuid())
    path.write_text(SMALL_FILE)
    path.chmod(0)
    os.seteuid(user)
    with pytest.raises(PermissionError):
        Parameters.load(path)
    assert refusal(path) == "no permission to read it; expected a readable file, see ls -l"


# --- Saving -------------------------------------------------------------------------------------


def save_refusal(p, path, kind):
    with pytest.raises(kind) as caught:
        p.save(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_save_replaces_the_old_file_and_leaves_nothing_beside(tmp_path):
    path = tmp_path / "p.json"
    path.write_text("old")
    small().save(path)
    assert same_bits(Parameters.load(path), small())
    assert os.listdir(tmp_path) == ["p.json"]


def test_saved_file_is_readable_as_the_umask_says(tmp_path):
    old = os.umask(0o022)
    try:
        small().save(tmp_path / "p.json")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "p.json").stat().st_mode) == 0o644


def test_save_through_a_link_replaces_its_target(tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "latest.json").symlink_to(tmp_path / "runs" / "p.json")
    small().save(tmp_path / "latest.json")
    assert (tmp_path / "latest.json").is_symlink()
    assert same_bits(Parameters.load(tmp_path / "runs" / "p.json"), small())


def test_full_disk_leaves_the_old_file_and_nothing_beside(tmp_path):
    path = tmp_path / "p.json"
    small(seed=7).save(path)
    before = path.read_bytes()
    large = Parameters([100, 20], [np.ones((20, 100)) / 3], [np.ones((20, 1))])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))  # no file may grow beyond
    try:
        text = save_refusal(large, path, OSError)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert text == (
        f"{path}: cannot be written: File too large; what stood there is untouched; "
        f"make room or choose another place"
    )
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["p.json"]


def test_interrupted_save_leaves_the_old_file_and_nothing_beside(tmp_path, monkeypatch):
    path = tmp_path / "p.json"
    path.write_text("old")

    def interrupted(descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        small().save(path)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["p.json"]


def test_content_is_on_the_disk_before_the_name_and_the_folder_after(tmp_path, monkeypatch):
    order = []
    sync, rename = os.fsync, os.replace

    def noting_sync(descriptor):
        order.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        sync(descriptor)

    def noting_rename(old, new):
        assert Path(old).read_text().endswith("}\n")
        order.append("rename")
        rename(old, new)

    monkeypatch.setattr(os, "fsync", noting_sync)
    monkeypatch.setattr(os, "replace", noting_rename)
    small().save(tmp_path / "p.json")
    assert order == ["file", "rename", "folder"]


def test_reader_never_sees_half_a_file(tmp_path):
    path = tmp_path / "p.json"
    networks = [Parameters([40, 20], [np.full((20, 40), v)], [np.zeros((20, 1))]) for v in (1, 2)]
    known = {p.fingerprint for p in networks}
    networks[0].save(path)
    done = threading.Event()

    def write():
        for turn in range(40):
            networks[turn % 2].save(path)
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen = set()
    while not done.is_set():
        seen.add(Parameters.load(path).fingerprint)
    writer.join()
    assert seen <= known


def test_save_into_an_absent_folder_says_how_to_make_it(tmp_path):
    path = tmp_path / "runs" / "p.json"
    assert save_refusal(small(), path, FileNotFoundError) == (
        f"{path}: the folder does not exist; make it first: mkdir -p {tmp_path / 'runs'}"
    )


def test_save_onto_a_folder_is_refused(tmp_path):
    assert save_refusal(small(), tmp_path, IsADirectoryError) == (
        f"{tmp_path}: expected the name of a file to write, received a folder"
    )


def test_save_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "p.json"
    assert save_refusal(small(), path, NotADirectoryError) == (
        f"{path}: expected a folder, but {tmp_path / 'file'} is a file"
    )


def test_save_into_a_folder_without_permission_is_refused(without_privileges):
    user = os.geteuid()
    os.seteuid(os.getuid())
    os.chmod(without_privileges, 0o555)
    os.seteuid(user)
    path = without_privileges / "p.json"
    assert save_refusal(small(), path, PermissionError) == (
        f"{path}: cannot be written: Permission denied; what stood there is untouched; "
        f"make room or choose another place"
    )


@pytest.mark.parametrize("key", ["format", "sizes", "weights", "biases"])
def test_reserved_key_in_metadata_is_refused(key):
    assert constructor_refusal(SIZES, WEIGHTS, BIASES, {key: 1}) == (
        f'metadata: the key "{key}" is reserved; choose another name'
    )


JSON_VALUES = "expected text, a finite number, true, false, null, a list or a dict, received"


@pytest.mark.parametrize(
    ("metadata", "text"),
    [
        ({"accuracy": np.int64(9415)}, f'metadata["accuracy"]: {JSON_VALUES} int64'),
        ({"a": [0.5, np.float64(0.5)]}, f'metadata["a"][1]: {JSON_VALUES} float64'),
        ({"a": {"b": Path("x")}}, f'metadata["a"]["b"]: {JSON_VALUES} {type(Path()).__name__}'),
        ({"eta": float("inf")}, f'metadata["eta"]: {JSON_VALUES} inf'),
        ({"seed": 10**400}, f'metadata["seed"]: {JSON_VALUES} a whole number of 1329 bits'),
        ({3: "x"}, "metadata: expected keys of text, received 3"),
        ({"a": {None: 1}}, 'metadata["a"]: expected keys of text, received null'),
        ([1], "metadata: expected a dict, received a list of 1"),
    ],
)
def test_metadata_that_json_cannot_hold_are_refused(metadata, text):
    assert constructor_refusal(SIZES, WEIGHTS, BIASES, metadata) == text


def test_metadata_that_contain_themselves_are_refused():
    loop = {}
    loop["again"] = loop
    with pytest.raises(ValueError, match="expected at most 20 levels of nesting"):
        small(loop=loop)


def test_metadata_changed_after_the_check_are_checked_again_on_saving(tmp_path):
    p = small()
    p.metadata["sizes"] = [1, 1]
    with pytest.raises(ValueError, match='the key "sizes" is reserved'):
        p.save(tmp_path / "p.json")
    assert os.listdir(tmp_path) == []


def test_tuples_in_metadata_become_lists_at_once(tmp_path):
    p = small(shape=(2, 3))
    p.save(tmp_path / "p.json")
    assert p.metadata == {"shape": [2, 3]} == Parameters.load(tmp_path / "p.json").metadata


def test_file_that_load_would_refuse_is_not_written(tmp_path):
    path = tmp_path / "p.json"
    text = save_refusal(small(note="x" * MAX_FILE_BYTES), path, ValueError)
    assert text.startswith(f"{path}: the file would have 33,554,")
    assert text.endswith("more than the limit of 33,554,432; keep less in its metadata")
    assert os.listdir(tmp_path) == []
