"""Text of others in report.html: shown as it is, never markup, whatever it is."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from functools import partial
from pathlib import Path

import pytest
from html_pages import kinds, parsed, tag, words
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from test_markdown import MARKUP, STRANGE, renamed
from written_runs import write_run

from jaxreg.errors import UserError
from jaxreg.formatting import printable
from jaxreg.report import markdown, page
from jaxreg.report.figures import style
from jaxreg.report.html import Page
from jaxreg.report.parts import Entry, Picture

SHAPES = {"svg", "g", "defs", "path", "use", "rect", "clipPath", "text", "tspan", "title", "image"}
ATTRIBUTES = {
    "role", "aria-label", "viewBox", "class", "id", "style", "d", "x", "y", "width", "height", "transform", "href",
    "clip-path",
}  # fmt: skip


def allowed(name: str) -> bool:
    """Whether HTML may have all of it: there are characters that Unicode itself calls none."""
    return not any(ord(sign) & 0xFFFE == 0xFFFE or 0xFDD0 <= ord(sign) <= 0xFDEF for sign in name)


@settings(max_examples=200)
@given(STRANGE.filter(allowed))
@example("</title></script><script>alert(1)</script>")
@example("```")
def test_a_text_of_others_is_shown_and_nothing_of_it_is_markup(name: str) -> None:
    """In a table, a summary, a figure's name and its caption, a heading and the title."""
    strange, ordinary = small(name), small("name")
    assert kinds(strange) == kinds(ordinary)
    seen = "".join(printable(name).split())
    assert words(strange) == words(ordinary).replace("name", seen)
    assert strange.find(".//img").attrib["alt"] == f"a{printable(name)}b"


def small(name: str) -> ET.Element:
    """A page in which everything has this name."""
    rows = [{name: Entry(name, code=True), f"{name}b": Entry(name, name)}]
    picture = Picture("p", f"a{markdown.text(name)}b", f"a{markdown.text(name)}b {markdown.code(name)}", b"")
    return parsed(
        Page().html(
            lambda filters: "\n\n".join(
                [
                    f"# a{markdown.text(name)}b",
                    f"## a{markdown.text(name)}b",
                    filters["table"](rows),
                    filters["figure"](picture),
                    filters["folded"](f"a{markdown.text(name)}b\n\n```\n{printable(name)}b\n```", f"a{name}b"),
                ]
            )
        )
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    cells: list = [("cell0", {}), ("cell1", {"l1": 1e-5}), ("cell2", {"l1": 1e-3})]
    return write_run(tmp_path_factory.mktemp("run") / "tiny", cells, 2, 2, 3, grid=None, pictures=True)


@pytest.fixture(scope="module")
def ordinary(run: Path) -> list[str]:
    """The elements of the page with ordinary names."""
    said = renamed(run, run.parent / "ordinary", [f"{sign}name" for sign in "abcdefghijkl"])
    return kinds(parsed(Page().html(partial(page.render, said))))


@pytest.mark.slow
@settings(max_examples=2, suppress_health_check=list(HealthCheck))
@given(st.lists(STRANGE.filter(allowed), min_size=12, max_size=12, unique=True))
@example([f"{i}{sign}" for i, sign in enumerate(MARKUP[:12])])
@example([f"{sign}{i}" for i, sign in enumerate(MARKUP[12:24])])
@example([f"{i}{sign}{i}" for i, sign in enumerate(MARKUP[24:36])])
@example([f"{i}{sign}{i}" for i, sign in enumerate(MARKUP[36:48])])
def test_no_name_of_others_is_markup_on_a_page(run: Path, ordinary: list[str], names: list[str]) -> None:
    """The page has the same elements as one with ordinary names, and its figures none but shapes and text."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(style, "DPI", 20)
        try:
            said = renamed(run, run.parent / "strange", names)
        except UserError:  # two names that a table does not tell apart
            assume(False)
    root = parsed(Page().html(partial(page.render, said)))
    assert kinds(root) == ordinary
    for figure in root.iter("figure"):
        elements = list(figure.find(".//{*}svg").iter())
        assert {tag(one) for one in elements} <= SHAPES
        assert {name.rpartition("}")[2] for one in elements for name in one.attrib} <= ATTRIBUTES
