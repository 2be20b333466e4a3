"""What Dub has answered to changes, as rows for the warehouse: at once, so that the next load finds no news.

It is a small incremental run whose pages are Dub's answers: the same code finds out which names Dub makes up,
hides columns, hashes rows, compares them with what is stored, and makes versions of them.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from dub_source.by_id import ById
from dub_source.changes import Diff
from dub_source.client import DubClient
from dub_source.errors import RequestError
from dub_source.generated_names import GeneratedNames
from dub_source.reverse.form import Form
from dub_source.reverse.store import Written
from dub_source.reverse.stored import Stored
from dub_source.schema import EXPANDED_COLUMNS
from dub_source.sync import KNOWN
from dub_source.sync.history import new_versions, owed_versions
from dub_source.sync.intake import Intake
from dub_source.sync.vanished import Gone
from dub_source.types import Customer, Page

_EXPANDED = {path[0] for path in EXPANDED_COLUMNS}


def learn(
    client: DubClient,
    store: Stored,
    form: Form,
    folder: Path,
    *,
    answers: Sequence[Page],
    gone: Mapping[str, datetime],
) -> "Learned":
    """Rows that say what Dub has answered, and only those that differ from what is stored.

    Dub may keep it waiting for minutes. So the destination is read and not held: whoever then writes, alone,
    looks first whether :meth:`Learned.holds`.

    Reads again, 100 a request, whom Dub has not shown in full (it leaves link, partner and discount out of
    answers to a POST), and who has no email, for the name may be made up. If that fails, there are no rows of
    these customers: they come with the next apply (:meth:`Stored.unmirrored`), or the next load.

    Args:
        client: of the workspace.
        store: what the destination has.
        form: of the rows there.
        folder: private; for files of this call.
        answers: customers as Dub answered them. ``requested_at`` is, on Dub's clock, the start of the request
            for a reading, and the moment when the answer was there for a write: a reading that began before
            that may show the customer as it was, and must be the older one.
        gone: ids of customers who do not exist any more, with the moment of the proof on Dub's clock.

    Returns:
        What :meth:`Learned.written` makes rows of.

    Raises:
        DestinationError: if the destination could not be read.
    """
    pages = [
        Page([each for each in page.customers if each["id"] not in gone], page.requested_at)
        for page in answers
    ]
    ids = list({each["id"]: None for page in pages for each in page.customers} | dict.fromkeys(gone))
    known = store.mirror.known_of(ids)
    try:
        rows = _learned(client, form, folder, known, pages)
    except RequestError:
        # The key, for one, was just revoked. What takes no more requests is stored all the same.
        clear = [
            Page([each for each in page.customers if _is_clear(each, form)], page.requested_at)
            for page in pages
        ]
        rows = _learned(client, form, folder, known, clear)
    return Learned(ids, known, rows, gone)


@dataclass(frozen=True, slots=True)
class Learned:
    """What Dub has answered, compared with what was stored at the time.

    Attributes:
        ids: of the customers concerned.
        known: what was stored of them.
        rows: those that differ from it.
        gone: ids of customers who do not exist any more, with the moment of the proof.
    """

    ids: Sequence[str]
    known: pa.Table = field(repr=False)
    rows: "_Rows" = field(repr=False)
    gone: Mapping[str, datetime]

    def holds(self, store: Stored) -> bool:
        """Whether the same is stored now: else a load has landed meanwhile, and some rows may be missing."""
        now = store.mirror.known_of(self.ids)
        return bool(now.sort_by("id").equals(self.known.sort_by("id")))

    def written(self, store: Stored) -> Written:
        """Rows for ``customers``, each customer once, and versions for ``customers_history``.

        Raises:
            DestinationError: if the destination could not be read.
        """
        return _written(store, self.known, self.rows, self.gone)


class _Rows:
    """Rows of the customers that differ from what is stored, and of all customers when they were so.

    The rows wait in memory, for they are few.
    """

    def __init__(self) -> None:
        self._tables: list[pa.Table] = []
        self.moments: dict[str, datetime] = {}

    def append(self, rows: pa.Table | None, events: Sequence[Any]) -> None:
        """Keep rows."""
        if rows is not None:
            self._tables.append(rows)

    @property
    def rows(self) -> pa.Table:
        """All of them; no customer is in two tables, because all were compared at once."""
        return pa.concat_tables([KNOWN.empty_table(), *self._tables], promote_options="default")


def _learned(client: DubClient, form: Form, folder: Path, known: pa.Table, pages: Sequence[Page]) -> _Rows:
    """Raises RequestError if somebody could not be read again."""
    learned, names = _Rows(), GeneratedNames(client)
    with (
        tempfile.TemporaryDirectory(dir=folder) as name,
        Diff(Path(name), baseline=form.baseline, started_at=datetime.now(UTC)) as diff,
        Intake(form.options, diff=diff, spool=learned, names=names, on_dubs_clock=lambda it: it) as intake,
    ):
        diff.know(known)
        for page in _in_full(client, form, pages, frozenset(known["id"].to_pylist())):
            intake.take(page)
            learned.moments |= {each["id"]: page.requested_at for each in page.customers}
        intake.finish()
    return learned


def _in_full(client: DubClient, form: Form, pages: Sequence[Page], known: frozenset[str]) -> Iterator[Page]:
    """The answers, all in the form of the rows."""
    partial: dict[str, Page] = {}
    for page in pages:
        yield Page([each for each in page.customers if _is_whole(each, form)], page.requested_at)
        partial |= {
            each["id"]: Page([each], page.requested_at)
            for each in page.customers
            if not _is_whole(each, form)
        }
    by_id = ById(client, include_expanded_fields=form.expanded)
    for again in by_id.read(list(partial)):
        yield Page(again.page.customers, client.limiter.on_servers_clock(again.page.requested_at))
        # Who cannot be read any more is stored as it was answered, or stays as it is stored.
        yield from (partial[each] for each in (*again.gone, *again.unreadable) if each not in known)


def _is_whole(customer: Customer, form: Form) -> bool:
    """Whether an answer surely has what the form has; one of a customer without a link may look as if not."""
    return not form.expanded or not _EXPANDED.isdisjoint(customer)


def _is_clear(customer: Customer, form: Form) -> bool:
    """Whether a row can be made of an answer without asking Dub again."""
    return _is_whole(customer, form) and bool(customer.get("email"))


def _written(store: Stored, known: pa.Table, learned: _Rows, gone: Mapping[str, datetime]) -> Written:
    mirror = store.mirror
    stored = {row["id"]: row for row in known.to_pylist()}
    marked = {each for each in gone if each in stored and stored[each]["deleted_at"] is not None}
    deleted = Gone({each: moment for each, moment in gone.items() if each not in marked})
    tables = [table for table in (learned.rows, *deleted.rows(mirror)) if table.num_rows]
    versions = [
        version for table in tables for version in new_versions(table, mirror, hashed=store.state.hashed)
    ]
    # Who is as stored may have been stored by a load that was killed before the history.
    moments = {**learned.moments, **{each: gone[each] for each in marked}}
    differing = set(learned.rows["id"].to_pylist())
    as_stored = [
        each
        for each, moment in moments.items()
        if each in stored and each not in differing and (stored[each]["observed_at"] or moment) <= moment
    ]
    if as_stored:
        seen_at = min(moments[each] for each in as_stored)
        versions += owed_versions(as_stored, mirror, seen_at=seen_at)
    versions = [version for version in versions if version.num_rows]
    if not tables:
        return Written(None, versions)
    return Written(pa.concat_tables(tables, promote_options="default"), versions)
