"""Tables that somebody has changed by hand: what others have added stays theirs."""

import pytest

from tests.sync.world import World, counts

pytestmark = pytest.mark.only("duckdb", "postgres")  # a lake has no statements


def test_a_column_of_others_stays_as_it_is_for_all_who_live(world: World) -> None:
    world.load()
    world.warehouse.execute(
        "ALTER TABLE dub.customers ADD COLUMN score INTEGER DEFAULT 5",
        "ALTER TABLE dub.customers ADD COLUMN parts INTEGER[]",
        'ALTER TABLE dub.customers ADD COLUMN "Score, {as} told" VARCHAR',
        "ALTER TABLE dub.customers_history ADD COLUMN score INTEGER DEFAULT 5",
    )
    world.warehouse.update("dub.customers", {"parts": "ARRAY[1, 2]"}, "true")
    gone, *changed = world.sandbox.ids()[:5]
    world.sandbox.delete(gone)
    assert counts(world.load()) == (0, 0, 1)
    for customer in changed:
        world.sandbox.change(customer, name="Somebody else")
    assert counts(world.load()) == (0, 4, 0)
    assert world.query("SELECT DISTINCT score, parts FROM dub.customers") == [(5, [1, 2])]
    assert {world.history(each)[-1]["changed_fields"] for each in changed} == {'["name"]'}
