"""Removing what the warehouse and this machine keep of persons who were deleted in Dub.

An erasure is a plan of deletes (``sync_mode`` erase). Before it is applied, ``erasures`` gets a row for each
customer, and keeps it: a hash of the id, which plan, when, and how many rows of which table held something.
As long as ``erased_at`` is null there, somebody has said yes and it is not done: whichever erasure comes next
goes on with it, after a kill too, and on another machine.

The history goes last. It has every value that a customer ever had, so until then somebody who repeats the
request finds the same customers.
"""

import hashlib
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dlt
import orjson
import pyarrow as pa

from dub_source.destinations import Opened
from dub_source.destinations.locks import kept_open
from dub_source.destinations.sql_rows import Place
from dub_source.destinations.sql_tables import SqlTables, chunks, placeholders
from dub_source.extraction import spool_folder
from dub_source.reverse.counting import counts, requests
from dub_source.reverse.drafts import Draft, plan_id
from dub_source.reverse.journal import scrub_journals
from dub_source.reverse.model import ERASE, IN_EFFECT, Change, Op, Outcome, Plan, Result
from dub_source.reverse.persons import Person
from dub_source.reverse.push_tables import change_key
from dub_source.reverse.store import PushStore
from dub_source.table_names import ERASURES, HISTORY_SUFFIX, PUSH_CHANGES, PUSH_LOG, history_of

ERASURE_SCHEMA = pa.schema(
    [
        pa.field("erasure_key", pa.string(), nullable=False),
        ("customer_sha256", pa.string()),
        ("plan_id", pa.string()),
        ("begun_at", pa.timestamp("us", tz="UTC")),
        ("erased_at", pa.timestamp("us", tz="UTC")),
        ("removed", pa.string()),
    ]
)

_GIVEN_UP = "It asked for a value of somebody who was erased."
_CLEARED = {PUSH_CHANGES: ("external_id", "asked", "before"), PUSH_LOG: ("asked", "answered")}


def erase_plan(persons: Sequence[Person], *, table: str, nobodies: int) -> tuple[Plan, list[Change]]:
    """The plan that deletes persons, made and stored without any of their values.

    Those who are deleted already are in it, too: Dub is asked whether that is so, and whoever goes on after a
    kill knows of them. The same persons give the same plan.

    Args:
        persons: each once.
        table: of customers.
        nobodies: how many names were nobody's.

    Returns:
        The plan, to be completed with ``created_at`` and ``baseline``, and its changes.
    """
    ids = sorted(each.customer_id for each in persons)
    changes = [Change(number, Op.DELETE, customer_id) for number, customer_id in enumerate(ids)]
    made = Plan(
        plan_id=plan_id(ERASE, ERASE, table, drafts=[Draft(each) for each in changes]),
        sync=ERASE,
        sync_mode=ERASE,
        table=table,
        created_at=datetime.min.replace(tzinfo=UTC),
        changes=len(changes),
        counts=counts(changes),
        desired=0,
        unchanged=0,
        unmatched=nobodies,
        baseline="",
        requests=requests(changes),
    )
    return made, changes


def customer_hash(customer_id: str) -> str:
    """By what ``erasures`` knows a customer: the SHA-256 of the id, in hexadecimal digits."""
    return hashlib.sha256(customer_id.encode()).hexdigest()


class Erasing:
    """Removes persons from one warehouse and from this machine. Repeating any of it does no harm."""

    def __init__(
        self,
        pipeline: dlt.Pipeline,
        opened: Opened,
        store: PushStore,
        journals: Path,
        *,
        clock: Callable[[], datetime],
    ) -> None:
        """Prepare.

        Args:
            pipeline: of the warehouse.
            opened: its target.
            store: plans and customers there.
            journals: the folder of journals of applies.
            clock: the time, UTC.
        """
        self._pipeline = pipeline
        self._store = store
        self._journals = journals
        self._clock = clock
        self._rows = opened.storage.rows(pipeline)

    # What was begun

    def pending(self) -> list[str]:
        """Plans of erasures that were begun and are not done."""
        return sorted({plan for plan, _, _ in self._waiting()})

    def begin(self, plan: str, ids: Iterable[str]) -> None:
        """Note that these customers are to be erased. Call it before anything is sent."""
        if plan in self.pending():
            return
        now = self._clock()
        rows = [
            {
                "erasure_key": f"{plan}:{customer_hash(each)}:{now.isoformat()}",
                "customer_sha256": customer_hash(each),
                "plan_id": plan,
                "begun_at": now,
            }
            for each in ids
        ]
        self._store.save_rows(ERASURES, "erasure_key", pa.Table.from_pylist(rows, schema=ERASURE_SCHEMA))

    def finish(self, plan: str, outcomes: Mapping[str, Result | None]) -> None:
        """Note what is done. Call it after everything else.

        Args:
            plan: which.
            outcomes: of its customers. One who was left alone for good is not to be erased any more, one who
                is still waiting is.
        """
        with kept_open(self._pipeline):
            keys = self._keys(plan, outcomes)
            gone = [key for each, key in keys.items() if outcomes[each] in IN_EFFECT]
            go_on = (*IN_EFFECT, Result.NOT_ATTEMPTED, None)
            left = [key for each, key in keys.items() if outcomes[each] not in go_on]
            for place in self._places(ERASURES):
                self._rows.update(place, {"erased_at": self._clock()}, "erasure_key", gone)
                self._rows.delete(place, "erasure_key", left)

    def _keys(self, plan: str, ids: Iterable[str]) -> dict[str, str]:
        """The keys of the rows of ``erasures`` that are not done, by customer; of those who have one."""
        by_hash = {hashed: key for its_plan, hashed, key in self._waiting() if its_plan == plan}
        hashes = {each: customer_hash(each) for each in ids}
        return {each: by_hash[hashed] for each, hashed in hashes.items() if hashed in by_hash}

    def _waiting(self) -> Iterator[tuple[str, str, str]]:
        """What is not done: plan, hash of the customer, key of the row."""
        tables = SqlTables(self._pipeline, {"erasures": ERASURES}, called="What is stored of erasures")
        if not tables.columns["erasures"]:
            return
        schema = pa.schema(
            [ERASURE_SCHEMA.field(name) for name in ("plan_id", "customer_sha256", "erasure_key")]
        )
        query = "SELECT {plan_id}, {customer_sha256}, {erasure_key} FROM {ERASURES} WHERE {erased_at} IS NULL"
        for rows in tables.read(schema, query):
            yield from zip(*(rows[name].to_pylist() for name in schema.names), strict=True)

    # Removing

    def remove(self, plan: str, ids: Sequence[str], idle: Mapping[str, Collection[int]]) -> Counter[str]:
        """Remove the values of customers who do not exist any more.

        Args:
            plan: that has deleted them.
            ids: of these customers.
            idle: changes that ask for their values and are not in effect: by plan, the numbers.

        Returns:
            How many rows of which table held something.
        """
        with kept_open(self._pipeline):
            self._give_up(idle)
            keys = self._change_keys(ids)
            keys |= {change_key(each, number): "" for each, numbers in idle.items() for number in numbers}
            removed = self._note(plan, ids, keys)
            scrub_journals(self._journals, set(ids), keys)
            # Rows that a killed sweep has read; the next one reads them again.
            shutil.rmtree(spool_folder(self._pipeline), ignore_errors=True)
            for table, columns in _CLEARED.items():
                for place in self._places(table):
                    self._rows.update(place, dict.fromkeys(columns), "change_key", list(keys))
            places = self._places(*self._customer_tables())
            for place in sorted(
                places, key=lambda each: (not each.staging, each.table.endswith(HISTORY_SUFFIX))
            ):
                self._rows.delete(place, "id", ids)
            return removed

    def _give_up(self, idle: Mapping[str, Collection[int]]) -> None:
        """Plans do not ask Dub any more for what is about to be removed from them."""
        for plan, numbers in idle.items():
            done = self._store.outcomes(plan)
            waiting = [
                Outcome(number, Result.REJECTED, reason=_GIVEN_UP)
                for number in numbers
                if number not in done or done[number].result is Result.NOT_ATTEMPTED
            ]
            if waiting:
                self._store.save_outcomes(plan, waiting)

    def _change_keys(self, ids: Sequence[str]) -> dict[str, str]:
        """All changes that concern these customers, in any plan, with the customer."""
        parts = {"changes": PUSH_CHANGES, "log": PUSH_LOG}
        tables = SqlTables(self._pipeline, parts, called="What is stored of plans")
        schema = pa.schema([("change_key", pa.string()), ("customer_id", pa.string())])
        found: dict[str, str] = {}
        for part in parts:
            for some in chunks(ids) if tables.columns[part] else ():
                for rows in tables.read(
                    schema,
                    f"SELECT {{change_key}}, {{customer_id}} FROM {{{part.upper()}}} "
                    f"WHERE {{customer_id}} IN ({placeholders(some)})",
                    *some,
                ):
                    found |= dict(zip(*(rows[name].to_pylist() for name in schema.names), strict=True))
        return found

    def _note(self, plan: str, ids: Sequence[str], keys: Mapping[str, str]) -> Counter[str]:
        """Count what is about to be removed, and note it, unless that was done before a kill."""
        held: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for place in self._places(*self._customer_tables(), *_CLEARED):
            by_change = place.table in _CLEARED
            column = "change_key" if by_change else "id"
            counted = self._rows.count(place, column, list(keys) if by_change else ids)
            for value, number in counted.items():
                held[keys[value] if by_change else value][place.table] += number
        by_text: defaultdict[str, list[str]] = defaultdict(list)
        for customer_id, key in self._keys(plan, ids).items():
            text = orjson.dumps(dict(held[customer_id]), option=orjson.OPT_SORT_KEYS).decode()
            by_text[text].append(key)
        for place in self._places(ERASURES):
            for text, their_keys in by_text.items():
                self._rows.update(place, {"removed": text}, "erasure_key", their_keys, where_null="removed")
        return sum(held.values(), Counter())

    def _customer_tables(self) -> list[str]:
        """All tables of customers and their histories: also those of a filter, or under another name."""
        schema = self._pipeline.schemas.get("dub")
        tables: Mapping[str, Any] = schema.tables if schema is not None else {}
        found = [name for name, table in tables.items() if {"id", "row_hash"} <= table["columns"].keys()]
        return sorted({*found, self._store.table, history_of(self._store.table)})

    def _places(self, *tables: str) -> list[Place]:
        return self._rows.places(tables)
