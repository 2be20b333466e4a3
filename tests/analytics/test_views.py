"""Views in a destination: made, kept right by loads, dropped, and never over something else."""

from typing import Any

import pytest

from dub_source import runs
from dub_source.analytics import VIEWS
from dub_source.destinations.catalog import Catalog
from dub_source.destinations.views import Views
from dub_source.errors import DestinationError, InvalidArgument
from dub_source.failures import ExitCode, explain
from dub_source.runs import ViewsResult
from dub_source.sandbox.model import Customer
from tests.sync.world import World
from tests.warehouses.duckdb_file import open_elsewhere

pytestmark = pytest.mark.only("duckdb", "postgres")  # a lake has no views
OTHERS = [name for name in VIEWS if name != "customers_validity"]


def create(world: World, **options: Any) -> ViewsResult:
    return runs.create_views(world.warehouse.target, pipelines_dir=world.working, **options)


def drop(world: World, **options: Any) -> ViewsResult:
    return runs.drop_views(world.warehouse.target, pipelines_dir=world.working, **options)


def views_of(world: World) -> set[str]:
    found = world.query("SELECT table_name FROM information_schema.views WHERE table_schema = 'dub'")
    return {name for (name,) in found}


def test_they_are_made_replaced_and_dropped(world: World) -> None:
    world.load()
    assert views_of(world) == {"customers_validity"}
    made = create(world)
    assert (set(made.created), made.left_out, made.in_the_way) == (set(VIEWS), {}, ())
    assert views_of(world) == set(VIEWS)
    assert len(world.table("customers_current")) == 120
    assert create(world).created == made.created
    dropped = drop(world)
    assert set(dropped.dropped) == set(OTHERS)
    assert views_of(world) == {"customers_validity"}
    assert drop(world).dropped == ()


def test_each_answers_what_its_select_answers(world: World) -> None:
    world.load()
    world.load("incremental")
    create(world)
    selects = runs.view_selects(world.warehouse.target)
    assert set(selects.sql) == set(VIEWS)
    for name, sql in selects.sql.items():
        assert world.query(f"SELECT count(*) FROM dub.{name}") == world.query(
            f"SELECT count(*) FROM ({sql}) AS s"
        )


def test_loads_go_on_and_views_stay_right(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.load()
    create(world)
    honest = Customer.as_json

    def with_tier(self: Customer, source: Any) -> dict[str, Any]:
        return {**honest(self, source), "loyaltyTier": "gold"}

    monkeypatch.setattr(Customer, "as_json", with_tier)
    for customer_id in world.sandbox.ids():
        world.sandbox.change(customer_id)  # what was rendered before is rendered again
    gone = world.sandbox.ids()[7]
    world.sandbox.delete(gone)
    world.load()
    current = world.table("customers_current")
    assert len(current) == 119
    assert {row["loyalty_tier"] for row in current} == {"gold"}
    assert {row["loyalty_tier"] for row in world.table("customers_validity") if row["is_current"]} == {
        "gold",
        None,
    }
    (days,) = world.query("SELECT sum(deleted) FROM dub.changes_daily")
    assert days == (1,)
    ((total,),) = world.query("SELECT customers_total FROM dub.customers_over_time ORDER BY day DESC LIMIT 1")
    assert total == 119
    assert [row["mode"] for row in world.table("sync_health", "started_at")] == ["full", "full"]
    second = world.table("sync_health", "started_at")[1]
    assert second["seconds_since_previous_ok"] >= 0
    assert second["changes"] == second["created"] + second["updated"] + second["deleted"]


@pytest.mark.slow
def test_a_load_makes_nothing_anew_where_nothing_has_changed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.load()
    create(world)
    asked: list[object] = []
    with monkeypatch.context() as watched:
        watched.setattr(Views, "selects", lambda *arguments, **_: asked.append(arguments))
        world.load("incremental")
    assert asked == []
    world.warehouse.execute("DROP VIEW dub.customers_validity", "DROP VIEW dub.churn")
    world.load("incremental")
    assert views_of(world) == set(VIEWS), "what is missing comes back"


def test_a_partners_name_that_comes_later_comes_into_the_view(world: World) -> None:
    world.load(exclude_columns=["partner__name"])
    create(world)
    world.load()
    ((named,),) = world.query("SELECT count(partner_name) FROM dub.revenue_by_partner")
    ((there,),) = world.query(
        "SELECT count(DISTINCT partner__id) FROM dub.customers WHERE partner__name IS NOT NULL"
    )
    assert named == there > 0


def test_where_the_catalog_cannot_be_read_there_is_the_view_of_the_history(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(*_arguments: Any) -> None:
        raise DestinationError("No rights.")

    monkeypatch.setattr(Catalog, "definitions", unreadable)
    world.load()
    assert views_of(world) == {"customers_validity"}


@pytest.mark.slow
@pytest.mark.only("duckdb")
def test_views_of_a_table_that_is_gone_stand_in_nobodys_way(world: World) -> None:
    world.load()
    create(world)
    world.load(table_name="people")
    world.warehouse.execute("DROP TABLE dub.customers_history", "DROP TABLE dub.customers")
    world.load(table_name="people")
    assert "people_current" in create(world, table="people").created
    with pytest.raises(InvalidArgument, match="There is no table customers in"):
        create(world)
    assert "customers_current" in drop(world).dropped


def test_dropped_views_do_not_come_back(world: World) -> None:
    world.load()
    create(world)
    drop(world)
    world.load()
    assert views_of(world) == {"customers_validity"}


def test_what_is_not_loaded_is_said(world: World) -> None:
    world.load(include_expanded_fields=False, exclude_columns=["country", "sale_amount"])
    made = create(world)
    assert made.left_out.keys() == {
        *("cohorts", "revenue_by_country", "revenue_by_partner", "revenue_by_link"),
    }
    assert "needs sale_amount" in made.left_out["cohorts"]
    assert views_of(world) == set(VIEWS) - made.left_out.keys()
    world.load(include_expanded_fields=False, exclude_columns=["country"])
    assert "cohorts" in views_of(world), "the column has come"


def test_something_else_of_a_name_is_never_replaced(world: World) -> None:
    world.load()
    world.warehouse.put("dub.cohorts", ["theirs"], [["kept"]])
    world.warehouse.execute("CREATE VIEW dub.churn AS SELECT 7 AS seven")
    made = create(world)
    assert made.in_the_way == ("cohorts", "churn")
    assert "revenue_by_link" in made.created
    world.load()
    assert drop(world).in_the_way == ("cohorts", "churn")
    assert world.query("SELECT * FROM dub.cohorts") == [("kept",)]
    assert world.query("SELECT * FROM dub.churn") == [(7,)]


def test_something_else_called_like_the_view_of_the_history_stays_and_the_load_says_so(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.warehouse.put("dub.customers_validity", ["theirs"], [["kept"]])
    world.load()
    assert world.query("SELECT * FROM dub.customers_validity") == [("kept",)]
    assert "something else has its name" in caplog.text


def test_other_tables_have_views_of_their_own(world: World) -> None:
    world.load(table_name="people")
    world.load(country="DE")
    assert "people_cohorts" in create(world, table="people").created
    filtered = create(world, table="customers_filtered")
    assert "customers_filtered_current" in filtered.created
    assert filtered.left_out.keys() == {"customers_filtered_validity", "customers_filtered_changes_daily"}
    with pytest.raises(InvalidArgument, match="There is no table customers in"):
        create(world)


def test_where_nothing_was_loaded_there_is_a_sentence_and_no_file(world: World) -> None:
    for act in (create, lambda world: runs.view_selects(world.warehouse.target)):
        with pytest.raises(InvalidArgument, match="There is no table customers in"):
            act(world)
    assert not list(world.folder.glob("*.duckdb"))


def test_who_reads_a_view_stands_in_the_way_of_nothing_but_its_drop(world: World) -> None:
    world.load()
    create(world)
    world.warehouse.execute("CREATE VIEW dub.theirs AS SELECT * FROM dub.customers_current")
    assert "customers_current" in create(world).created
    world.load()
    assert len(world.query("SELECT * FROM dub.theirs")) == 120


@pytest.mark.slow
def test_persons_are_erased_with_views_there(world: World) -> None:
    world.load()
    create(world)
    one = world.sandbox.ids()[5]
    result = runs.erase(
        world.warehouse.target,
        ids=[one],
        apply=True,
        pipelines_dir=world.working,
        api_key=world.sandbox.key(),
        base_url=world.sandbox.url,
    )
    assert result.complete
    assert views_of(world) == set(VIEWS)
    assert one not in {row["id"] for row in world.table("customers_validity")}
    assert len(world.table("customers_current")) == 119
    world.load()


@pytest.mark.slow
@pytest.mark.only("duckdb")
def test_a_file_that_somebody_has_open_is_a_sentence(world: World) -> None:
    world.load()
    with (
        open_elsewhere(world.warehouse.target.database),
        pytest.raises(Exception, match="lock") as caught,
    ):
        create(world)
    failure = explain(caught.value)
    assert failure.exit_code == ExitCode.DESTINATION, failure
    assert "is in use" in failure.sentence or "open" in failure.sentence
