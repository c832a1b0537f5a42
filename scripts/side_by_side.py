"""Trains networks at once, in a process each: both backends and the proof of one, or many seeds."""

from __future__ import annotations

import functools
import multiprocessing
import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from model.atomic_write import sole_writer
from model.mnist_files import MnistFiles
from model.parameters import Parameters
from scripts.command_line import PACKAGES, Settings, load_examples, network
from scripts.training import Run, percent, validation_news

POLL_SECONDS = 0.5  # how often processes that send nothing are looked at

ENDED = -1  # in place of the epochs done: the last that is told of a run

OnNews = Callable[[str, int, str], object]  # of a run: epochs done, the validation accuracy


@dataclass(frozen=True)
class Trained:
    """How one backend's run went."""

    fingerprints: list[str]  # after every epoch
    seconds: float  # of its training, the time to start left out
    parameters: Parameters  # after the last epoch
    failure: str = ""  # what ended it early


@dataclass(frozen=True)
class Job:
    """One training run; what has an output is kept there, and taken up where it was stopped."""

    settings: Settings
    start: Parameters
    output: Path | None = None
    compile: bool | None = None  # of PyTorch's network


@dataclass(frozen=True)
class QuickProof:
    """The proof of the PyTorch network, in a process that has nothing to train."""

    data: str | None
    device: str


def train_both(
    settings: Settings,
    start: Parameters,
    files: MnistFiles,
    on_news: OnNews,
    compile: bool | None = None,
    data: str | None = None,
) -> dict[str, Any]:
    """Train both backends from the same start and return how each went, by name, and the proof.

    The device is the PyTorch network's. What stops one of them stops all, and is raised here.
    """
    jobs: dict[str, Job | QuickProof] = {
        "numpy": Job(replace(settings, backend="numpy", device="cpu"), start),
        "torch": Job(replace(settings, backend="torch"), start, compile=compile),
        "proof": QuickProof(data, settings.device),
    }
    return train_all(jobs, files, max(2, min(len(jobs), os.cpu_count() or 1)), on_news)


def train_all(
    jobs: Mapping[str, Job | QuickProof], files: MnistFiles, processes: int, on_news: OnNews
) -> dict[str, Any]:
    """Do so many at a time, each in a process of its own, and return how each went, by name.

    What stops one of them stops all, and is raised here; but one that overflows alone, if it has
    an output, leaves the others alone: its `failure` says so.
    """
    context = multiprocessing.get_context("spawn")
    news: Any = context.Queue()
    pool = ProcessPoolExecutor(processes, context, _begin, (news, files))
    runs: dict[str, Future[Any]] = {}
    try:
        with _interrupts_wait():  # those that are started here inherit it: this process hears them
            for name, job in jobs.items():
                work: Any = train_one if isinstance(job, Job) else prove_quickly
                runs[name] = pool.submit(work, name, job)
        listen(news, list(runs.values()), on_news)
        return {name: run.result() for name, run in runs.items()}
    except BaseException as error:
        for run in runs.values():
            run.cancel()
        for process in multiprocessing.active_children():
            process.terminate()
        if isinstance(error, BrokenProcessPool):
            raise ChildProcessError("a process was ended from outside") from None
        raise
    finally:
        pool.shutdown()


@contextmanager
def _interrupts_wait() -> Iterator[None]:
    """Ctrl-C, which a terminal sends to every process, and SIGTERM are heard after the block."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_news: Any = None  # in a training process: where it tells how far it is
_files: Any = None  # and what it trains on


def _begin(news: Any, files: MnistFiles) -> None:
    global _news, _files
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])  # by which its parent ends it
    _news, _files = news, files
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()  # for ever, unless it is killed
    os._exit(1)


def train_one(name: str, job: Job) -> Trained:
    """Train one network in a process of its own and tell about every epoch."""
    fingerprints: list[str] = []
    with nullcontext() if job.output is None else sole_writer(job.output):
        data = read(job.settings.backend)
        run = Run(job.settings, job.start, _files, job.output, data, job.compile)
        if job.output is not None:
            run.resume()
        begun, failure = time.monotonic(), ""

        def tell(done: int, parameters: Parameters) -> None:
            fingerprints.append(parameters.fingerprint)
            _news.put((name, done, validation_news(parameters)))

        try:
            run.train(tell)
        except OverflowError as error:
            if job.output is None:
                raise
            failure = str(error)
    _news.put((name, ENDED, ""))
    return Trained(fingerprints, time.monotonic() - begun, run.parameters, failure)


def prove_quickly(name: str, asked: QuickProof) -> Any:
    """Return the proof, and tell which link it is at."""
    from compare import prove

    settings: dict[str, Any] = {"data": asked.data, "device": asked.device, "epochs": 0}
    proof = prove(**settings, on_link=lambda link: _news.put((name, 0, link.name)))
    _news.put((name, ENDED, ""))
    return proof


@functools.cache
def read(backend: str) -> tuple[Any, Any, Any]:
    """Return the examples, which a process reads once for all that it trains."""
    return load_examples(_files, backend)


def listen(news: Any, runs: list[Future[Any]], on_news: OnNews) -> None:
    """Pass on what the training processes tell, or raise what stopped one of them."""
    ended = 0
    while ended < len(runs):
        try:
            name, done, text = news.get(timeout=POLL_SECONDS)
        except queue.Empty:
            for run in runs:
                if run.done():
                    run.result()
        else:
            if done == ENDED:
                ended += 1
            else:
                on_news(name, done, text)


def first_difference(trained: dict[str, Trained]) -> int | None:
    """Return the first epoch, counted from 1, after which the two differ, or None."""
    pairs = zip(*(trained[backend].fingerprints for backend in PACKAGES), strict=True)
    return next((epoch for epoch, (a, b) in enumerate(pairs, 1) if a != b), None)


def predictions(parameters: Parameters, files: MnistFiles, device: str) -> dict[str, np.ndarray]:
    """Return the digit (N,) that each backend reads in every test image, and the "labels"."""
    test = load_examples(files, "numpy")[2]
    numpy_net = network(parameters, "numpy")
    torch_net = network(parameters, "torch", device=device)
    return {
        "numpy": numpy_net.feedforward(test.x.T).argmax(axis=0),
        "torch": torch_net.feedforward(test.x).argmax(dim=1).cpu().numpy(),
        "labels": test.y,
    }


def table(
    trained: dict[str, Trained], shipped: Parameters, read: dict[str, np.ndarray], device: str
) -> str:
    """Return what the main job found, with `predictions` of the shipped network, as a table."""
    runs = [trained[backend] for backend in PACKAGES]
    accuracy = [one.parameters.metadata["accuracy"] for one in runs]
    labels = read["labels"]
    right = [percent(int(np.sum(read[name] == labels)), len(labels)) for name in PACKAGES]
    agree = int(np.sum(read["numpy"] == read["torch"]))
    rows = [
        ("", "NumPy", f"PyTorch, {device}"),
        ("fingerprint", *(one.fingerprints[-1][:16] for one in runs)),
        ("validation", *(percent(a["validation"][-1], a["validation_of"]) for a in accuracy)),
        ("test accuracy", *(percent(a["test"], a["test_of"]) for a in accuracy)),
        ("seconds", *(f"{one.seconds:.0f}" for one in runs)),
        ("shipped model", *right),
    ]
    lines = [f"{name:<16}{one:<19}{two}".rstrip() for name, one, two in rows]
    lines += [verdict(trained), f"Shipped model: {agree} of {len(labels)} test images read alike."]
    if runs[0].fingerprints[-1] == shipped.fingerprint:
        lines.append("This is model/train.json, trained again to the last bit.")
    return "\n".join(lines)


def verdict(trained: dict[str, Trained]) -> str:
    """Return in words whether the two runs were the same."""
    parted, epochs = first_difference(trained), len(trained["numpy"].fingerprints)
    if parted is None:
        return f"Fingerprints: equal after each of {epochs} epochs."
    return f"Fingerprints: DIFFER from epoch {parted}."
