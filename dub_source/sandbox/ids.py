"""Customer ids of the three ages of Dub: ULID (since 2025-03), nanoid, cuid."""

import random

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_ALPHANUMERIC = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_LOWER = "0123456789abcdefghijklmnopqrstuvwxyz"
_RANDOM_BITS = 80
_STEP_BITS = 40


def ulid(created_ms: int, source: random.Random) -> str:
    """``cus_`` and a Crockford ULID whose leading zero is not padded: 25 characters until the year 3084."""
    return _encoded((created_ms << _RANDOM_BITS) | source.getrandbits(_RANDOM_BITS))


class Mint:
    """New ULIDs in the order in which they are asked for, also within one millisecond.

    Dub's ids of one millisecond are in random order, but one create takes tens of them there. Here
    several fit into one, and what a client did one after the other must come out in that order.
    """

    def __init__(self, source: random.Random) -> None:
        self._source = source
        self._last = 0

    def ulid(self, created_ms: int) -> str:
        """A new id; as :func:`ulid`, but after the last one if that is of the same millisecond."""
        value = (created_ms << _RANDOM_BITS) | self._source.getrandbits(_RANDOM_BITS)
        if value <= self._last and self._last >> _RANDOM_BITS == created_ms:
            value = self._last + 1 + self._source.getrandbits(_STEP_BITS)
        self._last = value
        return _encoded(value)


def nanoid(source: random.Random, length: int = 24) -> str:
    """``cus_`` and mixed-case random characters, as Dub made them from 2024-10 to 2025-03."""
    return "cus_" + token(source, length)


def cuid(source: random.Random) -> str:
    """A collision-resistant id without prefix, as Dub made them before 2024-10."""
    return "cl" + "".join(source.choices(_LOWER, k=23))


def token(source: random.Random, length: int) -> str:
    """Random letters and digits."""
    return "".join(source.choices(_ALPHANUMERIC, k=length))


def _encoded(value: int) -> str:
    digits = []
    while value:
        value, digit = divmod(value, 32)
        digits.append(_CROCKFORD[digit])
    return "cus_" + "".join(reversed(digits))
