"""What the warehouse says of itself, and whether to try again what has failed."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dub_source import runs
from dub_source.destinations import Target
from dub_source.errors import AlreadyRunning, DubError, PlanRefused, Unauthorized
from dub_source.failures import ExitCode, explain
from dub_source.reverse.sync_file import Sync
from tests.conftest import StartSandbox


def test_status_of_a_place_that_nothing_was_loaded_into(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    assert runs.status(Target(database=tmp_path / "c.duckdb"), clock=lambda: now) == runs.Status(at=now)
    assert not (tmp_path / "c.duckdb").exists()


def test_status_counts_customers_versions_runs_and_rejections(
    start_sandbox: StartSandbox, tmp_path: Path
) -> None:
    sandbox = start_sandbox(40)
    target = Target(database=tmp_path / "c.duckdb")
    options: dict[str, Any] = {"api_key": sandbox.key(), "base_url": sandbox.url}
    before = datetime.now(UTC)
    runs.load(target, **options)
    gone, changed, taken = sandbox.ids()[:3]
    sandbox.delete(gone)
    sandbox.change(changed, name="Renamed")
    swept = datetime.now(UTC)
    runs.load(target, mode="full", **options)
    found = runs.status(target)
    assert (found.rows, found.ids, found.living, found.versions) == (40, 40, 39, 42)
    assert found.certified is True
    assert found.rejected == 0
    assert found.loaded_at == found.swept_at
    assert found.swept_at is not None
    assert before < swept <= found.swept_at

    runs.load(target, mode="incremental", **options)
    later = runs.status(target)
    assert later.swept_at == found.swept_at
    assert later.loaded_at is not None
    assert later.loaded_at - found.swept_at > timedelta(0)

    rejected = Sync(name="ids", query=f"SELECT '{changed}' AS id, 'free' AS external_id")
    planned = runs.plan(target, rejected, **options)
    sandbox.insert(external_id="free")
    assert not runs.apply(target, planned.plan.plan_id, **options).complete
    assert runs.status(target).rejected == 1
    # A newer plan of the same sync is what counts.
    runs.plan(target, Sync(name="ids", query=f"SELECT '{taken}' AS id, 'other' AS external_id"), **options)
    assert runs.status(target).rejected == 0


def test_status_sees_rows_that_are_there_twice(start_sandbox: StartSandbox, tmp_path: Path) -> None:
    sandbox = start_sandbox(5)
    target = Target(database=tmp_path / "c.duckdb")
    runs.load(target, api_key=sandbox.key(), base_url=sandbox.url)
    with duckdb.connect(str(target.database)) as connection:
        connection.execute("INSERT INTO dub.customers FROM dub.customers LIMIT 2")
    found = runs.status(target)
    assert (found.rows, found.ids) == (7, 5)


def test_check_takes_a_key(start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox(1)
    assert {each.ok for each in runs.check(api_key=sandbox.key(), base_url=sandbox.url)} <= {True, None}
    *_, last = runs.check(api_key="dub_of_nobody", base_url=sandbox.url)
    assert isinstance(last.error, Unauthorized)


@pytest.mark.parametrize(
    "code, again",
    (
        (ExitCode.UNAVAILABLE, True),
        (ExitCode.RUNNING, True),
        (ExitCode.DESTINATION, True),
        (ExitCode.INCOMPLETE, True),
        (ExitCode.UNEXPECTED, True),
        (ExitCode.TERMINATED, True),
        (ExitCode.OK, False),
        (ExitCode.SETTINGS, False),
        (ExitCode.REFUSED, False),
        (ExitCode.STOPPED, False),
        (ExitCode.NOT_ALL, False),
    ),
)
def test_what_may_be_tried_again(code: ExitCode, again: bool) -> None:
    assert code.retryable is again


def test_another_run_is_a_reason_to_try_again() -> None:
    assert explain(AlreadyRunning("...")).exit_code.retryable
    assert not explain(PlanRefused("...")).exit_code.retryable
    assert explain(DubError("...")).exit_code.retryable
