"""The arrows between the folders point down only: who may import whom, and that this is checked.

scripts    -> everything below
compare    -> model, reference, torch_impl
torch_impl -> torch, torchvision, numpy, model; never reference
reference  -> numpy, and nothing of ours
model      -> numpy, and the reader of pickles in reference; matplotlib in the files that draw,
              Jinja2 in webpage.py
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# What a file of each folder may import beside its own folder and the standard library.
ARROWS = {
    "model": {"numpy"},
    "reference": {"numpy"},
    "torch_impl": {"numpy", "torch", "torchvision", "model"},
    "compare": {
        "numpy", "torch", "mpmath", "matplotlib", "rich", "model", "reference", "torch_impl",
    },
    "scripts": {
        "numpy", "torch", "torchvision", "matplotlib", "rich",
        "model", "reference", "torch_impl", "compare",
    },
}  # fmt: skip
# Drawing is confined to these files of model; every other one can be imported without matplotlib.
DRAWING = ("atlas", "canvas", "figures", "pages", "tuning_figure")
MORE = {f"model/{name}.py": {"matplotlib", "PIL"} for name in DRAWING}  # PIL comes with it
MORE["model/webpage.py"] = {"jinja2"}
PICKLES = "reference.nielsen_pickle"  # which computes nothing: model may read with it
MORE["compare/pytest_plugin.py"] = {"pytest"}
MORE["scripts/__main__.py"] = {"jalebi"}
# Here a module may be imported whose name is not written in the source: the user names it.
NAMED_BY_THE_USER = {"compare", "scripts"}


def imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every import of a file: its line and the module's full name, `?` where none is written."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, "." * node.level + (node.module or "")
        elif isinstance(node, ast.Call) and called(node) in ("import_module", "__import__"):
            name = node.args[0] if node.args else None
            yield node.lineno, name.value if isinstance(name, ast.Constant) else "?"


def called(node: ast.Call) -> str:
    """The name of what is called: f in f(...) and in a.b.f(...)."""
    return getattr(node.func, "id", getattr(node.func, "attr", ""))


def is_allowed(name: str, folder: str, file: str) -> bool:
    if name == "?":
        return folder in NAMED_BY_THE_USER
    if name.startswith("."):  # `from . import x` stays in the folder, `from .. import x` leaves it
        return not name.startswith("..")
    if (name, folder) == (PICKLES, "model"):
        return True
    top = name.split(".")[0]
    allowed = {folder, *ARROWS[folder], *MORE.get(file, ())}
    return top in allowed or (top in sys.stdlib_module_names and top not in ARROWS)


def violations(root: Path) -> list[str]:
    """Every import against the arrows, as `file:line imports name`; no files is an error."""
    found = []
    for folder in ARROWS:
        files = sorted((root / folder).rglob("*.py"))
        if not files:
            raise ValueError(f"{root / folder} holds no Python files: nothing was checked")
        for path in files:
            file = path.relative_to(root).as_posix()
            for line, name in imported(ast.parse(path.read_text(encoding="utf-8"))):
                if not is_allowed(name, folder, file):
                    found.append(f"{file}:{line} imports {name}")
    return found


def loaded_by(statement: str, names: tuple[str, ...], root: Path = ROOT) -> list[str]:
    """Which of these modules a fresh interpreter has loaded once it has run the statement."""
    code = f"import sys; {statement}; print(*[n for n in {names!r} if n in sys.modules])"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False
    )
    if run.returncode:
        raise RuntimeError(f"{statement} failed: {run.stderr.strip().splitlines()[-1]}")
    return run.stdout.split()


def modules_of(folder: str) -> str:
    """A statement that imports every module of a folder, those that draw excepted."""
    files = sorted((ROOT / folder).glob("*.py"))
    names = [f"{folder}.{file.stem}" for file in files if file.stem not in ("__init__", *DRAWING)]
    return "import " + ", ".join([folder, *names])


def test_imports_point_down_only():
    assert violations(ROOT) == []


def test_only_tests_import_tests():
    importers = [
        f"{path.relative_to(ROOT)}:{line}"
        for folder in ARROWS
        for path in (ROOT / folder).rglob("*.py")
        for line, name in imported(ast.parse(path.read_text(encoding="utf-8")))
        if name.split(".")[0] == "tests"
    ]
    assert importers == []


def test_reference_loads_numpy_and_nothing_of_ours():
    others = ("torch", "torchvision", "matplotlib", "model", "torch_impl", "compare", "scripts")
    assert loaded_by(modules_of("reference"), ("numpy", *others)) == ["numpy"]


def test_model_loads_no_framework_and_draws_only_in_figures():
    others = ("torch", "torchvision", "matplotlib", "torch_impl", "compare", "scripts")
    others += ("reference.network", "reference.arithmetic", "reference.mnist_loader")
    assert loaded_by(modules_of("model"), ("numpy", *others)) == ["numpy"]


def test_torch_impl_network_loads_neither_reference_nor_torchvision():
    others = ("torchvision", "matplotlib", "reference", "compare", "scripts")
    assert loaded_by("import torch_impl.network", ("torch", *others)) == ["torch"]


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
    return tmp_path


def test_a_house_that_obeys_has_no_violations(tree):
    assert violations(tree) == []


@pytest.mark.parametrize(
    ("file", "line", "name"),
    [
        ("reference/network.py", "import torch", "torch"),
        ("reference/network.py", "import torch.nn as nn", "torch.nn"),
        ("reference/network.py", "import json, matplotlib", "matplotlib"),
        ("reference/network.py", "from model.parameters import Parameters", "model.parameters"),
        ("reference/network.py", "from torch_impl import network", "torch_impl"),
        ("reference/network.py", "from .. import model", ".."),
        ("reference/network.py", "def f():\n    import scipy", "scipy"),
        ("reference/network.py", "if TYPE_CHECKING:\n    import torch", "torch"),
        ("reference/network.py", "try:\n    import rich\nexcept ImportError:\n    pass", "rich"),
        ("reference/network.py", "torch = __import__('torch')", "torch"),
        ("reference/network.py", "importlib.import_module('torch.nn')", "torch.nn"),
        ("reference/network.py", "importlib.import_module(name)", "?"),
        ("reference/deeper/network.py", "import torch", "torch"),
        ("torch_impl/network.py", "import reference", "reference"),
        ("torch_impl/network.py", "from reference.network import Network", "reference.network"),
        ("torch_impl/network.py", "from compare import rounding", "compare"),
        ("torch_impl/network.py", "import matplotlib", "matplotlib"),
        ("model/parameters.py", "import matplotlib.pyplot as plt", "matplotlib.pyplot"),
        ("model/parameters.py", "import torch", "torch"),
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


@pytest.mark.parametrize("folder", sorted(ARROWS))
def test_a_folder_without_files_is_an_error(tree, folder):
    for path in (tree / folder).iterdir():
        path.unlink()
    with pytest.raises(ValueError, match=f"{folder} holds no Python files: nothing was checked"):
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


def test_a_module_that_cannot_be_imported_is_an_error(tree):
    with pytest.raises(RuntimeError, match="failed: ModuleNotFoundError"):
        loaded_by("import reference.absent", ("torch",), tree)
