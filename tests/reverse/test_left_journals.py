"""Journals of applies that were killed and ended elsewhere: people's values stay on no disk for that."""

from dataclasses import replace
from pathlib import Path

import pytest

from dub_source import runs
from dub_source.reverse.journal import Journal
from dub_source.reverse.model import Outcome, Result
from tests.reverse.world import PushWorld


def journals(world: PushWorld) -> Path:
    (place,) = world.working.glob("dub_source_*")
    return place / f"dub_source_{world.target.destination}_dub.push.dub_source"


def planned(world: PushWorld) -> str:
    ids = world.sandbox.ids()[:3]
    world.wish({each: {"email": f"{each.lower()}@example.com"} for each in ids})
    return world.plan().plan.plan_id


def write_journal(world: PushWorld, plan_id: str, *outcomes: Outcome, sent: tuple[int, ...] = ()) -> None:
    with Journal(journals(world), plan_id) as journal:
        for each in outcomes:
            journal.sending(each.number)
            journal.settled(each)
        for number in sent:
            journal.sending(number)


def left(world: PushWorld) -> list[str]:
    folder = journals(world)
    return sorted(each.stem for each in folder.iterdir()) if folder.exists() else []


APPLIED = Outcome(0, Result.APPLIED, answered={"email": "somebody@example.com"}, attempts=1)


@pytest.mark.parametrize("run", ("load", "plan", "apply"))
def test_that_of_a_plan_that_is_finished_goes_with_the_next_run(push_world: PushWorld, run: str) -> None:
    world = push_world
    plan_id = planned(world)
    write_journal(world, plan_id, APPLIED, sent=(1,))
    assert world.apply(plan_id, pipelines_dir=world.folder / "elsewhere").complete
    assert left(world) == [plan_id]
    if run == "load":
        world.load("incremental")
    elif run == "plan":
        world.plan()
    else:
        world.apply(plan_id)
    assert left(world) == []
    assert set(world.results(plan_id).values()) == {"applied"}


def test_that_of_a_plan_that_is_not_stays(push_world: PushWorld) -> None:
    world = push_world
    plan_id = planned(world)
    write_journal(world, plan_id, APPLIED)
    world.load("incremental")
    world.plan()
    assert left(world) == [plan_id]
    assert world.apply(plan_id).complete
    assert left(world) == []


def test_what_only_the_journal_knows_stays(push_world: PushWorld) -> None:
    """A rejection that was sent once more, and then killed, is not the end of it."""
    world = push_world
    plan_id = planned(world)
    assert world.apply(plan_id).complete
    world.warehouse.update("dub.push_log", {"result": "'rejected'"}, "number = 0")
    write_journal(world, plan_id, sent=(0,))
    world.load("incremental")
    assert left(world) == [plan_id]
    write_journal(world, plan_id, replace(APPLIED))
    world.load("incremental")
    assert left(world) == [plan_id]
    world.apply(plan_id)
    assert left(world) == []
    assert world.results(plan_id)[world.sandbox.ids()[0]] == "applied"


def test_that_of_a_plan_that_is_not_stored_stays(push_world: PushWorld) -> None:
    """The same wish makes the same plan again: it must know then what was sent."""
    world = push_world
    world.load("incremental")  # makes the working folder
    write_journal(world, "plan_0123456789abcdef01234567", APPLIED)
    world.load("incremental")
    assert left(world) == ["plan_0123456789abcdef01234567"]


def test_what_a_killed_apply_has_done_is_taken_back(push_world: PushWorld) -> None:
    """Its outcomes may all be in the journal yet, and of what was under way nobody knows the end."""
    world = push_world
    before = world.sandbox.snapshot()
    plan_id = planned(world)
    settled, in_effect, lost = world.sandbox.ids()[:3]
    for each in (settled, in_effect):
        world.sandbox.change(each, email=f"{each.lower()}@example.com")
    done = replace(APPLIED, customer_id=settled, answered={"email": f"{settled.lower()}@example.com"})
    write_journal(world, plan_id, done, sent=(1, 2))
    back = runs.revert(world.target, plan_id, **world.here)
    assert (back.plan.counts, back.summary.remarks.notes) == ({"update": 3, "update.email": 3}, ())
    world.apply(back)
    assert world.results(back.plan.plan_id) == {
        settled: "applied",
        in_effect: "applied",
        lost: "already_applied",
    }
    assert world.sandbox.snapshot() == before
