"""A page is well formed, says what it shows, and lets nothing through unescaped."""

import base64
from html.parser import HTMLParser

from model import webpage

EMPTY = {"meta", "img"}


class Reader(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.open, self.found, self.text = [], [], []
        self.feed(page.decode())

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    def all(self, tag, attribute):
        return [own[attribute] for name, own in self.found if name == tag and attribute in own]


def test_a_page_holds_its_parts_as_text_and_never_as_tags():
    odd = "<script>\"'&{{ 1 }}"
    shown = [webpage.Shown(odd, f"p{n}", odd, odd, n > 0) for n in range(3)]
    page = webpage.page(odd, [(odd, [odd, "second"])], [[odd, odd], ["0", odd]], shown, odd)
    reader = Reader(page)
    assert reader.open == []
    # title and h1, h2 and its sentence, three cells, two captions, the footer; four links.
    assert reader.text.count(odd) == 2 + 2 + 3 + 2 + 1 + 4
    assert reader.all("img", "alt") == reader.all("img", "src") == [odd] * 3
    assert reader.all("td", "data-head") == [odd]
    assert b"<script" not in page
    assert b"http" not in page  # it needs nothing from elsewhere


def test_every_link_of_the_navigation_leads_somewhere():
    shown = [webpage.Shown(f"{n}", f"neuron-{n}", f"{n}.png", "what", False) for n in range(3)]
    reader = Reader(webpage.page("t", [("a", []), ("b", [])], [["head"]], shown, ""))
    targets = reader.all("h2", "id") + reader.all("figure", "id")
    links = [link.removeprefix("#") for link in reader.all("a", "href") if link.startswith("#")]
    assert (
        sorted(links)
        == sorted(targets)
        == ["neuron-0", "neuron-1", "neuron-2", "s1", "s2", "table"]
    )


def test_an_embedded_picture_is_the_file():
    address = webpage.embedded(b"\x89PNG")
    assert base64.b64decode(address.removeprefix("data:image/png;base64,")) == b"\x89PNG"
