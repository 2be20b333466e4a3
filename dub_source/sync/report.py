"""What a run found and did, and its row in the table ``sync_runs``."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version

import pyarrow as pa

from dub_source.schedule import Decision
from dub_source.types import ClientStats
from dub_source.walk import Certificate

_TEXT, _NUMBER, _MOMENT = pa.string(), pa.int64(), pa.timestamp("us", tz="UTC")

RUN_SCHEMA = pa.schema(
    [
        pa.field("run_id", _TEXT, nullable=False),
        ("table_name", _TEXT),
        ("status", _TEXT),
        ("error", _TEXT),
        ("mode", _TEXT),
        ("reason", _TEXT),
        ("started_at", _MOMENT),
        ("ended_at", _MOMENT),
        ("requests", _NUMBER),
        ("retries", _NUMBER),
        ("throttled_seconds", pa.float64()),
        ("read", _NUMBER),
        ("created", _NUMBER),
        ("updated", _NUMBER),
        ("deleted", _NUMBER),
        ("refreshed", _NUMBER),
        ("certified", pa.bool_()),
        ("certificate", _TEXT),
        ("unread", _NUMBER),
        ("resumed", pa.bool_()),
        ("baseline", _TEXT),
        ("version", _TEXT),
    ]
)
"""The columns of ``sync_runs``."""


@dataclass(slots=True)
class Report:
    """What a run found and did.

    Attributes:
        run_id: made up for this run.
        decision: what it was and why.
        started_at: UTC. The row's ``ended_at`` is when all had been read: it is loaded with the rest.
        table: the table of customers that it is for.
        baseline: the form of the rows there.
        read: customers read, those that were read again not counted twice in a sweep.
        created: customers that were not in the destination.
        updated: customers whose row differs, or who came back.
        deleted: customers who are gone for sure.
        refreshed: known customers that an incremental run has read again.
        certificate: the outcome of a sweep; None for an incremental run.
        complete: whether nobody was missed that this kind of run looks for.
        unread: customers that nobody can read, as far as this run met them.
        refused: of those who were read, by id, who holds a value that cannot be loaded, and in which column.
            They stay as they were in the destination, and such a run is not complete.
        resumed: whether it went on where a killed one had stopped.
        stats: of the client.
    """

    run_id: str
    decision: Decision
    started_at: datetime
    table: str
    baseline: str
    read: int = 0
    created: int = 0
    updated: int = 0
    deleted: int = 0
    refreshed: int = 0
    certificate: Certificate | None = None
    complete: bool = True
    unread: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    resumed: bool = False
    stats: ClientStats = field(default_factory=ClientStats)

    @property
    def left_out(self) -> int:
        """Customers who exist and are not as they should be in the destination: unread or refused."""
        return self.unread + len(self.refused)

    @property
    def certified(self) -> bool | None:
        """Whether a sweep proves that everybody was read and loaded; None for an incremental run."""
        return None if self.certificate is None else self.certificate.complete and not self.refused

    @property
    def proof(self) -> str:
        """What a sweep proves, in words; nothing for an incremental run."""
        if self.certificate is None:
            return ""
        is_known = self.certificate.complete or self.certificate.unread
        return f"complete except {self.left_out}" if self.refused and is_known else str(self.certificate)

    def refuse(self, refused: Mapping[str, str]) -> None:
        """Take note of customers who cannot be loaded, when ``complete`` says how the reading went."""
        self.refused |= refused
        self.complete = self.complete and not self.refused

    def row(self, *, error: str | None = None) -> pa.Table:
        """The row of ``sync_runs``; ``error`` is the kind of error it failed with, never its words."""
        certificate = self.certificate
        values = {
            "run_id": self.run_id,
            "table_name": self.table,
            "status": "ok" if error is None else "failed",
            "error": error,
            "mode": self.decision.kind,
            "reason": self.decision.reason,
            "started_at": self.started_at,
            "ended_at": datetime.now(UTC),
            "requests": self.stats.requests,
            "retries": self.stats.retries,
            "throttled_seconds": self.stats.throttled_s,
            "read": self.read,
            "created": self.created,
            "updated": self.updated,
            "deleted": self.deleted,
            "refreshed": self.refreshed,
            "certified": self.certified,
            "certificate": None if certificate is None else _as_json(certificate),
            "unread": self.left_out,
            "resumed": self.resumed,
            "baseline": self.baseline,
            "version": version("dub-source"),
        }
        return pa.Table.from_pylist([values], schema=RUN_SCHEMA)


def _as_json(certificate: Certificate) -> str:
    """The certificate in short; its segments as their numbers of rows, in the server's order."""
    return json.dumps(
        {
            "rows": certificate.rows,
            "segments": [segment.rows for segment in certificate.segments],
            "aside": certificate.aside,
            "counted": certificate.counted,
            "unread": certificate.unread,
            "neighbours": list(certificate.neighbours),
        }
    )
