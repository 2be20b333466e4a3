"""What the warehouse says of itself, in every kind of warehouse: the runs, what changed, the plans."""

from datetime import UTC, datetime, timedelta

import pytest
from dlt.pipeline.exceptions import PipelineStepFailed

from dub_source import runs
from dub_source.reverse.progress import PlanState
from dub_source.sandbox import Fault
from tests.reverse.conftest import MakePushWorld
from tests.reverse.world import PushWorld


def look(world: PushWorld, *, hours: float = 0) -> runs.Status:
    """The status, so many hours later."""
    return runs.status(world.target, clock=lambda: datetime.now(UTC) + timedelta(hours=hours))


def test_a_place_that_nothing_was_loaded_into(make_push_world: MakePushWorld) -> None:
    world = make_push_world(3, form=None)
    now = datetime.now(UTC)
    assert runs.status(world.target, clock=lambda: now).loaded_at is None
    assert world.warehouse.tables() == [], "a look makes nothing"


def test_runs_and_what_they_changed(push_world: PushWorld) -> None:
    renamed, moved, gone = push_world.sandbox.ids()[:3]
    push_world.sandbox.change(renamed, name="Renamed")
    push_world.sandbox.change(moved, name="Moved", country="FR")
    push_world.sandbox.delete(gone)
    push_world.load()
    push_world.load("incremental")
    found = look(push_world)
    assert (found.rows, found.ids, found.living, found.versions) == (120, 120, 119, 123)
    assert found.certified is True
    assert found.last_run is not None
    assert (found.last_run.mode, found.last_run.status) == ("incremental", "ok")
    assert found.loaded_at == found.incremental_at == found.last_run.started_at
    assert found.swept_at is not None
    assert found.incremental_at is not None
    assert found.swept_at < found.incremental_at
    lately = found.lately
    assert lately.changes == {"created": 120, "updated": 2, "deleted": 1}
    assert lately.fields == {"name": 2, "country": 1}
    requests = sum(row["requests"] for row in push_world.sync_runs())
    assert (lately.runs, lately.failed, lately.requests) == (3, 0, requests)
    later = look(push_world, hours=30).lately
    assert (later.runs, later.requests, set(later.changes.values())) == (0, 0, {0})


def test_a_run_that_failed(push_world: PushWorld) -> None:
    with pytest.raises(PipelineStepFailed):
        push_world.load(api_key="dub_of_nobody_at_all")
    found = look(push_world)
    assert found.last_run is not None
    assert (found.last_run.status, found.last_run.error) == ("failed", "Unauthorized")
    assert found.loaded_at is not None
    assert found.loaded_at < found.last_run.started_at
    assert found.lately.failed == 1


@pytest.mark.slow
def test_waiting_for_the_rate_limit_is_counted(make_push_world: MakePushWorld) -> None:
    world = make_push_world(120, rate_limit=10, rate_window_s=0.5)
    (row,) = world.sync_runs()
    assert look(world).lately.throttled_s == pytest.approx(row["throttled_seconds"])


@pytest.mark.slow
def test_plans_and_how_far_they_are(push_world: PushWorld) -> None:
    first, second, third = push_world.sandbox.ids()[:3]
    push_world.wish({first: {"name": "Ada"}})
    waits = push_world.plan(name="names")
    assert states(push_world) == {waits.plan.plan_id: PlanState.OPEN}
    assert states(push_world, hours=25) == {waits.plan.plan_id: PlanState.EXPIRED}
    push_world.apply(waits)
    assert states(push_world) == {waits.plan.plan_id: PlanState.APPLIED}

    push_world.wish({second: {"external_id": "free"}, third: {"name": "Cy"}})
    refused = push_world.plan(name="ids")
    push_world.sandbox.insert(external_id="free")
    push_world.apply(refused)
    found = look(push_world)
    (rejection,) = found.rejections
    assert found.rejected == rejection.changes == 1
    assert (rejection.plan_id, rejection.status, rejection.code) == (refused.plan.plan_id, 409, "conflict")
    assert rejection.customer_id == second
    assert rejection.reason == "Another customer has this external_id already."
    assert [each.plan.plan_id for each in found.plans] == [refused.plan.plan_id, waits.plan.plan_id]
    # A newer plan of the same sync is what counts.
    push_world.wish({third: {"name": "Cyrus"}})
    push_world.plan(name="ids")
    assert look(push_world).rejections == ()


@pytest.mark.slow
def test_a_plan_that_has_nothing_to_do_and_one_that_is_not_at_its_end(push_world: PushWorld) -> None:
    first, second, third = push_world.sandbox.ids()[:3]
    push_world.wish({first: {"name": push_world.shown(first)["name"]}})
    empty = push_world.plan(name="empty")
    push_world.wish({second: {"name": "Bo"}, third: {"name": "Cy"}})
    begun = push_world.plan(name="begun")
    push_world.sandbox.inject(Fault("status", "PATCH", status=403, code="forbidden", times=100))
    push_world.apply(begun)
    both = {empty.plan.plan_id: PlanState.EMPTY, begun.plan.plan_id: PlanState.BEGUN}
    assert states(push_world) == both
    assert states(push_world, hours=25) == both | {begun.plan.plan_id: PlanState.EXPIRED}, "nothing was sent"
    assert look(push_world).plan_states() == {"open": 0, "expired": 0, "begun": 1, "applied": 0, "empty": 1}


def states(world: PushWorld, *, hours: float = 0) -> dict[str, PlanState]:
    found = look(world, hours=hours)
    return {each.plan.plan_id: found.state_of(each) for each in found.plans}


def test_nothing_is_written_and_no_folder_of_working_files_is_touched(
    push_world: PushWorld,
) -> None:
    def everything() -> tuple[object, ...]:
        files = {
            file: (file.stat().st_mtime_ns, file.stat().st_size) for file in push_world.folder.rglob("*")
        }
        return files, push_world.state(), push_world.warehouse.tables(), push_world.dump()

    before = everything()
    requests = len(push_world.sandbox.requests)
    look(push_world)
    assert everything() == before
    assert len(push_world.sandbox.requests) == requests


def test_nothing_of_people_is_in_it(push_world: PushWorld) -> None:
    first = push_world.sandbox.ids()[0]
    push_world.wish({first: {"name": "Secret Ann", "email": "secret@example.com", "external_id": "secret-7"}})
    planned = push_world.plan(name="names")
    push_world.sandbox.insert(external_id="secret-7")
    push_world.apply(planned)
    found = look(push_world)
    assert found.rejected
    for text in (repr(found), str(found.as_json())):
        assert "ecret" not in text
        assert "@" not in text
