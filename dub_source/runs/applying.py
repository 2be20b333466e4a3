"""``apply``: what a stored plan lists, and nothing else, sent to Dub; what came of it, stored."""

import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from dub_source.deadline import Deadline
from dub_source.destinations import Target
from dub_source.errors import InvalidArgument, SettingsError
from dub_source.reverse import guards
from dub_source.reverse.apply import ApplyObserver
from dub_source.reverse.model import Plan
from dub_source.reverse.stored import Stored
from dub_source.runs.apply_result import ApplyResult
from dub_source.runs.course import Course
from dub_source.runs.observed import observed
from dub_source.runs.pushing import pushing, utc_now

_SHORTEST = 8
"""Characters of a plan's id that name it, if no other one begins so."""


@observed("apply")
def apply(
    target: Target,
    plan_id: str,
    *,
    pipelines_dir: Path | None = None,
    retry_rejected: bool = False,
    max_plan_age_h: float | None = None,
    max_seconds: float | None = None,
    observer: ApplyObserver | None = None,
    clock: Callable[[], datetime] = utc_now,
    **options: Any,
) -> ApplyResult:
    """Carry out a stored plan, or go on with it where an earlier apply has stopped.

    Args:
        target: where the plan and the customers are.
        plan_id: or its first eight characters, or more.
        pipelines_dir: the folder of dlt's working files; None takes dlt's default.
        retry_rejected: send what was rejected once more, and nothing else.
        max_plan_age_h: hours after which a plan is not begun; None takes what the sync said.
        max_seconds: after which no change is begun; what is under way ends. None is never.
        observer: is told how it gets on.
        clock: the time, UTC.
        options: as of :func:`~dub_source.runs.plan`.

    Returns:
        Also when it was stopped: see ``stopped_by``. Then the same again goes on.

    Raises:
        InvalidArgument: if there is no such plan, or it is an erasure, which is more than its deletes.
        PlanRefused: if it is too old, or the customers have another form since.
        OtherWorkspace: if the key leads to another workspace.
        DubError: for everything else that a person can do something about.
    """
    deadline = Deadline.after(max_seconds)
    with pushing(target, pipelines_dir, options) as place:
        plan = find_plan(place.store, plan_id)
        _check_no_erasure(place.store, plan)
        max_age_h = plan.max_age_h if max_plan_age_h is None else max_plan_age_h
        return Course(place, plan, target).run(
            retry_rejected=retry_rejected,
            check=lambda: guards.check_plan_age(plan.created_at, now=clock(), max_age_h=max_age_h),
            observer=observer,
            deadline=deadline,
        )


def _check_no_erasure(store: Stored, plan: Plan) -> None:
    """Raise InvalidArgument for one: deleted in Dub alone, persons would seem to be forgotten."""
    if plan.erases:
        persons = " ".join(f"--id {each.customer_id}" for each in store.first_changes(plan.plan_id, 1))
        raise InvalidArgument(
            f"The plan {plan.plan_id} is an erasure, which removes values from the warehouse, too: carry it "
            f"out with dub-source erase {persons} --yes, or with the names that it was made for."
        )


def find_plan(store: Stored, plan_id: str) -> Plan:
    """The stored plan of this id, or whose id begins so.

    Raises:
        InvalidArgument: if there is none, or are several.
        SettingsError: if it is of another table of customers.
    """
    wanted = plan_id.strip().lower()
    if not re.fullmatch(rf"[a-z0-9_]{{{_SHORTEST},40}}", wanted):
        raise InvalidArgument(
            f"A plan is named by its id, such as plan_0123456789abcdef01234567, or by its first {_SHORTEST} "
            "characters or more: dub-source status lists them."
        )
    found = [each for each in store.plans() if each.plan_id.startswith(wanted)]
    if not found:
        raise InvalidArgument(
            f"There is no plan {wanted} in this place: dub-source status lists those that there are; make it "
            "with dub-source plan, or name the database, destination and dataset that it was made in."
        )
    if len(found) > 1:
        raise InvalidArgument(
            f"The ids of {len(found)} plans begin with {wanted}: give more characters of the one you mean."
        )
    (plan,) = found
    if plan.table != store.table:
        raise SettingsError(
            f"The plan was made for the table {plan.table}, and the settings name {store.table}: set "
            "table_name to the same here."
        )
    return plan
