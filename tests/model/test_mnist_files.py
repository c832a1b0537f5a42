"""Where the data is looked for, in which order, and what is said of it."""

import gzip
import os
import pickle
import re
import shutil
import stat
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest

from model import mnist_files, synthetic_digits
from model.mnist_files import describe, find_mnist, locate, unpickle
from model.synthetic_digits import draw_digits, write_idx_files

NAMES = tuple(mnist_files.SHA256)


@pytest.fixture(scope="module")
def standard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default synthetic digits, drawn once for these tests."""
    folder = tmp_path_factory.mktemp("standard")
    write_idx_files(folder)
    return folder


@pytest.fixture
def small(tmp_path: Path) -> Path:
    write_idx_files(tmp_path / "small", 12, 3)
    return tmp_path / "small"


@pytest.fixture
def lone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout without data, the current folder, and no MNIST_DIR; its data/ is returned."""
    monkeypatch.delenv("MNIST_DIR", raising=False)
    checkout = tmp_path / "checkout"
    (checkout / "model").mkdir(parents=True)
    (checkout / "pyproject.toml").touch()
    monkeypatch.setattr(mnist_files, "__file__", str(checkout / "model" / "mnist_files.py"))
    (tmp_path / "spare").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "spare"))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    return checkout / "data"


@pytest.fixture
def quick_drawing(standard: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Drawing copies what was drawn once already; the folders drawn into are returned."""
    into: list[Path] = []

    def copy(folder: Path) -> dict[str, Path]:
        into.append(folder)
        shutil.copytree(standard, folder, dirs_exist_ok=True)
        return {name: folder / name for name in NAMES}

    monkeypatch.setattr(synthetic_digits, "write_idx_files", copy)
    return into


def test_files_are_found_flat_or_nested_raw_or_packed(small: Path, tmp_path: Path) -> None:
    assert locate(small) == {name: small / name for name in NAMES}
    nested = Path(shutil.copytree(small, tmp_path / "root" / "MNIST" / "raw"))
    assert locate(tmp_path / "root") == {name: nested / name for name in NAMES}
    packed = nested / f"{NAMES[2]}.gz"
    packed.write_bytes(gzip.compress((nested / NAMES[2]).read_bytes()))
    assert locate(nested)[NAMES[2]] == nested / NAMES[2]
    (nested / NAMES[2]).unlink()
    assert locate(nested)[NAMES[2]] == packed


def test_files_of_two_layouts_are_never_mixed(small: Path, tmp_path: Path) -> None:
    shutil.copytree(small, small / "MNIST" / "raw")
    (small / NAMES[0]).unlink()
    (small / "MNIST" / "raw" / NAMES[1]).unlink()
    with pytest.raises(FileNotFoundError, match=rf"files are missing here \({NAMES[0]}\); give a"):
        locate(small)


def test_other_digits_are_called_other_and_the_notice_says_so(small: Path) -> None:
    found = describe(small)
    assert (found.folder, found.kind) == (small, "other")
    assert found.notice == (f"the digits in {small} are not MNIST: accuracy on them is not MNIST's")
    assert set(found.sha256) == set(found.files) == set(NAMES)


def test_packing_does_not_change_the_sha256(small: Path) -> None:
    before = describe(small).sha256
    for path in list(small.iterdir()):
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    assert describe(small).sha256 == before


def test_a_pickle_has_the_sha256_of_the_files_it_stands_for(small: Path, tmp_path: Path) -> None:
    images, labels = draw_digits(12)
    test_images, test_labels = draw_digits(3, part=1)
    x, y = (images.reshape(12, 784) / np.float32(256)), labels.astype(np.int64)
    tested = (test_images.reshape(3, 784) / np.float32(256), test_labels.astype(np.int64))
    path = tmp_path / "mnist.pkl.gz"
    with gzip.open(path, "wb") as file:
        pickle.dump(((x[:10], y[:10]), (x[10:], y[10:]), tested), file)
    found = find_mnist(path)
    assert found.sha256 == describe(small).sha256
    assert (found.folder, found.kind) == (path, "other")
    assert set(found.files.values()) == {path}
    np.testing.assert_array_equal(unpickle(path)[1][0], images[10:].reshape(2, 784))


@pytest.mark.parametrize(
    ("part", "change", "text"),
    [
        (0, lambda x, y: (x[:, 1:], y), "in rows of 784, received float32 of shape (12, 783)"),
        (0, lambda x, y: (x / 2, y), "expected pixels that are a byte divided by 256, in rows of"),
        (0, lambda x, y: (x + 1, y), "received values from 1.0 to 1.99609375"),
        (1, lambda x, y: (x, y[1:]), "expected 12 whole-number labels, received int64 of shape"),
        (2, lambda x, y: (x, y + 10), "expected labels from 0 to 9, received 1"),
        (0, lambda x, y: [x, y, y], "expected three pairs (images, labels)"),
        (0, lambda x, y: (x.tolist(), y), "in rows of 784, received list"),
        (0, lambda x, y: (x, y / 1), "expected 12 whole-number labels, received float64 of"),
        (0, lambda x, y: (os.getcwd, y), "damaged or cut short (it asks for posix.getcwd, only"),
    ],
)
def test_a_pickle_of_other_things_is_told(part: int, change, text: str, tmp_path: Path) -> None:
    images, labels = draw_digits(12)
    x, y = (images.reshape(12, 784) / np.float32(256)), labels.astype(np.int64)
    parts = [(x, y), (x, y), (x, y)]
    parts[part] = change(x, y)
    path = tmp_path / "mnist.pkl.gz"
    with gzip.open(path, "wb") as file:
        pickle.dump(parts, file)
    with pytest.raises(ValueError, match=re.escape(text)) as caught:
        find_mnist(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_damaged_files_are_refused_and_not_called_other(small: Path) -> None:
    (small / NAMES[0]).write_bytes((small / NAMES[0]).read_bytes()[:-1])
    expected = rf"{NAMES[0]}: expected 9,424 bytes for the 12 images .* received 9,423; replace it"
    with pytest.raises(ValueError, match=expected):
        find_mnist(small)
    (small / NAMES[0]).write_bytes(b"")
    with pytest.raises(ValueError, match=rf"{NAMES[0]}: is empty, expected an IDX file"):
        find_mnist(small)
    (small / NAMES[0]).write_bytes(b"\0\0\x08\x01" + bytes(12))
    with pytest.raises(ValueError, match=r"starts with the number 2051, received 2049"):
        find_mnist(small)
    (small / NAMES[0]).unlink()
    (small / f"{NAMES[0]}.gz").write_bytes(b"<html>")
    with pytest.raises(ValueError, match=rf"{NAMES[0]}.gz: damaged or cut short \(Not a gzipped"):
        find_mnist(small)


def test_a_packed_file_that_never_ends_is_refused(small: Path, monkeypatch) -> None:
    monkeypatch.setattr(mnist_files, "MAX_BYTES", 1 << 22)
    (small / NAMES[0]).unlink()
    (small / f"{NAMES[0]}.gz").write_bytes(gzip.compress(bytes(1 << 23), 1))
    with pytest.raises(ValueError, match=r"damaged or cut short \(more than 4,194,304 bytes\)"):
        find_mnist(small)


def test_a_place_that_was_named_never_falls_back(lone: Path, small: Path, monkeypatch) -> None:
    shutil.copytree(small, lone)

    def download(folder: Path) -> None:
        raise AssertionError("nothing is to be fetched")

    typo = small.with_name("typo")
    with pytest.raises(FileNotFoundError, match=r"typo: no such file or folder; give a folder"):
        find_mnist(typo, download)
    monkeypatch.setenv("MNIST_DIR", str(typo))
    expected = r"typo: .*\(named by the environment variable MNIST_DIR: correct or unset it\)"
    with pytest.raises(FileNotFoundError, match=expected):
        find_mnist(None, download)
    (small / "one").write_bytes(b"")
    with pytest.raises(FileNotFoundError, match=r"one: this is a file, expected a folder; give"):
        find_mnist(small / "one", download)


def test_an_argument_comes_before_mnist_dir_and_that_before_data(
    lone: Path, small: Path, monkeypatch
) -> None:
    write_idx_files(lone, 6, 1)
    write_idx_files("data", 7, 1)  # in the current folder
    assert find_mnist().folder == lone
    shutil.rmtree(lone)
    assert find_mnist().folder == Path("data")
    monkeypatch.setenv("MNIST_DIR", str(small))
    assert find_mnist().folder == small
    named = small.with_name("named")
    write_idx_files(named, 8, 1)
    assert find_mnist(named).folder == named
    monkeypatch.setenv("MNIST_DIR", "")  # empty is as good as unset
    assert find_mnist().folder == Path("data")


def test_without_mnist_synthetic_digits_are_drawn_once_with_a_notice(
    lone: Path, quick_drawing: list[Path]
) -> None:
    found = find_mnist()
    assert (found.folder, found.kind) == (lone / "synthetic", "synthetic")
    assert found.sha256 == synthetic_digits.SHA256
    assert found.notice == (
        "synthetic digits, not MNIST (MNIST is neither in data/ nor named by the environment "
        "variable MNIST_DIR): accuracy on them is not MNIST's"
    )
    assert find_mnist() == found
    asked = find_mnist("synthetic")
    assert asked.notice == (
        "synthetic digits, not MNIST (asked for): accuracy on them is not MNIST's"
    )
    assert find_mnist(found.folder) == asked
    assert quick_drawing == [found.folder]


def test_synthetic_digits_that_were_damaged_are_drawn_again(
    lone: Path, quick_drawing: list[Path]
) -> None:
    found = find_mnist("synthetic")
    for damage in (b"", (found.folder / NAMES[1]).read_bytes()[:-1] + b"\x07"):
        (found.folder / NAMES[1]).write_bytes(damage)
        assert find_mnist("synthetic") == found
    assert len(quick_drawing) == 3


def test_a_download_is_used_and_a_failed_one_is_told(
    lone: Path, small: Path, quick_drawing: list[Path]
) -> None:
    def fails(folder: Path) -> None:
        raise OSError("the download failed (no network)")

    assert find_mnist(None, fails).notice.startswith(
        "synthetic digits, not MNIST (MNIST is neither in data/ nor named by the environment "
        "variable MNIST_DIR, and the download failed (no network)): accuracy"
    )
    assert find_mnist(None, lambda folder: shutil.copytree(small, folder / "MNIST/raw")).kind == (
        "other"
    )
    assert find_mnist(None, fails).folder == lone


def test_where_data_cannot_be_written_another_folder_serves(
    lone: Path, quick_drawing: list[Path]
) -> None:
    lone.write_bytes(b"a file where the folder should be")  # stops root as well
    found = find_mnist()
    assert found.kind == "synthetic"
    assert found.folder.parent.parent == Path(tempfile.gettempdir())
    assert find_mnist() == found
    assert len(quick_drawing) == 1


def test_where_nothing_can_be_written_is_told(lone: Path, monkeypatch) -> None:
    lone.write_bytes(b"")
    monkeypatch.setattr(tempfile, "tempdir", str(lone))
    with pytest.raises(
        OSError, match=r"no folder for data can be written \(.*; .*\); free one, or"
    ):
        find_mnist()


def test_an_installed_copy_never_writes_among_other_packages(
    lone: Path, quick_drawing: list[Path]
) -> None:
    (lone.parent / "pyproject.toml").unlink()
    assert find_mnist().folder == Path("data") / "synthetic"
    assert not lone.exists()


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_a_folder_that_may_not_be_read_is_told(small: Path) -> None:
    os.chmod(small, 0)
    root = os.geteuid() == 0
    try:
        if root:
            os.seteuid(65534)  # permissions do not bind root
        with pytest.raises(PermissionError, match=r"cannot be read, permission denied; let this"):
            find_mnist(small)
    finally:
        if root:
            os.seteuid(0)
        os.chmod(small, 0o755)


def test_files_written_can_be_read_by_others(small: Path) -> None:
    assert {stat.S_IMODE(path.stat().st_mode) for path in small.iterdir()} == {0o644}


@pytest.mark.mnist
def test_mnist_is_recognised_and_quickly() -> None:
    start = time.process_time()
    found = find_mnist()
    assert time.process_time() - start < 3  # 0.05 s to 0.3 s; a guard against reading it twice
    assert (found.kind, found.notice, found.sha256) == ("mnist", "", mnist_files.SHA256)
