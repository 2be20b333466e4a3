"""The view of which version of a customer was valid when."""

from itertools import pairwise
from typing import Any

import pytest

from dub_source.sandbox.model import Customer
from tests.sync.world import World, counts
from tests.warehouses import Row

pytestmark = pytest.mark.only("duckdb", "postgres")  # a lake has no views


def ranges(world: World) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in world.table("customers_validity", "id", "valid_from"):
        found.setdefault(row["id"], []).append(row)
    return found


def assert_one_after_the_other(world: World) -> None:
    chains, rows = ranges(world), world.customers()
    assert chains.keys() == rows.keys()
    for customer_id, chain in chains.items():
        for one, other in pairwise(chain):
            assert one["valid_from"] < one["valid_to"] == other["valid_from"]
        assert [version["is_current"] for version in chain] == [False] * (len(chain) - 1) + [True]
        assert chain[-1]["valid_to"] is None
        current = {name: chain[-1][name] for name in rows[customer_id]}
        assert current == rows[customer_id]


@pytest.mark.slow
def test_ranges_follow_each_other_and_end_with_the_row(world: World) -> None:
    world.load()
    changed, gone, *_ = world.sandbox.ids()[20:]
    assert_one_after_the_other(world)
    for name in ("First", "Second"):
        world.sandbox.change(changed, name=name)
        world.load()
    world.sandbox.delete(gone)
    world.load()
    assert_one_after_the_other(world)
    assert [row["name"] for row in ranges(world)[changed]][1:] == ["First", "Second"]
    living, deleted = ranges(world)[gone]
    assert living["valid_to"] == deleted["deleted_at"]
    assert (deleted["change"], deleted["is_current"]) == ("deleted", True)
    assert world.query(
        "SELECT count(*) FROM dub.customers_validity WHERE is_current AND deleted_at IS NULL"
    ) == [(119,)]


@pytest.mark.slow
def test_a_field_that_dub_adds_is_in_tables_history_and_view(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.load()
    world.load()
    has, changes, gone = world.sandbox.ids()[30:33]
    honest = Customer.as_json
    tiers = {has: "gold"}

    def with_tier(self: Customer, source: Any) -> dict[str, Any]:
        return {**honest(self, source), "loyaltyTier": tiers.get(self.id)}

    monkeypatch.setattr(Customer, "as_json", with_tier)
    for customer_id in world.sandbox.ids():
        world.sandbox.change(customer_id)  # what was rendered before is rendered again
    assert counts(world.load()) == (0, 1, 0)
    assert world.changes(has)[1:] == [("updated", '["loyalty_tier"]')]
    assert_one_after_the_other(world)
    assert [row["loyalty_tier"] for row in ranges(world)[has]] == [None, "gold"]
    tiers[has] = "silver"
    world.sandbox.change(has)
    world.sandbox.change(changes, name="Another")
    world.sandbox.delete(gone)
    assert counts(world.load()) == (0, 2, 1)
    assert [row["loyalty_tier"] for row in ranges(world)[has]] == [None, "gold", "silver"]
    del tiers[has]
    world.sandbox.change(has)
    assert counts(world.load()) == (0, 1, 0)
    assert world.changes(has)[3:] == [("updated", '["loyalty_tier"]')]
    assert world.customers()[has]["loyalty_tier"] is None, "a value that is gone does not stay"
    assert counts(world.load()) == (0, 0, 0)
    assert_one_after_the_other(world)
