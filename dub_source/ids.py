"""What an id tells by itself. The one place that compares ids for order.

Dub's ids have three ages: cuids (``c…``), since 2024-10 nanoids (``cus_`` and 24 letters and digits of
both cases), since 2025-03 ULIDs: ``cus_`` and 25 characters, whose leading zero is left out. A ULID begins
with the milliseconds of its making, so new customers come after older ULIDs; all others lie anywhere.

The database compares ids, and nobody outside knows how: without case or byte by byte. So an id is said to
lie before or after a moment only if that is true in both ways; about all other ids nothing is said.
"""

import re
import string

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_BASE_32 = str.maketrans(_CROCKFORD, "0123456789abcdefghijklmnopqrstuv")
_ULID = re.compile(rf"cus_[{_CROCKFORD}]{{25}}")
_TIME = slice(len("cus_"), len("cus_") + 9)
_OLDEST_MS, _NEWEST_MS = 32**8, 32**9 - 1
"""2004 to 3084: before and after it a ULID does not have 25 characters."""
_COMPARABLE = frozenset(string.ascii_letters + string.digits)
"""Digits before letters, letters by the alphabet: all orders agree on that. About signs they do not."""

FIRST_ULID_MS = 1_704_067_200_000
"""2024-01-01: no ULID of Dub is older; it makes them since 2025-03-04, recorded ones are of 2024-08."""


def is_ulid(customer_id: str) -> bool:
    """Whether it has the form of an id that Dub makes since 2025-03."""
    return _ULID.fullmatch(customer_id) is not None


def ulid_ms(customer_id: str) -> int | None:
    """When the id was made, in milliseconds since 1970 UTC, if it has the form of a ULID; else None.

    A nanoid of the same form cannot be told from a ULID; the chance is nil, because nanoids are shorter.
    """
    return int(customer_id[_TIME].translate(_BASE_32), 32) if is_ulid(customer_id) else None


def surely_after(customer_id: str, ms: int) -> bool:
    """Whether it sorts after every ULID of this millisecond and before, without case and bytewise alike."""
    return _position(customer_id, _prefix(ms)) > 0


def surely_before(customer_id: str, ms: int) -> bool:
    """Whether it sorts before every ULID of this millisecond and later, without case and bytewise alike."""
    return _position(customer_id, _prefix(ms)) < 0


def follows(ulid: str, other: str) -> bool:
    """Whether one ULID sorts after another: of equal length and one case, they do so in every order."""
    return ulid > other


def likely_order(customer_id: str) -> str:
    """A key that puts ULIDs into the order they have, and other ids among them where they probably are."""
    return customer_id.lower()


def likely_place(ms: int) -> str:
    """Where ULIDs of this millisecond begin in :func:`likely_order`."""
    return likely_order(_prefix(ms))


def _prefix(ms: int) -> str:
    """What all ULIDs of a millisecond begin with."""
    rest, digits = min(max(ms, _OLDEST_MS), _NEWEST_MS), ""
    while rest:
        rest, digit = divmod(rest, len(_CROCKFORD))
        digits = _CROCKFORD[digit] + digits
    return "cus_" + digits


def _position(customer_id: str, prefix: str) -> int:
    """-1 before all that begins with the prefix, 1 after it, 0 neither or not sure."""
    bytewise = _compared(customer_id, prefix)
    return bytewise if bytewise == _compared(customer_id.lower(), prefix.lower()) else 0


def _compared(text: str, prefix: str) -> int:
    for here, there in zip(text, prefix, strict=False):
        if here != there:
            if here not in _COMPARABLE or there not in _COMPARABLE:
                return 0
            return 1 if here > there else -1
    return -1 if len(text) < len(prefix) else 0
