"""What is sent: paths, queries and bodies, checked before anything leaves.

Arguments that cannot be right raise InvalidArgument. Its sentences name the argument, never a text value:
ids given by the caller may be external ids or addresses.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import orjson

from dub_source.client.retry import Operation
from dub_source.errors import InvalidArgument

CUSTOMERS = "/customers"
CUSTOMER = "/customers/{id}"
COUNT = "/customers/count"

_EXTERNAL_PREFIX = "ext_"


def external(external_id: str) -> str:
    """The reference by which Dub addresses a customer through its external id: ``ext_`` and the id as it is.

    Also right for external ids that begin with ``ext_`` themselves: Dub strips the first one only.
    """
    if not external_id:
        raise InvalidArgument("An external id must not be empty: leave such customers out.")
    return _EXTERNAL_PREFIX + external_id


def customer_path(customer_id: str) -> str:
    """``/customers/…`` with the id percent-encoded completely (``/``, ``%``, ``?``, unicode, ...)."""
    if not customer_id or customer_id == _EXTERNAL_PREFIX:
        raise InvalidArgument("A customer id must not be empty: leave such customers out.")
    if customer_id in (".", ".."):
        # Encoding leaves dots alone, and a path /customers/.. is another address to anything on the way.
        raise InvalidArgument("A customer id must not be a dot or two: leave such customers out.")
    return f"{CUSTOMERS}/{_encoded('customer_id', customer_id)}"


def delete_operation(customer_id: str) -> Operation:
    """How a DELETE of this reference may be repeated.

    Everything that is not ``ext_…`` is an id, and Dub mints an id once.
    """
    # Dub's own test is a plain, case-sensitive prefix; a reference in other letters is an id that is not
    # there.
    by_external_id = customer_id.startswith(_EXTERNAL_PREFIX)
    return Operation.DELETE_BY_EXTERNAL_ID if by_external_id else Operation.DELETE_BY_ID


def query_string(parameters: Mapping[str, str | int | bool | None]) -> str:
    """``?a=b&c=d`` of what is not None, completely percent-encoded; "" when nothing is left.

    Keys are Dub's (camelCase, trusted); booleans are sent as true and false.
    """
    parts = []
    for name, value in parameters.items():
        if value is None:
            continue
        text = str(value).lower() if isinstance(value, bool) else str(value)
        parts.append(f"{name}={_encoded(name, text)}")
    return "?" + "&".join(parts) if parts else ""


def count_query(
    group_by: str | None,
    email: str | None,
    external_id: str | None,
    search: str | None,
    country: str | None,
    link_id: str | None,
    partner_id: str | None,
    program_id: str | None,
) -> str:
    """The query of the count route."""
    return query_string(
        {
            "groupBy": text("group_by", group_by),
            "email": text("email", email),
            "externalId": text("external_id", external_id),
            "search": text("search", search),
            "country": text("country", country),
            "linkId": text("link_id", link_id),
            "partnerId": text("partner_id", partner_id),
            "programId": text("program_id", program_id),
        }
    )


def page_size(value: int | None) -> int | None:
    """The value, if Dub's list accepts it."""
    if value is not None and not 1 <= value <= 100:
        raise InvalidArgument(
            "page_size must be a whole number from 1 to 100, which is what Dub allows: correct it."
        )
    return value


def page_number(value: int | None) -> int | None:
    """The value, if Dub's list accepts it."""
    if value is not None and not 1 <= value <= 1000:
        raise InvalidArgument(
            "page must be a whole number from 1 to 1000, which is what Dub allows: correct it."
        )
    return value


def customer_ids(values: Sequence[str] | None) -> str | None:
    """Ids joined by commas, the form of ``customerIds``.

    An empty list is refused: Dub would take an empty parameter for none at all, and answer everything.
    """
    if values is None:
        return None
    if isinstance(values, str) or not values:
        raise InvalidArgument(
            "customer_ids must be a list of at least one id: leave it out to read all customers."
        )
    if any(not value or "," in value for value in values):
        raise InvalidArgument(
            "customer_ids must be ids without commas, and none of them empty: correct the list."
        )
    return ",".join(values)


def text(name: str, value: str | None) -> str | None:
    """The value, unless it is empty.

    Dub ignores empty filters, and an unfiltered answer would pass for a filtered one.
    """
    if value is not None and not value:
        raise InvalidArgument(f"{name} must be a text that is not empty: leave it out to read without it.")
    return value


def json_body(body: Mapping[str, Any]) -> bytes:
    """A change as JSON."""
    if any(isinstance(value, float) and not math.isfinite(value) for value in body.values()):
        # JSON has no NaN, and the encoder makes null of it, which *clears* a field: not what a missing
        # value means.
        raise InvalidArgument(
            "The body of a change holds NaN or infinity: leave the field out, or send None to clear it."
        )
    encoded = _json(dict(body))
    if encoded is None:
        raise InvalidArgument("The body of a change holds a value that JSON cannot express: correct it.")
    return encoded


def _json(body: dict[str, Any]) -> bytes | None:
    try:
        return orjson.dumps(body)
    except TypeError:
        return None


def _encoded(name: str, value: str) -> str:
    encoded = _percent_encoded(value)
    if encoded is None:
        raise InvalidArgument(
            f"{name} holds a character that cannot be sent (half of a surrogate pair): correct it."
        )
    return encoded


def _percent_encoded(value: str) -> str | None:
    # Returns instead of raising: the UnicodeEncodeError holds the value, and would be the context of our
    # error.
    try:
        return quote(value, safe="")
    except UnicodeEncodeError:
        return None
