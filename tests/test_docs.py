"""The pages: they build without a warning, and their links lead somewhere."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

DOCS = Path(__file__).parent.parent / "docs"


class Links(HTMLParser):
    """What a page links to and shows, and the places in it that can be linked to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.places: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        self.targets += [v for key in ("href", "src") if (v := given.get(key))]
        self.places |= {v for key in ("id", "name") if (v := given.get(key))}


def broken_links(folder: Path) -> list[str]:
    """Every link within a folder of pages that leads nowhere."""
    pages = {path.resolve(): Links(path) for path in folder.rglob("*.html")}
    if not pages:
        raise ValueError(f"{folder}: no page was looked at")
    found = []
    for path, links in pages.items():
        for target in links.targets:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            goal = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            place = unquote(parts.fragment)
            missing = place and goal in pages and place not in pages[goal].places
            if not goal.exists() or missing:
                found.append(f"{path.name}: {target}")
    return found


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("docs") / "html"
    build = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-n", "-E"]
    run = subprocess.run(
        [*build, "-d", str(folder.parent / "doctrees"), str(DOCS), str(folder)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (run.returncode, run.stderr) == (0, "")
    return folder


def test_the_pages_build_without_a_warning_and_no_link_is_broken(site):
    written = {path.stem for path in DOCS.glob("*.md")}
    assert written == {
        "index",
        "words",
        "arithmetic",
        "proof",
        "speed",
        "programs",
        "neurons",
        "contributing",
    }
    assert written <= {path.stem for path in site.glob("*.html")}
    assert broken_links(site) == []


def test_a_broken_link_is_found(tmp_path):
    (tmp_path / "a.html").write_text('<a href="b.html#here">b</a> <img src="c.png"> <a href="#x">')
    (tmp_path / "b.html").write_text('<p id="there">')
    assert broken_links(tmp_path) == ["a.html: b.html#here", "a.html: c.png", "a.html: #x"]
    with pytest.raises(ValueError, match="no page was looked at"):
        broken_links(tmp_path / "none")


@pytest.mark.parametrize(
    "page", ["README.md", "CONTRIBUTING.md", *(f"docs/{p.name}" for p in DOCS.glob("*.md"))]
)
def test_every_file_that_a_page_names_is_there(page):
    text = (DOCS.parent / page).read_text(encoding="utf-8")
    named = re.findall(r"\b(?:compare|model|scripts|reference|torch_impl|tests)/[\w/]*[\w.]*", text)
    missing = [one for one in named if not (DOCS.parent / one.rstrip(".")).exists()]
    assert missing == []
