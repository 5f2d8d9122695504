"""Text of others on a page: shown as it is, never markup, whatever it is."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token
from written_runs import write_run

from jaxreg.errors import UserError
from jaxreg.formatting import printable
from jaxreg.report import figures, page
from jaxreg.report.figures import painting
from jaxreg.report.layout import arrange
from jaxreg.report.markdown import FILTERS, code, entries, html, table, text
from jaxreg.report.parts import Entry
from jaxreg.store.results import read

PARSER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
ORDINARY = [
    "l1=1e-5", "dropout=0.3-0.5-0,batch_norm=true", "early_stopping=3-best", "T-shirt/top", "train.csv and test.csv",
    "Intel(R) Xeon(R) Processor @ 2.80GHz", "2026-11-24T14:08:16+00:00", "0.10.2", "784-225-256-128-10+bn+dropout",
"fashion-mnist (20 + 10 examples per class)", "Größe 大", "a+b=c,d",
]  # fmt: skip
MARKUP = [
    "<script>alert(1)</script>", "`", "``", "`a", "a`", "|", "\\|", "\\", "*a*", "**", "_a_", "__a__", "~~a~~",
    "[a](b)",
    "![a](http://b)", "[a]: b", "<http://a>", "http://a.b", "www.a.b", "&lt;", "&#60;", "&amp", "\n", "\r\n", "\n\n# a",
    "\n- a", "\n\n    a", "---", "a\n===", "</details>", "<!--", "-->", "$a$", "\u202e", "\x00", "\x1b[31m", "\u2028",
    "<b", ">", "\t", " ", "  ", "]", "]]>", "{{ 7*7 }}", "{% raw %}", "\ud800", "'", '"', "#", "1. a", "+", "\ufeff",
]  # fmt: skip
STRANGE = st.one_of(
    st.lists(st.one_of(st.sampled_from(MARKUP), st.text(max_size=3)), min_size=1, max_size=6).map("".join),
    st.text("`|\\*_[]()<>!&#;~$\n ab:/w.", min_size=1, max_size=15),
).filter(bool)


def kinds(tokens: Iterable[Token]) -> list[str]:
    """What the parser makes of a page, texts apart."""
    found = []
    for token in tokens:
        inner = kinds(token.children or [])
        found += [token.tag or token.type] if token.type not in ("text", "text_special", "inline") else []
        found += inner
    return found


def shown(markdown: str) -> str:
    """What a reader sees of a line."""
    (inline,) = (token for token in PARSER.parse(markdown) if token.type == "inline")
    return "".join(token.content for token in inline.children or [])


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_names_are_written_as_they_are(name: str) -> None:
    assert text(name) == name == html(name)
    assert code(name) == f"`{name}`"


@settings(max_examples=300)
@given(STRANGE)
def test_a_text_is_shown_and_nothing_of_it_is_markup(name: str) -> None:
    assert kinds(PARSER.parse(f"a {text(name)} b")) == ["p", "p"]
    assert shown(f"a{text(name)}b") == f"a{printable(name)}b"
    assert kinds(PARSER.parse(f"a {code(name)} b")) == ["p", "code", "p"]
    assert shown(f"a{code(name)}b") == f"a{printable(name)}b"
    assert kinds(PARSER.parse(f"a **{code(name)} b**")) == kinds(PARSER.parse("a **`a` b**"))
    assert kinds(PARSER.parse(f"<details><summary>{html(name)}</summary>\n\na")) == ["html_block", "p", "p"]
    assert "<" not in html(name)
    rows = [{text("a"): code(name), text(name) + "b": text(name)}] * 2
    assert kinds(PARSER.parse(table(rows))) == kinds(PARSER.parse(table([{"a": "`a`", "b": "b"}] * 2)))
    given = [{name: Entry(name, name), f"{name}b": Entry(name, f" {name}", bold=True, code=True)}]
    assert kinds(PARSER.parse(entries(given))) == kinds(PARSER.parse(table([{"a": "a", "b": "**`b`** b"}])))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    cells: list = [("cell0", {}), ("cell1", {"l1": 1e-5}), ("cell2", {"l1": 1e-3})]
    return write_run(tmp_path_factory.mktemp("run") / "tiny", cells, 2, 2, 3, grid=None, pictures=True)


def renamed(folder: Path, place: Path, names: list[str]) -> dict[str, Any]:
    """What the page says of a run in which everything that has a name has another one."""
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(folder, place)
    cells = {f"cell{i}": name for i, name in enumerate(names[:3])}
    classes = {"ant": names[3], "bee": names[4]}
    for file in place.glob("*.csv"):
        made = pd.read_csv(file, dtype=object, keep_default_na=False)  # Arrow has no lone surrogates
        made = made.replace(cells | classes | {"784-8-10": names[5]})
        made.to_csv(file, index=False, encoding="utf-8", errors="surrogatepass")
    about = json.loads((place / "run.json").read_text())
    about |= {key: names[6] for key in ("command", "device", "platform", "precision", "started", "finished")}
    about["versions"] = {names[7]: names[8]}
    about["data"] |= {"name": names[9], "digest": names[10]}
    about["sweep"]["name"] = names[11]
    (place / "run.json").write_text(json.dumps(about))
    results = read(place)
    layout = arrange(results)
    return page.content(results, layout, figures.draw(results, layout))


def named(folder: Path, place: Path, names: list[str]) -> str:
    """The page of it, in Markdown."""
    return page.render(renamed(folder, place, names), FILTERS)


@pytest.fixture(scope="module")
def ordinary(folder: Path) -> list[str]:
    """The parts of the page with ordinary names."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(painting, "painted", lambda figure, name: (b"", ""))
        return kinds(PARSER.parse(named(folder, folder.parent / "named", [f"{sign}name" for sign in "abcdefghijkl"])))


@pytest.mark.slow
@settings(max_examples=4, suppress_health_check=list(HealthCheck))
@given(st.lists(STRANGE, min_size=12, max_size=12, unique=True))
@example([f"{i}{sign}" for i, sign in enumerate(MARKUP[:12])])
@example([f"{sign}{i}" for i, sign in enumerate(MARKUP[12:24])])
@example([f"{i}{sign}{i}" for i, sign in enumerate(MARKUP[24:36])])
def test_no_name_of_others_is_markup_on_a_page(folder: Path, ordinary: list[str], names: list[str]) -> None:
    """The page has the same parts, lines and columns of tables as one with ordinary names, and what it is of ours."""
    place = folder.parent / "named"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(painting, "painted", lambda figure, name: (b"", ""))  # drawn, and not painted
        try:
            strange = named(folder, place, names)
        except UserError:  # two names that a table does not tell apart, or one with a character of code 0
            assume(False)
    assert kinds(PARSER.parse(strange)) == ordinary
    assert not any(sign in strange for sign in "\u202e\x00\x1b\ud800\u2028\r")


def test_a_character_of_code_0_in_a_table_is_refused(folder: Path) -> None:
    with pytest.raises(UserError, match="character of code 0|`cell` is missing"):
        named(folder, folder.parent / "nul", ["a", "b", "\x00", *"defghijkl"])


def test_a_dollar_makes_no_formula_in_a_figure(folder: Path) -> None:
    names = ["$\\frac{$", "$", "a$b$c", "$\\nothing$", *"defghijk"]
    place = folder.parent / "dollars"
    named(folder, place, names)
    assert page.write(place).exists()
