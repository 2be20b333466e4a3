"""The page as text: complete, escaped, without script and without an address to ask."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from functools import cache
from html.parser import HTMLParser
from importlib.resources import files

import pytest

from dub_source.report.figures import Changed, Cohort, Day, Figures, Group, Groups, Month, Totals
from dub_source.report.page import as_html
from tests.report.samples import HOSTILE, figures, groups, hostile, nothing, one_customer

VOID = {"meta", "br"}
TAGS = (
    "html head meta title style body header main footer section div p h1 h2 h3 dl dt dd bdi figure "
    "figcaption details summary span table thead tbody tr th td svg g path text line rect title defs clippath"
).split()


class Page(HTMLParser):
    """The elements of a page, its texts, and that they are nested as they should be."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] != "style" and data.strip():
            self.texts.append(data.strip())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@cache
def page_of(make: Callable[[], Figures]) -> str:
    """Drawing takes a second or two, so each page is made once."""
    return as_html(make())


@pytest.fixture(
    params=(figures, hostile, nothing, one_customer), ids=("usual", "hostile", "nothing", "one customer")
)
def text(request: pytest.FixtureRequest) -> str:
    return page_of(request.param)


def test_a_page_is_of_known_elements_and_asks_nobody(text: str) -> None:
    page = Page(text)
    assert {tag for tag, _ in page.elements} <= set(TAGS)
    for tag, attributes in page.elements:
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            assert name not in ("src", "href", "xlink:href", "srcset", "action", "data"), (tag, name)
            if name in ("style", "fill", "stroke", "clip-path") and value:
                assert not re.search(r"url\((?!#)", value), (tag, name)
    (style,) = re.findall("<style>(.*?)</style>", text, re.DOTALL)
    assert "url(" not in style
    assert "@import" not in style
    policies = [each for each in page.all("meta") if each.get("http-equiv") == "Content-Security-Policy"]
    assert [(each["content"] or "").startswith("default-src 'none'") for each in policies] == [True]


def test_each_chart_has_a_description_and_a_table(text: str) -> None:
    page = Page(text)
    described = [each for each in page.all("svg") if each.get("role") == "img" and each.get("aria-label")]
    assert len(described) == len(page.all("svg"))
    panels = re.findall("<figure.*?</figure>", text, re.DOTALL)
    for panel in panels:
        assert panel.count("<svg") in (2, 3)
        assert panel.count("<table>") == 1
        assert "<td>" in panel
    ids = Counter(each["id"] for _, each in page.elements if "id" in each)
    assert set(ids.values()) <= {1}
    for reference in re.findall(r"url\(#([^)]+)\)", text):
        assert reference in ids


def test_hostile_names_are_text() -> None:
    page = Page(page_of(hostile))
    said = "\n".join(page.texts)
    for name in HOSTILE[:5]:
        assert name in said, name
    assert "محمد للتسويق \ufffd evil \ufffd" in said
    assert not set(said) & set("\u202e\u2066\x00\x07\ufffe\u2028")
    assert "{{ 7 * 7 }}" in said
    assert page.all("script") == []


def test_all_parts_are_there() -> None:
    text = page_of(figures)
    page = Page(text)
    for title in (
        "Customers over time",
        "Revenue by country",
        "Revenue by partner",
        "Revenue by link",
        "Revenue per customer by month of creation",
        "Share that had bought, by months since creation",
        "Days from creation to first sale",
        "Cancellations by month",
        "Runs",
        "Changes that were seen",
        "Outcomes of plans",
    ):
        assert title in page.texts, title
    assert "OK: 39,424 customers, loaded 5 min ago, proven complete 3.1 h ago." in page.texts
    assert "39,424" in page.texts
    assert "$1.7M" in page.texts
    assert len(text) < 1_000_000, "small enough to be sent by mail"


def test_the_long_tail_is_one_honest_row() -> None:
    page = Page(page_of(figures))
    at = page.texts.index("4,990 others")
    assert page.texts.count("4,990 others") >= 2, "in the table and in the chart"
    assert at > 0
    assert "99.9%" not in page.texts
    total = 40_000_000 * sum(1 / place for place in range(1, 11)) + 77_000_000 + 900_000
    assert any(f"of ${total / 100:,.0f} came with no link." in each for each in page.texts)


def test_why_a_part_is_not_there() -> None:
    why = "it needs partner__id, which the table of customers does not have: not loaded, or excluded."
    page = Page(as_html(figures(partners=None, absent={"partners": why})))
    assert f"Revenue by partner is not shown: {why}" in page.texts
    assert "Revenue by partner" not in page.texts
    texts = Page(page_of(one_customer)).texts
    for sentence in (
        "Nobody has bought yet.",
        "Nobody has canceled a subscription yet.",
        "There is no revenue by partners yet.",
        "There is no revenue by links yet.",
        "No plan has changed anything in Dub yet.",
    ):
        assert sentence in texts
    texts = Page(page_of(nothing)).texts
    assert "There are no customers yet." in texts
    assert "No run has been noted yet." in texts


def test_hashed_names_are_said_to_be_hashed() -> None:
    page = Page(as_html(figures(countries=groups(["0123456789abcdef" * 4], others=0, none=False))))
    assert "01234567… (hashed)" in page.texts


def test_amounts_that_are_negative_or_large() -> None:
    many = Groups((Group("US", 3, 2, 2**62), Group("DE", 1, 1, -123_456)))
    page = Page(as_html(figures(countries=many)))
    assert "−$1,235" in page.texts
    assert f"${2**62 / 100:,.0f}" in page.texts


def test_days_to_come_are_left_out() -> None:
    made = figures()
    last = (made.over_time or ())[-1]
    later = replace(last, day=last.day.replace(year=2028), total=10**6)
    text = as_html(replace(made, over_time=(*(made.over_time or ()), later)))
    assert "Dates later than today are left out." in text
    assert "1,000,000" not in text
    assert " 2028" not in text


def test_growth_up_to_today_is_one_line() -> None:
    today = one_customer()
    days = tuple(replace(each, total=1_000) for each in today.over_time or ())
    texts = Page(as_html(replace(today, over_time=days))).texts
    assert "1k" in texts
    assert "2k" not in texts, "nothing is added up, although this is an area"


@pytest.mark.parametrize("scheme", ("light", "dark"))
def test_contrast(scheme: str) -> None:
    colours = palettes()[scheme]
    for background in ("page", "card"):
        for text in ("ink", "muted"):
            assert contrast(colours[text], colours[background]) >= 4.5, (text, background)
    for graphic in ("accent", "second", "third", "fourth", "bad", "quiet"):
        assert contrast(colours[graphic], colours["card"]) >= 3, graphic
    for verdict in ("well", "look"):
        assert contrast(colours[f"{verdict}-ink"], colours[verdict]) >= 4.5, verdict
    # A cell of the cohorts is half as strong as the accent, and text is on it.
    half = [
        (one + other) / 2 for one, other in zip(rgb(colours["accent"]), rgb(colours["card"]), strict=True)
    ]
    assert contrast(colours["ink"], half) >= 4.5


def palettes() -> dict[str, dict[str, str]]:
    css = files("dub_source.report").joinpath("page.css").read_text(encoding="utf-8")
    light, dark = re.findall(r":root \{(.*?)\}", css, re.DOTALL)
    found = {}
    for name, block in (("light", light), ("dark", dark)):
        found[name] = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))
    assert found["light"].keys() == found["dark"].keys()
    return found


def rgb(colour: str) -> list[float]:
    return [int(colour[place : place + 2], 16) for place in (1, 3, 5)]


def contrast(one: str | Sequence[float], other: str | Sequence[float]) -> float:
    """The ratio of WCAG 2."""

    def luminance(colour: str | Sequence[float]) -> float:
        values = [each / 255 for each in (rgb(colour) if isinstance(colour, str) else colour)]
        linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in values]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    lights = sorted((luminance(one), luminance(other)))
    return (lights[1] + 0.05) / (lights[0] + 0.05)


def test_the_first_and_the_last_day_of_the_calendar_can_be_shown() -> None:
    """Imports have dates such as 0001-01-01 and 9999-12-31, and next to them there is no other day."""
    first, last = date.min, date.max
    ends = (first, last.replace(day=1))
    page = as_html(
        replace(
            nothing(),
            totals=Totals(2, 2, 200, 1),
            over_time=(Day(first, 1, 0, 0, 0, 1), Day(last, 1, 0, 0, 0, 2)),
            cohorts=tuple(Cohort(month, 1, 1, 100, 100.0, 0, {0: 1.0}) for month in ends),
            churn=tuple(Month(month, 1, 1, 1.0) for month in ends),
            changes=(Changed(first, 1, 0, 0), Changed(last, 0, 1, 0)),
        )
    )
    assert "Jan 1<" in page
    assert "Dec 9999<" in page


def test_a_sale_before_the_first_customer_is_no_creation() -> None:
    days = (Day(date(2026, 1, 5), 0, 1, 0, 0, 0), Day(date(2026, 2, 6), 1, 0, 0, 0, 1))
    page = as_html(replace(nothing(), totals=Totals(1, 1, 100, 0), over_time=days))
    assert "the first was created on 6 Feb 2026." in page
