"""Pages are well formed, say what they show, and let nothing through unescaped."""

import base64
from html.parser import HTMLParser

from model import webpage


class Reader(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.open, self.images, self.text = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        if tag == "img":
            self.images.append(dict(attrs))
        elif tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def page():
    parts = [
        webpage.section("Found", ["a < b", "second"]),
        webpage.table("Neurons", ["0  idle", "1  weak"]),
        webpage.picture("a.png", 'Neuron 1 ("x") fires'),
    ]
    return webpage.page("Title & <b>", parts, "small print")


def test_every_tag_is_closed_in_order():
    assert Reader(page()).open == []


def test_words_are_text_and_never_tags():
    reader = Reader(page())
    assert "Title & <b>" in reader.text
    assert "a < b" in reader.text
    assert "0  idle\n1  weak" in reader.text


def test_a_picture_says_its_finding_to_those_who_cannot_see_it():
    (image,) = Reader(page()).images
    assert image["alt"] == 'Neuron 1 ("x") fires'
    assert image["src"] == "a.png"


def test_a_page_needs_nothing_from_elsewhere():
    assert "http" not in page()
    assert "<script" not in page()


def test_an_embedded_picture_is_the_file():
    address = webpage.embedded(b"\x89PNG")
    assert base64.b64decode(address.removeprefix("data:image/png;base64,")) == b"\x89PNG"
