"""Tuning: what is tried, chosen by validation alone, said with its uncertainty, and extended."""

import json
import os
import shutil
import statistics
from contextlib import nullcontext
from pathlib import Path

import pytest

from model.initial import initial_parameters
from model.parameters import Parameters
from scripts import processes, programs, training, tune
from scripts.tune import Configuration

TRIED = ["4 hidden, mini-batch 5, eta 2.0", "6 hidden, mini-batch 10, eta 3.0",
         "15 hidden, mini-batch 10, eta 3.0"]  # fmt: skip
NAMES = [
    f"hidden-{rest}_seed-{seed}.json"
    for seed in (0, 1)
    for rest in ("4_mini-batch-5_eta-2.0", "6_mini-batch-10_eta-3.0", "15_mini-batch-10_eta-3.0")
]


@pytest.fixture
def tuned(small_tuning, tmp_path):
    """A copy of the small tuning, where another run of the same command would write."""
    return Path(shutil.copytree(small_tuning.output, tmp_path / "tune"))


@pytest.fixture
def arguments(small_tuning, tmp_path):
    return [*small_tuning.arguments, "--output", str(tmp_path / "tune")]


def read(folder):
    return json.loads((folder / "results.json").read_text())


# --- What it writes -----------------------------------------------------------------------------


def test_the_numbers_are_those_of_the_runs_and_the_best_seed_of_the_best_mean_is_tested_alone(
    small_tuning,
):
    folder, found = small_tuning.output, read(small_tuning.output)
    assert sorted(os.listdir(folder)) == sorted([*NAMES, "results.json", "tuning.png"])
    runs = {name: Parameters.load(folder / name) for name in NAMES}
    assert [one["name"] for one in found["configurations"]] == TRIED
    for k, one in enumerate(found["configurations"]):
        for seed in (0, 1):
            run, sizes = runs[NAMES[k + 3 * seed]], (784, one["hidden"], 10)
            shares = [correct / 20 for correct in run.metadata["accuracy"]["validation"]]
            assert (one["by_epoch"][seed], one["final"][seed]) == (shares, shares[-1])
            made = [run.metadata[key] for key in ("eta", "mini_batch_size", "seed", "epochs")]
            assert made == [one["eta"], one["mini_batch_size"], seed, 3]
            assert run.metadata["initial"] == initial_parameters(sizes, seed).fingerprint
        by_epoch = zip(*one["by_epoch"], strict=True)
        assert one["mean_by_epoch"] == list(map(statistics.fmean, by_epoch))
        assert one["accuracy"] == tune.spread(one["final"])
    means, chosen = [one["accuracy"]["mean"] for one in found["configurations"]], found["chosen"]
    assert chosen["configuration"] == means.index(max(means))
    final = found["configurations"][chosen["configuration"]]["final"]
    assert max(final) < max(max(one["final"]) for one in found["configurations"])
    assert (chosen["seed"], final[0]) == (0, final[1])  # of equal seeds the first
    assert [n for n in NAMES if "test" in runs[n].metadata["accuracy"]] == [chosen["file"]]
    network = runs[chosen["file"]]
    assert network.fingerprint == chosen["fingerprint"]
    assert network.metadata["accuracy"]["test"] == chosen["test"]


def test_it_prints_a_table_the_chosen_one_and_what_was_written_where(small_tuning, few_digits):
    _, folder, out, err = small_tuning
    found = read(folder)
    chosen, file = found["chosen"], folder / found["chosen"]["file"]
    name, right = TRIED[chosen["configuration"]], chosen["test"]
    opened = ["--model", file, "--data", few_digits, "--output", folder / "figures"]
    assert out.startswith(f"{tune.table(found)}\n\n")
    assert out.splitlines()[-10:] == [
        f"chosen         {name}; of its seeds the best, {chosen['seed']}",
        f"test accuracy  {100 * right / 30:.2f} %  ({right} of 30)",
        f"fingerprint    {chosen['fingerprint']}",
        f"saved in       {file}",
        f"results        {folder / 'results.json'}",
        f"figure         {folder / 'tuning.png'}",
        f"the digits in {few_digits} are not MNIST: accuracy on them is not MNIST's",
        "Next:",
        "  # open the chosen one: what its hidden neurons do",
        f"  {programs.line('figures', *opened)}",
    ]
    each = [
        f"{one}, seed {seed}: epoch {k}/3" for one in TRIED for seed in (0, 1) for k in (1, 2, 3)
    ]
    assert sorted(line.split("  ")[0] for line in err.splitlines()[1:]) == sorted(each)


def test_the_same_command_again_changes_nothing_and_more_of_all_adds_to_it(
    arguments, tuned, tmp_path, capsys, refused, monkeypatch
):
    before = {path: path.read_bytes() for path in tuned.iterdir()}
    behind: dict[str, int] = {}
    with monkeypatch.context() as watched:  # nothing is left to be told
        watched.setattr(training, "counting", lambda _, done: nullcontext(behind.update(done)))
        assert tune.main(arguments) == 0
    assert behind == {f"{one}, seed {seed}": 3 for one in TRIED for seed in (0, 1)}
    assert {path: path.read_bytes() for path in tuned.iterdir()} == before
    more = [*arguments, "--hidden", "15", "5", "--seeds", "3", "--epochs", "4"]
    assert tune.main(more) == 0
    assert capsys.readouterr().err.count(": epoch ") == 3 * 3 * 4 - 2 * 2 * 3
    assert tune.main([*more, "--output", str(tmp_path / "anew")]) == 0
    for path in (tmp_path / "anew").iterdir():  # another is chosen: of the first no test is told
        assert (tuned / path.name).read_bytes() == path.read_bytes()
    capsys.readouterr()
    monkeypatch.setattr(processes, "run_all", None)  # before any is trained
    assert refused(tune, *more, "--arithmetic", "float64").startswith(
        f"{tuned / NAMES[0]}: was not made by this run: its arithmetic is fixed-point, asked for is"
    )


def test_a_configuration_that_overflows_is_reported_and_the_others_are_kept_if_there_are(
    few_digits, tmp_path, capsys
):
    said = "fixed-point overflow: the largest weight or bias reached"
    argv = ["--hidden", "3", "--seeds", "2", "--epochs", "2", "--data", str(few_digits)]
    argv += ["--output", str(tmp_path), "--eta", "1e6"]
    assert tune.main(argv) == 2
    out, err = capsys.readouterr()
    name = "3 hidden, mini-batch 10, eta 1000000.0"
    assert f"error: no configuration could be trained; {name}: {said}" in err
    assert (out, os.listdir(tmp_path)) == ("", [])
    for _ in range(2):  # and the same command goes on
        assert tune.main([*argv, "3.0"]) == 0
        found, out = read(tmp_path), capsys.readouterr().out
        assert [one["eta"] for one in found["configurations"]] == [3.0]
        [failed] = found["failed"]
        assert (failed["eta"], sorted(failed["by_seed"])) == (1e6, ["0", "1"])
        assert all(line.startswith(said) for line in failed["by_seed"].values())
        told = " ".join(out.split())
        for seed in (0, 1):
            assert f"{name}: could not be trained, seed {seed}: fixed-point overflow" in told
        assert (tmp_path / "tuning.png").exists()


# --- In parts -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("grid", "tried"),
    [
        ((None, None, None, None), [(25, 20, 3.0), (30, 20, 2.5), (30, 10, 3.0)]),
        (([20, 30], [5], [2.5, 3.0], None),
         [(20, 5, 2.5), (20, 5, 3.0), (30, 5, 2.5), (30, 5, 3.0)]),
        (([30], None, None, None), [(30, 10, 3.0)]),
        ((None, [5, 6], None, None), [(20, 5, 3.0), (20, 6, 3.0)]),
        ((None, None, [0.5], None), [(20, 10, 0.5)]),
        (([25], [20], None, [(30, 10, 3.0), (25, 20, 3.0), (30, 10, 3.0)]),
         [(30, 10, 3.0), (25, 20, 3.0)]),
    ],
)  # fmt: skip
def test_what_is_tried(grid, tried):
    assert tune.asked_for(*grid) == [Configuration(*each) for each in tried]


def made(name, *final):
    return {"name": name, "final": list(final), "accuracy": tune.spread(final)}


LUCK = "points ahead of the next, which may be luck (standard error"


@pytest.mark.parametrize(
    ("records", "best", "said"),
    [
        ([made("A", 0.90, 0.92), made("B", 0.95, 0.97), made("C", 0.80, 0.82)], "B",
         "96.00 %, 5.00 points ahead of the next, more than luck (standard error 1.41)"),
        # less than two standard errors; Welch's, of variances of 2 and 8 in squares of a point
        ([made("A", 0.93, 0.95), made("B", 0.89, 0.93)], "A", f"94.00 %, 3.00 {LUCK} 2.24)"),
        ([made("A", 0.92), made("B", 0.90)], "A",
         "92.00 %, 2.00 points ahead of the next, which one seed cannot tell from luck"),
        ([made("A", 0.92, 0.94)], "A", "93.00 %, with nothing to compare it with"),
        ([made("A", 0.92, 0.92), made("B", 0.92, 0.92)], "A", f"92.00 %, 0.00 {LUCK} 0.00)"),
        # the best mean, not the best seed
        ([made("A", 0.80, 0.99), made("B", 0.94, 0.95)], "B", f"94.50 %, 5.00 {LUCK} 9.51)"),
    ],
)  # fmt: skip
def test_what_was_found_is_said_with_its_uncertainty(records, best, said):
    of = said.replace(" %,", " % of the validation images on average,", 1)
    assert tune.finding(records) == f"{best}: {of}"


def found(finals, eta):
    tried = [Configuration(25, 20, eta), Configuration(30, 10, eta)]
    records = [
        {**vars(one), **made(str(one), *final)} for one, final in zip(tried, finals, strict=True)
    ]
    return {"epochs": 30, "seeds": list(range(len(finals[0]))), "configurations": records,
            "finding": tune.finding(records), "failed": [],
            "chosen": {"configuration": 1}}  # fmt: skip


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_the_table_says_it_all_in_the_width_of_the_terminal(monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    failed = "numbers overflow: use a smaller eta"
    both = found([[0.91, 0.93], [0.9999, 1.0]], 3.0)
    both["failed"] = [{"name": "30 hidden", "by_seed": {"0": failed}}]
    lines = tune.table(both).splitlines()
    told = f"* {both['finding']} 30 hidden: could not be trained, seed 0: {failed}"
    assert " ".join(" ".join(lines[4:]).split()) == told
    assert max(map(len, lines)) <= columns
    assert lines[:4] == [
        "validation accuracy after epoch 30, of 2 seeds",
        "hidden  batch     eta      mean     sd       min       max",
        "    25     20     3.0   92.00 %   1.41   91.00 %   93.00 %",
        "    30     10     3.0  100.00 %   0.01   99.99 %  100.00 % *",
    ]
    one = tune.table(found([[0.91], [0.9999]], -1.25e-300)).splitlines()
    assert one[0] == "validation accuracy after epoch 30, of one seed"
    assert one[2] == "    25     20  -1.25e-300   91.00 %      -   91.00 %   91.00 %"
