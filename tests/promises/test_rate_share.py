"""``max_rate_share`` leaves room for others on the same key."""

from dub_source.client.rate_limit import RateLimiter
from dub_source.client.retry_after import ServerTimes


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0  # the begin of a window

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_half_of_a_limit_is_half_of_it() -> None:
    clock = Clock()
    limiter = RateLimiter(window_s=60.0, max_share=0.5, clock=clock, sleep=clock.sleep)
    first = limiter.acquire()
    times = ServerTimes(limit=10, remaining=9, date=clock.now)
    limiter.observe(first, status=404, times=times, sent=clock.now, received=clock.now)
    for _ in range(4):
        limiter.acquire()
    assert limiter.throttled_s == 0.0
    limiter.acquire()
    assert limiter.throttled_s > 60.0
