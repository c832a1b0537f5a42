"""Finds the files of MNIST, reads them, and says whether they are the real ones.

The search, in order: the place that was asked for; the environment variable MNIST_DIR; `data/` in
the checkout, then in the current folder; a download, if the caller hands in a way to do one; and
synthetic digits, with a notice. A place that somebody named never falls back on another.
"""

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from model import synthetic_digits
from reference.checks import ADVICE, printable
from reference.mnist_files import NOWHERE, at_home, homes, read
from reference.mnist_files import is_pickle as is_pickle
from reference.mnist_files import locate as locate

# SHA-256 of the uncompressed files of MNIST.
SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}

Pairs = list[tuple[np.ndarray, np.ndarray]]  # training, validation, test: bytes (N, 784) and (N,)
Download = Callable[[Path], object]


@dataclass(frozen=True)
class MnistFiles:
    """Where a data set lies, what it is, and what was read: all that a loader needs of it."""

    folder: Path  # as it was named, or a mnist.pkl.gz
    kind: str  # "mnist", "synthetic", or "other" for well-formed files of something else
    sha256: dict[str, str]  # name of each of the four files to that of its uncompressed bytes
    notice: str  # what every result must repeat; empty for MNIST
    pairs: Pairs = field(repr=False, compare=False)


def describe(path: str | Path) -> MnistFiles:
    """Return what lies in a data folder or a mnist.pkl.gz: MNIST, synthetic digits, or other.

    OSError or ValueError, one line, where a file is missing, cannot be read or is damaged.
    """
    path = Path(path)
    pairs, contents = read(path)
    if not contents:  # a pickle: what the four IDX files would be, had they been made from it
        for name in SHA256:
            parts = pairs[:2] if name.startswith("train") else pairs[2:]
            arrays = [x.reshape(-1, 28, 28) if "images" in name else y for x, y in parts]
            contents[name] = synthetic_digits.idx_bytes(np.concatenate(arrays))
    digests = {name: hashlib.sha256(whole).hexdigest() for name, whole in contents.items()}
    kind, notice = "other", f"the digits in {path} are not MNIST: accuracy on them is not MNIST's"
    if digests == SHA256:
        kind, notice = "mnist", ""
    elif digests == synthetic_digits.SHA256:
        kind, notice = "synthetic", _notice("asked for")
    return MnistFiles(path, kind, digests, printable(notice), pairs)


def _notice(why: str) -> str:
    return f"synthetic digits, not MNIST ({why}): accuracy on them is not MNIST's"


def _spare_home() -> Path:
    """A folder of this user's where data may be kept when `data/` cannot be written."""
    user = os.getuid() if hasattr(os, "getuid") else "data"
    return Path(tempfile.gettempdir()) / f"jalebi-{user}"


def _writable_home() -> Path:
    """The first folder for data in which a file can be made."""
    refusals = []
    for folder in (homes()[0], _spare_home()):
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
    for home in (*homes(), _spare_home()):
        with contextlib.suppress(OSError, ValueError):
            found = describe(home / "synthetic")
            if found.kind == "synthetic":
                return replace(found, notice=_notice(why))
    folder = _writable_home() / "synthetic"
    synthetic_digits.write_idx_files(folder)
    return replace(describe(folder), kind="synthetic", notice=_notice(why))


def find_mnist(data: str | Path | None = None, download: Download | None = None) -> MnistFiles:
    """Return the data set to use and what it is.

    `data` is a folder, a mnist.pkl.gz, or "synthetic"; without it: MNIST_DIR, `data/`, a download,
    synthetic digits. `download`, given a folder, puts MNIST there or raises OSError. OSError or
    ValueError if a named place lacks a file or cannot be read, or a file is damaged.
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
        return _drawn(f"{NOWHERE}, and {printable(error)}")
