"""From an error answer to an error: one table, first match wins.

A row names a status (or a family: ``5xx``), a code of Dub, a pattern for the message, and what they become.
The messages are those of the recorded exchanges and of Dub's open-source server. A message is repeated to
people only when the whole of it matches a row with ``quote=True``: such patterns admit field names and
Dub's own words, never a value. Everything else is described in our words (``reason`` or the class's own).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from dub_source import errors as e

KNOWN_CODES = frozenset(
    "bad_request unauthorized forbidden exceeded_limit not_found conflict invite_pending invite_expired "
    "unprocessable_entity rate_limit_exceeded internal_server_error".split()
)
"""https://dub.co/docs/api-reference/errors. A code that is not here is not repeated: it is text of the
answer."""

_FIELDS = (
    "name|email|avatar|externalId|stripeCustomerId|country|page|pageSize|includeExpandedFields|sortBy|"
    "sortOrder|startingAfter|endingBefore|customerIds|search|linkId|partnerId|programId|groupBy"
)
_TYPES = "string|number|boolean|object|array|null|undefined|integer|date|NaN"
_OPTIONS = (
    "true|false|asc|desc|createdAt|saleAmount|firstSaleAt|subscriptionCanceledAt|country|linkId|partnerId|"
    "email|search"
)
_COMPLAINTS = (
    rf"Invalid input: expected (?:{_TYPES}), received (?:{_TYPES})|External ID is required|Invalid URL|"
    r"Invalid email address|Page must be a number\.|Page size must be an integer\.|"
    r"Max page size is \d{1,4}\.|Page must be greater than 0\.|Page size must be greater than 0\.|"
    rf'Invalid option: expected one of (?:"(?:{_OPTIONS})"\|?)+'
)
_VALIDATION = rf"(?:invalid_\w{{1,20}}|too_small|too_big): (?:{_FIELDS})?: (?:{_COMPLAINTS})"
_NULL_EXTERNAL_ID = r"invalid_type: externalId: Invalid input: expected string, received null"
_UNREADABLE_IN_PAGE = r"\w{1,40}: \[(?P<index>\d{1,4})\]\.\w{1,40}: .*"
_TOO_LONG = (
    r"\s*Invalid `prisma\.customer\.\w+\(\)` invocation:\s+The provided value for the column is too long for "
    rf"the column's type\. Column: (?P<field>{_FIELDS})\s*"
)
_CURSOR_WITH_SORT = (
    r"Cursor-based pagination only supports sorting by `createdAt`\. "
    r"Use offset-based pagination \(page/pageSize\) for other sort fields\."
)
_PAGE_TOO_BIG = (
    r"Page is too big \(cannot be more than \d{1,6}\), recommend using cursor-based pagination instead\."
)
_PAGE_AND_CURSOR = (
    r"You cannot use both page and startingAfter/endingBefore at the same time\. "
    r"Please use one pagination method\."
)


@dataclass(frozen=True, slots=True)
class Rule:
    """One row. ``status`` is exact, or a family (5 for 5xx); None matches everything."""

    status: int | None
    code: str | None
    message: str | None
    error: type[e.ApiError]
    reason: str = ""
    quote: bool = False

    def match(self, status: int, code: str | None, message: str) -> re.Match[str] | None:
        """The match of the message (of the empty pattern for rows without one), or None."""
        if self.status is not None and self.status not in (status, status // 100):
            return None
        if self.code is not None and self.code != code:
            return None
        return re.fullmatch(self.message or ".*", message, re.DOTALL)


RULES: tuple[Rule, ...] = (
    # We always send a well-formed header: a complaint about it means that something on the way has changed
    # it.
    Rule(400, None, r"Misconfigured authorization header\..*", e.Unauthorized, "The API key arrived damaged"),
    Rule(400, None, r"Invalid JSON format in request body\..*", e.BadRequest, "Dub could not read the body"),
    Rule(400, None, None, e.BadRequest),
    Rule(401, None, r"Missing Authorization header\.", e.Unauthorized, "The API key did not arrive"),
    Rule(401, None, r"Unauthorized: Access token expired\.", e.Unauthorized, "The API key has expired"),
    Rule(401, None, r"Unauthorized: Invalid API key\.", e.Unauthorized, "Dub does not know this API key"),
    Rule(401, None, None, e.Unauthorized),
    Rule(403, "exceeded_limit", None, e.LimitExceeded),
    Rule(403, None, r"Unauthorized: Need higher plan\.", e.PlanTooLow),
    Rule(403, None, r"You don't have the required role to access this endpoint\..*", e.RoleTooLow),
    Rule(403, None, None, e.Forbidden),
    # "Gone" is evidence on which rows are marked deleted: only Dub's own sentence counts, not any 404.
    Rule(404, "not_found", r"Customer not found\..*", e.CustomerNotFound),
    Rule(404, "not_found", r"Workspace ID not found\..*|Workspace not found\.", e.WorkspaceNotFound),
    Rule(404, "not_found", r"Program not found\.?", e.NotFound, "The program of the filter does not exist"),
    Rule(404, "not_found", None, e.NotFound),
    Rule(404, None, None, e.UnexpectedStatus, "There is no such address on this server"),
    Rule(409, "invite_pending", None, e.InvitePending),
    Rule(409, None, None, e.Conflict),
    Rule(410, None, None, e.InviteExpired),
    Rule(422, None, r"Invalid cursor: the provided ID does not exist\.", e.InvalidCursor),
    Rule(422, None, _UNREADABLE_IN_PAGE, e.UnreadableRow),
    Rule(422, None, _NULL_EXTERNAL_ID, e.UnreadableRow),
    Rule(422, None, _VALIDATION, e.Unprocessable, quote=True),
    Rule(422, None, _TOO_LONG, e.Unprocessable, "The value of {field} is too long for Dub's database"),
    Rule(422, None, _CURSOR_WITH_SORT, e.Unprocessable, quote=True),
    Rule(422, None, _PAGE_TOO_BIG, e.Unprocessable, quote=True),
    Rule(422, None, _PAGE_AND_CURSOR, e.Unprocessable, quote=True),
    Rule(422, None, None, e.Unprocessable),
    Rule(429, None, None, e.RateLimited),
    Rule(5, None, None, e.ServerError),
    Rule(None, None, None, e.UnexpectedStatus),
)


def api_error(status: int, body: bytes, *, method: str, route: str) -> e.ApiError:
    """The error for an answer with an error status. ``body`` is read but never kept."""
    code, message = _code_and_message(body)
    for rule in RULES:
        match = rule.match(status, code, message)
        if match is not None:
            error = rule.error(_reason(rule, match), method=method, route=route, status=status, code=code)
            if isinstance(error, e.UnreadableRow) and match.groupdict().get("index") is not None:
                error.index = int(match["index"])
            return error
    raise AssertionError("the last rule matches everything")


def _reason(rule: Rule, match: re.Match[str]) -> str:
    if rule.quote:
        return "Dub says: " + match.string.strip().rstrip(".")
    return rule.reason.format_map(match.groupdict())


def _code_and_message(body: bytes) -> tuple[str | None, str]:
    """Dub's code, if it is a known one, and message ("" when there is none or the body is no JSON)."""
    try:
        answer = orjson.loads(body)
    except ValueError:
        return None, ""
    error = answer.get("error") if isinstance(answer, dict) else None
    if not isinstance(error, dict):
        return None, ""
    code, message = error.get("code"), error.get("message")
    return (
        code if isinstance(code, str) and code in KNOWN_CODES else None,
        _flat(message) if isinstance(message, str) else "",
    )


def _flat(message: str) -> str:
    """A message in the usual form: a PATCH of a row without external id has zod's issues as JSON instead."""
    if not message.lstrip().startswith("["):
        return message
    try:
        issues = orjson.loads(message)
    except ValueError:
        return message
    first: Any = issues[0] if isinstance(issues, list) and issues else None
    if not isinstance(first, Mapping) or not isinstance(first.get("path"), list):
        return message
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["path"]).lstrip(".")
    return f"{first.get('code')}: {path}: {first.get('message')}"
