"""The desired state: what people hand in, and what becomes of it."""

import gzip
import os
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import dlt
import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dub_source.errors import DestinationError, DubError, SettingsError
from dub_source.reverse.desired import ignored_columns, read_desired, read_owned
from dub_source.reverse.queries import undone
from dub_source.reverse.sync_file import Source, Sync
from dub_source.reverse.texts import NoText, as_text

ANN = "ann@example.test"


@pytest.fixture
def save(tmp_path: Path) -> Callable[[str, str | bytes | pa.Table], str]:
    """Write a file and give back its path."""

    def write(name: str, content: str | bytes | pa.Table) -> str:
        path = tmp_path / name
        if isinstance(content, pa.Table):
            pq.write_table(content, path)
        else:
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    return write


Save = Callable[[str, str | bytes | pa.Table], str]


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[dlt.Pipeline]:
    """A pipeline into a DuckDB file, with a few tables that are not its own."""
    file = tmp_path / "warehouse.duckdb"
    with duckdb.connect(str(file)) as database:
        database.execute(
            f"""
            CREATE SCHEMA crm;
            CREATE SCHEMA dub;
            CREATE TABLE crm.people AS SELECT * FROM (VALUES
                ('cus_1', 'Ann', 7, '{ANN}'), ('cus_2', NULL, 8, NULL)
            ) AS t (id, full_name, user_id, email);
            CREATE VIEW crm.names AS SELECT id, full_name AS name FROM crm.people;
            CREATE TABLE dub.ours AS SELECT 'cus_9' AS id, 'Bo' AS name UNION ALL SELECT NULL, NULL;
            CREATE TABLE main."Odd ""one" AS SELECT 1;
            """
        )
    made = dlt.pipeline(
        "desired",
        destination=dlt.destinations.duckdb(str(file)),
        dataset_name="dub",
        pipelines_dir=str(tmp_path / "pipelines"),
    )
    yield made
    made.deactivate()


def rows(table: pa.Table) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in table.to_pylist()]


def refused(sync: Sync, **given: Any) -> str:
    """The sentence that reading it ends in."""
    with pytest.raises(DubError) as caught:
        read_desired(sync, **given)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.endswith((".", "?"))
    assert ANN not in sentence
    return sentence


# Files


@pytest.mark.parametrize("ending", ("csv", "jsonl", "parquet"))
def test_a_file_becomes_rows_of_text(save: Save, ending: str) -> None:
    table = pa.table(
        {
            "id": ["cus_1", "cus_2", None],
            "op": ["update", " Delete ", None],
            "email": [ANN, None, None],
            "external_id": ["0012", "42", None],
            "note": ["a", "b", "c"],
        }
    )
    content: str | pa.Table = {
        "csv": f"id,op,email,external_id,note\ncus_1,update,{ANN},0012,a\ncus_2, Delete ,,42,b\n,,,,c\n",
        "jsonl": f'{{"id": "cus_1", "op": "update", "email": "{ANN}", "external_id": "0012", "note": "a"}}\n'
        '{"id": "cus_2", "op": " Delete ", "note": "b", "external_id": 42}\n{"note": "c"}\n',
        "parquet": table,
    }[ending]
    desired = read_desired(Sync(file=save(f"people.{ending}", content)))
    assert desired.column_names == ["row", "key", "op", "email", "external_id"]
    assert set(desired.schema.types[1:]) == {pa.string()}
    assert rows(desired) == [
        (1, "cus_1", "update", ANN, "0012"),
        (2, "cus_2", "delete", None, "42"),
        (3, None, None, None, None),
    ]
    assert ignored_columns(desired) == ("note",)


@pytest.mark.parametrize(
    "content",
    (
        "id,name\ncus_1,Ann\n",
        b"\xef\xbb\xbfid,name\r\ncus_1,Ann\r\n",
        "id;name\ncus_1;Ann\n",
        "id\tname\ncus_1\tAnn",
        '\ufeff"id","name"\n\n"cus_1","Ann"\n\n',
        " ID , Name\ncus_1,Ann\n",
        "id,name\rcus_1,Ann\r",
    ),
)
def test_csv_as_spreadsheets_write_it(save: Save, content: str | bytes) -> None:
    desired = read_desired(Sync(file=save("people.CSV", content)))
    assert rows(desired) == [(1, "cus_1", None, "Ann")]
    assert desired.column_names == ["row", "key", "op", "name"]


def test_csv_cells_are_kept_as_they_are(save: Save) -> None:
    content = 'external_id,name\n 007 ,"two\nlines, ""quoted"""\n1e5,NULL\ntrue,""\n'
    desired = read_desired(Sync(file=save("people.csv", content), key="external_id"))
    assert rows(desired) == [
        (1, " 007 ", None, 'two\nlines, "quoted"'),
        (2, "1e5", None, "NULL"),
        (3, "true", None, None),
    ]


def test_numbers_of_json_lines_keep_their_digits(save: Save) -> None:
    lines = ['{"id": 1, "name": %s}' % text for text in ("12345678901234567890", "0.10", "7.0", "1e3", "-0")]  # noqa: UP031
    desired = read_desired(Sync(file=save("people.jsonl", "\n".join(lines))))
    assert desired["name"].to_pylist() == ["12345678901234567890", "0.10", "7", "1000", "0"]


def test_many_rows_are_numbered_through(save: Save) -> None:
    content = "id,name\n" + "".join(f"cus_{number},n\n" for number in range(120_001))
    desired = read_desired(Sync(file=save("people.csv", content)))
    assert desired["row"].to_pylist() == list(range(1, 120_002))
    assert desired["key"].to_pylist()[-1] == "cus_120000"
    assert "Row 120002 " in refused(Sync(file=save("people.csv", content + "cus_x,n,\n")))


def test_a_relative_path_counts_from_the_folder(save: Save, tmp_path: Path) -> None:
    save("people.csv", "id,name\ncus_1,Ann\n")
    assert len(read_desired(Sync(file="people.csv"), folder=tmp_path)) == 1
    assert "no file people.csv" in refused(Sync(file="people.csv"), folder=tmp_path / "elsewhere")


def test_a_header_alone_is_nobody(save: Save) -> None:
    for name, content in (("a.csv", "id,name\n"), ("a.parquet", pa.table({"id": ["x"], "name": ["y"]})[:0])):
        desired = read_desired(Sync(file=save(name, content)))
        assert desired.column_names == ["row", "key", "op", "name"]
        assert len(desired) == 0


@pytest.mark.parametrize(
    "name, content, said",
    (
        ("a.csv", "", "is empty"),
        ("a.parquet", "", "is empty"),
        ("a.jsonl", "", "is empty"),
        ("a.jsonl", "\n\n", "no column id"),
        ("a.parquet", "PAR1 and then nothing", "cannot be read (ArrowInvalid)"),
        ("a.xlsx", "x", ".parquet, .csv or .jsonl"),
        ("a.csv", f"cus_1,{ANN}\n", "no column id:"),
        ("a.csv", "ids,name\n1,x\n", "no column id (but ids)"),
        ("a.csv", "id,name,name\n1,x,y\n", "2 columns called name"),
        ("a.csv", "id,name,NAME \n1,x,y\n", "2 columns called name"),
        ("a.csv", "id,ID\n1,x\n", "2 columns called id"),
        ("a.csv", f"id,email\n1,{ANN}\n2,{ANN},x\n", "Row 2 of the file"),
        ("a.csv", f"id,email\n1,{ANN}\n2\n", "Row 2 of the file"),
        ("a.csv", f'id,email\n1,"{ANN}\n2,y\n', "no CSV in row 1"),
        ("a.csv", f'id,email\n1,"{ANN}"x\n', "no CSV in row 1"),
        ("a.csv", "id,name\n1,\x00\n" + "x" * 200_000, "no CSV in row 2"),
        ("a.csv", "id,name\n1,ä\n".encode("latin-1"), "UTF-8"),
        ("a.csv", "id,name\n1,ä\n".encode("utf-16"), "UTF-8"),
        ("a.jsonl", f'{{"id": "1", "name": {{"first": "{ANN}"}}}}', "column name, row 1, a nested value"),
        ("a.jsonl", '{"id": "1"}\n{"id": "2", "name": ["x"]}', "column name, row 2, a nested value"),
        ("a.jsonl", '{"id": "1", "name": true}', "column name, row 1, a truth value"),
        ("a.jsonl", '{"id": "1", "name": 1e999999999}', "200 digits"),
        ("a.jsonl", '{"id": "1", "name": 1e99999999999999999999999}', "Row 1"),
        ("a.jsonl", '{"id": "1", "name": NaN}', "not whole or not exact"),
        ("a.jsonl", '{"id": "1", "name": "\\ud83e"}', "column name, row 1, half a character"),
        ("a.jsonl", f'{{"id": "1", "email": "{ANN}", "email": "x"}}', "Row 1"),
        ("a.jsonl", f'[{{"id": "1", "email": "{ANN}"}}]', "Row 1"),
        ("a.jsonl", f'{{"id": "1"}}\n{{"email": "{ANN}"', "Row 2"),
        ("a.jsonl", '{"id": ' + "[" * 100_000, "Row 1"),
        ("a.parquet", pa.table({"id": ["1"], "name": [True]}), "a truth value"),
        ("a.parquet", pa.table({"id": ["1"], "name": [0.5]}), "not whole or not exact"),
        ("a.parquet", pa.table({"id": ["1"], "name": [b"x"]}), "neither text, number nor date"),
        (
            "a.parquet",
            pa.table({"id": ["1"], "name": pa.array([1], pa.timestamp("ns"))}),
            "finer than microseconds",
        ),
        ("a.parquet", pa.table({"id": ["1"], "name": pa.array([2**31 - 1], pa.date32())}), "the year 9999"),
        (
            "a.parquet",
            pa.table({"id": ["1"], "name": pa.array([1], pa.timestamp("us", "Mars/Base"))}),
            "a time zone that is not known here",
        ),
        (
            "a.parquet",
            pa.Table.from_arrays([pa.array(["1"]), pa.array(["x"])], names=["id", "id"]),
            "2 columns called id",
        ),
        ("a.csv", f"id,op,name\n1,update,x\n2,{ANN},y\n", "column op, row 2"),
        ("a.csv", "id,op\n1,upsert\n", "update, create, delete or nothing"),
        ("a.csv", "id,sales,name\n1,2,x\n", "cannot be written to Dub (sales)"),
        (
            "a.csv",
            "id,Link__ID,created_at,row_hash,deleted_at\n1,,,,\n",
            "(created_at, deleted_at, link__id and others)",
        ),
        ("a.csv", "id,country\n1,DE\n", "ignores"),
        ("a.csv", "id,note\n1,x\n", "no column that can be written"),
        ("a.csv", "id\n1\n", "no column that can be written"),
    ),
)
def test_what_cannot_be_read_is_one_sentence(save: Save, name: str, content: Any, said: str) -> None:
    assert said in refused(Sync(file=save(name, content)))


def test_no_name_is_a_pattern(save: Save, tmp_path: Path) -> None:
    save("a.csv", "id,name\ncus_1,Ann\n")
    assert "no file" in refused(Sync(file=str(tmp_path / "*.csv")))
    star = save("*.csv", "id,name\ncus_2,Bo\n")
    assert read_desired(Sync(file=star))["key"].to_pylist() == ["cus_2"]


def test_what_is_no_file_is_a_sentence(tmp_path: Path, save: Save) -> None:
    (tmp_path / "folder.csv").mkdir()
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "loop.csv").symlink_to("loop.csv")
    (tmp_path / "nowhere.csv").symlink_to("missing.csv")
    said = {
        "folder.csv": "is a folder",
        "pipe.csv": "no regular file",
        "loop.csv": "cannot be read",
        "nowhere.csv": "no file",
        "nul\x00.csv": "cannot be read",
        f"{'x' * 300}.csv": "cannot be read",
    }
    for name, sentence in said.items():
        assert sentence in refused(Sync(file=name), folder=tmp_path)
    # A link is the file that it leads to.
    save("people.csv", "id,name\ncus_1,Ann\n")
    (tmp_path / "link.csv").symlink_to("people.csv")
    assert len(read_desired(Sync(file="link.csv"), folder=tmp_path)) == 1


# Which columns


def test_a_mapping_says_what_is_written(save: Save) -> None:
    content = "user,primary,email,sales,Name,name\nu_1,a@b.co,old@b.co,5,Ann,Other\n"
    mapping = {"email": "primary", "external_id": "user", "name": "Name"}
    desired = read_desired(Sync(file=save("a.csv", content), key="external_id", mapping=mapping))
    assert desired.column_names == ["row", "key", "op", "name", "email"]
    assert rows(desired) == [(1, "u_1", None, "Ann", "a@b.co")]
    assert ignored_columns(desired) == ("email", "sales", "name")


def test_a_mapping_of_the_key_alone_leaves_the_others_as_they_are_called(save: Save) -> None:
    sync = Sync(file=save("a.csv", "dub_id,id,name\ncus_1,9,Ann\n"), mapping={"id": "dub_id"})
    assert rows(read_desired(sync)) == [(1, "cus_1", None, "Ann")]


def test_one_column_can_be_written_twice_and_op_is_a_column_like_any_other_once_it_is_mapped(
    save: Save,
) -> None:
    sync = Sync(file=save("a.csv", "id,op\ncus_1,x@y.co\n"), mapping={"email": "op", "name": "op"})
    assert rows(read_desired(sync)) == [(1, "cus_1", None, "x@y.co", "x@y.co")]


@pytest.mark.parametrize(
    "options, said",
    (
        ({"mapping": {"email": "primary_mail"}}, "no column primary_mail (but primary_email)"),
        ({"mapping": {"email": "note"}}, "2 columns called note"),
        ({"key": "external_id"}, "no column external_id"),
        ({"mapping": {"id": "cus", "email": "primary_email"}}, "no column cus"),
        ({"clear_nulls": ("avatar",)}, "no column for avatar"),
        ({"mapping": {"country": "primary_email"}}, "ignores"),
    ),
)
def test_a_sync_that_does_not_fit_its_source(save: Save, options: dict[str, Any], said: str) -> None:
    file = save("a.csv", "id,primary_email,name,note,NOTE,note\n1,a@b.co,x,y,z,z\n")
    assert said in refused(Sync(file=file, **options))


def test_country_is_read_where_somebody_may_be_created_or_asks_to_see(save: Save) -> None:
    file = save("a.csv", "id,external_id,country\ncus_1,u_1,DE\n")
    given: tuple[dict[str, Any], ...] = (
        {"sync_mode": "create", "key": "external_id"},
        {"sync_mode": "upsert", "key": "external_id"},
        {"sync_mode": "mirror"},
        {"try_ignored": True},
    )
    for options in given:
        desired = read_desired(Sync(file=file, **options))
        assert desired["country"].to_pylist() == ["DE"]
    with_op = save("b.csv", "external_id,country,op\nu_1,DE,create\n")
    assert read_desired(Sync(file=with_op, key="external_id"))["country"].to_pylist() == ["DE"]


def test_an_erasure_list_needs_nothing_but_the_key(save: Save) -> None:
    sync = Sync(file=save("a.csv", "id,sales,country,email\ncus_1,5,DE,a@b.co\n"), sync_mode="delete")
    desired = read_desired(sync)
    assert desired.column_names == ["row", "key", "op"]
    assert ignored_columns(desired) == ("sales", "country", "email")


# Tables and SQL


def test_a_table_a_view_and_a_query(pipeline: dlt.Pipeline) -> None:
    mapping = {"name": "full_name", "external_id": "user_id"}
    expected = [("cus_1", None, "Ann", "7"), ("cus_2", None, None, "8")]
    for source in (
        {"table": "crm.people"},
        {"table": "warehouse.CRM.People"},
        {"query": "FROM crm.people;"},
        {"query": "FROM crm.people; -- all of them\n/* ; */"},
    ):
        desired = read_desired(Sync(**source, mapping=mapping), pipeline=pipeline)  # type: ignore[arg-type]
        assert sorted(row[1:] for row in rows(desired)) == expected
        assert ignored_columns(desired) == ("email",)
    assert len(read_desired(Sync(table="crm.names"), pipeline=pipeline)) == 2
    assert len(read_desired(Sync(table="ours"), pipeline=pipeline)) == 2, "in the dataset of the pipeline"


def test_columns_that_dlt_adds_are_not_worth_a_word(pipeline: dlt.Pipeline) -> None:
    query = "SELECT id, name, 5 AS age, 'x' AS _dlt_id, 'y' AS _dlt_load_id FROM crm.names"
    assert ignored_columns(read_desired(Sync(query=query), pipeline=pipeline)) == ("age",)


def test_the_row_at_fault_is_found_far_down(pipeline: dlt.Pipeline) -> None:
    query = "SELECT i AS id, if(i = 60000, 0.5, i)::DOUBLE AS name FROM range(1, 60002) t(i) ORDER BY i"
    assert "column name, row 60000," in refused(Sync(query=query), pipeline=pipeline)


def test_values_of_a_database_become_texts(pipeline: dlt.Pipeline) -> None:
    query = """
        SELECT 1::HUGEINT AS id, 42::DOUBLE AS name, 42.00::DECIMAL(10, 2) AS email,
            DATE '2024-02-29' AS avatar,
            TIMESTAMPTZ '2024-02-29 12:00:00+02' AS external_id, uuid_blob AS stripe_customer_id
        FROM (SELECT '00000000-0000-0000-0000-000000000001'::UUID AS uuid_blob) -- 100%; not a second one
    """
    desired = read_desired(Sync(query=query), pipeline=pipeline)
    assert rows(desired) == [
        (
            1,
            "1",
            None,
            "42",
            "42",
            "2024-02-29",
            "2024-02-29T10:00:00Z",
            "00000000-0000-0000-0000-000000000001",
        )
    ]


@pytest.mark.parametrize(
    "query, said",
    (
        ("UPDATE crm.people SET email = NULL", "writes and locks nothing"),
        ("SELECT 1 AS id; DROP TABLE crm.people", "2 statements"),
        ("DROP TABLE crm.people", "writes and locks nothing"),
        ("WITH gone AS (DELETE FROM crm.people RETURNING *) SELECT * FROM gone", "writes and locks nothing"),
        ("SELECT * INTO crm.more FROM crm.people", "writes and locks nothing"),
        ("CREATE TABLE x AS SELECT 1", "writes and locks nothing"),
        ("INSERT INTO crm.people SELECT * FROM crm.people", "writes and locks nothing"),
        (f"COPY (SELECT '{ANN}') TO 'out.csv'", "writes and locks nothing"),
        ("ATTACH 'other.duckdb'", "writes and locks nothing"),
        (f"CALL erase('{ANN}')", "writes and locks nothing"),
        ("EXPLAIN ANALYZE SELECT 1", "writes and locks nothing"),
        ("SELECT * FROM crm.people FOR UPDATE", "writes and locks nothing"),
        ("-- nothing", "0 statements"),
        (f"SELEC * FROM people WHERE email = '{ANN}' (", "cannot be read as SQL"),
        ("SELECT " + "(" * 5_000, "cannot be read as SQL"),
        (f"SELECT * FROM crm.nobody WHERE email = '{ANN}'", "does not exist"),
        (f'SELECT "{ANN}" FROM crm.people', "run it there by itself"),
        ("SELECT email::INTEGER AS id, 'x' AS name FROM crm.people", "run it there by itself"),
        ("SELECT id, id, full_name AS name FROM crm.people", "2 columns called id"),
        (
            "SELECT p.id, n.name, p.full_name AS Name FROM crm.people p JOIN crm.names n USING (id)",
            "called name",
        ),
        ("SELECT id, true AS name FROM crm.people", "row 1, a truth value"),
        ("SELECT id, {'a': email} AS name FROM crm.people", "row 1, a nested value"),
        ("SELECT id, INTERVAL 1 DAY AS name FROM crm.people", "neither text, number nor date"),
    ),
)
def test_sql_that_is_refused_is_one_sentence_and_changes_nothing(
    pipeline: dlt.Pipeline, caplog: pytest.LogCaptureFixture, query: str, said: str
) -> None:
    assert said in refused(Sync(query=query), pipeline=pipeline)
    assert ANN not in caplog.text
    with pipeline.sql_client() as client:
        assert client.execute_sql("SELECT count(*), count(email) FROM crm.people") == [(2, 1)]


def test_nothing_that_a_query_does_stays(pipeline: dlt.Pipeline) -> None:
    with pipeline.sql_client() as client:
        with undone(client):
            client.execute_sql("DELETE FROM crm.people")
        with pytest.raises(Exception, match="nobody"), undone(client):
            client.execute_sql("DELETE FROM crm.people; DELETE FROM crm.nobody")
    assert len(read_desired(Sync(table="crm.names"), pipeline=pipeline)) == 2


def test_a_table_that_is_not_there(pipeline: dlt.Pipeline) -> None:
    assert "outside of the dataset dub" in refused(Sync(table="people"), pipeline=pipeline)
    assert "outside of the dataset dub" in refused(Sync(table="nowhere.people"), pipeline=pipeline)
    assert refused(Sync(table="elsewhere.crm.people"), pipeline=pipeline)
    assert "there is none" in refused(Sync(table="crm.people"))


@pytest.mark.parametrize("name", ("people.tsv", "people.ndjson", "peo*.tsv", "people.csv.gz"))
def test_a_table_is_never_a_file(
    name: str, pipeline: dlt.Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # DuckDB would read it, and make 12 of 0012.
    (tmp_path / "people.tsv").write_text("id\texternal_id\ncus_1\t0012\n", encoding="utf-8")
    (tmp_path / "people.ndjson").write_text('{"id": "cus_1", "external_id": 0.10}\n', encoding="utf-8")
    (tmp_path / "people.csv.gz").write_bytes(gzip.compress(b"id,external_id\ncus_1,0012\n"))
    monkeypatch.chdir(tmp_path)
    assert f"There is a file {name}" in refused(Sync(table=name), pipeline=pipeline)


def test_a_warehouse_that_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "text.duckdb").write_text("no database" * 1000)
    broken = dlt.pipeline(
        "broken", destination=dlt.destinations.duckdb(str(tmp_path / "text.duckdb")), dataset_name="dub"
    )
    with pytest.raises(DestinationError, match="cannot be opened"):
        read_desired(Sync(table="crm.people"), pipeline=broken)
    broken.deactivate()


# Whom a mirror owns


def test_a_mirror_owns_what_it_is_told(pipeline: dlt.Pipeline, save: Save) -> None:
    file = save("owned.csv", "note,ID\nx,cus_1\ny,\nz,cus_2\n")

    def owned(source: Source | None) -> Any:
        return read_owned(Sync(table="crm.names", sync_mode="mirror", owns=source), pipeline=pipeline)

    assert owned(None) is None
    assert owned(Source(file=file)) == pa.array(["cus_1", "cus_2"])
    assert owned(Source(table="ours")) == pa.array(["cus_9"])
    assert owned(Source(query="SELECT 'cus_7' AS id WHERE false")) == pa.array([], pa.string())
    with pytest.raises(SettingsError, match="no column id"):
        owned(Source(query="SELECT 1 AS customer"))


# Values


@pytest.mark.parametrize(
    "value, text",
    (
        ("0012", "0012"), ("", ""), (42, "42"), (-7, "-7"), (10**30, "1" + "0" * 30), (42.0, "42"),
        (float(2**53), "9007199254740992"), (Decimal("42.00"), "42"), (Decimal("42.50"), "42.50"),
        (Decimal("1E+22"), "10000000000000000000000"), (Decimal("-0.0"), "0"), (Decimal("1E-7"), "0.0000001"),
        (date(2024, 2, 29), "2024-02-29"), (datetime(2024, 2, 29, 1, 2, 3), "2024-02-29T01:02:03"),  # noqa: DTZ001
        (datetime(2024, 2, 29, 1, tzinfo=timezone(timedelta(hours=2))), "2024-02-28T23:00:00Z"),
        (datetime(2024, 2, 29, 1, 2, 3, 456, UTC), "2024-02-29T01:02:03.000456Z"), (time(1, 2), "01:02:00"),
        (UUID(int=5), "00000000-0000-0000-0000-000000000005"),
    ),
)  # fmt: skip
def test_a_value_has_the_text_a_person_expects(value: object, text: str) -> None:
    assert as_text(value) == text


@pytest.mark.parametrize(
    "value",
    (
        True, False, 0.1, float("nan"), float("inf"), 1e22, float(2**53 + 2), Decimal("NaN"),
        Decimal("1e300"), Decimal("0." + "1" * 300), b"x", [1], {"a": 1}, (1,), timedelta(1), object(),
    ),
)  # fmt: skip
def test_a_value_that_could_be_written_in_several_ways_is_refused(value: object) -> None:
    with pytest.raises(NoText):
        as_text(value)
