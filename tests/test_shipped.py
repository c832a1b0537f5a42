"""What is shipped: the network is what it says, the pictures are its own, the notebook runs."""

from importlib.metadata import version
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

from model.initial import initial_parameters
from model.mnist_files import SHA256
from model.parameters import Parameters
from scripts import analyze_neurons, fav_neuron, visualize_weights
from scripts.command_line import SHIPPED_MODEL, SHIPPED_START
from scripts.train import main as train
from tests.twin import REFERENCE, both, fingerprint

ROOT = Path(__file__).parent.parent
SIZES = (784, 20, 10)
SHIPPED, BEGIN = Parameters.load(SHIPPED_MODEL), Parameters.load(SHIPPED_START)
STATED = SHIPPED.metadata["accuracy"]


def renumbered(parameters, order):
    """The same network with its hidden neurons in another order."""
    (first, second), (hidden, outputs) = parameters.weights, parameters.biases
    return Parameters(SIZES, [first[order], second[:, order]], [hidden[order], outputs])


def test_the_start_is_drawn_from_its_seed_and_renumbered_which_changes_no_answer():
    order, drawn = BEGIN.metadata["permutation"], initial_parameters(SIZES, BEGIN.metadata["seed"])
    assert renumbered(drawn, order).fingerprint == BEGIN.fingerprint
    # And no other order would do: neither none at all, nor this one backwards.
    backwards = np.argsort(order).tolist()
    assert BEGIN.fingerprint not in {drawn.fingerprint, renumbered(drawn, backwards).fingerprint}
    x = np.random.default_rng(0).integers(0, 256, (784, 50)) / 256
    one, other = (REFERENCE.start(parameters).feedforward(x) for parameters in (drawn, BEGIN))
    np.testing.assert_array_equal(one, other)


def test_the_shipped_network_was_trained_from_the_shipped_start():
    made = SHIPPED.metadata
    assert made.items() >= BEGIN.metadata.items()
    assert (SHIPPED.sizes, made["initial"]) == (SIZES, BEGIN.fingerprint)
    assert (made["arithmetic"], made["epochs"]) == ("fixed-point", 30)
    assert (made["mini_batch_size"], made["eta"]) == (10, 3.0)
    assert (made["data_kind"], made["data"]) == ("mnist", dict(SHA256))
    assert fingerprint(REFERENCE.start(SHIPPED)) == SHIPPED.fingerprint  # all lies on the grid
    assert set(made["neuron_names"]) <= {str(number) for number in range(SIZES[1])}
    assert made["neuron_names"]["11"] == "Jalebi"
    assert (STATED["test_of"], STATED["validation_of"]) == (10_000, 10_000)
    assert len(STATED["validation"]) == made["epochs"]


@both
@pytest.mark.mnist
def test_both_backends_count_the_accuracy_that_is_stated(twin, mnist):
    _, *unseen = twin.mnist_loader.load_data_wrapper(mnist)
    net = twin.start(SHIPPED)
    assert [net.evaluate(part) for part in unseen] == [STATED["validation"][-1], STATED["test"]]


@pytest.mark.mnist
def test_training_makes_the_shipped_file_again(mnist, tmp_path, capsys):
    made = tmp_path / "train.json"
    assert train(["--data", str(mnist), "--output", str(made)]) == 0
    assert made.read_bytes() == SHIPPED_MODEL.read_bytes()
    assert SHIPPED.fingerprint in capsys.readouterr().out


# --- The pictures -------------------------------------------------------------------------------

VISUALS = ROOT / "visuals"
DRAWN_WITH = "3.11."  # of matplotlib; another release sets letters some pixels to the side
FRINGE, LETTER = 8, 20  # of 255, what is shaded differently; pixels, what a letter fits into


def pixels(path):
    """The picture as an array (height, width, 3) of 0 to 255."""
    image = pytest.importorskip("PIL.Image")
    return np.asarray(image.open(path).convert("RGB"), dtype=np.float64)


def share_that_differs(one, other, side=1):
    """The fraction of squares of so many pixels whose mean colour differs by more than a fringe."""
    if one.shape != other.shape:
        return 1.0
    rows, columns = (n // side for n in one.shape[:2])
    apart = (one - other)[: rows * side, : columns * side]
    means = apart.reshape(rows, side, columns, side, 3).mean(axis=(1, 3))
    return float(np.mean(np.abs(means).max(axis=2) > (FRINGE if side == 1 else 3 * FRINGE)))


def test_pictures_are_small_and_every_one_of_the_network_is_shown_on_the_page():
    assert sum(path.stat().st_size for path in VISUALS.iterdir()) < 4_000_000
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
    side = 1 if version("matplotlib").startswith(DRAWN_WITH) else LETTER
    for path in drawn:
        assert share_that_differs(pixels(path), pixels(VISUALS / path.name), side) < 0.01, path.name


@pytest.mark.parametrize("side", [1, LETTER])
def test_a_picture_that_is_another_would_be_seen(side):
    shown, other = (pixels(VISUALS / f"neuron-{n}.png") for n in (11, 15))
    assert share_that_differs(shown, other, side) > 0.1
    height, width, _ = shown.shape
    shown[: height // 4, : width // 4] = 255 - shown[: height // 4, : width // 4]
    assert share_that_differs(pixels(VISUALS / "neuron-11.png"), shown, side) > 0.01


# --- The notebook -------------------------------------------------------------------------------

NOTEBOOK = ROOT / "examples" / "jalebi.ipynb"


def check(notebook):
    """That what it says comes out, and no error."""
    outputs = [each for cell in notebook.cells for each in cell.get("outputs", ())]
    told = "".join(each.get("text", "") for each in outputs)
    assert [each for each in outputs if each.output_type == "error"] == []
    assert "the same network" in told
    assert "for the quadratic cost it is (a - y) sigma'(z) (BP1)" in told
    assert "it is not divided by the size of the mini-batch" in told
    assert 'runs/neuron-11.png: Neuron 11 ("Jalebi")' in told
    assert sum("image/png" in each.get("data", ()) for each in outputs) == 2


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Jupyter's own
def test_every_cell_of_the_notebook_runs_and_it_is_shown_with_what_it_prints(
    digits_folder, tmp_path, monkeypatch
):
    monkeypatch.setenv("MNIST_DIR", str(digits_folder))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    check(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    where = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, kernel_name="python3", timeout=300, resources=where).execute()
    check(notebook)
