"""``load``: every customer into a destination."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dlt
from dlt.common.pipeline import get_dlt_pipelines_dir

from dub_source.destinations import Opened, Target, open_destination
from dub_source.errors import DubError
from dub_source.runs.arguments import refuse_empty
from dub_source.runs.quiet import quiet_dlt
from dub_source.runs.result import LoadResult, Outcome
from dub_source.runs.steps import run_source
from dub_source.runs.working_folder import working_folder
from dub_source.source import CUSTOMERS, dub
from dub_source.sync import Observer


def load(
    target: Target, *, pipelines_dir: Path | None = None, observer: Observer | None = None, **options: Any
) -> LoadResult:
    """Read every customer and merge them into the destination.

    Args:
        target: where to.
        pipelines_dir: the folder of dlt's working files; None takes dlt's default.
        observer: is told how it gets on.
        options: arguments of :func:`~dub_source.source.dub`; others come from dlt's configuration.

    Raises:
        DubError: for everything that a person can do something about.
    """
    began = time.monotonic()
    outcome = Outcome(observer)
    given = {name: value for name, value in options.items() if value is not None}
    refuse_empty(**given)
    opened = open_destination(target)
    source = dub(observer=outcome, merge_strategy=opened.strategy, keep_rows=True, **given)
    table = str(source.resources[CUSTOMERS].table_name)
    with _pipeline(target, opened, pipelines_dir or Path(get_dlt_pipelines_dir())) as pipeline:
        with opened.writable():
            run_source(pipeline, source, outcome, alone=opened.file is not None)
        rows = _count_rows(pipeline, table)
    if outcome.report is None:
        raise DubError("The load ended without having read the customers; please report it.")
    return LoadResult(outcome.report, rows, time.monotonic() - began, target)


@contextmanager
def _pipeline(target: Target, opened: Opened, pipelines_dir: Path) -> Iterator[dlt.Pipeline]:
    """A pipeline that nobody else is running, with nothing left from earlier ones; it leaves nothing."""
    with working_folder(pipelines_dir, f"{opened.place} {target.dataset}") as folder:
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


def _count_rows(pipeline: dlt.Pipeline, table: str) -> int:
    with pipeline.sql_client() as client:
        name = client.make_qualified_table_name(table)
        rows = client.execute_sql(f"SELECT count(*) FROM {name}")  # noqa: S608 - the name is quoted by dlt
        return int(rows[0][0]) if rows else 0
