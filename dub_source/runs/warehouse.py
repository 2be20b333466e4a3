"""The place that a run reads from and writes to: for one run at a time, its state the same for all of them.

Loads, plans and applies take the same lock and the same pipeline. So on one machine they exclude each other,
and on every machine they know what earlier ones have noted in dlt's state. Who only looks takes no lock, and
disturbs none of them.
"""

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dlt
from dlt.common.pipeline import get_dlt_pipelines_dir

from dub_source.destinations import Opened, Target, open_destination
from dub_source.destinations.duckdb_file import DuckDBFile
from dub_source.destinations.duckdb_waiting import is_failure_to_open, is_in_use
from dub_source.errors import AlreadyRunning, DubError
from dub_source.failures import causes
from dub_source.runs.quiet import quiet_dlt
from dub_source.runs.working_folder import working_folder


@contextmanager
def warehouse(
    target: Target, pipelines_dir: Path | None = None, *, opened: Opened | None = None
) -> Iterator[tuple[dlt.Pipeline, Opened]]:
    """A pipeline that nobody else is running, with nothing left from earlier ones; it leaves nothing.

    Args:
        target: where to.
        pipelines_dir: the folder of dlt's working files; None takes dlt's default.
        opened: the target, where the caller has opened it already.

    Yields:
        The pipeline, and the target as it was opened.

    Raises:
        AlreadyRunning: if another run works with this place.
        DestinationError: if the target cannot work.
        SettingsError: if the folder cannot be used.
    """
    opened = opened or open_destination(target)
    place = f"{opened.storage.place} {target.dataset}"
    pipelines = pipelines_dir or Path(get_dlt_pipelines_dir())
    with working_folder(pipelines, place) as folder, _pipeline(target, opened, folder) as pipeline:
        yield pipeline, opened


@contextmanager
def reading(target: Target) -> Iterator[dlt.Pipeline | None]:
    """A pipeline over the same place that changes nothing there, whoever else works with it just now.

    A file of DuckDB is open for as long as a query takes. If another process writes into it, it is waited
    for some seconds.

    Args:
        target: the place.

    Yields:
        The pipeline; None if the place does not exist yet: to look into it would make it.

    Raises:
        AlreadyRunning: if somebody keeps the file of DuckDB open for writing.
        DestinationError: if the target cannot work.
    """
    opened = open_destination(target, read_only=True)
    if opened.storage.unused:
        yield None
        return
    # Private to its owner: what does not fit into memory may be put there.
    with tempfile.TemporaryDirectory(prefix="dub_source_") as folder:
        try:
            with _pipeline(target, opened, Path(folder)) as pipeline:
                yield pipeline
        except Exception as error:
            failure = _about_file(error, target, opened)
            if failure is None:
                raise
            raise failure from None


def _about_file(error: Exception, target: Target, opened: Opened) -> DubError | None:
    """What DuckDB says of a file that cannot be opened, in one sentence; None for any other error."""
    chain = causes(error)
    if any(map(is_in_use, chain)):
        return AlreadyRunning(
            f"The database file {target.location} is in use, by a run or by another program, so it cannot be "
            "looked at: try again when that has ended."
        )
    if isinstance(opened.storage, DuckDBFile) and any(is_failure_to_open(each) for each in chain):
        return opened.storage.failure(chain[-1])
    return None


@contextmanager
def _pipeline(target: Target, opened: Opened, folder: Path) -> Iterator[dlt.Pipeline]:
    pipeline = dlt.pipeline(
        # dlt's state in the destination bears this name: the same on every machine.
        pipeline_name=f"dub_source_{re.sub(r'[^A-Za-z0-9_]+', '_', target.destination)}_{target.dataset}",
        destination=opened.destination,
        dataset_name=target.dataset,
        pipelines_dir=str(folder),
    )
    # The trace would hold the values of filters, which may be an email address, on disk.
    pipeline.config.enable_runtime_trace = False
    # dlt's handlers forget a signal that comes at the end of a step. As an exception none gets lost.
    pipeline.runtime_config.intercept_signals = False
    # Without this the staging dataset keeps a second copy of all rows after the merge.
    dlt.config["load.truncate_staging_dataset"] = True
    try:
        with quiet_dlt():
            yield pipeline
    finally:
        # Its folder is about to go; nothing in this process may go on using it.
        if pipeline.is_active:
            pipeline.deactivate()
