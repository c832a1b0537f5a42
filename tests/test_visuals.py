"""The pictures in visuals/ are those of the shipped network, and small."""

from pathlib import Path

import numpy as np
import pytest

from scripts import analyze_neurons, fav_neuron, visualize_weights

VISUALS = Path(__file__).parent.parent / "visuals"
FRINGE = 8  # of 255: what another release of the drawing library may shade differently
MOST_BYTES = 4_000_000


def pixels(path):
    """The picture as an array (height, width, 3) of 0 to 255."""
    image = pytest.importorskip("PIL.Image")
    return np.asarray(image.open(path).convert("RGB"), dtype=np.int64)


def share_that_differs(one, other):
    """The fraction of the pixels whose colour differs by more than the fringe."""
    if one.shape != other.shape:
        return 1.0
    return float(np.mean(np.abs(one - other).max(axis=2) > FRINGE))


def test_pictures_are_small():
    assert sum(path.stat().st_size for path in VISUALS.iterdir()) < MOST_BYTES


def test_every_picture_of_the_network_is_shown_on_the_page():
    page = (VISUALS / "index.html").read_text()
    pictures = [path.name for path in VISUALS.glob("*.png") if path.name != "divergence.png"]
    assert len(pictures) >= 20
    assert [name for name in pictures if name not in page] == []


@pytest.mark.mnist
def test_pictures_are_what_the_programs_draw_today(mnist, tmp_path):
    arguments = ["--data", str(mnist), "--output", str(tmp_path)]
    assert visualize_weights.main(arguments) == 0
    assert fav_neuron.main(["11", *arguments]) == 0
    assert analyze_neurons.main(arguments) == 0
    for name in ("neurons.json", "neurons.csv"):  # every number to the last bit
        assert (tmp_path / name).read_bytes() == (VISUALS / name).read_bytes(), name
    drawn = sorted(tmp_path.glob("*.png"))
    assert [path.name for path in drawn] == ["neuron-11.png", "weights.png"]
    for path in drawn:
        assert share_that_differs(pixels(path), pixels(VISUALS / path.name)) < 0.01, path.name


def test_a_changed_picture_would_be_seen():
    shown = pixels(VISUALS / "weights.png")
    height, width, _ = shown.shape
    changed = shown.copy()
    changed[: height // 4, : width // 4] = 255 - changed[: height // 4, : width // 4]
    assert share_that_differs(shown, changed) > 0.01
