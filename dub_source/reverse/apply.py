"""Carrying a plan out: in parallel where order does not matter, and with one outcome for each change.

The workers of :mod:`working` send; the thread that calls :func:`apply_plan` saves what they have settled, now
and then, while they go on. What is settled and not saved yet is in the journal.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from dub_source.by_id import IDS_PER_REQUEST, ById
from dub_source.client import DubClient, RetryPolicy
from dub_source.deadline import Deadline
from dub_source.errors import DubError, OutOfTime, RequestError
from dub_source.reverse import reasons
from dub_source.reverse.drift import Step
from dub_source.reverse.journal import Journal
from dub_source.reverse.looking import Looking
from dub_source.reverse.model import Change, Op, Outcome, Result
from dub_source.reverse.sending import Sending, Settled
from dub_source.reverse.units import Known, known, units
from dub_source.reverse.working import Crew, Ledger, Stop
from dub_source.settings import Settings
from dub_source.types import Page
from dub_source.walk import workers_for

SAVE_EVERY_S = 15.0
SAVE_EVERY = 2_000
"""Outcomes are saved after so many seconds, or so many of them."""
_READ_AHEAD_S = 10.0
"""Customers are read no longer before they are written to, at the key's limit."""

Save = Callable[[list[Outcome], list[Page]], None]
"""Saves outcomes and customers as Dub answered them: each of them once, the last answer; all or nothing."""


class ApplyObserver(Protocol):
    """Is told how an apply gets on; always by the thread that called it."""

    def begins(self, changes: int, requests_per_s: float | None) -> None:
        """Called once: how many changes are to be settled, and how many requests a second the key allows."""

    def settled(self, counts: Mapping[Result, int]) -> None:
        """Called often: how many have ended how so far."""


@dataclass(frozen=True, slots=True)
class ApplyReport:
    """What an apply came to.

    Attributes:
        counts: changes by what became of them in this apply, those among them that a killed one had settled
            without saving it.
        stopped_by: what ended it before all changes were attempted; None if nothing did.
        requests: all that were sent, reading included.
        seconds: from its beginning to its end.
    """

    counts: Mapping[Result, int]
    stopped_by: DubError | None
    requests: int
    seconds: float


def apply_plan(
    client: DubClient,
    settings: Settings,
    changes: Sequence[Change],
    *,
    done: Mapping[int, Outcome],
    journal: Journal,
    look: ById,
    save: Save,
    retry_rejected: bool = False,
    expanded: bool = True,
    workers: int | None = None,
    policy: RetryPolicy | None = None,
    observer: ApplyObserver | None = None,
    deadline: Deadline | None = None,
    clock: Callable[[], float] = time.time,
) -> ApplyReport:
    """Settle every change of a plan that has no final outcome yet.

    Each of them ends in exactly one outcome, which is saved before this returns or raises; then the journal
    is removed. If saving fails, or somebody does not wait for the end, the journal has them for next time.

    Args:
        client: of the plan's workspace.
        settings: of the client.
        changes: all of the plan, also those that are done: they tell how the others are linked.
        done: outcomes that are saved, by number.
        journal: of this plan, as an earlier apply on this machine has left it.
        look: reads customers by id, in the same form as ``expanded``.
        save: called by this thread, several times: each outcome once, and the customers as Dub answered them.
        retry_rejected: settle those that were rejected, and no others.
        expanded: whether answers to updates are to be whole customers.
        workers: requests under way at once; None: as many as the key's limit and the latency ask for.
        policy: how often and how long a write is tried.
        observer: is told how it gets on.
        deadline: after it nothing new is begun.
        clock: epoch seconds.

    Returns:
        Also when Dub refuses the key, or is down, or the time is up (``stopped_by``): what was not attempted
        is saved as that.

    Raises:
        KeyboardInterrupt: and whatever else arrives in this thread, after what was under way has ended and
            everything is saved.
        DubError: what ``save`` raises, among others; what it did not save is in the journal.
    """
    state = known(
        changes,
        done=done,
        journal=journal.outcomes,
        sent=journal.sent,
        retry_rejected=retry_rejected,
    )
    stop = Stop()
    looking = Looking(client, look, clock=clock)
    sending = Sending(
        client,
        looking,
        note=journal.sending,
        stopped=lambda: stop.is_set,
        pause=stop.pause,
        policy=policy or RetryPolicy(),
        expanded=expanded,
    )
    return _Apply(client, settings, changes, state, journal, save, stop, looking, sending).run(
        workers, observer, deadline or Deadline()
    )


class _Apply:
    """One apply; lives in the caller's thread."""

    def __init__(
        self,
        client: DubClient,
        settings: Settings,
        changes: Sequence[Change],
        state: Known,
        journal: Journal,
        save: Save,
        stop: Stop,
        looking: Looking,
        sending: Sending,
    ) -> None:
        self._client = client
        self._settings = settings
        self._changes = changes
        self._known = state
        self._journal = journal
        self._save = save
        self._stop = stop
        self._looking = looking
        self._sending = sending
        self._ledger = Ledger()
        self._crew: Crew | None = None
        self._observer: ApplyObserver | None = None
        self._deadline = Deadline()
        self._saved_at = time.monotonic()
        self._save_failed = False
        self._recovered = not state.recovered

    def run(self, workers: int | None, observer: ApplyObserver | None, deadline: Deadline) -> ApplyReport:
        began, before = time.monotonic(), self._client.stats.requests
        self._observer, self._deadline = observer, deadline
        late: OutOfTime | None = None
        try:
            self._attempt(workers)
        except OutOfTime as up:
            late = up
            self._end()
        except BaseException:
            self._end()
            raise
        else:
            self._finish()
        error = self._stop.error or late
        if error is not None and not isinstance(error, DubError):
            raise error
        return ApplyReport(
            counts=self._ledger.counts,
            stopped_by=error,
            requests=self._client.stats.requests - before,
            seconds=time.monotonic() - began,
        )

    def _end(self) -> None:
        """What is under way ends, and nothing else begins."""
        self._stop.gently()
        if self._crew is not None:
            self._crew.end()
        if not self._save_failed:
            self._finish()

    def _attempt(self, workers: int | None) -> None:
        if not (self._known.wanted or self._known.recovered):
            return
        try:
            # The first request, for the limit: answers to writes that succeed do not tell it.
            key = self._client.probe()
            self._recover()
        except RequestError as error:
            self._stop.because(error)
            return
        rate = self._settings.requests_per_s(key.limit)
        self._crew = Crew(
            self._sending,
            self._looking,
            journal=self._journal,
            ledger=self._ledger,
            stop=self._stop,
            size=IDS_PER_REQUEST if rate is None else _between(1, rate * _READ_AHEAD_S, IDS_PER_REQUEST),
            workers=workers or workers_for(key.latency_s, rate, most=self._settings.max_connections),
        )
        if self._observer is not None:
            self._observer.begins(len(self._known.wanted), rate)
        for part in units(self._changes, self._known):
            # The deletes are the second part: what stops the first stops them, too.
            if part and not self._stop.is_set:
                self._crew.work(part, self._meanwhile)

    def _recover(self) -> None:
        """What a killed apply has settled without saving it; its customers are read again for the mirror."""
        deleted = {change.number for change in self._changes if change.op is Op.DELETE}
        recovered = self._known.recovered
        steps = [
            Step(Change(each.number, Op.UPDATE, each.customer_id))
            for each in recovered
            if each.customer_id is not None and each.number not in deleted
        ]
        seen = self._looking.at(steps)
        for each in recovered:
            now = seen.get(each.customer_id or "")
            self._ledger.add(Settled(each, now, None if now is None else self._looking.on_dubs_clock(now.at)))
        self._recovered = True

    # Saving

    def _meanwhile(self) -> None:
        self._tell()
        if self._deadline.is_over and any(number not in self._ledger for number in self._known.wanted):
            raise OutOfTime
        unsaved = self._ledger.unsaved()
        if len(unsaved) >= SAVE_EVERY or (unsaved and time.monotonic() - self._saved_at >= SAVE_EVERY_S):
            self._flush(unsaved)

    def _tell(self) -> None:
        if self._observer is not None:
            self._observer.settled(self._ledger.counts)

    def _flush(self, unsaved: Sequence[Settled]) -> None:
        # Of a customer who was changed twice, both halves of a swap, the last answer counts.
        latest = {
            each.seen.customer["id"]: Page([each.seen.customer], each.seen_at)
            for each in unsaved
            if each.seen is not None and each.seen.customer is not None and each.seen_at is not None
        }
        try:
            self._save([each.outcome for each in unsaved], list(latest.values()))
        except BaseException:
            self._save_failed = True
            raise
        self._ledger.saved(len(unsaved))
        self._saved_at = time.monotonic()

    def _finish(self) -> None:
        """Every change has its outcome, and it is saved."""
        self._put_off()
        if unsaved := self._ledger.unsaved():
            self._flush(unsaved)
        error = self._stop.error
        if self._recovered and (error is None or isinstance(error, RequestError)):
            self._journal.remove()

    def _put_off(self) -> None:
        reason = reasons.INTERRUPTED if self._stop.is_set else reasons.WAITS
        if isinstance(self._stop.error, DubError):
            reason = reasons.stopped(self._stop.error.reason)
        for number in sorted(self._known.wanted):
            if number not in self._ledger:
                attempts = self._known.attempts[number]
                outcome = Outcome(number, Result.NOT_ATTEMPTED, reason=reason, attempts=attempts)
                self._ledger.add(Settled(outcome))


def _between(least: int, value: float, most: int) -> int:
    return max(least, min(most, math.ceil(value)))
