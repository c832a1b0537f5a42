"""The twin in JavaScript gives NumPy's bits: its orders, initial weights, steps and fingerprints.

Run by Node; the page's tests run it in a browser.
"""

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from model.initial import initial_parameters
from model.parameters import Parameters
from reference.exact_sigmoid import exact_sigmoid
from scripts import vectors
from tests.twin import REFERENCE, drawn, fingerprint, refusal

ROOT = Path(__file__).parent.parent
JAVASCRIPT = ROOT / "scripts" / "explorer" / "network.js"
NODE = shutil.which("node")

needs_node = pytest.mark.skipif(NODE is None, reason="Node is not installed: no node on the path")


def node(body, **given):
    """Run JavaScript that has the twin as `twin`, and `given`; return what it returns."""
    source = f"""
        import * as twin from {json.dumps(JAVASCRIPT.as_uri())};
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


def layers(parameters):
    return {name: getattr(parameters, name) for name in ("sizes", "weights", "biases")}


def test_nothing_but_arithmetic_and_comparison_decides_bits():
    text = re.sub(r"//.*|/\*\*.*?\*/", "", JAVASCRIPT.read_text())
    used = set(re.findall(r"Math\.(\w+)", text))
    # Of these only exp and log1p are not exact: both stand in the ziggurat's rare cases.
    assert used == {"abs", "clz32", "exp", "floor", "imul", "log1p", "max", "min"}
    assert set(re.findall(r"Math\.(?:exp|log1p)", text[: text.index("class Generator")])) == set()


@needs_node
@pytest.mark.parametrize("seed", [14, 2**63 - 1])
def test_orders_and_initial_weights_are_those_of_numpy(seed):
    rng = np.random.default_rng(seed)
    sizes = (1, 2, 7, 480, 50_000, 5)
    expected = [rng.permutation(n).tolist() for n in sizes]
    normals = rng.standard_normal(100_000)
    found = node(
        """const rng = twin.default_rng(BigInt(given.seed));
        return [given.sizes.map((n) => rng.permutation(n)), rng.standard_normal(100000)];""",
        seed=str(seed), sizes=sizes,
    )  # fmt: skip
    assert found[0] == expected
    assert np.abs(normals).max() > 3.7  # the tail is among them
    np.testing.assert_array_equal(found[1], normals)


@needs_node
def test_sigmoid_is_the_exact_one_of_the_reference():
    z = np.concatenate([np.linspace(-45, 45, 20_001), [0.0, 1e-300, 1e9, -1e9]])
    found = node("return given.z.map(twin.exact_sigmoid)", z=z)
    np.testing.assert_array_equal(found, exact_sigmoid(z))


TAKEN = """
    const net = twin.Network.from_parameters(given, new twin.FixedPoint());
    const [x, y] = [given.x, given.y].map((v) => Float64Array.from(v));
    try { net.update_mini_batch([x, y], given.eta) } catch (error) { return error.message }
    return [net.cost(x, y), twin.fingerprint(net)];
"""


@needs_node
@pytest.mark.parametrize("sizes", [(784, 20, 10), (784, 7, 5, 10), (4, 3, 2), (5, 2)])
def test_a_step_its_cost_and_an_overflow_are_those_of_the_reference(sizes):
    """With inputs below 0 too; in float64 each part is proved with examples/candidate.mjs."""
    start, (x, y) = initial_parameters(sizes, seed=3), drawn(sizes, 10)
    x *= np.where(np.arange(10) % 2, -1, 1)
    net, given = REFERENCE.start(start), {"x": x.T.ravel(), "y": y.T.ravel(), **layers(start)}
    net.update_mini_batch((x, y), 3.0)
    cost, name = node(TAKEN, eta=3.0, **given)
    assert cost == pytest.approx(net.cost(x, y), rel=1e-12)
    assert name == fingerprint(net)
    told = refusal(REFERENCE.start(start).update_mini_batch, (x, y), 1e5)
    assert told == f"OverflowError: {node(TAKEN, eta=1e5, **given)}"


def test_the_vectors_are_what_the_program_writes(tmp_path):
    assert vectors.main(["--output", str(tmp_path)]) == 0
    number = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")
    for name, rtol in (("fixed-point", 0), ("float64", 1e-12), ("float32", 1e-4)):
        texts = [
            (folder / f"{name}.json").read_text() for folder in (tmp_path, ROOT / "docs/vectors")
        ]
        assert len({number.sub("v", text) if rtol else text for text in texts}) == 1
        values = [np.array(number.findall(text), dtype=np.float64) for text in texts]
        np.testing.assert_allclose(*values, rtol=rtol)


FOLLOWED = """
    const net = twin.Network.from_parameters(given, new twin.FixedPoint());
    const data = new twin.Examples(Uint8Array.from(given.bytes), Uint8Array.from(given.digits));
    const found = [];
    net.SGD(data, 2, 10, 3.0, data, twin.default_rng(14),
        (_, correct) => found.push([correct, twin.fingerprint(net)]));
    return found;
"""


@needs_node
@pytest.mark.parametrize("sizes", [(784, 20, 10), (784, 6, 5, 10)])
def test_training_ends_with_the_counts_and_fingerprints_of_the_reference(sizes):
    start, (x, y), expected = initial_parameters(sizes, 2), drawn(sizes, 1003), []
    net, digits, rng = REFERENCE.start(start), y.argmax(axis=0), np.random.default_rng(14)
    data, test = REFERENCE.data(x, y), REFERENCE.data(x, digits)
    net.SGD(data, 2, 10, 3.0, test, rng, lambda _, n: expected.append([n, fingerprint(net)]))
    assert node(FOLLOWED, bytes=256 * x.T.ravel(), digits=digits, **layers(start)) == expected


@needs_node
def test_a_fingerprint_does_not_see_the_sign_of_zero():
    given = Parameters((1, 1), [[[-0.0]]], [[[2.5]]])
    body = "return twin.fingerprint(twin.Network.from_parameters(given))"
    assert node(body, **layers(given)) == given.fingerprint
