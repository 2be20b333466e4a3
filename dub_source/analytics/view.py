"""What a view is: its SELECT, and which columns of which tables it needs."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from dub_source.table_names import SYNC_RUNS

ALL_COLUMNS = "every_column"
"""Stands for all columns of the table that are not dlt's own."""


@dataclass(frozen=True, slots=True)
class View:
    """A view.

    Attributes:
        name: of the view of the table ``customers``.
        sql: its SELECT.
        needs: by table, the columns that it cannot do without.
        optional: columns that are null in it where the table does not have them.
    """

    name: str
    sql: str
    needs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    optional: tuple[str, ...] = ()

    @property
    def is_of_runs(self) -> bool:
        """Whether it is about the runs of all tables, so that there is one in a dataset."""
        return set(self.needs) == {SYNC_RUNS}

    @property
    def has_every_column(self) -> bool:
        """Whether it has all columns of its table, as its last ones."""
        return ALL_COLUMNS in self.sql
