"""Two applies of one plan at the same time, from machines that share nothing but the warehouse."""

import subprocess
from collections import Counter

import pytest

from dub_source.failures import ExitCode
from tests.reverse.world import PushWorld, command, start


def apply_elsewhere(world: PushWorld, plan_id: str) -> tuple[int | None, str]:
    """Exit code and standard error; no code if it waits for Dub, which does not answer meanwhile."""
    with start(world, "apply", plan_id, working=world.folder / "elsewhere") as process:
        try:
            return process.wait(10), process.communicate()[1]
        except subprocess.TimeoutExpired:
            process.kill()
            return None, "It asks Dub."


@pytest.mark.timeout(300)
def test_an_apply_on_another_machine_is_refused(push_world: PushWorld) -> None:
    world, ids = push_world, push_world.sandbox.ids()[:8]
    world.wish({each: {"avatar": f"https://example.com/{each}.png"} for each in ids})
    plan_id = world.plan().plan.plan_id
    second: list[tuple[int | None, str]] = []
    writes: Counter[str] = Counter()

    def meanwhile(method: str, path: str) -> None:
        if method == "PATCH":
            writes[path] += 1
            if not second:
                second.append((None, ""))
                second[0] = apply_elsewhere(world, plan_id)

    world.sandbox.before_request(meanwhile)
    assert world.apply(plan_id).complete
    ((code, told),) = second
    assert code == ExitCode.RUNNING, told
    assert "perhaps on another machine" in " ".join(told.split())
    # An avatar shows nobody whether it was sent: each was, once.
    assert sorted(writes.values()) == [1] * len(ids)
    assert command(world, "apply", plan_id, working=world.folder / "elsewhere")[0] == 0
    assert sorted(writes.values()) == [1] * len(ids)


@pytest.mark.only("duckdb")
def test_a_lock_that_cannot_be_made_is_one_sentence(push_world: PushWorld) -> None:
    world, file = push_world, push_world.target.database
    file.with_name(f".{file.name}.dub.push.lock").mkdir()
    world.wish({world.sandbox.ids()[0]: {"name": "Ada"}})
    code, _, told = command(world, "plan", "crm.names")
    assert code == ExitCode.DESTINATION
    assert told.count("\n") == 1
    assert "lock of plans and applies beside the database file" in told
