"""Killed, interrupted, terminated: what a load leaves, and what the next one makes of it."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dlt
import duckdb
import pytest

from dub_source import dub
from dub_source.sandbox import Sandbox
from tests.conftest import StartSandbox

COMMAND = [str(Path(sys.executable).parent / "dub-source"), "load"]
SCRIPT = [sys.executable, str(Path(__file__).parent.parent / "pipelines" / "load_customers.py")]
KILLS = 6


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    return tmp_path / "run"


def start(arguments: list[str], sandbox: Sandbox, folder: Path, **settings: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        arguments,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={
            **os.environ,
            "SOURCES__DUB__API_KEY": sandbox.key(),
            "SOURCES__DUB__BASE_URL": sandbox.url,
            **settings,
        },
    )


def finish(arguments: list[str], sandbox: Sandbox, folder: Path, **settings: str) -> int:
    with start(arguments, sandbox, folder, **settings) as process:
        process.communicate()
    return process.returncode


def rows(folder: Path, condition: str = "true") -> tuple[Any, ...]:
    with duckdb.connect(str(folder / "dub_customers.duckdb"), read_only=True) as connection:
        sql = f"SELECT count(*), count(DISTINCT id) FROM dub.customers WHERE {condition}"
        return connection.execute(sql).fetchall()[0]


def left_behind(data: Path) -> list[Path]:
    return [path for path in data.rglob("*") if path.suffix in (".parquet", ".pickle", ".exception")]


def ready_to_load(data: Path) -> bool:
    # Not glob, which stumbles over folders that go away meanwhile.
    return any(
        files and "/load/normalized/" in folder and folder.endswith("new_jobs")
        for folder, _, files in os.walk(data)
    )


@contextlib.contextmanager
def in_the_load_step(
    arguments: list[str], sandbox: Sandbox, folder: Path, data: Path
) -> Iterator[subprocess.Popen[str]]:
    """A run whose package has just become ready to be loaded."""
    with start(arguments, sandbox, folder) as process:
        deadline = time.monotonic() + 60
        while not ready_to_load(data):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.001)
        yield process


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments", (COMMAND, pytest.param(SCRIPT, marks=pytest.mark.slow)), ids=("command", "script")
)
def test_a_package_that_a_killed_run_left_is_not_loaded(
    arguments: list[str], start_sandbox: StartSandbox, folder: Path, tmp_path: Path
) -> None:
    """dlt's run() loads what is pending, asks Dub nothing, and calls it a success."""
    sandbox = start_sandbox(300)
    with in_the_load_step(arguments, sandbox, folder, tmp_path / "dlt-data") as process:
        process.kill()
    for customer in sandbox.ids()[:30]:
        sandbox.delete(customer)
    with contextlib.suppress(FileNotFoundError):
        (folder / "dub_customers.duckdb").unlink()
    before = len(sandbox.requests)
    assert finish(arguments, sandbox, folder) == 0
    assert len(sandbox.requests) > before
    # What the killed sweep has read stands; who is gone since is found by the next one.
    assert rows(folder) == (300, 300)
    assert left_behind(tmp_path / "dlt-data") == []
    assert finish(arguments, sandbox, folder, SOURCES__DUB__MODE="full") == 0
    assert rows(folder, "deleted_at IS NULL") == (270, 270)


@pytest.mark.slow
def test_the_script_drops_a_package_that_dlt_has_prepared(
    start_sandbox: StartSandbox, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = start_sandbox(300)
    assert finish(SCRIPT, sandbox, folder) == 0
    monkeypatch.chdir(folder)  # dlt remembers where a pipeline was made
    pipeline = dlt.pipeline(
        "dub_customers",
        destination=dlt.destinations.duckdb(str(folder / "dub_customers.duckdb")),
        dataset_name="dub",
    )
    pipeline.extract(dub(api_key=sandbox.key(), base_url=sandbox.url, mode="full"))
    pipeline.normalize()
    assert pipeline.has_pending_data
    sandbox.change(sandbox.ids()[0], country="ZZ")
    before = len(sandbox.requests)
    assert finish(SCRIPT, sandbox, folder, SOURCES__DUB__MODE="full") == 0
    assert len(sandbox.requests) > before
    assert rows(folder) == (300, 300)
    with duckdb.connect(str(folder / "dub_customers.duckdb"), read_only=True) as connection:
        changed = "SELECT id FROM dub.customers WHERE country = 'ZZ'"
        assert connection.execute(changed).fetchall() == [(sandbox.ids()[0],)]


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("arguments", (COMMAND, SCRIPT), ids=("command", "script"))
def test_killed_anywhere_in_the_load_step_and_run_again(
    arguments: list[str], start_sandbox: StartSandbox, folder: Path, tmp_path: Path
) -> None:
    customers = 20_000
    sandbox = start_sandbox(customers)
    killed = 0
    for kill in range(KILLS):
        with in_the_load_step(arguments, sandbox, folder, tmp_path / "dlt-data") as process:
            # From the first job to the end of the merge, which takes 0.3 to 1 s.
            time.sleep(0.1 * kill)
            process.kill()
        killed += process.returncode == -signal.SIGKILL
        assert finish(arguments, sandbox, folder) == 0
        assert rows(folder) == (customers, customers)
        assert left_behind(tmp_path / "dlt-data") == []
    assert killed >= 2


@pytest.mark.slow
@pytest.mark.parametrize(
    "phase, number, code",
    (
        ("reading", signal.SIGINT, 130),
        ("loading", signal.SIGTERM, 143),
        pytest.param("reading", signal.SIGTERM, 143, marks=pytest.mark.slow),
        pytest.param("loading", signal.SIGINT, 130, marks=pytest.mark.slow),
    ),
)
def test_interrupted(
    phase: str,
    number: signal.Signals,
    code: int,
    start_sandbox: StartSandbox,
    folder: Path,
    tmp_path: Path,
) -> None:
    sandbox = start_sandbox(
        20_000 if phase == "loading" else 300, latency_ms=0 if phase == "loading" else 100
    )
    if phase == "loading":
        with in_the_load_step(COMMAND, sandbox, folder, tmp_path / "dlt-data") as process:
            process.send_signal(number)
            _, said = process.communicate(timeout=60)
    else:
        with start(COMMAND, sandbox, folder) as process:
            assert process.stderr is not None
            assert process.stderr.readline() == "Reading 300 customers\n"
            process.send_signal(number)
            _, said = process.communicate(timeout=60)
    assert (process.returncode, said.splitlines()[-1]) == (code, "Interrupted; nothing is half-written.")
    assert "Traceback" not in said
    assert left_behind(tmp_path / "dlt-data") == []
    if phase == "reading":
        assert list(folder.iterdir()) == [], "a first load that fails leaves no database file"
    assert finish(COMMAND, sandbox, folder) == 0
    assert rows(folder) == (len(sandbox.ids()),) * 2
