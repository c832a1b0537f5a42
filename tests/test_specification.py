"""The specification, docs/arithmetic.md, is what both twins do: its vectors, its plain Python.

Of this project's folders only the twins and what they import, so that this runs wherever they do.
"""

import importlib.util
import itertools
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from model.parameters import Parameters
from tests.twin import TWINS, both, silent

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "arithmetic.md").read_text(encoding="utf-8")
spec = importlib.util.spec_from_file_location("plain_python", ROOT / "docs" / "arithmetic.py")
plain = importlib.util.module_from_spec(spec)
spec.loader.exec_module(plain)


# --- The page and its plain Python --------------------------------------------------------------


def table(head):
    """The cells below the only table of the page that begins with this."""
    [rows] = re.findall(rf"^\| {re.escape(head)}.*\n\|[-|]+\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    return [[cell.strip(" `") for cell in row.strip("|").split("|")] for row in rows.splitlines()]


def runs():
    """The two tables of fingerprints: without data, and on MNIST."""
    found = re.findall(r"^\| after .*\n\|[-|]+\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    return [dict(re.findall(r"\| (.+?) \| `(\w{64})` \|", rows)) for rows in found]


def test_the_formats_rounding_sigmoid_and_orders_are_those_of_the_page():
    for sizes, m, *formats in table("sizes"):
        assert plain.formats([int(n) for n in sizes.split("-")], int(m)) == (*map(int, formats),)
    for v, rounded in table("v *"):
        assert plain.grid(float(v) * 2.0**-21, 21) * 2**21 == float(rounded)
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
    z = np.random.default_rng(1).uniform(-45, 45, 5000)
    for bits in (21, 53):  # with 53 nothing is decided by a platform's own exp
        expected = [plain.sigmoid(v, bits) for v in z.tolist()]
        for twin in TWINS:
            found = twin.arithmetic.rounded_sigmoid(twin.array(z), 2.0**bits)
            assert found.tolist() == expected
    for seed in (0, 1, 2**63 - 1):
        rng, orders = np.random.default_rng(seed), plain.permutations(seed, 999)
        for _ in range(2):
            assert rng.permutation(999).tolist() == next(orders)


@both
@pytest.mark.parametrize("sizes", [(20, 6, 5, 4), (5, 3)])
def test_both_twins_take_the_step_of_plain_python(twin, sizes):
    rng = np.random.default_rng(6)
    x, y = rng.integers(0, 256, (10, sizes[0])) / 256, np.eye(sizes[-1])[[0, 1, 2, 0, 1] * 2]
    net = twin.Network(sizes, twin.kept("FixedPoint"), rng)
    weights, biases = lists(net)
    plain.update_mini_batch(weights, biases, list(zip(x.tolist(), y.tolist(), strict=True)), 3.0)
    net.update_mini_batch((twin.native(x.T), twin.native(y.T)), 3.0)
    assert lists(net) == (weights, biases)


@both
def test_both_twins_train_to_the_fingerprints_of_the_page(twin):
    sizes, weights, biases, x, y = made_up()
    columns = [np.array([b]).T for b in biases]
    start = SimpleNamespace(sizes=sizes, weights=list(map(np.array, weights)), biases=columns)
    told = twin.sgd(twin.start(start), np.array(x).T, np.array(y).T, 40, 7, 3.0, seed=5)
    assert told[0::39] == [runs()[0][name] for name in ("1 epoch", "40 epochs")]


@both
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
    net.SGD(training, 1, 10, 3.0, rng=np.random.default_rng(seed), on_epoch=silent)
    assert plain.fingerprint(start.sizes, *lists(net)) == expected["1 epoch"]
    assert net.evaluate(test) > 8_500  # of 10,000
