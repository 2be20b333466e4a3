"""Writing, traps 7 and 8: POST, DELETE, and the same externalId again."""

import re
from typing import Any

import pytest

from tests.conftest import StartSandbox
from tests.sandbox.conftest import Connect, Serve
from tests.sandbox.datasets import OTHER, customer, customers, workspace
from tests.sandbox.http_api import Api

ID = customer(1).id
CONFLICT = (409, "conflict", "A customer with this external ID already exists.")
NEW = {"externalId": "new", "country": "FR"}


@pytest.fixture
def api(serve: Serve) -> Api:
    return serve(*customers(3))


def test_7_delete_answers_the_id_then_404(api: Api) -> None:
    assert api.delete(ID).json == {"id": ID}
    for method in ("DELETE", "GET"):
        assert api.send(method, f"/customers/{ID}").status == 404
    assert api.patch(ID, {"name": "x"}).status == 404
    assert api.listed(customerIds=ID).json == []
    assert api.listed(startingAfter=ID).status == 422
    assert api.count() == 2


@pytest.mark.parametrize("reference", (ID.lower(), ID + "%20", "ext_user-1", "ext_USER-1"))
def test_7_however_it_is_named_the_real_id_is_answered(api: Api, reference: str) -> None:
    assert api.delete(reference).json == {"id": ID}
    assert api.delete(reference).status == 404


def test_7_a_customer_of_another_workspace_is_404_and_stays(serve: Serve) -> None:
    api = serve(customer(1, workspace_id=OTHER))
    assert api.delete(ID).status == 404
    assert api.delete("ext_user-1").status == 404
    api.key = "dub_test_other"
    assert api.get(ID).status == 200


def test_7_the_external_id_is_free_at_once_so_a_repeated_delete_can_hit_another_customer(api: Api) -> None:
    assert api.delete("ext_user-1").json == {"id": ID}
    again = api.post({"externalId": "user-1", "country": "US"}).row
    assert again["id"] != ID
    assert api.delete("ext_user-1").json == {"id": again["id"]}  # the repetition
    assert api.delete(ID).status == 404  # by id it could not have happened


def test_7_its_stripe_id_is_free_too(serve: Serve) -> None:
    api = serve(customer(1, stripe_customer_id="cus_s"))
    wanted = NEW | {"stripeCustomerId": "cus_s"}
    assert api.post(wanted).error == CONFLICT
    api.delete(ID)
    assert api.post(wanted).row["stripeCustomerId"] == "cus_s"


def test_7_a_body_and_a_query_make_no_difference(api: Api) -> None:
    assert api.send("DELETE", f"/customers/{ID}?pageSize=0", raw=b"{").json == {"id": ID}


def test_7_a_customer_with_a_commission_can_be_deleted(writable: Api) -> None:
    assert writable.delete("ext_has-commission").json == {"id": "cus_1M6A7MDW0DAK4R0YPHSRGBKKE"}
    assert writable.count() == 999


def test_8_it_needs_external_id_and_country_only(api: Api) -> None:
    reply = api.post(NEW)
    assert reply.status == 201
    row = reply.row
    assert re.fullmatch(r"cus_1[0-9A-HJKMNP-TV-Z]{24}", row["id"])
    assert row | {"id": "", "name": "", "createdAt": ""} == {
        "id": "", "name": "", "email": None, "avatar": None, "externalId": "new", "stripeCustomerId": None,
        "country": "FR", "sales": 0, "saleAmount": 0, "createdAt": "", "firstSaleAt": None,
        "subscriptionCanceledAt": None,
    }  # fmt: skip
    assert api.get("ext_new").row == row == api.get(row["id"]).row  # the made-up name was stored


def test_8_created_at_is_the_clock_whatever_is_asked(start_sandbox: StartSandbox, connect: Connect) -> None:
    api = connect(start_sandbox(workspace(), clock=lambda: 1_795_318_772.732))
    row = api.post(NEW | {"createdAt": "2020-01-01T00:00:00.000Z", "sales": 9, "id": "cus_x"}).row
    assert row["createdAt"] == "2026-11-22T03:39:32.732Z"
    assert row["id"].startswith("cus_1M80NCWZ")  # the same moment, as in a recorded id
    assert row["sales"] == 0


@pytest.mark.parametrize(
    "given, name",
    (
        ({"name": "N", "email": "e@x.co"}, "N"),
        ({"email": "e@x.co"}, "e@x.co"),
        ({"name": "", "email": "e@x.co"}, "e@x.co"),
    ),
)
def test_8_the_name_is_the_email_without_one(api: Api, given: dict[str, str], name: str) -> None:
    assert api.post(NEW | given).row["name"] == name


def test_8_a_foreign_avatar_is_rewritten(api: Api) -> None:
    row = api.post(NEW | {"avatar": "https://img.example.test/z.png"}).row
    assert re.fullmatch(rf"https://dubassets\.com/customers/{row['id']}/avatar_\w{{7}}", row["avatar"])


@pytest.mark.parametrize(
    "change, message",
    (
        ({"externalId": None}, "invalid_type: externalId: External ID is required"),
        ({"externalId": 5}, "invalid_type: externalId: External ID is required"),
        ({"country": None}, "invalid_type: country: Invalid input: expected string, received null"),
        ({"email": "x"}, "invalid_format: email: Invalid email address"),
        ({"email": "x", "externalId": None}, "invalid_format: email: Invalid email address"),
        ({"avatar": "x"}, "invalid_format: avatar: Invalid URL"),
    ),
)
def test_8_bad_fields(api: Api, change: dict[str, Any], message: str) -> None:
    assert api.post(NEW | change).invalid == message


def test_8_missing_fields(api: Api) -> None:
    assert api.post({}).invalid == "invalid_type: externalId: External ID is required"
    assert api.post({"externalId": "x"}).invalid == (
        "invalid_type: country: Invalid input: expected string, received undefined"
    )


@pytest.mark.parametrize("external_id", ("user-1", "User-1 ", "ÜSER-1"))
def test_8_a_taken_external_id_is_409_and_no_upsert(api: Api, external_id: str) -> None:
    before = api.get(ID).row
    assert api.post({"externalId": external_id, "country": "DE", "name": "x"}).error == CONFLICT
    assert api.get(ID).row == before
    assert api.count() == 3


def test_8_what_else_is_accepted(api: Api) -> None:
    assert api.post({"externalId": "", "country": ""}).row["country"] == ""
    assert api.post(NEW | {"country": "Atlantis", "email": "user1@example.test"}).status == 201
    reply = api.send("POST", "/customers?includeExpandedFields=true&pageSize=0", NEW | {"externalId": "q"})
    assert reply.status == 201  # the query is not looked at
    assert "link" not in reply.row


def test_8_it_belongs_to_the_workspace_of_the_key(serve: Serve) -> None:
    api = serve()
    api.key = "dub_test_other"
    new = api.post(NEW).row["id"]
    api.key = "dub_test_owner"
    assert api.get(new).status == 404
    assert api.post(NEW).status == 201
