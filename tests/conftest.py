"""What the tests share: where MNIST is, whether there is CUDA, and small digits drawn once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Matrices this small are slower on more threads. NumPy and PyTorch read these once, so this stands
# above the imports that bring them; what the user has set stays.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

from model import mnist_files, synthetic_digits  # noqa: E402

CHECKOUT = Path(__file__).parent.parent


def mnist_folder() -> Path | None:
    """Return the folder with the real MNIST files, or None."""
    for folder in (os.environ.get("MNIST_DIR"), CHECKOUT / "data"):
        if folder:
            try:
                files = mnist_files.describe(folder)
            except (OSError, ValueError):
                continue
            if files.kind == "mnist":
                return files.folder
    return None


def cuda_is_there() -> bool:
    """Return whether PyTorch finds a CUDA device."""
    import torch

    return torch.cuda.is_available()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip, with the reason, what needs MNIST or CUDA where they are not."""
    marked = {mark.name for item in items for mark in item.iter_markers()}
    missing = {}
    if "mnist" in marked and mnist_folder() is None:
        missing["mnist"] = "real MNIST is neither in MNIST_DIR nor in data/"
    if "cuda" in marked and not cuda_is_there():
        missing["cuda"] = "PyTorch finds no CUDA device"
    for item in items:
        for mark, reason in missing.items():
            if item.get_closest_marker(mark):
                item.add_marker(pytest.mark.skip(reason=reason))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Write what tests have measured, which none of them asserts."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            terminalreporter.write_line(f"measured: {name}: {value:.1f}")


@pytest.fixture(scope="session")
def mnist() -> Path:
    """The folder with the real MNIST files, for tests marked mnist."""
    folder = mnist_folder()
    assert folder is not None
    return folder


@pytest.fixture(scope="session")
def digits_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 600 drawn digits, 500 of them for training, and 100 for the test."""
    folder = tmp_path_factory.mktemp("digits")
    synthetic_digits.write_idx_files(folder, 600, 100)
    return folder
