"""The DAGs of pipelines/airflow_dag.py, run by Airflow itself on an SQLite metadata database."""

import json
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests

from tests.orchestrators.conftest import NAMES, Stage

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600)]

_DAG = Path(__file__).parents[2] / "pipelines" / "airflow_dag.py"
_AIRFLOW = Path(sys.executable).with_name("airflow")
_PUSH = "dub_customers_push"
_RUN_LIMIT_S = 500

States = dict[tuple[str, str], tuple[str, int]]
"""(workspace, task) -> (state, how many times it was tried)."""


@dataclass(frozen=True)
class Airflow:
    """An Airflow of its own: its home, and the variables that lead to it."""

    home: Path
    stage: Stage
    environment: dict[str, str]

    @property
    def database(self) -> Path:
        return self.home / "airflow.db"

    def start(self, *arguments: str, output: Path) -> "subprocess.Popen[bytes]":
        with output.open("wb") as file:
            return subprocess.Popen(
                [str(_AIRFLOW), *arguments],
                stdout=file,
                stderr=subprocess.STDOUT,
                env=self.environment,
                cwd=self.home,
            )

    @contextmanager
    def test_run(self, dag: str, **conf: Any) -> Iterator["Run"]:
        """``airflow dags test``; the run has ended when the block has, and told nothing about anybody."""
        output = self.home / f"output-{time.monotonic_ns()}.txt"
        process = self.start("dags", "test", dag, "--conf", json.dumps(conf), output=output)
        run = Run(self, dag, output, process)
        try:
            yield run
            process.wait(_RUN_LIMIT_S)
        finally:
            process.kill()
            process.wait()
        assert run.id in self.everything_written()
        assert self.stage.leaks(self.everything_written()) == []

    def everything_written(self) -> str:
        """Output, logs and the metadata database, in which XComs, connections' fields and renderings are."""
        files = [path for path in self.home.rglob("*") if path.is_file()]
        assert self.database in files
        return "\n".join(path.read_bytes().decode("utf-8", "replace") for path in files)

    def query(self, text: str, *values: object) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.database, timeout=30)) as connection:
            return connection.execute(text, values).fetchall()


@dataclass
class Run:
    """One run of a DAG."""

    airflow: Airflow
    dag: str
    output: Path
    process: "subprocess.Popen[bytes]"

    @property
    def text(self) -> str:
        return self.output.read_text(encoding="utf-8", errors="replace")

    @property
    def id(self) -> str:
        found = re.search(r"run_id=(manual__[\w:.+-]+)", self.text)
        assert found, self.text
        return found[1].rstrip(",")

    @property
    def succeeded(self) -> bool:
        return self.process.returncode == 0

    def states(self, workspaces: tuple[str, ...] = NAMES) -> States:
        rows = self.airflow.query(
            "SELECT map_index, task_id, state, try_number FROM task_instance WHERE run_id = ?", self.id
        )
        return {
            (workspaces[number], task.removeprefix("workspace.")): (state, tries)
            for number, task, state, tries in rows
            if number >= 0
        }

    def result(self, task: str, number: int) -> Any:
        """What a task has returned, from its XCom."""
        ((value,),) = self.airflow.query(
            "SELECT value FROM xcom WHERE run_id = ? AND task_id = ? AND map_index = ? "
            "AND key = 'return_value'",
            self.id,
            f"workspace.{task}",
            number,
        )
        return json.loads(json.loads(value)) if value.startswith('"') else json.loads(value)


@pytest.fixture(scope="module")
def airflow(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Airflow:
    """Airflow with our DAGs alone, and a connection for each workspace."""
    home = tmp_path_factory.mktemp("airflow")
    dags = home / "dags"
    dags.mkdir()
    shutil.copy(_DAG, dags)
    settings = {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DEFAULT_TASK_RETRY_DELAY": "1",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
    }
    keys = {
        f"AIRFLOW_CONN_DUB_{name.upper()}": json.dumps({"conn_type": "generic", "password": each.key})
        for name, each in stage.workspaces.items()
    }
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    made = Airflow(home, stage, environment | settings | stage.environment | keys)
    output = home / "migrate.txt"
    assert made.start("db", "migrate", output=output).wait(_RUN_LIMIT_S) == 0, output.read_text()
    return made


@pytest.fixture(scope="module")
def api(airflow: Airflow) -> Iterator[str]:
    """The address of an API server of Airflow, and the part of the address that all requests share."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = airflow.start(
        "api-server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        output=airflow.home / "api-server.txt",
    )  # fmt: skip
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.kill()  # ended in good order, it takes ten seconds
        server.wait()


def answer(api: str, run: Run, number: int, option: str) -> None:
    """What a person does in Airflow's list of required actions, over the same route."""
    token = eventually(lambda: requests.get(f"{api}/auth/token", timeout=30).json()["access_token"])
    route = f"{api}/api/v2/dags/{run.dag}/dagRuns/{quote(run.id)}/taskInstances/workspace.approve/{number}"
    headers = {"Authorization": f"Bearer {token}"}

    def send() -> None:
        asked = requests.get(f"{route}/hitlDetails", headers=headers, timeout=30)
        asked.raise_for_status()
        planned = run.result("plan", number)
        assert planned["plan_id"] in asked.json()["subject"]
        body = asked.json()["body"]
        assert body.startswith(f"# Plan {planned['plan_id']}\n")
        assert f"{planned['changes']} changes" in body
        assert "@" not in body
        sent = requests.patch(
            f"{route}/hitlDetails", json={"chosen_options": [option]}, headers=headers, timeout=30
        )
        sent.raise_for_status()

    eventually(send)


def eventually(action: Any) -> Any:
    """The answer of an action once Airflow has got so far."""
    for _ in range(_RUN_LIMIT_S):
        try:
            return action()
        except requests.RequestException:
            time.sleep(1)
    return action()


def test_airflow_reads_the_file_without_importing_dlt(airflow: Airflow) -> None:
    program = (
        "import runpy, sys\n"
        f"runpy.run_path({str(_DAG)!r})\n"
        "print([name for name in sys.modules if name.partition('.')[0] in ('dlt', 'duckdb', 'dub_source')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=airflow.environment, capture_output=True, text=True, check=True
    )
    assert "[]" in done.stdout.splitlines(), done.stdout


def test_workspaces_are_loaded_each_by_itself(airflow: Airflow, stage: Stage) -> None:
    unknown = {"AIRFLOW_CONN_DUB_INITECH": '{"conn_type": "generic", "password": "dub_nobody_knows_this_1"}'}
    base_url = stage.workspaces["acme"].sandbox.url
    unknown |= {"SOURCES__DUB__WORKSPACES__INITECH__BASE_URL": base_url}
    three = Airflow(airflow.home, stage, airflow.environment | unknown)
    with three.test_run("dub_customers") as run:
        pass
    assert not run.succeeded
    states = run.states((*NAMES, "initech"))
    assert states == {
        ("acme", "check"): ("success", 1),
        ("acme", "load"): ("success", 1),
        ("globex", "check"): ("success", 1),
        ("globex", "load"): ("success", 1),
        # Nobody has to wait for retries of what Dub refuses.
        ("initech", "check"): ("failed", 1),
        ("initech", "load"): ("upstream_failed", 0),
    }
    assert "Dub does not know this API key" in run.text
    for number, workspace in enumerate(stage.workspaces.values()):
        there = sorted(workspace.sandbox.ids())
        assert sorted(row[0] for row in workspace.rows("SELECT id FROM customers")) == there
        result = run.result("load", number)
        assert result["created"] == len(there)
        assert result["certified"] is True
        assert workspace.rows("SELECT status FROM sync_runs") == [("ok",)]
        assert workspace.rows("SELECT count(*) FROM customers_validity") == [(len(there),)]


def sync_files(stage: Stage, name: str, suffix: str) -> str:
    """A sync of its own for each workspace: five names with something behind them."""
    for workspace in stage.workspaces:
        (stage.folder / f"{name}_{workspace}.toml").write_text(
            f"query = \"SELECT id, name || '{suffix}' AS name FROM customers "
            'WHERE name IS NOT NULL ORDER BY id LIMIT 5"\n',
            encoding="utf-8",
        )
    return str(stage.folder / f"{name}_{{workspace}}.toml")


def test_a_plan_is_applied_when_a_person_says_so(airflow: Airflow, stage: Stage, api: str) -> None:
    sync = sync_files(stage, "polite", " Esq.")
    with airflow.test_run(_PUSH, sync=sync) as run:
        eventually_waiting(run)
        answer(api, run, NAMES.index("acme"), "Approve")
        answer(api, run, NAMES.index("globex"), "Reject")
    assert run.succeeded
    states = run.states()
    assert states["acme", "approve"] == states["acme", "apply"] == ("success", 1)
    assert states["globex", "approve"][0] == states["globex", "apply"][0] == "skipped"
    polite = {name: polite_names(stage, name) for name in NAMES}
    assert polite == {"acme": 5, "globex": 0}
    assert stage.workspaces["acme"].rows("SELECT result, count(*) FROM push_log GROUP BY 1") == [
        ("applied", 5)
    ]
    assert run.result("apply", NAMES.index("acme")) == {"applied": 5}


def eventually_waiting(run: Run) -> None:
    """Until Airflow says that both workspaces wait for a person."""
    for _ in range(_RUN_LIMIT_S):
        if {state for (_, task), (state, _) in run_states(run).items() if task == "approve"} == {
            "awaiting_input"
        }:
            return
        time.sleep(1)
    raise AssertionError(run.text)


def run_states(run: Run) -> States:
    return run.states() if "run_id=manual__" in run.text else {}


def polite_names(stage: Stage, name: str) -> int:
    people = stage.workspaces[name].sandbox.snapshot().values()
    return sum(str(row["name"]).endswith(" Esq.") for row in people)


def test_without_approval_a_plan_is_applied_and_trouble_is_tried_again_in_words_of_our_own(
    airflow: Airflow, stage: Stage
) -> None:
    acme, globex = stage.workspaces["acme"], stage.workspaces["globex"]
    # From now on DuckDB quotes the address that it cannot store.
    globex.change("ALTER TABLE customers ALTER email SET DATA TYPE INTEGER USING 1")
    changed = globex.sandbox.ids()[0]
    globex.sandbox.change(changed, email="quoted@example.com")
    with airflow.test_run(
        _PUSH, sync=sync_files(stage, "simple", " Jr."), approval=False, mode="full"
    ) as run:
        pass
    assert not run.succeeded
    states = run.states()
    assert states["acme", "approve"] == states["acme", "apply"] == ("success", 1)
    assert run.result("apply", NAMES.index("acme")) == {"applied": 5}
    assert sum(str(row["name"]).endswith(" Jr.") for row in acme.sandbox.snapshot().values()) == 5
    assert states["globex", "load"] == ("failed", 4)
    assert states["globex", "apply"][0] == "upstream_failed"
    assert "The destination could not be reached or failed" in run.text
