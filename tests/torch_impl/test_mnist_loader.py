"""Reading MNIST through torchvision gives what the reference reads, and says what it says."""

import contextlib
import gzip
import hashlib
import http.server
import importlib.util
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.datasets import MNIST

from model import mnist_files
from model.synthetic_digits import write_idx_files
from reference import mnist_loader as reference_loader
from torch_impl import mnist_loader
from torch_impl.mnist_loader import Examples, load_data, load_data_wrapper, vectorized_result

ROOT = Path(__file__).parents[2]


def twin_tests():
    """The reference's tests, whose damages are tried here too."""
    path = ROOT / "tests" / "reference" / "test_mnist_loader.py"
    spec = importlib.util.spec_from_file_location("reference_loader_tests", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TWIN = twin_tests()


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn")
    write_idx_files(folder, 60, 20)
    return folder


@pytest.fixture
def folder(drawn: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(drawn, tmp_path / "data"))


def assert_equals_reference(path: Path | None) -> None:
    """Bit for bit the same numbers, of the same kinds."""
    for ours, theirs in zip(load_data(path), reference_loader.load_data(path), strict=True):
        for tensor, array in zip(ours, theirs, strict=True):
            assert tensor.numpy().dtype == array.dtype
            np.testing.assert_array_equal(tensor.numpy(), array)


def test_every_layout_gives_what_the_reference_reads(folder: Path, tmp_path: Path) -> None:
    assert_equals_reference(folder)
    nested = Path(shutil.copytree(folder, tmp_path / "root" / "MNIST" / "raw"))
    assert_equals_reference(tmp_path / "root")
    for path in list(nested.iterdir()):
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    assert_equals_reference(tmp_path / "root")
    assert_equals_reference(nested)


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_a_pickle_gives_what_the_reference_reads(
    folder: Path, tmp_path: Path, protocol: int
) -> None:
    parts = reference_loader.load_data(folder)
    assert_equals_reference(TWIN.pickled(tmp_path / "mnist.pkl.gz", parts, protocol))
    (tmp_path / "old.pkl.gz").write_bytes(gzip.compress(TWIN.python_2_pickle(parts)))
    assert_equals_reference(tmp_path / "old.pkl.gz")


def test_the_result_does_not_depend_on_the_default_dtype(folder: Path) -> None:
    before = torch.get_default_dtype()
    try:
        torch.set_default_dtype(torch.float64)
        assert_equals_reference(folder)
        assert load_data_wrapper(folder)[0].y.dtype == vectorized_result(3).dtype == torch.float32
    finally:
        torch.set_default_dtype(before)


def test_load_data_wrapper_gives_what_the_references_gives_in_rows(folder: Path) -> None:
    for ours, theirs in zip(
        load_data_wrapper(folder), reference_loader.load_data_wrapper(folder), strict=True
    ):
        np.testing.assert_array_equal(ours.x.numpy(), theirs.x)
        np.testing.assert_array_equal(ours.y.numpy(), theirs.y)
        assert ours.y.numpy().dtype == theirs.y.dtype
        for (x, y), (column_x, column_y) in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(x.numpy(), column_x[:, 0])
            if ours.y.ndim == 1:
                assert type(y) is int
                assert y == column_y
            else:
                np.testing.assert_array_equal(y.numpy(), column_y[:, 0])


def test_examples_index_slice_and_print_as_a_list_does(folder: Path) -> None:
    training_data, _, test_data = load_data_wrapper(folder)
    assert torch.equal(training_data[-1][0], training_data[49][0])
    assert test_data[3:5][1][1] == test_data[4][1]
    assert len(test_data[:7]) == len(list(test_data[:7])) == 7
    with pytest.raises(IndexError):
        training_data[50]
    assert repr(test_data) == "Examples(x of shape (20, 784), y of shape (20,))"
    with pytest.raises(ValueError, match=r"received \(3, 4\) and \(2,\)"):
        Examples(torch.zeros(3, 4), torch.zeros(2))


def test_vectorized_result_equals_the_references_as_a_row() -> None:
    for j in range(10):
        expected = reference_loader.vectorized_result(j)[:, 0]
        np.testing.assert_array_equal(vectorized_result(j).numpy(), expected)
    with pytest.raises(ValueError, match="a label is a digit from 0 to 9, received -1"):
        vectorized_result(-1)


def test_the_last_mini_batch_of_a_training_part_may_be_written_to(folder: Path) -> None:
    (images, _), *_ = load_data(folder)
    images[0, 0] = 0.5  # a tensor over read-only memory would be undefined behaviour
    assert load_data(folder)[0][0][0, 0] == 0


@pytest.mark.parametrize("what", TWIN.DAMAGES)
def test_damage_is_told_in_the_references_words(what: str, folder: Path) -> None:
    damage, kind, text = TWIN.DAMAGES[what]
    damage(folder)
    with pytest.raises(kind) as caught:
        load_data(folder)
    assert str(caught.value).startswith(text.format(folder)), str(caught.value)
    assert "\n" not in str(caught.value)


def test_without_a_path_mnist_dir_decides(folder: Path, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MNIST_DIR", str(folder))
    assert_equals_reference(None)
    monkeypatch.setenv("MNIST_DIR", str(tmp_path / "typo"))
    expected = (
        r"typo: no such file or folder; .* "
        r"\(named by the environment variable MNIST_DIR: correct or unset it\)$"
    )
    with pytest.raises(FileNotFoundError, match=expected):
        load_data()
    monkeypatch.delenv("MNIST_DIR")
    monkeypatch.setattr(mnist_files, "__file__", str(tmp_path / "away" / "x" / "files.py"))
    monkeypatch.chdir(folder)
    with pytest.raises(FileNotFoundError, match=r"^MNIST is neither in data/ nor named by"):
        load_data()
    monkeypatch.chdir(folder.parent)
    assert len(load_data()[0][0]) == 50


def test_importing_the_loader_imports_no_torchvision() -> None:
    code = "import sys, torch_impl.mnist_loader; print('torchvision' in sys.modules)"
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert told.stdout == "False\n"


@contextlib.contextmanager
def serving(handler: type) -> Iterator[str]:
    """A web server on this machine; its address."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()


def offering(folder: Path) -> type:
    """What a web server does that offers the files of a folder."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments) -> None:
            super().__init__(*arguments, directory=str(folder))

        def log_message(self, *arguments) -> None:
            pass

    return Quiet


@pytest.fixture
def offered(drawn: Path, tmp_path: Path, monkeypatch) -> Iterator[Path]:
    """A server with the drawn digits packed, put in place of torchvision's; its folder."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    web = tmp_path / "web"
    web.mkdir()
    resources = []
    for path in sorted(drawn.iterdir()):
        packed = gzip.compress(path.read_bytes())
        (web / f"{path.name}.gz").write_bytes(packed)
        resources.append((f"{path.name}.gz", hashlib.md5(packed).hexdigest()))
    with serving(offering(web)) as address:
        monkeypatch.setattr(MNIST, "resources", resources)
        # the first server has nothing, so the second is asked
        monkeypatch.setattr(MNIST, "mirrors", [f"{address}none/", address])
        yield web


def test_download_puts_the_files_where_torchvision_keeps_them(
    offered: Path, drawn: Path, tmp_path: Path, capfd
) -> None:
    root = tmp_path / "new" / "root"
    mnist_loader.download(root)
    assert [path.name for path in root.iterdir()] == ["MNIST"]
    assert sorted(p.name for p in (root / "MNIST/raw").iterdir()) == sorted(mnist_files.SHA256)
    for ours, theirs in zip(load_data(root), load_data(drawn), strict=True):
        assert torch.equal(ours[0], theirs[0])
        assert torch.equal(ours[1], theirs[1])
    assert len(MNIST(str(root), train=True)) == 60
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("damage", ["missing", "other", "cut"])
def test_a_download_that_fails_leaves_nothing(offered: Path, tmp_path: Path, damage: str) -> None:
    last = sorted(offered.iterdir())[-1]
    content = last.read_bytes()
    last.unlink()
    if damage != "missing":
        last.write_bytes(b"<html>log in first</html>" if damage == "other" else content[:-9])
    whys = {
        "missing": r"\(File not found\)",
        "other": r"\(File not found; not the file that torchvision expects\)",
        "cut": r"\(File not found; not the file that torchvision expects\)",
    }
    with pytest.raises(OSError, match=rf"^the download of {last.name} failed {whys[damage]}$"):
        mnist_loader.download(tmp_path / "root")
    assert list((tmp_path / "root").iterdir()) == []


def test_a_server_that_never_answers_is_given_up(tmp_path: Path, monkeypatch) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts and says nothing
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        monkeypatch.setattr(MNIST, "mirrors", [address])
        monkeypatch.setattr(mnist_loader, "WAIT", 0.2)
        start = time.monotonic()
        with pytest.raises(OSError, match=r"failed \(.*(timed out|no answer within).*\)$"):
            mnist_loader.download(tmp_path / "root")
        assert time.monotonic() - start < 5
        assert socket.getdefaulttimeout() is None


def test_a_server_that_stops_half_way_is_given_up(tmp_path: Path, monkeypatch) -> None:
    class Stalling(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"half")
            self.wfile.flush()
            finished.wait(20)

        def log_message(self, *arguments) -> None:
            pass

    finished = threading.Event()
    with serving(Stalling) as address:
        monkeypatch.setattr(MNIST, "mirrors", [address])
        monkeypatch.setattr(mnist_loader, "WAIT", 2.0)  # long enough for the answer to begin
        start = time.monotonic()
        try:
            with pytest.raises(OSError, match=r"failed \(.*timed out.*\)$"):
                mnist_loader.download(tmp_path / "root")
            assert time.monotonic() - start < 10
        finally:
            finished.set()


@pytest.mark.mnist
def test_both_loaders_read_the_same_mnist() -> None:
    assert_equals_reference(None)
