"""Which customers are gone, with evidence, and whether that may be believed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from dub_source.by_id import ById
from dub_source.changes import VanishLimit, deleted_rows
from dub_source.client import DubClient
from dub_source.sync.mirror import Mirror

_ROWS = 5_000
_ALONE = 10
"""Known customers that are asked for one by one if none of the sample can be shown."""


@dataclass(slots=True)
class Gone:
    """Customers who are gone, with the time of the request that proved it."""

    proven: dict[str, datetime] = field(default_factory=dict)

    def rows(self, mirror: Mirror) -> Iterator[pa.Table]:
        """Their rows in full, marked as deleted."""
        ids = list(self.proven)
        for start in range(0, len(ids), _ROWS):
            yield _marked(ids[start : start + _ROWS], mirror, self.proven)


def _marked(ids: list[str], mirror: Mirror, proven: Mapping[str, datetime]) -> pa.Table:
    """Customers as they were last seen: their rows, or what a run killed since has left in the history.

    If that says already that they are gone, its proof counts, so that both tables say the same. Whom another
    load has marked meanwhile is left out.
    """
    rows, known, versions = mirror.rows(ids), mirror.known_of(ids), mirror.latest_versions(ids)
    stored = known["observed_at"].take(pc.index_in(versions["id"], value_set=known["id"]))
    versions = versions.filter(pc.fill_null(pc.greater(versions["observed_at"], stored), True))
    living = pc.is_null(versions["deleted_at"])
    gone, versions = versions.filter(pc.invert(living)), versions.filter(living)
    marked = known.filter(pc.is_valid(known["deleted_at"]))
    rows = rows.filter(pc.invert(pc.is_in(rows["id"], value_set=marked["id"])))
    older = pc.is_in(rows["id"], value_set=versions["id"])
    last_seen = pa.concat_tables(
        [
            rows.filter(pc.invert(older)),
            versions.select([name for name in rows.column_names if name in versions.column_names]),
        ],
        promote_options="default",
    )
    first = dict(zip(gone["id"].to_pylist(), gone["deleted_at"].to_pylist(), strict=True))
    return deleted_rows(last_seen, {**proven, **first})


def check_workspace(client: DubClient, sample: list[str], *, known: int, limit: VanishLimit) -> None:
    """Make sure that this is the workspace of the customers that the destination has.

    Args:
        client: asks Dub.
        sample: some of these customers.
        known: how many there are.
        limit: may allow that all of them are gone.

    Raises:
        OtherWorkspace: if none of the sample exists.
    """
    alive = how_many_there(client, sample)
    limit.check_workspace(known=known, alive=alive)


def how_many_there(client: DubClient, sample: Sequence[str]) -> int:
    """How many of these customers are in the key's workspace; those that Dub cannot show are.

    Exact only where it is 0, or nearly.
    """
    by_id = ById(client)
    alive = sum(len(page.customers) for page in by_id.present(sample))
    if not alive:
        # Perhaps they are there, but cannot be shown.
        found = list(by_id.read(sample[:_ALONE]))
        alive = sum(len(again.page.customers) + len(again.unreadable) for again in found)
    return alive


def confirm(by_id: ById, missing: list[str], *, known: int, limit: VanishLimit, control: str | None) -> Gone:
    """Ask for every customer that a certified sweep should have met and did not.

    Args:
        by_id: asks.
        missing: those customers; all were known before the sweep began.
        known: customers who were known then.
        limit: how many may be missing; they are asked for only if it is not exceeded.
        control: somebody whom the sweep has met.

    Raises:
        TooManyVanished: if the limit is exceeded.
    """
    limit.check(known=known, vanished=len(missing))
    gone = Gone()
    for answer in by_id.gone(missing, control=control):
        gone.proven |= dict.fromkeys(answer.ids, answer.requested_at)
    return gone
