"""Tables changed by hand: what others have added stays theirs, what they have dropped comes back."""

from contextlib import suppress

import pytest
from dlt.pipeline.exceptions import PipelineStepFailed

from dub_source.sandbox import Fault
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


def drop(world: World, *what: str) -> None:
    """The view of all loads first, which reads the tables."""
    world.warehouse.execute("DROP VIEW dub.customers_validity", *what)


def load_thrice(world: World) -> None:
    """From the third load on, dlt's schema does not change, and it takes the tables for as they were."""
    for number in range(3):
        world.load()
        world.sandbox.change(world.sandbox.ids()[number], name="Somebody else")
    world.load()


@pytest.mark.slow
@pytest.mark.parametrize(
    "tables",
    (
        ["customers"],
        ["customers_history"],
        ["sync_runs"],
        ["customers", "customers_history"],
        ["customers", "customers_history", "sync_runs"],
    ),
    ids=" ".join,
)
def test_tables_that_were_dropped_come_back(world: World, tables: list[str]) -> None:
    load_thrice(world)
    drop(world, *(f"DROP TABLE dub.{each}" for each in tables))
    world.sandbox.change(world.sandbox.ids()[5], name="Somebody else")
    world.load()
    world.assert_as_in_dub()
    assert counts(world.load()) == (0, 0, 0)


@pytest.mark.slow
@pytest.mark.parametrize("then", ("at once", "after a run that fails", "after a run that sees some of them"))
def test_the_values_of_a_column_that_was_dropped_come_back(world: World, then: str) -> None:
    load_thrice(world)
    drop(world, "ALTER TABLE dub.customers DROP COLUMN email")
    if then == "after a run that fails":
        world.sandbox.inject(Fault("status", status=401, containing="/customers", times=100))
        with suppress(PipelineStepFailed):
            world.load()
        world.sandbox.clear_faults()
    if then == "after a run that sees some of them":
        world.sandbox.insert(name="Somebody new")
        world.load("incremental", refresh_requests=0)
    world.load()
    world.assert_as_in_dub()
    assert counts(world.load()) == (0, 0, 0)


@pytest.mark.slow
def test_columns_of_other_tables_that_were_dropped_are_no_obstacle(world: World) -> None:
    load_thrice(world)
    drop(
        world,
        "ALTER TABLE dub.customers_history DROP COLUMN email",
        "ALTER TABLE dub.sync_runs DROP COLUMN certificate",
    )
    changed = world.sandbox.ids()[5]
    world.sandbox.change(changed, email="new@example.com")
    assert counts(world.load()) == (0, 1, 0)
    assert world.history(changed)[-1]["email"] == "new@example.com"
    assert world.sync_runs()[-1]["certificate"] is not None
