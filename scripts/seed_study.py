"""The networks of the study of seeds: which there are, and how each is trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from model.initial import initial_parameters
from model.parameters import Parameters
from reference.arithmetic import FixedPoint
from reference.network import Network

EPOCHS, MINI_BATCH_SIZE, ETA = 30, 10, 3.0
ORDER = 14  # the order of examples that all arms but one share: the shipped network's
OTHER_ORDERS = 1000  # the order arm's seeds begin here
FAMILIES = 67
WIDTHS, WIDTH_SEEDS, HIDDEN = (5, 10, 40, 80), 5, 20
EARLY = (1, 2, 5, 10)  # epochs after which a base network is kept too


@dataclass(frozen=True)
class Member:
    """One network of the study: an arm, the seed of its start, the width of its hidden layer."""

    arm: str
    seed: int
    hidden: int = HIDDEN

    @property
    def order(self) -> int:
        """The seed of the order of examples."""
        return OTHER_ORDERS + self.seed if self.arm == "order" else ORDER

    @property
    def kept(self) -> tuple[int, ...]:
        """The epochs after which it is kept."""
        return (*(EARLY if self.arm == "base" else EARLY[:1]), EPOCHS)

    def file(self, folder: Path, epochs: int) -> Path:
        """Where it is kept after so many epochs."""
        return folder / f"{self.arm}-{self.hidden:02d}-{self.seed:03d}-{epochs:02d}.json"

    def network(self) -> Network:
        """The untrained network; in the rounding arm one output weight is one grid unit larger."""
        start = initial_parameters((784, self.hidden, 10), self.seed)
        net = Network.from_parameters(start, FixedPoint())
        if self.arm == "rounding":
            draw = np.random.default_rng(self.seed)
            digit, neuron = draw.integers(10), draw.integers(self.hidden)
            net.weights[1][digit, neuron] += 1 / net.arithmetic.parameter_scale
        return net


def members(families: int = FAMILIES) -> list[Member]:
    """The networks in the order in which they are trained, so that any beginning is a study."""
    found = []
    for seed in range(families):
        found += [Member(arm, seed) for arm in ("base", "rounding", "order")]
        if seed % 10 == 9:  # networks of other widths in between
            found += [Member("width", seed // 10, hidden) for hidden in WIDTHS]
    return found


def train(
    member: Member, folder: Path, training_data: Any, on_epoch: Callable[[int], object]
) -> None:
    """Train one network and keep it; its last file is written last, so it is whole or not there."""
    net = member.network()

    def finished(epoch: int, _: int | None) -> None:
        on_epoch(epoch + 1)
        if epoch + 1 in member.kept:
            made = {"arm": member.arm, "seed": member.seed, "order": member.order}
            Parameters(net.sizes, *net.export(), made).save(member.file(folder, epoch + 1))

    rng = np.random.default_rng(member.order)
    net.SGD(training_data, EPOCHS, MINI_BATCH_SIZE, ETA, rng=rng, on_epoch=finished)
