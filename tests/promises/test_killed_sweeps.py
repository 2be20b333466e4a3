"""What a sweep that was killed leaves for those after it, beside its rows."""

import pytest

from dub_source.errors import DubError
from tests.sync.conftest import MakeWorld
from tests.sync.world import World


def killed_when_all_was_read(world: World) -> None:
    def fail() -> None:
        raise DubError("stop")

    with pytest.raises(Exception, match="stop"):
        world.load(act=fail)


def test_an_incremental_run_after_a_resumed_sweep_is_as_cheap_as_ever(make_world: MakeWorld) -> None:
    world = make_world(600)
    killed_when_all_was_read(world)
    assert world.load().report.resumed
    world.sandbox.forget_requests()
    result = world.load("incremental", refresh_requests=0)
    assert result.report.decision.kind == "incremental"
    assert len(world.sandbox.requests) <= 4


def test_whom_the_killed_part_has_met_is_not_asked_for(make_world: MakeWorld) -> None:
    world = make_world(300)
    world.load()
    gone = world.sandbox.ids()[7]
    world.sandbox.delete(gone)
    killed_when_all_was_read(world)
    world.sandbox.forget_requests()
    result = world.load()
    assert result.report.resumed
    assert [row["id"] for row in world.customers().values() if row["deleted_at"]] == [gone]
    asked = [each for each in world.sandbox.requests if gone in each.query]
    assert len(asked) <= 2
