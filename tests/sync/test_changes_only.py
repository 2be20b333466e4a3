"""Runs write what has changed, and nothing else."""

import time
from typing import Any

from dub_source.sandbox import Dataset
from tests.sync.conftest import MakeWorld
from tests.sync.world import World, counts


def test_exactly_the_changed_rows_are_written(make_world: MakeWorld, seed: Dataset) -> None:
    world = make_world(seed)
    first = world.load()
    assert (first.rows, first.report.read, counts(first)) == (1000, 1000, (1000, 0, 0))
    assert world.sizes() == (1000, 1000)
    world.assert_as_in_dub()
    before = world.customers()

    ids = world.sandbox.ids()
    pictured = next(each for each in ids[200:] if before[each]["avatar"])
    changed: dict[str, tuple[dict[str, Any], str]] = {
        ids[10]: ({"name": "Someone Else"}, '["name"]'),
        pictured: ({"country": "ZZ", "avatar": None}, '["avatar", "country"]'),
        ids[555]: ({"sales": 7, "sale_amount": -12345}, '["sale_amount", "sales"]'),
        ids[999]: ({"stripe_customer_id": "cus_stripe_other"}, '["stripe_customer_id"]'),
    }
    for customer_id, (values, _) in changed.items():
        world.sandbox.change(customer_id, **values)
    deleted = {ids[0], ids[500], ids[998]}
    for customer_id in deleted:
        world.sandbox.delete(customer_id)
    new = world.sandbox.insert(name="New", email="new@example.test").id
    imported = world.sandbox.insert(name="Imported", created_ms=1_600_000_000_000).id

    second = world.load()
    assert (second.rows, second.report.read, counts(second)) == (1002, 999, (2, 4, 3))
    assert second.report.certificate is not None
    assert second.report.certificate.complete
    assert world.sizes() == (1002, 1009)
    world.assert_as_in_dub(gone=3)
    after = world.customers()
    untouched = before.keys() - changed.keys() - deleted
    assert {each: before[each] for each in untouched} == {each: after[each] for each in untouched}
    for customer_id, (_, names) in changed.items():
        assert world.changes(customer_id) == [("created", None), ("updated", names)]
        assert after[customer_id]["observed_at"] > before[customer_id]["observed_at"]
    for customer_id in deleted:
        assert world.changes(customer_id) == [("created", None), ("deleted", None)]
        assert after[customer_id]["deleted_at"] == after[customer_id]["observed_at"]
        assert {**after[customer_id], "deleted_at": None, "observed_at": None} == {
            **before[customer_id],
            "observed_at": None,
        }
    for customer_id in (new, imported):
        assert world.changes(customer_id) == [("created", None)]

    assert [
        (row["status"], row["mode"], row["read"], row["created"], row["updated"], row["deleted"])
        for row in world.sync_runs()
    ] == [("ok", "full", 1000, 1000, 0, 0), ("ok", "full", 999, 2, 4, 3)]
    assert counts(world.load()) == (0, 0, 0)
    assert world.sizes() == (1002, 1009)


def test_sweeps_over_an_unchanged_workspace_write_nothing(make_world: MakeWorld, seed: Dataset) -> None:
    world = make_world(seed)
    nameless = [each for each, row in world.sandbox.snapshot().items() if row["name"] is None]
    assert len(nameless) > 20
    world.load()
    before = world.dump()
    for _ in range(2):
        result = world.load()
        assert counts(result) == (0, 0, 0)
    assert world.dump() == before
    assert len(world.sync_runs()) == 3
    rows = world.customers()
    assert all(rows[each]["name"] is None and rows[each]["name_generated"] for each in nameless)
    assert sum(row["name_generated"] for row in rows.values()) == len(nameless)


def test_real_changes_of_customers_with_made_up_names_are_seen(world: World) -> None:
    sandbox = world.sandbox
    stays, named, redrawn, bare, loses, renamed = (
        sandbox.insert(name=name, email=None, avatar=f"https://dubassets.com/{number}").id
        for number, name in enumerate((None, None, None, None, "Had A Name", "Without Email"))
    )
    world.load()
    assert world.customers()[stays]["name_generated"]
    assert not world.customers()[loses]["name_generated"]
    sandbox.change(named, name="A Real Name")
    sandbox.change(redrawn, avatar="https://dubassets.com/another")
    sandbox.change(bare, avatar=None)
    sandbox.change(loses, name=None)
    sandbox.change(renamed, name="Renamed")
    assert counts(world.load()) == (0, 5, 0)
    world.assert_as_in_dub()
    assert [world.changes(each)[1:] for each in (stays, named, redrawn, bare, loses, renamed)] == [
        [],
        [("updated", '["name"]')],
        [("updated", '["avatar"]')],
        [("updated", '["avatar"]')],
        [("updated", '["name"]')],
        [("updated", '["name"]')],
    ]
    sandbox.change(named, name=None)
    sandbox.change(loses, name="Had A Name")
    assert counts(world.load()) == (0, 2, 0)
    world.assert_as_in_dub()
    assert world.customers()[named]["name_generated"]
    assert world.changes(named)[2:] == [("updated", '["name"]')]
    assert counts(world.load()) == (0, 0, 0)


def test_an_incremental_run_with_nothing_new_is_cheap_and_writes_nothing(world: World) -> None:
    world.load()
    before = world.dump()
    for refresh in (0, 3):
        for _ in range(2):
            world.sandbox.forget_requests()
            result = world.load("incremental", refresh_requests=refresh)
            assert result.report.decision.kind == "incremental"
            assert counts(result) == (0, 0, 0)
            assert len(world.sandbox.requests) == result.report.stats.requests <= 4 + refresh
    assert world.dump() == before
    rows = world.sync_runs()
    assert [row["mode"] for row in rows] == ["full", *["incremental"] * 4]
    assert [row["refreshed"] for row in rows[1:3]] == [0, 0]
    assert all(row["refreshed"] > 0 for row in rows[3:])


def test_an_incremental_run_writes_the_new_ones_and_what_it_happens_to_see(world: World) -> None:
    world.load()
    before = world.customers()
    ids = world.sandbox.ids()
    new = {world.sandbox.insert(name=f"New {number}").id for number in range(5)}
    imported = world.sandbox.insert(name="Imported", created_ms=1_600_000_000_000).id
    buyer = next(each for each in ids if before[each]["first_sale_at"] is None)
    world.sandbox.record_sale(buyer, 4200)
    result = world.load("incremental", refresh_requests=0)
    assert counts(result) == (6, 1, 0)
    assert result.report.certificate is None
    world.assert_as_in_dub()
    after = world.customers()
    assert after.keys() - before.keys() == new | {imported}
    assert {each for each in ids if before[each] != after[each]} == {buyer}
    assert world.changes(buyer)[1:] == [("updated", '["first_sale_at", "sale_amount", "sales"]')]
    assert counts(world.load("incremental", refresh_requests=0)) == (0, 0, 0)
    renamed = ids[3]
    world.sandbox.change(renamed, name="Only a refresh can see this")
    assert counts(world.load("incremental", refresh_requests=0)) == (0, 0, 0)
    assert counts(world.load("incremental", refresh_requests=4)) == (0, 1, 0)
    world.assert_as_in_dub()
    assert counts(world.load()) == (0, 0, 0)


def test_what_an_incremental_run_has_read_the_next_one_need_not_read(world: World) -> None:
    world.load()
    for number in range(350):
        world.sandbox.insert(name=f"New {number}")
    time.sleep(0.01)
    assert counts(world.load("incremental", refresh_requests=0, overlap=0)) == (350, 0, 0)
    world.sandbox.insert(name="One More")
    world.sandbox.forget_requests()
    assert counts(world.load("incremental", refresh_requests=0, overlap=0)) == (1, 0, 0)
    assert len(world.sandbox.requests) <= 4
