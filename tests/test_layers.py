"""The arrows between the folders point down only: who may import whom, and that this is checked.

scripts    -> everything below
compare    -> model, reference, torch_impl
torch_impl -> torch, torchvision, numpy, model, and the checks in reference; nothing that computes
reference  -> numpy, and nothing of ours
model      -> numpy, and the checks and the reader of pickles in reference; matplotlib in the files
              that draw, Jinja2 in webpage.py
"""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# What a file of each folder may import beside its own folder and the standard library.
ARROWS = {
    "model": {"numpy"},
    "reference": {"numpy"},
    "torch_impl": {"numpy", "torch", "torchvision", "model"},
    "compare": {"numpy", "torch", "matplotlib", "rich", "model", "reference", "torch_impl"},
    "scripts": {
        "numpy", "torch", "torchvision", "matplotlib", "rich",
        "model", "reference", "torch_impl", "compare",
    },
}  # fmt: skip
# Drawing is confined to these files of model; every other one can be imported without matplotlib.
DRAWING = ("atlas", "canvas", "figures", "pages", "tuning_figure")
MORE = {f"model/{name}.py": {"matplotlib", "PIL"} for name in DRAWING}  # PIL comes with it
MORE["model/webpage.py"] = {"jinja2"}
CHECKS, PICKLES = "reference.checks", "reference.nielsen_pickle"  # they compute nothing
SHARED = {(CHECKS, "model"), (CHECKS, "torch_impl"), (PICKLES, "model")}
MORE["compare/pytest_plugin.py"] = {"pytest"}
MORE["scripts/__main__.py"] = {"jalebi"}
# Here a module may be imported whose name is not written in the source: the user names it.
NAMED_BY_THE_USER = {"compare", "scripts"}


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


def is_allowed(name, folder, file):
    if name == "?":
        return folder in NAMED_BY_THE_USER
    if name.startswith("."):  # `from . import x` stays in the folder, `from .. import x` leaves it
        return not name.startswith("..")
    if (name, folder) in SHARED:
        return True
    top = name.split(".")[0]
    allowed = {folder, *ARROWS[folder], *MORE.get(file, ())}
    return top in allowed or (top in sys.stdlib_module_names and top not in ARROWS)


def violations(root):
    """Every import against the arrows, as `file:line imports name`; no files is an error."""
    found = []
    for folder in ARROWS:
        files = sorted((root / folder).rglob("*.py"))
        if not files:
            raise ValueError(f"{root / folder} holds no Python files: nothing was checked")
        for path in files:
            file = path.relative_to(root).as_posix()
            found += [
                f"{file}:{line} imports {name}"
                for line, name in imported(path.read_bytes())
                if not is_allowed(name, folder, file)
            ]
    return found


def loaded_by(statement, names, root=ROOT):
    """Which of these modules a fresh interpreter has loaded once it has run the statement."""
    code = f"import sys; {statement}; print(*[n for n in {names!r} if n in sys.modules])"
    run = [sys.executable, "-c", code]
    done = subprocess.run(run, cwd=root, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    return done.stdout.split()


def test_imports_point_down_only():
    assert violations(ROOT) == []


def modules_of(folder):
    """A statement that imports every module of a folder, those that draw excepted."""
    stems = [file.stem for file in (ROOT / folder).glob("*.py")]
    names = [f"{folder}.{stem}" for stem in stems if stem not in ("__init__", *DRAWING)]
    return "import " + ", ".join([folder, *names])


OURS = ("model", "reference", "torch_impl", "compare", "scripts")
COMPUTES = ("reference.network", "reference.arithmetic", "reference.mnist_loader")
LOADED = {  # what is imported; what of the rest has then been loaded
    "reference": (modules_of("reference"), {"numpy", "reference", *COMPUTES}),
    "model": (modules_of("model"), {"numpy", "model", "reference"}),  # its checks
    # torchvision takes longer to import than an epoch to train
    "torch_impl": (
        modules_of("torch_impl"),
        {"numpy", "torch", "torch_impl", "model", "reference"},  # its checks
    ),
}


@pytest.mark.parametrize("folder", LOADED)
def test_a_folder_loads_what_it_needs_and_no_more(folder):
    statement, expected = LOADED[folder]
    others = ("numpy", "torch", "torchvision", "matplotlib", *OURS, *COMPUTES)
    assert set(loaded_by(statement, others)) == expected


# --- The checks can fail ------------------------------------------------------------------------


@pytest.fixture
def tree(tmp_path):
    """A small house that obeys the arrows."""
    files = {
        "model/parameters.py": "import json\nimport numpy as np\n",
        "model/figures.py": "import matplotlib.pyplot\nfrom model.parameters import np\n",
        "reference/network.py": "from reference.arithmetic import f\nimport numpy.linalg\n",
        "reference/arithmetic.py": "def f():\n    from . import network\n",
        "torch_impl/network.py": "import torch\nfrom model import parameters\n",
        "compare/chain.py": "import importlib\nimport reference, torch_impl.network\n"
        "def load(name):\n    return importlib.import_module(name)\n",
        "scripts/train.py": "from compare import chain\nimport rich\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert violations(tmp_path) == []
    return tmp_path


@pytest.mark.parametrize(
    ("file", "line", "name"),
    [
        ("reference/network.py", "import torch.nn as nn", "torch.nn"),
        ("reference/network.py", "import json, matplotlib", "matplotlib"),
        ("reference/network.py", "from model.parameters import Parameters", "model.parameters"),
        ("reference/network.py", "from .. import model", ".."),
        ("reference/network.py", "def f():\n    import scipy", "scipy"),
        ("reference/network.py", "if TYPE_CHECKING:\n    import torch", "torch"),
        ("reference/network.py", "torch = __import__('torch')", "torch"),
        ("reference/network.py", "importlib.import_module('torch.nn')", "torch.nn"),
        ("reference/network.py", "importlib.import_module(name)", "?"),
        ("reference/deeper/network.py", "import torch", "torch"),
        ("torch_impl/network.py", "from reference.network import Network", "reference.network"),
        ("torch_impl/network.py", "import matplotlib", "matplotlib"),
        ("model/parameters.py", "import matplotlib.pyplot as plt", "matplotlib.pyplot"),
        ("model/figures.py", "from reference import network", "reference"),
        ("model/figures.py", "from reference.network import Network", "reference.network"),
        ("torch_impl/network.py", f"from {PICKLES} import read_pickle", PICKLES),
        ("compare/chain.py", "from scripts import train", "scripts"),
        ("compare/chain.py", "import tests.compare", "tests.compare"),
        ("scripts/train.py", "import tests", "tests"),
        ("scripts/train.py", "import pytest", "pytest"),
    ],
)
def test_an_import_against_the_arrows_is_found(tree, file, line, name):
    path = tree / file
    path.parent.mkdir(exist_ok=True)
    before = path.read_text() if path.exists() else ""
    path.write_text(before + line + "\n")
    [found] = violations(tree)
    assert found.startswith(f"{file}:")
    assert found.endswith(f" imports {name}")


def test_a_folder_without_files_is_an_error(tree):
    (tree / "model" / "parameters.py").unlink()
    (tree / "model" / "figures.py").unlink()
    with pytest.raises(ValueError, match="model holds no Python files: nothing was checked"):
        violations(tree)


def test_a_folder_named_like_a_standard_module_would_not_slip_through(tree, monkeypatch):
    monkeypatch.setattr(sys, "stdlib_module_names", sys.stdlib_module_names | {"compare"})
    (tree / "reference" / "network.py").write_text("import compare\n")
    assert violations(tree) == ["reference/network.py:1 imports compare"]


def test_a_loaded_framework_is_found_however_it_was_imported(tree):
    (tree / "torch.py").write_text("")
    (tree / "hidden.py").write_text("import importlib\nimportlib.import_module('tor' + 'ch')\n")
    assert loaded_by("import reference", ("torch",), tree) == []
    (tree / "reference" / "__init__.py").write_text("import hidden\n")
    assert loaded_by("import reference", ("torch", "matplotlib"), tree) == ["torch"]
