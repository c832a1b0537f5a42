"""The study of seeds: any entry can be made again, and a study that is stopped goes on."""

import json

import numpy as np
import pytest

from model.parameters import Parameters
from model.universality import Study, causes, correlations, findings, matched
from reference.mnist_loader import load_data_wrapper
from reference.network import Network
from scripts import seeds
from scripts.command_line import SHIPPED_MODEL
from scripts.opened import SEEDS
from scripts.seeds import EPOCHS, Member, Together, groups, in_fixed_point, measured, members

ARMS = ("base", "rounding", "order", "width")


@pytest.fixture(scope="module")
def study():
    return Study.load(SEEDS)


@pytest.fixture(scope="module")
def data(mnist):
    return load_data_wrapper(mnist)


def member_of(entry):
    return Member(entry["arm"], entry["seed"], entry["hidden"])


def test_the_shipped_study_is_of_the_networks_that_it_names(study):
    named = [member_of(one) for one in study.data["networks"]]
    assert len(named) == len(set(named))
    assert set(named) <= set(members(80))
    for pair in study.data["pairs"]:
        for arm in ARMS[:3]:
            assert (arm in {"base", *pair}) == (Member(arm, pair["seed"]) in named)
    assert all(one["order"] == member_of(one).order for one in study.data["networks"])


@pytest.mark.mnist
@pytest.mark.parametrize("arm", ARMS)
def test_an_epoch_of_any_network_is_made_again(study, data, arm):
    entries = study.networks(arm)
    entry = entries[np.random.default_rng(len(entries)).integers(len(entries))]
    net = one_epoch(member_of(entry).network(), data[0], entry["order"])
    assert Parameters(net.sizes, *net.export()).fingerprint[:16] == entry["fingerprints"]["1"]


def one_epoch(net, training_data, order, silent=lambda *_: None):
    net.SGD(training_data, 1, 10, 3.0, rng=np.random.default_rng(order), on_epoch=silent)
    return net


def test_networks_trained_as_one_are_those_trained_alone(few_digits):
    training, _, _ = load_data_wrapper(few_digits)
    every = [Member("base", 0, 7), Member("rounding", 0, 7), Member("base", 1, 7)]
    wide = type(training)(training.x, np.tile(training.y, (1, 3)))
    together = one_epoch(Together([one.network() for one in every]), wide, 14)
    for one, part in zip(every, together.parts(3), strict=True):
        alone = one_epoch(one.network(), training, 14)
        expected = Parameters(alone.sizes, *alone.export()).fingerprint
        assert Parameters(alone.sizes, *part).fingerprint == expected
    assert not together.weights[1][together.blocks == 0].any()


def test_only_networks_of_one_order_and_width_are_trained_as_one():
    every = members(20)
    found = groups(every)
    assert sorted(str(one) for group in found for one in group) == sorted(map(str, every))
    for group in found:
        assert len({(one.order, one.hidden) for one in group}) == 1
    assert [len(group) for group in found] == sorted(map(len, found), reverse=True)
    assert {len(group) for group in found if group[0].arm == "base"} == {4, 6}


@pytest.mark.mnist
def test_the_shipped_network_is_one_of_them_and_is_measured_again(study, data):
    shipped = Parameters.load(SHIPPED_MODEL)
    back = np.argsort(shipped.metadata["permutation"])
    (first, second), (hidden, outputs) = shipped.weights, shipped.biases
    parts = [first[back], second[:, back]], [hidden[back], outputs]
    (entry,) = (one for one in study.networks("base") if one["seed"] == 14)
    drawn_again = Parameters(shipped.sizes, *parts)
    assert drawn_again.fingerprint[:16] == entry["fingerprints"][str(EPOCHS)]

    net: Network = in_fixed_point(drawn_again)
    _, again = measured(Member("base", 14), net, *data[1:])
    assert json.loads(json.dumps(again)).items() <= entry.items()
    assert again["correct"][1] == shipped.metadata["accuracy"]["test"]
    (pair,) = (one for one in study.data["pairs"] if one["seed"] == 14)
    layers = [Member("base", seed).network().trace(data[1].x.T)[0][0].T for seed in (14, 15)]
    expected = matched(correlations(*layers))
    np.testing.assert_allclose(pair["both random"], expected, atol=6e-4)


def test_a_study_that_is_stopped_goes_on_and_ends_the_same(few_digits, tmp_path, capsys):
    argv = ["--data", str(few_digits), "--output", str(tmp_path), "--families", "2"]
    assert seeds.main([*argv, "--processes", "2"]) == 0
    whole = (tmp_path / "seeds.json").read_bytes()
    (tmp_path / "seeds.json").unlink()
    lost = [Member("order", 0).file(tmp_path), Member("base", 0).file(tmp_path)]
    kept = {path: path.read_bytes() for path in tmp_path.iterdir()}
    for path in lost:
        path.unlink()
    assert seeds.main([*argv, "--processes", "1"]) == 0
    assert {path: path.read_bytes() for path in kept} == kept
    assert (tmp_path / "seeds.json").read_bytes() == whole
    assert f"wrote {tmp_path}/seeds.json" in capsys.readouterr().out
    small = Study(json.loads(whole))
    assert (len(small.networks("base")), small.alike("start").shape) == (2, (2, 20))
    assert small.alike("order").shape == (1, 20)
    assert causes(small).endswith("5 networks, 2 families.")
    assert len(findings(small)) == 6
