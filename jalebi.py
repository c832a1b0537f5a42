"""Nielsen's MNIST network twice, in NumPy and in PyTorch, the same to the last bit, and opened up.

    from jalebi import Network, Parameters, prove, run

    run(["neuron", "11", "--output", "out"])    # any program, as the command `jalebi` runs it

What is named here is all that other code may rely on. It is loaded when it is asked for: the proof
of a network needs neither PyTorch nor matplotlib.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from compare import prove as prove
    from model.initial import initial_parameters as initial_parameters
    from model.parameters import Parameters as Parameters
    from reference.mnist_loader import load_data_wrapper as load_data_wrapper
    from reference.network import Network as Network
    from scripts.__main__ import main as run  # noqa: F401
    from scripts.command_line import find_data as find_data

__version__ = "1.1.0"

HOMES = {
    "Network": ("reference.network", "Network"),
    "TorchNetwork": ("torch_impl.network", "Network"),
    "load_data_wrapper": ("reference.mnist_loader", "load_data_wrapper"),
    "Parameters": ("model.parameters", "Parameters"),
    "initial_parameters": ("model.initial", "initial_parameters"),
    "prove": ("compare.chain", "prove"),
    "find_data": ("scripts.command_line", "find_data"),
    "run": ("scripts.__main__", "main"),
}
__all__ = list(HOMES)


def __getattr__(name: str) -> Any:
    if name == "pytest_plugin":  # as pyproject.toml names it, in the checkout and in the wheel
        return import_module("compare.pytest_plugin")
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = HOMES[name]
    try:
        return getattr(import_module(module), attribute)
    except ModuleNotFoundError as error:
        from scripts import one_line

        raise ModuleNotFoundError(one_line(error), name=error.name) from error


def __dir__() -> list[str]:
    return __all__


def main() -> None:
    """Run the command `jalebi`."""
    from scripts.__main__ import run

    run()
