"""Plans, changes and outcomes, written into the destination.

Everything goes through dlt: under the source's schema and pipeline, but without its state. That holds how far
the incremental runs have come, and must never move because of what we write ourselves.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import dlt
import pyarrow as pa
from dlt.extract.resource import DltResource

from dub_source.destinations import Opened
from dub_source.destinations.loading import load_extracted
from dub_source.destinations.locks import kept_open
from dub_source.destinations.merging import added, keyed, merged, newest_wins
from dub_source.dictionary import TABLES
from dub_source.reverse.model import Change, Outcome, Plan
from dub_source.reverse.push_tables import change_rows, log_rows, plan_rows
from dub_source.reverse.stored import Stored
from dub_source.table_names import (
    CUSTOMERS,
    ERASURES,
    HISTORY,
    PUSH_CHANGES,
    PUSH_LOG,
    PUSH_PLANS,
    history_of,
)

_DESCRIBED: dict[str, Any] = {
    name: TABLES[name].described(list(TABLES[name].by_name))
    for name in (PUSH_PLANS, PUSH_CHANGES, PUSH_LOG, ERASURES)
}
"""What the columns mean, as hints for dlt; the tables of customers have it from their source."""


@dataclass(frozen=True, slots=True)
class Written:
    """Rows that an apply has learned, to be merged.

    Attributes:
        customers: for ``customers``, each customer once.
        versions: for ``customers_history``.
    """

    customers: pa.Table | None = field(default=None, repr=False)
    versions: Sequence[pa.Table] = field(default=(), repr=False)


class PushStore(Stored):
    """Writes plans and what became of them, and reads it all (see :class:`Stored`)."""

    def __init__(
        self,
        pipeline: dlt.Pipeline,
        opened: Opened,
        table: str = CUSTOMERS,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Look what there is; raises what :class:`Stored` does.

        Args:
            pipeline: that of the loads into this place (:mod:`dub_source.runs.warehouse`).
            opened: its target.
            table: the table of customers.
            clock: the time, UTC.
        """
        super().__init__(pipeline, table)
        self._opened = opened
        self._clock = clock

    def save_plan(self, plan: Plan, changes: Sequence[Change], remarks: str | None = None) -> Plan:
        """Store a plan, or that it was made again: a plan that would be made just so is not too old.

        A plan that is finished stays as it is. Changes that are stored do so in any case.

        Args:
            plan: the plan.
            changes: all of it.
            remarks: what else there is to say about it, for who looks at it later; a JSON text.

        Returns:
            The plan as it is stored.

        Raises:
            DestinationError: or dlt's PipelineStepFailed, if it could not be stored; the same again
                completes it.
        """
        with kept_open(self._pipeline):
            stored = self.plan(plan.plan_id)
            complete = stored is not None and self._stored_changes(plan.plan_id) == stored.changes
            if stored is not None and complete and self.progress(stored).finished:
                return stored
            rows = [self._part(PUSH_PLANS, "plan_id", merged, [plan_rows(plan, remarks)])]
            if not complete:
                parts = [change_rows(plan.plan_id, changes)]
                rows.append(self._part(PUSH_CHANGES, "change_key", added, parts))
            self._write(rows)
            return self.plan(plan.plan_id) or plan

    def save_outcomes(
        self, plan_id: str, outcomes: Sequence[Outcome], written: Written | None = None
    ) -> None:
        """Store what became of changes, and the rows that Dub answered, in one load.

        A change that has an outcome gets this one instead. To repeat it all changes nothing.

        Args:
            plan_id: of a stored plan.
            outcomes: each change once.
            written: rows of the customers concerned.

        Raises:
            DestinationError: or dlt's PipelineStepFailed, if they could not be stored: some of it may be;
                to repeat it stores the rest.
        """
        parts = []
        if outcomes:
            planned = self._planned(plan_id, [each.number for each in outcomes])
            rows = log_rows(plan_id, outcomes, planned, self._clock())
            parts.append(self._part(PUSH_LOG, "change_key", merged, [rows]))
        if written is not None and written.versions:
            history = history_of(self.table)
            parts.append(self._part(HISTORY, "version_key", added, written.versions, history))
        if written is not None and written.customers is not None and written.customers.num_rows:
            hint = newest_wins(self._pipeline, self.table, self._opened.strategy)
            rows = dlt.mark.with_hints(keyed(written.customers, "id"), hint)
            parts.append(self._part(CUSTOMERS, "id", merged, [rows], self.table))
        if parts:
            self._write(parts)

    def save_rows(self, name: str, key: str, rows: pa.Table) -> None:
        """Add rows to another table of ours; those whose key is there already are left out."""
        self._write([self._part(name, key, added, [rows])])

    def _part(
        self, name: str, key: str, how: Callable[[str], Any], rows: Sequence[Any], table: str | None = None
    ) -> DltResource:
        tables = [keyed(each, key) if isinstance(each, pa.Table) else each for each in rows]
        return dlt.resource(
            tables,
            name=name,
            table_name=table or name,
            primary_key=key,
            write_disposition=how(self._opened.strategy),
            columns=_DESCRIBED.get(name, {}),
        )

    def _write(self, parts: list[DltResource]) -> None:
        tables = [str(part.table_name) for part in parts]
        try:
            with self._opened.storage.writable(), kept_open(self._pipeline):
                self._pipeline.extract(_written(parts))
                load_extracted(self._pipeline, tables)
                self._look()
        except BaseException:
            # What it has prepared must not come with the next load.
            with suppress(Exception):
                self._pipeline.drop()
                self._pipeline.sync_destination()
            raise


@dlt.source(name="dub", section="dub")
def _written(parts: list[DltResource]) -> list[DltResource]:
    """Tables for a load under the source's name, so that they are in its schema."""
    return parts
