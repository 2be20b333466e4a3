"""What the destination keeps of plans: all of it, once, and nothing of the source's own memory changes."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dub_source.errors import AlreadyRunning, DestinationError, SettingsError
from dub_source.privacy import Privacy
from dub_source.reverse.form import Form, configured_form
from dub_source.reverse.model import Change, Op, Outcome, Result
from dub_source.reverse.stored import MIRRORED
from tests.reverse.pushes import PLAN_ID, a_plan, store_of, update
from tests.sync.conftest import MakeWorld
from tests.sync.world import World, counts

_MOMENT = datetime(2026, 11, 2, 3, 4, 5, 678901, tzinfo=UTC)
AWKWARD = "Zoë 'O\"Neil\\ %_\n\t🦆 NULL"


def some_changes() -> list[Change]:
    return [
        Change(
            0,
            Op.UPDATE,
            "cus_a",
            AWKWARD,
            {"name": AWKWARD, "email": None},
            {"name": "", "email": AWKWARD},
            _MOMENT,
        ),
        Change(
            1,
            Op.UPDATE,
            "cus_b",
            "x",
            {"external_id": "tmp"},
            {"external_id": "x"},
            _MOMENT,
            7,
            temporary=True,
        ),
        Change(2, Op.CREATE, None, "0012", {"external_id": "0012", "country": "DE"}),
        Change(3, Op.DELETE, "cus_d", "1e22", {}, {"name": "D"}, _MOMENT),
    ]


def an_outcome(number: int, result: Result = Result.APPLIED, **values: Any) -> Outcome:
    return Outcome(number, result, **{"attempts": 1, "requested_at": _MOMENT, **values})


def memory_of(world: World) -> list[tuple[Any, ...]]:
    """All that dlt has stored of the source's state."""
    rows = world.warehouse.rows("dub._dlt_pipeline_state")
    return sorted((tuple(row.values()) for row in rows), key=repr)


def test_a_plan_comes_back_as_it_was_saved(loaded: World) -> None:
    changes = some_changes()
    plan = a_plan(changes, counts={"update": 2, "update.name": 1}, reverts="plan_other", max_age_h=1.5)
    with store_of(loaded) as store:
        assert (store.plan(PLAN_ID), store.changes(PLAN_ID), store.plans()) == (None, [], [])
        assert store.outcomes(PLAN_ID) == {}
        assert store.save_plan(plan, list(reversed(changes))) == plan
        assert store.plan(PLAN_ID) == plan
        assert store.changes(PLAN_ID) == changes
    with store_of(loaded, working=loaded.folder / "fresh") as store:
        assert store.plans() == [plan]
        assert (store.progress(plan).results, store.progress(plan).finished) == ({}, False)
        assert store.changes(PLAN_ID) == changes


def test_the_changes_of_a_plan_are_there_once_however_often_it_is_made(loaded: World) -> None:
    changes = some_changes()
    with store_of(loaded) as store:
        store.save_plan(a_plan(changes), changes)
        later = a_plan(changes, created_at=_MOMENT)
        assert store.save_plan(later, changes).created_at == _MOMENT
        store.save_outcomes(PLAN_ID, [an_outcome(each.number) for each in changes])
        assert store.progress(later).finished
        again = a_plan(changes, created_at=_MOMENT + timedelta(days=1))
        assert store.save_plan(again, changes) == later, "a finished plan is not opened again"
        assert store.changes(PLAN_ID) == changes
        assert store.progress(later).finished


def test_a_plan_that_was_stored_in_part_is_not_applied_and_can_be_completed(loaded: World) -> None:
    changes = some_changes()
    with store_of(loaded) as store:
        store.save_plan(a_plan(changes), changes)
    loaded.warehouse.delete("dub.push_changes", "number = 2")
    with store_of(loaded) as store:
        with pytest.raises(DestinationError, match="stored in part only"):
            store.changes(PLAN_ID)
        store.save_plan(a_plan(changes), changes)
        assert store.changes(PLAN_ID) == changes


@pytest.mark.only("duckdb", "postgres")  # a lake has no statements
def test_what_could_not_be_stored_does_not_come_with_the_next_load(loaded: World) -> None:
    changes = some_changes()
    loaded.warehouse.execute("CREATE VIEW dub.push_log AS SELECT 1 AS change_key")
    with store_of(loaded) as store:
        store.save_plan(a_plan(changes), changes)
        with pytest.raises(Exception, match="load"):
            store.save_outcomes(PLAN_ID, [an_outcome(0, answered={"name": "Nobody Knows"})])
        loaded.warehouse.execute("DROP VIEW dub.push_log")
        store.save_outcomes(PLAN_ID, [an_outcome(1)])
        assert list(store.outcomes(PLAN_ID)) == [1]
    assert counts(loaded.load()) == (0, 0, 0)
    with store_of(loaded) as store:
        assert list(store.outcomes(PLAN_ID)) == [1]


def test_every_change_has_one_outcome_the_last(loaded: World) -> None:
    changes = some_changes()
    first = [an_outcome(each.number, Result.NOT_ATTEMPTED, attempts=0, requested_at=None) for each in changes]
    rejected = an_outcome(0, Result.REJECTED, status=409, code="conflict", reason="Taken.", attempts=2)
    created = an_outcome(
        2, customer_id="cus_new", status=201, answered={"external_id": "0012", "country": "US"}
    )
    applied = an_outcome(0, status=200, attempts=3, answered={"name": AWKWARD, "email": AWKWARD})
    with store_of(loaded) as store:
        plan = store.save_plan(a_plan(changes), changes)
        store.save_outcomes(PLAN_ID, first)
        assert not store.progress(plan).finished
        store.save_outcomes(PLAN_ID, [rejected, created])
        store.save_outcomes(PLAN_ID, [applied])
        store.save_outcomes(PLAN_ID, [applied])
        found = store.outcomes(PLAN_ID)
        assert found[0] == replace(applied, customer_id="cus_a")
        assert found[2] == created
        assert {number: each.result for number, each in found.items()} == {
            0: Result.APPLIED,
            1: Result.NOT_ATTEMPTED,
            2: Result.APPLIED,
            3: Result.NOT_ATTEMPTED,
        }
        assert store.progress(plan).results == {Result.APPLIED: 2, Result.NOT_ATTEMPTED: 2}
    assert loaded.query("SELECT op, asked, answered FROM dub.push_log WHERE number = 2") == [
        ("create", '{"country":"DE","external_id":"0012"}', '{"country":"US","external_id":"0012"}')
    ]


def test_what_is_stored_of_plans_never_moves_the_memory_of_the_source(loaded: World) -> None:
    before = memory_of(loaded)
    changes = some_changes()
    for working in ("fresh", "fresh", "another"):
        with store_of(loaded, working=loaded.folder / working) as store:
            state = store.state
            store.save_plan(a_plan(changes), changes)
            store.save_outcomes(PLAN_ID, [an_outcome(each.number) for each in changes])
            assert store.state == state
            assert state.frontier is not None
    assert memory_of(loaded) == before
    result = loaded.load("auto")
    assert result.report.decision.kind == "incremental"
    assert counts(result) == (0, 0, 0)


def test_a_load_and_a_plan_exclude_each_other_on_one_machine(loaded: World) -> None:
    with store_of(loaded), pytest.raises(AlreadyRunning):
        loaded.load()


def test_what_dub_has_made_of_values_is_known_the_last_of_each_field(loaded: World) -> None:
    """Of those whose every value was taken as it is, nothing has to be known."""
    changes = [
        update(0, "cus_a", avatar="https://example.test/a.png", name="A"),
        update(1, "cus_b", name="B"),
        update(2, "cus_a", avatar="https://example.test/b.png"),
        update(3, "cus_c", avatar="https://example.test/c.png"),
    ]
    made = "https://dubassets.com/customers/cus_a/avatar_"
    outcomes = [
        an_outcome(0, customer_id="cus_a", answered={"avatar": f"{made}1", "name": "A"}),
        an_outcome(1, customer_id="cus_b", answered={"name": "B"}),
        an_outcome(
            2,
            customer_id="cus_a",
            answered={"avatar": f"{made}2"},
            requested_at=_MOMENT + timedelta(seconds=1),
        ),
        an_outcome(3, Result.REJECTED, customer_id="cus_c", answered={"avatar": f"{made}3"}),
    ]
    with store_of(loaded) as store:
        assert store.settled().num_rows == 0
        store.save_plan(a_plan(changes), changes)
        store.save_outcomes(PLAN_ID, list(reversed(outcomes)))
        rows = sorted(map(tuple, (row.values() for row in store.settled().to_pylist())))
    assert rows == [
        ("cus_a", "avatar", "https://example.test/b.png", f"{made}2"),
        ("cus_a", "name", "A", "A"),
    ]


def test_a_sync_owns_whom_it_has_created_and_nobody_else(loaded: World) -> None:
    def create(number: int) -> Change:
        return Change(number, Op.CREATE, None, f"{number}", {"external_id": f"{number}", "country": "DE"})

    changes = [create(0), create(1), create(2), update(3, "cus_touched", name="N")]
    with store_of(loaded) as store:
        assert store.created_by("crm.names").to_pylist() == []
        for sync, plan_id in (("crm.names", PLAN_ID), ("other", "plan_other")):
            store.save_plan(a_plan(changes, plan_id, sync=sync), changes)
            store.save_outcomes(
                plan_id,
                [
                    an_outcome(0, customer_id=f"cus_of_{sync}"),
                    an_outcome(1, Result.ALREADY_APPLIED, customer_id="cus_was_there"),
                    an_outcome(2, Result.REJECTED),
                    an_outcome(3),
                ],
            )
        assert store.created_by("crm.names").to_pylist() == ["cus_of_crm.names"]


def test_customers_whose_row_is_older_than_our_change_are_found(loaded: World) -> None:
    older, newer = loaded.sandbox.ids()[:2]
    ((observed,),) = loaded.query("SELECT observed_at FROM dub.customers WHERE id = ?", older)
    later, before = observed + timedelta(seconds=1), observed - timedelta(seconds=1)
    ids = [older, newer, "cus_unknown", older]
    changes = [update(number, each, name="N") for number, each in enumerate(ids)]
    moments = (later, before, before, before)
    with store_of(loaded) as store:
        store.save_plan(a_plan(changes), changes)
        store.save_outcomes(
            PLAN_ID, [an_outcome(number, requested_at=moment) for number, moment in enumerate(moments)]
        )
        assert sorted(store.unmirrored(PLAN_ID)) == sorted(("cus_unknown", older))


def test_customers_whom_a_plan_has_met_as_gone_and_whose_row_lives_are_found(loaded: World) -> None:
    met, missed, deleted, marked = loaded.sandbox.ids()[:4]
    loaded.sandbox.delete(marked)
    loaded.load()
    ((observed,),) = loaded.query("SELECT observed_at FROM dub.customers WHERE id = ?", met)
    changes = [
        update(0, met, name="N"),
        update(1, missed, name="N"),
        *(Change(number, Op.DELETE, each, None, {}) for number, each in enumerate((deleted, marked), 2)),
    ]
    later = observed + timedelta(seconds=1)
    with store_of(loaded) as store:
        store.save_plan(a_plan(changes), changes)
        store.save_outcomes(
            PLAN_ID,
            [
                an_outcome(0, Result.DRIFTED, status=200, customer_id=met, requested_at=later),
                an_outcome(1, Result.DRIFTED, status=404, customer_id=missed, requested_at=later),
                an_outcome(2, Result.ALREADY_APPLIED, status=404, customer_id=deleted, requested_at=later),
                an_outcome(3, Result.ALREADY_APPLIED, status=404, customer_id=marked, requested_at=later),
            ],
        )
        assert sorted(store.unmirrored(PLAN_ID)) == sorted((missed, deleted))


def test_planning_reads_the_columns_that_there_are(make_world: MakeWorld) -> None:
    world = make_world(40)
    world.load(exclude_columns=["email", "country"])
    with store_of(world) as store:
        (rows,) = store.customers()
        assert rows.column_names == [name for name in MIRRORED if name not in ("email", "country")]
        assert sorted(rows["id"].to_pylist()) == sorted(world.sandbox.ids())
        assert store.last_load() == world.sync_runs()[-1]["started_at"]


def test_only_runs_that_went_well_make_the_customers_new(loaded: World) -> None:
    world = loaded
    (good,) = world.sync_runs()
    for customer_id in world.sandbox.ids()[:30]:
        world.sandbox.delete(customer_id)
    with pytest.raises(Exception, match="may be marked as deleted"):
        world.load()
    assert [row["status"] for row in world.sync_runs()] == ["ok", "failed"]
    with store_of(world) as store:
        assert store.last_load() == good["started_at"]


def test_the_form_is_that_of_the_last_load(make_world: MakeWorld) -> None:
    world, key = make_world(10), "a secret of at least 16"
    with store_of(world) as store:
        assert (store.last_load(), list(store.customers())) == (None, [])
        with pytest.raises(SettingsError, match="No customers have been loaded into the table customers"):
            store.check_form(Form())
    world.load(hash_columns=["email"], hash_key=key, include_expanded_fields=False)
    form = Form(expanded=False, privacy=Privacy(hashed=frozenset({"email"}), key=key))
    with store_of(world) as store:
        store.check_form(form)
        for other in (Form(), replace(form, expanded=True), replace(form, privacy=Privacy())):
            with pytest.raises(SettingsError, match="loaded with other settings"):
                store.check_form(other)


def test_a_table_of_some_customers_is_nothing_to_plan_with(make_world: MakeWorld) -> None:
    world = make_world(40)
    world.load(country="US")
    with (
        store_of(world, table="customers_filtered") as store,
        pytest.raises(SettingsError, match="table customers_filtered"),
    ):
        store.check_form(Form())


def test_the_form_is_configured_where_the_source_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCES__DUB__EXCLUDE_COLUMNS", '["country"]')
    monkeypatch.setenv("SOURCES__DUB__HASH_COLUMNS", '["email"]')
    monkeypatch.setenv("SOURCES__DUB__HASH_KEY", "a secret of at least 16")
    monkeypatch.setenv("SOURCES__DUB__INCLUDE_EXPANDED_FIELDS", "false")
    form = configured_form()
    assert not form.expanded
    assert (set(form.privacy.exclude), set(form.privacy.hashed)) == ({"country"}, {"email"})
    monkeypatch.setenv("SOURCES__DUB__HASH_KEY", "short")
    with pytest.raises(SettingsError, match="hash_key"):
        configured_form()
