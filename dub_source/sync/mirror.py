"""What a destination knows about the customers, as a run needs it."""

from collections.abc import Iterator, Sequence
from typing import Protocol

import pyarrow as pa

KNOWN = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("row_hash", pa.string()),
        pa.field("observed_at", pa.timestamp("us", tz="UTC")),
        pa.field("deleted_at", pa.timestamp("us", tz="UTC")),
    ]
)
"""What of a stored row decides whether another one differs; all but the id may be null."""


class Mirror(Protocol):
    """The tables of customers and of their history in a destination, for reading.

    Everything that cannot be read raises; only a table that does not exist is empty.
    """

    def known(self) -> Iterator[pa.Table]:
        """All customers, as tables of :data:`KNOWN`.

        Those who live according to their history alone are among them, with nothing but their id.
        """

    def known_of(self, ids: Sequence[str]) -> pa.Table:
        """Those of the customers that there are, as :data:`KNOWN`."""

    def rows(self, ids: Sequence[str]) -> pa.Table:
        """Those of the customers that there are, with all their columns."""

    def living(self, number: int, *, after: str | None = None) -> list[str]:
        """Ids of so many customers that are not deleted, in the destination's order of ids, behind one."""

    def spread(self, number: int) -> list[str]:
        """Ids of so many customers that are not deleted, from all over the table, in no particular order."""

    def latest_versions(self, ids: Sequence[str]) -> pa.Table:
        """The newest version in the history of each of the customers, with all its columns."""

    def astray(self) -> list[str]:
        """Customers whose newest version in the history is not what their row is.

        A run that was killed between the two tables leaves such ones. Rows of another form than their newest
        version (see ``baseline``) are not compared.
        """


class Nothing:
    """The mirror of a destination without such tables, or of no destination at all."""

    def known(self) -> Iterator[pa.Table]:
        """Nobody."""
        return iter(())

    def known_of(self, ids: Sequence[str]) -> pa.Table:
        """Nobody."""
        return KNOWN.empty_table()

    def rows(self, ids: Sequence[str]) -> pa.Table:
        """Nobody."""
        return KNOWN.empty_table()

    def living(self, number: int, *, after: str | None = None) -> list[str]:
        """Nobody."""
        return []

    def spread(self, number: int) -> list[str]:
        """Nobody."""
        return []

    def latest_versions(self, ids: Sequence[str]) -> pa.Table:
        """None."""
        return KNOWN.empty_table()

    def astray(self) -> list[str]:
        """Nobody."""
        return []
