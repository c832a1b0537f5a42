"""A page is well formed, says what it shows, and lets nothing through unescaped."""

import base64
from html.parser import HTMLParser

from model import webpage


class Reader(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.open, self.images, self.text = [], [], []
        self.feed(page.decode())

    def handle_starttag(self, tag, attrs):
        if tag == "img":
            self.images.append(dict(attrs))
        elif tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_a_page_holds_its_parts_as_text_and_never_as_tags():
    odd = "<script>\"'&{{ 1 }}"
    page = webpage.page(odd, [(odd, [odd, "second"])], ["0  idle", odd], [(odd, odd)], odd)
    reader = Reader(page)
    assert reader.open == []
    assert [text for text in reader.text if odd in text] == [odd] * 4 + [f"0  idle\n{odd}"] + [
        odd
    ] * 2
    assert reader.images == [{"src": odd, "alt": odd, "loading": "lazy"}]
    assert b"<script" not in page
    assert b"http" not in page  # it needs nothing from elsewhere


def test_an_embedded_picture_is_the_file():
    address = webpage.embedded(b"\x89PNG")
    assert base64.b64decode(address.removeprefix("data:image/png;base64,")) == b"\x89PNG"
