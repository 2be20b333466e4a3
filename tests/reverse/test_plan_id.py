"""The id of a plan: equal input, equal id, on every machine; anything else, another one."""

import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dub_source.reverse.drafts import Draft, plan_id
from dub_source.reverse.model import Change, Op
from dub_source.reverse.planning import plan_changes
from dub_source.reverse.sync_file import Sync
from tests.reverse.states import START, Row, customer, desired, mirror

UPDATE = Draft(
    Change(
        0,
        Op.UPDATE,
        "cus_a",
        external_id="ext",
        asked={"name": "Zoë", "email": None},
        before={"name": "Zoe", "email": "z@example.com"},
        observed_at=START,
    ),
    row=3,
    version="b-1",
)
DELETE = Draft(Change(0, Op.DELETE, "cus_b", external_id="b", before={"name": "B"}, observed_at=START))
CREATE = Draft(Change(0, Op.CREATE, None, external_id="c", asked={"external_id": "c", "country": "DE"}))
DRAFTS = [UPDATE, DELETE, CREATE]


def test_it_is_what_it_was_in_the_first_version() -> None:
    """Plans lie in warehouses: a change of the digest must be meant."""
    assert plan_id("crm", "upsert", "customers", drafts=DRAFTS) == "plan_ef8440148da6d315d96ac145"


def test_neither_the_order_nor_places_count() -> None:
    moved = replace(UPDATE, row=9, change=replace(UPDATE.change, number=5, chain=2))
    swapped = {"email": None, "name": "Zoë"}
    moved = replace(moved, change=replace(moved.change, asked=swapped))
    assert plan_id("crm", drafts=[CREATE, moved, DELETE]) == plan_id("crm", drafts=DRAFTS)


CHANGED: list[dict[str, Any]] = [
    {"op": Op.DELETE},
    {"customer_id": "cus_x"},
    {"external_id": None},
    {"external_id": "exT"},
    {"asked": {"name": "Zoë"}},
    {"asked": {"name": "Zoe\u0308", "email": None}},
    {"asked": {"name": "Zoë", "email": ""}},
    {"asked": {"name": None, "email": "Zoë"}},
    {"before": {"name": "Zoe", "email": None}},
    {"before": {}},
    {"observed_at": START + timedelta(microseconds=1)},
    {"observed_at": None},
]


@pytest.mark.parametrize("fields", CHANGED)
def test_whatever_decides_what_is_done_counts(fields: dict[str, Any]) -> None:
    other = replace(UPDATE, change=replace(UPDATE.change, **fields))
    assert plan_id("crm", drafts=[other]) != plan_id("crm", drafts=[UPDATE])


def test_versions_and_facts_count() -> None:
    ids = {
        plan_id("crm", "update", drafts=[UPDATE]),
        plan_id("crm", "update", drafts=[replace(UPDATE, version="b-2")]),
        plan_id("crm", "update", drafts=[replace(UPDATE, version=None)]),
        plan_id("crm", "update", drafts=[UPDATE, UPDATE]),
        plan_id("crm", "update", drafts=[]),
        plan_id("crm", "mirror", drafts=[UPDATE]),
        plan_id("crmupdate", "", drafts=[UPDATE]),
        plan_id("crm", "update", None, drafts=[UPDATE]),
    }
    assert len(ids) == 8


texts = st.none() | st.text(max_size=3)
lists = st.lists(texts, max_size=4)


@given(lists, lists)
def test_no_two_lists_of_facts_look_alike(one: list[str | None], other: list[str | None]) -> None:
    assert (plan_id(*one, drafts=[]) == plan_id(*other, drafts=[])) == (one == other)


# Of a whole plan

ROWS: list[Row] = [
    {"row": 1, "key": "x", "name": "Xaver", "country": "DE"},
    {"row": 2, "key": "ext-cus_a", "name": "Anna"},
    {"row": 3, "key": "ext-cus_b", "name": "Bob"},
]
KNOWN = [customer("cus_a", name="Ann"), customer("cus_b", name="Bob"), customer("cus_c", name="Cy")]


def planned(rows: list[Row], known: list[Row], **options: Any) -> str:
    sync = Sync(**{"table": "t", "key": "external_id", "sync_mode": "upsert"} | options)
    return plan_changes(sync, desired(*rows), mirror(*known)).plan_id


def test_equal_requests_have_one_id() -> None:
    assert planned(ROWS[::-1], KNOWN[::-1]) == planned(ROWS, KNOWN)
    assert planned(ROWS, KNOWN, max_plan_age_h=1, clear_nulls=("email",) * 0) == planned(ROWS, KNOWN)


def test_another_version_of_a_row_makes_another_plan() -> None:
    first = planned(ROWS, KNOWN)
    for fields in ({"observed_at": START + timedelta(seconds=1)}, {"row_hash": "b-2"}, {"name": "An"}):
        assert planned(ROWS, [KNOWN[0] | fields, *KNOWN[1:]]) != first
        assert planned(ROWS, [*KNOWN[:2], KNOWN[2] | fields]) == first, "nothing is planned about cus_c"
    assert planned(ROWS, KNOWN, name="another") != first
    assert planned([ROWS[0] | {"country": "FR"}, *ROWS[1:]], KNOWN) != first


def test_to_create_somebody_again_is_another_plan() -> None:
    """Once created and deleted since: the finished plan must not stand in the way of the new one."""
    first = planned(ROWS, KNOWN)
    gone = customer("cus_x", external_id="x", deleted_at=START)
    second = planned(ROWS, [*KNOWN, gone])
    third = planned(ROWS, [*KNOWN, gone, customer("cus_y", external_id="x", deleted_at=START + timedelta(1))])
    assert len({first, second, third}) == 3


def test_other_processes_agree() -> None:
    program = (
        "from tests.reverse.test_plan_id import DRAFTS, plan_id\n"
        "print(plan_id('crm', 'upsert', 'customers', drafts=DRAFTS))"
    )
    expected = plan_id("crm", "upsert", "customers", drafts=DRAFTS)
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == expected
