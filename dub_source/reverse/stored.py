"""What the destination has of plans and of customers: everything that planning and applying must read."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import dlt
import pyarrow as pa

from dub_source.destinations.sql_mirror import SqlMirror
from dub_source.destinations.sql_tables import SqlTables, chunks, placeholders
from dub_source.errors import DestinationError
from dub_source.reverse.form import Form
from dub_source.reverse.model import KINDS, Change, Op, Outcome, Plan, Result, shows_gone
from dub_source.reverse.progress import REJECTIONS, Rejection, StoredPlan
from dub_source.reverse.push_tables import (
    CHANGE_SCHEMA,
    LOG_SCHEMA,
    PLAN_SCHEMA,
    SETTLED,
    change_key,
    changes_of,
    in_effect,
    outcomes_of,
    plans_of,
    settled_of,
)
from dub_source.state import State
from dub_source.table_names import CUSTOMERS, ERASURES, PUSH_CHANGES, PUSH_LOG, PUSH_PLANS, SYNC_RUNS

MIRRORED = (
    "id",
    "external_id",
    "stripe_customer_id",
    "email",
    "name",
    "avatar",
    "country",
    "name_generated",
    "row_hash",
    "observed_at",
    "deleted_at",
)
"""The columns of a customer that plans are made from."""

_TABLES = {
    "plans": PUSH_PLANS,
    "changes": PUSH_CHANGES,
    "log": PUSH_LOG,
    "runs": SYNC_RUNS,
    "erasures": ERASURES,
}
DONE = ", ".join(f"'{each}'" for each in ("applied", "accepted_not_applied", "already_applied"))
"""Results of changes that Dub has accepted, for a query."""


class Stored:
    """Reads what is stored. Not for several threads at once.

    Attributes:
        table: the table of customers.
        mirror: the customers there.
        state: what the runs of the source have noted about them.
    """

    def __init__(self, pipeline: dlt.Pipeline, table: str = CUSTOMERS) -> None:
        """Look what there is.

        Args:
            pipeline: that of the loads into this place (:mod:`dub_source.runs.warehouse`).
            table: the table of customers.

        Raises:
            DestinationError: if the destination is no database.
            SettingsError: if a newer version of this tool has written there.
            dlt's PipelineStepFailed: if it cannot be reached.
        """
        self._pipeline = pipeline
        self.table = table
        # A working folder that was emptied knows nothing of state and schema.
        pipeline.sync_destination()
        self._look()

    def _look(self) -> None:
        self._tables = SqlTables(self._pipeline, _TABLES, called="What is stored of plans")
        self.mirror = SqlMirror(self._pipeline, self.table)
        sources: Mapping[str, Any] = self._pipeline.state.get("sources", {})
        self.state = State.read(sources.get("dub", {}).get(self.table, {}))

    # Plans

    def plans(self) -> list[Plan]:
        """All plans, the newest first."""
        return list(plans_of(self._rows(PLAN_SCHEMA, "plans", "ORDER BY {created_at} DESC, {plan_id}")))

    def plan(self, plan_id: str) -> Plan | None:
        """A plan; None if there is none of this id."""
        return next(plans_of(self._rows(PLAN_SCHEMA, "plans", "WHERE {plan_id} = %s", plan_id)), None)

    def progress(self, plan: Plan) -> StoredPlan:
        """How far a plan is."""
        counted = self._read(
            pa.schema([("result", pa.string()), ("count", pa.int64())]),
            "log",
            "SELECT {result}, count(*) FROM {LOG} WHERE {plan_id} = %s GROUP BY {result}",
            plan.plan_id,
        )
        return StoredPlan(plan, {Result(row["result"]): row["count"] for row in counted.to_pylist()})

    def all_progress(self) -> list[StoredPlan]:
        """How far all plans are, the newest first."""
        counted = self._read(
            pa.schema([("plan_id", pa.string()), ("result", pa.string()), ("count", pa.int64())]),
            "log",
            "SELECT {plan_id}, {result}, count(*) FROM {LOG} GROUP BY {plan_id}, {result}",
        )
        results: dict[str, dict[Result, int]] = defaultdict(dict)
        for row in counted.to_pylist():
            results[row["plan_id"]][Result(row["result"])] = row["count"]
        return [StoredPlan(each, results.get(each.plan_id, {})) for each in self.plans()]

    def rejections(self, plan_ids: Sequence[str]) -> list[Rejection]:
        """What Dub has rejected of some plans and why, the most frequent reasons first."""
        found: list[Rejection] = []
        for some in chunks(plan_ids):
            rows = self._read(
                REJECTIONS,
                "log",
                "SELECT {plan_id}, {reason}, {status}, {code}, count(*), min({customer_id}) FROM {LOG} "
                f"WHERE {{result}} = 'rejected' AND {{plan_id}} IN ({placeholders(some)}) "
                "GROUP BY {plan_id}, {reason}, {status}, {code}",
                *some,
            )
            found += [Rejection(**row) for row in rows.to_pylist()]
        return sorted(found, key=lambda each: (-each.changes, each.plan_id, each.reason or ""))

    def erasures(self) -> dict[str, str]:
        """Erasures that were begun and are not done: by plan, the id of one of the customers."""
        rows = self._read(
            pa.schema([("plan_id", pa.string()), ("customer_id", pa.string())]),
            "erasures",
            "SELECT e.{plan_id}, min(c.{customer_id}) FROM {ERASURES} e JOIN {CHANGES} c "
            "ON c.{plan_id} = e.{plan_id} WHERE e.{erased_at} IS NULL GROUP BY e.{plan_id} ORDER BY 1",
        )
        return dict(zip(rows["plan_id"].to_pylist(), rows["customer_id"].to_pylist(), strict=True))

    def remarks(self, plan_id: str) -> str | None:
        """What else was said about a plan when it was made, as it was given to ``save_plan``."""
        rows = self._rows(PLAN_SCHEMA, "plans", "WHERE {plan_id} = %s", plan_id)
        text: str | None = rows["remarks"][0].as_py() if rows.num_rows else None
        return text

    def changes(self, plan_id: str) -> list[Change]:
        """The changes of a plan, in their order.

        Raises:
            DestinationError: if the plan was stored in part only.
        """
        rows = self._rows(CHANGE_SCHEMA, "changes", "WHERE {plan_id} = %s ORDER BY {number}", plan_id)
        self._check_whole(plan_id, rows.num_rows)
        return list(changes_of(rows))

    def first_changes(self, plan_id: str, most: int) -> list[Change]:
        """The first changes of each kind, so many at most, without reading all of a large plan.

        Raises:
            DestinationError: if the plan was stored in part only.
        """
        self._check_whole(plan_id, self._stored_changes(plan_id))
        found: list[Change] = []
        for op, temporary in KINDS:
            half = "{temporary} IS TRUE" if temporary else "{temporary} IS NOT TRUE"
            rows = self._rows(
                CHANGE_SCHEMA,
                "changes",
                f"WHERE {{plan_id}} = %s AND {{op}} = %s AND {half} ORDER BY {{number}} LIMIT {most}",
                plan_id,
                op.value,
            )
            found += changes_of(rows)
        return found

    def _check_whole(self, plan_id: str, stored: int) -> None:
        plan = self.plan(plan_id)
        if plan is not None and plan.changes != stored:
            raise DestinationError(
                f"The plan {plan_id} is stored in part only, because that was interrupted: make the same "
                "plan again, which completes it."
            )

    def outcomes(self, plan_id: str) -> dict[int, Outcome]:
        """What became of the changes of a plan so far, by number."""
        rows = self._rows(LOG_SCHEMA, "log", "WHERE {plan_id} = %s", plan_id)
        return {each.number: each for each in outcomes_of(rows)}

    # For planning

    def last_load(self) -> datetime | None:
        """When the last run that went well began to read the customers; None if there is none."""
        schema = pa.schema([("started_at", pa.timestamp("us", tz="UTC"))])
        rows = self._read(
            schema,
            "runs",
            "SELECT max({started_at}) FROM {RUNS} WHERE {status} = 'ok' AND {table_name} = %s",
            self.table,
        )
        moment: datetime | None = rows["started_at"][0].as_py() if rows.num_rows else None
        return moment

    def check_form(self, form: Form) -> None:
        """Make sure that the rows in the warehouse are of the form that is configured.

        Raises:
            SettingsError: if not, if nothing was loaded yet, or if the table is one of some customers.
        """
        form.check_stored(self.state.baseline if self.mirror.has_history else None, self.table)

    def customers(self) -> Iterator[pa.Table]:
        """All customers with those of the columns MIRRORED that the form has, in no particular order."""
        return self.mirror.columns(MIRRORED)

    def settled(self) -> pa.Table:
        """What Dub has made into something else than was asked, the last of each customer and field.

        Returns:
            A table of SETTLED. Of customers for whom everything was done as asked there is none.
        """
        schema = pa.schema([(name, pa.string()) for name in ("customer_id", "asked", "answered")])
        # Dub's own ways are few; to read everything that was ever asked would take longer every day.
        rows = self._read(
            schema,
            "log",
            "SELECT {customer_id}, {asked}, {answered} FROM {LOG} WHERE {customer_id} IN "
            "(SELECT {customer_id} FROM {LOG} WHERE {asked} <> {answered} "
            f"AND {{result}} IN ({DONE})) AND {{op}} <> 'delete' AND {{result}} IN ({DONE}) "
            "ORDER BY {requested_at}, {logged_at}, {plan_id}, {number}",
        )
        return settled_of(rows) if rows.num_rows else SETTLED.empty_table()

    def created_by(self, sync: str) -> pa.Array:
        """Ids of the customers that plans of this sync have created: those that it owns."""
        rows = self._read(
            pa.schema([("customer_id", pa.string())]),
            "log",
            "SELECT DISTINCT l.{customer_id} FROM {LOG} l JOIN {PLANS} p ON p.{plan_id} = l.{plan_id} "
            "WHERE p.{sync} = %s AND l.{op} = 'create' AND l.{result} = 'applied' "
            "AND l.{customer_id} IS NOT NULL ORDER BY l.{customer_id}",
            sync,
        )
        return rows["customer_id"].combine_chunks()

    def unmirrored(self, plan_id: str) -> list[str]:
        """Customers whom a plan has changed, and the mirror does not know: that load was killed half-way."""
        if not self.mirror.exists:
            return []
        names = ("customer_id", "requested_at", "op", "result", "status", "asked", "answered")
        done = self._read(
            pa.schema([LOG_SCHEMA.field(name) for name in names]),
            "log",
            f"SELECT {', '.join(f'{{{name}}}' for name in names)} FROM {{LOG}} WHERE {{plan_id}} = %s "
            "AND {customer_id} IS NOT NULL AND {requested_at} IS NOT NULL ORDER BY {requested_at}",
            plan_id,
        ).to_pylist()
        ids = list(dict.fromkeys(row["customer_id"] for row in done))
        known = {row["id"]: row for row in self.mirror.known_of(ids).to_pylist()}
        changed = {row["customer_id"]: row["requested_at"] for row in done if in_effect(row)}
        newer = [each for each, at in changed.items() if each not in known or known[each]["observed_at"] < at]
        gone = {
            row["customer_id"]
            for row in done
            if shows_gone(Op(row["op"]), Result(row["result"]), row["status"])
        }
        living = {each for each, row in known.items() if row["deleted_at"] is None}
        return [*newer, *sorted((gone & living).difference(newer))]

    # Queries

    def _planned(self, plan_id: str, numbers: Sequence[int]) -> dict[int, dict[str, Any]]:
        """What the plan says of some changes, by number; their values as the texts that are stored."""
        names = ("number", "op", "customer_id", "asked")
        schema = pa.schema([CHANGE_SCHEMA.field(name) for name in names])
        found: dict[int, dict[str, Any]] = {}
        for some in chunks([change_key(plan_id, number) for number in numbers]):
            rows = self._read(
                schema,
                "changes",
                f"SELECT {{number}}, {{op}}, {{customer_id}}, {{asked}} FROM {{CHANGES}} "
                f"WHERE {{change_key}} IN ({placeholders(some)})",
                *some,
            )
            found |= {row["number"]: row for row in rows.to_pylist()}
        return found

    def _stored_changes(self, plan_id: str) -> int:
        schema = pa.schema([("count", pa.int64())])
        query = "SELECT count(*) FROM {CHANGES} WHERE {plan_id} = %s"
        rows = self._read(schema, "changes", query, plan_id)
        return int(rows["count"][0].as_py()) if rows.num_rows else 0

    def _rows(self, schema: pa.Schema, part: str, condition: str, *parameters: Any) -> pa.Table:
        # An earlier version may have made the table without some of them.
        there = self._tables.columns[part]
        selected = ", ".join(f"{{{name}}}" if name in there else f"NULL AS {name}" for name in schema.names)
        query = f"SELECT {selected} FROM {{{part.upper()}}} {condition}"
        return self._read(schema, part, query, *parameters)

    def _read(self, schema: pa.Schema, part: str, query: str, *parameters: Any) -> pa.Table:
        """What a query selects; nothing as long as the table of that part does not exist."""
        found = list(self._tables.read(schema, query, *parameters)) if self._tables.columns[part] else []
        return pa.concat_tables(found) if found else schema.empty_table()
