"""The table of runs."""

from dub_source import table_names
from dub_source.dictionary.model import BIGINT, BOOLEAN, DOUBLE, MOMENT, SECONDS, TEXT, UTC, Column, Table

SYNC_RUNS = Table(
    table_names.SYNC_RUNS,
    "One row for each load, those that failed included.",
    (
        Column("run_id", "Id of the run, made up for it", TEXT, nullable=False),
        Column("table_name", "The table of customers that it was for", TEXT, nullable=False),
        Column("status", "How it ended", TEXT, nullable=False, values=("ok", "failed")),
        Column("error", "Kind of the error that it failed with; null if it did not", TEXT),
        Column(
            "mode",
            "full: everybody was read, and who is gone was found; incremental: what is new was read",
            TEXT,
            nullable=False,
            values=("full", "incremental"),
        ),
        Column("reason", "Why it had that mode", TEXT),
        Column("started_at", "When it began", MOMENT, unit=UTC, nullable=False),
        Column("ended_at", "When everything was read; the rows are loaded after that", MOMENT, unit=UTC),
        Column("requests", "Requests to Dub", BIGINT),
        Column("retries", "Of these, those that were sent again", BIGINT),
        Column("throttled_seconds", "Time spent waiting for Dub's rate limit", DOUBLE, unit=SECONDS),
        Column("read", "Customers that were read", BIGINT),
        Column("created", "Customers who were not in the warehouse", BIGINT),
        Column("updated", "Customers whose row has changed, or who came back", BIGINT),
        Column("deleted", "Customers who are gone for sure", BIGINT),
        Column("refreshed", "Known customers whom an incremental run has read again", BIGINT),
        Column("certified", "Whether it proved that everybody was read; null for incremental runs", BOOLEAN),
        Column("certificate", "The proof in short, as JSON; null for incremental runs", TEXT),
        Column("unread", "Customers who exist and could not be read or loaded", BIGINT),
        Column("resumed", "Whether it went on where a killed run had stopped", BOOLEAN),
        Column("baseline", "The form of the rows: their columns and what was hashed", TEXT),
        Column("version", "The version of dub-source", TEXT),
    ),
    key="run_id",
)
