"""Several workspaces loaded at once: each into its own place, each failing alone."""

import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dub_source import runs
from dub_source.destinations import Target
from dub_source.errors import InvalidArgument, SettingsError
from dub_source.sandbox import Sandbox
from dub_source.workspaces import Workspace
from tests.conftest import StartSandbox


class Heard:
    """What an observer was told."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.events: list[tuple[str, str]] = []
        self.ends: list[runs.WorkspaceRun] = []

    def told(self, workspace: str, event: Mapping[str, Any]) -> None:
        with self._lock:
            self.events.append((workspace, event["event"]))

    def ended(self, run: runs.WorkspaceRun) -> None:
        with self._lock:
            self.ends.append(run)

    def of(self, workspace: str) -> list[str]:
        return [event for name, event in self.events if name == workspace]


def workspace(name: str, sandbox: Sandbox, folder: Path, **options: Any) -> Workspace:
    return Workspace(
        name,
        Target(dataset=f"dub_{name}", database=folder / f"{name}.duckdb"),
        {"api_key": sandbox.key(), "base_url": sandbox.url, **options},
    )


def rows(database: Path, dataset: str) -> int:
    with duckdb.connect(str(database), read_only=True) as connection:
        found = connection.execute(f"SELECT count(*) FROM {dataset}.customers").fetchone()
    assert found is not None
    return int(found[0])


@pytest.mark.slow
def test_one_fails_and_the_others_do_not(start_sandbox: StartSandbox, tmp_path: Path) -> None:
    acme, globex = start_sandbox(120), start_sandbox(80)
    heard = Heard()
    done = runs.load_workspaces(
        [
            workspace("acme", acme, tmp_path),
            workspace("revoked", acme, tmp_path, api_key="dub_nobodys"),
            workspace("globex", globex, tmp_path),
        ],
        parallel=3,
        pipelines_dir=tmp_path / "working",
        observer=heard,
    )
    assert [(run.workspace, run.exit_code, run.ok) for run in done] == [
        ("acme", 0, True),
        ("revoked", 4, False),
        ("globex", 0, True),
    ]
    assert runs.exit_code_of(done) == 4
    assert rows(tmp_path / "acme.duckdb", "dub_acme") == 120
    assert rows(tmp_path / "globex.duckdb", "dub_globex") == 80
    assert not (tmp_path / "revoked.duckdb").exists()
    assert [(run.result or {}).get("rows") for run in done] == [120, None, 80]
    assert done[1].error is not None
    assert "dub_nobodys" not in str([run.as_json() for run in done])
    assert heard.of("acme") == ["begins", "expecting", "loading"]
    assert heard.of("revoked") == ["begins"]
    assert sorted(run.workspace for run in heard.ends) == ["acme", "globex", "revoked"]
    assert list((tmp_path / "working").rglob("*.parquet")) == []


@pytest.mark.slow
def test_those_that_share_a_file_take_turns(start_sandbox: StartSandbox, tmp_path: Path) -> None:
    sandbox = start_sandbox(40)
    two = [
        replace(workspace(name, sandbox, tmp_path), target=Target(dataset=f"dub_{name}", database=database))
        for name, database in (("acme", tmp_path / "all.duckdb"), ("globex", tmp_path / "." / "all.duckdb"))
    ]
    heard = Heard()
    done = runs.load_workspaces(two, parallel=2, pipelines_dir=tmp_path / "working", observer=heard)
    assert [run.exit_code for run in done] == [0, 0]
    assert [name for name, event in heard.events if event in ("begins", "loading")] == [
        *("acme", "acme"),
        *("globex", "globex"),
    ]
    for name in ("acme", "globex"):
        assert rows(tmp_path / "all.duckdb", f"dub_{name}") == 40


def test_options_win_over_those_of_a_workspace(start_sandbox: StartSandbox, tmp_path: Path) -> None:
    """And a single one needs no other process."""
    sandbox = start_sandbox(40)
    (run,) = runs.load_workspaces(
        [workspace("acme", sandbox, tmp_path, page_size=30)],
        pipelines_dir=tmp_path / "working",
        page_size=20,
        mode=None,
    )
    assert run.ok
    asked = " ".join(request.query for request in sandbox.requests)
    assert "pageSize=20" in asked
    assert "pageSize=30" not in asked


def test_arguments_that_cannot_be(start_sandbox: StartSandbox, tmp_path: Path) -> None:
    sandbox = start_sandbox(1)
    two = [workspace(name, sandbox, tmp_path) for name in ("acme", "globex")]
    with pytest.raises(InvalidArgument, match="parallel"):
        runs.load_workspaces(two, parallel=0)
    with pytest.raises(SettingsError, match="max_seconds"):
        runs.load_workspaces(two, max_seconds=0)
    with pytest.raises(SettingsError, match="base_url is empty"):
        runs.load_workspaces(two, base_url=" ")
    with pytest.raises(SettingsError, match="accept_vanished comes from a look at one workspace"):
        runs.load_workspaces(two, accept_vanished=100)
    assert sandbox.requests == []
