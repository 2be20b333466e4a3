"""``plan``: what would have to change in Dub, stored in the destination. Nothing is written to Dub."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from dub_source.destinations import Target
from dub_source.reverse import guards
from dub_source.reverse.desired import ignored_columns, read_desired, read_owned
from dub_source.reverse.model import Change, Plan, Result
from dub_source.reverse.planning import Planned, plan_changes
from dub_source.reverse.review import as_html, as_markdown
from dub_source.reverse.summary import Summary, summarize
from dub_source.reverse.sync_file import Sync
from dub_source.runs.loading import load
from dub_source.runs.observed import observed
from dub_source.runs.pushing import Pushing, checked_options, pushing, utc_now
from dub_source.sync import Observer


@dataclass(frozen=True, slots=True)
class PlanResult:
    """A plan that was made and stored.

    Attributes:
        plan: the plan.
        summary: what it does, without people's values; ``replace(summary, show_values=True)`` has them.
        results: what has become of its changes, if it was begun before.
        finished: whether this very plan was applied to its end before; one without changes is.
        target: where it is stored.
    """

    plan: Plan
    summary: Summary
    results: Mapping[Result, int]
    finished: bool
    target: Target

    def as_markdown(self, command: str | None = None, *, clock: Callable[[], datetime] = utc_now) -> str:
        """For a pull request or an approval; ``command`` applies it."""
        return as_markdown(self.summary, results=self.results, at=clock(), command=command)

    def as_html(self, command: str | None = None, *, clock: Callable[[], datetime] = utc_now) -> str:
        """The same as a page of its own."""
        return as_html(self.as_markdown(command, clock=clock), title=self.plan.plan_id)

    def as_json(self) -> dict[str, Any]:
        """The same as plain values."""
        return self.summary.as_dict() | {
            "finished": self.finished,
            "results": {result.value: count for result, count in self.results.items()},
            **self.target.as_json(),
        }


@observed("plan")
def plan(
    target: Target,
    sync: Sync,
    *,
    pipelines_dir: Path | None = None,
    refresh: bool = False,
    folder: Path | None = None,
    observer: Observer | None = None,
    clock: Callable[[], datetime] = utc_now,
    **options: Any,
) -> PlanResult:
    """Compare what is desired with the customers in the warehouse, and store what would have to be done.

    Dub is asked for little: the key's limit, and whether the warehouse's customers are in its workspace,
    because a plan for another one would be found out only when it is applied. So it must be reachable.

    Args:
        target: where the customers are, and the plan goes.
        sync: what is desired.
        pipelines_dir: the folder of dlt's working files; None takes dlt's default.
        refresh: load first.
        folder: where relative paths of files begin; None is the current folder.
        observer: is told how that load gets on.
        clock: the time, UTC.
        options: arguments of :func:`~dub_source.source.dub` that matter here: api_key, base_url,
            max_rate_share, include_expanded_fields, exclude_columns, hash_columns, hash_key, table_name.
            Others come from dlt's configuration.

    Raises:
        PlanRefused: if a guard stops it; nothing is stored then.
        DubError: for everything else that a person can do something about.
    """
    arguments = checked_options(options)
    if refresh:
        load(target, pipelines_dir=pipelines_dir, observer=observer, **arguments)
    with pushing(target, pipelines_dir, arguments) as place:
        guards.check_mirror_age(place.store.last_load(), now=clock(), max_age_h=sync.max_mirror_age_h)
        desired = read_desired(sync, pipeline=place.pipeline, folder=folder)
        owned = _owned(place, sync, folder)
        requests_per_s = place.asked_dub()
        planned = _planned(place, sync, desired, owned)
        return stored_plan(
            place,
            planned.plan(created_at=clock(), baseline=place.form.baseline),
            planned.changes,
            target=target,
            requests_per_s=requests_per_s,
            passed=planned.passed,
            ignored=ignored_columns(desired),
        )


def stored_plan(
    place: Pushing, made: Plan, changes: Sequence[Change], *, target: Target, **shown: Any
) -> PlanResult:
    """Store a plan and sum it up.

    Args:
        place: where to.
        made: the plan.
        changes: all of it.
        target: the same place as it was named.
        shown: further arguments of :func:`~dub_source.reverse.summary.summarize`.
    """
    told = summarize(made, changes, **shown)
    stored = place.store.save_plan(made, changes, told.remarks.text())
    progress = place.store.progress(stored)
    # Of an equal plan that was made before, the numbers of now: how many rows needed nothing, for one.
    its_plan = replace(made, created_at=stored.created_at)
    return PlanResult(
        plan=its_plan,
        summary=replace(told, plan=its_plan),
        results=progress.results,
        finished=progress.finished,
        target=target,
    )


def _owned(place: Pushing, sync: Sync, folder: Path | None) -> pa.Array | None:
    """Whom a mirror may delete: those that it has created, and those that it was told to own."""
    if sync.sync_mode != "mirror":
        return None
    told = read_owned(sync, pipeline=place.pipeline, folder=folder)
    created = place.store.created_by(sync.name)
    return created if told is None else pa.concat_arrays([created, told])


def _planned(place: Pushing, sync: Sync, desired: pa.Table, owned: pa.Array | None) -> Planned:
    return plan_changes(
        sync,
        desired,
        place.store.customers(),
        settled=place.store.settled(),
        owned=owned,
        table=place.store.table,
        hidden=place.form.privacy.exclude | place.form.privacy.hashed,
        folder=Path(place.pipeline.pipelines_dir),
    )
