"""Reads MNIST with nothing but NumPy: IDX files, or Nielsen's mnist.pkl.gz, to arrays of float32.

A pixel is its byte divided by 256, as in Nielsen's file, and so exact in binary. Of the 60,000
images of the train file the first 50,000 are for training and the last sixth is for validation.
"""

from pathlib import Path
from typing import Any

import numpy as np

from reference.border import Examples
from reference.mnist_files import at_home, read

Part = tuple[np.ndarray, np.ndarray]


def load_data(path: Any = None) -> tuple[Part, Part, Part]:
    """Reads MNIST as three pairs (images, labels): training, validation and test.

    The images are a float32 array of shape (N, 784), byte / 256; the labels int64 of shape (N,).
    path is a folder with the four IDX files, raw or .gz, flat or as torchvision keeps them, or a
    mnist.pkl.gz, or what model.mnist_files.find_mnist found; without it, where the environment
    variable MNIST_DIR says, else `data/`. OSError or ValueError says what is missing, cannot be
    read, is damaged or does not hold digits.
    """
    pairs = getattr(path, "pairs", None)
    if pairs is None:
        pairs, _ = at_home(read) if path is None else read(Path(path))
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
    one_hot = np.eye(10, dtype=np.float32)[labels]
    return Examples(images, one_hot), Examples(*validation), Examples(*test)


def vectorized_result(j: int) -> np.ndarray:
    """The wanted output for digit j, 1 in place j and 0 elsewhere. Its shape is (10, 1)."""
    if j not in range(10):
        raise ValueError(f"a label is a digit from 0 to 9, received {j}")
    return np.eye(10, dtype=np.float32)[:, [j]]
