"""The figure of a tuning: from the written results alone, for any number of configurations."""

import copy
import statistics

import matplotlib
import numpy as np
import pytest

from model.tuning_figure import MOST_PANELS, tuning_figure


def results(configurations=3, seeds=3, epochs=5, worst=0.8, hidden=20):
    """Results as scripts.tune writes them; the second configuration is the best."""
    rng = np.random.default_rng(0)
    records = []
    for k in range(configurations):
        final = np.linspace(worst, 0.95, configurations)[(k - 2) % configurations]
        shares = final - 0.1 / np.arange(1, epochs + 1) + 0.004 * rng.random((seeds, epochs))
        by_epoch = shares.tolist()
        ends = [line[-1] for line in by_epoch]
        records.append(
            {
                "name": f"{hidden + k} hidden, mini-batch {hidden // 2}, eta 3.0",
                "by_epoch": by_epoch,
                "mean_by_epoch": shares.mean(axis=0).tolist(),
                "final": ends,
                "accuracy": {
                    "mean": statistics.fmean(ends),
                    "sd": statistics.stdev(ends) if seeds > 1 else None,
                    "min": min(ends),
                    "max": max(ends),
                },
            }
        )
    best = max(range(configurations), key=lambda k: records[k]["accuracy"]["mean"])
    return {
        "configurations": records,
        "chosen": {"configuration": best},
        "seeds": list(range(seeds)),
        "epochs": epochs,
        "arithmetic": "fixed-point",
        "notice": "",
        "finding": "This one is best",
    }


def texts(figure):
    axes = [text.get_text() for one in figure.axes for text in one.texts]
    return [*(text.get_text() for text in figure.texts), *axes]


@pytest.mark.parametrize(
    ("configurations", "seeds", "epochs"),
    [(1, 1, 1), (1, 3, 30), (4, 2, 1), (14, 5, 3)],
)
def test_it_is_drawn_for_any_number_of_configurations_seeds_and_epochs(
    configurations, seeds, epochs
):
    found = results(configurations, seeds, epochs)
    figure = tuning_figure(found)
    *panels, spread = figure.axes
    assert len(panels) == min(configurations, MOST_PANELS)
    for axes in panels:
        assert len(axes.lines) == seeds + 2  # the mean and that of the chosen one as well
        assert len(axes.lines[0].get_xdata()) == epochs
    assert len(spread.get_yticks()) == configurations
    figure.draw_without_rendering()


def test_the_finding_is_its_title_and_the_best_comes_first():
    found = results()
    figure = tuning_figure(found)
    chosen = found["configurations"][found["chosen"]["configuration"]]["name"]
    assert texts(figure)[0] == "This one is best"
    assert figure.axes[0].get_title(loc="left") == chosen
    assert figure.axes[-1].get_yticklabels()[0].get_text() == chosen


def test_the_lines_are_the_accuracies_in_percent():
    found = results(1, 2, 4)
    one = found["configurations"][0]
    drawn = [list(line.get_ydata()) for line in tuning_figure(found).axes[0].lines]
    expected = [one["mean_by_epoch"], one["mean_by_epoch"], *one["by_epoch"]]
    assert drawn == [[100 * share for share in shares] for shares in expected]


def test_the_panels_share_their_axes():
    panels = tuning_figure(results(5)).axes[:-1]
    assert len({axes.get_ylim() for axes in panels}) == 1
    assert len({axes.get_xlim() for axes in panels}) == 1


def test_what_lies_far_behind_is_an_arrow_at_the_edge():
    found = results(3, 2, 3, worst=0.2)
    spread = tuning_figure(found).axes[-1]
    chosen = found["configurations"][found["chosen"]["configuration"]]
    assert spread.get_xlim()[0] == pytest.approx(100 * chosen["accuracy"]["mean"] - 10)
    assert [line.get_marker() for line in spread.lines].count("<") == 2
    close = results(3, 2, 3, worst=0.9)
    near = tuning_figure(close).axes[-1]
    assert (
        near.get_xlim()[0]
        > 100 * min(one["accuracy"]["min"] for one in close["configurations"]) - 2
    )
    assert "<" not in [line.get_marker() for line in near.lines]


def test_more_than_the_panels_hold_is_said():
    figure = tuning_figure(results(14))
    assert figure.texts[-1].get_text().endswith("; the best 12 of 14 by epoch")


def test_what_the_data_are_not_is_repeated():
    found = {**results(), "notice": "synthetic digits, not MNIST (\x1b[1m\udcff)"}
    shown = tuning_figure(found).texts[-1].get_text()
    assert "synthetic digits, not MNIST (\N{REPLACEMENT CHARACTER}[1m" in shown
    assert shown.isprintable()


def test_the_mean_is_given_with_its_spread_where_there_is_one():
    one = results(1, 1)["configurations"][0]["accuracy"]["mean"]
    assert f"{100 * one:.2f}" in texts(tuning_figure(results(1, 1)))
    accuracy = results(1, 4)["configurations"][0]["accuracy"]
    said = f"{100 * accuracy['mean']:.2f} ± {100 * accuracy['sd']:.2f}"
    assert said in texts(tuning_figure(results(1, 4)))


@pytest.mark.parametrize(("configurations", "hidden"), [(1, 20), (3, 200), (14, 20)])
def test_nothing_lies_on_the_title_or_the_footer_or_outside(configurations, hidden):
    figure = tuning_figure(results(configurations, hidden=hidden))
    figure.draw_without_rendering()
    title, subtitle, footer = (text.get_window_extent() for text in figure.texts)
    inside = [axes.get_tightbbox() for axes in figure.axes]
    assert title.y0 >= subtitle.y1
    assert subtitle.y0 >= max(box.y1 for box in inside)
    assert footer.y1 <= min(box.y0 for box in inside)
    assert min(box.x0 for box in inside) >= 0
    assert max(box.x1 for box in inside) <= figure.bbox.width


def test_drawing_changes_neither_the_results_nor_matplotlib():
    found = results()
    before, style = copy.deepcopy(found), dict(matplotlib.rcParams)
    tuning_figure(found)
    assert found == before
    assert dict(matplotlib.rcParams) == style
