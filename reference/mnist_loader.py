"""Reads MNIST with nothing but NumPy: IDX files, or Nielsen's mnist.pkl.gz, to arrays of float32.

A pixel is its byte divided by 256, as in Nielsen's file, and so exact in binary. Of the 60,000
images of the train file the first 50,000 are for training and the last sixth is for validation.
"""

import contextlib
import gzip
import math
import os
import stat
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from reference.checks import ADVICE, printable, refusal, wrong
from reference.examples import Examples
from reference.nielsen_pickle import read_pickle

Part = tuple[np.ndarray, np.ndarray]

NAMES = (
    ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
)
LAYOUTS = ("", "MNIST/raw")  # flat, or torchvision's
MAX_BYTES = 1 << 28  # of a file, unpacked: MNIST's largest has 47 MB


def load_data(path: Any = None) -> tuple[Part, Part, Part]:
    """Reads MNIST as three pairs (images, labels): training, validation and test.

    Parameters
    ----------
    path : str or Path, or what model.mnist_files.find_mnist found, optional
        A folder with the four IDX files, raw or .gz, flat or as torchvision keeps them, or a
        mnist.pkl.gz. Without it: the environment variable MNIST_DIR, else `data/`.

    Returns
    -------
    training, validation, test : pairs (images, labels)
        images: float32 array of shape (N, 784), byte / 256; labels: int64 array of shape (N,).

    Raises
    ------
    OSError, ValueError
        If a file is missing or cannot be read; if it is damaged or does not hold digits.
    """
    if path is None:
        return _load_default()
    pairs = getattr(path, "pairs", None) or _read(Path(path))
    training, validation, test = (
        (np.multiply(pixels, np.float32(1 / 256), dtype=np.float32), labels.astype(np.int64))
        for pixels, labels in pairs
    )
    return training, validation, test


def load_data_wrapper(path: Any = None) -> tuple[Examples, Examples, Examples]:
    """Reads MNIST in the form that Network.SGD and Network.evaluate take.

    y is one-hot, float32 of shape (N, 10), for training; labels of shape (N,) for the others.
    """
    (images, labels), validation, test = load_data(path)
    one_hot = np.zeros((len(labels), 10), np.float32)
    one_hot[np.arange(len(labels)), labels] = 1
    return Examples(images, one_hot), Examples(*validation), Examples(*test)


def vectorized_result(j: int) -> np.ndarray:
    """The wanted output for digit j, 1 in place j and 0 elsewhere. Its shape is (10, 1)."""
    if j not in range(10):
        raise ValueError(f"a label is a digit from 0 to 9, received {j}")
    e = np.zeros((10, 1), np.float32)
    e[j] = 1
    return e


def _load_default() -> tuple[Part, Part, Part]:
    """Loads from where MNIST_DIR says, else from `data/` in the checkout or the current folder."""
    if named := os.environ.get("MNIST_DIR"):
        try:
            return load_data(named)
        except (OSError, ValueError) as error:
            line = f"{error} (named by the environment variable MNIST_DIR: correct or unset it)"
            raise type(error)(line) from error
    for folder in (Path(__file__).resolve().parents[1] / "data", Path("data")):
        with contextlib.suppress(FileNotFoundError):
            return load_data(folder)
    raise FileNotFoundError(
        f"MNIST is neither in data/ nor named by the environment variable MNIST_DIR; {ADVICE}"
    )


def _read(path: Path) -> list[Part]:
    """The three parts as bytes; the train file's last sixth is for validation."""
    if path.name.endswith((".pkl", ".pkl.gz")) and os.path.isfile(path):
        return read_pickle(path)
    files = _locate(path)
    (x, y), test = (_read_part(files[one], files[other]) for one, other in NAMES)
    if len(x) < 6:
        expected = "6 images or more, of which a sixth is for validation"
        raise wrong(files[NAMES[0][0]], expected, len(x))
    first = len(x) - len(x) // 6
    return [(x[:first], y[:first]), (x[first:], y[first:]), test]


def _locate(folder: Path) -> dict[str, Path]:
    """Finds the four files, all in one layout, raw before .gz."""
    names, layouts = [name for pair in NAMES for name in pair], []
    try:
        for layout in LAYOUTS:
            places = [folder / layout / f"{name}{end}" for name in names for end in (".gz", "")]
            layouts.append({p.name.removesuffix(".gz"): p for p in places if _is_file(p)})
        there = folder.exists()
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        raise refusal(folder, error) from error
    best = max(layouts, key=len)
    if len(best) < len(names):
        missing = ", ".join(name for name in names if name not in best)
        why = f"MNIST's files are missing here ({missing})"
        if not folder.is_dir():
            why = "this is a file, expected a folder" if there else "no such file or folder"
        raise FileNotFoundError(printable(f"{folder}: {why}; {ADVICE}"))
    return best


def _is_file(path: Path) -> bool:
    """Whether there is a file; unlike Path.is_file it tells what the system refuses to say."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def _read_part(image_file: Path, label_file: Path) -> Part:
    """Pixels (N, 784) and labels (N,) of the train or the t10k files."""
    pixels = _read_idx(image_file, "images", 2051, (28, 28)).reshape(-1, 784)
    labels = _read_idx(label_file, "labels", 2049, ())
    if len(pixels) != len(labels):
        expected = f"a label for each of the {len(pixels):,} images of {image_file.name}"
        raise wrong(label_file, expected, f"{len(labels):,}")
    if labels.max() > 9:
        raise wrong(label_file, "labels from 0 to 9", labels[labels > 9][0])
    return pixels, labels


def _read_idx(path: Path, what: str, magic: int, sides: tuple[int, ...]) -> np.ndarray:
    """One IDX file: numbers of four bytes, big-endian, tell type and dimensions; then the bytes."""
    start, each = 8 + 4 * len(sides), math.prod(sides)
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise refusal(path, error) from error
    header = [int.from_bytes(content[k : k + 4], "big") for k in range(0, start, 4)]
    kind, count, *others = header
    most = (MAX_BYTES - start) // each
    if (kind, *others) != (magic, *sides) or not 1 <= count <= most:
        shape = ", ".join(map(str, (magic, "N", *sides)))
        expected = f"an IDX file of {what} that starts with {shape}, N from 1 to {most:,}"
        whole = len(content) >= start
        raise wrong(path, expected, str(header)[1:-1] if whole else f"{len(content)} bytes")
    size = start + count * each
    if len(content) != size:
        promised = f"{size:,} bytes for the {count:,} {what} that its header promises"
        raise wrong(path, promised, f"{len(content):,}")
    return np.frombuffer(content, np.uint8, offset=start)
