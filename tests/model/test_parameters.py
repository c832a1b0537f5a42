"""Parameters: the record, its fingerprint, its file format; test_refused.py has what is refused."""

import hashlib
import itertools
import json

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from model import parameters as parameters_module
from model.parameters import MAX_FILE_BYTES, MAX_OTHER_BYTES, Parameters

# A 2-3-1 network; every number is exact in binary, so that it can be typed here.
SIZES = [2, 3, 1]
WEIGHTS = [[[0.5, -1.0], [2.0, 0.25], [0.0, 3.0]], [[1.0, -0.5, 4.0]]]
BIASES = [[[0.125], [-2.0], [1.0]], [[0.75]]]

SMALL_FILE = """\
{
"format": "jalebi-1",
"sizes": [2, 3, 1],
"fingerprint": "ddd2014a03b9936fefd9467808b8d48a2536a6ca182a99fc857e13b81ee20cbe",
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


def same_bits(one, other):
    """Whether two networks hold the same bits, the sign of zero included."""
    pairs = zip((*one.weights, *one.biases), (*other.weights, *other.biases), strict=True)
    return one.sizes == other.sizes and all(a.tobytes() == b.tobytes() for a, b in pairs)


# --- The record ---------------------------------------------------------------------------------


def test_arrays_have_the_documented_types_and_shapes_and_are_read_only():
    p = Parameters(np.array(SIZES), WEIGHTS, BIASES, {"seed": 7})
    assert p.sizes == (2, 3, 1)
    assert all(type(units) is int for units in p.sizes)
    assert [w.shape for w in p.weights] == [(3, 2), (1, 3)]
    assert [b.shape for b in p.biases] == [(3, 1), (1, 1)]
    for array in p.weights + p.biases:
        assert array.dtype == np.float64
        assert array.flags.c_contiguous
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 1.0
    with pytest.raises(AttributeError):
        p.sizes = (2, 3, 2)


def test_nothing_is_shared_with_the_caller():
    weights, biases = ([np.array(v) for v in layers] for layers in (WEIGHTS, BIASES))
    metadata = {"accuracy": {"test": 9415}, "shape": (2, 3)}
    p = Parameters(SIZES, weights, biases, metadata)
    for array in weights + biases:
        array[:] = 9.0
    metadata["accuracy"]["test"] = 0
    assert p.fingerprint == SMALL_FINGERPRINT
    assert p.metadata == {"accuracy": {"test": 9415}, "shape": [2, 3]}


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f8", np.int64])
def test_arrays_of_any_narrower_dtype_and_layout_are_taken_exactly(dtype):
    w = [np.asfortranarray(np.array([[3, -1], [2, 5]], dtype=dtype))]
    p = Parameters([2, 2], w, [np.array([[1], [2]], dtype=dtype)])
    assert p.weights[0].tolist() == [[3.0, -1.0], [2.0, 5.0]]
    assert p.weights[0].flags.c_contiguous
    assert p.weights[0].dtype == np.dtype("=f8")


# --- The fingerprint ----------------------------------------------------------------------------


def test_fingerprint_is_the_sha256_of_the_documented_bytes_whatever_the_metadata_and_layout():
    assert hashlib.sha256(SMALL_BYTES).hexdigest() == SMALL_FINGERPRINT
    assert small().fingerprint == SMALL_FINGERPRINT
    w = [np.asfortranarray(np.array(w, dtype=">f8")) for w in WEIGHTS]
    assert Parameters(SIZES, w, BIASES, {"seed": 1}).fingerprint == SMALL_FINGERPRINT


def test_fingerprint_takes_negative_zero_for_zero_and_files_keep_it(tmp_path):
    weights = [[[0.5, -1.0], [2.0, 0.25], [-0.0, 3.0]], WEIGHTS[1]]
    negative = Parameters(SIZES, weights, BIASES)
    assert negative.fingerprint == SMALL_FINGERPRINT
    negative.save(tmp_path / "a.json")
    assert np.signbit(Parameters.load(tmp_path / "a.json").weights[0][2, 0])


# --- Files --------------------------------------------------------------------------------------


def test_saved_file_is_the_golden_text_whatever_the_order_of_metadata_and_loads(tmp_path):
    path = tmp_path / "small.json"
    small(seed=7, accuracy={"test": 9415, "out_of": 10000}).save(path)
    assert path.read_text() == SMALL_FILE
    small(accuracy={"out_of": 10000, "test": 9415}, seed=7).save(str(path))
    assert path.read_text() == SMALL_FILE
    p = Parameters.load(str(path))
    assert same_bits(p, small())
    assert p.metadata == {"seed": 7, "accuracy": {"test": 9415, "out_of": 10000}}


def test_file_of_nielsens_network2_loads(tmp_path):
    # network2.save: json.dump({"sizes": ..., "weights": [w.tolist() ...], "biases": [b.tolist()
    # ...], "cost": str(self.cost.__name__)}, f): one line, no format key.
    path = tmp_path / "nielsen.json"
    keys = {"sizes": SIZES, "weights": WEIGHTS, "biases": BIASES, "cost": "CrossEntropyCost"}
    path.write_text(json.dumps(keys))
    p = Parameters.load(path)
    assert same_bits(p, small())
    assert p.metadata == {"cost": "CrossEntropyCost"}


def test_order_of_keys_whole_numbers_spaces_and_byte_order_mark_are_free(tmp_path):
    path = tmp_path / "free.json"
    keys = {"biases": [[[1], [2], [3]], [[4]]], "weights": WEIGHTS, "sizes": SIZES}
    path.write_bytes(b"\xef\xbb\xbf\r\n\t" + json.dumps(keys, indent=3).encode() + b"\n\n")
    assert Parameters.load(path).biases[0].tolist() == [[1.0], [2.0], [3.0]]


def test_largest_network_fits_in_the_largest_file():
    # A number as long as any, with the comma and the space or end of line behind it.
    assert len(json.dumps(-1.2345678901234567e-308)) == 24
    longest = 26 * parameters_module.MAX_PARAMETERS
    rows = 4 * parameters_module.MAX_PARAMETERS // 2  # brackets, for one number in a row
    assert longest + rows + MAX_OTHER_BYTES < MAX_FILE_BYTES


def test_a_large_network_loads_whatever_its_layout(tmp_path):
    p = Parameters([500, 600, 2], [np.ones((600, 500)) / 3, np.ones((2, 600))],
                   [np.ones((600, 1)), np.ones((2, 1))], {"note": "x" * 900_000})  # fmt: skip
    p.save(tmp_path / "p.json")
    assert (tmp_path / "p.json").stat().st_size > 6 * MAX_OTHER_BYTES
    assert same_bits(Parameters.load(tmp_path / "p.json"), p)
    document = json.loads((tmp_path / "p.json").read_text())
    (tmp_path / "q.json").write_text(json.dumps(document, indent=1, sort_keys=True))
    assert same_bits(Parameters.load(tmp_path / "q.json"), p)


# --- What holds for every network, found by random search -----------------------------------------

finite = st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | finite | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
reserved = ("format", "fingerprint", "sizes", "weights", "biases")
free_keys = st.text().filter(lambda key: key not in reserved)
EDGES = [
    -0.0, 5e-324, -5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 1e308, -1e308,
    0.1, 1 / 3, 2.0**53 + 2, 1e22, 1e16, 123456789.12345679,
]  # fmt: skip


@st.composite
def networks(draw):
    """Any network of two to four layers of one to four units, any finite numbers."""
    sizes = draw(st.lists(st.integers(1, 4), min_size=2, max_size=4))

    def matrix(rows, columns):
        row = st.lists(finite, min_size=columns, max_size=columns)
        return draw(st.lists(row, min_size=rows, max_size=rows))

    weights = [matrix(n, m) for m, n in itertools.pairwise(sizes)]
    biases = [matrix(n, 1) for n in sizes[1:]]
    metadata = draw(st.dictionaries(free_keys, json_values, max_size=3))
    return Parameters(sizes, weights, biases, metadata)


@hypothesis.given(networks())
@hypothesis.example(Parameters([len(EDGES), 1], [[EDGES]], [[[-0.0]]]))
@hypothesis.settings(deadline=None, max_examples=60)
def test_save_then_load_is_bit_equal(tmp_path_factory, p):
    path = tmp_path_factory.mktemp("saved") / "p.json"
    p.save(path)
    before = path.read_bytes()
    loaded = Parameters.load(path)
    loaded.save(path)
    assert path.read_bytes() == before
    assert same_bits(loaded, p)
    assert loaded.fingerprint == p.fingerprint
    assert loaded.metadata == p.metadata
