"""Programs in other languages are put to the same proof, and docs/programs.md tells how.

The page's own conversation is held with each of them and with a Python class.
"""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import compare
from compare import host, kills, pipes
from compare.material import Material, synthetic_material
from compare.supervision import METHODS, Supervised

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "programs.md").read_text(encoding="utf-8")
C, JAVASCRIPT = "examples/candidate.c", "examples/candidate.mjs"
TWIN = "scripts/explorer/network.js"
NEEDS = {
    C: ("cc", "no C compiler is on the path: cc"),
    JAVASCRIPT: ("node", "Node is not installed"),
}


def needing(example: str, *row: Any) -> Any:
    """A row of a table, skipped where the example's language is missing."""
    tool, reason = NEEDS[example]
    missing = pytest.mark.skipif(shutil.which(tool) is None, reason=reason)
    return pytest.param(example, *row, marks=missing)


languages = pytest.mark.parametrize("example", [needing(name) for name in NEEDS])


def command(example: str, folder: Path, file: str = "", old: str = "", new: str = "") -> str:
    """The command that runs a copy of an example, in which a file may have other words."""
    for name in (example, TWIN, str(Path(TWIN).with_name("package.json"))):
        text = (ROOT / name).read_text(encoding="utf-8")
        if name == file:
            assert text.count(old) == 1, f"{old!r} is {text.count(old)} times in {name}"
            text = text.replace(old, new)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    if example == JAVASCRIPT:
        return f"node {folder / example}"
    program = folder / "candidate"
    build = ["cc", "-Wall", "-Wextra", "-Werror", "-O2", "-o", str(program), str(folder / example)]
    subprocess.run([*build, "-lm"], check=True, timeout=60)
    return str(program)


@pytest.fixture(scope="module")
def quick() -> Material:
    """Random images for 12-6-4, little training, and an epoch of fixed-point."""
    return synthetic_material([12, 6, 4], steps=20, epochs=1, kept={})


@languages
def test_an_example_is_proved(example: str, quick: Material, tmp_path: Path) -> None:
    found = compare.prove(command=command(example, tmp_path), material=quick)
    assert (found.status, found.candidate) == (0, Path(example).name)
    assert found["training"].verdict in ("equal", "identical", "parted")
    in_bits = "in fixed-point the fingerprints are equal" in found["training"].sentence
    assert in_bits == (example == JAVASCRIPT)


# fmt: off
BROKEN = [
    (C, (C, "1 / (1 + exp(-z.v[i]))", "1 / (1 + exp(z.v[i]))"), "forward", "exp(-z)"),
    (C, (C, "eta / x.columns", "eta"), "update", "size of the mini-batch"),
    (JAVASCRIPT, (TWIN, "return a * (1 - a);", "return a.constructor(1);"), "gradients", "sigma'"),
    (JAVASCRIPT, (TWIN, "(a, i) => a - y[i]", "(a, i) => 2 * (a - y[i])"), "gradients", "1/2"),
    (JAVASCRIPT, (TWIN, "nabla[i] * up + ROUNDER - ROUNDER", "nabla[i] * up"), "training",
     "0 allowed (train in fixed-point"),
    (JAVASCRIPT, (JAVASCRIPT, 'in_order(order, "C")', 'in_order(order, "C").reverse()'), "training",
     "from the last to the first"),
]
# fmt: on


@pytest.mark.parametrize(("example", "change", "link", "says"), [needing(*row) for row in BROKEN])
def test_with_one_line_broken_it_is_disproved(
    example: str, change: Any, link: str, says: str, quick: Material, tmp_path: Path
) -> None:
    program = command(example, tmp_path, *change)
    found = compare.prove(command=program, material=quick, links=kills.CHAIN)
    assert found.first_broken is not None
    assert (found.status, found.first_broken.name) == (1, link)
    assert says in found.diagnosis


# The page.

Messages = list[tuple[dict[str, Any], list[Any]]]


def conversation() -> tuple[Messages, Messages]:
    """The page's requests and its answers."""
    found: dict[str, Messages] = {">": [], "<": []}
    for side, line in re.findall(r"^([<>]) +(.+)$", PAGE, re.MULTILINE):
        if line.startswith("{"):
            found[side].append((json.loads(line), []))
        else:
            message, arrays = found[side][-1]
            dtype, shape, order = message["arrays"][len(arrays)]
            arrays.append(np.array(line.split(), dtype).reshape(shape, order=order))
    for message, arrays in found[">"] + found["<"]:
        assert len(message.pop("arrays")) == len(arrays)
    return found[">"], found["<"]


def check(found: Any, expected: Messages) -> None:
    for (message, arrays), (told, numbers) in zip(found, expected, strict=True):
        assert set(message.pop("offers", [])) >= set(told.get("offers", []))
        keys = set(told) - {"label", "offers"}
        assert {key: message[key] for key in keys} == {key: told[key] for key in keys}
        for one, other in zip(arrays, numbers, strict=True):
            assert one.shape == other.shape
            np.testing.assert_allclose(one, other, rtol=4e-16, atol=1e-16)


def test_the_pages_requests_are_what_the_proof_writes() -> None:
    lines = re.findall(r"^> ({.+)$", PAGE, re.MULTILINE)
    for line, (message, arrays) in zip(lines, conversation()[0], strict=True):
        written = io.BytesIO()
        pipes.send(written, message, arrays)
        assert written.getvalue() == line.encode() + b"\n" + b"".join(
            v.tobytes("A") for v in arrays
        )
    [numbers] = re.findall(r"`((?:[0-9a-f]{2} ){15}[0-9a-f]{2})`", PAGE)
    assert np.frombuffer(bytes.fromhex(numbers), "<f8").tolist() == [0.5, -0.25]


def test_a_class_answers_as_the_page_says(correct: Any) -> None:
    supervised, (requests, answers) = Supervised(lambda: correct), conversation()
    check((supervised.answer(*request) for request in requests), answers)  # each before the next


@languages
def test_a_program_answers_as_the_page_says(example: str, tmp_path: Path) -> None:
    requests, answers = conversation()
    sent = io.BytesIO()
    for request in requests:
        pipes.send(sent, *request)
    words = command(example, tmp_path).split()
    run = subprocess.run(words, input=sent.getvalue(), capture_output=True, timeout=60, check=True)
    received = io.BufferedReader(io.BytesIO(run.stdout))  # type: ignore[type-var]
    check([pipes.receive(received) for _ in answers], answers)
    assert received.read() == b""


def test_the_page_names_every_method_and_the_limits_of_the_code() -> None:
    rows = re.findall(r"^\| `(\w+)` \|([^|]*)\|([^|]*)\|[^|]*\|$", PAGE, re.MULTILINE)
    given = {name: len(f"{arrays},{numbers}".replace(" ", "").strip(",").split(","))
             for name, arrays, numbers in rows}  # fmt: skip
    assert {**given, "export": 0} == METHODS
    for dtype in pipes.DTYPES:
        assert f"`{dtype}`" in PAGE
    text = re.sub(r"\s+", " ", PAGE)
    assert f"at most {pipes.LONGEST_LINE:,} bytes" in text
    assert f"at most {pipes.MOST_ARRAYS:,} arrays of {pipes.MOST_BYTES:,} bytes together" in text
    assert f"longer than {host.TIMEOUT:g} s (`--timeout`)" in text
    assert f"more than {host.MEMORY:g} GiB of data (`--memory`" in text
    assert f"after {host.PATIENCE:g} s it is killed" in text
