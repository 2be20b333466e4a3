"""``revert``: the plan that takes another one back. Nothing is written to Dub."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from dub_source.destinations import Target
from dub_source.reverse import guards
from dub_source.reverse.journal import Journal
from dub_source.reverse.model import Op
from dub_source.reverse.reverting import Reverted, revert_plan
from dub_source.reverse.sync_file import DEFAULT_DELETE_SHARE
from dub_source.reverse.units import known
from dub_source.runs.applying import find_plan
from dub_source.runs.observed import observed
from dub_source.runs.planning import PlanResult, stored_plan
from dub_source.runs.pushing import Pushing, pushing, utc_now


@observed("revert")
def revert(
    target: Target,
    plan_id: str,
    *,
    delete_created: bool = False,
    max_deletes: int | None = None,
    max_delete_share: float | None = None,
    pipelines_dir: Path | None = None,
    clock: Callable[[], datetime] = utc_now,
    **options: Any,
) -> PlanResult:
    """Plan the way back from what a plan has done, and store that plan.

    Args:
        target: where the plan is.
        plan_id: or its first eight characters, or more.
        delete_created: delete the customers that it created, which is final.
        max_deletes: how many at most; None leaves it to the share.
        max_delete_share: of the customers in the warehouse, 0 to 1 (0.1).
        pipelines_dir: the folder of dlt's working files; None takes dlt's default.
        clock: the time, UTC.
        options: as of :func:`~dub_source.runs.plan`.

    Returns:
        The new plan, to be applied as any other; ``summary.remarks.notes`` says what cannot come back.

    Raises:
        InvalidArgument: if there is no such plan.
        TooManyDeletes: if it would delete more than it may.
        DubError: for everything else that a person can do something about.
    """
    with pushing(target, pipelines_dir, options) as place:
        store = place.store
        old = find_plan(store, plan_id)
        changes = store.changes(old.plan_id)
        # An apply that was killed has told the destination less than it has done.
        with Journal(place.journals, old.plan_id) as journal:
            so_far = known(
                changes,
                done=store.outcomes(old.plan_id),
                journal=journal.outcomes,
                sent=journal.sent,
                retry_rejected=False,
            )
        reverted = revert_plan(
            old, changes, so_far.outcomes, in_doubt=so_far.sent, delete_created=delete_created
        )
        _check_deletes(
            place,
            reverted,
            max_deletes=max_deletes,
            max_delete_share=DEFAULT_DELETE_SHARE if max_delete_share is None else max_delete_share,
        )
        return stored_plan(
            place,
            reverted.plan(created_at=clock(), baseline=place.form.baseline),
            reverted.changes,
            target=target,
            requests_per_s=place.asked_dub(),
            notes=reverted.notes,
        )


def _check_deletes(
    place: Pushing, reverted: Reverted, *, max_deletes: int | None, max_delete_share: float
) -> None:
    deletes = sum(change.op is Op.DELETE for change in reverted.changes)
    if deletes:
        marks = place.store.mirror.columns(["deleted_at"])
        living = sum(rows["deleted_at"].null_count for rows in marks)
        guards.check_deletes(
            deletes, living=living, max_deletes=max_deletes, max_delete_share=max_delete_share
        )
