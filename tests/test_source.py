"""``dub()`` as anybody's script uses it: plain dlt, configuration from dlt's places."""

import json
from collections.abc import Iterator, Sequence
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any

import dlt
import duckdb
import orjson
import pytest
from dlt.common.runtime.run_context import switch_context
from dlt.pipeline.exceptions import PipelineStepFailed

from dub_source import dub
from dub_source.errors import DubError, SettingsError
from dub_source.sandbox import Fault, Sandbox
from dub_source.sandbox.model import Customer
from dub_source.sandbox.store import Store
from dub_source.sync import Observer, Report
from dub_source.table_names import COMMON
from tests.conftest import StartSandbox


@pytest.fixture
def sandbox(start_sandbox: StartSandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    sandbox = start_sandbox(300)
    monkeypatch.setenv("SOURCES__DUB__API_KEY", sandbox.key())
    monkeypatch.setenv("SOURCES__DUB__BASE_URL", sandbox.url)
    return sandbox


@pytest.fixture
def pipeline(tmp_path: Path) -> dlt.Pipeline:
    return new_pipeline(tmp_path)


def new_pipeline(tmp_path: Path) -> dlt.Pipeline:
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


@contextmanager
def project(parent: Path, secrets: str = "", config: str = "") -> Iterator[None]:
    """A folder with configuration files of dlt, to be in for a while."""
    folder = parent / "project" / ".dlt"
    folder.mkdir(parents=True)
    (folder / "secrets.toml").write_text(secrets)
    (folder / "config.toml").write_text(config)
    before = Path.cwd()
    with chdir(folder.parent):
        switch_context(str(folder.parent))
        try:
            yield
        finally:
            switch_context(str(before))


def test_one_line_and_configuration_from_the_environment(
    sandbox: Sandbox, pipeline: dlt.Pipeline, rows: Rows
) -> None:
    info = pipeline.run(dub())
    assert not info.has_failed_jobs
    assert {row[0] for row in rows.execute("SELECT id FROM dub.customers")} == set(sandbox.ids())


def test_key_and_address_from_dlt_files(
    sandbox: Sandbox, rows: Rows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SOURCES__DUB__API_KEY")
    monkeypatch.delenv("SOURCES__DUB__BASE_URL")
    secrets = f'[sources.dub]\napi_key = "{sandbox.key()}"\n'
    with project(tmp_path, secrets, f'[sources.dub]\nbase_url = "{sandbox.url}"\npage_size = 50\n'):
        new_pipeline(tmp_path).run(dub())  # a pipeline belongs to the folder that it was made in
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
    as_json = Customer.as_json
    monkeypatch.setattr(
        Customer,
        "as_json",
        lambda row, source: as_json(row, source) | {"lifetimeValue": 12.5, "labels": ["a"]},
    )
    for customer_id in sandbox.ids():
        sandbox.change(customer_id)
    pipeline.run(dub())
    assert rows.execute("SELECT DISTINCT lifetime_value, labels FROM dub.customers") == [("12.5", '["a"]')]


@pytest.mark.slow
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
    columns = "* EXCLUDE (observed_at)"
    selected = rows.execute(f"SELECT {columns} FROM dub.customers_filtered ORDER BY id")
    assert selected == rows.execute(f"SELECT {columns} FROM dub.customers WHERE {condition} ORDER BY id")
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
        pipeline.run(dub(mode="full"))
    assert isinstance(caught.value.__cause__.__cause__, DubError)  # type: ignore[union-attr]
    assert rows.execute("SELECT * FROM dub.customers ORDER BY id") == before


def test_the_observer_is_told(sandbox: Sandbox, pipeline: dlt.Pipeline) -> None:
    class Notes(Observer):
        def __init__(self) -> None:
            self.expected: list[int | None] = []
            self.seen: list[int] = []
            self.report: Report | None = None
            self.has_ended = False

        def begins(self, report: Report) -> None:
            self.report = report

        def expecting(self, customers: int | None) -> None:
            self.expected.append(customers)

        def read(self, customers: int) -> None:
            self.seen.append(customers)

        def ended(self) -> None:
            self.has_ended = True

    notes = Notes()
    pipeline.run(dub(observer=notes))
    assert notes.expected == [300]
    assert notes.seen == sorted(notes.seen)
    assert notes.seen[-1] == 300
    assert notes.has_ended
    assert notes.report is not None
    assert (notes.report.read, notes.report.created, notes.report.complete) == (300, 300, True)
    assert notes.report.stats.requests == len(sandbox.requests)


_RENDER_ONE = Store.render_one


def send_more(monkeypatch: pytest.MonkeyPatch, more: dict[str, Any]) -> None:
    """From now on every customer has these fields, too."""

    def render_one(store: Store, row: Customer, *, expanded: bool) -> bytes:
        customer = orjson.loads(_RENDER_ONE(store, row, expanded=expanded))
        for name, value in more.items():
            inside = name in ("link", "discount")
            customer[name] = customer.get(name, {}) | value if inside else value
        return orjson.dumps(customer)

    def render(store: Store, rows: Sequence[Customer], *, expanded: bool) -> bytes:
        return b"[" + b",".join(render_one(store, row, expanded=expanded) for row in rows) + b"]"

    monkeypatch.setattr(Store, "render_one", render_one)
    monkeypatch.setattr(Store, "render", render)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ("upsert", "delete-insert"))
def test_an_unknown_field_that_changes_its_type_blocks_no_load(
    sandbox: Sandbox,
    pipeline: dlt.Pipeline,
    rows: Rows,
    monkeypatch: pytest.MonkeyPatch,
    strategy: str,
) -> None:
    for value, text in ((True, "true"), ("x", "x"), (1, "1"), (1.5, "1.5"), ({"a": [1]}, '{"a":[1]}')):
        send_more(monkeypatch, {"newField": value, "link": {"newField": value}})
        pipeline.run(dub(mode="full", merge_strategy=strategy))
        found = rows.execute("SELECT DISTINCT new_field, link__new_field FROM dub.customers")
        assert found == [(text, text)]


@pytest.mark.slow
def test_names_that_collide_block_no_load_and_lose_nothing(
    sandbox: Sandbox, pipeline: dlt.Pipeline, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline.run(dub())
    before = rows.execute("SELECT id, external_id, sale_amount, link__domain FROM dub.customers ORDER BY id")
    collisions: tuple[dict[str, Any], ...] = (
        {
            "sale_amount": 1,
            "ID": 2,
            "newField": 3,
            "new_field": 4,
            "link": {"Domain": 5},
            "link__id": 6,
            "": 7,
        },
        {
            "SaleAmount": "a",
            "Id": "b",
            "new_field": True,
            "NewField": [1],
            "_dlt_id": "c",
            "_dlt_load_id": "d",
        },
        {
            "external_id": {},
            "n" * 300: 1,
            "xmin": 2,
            "select": 3,
            "order": 4,
            "rowid": 5,
            "new field": 6,
            "!!!": 7,
        },
        {"other_fields": "a", "otherFields": "b", "newfield": 1, "NEWFIELD": 2, "link": {"short_link": 3}},
    )
    expected = (
        {"sale_amount": 1, "ID": 2, "new_field": 4, "link": {"Domain": 5}, "": 7},
        {"SaleAmount": "a", "Id": "b", "new_field": True, "_dlt_id": "c", "_dlt_load_id": "d"},
        {"external_id": {}, "n" * 300: 1, "xmin": 2, "rowid": 5, "!!!": 7},
        {"other_fields": "a", "otherFields": "b", "newfield": 1, "link": {"short_link": 3}},
    )
    new_fields = ("3", "[1]", "6", None)
    for more, rest, new_field in zip(collisions, expected, new_fields, strict=True):
        send_more(monkeypatch, more)
        pipeline.run(dub(mode="full"))
        [(text, other)] = rows.execute("SELECT DISTINCT new_field, other_fields FROM dub.customers")
        assert (text, json.loads(other)) == (new_field, rest)
        columns = "id, external_id, sale_amount, link__domain"
        assert rows.execute(f"SELECT {columns} FROM dub.customers ORDER BY id") == before
    assert rows.execute("SELECT DISTINCT newfield, link_id FROM dub.customers") == [("2", None)]
    names = rows.execute(
        "SELECT column_name FROM information_schema.columns WHERE table_schema || table_name = 'dubcustomers'"
    )
    assert not [name for (name,) in names if name.startswith("_") or len(name) > 63]


def test_with_and_without_expanded_fields_the_columns_have_one_type(
    sandbox: Sandbox, pipeline: dlt.Pipeline, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    send_more(monkeypatch, {"discount": {"amount": 12.5, "maxDuration": 3}})
    pipeline.run(dub(include_expanded_fields=False))
    pipeline.run(dub())
    found = rows.execute(
        "SELECT DISTINCT discount__amount, typeof(discount__max_duration) FROM dub.customers"
    )
    assert found == [(12.5, "BIGINT")]


FILTERS = ("country", "link_id", "partner_id", "email", "external_id")
IMPOSSIBLE = {
    "country": ("", " ", "5", "[]", "{}", '["US"]', "US "),
    "link_id": ("", " ", "5", "[]", "link 1"),
    "partner_id": ("", "7", "{}"),
    "email": ("", "@", "ada", "[]", '["a@example.com"]'),
    "external_id": ("", "  ", "[]", '["u"]'),
}


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("value", ("", " ", [], ["a@b"], 5, 0, True, {}))
def test_a_filter_that_matches_nobody_is_refused(sandbox: Sandbox, name: str, value: Any) -> None:
    with pytest.raises(SettingsError, match=f"filter {name} "):
        dub(**{name: value})
    assert sandbox.requests == []


@pytest.mark.parametrize("name, value", [(name, value) for name in FILTERS for value in IMPOSSIBLE[name]])
def test_so_it_is_from_the_environment(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"SOURCES__DUB__{name.upper()}", value)
    with pytest.raises(SettingsError, match=f"filter {name} ") as caught:
        dub()
    assert not value.strip() or value not in str(caught.value)


@pytest.mark.parametrize(
    "name, value", (("country", '""'), ("country", "[]"), ("email", '""'), ("link_id", "5"))
)
def test_so_it_is_from_a_file(sandbox: Sandbox, tmp_path: Path, name: str, value: str) -> None:
    with (
        project(tmp_path, secrets=f"[sources.dub]\n{name} = {value}\n"),
        pytest.raises(SettingsError, match=f"filter {name} "),
    ):
        dub()


@pytest.mark.parametrize(
    "name, value",
    (
        ("country", "Côte d'Ivoire"),
        ("link_id", "clx0123456789"),
        ("email", "ada+x@exämple.com"),
        ("external_id", "5"),
        ("external_id", "{6F9619FF-8B86}"),
        ("external_id", " u "),
    ),
)
def test_whatever_may_match_somebody_is_accepted(sandbox: Sandbox, name: str, value: str) -> None:
    assert dub(**{name: value}).resources["customers"].table_name == "customers_filtered"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "name",
    (
        "",
        " ",
        "Customers",
        "my-table",
        "a.b",
        "ends_",
        "___a",
        "_dlt_loads",
        "_dlt",
        "2024",
        "größe",
        "a" * 55,
        5,
        [],
    ),
)
def test_a_table_name_that_dlt_would_change_is_refused(sandbox: Sandbox, name: Any) -> None:
    with pytest.raises(SettingsError, match="table_name"):
        dub(table_name=name)


@pytest.mark.parametrize("name", ("a", "_a", "dub__customers", "customers_2", "a" * 54))
def test_a_table_name_that_dlt_keeps_is_accepted(sandbox: Sandbox, pipeline: dlt.Pipeline, name: str) -> None:
    pipeline.run(dub(table_name=name))
    assert name in pipeline.default_schema.data_table_names()


@pytest.mark.parametrize("name", (*COMMON, "customers_history", "people_validity"))
def test_the_table_of_customers_is_none_of_the_others(sandbox: Sandbox, name: str) -> None:
    with pytest.raises(SettingsError, match="table_name must not be sync_runs, push_plans"):
        dub(table_name=name)


def test_a_selection_does_not_go_into_the_table_of_everybody(sandbox: Sandbox) -> None:
    with pytest.raises(SettingsError, match=r"table_name .* must not be customers"):
        dub(table_name="customers", country="DE")
    assert dub(table_name="customers").resources["customers"].table_name == "customers"


@pytest.mark.parametrize("configured", (True, False))
def test_personal_filters_are_in_no_file_of_a_run(
    sandbox: Sandbox,
    pipeline: dlt.Pipeline,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    configured: bool,
) -> None:
    private: dict[str, Any] = {"email": "private@person.example", "external_id": "private-external-id"}
    if configured:
        for name, value in private.items():
            monkeypatch.setenv(f"SOURCES__DUB__{name.upper()}", value)
    # Nobody has them, so whatever is found comes from the configuration.
    pipeline.run(dub(country="US") if configured else dub(country="US", **private))
    assert pipeline.last_trace is not None
    traced = {each.key: each.value for each in pipeline.last_trace.resolved_config_values}
    assert "base_url" in traced
    assert not set(private.values()) & set(traced.values())
    files = [path for path in (tmp_path / "pipelines").rglob("*") if path.is_file()]
    assert any(path.name == "trace.pickle" for path in files)
    for path in files:
        assert not [value for value in private.values() if value.encode() in path.read_bytes()], path
