"""Reading, traps 2, 5, 6 and 7: dead cursors, unreadable rows, made-up names, unstable pages."""

from itertools import pairwise

import pytest

from tests.conftest import StartSandbox
from tests.sandbox.conftest import Connect, Serve
from tests.sandbox.datasets import OTHER, customer, customers, workspace
from tests.sandbox.http_api import Api

DEAD_CURSOR = "Invalid cursor: the provided ID does not exist."
NULL_EXTERNAL_ID = "externalId: Invalid input: expected string, received null"


@pytest.mark.parametrize("parameter", ("startingAfter", "endingBefore"))
def test_2_a_cursor_must_be_a_living_customer_of_this_workspace(
    start_sandbox: StartSandbox, connect: Connect, parameter: str
) -> None:
    foreign = customer(9, workspace_id=OTHER, external_id="foreign")
    sandbox = start_sandbox(workspace(*customers(3), foreign))
    api = connect(sandbox)
    dead = customer(2).id
    assert api.listed(**{parameter: dead}).status == 200
    sandbox.delete(dead)
    for cursor in (dead, foreign.id, "garbage", "ext_user-1", "cus_1K", "%"):
        assert api.listed(**{parameter: cursor}).invalid == DEAD_CURSOR


def test_2_an_earlier_id_of_the_walk_continues_it(start_sandbox: StartSandbox, connect: Connect) -> None:
    rows = customers(6)
    sandbox = start_sandbox(workspace(*rows))
    api = connect(sandbox)
    page = api.listed(startingAfter=rows[0].id, sortOrder="asc", pageSize=3).ids
    sandbox.delete(page[-1])
    assert api.listed(startingAfter=page[-1], sortOrder="asc").invalid == DEAD_CURSOR
    assert api.listed(startingAfter=page[-2], sortOrder="asc").ids == [rows[4].id, rows[5].id]


@pytest.mark.parametrize(
    "cursor",
    ("CUS_1K00000000000000000000002", "cus_1k00000000000000000000002%20", "çüs_1K00000000000000000000002"),
)
def test_2_a_cursor_is_found_as_the_database_compares(serve: Serve, cursor: str) -> None:
    api = serve(*customers(3))
    reply = api.query(f"sortOrder=asc&startingAfter={cursor.replace('ç', '%C3%A7').replace('ü', '%C3%BC')}")
    assert reply.ids == [customer(3).id]


@pytest.mark.parametrize("position", (0, 1, 4))
def test_5_one_null_external_id_spoils_its_whole_page(serve: Serve, position: int) -> None:
    rows = customers(5)
    rows[position].external_id = None
    api = serve(*rows)
    assert api.listed(sortOrder="asc").invalid == f"invalid_type: [{position}].{NULL_EXTERNAL_ID}"
    assert api.listed().invalid == f"invalid_type: [{4 - position}].{NULL_EXTERNAL_ID}"
    assert api.listed(sortOrder="asc", includeExpandedFields="true").status == 422
    assert api.get(rows[position].id).invalid == f"invalid_type: {NULL_EXTERNAL_ID}"


def test_5_the_first_of_two_is_reported_and_all_other_rows_can_be_reached(serve: Serve) -> None:
    rows = customers(8)
    rows[3].external_id = rows[5].external_id = None
    api = serve(*rows)
    assert api.listed(sortOrder="asc").invalid.startswith("invalid_type: [3].")
    assert api.listed(startingAfter=rows[0].id, sortOrder="asc", pageSize=2).ids == [rows[1].id, rows[2].id]
    assert api.listed(startingAfter=rows[2].id, sortOrder="asc", pageSize=1).status == 422
    assert api.listed(startingAfter=rows[7].id, pageSize=1).ids == [rows[6].id]
    assert api.listed(startingAfter=rows[3].id, sortOrder="asc", pageSize=1).ids == [
        rows[4].id
    ]  # a living cursor
    assert api.listed(customerIds=",".join([rows[4].id, rows[6].id])).ids == [rows[6].id, rows[4].id]


def test_5_it_counts_and_it_can_be_deleted(serve: Serve) -> None:
    rows = customers(3)
    rows[1].external_id = None
    api = serve(*rows)
    assert api.count() == 3
    assert api.delete(rows[1].id).json == {"id": rows[1].id}
    assert api.listed(sortOrder="asc").ids == [rows[0].id, rows[2].id]


@pytest.mark.parametrize("name, email", ((None, None), ("", None), (None, ""), ("", "")))
def test_6_a_name_is_made_up_on_every_read(serve: Serve, name: str | None, email: str | None) -> None:
    row = customer(1, name=name, email=email)
    api = serve(row)
    rows = [api.get(row.id).row for _ in range(5)] + [api.listed().json[0] for _ in range(5)]
    assert len({each["name"] for each in rows}) > 5
    assert all(len(each["name"].split()) == 3 for each in rows)
    assert {each["email"] for each in rows} == {email}


@pytest.mark.parametrize("name", (None, ""))
def test_6_without_a_name_the_email_is_shown(serve: Serve, name: str | None) -> None:
    row = customer(1, name=name, email="a@example.test")
    assert serve(row).get(row.id).row["name"] == "a@example.test"


def offset_walk(api: Api, **parameters: object) -> list[str]:
    return [each for page in range(1, 12) for each in api.listed(page=page, **parameters).ids]


@pytest.mark.parametrize("order", ("asc", "desc"))
def test_7_offset_pages_by_created_at_are_complete(recorded: Api, order: str) -> None:
    found = offset_walk(recorded, sortOrder=order, pageSize=100)
    assert len(found) == len(set(found)) == 1000
    times = [
        row["createdAt"] for page in range(1, 11) for row in recorded.listed(sortOrder=order, page=page).json
    ]
    assert times == sorted(times, reverse=order == "desc")


@pytest.mark.parametrize("field", ("saleAmount", "firstSaleAt", "subscriptionCanceledAt"))
@pytest.mark.parametrize("order", ("asc", "desc"))
def test_7_offset_pages_by_other_fields_lose_rows_among_ties(recorded: Api, field: str, order: str) -> None:
    found = offset_walk(recorded, sortBy=field, sortOrder=order, pageSize=100)
    assert len(found) == 1000
    assert len(set(found)) < 1000
    values = [
        row[field]
        for page in range(1, 11)
        for row in recorded.listed(sortBy=field, sortOrder=order, page=page).json
    ]
    # What is promised holds: the values are in order, nulls first going up and last going down.
    if order == "desc":
        values.reverse()
    assert all(one is None or (two is not None and one <= two) for one, two in pairwise(values))


def test_7_ties_change_places_between_two_pages(serve: Serve) -> None:
    rows = [customer(number, sales=1, sale_amount=500) for number in range(1, 7)]
    api = serve(*rows)
    first, second = (api.listed(sortBy="saleAmount", page=page, pageSize=3).ids for page in (1, 2))
    assert set(first) & set(second)
    assert set(first) | set(second) != {row.id for row in rows}


def test_7_pages_end_at_1000_and_do_not_go_with_cursors(recorded: Api) -> None:
    assert recorded.listed(page=1000, pageSize=100).json == []
    assert recorded.listed(page=11).json == []
    assert recorded.listed(page=1001).invalid == (
        "Page is too big (cannot be more than 1000), recommend using cursor-based pagination instead."
    )
    for page in (1, 2, 1001):
        assert recorded.listed(page=page, startingAfter="cus_1JXTT3F0WH0CNTNMEKSTGKSWK").invalid == (
            "You cannot use both page and startingAfter/endingBefore at the same time. "
            "Please use one pagination method."
        )


def test_7_a_cursor_goes_with_created_at_only(recorded: Api) -> None:
    anchor = "cus_1JXTT3F0WH0CNTNMEKSTGKSWK"
    assert recorded.listed(sortBy="createdAt", startingAfter=anchor, pageSize=1).status == 200
    for field in ("saleAmount", "firstSaleAt", "subscriptionCanceledAt"):
        for parameter in ("startingAfter", "endingBefore"):
            assert recorded.listed(**{"sortBy": field, parameter: anchor}).invalid == (
                "Cursor-based pagination only supports sorting by `createdAt`. "
                "Use offset-based pagination (page/pageSize) for other sort fields."
            )
