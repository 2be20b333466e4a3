"""Writing, traps 1, 2, 3, 5 and 6: what PATCH takes, ignores, rewrites, refuses, and commits all the same."""

import json
import re
from typing import Any

import pytest

from dub_source.sandbox import Dataset
from tests.conftest import StartSandbox
from tests.sandbox.conftest import Connect, Serve
from tests.sandbox.datasets import OTHER, customer, customers, workspace
from tests.sandbox.http_api import Api

ID = customer(1).id
CONFLICT = (409, "conflict", "A customer with this external ID already exists.")
BAD_JSON = (
    400,
    "bad_request",
    "Invalid JSON format in request body. Please ensure the request body is a valid JSON object.",
)


@pytest.fixture
def api(serve: Serve) -> Api:
    return serve(*customers(3))


def test_1_every_writable_field_and_the_whole_customer_after_it(api: Api) -> None:
    before = api.get(ID).row
    change = {
        "name": "New Name",
        "email": "MiXed+1@Example.test",
        "externalId": "new id",
        "stripeCustomerId": "anything",
        "avatar": "https://api.dub.co/og/avatar?seed=1",
    }
    assert api.patch(ID, change).row == before | change
    assert api.get(ID).row == before | change


def test_1_country_is_checked_accepted_and_ignored(api: Api) -> None:
    before = api.get(ID).row
    for country in ("DE", "Atlantis", ""):
        assert api.patch(ID, {"country": country}).row == before
    assert api.get(ID).row == before
    for bad, kind in ((None, "null"), (5, "number"), (["DE"], "array")):
        expected = f"invalid_type: country: Invalid input: expected string, received {kind}"
        assert api.patch(ID, {"country": bad}).invalid == expected


def test_1_unknown_and_read_only_fields_are_ignored(api: Api) -> None:
    before = api.get(ID).row
    ignored: dict[str, Any] = {
        "id": "cus_x", "sales": 99, "saleAmount": 5, "createdAt": "2020-01-01T00:00:00.000Z",
        "firstSaleAt": 1, "subscriptionCanceledAt": None, "linkId": "x", "partnerId": "x", "programId": "x",
        "external_id": "x", "": 1,
    }  # fmt: skip
    assert api.patch(ID, ignored).row == before
    assert api.patch(ID, {}).row == before
    assert api.patch(ID, ignored | {"name": "Known"}).row == before | {"name": "Known"}


@pytest.mark.parametrize(
    "url", ("https://img.example.test/a.png", "http://dubassets.com/x", "data:image/png;base64,AA")
)
def test_2_a_foreign_avatar_is_rewritten_every_time(api: Api, url: str) -> None:
    shape = re.compile(rf"https://dubassets\.com/customers/{ID}/avatar_[A-Za-z0-9]{{7}}")
    avatars = {api.patch(ID, {"avatar": url}).row["avatar"] for _ in range(4)}
    assert len(avatars) == 4
    assert all(shape.fullmatch(avatar) for avatar in avatars)
    assert api.get(ID).row["avatar"] in avatars


@pytest.mark.parametrize(
    "url", ("https://dubassets.com/x/y", "https://api.dub.co/og/avatar/z", "https://api.dub.co/og/avatar?s=1")
)
def test_2_an_avatar_that_dub_stores_is_kept(api: Api, url: str) -> None:
    for _ in range(2):
        assert api.patch(ID, {"avatar": url}).row["avatar"] == url
    assert api.patch(ID, {"avatar": f" {url}\n"}).row["avatar"] == url  # trimmed
    assert api.patch(ID, {"avatar": None}).row["avatar"] is None


def test_2_the_avatar_a_row_has_already_is_kept(serve: Serve) -> None:
    url = "https://img.example.test/old.png"
    api = serve(customer(1, avatar=url))
    assert api.patch(ID, {"avatar": url}).row["avatar"] == url


def test_2_an_avatar_that_cannot_be_fetched_becomes_null_later(api: Api) -> None:
    url = "https://img.example.test/fail-upload.png"
    assert api.patch(ID, {"avatar": url}).row["avatar"].startswith("https://dubassets.com/customers/")
    assert api.get(ID).row["avatar"] is None
    created = api.post({"externalId": "new", "country": "US", "avatar": url}).row
    assert created["avatar"].startswith(f"https://dubassets.com/customers/{created['id']}/avatar_")
    assert api.get(created["id"]).row["avatar"] is None


def test_2_everything_else_is_idempotent(api: Api) -> None:
    change = {"name": "Same", "email": "same@example.test", "externalId": "same", "stripeCustomerId": "cus_s"}
    assert api.patch(ID, change).body == api.patch(ID, change).body == api.get(ID).body


@pytest.mark.parametrize("external_id", ("user-2", "USER-2", "user-2 ", "üser-2"))
def test_3_a_taken_external_id_is_409(api: Api, external_id: str) -> None:
    before = api.get(ID).row
    assert api.patch(ID, {"externalId": external_id, "name": "x"}).error == CONFLICT
    assert api.get(ID).row == before  # nothing of it was written


def test_3_a_taken_stripe_id_is_409_in_every_workspace(serve: Serve) -> None:
    api = serve(
        customer(1),
        customer(2, stripe_customer_id="cus_mine"),
        customer(3, stripe_customer_id="cus_theirs", workspace_id=OTHER),
    )
    for taken in ("cus_mine", "CUS_MINE", "cus_theirs"):
        assert api.patch(ID, {"stripeCustomerId": taken}).error == CONFLICT
        assert api.post({"externalId": "new", "country": "US", "stripeCustomerId": taken}).error == CONFLICT
    assert api.patch(customer(2).id, {"stripeCustomerId": None}).row["stripeCustomerId"] is None
    assert api.patch(ID, {"stripeCustomerId": "cus_mine"}).row["stripeCustomerId"] == "cus_mine"


def test_3_empty_ids_are_values_of_their_own(api: Api) -> None:
    for field in ("externalId", "stripeCustomerId"):
        assert api.patch(ID, {field: ""}).row[field] == ""
        assert api.patch(customer(2).id, {field: ""}).error == CONFLICT
    assert api.get("ext_").row["id"] == ID


def test_3_its_own_ids_and_those_of_other_workspaces_are_free(serve: Serve) -> None:
    api = serve(customer(1), customer(2, external_id="theirs", workspace_id=OTHER))
    assert api.patch(ID, {"externalId": "USER-1"}).row["externalId"] == "USER-1"
    assert api.patch(ID, {"externalId": "theirs"}).row["externalId"] == "theirs"


def test_3_a_swap_needs_a_temporary_value(api: Api) -> None:
    two = customer(2).id
    assert api.patch(ID, {"externalId": "user-2"}).error == CONFLICT
    assert api.patch(ID, {"externalId": "temporary"}).status == 200
    assert api.patch(two, {"externalId": "user-1"}).status == 200
    assert api.patch(ID, {"externalId": "user-2"}).status == 200
    assert (api.get("ext_user-1").row["id"], api.get("ext_user-2").row["id"]) == (two, ID)


def test_3_after_a_change_the_old_reference_is_404_at_once(api: Api) -> None:
    assert api.patch("ext_user-1", {"externalId": "newer"}).status == 200
    for method in ("GET", "PATCH", "DELETE"):
        assert api.send(method, "/customers/ext_user-1", {} if method == "PATCH" else None).status == 404
    assert api.get("ext_newer").row["id"] == ID
    assert api.listed(externalId="user-1").json == []


@pytest.mark.parametrize("name", (None, ""))
def test_5_without_a_name_it_reads_back_as_the_email(api: Api, name: str | None) -> None:
    assert api.patch(ID, {"name": name}).row["name"] == "user1@example.test"
    cleared = api.patch(ID, {"email": None}).row
    assert cleared["email"] is None
    assert cleared["name"] != api.get(ID).row["name"] != api.get(ID).row["name"]  # made up each time


@pytest.mark.parametrize(
    "email",
    ("", "nope", "a@b", " a@b.co ", "a@b.c", ".a@b.co", "a.@b.co", "a..b@c.co", "é@b.co", "a@bü.de",
     "a b@c.co", "a@-b.co", "a@b.co\n"),
)  # fmt: skip
def test_5_an_email_must_look_like_one(api: Api, email: str) -> None:
    assert api.patch(ID, {"email": email}).invalid == "invalid_format: email: Invalid email address"


@pytest.mark.parametrize("email", ("a+b@c.co", "A_B@C.CO", "o'brien@c.co", "a@b-c.d.org", "1@2.com"))
def test_5_emails_are_kept_as_they_are_written(api: Api, email: str) -> None:
    assert api.patch(ID, {"email": email}).row["email"] == email


def test_5_an_external_id_cannot_be_null(api: Api) -> None:
    value: object
    for value in (None, 12, True, ["x"], {}):
        assert (
            api.patch(ID, {"externalId": value}).invalid
            == "invalid_type: externalId: External ID is required"
        )


@pytest.mark.parametrize(
    "value, kind", ((5, "number"), (1.5, "number"), (True, "boolean"), ({}, "object"), ([], "array"))
)
def test_5_texts_are_texts(api: Api, value: object, kind: str) -> None:
    for field in ("name", "email", "stripeCustomerId", "avatar"):
        expected = f"invalid_type: {field}: Invalid input: expected string, received {kind}"
        assert api.patch(ID, {field: value}).invalid == expected


@pytest.mark.parametrize(
    "url", ("", "nope", "/a.png", "http://", "https://a b/", "http://a:99999/", "http://a:x/", "//a.test/x")
)
def test_5_an_avatar_is_a_url(api: Api, url: str) -> None:
    assert api.patch(ID, {"avatar": url}).invalid == "invalid_format: avatar: Invalid URL"


def test_5_only_the_first_error_is_reported(api: Api) -> None:
    wrong: dict[str, object] = {
        "country": 1, "stripeCustomerId": 1, "externalId": 1, "avatar": 1, "name": 1, "email": "nope",
    }  # fmt: skip
    for name in ("email", "name", "avatar", "externalId", "stripeCustomerId", "country"):
        assert api.patch(ID, wrong).invalid.split(": ")[1] == name
        del wrong[name]
    assert api.patch(ID, wrong).status == 200


def test_5_texts_fit_into_191_characters(api: Api) -> None:
    assert api.patch(ID, {"name": "🦊" * 191}).row["name"] == "🦊" * 191
    for field in ("name", "externalId", "stripeCustomerId"):
        assert api.patch(ID, {field: "y" * 192}).invalid == (
            "\nInvalid `prisma.customer.update()` invocation:\n\n\n"
            f"The provided value for the column is too long for the column's type. Column: {field}"
        )
    assert api.patch(ID, {"country": "y" * 192}).status == 200  # never written
    assert "customer.create()" in api.post({"externalId": "y" * 192, "country": "US"}).invalid
    assert api.count() == 3


@pytest.mark.parametrize(
    "raw", (b"", b"{", b"name=x", b"NaN", b'{"name": Infinity}', b"{'name': 'x'}", b'{"name": "a\nb"}')
)
def test_5_what_is_no_json_is_400(api: Api, raw: bytes) -> None:
    assert api.send("PATCH", f"/customers/{ID}", raw=raw).error == BAD_JSON
    assert api.send("POST", "/customers", raw=raw).error == BAD_JSON


@pytest.mark.parametrize(
    "raw, kind", ((b"[]", "array"), (b"null", "null"), (b"5", "number"), (b'"x"', "string"))
)
def test_5_a_body_is_an_object(api: Api, raw: bytes, kind: str) -> None:
    expected = f"invalid_type: : Invalid input: expected object, received {kind}"
    assert api.send("PATCH", f"/customers/{ID}", raw=raw).invalid == expected
    assert api.send("POST", "/customers", raw=raw).invalid == expected


def test_5_a_body_is_json_whatever_it_is_called(api: Api) -> None:
    headers = {"content-type": "text/plain"}
    raw = b'\xef\xbb\xbf {"name": "Zo\\u00eb \\ud83e\\udd8a \\ud83e"} '
    assert api.send("PATCH", f"/customers/{ID}", raw=raw, headers=headers).row["name"] == "Zoë 🦊 \ufffd"
    assert api.send("PATCH", f"/customers/{ID}", raw=b'{"name": "a", "name": "b"}').row["name"] == "b"
    assert api.send("PATCH", f"/customers/{ID}", raw=b'{"name": "\xff"}').row["name"] == "\ufffd"


def test_5_the_query_is_checked_before_the_body_and_the_body_before_the_customer(api: Api) -> None:
    nobody = "/customers/cus_nope"
    assert "Page size" in api.send("PATCH", f"{nobody}?pageSize=0", raw=b"{").invalid
    assert api.send("PATCH", nobody, raw=b"{").error == BAD_JSON
    assert "Invalid email" in api.patch("cus_nope", {"email": "nope"}).invalid
    assert api.patch("cus_nope", {"name": "x"}).status == 404


def test_6_a_patch_of_a_null_external_id_is_422_although_it_is_committed(serve: Serve) -> None:
    api = serve(customer(1, external_id=None))
    issue = {
        "expected": "string",
        "code": "invalid_type",
        "path": ["externalId"],
        "message": "Invalid input: expected string, received null",
    }
    assert api.patch(ID, {"name": "written"}).invalid == json.dumps([issue], indent=2)
    assert api.get(ID).status == 422
    repaired = api.patch(ID, {"externalId": "now set"})
    assert repaired.row["name"] == "written"
    assert api.get("ext_now%20set").row == repaired.row


def test_a_patch_shows_expanded_fields_when_asked(writable: Api) -> None:
    plain = writable.patch("ext_full-1", {"name": "x"}).row
    full = writable.patch("ext_full-1?includeExpandedFields=true", {"name": "y"}).row
    assert plain | {"name": "y"} == {name: full[name] for name in plain}
    assert set(full) - set(plain) == {"link", "programId", "partner", "discount"}


def test_created_at_and_money_stay_as_they_are(
    seed: Dataset, start_sandbox: StartSandbox, connect: Connect
) -> None:
    api = connect(start_sandbox(seed), "owner")
    for reference, amount in (("ext_u_984", 2**53), ("ext_u_985", 5_000_000_000), ("ext_u_986", -1500)):
        before = api.get(reference).row
        assert before["saleAmount"] == amount
        assert api.patch(reference, {"name": "x"}).row == before | {"name": "x"}


def test_a_write_is_seen_by_every_order(start_sandbox: StartSandbox, connect: Connect) -> None:
    rows = [customer(number, sale_amount=number) for number in range(1, 5)]
    sandbox = start_sandbox(workspace(*rows))
    api = connect(sandbox)
    assert api.listed(sortBy="saleAmount", pageSize=1).ids == [rows[3].id]
    sandbox.change(rows[0].id, sale_amount=99, country="DE")
    assert api.listed(sortBy="saleAmount", pageSize=1).ids == [rows[0].id]
    assert api.listed(country="DE").ids == [rows[0].id]
    api.patch(rows[0].id, {"email": "moved@example.test"})
    assert api.listed(email="moved@example.test").ids == [rows[0].id]
    assert api.listed(email="user1@example.test").json == []
