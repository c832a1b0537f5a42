"""What either network shows of its first hidden layer: the arrays that `model.neurons` measures.

Each network computes with its own layers and its own arithmetic; what comes out are NumPy arrays
with a row for each example.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from model.neurons import Observation, mean_activations
from model.selectivity import Array

#: Images that are looked at together: their float64 copy stays small.
TOGETHER = 2000


def observe(net: Any, images: Array) -> Observation:
    """Show a Network some (examples, pixels), whole and with each neuron of its first layer held.

    ValueError where there is no image, or the images do not fit the network.
    """
    if not len(images):
        raise ValueError("images: expected one or more, received none")
    zs, activations, outputs = trace(net, images)
    means = [float(v) for v in net.arithmetic.parameters(mean_activations(activations))]
    return Observation(
        zs,
        activations,
        predictions=outputs.argmax(axis=1),
        frozen=_held(net, activations, means),
        deleted=_held(net, activations, [0.0] * len(means)),
        switched=_answers(net, np.rint(activations)),
    )


def _held(net: Any, activations: Array, values: list[float]) -> Array:
    """The digits (hidden, examples) that follow while one neuron after another is held."""
    held = []
    for number, value in enumerate(values):
        hidden = activations.copy()
        hidden[:, number] = value
        held.append(_answers(net, hidden))
    return np.array(held)


def trace(net: Any, images: Array) -> tuple[Array, Array, Array]:
    """z and activations of the first hidden layer, and the outputs, with examples in rows."""
    parts = []
    for k in range(0, len(images), TOGETHER):
        zs, activations = net.trace(_given(net, images[k : k + TOGETHER]))
        parts.append([_taken(net, v) for v in (zs[0], activations[1], activations[-1])])
    first, second, last = (np.concatenate(part) for part in zip(*parts, strict=True))
    return first, second, last


def _answers(net: Any, hidden: Array) -> Array:
    """The (examples,) digits that follow from (examples, hidden) activations."""
    a = _given(net, hidden)
    for b, w in zip(net.biases[1:], net.weights[1:], strict=True):
        z = a @ w.detach().T + b.detach() if _is_torch(net) else w @ a + b
        a = net.arithmetic.sigmoid(z)
    return _taken(net, a).argmax(axis=1)


# In PyTorch examples are rows on the network's device, in NumPy columns. Its tensors are only asked
# for what they can do: torch itself is not imported here.


def _is_torch(net: Any) -> bool:
    return hasattr(net, "device")


def _given(net: Any, rows: Array) -> Any:
    w = net.weights[0]
    return w.new_tensor(rows) if _is_torch(net) else rows.T.astype(w.dtype)


def _taken(net: Any, v: Any) -> Array:
    return v.cpu().double().numpy() if _is_torch(net) else np.asarray(v.T, dtype=np.float64)
