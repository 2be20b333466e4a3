"""From customers on the wire to typed columns."""

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from dub_source.errors import UnknownFormat
from dub_source.schema import arrow_schema, to_table

CUSTOMER: dict[str, Any] = {
    "id": "cus_1",
    "name": "Zoë 李雷",
    "email": None,
    "avatar": None,
    "externalId": "u_1",
    "stripeCustomerId": None,
    "country": "US",
    "sales": 2,
    "saleAmount": 9_007_199_254_740_993,
    "createdAt": "2026-11-01T00:20:00.123Z",
    "firstSaleAt": None,
    "subscriptionCanceledAt": None,
}
LINK = {"id": "link_1", "domain": "d", "key": "k", "shortLink": "s", "url": "u", "programId": None}


def row(**changes: Any) -> dict[str, Any]:
    """The one row that a customer with these changes becomes."""
    rows: list[dict[str, Any]] = to_table([CUSTOMER | changes], expanded=True).to_pylist()
    return rows[0]


def test_known_columns_have_their_types_even_when_all_values_are_null() -> None:
    nothing = dict.fromkeys(CUSTOMER) | {"id": "cus_1"}
    for expanded in (False, True):
        assert to_table([nothing], expanded=expanded).schema == arrow_schema(expanded=expanded)


def test_values_arrive_unchanged() -> None:
    result = row()
    assert (result["id"], result["name"], result["external_id"]) == ("cus_1", "Zoë 李雷", "u_1")
    assert result["sale_amount"] == 9_007_199_254_740_993
    assert result["created_at"] == datetime(2026, 11, 1, 0, 20, 0, 123_000, tzinfo=UTC)
    assert result["first_sale_at"] is None


@pytest.mark.parametrize("amount", (-1500, 0, 5_000_000_000, 2**63 - 1))
def test_cents_are_64_bit_integers(amount: int) -> None:
    assert row(saleAmount=amount)["sale_amount"] == amount


def test_an_amount_that_dub_rounded_beyond_64_bits_becomes_the_largest() -> None:
    assert row(saleAmount=9_223_372_036_854_776_000)["sale_amount"] == 2**63 - 1


def test_nested_objects_become_flat_columns() -> None:
    result = row(link=LINK, programId="prog_1", partner={"id": "pn_1", "name": "Ada"})
    assert (result["link__id"], result["link__short_link"], result["link__program_id"]) == (
        "link_1",
        "s",
        None,
    )
    assert (result["program_id"], result["partner__name"], result["partner__email"]) == (
        "prog_1",
        "Ada",
        None,
    )
    assert result["discount__id"] is None


def test_without_expanded_fields_their_columns_are_absent() -> None:
    assert "link__id" not in to_table([CUSTOMER], expanded=False).column_names


@pytest.mark.parametrize(
    "changes, column, value",
    (
        ({"sales": 2.0}, "sales", 2),
        ({"saleAmount": "12"}, "sale_amount", 12),
        ({"country": 49}, "country", "49"),
        ({"name": {"first": "A"}}, "name", '{"first":"A"}'),
        ({"link": "gone"}, "link__id", None),
        ({"discount": "gone"}, "discount__id", None),
        ({"discount": {"amount": 12.5}}, "discount__amount", 12.5),
        ({"createdAt": "2026-11-01T01:20:00+01:00"}, "created_at", datetime(2026, 11, 1, 0, 20, tzinfo=UTC)),
    ),
)
def test_other_json_types_are_brought_into_the_columns_own(
    changes: dict[str, Any], column: str, value: object
) -> None:
    assert row(**changes)[column] == value


@pytest.mark.parametrize(
    "changes",
    (
        {"sales": 2.5},
        {"sales": True},
        {"discount": {"maxDuration": 1.5}},
        {"saleAmount": "much"},
        {"createdAt": "yesterday"},
    ),
)
def test_what_cannot_be_read_is_refused_without_its_value(changes: dict[str, Any]) -> None:
    with pytest.raises(UnknownFormat) as caught:
        row(**changes)
    for secret in ("2.5", "True", "1.5", "much", "yesterday"):
        assert secret not in str(caught.value)


def test_unknown_fields_become_columns_of_a_lasting_type() -> None:
    table = to_table(
        [
            CUSTOMER | {"score": 1, "vip": True, "note": "x", "tags": ["a"], "plan": {"tier": {"rank": 3}}},
            CUSTOMER | {"id": "cus_2", "link": LINK | {"clicks": 7}, "never": None},
        ],
        expanded=True,
    )
    unknown = set(table.column_names) - set(arrow_schema(expanded=True).names)
    assert {name: table.schema.field(name).type for name in unknown} == {
        "score": pa.float64(),
        "vip": pa.bool_(),
        "note": pa.string(),
        "tags": pa.string(),
        "plan__tier__rank": pa.float64(),
        "link__clicks": pa.float64(),
    }
    assert table["tags"].to_pylist() == ['["a"]', None]
    assert table["link__clicks"].to_pylist() == [None, 7.0]
    assert table["plan__tier__rank"].to_pylist() == [3.0, None]


def test_unknown_fields_of_several_types_become_text() -> None:
    table = to_table([CUSTOMER | {"odd": 1}, CUSTOMER | {"odd": "one"}], expanded=False)
    assert table["odd"].to_pylist() == ["1", "one"]
