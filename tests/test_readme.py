"""What the README says of the neurons is what the shipped records and the study of seeds say."""

import json
from pathlib import Path
from statistics import fmean, median

import numpy as np
import pytest

from model.universality import Study, interval, told
from scripts.opened import SEEDS

ROOT = Path(__file__).parent.parent
README = " ".join((ROOT / "README.md").read_text().split())
KINDS = ("class-selective", "feature-selective", "weak", "idle", "between")
SAYS = """
- **Neurons are switches**: {saturated:.0f} % of activations are saturated; as 0 or 1 they read
{rounded:.2f} %, not {intact:.2f}.
- **Roles that hold** on all three data sets: {number[0]} class-selective ({singles}),
{number[1]} feature-selective, {number[2]} weak, {number[3]} idle; {number[4]} between two:
Jalebi, for {pair}, correlation {mcc}.
- **What is lost depends on how**: frozen at its mean, a neuron is missed most by a digit on the
rarer side of its switch ({frozen[0]} of {frozen[1]}; freezing moves it furthest there);
deleted, {deleted[0]} of {deleted[1]}. Neuron 13 fires on every image: frozen it costs nothing,
deleted {lost} points.
- **Little of the start is left**: weights correlate {start_correlation:.2f} with it in the
median neuron, but it alone would make {start_share:.0f} % of the variance of z.
- **The start decides which neurons form, the order moves them, rounding hardly does**: in
{networks} networks z of neurons matched one to one correlates {rounding:.2f} in the median
where one weight starts one grid unit larger, {order:.2f} in another order, {start:.2f} from
another start ({random:.2f} with a random layer).
"""
NAMES = """
8 fires for 4 (correlation {mcc:.2f}), 11 for 5 and 6, 13 on every image; none is for 0 alone:
19 fires on {zeros:.0f} % of the 0s and {fives:.0f} % of the 5s.
"""


def said(text):
    """Whether the README says this, however its lines are broken."""
    return " ".join(text.split()) in README


@pytest.fixture
def records():
    return json.loads((ROOT / "visuals" / "neurons.json").read_text())


@pytest.fixture
def study():
    return Study.load(SEEDS)


def missed_by_the_rarer_side(neurons, way):
    """Of how many neurons, and of how many that cost something at all."""
    found = []
    for one in neurons:
        digit, roles = one[way]["most_needed_digit"], one["role"]["splits"].values()
        if {split["role"] for split in roles} <= {"idle", "weak"}:
            continue
        if one[way]["recall_lost"][digit] >= 0.01:
            rare = one["responds_to"]["firing_rate_all"] < 0.5
            found.append((digit in one["role"]["partition"]) == rare)
    return sum(found), len(found)


def facts(records, study):
    neurons, idle = records["neurons"], records["neurons"][13]
    role, responds = neurons[11]["role"], neurons[11]["responds_to"]
    assert (role["kind"], role["partition_holds"], idle["role"]["kind"]) == (
        "between",
        True,
        "idle",
    )
    kinds = [one["role"]["kind"] for one in neurons]
    lost, bounds = (np.array(idle["deleted"][f"accuracy_lost{end}"]) for end in ("", "_interval"))
    ends = ("saturated_low", "saturated_high")
    return {
        "saturated": 200 * fmean(one["responds_to"][end] for one in neurons for end in ends),
        "rounded": 100 * records["switched_correct"] / records["examples"],
        "intact": 100 * records["correct"] / records["examples"],
        "number": [kinds.count(kind) for kind in KINDS],
        "singles": ", ".join(
            f"{one['number']} for {one['role']['digits'][0]}"
            for one in neurons
            if one["role"]["kind"] == KINDS[0]
        ),
        "pair": " and ".join(map(str, role["partition"])),
        "mcc": told(responds["partition_mcc"], responds["partition_mcc_interval"]),
        "lost": told(100 * lost, 100 * bounds, 1),
        "frozen": missed_by_the_rarer_side(neurons, "frozen"),
        "deleted": missed_by_the_rarer_side(neurons, "deleted"),
        "start_correlation": median(one["weights"]["start_correlation"] for one in neurons),
        "start_share": 100 * median(one["weights"]["start_share"] for one in neurons),
        "networks": len(study.data["networks"]),
        **{
            arm: interval(study.alike(arm), np.median)[0]
            for arm in ("rounding", "order", "start", "random")
        },
    }


def test_the_readme_says_what_the_records_hold(records, study):
    assert said(SAYS.format(**facts(records, study)))


def test_the_names_of_the_seed_study_fit(records):
    rates = {n: records["neurons"][n]["responds_to"]["firing_rate"] for n in (13, 19)}
    mcc = records["neurons"][8]["responds_to"]["digit_mcc"][4]
    assert min(rates[13]) == 1
    assert said(NAMES.format(mcc=mcc, zeros=100 * rates[19][0], fives=100 * rates[19][5]))


def test_a_wrong_number_would_be_seen(records, study):
    records["correct"] += 1
    assert not said(SAYS.format(**facts(records, study)))
