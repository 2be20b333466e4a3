"""Rows of a table, a view or one SELECT in a pipeline's destination. Nothing is written there."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from glob import glob
from typing import TYPE_CHECKING, Any

from dub_source.errors import DestinationError, DubError, SettingsError
from dub_source.reverse.files import Column, Rows
from dub_source.reverse.sync_file import Source

if TYPE_CHECKING:
    import dlt

_ROWS = 50_000
"""Rows that are fetched at once."""


@contextmanager
def query_rows(source: Source, pipeline: "dlt.Pipeline") -> Iterator[Rows]:
    """The rows of a table or a query, while the connection is open.

    Only a single SELECT is sent, in a transaction that is rolled back, so that what a function does that it
    calls does not stay either (but for the numbers of a sequence).

    Raises:
        SettingsError: for SQL that is anything else than one SELECT, and for what does not exist.
        DestinationError: if the destination is no database, or fails. Its own words may quote rows, so they
            are not repeated.
    """
    what = "query" if source.query is not None else f"table {source.table}"
    try:
        with pipeline.sql_client() as client:
            statement = _statement(source, client)
            with undone(client), client.execute_query(statement) as cursor:
                yield Rows([column[0] for column in cursor.description], _Fetching(cursor))
    except DubError:
        raise
    except Exception as error:  # noqa: BLE001 - each database has errors of its own
        raise _in_a_sentence(error, what, pipeline.dataset_name) from None


class _Fetching:
    """Fetches tuples: dlt's Arrow tables lose one of two columns of a name, and guess types."""

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor

    def __call__(self, wanted: Sequence[int]) -> Iterator[Sequence[Column]]:
        while rows := self._cursor.fetchmany(_ROWS):
            yield [[row[place] for row in rows] for place in wanted]


def _statement(source: Source, client: Any) -> str:
    if source.query is not None:
        check_query(source.query, str(client.capabilities.sqlglot_dialect or ""))
        return source.query
    table = source.table or ""
    # DuckDB takes the name of a table that is not there for that of a file, and guesses what its cells are.
    if client.capabilities.sqlglot_dialect == "duckdb" and glob(table):  # noqa: PTH207
        raise SettingsError(
            f"There is a file {table} here, and a table is asked for: name the file as one, in a format that "
            "is read without guessing (.parquet, .csv, .jsonl), or select from the table in a query."
        )
    *outer, name = table.split(".")
    path = client.make_qualified_table_name_path(
        name,
        dataset_name=outer[-1] if outer else None,
        catalog=outer[0] if len(outer) > 1 else None,
    )
    return f"SELECT * FROM {'.'.join(path)}"  # noqa: S608 - names that dlt has quoted


def check_query(query: str, dialect: str) -> None:
    """Raise SettingsError unless the text is one SELECT that writes nothing, as far as its words tell.

    Args:
        query: SQL; ``WITH ... SELECT`` and comments are fine.
        dialect: sqlglot's name of the destination's SQL; "" for any.
    """
    import sqlglot
    from sqlglot import exp

    writing = (exp.DML, exp.DDL, exp.Into, exp.Lock, exp.Command, exp.Drop)
    with _quiet_sqlglot():
        try:
            # A comment behind the last semicolon is parsed as one more.
            parsed = sqlglot.parse(query, dialect=dialect or None)
            statements = [each for each in parsed if each and not isinstance(each, exp.Semicolon)]
        except (sqlglot.errors.SqlglotError, RecursionError, ValueError):
            raise SettingsError(
                "The query of a sync cannot be read as SQL of this destination: correct it, "
                "or make a view of it and name that as table."
            ) from None
    if len(statements) != 1:
        raise SettingsError(
            f"The query of a sync must be one SELECT, and it is {len(statements)} statements."
        )
    if not isinstance(statements[0], exp.Query) or statements[0].find(*writing):
        raise SettingsError(
            "The query of a sync must be a SELECT that writes and locks nothing: "
            "write elsewhere, and select the result here."
        )


@contextmanager
def _quiet_sqlglot() -> Iterator[None]:
    """It logs SQL that it does not know, with the people in it."""
    logger = logging.getLogger("sqlglot")

    def nothing(_record: logging.LogRecord) -> bool:
        return False

    logger.addFilter(nothing)
    try:
        yield
    finally:
        logger.removeFilter(nothing)


class _Undo(Exception):
    """Makes dlt roll a transaction back."""


@contextmanager
def undone(client: Any) -> Iterator[None]:
    """A transaction that leaves nothing behind, however it ends, where the destination has transactions."""
    if client.capabilities.supports_transactions is False:  # None: dlt leaves it open where it is true
        yield
        return
    try:
        with client.begin_transaction():
            yield
            raise _Undo  # noqa: TRY301 - it is for dlt to catch
    except _Undo:
        pass


def _in_a_sentence(error: Exception, what: str, dataset: str) -> DubError:
    from dlt.destinations.exceptions import DatabaseUndefinedRelation, DestinationConnectionError

    if isinstance(error, DatabaseUndefinedRelation):
        return SettingsError(
            f"The {what} names a table, column or function that does not exist in the destination: tables "
            f"outside of the dataset {dataset} take their schema before their name, as in main.people."
        )
    if isinstance(error, DestinationConnectionError):
        return DestinationError(
            "The destination cannot be opened, so nothing was planned: check that it runs and that its "
            "credentials are right."
        )
    return DestinationError(
        f"The destination could not answer the {what} of the sync ({_root(error)}), so nothing was planned: "
        "run it there by itself to see why."
    )


def _root(error: BaseException) -> str:
    """The name of what the database raised, without its words."""
    while error.__cause__ is not None:
        error = error.__cause__
    return type(error).__name__
