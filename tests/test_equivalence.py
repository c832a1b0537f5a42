"""The two networks are one: near in floating point, in fixed-point equal to the last bit."""

import itertools
import os
import re
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from compare.balls import bounds, rules_for
from model.initial import initial_parameters
from model.parameters import Parameters
from tests.twin import (
    CUDA,
    REFERENCE,
    TORCH,
    TWINS,
    Twin,
    both,
    drawn,
    fingerprint,
    flat,
    refusal,
    same_bits,
)

ROOT = Path(__file__).parent.parent


# --- Floating point: within the rounding of two correct implementations -------------------------


@pytest.mark.parametrize("device", ["cpu", CUDA])
@pytest.mark.parametrize("arithmetic", ["Float64", "Float32"])
@pytest.mark.parametrize("sizes", [(784, 20, 10), (784, 10), (30, 8, 6, 4), (1, 1, 1)])
@pytest.mark.parametrize("m", [1, 10])
def test_autograd_equals_backprop_within_the_derived_bounds(arithmetic, sizes, m, device):
    torch_twin = Twin("torch_impl", device)
    kept = np.float32 if arithmetic == "Float32" else np.float64
    start, (x, y) = initial_parameters(sizes, 4), drawn(sizes, m)
    rounded = [
        [v.astype(kept).astype(float) for v in part] for part in (start.weights, start.biases)
    ]
    begun = Parameters(sizes, *rounded)
    allowed = bounds(begun, x, y, 3.0, rules_for(arithmetic.lower(), sizes, x.shape[1]))
    results = []
    for twin in (REFERENCE, torch_twin):
        net, layers = twin.start(Parameters(sizes, *rounded), arithmetic), len(sizes) - 1
        nablas, read = twin.backprop(net, x, y), {"deltas": twin.deltas(net, x, y)}
        read["zs"], read["activations"] = twin.trace(net, x)
        read["nabla_b"], read["nabla_w"] = nablas[:layers], nablas[layers:]
        new = twin.step(net, x, y, 3.0)
        read["new_weights"], read["new_biases"] = new[:layers], new[layers:]
        results.append(read)
    for name, ours in results[0].items():
        for k, (one, other) in enumerate(zip(ours, results[1][name], strict=True)):
            bound = allowed[f"{name}[{k}]"]
            assert one.shape == other.shape == bound.shape
            assert (np.abs(one.astype(float) - other.astype(float)) <= bound).all(), name
    if kept is np.float64:
        assert (
            max(v.max() for k, v in allowed.items() if "nabla_w" in k) < 1e-9
        )  # or the bounds would say nothing


# --- Fixed-point: the same bits -----------------------------------------------------------------


@pytest.mark.parametrize("device", ["cpu", CUDA])
@pytest.mark.parametrize("sizes", [(784, 20, 10), (784, 10), (30, 8, 6, 4), (1, 1, 1), (9, 1)])
@pytest.mark.parametrize("m", [1, 7, 10])
def test_everything_a_step_computes_is_equal_in_fixed_point(sizes, m, device):
    torch_twin = Twin("torch_impl", device)
    start, (x, y) = initial_parameters(sizes, 4), drawn(sizes, m)
    ours, theirs = REFERENCE.start(start), torch_twin.start(start)
    for verb, *given in (("trace", x), ("deltas", x, y), ("backprop", x, y), ("step", x, y, 3.0)):
        one = getattr(REFERENCE, verb)(ours, *given)
        other = getattr(torch_twin, verb)(theirs, *given)
        both_traced = (flat(one), flat(other)) if verb == "trace" else (one, other)
        assert same_bits(*both_traced), verb


TRAININGS = [  # sizes, examples, mini-batch size: the last mini-batch is smaller in most
    ((784, 20, 10), 205, 10), ((784, 20, 10), 40, 1), ((784, 20, 10), 40, 40),
    ((784, 10), 203, 10), ((784, 12, 8, 10), 100, 7), ((784, 1, 1, 10), 45, 10),
    ((30, 8, 1), 50, 16), ((1, 1), 23, 5), ((63, 64, 65, 66, 2), 33, 32),
]  # fmt: skip


@pytest.mark.parametrize("device", ["cpu", CUDA])
@pytest.mark.parametrize(("sizes", "examples", "mini_batch_size"), TRAININGS)
@pytest.mark.parametrize("eta", [3.0, 0.37])
def test_fingerprints_are_equal_after_every_epoch(sizes, examples, mini_batch_size, eta, device):
    start, data = initial_parameters(sizes, 0), drawn(sizes, examples)
    fingerprints = [
        twin.sgd(twin.start(start), *data, 3, mini_batch_size, eta)
        for twin in (REFERENCE, Twin("torch_impl", device))
    ]
    assert fingerprints[0] == fingerprints[1]
    assert len(set(fingerprints[0])) == 3  # it did train


def test_one_weight_in_its_last_place_is_another_fingerprint():
    """What the test before would have noticed."""
    ours, theirs = REFERENCE.start((784, 20, 10)), TORCH.start((784, 20, 10))
    data = drawn((784, 20, 10), 20)
    with torch.no_grad():
        theirs.weights[0][0, 783] += 2.0**-21
    assert REFERENCE.sgd(ours, *data, 1, 10, 3.0) != TORCH.sgd(theirs, *data, 1, 10, 3.0)


@pytest.mark.parametrize("device", ["cpu", CUDA])
@pytest.mark.parametrize("data", ["digits_folder", pytest.param("mnist", marks=pytest.mark.mnist)])
def test_a_run_from_the_files_to_the_counts_is_equal(data, device, request):
    """Each twin with its own loader."""
    folder, ends = request.getfixturevalue(data), []
    for twin in (REFERENCE, Twin("torch_impl", device)):
        training, validation, test = twin.mnist_loader.load_data_wrapper(folder)
        net, counts = twin.start((784, 20, 10)), []
        net.SGD(
            training, 1 if data == "mnist" else 3, 10, 3.0, validation,
            np.random.default_rng(0), lambda _, correct, counts=counts: counts.append(correct),
        )  # fmt: skip
        ends.append((fingerprint(net), counts, net.evaluate(test)))
    assert ends[0] == ends[1]
    assert data != "mnist" or ends[0][2] > 8_500  # of 10,000


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


IN_A_PROCESS = """
import sys, torch
from tests.twin import TWINS, drawn
torch.set_num_threads(int(sys.argv[1]))
wide = (784, 64, 10)  # with mini-batches of 512: enough work to be shared among threads
for twin in TWINS:
    print(*twin.sgd(twin.start(wide), *drawn(wide, 1100), 2, 512, 3.0))
"""


def test_the_number_of_threads_changes_no_bit():
    """BLAS reads its number of threads when it is loaded, so each has a process."""
    lines = []
    for number in ("1", "2"):
        names = ("OMP", "OPENBLAS", "MKL", "VECLIB_MAXIMUM", "BLIS")
        environment = os.environ | {f"{name}_NUM_THREADS": number for name in names}
        command = [sys.executable, "-c", IN_A_PROCESS, number]
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
        )
        lines += done.stdout.splitlines()
    assert len(lines) == 4
    assert len(set(lines)) == 1
    assert re.fullmatch("[0-9a-f]{64} [0-9a-f]{64}", lines[0])


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
