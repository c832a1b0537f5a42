"""The chain of proofs, link by link in causal order, over one candidate."""

from __future__ import annotations

import contextlib
import importlib.util
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from compare import THREADS
from compare.diagnosis import diagnose
from compare.difference import (
    CandidateError,
    Link,
    Proof,
    Refused,
    Unusable,
    Verdict,
)
from compare.host import MEMORY, TIMEOUT, Host, InProcess, hosted, program
from compare.links import LINKS, Tell, nobody, run
from compare.material import DIGITS, PIXELS, Material, mnist_material, synthetic_material
from compare.supervision import chosen
from compare.trial import Trial
from compare.twins import TorchTwin
from model.mnist_files import find_mnist
from model.parameters import Parameters, check_sizes

SIZES = (PIXELS, 20, DIGITS)
QUICK_STEPS, FULL_STEPS = 600, 10_500  # in a row of one candidate, each looked at
CROWD, THRONG = 1100, 33_000  # examples: more than fit 10 bits, and more than fit 15
QUICK_EXAMPLES, QUICK_SHOWN = 1000, 200  # of the fixed-point epoch, and of the figures
FULL_EPOCHS, ALL = 2, 2**31


@np.errstate(divide="warn", over="warn", under="ignore", invalid="warn")  # whatever a caller set
def prove(
    candidate: type | str | None = None,
    *,
    command: str | None = None,
    device: str | None = None,
    arithmetic: str | None = None,
    sizes: Sequence[int] | None = None,
    data: str | Path | None = None,
    download: Callable[[Path], object] | None = None,
    model: str | Path | None = None,
    quick: bool = True,
    epochs: int | None = None,
    seed: int = 0,
    eta: float = 3.0,
    mini_batch_size: int = 10,
    divergence: Path | None = None,
    links: Sequence[str] | None = None,
    material: Material | None = None,
    timeout: float = TIMEOUT,
    memory: float = MEMORY,
    strict: bool = False,
    on_link: Callable[[Link], object] | None = None,
    tell: Tell = nobody,
) -> Proof:
    """Put a candidate to the proof that it is the reference network, number by number.

    What is not described here is an option of `python -m compare`, and explained by its --help.

    Parameters
    ----------
    candidate : class or str, optional
        See `compare.candidates`; "package.module:Class" or "file.py:Class" names one. Without it:
        torch_impl's network.
    command : str, optional
        A program in any language in place of a class: --program.
    download : callable, optional
        Puts MNIST into a folder, or raises OSError, where a search finds none.
    links : sequence of str, optional
        Only these links.
    material : Material, optional
        What to try it on, in place of all from sizes to mini_batch_size.
    on_link : callable (link), optional
        Called with every link as it ends.
    tell : callable (text), optional
        Called with the progress within a link.

    Raises
    ------
    Unusable
        The candidate cannot be started, lacks export or trace, or does not take these sizes.
    OSError, ValueError
        The data or a parameter file are missing or damaged.
    """
    if command is not None:
        host = program(command, timeout, memory)
    elif candidate is None:
        host = InProcess(chosen(own_network(), arithmetic, device), notice="")
    else:
        host = hosted(candidate, arithmetic, device, timeout, memory)
    told = any(name in os.environ for name in THREADS)
    with contextlib.closing(host), threadpool_limits(None if told else 1):
        if material is None:
            trained = None if model is None else Parameters.load(model)
            wanted = check_sizes(list(sizes or SIZES)) if trained is None else trained.sizes
            material = gathered(wanted, data, quick, epochs, seed, download)
            most = len(material.images)
            if not 1 <= mini_batch_size <= most:
                raise Unusable(
                    f"--mini-batch-size: expected 1 to {most:,}, the examples that are tried; "
                    f"received {mini_batch_size:,}"
                )
            if divergence and host.dtype == "fixed-point":
                raise Unusable("--divergence: in fixed-point two networks never part")
            starts = material.starts if trained is None else {**material.starts, "trained": trained}
            given: dict[str, Any] = {"eta": eta, "mini_batch_size": mini_batch_size}
            material = replace(material, starts=starts, divergence=divergence, **given)
        material = material.for_dtype(host.dtype)
        done = []
        for link in tried(host, material, links, tell):
            done.append(link)
            if on_link is not None:
                on_link(link)
        return concluded(host, material, done, strict)


def own_network() -> type:
    """Return torch_impl's network as a candidate; to try one of one's own needs no PyTorch."""
    if importlib.util.find_spec("torch") is None:
        raise Unusable(
            "torch_impl needs PyTorch: install PyTorch (pip install 'jalebi[torch]'), or name "
            "another --candidate"
        )
    import torch  # noqa: F401, before the number of its threads is set

    return TorchTwin


def gathered(
    sizes: Sequence[int],
    data: str | Path | None,
    quick: bool,
    epochs: int | None,
    seed: int,
    download: Callable[[Path], object] | None = None,
) -> Material:
    """Return what a proof is tried on: MNIST for 784 inputs and 10 outputs, else random images."""
    settings: dict[str, Any] = {
        "seed": seed,
        "quick": quick,
        "steps": QUICK_STEPS if quick else FULL_STEPS,
        "crowd": CROWD,
        "throng": THRONG,
        "shown": QUICK_SHOWN if quick else ALL,
    }
    if (sizes[0], sizes[-1]) != (PIXELS, DIGITS):
        if data is not None:
            raise Unusable(
                f"--data has images of {PIXELS} pixels and {DIGITS} digits, and sizes "
                f"{list(sizes)} do not take them: leave it out, and random images are drawn"
            )
        examples = 500 if quick else 5000
        settings["epochs"] = 1 if epochs is None else epochs
        return synthetic_material(sizes, examples=examples, tests=200, **settings)
    files = find_mnist(data, download)
    source = {"mnist": "MNIST", "synthetic": "synthetic digits"}.get(files.kind, str(files.folder))
    found = mnist_material(files.folder, sizes, notice=files.notice, source=source, **settings)
    if epochs is None and quick:
        part = slice(0, QUICK_EXAMPLES)
        return replace(found, images=found.images[part], labels=found.labels[part])
    return replace(found, epochs=FULL_EPOCHS if epochs is None else epochs)


def tried(
    host: Host, material: Material, links: Sequence[str] | None, tell: Tell = nobody
) -> Iterator[Link]:
    """Yield every link as it ends; a candidate that cannot be built is told of once."""
    unknown = [name for name in links or () if name not in LINKS]
    if unknown:
        raise Unusable(f"links: expected some of {', '.join(LINKS)}, received {unknown[0]!r}")
    failed: Link | None = None
    try:
        first = Trial(host, material.initial)
        if not first.offers("export"):
            raise Unusable(f"{host.label} lacks the method export() -> (weights, biases)")
        if not (first.offers("trace") or first.offers("feedforward")):
            raise Unusable(f"{host.label} lacks the method trace(x) -> (zs, activations)")
    except Refused:
        pass  # the links report this, each as its own
    except CandidateError as error:
        text = f"the candidate could not be built: {error}"
        failed = Link("", Verdict.ERROR, text, trace=error.trace)
    for name in LINKS:
        if links is not None and name not in links:
            continue
        if failed is None or name == "reference":
            yield run(name, host, material, tell)
        else:
            yield replace(failed, name=name)
            failed = Link("", Verdict.NOT_TRIED, "the candidate could not be built")


def concluded(host: Host, material: Material, links: Sequence[Link], strict: bool) -> Proof:
    """Return the proof, with a diagnosis where it failed."""
    settings = {
        "sizes": list(material.sizes),
        "arithmetic": material.dtype,
        "data": material.source,
        **{k: getattr(material, k) for k in ("quick", "steps", "seed", "eta", "mini_batch_size")},
        "threads": os.environ.get("OMP_NUM_THREADS", "1"),
    }
    notice = ". ".join(filter(None, (material.notice, host.notice)))
    proof = Proof(host.label, tuple(links), settings, notice, strict=strict)
    broken = proof.first_broken
    if broken is None or broken.verdict is not Verdict.DIFFERENT:
        return proof
    if broken.name == "reference":
        return replace(proof, diagnosis="the reference itself is wrong: mend reference/network.py")
    return replace(proof, diagnosis=diagnose(host, material, broken).sentence)
