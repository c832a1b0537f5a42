"""Reads MNIST through torchvision: IDX files, or Nielsen's mnist.pkl.gz, to tensors of float32.

A pixel is its byte divided by 256, as in Nielsen's file, and so exact in binary. Of the 60,000
images of the train file the first 50,000 are for training and the last sixth is for validation.

torchvision takes longer to import than the network takes to train for an epoch, so it is imported
where files are read.
"""

import contextlib
import http.client
import os
import queue
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import torch

from model import mnist_files

Part = tuple[torch.Tensor, torch.Tensor]

WAIT = 10.0  # seconds without an answer after which a server is given up
LIMIT = 300.0  # seconds for all of a download; it is 11 MB
BLOCK = 1 << 16


class Examples(Sequence[tuple[torch.Tensor, Any]]):
    """Inputs x and what is wanted of them, y: whole arrays, and also Nielsen's list of pairs.

    Parameters
    ----------
    x : tensor of shape (N, n_in)
        One example a row.
    y : tensor of shape (N, n_out), or of integers of shape (N,)
        The wanted outputs, for training; or labels, for validation and test.

    Raises
    ------
    ValueError
        If the shapes do not fit each other.

    Source
    ------
    Nielsen, ch. 1: training_data is a list of pairs (x, y).
    """

    def __init__(self, x: torch.Tensor, y: torch.Tensor) -> None:
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
        x, y = self.x[index], self.y[index]
        return x, (int(y) if self.y.ndim == 1 else y)

    def __iter__(self) -> Iterator[tuple[torch.Tensor, Any]]:
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
        images: float32 tensor of shape (N, 784), byte / 256; labels: int64 tensor of shape (N,).

    Raises
    ------
    OSError
        If a file is missing or cannot be read.
    ValueError
        If a file is damaged or does not hold digits.

    Source
    ------
    torchvision.datasets.mnist.
    """
    if path is None:
        return _load_default()
    if mnist_files.is_pickle(path):
        return _load_pickle(path)
    return _load_files(mnist_files.locate(path))


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
    one_hot = torch.nn.functional.one_hot(labels, num_classes=10).to(torch.float32)
    return Examples(images, one_hot), Examples(*validation), Examples(*test)


def vectorized_result(j: int) -> torch.Tensor:
    """The wanted output for digit j: 1 in place j, 0 elsewhere.

    Parameters
    ----------
    j : int
        From 0 to 9.

    Returns
    -------
    tensor of shape (10,), float32

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
    e = torch.zeros(10, dtype=torch.float32)
    e[j] = 1
    return e


def download(folder: str | Path) -> None:
    """Fetches MNIST from where torchvision does, quietly, whole or not at all.

    Parameters
    ----------
    folder : str or Path
        Made if it is not there; the files go where torchvision keeps them, MNIST/raw/ in it.

    Raises
    ------
    OSError
        If no server answers in time, a file is not the one that torchvision knows, or the folder
        cannot be written.

    Source
    ------
    torchvision.datasets.MNIST: its servers and its checksums.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".download-") as beside:
        files = _fetch(Path(beside))
        raw = folder / "MNIST" / "raw"
        raw.mkdir(parents=True, exist_ok=True)
        for file in files:
            os.replace(file, raw / file.name)


def _load_default() -> tuple[Part, Part, Part]:
    """Loads from where MNIST_DIR says, else from `data/` in the checkout or the current folder."""
    named = os.environ.get("MNIST_DIR")
    try:
        return load_data(named or mnist_files.home())
    except (OSError, ValueError) as error:
        raise mnist_files.of_mnist_dir(error) if named else error from error


def _load_files(files: dict[str, Path]) -> tuple[Part, Part, Part]:
    """The three parts of the four IDX files; the train file's last sixth is for validation."""
    images, labels = _read_part(files, "train")
    if len(images) < 6:
        raise ValueError(
            f"{files['train-images-idx3-ubyte']}: expected 6 images or more, of which a sixth is "
            f"for validation, received {len(images)}; {mnist_files.REPAIR}"
        )
    first = len(images) - len(images) // 6
    training, validation = (images[:first], labels[:first]), (images[first:], labels[first:])
    return training, validation, _read_part(files, "t10k")


def _read_part(files: dict[str, Path], part: str) -> Part:
    """Images (N, 784) and labels (N,) of the train or the t10k files."""
    from torchvision.datasets import mnist

    names = [f"{part}-{what}-ubyte" for what in ("images-idx3", "labels-idx1")]
    pixels = _read_idx(files[names[0]], names[0], mnist.read_image_file)
    labels = _read_idx(files[names[1]], names[1], mnist.read_label_file)
    if len(pixels) != len(labels):
        raise ValueError(
            f"{files[names[1]]}: expected a label for each of the {len(pixels):,} images of "
            f"{files[names[0]].name}, received {len(labels):,}; {mnist_files.REPAIR}"
        )
    _check_labels(files[names[1]], labels)
    return _scaled(pixels.reshape(-1, 28 * 28)), labels


def _scaled(pixels: torch.Tensor) -> torch.Tensor:
    """Bytes as float32 in [0, 1), whatever torch's default dtype is."""
    return pixels.to(torch.float32).div_(256)


def _check_labels(path: Path, labels: torch.Tensor) -> None:
    outside = labels[(labels < 0) | (labels > 9)]
    if len(outside):
        raise ValueError(
            f"{path}: expected labels from 0 to 9, received {int(outside[0])}; {mnist_files.REPAIR}"
        )


def _read_idx(path: Path, name: str, read: Callable[[str], torch.Tensor]) -> torch.Tensor:
    """One IDX file by torchvision's `read`, which checks little and must be handed a raw file."""
    with _raw(path) as file:
        try:
            with open(file, "rb") as stream:
                head, length = stream.read(16), os.stat(file).st_size
            mnist_files.check_idx(path, name, head, length)
            return read(str(file))
        except OSError as error:
            raise mnist_files.one_line(path, error) from error


@contextlib.contextmanager
def _raw(path: Path) -> Iterator[Path]:
    """The file itself, or while this lasts an unpacked copy of a .gz."""
    if path.suffix != ".gz":
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.stem
        mnist_files.unpack(path, copy)
        yield copy


def _load_pickle(path: str | Path) -> tuple[Part, Part, Part]:
    """The three pairs of Nielsen's file, which torchvision cannot read."""
    training, validation, test = (
        (_scaled(torch.from_numpy(x)), torch.from_numpy(y).to(torch.int64))
        for x, y in mnist_files.unpickle(path)
    )
    return training, validation, test


def _fetch(folder: Path) -> list[Path]:
    """The four files, fetched, checked and unpacked."""
    from torchvision.datasets import MNIST

    files, end = [], time.monotonic() + LIMIT
    for name, md5 in MNIST.resources:
        packed = folder / name
        _fetch_from_any([mirror + name for mirror in MNIST.mirrors], packed, md5, end)
        mnist_files.unpack(packed, packed.with_suffix(""))
        files.append(packed.with_suffix(""))
    return files


def _fetch_from_any(addresses: Sequence[str], file: Path, md5: str, end: float) -> None:
    """One file from the first server that has it."""
    from torchvision.datasets import utils

    refusals = []
    for address in addresses:
        try:
            _fetch_one(address, file, end)
            if utils.check_integrity(file, md5):
                return
            refusals.append("not the file that torchvision expects")
        except (OSError, http.client.HTTPException, ValueError) as error:
            refusals.append(_refusal(error))
    why = "; ".join(dict.fromkeys(refusals))
    raise OSError(f"the download of {file.name} failed ({why})")


def _refusal(error: Exception) -> str:
    """What a server or the way to it said, in few words."""
    if isinstance(error, urllib.error.HTTPError):
        error.close()  # it holds the connection
    reason = getattr(error, "reason", error)
    return " ".join(str(getattr(reason, "strerror", None) or reason).split())


def _fetch_one(address: str, file: Path, end: float) -> None:
    with _answer(address) as answer, file.open("wb") as out:
        while block := answer.read(BLOCK):
            out.write(block)
            if time.monotonic() > end:
                raise TimeoutError(f"not done after {LIMIT:.0f} seconds")


def _answer(address: str) -> IO[bytes]:
    """Opens an address, giving up after WAIT seconds in all.

    urlopen's own timeout holds for each address that a name stands for, and not for looking the
    name up; behind a wall that swallows packets that adds up to minutes.
    """
    outcome: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def ask() -> None:
        try:
            outcome.put(urllib.request.urlopen(address, timeout=WAIT))
        except Exception as error:
            outcome.put(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = outcome.get(timeout=WAIT)
    except queue.Empty:
        raise TimeoutError(f"no answer within {WAIT:.0f} seconds") from None
    if isinstance(answer, Exception):
        raise answer
    return answer
