"""How dlt merges rows of customers and of their history."""

from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    import dlt


def merged(strategy: str) -> Any:
    """The write disposition of rows that replace those with the same key.

    Args:
        strategy: dlt's ``upsert`` or ``delete-insert``.
    """
    return {"disposition": "merge", "strategy": strategy}


def added(strategy: str) -> Any:
    """The write disposition of rows that never change: one that is there already is left alone."""
    return {"disposition": "merge", "strategy": "insert-only" if strategy == "upsert" else strategy}


def newest_wins(pipeline: "dlt.Pipeline | None", table: str, strategy: str) -> Any:
    """A hint for rows of customers: an older observation never overwrites a newer one.

    Another load may have brought the newer one meanwhile. dlt discards staged rows for which its source
    filter does not hold, in the merge itself.

    To be made once and given with every table of rows (``dlt.mark.with_hints``): a client of the destination
    takes dlt 25 ms, and the frame that asked for it stays alive, with its rows.

    Args:
        pipeline: where the rows go; None outside of one.
        table: the table of customers.
        strategy: as of :func:`merged`.
    """
    import dlt

    disposition = merged(strategy)
    if pipeline is not None:
        with pipeline.sql_client() as client:
            stored, staged = client.get_qualified_table_names(table)
            key, observed = map(client.escape_column_name, ("id", "observed_at"))
        disposition["source_filter"] = (
            f"{key} NOT IN (SELECT d.{key} FROM {stored} d JOIN {staged} s ON s.{key} = d.{key} "
            f"WHERE d.{observed} > s.{observed})"
        )
    return dlt.mark.make_hints(write_disposition=disposition)


def keyed(rows: pa.Table, key: str) -> pa.Table:
    """With a key that is never null, as dlt has it; else it warns about the difference in every load."""
    return rows.cast(pa.schema([field.with_nullable(field.name != key) for field in rows.schema]))
