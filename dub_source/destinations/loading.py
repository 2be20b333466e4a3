"""The load step: what dlt has extracted goes into the destination, all of it or with an error."""

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from dub_source.destinations.locks import writes_one_by_one, writing_alone
from dub_source.destinations.restoring import restore
from dub_source.errors import DestinationError

if TYPE_CHECKING:
    import dlt

_ONE_BY_ONE: Any = {"workers": 1}


def load_extracted(pipeline: "dlt.Pipeline", tables: Sequence[str]) -> None:
    """Normalize and load what was extracted, while nobody else does.

    Args:
        pipeline: has extracted.
        tables: those that are merged; should the load fail, what was staged for them is taken back.

    Raises:
        AlreadyRunning: if others write for too long.
        DestinationError: if not all of it was taken.
        dlt's PipelineStepFailed: if a step failed.
    """
    import dlt

    pipeline.normalize()
    configured: Any = dlt.config.get("load.workers")
    one_by_one = _ONE_BY_ONE if writes_one_by_one(pipeline) and not configured else {}
    with writing_alone(pipeline):
        try:
            restore(pipeline)
            info = pipeline.load(**one_by_one)
        except BaseException:
            _empty_staging(pipeline, tables)
            raise
    # dlt can be configured to go on after a failure, and then says that it loaded.
    if info.has_failed_jobs or pipeline.has_pending_data:
        raise DestinationError("The destination did not take all rows: run the same again.")


def _empty_staging(pipeline: "dlt.Pipeline", tables: Sequence[str]) -> None:
    """Take back the rows that a failed load has staged, as far as the destination lets us.

    The next load would empty the tables, too, but nobody knows when that is.
    """
    for table in tables:
        with suppress(Exception), pipeline.sql_client() as client, client.with_staging_dataset():
            client.truncate_tables(table)
