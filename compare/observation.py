"""What either network shows of its first hidden layer: the arrays that `model.neurons` measures.

Each backend computes with its own layers and its own arithmetic; what they share is the order of
the steps and the type of what comes out, NumPy arrays with a row for each example.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.neurons import mean_activations
from reference.network import Network

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Images that are looked at together: their float64 copy stays small.
TOGETHER = 2000


@dataclass(frozen=True, eq=False)
class Observation:
    """What a network answers and what its first hidden layer does on some images.

    Parameters
    ----------
    zs, activations
        (examples, hidden) weighted inputs and activations of the first hidden layer.
    predictions
        (examples,) digits that the network answers; of equal outputs the lowest.
    held_at
        (hidden,) mean activation of each neuron, as the arithmetic keeps activations.
    ablated_predictions
        (hidden, examples) digits that it answers while that hidden neuron is held there.
    """

    zs: FloatArray
    activations: FloatArray
    predictions: IntArray
    held_at: FloatArray
    ablated_predictions: IntArray


def observe(net: Any, images: NDArray[Any]) -> Observation:
    """Show a network some images, whole and with each neuron of its first hidden layer held.

    Parameters
    ----------
    net : reference.network.Network or torch_impl.network.Network
        With one hidden layer or more.
    images
        (examples, pixels).

    Raises
    ------
    ValueError
        Where there is no image, or the images do not fit the network.
    """
    if not len(images):
        raise ValueError("images: expected one or more, received none")
    trace, rest, kept = _columns(net) if isinstance(net, Network) else _rows(net)
    parts = [trace(images[k : k + TOGETHER]) for k in range(0, len(images), TOGETHER)]
    zs, activations, outputs = (np.concatenate(part) for part in zip(*parts, strict=True))
    held_at = kept(mean_activations(activations))
    held = [
        np.argmax(rest(_held(activations, number, mean)), axis=1)
        for number, mean in enumerate(held_at)
    ]
    predictions = np.argmax(outputs, axis=1)
    return Observation(zs, activations, predictions, held_at, np.array(held))


def _held(activations: FloatArray, number: int, value: float) -> FloatArray:
    """The activations with one neuron's replaced by a value on every example."""
    held = activations.copy()
    held[:, number] = value
    return held


def _columns(net: Network) -> tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]:
    """How the NumPy network traces images, goes on from the hidden layer, and keeps activations."""

    def trace(images: NDArray[Any]) -> tuple[FloatArray, FloatArray, FloatArray]:
        zs, activations = net.trace(images.T)
        wanted = (zs[0], activations[1], activations[-1])
        first, second, last = (np.asarray(v.T, dtype=np.float64) for v in wanted)
        return first, second, last

    def rest(hidden: FloatArray) -> FloatArray:
        a = hidden.T.astype(net.arithmetic.dtype)
        for b, w in zip(net.biases[1:], net.weights[1:], strict=True):
            a = net.arithmetic.sigmoid(np.dot(w, a) + b)
        return a.T

    return trace, rest, net.arithmetic.parameters


def _rows(net: Any) -> tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]:
    """The same of the PyTorch network, which torch alone can do."""
    import torch

    def trace(images: NDArray[Any]) -> tuple[FloatArray, FloatArray, FloatArray]:
        zs, activations = net.trace(torch.tensor(images, device=net.device))
        wanted = (zs[0], activations[1], activations[-1])
        first, second, last = (v.cpu().double().numpy() for v in wanted)
        return first, second, last

    @torch.no_grad()
    def rest(hidden: FloatArray) -> FloatArray:
        a = torch.tensor(hidden, dtype=net.weights[0].dtype, device=net.device)
        for b, w in zip(net.biases[1:], net.weights[1:], strict=True):
            a = net.arithmetic.sigmoid(a @ w.T + b)
        return a.cpu().double().numpy()

    def kept(activations: FloatArray) -> FloatArray:
        return net.arithmetic.parameters(activations).cpu().double().numpy()

    return trace, rest, kept
