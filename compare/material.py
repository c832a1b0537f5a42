"""What a proof is tried on: starts, examples and their order, the same for every link."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import reference.mnist_loader
from compare.reference_twin import reference_net
from model.initial import initial_parameters
from model.parameters import Parameters

Array = NDArray[np.float64]
MODEL = Path(__file__).resolve().parent.parent / "model"
PIXELS, DIGITS = 784, 10
SATURATING = 10.0  # initial weights times this: z in the hundreds, most sigmoids at their ends
FIXED_RANGE = 10.0  # fixed-point deltas stay below 1: saturated weights must not be too large
WARM_UP = 300  # steps that make a trained network where no file holds one


@dataclass(frozen=True)
class Material:
    """What a proof is tried on.

    Parameters
    ----------
    sizes : tuple of int
    starts : mapping of str to Parameters
        "initial", "trained" and "saturated": the parameters from which candidates are built.
    images : ndarray (N, sizes[0]), float32
        Training inputs in rows, multiples of 2**-8 in [0, 1).
    labels : ndarray (N,) of int
    test_images : ndarray (T, sizes[0]), float32
    test_labels : ndarray (T,) of int
    folder : Path, optional
        Where the data files lie; without it there is no data link.
    notice : str
        What every result must repeat; empty for MNIST.
    source : str
        What the images are.
    seed : int
        Of the order of the examples.
    eta : float
    mini_batch_size : int
    steps : int
        How much of the rest is tried: test images of the figures.
    free_steps : int
        Of the training that is followed step by step.
    crowd, throng : int
        Examples of the largest mini-batch, and of the largest epoch, that are tried; 0 for none.
    most : int
        Examples that a mini-batch may have: in fixed-point a sum of too many would not be exact.
    epochs : int
        Of the fixed-point training.
    dtype : str
        Of the candidate. Where it is float32, everything handed out is exact in float32.
    loaded : tuple, optional
        What the reference's loader returned for the folder: training, validation, test.
    divergence : Path, optional
        Where to draw the parting of two networks left free, a PNG; its data go beside it.
    """

    sizes: tuple[int, ...]
    starts: Mapping[str, Parameters]
    images: NDArray[np.float32]
    labels: NDArray[np.int64]
    test_images: NDArray[np.float32]
    test_labels: NDArray[np.int64]
    folder: Path | None = None
    notice: str = ""
    source: str = "random images"
    seed: int = 0
    eta: float = 3.0
    mini_batch_size: int = 10
    steps: int = 20
    free_steps: int = 60
    crowd: int = 60
    throng: int = 0
    most: int = 2**31
    epochs: int = 1
    dtype: str = "float64"
    loaded: Any = field(default=None, repr=False)
    divergence: Path | None = None

    @property
    def initial(self) -> Parameters:
        """The parameters that every training starts from."""
        return self.starts["initial"]

    @property
    def trained(self) -> Parameters:
        """The parameters of a network that has learnt."""
        return self.starts["trained"]

    def batch(self, examples: Any) -> tuple[Array, Array]:
        """Return training examples as columns.

        Parameters
        ----------
        examples : indices

        Returns
        -------
        x : ndarray (sizes[0], m)
        y : ndarray (sizes[-1], m), one-hot
        """
        x = self.images[examples].astype(np.float64).T
        return x, one_hot(self.labels[examples], self.sizes[-1])

    def many(self, count: int) -> tuple[Array, Array]:
        """Return that many training examples as columns, some of them twice where they are few."""
        return self.batch(np.arange(min(count, self.most)) % len(self.images))

    def order(self, epoch: int = 0) -> NDArray[np.int64]:
        """Return the order of the training examples in an epoch: the same for everyone.

        Parameters
        ----------
        epoch : int
            Counted from 0.
        """
        rng = np.random.default_rng(self.seed)
        for _ in range(epoch):
            rng.permutation(len(self.images))
        return rng.permutation(len(self.images))

    def mini_batch(self, step: int) -> tuple[Array, Array]:
        """Return the mini-batch of a step, through the epochs, as columns.

        Parameters
        ----------
        step : int
            Counted from 0.
        """
        m = self.mini_batch_size
        epoch, place = divmod(step, max(1, len(self.images) // m))
        orders = self.__dict__.setdefault("_orders", {})
        if epoch not in orders:
            orders[epoch] = self.order(epoch)
        return self.batch(orders[epoch][place * m : (place + 1) * m])

    def for_dtype(self, dtype: str) -> Material:
        """Return the material for a candidate that computes in this precision.

        Parameters
        ----------
        dtype : str
            float64, float32 or fixed-point.
        """
        adapt = {"float32": in_float32, "fixed-point": in_range}.get(dtype, lambda start: start)
        starts = {name: adapt(start) for name, start in self.starts.items()}
        found = replace(self, dtype=dtype, starts=starts)
        if dtype != "fixed-point":
            return found
        kept = [m for m in (self.crowd, 33) if fits(found.initial, m)]
        return replace(found, most=max([self.mini_batch_size, *kept]))


def fits(parameters: Parameters, m: int) -> bool:
    """Return whether fixed-point numbers leave enough digits to a mini-batch of m examples."""
    net = reference_net(parameters, "fixed-point")
    try:
        net.backprop(np.zeros((parameters.sizes[0], m)), np.zeros((parameters.sizes[-1], m)))
    except ValueError:
        return False
    return True


def synthetic_material(
    sizes: Sequence[int], seed: int = 0, examples: int = 60, tests: int = 40, **settings: object
) -> Material:
    """Return material of random images for a network of any sizes.

    Most pixels are 0, as in MNIST. A label is the brightest of as many parts of the image as
    there are outputs, so that there is something to learn.

    Parameters
    ----------
    sizes : sequence of int
    seed : int
    examples, tests : int
        Training and test images.
    **settings
        Further fields of `Material`.

    Returns
    -------
    Material
        Without a data folder.
    """
    rng = np.random.default_rng(seed)
    images, labels = random_images(rng, examples, sizes)
    test_images, test_labels = random_images(rng, tests, sizes)
    initial = initial_parameters(list(sizes), seed)
    plain = Material(
        sizes=tuple(sizes),
        starts={"initial": initial},
        images=images,
        labels=labels,
        test_images=test_images,
        test_labels=test_labels,
        seed=seed,
    )
    return with_starts(replace(plain, **settings))  # type: ignore[arg-type]


def mnist_material(
    folder: Path, sizes: Sequence[int], notice: str = "", source: str = "MNIST", seed: int = 0
) -> Material:
    """Return material from MNIST's files, or from others of their kind.

    Parameters
    ----------
    folder : Path
        What the loaders are handed.
    sizes : sequence of int
        784 first and 10 last.
    notice, source : str
    seed : int

    Returns
    -------
    Material
    """
    loaded = training, _, test = reference.mnist_loader.load_data(folder)
    plain = Material(
        sizes=tuple(sizes),
        starts={"initial": shipped("initial.json", sizes) or initial_parameters(list(sizes), seed)},
        images=training[0],
        labels=training[1],
        test_images=test[0],
        test_labels=test[1],
        folder=folder,
        notice=notice,
        source=source,
        seed=seed,
        loaded=loaded,
    )
    return with_starts(plain)


def with_starts(material: Material) -> Material:
    """Return the material with further starts: trained, saturated, and all zeros.

    Parameters
    ----------
    material : Material
    """
    initial = material.initial
    starts = {
        "initial": initial,
        "trained": shipped("train.json", initial.sizes) or warmed_up(material),
        "saturated": scaled(initial, SATURATING),
        "zeros": scaled(initial, 0.0),  # every z is exactly 0
    }
    return replace(material, starts=starts)


def shipped(name: str, sizes: Sequence[int]) -> Parameters | None:
    """Return the parameters that come with the project, where they have these sizes.

    Parameters
    ----------
    name : str
        A file in the folder `model`.
    sizes : sequence of int
    """
    path = MODEL / name
    if tuple(sizes) != (PIXELS, 20, DIGITS) or not path.exists():
        return None
    found = Parameters.load(path)
    return found if found.sizes == tuple(sizes) else None


def warmed_up(material: Material) -> Parameters:
    """Return what a short training by the reference makes of the initial parameters.

    Parameters
    ----------
    material : Material
    """
    initial = material.initial
    net = reference_net(initial)
    for step in range(WARM_UP):
        net.update_mini_batch(*material.mini_batch(step), material.eta)
    return Parameters(initial.sizes, *net.export())


def scaled(parameters: Parameters, factor: float) -> Parameters:
    """Return the parameters with every weight and bias multiplied by a factor.

    Parameters
    ----------
    parameters : Parameters
    factor : float
    """
    weights = [w * factor for w in parameters.weights]
    return Parameters(parameters.sizes, weights, [b * factor for b in parameters.biases])


def in_range(parameters: Parameters) -> Parameters:
    """Return the parameters scaled down, where they are too large for fixed-point numbers.

    Parameters
    ----------
    parameters : Parameters
    """
    largest = max(float(np.abs(v).max()) for v in (*parameters.weights, *parameters.biases))
    return parameters if largest < FIXED_RANGE else scaled(parameters, FIXED_RANGE / largest)


def in_float32(parameters: Parameters) -> Parameters:
    """Return the parameters rounded to float32, held in float64.

    Parameters
    ----------
    parameters : Parameters
    """
    weights = [w.astype(np.float32).astype(np.float64) for w in parameters.weights]
    biases = [b.astype(np.float32).astype(np.float64) for b in parameters.biases]
    return Parameters(parameters.sizes, weights, biases)


def random_images(
    rng: np.random.Generator, count: int, sizes: Sequence[int]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return images and labels, as `synthetic_material` describes them.

    Parameters
    ----------
    rng : numpy.random.Generator
    count : int
    sizes : sequence of int
    """
    lit = rng.random((count, sizes[0])) < 0.4
    images = (np.where(lit, rng.integers(1, 256, lit.shape), 0) / 256).astype(np.float32)
    part = np.arange(sizes[0]) * sizes[-1] // sizes[0]
    brightness = np.stack([images[:, part == k].sum(axis=1) for k in range(sizes[-1])])
    return images, brightness.argmax(axis=0)


def one_hot(labels: NDArray[np.int64], outputs: int) -> Array:
    """Return the desired outputs for labels, as columns.

    Parameters
    ----------
    labels : ndarray (m,) of int
    outputs : int

    Returns
    -------
    ndarray (outputs, m)
    """
    y = np.zeros((outputs, len(labels)))
    y[labels, np.arange(len(labels))] = 1.0
    return y
