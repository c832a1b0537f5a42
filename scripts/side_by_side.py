"""Trains both backends at once, in a process each, and compares them after every epoch."""

from __future__ import annotations

import multiprocessing
import queue
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from model.mnist_files import MnistFiles
from model.parameters import Parameters
from scripts.command_line import PACKAGES, load_examples, network
from scripts.training import Run, Settings, percent, validation_news

POLL_SECONDS = 1.0  # how often a process is looked at that sends nothing


@dataclass
class Trained:
    """How one backend's run went.

    Parameters
    ----------
    fingerprints : list of str
        After every epoch.
    seconds : float
        Of its training, the time to start left out.
    parameters : Parameters or None
        After the last epoch.
    """

    fingerprints: list[str] = field(default_factory=list)
    seconds: float = 0.0
    parameters: Parameters | None = None


@dataclass(frozen=True)
class News:
    """What a training process sends after an epoch, or when it fails.

    Parameters
    ----------
    backend : str
    epochs_done : int
    fingerprint : str
    text : str
        The validation accuracy in words.
    seconds : float
        Since its training began.
    error : Exception or None
    """

    backend: str
    epochs_done: int = 0
    fingerprint: str = ""
    text: str = ""
    seconds: float = 0.0
    error: Exception | None = None


def train_both(
    settings: Settings, start: Parameters, files: MnistFiles, on_news: Callable[[News], object]
) -> dict[str, Trained]:
    """Train both backends from the same start and return how each went.

    Parameters
    ----------
    settings : Settings
        The device is the PyTorch network's; the backend is not looked at.
    start : Parameters
    files : MnistFiles
    on_news : callable (News)
        Called after every epoch of either.

    Raises
    ------
    Exception
        What stopped one of them.
    """
    context = multiprocessing.get_context("spawn")
    news: Any = context.Queue()
    with tempfile.TemporaryDirectory() as folder:
        outputs = {backend: Path(folder) / f"{backend}.json" for backend in PACKAGES}
        processes = [
            context.Process(
                target=train_one,
                args=(for_backend(settings, backend), start, files, output, news),
                daemon=True,
            )
            for backend, output in outputs.items()
        ]
        for process in processes:
            process.start()
        try:
            trained = listen(news, processes, settings.epochs, on_news)
            for process in processes:
                process.join()
        finally:
            for process in processes:
                process.terminate()
        for backend, output in outputs.items():
            trained[backend].parameters = Parameters.load(output)
    return trained


def for_backend(settings: Settings, backend: str) -> Settings:
    """Return the settings for one backend; NumPy computes on the cpu.

    Parameters
    ----------
    settings : Settings
    backend : str
    """
    device = settings.device if backend == "torch" else "cpu"
    return replace(settings, backend=backend, device=device)


def train_one(
    settings: Settings, start: Parameters, files: MnistFiles, output: Path, news: Any
) -> None:
    """Train one backend and send what it comes to; runs in a process of its own.

    Parameters
    ----------
    settings : Settings
    start : Parameters
    files : MnistFiles
    output : Path
        Where the parameters go.
    news : multiprocessing.Queue of News
    """
    backend = settings.backend
    with suppress(KeyboardInterrupt):  # the main process speaks of it
        try:
            run = Run(settings, start, files, output)
            begun = time.monotonic()

            def send(done: int, saved: Parameters) -> None:
                seconds = time.monotonic() - begun
                text = validation_news(saved)
                news.put(News(backend, done, saved.fingerprint, text, seconds))

            run.train(send)
        except Exception as error:
            news.put(News(backend, error=error))


def listen(
    news: Any, processes: list[Any], epochs: int, on_news: Callable[[News], object]
) -> dict[str, Trained]:
    """Collect what the training processes send until both are through.

    Parameters
    ----------
    news : multiprocessing.Queue of News
    processes : list of multiprocessing.Process
    epochs : int
        Of each.
    on_news : callable (News)

    Raises
    ------
    Exception
        What a process sent, or ChildProcessError when one is gone without a word.
    """
    trained = {backend: Trained() for backend in PACKAGES}
    while any(len(one.fingerprints) < epochs for one in trained.values()):
        try:
            item: News = news.get(timeout=POLL_SECONDS)
        except queue.Empty:
            if any(process.exitcode not in (None, 0) for process in processes):
                raise ChildProcessError("a training process was ended from outside") from None
            continue
        if item.error is not None:
            raise item.error
        trained[item.backend].fingerprints.append(item.fingerprint)
        trained[item.backend].seconds = item.seconds
        on_news(item)
    return trained


def first_difference(trained: dict[str, Trained]) -> int | None:
    """Return the first epoch, counted from 1, after which the two differ, or None.

    Parameters
    ----------
    trained : dict of str to Trained
    """
    pairs = zip(*(one.fingerprints for one in trained.values()), strict=True)
    return next((epoch for epoch, (a, b) in enumerate(pairs, 1) if a != b), None)


def predictions(parameters: Parameters, files: MnistFiles, device: str) -> dict[str, np.ndarray]:
    """Return the digit that each backend reads in every test image.

    Parameters
    ----------
    parameters : Parameters
    files : MnistFiles
    device : str
        Of the PyTorch network.

    Returns
    -------
    dict of str to ndarray (N,)
        Also "labels": what the images show.
    """
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
    """Return what the main job found, as a table that is read in ten seconds.

    Parameters
    ----------
    trained : dict of str to Trained
    shipped : Parameters
        model/train.json.
    read : dict of str to ndarray
        As `predictions` returns.
    device : str
        Of the PyTorch network.
    """
    runs = [trained[backend] for backend in PACKAGES]
    made = [one.parameters for one in runs]
    accuracy = [one.metadata["accuracy"] for one in made if one is not None]
    labels = read["labels"]
    agree = int(np.sum(read["numpy"] == read["torch"]))
    rows = [
        ("", "NumPy", f"PyTorch, {device}"),
        ("fingerprint", *(one.fingerprints[-1][:16] for one in runs)),
        ("validation", *(percent(a["validation"][-1], a["validation_of"]) for a in accuracy)),
        ("test accuracy", *(percent(a["test"], a["test_of"]) for a in accuracy)),
        ("seconds", *(f"{one.seconds:.0f}" for one in runs)),
        (
            "shipped model",
            *(percent(int(np.sum(read[b] == labels)), len(labels)) for b in PACKAGES),
        ),
    ]
    notes = {
        "fingerprint": verdict(trained),
        "shipped model": f"{agree} of {len(labels)} test images read alike",
    }
    lines = [
        f"{name:<16}{left:<19}{right:<19}{notes.get(name, '')}".rstrip()
        for name, left, right in rows
    ]
    if runs[0].fingerprints[-1] == shipped.fingerprint:
        lines.append("This is model/train.json, trained again to the last bit.")
    return "\n".join(lines)


def verdict(trained: dict[str, Trained]) -> str:
    """Return in words whether the two runs were the same.

    Parameters
    ----------
    trained : dict of str to Trained
    """
    parted = first_difference(trained)
    epochs = len(trained["numpy"].fingerprints)
    return (
        f"equal after each of {epochs} epochs" if parted is None else f"DIFFER from epoch {parted}"
    )
