"""What the README says of the neurons is what the shipped records and the study of seeds say."""

import json
import re
import statistics
from pathlib import Path

import numpy as np
import pytest

from model.universality import Study, interval, told
from scripts.opened import SEEDS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


@pytest.fixture(scope="module")
def records():
    return json.loads((ROOT / "visuals" / "neurons.json").read_text())


@pytest.fixture(scope="module")
def study():
    return Study.load(SEEDS)


def said(*bullets):
    """Whether the bullets stand in the README one after the other, however they are broken."""
    return re.sub(r"\s+", " ", "".join(f"- {b}\n" for b in bullets)).strip() in re.sub(
        r"\s+", " ", README
    )


def of_role(records, kind):
    return [one["number"] for one in records["neurons"] if one["role"]["kind"] == kind]


def switches(records):
    neurons, examples = records["neurons"], records["examples"]
    ends = statistics.fmean(
        one["responds_to"][f"saturated_{end}"] for one in neurons for end in ("low", "high")
    )
    rounded, intact = (100 * records[k] / examples for k in ("switched_correct", "correct"))
    return (
        f"**Neurons are switches**: {200 * ends:.0f} % of activations are saturated; as 0 or 1 "
        f"they read {rounded:.2f} %, not {intact:.2f}."
    )


def roles(records):
    neurons = records["neurons"]
    single = [
        f"{n} for {neurons[n]['role']['digits'][0]}" for n in of_role(records, "class-selective")
    ]
    counts = {kind: len(of_role(records, kind)) for kind in ("feature-selective", "weak", "idle")}
    jalebi = neurons[11]
    low, high = jalebi["responds_to"]["partition_mcc_interval"]
    assert jalebi["role"]["kind"] == "between"
    assert jalebi["role"]["partition_holds"]
    between = len(of_role(records, "between"))
    fires = " and ".join(map(str, jalebi["role"]["partition"]))
    mcc = told(jalebi["responds_to"]["partition_mcc"], (low, high))
    return (
        f"**Roles that hold** on all three data sets: {len(single)} class-selective "
        f"({', '.join(single)}), "
        + ", ".join(f"{count} {kind}" for kind, count in counts.items())
        + f"; {between} between two: Jalebi, for {fires}, correlation {mcc}."
    )


def losses(records):
    counts, idle = {}, records["neurons"][13]
    assert idle["role"]["kind"] == "idle"
    for way in ("frozen", "deleted"):
        counts[way] = [0, 0]
        for one in records["neurons"]:
            roles = {split["role"] for split in one["role"]["splits"].values()}
            digit = one[way]["most_needed_digit"]
            if roles <= {"idle", "weak"} or one[way]["recall_lost"][digit] < 0.01:
                continue
            rare = one["responds_to"]["firing_rate_all"] < 0.5
            counts[way][0] += (digit in one["role"]["partition"]) == rare
            counts[way][1] += 1
    (frozen, of_frozen), (deleted, of_deleted) = counts["frozen"], counts["deleted"]
    lost = 100 * idle["deleted"]["accuracy_lost"]
    bounds = [100 * v for v in idle["deleted"]["accuracy_lost_interval"]]
    return (
        "**What is lost depends on how**: frozen at its mean, a neuron is missed most by a digit "
        f"on the rarer side of its switch ({frozen} of {of_frozen}; freezing moves it furthest "
        f"there); deleted, {deleted} of {of_deleted}. Neuron 13 fires on every image: frozen it "
        f"costs nothing, deleted {told(lost, bounds, 1)} points."
    )


def start(records):
    weights = [one["weights"] for one in records["neurons"]]
    alike, made = (
        statistics.median(one[key] for one in weights)
        for key in ("start_correlation", "start_share")
    )
    return (
        f"**Little of the start is left**: weights correlate {alike:.2f} with it in the median "
        f"neuron, but it alone would make {100 * made:.0f} % of the variance of z."
    )


def causes(study):
    arms = ("rounding", "order", "start", "random")
    alike = {arm: f"{interval(study.alike(arm), np.median)[0]:.2f}" for arm in arms}
    return (
        "**The start decides which neurons form, the order moves them, rounding hardly does**: in "
        f"{len(study.data['networks'])} networks z of neurons matched one to one correlates "
        f"{alike['rounding']} in the median where one weight starts one grid unit larger, "
        f"{alike['order']} in another order, {alike['start']} from another start "
        f"({alike['random']} with a random layer)."
    )


def test_the_readme_says_what_the_records_hold(records, study):
    assert said(switches(records), roles(records), losses(records), start(records), causes(study))


def test_the_names_of_the_seed_study_fit(records):
    rates = {n: records["neurons"][n]["responds_to"]["firing_rate"] for n in (8, 13, 19)}
    mcc = records["neurons"][8]["responds_to"]["digit_mcc"][4]
    expected = (
        f"8 fires for 4 (correlation {mcc:.2f}), 11 for 5 and 6, 13 on every image; none is for 0 "
        f"alone: 19 fires on {100 * rates[19][0]:.0f} % of the 0s and "
        f"{100 * rates[19][5]:.0f} % of the 5s."
    )
    assert min(rates[13]) == 1
    assert expected in re.sub(r"\s+", " ", README)


def test_a_wrong_number_would_be_seen(records, study):
    records["correct"] += 1
    assert not said(switches(records))
    records["correct"] -= 1
    assert said(switches(records))
    study.data["networks"].pop()
    assert not said(causes(study))
