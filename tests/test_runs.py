"""Loads as functions: where their working files are, who else may be there, and what stays behind."""

import json
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from dlt.common.exceptions import MissingDependencyException

from dub_source import runs
from dub_source.destinations import Target
from dub_source.errors import (
    AlreadyRunning,
    BadRequest,
    DestinationError,
    DubError,
    InviteExpired,
    InvitePending,
    LimitExceeded,
    RateLimited,
    SettingsError,
    UnexpectedRedirect,
    UnknownFormat,
)
from dub_source.failures import ExitCode, Terminated, describe, explain
from dub_source.sandbox import Fault, Sandbox
from tests.conftest import StartSandbox
from tests.sync.world import AtTheEnd
from tests.warehouses.duckdb_file import open_elsewhere

Load = Callable[..., runs.LoadResult]
SCRIPT = Path(sys.executable).parent / "dub-source"


@pytest.fixture
def sandbox(start_sandbox: StartSandbox) -> Sandbox:
    return start_sandbox(120)


@pytest.fixture
def working(tmp_path: Path) -> Path:
    return tmp_path / "working"


@pytest.fixture
def load(sandbox: Sandbox, tmp_path: Path, working: Path) -> Load:
    def run(
        name: str = "rows.duckdb", act: Callable[[], None] | None = None, **options: Any
    ) -> runs.LoadResult:
        given: dict[str, Any] = {"pipelines_dir": working, "api_key": sandbox.key(), "base_url": sandbox.url}
        return runs.load(
            Target(database=tmp_path / name),
            observer=AtTheEnd(act) if act else None,
            **given | options,
        )

    return run


def query(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


# One load at a time


def test_loads_into_different_places_do_not_meet(
    load: Load, start_sandbox: StartSandbox, working: Path, tmp_path: Path
) -> None:
    other = start_sandbox(300)

    def second() -> None:
        run = subprocess.run(
            [SCRIPT, "load", "--database", "second.duckdb", "--pipelines-dir", working],
            cwd=tmp_path,
            check=False,
            env={**os.environ, "SOURCES__DUB__API_KEY": other.key(), "SOURCES__DUB__BASE_URL": other.url},
        )
        assert run.returncode == 0

    load("first.duckdb", act=second)
    for name, customers in {"first.duckdb": 120, "second.duckdb": 300}.items():
        found = query(tmp_path / name, "SELECT count(*), count(DISTINCT id) FROM dub.customers")
        assert found == [(customers, customers)]


def test_the_second_load_into_one_place_is_refused_before_it_asks_dub(
    load: Load, start_sandbox: StartSandbox, tmp_path: Path
) -> None:
    other = start_sandbox(300)
    (tmp_path / "link.duckdb").symlink_to(tmp_path / "rows.duckdb")

    def second() -> None:
        for name in ("rows.duckdb", "link.duckdb"):
            with pytest.raises(AlreadyRunning) as caught:
                load(name, api_key=other.key(), base_url=other.url)
            assert explain(caught.value).exit_code == ExitCode.RUNNING

    assert load(act=second).rows == 120
    assert other.requests == []
    assert load().rows == 120


def test_a_load_into_the_same_file_from_another_working_folder_ends_with_one_sentence(
    load: Load, sandbox: Sandbox, tmp_path: Path
) -> None:
    load()
    waiting, go_on = threading.Event(), threading.Event()
    held: list[runs.LoadResult] = []

    def pause() -> None:
        waiting.set()
        go_on.wait(60)

    file = tmp_path / "rows.duckdb"
    with (
        open_elsewhere(file),
        pytest.raises(DestinationError, match="in use by another program"),
    ):
        load(pipelines_dir=tmp_path / "elsewhere")
    thread = threading.Thread(target=lambda: held.append(load(act=pause)))
    thread.start()
    assert waiting.wait(60)
    with open_elsewhere(file):
        pass  # Nobody is kept out while customers are read.
    go_on.set()
    thread.join()
    assert held[0].rows == 120


def test_while_rows_are_loaded_the_file_belongs_to_this_process(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else another load could empty the staging tables between two jobs of this one."""
    from dlt.load import Load as LoadStep

    seen: list[str] = []
    complete = LoadStep.complete_jobs

    def look(self: LoadStep, *arguments: Any) -> Any:
        other = [sys.executable, "-c", "import duckdb; duckdb.connect('rows.duckdb')"]
        run = subprocess.run(other, cwd=tmp_path, capture_output=True, text=True, check=False)
        seen.append(run.stderr)
        return complete(self, *arguments)

    monkeypatch.setattr(LoadStep, "complete_jobs", look)
    load()
    assert len(seen) > 1
    assert all("lock on file" in text for text in seen)


def test_the_lock_of_a_process_that_died_does_not_count(load: Load, working: Path) -> None:
    load()
    (lock,) = working.glob("*/lock")
    code = (
        "import fcntl, os, sys; "
        "fcntl.flock(os.open(sys.argv[1], os.O_RDWR), fcntl.LOCK_EX); os.kill(os.getpid(), 9)"
    )
    died = subprocess.run([sys.executable, "-c", code, lock], check=False)
    assert died.returncode == -9
    assert load().rows == 120


# What stays behind


def test_the_working_folder_is_private_and_empty_afterwards(load: Load, working: Path) -> None:
    seen: list[tuple[int, list[str]]] = []

    def look() -> None:
        (folder,) = working.iterdir()
        seen.append((stat.S_IMODE(folder.stat().st_mode), files(folder)))

    load(act=look)
    ((mode, held),) = seen
    assert mode == 0o700
    assert len(held) > 1
    assert [Path(name).name for name in files(working)] == ["lock"]


def test_nothing_stays_after_a_failure_or_from_a_killed_load(load: Load, working: Path) -> None:
    def fail() -> None:
        raise DubError("stop")

    load()
    (folder,) = working.iterdir()
    stale = folder / "dub_source_duckdb_dub" / "load" / "normalized" / "1" / "new_jobs"
    stale.mkdir(parents=True)
    (stale / "customers.1.0.parquet").write_bytes(b"rows of long ago")
    with pytest.raises(Exception, match="stop"):
        load(act=fail, country="US")
    assert [Path(name).name for name in files(working)] == ["lock"]
    assert load().rows == 120


def test_of_a_sweep_that_fails_only_the_private_spool_stays_and_is_gone_on_with(
    load: Load, sandbox: Sandbox, working: Path
) -> None:
    def fail() -> None:
        raise DubError("stop")

    with pytest.raises(Exception, match="stop"):
        load(act=fail)
    left = [path for path in working.rglob("*") if path.is_file() and path.name != "lock"]
    assert {path.parent.name for path in left} == {"spool"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in left} == {0o600}
    sandbox.forget_requests()
    result = load()
    assert (result.rows, result.report.created, result.report.resumed) == (120, 120, True)
    assert not any("startingAfter" in request.query for request in sandbox.requests)
    assert [Path(name).name for name in files(working)] == ["lock"]


def test_a_filter_by_email_is_nowhere_on_disk(
    load: Load, sandbox: Sandbox, working: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    email = next(row["email"] for row in sandbox.snapshot().values() if row["email"])
    monkeypatch.setenv("SOURCES__DUB__EMAIL", email)
    found: list[Path] = []

    def look() -> None:
        files = [path for path in working.rglob("*") if path.is_file()]
        found.extend(path for path in files if email.encode() in path.read_bytes())

    assert load(act=look).rows >= 1
    # The customers themselves are there, on their way; nothing says that they were asked for.
    assert {path.name.split("-")[0] for path in found} <= {"rows"}
    found.clear()
    look()
    assert found == []


@pytest.fixture
def fussy(tmp_path: Path) -> Path:
    """A database whose table of customers takes no email addresses."""
    path = tmp_path / "rows.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE SCHEMA dub; CREATE TABLE dub.customers (id VARCHAR, email INTEGER)")
    return path


def test_what_a_destination_says_about_rows_is_not_repeated(
    fussy: Path, sandbox: Sandbox, working: Path, tmp_path: Path
) -> None:
    people = [row["email"] for row in sandbox.snapshot().values() if row["email"]]
    for debug in ("", "1"):
        run = subprocess.run(
            [SCRIPT, "load", "--json", "--database", fussy, "--pipelines-dir", working],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            env={
                **os.environ,
                "SOURCES__DUB__API_KEY": sandbox.key(),
                "SOURCES__DUB__BASE_URL": sandbox.url,
                "DUB_SOURCE_DEBUG": debug,
            },
        )
        assert run.returncode == ExitCode.DESTINATION
        assert not [email for email in people if email in run.stdout + run.stderr]
        if debug:
            assert "ConversionException" in run.stderr
            assert "steps.py" in run.stderr
        else:
            assert run.stderr.count("\n") == 1
    assert query(fussy, "SELECT count(*) FROM dub_staging.customers") == [(0,)]
    assert {Path(name).parent.name for name in files(working) if not name.endswith("lock")} == {"spool"}


# The database file


def test_a_new_database_file_is_private_and_an_old_one_stays_as_it_is(load: Load, tmp_path: Path) -> None:
    path = tmp_path / "rows.duckdb"
    load()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o664)
    load()
    assert stat.S_IMODE(path.stat().st_mode) == 0o664


def test_a_first_load_that_fails_leaves_no_database_file(
    load: Load, sandbox: Sandbox, tmp_path: Path
) -> None:
    sandbox.inject(Fault("status", containing="startingAfter", status=400, times=999))
    with pytest.raises(Exception, match="400"):
        load()
    assert list(tmp_path.glob("rows.*")) == []


def test_a_connection_that_a_failure_left_open_does_not_write_the_file_again(
    load: Load, tmp_path: Path
) -> None:
    left: list[duckdb.DuckDBPyConnection] = []

    def fail() -> None:
        left.append(duckdb.connect(str(tmp_path / "rows.duckdb")))
        left[0].execute("CREATE TABLE _dlt_version AS SELECT 1 AS one")
        raise DubError("stop")

    with pytest.raises(Exception, match="stop"):
        load(act=fail)
    left[0].close()
    assert list(tmp_path.glob("rows.*")) == []


def test_a_database_file_of_others_is_never_removed(load: Load, tmp_path: Path) -> None:
    path = tmp_path / "rows.duckdb"

    def other() -> None:
        with duckdb.connect(str(path)) as connection:
            connection.execute("CREATE TABLE mine AS SELECT 1 AS one")
        raise DubError("stop")

    with pytest.raises(Exception, match="stop"):
        load(act=other)
    assert query(path, "SELECT one FROM mine") == [(1,)]
    duckdb.connect(str(tmp_path / "empty.duckdb")).close()
    with pytest.raises(SettingsError):
        load("empty.duckdb", page_size=0)
    assert (tmp_path / "empty.duckdb").exists()


def test_a_symbolic_link_that_leads_nowhere_yet_stays_a_link(
    load: Load, sandbox: Sandbox, tmp_path: Path
) -> None:
    link = tmp_path / "link.duckdb"
    (tmp_path / "disk").mkdir()
    link.symlink_to(tmp_path / "disk" / "rows.duckdb")
    fault = Fault("status", containing="startingAfter", status=400, times=1)
    sandbox.inject(fault)
    with pytest.raises(Exception, match="400"):
        load("link.duckdb")
    assert link.is_symlink()
    load("link.duckdb")
    assert link.is_symlink()
    assert query(tmp_path / "disk" / "rows.duckdb", "SELECT count(*) FROM dub.customers") == [(120,)]


# What went wrong


@pytest.mark.parametrize(
    "error, code",
    (
        (UnexpectedRedirect(), 5),
        (UnknownFormat("country"), 5),
        (RateLimited(), 5),
        (BadRequest(), 5),
        (InvitePending(), 4),
        (InviteExpired(), 4),
        (LimitExceeded(), 4),
        (AlreadyRunning(), 7),
        (KeyboardInterrupt(), 130),
        (Terminated(), 143),
        (OSError(28, "No space left on device"), 6),
        (duckdb.TransactionException("Could not write file: No space left on device"), 6),
        (DubError("please report it"), 1),
    ),
)
def test_exit_codes_go_by_class(error: BaseException, code: int) -> None:
    assert explain(error).exit_code == code
    wrapped = RuntimeError("dlt wraps")
    wrapped.__cause__ = error
    assert explain(wrapped).exit_code == code


def test_what_is_missing_for_postgres_is_our_extra() -> None:
    failure = explain(MissingDependencyException("dlt Postgres", ["dlt[postgres]"]))
    assert failure.exit_code == 6
    assert "pip install 'dub-source[postgres]'" in failure.sentence


def test_a_description_names_errors_and_places_but_quotes_only_ours() -> None:
    def inner() -> None:
        raise ValueError("jane@example.com")

    def outer() -> None:
        try:
            inner()
        except ValueError as error:
            raise DestinationError("One sentence.") from error

    with pytest.raises(DestinationError) as caught:
        outer()
    text = describe(caught.value)
    assert "jane" not in text
    assert "in inner" in text
    assert text.splitlines()[-1] == "dub_source.errors.DestinationError: One sentence."
    assert "builtins.ValueError" in text.splitlines()


def test_empty_arguments_are_refused(load: Load, sandbox: Sandbox) -> None:
    with pytest.raises(SettingsError, match="base_url is empty"):
        load(base_url=" ")
    assert sandbox.requests == []
    (finding,) = runs.check(base_url="")
    assert finding.ok is False


def test_the_result_is_json(load: Load) -> None:
    assert json.loads(json.dumps(load().as_json()))["rows"] == 120
