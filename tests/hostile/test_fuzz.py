"""Anything at the edges where something is parsed: a value or a documented error, in time, and no traceback.

Each edge has its examples, the same in each run; DUB_SOURCE_FRESH_EXAMPLES asks for others.
"""

import os
import string
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from dub_source.client import DubClient
from dub_source.client.error_table import api_error
from dub_source.client.retry import NO_RETRY
from dub_source.client.retry_after import ServerTimes
from dub_source.client.sales import page_of_commissions, page_of_events
from dub_source.client.transport import Answer
from dub_source.errors import ApiError, DubError, RequestError, SettingsError
from dub_source.incremental import FrontierBuilder
from dub_source.reverse.desired import read_desired
from dub_source.reverse.sync_file import Sync, read_sync
from dub_source.schema import COLUMNS, EXPANDED_COLUMNS, to_table_without_refused
from dub_source.settings import Settings
from dub_source.types import Page

NOW = 1_795_000_000.0
SENTINEL = "sentinel"

pytestmark = pytest.mark.slow

fuzzed = settings(
    max_examples=300,
    deadline=timedelta(seconds=3),  # what takes longer hangs
    derandomize=not os.environ.get("DUB_SOURCE_FRESH_EXAMPLES"),
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
NUMBERS = st.one_of(
    st.integers().map(str),
    st.floats().map(str),
    st.integers(0, 4_000_000_000_000).map(str),
    st.text(alphabet="0123456789.-+eE_ ", max_size=40),
    st.sampled_from(
        ["", " ", "0x10", "１２", "٣", "1,000", "9" * 400, "-" + "9" * 400, "nan", "inf", "1\n2"]
    ),
)
DATES = st.one_of(
    st.datetimes().map(lambda at: at.strftime("%a, %d %b %Y %H:%M:%S GMT")),
    st.text(alphabet="MonTueJanFeb0123456789:+-, GMT", max_size=40),
    st.sampled_from(
        [
            "Mon, 01 Jan 0000 00:00:00 GMT",
            "Thu, 32 Foo 99999 25:61:61 +9999",
            "Thu, 01 Jan 1970 00:00:00 +99999999999999",
            "Fri, 31 Dec 9999 23:59:59 -2359",
            "1 Jan 1 00:00",
        ]
    ),
)
HEADER = NUMBERS | DATES | st.text(max_size=60)


def documented(kind: type[DubError], call: Callable[[], object]) -> object:
    """What a call returns, or the error of this kind that it raises; no other one."""
    try:
        return call()
    except kind as error:
        return error


def assert_one_sentence(error: DubError) -> None:
    assert str(error).endswith((".", "?"))
    assert "\n" not in str(error)
    assert SENTINEL not in str(error)


# Headers


@fuzzed
@given(
    st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(
            ("Retry-After", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "Date"), HEADER
        ),
    ),
    st.sampled_from((60.0, 1.0)),
)
def test_headers_about_time(headers: dict[str, str], window_s: float) -> None:
    times = ServerTimes.read(CaseInsensitiveDict(headers), now=NOW, window_s=window_s)
    assert times.retry_after_s is None or 0 <= times.retry_after_s <= window_s
    assert times.limit is None or times.limit >= 1
    assert times.remaining is None or times.remaining >= 0
    for moment in (times.reset, times.date):
        assert moment is None or abs(moment) < 1e27


@fuzzed
@given(st.lists(st.tuples(st.sampled_from((200, 404, 429, 500, 503)), HEADER, HEADER, HEADER), max_size=6))
def test_a_client_goes_on_whatever_the_headers_say(answers: list[tuple[int, str, str, str]]) -> None:
    """The limiter believes none of it so far as to wait for longer than a window."""
    waited: list[float] = []
    now = [NOW]

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        now[0] += seconds

    left = list(answers)

    def send(*_: Any, **__: Any) -> Answer:
        status, date, limit, retry_after = left.pop(0)
        headers = {"Date": date, "X-RateLimit-Limit": limit, "Retry-After": retry_after}
        return Answer(status, CaseInsensitiveDict(headers), b"[]", now[0], now[0] + 0.1)

    client = DubClient(Settings("dub_key"), retry=NO_RETRY, clock=lambda: now[0], sleep=sleep)
    client._caller._transport.send = send  # type: ignore[method-assign]
    while left:
        answered = documented(RequestError, client.list)
        if isinstance(answered, DubError):
            assert_one_sentence(answered)
    assert all(0 <= seconds <= 3 * 60 for seconds in waited)


# Bodies


def _spoiled(body: bytes, source: tuple[int, int, bytes]) -> bytes:
    """A body with a piece missing, or another one in its place."""
    start, length, new = source
    start %= len(body) + 1
    return body[:start] + new + body[start + length :]


RECORDED = orjson.dumps(
    {"error": {"code": "unprocessable_entity", "message": f"invalid_type: [1].externalId: {SENTINEL}"}}
)
SPOILED = st.tuples(st.integers(0, 200), st.integers(0, 30), st.binary(max_size=6)).map(
    lambda source: _spoiled(RECORDED, source)
)
MESSAGES = st.one_of(
    st.text(max_size=60),
    st.sampled_from(["[" * 500, "[]", "[1]", '[{"path": {}}]', '[{"path": [1, null, {}]}]', "\ud800"]),
    st.builds("invalid_type: [{}].{}: x".format, st.integers(), st.text(max_size=9)),
    st.lists(
        st.fixed_dictionaries({}, optional={"code": JSON, "path": JSON, "message": JSON}), max_size=2
    ).map(lambda issues: orjson.dumps(issues).decode()),
    st.builds("A customer with {} already exists.".format, st.text(max_size=9)),
    JSON,
)
ERRORS = st.builds(
    lambda code, message, more: orjson.dumps({"error": {"code": code, "message": message, **more}}),
    st.sampled_from(["not_found", "conflict", "unprocessable_entity", "bad_request"]) | JSON,
    MESSAGES.filter(lambda each: "\ud800" not in str(each)),
    st.dictionaries(st.text(max_size=5), JSON, max_size=2),
)
BODIES = st.binary(max_size=200) | JSON.map(orjson.dumps) | SPOILED | ERRORS


@settings(parent=fuzzed, max_examples=1_500)
@given(st.integers(100, 999), BODIES | ERRORS)
def test_bodies_of_errors(status: int, body: bytes) -> None:
    error = api_error(status, body, method="GET", route="/customers")
    assert isinstance(error, ApiError)
    assert_one_sentence(error)


CALLS: dict[str, Callable[[DubClient], object]] = {
    "list": lambda client: client.list(),
    "get": lambda client: client.get("cus_1"),
    "create": lambda client: client.create({"externalId": "x", "country": "DE"}),
    "update": lambda client: client.update("cus_1", {"name": "x"}),
    "delete": lambda client: client.delete("cus_1"),
    "count": lambda client: client.count(),
    "count_by": lambda client: client.count_by("country"),
    "sale_events": lambda client: client.sale_events(),
    "commissions": lambda client: client.commissions(),
    "probe": lambda client: client.probe(),
    "can_write": lambda client: client.can_write(),
}
PAGES = st.lists(
    st.fixed_dictionaries({"id": JSON}, optional=dict.fromkeys(("name", "externalId", "createdAt"), JSON)),
    max_size=4,
).map(orjson.dumps)


@pytest.mark.parametrize("call", CALLS)
@fuzzed
@given(st.sampled_from((200, 201, 204, 301, 400, 404, 409, 422, 429, 500, 503)), BODIES | PAGES)
def test_answers_to_calls(call: str, status: int, body: bytes) -> None:
    client = DubClient(Settings("dub_key"), retry=NO_RETRY, clock=lambda: NOW, sleep=lambda _: None)
    client._caller._transport.send = (  # type: ignore[method-assign]
        lambda *_, **__: Answer(status, CaseInsensitiveDict(), body, NOW, NOW)
    )
    answered = documented(DubError, lambda: CALLS[call](client))
    if isinstance(answered, DubError):
        assert_one_sentence(answered)
    if isinstance(answered, Page):
        assert all(isinstance(each["id"], str) for each in answered.customers)


@fuzzed
@given(
    st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "customer": JSON | st.fixed_dictionaries({"id": JSON}),
                "timestamp": JSON,
                "createdAt": JSON,
            },
        ),
        max_size=4,
    )
)
def test_pages_of_sales(rows: list[dict[str, Any]]) -> None:
    for page in (page_of_events(rows), page_of_commissions(rows)):
        assert page.rows == len(rows)
        assert all(sale.at.tzinfo is not None for sale in page.sales)


# Customers

MOMENTS = st.one_of(
    st.datetimes().map(lambda at: at.isoformat() + "Z"),
    st.sampled_from(["", "Z", "0000-00-00T00:00:00Z", "9999-12-31T23:59:60Z", "-1-01-01", "2026-11-01", "T"]),
    JSON,
)
OBJECTS = JSON | st.dictionaries(
    st.sampled_from(sorted({path[1] for path in EXPANDED_COLUMNS if len(path) > 1})), JSON, max_size=4
)
CUSTOMERS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            **{path[0]: JSON for path in COLUMNS if path != ("id",)},
            **dict.fromkeys(("createdAt", "firstSaleAt", "subscriptionCanceledAt"), MOMENTS),
            **dict.fromkeys(("sales", "saleAmount"), st.integers() | st.floats() | JSON),
            **dict.fromkeys(("link", "partner", "discount", "programId"), OBJECTS),
            "newField": JSON,
        },
    ),
    max_size=5,
)


@fuzzed
@given(CUSTOMERS, st.booleans())
def test_customers_become_rows_or_are_refused(found: list[dict[str, Any]], expanded: bool) -> None:
    customers = [{"id": f"cus_{number}", **each} for number, each in enumerate(found)]
    loaded, table, refused = to_table_without_refused(customers, expanded=expanded)
    assert table["id"].to_pylist() == [each["id"] for each in loaded]
    assert {each["id"] for each in loaded} | refused.keys() == {each["id"] for each in customers}
    assert len(loaded) + len(refused) == len(customers)
    known = {name for name, _ in (COLUMNS | EXPANDED_COLUMNS).values()}
    assert set(refused.values()) <= known


@fuzzed
@given(CUSTOMERS)
def test_dates_that_the_next_run_goes_on_with(found: list[dict[str, Any]]) -> None:
    builder = FrontierBuilder(None, overlap_s=900.0)
    builder.add_dates([{"id": f"cus_{number}", **each} for number, each in enumerate(found)])
    orjson.dumps(dict(builder.dates.as_state()))


# Files

WHOLE_SYNC = b"""\
name = "crm"
query = "SELECT dub_id AS id, full_name FROM crm.people"
key = "id"
sync_mode = "mirror"
clear_nulls = ["name"]
max_deletes = 5
max_delete_share = 0.5
max_plan_age_h = 12.5
owns = { table = "crm.ours" }

[mapping]
name = "full_name"
"""
VALUES = st.sampled_from(
    [
        "true",
        "1",
        "-1",
        "1e400",
        "nan",
        "inf",
        "[]",
        "{}",
        '""',
        '"id"',
        "1979-05-27",
        "[[1]]",
        "{a={b=1}}",
        "'''x'''",
    ]
)
SETTINGS = st.sampled_from(
    "name table query file key mapping sync_mode clear_nulls allow_swaps try_ignored max_deletes "
    "max_delete_share owns max_mirror_age_h max_plan_age_h owns.table mapping.name mapping.id".split()
)
LINES = st.lists(st.tuples(SETTINGS, VALUES), max_size=6).map(
    lambda lines: "".join(f"{name} = {value}\n" for name, value in lines).encode()
)
PIECES = st.tuples(st.integers(0, 400), st.integers(0, 60), st.binary(max_size=8))


@fuzzed
@given(st.binary(max_size=200) | LINES | PIECES.map(lambda source: _spoiled(WHOLE_SYNC, source)))
def test_sync_files(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "a.toml"
    file.write_bytes(content)
    found = documented(SettingsError, lambda: read_sync(file))
    if isinstance(found, DubError):
        assert_one_sentence(found)
    else:
        assert isinstance(found, Sync)


def _parquet() -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"id": ["cus_1", None], "name": ["a", "b"], "sales": [1, 2]}), sink)
    return bytes(sink.getvalue())


WHOLE_FILES = {
    "csv": b'id,name,email\ncus_1,"A ""b"" c",a@example.com\ncus_2,,\n',
    "jsonl": b'{"id": "cus_1", "name": "A"}\n{"id": "cus_2", "email": null}\n',
    "parquet": _parquet(),
}
TEXT_PIECES = st.text(alphabet=string.printable + "\0\ufeff\ud7ff€", max_size=80).map(str.encode)


@pytest.mark.parametrize("ending", WHOLE_FILES)
@fuzzed
@given(data=st.data())
def test_desired_states(tmp_path: Path, ending: str, data: st.DataObject) -> None:
    whole = WHOLE_FILES[ending]
    pieces = st.tuples(st.integers(0, len(whole)), st.integers(0, 40), st.binary(max_size=8))
    content = data.draw(
        st.binary(max_size=120)
        | TEXT_PIECES
        | TEXT_PIECES.map(lambda text: whole + text)
        | pieces.map(lambda source: _spoiled(whole, source))
    )
    file = tmp_path / f"a.{ending}"
    file.write_bytes(content)
    found = documented(SettingsError, lambda: read_desired(Sync(file=str(file))))
    if isinstance(found, DubError):
        assert_one_sentence(found)
    else:
        assert isinstance(found, pa.Table)
        assert found.column_names[:3] == ["row", "key", "op"]
