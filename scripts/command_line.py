"""What the programs share: options, the choice of backend, the data."""

from __future__ import annotations

import argparse
import math
import re
import shutil
import textwrap
from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from model.mnist_files import MnistFiles, find_mnist
from model.parameters import Parameters
from scripts import command as command
from scripts import note, one_line
from scripts import start as start
from scripts.programs import PREFIX, line

MODEL = Path(__file__).parent.parent / "model"
SHIPPED_MODEL = MODEL / "train.json"
SHIPPED_START = MODEL / "initial.json"
PACKAGES = {"numpy": "reference", "torch": "torch_impl"}
ARITHMETICS = {"fixed-point": "FixedPoint", "float64": "Float64", "float32": "Float32"}


def whole_number(least: int) -> Callable[[str], int]:
    """Return a type for argparse that takes whole numbers from some least one."""

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
    """Return a number for --eta, or say what is wrong with it as argparse wants to hear it."""
    try:
        eta = float(text)
    except ValueError:
        eta = math.nan
    if not math.isfinite(eta):
        raise argparse.ArgumentTypeError(f"expected a finite number such as 3.0; received {text}")
    return eta


def option(default: Any = MISSING, help: str = "", **more: Any) -> Any:
    """Return a field that is an option as well: its default, and what argparse is to know of it."""
    if default is not MISSING:
        help = f"{help} (default: %(default)s)".strip()
    return field(default=default, metadata={"help": help, **more})


@dataclass(frozen=True)
class Settings:
    """What a run is trained with; every field is an option of that name."""

    backend: str = option("numpy", "which of the two networks computes", choices=sorted(PACKAGES))
    device: str = option("cpu", "cpu, cuda or cuda:N, for --backend torch")
    arithmetic: str = option("fixed-point", "how numbers are kept", choices=list(ARITHMETICS))
    epochs: int = option(30, "times through the training data", type=whole_number(0))
    mini_batch_size: int = option(10, "examples a step", type=whole_number(1), metavar="M")
    eta: float = option(3.0, "learning rate", type=learning_rate)
    seed: int = option(0, "of the order of examples", type=whole_number(0))


# What is given to argparse; the settings of a run above all.
OPTIONS: dict[str, dict[str, Any]] = {
    **{each.name: {"default": each.default, **each.metadata} for each in fields(Settings)},
    "model": {"type": Path, "default": SHIPPED_MODEL, "metavar": "FILE",
              "help": "parameters as Nielsen-style JSON (default: the shipped network)"},
    "data": {"metavar": "PATH",
             "help": "folder with MNIST's IDX files, mnist.pkl.gz, or 'synthetic' "
                     "(default: $MNIST_DIR, data/, a download, synthetic digits)"},
    "compile": {"action": argparse.BooleanOptionalAction,
                "help": "ten steps of --backend torch in a compiled call, the same bits in "
                        "fixed-point, or each by itself (default: in a recorded call)"},
    "split": {"choices": ["training", "validation", "test"], "default": "test",
              "help": "which images (default: %(default)s)"},
    "limit": {"type": whole_number(1), "metavar": "N",
              "help": "only the first N images (default: all)"},
}  # fmt: skip


class OneLineParser(argparse.ArgumentParser):
    """A parser whose complaint is one line, like that of every other error of the programs."""

    def error(self, message: str) -> NoReturn:
        """Raise ValueError, which `command` prints, instead of printing the usage and leaving."""
        raise ValueError(f"{message}: see --help")


def parser(description: str | None, *options: str) -> argparse.ArgumentParser:
    """Return a parser with some of the OPTIONS, and what a program's docstring says and shows."""
    told = description or ""
    examples = re.findall(r"^ *python -m scripts\.(\w+)( \S+(?: \S+)*)?", told, re.MULTILINE)
    lines = [line(program, *options.split()) for program, options in examples]
    result = OneLineParser(
        prog=line(examples[0][0]) if examples else None,
        usage="%(prog)s [options]",  # all of them follow, in any width
        description=textwrap.fill(told.split("\n")[0], shutil.get_terminal_size().columns - 2),
        epilog="\n  ".join(["for example:", *lines]) if lines else None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,  # a slip is refused, not taken for another option
    )
    for name in options:
        result.add_argument(f"--{name.replace('_', '-')}", **OPTIONS[name])
    return result


def twin(backend: str, module: str) -> ModuleType:
    """Return a module of the backend's package, imported only now: torch takes seconds."""
    return import_module(f"{PREFIX}{PACKAGES[backend]}.{module}")


def network(
    parameters: Parameters,
    backend: str,
    arithmetic: str = Settings.arithmetic,
    device: str = Settings.device,
    compile: bool | None = None,
) -> Any:
    """Return the backend's network with these parameters, or refuse a device that it has not."""
    if backend == "numpy" and device != "cpu":
        raise ValueError(f"--device {device} needs --backend torch; NumPy computes on the cpu")
    kept = getattr(twin(backend, "arithmetic"), ARITHMETICS[arithmetic])()
    where = {"device": device, "compile": compile} if backend == "torch" else {}
    return twin(backend, "network").Network.from_parameters(parameters, kept, **where)


def find_data(data: str | None = None) -> MnistFiles:
    """Return the data set to use, as given with --data, and say what is not MNIST."""
    files = find_mnist(data, download)
    if files.notice:
        note(files.notice)
    return files


def download(folder: Path) -> None:
    """Put MNIST into a folder by torchvision, or raise OSError where that is not possible."""
    try:
        twin("torch", "mnist_loader").download(folder)
    except ModuleNotFoundError as error:
        raise OSError(one_line(error)) from error


def load_examples(files: MnistFiles, backend: str) -> tuple[Any, Any, Any]:
    """Return the training, validation and test examples, read by the backend's own loader."""
    return twin(backend, "mnist_loader").load_data_wrapper(files)


def make_folder(folder: Path) -> None:
    """Make the folder that a program writes to, if there is none."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise type(error)(
            f"{folder}: no folder to write to ({error.strerror}): choose another --output"
        ) from None
