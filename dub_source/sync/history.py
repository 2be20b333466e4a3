"""Versions of customers for the table of their history.

History is compared with history: a row becomes a version if it differs from the newest version there. So a
run may be killed between the two tables, whichever came first, and repeated as often as needed: what is
there already is not added again, and what is missing is.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dub_source.changes import versions
from dub_source.sync.mirror import KNOWN, Mirror
from dub_source.sync.options import BASELINE_LENGTH

_ROWS = 5_000
_STAMP = KNOWN.names


def new_versions(changed: pa.Table, mirror: Mirror, *, hashed: Collection[str] = ()) -> Iterator[pa.Table]:
    """The versions that rows which are about to be written make.

    Args:
        changed: rows of ``customers``, each customer once.
        mirror: the destination before they are written.
        hashed: columns that hold hashes. Those that were made with another key tell nothing.

    Yields:
        Rows of ``customers_history``; before them, those that a killed run still owes it.
    """
    ids = changed["id"].to_pylist()
    latest = _comparable(mirror.latest_versions(ids), changed, hashed)
    owed = mirror.rows(_owed(mirror.known_of(ids), latest))
    if owed.num_rows:
        yield versions(owed, latest)
        latest = _with(latest, owed)
    yield versions(_not_gone_already(_not_older(changed, latest), latest), latest)


def owed_versions(astray: Sequence[str], mirror: Mirror, *, seen_at: datetime) -> Iterator[pa.Table]:
    """The versions that killed runs owe to the history of customers who have not changed since.

    Args:
        astray: those customers.
        mirror: the destination.
        seen_at: when they were seen to be as they are stored.
    """
    for start in range(0, len(astray), _ROWS):
        ids = astray[start : start + _ROWS]
        rows, latest = mirror.rows(ids), mirror.latest_versions(ids)
        is_owed = pc.is_in(rows["id"], pa.array(_owed(rows, latest), pa.string()))
        yield versions(rows.filter(is_owed), latest)
        # The others are as stored although the history has something newer: they have changed back.
        back = _not_gone_already(rows.filter(pc.invert(is_owed)), latest)
        position = back.column_names.index("observed_at")
        moments = pa.repeat(pa.scalar(seen_at, back.schema.field(position).type), back.num_rows)
        yield versions(_not_older(back.set_column(position, "observed_at", moments), latest), latest)


def _comparable(latest: pa.Table, changed: pa.Table, hashed: Collection[str]) -> pa.Table:
    """The newest versions; those of another form without what was hashed with another key, or not at all."""
    if not latest.num_rows or not changed.num_rows:
        return latest
    form = changed["row_hash"][0].as_py()[:BASELINE_LENGTH]
    same = pc.fill_null(pc.starts_with(latest["row_hash"], form), False)
    others = latest.filter(pc.invert(same))
    if not others.num_rows:
        return latest
    others = _with_nameless_alike(others, changed)
    others = others.drop_columns(
        [name for name in others.column_names if any(_is_of(name, each) for each in hashed)]
    )
    return pa.concat_tables([latest.filter(same), others], promote_options="default")


def _with_nameless_alike(others: pa.Table, changed: pa.Table) -> pa.Table:
    """Dub shows the email of who has no name as the name; a form without emails has null in its place."""
    now = changed.take(pc.index_in(others["id"], value_set=changed["id"]))
    if "name" not in others.column_names or "name" not in now.column_names:
        return others

    def is_email(rows: pa.Table) -> Any:
        if "email" not in rows.column_names:
            return pa.scalar(False)
        return pc.fill_null(pc.equal(rows["name"], rows["email"]), False)

    alike = pc.or_(
        pc.and_(is_email(others), pc.is_null(now["name"])),
        pc.and_(is_email(now), pc.is_null(others["name"])),
    )
    name = pc.if_else(alike, now["name"], others["name"])
    return others.set_column(others.column_names.index("name"), "name", name)


def _is_of(column: str, name: str) -> bool:
    """Whether a column is the one of this name, or one of the object of this name."""
    return column == name or column.startswith(f"{name}__")


def _not_older(rows: pa.Table, latest: pa.Table) -> pa.Table:
    """Without rows that another load has overtaken: they do not come into the table of customers either."""
    newest = latest["observed_at"].take(pc.index_in(rows["id"], value_set=latest["id"]))
    return rows.filter(pc.fill_null(pc.greater_equal(rows["observed_at"], newest), True))


def _not_gone_already(rows: pa.Table, latest: pa.Table) -> pa.Table:
    """Without customers whose newest version says already that they are gone."""
    gone = latest.filter(pc.is_valid(latest["deleted_at"]))["id"]
    return rows.filter(pc.invert(pc.and_(pc.is_valid(rows["deleted_at"]), pc.is_in(rows["id"], gone))))


def _owed(rows: pa.Table, latest: pa.Table) -> list[str]:
    """Customers whose stored row is newer than their newest version, and another one."""
    newest = {version["id"]: version for version in latest.select(_STAMP).to_pylist()}
    return [row["id"] for row in rows.select(_STAMP).to_pylist() if _is_owed(row, newest.get(row["id"]))]


def _is_owed(row: dict[str, Any], version: dict[str, Any] | None) -> bool:
    if row["row_hash"] is None:  # loaded by a release that kept no history
        return False
    if version is None or version["row_hash"] is None or version["observed_at"] is None:
        return True
    # Rows of another form than their newest version have been rewritten, not changed.
    return (
        row["row_hash"] != version["row_hash"]
        or (row["deleted_at"] is None) != (version["deleted_at"] is None)
    ) and (
        row["row_hash"][:BASELINE_LENGTH] == version["row_hash"][:BASELINE_LENGTH]
        and row["observed_at"] > version["observed_at"]
    )


def _with(latest: pa.Table, newer: pa.Table) -> pa.Table:
    """The newest versions after some more of them."""
    others = latest.filter(pc.invert(pc.is_in(latest["id"], newer["id"])))
    return pa.concat_tables([others, newer], promote_options="default")
