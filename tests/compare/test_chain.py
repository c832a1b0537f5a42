"""The chain as a library: the links in causal order, whatever a candidate does."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from compare import chain, prove
from compare.difference import Disproved, Link, Unusable, Verdict
from compare.material import Material, synthetic_material
from compare.reference_twin import reference_candidate
from model.parameters import Parameters

ORDER = [
    "reference",
    "data",
    "initial weights",
    "forward",
    "gradients",
    "update",
    "training",
    "predictions",
]
CHEAP = [name for name in ORDER if name not in ("reference", "data")]


def changed(base: type, **methods: Any) -> type:
    return type("Changed", (base,), methods)


def test_the_twin_is_proved_on_drawn_digits(digits_material: Material) -> None:
    proof = prove(material=digits_material).require()
    assert [link.name for link in proof][: len(ORDER)] == ORDER
    assert {link.verdict for link in proof} <= {"identical", "equal"}
    assert proof.candidate == "torch_impl.network (float64, cpu)"
    assert proof.settings["sizes"] == [784, 4, 10]
    assert proof.diagnosis == ""
    assert all(link.seconds > 0 for link in proof)


def test_the_reference_is_identical_to_itself(material: Material) -> None:
    proof = prove(reference_candidate(), material=material, links=CHEAP)
    assert {link.verdict for link in proof} == {Verdict.IDENTICAL}


@pytest.mark.parametrize("sizes", [(2, 1), (12, 6, 4), (9, 5, 4, 3), (30, 1, 1, 3)], ids=str)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_twin_is_proved_for_any_sizes(sizes: tuple[int, ...], dtype: str) -> None:
    material = synthetic_material(sizes, steps=5, free_steps=10, eta=1.0)
    prove(arithmetic=dtype, material=material, links=CHEAP).require()


@pytest.mark.cuda
@pytest.mark.parametrize("dtype", ["float64", "float32", "fixed-point"])
def test_the_twin_on_cuda_is_proved(dtype: str) -> None:
    material = synthetic_material((784, 20, 10), steps=5, free_steps=10)
    prove(arithmetic=dtype, device="cuda", material=material, links=CHEAP).require()


@pytest.mark.mnist
def test_the_twin_is_proved_on_mnist(mnist: Path) -> None:
    proof = prove(data=mnist, epochs=0, links=["forward", "gradients", "update", "predictions"])
    proof.require()
    assert proof["predictions"].details["images"] == 10_000
    assert proof.settings["data"] == "MNIST"


def test_links_are_told_as_they_end(material: Material) -> None:
    told: list[Link] = []
    progress: list[tuple[str, float]] = []
    proof = prove(
        material=material,
        links=["update", "training"],
        on_link=told.append,
        tell=lambda what, done: progress.append((what, done)),
    )
    assert tuple(told) == proof.links
    assert progress
    assert all(what.startswith("training: ") and 0 <= done <= 1 for what, done in progress)
    assert [done for _, done in progress] == sorted(done for _, done in progress)


def test_a_failing_candidate_is_disproved_and_diagnosed(correct: type, material: Material) -> None:
    def backprop(self: Any, x: Any, y: Any) -> Any:
        return [[n / x.shape[1] for n in part] for part in correct.backprop(self, x, y)]  # type: ignore[attr-defined]

    proof = prove(changed(correct, backprop=backprop), material=material, links=CHEAP)
    assert proof.status == 1
    assert proof.first_broken is proof["gradients"]
    assert proof.diagnosis
    with pytest.raises(Disproved, match=r"gradients: nabla"):
        proof.require()


def test_the_chain_goes_on_after_an_exception(correct: type, material: Material) -> None:
    def backprop(self: Any, x: Any, y: Any) -> Any:
        raise RuntimeError("not today")

    proof = prove(changed(correct, backprop=backprop), material=material, links=CHEAP)
    assert proof.status == 2
    assert proof["gradients"].verdict is Verdict.ERROR
    assert "not today" in proof["gradients"].trace
    assert proof["update"].verdict is Verdict.ERROR  # it calls its own backprop
    assert proof["predictions"].verdict in (Verdict.IDENTICAL, Verdict.EQUAL)


def test_a_wrong_shape_is_an_error_of_one_line(correct: type, material: Material) -> None:
    def backprop(self: Any, x: Any, y: Any) -> Any:
        nabla_b, nabla_w = correct.backprop(self, x, y)  # type: ignore[attr-defined]
        return nabla_b, [n.T for n in nabla_w]

    link = prove(changed(correct, backprop=backprop), material=material, links=CHEAP)["gradients"]
    assert (link.verdict, link.sentence) == (
        Verdict.ERROR,
        "nabla_w[0]: expected shape (6, 12), received (12, 6)",
    )


def test_later_methods_may_be_missing(correct: type, material: Material) -> None:
    less = changed(correct, backprop=None, update_mini_batch=None)
    proof = prove(less, material=material, links=CHEAP)
    assert proof.status == 0
    missing = [link.name for link in proof if link.verdict is Verdict.NOT_OFFERED]
    assert missing == ["gradients", "update", "training"]


def test_sizes_that_are_not_supported_cannot_be_tried(correct: type, material: Material) -> None:
    def __init__(self: Any, sizes: Any, weights: Any, biases: Any) -> None:
        raise ValueError("three layers of 784, 20 and 10 units, please")

    with pytest.raises(Unusable, match=r"does not take sizes \[12, 6, 4\]: three layers"):
        prove(changed(correct, __init__=__init__), material=material)


def test_an_exception_in_the_constructor_is_said_once(correct: type, material: Material) -> None:
    def __init__(self: Any, *given: Any) -> None:
        raise RuntimeError("no")

    proof = prove(changed(correct, __init__=__init__), material=material, links=CHEAP)
    first, *others = proof
    assert (first.verdict, first.sentence) == (
        Verdict.ERROR,
        "the candidate's own error: the constructor raised RuntimeError: no",
    )
    assert {link.verdict for link in others} == {Verdict.NOT_TRIED}
    assert proof.status == 2


def test_a_broken_reference_is_not_blamed_on_the_candidate(
    correct: type, material: Material, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = Link("reference", Verdict.DIFFERENT, "")
    found = chain.concluded(correct, material, [wrong], "cpu", strict=False)
    assert found.diagnosis == "the reference itself is wrong: mend reference/network.py"


def test_an_unknown_link_is_refused(material: Material) -> None:
    with pytest.raises(
        Unusable, match=r"links: expected some of reference, data.*, received 'backw"
    ):
        prove(material=material, links=["backward"])


def test_arithmetic_is_the_candidates_to_offer(correct: type, material: Material) -> None:
    with pytest.raises(Unusable, match=r"computes in float64 and does not offer with_arithmetic"):
        prove(correct, arithmetic="float32", material=material)
    proof = prove(reference_candidate(), arithmetic="float32", material=material, links=["update"])
    assert proof.settings["arithmetic"] == "float32"


def test_data_are_refused_for_sizes_that_do_not_take_them(digits: Path) -> None:
    with pytest.raises(Unusable, match=r"784 pixels and 10 digits, and sizes \[5, 3\] do not take"):
        prove(sizes=(5, 3), data=digits)


def test_a_place_without_data_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="MNIST's files are missing here"):
        prove(data=tmp_path)


def test_data_that_are_not_mnist_are_noticed(digits: Path) -> None:
    proof = prove(data=digits, epochs=0, links=["initial weights"])
    assert "not MNIST" in proof.notice
    assert proof.settings["data"] == str(digits)


def test_a_model_file_takes_the_place_of_the_trained_network(
    tmp_path: Path, material: Material
) -> None:
    path = tmp_path / "mine.json"
    material.trained.save(path)
    links = ["initial weights", "forward"]
    prove(model=path, epochs=0, links=links).require()
    path.write_text(path.read_text()[:-40])
    with pytest.raises(ValueError, match=r"mine.json: .* breaks off"):
        prove(model=path, links=links)


def test_an_update_that_explodes_is_different_and_no_warning(
    correct: type, material: Material
) -> None:
    def update_mini_batch(self: Any, x: Any, y: Any, eta: float) -> None:
        self.weights = [w * 1e300 for w in self.weights]

    link = prove(
        changed(correct, update_mini_batch=update_mini_batch), material=material, links=["update"]
    )["update"]
    assert link.verdict is Verdict.DIFFERENT


def test_importing_compare_loads_nothing_heavy() -> None:
    """Or the number of threads could not be set before NumPy starts."""
    code = "import compare, sys; print([m for m in ('numpy', 'torch') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_a_numpy_candidate_needs_no_torch(worked_example: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(worked_example)
    code = (
        "import sys, compare; sys.modules['torch'] = None\n"
        f"compare.prove({str(tmp_path / 'mine.py')!r} + ':MyNetwork', sizes=(5, 3, 2),"
        " links=['initial weights', 'forward', 'gradients', 'update', 'predictions']).require()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_torch_the_twin_cannot_be_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "compare.torch_twin", None)
    with pytest.raises(
        Unusable, match=r"torch_impl cannot be imported: .* name another --candidate"
    ):
        prove()


def test_material_for_float32_is_exact_in_float32(material: Material) -> None:
    for start in material.for_dtype("float32").starts.values():
        assert all((w == w.astype("float32")).all() for w in start.weights)


def test_saturated_fixed_point_material_stays_in_its_range(material: Material) -> None:
    large = replace(
        material,
        starts={"initial": Parameters([1, 1], [[[90.0]]], [[[-45.0]]])},
    )
    start = large.for_dtype("fixed-point").initial
    assert (start.weights[0][0, 0], start.biases[0][0, 0]) == (10.0, -5.0)
