"""Many seeds at once: each file is the one that its own run makes, and what fails is said."""

import pytest

from scripts import train

SMALL = ["--sizes", "784", "4", "10", "--epochs", "2"]


@pytest.fixture
def arguments(few_digits, tmp_path):
    return [*SMALL, "--data", str(few_digits), "--output", str(tmp_path / "many")]


def test_each_file_is_byte_for_byte_that_of_its_own_run_and_resume_makes_what_is_missing(
    arguments, few_digits, tmp_path, capsys
):
    many = [*arguments, "--seeds", "3,5-6"]
    assert train.main(many) == 0
    out = capsys.readouterr().out
    assert [line.split()[1] for line in out.splitlines() if line.startswith("seed")] == list("356")
    assert "standard deviation" in out
    made = {path.name: path.read_bytes() for path in (tmp_path / "many").iterdir()}
    assert sorted(made) == ["seed-3.json", "seed-5.json", "seed-6.json"]
    own = [*SMALL, "--data", str(few_digits), "--seed", "5", "--output", str(tmp_path / "5.json")]
    assert train.main(own) == 0
    assert (tmp_path / "5.json").read_bytes() == made["seed-5.json"]
    assert train.main(many) == 2
    assert "seed-3.json: exists: go on with it by --resume" in capsys.readouterr().err
    (tmp_path / "many" / "seed-6.json").unlink()
    assert train.main([*many, "--resume"]) == 0
    assert made == {path.name: path.read_bytes() for path in (tmp_path / "many").iterdir()}


def test_one_that_overflows_leaves_the_others_alone(arguments, capsys, tmp_path):
    """In fixed-point a weight ends at 64: with this eta seed 2 comes there, and seed 1 does not."""
    assert train.main([*arguments, "--eta", "500", "--seeds", "1-2"]) == 0
    table = capsys.readouterr().out
    assert "seed 2      fixed-point overflow: the largest weight or bias" in table
    assert [path.name for path in (tmp_path / "many").iterdir()] == ["seed-1.json"]
    assert train.main([*arguments, "--eta", "500", "--seeds", "2"]) == 2
    assert "error: fixed-point overflow" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--seeds", "0-1", "--seed", "3"], "--seeds draws a start from each of them"),
        (["--seeds", "1,1"], "expected each seed once, as in 0-19; received 1,1"),
        (["--seeds", "5-3"], "expected each seed once"),
        (["--seeds", "a"], "expected seeds such as 0-19 or 3,5; received a"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(arguments, options, line, capsys, tmp_path):
    assert train.main([*arguments, *options]) == 2
    err = capsys.readouterr().err
    assert line in err
    assert err.count("\n") == 1
    assert not (tmp_path / "many").exists()
