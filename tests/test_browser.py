"""report.html in a browser: nothing is asked of the network, nobody is left out, nothing hangs on scripts.

`pytest --browsers -m browsers --basetemp=DIR` leaves the screenshots in DIR/screenshots*.
"""

from __future__ import annotations

import io
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jaxreg.report import page as report

pytestmark = pytest.mark.browsers

ROOT = Path(__file__).parents[1]
REPORTS = ("l1-l2", "notebook", "outliers")
RULES = {"color-contrast", "scrollable-region-focusable", "svg-img-alt"}  # some of axe's
SEEN = """(main) => {
  const seen = main.cloneNode(true);
  seen.querySelectorAll(".tips").forEach((one) => one.remove());
  return seen.textContent.trim();
}"""
FORBIDDEN = """([kind, key, value]) => new Promise((done) => {
  document.addEventListener("securitypolicyviolation", (event) => done(event.effectiveDirective));
  const element = document.createElement(kind);
  element[key] = value;
  document.body.append(element);
})"""
WIDTHS = {"desk": 1280, "phone": 390}


@pytest.fixture(scope="module")
def pages(tmp_path_factory, undisturbed):
    """Pages by name: of committed runs, written anew, and of a tiny one that the command has made."""
    place = tmp_path_factory.mktemp("reports")
    for name in REPORTS:
        shutil.copytree(ROOT / "reports" / name, place / name)
        report.write(place / name)
    return {name: place / name / "report.html" for name in REPORTS} | {"tiny": undisturbed.run / "report.html"}


@pytest.fixture(scope="module")
def chromium():
    playwright = pytest.importorskip("playwright.sync_api", reason="pip install -e '.[browser]'")
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
    if path is None:
        pytest.skip("there is no Chromium")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=path)
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium, pages):
    """Opens a page; what it asks for, and what its console says, stands in `page.asked` and `page.said`."""
    contexts = []

    def open_page(name, width="desk", **how):
        context = chromium.new_context(viewport={"width": WIDTHS[width], "height": 900}, **how)
        contexts.append(context)
        page = context.new_page()
        page.asked, page.said = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("console", lambda message: page.said.append(message.text))
        page.on("pageerror", lambda error: page.said.append(str(error)))
        page.goto(pages[name].as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def screenshots(tmp_path_factory):
    return tmp_path_factory.mktemp("screenshots")


def brightness(page, file):
    """Of the page, from 0 to 1; all of it is kept as a picture."""
    shot = page.screenshot(path=file, full_page=True)
    return np.asarray(Image.open(io.BytesIO(shot)).convert("L")).mean() / 255


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", [*REPORTS, "tiny"])
def test_a_page_is_accessible_keeps_to_itself_and_fits(opened, screenshots, name, width, colours):
    from axe_playwright_python.sync_playwright import Axe

    page = opened(name, width, color_scheme=colours)
    bright = brightness(page, screenshots / f"{name}-{width}-{colours}.png")
    assert bright > 0.8 if colours == "light" else bright < 0.35
    page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert RULES <= {rule["id"] for rule in found.response["passes"]}, "it looked at nothing"
    across = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert across[0] == across[1], "the page itself scrolls sideways"
    assert page.asked == [page.url] and page.evaluate("performance.getEntriesByType('resource').length") == 0
    assert page.said == []


@pytest.mark.parametrize(
    ("element", "directive"),
    [
        (("img", "src", "http://127.0.0.1:9/a.png"), "img-src"),
        (("script", "src", "http://127.0.0.1:9/a.js"), "script-src-elem"),
        (("script", "textContent", "document.title = 'theirs'"), "script-src-elem"),
        (("iframe", "src", "http://127.0.0.1:9/"), "frame-src"),
    ],
)
def test_what_might_get_in_all_the_same_is_stopped_by_the_policy(opened, element, directive):
    page = opened("tiny")
    title = page.title()
    assert page.evaluate(FORBIDDEN, element) == directive
    assert page.title() == title


@pytest.mark.parametrize("name", [*REPORTS, "tiny"])
def test_without_scripts_everything_can_be_read(opened, screenshots, name):
    bare, whole = opened(name, java_script_enabled=False), opened(name)
    bare.screenshot(path=screenshots / f"{name}-without-scripts.png", full_page=True)
    assert bare.locator("main").evaluate(SEEN) == whole.locator("main").evaluate(SEEN)
    values = [page.locator(f".tips {what}") for page, what in ((bare, "title"), (whole, "[data-tip]"))]
    assert values[0].count() == values[1].count() > 3
    assert bare.locator("th button").count() == 0, "a button that does nothing"
    folded = bare.locator("main details:not([open])")
    before = folded.count()
    folded.first.locator("summary").first.click()
    assert folded.count() == before - 1


def column(table, i):
    return [row.locator("th, td").nth(i) for row in table.locator("tbody tr").all()]


def test_a_table_is_sorted_by_a_click_or_a_key_and_the_third_brings_its_order_back(opened):
    page = opened("l1-l2")
    table = page.locator("section", has=page.get_by_role("heading", name="All cells")).locator("table")
    head = table.locator("thead th").nth(2)
    first = [cell.text_content() for cell in column(table, 0)]
    button = head.get_by_role("button", name="Test cross-entropy")
    for direction, do in (("ascending", button.click), ("descending", lambda: button.press("Enter"))):
        do()
        numbers = [float(cell.get_attribute("data-order")) for cell in column(table, 2)]
        assert numbers == sorted(numbers, reverse=direction == "descending")
        assert head.get_attribute("aria-sort") == direction
    assert [cell.text_content() for cell in column(table, 0)] != first
    button.press(" ")
    assert [cell.text_content() for cell in column(table, 0)] == first and head.get_attribute("aria-sort") == "none"


def test_tables_of_a_study_are_sorted_by_what_they_show_and_what_is_missing_is_last(opened):
    page = opened("notebook")
    table = page.locator("section", has=page.get_by_role("heading", name="The twelve runs")).locator("table").first
    heads = table.locator("thead th")
    heads.filter(has_text="train: p").get_by_role("button").click()
    i = heads.all_text_contents().index("train: p")
    numbers = [float(cell.text_content()) for cell in column(table, i)]
    assert numbers == sorted(numbers) and len(set(numbers)) > 8
    page = opened("l1-l2")
    table = page.locator("section", has=page.get_by_role("heading", name="On all of the")).locator("table")
    heads = table.locator("thead th")
    i = heads.all_text_contents().index("Change: cross-entropy")
    for _ in range(2):
        heads.nth(i).get_by_role("button").click()
        shown = [cell.text_content() for cell in column(table, i)]
        assert "\u2013" in shown and shown.index("\u2013") == len(shown) - shown.count("\u2013")


def test_a_figure_says_its_values_under_the_pointer(opened, screenshots):
    page = opened("l1-l2")
    place = page.locator("figure svg .tips rect[data-tip^='L1 = 1e-4']").first
    tip = page.locator("#tip")
    assert not tip.is_visible()
    place.scroll_into_view_if_needed()
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")  # has scrolled
    place.hover()
    assert re.match(r"L1 = 1e-4\nerror: 0\.\d+ \(.* to .*\)\nbias: ", tip.text_content()) and tip.is_visible()
    page.screenshot(path=screenshots / "tip.png")
    page.keyboard.press("Escape")
    assert not tip.is_visible()


def test_what_is_wide_scrolls_in_its_box_by_the_keyboard(opened):
    page = opened("l1-l2", "phone")
    for kind in ("table", "svg"):
        box = page.locator(".box", has=page.locator(kind)).first
        box.focus()
        for _ in range(3):
            page.keyboard.press("ArrowRight")
        page.wait_for_function("box => box.scrollLeft > 0", arg=box.element_handle())


def test_on_paper_nothing_is_folded_dark_or_cut_off(opened, screenshots):
    page = opened("l1-l2", color_scheme="dark")
    folded = page.locator("main details:not([open])")
    assert folded.count() > 0
    page.pdf(path=screenshots / "print.pdf", format="A4")
    assert folded.count() > 0, "what was unfolded for the printer is folded again"
    page.emulate_media(media="print", color_scheme="dark")
    assert brightness(page, screenshots / "print.png") > 0.8
    assert not page.locator("nav").is_visible()
    page.set_viewport_size({"width": 680, "height": 900})  # A4 less its margins
    assert page.evaluate("document.documentElement.scrollWidth") == 680
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert folded.count() == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert folded.count() > 0


def test_a_link_unfolds_what_it_leads_to(opened):
    page = opened("l1-l2")
    section = page.locator("section", has=page.get_by_role("heading", name="All cells"))
    section.locator("summary").first.click()
    assert not section.locator("table").is_visible()
    page.locator("nav").get_by_role("link", name="All cells").click()
    section.locator("table").wait_for()
