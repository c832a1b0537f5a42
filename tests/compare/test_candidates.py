"""Candidates are found by name, and what cannot be tried is refused in one clear line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from compare import prove
from compare.candidates import check_offer, declared_dtype, find_candidate, name_of
from compare.difference import Unusable
from compare.material import Material


def test_the_worked_example_is_proved(correct: type, material: Material) -> None:
    proof = prove(correct, material=material).require()
    verdicts = {link.name: link.verdict for link in proof}
    assert verdicts.pop("data") in ("not offered", "not tried")
    assert set(verdicts.values()) <= {"identical", "equal"}


def test_the_example_in_jax_is_proved(jax_example: str, material: Material) -> None:
    pytest.importorskip("jax")
    names: dict[str, Any] = {"__name__": "jax_example"}
    exec(jax_example, names)
    assert prove(names["InJax"], material=material).require()["gradients"].verdict == "equal"


@pytest.mark.parametrize("example", ["worked_example", "jax_example"])
def test_the_examples_are_short_enough_to_type(
    example: str, request: pytest.FixtureRequest
) -> None:
    lines = [line for line in request.getfixturevalue(example).splitlines() if line.strip()]
    assert len(lines) < 40
    assert max(len(line) for line in lines) < 100


@pytest.mark.parametrize("place", ["path", "name"])
def test_a_candidate_is_found_by_file_and_by_module(
    place: str, worked_example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = f"beside_the_caller_{place}"
    path = tmp_path / f"{module}.py"
    path.write_text(worked_example)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    found = find_candidate(f"{path if place == 'path' else module}:MyNetwork")
    assert found.__name__ == "MyNetwork"
    assert name_of(found) == f"{module}:MyNetwork"
    check_offer(found)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("nothing", "expected package.module:Class or path/to/file.py:Class, received 'nothing'"),
        (":Class", "expected package.module:Class"),
        ("json:", "expected package.module:Class"),
        ("no.such.module:Net", "cannot import no.such.module: ModuleNotFoundError: No module"),
        ("nowhere.py:Net", "cannot import nowhere.py: FileNotFoundError: no such file"),
        ("json:Net", "json has no class Net"),
    ],
)
def test_a_candidate_that_cannot_be_imported_gets_one_line(name: str, line: str) -> None:
    with pytest.raises(Unusable) as raised:
        find_candidate(name)
    assert str(raised.value).startswith(f"--candidate: {line}")
    assert "\n" not in str(raised.value)


def test_an_exception_on_import_is_reported_as_one_line(tmp_path: Path) -> None:
    path = tmp_path / "broken_on_import.py"
    path.write_text("raise RuntimeError('first line\\nsecond line')\n")
    with pytest.raises(Unusable, match=r"broken_on_import.py: RuntimeError: first line$"):
        find_candidate(f"{path}:Net")


def test_a_syntax_error_is_reported_as_one_line(tmp_path: Path) -> None:
    path = tmp_path / "no_python.py"
    path.write_text("class Net\n")
    with pytest.raises(Unusable, match=r"no_python\.py: SyntaxError"):
        find_candidate(f"{path}:Net")


def test_missing_methods_are_named() -> None:
    class Empty:
        pass

    class OnlyExport:
        def export(self) -> None: ...

    with pytest.raises(Unusable, match=r"Empty lacks the method export\(\) -> \(weights, biases\)"):
        check_offer(Empty)
    with pytest.raises(Unusable, match=r"lacks the method trace\(x\).* or feedforward\(x\)"):
        check_offer(OnlyExport)


def test_an_unknown_precision_is_refused() -> None:
    class Half:
        dtype = "float16"

    with pytest.raises(Unusable, match=r"dtype: expected one of float64, float32, fixed-point"):
        declared_dtype(Half)


def test_what_does_not_say_its_precision_computes_in_float64(correct: type) -> None:
    assert declared_dtype(correct) == "float64"
