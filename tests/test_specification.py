"""The specification, docs/arithmetic.md, is what both twins do: its vectors, its plain Python.

Of this project's folders only the twins are imported, so that this runs wherever they do.
"""

import importlib.util
import itertools
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import reference.arithmetic
import reference.network
import torch_impl.arithmetic
import torch_impl.network
from reference.mnist_loader import load_data_wrapper

DOCS = Path(__file__).parent.parent / "docs"
PAGE = (DOCS / "arithmetic.md").read_text(encoding="utf-8")


spec = importlib.util.spec_from_file_location("plain_python", DOCS / "arithmetic.py")
plain = importlib.util.module_from_spec(spec)
spec.loader.exec_module(plain)


def table(head):
    """The cells below the only table of the page that begins with this."""
    [rows] = re.findall(rf"^\| {re.escape(head)}.*\n\|[-|]+\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    return [[cell.strip(" `") for cell in row.strip("|").split("|")] for row in rows.splitlines()]


def runs():
    """The two tables of fingerprints: without data, and on MNIST."""
    found = re.findall(r"^\| after .*\n\|[-|]+\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    return [dict(re.findall(r"\| (.+?) \| `(\w{64})` \|", rows)) for rows in found]


def test_the_formats_are_those_of_the_reference_and_of_the_page():
    for sizes, m, f, g in table("sizes"):
        units, examples = [int(n) for n in sizes.split("-")], int(m)
        expected = int(f), int(g)
        assert plain.formats(units, examples) == expected
        assert reference.arithmetic.parameter_bits(units) == expected[0]
        assert reference.arithmetic.delta_bits(units, expected[0], examples) == expected[1]


def test_the_rounding_is_that_of_the_page():
    for v, rounded in table("v *"):
        assert plain.grid(float(v) * 2.0**-21, 21) * 2**21 == float(rounded)
        value = np.array([float(v) * 2.0**-21])
        assert reference.arithmetic.on_grid(value, 2.0**21) * 2**21 == float(rounded)


def sigmoids(z, bits):
    """What both twins make of these z, rounded to so many bits."""
    z = np.array(z)
    yield reference.arithmetic.rounded_sigmoid(z, 2.0**bits)
    yield torch_impl.arithmetic.rounded_sigmoid(torch.from_numpy(z.copy()), 2.0**bits).numpy()


def test_the_sigmoid_is_that_of_the_page_bit_for_bit():
    for row in table("z |"):
        z, e, a = map(float.fromhex, row[:3])
        assert plain.exp(-z) == e
        assert 1 / (1 + e) == a
        for rounded in (plain.sigmoid(z, 21), *sigmoids([z], 21)):
            assert rounded * 2**21 == int(row[3])


def test_plain_python_and_both_twins_take_the_same_sigmoid_and_order_everywhere():
    z = np.random.default_rng(1).uniform(-45, 45, 5000)
    for bits in (21, 53):  # with 53 nothing is decided by a platform's own exp
        expected = [plain.sigmoid(v, bits) for v in z.tolist()]
        ours, theirs = sigmoids(z, bits)
        assert ours.tolist() == theirs.tolist() == expected
    for seed in (0, 1, 2**63 - 1):
        rng, orders = np.random.default_rng(seed), plain.permutations(seed, 999)
        for _ in range(2):
            assert rng.permutation(999).tolist() == next(orders)


def test_the_orders_are_those_of_the_page():
    for seed, n, *orders in table("seed"):
        rng = np.random.default_rng(int(seed))
        for order in orders:
            assert rng.permutation(int(n)).tolist() == [int(k) for k in order.split()]


def lists(net):
    """The weights and biases of a twin as plain Python has them."""
    weights, biases = net.export()
    return [w.tolist() for w in weights], [b[:, 0].tolist() for b in biases]


def fingerprint(net):
    return plain.fingerprint(net.sizes, *lists(net))


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
    steps, epochs, orders = 0, 0, plain.permutations(5, 30)
    seen = {"the start": plain.fingerprint(sizes, weights, biases)}
    while epochs < 40:
        order = next(orders)
        for k in range(0, 30, 7):
            mini_batch = [(x[i], y[i]) for i in order[k : k + 7]]
            plain.update_mini_batch(weights, biases, mini_batch, 3.0)
            steps += 1
            if steps == 1:
                seen["1 step"] = plain.fingerprint(sizes, weights, biases)
        epochs += 1
        if epochs in (1, 40):
            name = f"{epochs} epoch{'s' * (epochs > 1)}"
            seen[name] = plain.fingerprint(sizes, weights, biases)
    assert seen == runs()[0]


@pytest.mark.parametrize("package", [reference, torch_impl])
@pytest.mark.parametrize("sizes", [(20, 6, 5, 4), (5, 3)])
def test_both_twins_take_the_step_of_plain_python(package, sizes):
    rng = np.random.default_rng(6)
    x, y = rng.integers(0, 256, (10, sizes[0])) / 256, np.eye(sizes[-1])[[0, 1, 2, 0, 1] * 2]
    net = package.network.Network(sizes, package.arithmetic.FixedPoint(), rng)
    weights, biases = lists(net)
    plain.update_mini_batch(weights, biases, list(zip(x.tolist(), y.tolist(), strict=True)), 3.0)
    net.update_mini_batch([(a[:, None], t[:, None]) for a, t in zip(x, y, strict=True)], 3.0)
    assert lists(net) == (weights, biases)


@pytest.mark.parametrize("package", [reference, torch_impl])
def test_both_twins_train_to_the_fingerprints_of_the_page(package):
    sizes, weights, biases, x, y = made_up()
    start = SimpleNamespace(
        sizes=sizes,
        weights=[np.array(w) for w in weights],
        biases=[np.array([b]).T for b in biases],
    )
    net = package.network.Network.from_parameters(start, package.arithmetic.FixedPoint())
    data = [(np.array([a]).T, np.array([t]).T) for a, t in zip(x, y, strict=True)]
    net.SGD(data, 40, 7, 3.0, rng=np.random.default_rng(5), on_epoch=lambda *_: None)
    assert fingerprint(net) == runs()[0]["40 epochs"]


@pytest.mark.mnist
def test_plain_python_takes_the_first_step_on_mnist_and_the_reference_the_first_epoch(mnist):
    from scripts.command_line import SHIPPED_MODEL, SHIPPED_START, Parameters

    start, expected = Parameters.load(SHIPPED_START), runs()[1]
    assert start.fingerprint == expected["the start as it is filed"]
    assert Parameters.load(SHIPPED_MODEL).fingerprint == expected["30 epochs"]
    net = reference.network.Network.from_parameters(start, reference.arithmetic.FixedPoint())
    rounded = lists(net)
    assert plain.fingerprint(start.sizes, *rounded) == expected["the start, rounded"]
    training = load_data_wrapper(mnist)[0]
    numbers = next(plain.permutations(start.metadata["seed"], len(training)))[:10]
    assert ", ".join(map(str, numbers[:9])) + f" and {numbers[9]}" in " ".join(PAGE.split())
    plain.update_mini_batch(
        *rounded, [(training.x[i].tolist(), training.y[i].tolist()) for i in numbers], 3.0
    )
    assert plain.fingerprint(start.sizes, *rounded) == expected["1 step"]
    rng = np.random.default_rng(start.metadata["seed"])
    net.SGD(training, 1, 10, 3.0, rng=rng, on_epoch=lambda *_: None)
    assert fingerprint(net) == expected["1 epoch"]
