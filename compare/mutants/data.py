"""Loaders with exactly one known mistake each, on the network of `compare.mutants.correct`."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np

from compare.mutants.correct import Array, Columns

Sets = tuple[tuple[Array, Array], ...]


class Loader(Columns):
    """The loader without a mistake: IDX files to (training, validation, test)."""

    def load_data(self, path: Path) -> Sets:
        images, labels = self.pair(path, "train")
        kept = self.training(len(images))
        split = tuple((images[part], labels[part]) for part in (kept, self.validation(len(images))))
        return (*split, self.pair(path, "t10k"))

    def pair(self, path: Path, name: str) -> tuple[Array, Array]:
        images = idx(path, f"{name}-images-idx3-ubyte")
        labels = idx(path, f"{name}-labels-idx1-ubyte").astype(np.int64)
        return self.pixels_of(images).reshape(len(images), -1), self.digits_of(labels)

    def pixels_of(self, images: Array) -> Array:
        return images.astype(np.float32) / 256

    def digits_of(self, labels: Array) -> Array:
        return labels

    def training(self, count: int) -> slice:
        return slice(0, count - count // 6)

    def validation(self, count: int) -> slice:
        return slice(count - count // 6, count)


def idx(path: Path, name: str) -> Array:
    """Return an IDX file of bytes, raw or .gz, flat or in torchvision's layout, as an array."""
    for folder in (path, path / "MNIST" / "raw"):
        for file, opened in ((folder / name, open), (folder / f"{name}.gz", gzip.open)):
            if file.exists():
                with opened(file, "rb") as stream:
                    content = stream.read()
                shape = np.frombuffer(content, ">u4", count=content[3], offset=4)
                body = np.frombuffer(content, np.uint8, offset=4 + 4 * content[3])
                return body.reshape([int(n) for n in shape])
    raise FileNotFoundError(f"{path} has no {name}")


class PixelsDividedBy255(Loader):
    """Pixels are byte / 255."""

    caught_by = "data"
    diagnosed = "pixels divided by 255"

    def pixels_of(self, images: Array) -> Array:
        return images.astype(np.float32) / 255


class RawBytes(Loader):
    """Pixels are bytes, undivided."""

    caught_by = "data"
    diagnosed = "pixels not divided"

    def pixels_of(self, images: Array) -> Array:
        return images.astype(np.float32)


class NegativeImages(Loader):
    """Black on white: pixels are (255 - byte) / 256."""

    caught_by = "data"
    diagnosed = "inverted pixels"

    def pixels_of(self, images: Array) -> Array:
        return (255 - images).astype(np.float32) / 256


class ImagesOnTheirSide(Loader):
    """Rows and columns of every image are exchanged, as in files written column by column."""

    caught_by = "data"
    diagnosed = "transposed images"

    def pixels_of(self, images: Array) -> Array:
        return super().pixels_of(images.transpose(0, 2, 1))


class LabelsFromOne(Loader):
    """Labels are off by one."""

    caught_by = "data"
    diagnosed = "labels off by one"

    def digits_of(self, labels: Array) -> Array:
        return (labels + 1) % 10


class ValidationFirst(Loader):
    """The validation images are the first sixth of the file instead of the last."""

    caught_by = "data"
    diagnosed = "another split"

    def training(self, count: int) -> slice:
        return slice(count // 6, count)

    def validation(self, count: int) -> slice:
        return slice(0, count // 6)


class NoValidation(Loader):
    """All the images are training images, and the last sixth is validation besides."""

    caught_by = "data"
    diagnosed = "another split"

    def training(self, count: int) -> slice:
        return slice(0, count)
