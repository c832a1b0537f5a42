"""Several steps of training in one call: the network's own verbs, recorded, and compiled if asked.

What `backprop` and the arithmetic do in STEPS steps is recorded once, autograd's way back included.
Played back by TorchScript it does without Python and autograd's engine, in the same kernels: the
bits are those of the steps one by one. `torch.compile` makes C++ of it, which on the CPU fuses no
multiplication with an addition: in fixed-point the bits are the same, in floating point it rounds
in other places. What cannot be decided within is decided afterwards: where an activation came too
near a tie, or a number near the end of its range, the call counts for nothing and the same steps
are taken one by one.
"""

from __future__ import annotations

import copy
import logging
import os
import shutil
import time
import warnings
from collections import Counter
from collections.abc import Callable
from threading import get_ident
from typing import Any

import torch
from torch import Tensor

from torch_impl.arithmetic import SIGMOID_ERROR, FixedPoint, Float32, Float64, on_grid
from torch_impl.device import threads_for
from torch_impl.examples import mini_batches

STEPS = 10  # in one call
VERBS = "trace", "cost_derivative", "backprop", "update_mini_batch"  # what a step is made of
RECORDED_FROM = 10_000  # steps taken one by one, which took as long as it takes to record ten
Call = Callable[..., Any]

_calls: dict[Any, Call] = {}  # of networks that are alike, one
_taken: Counter[Any] = Counter()  # and the steps that they took one by one


class Recorded(FixedPoint):
    """Fixed-point while it is recorded: no value is looked at, all that matter are handed on."""

    def __init__(self, sizes: list[int]) -> None:
        super().__init__(sizes)
        self.doubts: list[Tensor] = []  # how far activations were from the grid, in its units
        self.deltas: list[Tensor] = []

    def round_delta(self, delta: Tensor) -> Tensor:
        self.deltas.append(on_grid(delta, self.delta_scale(len(delta))))
        return self.deltas[-1]

    def steps(self, nablas: list[Tensor], rate: Any) -> tuple[list[Tensor], float]:
        factor = rate * self.parameter_scale  # one by one: what is done to a list is not compiled
        return [torch.round(nabla * factor) for nabla in nablas], 1.0 / self.parameter_scale

    def _activation(self, z: Tensor) -> Tensor:
        scaled = torch.sigmoid(z) * self.parameter_scale
        a = scaled.round()
        self.doubts.append(scaled - a)
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
    rows, dtype = STEPS * mini_batch_size, net.arithmetic.dtype
    x, y = (torch.zeros(rows, n, dtype=dtype) for n in (net.sizes[0], net.sizes[-1]))
    _at_once(net, x, y, 0.0)
    return time.monotonic() - begun


def update_mini_batches(
    net: Any, x: Tensor, y: Tensor, order: Tensor, mini_batch_size: int, eta: float
) -> None:
    """Take a step of gradient descent on every mini-batch, several in one call.

    Whoever has changed what a step is made of takes every step by itself.
    """
    ours, dtype = net.device.type == "cpu" and _as_written(net), net.arithmetic.dtype
    with threads_for(mini_batch_size * max(w.numel() for w in net.weights)):
        for examples in order.split(STEPS * mini_batch_size):
            kind = _kind(net, mini_batch_size, eta / mini_batch_size)
            wanted = _taken[kind] >= RECORDED_FROM if net.compiled is None else net.compiled
            if ours and wanted and len(examples) == STEPS * mini_batch_size:
                ((x_taken, y_taken),) = mini_batches(x, y, examples, len(examples), dtype)
                if _at_once(net, x_taken, y_taken, eta):
                    continue
            for mini_batch in mini_batches(x, y, examples, mini_batch_size, dtype):
                net.update_mini_batch(mini_batch, eta)
                _taken[kind] += 1


def _as_written(net: Any) -> bool:
    """Whether no subclass, patch or arithmetic of one's own changes what a step is made of.

    Of such a change a record would know what it did in ten steps, and not what it does in others.
    """
    from torch_impl.network import Network

    def names(verb: Any) -> tuple[Any, ...]:
        return getattr(verb, "__module__", ""), getattr(verb, "__qualname__", "")

    written = [(Network.__module__, f"{Network.__qualname__}.{verb}") for verb in VERBS]
    verbs = [names(getattr(type(net), verb)) for verb in VERBS]
    kept = type(net.arithmetic) in (Float64, Float32, FixedPoint)
    return verbs == written and kept and not {*VERBS} & net.__dict__.keys()


@torch.no_grad()
def _at_once(net: Any, x: Tensor, y: Tensor, eta: float) -> bool:
    """Take STEPS steps on so many mini-batches, or return False and leave them to be taken."""
    arithmetic, fixed = net.arithmetic, isinstance(net.arithmetic, FixedPoint)
    parameters = [v.data for v in (*net.biases, *net.weights)]
    if fixed:
        reach = STEPS * arithmetic._furthest(eta)
        if arithmetic.reach + reach >= arithmetic.room:
            arithmetic.reach = arithmetic.room
            arithmetic.watch(parameters)
        if arithmetic.reach + reach >= arithmetic.room:
            return False
    rate = eta / (len(x) // STEPS)
    try:
        found = _called(net, rate, parameters, x, y, torch.tensor(rate, dtype=arithmetic.dtype))
    except Exception as error:  # a compiler can fail in any way
        asked, net.compiled = net.compiled, False
        why = " ".join(str(error).split())[:200]
        if asked:
            warnings.warn(
                f"steps cannot be compiled, and are taken one by one: {why}", stacklevel=2
            )
        return False
    if fixed:
        doubt, delta = found[len(parameters) :]
        near = 0.5 - SIGMOID_ERROR * arithmetic.parameter_scale
        if not (doubt.item() <= near and delta.item() < 1.0):
            return False
        arithmetic.reach += reach
        arithmetic.unseen.append(delta)
    torch._foreach_copy_(parameters, list(found[: len(parameters)]))
    return True


def _kind(net: Any, m: int, rate: float) -> tuple[Any, ...]:
    """Return what is the same in networks that take steps alike: compiled, at any rate."""
    return type(net), tuple(net.sizes), type(net.arithmetic), m, None if net.compiled else rate


def _called(net: Any, rate: float, *given: Any) -> Any:
    parameters, *others = given
    kind = _kind(net, len(others[0]) // STEPS, rate)
    if kind not in _calls:
        from torch.fx.experimental.proxy_tensor import make_fx

        # Copies: of two inputs that are one tensor only one would be recorded.
        examples = ([v.clone() for v in parameters], *(v.clone() for v in others))
        graph = make_fx(_recorder(net, kind[-1]), tracing_mode="fake")(*examples)
        _calls[kind] = _compiled(graph) if net.compiled else _played_back(graph, examples)
    return _calls[kind](*given)


def _compiled(graph: Any) -> Call:
    # Where a CUDA toolkit lies unused it would warn of that, on every machine without a GPU.
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    return torch.compile(graph, fullgraph=True, options={"cpp_wrapper": True})


def _played_back(graph: Any, given: Any) -> Call:
    aten = torch.ops.aten
    for node in list(graph.graph.nodes):
        if node.target is aten.alias.default:
            node.replace_all_uses_with(node.args[0])
            graph.graph.erase_node(node)
        elif node.target is aten.addmm.default:  # TorchScript would add by itself: other bits
            b, x, w = node.args
            node.target, node.args = aten.linear.default, (x, w.args[0], b)
    graph.graph.eliminate_dead_code()
    graph.recompile()
    with warnings.catch_warnings():  # of what is to replace it one day
        warnings.simplefilter("ignore")
        return torch.jit.trace(graph, given, check_trace=False, strict=False)


def _recorder(net: Any, fixed_rate: float | None) -> Call:
    def steps(parameters: list[Tensor], x: Tensor, y: Tensor, rate: Tensor) -> Any:
        twin, layers = copy.copy(net), len(net.biases)
        twin.within = get_ident()
        if isinstance(net.arithmetic, FixedPoint):
            twin.arithmetic = Recorded(net.sizes)
        for mini_batch in zip(x.chunk(STEPS), y.chunk(STEPS), strict=True):
            leaves = [v.detach().requires_grad_() for v in parameters]
            twin.biases, twin.weights = leaves[:layers], leaves[layers:]
            with torch.enable_grad():
                nabla_b, nabla_w = twin.backprop(*mini_batch)
            by = rate if fixed_rate is None else fixed_rate
            taken, unit = twin.arithmetic.steps([*nabla_b, *nabla_w], by)
            pairs = zip(parameters, taken, strict=True)
            if isinstance(unit, Tensor):
                parameters = [v - unit * step for v, step in pairs]
            else:
                parameters = [v.sub(step, alpha=unit) for v, step in pairs]
        seen = []  # in fixed-point: what is to be looked at afterwards
        if isinstance(net.arithmetic, FixedPoint):
            seen = [twin.arithmetic.doubts, twin.arithmetic.deltas]
        largest = [torch.cat([v.reshape(-1) for v in many]).abs().amax() for many in seen]
        return [*parameters, *largest]

    return steps
