"""The specification, docs/arithmetic.md, is what both twins do, to the last bit.

Of this project's folders only the twins and what they import, so that this runs wherever they do.
In floating point the twins are held within derived bounds in tests/compare/test_links.py.
"""

import decimal
import importlib.util
import itertools
import os
import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from model.initial import initial_parameters
from model.parameters import Parameters
from tests.twin import TWINS, Twin, drawn, refusal

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "arithmetic.md").read_text(encoding="utf-8")
spec = importlib.util.spec_from_file_location("plain_python", ROOT / "docs" / "arithmetic.py")
plain = importlib.util.module_from_spec(spec)
spec.loader.exec_module(plain)
on_cuda = pytest.param(Twin("torch_impl", "cuda"), marks=pytest.mark.cuda)
everywhere = pytest.mark.parametrize("twin", [*TWINS, on_cuda], ids=repr)


# --- The page and its plain Python --------------------------------------------------------------


def table(head):
    """The cells below the only table of the page that begins with this."""
    [rows] = re.findall(rf"^\| {re.escape(head)}.*\n\|[-|]+\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    return [[cell.strip(" `") for cell in row.strip("|").split("|")] for row in rows.splitlines()]


def runs():
    """The two tables of fingerprints: without data, and on MNIST."""
    found = re.findall(r"^\| after .*\n\|[-|]+\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    return [dict(re.findall(r"\| (.+?) \| `(\w{64})` \|", rows)) for rows in found]


def sums_are_exact(sizes, m, f, g):
    """Whether the largest are integers up to 2**53 in units of their grid.

    A weight is below 2**6 and a delta below 1; pixels are multiples of 2**-8.
    """
    zs = [(n + 1) * 2 ** (6 + f + (f if k else 8)) for k, n in enumerate(sizes[:-1])]
    back = [n * 2 ** (6 + f + g) for n in sizes[2:]]
    return max(*zs, *back, m * 2 ** (g + f)) <= 2**53


def test_the_formats_are_those_of_the_page_and_the_finest_whose_largest_sums_are_exact():
    for row in table("sizes"):
        sizes, (m, f, g) = [int(n) for n in row[0].split("-")], map(int, row[1:])
        assert plain.formats(sizes, m) == (f, g)
        for twin in TWINS:
            assert twin.arithmetic.parameter_bits(sizes) == f
            assert twin.arithmetic.delta_bits(sizes, f, m) == g
        assert sums_are_exact(sizes, m, f, g)
        assert not sums_are_exact(sizes, m, f, g + 1)
        assert not sums_are_exact(sizes, 1, f + 1, 0)


def test_the_rounding_sigmoid_and_orders_are_those_of_the_page():
    for v, rounded in table("v *"):
        assert plain.grid(float(v) * 2.0**-21, 21) * 2**21 == float(rounded)
        for twin in TWINS:
            on_grid = twin.arithmetic.on_grid(twin.array([float(v) * 2.0**-21]), 2.0**21)
            assert on_grid.item() * 2**21 == float(rounded)
    for *row, rounded in table("z |"):
        z, e, a = map(float.fromhex, row)
        assert (plain.exp(-z), 1 / (1 + e)) == (e, a)
        assert plain.sigmoid(z, 21) * 2**21 == int(rounded)
    for seed, n, *orders in table("seed"):
        drawn = plain.permutations(int(seed), int(n))
        for order in orders:
            assert next(drawn) == [int(k) for k in order.split()]


def made_up():
    """The start and the examples of the run without data."""
    sizes = [16, 5, 3]
    layers = list(enumerate(itertools.pairwise(sizes)))
    weights = [
        [[((7 * i + 13 * j + 5 * n) % 17 - 8) / 8 for j in range(before)] for i in range(units)]
        for n, (before, units) in layers
    ]
    biases = [[((3 * i + n) % 5 - 2) / 4 for i in range(units)] for n, (_, units) in layers]
    x = [[(31 * k + 17 * j) % 256 / 256 for j in range(16)] for k in range(30)]
    y = [[float(digit == k % 3) for digit in range(3)] for k in range(30)]
    return sizes, weights, biases, x, y


def test_plain_python_trains_to_the_fingerprints_of_the_page():
    sizes, weights, biases, x, y = made_up()
    seen = {"the start": plain.fingerprint(sizes, weights, biases)}
    names = {(0, 0): "1 step", (0, 28): "1 epoch", (39, 28): "40 epochs"}
    for epoch, order in enumerate(itertools.islice(plain.permutations(5, 30), 40)):
        for k in range(0, 30, 7):
            mini_batch = [(x[i], y[i]) for i in order[k : k + 7]]
            plain.update_mini_batch(weights, biases, mini_batch, 3.0)
            if (epoch, k) in names:
                seen[names[epoch, k]] = plain.fingerprint(sizes, weights, biases)
    assert seen == runs()[0]


# --- The twins ----------------------------------------------------------------------------------


def lists(net):
    """The weights and biases of a twin as plain Python has them."""
    weights, biases = net.export()
    return [w.tolist() for w in weights], [b[:, 0].tolist() for b in biases]


def test_plain_python_and_both_twins_take_the_same_sigmoid_and_order_everywhere():
    """An exp that is right to a rounding or two."""
    z = [*np.linspace(-39.9, 39.9, 1501), *np.random.default_rng(1).uniform(-45, 45, 5000)]
    exps = [plain.exp(v) for v in z]
    for twin in TWINS:
        exact, v = twin.exact_sigmoid, twin.array(z)
        assert exact.exp(v).tolist() == exps
        assert exact.exact_sigmoid(-v).tolist() == [1 / (1 + e) for e in exps]
        rounded = twin.arithmetic.rounded_sigmoid(v, 2.0**21)
        assert rounded.tolist() == [plain.sigmoid(v, 21) for v in z]
    with decimal.localcontext(prec=60):
        for v, e in zip(z[:1501], exps, strict=False):
            assert abs(Decimal(e) / Decimal(v).exp() - 1) < 1.5 * 2.0**-52
    for seed in (0, 1, 2**63 - 1):
        rng, orders = np.random.default_rng(seed), plain.permutations(seed, 999)
        for _ in range(2):
            assert rng.permutation(999).tolist() == next(orders)


@pytest.mark.parametrize("seed", range(40))
def test_plain_python_and_both_twins_take_the_same_steps_whatever_the_network(seed):
    """Errors as well."""
    rng = np.random.default_rng(seed)
    sizes, m = tuple(rng.integers(1, 10, rng.integers(2, 6)).tolist()), int(rng.integers(1, 10))
    nets, (x, y) = [twin.start(initial_parameters(sizes, seed)) for twin in TWINS], drawn(sizes, m)
    expected, mini_batch = lists(nets[0]), list(zip(x.T.tolist(), y.T.tolist(), strict=True))
    for eta in (*rng.uniform(-20, 20, 2), 900 * (-1) ** seed):
        told = [
            refusal(net.update_mini_batch, (twin.native(x), twin.native(y)), eta)
            for twin, net in zip(TWINS, nets, strict=True)
        ]
        plain.update_mini_batch(*expected, mini_batch, eta)
        assert told[0] == told[1]
        if told[0]:  # plain Python keeps to no range
            assert "overflow" in told[0]
            expected = lists(nets[0])
        assert [*map(lists, nets)] == [expected, expected]


def trained():
    """The fingerprints of both: mini-batches with enough work to be shared among threads."""
    sizes = (784, 64, 10)
    return [twin.sgd(twin.start(sizes), *drawn(sizes, 1100), 2, 512, 3.0) for twin in TWINS]


def test_the_number_of_threads_changes_no_bit():
    """BLAS reads its number of threads when it is loaded, so another has a process."""
    number = "2" if torch.get_num_threads() == 1 else "1"
    names = ("OMP", "OPENBLAS", "MKL", "VECLIB_MAXIMUM", "BLIS")
    environment = os.environ | {f"{name}_NUM_THREADS": number for name in names}
    code = "import tests.test_specification as t; print(t.torch.get_num_threads(), t.trained())"
    run = [sys.executable, "-c", code]
    told = subprocess.check_output(run, cwd=ROOT, env=environment, text=True)
    ours, theirs = here = trained()
    assert told == f"{number} {here}\n"
    assert ours == theirs


@everywhere
def test_both_twins_train_to_the_fingerprints_of_the_page(twin):
    sizes, weights, biases, x, y = made_up()
    columns = [np.array([b]).T for b in biases]
    start = SimpleNamespace(sizes=sizes, weights=list(map(np.array, weights)), biases=columns)
    told = twin.sgd(twin.start(start), np.array(x).T, np.array(y).T, 40, 7, 3.0, seed=5)
    assert told[0::39] == [runs()[0][name] for name in ("1 epoch", "40 epochs")]


@everywhere
@pytest.mark.mnist
def test_plain_python_takes_the_first_step_on_mnist_and_both_twins_the_first_epoch(twin, mnist):
    start, expected = Parameters.load(ROOT / "model" / "initial.json"), runs()[1]
    assert start.fingerprint == expected["the start as it is filed"]
    assert Parameters.load(ROOT / "model" / "train.json").fingerprint == expected["30 epochs"]
    net, seed = twin.start(start), start.metadata["seed"]
    rounded = lists(net)
    assert plain.fingerprint(start.sizes, *rounded) == expected["the start, rounded"]
    training, _, test = twin.mnist_loader.load_data_wrapper(mnist)
    numbers = next(plain.permutations(seed, len(training)))[:10]
    assert ", ".join(map(str, numbers[:9])) + f" and {numbers[9]}" in " ".join(PAGE.split())
    mini_batch = [(training.x[i].tolist(), training.y[i].tolist()) for i in numbers]
    plain.update_mini_batch(*rounded, mini_batch, 3.0)
    assert plain.fingerprint(start.sizes, *rounded) == expected["1 step"]
    net.SGD(training, 1, 10, 3.0, rng=np.random.default_rng(seed))
    assert plain.fingerprint(start.sizes, *lists(net)) == expected["1 epoch"]
    assert net.evaluate(test) > 8_500  # of 10,000
