"""The page as one HTML file: what report.md says, with tables that sort and figures that say their values.

The Markdown of the page is rendered with HTML off: what others wrote is no markup there, and so is none here. Tables
and figures, which are data, are written by templates that escape; meanwhile a fenced block stands for each. The file
asks the network for nothing: its policy forbids that, and of scripts allows the page's own alone. It can be read
without; the script sorts tables, and shows the values of figures sooner than a browser does.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markdown_it import MarkdownIt
from markdown_it.token import Token

from jaxreg.formatting import printable
from jaxreg.report.parts import ABSENT, Picture, Table, columns

TEXTS = ("text", "text_special", "code_inline")
HEADING = ("heading_open", "h2", 0)
LETTERS = re.compile(r"[^a-z0-9]+")


class Section(NamedTuple):
    """What stands under one heading, as HTML; `place` is its id."""

    place: str
    heading: str
    body: str


class Page:
    """One page on its way from Markdown to HTML."""

    def __init__(self) -> None:
        self._mark = secrets.token_hex(8)  # nobody can have written it into a text
        self._blocks: list[str] = []
        self._boxes = 0
        self._parser = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
        self._parser.add_render_rule("fence", lambda _, tokens, i, *rest: self._fence(tokens[i]))
        self._parser.add_render_rule("table_open", lambda *_: f"{self._box('Table')}<table>\n")
        self._parser.add_render_rule("table_close", lambda *_: "</table></div>\n")
        self._templates = Environment(
            loader=PackageLoader("jaxreg.report"),
            undefined=StrictUndefined,
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals["box"] = self._box
        self._templates.filters["printable"] = printable
        self._pieces: Any = self._templates.get_template("pieces.html.j2").module

    @property
    def filters(self) -> dict[str, Callable[..., str]]:
        """How the template of report.md writes what is not text."""
        return {"table": self.table, "figure": self.figure, "folded": self.folded}

    def table(self, given: Table) -> str:
        """A table of the report; empty without rows."""
        titles = columns(given)
        rows = [[row.get(title, ABSENT) for title in titles] for row in given]
        numbers = [all(row[i].order is not None or row[i] == ABSENT for row in rows) for i in range(len(titles))]
        return self._held(self._pieces.table(titles, numbers, rows)) if given else ""

    def figure(self, given: Picture) -> str:
        """A figure with its caption: SVG, or the PNG itself where there is none."""
        alt = "".join(_text(token) for token in self._parser.parseInline(given.alt))
        caption = self._parser.renderInline(given.caption)
        pixels = base64.b64encode(given.png).decode()
        return self._held(self._pieces.figure(alt, caption, given.svg, pixels))

    def folded(self, inside: str, summary: str) -> str:
        """What is shown when it is asked for."""
        return self._held(self._pieces.folded(self._parser.render(inside), summary))

    def html(self, render: Callable[[dict[str, Callable[..., str]]], str]) -> str:
        """The file, from what `render` makes of the template of report.md with these filters."""
        tokens = self._parser.parse(render(self.filters))
        starts = [i for i, token in enumerate(tokens) if (token.type, token.tag, token.level) == HEADING]
        head, *parts = (tokens[i:j] for i, j in zip([0, *starts], [*starts, len(tokens)], strict=True))
        script = self._source("report.js")
        return self._templates.get_template("report.html.j2").render(
            title=_text(head[1]),
            head=self._made(head),
            sections=self._sections(parts),
            style=self._source("report.css"),
            script=script,
            digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        )

    def _sections(self, parts: Iterable[Sequence[Token]]) -> list[Section]:
        found: dict[str, Section] = {}
        for _, heading, _, *rest in parts:
            words = _text(heading)
            place = name = LETTERS.sub("-", words.lower()).strip("-") or "part"
            while place in found:
                place = f"{name}-{len(found)}"
            found[place] = Section(place, words, self._made(rest))
        return list(found.values())

    def _made(self, tokens: Sequence[Token]) -> str:
        return self._parser.renderer.render(tokens, self._parser.options, {})

    def _source(self, name: str) -> str:
        return self._templates.loader.get_source(self._templates, name)[0]  # type: ignore[union-attr]

    def _held(self, block: str) -> str:
        """Markdown that stands for a block of HTML."""
        self._blocks.append(str(block))  # Jinja's own kind of text would escape what is put before it
        return f"```{self._mark}\n{len(self._blocks) - 1}\n```"

    def _fence(self, token: Token) -> str:
        if token.info == self._mark:
            return self._blocks[int(token.content)]
        return f"{self._box('Text')}<pre><code>{escape(token.content)}</code></pre></div>\n"

    def _box(self, kind: str) -> str:
        """Where a box begins in which something wide is scrolled, with the keyboard too; a </div> ends it."""
        self._boxes += 1
        return f'<div class="box" role="region" tabindex="0" aria-label="{kind} {self._boxes}">'


def _text(token: Token) -> str:
    """What a reader sees of a token of text."""
    return "".join(child.content for child in token.children or [] if child.type in TEXTS)
