"""``load``: every customer into a destination."""

import time
from pathlib import Path
from typing import Any

import dlt

from dub_source.destinations import Opened, Target, open_destination
from dub_source.errors import DubError
from dub_source.runs.arguments import given
from dub_source.runs.observed import observed
from dub_source.runs.result import LoadResult, Outcome
from dub_source.runs.steps import run_source
from dub_source.runs.warehouse import warehouse
from dub_source.runs.working_folder import journals_of
from dub_source.source import dub
from dub_source.sync import Observer
from dub_source.table_names import CUSTOMERS


@observed("load")
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
    arguments = given(options)
    opened = open_destination(target)
    source = dub(
        observer=outcome,
        merge_strategy=opened.strategy,
        keep_rows=True,
        append_first=opened.storage.append_first,
        **arguments,
    )
    table = str(source.resources[CUSTOMERS].table_name)
    with warehouse(target, pipelines_dir, opened=opened) as (pipeline, _), opened.storage.writable():
        rows = run_source(pipeline, source, outcome)
        _clear_journals(pipeline, opened, table)
    if outcome.report is None:
        raise DubError("The load ended without having read the customers; please report it.")
    return LoadResult(outcome.report, rows, time.monotonic() - began, target)


def _clear_journals(pipeline: dlt.Pipeline, opened: Opened, table: str) -> None:
    """Of plans that were finished on another machine, say; there are hardly ever any."""
    folder = journals_of(pipeline)
    if not folder.exists() or not any(folder.iterdir()):
        return
    from dub_source.reverse.store import PushStore
    from dub_source.runs.journals import clear_journals

    clear_journals(PushStore(pipeline, opened, table), folder)
