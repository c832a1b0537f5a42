"""What a proof is tried on: starts, examples and their order, the same for every link."""

from __future__ import annotations

import functools
import shutil
import tempfile
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compare.twins import reference_net
from model.initial import initial_parameters
from model.mnist_files import SHA256, is_pickle, locate
from model.parameters import Parameters
from model.synthetic_digits import idx_bytes
from reference.mnist_loader import load_data

Array = NDArray[np.float64]
Batch = tuple[Array, Array]
MODEL = Path(__file__).resolve().parent.parent / "model"
PIXELS, DIGITS = 784, 10
SATURATING = 10.0  # initial weights times this: z in the hundreds, most sigmoids at their ends
FIXED_RANGE = 10.0  # fixed-point deltas stay below 1: saturated weights must not be too large
WARM_UP = 300  # steps that make a trained network where no file holds one


@dataclass(frozen=True)
class Material:
    """What a proof is tried on; images are rows of multiples of 2**-8 in [0, 1)."""

    sizes: tuple[int, ...]
    starts: Mapping[str, Parameters]  # "initial" and "trained" among them
    images: NDArray[np.float32]
    labels: NDArray[np.int64]
    test_images: NDArray[np.float32]
    test_labels: NDArray[np.int64]
    folder: Path | None = None  # of the data files; without it there is no data link
    notice: str = ""  # what every result must repeat
    source: str = "random images"
    seed: int = 0  # of the order of the examples
    eta: float = 3.0
    mini_batch_size: int = 10
    steps: int = 20  # of the training that is followed step by step
    shown: int = 100  # test images that the figures are made of
    crowd: int = 60  # examples of the largest mini-batch that is tried
    throng: int = 0  # examples of the largest epoch that is tried; 0: none but short ones
    most: int = 2**31  # examples of a mini-batch: in fixed-point a sum of more is not exact
    epochs: int = 1  # of the fixed-point training
    quick: bool = True
    dtype: str = "float64"  # of the candidate; in float32 everything handed out is exact there
    loaded: Any = field(default=None, repr=False)  # what the reference's loader returned
    divergence: Path | None = None  # where to draw the parting of two networks, a PNG
    kept: dict[Any, Any] | None = field(default=None, repr=False)  # see `once`

    @property
    def initial(self) -> Parameters:
        """The parameters that every training starts from."""
        return self.starts["initial"]

    @property
    def trained(self) -> Parameters:
        """The parameters of a network that has learnt."""
        return self.starts["trained"]

    def once(self, key: Any, answer: Callable[..., Any], *given: Any) -> Any:
        """Return an answer, kept for the next candidate where there are many."""
        if self.kept is None:
            return answer(*given)
        if (self.dtype, key) not in self.kept:
            self.kept[self.dtype, key] = answer(*given)
        return self.kept[self.dtype, key]

    def batch(self, examples: Any) -> Batch:
        """Return training examples as columns x and one-hot y; numbers past the end come round."""
        rows = self.images
        if not isinstance(examples, slice):
            examples = np.asarray(examples) % len(rows)
            if len(examples) > len(rows):
                rows = rows.astype(np.float64)  # before they are repeated
        x = rows[examples].astype(np.float64, copy=False).T
        return x, np.eye(self.sizes[-1])[:, self.labels[examples]]

    def order(self, epoch: int = 0) -> NDArray[np.int64]:
        """Return the order of the training examples in an epoch: the same for everyone."""
        orders = self.__dict__.setdefault("_orders", {})
        if epoch not in orders:
            rng = np.random.default_rng(self.seed)
            for k in range(epoch + 1):
                orders[k] = rng.permutation(len(self.images))
        return np.asarray(orders[epoch])

    def mini_batch(self, step: int) -> Batch:
        """Return the mini-batch of a step, counted from 0 through the epochs, as columns."""
        m = self.mini_batch_size
        epoch, place = divmod(step, max(1, len(self.images) // m))
        return self.batch(self.order(epoch)[place * m : (place + 1) * m])

    @functools.cached_property
    def batches(self) -> dict[str, Batch]:
        """Return what is asked of each start: one example, some, others, a crowd, the first again.

        Numbers of examples that have to do with no other: 1, 2, the usual, 33, and many.
        """
        one, m, some = self.batch([0]), self.mini_batch_size, min(33, self.most)
        crowd, two = min(self.crowd, self.most), np.array([[0.0, 255 / 256]])
        found = {
            "one example": one,
            f"mini-batch of {m}": self.mini_batch(0),
            f"another mini-batch of {m}": self.mini_batch(1),
            "a blank image and a full one": (
                two.repeat(self.sizes[0], axis=0),
                self.batch([1, 2])[1],
            ),
            f"{some} examples": self.batch(np.arange(some)),
            f"{some} examples, the last first": self.batch(np.arange(some)[::-1]),
            f"{crowd:,} examples at once": self.batch(np.arange(crowd)),
            **{f"{n} examples": self.batch(np.arange(n)) for n in (100, 257) if n <= crowd},
            "one example again": one,
        }
        if self.dtype != "fixed-point":  # which takes no inputs that are no pixels
            rng, kept = np.random.default_rng(self.seed), np.dtype(self.dtype)
            x = rng.laplace(0, 0.5, (self.sizes[0], 5))
            x[:, 4] *= 1e5  # exp(-z) overflows, and so does exp(z)
            y = rng.uniform(-1000, 1000, (self.sizes[-1], 5))  # gradients as large as any
            x, y = (v.astype(kept).astype(np.float64) for v in (x, y))
            found["5 examples that are no images"] = x, y
        return found

    @functools.cached_property
    def plain_folder(self) -> Path:
        """The folder that holds MNIST's four plain files; one is made where they are packed."""
        assert self.folder is not None
        files = [] if is_pickle(self.folder) else list(locate(self.folder).values())
        if files and not any(file.suffix == ".gz" for file in files):
            return files[0].parent
        made = tempfile.mkdtemp()
        weakref.finalize(self, shutil.rmtree, made, ignore_errors=True)
        folder = Path(made, "MNIST", "raw")  # as torchvision has it
        folder.mkdir(parents=True)
        sets = [v for part in self.loaded or load_data(self.folder) for v in part]
        images, labels = (np.concatenate(sets[k:4:2]) for k in (0, 1))
        for name, v in zip(SHA256, (images, labels, sets[4], sets[5]), strict=True):
            v = (v * 256).reshape(-1, 28, 28) if v.ndim == 2 else v
            (folder / name).write_bytes(idx_bytes(v.astype(np.uint8)))
        return folder

    def for_dtype(self, dtype: str) -> Material:
        """Return the material for a candidate that computes in this precision."""
        if dtype == self.dtype == "float64":
            return self
        adapt = {"float32": in_float32, "fixed-point": in_range}.get(dtype, lambda start: start)
        starts = {name: adapt(start) for name, start in self.starts.items()}
        found = replace(self, dtype=dtype, starts=starts)
        if dtype != "fixed-point":
            return found
        kept = [m for m in (self.crowd, 33) if exact(found.initial, m)]
        return replace(found, most=max([self.mini_batch_size, *kept]))


def synthetic_material(
    sizes: Sequence[int], seed: int = 0, examples: int = 60, tests: int = 40, **settings: Any
) -> Material:
    """Return material of random images for a network of any sizes.

    Most pixels are 0, as in MNIST. A label is the brightest of as many parts of the image as
    there are outputs, so that there is something to learn.
    """
    rng = np.random.default_rng(seed)
    drawn = *random_images(rng, examples, sizes), *random_images(rng, tests, sizes)
    starts = {"initial": initial_parameters(list(sizes), seed)}
    return with_starts(Material(tuple(sizes), starts, *drawn, seed=seed, **settings))


def mnist_material(folder: Path, sizes: Sequence[int], seed: int = 0, **settings: Any) -> Material:
    """Return material from MNIST's files, or from others of their kind; settings as in Material."""
    loaded = training, _, test = load_data(folder)
    start = shipped("initial.json", sizes) or initial_parameters(list(sizes), seed)
    settings |= {"folder": folder, "seed": seed, "loaded": loaded}
    return with_starts(Material(tuple(sizes), {"initial": start}, *training, *test, **settings))


def with_starts(material: Material) -> Material:
    """Return the material with further starts: trained, saturated, and all zeros."""
    initial = material.initial
    starts = {
        "initial": initial,
        "trained": shipped("train.json", initial.sizes) or warmed_up(material),
        "saturated": changed(initial, lambda v: v * SATURATING),
        "zeros": changed(initial, np.zeros_like),
    }
    return replace(material, starts=starts)


def shipped(name: str, sizes: Sequence[int]) -> Parameters | None:
    """Return the parameters that come with the project, where they have these sizes."""
    if tuple(sizes) != (PIXELS, 20, DIGITS) or not (MODEL / name).exists():
        return None
    found = Parameters.load(MODEL / name)
    return found if found.sizes == tuple(sizes) else None


def warmed_up(material: Material) -> Parameters:
    """Return what a short training by the reference makes of the initial parameters."""
    net = reference_net(material.initial)
    for step in range(WARM_UP):
        net.update_mini_batch(*material.mini_batch(step), material.eta)
    return Parameters(material.sizes, *net.export())


def changed(parameters: Parameters, change: Any) -> Parameters:
    """Return the parameters with every array changed."""
    weights = [change(w) for w in parameters.weights]
    return Parameters(parameters.sizes, weights, [change(b) for b in parameters.biases])


def in_range(parameters: Parameters) -> Parameters:
    """Return the parameters scaled down, where they are too large for fixed-point numbers."""
    largest = max(float(np.abs(v).max()) for v in (*parameters.weights, *parameters.biases))
    if largest < FIXED_RANGE:
        return parameters
    return changed(parameters, lambda v: v * (FIXED_RANGE / largest))


def exact(parameters: Parameters, m: int) -> bool:
    """Return whether fixed-point numbers leave enough digits to a mini-batch of m examples."""
    net = reference_net(parameters, "fixed-point")
    try:
        net.backprop(np.zeros((parameters.sizes[0], m)), np.zeros((parameters.sizes[-1], m)))
    except ValueError:
        return False
    return True


def in_float32(parameters: Parameters) -> Parameters:
    """Return the parameters rounded to float32, held in float64."""
    return changed(parameters, lambda v: v.astype(np.float32).astype(np.float64))


def random_images(
    rng: np.random.Generator, count: int, sizes: Sequence[int]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return images and labels, as `synthetic_material` describes them."""
    lit = rng.random((count, sizes[0])) < 0.4
    images = (np.where(lit, rng.integers(1, 256, lit.shape), 0) / 256).astype(np.float32)
    part = np.arange(sizes[0]) * sizes[-1] // sizes[0]
    brightness = np.stack([images[:, part == k].sum(axis=1) for k in range(sizes[-1])])
    return images, brightness.argmax(axis=0)
