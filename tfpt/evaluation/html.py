"""Pieces of an HTML page. Text is escaped wherever it is put in, so that no name of a file or class becomes markup."""

import base64
import html
import importlib.resources
from collections.abc import Iterable, Sequence
from string import Template


class Html(str):
    """Markup; any other text is escaped before it gets into a page."""


def escaped(value: object) -> Html:
    """``value`` as it reads, control characters and what UTF-8 can't hold being escaped visibly; Html as it is."""
    if isinstance(value, Html):
        return value
    readable = "".join(letter if letter.isprintable() or letter in "\n\t" else ascii(letter)[1:-1]
                       for letter in str(value))
    return Html(html.escape(readable))


def element(tag: str, *content: object, **attributes: str) -> Html:
    """``<tag …>content</tag>``; ``class_`` is the attribute class."""
    shown = "".join(f' {name.rstrip("_")}="{escaped(value)}"' for name, value in attributes.items())
    return Html(f"<{tag}{shown}>{joined(content)}</{tag}>")


def joined(pieces: Iterable[object]) -> Html:
    """The pieces one after the other."""
    return Html("".join(map(escaped, pieces)))


def table(head: Sequence[object], rows: Iterable[Sequence[object]], numbers: Sequence[int] = ()) -> Html:
    """A table whose rows each begin with what they are about; the columns numbered in ``numbers`` are flush right."""
    flush = [{"class_": "number"} if column in numbers else {} for column in range(len(head))]
    header = element("tr", *(element("th", cell, scope="col", **more) for cell, more in zip(head, flush, strict=True)))
    body = joined(element("tr", element("th", row[0], scope="row", **flush[0]),
                          *(element("td", cell, **more) for cell, more in zip(row[1:], flush[1:], strict=True)))
                  for row in rows)
    return element("div", element("table", element("thead", header), element("tbody", body)), class_="scrolled")


def facts(rows: Iterable[tuple[object, object]]) -> Html:
    """A list of names with their values; those without a value are left out."""
    return element("dl", *(joined([element("dt", name), element("dd", value)]) for name, value in rows
                           if value not in (None, "")))


def folded(title: str, content: object) -> Html:
    """``content`` behind a line to click on."""
    return element("details", element("summary", title), content)


def picture(png: bytes, description: str) -> Html:
    """A PNG within the page; ``description`` says what it shows to those who don't see it."""
    data = base64.b64encode(png).decode("ascii")
    return Html(f'<img alt="{escaped(description)}" src="data:image/png;base64,{data}">')


def page(title: str, body: Html) -> str:
    """A whole HTML page that needs nothing else."""
    template = importlib.resources.files("tfpt.evaluation").joinpath("report.html").read_text(encoding="utf-8")
    return Template(template).substitute(title=escaped(title), body=body)
