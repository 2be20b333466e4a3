"""Runs that stop by themselves: in good order, and the next one goes on."""

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dub_source import runs
from dub_source.deadline import Deadline
from dub_source.destinations import Target
from dub_source.errors import OutOfTime
from dub_source.failures import ExitCode, cause, explain
from dub_source.reverse.model import Result
from dub_source.sandbox import Fault, Sandbox
from dub_source.sync import Report
from tests.conftest import StartSandbox
from tests.reverse.conftest import MakePushWorld, make_push_world

__all__ = ["make_push_world"]


ANCHORS = 16
"""Customers that a sweep begins with, at most; they come by another request."""


SOON = 1_000.0
"""Seconds: a deadline that is nearer than that has come, in a test that says so."""
IS_UP = property(lambda deadline: deadline.at < time.monotonic() + SOON)


class At:
    """An observer that knows how far it got, and does something once it got somewhere, or to the end."""

    def __init__(self, at: float = math.inf, then: Callable[[], object] = lambda: None) -> None:
        self.customers = 0
        self._at = at
        self._then = then

    def begins(self, report: Report) -> None: ...

    def expecting(self, customers: int | None) -> None: ...

    def read(self, customers: int) -> None:
        self.customers = customers
        if customers >= self._at:
            self._then()

    def ended(self) -> None:
        if self._at == math.inf:
            self._then()


def load(sandbox: Sandbox, folder: Path, observer: At | None = None, **options: Any) -> runs.LoadResult:
    return runs.load(
        Target(database=folder / "rows.duckdb"),
        pipelines_dir=folder / "working",
        observer=observer,
        api_key=sandbox.key(),
        base_url=sandbox.url,
        **options,
    )


def slow(sandbox: Sandbox, seconds: float) -> Sandbox:
    """Let every answer take so long."""
    sandbox.inject(Fault("stall", containing="/customers", seconds=seconds, times=10_000))
    return sandbox


def walked(sandbox: Sandbox) -> set[str]:
    """The pages of a walk that were asked for."""
    return {request.query for request in sandbox.requests if "startingAfter" in request.query}


def test_a_sweep_stops_and_the_next_run_goes_on(
    start_sandbox: StartSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = start_sandbox(3_000)
    with monkeypatch.context() as patched, pytest.raises(Exception) as stopped:  # noqa: PT011, PT012 - dlt wraps it
        patched.setattr("dub_source.sync.run._GRACE_S", 2 * SOON)
        at = At(at=1_000, then=lambda: patched.setattr(Deadline, "is_over", IS_UP))
        load(sandbox, tmp_path, at, max_seconds=SOON / 2)
    assert isinstance(cause(stopped.value), OutOfTime)
    assert explain(stopped.value).exit_code is ExitCode.OUT_OF_TIME
    assert 1_000 <= at.customers < 1_200
    assert not (tmp_path / "rows.duckdb").exists(), "nothing is half-written"

    first = walked(sandbox)
    sandbox.forget_requests()
    sandbox.clear_faults()
    result = load(sandbox, tmp_path)
    assert (result.report.resumed, result.report.read, result.rows) == (True, 3_000, 3_000)
    assert result.report.certificate is not None
    assert result.report.certificate.complete
    # No page whose customers the first run has counted is read again.
    assert len(first - walked(sandbox)) * 100 >= at.customers - ANCHORS


@pytest.mark.slow
def test_what_has_been_read_is_loaded_to_its_end(start_sandbox: StartSandbox, tmp_path: Path) -> None:
    """Else a load that takes longer than that would never be done, however often it is run."""
    sandbox = start_sandbox(50)
    result = load(sandbox, tmp_path, At(then=lambda: time.sleep(1.5)), max_seconds=1.5)
    assert result.rows == 50


@pytest.mark.slow
def test_an_incremental_run_stops_and_writes_nothing(start_sandbox: StartSandbox, tmp_path: Path) -> None:
    sandbox = start_sandbox(50)
    load(sandbox, tmp_path)
    for number in range(300):
        sandbox.insert(name=f"New {number}", email=f"new{number}@example.com")
    slow(sandbox, 0.2)
    with pytest.raises(Exception) as stopped:  # noqa: PT011
        load(sandbox, tmp_path, mode="incremental", max_seconds=0.3)
    assert isinstance(cause(stopped.value), OutOfTime)
    with duckdb.connect(str(tmp_path / "rows.duckdb"), read_only=True) as connection:
        runs_noted = connection.execute(
            "SELECT status, error FROM dub.sync_runs ORDER BY started_at"
        ).fetchall()
        assert connection.execute("SELECT count(*) FROM dub.customers").fetchall() == [(50,)]
    assert runs_noted == [("ok", None), ("failed", "OutOfTime")]
    sandbox.clear_faults()
    assert load(sandbox, tmp_path, mode="incremental").rows == 350


class Until:
    """An observer of an apply: the time is up when something has been settled."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def begins(self, changes: int, requests_per_s: float | None) -> None: ...

    def settled(self, counts: Mapping[Result, int]) -> None:
        if sum(counts.values()):
            self._monkeypatch.setattr(Deadline, "is_over", IS_UP)


@pytest.mark.slow
def test_an_apply_stops_and_the_next_one_goes_on(
    make_push_world: MakePushWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_push_world(60)
    world.wish({each: {"name": f"Name {number}"} for number, each in enumerate(world.sandbox.ids())})
    made = world.plan()
    slow(world.sandbox, 0.2)
    with monkeypatch.context() as patched:
        first = world.apply(made, max_seconds=SOON / 2, observer=Until(patched))
    assert isinstance(first.stopped_by, OutOfTime)
    assert not first.complete
    done, left = first.counts[Result.APPLIED], first.counts[Result.NOT_ATTEMPTED]
    assert done + left == 60
    assert done == sum((row["name"] or "").startswith("Name ") for row in world.sandbox.snapshot().values())

    world.sandbox.clear_faults()
    with monkeypatch.context() as patched:
        rest = world.apply(made, max_seconds=SOON / 2)
        patched.setattr(Deadline, "is_over", IS_UP)
        again = world.apply(made, max_seconds=SOON / 2)
    assert (rest.complete, rest.stopped_by, rest.report.counts[Result.APPLIED]) == (True, None, left)
    assert again.complete
    assert again.stopped_by is None, "there was nothing left to be late for"
