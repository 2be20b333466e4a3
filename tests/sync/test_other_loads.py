"""Loads from several machines into one place: an older observation never overwrites a newer one."""

import os
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dub_source.changes.columns import CLOCKS_DIFFER
from dub_source.client import DubClient
from dub_source.spool import Spool
from dub_source.sync import Run
from tests.sync.conftest import MakeWorld
from tests.sync.world import World, counts
from tests.test_crashes import COMMAND, in_the_load_step


def load_elsewhere(world: World, mode: str = "full") -> None:
    """Another process with another working folder."""
    subprocess.run(
        [
            *COMMAND,
            *world.warehouse.arguments,
            "--pipelines-dir",
            world.folder / "elsewhere",
            "--mode",
            mode,
        ],
        cwd=world.folder,
        check=True,
        capture_output=True,
        env={
            **os.environ,
            "SOURCES__DUB__API_KEY": world.sandbox.key(),
            "SOURCES__DUB__BASE_URL": world.sandbox.url,
        },
    )


def test_a_row_that_somebody_has_seen_later_stays(world: World) -> None:
    world.load()
    newer, equal, older = world.sandbox.ids()[10:13]
    for customer_id in (newer, equal, older):
        world.sandbox.change(customer_id, name="As Read")

    def write() -> None:
        ahead = {newer: "1 hour", older: "-1 hour"}
        for customer_id, how in ahead.items():
            world.warehouse.update(
                "dub.customers",
                {"name": "'As Written'", "observed_at": f"now() + INTERVAL '{how}'"},
                f"id = '{customer_id}'",
            )

    world.load(act=write)
    rows = world.customers()
    assert [rows[each]["name"] for each in (newer, equal, older)] == ["As Written", "As Read", "As Read"]
    assert world.sizes()[0] == 120


def test_a_load_that_lands_after_a_later_one_takes_nothing_back(world: World) -> None:
    world.load()
    same, further, gone, only, both = world.sandbox.ids()[20:70:10]
    for customer_id in (same, further, gone):
        world.sandbox.change(customer_id, name="First", email="same@example.test", avatar=None)
    world.sandbox.delete(both)
    new = world.sandbox.insert(name="New").id

    def meanwhile() -> None:
        world.sandbox.change(further, name="Second")
        world.sandbox.delete(gone)
        world.sandbox.change(only, country="ZZ")
        world.sandbox.change(new, name="New And Renamed")
        load_elsewhere(world)

    world.load(act=meanwhile)
    world.assert_as_in_dub(gone=2)
    assert [world.changes(each)[1:] for each in (same, gone, only, both)] == [
        world.changes(same)[1:2],
        [("deleted", None)],
        [("updated", '["country"]')],
        [("deleted", None)],
    ]
    assert counts(world.load()) == (0, 0, 0)
    world.assert_as_in_dub(gone=2)


def test_what_a_killed_load_has_prepared_is_void_after_loads_from_elsewhere(make_world: MakeWorld) -> None:
    world = make_world(300)
    world.load()
    ids = world.sandbox.ids()
    changed, deleted, again = ids[10:20], ids[30:35], ids[50:55]
    for customer_id in (*changed, *again):
        world.sandbox.change(customer_id, name="Killed", email="same@example.test")
    for customer_id in deleted:
        world.sandbox.delete(customer_id)
    killed = [
        *COMMAND,
        *world.warehouse.arguments,
        "--pipelines-dir",
        str(world.working),
        "--mode",
        "full",
    ]
    with in_the_load_step(killed, world.sandbox, world.folder, world.working) as process:
        process.kill()
    assert kept(world.working), "the rows of the killed one are there"

    elsewhere = world.folder / "elsewhere"
    for number, mode in enumerate(("full", "incremental", "full")):
        for customer_id in again:
            world.sandbox.change(customer_id, name=f"Elsewhere {number}")
        world.sandbox.insert(name=f"New {number}")
        world.load(mode, pipelines_dir=elsewhere)
    world.sandbox.change(again[0], name="Last")
    world.sandbox.forget_requests()
    result = world.load()
    assert not result.report.resumed
    assert counts(result) == (0, 1, 0)
    world.assert_as_in_dub(gone=5)
    names = [row["name"] for row in world.history(again[0])]
    assert names[-3:] == ["Elsewhere 1", "Elsewhere 2", "Last"]
    assert not kept(world.working)
    assert counts(world.load()) == (0, 0, 0)


def kept(working: Path) -> list[Path]:
    return [path for path in working.rglob("rows-*") if path.is_file()]


def test_a_clock_that_was_ahead_for_a_run_hides_no_change_of_the_next(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows are as old as Dub's clock says, or those of a wrong clock would be newer than all to come."""
    renamed, deleted = world.sandbox.ids()[:2]
    later = timedelta(days=2)
    with monkeypatch.context() as ahead:
        for function, name, clock in (
            (DubClient.__init__, "clock", lambda: (datetime.now(UTC) + later).timestamp()),
            (Spool.open.__func__, "now", lambda: datetime.now(UTC) + later),  # type: ignore[attr-defined]
            (Run.__init__, "clock", lambda: datetime.now(UTC) + later),
        ):
            ahead.setitem(function.__kwdefaults__ or {}, name, clock)
        world.load()
    # Dub's clock is known to a second at best: what a run of the same second sees may seem to be of before.
    time.sleep(CLOCKS_DIFFER.total_seconds())
    world.sandbox.change(renamed, name="Renamed", email="same@example.test")
    world.sandbox.delete(deleted)
    assert counts(world.load()) == (0, 1, 1)
