"""The project as a stranger gets it: the wheel, what it needs, and the command."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from scripts.__main__ import main
from scripts.programs import programs
from tests.test_layers import imported

CHECKOUT = Path(__file__).parent.parent
FOLDERS = ("reference", "torch_impl", "compare", "model", "scripts")
# What the core needs, and pytest for its plugin, with what these need themselves.
NEEDED = (
    "numpy", "numpy.libs", "rich", "threadpoolctl.py", "pygments", "markdown_it", "mdurl",
    "pytest", "_pytest", "py.py", "pluggy", "iniconfig", "packaging",
)  # fmt: skip

NETWORK = """
import numpy as np
from compare import WHOSE    # the stranger's own, beside which jalebi is installed
from model import sigmoid
from scripts import MISTAKE

class Mine:
    wrong = 0
    def __init__(self, sizes, weights, biases):
        self.layers = list(zip(map(np.array, weights), map(np.array, biases)))
    def export(self):
        return list(zip(*self.layers))
    def trace(self, x):
        zs, activations = [], [x]
        for w, b in self.layers:
            zs.append(w @ activations[-1] + b)
            activations.append(sigmoid(zs[-1]) + self.wrong)
        return zs, activations

class Wrong(Mine):
    wrong = MISTAKE
"""
TEST = """
import sys
from mine import Mine, Wrong

def test_mine(prove):
    prove(Mine, sizes=[6, 5, 3])

def test_wrong(prove):
    prove(Wrong, sizes=[6, 5, 3])

def test_the_names_are_our_own():
    import compare, model, scripts
    assert (compare.WHOSE, model.WHOSE, scripts.MISTAKE) == ("ours", "ours", 1e-9)
    assert not {"reference", "torch_impl"} & set(sys.modules)
"""
PROJECT = {  # a stranger's, with a model.py, a compare.py and a folder scripts/ of its own
    "model.py": "import numpy as np\nWHOSE = 'ours'\ndef sigmoid(z): return 1 / (1 + np.exp(-z))\n",
    "scripts/__init__.py": "MISTAKE = 1e-9\n",
    "compare.py": "WHOSE = 'ours'\n",
    "mine.py": NETWORK,
    "test_mine.py": TEST,
}


def run(*words, cwd=CHECKOUT, **environment):
    """Run a command without the checkout on its path."""
    hidden = ("PYTHONPATH", "PYTEST_ADDOPTS", "MNIST_DIR")
    kept = {key: value for key, value in os.environ.items() if key not in hidden}
    return subprocess.run(
        [str(word) for word in words],
        cwd=cwd, env={**kept, **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def done(*words):
    made = run(sys.executable, "-m", *words)
    assert made.returncode == 0, made.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from the source distribution, which is what a package index gets."""
    folder = tmp_path_factory.mktemp("dist")
    done("hatchling", "build", "-t", "sdist", "-d", folder)
    build = ["wheel", "--no-build-isolation", "--no-deps", "--no-index", "--wheel-dir", folder]
    done("pip", *build, *folder.glob("*.tar.gz"))
    [path] = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """The commands of a fresh environment that holds the wheel, the core's libraries and pytest."""
    folder = tmp_path_factory.mktemp("stranger") / "venv"
    done("venv", "--without-pip", folder)
    done("pip", "--python", folder, "install", "--no-deps", "--no-index", wheel)
    [packages] = folder.glob("lib/python*/site-packages")
    for name in NEEDED:
        for pattern in (name, f"{name}-[0-9]*.dist-info"):
            for path in Path(pytest.__file__).parents[1].glob(pattern):
                (packages / path.name).symlink_to(path)
    return folder / "bin"


@pytest.fixture
def project(tmp_path):
    for name, text in PROJECT.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


# --- The wheel ----------------------------------------------------------------------------------


def test_the_wheel_holds_one_package_whole_which_imports_no_folder_by_its_bare_name(wheel):
    archive = zipfile.ZipFile(wheel)
    names = set(archive.namelist())
    [metadata] = (name for name in names if name.endswith(".dist-info/METADATA"))
    written = {
        f"jalebi/{path.relative_to(CHECKOUT).as_posix()}"
        for folder in FOLDERS
        for path in (CHECKOUT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    others = {f"jalebi/{name}" for name in ("__init__.py", "py.typed", "docs/programs.md")}
    info = {name for name in names if name.startswith(metadata.split("/")[0])}
    assert names - info == written | others
    assert {"jalebi/model/train.json", "jalebi/model/initial.json"} < names
    found = {
        f"{source}:{line} imports {name}"
        for source in names
        if source.endswith(".py")
        for line, name in imported(archive.read(source))
        if name.split(".")[0] in FOLDERS
    }
    assert found == set()
    requires = r"(?m)^Requires-Dist: ([\w.-]+)(?!.*extra)"
    required = re.findall(requires, archive.read(metadata).decode())
    assert set(required) == {"numpy", "rich", "threadpoolctl"}


TOLD = "error: {0} is not installed: pip install 'jalebi[{1}]'"
INSTALLED = [  # what is run in the fresh environment; how it ends; what is said, among other things
    (["python", "-c", "import importlib.util as u; print(*map(u.find_spec, ('torch', 'PIL')))"], 0,
     ["None None"]),
    (["jalebi", "prove", "--candidate", "mine:Mine", "--sizes", "6", "5", "3", "--quick"],
     0, ["PROVED: mine:Mine is the reference network"]),
    (["jalebi", "prove", "--candidate", "mine.py:Wrong", "--sizes", "6", "5", "3", "--quick"],
     1, ["DISPROVED: mine:Wrong parts from the reference at: forward"]),
    (["python", "-m", "pytest", "-v", "-p", "no:cacheprovider"], 1, [
        "test_mine.py::test_mine SUBPASSED[forward]", "test_mine.py::test_mine SUBSKIPPED[update]",
        "test_mine.py::test_mine PASSED", "test_mine.py::test_wrong SUBFAILED[forward]",
        "DISPROVED: mine:Wrong parts from the reference at: forward",
        "test_mine.py::test_wrong FAILED", "test_mine.py::test_the_names_are_our_own PASSED"]),
    (["jalebi", "train", "--backend", "torch"], 2, [TOLD.format("torch", "torch"),
        f"the environment variable MNIST_DIR, and {TOLD[7:].format('torch', 'torch')}): accuracy"]),
    (["jalebi", "train", "--epochs", "1", "--output", "a.json", "--data", "DIGITS"], 0, [
        "Next: # ", "; first pip install 'jalebi[figures]' jalebi figures --model a.json",
        "; first pip install 'jalebi[torch]' jalebi prove --model a.json"]),
    (["jalebi", "open"], 2, [TOLD.format("matplotlib", "figures")]),
    (["jalebi", "tune"], 2, [TOLD.format("matplotlib", "figures")]),
    *((["python", "-c", f"import jalebi, sys; {code}"], status, [line]) for code, status, line in (
        ("print(jalebi.Network.__module__, jalebi.prove.__module__)", 0,
         "jalebi.reference.network jalebi.compare.chain"),
        ("jalebi.TorchNetwork", 1, f"ModuleNotFoundError: {TOLD[7:].format('torch', 'torch')}"),
        ("jalebi.absent", 1, "AttributeError: module 'jalebi' has no attribute 'absent'"),
        ("print({'numpy', 'rich', 'torch', 'argparse'} & set(sys.modules))", 0, "set()"))),
]  # fmt: skip


@pytest.mark.parametrize(("words", "status", "said"), INSTALLED)
def test_what_an_installed_copy_does_without_torch_and_matplotlib(
    environment, project, digits_folder, words, status, said
):
    words = [str(digits_folder) if word == "DIGITS" else word for word in words]
    named = {"TMPDIR": str(project), "PATH": f"{environment}{os.pathsep}{os.environ['PATH']}"}
    told = run(environment / words[0], *words[1:], cwd=project, **named)
    out = " ".join((told.stdout + told.stderr).split())
    assert told.returncode == status, out
    assert [line for line in said if line not in out] == []
    if status == 2:
        assert told.stderr.splitlines()[-1] == said[0]
        assert "Traceback" not in out


# --- Windows ------------------------------------------------------------------------------------

LACKING = """
import importlib, os, pathlib, signal, sys
sys.modules["fcntl"] = sys.modules["resource"] = None
for name in ("fchmod", "getuid", "killpg", "set_blocking", "O_NOFOLLOW"):
    delattr(os, name)
for name in ("SIGKILL", "SIGHUP", "pthread_sigmask"):
    delattr(signal, name)
for folder in sys.argv[2:]:
    for path in pathlib.Path(folder).rglob("*.py"):
        importlib.import_module(".".join(path.with_suffix("").parts))
        print(path)
from model.initial import initial_parameters
initial_parameters((3, 2), seed=0).save(sys.argv[1])
"""


def test_where_windows_has_no_locks_all_is_imported_and_a_file_is_refused_in_a_line(tmp_path):
    told = run(sys.executable, "-c", LACKING, tmp_path / "net.json", *FOLDERS)
    assert len(told.stdout.splitlines()) > 80
    line = f"OSError: {tmp_path}/net.json: cannot be written: this system has no locks by fcntl"
    assert told.stderr.splitlines()[-1].startswith(line)
    assert list(tmp_path.iterdir()) == []


# --- The command --------------------------------------------------------------------------------


@pytest.fixture
def jalebi(capsys, monkeypatch):
    """The command, in a terminal of a width: how it ends, and what it prints."""

    def called(*words, columns="80"):
        monkeypatch.setenv("COLUMNS", columns)
        try:
            status = main(words)
        except SystemExit as left:
            status = left.code
        return status, *capsys.readouterr()

    return called


def test_the_command_lists_every_program_within_the_width(jalebi):
    for columns in ("60", "200"):
        status, out, _ = jalebi("--help", columns=columns)
        lines = out.splitlines()
        assert status == 0
        assert [line.split()[0] for line in lines if line[2:3].strip()] == ["usage:", *programs()]
        assert max(map(len, lines)) <= int(columns)
    assert jalebi() == jalebi("--help")


VERSION = re.search('__version__ = "(.+)"', (CHECKOUT / "jalebi.py").read_text()).group(1)
WORDS = [  # after jalebi; how it ends; what is printed, or the whole of what is refused
    *(([name, "--help"], 0, "-m scripts.fav_neuron")
      for name in ("neuron", "fav_neuron", "fav-neuron")),
    (["prove", "--help"], 0, "--candidate"),
    (["--version"], 0, f"jalebi {VERSION}\n"),
    (["trian"], 2, "error: trian: no such command: did you mean train?\n"),
    (["xyzzy"], 2, "error: xyzzy: no such command: see jalebi --help\n"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "status", "said"), WORDS)
def test_the_command_runs_a_program_by_either_name_or_refuses(jalebi, words, status, said):
    found, out, err = jalebi(*words)
    assert found == status
    assert (out, err) == ("", said) if status else (said in out and not err)


def test_its_version_is_that_of_the_changelog_and_of_the_citation():
    assert f"## {VERSION} " in (CHECKOUT / "CHANGELOG.md").read_text()
    assert f"version: {VERSION}\n" in (CHECKOUT / "CITATION.cff").read_text()
