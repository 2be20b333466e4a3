"""The page in a real browser: headless Chromium, as it is on this machine. Run by ``make test-report``."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from dub_source.report import Figures
from dub_source.report.page import as_html
from tests.report.samples import figures, hostile, nothing, one_customer

pytestmark = pytest.mark.report

CHROMIUM = "DUB_SOURCE_CHROMIUM"
NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome")
SAMPLES: dict[str, Callable[[], Figures]] = {
    "usual": figures,
    "hostile": hostile,
    "nothing": nothing,
    "one_customer": one_customer,
}
WIDTHS = (400, 768, 1_400)
SCHEMES = {"light": "rgb(245, 246, 248)", "dark": "rgb(14, 17, 21)"}
"""Their backgrounds."""


def chromium() -> str:
    """The program; it must be there."""
    named = os.environ.get(CHROMIUM)
    found = shutil.which(named) if named else next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        where = f"{CHROMIUM} names {named!r}, which is no program" if named else "there is none in PATH"
        pytest.fail(
            f"These tests need Chromium, and {where}: install it (on Debian: apt-get install chromium), or "
            f"name it in {CHROMIUM}.",
            pytrace=False,
        )
    return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # As root, as in containers, Chromium has no sandbox of its own. It opens nothing but our files.
        options = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        started = playwright.chromium.launch(executable_path=chromium(), args=options)
        yield started
        started.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The files, by sample."""
    folder = tmp_path_factory.mktemp("pages")
    made = {}
    for name, make in SAMPLES.items():
        made[name] = folder / f"{name}.html"
        made[name].write_text(as_html(make()), encoding="utf-8")
    return made


class Opened:
    """A page, and what it asked for and complained about meanwhile."""

    def __init__(self, browser: Browser, file: Path, *, width: int, scheme: str = "light") -> None:
        self.asked: list[str] = []
        self.told: list[str] = []
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if scheme == "dark" else "light",
        )
        self.page: Page = context.new_page()
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", lambda message: self.told.append(message.text))
        self.page.on("pageerror", lambda error: self.told.append(str(error)))
        self.page.on("dialog", lambda dialog: self.told.append(f"dialog: {dialog.message}"))
        self.page.goto(file.as_uri(), wait_until="load")
        self.page.wait_for_timeout(100)


@pytest.fixture
def opened(browser: Browser, pages: dict[str, Path]) -> Iterator[Callable[..., Opened]]:
    made: list[Opened] = []

    def open_one(name: str, **options: int | str) -> Opened:
        made.append(Opened(browser, pages[name], **options))  # type: ignore[arg-type]
        return made[-1]

    yield open_one
    for each in made:
        each.page.context.close()


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", SAMPLES)
def test_it_asks_nobody_and_fits(
    opened: Callable[..., Opened], pages: dict[str, Path], name: str, width: int, scheme: str
) -> None:
    seen = opened(name, width=width, scheme=scheme)
    assert seen.asked == [pages[name].as_uri()]
    assert seen.told == []
    assert seen.page.evaluate("document.documentElement.scrollWidth") == width, "nothing to scroll sideways"
    background = seen.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == SCHEMES[scheme]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ("usual", "hostile"))
def test_every_chart_is_seen_once_and_within_its_panel(
    opened: Callable[..., Opened], name: str, width: int
) -> None:
    page = opened(name, width=width).page
    panels = page.locator("figure").all()
    assert len(panels) >= 10
    for panel in panels:
        (chart,) = [each for each in panel.locator("svg").all() if each.is_visible()]
        inside, outside = chart.bounding_box(), panel.bounding_box()
        assert inside is not None
        assert outside is not None
        assert inside["height"] > 50
        assert inside["width"] > 0.5 * min(outside["width"], 1_000)
        # Text may stand out of a drawing, but not out of the panel.
        out = chart.evaluate(
            "(svg, [left, right]) => [...svg.querySelectorAll('text')].filter(t => {"
            "const box = t.getBoundingClientRect(); return box.left < left || box.right > right;"
            "}).map(t => t.textContent)",
            [outside["x"], outside["x"] + outside["width"]],
        )
        assert out == [], panel.inner_text()
        size = chart.evaluate(
            "svg => Math.min(...[...svg.querySelectorAll('text')].map(t => "
            "parseFloat(getComputedStyle(t).fontSize) * svg.getScreenCTM().a))"
        )
        assert size >= 9.5, "text that can be read"


@pytest.mark.parametrize("scheme", SCHEMES)
def test_colours_of_charts_are_those_of_the_scheme(opened: Callable[..., Opened], scheme: str) -> None:
    page = opened("usual", width=1_400, scheme=scheme).page
    fills = page.evaluate(
        "[...document.querySelectorAll('svg path[fill], svg text')].filter(e => e.checkVisibility())"
        ".map(e => getComputedStyle(e).fill)"
    )
    accent, ink = {"light": ((47, 95, 224), (23, 26, 31)), "dark": ((122, 162, 255), (236, 239, 243))}[scheme]
    assert f"rgb{accent}" in fills
    assert f"rgb{ink}" in fills
    assert not {"rgb(0, 0, 0)", "rgb(76, 120, 168)"} & set(fills), (
        "no variable is unknown, no colour is Vega's"
    )


def test_tables_open_and_scroll_by_themselves(opened: Callable[..., Opened]) -> None:
    page = opened("hostile", width=400).page
    for summary in page.locator("summary").all():
        summary.click()
    assert page.evaluate("document.documentElement.scrollWidth") == 400
    assert page.locator("table").first.is_visible()
    assert page.locator("script").count() == 0
    assert page.locator("img").count() == 0


def test_what_a_screen_reader_is_told(opened: Callable[..., Opened]) -> None:
    page = opened("usual", width=1_400).page
    tree = page.locator("body").aria_snapshot()
    assert re.search(r"- heading \"acme\" \[level=1\]", tree)
    assert re.search(r"- img \"Revenue by country\. US is first with ", tree)
    images = re.findall(r"- '?img \"", tree)
    assert len(images) == page.locator("figure").count(), "hidden sizes are not told"


def test_it_can_be_printed(opened: Callable[..., Opened]) -> None:
    page = opened("usual", width=1_400).page
    page.emulate_media(media="print")
    assert page.pdf(format="A4")[:5] == b"%PDF-"
