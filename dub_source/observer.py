"""Being told how a load gets on."""

from typing import Protocol

from dub_source.types import ClientStats
from dub_source.walk import Certificate


class Observer(Protocol):
    """Is told how a load gets on."""

    def expecting(self, customers: int | None) -> None:
        """Called once, first: how many there are as far as Dub can tell."""

    def read(self, customers: int) -> None:
        """Called after each page with the number read so far."""

    def ended(self, certificate: Certificate, stats: ClientStats) -> None:
        """Called once, when all have been read."""
