"""What a server says about time: ``Retry-After``, ``X-RateLimit-*`` and ``Date``.

Dub's documentation says that ``Retry-After`` is in seconds; Dub sends unix epoch *milliseconds* (recorded).
Read as seconds that is 56,000 years, and clients that believed it slept for hours. Proxies in between send
seconds or dates. So every form is understood, and no wait is ever longer than one rate limit window.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Self

_NUMBER = re.compile(r"[+-]?\d{1,30}(?:\.\d{1,30})?", re.ASCII)
# 1e8 is March 1973 as epoch seconds and three years as a wait; 1e11 is the year 5138 as epoch seconds and,
# again, March 1973 as epoch milliseconds. Nothing that a server means today lies on the wrong side of
# either.
_EPOCH_SECONDS_FROM = 1e8
_EPOCH_MILLISECONDS_FROM = 1e11


def parse_number(value: str | None) -> float | None:
    """A plain decimal number of a header, or None."""
    text = value.strip() if value else ""
    return float(text) if _NUMBER.fullmatch(text) else None


def parse_http_date(value: str | None) -> float | None:
    """An HTTP date as unix epoch seconds (whole seconds, rounded down by the sender), or None."""
    if not value:
        return None
    try:
        moment = parsedate_to_datetime(value.strip())
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return moment.timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def parse_instant(value: str | None) -> float | None:
    """A header's moment (epoch seconds, epoch milliseconds, HTTP date) as epoch seconds, or None."""
    number = parse_number(value)
    if number is None:
        return parse_http_date(value)
    if number >= _EPOCH_MILLISECONDS_FROM:
        return number / 1000.0
    return number if number >= _EPOCH_SECONDS_FROM else None


def parse_retry_after(value: str | None, *, now: float, at_most_s: float) -> float | None:
    """Seconds to wait, between 0 and ``at_most_s``; None when the value says nothing understandable.

    ``now`` is the time to which a moment is relative, in epoch seconds: the server's own ``Date`` where it
    sent one, because the two clocks may disagree by more than the wait.
    """
    moment = parse_instant(value)
    wait = parse_number(value) if moment is None else moment - now
    if wait is None or math.isnan(wait):
        return None
    return min(max(wait, 0.0), at_most_s)


@dataclass(frozen=True, slots=True)
class ServerTimes:
    """What the headers of one answer say; None where one is missing or not understood.

    ``limit``, ``remaining``: requests; ``reset``, ``date``: epoch seconds of the server's clock;
    ``retry_after_s``: seconds from now, bounded.
    """

    limit: int | None = None
    remaining: int | None = None
    reset: float | None = None
    date: float | None = None
    retry_after_s: float | None = None

    @classmethod
    def read(cls, headers: Mapping[str, str], *, now: float, window_s: float) -> Self:
        """Read headers (a case-insensitive mapping); ``now`` is our clock, which counts without a Date."""
        date = parse_http_date(headers.get("Date"))
        limit = parse_number(headers.get("X-RateLimit-Limit"))
        remaining = parse_number(headers.get("X-RateLimit-Remaining"))
        return cls(
            limit=int(limit) if limit is not None and limit >= 1 else None,
            remaining=max(int(remaining), 0) if remaining is not None else None,
            reset=parse_instant(headers.get("X-RateLimit-Reset")),
            date=date,
            retry_after_s=parse_retry_after(
                headers.get("Retry-After"), now=now if date is None else date, at_most_s=window_s
            ),
        )
