"""The history that changed rows leave."""

import json
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dub_source.changes import HISTORY_COLUMNS, SYSTEM_COLUMNS, deleted_rows, row_hashes, versions
from tests.changes.rows import MOMENT, at, customer, table

Row = dict[str, Any]

OLD = customer("a", -9, name="A", email="a@x", sales=1, amount=1.5, created_at=at(-99))


def stored(*rows: Row, baseline: str | None = "b", **fields: Any) -> pa.Table:
    """Rows as the destination has them."""
    rows_table = table(list(rows))
    hashes = row_hashes(rows_table, baseline) if baseline else pa.nulls(len(rows), pa.string())
    gone = pa.array([fields.get("deleted_at")] * len(rows), MOMENT)
    return rows_table.append_column("row_hash", hashes).append_column("deleted_at", gone)


def history(changed: pa.Table, before: pa.Table | None) -> dict[str, tuple[str, list[str] | None]]:
    """Id -> change and changed fields."""
    return {
        row["id"]: (row["change"], row["changed_fields"] and json.loads(row["changed_fields"]))
        for row in versions(changed, before).to_pylist()
    }


def fields_of(now: Row, before: pa.Table, baseline: str = "b") -> list[str] | None:
    """The changed fields of one row; None if it gives no version."""
    found = history(stored(now, baseline=baseline), before)
    if not found:
        return None
    [(change, fields)] = found.values()
    assert change == "updated"
    return fields


def test_a_version_is_the_row_as_it_was_seen() -> None:
    [version] = versions(stored(OLD), None).to_pylist()
    [row] = stored(OLD).to_pylist()
    added = {"version_key": version["version_key"], "change": "created", "changed_fields": None}
    assert version == row | added


def test_history_has_its_columns_and_types_also_when_there_is_nothing() -> None:
    for rows in (stored(OLD), stored(OLD).slice(0, 0)):
        for before in (None, stored(OLD), stored(OLD).slice(0, 0)):
            schema = versions(rows, before).schema
            for name, kind in (SYSTEM_COLUMNS | HISTORY_COLUMNS).items():
                assert schema.field(name).type == kind
            assert schema.names[-7:] == [*SYSTEM_COLUMNS, *HISTORY_COLUMNS]


def test_a_version_key_is_for_ever() -> None:
    """These texts are primary keys in warehouses. If this test fails, the code is wrong, not the texts."""
    rows = stored({"id": "cus_1", "name": "Zoë", "observed_at": datetime(2026, 1, 1, tzinfo=UTC)})
    assert versions(rows, None)["version_key"].to_pylist() == ["b0b3da5eb55fa6c842dcb1cf2e3db5ab"]
    gone = deleted_rows(rows, {"cus_1": datetime(2026, 1, 2, tzinfo=UTC)})
    assert versions(gone, rows)["version_key"].to_pylist() == ["eae07e8a1643cc6fc0d15c08754a77a3"]


def test_a_version_key_tells_versions_apart_and_is_the_same_for_the_same() -> None:
    def key(rows: pa.Table, before: pa.Table | None = None) -> str:
        [only] = versions(rows, before)["version_key"].to_pylist()
        return str(only)

    assert key(stored(OLD)) == key(stored(OLD), stored(OLD | {"name": "before"}))
    others = [
        key(stored(OLD)),
        key(stored(OLD | {"id": "b"})),
        key(stored(OLD | {"name": "B"})),
        key(stored(OLD | {"observed_at": at(-8.999999)})),
        key(stored(OLD, baseline="c")),
        key(stored(OLD, deleted_at=at(-9))),
    ]
    assert len(set(others)) == len(others)


@pytest.mark.parametrize(
    "name, value",
    (
        ("name", "B"),
        ("name", None),
        ("name", "a"),
        ("email", ""),
        ("sales", 2),
        ("sales", None),
        ("amount", 1.25),
        ("created_at", at(-99.000001)),
        ("tier", "gold"),
    ),
)
def test_changed_fields_are_those_that_changed(name: str, value: Any) -> None:
    assert fields_of(OLD | {name: value}, stored(OLD)) == [name]
    assert fields_of(OLD, stored(OLD | {name: value})) == [name], "and back"


def test_changed_fields_are_sorted_and_many() -> None:
    now = OLD | {"name": "B", "tier": "x", "amount": None, "observed_at": at(1)}
    assert fields_of(now, stored(OLD)) == ["amount", "name", "tier"]


def test_system_columns_are_no_fields() -> None:
    before = stored(OLD | {"observed_at": at(-99)})
    before = before.append_column("_dlt_load_id", pa.array(["1"])).append_column("_dlt_id", pa.array(["x"]))
    assert fields_of(OLD, before) is None


def test_a_name_that_turned_out_to_be_made_up_is_a_changed_name() -> None:
    made_up = OLD | {"name": None, "name_generated": True}
    assert fields_of(made_up, stored(OLD)) == ["name"]
    assert fields_of(made_up, stored(OLD | {"name": None})) == ["name"]
    assert fields_of(OLD | {"name": None}, stored(made_up)) == ["name"]
    assert fields_of(made_up | {"email": "b"}, stored(made_up)) == ["email"]


def test_a_customer_that_came_back() -> None:
    assert fields_of(OLD, stored(OLD, deleted_at=at(-5))) == ["deleted_at"]
    assert fields_of(OLD | {"name": "B"}, stored(OLD, deleted_at=at(-5))) == ["deleted_at", "name"]
    assert fields_of(OLD, stored(OLD, baseline=None, deleted_at=at(-5))) == ["deleted_at"]


def test_created_updated_and_deleted_together() -> None:
    rows = [customer(each, 1, name=each) for each in "abcd"]
    now = pa.concat_tables([stored(*rows[:3]), stored(rows[3], deleted_at=at(2))])
    before = stored(rows[3], customer("b", -1, name="B"), rows[2], customer("other", -1, name="x"))
    assert history(now, before) == {
        "a": ("created", None),
        "b": ("updated", ["name"]),
        "d": ("deleted", None),
    }


def test_another_baseline_makes_no_history_of_columns_that_were_not_loaded() -> None:
    expanded = OLD | {"tier": "gold"}
    for lacking in (OLD, OLD | {"tier": None}):
        assert fields_of(expanded, stored(lacking, baseline="plain"), "expanded") is None
        assert fields_of(lacking, stored(expanded, baseline="expanded"), "plain") is None
        changed = expanded | {"email": "new@x"}
        assert fields_of(changed, stored(lacking, baseline="plain"), "expanded") == ["email"]


def test_another_baseline_hides_no_change_of_what_both_have() -> None:
    rows = [customer(each, -9, name=each, tier="gold") for each in "abc"]
    rows[2] |= {"tier": None}
    now = [rows[0], rows[1] | {"tier": None}, rows[2] | {"tier": "gold"}]
    assert history(stored(*now, baseline="new"), stored(*rows, baseline="old")) == {
        "b": ("updated", ["tier"]),
        "c": ("updated", ["tier"]),
    }


def test_each_baseline_is_compared_by_itself() -> None:
    """Some rows are still in the form before last, others are in the last one, one in this."""
    rows = [customer(each, -9, name=each, tier="gold") for each in "abcd"]
    before = pa.concat_tables(
        [
            stored(rows[0] | {"tier": "silver"}, baseline="expanded-1"),
            stored(*(row | {"tier": None} for row in rows[1:3]), baseline="plain"),
            stored(rows[3] | {"tier": None}, baseline="expanded-2"),
        ]
    )
    now = stored(*rows, baseline="expanded-2")
    assert history(now, before) == {"a": ("updated", ["tier"]), "d": ("updated", ["tier"])}


def test_rows_from_before_there_were_hashes() -> None:
    before = stored(OLD, baseline=None)
    assert fields_of(OLD, before) is None
    assert fields_of(OLD | {"name": "B"}, before) == ["name"]
    lacking = before.drop_columns(["row_hash", "name_generated", "deleted_at", "observed_at", "email"])
    assert fields_of(OLD, lacking) is None
    assert fields_of(OLD | {"name": "B"}, lacking) == ["name"]


UNUSUAL: tuple[tuple[str, pa.DataType], ...] = (
    ("id", pa.large_string()),
    ("name", pa.dictionary(pa.int8(), pa.string())),
    ("name", pa.large_string()),
    ("sales", pa.int32()),
    ("sales", pa.decimal128(38, 0)),
    ("sales", pa.decimal128(38, 9)),
    ("sales", pa.float64()),
    ("sales", pa.string()),
    ("amount", pa.decimal128(18, 3)),
    ("amount", pa.float32()),
    ("created_at", pa.timestamp("ns", tz="America/New_York")),
    ("created_at", pa.timestamp("us")),
    ("created_at", pa.timestamp("ms", tz="Europe/Berlin")),
    ("name_generated", pa.int64()),
    ("observed_at", pa.timestamp("s")),
)


@pytest.mark.parametrize("name, kind", UNUSUAL, ids=str)
def test_the_types_of_destinations_are_no_changes(name: str, kind: pa.DataType) -> None:
    before = stored(OLD)
    column = before[name]
    unusual = (
        pa.array([Decimal(str(column[0].as_py()))], kind) if pa.types.is_decimal(kind) else column.cast(kind)
    )
    before = before.set_column(before.schema.get_field_index(name), name, unusual)
    assert before.schema.field(name).type == kind
    assert fields_of(OLD, before) is None
    assert fields_of(OLD | {"email": "b"}, before) == ["email"]
    if name == "sales":
        assert fields_of(OLD | {"sales": 2}, before) == ["sales"]


def test_texts_where_numbers_were_expected_are_compared_as_texts() -> None:
    before = stored(OLD)
    before = before.set_column(before.schema.get_field_index("sales"), "sales", pa.array(["many"]))
    assert fields_of(OLD, before) == ["sales"]


def test_deleted_rows_are_whole() -> None:
    rows = [customer(each, -9, name=each, tier="gold") for each in "abc"]
    before = stored(*rows).append_column("_dlt_load_id", pa.array(["1", "1", "1"]))
    result = deleted_rows(before, {"a": at(5), "c": at(6)})
    moments = {"a": at(5), "c": at(6)}
    assert result.to_pylist() == [
        row | {"observed_at": moments[row["id"]], "deleted_at": moments[row["id"]]}
        for row in stored(*rows).to_pylist()
        if row["id"] in moments
    ]
    assert history(result, before) == {"a": ("deleted", None), "c": ("deleted", None)}


@pytest.mark.parametrize(
    "seen, deleted",
    (
        (timedelta(seconds=-1), timedelta(0)),
        (timedelta(0), timedelta(microseconds=1)),
        (timedelta(seconds=2), timedelta(seconds=2, microseconds=1)),
        (timedelta(seconds=3), timedelta(0)),
    ),
)
def test_who_was_seen_a_moment_ago_is_gone_after_that(seen: timedelta, deleted: timedelta) -> None:
    """Clocks are known to a second. What another run has seen later, the merge will not take back."""
    proven = at(5)
    before = stored(OLD | {"observed_at": proven + seen})
    [row] = deleted_rows(before, {"a": proven}).to_pylist()
    assert row["observed_at"] == row["deleted_at"] == proven + deleted


def test_deleted_rows_have_the_types_that_were_loaded() -> None:
    before = stored(OLD)
    for name, kind in (
        ("name", pa.large_string()),
        ("sales", pa.int32()),
        ("created_at", pa.timestamp("ns", "+02:00")),
    ):
        position = before.schema.get_field_index(name)
        before = before.set_column(position, name, before[name].cast(kind))
    result = deleted_rows(before, {"a": at(5)})
    assert {name: result.schema.field(name).type for name in ("name", "sales", "created_at")} == {
        "name": pa.string(),
        "sales": pa.int64(),
        "created_at": MOMENT,
    }
    assert result["created_at"].to_pylist() == [at(-99)]


def test_deleted_rows_of_a_table_from_before_there_were_system_columns() -> None:
    [row] = deleted_rows(pa.table({"id": ["a"], "name": ["A"]}), {"a": at(5)}).to_pylist()
    assert row == {
        "id": "a",
        "name": "A",
        "row_hash": None,
        "name_generated": None,
        "observed_at": at(5),
        "deleted_at": at(5),
    }
    assert deleted_rows(pa.table({"id": ["a"]}), {}).num_rows == 0


VALUES = st.fixed_dictionaries(
    {},
    optional={
        "name": st.none() | st.sampled_from(["A", "B", ""]),
        "tier": st.none() | st.sampled_from(["A", "B", ""]),
        "sales": st.none() | st.integers(0, 2),
        "amount": st.none() | st.sampled_from([0.0, -0.0, 1.5]),
        "created_at": st.none() | st.sampled_from([at(1), at(2)]),
    },
)


@settings(deadline=None, max_examples=200)
@given(pairs=st.lists(st.tuples(VALUES, st.none() | VALUES), min_size=1, max_size=5))
def test_versions_are_what_a_comparison_row_by_row_says(pairs: list[tuple[Row, Row | None]]) -> None:
    now = [customer(f"c{number}", 1, **values) for number, (values, _) in enumerate(pairs)]
    then = [
        customer(f"c{number}", 0, **values) for number, (_, values) in enumerate(pairs) if values is not None
    ]
    expected: dict[str, tuple[str, list[str] | None]] = {}
    for number, (values, earlier) in enumerate(pairs):
        if earlier is None:
            expected[f"c{number}"] = ("created", None)
        else:
            names = sorted(values.keys() | earlier.keys())
            fields = [name for name in names if values.get(name) != earlier.get(name)]
            expected |= {f"c{number}": ("updated", fields)} if fields else {}
    before = stored(*reversed(then)) if then else None
    assert history(stored(*now), before) == expected


def test_many_rows_take_no_loop() -> None:
    """100,000 in well under a second here; the bound is for slow machines, and row by row misses it."""
    count = 100_000
    columns = {f"field_{number}": pa.array(["some text"] * count) for number in range(30)}
    rows = pa.table(
        {
            "id": pa.array([f"cus_{number}" for number in range(count)]),
            **columns,
            "row_hash": pa.array([f"b-{number:032x}" for number in range(count)]),
            "observed_at": pa.array([at(1)] * count, MOMENT),
            "deleted_at": pa.nulls(count, MOMENT),
        }
    )
    before = rows.set_column(5, "field_4", pa.array(["another"] * count)).take(
        pa.array(range(count - 1, -1, -1))
    )
    started = time.perf_counter()
    result = versions(rows, before)
    assert timedelta(seconds=time.perf_counter() - started) < timedelta(seconds=10)
    assert result.num_rows == count
    assert set(result["changed_fields"].to_pylist()) == {'["field_4"]'}


def test_names_that_were_not_loaded_before_are_not_known_to_be_made_up_now() -> None:
    def row(baseline: str, **more: object) -> pa.Table:
        return pa.table(
            {
                "id": ["cus_1"],
                "row_hash": [f"{baseline}-1"],
                "observed_at": pa.array([datetime(2026, 11, 22, tzinfo=UTC)], pa.timestamp("us", tz="UTC")),
                "deleted_at": pa.nulls(1, pa.timestamp("us", tz="UTC")),
                **more,
            }
        )

    before = row("without", name_generated=[False])
    now = row("with", name=pa.nulls(1, pa.string()), name_generated=[True])
    assert versions(now, before).num_rows == 0
    same_form = row("with", name=pa.array(["Ada"]), name_generated=[False])
    assert versions(now, same_form)["changed_fields"].to_pylist() == ['["name"]']
