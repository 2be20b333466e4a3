"""The client's reading of sales: what is sent, what is kept, and that nothing else gets anywhere."""

import logging
import traceback
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from dub_source.client import NO_RETRY, DubClient
from dub_source.client.sales import Sale, SalesPage
from dub_source.errors import (
    Forbidden,
    InvalidArgument,
    InvalidResponse,
    NotFound,
    PlanTooLow,
    RequestError,
    ServerError,
    Unauthorized,
    Unprocessable,
)
from tests.client.conftest import Serve
from tests.client.scripted_server import Reply, ScriptedServer, answer, refusal

SECRETS = ("Sentinel Name", "sentinel@example.test", "203.0.113.7", "sentinel-external", "Sentinelville")
AT = "2026-06-15T10:00:00.123Z"
MOMENT = datetime(2026, 6, 15, 10, 0, 0, 123_000, tzinfo=UTC)

READS: tuple[tuple[str, str], ...] = (("sale_events", "/events"), ("commissions", "/commissions"))


def person(customer_id: object) -> dict[str, Any]:
    return {
        "id": customer_id,
        "name": SECRETS[0],
        "email": SECRETS[1],
        "externalId": SECRETS[3],
        "createdAt": "2020-01-01T00:00:00.000Z",
    }


def event(customer_id: object = "cus_1", at: object = AT) -> dict[str, Any]:
    place = {"ip": SECRETS[2], "city": SECRETS[4]}
    return {
        "event": "sale",
        "timestamp": at,
        "customer": person(customer_id),
        "click": {"timestamp": "2001-01-01T00:00:00.000Z", **place},
        **place,
    }


def commission(customer_id: object = "cus_1", at: object = AT) -> dict[str, Any]:
    partner = {"id": "pn_1", "name": SECRETS[0], "email": SECRETS[1]}
    return {
        "id": "cm_1",
        "createdAt": at,
        "updatedAt": "2030-01-01T00:00:00.000Z",
        "customer": person(customer_id),
        "partner": partner,
    }


def row(route: str, *values: object) -> dict[str, Any]:
    return event(*values) if route == "/events" else commission(*values)


def sent(server: ScriptedServer) -> tuple[str, dict[str, str]]:
    parts = urlsplit(server.seen[-1].target)
    return parts.path, dict(parse_qsl(parts.query, keep_blank_values=True))


def test_what_is_sent_for_events(serve: Serve) -> None:
    server, client = serve([answer([])])
    east = timezone(timedelta(hours=2))
    client.sale_events(since=datetime(2026, 6, 15, 12, 30, 15, 987_654, tzinfo=east), page=3, limit=1000)
    assert sent(server) == (
        "/events",
        {
            "event": "sales",
            "start": "2026-06-15T10:30:15.987Z",
            "sortOrder": "desc",
            "page": "3",
            "limit": "1000",
        },
    )
    client.sale_events()
    assert sent(server)[1] == {"event": "sales", "interval": "all", "sortOrder": "desc"}


def test_what_is_sent_for_commissions(serve: Serve) -> None:
    server, client = serve([answer([])])
    client.commissions(since=MOMENT, page=2, page_size=100)
    assert sent(server) == (
        "/commissions",
        {
            "type": "sale",
            "start": AT,
            "sortBy": "createdAt",
            "sortOrder": "desc",
            "page": "2",
            "pageSize": "100",
        },
    )
    client.commissions()
    assert sent(server)[1] == {"type": "sale", "sortBy": "createdAt", "sortOrder": "desc"}


@pytest.mark.parametrize("method, route", READS)
def test_customer_and_time_are_kept_in_order(serve: Serve, method: str, route: str) -> None:
    rows = [row(route, "cus_2"), row(route, "cus_1", "2026-06-15T12:00:00+02:00"), row(route, "cus_2")]
    _, client = serve([answer(rows)])
    page = getattr(client, method)(since=MOMENT)
    assert page == SalesPage(
        (Sale("cus_2", MOMENT), Sale("cus_1", MOMENT.replace(microsecond=0)), Sale("cus_2", MOMENT)), 3
    )
    assert all(sale.at.tzinfo is UTC for sale in page.sales)


@pytest.mark.parametrize("method, route", READS)
@pytest.mark.parametrize(
    "odd",
    (
        {"customer": None},
        {"customer": "cus_1"},
        {"customer": {}},
        {"customer": person(None)},
        {"customer": person(7)},
        {"customer": person("")},
        {"customer": person("cus_1,cus_2")},
        {"customer": person("..")},
        {"customer": person("../x")},
        {"customer": person("cus_\u00e9")},
        {"customer": person("c" * 101)},
        {"timestamp": None, "createdAt": None},
        {"timestamp": 1781517600, "createdAt": 1781517600},
        {"timestamp": "soon", "createdAt": "soon"},
        {"timestamp": "9999-12-31T23:59:59-23:00", "createdAt": "9999-12-31T23:59:59-23:00"},
    ),
)
def test_rows_that_tell_nothing_are_counted_and_left_out(
    serve: Serve, method: str, route: str, odd: dict[str, object]
) -> None:
    _, client = serve([answer([row(route) | odd, row(route, "cus_9")])])
    assert getattr(client, method)() == SalesPage((Sale("cus_9", MOMENT),), 2)


def test_a_time_without_a_zone_is_utc(serve: Serve) -> None:
    _, client = serve([answer([event("cus_1", "2026-06-15 10:00:00.123")])])
    assert client.sale_events().sales == (Sale("cus_1", MOMENT),)


@pytest.mark.parametrize("method, route", READS)
def test_nothing_else_of_an_answer_is_left(
    serve: Serve, caplog: pytest.LogCaptureFixture, method: str, route: str
) -> None:
    caplog.set_level(logging.DEBUG)
    _, client = serve([answer([row(route)])])
    page = getattr(client, method)(since=MOMENT)
    left = repr(page) + repr(page.sales) + caplog.text
    assert not [secret for secret in SECRETS if secret in left]
    assert f"GET {route} 200" in caplog.text
    assert "cus_1" not in repr(page) + caplog.text


@pytest.mark.parametrize("method, route", READS)
@pytest.mark.parametrize(
    "reply, expected",
    (
        (refusal(401, "unauthorized", "Unauthorized: Invalid API key."), Unauthorized),
        (refusal(403, "forbidden", "Unauthorized: Need higher plan."), PlanTooLow),
        (refusal(403, "forbidden", f"{SECRETS[0]} may not do this."), Forbidden),
        (refusal(404, "not_found", "Program not found"), NotFound),
        (refusal(422, "unprocessable_entity", f"custom: start: {SECRETS[0]}"), Unprocessable),
        (refusal(500, "internal_server_error", SECRETS[1]), ServerError),
        (Reply(200, f"<html>{SECRETS[1]}".encode(), {"Content-Type": "text/html"}), InvalidResponse),
        (answer({"rows": [SECRETS[1]]}), InvalidResponse),
        (answer([SECRETS[1]]), InvalidResponse),
    ),
)
def test_errors_name_the_route_and_nothing_of_the_answer(
    serve: Serve, method: str, route: str, reply: Reply, expected: type[RequestError]
) -> None:
    _, client = serve([reply])
    with pytest.raises(expected) as caught:
        getattr(client, method)(since=MOMENT, retry=NO_RETRY)
    error = caught.value
    assert (type(error), error.method, error.route) == (expected, "GET", route)
    told = "".join(traceback.format_exception(error)) + repr(error.__dict__)
    assert not [secret for secret in (*SECRETS, "2026-06-15") if secret in told]


@pytest.mark.parametrize("method", ("sale_events", "commissions"))
def test_they_are_read_again_like_other_reads_unless_told_otherwise(serve: Serve, method: str) -> None:
    server, client = serve([Reply(503), answer([])])
    assert getattr(client, method)().rows == 0
    assert len(server.seen) == 2
    server, client = serve([Reply(503), answer([])])
    with pytest.raises(ServerError):
        getattr(client, method)(retry=NO_RETRY)
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    "call",
    (
        lambda c: c.sale_events(since=MOMENT.replace(tzinfo=None)),
        lambda c: c.commissions(since=MOMENT.replace(tzinfo=None)),
        lambda c: c.sale_events(limit=0),
        lambda c: c.sale_events(limit=1001),
        lambda c: c.commissions(page_size=0),
        lambda c: c.commissions(page_size=101),
        lambda c: c.sale_events(page=0),
        lambda c: c.commissions(page=1001),
    ),
)
def test_calls_that_cannot_be_right_are_not_sent(serve: Serve, call: Callable[[DubClient], object]) -> None:
    server, client = serve([answer([])])
    with pytest.raises(InvalidArgument):
        call(client)
    assert server.seen == []
