"""Random syncs, mirrors and desired states that fit together."""

import random
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from dub_source.reverse.sync_file import Sync
from tests.reverse.states import START, UNIQUE, Row, customer

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
