"""A full run: everybody, with a proof, and so those who are gone."""

from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from functools import partial
from typing import Any

from dub_source.by_id import ById
from dub_source.changes import Diff
from dub_source.deadline import Deadline
from dub_source.errors import WalkIncomplete
from dub_source.ids import likely_order
from dub_source.incremental import Frontier, FrontierBuilder
from dub_source.spool import Spool
from dub_source.state import State
from dub_source.sync.batches import REFUSED
from dub_source.sync.reading import Reading
from dub_source.sync.vanished import Gone, check_workspace, confirm
from dub_source.types import KeyInfo, Page
from dub_source.walk import Sweep, workers_for

_SAMPLE = 100
"""Known customers that are asked for first, by one request: is this still their workspace?"""
_ANCHORS = 1_000
"""Known customers that the walk chooses its anchors from."""
_FEW = 10
"""A table of some customers keeps those who are gone. That so few of them are is no reason to stop."""
_DATES = "dates"
"""The event that keeps what a killed sweep has learned from its customers besides their ids and rows."""


def read_everybody(reading: Reading, spool: Spool, diff: Diff, key: KeyInfo) -> tuple[State, Gone]:
    """Sweep the workspace, put what differs into the spool, and find out who is gone.

    Returns:
        The state after it has been written, and those who are gone.

    Raises:
        OtherWorkspace: if none of the known customers is there.
        TooManyVanished: if more are missing than the limit allows.
        WalkIncomplete: if the walk lost its place.
    """
    report, options, limit = reading.report, reading.options, reading.options.limit
    for known in reading.mirror.known():
        diff.know(known)
    living = diff.alive
    # Empty where a killed first load has left nothing but a history.
    sample = reading.mirror.spread(_SAMPLE) if living else []
    if len(sample) > (_FEW if options.selection else 0):
        check_workspace(reading.client, sample, known=living, limit=limit)
    frontier = _walk(reading, spool, diff, key)
    if living and not options.selection:
        limit.check_answer(known=living, read=report.read)
    gone = Gone()
    certificate = report.certificate
    if living and not options.selection and certificate is not None and certificate.complete:
        control = certificate.segments[0].anchor if certificate.segments else None
        by_id = ById(reading.client)
        gone = confirm(by_id, diff.vanished(), known=living, limit=limit, control=control)
        gone.proven = {each: reading.on_dubs_clock(moment) for each, moment in gone.proven.items()}
    report.deleted = len(gone.proven)
    return _state(reading, frontier, spool), gone


def _walk(reading: Reading, spool: Spool, diff: Diff, key: KeyInfo) -> Frontier:
    """Read everybody, from where a killed run has stopped, if one has."""
    sweep, builder, already = _resumed(reading, spool, diff, key)
    begun = reading.surely_before(spool.started_at)

    def events() -> list[Any]:
        return [*sweep.drain_events(), [_DATES, dict(builder.dates.as_state())]]

    if reading.observer is not None:
        reading.observer.expecting(sweep.expected)
    with reading.intake(diff, spool) as intake:
        for page in _until_it_fails(sweep, reading.deadline, lambda: intake.finish(events())):
            builder.add_dates(page.customers)
            intake.take(page)
            if reading.observer is not None:
                reading.observer.read(already + intake.read)
            if intake.is_due():
                intake.flush(events())
        intake.finish(events())
    reading.report.read = already + intake.read
    if sweep.certificate is not None:
        reading.report.certificate = sweep.certificate
        reading.report.complete = sweep.certificate.complete
        reading.report.unread = sweep.certificate.unread
    reading.report.refuse(intake.refused)
    builder.add_ids(sweep.ids)
    return builder.frontier(now=begun)


def _resumed(reading: Reading, spool: Spool, diff: Diff, key: KeyInfo) -> tuple[Sweep, FrontierBuilder, int]:
    """The sweep, what it has learned of times so far, and how many customers it has read so far."""
    events = list(spool.events())
    walked = [event for event in events if event[0] not in (_DATES, REFUSED)]
    noted = [event[1] for event in events if event[0] == _DATES]
    refused = {each: column for event in events if event[0] == REFUSED for each, column in event[1].items()}
    reading.report.resumed = bool(walked)
    sweep = Sweep(
        reading.client,
        page_size=reading.options.page_size,
        include_expanded_fields=reading.options.expanded,
        known_ids=sorted(reading.mirror.spread(_ANCHORS), key=likely_order),
        about=diff.alive or None,
        workers=partial(_workers, reading, key),
        replay=walked,
    )
    already = list(sweep.ids)
    diff.see([each for each in already if each not in refused])
    diff.pass_over(list(refused))
    reading.report.refuse(refused)
    builder = FrontierBuilder(
        Frontier.from_state(noted[-1]) if noted else None, overlap_s=reading.options.overlap_s
    )
    return sweep, builder, len(already)


def _workers(reading: Reading, key: KeyInfo) -> int:
    """How many requests must be under way at once.

    The first answer takes longer, with a connection to be made; by now there was another one.
    """
    return workers_for(
        min(key.latency_s, reading.client.round_trip_s or key.latency_s),
        key.limit and key.limit / reading.settings.rate_window_s,
        most=reading.settings.max_connections,
    )


def _until_it_fails(sweep: Sweep, deadline: Deadline, keep: Callable[[], None]) -> Iterator[Page]:
    """The pages of a sweep. Should it fail, what has been read is kept: the next run need not read it again.

    The same at the deadline.

    A failure of whoever takes the pages is another matter: what became of the last one is not known then.
    """
    # Closed here, so that at the deadline its threads end, too.
    with closing(iter(sweep)) as pages:
        while True:
            try:
                deadline.check()
                page = next(pages)
            except StopIteration:
                return
            except WalkIncomplete:
                raise  # Going on from there would lose the place again.
            except Exception:
                # Not after an interrupt, which may come when the page is noted and not yet here.
                with suppress(Exception):
                    keep()
                raise
            yield page


def _state(reading: Reading, frontier: Frontier, spool: Spool) -> State:
    report = reading.report
    return replace(
        reading.state,
        run=report.run_id,
        baseline=reading.options.baseline,
        frontier=frontier,
        swept_at=spool.started_at if report.complete else reading.state.swept_at,
        sweep_tried_at=spool.started_at,
        sweep_failures=0,
        doubt=False,
        unread=report.unread,
        hashed=reading.hashed,
        hinted_until=reading.surely_before(spool.started_at),
    )
