"""What a reader is told: the README's numbers are those of the records, and no link is broken."""

import json
import re
import subprocess
import sys
from pathlib import Path
from statistics import fmean, median

import numpy as np
import pytest

from model.parameters import Parameters
from model.universality import Study, interval, told
from scripts.command_line import SHIPPED_MODEL
from scripts.opened import SEEDS
from scripts.programs import programs

ROOT = Path(__file__).parent.parent
FOLDERS = ("reference", "torch_impl", "compare", "model", "scripts")
DOCS = sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))
README = (ROOT / "README.md").read_text()
KINDS = ("class-selective", "feature-selective", "weak", "idle", "between")
SAYS = """
- **Neurons are switches**: {saturated:.0f} % of activations are saturated; as 0 or 1 they read
{rounded:.2f} %, not {intact:.2f}.
- **Roles that hold** on all three data sets: {number[0]} class-selective ({singles}),
{number[1]} feature-selective, {number[2]} weak, {number[3]} idle; {number[4]} between two:
Jalebi, for {pair}, correlation {mcc}.
- **What is lost depends on how**: frozen at its mean, a neuron is missed most by a digit on the
rarer side of its switch ({frozen}; freezing moves it furthest there);
deleted, {deleted}. Neuron 13 fires on every image: frozen it costs nothing,
deleted {lost} points.
- **Little of the start is left**: weights correlate {start_correlation:.2f} with it in the
median neuron, but it alone would make {start_share:.0f} % of the variance of z.
- **The start decides which neurons form, the order moves them, rounding hardly does**: in
{networks} networks z of neurons matched one to one correlates {rounding:.2f} in the median
where one weight starts one grid unit larger, {order:.2f} in another order, {start:.2f} from
another start ({random:.2f} with a random layer).

- Numbered as in the seed study (renumbering changes no output): 8 fires for 4 (correlation
{four:.2f}), 11 for 5 and 6, 13 on every image; none is for 0 alone: 19 fires on {zeros:.0f} % of
the 0s and {fives:.0f} % of the 5s.
"""


def facts(records, study):
    neurons, idle = records["neurons"], records["neurons"][13]
    role, responds = neurons[11]["role"], [one["responds_to"] for one in neurons]
    assert (role["kind"], role["partition_holds"]) == ("between", True)
    assert (idle["role"]["kind"], min(responds[13]["firing_rate"])) == ("idle", 1)
    kinds = [one["role"]["kind"] for one in neurons]
    lost, bounds = (np.array(idle["deleted"][f"accuracy_lost{end}"]) for end in ("", "_interval"))
    ends = ("saturated_low", "saturated_high")
    singles = [one for one in neurons if one["role"]["kind"] == KINDS[0]]
    arms = ("rounding", "order", "start", "random")
    page = (ROOT / "visuals" / "index.html").read_text()
    frozen, deleted = re.search(r"frozen, (\d+ of \d+); deleted, (\d+ of \d+)\.", page).groups()
    return {
        "saturated": 200 * fmean(one[end] for one in responds for end in ends),
        "rounded": 100 * records["switched_correct"] / records["examples"],
        "intact": 100 * records["correct"] / records["examples"],
        "number": [kinds.count(kind) for kind in KINDS],
        "singles": ", ".join(f"{one['number']} for {one['role']['digits'][0]}" for one in singles),
        "pair": " and ".join(map(str, role["partition"])),
        "mcc": told(responds[11]["partition_mcc"], responds[11]["partition_mcc_interval"]),
        "lost": told(100 * lost, 100 * bounds, 1),
        "frozen": frozen,
        "deleted": deleted,
        "start_correlation": median(one["weights"]["start_correlation"] for one in neurons),
        "start_share": 100 * median(one["weights"]["start_share"] for one in neurons),
        "networks": len(study.data["networks"]),
        **{arm: interval(study.alike(arm), np.median)[0] for arm in arms},
        "four": responds[8]["digit_mcc"][4],
        "zeros": 100 * responds[19]["firing_rate"][0],
        "fives": 100 * responds[19]["firing_rate"][5],
    }


def test_the_readme_says_of_the_neurons_what_the_records_hold():
    records = json.loads((ROOT / "visuals" / "neurons.json").read_text())
    found = facts(records, Study.load(SEEDS))

    def said(**others):
        """Whether the README says this, however its lines are broken."""
        return " ".join(SAYS.format(**found | others).split()) in " ".join(README.split())

    assert said()
    assert not said(intact=found["intact"] + 0.01)


def test_readme_says_what_comes_out_and_gives_the_two_commands_first():
    assert len(README.splitlines()) <= 200
    result, commands = re.findall(r"```\n(.*?)```", README, re.DOTALL)[:2]
    fingerprint = Parameters.load(SHIPPED_MODEL).fingerprint[:16]
    assert result.split().count(fingerprint) == 2
    assert re.match(r"make\b.*\nmake test\b", commands)


def test_every_program_command_file_and_link_of_the_readme_is_there():
    for name in re.findall(r"python -m (scripts\.\w+|compare)", README):
        path = ROOT / name.replace(".", "/")
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), name
    assert set(re.findall(r"`jalebi (\w+)`", README)) <= {*programs()}
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target
    tree = README[README.index("## The house") :]
    files = {path.name for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")}
    assert [name for name in files - {"__init__.py"} if name not in tree] == []


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", *DOCS])
def test_every_file_that_a_page_names_is_there(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    named = re.findall(rf"\b(?:{'|'.join(FOLDERS)}|tests)/[\w/]*[\w.]*", text)
    assert [one for one in named if not (ROOT / one.rstrip(".")).exists()] == []


# --- docs/ --------------------------------------------------------------------------------------


def test_the_pages_build_without_a_warning_such_as_of_a_link_that_leads_nowhere(tmp_path):
    build = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-n", "-E"]
    run = subprocess.run(
        [*build, "-d", tmp_path / "doctrees", ROOT / "docs", tmp_path / "html"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (run.returncode, run.stderr) == (0, "")
    built = {path.stem for path in (tmp_path / "html").glob("*.html")}
    assert built > {Path(page).stem for page in DOCS}
