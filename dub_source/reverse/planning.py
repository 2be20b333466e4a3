"""From what is desired and what the mirror shows to a plan: which customers to change, in which order.

Nothing is sent and nothing is stored here; the same input gives the same plan, with the same id, on every
machine. Each row of the desired state ends as one change, or as unchanged, or as unmatched.
"""

import tempfile
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from dub_source.reverse import guards, row_guards
from dub_source.reverse.comparison import EITHER, Comparison
from dub_source.reverse.counting import counts, requests
from dub_source.reverse.drafts import EPOCH, Draft, plan_id
from dub_source.reverse.fields import PLANNED, WRITABLE, stands
from dub_source.reverse.model import Change, Op, Plan
from dub_source.reverse.order import UNIQUE, alike, in_order
from dub_source.reverse.push_tables import SETTLED
from dub_source.reverse.sync_file import Sync
from dub_source.table_names import CUSTOMERS

_DEFAULTS = {"update": "update", "upsert": EITHER, "create": "create", "delete": "delete", "mirror": EITHER}

_Settled = Collection[tuple[str, str, str | None, str | None]]


@dataclass(frozen=True, slots=True)
class Planned:
    """What a plan does.

    Attributes:
        sync: what it was made for.
        table: the table of customers that it was compared with.
        plan_id: see :func:`~dub_source.reverse.drafts.plan_id`.
        changes: in their order.
        desired: rows of the desired state.
        unchanged: of these, how many need nothing.
        unmatched: of these, how many name a customer who is not in the mirror, and create none.
        living: customers in the mirror.
        passed: the guards that it passed, in words.
    """

    sync: Sync
    table: str
    plan_id: str
    changes: Sequence[Change]
    desired: int
    unchanged: int
    unmatched: int
    living: int
    passed: tuple[str, ...]

    def plan(self, *, created_at: datetime, baseline: str) -> Plan:
        """The same as it is stored, made at a moment (UTC) on rows of this form."""
        return Plan(
            plan_id=self.plan_id,
            sync=self.sync.name,
            sync_mode=self.sync.sync_mode,
            table=self.table,
            created_at=created_at,
            changes=len(self.changes),
            counts=counts(self.changes),
            desired=self.desired,
            unchanged=self.unchanged,
            unmatched=self.unmatched,
            baseline=baseline,
            requests=requests(self.changes),
            max_age_h=self.sync.max_plan_age_h,
        )


def plan_changes(
    sync: Sync,
    desired: pa.Table,
    mirror: Iterable[pa.Table],
    *,
    settled: pa.Table | None = None,
    owned: pa.Array | None = None,
    table: str = CUSTOMERS,
    hidden: Collection[str] = (),
    folder: Path | None = None,
) -> Planned:
    """Plan.

    Args:
        sync: what is declared.
        desired: ``row``, ``key``, perhaps ``op``, and a text column for each column to write.
        mirror: the rows of the table of customers: ``id``, the columns of PLANNED, ``name_generated``,
            ``row_hash``, ``observed_at``, ``deleted_at``; those of them that it has.
        settled: as :data:`~dub_source.reverse.push_tables.SETTLED` says.
        owned: ids of those whom a mirror may delete.
        table: name of the table of customers.
        hidden: columns that the table leaves out or holds as hashes.
        folder: private, for the comparison's files; a temporary one if it is None.

    Raises:
        PlanRefused: if a guard stops it.
    """
    row_guards.check_some(desired.num_rows)
    with (
        tempfile.TemporaryDirectory(prefix="dub_source_plan_") as temporary,
        Comparison(folder or Path(temporary), key=sync.key) as comparison,
    ):
        comparison.desire(desired, default=_DEFAULTS[sync.sync_mode])
        comparison.mirror(mirror)
        comparison.settle(settled if settled is not None else SETTLED.empty_table())
        comparison.own(owned if owned is not None else pa.array([], pa.string()))
        _check_rows(sync, comparison, hidden)
        drafts = [*_updates(sync, comparison), *_creations(sync, comparison)]
        deletes = [*_deletes(sync, comparison)]
        _check_claims(comparison, drafts, deletes)
        _check_absence(sync, comparison, deletes)
        living, unmatched = comparison.living, comparison.unmatched
    row_guards.check_values(drafts)
    guards.check_deletes(
        len(deletes), living=living, max_deletes=sync.max_deletes, max_delete_share=sync.max_delete_share
    )
    creations = sum(each.change.op is Op.CREATE for each in drafts)
    by_row = sum(each.row is not None for each in (*drafts, *deletes))
    drafts += deletes
    its_id = plan_id(sync.name, sync.sync_mode, table, drafts=drafts)
    return Planned(
        sync=sync,
        table=table,
        plan_id=its_id,
        changes=in_order(drafts, plan_id=its_id, allow_swaps=sync.allow_swaps),
        desired=desired.num_rows,
        unchanged=desired.num_rows - by_row - (unmatched - creations),
        unmatched=unmatched - creations,
        living=living,
        passed=_passed(sync, len(deletes), living),
    )


def _check_rows(sync: Sync, comparison: Comparison, hidden: Collection[str]) -> None:
    columns = _compared(sync, comparison)
    if sync.sync_mode == "update" and comparison.updates:
        row_guards.check_writes(columns)
    row_guards.check_columns(columns, sync.key, comparison.mirrored, hidden=hidden)
    row_guards.check_keys(sync.key, missing=comparison.without_key(), repeated=comparison.repeated())
    row_guards.check_ops(
        sync.sync_mode,
        unknown=comparison.with_other_op("update", "create", "delete", EITHER),
        not_deleting=comparison.with_other_op("delete") if sync.sync_mode == "delete" else [],
    )
    if sync.key in comparison.columns:
        row_guards.check_key_column(comparison.other_than_key(sync.key))
    if sync.key == "id":
        row_guards.check_creates(comparison.with_other_op("update", "delete", EITHER))
    row_guards.check_matches(sync.key, comparison.several())


def _compared(sync: Sync, comparison: Comparison) -> list[str]:
    """The columns that an update may change."""
    if not comparison.updates:
        return []
    columns = PLANNED if sync.try_ignored else WRITABLE
    return [each for each in columns if each in comparison.columns and each != sync.key]


def _updates(sync: Sync, comparison: Comparison) -> Iterator[Draft]:
    columns = _compared(sync, comparison)
    settled = comparison.settled()
    for row in comparison.differing(columns, sync.clear_nulls):
        asked = {
            column: row[f"new_{column}"]
            for column in columns
            if row[f"new_{column}"] is not None or column in sync.clear_nulls
        }
        news = {column: value for column, value in asked.items() if _is_news(column, value, row, settled)}
        if "email" in news and asked.get("name") and row["name"] == row["email"]:
            # It may be no name but the email that Dub shows in its place: it would change with the email.
            news["name"] = asked["name"]
        if news:
            yield _draft(row, Op.UPDATE, news, {column: row[column] for column in news})


def _is_news(column: str, asked: str | None, row: Mapping[str, Any], settled: _Settled) -> bool:
    current = row[column]
    if asked == current or (row["id"], column, asked, current) in settled:
        return False
    return not stands(column, asked, current, row=row)


def _creations(sync: Sync, comparison: Comparison) -> Iterator[Draft]:
    if sync.key != "external_id":
        return
    columns = [each for each in comparison.columns if each != sync.key]
    for row in comparison.missing():
        asked = {"external_id": row["key"]}
        asked |= {column: row[column] for column in columns if row[column] is not None}
        # Who had the external id before and was deleted: without it, to create somebody a second time would
        # be the plan that has created the first one.
        version = None if row["last"] is None else str(row["last"])
        change = Change(0, Op.CREATE, None, external_id=row["key"], asked=asked)
        yield Draft(change, row["row"], version)


def _deletes(sync: Sync, comparison: Comparison) -> Iterator[Draft]:
    columns = [each for each in PLANNED if each in comparison.mirrored]
    for row in comparison.named_to_delete():
        yield _draft(row, Op.DELETE, {}, {column: row[column] for column in columns})
    if sync.sync_mode == "mirror":
        for row in comparison.owned_and_absent():
            yield _draft(row, Op.DELETE, {}, {column: row[column] for column in columns})


def _draft(
    row: Mapping[str, Any], op: Op, asked: Mapping[str, str | None], before: Mapping[str, str | None]
) -> Draft:
    observed = row["observed"]
    change = Change(
        number=0,
        op=op,
        customer_id=row["id"],
        external_id=row["external_id"],
        asked=asked,
        before=before,
        observed_at=None if observed is None else EPOCH + timedelta(microseconds=observed),
    )
    return Draft(change, row["row"], row["row_hash"])


def _check_claims(comparison: Comparison, drafts: Sequence[Draft], deletes: Sequence[Draft]) -> None:
    """Nobody asks for what somebody else asks for, too, or has and keeps."""
    changes = {each.change.customer_id: each.change for each in drafts if each.change.customer_id}
    deleted = {each.change.customer_id for each in deletes}
    going = {
        (column, alike(value)): each.change.customer_id or ""
        for each in deletes
        for column in UNIQUE
        if (value := each.change.before.get(column))
    }
    holders, spelled = [], []
    twice: dict[str, list[int]] = {}
    for column in UNIQUE:
        claims: dict[str, list[int]] = defaultdict(list)
        for draft in drafts:
            value = draft.change.asked.get(column)
            if value is not None and draft.row is not None:
                claims[value].append(draft.row)
        twice[column] = [row for rows in claims.values() if len(rows) > 1 for row in rows]
        holders += [
            row_guards.Holder(claims[value][0], column, each, deleted=each in deleted)
            for value, customers in comparison.holders(column, claims).items()
            for each in customers
            if each not in changes or column not in changes[each].asked
        ]
        spelled += [
            row_guards.Holder(rows[0], column, going[column, alike(value)], deleted=True)
            for value, rows in claims.items()
            if going and (column, alike(value)) in going
        ]
    row_guards.check_claims(twice)
    row_guards.check_holders(holders)
    row_guards.check_spelling(spelled)


def _check_absence(sync: Sync, comparison: Comparison, deletes: Sequence[Draft]) -> None:
    """Nobody is deleted for being absent whom a row names in another spelling."""
    absent = {
        _meant(change.external_id if sync.key == "external_id" else change.customer_id): change.customer_id
        for change in (each.change for each in deletes if each.row is None)
    }
    if absent:
        row_guards.check_spelling(
            [
                row_guards.Holder(row["row"], sync.key, customer_id or "", deleted=True)
                for row in comparison.nobodies()
                if (customer_id := absent.get(_meant(row["key"]))) is not None
            ]
        )


def _meant(key: str | None) -> str:
    """Keys that a person may take for one have equal forms."""
    return alike((key or "").strip())


def _passed(sync: Sync, deletes: int, living: int) -> tuple[str, ...]:
    limit = guards.most_deletes(
        living=living, max_deletes=sync.max_deletes, max_delete_share=sync.max_delete_share
    )[0]
    return (
        f"every row has the key {sync.key}, no two have the same, and each names one customer at most",
        "Dub accepts every value",
        "no external id or Stripe id is claimed twice",
        f"deletes: {deletes:,}, and at most {limit:,} are allowed",
    )
