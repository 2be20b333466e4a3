"""The steps of a load in a dlt pipeline, and what is left when one of them fails."""

import logging
import shutil
from contextlib import ExitStack, suppress
from typing import Any

import dlt
import pyarrow as pa

from dub_source import telemetry
from dub_source.destinations.loading import load_extracted
from dub_source.destinations.locks import kept_open, writing_alone
from dub_source.destinations.views import Views
from dub_source.errors import AlreadyRunning, DestinationError
from dub_source.extraction import spool_folder
from dub_source.failures import cause
from dub_source.runs.result import Outcome
from dub_source.source import failed_run
from dub_source.sync import Report
from dub_source.table_names import CUSTOMERS, SYNC_RUNS

_logger = logging.getLogger("dub_source")


def run_source(pipeline: dlt.Pipeline, source: Any, outcome: Outcome) -> int:
    """What ``pipeline.run`` does, in its steps, and then the views.

    Rows of a sweep stay on this machine until they are loaded: should anything go wrong, or the process be
    killed, the next sweep goes on with them.

    Args:
        pipeline: the pipeline, with no package left from an earlier run.
        source: ``dub(keep_rows=True, observer=outcome, ...)``.
        outcome: the observer of the source.

    Returns:
        Customers in the table afterwards, deleted ones included.
    """
    table = str(source.resources[CUSTOMERS].table_name)
    with ExitStack() as held:
        held.enter_context(kept_open(pipeline))
        pipeline.sync_destination()
        outcome.when_begun = held.close
        outcome.when_read = lambda: held.enter_context(writing_alone(pipeline))
        try:
            with telemetry.span("dub_source read"):
                pipeline.extract(source)
            # Arrow keeps the memory of its batches, some 30 MB; DuckDB needs it now.
            pa.default_memory_pool().release_unused()
            with telemetry.span("dub_source write"):
                _load(pipeline, source)
        except BaseException as error:
            held.close()
            with suppress(Exception):
                _note_failure(pipeline, outcome.report, cause(error))
            raise
        # Its row says by now that the run went well; whatever happens from here on, there is no second one.
        shutil.rmtree(spool_folder(pipeline), ignore_errors=True)
        _refresh_views(pipeline, table)
        return _count_rows(pipeline, table)


def _refresh_views(pipeline: dlt.Pipeline, table: str) -> None:
    try:
        Views(pipeline, table).refresh()
    except Exception as error:  # noqa: BLE001 - everything is loaded; views are not worth a failure
        _logger.warning(
            "%s",
            error if isinstance(error, DestinationError) else f"No view was made ({type(error).__name__}).",
        )


def _load(pipeline: dlt.Pipeline, source: Any) -> None:
    tables = [str(resource.table_name) for name, resource in source.resources.items() if name != SYNC_RUNS]
    load_extracted(pipeline, tables)


def _note_failure(pipeline: dlt.Pipeline, report: Report | None, error: BaseException) -> None:
    """The row of a failed run in ``sync_runs``; if nothing was ever loaded, there is no place for it."""
    if report is None or isinstance(error, AlreadyRunning):
        return  # Nothing has begun; or somebody writes for so long and would keep this row waiting, too.
    with pipeline.destination_client() as client:
        if not client.is_storage_initialized() or not _has_runs(client):
            return
    # Forget what the failed run has prepared; its rows are in the spool.
    pipeline.drop()
    pipeline.sync_destination()
    source = failed_run(report, error)
    pipeline.extract(source)
    _load(pipeline, source)


def _has_runs(client: Any) -> bool:
    return any(columns for _, columns in client.get_storage_tables([SYNC_RUNS]))


def _count_rows(pipeline: dlt.Pipeline, table: str) -> int:
    with pipeline.sql_client() as client:
        name = client.make_qualified_table_name(table)
        rows = client.execute_sql(f"SELECT count(*) FROM {name}")  # noqa: S608 - the name is quoted by dlt
        return int(rows[0][0]) if rows else 0
