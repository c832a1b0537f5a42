"""The two networks are one: near in floating point, in fixed-point equal to the last bit.

What both say to bad input is here as well, because they say the same.
"""

import contextlib
import dataclasses
import importlib
import itertools
import os
import re
import subprocess
import sys
import warnings
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from compare.rounding import update_bounds
from model.initial import initial_parameters
from model.parameters import Parameters

ROOT = Path(__file__).parent.parent
ARITHMETICS = ["Float64", "Float32", "FixedPoint"]


class Twin:
    """One of the two networks, spoken to in columns and NumPy whatever it speaks inside."""

    def __init__(self, name: str, device: str | None = None) -> None:
        self.name = name
        self.keywords = {"device": device} if device else {}
        for module in ("network", "arithmetic", "mnist_loader"):
            setattr(self, module, importlib.import_module(f"{name}.{module}"))

    def __repr__(self) -> str:
        return "-".join([self.name, *self.keywords.values()])

    def start(self, parameters, arithmetic="FixedPoint"):
        arithmetic = getattr(self.arithmetic, arithmetic)()
        return self.network.Network.from_parameters(parameters, arithmetic, **self.keywords)

    def native(self, columns: np.ndarray) -> Any:
        """Columns as this twin takes them."""
        if self.name == "reference":
            return columns
        return torch.tensor(np.ascontiguousarray(columns.T)).to(self.keywords.get("device", "cpu"))

    def columns(self, v: Any) -> np.ndarray:
        """What this twin returns, as NumPy columns; weights stay as they are, if told so."""
        return v if self.name == "reference" else v.detach().cpu().numpy().T

    def examples(self, x: np.ndarray, y: np.ndarray) -> Any:
        """Columns x and columns or digits y as Examples."""
        rows = [np.ascontiguousarray(x.T), np.ascontiguousarray(y.T)]
        if self.name != "reference":
            rows = [torch.tensor(v) for v in rows]
        return self.mnist_loader.Examples(*rows)

    def backprop(self, net, x, y) -> list[np.ndarray]:
        """nabla_b as columns, then nabla_w."""
        nabla_b, nabla_w = net.backprop(self.native(x), self.native(y))
        if self.name == "reference":
            return [*nabla_b, *nabla_w]
        both = [v.cpu().numpy() for v in (*nabla_b, *nabla_w)]
        return [v[:, None] if v.ndim == 1 else v for v in both]

    def sgd(self, net, x, y, epochs, mini_batch_size, eta, seed=1) -> list[str]:
        """The fingerprints after every epoch."""
        fingerprints: list[str] = []
        net.SGD(
            self.examples(x, y),
            epochs,
            mini_batch_size,
            eta,
            rng=np.random.default_rng(seed),
            on_epoch=lambda *_: fingerprints.append(fingerprint(net)),
        )
        return fingerprints


REFERENCE, TORCH = Twin("reference"), Twin("torch_impl")
TWINS = [REFERENCE, TORCH]
CUDA = pytest.param("cuda", marks=pytest.mark.cuda)
both = pytest.mark.parametrize("twin", TWINS, ids=repr)


def fingerprint(net) -> str:
    return Parameters(net.sizes, *net.export()).fingerprint


def drawn(sizes, m, seed=0):
    """Pixels, four in five dark as in MNIST, and desired outputs, in columns."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 256, (sizes[0], m)) / 256 * (rng.random((sizes[0], m)) > 0.8)
    return x, np.eye(sizes[-1])[:, rng.integers(0, sizes[-1], m)]


# --- Floating point: within the rounding of two correct implementations -------------------------


@pytest.mark.parametrize("device", ["cpu", CUDA])
@pytest.mark.parametrize("arithmetic", ["Float64", "Float32"])
@pytest.mark.parametrize("sizes", [(784, 20, 10), (784, 10), (30, 8, 6, 4), (1, 1, 1)])
@pytest.mark.parametrize("m", [1, 10])
def test_autograd_equals_backprop_within_the_derived_bounds(arithmetic, sizes, m, device):
    torch_twin = Twin("torch_impl", device)
    kept = np.float32 if arithmetic == "Float32" else np.float64
    start = initial_parameters(sizes, 4)
    rounded = [[v.astype(kept).astype(float) for v in part] for part in (start.weights,
                                                                         start.biases)]  # fmt: skip
    start = Parameters(sizes, *rounded)
    x, y = drawn(sizes, m)
    bounds = update_bounds(*rounded, x, y, 3.0, arithmetic.lower())
    nets = [twin.start(start, arithmetic) for twin in (REFERENCE, torch_twin)]
    results = []
    for twin, net in zip((REFERENCE, torch_twin), nets, strict=True):
        native = twin.native(x), twin.native(y)
        zs, activations = net.trace(native[0])
        read = {
            "zs": [twin.columns(v) for v in zs],
            "activations": [twin.columns(v) for v in activations],
            "deltas": [twin.columns(v) for v in net.deltas(*native)],
        }
        nablas = twin.backprop(net, x, y)
        read["nabla_b"], read["nabla_w"] = nablas[: len(zs)], nablas[len(zs) :]
        net.update_mini_batch(native, 3.0)
        read["new_weights"], read["new_biases"] = net.export()
        results.append(read)
    for name, ours in results[0].items():
        for one, other, bound in zip(ours, results[1][name], getattr(bounds, name), strict=True):
            assert one.shape == other.shape == bound.shape
            assert (np.abs(one.astype(float) - other.astype(float)) <= bound).all(), name
    if kept is np.float64:
        assert max(v.max() for v in bounds.nabla_w) < 1e-9  # or the bounds would say nothing


# --- Fixed-point: the same bits -----------------------------------------------------------------


@pytest.mark.parametrize("device", ["cpu", CUDA])
@pytest.mark.parametrize("sizes", [(784, 20, 10), (784, 10), (30, 8, 6, 4), (1, 1, 1), (9, 1)])
@pytest.mark.parametrize("m", [1, 7, 10])
def test_everything_a_step_computes_is_equal_in_fixed_point(sizes, m, device):
    torch_twin = Twin("torch_impl", device)
    start, (x, y) = initial_parameters(sizes, 4), drawn(sizes, m)
    ours, theirs = REFERENCE.start(start), torch_twin.start(start)
    native = torch_twin.native(x), torch_twin.native(y)
    pairs = list(zip(ours.trace(x)[0], theirs.trace(native[0])[0], strict=True))
    pairs += list(zip(ours.trace(x)[1], theirs.trace(native[0])[1], strict=True))
    pairs += list(zip(ours.deltas(x, y), theirs.deltas(*native), strict=True))
    for one, other in pairs:
        assert np.array_equal(one, torch_twin.columns(other))
    nablas = REFERENCE.backprop(ours, x, y), torch_twin.backprop(theirs, x, y)
    for one, other in zip(*nablas, strict=True):
        assert np.array_equal(one, other)


TRAININGS = [
    # sizes, examples, mini-batch size: the last mini-batch is smaller in most
    ((784, 20, 10), 205, 10),
    ((784, 20, 10), 40, 1),
    ((784, 20, 10), 40, 40),
    ((784, 10), 203, 10),
    ((784, 12, 8, 10), 100, 7),
    ((784, 1, 10), 45, 10),
    ((784, 1, 1, 10), 45, 10),
    ((30, 8, 1), 50, 16),
    ((1, 1, 1), 50, 4),
    ((1, 1), 23, 5),
    ((63, 64, 65, 66, 2), 33, 32),
]


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
    start, data = initial_parameters((784, 20, 10), 0), drawn((784, 20, 10), 20)
    ours, theirs = REFERENCE.start(start), TORCH.start(start)
    with torch.no_grad():
        theirs.weights[0][0, 783] += 2.0**-21
    assert REFERENCE.sgd(ours, *data, 1, 10, 3.0) != TORCH.sgd(theirs, *data, 1, 10, 3.0)


def test_the_digits_of_a_whole_run_are_equal(digits_folder):
    """From the files to the counts, each twin with its own loader."""
    ends = []
    for twin in TWINS:
        training, validation, test = twin.mnist_loader.load_data_wrapper(digits_folder)
        net, counts = twin.start(initial_parameters((784, 20, 10), 0)), []
        net.SGD(
            training,
            3,
            10,
            3.0,
            test_data=validation,
            rng=np.random.default_rng(0),
            on_epoch=lambda _, correct, counts=counts: counts.append(correct),
        )
        ends.append((fingerprint(net), counts, net.evaluate(test)))
    assert ends[0] == ends[1]


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
        net.update_mini_batch((twin.native(x), twin.native(np.eye(10)[:, digits])), 3.0)
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
    import mpmath

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
    net.update_mini_batch((twin.native(x), twin.native(y)), 3.0)
    received = net.export()
    for one, other in zip(received[0], weights, strict=True):
        assert np.array_equal(one, other)
    for one, other in zip(received[1], biases, strict=True):
        assert np.array_equal(one[:, 0], other)


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

WIDE = (784, 64, 10)  # with mini-batches of 512: enough work to be shared among threads


@contextlib.contextmanager
def threads(number: int):
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


REFERENCE_IN_A_PROCESS = """
import numpy as np
from model.initial import initial_parameters
from model.parameters import Parameters
from reference.arithmetic import FixedPoint
from reference.mnist_loader import Examples
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
    data = drawn(WIDE, 1100)
    fingerprints = set()
    for number in (1, 2):
        with threads(number):
            net = TORCH.start(initial_parameters(WIDE, 0))
            fingerprints.add(TORCH.sgd(net, *data, 2, 512, 3.0)[-1])
        names = ("OMP", "OPENBLAS", "MKL", "VECLIB_MAXIMUM", "BLIS")
        environment = os.environ | {f"{name}_NUM_THREADS": str(number) for name in names}
        command = [sys.executable, "-c", REFERENCE_IN_A_PROCESS]
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
        )
        fingerprints.add(done.stdout.strip())
    assert len(fingerprints) == 1
    assert re.fullmatch("[0-9a-f]{64}", fingerprints.pop())


# --- Real MNIST ---------------------------------------------------------------------------------


@pytest.mark.mnist
@pytest.mark.parametrize("device", ["cpu", CUDA])
def test_one_epoch_of_mnist_ends_with_the_same_fingerprint(mnist, device):
    ends = []
    for twin in (REFERENCE, Twin("torch_impl", device)):
        training, _, test = twin.mnist_loader.load_data_wrapper(mnist)
        net = twin.start(initial_parameters((784, 20, 10), 0))
        net.SGD(training, 1, 10, 3.0, rng=np.random.default_rng(0), on_epoch=lambda *_: None)
        ends.append((fingerprint(net), net.evaluate(test)))
    assert ends[0] == ends[1]
    assert ends[0][1] > 8_500  # of 10,000


# --- The sigmoid and its parts ------------------------------------------------------------------


@pytest.mark.parametrize("device", ["cpu", CUDA])
def test_exp_and_the_exact_sigmoid_are_the_same_bits_for_millions_of_z(device):
    rng = np.random.default_rng(5)
    z = np.concatenate([rng.uniform(-41, 41, 1_500_000), rng.standard_normal(1_500_000)])
    t = torch.tensor(z, device=device)
    for name in ("exp", "exact_sigmoid"):
        ours = getattr(REFERENCE.arithmetic, name)(z)
        theirs = getattr(TORCH.arithmetic, name)(t)
        assert np.array_equal(ours, theirs.cpu().numpy())
    for bits in (12, 21, 37):
        ours = REFERENCE.arithmetic.rounded_sigmoid(z, 2.0**bits)
        theirs = TORCH.arithmetic.rounded_sigmoid(t, 2.0**bits)
        assert np.array_equal(ours, theirs.cpu().numpy())


def test_the_number_formats_are_the_same():
    ours, theirs = REFERENCE.arithmetic, TORCH.arithmetic
    for sizes in itertools.product((1, 2, 63, 64, 784), (1, 3, 20, 127, 128), (1, 10, 33)):
        f = ours.parameter_bits(sizes)
        assert f == theirs.parameter_bits(sizes)
        for m in (1, 2, 10, 33, 1000):
            assert ours.delta_bits(sizes, f, m) == theirs.delta_bits(sizes, f, m)


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
    assert all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))


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
    assert all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))


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


# --- Overflow is never silent -------------------------------------------------------------------


def refusal(function, *arguments, **keywords):
    """The text of the error, or None."""
    try:
        function(*arguments, **keywords)
    except (ValueError, OverflowError) as error:
        return f"{type(error).__name__}: {error}"
    return None


def overflow(quantity, value, limit):
    return (
        f"OverflowError: fixed-point overflow: the largest {quantity} reached {value} in magnitude "
        f"and must stay below {limit}: use float64 arithmetic, or a smaller eta"
    )


def one_weight_too_large(value=64.0):
    weights = [np.zeros((3, 2)), np.array([[0.5, value, 0.25]])]
    return Parameters((2, 3, 1), weights, [np.zeros((3, 1)), np.zeros((1, 1))])


@both
def test_an_initial_weight_out_of_range_is_refused(twin):
    assert refusal(twin.start, one_weight_too_large()) == overflow("weight or bias", 64, 64)
    assert refusal(twin.start, one_weight_too_large(-64.5)) == overflow(
        "weight or bias", "64.5", 64
    )
    twin.start(one_weight_too_large(63.5))
    twin.start(one_weight_too_large(), "Float64")


@both
def test_a_bias_that_is_trained_out_of_range_is_told(twin):
    """All a = 1/2; delta = -1/8; b moves by eta / 8, past 64 where eta is 600."""
    start = Parameters((2, 1), [np.zeros((1, 2))], [np.zeros((1, 1))])
    pair = twin.native(np.zeros((2, 1))), twin.native(np.ones((1, 1)))
    assert refusal(twin.start(start).update_mini_batch, pair, 500) is None  # 62.5
    told = refusal(twin.start(start).update_mini_batch, pair, 600)
    assert told == overflow("weight or bias", 75, 64)


@both
def test_sgd_tells_an_overflow_before_the_epoch_is_reported(twin):
    """It happens in the first of many steps and the magnitude has come back by the last."""
    start = Parameters((2, 1), [np.zeros((1, 2))], [np.zeros((1, 1))])
    x, y = np.zeros((2, 8)), np.tile([[1.0, 0.0]], 4)
    net, reported = twin.start(start), []
    told = refusal(
        net.SGD, twin.examples(x, y), 3, 1, 600.0, on_epoch=lambda *told: reported.append(told)
    )
    assert told == overflow("weight or bias", 75, 64)
    assert reported == []


@both
def test_a_magnitude_out_of_range_for_some_steps_in_the_middle_is_told(twin):
    """The bias starts at -63.5 and moves by 1/8 at most: down in ten steps, then up in ten."""
    start = Parameters((1, 1), [np.array([[63.5]])], [np.array([[-63.5]])])
    x, y = np.ones((1, 80)), np.repeat([[0.0, 1.0]], 40, axis=1)  # z = 63.5 - 63.5 = 0

    class AsTheyAre:
        permutation = staticmethod(np.arange)

    net, biases = twin.start(start, "Float64"), []
    for k in range(0, 80, 4):
        net.update_mini_batch((twin.native(x[:, k : k + 4]), twin.native(y[:, k : k + 4])), 1.0)
        biases.append(float(net.biases[0].item()))
    assert min(biases) < -64.1 < -63.9 < biases[-1]
    net, reported = twin.start(start), []
    keywords = {"rng": AsTheyAre(), "on_epoch": lambda *told: reported.append(told)}
    told = refusal(net.SGD, twin.examples(x, y), 1, 4, 1.0, **keywords)
    assert told is not None
    assert told.startswith("OverflowError: fixed-point overflow: the largest weight or bias")
    assert f"reached {-min(biases):.4g}" in told
    assert reported == []


@both
@pytest.mark.parametrize("verb", ["backprop", "deltas", "update_mini_batch"])
def test_a_delta_out_of_range_is_told(twin, verb):
    """a = 1/2, so delta = (1/2 - y) / 4 = -2 where y is 8.5."""
    start = Parameters((2, 1), [np.zeros((1, 2))], [np.zeros((1, 1))])
    x, y = twin.native(np.zeros((2, 2))), twin.native(np.array([[0.0, 8.5]]))
    net = twin.start(start)
    arguments = ((x, y), 0.1) if verb == "update_mini_batch" else (x, y)
    assert refusal(getattr(net, verb), *arguments) == overflow("delta", 2, 1)
    if verb != "update_mini_batch":  # which has taken its step
        assert refusal(getattr(net, verb), *arguments) == overflow("delta", 2, 1)


@both
def test_a_hidden_delta_out_of_range_is_told_though_the_outer_ones_are_not(twin):
    """a[1] = 1/2, z[1] = 30 + 15 + 15 - 60 = 0, delta[1] = (1/2 - 1) / 4 = -1/8 ten times;
    in the first neuron W[1].T delta[1] = 60 * 10 * (-1/8) = -75, and -75 / 4 = -18.75.
    """
    weights = [np.zeros((3, 2)), np.tile([60.0, 30.0, 30.0], (10, 1))]
    biases = [np.zeros((3, 1)), np.full((10, 1), -60.0)]
    net = twin.start(Parameters((2, 3, 10), weights, biases))
    x, y = twin.native(np.zeros((2, 1))), twin.native(np.ones((10, 1)))
    assert refusal(net.backprop, x, y) == overflow("delta", "18.75", 1)


@both
def test_a_chaotic_eta_ends_in_an_error_without_a_warning(twin):
    x, y = drawn((784, 20, 10), 60)
    for eta in (1e3, 1e6, 1e300):
        net = twin.start(initial_parameters((784, 20, 10), 0))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            rng = np.random.default_rng(0)
            told = refusal(net.SGD, twin.examples(x, y), 1, 10, eta, rng=rng, on_epoch=print)
        assert told.startswith("OverflowError: fixed-point overflow: the largest weight or bias")


# --- What is refused, and how it is said --------------------------------------------------------


@both
@pytest.mark.parametrize(
    "sizes", [[], [784], [784, 0, 10], [784, -1], [784, 20.0, 10], ["784", "10"]]
)
def test_sizes_of_no_network_are_refused(twin, sizes):
    assert refusal(twin.network.Network, sizes) == (
        "ValueError: sizes are two or more whole numbers of units, each at least 1, such as "
        f"[784, 20, 10]; received {sizes}"
    )


@both
def test_parameters_of_other_shapes_are_refused(twin):
    class Wrong:
        sizes = (2, 3, 1)
        weights = (np.zeros((3, 2)), np.zeros((3, 1)))
        biases = (np.zeros((3, 1)), np.zeros((1, 1)))

    assert refusal(twin.start, Wrong) == (
        "ValueError: weights of these sizes have the shapes [(3, 2), (1, 3)]; received "
        "[(3, 2), (3, 1)]"
    )
    Wrong.weights = (np.zeros((3, 2)), np.zeros((1, 3)))
    Wrong.biases = (np.zeros((3,)), np.zeros((1,)))
    assert refusal(twin.start, Wrong) == (
        "ValueError: biases of these sizes have the shapes [(3, 1), (1, 1)]; received [(3,), (1,)]"
    )
    Wrong.biases = (np.zeros((3, 1)),)
    assert refusal(twin.start, Wrong) == (
        "ValueError: biases of these sizes have the shapes [(3, 1), (1, 1)]; received [(3, 1)]"
    )


@both
@pytest.mark.parametrize("arithmetic", ARITHMETICS)
@pytest.mark.parametrize("shape", [(3, 1), (1, 2), (2,), (2, 0), (2, 3, 1)])
def test_inputs_of_another_shape_are_refused(twin, arithmetic, shape):
    net = twin.start(initial_parameters((2, 3, 1), 0), arithmetic)
    x = np.zeros(shape)
    if twin is REFERENCE:
        said = f"columns of shape (2, m), one example in each, one or more; received shape {shape}"
    else:
        said = (
            f"rows of shape (m, 2), one example in each, one or more; received shape {shape[::-1]}"
        )
    y = twin.native(np.zeros((1, 1)))
    for verb, *others in (
        ("feedforward",),
        ("trace",),
        ("backprop", y),
        ("deltas", y),
        ("cost", y),
    ):
        told = refusal(getattr(net, verb), twin.native(x), *others)
        assert told == f"ValueError: inputs are {said}"


@both
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_refused(twin, bad):
    net = twin.start(initial_parameters((2, 3, 1), 0), "Float64")
    x, y = np.zeros((2, 3)), np.zeros((1, 3))
    wrong_x, wrong_y = x.copy(), y.copy()
    wrong_x[1, 2] = wrong_y[0, 2] = bad
    for arrays, said in (
        ((wrong_x, y), "inputs are finite numbers; received NaN or infinity"),
        ((x, wrong_y), "desired outputs are finite numbers; received NaN or infinity"),
    ):
        native = [twin.native(v) for v in arrays]
        for verb in ("backprop", "deltas", "cost"):
            assert refusal(getattr(net, verb), *native) == f"ValueError: {said}"
        assert refusal(net.update_mini_batch, tuple(native), 1.0) == f"ValueError: {said}"
        assert refusal(net.SGD, twin.examples(*arrays), 1, 1, 1.0) == f"ValueError: {said}"
    assert refusal(net.evaluate, twin.examples(wrong_x, np.zeros(3, int))) == (
        "ValueError: inputs are finite numbers; received NaN or infinity"
    )


@both
def test_fixed_point_refuses_what_is_no_pixel(twin):
    net = twin.start(initial_parameters((2, 3, 1), 0))
    x, y = np.full((2, 4), 0.5), np.zeros((1, 4))
    x[1, 3] = 0.3
    said = (
        "ValueError: fixed-point inputs are multiples of 2**-8 between -1 and 1, such as "
        "byte / 256; received 0.3: scale them, or use float64"
    )
    assert refusal(net.feedforward, twin.native(x)) == said
    assert refusal(net.SGD, twin.examples(x, y), 1, 1, 1.0) == said
    x[1, 3] = 255.0
    said = said.replace("0.3", "255.0")
    assert refusal(net.SGD, twin.examples(x, y), 1, 1, 1.0) == said


@both
def test_desired_outputs_of_another_shape_are_refused(twin):
    net, x = twin.start(initial_parameters((2, 3, 4), 0)), np.zeros((2, 5))
    for shape in ((4, 4), (3, 5), (1, 5), (4, 1)):  # the last two would broadcast
        y = np.zeros(shape)
        told = refusal(net.backprop, twin.native(x), twin.native(y))
        expected, received = ((4, 5), shape) if twin is REFERENCE else ((5, 4), shape[::-1])
        said = f"desired outputs for 5 inputs have shape {expected}; received shape {received}"
        assert told == f"ValueError: {said}"
    pairs = [(x[:, [0]], np.zeros((3, 1)))] * 2
    expected, received = ((4, 2), (3, 2)) if twin is REFERENCE else ((2, 4), (2, 3))
    for told in (refusal(net.SGD, pairs, 1, 1, 1.0), refusal(net.update_mini_batch, pairs, 1.0)):
        said = f"desired outputs for 2 inputs have shape {expected}; received shape {received}"
        assert told == f"ValueError: {said}"


@both
@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ((-1, 1, 1.0), "epochs is a whole number, 0 or more; received -1"),
        *(
            (
                (1, size, 1.0),
                "mini_batch_size lies between 1 and the number of training examples, 3; "
                f"received {size}",
            )
            for size in (0, -1, 4)
        ),
        *(
            ((1, 1, eta), f"eta is a finite learning rate such as 3.0; received {eta}")
            for eta in (float("nan"), float("inf"), -float("inf"))
        ),
    ],
)
def test_settings_that_cannot_be_trained_with_are_refused(twin, settings, said):
    net = twin.start(initial_parameters((2, 3, 1), 0))
    before = fingerprint(net)
    data = twin.examples(np.zeros((2, 3)), np.ones((1, 3)))
    assert refusal(net.SGD, data, *settings) == f"ValueError: {said}"
    assert fingerprint(net) == before


@both
def test_an_eta_that_is_not_finite_is_refused_for_a_single_step(twin):
    net = twin.start(initial_parameters((2, 3, 1), 0))
    pair = twin.native(np.zeros((2, 1))), twin.native(np.zeros((1, 1)))
    assert refusal(net.update_mini_batch, pair, float("nan")) == (
        "ValueError: eta is a finite learning rate such as 3.0; received nan"
    )


@both
def test_data_of_the_wrong_kind_are_refused(twin):
    net = twin.start(initial_parameters((2, 3, 4), 0))
    x, digits, y = np.zeros((2, 3)), np.array([0, 1, 2]), np.zeros((4, 3))
    nothing = "ValueError: there are no examples in the data; expected at least one pair (x, y)"
    assert refusal(net.SGD, [], 1, 1, 1.0) == nothing
    assert refusal(net.update_mini_batch, [], 1.0) == nothing
    assert refusal(net.evaluate, iter([])) == nothing
    assert refusal(net.SGD, twin.examples(x, digits), 1, 1, 1.0) == (
        "ValueError: training data pairs every input with 4 desired outputs; received digits: use "
        "the first of what load_data_wrapper returns, or vectorized_result"
    )
    for wrong, shape in ((y, (3, 4)), (digits[:0], (0,))):
        assert refusal(net.evaluate, twin.examples(x[:, : len(wrong.T)], wrong)) == (
            "ValueError: test data pairs every input with its digit and has one example or more; "
            f"received digits of shape {shape}: use what load_data_wrapper returns second or third"
        )


@both
def test_pairs_of_two_lengths_are_refused_not_cut(twin):
    """A `zip` that is silently as long as its shortest would train on less."""
    net = twin.start(initial_parameters((2, 3, 4), 0))
    pairs = [(np.zeros((2, 1)), np.zeros((4, 1))), (np.zeros((2, 1)),)]
    with pytest.raises(ValueError, match=r"not enough values|is shorter"):
        net.SGD(pairs, 1, 1, 1.0)
