"""Progress: a bar where rich can draw one, a line for every epoch where it cannot."""

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from scripts import progress
from scripts.progress import Epochs

ROOT = Path(__file__).parents[2]


def test_away_from_a_terminal_every_epoch_is_a_line(capsys):
    with Epochs(3) as shown:
        shown.advance(1, "validation 80.00 %")
        shown.advance(3, "validation 90.00 %")
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "training: epoch 1/3  validation 80.00 %  0 s left",
        "training: epoch 3/3  validation 90.00 %  0 s left",
    ]


@pytest.mark.parametrize(
    ("done", "now", "total", "left"), [(0, 1, 30, 290), (0, 10, 30, 20), (20, 25, 30, 10)]
)
def test_the_time_left_is_that_of_the_epochs_since_it_began(
    capsys, monkeypatch, done, now, total, left
):
    clock = iter([1000.0, 1010.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    with Epochs(total, done) as shown:
        shown.advance(now, "news")
    assert capsys.readouterr().err == f"training: epoch {now}/{total}  news  {left} s left\n"


def test_several_runs_have_a_label_each(capsys):
    with Epochs(2, 0, "numpy", "torch") as shown:
        shown.advance(1, "a", "torch")
        shown.advance(1, "b", "numpy")
        shown.advance(2, "c")
    assert [line.split("  ")[:2] for line in capsys.readouterr().err.splitlines()] == [
        ["torch: epoch 1/2", "a"],
        ["numpy: epoch 1/2", "b"],
        ["numpy: epoch 2/2", "c"],
    ]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_without_rich_a_terminal_gets_lines(monkeypatch):
    monkeypatch.setitem(sys.modules, "rich", None)  # as if it were not installed
    monkeypatch.setattr(sys, "stderr", Terminal())
    with Epochs(1) as shown:
        shown.advance(1, "news")
    assert sys.stderr.getvalue() == "training: epoch 1/1  news  0 s left\n"


EPOCHS = """
from scripts.progress import Epochs
with Epochs(3, 1, "training") as shown:
    for epoch in (2, 3):
        shown.advance(epoch, "validation 90.00 %")
print("after")
"""


def on_a_terminal(code, term, width=80):
    """What a terminal of some kind receives from a program, and the program's exit status."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    settings = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "CI")}
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=theirs, stdout=theirs, stderr=theirs, cwd=ROOT, env={**settings, "TERM": term},
    ) as process:  # fmt: skip
        os.close(theirs)
        received = b"".join(iter(lambda: read_terminal(ours), b""))
    os.close(ours)
    return received.decode(), process.returncode


def read_terminal(descriptor):
    try:
        return os.read(descriptor, 65_536)
    except OSError:  # Linux says so when the other side is closed
        return b""


@pytest.mark.parametrize("width", [60, 80, 160])
def test_on_a_terminal_a_bar_is_drawn_and_left_complete(width):
    pytest.importorskip("rich")
    received, status = on_a_terminal(EPOCHS, "xterm", width)
    assert status == 0
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", received)
    last = re.split(r"[\r\n]+", plain.strip())[-2:]
    assert re.fullmatch(r"training ━+ epoch 3/3 validation 90.00 % [-\d:]+ left", last[0].strip())
    assert len(last[0].rstrip()) <= width
    assert last[1] == "after"
    assert "\x1b[?25h" in received  # the cursor is shown again


def test_on_a_dumb_terminal_every_epoch_is_a_line():
    received, status = on_a_terminal(EPOCHS, "dumb")
    assert status == 0
    assert received.split("\r\n") == [
        "training: epoch 2/3  validation 90.00 %  0 s left",
        "training: epoch 3/3  validation 90.00 %  0 s left",
        "after",
        "",
    ]


def test_an_interrupted_bar_gives_the_cursor_back():
    pytest.importorskip("rich")
    stopped = EPOCHS.replace('print("after")', "").replace(
        "shown.advance(epoch", "raise SystemExit(3)\n        shown.advance(epoch"
    )
    received, status = on_a_terminal(stopped, "xterm")
    assert status == 3
    assert received.rindex("\x1b[?25h") > received.rindex("\x1b[?25l")
