"""The page to play with: what is written into it, and what it does in a real browser.

The browser is a Chromium of this machine, driven by Playwright (pip install -e '.[browser]').
Screenshots stay in the folder that pytest names (--basetemp), to be looked at.
"""

from __future__ import annotations

import base64
import gzip
import itertools
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.initial import initial_parameters
from model.parameters import Parameters
from reference.arithmetic import FixedPoint
from reference.network import Network
from scripts import explore
from scripts.command_line import SHIPPED_MODEL

SHIPPED = Path(__file__).parents[2] / "visuals" / "explore.html"
MOST_BYTES = 400_000


def unpacked(page: Path) -> tuple[str, dict[str, Any], list[np.ndarray], np.ndarray]:
    """A page's text without its data, what it knows, its layers, and its images as bytes."""
    text = page.read_text()
    start, data, end = re.split(r'(?<=id="data">)(.*?)(?=</script>)', text, maxsplit=1)
    head, content = gzip.decompress(base64.b64decode(data)).split(b"\n", 1)
    known, at, layers = json.loads(head), 0, []
    sizes = known["sizes"]
    lengths = [a * b for a, b in itertools.pairwise(sizes)] + sizes[1:]
    for bits, length in zip(known["arrays"], 2 * lengths, strict=True):
        values = np.frombuffer(content, "<f8" if bits is None else "<i4", length, at)
        at += values.nbytes
        layers.append(values * 2.0 ** -(bits or 0))
    images = np.frombuffer(content, np.uint8, offset=at).reshape(-1, 784)
    return start + end, known, layers, images


def flat(parameters: Any) -> list[np.ndarray]:
    return [v.ravel() for v in (*parameters.weights, *parameters.biases)]


# --- The program ---------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [(784, 2, 4, 10), (784, 100, 10)])
def test_a_page_holds_the_network_its_start_and_what_numpy_makes_of_it(
    sizes, arguments_for, tmp_path, capsys
):
    page = tmp_path / "out"
    assert explore.main([*arguments_for(*sizes), "--epochs", "2", "--images", "25"]) == 0
    assert capsys.readouterr().out == f"wrote {page}: {page.stat().st_size / 1000:.0f} kB\n"
    _, known, layers, images = unpacked(page)
    model = Parameters.load(arguments_for(*sizes)[1])
    start = Network.from_parameters(initial_parameters(sizes, seed=1), FixedPoint())
    for one, other in zip(layers, [*flat(model), *flat(start)], strict=True):
        np.testing.assert_array_equal(one, other)
    assert known["places"][:25] == list(range(25))
    assert (known["arithmetic"], known["start_known"]) == ("fixed-point", True)
    assert len(images) == len(known["labels"]) == len(known["places"])
    once, twice = known["training"]["epochs"]["mnist"]
    assert once[0] == model.fingerprint  # which was trained one epoch from that start
    assert twice[0] != once[0]
    assert len(known["training"]["epochs"]["page"]) == 2


@pytest.mark.parametrize("told", [{}, {"arithmetic": ["octal"]}])
def test_a_network_of_float64_keeps_its_numbers(few_digits, tmp_path, told):
    drawn = initial_parameters((784, 4, 10), seed=7)
    given = Parameters(drawn.sizes, drawn.weights, drawn.biases, told)
    given.save(tmp_path / "given.json")
    where = ["--data", str(few_digits), "--output", str(tmp_path / "page.html")]
    assert explore.main(["--model", str(tmp_path / "given.json"), "--epochs", "1", *where]) == 0
    _, known, layers, _ = unpacked(tmp_path / "page.html")
    assert (known["arithmetic"], known["start_known"]) == ("float64", False)
    for one, other in zip(layers[:4], flat(given), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_shipped_page_is_small_and_asks_nothing_of_the_network(record_property):
    text, _, _, _ = unpacked(SHIPPED)
    record_property("page, kB", SHIPPED.stat().st_size / 1000)
    assert SHIPPED.stat().st_size < MOST_BYTES
    assert re.findall(r"https?://|\bsrc=|\bhref=|url\(|\bimport\b|fetch\(", text) == []


@pytest.mark.mnist
def test_the_shipped_page_is_what_the_program_writes_today(mnist, tmp_path):
    page = tmp_path / "explore.html"
    argv = ["--data", str(mnist), "--output", str(page), "--epochs", "1"]
    assert explore.main(argv) == 0
    (text, known, layers, images), kept = unpacked(page), unpacked(SHIPPED)
    for name, followed in known["training"]["epochs"].items():
        whole = kept[1]["training"]["epochs"][name]
        assert len(whole) == 30
        assert followed == whole[:1]
        known["training"]["epochs"][name] = whole
    assert (text, known) == kept[:2]  # compressed, the bytes may be another zlib's
    np.testing.assert_array_equal(images, kept[3])
    for one, other in zip(layers, kept[2], strict=True):
        np.testing.assert_array_equal(one, other)
    shipped = Parameters.load(SHIPPED_MODEL).fingerprint
    assert known["fingerprint"] == known["training"]["epochs"]["mnist"][-1][0] == shipped


# --- In a browser ------------------------------------------------------------------------------

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--disable-component-update"]  # fmt: skip
Open = Callable[..., Any]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    driver = pytest.importorskip(
        "playwright.sync_api", reason="Playwright is not installed: pip install -e '.[browser]'"
    )
    if not CHROMIUM:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    with driver.sync_playwright() as playwright:
        try:
            started = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        except driver.Error as error:  # such as a stub that wants a snap
            pytest.skip(f"{CHROMIUM} does not start: {str(error).splitlines()[0]}")
        yield started
        started.close()


@pytest.fixture
def open_page(browser) -> Iterator[Open]:
    """A function that opens the shipped page; what it asks for or complains of fails the test."""
    wrong: list[str] = []
    contexts = []

    def open_it(
        address: str = "", width: int = 1280, height: int = 800, file: Path = SHIPPED, **more: Any
    ) -> Any:
        contexts.append(browser.new_context(viewport={"width": width, "height": height}, **more))
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: wrong.append(message.text))
        page.on("request", lambda request: wrong.append(request.url))
        page.goto(file.as_uri() + address)
        page.locator("#which option").first.wait_for(state="attached")
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert [text for text in wrong if not re.match(r"file:.*\.html|blob:", text)] == []


def draw(page: Any, *points: tuple[float, float]) -> None:
    box = page.locator("#pad").bounding_box()
    places = [(box["x"] + u * box["width"], box["y"] + v * box["height"]) for u, v in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=15)
    page.mouse.up()


def train(page: Any, epochs: int, timeout: float = 120_000) -> str:
    page.click("#tab-train")
    page.fill("#epochs", str(epochs))
    page.click("#train")
    page.locator("#progress", has_text=f"Done: {epochs} epochs").wait_for(timeout=timeout)
    return page.inner_text("#verdict")


SEVEN = ((0.25, 0.25), (0.72, 0.24), (0.5, 0.55), (0.42, 0.85))


def test_a_hundred_digits_have_numpys_scores_bit_for_bit(open_page, record_property):
    images = unpacked(SHIPPED)[3]
    net = Network.from_parameters(Parameters.load(SHIPPED_MODEL), FixedPoint())
    page = open_page()
    told = page.evaluate(
        "JSON.stringify(Array.from({length: 100}, (_, i) => [...explorer.scores(i)]))"
    )
    np.testing.assert_array_equal(json.loads(told), net.feedforward(images[:100].T / 256).T)
    record_property("opened to ready, ms", page.evaluate("explorer.times.ready"))


@pytest.mark.parametrize("sizes", [(784, 3, 10), (784, 2, 4, 10), (784, 100, 10)])
def test_any_network_is_shown_and_trained(open_page, sizes, arguments_for, network_file, tmp_path):
    given = Parameters.load(network_file(*sizes))
    odd = {**given.metadata, "neuron_names": {"0": "<img src=x onerror=alert(1)>"}}
    Parameters(sizes, given.weights, given.biases, odd).save(tmp_path / "odd.json")
    file = tmp_path / "page.html"
    argv = [*arguments_for(*sizes), "--epochs", "2", "--output", str(file)]
    assert explore.main([*argv, "--model", str(tmp_path / "odd.json")]) == 0
    net = Network.from_parameters(given, FixedPoint())
    page = open_page("#neuron=0", file=file)
    assert page.inner_text("#neuron-name") == "Neuron 0 <img src=x onerror=alert(1)>"
    told = json.loads(page.evaluate("JSON.stringify([...explorer.scores(5)])"))
    assert told == net.feedforward(unpacked(file)[3][5:6].T / 256)[:, 0].tolist()
    assert train(page, 2) == "The same bits as NumPy's, after each of 2 epochs."


def test_a_drawn_digit_is_read_and_its_address_shows_it_again(open_page, record_property):
    page = open_page()
    page.click("#clear")
    draw(page, *SEVEN)
    caption = page.inner_text("#caption")
    assert caption == "Your digit, centred by mass: read as 7"
    strokes = page.evaluate("explorer.times.strokes")
    record_property("stroke to picture, median ms", float(np.median(strokes)))
    page.keyboard.press("d")
    again = open_page(page.url[page.url.index("#") :])
    for there in ("#caption", "#scores", "#neuron-name", "#counted"):
        assert again.inner_text(there) == page.inner_text(there)
    assert again.get_attribute("#delete", "aria-pressed") == "true"
    text = re.search(r"digit=([\w.]+)", page.url)[1]
    levels = re.sub(r"_(\w+?)\.", lambda run: "0" * int(run[1], 36), text)
    digit = np.array([int(level, 16) for level in levels]).reshape(28, 28)
    rows, columns = (np.flatnonzero(digit.any(axis=axis)) for axis in (1, 0))
    assert max(np.ptp(rows), np.ptp(columns)) + 1 in (20, 21)  # as MNIST's are
    for axis in (0, 1):
        assert np.average(np.indices((28, 28))[axis], weights=digit) == pytest.approx(14, abs=0.3)


def test_neurons_are_frozen_and_deleted_as_numpy_would(open_page):
    _, known, _, images = unpacked(SHIPPED)
    net = Network.from_parameters(Parameters.load(SHIPPED_MODEL), FixedPoint())
    page = open_page(f"#image={known['places'][7]}&frozen=0.3.6.17&deleted=11.4")
    hidden = net.trace(images[7:8].T / 256)[1][1]
    hidden[[0, 3, 6, 17], 0] = np.array(known["held_at"])[[0, 3, 6, 17]]
    hidden[[4, 11]] = 0.0
    expected = net.arithmetic.sigmoid(net.weights[1] @ hidden + net.biases[1])[:, 0]
    shown = [float(row.split()[-1]) for row in page.locator("#scores li").all_inner_texts()]
    np.testing.assert_allclose(shown, expected, atol=0.0051)
    page.click("#restore")
    assert page.is_disabled("#restore")


def test_confusions_are_stepped_through(open_page):
    page = open_page()
    page.select_option("#which", "misread")
    seen = set()
    for _ in range(5):
        caption = page.inner_text("#caption")
        shown, read = re.search(r"a (\d): read as (\d) ✗", caption).groups()
        assert shown != read
        seen.add(caption)
        page.click("#next")
    assert len(seen) == 5


def test_training_here_gives_numpys_fingerprints_or_says_so_and_hides_the_records(open_page):
    page = open_page()
    assert train(page, 3) == "The same bits as NumPy's, after each of 3 epochs."
    page.click("#tab-neuron")
    assert page.is_visible("#stale")
    assert not page.is_visible("#images")
    assert "Jalebi" not in page.inner_text("#lamps")
    page.click("#stale .back")
    assert not page.is_visible("#stale")
    assert "Jalebi" in page.inner_text("#lamps")
    page.evaluate("explorer.known.training.epochs.page[1][0] = 'f'.repeat(64)")
    assert re.fullmatch(
        r"NOT THE SAME BITS: after epoch 2 the weights here are \w{16}, NumPy's f{16}\.",
        train(page, 2),
    )
    assert "different" in page.get_attribute("#verdict", "class")


@pytest.mark.mnist
def test_an_epoch_of_mnist_gives_numpys_fingerprint(open_page, mnist):
    page = open_page()
    names = ("train-images", "train-labels", "t10k-images", "t10k-labels")
    page.set_input_files("#files", [str(next(mnist.rglob(f"{name}-idx*"))) for name in names])
    page.locator("#progress", has_text="Read").wait_for(state="attached")
    assert page.locator("#counted").inner_text() == "Of these 10,000 images 9,428 are read rightly."
    assert train(page, 1) == "The same bits as NumPy's, after the first epoch."
    assert page.evaluate("explorer.verdicts()[0].correct") == 9025


def test_a_file_that_is_not_mnist_is_refused_by_name(open_page, tmp_path):
    (tmp_path / "train-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03" + bytes(20))
    page = open_page("#tab=train")
    page.set_input_files("#files", str(tmp_path / "train-images-idx3-ubyte"))
    page.locator("#progress", has_text="expected one of MNIST's IDX files").wait_for()


def test_of_two_networks_the_weights_part_and_the_neurons_stay(open_page):
    page = open_page("#tab=butterfly")
    page.click("#fly")
    told, apart = page.locator("#flight"), 0.0
    while apart < 0.1:  # soon after step 4,000
        told.filter(has_text="differ by up to").wait_for()
        found = re.search(r"up to (\S+)\. .* correlate (\S+) in", told.inner_text())
        apart = float(found[1])
        assert page.is_disabled("#fly")  # it has not come to its end
        page.wait_for_timeout(100)
    assert float(found[2]) > 0.9


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844)])
def test_the_page_fits_its_screen(open_page, width, height, scheme, tmp_path):
    page = open_page("#neuron=8", width, height, color_scheme=scheme, has_touch=True)
    for tab in ("neuron", "train", "butterfly"):
        page.click(f"#tab-{tab}")
        page.screenshot(path=tmp_path / f"{tab}.png", full_page=True)
        across, down = page.evaluate(
            "[document.documentElement.scrollWidth, document.documentElement.scrollHeight]"
        )
        assert across <= width
        if width == 1280:
            assert down <= height  # one screen


def test_it_is_worked_by_touch_and_by_keyboard_alone(open_page):
    page = open_page("", 390, 844, has_touch=True)
    page.tap("#lamps button >> nth=4")
    assert page.inner_text("#neuron-name") == "Neuron 4"
    page.tap("#clear")
    page.tap("#pad")
    assert page.inner_text("#caption").startswith("Your digit")
    page.keyboard.press("c")
    page.focus("#pad")
    for key in ["Space", *["ArrowDown"] * 9, "Space", *["ArrowUp"] * 3, "Space", "Space"]:
        page.keyboard.press(key)
    assert page.inner_text("#caption") == "Your digit, centred by mass: read as 1"
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("ArrowRight")
    assert page.inner_text("#neuron-name") == "Neuron 5"
    page.keyboard.press("2")
    assert "mode=weights" in page.url


def test_everything_that_can_be_pressed_has_a_name(open_page):
    page = open_page()
    for part in page.locator("button, select, input, canvas[role=img], svg[role=img]").all():
        name = part.evaluate(
            "e => e.getAttribute('aria-label') || e.innerText || e.labels?.[0]?.innerText || ''"
        )
        assert name.strip() or part.get_attribute("aria-hidden") == "true", part.evaluate(
            "e => e.outerHTML"
        )


def test_an_address_that_nobody_wrote_breaks_nothing(open_page):
    page = open_page("#neuron=99&image=-4&mode=x&digit=zz&frozen=a.1e9.3&deleted=&target=77&tab=")
    assert page.inner_text("#neuron-name") == "Neuron 11 Jalebi"
    assert "frozen=3" in page.url
