"""Tuning in parts: what is tried, what the numbers mean, what is said about them."""

import argparse
import statistics
from pathlib import Path

import pytest

from scripts import tuning
from scripts.tuning import Configuration


def test_without_a_grid_the_three_of_the_seed_study_are_tried():
    assert [str(one) for one in tuning.asked_for(None, None, None, None)] == [
        "25 hidden, mini-batch 20, eta 3.0",
        "30 hidden, mini-batch 20, eta 2.5",
        "30 hidden, mini-batch 10, eta 3.0",
    ]


def test_a_grid_is_all_combinations():
    tried = tuning.asked_for([20, 30], [10, 20], [2.5, 3.0], None)
    assert len(tried) == len(set(tried)) == 8
    assert set(tried) == {
        Configuration(hidden, size, eta)
        for hidden in (20, 30)
        for size in (10, 20)
        for eta in (2.5, 3.0)
    }


@pytest.mark.parametrize(
    ("grid", "tried"),
    [
        (([30], None, None), [Configuration(30, 10, 3.0)]),
        ((None, [5, 6], None), [Configuration(20, 5, 3.0), Configuration(20, 6, 3.0)]),
        ((None, None, [0.5]), [Configuration(20, 10, 0.5)]),
    ],
)
def test_what_a_grid_leaves_out_is_what_the_seed_study_settled_on(grid, tried):
    assert tuning.asked_for(*grid, None) == tried


def test_single_ones_join_a_grid_and_none_is_tried_twice():
    single = [Configuration(30, 10, 3.0), Configuration(25, 20, 3.0), Configuration(30, 10, 3.0)]
    assert tuning.asked_for([25], [20], None, single) == single[:2]


def test_a_configuration_is_read_from_text():
    assert tuning.configuration("25,20,3.0") == Configuration(25, 20, 3.0)
    assert tuning.configuration("7, 1, 1e-2") == Configuration(7, 1, 0.01)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("25,20", "expected HIDDEN,MINI_BATCH_SIZE,ETA such as 25,20,3.0; received 25,20"),
        ("1,2,3,4", "expected HIDDEN,MINI_BATCH_SIZE,ETA such as 25,20,3.0; received 1,2,3,4"),
        ("", "expected HIDDEN,MINI_BATCH_SIZE,ETA such as 25,20,3.0; received "),
        ("x,20,3", "expected a whole number, 1 or more; received x"),
        ("25,0,3", "expected a whole number, 1 or more; received 0"),
        ("25,20,nan", "expected a finite number such as 3.0; received nan"),
    ],
)
def test_what_is_no_configuration_is_refused(text, line):
    with pytest.raises(argparse.ArgumentTypeError) as caught:
        tuning.configuration(text)
    assert str(caught.value) == line


def test_files_of_different_runs_have_different_names():
    configurations = tuning.asked_for([2, 25], [5, 52], [3.0, 3e-7, -3.0], None)
    names = {one.file_name(seed) for one in configurations for seed in (0, 1, 10)}
    assert len(names) == 12 * 3
    assert Configuration(25, 20, 3.0).file_name(1) == "hidden-25_mini-batch-20_eta-3.0_seed-1.json"


def test_the_spread_is_that_of_a_sample():
    # mean 5; squared distances 9 + 1 + 1 + 1 + 0 + 0 + 4 + 16 = 32, over n - 1 = 7
    assert tuning.spread([2, 4, 4, 4, 5, 5, 7, 9]) == {
        "mean": 5.0,
        "sd": pytest.approx((32 / 7) ** 0.5),
        "min": 2,
        "max": 9,
    }


def test_one_value_has_no_spread():
    assert tuning.spread([0.9]) == {"mean": 0.9, "sd": None, "min": 0.9, "max": 0.9}


def test_the_standard_error_of_a_difference_is_welchs():
    one, other = [1.0, 2.0, 3.0], [1.0, 5.0]  # variances 1 and 8
    assert tuning.standard_error(one, other) == pytest.approx((1 / 3 + 8 / 2) ** 0.5)
    assert tuning.standard_error([1.0], other) is None
    assert tuning.standard_error(one, [1.0]) is None


def made(name, *final):
    return {"name": name, "final": list(final), "accuracy": tuning.spread(final)}


@pytest.mark.parametrize(
    ("records", "best", "said"),
    [
        (
            [made("A", 0.90, 0.92), made("B", 0.95, 0.97), made("C", 0.80, 0.82)],
            1,
            "B: 96.00 % of the validation images on average, 5.00 points ahead of the next, more "
            "than luck (standard error 1.41)",
        ),
        (
            [made("A", 0.90, 0.92), made("B", 0.91, 0.93)],
            1,
            "B: 92.00 % of the validation images on average, 1.00 points ahead of the next, which "
            "may be luck (standard error 1.41)",
        ),
        (
            [made("A", 0.925, 0.945), made("B", 0.90, 0.92)],  # less than two standard errors
            0,
            "A: 93.50 % of the validation images on average, 2.50 points ahead of the next, which "
            "may be luck (standard error 1.41)",
        ),
        (
            [made("A", 0.92), made("B", 0.90)],
            0,
            "A: 92.00 % of the validation images on average, 2.00 points ahead of the next, which "
            "one seed cannot tell from luck",
        ),
        (
            [made("A", 0.92, 0.94)],
            0,
            "A: 93.00 % of the validation images on average, with nothing to compare it with",
        ),
        (
            [made("A", 0.92, 0.92), made("B", 0.92, 0.92)],
            0,
            "A: 92.00 % of the validation images on average, 0.00 points ahead of the next, which "
            "may be luck (standard error 0.00)",
        ),
    ],
)
def test_what_was_found_is_said_with_its_uncertainty(records, best, said):
    assert tuning.finding(records, best) == said


def test_the_best_mean_is_the_best_not_the_best_seed_and_of_equals_the_first():
    lucky, steady = made("A", 0.80, 0.99), made("B", 0.94, 0.95)
    assert tuning.best_of([lucky, steady]) == 1
    assert tuning.best_of([lucky, steady, steady]) == 1


def found(seeds=2, eta=3.0):
    finals = [[0.91, 0.93, 0.95][:seeds], [0.9999, 1.0, 1.0][:seeds]]
    records = [
        {
            "name": str(one),
            "hidden": one.hidden,
            "mini_batch_size": one.mini_batch_size,
            "eta": one.eta,
            "final": final,
            "accuracy": tuning.spread(final),
        }
        for one, final in zip(
            [Configuration(25, 20, eta), Configuration(30, 10, eta)], finals, strict=True
        )
    ]
    return {
        "epochs": 30,
        "seeds": list(range(seeds)),
        "configurations": records,
        "finding": tuning.finding(records, 1),
        "chosen": {"configuration": 1, "seed": 0, "test": 9_412, "test_of": 10_000,
                   "fingerprint": "ab" * 32, "file": "x.json"},
    }  # fmt: skip


def test_the_table_says_it_all_in_a_hundred_columns():
    lines = tuning.table(found()).splitlines()
    assert " ".join(lines[4:]) == found()["finding"]
    assert lines[:4] == [
        "validation accuracy after epoch 30, of 2 seeds",
        "hidden  mini-batch       eta      mean     sd       min       max",
        "    25          20       3.0   92.00 %   1.41   91.00 %   93.00 %",
        "    30          10       3.0  100.00 %   0.01   99.99 %  100.00 %  <- chosen",
    ]
    assert max(map(len, tuning.table(found(eta=-1.25e-300)).splitlines())) <= 100


def test_of_one_seed_the_table_gives_no_spread():
    lines = tuning.table(found(seeds=1)).splitlines()
    assert lines[0] == "validation accuracy after epoch 30, of one seed"
    assert lines[2] == "    25          20       3.0   91.00 %      -   91.00 %   91.00 %"


def test_the_chosen_network_is_reported_with_its_test_accuracy():
    assert tuning.chosen_report(found(), Path("runs/tune")).splitlines() == [
        "chosen         30 hidden, mini-batch 10, eta 3.0; of its seeds the best, 0",
        "test accuracy  94.12 %  (9412 of 10000)",
        f"fingerprint    {'ab' * 32}",
        "saved in       runs/tune/x.json",
    ]


def test_the_mean_over_seeds_is_taken_epoch_by_epoch():
    class Trained:
        def __init__(self, *correct):
            accuracy = {"validation": list(correct), "validation_of": 50}
            self.parameters = argparse.Namespace(metadata={"accuracy": accuracy})

    got = tuning.record(Configuration(), [Trained(10, 20), Trained(30, 25), Trained(5, 45)])
    assert got["by_epoch"] == [[0.2, 0.4], [0.6, 0.5], [0.1, 0.9]]
    assert got["mean_by_epoch"] == [pytest.approx(0.3), pytest.approx(0.6)]
    assert got["final"] == [0.4, 0.5, 0.9]
    assert got["accuracy"]["sd"] == statistics.stdev([0.4, 0.5, 0.9])
