"""Whole runs: load, decide in the warehouse, plan, apply, load again."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dub_source import runs
from dub_source.errors import (
    DubError,
    Forbidden,
    InvalidArgument,
    NothingDesired,
    OtherWorkspace,
    SettingsError,
    StaleMirror,
    StalePlan,
    TooManyDeletes,
    Unauthorized,
)
from dub_source.reverse.model import Result
from dub_source.reverse.sync_file import Sync
from dub_source.reverse.write_through import learn
from dub_source.runs import course
from dub_source.sandbox import Fault
from dub_source.sandbox.generate import generate
from tests.conftest import StartSandbox
from tests.reverse.conftest import MakePushWorld
from tests.reverse.world import PushWorld, command
from tests.sync.world import counts
from tests.warehouses import Make

NOTHING = (0, 0, 0)


def of(result: Any) -> dict[str, int]:
    """How many ended how; not those that none did."""
    return {name.value: number for name, number in result.counts.items() if number}


# From the warehouse to Dub and back


def test_what_is_planned_is_done_and_no_news_for_the_next_load(push_world: PushWorld) -> None:
    world = push_world
    one, two, *_ = world.sandbox.ids()
    world.wish({one: {"name": "Jane Doe", "email": None}, two: {"name": None, "email": "two@example.com"}})
    state = world.state()
    world.sandbox.forget_requests()
    made = world.plan()
    assert {each.method for each in world.sandbox.requests} == {"GET"}
    assert (made.plan.counts, made.finished) == ({"update": 2, "update.email": 1, "update.name": 1}, False)
    assert world.plan().plan.plan_id == made.plan.plan_id

    applied = world.apply(made)
    assert (of(applied), applied.complete, applied.stopped_by) == ({"applied": 2}, True, None)
    assert world.shown(one)["name"] == "Jane Doe"
    assert world.shown(two)["email"] == "two@example.com"
    assert world.customers()[one]["name"] == "Jane Doe"
    assert world.changes(two)[-1] == ("updated", '["email"]')
    assert world.state() == state, "the frontier is where it was"

    assert counts(world.load()) == NOTHING
    world.assert_as_in_dub()
    empty = world.plan()
    assert (empty.plan.changes, empty.finished) == (0, True)
    assert world.apply(empty).complete
    assert world.plan().plan.plan_id == empty.plan.plan_id


@pytest.mark.slow
@pytest.mark.everywhere
def test_each_change_ends_as_it_must(push_world: PushWorld) -> None:
    world = push_world
    fine, taken, drifted, country, same, gone, other = world.sandbox.ids()[:7]
    world.wish(
        {
            fine: {"name": "Fine"},
            taken: {"external_id": "free-when-planned"},
            drifted: {"name": "From the warehouse"},
            country: {"country": "AQ"},
            same: {"name": "The same"},
            gone: {"name": "Nobody"},
        }
    )
    made = world.plan(try_ignored=True)
    world.sandbox.change(other, external_id="free-when-planned")
    world.sandbox.change(drifted, name="From Dub")
    world.sandbox.change(same, name="The same")
    world.sandbox.delete(gone)
    expected = {
        fine: "applied",
        taken: "rejected",
        drifted: "drifted",
        country: "accepted_not_applied",
        same: "already_applied",
        gone: "drifted",
    }
    applied = world.apply(made)
    assert world.results(made.plan.plan_id) == expected
    assert not applied.complete
    assert {(each.result, each.status) for each in applied.troubles} == {
        (Result.REJECTED, 409),
        (Result.DRIFTED, 200),
        (Result.DRIFTED, 404),
        (Result.ACCEPTED_NOT_APPLIED, 200),
    }
    rows = world.customers()
    assert rows[drifted]["name"] == "From Dub"
    assert rows[gone]["deleted_at"] is not None
    assert world.shown(drifted)["name"] == "From Dub"

    # What somebody else has changed is news: who took the external id. Of ours, nothing is.
    assert counts(world.load()) == (0, 1, 0)
    world.assert_as_in_dub(gone=1)
    # What is rejected stays so until somebody asks for it again, and then it alone is sent.
    world.sandbox.change(other, external_id="something-else")
    world.sandbox.forget_requests()
    assert of(world.apply(made)) == of(applied)
    assert world.sandbox.requests == []
    retried = world.apply(made, retry_rejected=True)
    assert world.results(made.plan.plan_id) == {**expected, taken: "applied"}
    assert {name: number for name, number in retried.report.counts.items() if number} == {Result.APPLIED: 1}
    # Dub's own way with a country is known by now.
    assert world.plan(try_ignored=True).plan.counts == {"update": 1, "update.name": 1}


@pytest.mark.slow
def test_a_list_of_new_customers_and_what_a_mirror_may_delete(push_world: PushWorld, tmp_path: Path) -> None:
    world = push_world
    people = tmp_path / "people.csv"
    known = world.shown(world.sandbox.ids()[0])["externalId"]
    people.write_text(
        f'user,full_name,email,country\n{known},Known,,\nnew-1,"Doe, Jane",jane@example.com,DE\nnew-2,,,FR\n'
    )
    sync: dict[str, Any] = {
        "file": "people.csv",
        "folder": tmp_path,
        "key": "external_id",
        "sync_mode": "mirror",
        "name": "people",
        "mapping": {
            "external_id": "user",
            "name": "full_name",
            "email": "email",
            "country": "country",
        },
    }
    made = world.plan(**sync)
    assert made.plan.counts == {"create": 2, "update": 1, "update.name": 1}
    assert of(world.apply(made)) == {"applied": 3}
    created = {each["externalId"]: each for each in world.sandbox.snapshot().values()}
    assert created["new-1"]["name"] == "Doe, Jane"
    assert counts(world.load()) == NOTHING
    world.assert_as_in_dub()
    assert world.plan(**sync).plan.changes == 0

    people.write_text("user,full_name,email,country\nnew-1,Jane,jane@example.com,DE\n")
    second = world.plan(**sync)
    assert second.plan.counts == {"delete": 1, "update": 1, "update.name": 1}, "touched is not owned"
    assert of(world.apply(second)) == {"applied": 2}
    assert created["new-2"]["id"] not in world.sandbox.ids()
    assert world.changes(created["new-2"]["id"])[-1][0] == "deleted"
    assert counts(world.load()) == NOTHING
    world.assert_as_in_dub(gone=1)


@pytest.mark.slow
def test_a_declared_sync_and_a_query_that_deletes(push_world: PushWorld) -> None:
    world = push_world
    doomed = world.sandbox.ids()[:12]
    quoted = ", ".join(f"'{each}'" for each in doomed)
    query = f"SELECT id FROM dub.customers WHERE id IN ({quoted})"
    with pytest.raises(TooManyDeletes, match="max_deletes allows 5"):
        world.plan(query=query, sync_mode="delete", max_deletes=5)
    made = world.plan(query=query, sync_mode="delete")
    assert of(world.apply(made)) == {"applied": 12}
    assert not set(doomed) & set(world.sandbox.ids())
    assert all(world.customers()[each]["deleted_at"] for each in doomed)
    assert counts(world.load()) == NOTHING
    world.assert_as_in_dub(gone=12)
    # A finished plan is never reopened: who is created again under the old external id is somebody else.
    world.sandbox.forget_requests()
    assert of(world.apply(made)) == {"applied": 12}
    assert world.sandbox.requests == []


# With others at work


@pytest.mark.slow
def test_a_sweep_that_has_read_before_and_lands_after_undoes_nothing(push_world: PushWorld) -> None:
    world = push_world
    one, two, three = world.sandbox.ids()[:3]
    world.wish({one: {"name": "Changed"}, two: {"name": "Deleted"}})
    made = world.plan()
    deletion = world.plan(query=f"SELECT '{three}' AS id", sync_mode="delete")
    world.sandbox.change(
        two, avatar="https://dubassets.com/own.png"
    )  # So that the sweep brings this row, too.
    world.sandbox.change(one, avatar="https://dubassets.com/own.png")

    def apply_elsewhere() -> None:
        for each in (made, deletion):
            code, _, told = command(world, "apply", each.plan.plan_id, working=world.folder / "elsewhere")
            assert code == 0, told

    world.load(act=apply_elsewhere)
    rows = world.customers()
    assert (rows[one]["name"], rows[two]["name"]) == ("Changed", "Deleted")
    assert rows[three]["deleted_at"] is not None
    assert counts(world.load()) == NOTHING
    world.assert_as_in_dub(gone=1)


@pytest.mark.slow
def test_a_key_that_is_revoked_half_way_stops_everything(make_push_world: MakePushWorld) -> None:
    data = generate(40)
    owner = data.tokens[0]
    data.tokens.append(replace(owner, name="second", key=owner.key + "2"))
    world = make_push_world(data)
    world.wish({each: {"name": f"Name {number}"} for number, each in enumerate(world.sandbox.ids())})
    made, before = world.plan(), world.state()
    world.sandbox.inject(
        Fault("call", method="PATCH", skip=10, action=lambda: world.sandbox.revoke(owner.key))
    )
    stopped = world.apply(made)
    assert isinstance(stopped.stopped_by, Unauthorized)
    results = of(stopped)
    assert (sum(results.values()), set(results)) == (40, {"applied", "not_attempted"})
    logged = world.results(made.plan.plan_id)
    renamed = {each for each, row in world.sandbox.snapshot().items() if row["name"].startswith("Name ")}
    assert {each for each, result in logged.items() if result == "applied"} == renamed

    done = world.apply(made, api_key=world.sandbox.key("second"))
    assert (of(done), done.complete) == ({"applied": 40}, True)
    assert (
        len([each for each in world.sandbox.requests if each.method == "PATCH" and each.status == 200]) == 40
    )
    assert world.state() == before
    assert counts(world.load(api_key=world.sandbox.key("second"))) == NOTHING
    world.assert_as_in_dub()


def all_but_customers(world: PushWorld) -> list[str]:
    names = (name.removeprefix("dub.") for name in world.warehouse.tables() if name.startswith("dub."))
    return [name for name in names if name != "customers"]


@pytest.mark.slow
def test_what_a_killed_load_of_outcomes_owes_to_the_customers_is_made_good(push_world: PushWorld) -> None:
    """dlt loads the tables of a package one after the other: the log may be there, and the customers not."""
    world = push_world
    one, two, three = world.sandbox.ids()[:3]
    # Of the third one, Dub applies the name and ignores the country.
    world.wish({one: {"name": "Changed"}, three: {"name": "In part", "country": "AQ"}})
    made = world.plan(try_ignored=True)
    deletion = world.plan(query=f"SELECT '{two}' AS id", sync_mode="delete")
    before = world.warehouse.keep()
    for each in (made, deletion):
        world.apply(each)
    world.warehouse.put_back(before, but=all_but_customers(world))
    assert world.customers()[one]["name"] != "Changed"
    for each in (made, deletion):
        world.apply(each)
    assert [world.customers()[each]["name"] for each in (one, three)] == ["Changed", "In part"]
    assert world.customers()[two]["deleted_at"] is not None
    assert counts(world.load()) == NOTHING
    world.assert_as_in_dub(gone=1)


@pytest.mark.slow
@pytest.mark.parametrize(
    "form",
    (
        {"include_expanded_fields": False},
        {"exclude_columns": ["avatar", "email"], "hash_columns": ["country"], "hash_key": "k" * 32},
    ),
    ids=("not expanded", "hashed"),
)
def test_rows_are_written_in_the_form_of_the_loads(
    form: dict[str, Any], make_push_world: MakePushWorld
) -> None:
    world = make_push_world(60, form=form)
    ids = world.sandbox.ids()
    nameless = world.sandbox.insert(name=None, email=None).id
    world.load(**form)
    world.wish({ids[0]: {"name": "Changed"}, nameless: {"stripe_customer_id": "cus_stripe"}})
    assert world.apply(world.plan(**form), **form).complete
    creation = world.plan(
        query="SELECT 'new' AS external_id, 'FR' AS country", key="external_id", sync_mode="create", **form
    )
    assert world.apply(creation, **form).complete
    assert counts(world.load(**form)) == NOTHING
    world.assert_history_agrees()
    assert world.changes(nameless)[-1] == ("updated", '["stripe_customer_id"]')


# What stops a run


def test_what_cannot_be_planned_is_one_sentence_and_stores_nothing(
    push_world: PushWorld, make_warehouse: Make, tmp_path: Path
) -> None:
    world, none = push_world, tmp_path / "none"
    none.mkdir()
    world.wish({world.sandbox.ids()[0]: {"name": "Changed"}})
    tomorrow = datetime.now(UTC) + timedelta(hours=25)

    def refused(kind: type[DubError], match: str, **options: Any) -> None:
        with pytest.raises(kind, match=match):
            world.plan(**options)

    refused(StaleMirror, "25.0 hours ago", clock=lambda: tomorrow)
    refused(SettingsError, "other settings than these", include_expanded_fields=False)
    refused(SettingsError, "No customers have been loaded into the table others", table_name="others")
    refused(SettingsError, "up to 54 lower-case letters", table_name="Others")
    refused(InvalidArgument, "no option tabel_name .did you mean table_name", tabel_name="customers")
    refused(NothingDesired, "no rows", query="SELECT id, name FROM crm.names WHERE false")
    assert "dub.push_plans" not in world.warehouse.tables()
    with pytest.raises(SettingsError, match="No customers have been loaded"):
        runs.plan(make_warehouse(none).target, Sync(table="crm.names"), **world.here)
    assert list(none.iterdir()) == []


def test_another_workspace_is_found_out_before_anything_is_planned_or_sent(
    push_world: PushWorld, start_sandbox: StartSandbox
) -> None:
    world = push_world
    other = start_sandbox(generate(50, random_seed=7))
    elsewhere = {"api_key": other.key(), "base_url": other.url}
    world.wish({world.sandbox.ids()[0]: {"name": "Changed"}})
    with pytest.raises(OtherWorkspace, match="none of the 100 known customers"):
        world.plan(**elsewhere)
    made = world.plan()
    with pytest.raises(OtherWorkspace, match="nothing was changed"):
        world.apply(made, **elsewhere)
    assert not [each for each in other.requests if each.method != "GET"]
    assert world.apply(made).complete


def test_another_workspace_does_not_make_up_for_a_load_that_ended_half_way(
    push_world: PushWorld, start_sandbox: StartSandbox
) -> None:
    """The plan is finished, so nothing is sent; but whom it has changed is read again, and is not there."""
    world = push_world
    other = start_sandbox(generate(50, random_seed=7))
    first = world.sandbox.ids()[0]
    world.wish({first: {"name": "Changed"}})
    made = world.plan()
    assert world.apply(made).complete
    long_ago = "CAST('2020-01-01 00:00:00+00' AS TIMESTAMP WITH TIME ZONE)"
    world.warehouse.update("dub.customers", {"observed_at": long_ago}, f"id = '{first}'")
    with pytest.raises(OtherWorkspace, match="nothing was changed"):
        world.apply(made, api_key=other.key(), base_url=other.url)
    there = "SELECT name, deleted_at FROM dub.customers WHERE id = ?"
    assert world.query(there, first) == [("Changed", None)]
    assert world.apply(made).complete


@pytest.mark.slow
def test_plans_are_found_by_their_first_characters_and_grow_old(push_world: PushWorld) -> None:
    world = push_world
    world.wish({world.sandbox.ids()[0]: {"name": "Changed"}})
    made = world.plan(max_plan_age_h=2)
    later = datetime.now(UTC) + timedelta(hours=3)
    for wrong, match in (
        ("plan_12", "first 8 characters or more"),
        ("plan_1234; DROP", "first 8 characters or more"),
        ("plan_ffffffffff", "There is no plan plan_ffffffffff"),
    ):
        with pytest.raises(InvalidArgument, match=match):
            world.apply(wrong)
    with pytest.raises(StalePlan, match="older than 2 "):
        world.apply(made, clock=lambda: later)
    # Whoever plans the same again says that it still holds.
    assert world.plan(max_plan_age_h=2, clock=lambda: later).plan.plan_id == made.plan.plan_id
    assert world.apply(made.plan.plan_id[:14], clock=lambda: later).complete
    world.load(table_name="others")
    with pytest.raises(SettingsError, match="made for the table customers"):
        world.apply(made, table_name="others")


@pytest.mark.slow
def test_a_plan_of_which_nothing_was_sent_grows_old_all_the_same(push_world: PushWorld) -> None:
    world = push_world
    one, two, *_ = world.sandbox.ids()
    world.wish({one: {"name": "Changed"}, two: {"name": "Changed"}})
    made = world.plan()
    later = datetime.now(UTC) + timedelta(days=40)
    world.sandbox.inject(Fault("status", "PATCH", status=403, code="forbidden", times=100))
    stopped = world.apply(made)
    assert (of(stopped), type(stopped.stopped_by)) == ({"not_attempted": 2}, Forbidden)
    world.sandbox.clear_faults()
    with pytest.raises(StalePlan, match="960"):
        world.apply(made, clock=lambda: later)
    assert [world.shown(each)["name"] == "Changed" for each in (one, two)] == [False, False]
    # Once it is begun, it is brought to its end.
    world.sandbox.inject(Fault("status", "PATCH", status=403, code="forbidden", skip=1, times=100))
    assert of(world.apply(made)) == {"applied": 1, "not_attempted": 1}
    world.sandbox.clear_faults()
    assert of(world.apply(made, clock=lambda: later)) == {"applied": 2}


@pytest.mark.slow
def test_a_plan_is_taken_back(push_world: PushWorld) -> None:
    world = push_world
    one, two = world.sandbox.ids()[:2]
    before = world.sandbox.snapshot()
    world.warehouse.execute("CREATE SCHEMA crm")
    world.warehouse.execute(
        "CREATE TABLE crm.all AS SELECT * FROM (VALUES "
        f"('{before[one]['externalId']}', 'Changed', NULL, NULL), "
        f"('{before[two]['externalId']}', NULL, NULL, 'delete'), "
        "('brand-new', 'New', 'FR', 'create')) AS t (external_id, name, country, op)"
    )
    made = world.plan(table="crm.all", key="external_id")
    assert made.plan.counts == {"create": 1, "delete": 1, "update": 1, "update.name": 1}
    assert world.apply(made).complete

    back = runs.revert(world.target, made.plan.plan_id, **world.here)
    assert back.plan.counts == {"update": 1, "update.name": 1}
    assert (back.plan.reverts, len(back.summary.remarks.notes)) == (made.plan.plan_id, 2)
    with pytest.raises(TooManyDeletes):
        runs.revert(world.target, made.plan.plan_id, delete_created=True, max_deletes=0, **world.here)
    with_created = runs.revert(world.target, made.plan.plan_id, delete_created=True, **world.here)
    assert world.apply(with_created).complete
    del before[two]
    assert world.sandbox.snapshot() == before
    # Both ways back lead to the same place.
    assert of(world.apply(back)) == {"already_applied": 1}
    assert runs.revert(world.target, made.plan.plan_id, **world.here).plan.changes == 1
    assert counts(world.load()) == NOTHING
    world.assert_as_in_dub(gone=2)


def test_a_load_that_lands_while_an_apply_asks_dub_again(
    push_world: PushWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From another machine, say: what the apply has learned is compared with what is stored by then."""
    world, learned = push_world, []
    world.wish({each: {"name": f"Name of {each}"} for each in world.sandbox.ids()[:10]})
    made = world.plan()

    def learn_slowly(*arguments: Any, **options: Any) -> Any:
        learned.append(learn(*arguments, **options))
        if len(learned) == 1:
            assert command(world, "load", working=world.folder / "elsewhere")[0] == 0
        return learned[-1]

    monkeypatch.setattr(course, "learn", learn_slowly)
    assert world.apply(made).complete
    assert len(learned) == 2
    world.assert_as_in_dub()
    assert counts(world.load()) == NOTHING
