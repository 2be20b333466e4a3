"""``erase``: persons deleted in Dub, and then their values wherever this tool has put them."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from dub_source.destinations import Target
from dub_source.destinations.locks import kept_open
from dub_source.errors import TooManyDeletes
from dub_source.reverse.apply import ApplyObserver
from dub_source.reverse.erasing import Erasing, erase_plan
from dub_source.reverse.model import IN_EFFECT, Plan, Result
from dub_source.reverse.named import Named
from dub_source.reverse.persons import Found, Persons
from dub_source.runs.apply_result import ApplyResult
from dub_source.runs.course import Course
from dub_source.runs.erase_result import EraseResult
from dub_source.runs.observed import observed
from dub_source.runs.planning import stored_plan
from dub_source.runs.pushing import Pushing, pushing, utc_now

_MAX_PERSONS = 100
_KEPT_BY_DATABASE = (
    "The rows are deleted in the destination; what its database keeps of deleted rows for itself (dead rows, "
    "snapshots, time travel, backups) has to be cleared there."
)


@observed("erase", only_with="apply")
def erase(
    target: Target,
    *,
    ids: Sequence[str] = (),
    external_ids: Sequence[str] = (),
    emails: Sequence[str] = (),
    apply: bool = False,
    include_former: bool = False,
    max_persons: int | None = None,
    pipelines_dir: Path | None = None,
    observer: ApplyObserver | None = None,
    clock: Callable[[], datetime] = utc_now,
    **options: Any,
) -> EraseResult:
    """Find persons, and with ``apply`` delete them in Dub and remove what was ever loaded of them.

    Removed are their rows and versions in all tables of customers of the dataset, their values in stored
    plans and outcomes, and what is on this machine: read rows, journals, packages. A database file is written
    anew, for deleted rows would stay in its free blocks. ``erasures`` keeps that it was done, without values.
    Whoever could not be deleted in Dub keeps everything, because the next load would bring it back.

    Killed or stopped, it goes on where it was when it is run again, whoever is named then. It does not reach
    copies made by others, backups, or a load from another machine that has read before and lands after: run
    it again after that.

    Args:
        target: where the customers are.
        ids: Dub's ids.
        external_ids: exactly as they are; of now or formerly.
        emails: in any case of letters; of now or formerly.
        apply: do it. Without it, the plan is stored and shown.
        include_former: also erase customers who had one of these values only formerly, according to the
            history. It may be somebody else's by now: look at them first.
        max_persons: how many customers may be erased at once (100); an address can be that of many.
        pipelines_dir: the folder of dlt's working files; None takes dlt's default.
        observer: is told how the deletes get on.
        clock: the time, UTC.
        options: as of :func:`~dub_source.runs.plan`.

    Raises:
        InvalidArgument: if nobody is named, or by an empty text.
        TooManyDeletes: if more persons are found than may be erased at once.
        OtherWorkspace: if the key leads to another workspace.
        DestinationError: if something could not be removed; the same again goes on.
        DubError: for everything else that a person can do something about.
    """
    named = Named(ids, external_ids, emails)
    with pushing(target, pipelines_dir, options) as place:
        erasure = _Erasure(
            place,
            target,
            named,
            _Bounds(include_former, _MAX_PERSONS if max_persons is None else max_persons),
            observer,
            clock,
        )
        return erasure.carried_out() if apply else erasure.shown()


@dataclass(frozen=True, slots=True)
class _Bounds:
    """Whom a request may reach."""

    include_former: bool
    max_persons: int

    def within(self, found: Found) -> Found:
        """Those who may be erased.

        Raises:
            TooManyDeletes: if they are too many.
        """
        persons = tuple(each for each in found.persons if self.include_former or not each.formerly)
        if len(persons) > self.max_persons:
            raise TooManyDeletes(
                f"{len(persons):,} customers are called by these names, and at most {self.max_persons:,} may "
                "be erased at once, so none of them was: if all of them are meant, run the same again with "
                f"--max-persons {len(persons)}."
            )
        return replace(found, persons=persons)


class _Erasure:
    """One request, in a place that is ours."""

    def __init__(
        self,
        place: Pushing,
        target: Target,
        named: Named,
        bounds: _Bounds,
        observer: ApplyObserver | None,
        clock: Callable[[], datetime],
    ) -> None:
        self._place = place
        self._bounds = bounds
        self._target = target
        self._named = named
        self._observer = observer
        self._clock = clock
        self._erasing = Erasing(place.pipeline, place.opened, place.store, place.journals, clock=clock)
        self._persons = Persons(place.pipeline, place.store.table, place.form.privacy)
        self._removed: Counter[str] = Counter()

    def shown(self) -> EraseResult:
        """What would be done."""
        result = self._found()[0]
        return replace(result, waiting=tuple(self._erasing.pending()))

    def carried_out(self) -> EraseResult:
        """All of it, and first what was begun earlier."""
        storage = self._place.opened.storage
        with storage.writable():
            storage.check_rewrite()  # Before anybody is deleted, not after it.
            rewritten = False
            outcomes: dict[str, dict[str, Result | None]] = {}
            applies = []
            for plan_id in self._erasing.pending():
                plan = self._place.store.plan(plan_id)
                if plan is not None:
                    applies.append(self._applied(plan, outcomes))
            result, found = self._found()
            if result.plan is not None and result.plan.plan.plan_id not in outcomes:
                plan = result.plan.plan
                self._erasing.begin(plan.plan_id, [each.customer_id for each in found.persons])
                applies.append(self._applied(plan, outcomes))
            self._remove_planned(outcomes)
            rewritable = True
            if outcomes or self._removed:
                rewritable = rewritten = storage.rewrite(self._place.pipeline)
            for plan_id, results in outcomes.items():
                self._erasing.finish(plan_id, results)
        ends = {each: how for results in outcomes.values() for each, how in results.items()}
        return replace(
            result,
            applies=tuple(applies),
            erased=tuple(sorted(each for each, how in ends.items() if how in IN_EFFECT)),
            left={each: how for each, how in sorted(ends.items()) if how not in IN_EFFECT},
            removed=dict(sorted(self._removed.items())),
            rewritten=rewritten,
            waiting=tuple(self._erasing.pending()),
            notes=() if rewritable else (_KEPT_BY_DATABASE,),
        )

    def _found(self) -> tuple[EraseResult, Found]:
        place = self._place
        requests_per_s = place.asked_dub()
        with place.client() as client:
            all_found = self._persons.find(client, self._named)
        found = self._bounds.within(all_found)
        plan = None
        if found.persons:
            made, changes = erase_plan(found.persons, table=place.store.table, nobodies=found.nobodies)
            made = replace(made, created_at=self._clock(), baseline=place.form.baseline)
            plan = stored_plan(place, made, changes, target=self._target, requests_per_s=requests_per_s)
        deleted = sum(each.deleted for each in found.persons)
        result = EraseResult(
            target=self._target,
            plan=plan,
            living=len(found.persons) - deleted,
            deleted_before=deleted,
            formerly=tuple(each.customer_id for each in all_found.persons if each.formerly),
            nobodies=found.nobodies,
        )
        return result, found

    def _applied(self, plan: Plan, outcomes: dict[str, dict[str, Result | None]]) -> ApplyResult:
        """Delete in Dub, then remove what there is of those who are gone."""
        # It was said yes to the persons, in whichever form their rows are.
        plan = replace(plan, baseline=self._place.form.baseline)
        store, course = self._place.store, Course(self._place, plan, self._target)
        before = store.outcomes(plan.plan_id).values()
        applied = course.run(observer=self._observer)
        # The same persons are the same plan, and whoever asks for them again does not want the old answer.
        if any(each.result is Result.REJECTED for each in before) and applied.stopped_by is None:
            applied = course.run(retry_rejected=True, observer=self._observer)
        with kept_open(self._place.pipeline):
            ends = store.outcomes(plan.plan_id)
            results = {
                each.customer_id: ends[each.number].result if each.number in ends else None
                for each in store.changes(plan.plan_id)
                if each.customer_id is not None
            }
            outcomes[plan.plan_id] = results
            gone = [each for each, result in results.items() if result in IN_EFFECT]
            values = self._persons.values_of(gone)
            idle = self._persons.not_in_effect(values["external_id"], values["email"])
            self._removed += self._erasing.remove(plan.plan_id, gone, idle)
        return applied

    def _remove_planned(self, outcomes: Mapping[str, Mapping[str, Result | None]]) -> None:
        """What only plans hold of these names: what was asked for, and is not in effect."""
        if any(result not in IN_EFFECT for results in outcomes.values() for result in results.values()):
            return  # Somebody of these names is still there.
        emails = {each.lower() for each in self._named.emails}
        idle = self._persons.not_in_effect(set(self._named.external_ids), emails)
        if idle:
            self._removed += self._erasing.remove("", [], idle)
