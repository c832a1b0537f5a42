"""The shared start: initial weights and biases that both backends are handed.

``model/initial.json`` is such a start, kept as a file. The file is what counts: a later NumPy may
draw other numbers from the same seed (its NEP 19), the file stays what it is.
"""

import itertools
from collections.abc import Sequence

import numpy as np

from model.parameters import Parameters, check_sizes, describe, is_whole

MAX_SEED = 2**63 - 1


def initial_parameters(sizes: Sequence[int], seed: int) -> Parameters:
    """Draw every weight and bias from N(0, 1), the biases first, as the book's first network does.

    The same sizes and seed, 0 to 2**63 - 1, give the same parameters to the last bit; the seed is
    kept in their metadata. ValueError says which of them is no such number. All biases layer by
    layer, then all weights: Nielsen, chapter 1, ``Network.__init__``.
    """
    sizes = check_sizes(sizes)
    if not is_whole(seed) or not 0 <= seed <= MAX_SEED:
        raise ValueError(
            f"seed: expected a whole number from 0 to {MAX_SEED}, received {describe(seed)}"
        )
    rng = np.random.default_rng(seed)
    biases = [rng.standard_normal((units, 1)) for units in sizes[1:]]
    weights = [rng.standard_normal((n_out, n_in)) for n_in, n_out in itertools.pairwise(sizes)]
    return Parameters(sizes, weights, biases, {"seed": int(seed)})
