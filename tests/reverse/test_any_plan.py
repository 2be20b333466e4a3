"""Any mirror and any desired state, against a plain model: the plan does what is desired, once, and no more.

The model takes texts that differ in case alone for the same, as Dub's database may.
"""

import random
from collections import Counter
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dub_source.errors import BadValues, ConflictingClaims, PlanRefused
from dub_source.reverse.planning import Planned, plan_changes
from dub_source.reverse.sync_file import Sync
from tests.reverse.cases import Case, cases
from tests.reverse.states import START, UNIQUE, Model, Row, customer, desired, mirror


def wanted(case: Case) -> tuple[Model, list[Row], set[str]]:
    """Who exists in the end, with what, unless they are deleted; whom to make; whom to delete. By hand."""
    sync = case.sync
    model = Model(case.known)
    shown = model.shown()
    found = {row[sync.key]: row["id"] for row in shown.values()}
    made: list[Row] = []
    deleted: set[str] = set()
    for row in case.rows:
        op = row["op"] or {"upsert": "both", "mirror": "both"}.get(sync.sync_mode, sync.sync_mode)
        who = found.get(row["key"])
        if who is None:
            if op in ("create", "both") and sync.key == "external_id":
                made.append(row)
        elif op == "delete":
            deleted.add(who)
        elif op in ("update", "both"):
            for column in ("external_id", "stripe_customer_id", "name", "email"):
                if column != sync.key and (row[column] is not None or column in sync.clear_nulls):
                    model.rows[who][column] = row[column]
    if sync.sync_mode == "mirror":
        named = {row["key"] for row in case.rows}
        deleted |= {each for each in case.owned if each in shown and shown[each][sync.key] not in named}
    return model, made, deleted


def claimed_twice(model: Model, made: list[Row], *, fold: bool) -> bool:
    """Whether two of those who exist until the deletes have the same external id or Stripe id."""
    everybody = [*model.rows.values(), *({**row, "external_id": row["key"]} for row in made)]
    for column in UNIQUE:
        values = Counter(row[column].lower() if fold else row[column] for row in everybody if row[column])
        if any(number > 1 for number in values.values()):
            return True
    return False


def plan(case: Case) -> Planned:
    owned = pa.array(case.owned, pa.string())
    return plan_changes(case.sync, desired(*case.rows), mirror(*case.known), owned=owned)


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(cases(), st.randoms(use_true_random=False))
def test_a_plan_does_what_is_desired_and_then_there_is_nothing_to_do(
    case: Case, chance: random.Random
) -> None:
    target, made, _ = wanted(case)
    try:
        planned = plan(case)
    except PlanRefused as refused:
        check_refusal(refused, case)
        return
    assert not claimed_twice(target, made, fold=False)
    rows = [row | {"row": place} for place, row in enumerate(case.rows, 1)]
    chance.shuffle(rows)
    again = plan(replace(case, rows=rows, known=case.known[::-1], owned=case.owned[::-1]))
    assert (again.plan_id, again.changes) == (planned.plan_id, planned.changes)
    if not claimed_twice(target, made, fold=True):
        check_effect(case, planned)


def check_refusal(refused: PlanRefused, case: Case) -> None:
    target, made, deleted = wanted(case)
    if isinstance(refused, ConflictingClaims):
        # Of somebody who is deleted, what Dub takes for the same counts, too.
        assert claimed_twice(target, made, fold=bool(deleted))
    else:
        assert isinstance(refused, BadValues)
        wrong_op = case.sync.sync_mode == "delete" and {row["op"] for row in case.rows} - {None, "delete"}
        assert wrong_op or any(row["country"] is None for row in made)


def check_effect(case: Case, planned: Planned) -> None:
    target, made, deleted = wanted(case)
    model = Model(case.known)
    model.apply(planned.changes)
    after = model.shown()
    left = set(target.rows) - deleted
    assert set(after) & set(target.rows) == left
    for who in left:
        assert visible(after[who]) == visible(target.shown()[who])
    new = [visible(row) for who, row in after.items() if who not in target.rows]
    asked = [row | {"external_id": row["key"], "name": row["name"] or row["email"]} for row in made]
    assert sorted(new, key=str) == sorted(map(visible, asked), key=str)
    gone = [customer(each, deleted_at=START, external_id=None) for each in deleted]
    assert not plan(replace(case, known=[*after.values(), *gone])).changes


def visible(row: Row) -> Row:
    return {column: row[column] for column in (*UNIQUE, "name", "email", "country")}


@pytest.mark.parametrize("number", (2, 3, 40))
def test_circles_of_any_length_are_cut_once(number: int) -> None:
    known = [customer(f"cus_{place:03}") for place in range(number)]
    rows: list[Row] = [
        {"key": row["id"], "external_id": known[(place + 1) % number]["external_id"]}
        for place, row in enumerate(known)
    ]
    options: dict[str, Any] = {"table": "t", "allow_swaps": True}
    planned = plan_changes(Sync(**options), desired(*rows), mirror(*known))
    assert len(planned.changes) == number + 1
    assert [each.temporary for each in planned.changes].count(True) == 1
    model = Model(known)
    model.apply(planned.changes)
    assert [row["external_id"] for row in model.rows.values()] == [row["external_id"] for row in rows]
