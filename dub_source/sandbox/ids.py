"""Customer ids of the three ages of Dub: ULID (since 2025-03), nanoid, cuid."""

import random

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_ALPHANUMERIC = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_LOWER = "0123456789abcdefghijklmnopqrstuvwxyz"
_RANDOM_BITS = 80


def ulid(created_ms: int, source: random.Random) -> str:
    """``cus_`` and a Crockford ULID whose leading zero is not padded: 25 characters until the year 3084."""
    value = (created_ms << _RANDOM_BITS) | source.getrandbits(_RANDOM_BITS)
    digits = []
    while value:
        value, digit = divmod(value, 32)
        digits.append(_CROCKFORD[digit])
    return "cus_" + "".join(reversed(digits))


def nanoid(source: random.Random, length: int = 24) -> str:
    """``cus_`` and mixed-case random characters, as Dub made them from 2024-10 to 2025-03."""
    return "cus_" + token(source, length)


def cuid(source: random.Random) -> str:
    """A collision-resistant id without prefix, as Dub made them before 2024-10."""
    return "cl" + "".join(source.choices(_LOWER, k=23))


def token(source: random.Random, length: int) -> str:
    """Random letters and digits."""
    return "".join(source.choices(_ALPHANUMERIC, k=length))
