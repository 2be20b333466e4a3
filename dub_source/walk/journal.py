"""What happened in a sweep, in a form that can be stored: a sweep that was killed goes on from it."""

from typing import Any, TypeAlias

Event: TypeAlias = list[Any]
"""One step as a list that JSON can hold, its name first. It holds ids and moments of creation, no more."""


class Journal:
    """Collects events until they are drained; throws them away where nobody will.

    An event can only be drained once it is :meth:`settled <settle>`, which happens when the customers that
    belong to it are handed over: whatever goes wrong before, nobody stores that they were read.
    """

    def __init__(self) -> None:
        self._kept = False
        self._open: list[Event] = []
        self._settled: list[Event] = []

    def keep(self) -> None:
        """Collect events from now on."""
        self._kept = True

    def add(self, *event: Any) -> None:
        """Something happened."""
        if self._kept:
            self._open.append(list(event))

    def settle(self) -> None:
        """What was added so far is true for good."""
        self._settled += self._open
        self._open = []

    def drain(self) -> list[Event]:
        """What was settled since the last time."""
        events, self._settled = self._settled, []
        return events
