"""The chain of proofs, link by link in causal order, over one candidate."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from compare import (
    data,
    figures,
    forward,
    gradients,
    initial_weights,
    predictions,
    reference_proof,
    training,
    update,
)
from compare.candidates import check_offer, declared_dtype, in_arithmetic, name_of, nearly
from compare.child import MEMORY, TIMEOUT, Child, Gone, sendable
from compare.diagnosis import diagnose
from compare.difference import (
    CandidateError,
    Link,
    NotOffered,
    Proof,
    Refused,
    Untried,
    Unusable,
    Verdict,
    summary,
)
from compare.evidence import Evidence, Tell, nobody
from compare.material import DIGITS, PIXELS, Material, mnist_material, synthetic_material
from compare.trial import Trial
from model.mnist_files import MnistFiles, find_mnist
from model.parameters import Parameters, check_sizes

SIZES = (PIXELS, 20, DIGITS)

LINKS: tuple[ModuleType, ...] = (
    reference_proof,
    data,
    initial_weights,
    forward,
    gradients,
    update,
    training,
    predictions,
    figures,
)
QUICK_STEPS, FULL_STEPS = 100, 5000
QUICK_FOLLOWED, FULL_FOLLOWED = 600, 10_500  # steps in a row of one candidate, each looked at
CROWD, THRONG = 1100, 33_000  # examples: more than fit 10 bits, and more than fit 15
QUICK_EXAMPLES = 1000  # of the fixed-point epoch of a quick proof
FULL_EPOCHS = 2
IN_PROCESS = (
    "the candidate was tried in this process, as it has no name by which another could import it: "
    "what it does to this process (to NumPy, say) is not kept from the proof"
)
OnLink = Callable[[Link], object]


def prove(
    candidate: type | str | None = None,
    *,
    device: str = "cpu",
    arithmetic: str | None = None,
    sizes: Sequence[int] = SIZES,
    data: str | Path | None = None,
    download: Callable[[Path], object] | None = None,
    model: str | Path | None = None,
    quick: bool = True,
    epochs: int | None = None,
    seed: int = 0,
    divergence: Path | None = None,
    links: Sequence[str] | None = None,
    material: Material | None = None,
    timeout: float = TIMEOUT,
    memory: float = MEMORY,
    strict: bool = False,
    on_link: OnLink | None = None,
    tell: Tell = nobody,
) -> Proof:
    """Put a candidate to the proof that it is the reference network, number by number.

    Parameters
    ----------
    candidate : class or str, optional
        See `compare.candidates`; "package.module:Class" names one. Without it: torch_impl's
        network.
    device : str
        Of torch_impl's network: cpu or cuda.
    arithmetic : str, optional
        float64, float32 or fixed-point; by default what the candidate declares.
    sizes : sequence of int
        Other than 784 first and 10 last, random images take the place of MNIST.
    data : str or Path, optional
        A folder with MNIST's files, or "synthetic"; searched for where it is not given.
    download : callable, optional
        Puts MNIST into a folder, or raises OSError, where the search finds none.
    model : str or Path, optional
        A parameter file in place of the trained network; `sizes` are its own.
    quick : bool
        600 steps of training in place of 10,500, and a part of a fixed-point epoch.
    epochs : int, optional
        Of fixed-point training; 0 leaves it out.
    seed : int
        Of the initial weights, where no file holds them, and of the order of the examples.
    divergence : Path, optional
        Where to draw how two networks left free part, a PNG.
    links : sequence of str, optional
        Only these links.
    material : Material, optional
        What to try it on, in place of sizes, data, quick, epochs and seed.
    timeout : float
        Seconds that each call of the candidate may take, in a process of its own.
    memory : float
        GiB that it may take there.
    strict : bool
        Whether a method that is not offered is a failure: the proof is then incomplete.
    on_link : callable, optional
        Called with every link as it ends.
    tell : callable (what, done), optional
        Called with the progress within a link.

    Returns
    -------
    Proof
        A record for every link; `proof.require()` raises where it failed.

    Raises
    ------
    Unusable
        The candidate cannot be imported, lacks export or trace, or does not take these sizes.
    OSError, ValueError
        The data or a parameter file are missing or damaged.
    """
    sizes = check_sizes(list(sizes))
    with hosted(candidate, arithmetic, device, timeout, memory) as (candidate, remark):
        check_offer(candidate)
        if material is None:
            trained = None if model is None else Parameters.load(model)
            sizes = sizes if trained is None else trained.sizes
            material = gathered(sizes, data, quick, epochs, seed, divergence, download)
            if trained is not None:
                material = replace(material, starts={**material.starts, "trained": trained})
        material = material.for_dtype(declared_dtype(candidate))
        material = replace(material, notice=". ".join(filter(None, (material.notice, remark))))
        found = []
        for link in tried(candidate, material, links, tell):
            found.append(link)
            if on_link is not None:
                on_link(link)
        return concluded(candidate, material, found, device, strict)


@contextlib.contextmanager
def hosted(
    candidate: type | str | None,
    arithmetic: str | None,
    device: str,
    timeout: float,
    memory: float,
) -> Iterator[tuple[type, str]]:
    """Yield the candidate as a class, in a process of its own where it can be sent to one.

    With it comes a remark where it cannot, as a class that was made in a function.
    """
    if candidate is None:
        yield own_network(arithmetic or "float64", device), ""
        return
    name = candidate if isinstance(candidate, str) else sendable(candidate)
    child = None
    if name is not None:
        try:
            child = Child(name, arithmetic, timeout, memory)
        except Unusable:
            if isinstance(candidate, str):
                raise
    if child is None:
        yield in_arithmetic(candidate, arithmetic), IN_PROCESS
        return
    with child as found:
        yield found, ""


def tried(
    candidate: type, material: Material, links: Sequence[str] | None, tell: Tell
) -> Iterator[Link]:
    """Yield every link as it ends; a candidate that cannot be built is told of once."""
    failed = buildable(candidate, material)
    for module in chosen_links(links):
        if failed is None or module is reference_proof:
            yield run_link(module, candidate, material, tell)
        elif isinstance(failed, Link):
            yield replace(failed, name=module.NAME)
            failed = "the candidate could not be built"
        else:
            yield Link(module.NAME, Verdict.NOT_TRIED, failed)


def own_network(arithmetic: str, device: str) -> type:
    """Return torch_impl's network as a candidate; to try one of one's own needs no PyTorch.

    Parameters
    ----------
    arithmetic : str
        float64, float32 or fixed-point.
    device : str
        cpu, cuda or cuda:N.

    Raises
    ------
    Unusable
        PyTorch is not installed.
    ValueError
        There is no such device.
    """
    try:
        from compare.torch_twin import torch_candidate
    except ImportError as error:
        raise Unusable(
            f"torch_impl cannot be imported: {error}; install PyTorch, or name another --candidate"
        ) from error
    return torch_candidate(arithmetic, device)


def gathered(
    sizes: Sequence[int],
    data: str | Path | None,
    quick: bool,
    epochs: int | None,
    seed: int,
    divergence: Path | None,
    download: Callable[[Path], object] | None = None,
) -> Material:
    """Return what a proof is tried on: MNIST for 784 inputs and 10 outputs, else random images.

    Parameters
    ----------
    sizes, data, quick, epochs, seed, divergence, download
        As in `prove`.
    """
    chaos: dict[str, Any] = {"steps": QUICK_STEPS if quick else FULL_STEPS}
    chaos |= {"free_steps": QUICK_FOLLOWED if quick else FULL_FOLLOWED, "divergence": divergence}
    chaos |= {"crowd": CROWD, "throng": THRONG}
    if (sizes[0], sizes[-1]) != (PIXELS, DIGITS):
        if data is not None:
            raise Unusable(
                f"--data has images of {PIXELS} pixels and {DIGITS} digits, and sizes "
                f"{list(sizes)} do not take them: leave it out, and random images are drawn"
            )
        examples = 500 if quick else 5000
        chaos |= {"epochs": 1 if epochs is None else epochs}
        return synthetic_material(sizes, seed, examples, tests=200, **chaos)
    files = find_mnist(data, download)
    found = mnist_material(files.folder, sizes, files.notice, described(files), seed)
    found = replace(found, **chaos)
    if not quick or epochs is not None:
        return replace(found, epochs=FULL_EPOCHS if epochs is None else epochs)
    part = slice(0, QUICK_EXAMPLES)
    return replace(found, images=found.images[part], labels=found.labels[part], epochs=1)


def described(files: MnistFiles) -> str:
    """Return what the data are, in a word or two.

    Parameters
    ----------
    files : MnistFiles
    """
    return {"mnist": "MNIST", "synthetic": "synthetic digits"}.get(files.kind, str(files.folder))


def buildable(candidate: type, material: Material) -> Link | str | None:
    """Return the failure of the candidate's constructor as a link, or None where it has none.

    Raises
    ------
    Unusable
        It does not take these sizes.
    """
    try:
        Trial(candidate, material.initial)
    except CandidateError as error:
        sentence = f"the candidate's own error: {error}"
        return Link("", Verdict.ERROR, sentence, trace=error.trace)
    except Refused:
        return None  # the links report these, each as its own
    return None


def chosen_links(names: Sequence[str] | None) -> list[Any]:
    """Return the modules of the chain, or of the links named.

    Parameters
    ----------
    names : sequence of str or None
    """
    known = [module.NAME for module in LINKS]
    unknown = [name for name in names or () if name not in known]
    if unknown:
        raise Unusable(f"links: expected some of {', '.join(known)}, received {unknown[0]!r}")
    return [m for m in LINKS if names is None or m.NAME in names]


def run_link(module: Any, candidate: type, material: Material, tell: Tell = nobody) -> Link:
    """Run one link and return its record, whatever the candidate does.

    Parameters
    ----------
    module : module with NAME and gather(candidate, material, evidence)
    candidate : class
    material : Material
    tell : callable (what, done)
    """
    gone = getattr(getattr(candidate, "child", None), "gone", "")
    if gone and module is not reference_proof:
        return Link(module.NAME, Verdict.NOT_TRIED, gone)
    evidence = Evidence(lambda what, done: tell(f"{module.NAME}: {what}", done))
    start = time.perf_counter()
    verdict, sentence, trace = outcome(module, candidate, material, evidence)
    return Link(
        module.NAME,
        verdict,
        sentence,
        tuple(evidence.differences),
        time.perf_counter() - start,
        evidence.details,
        trace,
    )


def outcome(
    module: Any, candidate: type, material: Material, evidence: Evidence
) -> tuple[Verdict, str, str]:
    """Return verdict, sentence and traceback of a link.

    Parameters
    ----------
    module, candidate, material, evidence
        As in `run_link`.
    """
    try:
        sentence = module.gather(candidate, material, evidence)
        verdict = summary(evidence.differences)
    except NotOffered as missing:
        near = nearly(candidate).get(str(missing))
        hint = f"; it has {near}: rename it" if near else ""
        return Verdict.NOT_OFFERED, f"the candidate has no method {missing}{hint}", ""
    except Untried as why:
        return Verdict.NOT_TRIED, str(why), ""
    except Refused as refused:
        return Verdict.DIFFERENT, f"refused: {refused}", ""
    except CandidateError as error:
        own = "" if isinstance(error, Gone) else "the candidate's own error: "
        return *after_error(evidence, f"{own}{error}"), error.trace
    except (ValueError, OverflowError, OSError) as error:  # Unusable is a ValueError
        return *after_error(evidence, str(error)), ""
    if verdict is not Verdict.DIFFERENT and evidence.verdict is not None:
        verdict = evidence.verdict
    return verdict, sentence, ""


def after_error(evidence: Evidence, error: str) -> tuple[Verdict, str]:
    """Return verdict and sentence of a link that broke off: what was found different stays so.

    Parameters
    ----------
    evidence : Evidence
    error : str
        In words.
    """
    if evidence.broken is None:
        return Verdict.ERROR, error
    return Verdict.DIFFERENT, f"{evidence.broken.in_words}; then {error}"


def concluded(
    candidate: type, material: Material, links: Sequence[Link], device: str, strict: bool
) -> Proof:
    """Return the proof, with a diagnosis where it failed."""
    settings = {
        "sizes": list(material.sizes),
        "arithmetic": material.dtype,
        "device": device,
        "data": material.source,
        "eta": material.eta,
        "mini_batch_size": material.mini_batch_size,
        "seed": material.seed,
        "steps": material.free_steps,
    }
    proof = Proof(name_of(candidate), tuple(links), settings, material.notice, strict=strict)
    broken = proof.first_broken
    if broken is None or broken.verdict is not Verdict.DIFFERENT:
        return proof
    if broken.name == reference_proof.NAME:
        return replace(proof, diagnosis="the reference itself is wrong: mend reference/network.py")
    return replace(proof, diagnosis=diagnose(candidate, material, broken).sentence)
