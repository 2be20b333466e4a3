"""What is new among the rows that were read: an embedded DuckDB remembers what the warehouse knows.

Two tables, both only added to: ``known``, what the destination holds, and ``met``, what this run has read so
far. A batch is compared with both, and the newest observation of a customer decides. Measured: 25 ms for a
batch of 10,000 against a million known customers, whose ids come in no order.

Ids and hashes are compared as 128-bit numbers: three times as fast as their texts, a third of the memory.
"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.compute as pc

from dub_source.changes.columns import MOMENT, nothing, plain, with_columns
from dub_source.changes.row_hash import row_hashes
from dub_source.changes.scratch import ScratchDatabase

_FOLDER = "diff"
_MEMORY = "128MB"

# The number types are DuckDB's own choice, which it has changed before.
_TABLES = """
    CREATE TABLE known AS
        SELECT md5_number('') AS key, md5_number('') AS hash, 0::BIGINT AS observed, false AS gone, '' AS id
        LIMIT 0;
    CREATE TABLE met AS SELECT key, hash, observed, 0::BIGINT AS turn FROM known LIMIT 0;
    CREATE TEMP TABLE batch AS SELECT 0::BIGINT AS number, key, hash, observed FROM known LIMIT 0;
"""
_KNOW = """
    INSERT INTO known
    SELECT md5_number(id), md5_number(row_hash), coalesce(observed, 0), gone, id FROM arriving
"""
_TAKE = """
    INSERT INTO batch
    SELECT number, md5_number(id) AS key, md5_number(row_hash), observed FROM arriving
"""
# Of a customer that is twice in a batch, the newest observation; of equally new ones, the last. (It takes
# 5 ms for 10,000 rows, and is hardly ever needed.)
_TAKE_ONE_OF_EACH = f"""
    {_TAKE}
    QUALIFY row_number() OVER (PARTITION BY key ORDER BY observed DESC, number DESC) = 1
"""
# The batch is the small side of both joins; `known` and `met` are read once, and never sorted. Of equally new
# observations, what was read last counts: `known` first, then batch by batch.
_CHANGED = """
    WITH earlier AS (
        SELECT key, hash, gone, observed, 0 AS turn FROM known SEMI JOIN batch USING (key)
        UNION ALL
        SELECT key, hash, false, observed, turn FROM met SEMI JOIN batch USING (key)
    ),
    newest AS (
        SELECT key, max(observed) AS observed,
            arg_max({'hash': hash, 'gone': gone}, observed * 1_000_000_000::HUGEINT + turn) AS last
        FROM earlier GROUP BY key
    )
    SELECT number FROM batch LEFT JOIN newest USING (key)
    WHERE newest.key IS NULL
        OR (batch.observed >= newest.observed AND (last.gone OR last.hash IS DISTINCT FROM batch.hash))
    ORDER BY number
"""
_VANISHED = """
    SELECT DISTINCT id FROM known ANTI JOIN met USING (key) WHERE NOT gone AND observed < ? ORDER BY id
"""


class Diff:
    """Finds the rows that differ from what is known. A context manager; not for several threads at once.

    Holds ids, hashes and moments, in files that are removed with it; DuckDB's memory is bounded at 128 MB for
    any number of customers.

    Args:
        folder: made if it is missing. What an earlier diff left there is removed.
        baseline: what is loaded and in which form (:mod:`dub_source.changes.row_hash`).
        started_at: the moment before the first request of this run.

    Attributes:
        knows_nobody: whether the destination holds no row that was taken in.
    """

    def __init__(self, folder: Path, *, baseline: str, started_at: datetime) -> None:
        self._baseline = baseline
        self._turn = 0
        self.knows_nobody = True
        self._started_us = _microseconds(started_at)
        self._database = ScratchDatabase(folder / _FOLDER, memory=_MEMORY)
        self._database.execute(_TABLES)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove what was remembered."""
        self._database.close()

    def know(self, known: pa.Table) -> None:
        """Take in rows of the destination; those of a batch's customers before that batch.

        Args:
            known: columns ``id``, ``row_hash``, ``observed_at``, ``deleted_at``. A row without a hash, from
                before there were any, differs from everything; without a moment it is older than everything.
        """
        self.knows_nobody = self.knows_nobody and not known.num_rows
        self._database.take(
            _KNOW,
            pa.table(
                {
                    "id": plain(known["id"]),
                    "row_hash": plain(known["row_hash"]),
                    "observed": plain(known["observed_at"]).cast(MOMENT).cast(pa.int64()),
                    "gone": plain(known["deleted_at"]).is_valid(),
                }
            ),
        )

    @property
    def alive(self) -> int:
        """How many customers are known and not known to be deleted."""
        return self._count("SELECT DISTINCT key FROM known WHERE NOT gone")

    @property
    def met(self) -> int:
        """How many customers this run has read so far."""
        return self._count("SELECT DISTINCT key FROM met")

    @property
    def created(self) -> int:
        """How many customers this run has read so far that were not known."""
        return self._count("SELECT DISTINCT key FROM met ANTI JOIN known USING (key)")

    def see(self, ids: Sequence[str]) -> None:
        """Count customers as met whom the first part of this run, killed since, has read and compared."""
        self._database.take(
            "INSERT INTO met SELECT md5_number(id), NULL, 0, 0 FROM arriving",
            pa.table({"id": pa.array(ids, type=pa.string())}),
        )

    def pass_over(self, ids: Sequence[str]) -> None:
        """Those of them who are known count as met, although nothing can be said about their rows."""
        self._database.take(
            "INSERT INTO met SELECT DISTINCT key, NULL, 0, 0 FROM arriving "
            "JOIN known ON known.key = md5_number(arriving.id)",
            pa.table({"id": pa.array(ids, type=pa.string())}),
        )

    def changed(self, batch: pa.Table) -> pa.Table:
        """The rows that are new, differ from the last observation, or come back; all of them count as met.

        Args:
            batch: fields, ``name_generated`` and ``observed_at``; a customer may be in it more than once, and
                in other batches, too.

        Returns:
            Those rows in their order, each customer once, with ``row_hash`` set and ``deleted_at`` null; none
            that is older than what is known.
        """
        result = self.differing(batch)
        self._turn += 1
        self._database.execute("INSERT INTO met SELECT key, hash, observed, ? FROM batch", [self._turn])
        return result

    def differing(self, batch: pa.Table) -> pa.Table:
        """What :meth:`changed` would return, without remembering anything: to look closer at those first."""
        hashes, ids = row_hashes(batch, self._baseline), plain(batch["id"])
        arriving = pa.table(
            {
                "number": pa.array(range(batch.num_rows), type=pa.int64()),
                "id": ids,
                "row_hash": hashes,
                "observed": plain(batch["observed_at"]).cast(MOMENT).cast(pa.int64()),
            }
        )
        self._database.execute("DELETE FROM batch")
        distinct = pc.count_distinct(ids).as_py() == len(ids)
        self._database.take(_TAKE if distinct else _TAKE_ONE_OF_EACH, arriving)
        rows = [number for (number,) in self._database.execute(_CHANGED).fetchall()]
        columns = {"row_hash": hashes, "deleted_at": nothing(batch.num_rows, "deleted_at")}
        return with_columns(batch, columns).take(pa.array(rows, type=pa.int64()))

    def vanished(self) -> list[str]:
        """Ids, in order, of who is known to be alive, was last observed before this run, and was not met."""
        found = self._database.execute(_VANISHED, [self._started_us]).fetchall()
        return [customer_id for (customer_id,) in found]

    def _count(self, distinct: str) -> int:
        # Not count(DISTINCT ...): that one does not use the disk when there is no memory left.
        row = self._database.execute(f"SELECT count(*) FROM ({distinct})").fetchone()  # noqa: S608
        return int(row[0]) if row else 0


def _microseconds(moment: datetime) -> int:
    microseconds: int = pa.scalar(moment, type=MOMENT).cast(pa.int64()).as_py()
    return microseconds
