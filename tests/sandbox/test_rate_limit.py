"""Rate limits: what counts, what the headers say, and how the window slides."""

import pytest

from dub_source.sandbox import Dataset
from tests.conftest import StartSandbox
from tests.sandbox.conftest import Connect
from tests.sandbox.datasets import customer, customers, workspace
from tests.sandbox.http_api import RATE_HEADERS, Api, Reply

MINUTE = 1_795_318_800  # a full minute, in seconds


class Clock:
    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock(MINUTE + 6)


def remaining(reply: Reply) -> int:
    return int(reply.headers["x-ratelimit-remaining"])


def fail(api: Api) -> Reply:
    """A request that fails on purpose: only errors tell."""
    return api.listed(pageSize=0)


def burst(api: Api, count: int) -> int:
    """How many of so many requests are answered."""
    return sum(api.listed(pageSize=1).status == 200 for _ in range(count))


@pytest.mark.parametrize(
    "key, limit",
    (
        ("free", 60),
        ("pro", 600),
        ("owner", 1200),
        ("bizplus", 1200),
        ("adv", 3000),
        ("ent", 3000),
        ("trial", 120),
    ),
)
def test_the_limit_is_the_plans(
    start_sandbox: StartSandbox, seed: Dataset, connect: Connect, clock: Clock, key: str, limit: int
) -> None:
    reply = fail(connect(start_sandbox(seed, rate_limit=None, clock=clock), key))
    reset = str((MINUTE + 60) * 1000)
    assert {name: reply.headers[name] for name in RATE_HEADERS} == {
        "retry-after": reset,  # a moment in milliseconds, not a number of seconds
        "x-ratelimit-limit": str(limit),
        "x-ratelimit-remaining": str(limit - 1),
        "x-ratelimit-reset": reset,
    }


@pytest.mark.parametrize("plan, limit", (("business extra", 1200), ("business max", 1200)))
def test_the_limits_of_other_plans(
    start_sandbox: StartSandbox, connect: Connect, plan: str, limit: int
) -> None:
    reply = fail(connect(start_sandbox(workspace(plan=plan), rate_limit=None)))
    assert reply.headers["x-ratelimit-limit"] == str(limit)


def test_after_the_limit_429_until_the_window_slides(
    start_sandbox: StartSandbox, connect: Connect, clock: Clock
) -> None:
    api = connect(start_sandbox(workspace(customer(1)), rate_limit=20, clock=clock))
    assert burst(api, 25) == 20
    refused = api.listed(pageSize=1)
    assert refused.error == (429, "rate_limit_exceeded", "Too many requests.")
    assert refused.json["error"]["doc_url"].endswith("#rate-limit_exceeded")
    assert refused.headers["retry-after"] == refused.headers["x-ratelimit-reset"] == str((MINUTE + 60) * 1000)
    assert remaining(refused) == 0
    clock.now = MINUTE + 60  # the reset: all of the last window still counts
    assert burst(api, 5) == 0
    clock.now = MINUTE + 75  # a quarter of the last window has slid out: a quarter of the limit is free
    assert burst(api, 10) == 5
    clock.now = MINUTE + 90
    assert burst(api, 10) == 5
    clock.now = MINUTE + 300
    assert burst(api, 25) == 20


def test_success_and_error_count_alike_refusals_and_bad_keys_do_not(
    start_sandbox: StartSandbox, connect: Connect, clock: Clock
) -> None:
    sandbox = start_sandbox(workspace(*customers(2)), rate_limit=10, clock=clock)
    api = connect(sandbox)
    replies = [
        api.listed(), api.get("nope"), api.listed(pageSize=0), api.send("GET", "/customers/count"),
        api.post({"externalId": "new", "country": "US"}), api.post({}), api.patch(customer(1).id, {}),
        api.delete(customer(1).id),
    ]  # fmt: skip
    assert [reply.status for reply in replies] == [200, 404, 422, 200, 201, 422, 200, 200]
    key, api.key = api.key, "dub_unknown"
    assert api.listed().status == 401
    api.key = key
    assert api.send("GET", "/customers/a/b").status == 404  # a page
    assert api.send("PUT", "/customers").status == 405
    assert remaining(fail(api)) == 1
    assert remaining(fail(api)) == 0
    assert [fail(api).status for _ in range(30)] == [429] * 30
    clock.now = MINUTE + 66  # the ten that were answered count for nine tenths; the thirty for nothing
    assert burst(api, 5) == 1


def test_a_refused_write_is_not_done(start_sandbox: StartSandbox, connect: Connect, clock: Clock) -> None:
    sandbox = start_sandbox(workspace(customer(1)), rate_limit=1, clock=clock)
    api = connect(sandbox)
    api.listed()
    assert api.delete(customer(1).id).status == 429
    assert api.patch(customer(1).id, {"name": "x"}).status == 429
    assert api.post({"externalId": "new", "country": "US"}).status == 429
    assert list(sandbox.snapshot()) == [customer(1).id]
    assert sandbox.snapshot()[customer(1).id]["name"] == "Name 1"


def test_each_key_has_its_own_budget(start_sandbox: StartSandbox, connect: Connect, clock: Clock) -> None:
    sandbox = start_sandbox(workspace(customer(1)), rate_limit=3, clock=clock)
    owner, member = connect(sandbox, "owner"), connect(sandbox, "member")
    assert burst(owner, 5) == 3
    assert burst(member, 5) == 3


def test_the_window_can_be_shorter(start_sandbox: StartSandbox, connect: Connect, clock: Clock) -> None:
    sandbox = start_sandbox(workspace(customer(1)), rate_limit=4, rate_window_s=2, clock=clock)
    api = connect(sandbox)
    assert burst(api, 9) == 4
    assert fail(api).headers["x-ratelimit-reset"] == str((MINUTE + 8) * 1000)
    clock.now += 3  # the middle of the next window
    assert burst(api, 9) == 2


def test_without_a_limit_nothing_is_told(start_sandbox: StartSandbox, connect: Connect) -> None:
    api = connect(start_sandbox(workspace(customer(1)), rate_limit=0))
    assert burst(api, 150) == 150
    reply = fail(api)
    assert reply.status == 422
    assert not set(RATE_HEADERS) & set(reply.headers)
