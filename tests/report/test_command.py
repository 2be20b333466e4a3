"""``dub-source report``: a file, or the figures as JSON; without a key."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dub_source import runs
from dub_source.cli.commands import dub_source
from dub_source.destinations import Target
from tests.conftest import StartSandbox

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command, in a folder of its own and without a key."""
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(dub_source, ["report", *arguments], catch_exceptions=False)

    return invoke


@pytest.mark.slow
def test_a_page_of_what_is_loaded(run: Run, start_sandbox: StartSandbox, tmp_path: Path) -> None:
    sandbox = start_sandbox(30)
    runs.load(Target(), api_key=sandbox.key(), base_url=sandbox.url)
    before = (tmp_path / "dub_customers.duckdb").read_bytes()
    result = run()
    assert (result.exit_code, result.stderr) == (0, "")
    verdict, written = result.stdout.splitlines()
    assert verdict.startswith("OK: 30 customers, loaded ")
    assert written == "Written: dub_report.html"
    page = (tmp_path / "dub_report.html").read_text(encoding="utf-8")
    assert verdict in page
    for customer in sandbox.snapshot().values():
        for field in ("id", "email", "externalId"):
            assert not customer[field] or customer[field] not in page
    assert (tmp_path / "dub_customers.duckdb").read_bytes() == before, "a look changes nothing"

    assert run().exit_code == 0, "its own page is written again"
    (tmp_path / "notes.txt").write_text("notes", encoding="utf-8")
    refused = run("--output", "notes.txt")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr.startswith("Error: The file notes.txt is there already and is no report: ")
    assert (tmp_path / "notes.txt").read_text(encoding="utf-8") == "notes"
    assert run("--output", "notes.txt", "--force").exit_code == 0
    assert (tmp_path / "notes.txt").read_text(encoding="utf-8").startswith("<!doctype html>")

    figures = json.loads(run("--json", "--output", "never.html").stdout)
    assert (figures["location"], figures["dataset"]) == ("dub_customers.duckdb", "dub")
    assert figures["totals"]["customers"] == 30
    assert sum(day["new_customers"] for day in figures["over_time"]) == 30
    assert not (tmp_path / "never.html").exists()


def test_a_place_that_nothing_was_loaded_into(run: Run, tmp_path: Path) -> None:
    result = run()
    assert result.exit_code == 0
    assert result.stdout.startswith("ATTENTION: nothing has been loaded here yet.")
    assert "There are no customers yet." in (tmp_path / "dub_report.html").read_text(encoding="utf-8")
    assert {each.name for each in tmp_path.iterdir()} <= {"dub_report.html", "dlt-data"}


def test_a_workspace_of_the_settings(
    run: Run, start_sandbox: StartSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__DUB__WORKSPACES__ACME__MAX_RATE_SHARE", "0.5")
    sandbox = start_sandbox(4)
    runs.load(
        Target(dataset="dub_acme", database=Path("dub_customers_acme.duckdb")),
        api_key=sandbox.key(),
        base_url=sandbox.url,
    )
    assert run("--workspace", "acme").stdout.endswith("Written: dub_report_acme.html\n")
    assert "<h1><bdi>acme</bdi></h1>" in (tmp_path / "dub_report_acme.html").read_text(encoding="utf-8")
    assert run("--workspace", "nobody").exit_code == 2


@pytest.mark.parametrize("package", ("altair", "vl_convert", "jinja2"))
def test_without_the_extra(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    result = run()
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines() == [
        f"Error: The report is drawn by packages that are not installed ({package}): "
        "pip install 'dub-source[report]'."
    ]
    assert list(tmp_path.glob("*.html")) == []
    assert run("--json").exit_code == 0, "the figures need none of them"


def test_places_that_cannot_be_looked_at(run: Run, tmp_path: Path) -> None:
    (tmp_path / "text.duckdb").write_text("not a database")
    result = run("--database", "text.duckdb")
    assert (result.exit_code, result.stdout) == (6, "")
    assert "is not a DuckDB database" in result.stderr
    assert list(tmp_path.glob("*.html")) == []
