"""The charts: rows in, a chart of Altair out. Rows have a ``said``, which a mark's tooltip says."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date
from json import dumps
from typing import Any
from unicodedata import east_asian_width

import altair as alt

from dub_source.report.drawing import SMALL, TEXT

Rows = Sequence[Mapping[str, Any]]

ACCENT, SECOND, THIRD, FOURTH = "var(--accent)", "var(--second)", "var(--third)", "var(--fourth)"
BAD, QUIET = "var(--bad)", "var(--quiet)"
DOLLARS = "replace(replace(format(datum.value, '$~s'), 'G', 'B'), '\N{MINUS SIGN}$', '-$')"
# Of whole things there are no halves.
NUMBERS = "datum.value % 1 ? '' : replace(format(datum.value, '~s'), 'G', 'B')"
SHARES = "format(datum.value, '.0~%')"
_BY_DAY, _BY_MONTH = 100, 3_000
"""Days up to which an axis has days, and months."""
_FEWEST = 14
"""Periods that an axis has room for at least."""
_LETTER, _WIDE_LETTER = 7.4, 14.0
"""Pixels of a letter of DejaVu Sans, on average, and of a Chinese one or an emoji."""
_BAR = 26
"""Height of a bar with its gap, in pixels."""


def growth(rows: Rows, *, width: int) -> alt.TopLevelMixin:
    """A number that grows: ``day``, ``total``."""
    base = alt.Chart(_data(rows)).encode(x=_moments(rows, width), y=_amount("total", NUMBERS, stack=None))
    area = base.mark_area(color=ACCENT, opacity=0.14, aria=False)
    line = base.mark_line(color=ACCENT, strokeWidth=2, aria=False)
    # Not to be seen, but to be pointed at. A line that had descriptions would be one line for each.
    points = base.mark_point(filled=True, size=60, color=ACCENT, opacity=0).encode(
        description=alt.Description("said:N")
    )
    return _sized(area + line + points, width, 220)


def periods(
    rows: Rows,
    series: Mapping[str, str],
    *,
    width: int,
    labels: str = NUMBERS,
    stacked: bool = True,
) -> alt.TopLevelMixin:
    """Columns over time: ``start``, ``end``, ``series``, ``value``.

    Args:
        rows: one for each column and series.
        series: the names of the series and their colours, as in the legend; one alone has no legend.
        width: in pixels.
        labels: an expression that writes a value at the axis.
        stacked: whether the series add up; otherwise the later one stands before the earlier one.
    """
    ends = _ends(rows)
    chart = (
        alt.Chart(_data(rows))
        .mark_bar(binSpacing=1)
        .encode(
            x=alt.X(
                "start:T",
                bin="binned",
                scale=alt.Scale(type="utc", domain=[_milliseconds(each) for each in ends], nice=False),
                axis=_time_axis(ends, width),
            ),
            x2="end:T",
            y=_amount("value", labels, stack="zero" if stacked else None),
            color=alt.Color(
                "series:N",
                scale=alt.Scale(domain=list(series), range=list(series.values())),
                legend=alt.Legend() if len(series) > 1 else None,
            ),
            order=alt.Order("place:Q"),
            description=alt.Description("said:N"),
        )
    )
    return _sized(chart, width, 180)


def ranking(rows: Rows, *, width: int) -> alt.TopLevelMixin:
    """Bars to the right, as they come: ``place``, ``name``, ``value``, ``text``."""
    base = alt.Chart(_data(rows)).encode(
        y=alt.Y(
            "place:O",
            axis=_names([str(row["name"]) for row in rows], width),
            scale=alt.Scale(paddingInner=0.3, paddingOuter=0.1),
        ),
        x=alt.X(
            "value:Q",
            axis=None,
            # Room for the text at the end of the longest bar.
            scale=alt.Scale(domain=_with_room([float(row["value"]) for row in rows], width)),
        ),
        description=alt.Description("said:N"),
    )
    bars = base.mark_bar(cornerRadiusEnd=3).encode(
        color=alt.condition("datum.rest", alt.value(QUIET), alt.value(ACCENT))
    )
    texts = base.mark_text(align="left", dx=6, aria=False).encode(text="text:N")
    return _sized(bars + texts, width, _BAR * max(len(rows), 1))


def heat(rows: Rows, *, width: int, months: Sequence[str]) -> alt.TopLevelMixin:
    """Cells by cohort and age: ``cohort``, ``age``, ``share`` (0 to 1), ``text``."""
    most = max((float(row["share"]) for row in rows), default=0) or 1
    base = alt.Chart(_data(rows)).encode(
        x=alt.X("age:O", axis=alt.Axis(title="months since they were created", orient="top", labelAngle=0)),
        y=alt.Y("cohort:O", sort=list(months), axis=alt.Axis(title=None)),
        description=alt.Description("said:N"),
    )
    cells = base.mark_rect(color=ACCENT, cornerRadius=2, stroke="var(--card)", strokeWidth=2).encode(
        # Not a scale of colours, which Vega would have to mix: a variable has no colour until it is shown.
        # Up to a half, the text on it has enough contrast.
        opacity=alt.Opacity("share:Q", scale=alt.Scale(domain=[0, most], range=[0.06, 0.5]), legend=None)
    )
    texts = base.mark_text(fontSize=SMALL, aria=False).encode(text="text:N")
    return _sized(cells + texts, width, _BAR * max(len(months), 1))


def buckets(rows: Rows, *, width: int) -> alt.TopLevelMixin:
    """Columns of ranges in their order: ``place``, ``name``, ``value``, ``text``."""
    base = alt.Chart(_data(rows)).encode(
        x=alt.X(
            "place:O",
            axis=alt.Axis(
                title=None,
                labelAngle=0,
                labelLimit=90,
                labelColor="var(--ink)",
                labelFontSize=SMALL if width < 450 else TEXT,
                labelExpr=_by_place([str(row["name"]) for row in rows]),
            ),
            scale=alt.Scale(paddingInner=0.25),
        ),
        y=alt.Y(
            "value:Q", axis=None, scale=alt.Scale(domain=_with_room([row["value"] for row in rows], 900))
        ),
        description=alt.Description("said:N"),
    )
    bars = base.mark_bar(cornerRadiusEnd=3, color=ACCENT)
    texts = base.mark_text(baseline="bottom", dy=-4, aria=False).encode(text="text:N")
    return _sized(bars + texts, width, 200)


def trend(rows: Rows, *, width: int, height: int = 120) -> alt.TopLevelMixin:
    """A line over time: ``day``, ``value``."""
    base = alt.Chart(_data(rows)).encode(x=_moments(rows, width), y=_amount("value", SHARES))
    line = base.mark_line(color=THIRD, strokeWidth=2, aria=False)
    points = base.mark_point(filled=True, size=36, color=THIRD, opacity=1).encode(
        description=alt.Description("said:N")
    )
    return _sized(line + points, width, height)


def parts(rows: Rows, series: Mapping[str, str], *, width: int) -> alt.TopLevelMixin:
    """Bars that are made of parts: ``place``, ``name``, ``series``, ``order``, ``value``."""
    by_place = {int(row["place"]): str(row["name"]) for row in rows}
    chart = (
        alt.Chart(_data(rows))
        .mark_bar()
        .encode(
            y=alt.Y(
                "place:O",
                axis=_names([by_place[place] for place in sorted(by_place)], width),
                scale=alt.Scale(paddingInner=0.3, paddingOuter=0.1),
            ),
            x=alt.X(
                "value:Q",
                stack="normalize",
                axis=alt.Axis(title=None, format="%", tickCount=4),
            ),
            color=alt.Color(
                "series:N",
                scale=alt.Scale(domain=list(series), range=list(series.values())),
                legend=alt.Legend(columns=2 if width < 450 else 3 if width < 900 else 0),
            ),
            order=alt.Order("order:Q"),
            description=alt.Description("said:N"),
        )
    )
    return _sized(chart, width, _BAR * max(len(by_place), 1))


def _data(rows: Rows) -> alt.Data:
    data: alt.Data = alt.Data(values=[dict(row) for row in rows])  # type: ignore[no-untyped-call]
    return data


def _sized(chart: Any, width: int, height: int) -> alt.TopLevelMixin:
    sized: alt.TopLevelMixin = chart.properties(
        width=width, height=height, autosize=alt.AutoSizeParams(type="fit-x", contains="padding")
    )
    return sized


def _moments(rows: Rows, width: int) -> alt.X:
    days = [row["day"] for row in rows]
    return alt.X("day:T", scale=alt.Scale(type="utc"), axis=_time_axis(days, width))


def _ends(rows: Rows) -> list[str]:
    """Where an axis of periods begins and ends: a few of them do not fill it."""
    last = date.fromisoformat(max(row["end"] for row in rows))
    length = date.fromisoformat(rows[0]["end"]) - date.fromisoformat(rows[0]["start"])
    first = date.fromisoformat(min(row["start"] for row in rows))
    with suppress(OverflowError):
        first = min(first, last - _FEWEST * length)
    return [first.isoformat(), last.isoformat()]


def _milliseconds(day: str) -> int:
    return (date.fromisoformat(day) - date(1970, 1, 1)).days * 86_400_000


def _time_axis(days: Sequence[str], width: int) -> alt.Axis:
    """Of days in ISO 8601; months or years where there are many."""
    span = (date.fromisoformat(max(days)) - date.fromisoformat(min(days))).days if days else 0
    form = "%b %-d" if span < _BY_DAY else "%b %Y" if span < _BY_MONTH else "%Y"
    return alt.Axis(
        title=None,
        labelExpr=f"utcFormat(datum.value, '{form}')",
        labelOverlap="greedy",
        labelSeparation=8,
        labelFlush=True,
        tickCount=max(1, min(width // 120, span)),
    )


def _amount(name: str, labels: str, **options: Any) -> alt.Y:
    return alt.Y(
        f"{name}:Q",
        axis=alt.Axis(title=None, labelExpr=labels),
        scale=alt.Scale(zero=True, nice=True),
        **options,
    )


def _by_place(names: Sequence[str]) -> str:
    """Labels of an axis by number: two bars of one name stay two."""
    return f"{dumps(list(names))}[datum.value]"


def _names(names: Sequence[str], width: int) -> alt.Axis:
    """An axis of names, by number, with room for them in any font."""
    room = 130 if width < 450 else 180 if width < 1000 else 380
    shown = [_short(name, room) for name in names]
    return alt.Axis(
        title=None,
        labelColor="var(--ink)",
        labelLimit=0,
        labelExpr=_by_place(shown),
        minExtent=max(map(_width_of, shown), default=0),
        maxExtent=2 * room,
    )


def _short(name: str, room: float) -> str:
    """A name that has room beside its bar; in the table it is whole."""
    if _width_of(name) <= room:
        return name
    end = len(name)
    while end and _width_of(name[:end]) > room - _LETTER:
        end -= 1
    return f"{name[:end]}…"


def _width_of(text: str) -> float:
    """Pixels of a text in 12 px, by the widest font that a page is likely to be shown in."""
    return sum(_WIDE_LETTER if east_asian_width(each) in "WF" else _LETTER for each in text)


def _with_room(values: Sequence[float], width: int) -> list[float]:
    """From nothing, or less where there is less, to the most and room for a text."""
    most, least = max([0.0, *values]), min([0.0, *values])
    span = (most - least) or 1.0
    return [least, most + span * (0.5 if width < 450 else 0.25 if width < 700 else 0.12)]
