"""``dub-source status``: a verdict, the facts, an exit code; without a key, and for several workspaces."""

import json
import re
from functools import partial
from pathlib import Path

import pytest

from dub_source import runs
from dub_source.destinations import Target
from dub_source.reverse.sync_file import Sync
from tests.cli.conftest import Run, invoke, load
from tests.conftest import StartSandbox


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command, in a folder of its own and without a key."""
    monkeypatch.chdir(tmp_path)
    return partial(invoke, "status")


def test_a_place_that_nothing_was_loaded_into(run: Run, tmp_path: Path) -> None:
    result = run()
    assert (result.exit_code, result.stderr) == (10, "")
    assert result.stdout.splitlines() == [
        "ATTENTION: nothing has been loaded here yet.",
        "dub_customers.duckdb, dataset dub",
        "Next:",
        "  dub-source load",
    ]
    assert {path.name for path in tmp_path.iterdir()} <= {"dlt-data"}
    assert "  dub-source load --dataset crm --database 'my file.duckdb'\n" in (
        run("--database", "my file.duckdb", "--dataset", "crm").stdout
    )


def test_all_is_well(run: Run, start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox(30)
    load(sandbox)
    sandbox.change(sandbox.ids()[0], name="Renamed")
    load(sandbox, mode="full")
    result = run()
    assert (result.exit_code, result.stderr) == (0, "")
    verdict, place, *facts = result.stdout.splitlines()
    assert re.fullmatch(r"OK: 30 customers, loaded \d+ s ago, proven complete \d+ s ago\.", verdict)
    assert place == "dub_customers.duckdb, dataset dub"
    found = dict(line.strip().split(maxsplit=1) for line in facts if line[2:14].strip() != "last 24 h")
    assert found["customers"] == "30 who exist, 0 deleted; 31 versions"
    assert found["incremental"] == "never"
    assert re.fullmatch(r"\d+ s ago \(\d{4}-\d\d-\d\d \d\d:\d\d UTC\), certified", found["sweep"])
    assert found["plans"] == "none"
    (lately,) = [line for line in facts if "last 24 h" in line]
    assert "30 created, 1 updated (name 1), 0 deleted; 2 runs, " in lately
    assert run("--quiet").stdout.splitlines() == [verdict] or run("--quiet").stdout.startswith("OK: ")
    assert len(run("--quiet").stdout.splitlines()) == 1


def test_limits_of_age(run: Run, start_sandbox: StartSandbox) -> None:
    load(start_sandbox(3))
    result = run("--max-age", "0")
    assert result.exit_code == 10
    assert result.stdout.startswith("ATTENTION: the last load that went well began ")
    assert run("--max-sweep-age", "0", "--quiet").exit_code == 10
    assert run("--max-age", "-1").exit_code == 2
    assert run("--max-age", "nan").exit_code == 2


@pytest.mark.slow
def test_plans_and_rejections(run: Run, start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox(10)
    load(sandbox)
    one = sandbox.ids()[0]
    sync = Sync(name="ids", query=f"SELECT '{one}' AS id, 'free' AS external_id")
    planned = runs.plan(Target(), sync, api_key=sandbox.key(), base_url=sandbox.url)
    plan_id = planned.plan.plan_id
    assert f"{plan_id} open     ids (update), 1 changes, made " in run().stdout
    assert run().exit_code == 0
    sandbox.insert(external_id="free")
    runs.apply(Target(), plan_id, api_key=sandbox.key(), base_url=sandbox.url)
    result = run()
    assert result.exit_code == 10
    assert f"1 change was rejected of {plan_id}." in result.stdout.splitlines()[0]
    assert f"1: Another customer has this external_id already. (409 conflict, such as {one})" in result.stdout
    assert result.stdout.endswith(f"Next:\n  dub-source apply {plan_id} --retry-rejected\n")


def test_as_json(run: Run, start_sandbox: StartSandbox) -> None:
    assert json.loads(run("--json").stdout)["problems"] == [
        {"text": "nothing has been loaded here yet", "command": "dub-source load"}
    ]
    load(start_sandbox(5))
    result = run("--json")
    found = json.loads(result.stdout)
    assert (result.exit_code, found["exit_code"], found["error"], found["problems"]) == (0, 0, None, [])
    assert (found["rows"], found["certified"], found["location"]) == (5, True, "dub_customers.duckdb")
    assert found["verdict"].startswith("OK: 5 customers, ")
    assert found["lately"]["changes"] == {"created": 5, "updated": 0, "deleted": 0}


def test_several_workspaces(run: Run, start_sandbox: StartSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ACME", "GLOBEX", "INITECH"):
        # A place is enough: nobody asks Dub.
        monkeypatch.setenv(f"SOURCES__DUB__WORKSPACES__{name}__MAX_RATE_SHARE", "0.5")
    load(start_sandbox(4), Target(dataset="dub_acme", database=Path("dub_customers_acme.duckdb")))
    Path("dub_customers_initech.duckdb").write_text("not a database")
    result = run("--all-workspaces")
    assert result.exit_code == 10
    acme, globex = result.stdout.splitlines()
    assert acme.startswith("acme: OK: 4 customers, loaded ")
    assert globex == "globex: ATTENTION: nothing has been loaded here yet."
    (error,) = result.stderr.splitlines()
    assert error.startswith("initech: Error: ")
    assert error.endswith("(exit code 6)")

    found = json.loads(run("--all-workspaces", "--json").stdout)
    assert [(each["workspace"], each["exit_code"]) for each in found] == [
        ("acme", 0),
        ("globex", 10),
        ("initech", 6),
    ]
    assert found[2]["error"]
    one = run("--workspace", "globex")
    assert one.stdout.endswith("Next:\n  dub-source load --workspace globex\n")
    assert run("--workspace", "acme").stdout.splitlines()[1] == "dub_customers_acme.duckdb, dataset dub_acme"
    unknown = run("--workspace", "acmee")
    assert unknown.exit_code == 2
    assert "There is no workspace acmee" in unknown.stderr


def test_places_that_cannot_be_looked_at(run: Run, tmp_path: Path) -> None:
    (tmp_path / "text.duckdb").write_text("not a database")
    (tmp_path / "folder.duckdb").mkdir()
    for name, words in (
        ("text.duckdb", "is not a DuckDB database"),
        ("folder.duckdb", "is a folder"),
        ("missing/c.duckdb", "does not exist"),
        ("dub.duckdb", "have one name"),
    ):
        result = run("--database", name)
        assert (name, result.exit_code, result.stdout) == (name, 6, "")
        (line,) = result.stderr.splitlines()
        assert line.startswith("Error: ")
        assert words in line
