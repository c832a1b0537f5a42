"""Parameters: what holds for every network and every metadata, found by random search.

Properties: saving then loading gives the same bits and the same metadata; saving what was
loaded gives the same bytes; fingerprints are equal exactly when all numbers are.
"""

import itertools
import tempfile
from pathlib import Path

import numpy as np
import pytest

from model.parameters import Parameters

hypothesis = pytest.importorskip("hypothesis")
st = hypothesis.strategies

finite = st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | finite | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
free_keys = st.text().filter(lambda key: key not in ("format", "sizes", "weights", "biases"))


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
@hypothesis.settings(deadline=None, max_examples=60)
def test_save_then_load_is_bit_equal(p):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "p.json"
        p.save(path)
        loaded = Parameters.load(path)
        loaded.save(Path(folder) / "again.json")
        assert path.read_bytes() == (Path(folder) / "again.json").read_bytes()
    assert loaded.sizes == p.sizes
    for ours, theirs in zip(loaded.weights + loaded.biases, p.weights + p.biases, strict=True):
        assert ours.tobytes() == theirs.tobytes()
    assert loaded.fingerprint == p.fingerprint
    assert loaded.metadata == p.metadata


@hypothesis.given(networks(), networks())
@hypothesis.settings(deadline=None, max_examples=60)
def test_fingerprints_are_equal_exactly_when_every_number_is(p, q):
    equal = p.sizes == q.sizes and all(
        np.array_equal(a, b)
        for a, b in zip(p.weights + p.biases, q.weights + q.biases, strict=True)
    )
    assert (p.fingerprint == q.fingerprint) == equal
