"""Where the PyTorch network computes: the CPU or a CUDA device, always in full precision."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

import torch

SHARED_FROM = 2**19  # multiplications of a matrix product, from which a second thread helps


def choose_device(device: str | torch.device = "cpu") -> torch.device:
    """Return the device, having made sure that it is there and that it will not round to TF32.

    On CUDA this turns TF32 off for the process: with it a float32 product keeps 11 bits of 24.
    ValueError where the name is not "cpu", "cuda" or "cuda:N", or the machine does not have it.
    """
    name = str(device)
    kind, _, number = name.partition(":")
    if not re.fullmatch("cpu(:0)?|cuda(:(0|[1-9][0-9]*))?", name):
        raise ValueError(f"device is cpu, cuda or cuda:N; received {name!r}")
    if kind == "cuda":
        if not torch.cuda.is_available():
            raise ValueError(f"device {name!r} needs CUDA, and PyTorch finds none here: use cpu")
        found = torch.cuda.device_count()
        if int(number or 0) >= found:
            raise ValueError(
                f"device {name!r} does not exist; PyTorch finds {found}, numbered from 0"
            )
        torch.backends.cuda.matmul.allow_tf32 = False
    return torch.device(name)


@contextlib.contextmanager
def threads_for(multiplications: int) -> Iterator[None]:
    """Keep products so small on one thread: to share them takes longer than to compute them."""
    threads = torch.get_num_threads()
    if multiplications < SHARED_FROM:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
