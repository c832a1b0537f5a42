"""A page is well formed, says what it shows, and lets nothing through unescaped."""

from html.parser import HTMLParser

from model import webpage


class Reader(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.open, self.found, self.text = [], [], []
        self.feed(page.decode())

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    def all(self, tag, attribute):
        return [own[attribute] for name, own in self.found if name == tag and attribute in own]


def test_a_page_holds_its_parts_as_text_never_as_tags_and_every_link_leads_somewhere():
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
    targets = reader.all("h2", "id") + reader.all("figure", "id")
    links = [link for link in reader.all("a", "href") if link.startswith("#")]
    assert sorted(links) == sorted(f"#{target}" for target in targets)
    assert sorted(targets) == ["p0", "p1", "p2", "s1", "table"]


def test_an_embedded_picture_is_the_file():
    assert webpage.embedded(b"\x89PNG") == "data:image/png;base64,iVBORw=="
