"""The frontier: what is remembered of millions of ids, and that nothing pushes it too far."""

import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dub_source.ids import surely_after, surely_before, ulid_ms
from dub_source.incremental import Frontier, FrontierBuilder
from dub_source.sandbox.ids import cuid, nanoid, ulid
from tests.incremental.world import DAY_MS, HOUR_MS, MINUTE_MS, OVERLAP_S, at, through_json, ulids

NOW_MS = 1_795_000_000_000
NOW = at(NOW_MS)


def built(ids: list[str], *, now: datetime = NOW, overlap_s: float = OVERLAP_S) -> Frontier:
    builder = FrontierBuilder(overlap_s=overlap_s, clock=lambda: NOW_MS / 1000)
    for start in range(0, len(ids), 100):
        builder.add_ids(ids[start : start + 100])
    return through_json(builder.frontier(now=now))


def shuffled(ids: list[str], seed: int = 0) -> list[str]:
    ids = list(ids)
    random.Random(seed).shuffle(ids)
    return ids


def made(customer_id: str) -> int:
    ms = ulid_ms(customer_id)
    assert ms is not None
    return ms


def test_of_nobody_nothing_is_known() -> None:
    assert built([]) == Frontier(read_at=NOW)
    assert Frontier.from_state({}) == Frontier()


def test_state_is_plain_json_of_ids_and_times_only() -> None:
    builder = FrontierBuilder()
    builder.add_ids(ulids([NOW_MS]))
    builder.add_dates([{"name": "Ada", "email": "a@example.com", "externalId": "secret"}])
    state = builder.frontier(now=NOW).as_state()
    assert set(state) == {"newest_ms", "anchors", "above", "first_sale_at", "canceled_at", "read_at"}
    assert not {"Ada", "a@example.com", "secret"} & set(map(str, state.values()))


def test_the_newest_ulid_and_never_one_from_the_future() -> None:
    past, future = ulids([NOW_MS - DAY_MS, NOW_MS - HOUR_MS]), ulids([NOW_MS + 1, NOW_MS + 10**9])
    assert built([*past, *future]).newest_ms == NOW_MS - HOUR_MS
    assert built(future).newest_ms is None
    assert built(shuffled([*past, *ulids([NOW_MS + each for each in range(1, 5_000)])])).newest_ms is not None


def test_more_ids_from_the_future_than_are_remembered_do_not_push_it() -> None:
    future = ulids([NOW_MS + 10 * DAY_MS + each for each in range(20_000)])
    newest = built(shuffled([*future, *ulids([NOW_MS - DAY_MS])])).newest_ms
    assert newest is None or newest <= NOW_MS - DAY_MS


def test_ids_of_other_kinds_do_not_move_it() -> None:
    source = random.Random(0)
    legacy = [make(source) for make in (nanoid, cuid) for _ in range(500)]
    assert built(legacy).newest_ms is None
    assert built([*legacy, *ulids([NOW_MS - DAY_MS])]).newest_ms == NOW_MS - DAY_MS


def test_dates_from_the_future_do_not_push_it() -> None:
    builder = FrontierBuilder()
    dates = [NOW - timedelta(hours=1), NOW + timedelta(days=1), None]
    builder.add_dates(
        [
            {
                "firstSaleAt": date and date.isoformat(),
                "subscriptionCanceledAt": date and (date - timedelta(days=1, hours=2)).isoformat(),
            }
            for date in dates
        ]
    )
    frontier = builder.frontier(now=NOW)
    assert frontier.first_sale_at == NOW
    assert frontier.canceled_at == NOW - timedelta(hours=2)


@pytest.mark.parametrize("value", (None, 5, "", "yesterday", "2026-13-01T00:00:00.000Z"))
def test_what_is_no_date_is_left_to_others(value: object) -> None:
    builder = FrontierBuilder()
    builder.add_dates([{"firstSaleAt": value}])
    assert builder.frontier(now=NOW).first_sale_at is None


def test_it_never_goes_back() -> None:
    before = Frontier(newest_ms=NOW_MS - 5, first_sale_at=NOW, canceled_at=NOW)
    builder = FrontierBuilder(before)
    builder.add_ids(ulids([NOW_MS - DAY_MS]))
    builder.add_dates([{"firstSaleAt": "2020-01-01T00:00:00.000Z"}])
    after = builder.frontier(now=NOW + timedelta(hours=1))
    assert (after.newest_ms, after.first_sale_at, after.canceled_at) == (NOW_MS - 5, NOW, NOW)


def test_what_a_wrong_clock_has_stored_does_not_stay() -> None:
    future = NOW + timedelta(days=40)
    before = Frontier(
        newest_ms=NOW_MS + 40 * DAY_MS, first_sale_at=future, canceled_at=future, read_at=future
    )
    after = FrontierBuilder(before).frontier(now=NOW)
    assert (after.newest_ms, after.first_sale_at, after.canceled_at, after.read_at) == (NOW_MS, NOW, NOW, NOW)


def test_the_floor_looks_back_and_follows_the_time_where_nobody_comes() -> None:
    assert Frontier(newest_ms=NOW_MS).floor_ms(900.0) == NOW_MS - 900_000
    fresh = Frontier(newest_ms=NOW_MS, read_at=NOW + timedelta(hours=23))
    assert fresh.floor_ms(900.0) == NOW_MS - 900_000
    dormant = Frontier(newest_ms=NOW_MS - 300 * DAY_MS, read_at=NOW)
    assert dormant.floor_ms(900.0) == NOW_MS - DAY_MS - 900_000
    assert Frontier().floor_ms(0.0) < NOW_MS - 365 * DAY_MS


@pytest.mark.parametrize("rows", (20, 1_000, 60_000))
@pytest.mark.parametrize("every_ms", (1, 1_000, 10 * MINUTE_MS))
@pytest.mark.parametrize("order", ("forwards", "backwards", "shuffled"))
def test_anchors_are_before_the_frontier_at_growing_distances(rows: int, every_ms: int, order: str) -> None:
    ids = ulids(NOW_MS - 1 - every_ms * number for number in range(rows))
    if order != "backwards":
        ids = ids[::-1] if order == "forwards" else shuffled(ids)
    frontier = built(ids)
    floor = frontier.floor_ms(OVERLAP_S)
    older = sorted((each for each in ids if made(each) < floor), reverse=True)
    place = {each: number for number, each in enumerate(older)}
    distances = [place[each] for each in frontier.anchors if each in place]
    if not older:
        assert len(frontier.anchors) <= 4
        return
    assert distances[0] <= 3, "the nearest costs nothing"
    assert distances == sorted(set(distances))
    assert distances[-1] >= 0.99 * (len(older) - 1), "and one of the first is among them"
    assert len(frontier.anchors) <= 17
    if len(older) > 100:
        assert len(distances) >= 5
        assert distances[1] <= 8
        for near, far in pairwise(distances[:5]):
            assert far <= 10 * near + 10


def test_where_an_overlap_is_full_the_nearest_anchor_is_right_before_it() -> None:
    ids = ulids(NOW_MS - 10 * number for number in range(150_000))  # 25 minutes at 100 a second
    frontier = built(shuffled(ids))
    floor = frontier.floor_ms(OVERLAP_S)
    between = sum(made(frontier.anchors[0]) < made(each) < floor for each in ids)
    assert between <= 103, "a second of customers"


def test_an_import_of_one_millisecond_has_several_anchors_in_it() -> None:
    old = ulids(NOW_MS - 10 * DAY_MS + number for number in range(500))
    imported = ulids([NOW_MS - DAY_MS] * 50_000, seed=1)
    frontier = built(shuffled([*old, *imported, *ulids([NOW_MS - 1], seed=2)]))
    assert made(frontier.anchors[0]) == NOW_MS - DAY_MS
    ranks = sorted(imported, reverse=True)
    assert ranks.index(frontier.anchors[0]) == 0
    assert ranks.index(frontier.anchors[1]) < 4_000
    assert sum(made(each) < NOW_MS - DAY_MS for each in frontier.anchors) >= 2


def test_where_nobody_is_before_the_frontier_somebody_near_is_kept() -> None:
    ids = ulids(NOW_MS - each for each in (10, 20, 30, 40, 50, 60))
    assert built(shuffled(ids)).anchors == tuple(sorted(ids)[:4])


def test_legacy_ids_are_remembered_where_they_are_nearest() -> None:
    source = random.Random(4)
    ids = [nanoid(source) for _ in range(20_000)]
    frontier = built(ids)
    floor = frontier.floor_ms(OVERLAP_S)
    below = sorted((each for each in ids if surely_before(each, floor)), key=str.lower)
    above = sorted((each for each in ids if surely_after(each, NOW_MS + DAY_MS)), key=str.lower)
    assert frontier.anchors[0] == below[-1]
    assert frontier.above[0] == above[0]
    assert len(frontier.above) == 4


def test_cuids_alone_are_anchors_too() -> None:
    source = random.Random(4)
    assert built([cuid(source) for _ in range(50)]).anchors


def test_anchors_far_back_outlast_many_runs() -> None:
    """Each run sees new customers only, and yet the next one has anchors of every age."""
    frontier = built(ulids(NOW_MS - each * HOUR_MS for each in range(24 * 365)))
    source = random.Random(5)
    now = NOW_MS
    for hour in range(1, 200):
        now = NOW_MS + hour * HOUR_MS
        builder = FrontierBuilder(frontier, clock=lambda: NOW_MS / 1000)
        builder.add_ids(ulid(now - each * MINUTE_MS, source) for each in range(60))
        frontier = through_json(builder.frontier(now=at(now)))
    ages = sorted((now - made(each)) / HOUR_MS for each in frontier.anchors)
    assert ages[0] < 1
    assert ages[-1] > 24 * 365
    assert sum(2 < age < 24 for age in ages) >= 1
    assert sum(24 < age < 24 * 8 for age in ages) >= 1
    assert 8 <= len(ages) <= 17


@given(st.integers(0, 10**6))
def test_whatever_it_sees_anchors_are_ids_that_it_saw(seed: int) -> None:
    source = random.Random(seed)
    makers = (nanoid, cuid, lambda source: ulid(NOW_MS - round(source.expovariate(1 / HOUR_MS)), source))
    ids = [source.choice(makers)(source) for _ in range(source.randrange(60))]
    frontier = built(ids)
    assert {*frontier.anchors, *frontier.above} <= set(ids)
    assert bool(frontier.anchors or frontier.above) == bool(ids)
    assert all(surely_after(each, NOW_MS + DAY_MS) for each in frontier.above)
    assert frontier.newest_ms == max((made(each) for each in ids if ulid_ms(each)), default=None)


def test_now_must_be_the_begin_of_the_walk() -> None:
    """Customers that came during a sweep may be unread, so those that were read do not push the frontier."""
    during = ulids([NOW_MS - 30 * MINUTE_MS])
    frontier = built([*ulids([NOW_MS - 2 * HOUR_MS]), *during], now=at(NOW_MS - HOUR_MS))
    assert frontier.newest_ms == NOW_MS - 2 * HOUR_MS
    assert frontier.read_at == datetime.fromtimestamp((NOW_MS - HOUR_MS) / 1000, UTC)
