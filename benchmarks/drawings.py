"""What each picture shows, as charts of Altair; how they look on a page is up to :mod:`benchmarks.svg`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Row = Mapping[str, Any]
Rows = Sequence[Row]

_GREEN, _RED, _GREY = "#2da44e", "#d1643f", "#8c959f"
_BLUE, _PURPLE = "#388bfd", "#a371f7"
_MANY = 20_000
_RUNS = {
    "first load": "first load",
    "unchanged sweep": "sweep, nothing changed",
    "incremental, nothing new": "incremental, nothing new",
}


@dataclass(frozen=True, slots=True)
class Drawing:
    """A picture of the results whose names begin with ``prefix``; None where they do not give one."""

    name: str
    title: str
    prefix: str
    describe: Callable[[Rows], Any]


def _loads(rows: Rows) -> Any:
    """First loads: time and losses, a panel for each workspace."""
    shown = [row for row in rows if row["load"] == 1 and row["of_ours"] is not None]
    if not shown:
        return None
    # The page has the others in its table; of small ones, the start of the process is most of the time.
    telling = [row for row in shown if row["customers"] >= _MANY and not row["rate_limit"]]
    colours = {
        "dub-source load": _GREEN,
        "has everybody": _BLUE,
        "loses customers": _RED,
        "the limit: no network": _GREY,
    }
    panels = _panels(telling or shown, "customers", _kind, _loss, colours)
    return _grid(panels, "× time of dub-source load, shorter is faster")


def _kind(row: Row) -> str:
    if row["loader"] == "dub-source":
        return "dub-source load"
    if row["loader"] == "raw":
        return "the limit: no network"
    return "loses customers" if row["missing"] or row["error"] else "has everybody"


def _loss(row: Row) -> str:
    told = f"{row['of_ours']:.2f}×"
    if row["missing"]:
        told += f", {row['missing']:,} missing"
    return told + (f", ends with {row['error']}" if row["error"] else "")


def _pushes(rows: Rows) -> Any:
    """Updates: time, and what came of them."""
    shown = [row for row in rows if row["of_ours"] is not None]
    if not shown:
        return None
    colours = {"dub-source plan and apply": _GREEN, "all right": _BLUE, "gets some wrong": _RED}
    panels = _panels(shown, "updates", _push_kind, _push_loss, colours)
    return _grid(panels, "× time of dub-source plan and apply, shorter is faster")


def _push_kind(row: Row) -> str:
    if row["writer"] == "dub-source":
        return "dub-source plan and apply"
    return "gets some wrong" if any(row[name] for name in _WRONG) else "all right"


_WRONG = {
    "missing": "not written",
    "overwritten": "overwritten",
    "twice": "written twice",
    "mistold": "told wrongly",
}


def _push_loss(row: Row) -> str:
    wrong = [f"{row[name]:,} {word}" for name, word in _WRONG.items() if row[name]]
    return ", ".join([f"{row['of_ours']:.2f}×", *wrong])


def _panels(
    rows: Rows, size: str, kind: Callable[[Row], str], told: Callable[[Row], str], colours: Mapping[str, str]
) -> list[Any]:
    """A panel for each case; ``size`` is what there are many of: customers or updates."""

    def case(row: Row) -> tuple[int, int, int]:
        return row[size], row["latency_ms"], row["rate_limit"]

    return [
        _bars(
            [
                {"who": row["title"], "ratio": row["of_ours"], "kind": kind(row), "told": told(row)}
                for row in rows
                if case(row) == (number, latency, limit)
            ],
            f"{number:,} {size}, {latency} ms" + (f", {limit:,} requests a minute" if limit else ""),
            colours,
        )
        for number, latency, limit in sorted(set(map(case, rows)))
    ]


def _bars(values: list[dict[str, Any]], title: str, colours: Mapping[str, str]) -> Any:
    import altair as alt

    longest = max(value["ratio"] for value in values)
    base = alt.Chart(alt.InlineData(values=values)).encode(
        y=alt.Y("who:N", sort=None, title=None, axis=alt.Axis(labelLimit=330, ticks=False, domain=False))
    )
    # Room for what stands behind the longest bar.
    ratio = alt.X("ratio:Q", title=None, scale=alt.Scale(domain=[0, longest * 1.9]), axis=None)
    bars = base.mark_bar(height=15, cornerRadiusEnd=3).encode(
        x=ratio,
        color=alt.Color(
            "kind:N", title=None, scale=alt.Scale(domain=list(colours), range=list(colours.values()))
        ),
    )
    words = base.mark_text(align="left", dx=5).encode(x=ratio, text="told:N")
    return (bars + words).properties(
        width=360, height={"step": 23}, title=alt.TitleParams(title, fontSize=13, offset=6)
    )


def _grid(panels: list[Any], title: str) -> Any:
    import altair as alt

    return alt.vconcat(*panels, spacing=18).properties(title=title)


def _floors(rows: Rows) -> Any:
    """A load beside DuckDB alone, and the two goals."""
    sizes = sorted({row["customers"] for row in rows})
    panels = [
        _bars(
            [
                {
                    "who": row["step"],
                    "ratio": row["of_raw"],
                    "kind": "DuckDB alone" if row["of_raw"] == 1 else _floor_kind(row["step"]),
                    "told": f"{row['of_raw']:.2f}×, {row['seconds']:.2f} s",
                }
                for row in rows
                if row["customers"] == size
            ],
            f"{size:,} customers",
            {"dub-source load": _GREEN, "fetching alone": _BLUE, "DuckDB alone": _GREY},
        )
        for size in sizes
    ]
    return _grid(panels, "× time of DuckDB alone, which reads the same rows from a file")


def _floor_kind(step: str) -> str:
    return "dub-source load" if step.startswith("dub-source load") else "fetching alone"


def _growth(rows: Rows) -> Any:
    """Requests, seconds and memory of three kinds of run, both axes logarithmic but for memory."""
    import altair as alt

    shown = [
        {
            "customers": row["customers"],
            "run": _RUNS[row["run"]],
            "requests": row["requests"],
            "seconds": row["seconds"],
            "peak_mb": row["peak_mb"],
        }
        for row in rows
        if row["run"] in _RUNS
    ]
    if len({row["customers"] for row in shown}) < 2:
        return None
    colours = alt.Scale(domain=list(_RUNS.values()), range=[_BLUE, _PURPLE, _GREEN])
    sizes = sorted({row["customers"] for row in shown})

    def panel(field: str, title: str, scale: Any, ticks: Any) -> Any:
        return (
            alt.Chart(alt.InlineData(values=shown))
            .mark_line(point=alt.OverlayMarkDef(size=45, filled=True), strokeWidth=2)
            .encode(
                x=alt.X(
                    "customers:Q",
                    title="customers",
                    scale=alt.Scale(type="log"),
                    axis=alt.Axis(values=sizes, format="~s", grid=False),
                ),
                y=alt.Y(
                    f"{field}:Q",
                    title=None,
                    scale=scale,
                    axis=alt.Axis(values=ticks, tickCount=5, format="~s"),
                ),
                color=alt.Color("run:N", title=None, scale=colours),
            )
            .properties(width=215, height=190, title=alt.TitleParams(title, fontSize=13, offset=8))
        )

    logarithmic = alt.Scale(type="log")
    return alt.hconcat(
        panel("requests", "requests", logarithmic, [1, 10, 100, 1_000, 10_000]),
        panel("seconds", "seconds", logarithmic, [0.3, 1, 3, 10, 30, 100]),
        panel("peak_mb", "peak memory, MB", alt.Scale(zero=True), alt.Undefined),
        spacing=30,
        bounds="flush",
    )


DRAWINGS = (
    Drawing(
        "side-by-side", "Time and losses of everything that loads Dub's customers", "side-by-side-", _loads
    ),
    Drawing("pushes", "Time and mistakes of everything that writes updates into Dub", "pushes-", _pushes),
    Drawing("floors", "A load beside DuckDB alone", "floors-", _floors),
    Drawing("growth", "Requests, seconds and memory as the workspace grows", "growth-", _growth),
)
