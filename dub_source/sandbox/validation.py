"""Query strings, checked as Dub's schemas check them: first error only, in Dub's words."""

import math
import re
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl

from dub_source.sandbox.problems import Problem, invalid

_SORT_FIELDS = ("createdAt", "saleAmount", "firstSaleAt", "subscriptionCanceledAt")
_SORT_ORDERS = ("asc", "desc")
_GROUPS = ("country", "linkId", "partnerId")
_MAX_PAGE_SIZE = 100
_MAX_PAGE = 1000
_MAX_SAFE_INTEGER = 2**53 - 1
# What JavaScript trims: its white space and line ends, which are not quite those of Python.
_WHITE_SPACE = "".join(
    map(
        chr,
        (
            *range(9, 14),
            0x20,
            0xA0,
            0x1680,
            *range(0x2000, 0x200B),
            0x2028,
            0x2029,
            0x202F,
            0x205F,
            0x3000,
            0xFEFF,
        ),
    )
)

_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_RADIX = re.compile(r"0(?:[xX][0-9a-fA-F]+|[oO][0-7]+|[bB][01]+)")


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
    """A checked query of GET /customers; ``page`` is 0 where none was given."""

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
    sort_by = option(parameters, "sortBy", _SORT_FIELDS) or "createdAt"
    sort_order = option(parameters, "sortOrder", _SORT_ORDERS) or "desc"
    page = integer(parameters, "page", "Page", None)
    page_size = integer(parameters, "pageSize", "Page size", _MAX_PAGE_SIZE)
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


def check_paging(*, sort_by: str, starting_after: str | None, ending_before: str | None, page: int) -> None:
    """The rules between paging parameters, which Dub checks after the schema and the program.

    Args:
        page: 0 where none was given.

    Raises:
        Problem: 422 with the first rule that is broken.
    """
    cursor = starting_after or ending_before
    if starting_after and ending_before:
        raise invalid("You cannot use both startingAfter and endingBefore at the same time.")
    if cursor and sort_by != "createdAt":
        raise invalid(
            "Cursor-based pagination only supports sorting by `createdAt`. "
            "Use offset-based pagination (page/pageSize) for other sort fields."
        )
    if cursor and page:
        raise invalid(
            "You cannot use both page and startingAfter/endingBefore at the same time. "
            "Please use one pagination method."
        )
    if not cursor and page > _MAX_PAGE:
        raise invalid(
            f"Page is too big (cannot be more than {_MAX_PAGE}), "
            "recommend using cursor-based pagination instead."
        )


def count_query(parameters: dict[str, str]) -> Filters:
    """Check the parameters of GET /customers/count, which knows no paging, sorting nor customerIds.

    Raises:
        Problem: 422 if groupBy is not one that Dub knows.
    """
    group_by = option(parameters, "groupBy", _GROUPS)
    return replace(_filters(parameters), customer_ids=None, group_by=group_by)


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
    )


def _flag(parameters: dict[str, str], name: str) -> bool:
    value = parameters.get(name)
    if value is None:
        return False
    if value.lower() not in ("true", "false"):
        raise _bad_option(name, ("true", "false"))
    return value.lower() == "true"


def option(parameters: dict[str, str], name: str, options: tuple[str, ...]) -> str | None:
    """The parameter, which must be one of the options; None if it is not there.

    Raises:
        Problem: 422.
    """
    value = parameters.get(name)
    if value is not None and value not in options:
        raise _bad_option(name, options)
    return value


def _bad_option(name: str, options: tuple[str, ...]) -> Problem:
    listed = "|".join(f'"{option}"' for option in options)
    return invalid(f"invalid_value: {name}: Invalid option: expected one of {listed}")


def integer(parameters: dict[str, str], name: str, label: str, maximum: int | None) -> int | None:
    """The parameter as a whole number from 1 up; None if it is not there.

    Raises:
        Problem: 422, in which the parameter is called ``label``.
    """
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
    text = text.strip(_WHITE_SPACE)
    if not text:
        return 0.0
    if _RADIX.fullmatch(text):
        try:
            return float(int(text, 0))
        except OverflowError:
            return math.inf
    return float(text) if _DECIMAL.fullmatch(text) else math.nan
