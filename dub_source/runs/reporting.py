"""``report``: the figures for a page with charts. Dub is not asked, and nothing is changed."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from dub_source.destinations import Target
from dub_source.report import Figures, SyncPlan
from dub_source.runs.looking import Status, status_of
from dub_source.runs.pushing import utc_now
from dub_source.runs.report_queries import ReportQueries
from dub_source.runs.verdict import judge
from dub_source.runs.warehouse import reading
from dub_source.table_names import CUSTOMERS


def report(
    target: Target,
    *,
    table: str = CUSTOMERS,
    workspace: str | None = None,
    partner_names: bool = True,
    clock: Callable[[], datetime] = utc_now,
) -> Figures:
    """Read what the report shows. No key is needed, and a run that works there is not disturbed.

    Each figure is one query; a load that ends between two of them is in the later one alone.

    Args:
        target: where the customers are.
        table: the table of customers.
        workspace: its name in the settings, for the title.
        partner_names: show names of partners; otherwise their ids.
        clock: the time, UTC.

    Returns:
        Figures without parts where nothing is there yet.

    Raises:
        AlreadyRunning: if a run keeps the file of DuckDB for itself for longer than some seconds.
        DubError: for everything else that a person can do something about.
    """
    now = clock()
    with reading(target) as pipeline:
        if pipeline is None:
            return _figures(Status(at=now), target, workspace, {})
        there = status_of(pipeline, table, now)
        parts = _parts(ReportQueries(pipeline, table), partner_names=partner_names)
    return _figures(there, target, workspace, parts)


def _parts(found: ReportQueries, *, partner_names: bool) -> dict[str, Any]:
    return {
        "totals": found.totals(),
        "over_time": found.over_time(),
        "countries": found.countries(),
        "partners": found.partners(names=partner_names),
        "links": found.links(),
        "cohorts": found.cohorts(),
        "first_sales": found.first_sales(),
        "churn": found.churn(),
        "changes": found.changes(),
        "runs": found.runs(),
        "absent": found.absent,
    }


def _figures(there: Status, target: Target, workspace: str | None, parts: Mapping[str, Any]) -> Figures:
    verdict = judge(there)
    return Figures(
        at=there.at,
        workspace=workspace,
        # Folders may bear the name of whoever made them, and the page is passed on.
        location=target.database.name if target.destination == "duckdb" else target.destination,
        dataset=target.dataset,
        well=not verdict.problems,
        verdict=verdict.line,
        deleted=there.rows - there.living,
        versions=there.versions,
        loaded_at=there.loaded_at,
        swept_at=there.swept_at,
        certified=there.certified,
        plans=tuple(
            SyncPlan(
                plan_id=each.plan.plan_id,
                sync=each.plan.sync,
                created_at=each.plan.created_at,
                state=there.state_of(each).value,
                changes=each.plan.changes,
                results={result.value: count for result, count in each.results.items()},
            )
            for each in there.plans
            if each.plan.changes
        ),
        **parts,
    )
