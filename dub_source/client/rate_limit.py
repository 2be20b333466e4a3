"""The shell around the sliding window: threads, waiting, and what answers teach.

One ``RateLimiter`` per API key, shared by all threads and clients that use the key in this process. Each
request takes a reserved place in time (``acquire``), and each answer is shown to the limiter (``observe``).
Places are given in the order of asking, so nobody starves, and the sleeping happens outside the lock.

Until the first answer with ``X-RateLimit-Limit`` the limit is unknown and nothing is held back: Dub sends
that header on errors only, and ``DubClient.probe`` provokes one on purpose.
"""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from dub_source.client.retry_after import ServerTimes
from dub_source.client.sliding_window import Arrivals, ClockOffset, ForeignTraffic


@dataclass(frozen=True, slots=True)
class Permit:
    """A place in time: our clock's epoch seconds, and what to name when it is taken back."""

    at: float
    windows: tuple[int, int]


class RateLimiter:
    """Keeps one key below its limit. Thread-safe.

    ``window_s``: length of the server's window in seconds; ``max_share``: the share of the limit that is used
    at most; ``clock`` gives epoch seconds, ``sleep`` takes seconds.
    """

    def __init__(
        self,
        *,
        window_s: float,
        max_share: float,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._window_s = window_s
        self._max_share = max_share
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._own = Arrivals(window_s)
        self._foreign = ForeignTraffic(window_s)
        self._offset = ClockOffset()
        self._limit: int | None = None
        # The times are on our clock: what is known of the server's is corrected now and then.
        self._last_at = -math.inf
        self._paused_until = -math.inf
        self._pause_began = -math.inf
        self._refusals_in_a_row = 0
        # Grows with everything that makes the places of those who still wait wrong.
        self._generation = 0
        self._throttled_s = 0.0

    @property
    def limit(self) -> int | None:
        """Requests per window that the server allows this key; None until learned."""
        return self._limit

    @property
    def throttled_s(self) -> float:
        """Seconds that all threads together have waited here."""
        return self._throttled_s

    @property
    def server_offset_s(self) -> float | None:
        """Server clock minus ours in seconds; None before the first answer with a date."""
        return self._offset.value if self._offset.known else None

    def on_servers_clock(self, moment: datetime) -> datetime:
        """A moment of this machine's clock as the server's clock shows it, as far as that is known."""
        return moment + timedelta(seconds=self.server_offset_s or 0.0)

    def acquire(self) -> Permit:
        """Wait for a place and take it."""
        while True:
            with self._lock:
                permit, wait, generation = self._reserve()
            if wait <= 0.0:
                return permit
            try:
                self._sleep(wait)
            except BaseException:
                self.release(permit)
                raise
            with self._lock:
                self._throttled_s += wait
                if generation == self._generation:
                    return permit
                # Something was learned meanwhile: ask again, with what is known now.
                self._own.uncount(permit.windows)

    def release(self, permit: Permit) -> None:
        """Give a place back whose request never reached the server."""
        with self._lock:
            self._own.uncount(permit.windows)

    def observe(
        self, permit: Permit, *, status: int, times: ServerTimes, sent: float, received: float
    ) -> None:
        """Learn from an answer; ``sent`` and ``received`` are our clock's epoch seconds."""
        with self._lock:
            self._learn_clock(times, sent, received)
            self._own.took(received - sent)
            if times.limit is not None and times.limit != self._limit:
                self._limit = times.limit
                self._void_reservations()
            if status == 429:
                self._refused(permit, times)
                return
            self._refusals_in_a_row = 0
            if times.remaining is not None and self._limit is not None:
                at = self._clock() + self._offset.value
                # Our requests under way count here but not yet there, so this errs on the low side.
                if self._foreign.seen(self._limit - times.remaining - self._own.used(at), at):
                    self._void_reservations()

    def _reserve(self) -> tuple[Permit, float, int]:
        now = self._clock()
        if max(self._last_at, self._paused_until) > now + 3.0 * self._window_s:
            # Our clock was set back: places in a far future would hold everybody up until then.
            self._paused_until = -math.inf
            self._void_reservations()
        offset = self._offset.value
        start = max(now, self._paused_until, self._last_at)
        # Without a reason to wait the place is now, exactly: adding and taking off the offset would round it.
        place = self._earliest(start + offset)
        at = start if place == start + offset else place - offset
        if at > now:
            self._last_at = at
        return Permit(at, self._own.count(place)), at - now, self._generation

    def _earliest(self, start: float) -> float:
        if self._limit is None:
            return start
        budget = max(int(self._limit * self._max_share), 1)
        # Others take from the limit, not from our share of it: the share is there to leave them room.
        tight = max(min(budget, self._limit - self._foreign.believed(start)), 1)
        at = self._own.earliest(start, tight)
        if tight < budget and at >= self._foreign.until:
            at = self._own.earliest(max(start, self._foreign.until), budget)
        return at

    def _refused(self, permit: Permit, times: ServerTimes) -> None:
        # What is refused does not count on the server.
        self._own.uncount(permit.windows)
        # Under way when the pause began: the same event, not another one.
        same_event = permit.at < self._pause_began
        if self._limit is not None:
            at = self._clock() + self._offset.value
            self._foreign.refused(
                self._limit - self._own.used(at),
                at,
                same_event=same_event,
                transit_s=self._own.transit_s,
            )
            self._void_reservations()
        if same_event:
            return
        # The window slides by limit/60 requests in a sixtieth of it, so a pause of that length makes room
        # unless others take it; only refusals without a success in between lengthen it. Reset is no guide:
        # room comes back before it, and not all at once after it.
        pause = self._window_s / 60.0 * 2.0 ** min(self._refusals_in_a_row, 10)
        if self._limit is None and times.retry_after_s is not None:
            # Not Dub's limiter, for that one names its limit: some proxy, to be taken at its word.
            pause = max(pause, times.retry_after_s)
        self._pause_began = self._clock()
        self._paused_until = self._pause_began + min(pause, self._window_s)
        self._refusals_in_a_row += 1
        self._void_reservations()

    def _void_reservations(self) -> None:
        self._generation += 1
        self._last_at = -math.inf

    def _learn_clock(self, times: ServerTimes, sent: float, received: float) -> None:
        if times.date is not None:
            self._offset.observe(times.date, times.date + 1.0, sent=sent, received=received)
        elif times.reset is not None:
            self._offset.observe(times.reset - self._window_s, times.reset, sent=sent, received=received)
