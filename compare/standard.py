"""What a candidate is held against: the reference's numbers, and how far rounding may carry."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compare.difference import Difference, Verdict, measure
from compare.power import error_ratio
from compare.precision import unit_roundoff
from compare.reference_twin import reference_net
from compare.rounding import Bounds, forward_bounds, gradient_bounds, update_bounds
from model.parameters import Parameters

Array = NDArray[np.float64]
Layers = Sequence[Array]
RATIO_LIMIT = 32.0  # float32: summing 784 terms in another order explains 6; TF32 makes thousands
RATIO_SHARE = 0.5  # of the probabilistic bound: below it a large ratio is the reference's good luck


@dataclass(frozen=True)
class Expected:
    """What one tensor should be.

    Parameters
    ----------
    tensor : str
        Its name, such as "nabla_w[0]".
    reference : ndarray
        The reference's, in float64 or in fixed-point.
    allowed : ndarray or float
        The largest difference that rounding explains; 0.0 asks for the same bits.
    probable : ndarray, optional
        The same in the probabilistic model (float32).
    peer : ndarray, optional
        The reference's in the candidate's own precision (float32).
    values : ndarray, optional
        What the power is relative to, where it is not the tensor itself: of an update, its step.
    """

    tensor: str
    reference: Array
    allowed: Array | float = 0.0
    probable: Array | None = None
    peer: Array | None = None
    values: Array | None = None

    def measure(self, candidate: Array, case: str) -> Difference:
        """Return how far the candidate's tensor lies from this.

        Parameters
        ----------
        candidate : ndarray
        case : str
            What it was computed from.

        Raises
        ------
        Unusable, Refused
            As in `compare.difference.measure`.
        """
        found = measure(self.tensor, candidate, self.reference, self.allowed, case, self.values)
        if self.probable is None or self.peer is None:
            return found
        gap = np.abs(candidate - self.reference)
        share = float((gap / np.maximum(self.probable, np.finfo(np.float64).tiny)).max())
        ratio = error_ratio(candidate, self.peer, self.reference)
        fields = {**vars(found), "probable_share": share, "ratio": max(ratio.rms, ratio.largest)}
        fields["power"] = min(found.power, self._power_in_float32(self.probable, self.peer))
        return judged_in_float32(Difference(**fields))

    def _power_in_float32(self, probable: Array, peer: Array) -> float:
        """Return the smallest relative mistake in an entry that the ratio is certain to catch.

        As for a bound, twice what is allowed; see `compare.power.error_ratio` for its floor.
        """
        size = np.abs(self.reference if self.values is None else self.values).max()
        floor = unit_roundoff("float32") * np.abs(self.reference).max()
        by_ratio = RATIO_LIMIT * (np.abs(peer - self.reference).max() + floor)
        allowed = min(max(by_ratio, RATIO_SHARE * probable.max()), probable.max())
        return float(2 * allowed / size) if size else np.inf


def judged_in_float32(difference: Difference) -> Difference:
    """Return a difference judged by float32's two further answers too.

    The worst case alone is too wide: it allows a narrower format. The probabilistic bound is
    sharper. So is the ratio, where the error is more than a small part of that bound: below, the
    reference's own error in the few entries of a small tensor may be small by chance.

    Parameters
    ----------
    difference : Difference
        With its share of the probabilistic bound and its ratio.
    """
    ratio, share = difference.ratio or 0.0, difference.probable_share or 0.0
    if share > 1 or (ratio > RATIO_LIMIT and share > RATIO_SHARE):
        note = f"{share:.2g} of the probabilistic bound, error {ratio:.3g} times the reference's"
        return replace(difference, verdict=Verdict.DIFFERENT, note=f"{note} in float32")
    return difference


class Standard:
    """The reference, built from given parameters, with the bounds of a candidate's precision.

    Parameters
    ----------
    parameters : Parameters
    dtype : str
        float64, float32 or fixed-point, the candidate's. In float32 the parameters and the inputs
        must be exact in float32.
    """

    def __init__(self, parameters: Parameters, dtype: str = "float64") -> None:
        self.parameters, self.dtype = parameters, dtype
        self.old = after_step(parameters.weights, parameters.biases)

    def forward(self, x: Array) -> dict[str, Expected]:
        """Return what every z and activation should be.

        Parameters
        ----------
        x : ndarray (sizes[0], m)
        """

        def run(net: Any) -> dict[str, Array]:
            zs, activations = net.trace(x)
            return {**named("zs", zs), **named("activations", activations)}

        bounds = self._bounds(lambda w, b, **k: forward_bounds(w, b, x, **k))
        return self._expected(run, bounds)

    def gradients(self, x: Array, y: Array) -> dict[str, Expected]:
        """Return what every delta, nabla_b and nabla_w should be.

        Parameters
        ----------
        x : ndarray (sizes[0], m)
        y : ndarray (sizes[-1], m)
        """

        def run(net: Any) -> dict[str, Array]:
            nabla_b, nabla_w = net.backprop(x, y)
            deltas = named("deltas", net.deltas(x, y))
            return {**deltas, **named("nabla_b", nabla_b), **named("nabla_w", nabla_w)}

        bounds = self._bounds(lambda w, b, **k: gradient_bounds(w, b, x, y, **k))
        return self._expected(run, bounds)

    def update(self, x: Array, y: Array, eta: float) -> dict[str, Expected]:
        """Return what every new weight and bias should be after one step.

        Parameters
        ----------
        x : ndarray (sizes[0], m)
        y : ndarray (sizes[-1], m)
        eta : float
        """

        def run(net: Any) -> dict[str, Array]:
            net.update_mini_batch(x, y, eta)
            return after_step(*net.export())

        bounds = self._bounds(lambda w, b, **k: update_bounds(w, b, x, y, eta, **k))
        return self._expected(run, bounds)

    def start(self) -> dict[str, Expected]:
        """Return what a candidate should export before anything else: the same bits.

        In fixed-point these are the parameters rounded to its grid.
        """
        weights, biases = self._reference(self.dtype).export()
        tensors = {**named("weights", weights), **named("biases", biases)}
        return {name: Expected(name, v) for name, v in tensors.items()}

    def _reference(self, dtype: str) -> Any:
        return reference_net(self.parameters, dtype)

    def _bounds(self, compute: Callable[..., Bounds]) -> list[dict[str, Array]]:
        """Return the worst-case bounds by name, and for float32 the probabilistic ones."""
        if self.dtype == "fixed-point":
            return []
        models = ["worst-case"] if self.dtype == "float64" else ["worst-case", "probabilistic"]
        p = self.parameters
        found = [compute(p.weights, p.biases, dtype=self.dtype, model=model) for model in models]
        return [dict(bounds.named()) for bounds in found]

    def _expected(
        self, run: Callable[[Any], dict[str, Array]], bounds: list[dict[str, Array]]
    ) -> dict[str, Expected]:
        base = "float64" if self.dtype == "float32" else self.dtype
        exact: dict[str, Array] = run(self._reference(base))
        peers: Mapping[str, Array] = {}
        if self.dtype == "float32":
            peers = run(self._reference("float32"))
        return {
            name: Expected(
                tensor=name,
                reference=v,
                allowed=bounds[0][name] if bounds else 0.0,
                probable=bounds[1][name] if len(bounds) > 1 else None,
                peer=np.asarray(peers[name], dtype=np.float64) if name in peers else None,
                values=v - self.old[name] if name in self.old else None,
            )
            for name, v in exact.items()
        }


def named(name: str, layers: Layers) -> dict[str, Array]:
    """Return the arrays of all layers by name, such as "zs[0]".

    Parameters
    ----------
    name : str
    layers : list of ndarray
    """
    return {f"{name}[{layer}]": v for layer, v in enumerate(layers)}


def after_step(weights: Layers, biases: Layers) -> dict[str, Array]:
    """Return weights and biases by the names that they have after a step.

    Parameters
    ----------
    weights : sequence of ndarray (sizes[l + 1], sizes[l])
    biases : sequence of ndarray (sizes[l + 1], 1)
    """
    return {**named("new_weights", weights), **named("new_biases", biases)}
