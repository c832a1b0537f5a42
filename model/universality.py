"""What many networks have in common: their neurons matched one to one, their partitions counted.

A partition is kept as the bits of its smaller side, -1 where a neuron is weak or idle. A study is
what `scripts.seeds` writes; every interval is of 95 %, from a bootstrap over families.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from model import selectivity
from model.neurons import MOST_DIGITS
from model.selectivity import CLASS_SELECTIVE, IDLE, WEAK, Array
from model.words import interval_of as told

RESAMPLES, SEED = 2000, 0
UNIVERSAL, OFTEN = 0.9, 0.75  # of the networks
LOOKED_FOR = (0b1010010000, 0b0001100000)  # {4 7 9} and {5 6}


def correlations(one: Array, other: Array) -> Array:
    """Pearson correlation of every column of (examples, n) with every one of (examples, m).

    Where one is constant it is 0.
    """
    with np.errstate(invalid="ignore"):
        every = np.corrcoef(one, other, rowvar=False)
    return np.nan_to_num(every[: one.shape[1], one.shape[1] :])


def matched(r: Array) -> Array:
    """For each row of (n, n) correlations its own column's, such that the sum of |r| is largest."""
    return r[np.arange(len(r)), assignment(-np.abs(r))]


def assignment(cost: Array) -> Array:
    """The column of each row of a square matrix, no column twice, such that the sum is smallest.

    The Hungarian method by shortest augmenting paths: Jonker and Volgenant 1987, "A shortest
    augmenting path algorithm for dense and sparse linear assignment problems".
    """
    n = len(cost)
    of_row, of_column = np.zeros(n), np.zeros(n + 1)  # the dual prices
    row_of = np.full(n + 1, -1)  # of each column, the last being none: there every path starts
    for start in range(n):
        row_of[n], column = start, n
        least, before, done = np.full(n, np.inf), np.full(n, n), np.zeros(n + 1, dtype=bool)
        while row_of[column] >= 0:
            done[column] = True
            row, free = row_of[column], ~done[:n]
            reduced = cost[row] - of_row[row] - of_column[:n]
            nearer = free & (reduced < least)
            least[nearer], before[nearer] = reduced[nearer], column
            column = int(np.where(free, least, np.inf).argmin())
            step = least[column]
            of_row[row_of[done]] += step
            of_column[done] -= step
            least[free] -= step
        while column < n:  # along the path each column takes the row of the one before
            row_of[column] = row_of[before[column]]
            column = before[column]
    return np.argsort(row_of[:n])


def partitions(fired: Array, shown: Array) -> Array:
    """The partition of each neuron, from (neurons, digits) images fired on, and shown (digits,)."""
    kinds, _, sets = selectivity.roles_of(fired, shown)
    both = np.stack([sets, ~sets])
    own, other = both @ (1 << np.arange(fired.shape[1]))
    size, rest = both.sum(axis=2)
    smaller = np.where((size < rest) | ((size == rest) & (own < other)), own, other)
    return np.where(np.isin(kinds, (IDLE, WEAK)), -1, smaller)


def in_words(partition: int) -> str:
    """A partition by its smaller side: "{4 7 9} | rest"."""
    digits = [str(digit) for digit in range(MOST_DIGITS) if partition >> digit & 1]
    return f"{{{' '.join(digits)}}} | rest"


@dataclass(frozen=True, eq=False)
class Study:
    """A study of seeds as it was written, and what follows from it."""

    data: dict[str, Any]

    @classmethod
    def load(cls, path: Path) -> Study:
        """Read the file that `scripts.seeds` writes."""
        return cls(json.loads(path.read_text(encoding="utf-8")))

    @cached_property
    def shown(self) -> Array:
        """Validation images of each digit."""
        return np.array(self.data["shown"])

    def own(self, network: dict[str, Any]) -> Array:
        """The partition of each neuron of one network that has one."""
        found = partitions(np.array(network["fired"]), self.shown)
        return found[found >= 0]

    def networks(self, *arms: str) -> list[dict[str, Any]]:
        """The networks of some arms, one arm after the other."""
        return [one for arm in arms for one in self.data["networks"] if one["arm"] == arm]

    def alike(self, arm: str) -> Array:
        """(families, hidden) |correlation of z| of matched neurons, where there is that arm."""
        return np.abs([pair[arm] for pair in self.data["pairs"] if arm in pair])

    def holding(self, parity: int | None = None) -> dict[int, Array]:
        """For each partition, most frequent first, which bases have it; of even or odd seeds."""
        bases = [n for n in self.networks("base") if parity is None or n["seed"] % 2 == parity]
        each = [set(self.own(one).tolist()) for one in bases]
        order = sorted(Counter(p for own in each for p in own).items(), key=lambda v: (-v[1], v[0]))
        return {p: np.array([p in own for own in each]) for p, _ in order}

    def rarer(self, way: str) -> Array:
        """For each base, neurons that cost a point, and those most needed on the rarer side."""
        found = []
        for one in self.networks("base"):
            kinds, _, sets = selectivity.roles_of(np.array(one["fired"]), self.shown)
            digit, lost = np.array(one[way]).T
            costly = ~np.isin(kinds, (IDLE, WEAK)) & (lost >= 0.01)
            inside = sets[np.arange(len(sets)), digit.astype(int)]
            rare = np.sum(one["fired"], axis=1) / self.shown.sum() < 0.5
            found.append([costly.sum(), (costly & (inside == rare)).sum()])
        return np.array(found)

    def kept(self, what: str) -> dict[str, Array]:
        """(bases,) share of the neurons with a partition that have it early, or pruned."""
        steps: dict[str, list[float]] = {}
        for one in self.networks("base"):
            for step, found in one[what].items():
                steps.setdefault(step, []).append(found["kept"] / len(self.own(one)))
        return {step: np.array(shares) for step, shares in steps.items()}

    def single(self) -> dict[str, Array]:
        """(networks,) share of the neurons that are class-selective, for each width."""
        widths: dict[int, list[float]] = {}
        for one in self.networks("width", "base"):
            kinds, *_ = selectivity.roles_of(np.array(one["fired"]), self.shown)
            widths.setdefault(one["hidden"], []).append((kinds == CLASS_SELECTIVE).mean())
        return {str(width): np.array(widths[width]) for width in sorted(widths)}


def interval(values: Array, measure: Callable[[Array], float] = np.mean) -> tuple[float, Array]:
    """A measure of what was found of each family, with its interval."""
    rng = np.random.default_rng(SEED)
    drawn = rng.integers(0, len(values), (RESAMPLES, len(values)))
    again = np.array([measure(values[rows]) for rows in drawn])
    return float(measure(values)), np.quantile(again, (0.025, 0.975))


def causes(study: Study) -> str:
    """What start, order and rounding decide, in a sentence."""
    arms = ("rounding", "order", "start", "random")
    alike = {arm: told(*interval(study.alike(arm), np.median)) for arm in arms}
    return (
        "z of neurons matched one to one correlates, in the median, "
        f"{alike['rounding']} where one weight starts one grid unit larger, {alike['order']} where "
        f"the order of examples differs, {alike['start']} where the start does, and "
        f"{alike['random']} with a random layer: {len(study.data['networks'])} networks, "
        f"{len(study.data['pairs'])} families."
    )


def findings(study: Study) -> list[str]:
    """What was expected of the study before it was looked at, and what was found."""
    holding, halves = study.holding(), (study.holding(0), study.holding(1))
    bases = len(study.networks("base"))
    counts = [int(holding[p].sum()) if p in holding else 0 for p in LOOKED_FOR]
    shares = selectivity.wilson(np.array(counts), np.full(len(counts), bases))
    looked = ", ".join(
        f"{in_words(p)} in {told(count / bases, bounds)}"
        for p, count, bounds in zip(LOOKED_FOR, counts, shares, strict=True)
    )
    sides = ", ".join(
        f"{way} {told(*interval(study.rarer(way), lambda v: v[:, 1].sum() / v[:, 0].sum()))}"
        for way in ("frozen", "deleted")
    )
    often = [p for p, has in halves[0].items() if has.mean() >= OFTEN]
    odd = [(in_words(p), halves[1][p].mean() if p in halves[1] else 0.0) for p in often]
    return [
        "Expected: {4 7 9} | rest in 9 of 10 starts or more, {5 6} | rest in fewer. "
        f"Found: {looked} of {bases} starts.",
        "Expected: with a neuron frozen, the digit needed most is on the rarer side of its switch "
        f"for 4 of 5; deleted, for fewer. Found: {sides}.",
        "Expected: more than half of the neurons have their final partition after one epoch. "
        f"Found, by epoch: {_told(study.kept('early'))}.",
        "Expected: more than half keep it without the smaller half of their weights. Found, by "
        f"share of the weights: {_told(study.kept('pruned'))}.",
        "Expected: in wider layers more neurons are class-selective. Found, by width: "
        f"{_told(study.single())}.",
        f"Found besides, in {OFTEN:.2f} of the even seeds or more, and of the odd seeds: "
        + (", ".join(f"{words} {share:.2f}" for words, share in odd) or "no partition")
        + ".",
    ]


def _told(steps: dict[str, Array]) -> str:
    return ", ".join(f"{step}: {told(*interval(own))}" for step, own in steps.items())
