"""The report claims what the file and the records say, and nothing else."""

import pytest

from model import report


class Trained:
    metadata = {  # noqa: RUF012
        "epochs": 30,
        "mini_batch_size": 10,
        "eta": 3.0,
        "arithmetic": "fixed-point",
        "accuracy": {
            "validation": [9000, 9400],
            "validation_of": 10000,
            "test": 9410,
            "test_of": 10000,
        },
    }


class Unknown:
    metadata = {"cost": "CrossEntropyCost"}  # noqa: RUF012


def told(parameters, records):
    return dict(report.sections(parameters, records))


def test_training_is_told_as_the_file_has_it(records_of):
    network = told(Trained, records_of(3))["The network"]
    assert network[-2] == (
        "It was trained for 30 epochs of stochastic gradient descent on the quadratic cost, with "
        "mini-batches of 10 and a learning rate eta of 3.0, in fixed-point arithmetic."
    )
    assert network[-1] == "After training it recognised 9,410 of 10,000 test images (94.10 %)."


def test_a_file_that_does_not_say_how_it_was_trained_is_not_guessed_at(records_of):
    network = told(Unknown, records_of(3))["The network"]
    assert network[-1] == "How it was trained, its file does not say."
    assert "quadratic" not in " ".join(network)


def test_what_was_recognised_is_what_the_records_counted(records_of):
    records = records_of(3)
    sentence = told(Trained, records)["The network"][1]
    share = f"({100 * records.correct / 120:.2f} %)"
    assert sentence.endswith(f"the network recognises {records.correct} {share}.")
    assert len(told(Unknown, records_of(3, ablated=False))["The network"]) == 2


def test_the_rule_is_told_with_its_own_thresholds(records_of):
    rule = told(Trained, records_of(3))["How a neuron gets its role"]
    assert rule[0] == "Fires on less than 2 % or more than 98 % of the images: idle."
    assert "20 bootstrap resamples" in rule[-1]


def test_an_unknown_start_is_said(records_of):
    method = told(Trained, records_of(3, start=False))["How it was measured"]
    assert method[-1].startswith("The start of this network is not at hand")


def test_the_history_is_of_validation():
    assert report.history(Trained.metadata) == ([9000, 9400], 10000)


@pytest.mark.parametrize(
    "accuracy",
    [None, 0.94, [1, 2], {}, {"validation": ["a"], "validation_of": 1}, {"validation": [1]}],
)
def test_other_peoples_accuracies_are_left_alone(accuracy):
    assert report.history({"accuracy": accuracy}) == ([], 0)


def test_the_small_print_names_images_model_and_what_must_be_repeated(records_of):
    notice = "synthetic digits, not MNIST (no file (at all)): accuracy on them is not MNIST's"
    note = report.note(records_of(3), "test", "train.json", "0123456789abcdef", notice)
    assert note == (
        "120 test images; train.json, fingerprint 0123456789ab; "
        "synthetic digits, not MNIST: accuracy on them is not MNIST's"
    )
    assert report.note(records_of(3), "test", "a", "b", "").endswith("fingerprint b")
