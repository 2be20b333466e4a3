"""The threads that send: each takes units and settles their steps until all is done."""

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

from dub_source.errors import DubError, InvalidArgument, Kind, RequestError
from dub_source.reverse.drift import Step
from dub_source.reverse.feed import Feed, Work
from dub_source.reverse.journal import Journal
from dub_source.reverse.looking import Looking, Seen
from dub_source.reverse.model import IN_EFFECT, Outcome, Result
from dub_source.reverse.sending import MOST_AGE, Sending, Settled
from dub_source.reverse.swaps import end_swap
from dub_source.reverse.units import Unit

FAILURES_IN_A_ROW = 5
"""Changes that fail one after the other, each after all its retries: Dub is down, and going on of no use."""
_STILL_FRESH = MOST_AGE - timedelta(seconds=5)


class Stop:
    """Whether, and why, nothing new is to be sent. Thread-safe.

    Attributes:
        error: the first that stopped all; None if nothing has, or a person did.
    """

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self._hard = False
        self._set = threading.Event()
        self._lock = threading.Lock()

    def because(self, error: BaseException) -> None:
        """Something that concerns everything has gone wrong."""
        with self._lock:
            if self.error is None:
                self.error = error
            self._hard = True
        self._set.set()

    def gently(self) -> None:
        """Somebody wants it to end: what is half done is done to its end."""
        self._set.set()

    @property
    def is_set(self) -> bool:
        """Whether nothing new is to be sent."""
        return self._set.is_set()

    @property
    def is_hard(self) -> bool:
        """Whether nothing at all is to be sent."""
        return self._hard

    def pause(self, seconds: float) -> None:
        """Wait; not any longer once it is set."""
        self._set.wait(seconds)


class Ledger:
    """What has been settled, and how much of it is not saved yet. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._unsaved: list[Settled] = []
        self._counts: Counter[Result] = Counter()
        self._numbers: set[int] = set()

    def add(self, settled: Settled) -> None:
        """A change has come to its end."""
        with self._lock:
            self._unsaved.append(settled)
            self._counts[settled.outcome.result] += 1
            self._numbers.add(settled.outcome.number)

    @property
    def counts(self) -> Mapping[Result, int]:
        """How many have ended how."""
        with self._lock:
            return Counter(self._counts)

    def __contains__(self, number: int) -> bool:
        with self._lock:
            return number in self._numbers

    def unsaved(self) -> list[Settled]:
        """What is to be saved, in the order in which it was settled."""
        with self._lock:
            return list(self._unsaved)

    def saved(self, count: int) -> None:
        """So many of these are saved."""
        with self._lock:
            del self._unsaved[:count]


class Crew:
    """The workers of an apply.

    ``size`` is how many customers are read together, ``workers`` how many requests are under way at once.
    """

    def __init__(
        self,
        sending: Sending,
        looking: Looking,
        *,
        journal: Journal,
        ledger: Ledger,
        stop: Stop,
        size: int,
        workers: int,
    ) -> None:
        self._sending = sending
        self._looking = looking
        self._journal = journal
        self._ledger = ledger
        self._stop = stop
        self._size = size
        self._workers = workers
        self._failures = 0
        self._lock = threading.Lock()
        self._feed: Feed | None = None
        self._changed = threading.Condition()
        self._at_work = 0
        self._ended = 0

    def work(self, units: Sequence[Unit], meanwhile: Callable[[], None]) -> None:
        """Settle units; returns when all workers have ended. This thread calls ``meanwhile`` often."""
        self._feed = feed = Feed(units, size=self._size, read=self._read)
        count = min(self._workers, len(units))
        self._at_work, self._ended = 0, 0
        for number in range(count):
            # Daemons: if somebody will not wait for what is under way, the journal knows it.
            threading.Thread(target=self._work, args=(feed,), name=f"dub-apply-{number}", daemon=True).start()
        # Not Thread.join: in Python 3.11 and 3.12 an interrupted one takes a running thread for ended.
        while not self._wait(lambda: self._ended == count, 0.1):
            meanwhile()
        meanwhile()

    def end(self) -> None:
        """Hand out nothing more and wait for what is under way."""
        if self._feed is not None:
            self._feed.close()
        self._wait(lambda: self._at_work == 0, None)

    def _wait(self, condition: Callable[[], bool], seconds: float | None) -> bool:
        with self._changed:
            return self._changed.wait_for(condition, seconds)

    def _work(self, feed: Feed) -> None:
        with self._changed:
            self._at_work += 1
        try:
            while not self._stop.is_set and (work := feed.take()) is not None:
                self._settle(work)
        except BaseException as error:  # noqa: BLE001 - a thread has nobody to raise it to; apply_plan does
            self._stop.because(error)
        finally:
            if self._stop.is_set:
                feed.close()
            with self._changed:
                self._at_work -= 1
                self._ended += 1
                self._changed.notify_all()

    def _settle(self, work: Work) -> None:
        """The steps of a unit, in order, until one is put off: then so are those after it."""
        seen = dict(work.seen)
        half_done: set[str | None] = set()
        for place, step in enumerate(work.unit):
            to_the_end = bool(half_done) and not self._stop.is_hard
            if self._stop.is_set and not to_the_end:
                return
            customer_id = step.change.customer_id
            if place and customer_id is not None and not self._is_fresh(seen.get(customer_id)):
                seen |= self._read(work.unit[place : place + self._size])
            settled = self._sending.settle(step, seen.get(customer_id or ""), to_the_end=to_the_end)
            settled = end_swap(self._sending, step, settled)
            self._keep(settled)
            if settled.outcome.result is Result.NOT_ATTEMPTED:
                return
            if settled.seen is not None and customer_id is not None:
                seen[customer_id] = settled.seen
            half_done.discard(customer_id)
            if step.change.temporary and settled.outcome.result in IN_EFFECT:
                half_done.add(customer_id)

    def _keep(self, settled: Settled) -> None:
        self._ledger.add(settled)
        if settled.outcome.result is not Result.NOT_ATTEMPTED:
            self._journal.settled(settled.outcome)
        self._look_for_trouble(settled.outcome, settled.trouble)

    def _look_for_trouble(self, outcome: Outcome, trouble: DubError | None) -> None:
        if trouble is not None and trouble.kind is Kind.FATAL:
            self._stop.because(trouble)
            return
        with self._lock:
            if trouble is not None:
                self._failures += 1
            elif outcome.attempts and outcome.result is not Result.NOT_ATTEMPTED:
                self._failures = 0
            down = self._failures >= FAILURES_IN_A_ROW
        if down and trouble is not None:
            self._stop.because(trouble)

    def _read(self, steps: Sequence[Step]) -> dict[str, Seen]:
        """The customers of steps, as far as they can be read now; for the others somebody looks again."""
        try:
            return self._looking.at(steps)
        except (RequestError, InvalidArgument) as error:
            if error.kind is Kind.FATAL:
                raise
            return {}

    def _is_fresh(self, seen: Seen | None) -> bool:
        return seen is not None and self._looking.now() - seen.at < _STILL_FRESH
