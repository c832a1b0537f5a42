"""The four files of MNIST, or Nielsen's one: where they lie, and the bytes that they hold.

What computes nothing stands once: model/ and torch_impl/ read with it too.
"""

import contextlib
import gzip
import math
import os
import stat
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

from reference.checks import ADVICE, printable, refusal, wrong
from reference.nielsen_pickle import read_pickle

Pair = tuple[np.ndarray, np.ndarray]
Found = TypeVar("Found")

NAMES = (
    ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
)
LAYOUTS = ("", "MNIST/raw")  # flat, or torchvision's
MAX_BYTES = 1 << 28  # of a file, unpacked: MNIST's largest has 47 MB
NOWHERE = "MNIST is neither in data/ nor named by the environment variable MNIST_DIR"


def homes() -> list[Path]:
    """Return the folders `data/` that are searched when nobody named one, the first to write to."""
    checkout, here = Path(__file__).resolve().parents[1], [Path("data")]
    # an installed copy stands among other people's packages: their folder is not to be written to
    return [checkout / "data", *here] if (checkout / "pyproject.toml").is_file() else here


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
    for folder in homes():
        with contextlib.suppress(FileNotFoundError):
            return read(folder)
    raise FileNotFoundError(f"{NOWHERE}; {ADVICE}")


def is_pickle(path: Path) -> bool:
    """Return whether a path is a file named like Nielsen's mnist.pkl.gz."""
    return path.name.endswith((".pkl", ".pkl.gz")) and os.path.isfile(path)


def read(path: Path) -> tuple[list[Pair], dict[str, bytes]]:
    """Return the training, validation and test pairs as bytes (N, 784) and (N,), and all files.

    Of a pickle there are no files. In a folder the train file's last sixth is for validation.
    """
    if is_pickle(path):
        return read_pickle(path), {}
    files, contents, pairs = locate(path), {}, []
    for images, labels in NAMES:
        contents[images], x = _read_idx(files[images], "images", 2051, (28, 28))
        contents[labels], y = _read_idx(files[labels], "labels", 2049, ())
        pairs.append((x.reshape(-1, 784), y))
        if len(pairs[-1][0]) != len(y):
            expected = f"a label for each of the {len(pairs[-1][0]):,} images of {images}"
            raise wrong(files[labels], expected, f"{len(y):,}")
        if y.max() > 9:
            raise wrong(files[labels], "labels from 0 to 9", y[y > 9][0])
    (x, y), test = pairs
    if len(x) < 6:
        expected = "6 images or more, of which a sixth is for validation"
        raise wrong(files[NAMES[0][0]], expected, len(x))
    first = len(x) - len(x) // 6
    return [(x[:first], y[:first]), (x[first:], y[first:]), test], contents


def locate(folder: str | Path) -> dict[str, Path]:
    """Return where the four files lie in a folder: raw or .gz, all flat or all as torchvision's.

    FileNotFoundError says which are missing, OSError or ValueError why it cannot be searched.
    """
    folder = Path(folder)
    names, layouts = [name for pair in NAMES for name in pair], []
    try:
        for layout in LAYOUTS:
            places = [folder / layout / f"{name}{end}" for name in names for end in (".gz", "")]
            layouts.append({p.name.removesuffix(".gz"): p for p in places if _is_file(p)})
        there = folder.exists()
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        raise refusal(folder, error) from error
    best = max(layouts, key=len)  # the first of equals: flat
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


def _read_idx(
    path: Path, what: str, magic: int, sides: tuple[int, ...]
) -> tuple[bytes, np.ndarray]:
    """One IDX file: numbers of four bytes, big-endian, tell type and dimensions; then the bytes."""
    start, each = 8 + 4 * len(sides), math.prod(sides)
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            head = file.read(start)  # and then no more than it promises, and a byte
            promised = int.from_bytes(head[4:8], "big") * each
            content = head + file.read(min(promised, MAX_BYTES) + 1)
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
        expected = f"{size:,} bytes for the {count:,} {what} that its header promises"
        raise wrong(path, expected, f"{len(content):,}{' or more' * (len(content) > size)}")
    return content, np.frombuffer(content, np.uint8, offset=start)
