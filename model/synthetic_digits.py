"""Draws handwriting-like digits, a stand-in for MNIST where MNIST is not to be had, and for tests.

Each digit has two styles of writing, a style is one or more pen strokes, and a stroke is a line
through a few points. An image strays from those points, stretches, slants and tilts the whole. The
same seed gives the same bytes on every machine, because nothing is used but uniform random numbers
and elementwise + - * / sqrt min max rint, which IEEE 754 rounds alike everywhere.
"""

import struct
from itertools import chain, pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.atomic_write import write_atomically

TRAINING_IMAGES = 12_000
TEST_IMAGES = 2_000
SEED = 0

# The four files of write_idx_files() with the numbers above, by name.
SHA256 = {
    "train-images-idx3-ubyte": "37b2402f2bcce0ff93289c5645b950cdbbc9b2de97a1bc5f018e1bc9e4b594c4",
    "train-labels-idx1-ubyte": "e29045fd2b43daf4002b3383dd3adcc115728837cb57e04e48c1f7fb6e33f8e7",
    "t10k-images-idx3-ubyte": "d9e18aa1bc83a6341b1cfabe2b6748af5990a7f4bde6fa83a0aa420643136ce9",
    "t10k-labels-idx1-ubyte": "2c2aef8648da86c44008f995362e2cfced0f2d316e4ecf2dfeeeb395fc1f8bb9",
}

# One row for each style, two for each digit from 0 on: strokes between bars, each the points that
# it passes through as "x,y" in hundredths of the digit's height, x to the right and y down.
WRITTEN = (
    "50,0 24,12 12,50 24,88 50,100 76,88 88,50 76,12 50,0",
    "56,0 26,12 10,48 20,86 50,100 80,84 90,50 84,22 72,6",
    "52,0 50,50 48,100",
    "30,22 50,0 50,50 50,100 | 25,100 78,100",
    "12,22 30,4 62,2 80,22 66,50 35,78 8,98 92,95",
    "15,20 40,0 72,10 74,36 52,68 25,93 8,90 16,74 42,84 70,98 95,90",
    "15,14 42,0 75,12 70,36 40,47 75,56 84,80 50,100 10,88",
    "15,4 80,3 42,40 74,50 82,78 50,100 12,90",
    "20,2 14,30 10,56 88,53 | 74,5 70,50 66,100",
    "62,0 34,34 6,66 95,62 | 62,0 62,100",
    "28,3 19,45 50,38 80,56 74,88 42,100 10,90 | 28,3 85,0",
    "85,2 55,2 30,6 22,44 55,42 78,64 62,93 30,100 8,90",
    "72,2 40,16 16,50 16,84 46,100 80,84 76,58 46,52 18,74",
    "50,0 32,28 16,60 20,90 50,100 78,86 74,62 46,58 20,78",
    "8,6 86,2 62,45 42,100",
    "8,6 86,2 60,50 42,100 | 30,50 85,46",
    "72,12 45,0 22,18 42,42 72,64 74,90 46,100 20,86 32,60 62,40 76,20 72,12",
    "50,0 26,10 28,36 50,46 20,62 22,90 50,100 80,88 78,60 50,46 74,34 74,10 50,0",
    "76,20 50,0 20,14 20,42 48,50 74,28 76,16 74,55 70,100",
    "74,10 44,0 20,20 28,44 56,40 76,14 78,60 66,94 40,100 18,90",
)

SIDE = 28  # pixels an image has on a side
TALL = 18  # pixels of a digit's height
CHUNK = 64  # images drawn at once: few enough for the working arrays to stay in the cache
STRAY = 0.2  # how far apart two images of one point lie at most, in heights of the digit
COLUMNS = 30  # random numbers of an image: digit, style, four habits, two for each of 12 points

Floats = NDArray[np.float64]
Bytes = NDArray[np.uint8]


def _inked(style: str, rows: Floats) -> Bytes:
    """Images (rows, SIDE, SIDE) of one style, an image for each row of random numbers."""
    strokes = [stroke.split() for stroke in style.split("|")]
    points = list(dict.fromkeys(chain(*strokes)))  # one that is named twice strays as one
    place = np.array([point.split(",") for point in points], dtype=np.float64) / 100 - 0.5
    strayed = STRAY * (rows[:, 6 : 6 + 2 * len(points)].reshape(-1, len(points), 2) - 0.5)
    x, y = np.moveaxis(place + strayed, 2, 0)
    width, slant, tilt, pen = rows[:, 2:6].T[:, :, None]
    x, y = (0.6 + 0.5 * width) * x - (0.8 * slant - 0.25) * y, y + (0.5 * tilt - 0.25) * x
    x, y = (TALL * v[:, :, None, None] + SIDE / 2 for v in (x, y))
    centres = np.arange(SIDE) + 0.5
    nearest = np.full((len(rows), SIDE, SIDE), float(SIDE))
    for one, other in chain(*map(pairwise, strokes)):
        begin, end = points.index(one), points.index(other)
        run, rise = x[:, end] - x[:, begin], y[:, end] - y[:, begin]
        across, down = centres - x[:, begin], centres[:, None] - y[:, begin]
        # where on the straight piece, 0 to 1, the point nearest to the pixel lies
        t = np.clip((across * run + down * rise) / (run * run + rise * rise + 1e-6), 0, 1)
        across, down = across - t * run, down - t * rise
        nearest = np.minimum(nearest, np.sqrt(across * across + down * down))
    return np.rint(255 * np.clip(pen[:, :, None] + 1.25 - nearest, 0, 1)).astype(np.uint8)


def draw_digits(number: int, part: int = 0) -> tuple[Bytes, Bytes]:
    """Draws images (number, 28, 28), 0 paper and 255 ink, and their labels (number,).

    A smaller number gives the beginning of what a larger one gives. Part 0 are the training file's
    digits, 1 the test file's: streams that share nothing.
    """
    rows = np.random.Generator(np.random.PCG64([SEED, part])).random((number, COLUMNS))
    labels = (10 * rows[:, 0]).astype(np.uint8)
    styles = 2 * labels + (rows[:, 1] < 0.5)
    images = np.empty((number, SIDE, SIDE), np.uint8)
    for which, style in enumerate(WRITTEN):
        mine = np.flatnonzero(styles == which)
        for some in np.split(mine, range(CHUNK, len(mine), CHUNK)):
            images[some] = _inked(style, rows[some])
    return images, labels


def idx_bytes(array: Bytes) -> bytes:
    """Images (N, 28, 28) or labels (N,) as an IDX file: magic number, big-endian lengths, bytes.

    Source: the description of the format on the MNIST page of LeCun, Cortes and Burges.
    """
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def write_idx_files(
    folder: str | Path, training: int = TRAINING_IMAGES, test: int = TEST_IMAGES
) -> None:
    """Draws a stand-in for MNIST and writes its four IDX files into a folder.

    A sixth of the `training` images will be for validation. The folder is made.
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    for part, (prefix, number) in enumerate((("train", training), ("t10k", test))):
        images, labels = draw_digits(number, part)
        for name, array in (("images-idx3", images), ("labels-idx1", labels)):
            write_atomically(Path(folder) / f"{prefix}-{name}-ubyte", idx_bytes(array))
