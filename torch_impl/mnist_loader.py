"""Reads MNIST to tensors of float32: IDX files, or Nielsen's mnist.pkl.gz; or has it downloaded.

A pixel is its byte divided by 256, as in Nielsen's file, and so exact in binary. Of the 60,000
images of the train file the first 50,000 are for training and the last sixth is for validation.
"""

import gzip
import hashlib
import http.client
import io
import time
import urllib.request
import zlib
from pathlib import Path
from typing import Any

import torch

from model.atomic_write import write_atomically
from model.mnist_files import SHA256
from reference.border import Examples
from reference.checks import printable
from reference.mnist_files import at_home, read

Part = tuple[torch.Tensor, torch.Tensor]

WAIT = 10.0  # seconds without an answer after which a server is given up
LIMIT = 300.0  # seconds for all of a download; it is 11 MB
LARGEST = 1 << 26  # bytes of a file; MNIST's largest has 47 MB, unpacked


def load_data(path: Any = None) -> tuple[Part, Part, Part]:
    """Reads MNIST as three pairs (images, labels): training, validation and test.

    The images are a float32 tensor of shape (N, 784), byte / 256; the labels int64 of shape (N,).
    What path may be, and what is raised, says `reference.mnist_loader.load_data`.
    """
    pairs = getattr(path, "pairs", None)
    if pairs is None:
        pairs, _ = at_home(read) if path is None else read(Path(path))
    training, validation, test = (
        (torch.tensor(x).to(torch.float32).div_(256), torch.tensor(y).to(torch.int64))
        for x, y in pairs
    )
    return training, validation, test


def load_data_wrapper(path: Any = None) -> tuple[Examples, Examples, Examples]:
    """Reads MNIST in the form that Network.SGD and Network.evaluate take.

    y is one-hot, float32 of shape (N, 10), for training; labels of shape (N,) for the others.
    """
    (images, labels), validation, test = load_data(path)
    one_hot = torch.nn.functional.one_hot(labels, num_classes=10).to(torch.float32)
    return Examples(images, one_hot), Examples(*validation), Examples(*test)


def vectorized_result(j: int) -> torch.Tensor:
    """The wanted output for digit j, 1 in place j and 0 elsewhere. Its shape is (10,)."""
    if j not in range(10):
        raise ValueError(f"a label is a digit from 0 to 9, received {j}")
    e = torch.zeros(10, dtype=torch.float32)
    e[j] = 1
    return e


def download(folder: str | Path) -> None:
    """Fetches MNIST from torchvision's servers to where torchvision keeps it: MNIST/raw/.

    Nothing is written before all four files are there and have the SHA-256 of MNIST's. OSError if
    no server sends a file in time, or the folder cannot be written.
    """
    deadline = time.monotonic() + LIMIT
    contents = {name: _fetched(name, deadline) for name in SHA256}
    raw = Path(folder, "MNIST", "raw")
    raw.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        write_atomically(raw / name, content)


def _fetched(name: str, deadline: float) -> bytes:
    """A file of MNIST's, unpacked, from the first server that has it."""
    from torchvision.datasets import MNIST  # which takes longer to import than an epoch to train

    why = "no server is known"
    for mirror in MNIST.mirrors:
        try:
            packed = io.BytesIO()
            with urllib.request.urlopen(f"{mirror}{name}.gz", timeout=WAIT) as answer:
                while packed.write(answer.read1()):
                    if packed.tell() > LARGEST or time.monotonic() > deadline:
                        raise OSError(f"not done after {packed.tell():,} bytes")
            packed.seek(0)
            content = gzip.GzipFile(fileobj=packed).read(LARGEST)
            if hashlib.sha256(content).hexdigest() == SHA256[name]:
                return content
            why = "its SHA-256 is not that of MNIST's"
        except (OSError, EOFError, zlib.error, http.client.HTTPException) as error:
            why = " ".join(str(error).split()) or type(error).__name__
    raise OSError(printable(f"the download of {name} failed ({why})"))
