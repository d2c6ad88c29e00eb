"""What files say reaches pages, pictures and messages as plain text, whatever it is."""

import io
import re
import xml.etree.ElementTree as ET

import pytest
from matplotlib import image
from xbar_page import Page

from crossbar.figures import style
from crossbar.reports.page import Bullets, Picture, ReportTable, Section, Text, html, markdown
from device_models.errors import ConfigError
from device_models.printable import encoded, printable

ODD = 'a\ud800\x1b[31m\x00\u202eb "<script>" $x^2$ & *c* | [d](e) \ufffe'


def sections(text):
    blocks = [Text(text), Bullets([text]), ReportTable(["x"], [[text]]), Picture("p", text)]
    return [Section("k", text, blocks)]


def test_escapes_stand_for_what_no_terminal_or_page_shows():
    assert printable("a\tb\nc é µ 東") == "a\tb\nc é µ 東"
    assert printable("\ud800\x1b[31m\x00\u202e\x85\ufffe") == r"\ud800\x1b[31m\x00\u202e\x85\ufffe"
    assert str(ConfigError("n\udcff: \x1b[2J")) == r"n\udcff: \x1b[2J"
    assert encoded("µ n\udcff\r\n") == b"\xc2\xb5 n\\udcff\r\n"


def test_a_page_holds_odd_text_as_text():
    page = html(ODD, sections(ODD), {"p": b""})
    page.encode()
    assert "<script>" not in page
    assert not re.search("[\x00-\x08\x0b-\x1f\u202e\ufffe]", page)
    assert printable(ODD) in " ".join(Page(page).text)


def test_markdown_escapes_what_would_be_markup_there():
    page = markdown(ODD, sections(ODD), ["p"])
    page.encode()
    line = r'a\\ud800\\x1b\[31m\\x00\\u202eb "\<script>" \$x^2\$ & \*c\* \| \[d\](e) \\ufffe'
    assert page == (
        f"# {line}\n\n## {line}\n\n{line}\n\n- {line}\n\n| x |\n| --- |\n| {line} |\n\n"
        f"![{line}](p.png)\n\n*{line}*\n"
    )


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("# no title", r"\# no title"), ("1. no item", r"1\. no item"), ("- no", r"\- no"),
        ("> no quote", r"\> no quote"), ("two\nlines", "two lines"), ("snake_case", "snake_case"),
        ("_slanted_", r"\_slanted\_"), ("&lt;", r"\&lt;"), ("-1.5 V", r"\-1.5 V"),
    ],
)  # fmt: skip
def test_a_line_of_markdown_begins_and_ends_as_text(text, line):
    assert markdown("t", [Section("k", "T", [Text(text)])], ()) == f"# t\n\n## T\n\n{line}\n"


@pytest.mark.filterwarnings("ignore:Glyph")
def test_a_figure_shows_a_dollar_and_keeps_its_powers_of_ten():
    figure = style.sheet(3.0, 2.0, ODD)
    axes = figure.subplots()
    axes.plot([1, 1e4], [0, 1])
    axes.set_xscale("log")
    style.dress(axes, title="$\\frac{$")  # no formula
    style.name_rows(axes, ["$a$", "b\ud800"])
    png, svg = style.png_and_svg(figure)
    texts = " ".join(ET.fromstring(svg).itertext())  # it is our own
    assert image.imread(io.BytesIO(png)).any()
    assert [tick.get_text() for tick in axes.get_yticklabels()] == [r"\$a\$", r"b\ud800"]
    assert axes.get_title(loc="left") == r"\$\frac{\$"
    assert r"\mathdefault{10^{2}}" in " ".join(t.get_text() for t in axes.get_xticklabels())
    assert "\x1b" not in texts
