"""``status``: what the warehouse itself says of its customers, of the runs and of the plans."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import dlt

from dub_source.destinations import Target
from dub_source.reverse.model import Plan
from dub_source.reverse.progress import PlanState, Rejection, StoredPlan
from dub_source.reverse.stored import Stored
from dub_source.runs.past_runs import NOTHING, Lately, PastRun, PastRuns
from dub_source.runs.pushing import utc_now
from dub_source.runs.warehouse import reading
from dub_source.table_names import CUSTOMERS

LATELY_H = 24.0
"""Hours that are lately."""


@dataclass(frozen=True, slots=True)
class Status:
    """What there is.

    Attributes:
        at: when that was, UTC.
        rows: in the table of customers, those of deleted ones included.
        ids: different ids among them; fewer than rows if a row is there twice.
        living: rows of customers who exist.
        versions: rows in the table of their history.
        loaded_at: when the last load that went well began, UTC; None if there was none.
        incremental_at: the same of the last one that was incremental.
        swept_at: the same of the last one that read everybody.
        certified: whether that one proved that it met everybody; None if there was none.
        unread: how many customers it could not read.
        last_run: the last run, failed ones included; None if there was none.
        lately: what has happened in the last hours.
        plans: all that are stored and how far they are, the newest first.
        rejections: what Dub rejected of the newest plan of each sync.
        erasures: those that were begun and are not done: by plan, the id of one of the customers.
    """

    at: datetime
    rows: int = 0
    ids: int = 0
    living: int = 0
    versions: int = 0
    loaded_at: datetime | None = None
    incremental_at: datetime | None = None
    swept_at: datetime | None = None
    certified: bool | None = None
    unread: int = 0
    last_run: PastRun | None = None
    lately: Lately = NOTHING
    plans: tuple[StoredPlan, ...] = field(default=(), repr=False)
    rejections: tuple[Rejection, ...] = ()
    erasures: Mapping[str, str] = field(default_factory=dict)

    @property
    def rejected(self) -> int:
        """Changes that Dub rejected, in the newest plan of each sync."""
        return sum(each.changes for each in self.rejections)

    def state_of(self, stored: StoredPlan) -> PlanState:
        """How far a plan is."""
        return stored.state(self.at)

    def as_json(self) -> dict[str, Any]:
        """The same as plain values, moments in ISO 8601; of the plans that do something, the newest ten."""
        shown = [each for each in self.plans if each.plan.changes][:10]
        return {
            "at": self.at.isoformat(),
            "rows": self.rows,
            "ids": self.ids,
            "living": self.living,
            "versions": self.versions,
            "loaded_at": _iso(self.loaded_at),
            "incremental_at": _iso(self.incremental_at),
            "swept_at": _iso(self.swept_at),
            "certified": self.certified,
            "unread": self.unread,
            "last_run": None if self.last_run is None else self.last_run.as_json(),
            "lately": self.lately.as_json(),
            "plans": [self._plan_as_json(each) for each in shown],
            "plan_states": self.plan_states(),
            "rejected": self.rejected,
            "rejections": [
                {
                    "plan_id": each.plan_id,
                    "reason": each.reason,
                    "status": each.status,
                    "code": each.code,
                    "changes": each.changes,
                    "customer_id": each.customer_id,
                }
                for each in self.rejections
            ],
            "erasures": dict(self.erasures),
        }

    def plan_states(self) -> dict[str, int]:
        """How many plans are how far."""
        states = [self.state_of(each) for each in self.plans]
        return {state.value: states.count(state) for state in PlanState}

    def _plan_as_json(self, stored: StoredPlan) -> dict[str, Any]:
        plan = stored.plan
        return {
            "plan_id": plan.plan_id,
            "sync": plan.sync,
            "sync_mode": plan.sync_mode,
            "created_at": plan.created_at.isoformat(),
            "state": self.state_of(stored).value,
            "changes": plan.changes,
            "counts": dict(plan.counts),
            "results": {result.value: number for result, number in stored.results.items()},
        }


def status(
    target: Target,
    *,
    table: str = CUSTOMERS,
    lately_h: float = LATELY_H,
    clock: Callable[[], datetime] = utc_now,
) -> Status:
    """Look at a place that customers are loaded into. Dub is not asked, and nothing is changed.

    No key is needed, and a run that works with the place at the same time is not disturbed.

    Args:
        target: where they are.
        table: the table of customers.
        lately_h: hours that are lately.
        clock: the time, UTC.

    Returns:
        Zeros and None for what is not there; also where nothing is there yet.

    Raises:
        AlreadyRunning: if a run keeps the file of DuckDB for itself for longer than some seconds.
        DubError: for everything else that a person can do something about.
    """
    now = clock()
    with reading(target) as pipeline:
        if pipeline is None:
            return Status(at=now)
        return status_of(pipeline, table, now, lately_h)


def status_of(pipeline: dlt.Pipeline, table: str, now: datetime, lately_h: float = LATELY_H) -> Status:
    """The same of a place that is open; raises what :func:`status` does."""
    stored = Stored(pipeline, table)
    past = PastRuns(pipeline, table)
    good = past.good()
    plans = [each for each in stored.all_progress() if each.plan.table == table]
    return Status(
        at=now,
        **past.customers(),
        loaded_at=max(good.values(), default=None),
        incremental_at=good.get("incremental"),
        **past.last_sweep(),
        last_run=past.last(),
        lately=past.since(now - timedelta(hours=lately_h), lately_h),
        plans=tuple(plans),
        rejections=tuple(stored.rejections([each.plan_id for each in newest(plans).values()])),
        erasures=stored.erasures(),
    )


def newest(plans: list[StoredPlan]) -> Mapping[str, Plan]:
    """The newest plan of each sync, by its name; ``plans`` have the newest first."""
    found: dict[str, Plan] = {}
    for each in plans:
        found.setdefault(each.plan.sync, each.plan)
    return found


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
