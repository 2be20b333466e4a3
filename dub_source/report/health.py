"""The section about the sync: how fresh, which runs, what changed, what has become of plans."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from dub_source.report import charts
from dub_source.report.figures import Changed, Figures, Run, SyncPlan
from dub_source.report.panels import Panel, Section, Table, arranged
from dub_source.report.periods import Period, kind_of
from dub_source.report.words import clean, counted, day, listed, moment, number

_RUNS, _PLANS = 12, 8
_CHANGES = {"created": charts.SECOND, "updated": charts.ACCENT, "deleted": charts.BAD}
_ENDS = {"went well": charts.SECOND, "failed": charts.BAD}
_RESULTS = {
    "applied": charts.SECOND,
    "already applied": charts.ACCENT,
    "accepted, not applied": charts.FOURTH,
    "drifted": charts.THIRD,
    "rejected": charts.BAD,
    "not attempted": charts.QUIET,
}
"""Outcomes of changes, as ``push_log`` has them with underscores."""


def section(figures: Figures) -> Section:
    """The health of the sync."""
    panels = [
        *_runs(figures.runs or ()),
        *_changes(figures.changes or ()),
        *_plans(figures.plans),
    ]
    absent = [
        figures.why_not(name, title, text)
        for name, title, text, there in (
            ("runs", "The list of runs", "No run has been noted yet.", figures.runs),
            ("changes", "What has changed", "No change has been seen yet.", figures.changes),
            ("plans", "", "No plan has changed anything in Dub yet.", figures.plans),
        )
        if not there
    ]
    lead = "What ran, what it found, and what has become of changes that were planned for Dub."
    return Section("health", "Health of the sync", lead, arranged(panels), absent)


def _runs(runs: Sequence[Run]) -> Iterator[Panel]:
    if not runs:
        return
    newest = sorted(runs, key=lambda each: each.started_at, reverse=True)
    failed = sum(not each.ok for each in runs)
    table = Table(
        ("began", "kind", "how it ended", "requests", "created", "updated", "deleted", "seconds"),
        [
            (
                moment(each.started_at),
                "sweep" if each.mode == "full" else clean(each.mode),
                _end(each),
                number(each.requests),
                number(each.created),
                number(each.updated),
                number(each.deleted),
                "–" if each.seconds is None else f"{each.seconds:,.1f}",
            )
            for each in newest[:_RUNS]
        ],
    )
    counts = Counter((each.started_at.date(), "went well" if each.ok else "failed") for each in runs)
    rows = _stacked(counts, _ENDS, "run")
    yield Panel(
        "runs",
        "Runs",
        f"{counted(len(runs), 'run')} since {day(newest[-1].started_at.date())}, "
        f"{number(failed) if failed else 'none'} failed.",
        lambda width: charts.periods(rows, _ENDS, width=width),
        table,
    )


def _end(run: Run) -> str:
    if not run.ok:
        return f"failed ({clean(run.error or 'unknown')})"
    return {True: "certified", False: "not certified", None: "well"}[run.certified]


def _changes(changes: Sequence[Changed]) -> Iterator[Panel]:
    if not changes:
        return
    counts: Counter[tuple[date, str]] = Counter()
    for each in changes:
        counts |= {
            (each.day, name): value
            for name, value in zip(_CHANGES, (each.created, each.updated, each.deleted), strict=True)
        }
    totals = {name: sum(value for (_, of), value in counts.items() if of == name) for name in _CHANGES}
    yield Panel(
        "changes",
        "Changes that were seen",
        f"Since {day(changes[0].day)}: {listed(totals) or 'none'}. A first load sees everybody as created.",
        lambda width: charts.periods(_stacked(counts, _CHANGES, "customer"), _CHANGES, width=width),
        Table(
            ("", *_CHANGES),
            [
                (day(each.day), number(each.created), number(each.updated), number(each.deleted))
                for each in reversed(changes[-60:])
            ],
        ),
    )


def _plans(plans: Sequence[SyncPlan]) -> Iterator[Panel]:
    # Open ones have no outcomes yet.
    if not plans:
        return
    shown = plans[:_PLANS]
    rows = [
        {
            "place": place,
            "name": clean(each.sync),
            "series": name,
            "order": order,
            "value": value,
            "said": f"{clean(each.sync)}, {day(each.created_at.date())}: {counted(value, 'change')} {name}",
        }
        for place, each in enumerate(shown)
        for order, (name, value) in enumerate(_outcomes(each).items())
    ]
    together = Counter[str]()
    for each in plans:
        together.update(_outcomes(each))
    some = f"The newest {_PLANS} of {number(len(plans))} plans. " if len(plans) > len(shown) else ""
    yield Panel(
        "plans",
        "Outcomes of plans",
        f"{some}All together: {listed(together)}.",
        lambda width: charts.parts(rows, _RESULTS, width=width),
        Table(
            ("sync", "made", "state", "changes", *_RESULTS),
            [
                (
                    clean(each.sync),
                    moment(each.created_at),
                    each.state,
                    number(each.changes),
                    *(number(value) for value in _outcomes(each).values()),
                )
                for each in shown
            ],
        ),
        wide=True,
    )


def _outcomes(plan: SyncPlan) -> dict[str, int]:
    """How its changes ended, by the names here; those without an outcome were not attempted."""
    found = {name: plan.results.get(_stored(name), 0) for name in _RESULTS}
    found["not attempted"] = plan.changes - sum(found.values()) + found["not attempted"]
    return found


def _stored(name: str) -> str:
    return name.replace(", ", "_").replace(" ", "_")


def _stacked(
    counts: Mapping[tuple[date, str], int], series: Mapping[str, str], what: str
) -> list[dict[str, Any]]:
    """Rows of :func:`charts.periods`."""
    kind = kind_of(at for at, _ in counts)
    sums: Counter[tuple[Period, str]] = Counter()
    for (at, name), value in counts.items():
        sums[kind(at), name] += value
    order = list(series)
    return [
        {
            "start": period.start.isoformat(),
            "end": period.end.isoformat(),
            "series": name,
            "place": order.index(name),
            "value": value,
            "said": f"{period.name}: {counted(value, what)} {name}",
        }
        for (period, name), value in sums.items()
    ]
