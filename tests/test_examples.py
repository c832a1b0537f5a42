"""The notebook: every cell runs, and what it says comes out."""

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parent.parent / "examples" / "jalebi.ipynb"


def printed(notebook: nbformat.NotebookNode) -> str:
    outputs = [each for cell in notebook.cells for each in cell.get("outputs", ())]
    assert [each for each in outputs if each.output_type == "error"] == []
    return "".join(each.get("text", "") for each in outputs)


def pictures(notebook: nbformat.NotebookNode) -> int:
    outputs = [each for cell in notebook.cells for each in cell.get("outputs", ())]
    return sum("image/png" in each.get("data", ()) for each in outputs)


def check(notebook: nbformat.NotebookNode) -> None:
    told = printed(notebook)
    assert "the same network" in told
    assert "for the quadratic cost it is (a - y) sigma'(z) (BP1)" in told
    assert "it is not divided by the size of the mini-batch" in told
    assert 'runs/neuron-11.png: Neuron 11 ("Jalebi")' in told
    assert pictures(notebook) == 2


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Jupyter's own
def test_every_cell_of_the_notebook_runs(digits_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("MNIST_DIR", str(digits_folder))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(NOTEBOOK.parents[1])]))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    for cell in notebook.cells:
        cell.pop("outputs", None)
        if cell.cell_type == "code":
            cell.outputs = []
    where = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, kernel_name="python3", timeout=300, resources=where).execute()
    check(notebook)


def test_the_notebook_is_shown_with_what_it_printed():
    check(nbformat.read(NOTEBOOK, as_version=4))
