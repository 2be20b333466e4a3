"""The rate limiter against an independent simulation of Upstash's sliding window."""

import math
import random
import threading
import time
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dub_source.client.rate_limit import RateLimiter
from dub_source.client.retry_after import ServerTimes
from dub_source.client.sliding_window import ClockOffset, SlidingWindow
from tests.client.fake_time import EPOCH, FakeTime
from tests.client.upstash import Minutes, RealServer, World, most_possible


@settings(max_examples=25, deadline=None)
@given(limit=st.sampled_from([10, 60, 120, 600, 1200, 3000]) | st.integers(5, 500), start=st.floats(0, 59.9))
def test_whole_limit_without_a_refusal(limit: int, start: float) -> None:
    world = World(limit, share=1.0, start=start)
    world.run(5)
    best = most_possible(limit, start, 5)
    assert world.refused == []
    assert best * 0.98 - 1 <= world.passed <= best + 1


@settings(max_examples=25, deadline=None)
@given(
    limit=st.sampled_from([60, 600, 3000]),
    start=st.floats(0, 59.9),
    share=st.floats(0.05, 0.9),
    errors=st.floats(0, 1),
    latency=st.floats(0.001, 0.3),
    skew=st.floats(-90, 90),
)
def test_share_is_kept_without_a_refusal(
    limit: int, start: float, share: float, errors: float, latency: float, skew: float
) -> None:
    world = World(limit, share, start, skew, latency, errors=errors)
    world.run(4)
    assert world.refused == []
    budget = max(int(limit * share), 1)
    # One window's budget at once, then the rate; the request before the limit was known comes on top.
    assert world.passed <= budget * 5 + 2
    fastest = 4 * 60 / latency
    assert world.passed >= min(budget * 3.5, fastest * 0.9) - 2


@settings(max_examples=20, deadline=None)
@given(
    limit=st.sampled_from([60, 600, 3000]),
    start=st.floats(0, 59.9),
    skew=st.floats(-90, 90),
    seed=st.integers(0, 10_000),
    errors=st.sampled_from([0.0, 0.01]),
)
@pytest.mark.parametrize("foreign, refusals, our_part", ((0.15, 12, 0.7), (0.4, 35, 0.5), (1.5, 90, 0.05)))
def test_foreign_traffic_costs_few_refusals(
    foreign: float,
    refusals: int,
    our_part: float,
    limit: int,
    start: float,
    skew: float,
    seed: int,
    errors: float,
) -> None:
    world = World(limit, 0.8, start, skew, 0.02, foreign * limit / 60, errors, seed)
    world.run(4)
    # Measured over 30 seeds: at most 7, 24 and 61. A client that only obeys its own count would be refused
    # nearly once for each foreign request, of which there are up to 18,000 here.
    assert len(world.refused) <= refusals
    fastest = 4 * 60 / 0.02
    assert world.passed >= min(limit * 4, fastest) * our_part


def test_foreign_burst_passes() -> None:
    world = World(600, share=0.8, latency=0.05)
    world.run(0.05)
    for _ in range(500):
        world.server.request(world.server_ms(world.now))
    world.run(1)
    assert 1 <= len(world.refused) <= 10
    refused = len(world.refused)
    world.run(2)
    passed = world.passed
    world.run(3)
    # Two windows later everything is as if it had not been.
    assert len(world.refused) - refused <= 3
    assert world.passed - passed >= 3 * 480 * 0.95


@pytest.mark.parametrize("limit", (600, 1_200, 3_000))
@pytest.mark.parametrize("share", (0.8, 1.0))
@pytest.mark.parametrize("start", (0.0, 20.0, 50.0))
def test_every_minute_of_a_long_sweep_uses_its_budget(limit: int, share: float, start: float) -> None:
    """Dub's own windows, 150 ms away: what share of each minute's budget is used, first to last."""
    world = Minutes(limit, share, start, latency=0.15)
    used = [number / (limit * share) for number in world.by_minute(6, workers=16)]
    assert len(world.refused) <= 0.01 * world.sent
    # The first minute's budget is spent at once, or as far as sixteen requests at a time get; after it the
    # window slides, and what was spent late in one minute is missing in the next.
    fastest = 16 / 0.15 * (60.0 - start) / (limit * share)
    assert used[0] >= 0.98 * min(1.0, fastest)
    assert all(0.98 <= each <= 1.01 for each in used[2:]), used
    assert sum(used[:2]) >= 0.98 * (min(1.0, fastest) + 1.0)
    assert sum(used) >= 0.98 * (5.0 + min(1.0, fastest))


def limiter_of(time: FakeTime, max_share: float = 0.8) -> RateLimiter:
    return RateLimiter(window_s=60.0, max_share=max_share, clock=time.clock, sleep=time.sleep)


def test_limit_that_is_not_known_holds_nothing_back() -> None:
    time = FakeTime()
    limiter = limiter_of(time)
    for _ in range(10_000):
        limiter.acquire()
    assert time.slept == []
    assert limiter.throttled_s == 0.0
    assert limiter.limit is None
    assert limiter.server_offset_s is None


def observe_refusal(limiter: RateLimiter, at: float, times: ServerTimes) -> None:
    limiter.observe(limiter.acquire(), status=429, times=times, sent=at, received=at)


def test_pauses_grow_while_nothing_passes_and_are_bounded() -> None:
    time = FakeTime()
    limiter = limiter_of(time)
    for _ in range(9):
        observe_refusal(limiter, time.now, ServerTimes(date=time.now))
    assert time.slept == pytest.approx([1, 2, 4, 8, 16, 32, 60, 60])
    # A success ends the series.
    limiter.observe(limiter.acquire(), status=200, times=ServerTimes(), sent=time.now, received=time.now)
    time.slept.clear()
    observe_refusal(limiter, time.now, ServerTimes(date=time.now))
    limiter.acquire()
    assert time.slept == pytest.approx([1])


def test_refusals_without_a_limit_wait_as_told() -> None:
    time = FakeTime()
    limiter = limiter_of(time)
    observe_refusal(limiter, time.now, ServerTimes(retry_after_s=23.0))
    limiter.acquire()
    assert time.now - EPOCH == pytest.approx(23.0)


def known_limiter(limit: int, remaining: int, time: FakeTime, max_share: float = 0.8) -> RateLimiter:
    """A limiter that has learned a limit from its first request."""
    limiter = limiter_of(time, max_share)
    times = ServerTimes(limit=limit, remaining=remaining)
    limiter.observe(limiter.acquire(), status=422, times=times, sent=time.now, received=time.now)
    return limiter


def test_refusals_of_a_known_limit_do_not_wait_for_the_end_of_the_window() -> None:
    time = FakeTime()
    limiter = known_limiter(600, 599, time)
    observe_refusal(limiter, time.now, ServerTimes(limit=600, remaining=0, retry_after_s=55.0))
    limiter.acquire()
    # By its own count there is room: after a sixtieth of the window it tries.
    assert time.slept == pytest.approx([1.0], abs=0.1)


def test_refused_requests_do_not_count() -> None:
    time = FakeTime()
    limiter = known_limiter(600, 599, time)
    for _ in range(5):
        observe_refusal(limiter, time.now, ServerTimes(limit=600, remaining=0))
    assert limiter._own.used(time.now) == 1


def test_remaining_shows_the_requests_of_others() -> None:
    time = FakeTime()
    limiter = known_limiter(100, 40, time)
    for _ in range(40):
        if not time.slept:
            limiter.acquire()
    # 59 are others' and 7 (their square root) by chance: 34 are ours, not 80.
    assert limiter._own.used(time.now - sum(time.slept)) == 34


def test_places_are_given_anew_when_something_was_learned_meanwhile() -> None:
    time = FakeTime()

    def sleep(seconds: float) -> None:
        time.sleep(seconds)
        if len(time.slept) == 1:
            # While one waits, another one is refused.
            limiter.observe(first, status=429, times=ServerTimes(), sent=time.now, received=time.now)

    limiter = RateLimiter(window_s=60.0, max_share=1.0, clock=time.clock, sleep=sleep)
    first = limiter.acquire()
    limiter.observe(
        first, status=422, times=ServerTimes(limit=1, remaining=0), sent=time.now, received=time.now
    )
    limiter.acquire()
    assert len(time.slept) == 2


def test_limit_may_change() -> None:
    time = FakeTime()
    limiter = known_limiter(600, 599, time)
    # The workspace went to a smaller plan: 48 of 60 are ours, and one has been sent.
    limiter.observe(
        limiter.acquire(),
        status=404,
        times=ServerTimes(limit=60, remaining=58),
        sent=time.now,
        received=time.now,
    )
    assert limiter.limit == 60
    for _ in range(46):
        limiter.acquire()
    assert time.slept == []
    limiter.acquire()
    assert time.slept != []


def test_place_in_the_future_does_not_forget_the_window_before() -> None:
    window = SlidingWindow(60.0)
    for _ in range(100):
        window.count(EPOCH)
    window.uncount(window.count(EPOCH + 120.0))
    assert window.used(EPOCH + 60.0) == 100


def test_refusals_of_requests_under_way_are_one_event() -> None:
    time = FakeTime()
    limiter = limiter_of(time)
    permits = [limiter.acquire() for _ in range(8)]
    time.now += 0.1
    for permit in permits:
        limiter.observe(permit, status=429, times=ServerTimes(), sent=time.now, received=time.now)
    limiter.acquire()
    assert time.now - EPOCH - 0.1 == pytest.approx(1.0)


def test_clock_that_is_set_back_does_not_stop_the_world() -> None:
    time = FakeTime(EPOCH + 86_400)
    limiter = known_limiter(10, 9, time)
    for _ in range(20):
        limiter.acquire()
    observe_refusal(limiter, time.now, ServerTimes(limit=10, remaining=0))
    time.now -= 86_400
    time.slept.clear()
    for _ in range(5):
        limiter.acquire()
    assert sum(time.slept) <= 130.0


def test_released_places_are_free_again() -> None:
    time = FakeTime()
    limiter = known_limiter(10, 9, time, max_share=1.0)
    for _ in range(100):
        limiter.release(limiter.acquire())
    assert time.slept == []


def test_interrupted_wait_gives_its_place_back() -> None:
    class Interrupted(FakeTime):
        def sleep(self, seconds: float) -> None:
            raise KeyboardInterrupt

    limiter = known_limiter(5, 4, Interrupted(), max_share=1.0)
    for _ in range(4):
        limiter.acquire()
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            limiter.acquire()
    assert sum(limiter._own._early._counts.values()) == 5


@pytest.mark.parametrize("skew", (-500.0, -3.3, 0.0, 0.4, 77.7))
def test_server_clock_is_learned(skew: float) -> None:
    offset = ClockOffset()
    randomly = random.Random(1)
    now = EPOCH
    for _ in range(200):
        now += randomly.random()
        sent, handled, received = now, now + 0.01, now + 0.02
        date = float(math.floor(handled + skew))
        offset.observe(date, date + 1, sent=sent, received=received)
    assert offset.value == pytest.approx(skew, abs=0.05)
    # Set by an hour: forgotten and learned anew.
    offset.observe(now + 3600, now + 3601, sent=now, received=now)
    assert offset.value == pytest.approx(3600, abs=1)


@given(
    counts=st.lists(st.tuples(st.integers(0, 200), st.integers(0, 119_999)), max_size=20),
    at=st.integers(0, 119_999),
    budget=st.integers(1, 300),
)
def test_earliest_is_right_and_earliest(counts: list[tuple[int, int]], at: int, budget: int) -> None:
    window = SlidingWindow(60.0)
    for number, when in sorted(counts, key=lambda pair: pair[1]):
        for _ in range(number // 10):
            window.count(EPOCH + when / 1000 + 0.0005)
    start = EPOCH + at / 1000 + 0.0005
    moment = window.earliest(start, budget)
    assert moment >= start
    assert window.used(moment) < budget
    if moment > start:
        # Two milliseconds before would not do. (One: floor((1 - 0.8) * 5) is 0, by rounding.)
        assert window.used(max(moment - 0.002, start)) >= budget


def test_threads_share_the_limit_fairly() -> None:
    window_s, limit = 0.5, 100
    server = RealServer(limit, window_s)
    limiter = RateLimiter(window_s=window_s, max_share=0.8)
    by_thread: Counter[int] = Counter()
    statuses: Counter[int] = Counter()
    lock = threading.Lock()
    began = time.time()

    def work(number: int) -> None:
        while time.time() < began + 6 * window_s:
            permit = limiter.acquire()
            sent = time.time()
            status, times = server.request()
            limiter.observe(permit, status=status, times=times, sent=sent, received=time.time())
            with lock:
                statuses[status] += 1
                # In the beginning nobody waits, and whoever runs first takes all.
                by_thread[number] += sent > began + 2 * window_s

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # The clocks are the same; what is refused is what a busy machine delayed across a window's end.
    assert statuses[429] <= 8
    assert 80 * 5 * 0.7 <= statuses[200] <= 80 * 8 + 8
    # Served in turn.
    assert min(by_thread.values()) >= max(by_thread.values()) - 5
    assert limiter.throttled_s > 0


def test_waiting_holds_no_lock() -> None:
    entered, leave = threading.Event(), threading.Event()
    now = EPOCH

    def sleep(_: float) -> None:
        entered.set()
        assert leave.wait(10)

    limiter = RateLimiter(window_s=60.0, max_share=1.0, clock=lambda: now, sleep=sleep)
    first = limiter.acquire()
    limiter.observe(first, status=422, times=ServerTimes(limit=1, remaining=0), sent=now, received=now)
    waiting = threading.Thread(target=limiter.acquire)
    waiting.start()
    assert entered.wait(10)
    # Somebody sleeps in there; others can still report.
    limiter.observe(first, status=200, times=ServerTimes(), sent=now, received=now)
    limiter.release(first)
    leave.set()
    waiting.join(10)
    assert not waiting.is_alive()
