"""How two correct networks part: each trained freely from the same start, in the same order.

Rounding makes them differ by about 1e-16 after a step. Where training is chaotic (eta 3.0) every
further thousand steps multiplies that, until they are different networks of the same accuracy;
where it is not (eta 0.5) they stay together. Both are measured and drawn.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compare.difference import Difference, Verdict, measure, plain
from compare.evidence import Evidence, keep_worst
from compare.material import Material
from compare.precision import unit_roundoff
from compare.reference_twin import reference_net
from compare.standard import Standard, after_step
from compare.trial import Trial
from model.atomic_write import write_atomically
from model.parameters import Parameters

Array = NDArray[np.float64]
CALM = 0.5  # a learning rate at which training is not chaotic
EVERY = 50  # steps between two measurements
# Beyond the first no single step's rounding explains a difference; beyond the second they are two
# networks. Between the two the curve is straight on a logarithmic axis.
LEFT_ROUNDING = {"float64": 1e-12, "float32": 1e-4}
PARTED = {"float64": 1e-3, "float32": 1e-1}
# How many times further a candidate may come than the reference from a start one rounding away.
FURTHER = 1000.0
NO_DIFFERENCE = 1e-17  # stands for 0 on a logarithmic axis: below the last bit


def followed(candidate: type, material: Material, evidence: Evidence) -> str:
    """Train one candidate freely, look at every step, and say at which the two part, how fast.

    To part is allowed where two correct networks would; a single wrong step is not.
    """
    runs = []
    etas = (material.eta,) if material.dtype == "fixed-point" else (material.eta, CALM)
    for k, eta in enumerate(etas):
        steps = material.free_steps if k == 0 else -(-3 * material.free_steps // 5)
        walk = Walk(candidate, material, eta)
        for step in range(steps):
            walk.step(step, looked_at=step % EVERY == 0 or step == steps - 1)
            if walk.broken:
                break
            if step % EVERY == 0:
                evidence.tell(f"every step, eta {eta:g}", 0.3 * k + 0.3 * step / steps)
        evidence.differences += walk.worst.values()
        evidence.details.setdefault("followed", []).append({"eta": eta, "steps": step + 1})
        if walk.broken:
            return walk.broken[0].in_words
        runs.append(walk.described())
    told = [
        f"every one of {f['steps']:,} steps in a row at eta {f['eta']:g} is within its bound"
        for f in evidence.details["followed"]
    ]
    if material.dtype == "fixed-point":
        return "; ".join(told)
    evidence.details["free"] = {"parted": runs[0]["parted_at"] is not None, "runs": runs}
    if material.divergence is not None:
        draw(runs, material.divergence)
        evidence.details["free"]["drawn"] = str(material.divergence)
    return "; ".join([*told, *(in_words(r) for r in runs)])


class Walk:
    """One candidate that takes every step of a run; the reference from where it stood, and free.

    A difference within one rounding of the new value is within every bound, as a step ends in that
    rounding; a larger one, and every fiftieth in any case, is measured against its own bound.
    """

    def __init__(self, candidate: type, material: Material, eta: float) -> None:
        self.material, self.eta, start = material, eta, material.initial
        self.dtype = material.dtype
        self.trial = Trial(candidate, start)
        self.here = self.trial.parameters()
        self.beside = reference_net(
            start, "fixed-point" if self.dtype == "fixed-point" else "float64"
        )
        self.free = reference_net(start, self.dtype)
        u = 2 * unit_roundoff("float32" if self.dtype == "float32" else "float64")
        self.nudged = reference_net(nudged(start, lambda v: u * v), self.dtype)
        self.own_gap = 0.0
        self.steps: list[int] = []
        self.gaps: list[float] = []
        self.worst: dict[str, Difference] = {}
        self.broken: list[Difference] = []

    def step(self, step: int, looked_at: bool) -> None:
        """Take a step with all, and measure what is to be measured of it."""
        x, y = self.material.mini_batch(step)
        before = self.here
        self.trial.update_mini_batch(x, y, self.eta)
        weights, biases = self.trial.export()
        self.here = Parameters(before.sizes, weights, biases)
        case = f"left free, eta {self.eta:g}, step {step + 1:,}"
        if looked_at or not self._one_rounding_away(before, x, y):
            expected = Standard(before, self.dtype).update(x, y, self.eta)
            found = after_step(weights, biases)
            self._keep([e.measure(found[name], case) for name, e in expected.items()])
        if self.dtype == "fixed-point":
            return
        self.free.update_mini_batch(x, y, self.eta)
        self.nudged.update_mini_batch(x, y, self.eta)
        if looked_at:
            self.steps.append(step + 1)
            self._keep(self._distance(case))

    def _keep(self, measured: list[Difference]) -> None:
        keep_worst(self.worst, measured)
        self.broken += [d for d in measured if d.verdict is Verdict.DIFFERENT]

    def _one_rounding_away(self, before: Parameters, x: Array, y: Array) -> bool:
        net = self.beside.net
        ours = [*net.weights, *net.biases]
        for v, w in zip(ours, [*before.weights, *before.biases], strict=True):
            v[...] = w
        self.beside.update_mini_batch(x, y, self.eta)
        theirs = [*self.here.weights, *self.here.biases]
        if self.dtype == "fixed-point":
            return all(np.array_equal(v, w) for v, w in zip(theirs, ours, strict=True))
        u = 2 * unit_roundoff(self.dtype)
        pairs = zip(theirs, ours, strict=True)
        return all((np.abs(v - w) <= u * np.abs(w)).all() for v, w in pairs)

    def _distance(self, case: str) -> list[Difference]:
        """Measure how far the candidate is from the reference left free.

        It may be no further than what became of a single rounding of every initial weight of the
        reference itself, but for a factor: roundings come anew in every step.
        """
        free = self.free.export()
        self.own_gap = max(self.own_gap, gap(self.nudged.export(), free))
        self.gaps.append(gap((self.here.weights, self.here.biases), free))
        allowed = LEFT_ROUNDING[self.dtype] / 10 + FURTHER * self.own_gap
        if allowed > PARTED[self.dtype]:
            return []  # two correct ones are as far apart: there is nothing to hold
        one = np.ones((1,))
        return [measure("distance", self.gaps[-1] * one, 0.0 * one, allowed * one, case, one)]

    def described(self) -> dict[str, Any]:
        """Return how the two parted."""
        if not self.gaps:
            return {"parted_at": None}
        found = described(self.eta, self.steps, self.gaps, self.dtype)
        per_epoch = len(self.material.images) // self.material.mini_batch_size
        return {**found, "steps_in_an_epoch": per_epoch}


def nudged(parameters: Parameters, by: Callable[[Array], Array]) -> Parameters:
    """Return the parameters, each larger or smaller by an amount that depends on it."""
    rng = np.random.default_rng(0)
    weights, biases = (
        [v + by(v) * rng.choice([-1.0, 1.0], v.shape) for v in part]
        for part in (parameters.weights, parameters.biases)
    )
    return Parameters(parameters.sizes, weights, biases)


def gap(one: Any, other: Any) -> float:
    """Return the largest difference of any weight or bias."""
    pairs = zip([*one[0], *one[1]], [*other[0], *other[1]], strict=True)
    return max(float(np.abs(np.asarray(v, dtype=np.float64) - w).max()) for v, w in pairs)


def described(
    eta: float, steps: list[int], gaps: list[float], dtype: str = "float64"
) -> dict[str, Any]:
    """Return what was measured of one run, and what it says.

    Parameters
    ----------
    eta : float
    steps : list of int
        Steps taken before each measurement.
    gaps : list of float
        The largest difference of any weight or bias then.
    dtype : str
    """
    left, parted = LEFT_ROUNDING[dtype], PARTED[dtype]
    return {
        "eta": eta,
        "limits": [left, parted],
        "steps": steps,
        "differences": gaps,
        "left_rounding_at": first_above(steps, gaps, left),
        "parted_at": first_above(steps, gaps, parted),
        "growth_per_1000_steps": growth(np.array(steps), np.array(gaps), left, parted),
    }


def first_above(steps: list[int], gaps: list[float], limit: float) -> int | None:
    """Return the first step measured from which on the difference stays above a limit.

    Parameters
    ----------
    steps : list of int
    gaps : list of float
    limit : float
    """
    found = None
    for step, g in zip(reversed(steps), reversed(gaps), strict=True):
        if g <= limit:
            break
        found = step
    return found


def growth(steps: NDArray[Any], gaps: NDArray[Any], low: float, high: float) -> float | None:
    """Return the factor by which the difference grows in 1,000 steps, once it grows.

    A straight line on the logarithmic axis, by least squares, from where the difference has left
    rounding for good to where it is two networks'; None where that is never, or too short.

    Parameters
    ----------
    steps : ndarray of int
    gaps : ndarray of float
    low, high : float
        The range of differences between rounding and two networks.
    """
    above = np.flatnonzero(gaps > high)
    end = above[0] if len(above) else len(gaps)
    below = np.flatnonzero(gaps[:end] <= low)
    start = below[-1] + 1 if len(below) else 0
    if end - start < 4:
        return None
    line = np.polyfit(steps[start:end], np.log10(gaps[start:end]), 1)
    return float(10 ** (1000 * line[0]))


def in_words(run: dict[str, Any]) -> str:
    """Return the finding of one run in words.

    Parameters
    ----------
    run : dict
        As `described` returns it.
    """
    steps, last = run["steps"][-1], run["differences"][-1]
    if run["parted_at"] is None:
        return f"left free with eta {run['eta']:g} they are {last:.1g} apart after {steps:,} steps"
    rate = run["growth_per_1000_steps"]
    fast = f", growing {rate:,.0f} times in 1,000 steps" if rate else ""
    left = run["left_rounding_at"]
    return (
        f"left free with eta {run['eta']:g} they leave rounding at step {left:,}{fast}, and are "
        f"two networks from step {run['parted_at']:,} on"
    )


def draw(runs: list[dict[str, Any]], path: Path) -> None:
    """Draw the difference against the step, and write the data beside the picture as JSON.

    Parameters
    ----------
    runs : list of dict
        As `described` returns them.
    path : Path
        A PNG. Its folder must exist.

    Raises
    ------
    OSError
        It cannot be written.
    """
    data = json.dumps(plain({"runs": runs}), indent=1) + "\n"
    write_atomically(path.with_suffix(".json"), data.encode())
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 4.5), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    for run, colour in zip(runs, ("#b2182b", "#2166ac"), strict=True):
        shown = np.maximum(run["differences"], NO_DIFFERENCE)
        axes.semilogy(run["steps"], shown, color=colour, label=f"eta {run['eta']:g}")
        axes.annotate(
            f"eta {run['eta']:g}",
            (run["steps"][-1], shown[-1]),
            xytext=(4, 0),
            textcoords="offset points",
            color=colour,
            va="center",
        )
    label_axes(axes, runs)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", metadata={"Software": None})
    write_atomically(path, picture.getvalue())


def label_axes(axes: Any, runs: list[dict[str, Any]]) -> None:
    """Label the axes and say in the title what is seen.

    Parameters
    ----------
    axes : matplotlib Axes
    runs : list of dict
    """
    axes.set_xlabel(f"step ({runs[0]['steps_in_an_epoch']:,} in an epoch)")
    axes.set_ylabel("largest difference of any weight or bias")
    low, high = runs[0]["limits"]
    label_limit(axes, low, "rounding explains what lies below", 0.99, "right")
    label_limit(axes, high, "two different networks above", 0.01, "left")
    axes.grid(True, axis="y", color="0.92")
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlim(0, runs[0]["steps"][-1] * 1.1)
    axes.set_title(title(runs), fontsize="medium")


def label_limit(axes: Any, limit: float, text: str, x: float, side: str) -> None:
    """Draw a limit across the picture and say what it means, at the side that no curve crosses.

    Parameters
    ----------
    axes : matplotlib Axes
    limit : float
    text : str
    x : float
        Where the text begins or ends, 0 left and 1 right.
    side : str
        left or right.
    """
    axes.axhline(limit, color="0.6", linewidth=0.8, linestyle=":")
    place = axes.get_yaxis_transform()
    axes.text(x, limit, text, color="0.4", transform=place, ha=side, va="bottom")


def title(runs: list[dict[str, Any]]) -> str:
    """Return what the picture shows, in a sentence.

    Parameters
    ----------
    runs : list of dict
    """
    parted = [f"{r['eta']:g}" for r in runs if r["parted_at"] is not None]
    stayed = [f"{r['eta']:g}" for r in runs if r["parted_at"] is None]
    words = []
    if parted:
        words.append(f"with eta {' and '.join(parted)} two correct networks part")
    if stayed:
        words.append(f"with eta {' and '.join(stayed)} they stay together")
    return ", ".join(words).capitalize()
