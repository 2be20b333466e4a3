"""Persons erased from Postgres: no table has a value of theirs, staging included."""

import pytest

from dub_source.runs.erasing import erase
from tests.reverse.world import PushWorld
from tests.sync.world import counts

pytestmark = [pytest.mark.only("postgres"), pytest.mark.timeout(300)]


def test_of_an_erased_person_no_value_is_left(push_world: PushWorld) -> None:
    world = push_world
    one = world.sandbox.insert(
        name="Jane Formerly", email="jane@example.test", external_id="jane-7", avatar=None
    ).id
    world.load()
    world.sandbox.change(one, name="Jane Now")
    world.load()
    world.wish({one: {"name": "Jane Planned"}})
    assert world.apply(world.plan()).complete
    world.warehouse.execute("DROP TABLE crm.names")
    values = ("Jane", "jane@", "jane-7")
    assert [each for each in values if each in repr(world.dump())] == list(values)

    shown = erase(world.target, emails=["JANE@example.test"], **world.here)
    assert (shown.living, shown.complete) == (1, False)
    erased = erase(world.target, emails=["JANE@example.test"], apply=True, **world.here)
    assert (erased.complete, erased.erased, erased.rewritten) == (True, (one,), False)
    assert any("dead rows" in note for note in erased.notes)
    assert one not in world.sandbox.snapshot()
    held = repr(world.dump())
    assert [each for each in values if each in held] == []
    assert counts(world.load()) == (0, 0, 0)
    world.assert_as_in_dub()

    again = erase(world.target, emails=["jane@example.test"], **world.here)
    assert (again.living, again.nobodies) == (0, 1)
