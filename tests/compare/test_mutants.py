"""The checker is checked: every mistake is caught at its link, every correct variant passes."""

import ast
import inspect
import json
from collections import Counter

import numpy as np
import pytest

from compare import mutants as lists
from compare import standard, update
from compare.mutants import CHAIN, SOURCES, Kill, Mutant, mutants, self_test, small_material, tried
from compare.mutants.correct import Columns
from compare.mutants.gradients import NoHalf
from compare.mutants.in_torch import Sequential

ALL = mutants()
MISTAKES = [m for m in ALL if m.caught_by]
CORRECT = [m for m in ALL if not m.caught_by]


def by_name(m):
    return m.name


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    return small_material(tmp_path_factory.mktemp("images"))


@pytest.mark.parametrize("mutant", MISTAKES, ids=by_name)
def test_mistake_is_caught_at_the_right_link_with_the_right_diagnosis(mutant, material):
    kill = tried(mutant, material)
    assert (kill.caught_by, kill.mistake) == (mutant.caught_by, mutant.diagnosed)
    assert kill.verdict == "caught"


@pytest.mark.parametrize("mutant", CORRECT, ids=by_name)
def test_correct_variant_passes(mutant, material):
    kill = tried(mutant, material)
    assert (kill.caught_by, kill.advice) == ("", "")
    assert kill.verdict == "passed"


def test_there_are_enough_of_every_kind():
    kinds = Counter(m.kind for m in MISTAKES)
    assert len(MISTAKES) >= 25
    assert kinds["NumPy"] >= 12
    assert kinds["PyTorch"] >= 8
    assert len(CORRECT) >= 6
    assert {m.kind for m in CORRECT} == {"NumPy", "PyTorch", "loader"}


def test_every_link_catches_a_mistake_that_no_link_before_it_catches():
    assert {m.caught_by for m in MISTAKES} == set(CHAIN)


def test_names_are_unique_and_every_mutant_says_what_it_is():
    assert len({m.name for m in ALL}) == len(ALL)
    assert len({m.sentence for m in ALL}) == len(ALL)
    for m in ALL:
        assert m.sentence.endswith(".")
        assert bool(m.caught_by) == bool(m.diagnosed)
        bases = {Columns, Sequential, *(lists.data.Loader,)}
        assert m.caught_by or m.candidate in bases or m.sentence.startswith("Correct: ")


def test_every_class_that_offers_the_protocol_is_on_the_list():
    offered = {
        name
        for _, module in SOURCES
        for name, found in vars(module).items()
        if inspect.isclass(found) and found.__module__ == module.__name__
        if hasattr(found, "export")
    }
    assert offered == {m.name for m in ALL}


def test_mutants_share_no_equation_with_the_two_networks():
    for _, module in SOURCES:
        tree = ast.parse(inspect.getsource(module))
        imported = {
            name.split(".")[0]
            for node in ast.walk(tree)
            for name in (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
        }
        assert not imported & {"reference", "torch_impl", "model"}


# The self-test can fail.


def listed(candidate, caught_by, diagnosed):
    return Mutant("Listed", "NumPy", "A test of the test.", candidate, caught_by, diagnosed)


def test_network_without_a_mistake_listed_as_mutant_is_reported_as_survived(material):
    kill = tried(listed(Columns, "gradients", "factor 2"), material)
    assert kill.verdict == "survived"
    assert kill.failed
    text = "\n".join(lists.matrix([kill]))
    assert "not caught" in text
    assert (
        "! Listed (NumPy), survived: expected gradients, factor 2; received no difference" in text
    )
    assert "0 of 1 mistakes caught" in text


def test_mistake_listed_as_correct_is_reported_as_rejected(material):
    kill = tried(listed(NoHalf, "", ""), material)
    assert kill.verdict == "rejected"
    text = " ".join(" ".join(lists.matrix([kill])).split())
    assert "rejected: expected to pass; received gradients, factor 2" in text
    assert "0 of 1 correct variants passed" in text


@pytest.mark.parametrize(
    ("link", "mistake", "verdict"),
    [
        ("update", "factor 2", "wrong link"),
        ("gradients", "factor 1 / m", "wrong diagnosis"),
        ("gradients", "factor 2", "caught"),
    ],
)
def test_right_link_and_right_diagnosis_are_both_asked_for(link, mistake, verdict, material):
    kill = tried(listed(NoHalf, link, mistake), material)
    assert kill.verdict == verdict
    assert kill.failed == (verdict != "caught")


def test_candidate_that_raises_an_exception_does_not_count_as_correct(material):
    class Raises(Columns):
        def backprop(self, x, y):
            raise RuntimeError("not written yet")

    kill = tried(listed(Raises, "", ""), material)
    assert kill.verdict == "rejected"
    assert kill.caught_by == "gradients"


def test_self_test_exits_with_1_where_a_mutant_survives(monkeypatch, capsys):
    monkeypatch.setattr(lists, "mutants", lambda: [listed(Columns, "update", "Adam")])
    assert lists.main() == 1
    assert "survived" in capsys.readouterr().out


def test_self_test_exits_with_0_and_prints_rows_as_they_end(monkeypatch, capsys):
    few = [listed(NoHalf, "gradients", "factor 2"), listed(Columns, "", "")]
    monkeypatch.setattr(lists, "mutants", lambda: few)
    assert lists.main() == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["mistake", "caught", "by", "diagnosis"]
    assert lines[2].split()[-3:] == ["gradients", "factor", "2"]
    assert lines[-1] == (
        "1 of 1 mistakes caught at the right link with the right diagnosis; 1 of 1 correct "
        "variants passed"
    )


def test_self_test_hands_out_every_result_as_it_ends():
    seen = []
    chosen = [listed(NoHalf, "gradients", "factor 2")]
    assert self_test(chosen, on_kill=seen.append) == tuple(seen)


# The matrix.


def invented(mutant):
    return Kill(mutant, mutant.caught_by, mutant.diagnosed, "advice " * 30)


def test_matrix_shows_every_mutant_and_fits_100_columns():
    lines = lists.matrix([invented(m) for m in ALL])
    assert max(len(line) for line in lines) <= 100
    text = " ".join(" ".join(lines).split())
    for m in ALL:
        assert m.sentence.removeprefix("Correct: ").split()[0] in text
    assert f"{len(MISTAKES)} of {len(MISTAKES)} mistakes caught" in text


def test_records_are_plain_json():
    record = invented(MISTAKES[0]).as_json()
    assert json.loads(json.dumps(record)) == record
    assert record["verdict"] == "caught"


def test_small_material_writes_files_that_the_loaders_read(tmp_path):
    found = small_material(tmp_path)
    training, validation, test = lists.data.Loader(
        [1, 1], [np.ones((1, 1))], [np.ones((1, 1))]
    ).load_data(found.folder)
    assert [len(part[1]) for part in (training, validation, test)] == [50, 10, 12]


# A weaker chain lets mutants through, and the self-test says so.


@pytest.mark.parametrize("name", ["InFloat32", "OneEntryOfMany"])
def test_bounds_loosened_a_million_million_times_let_mutants_survive(name, material, monkeypatch):
    measure = standard.measure

    def loose(tensor, candidate, reference, allowed, case="", values=None):
        return measure(tensor, candidate, reference, 1e12 * np.asarray(allowed), case, values)

    monkeypatch.setattr(standard, "measure", loose)
    assert tried(next(m for m in ALL if m.name == name), material).failed


def test_update_link_that_tries_one_step_alone_lets_momentum_through_to_the_next(
    material, monkeypatch
):
    monkeypatch.setattr(update, "IN_A_ROW", update.IN_A_ROW[:1])
    monkeypatch.setattr(update, "ETAS", update.ETAS[:1])
    momentum = next(m for m in ALL if m.name == "Momentum")
    assert tried(momentum, material).verdict == "wrong link"
