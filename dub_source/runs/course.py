"""A plan on its way: from the first look at its customers to the last outcome that is stored."""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

from dub_source.by_id import ById
from dub_source.client import DubClient
from dub_source.deadline import Deadline
from dub_source.destinations import Target
from dub_source.destinations.locks import writing_alone
from dub_source.errors import StalePlan
from dub_source.reverse.apply import ApplyObserver, apply_plan
from dub_source.reverse.journal import Journal
from dub_source.reverse.model import Op, Outcome, Plan, Result, shows_gone
from dub_source.reverse.write_through import learn
from dub_source.runs.apply_result import ApplyResult, troubles
from dub_source.runs.pushing import Pushing
from dub_source.types import Page

_SAMPLE = 200


class Course:
    """Carries out one plan, in a place that is ours.

    Args:
        place: where the plan is stored.
        plan: the plan.
        target: the same place as it was named.
    """

    def __init__(self, place: Pushing, plan: Plan, target: Target) -> None:
        self._place = place
        self._store = place.store
        self._plan = plan
        self._target = target
        self._changes = self._store.changes(plan.plan_id)
        self._ops = {each.number: each.op for each in self._changes}

    def run(
        self,
        *,
        retry_rejected: bool = False,
        check: Callable[[], None] = lambda: None,
        observer: ApplyObserver | None = None,
        deadline: Deadline | None = None,
    ) -> ApplyResult:
        """Settle what is not settled yet.

        Args:
            retry_rejected: or what was rejected, and nothing else.
            check: raises if the plan must not be begun; not asked if it was begun before.
            observer: is told how it gets on.
            deadline: after it no change is begun.

        Raises:
            DubError: what ``check`` raises, among others.
        """
        began = time.monotonic()
        place, plan_id = self._place, self._plan.plan_id
        done = self._store.outcomes(plan_id)
        with Journal(place.journals, plan_id) as journal, place.client() as client:
            begun = bool(journal.outcomes or journal.sent) or any(map(_may_be_in_effect, done.values()))
            if not begun and self._changes:
                check()
                self._check_form()
            owed = self._store.unmirrored(plan_id)
            # In another workspace whoever is read again is not there, and would be marked as deleted.
            if owed or self._has_work(done, journal, retry_rejected=retry_rejected):
                place.check_workspace(client, self._witnesses(begun=begun))
            look = ById(client, include_expanded_fields=place.form.expanded)
            self._catch_up(client, look, owed)
            report = apply_plan(
                client,
                place.settings,
                self._changes,
                done=done,
                journal=journal,
                look=look,
                save=partial(self._save, client),
                retry_rejected=retry_rejected,
                expanded=place.form.expanded,
                observer=observer,
                deadline=deadline,
            )
        return ApplyResult(
            plan=self._plan,
            counts=self._store.progress(self._plan).results,
            troubles=troubles(self._store.outcomes(plan_id).values()),
            report=report,
            seconds=time.monotonic() - began,
            target=self._target,
        )

    # Before

    def _check_form(self) -> None:
        if self._plan.baseline != self._place.form.baseline:
            raise StalePlan(
                "The customers were loaded in another form since the plan was made "
                "(include_expanded_fields, exclude_columns, hash_columns, hash_key): plan again."
            )

    def _has_work(self, done: Mapping[int, Outcome], journal: Journal, *, retry_rejected: bool) -> bool:
        if journal.outcomes or journal.sent:
            return True
        results = [done[each.number].result if each.number in done else None for each in self._changes]
        return (
            Result.REJECTED in results
            if retry_rejected
            else {None, Result.NOT_ATTEMPTED} & set(results) != set()
        )

    def _witnesses(self, *, begun: bool) -> list[str]:
        """Customers by whom the workspace is recognised.

        Not those that the plan deletes: once it was begun, they may be gone.
        """
        deleted = {each.customer_id for each in self._changes if each.op is Op.DELETE and each.customer_id}
        living = self._store.mirror.spread(_SAMPLE)
        others = [each for each in living if each not in deleted]
        return others or ([] if begun else living)

    def _catch_up(self, client: DubClient, look: ById, owed: Sequence[str]) -> None:
        """What a load of outcomes that was killed half-way owes to the table of customers."""
        pages: list[Page] = []
        gone: dict[str, datetime] = {}
        for again in look.read(owed):
            at = client.limiter.on_servers_clock(again.page.requested_at)
            pages.append(Page(again.page.customers, at))
            gone |= dict.fromkeys(again.gone, at)
        if owed:
            self._write(client, [], pages, gone)

    # Meanwhile

    def _save(self, client: DubClient, outcomes: Sequence[Outcome], pages: Sequence[Page]) -> None:
        gone = {
            each.customer_id: each.requested_at
            for each in outcomes
            if each.customer_id is not None
            and each.requested_at is not None
            and shows_gone(self._ops[each.number], each.result, each.status)
        }
        self._write(client, outcomes, pages, gone)

    def _write(
        self,
        client: DubClient,
        outcomes: Sequence[Outcome],
        pages: Sequence[Page],
        gone: Mapping[str, datetime],
    ) -> None:
        pipeline, store = self._place.pipeline, self._store
        ask = partial(
            learn, client, store, self._place.form, Path(pipeline.pipelines_dir), answers=pages, gone=gone
        )
        # Before the file is kept from others: whoever looks at it does not wait for Dub.
        learned = ask()
        # A load from another machine may have seen our changes, and add the same versions.
        with writing_alone(pipeline):
            if not learned.holds(store):
                learned = ask()
            store.save_outcomes(self._plan.plan_id, outcomes, learned.written(store))


def _may_be_in_effect(outcome: Outcome) -> bool:
    """Whether more is known of a change than that an apply has ended before it."""
    return outcome.result is not Result.NOT_ATTEMPTED or outcome.attempts > 0
