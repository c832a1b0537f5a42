"""The four files of MNIST in a folder: where they lie, and the bytes that they hold.

What computes nothing stands once: model/ reads with it too.
"""

import gzip
import math
import os
import stat
import zlib
from pathlib import Path

import numpy as np

from reference.checks import ADVICE, printable, refusal, wrong

Pair = tuple[np.ndarray, np.ndarray]

NAMES = (
    ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
)
LAYOUTS = ("", "MNIST/raw")  # flat, or torchvision's
MAX_BYTES = 1 << 28  # of a file, unpacked: MNIST's largest has 47 MB


def read_folder(folder: Path) -> tuple[list[Pair], dict[str, bytes]]:
    """Return the training, validation and test pairs as bytes (N, 784) and (N,), and all files.

    The train file's last sixth is for validation.
    """
    files, contents, pairs = locate(folder), {}, []
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
