"""`python -m compare`: its table, files and exit status, and one line for what cannot be tried."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from compare import __main__, chain, mutants
from compare.__main__ import main
from compare.difference import Link, Proof, Verdict

ROOT = Path(__file__).resolve().parents[2]
SMALL = ["--quick", "--sizes", "12,6,4", "--epochs", "0"]


@pytest.fixture
def candidate(worked_example: str, tmp_path: Path) -> Path:
    """A file with the worked example, and in it one that is wrong and one that fails."""
    path = tmp_path / "mine.py"
    path.write_text(
        worked_example
        + """
class Wrong(MyNetwork):
    def backprop(self, x, y):
        nabla_b, nabla_w = super().backprop(x, y)
        return nabla_b, [2 * n for n in nabla_w]

class Fails(MyNetwork):
    def backprop(self, x, y):
        raise RuntimeError("out of order")

class Picky(MyNetwork):
    def __init__(self, sizes, weights, biases):
        raise ValueError("784-20-10 only")
"""
    )
    return path


def test_proved_is_0(candidate: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = ["--json", str(tmp_path / "a.json"), "--junit", str(tmp_path / "a.xml")]
    assert main([*SMALL, "--candidate", f"{candidate}:MyNetwork", *files]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.splitlines()[0].split() == list(chain_headings())
    assert out.endswith("PROVED: mine:MyNetwork is the reference network\n")
    assert max(map(len, out.splitlines())) <= 100
    assert "\x1b" not in out
    assert json.loads((tmp_path / "a.json").read_text())["status"] == 0
    assert ElementTree.parse(tmp_path / "a.xml").getroot().attrib["failures"] == "0"


def chain_headings() -> tuple[str, ...]:
    from compare.report import HEADINGS

    return HEADINGS


def test_disproved_is_1_with_the_first_broken_link_and_a_diagnosis(
    candidate: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*SMALL, "--candidate", f"{candidate}:Wrong"]) == 1
    out = capsys.readouterr().out
    assert "first broken link: gradients: nabla_w[" in out
    assert "diagnosis: " in out
    assert "DISPROVED: mine:Wrong parts from the reference at: gradients" in out


def test_an_exception_is_2_with_the_candidates_own_traceback(
    candidate: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*SMALL, "--candidate", f"{candidate}:Fails"]) == 2
    out = capsys.readouterr().out
    assert "the candidate's own error: backprop raised RuntimeError: out of order" in out
    assert f'File "{candidate}"' in out
    assert re.search("^predictions +(identical|equal) ", out, re.MULTILINE)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--candidate", "no_such_module:Net"], "--candidate: cannot import no_such_module"),
        (["--candidate", "Net"], "--candidate: expected package.module:Class"),
        (["--candidate", "{mine}:Absent"], "has no class Absent"),
        (
            ["--candidate", "{mine}:Picky", "--sizes", "5,3"],
            "does not take sizes [5, 3]: 784-20-10",
        ),
        (["--candidate", "{mine}:MyNetwork", "--arithmetic", "float32"], "does not offer with_ar"),
        (["--sizes", "7"], "sizes: expected 2 to 100 layers, received 1"),
        (["--sizes", "7,0"], "sizes[1]: expected a whole number from 1 to 65,536, received 0"),
        (["--data", "/no/such/folder"], "/no/such/folder: no such file or folder"),
        (["--model", "/no/such.json"], "/no/such.json: no such file; expected a parameter file"),
        (["--model", "{mine}"], "expected JSON"),
        (["--device", "abacus"], ": device is cpu, cuda or cuda:N; received 'abacus'"),
        (["--json", "/no/such/folder/a.json"], "the folder does not exist; make it first: mkdir"),
        (["--divergence", "/tmp"], "/tmp: expected the name of a file to write, received a folder"),
    ],
)
def test_what_cannot_be_tried_is_2_and_one_line(
    arguments: list[str], line: str, candidate: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [a.replace("{mine}", str(candidate)) for a in arguments]
    assert main(["--quick", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("python -m compare: ")
    assert line in err
    assert ("does not take sizes" in err) == ("Picky" in str(arguments))
    assert err.count("\n") == 1
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--sizes", "a,b"], "expected whole numbers such as 784 20 10, received 'a,b'"),
        (["--epochs", "-1"], "expected a whole number, 0 or more, received '-1'"),
        (["--arithmetic", "float16"], "invalid choice: 'float16'"),
        (["--nonsense"], "unrecognized arguments: --nonsense"),
    ],
)
def test_a_wrong_command_line_is_2(
    arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert line in capsys.readouterr().err


def test_every_option_reaches_the_chain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: dict[str, Any] = {}

    def prove(candidate: str, **options: Any) -> Proof:
        asked.update(options, candidate=candidate)
        return Proof("it", (Link("forward", Verdict.EQUAL, "fine"),))

    monkeypatch.setattr(chain, "prove", prove)
    line = "--candidate m:C --device cuda --arithmetic float32 --sizes 784,5,10 --data d --quick"
    picture = tmp_path / "d.png"
    more = ["--epochs", "30", "--seed", "7", "--model", "m.json", "--divergence", str(picture)]
    more += ["--timeout", "5", "--memory", "2", "--strict"]
    assert main([*line.split(), *more]) == 0
    assert {k: v for k, v in asked.items() if k not in ("on_link", "tell", "download")} == {
        "candidate": "m:C",
        "device": "cuda",
        "arithmetic": "float32",
        "sizes": [784, 5, 10],
        "data": "d",
        "model": "m.json",
        "quick": True,
        "epochs": 30,
        "seed": 7,
        "divergence": picture,
        "timeout": 5.0,
        "memory": 2.0,
        "strict": True,
    }


@pytest.mark.parametrize("text", ["5 4 3", "5,4,3"])
def test_sizes_are_written_with_spaces_or_commas(text: str) -> None:
    parsed = __main__.parser().parse_args(["--sizes", *text.split()])
    assert [n for part in parsed.sizes for n in part] == [5, 4, 3]


def test_where_there_is_no_mnist_and_no_torchvision_the_download_fails_as_without_a_network(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "torch_impl", None)
    with pytest.raises(OSError, match="torchvision is not installed"):
        __main__.download(tmp_path)


def test_colour_only_on_a_terminal_that_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert __main__.coloured()
    monkeypatch.setenv("NO_COLOR", "1")
    assert not __main__.coloured()
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert not __main__.coloured()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: False, raising=False)
    assert not __main__.coloured()


def test_the_self_test_is_0_only_if_every_mutant_is_caught(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    few = [m for m in mutants.mutants() if m.caught_by in ("forward", "")][:2]
    few += [m for m in mutants.mutants() if not m.caught_by][:1]
    monkeypatch.setattr(mutants, "mutants", lambda: few)
    assert main(["--self-test"]) == 0
    assert "2 of 2 mistakes caught" in " ".join(capsys.readouterr().out.split())
    kept = mutants.first_broken
    monkeypatch.setattr(mutants, "first_broken", lambda *given: None)
    assert main(["--self-test"]) == 1
    monkeypatch.setattr(mutants, "first_broken", kept)


def test_as_a_program_it_sets_one_thread_unless_told_otherwise(tmp_path: Path) -> None:
    (tmp_path / "threads.py").write_text("import os\nprint(os.environ['OMP_NUM_THREADS'])\n")
    clean = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    for environment, threads in ((clean, "1"), ({**clean, "OMP_NUM_THREADS": "3"}, "3")):
        found = subprocess.run(
            [sys.executable, "-m", "compare", "--candidate", f"{tmp_path / 'threads.py'}:Net"],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert found.stderr.startswith(f"{threads}\n")  # what a candidate prints goes there
        assert found.returncode == 2
