"""The main job, both backends side by side, and the benchmark: what is timed is what is proved."""

import multiprocessing
import time
from types import SimpleNamespace

import numpy as np
import pytest

from compare.difference import Link, Proof, Verdict
from model.initial import initial_parameters
from model.mnist_files import describe
from model.parameters import Parameters
from reference.network import Network
from scripts import benchmark, processes, reproduce
from scripts.book_loop import BookLoop
from scripts.command_line import Settings, load_examples
from scripts.side_by_side import Trained, table, train_both, verdict
from scripts.timing import BOOK, check_equal, contestants, interleaved, ratio
from scripts.timing import table as markdown

BEGIN = initial_parameters([784, 2, 10], 0)
READ = {"numpy": np.array([1, 2]), "torch": np.array([1, 3]), "labels": np.array([1, 2])}


def trained(numpy="ab", torch="ab"):
    """Two runs with these fingerprints, a letter for each epoch."""
    accuracy = {"validation": [9], "validation_of": 10, "test": 8, "test_of": 10}
    made = Parameters(BEGIN.sizes, BEGIN.weights, BEGIN.biases, {"accuracy": accuracy})
    return {
        "numpy": Trained(list(numpy), 1.0, made), "torch": Trained(list(torch), 2.0, made)
    }  # fmt: skip


def test_main_job_proves_both_backends_equal(digits_folder, capsys):
    assert reproduce.main(["--quick", "--data", str(digits_folder)]) == 0
    out, err = capsys.readouterr()
    assert "equal after each of 2 epochs" in out
    assert "PROVED" in out
    assert "not MNIST" in out
    shown = [line.split("  ")[0] for line in err.splitlines()[1:]]
    epochs = sorted(line for line in shown if "epoch" in line)
    assert epochs == [f"{name}: epoch {k}/2" for name in ("numpy", "torch") for k in (1, 2)]
    assert "proof: training" in shown


def test_a_difference_is_said_in_words_and_ends_the_main_job_with_status_1(
    monkeypatch, digits_folder, capsys
):
    assert verdict(trained("abc", "abc")) == "Fingerprints: equal after each of 3 epochs."
    assert verdict(trained("abc", "axc")) == "Fingerprints: DIFFER from epoch 2."
    proof = Proof("torch_impl", (Link("forward", Verdict.EQUAL, "fine"),))
    both = {**trained("ab", "ax"), "proof": proof}
    monkeypatch.setattr(reproduce, "train_both", lambda *_: both)
    assert reproduce.main(["--quick", "--data", str(digits_folder)]) == 1
    assert "DIFFER from epoch 2" in capsys.readouterr().out


def test_table_shows_both_runs_how_images_are_read_and_knows_the_shipped_network():
    shipped = initial_parameters([784, 2, 10], 1)
    lines = table(trained(), shipped, READ, "cpu").split("\n")
    assert lines[0].split() == ["NumPy", "PyTorch,", "cpu"]
    assert lines[-3] == "shipped model   100.00 %           50.00 %"
    assert lines[-1] == "Shipped model: 1 of 2 test images read alike."
    assert max(map(len, lines)) <= 60
    same = trained([shipped.fingerprint], [shipped.fingerprint])
    assert "trained again to the last bit" in table(same, shipped, READ, "cpu")


def test_it_is_refused_before_any_training(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(reproduce, "train_both", lambda *_: pytest.fail("trained"))
    for options, line in [
        (["--device", "tpu"], "error: device is cpu, cuda or cuda:N; received 'tpu'"),
        (["--data", str(tmp_path / "nowhere")], f"error: {tmp_path}/nowhere: no such file or "),
    ]:
        assert reproduce.main(["--quick", *options]) == 2
        err = capsys.readouterr().err
        assert err.startswith(line)
        assert err.count("\n") == 1


# --- In a process each ----------------------------------------------------------------------------


def test_only_the_pytorch_network_goes_to_the_device_and_its_error_is_raised_here(digits_folder):
    with pytest.raises(ValueError, match=r"^device is cpu, cuda or cuda:N; received 'tpu'$"):
        train_both(Settings(device="tpu", epochs=1), BEGIN, describe(digits_folder), print)
    assert multiprocessing.active_children() == []


def test_a_training_process_that_is_killed_is_noticed_and_the_other_ended(digits_folder):
    def kill(backend, done, text):
        for process in multiprocessing.active_children()[:1]:  # none, where all have ended by now
            process.kill()

    begun = time.monotonic()
    with pytest.raises(ChildProcessError, match=r"^a process was ended from outside$"):
        train_both(Settings(epochs=100_000), BEGIN, describe(digits_folder), kill)
    assert multiprocessing.active_children() == []
    assert time.monotonic() - begun < 60


def test_what_is_told_is_heard_and_what_fails_stops_all():
    told, jobs = [], {name: (processes.tell, name) for name in "abc"}
    assert processes.run_all(jobs, None, told.append, 2) == dict.fromkeys("abc")
    assert sorted(told) == ["a", "b", "c"]
    begun, jobs = time.monotonic(), {"long": (time.sleep, 60), "wrong": (int, "three")}
    with pytest.raises(ValueError, match="invalid literal for int"):
        processes.run_all(jobs, None, print, 2)
    assert multiprocessing.active_children() == []
    assert time.monotonic() - begun < 60


# --- The benchmark --------------------------------------------------------------------------------


def test_book_loop_takes_the_steps_of_the_reference(digits_folder):
    start = initial_parameters([784, 5, 10], 0)
    data = load_examples(describe(digits_folder), "numpy")[0]
    loop, net = BookLoop(start), Network.from_parameters(start)
    for one, trained in ((loop, list(data)), (net, data)):
        one.SGD(trained, 1, 10, 3.0, rng=np.random.default_rng(3), on_epoch=lambda *_: None)
    assert not np.array_equal(loop.weights[0], start.weights[0])
    for ours, books in zip([*net.weights, *net.biases], [*loop.weights, *loop.biases], strict=True):
        np.testing.assert_allclose(ours, books, rtol=0, atol=1e-11)


def test_every_contestant_trains_the_examples_asked_for(digits_folder):
    start = initial_parameters([784, 5, 10], 0)
    found = contestants(start, describe(digits_folder), "cpu", 50)
    assert [*found][:4] == [BOOK, *(f"{one}float64{how}" for one, how in (
        ("numpy ", ""), ("torch ", ""), ("torch ", ", step by step")))]  # fmt: skip
    assert all(len(one.data) == 50 and min(one.epoch()) > 0 for one in found.values())


def test_what_is_not_one_network_is_not_timed(digits_folder):
    start = initial_parameters([784, 5, 10], 0)
    found = contestants(start, describe(digits_folder), "cpu", 50)
    assert len(check_equal(found)) == 16
    found["numpy fixed-point"].net.weights[1][0, 0] += 2.0**-21
    with pytest.raises(ValueError, match="nothing is timed, for these are not one network: "):
        check_equal(found)


def test_rounds_are_interleaved_and_ratios_are_medians_round_by_round():
    order = []

    def contestant(name):
        return SimpleNamespace(epoch=lambda: order.append(name) or (1.0, 0.5))

    told = lambda done, name: order.append((done, name))  # noqa: E731
    times = interleaved({"a": contestant("a"), "b": contestant("b")}, 2, told)
    assert order == ["a", (1, "a"), "b", (2, "b"), "a", (3, "a"), "b", (4, "b")]
    assert times == {"a": [(1.0, 0.5)] * 2, "b": [(1.0, 0.5)] * 2}
    assert ratio([(2.0, 0), (40.0, 0), (3.0, 0)], [(1.0, 9), (10.0, 9), (1.0, 9)]) == 3.0
    with pytest.raises(ValueError, match="zip"):
        ratio([(1.0, 1.0)], [(1.0, 1.0)] * 2)
    times = {BOOK: [(8.0, 7.0)], "numpy float32": [(1.0, 0.9)]}
    lines = markdown({**times, "torch float32, step by step on cuda": [(4.0, 3.0)]}).split("\n")
    assert lines[3] == "| numpy float32 | 1.000 | 0.900 | 8.0 |  |"
    assert lines[4] == "| torch float32, step by step on cuda | 4.000 | 3.000 | 2.0 | 4.0 |"


def test_more_examples_than_there_are_are_refused(digits_folder, capsys):
    assert benchmark.main(["--data", str(digits_folder), "--examples", "501"]) == 2
    line = "error: --examples 501: the training data have 500: ask for fewer"
    assert capsys.readouterr().err.splitlines()[-1] == line


def test_benchmark_prints_its_table(digits_folder, capsys):
    arguments = ["--data", str(digits_folder), "--rounds", "1", "--examples", "20"]
    assert benchmark.main(arguments) == 0
    printed = capsys.readouterr()
    assert printed.out.count("\n|") == 11
    assert "All in fixed-point have the fingerprint" in printed.out
    assert "not MNIST" in printed.err
    assert "timing: epoch 10/10  torch fixed-point, step by step" in printed.err
