"""What a dataset has, tables and views of others too, as the destination's information schema says it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dub_source.errors import DestinationError


class Catalog:
    """What is in a dataset. Names are in lower case."""

    def __init__(self, client: Any, dataset: str) -> None:
        """Look at nothing yet.

        Args:
            client: dlt's for SQL, open.
            dataset: what errors call it.
        """
        self._client = client
        self._dataset = dataset

    def definitions(self) -> dict[str, str | None]:
        """By the name of everything, the definition of a view, as far as it may be seen; None of a table.

        Raises:
            DestinationError: if it cannot be looked at.
        """
        tables = self._listed("TABLES", "table_name")
        views = self._listed("VIEWS", "table_name, view_definition")
        found: dict[str, str | None] = {str(name).lower(): None for (name,) in tables}
        return found | {str(name).lower(): definition or "" for name, definition in views}

    def columns(self) -> dict[str, list[str]]:
        """By the name of everything, its columns in their order, but for dlt's own.

        Raises:
            DestinationError: if it cannot be looked at.
        """
        found: dict[str, list[str]] = {}
        rows = self._listed("COLUMNS", "table_name, column_name, ordinal_position")
        for table, column, _ in sorted(rows, key=lambda row: int(row[2])):
            if not column.lower().startswith("_dlt_"):
                found.setdefault(table.lower(), []).append(column.lower())
        return found

    def _listed(self, kind: str, columns: str) -> list[Any]:
        """Rows of a view of the information schema, by dlt's ways to name it and what it is asked for."""
        catalog, schema, _ = self._client._get_information_schema_components()
        where, values = "table_schema = %s", [schema]
        if catalog:
            where, values = f"{where} AND table_catalog = %s", [schema, catalog]
        source = self._client._qualify_info_schema_table_name(kind)
        with in_a_sentence(f"The dataset {self._dataset}", "looked at for views"):
            return list(
                self._client.execute_sql(f"SELECT {columns} FROM {source} WHERE {where}", *values) or ()
            )


@contextmanager
def in_a_sentence(what: str, done: str) -> Iterator[None]:
    """A DestinationError for what a database says, whose words may be about anything and stay there."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - each database has errors of its own
        kind = type(error.__cause__ or error).__name__
        raise DestinationError(
            f"{what} could not be {done} ({kind}): see to the rights there, and to views of others that read "
            "it; dub-source views --print-sql prints what would be run."
        ) from None
