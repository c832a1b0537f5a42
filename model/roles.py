"""What kind of neuron it is: a stated rule over the counts of who makes it fire, and how stable that is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

IDLE = "idle"
WEAK = "weak"
CLASS_SELECTIVE = "class-selective"
ANTI_CLASS = "anti-class"
FEATURE_SELECTIVE = "feature-selective"

#: Every role, in the order in which tables and figures list them.
ROLES = (CLASS_SELECTIVE, ANTI_CLASS, FEATURE_SELECTIVE, WEAK, IDLE)


@dataclass(frozen=True)
class RoleThresholds:
    """The three numbers of the rule that gives a neuron its role.

    Parameters
    ----------
    idle
        A neuron that fires on less than this fraction of the images, or on more than one
        minus it, is idle.
    weak
        A neuron whose best Matthews correlation is below this is weak.
    single
        A neuron is class-selective where a single digit, and anti-class where all digits but
        one, come within this much of its best Matthews correlation.
    """

    idle: float = 0.02
    weak: float = 0.5
    single: float = 0.05


@dataclass(frozen=True, eq=False)
class Role:
    """The role of one neuron and how often a bootstrap sample gives the same one.

    Parameters
    ----------
    kind
        One of ROLES.
    digits
        The digits that the role speaks of, ascending: class-selective, the one it fires for;
        anti-class, the one it is silent for; feature-selective and weak, the best set S; idle, ().
    stability
        Fraction of the resamples that give the same kind and the same digits; NaN for none.
    kind_stability
        Fraction of the resamples that give the same kind.
    shares
        Fraction of the resamples that give each kind, a key for every one of ROLES.
    """

    kind: str
    digits: tuple[int, ...]
    stability: float
    kind_stability: float
    shares: Mapping[str, float]


def role_of(
    fired: NDArray[np.int64],
    shown: NDArray[np.int64],
    thresholds: RoleThresholds | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> Role:
    """Give a neuron its role from how many images of each digit make it fire.

    Parameters
    ----------
    fired
        (digits,) number of the images of each digit on which it fires.
    shown
        (digits,) number of images of each digit.
    """
    raise NotImplementedError
