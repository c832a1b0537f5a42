"""Finds the files of MNIST, reads them, and says whether they are the real ones.

The search, in order: the place that was asked for; the environment variable MNIST_DIR; `data/` in
the checkout, then in the current folder; a download, if the caller hands in a way to do one; and
synthetic digits, with a notice. A place that somebody named never falls back on another.
"""

import contextlib
import gzip
import hashlib
import math
import os
import stat
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from model import synthetic_digits
from reference.checks import ADVICE, printable, refusal, wrong
from reference.nielsen_pickle import read_pickle

# SHA-256 of the uncompressed files of MNIST.
SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
LAYOUTS = ("", "MNIST/raw")  # flat, or torchvision's
MAX_BYTES = 1 << 28  # of a file; MNIST's largest has 47 MB, but a .gz could unpack to anything
NOWHERE = "MNIST is neither in data/ nor named by the environment variable MNIST_DIR"

Pairs = list[tuple[np.ndarray, np.ndarray]]  # training, validation, test: bytes (N, 784) and (N,)
Download = Callable[[Path], object]
Found = TypeVar("Found")


@dataclass(frozen=True)
class MnistFiles:
    """Where a data set lies, what it is, and what was read: all that a loader needs of it."""

    folder: Path  # as it was named, or a mnist.pkl.gz
    kind: str  # "mnist", "synthetic", or "other" for well-formed files of something else
    sha256: dict[str, str]  # name of each of the four files to that of its uncompressed bytes
    notice: str  # what every result must repeat; empty for MNIST
    pairs: Pairs = field(repr=False, compare=False)


def is_pickle(path: str | Path) -> bool:
    """Return whether a path is a file named like Nielsen's mnist.pkl.gz."""
    return Path(path).name.endswith((".pkl", ".pkl.gz")) and os.path.isfile(path)


def locate(folder: str | Path) -> dict[str, Path]:
    """Return where the four files lie in a folder: raw or .gz, all flat or all as torchvision's.

    FileNotFoundError says which are missing, OSError or ValueError why it cannot be searched.
    """
    folder = Path(folder)
    try:
        layouts = [_in_layout(folder / layout) for layout in LAYOUTS]
        there = folder.exists()
    except (OSError, ValueError) as error:  # ValueError: a name that no folder can have
        raise refusal(folder, error) from error
    best = max(layouts, key=len)  # the first of equals: flat
    if len(best) == len(SHA256):
        return best
    missing = ", ".join(name for name in SHA256 if name not in best)
    why = f"MNIST's files are missing here ({missing})"
    if not folder.is_dir():
        why = "this is a file, expected a folder" if there else "no such file or folder"
    raise FileNotFoundError(printable(f"{folder}: {why}; {ADVICE}"))


def _in_layout(folder: Path) -> dict[str, Path]:
    """The files in just this folder, the missing left out; a refusal by the system is an error."""
    found = {}
    for name in SHA256:
        for path in (folder / f"{name}.gz", folder / name):
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                if stat.S_ISREG(os.stat(path).st_mode):
                    found[name] = path
    return found


def _read_idx(path: Path, what: str) -> tuple[bytes, np.ndarray]:
    """A whole file of images or labels, and of it the bytes behind magic, count and sides."""
    magic, *sides = expected = [2051, 28, 28] if what == "images" else [2049]
    each, start = math.prod(sides), 4 + 4 * len(expected)
    most = (MAX_BYTES - start) // each
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            head = file.read(start)
            numbers = [int.from_bytes(head[k : k + 4], "big") for k in range(0, len(head), 4)]
            count = numbers.pop(1) if len(head) == start else 0
            if numbers != expected or not 1 <= count <= most:
                shape = ", ".join(map(str, (magic, "N", *sides)))
                promise = f"an IDX file of {what} that starts with {shape}, N from 1 to {most:,}"
                received = ", ".join(map(str, (*numbers[:1], count, *numbers[1:])))
                raise wrong(path, promise, received if len(head) == start else f"{len(head)} bytes")
            content = head + file.read(count * each + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise refusal(path, error) from error
    size = start + count * each
    if len(content) != size:
        promise = f"{size:,} bytes for the {count:,} {what} that its header promises"
        raise wrong(path, promise, f"{len(content):,}{' or more' * (len(content) > size)}")
    return content, np.frombuffer(content, np.uint8, offset=start)


def _read(path: Path) -> tuple[Pairs, dict[str, str]]:
    """The three pairs in a folder or a pickle, every file read once, and the four SHA-256."""
    if is_pickle(path):
        pairs = read_pickle(path)
        return pairs, _digests_of_pickle(pairs)
    files, digests, arrays = locate(path), {}, {}
    for name, file in files.items():
        content, arrays[name] = _read_idx(file, name.split("-")[1])
        digests[name] = hashlib.sha256(content).hexdigest()
    parts = []
    for images, labels in (list(SHA256)[:2], list(SHA256)[2:]):
        x, y = arrays[images].reshape(-1, 784), arrays[labels]
        if len(x) != len(y):
            expected = f"a label for each of the {len(x):,} images of {files[images].name}"
            raise wrong(files[labels], expected, f"{len(y):,}")
        if y.max() > 9:
            raise wrong(files[labels], "labels from 0 to 9", y[y > 9][0])
        parts.append((x, y))
    (x, y), test = parts
    if len(x) < 6:
        expected = "6 images or more, of which a sixth is for validation"
        raise wrong(files[next(iter(SHA256))], expected, len(x))
    first = len(x) - len(x) // 6
    return [(x[:first], y[:first]), (x[first:], y[first:]), test], digests


def _digests_of_pickle(pairs: Pairs) -> dict[str, str]:
    """The SHA-256 that the four IDX files would have, had they been made from this pickle."""
    digests = {}
    for name in SHA256:
        parts = pairs[:2] if name.startswith("train") else pairs[2:]
        arrays = [x.reshape(-1, 28, 28) if "images" in name else y for x, y in parts]
        whole = synthetic_digits.idx_bytes(np.concatenate(arrays))
        digests[name] = hashlib.sha256(whole).hexdigest()
    return digests


def describe(path: str | Path) -> MnistFiles:
    """Return what lies in a data folder or a mnist.pkl.gz: MNIST, synthetic digits, or other.

    OSError or ValueError, one line, where a file is missing, cannot be read or is damaged.
    """
    path = Path(path)
    pairs, digests = _read(path)
    kind, notice = "other", f"the digits in {path} are not MNIST: accuracy on them is not MNIST's"
    if digests == SHA256:
        kind, notice = "mnist", ""
    elif digests == synthetic_digits.SHA256:
        kind, notice = "synthetic", _notice("asked for")
    return MnistFiles(path, kind, digests, printable(notice), pairs)


def _notice(why: str) -> str:
    return f"synthetic digits, not MNIST ({why}): accuracy on them is not MNIST's"


def _homes() -> list[Path]:
    """The folders `data/` that are searched when nobody named one, the one to write to first."""
    checkout = Path(__file__).resolve().parents[1]
    here = [Path("data")]
    # an installed copy stands among other people's packages: their folder is not to be written to
    return [checkout / "data", *here] if (checkout / "pyproject.toml").is_file() else here


def _spare_home() -> Path:
    """A folder of this user's where data may be kept when `data/` cannot be written."""
    user = os.getuid() if hasattr(os, "getuid") else "data"
    return Path(tempfile.gettempdir()) / f"jalebi-{user}"


def _writable_home() -> Path:
    """The first folder for data in which a file can be made."""
    refusals = []
    for folder in (_homes()[0], _spare_home()):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                return folder
        except OSError as error:
            refusals.append(f"{folder}: {error.strerror}")
    why = f"no folder for data can be written ({'; '.join(refusals)}); free one, or {ADVICE}"
    raise OSError(printable(why))


def _drawn(why: str) -> MnistFiles:
    """The default synthetic digits, drawn unless an earlier run has left them whole."""
    for home in (*_homes(), _spare_home()):
        with contextlib.suppress(OSError, ValueError):
            found = describe(home / "synthetic")
            if found.kind == "synthetic":
                return replace(found, notice=_notice(why))
    folder = _writable_home() / "synthetic"
    synthetic_digits.write_idx_files(folder)
    return replace(describe(folder), kind="synthetic", notice=_notice(why))


def at_home(read: Callable[[Path], Found]) -> Found:
    """Return what is read where MNIST_DIR says, else in the folder `data/` that has the files.

    OSError or ValueError as reading raises them; FileNotFoundError if there is nothing.
    """
    if named := os.environ.get("MNIST_DIR"):
        try:
            return read(Path(named))
        except (OSError, ValueError) as error:
            line = f"{error} (named by the environment variable MNIST_DIR: correct or unset it)"
            raise type(error)(line) from error
    for folder in _homes():
        with contextlib.suppress(FileNotFoundError):
            return read(folder)
    raise FileNotFoundError(f"{NOWHERE}; {ADVICE}")


def find_mnist(data: str | Path | None = None, download: Download | None = None) -> MnistFiles:
    """Return the data set to use and what it is.

    Parameters
    ----------
    data : str or Path, optional
        A folder, a mnist.pkl.gz, or "synthetic". Without it: MNIST_DIR, `data/`, a download,
        synthetic digits.
    download : callable, optional
        Given a folder, puts MNIST there or raises OSError.

    Raises
    ------
    OSError, ValueError
        If a place that was named lacks a file or cannot be read, or nothing can be written; if a
        file is damaged.
    """
    if data is not None:
        return _drawn("asked for") if data == "synthetic" else describe(data)
    try:
        return at_home(describe)
    except FileNotFoundError:
        if os.environ.get("MNIST_DIR"):
            raise
    if download is None:
        return _drawn(NOWHERE)
    try:
        folder = _writable_home()
        download(folder)
        return describe(folder)
    except OSError as error:
        return _drawn(f"{NOWHERE}, and {error}")
