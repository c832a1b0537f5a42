"""What the tests of the proof share: small material, and the documented candidate as a class."""

from __future__ import annotations

import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import compare.candidates
from compare.material import Material, synthetic_material
from model.synthetic_digits import write_idx_files


@pytest.fixture(scope="session")
def material() -> Material:
    """Random images for 12-6-4, and little training."""
    return synthetic_material([12, 6, 4], steps=8, free_steps=60)


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a few drawn digits as IDX files."""
    folder = tmp_path_factory.mktemp("digits")
    write_idx_files(folder, training=36, test=9)
    return folder


@pytest.fixture(scope="session")
def digits_material(digits: Path) -> Material:
    """The drawn digits for 784-4-10, with their folder."""
    from compare.material import mnist_material

    return replace(mnist_material(digits, [784, 4, 10]), steps=4, free_steps=8, mini_batch_size=5)


@pytest.fixture(scope="session")
def worked_example() -> str:
    """The text of the candidate in the docstring of compare.candidates."""
    text = compare.candidates.__doc__
    assert text is not None
    start, end = text.index("    import numpy"), text.index("The same in another framework")
    return textwrap.dedent(text[start:end])


@pytest.fixture(scope="session")
def jax_example() -> str:
    """The text of the candidate in JAX there."""
    text = compare.candidates.__doc__
    assert text is not None
    start, end = text.index("    import jax\n"), text.index("The proof hands")
    return textwrap.dedent(text[start:end])


@pytest.fixture(scope="session")
def correct(worked_example: str) -> type:
    """That candidate as a class, from which sabotaged ones derive."""
    names: dict[str, Any] = {"__name__": "worked_example", "np": np}
    exec(worked_example, names)
    found: type = names["MyNetwork"]
    return found
