"""Trains both backends at once, in a process each, and compares them after every epoch."""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from model.mnist_files import MnistFiles
from model.parameters import Parameters
from scripts.command_line import PACKAGES, Settings, load_examples, network
from scripts.training import Run, percent, validation_news

POLL_SECONDS = 0.5  # how often processes that send nothing are looked at

OnNews = Callable[[str, int, str], object]  # of a backend: epochs done, the validation accuracy


@dataclass(frozen=True)
class Trained:
    """How one backend's run went."""

    fingerprints: list[str]  # after every epoch
    seconds: float  # of its training, the time to start left out
    parameters: Parameters  # after the last epoch


def train_both(
    settings: Settings,
    start: Parameters,
    files: MnistFiles,
    on_news: OnNews,
    compile: bool | None = False,
) -> dict[str, Trained]:
    """Train both backends from the same start and return how each went, by name.

    The device is the PyTorch network's. What stops one of them stops both, and is raised here.
    """
    context = multiprocessing.get_context("spawn")
    news: Any = context.Queue()
    pool = ProcessPoolExecutor(len(PACKAGES), context, _begin, (news,))
    each = {
        "numpy": replace(settings, backend="numpy", device="cpu"),
        "torch": replace(settings, backend="torch"),
    }
    try:
        with _interrupts_wait():  # those that are started here inherit it: this process hears them
            runs = {
                name: pool.submit(
                    train_one, own, start, files, compile if name == "torch" else False
                )
                for name, own in each.items()
            }
        listen(news, list(runs.values()), settings.epochs, on_news)
        return {name: run.result() for name, run in runs.items()}
    except BaseException as error:
        for process in multiprocessing.active_children():
            process.terminate()
        if isinstance(error, BrokenProcessPool):
            raise ChildProcessError("a training process was ended from outside") from None
        raise
    finally:
        pool.shutdown()


@contextmanager
def _interrupts_wait() -> Iterator[None]:
    """Ctrl-C, which a terminal sends to every process, is heard when the block is over."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_news: Any = None  # in a training process: where it tells how far it is


def _begin(news: Any) -> None:
    global _news
    _news = news
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()  # for ever, unless it is killed
    os._exit(1)


def train_one(
    settings: Settings, start: Parameters, files: MnistFiles, compile: bool | None = False
) -> Trained:
    """Train one backend in a process of its own and tell about every epoch."""
    run, fingerprints = Run(settings, start, files, compile=compile), []
    begun = time.monotonic()

    def tell(done: int, parameters: Parameters) -> None:
        fingerprints.append(parameters.fingerprint)
        _news.put((settings.backend, done, validation_news(parameters)))

    parameters = run.train(tell)
    return Trained(fingerprints, time.monotonic() - begun, parameters)


def listen(news: Any, runs: list[Future[Trained]], epochs: int, on_news: OnNews) -> None:
    """Pass on what the training processes tell, or raise what stopped one of them."""
    told = 0
    while told < len(runs) * epochs:
        try:
            on_news(*news.get(timeout=POLL_SECONDS))
            told += 1
        except queue.Empty:
            for run in runs:
                if run.done():
                    run.result()


def first_difference(trained: dict[str, Trained]) -> int | None:
    """Return the first epoch, counted from 1, after which the two differ, or None."""
    pairs = zip(*(one.fingerprints for one in trained.values()), strict=True)
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
