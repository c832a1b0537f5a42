"""The link "figures" passes what is right and names the place of every sabotage."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from compare import figures
from compare.chain import chosen_links, run_link
from compare.difference import Link, Verdict
from compare.material import Material, synthetic_material
from compare.reference_twin import reference_candidate
from compare.torch_twin import torch_candidate
from model import observe as observation
from model.parameters import Parameters
from reference.network import Network

DTYPES = ["float64", "float32", "fixed-point"]


def run(candidate: type, material: Material) -> Link:
    dtype = getattr(candidate, "dtype", "float64")
    return run_link(figures, candidate, material.for_dtype(dtype))


def changed(base: type, **methods: Any) -> type:
    return type("Changed", (base,), methods)


def traced(base: type, spoil: Callable[[Any, Any], None]) -> type:
    """The candidate with something done to the zs and activations that it returns."""

    def trace(self: Any, x: Any) -> Any:
        zs, activations = base.trace(self, x)  # type: ignore[attr-defined]
        zs, activations = [np.array(v) for v in zs], [np.array(v) for v in activations]
        if len(zs) > 1:  # not where it is asked for the network behind a held neuron
            spoil(zs, activations)
        return zs, activations

    return changed(base, trace=trace)


# What is right passes.


def test_it_is_the_last_link() -> None:
    assert chosen_links(None)[-1] is figures


@pytest.mark.parametrize("sizes", [(12, 6, 4), (9, 5, 4, 3), (8, 1, 2), (784, 3, 10)], ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_twin_passes(dtype: str, sizes: tuple[int, ...]) -> None:
    link = run(torch_candidate(dtype), synthetic_material(sizes))
    assert link.verdict in (Verdict.EQUAL, Verdict.IDENTICAL), link.sentence
    assert "fixed-point every record" in link.sentence
    assert (dtype == "fixed-point") == (link.verdict is Verdict.IDENTICAL) or sizes != (784, 3, 10)
    assert link.details["pictures"] == [f"z-{min(sizes[1] - 1, 11):02d}.png"]
    assert link.power is not None
    assert link.power < 0.1


@pytest.mark.cuda
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_twin_on_cuda_passes(dtype: str) -> None:
    link = run(torch_candidate(dtype, "cuda"), synthetic_material((784, 20, 10)))
    assert link.verdict in (Verdict.EQUAL, Verdict.IDENTICAL), link.sentence


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_reference_is_identical_to_itself(dtype: str, material: Material) -> None:
    link = run(reference_candidate(dtype), material)
    assert link.verdict is (Verdict.EQUAL if dtype == "float32" else Verdict.IDENTICAL)


def test_a_stranger_passes_by_its_trace(correct: type, material: Material) -> None:
    link = run(correct, material)
    assert link.verdict in (Verdict.EQUAL, Verdict.IDENTICAL), link.sentence
    assert "ablated_predictions" in {d.tensor for d in link.differences}
    assert "not offered" not in link.sentence
    assert link.details["fixed_point"] == "not offered"


def test_one_that_takes_only_its_own_sizes_is_not_asked_what_neurons_are_needed_for(
    correct: type, material: Material
) -> None:
    def init(self: Any, sizes: Any, weights: Any, biases: Any) -> None:
        if len(sizes) != 3:
            raise RuntimeError("one hidden layer")
        correct.__init__(self, sizes, weights, biases)  # type: ignore[misc]

    link = run(changed(correct, __init__=init), material)
    assert link.verdict in (Verdict.EQUAL, Verdict.IDENTICAL), link.sentence
    assert "needed for was not offered" in link.sentence
    assert "ablated_predictions" not in {d.tensor for d in link.differences}


def test_without_a_trace_it_is_not_offered(correct: type, material: Material) -> None:
    class Outputs:
        def __init__(self, *start: Any) -> None:
            self.net = correct(*start)

        def export(self) -> Any:
            return self.net.export()

        def feedforward(self, x: Any) -> Any:
            return self.net.trace(x)[1][-1]

    assert run(Outputs, material).verdict is Verdict.NOT_OFFERED


def test_without_a_hidden_layer_it_is_not_tried() -> None:
    link = run(torch_candidate(), synthetic_material((2, 3)))
    assert link.verdict is Verdict.NOT_TRIED
    assert "no hidden neuron" in link.sentence


def test_a_network_of_zeros_proves_nothing(correct: type, material: Material) -> None:
    p = material.trained
    nothing = Parameters(p.sizes, [0 * w for w in p.weights], [0 * b for b in p.biases])
    link = run(correct, replace(material, starts={**material.starts, "trained": nothing}))
    assert link.verdict is Verdict.DIFFERENT
    assert "every z is 0" in link.sentence


# Where rounding may choose, it may; and it is said where.


def on_the_edge(material: Material) -> Material:
    """The material with a neuron 2 whose z is 0 on every image: it fires by a hair or not."""
    p = material.trained
    weights, biases = [np.array(w) for w in p.weights], [np.array(b) for b in p.biases]
    weights[0][2], biases[0][2] = 0, 0
    edge = Parameters(p.sizes, weights, biases)
    return replace(material, starts={**material.starts, "trained": edge})


def test_firing_that_rounding_may_choose_is_allowed_and_named(
    correct: type, material: Material
) -> None:
    def a_hair_more(zs: Any, activations: Any) -> None:
        activations[1][2] += 2.0**-53

    link = run(traced(correct, a_hair_more), on_the_edge(material))
    assert link.verdict is Verdict.EQUAL, link.sentence
    images = len(material.test_images)
    assert link.details["undecided"]["firing"] == images
    assert link.details["undecided"]["roles"] == [2]
    assert link.details["undecided"]["where"][0] == (
        "the role of neuron 2, as it may fire on image 0"
    )
    assert f"{images} firings" in link.sentence


def test_more_than_a_hair_is_found(correct: type, material: Material) -> None:
    def too_much(zs: Any, activations: Any) -> None:
        activations[1][2] += 1e-12

    link = run(traced(correct, too_much), on_the_edge(material))
    assert link.verdict is Verdict.DIFFERENT
    assert "activations[1].T[" in link.sentence


# Sabotage of what the candidate says.


def test_one_z_changed_is_found_in_its_place(correct: type, material: Material) -> None:
    def spoil(zs: Any, activations: Any) -> None:
        zs[0][3, 5] += 1e-9

    link = run(traced(correct, spoil), material)
    assert link.verdict is Verdict.DIFFERENT
    assert link.sentence.startswith("zs[0].T[5, 3] is ")


def test_permuted_neurons_are_found(correct: type, material: Material) -> None:
    def spoil(zs: Any, activations: Any) -> None:
        for v in (zs[0], activations[1]):
            v[[1, 4]] = v[[4, 1]]

    link = run(traced(correct, spoil), material)
    assert link.verdict is Verdict.DIFFERENT
    assert {d.index[1] for d in link.broken[:2]} <= {1, 4}


def test_a_wrong_digit_is_found(correct: type, material: Material) -> None:
    def spoil(zs: Any, activations: Any) -> None:
        activations[-1][:, 0] = np.roll(activations[-1][:, 0], 1)

    link = run(traced(correct, spoil), material)
    assert link.verdict is Verdict.DIFFERENT
    assert link.sentence.startswith("predictions[")


def test_a_wrong_rest_of_the_network_is_found(correct: type, material: Material) -> None:
    def trace(self: Any, x: Any) -> Any:
        zs, activations = correct.trace(self, x)  # type: ignore[attr-defined]
        return (
            (zs, activations)
            if len(zs) > 1
            else (zs, [x, np.ascontiguousarray(1 - activations[1])])
        )

    link = run(changed(correct, trace=trace), material)
    assert link.verdict is Verdict.DIFFERENT
    assert link.sentence.startswith("ablated_predictions[")


def test_an_exception_of_its_own_is_reported_as_such(correct: type, material: Material) -> None:
    def trace(self: Any, x: Any) -> Any:
        raise KeyError("lost")

    link = run(changed(correct, trace=trace), material)
    assert link.verdict is Verdict.ERROR
    assert "KeyError" in link.sentence


# Sabotage of the twin's records: an ablation that is not rounded to the grid.


def test_an_ablation_that_is_not_rounded_is_found(
    monkeypatch: pytest.MonkeyPatch, material: Material
) -> None:
    honest = figures.observe

    def observed(net: Any, images: Any) -> Any:
        found = honest(net, images)
        off_the_grid = 2.0**-30 * (not isinstance(net, Network))
        return replace(found, held_at=found.held_at + off_the_grid)

    monkeypatch.setattr(figures, "observe", observed)
    link = run(torch_candidate("fixed-point"), material)
    assert link.verdict is Verdict.DIFFERENT
    assert link.sentence.startswith("held_at[")
    assert run(torch_candidate("float64"), material).sentence.startswith("held_at[")


def test_an_ablation_that_holds_another_neuron_is_found(
    monkeypatch: pytest.MonkeyPatch, material: Material
) -> None:
    honest = observation._answers

    def turned(net: Any, hidden: Any) -> Any:
        return honest(net, np.roll(hidden, 0 if isinstance(net, Network) else 1, axis=1))

    monkeypatch.setattr(observation, "_answers", turned)
    link = run(torch_candidate("fixed-point"), material)
    assert link.verdict is Verdict.DIFFERENT
    assert link.sentence.startswith("ablated_predictions[")


# Sabotage of files and pictures.


def second_differs(monkeypatch: pytest.MonkeyPatch, name: str, spoil: Callable[[Any], Any]) -> None:
    """The candidate's, which is made second, is spoilt."""
    honest, calls = getattr(figures, name), []

    def made(*arguments: Any) -> Any:
        calls.append(None)
        value = honest(*arguments)
        return spoil(value) if len(calls) == (1 if name == "as_json" else 2) else value

    monkeypatch.setattr(figures, name, made)


def test_one_pixel_changed_is_found_in_its_place(
    monkeypatch: pytest.MonkeyPatch, material: Material
) -> None:
    def spoil(files: dict[str, bytes]) -> dict[str, bytes]:
        image = Image.open(io.BytesIO(files["z-05.png"])).convert("RGB")
        red, green, blue = image.getpixel((40, 70))  # type: ignore[misc]
        image.putpixel((40, 70), (red, green, blue - 1))
        file = io.BytesIO()
        image.save(file, format="png")
        return {"z-05.png": file.getvalue()}

    second_differs(monkeypatch, "pictures", spoil)
    link = run(torch_candidate("fixed-point"), material)
    assert link.verdict is Verdict.DIFFERENT
    assert link.sentence.startswith("z-05.png[70, 40] is ")
    assert "1 apart" in link.sentence
    assert "pixels" in link.sentence


def test_a_time_stamp_in_a_picture_is_found(
    monkeypatch: pytest.MonkeyPatch, material: Material
) -> None:
    def spoil(files: dict[str, bytes]) -> dict[str, bytes]:
        stamp, file = PngImagePlugin.PngInfo(), io.BytesIO()
        stamp.add_text("Creation Time", "today")
        Image.open(io.BytesIO(files["z-05.png"])).save(file, format="png", pnginfo=stamp)
        return {"z-05.png": file.getvalue()}

    second_differs(monkeypatch, "pictures", spoil)
    link = run(torch_candidate("fixed-point"), material)
    assert link.verdict is Verdict.DIFFERENT
    assert "bytes of the file" in link.sentence


@pytest.mark.parametrize("spoil", [lambda v: v + b" ", lambda v: v.replace(b"role", b"rule", 1)])
def test_other_bytes_of_json_are_found(
    spoil: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch, material: Material
) -> None:
    second_differs(monkeypatch, "as_json", spoil)
    link = run(torch_candidate("fixed-point"), material)
    assert link.verdict is Verdict.DIFFERENT
    assert link.sentence.startswith("neurons.json[")


# Sizes of the work.


def test_a_quick_proof_looks_at_two_images_a_step_or_a_hundred() -> None:
    for steps, images in ((6, 100), (60, 120), (5000, 130)):
        material = synthetic_material((12, 6, 4), tests=130, steps=steps)
        link = run(torch_candidate("fixed-point"), material)
        assert f"{images} test images" in link.differences[0].case


def test_of_many_images_without_pixels_the_firing_rates_are_drawn(
    monkeypatch: pytest.MonkeyPatch, material: Material
) -> None:
    monkeypatch.setattr(figures, "ALL_PICTURES", 10)
    link = run(torch_candidate("fixed-point"), material)
    assert link.verdict is Verdict.IDENTICAL
    assert link.details["pictures"] == ["firing-rates.png"]


@pytest.mark.mnist
def test_of_many_images_three_pictures_are_the_same(mnist: Path) -> None:
    from compare.material import mnist_material

    material = replace(mnist_material(mnist, (784, 20, 10)), steps=500)
    link = run(torch_candidate("fixed-point"), material)
    assert link.verdict is Verdict.IDENTICAL, link.sentence
    assert link.details["pictures"] == ["firing-rates.png", "weights.png", "neuron-11.png"]
    assert link.power == 0


@pytest.mark.mnist
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_trained_network_has_the_same_records_in_floating_point(
    dtype: str, mnist: Path
) -> None:
    from compare.material import mnist_material

    material = replace(mnist_material(mnist, (784, 20, 10)), steps=400).for_dtype(dtype)
    evidence = figures.Evidence()
    told = figures.in_floating_point(
        torch_candidate(dtype), material, material.test_images[:800], evidence
    )
    assert evidence.broken is None, told
    if dtype == "float64":
        assert "nothing lies so near" in told
