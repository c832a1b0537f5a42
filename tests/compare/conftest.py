"""What the tests of the proof share: small material, the documented candidate, and its changes."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import compare.candidates
from compare.difference import Link
from compare.host import InProcess
from compare.links import run
from compare.material import Material, mnist_material, synthetic_material
from model.synthetic_digits import write_idx_files


@pytest.fixture(scope="session")
def material() -> Material:
    """Random images for 12-6-4, and little training."""
    return synthetic_material([12, 6, 4], steps=60)


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a few drawn digits as IDX files."""
    folder = tmp_path_factory.mktemp("digits")
    write_idx_files(folder, training=36, test=9)
    return folder


@pytest.fixture(scope="session")
def digits_material(digits: Path) -> Material:
    """The drawn digits for 784-4-10, with their folder."""
    return replace(mnist_material(digits, [784, 4, 10]), steps=8, mini_batch_size=5)


def documented(first: str, last: str) -> str:
    """Return a part of the docstring of compare.candidates as a program."""
    text = str(compare.candidates.__doc__)
    return textwrap.dedent(text[text.index(first) : text.index(last)])


@pytest.fixture(scope="session")
def worked_example() -> str:
    return documented("    import numpy", "The same in another framework")


@pytest.fixture(scope="session")
def jax_example() -> str:
    return documented("    import jax\n", "The proof runs")


@pytest.fixture(scope="session")
def correct(worked_example: str) -> Any:
    """The documented candidate as a class, from which sabotaged ones derive."""
    names: dict[str, Any] = {"__name__": "worked_example", "np": np}
    exec(worked_example, names)
    return names["MyNetwork"]


@pytest.fixture(scope="session")
def linked() -> Callable[..., Link]:
    """Run a link on a candidate class in this process."""

    def linked(name: str, candidate: Any, material: Material) -> Link:
        host = InProcess(candidate, "")
        return run(name, host, material.for_dtype(host.dtype))

    return linked
