"""A sweep that stopped half-way goes on where it was, on the same disk; elsewhere it begins again."""

import shutil
from typing import Any

import pytest

from dub_source.sandbox import Dataset, Fault
from dub_source.sandbox.generate import generate
from dub_source.sync import sweeping
from tests.sync.conftest import MakeWorld
from tests.sync.world import World, counts

PAGE = 20


def pages(world: World) -> list[str]:
    """The walk's requests since they were forgotten, without those that failed."""
    return [
        each.query for each in world.sandbox.requests if "startingAfter" in each.query and each.status == 200
    ]


def stop_half_way(world: World, *, after: int = 20) -> list[str]:
    """A sweep that fails; returns the requests for the pages that it read."""
    world.sandbox.forget_requests()
    world.sandbox.inject(Fault("status", containing="startingAfter", skip=after, times=10**6, status=400))
    with pytest.raises(Exception, match="400"):
        world.load(page_size=PAGE)
    world.sandbox.clear_faults()
    read = pages(world)
    assert len(read) >= after
    world.sandbox.forget_requests()
    return read


@pytest.fixture
def changed(make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world of 600 that was loaded, and has changed everywhere since."""
    monkeypatch.setattr(sweeping, "workers_for", lambda *_, **__: 2)
    world = make_world(600)
    world.load()
    ids = world.sandbox.ids()
    for customer_id in ids[::40]:
        world.sandbox.change(customer_id, name="Renamed", email="same@example.test")
    for customer_id in ids[5::150]:
        world.sandbox.delete(customer_id)
    world.sandbox.insert(name="New")
    return world


@pytest.mark.slow
@pytest.mark.everywhere
def test_it_goes_on_on_the_same_disk(changed: World) -> None:
    first = stop_half_way(changed)
    missed = changed.sandbox.ids()[-1]
    result = changed.load(page_size=PAGE)
    second = pages(changed)
    # Of the two workers one may have had its page when the other failed, and another one on its way.
    assert len(set(first) & set(second)) <= 2, "what was read is not read again"
    assert 597 / PAGE <= len(first + second) <= 2 * 597 / PAGE
    assert result.report.resumed
    assert result.report.certificate is not None
    assert result.report.certificate.complete
    assert result.report.read == 597
    assert counts(result) == (1, 15, 4)
    changed.assert_as_in_dub(gone=4)
    row = changed.sync_runs()[-1]
    assert (row["resumed"], row["read"], row["deleted"]) == (True, 597, 4)
    assert missed in changed.customers()
    assert counts(changed.load()) == (0, 0, 0)


@pytest.mark.slow
def test_what_was_read_before_and_has_changed_since_is_found_by_the_next_sweep(changed: World) -> None:
    stop_half_way(changed)
    ids = changed.sandbox.ids()
    for customer_id in ids[7::50]:
        changed.sandbox.change(customer_id, name="Renamed Later", email="same@example.test")
    for customer_id in ids[9::200]:
        changed.sandbox.delete(customer_id)
    assert changed.load(page_size=PAGE).report.resumed
    alive = set(changed.sandbox.ids())
    assert not {each for each, row in changed.customers().items() if row["deleted_at"]} & alive
    changed.load()
    changed.assert_as_in_dub(gone=7)


@pytest.mark.slow
@pytest.mark.everywhere
@pytest.mark.parametrize(
    "how", ("lost disk", "an incremental run", pytest.param("other columns", marks=pytest.mark.slow))
)
def test_it_begins_again(how: str, changed: World) -> None:
    options: dict[str, Any] = {}
    stop_half_way(changed)
    if how == "lost disk":
        shutil.rmtree(changed.working)
    elif how == "an incremental run":
        changed.load("incremental", refresh_requests=0)
    else:
        options = {"include_expanded_fields": False}
    changed.sandbox.forget_requests()
    result = changed.load(page_size=PAGE, **options)
    assert not result.report.resumed
    assert len(pages(changed)) >= 597 / PAGE
    assert result.report.deleted == 4
    if options:
        changed.load()
    changed.assert_as_in_dub(gone=4)


def test_what_was_read_of_another_workspace_is_not_gone_on_with(make_world: MakeWorld) -> None:
    """A first load is killed, and then the key is another one."""
    world, other = make_world(3_000), make_world(generate(500, random_seed=1))
    world.sandbox.inject(Fault("status", containing="startingAfter", skip=12, status=404, times=99))
    with pytest.raises(Exception, match="404"):
        world.load()
    result = world.load(api_key=other.sandbox.key(), base_url=other.sandbox.url)
    assert (result.rows, result.report.resumed) == (500, False)
    assert set(world.customers()) == set(other.sandbox.ids())


def test_so_it_is_with_another_key_for_the_same_address(make_world: MakeWorld, seed: Dataset) -> None:
    world = make_world(seed)
    world.sandbox.inject(Fault("status", containing="startingAfter", skip=4, status=404, times=99))
    with pytest.raises(Exception, match="404"):
        world.load()
    world.sandbox.clear_faults()
    result = world.load(api_key=world.sandbox.key("lateimport"))
    assert (result.rows, result.report.resumed) == (300, False)
