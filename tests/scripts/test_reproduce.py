"""The main job: both backends trained side by side, compared after every epoch, and proved."""

import queue

import numpy as np
import pytest

from model.initial import initial_parameters
from scripts import reproduce, side_by_side
from scripts.side_by_side import News, Trained, first_difference, listen, table, verdict
from scripts.training import Settings


class Process:
    """A process that has ended, or not."""

    def __init__(self, exitcode):
        self.exitcode = exitcode


def sent(*items):
    """A queue that holds these items."""
    result = queue.Queue()
    for item in items:
        result.put(item)
    return result


def trained(numpy="ab", torch="ab"):
    """Two runs with these fingerprints, a letter for each epoch."""
    parameters = initial_parameters([784, 2, 10], 0)
    accuracy = {"validation": [9], "validation_of": 10, "test": 8, "test_of": 10}
    parameters.metadata["accuracy"] = accuracy
    return {
        "numpy": Trained(list(numpy), 1.0, parameters),
        "torch": Trained(list(torch), 2.0, parameters),
    }


READ = {"numpy": np.array([1, 2]), "torch": np.array([1, 3]), "labels": np.array([1, 2])}


def test_main_job_proves_both_backends_equal(digits_folder, capsys):
    assert reproduce.main(["--quick", "--data", str(digits_folder)]) == 0
    printed = capsys.readouterr().out
    assert "equal after each of 2 epochs" in printed
    assert "PROVED" in printed
    assert "not MNIST" in printed


def test_first_difference_is_the_epoch_counted_from_one():
    assert first_difference(trained("abc", "abc")) is None
    assert first_difference(trained("abc", "axc")) == 2


def test_a_difference_is_said_in_words():
    assert verdict(trained("ab", "ab")) == "equal after each of 2 epochs"
    assert verdict(trained("ab", "ax")) == "DIFFER from epoch 2"


def test_a_difference_ends_the_main_job_with_status_1(monkeypatch, digits_folder, capsys):
    monkeypatch.setattr(reproduce, "train_both", lambda *_: trained("ab", "ax"))
    assert reproduce.main(["--quick", "--data", str(digits_folder)]) == 1
    assert "DIFFER from epoch 2" in capsys.readouterr().out


def test_table_shows_both_runs_and_how_many_images_are_read_alike():
    lines = table(trained(), initial_parameters([784, 2, 10], 1), READ, "cpu").split("\n")
    assert lines[0].split() == ["NumPy", "PyTorch,", "cpu"]
    assert lines[-1].endswith("1 of 2 test images read alike")
    assert "100.00 %" in lines[-1]
    assert "50.00 %" in lines[-1]


def test_table_knows_the_shipped_network_when_it_meets_it():
    shipped = initial_parameters([784, 2, 10], 1)
    same = trained(shipped.fingerprint, shipped.fingerprint)
    for one in same.values():
        one.fingerprints = [shipped.fingerprint]
    assert "trained again to the last bit" in table(same, shipped, READ, "cpu")


def test_an_error_in_a_training_process_is_raised_here():
    news = sent(News("torch", error=ValueError("eta is wrong")))
    with pytest.raises(ValueError, match="eta is wrong"):
        listen(news, [Process(None)], 1, lambda _: None)


def test_a_training_process_that_is_killed_is_noticed(monkeypatch):
    monkeypatch.setattr(side_by_side, "POLL_SECONDS", 0.01)
    with pytest.raises(ChildProcessError, match="a training process was ended from outside"):
        listen(sent(), [Process(-9)], 1, lambda _: None)


def test_news_of_both_is_collected_in_order():
    items = [News("numpy", 1, "a"), News("torch", 1, "b"), News("numpy", 2, "c", seconds=3.0)]
    seen = []
    both = listen(sent(*items, News("torch", 2, "d")), [Process(None)], 2, seen.append)
    assert both["numpy"].fingerprints == ["a", "c"]
    assert both["torch"].fingerprints == ["b", "d"]
    assert both["numpy"].seconds == 3.0
    assert len(seen) == 4


def test_a_failing_start_is_one_line_and_status_2(digits_folder, capsys, tmp_path):
    assert reproduce.main(["--data", str(tmp_path / "nowhere")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "nowhere" in error


def test_only_the_pytorch_network_goes_to_the_device():
    settings = Settings(device="cuda")
    assert side_by_side.for_backend(settings, "numpy").device == "cpu"
    assert side_by_side.for_backend(settings, "torch").device == "cuda"


def test_a_device_that_is_not_there_is_refused_before_any_training(capsys, monkeypatch):
    monkeypatch.setattr(reproduce, "train_both", lambda *_: pytest.fail("trained"))
    assert reproduce.main(["--quick", "--device", "tpu"]) == 2
    assert capsys.readouterr().err == "error: device is cpu, cuda or cuda:N; received 'tpu'\n"
