"""The view of which version of a customer was valid when."""

from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import dlt


def create_validity_view(pipeline: "dlt.Pipeline", table: str) -> None:
    """Create ``<table>_validity``, or bring it up to date: every version with its range of validity.

    ``valid_from`` is when the version was seen first, ``valid_to`` when the next one was (null: it still is
    what the customer looks like, or it says that the customer is gone), ``is_current`` marks the newest one.
    A lake of Delta tables has no views.
    """
    schema = pipeline.schemas.get("dub")
    history = f"{table}_history"
    if schema is None or history not in schema.tables:
        return
    columns = [name for name in schema.tables[history]["columns"] if not name.startswith("_dlt")]
    with pipeline.sql_client() as client:
        if not getattr(client, "keeps_views", True):
            return
        quoted = client.escape_column_name
        customer, moment = quoted("id"), quoted("observed_at")
        later = f"lead({moment}) OVER (PARTITION BY {customer} ORDER BY {moment})"
        # The computed columns come first, so that columns that Dub adds can come last: Postgres replaces a
        # view only if what it had before stays where it was.
        query = (
            f"SELECT {quoted('observed_at')} AS {quoted('valid_from')}, {later} AS {quoted('valid_to')}, "
            f"{later} IS NULL AS {quoted('is_current')}, "
            f"{', '.join(map(quoted, columns))} FROM {client.make_qualified_table_name(history)}"
        )
        name = client.make_qualified_table_name(f"{table}_validity")
        try:
            client.execute_sql(f"CREATE OR REPLACE VIEW {name} AS {query}")
        except Exception:  # noqa: BLE001 - some databases cannot replace a view, or not this one
            with suppress(Exception):
                client.execute_sql(f"DROP VIEW {name}")
            client.execute_sql(f"CREATE VIEW {name} AS {query}")
