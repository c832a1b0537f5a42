"""What the tests share: where MNIST is, whether there is CUDA, and small digits drawn once."""

from __future__ import annotations

import contextlib
import functools
import os
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

# Matrices this small are slower on more threads. NumPy and PyTorch read these once, so this stands
# above the imports that bring them; what the user has set stays.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

from model import mnist_files, synthetic_digits  # noqa: E402

CHECKOUT = Path(__file__).parent.parent


@functools.cache
def mnist_folder() -> Path | None:
    """Return the folder with the real MNIST files, or None."""
    for folder in filter(None, (os.environ.get("MNIST_DIR"), CHECKOUT / "data")):
        with contextlib.suppress(OSError, ValueError):
            if mnist_files.describe(folder).kind == "mnist":
                return Path(folder)
    return None


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip, with the reason, what needs MNIST or CUDA where they are not."""
    if item.get_closest_marker("mnist") and mnist_folder() is None:
        pytest.skip("real MNIST is neither in MNIST_DIR nor in data/")
    if item.get_closest_marker("cuda"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("PyTorch finds no CUDA device")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Write what tests have measured, which none of them asserts."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            terminalreporter.write_line(f"measured: {name}: {value:.1f}")


@contextlib.contextmanager
def memory_below(most: int) -> Iterator[None]:
    """Hold a block to so many bytes of memory."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < most
    finally:
        tracemalloc.stop()


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
