"""A page that asks nothing of a network: sections of text, tables and pictures in one file.

A report is a list of `Section`; `html` writes it as a page with its pictures inside, `markdown` as
plain text beside them. All text is plain, whoever wrote it: nothing but this module knows HTML and
Markdown, and escapes what would mean something there.
"""

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape as html_escape
from typing import Literal

from device_models.printable import printable

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
.measured { background: #d3efe3; color: #0b4a33; } \
.literature { background: #dbe7f6; color: #123f75; }
.assumed { background: #fbe3c5; color: #6a3d00; }
.out { background: #fbd9d3; color: #7a1300; font-weight: 600; } .in { color: #57606a; }
.box { border-left: 4px solid #b42318; padding: .1rem 0 .1rem .9rem; }
figure { margin: 1rem 0 1.8rem; } img { max-width: 100%; height: auto; }
figcaption { max-width: 46rem; font-size: .9rem; color: #57606a; } code { font-size: .92em; }
@media print { body { max-width: none; font-size: 10pt; padding: 0; } nav { display: none; }
  figure, tr, .box { break-inside: avoid; } h2 { break-after: avoid; } \
.scroll { overflow: visible; }
  thead { display: table-header-group; }
  #summary { break-after: page; } table { font-size: .74rem; } th, td { padding-right: .45rem; }
  span, td.out { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
"""


@dataclass(frozen=True)
class Text:
    """One paragraph; `link` is the key of a section, and the words at the end that lead there."""

    text: str
    link: tuple[str, str] | None = None


@dataclass(frozen=True)
class Bullets:
    """A list of sentences."""

    texts: Sequence[str]


@dataclass(frozen=True)
class Cell:
    """A cell of a table that is more than plain text.

    Attributes:
        text: Of the cell.
        mark: `code` for a name, the status of a number, or `out` where it is out of bounds.
        below: A second, quieter line.
        wide: That line is of a range too wide to say much.
    """

    text: str
    mark: Literal["", "code", "measured", "literature", "assumed", "out"] = ""
    below: str = ""
    wide: bool = False


@dataclass(frozen=True)
class ReportTable:
    """Rows of cells; a head that begins with > is of numbers."""

    head: Sequence[str]
    rows: Sequence[Sequence[str | Cell]]


@dataclass(frozen=True)
class Picture:
    """The picture `name`.png, and what it shows."""

    name: str
    caption: str


@dataclass(frozen=True)
class Callout:
    """A box around blocks that nobody should overlook."""

    blocks: Sequence[Text | Bullets | ReportTable]


Block = Text | Bullets | ReportTable | Picture | Callout


@dataclass(frozen=True)
class Section:
    """A part of a report: where links lead, its title, what is in it."""

    key: str
    title: str
    blocks: Sequence[Block]


# What Markdown takes for markup: everywhere, at the edge of a word, and where a line begins.
MARKUP = re.compile(r"[\\`*\[\]<|$]|(?<!\w)_|_(?!\w)|&(?=#?\w+;)")
BEGINS = re.compile(r"(\s*\d*)([-+#>~=.)])")


def escape(text: str) -> str:
    """Text as HTML has it."""
    return html_escape(printable(text))


def md(text: str) -> str:
    """Text as Markdown has it, in one line."""
    line = MARKUP.sub(r"\\\g<0>", " ".join(printable(text).splitlines()))
    return BEGINS.sub(r"\1\\\2", line, count=1) if BEGINS.match(line) else line


def html(
    title: str,
    sections: Sequence[Section],
    pictures: Mapping[str, bytes],
    *,
    lead: Sequence[Block] = (),
) -> str:
    """A report as one file of HTML.

    Args:
        title: Of the page.
        sections: In order.
        pictures: Name -> PNG or GIF; a `Picture` that is not among them is left out.
        lead: Stands before the links to the sections.
    """
    links = "".join(f'<a href="#{s.key}">{escape(s.title)}</a>' for s in sections)
    body = "".join(
        f'<section id="{s.key}"><h2>{escape(s.title)}</h2>{_blocks(s.blocks, pictures)}</section>\n'
        for s in sections
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n<body>"
        f"<h1>{escape(title)}</h1>{_blocks(lead, pictures)}<nav>{links}</nav>\n{body}"
        "</body></html>\n"
    )


def _blocks(blocks: Iterable[Block], pictures: Mapping[str, bytes]) -> str:
    """Blocks as HTML."""
    return "".join(_html(block, pictures) for block in blocks)


def _html(block: Block, pictures: Mapping[str, bytes]) -> str:
    """One block as HTML."""
    if isinstance(block, ReportTable):
        return _table(block)
    if isinstance(block, Picture):
        return _figure(block, pictures[block.name]) if block.name in pictures else ""
    if isinstance(block, Callout):
        return f'<div class="box">{_blocks(block.blocks, pictures)}</div>'
    if isinstance(block, Bullets):
        return f"<ul>{''.join(f'<li>{escape(each)}</li>' for each in block.texts)}</ul>\n"
    link = f' <a href="#{block.link[0]}">{escape(block.link[1])}</a>.' if block.link else ""
    return f"<p>{escape(block.text)}{link}</p>\n"


def _table(table: ReportTable) -> str:
    """A table as HTML; the print style repeats its head on every sheet."""
    kinds = ["n" if name.startswith(">") else "" for name in table.head]
    names = zip(table.head, kinds, strict=True)
    head = "".join(_tag("th", kind, escape(name.lstrip(">"))) for name, kind in names)
    rows = ("".join(_cell(*pair) for pair in zip(row, kinds, strict=True)) for row in table.rows)
    body = "".join(f"<tr>{row}</tr>\n" for row in rows)
    return (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead>\n'
        f"<tbody>{body}</tbody></table></div>"
    )


def _cell(cell: str | Cell, kind: str) -> str:
    """One cell as HTML; `kind` is that of its column."""
    if isinstance(cell, str):
        return _tag("td", kind, escape(cell))
    text = escape(cell.text)
    if cell.mark == "code":
        text = f"<code>{text}</code>"
    elif cell.mark == "out":
        kind = f"{kind} out"
    elif cell.mark:
        text = f'<span class="{cell.mark}">{text}</span>'
    if cell.below:
        wide = " <i>wide</i>" if cell.wide else ""
        text += f'<br><span class="in">{escape(cell.below)}{wide}</span>'
    return _tag("td", kind, text)


def _tag(name: str, kind: str, text: str) -> str:
    """An element of HTML, of a class if it has one."""
    return f'<{name} class="{kind}">{text}</{name}>' if kind else f"<{name}>{text}</{name}>"


def _figure(picture: Picture, data: bytes) -> str:
    """One PNG or GIF, inline, with what it shows."""
    source, text = base64.b64encode(data).decode(), escape(picture.caption)
    kind = "gif" if data.startswith(b"GIF8") else "png"
    return (
        f'<figure><img alt="{text}" src="data:image/{kind};base64,{source}">'
        f"<figcaption>{text} (<code>{picture.name}.{kind}</code>)</figcaption></figure>\n"
    )


def markdown(title: str, sections: Sequence[Section], pictures: Iterable[str]) -> str:
    """A report as Markdown, its pictures beside it.

    Args:
        title: Of the page.
        sections: In order.
        pictures: Names of those that were drawn.
    """
    drawn = set(pictures)
    parts = [f"# {md(title)}"]
    for section in sections:
        blocks = [_markdown(block, drawn) for block in section.blocks]
        parts += [f"## {md(section.title)}", *filter(None, blocks)]
    return "\n\n".join(parts) + "\n"


def _markdown(block: Block, pictures: set[str]) -> str:
    """One block as Markdown."""
    if isinstance(block, Picture):
        there = block.name in pictures
        text = md(block.caption)
        return f"![{text}]({block.name}.png)\n\n*{text}*" if there else ""
    if isinstance(block, ReportTable):
        head = [md(name.lstrip(">")) for name in block.head]
        rule = ["---:" if name.startswith(">") else "---" for name in block.head]
        rows = [[md(_plain(cell)) for cell in row] for row in block.rows]
        return "\n".join(f"| {' | '.join(row)} |" for row in [head, rule, *rows])
    if isinstance(block, Callout):
        text = "\n\n".join(_markdown(each, pictures) for each in block.blocks)
        return "\n".join(f"> {line}".rstrip() for line in text.split("\n"))
    if isinstance(block, Bullets):
        return "\n".join(f"- {md(each)}" for each in block.texts)
    return md(f"{block.text} {block.link[1]}." if block.link else block.text)


def _plain(cell: str | Cell) -> str:
    """The text of a cell in one line."""
    if isinstance(cell, str):
        return cell
    below = f" ({cell.below}{', wide' * cell.wide})" if cell.below else ""
    return cell.text + below
