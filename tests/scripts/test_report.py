"""One PDF and one HTML file that stands alone, their words generated from the records."""

import re

from scripts.report import main


def test_the_report_is_one_pdf_and_one_page_that_stands_alone(arguments_for, tmp_path, capsys):
    assert main(arguments_for(784, 2, 10)) == 0
    out = tmp_path / "out"
    assert sorted(path.name for path in out.iterdir()) == ["report.html", "report.pdf"]
    pdf = (out / "report.pdf").read_bytes()
    assert pdf.startswith(b"%PDF-")
    pages = 2 + 5 + 2  # words and table, the layer, a sheet for each neuron
    assert f"/Count {pages}".encode() in pdf
    assert b"Date" not in pdf
    html = (out / "report.html").read_text()
    sources = re.findall(r'<img src="([^"]{22})', html)
    assert sources == ["data:image/png;base64,"] * (5 + 2)
    assert "What was found" in html
    assert "How it was trained, its file does not say." in html
    assert capsys.readouterr().out == f"wrote {out}/report.pdf and {out}/report.html\n"
