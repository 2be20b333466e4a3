"""The way back: what it restores, what it leaves alone, and what it says about the rest."""

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dub_source.errors import PlanRefused
from dub_source.reverse.model import Change, Op, Outcome, Plan, Result
from dub_source.reverse.planning import plan_changes
from dub_source.reverse.reverting import Reverted, revert_plan
from dub_source.reverse.sync_file import Sync
from tests.reverse.cases import Case, cases
from tests.reverse.states import START, Conflict, Model, Row, customer, desired, is_as_before, mirror

PLAN = Plan(
    plan_id="plan_0123456789abcdef01234567",
    sync="crm",
    sync_mode="upsert",
    table="customers",
    created_at=START,
    changes=1,
    counts={},
    desired=7,
    unchanged=1,
    unmatched=2,
    baseline="b",
    requests=9,
)
LATER = START + timedelta(minutes=5)


def update(number: int, before: Row, asked: Row, customer_id: str = "cus_a", **fields: Any) -> Change:
    return Change(number, Op.UPDATE, customer_id, external_id="e", asked=asked, before=before, **fields)


def outcome(change: Change, result: Result = Result.APPLIED, **answered: str | None) -> Outcome:
    made = "cus_made" if change.op is Op.CREATE else change.customer_id
    return Outcome(
        change.number, result, made, answered={**change.asked, **answered}, requested_at=LATER, attempts=1
    )


def revert(changes: Sequence[Change], outcomes: Sequence[Outcome], **options: Any) -> Reverted:
    return revert_plan(PLAN, changes, {each.number: each for each in outcomes}, **options)


def test_an_update_goes_back_if_dub_still_has_what_it_answered() -> None:
    change = update(0, {"name": "Ann", "email": None}, {"name": "Anna", "email": "a@example.com"})
    reverted = revert([change], [outcome(change)])
    assert reverted.changes == [
        Change(
            number=0,
            op=Op.UPDATE,
            customer_id="cus_a",
            external_id="e",
            asked={"name": "Ann", "email": None},
            before={"name": "Anna", "email": "a@example.com"},
            observed_at=LATER,
        )
    ]
    assert not reverted.notes


def test_it_expects_what_was_answered_and_not_what_was_asked() -> None:
    change = update(0, {"avatar": "https://dubassets.com/1"}, {"avatar": "https://example.com/a.png"})
    [back] = revert([change], [outcome(change, avatar="https://dubassets.com/2")]).changes
    assert (back.asked, back.before) == (
        {"avatar": "https://dubassets.com/1"},
        {"avatar": "https://dubassets.com/2"},
    )


def test_a_name_that_was_cleared_is_expected_to_be_so_whatever_is_shown() -> None:
    change = update(0, {"name": "Ann"}, {"name": None})
    [back] = revert([change], [outcome(change, name="Quiet Amber Otter")]).changes
    assert (back.asked, back.before) == ({"name": "Ann"}, {"name": None})


def test_what_dub_did_not_apply_needs_no_way_back() -> None:
    change = update(0, {"name": "Ann", "country": "DE"}, {"name": "Anna", "country": "FR"})
    [back] = revert([change], [outcome(change, Result.ACCEPTED_NOT_APPLIED, country="DE")]).changes
    assert back.asked == {"name": "Ann"}
    change = update(0, {"country": "DE"}, {"country": "FR"})
    assert not revert([change], [outcome(change, Result.ACCEPTED_NOT_APPLIED, country="DE")]).changes


@pytest.mark.parametrize("result", sorted({*Result} - {Result.APPLIED, Result.ACCEPTED_NOT_APPLIED}))
def test_what_the_plan_did_not_do_is_left_alone(result: Result) -> None:
    changes = [
        update(0, {"name": "Ann"}, {"name": "Anna"}),
        Change(1, Op.CREATE, None, external_id="new", asked={"external_id": "new", "country": "DE"}),
        Change(2, Op.DELETE, "cus_d", before={"name": "D"}),
    ]
    reverted = revert(changes, [outcome(each, result) for each in changes], delete_created=True)
    assert not reverted.changes
    assert [note for note in reverted.notes if "deleted" in note] == []
    # On a fresh machine, what a killed apply has done is found to be so already.
    said = [note for note in reverted.notes if "in effect before they were sent: 3. They stay" in note]
    assert bool(said) is (result is Result.ALREADY_APPLIED)


def test_it_says_what_stays() -> None:
    changes = [
        Change(0, Op.CREATE, None, external_id="new", asked={"external_id": "new", "country": "DE"}),
        Change(1, Op.DELETE, "cus_d", before={"name": "D"}),
        update(2, {}, {"name": "Anna"}, "cus_e"),
        update(3, {"external_id": None}, {"external_id": "x"}, "cus_f"),
        update(4, {"name": "B"}, {"name": "C"}, "cus_g"),
    ]
    reverted = revert(changes, [outcome(each) for each in changes[:4]])
    assert not reverted.changes
    deleted, created, unknown, not_attempted = reverted.notes
    assert "deleted: 1. They cannot come back" in deleted
    assert "created: 1. They stay" in created
    assert "cannot go back: 2" in unknown
    assert "not attempted: 1." in not_attempted


def test_of_what_may_be_in_effect_updates_go_back_and_the_others_are_told() -> None:
    changes = [
        Change(0, Op.CREATE, None, external_id="new", asked={"external_id": "new", "country": "DE"}),
        Change(1, Op.DELETE, "cus_d", before={"name": "D"}),
        update(2, {"name": "Ann"}, {"name": "Anna"}, "cus_e"),
        update(3, {"name": "Bob"}, {"name": "Bo"}, "cus_f"),
    ]
    reverted = revert(changes, [], in_doubt={0, 1, 2})
    (back,) = reverted.changes
    assert (back.customer_id, back.asked, back.before) == ("cus_e", {"name": "Ann"}, {"name": "Anna"})
    doubt, not_attempted = reverted.notes
    assert "may be in effect" in doubt
    assert ": 2. Apply that plan again" in doubt
    assert "not attempted: 1." in not_attempted


def test_who_was_created_is_deleted_only_if_that_is_asked_for() -> None:
    asked = {"external_id": "new", "country": "DE", "name": "N"}
    change = Change(0, Op.CREATE, None, external_id="new", asked=asked)
    assert not revert([change], [outcome(change)]).changes
    reverted = revert([change], [outcome(change, name="M")], delete_created=True)
    assert reverted.changes == [
        Change(0, Op.DELETE, "cus_made", external_id="new", before={**asked, "name": "M"}, observed_at=LATER)
    ]
    assert not reverted.notes


def test_what_a_created_customer_has_goes_back_only_with_its_delete() -> None:
    column = "stripe_customer_id"
    moved = [
        update(0, {column: "s2"}, {column: "s3"}, "cus_b", chain=0),
        update(1, {column: "s1", "name": "A"}, {column: "s2", "name": "B"}, chain=0),
    ]
    made = Change(2, Op.CREATE, None, external_id="n", asked={"external_id": "n", column: "s1"}, chain=0)
    changes = [*moved, made]
    stays = revert(changes, [outcome(each) for each in changes])
    assert [dict(each.asked) for each in stays.changes] == [{"name": "A"}], "and cus_b stays, too"
    assert "cannot go back: 2" in stays.notes[1]
    goes = revert(changes, [outcome(each) for each in changes], delete_created=True)
    assert [(each.op, each.customer_id, each.temporary) for each in goes.changes] == [
        (Op.UPDATE, "cus_made", True),
        (Op.UPDATE, "cus_a", False),
        (Op.UPDATE, "cus_b", False),
        (Op.DELETE, "cus_made", False),
    ]
    assert goes.changes[-1].before == {"external_id": "n", column: None}


def test_a_swap_that_was_left_half_done_goes_back() -> None:
    rows = [{"key": f"cus_{one}", "external_id": f"ext-cus_{other}"} for one, other in ("ab", "ba")]
    known = [customer("cus_a"), customer("cus_b")]
    planned = plan_changes(Sync(table="t", allow_swaps=True), desired(*rows), mirror(*known))
    [back] = revert(planned.changes, [outcome(planned.changes[0])]).changes
    assert (back.customer_id, back.asked) == ("cus_a", {"external_id": "ext-cus_a"})
    assert back.before == planned.changes[0].asked
    whole = revert(planned.changes, [outcome(each) for each in planned.changes]).changes
    assert [(each.customer_id, each.temporary) for each in whole] == [
        ("cus_a", True),
        ("cus_b", False),
        ("cus_a", False),
    ]
    assert whole[-1].asked == {"external_id": "ext-cus_a"}


def test_it_is_a_plan_of_its_own() -> None:
    change = update(0, {"name": "Ann"}, {"name": "Anna"})
    reverted = revert([change], [outcome(change)])
    again = revert([change], [outcome(change)])
    assert reverted.plan_id == again.plan_id != PLAN.plan_id
    other = revert_plan(replace(PLAN, plan_id="plan_2"), [change], {0: outcome(change)})
    assert other.plan_id != reverted.plan_id
    plan = reverted.plan(created_at=LATER, baseline="c")
    assert plan == Plan(
        plan_id=reverted.plan_id,
        sync="crm",
        sync_mode="revert",
        table="customers",
        created_at=LATER,
        changes=1,
        counts={"update": 1, "update.name": 1},
        desired=0,
        unchanged=0,
        unmatched=0,
        baseline="c",
        requests=2,
        reverts=PLAN.plan_id,
    )


def carry_out(model: Model, changes: Sequence[Change], chance: random.Random) -> dict[int, Outcome]:
    """What becomes of changes of which some are refused, in a Dub that keeps what it was asked for."""
    outcomes = {}
    for change in changes:
        now = {} if change.customer_id is None else model.shown()[change.customer_id]
        if not is_as_before(change, now):
            outcomes[change.number] = outcome(change, Result.DRIFTED)
            continue
        before = set(model.rows)
        try:
            if chance.random() < 0.1:
                raise Conflict
            model.apply([replace(change, number=0)])
        except Conflict:
            outcomes[change.number] = outcome(change, Result.REJECTED)
            continue
        who = change.customer_id or (set(model.rows) - before).pop()
        shown = model.shown().get(who, {})
        answered = {column: shown[column] for column in change.asked}
        outcomes[change.number] = replace(outcome(change), customer_id=who, answered=answered)
    return outcomes


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(cases(), st.randoms(use_true_random=False))
def test_everything_that_can_go_back_does(case: Case, chance: random.Random) -> None:
    try:
        planned = plan_changes(case.sync, desired(*case.rows), mirror(*case.known))
    except PlanRefused:
        assume(False)
        raise
    before, model = Model(case.known), Model(case.known)
    outcomes = carry_out(model, planned.changes, chance)
    reverted = revert_plan(PLAN, planned.changes, outcomes, delete_created=True)
    model.apply(reverted.changes)
    deleted = {each.customer_id for each in planned.changes if each.op is Op.DELETE}
    left = {who for who in before.rows if who in model.rows}
    assert set(before.rows) - left <= deleted
    assert set(model.rows) == left, "nobody is left of those who were created"
    for who in left:
        assert dict(model.shown()[who], observed_at=None) == dict(before.shown()[who], observed_at=None)


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(cases(), st.randoms(use_true_random=False))
def test_without_deletes_nothing_conflicts_and_nobody_goes(case: Case, chance: random.Random) -> None:
    try:
        planned = plan_changes(case.sync, desired(*case.rows), mirror(*case.known))
    except PlanRefused:
        assume(False)
        raise
    model = Model(case.known)
    outcomes = carry_out(model, planned.changes, chance)
    everybody = set(model.rows)
    model.apply(revert_plan(PLAN, planned.changes, outcomes).changes)
    assert set(model.rows) == everybody
