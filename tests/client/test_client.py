"""DubClient against a real server on this machine that does as it is told."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest

from dub_source.client import DubClient, external
from dub_source.client.retry import NO_RETRY, RetryPolicy
from dub_source.errors import (
    ConnectionFailed,
    CustomerNotFound,
    InvalidArgument,
    InvalidCursor,
    InvalidResponse,
    RateLimited,
    RequestError,
    ServerError,
    Unauthorized,
    UnexpectedRedirect,
    UnexpectedStatus,
    UnreadableRow,
)
from tests.client.conftest import Serve
from tests.client.scripted_server import KEY, Reply, Seen, answer, refusal

ROW = {"id": "cus_1", "name": "Ada", "newField": [1]}
NOT_FOUND = refusal(404, "not_found", "Customer not found. Make sure you're using the correct customer ID.")
BAD_PAGE_SIZE = "too_small: pageSize: Page size must be greater than 0."


def query(seen: Seen) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(seen.target).query, keep_blank_values=True))


def test_list_sends_what_it_is_given(serve: Serve) -> None:
    server, client = serve([answer([ROW])], base="/api/")
    before = datetime.now(UTC)
    page = client.list(
        starting_after="cus_a",
        ending_before="cus_b",
        sort_by="createdAt",
        sort_order="asc",
        page=1000,
        page_size=100,
        include_expanded_fields=True,
        customer_ids=["cus_x", "cus_y"],
        email="a+b@c.d",
        external_id="ä/%&=?#",
        search="x y",
        country="DE",
        link_id="link_1",
        partner_id="pn_1",
        program_id="prog_1",
    )
    assert page.customers == [ROW]
    assert before <= page.requested_at <= before + timedelta(seconds=5)
    assert page.requested_at.tzinfo is UTC
    seen = server.seen[0]
    assert urlsplit(seen.target).path == "/api/customers"
    assert query(seen) == {
        "startingAfter": "cus_a",
        "endingBefore": "cus_b",
        "sortBy": "createdAt",
        "sortOrder": "asc",
        "page": "1000",
        "pageSize": "100",
        "includeExpandedFields": "true",
        "customerIds": "cus_x,cus_y",
        "email": "a+b@c.d",
        "externalId": "ä/%&=?#",
        "search": "x y",
        "country": "DE",
        "linkId": "link_1",
        "partnerId": "pn_1",
        "programId": "prog_1",
    }
    assert seen.headers["Authorization"] == f"Bearer {KEY}"
    assert seen.headers["Accept"] == "application/json"
    assert seen.headers["User-Agent"].startswith("dub-source/")


def test_nothing_given_is_nothing_sent(serve: Serve) -> None:
    server, client = serve([answer([])])
    assert client.list().customers == []
    assert server.seen[0].target == "/customers"
    assert "Cookie" not in server.seen[0].headers


def test_requested_at_is_the_start_of_the_request_that_was_answered(serve: Serve) -> None:
    _, client = serve([Reply(500), answer([])], retry=RetryPolicy(initial_wait_s=0.2, jitter=0.0))
    before = datetime.now(UTC)
    assert client.list().requested_at - before >= timedelta(seconds=0.2)


@pytest.mark.parametrize(
    "reference",
    (
        "cus_1",
        external("a"),
        external("a/b?c#d%25+e f&g=h;i:@"),
        external("ext_twice"),
        external(".."),
        external("ünïcödé 漢字 🙂"),
        "a\nb\x00",
    ),
)
def test_ids_arrive_as_they_are(serve: Serve, reference: str) -> None:
    server, client = serve([answer(ROW)])
    assert client.get(reference, include_expanded_fields=False) == ROW
    path, _, rest = server.seen[0].target.partition("?")
    assert rest == "includeExpandedFields=false"
    assert path.count("/") == 2
    assert unquote(path.removeprefix("/customers/")) == reference


def test_update_create_and_delete(serve: Serve) -> None:
    server, client = serve([answer(ROW), answer(ROW, 201), answer({"id": "cus_1"})])
    assert client.update("cus_1", {"name": None, "email": "ä@b.c"}, include_expanded_fields=True) == ROW
    assert client.create({"externalId": "x", "country": "DE"}) == ROW
    assert client.delete("cus_1") == "cus_1"
    patch, post, delete = server.seen
    assert (patch.method, patch.target) == ("PATCH", "/customers/cus_1?includeExpandedFields=true")
    assert json.loads(patch.body) == {"name": None, "email": "ä@b.c"}
    assert patch.headers["Content-Type"] == "application/json"
    assert (post.method, post.target, json.loads(post.body)) == (
        "POST",
        "/customers",
        {"externalId": "x", "country": "DE"},
    )
    assert (delete.method, delete.target, delete.body) == ("DELETE", "/customers/cus_1", b"")


def test_count(serve: Serve) -> None:
    groups = [{"country": "DE", "_count": 3}]
    server, client = serve([answer(1307), answer(groups)])
    assert client.count(country="DE", search="x") == 1307
    assert client.count_by("country", link_id="l") == groups
    assert [query(seen) for seen in server.seen] == [
        {"country": "DE", "search": "x"},
        {"groupBy": "country", "linkId": "l"},
    ]
    assert urlsplit(server.seen[0].target).path == "/customers/count"


@pytest.mark.parametrize(
    "call",
    (
        lambda c: c.list(page_size=0),
        lambda c: c.list(page_size=101),
        lambda c: c.list(page=0),
        lambda c: c.list(page=1001),
        lambda c: c.list(customer_ids=[]),
        lambda c: c.list(customer_ids=["sentinel,b"]),
        lambda c: c.list(customer_ids=["a", ""]),
        lambda c: c.list(customer_ids="sentinel"),
        lambda c: c.list(email=""),
        lambda c: c.list(starting_after=""),
        lambda c: c.list(email="sentinel\ud800"),
        lambda c: c.count(country=""),
        lambda c: c.count_by(""),
        lambda c: c.get(""),
        lambda c: c.get("ext_"),
        lambda c: c.get("."),
        lambda c: c.get(".."),
        lambda c: c.get("sentinel\ud800"),
        lambda c: c.get(external("")),
        lambda c: c.update("", {}),
        lambda c: c.delete(""),
        lambda c: c.update("cus_1", {"name": float("nan")}),
        lambda c: c.update("cus_1", {"name": float("inf")}),
        lambda c: c.update("cus_1", {"name": {"sentinel"}}),
        lambda c: c.create({"name": "sentinel\ud800"}),
    ),
)
def test_calls_that_cannot_be_right_are_not_sent(serve: Serve, call: Callable[[DubClient], object]) -> None:
    server, client = serve([answer([])])
    with pytest.raises(InvalidArgument) as caught:
        call(client)
    assert server.seen == []
    error = caught.value
    assert isinstance(error, ValueError)
    assert str(error).endswith(".")
    assert "sentinel" not in str(error)
    assert error.__context__ is None
    assert error.__cause__ is None


@pytest.mark.parametrize(
    "reply",
    (
        Reply(200, b""),
        Reply(200, b"<html>hello</html>", {"Content-Type": "text/html"}),
        Reply(200, b'[{"id": "cus_1"'),
        Reply(204, b""),
        Reply(200, b'[{"id": "cus_1"}]', cut_after=5),
        answer({"id": "cus_1"}),
        answer([1]),
        answer([{"name": "no id"}]),
        answer([{"id": 7}]),
        answer(None),
        Reply(200, b"\x1f\x8bnot gzip", {"Content-Encoding": "gzip"}),
    ),
)
def test_list_that_is_no_list(serve: Serve, reply: Reply) -> None:
    server, client = serve([reply])
    with pytest.raises(InvalidResponse) as caught:
        client.list(retry=NO_RETRY)
    assert caught.value.status == reply.status
    # Such an answer may be a hiccup of something on the way: a read is repeated.
    server, client = serve([reply, answer([ROW])])
    assert client.list().customers == [ROW]
    assert len(server.seen) == 2


@pytest.mark.parametrize("value", ([], None, "x", {"name": "no id"}, {"id": 3}))
def test_customer_that_is_none(serve: Serve, value: object) -> None:
    _, client = serve([answer(value)], retry=NO_RETRY)
    with pytest.raises(InvalidResponse):
        client.get("cus_1")
    with pytest.raises(InvalidResponse) as caught:
        client.create({"externalId": "x"})
    # 200, so it was probably created.
    assert caught.value.may_have_committed


@pytest.mark.parametrize("value", (-1, 1.5, True, "7", [], None))
def test_count_that_is_none(serve: Serve, value: object) -> None:
    _, client = serve([answer(value)], retry=NO_RETRY)
    with pytest.raises(InvalidResponse):
        client.count()


@pytest.mark.parametrize(
    "fault", (Reply(reset=True), Reply(503), Reply(200, b"{}", cut_after=1), Reply(200, b"<html>"))
)
@pytest.mark.parametrize(
    "name, repeated",
    (
        ("list", True),
        ("get", True),
        ("update", True),
        ("update by external id", True),
        ("create", False),
        ("delete", True),
        ("delete by external id", False),
    ),
)
def test_what_is_repeated_after_it_may_have_been_sent(
    serve: Serve, fault: Reply, name: str, repeated: bool
) -> None:
    calls: dict[str, Callable[[DubClient], object]] = {
        "list": lambda c: c.list(),
        "get": lambda c: c.get("cus_1"),
        "update": lambda c: c.update("cus_1", {"name": "x"}),
        "update by external id": lambda c: c.update("ext_1", {"name": "x"}),
        "create": lambda c: c.create({"externalId": "x"}),
        "delete": lambda c: c.delete("cus_1"),
        "delete by external id": lambda c: c.delete(external("1")),
    }
    server, client = serve([fault, answer([ROW] if name == "list" else ROW)])
    if repeated:
        calls[name](client)
        assert len(server.seen) == 2
        assert client.stats.retries == 1
    else:
        with pytest.raises(RequestError) as caught:
            calls[name](client)
        assert len(server.seen) == 1
        assert caught.value.may_have_committed


def test_post_and_delete_by_external_id_are_not_repeated_after_a_timeout(serve: Serve) -> None:
    server, client = serve([Reply(stall=True)], read_timeout_s=0.2)
    for call in (lambda: client.create({"externalId": "x"}), lambda: client.delete("ext_x")):
        with pytest.raises(ConnectionFailed, match="did not answer in time") as caught:
            call()
        assert caught.value.sent
        assert caught.value.may_have_committed
        assert caught.value.attempts == 1
    assert len(server.seen) == 2


def test_timeout_of_one_call(serve: Serve) -> None:
    _, client = serve([Reply(stall=True)], read_timeout_s=60.0)
    before = time.monotonic()
    with pytest.raises(ConnectionFailed):
        client.list(timeout=0.1, retry=NO_RETRY)
    assert time.monotonic() - before < 5.0


def test_delete_that_was_answered_to_nobody(serve: Serve) -> None:
    # Timed out after the commit; the second attempt finds nothing: the caller is told.
    _, client = serve([Reply(reset=True), NOT_FOUND])
    with pytest.raises(CustomerNotFound) as caught:
        client.delete("cus_1")
    assert caught.value.may_have_committed
    assert caught.value.attempts == 2


def test_429_is_repeated_even_for_post(serve: Serve) -> None:
    limited = refusal(
        429, "rate_limit_exceeded", "Too many requests.", Retry_After=str(int((time.time() + 1) * 1000))
    )
    server, client = serve([limited, limited, answer(ROW, 201)], rate_window_s=0.6)
    assert client.create({"externalId": "x"}) == ROW
    assert len(server.seen) == 3
    assert client.stats.throttled_s > 0


def test_429_without_end_is_given_up(serve: Serve) -> None:
    limited = refusal(429, "rate_limit_exceeded", "Too many requests.", Retry_After="3600")
    server, client = serve([limited], rate_window_s=0.05, retry=RetryPolicy(max_elapsed_s=0.5))
    with pytest.raises(RateLimited) as caught:
        client.list()
    assert caught.value.retry_after_s == 0.05
    assert 3 <= caught.value.attempts == len(server.seen) <= 30


def test_errors_name_the_route_and_not_the_address(serve: Serve) -> None:
    _, client = serve([NOT_FOUND])
    with pytest.raises(CustomerNotFound) as caught:
        client.get(external("sentinel"), include_expanded_fields=True)
    error = caught.value
    assert (error.method, error.route, error.status, error.code) == (
        "GET",
        "/customers/{id}",
        404,
        "not_found",
    )
    assert "sentinel" not in str(error)


def test_special_refusals_of_a_page(serve: Serve) -> None:
    cursor = refusal(422, "unprocessable_entity", "Invalid cursor: the provided ID does not exist.")
    row = refusal(
        422,
        "unprocessable_entity",
        "invalid_type: [12].externalId: Invalid input: expected string, received null",
    )
    server, client = serve([cursor, row])
    with pytest.raises(InvalidCursor):
        client.list(starting_after="cus_gone")
    with pytest.raises(UnreadableRow) as caught:
        client.list(starting_after="cus_gone")
    assert caught.value.index == 12
    assert len(server.seen) == 2


def test_probe_learns_the_limit(serve: Serve) -> None:
    headers = {
        "X_RateLimit_Limit": "600",
        "X_RateLimit_Remaining": "598",
        "X_RateLimit_Reset": "1795318800000",
    }
    server, client = serve([refusal(422, "unprocessable_entity", BAD_PAGE_SIZE, **headers)])
    info = client.probe()
    assert (info.limit, info.remaining) == (600, 598)
    assert 0 < info.latency_s < 5
    assert info.server_offset_s is not None
    assert abs(info.server_offset_s) < 1.1
    assert client.limiter.limit == 600
    assert server.seen[0].target == "/customers?pageSize=0"


@pytest.mark.parametrize(
    "reply, expected",
    (
        (refusal(401, "unauthorized", "Unauthorized: Invalid API key."), Unauthorized),
        (Reply(200, b"<html>", {"Content-Type": "text/html"}), InvalidResponse),
        (Reply(404, b"<html>", {"Content-Type": "text/html"}), UnexpectedStatus),
        (Reply(308, b"", {"Location": "/x"}), UnexpectedRedirect),
        (Reply(500), ServerError),
    ),
)
def test_probe_of_what_is_not_dub_or_not_ours(
    serve: Serve, reply: Reply, expected: type[RequestError]
) -> None:
    server, client = serve([reply])
    with pytest.raises(expected):
        client.probe()
    assert len(server.seen) <= 3


def test_can_write(serve: Serve) -> None:
    role = "You don't have the required role to access this endpoint. Required role(s): owner, member."
    no_body = "Invalid JSON format in request body. Please ensure the request body is a valid JSON object."
    server, client = serve([refusal(400, "bad_request", no_body), refusal(403, "forbidden", role), NOT_FOUND])
    assert [client.can_write() for _ in range(3)] == [True, False, True]
    assert {seen.method for seen in server.seen} == {"PATCH"}
    assert {seen.body for seen in server.seen} == {b""}


def test_stats(serve: Serve) -> None:
    _, client = serve([Reply(500), answer([]), NOT_FOUND])
    client.list()
    with pytest.raises(CustomerNotFound):
        client.get("cus_1")
    stats = client.stats
    assert (stats.requests, stats.retries, stats.statuses) == (3, 1, {500: 1, 200: 1, 404: 1})
