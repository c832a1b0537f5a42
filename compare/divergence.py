"""How two correct networks part: each trained freely from the same start, in the same order.

Rounding makes them differ by about 1e-16 after a step. Where training is chaotic (eta 3.0) every
further thousand steps multiplies that, until they are different networks of the same accuracy;
where it is not (eta 0.5) they stay together. Both are measured and drawn.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compare.difference import Difference, plain
from compare.evidence import Evidence, keep_worst
from compare.material import Material
from compare.reference_twin import reference_candidate
from compare.standard import Standard, after_step
from compare.trial import Trial
from model.atomic_write import write_atomically

CALM = 0.5  # a learning rate at which training is not chaotic
EVERY = 50  # steps between two measurements
# Beyond the first no single step's rounding explains a difference; beyond the second they are two
# networks. Between the two the curve is straight on a logarithmic axis.
LEFT_ROUNDING = {"float64": 1e-12, "float32": 1e-4}
PARTED = {"float64": 1e-3, "float32": 1e-1}
NO_DIFFERENCE = 1e-17  # stands for 0 on a logarithmic axis: below the last bit


def left_free(candidate: type, material: Material, evidence: Evidence) -> str:
    """Train both freely, and say at which step they part and how fast.

    At every measurement one further step of the candidate's own run is held against the
    reference's from the same place: to part is allowed, a single wrong step is not.

    Parameters
    ----------
    candidate : class
    material : Material
    evidence : Evidence
        Gets the differences of those steps, and under "free" what was measured.

    Returns
    -------
    str
        The finding in words.
    """
    runs = []
    for k, eta in enumerate((material.eta, CALM)):
        runs.append(run(candidate, material, eta, evidence, 0.9 + 0.05 * k))
    evidence.details["free"] = {"parted": runs[0]["parted_at"] is not None, "runs": runs}
    if material.divergence is not None:
        draw(runs, material.divergence)
        evidence.details["free"]["drawn"] = str(material.divergence)
    return "; ".join(in_words(r) for r in runs)


def run(
    candidate: type, material: Material, eta: float, evidence: Evidence, done: float
) -> dict[str, Any]:
    """Train both freely with one learning rate and return the difference along the way.

    Parameters
    ----------
    candidate : class
    material : Material
    eta : float
    evidence : Evidence
        Gets the worst difference of each tensor in the steps that were measured.
    done : float
        Of the link, before this run.
    """
    pair = Pair(candidate, material, eta)
    steps: list[int] = []
    gaps: list[float] = []
    worst: dict[str, Difference] = {}
    for step in range(material.free_steps):
        if step % EVERY and step != material.free_steps - 1:
            pair.step(step)
            continue
        keep_worst(worst, pair.measured_step(step))
        steps.append(step + 1)
        gaps.append(pair.gap())
        evidence.tell(f"left free, eta {eta:g}", done + 0.05 * step / material.free_steps)
    evidence.differences += worst.values()
    per_epoch = len(material.images) // material.mini_batch_size
    return {**described(eta, steps, gaps, material.dtype), "steps_in_an_epoch": per_epoch}


class Pair:
    """The reference and a candidate, each on its own run from the same start.

    Parameters
    ----------
    candidate : class
    material : Material
    eta : float
    """

    def __init__(self, candidate: type, material: Material, eta: float) -> None:
        self.material, self.eta = material, eta
        self.reference = Trial(reference_candidate(material.dtype), material.initial)
        self.candidate = Trial(candidate, material.initial)

    def step(self, step: int) -> None:
        """Take a step with both."""
        for trial in (self.reference, self.candidate):
            trial.update_mini_batch(*self.material.mini_batch(step), self.eta)

    def measured_step(self, step: int) -> list[Difference]:
        """Take a step with both, and hold the candidate's against the reference's from there."""
        before = self.candidate.parameters()
        batch = self.material.mini_batch(step)
        expected = Standard(before, self.material.dtype).update(*batch, self.eta)
        self.step(step)
        found = after_step(*self.candidate.export())
        case = f"left free, eta {self.eta:g}, step {step:,}"
        return [e.measure(found[name], case) for name, e in expected.items()]

    def gap(self) -> float:
        """Return the largest difference of any weight or bias."""
        ours, theirs = (after_step(*t.export()) for t in (self.reference, self.candidate))
        return max(float(np.abs(ours[name] - theirs[name]).max()) for name in ours)


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
