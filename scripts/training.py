"""One training run that can be stopped at any moment and resumed without a trace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from model.atomic_write import check_target
from model.mnist_files import MnistFiles
from model.parameters import Parameters, describe
from scripts.command_line import load_examples, network, twin

PIXELS, DIGITS = 784, 10

NetworkAfterEpoch = Callable[[int, Parameters], object]


@dataclass(frozen=True)
class Settings:
    """What a run is trained with.

    Parameters
    ----------
    backend : str
        "numpy" or "torch".
    device : str
        "cpu", "cuda" or "cuda:N".
    arithmetic : str
        "fixed-point", "float64" or "float32".
    epochs, mini_batch_size : int
    eta : float
        Learning rate.
    seed : int
        Of the order of the examples, one permutation for each epoch.
    """

    backend: str = "numpy"
    device: str = "cpu"
    arithmetic: str = "fixed-point"
    epochs: int = 30
    mini_batch_size: int = 10
    eta: float = 3.0
    seed: int = 0


class Run:
    """A training run: its settings, its data, and how far it has come.

    Parameters
    ----------
    settings : Settings
    start : Parameters
        The network before the first epoch.
    files : MnistFiles
    output : Path, optional
        Saved to after every epoch.
    data : tuple of Examples, optional
        What `load_examples` makes of the files, where several runs share it.

    Raises
    ------
    ValueError, OSError
        When this cannot be trained or saved, before any work is put into it.

    Attributes
    ----------
    parameters : Parameters
        After the last finished epoch; its metadata says how it was made.
    """

    def __init__(
        self,
        settings: Settings,
        start: Parameters,
        files: MnistFiles,
        output: Path | None = None,
        data: tuple[Any, Any, Any] | None = None,
    ) -> None:
        self.settings = settings
        self.output = output
        if output is not None:
            check_target(output)
        check_digits(start)
        self.data = data or load_examples(files, settings.backend)
        self._check_settings()
        self.parameters = self._described(start, files)
        self._network()  # a device that is not there, layers too large for the arithmetic

    @property
    def epochs_done(self) -> int:
        """Epochs that are finished."""
        return int(self.parameters.metadata["epochs"])

    def resume(self) -> bool:
        """Take up the run where the output file left it, if there is one.

        Returns
        -------
        bool
            Whether there was one.

        Raises
        ------
        ValueError
            When the file was not made by this run: names the first setting that differs.
        """
        if self.output is None or not self.output.exists():
            return False
        saved = Parameters.load(self.output)
        check_same_run(self.output, saved, self.parameters)
        check_history(self.output, saved)
        done = saved.metadata["epochs"]
        if done > self.settings.epochs:
            raise ValueError(
                f"{self.output}: holds {done} epochs, more than the {self.settings.epochs} asked "
                f"for: ask for {done} or more, or choose another --output"
            )
        self.parameters = saved
        return True

    # Where eta is too large numbers overflow: that is said once, after the epoch.
    @np.errstate(over="ignore", invalid="ignore")
    def train(self, on_epoch: NetworkAfterEpoch | None = None, test: bool = True) -> Parameters:
        """Train the epochs that are left and return the parameters after the last.

        Parameters
        ----------
        on_epoch : callable (epochs done, Parameters), optional
            Called after every epoch, when it is saved.
        test : bool
            Whether to evaluate the test data at the end: not while choosing between networks.

        Raises
        ------
        OverflowError
            When eta is so large that training diverges; what was saved before stays.
        """
        training, validation, test_data = self.data
        net = self._network()

        def finished(_: int, correct: int | None) -> None:
            self._keep(self._after_epoch(net, correct, len(validation)))
            if on_epoch is not None:
                on_epoch(self.epochs_done, self.parameters)

        rng = np.random.default_rng(self.settings.seed)
        for _ in range(self.epochs_done):
            rng.permutation(len(training))
        left = self.settings.epochs - self.epochs_done
        settings = self.settings.mini_batch_size, self.settings.eta
        net.SGD(training, left, *settings, test_data=validation, rng=rng, on_epoch=finished)
        if test:
            self._keep(self._tested(net, test_data))
        return self.parameters

    def _check_settings(self) -> None:
        settings = self.settings
        twin(settings.backend, "network").check_settings(
            len(self.data[0]), settings.epochs, settings.mini_batch_size, settings.eta
        )

    def _network(self) -> Any:
        settings = self.settings
        return network(self.parameters, settings.backend, settings.arithmetic, settings.device)

    def _keep(self, parameters: Parameters) -> None:
        if self.output is not None:
            parameters.save(self.output)
        self.parameters = parameters

    def _described(self, start: Parameters, files: MnistFiles) -> Parameters:
        settings = {key: getattr(self.settings, key) for key in self.settings.__dataclass_fields__}
        made = {
            **start.metadata,
            **settings,
            "epochs": 0,
            "initial": start.fingerprint,
            "data": files.sha256,
            "data_kind": files.kind,
            "accuracy": {"validation": []},
        }
        return Parameters(start.sizes, start.weights, start.biases, made)

    def _after_epoch(self, net: Any, correct: int | None, examples: int) -> Parameters:
        before = self.parameters.metadata
        history = [*before["accuracy"]["validation"], correct]
        accuracy = {"validation": history, "validation_of": examples}
        made = {**before, "epochs": before["epochs"] + 1, "accuracy": accuracy}
        weights, biases = net.export()
        if not all(np.isfinite(v).all() for v in (*weights, *biases)):
            raise OverflowError(
                f"training diverged in epoch {made['epochs']}: weights are no longer finite "
                f"numbers with eta {self.settings.eta}: use a smaller eta"
            )
        return Parameters(net.sizes, weights, biases, made)

    def _tested(self, net: Any, test: Any) -> Parameters:
        before = self.parameters.metadata
        tested = {"test": net.evaluate(test), "test_of": len(test)}
        made = {**before, "accuracy": {**before["accuracy"], **tested}}
        weights, biases = net.export()
        return Parameters(net.sizes, weights, biases, made)


def check_digits(start: Parameters) -> None:
    """Raise ValueError unless a network takes MNIST's images and answers with a digit.

    Parameters
    ----------
    start : Parameters
    """
    sizes = start.sizes
    if (sizes[0], sizes[-1]) != (PIXELS, DIGITS):
        raise ValueError(
            f"sizes {list(sizes)} do not fit the data: expected {PIXELS} first, a unit for each "
            f"pixel, and {DIGITS} last, one for each digit, such as [784, 20, 10]"
        )


def check_history(output: Path, saved: Parameters) -> None:
    """Raise ValueError unless a saved network says how many epochs it has, and how each went.

    Parameters
    ----------
    output : Path
        Where it was saved, for the error.
    saved : Parameters
    """
    done, accuracy = saved.metadata.get("epochs"), saved.metadata.get("accuracy")
    history = accuracy.get("validation") if isinstance(accuracy, dict) else None
    if type(done) is not int or not isinstance(history, list) or len(history) != done:
        raise ValueError(
            f"{output}: expected its epochs and a validation accuracy for each, received epochs "
            f"{describe(done)} and {describe(history)}: restore the file, or choose another "
            f"--output"
        )


def check_same_run(output: Path, saved: Parameters, here: Parameters) -> None:
    """Raise ValueError unless a saved network comes from a run with the same settings.

    Parameters
    ----------
    output : Path
        Where it was saved, for the error.
    saved, here : Parameters
        Their metadata say how they were made.
    """
    keys = ["arithmetic", "mini_batch_size", "eta", "seed", "initial", "data"]
    if here.metadata["arithmetic"] != "fixed-point":  # there, the backends are the same run
        keys += ["backend", "device"]
    for key in keys:
        was, asked = saved.metadata.get(key), here.metadata[key]
        if was != asked:
            key, was, asked = _first_difference(key, was, asked)
            raise ValueError(
                f"{output}: was not made by this run: its {key} is {was}, asked for is {asked}: "
                f"resume with the settings that it was begun with, or choose another --output"
            )


def _first_difference(key: str, was: Any, asked: Any) -> tuple[str, Any, Any]:
    if isinstance(was, dict) and isinstance(asked, dict):  # the data files, by name
        for name in asked:
            if was.get(name) != asked[name]:
                return name, was.get(name), asked[name]
    return key, was, asked


def kept(run: Run) -> str:
    """Return what an interrupted run leaves behind, in words.

    Parameters
    ----------
    run : Run
        With an output; it is read, for between saving and noting it a run can be stopped as well.
    """
    if run.output is None or not run.output.exists():
        return "no epoch was finished yet"
    done = Parameters.load(run.output).metadata["epochs"]
    return f"{run.output} holds {done} of {run.settings.epochs} epochs: --resume goes on"


def percent(correct: int, examples: int) -> str:
    """Return an accuracy in words.

    Parameters
    ----------
    correct, examples : int
    """
    return f"{100 * correct / examples:.2f} %"


def validation_news(parameters: Parameters) -> str:
    """Return the validation accuracy after the last epoch, in words.

    Parameters
    ----------
    parameters : Parameters
        As a run leaves them.
    """
    accuracy = parameters.metadata["accuracy"]
    return f"validation {percent(accuracy['validation'][-1], accuracy['validation_of'])}"


def trained_report(parameters: Parameters, output: Path, notice: str) -> str:
    """Return what a finished run came to, in a few lines.

    Parameters
    ----------
    parameters : Parameters
        As a run leaves them.
    output : Path
        Where they are.
    notice : str
        What every result on these data must repeat; empty for MNIST.
    """
    accuracy = parameters.metadata["accuracy"]
    lines = [
        f"test accuracy  {percent(accuracy['test'], accuracy['test_of'])}"
        f"  ({accuracy['test']} of {accuracy['test_of']})",
        f"fingerprint    {parameters.fingerprint}",
        f"saved in       {output}",
    ]
    return "\n".join([*lines, notice] if notice else lines)
