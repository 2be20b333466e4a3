"""The definitions of pipelines/dagster_defs.py, run by Dagster in this process on an instance of its own."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import dagster as dg
import pytest

from dub_source.dictionary import TABLES as DICTIONARY
from tests.orchestrators.conftest import NAMES, Stage

pytestmark = [
    pytest.mark.dagster,
    pytest.mark.timeout(600),
    # Checks by partition are new in Dagster 1.13. Without partitions, the last workspace's result would hide
    # the others'.
    pytest.mark.filterwarnings("ignore:Specifying a partitions_def on an AssetCheckSpec"),
]

CUSTOMERS, HISTORY = dg.AssetKey(["dub", "customers"]), dg.AssetKey(["dub", "customers_history"])


class Dagster:
    """The definitions, and an instance that keeps its events in a folder."""

    def __init__(self, definitions: ModuleType, instance: dg.DagsterInstance, folder: Path) -> None:
        self.defs: dg.Definitions = definitions.defs
        self.module = definitions
        self.instance = instance
        self.folder = folder

    def run(self, job: str, name: str, config: dict[str, Any] | None = None) -> dg.ExecuteInProcessResult:
        return self.defs.resolve_job_def(job).execute_in_process(
            run_config={"ops": config or {}}, partition_key=name, instance=self.instance, raise_on_error=False
        )

    def load(self, name: str, mode: str = "auto") -> dg.ExecuteInProcessResult:
        return self.run("dub_load", name, {"load_customers": {"config": {"mode": mode}}})

    def everything_written(self) -> str:
        """Events, logs and runs."""
        files = [path for path in self.folder.rglob("*") if path.is_file()]
        return "\n".join(path.read_bytes().decode("utf-8", "replace") for path in files)


@pytest.fixture
def dagster(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Dagster]:
    for name, value in stage.environment.items():
        monkeypatch.setenv(name, value)
    for name, workspace in stage.workspaces.items():
        monkeypatch.setenv(f"SOURCES__DUB__WORKSPACES__{name.upper()}__API_KEY", workspace.key)
    monkeypatch.chdir(stage.folder)
    sys.modules.pop("pipelines.dagster_defs", None)
    definitions = import_module("pipelines.dagster_defs")
    with dg.DagsterInstance.local_temp(str(tmp_path), {"telemetry": {"enabled": False}}) as instance:
        yield Dagster(definitions, instance, tmp_path)
    assert stage.leaks(Dagster(definitions, instance, tmp_path).everything_written()) == []


def metadata(result: dg.ExecuteInProcessResult, key: dg.AssetKey) -> dict[str, Any]:
    (event,) = [each for each in result.get_asset_materialization_events() if each.asset_key == key]
    return {name: value.value for name, value in event.materialization.metadata.items()}


def checks(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    return {each.check_name: each.passed for each in result.get_asset_check_evaluations()}


def test_a_workspace_is_a_partition_whose_tables_are_loaded_and_checked(
    dagster: Dagster, stage: Stage
) -> None:
    assert dagster.module.WORKSPACES.get_partition_keys() == list(NAMES)
    acme = stage.workspaces["acme"]
    first = dagster.load("acme")
    assert first.success
    assert first.run_id in dagster.everything_written()
    number = len(acme.sandbox.ids())
    expected = {"rows_loaded": number, "created": number, "dagster/partition_row_count": number}
    for key in (CUSTOMERS, HISTORY):
        found = metadata(first, key)
        assert {name: found[name] for name in expected} == expected
        assert found["certificate"] == "complete"
    assert sorted(row[0] for row in acme.rows("SELECT id FROM customers")) == sorted(acme.sandbox.ids())
    assert acme.rows("SELECT count(*) FROM customers_validity") == [(number,)]
    passed = dict.fromkeys(dagster.module.CHECKS, True)
    assert checks(first) == passed
    assert not stage.workspaces["globex"].database.exists()

    again = dagster.load("acme", "incremental")
    assert again.success
    assert metadata(again, CUSTOMERS)["rows_loaded"] == 0
    assert metadata(again, HISTORY)["rows_loaded"] == 0
    assert metadata(again, CUSTOMERS)["dagster/partition_row_count"] == number
    assert checks(again) == passed


def test_columns_are_described_as_in_the_data_dictionary(dagster: Dagster) -> None:
    specs = {spec.key: spec for spec in dagster.module.tables.specs}
    assert specs.keys() == {CUSTOMERS, HISTORY}
    for key, spec in specs.items():
        table = DICTIONARY[key.path[-1]]
        assert spec.description == table.meaning
        columns = spec.metadata["dagster/column_schema"].columns
        assert {each.name: (each.type, each.description) for each in columns} == {
            column.name: (column.type, column.description) for column in table.columns
        }
        assert [each.name for each in columns if each.constraints.unique] == [table.key]


TROUBLES = {
    "ids_are_unique": "INSERT INTO customers FROM customers LIMIT 1",
    "fresh": "UPDATE sync_runs SET started_at = started_at - INTERVAL 60 HOUR WHERE mode = 'full'",
    "last_sweep_certified": "UPDATE sync_runs SET certified = false, unread = 2 WHERE mode = 'full'",
    "nothing_rejected": "UPDATE push_log SET result = 'rejected' WHERE result = 'applied'",
}


def test_each_check_sees_its_trouble(dagster: Dagster, stage: Stage) -> None:
    globex = stage.workspaces["globex"]
    assert TROUBLES.keys() == dagster.module.CHECKS.keys()
    assert dagster.load("globex").success
    assert push(dagster, stage, "globex", " Sr.", approve=True).success
    seen: set[str] = set()
    for check, trouble in TROUBLES.items():
        globex.change(trouble)
        seen.add(check)
        result = checks(dagster.load("globex", "incremental"))
        assert {name for name, passed in result.items() if not passed} == seen


def push(
    dagster: Dagster, stage: Stage, name: str, suffix: str, *, approve: bool
) -> dg.ExecuteInProcessResult:
    """Plan three names with something behind them; launch it again with the plan's id, if approved."""
    file = stage.folder / f"{name}_names.toml"
    file.write_text(
        f"query = \"SELECT id, rtrim(name, ' SrJ.') || '{suffix}' AS name FROM customers "
        'WHERE name IS NOT NULL ORDER BY id LIMIT 3"\n',
        encoding="utf-8",
    )
    config = {"sync": str(stage.folder / "{workspace}_names.toml")}
    planned = dagster.run("dub_push", name, {"plan": {"config": config}})
    if approve:
        ((plan_id,),) = stage.workspaces[name].rows(
            "SELECT plan_id FROM push_plans ORDER BY created_at DESC LIMIT 1"
        )
        planned = dagster.run("dub_push", name, {"plan": {"config": {**config, "approved": plan_id}}})
    return planned


def test_only_the_approved_plan_is_applied(dagster: Dagster, stage: Stage) -> None:
    acme = stage.workspaces["acme"]
    assert dagster.load("acme").success
    before = acme.sandbox.snapshot()
    looked_at = push(dagster, stage, "acme", " Jr.", approve=False)
    assert looked_at.success
    assert acme.sandbox.snapshot() == before
    other = dagster.run(
        "dub_push",
        "acme",
        {"plan": {"config": {"sync": str(stage.folder / "acme_names.toml"), "approved": "plan_0123456789"}}},
    )
    assert not other.success
    assert acme.sandbox.snapshot() == before
    assert push(dagster, stage, "acme", " Jr.", approve=True).success
    changed = [row for row in acme.sandbox.snapshot().values() if str(row["name"]).endswith(" Jr.")]
    assert len(changed) == 3
    assert acme.rows("SELECT result, count(*) FROM push_log GROUP BY 1") == [("applied", 3)]


def failure(dagster: Dagster, name: str) -> dg.Failure:
    """Why a sweep has failed. Dagster would wait a minute before each retry, so this job has none."""
    job = dagster.defs.resolve_implicit_global_asset_job_def()
    with pytest.raises(dg.Failure) as failed:
        job.execute_in_process(
            run_config={"ops": {"load_customers": {"config": {"mode": "full"}}}},
            partition_key=name,
            instance=dagster.instance,
        )
    assert str(failed.value.description) in dagster.everything_written()
    return failed.value


def test_what_fails_is_said_in_words_of_our_own(dagster: Dagster, stage: Stage) -> None:
    """The fixture looks whether anything that was stored of it tells about people."""
    acme = stage.workspaces["acme"]
    assert dagster.load("acme").success
    acme.change("ALTER TABLE customers ALTER email SET DATA TYPE INTEGER USING 1")
    acme.sandbox.change(acme.sandbox.ids()[0], email="quoted@example.com")
    failed = failure(dagster, "acme")
    assert "The destination could not be reached or failed" in str(failed.description)
    assert failed.allow_retries
    acme.database.unlink()


def test_a_key_that_dub_refuses_is_not_tried_again(dagster: Dagster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCES__DUB__WORKSPACES__GLOBEX__API_KEY", "dub_nobody_knows_this_1")
    failed = failure(dagster, "globex")
    assert "Dub does not know this API key" in str(failed.description)
    assert not failed.allow_retries


def test_schedules_ask_for_a_run_of_each_workspace(dagster: Dagster) -> None:
    modes: dict[str, list[Any]] = {}
    for name in ("dub_incremental", "dub_sweep"):
        schedule = dagster.defs.resolve_schedule_def(name)
        context = dg.build_schedule_context(
            instance=dagster.instance,
            repository_def=dagster.defs.get_repository_def(),
            scheduled_execution_time=datetime(2026, 11, 27, 3, 5, tzinfo=UTC),
        )
        asked = schedule.evaluate_tick(context).run_requests or []
        assert [each.partition_key for each in asked] == list(NAMES)
        modes[name] = [each.run_config["ops"]["load_customers"]["config"] for each in asked]
    assert modes == {
        "dub_incremental": [{"mode": "incremental"}] * len(NAMES),
        "dub_sweep": [{"mode": "full"}] * len(NAMES),
    }
