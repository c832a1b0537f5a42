"""What the programs share: options, the choice of backend, the data."""

import argparse
import contextlib
import functools
import math
import re
import shutil
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from model.mnist_files import MnistFiles, find_mnist
from model.parameters import Parameters
from scripts import Main, note, one_line
from scripts import command as command
from scripts import start as start
from scripts.programs import PREFIX, line

MODEL = Path(__file__).parent.parent / "model"
SHIPPED_MODEL = MODEL / "train.json"
SHIPPED_START = MODEL / "initial.json"
PACKAGES = {"numpy": "reference", "torch": "torch_impl"}
ROUNDS = 5  # of the benchmark
ARITHMETICS = {"fixed-point": "FixedPoint", "float64": "Float64", "float32": "Float32"}


@dataclass(frozen=True)
class Settings:
    """What a run is trained with; every field is an option of that name."""

    backend: str = "numpy"
    device: str = "cpu"
    arithmetic: str = "fixed-point"
    epochs: int = 30
    mini_batch_size: int = 10
    eta: float = 3.0
    seed: int = 0  # of the order of examples
    compile: bool | None = None  # how steps are taken at once, which changes none of them


# --- What an option takes -----------------------------------------------------------------------


def checked(
    convert: Callable[[str], Any], holds: Callable[[Any], bool], expected: str
) -> Callable[[str], Any]:
    """Return a type for argparse, which says what was expected where none is received."""

    def check(text: str) -> Any:
        with contextlib.suppress(ValueError):
            if holds(value := convert(text)):
                return value
        raise argparse.ArgumentTypeError(f"expected {expected}; received {text}")

    return check


def whole_number(least: int) -> Callable[[str], int]:
    """Return a type for argparse that takes whole numbers from some least one."""
    return checked(int, lambda number: number >= least, f"a whole number, {least} or more")


learning_rate = checked(float, math.isfinite, "a finite number such as 3.0")


def seeds(text: str) -> list[int]:
    """Return the seeds that a command line gives, such as 0-19 or 3,5,8-10."""
    if not re.fullmatch(r"\d+(-\d+)?(,\d+(-\d+)?)*", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"expected seeds such as 0-19 or 3,5; received {text}")
    parts = re.findall(r"(\d+)-?(\d*)", text)
    found = [n for first, last in parts for n in range(int(first), int(last or first) + 1)]
    if not found or len(set(found)) < len(found):
        raise argparse.ArgumentTypeError(f"expected each seed once, as in 0-19; received {text}")
    return found


def configuration(text: str) -> tuple[int, int, float]:
    """Return hidden units, mini-batch size and eta, written as 25,20,3.0."""
    parts = text.split(",")
    if len(parts) != 3:
        raise argparse.ArgumentTypeError(
            f"expected HIDDEN,MINI_BATCH_SIZE,ETA such as 25,20,3.0; received {text}"
        )
    whole = whole_number(1)
    return whole(parts[0]), whole(parts[1]), learning_rate(parts[2])


# --- Options ------------------------------------------------------------------------------------

FILE, FOLDER = ({"type": Path, "metavar": name} for name in ("FILE", "FOLDER"))
NUMBER = {"type": whole_number(1), "metavar": "N"}
NUMBER_OR_0 = {"type": whole_number(0), "metavar": "N", "default": None}

# What argparse is told of each. What a program alone has so stands after its name; a default that
# is not given here is that of Settings, and one that the help does not say is added to it.
# fmt: off
OPTIONS: dict[str, dict[str, Any]] = {
    "backend": {"choices": sorted(PACKAGES), "help": "which of the two networks computes"},
    "device": {"help": "cpu, cuda or cuda:N, for --backend torch"},
    "arithmetic": {"choices": list(ARITHMETICS), "help": "how numbers are kept"},
    "epochs": {"type": whole_number(0), "help": "times through the training data"},
    "mini_batch_size": NUMBER | {"metavar": "M", "help": "examples a step"},
    "eta": {"type": learning_rate, "help": "learning rate"},
    "compile": {"action": argparse.BooleanOptionalAction,
                "help": "ten steps of --backend torch in a compiled call, the same bits in "
                        "fixed-point, or each by itself (default: in a recorded call)"},
    "model": FILE | {"default": SHIPPED_MODEL,
                     "help": "parameters as Nielsen-style JSON (default: the shipped network)"},
    "data": {"metavar": "PATH",
             "help": "folder with MNIST's IDX files, mnist.pkl.gz, or 'synthetic' "
                     "(default: $MNIST_DIR, data/, a download, synthetic digits)"},
    "split": {"choices": ["training", "validation", "test"], "default": "test",
              "help": "which images"},
    "limit": NUMBER | {"help": "only the first N images (default: all)"},
    "neuron": {"nargs": "?", "type": int, "default": 11, "help": "default: %(default)s"},
    "initial": FILE | {"help": "what training started from "
                               "(default: the shipped start or its seed, where they fit)"},
    "output": FOLDER | {"help": "written to"},
    "quick": {"action": "store_true", "help": "2 epochs (default: 30)"},

    "train sizes": NUMBER | {"nargs": "+", "help": "units of every layer (default: 784 20 10)"},
    "train seed": NUMBER_OR_0 | {"help": "of the initial weights and of the order of examples "
                                         "(default: the start's own, or 0)"},
    "train seeds": {"type": seeds, "metavar": "A-B",
                    "help": "one network from each of these, such as 0-19, in a folder "
                            "(default: one network)"},
    "train initial": FILE | {"help": "start from these parameters "
                                     "(default: the shipped start, or drawn from --seed)"},
    "train output": FILE | {"help": "(default: trained-BACKEND.json, "
                                    "or of --seeds trained-BACKEND-seeds)"},
    "train resume": {"action": "store_true", "help": "go on where --output was stopped "
                                                     "(default: refuse an --output that exists)"},

    "tune hidden": NUMBER | {"nargs": "+", "help": "hidden units (default: 20)"},
    "tune mini_batch_size": NUMBER | {"nargs": "+", "default": None, "metavar": "M",
                                      "help": "(default: 10)"},
    "tune eta": {"type": learning_rate, "nargs": "+", "default": None,
                 "help": "learning rates (default: 3.0); all combinations of these three are "
                         "tried"},
    "tune configuration": {"type": configuration, "action": "append", "metavar": "HIDDEN,M,ETA",
                           "help": "one to try, may be repeated "
                                   "(default, without a grid: those of the seed study)"},
    "tune seeds": NUMBER | {"default": 3, "help": "0 to N - 1"},
    "tune epochs": {"type": whole_number(1), "help": "of each run"},

    "explore initial": FILE | {"help": "what training started from "
                                       "(default: the start that fits the model)"},
    "explore images": NUMBER_OR_0 | {"default": 0, "help": "put in the first N images, beside "
                                                           "those that the pictures show"},
    "explore epochs": NUMBER_OR_0 | {"help": "of the fingerprints to compare with "
                                             "(default: as the model's)"},
    "explore output": FILE | {"help": "the page to write"},

    "benchmark rounds": NUMBER | {"default": ROUNDS, "help": "epochs of each"},
    "benchmark examples": {"type": whole_number(10), "metavar": "N",
                           "help": "in an epoch (default: all training examples)"},
    "benchmark picture": FILE | {"help": "draw the cost of a step by hidden units and mini-batch "
                                         "(default: the tables)"},

    "seeds families": {"type": whole_number(2), "default": 80, "help": ""},
    "seeds processes": {"type": whole_number(1), "help": "(default: one a core)"},
}
# fmt: on


class OneLineParser(argparse.ArgumentParser):
    """A parser whose complaint is one line, like that of every other error of the programs."""

    def error(self, message: str) -> NoReturn:
        """Raise ValueError, which `command` prints, instead of printing the usage and leaving."""
        raise ValueError(f"{message}: see --help")


def parser(description: str | None, *options: str, **defaults: str) -> argparse.ArgumentParser:
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
    own = examples[0][0] if examples else ""
    for name in options:
        default = defaults.get(name, getattr(Settings, name, None))
        given = {"default": default, **(OPTIONS.get(f"{own} {name}") or OPTIONS[name])}
        if "default" not in given["help"]:
            given["help"] = f"{given['help']} (default: %(default)s)".strip()
        flag = name if name == "neuron" else f"--{name.replace('_', '-')}"
        result.add_argument(flag, **given)
    return result


def program(
    description: str | None, *options: str, **defaults: str
) -> Callable[[Callable[[argparse.Namespace], int | None]], Main]:
    """Turn a function of the options given into the main function of a program that has them."""

    def decorate(run: Callable[[argparse.Namespace], int | None]) -> Main:
        @command
        @functools.wraps(run)
        def main(argv: Sequence[str] | None = None) -> int:
            return run(parser(description, *options, **defaults).parse_args(argv)) or 0

        return main

    return decorate


# --- The backend and the data -------------------------------------------------------------------


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


def load_examples(files: MnistFiles | Path, backend: str) -> tuple[Any, Any, Any]:
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
