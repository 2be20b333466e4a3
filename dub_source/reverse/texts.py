"""Values of a warehouse or a file as the texts that a person would expect to find in Dub."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from uuid import UUID

_EXACT = 2**53
"""Up to here every whole number has a floating-point number of its own."""
_MOST_DIGITS = 200
"""1e999999999 is eleven characters in a file and a gigabyte as a text."""
_CAST = "cast it to text there, as it shall be in Dub"


class NoText(ValueError):
    """A value whose text nobody can be sure of. The reason ends a sentence and does not hold the value."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def as_texts(values: Iterable[object]) -> list[str | None]:
    """Every value as :func:`as_text`; None stays None."""
    return [value if value is None or type(value) is str else as_text(value) for value in values]


def as_text(value: object) -> str:
    """A value as text.

    Whole numbers come without a fraction (42, also where the column is decimal or floating-point), dates and
    times in ISO 8601, moments with a zone in UTC with a ``Z``.

    Raises:
        NoText: for what has no text that everybody would agree on: truth values, floating-point numbers that
            are not exact, binary and nested values, durations.
    """
    # bool is an int, and datetime is a date.
    if isinstance(value, bool):
        raise NoText(f"a truth value, which could be true, yes or 1 in Dub: {_CAST}")
    if isinstance(value, str | int | UUID):
        return str(value)
    if isinstance(value, float):
        return _of_float(value)
    if isinstance(value, Decimal):
        return _of_decimal(value)
    if isinstance(value, datetime):
        zoned = value if value.tzinfo is None else value.astimezone(UTC)
        return zoned.isoformat().replace("+00:00", "Z")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, dict | list | tuple | set):
        raise NoText("a nested value, and fields of customers are texts: select one part of it")
    raise NoText(f"a value that is neither text, number nor date: {_CAST}")


def _of_float(value: float) -> str:
    if value.is_integer() and abs(value) <= _EXACT:
        return str(int(value))
    raise NoText(f"a floating-point number that is not whole or not exact: {_CAST}")


def _of_decimal(value: Decimal) -> str:
    if not value.is_finite():
        raise NoText(f"a number that is none (NaN or infinity): {_CAST}")
    if abs(value.adjusted()) > _MOST_DIGITS or len(value.as_tuple().digits) > _MOST_DIGITS:
        raise NoText(f"a number of more than {_MOST_DIGITS} digits: {_CAST}")
    return str(int(value)) if value == value.to_integral_value() else f"{value:f}"
