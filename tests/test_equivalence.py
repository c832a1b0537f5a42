"""The two networks are one: near in floating point, in fixed-point equal to the last bit."""

import dataclasses
import itertools
import os
import re
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import mpmath
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


# An order and a start without any random number generator, so that they stay what they are.
GOLDEN = "956de9397c37546123109b73c928de09b4d26f0e56ded2fedde9c94e0b36299f"


def arithmetic_start(sizes):
    """Weights from a congruential sequence: multiples of 2**-20 between -1 and 1."""
    numbers = itertools.accumulate(itertools.repeat(12345), lambda v, _: v * 69069 % 2**32 | 1)

    def array(*shape):
        values = [next(numbers) // 2**11 / 2**20 - 1 for _ in range(int(np.prod(shape)))]
        return np.array(values).reshape(shape)

    biases = [array(n, 1) for n in sizes[1:]]
    return Parameters(
        sizes, [array(n_out, n_in) for n_in, n_out in itertools.pairwise(sizes)], biases
    )


@both
def test_a_run_ends_with_the_bits_that_it_always_ended_with(twin):
    sizes = (49, 12, 7, 10)
    net = twin.start(arithmetic_start(sizes))
    for step in range(60):
        k = np.arange(49 * 10).reshape(49, 10) + 77 * step
        x, digits = (k * k * 31 % 257) / 256, (np.arange(10) * 3 + step) % 10
        twin.step(net, x, np.eye(10)[:, digits], 3.0)
    assert fingerprint(net) == GOLDEN


# --- A step of fixed-point arithmetic from its definition ---------------------------------------


def exact_dot(rows: list[list[float]], columns: list[list[float]]) -> list[list[float]]:
    """The product of two matrices, the second by its columns, in rational numbers."""

    def dot(row, column):
        exact = sum(Fraction(a) * Fraction(b) for a, b in zip(row, column, strict=True))
        assert Fraction(float(exact)) == exact  # the promise of the formats
        return float(exact)

    return [[dot(row, column) for column in columns] for row in rows]


def to_grid(v: float, bits: int) -> float:
    return round(Fraction(v) * 2**bits) / 2**bits  # Python rounds half to even


def step_by_definition(parameters, x, y, eta, f, f_d):
    """One step with rational sums and, elementwise, Python's own float64."""

    def sigmoid(z):
        with mpmath.workdps(40):
            return to_grid(Fraction(str(1 / (1 + mpmath.exp(-mpmath.mpf(z))))), f)

    weights = [[[to_grid(v, f) for v in row] for row in w.tolist()] for w in parameters.weights]
    biases = [[to_grid(v, f) for v in b[:, 0].tolist()] for b in parameters.biases]
    m, activations = x.shape[1], [x.T.tolist()]  # by example
    for w, b in zip(weights, biases, strict=True):
        rows = [[*a, 1.0] for a in activations[-1]]
        zs = exact_dot(rows, [[*row, bias] for row, bias in zip(w, b, strict=True)])
        activations.append([[sigmoid(z) for z in row] for row in zs])
    slopes = [[[a * (1.0 - a) for a in row] for row in layer] for layer in activations[1:]]
    pulled = [
        [a - t for a, t in zip(*rows, strict=True)]
        for rows in zip(activations[-1], y.T.tolist(), strict=True)
    ]
    for layer in reversed(range(len(weights))):
        delta = [
            [to_grid(v * s, f_d) for v, s in zip(*rows, strict=True)]
            for rows in zip(pulled, slopes[layer], strict=True)
        ]
        by_unit = [list(column) for column in zip(*delta, strict=True)]
        nabla_w = exact_dot(by_unit, [list(c) for c in zip(*activations[layer], strict=True)])
        nabla_b = exact_dot(by_unit, [[1.0] * m])
        if layer:
            pulled = exact_dot(delta, [list(c) for c in zip(*weights[layer], strict=True)])
        weights[layer] = [
            [v - to_grid((eta / m) * n, f) for v, n in zip(*rows, strict=True)]
            for rows in zip(weights[layer], nabla_w, strict=True)
        ]
        biases[layer] = [
            b - to_grid((eta / m) * n, f) for b, (n,) in zip(biases[layer], nabla_b, strict=True)
        ]
    return weights, biases


@both
@pytest.mark.parametrize(
    ("sizes", "m", "f", "f_d"),
    [((784, 20, 10), 3, 21, 22), ((20, 6, 5, 4), 10, 22, 22), ((5, 3), 7, 36, 14)],
)
def test_a_step_is_what_the_definition_says(twin, sizes, m, f, f_d):
    start, (x, y) = initial_parameters(sizes, 6), drawn(sizes, m)
    weights, biases = step_by_definition(start, x, y, 3.0, f, f_d)
    net = twin.start(start)
    twin.step(net, x, y, 3.0)
    assert same_bits(net.export()[0], map(np.array, weights))
    assert same_bits([b[:, 0] for b in net.export()[1]], map(np.array, biases))


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


# --- The same on any number of threads ----------------------------------------------------------

REFERENCE_IN_A_PROCESS = """
import numpy as np
from model.initial import initial_parameters
from model.parameters import Parameters
from reference.arithmetic import FixedPoint
from reference.examples import Examples
from reference.network import Network
rng = np.random.default_rng(0)
sizes, m = (784, 64, 10), 1100
x = rng.integers(0, 256, (sizes[0], m)) / 256 * (rng.random((sizes[0], m)) > 0.8)
y = np.eye(10)[:, rng.integers(0, 10, m)]
net = Network.from_parameters(initial_parameters(sizes, 0), FixedPoint())
net.SGD(Examples(x.T, y.T), 2, 512, 3.0, rng=np.random.default_rng(1), on_epoch=lambda *_: None)
print(Parameters(net.sizes, *net.export()).fingerprint)
"""


def test_the_number_of_threads_changes_no_bit():
    """BLAS reads its number of threads when it is loaded, so NumPy needs a process for each."""
    wide = (784, 64, 10)  # with mini-batches of 512: enough work to be shared among threads
    fingerprints, before = set(), torch.get_num_threads()
    for number in (1, 2):
        torch.set_num_threads(number)
        trained = TORCH.sgd(TORCH.start(wide), *drawn(wide, 1100), 2, 512, 3.0)
        torch.set_num_threads(before)
        fingerprints.add(trained[-1])
        names = ("OMP", "OPENBLAS", "MKL", "VECLIB_MAXIMUM", "BLIS")
        environment = os.environ | {f"{name}_NUM_THREADS": str(number) for name in names}
        command = [sys.executable, "-c", REFERENCE_IN_A_PROCESS]
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
        )
        fingerprints.add(done.stdout.strip())
    assert len(fingerprints) == 1
    assert re.fullmatch("[0-9a-f]{64}", fingerprints.pop())


# --- Properties that hold to the last bit -------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Case:
    """A network, a mini-batch and an order, drawn from a seed: such cases shrink to small ones."""

    sizes: tuple[int, ...]
    m: int
    seed: int

    @property
    def parameters(self):
        return initial_parameters(self.sizes, self.seed)

    @property
    def batch(self):
        return drawn(self.sizes, self.m, self.seed)

    def order(self, n):
        return np.random.default_rng(self.seed).permutation(n)


def over_cases(test):
    """The test for many cases, or skipped where there is no hypothesis to draw them."""
    try:
        import hypothesis
    except ImportError:
        return pytest.mark.skip(reason="hypothesis is not installed")(test)
    st = hypothesis.strategies
    sizes = st.lists(st.integers(1, 9), min_size=3, max_size=5).map(tuple)
    cases = st.builds(Case, sizes, st.integers(1, 9), st.integers(0, 2**32))
    few = hypothesis.settings(max_examples=40, deadline=None, derandomize=True, database=None)
    return few(hypothesis.given(case=cases)(test))


@both
@over_cases
def test_a_mini_batch_s_gradient_is_the_sum_of_single_ones(twin, case):
    """Exactly, once the deltas lie on the grid of the mini-batch's size."""
    net, (x, y) = twin.start(case.parameters), case.batch
    whole = twin.backprop(net, x, y)
    net.arithmetic.delta_scales[1] = net.arithmetic.delta_scale(case.m)
    singles = [twin.backprop(net, x[:, [k]], y[:, [k]]) for k in range(case.m)]
    for one, parts in zip(whole, zip(*singles, strict=True), strict=True):
        assert np.array_equal(one, sum(parts))


@both
@over_cases
def test_the_order_of_a_mini_batch_changes_nothing(twin, case):
    (x, y), order = case.batch, case.order(case.m)
    net = twin.start(case.parameters)
    ours, theirs = twin.backprop(net, x, y), twin.backprop(net, x[:, order], y[:, order])
    assert same_bits(ours, theirs)


@both
@over_cases
def test_permuting_hidden_neurons_permutes_the_gradient(twin, case):
    start, (x, y) = case.parameters, case.batch
    order = case.order(case.sizes[1])
    weights, biases = list(start.weights), list(start.biases)
    weights[0], biases[0], weights[1] = weights[0][order], biases[0][order], weights[1][:, order]
    ours = twin.backprop(twin.start(start), x, y)
    theirs = twin.backprop(twin.start(Parameters(case.sizes, weights, biases)), x, y)
    layers = len(weights)
    ours[0], ours[layers], ours[layers + 1] = (
        ours[0][order],
        ours[layers][order],
        ours[layers + 1][:, order],
    )
    assert same_bits(ours, theirs)


@over_cases
def test_steps_are_equal_whatever_the_network(case):
    ours, theirs = (twin.start(case.parameters) for twin in TWINS)
    x, y = case.batch
    for eta in np.random.default_rng(case.seed).uniform(0.01, 20, 3):
        outcomes = [
            refusal(net.update_mini_batch, (twin.native(x), twin.native(y)), eta)
            for twin, net in zip(TWINS, (ours, theirs), strict=True)
        ]
        assert outcomes[0] == outcomes[1]
        assert outcomes[0] is None or "overflow" in outcomes[0]
    assert fingerprint(ours) == fingerprint(theirs)
