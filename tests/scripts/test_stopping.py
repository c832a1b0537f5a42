"""Stopped at any moment, in any surroundings: one line, the right status, and nothing is lost."""

import importlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from model.parameters import Parameters
from scripts import command

ROOT = Path(__file__).parents[2]
# Warnings are errors, but for a folder that PyTorch 2.6 leaves to be cleaned up at exit, and for
# older matplotlib's own use of pyparsing.
WARNINGS = "error,ignore:Implicitly cleaning up:ResourceWarning" + "".join(
    f",ignore::DeprecationWarning:matplotlib.{name}"
    for name in ("_fontconfig_pattern", "_mathtext")
)
# Closes some of its files and becomes another program, in which Ctrl-C is heard: the tests may run
# where it is ignored, as under nohup.
BECOME = (
    "import os, signal, sys; signal.signal(2, signal.SIG_DFL); "
    "[os.close(int(n)) for n in sys.argv[1]]; os.execv(sys.argv[2], sys.argv[2:])"
)


def command_line(*arguments, closed=""):
    """Return what runs Python with these arguments, and without files of these numbers."""
    return [sys.executable, "-c", BECOME, closed, sys.executable, *map(str, arguments)]


def python(*arguments, closed="", stdout=subprocess.PIPE, stderr=subprocess.PIPE, **environment):
    """Run Python with a command line in a process of its own; what is None is not set there."""
    given = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": WARNINGS, **environment}
    return subprocess.run(
        command_line(*arguments, closed=closed),
        cwd=ROOT, env={name: value for name, value in given.items() if value is not None},
        stdout=stdout, stderr=stderr, text=True, check=False, timeout=120,
    )  # fmt: skip


# Runs a program and sends it a signal just before the nth call of a function, named by its place.
STOPPED = """
import importlib, os, signal, sys
module, path, nth, number, program = sys.argv[1:6]
del sys.argv[1:6]
owner = importlib.import_module(module)
*between, name = path.split(".")
for step in between:
    owner = getattr(owner, step)
real, left = getattr(owner, name), [int(nth)]
def stopped(*args, **kwargs):
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), int(number))
    return real(*args, **kwargs)
setattr(owner, name, staticmethod(stopped) if name == "backward" else stopped)
from scripts.command_line import start
start(importlib.import_module("scripts." + program).main)
"""


def stopped(moment, number, program, arguments):
    """Stop a program at a moment and check how it ended; return the lines that it said."""
    run = python("-c", STOPPED, *moment, int(number), program, *arguments)
    assert "Traceback" not in run.stderr
    assert run.returncode == (-signal.SIGKILL if number == signal.SIGKILL else 130)
    return run.stderr.splitlines()


# --- Training and tuning --------------------------------------------------------------------------

# The program; the function and which of its calls it is stopped before, by what; epochs saved then.
MOMENTS = [
    ("train", ("reference.arithmetic", "FixedPoint.round_delta", 7), signal.SIGTERM, 0),
    ("train", ("reference.arithmetic", "FixedPoint.round_delta", 49), signal.SIGINT, 2),
    ("train", ("reference.arithmetic", "FixedPoint.round_delta", 49), signal.SIGKILL, 2),
    # While saving: before it is on the disk, before it has its name, and when it has it.
    ("train", ("os", "fsync", 3), signal.SIGKILL, 1),
    ("train", ("os", "replace", 2), signal.SIGTERM, 1),
    ("train", ("os", "fsync", 4), signal.SIGTERM, 2),
    # Before what is trained at once; while saving the chosen network, the results and the figure.
    ("tune", ("scripts.training", "load_examples", 1), signal.SIGTERM, 0),
    ("tune", ("os", "replace", 1), signal.SIGKILL, 18),
    ("tune", ("os", "replace", 2), signal.SIGKILL, 18),
    ("tune", ("os", "replace", 3), signal.SIGTERM, 18),
]  # fmt: skip


@pytest.mark.parametrize(("program", "moment", "number", "saved"), MOMENTS)
def test_stopped_at_any_moment_it_loses_one_epoch_and_goes_on_without_a_trace(
    small_run, small_tuning, tmp_path, program, moment, number, saved
):
    if program == "train":
        whole, output, resume = small_run, tmp_path / "out.json", ["--resume"]
        kept = f"{output} holds {saved} of 3 epochs: --resume goes on"
        kept, expected = kept if saved else "no epoch was finished yet", small_run.output.parent
    else:
        whole, output, resume = small_tuning, tmp_path, []
        kept = f"{output} keeps every finished epoch: the same command goes on"
        expected = small_tuning.output
    arguments = [*whole.arguments, "--output", str(output)]
    said = stopped(moment, number, program, arguments)
    assert program == "tune" or sum(": epoch " in line for line in said) <= saved
    runs = [Parameters.load(path) for path in tmp_path.glob("[!.r]*.json")]
    assert sum(one.metadata["epochs"] for one in runs) == saved
    if number != signal.SIGKILL:
        assert said[-1] == f"interrupted: {kept}"
        assert list(tmp_path.glob(".*")) == []  # no half-written file, no lock
    assert importlib.import_module(f"scripts.{program}").main([*arguments, *resume]) == 0
    left, right = (
        {path.name: path.read_bytes() for path in folder.iterdir()}
        for folder in (tmp_path, expected)
    )
    assert left == right


def test_ctrl_c_within_autograd_is_heard(small_run, tmp_path):
    moment, out = ("torch_impl.arithmetic", "RoundedSigmoid.backward", 55), tmp_path / "out.json"
    arguments = [*small_run.arguments, "--backend", "torch", "--output", out]
    said = stopped(moment, signal.SIGINT, "train", arguments)
    assert said[-1] == f"interrupted: {out} holds 2 of 3 epochs: --resume goes on"


@pytest.mark.parametrize(  # at first all of them are importing, and after a second they train
    ("number", "seconds"), [(signal.SIGINT, 0.3), (signal.SIGTERM, 0.3), (signal.SIGKILL, 1.0)]
)
def test_stopped_what_is_done_at_once_ends_with_all_its_processes(
    few_digits, tmp_path, number, seconds
):
    many = ["--seeds", "0-1", "--epochs", "3000", "--sizes", 784, 2, 10, "--data", few_digits]
    with subprocess.Popen(
        command_line("-m", "scripts.train", *many, "--output", tmp_path / "many"),
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    ) as process:  # fmt: skip
        wait_while(lambda: not (tmp_path / "many").exists(), 60)
        time.sleep(seconds)
        if number == signal.SIGINT:  # a terminal sends it to all of them
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        out, err = process.communicate(timeout=60)
    if number == signal.SIGKILL:
        assert process.returncode == -signal.SIGKILL
    else:
        assert (process.returncode, out) == (130, "")
        kept = f"interrupted: {tmp_path}/many keeps every finished epoch: --resume goes on"
        assert [line for line in err.splitlines() if ": epoch " not in line][1:] == [kept]
    wait_while(lambda: is_there(process.pid), 10)  # nobody is left of the whole group
    assert not is_there(process.pid)


def wait_while(holds, seconds):
    end = time.monotonic() + seconds
    while holds() and time.monotonic() < end:
        time.sleep(0.05)


def is_there(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


# --- How a program ends ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (ValueError("eta is finite; received nan"), 2, "error: eta is finite; received nan"),
        (ValueError("two\n  lines \x1b[2J\x9b7m\u202e\udcff"), 2,
         r"error: two lines \x1b[2J\x9b7m\u202e\udcff"),
        (PermissionError(13, "Permission denied", b"\xff"), 2, r"error: \udcff: Permission denied"),
        (OSError(28, "No space left on device"), 2, "error: [Errno 28] No space left on device"),
        (FileNotFoundError("out of memory.json: absent"), 2, "error: out of memory.json: absent"),
        (MemoryError(), 2, "error: not enough memory"),
        (MemoryError("Unable to allocate 9 TiB"), 2,
         "error: not enough memory: Unable to allocate 9 TiB"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), 2,
         "error: not enough memory: DefaultCPUAllocator: can't allocate memory: you tried"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (KeyboardInterrupt("3 epochs \x1b"), 130, r"interrupted: 3 epochs \x1b"),
    ],
    ids=repr,
)  # fmt: skip
def test_bad_input_ends_a_program_with_one_line(capsys, error, status, line):
    @command
    def main(argv=None):
        """What it does."""
        raise error

    assert main([]) == status
    assert capsys.readouterr() == ("", line + "\n")
    assert (main.__name__, main.__doc__) == ("main", "What it does.")


@pytest.mark.parametrize("error", [TypeError("ours"), RuntimeError("ours")], ids=repr)
def test_a_mistake_of_ours_keeps_its_traceback(error):
    @command
    def main(argv=None):
        raise error

    with pytest.raises(type(error)):
        main([])


STARTED = """
import os, signal, sys, time
from scripts import command, start
def kill(number):
    os.kill(os.getpid(), number)
    time.sleep(10)
{}
@command
def main(argv):
    try:
        {}
    finally:
        {}
start(main)
"""
TIDY = 'print("tidied up")'


@pytest.mark.parametrize(
    ("before", "inside", "ending", "status", "out", "err"),
    [
        ("", "return 5", "pass", 5, "", ""),
        ("", "kill(2)", TIDY, 130, "tidied up\n", "interrupted\n"),
        ("", "kill(15)", TIDY, 130, "tidied up\n", "interrupted\n"),
        ("", "kill(2)", "kill(15)", -15, "", ""),  # a second signal ends it at once
        ("", "kill(15)", "kill(2)", -2, "", ""),
        ("", "signal.signal(2, 1)", "sys.exit(3)", 3, "", ""),
        # What nohup ignores stays ignored.
        ("signal.signal(2, signal.SIG_IGN)", "os.kill(os.getpid(), 2); return 0", "pass",
         0, "", ""),
        # What a terminal would obey, and what it has no letter for, is written out.
        ("", r'print("\x1b[2J\udcff\ta\xe9\nb")', "return 0", 0,
         "\\x1b[2J\\udcff\\ta\\xe9\nb\n", ""),
    ],
)  # fmt: skip
def test_a_program_ends_tidily(before, inside, ending, status, out, err):
    run = python("-c", STARTED.format(before, inside, ending), PYTHONIOENCODING="ascii")
    assert (run.returncode, run.stdout, run.stderr) == (status, out, err)


# --- Surroundings ---------------------------------------------------------------------------------

CLOSED = "error: standard output is closed, the results would be lost: open it, >FILE"
UNWRITTEN = "error: standard output cannot be written:"


def surrounded(out, err, arguments):
    """Run Python with standard output and error "closed", a "broken" pipe, "read", or a device."""
    kept = {"closed": subprocess.DEVNULL, "read": subprocess.PIPE}
    ours, kept["broken"] = os.pipe()
    os.close(ours)
    with open("/dev/full", "w") as kept["/dev/full"]:
        closed = "1" * (out == "closed") + "2" * (err == "closed")
        run = python(*arguments, closed=closed, stdout=kept[out], stderr=kept[err])
    os.close(kept["broken"])
    return run


@pytest.mark.parametrize(
    ("out", "err", "status", "line"),
    [
        ("closed", "read", 2, CLOSED),
        ("broken", "read", 2, f"{UNWRITTEN} Broken pipe"),
        ("closed", "closed", 2, None),
        ("/dev/full", "/dev/full", 2, None),
        ("read", "closed", 0, None),
        ("read", "/dev/full", 0, None),
    ],
)
def test_without_anywhere_to_write_it_ends_in_one_line(small_run, tmp_path, out, err, status, line):
    arguments = ["-m", "scripts.train", *small_run.arguments, "--output", tmp_path / "out.json"]
    run = surrounded(out, err, arguments)
    assert run.returncode == status
    assert (tmp_path / "out.json").exists() == (out != "closed")
    if err == "read":
        lines = [each for each in run.stderr.splitlines() if "training: epoch" not in each]
        assert lines[-1] == line
        assert all("not MNIST" in each for each in lines[:-1])
    if out == "read":
        assert run.stdout.startswith("test accuracy")


def test_help_that_cannot_be_written_is_an_error():
    run = surrounded("/dev/full", "read", ["-m", "scripts.train", "--help"])
    assert (run.returncode, run.stderr) == (2, f"{UNWRITTEN} No space left on device\n")


# What happens when something is imported, in what program, and how that ends.
KILLED = "import os, time; os.kill(os.getpid(), {}); time.sleep(9)"
UNMAPPED = "x.so: failed to map segment from shared object"
IMPORTS = [
    ("scripts.train", "numpy", KILLED.format(2), 130, "interrupted"),
    ("scripts.train", "numpy", KILLED.format(15), 130, "interrupted"),
    ("scripts train", "numpy", KILLED.format(2), 130, "interrupted"),
    ("scripts.train", "typing", KILLED.format(2), 130, "interrupted"),  # among the first of all
    ("scripts.train", "numpy", "raise MemoryError", 2, "error: not enough memory"),
    ("scripts.train", "numpy", f"raise ImportError({UNMAPPED!r})", 2,
     f"error: not enough memory: {UNMAPPED}"),
    ("scripts.train", "numpy", "1 / 0", 1, "ZeroDivisionError: division by zero"),  # ours: whole
]  # fmt: skip


@pytest.mark.parametrize(("program", "module", "content", "status", "line"), IMPORTS)
def test_from_its_first_import_on_it_ends_in_one_line(
    tmp_path, program, module, content, status, line
):
    (tmp_path / f"{module}.py").write_text(content)
    run = python("-m", *program.split(), "--help", PYTHONPATH=f"{tmp_path}:{ROOT}")
    assert (run.returncode, run.stdout) == (status, "")
    assert run.stderr.splitlines()[-1] == line
    assert status == 1 or run.stderr == line + "\n"


def test_without_enough_memory_it_ends_in_one_line(few_digits, tmp_path):
    code = (
        "import resource; from scripts import train; from scripts.command_line import start\n"
        "from pathlib import Path; pages = Path('/proc/self/statm').read_text().split()[0]\n"
        "used = int(pages) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + 20_000_000, used + 20_000_000))\n"
        "start(train.main)\n"
    )
    options = ["--sizes", 784, 1000, 10, "--data", few_digits, "--output", tmp_path / "out.json"]
    run = python("-c", code, *options)
    assert run.returncode == 2
    assert run.stderr.splitlines()[-1].startswith("error: not enough memory")
    assert "Traceback" not in run.stderr
    assert os.listdir(tmp_path) == []


def test_the_programs_run_on_one_thread_unless_the_user_says_otherwise():
    given = {"OMP_NUM_THREADS": "3", "OPENBLAS_NUM_THREADS": None, "MKL_NUM_THREADS": None}
    code = f"import os, scripts; print(*[os.environ[name] for name in {[*given]}])"
    assert python("-c", code, **given).stdout == "3 1 1\n"
