"""The database file of DuckDB: refused early if it cannot work, private, and not left behind empty."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dub_source.destinations.duckdb_waiting import is_in_use, patiently
from dub_source.disk import out_of_room
from dub_source.errors import DestinationError

if TYPE_CHECKING:
    import dlt
    import duckdb

    from dub_source.destinations.sql_rows import SqlRows

_PRIVATE = 0o600
_MAGIC_AT, _MAGIC = 8, b"DUCK"
_SHORTEST_FILE = 3 * 4096
"""Bytes: the file's header, and two of its database, of which one counts."""

SMALL: dict[str, Any] = {"memory_limit": "256MB", "threads": 1, "preserve_insertion_order": False}
"""DuckDB's settings for a load.

DuckDB takes 80% of the machine's memory otherwise. What does not fit waits in files beside the database, but
not all of it can: with 128 MB the search for customers whom only the history has ran out of memory at a
million customers, with 192 MB at four million; with 256 MB it did at neither. One thread needs a fifth less
of processor time than two, and half of the memory on top of the limit.
"""
_FIRST = {"memory_limit": "128MB"}
"""A first load searches for nobody. With it, one of a million customers stays below 600 MB."""


@dataclass(frozen=True, slots=True)
class DuckDBFile:
    """A database file.

    Attributes:
        path: where it is, symbolic links resolved.
        shown: what a person called it.
        dataset: what goes into it.
    """

    path: Path
    shown: Path
    dataset: str

    append_first = True

    @property
    def place(self) -> str:
        """The file, whatever it was called."""
        return f"duckdb {self.path}"

    @property
    def unused(self) -> bool:
        """Whether there is no such file; to look into it would make it."""
        return not self.path.exists()

    @property
    def settings(self) -> dict[str, Any]:
        """DuckDB's settings for a load into the file as it is now."""
        return SMALL if self.path.exists() else SMALL | _FIRST

    @classmethod
    def of(cls, shown: Path, dataset: str) -> "DuckDBFile":
        """The file behind a path.

        Raises:
            DestinationError: if it cannot hold the dataset, or is none.
        """
        if str(shown).startswith(":memory:"):
            raise DestinationError(
                "A database in memory would be gone after the load: name a file with --database."
            )
        try:
            # A symbolic link is the file it leads to, whether or not that exists yet.
            path = shown.resolve()
            folder_exists = path.parent.is_dir()
            path.exists()  # says so if the name is too long
        except (OSError, ValueError, RuntimeError):
            raise DestinationError(
                "The path of the database file cannot be used: name another one with --database."
            ) from None
        if not folder_exists:
            raise DestinationError(
                f"The folder of the database file {shown} does not exist: create it first."
            )
        if _normal(path.stem) == _normal(dataset):
            # DuckDB takes dub.customers for either the dataset of a database or the table of a catalog,
            # whichever case its letters have.
            raise DestinationError(
                f"The database file {shown} and the dataset {dataset!r} have one name, which DuckDB finds "
                "ambiguous: name the file otherwise, for example with --database "
                f"{shown.with_name(path.stem + '_customers.duckdb')}."
            )
        return cls(path, shown, dataset)

    @contextmanager
    def writable(self) -> Iterator[None]:
        """Open it once for writing, so that a load does not read thousands of customers in vain.

        A new file is for its owner alone, and what DuckDB keeps beside a file during a load is as private as
        the file. A file that is new and holds no rows when the block fails is removed.

        Raises:
            DestinationError: if it cannot be written.
        """
        self._remove_if_unfinished()
        existed = self.path.exists()
        mode = self.path.stat().st_mode if existed else _PRIVATE
        mask = os.umask(~mode & 0o077)
        try:
            self._open_once(existed=existed)
            yield
        except BaseException:
            if not existed:
                self._remove_if_without_rows()
            raise
        finally:
            os.umask(mask)

    def rows(self, pipeline: "dlt.Pipeline") -> "SqlRows":
        """By SQL."""
        from dub_source.destinations.sql_rows import SqlRows

        return SqlRows(pipeline)

    def check_rewrite(self) -> None:
        """Raise DestinationError if there is no room, or tables that DuckDB cannot copy."""
        from dub_source.destinations.duckdb_rewrite import check_copyable, check_room

        check_room(self)
        check_copyable(self)

    def rewrite(self, pipeline: "dlt.Pipeline") -> bool:
        """See :func:`~dub_source.destinations.duckdb_rewrite.rewrite`."""
        from dub_source.destinations.duckdb_rewrite import rewrite

        rewrite(self)
        return True

    def _no_database(self) -> str:
        return f"The file {self.shown} is not a DuckDB database: name another one with --database."

    def _open_once(self, *, existed: bool) -> None:
        import duckdb

        try:
            with patiently(lambda: duckdb.connect(str(self.path))) as connection:
                # A .csv, .parquet or .json file becomes a view in memory, and a load into that would be lost.
                [(file,)] = connection.execute(
                    "SELECT path FROM duckdb_databases() WHERE database_name = current_database()"
                ).fetchall()
                if file is None:
                    raise DestinationError(self._no_database())
                if not existed:
                    self._remove_unless_used(connection)
        except duckdb.Error as error:
            raise self.failure(error) from None

    def _remove_if_unfinished(self) -> None:
        """Remove what is left where the disk was full, or a run was killed, while DuckDB made the file.

        It begins as such a file does and is shorter than any, so that no rows can be in it, and DuckDB
        would refuse it for good.
        """
        import duckdb

        with suppress(OSError):
            if not self.path.is_file() or self.path.stat().st_size >= _SHORTEST_FILE:
                return
            if self.path.read_bytes()[_MAGIC_AT:].startswith(_MAGIC):
                try:
                    duckdb.connect(str(self.path)).close()
                except duckdb.Error as error:
                    if not is_in_use(error):  # Somebody may be making it just now.
                        self.path.unlink()

    def _remove_if_without_rows(self) -> None:
        import duckdb

        self._remove_if_unfinished()
        if self.path.exists():
            with suppress(duckdb.Error), duckdb.connect(str(self.path)) as connection:
                self._remove_unless_used(connection)

    def _remove_unless_used(self, connection: "duckdb.DuckDBPyConnection") -> None:
        """Remove the file while nobody else can open it, unless somebody's rows are in it.

        What a failed load leaves are dlt's own tables, and its staging dataset.
        """
        used = connection.execute(
            "SELECT count(*) FROM duckdb_tables() WHERE estimated_size > 0 "
            "AND table_name NOT LIKE '\\_dlt\\_%' ESCAPE '\\' AND schema_name <> ?",
            [f"{self.dataset}_staging"],
        ).fetchone()
        if used == (0,):
            # Not possible on Windows, where an empty file then stays.
            with suppress(PermissionError):
                # Another connection of this process may still be open; closing, it would write a new log.
                connection.execute("PRAGMA disable_checkpoint_on_shutdown")
                # The log first: alone it would be replayed into the next file of this name.
                self.path.with_name(self.path.name + ".wal").unlink(missing_ok=True)
                self.path.unlink(missing_ok=True)

    def failure(self, error: BaseException) -> DestinationError:
        """What DuckDB said when the file was opened, as one sentence."""
        return DestinationError(self._sentence(error))

    def _sentence(self, error: BaseException) -> str:
        text = str(error)
        if is_in_use(error):
            return (
                f"The database file {self.shown} is in use by another program: close it there, "
                "or load into another file with --database."
            )
        if self.path.is_dir():
            return f"The database file {self.shown} is a folder: name a file with --database."
        if trouble := out_of_room(error):
            return f"{trouble}, then run the same again: the database file {self.shown} cannot be opened."
        if "not a valid DuckDB database" in text:
            return self._no_database()
        if "ermission" in text or "Cannot open" in text or "ead-only" in text:
            return (
                f"The database file {self.shown} cannot be opened: "
                "check its permissions, or choose another file."
            )
        return (
            f"The database file {self.shown} cannot be opened by DuckDB ({type(error).__name__}): "
            "name another one with --database."
        )


def _normal(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.casefold())
