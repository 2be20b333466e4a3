"""From customers on the wire to typed columns."""

import json
from datetime import UTC, datetime
from typing import Any

import orjson
import pyarrow as pa
import pytest
from dlt.common.libs.pyarrow import get_normalized_arrow_fields_mapping
from dlt.common.normalizers.naming.snake_case import NamingConvention
from hypothesis import given, settings
from hypothesis import strategies as st

from dub_source.errors import UnknownFormat
from dub_source.reverse.fields import from_wire
from dub_source.schema import COLUMNS, EXPANDED_COLUMNS, arrow_schema, storable, to_table
from dub_source.unknown_fields import json_text

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


def unknown(*customers: dict[str, Any], expanded: bool = True) -> dict[str, list[str | None]]:
    """The columns that are not in the schema, with their values; all of them are text."""
    table = to_table(list(customers), expanded=expanded)
    names = table.column_names[len(arrow_schema(expanded=expanded)) :]
    assert {table.schema.field(name).type for name in names} <= {pa.string()}
    return {name: table[name].to_pylist() for name in names}


@pytest.mark.parametrize(
    "value, text",
    (
        ("x", "x"),
        ("", ""),
        ("1", "1"),
        (1, "1"),
        (True, "true"),
        (False, "false"),
        (0, "0"),
        (1.5, "1.5"),
        (["a", 1], '["a",1]'),
        ([], "[]"),
        ({"b": {"c": None}, "a": "ü"}, '{"a":"ü","b":{"c":null}}'),
        (2**64, "18446744073709551616"),
        (10**400, "1" + "0" * 400),
        (float("nan"), "NaN"),
        ({"far": 10**400, "near": [1, "ü", {}, []]}, f'{{"far":1{"0" * 400},"near":[1,"ü",{{}},[]]}}'),
    ),
    ids=lambda value: str(value)[:20],
)
def test_an_unknown_field_is_text_whatever_it_holds(value: Any, text: str) -> None:
    assert unknown(CUSTOMER | {"newField": value}) == {"new_field": [text]}
    assert unknown(CUSTOMER | {"link": LINK | {"newField": value}}) == {"link__new_field": [text]}


def test_an_unknown_field_without_a_value_is_no_column() -> None:
    assert unknown(CUSTOMER | {"never": None, "otherNever": None, "NEVER": None}) == {}


def test_the_values_of_unknown_fields_stay_in_their_rows() -> None:
    assert unknown(
        CUSTOMER | {"score": 1, "tags": ["a"], "SaleAmount": 5},
        CUSTOMER | {"id": "cus_2", "link": LINK | {"clicks": 7}, "never": None},
        CUSTOMER | {"id": "cus_3", "score": "high", "link": LINK | {"Id": "x"}},
    ) == {
        "score": ["1", None, "high"],
        "tags": ['["a"]', None, None],
        "link__clicks": [None, "7", None],
        "other_fields": ['{"SaleAmount":5}', None, '{"link":{"Id":"x"}}'],
    }


def nested(levels: int) -> Any:
    value: Any = "deep"
    for level in range(levels):
        value = [value] if level % 2 else {"x": value}
    return value


@pytest.mark.parametrize("levels", (1, 253, 254, 255, 1_000, 1_023))
def test_depth_is_no_trouble(levels: int) -> None:
    """1,024 is as deep as an answer can be."""
    (text,) = unknown(CUSTOMER | {"newField": nested(levels)})["new_field"]
    assert text is not None
    assert (
        orjson.loads(text) == nested(levels) if levels < 300 else text.count("[") + text.count("{") == levels
    )
    assert row(name=nested(levels))["name"] == text
    (rest,) = unknown(CUSTOMER | {"ID": nested(levels)})["other_fields"]
    assert rest == f'{{"ID":{text}}}'


OF_KNOWN_FIELDS = "sale_amount external_id SaleAmount ID Id PROGRAM_ID ProgramID created.at external-id"
OF_OTHERS = (
    "_dlt _dlt_id _dltLoadId __dlt_id _x 2fa otherFields other_fields deletedAt observed_at ctid xmin rowid"
)
OF_NOTHING = ["", " ", "!!!", "_", "ß", "李雷", " id ", "created at", "n" * 64]


@pytest.mark.parametrize("name", (*OF_KNOWN_FIELDS.split(), *OF_OTHERS.split(), *OF_NOTHING))
def test_a_name_that_cannot_be_a_column_is_kept_with_its_value(name: str) -> None:
    assert unknown(CUSTOMER | {name: "kept"}) == {"other_fields": [orjson.dumps({name: "kept"}).decode()]}


@pytest.mark.parametrize("name", ("link__id", "linkID", "link_id"))
def test_names_that_only_look_like_those_of_known_columns_become_columns(name: str) -> None:
    """dlt has no "__" within a name, so none is the id of the link."""
    assert unknown(CUSTOMER | {name: "x", "link": LINK}) == {"link_id": ["x"]}


@pytest.mark.parametrize("names", (("newField", "new_field"), ("NEWFIELD", "newfield"), ("a b", "a.b")))
def test_of_two_fields_with_one_name_the_second_is_kept_with_the_rest(names: tuple[str, str]) -> None:
    first, second = sorted(names)
    columns = unknown(
        CUSTOMER | {second: 2, first: 1},
        CUSTOMER | {second: 2},
        CUSTOMER | {second: 2, first: None},
        CUSTOMER | {first: 1},
    )
    assert sorted(columns.values(), key=str) == [
        ["1", "2", "2", "1"],
        [f'{{"{second}":2}}', None, None, None],
    ]
    assert "other_fields" in columns


def test_fields_of_known_objects_that_cannot_be_columns_are_kept_in_their_place() -> None:
    link = LINK | {"Id": 1, "": 2, "short_link": 3, "_dlt_id": 4, "n" * 60: 5}
    (rest,) = unknown(CUSTOMER | {"link": link, "Id": 6})["other_fields"]
    assert orjson.loads(str(rest)) == {
        "Id": 6,
        "link": {"Id": 1, "": 2, "short_link": 3, "_dlt_id": 4, "n" * 60: 5},
    }


@pytest.mark.parametrize("value", ("gone", 5, True, ["x"]))
def test_what_stands_in_the_place_of_a_known_object_is_kept(value: object) -> None:
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    assert unknown(CUSTOMER | {"link": value}, CUSTOMER | {"link": LINK}) == {"link": [text, None]}


def test_without_expanded_fields_they_are_left_out_even_if_they_come() -> None:
    """As text they would have another type than in a load with them."""
    expanded = {"link": LINK | {"x": 1}, "programId": "p", "discount": {"amount": 5}, "partner": "p"}
    assert unknown(CUSTOMER | expanded, expanded=False) == {}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
NAMES = (
    st.text(alphabet="idIDnaNA_ .-2é", max_size=8) | st.text(max_size=70) | st.sampled_from(list(CUSTOMER))
)


@settings(deadline=None)
@given(fields=st.dictionaries(NAMES, JSON, max_size=6), link=st.dictionaries(NAMES, JSON, max_size=6))
def test_nothing_is_lost_and_dlt_leaves_every_name_as_it_is(
    fields: dict[str, Any], link: dict[str, Any]
) -> None:
    known = {path[0] for path in COLUMNS | EXPANDED_COLUMNS}
    fields = {name: value for name, value in fields.items() if name not in known}
    link = {name: value for name, value in link.items() if name not in LINK}
    table = to_table([CUSTOMER | fields | {"link": LINK | link}], expanded=True)
    names = table.column_names
    assert len({name.casefold() for name in names}) == len(names)
    assert get_normalized_arrow_fields_mapping(table.schema, NamingConvention(63)) == {
        each: each for each in names
    }
    [values] = table.select(names[len(arrow_schema(expanded=True)) :]).to_pylist()
    rest = json.loads(values.pop("other_fields", None) or "{}")
    left = [*rest.pop("link", {}).values(), *rest.values()]
    present = [value for value in [*fields.values(), *link.values()] if value is not None]
    assert len(present) == len(values) + len(left)
    texts = [value if isinstance(value, str) else json_text(value) for value in present]
    kept = [value if isinstance(value, str) else json_text(value) for value in left]
    # As a column, a text is one that every warehouse can keep.
    assert sorted(map(storable, texts)) == sorted(map(storable, [*values.values(), *kept]))


@given(name=st.from_regex("new[A-Z][a-zA-Z0-9]{0,30}", fullmatch=True))
def test_names_in_the_style_of_dub_become_columns_as_dlt_names_them(name: str) -> None:
    assert unknown(CUSTOMER | {name: 1}) == {NamingConvention().normalize_identifier(name): ["1"]}


@pytest.mark.parametrize("sign", (1, -1))
@pytest.mark.parametrize("amount", (2**63, 9_223_372_036_854_776_000, float(2**63)))
def test_amounts_within_the_rounding_of_doubles_become_the_largest(amount: float, sign: int) -> None:
    assert row(saleAmount=sign * amount)["sale_amount"] == (2**63 - 1 if sign > 0 else -(2**63))


@pytest.mark.parametrize("sign", (1, -1))
@pytest.mark.parametrize("amount", (1e30, 2**63 + 2048, 9_223_372_036_854_776_001, 2**64, 10**400))
def test_larger_amounts_are_wrong_and_not_made_smaller(amount: float, sign: int) -> None:
    for value in (sign * amount, str(sign * amount)):
        with pytest.raises(UnknownFormat, match="sale_amount"):
            row(saleAmount=value)


def test_the_character_nul_becomes_one_that_every_warehouse_keeps() -> None:
    customers: list[dict[str, Any]] = [
        {"id": "cus_a", "name": "a\0b\0", "newField": "\0", "partner": {"id": "p", "name": "\0"}},
        {"id": "cus_b", "name": None, "newField": ["\0"]},
    ]
    rows = to_table(customers, expanded=True).to_pylist()
    assert [row["name"] for row in rows] == ["a\ufffdb\ufffd", None]
    assert [row["new_field"] for row in rows] == ["\ufffd", '["\\u0000"]']
    assert rows[0]["partner__name"] == "\ufffd"
    assert from_wire(customers[0])["name"] == rows[0]["name"], "or it would seem to be changed in Dub"
