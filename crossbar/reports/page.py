"""A page that asks nothing of a network: sections of text, tables and pictures in one file.

A report is a list of `Section`; `html` writes it as a page with its pictures inside, `markdown` as
plain text beside them. The page can also be put together from HTML (`document`, `table`).
"""

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #24292f; background: #fff; margin: 0 auto;
  max-width: 68rem; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.6rem; margin: 0 0 .3rem; } h2 { font-size: 1.2rem; margin: 2.4rem 0 .6rem; }
p { max-width: 46rem; margin: .5rem 0; } nav a { margin-right: 1rem; } a { color: #0b57a4; }
.scroll { overflow-x: auto; margin: .6rem 0 1rem; }
table { border-collapse: collapse; font-size: .86rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .25rem .7rem .25rem 0; border-bottom: 1px solid #e8ebee;
  vertical-align: top; }
th { color: #57606a; font-weight: 600; } td.n, th.n { text-align: right; white-space: nowrap; }
.measured, .literature, .assumed { border-radius: .3rem; padding: .05rem .45rem; }
.measured { background: #d3efe3; color: #0b4a33; } .literature { background: #dbe7f6; color: #123f75; }
.assumed { background: #fbe3c5; color: #6a3d00; }
.out { background: #fbd9d3; color: #7a1300; font-weight: 600; } .in { color: #57606a; }
.box { border-left: 4px solid #b42318; padding: .1rem 0 .1rem .9rem; }
figure { margin: 1rem 0 1.8rem; } img { max-width: 100%; height: auto; }
figcaption { max-width: 46rem; font-size: .9rem; color: #57606a; } code { font-size: .92em; }
@media print { body { max-width: none; font-size: 10pt; padding: 0; } nav { display: none; }
  figure, tr, .box { break-inside: avoid; } h2 { break-after: avoid; } .scroll { overflow: visible; }
  thead { display: table-header-group; }
  #summary { break-after: page; } table { font-size: .74rem; } th, td { padding-right: .45rem; }
  span, td.out { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
"""


@dataclass(frozen=True)
class Text:
    """One paragraph; `warns` puts it into a box."""

    text: str
    warns: bool = False


@dataclass(frozen=True)
class Bullets:
    """A list of sentences; `warns` puts it into a box."""

    texts: Sequence[str]
    warns: bool = False


@dataclass(frozen=True)
class Table:
    """Rows of plain text; a head that begins with > is of numbers."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Picture:
    """The picture `name`.png, and what it shows."""

    name: str
    caption: str


Block = Text | Bullets | Table | Picture


@dataclass(frozen=True)
class Section:
    """A part of a report: where links lead, its title, what is in it."""

    key: str
    title: str
    blocks: Sequence[Block]


def html(title: str, sections: Sequence[Section], pictures: Mapping[str, bytes]) -> str:
    """A report as one file of HTML.

    Args:
        title: Of the page.
        sections: In order.
        pictures: Name -> PNG; a `Picture` that is not among them is left out.
    """
    parts = {
        s.key: (s.title, "".join(_html(block, pictures) for block in s.blocks)) for s in sections
    }
    return document(title, "", parts)


def _html(block: Block, pictures: Mapping[str, bytes]) -> str:
    """One block as HTML."""
    if isinstance(block, Table):
        return table(block.head, ([escape(cell) for cell in row] for row in block.rows))
    if isinstance(block, Picture):
        there = block.name in pictures
        return picture(block.name, pictures[block.name], block.caption) if there else ""
    if isinstance(block, Text):
        text = f"<p>{escape(block.text)}</p>\n"
    else:
        text = f"<ul>{''.join(f'<li>{escape(each)}</li>' for each in block.texts)}</ul>\n"
    return f'<div class="box">{text}</div>' if block.warns else text


def markdown(title: str, sections: Sequence[Section], pictures: Iterable[str]) -> str:
    """A report as Markdown, its pictures beside it.

    Args:
        title: Of the page.
        sections: In order.
        pictures: Names of those that were drawn.
    """
    drawn = set(pictures)
    parts = [f"# {title}"]
    for section in sections:
        blocks = [_markdown(block, drawn) for block in section.blocks]
        parts += [f"## {section.title}", *filter(None, blocks)]
    return "\n\n".join(parts) + "\n"


def _markdown(block: Block, pictures: set[str]) -> str:
    """One block as Markdown."""
    if isinstance(block, Picture):
        there = block.name in pictures
        return f"![{block.caption}]({block.name}.png)\n\n*{block.caption}*" if there else ""
    if isinstance(block, Table):
        head = [name.lstrip(">") for name in block.head]
        rule = ["---:" if name.startswith(">") else "---" for name in block.head]
        rows = [[cell.replace("|", "\\|") for cell in row] for row in block.rows]
        return "\n".join(f"| {' | '.join(row)} |" for row in [head, rule, *rows])
    lines = [block.text] if isinstance(block, Text) else [f"- {each}" for each in block.texts]
    return "\n".join(f"> {line}" for line in lines) if block.warns else "\n".join(lines)


def document(title: str, lead: str, sections: Mapping[str, tuple[str, str]]) -> str:
    """A whole page of HTML.

    Args:
        title: Plain text.
        lead: HTML between the title and the links to the sections.
        sections: Where a link leads -> (title as plain text, HTML).
    """
    links = "".join(f'<a href="#{key}">{escape(name)}</a>' for key, (name, _) in sections.items())
    body = "".join(
        f'<section id="{key}"><h2>{escape(name)}</h2>{part}</section>\n'
        for key, (name, part) in sections.items()
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n<body>"
        f"<h1>{escape(title)}</h1>{lead}<nav>{links}</nav>\n{body}</body></html>\n"
    )


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table of cells that are HTML already; a head that begins with > is of numbers."""
    head = list(head)
    names = "".join(f"<th{_kind(name)}>{escape(name.lstrip('>'))}</th>" for name in head)
    lines = (
        "".join(
            cell if cell.startswith("<td") else f"<td{_kind(name)}>{cell}</td>"
            for name, cell in zip(head, row, strict=True)
        )
        for row in rows
    )
    body = "".join(f"<tr>{line}</tr>\n" for line in lines)
    return (
        f'<div class="scroll"><table><thead><tr>{names}</tr></thead>\n'
        f"<tbody>{body}</tbody></table></div>"
    )


def _kind(name: str) -> str:
    return ' class="n"' if name.startswith(">") else ""


def picture(name: str, data: bytes, caption: str) -> str:
    """One PNG, inline, with what it shows as plain text."""
    source = base64.b64encode(data).decode()
    text = escape(caption)
    return (
        f'<figure><img alt="{text}" src="data:image/png;base64,{source}">'
        f"<figcaption>{text} (<code>{name}.png</code>)</figcaption></figure>\n"
    )
