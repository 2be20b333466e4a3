"""GET /events: the sales and leads of a workspace, as Dub's analytics would tell of them."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from dub_source.sandbox import Dataset, Sandbox
from tests.conftest import StartSandbox
from tests.sandbox.conftest import Connect
from tests.sandbox.datasets import FIRST_MS, OTHER, customer, customers, workspace
from tests.sandbox.http_api import RATE_HEADERS, Api, Reply

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
LINK = {
    "id": "link_1",
    "domain": "go.test",
    "key": "k",
    "shortLink": "https://go.test/k",
    "url": "https://a.test/",
}


def ago(**units: float) -> datetime:
    return NOW - timedelta(**units)


def wire(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def asked(api: Api, **parameters: object) -> Reply:
    return api.send("GET", f"/events?{urlencode({'event': 'sales', **parameters})}")


def told(api: Api, **parameters: object) -> list[str]:
    """Whose events there are, by number, in the order of the answer."""
    reply = asked(api, **parameters)
    assert reply.status == 200, reply.body
    return [event["customer"]["id"][-1] for event in reply.json]


@pytest.fixture
def sandbox(start_sandbox: StartSandbox) -> Sandbox:
    rows = [*customers(4), customer(5, link_id="link_1"), customer(6, link_id="link_gone")]
    data = workspace(*rows, customer(9, workspace_id=OTHER))
    data.links["link_1"] = LINK
    return start_sandbox(data, clock=lambda: NOW.timestamp())


@pytest.fixture
def api(sandbox: Sandbox, connect: Connect) -> Api:
    return connect(sandbox, "owner")


def sell(sandbox: Sandbox, number: int, at: datetime | None = None, amount: int = 100) -> None:
    sandbox.record_sale(customer(number).id, amount, OTHER if number == 9 else None, at=at)


def test_a_sale_changes_the_customer_as_track_sale_does(sandbox: Sandbox, api: Api) -> None:
    who = customer(1).id
    before = api.get(who).row
    sell(sandbox, 1, ago(hours=2), 1500)
    sell(sandbox, 1, None, 250)
    row = api.get(who).row
    assert (row["sales"], row["saleAmount"], row["firstSaleAt"]) == (2, 1750, wire(ago(hours=2)))
    unchanged = {"sales": 0, "saleAmount": 0, "firstSaleAt": None}
    assert row | unchanged == before | unchanged
    assert api.listed(sortBy="firstSaleAt", pageSize=1).ids == [who]
    sell(sandbox, 1, ago(days=9))
    assert api.get(who).row["firstSaleAt"] == wire(ago(hours=2))  # Dub keeps the first that it heard of


def test_what_cannot_be_sold(sandbox: Sandbox) -> None:
    for amount in (0, -5):
        with pytest.raises(ValueError, match="amount"):
            sandbox.record_sale(customer(1).id, amount)
    with pytest.raises(KeyError):
        sandbox.record_sale(customer(9).id, 5)


def test_sales_come_newest_first_whatever_the_order_of_recording(sandbox: Sandbox, api: Api) -> None:
    sell(sandbox, 2, ago(hours=3))
    sell(sandbox, 1, ago(hours=5))
    sell(sandbox, 3, ago(hours=1))
    sell(sandbox, 9)
    assert told(api) == ["3", "2", "1"]
    assert told(api, sortOrder="desc", sortBy="timestamp") == ["3", "2", "1"]
    assert told(api, sortOrder="asc") == told(api, order="asc") == ["1", "2", "3"]
    assert told(api, customerId=customer(2).id) == ["2"]


def test_pages(sandbox: Sandbox, api: Api) -> None:
    for number in (1, 2, 3, 4, 5):
        sell(sandbox, number, ago(minutes=number))
    pages = ["".join(told(api, page=page, limit=2)) for page in (1, 2, 3, 4)]
    assert pages == ["12", "34", "5", ""]


def test_no_more_than_1000_and_100_unless_asked(sandbox: Sandbox, api: Api) -> None:
    for _ in range(1002):
        sell(sandbox, 1)
    assert len(told(api)) == 100
    assert len(told(api, limit=1000)) == 1000
    assert len(told(api, limit=1000, page=2)) == 2


@pytest.mark.parametrize(
    "parameters, expected",
    (
        ({}, "1"),  # 24 hours
        ({"interval": "24h"}, "1"),
        ({"interval": "7d"}, "12"),
        ({"interval": "mtd"}, "12"),
        ({"interval": "30d"}, "123"),
        ({"interval": "qtd"}, "123"),
        ({"interval": "ytd"}, "1234"),
        ({"interval": "1y"}, "1234"),
        ({"interval": "all"}, "1234"),
        ({"start": wire(ago(hours=23))}, "1"),
        ({"start": wire(ago(days=6))}, "12"),
        ({"start": wire(ago(days=6) - timedelta(milliseconds=1))}, "12"),
        ({"start": wire(ago(days=6) + timedelta(milliseconds=1))}, "1"),
        ({"start": wire(ago(days=6)), "interval": "all"}, "12"),
        # `end` means the end of its day, and does nothing without `start`.
        ({"end": wire(ago(days=6))}, "1"),
        ({"start": wire(ago(days=99)), "end": wire(ago(days=6, hours=11))}, "23"),
        ({"start": wire(ago(days=99)), "end": wire(ago(days=7))}, "3"),
        ({"start": wire(ago(days=7)), "end": wire(ago(days=99))}, "3"),
    ),
)
def test_the_window(sandbox: Sandbox, api: Api, parameters: dict[str, str], expected: str) -> None:
    sell(sandbox, 1, ago(hours=1))
    sell(sandbox, 2, ago(days=6))
    sell(sandbox, 3, ago(days=29))
    sell(sandbox, 4, ago(days=150))
    assert "".join(told(api, **parameters)) == expected


def test_leads_are_the_customers_with_a_link_when_they_came(api: Api) -> None:
    start = wire(datetime.fromtimestamp(FIRST_MS / 1000, UTC))
    assert told(api, event="leads", start=start) == ["5"]
    lead = asked(api, event="leads", start=start).json[0]
    assert (lead["event"], lead["timestamp"]) == ("lead", wire(datetime(2026, 1, 6, tzinfo=UTC)))
    assert "sale" not in lead
    assert told(api, event="leads") == []


@pytest.mark.parametrize("query", ("", "?event=clicks", "?event=clicks&interval=all"))
def test_there_are_no_clicks(sandbox: Sandbox, api: Api, query: str) -> None:
    sell(sandbox, 1)
    reply = api.send("GET", f"/events{query}")
    assert (reply.status, reply.json) == (200, [])


def test_what_a_sale_shows(sandbox: Sandbox, api: Api) -> None:
    sell(sandbox, 5, ago(minutes=1), 1999)
    event = asked(api).json[0]
    assert (event["event"], event["timestamp"]) == ("sale", wire(ago(minutes=1)))
    assert (event["sale"]["amount"], event["saleAmount"]) == (1999, 1999)
    assert event["link"] == LINK
    assert (event["link_id"], event["domain"]) == ("link_1", "go.test")
    # Only a part of the customer, and no null.
    assert event["customer"] == {
        "id": customer(5).id,
        "name": "Name 5",
        "email": "user5@example.test",
        "avatar": f"https://api.dub.co/og/avatar/{customer(5).id}",
        "externalId": "user-5",
        "country": "US",
        "createdAt": wire(datetime(2026, 1, 6, tzinfo=UTC)),
    }


def test_a_customer_without_anything_and_a_deleted_one(sandbox: Sandbox, api: Api) -> None:
    sandbox.change(customer(1).id, name=None, email=None, external_id=None, country=None)
    sell(sandbox, 1, ago(minutes=1))
    sell(sandbox, 2, ago(minutes=2))
    sandbox.delete(customer(2).id)
    poor, deleted = (event["customer"] for event in asked(api).json)
    assert poor["name"]
    assert (poor["email"], poor["externalId"], poor["country"]) == ("", "", "")
    assert (deleted["id"], deleted["name"]) == (customer(2).id, "Deleted Customer")
    assert deleted["createdAt"] == "1970-01-01T00:00:00.000Z"


def test_an_event_whose_link_is_gone_is_missing_from_its_page(sandbox: Sandbox, api: Api) -> None:
    sell(sandbox, 1, ago(minutes=3))
    sell(sandbox, 6, ago(minutes=2))
    sell(sandbox, 3, ago(minutes=1))
    assert told(api, limit=2) == ["3"]
    assert told(api, limit=2, page=2) == ["1"]


def required(recordings: Path, route: str, kind: str | None = None) -> set[str]:
    """The fields that Dub's OpenAPI document promises for a row of this route."""
    document = json.loads((recordings / "openapi.json").read_text(encoding="utf-8"))
    answer = document["paths"][route]["get"]["responses"]["200"]
    rows = answer["content"]["application/json"]["schema"]["items"]
    for schema in rows.get("anyOf") or rows.get("oneOf") or [rows]:
        fields: dict[str, Any] = schema["properties"]
        if kind is None or kind in fields["event"]["enum"]:
            return set(schema["required"])
    raise AssertionError(kind)


def test_every_promised_field_is_there(recordings: Path, sandbox: Sandbox, api: Api) -> None:
    sell(sandbox, 1)
    assert required(recordings, "/events", "sale") <= set(asked(api).json[0])
    lead = asked(api, event="leads", interval="all").json[0]
    assert required(recordings, "/events", "lead") <= set(lead)


@pytest.mark.parametrize(
    "parameters, field",
    (
        ({"event": "sale"}, "event"),
        ({"event": ""}, "event"),
        ({"interval": "1h"}, "interval"),
        ({"start": "soon"}, "start"),
        ({"start": ""}, "start"),
        ({"start": "2026-13-01T00:00:00.000Z"}, "start"),
        ({"end": "never"}, "end"),
        ({"page": 0}, "page"),
        ({"page": 1.5}, "page"),
        ({"limit": 0}, "limit"),
        ({"limit": 1001}, "limit"),
        ({"limit": "all"}, "limit"),
        ({"sortOrder": "up"}, "sortOrder"),
        ({"sortBy": "amount"}, "sortBy"),
        ({"order": "up"}, "order"),
    ),
)
def test_what_is_refused(api: Api, parameters: dict[str, object], field: str) -> None:
    reply = asked(api, **parameters)
    assert reply.invalid.split(": ")[1] == field
    assert set(RATE_HEADERS) & set(reply.headers) == set()  # this sandbox has no limit


def test_who_may_read_them(seed: Dataset, start_sandbox: StartSandbox, connect: Connect) -> None:
    """As with customers: all roles, from the business plan up."""
    sandbox = start_sandbox(seed)
    for name in ("owner", "member", "viewer", "billing", "adv"):
        assert asked(connect(sandbox, name)).status == 200, name
    assert asked(connect(sandbox, "free")).error == (403, "forbidden", "Unauthorized: Need higher plan.")
    assert asked(connect(sandbox, "expired")).status == 401
    nobody = connect(sandbox, "owner")
    nobody.key = "dub_unknown"
    assert asked(nobody).error == (401, "unauthorized", "Unauthorized: Invalid API key.")
    nobody.key = None
    assert asked(nobody).error == (401, "unauthorized", "Missing Authorization header.")


def test_they_count_against_the_limit_like_all_requests(
    start_sandbox: StartSandbox, connect: Connect
) -> None:
    api = connect(start_sandbox(workspace(*customers(1)), rate_limit=3), "owner")
    statuses = [asked(api).status, asked(api, limit=0).status, api.listed().status, asked(api).status]
    assert statuses == [200, 422, 200, 429]
    assert set(RATE_HEADERS) <= set(asked(api).headers)


@pytest.mark.parametrize("route", ("/events", "/commissions"))
def test_the_rest_of_the_address(api: Api, route: str) -> None:
    assert api.send("GET", f"/api{route}").status == 200
    assert api.send("GET", f"{route}/").status == 308
    assert api.send("GET", f"{route}/x").status == 404
    assert api.send("OPTIONS", route).headers["allow"] == "GET, HEAD, OPTIONS"
    for method in ("PUT", "PATCH", "DELETE"):
        assert api.send(method, route).status == 405
