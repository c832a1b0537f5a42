"""One training run that can be stopped at any moment and resumed without a trace."""

import functools
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from model.atomic_write import check_target, sole_writer
from model.mnist_files import MnistFiles
from model.parameters import Parameters, describe
from scripts import note, processes
from scripts.command_line import Settings, load_examples, network, twin
from scripts.progress import busy, counting

SIZES = (784, 20, 10)
Jobs = Mapping[str, tuple[Settings, Parameters, Path]]  # to train, by name


class Run:
    """A training run: its settings, its data, and how far it has come.

    What cannot be trained or saved is refused at once, before any work is put into it. The
    `parameters` are those after the last finished epoch; their metadata say how they were made.
    They go to `output` after every epoch. Several runs may share `data`, see `load_examples`.
    """

    def __init__(
        self,
        settings: Settings,
        start: Parameters,
        files: MnistFiles,
        output: Path | None = None,
        data: tuple[Any, Any, Any] | None = None,
    ) -> None:
        self.settings, self.output = settings, output
        self.fingerprints: list[str] = []  # after every epoch that was trained here
        self.seconds = 0.0  # that this took
        self.failure = ""  # what ended it early, where others go on without it
        if settings.compile and settings.backend == "numpy":
            raise ValueError("--compile needs --backend torch: NumPy's network is compiled already")
        if output is not None:
            check_target(output)
        if (start.sizes[0], start.sizes[-1]) != (SIZES[0], SIZES[-1]):
            raise ValueError(
                f"sizes {list(start.sizes)} do not fit the data: expected {SIZES[0]} first, a unit "
                f"for each pixel, and {SIZES[-1]} last, one for each digit, such as {list(SIZES)}"
            )
        self.data: tuple[Any, ...] = data or load_examples(files, settings.backend)
        twin(settings.backend, "network").check_settings(
            len(self.data[0]), settings.epochs, settings.mini_batch_size, settings.eta
        )
        made = {
            **start.metadata,
            **{name: value for name, value in asdict(settings).items() if name != "compile"},
            "epochs": 0,
            "initial": start.fingerprint,
            "data": files.sha256,
            "data_kind": files.kind,
            "accuracy": {"validation": []},
        }
        self.parameters = Parameters(start.sizes, start.weights, start.biases, made)
        self._network(self.parameters)  # a device that is not there, layers too large

    @property
    def epochs_done(self) -> int:
        """Epochs that are finished."""
        return int(self.parameters.metadata["epochs"])

    def resume(self) -> None:
        """Take up the run where the output file left it, if there is one.

        A file that this run did not make is refused; the first thing that differs is named.
        """
        if self.output is None or not self.output.exists():
            return
        saved = Parameters.load(self.output)
        for objection in self._objections(saved):
            raise ValueError(f"{self.output}: {objection}, or choose another --output")
        self.parameters = saved

    def _objections(self, saved: Parameters) -> Iterator[str]:
        """Say why this run cannot go on from what was saved: the first objection ends it."""
        here, there = self.parameters.metadata, saved.metadata
        keys = ["arithmetic", "mini_batch_size", "eta", "seed", "initial"]
        if here["arithmetic"] != "fixed-point":  # there, the backends are the same run
            keys += ["backend", "device"]
        data, told = (
            there[key] if isinstance(there.get(key), dict) else {} for key in ("data", "accuracy")
        )
        pairs = [(key, there.get(key), here[key]) for key in keys]
        pairs += [(name, data.get(name), asked) for name, asked in here["data"].items()]
        for key, was, asked in [*pairs, ("sizes", list(saved.sizes), list(self.parameters.sizes))]:
            if was != asked:
                yield (
                    f"was not made by this run: its {key} is {was}, asked for is {asked}: "
                    f"resume with the settings that it was begun with"
                )
        done, history, examples = there.get("epochs"), told.get("validation"), len(self.data[1])
        if type(done) is not int or not isinstance(history, list) or len(history) != done:
            yield (
                f"expected its epochs and a validation accuracy for each, received epochs "
                f"{describe(done)} and {describe(history)}: restore the file"
            )
            return
        for count in (*history, told.get("validation_of")) if done else ():
            if type(count) is not int or not 0 <= count <= examples:
                yield (
                    f"expected validation accuracies from 0 to {examples}, received "
                    f"{describe(count)}: restore the file"
                )
        if done > (asked := self.settings.epochs):
            yield f"holds {done} epochs, more than the {asked} asked for: ask for {done} or more"
        expected = saved if done else self.parameters  # as long as it has not been trained
        kept = self._network(expected).export()
        if Parameters(saved.sizes, *kept).fingerprint != saved.fingerprint:
            yield (
                f"its weights and biases are not those of this run after {done} epochs: "
                f"restore the file"
            )

    # Where eta is too large numbers overflow: that is said once, after the epoch.
    @np.errstate(over="ignore", invalid="ignore")
    def train(
        self, on_epoch: Callable[[int, str], object] | None = None, test: bool = True
    ) -> Parameters:
        """Train the epochs that are left and return the parameters after the last.

        `on_epoch` is told of every epoch, when it is saved: how many are finished, and the
        validation accuracy. While choosing between networks the test data are left alone.
        """
        training, validation, test_data = self.data
        left, begun = self.settings.epochs - self.epochs_done, time.monotonic()
        net = self._network(self.parameters)
        if self.settings.compile and left:
            self._compile(net)

        def finished(_: int, correct: int) -> None:
            history = [*self.parameters.metadata["accuracy"]["validation"], correct]
            accuracy = {"validation": history, "validation_of": len(validation)}
            self._keep(net, epochs=self.epochs_done + 1, accuracy=accuracy)
            self.fingerprints.append(self.parameters.fingerprint)
            if on_epoch is not None:
                on_epoch(self.epochs_done, f"validation {percent(correct, len(validation))}")

        rng = np.random.default_rng(self.settings.seed)
        for _ in range(self.epochs_done):
            rng.permutation(len(training))
        settings = self.settings.mini_batch_size, self.settings.eta
        net.SGD(training, left, *settings, test_data=validation, rng=rng, on_epoch=finished)
        if test:
            tested = {"test": net.evaluate(test_data), "test_of": len(test_data)}
            self._keep(net, accuracy={**self.parameters.metadata["accuracy"], **tested})
        self.seconds = time.monotonic() - begun
        return self.parameters

    def kept(self) -> str:
        """Return in words what an interrupted run leaves behind.

        The file is read: between saving and noting it a run can be stopped as well.
        """
        if self.output is None or not self.output.exists():
            return "no epoch was finished yet"
        done = Parameters.load(self.output).metadata["epochs"]
        return f"{self.output} holds {done} of {self.settings.epochs} epochs: --resume goes on"

    def _network(self, parameters: Parameters) -> Any:
        asked = self.settings
        return network(parameters, asked.backend, asked.arithmetic, asked.device, asked.compile)

    def _compile(self, net: Any) -> None:
        """Compile steps before the first is taken, and say how long it took, or why it is not."""
        compiled = twin("torch", "compiled")
        if why := compiled.obstacle(net.device):
            note(f"steps are not compiled: {why}")
            return
        seconds = compiled.prepare(net, self.settings.mini_batch_size)
        if net.compiled:
            note(f"steps were compiled in {seconds:.0f} s")

    def _keep(self, net: Any, **changes: Any) -> None:
        made = {**self.parameters.metadata, **changes}
        weights, biases = net.export()
        if not all(np.isfinite(v).all() for v in (*weights, *biases)):
            raise OverflowError(
                f"training diverged in epoch {made['epochs']}: weights are no longer finite "
                f"numbers with eta {self.settings.eta}: use a smaller eta"
            )
        parameters = Parameters(net.sizes, weights, biases, made)
        if self.output is not None:
            parameters.save(self.output)
        self.parameters = parameters


# --- Many at once ---------------------------------------------------------------------------------


def train_all(jobs: Jobs, files: MnistFiles, test: bool = True) -> dict[str, Run]:
    """Train networks at once, a process each, and return their runs by name."""
    with busy("looking at what there is"):
        done = behind(jobs, files)
    settings = next(iter(jobs.values()))[0]
    with counting(settings.epochs, done) as tell:
        work = {name: (train_one, name, *job, test) for name, job in jobs.items()}
        return processes.run_all(work, files, tell)


def behind(jobs: Jobs, files: MnistFiles) -> dict[str, int]:
    """Return how many epochs each has behind it, or say which cannot be trained or resumed."""
    found, data = {}, None
    for name, (settings, start, output) in jobs.items():
        data = data or load_examples(files, settings.backend)
        run = Run(settings, start, files, output, data)
        run.resume()
        found[name] = run.epochs_done
    return found


def train_one(
    name: str, settings: Settings, start: Parameters, output: Path | None = None, test: bool = True
) -> Run:
    """Train one network in a process of its own and tell about every epoch.

    What has an output is kept there and taken up where it was stopped; where it overflows it leaves
    the others alone: its `failure` says so.
    """
    with nullcontext() if output is None else sole_writer(output):
        run = Run(settings, start, processes.files, output, read(settings.backend))
        run.resume()
        try:
            run.train(lambda done, news: processes.tell(done, news, name), test)
        except OverflowError as error:
            if output is None:
                raise
            run.failure = str(error)
    run.data = ()  # what others read as well is not sent to them
    return run


@functools.cache
def read(backend: str) -> tuple[Any, Any, Any]:
    """Return the examples, which a process reads once for all that it trains.

    They are not handed to it: that would keep its parent until it has begun, deaf to Ctrl-C.
    """
    return load_examples(processes.files.folder, backend)


# --- What is said of a run ------------------------------------------------------------------------


def check_new(output: Path, resume: bool) -> None:
    """Raise ValueError where a run would write over a file that it is not asked to go on with."""
    if output.exists() and not resume:
        raise ValueError(f"{output}: exists: go on with it by --resume, or choose another --output")


def percent(correct: int, examples: int) -> str:
    """Return an accuracy in words."""
    return f"{100 * correct / examples:.2f} %"


def report(accuracy: dict[str, Any], fingerprint: str, place: Path) -> str:
    """Return the test accuracy, the name and the place of a network."""
    right, of = accuracy["test"], accuracy["test_of"]
    return (
        f"test accuracy  {percent(right, of)}  ({right} of {of})\n"
        f"fingerprint    {fingerprint}\n"
        f"saved in       {place}"
    )
