"""A file of DuckDB that several want at once: those who look, and those who write."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dub_source import runs
from dub_source.destinations import Target
from dub_source.destinations.duckdb_file import DuckDBFile
from dub_source.destinations.duckdb_rewrite import check_copyable, rewrite
from dub_source.destinations.duckdb_waiting import patiently
from dub_source.errors import AlreadyRunning
from tests.conftest import StartSandbox
from tests.reverse.world import PushWorld
from tests.warehouses.duckdb_file import DuckDBWarehouse

HOLD = (
    "import duckdb, sys, time; c = duckdb.connect(sys.argv[1], read_only=sys.argv[2] == 'reading');"
    "print('open', flush=True); time.sleep(float(sys.argv[3])); c.close()"
)
LOOK = (
    "import duckdb, sys\n"
    "for _ in sys.stdin:\n"
    "    try:\n"
    "        duckdb.connect(sys.argv[1], read_only=True).close()\n"
    "        print('free', flush=True)\n"
    "    except duckdb.Error:\n"
    "        print('taken', flush=True)\n"
)
TAKEN = "IO Error: Could not set lock on file: Conflicting lock is held in PID 1"


def hold(file: Path, how: str, seconds: float) -> "subprocess.Popen[bytes]":
    """Another process that has the file open for so long; returns when it has."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, file, how, str(seconds)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"open\n"
    return process


def test_it_is_tried_again_until_the_time_is_up() -> None:
    now, tried = 0.0, 0

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    def taken() -> None:
        nonlocal tried
        tried += 1
        raise duckdb.IOException(TAKEN)

    with pytest.raises(duckdb.IOException, match="lock on file"):
        patiently(taken, longest_s=1.0, sleep=sleep, clock=lambda: now)
    assert now >= 1.0
    assert tried > 2


def test_other_errors_come_at_once() -> None:
    tried: list[int] = []

    def broken() -> None:
        tried.append(1)
        raise duckdb.IOException("IO Error: not a valid DuckDB database file")

    with pytest.raises(duckdb.IOException, match="not a valid"):
        patiently(broken)
    assert tried == [1]


def test_a_load_waits_for_who_looks(start_sandbox: StartSandbox, tmp_path: Path) -> None:
    sandbox = start_sandbox(20)
    target = Target(database=tmp_path / "c.duckdb")
    options: dict[str, Any] = {"api_key": sandbox.key(), "base_url": sandbox.url}
    runs.load(target, **options)
    with hold(target.database, "reading", 1.0):
        assert runs.load(target, **options).rows == 20


def test_a_look_waits_for_who_writes(start_sandbox: StartSandbox, tmp_path: Path) -> None:
    sandbox = start_sandbox(20)
    target = Target(database=tmp_path / "c.duckdb")
    runs.load(target, api_key=sandbox.key(), base_url=sandbox.url)
    with hold(target.database, "writing", 1.0):
        assert runs.status(target).rows == 20
    with hold(target.database, "writing", 60.0) as holder:
        with pytest.raises(AlreadyRunning, match="is in use, by a run or by another program"):
            runs.status(target)
        holder.kill()


def test_a_load_waits_for_who_looks_in_the_same_process(start_sandbox: StartSandbox, tmp_path: Path) -> None:
    """A notebook, say, or threads of a scheduler. To DuckDB that is another configuration of the file."""
    sandbox = start_sandbox(20)
    target = Target(database=tmp_path / "c.duckdb")
    options: dict[str, Any] = {"api_key": sandbox.key(), "base_url": sandbox.url}
    runs.load(target, **options)
    looking = duckdb.connect(str(target.database), read_only=True)
    ending = threading.Timer(1.0, looking.close)
    ending.start()
    assert runs.load(target, **options).rows == 20
    ending.join()


def test_threads_that_open_and_close_one_file_do_not_disturb_each_other(tmp_path: Path) -> None:
    """As loads into several datasets of it do."""
    file = str(tmp_path / "c.duckdb")

    def open_and_close(_: int) -> int:
        for _ in range(300):
            patiently(lambda: duckdb.connect(file)).close()
        return 300

    with ThreadPoolExecutor(3) as pool:
        assert sum(pool.map(open_and_close, range(3))) == 900


def test_nobody_is_kept_from_the_file_while_dub_is_asked(start_sandbox: StartSandbox, tmp_path: Path) -> None:
    """Dub, or its rate limit, may keep a run waiting for much longer than a look waits."""
    world = PushWorld(start_sandbox(60), tmp_path, DuckDBWarehouse(tmp_path / "c.duckdb"))
    world.load()
    ids = world.sandbox.ids()
    world.wish({each: {"avatar": f"https://example.com/{each}.png"} for each in ids[:20]})
    look = subprocess.Popen(
        [sys.executable, "-c", LOOK, world.warehouse.target.database],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    found: list[tuple[str, str, str]] = []
    run = ""

    def ask(method: str, path: str) -> None:
        assert look.stdin is not None
        assert look.stdout is not None
        print("?", file=look.stdin, flush=True)
        found.append((run, f"{method} {path.partition('?')[0]}", look.stdout.readline().strip()))

    with look:
        world.sandbox.before_request(ask)
        run = "load"
        world.load()
        run = "incremental load"
        world.load("incremental")
        run = "plan"
        made = world.plan()
        run = "apply"
        assert world.apply(made).complete
        run = "revert"
        undone = runs.revert(world.target, made.plan.plan_id, **world.here)
        run = "apply of the revert"
        world.apply(undone)
        run = "erase"
        assert runs.erase(world.target, ids=ids[:2], apply=True, **world.here).complete
        world.sandbox.before_request(None)
    assert len({run for run, _, _ in found}) == 7
    assert [each for each in found if each[2] != "free"] == []


def test_a_file_is_written_anew_when_a_look_has_ended(tmp_path: Path) -> None:
    """By then persons are deleted in Dub; a monitor must not be what leaves their rows in free blocks."""
    file = DuckDBFile.of(tmp_path / "c.duckdb", "dub")
    with duckdb.connect(str(file.path)) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS one")
    for work in (check_copyable, rewrite):
        with hold(file.path, "reading", 1.0):
            work(file)
    with duckdb.connect(str(file.path)) as connection:
        assert connection.execute("FROM kept").fetchall() == [(7,)]


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_loads_and_looks_at_the_same_time(start_sandbox: StartSandbox, tmp_path: Path) -> None:
    """Two monitors that ask all the time; no load fails for that, and none of their looks does."""
    sandbox = start_sandbox(300)
    target = Target(database=tmp_path / "c.duckdb")
    options: dict[str, Any] = {"api_key": sandbox.key(), "base_url": sandbox.url}
    runs.load(target, **options)
    asking = (
        "import sys; from pathlib import Path; from dub_source import runs;"
        "from dub_source.destinations import Target\n"
        "print('begun', flush=True)\n"
        "while not Path(sys.argv[2]).exists():\n"
        "    assert runs.status(Target(database=Path(sys.argv[1]))).ids == 300\n"
        "    print('looked', flush=True)\n"
    )
    end = tmp_path / "end"
    monitors = [
        subprocess.Popen(
            [sys.executable, "-c", asking, target.database, end], stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    try:
        for monitor in monitors:
            assert monitor.stdout is not None
            assert monitor.stdout.readline() == "begun\n"
        for number in range(5):
            sandbox.change(sandbox.ids()[number], name=f"Name {number}")
            result = runs.load(target, mode="full", **options)
            assert (result.report.updated, result.rows) == (1, 300)
    finally:
        end.touch()
        said = [monitor.communicate(timeout=60)[0] for monitor in monitors]
    assert [monitor.returncode for monitor in monitors] == [0, 0]
    assert all(text.count("looked") > 3 for text in said)
