"""Reading, traps 1, 3, 4 and 8: two orders, ids that are not in the order of time, both directions."""

import json
import random
from pathlib import Path

import pytest

from dub_source.sandbox import Dataset
from tests.conftest import StartSandbox
from tests.sandbox.conftest import Connect, Serve
from tests.sandbox.datasets import DAY_MS, FIRST_MS, customer, customers, workspace
from tests.sandbox.http_api import Api

# Of each age of ids one from the middle of `main`, and the ends of its id range.
ANCHORS = (
    "cus_1M6A7MDW0DAK4R0YPHSRGBKKE",
    "cus_1JXTT3F0WH0CNTNMEKSTGKSWK",
    "cus_1KS2DCT3ZDVW7B939N23E027F",
    "cus_qIvXMeXhfqzocENrhDmTlxAA",
    "cus_1J6NQN0QAYQFX7H2HZY7K65TZ",
)


@pytest.fixture(scope="session")
def id_order(recordings: Path) -> list[str]:
    """The ids of `main` in ascending order, put together from recorded pages."""
    lines = (recordings / "golden" / "b_anchor_walk.jsonl").read_text(encoding="utf-8").splitlines()
    pages: dict[str, list[str]] = {"asc": [], "desc": []}
    for case in map(json.loads, lines):
        body, name = case["response"]["body"], case["case"]
        if name.startswith("native mid "):
            ids = body["$list"]["ids"] if isinstance(body, dict) else [row["id"] for row in body]
            pages["asc" if " asc/" in name else "desc"] += ids
    return [*pages["desc"][::-1], "cus_1JXTT3F0WH0CNTNMEKSTGKSWK", *pages["asc"]]


def test_1_the_first_page_is_in_another_order_than_the_rest(serve: Serve) -> None:
    rows = customers(6)
    imported = customer(7, created_ms=FIRST_MS)  # the newest id, and a createdAt before all others
    api = serve(*rows, imported)
    assert api.listed(pageSize=3).ids == [rows[5].id, rows[4].id, rows[3].id]  # by createdAt
    assert api.listed(pageSize=3, startingAfter=rows[3].id).ids == [rows[2].id, rows[1].id, rows[0].id]
    assert imported.id not in api.walk(pageSize=3)
    assert api.listed(sortOrder="asc", pageSize=3).ids == [imported.id, rows[0].id, rows[1].id]
    assert api.in_order(rows[2].id) == [row.id for row in [*rows, imported]]


def test_1_a_naive_walk_down_finds_960_of_1000(recorded: Api) -> None:
    for page_size in (100, 50):
        found = recorded.walk(pageSize=page_size)
        assert len(found) == len(set(found)) == 960


def test_1_a_naive_walk_up_finds_291_of_1000_and_27_of_them_twice(recorded: Api) -> None:
    found = recorded.walk(sortOrder="asc", pageSize=100)
    assert len(set(found)) == 291
    assert len(found) - len(set(found)) == 27


@pytest.mark.parametrize("anchor", ANCHORS)
@pytest.mark.parametrize("page_size", (100, 37))
def test_1_an_anchored_walk_finds_1000_of_1000_once(
    recorded: Api, id_order: list[str], anchor: str, page_size: int
) -> None:
    assert len(id_order) == 1000
    assert recorded.in_order(anchor, pageSize=page_size) == id_order


def test_3_ids_are_not_in_the_order_of_time(recorded: Api, id_order: list[str]) -> None:
    by_time = [row for page in range(1, 11) for row in recorded.listed(sortOrder="asc", page=page).ids]
    assert sorted(by_time) != by_time
    assert set(by_time) == set(id_order)
    assert by_time != id_order


def test_3_the_database_sorts_ids_without_case(serve: Serve) -> None:
    names = ["cus_9b", "cus_A1", "cus_a2", "cus_B0", "cus_b1", "cl0", "cus_Z"]
    expected = ["cl0", "cus_9b", "cus_A1", "cus_a2", "cus_B0", "cus_b1", "cus_Z"]
    assert sorted(names) != expected  # not as bytes
    rows = [customer(number, id=name) for number, name in enumerate(names)]
    assert serve(*rows).in_order("cus_B0") == expected


def test_3_new_rows_sort_behind_the_newest_ulid_and_before_most_legacy_ids(writable: Api) -> None:
    new = writable.post({"externalId": "brand new", "country": "US"}).row["id"]
    up = writable.walk("cus_1M6A7MDW0DAK4R0YPHSRGBKKE", sortOrder="asc")
    assert up[0] == new
    assert len(up) == 41
    assert new not in writable.walk(
        "cus_5a2R5O5pTkLMEWhzJtkF9K5o", sortOrder="asc"
    )  # already among the legacy ids


def test_4_a_filter_skips_a_row_when_the_cursor_does_not_match_it(serve: Serve) -> None:
    rows = [customer(number, country="US" if number % 2 else "DE") for number in range(1, 9)]
    api = serve(*rows)
    american = [row.id for row in rows if row.country == "US"]
    german = rows[1].id
    assert api.listed(country="US", startingAfter=german, sortOrder="asc").ids == american[2:]  # 3 is skipped
    assert api.listed(country="US", startingAfter=american[0], sortOrder="asc").ids == american[1:]
    assert api.listed(country="US", startingAfter=rows[5].id).ids == american[1::-1]  # down: 5 is skipped
    # With cursors that all match, nothing is lost: the trap needs a foreign one.
    assert api.walk(american[0], country="US", sortOrder="asc", pageSize=1) == american[1:]


def test_4_partner_and_customer_ids_skip_a_row_too(serve: Serve) -> None:
    rows = [
        customer(
            number, partner_id="pn_1" if number > 2 else None, program_id="prog_test" if number > 2 else None
        )
        for number in range(1, 6)
    ]
    api = serve(*rows)
    assert api.listed(partnerId="pn_1", startingAfter=rows[0].id, sortOrder="asc").ids == [
        rows[3].id,
        rows[4].id,
    ]
    chosen = ",".join([rows[2].id, rows[3].id])
    assert api.listed(customerIds=chosen, startingAfter=rows[0].id, sortOrder="asc").ids == [rows[3].id]


@pytest.mark.parametrize("order", ("asc", "desc"))
def test_8_ending_before_gives_the_rows_right_before_in_the_requested_order(
    recorded: Api, id_order: list[str], order: str
) -> None:
    sequence = id_order if order == "asc" else id_order[::-1]
    source = random.Random(8)
    for position in [0, 1, 2, 99, 100, 101, 999, *(source.randrange(1000) for _ in range(8))]:
        for size in (1, 7, 100):
            page = recorded.listed(endingBefore=sequence[position], sortOrder=order, pageSize=size).ids
            assert page == sequence[max(0, position - size) : position]


@pytest.mark.parametrize("order", ("asc", "desc"))
def test_8_a_walk_by_ending_before_reads_every_row_before(
    recorded: Api, id_order: list[str], order: str
) -> None:
    sequence = id_order if order == "asc" else id_order[::-1]
    found: list[str] = []
    cursor = sequence[-1]
    while page := recorded.listed(endingBefore=cursor, sortOrder=order, pageSize=90).ids:
        found = page + found
        cursor = page[0]
    assert found == sequence[:-1]


def test_8_nothing_comes_before_the_first_row(serve: Serve) -> None:
    rows = customers(3)
    api = serve(*rows)
    assert api.listed(endingBefore=rows[0].id, sortOrder="asc").json == []
    assert api.listed(endingBefore=rows[2].id).json == []  # descending, the newest is the first
    assert api.listed(startingAfter=rows[2].id, sortOrder="asc").json == []
    assert api.listed(startingAfter=rows[0].id).json == []


def test_8_ending_before_with_a_filter_skips_the_row_next_to_the_cursor(serve: Serve) -> None:
    rows = [customer(number, country="US" if number % 2 else "DE") for number in range(1, 9)]
    api = serve(*rows)
    american = [row.id for row in rows if row.country == "US"]
    up = {"country": "US", "sortOrder": "asc"}
    assert api.listed(endingBefore=rows[7].id, **up).ids == american[:3]  # 7, the nearest, is skipped
    assert api.listed(endingBefore=rows[7].id, pageSize=2, **up).ids == american[1:3]
    assert api.listed(endingBefore=american[3], **up).ids == american[:3]
    assert api.listed(endingBefore=rows[1].id, country="US").ids == american[3:1:-1]  # down: 3 is skipped


def test_rows_deleted_and_created_during_a_walk_move_no_other_row(
    start_sandbox: StartSandbox, connect: Connect
) -> None:
    rows = customers(9)
    sandbox = start_sandbox(workspace(*rows))
    api = connect(sandbox)
    first = api.listed(startingAfter=rows[0].id, sortOrder="asc", pageSize=3).ids
    sandbox.delete(rows[1].id)  # already read
    sandbox.delete(rows[5].id)  # not read yet
    new = api.post({"externalId": "new", "country": "US"}).row["id"]
    rest = api.walk(first[-1], sortOrder="asc", pageSize=3)
    assert first + rest == [row.id for row in [*rows[1:5], *rows[6:]]] + [new]
    assert api.listed(startingAfter=rows[1].id).status == 422


def test_customers_created_one_after_the_other_come_in_that_order(
    start_sandbox: StartSandbox, connect: Connect
) -> None:
    """Within one millisecond, too: there Dub, some 40 ms a create, needs several."""
    stopped = FIRST_MS / 1000 + 400 * DAY_MS / 1000
    api = connect(start_sandbox(workspace(*customers(2)), clock=lambda: stopped))
    created = [api.post({"externalId": f"new {n}", "country": "US"}).row for n in range(60)]
    assert len({row["createdAt"] for row in created}) == 1
    ids = [row["id"] for row in created]
    assert api.listed(sortOrder="asc").ids[2:] == ids
    assert api.listed(pageSize=60).ids == ids[::-1]
    assert api.walk(customer(2).id, sortOrder="asc", pageSize=25) == ids


def test_two_workspaces_do_not_see_each_other(
    seed: Dataset, start_sandbox: StartSandbox, connect: Connect
) -> None:
    sandbox = start_sandbox(seed)
    main, other = connect(sandbox, "owner"), connect(sandbox, "other")
    (first, *_) = other.listed(sortOrder="asc").ids
    assert len(other.in_order(first)) == 5
    assert main.get(first).status == 404
    assert main.listed(customerIds=first).json == []
    assert main.listed(startingAfter=first).status == 422
