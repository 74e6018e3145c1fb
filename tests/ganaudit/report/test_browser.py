"""The page in headless Chromium: it is present, quiet, readable and sortable."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from ganaudit.report import Quarantined, render

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
    assert page.evaluate("document.querySelectorAll('.chart svg').length") == 4
    page.close()


def test_names_of_classes_do_not_overlap(browser, file):
    page, _ = opened(browser, file, 1300, "light")
    feet = page.evaluate(
        "[...document.querySelectorAll('#generator-1 .chart text')].filter((text) => text.getAttribute('transform')"
        "?.startsWith('rotate(-40')).map((text) => text.getBoundingClientRect().right)"
    )
    assert len(feet) == 16 and min(b - a for a, b in pairwise(feet)) > 12
    page.close()


def test_headings_sort_the_table_both_ways(browser, file):
    page, said = opened(browser, file, 1300, "light")
    table = page.locator("#generator-1 table.sortable")
    first = "row => row.cells[0].textContent"
    ratio = table.locator("th[data-column='3'] button")
    ratio.click()
    assert table.locator("tbody tr").first.evaluate(first) == "person"
    ratio.click()
    assert table.locator("tbody tr").first.evaluate(first) == "roof"
    assert table.locator("tbody tr").last.evaluate(first) == "boat"  # no ratio: last either way
    table.locator("th[data-column='0'] button").press("Enter")
    assert table.locator("tbody tr").first.evaluate(first) == "boat"
    assert said == []
    page.close()


def test_dark_and_light_differ(browser, file):
    colours = set()
    for scheme in ("light", "dark"):
        page, _ = opened(browser, file, 1300, scheme)
        colours.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        colours.add(page.evaluate("getComputedStyle(document.querySelector('.chart text')).fill"))
        page.close()
    assert len(colours) == 4
