"""Who was in a workspace when, and with which values: the memory that promises are held against.

Moments are numbers that grow with everything that happens; two of them make a :class:`Window`.
"""

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias

Row: TypeAlias = dict[str, Any]
"""A customer as a flat row: columns of the warehouse, without those that are null."""

_MOMENTS = ("createdAt", "firstSaleAt", "subscriptionCanceledAt")


class Window(NamedTuple):
    """From one moment to a later one."""

    begin: int
    end: int


@dataclass(eq=False)
class Life:
    """One customer from the insert to the delete; one with the same id that comes later is another one."""

    id: str
    born: int
    external_id: str | None
    is_fresh: bool
    """Its id is a ULID of the moment in which it was inserted."""
    died: int | None = None
    values: list[tuple[int, Row, bool]] = field(default_factory=list)
    """Since when, what, and whether Dub could show it."""

    def was_there_throughout(self, window: Window) -> bool:
        return self.born <= window.begin and (self.died is None or self.died > window.end)

    def was_there_at_some_time(self, window: Window) -> bool:
        return self.born <= window.end and (self.died is None or self.died > window.begin)

    def was_readable_throughout(self, window: Window) -> bool:
        return self.was_there_throughout(window) and all(readable for _, readable in self._during(window))

    def values_during(self, window: Window) -> list[Row]:
        return [value for value, _ in self._during(window)]

    def had(self, row: Row, window: Window) -> bool:
        """Whether it had this value at some time in the window.

        A name that Dub seems to make up is read a second time, so that it may be of another moment. Of whom
        that cannot be done, because it is gone or cannot be shown any more, what Dub made up is kept.
        """
        values = self.values_during(window)
        if row in values:
            return True
        if all(value.get("name") for value in values):
            return False
        names = {value.get("name") for value in values}
        is_one_of_them = row.get("name") in names or not self.was_readable_throughout(window)
        return is_one_of_them and any(_nameless(row) == _nameless(value) for value in values)

    @property
    def now(self) -> Row:
        return self.values[-1][1]

    @property
    def is_readable(self) -> bool:
        return self.values[-1][2]

    def _during(self, window: Window) -> list[tuple[Row, bool]]:
        if not self.was_there_at_some_time(window):
            return []
        ends = [*(since for since, *_ in self.values[1:]), self.died or window.end + 1]
        return [
            (value, readable)
            for (since, value, readable), end in zip(self.values, ends, strict=True)
            if since <= window.end and end > window.begin
        ]


def flat(customer: dict[str, Any]) -> Row:
    """A customer as on the wire in the columns of the warehouse; worked out without code of the package."""
    row: Row = {}
    for name, value in customer.items():
        if isinstance(value, dict):
            row |= {f"{_snake(name)}__{column}": inner for column, inner in flat(value).items()}
        elif value is not None:
            row[_snake(name)] = datetime.fromisoformat(value) if name in _MOMENTS else value
    return row


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def _nameless(row: Row) -> Row:
    return {column: value for column, value in row.items() if column != "name"}
