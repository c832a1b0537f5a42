"""The project as a stranger gets it: the wheel, the command, and what the README says of both."""

import importlib.metadata
import os
import re
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from model.parameters import Parameters
from scripts.command_line import SHIPPED_MODEL
from scripts.programs import programs
from tests.test_layers import imported

CHECKOUT = Path(__file__).parent.parent
README = (CHECKOUT / "README.md").read_text()
FOLDERS = ("reference", "torch_impl", "compare", "model", "scripts")
# What the core needs, with what these need themselves, and pytest for its plugin.
CORE = ("numpy", "rich", "pytest")

NETWORK = """
import numpy as np
from compare import WHOSE    # the stranger's own, beside which jalebi is installed
from model import sigmoid
from scripts import MISTAKE

class Mine:
    def __init__(self, sizes, weights, biases):
        self.weights, self.biases = [np.array(w) for w in weights], [np.array(b) for b in biases]
    def export(self):
        return self.weights, self.biases
    def trace(self, x):
        zs, activations = [], [x]
        for w, b in zip(self.weights, self.biases):
            zs.append(w @ activations[-1] + b)
            activations.append(sigmoid(zs[-1]))
        return zs, activations

class Wrong(Mine):
    def trace(self, x):
        zs, activations = super().trace(x)
        return zs, [activations[0], *(a + MISTAKE for a in activations[1:])]
"""
TEST = """
import sys
import pytest
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
PROJECT = {
    "model.py": "import numpy as np\nWHOSE = 'ours'\ndef sigmoid(z): return 1 / (1 + np.exp(-z))\n",
    "scripts/__init__.py": "MISTAKE = 1e-9\n",
    "compare.py": "WHOSE = 'ours'\n",
    "mine.py": NETWORK,
    "test_mine.py": TEST,
}
SIZES = ["--sizes", "6", "5", "3", "--quick"]


def run(*words, cwd=CHECKOUT, **environment):
    """Run a command without the checkout on its path."""
    hidden = ("PYTHONPATH", "PYTEST_ADDOPTS", "MNIST_DIR")
    kept = {key: value for key, value in os.environ.items() if key not in hidden}
    return subprocess.run(
        [str(word) for word in words],
        cwd=cwd, env={**kept, **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def distributions(names):
    """These installed distributions and, whole, all that they require."""
    found, wanted = {}, list(names)
    while wanted:
        name = wanted.pop()
        if name in found:
            continue
        found[name] = importlib.metadata.distribution(name)
        for line in found[name].requires or ():
            if "extra ==" not in line and not re.search("python_version < |win32", line):
                wanted.append(re.match(r"[\w.-]+", line).group())
    return found.values()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    build = ["wheel", "--no-build-isolation", "--no-deps", "--no-index", "--wheel-dir", folder]
    made = run(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", folder)
    assert made.returncode == 0, made.stderr
    [source] = folder.glob("*.tar.gz")  # what a package index gets, and builds the wheel from
    made = run(sys.executable, "-m", "pip", *build, source)
    assert made.returncode == 0, made.stderr
    [path] = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """The commands of a fresh environment that holds the wheel, the core's libraries and pytest."""
    folder = tmp_path_factory.mktemp("stranger") / "venv"
    assert run(sys.executable, "-m", "venv", "--without-pip", folder).returncode == 0
    install = ["--python", folder, "install", "--no-deps", "--no-index", wheel]
    made = run(sys.executable, "-m", "pip", *install)
    assert made.returncode == 0, made.stderr
    [packages] = folder.glob("lib/python*/site-packages")
    for each in distributions(CORE):
        for top in {Path(file).parts[0] for file in each.files} - {"..", "__pycache__"}:
            if not (packages / top).exists():
                (packages / top).symlink_to(each.locate_file(top))
    return folder / "bin"


@pytest.fixture
def project(tmp_path):
    """A stranger's project that has a model.py, a compare.py and a folder scripts/ of its own."""
    for name, text in PROJECT.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


# --- The wheel ----------------------------------------------------------------------------------


def test_the_wheel_holds_one_package_and_all_of_it(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    info = {name for name in names if name.split("/")[0].endswith(".dist-info")}
    written = {
        f"jalebi/{path.relative_to(CHECKOUT).as_posix()}"
        for folder in FOLDERS
        for path in (CHECKOUT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    others = {"__init__.py", "py.typed", "docs/programs.md"}
    assert names - info == written | {f"jalebi/{name}" for name in others}
    assert {"jalebi/model/train.json", "jalebi/model/initial.json"} < names


def test_nothing_in_the_wheel_imports_a_folder_by_its_bare_name(wheel):
    archive = zipfile.ZipFile(wheel)
    sources = [name for name in archive.namelist() if name.endswith(".py")]
    assert len(sources) > 80
    found = {
        f"{source}:{line} imports {name}"
        for source in sources
        for line, name in imported(archive.read(source))
        if name.split(".")[0] in FOLDERS
    }
    assert found == set()


def test_the_core_installs_and_runs_without_torch_and_matplotlib(environment, project):
    required = importlib.metadata.PathDistribution(
        next(environment.parent.glob("lib/python*/site-packages/jalebi-*.dist-info"))
    ).requires
    core = {re.match(r"[\w.-]+", line).group() for line in required if "extra ==" not in line}
    assert core == set(CORE) - {"pytest"}
    absent = "import importlib.util as u; print(*map(u.find_spec, ['torch', 'matplotlib']))"
    assert run(environment / "python", "-c", absent).stdout == "None None\n"
    proved = run(
        environment / "jalebi", "prove", "--candidate", "mine.py:Mine", *SIZES, cwd=project
    )
    assert proved.returncode == 0, proved.stderr
    assert "PROVED: mine:Mine is the reference network" in proved.stdout
    wrong = run(environment / "jalebi", "prove", "--candidate", "mine:Wrong", *SIZES, cwd=project)
    assert wrong.returncode == 1, wrong.stderr
    assert "DISPROVED: mine:Wrong parts from the reference at: forward" in wrong.stdout


def test_the_plugin_needs_no_import_and_reports_every_link(environment, project):
    tested = run(
        environment / "python", "-m", "pytest", "-v", "-p", "no:cacheprovider", cwd=project
    )
    assert tested.returncode == 1
    out = " ".join(tested.stdout.split())
    for line in [
        "test_mine.py::test_mine SUBPASSED[forward]",
        "test_mine.py::test_mine SUBSKIPPED[update]",
        "test_mine.py::test_mine PASSED",
        "test_mine.py::test_wrong SUBFAILED[forward]",
        "test_mine.py::test_wrong FAILED",
        "DISPROVED: mine:Wrong parts from the reference at: forward",
        "test_mine.py::test_the_names_are_our_own PASSED",
    ]:
        assert line in out


@pytest.mark.parametrize(
    ("words", "extra", "name"),
    [
        (["train", "--backend", "torch"], "torch", "torch"),
        (["open"], "figures", "matplotlib"),
        (["tune"], "figures", "matplotlib"),
    ],
)
def test_a_command_without_its_library_says_which_extra_brings_it(
    environment, project, words, extra, name
):
    told = run(environment / "jalebi", *words, cwd=project, TMPDIR=str(project))
    line = f"error: {name} is not installed: pip install 'jalebi[{extra}]'"
    assert (told.returncode, told.stderr.splitlines()[-1]) == (2, line)
    assert "Traceback" not in told.stderr
    if words[0] == "train":  # which would download MNIST as well
        assert f"the environment variable MNIST_DIR, and {line[7:]}): accuracy" in told.stderr


IMPORTED = [  # what is run in the fresh environment; the last line that comes of it
    ("print(jalebi.Network.__module__, jalebi.prove.__module__)",
     "jalebi.reference.network jalebi.compare.chain"),
    ("jalebi.TorchNetwork",
     "ModuleNotFoundError: torch is not installed: pip install 'jalebi[torch]'"),
    ("jalebi.absent", "AttributeError: module 'jalebi' has no attribute 'absent'"),
    ("print({'numpy', 'rich', 'torch', 'argparse'} & set(sys.modules))", "set()"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "line"), IMPORTED)
def test_importing_it_loads_nothing_and_gives_the_public_names(environment, project, code, line):
    told = run(environment / "python", "-c", f"import jalebi, sys; {code}", cwd=project)
    assert (told.stdout + told.stderr).splitlines()[-1] == line


def test_the_next_line_of_an_installed_copy_works_when_pasted(environment, project, digits_folder):
    path = f"{environment}{os.pathsep}{os.environ['PATH']}"
    words = ["train", "--epochs", "1", "--sizes", "784", "3", "10", "--data", digits_folder]
    for name in (["jalebi"], [environment / "python", "-m", "jalebi.scripts"]):
        trained = run(*name, *words, "--output", f"{len(name)}.json", cwd=project, PATH=path)
        assert trained.returncode == 0, trained.stderr
        lines = trained.stdout.split("Next:\n")[1].splitlines()
        assert [line.strip()[0] for line in lines] == ["#", "j", "#", "j"]
        extras = [re.search(r"; first pip install 'jalebi\[(.+)\]'", c) for c in lines[::2]]
        assert [found.group(1) for found in extras] == ["figures", "torch"]
        for line in lines[1::2]:  # and both say so themselves
            told = run(*shlex.split(line), cwd=project, PATH=path)
            assert "not installed" in told.stderr or "cannot be imported" in told.stderr


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


def jalebi(*words, **environment):
    return run(sys.executable, "-m", "scripts", *words, **environment)


def test_the_command_lists_every_program_within_the_width(tmp_path):
    for columns in ("60", "200"):
        told = jalebi("--help", COLUMNS=columns)
        assert told.returncode == 0
        assert [line.split()[0] for line in told.stdout.splitlines() if line[2:3].strip()] == [
            "usage:", *programs()
        ]  # fmt: skip
        assert max(map(len, told.stdout.splitlines())) <= int(columns)
    assert jalebi().stdout == jalebi("--help").stdout


def test_the_command_runs_a_program_by_either_name():
    for name in ("neuron", "fav_neuron", "fav-neuron"):
        told = jalebi(name, "--help")
        assert told.returncode == 0
        assert "-m scripts.fav_neuron" in told.stdout
    assert "--candidate" in jalebi("prove", "--help").stdout


def test_the_command_says_its_version():
    version = re.search('__version__ = "(.+)"', (CHECKOUT / "jalebi.py").read_text()).group(1)
    assert jalebi("--version").stdout == f"jalebi {version}\n"
    assert f"## {version} " in (CHECKOUT / "CHANGELOG.md").read_text()
    assert f"version: {version}\n" in (CHECKOUT / "CITATION.cff").read_text()


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("trian", "error: trian: no such command: did you mean train?"),
        ("xyzzy", "error: xyzzy: no such command: see jalebi --help"),
    ],
)
def test_a_command_that_there_is_not_is_refused(word, line):
    told = jalebi(word)
    assert (told.returncode, told.stdout, told.stderr) == (2, "", line + "\n")


# --- What the README says -----------------------------------------------------------------------


def test_readme_says_what_comes_out_and_gives_the_two_commands_first():
    assert len(README.splitlines()) <= 200
    result, commands = re.findall(r"```\n(.*?)```", README, re.DOTALL)[:2]
    fingerprint = Parameters.load(SHIPPED_MODEL).fingerprint[:16]
    assert result.split().count(fingerprint) == 2
    assert re.match(r"make\b.*\nmake test\b", commands)


def test_every_program_command_file_and_link_of_the_readme_is_there():
    for name in re.findall(r"python -m (scripts\.\w+|compare)", README):
        path = CHECKOUT / name.replace(".", "/")
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), name
    assert set(re.findall(r"`jalebi (\w+)`", README)) <= {*programs()}
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (CHECKOUT / target).exists(), target
    tree = README[README.index("## The house") :]
    files = {path.name for folder in FOLDERS for path in (CHECKOUT / folder).rglob("*.py")}
    assert [name for name in files - {"__init__.py"} if name not in tree] == []
