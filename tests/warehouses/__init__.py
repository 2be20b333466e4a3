"""The destinations that tests of whole runs go into: one of these for each kind, all used in the same way.

A test that asks for ``make_warehouse`` (tests/conftest.py), or for a world, runs with each kind.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol

from dub_source.destinations import Target

Row = dict[str, Any]
DATASET = "dub"


class Warehouse(Protocol):
    """A place of its own, empty at first, with the dataset ``dub`` to come.

    Attributes:
        target: what runs are given.
        arguments: what the program is given.
        in_files: whether its rows are in files of the folder that it was made with.
    """

    in_files: ClassVar[bool]

    @property
    def target(self) -> Target: ...

    @property
    def arguments(self) -> list[str]: ...

    # Looking

    def query(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """What a SELECT finds, in words of SQL that every kind knows, with ``?`` for parameters."""

    def tables(self) -> list[str]:
        """All tables as ``schema.table``, in order, views left out, and copies made by :meth:`keep`."""

    def rows(self, table: str) -> list[Row]:
        """All of a table or view ``schema.table``, in no order; moments have a time zone."""

    # Meddling

    def put(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[str | None]]) -> None:
        """Make a table ``schema.table`` of texts, its schema too; one that is there goes."""

    def update(self, table: str, values: Mapping[str, str], where: str) -> None:
        """Give rows other values, each an expression of SQL."""

    def delete(self, table: str, where: str = "true") -> None:
        """Delete rows."""

    def execute(self, *statements: str) -> None:
        """Statements of SQL, where that has statements."""

    def keep(self) -> Any:
        """A copy of the dataset as it is now, for :meth:`put_back`."""

    def put_back(self, kept: Any, *, but: Sequence[str] = ()) -> None:
        """Make the dataset what it was then, but for some tables, which stay."""

    def save(self, folder: Path) -> None:
        """Copy everything, for other warehouses to begin with; files, if there are any, into a new folder."""

    def begin_with(self, folder: Path) -> None:
        """Be what another warehouse of this kind was when it was saved there; this one is empty."""


Make = Callable[[Path], Warehouse]
"""A new warehouse of one kind; files, if it has any, in the folder."""
