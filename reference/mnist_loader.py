"""Reads MNIST with nothing but NumPy: IDX files, or Nielsen's mnist.pkl.gz, to arrays of float32.

A pixel is its byte divided by 256, as in Nielsen's file, and so exact in binary. Of the 60,000
images of the train file the first 50,000 are for training and the last sixth is for validation.
"""

import contextlib
import gzip
import os
import pickle
import re
import stat
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Part = tuple[Array, Array]

FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
LAYOUTS = ("", "MNIST/raw")  # flat, or torchvision's
MAX_IMAGES = 1_000_000
ADVICE = "give a folder with MNIST's four IDX files (raw or .gz), or Nielsen's mnist.pkl.gz"
REPAIR = "replace it by the file of MNIST"


class Examples(Sequence[tuple[Array, Any]]):
    """Inputs x and what is wanted of them, y: whole arrays, and also Nielsen's list of pairs.

    Parameters
    ----------
    x : array of shape (N, n_in)
        One example a row.
    y : array of shape (N, n_out), or of integers of shape (N,)
        The wanted outputs, for training; or labels, for validation and test.

    Raises
    ------
    ValueError
        If the shapes do not fit each other.

    Source
    ------
    Nielsen, ch. 1: training_data is a list of pairs (x, y).
    """

    def __init__(self, x: Array, y: Array) -> None:
        if x.ndim != 2 or y.ndim not in (1, 2) or len(x) != len(y):
            raise ValueError(
                "examples need x of shape (N, n_in) and y of shape (N, n_out) or (N,), "
                f"received {tuple(x.shape)} and {tuple(y.shape)}"
            )
        self.x, self.y = x, y

    def __len__(self) -> int:
        """The number of examples."""
        return len(self.x)

    def __getitem__(self, index: Any) -> Any:
        """One example's pair (x, y), y an int if it is a label; of a slice, Examples."""
        if isinstance(index, slice):
            return Examples(self.x[index], self.y[index])
        x, y = self.x[index][:, None], self.y[index]
        return x, (int(y) if self.y.ndim == 1 else y[:, None])

    def __iter__(self) -> Iterator[tuple[Array, Any]]:
        """Every pair, in order."""
        return (self[index] for index in range(len(self)))

    def __repr__(self) -> str:
        """The shapes, not the numbers."""
        return f"Examples(x of shape {tuple(self.x.shape)}, y of shape {tuple(self.y.shape)})"


def load_data(path: str | Path | None = None) -> tuple[Part, Part, Part]:
    """Reads MNIST as three pairs (images, labels): training, validation and test.

    Parameters
    ----------
    path : str or Path, optional
        A folder with the four IDX files, raw or .gz, flat or as torchvision keeps them, or a
        mnist.pkl.gz. Without it: the environment variable MNIST_DIR, else `data/`.

    Returns
    -------
    training, validation, test : pairs (images, labels)
        images: float32 array of shape (N, 784), byte / 256; labels: int64 array of shape (N,).

    Raises
    ------
    OSError
        If a file is missing or cannot be read.
    ValueError
        If a file is damaged or does not hold digits.

    Source
    ------
    Nielsen, src/mnist_loader.py.
    """
    if path is None:
        return _load_default()
    path = Path(path)
    if path.name.endswith((".pkl", ".pkl.gz")) and os.path.isfile(path):
        return _load_pickle(path)
    return _load_files(_locate(path))


def load_data_wrapper(path: str | Path | None = None) -> tuple[Examples, Examples, Examples]:
    """Reads MNIST in the form that Network.SGD and Network.evaluate take.

    Parameters
    ----------
    path : str or Path, optional
        As for load_data.

    Returns
    -------
    training_data, validation_data, test_data : Examples
        y is one-hot, float32 of shape (N, 10), for training; labels of shape (N,) for the others.

    Raises
    ------
    OSError, ValueError
        As load_data.

    Source
    ------
    Nielsen, src/mnist_loader.py.
    """
    (images, labels), validation, test = load_data(path)
    one_hot = np.zeros((len(labels), 10), np.float32)
    one_hot[np.arange(len(labels)), labels] = 1
    return Examples(images, one_hot), Examples(*validation), Examples(*test)


def vectorized_result(j: int) -> Array:
    """The wanted output for digit j: 1 in place j, 0 elsewhere.

    Parameters
    ----------
    j : int
        From 0 to 9.

    Returns
    -------
    array of shape (10, 1), float32

    Raises
    ------
    ValueError
        If j is no digit.

    Source
    ------
    Nielsen, src/mnist_loader.py.
    """
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
            return _load_files(_locate(folder))
    raise FileNotFoundError(
        f"MNIST is neither in data/ nor named by the environment variable MNIST_DIR; {ADVICE}"
    )


def _locate(folder: Path) -> dict[str, Path]:
    """Finds the four files, all in one layout: name to path."""
    try:
        layouts = [_in_layout(folder / layout) for layout in LAYOUTS]
        there = folder.exists()
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        raise _one_line(folder, error) from error
    best = max(layouts, key=len)  # the first of equals: flat
    if len(best) == len(FILES):
        return best
    if not there:
        raise FileNotFoundError(f"{folder}: no such file or folder; {ADVICE}")
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: this is a file, expected a folder; {ADVICE}")
    missing = ", ".join(name for name in FILES if name not in best)
    raise FileNotFoundError(f"{folder}: MNIST's files are missing here ({missing}); {ADVICE}")


def _in_layout(folder: Path) -> dict[str, Path]:
    """The files in just this folder, raw before .gz, the missing left out."""
    found = {}
    for name in FILES:
        for path in (folder / f"{name}.gz", folder / name):
            if _is_file(path):
                found[name] = path
    return found


def _is_file(path: Path) -> bool:
    """Whether a file lies there; that the system refuses to say is an error, not a no."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def _load_files(files: dict[str, Path]) -> tuple[Part, Part, Part]:
    """The three parts of the four IDX files; the train file's last sixth is for validation."""
    images, labels = _read_part(files, "train")
    if len(images) < 6:
        path = files["train-images-idx3-ubyte"]
        raise ValueError(
            f"{path}: expected 6 images or more, of which a sixth is for validation, "
            f"received {len(images)}; {REPAIR}"
        )
    first = len(images) - len(images) // 6
    training, validation = (images[:first], labels[:first]), (images[first:], labels[first:])
    return training, validation, _read_part(files, "t10k")


def _read_part(files: dict[str, Path], part: str) -> Part:
    """Images (N, 784) and labels (N,) of the train or the t10k files."""
    image_file, label_file = (
        files[f"{part}-{what}-ubyte"] for what in ("images-idx3", "labels-idx1")
    )
    pixels = _read_idx(image_file, magic=2051, what="images")
    labels = _read_idx(label_file, magic=2049, what="labels")
    if len(pixels) != len(labels):
        raise ValueError(
            f"{label_file}: expected a label for each of the {len(pixels):,} images of "
            f"{image_file.name}, received {len(labels):,}; {REPAIR}"
        )
    images = np.multiply(pixels, np.float32(1 / 256), dtype=np.float32)
    return images, _checked_labels(label_file, labels)


def _read_idx(path: Path, magic: int, what: str) -> NDArray[np.uint8]:
    """One IDX file: images as rows of shape (N, 784), or labels of shape (N,), as bytes.

    The format: a big-endian number that tells type and dimensions, 2051 for images and 2049 for
    labels; each dimension as a big-endian number of four bytes; then the bytes.
    """
    shape = (28, 28) if what == "images" else ()
    start, each = 8 + 4 * len(shape), 28 * 28 if shape else 1
    content = _read(path, start + MAX_IMAGES * each)
    if len(content) < start:
        ends = f"ends after {len(content)} bytes, inside its header" if content else "is empty"
        raise ValueError(f"{path}: {ends}, expected an IDX file of {what}; {REPAIR}")
    received, count, *sides = np.frombuffer(content[:start], ">u4").tolist()
    if received != magic:
        raise ValueError(
            f"{path}: expected an IDX file of {what} that starts with the number {magic}, "
            f"received {received}; {REPAIR}"
        )
    if tuple(sides) != shape:
        size = " x ".join(map(str, sides))
        raise ValueError(f"{path}: expected images of 28 x 28 pixels, received {size}; {REPAIR}")
    if count == 0:
        raise ValueError(f"{path}: expected {what}, received an IDX file of none; {REPAIR}")
    if len(content) != start + count * each:
        raise ValueError(
            f"{path}: expected {start + count * each:,} bytes for the {count:,} {what} "
            f"that its header promises, received {len(content):,}; {REPAIR}"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(count, *[each] * bool(shape))


def _read(path: Path, limit: int) -> bytes:
    """The bytes of a file, unpacked if it is a .gz; at most one more than the limit."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            content: bytes = file.read(limit + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise _one_line(path, error) from error
    if len(content) > limit:
        raise ValueError(f"{path}: expected at most {limit:,} bytes, received more; {REPAIR}")
    return content


def _one_line(path: Path, error: Exception) -> Exception:
    """The error in one line, an OSError of its own class if the system refused, else damage."""
    if isinstance(error, OSError) and not isinstance(error, gzip.BadGzipFile):
        why = (error.strerror or str(error)).lower()
        return type(error)(f"{path}: cannot be read, {why}; let this user read it, or {ADVICE}")
    why = " ".join(str(error).split()) or type(error).__name__
    return ValueError(f"{path}: damaged or cut short ({why}); {REPAIR}")


def _checked_labels(path: Path, labels: Array) -> NDArray[np.int64]:
    outside = labels[(labels < 0) | (labels > 9)]
    if len(outside):
        raise ValueError(f"{path}: expected labels from 0 to 9, received {outside[0]}; {REPAIR}")
    return labels.astype(np.int64)


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


def _load_pickle(path: Path) -> tuple[Part, Part, Part]:
    """The three pairs of Nielsen's file; pixels and labels checked as those of IDX files are."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            parts: Any = _ArraysOnly(file, encoding="latin1").load()
    except Exception as error:  # a hostile pickle can make the unpickler raise anything at all
        raise _one_line(path, error) from error
    pairs = parts if isinstance(parts, tuple | list) else ()
    if [len(pair) for pair in pairs if isinstance(pair, tuple | list)] != [2, 2, 2]:
        raise ValueError(f"{path}: expected three pairs (images, labels); {REPAIR}")
    values = [[getattr(thing, "value", thing) for thing in pair] for pair in pairs]
    training, validation, test = (_checked_pair(path, x, y) for x, y in values)
    return training, validation, test


def _checked_pair(path: Path, x: Any, y: Any) -> Part:
    """Images (N, 784) as float32 and labels (N,) as int64, if they are that in value."""
    kinds = [getattr(array, "dtype", np.dtype("V")).kind for array in (x, y)]
    shapes = [getattr(array, "shape", ()) for array in (x, y)]
    count = shapes[0][0] if shapes[0] else 0
    if kinds[0] != "f" or kinds[1] not in "iu" or not count or shapes != [(count, 784), (count,)]:
        received = " and ".join(_described(array) for array in (x, y))
        raise ValueError(
            f"{path}: expected float images of shape (N, 784) and whole-number labels of shape "
            f"(N,), received {received}; {REPAIR}"
        )
    _check_pixels(path, x)
    return x.astype(np.float32), _checked_labels(path, y)


def _described(thing: Any) -> str:
    return f"{thing.dtype} {thing.shape}" if isinstance(thing, np.ndarray) else type(thing).__name__


def _check_pixels(path: Path, x: Array) -> None:
    """Refuses pixels that are not a byte divided by 256, such as MNIST divided by 255."""
    bytes_ = x * x.dtype.type(256)
    wrong = ~((bytes_ >= 0) & (bytes_ <= 255) & (np.rint(bytes_) == bytes_))
    if wrong.any():
        raise ValueError(
            f"{path}: expected pixels that are a byte divided by 256, "
            f"received {x[wrong][0]}; {REPAIR}"
        )
