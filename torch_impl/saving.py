"""A network in a file: the JSON of the book's network2, with a format and a fingerprint."""

from __future__ import annotations

import os
from typing import Any

import torch

from model.parameters import Parameters
from torch_impl.arithmetic import Float64


class Saved:
    """What can be saved and loaded: a network has it from here."""

    sizes: list[int]
    export: Any
    from_parameters: Any

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the network to a JSON file, all of it or nothing, replacing one that exists."""
        Parameters(self.sizes, *self.export()).save(path)

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        arithmetic: Float64 = Float64(),
        device: str | torch.device = "cpu",
    ) -> Any:
        """Return the network that a JSON file holds, ours or one of the book's network2."""
        return cls.from_parameters(Parameters.load(path), arithmetic, device)
