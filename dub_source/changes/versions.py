"""The history of customers: one row for every version that was seen."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from dub_source.changes.columns import (
    CLOCKS_DIFFER,
    MOMENT,
    SYSTEM_COLUMNS,
    any_true,
    is_field,
    nothing,
    plain,
    with_columns,
)
from dub_source.changes.md5 import md5_texts


def versions(changed: pa.Table, before: pa.Table | None) -> pa.Table:
    """Rows for ``customers_history``.

    ``changed_fields`` are those whose values differ; ``name`` is one of them when only the knowledge changed
    whether Dub makes it up, and ``deleted_at`` when a customer came back. A column that one side lacks is a
    column of nulls there; but where the baselines of a row's two hashes differ, it may just not have been
    loaded, and is not compared. Neither is one that is null for all rows of one baseline.

    Args:
        changed: rows for ``customers``, with ``row_hash``, ``observed_at`` and ``deleted_at``.
        before: the destination's rows of the same customers, in whatever types it gives back; it may lack
            rows, columns, or be None.

    Returns:
        The columns of ``changed``, :data:`SYSTEM_COLUMNS` and :data:`HISTORY_COLUMNS`. An updated row with no
        changed field gives no version.
    """
    changed = _with_system_columns(changed)
    before = pa.table({name: plain(before[name]) for name in before.column_names}) if before else None
    rows_before = (
        pc.index_in(plain(changed["id"]), value_set=plain(before["id"]))
        if before
        else pa.nulls(changed.num_rows, type=pa.int32())
    )
    deleted = changed["deleted_at"].combine_chunks().is_valid()
    known = pc.and_not(rows_before.is_valid(), deleted)
    fields = pa.nulls(changed.num_rows, type=pa.string())
    if before and any_true(known):
        fields = pc.if_else(known, _changed_fields(changed, before.take(rows_before)), None)
    change = pc.if_else(deleted, "deleted", pc.if_else(known, "updated", "created"))
    history = with_columns(
        changed, {"version_key": _version_keys(changed), "change": change, "changed_fields": fields}
    )
    return history.filter(pc.invert(pc.equal(fields, "[]").fill_null(False)))


def deleted_rows(before: pa.Table, gone_at: Mapping[str, datetime]) -> pa.Table:
    """Rows for ``customers`` that say that these customers are gone, with all that was known about them.

    Args:
        before: the destination's rows in full. Rows of other customers are left out.
        gone_at: by id, the start of the request that proved it.

    Returns:
        The rows with ``deleted_at`` and ``observed_at`` at that moment, in plain types; no columns of dlt.
        Where the last observation seems to be a little later, right after it: it was known before.
    """
    ids = plain(before["id"])
    names = [name for name in before.column_names if not name.startswith("_dlt")]
    table = pa.table({name: plain(before[name]) for name in names})
    seen = _with_system_columns(table)["observed_at"].to_pylist()
    moments = pa.array(
        [
            _not_before(gone_at.get(customer_id), last)
            for customer_id, last in zip(ids.to_pylist(), seen, strict=True)
        ],
        type=MOMENT,
    )
    table = with_columns(table, {"observed_at": moments, "deleted_at": moments})
    return _with_system_columns(table.filter(moments.is_valid()))


def _not_before(gone: datetime | None, last: datetime | None) -> datetime | None:
    """When somebody was gone, made consistent with clocks that are known to a second at best."""
    if gone is None or last is None or not timedelta(0) <= last - gone <= CLOCKS_DIFFER:
        return gone
    return last + timedelta(microseconds=1)


def _with_system_columns(table: pa.Table) -> pa.Table:
    """System columns at the end, in their order and types; nulls for those that are missing."""
    return with_columns(
        table,
        {
            name: plain(table[name]).cast(kind)
            if name in table.column_names
            else nothing(table.num_rows, name)
            for name, kind in SYSTEM_COLUMNS.items()
        },
    )


@dataclass(frozen=True, slots=True)
class _Baselines:
    """Which rows can be compared in full, and groups of rows that have another baseline than before."""

    same: pa.Array
    others: list[pa.Array]

    @classmethod
    def of(cls, changed: pa.Table, before: pa.Table) -> "_Baselines":
        now, then = _baseline(changed), _baseline(before)
        same = pc.equal(now, then).fill_null(False)
        # Null, from before there were hashes, is a baseline as any other.
        then = then.fill_null("")
        groups = [pc.and_not(pc.equal(then, each), same) for each in then.unique()]
        return cls(same, [group for group in groups if any_true(group)])


def _baseline(table: pa.Table) -> pa.Array:
    if "row_hash" not in table.column_names:
        return pa.nulls(table.num_rows, type=pa.string())
    return pc.replace_substring_regex(plain(table["row_hash"]), pattern="-[^-]*$", replacement="")


def _changed_fields(changed: pa.Table, before: pa.Table) -> pa.Array:
    """For each row the names of the columns that differ, as a JSON list; ``before`` has the same rows."""
    baselines = _Baselines.of(changed, before)
    names = {name for name in (*changed.column_names, *before.column_names) if is_field(name)}
    # The empty text: Arrow 26 leaves out rows whose parts are all null.
    found = [pa.array([""] * changed.num_rows)]
    for name in sorted(names | {"deleted_at"}):
        if name == "deleted_at":
            differs = _came_back(before)
        else:
            differs = _differs(name, changed, before, baselines)
            if name == "name":
                # Where names are not loaded, it is not known which ones are made up.
                generated = _differs("name_generated", changed, before, baselines, loaded_with="name")
                differs = pc.or_(differs, generated)
        if any_true(differs):
            found.append(pc.if_else(differs, f", {json.dumps(name)}", None))
    listed = pc.binary_join_element_wise(*found, "", null_handling="skip")
    return pc.binary_join_element_wise("[", pc.utf8_slice_codeunits(listed, len(", ")), "]", "")


def _came_back(before: pa.Table) -> pa.Array:
    if "deleted_at" not in before.column_names:
        return pa.array([False] * before.num_rows)
    return plain(before["deleted_at"]).is_valid()


def _differs(
    name: str, changed: pa.Table, before: pa.Table, baselines: _Baselines, *, loaded_with: str | None = None
) -> pa.Array:
    now, then = (_column(table, name) for table in (changed, before))
    now, then = _of_one_type(now, then)
    equal = pc.or_(pc.equal(now, then).fill_null(False), pc.and_(now.is_null(), then.is_null()))
    differs = pc.invert(equal)
    sides = [
        _column(table, each).is_valid() for table in (changed, before) for each in (name, loaded_with or name)
    ]
    for group in baselines.others:
        if not all(any_true(pc.and_(group, side)) for side in sides):
            differs = pc.and_not(differs, group)
    return differs


def _column(table: pa.Table, name: str) -> pa.Array:
    return plain(table[name]) if name in table.column_names else pa.nulls(table.num_rows)


def _of_one_type(now: pa.Array, then: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Both in the type of what was read now, or as texts where a value from before cannot be that."""
    if pa.types.is_null(now.type):
        return now.cast(then.type), then
    try:
        return now, then.cast(now.type, safe=False)
    except pa.ArrowException:
        return now.cast(pa.string()), then.cast(pa.string())


def _version_keys(table: pa.Table) -> pa.Array:
    """The same for the same version of a customer, so that a version that is loaded twice is there once."""
    ids = plain(table["id"])
    parts = (
        pc.utf8_length(ids).cast(pa.string()),
        ids,
        pc.fill_null(plain(table["row_hash"]), ""),
        pc.fill_null(plain(table["observed_at"]).cast(pa.int64()).cast(pa.string()), "None"),
        pc.if_else(plain(table["deleted_at"]).is_valid(), "deleted", ""),
    )
    return md5_texts(pc.binary_join_element_wise(*parts, ":").cast(pa.binary()))
