"""report.html: what report.md says, word for word, in a file that is valid, safe and asks the network for nothing."""

from __future__ import annotations

import base64
import hashlib
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from html_pages import parsed, words
from markdown_it import MarkdownIt
from written_runs import write_run

from jaxreg.report import page
from jaxreg.report.figures import painting, style
from jaxreg.report.html import Page
from jaxreg.report.parts import Entry

ROOT = Path(__file__).parents[1]
MOST = 3_000_000  # bytes
STUDY = """## A study

### Of others

- <b>a</b>
  ## no section

![b](http://c/d.png) [d](https://c) [e](javascript:f)
"""
OUTSIDE = ("http://c/d.png", "https://c")
CSS = (ROOT / "jaxreg/report/templates/report.css").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = write_run(tmp_path_factory.mktemp("run") / "reports" / "tiny", pictures=True)
    (path / "study.md").write_text(STUDY)
    page.write(path)
    return path


@pytest.fixture(scope="module")
def text(folder: Path) -> str:
    return (folder / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def root(text: str) -> ET.Element:
    return parsed(text)


@pytest.mark.slow
def test_it_says_word_for_word_what_the_markdown_says(folder: Path, root: ET.Element) -> None:
    (folder / "study.md").unlink()
    page.write(folder)
    both = (folder / "report.md").read_text(), (folder / "report.html").read_text()
    reference = MarkdownIt("commonmark", {"html": True}).enable("table").render(both[0])
    assert words(parsed(f"<!DOCTYPE html><title>a</title>{reference}")) == words(parsed(both[1]))


def test_the_parts_have_the_headings_of_the_markdown_and_are_linked(folder: Path, root: ET.Element) -> None:
    assert ["".join(one.itertext()) for one in root.iter("h1")] == ["tiny: bias, variance and error"]
    headings = {one.attrib["id"]: "".join(one.itertext()) for one in root.iter("h2") if "id" in one.attrib}
    links = {one.attrib["href"]: "".join(one.itertext()) for one in root.find(".//nav").iter("a")}
    assert links == {f"#{place}": words for place, words in headings.items()}
    assert "A study" in headings.values() and "no section" not in headings.values()
    ids = [one.attrib["id"] for one in root.iter() if "id" in one.attrib]
    assert len(set(ids)) == len(ids)
    assert all(one.attrib.get("aria-labelledby") in headings for one in root.iter("section"))


def test_it_asks_the_network_for_nothing_and_allows_its_own_script_alone(text: str, root: ET.Element) -> None:
    assert len(text.encode()) < MOST
    for one in root.iter():
        for name, value in one.attrib.items():
            assert not name.startswith("on"), name
            if name.rpartition("}")[2] in ("src", "href", "srcset", "action", "data", "poster", "ping"):
                of_a_study = one.tag == "a" and value in OUTSIDE
                assert of_a_study or re.match(r"#|data:image/png;base64,", value), value
    assert not re.search(r"url\((?!#)|@import", text)
    assert set(re.findall(r"https?:[^\"<>\s]*", text)) <= set(OUTSIDE)
    (policy,) = (one.attrib["content"] for one in root.iter("meta") if "http-equiv" in one.attrib)
    rules = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    (script,) = root.iter("script")
    digest = base64.b64encode(hashlib.sha256(script.text.encode()).digest()).decode()
    assert rules.pop("script-src") == f"'sha256-{digest}'"
    assert rules.pop("img-src") == "data:" and rules.pop("style-src") == "'unsafe-inline'"
    assert set(rules) == {"default-src", "base-uri", "form-action"} and set(rules.values()) == {"'none'"}


def test_of_a_study_links_alone_lead_out_of_the_page(text: str, root: ET.Element) -> None:
    """And nobody follows them but a reader."""
    assert "&lt;b&gt;a&lt;/b&gt;" in text and "<b>" not in text
    assert [one.attrib["href"] for one in root.iter("a") if one.attrib["href"][0] != "#"] == list(OUTSIDE)
    assert "[e](javascript:f)" in "".join(root.itertext())


def test_tables_can_be_sorted_scrolled_and_read_row_by_row(root: ET.Element) -> None:
    boxes = [one for one in root.iter("div") if one.attrib.get("class") == "box"]
    assert len({one.attrib["aria-label"] for one in boxes}) == len(boxes) > 5
    assert all(one.attrib["role"] == "region" and one.attrib["tabindex"] == "0" for one in boxes)
    tables = [table for box in boxes for table in box.iter("table")]
    assert len(tables) == len(list(root.iter("table"))) == 6
    for table in tables:
        heads = list(table.find("thead/tr"))
        for row in table.find("tbody"):
            assert len(row) == len(heads)
            assert [one.tag for one in row] == ["th", *["td"] * (len(heads) - 1)] and row[0].attrib["scope"] == "row"


def test_an_entry_is_sorted_by_the_number_it_shows() -> None:
    given = [
        {"a": Entry("<x>", code=True), "b": Entry("−0.3", " (−1 to 1)", -0.3, bold=True)},
        {"a": Entry("y"), "c": Entry("1e-5", order=1e-5)},
    ]
    made = Page()
    table = parsed(made.html(lambda filters: f"# t\n\n## s\n\n{filters['table'](given)}")).find(".//main//table")
    assert ["".join(one.itertext()) for one in table.iter("th")] == ["a", "b", "c", "<x>", "y"]
    assert [one.attrib.get("class") for one in table.find("thead/tr")] == [None, "number", "number"]
    cells = [("".join(one.itertext()), one.attrib.get("data-order")) for one in table.iter("td")]
    assert cells == [("−0.3 (−1 to 1)", "-0.3"), ("–", None), ("–", None), ("1e-5", "1e-05")]
    assert "".join(table.find(".//strong").itertext()) == "−0.3"
    assert Page().table([]) == ""


def test_every_figure_has_a_name_and_says_its_values(folder: Path, root: ET.Element) -> None:
    alts = re.findall(r"!\[(.+?)\]\(figures", (folder / "report.md").read_text())
    figures = [figure.find(".//{*}svg") for figure in root.iter("figure")]
    assert [figure.attrib["aria-label"] for figure in figures] == alts
    for figure in figures:
        assert figure.attrib["role"] == "img"
        _, _, width, height = map(float, figure.attrib["viewBox"].split())
        for place in figure.iterfind(".//*[@class='tips']/{*}rect"):
            x, y, w, h = (float(place.attrib[key]) for key in ("x", "y", "width", "height"))
            assert -10 < x < x + w < width + 10 and -10 < y < y + h < height + 10
            assert place.find("{*}title").text
    said = [title.text for title in figures[1].iterfind(".//*[@class='tips']/{*}rect/{*}title")]
    assert "L1 = 1e-5" in "\n".join(said)
    row = page.read(folder).loss("cross_entropy").loc["l1=1e-5"]
    assert any(f"L1 = 1e-5\nerror: {row['error']:.3f} (" in one and "from seeds: " in one for one in said)


def test_a_figure_has_no_colour_of_paper_and_no_name_of_another(root: ET.Element) -> None:
    for figure in root.iter("figure"):
        svg = figure.find(".//{*}svg")
        ids = {one.attrib["id"] for one in svg.iter() if "id" in one.attrib}
        used = {value for one in svg.iter() for v in one.attrib.values() for value in re.findall(r"#([\w-]+)", v)}
        assert used - ids == set(), "an id that is not there, or a colour that does not change with the page"


def test_a_figure_of_too_much_stays_a_picture(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(painting, "MOST_SVG", 1000)
    page.write(folder)
    root = parsed((folder / "report.html").read_text())
    alts = re.findall(r"!\[(.+?)\]\(figures", (folder / "report.md").read_text())
    assert [one.attrib["alt"] for one in root.iter("img")] == alts


def test_colours_have_their_light_and_their_dark_side() -> None:
    light, dark = (
        dict(re.findall(r"--([\w-]+): (#\w{6})", part)) for part in CSS.split(".as-it-is")[0].split("@media")
    )
    for colour, name in style.THEME.items():
        assert light[name] == colour or colour == "#000000"
    assert dark.keys() == light.keys()
    grey = {
        name: sum(int(colour[i : i + 2], 16) * w for i, w in ((1, 0.299), (3, 0.587), (5, 0.114))) / 255
        for name, colour in dark.items()
    }
    areas = [grey[name] for name in ("paper", "bias-area", "data-area", "seed-area")]
    assert all(later - earlier > 0.1 for earlier, later in zip(areas, areas[1:], strict=False))
    shades = [grey[f"shade-{i}"] for i in range(len(style.SHADES))]
    assert shades == sorted(shades)
