"""Draws handwriting-like digits, a stand-in for MNIST where MNIST is not to be had, and for tests.

Each digit has a few styles of writing, a style is one or more pen strokes, and a stroke is a smooth
curve through a few points. An image jitters those points, bends, slants, turns and stretches the
whole, fits it into 20 x 20 pixels and centres it by mass in 28 x 28, as MNIST was made. The same
seed gives the same bytes on every machine, because nothing is used but uniform random numbers and
elementwise + - * / sqrt min max rint, which IEEE 754 rounds alike everywhere; sums are of integers.
"""

import struct
from collections.abc import Iterator
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
    "train-images-idx3-ubyte": "e3ccae9b69a92091d34d416e7bae5495967bf75197ec8cdd67bed11c7e942316",
    "train-labels-idx1-ubyte": "704bdafd0556f6bf30737e841f502951cce281300275ad39d12693e8e3bb80ee",
    "t10k-images-idx3-ubyte": "e4e16c1990f7621b22500d3b11170e78497e2586c94c7273540f990ad310fd86",
    "t10k-labels-idx1-ubyte": "43ecf7d42e8f35e4d8071ca8d4a0891f1460a44721323f07c93c14790ea6756a",
}

Point = tuple[float, float]
Stroke = tuple[Point, ...]

# One row for each digit, one text for each style of writing it: strokes between bars, each the
# points its curve passes through as "x,y" in hundredths of the digit's height, x to the right and y
# down. A point written twice makes a corner; a stroke that ends where it began is closed smoothly.
WRITTEN = (
    (  # 0: an oval; one that overlaps at the top; one left a little open
        "50,0 22,13 10,50 22,87 50,100 78,87 90,50 78,13 50,0",
        "74,10 46,0 20,16 10,52 24,88 54,98 80,80 90,46 76,14 50,4",
        "56,0 26,12 10,48 20,86 50,100 80,84 90,50 84,22 72,6",
    ),
    (  # 1: a bare stroke; one with a flag; one with a flag and a foot
        "52,0 50,35 50,70 48,100",
        "32,20 42,12 52,0 52,0 52,50 50,100",
        "30,22 50,0 50,0 50,50 50,100 | 25,100 50,99 78,100",
    ),
    (  # 2: a straight foot; a loop at the foot; a flat one like a Z
        "12,22 30,4 62,2 80,22 66,50 35,78 8,98 8,98 50,96 92,95",
        "15,20 40,0 72,10 74,36 52,68 25,93 8,90 16,74 42,84 70,98 95,90",
        "10,12 45,2 82,8 70,40 40,70 12,95 12,95 50,100 88,98",
    ),
    (  # 3: two bowls; a flat top; a small loop in the middle
        "15,14 42,0 75,12 70,36 40,47 40,47 75,56 84,80 50,100 10,88",
        "15,4 50,2 80,3 80,3 58,24 42,40 42,40 74,50 82,78 50,100 12,90",
        "20,10 55,0 74,20 55,42 36,50 42,42 72,54 80,82 48,100 14,92",
    ),
    (  # 4: open; closed; open with a curved left arm
        "20,2 14,30 10,56 10,56 45,56 88,53 | 74,5 70,50 66,100",
        "62,0 34,34 6,66 6,66 50,65 95,62 | 62,0 63,50 62,100",
        "15,5 12,35 30,52 60,46 80,32 | 84,0 76,45 66,100",
    ),
    (  # 5: the hat drawn apart; in one stroke; round like an S
        "28,3 22,25 19,45 19,45 50,38 80,56 74,88 42,100 10,90 | 28,3 55,3 85,0",
        "85,2 55,2 30,6 30,6 25,25 22,44 22,44 55,42 78,64 62,93 30,100 8,90",
        "85,6 55,0 30,14 26,36 50,46 74,62 68,90 40,100 12,93",
    ),
    (  # 6: curved; a straight stem; a small loop low down
        "72,2 40,16 16,50 16,84 46,100 80,84 76,58 46,52 18,74",
        "50,0 32,28 16,60 20,90 50,100 78,86 74,62 46,58 20,78",
        "30,0 16,35 12,75 36,100 70,94 78,70 50,62 24,82 24,92",
    ),
    (  # 7: plain; with a bar; with a serif and a bent stem
        "8,6 45,5 86,2 86,2 62,45 42,100",
        "8,6 45,5 86,2 86,2 60,50 42,100 | 30,50 55,48 85,46",
        "10,20 13,4 13,4 50,8 88,2 74,30 58,60 54,100",
    ),
    (  # 8: one stroke that crosses itself; two rounds; one left open at the top
        "72,12 45,0 22,18 42,42 72,64 74,90 46,100 20,86 32,60 62,40 76,20 66,6",
        "50,0 26,10 28,36 50,46 74,34 74,10 50,0 | 50,46 20,62 22,90 50,100 80,88 78,60 50,46",
        "82,8 50,2 26,20 46,44 68,66 60,95 34,98 26,74 52,44 84,12",
    ),
    (  # 9: a straight stem; a curved tail; a hooked tail
        "76,20 50,0 20,14 20,42 48,50 74,28 76,16 76,16 74,55 70,100",
        "78,14 48,0 20,20 28,46 58,44 78,18 80,40 66,74 42,100",
        "74,10 44,0 20,20 28,44 56,40 76,14 76,14 78,60 66,94 40,100 18,90",
    ),
)  # fmt: skip


def _strokes(text: str) -> tuple[Stroke, ...]:
    """A style of WRITTEN as strokes of points (x, y)."""
    pairs = [[point.split(",") for point in stroke.split()] for stroke in text.split("|")]
    return tuple(tuple((int(x) / 100, int(y) / 100) for x, y in stroke) for stroke in pairs)


STYLES = tuple(tuple(_strokes(text) for text in styles) for styles in WRITTEN)

PIECES = 4  # straight pieces that each curve between two points is drawn with
BOX = 20  # pixels the digit is fitted into, as MNIST's are
SIDE = 28  # pixels an image has on a side
CHUNK = 64  # images drawn at once: few enough for the working arrays to stay in the cache

# What an image draws from its row of uniform random numbers: name -> (column, lowest, highest).
# A column listed with two names would tie them, so every number has its own.
HABITS = {
    "width": (2, 0.62, 1.05),
    "slant": (3, -0.25, 0.55),
    "turn": (4, -0.14, 0.14),  # the tangent of half the angle: rotation without sin and cos
    "bend": (5, -0.5, 0.5),
    "sag": (6, -0.35, 0.35),
    "taper": (7, -0.5, 0.5),
    "wave": (8, -1.2, 1.2),
    "radius": (9, 0.75, 1.75),  # half the pen's width, in pixels
    "pressure": (10, -0.3, 0.3),  # how much that grows from the first stroke to the last
    "size": (11, 18.5, 20.0),
    "softness": (12, 0.9, 1.5),  # pixels over which an edge fades
}
FIRST_JITTER = 16
COLUMNS = 64
# How far a point strays from its style, in heights of the digit; the oval of 0 shows every tremor
# as a corner, so its points stray less.
JITTER = (0.03, *(0.064,) * 9)

Floats = NDArray[np.float64]
Bytes = NDArray[np.uint8]


def _habit(rows: Floats, name: str) -> Floats:
    column, lowest, highest = HABITS[name]
    return lowest + (highest - lowest) * rows[:, column]


def _polyline(places: list[Floats]) -> Iterator[Floats]:
    """One coordinate of a stroke's corners: a Catmull-Rom curve in PIECES between two places."""
    closed = places[0] is places[-1]
    padded = [places[-2 if closed else 0], *places, places[1 if closed else -1]]
    yield places[0]
    for p0, p1, p2, p3 in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        bend = 2 * p0 - 5 * p1 + 4 * p2 - p3
        twist = 3 * p1 - p0 - 3 * p2 + p3
        for piece in range(1, PIECES + 1) if p1 is not p2 else ():
            t = piece / PIECES
            yield 0.5 * (2 * p1 + t * ((p2 - p0) + t * (bend + t * twist)))


def _skeleton(strokes: tuple[Stroke, ...], rows: Floats, jitter: float) -> tuple[Floats, Floats]:
    """The ends of all pieces of all strokes: x and y, each of shape (images, pieces, 2)."""
    points = dict.fromkeys(chain(*strokes))  # one that is named twice strays as one
    both = []
    for axis in (0, 1):
        columns = rows[:, FIRST_JITTER + axis :: 2].T
        strayed = {
            point: point[axis] + 2 * jitter * (column - 0.5)
            for point, column in zip(points, columns, strict=False)
        }
        lines = (pairwise(_polyline([strayed[point] for point in stroke])) for stroke in strokes)
        both.append(np.stack([np.stack(ends, axis=1) for ends in chain(*lines)], axis=1))
    x, y = both
    return x, y


def _handwriting(x: Floats, y: Floats, rows: Floats) -> tuple[Floats, Floats]:
    """Bends, stretches, slants and turns skeletons, the way one hand differs from another."""
    habit = {name: _habit(rows, name)[:, None, None] for name in HABITS}
    x, y = x - 0.5, y - 0.5
    x, y = (
        x * (1 + habit["taper"] * y) + habit["bend"] * (y * y) + habit["wave"] * (y * y * y),
        y + habit["sag"] * (x * x),
    )
    x = habit["width"] * x - habit["slant"] * y
    t = habit["turn"]
    cosine, sine = (1 - t * t) / (1 + t * t), 2 * t / (1 + t * t)
    return cosine * x - sine * y, sine * x + cosine * y


def _fitted(x: Floats, y: Floats, rows: Floats) -> tuple[Floats, Floats]:
    """Skeletons in pixels: scaled until the inked digit is `size` long, amid the box."""
    left, top = (axis.min(axis=(1, 2), keepdims=True) for axis in (x, y))
    right, bottom = (axis.max(axis=(1, 2), keepdims=True) for axis in (x, y))
    ink = 2 * _habit(rows, "radius") + _habit(rows, "softness")
    longest = np.maximum(right - left, bottom - top)
    scale = (_habit(rows, "size") - ink)[:, None, None] / longest
    x, y = x - 0.5 * (left + right), y - 0.5 * (top + bottom)
    return x * scale + 0.5 * BOX, y * scale + 0.5 * BOX


def _height_of_ink(x: Floats, y: Floats, radius: Floats) -> NDArray[np.float32]:
    """How far inside the nearest stroke each pixel lies, in pixels, below 0 outside it.

    Of x and y (images, pieces, 2) and radius (images, pieces) it makes (images, BOX, BOX), rows
    first. In float32, which is as reproducible as float64 and half the work.
    """
    centres = np.arange(BOX, dtype=np.float32) + np.float32(0.5)
    ends_x, ends_y, radii = (array.astype(np.float32) for array in (x, y, radius))
    best = np.full((len(ends_x), BOX, BOX), -BOX, np.float32)
    for piece in range(ends_x.shape[1]):
        run = (ends_x[:, piece, 1] - ends_x[:, piece, 0])[:, None, None]
        rise = (ends_y[:, piece, 1] - ends_y[:, piece, 0])[:, None, None]
        over = np.float32(1) / np.maximum(run * run + rise * rise, np.float32(1e-6))
        across = centres[None, None, :] - ends_x[:, piece, 0, None, None]
        down = centres[None, :, None] - ends_y[:, piece, 0, None, None]
        # where on the piece, 0 to 1, the point nearest to the pixel lies
        t = np.clip(across * (run * over) + down * (rise * over), 0, 1)
        across, down = across - t * run, down - t * rise
        distance = np.sqrt(across * across + down * down)
        np.maximum(best, radii[:, piece, None, None] - distance, out=best)
    return best


def _inked(strokes: tuple[Stroke, ...], rows: Floats, jitter: float) -> Bytes:
    """Draws one style of one digit, an image for each row: bytes of shape (images, BOX, BOX)."""
    x, y = _fitted(*_handwriting(*_skeleton(strokes, rows, jitter), rows), rows)
    along = np.arange(x.shape[1]) / x.shape[1] - 0.5
    radius = _habit(rows, "radius")[:, None] * (1 + _habit(rows, "pressure")[:, None] * along)
    inside = _height_of_ink(x, y, radius)
    softness = _habit(rows, "softness").astype(np.float32)[:, None, None]
    cover = np.minimum(np.maximum(inside / softness + np.float32(0.5), 0), 1)
    return np.rint(np.float32(255) * cover).astype(np.uint8)


def _centred(boxes: Bytes) -> Bytes:
    """Puts the centre of mass of each (BOX, BOX) image at the middle of a (SIDE, SIDE) one."""
    ink = boxes.astype(np.int64)
    places = 2 * np.arange(BOX) + 1  # twice a pixel's middle, to stay in whole numbers
    mass = ink.sum(axis=(1, 2))
    images = np.zeros((len(boxes), SIDE, SIDE), np.uint8)
    # SIDE / 2 - sum / (2 mass), rounded down after adding a half
    moments = [(ink.sum(axis=other) * places).sum(axis=1) for other in (2, 1)]
    corners = [np.clip(((SIDE + 1) * mass - moment) // (2 * mass), 0, 8) for moment in moments]
    for image, box, top, left in zip(images, boxes, *corners, strict=True):
        image[top : top + BOX, left : left + BOX] = box
    return images


def draw_digits(number: int, seed: int = SEED, part: int = 0) -> tuple[Bytes, Bytes]:
    """Draws images (number, 28, 28), 0 paper and 255 ink, and their labels (number,).

    A smaller number gives the beginning of what a larger one gives. Part 0 are the training file's
    digits, 1 the test file's: streams that share nothing.
    """
    if number < 1 or seed < 0:
        raise ValueError(
            "synthetic digits need a number of images of 1 or more and a seed of 0 or more, "
            f"received number={number} and seed={seed}"
        )
    rows = np.random.Generator(np.random.PCG64([seed, part])).random((number, COLUMNS))
    labels = (10 * rows[:, 0]).astype(np.uint8)
    images = np.empty((number, SIDE, SIDE), np.uint8)
    for digit, styles in enumerate(STYLES):
        style = (len(styles) * rows[:, 1]).astype(np.int64)
        for which, strokes in enumerate(styles):
            mine = np.flatnonzero((labels == digit) & (style == which))
            for start in range(0, len(mine), CHUNK):
                some = mine[start : start + CHUNK]
                images[some] = _centred(_inked(strokes, rows[some], JITTER[digit]))
    return images, labels


def idx_bytes(array: Bytes) -> bytes:
    """Images (N, 28, 28) or labels (N,) as an IDX file: magic number, big-endian lengths, bytes.

    Source: the description of the format on the MNIST page of LeCun, Cortes and Burges.
    """
    if array.dtype != np.uint8:
        raise ValueError(f"an IDX file of digits holds uint8, received an array of {array.dtype}")
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def write_idx_files(
    folder: str | Path,
    training: int = TRAINING_IMAGES,
    test: int = TEST_IMAGES,
    seed: int = SEED,
) -> dict[str, Path]:
    """Draws a stand-in for MNIST, writes its four IDX files and returns where each name lies.

    A sixth of the `training` images will be for validation. The folder is made.
    """
    folder, files = Path(folder), {}
    folder.mkdir(parents=True, exist_ok=True)
    for part, (prefix, number) in enumerate((("train", training), ("t10k", test))):
        images, labels = draw_digits(number, seed, part)
        for name, array in (("images-idx3", images), ("labels-idx1", labels)):
            path = folder / f"{prefix}-{name}-ubyte"
            files[path.name] = write_atomically(path, idx_bytes(array))
    return files
