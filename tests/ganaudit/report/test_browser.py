"""The page in headless Chromium: it is present, quiet, readable and sortable."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from ganaudit.report import Quarantined, render
from ganaudit.studies.census.section.classes import SEVERITY

CHROMIUM = "/usr/bin/chromium"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def file(audit, tmp_path_factory) -> Path:
    data = audit(
        quarantined=[Quarantined("offline", "a very/long name " * 12 + "x" * 300, "truncated")],
        invented={"boat": (0.05, 2.0)},
    )
    file = tmp_path_factory.mktemp("report") / "report.html"
    file.write_text(render(data), encoding="utf-8")
    return file


def opened(browser: Browser, file: Path, width: int, scheme: str) -> tuple[Page, list[str]]:
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: request.url.startswith(("file:", "data:")) or said.append(request.url))
    page.goto(file.as_uri())
    return page, said


@pytest.mark.parametrize(("width", "scheme"), [(1300, "light"), (1300, "dark"), (390, "light")])
def test_no_error_every_picture_and_no_sideways_scrolling(browser, file, width, scheme):
    page, said = opened(browser, file, width, scheme)
    assert said == []
    widths = page.evaluate("[...document.images].map((image) => image.naturalWidth)")
    assert len(widths) > 100 and min(widths) > 0
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("document.querySelectorAll('.chart svg').length") == 10
    page.close()


def test_names_of_classes_do_not_overlap(browser, file):
    page, _ = opened(browser, file, 1300, "light")
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    feet = page.evaluate(
        "[...document.querySelectorAll('#generator-1 .chart text')].filter((text) => text.getAttribute('transform')"
        "?.startsWith('rotate(-40')).map((text) => text.getBoundingClientRect().right)"
    )
    assert len(feet) == 16 and min(b - a for a, b in pairwise(feet)) > 12
    page.close()


def test_headings_sort_the_table_both_ways(browser, file):
    page, said = opened(browser, file, 1300, "light")
    table = page.locator("#generator-1 table.classes")
    first = "row => row.cells[0].textContent"
    ratio = table.locator("th[data-column='4'] button")
    ratio.click()
    assert table.locator("tbody tr").first.evaluate(first) == "person"
    ratio.click()
    assert table.locator("tbody tr").first.evaluate(first) == "fence"
    assert table.locator("tbody tr").last.evaluate(first) == "boat"  # no ratio: last either way
    table.locator("th[data-column='0'] button").press("Enter")
    assert table.locator("tbody tr").first.evaluate(first) == "boat"
    table.locator("th[data-column='1'] button").click()
    words = table.locator("tbody tr").evaluate_all("rows => rows.map((row) => row.cells[1].textContent)")
    assert words == sorted(words, key=SEVERITY.index) and words[0] == "reduced"
    assert said == []
    page.close()


def test_every_table_and_figure_is_told_to_who_cannot_see_it(browser, file):
    page, _ = opened(browser, file, 1300, "light")
    assert page.evaluate("[...document.querySelectorAll('.chart svg')].every((each) => each.getAttribute('aria-label'))")
    assert page.evaluate("[...document.images].every((each) => each.alt)")
    assert page.evaluate("[...document.querySelectorAll('th')].every((each) => each.scope)")
    page.close()


def test_text_of_a_figure_stands_inside_it(browser, file):
    page, _ = opened(browser, file, 1300, "light")
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    outside = page.evaluate(
        "[...document.querySelectorAll('.chart svg')].flatMap((svg) => { const box = svg.getBoundingClientRect();"
        "return [...svg.querySelectorAll('text')].filter((text) => { const at = text.getBoundingClientRect();"
        "return at.left < box.left - 1 || at.right > box.right + 1 || at.top < box.top - 1 || at.bottom > box.bottom + 1; })"
        ".map((text) => text.textContent); })"
    )
    assert outside == []
    page.close()


def test_dark_and_light_differ(browser, file):
    colours = set()
    for scheme in ("light", "dark"):
        page, _ = opened(browser, file, 1300, scheme)
        colours.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        colours.add(page.evaluate("getComputedStyle(document.querySelector('.chart text')).fill"))
        page.close()
    assert len(colours) == 4
