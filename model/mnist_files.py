"""Finds the files of MNIST and says whether they are the real ones; the loaders read them.

The search, in order: the place that was asked for; the environment variable MNIST_DIR; `data/` in
the checkout, then in the current folder; a download, if the caller hands in a way to do one; and
synthetic digits, with a notice. A place that somebody named never falls back on another.
"""

import contextlib
import gzip
import hashlib
import os
import pickle
import re
import stat
import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from model import synthetic_digits

# SHA-256 of the uncompressed files of MNIST.
SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
LAYOUTS = ("", "MNIST/raw")  # flat, or torchvision's
MAX_BYTES = 1 << 30  # far above MNIST's 47 MB; a compressed file could unpack to anything
ADVICE = "give a folder with MNIST's four IDX files (raw or .gz), or Nielsen's mnist.pkl.gz"
REPAIR = "replace it by the file of MNIST"
NOWHERE = "MNIST is neither in data/ nor named by the environment variable MNIST_DIR"

Bytes = NDArray[np.uint8]
Download = Callable[[Path], object]


@dataclass(frozen=True)
class MnistFiles:
    """Where a data set lies and what it is.

    Parameters
    ----------
    folder : Path
        What to hand to a loader: the folder as it was named, or a mnist.pkl.gz.
    kind : str
        "mnist", "synthetic", or "other" for well-formed files of something else.
    sha256 : dict
        Name of each of the four files to the SHA-256 of its uncompressed bytes, in hexadecimal.
    notice : str
        What every result must repeat; empty for MNIST.
    files : dict
        Name of each of the four files to where it lies; of a pickle, all are that pickle.
    """

    folder: Path
    kind: str
    sha256: dict[str, str]
    notice: str
    files: dict[str, Path]


def one_line(path: Path, error: Exception) -> Exception:
    """An error of reading a file as one clear line, of the kind that it was.

    Parameters
    ----------
    path : Path
        What was being read.
    error : Exception
        What the system, gzip or the unpickler said.

    Returns
    -------
    Exception
        An OSError of the same class where the system refused, else a ValueError: damage.
    """
    if isinstance(error, OSError) and not isinstance(error, gzip.BadGzipFile):
        why = (error.strerror or str(error)).lower()
        return type(error)(f"{path}: cannot be read, {why}; let this user read it, or {ADVICE}")
    why = " ".join(str(error).split()) or type(error).__name__
    return ValueError(f"{path}: damaged or cut short ({why}); {REPAIR}")


def opened(path: Path) -> IO[bytes]:
    """Opens a data file for reading, unpacking it if its name ends in .gz.

    Parameters
    ----------
    path : Path

    Returns
    -------
    binary file

    Raises
    ------
    OSError
        If the system refuses.
    """
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


def _is_file(path: Path) -> bool:
    """Whether a file lies there; an OSError that says no more than that is no error."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def _in_layout(folder: Path) -> dict[str, Path]:
    """The files in just this folder: name to path, raw before .gz, the missing left out."""
    found = {}
    for name in SHA256:
        for path in (folder / name, folder / f"{name}.gz"):
            if name not in found and _is_file(path):
                found[name] = path
    return found


def locate(folder: str | Path) -> dict[str, Path]:
    """Finds the four files in a folder, raw or .gz, flat or in torchvision's layout.

    Parameters
    ----------
    folder : str or Path

    Returns
    -------
    dict
        Name of each of the four files to where it lies.

    Raises
    ------
    FileNotFoundError
        If the folder or one of the files is missing.
    OSError
        If the folder cannot be searched.
    """
    folder = Path(folder)
    try:
        layouts = [_in_layout(folder / layout) for layout in LAYOUTS]
        there = folder.exists()
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        raise one_line(folder, error) from error
    best = max(layouts, key=len)  # the first of equals: flat
    if len(best) == len(SHA256):
        return best
    if not there:
        raise FileNotFoundError(f"{folder}: no such file or folder; {ADVICE}")
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: this is a file, expected a folder; {ADVICE}")
    missing = ", ".join(name for name in SHA256 if name not in best)
    raise FileNotFoundError(f"{folder}: MNIST's files are missing here ({missing}); {ADVICE}")


def check_idx(path: Path, name: str, head: bytes, length: int) -> None:
    """Refuses a file that is no whole IDX file of digits: magic number, sizes, length.

    Parameters
    ----------
    path : Path
        What the error names.
    name : str
        Which of the four files it should be: images or labels.
    head : bytes
        Its first 16 bytes, or fewer if it has no more.
    length : int
        Its length in bytes, uncompressed.

    Raises
    ------
    ValueError
        Naming the file, what was expected and what was there.
    """
    what = name.split("-")[1]
    magic, start, sides = (2051, 16, [28, 28]) if what == "images" else (2049, 8, [])
    if length < start:
        ends = f"ends after {length} bytes, inside its header" if length else "is empty"
        raise ValueError(f"{path}: {ends}, expected an IDX file of {what}; {REPAIR}")
    numbers = [int.from_bytes(head[i : i + 4], "big") for i in range(0, start, 4)]
    if numbers[0] != magic:
        raise ValueError(
            f"{path}: expected an IDX file of {what} that starts with the number {magic}, "
            f"received {numbers[0]}; {REPAIR}"
        )
    if numbers[2:] != sides:
        size = f"{numbers[2]} x {numbers[3]}"
        raise ValueError(f"{path}: expected images of 28 x 28 pixels, received {size}; {REPAIR}")
    if numbers[1] == 0:
        raise ValueError(f"{path}: expected {what}, received an IDX file of none; {REPAIR}")
    expected = start + numbers[1] * (784 if sides else 1)
    if length != expected:
        raise ValueError(
            f"{path}: expected {expected:,} bytes for the {numbers[1]:,} {what} "
            f"that its header promises, received {length:,}; {REPAIR}"
        )


def is_pickle(path: str | Path) -> bool:
    """Whether a path is a file named like Nielsen's mnist.pkl.gz.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    bool
    """
    name = Path(path).name
    return name.endswith((".pkl", ".pkl.gz")) and os.path.isfile(path)


def _blocks(path: Path) -> Iterator[bytes]:
    """The bytes of a file, uncompressed, piece by piece."""
    length = 0
    try:
        with opened(path) as file:
            while block := file.read(1 << 20):
                length += len(block)
                if length > MAX_BYTES:
                    raise ValueError(f"more than {MAX_BYTES:,} bytes")
                yield block
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise one_line(path, error) from error


def unpack(path: Path, copy: Path) -> None:
    """Writes the bytes of a data file, uncompressed, to another file.

    Parameters
    ----------
    path, copy : Path
        From and to.

    Raises
    ------
    OSError
        If the one cannot be read or the other cannot be written.
    ValueError
        If the file is damaged.
    """
    with copy.open("wb") as out:
        for block in _blocks(path):
            out.write(block)


def _measured(path: Path) -> tuple[str, bytes, int]:
    """SHA-256, first 16 bytes and length of a file, uncompressed, without holding it in memory."""
    digest, head, length = hashlib.sha256(), b"", 0
    for block in _blocks(path):
        digest.update(block)
        head = head or block[:16]
        length += len(block)
    return digest.hexdigest(), head, length


def _digests(files: dict[str, Path]) -> dict[str, str]:
    """Name of each file to its SHA-256; refuses what is not well-formed."""
    digests = {}
    for name, path in files.items():
        digests[name], head, length = _measured(path)
        if digests[name] != SHA256[name]:
            check_idx(path, name, head, length)
    return digests


# Nielsen's mnist.pkl.gz. A pickle can do whatever it may call, so it may call these and nothing
# else: stand-ins for NumPy's types, which keep numbers and never run NumPy's own unpickling.


class _Kind:
    """Stands for numpy.dtype, of plain numbers only."""

    def __init__(self, code: str, *rest: object) -> None:
        self.code, self.order = code, "="

    def __setstate__(self, state: Sequence[Any]) -> None:
        self.order = state[1]

    def dtype(self) -> np.dtype[Any]:
        """The real dtype."""
        if not re.fullmatch("[<>=|]?[fiu][1248]", self.code):
            raise pickle.UnpicklingError(f"it holds an array of {self.code!r}, not of numbers")
        return np.dtype(self.code).newbyteorder(self.order)  # type: ignore[arg-type]


class _Array:
    """Stands for numpy.ndarray; `value` is the real array."""

    def __init__(self, *rest: object) -> None:
        self.value: Any = None

    def __setstate__(self, state: Sequence[Any]) -> None:
        _, shape, kind, by_columns, raw = state
        # Python 2 wrote bytes as what Python 3 takes for text
        raw = raw.encode("latin1") if isinstance(raw, str) else raw
        self.value = np.frombuffer(raw, kind.dtype()).reshape(
            shape, order="F" if by_columns else "C"
        )

    @classmethod
    def of_buffer(cls, raw: bytes, kind: _Kind, shape: Any, order: str) -> "_Array":
        """An array as Python 3's newest pickles hold it."""
        array = cls()
        array.__setstate__((1, shape, kind, order == "F", raw))
        return array


def _latin1(text: str, encoding: str) -> bytes:
    return text.encode("latin1")


class _ArraysOnly(pickle.Unpickler):
    """Rebuilds arrays in tuples and lists, and nothing else, whatever the pickle asks for."""

    def find_class(self, module: str, name: str) -> Any:
        """What stands for `module.name`, or an error."""
        admitted = {
            "numpy.core.multiarray._reconstruct": _Array,
            "numpy.core.numeric._frombuffer": _Array.of_buffer,
            "numpy.ndarray": None,  # an argument of the first, which does not need it
            "numpy.dtype": _Kind,
            "_codecs.encode": _latin1,
        }
        wanted = f"{module}.{name}".replace("numpy._core.", "numpy.core.")
        if wanted not in admitted:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, only arrays are admitted")
        return admitted[wanted]


def _pixel_bytes(path: Path, x: object) -> Bytes:
    """The pixels of a pickle, byte / 256, as those bytes: shape (N, 784)."""
    wanted = f"{path}: expected pixels that are a byte divided by 256, in rows of 784"
    if not (isinstance(x, np.ndarray) and x.dtype.kind == "f" and x.shape[1:] == (784,) and len(x)):
        kind = f"{x.dtype} of shape {x.shape}" if isinstance(x, np.ndarray) else type(x).__name__
        raise ValueError(f"{wanted}, received {kind}; {REPAIR}")
    lowest, highest = float(x.min()), float(x.max())
    if not (lowest >= 0 and highest <= 255 / 256):
        raise ValueError(f"{wanted}, received values from {lowest} to {highest}; {REPAIR}")
    as_bytes = (x * 256).astype(np.uint8)
    exact = as_bytes * x.dtype.type(1 / 256) == x
    if not exact.all():
        worst = x[~exact][0]
        raise ValueError(f"{wanted}, received {worst}, which is no such number; {REPAIR}")
    return as_bytes


def _label_bytes(path: Path, y: object, count: int) -> Bytes:
    """The labels of a pickle, checked: shape (count,)."""
    if not (isinstance(y, np.ndarray) and y.dtype.kind in "iu" and y.shape == (count,)):
        kind = f"{y.dtype} of shape {y.shape}" if isinstance(y, np.ndarray) else type(y).__name__
        raise ValueError(
            f"{path}: expected {count:,} whole-number labels, received {kind}; {REPAIR}"
        )
    if y.min() < 0 or y.max() > 9:
        worst = y.min() if y.min() < 0 else y.max()
        raise ValueError(f"{path}: expected labels from 0 to 9, received {worst}; {REPAIR}")
    return y.astype(np.uint8)


def unpickle(path: str | Path) -> list[tuple[Bytes, Bytes]]:
    """Reads Nielsen's mnist.pkl.gz, by an unpickler that admits NumPy arrays and nothing else.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    list of three (pixels, labels)
        Training, validation, test: uint8 arrays of shapes (N, 784) and (N,).

    Raises
    ------
    ValueError
        If the file is damaged, asks for anything but arrays, or does not hold digits.
    OSError
        If it cannot be read.

    Source
    ------
    Nielsen, Neural Networks and Deep Learning, src/mnist_loader.py: the file's three pairs.
    """
    path = Path(path)
    try:
        with opened(path) as file:
            parts: Any = _ArraysOnly(file, encoding="latin1").load()
    except Exception as error:  # a hostile pickle can make the unpickler raise anything at all
        raise one_line(path, error) from error
    pairs = parts if isinstance(parts, tuple | list) else ()
    if [len(pair) for pair in pairs if isinstance(pair, tuple | list)] != [2, 2, 2]:
        raise ValueError(f"{path}: expected three pairs (images, labels); {REPAIR}")
    values = [[getattr(thing, "value", thing) for thing in pair] for pair in pairs]
    pixels = [_pixel_bytes(path, x) for x, _ in values]
    return [(x, _label_bytes(path, y, len(x))) for x, (_, y) in zip(pixels, values, strict=True)]


def _digests_of_pickle(path: Path) -> dict[str, str]:
    """The SHA-256 that the four IDX files would have, had they been made from this pickle."""
    training, validation, test = unpickle(path)
    parts = {"train": [training, validation], "t10k": [test]}
    digests = {}
    for name in SHA256:
        part, what = name.split("-")[:2]
        arrays = [x.reshape(-1, 28, 28) if what == "images" else y for x, y in parts[part]]
        content = synthetic_digits.idx_bytes(np.concatenate(arrays))
        digests[name] = hashlib.sha256(content).hexdigest()
    return digests


def describe(path: str | Path) -> MnistFiles:
    """Says what lies in a data folder or a mnist.pkl.gz: MNIST, synthetic digits, or other.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    MnistFiles

    Raises
    ------
    OSError
        If a file is missing or cannot be read.
    ValueError
        If a file is damaged.
    """
    path = Path(path)
    pickled = is_pickle(path)
    files = dict.fromkeys(SHA256, path) if pickled else locate(path)
    digests = _digests_of_pickle(path) if pickled else _digests(files)
    if digests == SHA256:
        return MnistFiles(path, "mnist", digests, "", files)
    if digests == synthetic_digits.SHA256:
        return MnistFiles(path, "synthetic", digests, _notice("asked for"), files)
    notice = f"the digits in {path} are not MNIST: accuracy on them is not MNIST's"
    return MnistFiles(path, "other", digests, notice, files)


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
    raise OSError(
        f"no folder for data can be written ({'; '.join(refusals)}); free one, or {ADVICE}"
    )


def _drawn_already() -> MnistFiles | None:
    """The default synthetic digits, where an earlier run has left them whole."""
    for folder in (*_homes(), _spare_home()):
        try:
            found = describe(folder / "synthetic")
        except (OSError, ValueError):
            continue
        if found.kind == "synthetic":
            return found
    return None


def _drawn(why: str) -> MnistFiles:
    """The default synthetic digits, drawn unless they are there already."""
    found = _drawn_already()
    folder = found.folder if found else _writable_home() / "synthetic"
    files = found.files if found else synthetic_digits.write_idx_files(folder)
    return MnistFiles(folder, "synthetic", _digests(files), _notice(why), files)


def _fetched_or_drawn(download: Download | None) -> MnistFiles:
    if download is None:
        return _drawn(NOWHERE)
    try:
        folder = _writable_home()
        download(folder)
        return describe(folder)
    except OSError as error:
        return _drawn(f"{NOWHERE}, and {error}")


def of_mnist_dir(error: Exception) -> Exception:
    """The same error, saying that it was the environment variable MNIST_DIR that led there.

    Parameters
    ----------
    error : Exception
        Of one line.

    Returns
    -------
    Exception
        Of the same class.
    """
    line = f"{error} (named by the environment variable MNIST_DIR: correct or unset it)"
    return type(error)(line)


def home() -> Path:
    """The folder `data/` that holds MNIST's four files, where there is one.

    Returns
    -------
    Path
        In the checkout, else in the current folder.

    Raises
    ------
    FileNotFoundError
        If neither has them.
    OSError
        If one cannot be searched.
    """
    for folder in _homes():
        with contextlib.suppress(FileNotFoundError):
            locate(folder)
            return folder
    raise FileNotFoundError(f"{NOWHERE}; {ADVICE}")


def find_mnist(data: str | Path | None = None, download: Download | None = None) -> MnistFiles:
    """Finds the data set to use and says what it is.

    Parameters
    ----------
    data : str or Path, optional
        A folder, a mnist.pkl.gz, or "synthetic". Without it: MNIST_DIR, `data/`, a download,
        synthetic digits.
    download : callable, optional
        Given a folder, puts MNIST there or raises OSError.

    Returns
    -------
    MnistFiles

    Raises
    ------
    OSError
        If a place that was named lacks a file or cannot be read, or nothing can be written.
    ValueError
        If a file is damaged.
    """
    if data is not None:
        return _drawn("asked for") if data == "synthetic" else describe(data)
    if named := os.environ.get("MNIST_DIR"):
        try:
            return describe(named)
        except (OSError, ValueError) as error:
            raise of_mnist_dir(error) from error
    try:
        folder = home()
    except FileNotFoundError:
        return _fetched_or_drawn(download)
    return describe(folder)
