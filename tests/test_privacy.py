"""What leaves a table, what is hashed, and what must not be told by either."""

import copy
import hashlib
import hmac
import json
import pickle
import traceback
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from dub_source.errors import SettingsError
from dub_source.privacy import Privacy
from dub_source.schema import COLUMNS, EXPANDED_COLUMNS, to_table

KEY = "correct horse battery"
NEEDED = "id row_hash name_generated observed_at deleted_at version_key change changed_fields".split()


def privacy(exclude: Any = (), hashed: Any = (), key: Any = KEY) -> Privacy:
    return Privacy(exclude=exclude, hashed=hashed, key=key)


def customer(number: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "id": f"cus_{number}",
        "name": "Ann",
        "email": "Ann@Example.com",
        "externalId": "ext-1",
        "createdAt": "2026-01-02T03:04:05.000Z",
        "partner": {"id": "pn_1", "name": "Pat", "email": "pat@example.com"},
        **more,
    }


def after(rules: Privacy, *customers: dict[str, Any], expanded: bool = True) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = rules.applied(to_table(customers, expanded=expanded)).to_pylist()
    return rows


def hashed_by_others(value: str, key: str = KEY) -> str:
    return hmac.new(key.encode(), value.encode(), hashlib.sha256).hexdigest()


def refusal(*args: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        privacy(*args)
    sentence = str(caught.value)
    assert sentence.endswith(".")
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert KEY not in "".join(traceback.format_exception(caught.value))
    return sentence


def test_nothing_configured_changes_nothing() -> None:
    table = to_table([customer()], expanded=True)
    assert Privacy().applied(table) is table


def test_excluded_columns_are_not_there() -> None:
    before = to_table([customer()], expanded=True)
    table = privacy({"email", "partner__email", "created_at"}, key=None).applied(before)
    gone = {"email", "partner__email", "created_at"}
    assert table.column_names == [name for name in before.column_names if name not in gone]
    assert "xample.com" not in str(table.to_pylist())


def test_hashes_are_what_other_systems_compute_from_the_text_as_it_is_shown() -> None:
    [row] = after(privacy(hashed={"email", "external_id", "partner__email"}), customer())
    assert row["email"] == hashed_by_others("Ann@Example.com") != hashed_by_others("ann@example.com")
    assert row["external_id"] == hashed_by_others("ext-1")
    assert row["partner__email"] == hashed_by_others("pat@example.com")
    # printf %s 'ext-1' | openssl dgst -sha256 -hmac 'correct horse battery'
    assert row["external_id"] == "7e7603d4afd7165cb5a30b6901b68e5d1baea7540fdddfe2fab226bece9af37f"
    assert (row["id"], row["name"], row["partner__name"]) == ("cus_1", "Ann", "Pat")


def test_nulls_stay_null_and_every_value_keeps_its_row() -> None:
    emails = [None, "b@x.io", "a@x.io", None, "b@x.io", "", "ä@x.io"]
    rows = after(privacy(hashed={"email"}), *[customer(n, email=email) for n, email in enumerate(emails)])
    assert [row["email"] for row in rows] == [e if e is None else hashed_by_others(e) for e in emails]
    assert [row["id"] for row in rows] == [f"cus_{n}" for n in range(7)]


@pytest.mark.parametrize("count", (0, 3))
def test_tables_without_rows_and_columns_without_values(count: int) -> None:
    before = to_table([customer(n, email=None) for n in range(count)], expanded=True)
    table = privacy(hashed={"email"}).applied(before)
    assert table.schema == before.schema
    assert table["email"].to_pylist() == [None] * count


def test_a_table_in_pieces_of_any_text_type() -> None:
    pieces = [pa.table({"email": ["a", "b"]}), pa.table({"email": ["b", None]}), pa.table({"email": ["a"]})]
    table = pa.concat_tables(pieces)
    wanted = [hashed_by_others(each) if each else None for each in ("a", "b", "b", None, "a")]
    assert privacy(hashed={"email"}).applied(table)["email"].to_pylist() == wanted
    large = table.cast(pa.schema([("email", pa.large_string())]))
    assert privacy(hashed={"email"}).applied(large)["email"].to_pylist() == wanted


def test_types_and_order_of_columns_stay() -> None:
    before = to_table([customer()], expanded=True)
    names = {name for name, kind in (COLUMNS | EXPANDED_COLUMNS).values() if kind == pa.string()} - {"id"}
    assert privacy(hashed=names).applied(before).schema.equals(before.schema)


def test_a_field_that_dub_adds_later_is_met_by_its_name() -> None:
    rules = privacy({"phone"}, {"second_email", "partner__phone"})
    assert rules.applied(to_table([customer()], expanded=True)).num_rows == 1
    partner = {"id": "pn_1", "phone": "123"}
    [row] = after(rules, customer(phone="555", secondEmail="s@x.io", partner=partner))
    assert "phone" not in row
    assert row["second_email"] == hashed_by_others("s@x.io")
    assert row["partner__phone"] == hashed_by_others("123")


def test_the_name_of_an_object_stands_for_all_its_fields() -> None:
    partner = {"id": "pn_1", "email": "pat@x.io", "phone": "123"}
    [row] = after(privacy({"partner"}), customer(partner=partner))
    assert [name for name in row if name.startswith("partner")] == []
    assert "program_id" in row
    [row] = after(privacy((), {"partner"}), customer(partner=partner))
    assert row["partner__phone"] == hashed_by_others("123")
    assert row["partner__id"] == hashed_by_others("pn_1")


@pytest.mark.parametrize("rules", (privacy({"metadata__phone"}), privacy((), {"metadata__phone"})))
def test_an_object_in_one_column_goes_with_any_of_its_fields(rules: Privacy) -> None:
    [row] = after(rules, customer(metadata={"phone": "555"}, metadatum="kept"))
    assert "555" not in str(row)
    assert row["metadatum"] == "kept"


@pytest.mark.parametrize("rules", (privacy({"partner__email"}), privacy((), {"partner__email"})))
@pytest.mark.parametrize("other", ([{"email": "pat@example.com"}], "pat@example.com"))
def test_what_stands_in_place_of_an_object_goes_too(rules: Privacy, other: Any) -> None:
    [row] = after(rules, customer(partner=other))
    assert "pat@" not in str(row)


@pytest.mark.parametrize("rules", (privacy({"email", "metadata"}), privacy((), {"email", "metadata"})))
def test_other_fields_do_not_give_away_what_is_excluded_or_hashed(rules: Privacy) -> None:
    one = customer(Email="leak@x.io", metadata="leak", Metadata={"a": "leak"}, Sales=3)
    two = customer(2, EMAIL="leak")
    three = customer(3, Sales=4, **{"!!": "kept"})
    rows = after(rules, one, two, three)
    assert "leak" not in str(rows)
    assert json.loads(rows[0]["other_fields"]) == {"Sales": 3}
    assert rows[1]["other_fields"] is None
    assert json.loads(rows[2]["other_fields"]) == {"Sales": 4, "!!": "kept"}


def test_entries_of_an_object_with_a_protected_field_go_as_a_whole() -> None:
    partner = {"id": "pn_1", "Email": "leak@x.io"}
    [row] = after(privacy({"partner__email"}), customer(partner=partner))
    assert "leak" not in str(row)
    assert row["partner__id"] == "pn_1"


def test_other_fields_too_deep_to_be_read_go_as_a_whole() -> None:
    text = '{"Sales":' + "[" * 5000 + "]" * 5000 + "}"
    table = pa.table({"id": ["cus_1"], "other_fields": [text]})
    assert privacy({"email"}).applied(table)["other_fields"].to_pylist() == [None]


def test_other_fields_can_be_excluded_or_hashed_themselves() -> None:
    [row] = after(privacy({"other_fields"}), customer(Sales=3))
    assert "other_fields" not in row
    [row] = after(privacy((), {"other_fields"}), customer(Sales=3))
    assert row["other_fields"] == hashed_by_others('{"Sales":3}')


@pytest.mark.parametrize("rules", (privacy({"email"}), privacy((), {"email"})))
def test_the_email_that_dub_shows_for_an_empty_name_is_null(rules: Privacy) -> None:
    rows = after(
        rules,
        customer(1, name="a@x.io", email="a@x.io"),
        customer(2),
        customer(3, name=None, email=None),
        customer(4, name="Eve", email=None),
    )
    assert [row["name"] for row in rows] == [None, "Ann", None, "Eve"]


def test_a_hashed_name_needs_no_such_care() -> None:
    [row] = after(privacy((), {"email", "name"}), customer(name="a@x.io", email="a@x.io"))
    assert row["name"] == row["email"] == hashed_by_others("a@x.io")
    [row] = after(privacy({"email"}), {"id": "cus_1", "name": None})
    assert row["name"] is None


def test_a_table_without_name_or_email() -> None:
    table = pa.table({"id": ["cus_1"], "email": ["a@x.io"]})
    assert privacy({"email"}).applied(table).column_names == ["id"]
    assert privacy({"email"}).applied(pa.table({"name": ["Ann"]})).to_pylist() == [{"name": "Ann"}]


@pytest.mark.parametrize("name", NEEDED)
def test_what_rows_cannot_do_without_is_refused(name: str) -> None:
    assert name in refusal({name})
    assert name in refusal((), {name})


@pytest.mark.parametrize(
    "name, instead",
    (("externalId", "external_id"), ("Email", "email"), ("link__shortLink", "link__short_link")),
)
def test_names_as_on_the_wire_are_refused_with_those_of_the_warehouse(name: str, instead: str) -> None:
    assert instead in refusal({name})
    assert instead in refusal((), {name})


@pytest.mark.parametrize(
    "name",
    (
        "",
        " ",
        "ann@example.com",
        "link.url",
        "ä",
        "x" * 64,
        5,
        None,
        "_dlt_id",
        "email_",
        "1st",
        "link___url",
    ),
)
def test_names_that_no_column_has_are_refused(name: Any) -> None:
    sentence = refusal({name})
    assert "exclude_columns" in sentence
    assert "ann@" not in sentence
    assert "hash_columns" in refusal((), {name})


@pytest.mark.parametrize("names", ("email", 5, None, b"email"))
def test_what_is_no_list_is_refused(names: Any) -> None:
    assert "exclude_columns" in refusal(names)


@pytest.mark.parametrize(
    "exclude, hashed", (("email", "email"), ("partner", "partner__email"), ("partner__email", "partner"))
)
def test_a_column_cannot_be_left_out_and_hashed(exclude: str, hashed: str) -> None:
    assert exclude in refusal({exclude}, {hashed})


@pytest.mark.parametrize("name", ("sales", "sale_amount", "created_at", "discount__amount", "discount"))
def test_only_text_is_hashed(name: str) -> None:
    assert "exclude_columns" in refusal((), {name})
    assert privacy({name}).exclude == {name}


def test_a_coming_column_that_is_no_text_is_not_let_through() -> None:
    table = pa.table({"id": ["cus_1"], "age": [40]})
    with pytest.raises(SettingsError, match="age"):
        privacy(hashed={"age"}).applied(table)


@pytest.mark.parametrize("key", (None, "", "   ", "fifteen letters", " fifteen letters ", 5, "\udcff" * 16))
def test_hashing_needs_a_long_key(key: Any) -> None:
    sentence = refusal((), {"email"}, key)
    assert "hash_key" in sentence
    assert "letters" not in sentence
    assert privacy({"email"}, (), key).exclude == {"email"}


def test_white_space_around_the_key_does_not_matter() -> None:
    one, other = privacy((), {"email"}, KEY), privacy((), {"email"}, f" {KEY}\n")
    assert one == other
    assert after(one, customer()) == after(other, customer())


def test_the_key_is_not_shown() -> None:
    rules = privacy({"name"}, {"email"})
    assert KEY not in repr(rules)
    assert KEY not in rules.fingerprint
    assert "name" in repr(rules)


def test_the_fingerprint_tells_rules_apart_and_is_the_same_everywhere() -> None:
    rules = [
        Privacy(),
        privacy({"email"}),
        privacy((), {"email"}),
        privacy((), {"email"}, KEY + "!"),
        privacy({"name"}, {"email"}),
        privacy({"email", "name"}),
    ]
    prints = [each.fingerprint for each in rules]
    assert len(set(prints)) == len(prints)
    assert all(len(each) == 16 and int(each, 16) >= 0 for each in prints)
    # Written down: a state of another machine, or of an older version, is compared with it.
    assert prints[0] == "15c3552e1e91fe59"
    assert prints[2] == "825e01df867a82ac"
    assert privacy(["name", "email"]).fingerprint == privacy(("email", "name")).fingerprint


def test_without_hashes_no_key_matters() -> None:
    assert privacy({"email"}, (), KEY) == privacy({"email"}, (), None) == privacy({"email"}, (), "short")
    assert privacy({"email"}, (), KEY).fingerprint == privacy({"email"}, (), None).fingerprint


def test_names_that_are_not_known_today_can_be_told() -> None:
    rules = privacy({"emial", "partner", "other_fields"}, {"email", "link__utm"})
    assert rules.unknown == {"emial", "link__utm"}


def test_rules_survive_pickle_and_copy() -> None:
    rules = privacy({"name"}, {"email"})
    assert pickle.loads(pickle.dumps(rules)) == copy.deepcopy(rules) == rules  # noqa: S301


def test_moments_and_numbers_pass_unchanged() -> None:
    [row] = after(privacy({"email"}, {"name"}), customer(sales=2))
    assert row["created_at"] == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert row["sales"] == 2
