"""Nothing that the client raises or logs holds the key or anything about a person."""

import copy
import logging
import pickle
import re
import traceback
from collections.abc import Callable

import pytest

from dub_source.client import DubClient, external
from dub_source.client.retry import RetryPolicy
from dub_source.errors import ConnectionFailed, DubError
from dub_source.settings import Settings
from tests.client.scripted_server import KEY, Reply, ScriptedServer, refusal

BODY = b'{"error": {"code": "sentinel-code", "message": "sentinel-message", "name": "sentinel-name"}}'
SENTINEL_HEADERS = {"Location": "http://127.0.0.1/sentinel-location", "X-Sentinel": "sentinel-header"}

CALLS: dict[str, Callable[[DubClient], object]] = {
    "list": lambda c: c.list(
        email="sentinel@example.com", search="sentinel-search", customer_ids=["sentinel-id"]
    ),
    "get": lambda c: c.get(external("sentinel-external")),
    "create": lambda c: c.create({"externalId": "sentinel-external", "name": "sentinel-name"}),
    "update": lambda c: c.update("sentinel-id", {"email": "sentinel@example.com"}),
    "delete": lambda c: c.delete(external("sentinel-external")),
    "count": lambda c: c.count(external_id="sentinel-external"),
    "count_by": lambda c: c.count_by("country", email="sentinel@example.com"),
}
FAULTS = {
    **{
        f"status {status}": Reply(status, BODY, SENTINEL_HEADERS)
        for status in (308, 400, 401, 403, 404, 405, 409, 410, 422, 429, 500, 503)
    },
    "html": Reply(200, b"<html>sentinel", SENTINEL_HEADERS),
    "json of another kind": Reply(200, b'"sentinel"', SENTINEL_HEADERS),
    "json cut off": Reply(200, b'[{"id": "sentinel"', SENTINEL_HEADERS),
    "cut off": Reply(200, b'[{"id": "sentinel"}]', SENTINEL_HEADERS, cut_after=12),
    "no gzip": Reply(200, b"sentinel", {"Content-Encoding": "gzip"}),
    "reset": Reply(reset=True),
    "stall": Reply(stall=True),
    "strange header": Reply(200, b"sentinel", {"X-Bad": "sentinel\r\n\x00sentinel-line"}),
    "zod": refusal(422, "unprocessable_entity", "invalid_format: email: Invalid email address: sentinel"),
    "prisma": refusal(422, "unprocessable_entity", "Invalid `prisma.customer.update()` invocation: sentinel"),
}


def assert_quiet(error: BaseException, log: pytest.LogCaptureFixture) -> None:
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        for text in (str(link), repr(link), repr(link.args), repr(vars(link))):
            assert "sentinel" not in text.lower()
        link = link.__cause__ or link.__context__
    # Only our own error: whatever the HTTP library raised holds the address.
    assert len(seen) == 1
    assert "sentinel" not in "".join(traceback.format_exception(error)).lower().replace("sentinel_", "")
    assert b"sentinel" not in pickle.dumps(error).lower()
    assert "sentinel" not in str(copy.deepcopy(error)).lower()
    for record in log.records:
        assert "sentinel" not in record.getMessage().lower()
        assert "sentinel" not in repr(record.args).lower()


# Every fault, and every call: once with an answer that is an error and once with none.
CASES = [("list", fault) for fault in FAULTS]
CASES += [(call, fault) for call in CALLS if call != "list" for fault in ("status 422", "reset")]


@pytest.mark.parametrize("call, fault", CASES)
def test_errors_and_logs(call: str, fault: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    policy = RetryPolicy(max_attempts=2, max_elapsed_s=0.2, initial_wait_s=0.001)
    run = CALLS[call]
    with ScriptedServer([FAULTS[fault]]) as server:
        settings = Settings(KEY, base_url=server.url, read_timeout_s=0.15, rate_window_s=0.05)
        with DubClient(settings, retry=policy) as client:
            caught = error_of(run, client)
    assert_quiet(caught, caplog)
    # The lines that are meant to be there are.
    lines = [record.getMessage() for record in caplog.records if record.name == "dub_source"]
    assert lines
    assert all("/customers" in line for line in lines)


def error_of(run: Callable[[DubClient], object], client: DubClient) -> DubError:
    """The error, its traceback without this file (whose source lines hold the sentinels)."""
    try:
        run(client)
    except DubError as error:
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
            trace = trace.tb_next
        return error.with_traceback(trace)
    pytest.fail("no error")


def test_refused_connection(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with ScriptedServer([Reply()]) as server:
        url = server.url
    with DubClient(Settings(KEY, base_url=url), retry=RetryPolicy(max_attempts=1)) as client:
        for run in CALLS.values():
            assert_quiet(error_of(run, client), caplog)


def test_network_error_is_logged_as_what_it_is_and_not_with_its_text(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    with ScriptedServer([Reply()]) as server:
        url = server.url
    client = DubClient(Settings(KEY, base_url=url), retry=RetryPolicy(max_attempts=1))
    with client, pytest.raises(ConnectionFailed):
        client.list(email="sentinel@example.com")
    # Formatted as a handler would, with the traceback that a record may bring: the text of these errors
    # holds the address.
    assert re.fullmatch(r"\S+ +\S+ GET /customers REFUSED \d+ ms attempt 1\n", caplog.text)


def test_success_is_logged_without_the_address(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with ScriptedServer([Reply()]) as server, DubClient(Settings(KEY, base_url=server.url)) as client:
        page = client.list(email="sentinel@example.com")
    assert "customers" not in repr(page)
    assert [record.name for record in caplog.records] == ["dub_source"]
    assert caplog.records[0].getMessage().startswith("GET /customers 200 ")


def test_other_users_of_urllib3_keep_their_log_lines(caplog: pytest.LogCaptureFixture) -> None:
    import requests

    caplog.set_level(logging.DEBUG)
    with ScriptedServer([Reply()]) as server:
        with DubClient(Settings(KEY, base_url=server.url)) as client:
            client.list()
        with requests.Session() as session:
            session.get(server.url + "/mine")
    assert any("/mine" in record.getMessage() for record in caplog.records)


def test_error_raised_while_another_is_handled_has_only_that_context() -> None:
    with ScriptedServer([Reply(reset=True)]) as server:
        client = DubClient(Settings(KEY, base_url=server.url), retry=RetryPolicy(max_attempts=1))
        with client, pytest.raises(DubError) as caught:
            client.list(email="sentinel@example.com")
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None
