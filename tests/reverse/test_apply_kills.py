"""kill -9 at any instant of an apply, then again: on the same machine, or on one that knows nothing."""

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from urllib.parse import unquote

import orjson
import pytest

from dub_source.reverse.model import Change, Op
from tests.conftest import StartSandbox
from tests.reverse.fleet import Fleet, read_log, swap

ROOT = Path(__file__).parent.parent.parent


def planned(fleet: Fleet) -> list[Change]:
    """Everything that a plan can hold; the avatars are what must not be sent twice."""
    ids = fleet.ids
    changes = [
        *swap(fleet, ids[0], ids[1], number=0, chain=0),
        *swap(fleet, ids[2], ids[3], number=3, chain=1),
    ]
    names = [fleet.shown()[each]["external_id"] for each in ids[4:16]]
    for place, customer_id in reversed(list(enumerate(ids[4:16]))):
        wanted = [*names[1:], "the-end"][place]
        changes.append(fleet.update(len(changes), customer_id, external_id=wanted, chain=2))
    for customer_id in ids[16:60]:
        number = len(changes)
        asked = {"avatar": f"https://example.com/{number}.png"} if number % 3 else {}
        changes.append(fleet.update(number, customer_id, email=f"new{number}@example.com", **asked))
    for _ in range(25):
        changes.append(fleet.create(len(changes), f"new-{len(changes)}", name="New"))
    for customer_id in ids[60:75]:
        changes.append(fleet.delete(len(changes), customer_id))
    return changes


class Machine:
    """Where applies run as processes."""

    def __init__(self, fleet: Fleet, changes: list[Change]) -> None:
        self.fleet = fleet
        self.folder = fleet.folder
        (self.folder / "changes.json").write_bytes(orjson.dumps(changes))

    def run(self, seconds: float | None = None) -> int:
        """An apply; killed so many seconds after it has begun, if any."""
        program = [sys.executable, "-m", "tests.reverse.fleet", str(self.folder)]
        program += [self.fleet.sandbox.url, self.fleet.settings.api_key]
        process = subprocess.Popen(program, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        with process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            if seconds is not None:
                time.sleep(seconds)
                process.kill()
        # What was under way arrives at Dub all the same.
        time.sleep(0.05)
        return process.returncode

    def lose_the_disk(self) -> None:
        """Only what is in the destination is left."""
        self.fleet.journal.unlink(missing_ok=True)


def check(fleet: Fleet, changes: list[Change], *, fresh: bool) -> None:
    outcomes = read_log(fleet.folder / "log.json")
    assert outcomes.keys() == {each.number for each in changes}
    assert not fleet.journal.exists()
    shown, taken = fleet.shown(), {each["external_id"]: each for each in fleet.shown().values()}
    drifted = set()
    for change in changes:
        outcome = outcomes[change.number]
        if outcome.result.value == "drifted":
            drifted.add(change.number)
        else:
            assert outcome.result.value in ("applied", "already_applied"), outcome
        if change.op is Op.DELETE:
            assert change.customer_id not in shown
        elif not change.temporary:
            row = shown[change.customer_id] if change.customer_id else taken[change.external_id]
            for column, value in change.asked.items():
                if column == "avatar":
                    assert str(row[column]).startswith("https://dubassets.com/")
                else:
                    assert row[column] == value
    # Without a journal nobody knows whose an avatar is: it is left alone.
    assert not drifted or fresh
    assert all("avatar" in changes[number].asked for number in drifted)
    done = Counter(
        (each.method, unquote(each.path)) for each in fleet.sandbox.requests if each.status in (200, 201)
    )
    asked = Counter(("PATCH", f"/customers/{each.customer_id}") for each in changes if each.op is Op.UPDATE)
    asked += Counter(("DELETE", f"/customers/{each.customer_id}") for each in changes if each.op is Op.DELETE)
    asked[("POST", "/customers")] = sum(each.op is Op.CREATE for each in changes)
    assert {key: count for key, count in done.items() if key[0] != "GET"} == asked, "once each"


def kill_and_go_on(fleet: Fleet, *, kills: int, fresh: bool, seed: int) -> None:
    changes = planned(fleet)
    machine, source = Machine(fleet, changes), random.Random(seed)
    half_way = 0
    for _ in range(kills):
        # It takes half a second or more from the first request to the last.
        code = machine.run(source.uniform(0.05, 0.4))
        half_way += code == -signal.SIGKILL and bool(fleet.writes())
        if fresh:
            machine.lose_the_disk()
    assert half_way
    assert machine.run() == 0
    check(fleet, changes, fresh=fresh)


@pytest.mark.slow
@pytest.mark.parametrize("fresh", (False, True), ids=("same machine", "fresh machine"))
def test_killed_and_applied_again(start_sandbox: StartSandbox, tmp_path: Path, fresh: bool) -> None:
    fleet = Fleet(start_sandbox(80, latency_ms=15, rate_window_s=1.0), tmp_path)
    kill_and_go_on(fleet, kills=2, fresh=fresh, seed=1)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("fresh", (False, True), ids=("same machine", "fresh machine"))
def test_killed_again_and_again(start_sandbox: StartSandbox, tmp_path: Path, fresh: bool, seed: int) -> None:
    fleet = Fleet(start_sandbox(80, latency_ms=15, rate_window_s=1.0), tmp_path)
    kill_and_go_on(fleet, kills=7, fresh=fresh, seed=seed)
