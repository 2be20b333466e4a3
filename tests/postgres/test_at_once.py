"""Several machines with one dataset: at the same time, killed, and without anything on their disks."""

import os
import random
import subprocess
import time
from pathlib import Path

import pytest

from dub_source.destinations.locks import writing_alone
from dub_source.errors import AlreadyRunning
from dub_source.runs.warehouse import warehouse
from tests.reverse.conftest import MakePushWorld
from tests.reverse.world import PushWorld, command, start
from tests.sync.world import counts

pytestmark = [pytest.mark.only("postgres"), pytest.mark.timeout(300)]

FULL = ("load", "--mode", "full")
CUSTOMERS = 400


def change(world: PushWorld, number: int) -> int:
    """Things happen in Dub; how many are gone."""
    ids = world.sandbox.ids()
    for customer_id in ids[number : number + 60]:
        world.sandbox.change(customer_id, name=f"Renamed {number}", email="same@example.test")
    for customer_id in ids[-3:]:
        world.sandbox.delete(customer_id)
    world.sandbox.insert(name=f"New {number}")
    return 3


def ready_to_load(working: Path) -> bool:
    return any(
        files and "/load/normalized/" in folder and folder.endswith("new_jobs")
        for folder, _, files in os.walk(working)
    )


def wait_until_read(world: PushWorld, process: subprocess.Popen[str]) -> None:
    """A sweep of one that has gone asks for those whom it did not meet, in the end."""
    while not any("customerIds" in each.query for each in world.sandbox.requests):
        assert process.poll() is None
        time.sleep(0.01)
    before = -1
    while before != len(world.sandbox.requests):
        before = len(world.sandbox.requests)
        time.sleep(1)


def test_two_loads_from_two_machines_at_once_lose_nothing(make_push_world: MakePushWorld) -> None:
    world = make_push_world(CUSTOMERS)
    gone = 0
    for number in range(3):
        gone += change(world, number)
        both = [start(world, *FULL, working=world.folder / f"machine-{each}") for each in range(2)]
        for process in both:
            said, told = process.communicate(timeout=200)
            assert process.returncode == 0, said + told
        world.assert_as_in_dub(gone=gone)
    assert counts(world.load()) == (0, 0, 0)
    world.assert_as_in_dub(gone=gone)


def test_a_load_waits_while_another_machine_writes(push_world: PushWorld) -> None:
    world, elsewhere = push_world, push_world.folder / "elsewhere"
    gone = change(world, 0)
    before = world.dump()
    world.sandbox.forget_requests()
    with warehouse(world.target, world.working) as (pipeline, _), writing_alone(pipeline):
        process = start(world, *FULL, working=elsewhere)
        wait_until_read(world, process)
        time.sleep(3)
        assert process.poll() is None, "it waits"
        assert world.dump() == before, "and has not written"
    assert process.communicate(timeout=200) is not None
    assert process.returncode == 0
    world.assert_as_in_dub(gone=gone)


def test_a_load_does_not_wait_for_ever(push_world: PushWorld) -> None:
    world, slept = push_world, [0.0]
    with (
        warehouse(world.target, world.working) as (pipeline, _),
        warehouse(world.target, world.folder / "elsewhere") as (other, _),
        writing_alone(pipeline),
        pytest.raises(AlreadyRunning, match="has been writing into the same dataset for 30 minutes"),
        writing_alone(
            other,
            # A clock that is quick: each look at the lock takes a connection.
            sleep=lambda seconds: slept.__setitem__(0, slept[0] + 100 * seconds),
            clock=lambda: slept[0],
        ),
    ):
        raise AssertionError("two at once")
    assert 1_800 <= slept[0] < 1_830


def test_killed_at_any_moment_of_its_load_step_a_run_blocks_nobody(make_push_world: MakePushWorld) -> None:
    """kill -9, and at once the same on a machine that knows nothing."""
    world, source = make_push_world(CUSTOMERS), random.Random(1)
    gone = 0
    for number in range(4):
        gone += change(world, number)
        doomed = world.folder / f"doomed-{number}"
        with start(world, *FULL, working=doomed) as process:
            while not ready_to_load(doomed):
                assert process.poll() is None
                time.sleep(0.001)
            time.sleep(source.random() * 1.5)
            process.kill()
        began = time.monotonic()
        code, said, told = command(world, *FULL, working=world.folder / f"fresh-{number}")
        assert code == 0, said + told
        assert time.monotonic() - began < 100
        world.assert_as_in_dub(gone=gone)
    assert counts(world.load()) == (0, 0, 0)


def test_a_killed_apply_goes_on_at_once_on_a_machine_that_knows_nothing(
    make_push_world: MakePushWorld,
) -> None:
    world = make_push_world(120, latency_ms=40)
    ids = world.sandbox.ids()[:60]
    wished = {each: {"email": f"{number}@example.com"} for number, each in enumerate(ids)}
    world.wish(wished)
    plan_id = world.plan().plan.plan_id
    world.sandbox.forget_requests()
    with start(world, "apply", plan_id, SOURCES__DUB__MAX_CONNECTIONS="1") as process:
        while sum(each.method == "PATCH" for each in world.sandbox.requests) < 10:
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
    code, said, told = command(world, "apply", plan_id, working=world.folder / "elsewhere")
    assert code == 0, said + told
    assert set(world.results(plan_id).values()) <= {"applied", "already_applied"}
    assert {each: world.shown(each)["email"] for each in wished} == {
        each: values["email"] for each, values in wished.items()
    }
    world.load()
    world.assert_as_in_dub()
