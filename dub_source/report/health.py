"""The section about the sync: how fresh, which runs, what changed, what has become of plans."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from dub_source.report import charts
from dub_source.report.figures import Changed, Figures, Run, SyncPlan
from dub_source.report.panels import Panel, Section, Table, arranged
from dub_source.report.periods import Period, bar, kind_of
from dub_source.report.words import clean, counted, day, listed, moment, number

_RUNS, _PLANS = 12, 8
_CHANGES = {"created": charts.SECOND, "updated": charts.ACCENT, "deleted": charts.BAD}
_ENDS = {"went well": charts.SECOND, "failed": charts.BAD}
_RESULTS = {
    "applied": ("applied", charts.SECOND),
    "already_applied": ("already applied", charts.ACCENT),
    "accepted_not_applied": ("ignored by Dub", charts.FOURTH),
    "drifted": ("drifted", charts.THIRD),
    "rejected": ("rejected", charts.BAD),
    "not_attempted": ("not attempted", charts.QUIET),
}
"""Outcomes of changes: what they are called, and their colours."""


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
    counts = {
        (each.day, name): value for each in changes for name in _CHANGES if (value := getattr(each, name))
    }
    if not counts:
        return
    totals = {name: sum(getattr(each, name) for each in changes) for name in _CHANGES}
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
    if not plans:
        return
    shown = plans[:_PLANS]
    outcomes = [_outcomes(each) for each in plans]
    together = {name: sum(each[name] for each in outcomes) for name in outcomes[0]}
    # What does not occur needs no place in the legend.
    colours = {name: colour for name, colour in _RESULTS.values() if together[name]}
    rows = [
        {
            "place": place,
            "name": clean(plan.sync),
            "series": name,
            "order": order,
            "value": found[name],
            "said": f"{clean(plan.sync)}, {day(plan.created_at)}: {counted(found[name], 'change')} {name}",
        }
        for place, (plan, found) in enumerate(zip(shown, outcomes, strict=False))
        for order, name in enumerate(colours)
    ]
    some = f"The newest {_PLANS} of {number(len(plans))} plans. " if len(plans) > len(shown) else ""
    yield Panel(
        "plans",
        "Outcomes of plans",
        f"{some}All together: {listed(together)}.",
        lambda width: charts.parts(rows, colours, width=width),
        Table(
            ("sync", "made", "state", "changes", *together),
            [
                (
                    clean(plan.sync),
                    moment(plan.created_at),
                    plan.state,
                    number(plan.changes),
                    *map(number, found.values()),
                )
                for plan, found in zip(shown, outcomes, strict=False)
            ],
        ),
        wide=True,
    )


def _outcomes(plan: SyncPlan) -> dict[str, int]:
    """How its changes ended; those without an outcome were not attempted."""
    found = {called: plan.results.get(result, 0) for result, (called, _) in _RESULTS.items()}
    found["not attempted"] += plan.changes - sum(found.values())
    return found


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
        bar(period, order.index(name), name, value, counted(value, what))
        for (period, name), value in sums.items()
    ]
