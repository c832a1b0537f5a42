"""Link data: both loaders, every byte, every label, the split; and each mistake is caught."""

from __future__ import annotations

import gzip
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import reference.mnist_loader
from compare import data
from compare.chain import run_link
from compare.difference import Link, Verdict
from compare.material import Material
from compare.torch_twin import torch_candidate


def loading(change: Any) -> type:
    """Return the twin with a loader whose result is changed."""

    def load_data(path: Path) -> Any:
        return change(
            [tuple(np.array(v) for v in p) for p in reference.mnist_loader.load_data(path)]
        )

    return type("Changed", (torch_candidate(),), {"load_data": staticmethod(load_data)})


def run(candidate: type, material: Material) -> Link:
    return run_link(data, candidate, material)


def test_both_loaders_read_every_byte_alike(digits_material: Material) -> None:
    link = run(torch_candidate(), digits_material)
    assert link.verdict is Verdict.IDENTICAL
    assert (
        link.sentence == "every pixel and label of 30 + 6 + 9 images, and the split, are the same"
    )
    assert len(link.differences) == 12  # each part: the files' bytes, and the candidate's
    assert sum(d.entries for d in link.differences) == 2 * 45 * 785


@pytest.mark.mnist
def test_both_loaders_read_mnist_alike(mnist: Path) -> None:
    from compare.material import mnist_material

    link = run(torch_candidate(), mnist_material(mnist, [784, 4, 10]))
    assert link.verdict is Verdict.IDENTICAL
    assert "50,000 + 10,000 + 10,000" in link.sentence


def scaled(parts: Any) -> Any:
    return [(images * np.float32(256 / 255), labels) for images, labels in parts]


def shifted_labels(parts: Any) -> Any:
    return [(images, np.roll(labels, 1)) for images, labels in parts]


def one_pixel(parts: Any) -> Any:
    parts[1][0][3, 400] += 1 / 256
    return parts


def swapped(parts: Any) -> Any:
    return [parts[1], parts[0], parts[2]]


def transposed(parts: Any) -> Any:
    def turn(images: Any) -> Any:
        return images.reshape(-1, 28, 28).transpose(0, 2, 1).reshape(len(images), -1)

    return [(turn(images), labels) for images, labels in parts]


def other_split(parts: Any) -> Any:
    (x, y), (vx, vy), test = parts
    both, labels = np.concatenate([vx, x]), np.concatenate([vy, y])
    return [(both[: len(x)], labels[: len(x)]), (both[len(x) :], labels[len(x) :]), test]


def not_a_number(parts: Any) -> Any:
    parts[2][0][5, 5] = np.nan
    return parts


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (scaled, "training images differ"),
        (shifted_labels, "training labels differ: training labels["),
        (one_pixel, "1 of 4,704 validation images differ: validation images[3, 400] is"),
        (
            swapped,
            "training images (the candidate's loader): expected (30, 784), received (6, 784)",
        ),
        (transposed, "training images differ"),
        (other_split, "training images differ"),
        (not_a_number, "test images[0, 5] is nan"),
    ],
)
def test_each_mistake_in_loading_is_caught(
    change: Any, words: str, digits_material: Material
) -> None:
    link = run(loading(change), digits_material)
    assert link.verdict in (Verdict.DIFFERENT, Verdict.ERROR)
    assert words in link.sentence


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            None,
            r"expected (training, validation, test), a pair (images, labels) each, received None",
        ),
        ([1, 2, 3], "expected training to be a pair (images, labels)"),
        ([("a", "b")] * 3, "training images: expected floating-point numbers (N, 784), byte / 256"),
        ([(np.ones(2), np.ones(2))] * 3, "training labels: expected integers (N,), received dtype"),
    ],
)
def test_what_is_no_data_gets_one_line(answer: Any, words: str, digits_material: Material) -> None:
    link = run(loading(lambda parts: answer), digits_material)
    assert link.verdict is Verdict.ERROR
    assert words in link.sentence


def test_a_mistake_in_the_reference_loader_is_caught_against_the_bytes(
    digits_material: Material,
) -> None:
    assert digits_material.folder is not None
    loaded = reference.mnist_loader.load_data(digits_material.folder)
    wrong = scaled([tuple(map(np.array, part)) for part in loaded])
    link = run(loading(scaled), replace(digits_material, loaded=wrong))
    assert link.verdict is Verdict.DIFFERENT
    assert link.broken[0].case == "the reference's loader"


def test_files_may_be_compressed(digits: Path, tmp_path: Path, digits_material: Material) -> None:
    for path in digits.iterdir():
        if path.suffix != ".gz":
            (tmp_path / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        else:
            shutil.copy(path, tmp_path)
    link = run(torch_candidate(), replace(digits_material, folder=tmp_path))
    assert link.verdict is Verdict.IDENTICAL


def test_without_a_loader_or_a_folder_nothing_is_claimed(
    correct: type, digits_material: Material, material: Material
) -> None:
    assert run(correct, digits_material).verdict is Verdict.NOT_OFFERED
    link = run(torch_candidate(), material)
    assert (link.verdict, link.sentence) == (
        Verdict.NOT_TRIED,
        "random images: no data files to load",
    )


def test_no_images_or_black_ones_prove_nothing() -> None:
    empty, black = np.zeros((0, 784), np.float32), np.zeros((3, 784), np.float32)
    for images, words in ((empty, "no examples"), (black, "all zeros")):
        with pytest.raises(data.Refused, match=words):
            data.measure_exactly("test images", images.copy(), images, "candidate")
