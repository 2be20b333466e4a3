"""Being told how a run gets on."""

from typing import Protocol

from dub_source.sync.report import Report


class Observer(Protocol):
    """Is told how a run gets on."""

    def begins(self, report: Report) -> None:
        """Called once, before the first request; the report grows while the run goes on."""

    def expecting(self, customers: int | None) -> None:
        """Called once by a sweep, first: how many customers there are as far as Dub can tell."""

    def read(self, customers: int) -> None:
        """Called after each page with the number read so far."""

    def ended(self) -> None:
        """Called once, when all have been read; the rows are not written yet."""
