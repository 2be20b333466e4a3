"""The tables of plans in the destination: their columns, and plans, changes and outcomes as rows.

``push_plans`` has a row for each plan, ``push_changes`` one for each change, ``push_log`` one for each change
that an apply has dealt with: its last outcome. Values are JSON texts with sorted names, so that equal values
are equal texts; where somebody was erased they are null.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
import pyarrow as pa

from dub_source.reverse.model import Change, Op, Outcome, Plan, Result, Values

_TEXT, _NUMBER, _MOMENT = pa.string(), pa.int64(), pa.timestamp("us", tz="UTC")

PLAN_SCHEMA = pa.schema(
    [
        pa.field("plan_id", _TEXT, nullable=False),
        ("sync", _TEXT),
        ("sync_mode", _TEXT),
        ("table_name", _TEXT),
        ("created_at", _MOMENT),
        ("changes", _NUMBER),
        ("counts", _TEXT),
        ("desired", _NUMBER),
        ("unchanged", _NUMBER),
        ("unmatched", _NUMBER),
        ("baseline", _TEXT),
        ("requests", _NUMBER),
        ("reverts", _TEXT),
        ("max_age_h", pa.float64()),
        ("remarks", _TEXT),  # a plan of an earlier version has none
    ]
)
CHANGE_SCHEMA = pa.schema(
    [
        pa.field("change_key", _TEXT, nullable=False),
        ("plan_id", _TEXT),
        ("number", _NUMBER),
        ("op", _TEXT),
        ("customer_id", _TEXT),
        ("external_id", _TEXT),
        ("asked", _TEXT),
        ("before", _TEXT),
        ("observed_at", _MOMENT),
        ("chain", _NUMBER),
        ("temporary", pa.bool_()),
    ]
)
LOG_SCHEMA = pa.schema(
    [
        pa.field("change_key", _TEXT, nullable=False),
        ("plan_id", _TEXT),
        ("number", _NUMBER),
        ("customer_id", _TEXT),
        ("op", _TEXT),
        ("result", _TEXT),
        ("status", _NUMBER),
        ("code", _TEXT),
        ("reason", _TEXT),
        ("attempts", _NUMBER),
        ("asked", _TEXT),
        ("answered", _TEXT),
        ("requested_at", _MOMENT),
        ("logged_at", _MOMENT),
    ]
)
SETTLED = pa.schema([("customer_id", _TEXT), ("field", _TEXT), ("asked", _TEXT), ("answered", _TEXT)])
"""What was asked and answered before. Once it was asked and is still asked, and what was answered is still
there, it is no change: an avatar that Dub has stored under an address of its own, an ignored country."""


def change_key(plan_id: str, number: int) -> str:
    """The key of a change in ``push_changes`` and ``push_log``."""
    return f"{plan_id}:{number}"


def as_json(values: Values) -> str:
    """Values as a text; equal values are equal texts."""
    return orjson.dumps(dict(values), option=orjson.OPT_SORT_KEYS).decode()


def plan_rows(plan: Plan, remarks: str | None = None) -> pa.Table:
    """A row of ``push_plans``; ``remarks`` as of :class:`~dub_source.reverse.remarks.Remarks`."""
    row = {name: getattr(plan, name) for name in PLAN_SCHEMA.names if name not in ("table_name", "remarks")}
    row |= {"table_name": plan.table, "counts": orjson.dumps(dict(plan.counts)).decode(), "remarks": remarks}
    return pa.Table.from_pylist([row], schema=PLAN_SCHEMA)


def plans_of(rows: pa.Table) -> Iterator[Plan]:
    """The plans of rows of ``push_plans``."""
    for row in rows.to_pylist():
        row["table"] = row.pop("table_name")
        del row["remarks"]
        row["counts"] = orjson.loads(row["counts"] or "{}")
        yield Plan(**row)


def change_rows(plan_id: str, changes: Sequence[Change]) -> pa.Table:
    """Rows of ``push_changes``."""
    columns: dict[str, list[Any]] = {
        "change_key": [change_key(plan_id, each.number) for each in changes],
        "plan_id": [plan_id] * len(changes),
        "op": [each.op.value for each in changes],
        "asked": [as_json(each.asked) for each in changes],
        "before": [as_json(each.before) for each in changes],
    }
    for name in CHANGE_SCHEMA.names:
        if name not in columns:
            columns[name] = [getattr(each, name) for each in changes]
    return pa.table({name: columns[name] for name in CHANGE_SCHEMA.names}, schema=CHANGE_SCHEMA)


def changes_of(rows: pa.Table) -> Iterator[Change]:
    """The changes of rows of ``push_changes``."""
    names = ("number", "op", "customer_id", "external_id", "asked", "before")
    others = ("observed_at", "chain", "temporary")
    columns = [rows[name].to_pylist() for name in names + others]
    for number, op, customer_id, external_id, asked, before, *rest in zip(*columns, strict=True):
        yield Change(number, Op(op), customer_id, external_id, _values(asked), _values(before), *rest)


def log_rows(
    plan_id: str, outcomes: Sequence[Outcome], planned: Mapping[int, Mapping[str, Any]], now: datetime
) -> pa.Table:
    """Rows of ``push_log``.

    Args:
        plan_id: whose outcomes these are.
        outcomes: each change once.
        planned: by number, ``op``, ``customer_id`` and ``asked`` as ``push_changes`` has them.
        now: when they are logged.
    """
    rows = []
    for each in outcomes:
        change = planned[each.number]
        rows.append(
            {
                "change_key": change_key(plan_id, each.number),
                "plan_id": plan_id,
                "number": each.number,
                "customer_id": each.customer_id or change["customer_id"],
                "op": change["op"],
                "result": each.result.value,
                "status": each.status,
                "code": each.code,
                "reason": each.reason,
                "attempts": each.attempts,
                "asked": change["asked"],
                # What an erasure has taken does not come back with a late outcome.
                "answered": None if change["asked"] is None else as_json(each.answered),
                "requested_at": each.requested_at,
                "logged_at": now,
            }
        )
    return pa.Table.from_pylist(rows, schema=LOG_SCHEMA)


def outcomes_of(rows: pa.Table) -> Iterator[Outcome]:
    """The outcomes of rows of ``push_log``."""
    names = ("number", "customer_id", "status", "code", "reason", "attempts", "requested_at")
    columns = [rows[name].to_pylist() for name in names]
    results, answers = rows["result"].to_pylist(), rows["answered"].to_pylist()
    for result, answered, *rest in zip(results, answers, *columns, strict=True):
        values: dict[str, Any] = dict(zip(names, rest, strict=True))
        yield Outcome(result=Result(result), answered=_values(answered), **values)


def in_effect(row: Mapping[str, Any]) -> bool:
    """Whether a row of ``push_log`` says that something has changed in Dub: a part is enough."""
    if row["result"] != Result.ACCEPTED_NOT_APPLIED.value:
        return bool(row["result"] == Result.APPLIED.value)
    asked, answered = _values(row["asked"]), _values(row["answered"])
    return any(answered.get(column) == value for column, value in asked.items())


def settled_of(rows: pa.Table) -> pa.Table:
    """By customer and field what was asked last, and answered.

    Args:
        rows: ``customer_id``, ``asked`` and ``answered`` of ``push_log``, the oldest first.
    """
    last: dict[tuple[str, str], tuple[str | None, str | None]] = {}
    for customer_id, asked, answered in zip(
        *(rows[name].to_pylist() for name in rows.column_names), strict=True
    ):
        answers = _values(answered)
        for name, value in _values(asked).items():
            if name in answers:
                last[customer_id, name] = value, answers[name]
    found = [(*key, *values) for key, values in last.items()]
    columns = list(zip(*found, strict=True)) or [()] * len(SETTLED)
    return pa.table([pa.array(column, _TEXT) for column in columns], schema=SETTLED)


def _values(text: str | None) -> Values:
    values: Values = orjson.loads(text) if text else {}
    return values
