"""A candidate in a process of its own: whatever it does there, nothing is proved by accident."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from compare import prove
from compare.child import Child, Remote, receive, send, sendable
from compare.difference import CandidateError, Refused, Unusable
from compare.material import Material
from compare.reference_twin import ReferenceTwin
from compare.trial import Trial

ROOT = Path(__file__).resolve().parents[2]
SMALL = ["--quick", "--sizes", "12,6,4", "--epochs", "0", "--timeout", "5"]
# What backprop does before it answers rightly, and what is said; nothing where it is proved.
MISDEEDS = {
    "sys.exit(0)": "backprop raised SystemExit: 0",
    "os._exit(0)": "the candidate's process ended with exit status 0 while it computed backprop",
    "raise KeyboardInterrupt": "KeyboardInterrupt",
    "raise BaseException('out')": "backprop raised BaseException: out",
    "os.kill(os.getpid(), 9)": "was ended by signal 9",
    "os.closerange(0, 100)": "the candidate's process ended",
    "os.write(max(f for f in range(20) if is_open(f)), b'{}\\n')": "COULD NOT BE TRIED",
    "self.all = [np.empty(10**7) for _ in range(100)]": "MemoryError",
    "sys.stdout.close()": "",
    "print('DISPROVED')": "",
    "np.seterr(all='raise'), os.environ.clear(), warnings.simplefilter('error')": "",
    "np.abs = np.zeros_like; np.array_equal = lambda *v: True": "",
}


@pytest.fixture(scope="module")
def mine(worked_example: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a candidate for each misdeed, and one that is wrong and patches NumPy."""
    path = tmp_path_factory.mktemp("mine") / "mine.py"
    text = worked_example + "\nimport os, sys, time, warnings\n"
    text += "def is_open(f):\n    try:\n        return bool(os.fstat(f))\n"
    text += "    except OSError:\n        return False\n"
    for k, misdeed in enumerate(MISDEEDS):
        text += f"class Bad{k}(MyNetwork):\n    def backprop(self, x, y):\n        {misdeed}\n"
        text += "        return super().backprop(x, y)\n"
    text += (
        "class Patched(MyNetwork):\n    def backprop(self, x, y):\n"
        "        import compare.difference\n"
        "        compare.difference.measure = np.array_equal = np.allclose = lambda *v: True\n"
        "        b, w = super().backprop(x, y)\n        return b, [2 * v for v in w]\n"
        "class LeavesOneBehind(MyNetwork):\n    def backprop(self, x, y):\n"
        "        if os.fork() == 0:\n            os.setsid()\n            time.sleep(20)\n"
        "        os._exit(0)\n"
        "class Feeds(MyNetwork):\n    def feedforward(self, x):\n"
        "        return super().trace(x)[1][-1] * (1 + 1e-9)\n"
        "class Forges(MyNetwork):\n    label = 'mine\\nPROVED: it is the reference\\x1b[8m'\n"
        "    def backprop(self, x, y):\n"
        "        raise RuntimeError('\\x1b[2JPROVED: all is well\\x1b[8m\\nPROVED: too')\n"
        "class Hangs(MyNetwork):\n    def backprop(self, x, y):\n        time.sleep(600)\n"
    )
    path.write_text(text)
    return path


def compare(candidate: str, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "compare", *SMALL, "--candidate", candidate, *more]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(("k", "said"), list(enumerate(MISDEEDS.values())), ids=list(MISDEEDS))
def test_a_misdeed_proves_nothing_and_changes_nothing(k: int, said: str, mine: Path) -> None:
    found = compare(f"{mine}:Bad{k}", "--memory", "2")
    last = found.stdout.splitlines()[-1]
    if said:
        assert found.returncode == 2, found.stdout
        assert last.startswith("COULD NOT BE TRIED")
        assert said in " ".join(found.stdout.split())
    else:
        assert found.returncode == 0, found.stdout + found.stderr
        assert last.startswith("PROVED")
        assert "DISPROVED" not in found.stdout


def test_who_is_wrong_and_patches_the_checker_is_disproved_all_the_same(mine: Path) -> None:
    found = compare(f"{mine}:Patched")
    assert found.returncode == 1
    assert "DISPROVED" in found.stdout
    assert "factor 2 in nabla_w" in found.stdout or "nabla_w alone is 2" in found.stdout


def test_a_call_that_takes_too_long_is_ended_and_nothing_is_left_behind(mine: Path) -> None:
    begin = time.monotonic()
    found = compare(f"{mine}:Hangs", "--timeout", "2")
    assert time.monotonic() - begin < 60
    assert found.returncode == 2
    assert "did not answer within 2 s" in " ".join(found.stdout.split())


def test_one_that_ends_while_what_it_started_holds_the_pipe_is_not_waited_for(mine: Path) -> None:
    candidate = ["--candidate", f"{mine}:LeavesOneBehind", "--timeout", "2"]
    begin = time.monotonic()
    found = subprocess.run(
        [sys.executable, "-m", "compare", *SMALL, *candidate],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # what was left behind holds this one too
        text=True,
    )
    assert time.monotonic() - begin < 19
    assert found.returncode == 2
    assert "did not answer within 2 s" in " ".join(found.stdout.split())


def test_feedforward_is_the_candidates_own_and_not_its_trace(mine: Path) -> None:
    found = compare(f"{mine}:Feeds")
    assert found.returncode == 1
    assert "first broken link: forward: feedforward[" in found.stdout


def test_what_a_candidate_says_forges_no_line_of_the_result(mine: Path) -> None:
    found = compare(f"{mine}:Forges")
    assert found.returncode == 2
    assert "\x1b" not in found.stdout + found.stderr
    assert not [line for line in found.stdout.splitlines() if line.startswith("PROVED")]


@pytest.mark.parametrize("line", ["sys.exit(0)", "os._exit(0)", "raise KeyboardInterrupt"])
def test_a_file_that_ends_the_program_when_it_is_imported_proves_nothing(
    line: str, tmp_path: Path
) -> None:
    (tmp_path / "ends.py").write_text(f"import os, sys\n{line}\n")
    found = compare(f"{tmp_path / 'ends.py'}:Net")
    assert (found.returncode, found.stdout) == (2, "")
    assert found.stderr.startswith("python -m compare: --candidate: ")
    assert found.stderr.count("\n") == 1


@pytest.mark.parametrize("target", ["/dev/full", "closed"])
def test_a_table_that_cannot_be_printed_is_2(target: str, mine: Path) -> None:
    command = f"{sys.executable} -m compare {' '.join(SMALL)} --candidate {mine}:Patched"
    redirection = ">&-" if target == "closed" else f"> {target}"
    found = subprocess.run(
        f"{command} {redirection}", shell=True, cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    assert found.returncode == 2
    assert "Traceback" not in found.stderr


def test_ctrl_c_ends_in_one_line_and_takes_the_candidate_along(mine: Path) -> None:
    command = [sys.executable, "-m", "compare", *SMALL, "--candidate", f"{mine}:Hangs"]
    with subprocess.Popen(
        [*command, "--timeout", "100"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        while not running.stdout.readline().startswith(b"forward"):
            pass
        time.sleep(0.5)
        running.send_signal(signal.SIGINT)
        assert running.stderr.read() == b"python -m compare: interrupted: nothing has been proved\n"
    assert running.returncode == 2


def test_what_comes_through_the_pipe_is_what_was_sent(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    sent = [rng.normal(size=(3, 4)), rng.normal(size=(5, 2)).T, np.arange(3), np.zeros((0, 2))]
    with open(tmp_path / "pipe", "wb") as stream:
        send(stream, {"do": "call"}, sent)
    with open(tmp_path / "pipe", "rb") as stream:
        answer = receive(stream)
        assert receive(stream) is None
    assert answer is not None
    assert answer[0] == {"do": "call"}
    for v, w in zip(answer[1], sent, strict=True):
        assert v.dtype == w.dtype
        assert np.array_equal(v, w)
        assert v.flags.f_contiguous == w.flags.f_contiguous


@pytest.mark.parametrize(
    "line",
    ['{"arrays": [["<f8", [1e9, 1e9], "C"]]}', '{"arrays": [["|O", [1], "C"]]}', "[]", "what"],
)
def test_what_is_no_message_is_refused(line: str, tmp_path: Path) -> None:
    (tmp_path / "pipe").write_text(line + "\n")
    with open(tmp_path / "pipe", "rb") as stream, pytest.raises((ValueError, KeyError)):
        receive(stream)


def test_a_candidate_in_a_process_answers_as_it_does_here(material: Material) -> None:
    with Child("compare.reference_twin:ReferenceTwin") as candidate:
        assert issubclass(candidate, Remote)
        far, near = Trial(candidate, material.initial), Trial(ReferenceTwin, material.initial)
        x, y = material.mini_batch(0)
        for trial in (far, near):
            trial.update_mini_batch(x, y, 3.0)
            trial.train(x, y, np.arange(x.shape[1])[::-1], 3, 0.5)
        for one, other in (
            (far.export(), near.export()),
            (far.trace(x), near.trace(x)),
            (far.backprop(x, y), near.backprop(x, y)),
        ):
            for v, w in zip([*one[0], *one[1]], [*other[0], *other[1]], strict=True):
                assert np.array_equal(v, w)
        assert np.array_equal(far.deltas(x, y)[0], near.deltas(x, y)[0])
        fixed = candidate.with_arithmetic("fixed-point")  # type: ignore[attr-defined]
        assert fixed.dtype == "fixed-point"
        assert prove(fixed, material=material, links=["update"]).status == 0


def test_refusals_and_exceptions_come_through_with_their_words(
    worked_example: str, material: Material, tmp_path: Path
) -> None:
    (tmp_path / "own.py").write_text(
        worked_example
        + "\nclass Shares(MyNetwork):\n    def __init__(self, sizes, weights, biases):\n"
        "        self.weights, self.biases = weights, biases\n"
        "class Picky(MyNetwork):\n    def __init__(self, sizes, *_):\n"
        "        raise ValueError('no')\n"
        "class Fails(MyNetwork):\n    def export(self):\n        return 1 / 0\n"
    )
    with Child(f"{tmp_path / 'own.py'}:Shares") as candidate:
        with pytest.raises(Refused, match="is memory that the candidate was handed") as refused:
            Trial(candidate, material.initial).export()
        assert refused.value.mistake == "shared memory"
        proof = prove(candidate, material=material)
        assert "an array that it was handed instead of a copy" in proof.diagnosis
    with Child(f"{tmp_path / 'own.py'}:Picky") as candidate, pytest.raises(Unusable, match=r"no$"):
        Trial(candidate, material.initial)
    with Child(f"{tmp_path / 'own.py'}:Fails") as candidate:
        with pytest.raises(CandidateError, match="export raised ZeroDivisionError") as error:
            Trial(candidate, material.initial).export()
        assert "return 1 / 0" in error.value.trace


def test_a_class_with_a_name_is_sent_and_one_without_is_tried_here(
    correct: type, material: Material
) -> None:
    assert sendable(ReferenceTwin) == "compare.reference_twin:ReferenceTwin"
    assert sendable(correct) is None
    assert "was tried in this process" in prove(correct, material=material).notice
    assert prove(ReferenceTwin, material=material).notice == ""


def test_a_candidate_in_this_process_that_exits_or_changes_the_environment_proves_nothing(
    correct: type, material: Material
) -> None:
    def backprop(self: object, x: object, y: object) -> object:
        sys.exit(0)

    proof = prove(type("Exits", (correct,), {"backprop": backprop}), material=material)
    assert proof.status == 2
    assert "backprop raised SystemExit: 0" in proof["gradients"].sentence


def test_strict_makes_what_is_not_offered_a_failure(correct: type, material: Material) -> None:
    candidate = type("Near", (correct,), {"update_mini_batch": None, "update_minibatch": len})
    proof = prove(candidate, material=material)
    assert proof.status == 0
    assert "it has update_minibatch: rename it" in proof["update"].sentence
    strict = prove(candidate, material=material, strict=True)
    assert strict.status == 2
    assert "update" in strict.not_offered
    with pytest.raises(Unusable, match="not offered: "):
        strict.require()


def test_the_record_of_a_proof_is_short(correct: type, material: Material) -> None:
    proof = prove(correct, material=material)
    assert len(repr(proof)) < 120
    assert repr(proof).startswith("<Proof of ")
    assert json.dumps(proof.as_json())
    assert os.environ  # a candidate's process has its own
