"""Times: as Dub writes them, as datetimes, and as the milliseconds of ids."""

from datetime import UTC, datetime
from typing import Any

DAY_MS = 86_400_000


def moment(value: Any) -> datetime | None:
    """A text as a moment; None if it is none.

    What is no date at all is not this module's business: such a row cannot be stored, which is said there.
    """
    if not isinstance(value, str):
        return None
    try:
        read = datetime.fromisoformat(value)
    except ValueError:
        return None
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def to_ms(value: datetime) -> int:
    """Milliseconds since 1970 UTC."""
    return round(value.timestamp() * 1000)


def from_s(epoch_s: float) -> datetime:
    """Epoch seconds as a moment."""
    return datetime.fromtimestamp(epoch_s, UTC)
