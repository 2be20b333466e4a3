"""``dub-source views``: what it prints and what it ends with; without a key, and for several workspaces."""

import json
import re
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from dub_source.analytics import VIEWS
from dub_source.destinations import Target
from tests.cli.conftest import Run, invoke, load
from tests.conftest import StartSandbox


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command, in a folder of its own and without a key."""
    monkeypatch.chdir(tmp_path)
    return partial(invoke, "views")


def query(sql: str, database: str = "dub_customers.duckdb") -> list[tuple[Any, ...]]:
    with duckdb.connect(database) as connection:
        return connection.execute(sql).fetchall()


def test_made_and_dropped_in_words_and_as_json(run: Run, start_sandbox: StartSandbox) -> None:
    load(start_sandbox(30))
    made = run()
    assert (made.exit_code, made.stderr) == (0, "")
    assert made.stdout == f"Made in dub_customers.duckdb, dataset dub: {', '.join(VIEWS)}.\n"
    again = json.loads(run("--json").stdout)
    assert (again["created"], again["left_out"], again["in_the_way"]) == (list(VIEWS), {}, [])
    assert (again["destination"], again["dataset"]) == ("duckdb", "dub")
    dropped = run("--drop")
    others = [name for name in VIEWS if name != "customers_validity"]
    assert dropped.stdout == f"Dropped in dub_customers.duckdb, dataset dub: {', '.join(others)}.\n"
    assert run("--drop").stdout == "Nothing was changed in dub_customers.duckdb, dataset dub.\n"


def test_what_is_left_out_and_what_is_in_the_way_is_said(run: Run, start_sandbox: StartSandbox) -> None:
    load(start_sandbox(30), include_expanded_fields=False)
    query("CREATE TABLE dub.churn AS SELECT 1 AS one")
    result = run()
    assert result.exit_code == 6
    assert result.stderr == (
        "churn was left as it is, because it is no view of dub-source: rename it, then run the same again.\n"
    )
    assert "No view revenue_by_link: it needs link__id, which the table of customers does not have" in (
        result.stdout
    )
    assert query("FROM dub.churn") == [(1,)]


def test_a_column_of_others_may_be_called_anything(run: Run, start_sandbox: StartSandbox) -> None:
    load(start_sandbox(30))
    query("""ALTER TABLE dub.customers ADD COLUMN "my score, a""b {c}" INTEGER DEFAULT 5""")
    made = run()
    assert (made.exit_code, made.stderr) == (0, "")
    assert query("""SELECT DISTINCT "my score, a""b {c}" FROM dub.customers_current""") == [(5,)]


def test_the_printed_sql_makes_the_same_views_and_printing_makes_none(
    run: Run, start_sandbox: StartSandbox
) -> None:
    load(start_sandbox(30))
    printed = run("--print-sql")
    assert (printed.exit_code, printed.stderr) == (0, "")
    views = "SELECT view_name FROM duckdb_views() WHERE schema_name = 'dub' ORDER BY 1"
    assert query(views) == [("customers_validity",)]
    query(printed.stdout)
    assert {name for (name,) in query(views)} == set(VIEWS)
    assert json.loads(run("--json").stdout)["in_the_way"] == [], "they are ours"
    as_json = json.loads(run("--print-sql", "--json").stdout)
    assert as_json["sql"].keys() == set(VIEWS)
    assert (
        'CREATE OR REPLACE VIEW "DUB"."COHORTS" AS\n' in run("--print-sql", "--dialect", "snowflake").stdout
    )


@pytest.mark.parametrize(
    "arguments, code, sentence",
    (
        (["--print-sql", "--dialect", "klingon"], 2, "There is no dialect 'klingon': choose one of athena, "),
        (["--drop", "--dbt"], 2, "Use one of --drop, --print-sql and --dbt at a time"),
        (["--dialect", "duckdb"], 2, "Use one of --drop, --print-sql and --dbt at a time"),
        ([], 2, "There is no table customers in dub_customers.duckdb, dataset dub, yet: load it with"),
        (["--dbt"], 2, "There is no table customers in dub_customers.duckdb"),
        (["--dataset", "My-Data"], 2, "The dataset must be at most 50 lower-case letters"),
        (["--dataset", "select"], 2, "The dataset 'select' is a word that SQL keeps for itself"),
        (["--workspace", "nobody"], 2, "nobody"),
    ),
)
def test_what_cannot_be_right_is_one_sentence(
    run: Run, tmp_path: Path, arguments: list[str], code: int, sentence: str
) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    assert sentence in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not list(tmp_path.glob("*.duckdb"))


def test_a_broken_file_is_one_sentence(run: Run, tmp_path: Path) -> None:
    (tmp_path / "dub_customers.duckdb").write_text("no database")
    result = run()
    assert (result.exit_code, result.stdout) == (6, "")
    assert re.fullmatch(r"Error: .+\n", result.stderr)
    assert (tmp_path / "dub_customers.duckdb").read_text() == "no database"


@pytest.mark.slow
def test_workspaces_have_theirs(
    run: Run, start_sandbox: StartSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("acme", "globex"):
        monkeypatch.setenv(f"SOURCES__DUB__WORKSPACES__{name.upper()}__API_KEY", f"dub_{name}")
        monkeypatch.setenv(f"SOURCES__DUB__WORKSPACES__{name.upper()}__TABLE_NAME", f"people_of_{name}")
        target = Target(dataset=f"dub_{name}", database=Path(f"dub_customers_{name}.duckdb"))
        load(start_sandbox(20), target, table_name=f"people_of_{name}")
    made = json.loads(run("--all-workspaces", "--json").stdout)
    assert [each["workspace"] for each in made] == ["acme", "globex"]
    assert "people_of_globex_cohorts" in made[1]["created"]
    assert query(
        "SELECT sum(customers) FROM dub_globex.people_of_globex_cohorts", "dub_customers_globex.duckdb"
    ) == [(20,)]
    printed = yaml.safe_load(run("--all-workspaces", "--dbt").stdout)
    assert [source["name"] for source in printed["sources"]] == ["dub_acme", "dub_globex"]
    tables = [table["name"] for table in printed["sources"][0]["tables"]]
    assert "people_of_acme" in tables
    assert "people_of_acme_churn" in tables
    assert run("--workspace", "acme").stdout.startswith("acme: Made in dub_customers_acme.duckdb")
