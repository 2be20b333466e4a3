"""How dlt merges rows of customers and of their history."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import pyarrow as pa

if TYPE_CHECKING:
    import dlt


_OBSERVED = "observed_at"


@runtime_checkable
class MergesNewest(Protocol):
    """A client of dlt whose own merge can leave newer rows as they are."""

    def newest_wins(self, column: str) -> Mapping[str, Any]:
        """The hints of a table that ask for it, by the column with the moment."""


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
    filter does not hold, in the merge itself; where it cannot, the client of the destination does.

    To be made once and given with every table of rows (``dlt.mark.with_hints``): a client of the destination
    takes dlt 25 ms, and the frame that asked for it stays alive, with its rows.

    Args:
        pipeline: where the rows go; None outside of one.
        table: the table of customers.
        strategy: as of :func:`merged`.
    """
    import dlt

    disposition = merged(strategy)
    if pipeline is None:
        return dlt.mark.make_hints(write_disposition=disposition)
    with pipeline.destination_client() as client:
        if isinstance(client, MergesNewest):
            hints = dict(client.newest_wins(_OBSERVED))
            return dlt.mark.make_hints(write_disposition=disposition, additional_table_hints=hints)
    disposition["source_filter"] = _not_older(pipeline, table)
    return dlt.mark.make_hints(write_disposition=disposition)


def _not_older(pipeline: "dlt.Pipeline", table: str) -> str:
    with pipeline.sql_client() as client:
        stored, staged = client.get_qualified_table_names(table)
        key, observed = map(client.escape_column_name, ("id", _OBSERVED))
    return (
        f"{key} NOT IN (SELECT d.{key} FROM {stored} d JOIN {staged} s ON s.{key} = d.{key} "
        f"WHERE d.{observed} > s.{observed})"
    )


def keyed(rows: pa.Table, key: str) -> pa.Table:
    """With a key that is never null, as dlt has it; else it warns about the difference in every load."""
    return rows.cast(pa.schema([field.with_nullable(field.name != key) for field in rows.schema]))
