"""One training run that can be stopped at any moment and resumed without a trace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from model.mnist_files import MnistFiles
from model.parameters import Parameters, check_target
from scripts.command_line import load_examples, network

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

    Attributes
    ----------
    parameters : Parameters
        After the last finished epoch; its metadata says how it was made.
    """

    def __init__(
        self, settings: Settings, start: Parameters, files: MnistFiles, output: Path | None = None
    ) -> None:
        self.settings = settings
        self.output = output
        if output is not None:
            check_target(output)
        self.data = load_examples(files, settings.backend)
        self.parameters = self._described(start, files)

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
        done = saved.metadata["epochs"]
        if done > self.settings.epochs:
            raise ValueError(
                f"{self.output}: holds {done} epochs, more than the {self.settings.epochs} asked "
                f"for: ask for {done} or more, or choose another --output"
            )
        self.parameters = saved
        return True

    def train(self, on_epoch: NetworkAfterEpoch | None = None) -> Parameters:
        """Train the epochs that are left and return the parameters after the last.

        Parameters
        ----------
        on_epoch : callable (epochs done, Parameters), optional
            Called after every epoch, when it is saved.
        """
        training, validation, test = self.data
        net = self._network()

        def finished(_: int, correct: int | None) -> None:
            self.parameters = self._after_epoch(net, correct, len(validation))
            self._save()
            if on_epoch is not None:
                on_epoch(self.epochs_done, self.parameters)

        rng = np.random.default_rng(self.settings.seed)
        for _ in range(self.epochs_done):
            rng.permutation(len(training))
        left = self.settings.epochs - self.epochs_done
        settings = self.settings.mini_batch_size, self.settings.eta
        net.SGD(training, left, *settings, test_data=validation, rng=rng, on_epoch=finished)
        self.parameters = self._tested(net, test)
        self._save()
        return self.parameters

    def _network(self) -> Any:
        settings = self.settings
        return network(self.parameters, settings.backend, settings.arithmetic, settings.device)

    def _save(self) -> None:
        if self.output is not None:
            self.parameters.save(self.output)

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
        return Parameters(net.sizes, weights, biases, made)

    def _tested(self, net: Any, test: Any) -> Parameters:
        before = self.parameters.metadata
        tested = {"test": net.evaluate(test), "test_of": len(test)}
        made = {**before, "accuracy": {**before["accuracy"], **tested}}
        weights, biases = net.export()
        return Parameters(net.sizes, weights, biases, made)


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
            raise ValueError(
                f"{output}: was not made by this run: its {key} is {was}, asked for is {asked}: "
                f"resume with the settings that it was begun with, or choose another --output"
            )


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
