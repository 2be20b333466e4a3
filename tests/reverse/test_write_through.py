"""What Dub has answered is in the warehouse at once: the next load finds nothing of ours that is new."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dub_source.client import DubClient
from dub_source.privacy import Privacy
from dub_source.reverse.form import Form
from dub_source.reverse.model import Change, Op
from dub_source.reverse.write_through import learn
from dub_source.settings import Settings
from dub_source.types import Page
from tests.reverse.pushes import (
    PLAN_ID,
    Sent,
    a_plan,
    keep,
    push,
    rename_elsewhere,
    send,
    store_of,
    update,
)
from tests.reverse.test_store import memory_of
from tests.sync.conftest import MakeWorld
from tests.sync.world import World, counts

KEY = "a secret of at least 16"
HASHED = Privacy(exclude=frozenset({"country"}), hashed=frozenset({"email"}), key=KEY)
FORMS: dict[str, tuple[Form, dict[str, Any]]] = {
    "all": (Form(), {}),
    "not expanded": (Form(expanded=False), {"include_expanded_fields": False}),
    "hashed": (
        Form(privacy=HASHED),
        {"exclude_columns": ["country"], "hash_columns": ["email"], "hash_key": KEY},
    ),
}


def delete(number: int, customer_id: str) -> Change:
    return Change(number, Op.DELETE, customer_id)


def create(number: int, external_id: str, **asked: str | None) -> Change:
    return Change(
        number, Op.CREATE, None, external_id, {"external_id": external_id, "country": "DE", **asked}
    )


def versions(world: World, customer_id: str) -> list[tuple[str, str | None]]:
    return world.changes(customer_id)


@pytest.mark.parametrize(
    "form", ("all", *(pytest.param(each, marks=pytest.mark.slow) for each in ("hashed", "not expanded")))
)
def test_a_load_after_our_changes_finds_nothing_new(form: str, make_world: MakeWorld) -> None:
    world, (stored, options) = make_world(60), FORMS[form]
    world.load(**options)
    memory = memory_of(world)
    renamed, cleared, gone, nameless = world.sandbox.ids()[10:14]
    changes = [
        update(0, renamed, name="Renamed", email="new@example.test"),
        update(1, cleared, avatar="https://example.test/a.png"),
        # Dub makes up a name for somebody without name and email, another one in every answer.
        update(2, nameless, name=None, email=None),
        create(3, "made", name="Made"),
        create(4, "nameless"),
        delete(5, gone),
    ]
    before = {each: len(world.history(each)) for each in (renamed, cleared, gone, nameless)}
    sent = push(world, changes, form=stored)
    assert memory_of(world) == memory
    made, unnamed = (sent.outcomes[number].customer_id or "" for number in (3, 4))
    rows = world.customers()
    assert rows[renamed]["name"] == "Renamed"
    assert rows[gone]["deleted_at"] == sent.outcomes[5].requested_at == rows[gone]["observed_at"]
    # Whoever is created gets a name that stays.
    assert [rows[each]["name_generated"] for each in (nameless, unnamed, made)] == [True, False, False]
    assert {each: len(world.history(each)) - count for each, count in before.items()} == dict.fromkeys(
        before, 1
    )
    assert versions(world, gone)[-1] == ("deleted", None)
    assert versions(world, made) == versions(world, unnamed) == [("created", None)]
    assert versions(world, cleared)[-1] == ("updated", '["avatar"]')
    stored_rows = world.dump()
    for mode in ("incremental", "full"):
        assert counts(world.load(mode, **options)) == (0, 0, 0), mode
    assert world.dump() == stored_rows
    if form == "all":
        world.assert_as_in_dub(gone=1)


def test_rows_that_were_answered_in_part_do_not_empty_link_and_partner(loaded: World) -> None:
    """Dub leaves them out where it is not asked for them, and where it cannot be: in answers to a POST."""
    world = loaded
    linked = next(each for each, row in world.sandbox.snapshot().items() if row.get("link"))
    before = world.customers()[linked]
    world.sandbox.change(linked, country="ZZ")
    settings = Settings(world.sandbox.key(), world.sandbox.url)
    with store_of(world) as store, DubClient(settings) as client:
        answer = Page([client.get(linked)], datetime.now(UTC))
        assert "link" not in answer.customers[0]
        keep(store, client, Sent(pages=[answer]), world.folder)
    after = world.customers()[linked]
    assert before["link__id"]
    assert {name for name in before if before[name] != after[name]} == {"country", "row_hash", "observed_at"}
    assert counts(world.load()) == (0, 0, 0)


def test_who_was_changed_twice_before_it_was_stored_has_the_last_answer(loaded: World) -> None:
    world = loaded
    swapped = world.sandbox.ids()[5]
    push(world, [update(0, swapped, external_id="temporary"), update(1, swapped, external_id="in the end")])
    assert world.customers()[swapped]["external_id"] == "in the end"
    assert versions(world, swapped)[1:] == [("updated", '["external_id"]')]
    assert counts(world.load()) == (0, 0, 0)


def test_an_answer_that_changes_nothing_writes_nothing(loaded: World) -> None:
    world = loaded
    same, gone, unknown = world.sandbox.ids()[5], world.sandbox.ids()[6], "cus_" + "0" * 25
    world.sandbox.delete(gone)
    world.load()
    before = world.dump()
    settings = Settings(world.sandbox.key(), world.sandbox.url)
    now = datetime.now(UTC)
    with store_of(world) as store, DubClient(settings) as client:
        sent = Sent(pages=[client.list(customer_ids=[same], include_expanded_fields=True)])
        sent.gone = {gone: now, unknown: now}
        written = learn(client, store, Form(), world.folder, answers=sent.pages, gone=sent.gone).written(
            store
        )
        assert (written.customers, written.versions) == (None, [])
        keep(store, client, sent, world.folder)
    assert world.dump() == before


@pytest.mark.slow
@pytest.mark.everywhere
def test_a_load_that_read_before_our_changes_and_lands_after_them_takes_nothing_back(loaded: World) -> None:
    world = loaded
    ours, both, gone, theirs = world.sandbox.ids()[10:14]
    for each in (both, theirs):
        world.sandbox.change(each, name="Theirs", email="same@example.test")

    def meanwhile() -> None:
        rename_elsewhere(world, {ours: {"name": "Ours"}, both: {"name": "Ours"}}, delete=[gone])

    world.load(act=meanwhile)
    rows = world.customers()
    assert [rows[each]["name"] for each in (ours, both, theirs)] == ["Ours", "Ours", "Theirs"]
    assert rows[gone]["deleted_at"] is not None
    assert versions(world, ours)[1:] == [("updated", '["name"]')]
    assert versions(world, gone)[1:] == [("deleted", None)]
    world.assert_as_in_dub(gone=1)
    assert counts(world.load()) == (0, 0, 0)


def test_an_answer_older_than_what_is_stored_is_not_stored(loaded: World) -> None:
    world = loaded
    customer_id = world.sandbox.ids()[5]
    settings = Settings(world.sandbox.key(), world.sandbox.url)
    with DubClient(settings) as client:
        old = client.get(customer_id, include_expanded_fields=True)
    read_at = datetime.now(UTC)
    world.sandbox.change(customer_id, name="Newer", email="same@example.test")
    world.load()
    with store_of(world) as store, DubClient(settings) as client:
        keep(store, client, Sent(pages=[Page([old], read_at)]), world.folder)
    assert world.customers()[customer_id]["name"] == "Newer"
    assert len(world.history(customer_id)) == 2


@pytest.mark.slow
@pytest.mark.everywhere
@pytest.mark.parametrize(
    "written", ("customers", "customers_history", pytest.param("push_log", marks=pytest.mark.slow))
)
def test_to_store_again_what_was_stored_in_part_makes_it_whole(written: str, loaded: World) -> None:
    """A load of three tables that was killed after one of them."""
    world = loaded
    renamed, same, gone = world.sandbox.ids()[10:13]
    changes = [
        update(0, renamed, name="Renamed"),
        update(1, same, name="Twice"),
        create(2, "made", name="Made"),
        delete(3, gone),
    ]
    settings = Settings(world.sandbox.key(), world.sandbox.url)
    with DubClient(settings) as client:
        with store_of(world) as store:
            store.save_plan(a_plan(changes), changes)
            keep(store, client, send(client, [update(1, same, name="Once")]), world.folder)
            older = world.warehouse.keep()
            sent = send(client, changes)
            keep(store, client, sent, world.folder)
        whole = contents(world)
        world.warehouse.put_back(older, but=[written])
        assert contents(world) != whole
        with store_of(world) as store:
            for _ in range(2):
                keep(store, client, sent, world.folder)
                assert contents(world) == whole
    assert counts(world.load()) == (0, 0, 0)
    assert contents(world) == whole
    world.assert_as_in_dub(gone=1)


def contents(world: World) -> dict[str, Any]:
    """The three tables, without when something was logged, or read again."""
    ignored = {"logged_at", "observed_at", "version_key"}
    tables = {name: world.table(name) for name in ("customers", "customers_history", "push_log")}
    return {
        table: sorted(repr({name: row[name] for name in row if name not in ignored}) for row in rows)
        for table, rows in tables.items()
    }


def test_what_needs_an_answer_that_dub_refuses_comes_with_the_next_apply(loaded: World) -> None:
    world = loaded
    linked = [each for each, row in world.sandbox.snapshot().items() if row.get("link")]
    renamed, nameless = linked[:2]
    changes: Sequence[Change] = [
        update(0, renamed, name="Renamed", email="r@example.test"),
        update(1, nameless, name=None, email=None),
        create(2, "made"),
    ]
    key = world.sandbox.key()
    with store_of(world) as store, DubClient(Settings(key, world.sandbox.url)) as client:
        store.save_plan(a_plan(changes), changes)
        sent = send(client, changes)
        world.sandbox.revoke(key)
        keep(store, client, sent, world.folder)
        assert len(store.outcomes(PLAN_ID)) == 3
        assert sorted(store.unmirrored(PLAN_ID)) == sorted(
            each.customer_id or "" for each in sent.outcomes[1:]
        )
    assert world.customers()[renamed]["name"] == "Renamed"
    assert len(versions(world, nameless)) == 1


def test_many_answers_at_once_do_not_depend_on_their_order(loaded: World) -> None:
    """A customer who is in several pages is stored as in the newest."""
    world = loaded
    ids = world.sandbox.ids()
    settings = Settings(world.sandbox.key(), world.sandbox.url)
    with store_of(world) as store, DubClient(settings) as client:
        pages = []
        for name in ("First", "Last"):
            for each in ids[:20]:
                world.sandbox.change(each, name=name, email="same@example.test")
            pages.append(client.list(customer_ids=ids[:20], include_expanded_fields=True))
        late = Page(pages[0].customers, pages[0].requested_at - timedelta(seconds=1))
        keep(store, client, Sent(pages=[pages[1], late]), world.folder)
    rows = world.customers()
    assert {rows[each]["name"] for each in ids[:20]} == {"Last"}
    world.assert_as_in_dub()
