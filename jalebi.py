"""Nielsen's MNIST network twice, in NumPy and in PyTorch, the same to the last bit, and opened up.

    from jalebi import Network, Parameters, draw_neuron, open_neurons, prove, run

    net = Network([784, 20, 10])    # after some training:
    draw_neuron(11, net)            # its weights, on Axes of your own with ax=...
    open_neurons(net)               # what all of them do on the test images, as arrays and a table
    run(["neuron", "11", "--output", "out"])    # any program, as the command `jalebi` runs it

What is named here is all that other code may rely on. It is loaded when it is asked for: the proof
of a network needs neither PyTorch nor matplotlib.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from compare import prove as prove
    from model.figures import draw_neuron as draw_neuron
    from model.initial import initial_parameters as initial_parameters
    from model.parameters import Parameters as Parameters
    from reference.mnist_loader import load_data_wrapper as load_data_wrapper
    from reference.network import Network as Network
    from scripts.__main__ import main as run  # noqa: F401
    from scripts.command_line import find_data as find_data
    from scripts.opened import open_neurons as open_neurons

__version__ = "1.1.0"

HOMES = {
    "Network": ("reference.network", "Network"),
    "TorchNetwork": ("torch_impl.network", "Network"),
    "load_data_wrapper": ("reference.mnist_loader", "load_data_wrapper"),
    "Parameters": ("model.parameters", "Parameters"),
    "initial_parameters": ("model.initial", "initial_parameters"),
    "prove": ("compare.chain", "prove"),
    "draw_neuron": ("model.figures", "draw_neuron"),
    "open_neurons": ("scripts.opened", "open_neurons"),
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
