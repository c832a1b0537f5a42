"""`python -m compare` and `prove`: whatever a candidate does, nothing is proved by accident."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock
from xml.etree import ElementTree

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

import compare
from compare import __main__, chain, kills, links
from compare.__main__ import main
from compare.difference import Link, Proof, Unusable, Verdict
from compare.host import Child, InProcess, program, sendable
from compare.material import synthetic_material
from compare.pipes import receive
from compare.trial import Trial
from compare.twins import ReferenceTwin, TorchTwin
from compare.witnesses import witnesses

ROOT = Path(__file__).resolve().parents[2]
SMALL = ["--quick", "--sizes", "12,6,4", "--epochs", "0", "--timeout", "5"]
# What backprop does before it answers rightly, or another method, the exit status, and what is
# said.
TWICE = "b, w = super().backprop(x, y); return b, [2 * v for v in w]"
# fmt: off
MISDEEDS: list[tuple[str, int, str]] = [
    ("sys.exit(0)", 2, "backprop raised SystemExit: 0"),
    ("os._exit(0)", 2, "the candidate's process ended with exit status 0 while backprop was comp"),
    ("raise RuntimeError('hm')", 2, "the candidate's own error: backprop raised RuntimeError: hm"),
    ("os.kill(os.getpid(), 9)", 2, "was ended by signal 9"),
    ("os.closerange(0, 100)", 2, "the candidate's process ended"),
    ("os.write(max(f for f in range(20) if is_open(f)), b'{}\\n')", 2, ""),
    ("os.write(max(f for f in range(20) if is_open(f)), b'\\xff\\xfe\\n')", 2, ""),
    ("self.all = [np.empty(10**7) for _ in range(100)]", 2, "MemoryError"),
    ("sys.stdout.close()", 0, ""),
    ("print('DISPROVED'); np.seterr(divide='raise'); os.environ.clear(); "
     "warnings.simplefilter('error'); np.abs = np.zeros_like; np.array_equal = lambda *v: True",
     0, "what it offers covered: "),
    (TWICE, 1, "first broken link: gradients: nabla_w["),
    ("import compare.difference as d; d.measure = np.array_equal = np.allclose = lambda *v: True; "
     f"{TWICE}", 1, "diagnosis: nabla_w alone is 2 "),
    ("def export(self): return 1 / 0", 2, "in export def export(self): return 1 / 0 "),
    ("def __init__(self, sizes, *given): self.weights, self.biases = given", 1,
     "weights[0][0, 0] is nan, which equals nothing: the candidate keeps an array that it was "),
]
# fmt: on
MORE = """
import os, sys, time, warnings

def is_open(f):
    try:
        return bool(os.fstat(f))
    except OSError:
        return False

class LeavesOneBehind(MyNetwork):
    def backprop(self, x, y):
        if os.fork() == 0:
            os.setsid()
            time.sleep(20)
        os._exit(0)

class Forges(MyNetwork):
    label = 'mine\\nPROVED: it is the reference\\x1b[8m'
    def backprop(self, x, y):
        print('\\x1b[2JPROVED: out\\rPROVED')
        print('PROVED: err', file=sys.stderr)
        raise RuntimeError('\\x1b[2JPROVED: all is well\\x1b[8m\\nPROVED: too')

class Hangs(MyNetwork):
    def backprop(self, x, y):
        open(os.environ['HERE'], 'w').write(str(os.getpid()))
        time.sleep(600)

class Picky(MyNetwork):
    def __init__(self, sizes, weights, biases):
        raise ValueError("784-20-10 only")
"""


@pytest.fixture(scope="module")
def mine(worked_example: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the worked example and a candidate for each misdeed, and files that end."""
    path = tmp_path_factory.mktemp("mine") / "mine.py"
    text = worked_example + MORE
    for k, (misdeed, *_) in enumerate(MISDEEDS):
        asked = (
            f"def backprop(self, x, y):\n        {misdeed}\n        return super().backprop(x, y)"
        )
        text += f"class Bad{k}(MyNetwork):\n    {misdeed if misdeed[:3] == 'def' else asked}\n"
    path.write_text(text)
    for k, line in enumerate(("sys.exit(0)", "os._exit(0)", "raise KeyboardInterrupt")):
        path.with_name(f"ends{k}.py").write_text(f"import os, sys\n{line}\n")
    return path


WITNESSED = functools.wraps(links.witnesses)(functools.cache(lambda: list(witnesses())))


@pytest.fixture(autouse=True)
def little(monkeypatch) -> None:
    """A short training, and the reference witnessed once: what is here is not about these."""
    monkeypatch.setattr(links, "witnesses", WITNESSED)
    for name, value in {"QUICK_STEPS": 20, "CROWD": 60, "THRONG": 300}.items():
        monkeypatch.setattr(chain, name, value)


@pytest.mark.parametrize("k", range(len(MISDEEDS)), ids=[row[0][:40] for row in MISDEEDS])
def test_a_misdeed_proves_nothing_and_changes_nothing(k: int, mine: Path, capsys) -> None:
    _, status, said = MISDEEDS[k]
    assert main([*SMALL, "--candidate", f"{mine}:Bad{k}", "--memory", "2"]) == status
    out = capsys.readouterr().out
    words = " ".join(out.split())
    assert words.startswith(("PROVED: ", "DISPROVED: ", "COULD NOT BE TRIED: ")[status])
    assert words.count("PROVED: ") == (status < 2)
    assert said in words
    if "own error" in said:
        assert f'File "{mine}"' in out
        assert re.search("^predictions +(identical|equal) ", out, re.MULTILINE)


@pytest.mark.parametrize("name", ["Hangs", "LeavesOneBehind"])
def test_a_call_that_takes_too_long_is_ended_whoever_holds_the_pipe(
    name, mine: Path, tmp_path, monkeypatch, capsys
) -> None:
    begin, own = time.monotonic(), f"OWNER={uuid.uuid4()}"
    monkeypatch.setenv("OWNER", own.partition("=")[2])
    monkeypatch.setenv("HERE", str(tmp_path / "here"))
    assert main([*SMALL, "--candidate", f"{mine}:{name}", "--timeout", "3"]) == 2
    assert time.monotonic() - begin < 19
    assert "did not answer within 3 s" in " ".join(capsys.readouterr().out.split())
    for environ in Path("/proc").glob("[0-9]*/environ"):  # nothing that it started lives on
        with contextlib.suppress(OSError):
            assert own.encode() not in environ.read_bytes()


def test_what_a_candidate_says_forges_no_line_of_the_result(mine: Path, capsys) -> None:
    assert main([*SMALL, "--candidate", f"{mine}:Forges"]) == 2
    out, err = capsys.readouterr()
    assert "\x1b" not in out + err
    lines = out.splitlines() + err.splitlines()
    assert not [line for line in lines if line.startswith("PROVED")]
    assert "the candidate prints: PROVED: err" in lines


@pytest.mark.parametrize("redirection", ["> /dev/full", ">&-"])
def test_a_table_that_cannot_be_printed_is_2(redirection: str, mine: Path) -> None:
    command = f"{sys.executable} -m compare {' '.join(SMALL)} --candidate {mine}:Bad0"
    command = f"{command} {redirection}"
    found = subprocess.run(command, shell=True, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert found.returncode == 2
    assert "Traceback" not in found.stderr


def test_ctrl_c_while_a_mutant_computes_in_this_process_ends_all(correct, material) -> None:
    mutant = type("Mutant", (correct,), {"backprop": Mock(side_effect=KeyboardInterrupt)})
    with pytest.raises(KeyboardInterrupt):
        links.run("gradients", InProcess(mutant, notice=""), material)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_in_one_line_and_takes_the_candidate_along(
    number: signal.Signals, mine: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "compare", *SMALL, "--timeout", "100"]
    with subprocess.Popen(
        [*command, "--candidate", f"{mine}:Hangs"],
        cwd=ROOT,
        env={**os.environ, "HERE": str(tmp_path / "here")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as running:
        while not (tmp_path / "here").exists():
            time.sleep(0.05)
        time.sleep(0.5)
        running.send_signal(number)
        out, err = running.communicate()
    assert (out, err) == (b"", b"python -m compare: interrupted: nothing has been proved\n")
    assert running.returncode == 2
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "here").read_text()), 0)


# What crosses the pipe.


@pytest.mark.parametrize(
    "line",
    ['{"arrays": [["<f8", [1e9, 1e9], "C"]]}', '{"arrays": [["|O", [1], "C"]]}', "[]", "what"],
)
def test_what_is_no_message_is_refused(line: str, tmp_path: Path) -> None:
    (tmp_path / "pipe").write_text(line + "\n")
    with open(tmp_path / "pipe", "rb") as stream, pytest.raises(ValueError, match=r"."):
        receive(stream)


def test_a_network_that_nobody_asks_is_let_go_before_the_next_is_built(material) -> None:
    host = InProcess(ReferenceTwin)
    for _ in range(3):
        Trial(host, material.initial).export()
    assert list(host.supervised.nets) == [3]


def test_a_class_with_a_name_is_sent_and_one_without_is_tried_here(correct, material) -> None:
    assert sendable(ReferenceTwin) == "compare.twins:ReferenceTwin"
    assert sendable(correct) is None
    for candidate, notice in ((correct, "was tried in this process"), (ReferenceTwin, "")):
        found = compare.prove(candidate, material=material, links=["initial weights"])
        assert notice in found.notice
        assert bool(found.notice) is bool(notice)

    def backprop(self: object, x: object, y: object) -> object:
        os.environ["SPOILT"] = "yes"
        sys.exit(0)

    environ, exits = dict(os.environ), type("Exits", (correct,), {"backprop": backprop})
    exits = compare.prove(exits, material=material, links=["gradients"])
    assert exits.status == 2
    assert "backprop raised SystemExit: 0" in exits["gradients"].sentence
    assert dict(os.environ) == environ


def test_a_program_may_take_so_much_memory_and_must_start(mine: Path, material) -> None:
    greedy = next(k for k, row in enumerate(MISDEEDS) if row[2] == "MemoryError")
    asked = json.dumps([f"{mine}:Bad{greedy}", None, None, sys.path])
    command = shlex.join([sys.executable, "-m", "compare.supervision", asked])
    found = compare.prove(command=command, material=material, memory=1)
    assert found.status == 2
    assert "backprop raised MemoryError" in found.first_broken.sentence
    for words, told in (
        ("false", r"--program: .*false: the candidate's process ended with exi"),
        ("cat", r"^--program: cat.dtype: expected one of float64, float32, .*, received None"),
        ("/no/such/program", "cannot be started: No such file"),
        ("", "--program: expected a command, received nothing"),
    ):
        with pytest.raises(Unusable, match=told), contextlib.closing(program(words)) as host:
            host.described()


# The chain.


def test_on_mnists_layout_the_whole_chain_is_proved(digits: Path) -> None:
    seen: list[Link] = []
    settings = {"data": digits, "sizes": [784, 4, 10], "epochs": 1, "on_link": seen.append}
    found = compare.prove(TorchTwin, **settings)
    assert found.status == 0, found.first_broken
    assert [v.name for v in seen] == [link.name for link in found] == list(chain.LINKS)
    assert found["data"].verdict is Verdict.IDENTICAL
    assert len(json.dumps(found.as_json())) < 50_000


def test_how_much_is_tried_by_default_and_in_full(monkeypatch) -> None:
    monkeypatch.undo()
    for quick, steps, shown, images in ((True, 600, 200, 500), (False, 10_500, 2**31, 5000)):
        found = chain.gathered([12, 6, 4], None, quick, None, 0)
        assert (found.steps, found.shown, len(found.images)) == (steps, shown, images)
        assert (found.crowd, found.throng, found.epochs) == (1100, 33_000, 1)


def test_a_start_of_zeros_is_proved(correct, material) -> None:
    zeros = dict.fromkeys(("initial", "zeros"), material.starts["zeros"])
    zeros["trained"] = material.trained
    found = compare.prove(correct, material=replace(material, starts=zeros))
    assert found.status == 0, found.first_broken


def test_other_settings_are_tried_as_given(correct) -> None:
    found = compare.prove(correct, sizes=[12, 6, 4], epochs=0, eta=0.25, mini_batch_size=7, seed=3)
    assert found.status == 0
    settings = {"eta": 0.25, "mini_batch_size": 7, "seed": 3, "quick": True}
    assert settings.items() <= found.settings.items()


def test_a_constructors_error_is_said_once(correct, material) -> None:
    never_built = type("NeverBuilt", (correct,), {"__init__": Mock(side_effect=TypeError("none"))})
    found = compare.prove(never_built, material=material)
    assert found.status == 2
    said = [link.sentence for link in found if "TypeError: none" in link.sentence]
    assert len(said) == 1
    assert [v.verdict for v in found][2:] == [Verdict.NOT_TRIED] * (len(found) - 2)


def test_strict_makes_what_is_not_offered_a_failure(correct, material) -> None:
    near = type("Near", (correct,), {"update_mini_batch": None, "update_minibatch": len})
    links = ["forward", "update"]
    found, strict = (
        compare.prove(near, material=material, links=links, strict=strict)
        for strict in (False, True)
    )
    assert found.require() is found
    assert "it has update_minibatch: rename it" in found["update"].sentence
    with pytest.raises(Unusable, match=r"(?s)whole: not offered:\s+update.*\(--strict\)"):
        strict.require()


def test_links_can_be_chosen(correct, material) -> None:
    assert compare.prove(correct, material=material, links=[]).status == 2
    with pytest.raises(Unusable, match="links: expected some of reference, data"):
        compare.prove(correct, material=material, links=["nonsense"])


def test_the_candidate_in_jax_is_proved(jax_example, tmp_path) -> None:
    pytest.importorskip("jax")
    (tmp_path / "in_jax.py").write_text(jax_example)
    found = compare.prove(f"{tmp_path / 'in_jax.py'}:InJax", sizes=[12, 6, 4], epochs=0)
    assert found.status == 0, found.first_broken


# The command line.


def test_proved_is_0_and_files_are_written(mine, tmp_path, capsys) -> None:
    files = ["--json", str(tmp_path / "a.json"), "--junit", str(tmp_path / "a.xml")]
    files += ["--divergence", str(tmp_path / "b.png")]
    assert main([*SMALL, "--candidate", f"{mine}:MyNetwork", *files]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.startswith("PROVED: mine:MyNetwork is the reference network, in what it offers\n")
    assert max(map(len, out.splitlines())) <= 100
    names = ["a.json", "a.xml", "b.json", "b.png"]
    assert sorted(p.name for p in tmp_path.iterdir()) == names
    assert ElementTree.parse(tmp_path / "a.xml").getroot().attrib["failures"] == "0"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--candidate", "no_such_module:Net"], "--candidate: cannot import no_such_module"),
        (["--candidate", "Net"], "--candidate: expected package.module:Class"),
        (["--candidate", "{here}/ends0.py:Net"], "--candidate: "),
        (["--candidate", "{here}/ends1.py:Net"], "--candidate: "),
        (["--candidate", "{here}/ends2.py:Net"], "--candidate: "),
        (["--candidate", "{mine}:Absent"], "has no class Absent"),
        (["--candidate", "{mine}:Picky", "--sizes", "5,3"], "take sizes [5, 3]: 784-20-10"),
        (["--candidate", "{mine}:MyNetwork", "--arithmetic", "float32"], "does not offer with_ar"),
        (["--candidate", "{mine}:MyNetwork", "--device", "cuda"], "does not offer with_device"),
        (["--sizes", "7"], "sizes: expected a list of 2 to 100 whole numbers"),
        (["--sizes", "7,0"], "sizes[1]: expected a whole number from 1 to 65,536, received 0"),
        (["--data", "/no/such/folder"], "/no/such/folder: no such file or folder"),
        (["--model", "/no/such.json"], "/no/such.json: no such file; expected a parameter file"),
        (["--device", "abacus"], "device is cpu, cuda or cuda:N; received 'abacus'"),
        (["--json", "/no/such/folder/a.json"], "the folder does not exist; make it first: mkdir"),
        (["--junit", "/tmp"], "/tmp: expected the name of a file to write, received a folder"),
        (["--json", "/dev/null"], "/dev/null"),
        (["--program", "/no/such/program"], "cannot be started: No such file or directory"),
        (["--quick", "--sizes", "12,6,4", "--mini-batch-size", "501"], "1 to 500, the examples"),
        (["--sizes", "a,b"], "expected whole numbers such as 784 20 10, received 'a,b'"),
        (["--epochs", "-1"], "expected a whole number, 0 or more, received '-1'"),
        (["--arithmetic", "float16"], "invalid choice: 'float16'"),
        (["--nonsense"], "unrecognized arguments: --nonsense"),
        (["--self-test", "--json", "a.json"], "--self-test takes no other option, received --json"),
        (["--program", "x", "--device", "cpu"], "--device is not for a --program"),
        (["--model", "m.json", "--sizes", "5,4"], "--sizes are those of the --model"),
        (["--sizes", "5,2", "--mini-batch-size", "0"], "expected 1 to 5,000, the exam"),
        (
            ["--sizes", "5,2", "--divergence", "a.png", "--arithmetic", "fixed-point"],
            "two networks never part",
        ),
        (["--divergence", "a.txt"], "--divergence: expected a name that ends in .png"),
        (["--divergence", "."], "--divergence: expected a name that ends in .png, received ."),
        (["--divergence", "a.png", "--json", "a.json"], "expected different files"),
        (["--json", "a", "--junit", "./a"], "expected different files, received one twice"),
        (["--data", ""], "--data: expected a name, received nothing"),
    ],
)
def test_what_cannot_be_tried_is_2_and_one_line(arguments, line, mine, capsys) -> None:
    arguments = [a.format(mine=mine, here=mine.parent) for a in arguments]
    try:
        status, lines = main(arguments), 1
    except SystemExit as ended:  # by argparse, which tells how it is used first
        status, lines = ended.code, None
    out, err = capsys.readouterr()
    assert (status, out) == (2, "")
    assert err.splitlines()[-1].startswith("python -m compare: ")
    assert line in err
    assert lines in (None, err.count("\n"))


def test_every_option_reaches_the_chain(monkeypatch, tmp_path, correct, material) -> None:
    asked: dict[str, Any] = {}

    def prove(candidate: str, **options: Any) -> Proof:
        asked.update(options, candidate=candidate)
        return proved

    proved = compare.prove(correct, material=material, links=["forward"])
    monkeypatch.setattr(chain, "prove", prove)
    line = "--candidate m:C --device cuda --arithmetic float32 --sizes 784,5,10 --data d --quick "
    line += "--epochs 30 --seed 7 --eta 0.5 --mini-batch-size 4 --timeout 5 --memory 2 --strict "
    assert main([*line.split(), "--divergence", str(tmp_path / "d.png")]) == 0
    wanted = {
        "candidate": "m:C", "device": "cuda", "arithmetic": "float32", "sizes": [784, 5, 10],
        "data": "d", "model": None, "quick": True, "epochs": 30, "seed": 7, "eta": 0.5,
        "mini_batch_size": 4, "divergence": tmp_path / "d.png", "timeout": 5.0, "memory": 2.0,
        "strict": True, "command": None,
    }  # fmt: skip
    assert {k: v for k, v in asked.items() if k not in ("tell", "download")} == wanted


def test_without_torchvision_the_download_fails_as_without_a_network(monkeypatch, tmp_path) -> None:
    monkeypatch.setitem(sys.modules, "torch_impl", None)
    with pytest.raises(OSError, match="torchvision is not installed"):
        __main__.download(tmp_path)


def test_without_torch_ones_own_can_be_proved_and_ours_is_missed_in_words(monkeypatch, correct):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(Unusable, match=r"install PyTorch .*, or name another --candidate"):
        compare.prove(sizes=[12, 6, 4])
    code = "import sys; sys.modules['torch'] = None\nfrom compare import prove\n"
    code += "print(prove('compare.twins:ReferenceTwin', sizes=[5, 3, 2], epochs=0, links="
    code += "['forward', 'update', 'figures']).status)"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert found.stdout == "0\n", found.stderr


def test_the_self_test_is_0_only_if_every_mutant_is_caught(monkeypatch, capsys, tmp_path) -> None:
    every = list(kills.mutants())
    few = [m for m in every if m.link == "forward"][:2] + [m for m in every if not m.link][:1]
    small = kills.small_material(tmp_path)
    monkeypatch.setattr(kills, "self_test", lambda on_kill: [kills.tried(m, small) for m in few])
    assert main(["--self-test"]) == 0
    assert "table 2 of 2" in " ".join(capsys.readouterr().out.split())
    monkeypatch.setattr(kills, "first_broken", lambda *given: None)
    assert main(["--self-test"]) == 1


@pytest.mark.parametrize(("told", "threads"), [(None, 1), ("3", 3)])
def test_the_proof_and_a_candidate_take_one_thread_unless_told(told, threads, monkeypatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if told:
        monkeypatch.setenv("OMP_NUM_THREADS", told)
    code = "import os, sys; sys.exit(40 + int(os.environ['OMP_NUM_THREADS']))"
    with pytest.raises(Unusable, match=f"ended with exit status {40 + threads} "):
        Child("threads", [sys.executable, "-c", code]).described()
    assert main(["--candidate", "Net"]) == 2
    assert os.environ["OMP_NUM_THREADS"] == str(threads)


def test_in_a_process_that_has_begun_the_proof_takes_one_thread_too(
    monkeypatch, correct, material
) -> None:
    seen: list[int] = []

    def threads() -> int:
        return max(int(library["num_threads"]) for library in threadpool_info())

    def backprop(net: Any, *batch: Any) -> Any:
        seen.append(threads())
        return correct.backprop(net, *batch)

    for name in compare.THREADS:
        monkeypatch.delenv(name, raising=False)
    counted = type("Counted", (correct,), {"backprop": backprop})
    with threadpool_limits(2):
        compare.prove(counted, material=material, links=["gradients"])
        assert threads() == 2
    assert set(seen) == {1}


def test_material_comes_round_and_is_the_same_for_everyone() -> None:
    one, other = (synthetic_material((12, 6, 4), seed=5) for _ in range(2))
    assert np.array_equal(one.images, other.images)
    assert np.array_equal(one.order(3), other.order(3))
    assert not np.array_equal(one.order(0), one.order(1))
    x, y = one.batch(np.array([0, len(one.images)]))
    assert np.array_equal(x[:, 0], x[:, 1])
    assert (y.sum(axis=0) == 1).all()
    narrow = one.for_dtype("float32").initial.weights[0]
    assert np.array_equal(narrow, narrow.astype(np.float32))
