"""Who is gone: marked with evidence from a certified sweep, and by nothing else."""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from dub_source.client import DubClient, RetryPolicy
from dub_source.errors import RateLimited
from dub_source.failures import cause
from dub_source.sandbox import Fault
from dub_source.sync import run as sync_run
from dub_source.types import Page
from tests.sync.conftest import MakeWorld
from tests.sync.world import World, counts

Patch = pytest.MonkeyPatch


def answer_nothing(patch: Patch, when: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
    """Let lists be empty by mistake; returns the requests for which they were."""
    mistaken: list[dict[str, Any]] = []
    honest = DubClient.list

    def answer(self: DubClient, **query: Any) -> Page:
        if when(query):
            mistaken.append(query)
            return Page([], datetime.now(UTC))
        return honest(self, **query)

    patch.setattr(DubClient, "list", answer)
    return mistaken


def test_the_moment_of_a_deletion_is_that_of_its_proof(world: World) -> None:
    world.load()
    gone = world.sandbox.ids()[7]
    world.sandbox.delete(gone)
    before = datetime.now(UTC)
    world.sandbox.forget_requests()
    result = world.load()
    assert counts(result) == (0, 0, 1)
    (row,) = (row for row in world.history(gone) if row["change"] == "deleted")
    assert before < row["deleted_at"] == row["observed_at"] < datetime.now(UTC)
    named = [request.query for request in world.sandbox.requests if gone in request.query]
    assert named, "it was asked for"
    assert counts(world.load()) == (0, 0, 0)
    assert [row["deleted"] for row in world.sync_runs()] == [0, 1, 0]


def test_whoever_comes_back_is_undeleted(world: World) -> None:
    world.load()
    same, other = world.sandbox.ids()[5:7]
    store = world.sandbox.store
    kept = [store.find(store.dataset.workspaces[0].id, each) for each in (same, other)]
    world.sandbox.delete(same)
    world.sandbox.delete(other)
    assert counts(world.load()) == (0, 0, 2)
    for row in kept:
        assert row is not None
        store.add(row)
    world.sandbox.change(other, name="Came Back Under Another Name")
    assert counts(world.load()) == (0, 2, 0)
    world.assert_as_in_dub()
    assert world.changes(same)[1:] == [("deleted", None), ("updated", '["deleted_at"]')]
    assert world.changes(other)[1:] == [("deleted", None), ("updated", '["deleted_at", "name"]')]
    world.sandbox.delete(same)
    assert counts(world.load()) == (0, 0, 1)
    assert [change for change, _ in world.changes(same)] == ["created", "deleted", "updated", "deleted"]
    world.assert_as_in_dub(gone=1)


def test_an_incremental_run_marks_nobody(world: World) -> None:
    world.load()
    for gone in world.sandbox.ids()[30:33]:
        world.sandbox.delete(gone)
    before = world.dump()
    result = world.load("incremental")
    assert result.report.refreshed == 117
    assert world.dump() == before
    assert counts(world.load()) == (0, 0, 3)


def test_a_sweep_that_could_not_read_everybody_marks_nobody(world: World) -> None:
    world.load()
    ids = world.sandbox.ids()
    unreadable, gone, renamed = ids[40], ids[90], ids[100]
    was = world.customers()[unreadable]["external_id"]
    world.sandbox.change(unreadable, external_id=None)
    world.sandbox.delete(gone)
    world.sandbox.change(renamed, name="Renamed")
    result = world.load()
    assert counts(result) == (0, 1, 0)
    assert (result.report.complete, result.report.unread) == (False, 1)
    assert world.query("SELECT count(*) FROM dub.customers WHERE deleted_at IS NOT NULL") == [(0,)]
    last = world.sync_runs()[-1]
    assert (last["status"], last["certified"], last["unread"], last["deleted"]) == ("ok", False, 1, 0)
    world.sandbox.change(unreadable, external_id=was)
    assert counts(world.load()) == (0, 0, 1)
    world.assert_as_in_dub(gone=1)


@pytest.mark.parametrize("status", (400, 429))
def test_an_interrupted_or_throttled_sweep_changes_nothing(
    status: int, make_world: MakeWorld, monkeypatch: Patch
) -> None:
    world = make_world(400)
    impatient = RetryPolicy(max_elapsed_s=0.2)
    monkeypatch.setattr(sync_run, "DubClient", partial(DubClient, retry=impatient, sleep=lambda _: None))
    world.load()
    before = world.dump()
    ids = world.sandbox.ids()
    for gone in ids[30:36]:
        world.sandbox.delete(gone)
    world.sandbox.change(ids[0], name="Renamed")
    fault = Fault("status", containing="startingAfter", skip=2, times=10**6, status=status)
    world.sandbox.inject(fault)
    with pytest.raises(Exception, match=r"Dub|rate limit") as caught:
        world.load()
    assert fault.hits > 0
    assert world.dump() == before
    last = world.sync_runs()[-1]
    assert (last["status"], last["error"]) == ("failed", type(cause(caught.value)).__name__)
    assert (last["error"] == "RateLimited") == (status == 429) == isinstance(cause(caught.value), RateLimited)
    assert (last["created"], last["updated"], last["deleted"]) == (0, 0, 0)
    world.sandbox.clear_faults()
    assert counts(world.load()) == (0, 1, 6)
    world.assert_as_in_dub(gone=6)


def test_pages_that_are_empty_by_mistake_mark_nobody(world: World, monkeypatch: Patch) -> None:
    world.load()
    before = world.dump()
    with monkeypatch.context() as patch:
        left = [3]

        def some(query: dict[str, Any]) -> bool:
            left[0] -= bool(query.get("starting_after"))
            return bool(query.get("starting_after")) and left[0] >= 0

        mistaken = answer_nothing(patch, some)
        with suppress(Exception):  # either is right: to notice it, or to ask for everybody who is missing
            world.load(page_size=20)
        assert len(mistaken) == 3
    assert world.dump() == before


@pytest.mark.parametrize("together", (True, False))
def test_customers_that_a_certified_sweep_did_not_meet_are_asked_for(
    together: bool, world: World, monkeypatch: Patch
) -> None:
    """The lists hide some customers, and so does the count; only asking for them tells who is gone."""
    world.load()
    ids = world.sandbox.ids()
    hidden, gone = set(ids[60:64]), ids[70]
    world.sandbox.delete(gone)
    honest = DubClient.list

    def hiding(self: DubClient, **query: Any) -> Page:
        page = honest(self, **query)
        if query.get("customer_ids"):
            return page
        return Page([each for each in page.customers if each["id"] not in hidden], page.requested_at)

    if not together:
        world.sandbox.inject(Fault("status", containing="customerIds", times=10**6, status=400))
    with monkeypatch.context() as patch:
        patch.setattr(DubClient, "list", hiding)
        patch.setattr(DubClient, "count", lambda self, **_: 115)
        result = world.load()
    assert result.report.certificate is not None
    assert result.report.certificate.complete
    assert counts(result) == (0, 0, 1)
    world.assert_as_in_dub(gone=1)
