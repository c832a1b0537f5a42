"""The benchmark: what is timed is what is proved, and the table says what was measured."""

import numpy as np
import pytest

from model.initial import initial_parameters
from model.mnist_files import find_mnist
from reference.network import Network
from scripts import benchmark
from scripts.book_loop import BookLoop
from scripts.command_line import load_examples
from scripts.timing import BOOK, contestants, interleaved, ratio, table


def test_book_loop_takes_the_steps_of_the_reference(digits_folder):
    start = initial_parameters([784, 5, 10], 0)
    data = load_examples(find_mnist(digits_folder), "numpy")[0]
    loop, net = BookLoop(start), Network.from_parameters(start)
    loop.train_epoch(list(data), np.random.default_rng(3).permutation(len(data)), 10, 3.0)
    net.SGD(data, 1, 10, 3.0, rng=np.random.default_rng(3), on_epoch=lambda *_: None)
    for ours, books in zip([*net.weights, *net.biases], [*loop.weights, *loop.biases], strict=True):
        np.testing.assert_allclose(ours, books, rtol=0, atol=1e-11)


def test_book_loop_is_not_the_initial_network(digits_folder):
    start = initial_parameters([784, 5, 10], 0)
    loop = BookLoop(start)
    data = load_examples(find_mnist(digits_folder), "numpy")[0]
    loop.update_mini_batch(list(data)[:10], 3.0)
    assert not np.array_equal(loop.weights[0], start.weights[0])


def test_every_contestant_trains_the_examples_asked_for(digits_folder):
    start = initial_parameters([784, 5, 10], 0)
    epochs = contestants(start, find_mnist(digits_folder), "cpu", 50)
    assert [[*epochs][k] for k in (0, 1, -1)] == [BOOK, "numpy float64", "torch fixed-point"]
    assert all(epoch() > 0 for epoch in epochs.values())


def test_rounds_are_interleaved():
    order = []

    def epoch(name):
        return lambda: order.append(name) or 1.0

    seconds = interleaved({"a": epoch("a"), "b": epoch("b")}, range(2))
    assert order == ["a", "b", "a", "b"]
    assert seconds == {"a": [1.0, 1.0], "b": [1.0, 1.0]}


def test_ratio_is_the_median_of_the_ratios_of_each_round():
    assert ratio([2.0, 40.0, 3.0], [1.0, 10.0, 1.0]) == 3.0
    with pytest.raises(ValueError, match="zip"):
        ratio([1.0], [1.0, 2.0])


def test_table_compares_with_the_book_and_with_the_twin():
    seconds = {BOOK: [8.0], "numpy float32": [1.0], "torch float32 on cuda": [4.0]}
    lines = table(seconds).split("\n")
    assert lines[3] == "| numpy float32 | 1.000 | 8.0 |  |"
    assert lines[4] == "| torch float32 on cuda | 4.000 | 2.0 | 4.0 |"


def test_benchmark_prints_its_table(digits_folder, capsys):
    arguments = ["--data", str(digits_folder), "--rounds", "1", "--examples", "20"]
    assert benchmark.main(arguments) == 0
    printed = capsys.readouterr()
    assert printed.out.count("\n|") == 8
    assert "not MNIST" in printed.err
