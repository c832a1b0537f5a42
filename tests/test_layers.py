"""The arrows between the folders point down only: who may import whom, and that this is checked."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OURS = {"model", "reference", "torch_impl", "compare", "scripts"}
# Drawing is confined to these files of model; every other one can be imported without matplotlib.
DRAWING = ("atlas", "canvas", "figures", "pages", "tuning_figure")
# What a folder, or one file, may import beside its own folder and the standard library. A module
# that is named whole computes nothing. `?` is a module that the user names.
ALLOWED = {
    "model": {"numpy", "reference.checks", "reference.mnist_files"},
    "reference": {"numpy", "model.parameters"},  # the last where a network is saved or loaded
    "torch_impl": {
        "numpy", "torch", "torchvision", "model",
        "reference.border", "reference.checks", "reference.mnist_files",
    },
    "compare": {"numpy", "torch", "matplotlib", "rich", "?", *OURS - {"scripts"}},
    "scripts": {"numpy", "torch", "torchvision", "matplotlib", "rich", "?", *OURS},
    **{f"model/{name}.py": {"matplotlib", "PIL"} for name in DRAWING},  # PIL comes with it
    "model/webpage.py": {"jinja2"},
    "compare/chain.py": {"threadpoolctl"},
    "compare/pytest_plugin.py": {"pytest"},
    "scripts/__main__.py": {"jalebi"},
    "scripts/yardsticks.py": {"jax", "sklearn"},  # what is timed beside the networks
}  # fmt: skip


def imported(source):
    """Every import of a file: its line and the module's full name, `?` where none is written."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, "." * node.level + (node.module or "")
        elif isinstance(node, ast.Call):
            called = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if called in ("import_module", "__import__"):
                name = node.args[0] if node.args else None
                yield node.lineno, name.value if isinstance(name, ast.Constant) else "?"


def violations(file, source):
    """Every import of a file against the arrows, as `file:line imports name`."""
    folder = file.split("/")[0]
    allowed = {folder, ".", *ALLOWED[folder], *ALLOWED.get(file, ())}
    allowed |= sys.stdlib_module_names - OURS
    for line, name in imported(source):
        # `from . import x` stays in the folder, `from .. import x` leaves it
        top = name if name.startswith("..") else name.split(".")[0] or "."
        if not {name, top} & allowed:
            yield f"{file}:{line} imports {name}"


@pytest.mark.parametrize("folder", sorted(OURS))
def test_imports_point_down_only(folder):
    files = sorted((ROOT / folder).rglob("*.py"))
    assert len(files) > 5
    found = [violations(p.relative_to(ROOT).as_posix(), p.read_bytes()) for p in files]
    assert [line for lines in found for line in lines] == []


COMPUTES = {"reference.network", "reference.arithmetic", "reference.mnist_loader"}
LOADED = {  # what has been loaded once a folder is; torchvision takes longer than an epoch
    "reference": {"numpy", "reference", *COMPUTES},
    "model": {"numpy", "model", "reference"},  # its checks
    "torch_impl": {"numpy", "torch", "torch_impl", "model", "reference"},  # its checks
}


@pytest.mark.parametrize("folder", LOADED)
def test_a_folder_loads_what_it_needs_and_no_more(folder):
    """All of its modules, those that draw excepted."""
    names = {"numpy", "torch", "torchvision", "matplotlib", *OURS, *COMPUTES}
    stems = [file.stem for file in (ROOT / folder).glob("[!_]*.py") if file.stem not in DRAWING]
    modules = ", ".join(f"{folder}.{stem}" for stem in stems)
    code = f"import sys, {modules}\nprint(*{names!r} & sys.modules.keys())"
    told = subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True)
    assert set(told.split()) == LOADED[folder]


TRIED = [  # a file; what could stand in it; what of it is against the arrows
    ("reference/network.py", "import torch.nn as nn", "torch.nn"),
    ("reference/network.py", "import json, matplotlib", "matplotlib"),
    ("reference/network.py", "from .. import model", ".."),
    ("reference/network.py", "def f():\n    import scipy", "scipy"),
    ("reference/network.py", "torch = __import__('torch')", "torch"),
    ("reference/network.py", "importlib.import_module(name)", "?"),
    ("torch_impl/network.py", "from reference.network import Network", "reference.network"),
    ("model/figures.py", "from reference import network", "reference"),
    ("compare/chain.py", "from scripts import train", "scripts"),
    ("model/figures.py", "import json, matplotlib.pyplot\nfrom model.parameters import np", None),
    ("reference/arithmetic.py", "def f():\n    from . import network\nimport numpy.linalg", None),
    ("torch_impl/network.py", "from reference.border import inside", None),
    ("compare/chain.py", "import reference, torch_impl.network\nimport_module(name)", None),
]


@pytest.mark.parametrize(("file", "source", "name"), TRIED)
def test_an_import_against_the_arrows_is_found_and_no_other(file, source, name):
    found = [line.split(" imports ")[1] for line in violations(file, source)]
    assert found == ([name] if name else [])
