"""An incremental run: new customers, first sales, cancellations, and some of the known ones again."""

from dataclasses import replace

import pyarrow as pa

from dub_source.changes import Diff
from dub_source.incremental import Frontier, Incremental
from dub_source.spool import Spool
from dub_source.state import State
from dub_source.sync.intake import Intake
from dub_source.sync.mirror import Mirror
from dub_source.sync.reading import Reading


class _Turn:
    """Whose turn it is to be read again: everybody in the order of ids, round and round.

    All are observed by a sweep and one after the other since, so who comes next was observed longest ago.
    """

    def __init__(self, mirror: Mirror, after: str | None) -> None:
        self._mirror = mirror
        self.last = after

    def next(self, number: int) -> list[str]:
        ids = self._mirror.living(number, after=self.last)
        if len(ids) < number and self.last is not None:
            around = self._mirror.living(number - len(ids))
            ids = list(dict.fromkeys(ids + around))
        if ids:
            self.last = ids[-1]
        return ids


def read_news(reading: Reading, spool: Spool, diff: Diff) -> State:
    """Read what an incremental run looks at, and put what differs into the spool.

    Returns:
        The state after it has been written.

    Raises:
        AnchorsLost: if none of the customers that it could begin with exists.
    """
    state, options, report = reading.state, reading.options, reading.report
    turn = _Turn(reading.mirror, state.refreshed)
    news = Incremental(
        reading.client,
        state.frontier or Frontier(),
        page_size=options.page_size,
        include_expanded_fields=options.expanded,
        overlap_s=options.overlap_s,
        refresh_requests=options.refresh_requests,
        next_to_refresh=turn.next,
        hinted_since=state.hinted_until,
    )
    with reading.intake(diff, spool) as intake:
        for page in news:
            reading.deadline.check()
            intake.take(page)
            if reading.observer is not None:
                reading.observer.read(intake.read)
            if intake.is_due():
                intake.flush(known=_known(reading.mirror, intake))
        intake.finish(known=_known(reading.mirror, intake))
        report.read = intake.read
    report.complete = news.new_customers_complete
    # Whoever the last sweep could not read is still there.
    report.unread = max(news.unreadable, state.unread)
    report.refreshed = news.refreshed
    report.refuse(intake.refused)
    # Whoever could not be asked for hints now is asked for the same time by the next run.
    asked = news.hints is not None and not news.hints.failed
    return replace(
        state,
        run=report.run_id,
        frontier=news.frontier,
        hinted_until=reading.surely_before(report.started_at) if asked else state.hinted_until,
        refreshed=news.refreshed_until or state.refreshed,
        # Whom this run may have missed, the next one does not look for: only a sweep does, soon but once.
        doubt=state.doubt or (not news.new_customers_complete and news.unreadable > state.unread),
    )


def _known(mirror: Mirror, intake: Intake) -> pa.Table:
    """What the destination has of the customers that were just read; not of all, which may be many."""
    return mirror.known_of(intake.waiting_ids())
