"""Where MNIST is looked for, what it is called, the digits drawn in its place, the download."""

import contextlib
import gzip
import hashlib
import http.server
import pickle
import shutil
import stat
import tempfile
import threading
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from torchvision.datasets import MNIST

from model import mnist_files, synthetic_digits
from model.mnist_files import describe, find_mnist
from model.synthetic_digits import draw_digits, write_idx_files
from tests.twin import REFERENCE, TORCH, both

NAMES = tuple(mnist_files.SHA256)
NOWHERE = "MNIST is neither in data/ nor named by the environment variable MNIST_DIR"
SYNTHETIC = "synthetic digits, not MNIST ({}): accuracy on them is not MNIST's"


@pytest.fixture(scope="module")
def standard(tmp_path_factory):
    """The default synthetic digits, drawn once for these tests."""
    write_idx_files(folder := tmp_path_factory.mktemp("standard"))
    return folder


@pytest.fixture
def small(tmp_path):
    write_idx_files(tmp_path / "small", 12, 3)
    return tmp_path / "small"


@pytest.fixture
def lone(tmp_path, monkeypatch):
    """A checkout without data, the current folder, and no MNIST_DIR; its data/ is returned."""
    monkeypatch.delenv("MNIST_DIR", raising=False)
    checkout = tmp_path / "checkout"
    (checkout / "model").mkdir(parents=True)
    (checkout / "pyproject.toml").touch()
    for module in (mnist_files, REFERENCE.mnist_loader):
        monkeypatch.setattr(module, "__file__", str(checkout / "model" / "mnist_files.py"))
    for name in ("spare", "elsewhere"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "spare"))
    monkeypatch.chdir(tmp_path / "elsewhere")
    return checkout / "data"


@pytest.fixture
def into(standard, monkeypatch):
    """Drawing copies what was drawn once already; the folders drawn into are returned."""
    folders = []

    def copy(folder):
        folders.append(folder)
        shutil.copytree(standard, folder, dirs_exist_ok=True)

    monkeypatch.setattr(synthetic_digits, "write_idx_files", copy)
    return folders


def fails(folder):
    raise OSError("the download failed (no network)")


# --- What there is ------------------------------------------------------------------------------


def test_other_digits_are_called_other_however_they_are_kept(small, tmp_path):
    found = describe(small)
    assert (found.folder, found.kind) == (small, "other")
    assert found.notice == f"the digits in {small} are not MNIST: accuracy on them is not MNIST's"
    for name in NAMES:
        assert found.sha256[name] == hashlib.sha256((small / name).read_bytes()).hexdigest()
        (small / f"{name}.gz").write_bytes(gzip.compress((small / name).read_bytes()))
        (small / name).unlink()
    assert describe(small) == found
    parts = []
    for number, which in ((12, 0), (3, 1)):
        images, labels = draw_digits(number, part=which)
        parts.append((images.reshape(number, 784) / np.float32(256), labels.astype(np.int64)))
    (x, y), tested = parts
    path = tmp_path / "mnist.pkl"
    path.write_bytes(pickle.dumps(((x[:10], y[:10]), (x[10:], y[10:]), tested)))
    packed = find_mnist(path)
    assert (packed.folder, packed.kind, packed.sha256) == (path, "other", found.sha256)


def test_a_name_that_steers_a_terminal_is_written_out(tmp_path):
    write_idx_files(tmp_path / "a\x1b[2J", 12, 3)
    assert "a\\x1b[2J are not MNIST" in describe(tmp_path / "a\x1b[2J").notice


def test_files_written_can_be_read_by_others(small):
    assert {stat.S_IMODE(path.stat().st_mode) for path in small.iterdir()} == {0o644}


# --- The search ---------------------------------------------------------------------------------


def test_a_place_that_was_named_never_falls_back(lone, small, monkeypatch):
    shutil.copytree(small, lone)

    def download(folder):
        raise AssertionError("nothing is to be fetched")

    typo = small.with_name("typo")
    with pytest.raises(FileNotFoundError, match=r"typo: no such file or folder; give a folder"):
        find_mnist(typo, download)
    monkeypatch.setenv("MNIST_DIR", str(typo))
    expected = r"typo: .*\(named by the environment variable MNIST_DIR: correct or unset it\)$"
    loads = [twin.mnist_loader.load_data for twin in (REFERENCE, TORCH)]
    for read in (lambda: find_mnist(None, download), *loads):
        with pytest.raises(FileNotFoundError, match=expected):
            read()


def test_an_argument_comes_before_mnist_dir_and_that_before_data(lone, small, monkeypatch):
    write_idx_files(lone, 6, 1)
    write_idx_files("data", 7, 1)  # in the current folder

    def found(images, folder):
        """Every way to ask for what lies where nobody named a place."""
        assert find_mnist().folder == folder
        for twin in (REFERENCE, TORCH):
            (x, _), (v, _), _ = twin.mnist_loader.load_data()
            assert len(x) + len(v) == images

    found(6, lone)
    shutil.rmtree(lone)
    found(7, Path("data"))
    monkeypatch.setenv("MNIST_DIR", str(small))
    found(12, small)
    write_idx_files(small.with_name("named"), 8, 1)
    assert find_mnist(small.with_name("named")).folder == small.with_name("named")
    monkeypatch.setenv("MNIST_DIR", "")  # empty is as good as unset
    found(7, Path("data"))


@both
def test_a_loader_that_finds_nothing_says_so_and_tells_damage(twin, lone):
    with pytest.raises(FileNotFoundError, match=f"^{NOWHERE}; give a folder"):
        twin.mnist_loader.load_data()
    write_idx_files(lone, 6, 1)
    (lone / NAMES[0]).write_bytes(b"")
    write_idx_files("data", 7, 1)
    with pytest.raises(ValueError, match=f"{NAMES[0]}: .* received 0 bytes"):
        twin.mnist_loader.load_data()


def test_without_mnist_synthetic_digits_are_drawn_once_with_a_notice(lone, into):
    found = find_mnist()
    assert (found.folder, found.kind) == (lone / "synthetic", "synthetic")
    assert found.sha256 == synthetic_digits.SHA256
    assert found.notice == SYNTHETIC.format(NOWHERE)
    assert find_mnist() == found
    asked = find_mnist("synthetic")
    assert asked.notice == SYNTHETIC.format("asked for")
    assert find_mnist(found.folder) == asked
    assert into == [found.folder]
    for damage in (b"", (found.folder / NAMES[1]).read_bytes()[:-1] + b"\x07"):
        (found.folder / NAMES[1]).write_bytes(damage)
        assert find_mnist() == found
    assert len(into) == 3


def test_a_download_is_used_and_a_failed_one_is_told(lone, small, into):
    assert find_mnist(None, fails).notice == SYNTHETIC.format(
        f"{NOWHERE}, and the download failed (no network)"
    )
    fetched = find_mnist(None, lambda folder: shutil.copytree(small, folder / "MNIST/raw"))
    assert (fetched.kind, fetched.folder) == ("other", lone)
    assert find_mnist(None, fails).folder == lone


def test_where_data_cannot_be_written_another_folder_serves(lone, into, monkeypatch):
    lone.write_bytes(b"a file where the folder should be")  # stops root as well
    found = find_mnist()
    assert found.kind == "synthetic"
    assert found.folder.parent.parent == Path(tempfile.gettempdir())
    assert find_mnist() == found
    assert len(into) == 1
    monkeypatch.setattr(tempfile, "tempdir", str(lone))
    with pytest.raises(OSError, match=r"no folder for data can be written \(.*; .*\); free one,"):
        find_mnist()


def test_an_installed_copy_never_writes_among_other_packages(lone, into):
    (lone.parent / "pyproject.toml").unlink()
    assert find_mnist().folder == Path("data") / "synthetic"
    assert not lone.exists()


# --- The download -------------------------------------------------------------------------------


@contextlib.contextmanager
def serving(answer):
    """A web server on this machine that answers so; its address."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        do_GET = answer

        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        server.daemon_threads, server.block_on_close = True, False
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def web(small, tmp_path, monkeypatch):
    """What is served in place of MNIST's files: path to bytes; the first mirror has nothing."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    files = {f"/{name}.gz": gzip.compress((small / name).read_bytes()) for name in NAMES}

    def answer(handler):
        content = files.get(handler.path)
        if content is None:
            handler.send_error(404, "File not found")
            return
        handler.send_response(200)
        handler.end_headers()
        with contextlib.suppress(OSError):  # who was given up hears nothing more
            for piece in content if isinstance(content, Iterator) else [content]:
                handler.wfile.write(piece)

    digests = {name: hashlib.sha256((small / name).read_bytes()).hexdigest() for name in NAMES}
    monkeypatch.setattr(mnist_files, "SHA256", digests)
    with serving(answer) as address:
        monkeypatch.setattr(MNIST, "mirrors", [f"{address}none/", address])
        yield files


def test_download_puts_the_files_where_torchvision_keeps_them(web, small, tmp_path, capfd):
    root = tmp_path / "new" / "root"
    TORCH.mnist_loader.download(root)
    assert [path.name for path in root.iterdir()] == ["MNIST"]
    assert sorted(p.name for p in (root / "MNIST/raw").iterdir()) == sorted(NAMES)
    for name in NAMES:
        assert (root / "MNIST/raw" / name).read_bytes() == (small / name).read_bytes()
    assert len(MNIST(str(root), train=True)) == 12
    assert capfd.readouterr() == ("", "")


def slowly():
    """Bytes that come often enough for no wait to be too long, and never end."""
    while True:
        yield b"a"
        time.sleep(0.05)


CUT = "Compressed file ended before the end-of-stream marker was reached"
ANOTHER = "its SHA-256 is not that of MNIST's"
FAILED = {  # what a file is, in place of what it should be; what is told
    "missing": (lambda packed: None, "HTTP Error 404: File not found"),
    "a web page": (lambda packed: b"<html>log in first</html>", r"Not a gzipped file \(b'<h'\)"),
    "cut short": (lambda packed: packed[:-9], CUT),
    "silent": (lambda packed: iter(lambda: time.sleep(0.1) or b"", None), "timed out"),
    "slow": (lambda packed: slowly(), r"not done after \d+ bytes"),
    "without end": (
        lambda packed: iter(lambda: bytes(1 << 20), None),
        r"not done after [\d,]+ by.*",
    ),
    "a little that unpacks to much": (lambda packed: gzip.compress(bytes(1 << 28), 1), ANOTHER),
    "another": (lambda packed: gzip.compress(gzip.decompress(packed) + b"a"), ANOTHER),
}


@pytest.mark.parametrize("what", FAILED)
def test_a_download_that_fails_is_told_and_leaves_nothing(web, tmp_path, monkeypatch, what):
    make, why = FAILED[what]
    path = f"/{NAMES[1]}.gz"
    web[path] = make(web[path])
    monkeypatch.setattr(TORCH.mnist_loader, "WAIT", 0.5)
    monkeypatch.setattr(TORCH.mnist_loader, "LIMIT", 2.0)
    monkeypatch.setattr(TORCH.mnist_loader, "LARGEST", 1 << 24)
    tracemalloc.start()
    with pytest.raises(OSError, match=rf"^the download of {NAMES[1]} failed \({why}\)$"):
        TORCH.mnist_loader.download(tmp_path / "root")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 27
    assert not (tmp_path / "root").exists()
