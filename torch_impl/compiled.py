"""Several steps of training in one compiled call: the network's own verbs, recorded and compiled.

What `backprop` and the arithmetic do in STEPS steps is recorded once, autograd's way back included,
and `torch.compile` makes C++ of it. The compiler on the CPU fuses no multiplication with an
addition, so in fixed-point the bits are those of the eager network. What cannot be decided within
is decided afterwards: where an activation came too near a tie, or a number near the end of its
range, the call counts for nothing and the same steps are taken eagerly.
"""

from __future__ import annotations

import copy
import itertools
import logging
import os
import shutil
import time
import warnings
from collections.abc import Callable, Iterator
from threading import get_ident
from typing import Any

import torch
from torch import Tensor

from torch_impl.arithmetic import SIGMOID_ERROR, FixedPoint, on_grid

STEPS = 10  # in one call, which costs as much as a step by itself
PAYS_FROM = 100_000  # steps that are left: fewer are done sooner than the compiler
Call = Callable[..., Any]

_calls: dict[Any, Call] = {}  # of networks that are alike, one


class Recorded(FixedPoint):
    """Fixed-point while it is recorded: no value is looked at, the largest are handed on."""

    def __init__(self, sizes: list[int], doubt: Tensor, delta: Tensor) -> None:
        super().__init__(sizes)
        self.doubt, self.largest_delta = doubt, delta

    def round_delta(self, delta: Tensor) -> Tensor:
        delta = on_grid(delta, self.delta_scale(len(delta)))
        self.largest_delta = torch.maximum(self.largest_delta, delta.abs().amax())
        return delta

    def steps(self, nablas: list[Tensor], rate: Any) -> tuple[list[Tensor], float]:
        factor = rate * self.parameter_scale  # one by one: what is done to a list is not compiled
        return [torch.round(nabla * factor) for nabla in nablas], 1.0 / self.parameter_scale

    def _activation(self, z: Tensor) -> Tensor:
        scaled = torch.sigmoid(z) * self.parameter_scale
        a = scaled.round()
        self.doubt = torch.maximum(self.doubt, (scaled - a).abs().amax())
        return a * (1.0 / self.parameter_scale)


def obstacle(device: torch.device) -> str:
    """Return why nothing can be compiled here, "" where it can."""
    if device.type != "cpu":
        return f"on {device.type} steps are not compiled"
    compilers = [os.environ["CXX"]] if os.environ.get("CXX") else ["g++", "clang++"]
    if not any(map(shutil.which, compilers)):
        return f"no C++ compiler ({' or '.join(compilers)}) is installed"
    return ""


def prepare(net: Any, mini_batch_size: int) -> float:
    """Compile what training in mini-batches of a size will call, and return the seconds."""
    begun = time.monotonic()
    zeros = [torch.zeros(mini_batch_size, n, dtype=net.arithmetic.dtype) for n in net.sizes]
    _at_once(net, [(zeros[0], zeros[-1])] * STEPS, 0.0)
    return time.monotonic() - begun


def update_mini_batches(net: Any, mini_batches: Iterator[Any], eta: float) -> None:
    """Take a step of gradient descent on every mini-batch, several in one call.

    A subclass with a step of its own takes it.
    """
    from torch_impl.network import Network

    own = type(net).update_mini_batch is not Network.update_mini_batch
    while several := list(itertools.islice(mini_batches, STEPS)):
        alike = len(several) == STEPS and len(several[0][0]) == len(several[-1][0])
        if not (net.compiled and alike and not own and _at_once(net, several, eta)):
            for mini_batch in several:
                net.update_mini_batch(mini_batch, eta)


@torch.no_grad()
def _at_once(net: Any, several: list[Any], eta: float) -> bool:
    """Take the steps in one compiled call, or return False and leave them to be taken."""
    arithmetic, fixed = net.arithmetic, isinstance(net.arithmetic, FixedPoint)
    parameters = [v.data for v in (*net.biases, *net.weights)]
    if fixed:
        reach = STEPS * arithmetic._furthest(eta)
        if arithmetic.reach + reach >= arithmetic.room:
            arithmetic.reach = arithmetic.room
            arithmetic.watch(parameters)
        if arithmetic.reach + reach >= arithmetic.room:
            return False
    xs, ys = (list(v) for v in zip(*several, strict=True))
    rate = torch.tensor(eta / len(xs[0]), dtype=arithmetic.dtype)
    peaks = [torch.zeros((), dtype=arithmetic.dtype) for _ in range(2)]
    try:
        new, (doubt, delta) = _call(net, len(xs[0]))(parameters, xs, ys, rate, peaks)
    except Exception as error:  # a compiler can fail in any way
        net.compiled = False
        why = " ".join(str(error).split())[:200]
        warnings.warn(f"steps cannot be compiled, and are taken eagerly: {why}", stacklevel=2)
        return False
    if fixed:
        near = 0.5 - SIGMOID_ERROR * arithmetic.parameter_scale
        if not (doubt.item() <= near and delta.item() < 1.0):
            return False
        arithmetic.reach += reach
        arithmetic.unseen.append(delta)
    torch._foreach_copy_(parameters, new)
    return True


def _call(net: Any, m: int) -> Call:
    # Where a CUDA toolkit lies unused it would warn of that, on every machine without a GPU.
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    kind = type(net), tuple(net.sizes), type(net.arithmetic), m
    if kind not in _calls:
        from torch.fx.experimental.proxy_tensor import make_fx

        kept = {"dtype": net.arithmetic.dtype}
        parameters = [torch.zeros_like(v) for v in (*net.biases, *net.weights)]
        xs, ys = (
            [torch.zeros(m, n, **kept) for _ in range(STEPS)]
            for n in net.sizes[:: len(net.sizes) - 1]
        )
        numbers = [torch.zeros((), **kept) for _ in range(3)]
        graph = make_fx(_recorder(net), tracing_mode="fake")(
            parameters, xs, ys, numbers[0], numbers[1:]
        )
        _calls[kind] = torch.compile(graph, fullgraph=True, options={"cpp_wrapper": True})
    return _calls[kind]


def _recorder(net: Any) -> Call:
    def steps(
        parameters: list[Tensor],
        xs: list[Tensor],
        ys: list[Tensor],
        rate: Tensor,
        peaks: list[Tensor],
    ) -> Any:
        twin, layers = copy.copy(net), len(net.biases)
        twin.within = get_ident()
        if isinstance(net.arithmetic, FixedPoint):
            twin.arithmetic = Recorded(net.sizes, *peaks)
        for x, y in zip(xs, ys, strict=True):
            leaves = [v.detach().requires_grad_() for v in parameters]
            twin.biases, twin.weights = leaves[:layers], leaves[layers:]
            with torch.enable_grad():
                nabla_b, nabla_w = twin.backprop(x, y)
            taken, unit = twin.arithmetic.steps([*nabla_b, *nabla_w], rate)
            parameters = [v - unit * step for v, step in zip(parameters, taken, strict=True)]
        if isinstance(net.arithmetic, FixedPoint):
            peaks = [twin.arithmetic.doubt, twin.arithmetic.largest_delta]
        return parameters, peaks

    return steps
