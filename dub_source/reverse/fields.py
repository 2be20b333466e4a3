"""What can be written to a customer, what Dub refuses, and when its answer is what was asked.

Everything here goes by columns (``external_id``); :func:`wire_body` and :func:`from_wire` alone know JSON.
Found on recordings of Dub's server, where nothing else is said.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

from dub_source.changes import SYSTEM_COLUMNS
from dub_source.reverse.model import Values
from dub_source.schema import COLUMNS, EXPANDED_COLUMNS, storable
from dub_source.types import Customer

WRITABLE = ("name", "email", "avatar", "external_id", "stripe_customer_id")
"""Columns that an update can change and a creation can set."""
CREATE_ONLY = ("country",)
"""Columns that only a creation sets: an update with them is answered 200, and changes nothing."""
PLANNED = WRITABLE + CREATE_ONLY
KEYS = ("id", "external_id")
"""Columns by which a customer can be named."""
READ_ONLY = frozenset(
    {name for name, _ in (COLUMNS | EXPANDED_COLUMNS).values()} | set(SYSTEM_COLUMNS)
) - frozenset({"id", *PLANNED})
"""Columns of the table of customers that nobody can write."""

LONGEST = 191
"""Characters in a text of Dub's database; a longer one is 422. An avatar may have any length."""

_WIRE = {name: path[0] for path, (name, _) in COLUMNS.items() if name in ("id", *PLANNED)}

# The pattern of Dub's validation library: ASCII only, no quotes, no blanks, a domain with a dot.
_EMAIL = re.compile(
    r"(?!\.)(?!.*\.\.)[A-Za-z0-9_'+.\-]*[A-Za-z0-9_+\-]@([A-Za-z0-9][A-Za-z0-9\-]*\.)+[A-Za-z]{2,}"
)
# What Dub's server can fetch an image from. It takes other schemes, too, and stores nothing in the end.
_URL = re.compile(
    r"data:.+|https?:[/\\]*(?:[^/\\?#@]*@)?"
    r"(?:[^\x00-\x20#<>\[\]^|%\\/?:@]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]*))?(?:[/\\?#].*)?",
    re.IGNORECASE | re.DOTALL,
)
_LARGEST_PORT = 65_535

_KEPT_AVATARS = ("https://dubassets.com", "https://api.dub.co/og/avatar")
"""How addresses begin that Dub leaves as they are; all others become one of its own."""


def wire_body(asked: Values) -> dict[str, Any]:
    """The JSON object that asks for these values: ``{"external_id": "7"}`` is ``{"externalId": "7"}``."""
    return {_WIRE[column]: value for column, value in asked.items()}


def from_wire(customer: Customer) -> dict[str, str | None]:
    """The id and all that can be planned of a customer as Dub answered it, by columns, as it is stored."""
    values = {column: customer.get(name) for column, name in _WIRE.items()}
    return {column: storable(value) if isinstance(value, str) else value for column, value in values.items()}


def check_value(column: str, value: str | None) -> str | None:
    """Why Dub would refuse this value, or do with it what nobody wants; None if it would not.

    Args:
        column: one of PLANNED.
        value: None asks Dub to clear the field.

    Returns:
        The end of a sentence whose subject is the value (``is no email address that Dub accepts``); it does
        not repeat the value.
    """
    if value is None:
        return _NOT_CLEARED.get(column)
    if not value.strip():
        return _EMPTY[column]
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        return "holds half a character, which Dub replaces"
    if column != "avatar" and len(value) > LONGEST:
        return f"is longer than the {LONGEST} characters that Dub stores"
    if _has_control_character(value, allowed="\t\n\r" if column == "name" else ""):
        # Dub's database finds texts equal that differ in them alone.
        return "holds a control character"
    check = _CHECKS.get(column)
    return check(value) if check else None


def same(column: str, asked: str | None, answered: str | None, *, row: Mapping[str, Any]) -> bool:
    """Whether Dub's answer to a write is what was asked.

    An avatar from elsewhere becomes an address of Dub's own that says nothing of the one it was made from: as
    the *answer to the write* it is as asked, found in the mirror it may be any other picture. So what was
    there before anything was sent is compared by :func:`stands`.

    Args:
        column: one of PLANNED.
        asked: None or, of a name, ``""`` cleared it.
        answered: the value of the column in ``row``.
        row: all that is known of the customer, by columns: ``id``, ``email`` and, in the mirror's rows,
            ``name_generated``.
    """
    if column == "avatar" and asked is not None and not asked.startswith(_KEPT_AVATARS):
        return answered == asked or _is_stored_avatar(answered, row.get("id"))
    return stands(column, asked, answered, row=row)


def stands(column: str, asked: str | None, current: str | None, *, row: Mapping[str, Any]) -> bool:
    """Whether a customer, in the mirror or as Dub shows it, has the value without being written to.

    As :func:`same`, except that an avatar from elsewhere is never there: whether it was asked for before is
    what the log of earlier writes tells.
    """
    if column == "name" and not asked:
        return _is_cleared_name(current, row)
    return asked == current


def _is_cleared_name(shown: str | None, row: Mapping[str, Any]) -> bool:
    """A name that is not set reads as the email, without an email as a name made up for every reading.

    Whether Dub made it up is known of the mirror's rows alone; in an answer any name may be.
    """
    if not shown or shown == row.get("email"):
        return True
    return not row.get("email") and row.get("name_generated") in (None, True)


def _is_stored_avatar(answered: str | None, customer_id: Any) -> bool:
    if not answered or not customer_id:
        return False
    address = rf"https://dubassets\.com/customers/{re.escape(str(customer_id))}/avatar_[A-Za-z0-9_\-]+"
    return re.fullmatch(address, answered) is not None


def _has_control_character(value: str, *, allowed: str) -> bool:
    if value.isascii() and value.isprintable():
        return False
    return any(unicodedata.category(each) == "Cc" and each not in allowed for each in value)


def _check_email(value: str) -> str | None:
    return None if _EMAIL.fullmatch(value) else "is no email address that Dub accepts"


def _check_avatar(value: str) -> str | None:
    if value != value.strip():
        return "begins or ends with white space, which Dub removes"
    found = _URL.fullmatch(value)
    if found is None or int(found["port"] or 0) > _LARGEST_PORT:
        return "is no address of a picture: it must begin with https://, http:// or data:"
    return None


_CHECKS: dict[str, Callable[[str], str | None]] = {"email": _check_email, "avatar": _check_avatar}
_NOT_CLEARED = {
    "external_id": "is null, and Dub keeps no customer without an external id",
    "country": "is null, and Dub creates no customer without a country",
}
_USE_NULL = "NULL leaves it as it is, and clears it if the column is in clear_nulls"
_EMPTY = {
    # Dub accepts it, and shows the email or a made-up name afterwards: a decision that needs to be explicit.
    "name": f"is empty: {_USE_NULL}",
    "email": f"is empty, which Dub refuses: {_USE_NULL}",
    "avatar": f"is empty, which Dub refuses: {_USE_NULL}",
    # Accepted, too, and then no other customer can have it: in the workspace, and of Stripe ids anywhere.
    "external_id": "is empty, and such a customer cannot be told from others",
    "stripe_customer_id": f"is empty, which only one customer of all workspaces can be: {_USE_NULL}",
    "country": "is empty, and Dub creates no customer without a country",
}
