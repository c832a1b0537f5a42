"""The twin in JavaScript gives NumPy's bits: its orders, initial weights, steps and fingerprints.

Run by Node; the page's tests run it in a browser.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.initial import initial_parameters
from model.parameters import Parameters
from reference import arithmetic as arithmetic_of_numpy
from reference import exact_sigmoid as sigmoid_of_numpy
from reference.arithmetic import FixedPoint, Float64
from reference.exact_sigmoid import exact_sigmoid
from reference.mnist_loader import load_data_wrapper
from reference.network import Network
from scripts import vectors
from scripts.command_line import SHIPPED_START

ROOT = Path(__file__).parent.parent
TWIN = ROOT / "scripts" / "explorer" / "network.js"
NODE = shutil.which("node")

pytestmark = pytest.mark.skipif(NODE is None, reason="Node is not installed: no node on the path")


def node(body: str, **given: Any) -> Any:
    """Run JavaScript that has the twin as `twin`, and `given`; return what it returns."""
    source = f"""
        import * as twin from {json.dumps(TWIN.as_uri())};
        import fs from "node:fs";
        const given = JSON.parse(fs.readFileSync(0));
        const answer = await (async () => {{ {body} }})();
        process.stdout.write(JSON.stringify(answer, (_, v) => ArrayBuffer.isView(v) ? [...v] : v));
    """
    plain = json.dumps(given, default=lambda v: v.tolist())
    run = subprocess.run(
        [str(NODE), "--input-type=module", "--eval", source],
        input=plain, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def flat(layers: Any) -> list[list[float]]:
    """Layers as the twin has them: an example in every row, one row after the other."""
    return [np.asarray(v).T.ravel().tolist() for v in layers]


def rows(layers: Any) -> list[list[float]]:
    return [np.asarray(v).ravel().tolist() for v in layers]


def test_constants_are_those_of_the_reference():
    text = TWIN.read_text()
    known = {**vars(arithmetic_of_numpy), **vars(sigmoid_of_numpy)}
    for name in ("SIGNIFICAND_BITS", "PARAMETER_RANGE_BITS", "PIXEL_BITS",
                 "LOG2_E", "LN2_HI", "LN2_LO", "SATURATION"):  # fmt: skip
        [value] = re.findall(rf"^const {name} = ([\d.e-]+);", text, flags=re.MULTILINE)
        assert float(value) == known[name], name


def test_nothing_but_arithmetic_and_comparison_decides_bits():
    text = re.sub(r"//.*|/\*\*.*?\*/", "", TWIN.read_text())
    used = set(re.findall(r"Math\.(\w+)", text))
    # Of these only exp and log1p are not exact: both stand in the ziggurat's rare cases.
    assert used == {"abs", "clz32", "exp", "floor", "imul", "log1p", "max", "min"}
    assert set(re.findall(r"Math\.(?:exp|log1p)", text[: text.index("class Generator")])) == set()


@pytest.mark.parametrize("seed", [0, 14, 2**32, 2**63 - 1])
def test_orders_and_initial_weights_are_those_of_numpy(seed):
    rng = np.random.default_rng(seed)
    sizes = (1, 2, 7, 480, 50_000)
    expected = [rng.permutation(n).tolist() for n in (*sizes, 5)]
    drawn = rng.standard_normal(100_000)
    found = node(
        """const rng = twin.default_rng(BigInt(given.seed));
        return [given.sizes.map((n) => rng.permutation(n)), rng.standard_normal(100000)];""",
        seed=str(seed), sizes=[*sizes, 5],
    )  # fmt: skip
    assert found[0] == expected
    assert np.abs(drawn).max() > 3.7  # the tail is among them
    np.testing.assert_array_equal(found[1], drawn)


def test_sigmoid_is_the_exact_one_of_the_reference():
    z = np.concatenate([np.linspace(-45, 45, 20_001), [0.0, 1e-300, 1e9, -1e9]])
    found = node("return given.z.map(twin.exact_sigmoid)", z=z)
    np.testing.assert_array_equal(found, exact_sigmoid(z))


TAKEN = """
    const kind = given.name === "float64" ? twin.Float64 : twin.FixedPoint;
    const net = twin.Network.from_parameters(given, new kind());
    const [x, y] = [given.x, given.y].map((v) => Float64Array.from(v));
    const found = [...net.trace(x), net.deltas(x, y), ...net.backprop(x, y)];
    net.update_mini_batch([x, y], given.eta);
    return [...found, ...net.export(), net.cost(x, y), twin.fingerprint(net)];
"""


@pytest.mark.parametrize("sizes", [(784, 20, 10), (784, 7, 5, 10), (4, 3, 2), (5, 2)])
@pytest.mark.parametrize("arithmetic", [FixedPoint, Float64])
def test_a_step_is_that_of_the_reference(sizes, arithmetic):
    parameters = initial_parameters(sizes, seed=3)
    rng = np.random.default_rng(5)
    x = rng.integers(-256, 257, (sizes[0], 10)) / 256 * (rng.random((sizes[0], 10)) < 0.3)
    y = np.eye(sizes[-1])[:, rng.integers(0, sizes[-1], 10)]
    net = Network.from_parameters(parameters, arithmetic())
    expected = [*map(flat, net.trace(x)), flat(net.deltas(x, y)), *map(rows, net.backprop(x, y))]
    net.update_mini_batch((x, y), 3.0)
    expected += map(rows, net.export())
    *found, cost, fingerprint = node(
        TAKEN, name=arithmetic.name, sizes=sizes, weights=parameters.weights,
        biases=parameters.biases, x=x.T.ravel(), y=y.T.ravel(), eta=3.0,
    )  # fmt: skip
    assert cost == pytest.approx(net.cost(x, y), rel=1e-12)
    if arithmetic is FixedPoint:
        assert found == expected
        assert fingerprint == Parameters(sizes, *net.export()).fingerprint
    for ours, theirs in zip(found, expected, strict=True):
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("name", ["fixed-point", "float64", "float32"])
def test_the_vectors_are_what_the_program_writes(name, tmp_path, capsys):
    assert vectors.main(["--output", str(tmp_path)]) == 0
    written, kept = (
        (folder / f"{name}.json").read_text() for folder in (tmp_path, ROOT / "docs" / "vectors")
    )
    if name == "fixed-point":
        assert written == kept
    number = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")
    assert number.sub("v", written) == number.sub("v", kept)
    values = [np.array(number.findall(text), dtype=np.float64) for text in (written, kept)]
    np.testing.assert_allclose(*values, rtol=1e-4 if name == "float32" else 1e-12)


FOLLOWED = """
    const digits = (part) => new twin.Examples(
        Uint8Array.from(fs.readFileSync(given.files[`${part}-images`])).subarray(16),
        Uint8Array.from(fs.readFileSync(given.files[`${part}-labels`])).subarray(8));
    const all = digits("train"), first = all.length - Math.floor(all.length / 6);
    const part = (from, to) => new twin.Examples(
        all.bytes.subarray(from * 784, to * 784), all.digits.subarray(from, to));
    const net = twin.Network.from_parameters(given, new twin.FixedPoint());
    const found = [];
    net.SGD(part(0, first), given.epochs, 10, 3.0, part(first, all.length),
        twin.default_rng(given.seed), (_, correct) => found.push([correct, twin.fingerprint(net)]));
    return found;
"""


def followed(folder: Path, start: Parameters, seed: int, epochs: int = 2) -> list[list[Any]]:
    """Correct answers and fingerprint after each epoch, the reference's and the twin's."""
    net = Network.from_parameters(start, FixedPoint())
    training, validation, _ = load_data_wrapper(folder)
    expected: list[Any] = []

    def note(_: int, correct: int | None) -> None:
        expected.append([correct, Parameters(start.sizes, *net.export()).fingerprint])

    net.SGD(training, epochs, 10, 3.0, validation, np.random.default_rng(seed), note)
    where = {
        key: str(next(folder.rglob(f"{key}-idx*"))) for key in ("train-images", "train-labels")
    }
    found = node(FOLLOWED, sizes=start.sizes, weights=start.weights, biases=start.biases,
                 files=where, seed=seed, epochs=epochs)  # fmt: skip
    return [expected, found]


@pytest.mark.parametrize("sizes", [(784, 20, 10), (784, 6, 5, 10)])
def test_training_ends_with_the_fingerprint_of_the_reference(digits_folder, sizes):
    expected, found = followed(digits_folder, initial_parameters(sizes, seed=2), seed=2)
    assert found == expected


@pytest.mark.mnist
def test_two_epochs_of_mnist_end_with_the_fingerprint_of_the_reference(mnist):
    expected, found = followed(mnist, Parameters.load(SHIPPED_START), seed=14)
    assert found == expected


def test_a_fingerprint_does_not_see_the_sign_of_zero():
    given = Parameters((1, 1), [[[-0.0]]], [[[2.5]]])
    body = "return twin.fingerprint(twin.Network.from_parameters(given))"
    found = node(body, sizes=given.sizes, weights=given.weights, biases=given.biases)
    assert found == given.fingerprint


def test_an_overflow_is_the_same_error_in_both():
    start = initial_parameters((4, 3, 2), seed=0)
    x, y = np.full((4, 10), 0.5), np.zeros((2, 10))
    with pytest.raises(OverflowError) as refused:
        Network.from_parameters(start, FixedPoint()).update_mini_batch((x, y), 1e4)
    found = node(
        """const net = twin.Network.from_parameters(given, new twin.FixedPoint());
        const [x, y] = [given.x, given.y].map((v) => Float64Array.from(v));
        try { net.update_mini_batch([x, y], 1e4) } catch (error) { return error.message }""",
        sizes=start.sizes, weights=start.weights, biases=start.biases,
        x=x.T.ravel(), y=y.T.ravel(),
    )  # fmt: skip
    assert found == str(refused.value)
