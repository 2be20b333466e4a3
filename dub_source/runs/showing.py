"""``show``: a stored plan, for whoever is to say yes to it. Dub is not asked, and nothing is changed."""

from dub_source.destinations import Target
from dub_source.errors import InvalidArgument
from dub_source.reverse.model import Plan
from dub_source.reverse.remarks import Remarks
from dub_source.reverse.stored import Stored
from dub_source.reverse.summary import SAMPLES, summary_of
from dub_source.runs.applying import find_plan
from dub_source.runs.planning import PlanResult
from dub_source.runs.warehouse import reading
from dub_source.table_names import CUSTOMERS


def show(
    target: Target, plan_id: str | None = None, *, table: str = CUSTOMERS, samples: int = SAMPLES
) -> PlanResult:
    """Look at a plan that is stored. No key is needed.

    Args:
        target: where it is.
        plan_id: or its first eight characters, or more; None is the plan that was made last.
        table: the table of customers.
        samples: how many changes of each kind to show.

    Raises:
        InvalidArgument: if there is no such plan.
        DubError: for everything else that a person can do something about.
    """
    with reading(target) as pipeline:
        if pipeline is None:
            raise _none(target)
        stored = Stored(pipeline, table)
        plan = _newest(stored, target) if plan_id is None else find_plan(stored, plan_id)
        progress = stored.progress(plan)
        remarks = stored.remarks(plan.plan_id)
        return PlanResult(
            plan=plan,
            summary=summary_of(
                plan,
                stored.first_changes(plan.plan_id, samples),
                None if remarks is None else Remarks.of(remarks),
            ),
            results=progress.results,
            finished=progress.finished,
            target=target,
        )


def _newest(stored: Stored, target: Target) -> Plan:
    for plan in stored.plans():
        if plan.table == stored.table:
            return plan
    raise _none(target)


def _none(target: Target) -> InvalidArgument:
    where = target.location
    return InvalidArgument(
        f"There is no plan in {where}, dataset {target.dataset}, yet: make one with "
        "dub-source plan, or name the database, destination and dataset that it was made in."
    )
