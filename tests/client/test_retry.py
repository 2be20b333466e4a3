"""Retries: what is repeated, for how long, and every form of Retry-After."""

from collections.abc import Callable

import pytest

from dub_source.client.retry import NO_RETRY, Operation, RetryLoop, RetryPolicy
from dub_source.client.retry_after import ServerTimes, parse_http_date, parse_retry_after
from dub_source.errors import (
    ConnectionFailed,
    InvalidResponse,
    RateLimited,
    RequestError,
    ServerError,
    SettingsError,
    UnexpectedRedirect,
    Unprocessable,
    UnreadableRow,
)
from tests.client.fake_time import FakeTime

NOW = 1_795_318_790.0  # 2026-11-22 03:39:50 UTC

FAILURES: dict[str, Callable[[], RequestError]] = {
    "429": RateLimited,
    "not sent": lambda: ConnectionFailed(sent=False),
    "no answer": lambda: ConnectionFailed(sent=True),
    "5xx": ServerError,
    "unreadable": InvalidResponse,
    "redirect": UnexpectedRedirect,
    "422": Unprocessable,
}
REPEATED = {
    Operation.READ: {"429", "not sent", "no answer", "5xx", "unreadable"},
    Operation.UPDATE: {"429", "not sent", "no answer", "5xx", "unreadable"},
    Operation.CREATE: {"429", "not sent"},
    Operation.DELETE_BY_ID: {"429", "not sent", "no answer", "5xx", "unreadable"},
    Operation.DELETE_BY_EXTERNAL_ID: {"429", "not sent"},
}


@pytest.mark.parametrize("operation", Operation)
@pytest.mark.parametrize("name", FAILURES)
def test_table(operation: Operation, name: str) -> None:
    time = FakeTime()
    results: list[str | RequestError] = [FAILURES[name](), "done"]
    loop = RetryLoop(clock=time.clock, sleep=time.sleep)
    result = loop.run(lambda number: results[number - 1], operation=operation, policy=RetryPolicy())
    if name in REPEATED[operation]:
        assert result == "done"
    else:
        assert isinstance(result, RequestError)
        assert result.attempts == 1
        write = operation is not Operation.READ
        assert result.may_have_committed is (write and name in {"no answer", "5xx", "unreadable"})


def test_gives_up_after_the_attempts_with_the_last_error() -> None:
    time = FakeTime()
    made: list[ServerError] = []

    def attempt(number: int) -> RequestError:
        made.append(ServerError(f"Failure {number}"))
        return made[-1]

    policy = RetryPolicy(max_attempts=4, initial_wait_s=1.0, max_wait_s=3.0, jitter=0.0)
    result = RetryLoop(clock=time.clock, sleep=time.sleep).run(
        attempt, operation=Operation.READ, policy=policy
    )
    assert result is made[3]
    assert isinstance(result, RequestError)
    assert result.attempts == 4
    assert time.slept == [1.0, 2.0, 3.0]


def test_gives_up_before_a_wait_that_would_take_too_long() -> None:
    time = FakeTime()
    policy = RetryPolicy(max_attempts=99, max_elapsed_s=10.0, initial_wait_s=4.0, jitter=0.0)
    result = RetryLoop(clock=time.clock, sleep=time.sleep).run(
        lambda _: ServerError(), operation=Operation.READ, policy=policy
    )
    assert isinstance(result, RequestError)
    assert result.attempts == 2
    assert time.slept == [4.0]


def test_429_uses_up_no_attempt_but_time() -> None:
    time = FakeTime()
    attempts = 0

    def attempt(number: int) -> RequestError:
        nonlocal attempts
        attempts = number
        time.now += 1.0  # the limiter's wait
        return RateLimited()

    policy = RetryPolicy(max_attempts=3, max_elapsed_s=30.0)
    result = RetryLoop(clock=time.clock, sleep=time.sleep).run(
        attempt, operation=Operation.CREATE, policy=policy
    )
    assert isinstance(result, RateLimited)
    assert result.attempts == attempts == 31
    assert not result.may_have_committed


def test_no_retry_means_none() -> None:
    time = FakeTime()
    for error in (RateLimited(), ServerError(), ConnectionFailed(sent=False)):
        loop = RetryLoop(clock=time.clock, sleep=time.sleep)
        only: list[RequestError] = [error]
        result = loop.run(
            lambda number, only=only: only[number - 1],  # type: ignore[misc]
            operation=Operation.READ,
            policy=NO_RETRY,
        )
        assert result is error
    assert time.slept == []


def test_5xx_waits_as_told_when_that_is_longer() -> None:
    time = FakeTime()
    told = ServerError()
    told.retry_after_s = 17.0
    results: list[str | RequestError] = [told, "done"]
    RetryLoop(clock=time.clock, sleep=time.sleep).run(
        lambda number: results[number - 1], operation=Operation.READ, policy=RetryPolicy()
    )
    assert time.slept == [17.0]


def test_what_an_earlier_attempt_may_have_done_is_remembered() -> None:
    # DELETE by id: the first attempt timed out, the second is answered "no such customer".
    results: list[RequestError] = [ConnectionFailed(sent=True), Unprocessable()]
    time = FakeTime()
    result = RetryLoop(clock=time.clock, sleep=time.sleep).run(
        lambda number: results[number - 1], operation=Operation.DELETE_BY_ID, policy=RetryPolicy()
    )
    assert isinstance(result, Unprocessable)
    assert result.may_have_committed
    assert "may be in effect" in str(result)


def test_a_patch_answered_with_an_unreadable_row_is_committed() -> None:
    loop = RetryLoop()
    for operation, committed in ((Operation.UPDATE, True), (Operation.READ, False)):
        result = loop.run(lambda _: UnreadableRow(), operation=operation, policy=RetryPolicy())
        assert isinstance(result, UnreadableRow)
        assert result.may_have_committed is committed


def test_jitter_stays_within_its_share() -> None:
    policy = RetryPolicy(initial_wait_s=1.0, max_wait_s=8.0, jitter=0.5)
    assert [policy.wait_s(n, 0.0) for n in (1, 2, 3, 4, 5, 5000)] == [1.0, 2.0, 4.0, 8.0, 8.0, 8.0]
    assert policy.wait_s(1, 0.999) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    "wrong", ({"max_attempts": 0}, {"max_elapsed_s": -1.0}, {"jitter": 1.5}, {"initial_wait_s": -0.1})
)
def test_bad_policies(wrong: dict[str, float]) -> None:
    with pytest.raises(SettingsError):
        RetryPolicy(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "value, seconds",
    (
        # seconds
        ("7", 7.0),
        ("0", 0.0),
        ("1.5", 1.5),
        (" 7 ", 7.0),
        ("3600", 60.0),
        ("-5", 0.0),
        # unix epoch in milliseconds, what Dub sends
        (str(int((NOW + 10) * 1000)), 10.0),
        (str(int((NOW - 10) * 1000)), 0.0),
        (str(int((NOW + 86400) * 1000)), 60.0),
        # unix epoch in seconds
        (str(int(NOW + 10)), 10.0),
        (str(int(NOW - 10)), 0.0),
        # HTTP dates
        ("Sun, 22 Nov 2026 03:40:00 GMT", 10.0),
        ("Sunday, 22-Nov-26 03:40:00 GMT", 10.0),
        ("Sun Nov 22 03:40:00 2026", 10.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 60.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        # absurd
        ("9" * 30, 60.0),
        ("99999999", 60.0),
        # garbage
        ("", None),
        (None, None),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ("1e3", None),
        ("7, 8", None),
        ("0x10", None),
        ("9" * 400, None),
        ("Sun, 99 Nov 2026 03:40:00 GMT", None),
        ("\u0667", None),
    ),
)
def test_every_form_of_retry_after(value: str | None, seconds: float | None) -> None:
    assert parse_retry_after(value, now=NOW, at_most_s=60.0) == seconds


def test_moments_are_relative_to_the_servers_clock() -> None:
    # Our clock is 5 minutes ahead: by it the moment has passed, by the server's it is in 10 s.
    headers = {"Retry-After": str(int((NOW + 10) * 1000)), "Date": "Sun, 22 Nov 2026 03:39:50 GMT"}
    assert ServerTimes.read(headers, now=NOW + 300.0, window_s=60.0).retry_after_s == 10.0
    del headers["Date"]
    assert ServerTimes.read(headers, now=NOW + 300.0, window_s=60.0).retry_after_s == 0.0


def test_rate_limit_headers() -> None:
    headers = {
        "X-RateLimit-Limit": "600",
        "X-RateLimit-Remaining": "598",
        "X-RateLimit-Reset": "1795318800000",
    }
    times = ServerTimes.read(headers, now=NOW, window_s=60.0)
    assert (times.limit, times.remaining, times.reset) == (600, 598, 1_795_318_800.0)


@pytest.mark.parametrize("nonsense", ("", "x", "-1", "0", "NaN", "1" * 99))
def test_nonsense_in_the_limit_header_is_no_limit(nonsense: str) -> None:
    times = ServerTimes.read({"X-RateLimit-Limit": nonsense, "Date": nonsense}, now=NOW, window_s=60.0)
    assert times == ServerTimes()


def test_http_date_of_every_kind_of_nonsense() -> None:
    for nonsense in (
        "",
        "0",
        "Mon",
        "Sun, 22 Nov 99999 03:40:00 GMT",
        "\x00",
        "Sun, 22 Nov 2026 25:61:00 GMT",
    ):
        assert parse_http_date(nonsense) is None
