"""What is shipped: the network is what it says, the pictures are its own, the notebook runs."""

from pathlib import Path

import matplotlib
import nbformat
import numpy as np
import pytest
from matplotlib.testing.compare import compare_images
from nbclient import NotebookClient
from PIL import Image

from model.initial import initial_parameters
from model.mnist_files import SHA256
from model.parameters import Parameters
from scripts.command_line import SHIPPED_MODEL, SHIPPED_START, parser
from scripts.opened import OPTIONS, open_network
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
def test_training_makes_the_shipped_file_again(mnist, tmp_path):
    made = tmp_path / "train.json"
    assert train(["--data", str(mnist), "--output", str(made)]) == 0
    assert made.read_bytes() == SHIPPED_MODEL.read_bytes()


# --- The pictures -------------------------------------------------------------------------------

VISUALS = ROOT / "visuals"
OTHERS = "divergence", "speed"  # not of the network
RELEASE = "3.11."  # of matplotlib, which drew them: another one's letters are not quite the same
# Of the sheets one: that of the neuron which pages speak of.
DRAWN = ("firing-rates", "weights", "path", "run", "seeds", "neuron-11")


def test_pictures_are_small_and_every_one_of_the_network_is_shown_on_the_page():
    assert sum(path.stat().st_size for path in VISUALS.iterdir()) < 4_000_000
    page = (VISUALS / "index.html").read_text()
    pictures = [path.name for path in VISUALS.glob("*.png") if path.stem not in OTHERS]
    assert len(pictures) >= 20
    assert [name for name in pictures if name not in page] == []


@pytest.fixture(scope="module")
def opened(mnist, tmp_path_factory):
    """The shipped network, as the programs open it; they write into a folder of the test's."""
    argv = ["--data", str(mnist), "--output", str(tmp_path_factory.mktemp("out"))]
    return open_network(parser(None, *OPTIONS).parse_args(argv))


@pytest.mark.mnist
def test_records_and_page_are_to_the_last_bit_what_the_programs_write_today(opened):
    page = opened.page(opened.found, lambda picture: picture.file)
    assert page == (VISUALS / "index.html").read_bytes()
    for path in opened.write_records():
        assert path.read_bytes() == (VISUALS / path.name).read_bytes(), path.name


@pytest.mark.mnist
@pytest.mark.skipif(
    not matplotlib.__version__.startswith(RELEASE), reason=f"matplotlib {RELEASE}x drew them"
)
def test_pictures_are_what_the_programs_draw_today(opened, tmp_path):
    shown = {Path(picture.file).stem: picture for picture in opened.pictures()}
    for name in DRAWN:
        drawn = tmp_path / f"{name}.png"
        drawn.write_bytes(shown[name].png())
        assert compare_images(VISUALS / drawn.name, drawn, tol=1) is None
    picture = Image.open(drawn).convert("RGB")
    picture.paste("white", (0, 0, 60, 60))  # over a word of its title
    picture.save(drawn)
    assert "did not match" in compare_images(VISUALS / drawn.name, drawn, tol=1)


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
