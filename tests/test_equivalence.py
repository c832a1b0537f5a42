"""The two networks are one: in fixed-point equal to the last bit, whatever they are trained on.

In floating point they are held within derived bounds in tests/compare/test_links.py, where both
pass every link of the proof.
"""

import itertools
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from model.initial import initial_parameters
from model.parameters import Parameters
from tests.twin import CUDA, REFERENCE, TWINS, Twin, both, drawn, fingerprint, refusal

ROOT = Path(__file__).parent.parent


TRAININGS = [  # sizes, examples, mini-batch size, eta: the last mini-batch is smaller in most
    ((784, 20, 10), 205, 10, 3.0), ((784, 20, 10), 40, 1, 0.37), ((784, 20, 10), 40, 40, 3.0),
    ((784, 10), 203, 10, 3.0), ((784, 12, 8, 10), 100, 7, 0.37), ((784, 1, 1, 10), 45, 10, 3.0),
    ((30, 8, 1), 50, 16, 3.0), ((1, 1), 23, 5, 0.37), ((63, 64, 65, 66, 2), 33, 32, 3.0),
]  # fmt: skip


@pytest.mark.parametrize("device", ["cpu", CUDA])
@pytest.mark.parametrize(("sizes", "examples", "mini_batch_size", "eta"), TRAININGS)
def test_fingerprints_are_equal_after_every_epoch(sizes, examples, mini_batch_size, eta, device):
    start, data = initial_parameters(sizes, 0), drawn(sizes, examples)
    fingerprints = [
        twin.sgd(twin.start(start), *data, 3, mini_batch_size, eta)
        for twin in (REFERENCE, Twin("torch_impl", device))
    ]
    assert fingerprints[0] == fingerprints[1]
    assert len(set(fingerprints[0])) == 3  # it did train


@both
@pytest.mark.parametrize("sizes", [(784, 20, 10), (63, 127, 4), (10, 7, 5, 3), (3, 1, 1)])
def test_the_largest_sums_are_exact(twin, sizes):
    """Every weight just below 64, every activation near 1, and odd last places."""
    f, rng = REFERENCE.arithmetic.parameter_bits(sizes), np.random.default_rng(7)

    def large(*shape):
        return 64 - (2 * rng.integers(0, 2**9, shape) + 1) * 2.0**-f

    weights = [large(n_out, n_in) for n_in, n_out in itertools.pairwise(sizes)]
    weights[0] *= 0  # the first activations come from the biases
    biases = [rng.uniform(6, 12, (sizes[1], 1)), *(large(n, 1) for n in sizes[2:])]
    net = twin.start(Parameters(sizes, weights, biases))
    zs, activations = net.trace(twin.native(np.zeros((sizes[0], 2))))
    weights, biases = net.export()
    for layer in range(1, len(weights)):
        a, z = twin.columns(activations[layer])[:, 0], twin.columns(zs[layer])[:, 0]
        assert (z > 63 * sizes[layer]).all()
        for row, bias, sum_ in zip(weights[layer], biases[layer][:, 0], z, strict=True):
            products = (Fraction(v) * Fraction(u) for v, u in zip(row, a, strict=True))
            assert Fraction(sum_) == sum(products) + Fraction(bias)


def trained():
    """The fingerprints of both: mini-batches with enough work to be shared among threads."""
    sizes = (784, 64, 10)
    return [twin.sgd(twin.start(sizes), *drawn(sizes, 1100), 2, 512, 3.0) for twin in TWINS]


def test_the_number_of_threads_changes_no_bit():
    """BLAS reads its number of threads when it is loaded, so another has a process."""
    number = "2" if torch.get_num_threads() == 1 else "1"
    names = ("OMP", "OPENBLAS", "MKL", "VECLIB_MAXIMUM", "BLIS")
    environment = os.environ | {f"{name}_NUM_THREADS": number for name in names}
    code = "import tests.test_equivalence as t, torch; print(torch.get_num_threads(), t.trained())"
    run = [sys.executable, "-c", code]
    told = subprocess.check_output(run, cwd=ROOT, env=environment, text=True)
    ours, theirs = here = trained()
    assert told == f"{number} {here}\n"
    assert ours == theirs


@pytest.mark.parametrize("seed", range(40))
def test_steps_are_equal_whatever_the_network(seed):
    """Errors as well."""
    rng = np.random.default_rng(seed)
    sizes, m = tuple(rng.integers(1, 10, rng.integers(3, 6)).tolist()), int(rng.integers(1, 10))
    nets = [twin.start(initial_parameters(sizes, seed)) for twin in TWINS]
    x, y = drawn(sizes, m, seed)
    for eta in rng.uniform(0.01, 20, 3):
        outcomes = [
            refusal(net.update_mini_batch, (twin.native(x), twin.native(y)), eta)
            for twin, net in zip(TWINS, nets, strict=True)
        ]
        assert outcomes[0] == outcomes[1]
        assert outcomes[0] is None or "overflow" in outcomes[0]
    assert fingerprint(nets[0]) == fingerprint(nets[1])
