"""Taking a plan back: from what was there before it, and what became of it, to changes the other way round.

What the plan has changed is asked for as it was, if Dub still has what it answered then; what somebody has
changed since is left alone. Customers that the plan created are deleted only if that is asked for. Customers
that it deleted do not come back: whoever is created in their place has another id and none of their sales, so
this is not offered as if it took something back.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from dub_source.reverse.counting import counts, requests
from dub_source.reverse.drafts import Draft, plan_id
from dub_source.reverse.fields import WRITABLE
from dub_source.reverse.model import Change, Op, Outcome, Plan, Result, Values
from dub_source.reverse.order import UNIQUE, as_compared, in_order, temporary_id

_MODE = "revert"
_EFFECTIVE = (Result.APPLIED, Result.ACCEPTED_NOT_APPLIED)


@dataclass(frozen=True, slots=True)
class Reverted:
    """The plan that takes another one back.

    Attributes:
        of: the plan that is taken back.
        plan_id: of the new one.
        changes: in their order; none if there is nothing to take back.
        notes: sentences about what stays as it is.
    """

    of: Plan
    plan_id: str
    changes: Sequence[Change]
    notes: tuple[str, ...]

    def plan(self, *, created_at: datetime, baseline: str) -> Plan:
        """The same as it is stored, made at a moment (UTC) on rows of this form."""
        return replace(
            self.of,
            plan_id=self.plan_id,
            sync_mode=_MODE,
            created_at=created_at,
            changes=len(self.changes),
            counts=counts(self.changes),
            desired=0,
            unchanged=0,
            unmatched=0,
            baseline=baseline,
            requests=requests(self.changes),
            reverts=self.of.plan_id,
        )


@dataclass(slots=True)
class _Affected:
    """A customer whom the plan has changed or created.

    Attributes:
        change: the last change of it that had an effect.
        outcome: of that change.
        origin: the values before the plan, by columns; nothing of who was created.
        now: the values after it.
    """

    change: Change
    outcome: Outcome
    origin: dict[str, str | None] = field(default_factory=dict)
    now: dict[str, str | None] = field(default_factory=dict)

    @property
    def created(self) -> bool:
        return self.change.op is Op.CREATE


def revert_plan(
    plan: Plan,
    changes: Sequence[Change],
    outcomes: Mapping[int, Outcome],
    *,
    in_doubt: Collection[int] = (),
    delete_created: bool = False,
) -> Reverted:
    """Plan the way back.

    Deletes are not bounded here: with ``delete_created``, ask the guard for them.

    Args:
        plan: what is to be taken back.
        changes: all of it.
        outcomes: by number, as far as it was applied.
        in_doubt: numbers of changes without an outcome that may be in effect: they were sent. Updates are
            taken back like others; the way back looks, and does nothing where it is as it was.
        delete_created: whether to delete the customers that it created.
    """
    doubtful = [each for each in changes if each.number in in_doubt]
    assumed = {
        each.number: Outcome(each.number, Result.APPLIED, each.customer_id)
        for each in doubtful
        if each.op is Op.UPDATE
    }
    outcomes = {**outcomes, **assumed}
    affected = _affected(changes, outcomes)
    wishes, unknown = _wishes(affected)
    blocked = _drop_blocked(wishes, affected, delete_created=delete_created)
    drafts = [_update(each, affected[each], asked) for each, asked in wishes.items() if asked]
    if delete_created:
        drafts += _deletes(plan.plan_id, affected, wishes)
    its_id = plan_id(plan.sync, _MODE, plan.table, plan.plan_id, drafts=drafts)
    made = sum(each.created for each in affected.values())
    gone = sum(_had_effect(each, outcomes) for each in changes if each.op is Op.DELETE)
    found_so = sum(each.result is Result.ALREADY_APPLIED for each in outcomes.values())
    open_changes = sum(
        each.number not in outcomes or outcomes[each.number].result is Result.NOT_ATTEMPTED
        for each in changes
        if each.number not in in_doubt
    )
    return Reverted(
        of=plan,
        plan_id=its_id,
        # There are circles only where the plan has cut the same ones.
        changes=in_order(drafts, plan_id=its_id, allow_swaps=True),
        notes=tuple(
            text.format(number=f"{number:,}")
            for number, text in (
                (gone, _DELETED),
                (0 if delete_created else made, _CREATED),
                (blocked, _BLOCKED),
                (unknown, _UNKNOWN),
                (found_so, _FOUND_SO),
                (len(doubtful) - len(assumed), _IN_DOUBT),
                (open_changes, _OPEN),
            )
            if number
        ),
    )


def _affected(changes: Iterable[Change], outcomes: Mapping[int, Outcome]) -> dict[str, _Affected]:
    """Everybody whom the plan has changed or created, by id."""
    origins: dict[str, dict[str, str | None]] = defaultdict(dict)
    affected: dict[str, _Affected] = {}
    for change in sorted(changes, key=lambda each: each.number):
        if change.op is Op.UPDATE and change.customer_id is not None:
            # Of a swap the first half knows what was there before.
            origin = origins[change.customer_id]
            origin |= {column: value for column, value in change.before.items() if column not in origin}
        if change.op is Op.DELETE or not _had_effect(change, outcomes):
            continue
        outcome = outcomes[change.number]
        customer_id = outcome.customer_id if change.op is Op.CREATE else change.customer_id
        if customer_id is not None:
            earlier = affected[customer_id].now if customer_id in affected else {}
            now = {**earlier, **_answered(change, outcome)}
            affected[customer_id] = _Affected(change, outcome, origins[customer_id], now)
    return affected


def _had_effect(change: Change, outcomes: Mapping[int, Outcome]) -> bool:
    return change.number in outcomes and outcomes[change.number].result in _EFFECTIVE


def _answered(change: Change, outcome: Outcome) -> dict[str, str | None]:
    """What Dub answered, which it is expected to have still."""
    answered = {column: outcome.answered.get(column, value) for column, value in change.asked.items()}
    if "name" in answered and not change.asked["name"]:
        # What is shown in place of a name that is not set changes by itself.
        answered["name"] = None
    return answered


def _wishes(affected: Mapping[str, _Affected]) -> tuple[dict[str, dict[str, str | None]], int]:
    """What to ask for, by customer, and how many values are not known or could not be written."""
    wishes: dict[str, dict[str, str | None]] = {}
    unknown = 0
    for customer_id, each in affected.items():
        if each.created:
            continue
        wishes[customer_id] = {}
        for column, value in each.now.items():
            origin = each.origin.get(column)
            if column not in WRITABLE or (column in each.origin and origin == value):
                continue
            if column not in each.origin or (column == "external_id" and not origin):
                unknown += 1
            else:
                wishes[customer_id][column] = origin
    return wishes, unknown


def _drop_blocked(
    wishes: dict[str, dict[str, str | None]], affected: Mapping[str, _Affected], *, delete_created: bool
) -> int:
    """Leave out values that somebody of the plan has and keeps, and those that were to follow them.

    Returns:
        How many.
    """
    holders = _holders(affected)
    waiting: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    blocked: list[tuple[str, str]] = []
    for customer_id, asked in wishes.items():
        for column in UNIQUE:
            holder = holders.get((column, as_compared(asked.get(column) or "")))
            if holder is None or holder == customer_id:
                continue
            waiting[holder, column].append((customer_id, column))
            lets_go = delete_created if affected[holder].created else column in wishes[holder]
            if not lets_go:
                blocked.append((customer_id, column))
    for customer_id, column in blocked:
        del wishes[customer_id][column]
        blocked += waiting[customer_id, column]
    return len(blocked)


def _holders(affected: Mapping[str, _Affected]) -> dict[tuple[str, str], str]:
    """Who has which external ids and Stripe ids now, as far as the plan knows."""
    return {
        (column, as_compared(value)): customer_id
        for customer_id, each in affected.items()
        for column in UNIQUE
        if (value := each.now.get(column))
    }


def _update(customer_id: str, each: _Affected, asked: Values) -> Draft:
    return Draft(
        Change(
            number=0,
            op=Op.UPDATE,
            customer_id=customer_id,
            external_id=each.now.get("external_id", each.change.external_id),
            asked=asked,
            before={column: each.now[column] for column in asked},
            observed_at=each.outcome.requested_at,
        )
    )


def _deletes(
    reverted: str, affected: Mapping[str, _Affected], wishes: Mapping[str, Values]
) -> Iterable[Draft]:
    """Deletes of who was created; whoever has what somebody else gets back lets go of it before."""
    wanted = {
        (column, as_compared(value))
        for asked in wishes.values()
        for column in UNIQUE
        if (value := asked.get(column))
    }
    for customer_id, each in affected.items():
        if not each.created:
            continue
        now: Values = each.now
        lets_go: dict[str, str | None] = {
            column: temporary_id(reverted, customer_id) if column == "external_id" else None
            for column in UNIQUE
            if (column, as_compared(now.get(column) or "")) in wanted
        }
        if lets_go:
            update = _update(customer_id, each, lets_go)
            yield replace(update, change=replace(update.change, temporary=True))
            now = {**now, **lets_go}
        external_id = now.get("external_id", each.change.external_id)
        yield Draft(
            Change(0, Op.DELETE, customer_id, external_id, before=now, observed_at=each.outcome.requested_at)
        )


_DELETED = (
    "Customers that the plan deleted: {number}. They cannot come back; who is created in their place has "
    "another id and none of their sales."
)
_CREATED = (
    "Customers that the plan created: {number}. They stay, unless the revert is asked to delete them, which "
    "is final."
)
_BLOCKED = (
    "External ids and Stripe ids that cannot go back: {number}, because customers that the plan created have "
    "them, or others who keep theirs for that reason."
)
_UNKNOWN = "Values that cannot go back: {number}, because what was there before is not known, or was nothing."
_FOUND_SO = (
    "Changes that were in effect before they were sent: {number}. They stay, because nobody can tell whether "
    "an apply of this plan, killed and gone on with on another machine, has made them, or somebody else."
)
_IN_DOUBT = (
    "New customers and deletes that may be in effect, because an apply ended before it knew: {number}. Apply "
    "that plan again, which finds out, and revert it then."
)
_OPEN = (
    "Changes of the plan that were not attempted: {number}. There is nothing to take back of them, unless an "
    "apply was killed on another machine, and applying that plan again would go on with them."
)
