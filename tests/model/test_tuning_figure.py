"""The figure of a tuning: from the written results alone, for any number of configurations."""

import copy

import matplotlib
import numpy as np
import pytest

from model.tuning_figure import MOST_PANELS, tuning_figure
from scripts.tune import mean, spread


def results(configurations=3, seeds=3, epochs=5, worst=0.8):
    """Results as scripts.tune writes them; the second configuration is the best."""
    rng, records = np.random.default_rng(0), []
    for k, final in enumerate(np.roll(np.linspace(worst, 0.95, configurations), 2)):
        shares = final - 0.1 / np.arange(1, epochs + 1) + 0.004 * rng.random((seeds, epochs))
        ends = shares[:, -1].tolist()
        one = {"by_epoch": shares.tolist(), "mean_by_epoch": shares.mean(axis=0).tolist()}
        one |= {"name": f"{200 + k} hidden, mini-batch 100, eta 3.0", "final": ends}
        records.append(one | {"accuracy": spread(ends)})
    best = records.index(max(records, key=mean))
    return {
        "configurations": records, "chosen": {"configuration": best}, "seeds": list(range(seeds)),
        "epochs": epochs, "arithmetic": "fixed-point", "notice": "", "finding": "This one is best",
    }  # fmt: skip


@pytest.mark.parametrize(("configurations", "seeds", "epochs"), [(1, 1, 1), (14, 2, 3)])
def test_it_is_drawn_for_any_number_of_configurations_seeds_and_epochs(
    configurations, seeds, epochs
):
    figure = tuning_figure(results(configurations, seeds, epochs))
    *panels, spread = figure.axes
    assert len(panels) == min(configurations, MOST_PANELS)
    assert len({axes.get_ylim() for axes in panels}) == 1
    for axes in panels:
        assert len(axes.lines) == seeds + 2  # the mean and that of the chosen one as well
        assert len(axes.lines[0].get_xdata()) == epochs
    assert len(spread.get_yticks()) == configurations
    left_out = f"; the best {MOST_PANELS} of {configurations} by epoch"
    assert figure.texts[-1].get_text().endswith(left_out) == (configurations > MOST_PANELS)
    # Nothing lies on the title or the footer or outside.
    figure.draw_without_rendering()
    title, subtitle, footer = (text.get_window_extent() for text in figure.texts)
    inside = [axes.get_tightbbox() for axes in figure.axes]
    assert title.y0 >= subtitle.y1
    assert subtitle.y0 >= max(box.y1 for box in inside)
    assert footer.y1 <= min(box.y0 for box in inside)
    assert min(box.x0 for box in inside) >= 0
    assert max(box.x1 for box in inside) <= figure.bbox.width


def test_the_best_comes_first_and_its_lines_are_its_accuracies_in_percent():
    found = {**results(3, 2, 4), "notice": "synthetic digits, not MNIST (\x1b[1m\udcff)"}
    before, style = copy.deepcopy(found), dict(matplotlib.rcParams)
    figure = tuning_figure(found)
    one = found["configurations"][found["chosen"]["configuration"]]
    assert figure.texts[0].get_text() == "This one is best"
    first = figure.axes[0].get_title("left"), figure.axes[-1].get_yticklabels()[0].get_text()
    assert first == (one["name"], one["name"])
    drawn = [list(line.get_ydata()) for line in figure.axes[0].lines]
    expected = [one["mean_by_epoch"], one["mean_by_epoch"], *one["by_epoch"]]
    assert drawn == [[100 * share for share in shares] for shares in expected]
    accuracy = one["accuracy"]
    told = f"{100 * accuracy['mean']:.2f} ± {100 * accuracy['sd']:.2f}"
    assert told in [text.get_text() for text in figure.axes[-1].texts]
    assert (found, dict(matplotlib.rcParams)) == (before, style)
    shown = figure.texts[-1].get_text()
    assert "synthetic digits, not MNIST (\N{REPLACEMENT CHARACTER}[1m" in shown
    assert shown.isprintable()


@pytest.mark.parametrize(("worst", "arrows"), [(0.2, 2), (0.9, 0)])
def test_what_lies_far_behind_is_an_arrow_at_the_edge(worst, arrows):
    found = results(3, 2, 3, worst=worst)
    spread = tuning_figure(found).axes[-1]
    edge = 100 * max(map(mean, found["configurations"])) - 10
    assert [line.get_marker() for line in spread.lines].count("<") == arrows
    assert (spread.get_xlim()[0] == pytest.approx(edge)) == bool(arrows)
