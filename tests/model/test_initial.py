"""The shared start: which numbers a seed gives, and in which order."""

import numpy as np

from model.initial import initial_parameters

# Written down from NumPy 2.4 on x86-64. Another value here means that the seed gives another
# start than it did: runs could no longer be repeated from their seed, only from their file.
GOLDEN = "3d96e324c2e6a9cd522ac629a23bbaf2027075308f2bc5c0f8d6deca4b8ced12"


def test_seed_0_of_the_default_sizes_has_the_golden_fingerprint():
    assert initial_parameters([784, 20, 10], 0).fingerprint == GOLDEN


def test_seed_decides_the_numbers_and_nothing_else_does():
    before = np.random.get_state()[1].tolist()  # noqa: NPY002 the global state is what is watched
    prints = [initial_parameters([3, 2], seed).fingerprint for seed in (0, 0, 1, 2**63 - 1)]
    assert prints[0] == prints[1]
    assert len(set(prints)) == 3
    assert initial_parameters((3, 2), 0).fingerprint == prints[0]
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002
    metadata = initial_parameters([2, 1], np.int64(3)).metadata
    assert metadata == {"seed": 3}
    assert type(metadata["seed"]) is int
