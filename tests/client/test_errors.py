"""The error tree and the table that leads into it, judged by the recorded answers."""

import copy
import itertools
import json
import pickle
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from dub_source import errors
from dub_source.client.error_table import KNOWN_CODES, RULES, Rule, api_error
from dub_source.errors import ApiError, DubError, Kind, RequestError
from tests.conftest import RECORDINGS

# Dub's sentences (their beginnings) and what they mean, written down apart from the table under test.
MEANING: dict[str, type[DubError]] = {
    "Invalid JSON format in request body": errors.BadRequest,
    "Misconfigured authorization header": errors.Unauthorized,
    "Missing Authorization header": errors.Unauthorized,
    "Unauthorized: Access token expired": errors.Unauthorized,
    "Unauthorized: Invalid API key": errors.Unauthorized,
    "Unauthorized: Need higher plan": errors.PlanTooLow,
    "You don't have the required role": errors.RoleTooLow,
    "Customer not found": errors.CustomerNotFound,
    "Program not found": errors.NotFound,
    "Workspace ID not found": errors.WorkspaceNotFound,
    "Workspace not found": errors.WorkspaceNotFound,
    "A customer with this external ID already exists": errors.Conflict,
    "Invalid cursor: the provided ID does not exist": errors.InvalidCursor,
    "invalid_type: [1].externalId: Invalid input": errors.UnreadableRow,
    "[\n": errors.UnreadableRow,
    "invalid_type: externalId: External ID is required": errors.Unprocessable,
    "\nInvalid `prisma": errors.Unprocessable,
    "Cursor-based pagination only supports": errors.Unprocessable,
    "Page is too big": errors.Unprocessable,
    "You cannot use both page and": errors.Unprocessable,
    "invalid_": errors.Unprocessable,
    "too_": errors.Unprocessable,
    "Too many requests": errors.RateLimited,
}


def recorded_refusals() -> Iterator[Any]:
    """One of each status, code and message that was recorded."""
    known = set()
    for file in sorted((RECORDINGS / "golden").glob("*.jsonl")):
        for line in file.read_text(encoding="utf-8").splitlines():
            case = json.loads(line)
            status, body = case["response"]["status"], case["response"]["body"]
            if status < 400:
                continue
            raw = body["$nonJson"].encode() if "$nonJson" in body else orjson.dumps(body)
            if (status, raw) not in known:
                known.add((status, raw))
                yield pytest.param(status, raw, case["request"]["method"], id=f"{status} {raw[10:90]!r}")


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason=f"the recorded exchanges are not at {RECORDINGS}")
@pytest.mark.parametrize("status, raw, method", list(recorded_refusals()))
def test_recorded_refusals(status: int, raw: bytes, method: str) -> None:
    error = api_error(status, raw, method=method, route="/customers")
    try:
        body = orjson.loads(raw)["error"]
    except orjson.JSONDecodeError:
        # Pages of the web framework: no evidence of anything but a wrong address or method.
        assert type(error) is errors.UnexpectedStatus
        assert error.code is None
    else:
        meaning = next(kind for text, kind in MEANING.items() if body["message"].startswith(text))
        assert type(error) is meaning
        assert error.code == body["code"]
    assert (error.status, error.method, error.route) == (status, method, "/customers")
    assert_one_sentence(error)


def test_there_are_recordings_to_judge_by() -> None:
    if not RECORDINGS.is_dir():
        pytest.skip(f"the recorded exchanges are not at {RECORDINGS}")
    assert len(list(recorded_refusals())) >= 40


def assert_one_sentence(error: DubError) -> None:
    text = str(error)
    assert text.endswith(".")
    assert "\n" not in text
    assert text[0].isupper()


def body(code: str | None, message: object) -> bytes:
    return orjson.dumps({"error": {"code": code, "message": message, "doc_url": "https://dub.co/docs"}})


@pytest.mark.parametrize(
    "status, code, message, expected",
    (
        (400, "bad_request", "anything", errors.BadRequest),
        (401, "unauthorized", "anything", errors.Unauthorized),
        (403, "forbidden", "anything", errors.Forbidden),
        (403, "exceeded_limit", "anything", errors.LimitExceeded),
        (404, "not_found", "anything", errors.NotFound),
        (409, "conflict", "anything", errors.Conflict),
        (409, "invite_pending", "anything", errors.InvitePending),
        (410, "invite_expired", "anything", errors.InviteExpired),
        (422, "unprocessable_entity", "anything", errors.Unprocessable),
        (422, "unprocessable_entity", "Invalid cursor: cus_1 does not exist.", errors.Unprocessable),
        (429, "rate_limit_exceeded", "anything", errors.RateLimited),
        (429, None, "", errors.RateLimited),
        (500, "internal_server_error", "anything", errors.ServerError),
        (502, None, "", errors.ServerError),
        (599, None, "", errors.ServerError),
        (418, None, "", errors.UnexpectedStatus),
        (405, None, "", errors.UnexpectedStatus),
        (600, None, "", errors.UnexpectedStatus),
        (100, None, "", errors.UnexpectedStatus),
        # A 404 without Dub's own words must never pass for "this customer is gone".
        (404, None, "Customer not found.", errors.UnexpectedStatus),
        (404, "not_found", "No record was found for an update.", errors.NotFound),
    ),
)
def test_other_answers(status: int, code: str | None, message: str, expected: type[ApiError]) -> None:
    error = api_error(status, body(code, message), method="GET", route="/customers/{id}")
    assert type(error) is expected
    assert_one_sentence(error)


@pytest.mark.parametrize(
    "message, index",
    (
        ("invalid_type: [1].externalId: Invalid input: expected string, received null", 1),
        ("invalid_type: [99].externalId: Invalid input: expected string, received null", 99),
        ("invalid_type: [0].country: Invalid input: expected string, received null", 0),
        ("invalid_type: externalId: Invalid input: expected string, received null", None),
        (
            '[{"code":"invalid_type","path":["externalId"],'
            '"message":"Invalid input: expected string, received null"}]',
            None,
        ),
        (
            '[{"code":"invalid_type","path":[7,"externalId"],'
            '"message":"Invalid input: expected string, received null"}]',
            7,
        ),
    ),
)
def test_unreadable_row(message: str, index: int | None) -> None:
    error = api_error(422, body("unprocessable_entity", message), method="GET", route="/customers")
    assert isinstance(error, errors.UnreadableRow)
    assert error.index == index


def test_a_missing_external_id_in_a_body_is_not_an_unreadable_row() -> None:
    message = "invalid_type: externalId: External ID is required"
    error = api_error(422, body("unprocessable_entity", message), method="PATCH", route="/customers/{id}")
    assert type(error) is errors.Unprocessable
    assert "External ID is required" in str(error)


# Answers with text that is not Dub's: attempts at every pattern of the table, whatever was recorded.
HOSTILE: tuple[object, ...] = (
    "sentinel",
    "Misconfigured authorization header. sentinel",
    "Invalid JSON format in request body. sentinel",
    "Unauthorized: Need higher plan. sentinel",
    "You don't have the required role to access this endpoint. sentinel",
    "Customer not found. sentinel",
    "Workspace ID not found. sentinel",
    "A customer with this external ID already exists. sentinel",
    "invalid_format: email: Invalid email address sentinel@example.com",
    "invalid_format: sentinel: Invalid email address",
    'invalid_value: sortBy: Invalid option: expected one of "sentinel"',
    "invalid_type: [1].externalId: sentinel",
    "Page is too big (cannot be more than sentinel), recommend using cursor-based pagination instead.",
    "\nInvalid `prisma.customer.update()` invocation:\n\nUnique constraint failed on sentinel",
    '[{"code":"sentinel","path":["sentinel"],"message":"sentinel"}]',
    "[sentinel",
    {"sentinel": "sentinel"},
    ["sentinel"],
)


def hostile_messages() -> Iterator[object]:
    """The sentences above, and every recorded one with a word that is not Dub's at its end."""
    yield from HOSTILE
    for case in recorded_refusals():
        _, raw, _ = case.values
        if raw.startswith(b"{"):
            yield orjson.loads(raw)["error"]["message"] + " sentinel"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.status} {rule.code} {rule.error.__name__}")
def test_text_of_an_answer_is_not_repeated(rule: Rule) -> None:
    status = {None: 418, 5: 500}.get(rule.status, rule.status)
    assert status is not None
    for code, message in itertools.product((rule.code, "sentinel", None), hostile_messages()):
        error = api_error(status, body(code, message), method="GET", route="/customers")
        for text in (str(error), repr(error), repr(error.args), repr(vars(error))):
            assert "sentinel" not in text
        assert error.code is None or error.code in KNOWN_CODES


@pytest.mark.parametrize(
    "raw",
    (
        b"",
        b"sentinel",
        b"<html>sentinel",
        b"null",
        b"[]",
        b'"sentinel"',
        b'{"error": "sentinel"}',
        b'{"error"',
    ),
)
def test_bodies_of_any_other_form(raw: bytes) -> None:
    error = api_error(422, raw, method="GET", route="/customers")
    assert type(error) is errors.Unprocessable
    assert "sentinel" not in str(error)


def test_every_row_of_the_table_can_be_reached() -> None:
    # A row behind a wider one would be dead: whoever adds one in the wrong place learns it here.
    for position, rule in enumerate(RULES):
        wider = [r for r in RULES[:position] if r.message is None and r.status == rule.status]
        assert not any(r.code is None or r.code == rule.code for r in wider), rule


def all_classes(root: type[DubError] = DubError) -> Iterator[type[DubError]]:
    yield root
    for below in root.__subclasses__():
        yield from all_classes(below)


@pytest.mark.parametrize("kind", sorted(set(all_classes()), key=str))
def test_errors_survive_pickle_and_copy(kind: type[DubError]) -> None:
    error = kind("A reason")
    if isinstance(error, RequestError):
        error.method, error.route, error.status, error.code = "GET", "/customers/{id}", 422, "not_found"
        error.attempts, error.may_have_committed = 3, True
    if isinstance(error, errors.UnreadableRow):
        error.index = 4
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):  # noqa: S301
        assert type(twin) is kind
        assert str(twin) == str(error)
        assert vars(twin) == vars(error)


def test_tree_in_the_docstring_is_the_tree() -> None:
    drawn = errors.__doc__ or ""
    for kind in all_classes():
        assert f" {kind.__name__} " in drawn or f" {kind.__name__}\n" in drawn, kind


@pytest.mark.parametrize(
    "kind, expected",
    (
        (errors.RateLimited, Kind.RETRYABLE),
        (errors.ServerError, Kind.RETRYABLE),
        (errors.ConnectionFailed, Kind.RETRYABLE),
        (errors.InvalidResponse, Kind.RETRYABLE),
        (errors.UnexpectedRedirect, Kind.FATAL),
        (errors.CustomerNotFound, Kind.REJECTED),
        (errors.Conflict, Kind.REJECTED),
        (errors.Unprocessable, Kind.REJECTED),
        (errors.InvalidArgument, Kind.REJECTED),
        (errors.Unauthorized, Kind.FATAL),
        (errors.PlanTooLow, Kind.FATAL),
        (errors.RoleTooLow, Kind.FATAL),
        (errors.LimitExceeded, Kind.FATAL),
        (errors.WorkspaceNotFound, Kind.FATAL),
        (errors.InvitePending, Kind.FATAL),
        (errors.WalkIncomplete, Kind.INCOMPLETE),
    ),
)
def test_kinds(kind: type[DubError], expected: Kind) -> None:
    assert kind.kind is expected


def test_sentence_says_what_where_and_what_to_do() -> None:
    message = "Unauthorized: Need higher plan."
    error = api_error(403, body("forbidden", message), method="GET", route="/customers/{id}")
    error.attempts = 2
    assert str(error) == (
        "The plan of this workspace does not include the customers API "
        "(GET /customers/{id} answered 403 forbidden, 2 attempts): "
        "upgrade the workspace to Business or higher, or use the key of another workspace."
    )
