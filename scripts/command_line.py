"""What the programs share: options, the choice of backend, and how a program ends."""

from __future__ import annotations

import argparse
import functools
import math
import signal
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any, NoReturn

from model.mnist_files import MnistFiles, find_mnist
from model.parameters import Parameters

MODEL = Path(__file__).parent.parent / "model"
SHIPPED_MODEL = MODEL / "train.json"
SHIPPED_START = MODEL / "initial.json"
PACKAGES = {"numpy": "reference", "torch": "torch_impl"}
ARITHMETICS = {"fixed-point": "FixedPoint", "float64": "Float64", "float32": "Float32"}

Main = Callable[[Sequence[str] | None], int]


def command(main: Main) -> Main:
    """Wrap a main function so that bad input ends it with one line and exit status 2.

    Parameters
    ----------
    main : callable (argv) -> int
    """

    @functools.wraps(main)
    def guarded(argv: Sequence[str] | None = None) -> int:
        try:
            return main(argv)
        except (ValueError, OSError, OverflowError) as error:
            print(f"error: {one_line(error)}", file=sys.stderr)
            return 2
        except KeyboardInterrupt as stop:
            print(f"interrupted: {stop}" if str(stop) else "interrupted", file=sys.stderr)
            return 130

    return guarded


def one_line(error: Exception) -> str:
    """Return what went wrong in one line, with the file for an error of the operating system.

    Parameters
    ----------
    error : Exception
    """
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}"
    return " ".join(str(error).split())


def start(main: Main) -> None:
    """Run a program and leave with its exit status; SIGTERM ends it as tidily as Ctrl-C.

    Parameters
    ----------
    main : callable (argv) -> int
    """
    signal.signal(signal.SIGTERM, _stop)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not under nohup
        signal.signal(signal.SIGINT, _stop)
    sys.exit(main(None))


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    # A second Ctrl-C, while the program is tidying up, ends it at once and without a traceback.
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_DFL)
    raise KeyboardInterrupt


class OneLineParser(argparse.ArgumentParser):
    """A parser whose complaint is one line, like that of every other error of the programs."""

    def error(self, message: str) -> NoReturn:
        """Raise ValueError, which `command` prints, instead of printing the usage and leaving.

        Parameters
        ----------
        message : str
            What argparse found wrong.
        """
        raise ValueError(f"{message}: see --help")


def parser(description: str | None, *options: str) -> argparse.ArgumentParser:
    """Return a parser with some of the options that the programs share.

    Parameters
    ----------
    description : str or None
        The program's docstring; its first line is shown.
    *options : str
        Of "model", "backend", "device", "arithmetic", "data", "split", "limit".
    """
    result = OneLineParser(description=(description or "").split("\n")[0])
    for option in options:
        result.add_argument(f"--{option}", **OPTIONS[option])
    return result


def whole_number(least: int) -> Callable[[str], int]:
    """Return a type for argparse that takes whole numbers from some least one.

    Parameters
    ----------
    least : int
    """

    def convert(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if number < least:
            raise argparse.ArgumentTypeError(
                f"expected a whole number, {least} or more; received {text}"
            )
        return number

    return convert


def learning_rate(text: str) -> float:
    """Return a number for --eta, or say what is wrong with it as argparse wants to hear it.

    Parameters
    ----------
    text : str
    """
    try:
        eta = float(text)
    except ValueError:
        eta = math.nan
    if not math.isfinite(eta):
        raise argparse.ArgumentTypeError(f"expected a finite number such as 3.0; received {text}")
    return eta


OPTIONS: dict[str, dict[str, Any]] = {
    "model": {
        "type": Path,
        "default": SHIPPED_MODEL,
        "metavar": "FILE",
        "help": "parameters as Nielsen-style JSON (default: the shipped network)",
    },
    "backend": {
        "choices": sorted(PACKAGES),
        "default": "numpy",
        "help": "which of the two networks computes (default: %(default)s)",
    },
    "device": {
        "default": "cpu",
        "help": "cpu, cuda or cuda:N, for --backend torch (default: %(default)s)",
    },
    "arithmetic": {
        "choices": list(ARITHMETICS),
        "default": "fixed-point",
        "help": "how numbers are kept (default: %(default)s)",
    },
    "data": {
        "metavar": "PATH",
        "help": "folder with MNIST's IDX files, mnist.pkl.gz, or 'synthetic' "
        "(default: $MNIST_DIR, data/, a download, synthetic digits)",
    },
    "split": {
        "choices": ["training", "validation", "test"],
        "default": "test",
        "help": "which images (default: %(default)s)",
    },
    "limit": {
        "type": whole_number(1),
        "metavar": "N",
        "help": "only the first N images",
    },
}


def twin(backend: str, module: str) -> ModuleType:
    """Return a module of the backend's package, imported only now: torch takes seconds.

    Parameters
    ----------
    backend : str
        "numpy" or "torch".
    module : str
        "network", "arithmetic" or "mnist_loader".
    """
    return import_module(f"{PACKAGES[backend]}.{module}")


def network(
    parameters: Parameters, backend: str, arithmetic: str = "fixed-point", device: str = "cpu"
) -> Any:
    """Return the backend's network with these parameters.

    Parameters
    ----------
    parameters : Parameters
    backend : str
        "numpy" or "torch".
    arithmetic : str
        "fixed-point", "float64" or "float32".
    device : str
        "cpu", "cuda" or "cuda:N".

    Raises
    ------
    ValueError
        When the backend does not have the device.
    """
    kept = getattr(twin(backend, "arithmetic"), ARITHMETICS[arithmetic])()
    if backend == "torch":
        return twin(backend, "network").Network.from_parameters(parameters, kept, device=device)
    if device != "cpu":
        raise ValueError(f"--device {device} needs --backend torch; NumPy computes on the cpu")
    return twin(backend, "network").Network.from_parameters(parameters, kept)


def find_data(data: str | None) -> MnistFiles:
    """Return the data set to use, and say on the terminal what is not MNIST.

    Parameters
    ----------
    data : str or None
        As given with --data.
    """

    def download(folder: str | Path) -> None:
        twin("torch", "mnist_loader").download(folder)

    files = find_mnist(data, download)
    if files.notice:
        print(files.notice, file=sys.stderr)
    return files


def load_examples(files: MnistFiles, backend: str) -> tuple[Any, Any, Any]:
    """Return the training, validation and test examples, read by the backend's own loader.

    Parameters
    ----------
    files : MnistFiles
    backend : str
        "numpy" or "torch".
    """
    return twin(backend, "mnist_loader").load_data_wrapper(files.folder)


def make_folder(folder: Path) -> None:
    """Make the folder that a program writes to, if there is none.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    OSError
        In one line, where that is not possible.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise type(error)(
            f"{folder}: no folder to write to ({error.strerror}): choose another --output"
        ) from None
