"""A page lets nothing through unescaped, and every link on it leads somewhere.

How it looks, and that all is on it: the shipped page, held in tests/test_shipped.py.
"""

import html
import re

from model import webpage
from model.pages import Picture


def test_a_page_holds_its_parts_as_text_never_as_tags_and_every_link_leads_somewhere():
    odd = "<script>\"'&{{ 1 }}"
    part = 1.0, lambda figure, top: None
    shown = [(Picture(f"p{n}.png", name, odd, part), odd) for n, name in enumerate([odd, "1", "2"])]
    table, sections = [[odd, odd], ["0", odd]], [(odd, [odd, "second"])]
    text = webpage.PAGE.render(title=odd, sections=sections, table=table, pictures=shown, note=odd)
    # title and h1; of a section its link, heading and sentence; three cells and a head beside one;
    # of a picture its address twice and text, of one its name, of two the caption; the footer.
    assert html.unescape(text).count(odd) == 2 + 3 + 4 + 3 * 3 + 1 + 2 + 1
    assert not re.search('<script|http|="[^"]*[<\']', text)  # nor is anything fetched
    ids, links = (re.findall(f'{name}="#?([pst][^"]*)"', text) for name in ("id", "href"))
    assert sorted(ids) == sorted(links) == ["p0", "p1", "p2", "s1", "table"]
    assert webpage.embedded(b"\x89PNG") == "data:image/png;base64,iVBORw=="
