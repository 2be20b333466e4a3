"""What a finished walk can say about itself."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Certificate:
    """The outcome of one walk over a workspace.

    Attributes:
        rows: customers read, each once.
        counted: what Dub's count endpoint said at the end; None where it does not answer.
        unread: customers that exist but cannot be read by any request of the list (see
            :class:`~dub_source.errors.UnreadableRow`); a lower bound where ``counted`` is None.
        neighbours: ids of the readable customers next to those, to find them in Dub's dashboard.
    """

    rows: int
    counted: int | None = None
    unread: int = 0
    neighbours: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every customer was read."""
        return self.unread == 0

    def __str__(self) -> str:
        return "complete" if self.complete else f"complete except {self.unread}"
