"""Query strings and bodies, checked as Dub's schemas check them: first error only, in Dub's words."""

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from dub_source.sandbox.problems import INVALID_JSON, Problem, invalid

_SORT_FIELDS = ("createdAt", "saleAmount", "firstSaleAt", "subscriptionCanceledAt")
_SORT_ORDERS = ("asc", "desc")
_GROUPS = ("country", "linkId", "partnerId")
_MAX_PAGE_SIZE = 100
_MAX_PAGE = 1000
_MAX_SAFE_INTEGER = 2**53 - 1

_DECIMAL = re.compile(r"[+-]?(?:\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)")
_RADIX = re.compile(r"0(?:[xX][0-9a-fA-F]+|[oO][0-7]+|[bB][01]+)")
# The pattern that Dub's validation library uses for emails.
_EMAIL = re.compile(
    r"(?!\.)(?!.*\.\.)[A-Za-z0-9_'+\-.]*[A-Za-z0-9_+-]@(?:[A-Za-z0-9][A-Za-z0-9-]*\.)+[A-Za-z]{2,}"
)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_SPECIAL_SCHEMES = ("http", "https", "ws", "wss", "ftp")
_FORBIDDEN_IN_HOST = re.compile(r"[\x00-\x20#<>\[\]^|%\\]")


@dataclass(frozen=True, slots=True)
class Filters:
    """Which customers are meant. Empty values mean "no filter", except for customer_ids."""

    email: str | None = None
    external_id: str | None = None
    search: str | None = None
    country: str | None = None
    link_id: str | None = None
    program_id: str | None = None
    partner_id: str | None = None
    customer_ids: tuple[str, ...] | None = None
    group_by: str | None = None


@dataclass(frozen=True, slots=True)
class ListQuery:
    filters: Filters
    expanded: bool
    sort_by: str
    descending: bool
    starting_after: str | None
    ending_before: str | None
    page: int
    page_size: int


def parse_query(query: str) -> dict[str, str]:
    """The parameters of a query string; of a repeated one the last counts."""
    return dict(parse_qsl(query, keep_blank_values=True, errors="replace"))


def list_query(parameters: dict[str, str]) -> ListQuery:
    """Check the parameters of GET /customers in the order in which Dub's schema names them.

    Raises:
        Problem: 422 with the first error.
    """
    expanded = _flag(parameters, "includeExpandedFields")
    sort_by = _option(parameters, "sortBy", _SORT_FIELDS, "createdAt")
    sort_order = _option(parameters, "sortOrder", _SORT_ORDERS, "desc")
    page = _integer(parameters, "page", "Page", None)
    page_size = _integer(parameters, "pageSize", "Page size", _MAX_PAGE_SIZE)
    return ListQuery(
        filters=_filters(parameters),
        expanded=expanded,
        sort_by=sort_by,
        descending=sort_order == "desc",
        starting_after=parameters.get("startingAfter") or None,
        ending_before=parameters.get("endingBefore") or None,
        page=page or 0,
        page_size=page_size or _MAX_PAGE_SIZE,
    )


def check_paging(query: ListQuery) -> None:
    """The rules between paging parameters, which Dub checks after the schema."""
    cursor = query.starting_after or query.ending_before
    if query.starting_after and query.ending_before:
        raise invalid("You cannot use both startingAfter and endingBefore at the same time.")
    if cursor and query.sort_by != "createdAt":
        raise invalid(
            "Cursor-based pagination only supports sorting by `createdAt`. "
            "Use offset-based pagination (page/pageSize) for other sort fields."
        )
    if cursor and query.page:
        raise invalid(
            "You cannot use both page and startingAfter/endingBefore at the same time. "
            "Please use one pagination method."
        )
    if not cursor and query.page > _MAX_PAGE:
        raise invalid(
            f"Page is too big (cannot be more than {_MAX_PAGE}), recommend using cursor-based pagination instead."
        )


def count_query(parameters: dict[str, str]) -> Filters:
    """Check the parameters of GET /customers/count."""
    group_by = _option(parameters, "groupBy", _GROUPS, None)
    return _filters(parameters | {"groupBy": group_by or ""})


def _filters(parameters: dict[str, str]) -> Filters:
    def text(name: str) -> str | None:
        return parameters.get(name) or None

    ids = parameters.get("customerIds")
    return Filters(
        email=text("email"),
        external_id=text("externalId"),
        search=text("search"),
        country=text("country"),
        link_id=text("linkId"),
        program_id=text("programId"),
        partner_id=text("partnerId"),
        customer_ids=None if ids is None else tuple(ids.split(",")),
        group_by=text("groupBy"),
    )


def _flag(parameters: dict[str, str], name: str) -> bool:
    value = parameters.get(name)
    if value is None:
        return False
    if value.lower() not in ("true", "false"):
        raise _bad_option(name, ("true", "false"))
    return value.lower() == "true"


def _option(parameters: dict[str, str], name: str, options: tuple[str, ...], default: str | None) -> str | None:
    value = parameters.get(name)
    if value is None:
        return default
    if value not in options:
        raise _bad_option(name, options)
    return value


def _bad_option(name: str, options: tuple[str, ...]) -> Problem:
    listed = "|".join(f'"{option}"' for option in options)
    return invalid(f"invalid_value: {name}: Invalid option: expected one of {listed}")


def _integer(parameters: dict[str, str], name: str, label: str, maximum: int | None) -> int | None:
    if name not in parameters:
        return None
    value = javascript_number(parameters[name])
    if not math.isfinite(value):
        raise invalid(f"invalid_type: {name}: {label} must be a number.")
    if value != int(value):
        raise invalid(f"invalid_type: {name}: {label} must be an integer.")
    if abs(value) > _MAX_SAFE_INTEGER:
        code = "too_big" if value > 0 else "too_small"
        raise invalid(f"{code}: {name}: {label} must be an integer.")
    if value <= 0:
        raise invalid(f"too_small: {name}: {label} must be greater than 0.")
    if maximum is not None and value > maximum:
        raise invalid(f"too_big: {name}: Max page size is {maximum}.")
    return int(value)


def javascript_number(text: str) -> float:
    """What JavaScript's ``Number(text)`` gives: ``""`` is 0, ``0x10`` is 16, garbage is NaN."""
    text = text.strip()
    if not text:
        return 0
    if _RADIX.fullmatch(text):
        return int(text, 0)
    if _DECIMAL.fullmatch(text):
        return float(text)
    return math.nan


def parse_body(raw: bytes) -> Any:
    """The JSON value of a body, whatever its content type says."""
    try:
        return json.loads(raw.decode("utf-8", "replace"), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Problem("bad_request", INVALID_JSON) from None


def _no_constant(name: str) -> None:
    raise ValueError(name)


def create_body(raw: bytes) -> dict[str, Any]:
    """Check the body of POST /customers: externalId and country are required."""
    return _body(raw, partial=False)


def update_body(raw: bytes) -> dict[str, Any]:
    """Check the body of PATCH /customers/{id}: every field is optional."""
    return _body(raw, partial=True)


def _body(raw: bytes, *, partial: bool) -> dict[str, Any]:
    body = parse_body(raw)
    if not isinstance(body, dict):
        raise invalid(f"invalid_type: : Invalid input: expected object, received {_type_name(body)}")
    for name, check in _FIELDS.items():
        if name in body or not partial:
            check(name, body.get(name, _UNDEFINED))
    return {name: body[name] for name in _FIELDS if name in body}


_UNDEFINED = object()


def _type_name(value: object) -> str:
    if value is _UNDEFINED:
        return "undefined"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return {str: "string", list: "array", dict: "object"}[type(value)]


def _string(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise invalid(f"invalid_type: {name}: Invalid input: expected string, received {_type_name(value)}")


def _required_external_id(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise invalid(f"invalid_type: {name}: External ID is required")


def _nullish(check: Callable[[str, object], None]) -> Callable[[str, object], None]:
    def checked(name: str, value: object) -> None:
        if value is not None and value is not _UNDEFINED:
            check(name, value)

    return checked


def _email(name: str, value: object) -> None:
    _string(name, value)
    if not _EMAIL.fullmatch(str(value)):
        raise invalid(f"invalid_format: {name}: Invalid email address")


def _url(name: str, value: object) -> None:
    _string(name, value)
    if not is_url(str(value)):
        raise invalid(f"invalid_format: {name}: Invalid URL")


def is_url(text: str) -> bool:
    """Whether a WHATWG parser takes it: any scheme will do, web schemes need a host."""
    scheme = _SCHEME.match(text.strip())
    if scheme is None:
        return False
    if scheme[1].lower() not in _SPECIAL_SCHEMES:
        return True
    rest = text.strip()[scheme.end() :].lstrip("/\\")
    host = re.split(r"[/\\?#]", rest, maxsplit=1)[0].rpartition("@")[2]
    if host.startswith("["):
        return re.fullmatch(r"\[[0-9A-Fa-f:.]+\](?::\d*)?", host) is not None
    name, _, port = host.partition(":")
    return bool(name) and not _FORBIDDEN_IN_HOST.search(name) and (port.isdigit() or not port)


_FIELDS: dict[str, Callable[[str, object], None]] = {
    "email": _nullish(_email),
    "name": _nullish(_string),
    "avatar": _nullish(_url),
    "externalId": _required_external_id,
    "stripeCustomerId": _nullish(_string),
    "country": _string,
}
