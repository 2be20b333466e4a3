"""``dub()`` as anybody's script uses it: plain dlt, configuration from dlt's places."""

from pathlib import Path
from typing import Any

import dlt
import duckdb
import pytest
from dlt.pipeline.exceptions import PipelineStepFailed

from dub_source import dub
from dub_source.errors import DubError, SettingsError
from dub_source.observer import Observer
from dub_source.sandbox import Fault, Sandbox
from dub_source.types import ClientStats
from dub_source.walk import Certificate
from tests.conftest import StartSandbox


@pytest.fixture
def sandbox(start_sandbox: StartSandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    sandbox = start_sandbox(300)
    monkeypatch.setenv("SOURCES__DUB__API_KEY", sandbox.key())
    monkeypatch.setenv("SOURCES__DUB__BASE_URL", sandbox.url)
    return sandbox


@pytest.fixture
def pipeline(tmp_path: Path) -> dlt.Pipeline:
    return dlt.pipeline(
        "test_source",
        destination=dlt.destinations.duckdb(str(tmp_path / "rows.duckdb")),
        dataset_name="dub",
        pipelines_dir=str(tmp_path / "pipelines"),
    )


class Rows:
    """Questions to the database that the pipeline loads into; opened anew for each."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def execute(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self._path), read_only=True) as connection:
            return connection.execute(sql).fetchall()


@pytest.fixture
def rows(tmp_path: Path) -> Rows:
    return Rows(tmp_path / "rows.duckdb")


def test_one_line_and_configuration_from_the_environment(
    sandbox: Sandbox, pipeline: dlt.Pipeline, rows: Rows
) -> None:
    info = pipeline.run(dub())
    assert not info.has_failed_jobs
    assert {row[0] for row in rows.execute("SELECT id FROM dub.customers")} == set(sandbox.ids())


def test_key_and_address_from_dlt_files(
    sandbox: Sandbox, pipeline: dlt.Pipeline, rows: Rows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SOURCES__DUB__API_KEY")
    monkeypatch.delenv("SOURCES__DUB__BASE_URL")
    folder = tmp_path / "project" / ".dlt"
    folder.mkdir(parents=True)
    (folder / "secrets.toml").write_text(f'[sources.dub]\napi_key = "{sandbox.key()}"\n')
    (folder / "config.toml").write_text(f'[sources.dub]\nbase_url = "{sandbox.url}"\npage_size = 50\n')
    monkeypatch.chdir(folder.parent)
    from dlt.common.runtime.run_context import switch_context

    switch_context(str(folder.parent))
    try:
        pipeline.run(dub())
    finally:
        switch_context(".")
    assert rows.execute("SELECT count(*) FROM dub.customers") == [(300,)]
    assert any("pageSize=50" in request.query for request in sandbox.requests)


def test_column_types(sandbox: Sandbox, pipeline: dlt.Pipeline, rows: Rows) -> None:
    pipeline.run(dub())
    types = dict(
        rows.execute(
            "SELECT column_name, data_type FROM information_schema.columns WHERE table_name='customers'"
        )
    )
    assert types["sale_amount"] == types["sales"] == "BIGINT"
    assert types["created_at"] == types["first_sale_at"] == "TIMESTAMP WITH TIME ZONE"
    assert types["id"] == types["link__short_link"] == "VARCHAR"
    assert not [name for name in types if name.startswith("_dlt")]


def test_twice_is_the_same_and_merges_on_id(sandbox: Sandbox, pipeline: dlt.Pipeline, rows: Rows) -> None:
    pipeline.run(dub())
    before = rows.execute("SELECT * FROM dub.customers ORDER BY id")
    pipeline.run(dub())
    assert rows.execute("SELECT * FROM dub.customers ORDER BY id") == before


def test_a_new_field_of_dub_becomes_a_column(
    sandbox: Sandbox, pipeline: dlt.Pipeline, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline.run(dub())
    from dub_source.sandbox.model import Customer

    as_json = Customer.as_json
    monkeypatch.setattr(
        Customer,
        "as_json",
        lambda row, source: as_json(row, source) | {"lifetimeValue": 12.5, "labels": ["a"]},
    )
    for customer_id in sandbox.ids():
        sandbox.change(customer_id)
    pipeline.run(dub())
    assert rows.execute("SELECT DISTINCT lifetime_value, labels FROM dub.customers") == [(12.5, '["a"]')]


@pytest.mark.parametrize(
    "filters, condition",
    (
        ({"country": "us"}, "country = 'US'"),
        ({"email": "CUSTOMER7@example.com"}, "email = 'customer7@example.com'"),
        ({"external_id": "user_9"}, "external_id = 'user_9'"),
        ({"link_id": "link_1KDSANDBOX000000000000001"}, "link__id = 'link_1KDSANDBOX000000000000001'"),
        ({"partner_id": "pn_1KDSANDBOX000000000000001"}, "partner__id = 'pn_1KDSANDBOX000000000000001'"),
        ({"country": "US", "external_id": "nobody"}, "false"),
    ),
)
def test_filters_select_into_a_table_of_their_own(
    sandbox: Sandbox, pipeline: dlt.Pipeline, rows: Rows, filters: dict[str, Any], condition: str
) -> None:
    pipeline.run(dub())
    sandbox.forget_requests()
    pipeline.run(dub(**filters))
    selected = rows.execute("SELECT * FROM dub.customers_filtered ORDER BY id")
    assert selected == rows.execute(f"SELECT * FROM dub.customers WHERE {condition} ORDER BY id")
    assert rows.execute("SELECT count(*) FROM dub.customers") == [(300,)]
    assert not any(
        name in request.query for request in sandbox.requests for name in ("country", "email", "linkId")
    )


def test_destinations_without_upsert_merge_all_the_same(
    sandbox: Sandbox, pipeline: dlt.Pipeline, rows: Rows
) -> None:
    pipeline.run(dub(merge_strategy="delete-insert"))
    changed = sandbox.ids()[0]
    sandbox.change(changed, country="XX")
    pipeline.run(dub(merge_strategy="delete-insert"))
    assert rows.execute("SELECT count(*), count(DISTINCT id) FROM dub.customers") == [(300, 300)]
    assert rows.execute("SELECT id FROM dub.customers WHERE country = 'XX'") == [(changed,)]


def test_an_unknown_merge_strategy_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(SettingsError, match="merge_strategy"):
        dub(merge_strategy="replace")


def test_a_table_name_of_ones_own(sandbox: Sandbox, pipeline: dlt.Pipeline, rows: Rows) -> None:
    pipeline.run(dub(country="DE", table_name="german_customers"))
    assert rows.execute("SELECT DISTINCT country FROM dub.german_customers") == [("DE",)]


@pytest.mark.parametrize("page_size", (0, 101, -1, True, "10", 1.5))
def test_page_size_is_checked_before_anything_is_sent(sandbox: Sandbox, page_size: Any) -> None:
    with pytest.raises(SettingsError, match="from 1 to 100"):
        dub(page_size=page_size)
    assert sandbox.requests == []


def test_a_filter_by_link_needs_expanded_fields(sandbox: Sandbox) -> None:
    with pytest.raises(SettingsError, match="include_expanded_fields"):
        dub(link_id="link_1", include_expanded_fields=False)


def test_a_failure_half_way_changes_nothing(sandbox: Sandbox, pipeline: dlt.Pipeline, rows: Rows) -> None:
    pipeline.run(dub())
    before = rows.execute("SELECT * FROM dub.customers ORDER BY id")
    for customer_id in sandbox.ids():
        sandbox.change(customer_id, country="XX")
    sandbox.inject(Fault("status", containing="startingAfter", skip=2, status=404, code="conflict", times=99))
    with pytest.raises(PipelineStepFailed) as caught:
        pipeline.run(dub())
    assert isinstance(caught.value.__cause__.__cause__, DubError)  # type: ignore[union-attr]
    assert rows.execute("SELECT * FROM dub.customers ORDER BY id") == before


def test_the_observer_is_told(sandbox: Sandbox, pipeline: dlt.Pipeline) -> None:
    class Notes(Observer):
        def __init__(self) -> None:
            self.expected: list[int | None] = []
            self.seen: list[int] = []
            self.end: tuple[Certificate, ClientStats] | None = None

        def expecting(self, customers: int | None) -> None:
            self.expected.append(customers)

        def read(self, customers: int) -> None:
            self.seen.append(customers)

        def ended(self, certificate: Certificate, stats: ClientStats) -> None:
            self.end = (certificate, stats)

    notes = Notes()
    pipeline.run(dub(observer=notes))
    assert notes.expected == [300]
    assert notes.seen == sorted(notes.seen)
    assert notes.seen[-1] == 300
    assert notes.end is not None
    assert notes.end[0].rows == 300
    assert notes.end[1].requests == len(sandbox.requests)
