"""What is said of the records is true of them: words against the arrays behind them."""

import re

import numpy as np
import pytest

from model import words
from model.parameters import Parameters
from tests.model.conftest import PREDICTED, UNKNOWN, but, case, counts, parameters_of, record, row

LABELS = np.repeat(np.arange(10), 100)
PLACE = np.tile(np.arange(100), 10)


def records_of_rates(percent, lost=(0, 0), sizes=None, names=None, **more):
    """Records of neurons that fire on so many of the 100 images of each digit.

    `percent` has a row of ten for each neuron; `lost` such a row of images that are taken for the
    next digit while the neuron is frozen, and one while it is deleted.
    """
    zs = np.where(np.array(percent)[:, LABELS] > PLACE, 6.0, -6.0).T
    rows = (np.zeros((len(percent), 10), int) + v for v in lost)
    frozen, deleted = (np.where(v[:, LABELS] > PLACE, (LABELS + 1) % 10, LABELS) for v in rows)
    given = UNKNOWN | dict.fromkeys(("labels", *PREDICTED), LABELS)
    given |= {"zs": zs, "frozen": frozen, "deleted": deleted, **more}
    return record(**case(len(percent), 1000, sizes, {"neuron_names": names or {}}, **given))


def headline(records):
    return words.headline(records, 0)


def fires(records):
    return words.fires(records, 0)


def interval(values, factor=1, places=2):
    return "({:.{p}f} to {:.{p}f})".format(*(factor * values), p=places)


JALEBI = {"0": "Jalebi"}
WEAK = "fires for no clear set of digits"
PAIR = records_of_rates([row(d4=98, d6=97, rest=1)], (row(d4=43), row(d4=44)), names=JALEBI)
SPLIT = records_of_rates([row(d6=60), row(d1=90)], counts={
    "one": counts(row(d6=60, d5=36), row(d1=90, d5=70, d6=40)),
    "two": counts(row(d6=60, d5=30), row(d1=90, d5=70, d6=20)),
})  # fmt: skip
UNCLEAR = records_of_rates(
    [row(d2=4)], counts={"idle": counts(row(d2=4)), "weak": counts(row(d2=50, rest=20))}
)
HALF = records_of_rates([row(d1=99, d3=99, d5=99, d7=99, d9=99)])
UNSEEN = records_of_rates([row(d1=0, rest=99)])
UNSEEN = but(UNSEEN, shown=np.where(np.arange(10) == 9, 0, UNSEEN.shown))
GAIN = records_of_rates([row(d4=98)], predictions=np.where(LABELS == 4, 9, LABELS))
SEVEN = records_of_rates([
    row(), row(d6=98), row(d4=98, d6=98), row(d1=0, rest=99), row(d0=60, rest=40),
    row(d4=98), row(d4=98),
])  # fmt: skip
LOST = np.array([row(d4=9), row(d5=30), row(d4=8), row(d4=8), row()])
FIVE = records_of_rates(
    [row(d4=98), row(d4=98), row(rest=99, d4=2), row(rest=99, d4=2), row(rest=100)],
    (LOST, LOST + 1),
)
EXACTLY_HALF = records_of_rates([row(d0=100, d2=100, d4=100, d6=100, d8=100)], (row(d9=9), row()))
DEEP = records_of_rates([row(d4=98), row()], sizes=(12, 2, 3, 10))
STARTED = records_of_rates(
    [row(d4=98)] * 2, initial=parameters_of((12, 2, 10)), blanked=np.where(PLACE == 0, 0, LABELS),
    start_zs=np.where(np.arange(1000) % 2, 0.0, 3.0)[:, None] * np.ones(2),
)  # fmt: skip
MADE = np.var([0.0, 3.0]) / np.var(np.where((LABELS == 4) & (PLACE < 98), 6.0, -6.0))


# fmt: off
SAID = [
    *((records_of_rates([percent]), fires, expected) for percent, expected in [
        (row(d0=98), "fires for 0"),
        (row(d4=98, d6=97, rest=1), "fires for 4 and 6"),
        (row(d1=0, rest=99), "fires for all but 1"),
        (row(d1=0, d7=0, rest=99), "fires for all but 1 and 7"),
        (row(), "fires on none of the images"),
        (row(rest=100), "fires on all of the images"),
        (row(d2=4), "fires on 0.4 % of the images"),
        (row(rest=99, d0=100), "fires on 99.1 % of the images"),
        (row(d0=60, d1=60, rest=40), f"{WEAK} (best: {{0 1}} | rest)"),
        (row(d0=20, rest=50), f"{WEAK} (best: rest | {{0}})"),
      ]),
    (records_of_rates([row(d0=98)], (row(), row(d0=1))), headline,
     "fires for 0; frozen, no digit loses a point; deleted, 0 loses 1.0 points"),
    (GAIN, headline, "fires for 4; frozen, no digit loses a point; deleted, no digit loses a "
     "point"),  # a gain is no loss
    (GAIN, lambda r: (r.frozen.recall_lost.min(), *r.frozen.mistaken_for), (-1.0, -1)),
    (UNSEEN, fires, "fires for 0, 2, 3, 4, 5, 6, 7 and 8"),  # not all but: 9 was not shown
    (UNSEEN, lambda r: words.sides(r, 0), "rest | {1}"),
    (HALF, lambda r: words.sides(r, 0), "{1 3 5 7 9} | rest"),
    (HALF, fires, "fires for 1, 3, 5, 7 and 9"),
    (but(HALF, shown=UNSEEN.shown[::-1]), lambda r: words.sides(r, 0), "rest | {2 4 6 8}"),
    (but(HALF, shown=UNSEEN.shown), lambda r: words.sides(r, 0), "{1 3 5 7} | rest"),
    (PAIR, lambda r: words.title(r, 0), 'Neuron 0 ("Jalebi") fires for 4 and 6; frozen, 4 loses '
     "43.0 points; deleted, 4 loses 44.0 points"),
    (PAIR, lambda r: words.role_line(r, 0), "Feature-selective, {4 6} | rest, on these images; "
     f"Matthews correlation of {{4 6}} | rest: {PAIR.partition_mcc[0]:.2f} "
     f"{interval(PAIR.partition_mcc_interval[0])}."),
    (SPLIT, lambda r: words.role_line(r, 0).rpartition(":")[0], "Between feature-selective and "
     "class-selective, {5 6} | rest, on one and two images; Matthews correlation of {5 6} | rest"),
    (SPLIT, lambda r: words.role_line(r, 1).partition(", on")[0],
     "Between feature-selective, {1 5 6} | rest and feature-selective, {1 5} | rest"),
    (SPLIT, lambda r: words.fires(r, 1), "fires for 1 and 5, on some images also for 6"),
    (SPLIT, lambda r: words.partition(r, 0), "{5 6} | rest"),
    (SPLIT, lambda r: words.partition(r, 1), "{1 5 6} | rest ?"),
    (SPLIT, words.roles, {"between": [0, 1]}),
    (UNCLEAR, fires, f"{WEAK} (best: {{2}} | rest)"),
    (DEEP, lambda r: words.partition(r, 1), "idle"),
    (DEEP, words.layer, "the first of the 2 hidden layers of a 12-2-3-10 network"),
    (SEVEN, words.layer, "the hidden layer of a 12-7-10 network"),
    (SEVEN, lambda r: words.findings(r)[1], "Roles, here: 3 class-selective (1, 5 and 6), "
     "1 anti-class (3), 1 feature-selective (2), 1 weak (4) and 1 idle (0) of 7."),
    (SEVEN, lambda r: words.findings(r)[0].rpartition(". ")[2],
     f"It uses {SEVEN.codes} different sets of firing neurons on 1,000 images."),
    (FIVE, lambda r: words.rarer(r, r.frozen), (4, 3)),
    (EXACTLY_HALF, lambda r: words.rarer(r, r.frozen), (1, 1)),  # there silence is rarer
    (FIVE, lambda r: words.findings(r)[2], "Most needed is a digit on the rarer side of the switch"
     ": frozen, 3 of 4; deleted, 3 of 4. Idle is not useless: deleted, 4 costs 1.0 points of all "
     "images."),
    (DEEP, lambda r: [told.split()[0] for told in words.findings(r)], ["The", "Roles,", "Where"]),
    (STARTED, lambda r: words.findings(r)[-1], "Weights correlate 1.00 with their start in the "
     f"median neuron, but the start alone would make {words.share(MADE)} of the variance of z. "
     "Where the 7 pixels lit in under 1 % of the training images are blank, 9 of 1,000 answers "
     "change."),
]
# fmt: on


@pytest.mark.parametrize(
    ("records", "said", "expected"),
    SAID,
    ids=[f"{said.__name__}: {expected}" for _, said, expected in SAID],
)
def test_what_is_said_is_what_the_records_hold(records, said, expected):
    assert said(records) == expected


@pytest.mark.parametrize("hidden", [1, 20])
def test_the_table_has_a_line_for_each_neuron_and_fits_100_columns(records_of, hidden):
    lines = words.table(records_of(hidden, named="a name that is far too long for any table"))
    assert len(lines) == 2 + hidden
    assert max(map(len, lines)) <= 100
    assert all(line.isascii() for line in lines)
    assert all(line.startswith(str(n)) for n, line in enumerate(lines[2 : 2 + hidden]))
    lost = f"{100 * records_of(hidden).frozen.recall_lost[0, 6]:.1f} on 6"
    assert re.search(rf" {lost} +{lost} 6{{8}}$", lines[2])


def test_of_a_table_in_a_narrow_terminal_whole_columns_are_left_out(records_of):
    tables = {width: words.table(records_of(3), width) for width in range(60, 101)}
    heads = {max(map(len, lines)): lines[0] for lines in tables.values()}
    assert all(name in heads[max(heads)] for name in words.LEFT_OUT)
    for width, lines in tables.items():
        assert lines[0] == heads[max(used for used in heads if used <= width)]
        missing = [name for name in words.LEFT_OUT if name not in lines[0]]
        assert missing == [*words.LEFT_OUT][: len(missing)]
        assert all(name in lines[0] for name in ("neuron", "role", "partition"))
    assert words.LEGEND.keys() < {*heads[max(heads)].split()}


def test_percentages_of_the_layer_have_their_intervals(records_of):
    records = but(records_of(3), correct=110, switched_correct=90)
    assert words.recognised(records, 90) == "75.00 (66.56 to 81.89) %"  # Wilson's, by hand
    told = words.findings(records)[0]
    ends = f"{100 * records.saturated:.1f} {interval(records.saturated_interval, 100, 1)}"
    assert f": {ends} % of the activations" in told
    assert "the network reads 75.00 (66.56 to 81.89) %, intact 91.67 (" in told


@pytest.mark.parametrize(
    ("fraction", "title", "sentence"),
    [
        (0.0, "0 %", "none"), (1.0, "100 %", "all"), (0.0004, "<1 %", "under 0.1 %"),
        (0.004, "<1 %", "0.4 %"), (0.9996, ">99 %", "over 99.9 %"), (0.5, "50 %", "50 %"),
        (0.994, "99 %", "99.4 %"),
    ],
)  # fmt: skip
def test_a_share_never_rounds_to_nothing_or_to_all(fraction, title, sentence):
    assert (words.percent(fraction), words.share(fraction)) == (title, sentence)


ACCURACY = {"validation": [9000, 9400], "validation_of": 10000, "test": 9410, "test_of": 10000}
TRAINED = {
    "epochs": 30, "mini_batch_size": 10, "eta": 3.0, "arithmetic": "fixed-point",
    "accuracy": ACCURACY,
}  # fmt: skip


def sections(records, metadata):
    return dict(words.sections(Parameters((1, 1), [[[0]]], [[[0]]], metadata), records))


def test_the_report_tells_what_the_file_and_the_records_say_and_guesses_at_nothing(records_of):
    records = records_of(3)
    told = sections(records, TRAINED)
    assert told["The network"] == [
        "This report opens the hidden layer of a 784-3-10 network.",
        f"Of the 120 images looked at here the network recognises {records.correct}, "
        f"{words.recognised(records, records.correct)}.",
        "It was trained for 30 epochs of stochastic gradient descent on the quadratic cost, with "
        "mini-batches of 10 and a learning rate eta of 3.0, in fixed-point arithmetic.",
        "After training it recognised 9,410 of 10,000 test images (94.10 %).",
    ]
    rule = told["How a neuron gets its role"]
    assert rule[0] == "Fires on less than 2 % or more than 98 % of the images: idle."
    assert rule[-1].startswith("A role is stated only where all sets of images agree")
    assert told["How it was measured"][-1].startswith("Beside the weights stands what training")
    assert words.history(TRAINED) == ([9000, 9400], 10000)
    told = sections(records_of(3, start=False), {"cost": "CrossEntropyCost"})
    assert told["The network"][2:] == ["How it was trained, its file does not say."]
    assert told["How it was measured"][-1].startswith("The start of this network is not at hand")


HUGE = 10**30


@pytest.mark.parametrize(
    "accuracy",
    [
        None, 0.94, [1, 2], {},
        {"validation": ["a"], "validation_of": 1},
        {"validation": [1], "test": 1},
        {"validation": [3], "validation_of": 2, "test": 3, "test_of": 2},
        {"validation": [HUGE], "validation_of": HUGE, "test": HUGE, "test_of": HUGE},
        {"validation": [True], "validation_of": 1, "test": -1, "test_of": 1},
    ],
)  # fmt: skip
def test_accuracies_that_cannot_be_are_left_alone(records_of, accuracy):
    assert words.history({"accuracy": accuracy})[0] == []
    told = sections(records_of(3), {**TRAINED, "accuracy": accuracy})["The network"]
    assert told[-1].endswith("in fixed-point arithmetic.")


def test_the_small_print_says_what_must_be_repeated_and_no_control_characters(records_of):
    records = records_of(3)
    told = sections(records, {**TRAINED, "arithmetic": "\x1b[31mred\n"})["The network"]
    assert told[2].endswith(", in �[31mred� arithmetic.")
    notice = "synthetic digits, not MNIST (no file (at all)): accuracy on them is not MNIST's"
    assert words.note(records, "test", "a\x1b]0;b\udcff.json", "0123456789abcdef", notice) == (
        "120 test images; a�]0;b�.json, fingerprint 0123456789ab; "
        "synthetic digits, not MNIST: accuracy on them is not MNIST's"
    )
    assert words.note(records, "test", "a", "b", "no\x07").endswith("fingerprint b; no�")
    assert words.note(records, "test", "a", "b", "").endswith("fingerprint b")
