"""What Dub has answered to changes, as rows for the warehouse: at once, so that the next load finds no news.

It is a small incremental run whose pages are Dub's answers: the same code finds out which names Dub makes up,
hides columns, hashes rows, and compares them with what is stored.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dub_source.by_id import ById
from dub_source.changes import Diff
from dub_source.client import DubClient
from dub_source.generated_names import GeneratedNames
from dub_source.reverse.form import Form
from dub_source.reverse.store import Written
from dub_source.reverse.stored import Stored
from dub_source.sync.history import new_versions
from dub_source.sync.intake import Intake
from dub_source.sync.vanished import Gone
from dub_source.types import Page


def write_through(
    client: DubClient,
    store: Stored,
    form: Form,
    folder: Path,
    *,
    answers: Sequence[Page],
    gone: Mapping[str, datetime],
) -> Written:
    """Rows that say what Dub has answered, and only those that differ from what is stored.

    Reads again whom Dub has not shown in full: who was created just now, 100 a request, and who has no email,
    for the name may be made up.

    Args:
        client: of the workspace.
        store: what the destination has.
        form: of the rows there.
        folder: private; for files of this call.
        answers: customers as Dub answered them, each in one page; ``requested_at`` on our clock.
        gone: ids of customers who do not exist any more, with the moment of the proof on Dub's clock.

    Returns:
        Rows for ``customers`` and their versions for ``customers_history``.

    Raises:
        RequestError: if somebody could not be read again.
        DestinationError: if the destination could not be read.
    """
    pages = [page for page in answers if not gone.keys() & {each["id"] for each in page.customers}]
    tables = [*_changed(client, store, form, folder, pages), *_deleted(store, gone)]
    rows = [table for table in tables if table.num_rows]
    if not rows:
        return Written()
    customers = pa.concat_tables(rows, promote_options="default")
    versions = [
        version
        for version in new_versions(customers, store.mirror, hashed=store.state.hashed)
        if version.num_rows
    ]
    return Written(customers, versions)


class _Kept:
    """Where rows wait: in memory, for they are few."""

    def __init__(self) -> None:
        self.tables: list[pa.Table] = []

    def append(self, rows: pa.Table | None, events: Sequence[Any]) -> None:
        """Keep rows."""
        if rows is not None:
            self.tables.append(rows)


def _changed(
    client: DubClient, store: Stored, form: Form, folder: Path, answers: Sequence[Page]
) -> list[pa.Table]:
    ids = [customer["id"] for page in answers for customer in page.customers]
    known = store.mirror.known_of(ids)
    kept = _Kept()

    def on_dubs_clock(moment: datetime) -> datetime:
        return moment + timedelta(seconds=client.limiter.server_offset_s or 0.0)

    with (
        tempfile.TemporaryDirectory(dir=folder) as name,
        Diff(Path(name), baseline=form.baseline, started_at=datetime.now(UTC)) as diff,
        Intake(
            form.options, diff=diff, spool=kept, names=GeneratedNames(client), on_dubs_clock=on_dubs_clock
        ) as intake,
    ):
        diff.know(known)
        for page in _in_full(client, form, answers, frozenset(known["id"].to_pylist())):
            intake.take(page)
        intake.finish()
    return kept.tables


def _in_full(client: DubClient, form: Form, answers: Sequence[Page], known: frozenset[str]) -> Iterator[Page]:
    """The answers; of a POST Dub has left out link, partner and discount, so those are read again."""
    created = [each["id"] for page in answers for each in page.customers if each["id"] not in known]
    again: dict[str, Page] = {}
    if form.expanded and created:
        by_id = ById(client, include_expanded_fields=True)
        for answer in by_id.read(created):
            again |= {each["id"]: Page([each], answer.page.requested_at) for each in answer.page.customers}
    for page in answers:
        for customer in page.customers:
            yield again.get(customer["id"]) or Page([customer], page.requested_at)


def _deleted(store: Stored, gone: Mapping[str, datetime]) -> list[pa.Table]:
    """Their last rows, marked as deleted; not of those who are marked already."""
    if not gone:
        return []
    known = store.mirror.known_of(list(gone))
    living = known.filter(pc.is_null(known["deleted_at"]))["id"].to_pylist()
    return list(Gone({each: gone[each] for each in living}).rows(store.mirror))
