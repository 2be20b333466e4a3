"""A run inside of dlt's extract step: where its state is, what the destination has, how rows are merged."""

import tempfile
from collections.abc import Iterator, MutableMapping
from functools import cached_property
from pathlib import Path
from typing import Any

import dlt
import pyarrow as pa
from dlt.common.configuration.container import Container
from dlt.common.pipeline import PipelineContext

from dub_source.changes import HISTORY_COLUMNS, SYSTEM_COLUMNS
from dub_source.destinations.merging import keyed, newest_wins
from dub_source.destinations.sql_mirror import SqlMirror
from dub_source.schema import arrow_schema
from dub_source.settings import Settings
from dub_source.state import State
from dub_source.sync import Mirror, Nothing, Observer, Options, Place, Run

KEPT = ".dub_source"
"""How the name of such a folder ends."""


def spool_folder(pipeline: dlt.Pipeline) -> Path:
    """Where a run keeps rows until they are loaded: beside dlt's working folder, which dlt empties."""
    return Path(pipeline.pipelines_dir) / f"{pipeline.pipeline_name}{KEPT}"


class Extraction:
    """One run as tables for dlt. Reads when the first table is asked for, once.

    Outside of a pipeline there is neither state nor destination: everybody is new then.
    """

    def __init__(
        self,
        settings: Settings,
        options: Options,
        *,
        table: str,
        strategy: str,
        observer: Observer | None,
        keep_rows: bool,
        append_first: bool,
    ) -> None:
        """Prepare.

        Args:
            settings: of the client.
            options: of the run.
            table: the table of customers.
            strategy: how to merge into it: dlt's ``upsert`` or ``delete-insert``.
            observer: is told how it gets on.
            keep_rows: whether the caller removes the rows from the disk, once they are loaded.
            append_first: whether rows are just appended to tables that do not exist yet.
        """
        self._settings = settings
        self._options = options
        self._table = table
        self._strategy = strategy
        self._observer = observer
        self._keep_rows = keep_rows
        self._append_first = append_first
        self._begun: set[str] = set()
        self._waiting = {"customers"} if options.selection else {"customers", "history"}

    def customers(self) -> Iterator[Any]:
        """Rows for the table of customers, then the state for the next run."""
        self._begin("customers")
        run = self._run
        if not self._exists:
            # The table exists, with all its columns, even when there is nobody to put into it.
            yield self._merged(keyed(self._empty, "id"))
        for rows in run.customers():
            yield self._merged(keyed(rows, "id"))
        run.state.write(self._stored)
        self._done("customers")

    def history(self) -> Iterator[Any]:
        """Rows for the table of their history."""
        self._begin("history")
        run = self._run
        if not self._exists:
            empty = self._empty
            for name, kind in HISTORY_COLUMNS.items():
                empty = empty.append_column(name, pa.array([], kind))
            yield self._added(keyed(empty, "version_key"))
        for rows in run.versions():
            if rows.num_rows:
                yield self._added(keyed(rows, "version_key"))
        self._done("history")

    def sync_runs(self) -> Iterator[pa.Table]:
        """The row about this run."""
        self._begin("sync_runs")
        yield self._run.report.row()

    def _begin(self, part: str) -> None:
        """One source can be run again: then everything begins anew."""
        if part in self._begun:
            for name in ("_run", "_pipeline", "_stored", "_mirror", "_folder", "_appends", "_merging"):
                self.__dict__.pop(name, None)
            self._begun.clear()
            self._waiting = {"customers"} if self._options.selection else {"customers", "history"}
        self._begun.add(part)

    def _done(self, part: str) -> None:
        """Remove the rows from the disk once all are in dlt's hands, unless the caller does that later."""
        self._waiting.discard(part)
        if not self._waiting and not self._keep_rows:
            self._run.forget()

    @property
    def _empty(self) -> pa.Table:
        schema = arrow_schema(expanded=self._options.expanded)
        for name, kind in SYSTEM_COLUMNS.items():
            schema = schema.append(pa.field(name, kind))
        return self._options.privacy.applied(schema.empty_table())

    @property
    def columns(self) -> list[str]:
        """The known columns of the table of customers, in this form."""
        return list(self._empty.column_names)

    @cached_property
    def _run(self) -> Run:
        run = Run(
            self._settings,
            self._options,
            Place(self._mirror, State.read(self._stored), self._folder, self._table),
            observer=self._observer,
        )
        run.execute()
        return run

    @cached_property
    def _pipeline(self) -> dlt.Pipeline | None:
        # Iterated by hand, a source has some state all the same.
        if not Container()[PipelineContext].is_active():
            return None
        return dlt.current.pipeline()

    @cached_property
    def _stored(self) -> MutableMapping[str, Any]:
        """What earlier runs have noted about this table, in dlt's state."""
        if self._pipeline is None:
            return {}
        stored: MutableMapping[str, Any] = dlt.current.source_state().setdefault(self._table, {})
        return stored

    @cached_property
    def _mirror(self) -> Mirror:
        return Nothing() if self._pipeline is None else SqlMirror(self._pipeline, self._table)

    @property
    def _exists(self) -> bool:
        return isinstance(self._mirror, SqlMirror) and self._mirror.exists

    @cached_property
    def _folder(self) -> Path:
        if self._pipeline is None:
            return Path(tempfile.mkdtemp(prefix="dub-source-"))
        return spool_folder(self._pipeline)

    def _merged(self, rows: pa.Table) -> Any:
        """Rows with the hint how to merge them."""
        return dlt.mark.with_hints(rows, self._merging)

    def _added(self, rows: pa.Table) -> Any:
        """Versions with the hint how to add them, unless it is the usual one."""
        return dlt.mark.with_hints(rows, self._appending) if self._appends else rows

    @cached_property
    def _appends(self) -> bool:
        """Whether there is nothing to merge with: half the time, without staging and a look for keys."""
        mirror = self._mirror
        return (
            self._append_first and isinstance(mirror, SqlMirror) and not (mirror.exists or mirror.has_history)
        )

    @cached_property
    def _appending(self) -> Any:
        return dlt.mark.make_hints(write_disposition="append")

    @cached_property
    def _merging(self) -> Any:
        return self._appending if self._appends else newest_wins(self._pipeline, self._table, self._strategy)
