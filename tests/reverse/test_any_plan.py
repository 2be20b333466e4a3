"""Any mirror and any desired state, against a plain model: the plan does what is desired, once, and no more.

The model takes texts that differ in case alone for the same, as Dub's database may.
"""

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dub_source.errors import BadValues, ConflictingClaims, PlanRefused
from dub_source.reverse.planning import Planned, plan_changes
from dub_source.reverse.sync_file import Sync
from tests.reverse.states import START, UNIQUE, Model, Row, customer, desired, mirror

IDS = [f"cus_{letter}" for letter in "abcdef"]
EXTERNAL_IDS = "pqrstuvw"
STRIPE_IDS = ("st_1", "st_2", "st_3", "st_4", "st_5", "st_6")
NAMES = ("Ann", "bob@example.com", None)
EMAILS = ("ann@example.com", "bob@example.com", None)
CLEARED = ("name", "email", "stripe_customer_id")


@dataclass(frozen=True)
class Case:
    sync: Sync
    known: list[Row]
    rows: list[Row]
    owned: list[str]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Rows that mostly exchange their values among each other; whatever is drawn one by one conflicts."""
    chance = random.Random(draw(st.integers(0, 2**32)))
    key = chance.choice(("id", "external_id"))
    modes = ["update", "mirror", "delete"] + ["upsert", "create"] * (key == "external_id")
    sync = Sync(
        table="t",
        key=key,  # type: ignore[arg-type]
        sync_mode=chance.choice(modes + modes[:2]),  # type: ignore[arg-type]
        clear_nulls=tuple(each for each in CLEARED if chance.random() < 0.5),
        allow_swaps=True,
    )
    known = _known(chance)
    return Case(sync, known, _rows(chance, sync, known), chance.sample(IDS, 2))


def _known(chance: random.Random) -> list[Row]:
    number = chance.randint(1, len(IDS))
    external_ids = chance.sample(EXTERNAL_IDS, number)
    stripe_ids = [*chance.sample(STRIPE_IDS, number // 2), *[None] * number]
    rows = []
    for place in range(number):
        row = _person(chance) | {"external_id": external_ids[place], "stripe_customer_id": stripe_ids[place]}
        gone = {"deleted_at": START} if chance.random() < 0.1 else {}
        rows.append(customer(IDS[place], **row | {"name": row["name"] or row["email"]} | gone))
    return rows


def _person(chance: random.Random) -> Row:
    return {
        "name": chance.choice(NAMES),
        "email": chance.choice(EMAILS),
        "country": chance.choice(("DE", "DE", "DE", "DE", None)),
    }


def _rows(chance: random.Random, sync: Sync, known: list[Row]) -> list[Row]:
    keys = [row[sync.key] for row in known] + (["cus_x"] if sync.key == "id" else list("xyQ"))
    chosen = chance.sample(keys, chance.randint(1, len(keys)))
    rows: list[Row] = [{"key": each} | _person(chance) for each in chosen]
    for row in rows:
        ops = [None] * 12 + (["delete", "update"] if sync.key == "id" else ["delete", "update", "create"])
        row["op"] = chance.choice(ops)
    for column, others in (("external_id", EXTERNAL_IDS), ("stripe_customer_id", STRIPE_IDS)):
        if column != sync.key:
            values = _exchanged(
                chance, [row[column] for row in known if row[sync.key] in chosen], others, known
            )
            for row in rows:
                row[column] = values.pop() if values and chance.random() < 0.9 else None
    return rows


def _exchanged(
    chance: random.Random, values: list[Any], others: Iterable[str], known: list[Row]
) -> list[Any]:
    """What the chosen ones have, some of what nobody has and, sometimes, of what anybody may have."""
    taken = {row[column] for row in known for column in UNIQUE}
    free = [each for each in others if each not in taken]
    pool = [each for each in values if each] + chance.sample(free, min(2, len(free)))
    if chance.random() < 0.15:
        pool += chance.sample(list(others), 2)
    chance.shuffle(pool)
    return [each.upper() if chance.random() < 0.1 else each for each in pool]


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


@settings(max_examples=40, deadline=None)
@given(cases(), st.randoms(use_true_random=False))
def test_a_plan_does_what_is_desired_and_then_there_is_nothing_to_do(
    case: Case, chance: random.Random
) -> None:
    target, made, _ = wanted(case)
    try:
        planned = plan(case)
    except PlanRefused as refused:
        check_refusal(refused, case, target, made)
        return
    assert not claimed_twice(target, made, fold=False)
    rows = [row | {"row": place} for place, row in enumerate(case.rows, 1)]
    chance.shuffle(rows)
    again = plan(replace(case, rows=rows, known=case.known[::-1], owned=case.owned[::-1]))
    assert (again.plan_id, again.changes) == (planned.plan_id, planned.changes)
    if not claimed_twice(target, made, fold=True):
        check_effect(case, planned)


def check_refusal(refused: PlanRefused, case: Case, target: Model, made: list[Row]) -> None:
    if isinstance(refused, ConflictingClaims):
        assert claimed_twice(target, made, fold=False)
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
