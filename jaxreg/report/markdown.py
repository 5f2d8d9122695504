"""Text of others in Markdown: it is shown as it is, and never markup. Ordinary names are written as they are.

A run's folder may come from anybody. Whatever a page quotes from it goes through `text`, `code` or, in a table,
`table`; what is in HTML, through `html`. Escaping is CommonMark's (https://spec.commonmark.org/0.31.2/#backslash-escapes),
and also keeps GitHub from making links of bare addresses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from html import escape

import pandas as pd

from jaxreg.formatting import NOTHING, printable
from jaxreg.report.parts import Entry, Picture, Table

# An underscore inside a word is no markup, in early_stopping; a colon is only in ://, a full stop only in www.
MARKUP = re.compile(r"[\\`*\[\]<>&~$]|(?<![^\W_])_|_(?![^\W_])|:(?=//)|(?<=\bwww)\.", re.IGNORECASE)


def text(given: object) -> str:
    """What others wrote, in a line of text."""
    return MARKUP.sub(r"\\\g<0>", printable(str(given)))


def code(given: object) -> str:
    """What others wrote, as code in a line of text."""
    inside = printable(str(given)) or " "
    fence = "`" * (1 + max(map(len, re.findall("`+", inside)), default=0))
    spaced = inside[0] == inside[-1] == " " and inside.strip(" ")  # of which a parser would take a space off
    apart = " " if spaced or "`" in (inside[0], inside[-1]) else ""
    return f"{fence}{apart}{inside}{apart}{fence}"


def html(given: object) -> str:
    """What others wrote, between tags of ours."""
    return escape(printable(str(given)))


def table(rows: Iterable[dict[str, str]]) -> str:
    """A table of Markdown, its first column to the left and the others to the right; empty without rows.

    A bar would end a cell, even in code, and parsers differ in what keeps it from that: it becomes a broken one.
    """
    made = pd.DataFrame([{bar(key): bar(value) for key, value in row.items()} for row in rows], dtype=object)
    made = made.where(made.notna(), NOTHING)
    if made.empty:
        return ""
    align = ["left"] + ["right"] * (made.shape[1] - 1)
    return made.to_markdown(index=False, disable_numparse=True, colalign=align)


def entries(given: Table) -> str:
    """A table of the report; empty without rows."""
    return table({text(title): _entry(entry) for title, entry in row.items()} for row in given)


def figure(given: Picture) -> str:
    """A figure with its caption, from the file beside the page."""
    return f"![{given.alt}](figures/{given.name}.png)\n\n*{given.caption}*"


def folded(inside: str, summary: str) -> str:
    """What is shown when it is asked for."""
    return f"<details><summary>{html(summary)}</summary>\n\n{inside}\n\n</details>"


def _entry(entry: Entry) -> str:
    shown = code(entry.text) if entry.code else text(entry.text)
    return (f"**{shown}**" if entry.bold else shown) + text(entry.rest)


def bar(text: str) -> str:
    """A cell's text without the bar that would end it."""
    return text.replace("|", "\u00a6") if isinstance(text, str) else text


# How the template of report.md writes what is not text.
FILTERS: dict[str, Callable[..., str]] = {"table": entries, "figure": figure, "folded": folded}
