"""Numbers, amounts and names as people read them."""

import re
from collections.abc import Mapping
from datetime import date, datetime

_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ufffe\uffff\ud800-\udfff]"
)
"""Controls, what turns the direction of the text around it, and what XML cannot hold."""
_MINUS = "\N{MINUS SIGN}"


def number(value: float) -> str:
    """1234567 as ``1,234,567``."""
    return f"{value:,.0f}".replace("-", _MINUS)


def dollars(cents: float) -> str:
    """An amount in full: ``$1,234.50``; without cents from a thousand dollars on."""
    value = abs(cents) / 100
    return f"{_MINUS if cents < 0 else ''}${value:,.{0 if value >= 1_000 else 2}f}"


def brief_dollars(cents: float) -> str:
    """An amount in short: ``$1.23M``."""
    value = abs(cents) / 100
    sign = _MINUS if cents < 0 else ""
    for size, letter in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        # What would be rounded to a thousand of a unit is one of the next.
        if value >= size * 0.9995:
            return f"{sign}${_three_digits(value / size)}{letter}"
    return f"{sign}${value:,.0f}" if value >= 100 or value == 0 else f"{sign}${value:,.2f}"


def share(value: float) -> str:
    """0.123 as ``12.3%``."""
    percent = value * 100
    return f"{percent:.0f}%" if percent in (0, 100) else f"{percent:.1f}%"


def part_of(some: float, of: float) -> str:
    """A share; nothing of nothing has none."""
    return share(some / of) if of else "–"


def month(day: date) -> str:
    """``Jan 2026``."""
    return f"{_MONTHS[day.month - 1]} {day.year}"


def day(day: date) -> str:
    """``1 Jan 2026``."""
    return f"{day.day} {month(day)}"


def moment(at: datetime) -> str:
    """``1 Jan 2026, 12:30 UTC``."""
    return f"{day(at)}, {at:%H:%M} UTC"


def clean(name: str) -> str:
    """A name as text that turns nothing else around; what cannot be seen is shown as such."""
    return _UNSEEN.sub("\N{REPLACEMENT CHARACTER}", name)


def counted(value: int, one: str, many: str | None = None) -> str:
    """``1 customer``, ``2 customers``."""
    return f"{number(value)} {one if value == 1 else many or f'{one}s'}"


def listed(values: Mapping[str, int]) -> str:
    """``3 applied, 1 rejected``, without those that are none."""
    return ", ".join(f"{number(value)} {name}" for name, value in values.items() if value)


def _three_digits(value: float) -> str:
    text = f"{value:,.{2 if value < 10 else 1 if value < 100 else 0}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
