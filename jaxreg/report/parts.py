"""Tables and figures of the report, before they are Markdown or HTML; nothing in a table is markup, whoever wrote it.

`jaxreg.report.markdown` and `jaxreg.report.html` write them each in their own way.
"""

from __future__ import annotations

from typing import NamedTuple

from jaxreg.formatting import NOTHING, estimate, fixed, known, number


class Entry(NamedTuple):
    """One entry: `text` as it is shown, which may be bold, if it is a number of ours or code, and `rest` after it.

    Rows are sorted by `order`, and by the text where there is none.
    """

    text: str
    rest: str = ""
    order: float | None = None
    bold: bool = False
    code: bool = False


Table = list[dict[str, Entry]]  # its rows, from top to bottom; the keys are the titles of the columns
ABSENT = Entry(NOTHING)


class Picture(NamedTuple):
    """A figure: its file's name without suffix, words for those who can't see it, how to read it; both are Markdown.

    Without `svg`, an HTML page has the PNG in it.
    """

    name: str
    alt: str
    caption: str
    png: bytes
    svg: str = ""


def columns(table: Table) -> list[str]:
    """The titles of all columns: a row need not have an entry in each."""
    return list(dict.fromkeys(title for row in table for title in row))


def estimated(
    value: float | None,
    low: float | None,
    high: float | None,
    signed: bool = False,
    percent: bool = False,
    bold: bool = False,
) -> Entry:
    """A value with its interval behind it, as `jaxreg.formatting.estimate` rounds them; the value may be bold."""
    head, bracket, rest = estimate(value, low, high, signed, percent).partition(" (")
    return Entry(head, bracket + rest, value if known(value) else None, bold)


def numbered(value: float | None, digits: int = 3) -> Entry:
    """A value to so many significant digits."""
    return Entry(number(value, digits), order=value if known(value) else None)


def rounded(value: float | None, places: int) -> Entry:
    """A value with so many decimals."""
    return Entry(fixed(value, places), order=value if known(value) else None)
