"""Writing, trap 4: how one customer is named in a path, by its id or by ``ext_`` and its externalId."""

from urllib.parse import quote

import pytest

from dub_source.sandbox.collation import collate
from tests.sandbox.conftest import Serve
from tests.sandbox.datasets import OTHER, customer
from tests.sandbox.http_api import Api

NOT_FOUND = (
    404,
    "not_found",
    "Customer not found. Make sure you're using the correct customer ID "
    "(e.g. `cus_3TagGjzRzmsFJdH8od2BNCsc`) or external ID (has to be prefixed with `ext_`).",
)
ODD = (
    "a/b/c", "100%", "a%2Fb", "%", "%%20", "a+b@c.test", "a b", "q?x=1#y&z", "#", "?", "客户-é", "नेहा",
    "🦊 fox", "ext_abc", "ext_", "cus_123", "CaseSensitive", ".", "..", "a\\b", '"quoted"', "<a>",
    "semi;colon", "new\nline", "tab\tbed", "null", "undefined", "count", "x" * 191, "",
)  # fmt: skip


def test_4_percent_encoded_every_external_id_is_found(serve: Serve) -> None:
    rows = [customer(number, external_id=external_id) for number, external_id in enumerate(ODD)]
    api = serve(*rows)
    for row, external_id in zip(rows, ODD, strict=True):
        reference = "ext_" + quote(external_id, safe="")
        assert api.get(reference).row["externalId"] == external_id
        assert api.get(reference).row["id"] == row.id, external_id
        assert api.patch(reference, {"name": "renamed"}).row["name"] == "renamed"
        assert api.delete(reference).json == {"id": row.id}
        assert api.get(reference).error == NOT_FOUND
    assert api.count() == 0


def test_4_seeded_external_ids_with_every_odd_character(recorded: Api) -> None:
    rows = recorded.listed(pageSize=20).json
    for row in rows:
        assert recorded.get("ext_" + quote(row["externalId"], safe="")).row["id"] == row["id"]
    assert {"a/b/c", "100%", "a%2Fb", "客户-é", "a+b@c.test", "q?x=1#y&z"} < {
        row["externalId"] for row in rows
    }


@pytest.mark.parametrize(
    "reference",
    (
        "ext_hello+world",  # a plus is a plus
        "ext_abc",  # the prefix is taken off: this asks for "abc"
        "EXT_u_5",  # the prefix is lower case, or it is an id
        "ext_Ext_abc%20x",
        "ext_a%2Fb",  # asks for a/b, which is not a/b/c
        "ext_",
        "ext_%20u_5",
        "ext_o_2",  # of another workspace
        "cus_123",  # an externalId without its prefix
        "u_5",
        "cus_1KJKEHJM0QCW0GHTQ87R9B837",  # of another workspace
        "cus!1JXTT3F0WH0CNTNMEKSTGKSWK",
        "cus-1JXTT3F0WH0CNTNMEKSTGKSWK",
        "1JXTT3F0WH0CNTNMEKSTGKSWK",
        "%20cus_1JXTT3F0WH0CNTNMEKSTGKSWK",
        "cus_1JXTT3F0WH0CNTNMEKSTGKSWK%0A",
        "cus_1JXTT3F0WH0CNTNMEKSTGKSWK%20x",
        "cus_",
        "cus_nope",
        "null",
        "undefined",
        "%20",
        "x" * 3000,
    ),
)
def test_4_what_is_not_found(recorded: Api, reference: str) -> None:
    assert recorded.get(reference).error == NOT_FOUND


@pytest.mark.parametrize(
    "reference",
    (
        "cus_1jxtt3f0wh0cntnmekstgkswk",
        "CUS_1JXTT3F0WH0CNTNMEKSTGKSWK",
        "cus_1JXTT3F0WH0CNTNMEKSTGKSWK%20",
        "cus_1JXTT3F0WH0CNTNMEKSTGKSWK%20%20",
        "cus%5F1JXTT3F0WH0CNTNMEKSTGKSWK",
        "%63us_1JXTT3F0WH0CNTNMEKSTGKSWK",
        "c%C3%BCs_1JXTT3F0WH0CNTNMEKSTGKSWK",  # ü
        "cus_1JXTT3F0WH0CNTNMEKSTGKSWK%00",  # characters without weight
        "cus_%E2%80%8B1JXTT3F0WH0CNTNMEKSTGKSWK",
        "%EF%BD%83us_1JXTT3F0WH0CNTNMEKSTGKSWK",  # a full-width c
    ),
)
def test_4_an_id_is_found_as_the_database_compares_it(recorded: Api, reference: str) -> None:
    assert recorded.get(reference).row["id"] == "cus_1JXTT3F0WH0CNTNMEKSTGKSWK"


@pytest.mark.parametrize(
    "reference",
    (
        "ext_casesensitive",
        "ext_CASESENSITIVE",
        "ext_CaseSensitive%20",
        "ext_C%C3%A1seSensitive",
        "e%78t_CaseSensitive",
    ),
)
def test_4_an_external_id_is_found_as_the_database_compares_it(recorded: Api, reference: str) -> None:
    assert recorded.get(reference).row["externalId"] == "CaseSensitive"


@pytest.mark.parametrize(
    "one, two",
    (
        ("straße", "STRASSE"),
        ("æther", "AETHER"),
        ("œuvre", "oeuvre"),
        ("é", "e\u0301"),
        ("ﬁn", "fin"),
        ("か", "カ"),
        ("が", "か"),
        ("ッ", "つ"),
        ("Ⅷ", "viii"),
        ("🦊", "🐻"),  # all characters beyond U+FFFF have one weight
        ("soft\u00adhyphen", "softhyphen"),
        ("नेहा", "नेहा  "),
    ),
)
def test_equal_to_the_database(one: str, two: str) -> None:
    assert collate(one) == collate(two)


def test_equal_to_the_database_means_found_and_taken(serve: Serve) -> None:
    api = serve(customer(1, external_id="Straße が🦊"))
    assert api.get("ext_" + quote("STRASSE カ🐻", safe="")).row["id"] == customer(1).id
    assert api.post({"externalId": "strasse か🐻 ", "country": "US"}).status == 409
    assert api.post({"externalId": "straße がx", "country": "US"}).status == 201


@pytest.mark.parametrize(
    "one, two",
    (("a-b", "ab"), ("a_b", "a-b"), ("a b", "ab"), ("ø", "o"), ("ł", "l"), ("客", "户"), ("नेहा", "नहा"),
     ("é!", "e"), ("𝐀", "a"), (" a", "a"), ("a\n", "a")),
)  # fmt: skip
def test_what_differs_to_the_database(one: str, two: str) -> None:
    assert collate(one) != collate(two)


def test_the_same_external_id_in_another_workspace_is_another_customer(serve: Serve) -> None:
    mine, foreign = customer(1, external_id="same"), customer(2, external_id="same", workspace_id=OTHER)
    api = serve(mine, foreign)
    assert api.get("ext_same").row["id"] == mine.id
    api.key = "dub_test_other"
    assert api.get("ext_same").row["id"] == foreign.id
    assert api.delete("ext_same").json == {"id": foreign.id}
    assert api.get(mine.id).error == NOT_FOUND


def test_expanded_fields_of_one_customer(recorded: Api) -> None:
    plain = recorded.get("ext_full-1").row
    full = recorded.get("ext_full-1?includeExpandedFields=true").row
    assert list(plain) == [
        "id", "name", "email", "avatar", "externalId", "stripeCustomerId", "country", "sales", "saleAmount",
        "createdAt", "firstSaleAt", "subscriptionCanceledAt",
    ]  # fmt: skip
    assert list(full) == [*plain, "link", "programId", "partner", "discount"]
    assert list(full["link"]) == ["id", "domain", "key", "shortLink", "url", "programId"]
    assert list(full["partner"]) == ["id", "name", "email", "image"]
    assert list(full["discount"]) == [
        "id", "amount", "type", "maxDuration", "couponId", "couponTestId", "description",
    ]  # fmt: skip
    added = {
        name: set(recorded.get(f"ext_{name}?includeExpandedFields=true").row) - set(plain)
        for name in ("full-2", "full-3", "u_5")
    }
    assert added == {"full-2": {"link", "programId", "partner"}, "full-3": {"link"}, "u_5": set()}
