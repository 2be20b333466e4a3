"""What the dictionary says of a table and of a column."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

TEXT, BIGINT, DOUBLE, BOOLEAN = "text", "bigint", "double", "boolean"
MOMENT, DATE = "timestamp", "date"
UTC, CENTS, SECONDS = "UTC", "cents", "seconds"


@dataclass(frozen=True, slots=True)
class Column:
    """A column.

    Attributes:
        name: in the warehouse.
        meaning: a sentence without its full stop.
        type: text, bigint, double, boolean, timestamp (with time zone) or date; what a destination makes of
            it has other names.
        unit: of a number or moment; empty for none.
        source: the field on Dub's wire, such as ``partner.name``; empty if it is worked out here.
        nullable: whether it can be null.
        values: all that it can hold; empty for anything.
        personal: whether it may hold something by which a person is known.
        expanded: whether it is there only with expanded fields.
        references: the table and column that it points at.
    """

    name: str
    meaning: str
    type: str
    unit: str = ""
    source: str = ""
    nullable: bool = True
    values: tuple[str, ...] = ()
    personal: bool = False
    expanded: bool = False
    references: tuple[str, str] | None = None

    @property
    def description(self) -> str:
        """Its meaning with the unit, for those who show one text."""
        unit = f" ({self.unit})" if self.unit else ""
        return f"{self.meaning}{unit}."


@dataclass(frozen=True, slots=True)
class Table:
    """A table or a view.

    Attributes:
        name: in the warehouse.
        meaning: sentences.
        columns: in their order.
        key: the column that no two rows share; None if there is none.
        of: of a view, the table that it reads.
    """

    name: str
    meaning: str
    columns: tuple[Column, ...]
    key: str | None = None
    of: str | None = None

    @property
    def by_name(self) -> Mapping[str, Column]:
        """The columns by their names."""
        return {column.name: column for column in self.columns}

    def described(self, columns: Collection[str]) -> dict[str, dict[str, str]]:
        """Those of these columns that are known, as column hints of dlt with their descriptions."""
        return {
            column.name: {"name": column.name, "description": column.description}
            for column in self.columns
            if column.name in columns
        }
