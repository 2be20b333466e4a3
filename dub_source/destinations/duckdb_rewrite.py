"""A database file of DuckDB without the bytes of what was deleted from it.

DuckDB leaves deleted rows in blocks that it uses again some day, and no command clears them. So all that the
file still holds is copied into a new one, which then takes its name at one instant.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dub_source.destinations.duckdb_file import DuckDBFile
from dub_source.destinations.duckdb_waiting import patiently
from dub_source.errors import DestinationError

if TYPE_CHECKING:
    import duckdb

_SUFFIX = ".rewrite"
_NEW = "dub_source_rewrite"
_SETTINGS: dict[str, Any] = {"memory_limit": "256MB", "threads": 1}
"""As for a load, but rows stay in their order: some of them are not ours."""
_INVENTORY = {
    "duckdb_schemas": "schema_name, comment",
    "duckdb_tables": "schema_name, table_name, comment, sql",
    "duckdb_views": "schema_name, view_name, comment, sql",
    "duckdb_indexes": "schema_name, index_name, sql",
    "duckdb_sequences": "schema_name, sequence_name, sql",
    "duckdb_functions": "schema_name, function_name, macro_definition",
    "duckdb_types": "schema_name, type_name, labels",
}
"""What a copy must have, too, by the function that lists it."""


def remove_leftovers(file: DuckDBFile) -> None:
    """Remove what a rewrite that was killed has left. Call it only while nobody else rewrites."""
    for path in file.path.parent.glob(f"{_escaped(file.path.name)}{_SUFFIX}*"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def check_room(file: DuckDBFile) -> None:
    """Raise DestinationError if there is no room for a second file beside it."""
    log = _log_of(file.path)
    needed = file.path.stat().st_size + (log.stat().st_size if log.exists() else 0)
    free = shutil.disk_usage(file.path.parent).free
    if free < needed:
        raise DestinationError(
            f"To take deleted rows out of the database file {file.shown} it is written anew, which needs "
            f"{needed / 1e6:,.0f} MB, and its disk has {free / 1e6:,.0f} MB left: make room, then run the "
            "same again."
        )


def check_copyable(file: DuckDBFile) -> None:
    """Raise DestinationError if tables of the file have foreign keys that stand in the way of a copy.

    DuckDB copies tables in the order of their names (1.5.6), and a row may have to wait for one of a later
    table, or of its own.
    """
    import duckdb

    with patiently(lambda: duckdb.connect(str(file.path))) as connection:
        found = connection.execute(
            "SELECT DISTINCT schema_name || '.' || table_name FROM duckdb_constraints() "
            "WHERE database_name = current_catalog() AND constraint_type = 'FOREIGN KEY' "
            "AND referenced_table >= table_name ORDER BY ALL"
        ).fetchall()
    if found:
        raise DestinationError(
            f"Tables of the database file {file.shown} have foreign keys that DuckDB cannot copy "
            f"({', '.join(name for (name,) in found)}), so it cannot be written anew without deleted rows, "
            "and nobody was erased: move these tables into another file, then run the same again."
        )


def rewrite(file: DuckDBFile) -> None:
    """Write the file anew, with all that it holds and nothing that it held once.

    Until the new file is complete the old one stays as it is, and a kill leaves one or the other. No other
    connection of this process may be open; other processes are kept out by DuckDB's lock.

    Args:
        file: the file.

    Raises:
        DestinationError: if there is no room, if it is in use, or if it holds what DuckDB cannot copy: the
            old file is still there then.
    """
    import duckdb

    remove_leftovers(file)
    check_room(file)
    new = file.path.with_name(file.path.name + _SUFFIX)
    try:
        with _private(), patiently(lambda: duckdb.connect(str(file.path), config=_SETTINGS)) as connection:
            _remove_spilled(connection)
            _copy(connection, new)
            _like(file.path, new)
            # The lock on the old file keeps others from writing into it until it has lost its name. This
            # connection must leave no log behind, which would be replayed into the new one.
            connection.execute("CHECKPOINT")
            connection.execute("PRAGMA disable_checkpoint_on_shutdown")
            _log_of(file.path).unlink(missing_ok=True)
            if os.name != "nt":
                new.replace(file.path)
        if os.name == "nt":  # There, an open file keeps its name.
            new.replace(file.path)
    except (duckdb.Error, OSError) as error:
        remove_leftovers(file)
        raise DestinationError(
            f"The database file {file.shown} could not be written anew ({type(error).__name__}), so what was "
            "deleted may still be found in its free blocks: close it in other programs, see to its disk and "
            "to tables with foreign keys, which DuckDB does not copy, then run the same again."
        ) from None
    except BaseException:
        remove_leftovers(file)
        raise
    if os.name != "nt":
        _sync(file.path.parent)


def _copy(connection: "duckdb.DuckDBPyConnection", new: Path) -> None:
    connection.execute(f"ATTACH '{_quoted(str(new))}' AS {_NEW}")
    # By the name that the old one has: views may say it. It is DuckDB's choice: of crm.prod.duckdb it is
    # crm, of temp.duckdb temp_db.
    old = str(_one(connection, "SELECT current_catalog()"))
    catalog = old.replace('"', '""')
    connection.execute(f'COPY FROM DATABASE "{catalog}" TO {_NEW}')
    if _contents(connection, old) != _contents(connection, _NEW):
        raise DestinationError(
            "The new database file does not hold all that the old one does, so the old one was kept: copy "
            "it into a new file with EXPORT DATABASE and IMPORT DATABASE, which also leaves deleted rows out."
        )
    connection.execute(f"CHECKPOINT {_NEW}")
    connection.execute(f"DETACH {_NEW}")
    if _log_of(new).exists():
        raise OSError(0, "the new file's log was not closed")


def _remove_spilled(connection: "duckdb.DuckDBPyConnection") -> None:
    """Remove rows that queries have put beside the file, and that a kill has left there.

    DuckDB removes only what it has made since it was started. This connection has made nothing yet, and
    nobody else has the file open.
    """
    folder = Path(str(_one(connection, "SELECT current_setting('temp_directory')")))
    for path in folder.glob("duckdb_temp_*"):
        path.unlink()
    with suppress(OSError):
        folder.rmdir()


def _one(connection: "duckdb.DuckDBPyConnection", query: str) -> object:
    """The only value that a query selects."""
    ((value,),) = connection.execute(query).fetchall()
    return value


def _contents(connection: "duckdb.DuckDBPyConnection", catalog: str) -> dict[str, Any]:
    """What a database holds, and how many rows of each table."""
    found: dict[str, Any] = {}
    for function, columns in _INVENTORY.items():
        listed = connection.execute(
            f"SELECT {columns} FROM {function}() WHERE database_name = ? ORDER BY ALL", [catalog]
        )
        found[function] = listed.fetchall()
    for schema, table, *_ in found["duckdb_tables"]:
        name = ".".join('"' + part.replace('"', '""') + '"' for part in (catalog, schema, table))
        found[f"{schema}.{table}"] = connection.execute(f"SELECT count(*) FROM {name}").fetchall()
    return found


def _like(old: Path, new: Path) -> None:
    """The same owner and the same rights, on the disk."""
    status = old.stat()
    if hasattr(os, "chown"):
        with suppress(PermissionError):
            os.chown(new, status.st_uid, status.st_gid)
    new.chmod(status.st_mode & 0o7777)
    _sync(new)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        if os.name != "nt":
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _private() -> Iterator[None]:
    """Files that are made meanwhile are for their owner alone."""
    mask = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(mask)


def _log_of(path: Path) -> Path:
    return path.with_name(path.name + ".wal")


def _quoted(text: str) -> str:
    return text.replace("'", "''")


def _escaped(name: str) -> str:
    return "".join(f"[{each}]" if each in "*?[" else each for each in name)
