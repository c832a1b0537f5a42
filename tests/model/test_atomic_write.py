"""Files are written whole or not at all, by one run at a time, and only where a file can stand."""

import errno
import os
import resource
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from model.atomic_write import check_target, sole_writer, write_atomically
from model.canvas import new_figure, save_pdf, save_png
from model.parameters import Parameters
from tests.conftest import CHECKOUT
from tests.model.conftest import refused

NETWORK = Parameters([2, 1], [[[1.0, 2.0]]], [[[3.0]]])
WRITERS = (
    lambda path: write_atomically(path, b"new"),
    NETWORK.save,
    lambda path: save_png(new_figure(2, 2), path),
    lambda path: save_pdf([new_figure(2, 2)], path, "title"),
)


def test_a_write_that_fails_leaves_the_old_file_and_nothing_beside(tmp_path, monkeypatch):
    def interrupted(descriptor):
        raise KeyboardInterrupt

    path = tmp_path / "file"
    path.write_bytes(b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))  # as a full disk: none may grow beyond
    try:
        line = refused(write_atomically, path, b"x" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert line == (
        f"{path}: cannot be written: File too large; what stood there is untouched; "
        f"make room or choose another place"
    )
    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, b"new")
    assert (path.read_bytes(), os.listdir(tmp_path)) == (b"old", ["file"])


def test_content_is_on_the_disk_before_the_name_and_the_folder_after(tmp_path, monkeypatch):
    order, rename = [], os.replace
    monkeypatch.setattr(os, "fsync", lambda file: order.append(stat.S_IFMT(os.fstat(file).st_mode)))
    monkeypatch.setattr(os, "replace", lambda *names: (order.append("named"), rename(*names)))
    old = os.umask(0o027)
    try:
        write_atomically(tmp_path / "file", b"new")
    finally:
        os.umask(old)
    assert order == [stat.S_IFREG, "named", stat.S_IFDIR]
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640


@pytest.mark.parametrize("name", [b"n", 242 * b"n", 255 * b"n", b"\xff\x1b.json"], ids=len)
def test_a_name_of_any_length_that_the_system_takes_is_written(tmp_path, name):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
    with sole_writer(path):
        assert write_atomically(path, b"new") == path
        NETWORK.save(path)
    assert Parameters.load(path).fingerprint == NETWORK.fingerprint
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("mode", [0o600, 0o444])
def test_a_write_through_a_link_replaces_its_target_which_keeps_its_mode(tmp_path, mode):
    (tmp_path / "runs").mkdir()
    target, link = tmp_path / "runs" / "file", tmp_path / "latest"
    target.write_bytes(b"old")
    target.chmod(mode)
    link.symlink_to(target)
    assert write_atomically(link, b"new") == link
    assert link.is_symlink()
    assert (target.read_bytes(), stat.S_IMODE(target.stat().st_mode)) == (b"new", mode)
    assert os.listdir(tmp_path / "runs") == ["file"]


NO_FILE = "expected the name of a file to write, received a pipe, device or socket"


def test_what_is_no_place_for_a_file_is_refused_by_every_writer_and_left(tmp_path):
    (tmp_path / "file").write_text("")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "device").symlink_to("/dev/null")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "astray").symlink_to(tmp_path / "absent" / "file")
    before = sorted(os.listdir(tmp_path))
    absent = f"the folder does not exist; make it first: mkdir -p {tmp_path / 'absent'}"
    for name, line in [
        (".", "expected the name of a file to write, received a folder"),
        ("absent/file", absent),
        ("astray", absent),
        ("file/file", f"expected a folder, but {tmp_path / 'file'} is a file"),
        ("pipe", NO_FILE),
        ("device", NO_FILE),
        ("loop", NO_FILE),
    ]:
        path = tmp_path / name
        assert refused(check_target, path) == f"{path}: {line}"
        assert all(refused(write, path).endswith(line) for write in WRITERS)
    assert "File name too long" in refused(check_target, tmp_path / ("n" * 256))
    assert sorted(os.listdir(tmp_path)) == before
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_without_permission_to_write_in_its_folder_or_to_read_it_is_refused(tmp_path, monkeypatch):
    """Which does not bind root, who may run this."""

    def forbidden(path):
        raise PermissionError(errno.EACCES, "Permission denied")

    path = tmp_path / "secret.json"
    monkeypatch.setattr(os, "access", lambda folder, mode: mode != os.W_OK)
    line = refused(check_target, path)
    assert line == f"{path}: no permission to write in {tmp_path}; choose another"
    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", forbidden)
        line = refused(Parameters.load, path)
    assert line == f"{path}: no permission to read it; expected a readable file, see ls -l"


HELD = """
import os, sys
from model.atomic_write import sole_writer, write_atomically
os.fsync = lambda _: print("held", flush=True) or sys.stdin.read()
with sole_writer(sys.argv[1]):
    write_atomically(sys.argv[1], b"half")
"""


def test_another_run_is_refused_while_the_first_lives_and_sweeps_what_it_leaves(tmp_path):
    path, victim = tmp_path / "file", tmp_path / "victim"
    path.write_bytes(b"old")
    (tmp_path / "link").symlink_to(path)
    command, here = [sys.executable, "-c", HELD, path], {"cwd": CHECKOUT, "text": True}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **here, **pipes) as process:
        assert process.stdout.readline() == "held\n"
        for name in (path, tmp_path / "link"):
            with pytest.raises(BlockingIOError) as caught, sole_writer(name):
                pass
            assert str(caught.value) == (
                f"{path}: another run is writing it: wait until it ends, or choose another --output"
            )
        with sole_writer(tmp_path / "other"):
            pass
        process.kill()
    left = {*os.listdir(tmp_path)} - {"file", "link"}
    assert [name[:8] for name in left] == [".jalebi-"] * 2
    assert path.read_bytes() == b"old"
    with sole_writer(path):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert {*os.listdir(tmp_path)} == {"file", "link"}
    victim.write_bytes(b"mine")
    for name in left:  # nor is anything written through them
        (tmp_path / name).symlink_to(victim)
    assert "cannot be written" in refused(write_atomically, path, b"newer")
    assert victim.read_bytes() == b"mine"


def test_writers_of_one_file_wait_for_each_other(tmp_path):
    path = tmp_path / "file"
    contents = [bytes([65 + k]) * 20_000 for k in range(4)]
    with ThreadPoolExecutor(4) as pool:
        assert {*pool.map(write_atomically, [path] * 120, contents * 30)} == {path}
    assert path.read_bytes() in contents
    assert os.listdir(tmp_path) == ["file"]
