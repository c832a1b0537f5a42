"""A network in a file: the JSON of the book's network2, with a format and a fingerprint."""

from __future__ import annotations

import os
from typing import Any

import torch

from model.parameters import Parameters
from torch_impl.arithmetic import Float64


def save(net: Any, path: str | os.PathLike[str]) -> None:
    """Write the network to a JSON file, all of it or nothing, replacing one that exists."""
    Parameters(net.sizes, *net.export()).save(path)


def load(
    cls: Any,
    path: str | os.PathLike[str],
    arithmetic: Float64 = Float64(),
    device: str | torch.device = "cpu",
) -> Any:
    """Return the network that a JSON file holds, ours or one of the book's network2."""
    return cls.from_parameters(Parameters.load(path), arithmetic, device)
