"""Whoever looks at a file of DuckDB can do so while a run waits for Dub."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from dub_source import runs
from dub_source.client.transport import Transport
from tests.reverse.conftest import MakePushWorld

pytestmark = pytest.mark.only("duckdb")

_LOOKING = (
    "import duckdb, sys\n"
    "for line in sys.stdin:\n"
    "    try:\n"
    "        duckdb.connect(line.strip(), read_only=True).close()\n"
    "        print('free', flush=True)\n"
    "    except duckdb.Error as error:\n"
    "        print(error.args[0][:40].replace(chr(10), ' '), flush=True)\n"
)


class Looks:
    """Another process, which looks at the file at each request to Dub."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self._one_by_one = threading.Lock()
        self.file = ""
        self.found: list[tuple[str, str]] = []

    def look(self, request: str) -> None:
        if not self.file:
            return
        with self._one_by_one:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write(f"{self.file}\n")
            self._process.stdin.flush()
            self.found.append((request, self._process.stdout.readline().strip()))

    def busy(self) -> list[tuple[str, str]]:
        """Requests during which the file could not be looked at."""
        found, self.found = self.found, []
        assert found, "nothing was asked"
        return [each for each in found if each[1] != "free"]


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Iterator[Looks]:
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", _LOOKING], stdin=pipe, stdout=pipe, text=True) as process:
        looks = Looks(process)
        send = Transport.send

        def looked(self: Transport, method: str, target: str, **options: Any) -> Any:
            looks.look(f"{method} {target}")
            return send(self, method, target, **options)

        monkeypatch.setattr(Transport, "send", looked)
        yield looks
        process.kill()


def test_while_dub_is_asked_others_can_look(make_push_world: MakePushWorld, looks: Looks) -> None:
    world = make_push_world(30)
    looks.file = str(world.target.database)
    ids = world.sandbox.ids()
    world.sandbox.change(ids[0], name="Ada")
    for mode in ("full", "incremental"):
        world.load(mode)
        assert looks.busy() == []
    world.wish({each: {"name": f"Name {each[-3:]}"} for each in ids[:3]})
    plan_id = world.plan().plan.plan_id
    assert looks.busy() == []
    world.apply(plan_id)
    runs.erase(world.target, ids=[ids[5]], apply=True, **world.here)
    # What was answered is compared and stored in one piece, for which names are read again.
    assert all("customerIds=" in request for request, _ in looks.busy())
