"""Loads into a lake: two at once, private files, and what is left of them."""

import json
import os
import stat
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from dub_source.sandbox import Fault
from tests.reverse.world import PushWorld, command, start
from tests.sync.world import World, counts
from tests.warehouses.delta import DeltaWarehouse

pytestmark = pytest.mark.only("delta")

SCRIPT = """
import sys
import dlt
from dub_source import delta_lake, dub

lake, folder = sys.argv[1:]
pipeline = dlt.pipeline("dub", destination=delta_lake(lake), dataset_name="dub", pipelines_dir=folder)
pipeline.run(dub(mode="full"))
"""
"""Plain dlt, which takes no lock: two runs on two machines into one bucket."""


def lake_of(world: World) -> DeltaWarehouse:
    assert isinstance(world.warehouse, DeltaWarehouse)
    return world.warehouse


def versions(world: World) -> dict[str, int]:
    lake = lake_of(world)
    return {name: lake.open(name).version() for name in lake.tables() if name != "dub.sync_runs"}


def test_a_run_in_which_nothing_has_changed_writes_no_version(world: PushWorld) -> None:
    world.load()
    before = versions(world)
    assert before.keys() == {"dub.customers", "dub.customers_history"}
    for mode in ("full", "incremental"):
        assert counts(world.load(mode)) == (0, 0, 0)
        assert versions(world) == before


def test_a_killed_run_stands_in_no_way(world: PushWorld) -> None:
    world.sandbox.inject(Fault("stall", seconds=30, times=1_000))
    process = start(world, "load", working=world.folder / "elsewhere")
    while not world.sandbox.requests:
        time.sleep(0.02)
    process.kill()
    process.communicate(timeout=30)
    world.sandbox.clear_faults()
    assert counts(world.load()) == (120, 0, 0)


def test_two_runs_at_once_do_no_harm(world: PushWorld) -> None:
    """The first ones ever, so that both make the tables, and ones with changes."""
    lake = lake_of(world)
    for expected in (120, 121):
        runs = [
            subprocess.Popen(
                [sys.executable, "-c", SCRIPT, lake.folder.as_uri(), str(world.folder / f"machine-{number}")],
                cwd=world.folder,
                env={
                    **os.environ,
                    "SOURCES__DUB__API_KEY": world.sandbox.key(),
                    "SOURCES__DUB__BASE_URL": world.sandbox.url,
                },
                stderr=subprocess.PIPE,
                text=True,
            )
            for number in range(2)
        ]
        ends = [(run.communicate(timeout=100)[1], run.returncode) for run in runs]
        assert [code for _, code in ends] == [0, 0], ends
        ids = Counter(row["id"] for row in lake.rows("dub.customers"))
        keys = Counter(row["version_key"] for row in lake.rows("dub.customers_history"))
        assert (len(ids), set(ids.values()), set(keys.values())) == (expected, {1}, {1})
        for customer_id in world.sandbox.ids()[:20]:
            world.sandbox.change(customer_id, name=f"Changed {expected}", email="same@example.test")
        world.sandbox.insert(name="New")
    assert counts(world.load()) == (1, 20, 0)


def test_a_new_lake_is_for_its_owner_alone_and_an_old_one_stays_as_open_as_it_was(world: PushWorld) -> None:
    folder = lake_of(world).folder
    world.load()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    open_ones = [each for each in folder.rglob("*") if each.stat().st_mode & 0o077]
    assert not open_ones
    folder.chmod(0o750)
    world.sandbox.insert(name="New")
    world.load()
    newest = max(folder.glob("dub/customers/*.parquet"), key=lambda each: each.stat().st_mtime)
    assert stat.S_IMODE(newest.stat().st_mode) == 0o640


def test_a_state_that_was_cut_off_by_a_kill_does_not_count(world: PushWorld, tmp_path: Path) -> None:
    world.load()
    states = lake_of(world).folder / "dub" / "_dlt_pipeline_state"
    whole = next(states.glob("*.jsonl")).read_bytes()
    (states / ".0123456789abcdef").write_bytes(whole[: len(whole) // 2])
    assert counts(world.load("incremental", pipelines_dir=tmp_path / "elsewhere")) == (0, 0, 0)


def test_the_program_says_where_the_rows_are(world: PushWorld) -> None:
    code, printed, told = command(world, "load", "--json")
    assert code == 0, told
    said = json.loads(printed)
    assert (said["destination"], said["rows"], said["complete"]) == ("filesystem", 120, True)
