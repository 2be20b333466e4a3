"""Hints: who was sold something, from two sources that may refuse, fail, lie low or say too much."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dub_source.client import DubClient
from dub_source.errors import (
    InvalidArgument,
    InviteExpired,
    InvitePending,
    RequestError,
    Unauthorized,
    WorkspaceNotFound,
)
from dub_source.incremental.hints import OVERLAP, Hints, hinted_ids
from dub_source.sandbox import Dataset, Fault, Sandbox
from dub_source.sandbox.model import Customer
from dub_source.settings import Settings
from tests.client.scripted_server import Reply, ScriptedServer, answer, refusal
from tests.conftest import StartSandbox
from tests.sandbox.datasets import PROGRAM, customer, workspace

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
SINCE = NOW - timedelta(hours=1)
EVENTS, COMMISSIONS = "/events", "/commissions"

Connect = Callable[..., DubClient]


def ago(**units: float) -> datetime:
    return NOW - timedelta(**units)


def ids(*numbers: int) -> tuple[str, ...]:
    return tuple(customer(number).id for number in numbers)


def seen(sandbox: Sandbox) -> list[str]:
    return [request.path for request in sandbox.requests]


@pytest.fixture
def connect() -> Iterator[Connect]:
    with ExitStack() as stack:

        def start(url: str, key: str) -> DubClient:
            # Any wait would be one for a retry or for the rate limit, and there is to be none.
            settings = Settings(key, base_url=url)
            return stack.enter_context(DubClient(settings, sleep=lambda _: pytest.fail("waited")))

        yield start


def rows(partners: int = 9, count: int = 9) -> list[Customer]:
    """Customers of whom the first so many have a partner, so that their sales are commissions too."""
    partner = {"program_id": PROGRAM, "partner_id": "pn_1"}
    return [customer(number, **(partner if number <= partners else {})) for number in range(1, count + 1)]


@pytest.fixture
def sandbox(start_sandbox: StartSandbox) -> Sandbox:
    return start_sandbox(workspace(*rows(partners=4)), clock=lambda: NOW.timestamp())


@pytest.fixture
def client(sandbox: Sandbox, connect: Connect) -> DubClient:
    return connect(sandbox.url, sandbox.key("owner"))


def sell(sandbox: Sandbox, number: int, at: datetime | None = None) -> None:
    sandbox.record_sale(customer(number).id, 100, at=at)


def test_newest_first_and_each_once(sandbox: Sandbox, client: DubClient) -> None:
    sell(sandbox, 6, ago(minutes=30))
    sell(sandbox, 1, ago(minutes=20))  # both an event and a commission
    sell(sandbox, 7, ago(minutes=10))
    sell(sandbox, 2, ago(minutes=5))
    sell(sandbox, 6, ago(minutes=1))
    assert hinted_ids(client, since=SINCE, most_requests=10) == Hints(ids(6, 2, 7, 1), 2)
    assert seen(sandbox) == [EVENTS, COMMISSIONS]


def test_a_quiet_workspace_costs_one_request_a_source(sandbox: Sandbox, client: DubClient) -> None:
    sell(sandbox, 1, ago(days=2))
    assert hinted_ids(client, since=SINCE, most_requests=10) == Hints((), 2)
    assert seen(sandbox) == [EVENTS, COMMISSIONS]


def test_what_happened_a_little_before_is_told_again(sandbox: Sandbox, client: DubClient) -> None:
    sell(sandbox, 1, SINCE - OVERLAP - timedelta(milliseconds=1))
    sell(sandbox, 2, SINCE - OVERLAP)
    sell(sandbox, 3, SINCE - timedelta(minutes=5))
    assert hinted_ids(client, since=SINCE, most_requests=2).ids == ids(3, 2)


def test_the_sources_are_put_together_by_time(sandbox: Sandbox, client: DubClient) -> None:
    # A commission without its event: the link of the sale is gone.
    sandbox.change(customer(1).id, link_id="link_gone")
    sell(sandbox, 5, ago(minutes=30))
    sell(sandbox, 1, ago(minutes=20))
    sell(sandbox, 6, ago(minutes=10))
    assert hinted_ids(client, since=SINCE, most_requests=2).ids == ids(6, 1, 5)


def test_deleted_and_new_customers_are_hinted_all_the_same(sandbox: Sandbox, client: DubClient) -> None:
    sell(sandbox, 5, ago(minutes=2))
    sell(sandbox, 1, ago(minutes=1))
    for number in (1, 5):
        sandbox.delete(customer(number).id)
    # Events know the deleted one by its id, commissions as null.
    assert hinted_ids(client, since=SINCE, most_requests=2) == Hints(ids(1, 5), 2)


@pytest.mark.parametrize(
    "most, asked, numbers",
    ((0, [], ()), (-1, [], ()), (1, [EVENTS], (6, 1)), (2, [EVENTS, COMMISSIONS], (6, 1))),
)
def test_the_budget(
    sandbox: Sandbox, client: DubClient, most: int, asked: list[str], numbers: tuple[int, ...]
) -> None:
    sell(sandbox, 1, ago(minutes=2))
    sell(sandbox, 6, ago(minutes=1))
    assert hinted_ids(client, since=SINCE, most_requests=most) == Hints(ids(*numbers), len(asked))
    assert seen(sandbox) == asked


@pytest.fixture
def busy(start_sandbox: StartSandbox) -> Sandbox:
    """1,150 sales in 1,150 seconds, those of 250 customers with a partner."""
    sandbox = start_sandbox(workspace(*rows(250, 1150)), clock=lambda: NOW.timestamp())
    for number in range(1, 1151):
        sell(sandbox, number, ago(seconds=number))
    return sandbox


@pytest.mark.parametrize(
    "most, asked, told",
    (
        (1, [EVENTS], 1000),
        (3, [EVENTS, COMMISSIONS, EVENTS], 1150),
        (9, [EVENTS, COMMISSIONS, EVENTS, COMMISSIONS, COMMISSIONS], 1150),
    ),
)
def test_full_pages_go_on_in_turns(
    busy: Sandbox, connect: Connect, most: int, asked: list[str], told: int
) -> None:
    client = connect(busy.url, busy.key("owner"))
    hints = hinted_ids(client, since=SINCE, most_requests=most)
    assert (hints.ids, hints.requests) == (ids(*range(1, told + 1)), len(asked))
    assert seen(busy) == asked
    pages = [request.query.split("page=")[1].split("&")[0] for request in busy.requests]
    assert pages == [str(asked[:turn].count(route) + 1) for turn, route in enumerate(asked)]


def test_a_server_that_ignores_start_is_not_read_to_the_end(connect: Connect) -> None:
    def page(field: str, size: int) -> Reply:
        moments = [ago(minutes=minute) for minute in range(size)]
        return answer([{field: at.isoformat(), "customer": {"id": f"cus_{at:%H%M}"}} for at in moments])

    with ScriptedServer([page("timestamp", 1000), page("createdAt", 100)]) as server:
        hints = hinted_ids(connect(server.url, "dub_x"), since=SINCE, most_requests=9)
        assert len(server.seen) == hints.requests == 2
    wanted = [ago(minutes=minute) for minute in range(60 + 15 + 1)]
    assert hints.ids == tuple(f"cus_{at:%H%M}" for at in wanted)


REFUSALS = (
    Fault("status", status=400, code="bad_request"),
    Fault("status", status=403, message="Unauthorized: Need higher plan."),
    Fault("status", status=403, message="You don't have the necessary permissions."),
    Fault("status", status=403, code="exceeded_limit"),
    Fault("status", status=404, message="Program not found"),
    Fault("status", status=409, code="conflict"),
    Fault("status", status=422, message="invalid_value: event: Invalid option"),
)
FAILURES = (
    Fault("status", status=500),
    Fault("status", status=502),
    Fault("status", status=503),
    Fault("not_json"),
    Fault("truncated"),
    Fault("reset"),
)


def described(fault: Fault) -> str:
    return f"{fault.kind} {fault.status} {fault.code or fault.message}"


@pytest.mark.parametrize("route, other", ((EVENTS, COMMISSIONS), (COMMISSIONS, EVENTS)))
@pytest.mark.parametrize("fault", (*REFUSALS, *FAILURES), ids=described)
def test_a_source_without_an_answer_costs_one_request(
    sandbox: Sandbox, client: DubClient, fault: Fault, route: str, other: str
) -> None:
    sell(sandbox, 1, ago(minutes=1))
    sandbox.inject(replace(fault, containing=route, times=99))
    hints = hinted_ids(client, since=SINCE, most_requests=10)
    assert (hints.ids, hints.requests) == (ids(1), 2)
    assert sorted(seen(sandbox)) == sorted([route, other])
    told = (hints.refused, hints.failed)
    assert told == (((route,), ()) if fault in REFUSALS else ((), (route,)))


def test_a_page_that_tells_of_an_unreadable_customer_is_refused(sandbox: Sandbox, client: DubClient) -> None:
    sell(sandbox, 1, ago(minutes=1))
    sandbox.change(customer(1).id, external_id=None)
    assert hinted_ids(client, since=SINCE, most_requests=9) == Hints(ids(1), 2, refused=(COMMISSIONS,))


def test_an_address_that_is_not_there_at_all(connect: Connect) -> None:
    with ScriptedServer([Reply(404, b"<html>", {"Content-Type": "text/html"})]) as server:
        hints = hinted_ids(connect(server.url, "dub_x"), since=SINCE, most_requests=9)
        assert hints == Hints((), 2, refused=(EVENTS, COMMISSIONS))
        assert len(server.seen) == 2


def test_a_server_that_is_not_there_at_all(sandbox: Sandbox, connect: Connect) -> None:
    with ScriptedServer([Reply()]) as server:
        url = server.url
    hints = hinted_ids(connect(url, "dub_x"), since=SINCE, most_requests=9)
    assert hints == Hints((), 2, failed=(EVENTS, COMMISSIONS))


def test_a_source_that_stalls_is_given_up_after_a_short_time(sandbox: Sandbox, client: DubClient) -> None:
    sell(sandbox, 1, ago(minutes=1))
    sandbox.inject(Fault("stall", containing=EVENTS, seconds=3.0))
    before = time.monotonic()
    hints = hinted_ids(client, since=SINCE, most_requests=9, timeout_s=0.2)
    assert time.monotonic() - before < 2.5
    assert hints == Hints(ids(1), 2, failed=(EVENTS,))


def test_a_source_that_fails_after_its_first_page_is_not_asked_for_a_third(
    busy: Sandbox, connect: Connect
) -> None:
    busy.inject(Fault("status", containing=COMMISSIONS, skip=1, times=99))
    hints = hinted_ids(connect(busy.url, busy.key("owner")), since=SINCE, most_requests=9)
    assert seen(busy) == [EVENTS, COMMISSIONS, EVENTS, COMMISSIONS]
    assert (hints.ids, hints.failed) == (ids(*range(1, 1151)), (COMMISSIONS,))


def test_a_used_up_rate_limit_ends_the_asking(busy: Sandbox, connect: Connect) -> None:
    busy.inject(Fault("status", status=429, containing=COMMISSIONS))
    hints = hinted_ids(connect(busy.url, busy.key("owner")), since=SINCE, most_requests=9)
    # The first page of events is kept; both are to be asked again.
    assert (hints.ids, hints.requests) == (ids(*range(1, 1001)), 2)
    assert (sorted(hints.failed), hints.refused) == ([COMMISSIONS, EVENTS], ())
    assert seen(busy) == [EVENTS, COMMISSIONS]


def test_a_source_that_has_told_everything_has_not_failed(sandbox: Sandbox, client: DubClient) -> None:
    sandbox.inject(Fault("status", status=429, containing=COMMISSIONS))
    assert hinted_ids(client, since=SINCE, most_requests=9) == Hints((), 2, failed=(COMMISSIONS,))


@pytest.mark.parametrize("route", (EVENTS, COMMISSIONS))
@pytest.mark.parametrize(
    "reply, expected",
    (
        (refusal(401, "unauthorized", "Unauthorized: Invalid API key."), Unauthorized),
        (refusal(400, "bad_request", "Misconfigured authorization header. Did you"), Unauthorized),
        (refusal(404, "not_found", "Workspace not found."), WorkspaceNotFound),
        (refusal(409, "invite_pending", "x"), InvitePending),
        (refusal(410, "invite_expired", "x"), InviteExpired),
    ),
)
def test_a_key_that_opens_nothing_is_an_error(
    connect: Connect, route: str, reply: Reply, expected: type[RequestError]
) -> None:
    with ScriptedServer(lambda seen: reply if seen.target.startswith(route) else answer([])) as server:
        with pytest.raises(expected) as caught:
            hinted_ids(connect(server.url, "dub_x"), since=SINCE, most_requests=9)
        assert caught.value.route == route
        assert server.seen[-1].target.startswith(route)


def test_real_keys(seed: Dataset, start_sandbox: StartSandbox, connect: Connect) -> None:
    sandbox = start_sandbox(seed)
    for name, refused in (
        ("owner", ()),
        ("viewer", ()),
        ("billing", ()),
        ("adv", (COMMISSIONS,)),
        ("free", (EVENTS, COMMISSIONS)),
    ):
        client = connect(sandbox.url, sandbox.key(name))
        assert hinted_ids(client, since=SINCE, most_requests=9) == Hints((), 2, refused=refused), name
    with pytest.raises(Unauthorized):
        hinted_ids(connect(sandbox.url, sandbox.key("expired")), since=SINCE, most_requests=9)


def test_a_moment_without_a_zone(sandbox: Sandbox, client: DubClient) -> None:
    with pytest.raises(InvalidArgument):
        hinted_ids(client, since=SINCE.replace(tzinfo=None), most_requests=9)
    assert seen(sandbox) == []


def test_hints_that_are_printed_name_nobody(sandbox: Sandbox, client: DubClient) -> None:
    sell(sandbox, 1, ago(minutes=1))
    hints = hinted_ids(client, since=SINCE, most_requests=2)
    assert hints.ids == ids(1)
    assert customer(1).id not in repr(hints)
