"""dbt itself, over the sources that ``dub-source views --dbt`` prints for a loaded workspace."""

import os
import re
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from dub_source import runs
from dub_source.destinations import Target
from dub_source.runs.dbt import sources
from tests.conftest import StartSandbox

pytestmark = [pytest.mark.dbt, pytest.mark.timeout(600)]

PROJECT = """
name: shop
version: "1.0"
profile: shop
flags: {send_anonymous_usage_stats: false}
"""
PROFILES = "shop: {target: dev, outputs: {dev: {type: duckdb, path: %s, threads: 1}}}\n"
MODEL = "select country, revenue_cents from {{ source('dub', 'revenue_by_country') }}\n"


class Shop:
    """A loaded workspace with its views, and a project of dbt over them."""

    def __init__(self, folder: Path, start_sandbox: StartSandbox) -> None:
        self.folder = folder
        self.database = folder / "shop.duckdb"
        sandbox = start_sandbox(200)
        target = Target(database=self.database)
        for _ in range(2):
            runs.load(target, api_key=sandbox.key(), base_url=sandbox.url, mode="full")
            sandbox.delete(sandbox.ids()[3])
        runs.create_views(target)
        (folder / "models").mkdir()
        for name, text in (
            ("dbt_project.yml", PROJECT),
            ("profiles.yml", PROFILES % self.database),
            ("models/sources.yml", sources([(target, "customers")])),
            ("models/by_country.sql", MODEL),
        ):
            (folder / name).write_text(text, encoding="utf-8")

    def dbt(self, *arguments: str) -> tuple[int, str]:
        done = subprocess.run(
            [Path(sys.executable).parent / "dbt", "--no-use-colors", *arguments, "--profiles-dir", "."],
            cwd=self.folder,
            env={**os.environ, "DO_NOT_TRACK": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    def change(self, statement: str) -> None:
        with duckdb.connect(str(self.database)) as connection:
            connection.execute(statement)


@pytest.fixture
def shop(tmp_path: Path, start_sandbox: StartSandbox) -> Shop:
    return Shop(tmp_path, start_sandbox)


def test_dbt_tests_builds_and_finds_everything_fresh(shop: Shop) -> None:
    code, said = shop.dbt("source", "freshness")
    assert (code, said.count("PASS freshness of dub.")) == (0, 3), said
    code, said = shop.dbt("build")
    assert code == 0, said
    assert int(re.findall(r"PASS=(\d+) WARN=0 ERROR=0 SKIP=0", said)[0]) > 80
    assert "deprecat" not in said.lower()


def test_dbt_sees_what_is_old_and_what_is_wrong(shop: Shop) -> None:
    shop.change("UPDATE dub.sync_runs SET ended_at = ended_at - INTERVAL 30 HOUR")
    code, said = shop.dbt("source", "freshness")
    assert (code, said.count("WARN freshness of dub.")) == (0, 3), said
    shop.change("UPDATE dub.sync_runs SET ended_at = ended_at - INTERVAL 30 HOUR")
    code, said = shop.dbt("source", "freshness")
    assert (code, said.count("ERROR STALE freshness of dub.")) == (1, 3), said
    shop.change("INSERT INTO dub.customers FROM dub.customers LIMIT 1")
    shop.change("UPDATE dub.sync_runs SET status = 'odd'")
    code, said = shop.dbt("test")
    assert code == 1
    failed = set(re.findall(r"FAIL \d+ (source_\w+)", said))
    assert "source_unique_dub_customers_id" in failed
    assert any(each.startswith("source_accepted_values_dub_sync_runs_status") for each in failed)
