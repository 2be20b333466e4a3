"""The hash of a row never changes, and is the same exactly if the rows are."""

import hashlib
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dub_source.changes import row_hashes
from dub_source.schema import to_table
from tests.changes.rows import MOMENT, TYPES, customer, table

CUSTOMER: dict[str, Any] = {
    "id": "cus_1K9ABCDEFGHJKMNPQRSTVWXYZ",
    "name": "Zoë 李雷",
    "email": "a:b|c@example.com",
    "avatar": None,
    "externalId": "",
    "stripeCustomerId": None,
    "country": "DE",
    "sales": 2,
    "saleAmount": -9_007_199_254_740_993,
    "createdAt": "2026-11-01T00:20:00.123Z",
    "firstSaleAt": None,
    "subscriptionCanceledAt": "1969-12-31T23:59:59.999Z",
    "link": {"id": "link_1", "url": "https://example.com/?a=\x00\n"},
    "discount": {"amount": 12.5, "maxDuration": 3},
    "newField": {"b": 1},
}


def one_hash(row: dict[str, Any], baseline: str = "b") -> str:
    [result] = row_hashes(table([row]), baseline).to_pylist()
    assert isinstance(result, str)
    return result


def test_a_hash_is_for_ever() -> None:
    """These texts stand in warehouses. If this test fails, the code is wrong, not the texts."""
    rows = to_table([CUSTOMER], expanded=True).append_column("name_generated", pa.array([True]))
    # As it is in warehouses of a time when NUL was kept.
    url = pa.array([CUSTOMER["link"]["url"]])
    rows = rows.set_column(rows.column_names.index("link__url"), "link__url", url)
    assert row_hashes(rows, "e1").to_pylist() == ["e1-969ff14d15f36ed77abfd6700038e941"]
    plain = to_table([{**CUSTOMER, "newField": None}], expanded=False)
    assert row_hashes(plain, "p1").to_pylist() == ["p1-dd238afe81620508c0e96ec906676108"]
    assert row_hashes(pa.table({"id": ["cus_1"]}), "").to_pylist() == ["-e04a996f05bed36753586f52348d4f82"]


def test_what_is_hashed() -> None:
    row = customer(
        "cus_1", 5, name="Zoë", sales=-3, amount=0.1, created_at=datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)
    )
    text = "amount:3:0.1created_at:7:1000000id:5:cus_1name:4:Zoëname_generated:5:falsesales:2:-3"
    assert one_hash(row, "x-y") == "x-y-" + hashlib.md5(text.encode()).hexdigest()  # noqa: S324


@pytest.mark.parametrize(
    "amount, text",
    (
        (12.0, "12.0"),
        (1e22, "1e+22"),
        (1e16, "1e+16"),
        (123456789012345.6, "123456789012345.6"),
        (5e-324, "5e-324"),
        (0.1 + 0.2, "0.30000000000000004"),
        (-0.0, "0.0"),
    ),
)
def test_doubles_are_written_as_short_as_they_can_be(amount: float, text: str) -> None:
    written = f"amount:{len(text)}:{text}id:1:xname_generated:5:false"
    assert one_hash(customer("x", amount=amount)) == "b-" + hashlib.md5(written.encode()).hexdigest()  # noqa: S324


TEXT = st.text(max_size=6) | st.sampled_from(["", ":", "1:a", "name:1:x", "\x00", "é", "e\u0301"])
ROWS = st.fixed_dictionaries(
    {"id": TEXT},
    optional={
        "name": st.none() | TEXT,
        "email": st.none() | TEXT,
        "tier": st.none() | TEXT,
        "sales": st.none() | st.integers(-(2**63), 2**63 - 1) | st.integers(0, 3),
        "amount": st.none() | st.floats(allow_nan=False) | st.sampled_from([0.0, -0.0, 1.0]),
        "created_at": st.none() | st.datetimes(timezones=st.just(UTC)),
        "name_generated": st.none() | st.booleans(),
    },
)


def normal(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None}


@settings(deadline=None, max_examples=300)
@given(first=ROWS, second=ROWS, names=st.permutations(list(TYPES)))
def test_hashes_are_equal_exactly_if_the_values_are(
    first: dict[str, Any], second: dict[str, Any], names: list[str]
) -> None:
    """In one table or two, whatever columns there are besides, in whatever order."""
    together = row_hashes(table([first, second], *names), "b").to_pylist()
    assert together == [one_hash(first), one_hash(second)]
    assert (together[0] == together[1]) == (normal(first) == normal(second))


@given(
    row=ROWS,
    name=st.sampled_from(["name", "email", "tier", "sales", "amount", "created_at", "name_generated"]),
)
@settings(deadline=None)
def test_every_field_counts(row: dict[str, Any], name: str) -> None:
    values: dict[str, Any] = {"sales": 7, "amount": 7.0, "created_at": datetime(2026, 1, 1, tzinfo=UTC)}
    other = values.get(name, "x") if name != "name_generated" else True
    if row.get(name) != other:
        assert one_hash(row) != one_hash(row | {name: other})


def test_what_this_package_and_dlt_add_does_not_count() -> None:
    rows = table([customer("cus_1", name="A")])
    added = {
        "row_hash": ["x"],
        "deleted_at": [None],
        "version_key": ["x"],
        "change": ["x"],
        "_dlt_load_id": ["x"],
    }
    more = rows
    for name, values in added.items():
        more = more.append_column(name, pa.array(values, type=pa.string()))
    later = table([customer("cus_1", 99, name="A")])
    assert row_hashes(more, "b") == row_hashes(rows, "b") == row_hashes(later, "b")


def test_types_do_not_count() -> None:
    row = customer(
        "cus_1", name="A", sales=3, amount=2.5, created_at=datetime(2026, 1, 1, tzinfo=UTC), tier="t"
    )
    usual = table([row])
    others = {
        "id": pa.large_string(),
        "name": pa.dictionary(pa.int32(), pa.string()),
        "sales": pa.int32(),
        "amount": pa.float32(),
        "created_at": pa.timestamp("ns", tz="Europe/Berlin"),
        "tier": pa.large_string(),
    }
    for name, kind in others.items():
        position = usual.schema.get_field_index(name)
        unusual = usual.set_column(position, name, usual[name].cast(kind))
        assert unusual.schema != usual.schema
        assert row_hashes(unusual, "b") == row_hashes(usual, "b")
    naive = usual.set_column(
        usual.schema.get_field_index("created_at"),
        "created_at",
        pa.array([datetime(2026, 1, 1)], pa.timestamp("ms")),  # noqa: DTZ001
    )
    assert row_hashes(naive, "b") == row_hashes(usual, "b")
    decimal = usual.set_column(
        usual.schema.get_field_index("sales"), "sales", pa.array([3], pa.decimal128(38, 0))
    )
    assert row_hashes(decimal, "b") == row_hashes(usual, "b")


def test_large_tables_chunks_and_slices_are_hashed_row_by_row() -> None:
    rows = [customer(f"cus_{number}", name=f"N{number}" if number % 3 else None) for number in range(25_003)]
    whole = table(rows)
    expected = row_hashes(whole, "b").to_pylist()
    assert len(set(expected)) == 25_003
    assert expected[12_345] == one_hash(rows[12_345])
    pieces = pa.concat_tables([whole.slice(start, 7_000) for start in range(0, 25_003, 7_000)])
    assert row_hashes(pieces, "b").to_pylist() == expected
    assert row_hashes(whole.slice(20_000), "b").to_pylist() == expected[20_000:]


def test_nothing_has_no_hashes() -> None:
    for rows in (table([], "id", "name"), pa.table({"id": pa.chunked_array([], type=pa.string())})):
        assert row_hashes(rows, "b").to_pylist() == []


def test_dates_before_1970_and_far_ahead_have_their_microseconds() -> None:
    moments = pa.array([-1, 2**53 + 1], pa.int64()).cast(MOMENT)
    rows = pa.table({"id": ["a", "a"], "created_at": moments})
    texts = [f"created_at:{len(str(us))}:{us}id:1:a" for us in (-1, 2**53 + 1)]
    expected = ["b-" + hashlib.md5(text.encode()).hexdigest() for text in texts]  # noqa: S324
    assert row_hashes(rows, "b").to_pylist() == expected
