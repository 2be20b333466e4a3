"""What kinds of destinations differ in, as far as dlt does not even it out."""

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import dlt

    from dub_source.destinations.sql_rows import SqlRows


class Storage(Protocol):
    """A place for datasets: a database file, a lake, a server."""

    @property
    def place(self) -> str:
        """What tells this place from all others; holds no password."""

    @property
    def unused(self) -> bool:
        """Whether nothing can be there yet, as far as that can be told without touching it."""

    @property
    def append_first(self) -> bool:
        """Whether rows may just be appended to tables that do not exist yet: nobody else makes them."""

    def writable(self) -> AbstractContextManager[None]:
        """Make sure now that rows can be written later; afterwards, leave no trace of a load that failed.

        Raises:
            DestinationError: if not.
        """

    def rows(self, pipeline: "dlt.Pipeline") -> "SqlRows":
        """Changes rows of the pipeline's tables."""

    def check_rewrite(self) -> None:
        """Raise DestinationError if :meth:`rewrite` would fail; call it while it is :meth:`writable`."""

    def rewrite(self, pipeline: "dlt.Pipeline") -> bool:
        """Take the bytes of deleted rows out of it; whether that can be done here.

        Raises:
            DestinationError: if it can, and failed.
        """


class Server:
    """A database of its own, with its own ways to keep clients apart and to forget deleted rows."""

    unused = False
    append_first = False

    def __init__(self, place: str) -> None:
        self.place = place

    def writable(self) -> AbstractContextManager[None]:
        """Known when it is tried."""
        return nullcontext()

    def rows(self, pipeline: "dlt.Pipeline") -> "SqlRows":
        """By SQL."""
        from dub_source.destinations.sql_rows import SqlRows

        return SqlRows(pipeline)

    def check_rewrite(self) -> None:
        """Nothing is rewritten."""

    def rewrite(self, pipeline: "dlt.Pipeline") -> bool:
        """Only its own administration can."""
        return False
