"""``dub-source load`` and ``check``: results and exit codes, and silence about people."""

import json
import re
from pathlib import Path

import duckdb
import pytest

from dub_source.sandbox import Fault, Sandbox
from dub_source.sandbox.generate import generate
from tests.cli.conftest import ADDRESS, KEY, Run
from tests.conftest import StartSandbox


def test_load_says_what_it_did_and_how_to_go_on(run: Run, tmp_path: Path) -> None:
    result = run("load")
    assert result.exit_code == 0
    why, what, cost, where, _, query = result.stdout.splitlines()
    assert why == "Full run: the first sweep of this table."
    assert what == "Read 120 customers: complete. 120 created, 0 updated, 0 deleted."
    assert re.match(r"\d+ requests, \d+\.\d s", cost)
    assert where == "dub_customers.duckdb: table dub.customers has 120 rows."
    with duckdb.connect(str(tmp_path / "dub_customers.duckdb"), read_only=True) as connection:
        assert connection.execute(query).fetchall()


def test_load_as_json(run: Run, sandbox: Sandbox) -> None:
    result = run("load", "--json", "--database", "rows.duckdb", "--dataset", "crm")
    assert (result.exit_code, result.stderr) == (0, "")
    outcome = json.loads(result.stdout)
    assert outcome["read"] == outcome["rows"] == outcome["created"] == 120
    assert (outcome["mode"], outcome["certified"], outcome["deleted"]) == ("full", True, 0)
    assert outcome["requests"] == len(sandbox.requests)
    assert (outcome["complete"], outcome["location"], outcome["dataset"]) == (True, "rows.duckdb", "crm")


def test_load_of_an_empty_workspace_says_so(
    run: Run, start_sandbox: StartSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ADDRESS, start_sandbox(0).url)
    result = run("load")
    assert result.exit_code == 0
    assert "The workspace has no customers yet." in result.stdout


def test_an_incomplete_load_has_its_own_exit_code(
    run: Run, start_sandbox: StartSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ADDRESS, start_sandbox(generate(120, unreadable=2)).url)
    result = run("load")
    assert result.exit_code == 3
    assert "complete except 2" in result.stdout
    assert "2 could not be read" in result.stdout
    assert json.loads(run("load", "--json", "--mode", "full").stdout)["unread"] == 2


def test_after_an_incomplete_sweep_auto_goes_on_in_small_steps_and_says_so(
    run: Run, start_sandbox: StartSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ADDRESS, start_sandbox(generate(120, unreadable=2)).url)
    run("load")
    result = run("load")
    assert result.exit_code == 0
    assert result.stdout.startswith("Incremental run: the next sweep is due at ")
    assert "The last sweep was complete except 2." in result.stdout
    assert json.loads(run("load", "--json").stdout)["unread"] == 2


def test_a_viewer_may_load(run: Run, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, sandbox.key("viewer"))
    assert run("load").exit_code == 0


def test_check_has_a_line_for_each_topic_and_changes_nothing(run: Run, sandbox: Sandbox) -> None:
    before = sandbox.snapshot()
    result = run("check")
    assert result.exit_code == 0
    lines = [line.split(maxsplit=2) for line in result.stdout.splitlines()]
    assert [(sign, topic) for sign, topic, _ in lines] == [
        ("ok", f"{topic}:") for topic in ("reachability", "key", "plan", "role", "limit")
    ]
    assert "1,200 requests a minute" in result.stdout
    assert sandbox.snapshot() == before


@pytest.mark.parametrize(
    "name, sign, topic, code",
    (
        ("viewer", "note", "role", 0),
        ("free", "BAD", "plan", 4),
        ("expired", "BAD", "key", 4),
    ),
)
def test_check_says_what_a_key_lacks(
    run: Run, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, name: str, sign: str, topic: str, code: int
) -> None:
    monkeypatch.setenv(KEY, sandbox.key(name))
    result = run("check")
    assert result.exit_code == code
    assert any(line.startswith(f"{sign:<5}{topic}: ") for line in result.stdout.splitlines())
    findings = [json.loads(line) for line in run("check", "--json").stdout.splitlines()]
    assert {"ok": {"note": None, "BAD": False}[sign], "topic": topic} in [
        {"ok": each["ok"], "topic": each["topic"]} for each in findings
    ]


def test_nothing_about_people_is_said_or_logged(
    run: Run, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    monkeypatch.setenv("RUNTIME__LOG_LEVEL", "DEBUG")
    sandbox.inject(Fault("status", containing="startingAfter", skip=1, status=503))
    result = run("load", "--database", "rows.duckdb", "--pipelines-dir", "working")
    assert result.exit_code == 0
    people = [
        value for row in sandbox.snapshot().values() for value in (row["email"], row["externalId"]) if value
    ]
    for where, text in {"output": result.output, "log": caplog.text}.items():
        found = [secret for secret in (sandbox.key(), *people) if secret in text]
        assert not found, f"{where} holds {len(found)} secrets"


def test_no_second_copy_of_the_rows_is_kept(run: Run, sandbox: Sandbox, tmp_path: Path) -> None:
    def copies() -> dict[str, int]:
        run("load", "--mode", "full", "--database", "rows.duckdb")
        with duckdb.connect(str(tmp_path / "rows.duckdb"), read_only=True) as connection:
            tables = connection.execute(
                "SELECT schema_name, table_name FROM duckdb_tables() WHERE table_name = 'customers'"
            ).fetchall()
            return {
                schema: connection.execute(f"SELECT count(*) FROM {schema}.{name}").fetchall()[0][0]
                for schema, name in tables
            }

    assert copies() == {"dub": 120}, "a first load does not even stage them"
    sandbox.change(sandbox.ids()[0], name="Somebody Else")
    assert copies() == {"dub": 120, "dub_staging": 0}
